/* What a file is. */
#include "adapters/shelf_kind.h"

#include "adapters/lora_about.h"
#include "adapters/lora_info.h"
#include "models/layout.h"
#include "text/text.h"

#include <string.h>

/* ---- By single names ---- */

/* Tensors that only one kind has: those whose names begin so. */
static const struct {
    const char *name;
    lt_shelf_kind kind;
    const char *details;
} marks[] = {
    {"lora_controlnet", LT_SHELF_CONTROL, "control-LoRA"},
    {"control_model.", LT_SHELF_CONTROL, "ControlNet"},
    {"input_hint_block.", LT_SHELF_CONTROL, "ControlNet"},
    {"controlnet_cond_embedding.", LT_SHELF_CONTROL, "ControlNet"},
    {"controlnet_down_blocks.", LT_SHELF_CONTROL, "ControlNet"},
    {"adapter.body.", LT_SHELF_CONTROL, "T2I-Adapter"},
    {"body.0.block1.", LT_SHELF_CONTROL, "T2I-Adapter"},
    {"body.0.resnets.", LT_SHELF_CONTROL, "T2I-Adapter"},
    {"image_proj.latents", LT_SHELF_IMAGE_PROMPT, "IP-Adapter Plus"},
    {"image_proj.perceiver_resampler.", LT_SHELF_IMAGE_PROMPT, "IP-Adapter FaceID Plus (not served)"},
    {"image_proj.proj.3.", LT_SHELF_IMAGE_PROMPT, "IP-Adapter full face (not served)"},
    {"image_proj.proj.0.", LT_SHELF_IMAGE_PROMPT, "IP-Adapter FaceID (not served)"},
    {"ip_adapter.", LT_SHELF_IMAGE_PROMPT, "IP-Adapter"},
    {"visual.class_embedding", LT_SHELF_IMAGE_ENCODER, "OpenCLIP: image encoder"},
    {"conv_first.weight", LT_SHELF_UPSCALER, "ESRGAN"},
    {"params_ema.conv_first.weight", LT_SHELF_UPSCALER, "ESRGAN"},
    {"params.conv_first.weight", LT_SHELF_UPSCALER, "ESRGAN"},
    {"model.1.sub.0.RDB1.", LT_SHELF_UPSCALER, "ESRGAN"},
    {"params.body.0.weight", LT_SHELF_UPSCALER, "SRVGG"},
    {"params_ema.body.0.weight", LT_SHELF_UPSCALER, "SRVGG"},
    {"body.0.weight", LT_SHELF_UPSCALER, "SRVGG"},
    {"string_to_param.*", LT_SHELF_EMBEDDING, NULL},
    {"emb_params", LT_SHELF_EMBEDDING, NULL},
    {"clip_l", LT_SHELF_EMBEDDING, NULL},
    {"clip_g", LT_SHELF_EMBEDDING, NULL},
};

static bool has(const lt_checkpoint *c, const char *begin) {
    const lt_names names = lt_names_of_tensors(c->tensors, c->count, "", "");
    return lt_names_have(&names, "%s", begin);
}

static size_t find_mark(const lt_checkpoint *c) {
    size_t i = 0;
    while (i < LT_COUNT(marks) && !has(c, marks[i].name)) i++;
    return i;
}

/* diffusers' embedding: one tensor, called by its token. */
static bool is_vector(const lt_checkpoint *c) {
    const lt_tensor *t = c->count == 1 ? &c->tensors[0] : NULL;
    return t && t->rank >= 1 && t->rank <= 2 && t->shape[t->rank - 1] >= 512 &&
           (t->rank == 1 || t->shape[0] <= LT_CHUNK_TOKENS);
}

/* ---- Families ---- */

/* Layers that are as wide as what a model reads as context. */
static const lt_tensor *find_reader(const lt_checkpoint *c) {
    for (size_t i = 0; i < c->count; i++) {
        const lt_tensor *t = &c->tensors[i];
        const bool reads = strstr(t->name, "attn2.to_k.weight") || strstr(t->name, "to_k_ip.weight");
        if (reads && t->rank == 2) return t;
    }
    return NULL;
}

static const lt_tensor *find_vectors(const lt_checkpoint *c) {
    for (size_t i = 0; i < c->count; i++)
        if (c->tensors[i].rank == 1 || c->tensors[i].rank == 2) return &c->tensors[i];
    return NULL;
}

static const char *family_of(const lt_checkpoint *c, lt_shelf_kind kind) {
    const lt_tensor *vectors = find_vectors(c), *reader = find_reader(c);
    if (kind == LT_SHELF_LORA) return lt_lora_made_for(c);
    if (kind == LT_SHELF_UPSCALER || kind == LT_SHELF_IMAGE_ENCODER || kind == LT_SHELF_VAE) return NULL;
    if (kind == LT_SHELF_EMBEDDING && has(c, "clip_g")) return lt_lora_family_by_width(2048);
    if (kind == LT_SHELF_EMBEDDING && vectors) return lt_lora_family_by_width(vectors->shape[vectors->rank - 1]);
    const char *named = c->count ? lt_lora_family_by_names(c) : NULL;
    return named || !reader ? named : lt_lora_family_by_width(reader->shape[1]);
}

/* ---- What is told ---- */

static lt_status tell_lora(const lt_lora_info *info, lt_shelf_about *about) {
    if (info->least_rank == info->most_rank && info->most_rank)
        about->details = lt_format("%s, rank %zu", info->kinds, info->most_rank);
    else if (info->most_rank)
        about->details = lt_format("%s, ranks %zu to %zu", info->kinds, info->least_rank, info->most_rank);
    else
        about->details = lt_strdup(info->kinds);
    if (info->words) about->words = lt_strdup(info->words);
    return about->details && (!info->words || about->words) ? LT_OK : LT_ERROR_MEMORY;
}

