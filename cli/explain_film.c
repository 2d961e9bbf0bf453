/* Drawing with taps. */
#include "explain_film.h"

#include <stdlib.h>
#include <string.h>

enum { SMALL = 256 * 256, SMALL_FRAMES = 25, LARGE_FRAMES = 8 };
static const double ACTIVATION_BYTES = 400e6; /* that are kept at most */

/* ---- What is wanted ---- */

static bool is_kind(const film *f, size_t i, lt_tap_kind kind) { return f->places.items[i].kind == kind; }

/* The steps that are shown, evenly, the first and the last among them. */
static void choose_frames(film *f, int most) {
    const int own = f->places.width * f->places.height <= SMALL ? SMALL_FRAMES : LARGE_FRAMES;
    const int limit = most ? most : own, count = f->steps < limit ? f->steps : limit;
    f->frame_count = count < FILM_MOST_FRAMES ? count : FILM_MOST_FRAMES;
    for (int i = 0; i < f->frame_count; i++)
        f->frames[i] = f->frame_count > 1 ? 1 + i * (f->steps - 1) / (f->frame_count - 1) : f->steps;
}

static void choose_activations(film *f) {
    double bytes = 0;
    for (size_t i = 0; i < f->places.count; i++) {
        const lt_tap_place *p = &f->places.items[i];
        if (is_kind(f, i, LT_TAP_ACTIVATION)) bytes += 4.0 * (double)p->shape[0] * (double)(p->shape[1] * p->shape[2]);
    }
    f->activations = 1 + (int)(bytes * f->frame_count / ACTIVATION_BYTES);
}

/* Heat over all, then of each frame's step, then of each layer. */
static lt_status make_taps(film *f) {
    const size_t most = 4 + 2 * (size_t)f->frame_count + f->places.count;
    if (!(f->taps = tool_calloc(most, sizeof *f->taps))) return LT_ERROR_MEMORY;
    f->taps[f->tap_count++] = (lt_tap){.kind = LT_TAP_STEP};
    for (int i = 0; i < f->frame_count; i += f->activations)
        f->taps[f->tap_count++] = (lt_tap){.kind = LT_TAP_ACTIVATION, .first = f->frames[i], .last = f->frames[i]};
    f->taps[f->tap_count++] = (lt_tap){.kind = LT_TAP_ATTENTION, .heads = true};
    f->taps[f->tap_count++] = (lt_tap){.kind = LT_TAP_HEAT};
    for (int i = 0; i < f->frame_count; i++)
        f->taps[f->tap_count++] = (lt_tap){.kind = LT_TAP_HEAT, .first = f->frames[i], .last = f->frames[i]};
    for (size_t i = 0; i < f->places.count; i++)
        if (is_kind(f, i, LT_TAP_ATTENTION))
            f->taps[f->tap_count++] = (lt_tap){.kind = LT_TAP_HEAT, .name = f->places.items[i].name};
    return LT_OK;
}

/* ---- What comes ---- */

static bool is_frame(const film *f, int step) {
    for (int i = 0; i < f->frame_count; i++)
        if (f->frames[i] == step) return true;
    return false;
}

static film_heads *find_heads(film *f, const char *name) {
    for (size_t i = 0; i < f->heads_count; i++)
        if (!strcmp(f->heads[i].name, name)) return &f->heads[i];
    return NULL;
}

static lt_status begin_heads(film *f, const lt_array *a, film_heads **begun) {
    if (!f->heads && !(f->heads = tool_calloc(f->places.count, sizeof *f->heads))) return LT_ERROR_MEMORY;
    film_heads *h = *begun = &f->heads[f->heads_count++];
    *h = (film_heads){.heads = a->shape[0], .tokens = a->shape[1], .h = a->shape[2], .w = a->shape[3]};
    h->name = tool_strdup(a->name);
    h->sum = tool_calloc(tool_array_count(a), sizeof *h->sum);
    return h->name && h->sum ? LT_OK : LT_ERROR_MEMORY;
}

