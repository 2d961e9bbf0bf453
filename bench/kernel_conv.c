/* Convolutions as training runs them: forward, packing, and each pass of the backward half, by every implementer.
 *
 *     bench_conv [threads [f32|bf16 [all]]]      one line a shape: milliseconds, GFLOP/s, who ran it */
#include "kernels/conv_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORWARD, BACKWARD_DATA, BACKWARD_WEIGHTS, WAYS };

static const struct {
    int n, h, w, c[2], oc, kernel, stride, begin, end;
} shapes[] = {
    {32, 32, 32, {64, 0}, 64, 3, 1, 1, 1},    {32, 16, 16, {128, 0}, 128, 3, 1, 1, 1},
    {32, 8, 8, {256, 0}, 256, 3, 1, 1, 1},    {8, 64, 64, {32, 0}, 32, 3, 1, 1, 1},
    {2, 128, 128, {64, 0}, 64, 3, 1, 1, 1},   {32, 16, 16, {128, 64}, 128, 3, 1, 1, 1},
    {8, 32, 32, {320, 0}, 320, 3, 1, 1, 1},   {32, 32, 32, {64, 0}, 64, 3, 2, 1, 1},
    {32, 32, 32, {4, 0}, 64, 3, 1, 1, 1},     {32, 32, 32, {64, 0}, 4, 3, 1, 1, 1},
    {8, 128, 128, {3, 0}, 32, 3, 1, 1, 1},    {16, 224, 224, {3, 0}, 384, 16, 16, 0, 0},
    {1, 1, 32768, {64, 0}, 64, 1, 1, 0, 0},   {1, 1, 8192, {128, 0}, 128, 1, 1, 0, 0},
    {1, 1, 8192, {128, 0}, 1024, 1, 1, 0, 0}, {1, 1, 8192, {512, 0}, 128, 1, 1, 0, 0},
    {1, 1, 2464, {512, 0}, 320, 1, 1, 0, 0},  {1, 1, 2464, {512, 0}, 2048, 1, 1, 0, 0},
    {1, 1, 32, {256, 0}, 1024, 1, 1, 0, 0},
};

typedef struct data {
    float *src[2], *ddst, *dst, *dsrc[2], *dweight, *dbias;
    void *packed, *scratch;
    lt_tensor weight;
} data;

static float *floats(size_t count) {
    float *f = lt_alloc(count * sizeof *f + 64);
    for (size_t i = 0; i < count; i++) f[i] = (float)(i * 2654435761u % 1024) / 512 - 1;
    return f;
}

static void make_data(data *x, const lt_conv_desc *d) {
    const size_t out = lt_conv_rows(d) * (size_t)d->oc, c = (size_t)(d->c[0] + d->c[1]), k = (size_t)d->kernel;
    for (int i = 0; i < 2; i++) {
        x->src[i] = floats(lt_conv_pixels(d) * (size_t)d->c[i]);
        x->dsrc[i] = floats(lt_conv_pixels(d) * (size_t)d->c[i]);
    }
    x->ddst = floats(out);
    x->dst = floats(out);
    x->weight = (lt_tensor){.dtype = LT_F32, .rank = 4, .shape = {(size_t)d->oc, c, k, k}};
    lt_tensor_set_contiguous(&x->weight);
    x->weight.data = floats((size_t)d->oc * c * k * k);
    x->dweight = floats((size_t)d->oc * c * k * k);
    x->dbias = floats((size_t)d->oc);
}

static void free_data(data *x) {
    float *const all[] = {x->src[0], x->src[1], x->dsrc[0], x->dsrc[1], x->ddst, x->dst, x->dweight, x->dbias};
    for (size_t i = 0; i < LT_COUNT(all); i++) lt_free(all[i]);
    lt_free((void *)(uintptr_t)x->weight.data);
}

/* Whatever is being timed. */
typedef struct subject {
    lt_conv *conv;
    lt_conv_pass *pass;
    data *x;
} subject;

static lt_status run(const subject *s) {
    const data *x = s->x;
    if (s->conv) {
        const lt_conv_io io = {
            .src = {x->src[0], x->src[1]}, .weight = x->packed, .bias = x->dbias, .dst = x->dst, .scratch = x->scratch};
        return lt_conv_run(s->conv, &io);
    }
    const lt_conv_backward_io io = {.src = {x->src[0], x->src[1]},
                                    .weight = x->packed,
                                    .ddst = x->ddst,
                                    .dsrc = {x->dsrc[0], x->dsrc[1]},
                                    .dweight = x->dweight,
                                    .dbias = x->dbias,
                                    .scratch = x->scratch};
    return s->pass->impl->run(s->pass, &io);
}

