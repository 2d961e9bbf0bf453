/* backward_weights: the weight's gradient in bf16 with AMX, any shape:
 *
 *     dweight[o, tap, c] += sum over q of G[q, o] S[q + shift(tap), c]
 *
 * q numbers the pixels of ddst (G) in rows that are some zeros longer than ddst's, and with some rows of zeros after
 * each sample, so that a tap is one and the same shift everywhere: what it reaches over the border is 0. Zeros before a
 * row double as those behind the row above. With a stride the sources are cut into stride^2 pictures (planes) of every
 * stride-th pixel, and a tap belongs to one of them. AMX multiplies pairs of pixels, so S is packed twice, for even
 * shifts and for odd ones.
 *
 * With few channels one kernel row's pixels, which lie side by side in memory, count as one pixel of kernel*c channels
 * (a run).
 *
 * q is cut into parts with sums of their own, which are added up in their order; where there are fewer than threads,
 * these share the output channels too. Chunks and parts do not depend on the number of threads, so the bytes don't
 * either. The bias's gradient is summed while G is packed, of ddst as it is. */
#include "kernels/amx.h"
#include "kernels/gemm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK_BYTES = 768 << 10, /* of packed pixels, G's and S's, to stay in the second-level cache */
    MIN_CHUNK = 256,         /* pixels, and at most: */
    MAX_CHUNK = 2048,
    MAX_RUN = 64,    /* channels of a run */
    MAX_PARTS = 8,   /* of q; more than two have at least */
    PART_CHUNKS = 8, /* chunks each, or adding them up takes time, and no more memory for their sums than */
    SUMS_BYTES = 64 << 20
};

typedef struct tap {
    size_t plane_y, plane_x, shift; /* shift: in pixels q */
    size_t ky, kx;
} tap;

typedef struct amx {
    size_t run; /* pixels that count as one */
    size_t c[2], c_tiles[2], tiles_c, tiles_o;
    size_t oh, ow, pitch, height, pixels; /* of the numbering q: row length, rows a sample, all */
    size_t chunk, chunks, halo;           /* pixels q that are packed at a time, how often, how far taps reach */
    size_t pairs;                         /* of S, in a chunk */
    size_t k_parts, o_parts;              /* of q, of the outputs */
    size_t a_size, b_size;                /* words of scratch for each thread, which come first */
    size_t sums_size, bias_size;          /* the same for each part */
    tap *taps;
    size_t tap_count;
} amx;

static void amx_free(lt_conv_pass *pass) {
    amx *a = pass->state;
    lt_free(a->taps);
    lt_free(a);
}

/* ---- Planning ---- */

static int compare_taps(const void *x, const void *y) {
    const tap *a = x, *b = y;
    if (a->plane_y != b->plane_y) return a->plane_y < b->plane_y ? -1 : 1;
    if (a->plane_x != b->plane_x) return a->plane_x < b->plane_x ? -1 : 1;
    if (a->shift % 2 != b->shift % 2) return a->shift % 2 < b->shift % 2 ? -1 : 1;
    return a->shift < b->shift ? -1 : a->shift > b->shift;
}

static bool same_pack(const tap *a, const tap *b) {
    return a->plane_y == b->plane_y && a->plane_x == b->plane_x && a->shift % 2 == b->shift % 2;
}

static bool list_taps(amx *a, const lt_conv_desc *d) {
    const size_t k = (size_t)d->kernel, stride = (size_t)d->stride, across = k / a->run;
    a->tap_count = k * across;
    a->taps = lt_calloc(a->tap_count, sizeof *a->taps);
    if (!a->taps) return false;
    for (size_t i = 0; i < a->tap_count; i++) {
        const size_t ky = i / across, kx = i % across;
        a->taps[i] = (tap){.plane_y = ky % stride,
                           .plane_x = kx % stride,
                           .shift = ky / stride * a->pitch + kx / stride,
                           .ky = ky,
                           .kx = kx};
        a->halo = lt_max(a->halo, a->taps[i].shift);
    }
    qsort(a->taps, a->tap_count, sizeof *a->taps, compare_taps);
    return true;
}

