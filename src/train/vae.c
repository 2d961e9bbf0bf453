/* Training the autoencoder: reconstruction + KL (Kingma & Welling 2013, Rombach et al. 2022). */
#include "base/rng.h"
#include "base/threads.h"
#include "kernels/loss.h"
#include "nn/nn.h"
#include "train/objectives.h"
#include "train/task.h"

#include <math.h>

enum { MEASURED = 512 /* pictures at most, of which the latents' mean and deviation are taken */ };

typedef struct vae_state {
    lt_vae vae;
    lt_loader *loader;
    float *noise; /* [batch, h, w, c] of the posterior */
    struct {
        lt_port x, noise, reconstruction, kl;
    } plan; /* of the training's plan */
    /* For measuring: */
    lt_plan *encoder;
    lt_port x, made; /* of the encoder: pixels, and mean and log-variance */
    float *pixels;   /* [size, size, 3] of one picture */
    float *moments;  /* [batch, h, w, 2c] */
} vae_state;

/* ---- Opening ---- */

static lt_sd_architecture architecture(const lt_train_options *o) {
    lt_sd_architecture a = {.vae = {.latent_channels = o->network.latent_channels,
                                    .channels = o->network.width,
                                    .levels = o->network.levels,
                                    .attention = true,
                                    .quant_conv = true,
                                    .post_quant_conv = true}};
    for (int i = 0; i < o->network.levels; i++)
        a.vae.level[i] = (lt_resolution){o->network.mult[i] * o->network.width, o->network.blocks};
    return a;
}

/* Where batches go and losses come from. */
static lt_status find_ports(lt_training *t) {
    vae_state *s = t->state;
    s->plan.x = lt_plan_port(t->plan, "x");
    s->plan.noise = lt_plan_port(t->plan, "posterior_noise");
    s->plan.reconstruction = lt_plan_port(t->plan, "reconstruction");
    s->plan.kl = lt_plan_port(t->plan, "kl");
    s->noise = lt_alloc(lt_shape_count(lt_port_shape(s->plan.noise)) * sizeof *s->noise);
    return s->noise ? LT_OK : LT_ERROR_MEMORY;
}

static lt_status open(lt_training *t) {
    vae_state *s = t->state;
    const lt_train_options *o = t->options;
    const lt_sd_architecture a = architecture(o);
    lt_tensor_list list = {0};
    LT_TRY(lt_sd_list(&a, 1u << LT_ROLE_VAE, &list));
    LT_TRY(lt_training_make_parameters(t, &list, lt_is_vae, lt_is_vae));
    LT_TRY(lt_vae_open(t->parameters.weights, &s->vae));
    const lt_vae *init = t->models->init_vae;
    s->vae.groups = init ? init->groups : o->network.groups;
    if (init) s->vae.scaling = init->scaling;
    if (o->pictures.size % s->vae.factor)
        return lt_fail(LT_ERROR_ARGUMENT, "pictures of %d pixels: this VAE needs a multiple of %d", o->pictures.size,
                       s->vae.factor);
    const lt_vae_objective_options objective = {
        .absolute = o->losses.absolute, .kl = (float)o->losses.kl, .recompute = o->computing.recompute};
    lt_graph graph = {0};
    LT_TRY(lt_training_make_plan(
        t, &graph, lt_vae_objective(&s->vae, o->length.batch, o->pictures.size, o->pictures.size, &objective, &graph)));
    return find_ports(t);
}

static lt_status start(lt_training *t) { return lt_training_start_loader(t, &((vae_state *)t->state)->loader); }

/* ---- Batches ---- */

typedef struct posterior_noise {
    const lt_draw *draws;
    float *values;
    size_t each; /* numbers of a sample */
} posterior_noise;

static void draw_noise(const void *context, size_t i, int thread) {
    (void)thread;
    const posterior_noise *n = context;
    lt_rng rng;
    lt_rng_seed(&rng, LT_RNG_CPU, n->draws[i].random);
    lt_rng_normal(&rng, n->values + i * n->each, n->each);
}

