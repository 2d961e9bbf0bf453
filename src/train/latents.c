/* The pictures of a training as the U-Net sees them. */
#include "train/latents.h"

#include "base/threads.h"
#include "kernels/loss.h"

#include <math.h>
#include <string.h>

/* ---- Encoding ---- */

/* moments [rows, 2c]: mean and log-variance become mean and deviation. */
static void deviations(float *moments, size_t rows, size_t c) {
    for (size_t row = 0; row < rows; row++)
        for (size_t k = 0; k < c; k++) {
            float *logvar = &moments[row * 2 * c + c + k];
            *logvar = expf(0.5f * lt_clamp_logvar(*logvar));
        }
}

static lt_status poll_caller(void *training) { return lt_training_poll(training, "encoding pictures"); }

static lt_status encode(lt_training *t, const lt_latents *l) {
    const lt_shape s = lt_port_shape(l->made);
    LT_TRY(lt_plan_run(l->encoder, LT_RATE_PROMPT, poll_caller, t));
    lt_port_read(l->made, 0, l->moments, lt_shape_count(s));
    deviations(l->moments, lt_shape_rows(s), (size_t)s.c / 2);
    return LT_OK;
}

typedef struct filling {
    lt_training *t;
    lt_latents *l;
    float *pixels; /* [height, width, 3] of one picture */
    bool waiting;  /* that has been said */
} filling;

static size_t pixel_count(const lt_bucket *b) { return (size_t)b->width * (size_t)b->height * 3; }
static size_t picture_count(const lt_training *t, const lt_bucket *b) {
    return b->members ? b->count : lt_dataset_count(t->data);
}

/* Picture `number` of the bucket as sample i. One that can't be read is black, and its row of the cache NaNs. */
static lt_status load(const filling *f, size_t number, size_t i, float *row, size_t row_size) {
    const lt_bucket *b = &f->l->bucket;
    const lt_picture_options picture = {.size = b->width, .height = b->height};
    const size_t count = pixel_count(b), index = b->members ? b->members[number] : number;
    const lt_status status = lt_dataset_load(f->t->data, index, &picture, 0, f->pixels);
    if (status == LT_ERROR_MEMORY) return status;
    if (status) lt_training_notify(f->t, "left out: %s", lt_error_message());
    if (status) memset(f->pixels, 0, count * sizeof *f->pixels);
    for (size_t k = 0; k < row_size; k++) row[k] = status ? NAN : 0;
    lt_port_write(f->l->x, i * count, f->pixels, count);
    return LT_OK;
}

/* For the cache: pictures [first, first + n). */
static lt_status fill(void *user, size_t first, size_t n, float *rows) {
    const filling *f = user;
    const size_t row = lt_shape_count(lt_port_shape(f->l->made)) / (size_t)f->t->options->length.batch;
    LT_TRY(poll_caller(f->t));
    for (size_t i = 0; i < n; i++) LT_TRY(load(f, first + i, i, rows + i * row, row));
    LT_TRY(encode(f->t, f->l));
    for (size_t i = 0; i < n; i++)
        if (!isnan(rows[i * row])) memcpy(rows + i * row, f->l->moments + i * row, row * sizeof *rows);
    return LT_OK;
}

static lt_status wait_for_other(void *user) {
    filling *f = user;
    if (!f->waiting) lt_training_notify(f->t, "another training encodes the same pictures: waiting for it");
    f->waiting = true;
    return lt_training_poll(f->t, "waiting for another training's latents");
}

/* The square of all pictures is known by its side alone. */
static uint64_t cache_key(const lt_training *t, const lt_bucket *b) {
    const uint64_t data = lt_dataset_fingerprint(t->data);
    uint64_t key = lt_hash_bytes(LT_HASH_START, &data, sizeof data);
    key = lt_hash_bytes(key, &b->width, sizeof b->width);
    if (b->members) key = lt_hash_bytes(key, &b->height, sizeof b->height);
    if (b->members) key = lt_hash_bytes(key, b->members, b->count * sizeof *b->members);
    key = lt_hash_bytes(key, &t->target.precision, sizeof t->target.precision);
    key = lt_hash_bytes(key, &t->models->vae->groups, sizeof t->models->vae->groups);
    return lt_hash_part(key, t->models->vae_tensors, t->models->vae_count, lt_is_vae);
}

