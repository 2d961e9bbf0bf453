/* encode: a picture as the latent that a U-Net works on. */
#include "cli.h"
#include "signals.h"

static struct {
    lt_model_options model;
    const char *output;
    uint64_t seed;
    bool tiling;
} o;

static const lt_option options[] = {
    LT_MODEL_OPTIONS(o.model),
    {"seed", 0, LT_OPTION_SEED, "N", "draw from the posterior (-1: by any seed); default: its mean", &o.seed},
    LT_SEAMLESS_OPTION(o.model.seamless),
    {"tiling", 0, LT_OPTION_FLAG, NULL, "in tiles: less memory for large pictures", &o.tiling, .also = "vae-tiling"},
    {"output", 'o', LT_OPTION_FILE, "Z", "safetensors file with a tensor latent [1,c,h,w]", &o.output},
    {0},
};

static lt_status encode(lt_session *session, const lt_image *image) {
    float *latent;
    int shape[3];
    LT_TRY(lt_encode(session, image, lt_option_given(&o.seed) ? &o.seed : NULL, o.tiling, &latent, shape));
    const lt_array array = {"latent", 4, {1, (size_t)shape[0], (size_t)shape[1], (size_t)shape[2]}, latent};
    lt_stop_writing_on_signals();
    const lt_status status = lt_arrays_save(o.output, &array, 1);
    lt_floats_free(latent);
    return status;
}

static int run(int count, char **words) {
    if (count != 1 || !o.output)
        return lt_complain(LT_EXIT_USAGE, "one picture, and -o Z.safetensors; see `latent encode --help`");
    lt_image image = {0};
    lt_session *session = NULL;
    int blocked = lt_check_safetensors("-o", o.output);
    if (!blocked) blocked = lt_check_apart("-o", o.output, o.model.model);
    if (blocked) return blocked;
    lt_status status = lt_image_load(words[0], &image);
    if (!status) status = lt_open(&o.model, &session);
    if (!status) status = encode(session, &image);
    status = lt_close(&o.model, session, status);
    lt_image_free(&image);
    return status ? lt_complain_error() : LT_EXIT_OK;
}

const lt_command lt_command_encode = {
    "encode",
    "turn a picture into a latent",
    "[-m MODEL] IMG -o Z.safetensors",
    "The latent is scaled as the U-Net sees it. Sides are cut to multiples of the model's factor.",
    "  latent encode apple.png -o apple.safetensors\n"
    "  latent encode -m sd15.safetensors cat.png -o cat.safetensors\n",
    options,
    run,
};
