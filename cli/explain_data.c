/* What a page shows, as JSON: numbers, and pictures as data: URLs. */
#include "explain_data.h"

#include "tools/base64.h"
#include "tools/picture.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FRAME_SIDE = 112, WHOLE_SIDE = 512, BLOCK_SIDE = 32, HEADS_SIDE = 16 }; /* pixels that a picture has at most */

/* Where values of an object go, and the first failure; from then on nothing does. */
typedef struct writer {
    const film *film;
    const lt_request *request;
    const tool_words *words;
    lt_status status;
} writer;

/* ---- Putting ---- */

/* Takes value, which may be NULL: there was no memory for it. */
static void put(writer *w, json_t *object, const char *name, json_t *value) {
    if (json_object_set_new(object, name, value) && !w->status) w->status = lt_fail(LT_ERROR_MEMORY, "out of memory");
}

static void append(writer *w, json_t *array, json_t *value) {
    if (json_array_append_new(array, value) && !w->status) w->status = lt_fail(LT_ERROR_MEMORY, "out of memory");
}

/* A text that need not be UTF-8, which JSON has to be. */
static json_t *text(const char *value) {
    json_t *string = json_string(value);
    return string ? string : json_string("\xEF\xBF\xBD");
}

static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static json_t *url_of(writer *w, const lt_image *image, const char *format, int most) {
    char *url = NULL;
    if (!w->status) w->status = picture_url(image, format, most, &url);
    json_t *string = url ? json_string(url) : json_null();
    free(url);
    return string;
}

/* Maps [count, h, w], each scaled to bytes by its own largest value. */
static json_t *maps(writer *w, const float *values, size_t count, size_t height, size_t width) {
    uint8_t *bytes = tool_alloc(count * height * width);
    float *most = tool_alloc(count * sizeof *most);
    char *data = NULL;
    if (bytes && most) {
        picture_scale(values, count, height * width, bytes, most);
        data = lt_base64_write(bytes, count * height * width);
    }
    json_t *largest = json_array();
    for (size_t i = 0; data && i < count; i++) append(w, largest, number((double)most[i]));
    if (!data && !w->status) w->status = LT_ERROR_MEMORY;
    json_t *object =
        json_pack("{s:i, s:i, s:o, s:s}", "h", (int)height, "w", (int)width, "most", largest, "data", data ? data : "");
    free(bytes);
    free(most);
    free(data);
    return object;
}

/* ---- Frames: parts 2 and 3 ---- */

static const float *latent_of(writer *w, const char *name, int step, bool negative) {
    const tool_value *v = film_find(w->film, name, step, negative);
    return v ? v->array.data : NULL;
}

/* A latent as the VAE decodes it, whatever it is. */
static json_t *decoded(writer *w, const float *latent) {
    lt_image image = {0};
    if (!latent || w->status) return json_null();
    w->status = lt_decode(w->film->session, latent, w->film->result.latent_shape, true, &image);
    json_t *url = w->status ? json_null() : url_of(w, &image, "jpg", FRAME_SIDE);
    lt_image_free(&image);
    return url;
}

static size_t latent_count(const writer *w) {
    const int *s = w->film->result.latent_shape;
    return (size_t)s[0] * (size_t)s[1] * (size_t)s[2];
}

/* The estimate of x_0 that a branch's eps stands for: (x_t - sqrt(1 - abar_t) eps) / sqrt(abar_t). */
static json_t *estimate(writer *w, int step, const float *eps) {
    const tool_value *x = film_find(w->film, "x_t", step, false);
    if (!x || !eps) return json_null();
    float *x0 = tool_alloc(latent_count(w) * sizeof *x0);
    const float sigma = x->told.sigma, alpha = 1 / sqrtf(1 + sigma * sigma);
    for (size_t i = 0; x0 && i < latent_count(w); i++) x0[i] = x->array.data[i] / alpha - sigma * eps[i];
    json_t *url = decoded(w, x0);
    free(x0);
    return url;
}

/* How much two predictions differ at each place, over all channels; with its norm. */
static void put_difference(writer *w, json_t *frame, const float *a, const float *b) {
    const int *s = w->film->result.latent_shape;
    const size_t pixels = (size_t)s[1] * (size_t)s[2], n = latent_count(w);
    float *length = tool_calloc(pixels, sizeof *length);
    double sum = 0;
    if (!length && !w->status) w->status = LT_ERROR_MEMORY;
    for (size_t i = 0; length && i < n; i++) {
        length[i % pixels] += (a[i] - b[i]) * (a[i] - b[i]);
        sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    }
    for (size_t i = 0; length && i < pixels; i++) length[i] = sqrtf(length[i]);
    if (length) put(w, frame, "difference", maps(w, length, 1, (size_t)s[1], (size_t)s[2]));
    put(w, frame, "distance", number(sqrt(sum / (double)n)));
    free(length);
}