/* Says how many pictures have no latents; at least one has some where this succeeds. */
static lt_status count_broken(const lt_training *t, const lt_latents *l) {
    const size_t count = picture_count(t, &l->bucket);
    size_t broken = 0;
    for (size_t i = 0; i < count; i++) broken += isnan(*(const float *)lt_cache_row(&l->cache, i)) != 0;
    if (broken == count)
        return lt_fail(LT_ERROR_FORMAT, "%s: no picture of its %zu can be read", t->options->files.data, count);
    if (broken) lt_training_notify(t, "%zu of %zu pictures can't be read: left out", broken, count);
    return LT_OK;
}

static lt_status open_cache(lt_training *t, lt_latents *l) {
    const lt_shape s = lt_port_shape(l->made);
    const lt_tensor shape = {
        .dtype = LT_F32, .rank = 4, .shape = {picture_count(t, &l->bucket), (size_t)s.h, (size_t)s.w, (size_t)s.c}};
    filling f = {t, l, lt_alloc(pixel_count(&l->bucket) * sizeof(float)), false};
    const lt_cache_maker maker = {fill, wait_for_other, &f, (size_t)s.n};
    lt_status status = f.pixels ? LT_OK : LT_ERROR_MEMORY;
    if (!status) status = lt_cache_open(t->cache, "moments", cache_key(t, &l->bucket), &shape, &maker, &l->cache);
    lt_free(f.pixels);
    return status ? status : count_broken(t, l);
}

/* ---- Opening ---- */

static lt_status check_vae(const lt_train_options *o, const lt_vae *vae) {
    if (!vae && o->files.vae) return lt_fail(LT_ERROR_MODEL, "%s holds no autoencoder with an encoder", o->files.vae);
    if (!vae) return lt_fail(LT_ERROR_ARGUMENT, "an autoencoder is needed: name one with `vae`");
    if (o->pictures.size % vae->factor == 0) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT, "pictures of %d pixels: this VAE needs a multiple of %d", o->pictures.size,
                   vae->factor);
}

lt_status lt_latents_open(const lt_training *t, const lt_bucket *bucket, lt_latents *l) {
    const lt_train_options *o = t->options;
    const lt_vae *vae = t->models->vae;
    const size_t batch = (size_t)o->length.batch;
    l->bucket = *bucket;
    l->shape = (lt_shape){o->length.batch, bucket->height, bucket->width, 3};
    if (!o->losses.pixels) {
        LT_TRY(check_vae(o, vae));
        l->scaling = vae->scaling;
        l->shape = (lt_shape){o->length.batch, bucket->height / vae->factor, bucket->width / vae->factor,
                              vae->latent_channels};
    }
    l->z = lt_alloc(lt_shape_count(l->shape) * sizeof *l->z);
    l->draws = lt_calloc(batch, sizeof *l->draws);
    l->rows = lt_calloc(batch, sizeof *l->rows);
    return l->z && l->draws && l->rows ? LT_OK : LT_ERROR_MEMORY;
}

lt_status lt_latents_start(lt_training *t, lt_latents *l) {
    const lt_train_options *o = t->options;
    lt_graph graph = {0};
    if (o->losses.pixels) return lt_training_start_loader(t, &l->loader);
    const lt_status built =
        lt_vae_build_encoder(t->models->vae, o->length.batch, l->bucket.height, l->bucket.width, &graph);
    LT_TRY(lt_plan_built(&graph, built, &t->target, &l->encoder));
    l->x = lt_plan_port(l->encoder, "x");
    l->made = lt_plan_port(l->encoder, "moments");
    l->moments = lt_alloc(lt_shape_count(lt_port_shape(l->made)) * sizeof *l->moments);
    if (!l->moments) return LT_ERROR_MEMORY;
    if (o->pictures.crop || o->pictures.flip) return lt_training_start_loader(t, &l->loader);
    LT_TRY(open_cache(t, l));
    lt_plan_free(l->encoder);
    lt_free(l->moments);
    l->encoder = NULL;
    l->moments = NULL;
    return LT_OK;
}

