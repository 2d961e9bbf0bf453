/* Every sampler, state by state, against k-diffusion's and diffusers' recorded runs; and what must hold for any of
 * them. */
#include "base/rng.h"
#include "diffusion/diffusion.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "diffusion_golden.h"

enum { RECORDED = 64, MAX_STATES = 32, START_SEED = 7, NOISE_SEED = 100 };

static lt_noise_schedule eps_schedule, v_schedule;

static int make_schedules(void **state) {
    (void)state;
    const lt_status status =
        lt_noise_schedule_init(&eps_schedule, LT_BETA_SCALED_LINEAR, 0.00085, 0.012, LT_PREDICT_EPSILON);
    return status ? status : lt_noise_schedule_init(&v_schedule, LT_BETA_SCALED_LINEAR, 0.00085, 0.012, LT_PREDICT_V);
}

/* ---- A made-up model, and a record of what a sampler does with it ---- */

typedef struct bench {
    lt_sampling sampling;
    lt_steps steps;
    double gaussian;    /* the model: 0: that of make_golden.py; else the exact one for data of N(0, gaussian^2) */
    const float *noise; /* [.., n] what is drawn, in order; NULL: fresh from the seeds that make_golden.py uses */
    int drawn, predicted;
    int fail_predict_at, fail_noise_at, fail_after_at; /* the call that is refused; -1: none */
    int states;                                        /* after_step calls so far */
    float *each;                                       /* [states, n] what after_step saw, or NULL */
    lt_noise_level levels[MAX_STATES];
    float last_level_sigma;
} bench;

/* x = alpha x_0 + sigma noise. */
typedef struct noised {
    double alpha, sigma;
} noised;

/* Of a whole timestep from alphas_cumprod, for it may leave nothing of the picture. */
static noised level_of(const lt_noise_schedule *s, float t) {
    const double sigma = lt_t_to_sigma(s, t), abar = s->alphas_cumprod[(int)t];
    if (t == (float)(int)t) return (noised){sqrt(abar), sqrt(1 - abar)};
    return (noised){1 / sqrt(1 + sigma * sigma), sigma / sqrt(1 + sigma * sigma)};
}

static double denoised_of(const bench *b, double x, noised at) {
    const double c2 = b->gaussian * b->gaussian;
    return b->gaussian > 0 ? x * at.alpha * c2 / (at.alpha * at.alpha * c2 + at.sigma * at.sigma)
                           : 1.5 * tanh(x / (at.alpha + at.sigma));
}

static lt_status predict(void *user, const float *x, float t, float *out) {
    bench *b = user;
    if (b->predicted++ == b->fail_predict_at) return lt_fail(LT_ERROR_CANCELLED, "predict says no");
    assert_true(t >= 0 && t <= LT_TRAIN_STEPS - 1);
    const noised at = level_of(b->sampling.schedule, t);
    for (size_t i = 0; i < b->sampling.n; i++) {
        const double x0 = denoised_of(b, x[i], at), eps = (x[i] - at.alpha * x0) / at.sigma;
        const bool v = b->sampling.schedule->prediction == LT_PREDICT_V;
        out[i] = (float)(v ? at.alpha * eps - at.sigma * x0 : eps);
    }
    return LT_OK;
}

static lt_status draw(void *user, float *out) {
    bench *b = user;
    if (b->drawn == b->fail_noise_at) return lt_fail(LT_ERROR_CANCELLED, "noise says no");
    if (b->noise) {
        memcpy(out, b->noise + (size_t)b->drawn * b->sampling.n, b->sampling.n * sizeof *out);
    } else {
        lt_rng rng;
        lt_rng_seed(&rng, LT_RNG_CPU, NOISE_SEED + (uint64_t)b->drawn);
        lt_rng_normal(&rng, out, b->sampling.n);
    }
    b->drawn++;
    return LT_OK;
}

static lt_status after_step(void *user, int index, int count, lt_noise_level level, float *x, const float *denoised) {
    bench *b = user;
    if (index == b->fail_after_at) return lt_fail(LT_ERROR_CANCELLED, "after_step says no");
    assert_int_equal(index, b->states);
    assert_int_equal(count, b->steps.count);
    for (size_t i = 0; i < b->sampling.n; i++) assert_true(isfinite(denoised[i]));
    if (b->each && b->states < MAX_STATES) {
        memcpy(b->each + (size_t)b->states * b->sampling.n, x, b->sampling.n * sizeof *x);
        b->levels[b->states] = level;
    }
    b->last_level_sigma = level.sigma;
    b->states++;
    return LT_OK;
}