static json_t *frame_of(writer *w, int step) {
    const tool_value *x = film_find(w->film, "x_t", step, false);
    const float *without = latent_of(w, "eps.branch", step, true), *with = latent_of(w, "eps.branch", step, false);
    json_t *frame = json_object();
    const double sigma = x ? (double)x->told.sigma : 0;
    put(w, frame, "step", json_integer(step));
    put(w, frame, "t", number(x ? (double)x->told.t : 0));
    put(w, frame, "sigma", number(sigma));
    put(w, frame, "abar", number(1 / (1 + sigma * sigma)));
    put(w, frame, "x", decoded(w, x ? x->array.data : NULL));
    put(w, frame, "eps", decoded(w, latent_of(w, "eps", step, false)));
    put(w, frame, "x0", decoded(w, latent_of(w, "x_0", step, false)));
    if (!with || !without) return frame;
    put(w, frame, "epsWithout", decoded(w, without));
    put(w, frame, "epsWith", decoded(w, with));
    put(w, frame, "x0Without", estimate(w, step, without));
    put(w, frame, "x0With", estimate(w, step, with));
    put_difference(w, frame, with, without);
    return frame;
}

static json_t *frames(writer *w) {
    json_t *all = json_array();
    for (int i = 0; i < w->film->frame_count && !w->status; i++) append(w, all, frame_of(w, w->film->frames[i]));
    return all;
}

/* ---- Words: part 4 ---- */

/* The maps of the words, and behind them that of the start, of [tokens, h, w]. */
static json_t *word_maps(writer *w, const float *values, size_t tokens, size_t height, size_t width) {
    const size_t count = w->words->count + 1, pixels = height * width;
    float *chosen = tool_calloc(count * pixels, sizeof *chosen);
    if (!chosen && !w->status) w->status = LT_ERROR_MEMORY;
    for (size_t i = 0; chosen && i < count; i++) {
        const size_t place = i < w->words->count ? (size_t)w->words->items[i].place : 0;
        if (place < tokens) memcpy(chosen + i * pixels, values + place * pixels, pixels * sizeof *chosen);
    }
    json_t *object = chosen ? maps(w, chosen, count, height, width) : json_null();
    free(chosen);
    return object;
}

static json_t *heat_maps(writer *w, size_t i) {
    const tool_value *v = film_heat(w->film, i);
    return v ? word_maps(w, v->array.data, v->array.shape[0], v->array.shape[1], v->array.shape[2]) : json_null();
}

static json_t *words_of(writer *w) {
    json_t *all = json_array();
    for (size_t i = 0; i < w->words->count; i++) {
        const tool_word *word = &w->words->items[i];
        json_t *object = json_object();
        put(w, object, "text", text(word->text));
        put(w, object, "id", json_integer(word->id));
        put(w, object, "place", json_integer(word->place));
        put(w, object, "weight", number(word->weight));
        append(w, all, object);
    }
    return all;
}

/* [h, w] by the mean over squares of `by`, for each of count planes. */
static void coarsen(const float *from, size_t count, size_t h, size_t w, size_t by, float *to) {
    const size_t hs = (h + by - 1) / by, ws = (w + by - 1) / by;
    memset(to, 0, count * hs * ws * sizeof *to);
    for (size_t i = 0; i < count * h * w; i++) {
        const size_t plane = i / (h * w), y = i / w % h / by, x = i % w / by;
        to[(plane * hs + y) * ws + x] += from[i] / (float)(by * by);
    }
}

/* The mean over the steps of one head's maps. */
static json_t *head_maps(writer *w, const film_heads *l, size_t head) {
    const size_t longer = l->h > l->w ? l->h : l->w, by = (longer + HEADS_SIDE - 1) / HEADS_SIDE;
    const size_t hs = (l->h + by - 1) / by, ws = (l->w + by - 1) / by;
    float *small = tool_alloc(l->tokens * hs * ws * sizeof *small);
    if (!small && !w->status) w->status = LT_ERROR_MEMORY;
    if (small) coarsen(l->sum + head * l->tokens * l->h * l->w, l->tokens, l->h, l->w, by, small);
    for (size_t i = 0; small && i < l->tokens * hs * ws; i++) small[i] /= (float)l->count;
    json_t *object = small ? word_maps(w, small, l->tokens, hs, ws) : json_null();
    free(small);
    return object;
}

static json_t *layers(writer *w) {
    json_t *all = json_array();
    for (size_t i = 0; i < w->film->heads_count && !w->status; i++) {
        const film_heads *l = &w->film->heads[i];
        json_t *layer = json_object(), *heads = json_array();
        for (size_t k = 0; k < l->heads; k++) append(w, heads, head_maps(w, l, k));
        put(w, layer, "name", text(l->name));
        put(w, layer, "h", json_integer((json_int_t)l->h));
        put(w, layer, "w", json_integer((json_int_t)l->w));
        put(w, layer, "mean", heat_maps(w, 1 + (size_t)w->film->frame_count + i));
        put(w, layer, "heads", heads);
        append(w, all, layer);
    }
    return all;
}