void lt_latents_close(lt_latents *l) {
    lt_loader_stop(l->loader);
    lt_plan_free(l->encoder);
    lt_cache_close(&l->cache);
    lt_free(l->moments);
    lt_free(l->z);
    lt_free(l->draws);
    lt_free(l->rows);
    *l = (lt_latents){0};
}

/* ---- Batches ---- */

void lt_latents_random(const lt_latents *l, int i, lt_rng *rng) { lt_rng_seed(rng, LT_RNG_CPU, l->draws[i].random); }

/* Sample i of the batch, drawn from its posterior: moments [h,w,2c], mean and deviation. */
static void draw(lt_latents *l, int i, const float *moments) {
    const size_t pixels = (size_t)lt_shape_pixels(l->shape), c = (size_t)l->shape.c;
    float *z = l->z + (size_t)i * pixels * c;
    lt_rng rng;
    lt_rng_seed(&rng, LT_RNG_CPU, ~l->draws[i].random); /* not the numbers that the trainer gets */
    lt_rng_normal(&rng, z, pixels * c);
    for (size_t p = 0; p < pixels; p++)
        for (size_t k = 0; k < c; k++) {
            const float mean = moments[p * 2 * c + k], deviation = moments[p * 2 * c + c + k];
            z[p * c + k] = (mean + deviation * z[p * c + k]) * l->scaling;
        }
}

typedef struct drawing {
    lt_latents *l;
    const float *const *moments;
} drawing;

static void draw_body(const void *context, size_t i, int thread) {
    (void)thread;
    const drawing *d = context;
    draw(d->l, (int)i, d->moments[i]);
}

static void draw_all(lt_latents *l, const float *const *moments) {
    const drawing d = {l, moments};
    lt_parallel(LT_ALL_THREADS, (size_t)l->shape.n, LT_EVENLY, draw_body, &d);
}

static lt_status take(lt_latents *l, const float **moments) {
    for (int i = 0; i < l->shape.n; i++) moments[i] = lt_cache_row(&l->cache, l->rows[i]);
    draw_all(l, moments);
    return lt_map_check(l->cache.values, LT_OK);
}

/* The pictures at the next places, those that can't be read left out, as the loader does. */
static lt_status next_cached(lt_training *t, lt_latents *l, const float **moments) {
    for (int i = 0; i < l->shape.n; t->run.place++) {
        l->draws[i] = lt_dataset_draw(t->data, t->options->computing.seed, t->run.place);
        l->rows[i] = l->draws[i].index;
        i += !isnan(*(const float *)lt_cache_row(&l->cache, l->rows[i]));
    }
    return take(l, moments);
}

static lt_status next_loaded(lt_training *t, lt_latents *l, const float **moments) {
    const lt_batch *batch;
    LT_TRY(lt_loader_next(l->loader, &batch));
    memcpy(l->draws, batch->draws, (size_t)batch->n * sizeof *l->draws);
    for (int i = 0; i < batch->n; i++) l->rows[i] = batch->draws[i].index;
    t->run.place = batch->place;
    if (!l->encoder) {
        memcpy(l->z, batch->pixels, lt_shape_count(l->shape) * sizeof *l->z);
        return LT_OK;
    }
    lt_port_write(l->x, 0, batch->pixels, lt_shape_count(lt_port_shape(l->x)));
    LT_TRY(encode(t, l));
    const size_t row = 2 * lt_shape_count(l->shape) / (size_t)l->shape.n;
    for (int i = 0; i < l->shape.n; i++) moments[i] = l->moments + (size_t)i * row;
    draw_all(l, moments);
    return LT_OK;
}

lt_status lt_latents_next(lt_training *t, lt_latents *l) {
    const float **moments = lt_calloc((size_t)l->shape.n, sizeof *moments);
    if (!moments) return LT_ERROR_MEMORY;
    const lt_status status = (l->cache.values ? next_cached : next_loaded)(t, l, moments);
    lt_free(moments);
    return status;
}

lt_status lt_latents_take(lt_latents *l) {
    const float **moments = lt_calloc((size_t)l->shape.n, sizeof *moments);
    if (!moments) return LT_ERROR_MEMORY;
    const lt_status status = take(l, moments);
    lt_free(moments);
    return status;
}