static void number_pixels(amx *a, const lt_conv_desc *d) {
    const size_t k = (size_t)d->kernel, reach = (k - 1) / (size_t)d->stride;
    const int shared = d->stride > 1 ? 0 : d->pad_begin < d->pad_end ? d->pad_begin : d->pad_end;
    const size_t more = reach - lt_min((size_t)shared, reach);
    a->run = d->c[1] == 0 && k > 1 && k * (size_t)d->c[0] <= MAX_RUN ? k : 1;
    a->oh = (size_t)lt_conv_out_size(d, d->h);
    a->ow = (size_t)lt_conv_out_size(d, d->w);
    a->pitch = a->ow + (a->run > 1 ? 0 : more);
    a->height = a->oh + more;
    a->pixels = (size_t)d->n * a->height * a->pitch;
    a->tiles_o = lt_count_parts((size_t)d->oc, LT_AMX_SIDE);
    for (int i = 0; i < 2; i++) {
        a->c[i] = (size_t)d->c[i] * a->run;
        a->c_tiles[i] = lt_count_parts(a->c[i], LT_AMX_SIDE);
        a->tiles_c += a->c_tiles[i];
    }
}

/* How many parts q is cut into, of so many chunks: two at least, where there are two chunks. */
static size_t count_k_parts(const amx *a, size_t chunks) {
    const size_t sums = a->tap_count * a->tiles_c * a->tiles_o * LT_AMX_TILE * sizeof(float);
    const size_t worth = lt_min(lt_min(chunks / PART_CHUNKS, SUMS_BYTES / sums), MAX_PARTS);
    return lt_min(chunks, lt_max(worth, 2));
}

static void plan_chunks(amx *a, const lt_conv_desc *d) {
    const size_t channels = (a->tiles_o + a->tiles_c) * LT_AMX_SIDE;
    size_t chunk = lt_min(lt_max(CHUNK_BYTES / (channels * sizeof(uint16_t)), MIN_CHUNK), MAX_CHUNK);
    chunk = lt_max(chunk, 2 * a->halo);
    a->chunks = lt_count_parts(a->pixels, chunk);
    a->chunks = lt_round_up(a->chunks, count_k_parts(a, a->chunks));
    a->chunk = lt_round_up(lt_count_parts(a->pixels, a->chunks), LT_AMX_PIXELS);
    a->chunks = lt_count_parts(a->pixels, a->chunk);
    a->k_parts = count_k_parts(a, a->chunks);
    a->o_parts = lt_max(1, lt_min((size_t)d->threads / a->k_parts, a->tiles_o));
    a->sums_size = a->tap_count * a->tiles_c * lt_count_parts(a->tiles_o, a->o_parts) * LT_AMX_TILE;
    a->bias_size = 2 * a->tiles_o * LT_AMX_SIDE;
    a->a_size = lt_count_parts(a->tiles_o, a->o_parts) * (a->chunk / LT_AMX_PIXELS) * LT_AMX_TILE;
    a->pairs = (a->chunk + lt_round_up(a->halo, 2)) / 2;
    a->b_size = a->tiles_c * a->pairs * LT_AMX_SIDE;
}

static size_t count_words(const amx *a, const lt_conv_desc *d) {
    return (a->a_size + a->b_size) * (size_t)d->threads + (a->sums_size + a->bias_size) * a->k_parts * a->o_parts;
}