static json_t *words(writer *w) {
    json_t *object = json_object(), *steps = json_array();
    put(w, object, "tokens", words_of(w));
    put(w, object, "mean", heat_maps(w, 0));
    for (int i = 0; i < w->film->frame_count; i++) append(w, steps, heat_maps(w, 1 + (size_t)i));
    put(w, object, "steps", steps);
    put(w, object, "layers", layers(w));
    return object;
}

/* ---- The U-Net: part 5 ---- */

/* An activation at the frames that have it, in colours that mean the same at all of them. */
static json_t *activation(writer *w, const char *name) {
    const lt_array *planes[FILM_MOST_FRAMES];
    lt_image images[FILM_MOST_FRAMES];
    json_t *urls = json_array();
    size_t count = 0;
    for (int i = 0; i < w->film->frame_count; i += w->film->activations) {
        const tool_value *v = film_find(w->film, name, w->film->frames[i], false);
        const tool_value *other = film_find(w->film, name, w->film->frames[i], true);
        if (v || other) planes[count++] = v ? &v->array : &other->array;
    }
    if (!count || w->status) return urls;
    w->status = picture_components(planes, count, images);
    for (size_t i = 0; i < count && !w->status; i++) append(w, urls, url_of(w, &images[i], "png", BLOCK_SIDE));
    for (size_t i = 0; i < count; i++) lt_image_free(&images[i]);
    return urls;
}

static json_t *place_of(writer *w, const lt_tap_place *p) {
    json_t *object = json_object();
    put(w, object, "name", text(p->name));
    put(w, object, "what", text(p->what));
    put(w, object, "level", json_integer(p->level));
    put(w, object, "shape", json_pack("[i,i,i]", (int)p->shape[0], (int)p->shape[1], (int)p->shape[2]));
    put(w, object, "parameters", json_integer((json_int_t)p->parameters));
    put(w, object, "flop", number(p->flop));
    put(w, object, "seconds", number(film_seconds(w->film, p->name)));
    put(w, object, "beside", p->beside ? text(p->beside) : json_null());
    put(w, object, "pictures", activation(w, p->name));
    return object;
}

static json_t *blocks(writer *w) {
    json_t *all = json_array();
    for (size_t i = 0; i < w->film->places.count && !w->status; i++)
        if (w->film->places.items[i].kind == LT_TAP_ACTIVATION) append(w, all, place_of(w, &w->film->places.items[i]));
    return all;
}

/* ---- All of it ---- */

static json_t *drawing(writer *w, const char *model) {
    const lt_request *r = w->request;
    const film *f = w->film;
    const int *s = f->result.latent_shape;
    const lt_model_info info = lt_model_describe(lt_session_model(f->session));
    json_t *object = json_object(), *sigmas = json_array();
    char seed[32];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)f->result.seeds[0]);
    for (int i = 0; i < f->steps; i++) append(w, sigmas, number((double)f->sigmas[i]));
    put(w, object, "version", text(lt_version()));
    put(w, object, "model", text(model));
    put(w, object, "prompt", text(r->prompt));
    put(w, object, "negative", text(r->negative_prompt));
    put(w, object, "parameters", text(f->result.parameters[0]));
    put(w, object, "seed", text(seed));
    put(w, object, "guidance", number((double)r->guidance));
    put(w, object, "sampler", text(r->sampler));
    put(w, object, "width", json_integer(f->result.images[0].width));
    put(w, object, "height", json_integer(f->result.images[0].height));
    put(w, object, "latent", json_pack("[i,i,i]", s[0], s[1], s[2]));
    put(w, object, "prediction", text(info.prediction));
    put(w, object, "factor", json_integer(info.factor));
    put(w, object, "precision", text(lt_precision_name(lt_session_precision(f->session))));
    put(w, object, "image", url_of(w, &f->result.images[0], "png", WHOLE_SIDE));
    put(w, object, "sigmas", sigmas);
    put(w, object, "activationsEvery", json_integer(f->activations));
    return object;
}

lt_status explain_data(const film *f, const lt_request *request, const tool_words *text_words, const char *model,
                       char **json) {
    writer w = {.film = f, .request = request, .words = text_words};
    json_t *all = drawing(&w, model);
    put(&w, all, "frames", frames(&w));
    put(&w, all, "words", words(&w));
    put(&w, all, "blocks", blocks(&w));
    *json = w.status ? NULL : json_dumps(all, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(all);
    if (w.status) return w.status;
    return *json ? LT_OK : lt_fail(LT_ERROR_MEMORY, "out of memory");
}
