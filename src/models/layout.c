/* What a set of names is: roles, and the names that tell which of them a file plays. */
#include "models/layout.h"

#include <stdio.h>
#include <string.h>

#define LT_SERVED_UPSCALERS "ESRGAN and SRVGG (Real-ESRGAN) are served"

/* clang-format off */
static const struct {
    const char *name, *component;   /* component: its folder in diffusers' */
    const char *kind[LT_NAMINGS];   /* whose files have such names */
    const char *prefix[LT_NAMINGS]; /* [LDM]: the canonical one; [diffusers]: the one to write in a diffusers folder */
} roles_table[LT_ROLE_COUNT] = {
    [LT_ROLE_TEXT] = {"text encoder", "text_encoder", {"LDM checkpoint", "transformers"}, {"cond_stage_model.transformer.text_model.", "text_model."}},
    [LT_ROLE_OPEN_TEXT] = {"text encoder 2", "text_encoder_2", {"LDM checkpoint", "transformers"}, {"conditioner.embedders.1.transformer.", ""}},
    [LT_ROLE_VAE] = {"VAE", "vae", {"LDM checkpoint", "diffusers"}, {"first_stage_model.", ""}},
    [LT_ROLE_UNET] = {"U-Net", "unet", {"LDM checkpoint", "diffusers"}, {"model.diffusion_model.", ""}},
    [LT_ROLE_CLIP] = {"CLIP", NULL, {"LDM checkpoint", "transformers"}, {"", ""}},
    [LT_ROLE_CLASSIFIER] = {"classifier", NULL, {"latent", "latent"}, {"classifier.", "classifier."}},
    [LT_ROLE_TAESD_ENCODER] = {"TAESD encoder", NULL, {"taesd.py", "diffusers"}, {"taesd_encoder.", "encoder.layers."}},
    [LT_ROLE_TAESD_DECODER] = {"TAESD decoder", NULL, {"taesd.py", "diffusers"}, {"taesd_decoder.", "decoder.layers."}},
    [LT_ROLE_UPSCALER] = {"upscaler", NULL, {"BasicSR", "old ESRGAN"}, {"upscaler.", ""}},
    [LT_ROLE_IMAGE_PROMPT] = {"IP-Adapter", NULL, {"adapter", "adapter"}, {"", ""}},
    [LT_ROLE_CONTROL] = {"ControlNet", NULL, {"LDM", "diffusers"}, {"control_model.", ""}},
    [LT_ROLE_ADAPTER] = {"T2I-Adapter", NULL, {"TencentARC", "diffusers"}, {"t2i_adapter.", "adapter."}},
};
/* clang-format on */