static lt_status bench_try(bench *b, const lt_noise_schedule *s, const char *sampler, const char *schedule, int steps,
                           double strength, size_t n) {
    *b = (bench){.fail_predict_at = -1, .fail_noise_at = -1, .fail_after_at = -1};
    b->sampling = (lt_sampling){.schedule = s, .n = n, .predict = predict, .noise = draw, .after_step = after_step};
    return lt_steps_make(s, sampler, schedule, steps, strength, &b->steps);
}

static void bench_make(bench *b, const lt_noise_schedule *s, const char *sampler, const char *schedule, int steps,
                       double strength, size_t n) {
    if (bench_try(b, s, sampler, schedule, steps, strength, n) != LT_OK) fail_msg("%s", lt_error_message());
}

static lt_status bench_run(bench *b, const char *sampler, float *x) {
    b->sampling.user = b;
    b->sampling.steps = &b->steps;
    return lt_sample(&b->sampling, sampler, x);
}

static void must_run(bench *b, const char *sampler, float *x) {
    if (bench_run(b, sampler, x) != LT_OK) fail_msg("%s: %s", sampler, lt_error_message());
}

/* x = scale * torch.randn of seed 7, as txt2img starts. */
static void start(bench *b, const char *sampler, float *x) {
    float scale;
    lt_rng rng;
    b->sampling.steps = &b->steps;
    assert_int_equal(lt_sampler_noise_scale(&b->sampling, sampler, &scale), LT_OK);
    lt_rng_seed(&rng, LT_RNG_CPU, START_SEED);
    lt_rng_normal(&rng, x, b->sampling.n);
    for (size_t i = 0; i < b->sampling.n; i++) x[i] *= scale;
}

static void bench_free(bench *b) { lt_steps_free(&b->steps); }

/* ---- Recorded runs ---- */

static float *tensor_of(const lt_checkpoint *file, const char *key, const char *what, size_t *count) {
    char name[96];
    snprintf(name, sizeof name, "%s.%s", key, what);
    return maybe_golden(file, name, count);
}

/* Where the recorded case's steps are wrong, the rest would be, too. */
static void check_steps(const lt_checkpoint *file, const char *key, const lt_steps *steps) {
    size_t n;
    float *sigmas = tensor_of(file, key, "sigmas", &n), *timesteps = NULL;
    if (sigmas) {
        assert_int_equal(n, steps->count + 1);
        assert_close(key, steps->sigmas, sigmas, n, 1e-6);
    } else {
        timesteps = tensor_of(file, key, "timesteps", &n);
        assert_non_null(timesteps);
        assert_int_equal(n, steps->count);
        assert_memory_equal(steps->timesteps, timesteps, n * sizeof *timesteps);
    }
    lt_free(sigmas);
    lt_free(timesteps);
}

/* A recorded run, and what it was made with. */
typedef struct recorded {
    const char *key, *sampler, *schedule;
    int steps, noises_used;
    float eta;
    const lt_noise_schedule *noise;
} recorded;

static void check_case(const lt_checkpoint *file, const recorded *r, double *worst) {
    const char *key = r->key, *sampler = r->sampler;
    bench b;
    float x[RECORDED], each[MAX_STATES * RECORDED];
    size_t n, states, noise_count;
    bench_make(&b, r->noise, sampler, r->schedule, r->steps, 1, RECORDED);
    check_steps(file, key, &b.steps);
    b.sampling.eta = r->eta;
    b.each = each;
    float *noise = tensor_of(file, key, "noise", &noise_count), *x_init = tensor_of(file, key, "x_init", &n);
    float *x_each = tensor_of(file, key, "x_each", &states), *x_final = tensor_of(file, key, "x_final", &n);
    assert_true(x_init && x_each && x_final && n == RECORDED);
    b.noise = noise;
    memcpy(x, x_init, sizeof x);
    must_run(&b, sampler, x);

    const bool ancestral = strcmp(sampler, "euler_a") == 0; /* diffusers' draws for its last step, too, and adds none */
    assert_true(b.drawn == r->noises_used || (ancestral && b.drawn == r->noises_used - 1));
    assert_int_equal((b.states + 1) * RECORDED, states);
    for (int i = 0; i < b.states; i++) {
        const double error = relative_error(each + i * RECORDED, x_each + (i + 1) * RECORDED, RECORDED);
        if (!(error <= 1e-5)) fail_msg("%s: state %d is off by %g", key, i + 1, error);
        *worst = fmax(*worst, error);
    }
    assert_close(key, x, x_final, RECORDED, 1e-5);
    lt_free(noise);
    lt_free(x_init);
    lt_free(x_each);
    lt_free(x_final);
    bench_free(&b);
}