static lt_status next(lt_training *t) {
    vae_state *s = t->state;
    const lt_batch *batch;
    LT_TRY(lt_loader_next(s->loader, &batch));
    const lt_shape z = lt_port_shape(s->plan.noise);
    const posterior_noise noise = {batch->draws, s->noise, lt_shape_count(z) / (size_t)z.n};
    lt_parallel(LT_ALL_THREADS, (size_t)z.n, LT_EVENLY, draw_noise, &noise);
    lt_port_write(s->plan.noise, 0, s->noise, lt_shape_count(z));
    lt_port_write(s->plan.x, 0, batch->pixels, lt_shape_count(lt_port_shape(s->plan.x)));
    t->run.place = batch->place;
    return LT_OK;
}

/* Of a squared error over values within [-1, 1]. */
static double psnr(double error) { return 10 * log10(4 / error); }

static double loss(lt_training *t, lt_log_row *row) {
    const vae_state *s = t->state;
    const double error = (double)lt_port_value(s->plan.reconstruction), kl = (double)lt_port_value(s->plan.kl);
    row->name[0] = "reconstruction";
    row->value[0] = error;
    row->name[1] = "kl";
    row->value[1] = kl;
    if (!t->options->losses.absolute) {
        row->name[2] = "psnr";
        row->value[2] = psnr(error);
    }
    return error + t->options->losses.kl * kl;
}

/* ---- The latents' scale ---- */

/* Sums over the pixels of n samples of each channel's mean, and of mean^2 + variance: the moments of z = mean +
 * deviation * noise. */
static void add_moments(vae_state *s, int n, double *sum, double *squares) {
    const lt_shape shape = lt_port_shape(s->made);
    const size_t c = (size_t)shape.c / 2, rows = (size_t)n * (size_t)lt_shape_pixels(shape);
    const float *moments = s->moments;
    lt_port_read(s->made, 0, s->moments, rows * 2 * c);
    for (size_t row = 0; row < rows; row++, moments += 2 * c)
        for (size_t k = 0; k < c; k++) {
            const double mean = (double)moments[k];
            sum[k] += mean;
            squares[k] += mean * mean + exp((double)lt_clamp_logvar(moments[c + k]));
        }
}

/* Puts the pictures from *next on, as many as a batch takes, before the encoder. Returns how many; after `used` of
 * them, a stop ends that too. */
static int load_pictures(lt_training *t, size_t *next, size_t used) {
    const lt_picture_options picture = {.size = t->options->pictures.size};
    const size_t each = (size_t)picture.size * (size_t)picture.size * 3, end = lt_dataset_count(t->data);
    const vae_state *s = t->state;
    int n = 0;
    for (; n < t->options->length.batch && *next < lt_min(end, MEASURED); ++*next) {
        if (used && lt_training_poll_measuring(t)) break;
        if (lt_dataset_load(t->data, *next, &picture, 0, s->pixels)) continue;
        lt_port_write(s->x, (size_t)n++ * each, s->pixels, each);
    }
    return n;
}

/* The moments of up to MEASURED pictures, in the order of the data set, and how many they were. The caller may stop it
 * when a batch has been measured: a VAE without a scale is of no use. */
static lt_status sum_moments(lt_training *t, double *sum, double *squares, size_t *used) {
    vae_state *s = t->state;
    const size_t count = lt_min(lt_dataset_count(t->data), MEASURED);
    for (size_t next = 0; next < count;) {
        const int n = load_pictures(t, &next, *used);
        LT_TRY(lt_plan_run(s->encoder, LT_RATE_PROMPT, *used ? lt_training_poll_measuring : NULL, t));
        add_moments(s, n, sum, squares);
        *used += (size_t)n;
    }
    return *used ? LT_OK : lt_fail(LT_ERROR_FILE, "no picture of %s can be read", t->options->files.data);
}

/* Each latent channel's mean and deviation; LT_ERROR_CANCELLED: over fewer pictures. Both are zeros before. */
static lt_status measure(lt_training *t, double *mean, double *deviation) {
    const vae_state *s = t->state;
    size_t used = 0;
    const lt_status status = sum_moments(t, mean, deviation, &used);
    if (status && status != LT_ERROR_CANCELLED) return status;
    const double pixels = (double)used * lt_shape_pixels(lt_port_shape(s->made));
    for (size_t k = 0; k < (size_t)s->vae.latent_channels; k++) {
        mean[k] /= pixels;
        deviation[k] = sqrt(fmax(deviation[k] / pixels - mean[k] * mean[k], 1e-12));
    }
    return status;
}

