/* Token merging: where tokens go, their means there, and the way back. */
#include "kernels/merge.h"
#include "ops/ops.h"

enum { X, PLACES, RESIDUAL };

/* Tokens of x [n, h, w, c] that stay. */
static int kept_of(const lt_operation *o, lt_shape x) {
    const lt_token_merge *a = o->attributes;
    const size_t sources = lt_merge_sources((size_t)x.h, (size_t)x.w);
    return lt_shape_pixels(x) - (int)lt_min((size_t)a->merged, sources);
}

/* ---- Where ---- */

static lt_status infer_match(lt_operation *o) {
    o->out = (lt_shape){o->in[X].n, 1, lt_shape_pixels(o->in[X]), 1};
    o->type = LT_VALUE_I32;
    return LT_OK;
}

static lt_match_args match_of(const lt_prepared *p) {
    const lt_shape x = p->operation->in[X];
    return (lt_match_args){
        .n = (size_t)x.n,
        .h = (size_t)x.h,
        .w = (size_t)x.w,
        .c = (size_t)x.c,
        .merged = (size_t)(lt_shape_pixels(x) - kept_of(p->operation, x)),
        .isa = p->kernels->isa,
    };
}

static lt_status prepare_match(lt_prepared *p, const lt_target *target) {
    (void)target;
    const lt_match_args a = match_of(p);
    p->scratch_size = lt_merging_fast.match_scratch(&a, p->threads) * sizeof(float);
    return LT_OK;
}

static lt_status run_match(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    lt_match_args a = match_of(p);
    a.x = lt_f32(in[X]);
    a.places = lt_i32(out[0]);
    a.scratch = scratch;
    lt_merging_fast.match(&a);
    return LT_OK;
}

static double match_flops(const lt_operation *o) {
    const lt_shape x = o->in[X];
    const size_t h = (size_t)x.h, w = (size_t)x.w;
    return 2.0 * x.n * x.c * (double)lt_merge_sources(h, w) * (double)lt_merge_destinations(h, w);
}

const lt_op lt_op_match_tokens = {
    .name = "match_tokens", .infer = infer_match, .prepare = prepare_match, .run = run_match, .flops = match_flops};

/* ---- There ---- */

static lt_status check_places(const lt_operation *o, lt_shape x) {
    const lt_shape places = o->in[PLACES];
    if (places.n == x.n && lt_shape_pixels(places) == lt_shape_pixels(x)) return LT_OK;
    return lt_fail(LT_ERROR_MODEL, "%s: places of %d tokens for %d", o->op->name, lt_shape_pixels(places),
                   lt_shape_pixels(x));
}

static lt_status infer_merge(lt_operation *o) {
    o->out = (lt_shape){o->in[X].n, 1, kept_of(o, o->in[X]), o->in[X].c};
    return check_places(o, o->in[X]);
}

static lt_status prepare_merge(lt_prepared *p, const lt_target *target) {
    (void)target;
    p->scratch_size = lt_shape_rows(p->operation->out) * sizeof(float);
    return LT_OK;
}

/* large: all tokens; small: those that stay. */
static lt_merge_args merge_of(const lt_value *in, lt_shape large, lt_shape small) {
    return (lt_merge_args){.n = (size_t)large.n,
                           .tokens = (size_t)lt_shape_pixels(large),
                           .kept = (size_t)lt_shape_pixels(small),
                           .c = (size_t)large.c,
                           .places = lt_i32(in[PLACES]),
                           .x = lt_f32(in[X])};
}

static lt_status run_merge(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)p;
    lt_merge_args a = merge_of(in, in[X].shape, out[0].shape);
    a.y = lt_f32(out[0]);
    a.shares = scratch;
    lt_merging_fast.merge(&a);
    return LT_OK;
}

const lt_op lt_op_merge_tokens = {.name = "merge_tokens",
                                  .takes = {[PLACES] = LT_VALUE_I32},
                                  .infer = infer_merge,
                                  .prepare = prepare_merge,
                                  .run = run_merge};

/* ---- And back ---- */

static lt_status infer_unmerge(lt_operation *o) {
    const lt_shape x = o->in[X], all = o->in[RESIDUAL];
    o->out = all;
    LT_TRY(check_places(o, all));
    if (x.n == all.n && x.c == all.c && lt_shape_pixels(x) == kept_of(o, all)) return LT_OK;
    return lt_fail(LT_ERROR_MODEL, "unmerge_tokens: %d tokens of %d channels for %d of %d", lt_shape_pixels(x), x.c,
                   lt_shape_pixels(all), all.c);
}

static lt_status prepare_unmerge(lt_prepared *p, const lt_target *target) {
    (void)target;
    p->in_place = RESIDUAL;
    return LT_OK;
}

static lt_status run_unmerge(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)p, (void)scratch;
    lt_merge_args a = merge_of(in, out[0].shape, in[X].shape);
    a.residual = lt_f32(in[RESIDUAL]);
    a.y = lt_f32(out[0]);
    lt_merging_fast.unmerge(&a);
    return LT_OK;
}

const lt_op lt_op_unmerge_tokens = {.name = "unmerge_tokens",
                                    .takes = {[PLACES] = LT_VALUE_I32},
                                    .infer = infer_unmerge,
                                    .prepare = prepare_unmerge,
                                    .run = run_unmerge};
