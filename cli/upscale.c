/* upscale: a picture made larger by an upscaler. */
#include "cli.h"
#include "progress.h"
#include "signals.h"

#include <stdlib.h>

static struct {
    lt_model_options model;
    lt_upscale_options options;
    const char *input, *output;
    bool quiet;
} o;

/* clang-format off */
#define OF_UPSCALING .fields = lt_upscale_fields
static const lt_option options[] = {
    {"model", 'm', LT_OPTION_FILE, "UPSCALER", "ESRGAN or SRVGG (Real-ESRGAN): .pth or .safetensors", &o.model.model,
     .also = "upscale-model"},
    {"input", 'i', LT_OPTION_FILE, "IN", "the picture", &o.input, .also = "init-img image"},
    {"output", 'o', LT_OPTION_FILE, "OUT", "the larger one: .png, .jpg or .webp; - is standard output", &o.output},
    {"scale", 0, LT_OPTION_NUMBER, "S", NULL, &o.options.scale, 0.01, OF_UPSCALING},
    {"tile", 0, LT_OPTION_INT, "PX", NULL, &o.options.tile, OF_UPSCALING, .also = "upscale-tile-size"},
    {"overlap", 0, LT_OPTION_INT, "PX", NULL, &o.options.overlap, OF_UPSCALING},
    {"threads", 't', LT_OPTION_INT, "N", NULL, &o.model.threads, .fields = lt_session_fields, .idle = "-1"},
    {"quiet", 'q', LT_OPTION_FLAG, NULL, "no progress", &o.quiet},
    {"models", 0, LT_OPTION_FILE, "DIR", NULL, &o.model.models, .fields = lt_session_fields, .rare = true,
     .also = LT_ALSO_MODELS},
    {"precision", 0, LT_OPTION_CHOICE, "P", NULL, &o.model.precision, .fields = lt_session_fields, .rare = true},
    {"isa", 0, LT_OPTION_CHOICE, "ISA", NULL, &o.model.isa, .fields = lt_session_fields, .rare = true,
     LT_ISA_ENVIRONMENT},
    {"pin", 0, LT_OPTION_FLAG, NULL, NULL, &o.model.pin, .fields = lt_session_fields, .rare = true},
    {"profile", 0, LT_OPTION_MAYBE, NULL, "print what takes how long; --profile=FILE.json: a Chrome trace as well",
     &o.model.profile, .rare = true},
    {0},
};
/* clang-format on */

static void begin(void) {
    o.options = lt_upscale_options_defaults();
    o.model.kind = LT_SHELF_UPSCALER;
}

static bool show(void *user, size_t done, size_t count) { return lt_count_show_whole(user, done, count); }

/* What is cancelled is asked of the line that shows it. */
static bool stopped(void *user) { return lt_stop_asked(user); }

static lt_status enlarge(lt_session *session, const lt_image *image, lt_image *larger) {
    lt_count_line line = {.quiet = o.quiet};
    lt_count_begin(&line, "tile");
    o.options.progress = show;
    o.options.cancelled = stopped;
    o.options.user = &line;
    const lt_status status = lt_upscale(session, image, &o.options, larger);
    lt_count_end(&line);
    return status;
}

/* It says how the small picture was made, as the small one does. */
static lt_status save(const lt_image *larger) {
    char *parameters;
    LT_TRY(lt_image_parameters(o.input, &parameters));
    lt_stop_writing_on_signals();
    const lt_status status = lt_is_standard(o.output) ? lt_write_standard("png", larger, parameters)
                                                      : lt_image_save(o.output, larger, parameters);
    lt_string_free(parameters);
    return status;
}

/* A quarter of small tiles, where nobody says. */
static void fit_overlap(void) {
    const int quarter = o.options.tile / 4;
    if (!lt_option_given(&o.options.overlap) && quarter < o.options.overlap) o.options.overlap = quarter;
    if (lt_option_given(&o.options.overlap) && !o.options.tile)
        lt_complain(LT_EXIT_OK, "note: --overlap does nothing at a --tile of 0");
}

static int run(int count, char **words) {
    (void)words;
    if (count || !o.model.model || !o.input || !o.output)
        return lt_complain(LT_EXIT_USAGE, "-m UPSCALER, -i IN and -o OUT; see `latent upscale --help`");
    fit_overlap();
    lt_image image = {0}, larger = {0};
    lt_session *session = NULL;
    int blocked = lt_check_drawing(o.output);
    if (!blocked) blocked = lt_check_apart("-o", o.output, o.model.model);
    if (blocked) return blocked;
    lt_status status = lt_image_load(o.input, &image);
    if (!status) status = lt_open(&o.model, &session);
    if (!status) status = enlarge(session, &image, &larger);
    if (!status) status = save(&larger);
    status = lt_close(&o.model, session, status);
    lt_image_free(&image);
    lt_image_free(&larger);
    return status ? lt_complain_of(status) : LT_EXIT_OK;
}

const lt_command lt_command_upscale = {
    "upscale",
    "make a picture larger by an upscaler",
    "-m UPSCALER -i IN -o OUT [--scale S]",
    "A large picture goes in tiles, whose overlap is blended: --tile 0 takes it whole, in more memory.",
    "  latent upscale -m RealESRGAN_x4plus.pth -i apple.png -o large.png\n"
    "  latent upscale -m 4x-UltraSharp.safetensors -i apple.png --scale 2 -o twice.png\n",
    options,
    run,
    .begin = begin,
};
