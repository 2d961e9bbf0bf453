/* Random numbers, bit for bit PyTorch's.
 *
 * Its CPU generator is the Mersenne Twister (Matsumoto & Nishimura 1998). torch.randn turns it into normal numbers in
 * two ways: fewer than 16 come one by one from double-precision Box-Muller, whose second half is kept for the next
 * call; 16 and more come in blocks of 16 from float32 arithmetic with the logarithm, sine and cosine of the Cephes
 * library (Moshier), evaluated with fused multiply-adds where PyTorch's build has them. To give the same bits, the same
 * polynomials are evaluated here. Its CUDA generator is Philox 4x32-10 (Salmon et al. 2011), one counter for each
 * element of each call. */
#include "base/rng.h"

#include <math.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

enum { MT_SIZE = 624, MT_SHIFT = 397, BLOCK = 16, HALF = BLOCK / 2 };

/* ---- Mersenne Twister ---- */

static void mt_seed(lt_rng *rng) {
    rng->mt[0] = (uint32_t)rng->seed; /* like torch, which keeps the low 32 bits of a seed */
    for (uint32_t i = 1; i < MT_SIZE; i++) rng->mt[i] = 1812433253u * (rng->mt[i - 1] ^ (rng->mt[i - 1] >> 30)) + i;
    rng->mt_next = MT_SIZE;
}

static void mt_refill(lt_rng *rng) {
    uint32_t *mt = rng->mt;
    for (int i = 0; i < MT_SIZE; i++) {
        const uint32_t joined = (mt[i] & 0x80000000u) | (mt[(i + 1) % MT_SIZE] & 0x7fffffffu);
        mt[i] = mt[(i + MT_SHIFT) % MT_SIZE] ^ (joined >> 1) ^ (joined & 1 ? 0x9908b0dfu : 0);
    }
    rng->mt_next = 0;
}

static uint32_t mt_word(lt_rng *rng) {
    if (rng->mt_next >= MT_SIZE) mt_refill(rng);
    uint32_t y = rng->mt[rng->mt_next++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

/* In [0, 1), in steps of 2^-24. */
static float mt_uniform_float(lt_rng *rng) { return (float)(mt_word(rng) & 0xffffffu) * 0x1p-24f; }

/* In [0, 1), in steps of 2^-53: two words, the first one on top. */
static double mt_uniform_double(lt_rng *rng) {
    const uint64_t high = mt_word(rng), low = mt_word(rng);
    return (double)(((high << 32) | low) & 0x1fffffffffffffu) * 0x1p-53;
}

/* ---- Normal numbers, one by one ---- */

static double normal_scalar(lt_rng *rng) {
    if (rng->has_next_normal) {
        rng->has_next_normal = false;
        return rng->next_normal;
    }
    const double u1 = mt_uniform_double(rng), u2 = mt_uniform_double(rng);
    const double radius = sqrt(-2.0 * log1p(-u2)), theta = 2.0 * M_PI * u1;
    rng->next_normal = radius * sin(theta);
    rng->has_next_normal = true;
    return radius * cos(theta);
}

/* ---- Normal numbers, by blocks of 16 ---- */

/* c[0] x^(count-1) + ... + c[count-1], fused at each step. */
static float polynomial(const float *c, int count, float x) {
    float y = c[0];
    for (int i = 1; i < count; i++) y = fmaf(y, x, c[i]);
    return y;
}

/* ln x for a positive, normal x. */
static float cephes_log(float x) {
    static const float c[] = {7.0376836292e-2f,  -1.1514610310e-1f, 1.1676998740e-1f,
                              -1.2420140846e-1f, 1.4249322787e-1f,  -1.6668057665e-1f,
                              2.0000714765e-1f,  -2.4999993993e-1f, 3.3333331174e-1f};
    int exponent;
    float m = frexpf(x, &exponent); /* in [0.5, 1) */
    if (m < 0.70710678f) {
        exponent--;
        m += m;
    }
    m -= 1.0f;
    const float e = (float)exponent, z = m * m;
    float y = polynomial(c, (int)LT_COUNT(c), m) * m;
    y = fmaf(y, z, e * -2.12194440e-4f); /* ln 2 in two parts: 0.693359375 - 2.1219e-4 */
    y -= 0.5f * z;
    return (m + y) + e * 0.693359375f;
}

/* Sine and cosine of x >= 0. */
static void cephes_sincos(float x, float *sine, float *cosine) {
    static const float sine_c[] = {-1.9515295891e-4f, 8.3321608736e-3f, -1.6666654611e-1f};
    static const float cosine_c[] = {2.443315711809948e-5f, -1.388731625493765e-3f, 4.166664568298827e-2f};
    const int octant = ((int)(x * 1.27323954473516f) + 1) & ~1; /* of pi/4, made even */
    const float k = (float)octant;
    x = fmaf(k, -0.78515625f, x); /* minus k pi/4, in three parts */
    x = fmaf(k, -2.4187564849853515625e-4f, x);
    x = fmaf(k, -3.77489497744594108e-8f, x);
    const float z = x * x;
    const float s = fmaf(polynomial(sine_c, 3, z) * z, x, x);
    const float c = fmaf(polynomial(cosine_c, 3, z) * z, z, -0.5f * z) + 1.0f;
    const bool swapped = octant & 2;
    *sine = (octant & 4 ? -1.0f : 1.0f) * (swapped ? c : s);
    *cosine = ((octant + 2) & 4 ? -1.0f : 1.0f) * (swapped ? s : c);
}

/* 16 uniform numbers become 16 normal ones: the first eight are radii, the others angles (Box & Muller 1958). */
static void box_muller_block(float *block) {
    for (int i = 0; i < HALF; i++) {
        const float radius = sqrtf(-2.0f * cephes_log(1.0f - block[i]));
        float sine, cosine;
        cephes_sincos((float)(2.0 * M_PI) * block[i + HALF], &sine, &cosine);
        block[i] = radius * cosine;
        block[i + HALF] = radius * sine;
    }
}

/* n >= 16. The uniform numbers are all drawn first; where n isn't a multiple of 16, the last 16 are drawn and made
 * again. */
static void normal_blocks(lt_rng *rng, float *out, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = mt_uniform_float(rng);
    for (size_t i = 0; i + BLOCK <= n; i += BLOCK) box_muller_block(out + i);
    if (n % BLOCK == 0) return;
    float *tail = out + n - BLOCK;
    for (int i = 0; i < BLOCK; i++) tail[i] = mt_uniform_float(rng);
    box_muller_block(tail);
}

/* ---- Philox ---- */

/* The first two of the four words for one element of one call. */
static void philox_words(const lt_rng *rng, size_t element, uint32_t words[2]) {
    uint32_t c[4] = {rng->philox_offset, 0, (uint32_t)element, (uint32_t)((uint64_t)element >> 32)};
    uint32_t key[2] = {(uint32_t)rng->seed, (uint32_t)(rng->seed >> 32)};
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)c[0] * 0xd2511f53u, p1 = (uint64_t)c[2] * 0xcd9e8d57u;
        c[0] = (uint32_t)(p1 >> 32) ^ c[1] ^ key[0];
        c[1] = (uint32_t)p1;
        c[2] = (uint32_t)(p0 >> 32) ^ c[3] ^ key[1];
        c[3] = (uint32_t)p0;
        key[0] += 0x9e3779b9u;
        key[1] += 0xbb67ae85u;
    }
    words[0] = c[0];
    words[1] = c[1];
}

