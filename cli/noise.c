/* noise: the forward process q(x_t | x_0), to look at. */
#include "api/model.h"
#include "base/picture.h"
#include "base/rng.h"
#include "cli.h"
#include "diffusion/diffusion.h"
#include "pipeline/latent.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TIMES = 64 };

static struct {
    lt_model_options model;
    const char *input, *times, *output;
    uint64_t seed;
    bool latent, chain;
} o = {.times = "0,100,250,500,750,999"};

static const lt_option options[] = {
    {"input", 'i', LT_OPTION_FILE, "IMG", "the picture", &o.input},
    {"timesteps", 't', LT_OPTION_TEXT, "T,T,...", "from 0 to 999; default 0,100,250,500,750,999", &o.times},
    {"latent", 0, LT_OPTION_FLAG, NULL, "noise the latent and decode it", &o.latent},
    {"chain", 0, LT_OPTION_FLAG, NULL, "go by single steps q(x_t | x_t-1)", &o.chain},
    {"seed", 0, LT_OPTION_SEED, "N", "default 0; -1 draws one", &o.seed},
    {"output", 'o', LT_OPTION_FILE, "GRID", "the pictures side by side; - is standard output", &o.output},
    {"model", 'm', LT_OPTION_FILE, "MODEL", "checkpoint whose VAE --latent uses", &o.model.model},
    {"threads", 0, LT_OPTION_INT, "N", NULL, &o.model.threads, .fields = lt_session_fields},
    {"isa", 0, LT_OPTION_CHOICE, "ISA", NULL, &o.model.isa, .fields = lt_session_fields},
    {0},
};

/* Rising or not, as they are given; returns how many, or 0 after a message. */
static int parse_times(int times[MAX_TIMES]) {
    int count = 0;
    for (const char *s = o.times; count < MAX_TIMES; s++) {
        char *end;
        const long t = strtol(s, &end, 10);
        if (end == s || t < 0 || t >= LT_TRAIN_STEPS || (*end && *end != ',')) break;
        times[count++] = (int)t;
        if (!*end) return count;
        s = end;
    }
    lt_complain(LT_EXIT_USAGE, "--timesteps %s: up to %d whole numbers from 0 to %d with commas between", o.times,
                MAX_TIMES, LT_TRAIN_STEPS - 1);
    return 0;
}

/* x_t of x0 by single steps: x_s = sqrt(1 - beta_s) x_s-1 + sqrt(beta_s) noise, 1 - beta_s = abar_s / abar_s-1. */
static void walk(const lt_noise_schedule *s, int t, lt_rng *rng, float *x, float *noise, size_t n) {
    for (int step = 0; step <= t; step++) {
        const float alpha = s->alphas_cumprod[step] / (step ? s->alphas_cumprod[step - 1] : 1);
        lt_rng_normal(rng, noise, n);
        for (size_t i = 0; i < n; i++) x[i] = sqrtf(alpha) * x[i] + sqrtf(1 - alpha) * noise[i];
    }
}

/* x_t of x0 [n] into x, from the seed; every timestep sees the same noise, so that only its share changes. */
static void noised(const lt_noise_schedule *s, int t, const float *x0, float *x, float *noise, size_t n) {
    lt_rng rng;
    lt_rng_seed(&rng, LT_RNG_CPU, o.seed);
    memcpy(x, x0, n * sizeof(float));
    if (o.chain) {
        walk(s, t, &rng, x, noise, n);
    } else {
        lt_rng_normal(&rng, noise, n);
        lt_forward_process(s, t, x, noise, x, n);
    }
}

/* x0 is the picture's pixels in [-1, 1], or its latent. */
static lt_status read_start(lt_session *session, const lt_image *image, float **x0, size_t *n, int shape[3]) {
    if (session) {
        LT_TRY(lt_encode(session, image, NULL, true, x0, shape));
        *n = (size_t)shape[0] * (size_t)shape[1] * (size_t)shape[2];
        return LT_OK;
    }
    *n = (size_t)image->width * (size_t)image->height * 3;
    *x0 = cli_alloc(*n * sizeof(float));
    if (!*x0) return LT_ERROR_MEMORY;
    lt_pixels_from_bytes(image->pixels, *x0, *n);
    return LT_OK;
}

