/* Configurations of diffusers' and transformers' classes. */
#include "export/diffusers_config.h"

#include "models/settings.h"

#include <jansson.h>
#include <string.h>

const char lt_diffusers_version[] = "0.21.0"; /* diffusers treats files from before 0.9 as mistaken about their size */

/* ---- JSON ---- */

/* {"_class_name": ..., "_diffusers_version": ...} */
static json_t *diffusers_object(const char *class_name) {
    return json_pack("{s:s, s:s}", "_class_name", class_name, "_diffusers_version", lt_diffusers_version);
}

static json_t *list_of(const int *values, int count) {
    json_t *list = json_array();
    for (int i = 0; i < count; i++) json_array_append_new(list, json_integer(values[i]));
    return list;
}

/* A list, or one number where all are the same. */
static json_t *number_or_list(const int *values, int count) {
    for (int i = 1; i < count; i++)
        if (values[i] != values[0]) return list_of(values, count);
    return json_integer(values[0]);
}

/* Levels, column by column. */
typedef struct columns {
    int count, channels[LT_MAX_LEVELS], blocks[LT_MAX_LEVELS], depth[LT_MAX_LEVELS];
} columns;

static columns columns_of(const lt_resolution *level, int count) {
    columns c = {.count = count};
    for (int i = 0; i < count; i++) {
        c.channels[i] = level[i].channels;
        c.blocks[i] = level[i].blocks;
        c.depth[i] = level[i].depth;
    }
    return c;
}

/* A name for each level: with where attention is, without elsewhere; from the coarsest where reversed. */
static json_t *block_types(const columns *c, bool reversed, const char *with, const char *without) {
    json_t *list = json_array();
    for (int i = 0; i < c->count; i++)
        json_array_append_new(list, json_string(c->depth[reversed ? c->count - 1 - i : i] ? with : without));
    return list;
}

/* Adds the entries of more, which is taken over, to json, and returns it. */
static json_t *merged(json_t *json, json_t *more) {
    const bool ok = json && more && json_object_update(json, more) == 0;
    json_decref(more);
    if (ok) return json;
    json_decref(json);
    return NULL;
}

/* ---- The U-Net ---- */

static json_t *head_numbers(const lt_unet *unet, const columns *c) {
    if (unet->heads) return json_integer(unet->heads);
    int heads[LT_MAX_LEVELS];
    for (int i = 0; i < c->count; i++) heads[i] = c->channels[i] / unet->head_size;
    return list_of(heads, c->count);
}

/* A level without transformers counts as one deep; the middle is as deep as the last. */
static json_t *depths(const lt_unet *unet, columns c) {
    if (!c.depth[c.count - 1]) c.depth[c.count - 1] = unet->middle_depth;
    for (int i = 0; i < c.count; i++) c.depth[i] = c.depth[i] ? c.depth[i] : 1;
    return number_or_list(c.depth, c.count);
}

json_t *lt_unet_config(const lt_components *parts) {
    const lt_unet *u = &parts->unet;
    const columns c = columns_of(u->level, u->levels);
    json_t *json = merged(diffusers_object("UNet2DConditionModel"),
                          json_pack("{s:i, s:i, s:i, s:o, s:o, s:o, s:o, s:s}", "sample_size", parts->sample_size,
                                    "in_channels", u->in_channels, "out_channels", u->out_channels, "down_block_types",
                                    block_types(&c, false, "CrossAttnDownBlock2D", "DownBlock2D"), "up_block_types",
                                    block_types(&c, true, "CrossAttnUpBlock2D", "UpBlock2D"), "block_out_channels",
                                    list_of(c.channels, c.count), "layers_per_block", number_or_list(c.blocks, c.count),
                                    "mid_block_type", u->middle_depth ? "UNetMidBlock2DCrossAttn" : "UNetMidBlock2D"));
    json = merged(json, json_pack("{s:o, s:o, s:i, s:b, s:i}", "attention_head_dim", head_numbers(u, &c),
                                  "transformer_layers_per_block", depths(u, c), "cross_attention_dim",
                                  u->context_dim ? u->context_dim : 1280, "use_linear_projection", (int)u->linear,
                                  "norm_num_groups", u->groups));
    if (u->vector_dim)
        json = merged(json, json_pack("{s:s, s:i, s:i}", "addition_embed_type", "text_time", "addition_time_embed_dim",
                                      256, "projection_class_embeddings_input_dim", u->vector_dim));
    return merged(json, json_pack("{s:s, s:f, s:b, s:i, s:b, s:i, s:i}", "act_fn", "silu", "norm_eps", 1e-5,
                                  "flip_sin_to_cos", 1, "freq_shift", 0, "center_input_sample", 0, "downsample_padding",
                                  1, "mid_block_scale_factor", 1));
}

