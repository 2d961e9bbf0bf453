/* Pictures of several shapes. */
#include "train/buckets.h"

#include <math.h>
#include <string.h>

enum { MOST = 256 /* shapes */ };

/* ---- Which rectangles ---- */

/* Those of sides that are multiples of step, of at most size x size pixels and as near to that as they come, and up to
 * twice as long as wide, or as wide as long: how many. */
static size_t list_shapes(int size, int step, lt_bucket shapes[MOST]) {
    size_t count = 0;
    for (int width = step; width <= 2 * size && count < MOST; width += step) {
        const int height = size * size / width / step * step;
        if (height < step || width > 2 * height || height > 2 * width) continue;
        shapes[count++] = (lt_bucket){.width = width, .height = height};
    }
    return count;
}

static double unlike(const lt_bucket *shape, int width, int height) {
    return fabs(log((double)shape->width / shape->height) - log((double)width / height));
}

static lt_bucket *nearest(lt_bucket *shapes, size_t count, int width, int height) {
    lt_bucket *best = shapes;
    for (size_t i = 1; i < count; i++)
        if (unlike(&shapes[i], width, height) < unlike(best, width, height)) best = &shapes[i];
    return best;
}

/* ---- Which pictures ---- */

static lt_status add_member(lt_bucket *bucket, size_t index) {
    const size_t item = sizeof *bucket->members;
    size_t *grown = lt_realloc(bucket->members, bucket->count * item, (bucket->count + 1) * item);
    if (!grown) return LT_ERROR_MEMORY;
    bucket->members = grown;
    bucket->members[bucket->count++] = index;
    return LT_OK;
}

static lt_status sort_pictures(const lt_training *t, lt_bucket *shapes, size_t count) {
    for (size_t i = 0; i < lt_dataset_count(t->data); i++) {
        int width, height;
        LT_TRY(lt_training_poll(t, "measuring pictures"));
        const lt_status status = lt_dataset_measure(t->data, i, &width, &height);
        if (status == LT_ERROR_MEMORY) return status;
        if (status)
            lt_training_notify(t, "left out: %s", lt_error_message());
        else
            LT_TRY(add_member(nearest(shapes, count, width, height), i));
    }
    return LT_OK;
}

static size_t batches_of(const lt_bucket *bucket, size_t batch) { return (bucket->count + batch - 1) / batch; }

/* The shapes that have members become the buckets. */
static lt_status keep_used(const lt_training *t, lt_bucket *shapes, size_t count, lt_buckets *b) {
    const size_t batch = (size_t)t->options->length.batch;
    b->items = lt_calloc(count, sizeof *b->items);
    if (!b->items) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (!shapes[i].count) continue;
        b->items[b->count++] = shapes[i];
        b->batches += batches_of(&shapes[i], batch);
        shapes[i].members = NULL;
    }
    if (b->count) return LT_OK;
    return lt_fail(LT_ERROR_FORMAT, "%s: no picture of it can be read", t->options->files.data);
}

static lt_status open_square(const lt_training *t, lt_buckets *b) {
    b->items = lt_calloc(1, sizeof *b->items);
    if (!b->items) return LT_ERROR_MEMORY;
    b->items[b->count++] = (lt_bucket){t->options->pictures.size, t->options->pictures.size};
    return LT_OK;
}

lt_status lt_buckets_open(const lt_training *t, int step, lt_buckets *b) {
    lt_bucket shapes[MOST] = {{0}};
    if (!t->options->pictures.buckets) return open_square(t, b);
    const size_t count = list_shapes(t->options->pictures.size, step, shapes);
    lt_status status = count
                           ? sort_pictures(t, shapes, count)
                           : lt_fail(LT_ERROR_ARGUMENT, "`buckets`: %d pixels are too few for sides of multiples of %d",
                                     t->options->pictures.size, step);
    if (!status) status = keep_used(t, shapes, count, b);
    for (size_t i = 0; i < count; i++) lt_free(shapes[i].members);
    return status;
}

void lt_buckets_close(lt_buckets *b) {
    for (size_t i = 0; i < b->count; i++) lt_free(b->items[i].members);
    lt_free(b->items);
    *b = (lt_buckets){0};
}

/* ---- Batches ---- */

size_t lt_buckets_draw(const lt_training *t, const lt_buckets *b, uint64_t place, size_t *rows, lt_draw *draws) {
    const size_t batch = (size_t)t->options->length.batch;
    const uint64_t seed = t->options->computing.seed, number = place / batch, epoch = number / b->batches;
    size_t turn = lt_dataset_shuffle(seed, epoch, b->batches, (size_t)(number % b->batches)), i = 0;
    while (turn >= batches_of(&b->items[i], batch)) turn -= batches_of(&b->items[i++], batch);
    const lt_bucket *bucket = &b->items[i];
    for (size_t k = 0; k < batch; k++) {
        const size_t position = (turn * batch + k) % bucket->count;
        rows[k] = lt_dataset_shuffle(seed + 1 + i, epoch, bucket->count, position);
        draws[k] = lt_dataset_draw_of(t->data, seed, place + k, bucket->members[rows[k]]);
    }
    return i;
}