/* Of "ddim_eta1.leading.10". */
static bool read_key(char name[32], char schedule[32], recorded *r) {
    assert_int_equal(sscanf(r->key, "%31[a-z0-9_].%31[a-z_].%d", name, schedule, &r->steps), 3);
    if (!strcmp(name, "ddim_eta1")) {
        strcpy(name, "ddim");
        r->eta = 1;
    }
    r->sampler = name;
    r->schedule = schedule;
    return true;
}

/* Of "tcd_eta0.3.4", by what it begins with. */
static bool read_few_key(char name[32], char schedule[32], recorded *r) {
    static lt_noise_schedule zero_snr;
    zero_snr = v_schedule;
    assert_int_equal(lt_noise_schedule_rescale(&zero_snr), LT_OK);
    const struct {
        const char *name, *sampler, *schedule;
        float eta;
        const lt_noise_schedule *noise;
    } kinds[] = {{"lcm_sigmas.sgm_uniform", "lcm", "sgm_uniform", 0, &eps_schedule},
                 {"lcm_sigmas.karras", "lcm", "karras", 0, &eps_schedule},
                 {"er_sde.karras", "er_sde", "karras", 0, &eps_schedule},
                 {"er_sde.normal", "er_sde", "normal", 0, &eps_schedule},
                 {"lcm", "lcm", "leading", 0, &eps_schedule},
                 {"tcd_eta0.3", "tcd", "leading", 0.3f, &eps_schedule},
                 {"tcd_eta1", "tcd", "leading", 1, &eps_schedule},
                 {"ddim_trailing", "ddim", "trailing", 0, &eps_schedule},
                 {"ddim_trailing_v", "ddim", "trailing", 0, &v_schedule},
                 {"ddim_trailing_v_zero_snr", "ddim", "trailing", 0, &zero_snr},
                 {"deis", "deis", "leading", 0, &eps_schedule},
                 {"unipc_trailing", "unipc", "trailing", 0, &eps_schedule},
                 {"euler_trailing", "euler", "trailing", 0, &eps_schedule},
                 {"euler_a_trailing", "euler_a", "trailing", 0, &eps_schedule}};
    (void)name;
    (void)schedule;
    const char *steps = strrchr(r->key, '.') + 1;
    for (size_t i = 0; i < LT_COUNT(kinds); i++)
        if (strlen(kinds[i].name) == (size_t)(steps - 1 - r->key) &&
            !strncmp(kinds[i].name, r->key, strlen(kinds[i].name)))
            *r = (recorded){r->key,         kinds[i].sampler, kinds[i].schedule, atoi(steps),
                            r->noises_used, kinds[i].eta,     kinds[i].noise};
    return r->sampler != NULL;
}

/* Each run of a file that read_key knows; returns how many there were. */
static int check_file(const char *index_name, const char *tensors, bool (*read)(char *, char *, recorded *)) {
    json_error_t error;
    json_t *index = json_load_file(index_name, 0, &error), *row;
    if (!index) fail_msg("%s: %s", index_name, error.text);
    size_t i;
    int count = 0;
    double worst = 0;
    lt_checkpoint file;
    open_golden(tensors, &file);
    json_array_foreach(index, i, row) {
        char name[32], schedule[32];
        recorded r = {.key = json_string_value(json_object_get(row, "case")),
                      .noises_used = (int)json_integer_value(json_object_get(row, "noises_used")),
                      .noise = &eps_schedule};
        if (!read(name, schedule, &r)) continue;
        check_case(&file, &r, &worst);
        count++;
    }
    print_message("%d cases, largest relative error of a state %.3g\n", count, worst);
    json_decref(index);
    lt_checkpoint_close(&file);
    return count;
}

static void test_recorded(void **state) {
    (void)state;
    assert_int_equal(check_file(LT_GOLDEN_DIR "/samplers.json", "samplers.safetensors", read_key), 56);
}

