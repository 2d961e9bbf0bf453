/* Converting checkpoints, and making synthetic ones. */
#include "api/merge.h"
#include "api/quantise.h"
#include "api/write.h"
#include "base/door.h"
#include "base/fields.h"
#include "export/pack.h"
#include "formats/folder.h"
#include "models/synthetic.h"

#include <string.h>
#include <strings.h>

static const char *const quantised[] = {"int8", "q8_0", "q5_0", "q5_1", "q4_0", "q4_1",
                                        "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", NULL};
static const lt_dtype in_blocks[] = {LT_FOREIGN, LT_Q8_0, LT_Q5_0, LT_Q5_1, LT_Q4_0, LT_Q4_1,
                                     LT_Q2_K,    LT_Q3_K, LT_Q4_K, LT_Q5_K, LT_Q6_K};

#define AT(member) LT_FIELD(lt_convert_options, member)
static const lt_field fields[] = {
    {AT(type), LT_FIELD_CHOICE, .optional = true, .choices = lt_type_choices,
     .help = "f32, f16 or bf16; default: as it is"},
    {AT(layout), LT_FIELD_CHOICE, .optional = true, .choices = lt_layout_choices,
     .help = "ldm (one file) or diffusers (a folder)"},
    {AT(ema), LT_FIELD_BOOL, .help = "take the averaged weights of the U-Net"},
    {AT(prediction), LT_FIELD_CHOICE, .optional = true, .choices = lt_prediction_choices,
     .help = "what the U-Net predicts, if it is not said: epsilon or v"},
    {AT(vae), LT_FIELD_FILE, .optional = true, .help = "take the VAE from this file or folder"},
    {AT(quantize), LT_FIELD_CHOICE, .optional = true, .choices = quantised,
     .help = "a type of GGUF's, or int8: the U-Net in 8 bits, as far as it stands them"},
    {AT(pack), LT_FIELD_BOOL, .help = "weights as this processor's kernels want them: sooner drawn, here alone"},
    {AT(precision), LT_FIELD_ENUM, .choices = lt_precision_choices, .help = "that is packed for"},
    {AT(reserved), LT_FIELD_RESERVED},
    {0},
};
#undef AT

const lt_field *lt_convert_fields(void) { return fields; }
lt_convert_options lt_convert_options_defaults(void) { return (lt_convert_options){0}; }

/* The type of weights in blocks that options ask for; NULL: none, or int8, which is measured. */
static const lt_dtype *find_blocks(const lt_convert_options *o) {
    for (size_t i = 1; o->quantize && quantised[i]; i++)
        if (!strcmp(quantised[i], o->quantize)) return &in_blocks[i];
    return NULL;
}

static bool is_gguf(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot && !strcasecmp(dot, ".gguf");
}

/* ---- A file as it is ---- */

/* The one checkpoint that source is, or NULL if it has several components. */
static const lt_checkpoint *only_checkpoint(const lt_source *source) {
    if (!source->folder.count) return &source->file;
    return *source->folder.components[0].name ? NULL : &source->folder.components[0].checkpoint;
}

static lt_status check_readable(const lt_checkpoint *c) {
    for (size_t i = 0; i < c->count; i++) {
        const lt_status status = lt_tensor_readable(&c->tensors[i]);
        if (status) return lt_fail_in(status, "`layout` leaves out what drawing does not need; without it");
    }
    return LT_OK;
}

/* All tensors and metadata, whatever they are called, and what the folder that they come from says of them. */
static lt_status write_as_is(const lt_checkpoint *c, const lt_settings *settings, const char *out,
                             const lt_dtype *type) {
    LT_TRY(check_readable(c));
    lt_metadata *metadata = lt_calloc(c->metadata_count + settings->count, sizeof *metadata);
    if (!metadata) return LT_ERROR_MEMORY;
    size_t count = 0;
    for (size_t i = 0; i < c->metadata_count; i++)
        if (!lt_settings_find(settings, c->metadata[i].key))
            metadata[count++] = (lt_metadata){c->metadata[i].key, c->metadata[i].value};
    for (size_t i = 0; i < settings->count; i++)
        metadata[count++] = (lt_metadata){settings->keys[i], settings->values[i]};
    const lt_status status = lt_export_tensors(out, c->tensors, c->count, metadata, count, type, NULL);
    lt_free(metadata);
    return status;
}

/* ---- A model ---- */