/* Names that tell what a file is: prefix and name together. For each role the first that is there decides. */
static const struct landmark {
    const char *prefix, *name;
    lt_role role;
    lt_naming naming;
} landmarks[] = {
    {"control_model.", "input_hint_block.0.weight", LT_ROLE_CONTROL, LT_NAMING_LDM},
    {"", "input_hint_block.0.weight", LT_ROLE_CONTROL, LT_NAMING_LDM},
    {"", "controlnet_cond_embedding.conv_in.weight", LT_ROLE_CONTROL, LT_NAMING_DIFFUSERS},
    {"", "body.0.block1.weight", LT_ROLE_ADAPTER, LT_NAMING_LDM},
    {"", "body.0.body.0.block1.weight", LT_ROLE_ADAPTER, LT_NAMING_LDM},
    {"adapter.", "body.0.resnets.0.block1.weight", LT_ROLE_ADAPTER, LT_NAMING_DIFFUSERS},
    {"model.diffusion_model.", "input_blocks.0.0.weight", LT_ROLE_UNET, LT_NAMING_LDM},
    {"diffusion_model.", "input_blocks.0.0.weight", LT_ROLE_UNET, LT_NAMING_LDM},
    {"", "input_blocks.0.0.weight", LT_ROLE_UNET, LT_NAMING_LDM},
    {"", "down_blocks.0.resnets.0.norm1.weight", LT_ROLE_UNET, LT_NAMING_DIFFUSERS},
    {"unet.", "down_blocks.0.resnets.0.norm1.weight", LT_ROLE_UNET, LT_NAMING_DIFFUSERS},
    {"first_stage_model.", "encoder.down.0.block.0.norm1.weight", LT_ROLE_VAE, LT_NAMING_LDM},
    {"first_stage_model.", "decoder.up.0.block.0.norm1.weight", LT_ROLE_VAE, LT_NAMING_LDM},
    {"", "encoder.down.0.block.0.norm1.weight", LT_ROLE_VAE, LT_NAMING_LDM},
    {"", "decoder.up.0.block.0.norm1.weight", LT_ROLE_VAE, LT_NAMING_LDM},
    {"", "encoder.down_blocks.0.resnets.0.norm1.weight", LT_ROLE_VAE, LT_NAMING_DIFFUSERS},
    {"", "decoder.up_blocks.0.resnets.0.norm1.weight", LT_ROLE_VAE, LT_NAMING_DIFFUSERS},
    {"vae.", "encoder.down_blocks.0.resnets.0.norm1.weight", LT_ROLE_VAE, LT_NAMING_DIFFUSERS},
    {"vae.", "decoder.up_blocks.0.resnets.0.norm1.weight", LT_ROLE_VAE, LT_NAMING_DIFFUSERS},
    {"first_stage_model.", "encoder.down_blocks.0.resnets.0.norm1.weight", LT_ROLE_VAE, LT_NAMING_DIFFUSERS},
    {"first_stage_model.", "decoder.up_blocks.0.resnets.0.norm1.weight", LT_ROLE_VAE, LT_NAMING_DIFFUSERS},
    {"", "vision_model.embeddings.class_embedding", LT_ROLE_CLIP, LT_NAMING_DIFFUSERS},
    {"cond_stage_model.transformer.text_model.", "embeddings.token_embedding.weight", LT_ROLE_TEXT, LT_NAMING_LDM},
    {"cond_stage_model.transformer.", "embeddings.token_embedding.weight", LT_ROLE_TEXT, LT_NAMING_LDM},
    {"cond_stage_model.model.", "token_embedding.weight", LT_ROLE_TEXT, LT_NAMING_LDM}, /* openclip.h */
    {"conditioner.embedders.0.transformer.text_model.", "embeddings.token_embedding.weight", LT_ROLE_TEXT,
     LT_NAMING_LDM},
    {"conditioner.embedders.1.transformer.", "text_model.embeddings.token_embedding.weight", LT_ROLE_OPEN_TEXT,
     LT_NAMING_LDM},
    {"conditioner.embedders.1.model.", "token_embedding.weight", LT_ROLE_OPEN_TEXT, LT_NAMING_LDM},
    {"conditioner.embedders.0.model.", "token_embedding.weight", LT_ROLE_OPEN_TEXT, LT_NAMING_LDM},
    {"classifier.", "input_blocks.0.0.weight", LT_ROLE_CLASSIFIER, LT_NAMING_LDM},
    {"taesd_encoder.", "1.conv.0.weight", LT_ROLE_TAESD_ENCODER, LT_NAMING_LDM}, /* as ComfyUI keeps both in a file */
    {"taesd_decoder.", "18.conv.0.weight", LT_ROLE_TAESD_DECODER, LT_NAMING_LDM},
    {"", "1.conv.0.weight", LT_ROLE_TAESD_ENCODER, LT_NAMING_LDM},
    {"", "18.conv.0.weight", LT_ROLE_TAESD_DECODER, LT_NAMING_LDM},
    {"encoder.layers.", "1.conv.0.weight", LT_ROLE_TAESD_ENCODER, LT_NAMING_DIFFUSERS},
    {"params_ema.", "body.0.rdb1.conv1.weight", LT_ROLE_UPSCALER, LT_NAMING_LDM},
    {"params.", "body.0.rdb1.conv1.weight", LT_ROLE_UPSCALER, LT_NAMING_LDM},
    {"upscaler.", "body.0.rdb1.conv1.weight", LT_ROLE_UPSCALER, LT_NAMING_LDM},
    {"", "body.0.rdb1.conv1.weight", LT_ROLE_UPSCALER, LT_NAMING_LDM},
    {"params_ema.", "body.1.weight", LT_ROLE_UPSCALER, LT_NAMING_LDM},
    {"params.", "body.1.weight", LT_ROLE_UPSCALER, LT_NAMING_LDM},
    {"upscaler.", "body.1.weight", LT_ROLE_UPSCALER, LT_NAMING_LDM},
    {"", "body.1.weight", LT_ROLE_UPSCALER, LT_NAMING_LDM},
    {"", "model.1.sub.0.RDB1.conv1.0.weight", LT_ROLE_UPSCALER, LT_NAMING_DIFFUSERS},
    {"decoder.layers.", "17.conv.0.weight", LT_ROLE_TAESD_DECODER, LT_NAMING_DIFFUSERS},
    {"text_model.", "embeddings.token_embedding.weight", LT_ROLE_TEXT, LT_NAMING_DIFFUSERS},
    {"", "embeddings.token_embedding.weight", LT_ROLE_TEXT, LT_NAMING_DIFFUSERS},
    {"text_encoder.text_model.", "embeddings.token_embedding.weight", LT_ROLE_TEXT, LT_NAMING_DIFFUSERS},
    {"text_encoder.", "embeddings.token_embedding.weight", LT_ROLE_TEXT, LT_NAMING_DIFFUSERS},
    {"", "text_projection.weight", LT_ROLE_OPEN_TEXT, LT_NAMING_DIFFUSERS},
    {"", "ip_adapter.1.to_k_ip.weight", LT_ROLE_IMAGE_PROMPT, LT_NAMING_DIFFUSERS},
};

