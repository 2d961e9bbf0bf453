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
    int count, channels[LT_MAX_LEVELS], blocks[LT_MAX_LEVELS];
} columns;

static columns columns_of(const lt_resolution *level, int count) {
    columns c = {.count = count};
    for (int i = 0; i < count; i++) {
        c.channels[i] = level[i].channels;
        c.blocks[i] = level[i].blocks;
    }
    return c;
}

static json_t *same_for_all(const char *name, int count) {
    json_t *list = json_array();
    for (int i = 0; i < count; i++) json_array_append_new(list, json_string(name));
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

/* The i-th level of a way, in its order. */
static int level_of(const lt_unet *unet, lt_unet_way way, int i) { return way == LT_WAY_UP ? unet->levels - 1 - i : i; }

/* A name for each level on a way: with where attention is, without elsewhere. */
static json_t *block_types(const lt_unet *unet, lt_unet_way way, const char *with, const char *without) {
    json_t *list = json_array();
    for (int i = 0; i < unet->levels; i++)
        json_array_append_new(list, json_string(lt_unet_attends(unet, way, level_of(unet, way, i)) ? with : without));
    return list;
}

/* A level without transformers counts as one deep; the last as the middle. */
static json_t *depths_of(const lt_unet *unet, lt_unet_way way, int level) {
    int depth[LT_MAX_BLOCKS + 1];
    const int count = unet->level[level].blocks + (way == LT_WAY_UP), last = level == unet->levels - 1;
    const int none = last && unet->middle_depth ? unet->middle_depth : 1;
    if (!lt_unet_attends(unet, way, level)) return json_integer(none);
    for (int j = 0; j < count; j++) depth[j] = lt_unet_depth(unet, way, level, j);
    return number_or_list(depth, count);
}

/* One number, or a list of what its levels have, in the way's order. */
static json_t *depths(const lt_unet *unet, lt_unet_way way) {
    json_t *list = json_array();
    bool same = true;
    for (int i = 0; i < unet->levels; i++) {
        json_array_append_new(list, depths_of(unet, way, level_of(unet, way, i)));
        same = same && json_is_integer(json_array_get(list, 0)) &&
               json_equal(json_array_get(list, (size_t)i), json_array_get(list, 0));
    }
    if (!same) return list;
    json_t *one = json_incref(json_array_get(list, 0));
    json_decref(list);
    return one;
}

/* Is a way up not the mirror of the way down, block for block? */
static bool is_uneven(const lt_unet *unet) {
    bool uneven = false;
    for (int i = 0; i < unet->levels; i++)
        for (int j = 0; j <= unet->level[i].blocks; j++)
            uneven = uneven || unet->deeper[LT_WAY_UP][i][j] || unet->deeper[LT_WAY_DOWN][i][j];
    return uneven;
}

static json_t *middle_type(const lt_unet *unet) {
    if (unet->middle == LT_MIDDLE_NONE) return json_null();
    return json_string(unet->middle_depth ? "UNetMidBlock2DCrossAttn" : "UNetMidBlock2D");
}

/* What only distilled models have, into json, which is returned. */
static json_t *with_distilled(json_t *json, const lt_unet *unet) {
    bool any = false;
    json_t *crossed = json_array();
    for (int i = 0; i < unet->levels; i++) {
        json_array_append_new(crossed, json_boolean(unet->crossed[i]));
        any = any || unet->crossed[i];
    }
    if (any) json = merged(json, json_pack("{s:O}", "only_cross_attention", crossed));
    json_decref(crossed);
    if (unet->scale_dim) json = merged(json, json_pack("{s:i}", "time_cond_proj_dim", unet->scale_dim));
    if (!is_uneven(unet)) return json;
    return merged(json, json_pack("{s:o}", "reverse_transformer_layers_per_block", depths(unet, LT_WAY_UP)));
}

json_t *lt_unet_config(const lt_components *parts) {
    const lt_unet *u = &parts->unet;
    const columns c = columns_of(u->level, u->levels);
    json_t *json = merged(diffusers_object("UNet2DConditionModel"),
                          json_pack("{s:i, s:i, s:i, s:o, s:o, s:o, s:o, s:o}", "sample_size", parts->sample_size,
                                    "in_channels", u->in_channels, "out_channels", u->out_channels, "down_block_types",
                                    block_types(u, LT_WAY_DOWN, "CrossAttnDownBlock2D", "DownBlock2D"),
                                    "up_block_types", block_types(u, LT_WAY_UP, "CrossAttnUpBlock2D", "UpBlock2D"),
                                    "block_out_channels", list_of(c.channels, c.count), "layers_per_block",
                                    number_or_list(c.blocks, c.count), "mid_block_type", middle_type(u)));
    json = merged(json, json_pack("{s:o, s:o, s:i, s:b, s:i}", "attention_head_dim", head_numbers(u, &c),
                                  "transformer_layers_per_block", depths(u, LT_WAY_DOWN), "cross_attention_dim",
                                  u->context_dim ? u->context_dim : 1280, "use_linear_projection", (int)u->linear,
                                  "norm_num_groups", u->groups));
    json = with_distilled(json, u);
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
                         "down_block_types", same_for_all("DownEncoderBlock2D", c.count), "up_block_types",
                         same_for_all("UpDecoderBlock2D", c.count), "block_out_channels", list_of(c.channels, c.count),
                         "layers_per_block", number_or_list(c.blocks, c.count)));
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