static lt_status open_model(const char *in, const lt_convert_options *o, lt_model **model) {
    const lt_open_options open = {
        .vae = o->vae, .ema = o->ema, .prediction = o->prediction, .notice = o->notice, .notice_user = o->notice_user};
    return lt_model_open(in, &open, model);
}

/* The settings of a component's folder, if it is a model's. */
static lt_status read_settings(const char *in, const lt_convert_options *o, lt_settings *settings) {
    lt_model *model;
    if (open_model(in, o, &model)) return LT_OK;
    const lt_status status = lt_export_settings(&model->parts, settings);
    lt_model_close(model);
    return status;
}

static lt_status write_only(const char *in, const lt_source *source, const lt_checkpoint *only, const char *out,
                            const lt_convert_options *o) {
    lt_settings settings = {0};
    lt_status status = source->folder.count ? read_settings(in, o, &settings) : LT_OK;
    if (!status) status = write_as_is(only, &settings, out, lt_type_find(o->type));
    lt_settings_free(&settings);
    return status;
}

static lt_status write_exported(const lt_exported *exported, const char *out, const lt_convert_options *o) {
    if (is_gguf(out)) return lt_export_gguf(exported, out, lt_type_find(o->type), find_blocks(o));
    return lt_write_exported(exported, out, o->layout, o->type);
}

static lt_status write_merged(lt_model *model, const char *out, const lt_convert_options *o) {
    lt_exported exported = lt_model_exported(model);
    lt_merged merged;
    lt_status status = lt_model_merge(model, o->loras, o->lora_count, lt_type_find(o->type), &merged);
    exported.tensors = merged.tensors;
    if (!status) status = write_exported(&exported, out, o);
    lt_merged_free(&merged);
    return status;
}

static lt_status write_opened(lt_model *model, const char *out, const lt_convert_options *o) {
    lt_exported exported = lt_model_exported(model);
    lt_quantised q = {0};
    lt_settings more = {0};
    if (o->lora_count) return write_merged(model, out, o);
    if (!o->quantize || find_blocks(o)) return write_exported(&exported, out, o);
    lt_status status = lt_model_quantise(model, o, &q, &more);
    exported.tensors = q.list.tensors;
    exported.count = q.list.count;
    exported.more = &more;
    if (!status) status = write_exported(&exported, out, o);
    lt_settings_free(&more);
    lt_quantised_free(&q);
    return status;
}

static lt_status write_packed(lt_model *model, const char *out, const lt_convert_options *o) {
    lt_session_options options = lt_session_options_defaults();
    const lt_exported exported = lt_model_exported(model);
    lt_session *session;
    options.precision = o->precision;
    LT_TRY(lt_session_open(model, &options, &session));
    lt_status status = lt_parts_check(&model->parts);
    if (!status) status = lt_export_packed(&exported, session, out);
    lt_session_close(session);
    return status;
}

static lt_status check_packing(const lt_convert_options *o) {
    if (!o->pack && o->precision)
        return lt_fail(LT_ERROR_ARGUMENT, "precision: what is packed has one: it goes with `pack`");
    if (o->pack && (o->type || o->layout || o->quantize))
        return lt_fail(LT_ERROR_ARGUMENT,
                       "pack: it goes without `type`, `layout` and `quantize`: pack what these make");
    return LT_OK;
}

static lt_status check_gguf(const char *out, const lt_convert_options *o) {
    if (!is_gguf(out) && find_blocks(o))
        return lt_fail(LT_ERROR_ARGUMENT, "quantize: %s is a type of GGUF's: name the file .gguf", o->quantize);
    if (!is_gguf(out)) return LT_OK;
    if (o->quantize && !find_blocks(o))
        return lt_fail(LT_ERROR_ARGUMENT, "quantize: a GGUF file has no int8 of ours: use q8_0");
    if (o->pack || (o->layout && strcmp(o->layout, "ldm") != 0))
        return lt_fail(LT_ERROR_ARGUMENT, "%s: a GGUF file is one of LDM's layout", o->pack ? "pack" : "layout");
    return LT_OK;
}

static lt_status check_convertible(const lt_model *model, const char *out, const lt_convert_options *o) {
    const char *file = model->parts.file;
    if (model->parts.packed)
        return lt_fail(LT_ERROR_UNSUPPORTED, "%s: it is packed: convert the checkpoint that it was packed from", file);
    if (model->parts.quantised && is_gguf(out))
        return lt_fail(LT_ERROR_UNSUPPORTED, "%s: it is in int8: convert the checkpoint that it was made from", file);
    if (model->parts.quantised && o->lora_count)
        return lt_fail(LT_ERROR_UNSUPPORTED, "%s: it is quantised: add LoRAs to the checkpoint that it was made from",
                       file);
    return LT_OK;
}