/* Samplers of few steps. Left out is diffusers' own DPM-Solver++. */
static void test_recorded_few(void **state) {
    (void)state;
    assert_int_equal(check_file(LT_GOLDEN_DIR "/fewstep/fewstep.json", "fewstep/fewstep.safetensors", read_few_key),
                     33);
}

/* ComfyUI's (make_comfy.py). */
static void test_recorded_comfy(void **state) {
    (void)state;
    assert_int_equal(check_file(LT_GOLDEN_DIR "/comfy.json", "comfy.safetensors", read_key), 35);
}

/* diffusers' samplers on other schedules, with v-prediction, with part of the steps: the last state
 * (make_diffusion.py). */
static void test_recorded_finals(void **state) {
    (void)state;
    json_error_t error;
    json_t *root = json_load_file(LT_GOLDEN_DIR "/diffusion.json", 0, &error), *row;
    if (!root) fail_msg("diffusion.json: %s", error.text);
    size_t i;
    json_array_foreach(json_object_get(root, "finals"), i, row) {
        bench b;
        float x[RECORDED], final[RECORDED];
        char what[96];
        const char *sampler = json_string_value(json_object_get(row, "sampler"));
        const char *schedule = json_string_value(json_object_get(row, "schedule"));
        const int steps = (int)json_integer_value(json_object_get(row, "steps"));
        const bool v = json_is_true(json_object_get(row, "v"));
        bench_make(&b, v ? &v_schedule : &eps_schedule, sampler, schedule, steps,
                   json_number_value(json_object_get(row, "strength")), RECORDED);
        b.sampling.eta = (float)json_number_value(json_object_get(row, "eta"));
        start(&b, sampler, x);
        must_run(&b, sampler, x);
        for (size_t k = 0; k < RECORDED; k++)
            final[k] = (float)json_number_value(json_array_get(json_object_get(row, "final"), k));
        snprintf(what, sizeof what, "%s %s %d, row %zu", sampler, schedule, steps, i);
        assert_close(what, x, final, RECORDED, 1e-5);
        assert_int_equal(b.drawn, json_integer_value(json_object_get(row, "drawn")));
        bench_free(&b);
    }
    json_decref(root);
}

/* ---- What must hold for every sampler on every schedule that it takes ---- */

typedef void (*pair_fn)(const char *sampler, const char *schedule);

static void for_all_pairs(pair_fn check) {
    for (const char *const *sampler = lt_sampler_names(); *sampler; sampler++)
        for (const char *const *schedule = lt_schedule_names(); *schedule; schedule++) {
            lt_steps steps;
            if (lt_steps_make(&eps_schedule, *sampler, *schedule, 4, 1, &steps) == LT_OK) check(*sampler, *schedule);
            lt_steps_free(&steps);
        }
}

static void v_equals_eps(const char *sampler, const char *schedule) {
    float x[2][RECORDED];
    char what[96];
    if (!strncmp(schedule, "align", 5)) return; /* its levels lie beyond the table's: x and t are not of one level */
    if (!strcmp(schedule, "linear_quadratic"))
        return; /* steps grow tenfold at once: what extrapolates magnifies rounding */
    for (int v = 0; v < 2; v++) {
        bench b;
        bench_make(&b, v ? &v_schedule : &eps_schedule, sampler, schedule, 6, 1, RECORDED);
        start(&b, sampler, x[v]);
        must_run(&b, sampler, x[v]);
        bench_free(&b);
    }
    snprintf(what, sizeof what, "%s on %s, v against eps", sampler, schedule);
    assert_close(what, x[1], x[0], RECORDED, 1e-5);
}

static void test_v_equals_eps(void **state) {
    (void)state;
    for_all_pairs(v_equals_eps);
}

static void any_count_works(const char *sampler, const char *schedule) {
    static const int counts[] = {1, 2, 3, 4, 5, 37, 999, 1000};
    /* a step or two of those that end beyond the table, or before 0, do not lead to a picture */
    const bool beyond = !strncmp(schedule, "align", 5) || !strcmp(schedule, "kl_optimal");
    for (size_t k = 0; k < LT_COUNT(counts); k++) {
        bench b;
        float x[3];
        if (bench_try(&b, &eps_schedule, sampler, schedule, counts[k], 1, 3) != LT_OK) {
            assert_true(!strcmp(sampler, "lcm") || !strcmp(sampler, "tcd")); /* whose own schedule has 50 at most */
            continue;
        }
        start(&b, sampler, x);
        must_run(&b, sampler, x);
        for (int i = 0; i < 3; i++)
            if (!isfinite(x[i]) || fabsf(x[i]) > (beyond ? 200 : 20))
                fail_msg("%s on %s in %d: %g", sampler, schedule, counts[k], (double)x[i]);
        assert_int_equal(b.states, b.steps.count);
        assert_true(b.last_level_sigma == 0 || !strcmp(schedule, "kl_optimal"));
        bench_free(&b);
    }
}

