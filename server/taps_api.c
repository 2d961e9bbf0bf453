/* Looking into a drawing (docs/understand.md): a job with taps is drawn at once, and answered with the values that were
 * tapped; nothing of it is kept. From post_taps at the bottom upwards. */
#include "array_file.h"
#include "draw.h"
#include "jobs_api.h"
#include "taps_request.h"
#include "tools.h"
#include "tools/picture.h"
#include "tools/tapped.h"
#include "visit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 256 << 20 }; /* of tapped values */

/* A drawing that is looked into. */
typedef struct looking {
    lt_visit visit;
    lt_taps_request wants;
    tool_values values;
    size_t bytes;
    lt_array_file file;
    lt_status failed;
    char why[512];
} looking;

static const lt_taps_wanted *wanted_of(const looking *l, const tool_value *v) { return &l->wants.wanted[v->told.tap]; }

/* ---- What comes ---- */

/* Of the same tap, branch and name, at whatever step. */
static bool is_same(const tool_value *v, const lt_tapped *told, const char *name) {
    return v->told.tap == told->tap && v->told.branch == told->branch && !strcmp(v->array.name, name);
}

/* Onto the sum of those before. */
static bool add_to_mean(looking *l, const lt_tapped *told) {
    for (size_t i = 0; i < l->values.count; i++) {
        tool_value *v = &l->values.items[i];
        if (!is_same(v, told, told->array->name)) continue;
        float *sum = (float *)(uintptr_t)v->array.data;
        for (size_t k = 0; k < tool_array_count(told->array); k++) sum[k] += told->array->data[k];
        v->told.step++; /* how many they are, until end_means */
        return true;
    }
    return false;
}

static lt_status add(looking *l, const lt_tapped *told) {
    l->bytes += tool_array_count(told->array) * sizeof(float);
    if (l->bytes > MOST_BYTES)
        return lt_fail(LT_ERROR_UNSUPPORTED, "more than %d MB are tapped: fewer steps, names or heads are wanted",
                       MOST_BYTES >> 20);
    LT_TRY(tool_values_add(&l->values, told));
    if (l->wants.wanted[told->tap].as == LT_TAPS_MEAN) l->values.items[l->values.count - 1].told.step = 1;
    return LT_OK;
}

static lt_status take(looking *l, const lt_tapped *told) {
    const lt_taps_wanted *w = &l->wants.wanted[told->tap];
    const bool parts = told->kind == LT_TAP_ACTIVATION || told->kind == LT_TAP_ATTENTION;
    if (parts && !w->branches && !tool_is_prompts(told)) return LT_OK;
    return w->as == LT_TAPS_MEAN && add_to_mean(l, told) ? LT_OK : add(l, told);
}

static lt_status keep(looking *l, lt_status status) {
    if (status && !l->failed) {
        l->failed = status;
        snprintf(l->why, sizeof l->why, "%s", lt_error_message());
    }
    return status;
}

static bool on_tapped(void *user, const lt_tapped *told) { return !keep(user, take(user, told)); }

static void end_means(looking *l) {
    for (size_t i = 0; i < l->values.count; i++) {
        tool_value *v = &l->values.items[i];
        if (wanted_of(l, v)->as != LT_TAPS_MEAN) continue;
        float *sum = (float *)(uintptr_t)v->array.data;
        for (size_t k = 0; k < tool_array_count(&v->array); k++) sum[k] /= (float)v->told.step;
        v->told.step = v->told.call = 0; /* of all */
    }
}

/* ---- What is answered ---- */

/* Arrays are called by their number among "values", and their name. */
static char *name_of(size_t i, const tool_value *v) { return tool_format("%zu.%s", i, v->array.name); }

static lt_status add_image(looking *l, size_t i, const lt_image *image) {
    const int side = wanted_of(l, &l->values.items[i])->side;
    const bool fits = !side || (image->width <= side && image->height <= side);
    lt_image small = {0};
    if (!fits) LT_TRY(picture_shrink(image, side, &small));
    char *name = name_of(i, &l->values.items[i]);
    if (name) lt_array_file_add_image(&l->file, name, fits ? image : &small);
    lt_image_free(&small);
    free(name);
    return name ? LT_OK : LT_ERROR_MEMORY;
}

static lt_status add_values(looking *l, size_t i) {
    const lt_array *a = &l->values.items[i].array;
    char *name = name_of(i, &l->values.items[i]);
    if (name) lt_array_file_add(&l->file, name, "F32", a->shape, a->rank, a->data);
    free(name);
    return name ? LT_OK : LT_ERROR_MEMORY;
}

static lt_status add_picture(looking *l, size_t i, lt_session *session) {
    const lt_array *a = &l->values.items[i].array;
    const int shape[3] = {(int)a->shape[0], (int)a->shape[1], (int)a->shape[2]};
    lt_image image = {0};
    if (lt_visit_over(&l->visit)) return lt_fail(LT_ERROR_CANCELLED, "nobody waits for this any more");
    LT_TRY(lt_decode(session, a->data, shape, true, &image));
    const lt_status status = add_image(l, i, &image);
    lt_image_free(&image);
    return status;
}