static lt_status amx_create(lt_conv_pass *pass) {
    const lt_conv_desc *d = &pass->desc;
    if (!pass->wanted.weight || !lt_isa_has_amx(d->isa))
        return lt_fail(LT_ERROR_UNSUPPORTED, "AMX: gradients of weights only");
    amx *a = lt_calloc(1, sizeof *a);
    if (!a) return LT_ERROR_MEMORY;
    pass->state = a;
    number_pixels(a, d);
    if (!list_taps(a, d)) {
        amx_free(pass);
        return LT_ERROR_MEMORY;
    }
    plan_chunks(a, d);
    pass->scratch_size = count_words(a, d) * sizeof(uint32_t);
    snprintf(pass->name, sizeof pass->name, "amx");
    return LT_OK;
}

/* ---- Packing ---- */

/* A part: output tiles [o, o_end), and where its memory is, and that of the thread that works on it. */
typedef struct share {
    const lt_conv_desc *d;
    const amx *a;
    const lt_conv_backward_io *io;
    size_t o, o_end;
    float *sums;     /* [tap][channel tile][output tile][16 outputs][16 channels] */
    uint32_t *g, *s; /* G [output tile][tile of pixels]..., S [channel tile][pair][16 channels] */
    float *bias;     /* [2][outputs]: of all chunks, and of one, so that no sum is a long chain of roundings */
} share;

/* Where a pixel q is: counted on, as dividing takes longer than packing. */
typedef struct place {
    size_t x, y, sample;
} place;

static place place_of(const amx *a, size_t q) {
    const size_t row = q / a->pitch;
    return (place){q % a->pitch, row % a->height, row / a->height};
}

static void step(const amx *a, place *at) {
    if (++at->x < a->pitch) return;
    at->x = 0;
    if (++at->y < a->height) return;
    at->y = 0;
    at->sample++;
}

static lt_amx_pixel g_pixel(const share *w, place at, size_t from, size_t to) {
    const amx *a = w->a;
    if (at.x >= a->ow || at.y >= a->oh || at.sample >= (size_t)w->d->n) return (lt_amx_pixel){0};
    const size_t oc = (size_t)w->d->oc;
    return (lt_amx_pixel){w->io->ddst + ((at.sample * a->oh + at.y) * a->ow + at.x) * oc + from, 0, to - from};
}

static void pack_g(const share *w, size_t start) {
    const amx *a = w->a;
    const size_t tiles = a->chunk / LT_AMX_PIXELS, next = tiles * LT_AMX_TILE;
    const size_t from = w->o * LT_AMX_SIDE, to = lt_min(w->o_end * LT_AMX_SIDE, (size_t)w->d->oc);
    float *sums = w->d->bias ? w->bias + a->bias_size / 2 : NULL;
    place at = place_of(a, start);
    for (size_t tile = 0; tile < tiles; tile++) {
        uint32_t *out = w->g + tile * LT_AMX_TILE;
        for (size_t pair = 0; pair < LT_AMX_SIDE; pair++) {
            lt_amx_pixel pixels[2];
            for (int i = 0; i < 2; i++, step(a, &at)) pixels[i] = g_pixel(w, at, from, to);
            lt_amx_pack_pair(pixels, to - from, out + pair * LT_AMX_SIDE, next, sums);
        }
        for (size_t o = w->o; o < w->o_end; o++) lt_amx_transpose(out + (o - w->o) * next);
    }
    for (size_t i = 0; sums && i < to - from; i++) {
        w->bias[i] += sums[i];
        sums[i] = 0;
    }
}

static lt_amx_pixel s_pixel(const share *w, const tap *t, int source, place at) {
    const amx *a = w->a;
    const lt_conv_desc *d = w->d;
    const size_t stride = (size_t)d->stride, pad = (size_t)d->pad_begin, c = (size_t)d->c[source];
    const size_t y = at.y * stride + t->plane_y - pad, x = at.x * stride + t->plane_x - pad; /* wrap round below 0 */
    if (at.sample >= (size_t)d->n || y >= (size_t)d->h) return (lt_amx_pixel){0};
    const float *line = w->io->src[source] + (at.sample * (size_t)d->h + y) * (size_t)d->w * c;
    if (a->run == 1) return x >= (size_t)d->w ? (lt_amx_pixel){0} : (lt_amx_pixel){line + x * c, 0, c};
    const ptrdiff_t first = (ptrdiff_t)x, from = first < 0 ? -first : 0, left = d->w - first;
    const ptrdiff_t to = left < (ptrdiff_t)a->run ? left : (ptrdiff_t)a->run;
    if (from >= to) return (lt_amx_pixel){0};
    return (lt_amx_pixel){line + (size_t)(first + from) * c, (size_t)from * c, (size_t)to * c};
}