static void test_any_count_works(void **state) {
    (void)state;
    for_all_pairs(any_count_works);
}

static bool is_one_of(const char *name, const char *const *list, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], name) == 0) return true;
    return false;
}

/* For data of N(0, c^2) the probability flow has a closed form: x(0) = x(sigma) c / sqrt(c^2 + sigma^2). Samplers
 * without noise get there, those of higher order sooner. */
static void test_gaussian_flow(void **state) {
    (void)state;
    static const struct {
        const char *sampler, *schedule;
        int steps;
        double within;
    } cases[] = {{"euler", "karras", 800, 4e-3},      {"heun", "karras", 100, 1e-3},     {"dpm2", "karras", 100, 1e-3},
                 {"lms", "karras", 100, 1e-3},        {"dpmpp_2m", "karras", 100, 1e-3}, {"unipc", "karras", 100, 1e-3},
                 {"ddim", "karras", 800, 4e-3},       {"ddim", "trailing", 1000, 6e-3},  {"plms", "leading", 250, 6e-3},
                 {"euler", "sgm_uniform", 1000, 6e-3}};
    const double c = 0.7;
    for (size_t k = 0; k < LT_COUNT(cases); k++) {
        bench b;
        float x[RECORDED], exact[RECORDED];
        bench_make(&b, &eps_schedule, cases[k].sampler, cases[k].schedule, cases[k].steps, 1, RECORDED);
        b.gaussian = c;
        start(&b, cases[k].sampler, x);
        lt_noise_level level;
        assert_int_equal(lt_sampler_start(&b.sampling, cases[k].sampler, &level), LT_OK);
        for (int i = 0; i < RECORDED; i++)
            exact[i] = (float)(x[i] * c / sqrt(level.alpha * level.alpha * c * c + level.sigma * level.sigma));
        must_run(&b, cases[k].sampler, x);
        /* diffusers' last step and k-diffusion's start a little off the ends of the flow */
        char what[64];
        snprintf(what, sizeof what, "%s on %s", cases[k].sampler, cases[k].schedule);
        assert_close(what, x, exact, RECORDED, cases[k].within);
        bench_free(&b);
    }
}

/* With many steps every sampler, stochastic ones too, draws from the data's distribution: mean 0, variance c^2. lcm is
 * left out, and so is tcd: their network is to be another, which maps straight to the end of the flow. */
static void test_gaussian_variance(void **state) {
    (void)state;
    enum { N = 8192 };
    static float x[N];
    const double c = 0.7;
    for (const char *const *sampler = lt_sampler_names(); *sampler; sampler++) {
        if (!strcmp(*sampler, "lcm") || !strcmp(*sampler, "tcd")) continue;
        bench b;
        double sum = 0, squares = 0;
        bench_make(&b, &eps_schedule, *sampler, NULL, 200, 1, N);
        b.gaussian = c;
        b.sampling.eta = 1;
        start(&b, *sampler, x);
        must_run(&b, *sampler, x);
        for (int i = 0; i < N; i++) {
            sum += x[i];
            squares += (double)x[i] * x[i];
        }
        const double mean = sum / N, deviation = sqrt(squares / N);
        if (fabs(mean) > 0.03 || fabs(deviation / c - 1) > 0.03)
            fail_msg("%s: mean %g, deviation %g, expected 0 and %g", *sampler, mean, deviation, c);
        bench_free(&b);
    }
}

/* ---- Relations between samplers ---- */

/* DDIM without noise is Euler's method in sigma, at another scale. */
static void test_ddim_is_euler(void **state) {
    (void)state;
    bench ddim, euler;
    float x[RECORDED], y[RECORDED];
    bench_make(&ddim, &eps_schedule, "ddim", "karras", 12, 1, RECORDED);
    bench_make(&euler, &eps_schedule, "euler", "karras", 12, 1, RECORDED);
    start(&euler, "euler", y);
    const float sigma = euler.steps.sigmas[0];
    for (int i = 0; i < RECORDED; i++) x[i] = y[i] / sqrtf(1 + sigma * sigma);
    must_run(&ddim, "ddim", x);
    must_run(&euler, "euler", y);
    assert_close("ddim against euler", x, y, RECORDED, 1e-5);
    bench_free(&ddim);
    bench_free(&euler);
}

