/* CLIP measured over a data set: which pictures its texts find, and which texts its pictures. */
#include "eval/parts.h"
#include "pipeline/embedding.h"
#include "pipeline/latent.h"

#include <string.h>

/* ---- Rows ---- */

static lt_status make_room(lt_embeddings *e, size_t capacity, size_t dim) {
    size_t floats;
    if (!lt_mul(capacity, dim, &floats)) return lt_fail(LT_ERROR_MEMORY, "out of memory: too many embeddings");
    e->dim = dim;
    e->groups = lt_calloc(capacity, sizeof *e->groups);
    e->rows = lt_calloc(floats, sizeof *e->rows);
    return e->rows && e->groups ? LT_OK : LT_ERROR_MEMORY;
}

lt_status lt_embeddings_keep(lt_embeddings *e, size_t capacity, float *row, size_t dim, size_t group) {
    lt_status status = e->rows ? LT_OK : make_room(e, capacity, dim);
    if (!status && dim != e->dim)
        status = lt_fail(LT_ERROR_MODEL, "embeddings of %zu and of %zu numbers: not one CLIP", dim, e->dim);
    if (!status) {
        memcpy(e->rows + e->count * dim, row, dim * sizeof *row);
        e->groups[e->count++] = group;
    }
    lt_free(row);
    return status;
}

void lt_embeddings_free(lt_embeddings *e) {
    lt_free(e->rows);
    lt_free(e->groups);
    *e = (lt_embeddings){0};
}

/* ---- Pairs ---- */

/* Pictures with their first texts. */
typedef struct recall_work {
    size_t *pictures;   /* [count] of the data set: those that have a text */
    const char **texts; /* [count] */
    size_t *groups;     /* [count] equal texts have one number */
    size_t count, group_count;
    bool *seen; /* [group_count] */
    lt_embeddings text_rows, picture_rows;
} recall_work;

static lt_status find_pairs(const lt_eval_data *data, recall_work *w) {
    const size_t count = lt_eval_count(data);
    w->pictures = lt_calloc(count, sizeof *w->pictures);
    w->texts = lt_calloc(count, sizeof *w->texts);
    w->groups = lt_calloc(count, sizeof *w->groups);
    w->seen = lt_calloc(count, sizeof *w->seen);
    if (!w->pictures || !w->texts || !w->groups || !w->seen) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const size_t index = lt_eval_index(data, i);
        if (!lt_dataset_text_count(data->dataset, index)) continue;
        w->pictures[w->count] = index;
        w->texts[w->count++] = lt_dataset_text(data->dataset, index, 0);
    }
    LT_TRY(lt_group(w->texts, w->count, w->groups, &w->group_count));
    if (w->group_count >= 2) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT, "recall needs pictures with different texts: this data set has %zu",
                   w->group_count);
}

static lt_status embed_picture(const lt_eval_data *data, size_t i, float **row, size_t *dim) {
    const lt_picture_options options = {.size = data->session->parts->image.size};
    LT_TRY(lt_module_needed(data->session->parts, LT_MODULE_IMAGE, ": recall needs a CLIP of both towers"));
    const size_t count = (size_t)options.size * (size_t)options.size * 3;
    float *pixels = lt_alloc(count * sizeof(float));
    lt_image image = {options.size, options.size, lt_alloc(count)};
    lt_status status = pixels && image.pixels ? LT_OK : LT_ERROR_MEMORY;
    if (!status) status = lt_dataset_load(data->dataset, i, &options, 0, pixels);
    if (!status) {
        lt_pixels_to_bytes(pixels, image.pixels, count);
        status = lt_image_embedding(data->session, &image, row, dim);
    }
    lt_free(pixels);
    lt_image_free(&image);
    return status;
}

/* Texts first: a model keeps one plan for each tower. */
static lt_status embed_pairs(const lt_eval_data *data, recall_work *w) {
    float *row;
    size_t dim;
    for (size_t i = 0; i < w->count; i++) {
        if (w->seen[w->groups[i]]) continue;
        w->seen[w->groups[i]] = true;
        LT_TRY(lt_text_embedding(data->session, w->texts[i], true, &row, &dim));
        LT_TRY(lt_embeddings_keep(&w->text_rows, w->group_count, row, dim, w->groups[i]));
        LT_TRY(lt_eval_report(&data->watch, w->text_rows.count, w->group_count + w->count));
    }
    for (size_t i = 0; i < w->count; i++) {
        LT_TRY(embed_picture(data, w->pictures[i], &row, &dim));
        LT_TRY(lt_embeddings_keep(&w->picture_rows, w->count, row, dim, w->groups[i]));
        LT_TRY(lt_eval_report(&data->watch, w->text_rows.count + i + 1, w->group_count + w->count));
    }
    if (w->text_rows.dim == w->picture_rows.dim) return LT_OK;
    return lt_fail(LT_ERROR_MODEL, "texts have %zu numbers, pictures %zu: not one CLIP", w->text_rows.dim,
                   w->picture_rows.dim);
}

static lt_status recall_all(const lt_eval_data *data, void *result) {
    lt_clip_recall *out = result;
    recall_work w = {0};
    lt_status status = find_pairs(data, &w);
    if (!status) status = embed_pairs(data, &w);
    if (!status) status = lt_recall(&w.text_rows, &w.picture_rows, NULL, NULL, &out->by_text);
    if (!status) status = lt_recall(&w.picture_rows, &w.text_rows, NULL, NULL, &out->by_picture);
    out->pictures = w.picture_rows.count;
    out->texts = w.text_rows.count;
    lt_embeddings_free(&w.text_rows);
    lt_embeddings_free(&w.picture_rows);
    lt_free(w.pictures);
    lt_free(w.texts);
    lt_free(w.groups);
    lt_free(w.seen);
    return status;
}

lt_status lt_eval_recall(const lt_eval_data *data, lt_clip_recall *out) {
    return lt_eval_enter(__func__, data, out, sizeof *out, recall_all, out);
}