static lt_status add_heads(film *f, const lt_array *a) {
    film_heads *h = find_heads(f, a->name);
    if (!h) LT_TRY(begin_heads(f, a, &h));
    for (size_t i = 0; i < tool_array_count(a); i++) h->sum[i] += a->data[i];
    h->count++;
    return LT_OK;
}

static lt_status take(film *f, const lt_tapped *told) {
    const bool first = tool_is_prompts(told);
    if (told->kind == LT_TAP_STEP && told->branch < 0 && !told->call) f->sigmas[told->step - 1] = told->sigma;
    if (told->kind == LT_TAP_ATTENTION) return first ? add_heads(f, told->array) : LT_OK;
    if (told->kind == LT_TAP_ACTIVATION && !first) return LT_OK;
    if (told->kind == LT_TAP_STEP && (told->call || !is_frame(f, told->step))) return LT_OK;
    return tool_values_add(&f->values, told);
}

static bool tapped(void *user, const lt_tapped *told) {
    film *f = user;
    f->status = take(f, told);
    return !f->status;
}

static bool show(void *user, const lt_progress *progress) { return lt_progress_show(&((film *)user)->line, progress); }

/* ---- The drawing ---- */

static lt_status prepare(film *f, const lt_request *request, int frames) {
    const lt_model *model = lt_session_model(f->session);
    lt_steps steps;
    LT_TRY(lt_plan_steps(model, request, &steps));
    f->steps = steps.count;
    lt_steps_free(&steps);
    if (!(f->sigmas = tool_calloc((size_t)f->steps, sizeof *f->sigmas))) return LT_ERROR_MEMORY;
    LT_TRY(lt_tap_places_read(model, request->width, request->height, &f->places));
    choose_frames(f, frames);
    choose_activations(f);
    return make_taps(f);
}

lt_status film_draw(film *f, lt_session *session, lt_request *r, int frames, bool quiet) {
    *f = (film){.session = session, .line = {.quiet = quiet}};
    LT_TRY(prepare(f, r, frames));
    r->taps = f->taps;
    r->tap_count = f->tap_count;
    r->tapped = tapped;
    r->progress = show;
    r->cancelled = lt_stop_asked;
    r->user = f;
    const double started = tool_now();
    const lt_status status = lt_generate(session, r, &f->result);
    f->seconds = tool_now() - started;
    lt_progress_end(&f->line);
    return f->status ? f->status : status;
}

void film_free(film *f) {
    for (size_t i = 0; i < f->heads_count; i++) {
        free(f->heads[i].name);
        free(f->heads[i].sum);
    }
    tool_values_free(&f->values);
    free(f->heads);
    free(f->taps);
    free(f->sigmas);
    lt_tap_places_free(&f->places);
    lt_result_free(&f->result);
    *f = (film){0};
}

/* ---- Looking it up ---- */

const tool_value *film_find(const film *f, const char *name, int step, bool negative) {
    for (size_t i = 0; i < f->values.count; i++) {
        const tool_value *v = &f->values.items[i];
        const bool same = v->told.branch < 0 || v->told.negative == negative;
        if (v->told.step == step && same && !strcmp(v->array.name, name)) return v;
    }
    return NULL;
}

const tool_value *film_heat(const film *f, size_t i) {
    size_t tap = 0;
    while (tap < f->tap_count && f->taps[tap].kind != LT_TAP_HEAT) tap++;
    for (size_t k = 0; k < f->values.count; k++)
        if (f->values.items[k].told.tap == tap + i) return &f->values.items[k];
    return NULL;
}

double film_seconds(const film *f, const char *name) {
    double sum = 0;
    int count = 0;
    for (size_t i = 0; i < f->values.count; i++) {
        const tool_value *v = &f->values.items[i];
        if (v->told.kind != LT_TAP_ACTIVATION || strcmp(v->array.name, name)) continue;
        sum += v->told.seconds;
        count++;
    }
    return count ? sum / count : 0;
}
