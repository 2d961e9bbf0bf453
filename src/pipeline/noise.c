/* Variations of noise, and noise of another size, after the web UIs' ImageRNG. */
#include "pipeline/noise.h"

#include <math.h>
#include <string.h>

/* ---- Between two noises ---- */

/* A line of n numbers, `step` apart: how far two of them are apart, as the cosine of their angle. */
static double cosine(const float *a, const float *b, size_t n, size_t step) {
    double aa = 0, bb = 0, ab = 0;
    for (size_t i = 0; i < n * step; i += step) {
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
        ab += (double)a[i] * b[i];
    }
    return fmin(fmax(ab / sqrt(aa * bb), -1), 1);
}

static void mix_line(float *a, double of_a, const float *b, double of_b, size_t n, size_t step) {
    for (size_t i = 0; i < n * step; i += step) a[i] = (float)(of_a * a[i] + of_b * b[i]);
}

/* Along the arc from a to b, of each column [h] for itself, as the reference has it: dim 1 of [c, h, w]. */
static void slerp_column(float *a, const float *b, size_t h, size_t w, double share) {
    const double angle = acos(cosine(a, b, h, w)), sine = sin(angle);
    if (!(sine > 1e-6)) return; /* one direction, or opposite ones, between which no arc is the shortest */
    mix_line(a, sin((1 - share) * angle) / sine, b, sin(share * angle) / sine, h, w);
}

/* a becomes what is `share` of the way from it to b; [c, h, w]. Nearly equal ones the reference mixes the other way
 * round. */
static void slerp(float *a, const float *b, size_t c, size_t h, size_t w, double share) {
    double sum = 0;
    for (size_t i = 0; i < c * w; i++) sum += cosine(a + i / w * h * w + i % w, b + i / w * h * w + i % w, h, w);
    if (sum / (double)(c * w) > 0.9995) {
        mix_line(a, share, b, 1 - share, c * h * w, 1);
        return;
    }
    for (size_t i = 0; i < c * w; i++) slerp_column(a + i / w * h * w + i % w, b + i / w * h * w + i % w, h, w, share);
}

/* ---- Noise of another size ---- */

/* Of two sides the part that both have, in the middle of each. */
typedef struct overlap {
    size_t from, to, count;
} overlap;

static overlap centre(size_t from, size_t to) {
    if (to >= from) return (overlap){0, (to - from) / 2, from};
    const size_t cut = (from - to + 1) / 2; /* as //, which rounds down below 0 */
    return (overlap){cut, 0, from - 2 * cut};
}

/* The middle of noise [c, from_h, from_w] over that of out. */
static void place(const lt_noise_plan *p, const float *noise, size_t from_h, size_t from_w, float *out) {
    const overlap down = centre(from_h, p->h), across = centre(from_w, p->w);
    for (size_t c = 0; c < p->c; c++)
        for (size_t y = 0; y < down.count; y++)
            memcpy(out + (c * p->h + down.to + y) * p->w + across.to,
                   noise + (c * from_h + down.from + y) * from_w + across.from, across.count * sizeof *out);
}

/* ---- All of it ---- */

static void draw(lt_rng_kind kind, uint64_t seed, float *out, size_t n) {
    lt_rng rng;
    lt_rng_seed(&rng, kind, seed);
    lt_rng_normal(&rng, out, n);
}

lt_status lt_noise_make(const lt_noise_plan *p, lt_rng *rng, float *out) {
    const bool resized = p->from_h && p->from_w && (p->from_h != p->h || p->from_w != p->w), varied = p->strength > 0;
    const size_t h = resized ? p->from_h : p->h, w = resized ? p->from_w : p->w, n = p->c * h * w;
    lt_rng_normal(rng, out, p->c * p->h * p->w);
    if (!resized && !varied) return LT_OK;
    float *noise = lt_alloc(n * sizeof *noise), *other = lt_alloc(n * sizeof *other);
    if (noise && other) {
        if (resized)
            draw(p->kind, p->seed, noise, n);
        else
            memcpy(noise, out, n * sizeof *noise);
        draw(p->kind, p->variation, other, n);
        if (varied) slerp(noise, other, p->c, h, w, (double)p->strength);
        place(p, noise, h, w, out);
    }
    const lt_status status = noise && other ? LT_OK : LT_ERROR_MEMORY;
    lt_free(noise);
    lt_free(other);
    return status;
}