/* DDIM at eta 1 is DDPM (Song et al. 2021), but for the last step. */
static void test_ddim_eta1_is_ddpm(void **state) {
    (void)state;
    float each[2][MAX_STATES * RECORDED], x[RECORDED];
    static const char *const names[] = {"ddim", "ddpm"};
    for (int k = 0; k < 2; k++) {
        bench b;
        bench_make(&b, &eps_schedule, names[k], "leading", 10, 1, RECORDED);
        b.sampling.eta = 1;
        b.each = each[k];
        start(&b, names[k], x);
        must_run(&b, names[k], x);
        bench_free(&b);
    }
    assert_close("eta 1", each[0], each[1], 9 * RECORDED, 1e-5);
}

/* ---- Starts and levels ---- */

static void test_start(void **state) {
    (void)state;
    for (const char *const *sampler = lt_sampler_names(); *sampler; sampler++) {
        bench b;
        lt_noise_level level;
        float scale;
        bench_make(&b, &eps_schedule, *sampler, "trailing", 10, 1, 1);
        b.sampling.steps = &b.steps;
        assert_int_equal(lt_sampler_start(&b.sampling, *sampler, &level), LT_OK);
        assert_int_equal(lt_sampler_noise_scale(&b.sampling, *sampler, &scale), LT_OK);
        static const char *const unit[] = {"ddpm", "ddim", "plms", "unipc", "deis", "lcm", "tcd"};
        const float abar = eps_schedule.alphas_cumprod[999];
        if (is_one_of(*sampler, unit, LT_COUNT(unit))) {
            assert_true(scale == 1);
            assert_close("alpha", &level.alpha, &(float){sqrtf(abar)}, 1, 1e-6);
            assert_close("sigma", &level.sigma, &(float){sqrtf(1 - abar)}, 1, 1e-6);
        } else {
            assert_true(level.alpha == 1 && level.sigma == eps_schedule.sigmas[999] && scale == level.sigma);
        }
        bench_free(&b);
    }
}

/* diffusers' img2img starts from add_noise at the first timestep that is left. */
static void test_img2img_start(void **state) {
    (void)state;
    size_t n, all;
    bench b;
    lt_noise_level level;
    lt_checkpoint file;
    open_golden("tiny/img2img_ddim.safetensors", &file);
    float *x0 = golden(&file, "init_latent", &n), *noise = golden(&file, "noise", &n),
          *latents = golden(&file, "latents", &all);
    bench_make(&b, &eps_schedule, "ddim", NULL, 10, 0.6, n);
    b.sampling.steps = &b.steps;
    assert_int_equal(all, ((size_t)b.steps.count + 1) * n);
    assert_int_equal(lt_sampler_start(&b.sampling, "ddim", &level), LT_OK);
    for (size_t i = 0; i < n; i++) x0[i] = level.alpha * x0[i] + level.sigma * noise[i];
    assert_close("the start of img2img", x0, latents, n, 1e-6);
    lt_free(x0);
    lt_free(noise);
    lt_free(latents);
    bench_free(&b);
    lt_checkpoint_close(&file);
}

/* Where the mask is black, the recorded inpainting holds the original at the level that after_step is told. It is the
 * picture of img2img_ddim, with the same noises. */
static void test_inpaint_levels(void **state) {
    (void)state;
    enum { MOST = 4 * 16 * 16 };
    static float each[MAX_STATES * MOST], x[MOST];
    size_t n, mask_n, all;
    bench b;
    lt_checkpoint inpaint, img2img;
    open_golden("tiny/inpaint_ddim.safetensors", &inpaint);
    open_golden("tiny/img2img_ddim.safetensors", &img2img);
    float *x0 = golden(&img2img, "init_latent", &n), *noise = golden(&inpaint, "noise", &n);
    float *mask = golden(&inpaint, "mask_latent", &mask_n), *latents = golden(&inpaint, "latents", &all);
    assert_int_equal(n, MOST);
    bench_make(&b, &eps_schedule, "ddim", NULL, 10, 1, n);
    b.each = each;
    memcpy(x, noise, sizeof x);
    assert_memory_equal(noise, latents, sizeof x); /* pure noise, of scale 1 */
    must_run(&b, "ddim", x);
    for (int s = 0; s < b.states; s++)
        for (size_t i = 0; i < n; i++) {
            if (mask[i % mask_n] > 0.5f) continue;
            const float kept = b.levels[s].alpha * x0[i] + b.levels[s].sigma * noise[i];
            assert_true(fabsf(kept - latents[(size_t)(s + 1) * n + i]) < 1e-5f);
        }
    assert_true(b.levels[9].alpha == 1 && b.levels[9].sigma == 0);
    lt_free(x0);
    lt_free(noise);
    lt_free(mask);
    lt_free(latents);
    bench_free(&b);
    lt_checkpoint_close(&inpaint);
    lt_checkpoint_close(&img2img);
}

