/* Values of a drawing, shown as they are made. */
#include "pipeline/taps.h"

#include "base/fields.h"
#include "kernels/layout.h"
#include "models/layout.h"
#include "pipeline/attention_map.h"
#include "pipeline/watch.h"

#include <math.h>
#include <string.h>

const char *const lt_step_taps[LT_STEP_TAPS + 1] = {"x_t", "eps", "eps.branch", "x_0", "gradient", NULL};

/* ---- Which ---- */

/* In pattern * stands for any characters: what comes behind the last one that was met is tried further on. */
static bool matches(const char *pattern, const char *name) {
    const char *behind = NULL, *retry = NULL;
    while (*name || *pattern == '*') {
        if (*pattern == '*') {
            behind = ++pattern;
            retry = name;
        } else if (*name && *pattern == *name) {
            pattern++;
            name++;
        } else if (behind) {
            pattern = behind;
            name = ++retry;
        } else {
            return false;
        }
    }
    return !*pattern;
}

bool lt_tap_names(const lt_tap *tap, const char *name) { return !tap->name || matches(tap->name, name); }

/* Whether the tap is open in the step at hand. */
static bool is_open(const lt_taps *t, const lt_tap *tap) {
    const int first = tap->first ? tap->first : 1, every = tap->every ? tap->every : 1, step = t->at.step;
    return step >= first && (!tap->last || step <= tap->last) && (step - first) % every == 0;
}

static bool wants(const lt_taps *t, size_t i, lt_tap_kind kind, const char *name) {
    const lt_tap *tap = &t->request->taps[i];
    return tap->kind == kind && is_open(t, tap) && lt_tap_names(tap, name);
}

/* Of cross-attention two kinds are made. */
static bool fits(const lt_tap *tap, lt_step step) {
    const bool of_attention = tap->kind == LT_TAP_ATTENTION || tap->kind == LT_TAP_HEAT;
    return tap->kind != LT_TAP_STEP && of_attention == (step == LT_STEP_ATTENTION);
}

static bool is_found(const lt_tap *tap, const lt_unet_spots *spots) {
    for (size_t i = 0; lt_step_taps[i] && tap->kind == LT_TAP_STEP; i++)
        if (lt_tap_names(tap, lt_step_taps[i])) return true;
    for (int i = 0; i < spots->count; i++)
        if (fits(tap, spots->items[i].step) && lt_tap_names(tap, lt_name_of("unet.%s", spots->items[i].name.text).text))
            return true;
    return !tap->name;
}

static lt_status check(const lt_tap *tap, size_t i, const lt_unet_spots *spots) {
    LT_TRY(lt_reserved_check(tap->reserved));
    if (tap->kind < LT_TAP_STEP || tap->kind > LT_TAP_HEAT)
        return lt_fail(LT_ERROR_ARGUMENT, "taps: number %zu is of no kind of lt_tap_kind, %d", i, (int)tap->kind);
    if (tap->first < 0 || tap->last < 0 || tap->every < 0)
        return lt_fail(LT_ERROR_ARGUMENT, "taps: number %zu has steps under 0", i);
    if (is_found(tap, spots)) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT,
                   "taps: nothing of number %zu's kind is called %.100s; lt_tap_places_read says what there is", i,
                   tap->name);
}

lt_status lt_taps_init(lt_taps *t, const lt_components *parts, const lt_request *request) {
    *t = (lt_taps){.request = request};
    if (!request->tap_count) return LT_OK;
    if (!request->taps || !request->tapped)
        return lt_fail(LT_ERROR_ARGUMENT, "%s is NULL: %zu taps are to be shown", request->taps ? "tapped" : "taps",
                       request->tap_count);
    lt_unet_spots *spots = lt_alloc(sizeof *spots);
    lt_status status = spots ? LT_OK : LT_ERROR_MEMORY;
    if (spots) lt_unet_list_spots(&parts->unet, spots);
    for (size_t i = 0; i < request->tap_count && !status; i++) status = check(&request->taps[i], i, spots);
    lt_free(spots);
    return status;
}

void lt_taps_begin(lt_taps *t, lt_tap_pass pass) {
    t->pass = pass;
    t->at = (lt_tapped){.picture = pass.picture, .steps = pass.all, .branches = pass.branches->count};
    lt_heat_free(&t->heat);
}

void lt_taps_free(lt_taps *t) {
    lt_heat_free(&t->heat);
    *t = (lt_taps){0};
}

/* ---- Showing ---- */

/* branch -1: of all. */
static lt_status tell(const lt_taps *t, size_t tap, int branch, double seconds, const lt_array *array) {
    lt_tapped told = t->at;
    told.tap = tap;
    told.kind = t->request->taps[tap].kind;
    told.branch = branch;
    told.negative = branch >= 0 && t->pass.branches->items[branch].negative;
    told.seconds = seconds;
    told.array = array;
    return t->request->tapped(t->request->user, &told)
               ? LT_OK
               : lt_fail(LT_ERROR_CANCELLED, "stopped in step %d of %d", told.step, told.steps);
}

