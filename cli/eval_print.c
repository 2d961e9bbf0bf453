/* eval: what was found, for people and as JSON. */
#include "eval.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>

static const char *const variances[LT_VARIANCE_COUNT] = {
    [LT_VARIANCE_POSTERIOR] = "posterior", [LT_VARIANCE_BETA] = "beta"};

/* ---- For people: each finding is one line ---- */

static double share(size_t right, size_t asked) { return asked ? (double)right / (double)asked : NAN; }

/* 0 without a search. */
static double hit_share(const lt_hits *hits, int limit) {
    return hits->searches ? share(hits->hits[limit], hits->searches) : 0;
}

static double percent(const lt_hits *hits, int limit) { return 100 * hit_share(hits, limit); }

static void print_reconstruction(const lt_reconstruction *r) {
    printf("reconstruction: PSNR %.2f dB a picture, %.2f dB of the mean error; %zu of %dx%d, worst %s %.2f, best %s "
           "%.2f\n",
           r->mean_psnr, r->psnr_of_mean, r->count, r->size, r->size, r->worst, r->worst_psnr, r->best, r->best_psnr);
}

static void print_recall(const lt_clip_recall *r) {
    printf("recall at 1, 5, 10: %.1f %%, %.1f %%, %.1f %% from text to picture; %.1f %%, %.1f %%, %.1f %% from picture "
           "to text; %zu picture%s, %zu text%s\n",
           percent(&r->by_text, 0), percent(&r->by_text, 1), percent(&r->by_text, 2), percent(&r->by_picture, 0),
           percent(&r->by_picture, 1), percent(&r->by_picture, 2), r->pictures, LT_S(r->pictures), r->texts,
           LT_S(r->texts));
}

static void print_bound(const lt_bound *b) {
    for (int v = 0; v < LT_VARIANCE_COUNT; v++) {
        const lt_bound_terms *t = &b->terms[v];
        printf("bound, variance %s: %.4f +- %.4f nats a dimension (%.4f bits): L_T %.5f, L_t-1 %.4f, L_0 %.4f; %zu "
               "latent%s of %zu dimension%s, %d timestep%s\n",
               variances[v], t->total, t->error, t->total / M_LN2, t->prior, t->steps, t->end, b->count, LT_S(b->count),
               b->dimensions, LT_S(b->dimensions), b->timesteps, LT_S(b->timesteps));
    }
}

static void print_judgement(const lt_findings *f) {
    for (size_t i = 0; i < f->judgement->count; i++) {
        const lt_judged *k = &f->judgement->kinds[i];
        printf("judged, %s: ", k->kind);
        if (k->pictures)
            printf("%.1f %% of %zu right in all parts", 100 * share(k->all_right, k->pictures), k->pictures);
        else
            printf("no judge knows any of it");
        for (size_t n = 0; n < f->judge_count; n++)
            if (k->asked[n])
                printf("; %s %.1f %% of %zu", f->judges[n].aspect, 100 * share(k->right[n], k->asked[n]), k->asked[n]);
        printf("\n");
    }
}

static void print_drawn(const lt_eval_options *o, const lt_findings *f) {
    const lt_drawn *d = &f->drawn;
    const lt_clip_score *c = &d->clip;
    const lt_retrieval *r = &d->retrieval;
    printf("drawn: %zu prompt%s, %d seed%s each, %dx%d, %s, %d step%s, cfg %g: %.1f s\n", d->prompts, LT_S(d->prompts),
           o->seeds, LT_S(o->seeds), f->width, f->height, o->sampler, o->steps, LT_S(o->steps), o->cfg, d->seconds);
    if (f->by_clip) {
        printf("CLIP: similarity %.4f (x100: %.2f), score %.2f; ", c->similarity, 100 * c->similarity, c->score);
        if (!isnan(c->baseline)) printf("with other prompts %.4f; ", c->baseline);
        printf("finds the prompt first %.1f %%, in the first five %.1f %% of %zu\n", percent(&c->hits, 0),
               percent(&c->hits, 1), d->prompts);
    }
    if (o->data)
        printf("retrieval at 1, 5, 10: %.1f %%, %.1f %%, %.1f %% of samples; by chance %.2f %%, %.2f %%, %.2f %%; "
               "among %zu picture%s\n",
               percent(&r->hits, 0), percent(&r->hits, 1), percent(&r->hits, 2), 100 * r->chance[0], 100 * r->chance[1],
               100 * r->chance[2], r->pictures, LT_S(r->pictures));
}

void lt_findings_print(const lt_eval_options *o, const lt_findings *f) {
    if (f->reconstruction) print_reconstruction(f->reconstruction);
    if (f->recall) print_recall(f->recall);
    if (f->bound) print_bound(f->bound);
    if (f->judgement) print_judgement(f);
    if (f->drawn.prompts) print_drawn(o, f);
}

/* ---- JSON ---- */

/* What is not a number is null; so is a name that is not UTF-8 ("o?" below). */
static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static json_t *by_limit(const double values[LT_HIT_LIMITS]) {
    json_t *object = json_object();
    for (int i = 0; i < LT_HIT_LIMITS; i++) {
        char key[32];
        snprintf(key, sizeof key, "%zu", lt_hit_limit(i));
        json_object_set_new(object, key, number(values[i]));
    }
    return object;
}