static lt_status pack(const subject *s) {
    if (s->conv) return lt_conv_pack(s->conv, &(lt_weight_source){.tensor = s->x->weight}, s->x->packed);
    return s->pass->packed_size
               ? s->pass->impl->pack(s->pass, &(lt_weight_source){.tensor = s->x->weight}, s->x->packed)
               : LT_OK;
}

/* Milliseconds, the best of many. */
static double best_of(lt_status (*what)(const subject *s), const subject *s) {
    double best = 1e9, total = 0;
    for (int i = 0; i < 300 && (total < 0.3 || i < 5); i++) {
        const double start = lt_now();
        if (what(s) != LT_OK) printf("%s\n", lt_error_message());
        const double time = lt_now() - start;
        total += time;
        if (time < best) best = time;
    }
    return best * 1e3;
}

static void measure(subject *s, const lt_conv_desc *d) {
    const size_t packed = s->conv ? s->conv->packed_size : s->pass->packed_size;
    s->x->packed = lt_alloc(packed + 64);
    s->x->scratch = lt_alloc((s->conv ? s->conv->scratch_size : s->pass->scratch_size) + 64);
    const double packing = best_of(pack, s), running = best_of(run, s);
    const double flops = 2.0 * (double)lt_conv_rows(d) * d->oc * (d->c[0] + d->c[1]) * d->kernel * d->kernel;
    static const char *const ways[] = {"forward", "data", "weights"};
    const int way = s->conv ? FORWARD : s->pass->wanted.weight ? BACKWARD_WEIGHTS : BACKWARD_DATA;
    printf("  %-8s %8.3f ms %8.1f GFLOP/s, packing %7.3f ms  %s\n", ways[way], running, flops / running * 1e-6, packing,
           s->conv ? s->conv->name : s->pass->name);
    lt_free(s->x->packed);
    lt_free(s->x->scratch);
}

static void bench_forward(data *x, const lt_conv_desc *d, bool all) {
    subject s = {.x = x};
    for (const lt_conv_impl *const *impl = lt_conv_impls; *impl != &lt_conv_reference; impl++) {
        if ((all ? lt_conv_create_with(*impl, d, &s.conv) : lt_conv_create(d, &s.conv)) != LT_OK) continue;
        measure(&s, d);
        lt_conv_free(s.conv);
        if (!all) break;
    }
}

static void bench_pass(data *x, const lt_conv_desc *d, bool weight, bool all) {
    const lt_conv_backward_wanted wanted = {.src = {!weight, !weight && d->c[1]}, .weight = weight};
    subject s = {.x = x};
    for (const lt_conv_pass_impl *const *impl = lt_conv_pass_impls; *impl != &lt_backward_reference; impl++) {
        if ((all ? lt_conv_pass_create_with(*impl, d, &wanted, &s.pass) : lt_conv_pass_create(d, &wanted, &s.pass)) !=
            LT_OK)
            continue;
        measure(&s, d);
        lt_conv_pass_free(s.pass);
        if (!all) break;
    }
}

int main(int argc, char **argv) {
    lt_team *team;
    if (lt_team_create(argc > 1 ? atoi(argv[1]) : 0, &team) != LT_OK) return 1;
    const int threads = lt_team_size(team);
    const bool bf16 = argc > 2 && strcmp(argv[2], "bf16") == 0, all = argc > 3;
    lt_team_enter(team);
    for (size_t i = 0; i < LT_COUNT(shapes); i++) {
        const lt_conv_desc d = {.n = shapes[i].n,
                                .h = shapes[i].h,
                                .w = shapes[i].w,
                                .c = {shapes[i].c[0], shapes[i].c[1]},
                                .oc = shapes[i].oc,
                                .kernel = shapes[i].kernel,
                                .stride = shapes[i].stride,
                                .pad_begin = shapes[i].begin,
                                .pad_end = shapes[i].end,
                                .bias = true,
                                .isa = LT_ISA_BEST,
                                .threads = threads,
                                .precision = bf16 ? LT_PRECISION_BF16 : LT_PRECISION_F32};
        char text[160];
        printf("%s\n", lt_conv_shape_text(&d, text, sizeof text));
        data x;
        make_data(&x, &d);
        bench_forward(&x, &d, all);
        bench_pass(&x, &d, false, all);
        bench_pass(&x, &d, true, all);
        free_data(&x);
    }
    lt_team_free(team);
    return 0;
}