const char *lt_role_name(lt_role role) { return roles_table[role].name; }

lt_role lt_role_of_component(const char *name) {
    lt_role role = LT_ROLE_TEXT;
    while (role < LT_ROLE_COUNT && !(roles_table[role].component && !strcmp(roles_table[role].component, name))) role++;
    return role;
}

unsigned lt_component_roles(const char *name) {
    const lt_role role = lt_role_of_component(name);
    return role == LT_ROLE_VAE ? LT_ROLES_VAE : role < LT_ROLE_COUNT ? 1u << role : LT_ROLES_ALL;
}

const char *lt_role_prefix(lt_role role) { return roles_table[role].prefix[LT_NAMING_LDM]; }
const char *lt_role_prefix_in(lt_role role, lt_naming naming) { return roles_table[role].prefix[naming]; }

static bool is_of(const char *name, lt_role role) {
    const char *prefix = lt_role_prefix(role);
    return !strncmp(name, prefix, strlen(prefix));
}

bool lt_is_unet(const char *name) { return is_of(name, LT_ROLE_UNET); }
bool lt_is_vae(const char *name) { return is_of(name, LT_ROLE_VAE); }
bool lt_is_classifier(const char *name) { return is_of(name, LT_ROLE_CLASSIFIER); }
bool lt_is_text(const char *name) {
    for (int role = 0; role < LT_ROLE_COUNT; role++) {
        const bool text = role == LT_ROLE_TEXT || role == LT_ROLE_OPEN_TEXT || role == LT_ROLE_CLIP;
        const bool named = *lt_role_prefix((lt_role)role); /* else its names tell nothing */
        if (!text && named && is_of(name, (lt_role)role)) return false;
    }
    return true;
}