/* values [n, h, w, c], which become [n, c, h, w], or without n where that is 0. */
static lt_status tell_planes(const lt_taps *t, size_t tap, int branch, double seconds, const char *name, size_t n,
                             lt_shape shape, const float *values) {
    const size_t h = (size_t)shape.h, w = (size_t)shape.w, c = (size_t)shape.c, samples = n ? n : 1;
    float *planes = lt_alloc(samples * h * w * c * sizeof *planes);
    if (!planes) return LT_ERROR_MEMORY;
    lt_nhwc_to_nchw(values, planes, samples, h * w, c);
    const lt_array with = {name, 4, {n, c, h, w}, planes}, without = {name, 3, {c, h, w}, planes};
    const lt_status status = tell(t, tap, branch, seconds, n ? &with : &without);
    lt_free(planes);
    return status;
}

/* ---- Of a step ---- */

static lt_status show_latent(const lt_taps *t, const char *name, int branch, const float *values) {
    for (size_t i = 0; i < t->request->tap_count; i++)
        if (wants(t, i, LT_TAP_STEP, name)) LT_TRY(tell_planes(t, i, branch, 0, name, 0, t->pass.latent, values));
    return LT_OK;
}

/* a x + b out */
static lt_status show_mix(const lt_taps *t, const char *name, int branch, float a, float b, const float *out) {
    const size_t n = lt_shape_count(t->pass.latent);
    float *mix = lt_alloc(n * sizeof *mix);
    if (!mix) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < n; i++) mix[i] = a * t->x[i] + b * out[i];
    const lt_status status = show_latent(t, name, branch, mix);
    lt_free(mix);
    return status;
}

/* eps = sigma x_t + alpha v (Salimans & Ho 2022). */
static lt_status show_eps(const lt_taps *t, const char *name, int branch, const float *out) {
    if (t->pass.schedule->prediction != LT_PREDICT_V) return show_latent(t, name, branch, out);
    return show_mix(t, name, branch, t->level.sigma, t->level.alpha, out);
}

lt_status lt_taps_ask(lt_taps *t, int step, int call, float timestep, const float *x) {
    t->at.step = t->pass.before + step + 1;
    t->at.call = call;
    t->at.t = timestep;
    t->at.sigma = lt_t_to_sigma(t->pass.schedule, timestep);
    t->level.alpha = 1 / sqrtf(1 + t->at.sigma * t->at.sigma);
    t->level.sigma = t->at.sigma * t->level.alpha;
    t->x = x;
    return show_latent(t, "x_t", -1, x);
}

lt_status lt_taps_branch(lt_taps *t, int branch, const float *out) { return show_eps(t, "eps.branch", branch, out); }

lt_status lt_taps_gradient(lt_taps *t, const float *gradient) { return show_latent(t, "gradient", -1, gradient); }

/* x_0 = (x_t - sigma eps) / alpha = alpha x_t - sigma v */
lt_status lt_taps_answer(lt_taps *t, const float *out) {
    const lt_noise_level l = t->level;
    LT_TRY(show_eps(t, "eps", -1, out));
    return t->pass.schedule->prediction == LT_PREDICT_V ? show_mix(t, "x_0", -1, l.alpha, -l.sigma, out)
                                                        : show_mix(t, "x_0", -1, 1 / l.alpha, -l.sigma / l.alpha, out);
}

/* ---- Of the U-Net ---- */

/* Sample number k of a port, allocated; NULL: no memory. */
static float *read_sample(lt_port port, size_t k) {
    const lt_shape s = lt_port_shape(port);
    const size_t each = lt_shape_count(s) / (size_t)s.n;
    float *values = lt_alloc(each * sizeof *values);
    if (values) lt_port_read(port, k * each, values, each);
    return values;
}

static lt_status show_activation(lt_taps *t, const lt_sight *sight, const char *name, size_t tap, size_t k) {
    float *values = read_sample(sight->value, k);
    const lt_status status =
        values ? tell_planes(t, tap, t->first + (int)k, sight->seconds, name, 0, lt_port_shape(sight->value), values)
               : LT_ERROR_MEMORY;
    lt_free(values);
    return status;
}

/* The mean of maps [heads, n] in their order, allocated; NULL: no memory. */
static float *average_heads(const float *maps, size_t heads, size_t n) {
    float *mean = lt_calloc(n, sizeof *mean);
    for (size_t head = 0; mean && head < heads; head++)
        for (size_t i = 0; i < n; i++) mean[i] += maps[head * n + i];
    for (size_t i = 0; mean && i < n; i++) mean[i] /= (float)heads;
    return mean;
}