/* The values of a block at all steps. */
typedef struct gathered {
    const lt_array **planes; /* [count] */
    lt_image *images;
    size_t *places, count; /* among the values */
} gathered;

static lt_status gather(const looking *l, size_t first, gathered *g) {
    const tool_value *items = l->values.items;
    const size_t most = l->values.count - first;
    *g = (gathered){tool_calloc(most, sizeof(*g->planes)), tool_calloc(most, sizeof *g->images),
                    tool_calloc(most, sizeof *g->places), 0};
    if (!g->planes || !g->images || !g->places) return LT_ERROR_MEMORY;
    for (size_t i = first; i < l->values.count; i++) {
        if (!is_same(&items[i], &items[first].told, items[first].array.name)) continue;
        g->places[g->count] = i;
        g->planes[g->count++] = &items[i].array;
    }
    return LT_OK;
}

static void gathered_free(gathered *g) {
    for (size_t i = 0; i < g->count; i++) lt_image_free(&g->images[i]);
    free(g->planes);
    free(g->images);
    free(g->places);
}

/* They have colours that mean the same at all steps: all are added with the first of them. */
static lt_status add_components(looking *l, size_t first) {
    gathered g;
    lt_status status = gather(l, first, &g);
    if (!status) status = picture_components(g.planes, g.count, g.images);
    for (size_t i = 0; i < g.count && !status; i++) status = add_image(l, g.places[i], &g.images[i]);
    gathered_free(&g);
    return status;
}

static bool is_first(const looking *l, size_t i) {
    const tool_value *v = &l->values.items[i];
    for (size_t k = 0; k < i; k++)
        if (is_same(&l->values.items[k], &v->told, v->array.name)) return false;
    return true;
}

static lt_status add_value(looking *l, size_t i, lt_session *session) {
    switch (wanted_of(l, &l->values.items[i])->as) {
    case LT_TAPS_PICTURE: return add_picture(l, i, session);
    case LT_TAPS_COMPONENTS: return is_first(l, i) ? add_components(l, i) : LT_OK;
    default: return add_values(l, i);
    }
}

static json_t *value_json(const tool_value *v) {
    const lt_tapped *t = &v->told;
    return json_pack("{s:o, s:i, s:i, s:i, s:i, s:f, s:f, s:i, s:b, s:f}", "name", lt_text_json(v->array.name), "tap",
                     (int)t->tap, "step", t->step, "steps", t->steps, "call", t->call, "t", (double)t->t, "sigma",
                     (double)t->sigma, "branch", t->branch, "negative", t->negative, "seconds", t->seconds);
}

static void tell(looking *l, const lt_result *result) {
    json_t *values = json_array();
    for (size_t i = 0; i < l->values.count; i++) json_array_append_new(values, value_json(&l->values.items[i]));
    lt_array_file_tell(&l->file, "values", values);
    lt_array_file_tell(&l->file, "seed", json_sprintf("%llu", (unsigned long long)result->seeds[0]));
    lt_array_file_tell(&l->file, "parameters", lt_text_json(result->parameters[0]));
    lt_array_file_tell(&l->file, "seconds", json_real(tool_now() - l->visit.begun));
}

static lt_status on_drawn(void *user, lt_session *session, const lt_result *result) {
    looking *l = user;
    const int *s = result->latent_shape;
    const size_t shape[] = {(size_t)s[0], (size_t)s[1], (size_t)s[2]};
    end_means(l);
    for (size_t i = 0; i < l->values.count; i++) LT_TRY(add_value(l, i, session));
    lt_array_file_add(&l->file, "latent", "F32", shape, 3, result->latents[0]);
    lt_array_file_add_image(&l->file, "picture", &result->images[0]);
    tell(l, result);
    return l->file.status;
}

/* ---- Drawing ---- */

/* The noise has as many numbers as the latent, which the model and the picture's size say. */
static lt_status check_noise(const looking *l, lt_session *session, const lt_request *r) {
    const lt_model_info info = lt_model_describe(lt_session_model(session));
    const int width = r->width ? r->width : info.width, height = r->height ? r->height : info.height;
    const size_t wanted = (size_t)info.latent_channels * (size_t)(width / info.factor) * (size_t)(height / info.factor);
    if (!l->wants.noise) return LT_OK;
    if (r->image || r->hires_scale > 0 || width % info.factor || height % info.factor)
        return lt_fail(LT_ERROR_ARGUMENT, "noise: it can be given for a picture from words alone, of a possible size");
    if (l->wants.noise_count == wanted) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT, "noise: %zu numbers; the latent has %zu", l->wants.noise_count, wanted);
}

