/* A model measured over a data set: what that takes, and the VAE's reconstruction. */
#include "base/door.h"
#include "base/fields.h"
#include "base/picture.h"
#include "eval/parts.h"
#include "pipeline/latent.h"

/* ---- What all of them do ---- */

size_t lt_eval_count(const lt_eval_data *data) {
    const size_t all = lt_dataset_count(data->dataset);
    return data->count ? lt_min(data->count, all) : all;
}

size_t lt_eval_index(const lt_eval_data *data, size_t i) {
    const bool all = lt_eval_count(data) == lt_dataset_count(data->dataset);
    return all ? i : lt_dataset_draw(data->dataset, data->seed, i).index;
}

lt_status lt_eval_report(const lt_watch *watch, size_t done, size_t count) {
    if (!watch->progress || watch->progress(watch->user, done, count)) return LT_OK;
    return lt_fail(LT_ERROR_CANCELLED, "stopped after %zu of %zu", done, count);
}

static lt_status measure_watched(const lt_eval_data *data, lt_status (*measure)(const lt_eval_data *, void *),
                                 void *work) {
    lt_target *target = &data->session->target;
    target->cancelled = data->watch.cancelled;
    target->cancelled_user = data->watch.user;
    const lt_status status = measure(data, work);
    target->cancelled = NULL;
    return status;
}

lt_status lt_eval_enter(const char *function, const lt_eval_data *data, void *out, size_t size,
                        lt_status (*measure)(const lt_eval_data *, void *), void *work) {
    lt_session *session = data ? data->session : NULL;
    const lt_dataset *dataset = data ? data->dataset : NULL;
    const lt_argument arguments[] = {{"data", data},
                                     {"out", .out = out, .size = size},
                                     {"session", session, .busy = session ? &session->busy : NULL},
                                     {"dataset", dataset}};
    lt_door door;
    lt_status status = lt_enter(&door, function, arguments, LT_COUNT(arguments));
    if (!status) status = lt_reserved_check(data->reserved);
    if (!status) status = measure_watched(data, measure, work);
    return lt_leave(&door, status);
}

/* Pixels a side of the pictures that the VAE encodes. */
static lt_status choose_size(const lt_eval_data *data, int *size) {
    const lt_components *parts = data->session->parts;
    const int factor = parts->vae.factor;
    *size = data->size ? data->size : parts->sample_size * factor;
    if (!parts->pixels) LT_TRY(lt_module_needed(parts, LT_MODULE_VAE_ENCODER, ""));
    if (*size > 0 && *size % factor == 0 && *size <= LT_IMAGE_MAX_SIDE) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT, "pictures of %d pixels a side: multiples of %d are possible, up to %d", *size,
                   factor, LT_IMAGE_MAX_SIDE);
}

lt_status lt_eval_vae_open(const lt_eval_data *data, lt_eval_vae *w) {
    *w = (lt_eval_vae){0};
    LT_TRY(choose_size(data, &w->size));
    const lt_vae *vae = &data->session->parts->vae;
    const size_t size = (size_t)w->size, side = size / (size_t)vae->factor;
    w->pixel_count = size * size * 3;
    w->latent_count = side * side * (size_t)vae->latent_channels;
    w->pixels = lt_alloc(w->pixel_count * sizeof(float));
    w->latent = lt_alloc(w->latent_count * sizeof(float));
    return w->pixels && w->latent ? LT_OK : LT_ERROR_MEMORY;
}

void lt_eval_vae_close(lt_eval_vae *w) {
    lt_free(w->pixels);
    lt_free(w->latent);
}

lt_status lt_eval_vae_load(const lt_eval_data *data, size_t i, lt_eval_vae *w) {
    const lt_picture_options options = {.size = w->size};
    LT_TRY(lt_dataset_load(data->dataset, i, &options, 0, w->pixels));
    return lt_latent_encode(data->session, w->pixels, w->size, w->size, false, NULL, w->latent);
}

/* ---- Reconstruction ---- */

static lt_status reconstruct(const lt_eval_data *data, lt_eval_vae *w, size_t i, uint8_t *bytes, double *error) {
    const lt_components *parts = data->session->parts;
    const int side = w->size / parts->vae.factor;
    LT_TRY(lt_eval_vae_load(data, i, w));
    lt_pixels_to_bytes(w->pixels, bytes, w->pixel_count);
    LT_TRY(lt_latent_decode(data->session, w->latent, side, side, false, w->pixels));
    lt_pixels_to_bytes(w->pixels, bytes + w->pixel_count, w->pixel_count);
    *error = lt_mean_square(bytes, bytes + w->pixel_count, w->pixel_count);
    return LT_OK;
}

static void add_picture(const char *name, double error, lt_reconstruction *out) {
    const double psnr = lt_psnr(error);
    if (!out->count || psnr < out->worst_psnr) {
        out->worst_psnr = psnr;
        out->worst = name;
    }
    if (!out->count || psnr > out->best_psnr) {
        out->best_psnr = psnr;
        out->best = name;
    }
    out->count++;
    out->mean_psnr += psnr;
}

static lt_status reconstruct_all(const lt_eval_data *data, void *result) {
    lt_reconstruction *out = result;
    const size_t count = lt_eval_count(data);
    lt_eval_vae w;
    uint8_t *bytes = NULL; /* what went in, then what came out */
    double errors = 0;
    lt_status status = lt_eval_vae_open(data, &w);
    if (!status) bytes = lt_alloc(2 * w.pixel_count);
    if (!status && !bytes) status = LT_ERROR_MEMORY;
    for (size_t i = 0; i < count && !status; i++) {
        const size_t index = lt_eval_index(data, i);
        double error = 0;
        status = reconstruct(data, &w, index, bytes, &error);
        if (!status) add_picture(lt_dataset_name(data->dataset, index), error, out);
        errors += error;
        if (!status) status = lt_eval_report(&data->watch, i + 1, count);
    }
    out->size = w.size;
    out->mean_psnr /= (double)count;
    out->psnr_of_mean = lt_psnr(errors / (double)count);
    lt_free(bytes);
    lt_eval_vae_close(&w);
    return status;
}

lt_status lt_eval_reconstruction(const lt_eval_data *data, lt_reconstruction *out) {
    return lt_eval_enter(__func__, data, out, sizeof *out, reconstruct_all, out);
}
