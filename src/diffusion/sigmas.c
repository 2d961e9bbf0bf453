/* Schedules over sigma. Each follows its reference to the letter, in its precision. */
#include "diffusion/sigmas.h"

#include "diffusion/sampler.h"

#include <math.h>

static float highest(const lt_noise_schedule *s) { return s->sigmas[LT_TRAIN_STEPS - 1]; }

/* ---- k-diffusion ---- */

/* DiscreteSchedule.get_sigmas: t falls evenly to 0. */
int lt_normal_sigmas(const lt_noise_schedule *s, int steps, float *sigma) {
    for (int i = 0; i < steps; i++) sigma[i] = lt_t_to_sigma(s, lt_linspace(LT_TRAIN_STEPS - 1, 0, steps, i));
    return steps;
}

/* Karras et al. 2022, equation 5, rho 7: the seventh root of sigma falls evenly. */
int lt_karras_sigmas(const lt_noise_schedule *s, int steps, float *sigma) {
    const double rho = 7, from = pow(highest(s), 1 / rho), to = pow(s->sigmas[0], 1 / rho);
    for (int i = 0; i < steps; i++) {
        const float root = (float)from + lt_linspace(0, 1, steps, i) * (float)(to - from);
        sigma[i] = (float)pow(root, rho);
    }
    return steps;
}

/* get_sigmas_exponential, and get_sigmas_polyexponential with its rho of 1: the logarithm of sigma falls evenly. */
int lt_exponential_sigmas(const lt_noise_schedule *s, int steps, float *sigma) {
    const float from = (float)log(highest(s)), to = (float)log(s->sigmas[0]);
    for (int i = 0; i < steps; i++) sigma[i] = expf(lt_linspace(from, to, steps, i));
    return steps;
}

/* ---- ComfyUI ---- */

/* simple_scheduler: evenly spaced entries of the table, from the top. */
int lt_simple_sigmas(const lt_noise_schedule *s, int steps, float *sigma) {
    const double stride = (double)LT_TRAIN_STEPS / steps;
    for (int i = 0; i < steps; i++) sigma[i] = s->sigmas[LT_TRAIN_STEPS - 1 - (int)(i * stride)];
    return steps;
}

/* normal_scheduler with sgm: t falls evenly over one step more, of which the last, at 0, is left out. */
int lt_sgm_uniform_sigmas(const lt_noise_schedule *s, int steps, float *sigma) {
    for (int i = 0; i < steps; i++) sigma[i] = lt_t_to_sigma(s, lt_linspace(LT_TRAIN_STEPS - 1, 0, steps + 1, i));
    return steps;
}

/* ddim_scheduler: t = 1, 1 + stride, ... as far as the table goes; more than `steps` where 1000 / steps isn't whole. */
int lt_ddim_uniform_sigmas(const lt_noise_schedule *s, int steps, float *sigma) {
    const int stride = LT_TRAIN_STEPS / steps, count = (LT_TRAIN_STEPS - 2) / stride + 1;
    for (int i = 0; i < count; i++) sigma[i] = s->sigmas[1 + (count - 1 - i) * stride];
    return count;
}

/* Forge's turbo: the table's entries nearest to 1000 - 1, 1000 - 1 - stride, ... */
int lt_turbo_sigmas(const lt_noise_schedule *s, int steps, float *sigma) {
    const float stride = (float)((double)LT_TRAIN_STEPS / steps);
    for (int i = 0; i < steps; i++) sigma[i] = s->sigmas[(int)nearbyintf((float)(steps - i) * stride - 1)];
    return steps;
}

/* ---- The beta distribution's quantiles (Lee et al. 2024): many steps at both ends ---- */

static const double SHAPE = 0.6; /* both of its parameters */

/* The distribution function at x in [0, 1/2]: x^a / B(a, a) times the sum of (1 - a)_k / k! x^k / (a + k). */
static double beta_below(double x) {
    double sum = 0, factor = 1; /* (1 - a)_k / k! x^k */
    for (int k = 0; k < 64; k++) {
        sum += factor / (SHAPE + k);
        factor *= (1 - SHAPE + k) / (k + 1) * x;
    }
    return pow(x, SHAPE) * sum * tgamma(2 * SHAPE) / (tgamma(SHAPE) * tgamma(SHAPE));
}

static double beta_quantile(double share) {
    if (!(share < 0.5)) return share > 0.5 ? 1 - beta_quantile(1 - share) : 0.5;
    double low = 0, high = 0.5;
    for (int i = 0; i < 64; i++) {
        const double middle = (low + high) / 2;
        *(beta_below(middle) < share ? &low : &high) = middle;
    }
    return low;
}

/* In the web UIs sigma itself is spread so, down to the lowest, ... */
int lt_beta_sigmas(const lt_noise_schedule *s, int steps, float *sigma) {
    const double low = (double)s->sigmas[0], range = (double)highest(s) - low;
    for (int i = 0; i < steps; i++)
        sigma[i] = (float)(low + range * beta_quantile(steps > 1 ? 1 - (double)i / (steps - 1) : 1));
    return steps;
}