static lt_status on_begin(void *user, lt_session *session, lt_request *r) {
    looking *l = user;
    LT_TRY(check_noise(l, session, r));
    r->noise = l->wants.noise;
    r->taps = l->wants.count ? l->wants.taps : NULL;
    r->tap_count = l->wants.count;
    return LT_OK;
}

static void on_progress(void *user, const lt_progress *progress) { (void)user, (void)progress; }
static bool on_cancelled(void *user) { return lt_visit_over(&((looking *)user)->visit); }

static void draw(looking *l) {
    static const lt_draw_look look = {on_begin, on_tapped, on_drawn};
    const lt_draw_watch watch = {.cancelled = on_cancelled, .progress = on_progress, .user = l, .look = &look};
    lt_server *server = lt_http_server(l->visit.request);
    lt_status status = lt_draw(lt_server_options_of(server), lt_server_models(server), l->wants.job, &watch);
    if (l->failed) status = lt_fail(l->failed, "%s", l->why);
    if (status)
        lt_visit_fail(&l->visit, status);
    else
        lt_array_file_answer(l->visit.request, &l->file);
}

static void look(looking *l, lt_http_request *r, const json_t *body) {
    const lt_status status = lt_taps_request_read(body, &l->wants);
    if (status) {
        lt_http_fail(r, lt_visit_fault(status), "%s", lt_error_message());
        return;
    }
    const char *kind = json_string_value(json_object_get(l->wants.job, "kind"));
    if (kind && strcmp(kind, "generate"))
        lt_http_fail(r, 400, "kind: generate is wanted: only drawing is tapped");
    else if (lt_visit_begin(&l->visit, r)) {
        draw(l);
        lt_visit_end(&l->visit);
    }
    lt_taps_request_free(&l->wants);
    tool_values_free(&l->values);
    lt_array_file_free(&l->file);
}

/* A job with "taps" and "noise" (taps_request.h): a safetensors file of what was tapped, of "latent" and "picture". */
static void post_taps(lt_http_request *r) {
    json_t *body = lt_http_json(r);
    looking *l = body ? tool_calloc(1, sizeof *l) : NULL;
    if (l)
        look(l, r, body);
    else if (body)
        lt_http_fail(r, 503, "out of memory");
    free(l);
    json_decref(body);
}

/* ---- What there is to be tapped ---- */

static const char *kind_name(lt_tap_kind kind) {
    static const char *const names[] = {"step", "activation", "attention", "heat"};
    return names[kind];
}

static json_t *place_json(const lt_tap_place *p) {
    json_t *shape = json_array();
    for (int i = 0; i < p->rank; i++) json_array_append_new(shape, json_integer((json_int_t)p->shape[i]));
    return json_pack("{s:s, s:o, s:o, s:i, s:o, s:I, s:f, s:o}", "kind", kind_name(p->kind), "name",
                     lt_text_json(p->name), "what", lt_text_json(p->what), "level", p->level, "shape", shape,
                     "parameters", (json_int_t)p->parameters, "flop", p->flop, "beside", lt_text_json(p->beside));
}

static json_t *places_json(const lt_tap_places *places) {
    json_t *list = json_array();
    for (size_t i = 0; i < places->count; i++) json_array_append_new(list, place_json(&places->items[i]));
    return json_pack("{s:i, s:i, s:o}", "width", places->width, "height", places->height, "places", list);
}

/* Of a drawing, or of the module that is named. */
static lt_status read_places(const lt_http_request *r, const lt_model *model, int width, int height,
                             lt_tap_places *places) {
    const char *module = lt_http_query(r, "module");
    return module ? lt_module_places_read(model, module, width, height, places)
                  : lt_tap_places_read(model, width, height, places);
}

static int number_asked(const lt_http_request *r, const char *name) {
    const char *text = lt_http_query(r, name);
    return text ? (int)strtol(text, NULL, 10) : 0;
}

/* ?model=NAME&module=&width=&height= */
static void get_taps(lt_http_request *r) {
    lt_models *models = lt_server_models(lt_http_server(r));
    lt_models_entry *entry = NULL;
    lt_tap_places places;
    lt_status status = lt_models_borrow_checkpoint(models, lt_http_query(r, "model"), &entry);
    if (!status)
        status = read_places(r, lt_models_model(entry), number_asked(r, "width"), number_asked(r, "height"), &places);
    if (status)
        lt_http_fail(r, lt_visit_fault(status), "%s", lt_error_message());
    else {
        lt_http_answer_json(r, 200, places_json(&places));
        lt_tap_places_free(&places);
    }
    lt_models_give_back(models, entry);
}

static const lt_http_route routes[] = {
    {"GET", "/latent/v1/taps", get_taps, 0},
    {"POST", "/latent/v1/taps", post_taps, 0},
    {0},
};
const lt_http_api lt_taps_api = {"/latent/v1", routes, NULL};
