/* decode: the picture of a latent. */
#include "cli.h"

static struct {
    lt_model_options model;
    const char *output;
    bool tiling;
} o;

static const lt_option options[] = {
    LT_MODEL_OPTIONS(o.model),
    LT_SEAMLESS_OPTION(o.model.seamless),
    {"tiling", 0, LT_OPTION_FLAG, NULL, "in tiles: less memory for large pictures", &o.tiling, .also = "vae-tiling"},
    {"output", 'o', LT_OPTION_FILE, "IMG", "the picture; - is standard output", &o.output},
    {0},
};

/* The latent [1,c,h,w] or [c,h,w] of a file, as encode and --save-latents write it. */
static lt_status read_latent(const char *path, lt_arrays *file, int shape[3]) {
    LT_TRY(lt_arrays_load(path, "latent", file));
    if (!file->count) return lt_fail(LT_ERROR_ARGUMENT, "it has no tensor called latent");
    const lt_array *latent = &file->items[0];
    const int skip = latent->rank - 3;
    if ((skip != 0 && skip != 1) || (skip == 1 && latent->shape[0] != 1))
        return lt_fail(LT_ERROR_ARGUMENT, "latent needs the shape [1, channels, height, width]");
    for (int i = 0; i < 3; i++) {
        const size_t side = latent->shape[skip + i];
        if (side < 1 || side > 1 << 16) return lt_fail(LT_ERROR_ARGUMENT, "latent has a side of %zu", side);
        shape[i] = (int)side;
    }
    return LT_OK;
}

static int run(int count, char **words) {
    if (count != 1 || !o.output)
        return lt_complain(LT_EXIT_USAGE, "one latent, and -o IMG; see `latent decode --help`");
    lt_arrays file = {0};
    lt_session *session = NULL;
    lt_image image = {0};
    int shape[3];
    const int blocked = lt_check_drawing(o.output);
    if (blocked) return blocked;
    lt_status status = read_latent(words[0], &file, shape);
    if (!status) status = lt_open(&o.model, &session);
    if (!status) status = lt_decode(session, file.items[0].data, shape, o.tiling, &image);
    if (status == LT_ERROR_ARGUMENT) lt_fail_in(status, "%s", words[0]);
    if (!status) status = lt_write_drawing(o.output, &image);
    lt_image_free(&image);
    status = lt_close(&o.model, session, status);
    lt_arrays_free(&file);
    return status ? lt_complain_error() : LT_EXIT_OK;
}

const lt_command lt_command_decode = {
    "decode",
    "turn a latent into a picture",
    "[-m MODEL] Z.safetensors -o IMG",
    NULL,
    "  latent decode apple.safetensors -o again.png\n"
    "  latent decode -m sd15.safetensors cat.safetensors -o cat.png\n",
    options,
    run,
};