/* *is: whether it is one. */
static lt_status read_lora(const lt_checkpoint *c, lt_shelf_about *about, bool *is) {
    lt_lora_info info;
    LT_TRY(lt_lora_info_read(c, &info));
    *is = info.kinds;
    about->kind = LT_SHELF_LORA;
    const lt_status status = *is ? tell_lora(&info, about) : LT_OK;
    lt_lora_info_free(&info);
    return status;
}

static lt_status tell_embedding(const lt_checkpoint *c, lt_shelf_about *about) {
    const lt_tensor *t = find_vectors(c);
    const size_t vectors = t && t->rank == 2 ? t->shape[0] : 1;
    about->details = lt_format("%zu vector%s", vectors, LT_S(vectors));
    return about->details ? LT_OK : LT_ERROR_MEMORY;
}

/* A U-Net that reads a mask and the masked picture beside the latent. */
static bool paints(const lt_checkpoint *c) {
    static const char *const names[] = {"model.diffusion_model.input_blocks.0.0.weight", "input_blocks.0.0.weight",
                                        "conv_in.weight"};
    const lt_tensor *t = NULL;
    for (size_t i = 0; i < LT_COUNT(names) && !t; i++) t = lt_checkpoint_find(c, names[i]);
    return t && t->rank == 4 && t->shape[1] == 9;
}

static lt_shelf_kind kind_of(const lt_layout *layout) {
    static const struct {
        lt_role role;
        lt_shelf_kind kind;
    } kinds[] = {{LT_ROLE_UNET, LT_SHELF_CHECKPOINT},   {LT_ROLE_CLIP, LT_SHELF_IMAGE_ENCODER},
                 {LT_ROLE_VAE, LT_SHELF_VAE},           {LT_ROLE_TAESD_ENCODER, LT_SHELF_VAE},
                 {LT_ROLE_TAESD_DECODER, LT_SHELF_VAE}, {LT_ROLE_CLASSIFIER, LT_SHELF_CLASSIFIER}};
    for (size_t i = 0; i < LT_COUNT(kinds); i++)
        if (layout->parts[kinds[i].role].present) return kinds[i].kind;
    return LT_SHELF_OTHER;
}

static lt_status tell_layout(const lt_checkpoint *c, lt_shelf_about *about) {
    const char *words = lt_checkpoint_metadata(c, "modelspec.trigger_phrase");
    lt_layout layout;
    char text[256] = "";
    about->kind = LT_SHELF_OTHER;
    if (lt_layout_of(c->tensors, c->count, LT_ROLES_ALL, &layout)) return LT_OK;
    about->kind = kind_of(&layout);
    lt_layout_text(&layout, text, sizeof text);
    about->details = lt_format("%s%s", text, paints(c) ? ", inpainting" : "");
    if (words) about->words = lt_strdup(words);
    return about->details && (!words || about->words) ? LT_OK : LT_ERROR_MEMORY;
}

static lt_status read_file(const lt_checkpoint *c, lt_shelf_about *about) {
    const size_t mark = find_mark(c);
    bool is_lora = false;
    if (mark < LT_COUNT(marks)) {
        about->kind = marks[mark].kind;
        if (about->kind == LT_SHELF_EMBEDDING) return tell_embedding(c, about);
        about->details = lt_strdup(marks[mark].details);
        return about->details ? LT_OK : LT_ERROR_MEMORY;
    }
    if (is_vector(c)) {
        about->kind = LT_SHELF_EMBEDDING;
        return tell_embedding(c, about);
    }
    LT_TRY(read_lora(c, about, &is_lora));
    return is_lora ? LT_OK : tell_layout(c, about);
}

/* ---- Files and folders ---- */

/* The component that says what a folder is: its U-Net, or the one that there is. */
static const lt_component *main_component(const lt_diffusers *folder) {
    const lt_component *unet = lt_diffusers_find(folder, "unet");
    return unet ? unet : &folder->components[0];
}

static lt_status read_folder(const lt_diffusers *folder, lt_shelf_about *about) {
    const lt_component *c = main_component(folder);
    LT_TRY(read_file(&c->checkpoint, about));
    about->family = family_of(&c->checkpoint, about->kind);
    if (folder->count == 1) return LT_OK;
    lt_buffer text = {0};
    lt_status status = lt_buffer_printf(&text, "diffusers folder:");
    for (size_t i = 0; i < folder->count && !status; i++)
        status = lt_buffer_printf(&text, "%s %s", i ? "," : "", folder->components[i].name);
    lt_free(about->details);
    about->details = text.data;
    return status;
}

lt_status lt_shelf_about_file(const lt_checkpoint *file, lt_shelf_about *about) {
    *about = (lt_shelf_about){.kind = LT_SHELF_OTHER};
    LT_TRY(read_file(file, about));
    about->family = family_of(file, about->kind);
    return LT_OK;
}

lt_status lt_shelf_about_read(const lt_source *source, lt_shelf_about *about) {
    *about = (lt_shelf_about){.kind = LT_SHELF_OTHER};
    return source->folder.count ? read_folder(&source->folder, about) : lt_shelf_about_file(&source->file, about);
}

void lt_shelf_about_free(lt_shelf_about *about) {
    lt_free(about->details);
    lt_free(about->words);
    *about = (lt_shelf_about){0};
}