/* ... in ComfyUI whole timesteps are, each taken once. */
int lt_beta_comfy_sigmas(const lt_noise_schedule *s, int steps, float *sigma) {
    int count = 0;
    for (int i = 0, last = -1; i < steps; i++) {
        const int t = (int)nearbyint(beta_quantile(1 - (double)i / steps) * (LT_TRAIN_STEPS - 1));
        if (t != last) sigma[count++] = s->sigmas[t];
        last = t;
    }
    return count;
}

/* ---- Sabour et al. 2024, theorem 3.1: the arc tangent of sigma falls evenly ---- */

static float kl_optimal_at(const lt_noise_schedule *s, float share) {
    return tanf(share * atanf(s->sigmas[0]) + (1 - share) * atanf(highest(s)));
}

/* In the web UIs the last step goes to the lowest, not to 0, ... */
int lt_kl_optimal_sigmas(const lt_noise_schedule *s, int steps, float *sigma) {
    for (int i = 0; i <= steps; i++) sigma[i] = kl_optimal_at(s, (float)i / (float)steps);
    return steps;
}

/* ... in ComfyUI it is one of the steps before that to 0. */
int lt_kl_optimal_comfy_sigmas(const lt_noise_schedule *s, int steps, float *sigma) {
    for (int i = 0; i < steps; i++) sigma[i] = kl_optimal_at(s, steps > 1 ? (float)i / (float)(steps - 1) : 0);
    return steps;
}

/* ---- Genmo's Mochi, as ComfyUI has it ---- */

/* Half of the steps take 1 - sigma / highest evenly up to 0.025, the others go on in a parabola. */
int lt_linear_quadratic_sigmas(const lt_noise_schedule *s, int steps, float *sigma) {
    const double threshold = 0.025;
    const int linear = steps / 2, others = steps - linear;
    const double rest = linear - threshold * steps;
    const double square = linear ? rest / ((double)linear * others * others) : 0;
    const double slope = linear ? threshold / linear - 2 * rest / ((double)others * others) : 0;
    for (int i = 0; i < steps; i++) {
        const double gone =
            i < linear ? i * threshold / linear : square * i * i + slope * i + square * ((double)linear * linear);
        sigma[i] = (float)(1 - gone) * highest(s);
    }
    return steps;
}

/* ---- Tables that were searched for ---- */

static const double ays[] = {14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029};
static const double ays_xl[] = {14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029};
static const double gits[] = {14.615, 4.617, 2.507, 1.236, 0.702, 0.402, 0.240, 0.156, 0.104, 0.094, 0.029};
static const double gits_xl[] = {14.615, 4.734, 2.567, 1.529, 0.987, 0.652, 0.418, 0.268, 0.179, 0.127, 0.029};
static const double ays_32[] = {14.615,     11.23951352, 8.64363081, 6.64729424, 5.57250862, 4.71648546, 3.99196065,
                                3.5195609,  3.13490466,  2.79228788, 2.48773628, 2.21663865, 1.97508351, 1.7793172,
                                1.61475335, 1.46540953,  1.314849,   1.16642497, 1.03475547, 0.91573744, 0.80748169,
                                0.71202361, 0.621739,    0.53065202, 0.4529096,  0.37491455, 0.27461819, 0.2011529,
                                0.14105873, 0.06682881,  0.03166121, 0.015};
static const double ays_32_xl[] = {14.615,     11.1491618, 8.50522127, 6.48827151, 5.43707402, 4.60398619, 3.89854704,
                                   3.27407457, 2.74396527, 2.29968659, 1.95448514, 1.67108715, 1.42878152, 1.23181009,
                                   1.06789649, 0.92579443, 0.80290886, 0.69660121, 0.60436903, 0.52852552, 0.46773344,
                                   0.41393379, 0.36258186, 0.31008517, 0.26518925, 0.22326461, 0.17653877, 0.13959192,
                                   0.10587381, 0.05519369, 0.02877334, 0.015};

/* The logarithm of the table's sigmas is a line from each to the next; one step is at the last. */
static int take_table(const double *table, int count, int steps, float *sigma) {
    for (int i = 0; i < steps; i++) {
        const double place = steps > 1 ? (double)i * (count - 1) / (steps - 1) : count - 1;
        const int low = (int)lt_min((size_t)place, (size_t)count - 2);
        const double w = place - low;
        sigma[i] = (float)exp((1 - w) * log(table[low]) + w * log(table[low + 1]));
    }
    return steps;
}

#define TABLE(name)                                                                                                    \
    int lt_##name##_sigmas(const lt_noise_schedule *s, int steps, float *sigma) {                                      \
        (void)s;                                                                                                       \
        return take_table(name, (int)LT_COUNT(name), steps, sigma);                                                    \
    }
TABLE(ays) TABLE(ays_xl) TABLE(ays_32) TABLE(ays_32_xl) TABLE(gits) TABLE(gits_xl)