static lt_status write_model(const char *in, const char *out, const lt_convert_options *o) {
    lt_model *model;
    LT_TRY(open_model(in, o, &model));
    lt_status status = check_convertible(model, out, o);
    if (!status && model->ignored)
        lt_notify(&model->parts.listener, "not needed to draw, and left out: %zu tensor%s", model->ignored,
                  LT_S(model->ignored));
    if (!status) status = (o->pack ? write_packed : write_opened)(model, out, o);
    lt_model_close(model);
    return status;
}

/* ---- The public interface ---- */

static lt_status convert(const char *in, const char *out, const lt_convert_options *o) {
    LT_TRY(lt_fields_check(fields, o));
    LT_TRY(check_packing(o));
    LT_TRY(check_gguf(out, o));
    if (o->lora_count && ((o->quantize && !find_blocks(o)) || o->pack))
        return lt_fail(LT_ERROR_ARGUMENT, "%s: with loras it takes two conversions, the first of which adds them",
                       o->pack ? "pack" : "quantize");
    if (o->layout || o->ema || o->prediction || o->vae || o->quantize || o->lora_count || o->pack || is_gguf(out))
        return write_model(in, out, o);
    lt_source source;
    LT_TRY(lt_source_open(in, &source));
    const lt_checkpoint *only = only_checkpoint(&source);
    const lt_status status = only ? write_only(in, &source, only, out, o) : write_model(in, out, o);
    lt_source_close(&source);
    return status;
}

lt_status lt_convert(const char *in, const char *out, const lt_convert_options *options) {
    const lt_convert_options defaults = {0};
    const lt_argument arguments[] = {LT_PATH_ARGUMENT(in), LT_PATH_ARGUMENT(out)};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = convert(in, out, options ? options : &defaults);
    return lt_leave(&door, status);
}

/* ---- Synthetic checkpoints ---- */

const char *const *lt_synthetic_names(void) {
    static const char *const names[] = {"sd15",
                                        "tiny",
                                        "tiny-inpaint",
                                        "sd21",
                                        "tiny-sd2",
                                        "sdxl",
                                        "tiny-xl",
                                        "tiny-refiner",
                                        "vit-b-32",
                                        "tiny-clip",
                                        "tiny-taesd-encoder",
                                        "tiny-taesd-decoder",
                                        "tiny-taesd-diffusers",
                                        "taesd",
                                        "tiny-esrgan-x4",
                                        "tiny-esrgan-x4-old",
                                        "tiny-esrgan-x2",
                                        "tiny-srvgg-x4",
                                        "esrgan-x4",
                                        "sd15-control",
                                        "tiny-control",
                                        "tiny-control-diffusers",
                                        "tiny-xl-control",
                                        "sd15-t2i",
                                        "tiny-t2i",
                                        "tiny-ip",
                                        "tiny-ip-plus",
                                        "tiny-xl-ip",
                                        "tiny-vit",
                                        NULL};
    return names;
}

static lt_status write_clip(const lt_clip_architecture *clip, const char *out, lt_dtype type) {
    lt_folder_writer folder;
    LT_TRY(lt_folder_open(out, &folder));
    const lt_status status = lt_synthetic_clip_write(clip, folder.part.path, type);
    if (!status) return lt_folder_commit(&folder);
    lt_folder_abort(&folder);
    return status;
}

static lt_status synthesize(const char *name, const char *out, const lt_dtype *type) {
    const lt_sd_architecture *sd = lt_synthetic_sd_find(name);
    const lt_clip_architecture *clip = lt_synthetic_clip_find(strcmp(name, "tiny-clip") ? name : "tiny");
    const lt_part_architecture *part = lt_synthetic_part_find(name);
    if (!type) return lt_fail(LT_ERROR_ARGUMENT, "type: possible are f32, f16, bf16");
    if (sd) return lt_synthetic_sd_write(sd, out, *type);
    if (part) return lt_synthetic_part_write(part, out, *type);
    if (clip) return write_clip(clip, out, *type);
    return lt_fail(LT_ERROR_ARGUMENT, "name: %s; possible are the names of lt_synthetic_names", name);
}

lt_status lt_synthesize(const char *name, const char *out, const char *type) {
    const lt_argument arguments[] = {{"name", name}, LT_PATH_ARGUMENT(out)};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = synthesize(name, out, lt_type_find(type ? type : "f16"));
    return lt_leave(&door, status);
}