/* The values of one of the VAE's layers, or NULL where the VAE lacks it. */
static float *values_of(lt_training *t, const char *layer, const char *part) {
    const lt_weight *w =
        lt_weights_find(t->parameters.weights, lt_name_of("first_stage_model.%s.%s", layer, part).text);
    return w ? (float *)(uintptr_t)w->tensor.data : NULL;
}

/* Makes every latent channel have mean 0 and deviation 1: the two 1x1 convolutions at the latent take it over, and
 * decoder(encoder(x)) stays what it was. Encoder: mean' = (mean - m) / d, log-variance' = log-variance - 2 ln d;
 * decoder: z = d z' + m. */
static lt_status standardise(lt_training *t, const double *mean, const double *deviation) {
    const size_t c = (size_t)((vae_state *)t->state)->vae.latent_channels;
    float *w = values_of(t, "quant_conv", "weight"), *b = values_of(t, "quant_conv", "bias");
    float *post_w = values_of(t, "post_quant_conv", "weight"), *post_b = values_of(t, "post_quant_conv", "bias");
    if (!w || !b || !post_w || !post_b)
        return lt_fail(LT_ERROR_MODEL, "this VAE has no 1x1 convolutions at its latent");
    for (size_t k = 0; k < c; k++) {
        for (size_t i = 0; i < 2 * c; i++) w[k * 2 * c + i] = (float)((double)w[k * 2 * c + i] / deviation[k]);
        b[k] = (float)(((double)b[k] - mean[k]) / deviation[k]);
        b[c + k] = (float)((double)b[c + k] - 2 * log(deviation[k]));
    }
    for (size_t row = 0; row < c; row++)
        for (size_t k = 0; k < c; k++) {
            post_b[row] = (float)((double)post_b[row] + (double)post_w[row * c + k] * mean[k]);
            post_w[row * c + k] = (float)((double)post_w[row * c + k] * deviation[k]);
        }
    lt_weights_changed(t->parameters.weights);
    return LT_OK;
}

static lt_status open_encoder(lt_training *t) {
    vae_state *s = t->state;
    lt_graph graph = {0};
    const int n = t->options->length.batch, size = t->options->pictures.size;
    LT_TRY(lt_plan_built(&graph, lt_vae_build_encoder(&s->vae, n, size, size, &graph), &t->target, &s->encoder));
    s->x = lt_plan_port(s->encoder, "x");
    s->made = lt_plan_port(s->encoder, "moments");
    s->pixels = lt_alloc((size_t)size * (size_t)size * 3 * sizeof *s->pixels);
    s->moments = lt_alloc(lt_shape_count(lt_port_shape(s->made)) * sizeof *s->moments);
    return s->pixels && s->moments ? LT_OK : LT_ERROR_MEMORY;
}

static lt_status scale(lt_training *t, double *mean, double *deviation) {
    vae_state *s = t->state;
    LT_TRY(open_encoder(t));
    const lt_status measured = measure(t, mean, deviation);
    if (measured && measured != LT_ERROR_CANCELLED) return measured;
    s->vae.scaling = 1;
    LT_TRY(standardise(t, mean, deviation));
    return measured;
}

/* A VAE that went on from another keeps its scale: U-Nets have learned its latents as they are. */
static lt_status finish(lt_training *t) {
    if (t->models->init) return LT_OK;
    const size_t c = (size_t)((vae_state *)t->state)->vae.latent_channels;
    double *memory = lt_calloc(2 * c, sizeof *memory);
    if (!memory) return LT_ERROR_MEMORY;
    const lt_status status = scale(t, memory, memory + c);
    lt_free(memory);
    return status;
}

static lt_status describe(lt_training *t, lt_settings *settings, lt_tensor_list *frozen) {
    vae_state *s = t->state;
    (void)frozen;
    LT_TRY(lt_settings_add_vae(settings, &s->vae));
    return lt_settings_set(settings, "modelspec.resolution", "%dx%d", t->options->pictures.size,
                           t->options->pictures.size);
}

static void close(lt_training *t) {
    vae_state *s = t->state;
    lt_loader_stop(s->loader);
    lt_plan_free(s->encoder);
    lt_free(s->noise);
    lt_free(s->pixels);
    lt_free(s->moments);
}

const lt_task lt_task_vae = {
    .name = "vae",
    .module = "the VAE",
    .state_size = sizeof(vae_state),
    .open = open,
    .start = start,
    .next = next,
    .loss = loss,
    .finish = finish,
    .describe = describe,
    .close = close,
};