/* What after_step leaves in x is what the next step starts from. */
static lt_status forget(void *user, int index, int count, lt_noise_level level, float *x, const float *denoised) {
    (void)denoised;
    const lt_sampling *s = user;
    for (size_t i = 0; i < s->n; i++) x[i] = index + 1 == count ? 42.0f : level.sigma;
    return LT_OK;
}

static lt_status expect_sigma(void *user, const float *x, float t, float *out) {
    const lt_sampling *s = user;
    const float sigma = lt_t_to_sigma(s->schedule, t);
    assert_close("what the network sees", x, &(float){sigma / sqrtf(1 + sigma * sigma)}, 1, 1e-5);
    memset(out, 0, s->n * sizeof *out);
    return LT_OK;
}

static void test_after_step_may_change(void **state) {
    (void)state;
    static const char *const samplers[] = {"euler", "dpmpp_2m", "ddim", "unipc"};
    for (size_t k = 0; k < LT_COUNT(samplers); k++) {
        lt_steps steps;
        assert_int_equal(lt_steps_make(&eps_schedule, samplers[k], NULL, 5, 1, &steps), LT_OK);
        lt_sampling s = {.schedule = &eps_schedule,
                         .steps = &steps,
                         .n = 1,
                         .predict = expect_sigma,
                         .after_step = forget,
                         .user = &s};
        lt_noise_level level;
        assert_int_equal(lt_sampler_start(&s, samplers[k], &level), LT_OK);
        float x = level.sigma;
        assert_int_equal(lt_sample(&s, samplers[k], &x), LT_OK);
        assert_true(x == 42.0f);
        lt_steps_free(&steps);
    }
}

/* ---- Failures ---- */

static void test_callbacks_can_stop(void **state) {
    (void)state;
    for (const char *const *sampler = lt_sampler_names(); *sampler; sampler++)
        for (int which = 0; which < 3; which++)
            for (int at = 0; at < 3; at++) {
                bench b;
                float x[RECORDED];
                bench_make(&b, &eps_schedule, *sampler, NULL, 4, 1, RECORDED);
                b.sampling.eta = 1;
                start(&b, *sampler, x);
                *(which == 0 ? &b.fail_predict_at : which == 1 ? &b.fail_noise_at : &b.fail_after_at) = at;
                const lt_status status = bench_run(&b, *sampler, x);
                if (which == 1 && b.drawn < at)
                    assert_int_equal(status, LT_OK); /* it draws less */
                else if (which != 1 || b.drawn > 0)
                    assert_int_equal(status, LT_ERROR_CANCELLED);
                bench_free(&b);
            }
}

static void test_refusals(void **state) {
    (void)state;
    bench b;
    float x[RECORDED] = {0};
    lt_noise_level level;
    bench_make(&b, &eps_schedule, "ddim", NULL, 4, 1, RECORDED);
    assert_int_equal(bench_run(&b, "nosuch", x), LT_ERROR_ARGUMENT);
    assert_non_null(strstr(lt_error_message(), "dpmpp_2m"));
    assert_int_equal(lt_sampler_start(&b.sampling, "nosuch", &level), LT_ERROR_ARGUMENT);
    static const float bad_eta[] = {-0.1f, 1.1f, NAN};
    for (size_t i = 0; i < LT_COUNT(bad_eta); i++) {
        b.sampling.eta = bad_eta[i];
        assert_int_equal(bench_run(&b, "ddim", x), LT_ERROR_ARGUMENT);
        assert_non_null(strstr(lt_error_message(), "eta"));
    }
    b.sampling.eta = 1;
    b.sampling.noise = NULL;
    assert_int_equal(bench_run(&b, "ddim", x), LT_ERROR_ARGUMENT);
    assert_non_null(strstr(lt_error_message(), "noise"));
    b.sampling.eta = 0;
    assert_int_equal(bench_run(&b, "ddim", x), LT_OK);
    bench_free(&b);
    assert_int_equal(bench_run(&b, "ddim", x), LT_ERROR_ARGUMENT);
    assert_non_null(strstr(lt_error_message(), "no steps"));
}