/* ---- The VAE ---- */

json_t *lt_vae_config(const lt_components *parts) {
    const lt_vae *vae = &parts->vae;
    const columns c = columns_of(vae->level, vae->levels);
    json_t *json =
        merged(diffusers_object("AutoencoderKL"),
               json_pack("{s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:o}", "sample_size", parts->sample_size * vae->factor,
                         "in_channels", 3, "out_channels", 3, "latent_channels", vae->latent_channels,
                         "down_block_types", block_types(&c, false, "", "DownEncoderBlock2D"), "up_block_types",
                         block_types(&c, true, "", "UpDecoderBlock2D"), "block_out_channels",
                         list_of(c.channels, c.count), "layers_per_block", number_or_list(c.blocks, c.count)));
    if (!vae->attention) json = merged(json, json_pack("{s:b}", "mid_block_add_attention", 0));
    return merged(json, json_pack("{s:s, s:i, s:o, s:b, s:b}", "act_fn", "silu", "norm_num_groups", vae->groups,
                                  "scaling_factor", json_real((double)vae->scaling), "use_quant_conv",
                                  (int)vae->quant_conv, "use_post_quant_conv", (int)vae->post_quant_conv));
}

/* ---- Text encoders ---- */

static json_t *tower_config(const lt_clip_text *text, const char *class_name, int projection) {
    json_t *json =
        json_pack("{s:[s], s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "architectures", class_name, "model_type",
                  "clip_text_model", "vocab_size", text->vocabulary, "hidden_size", text->width, "intermediate_size",
                  text->hidden, "num_hidden_layers", text->layers, "num_attention_heads", text->heads,
                  "max_position_embeddings", text->positions, "projection_dim", projection);
    return merged(json, json_pack("{s:s, s:f, s:f, s:i, s:i, s:i}", "hidden_act", lt_activation_name(text->activation),
                                  "layer_norm_eps", 1e-5, "attention_dropout", 0.0, "bos_token_id", LT_TOKEN_START,
                                  "eos_token_id", LT_TOKEN_END, "pad_token_id", (int)text->pad));
}

json_t *lt_text_config(const lt_components *parts) {
    return tower_config(&parts->text, "CLIPTextModel", parts->text.width);
}

json_t *lt_text_2_config(const lt_components *parts) {
    return tower_config(&parts->text_2, "CLIPTextModelWithProjection", parts->text_2.projection);
}

/* ---- The scheduler: any of diffusers' can be made from this one's numbers ---- */

/* PNDM, as Stable Diffusion's own folders have it, knows nothing of zero terminal SNR. */
const char *lt_scheduler_class(const lt_noise_schedule *schedule) {
    return lt_ends_in_noise(schedule) ? "DDIMScheduler" : "PNDMScheduler";
}

static json_t *trained_betas(const lt_noise_schedule *schedule) {
    if (!schedule->given) return json_null();
    json_t *list = json_array();
    for (int t = 0; t < LT_TRAIN_STEPS; t++) json_array_append_new(list, json_real((double)schedule->betas[t]));
    return list;
}

json_t *lt_scheduler_config(const lt_noise_schedule *schedule) {
    json_t *json = merged(diffusers_object(lt_scheduler_class(schedule)),
                          json_pack("{s:i, s:s, s:f, s:f, s:s}", "num_train_timesteps", LT_TRAIN_STEPS, "beta_schedule",
                                    lt_beta_name(schedule->kind), "beta_start", schedule->beta_start, "beta_end",
                                    schedule->beta_end, "prediction_type",
                                    schedule->prediction == LT_PREDICT_V ? "v_prediction" : "epsilon"));
    json = merged(json,
                  json_pack("{s:o, s:b, s:b, s:b, s:i, s:s}", "trained_betas", trained_betas(schedule),
                            "set_alpha_to_one", (int)schedule->to_one, "skip_prk_steps", 1, "clip_sample", 0,
                            "steps_offset", schedule->offset, "timestep_spacing", lt_spacing_name(schedule->spacing)));
    const bool rescaled = schedule->zero_snr && !schedule->given; /* betas that are given are rescaled already */
    return rescaled ? merged(json, json_pack("{s:b}", "rescale_betas_zero_snr", 1)) : json;
}
