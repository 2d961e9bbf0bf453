/* convert: checkpoints of any kind to safetensors, between LDM's and diffusers' layouts, and synthetic ones. */
#include "api/export.h"
#include "cli.h"
#include "formats/folder.h"
#include "models/synthetic.h"
#include "signals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    lt_model_options model; /* of which ema and prediction are asked for */
    const char *in, *out, *type, *to, *synthetic;
} o;

static const char *const types[] = {"f32", "f16", "bf16", NULL};
static const char *const layouts[] = {"ldm", "diffusers", NULL};
static const char *const synthetics[] = {"sd15", "tiny", "tiny-inpaint", "vit-b-32", "tiny-clip", NULL};

static const lt_option options[] = {
    {"type", 0, LT_OPTION_CHOICE, "T", "f32, f16 or bf16; default: as it is (synthetic: f16)", &o.type,
     .choices = types},
    {"to", 0, LT_OPTION_CHOICE, "LAYOUT", "ldm (one file) or diffusers (a folder)", &o.to, .choices = layouts},
    {"ema", 0, LT_OPTION_FLAG, NULL, "take the averaged weights of the U-Net", &o.model.ema},
    {"prediction", 0, LT_OPTION_CHOICE, "KIND", "what the U-Net predicts, if IN does not say: epsilon or v",
     &o.model.prediction, .fields = lt_open_fields},
    {"synthetic", 0, LT_OPTION_CHOICE, "NAME", "make a checkpoint of made-up weights: see above", &o.synthetic,
     .choices = synthetics},
    {"model", 'm', LT_OPTION_FILE, "IN", "the same as IN", &o.in, .rare = true},
    {"output", 'o', LT_OPTION_FILE, "OUT", "the same as OUT", &o.out, .rare = true},
    {0},
};

/* What --type asks for, or NULL. */
static const lt_dtype *chosen_type(void) {
    static const lt_dtype values[] = {LT_F32, LT_F16, LT_BF16};
    for (size_t i = 0; o.type && types[i]; i++)
        if (!strcmp(types[i], o.type)) return &values[i];
    return NULL;
}

/* ---- Synthetic checkpoints ---- */

static lt_status write_synthetic(const char *name, const char *out) {
    const lt_dtype type = chosen_type() ? *chosen_type() : LT_F16;
    const lt_sd_architecture *sd = lt_synthetic_sd_find(name);
    if (sd) return lt_synthetic_sd_write(sd, out, type);
    const lt_clip_architecture *clip = lt_synthetic_clip_find(strcmp(name, "tiny-clip") ? name : "tiny");
    lt_folder_writer folder;
    LT_TRY(lt_folder_open(out, &folder));
    const lt_status status = lt_synthetic_clip_write(clip, folder.part.path, type);
    if (!status) return lt_folder_commit(&folder);
    lt_folder_abort(&folder);
    return status;
}

/* ---- Real ones ---- */

/* The one checkpoint that source is, or NULL if it has several components. */
static const lt_checkpoint *only_checkpoint(const lt_source *source) {
    if (!source->folder.count) return &source->file;
    return *source->folder.components[0].name ? NULL : &source->folder.components[0].checkpoint;
}

static lt_status check_readable(const lt_checkpoint *c) {
    for (size_t i = 0; i < c->count; i++) {
        const lt_status status = lt_tensor_readable(&c->tensors[i]);
        if (status) return lt_fail_in(status, "--to leaves out what drawing does not need; without it");
    }
    return LT_OK;
}

/* All tensors and metadata, whatever they are called, and what the folder that they come from says of them. */
static lt_status write_as_is(const lt_checkpoint *c, const lt_settings *settings, const char *out) {
    LT_TRY(check_readable(c));
    lt_metadata *metadata = cli_calloc(c->metadata_count + settings->count, sizeof *metadata);
    if (!metadata) return LT_ERROR_MEMORY;
    size_t count = 0;
    for (size_t i = 0; i < c->metadata_count; i++)
        if (!lt_settings_find(settings, c->metadata[i].key))
            metadata[count++] = (lt_metadata){c->metadata[i].key, c->metadata[i].value};
    for (size_t i = 0; i < settings->count; i++)
        metadata[count++] = (lt_metadata){settings->keys[i], settings->values[i]};
    const lt_status status = lt_export_tensors(out, c->tensors, c->count, metadata, count, chosen_type());
    free(metadata);
    return status;
}