static void test_no_memory(void **state) {
    (void)state;
    for (const char *const *sampler = lt_sampler_names(); *sampler; sampler++) {
        bench b;
        float x[RECORDED];
        bench_make(&b, &eps_schedule, *sampler, NULL, 4, 1, RECORDED);
        start(&b, *sampler, x);
        lt_alloc_fail_at(0);
        assert_int_equal(bench_run(&b, *sampler, x), LT_ERROR_MEMORY);
        lt_alloc_fail_at(1); /* there is only one allocation */
        assert_int_equal(bench_run(&b, *sampler, x), LT_OK);
        assert_false(lt_alloc_failed());
        lt_alloc_fail_at(SIZE_MAX);
        b.sampling.n = SIZE_MAX / 4;
        assert_int_equal(bench_run(&b, *sampler, x), LT_ERROR_MEMORY);
        bench_free(&b);
    }
}

/* ---- Zero terminal SNR ---- */

/* A network that says v = 0.3 x - 0.2. */
static lt_status predict_line(void *user, const float *x, float t, float *out) {
    (void)user, (void)t;
    for (int i = 0; i < 4; i++) out[i] = 0.3f * x[i] - 0.2f;
    return LT_OK;
}

/* Four steps on trailing from where nothing of the picture is left, as diffusers' DDIMScheduler, the same with
 * set_alpha_to_one, and EulerDiscreteScheduler take them. */
static void test_zero_terminal_snr(void **state) {
    (void)state;
    static const struct {
        const char *sampler;
        bool to_one;
        float limit, end[4]; /* euler's state begins at 4096 times the others' */
    } cases[] = {
        {"ddim", false, 2e-5f, {0.6227932572364807f, -0.5953042507171631f, 0.41977694630622864f, 1.4348582029342651f}},
        {"ddim", true, 2e-5f, {0.6089513897895813f, -0.5646975040435791f, 0.4133431911468506f, 1.3913840055465698f}},
        {"euler",
         false,
         2e-4f,
         {0.6089955568313599f, -0.5647786855697632f, 0.41334468126296997f, 1.3915244340896606f}}};
    for (size_t k = 0; k < LT_COUNT(cases); k++) {
        lt_noise_schedule s = v_schedule;
        lt_steps steps;
        float scale, x[4] = {1, -2, 0.5f, 3};
        assert_int_equal(lt_noise_schedule_rescale(&s), LT_OK);
        s.to_one = cases[k].to_one;
        assert_int_equal(lt_steps_make(&s, cases[k].sampler, "trailing", 4, 1, &steps), LT_OK);
        const lt_sampling sampling = {.schedule = &s, .steps = &steps, .n = 4, .predict = predict_line};
        assert_int_equal(lt_sampler_noise_scale(&sampling, cases[k].sampler, &scale), LT_OK);
        for (int i = 0; i < 4; i++) x[i] *= scale;
        assert_int_equal(lt_sample(&sampling, cases[k].sampler, x), LT_OK);
        for (int i = 0; i < 4; i++)
            if (!(fabsf(x[i] - cases[k].end[i]) < cases[k].limit))
                fail_msg("%s: %g, expected %g", cases[k].sampler, (double)x[i], (double)cases[k].end[i]);
        lt_steps_free(&steps);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded),
        cmocka_unit_test(test_recorded_comfy),
        cmocka_unit_test(test_recorded_few),
        cmocka_unit_test(test_recorded_finals),
        cmocka_unit_test(test_v_equals_eps),
        cmocka_unit_test(test_any_count_works),
        cmocka_unit_test(test_gaussian_flow),
        cmocka_unit_test(test_gaussian_variance),
        cmocka_unit_test(test_ddim_is_euler),
        cmocka_unit_test(test_ddim_eta1_is_ddpm),
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_img2img_start),
        cmocka_unit_test(test_inpaint_levels),
        cmocka_unit_test(test_after_step_may_change),
        cmocka_unit_test(test_callbacks_can_stop),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_zero_terminal_snr),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, make_schedules, NULL);
}
