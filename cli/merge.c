/* merge: weighted sums and differences of models. */
#include "progress.h"

static struct {
    lt_merge_options options;
    const char *in[3], *out; /* in: the last one NULL without */
} o;

#define OF_MERGING .fields = lt_merge_fields
static const lt_option options[] = {
    {"output", 'o', LT_OPTION_FILE, "OUT", "where the model is written", &o.out},
    {"weight", 'w', LT_OPTION_NUMBER, "W", NULL, &o.options.weight, OF_MERGING, .also = "multiplier alpha ratio"},
    {"weight-c", 0, LT_OPTION_NUMBER, "V", NULL, &o.options.weight_c, OF_MERGING, .also = "beta"},
    {"method", 0, LT_OPTION_CHOICE, "HOW", NULL, &o.options.method, OF_MERGING, .also = "interp-method mode"},
    {"blocks", 0, LT_OPTION_TEXT, "LIST", NULL, &o.options.blocks, OF_MERGING},
    {"vae", 0, LT_OPTION_FILE, "FILE", NULL, &o.options.vae, OF_MERGING, .also = "bake-in-vae"},
    {"type", 0, LT_OPTION_CHOICE, "T", NULL, &o.options.type, OF_MERGING},
    {"to", 0, LT_OPTION_CHOICE, "LAYOUT", NULL, &o.options.layout, OF_MERGING, .member = "layout"},
    {0},
};

/* A name for a model, and of no file that is read. */
static int check_output(void) {
    const char *const read[] = {o.in[0], o.in[1], o.in[2], o.options.vae};
    int wrong = lt_check_safetensors_name("-o", o.out);
    for (size_t i = 0; i < sizeof read / sizeof *read && !wrong; i++)
        if (read[i]) wrong = lt_check_apart("-o", o.out, read[i]);
    return wrong;
}

static int run(int count, char **words) {
    if (!o.out || count < 2 || count > 3)
        return lt_complain(LT_EXIT_USAGE, "two or three models and -o OUT are needed; see `latent merge --help`");
    for (int i = 0; i < count; i++) o.in[i] = words[i];
    const int wrong = check_output();
    if (wrong) return wrong;
    lt_stop_writing_on_signals();
    o.options.notice = lt_print_notice;
    return lt_merge(o.in[0], o.in[1], o.in[2], o.out, &o.options) ? lt_complain_error() : LT_EXIT_OK;
}

const lt_command lt_command_merge = {
    "merge",
    "mix models: weighted sums and differences of their weights",
    "A B [C] -o OUT [-w W] [--blocks LIST] [--type T]",
    "A B makes A(1-W) + B W, A B C makes A + (B-C) W, and with --weight-c V A(1-W-V) + B W + C V, as the web UIs'\n"
    "checkpoint merger. The models are of one kind, in files or folders of any layout; OUT is a .safetensors in LDM's\n"
    "names, or with --to diffusers a new folder. What B or C lack stays as it is in A, an inpainting model's further\n"
    "channels too.\n"
    "--blocks gives blocks of the U-Net weights of their own, \"merge block weighted\": 26 numbers (Stable Diffusion\n"
    "XL: 20) for BASE (all but the U-Net), IN00 to IN11, M00, OUT00 to OUT11, or NAME=W of some: "
    "IN04=0.3,OUT=1,text=0.\n"
    "Names are these, and IN, OUT, unet, text and vae for several at once; the last that fits counts.",
    "  latent merge ink.safetensors photo.safetensors -o both.safetensors --weight 0.4\n"
    "  latent merge sd15-inpainting.safetensors ink.safetensors sd15.safetensors -w 1 -o ink-inpainting.safetensors\n"
    "  latent merge a.safetensors b.safetensors -o c.safetensors --blocks text=0,vae=0,IN=0.2,M00=0.5,OUT=0.8\n",
    options,
    run,
};