static lt_status picture_of(lt_session *session, const float *x, size_t n, const int shape[3], const lt_image *like,
                            lt_image *out) {
    if (session) return lt_decode(session, x, shape, true, out);
    *out = (lt_image){like->width, like->height, cli_alloc(n)};
    if (!out->pixels) return LT_ERROR_MEMORY;
    lt_pixels_to_bytes(x, out->pixels, n);
    return LT_OK;
}

/* Puts a picture into column i of a grid of count. */
static lt_status place(lt_image *grid, const lt_image *picture, int i, int count) {
    if (!grid->pixels) {
        *grid = (lt_image){picture->width * count, picture->height, NULL};
        grid->pixels = cli_alloc((size_t)grid->width * (size_t)grid->height * 3);
        if (!grid->pixels) return LT_ERROR_MEMORY;
    }
    const size_t row = (size_t)picture->width * 3;
    for (size_t y = 0; y < (size_t)picture->height; y++)
        memcpy(grid->pixels + y * (size_t)grid->width * 3 + (size_t)i * row, picture->pixels + y * row, row);
    return LT_OK;
}

static lt_status draw(lt_session *session, const lt_image *image, const int *times, int count, lt_image *grid) {
    lt_noise_schedule schedule;
    LT_TRY(lt_noise_schedule_init(&schedule, LT_BETA_SCALED_LINEAR, 0.00085, 0.012, LT_PREDICT_EPSILON));
    if (session) schedule = session->parts->schedule;
    if ((int64_t)image->width * count > LT_IMAGE_MAX_SIDE)
        return lt_fail(LT_ERROR_ARGUMENT,
                       "%d pictures of %d pixels side by side are wider than %d: scale it, or ask for fewer timesteps",
                       count, image->width, LT_IMAGE_MAX_SIDE);
    float *x0 = NULL;
    size_t n = 0;
    int shape[3] = {0};
    LT_TRY(read_start(session, image, &x0, &n, shape));
    float *x = cli_alloc(n * sizeof(float)), *noise = cli_alloc(n * sizeof(float));
    lt_status status = x && noise ? LT_OK : LT_ERROR_MEMORY;
    for (int i = 0; i < count && !status; i++) {
        lt_image picture = {0};
        noised(&schedule, times[i], x0, x, noise, n);
        status = picture_of(session, x, n, shape, image, &picture);
        if (!status) status = place(grid, &picture, i, count);
        lt_image_free(&picture);
    }
    free(x0);
    free(x);
    free(noise);
    return status;
}

static int run(int count, char **words) {
    int times[MAX_TIMES];
    if (count || !o.input || !o.output)
        return lt_complain(LT_EXIT_USAGE, "%s%s-i IMG and -o GRID are needed; see `latent noise --help`",
                           count ? words[0] : "", count ? "? " : "");
    const int time_count = parse_times(times);
    if (!time_count) return LT_EXIT_USAGE;
    const int blocked = lt_check_drawing(o.output);
    if (blocked) return blocked;
    lt_session *session = NULL;
    lt_image image = {0}, grid = {0};
    lt_status status = lt_image_load(o.input, &image);
    if (!status && o.latent) status = lt_open(&o.model, &session);
    if (!status) status = draw(session, &image, times, time_count, &grid);
    if (!status) status = lt_write_drawing(o.output, &grid);
    lt_image_free(&image);
    lt_image_free(&grid);
    lt_session_close(session);
    return status ? lt_complain_error() : LT_EXIT_OK;
}

const lt_command lt_command_noise = {
    "noise",
    "show how the forward process turns a picture into noise",
    "-i IMG [-t T,T,...] [--latent [-m MODEL]] [--chain] -o GRID.png",
    "x_t = sqrt(alphas_cumprod_t) x_0 + sqrt(1 - alphas_cumprod_t) noise, for each timestep of the list.",
    "  latent noise -i apple.png -t 0,250,500,999 -o grid.png\n"
    "  latent noise -i apple.png --latent -o latents.png\n"
    "  latent noise -i cat.png --latent -m sd15.safetensors -o grid.png\n",
    options,
    run,
};