/* Box-Muller as CUDA's curand has it, of which torch keeps the sine half; constants are float32, the rest is double. */
static float philox_normal(const lt_rng *rng, size_t element) {
    const float step = 2.3283064e-10f, angle_step = (float)(2.3283064e-10 * 6.2831855); /* 2^-32 and 2^-32 times 2 pi */
    uint32_t words[2];
    philox_words(rng, element, words);
    const double u = words[0] * (double)step + (double)(step / 2),
                 v = words[1] * (double)angle_step + (double)(angle_step / 2);
    return (float)(sqrt(-2.0 * log(u)) * sin(v));
}

/* curand's (0, 1], with 1 taken to 0 as torch does. */
static float philox_uniform(const lt_rng *rng, size_t element) {
    uint32_t words[2];
    philox_words(rng, element, words);
    const float u = fmaf((float)words[0], 0x1p-32f, 0x1p-33f);
    return u >= 1.0f ? 0.0f : u;
}

/* ---- Public ---- */

bool lt_rng_read(const char *name, lt_rng_kind *kind) {
    static const struct {
        const char *name;
        lt_rng_kind kind;
    } names[] = {{"cpu", LT_RNG_CPU},
                 {"philox", LT_RNG_PHILOX},
                 {"cuda", LT_RNG_PHILOX},
                 {"gpu", LT_RNG_PHILOX},
                 {"nv", LT_RNG_PHILOX}};
    for (size_t i = 0; i < LT_COUNT(names); i++) {
        if (strcasecmp(names[i].name, name) != 0) continue;
        *kind = names[i].kind;
        return true;
    }
    return false;
}

void lt_rng_seed(lt_rng *rng, lt_rng_kind kind, uint64_t seed) {
    memset(rng, 0, sizeof *rng);
    rng->kind = kind;
    rng->seed = seed;
    if (kind == LT_RNG_CPU) mt_seed(rng);
}

void lt_rng_normal(lt_rng *rng, float *out, size_t n) {
    if (rng->kind == LT_RNG_PHILOX) {
        for (size_t i = 0; i < n; i++) out[i] = philox_normal(rng, i);
        rng->philox_offset++;
    } else if (n < BLOCK) {
        for (size_t i = 0; i < n; i++) out[i] = (float)normal_scalar(rng);
    } else {
        normal_blocks(rng, out, n);
    }
}

void lt_rng_uniform(lt_rng *rng, float *out, size_t n) {
    if (rng->kind == LT_RNG_PHILOX) {
        for (size_t i = 0; i < n; i++) out[i] = philox_uniform(rng, i);
        rng->philox_offset++;
    } else {
        for (size_t i = 0; i < n; i++) out[i] = mt_uniform_float(rng);
    }
}

uint64_t lt_random_seed(void) {
    uint32_t seed;
    if (getrandom(&seed, sizeof seed, 0) == (ssize_t)sizeof seed)
        return seed;     /* so few bytes come whole or not at all */
    struct timespec now; /* a sandbox without that call: the clock */
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint32_t)now.tv_nsec ^ (uint32_t)now.tv_sec;
}