/* The settings of a component's folder, if it is a model's. */
static lt_status read_settings(const char *in, lt_settings *settings) {
    lt_model *model;
    o.model.model = in;
    if (lt_open_model(&o.model, &model)) return LT_OK;
    const lt_status status = lt_export_settings(model, settings);
    lt_model_close(model);
    return status;
}

static lt_status write_only(const char *in, const lt_source *source, const lt_checkpoint *only, const char *out) {
    lt_settings settings = {0};
    lt_status status = source->folder.count ? read_settings(in, &settings) : LT_OK;
    if (!status) status = write_as_is(only, &settings, out);
    lt_settings_free(&settings);
    return status;
}

static lt_status write_model(const char *in, const char *out, bool diffusers) {
    lt_model *model;
    o.model.model = in;
    LT_TRY(lt_open_model(&o.model, &model));
    if (model->ignored)
        fprintf(stderr, "latent: note: not needed to draw, and left out: %zu tensor%s\n", model->ignored,
                LT_S(model->ignored));
    const lt_status status = (diffusers ? lt_export_diffusers : lt_export_ldm)(model, out, chosen_type());
    lt_model_close(model);
    return status;
}

static lt_status convert(const char *in, const char *out) {
    if (o.to || o.model.ema || o.model.prediction) return write_model(in, out, o.to && !strcmp(o.to, "diffusers"));
    lt_source source;
    LT_TRY(lt_source_open(in, &source));
    const lt_checkpoint *only = only_checkpoint(&source);
    const lt_status status = only ? write_only(in, &source, only, out) : write_model(in, out, false);
    lt_source_close(&source);
    return status;
}

/* IN and OUT, as far as no option names them; false if one of them lacks, or there are too many. */
static bool take_words(int count, char **words) {
    int used = 0;
    if (!o.synthetic && !o.in && used < count) o.in = words[used++];
    if (!o.out && used < count) o.out = words[used++];
    return used == count && o.out && (o.synthetic || o.in);
}

static int run(int count, char **words) {
    const bool whole = take_words(count, words);
    if (o.synthetic && (!whole || o.in || o.to || o.model.ema || o.model.prediction))
        return lt_complain(LT_EXIT_USAGE, "--synthetic NAME takes OUT and --type only; see `latent convert --help`");
    if (!whole) return lt_complain(LT_EXIT_USAGE, "IN and OUT are needed; see `latent convert --help`");
    const int misnamed = lt_check_safetensors_name("OUT", o.out);
    if (misnamed) return misnamed;
    lt_stop_writing_on_signals();
    const lt_status status = o.synthetic ? write_synthetic(o.synthetic, o.out) : convert(o.in, o.out);
    return status ? lt_complain_error() : LT_EXIT_OK;
}

const lt_command lt_command_convert = {
    "convert",
    "convert a checkpoint to safetensors, or to another layout",
    "IN OUT [--type T] [--to LAYOUT]",
    "IN is a .safetensors, a .ckpt, the index of a sharded set or a folder; OUT is a .safetensors, or with --to "
    "diffusers\n"
    "a new folder. A file keeps its tensors' names unless --to, --ema or --prediction is given; a diffusers folder "
    "becomes\n"
    "one file in LDM's layout. Metadata are kept. A model that lacks a tensor, or has one of another shape, is "
    "refused.\n"
    "--synthetic makes sd15 (2.1 GB in f16), tiny or tiny-inpaint, files, or vit-b-32 or tiny-clip, folders: real "
    "names and\n"
    "shapes with made-up weights, for tests and measurements.",
    "  latent convert --synthetic tiny tiny.safetensors\n"
    "  latent convert sd15.ckpt sd15.safetensors --type f16\n"
    "  latent convert sd15.safetensors sd15-diffusers --to diffusers\n"
    "  latent convert stable-diffusion-v1-5 sd15.safetensors\n",
    options,
    run,
};
