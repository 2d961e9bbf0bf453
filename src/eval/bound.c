/* The variational bound of a U-Net over the latents of a data set. */
#include "base/rng.h"
#include "eval/parts.h"
#include "kernels/layout.h"
#include "pipeline/denoiser.h"

#include <math.h>

enum { MAX_TIMESTEPS = 10000 };

typedef struct bound_work {
    lt_eval_vae vae;
    lt_rng rng;
    float *uniform;                    /* [timesteps] */
    float *noise, *x, *estimate;       /* [latent_count] */
    double squares[LT_VARIANCE_COUNT]; /* of the pictures' totals */
} bound_work;

static lt_status check(const lt_eval_data *data, int timesteps) {
    const lt_components *parts = data->session->parts;
    if (timesteps < 1 || timesteps > MAX_TIMESTEPS)
        return lt_fail(LT_ERROR_ARGUMENT, "%d timesteps: 1 to %d are possible", timesteps, MAX_TIMESTEPS);
    LT_TRY(lt_module_needed(parts, LT_MODULE_UNET, ""));
    if (parts->unet.in_channels == parts->vae.latent_channels && parts->unet.out_channels == parts->unet.in_channels)
        return LT_OK;
    return lt_fail(LT_ERROR_MODEL,
                   "the U-Net takes %d channels and makes %d, latents have %d: a bound is that of a model which draws "
                   "from noise alone",
                   parts->unet.in_channels, parts->unet.out_channels, parts->vae.latent_channels);
}

static lt_status open_work(const lt_eval_data *data, const lt_bound *out, bound_work *w) {
    LT_TRY(check(data, out->timesteps));
    LT_TRY(lt_eval_vae_open(data, &w->vae));
    const size_t bytes = w->vae.latent_count * sizeof(float);
    w->uniform = lt_alloc((size_t)out->timesteps * sizeof(float));
    w->noise = lt_alloc(bytes);
    w->x = lt_alloc(bytes);
    w->estimate = lt_alloc(bytes);
    return w->uniform && w->noise && w->x && w->estimate ? LT_OK : LT_ERROR_MEMORY;
}

static void close_work(bound_work *w) {
    lt_eval_vae_close(&w->vae);
    lt_free(w->uniform);
    lt_free(w->noise);
    lt_free(w->x);
    lt_free(w->estimate);
}

/* The U-Net's estimate of the latent, which is noised to t first. */
static lt_status estimate(lt_denoiser *d, int t, bound_work *w) {
    const lt_noise_schedule *schedule = &d->session->parts->schedule;
    const size_t n = w->vae.latent_count;
    const size_t c = (size_t)d->latent.c;
    lt_rng_normal(&w->rng, w->x, n);
    lt_nchw_to_nhwc(w->x, w->noise, 1, n / c, c);
    lt_forward_process(schedule, t, w->vae.latent, w->noise, w->x, n);
    LT_TRY(lt_denoiser_predict(d, 0, w->x, (float)t, w->estimate));
    lt_bound_estimate(schedule, t, w->x, w->estimate, w->estimate, n);
    return LT_OK;
}

/* The terms of one latent, in nats. The i-th of N timesteps is drawn from the i-th N-th of their distribution. */
static lt_status bound_of_latent(lt_denoiser *d, int timesteps, bound_work *w,
                                 lt_bound_terms terms[LT_VARIANCE_COUNT]) {
    const lt_noise_schedule *schedule = &d->session->parts->schedule;
    const float *x0 = w->vae.latent;
    const size_t n = w->vae.latent_count;
    lt_rng_uniform(&w->rng, w->uniform, (size_t)timesteps);
    double steps[LT_VARIANCE_COUNT] = {0};
    for (int i = 0; i < timesteps; i++) {
        double weight;
        const int t = lt_bound_timestep(schedule, (i + (double)w->uniform[i]) / timesteps, &weight);
        LT_TRY(estimate(d, t, w));
        for (int v = 0; v < LT_VARIANCE_COUNT; v++)
            steps[v] += weight / timesteps * lt_bound_step(schedule, t, (lt_variance)v, x0, w->estimate, n);
    }
    LT_TRY(estimate(d, 0, w));
    const double prior = lt_bound_prior(schedule, x0, n), end = lt_bound_end(schedule, x0, w->estimate, n);
    if (!isfinite(end)) return lt_fail(LT_ERROR_MODEL, "the U-Net makes no finite numbers: are its weights whole?");
    for (int v = 0; v < LT_VARIANCE_COUNT; v++)
        terms[v] = (lt_bound_terms){.prior = prior, .steps = steps[v], .end = end, .total = prior + steps[v] + end};
    return LT_OK;
}