static json_t *shares(const lt_hits *hits) {
    double values[LT_HIT_LIMITS];
    for (int i = 0; i < LT_HIT_LIMITS; i++) values[i] = hit_share(hits, i);
    return by_limit(values);
}

static json_t *reconstruction_json(const lt_reconstruction *r) {
    return json_pack("{s:I, s:i, s:o, s:o, s:{s:o?, s:o}, s:{s:o?, s:o}}", "pictures", (json_int_t)r->count, "size",
                     r->size, "mean_psnr", number(r->mean_psnr), "psnr_of_mean_error", number(r->psnr_of_mean), "worst",
                     "file", json_string(r->worst), "psnr", number(r->worst_psnr), "best", "file", json_string(r->best),
                     "psnr", number(r->best_psnr));
}

static json_t *recall_json(const lt_clip_recall *r) {
    return json_pack("{s:I, s:I, s:o, s:o}", "pictures", (json_int_t)r->pictures, "texts", (json_int_t)r->texts,
                     "text_to_picture", shares(&r->by_text), "picture_to_text", shares(&r->by_picture));
}

static json_t *bound_json(const lt_bound *b) {
    json_t *object = json_pack("{s:I, s:i, s:I, s:i}", "pictures", (json_int_t)b->count, "size", b->size, "dimensions",
                               (json_int_t)b->dimensions, "timesteps", b->timesteps);
    for (int v = 0; v < LT_VARIANCE_COUNT; v++) {
        const lt_bound_terms *t = &b->terms[v];
        json_object_set_new(object, variances[v],
                            json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "nats", number(t->total), "bits",
                                      number(t->total / M_LN2), "standard_error", number(t->error), "L_T",
                                      number(t->prior), "L_t-1", number(t->steps), "L_0", number(t->end)));
    }
    return object;
}

static json_t *asked_json(size_t right, size_t asked) {
    return json_pack("{s:I, s:I}", "right", (json_int_t)right, "of", (json_int_t)asked);
}

/* {KIND: {"all": {"right": N, "of": N}, "aspects": {KEY: the same}}} */
static json_t *judgement_json(const lt_findings *f) {
    json_t *all = json_object();
    for (size_t i = 0; i < f->judgement->count; i++) {
        const lt_judged *k = &f->judgement->kinds[i];
        json_t *aspects = json_object();
        for (size_t n = 0; n < f->judge_count; n++)
            json_object_set_new(aspects, f->judges[n].aspect, asked_json(k->right[n], k->asked[n]));
        json_object_set_new(all, k->kind,
                            json_pack("{s:o, s:o}", "all", asked_json(k->all_right, k->pictures), "aspects", aspects));
    }
    return all;
}

static json_t *drawn_json(const lt_eval_options *o, const lt_findings *f) {
    const lt_drawn *d = &f->drawn;
    char seed[32]; /* a seed may be larger than JSON's integers */
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)o->seed);
    return json_pack("{s:I, s:i, s:s, s:i, s:i, s:s, s:i, s:f, s:f}", "prompts", (json_int_t)d->prompts, "seeds",
                     o->seeds, "seed", seed, "width", f->width, "height", f->height, "sampler", o->sampler, "steps",
                     o->steps, "cfg", o->cfg, "seconds", d->seconds);
}

static json_t *clip_json(const lt_drawn *d) {
    const lt_clip_score *c = &d->clip;
    return json_pack("{s:o, s:o, s:o, s:I, s:o}", "similarity", number(c->similarity), "score", number(c->score),
                     "other_prompts", number(c->baseline), "prompts", (json_int_t)d->prompts, "recall",
                     shares(&c->hits));
}

static json_t *retrieval_json(const lt_retrieval *r) {
    return json_pack("{s:I, s:o, s:o}", "pictures", (json_int_t)r->pictures, "hits", shares(&r->hits), "chance",
                     by_limit(r->chance));
}

int lt_findings_print_json(const lt_eval_options *o, const lt_findings *f) {
    json_t *all = json_object();
    int failed = 0; /* a NULL is one that memory was lacking for */
    if (f->reconstruction) failed |= json_object_set_new(all, "reconstruction", reconstruction_json(f->reconstruction));
    if (f->recall) failed |= json_object_set_new(all, "recall", recall_json(f->recall));
    if (f->bound) failed |= json_object_set_new(all, "bound", bound_json(f->bound));
    if (f->judgement) failed |= json_object_set_new(all, "judgement", judgement_json(f));
    if (f->drawn.prompts) failed |= json_object_set_new(all, "drawn", drawn_json(o, f));
    if (f->by_clip) failed |= json_object_set_new(all, "clip", clip_json(&f->drawn));
    if (f->drawn.prompts && o->data)
        failed |= json_object_set_new(all, "retrieval", retrieval_json(&f->drawn.retrieval));
    if (!failed) {
        json_dumpf(all, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
        printf("\n");
    }
    json_decref(all);
    return failed ? lt_complain(LT_EXIT_FAILED, "out of memory") : LT_EXIT_OK;
}
