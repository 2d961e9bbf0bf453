/* convert: checkpoints of any kind to safetensors or GGUF, between LDM's and diffusers' layouts, and synthetic ones. */
#include "progress.h"

#include <string.h>
#include <strings.h>

static struct {
    lt_convert_options options;
    lt_lora_list loras;
    const char *in, *out, *synthetic;
} o;

#define OF_CONVERTING .fields = lt_convert_fields
static const lt_option options[] = {
    {"type", 0, LT_OPTION_CHOICE, "T", "f32, f16 or bf16; default: as it is (synthetic: f16)", &o.options.type,
     OF_CONVERTING},
    {"to", 0, LT_OPTION_CHOICE, "LAYOUT", NULL, &o.options.layout, OF_CONVERTING, .member = "layout"},
    {"ema", 0, LT_OPTION_FLAG, NULL, NULL, &o.options.ema, OF_CONVERTING},
    {"prediction", 0, LT_OPTION_CHOICE, "KIND", "what the U-Net predicts, if IN does not say: epsilon or v",
     &o.options.prediction, OF_CONVERTING},
    {"vae", 0, LT_OPTION_FILE, "FILE", NULL, &o.options.vae, OF_CONVERTING},
    {"quantize", 0, LT_OPTION_CHOICE, "TYPE", NULL, &o.options.quantize, OF_CONVERTING, .also = "quantise"},
    LT_LORA_OPTION(o.loras),
    {"pack", 0, LT_OPTION_FLAG, NULL, NULL, &o.options.pack, OF_CONVERTING},
    {"precision", 0, LT_OPTION_CHOICE, "P", NULL, &o.options.precision, OF_CONVERTING},
    {"synthetic", 0, LT_OPTION_CHOICE, "NAME", "make a checkpoint of made-up weights: see above", &o.synthetic,
     .list_choices = lt_synthetic_names},
    {"model", 'm', LT_OPTION_FILE, "IN", "the same as IN", &o.in, .rare = true},
    {"output", 'o', LT_OPTION_FILE, "OUT", "the same as OUT", &o.out, .rare = true},
    {0},
};

/* IN and OUT, as far as no option names them; false if one of them lacks, or there are too many. */
static bool take_words(int count, char **words) {
    int used = 0;
    if (!o.synthetic && !o.in && used < count) o.in = words[used++];
    if (!o.out && used < count) o.out = words[used++];
    return used == count && o.out && (o.synthetic || o.in);
}

/* A name for a model, and of no file that is read. */
static int check_output(void) {
    const char *dot = strrchr(o.out, '.');
    const bool gguf = dot && !strcasecmp(dot, ".gguf") && !o.synthetic;
    int wrong = gguf ? LT_EXIT_OK : lt_check_safetensors_name("OUT", o.out);
    if (!wrong) wrong = lt_check_apart("OUT", o.out, o.in);
    if (!wrong && o.options.vae) wrong = lt_check_apart("OUT", o.out, o.options.vae);
    for (size_t i = 0; i < o.loras.count && !wrong; i++) wrong = lt_check_apart("OUT", o.out, o.loras.items[i].file);
    return wrong;
}

/* user: the line of progress, which ends before. */
static void tell(void *user, const char *message) {
    lt_count_end(user);
    lt_print_notice(NULL, message);
}

static int run(int count, char **words) {
    const bool whole = take_words(count, words);
    if (o.synthetic && (!whole || o.in || o.loras.count || o.options.layout || o.options.ema || o.options.prediction ||
                        o.options.vae || o.options.quantize || o.options.pack))
        return lt_complain(LT_EXIT_USAGE, "--synthetic NAME takes OUT and --type only; see `latent convert --help`");
    if (!whole) return lt_complain(LT_EXIT_USAGE, "IN and OUT are needed; see `latent convert --help`");
    const int wrong = check_output();
    if (wrong) return wrong;
    lt_stop_writing_on_signals();
    lt_count_line line = {.what = "measuring layers"};
    o.options.notice = tell;
    o.options.notice_user = &line;
    o.options.progress = lt_count_show_whole;
    o.options.loras = o.loras.items;
    o.options.lora_count = o.loras.count;
    o.options.user = &line;
    const lt_status status =
        o.synthetic ? lt_synthesize(o.synthetic, o.out, o.options.type) : lt_convert(o.in, o.out, &o.options);
    lt_count_end(&line);
    return status ? lt_complain_error() : LT_EXIT_OK;
}

const lt_command lt_command_convert = {
    "convert",
    "convert a checkpoint to safetensors, GGUF, or another layout",
    "IN OUT [--type T] [--to LAYOUT] [--quantize TYPE] [--pack]",
    "IN is a .safetensors, a .ckpt, a .gguf, the index of a sharded set or a folder; OUT is a .safetensors, a .gguf, "
    "or "
    "with --to diffusers\n"
    "a new folder. A file keeps its tensors' names unless --to, --ema, --prediction or --vae is given; a diffusers "
    "folder "
    "becomes\n"
    "one file in LDM's layout. Metadata are kept. A model that lacks a tensor, or has one of another shape, is "
    "refused.\n"
    "--quantize int8 has the model draw and measures which layers of its U-Net stand 8 bits (Stable Diffusion 1.5: "
    "some\n"
    "minutes): the others, and what else there is, stay as they are, or as --type says.\n"
    "--quantize q8_0, q5_0, q5_1, q4_0, q4_1, q6_k, q5_k, q4_k, q3_k or q2_k, with OUT a .gguf, rounds the matrices of "
    "U-Net and\n"
    "text encoders to blocks, as stable-diffusion.cpp and ComfyUI-GGUF read them; other weights are f16, norms and "
    "biases "
    "f32.\n"
    "--pack writes weights as this processor's kernels want them, of one precision: such a file is opened like any "
    "other,\n"
    "draws sooner, and is refused where it does not fit.\n"
    "--synthetic makes sd15 (2.1 GB in f16), tiny or tiny-inpaint, files, or vit-b-32 or tiny-clip, folders, or what "
    "goes "
    "with\n"
    "tiny: tiny-control, tiny-t2i, tiny-ip with tiny-vit, tiny-taesd-diffusers, tiny-esrgan-x4 and others: real names "
    "and\n"
    "shapes with made-up weights, for tests and measurements.",
    "  latent convert --synthetic tiny tiny.safetensors\n"
    "  latent convert sd15.ckpt sd15.safetensors --type f16\n"
    "  latent convert sd15.safetensors ink15.safetensors --lora ink.safetensors:0.8\n"
    "  latent convert sd15.safetensors sd15-diffusers --to diffusers\n"
    "  latent convert stable-diffusion-v1-5 sd15.safetensors\n"
    "  latent convert sd15.safetensors sd15-int8.safetensors --quantize int8\n"
    "  latent convert sd15.safetensors sd15-q4_0.gguf --quantize q4_0\n"
    "  latent convert sd15-int8.safetensors sd15-here.safetensors --pack\n",
    options,
    run,
};