static lt_status bound_of_picture(const lt_eval_data *data, size_t index, int timesteps, bound_work *w,
                                  lt_bound_terms terms[LT_VARIANCE_COUNT]) {
    const lt_components *parts = data->session->parts;
    const int size = w->vae.size, side = size / parts->vae.factor;
    const char *text = lt_dataset_text_count(data->dataset, index) ? lt_dataset_text(data->dataset, index, 0) : "";
    lt_branches branches = {.count = 1, .guidance = 1};
    lt_denoiser denoiser = {0};
    LT_TRY(lt_eval_vae_load(data, index, &w->vae));
    LT_TRY(lt_context_make(data->session, text,
                           (lt_encoding){.plain = true, .clip_skip = 1, .sizes = lt_sizes_of_whole(parts, size, size)},
                           &branches.items[0].context));
    lt_rng_seed(&w->rng, LT_RNG_CPU, data->seed + index); /* whatever comes before it, a picture has its own noise */
    lt_status status = lt_denoiser_init(&denoiser, data->session, &branches, (lt_savings){0}, side, side, NULL, NULL);
    if (!status) status = bound_of_latent(&denoiser, timesteps, w, terms);
    lt_denoiser_free(&denoiser);
    lt_branches_free(&branches);
    return status;
}

/* Adds a picture's terms, for each dimension of its latent. */
static void add_terms(const lt_bound_terms terms[LT_VARIANCE_COUNT], bound_work *w, lt_bound *out) {
    const double n = (double)w->vae.latent_count;
    for (int v = 0; v < LT_VARIANCE_COUNT; v++) {
        lt_bound_terms *sum = &out->terms[v];
        sum->prior += terms[v].prior / n;
        sum->steps += terms[v].steps / n;
        sum->end += terms[v].end / n;
        sum->total += terms[v].total / n;
        w->squares[v] += terms[v].total / n * terms[v].total / n;
    }
    out->count++;
}

static void take_means(const bound_work *w, lt_bound *out) {
    const double count = (double)out->count;
    for (int v = 0; v < LT_VARIANCE_COUNT; v++) {
        lt_bound_terms *mean = &out->terms[v];
        mean->prior /= count;
        mean->steps /= count;
        mean->end /= count;
        mean->total /= count;
        const double variance = w->squares[v] / count - mean->total * mean->total;
        mean->error = out->count > 1 ? sqrt(fmax(variance, 0) / (count - 1)) : 0;
    }
}

/* timesteps of out are set. */
static lt_status bound_all(const lt_eval_data *data, lt_bound *out) {
    const size_t count = lt_eval_count(data);
    bound_work w = {0};
    if (lt_ends_in_noise(&data->session->parts->schedule)) /* the steps are drawn by ratios of SNRs */
        return lt_fail(LT_ERROR_UNSUPPORTED, "the bound of a model with zero terminal SNR can't be measured here");
    lt_status status = open_work(data, out, &w);
    for (size_t i = 0; i < count && !status; i++) {
        lt_bound_terms terms[LT_VARIANCE_COUNT] = {0};
        status = bound_of_picture(data, lt_eval_index(data, i), out->timesteps, &w, terms);
        if (status) break;
        add_terms(terms, &w, out);
        status = lt_eval_report(&data->watch, i + 1, count);
    }
    out->size = w.vae.size;
    out->dimensions = w.vae.latent_count;
    if (!status) take_means(&w, out);
    close_work(&w);
    return status;
}

/* A bound that is asked for, and where it goes. */
typedef struct bound_wish {
    lt_bound *out;
    int timesteps;
} bound_wish;

static lt_status bound_as_wished(const lt_eval_data *data, void *wish) {
    const bound_wish *w = wish;
    w->out->timesteps = w->timesteps;
    return bound_all(data, w->out);
}

lt_status lt_eval_bound(const lt_eval_data *data, int timesteps, lt_bound *out) {
    bound_wish wish = {out, timesteps};
    return lt_eval_enter(__func__, data, out, sizeof *out, bound_as_wished, &wish);
}