static lt_status show_map(lt_taps *t, const lt_sight *sight, const char *name, size_t tap, int branch,
                          const lt_attention_map *m) {
    lt_shape shape = lt_port_shape(sight->value);
    const lt_heat_key key = {tap, branch, m->tokens};
    const lt_tap *wanted = &t->request->taps[tap];
    shape.c = (int)m->tokens;
    if (wanted->kind == LT_TAP_HEAT) return lt_heat_add(&t->heat, key, name, m->heads, shape.h, shape.w, m->map);
    if (wanted->heads) return tell_planes(t, tap, branch, sight->seconds, name, m->heads, shape, m->map);
    float *mean = average_heads(m->map, m->heads, m->pixels * m->tokens);
    const lt_status status = mean ? tell_planes(t, tap, branch, sight->seconds, name, 0, shape, mean) : LT_ERROR_MEMORY;
    lt_free(mean);
    return status;
}

/* DAAM's maps are not of the negative prompt. */
static bool wants_map(const lt_taps *t, size_t tap, const char *name, int branch) {
    const bool negative = t->pass.branches->items[branch].negative;
    return wants(t, tap, LT_TAP_ATTENTION, name) || (!negative && wants(t, tap, LT_TAP_HEAT, name));
}

static bool wants_any_map(const lt_taps *t, const char *name, int branch) {
    bool any = false;
    for (size_t i = 0; i < t->request->tap_count; i++) any |= wants_map(t, i, name, branch);
    return any;
}

/* The map of the k-th sample, made once for all taps. */
static lt_status show_attention(lt_taps *t, const lt_sight *sight, const char *name, size_t k) {
    const lt_shape s = lt_port_shape(sight->q);
    const int branch = t->first + (int)k;
    int32_t tokens = lt_port_shape(sight->k).w;
    lt_port_read_i32(sight->lengths, k, &tokens, 1);
    if (!tokens || !wants_any_map(t, name, branch)) return LT_OK;
    float *q = read_sample(sight->q, k), *keys = read_sample(sight->k, k);
    lt_attention_map m = {.q = q,
                          .k = keys,
                          .pixels = (size_t)lt_shape_pixels(s),
                          .tokens = (size_t)tokens,
                          .heads = (size_t)sight->heads,
                          .d = (size_t)(s.c / sight->heads)};
    m.map = lt_alloc(m.heads * m.pixels * m.tokens * sizeof *m.map);
    lt_status status = q && keys && m.map ? LT_OK : LT_ERROR_MEMORY;
    if (!status) lt_attention_map_make(&m);
    for (size_t i = 0; i < t->request->tap_count && !status; i++)
        if (wants_map(t, i, name, branch)) status = show_map(t, sight, name, i, branch, &m);
    lt_free(m.map);
    lt_free(keys);
    lt_free(q);
    return status;
}

static lt_status look(void *user, const lt_sight *sight) {
    lt_taps *t = user;
    const lt_name name = lt_watch_name(sight->place);
    for (size_t k = 0; k < (size_t)t->count && sight->heads; k++) LT_TRY(show_attention(t, sight, name.text, k));
    for (size_t i = 0; i < t->request->tap_count && !sight->heads; i++)
        for (size_t k = 0; k < (size_t)t->count && wants(t, i, LT_TAP_ACTIVATION, name.text); k++)
            LT_TRY(show_activation(t, sight, name.text, i, k));
    return LT_OK;
}

void lt_taps_watch(lt_taps *t, lt_plan *plan, int first, int count) {
    bool open = false;
    for (size_t i = 0; i < t->request->tap_count; i++)
        open |= t->request->taps[i].kind != LT_TAP_STEP && is_open(t, &t->request->taps[i]);
    t->first = first;
    t->count = count;
    if (open) lt_plan_watch(plan, look, t);
}

void lt_taps_leave(lt_plan *plan) { lt_plan_watch(plan, NULL, NULL); }

/* ---- Behind the last step ---- */

static lt_status show_heat(lt_taps *t, size_t i) {
    const lt_heat_key key = t->heat.layers[i].key;
    lt_shape shape = t->pass.latent;
    shape.c = (int)key.tokens;
    float *mean = lt_alloc(lt_shape_count(shape) * sizeof *mean);
    lt_status status = mean ? lt_heat_mean(&t->heat, i, shape.h, shape.w, mean) : LT_ERROR_MEMORY;
    if (!status) status = tell_planes(t, key.tap, key.branch, 0, "heat", 0, shape, mean);
    lt_free(mean);
    return status;
}

lt_status lt_taps_end(lt_taps *t) {
    t->at.call = 0;
    t->at.t = t->at.sigma = 0;
    for (size_t i = 0; i < t->heat.count; i++)
        if (lt_heat_is_first(&t->heat, i)) LT_TRY(show_heat(t, i));
    return LT_OK;
}