static void pack_s(const share *w, const tap *t, size_t start) {
    const amx *a = w->a;
    const size_t next = a->pairs * LT_AMX_SIDE;
    uint32_t *out = w->s;
    for (int source = 0; source < 2 && a->c[source]; source++) {
        place at = place_of(a, start + t->shift % 2);
        for (size_t pair = 0; pair < a->pairs; pair++) {
            lt_amx_pixel pixels[2];
            for (int i = 0; i < 2; i++, step(a, &at)) pixels[i] = s_pixel(w, t, source, at);
            lt_amx_pack_pair(pixels, a->c[source], out + pair * LT_AMX_SIDE, next, NULL);
        }
        out += a->c_tiles[source] * next;
    }
}

/* ---- Running ---- */

static float *sums_of(const share *w, size_t tap_index, size_t c, size_t o) {
    return w->sums + ((tap_index * w->a->tiles_c + c) * (w->o_end - w->o) + o) * LT_AMX_TILE;
}

/* One tap of one chunk: all its sums. */
static void multiply(const share *w, size_t tap_index, bool add) {
    const amx *a = w->a;
    const size_t tiles = a->chunk / LT_AMX_PIXELS, outputs = w->o_end - w->o;
    const uint32_t *s = w->s + a->taps[tap_index].shift / 2 * LT_AMX_SIDE;
    for (size_t c = 0; c < a->tiles_c; c += 2)
        for (size_t o = 0; o < outputs; o += 2) {
            lt_amx_product p = {.tiles = tiles, .add = add};
            for (size_t i = 0; i < 2; i++) {
                if (o + i < outputs) p.a[i] = w->g + (o + i) * tiles * LT_AMX_TILE;
                if (c + i < a->tiles_c) p.b[i] = s + (c + i) * a->pairs * LT_AMX_SIDE;
                for (size_t j = 0; j < 2; j++)
                    if (o + i < outputs && c + j < a->tiles_c) p.sums[i][j] = sums_of(w, tap_index, c + j, o + i);
            }
            lt_amx_multiply(&p);
        }
}

static share share_of(const lt_conv_pass *pass, const lt_conv_backward_io *io, size_t k_part, size_t o_part,
                      int thread) {
    const amx *a = pass->state;
    const size_t own = a->a_size + a->b_size, part = o_part * a->k_parts + k_part;
    uint32_t *packed = (uint32_t *)io->scratch + own * (size_t)thread;
    float *sums = (float *)io->scratch + own * (size_t)pass->desc.threads + (a->sums_size + a->bias_size) * part;
    return (share){.d = &pass->desc,
                   .a = a,
                   .io = io,
                   .o = a->tiles_o * o_part / a->o_parts,
                   .o_end = a->tiles_o * (o_part + 1) / a->o_parts,
                   .sums = sums,
                   .g = packed,
                   .s = packed + a->a_size,
                   .bias = sums + a->sums_size};
}

static void run_share(const lt_conv_pass *pass, const lt_conv_backward_io *io, size_t k_part, size_t o_part,
                      int thread) {
    const amx *a = pass->state;
    const share w = share_of(pass, io, k_part, o_part, thread);
    const size_t first = a->chunks * k_part / a->k_parts, last = a->chunks * (k_part + 1) / a->k_parts;
    memset(w.bias, 0, a->bias_size * sizeof *w.bias);
    lt_amx_begin();
    for (size_t chunk = first; chunk < last; chunk++) {
        pack_g(&w, chunk * a->chunk);
        for (size_t t = 0; t < a->tap_count; t++) {
            if (t == 0 || !same_pack(&a->taps[t - 1], &a->taps[t])) pack_s(&w, &a->taps[t], chunk * a->chunk);
            multiply(&w, t, chunk > first);
        }
    }
    lt_amx_end();
}