/* Kinds that are no model of ours, by a piece of a name that they alone have. */
static const struct {
    const char *piece, *kind, *advice;
} strangers[] = {
    {"lora_unet_", "a LoRA", "it goes behind --lora"},
    {"lora_te_", "a LoRA", "it goes behind --lora"},
    {".lora_A.", "a LoRA", "it goes behind --lora"},
    {"string_to_param.", "an embedding", "it goes behind --embedding"},
    {"emb_params", "an embedding", "it goes behind --embedding"},
    {"overlap_attn.relative_position_bias_table", "a HAT upscaler", LT_SERVED_UPSCALERS},
    {"residual_group.blocks.0.attn.logit_scale", "a Swin2SR upscaler", LT_SERVED_UPSCALERS},
    {"residual_group.blocks.0.attn.relative_position_bias_table", "a SwinIR upscaler", LT_SERVED_UPSCALERS},
    {"before_RG.1.weight", "a DAT upscaler", LT_SERVED_UPSCALERS},
    {"residual_layer.0.residual_layer.0.", "an OmniSR upscaler", LT_SERVED_UPSCALERS},
    {"block_1.c1_r.sk.", "a SPAN upscaler", LT_SERVED_UPSCALERS},
    {"feats.1.channe_mixer.", "a RealPLKSR upscaler", LT_SERVED_UPSCALERS},
    {"unet1.conv1.conv.0.", "a Real-CUGAN upscaler", LT_SERVED_UPSCALERS},
    {"m_head.0.weight", "an SCUNet restorer", LT_SERVED_UPSCALERS},
};

static lt_status unknown_layout(const lt_tensor *tensors, size_t count) {
    for (size_t k = 0; k < LT_COUNT(strangers); k++)
        for (size_t i = 0; i < count; i++)
            if (strstr(tensors[i].name, strangers[k].piece))
                return lt_fail(LT_ERROR_MODEL, "no model that is known here: it is %s: %s", strangers[k].kind,
                               strangers[k].advice);
    if (!count) return lt_fail(LT_ERROR_MODEL, "no model that is known here: it has no tensors");
    return lt_fail(LT_ERROR_MODEL,
                   "no model that is known here: its tensors have names of none (the first of %zu is %.100s)", count,
                   tensors[0].name);
}

/* Is what l names another role's already? A CLIP's text tower is part of the CLIP, not a text encoder of its own, and a
 * ControlNet has the names of a U-Net. */
static bool is_taken(const lt_layout *layout, const struct landmark *l) {
    const struct lt_layout_part *control = &layout->parts[LT_ROLE_CONTROL];
    if (l->role == LT_ROLE_UNET) return control->present && !strcmp(control->prefix, l->prefix);
    const bool first = layout->parts[LT_ROLE_TEXT].present, clip = layout->parts[LT_ROLE_CLIP].present;
    if (l->naming != LT_NAMING_DIFFUSERS) return false;
    return (l->role == LT_ROLE_TEXT && clip) || (l->role == LT_ROLE_OPEN_TEXT && (clip || first));
}

lt_status lt_layout_of(const lt_tensor *tensors, size_t count, unsigned roles, lt_layout *layout) {
    *layout = (lt_layout){0};
    bool any = false;
    for (size_t i = 0; i < LT_COUNT(landmarks); i++) {
        const struct landmark *l = &landmarks[i];
        struct lt_layout_part *part = &layout->parts[l->role];
        char name[LT_NAME_SIZE];
        snprintf(name, sizeof name, "%s%s", l->prefix, l->name);
        if (part->present || !(roles >> l->role & 1) || is_taken(layout, l)) continue;
        if (!lt_tensor_find(tensors, count, name)) continue;
        *part = (struct lt_layout_part){true, l->naming, l->prefix};
        any = true;
    }
    return any ? LT_OK : unknown_layout(tensors, count);
}

void lt_layout_text(const lt_layout *layout, char *text, size_t size) {
    size_t at = 0;
    text[0] = '\0';
    const char *last = "";
    for (int role = 0; role < LT_ROLE_COUNT && at < size; role++) {
        const struct lt_layout_part *part = &layout->parts[role];
        if (!part->present) continue;
        const char *kind = roles_table[role].kind[part->naming];
        if (strcmp(kind, last) == 0)
            at += (size_t)snprintf(text + at, size - at, ", %s", lt_role_name((lt_role)role));
        else
            at += (size_t)snprintf(text + at, size - at, "%s%s: %s", at ? "; " : "", kind, lt_role_name((lt_role)role));
        last = kind;
    }
}
