/* noise: the forward process q(x_t | x_0), to look at. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TIMES = 64, MAX_T = 1000 };

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
    {"model", 'm', LT_OPTION_FILE, "MODEL", "checkpoint whose VAE --latent uses", &o.model.model, .needs = "latent"},
    {"threads", 0, LT_OPTION_INT, "N", NULL, &o.model.threads, .fields = lt_session_fields, .needs = "latent"},
    {"isa", 0, LT_OPTION_CHOICE, "ISA", NULL, &o.model.isa, .fields = lt_session_fields, LT_ISA_ENVIRONMENT,
     .needs = "latent"},
    {0},
};

/* Rising or not, as they are given; returns how many, or 0 after a message. */
static int parse_times(int times[MAX_TIMES]) {
    int count = 0;
    for (const char *s = o.times; count < MAX_TIMES; s++) {
        char *end;
        const long t = strtol(s, &end, 10);
        if (end == s || t < 0 || t >= MAX_T || (*end && *end != ',')) break;
        times[count++] = (int)t;
        if (!*end) return count;
        s = end;
    }
    lt_complain(LT_EXIT_USAGE, "--timesteps %s: up to %d whole numbers from 0 to %d with commas between", o.times,
                MAX_TIMES, MAX_T - 1);
    return 0;
}

/* Side by side. */
static lt_status join(const lt_image *pictures, int count, lt_image *grid) {
    const size_t row = (size_t)pictures->width * 3;
    LT_TRY(lt_image_alloc(pictures->width * count, pictures->height, grid));
    for (size_t y = 0; y < (size_t)grid->height; y++)
        for (size_t i = 0; i < (size_t)count; i++)
            memcpy(grid->pixels + (y * (size_t)count + i) * row, pictures[i].pixels + y * row, row);
    return LT_OK;
}

static lt_status draw(lt_session *session, const lt_image *image, const int *times, int count, lt_image *grid) {
    lt_image pictures[MAX_TIMES] = {{0}};
    if ((int64_t)image->width * count > LT_IMAGE_MAX_SIDE)
        return lt_fail(LT_ERROR_ARGUMENT,
                       "%d pictures of %d pixels side by side are wider than %d: scale it, or ask for fewer timesteps",
                       count, image->width, LT_IMAGE_MAX_SIDE);
    LT_TRY(lt_noise(session, image, times, count, o.seed, o.chain, pictures));
    const lt_status status = join(pictures, count, grid);
    for (int i = 0; i < count; i++) lt_image_free(&pictures[i]);
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
    status = lt_close(&o.model, session, status);
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