/* Adds the sums of one tap and tile of channels, for output channel o, to dweight. */
static void add_tile(const share *parts, size_t count, const tap *t, size_t tap_index, size_t c_tile, size_t o) {
    const lt_conv_desc *d = parts->d;
    const amx *a = parts->a;
    const size_t source = c_tile >= a->c_tiles[0], c = (size_t)d->c[source], k = (size_t)d->kernel;
    const size_t first = (c_tile - (source ? a->c_tiles[0] : 0)) * LT_AMX_SIDE;
    const size_t row = o % LT_AMX_SIDE * LT_AMX_SIDE, tile = o / LT_AMX_SIDE - parts->o;
    float sum[LT_AMX_SIDE] = {0};
    for (size_t p = 0; p < count; p++) {
        const float *from = sums_of(&parts[p], tap_index, c_tile, tile) + row;
        for (size_t i = 0; i < LT_AMX_SIDE; i++) sum[i] += from[i];
    }
    float *to = parts->io->dweight + (o * (size_t)(d->c[0] + d->c[1]) + (source ? (size_t)d->c[0] : 0)) * k * k;
    const size_t there = lt_min(LT_AMX_SIDE, a->c[source] - first);
    if (k == 1)
        for (size_t i = 0; i < there; i++) to[first + i] += sum[i];
    else if (a->run == 1)
        for (size_t i = 0; i < there; i++) to[(first + i) * k * k + t->ky * k + t->kx] += sum[i];
    else
        for (size_t i = first; i < first + there; i++) to[i % c * k * k + t->ky * k + i / c] += sum[i - first];
}

static void add_up(const lt_conv_pass *pass, const lt_conv_backward_io *io, size_t o_part, size_t o) {
    const amx *a = pass->state;
    share parts[MAX_PARTS];
    for (size_t p = 0; p < a->k_parts; p++) {
        parts[p] = share_of(pass, io, p, o_part, 0);
        if (pass->desc.bias) io->dbias[o] += parts[p].bias[o - parts[p].o * LT_AMX_SIDE];
    }
    for (size_t c = 0; c < a->tiles_c; c++)
        for (size_t t = 0; t < a->tap_count; t++) add_tile(parts, a->k_parts, &a->taps[t], t, c, o);
}

typedef struct run {
    const lt_conv_pass *pass;
    const lt_conv_backward_io *io;
} run;

static void share_body(const void *context, size_t i, int thread) {
    const run *r = context;
    const amx *a = r->pass->state;
    run_share(r->pass, r->io, i % a->k_parts, i / a->k_parts, thread);
}

static void output_body(const void *context, size_t o, int thread) {
    (void)thread;
    const run *r = context;
    const amx *a = r->pass->state;
    size_t part = 0;
    while (o / LT_AMX_SIDE >= a->tiles_o * (part + 1) / a->o_parts) part++;
    add_up(r->pass, r->io, part, o);
}

static lt_status amx_run(const lt_conv_pass *pass, const lt_conv_backward_io *io) {
    const lt_conv_desc *d = &pass->desc;
    const amx *a = pass->state;
    const run r = {pass, io};
    lt_parallel(d->threads, a->k_parts * a->o_parts, 1, share_body, &r);
    lt_parallel(d->threads, (size_t)d->oc, LT_EVENLY, output_body, &r);
    return LT_OK;
}

const lt_conv_pass_impl lt_backward_weights_amx = {
    .create = amx_create, .run = amx_run, .free = amx_free, .serves = {[LT_PRECISION_BF16] = LT_EVERY_FORMAT}};
