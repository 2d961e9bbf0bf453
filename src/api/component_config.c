/* Configurations of diffusers' and transformers' classes, from the shapes of their tensors and an open model. */
#include "api/component_config.h"

#include "models/settings.h"
#include "nn/nn.h"

#include <jansson.h>
#include <string.h>

const char lt_diffusers_version[] = "0.21.0"; /* diffusers treats files from before 0.9 as mistaken about their size */

/* ---- Shapes ---- */

static int dimension(lt_weights *weights, const char *name, int i) {
    const lt_weight *w = lt_weights_find(weights, name);
    return w && i < w->tensor.rank ? (int)w->tensor.shape[i] : 0;
}

/* Levels from the finest on, at most LT_MAX_LEVELS. */
typedef struct levels {
    int count;
    int channels[LT_MAX_LEVELS], blocks[LT_MAX_LEVELS], depth[LT_MAX_LEVELS];
    bool attention[LT_MAX_LEVELS];
} levels;

static levels read_unet_levels(lt_weights *w) {
    levels l = {.count = (int)lt_min((size_t)lt_weights_count_indexed(w, "down_blocks."), LT_MAX_LEVELS)};
    for (int i = 0; i < l.count; i++) {
        const lt_name block = lt_name_of("down_blocks.%d", i);
        l.channels[i] = dimension(w, lt_name_of("%s.resnets.0.conv1.weight", block.text).text, 0);
        l.blocks[i] = lt_weights_count_indexed(w, lt_name_of("%s.resnets.", block.text).text);
        l.attention[i] = lt_weights_has_prefix(w, lt_name_of("%s.attentions.", block.text).text);
        l.depth[i] =
            l.attention[i]
                ? lt_weights_count_indexed(w, lt_name_of("%s.attentions.0.transformer_blocks.", block.text).text)
                : 1;
    }
    return l;
}

/* From the decoder, which every VAE has; it counts from the coarsest level and has one block more at each. */
static levels read_vae_levels(lt_weights *w) {
    levels l = {.count = (int)lt_min((size_t)lt_weights_count_indexed(w, "decoder.up_blocks."), LT_MAX_LEVELS)};
    for (int i = 0; i < l.count; i++) {
        const lt_name block = lt_name_of("decoder.up_blocks.%d", l.count - 1 - i);
        l.channels[i] = dimension(w, lt_name_of("%s.resnets.0.conv1.weight", block.text).text, 0);
        l.blocks[i] = lt_weights_count_indexed(w, lt_name_of("%s.resnets.", block.text).text) - 1;
    }
    return l;
}

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

/* A name for each level: with where attention is, without elsewhere; from the coarsest where reversed. */
static json_t *block_types(const levels *l, bool reversed, const char *with, const char *without) {
    json_t *list = json_array();
    for (int i = 0; i < l->count; i++)
        json_array_append_new(list, json_string(l->attention[reversed ? l->count - 1 - i : i] ? with : without));
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

static json_t *head_numbers(const lt_unet *unet, const levels *l) {
    if (unet->heads) return json_integer(unet->heads);
    int heads[LT_MAX_LEVELS];
    for (int i = 0; i < l->count; i++) heads[i] = l->channels[i] / unet->head_size;
    return list_of(heads, l->count);
}

json_t *lt_unet_config(const lt_model *model, lt_weights *w) {
    const lt_components *parts = &model->parts;
    const levels l = read_unet_levels(w);
    const bool middle = lt_weights_has_prefix(w, "mid_block.attentions.");
    const lt_weight *proj_in = lt_weights_find(w, "mid_block.attentions.0.proj_in.weight");
    json_t *json =
        merged(diffusers_object("UNet2DConditionModel"),
               json_pack("{s:i, s:i, s:i, s:o, s:o, s:o, s:o, s:s}", "sample_size", parts->sample_size, "in_channels",
                         parts->unet.in_channels, "out_channels", parts->unet.out_channels, "down_block_types",
                         block_types(&l, false, "CrossAttnDownBlock2D", "DownBlock2D"), "up_block_types",
                         block_types(&l, true, "CrossAttnUpBlock2D", "UpBlock2D"), "block_out_channels",
                         list_of(l.channels, l.count), "layers_per_block", number_or_list(l.blocks, l.count),
                         "mid_block_type", middle ? "UNetMidBlock2DCrossAttn" : "UNetMidBlock2D"));
    json =
        merged(json, json_pack("{s:o, s:o, s:i, s:b, s:i}", "attention_head_dim", head_numbers(&parts->unet, &l),
                               "transformer_layers_per_block", number_or_list(l.depth, l.count), "cross_attention_dim",
                               parts->unet.context_dim ? parts->unet.context_dim : 1280, "use_linear_projection",
                               proj_in && proj_in->tensor.rank == 2, "norm_num_groups", parts->unet.groups));
    return merged(json, json_pack("{s:s, s:f, s:b, s:i, s:b, s:i, s:i}", "act_fn", "silu", "norm_eps", 1e-5,
                                  "flip_sin_to_cos", 1, "freq_shift", 0, "center_input_sample", 0, "downsample_padding",
                                  1, "mid_block_scale_factor", 1));
}

/* ---- The VAE ---- */

json_t *lt_vae_config(const lt_model *model, lt_weights *w) {
    const lt_vae *vae = &model->parts.vae;
    const levels l = read_vae_levels(w);
    json_t *json =
        merged(diffusers_object("AutoencoderKL"),
               json_pack("{s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:o}", "sample_size",
                         model->parts.sample_size * vae->factor, "in_channels", 3, "out_channels", 3, "latent_channels",
                         vae->latent_channels, "down_block_types", block_types(&l, false, "", "DownEncoderBlock2D"),
                         "up_block_types", block_types(&l, true, "", "UpDecoderBlock2D"), "block_out_channels",
                         list_of(l.channels, l.count), "layers_per_block", number_or_list(l.blocks, l.count)));
    return merged(json, json_pack("{s:s, s:i, s:o, s:b, s:b}", "act_fn", "silu", "norm_num_groups", vae->groups,
                                  "scaling_factor", json_real((double)vae->scaling), "use_quant_conv",
                                  lt_weights_has_prefix(w, "quant_conv."), "use_post_quant_conv",
                                  lt_weights_has_prefix(w, "post_quant_conv.")));
}

/* ---- The text encoder ---- */

json_t *lt_text_config(const lt_model *model, lt_weights *w) {
    const lt_clip_text *text = &model->parts.text;
    json_t *json = json_pack(
        "{s:[s], s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "architectures", "CLIPTextModel", "model_type",
        "clip_text_model", "vocab_size", dimension(w, "text_model.embeddings.token_embedding.weight", 0), "hidden_size",
        text->width, "intermediate_size", dimension(w, "text_model.encoder.layers.0.mlp.fc1.weight", 0),
        "num_hidden_layers", text->layers, "num_attention_heads", text->heads, "max_position_embeddings",
        text->positions, "projection_dim", text->width);
    return merged(json, json_pack("{s:s, s:f, s:f, s:i, s:i, s:i}", "hidden_act", lt_activation_name(text->activation),
                                  "layer_norm_eps", 1e-5, "attention_dropout", 0.0, "bos_token_id", LT_TOKEN_START,
                                  "eos_token_id", LT_TOKEN_END, "pad_token_id", (int)text->pad));
}

/* ---- The scheduler: any of diffusers' can be made from this one's numbers ---- */

/* PNDM, as Stable Diffusion's own folders have it, knows nothing of zero terminal SNR. */
const char *lt_scheduler_class(const lt_model *model) {
    return lt_ends_in_noise(&model->parts.schedule) ? "DDIMScheduler" : "PNDMScheduler";
}

static json_t *trained_betas(const lt_noise_schedule *schedule) {
    if (!schedule->given) return json_null();
    json_t *list = json_array();
    for (int t = 0; t < LT_TRAIN_STEPS; t++) json_array_append_new(list, json_real((double)schedule->betas[t]));
    return list;
}

json_t *lt_scheduler_config(const lt_model *model) {
    const lt_noise_schedule *schedule = &model->parts.schedule;
    json_t *json = merged(diffusers_object(lt_scheduler_class(model)),
                          json_pack("{s:i, s:s, s:f, s:f, s:s}", "num_train_timesteps", LT_TRAIN_STEPS, "beta_schedule",
                                    lt_beta_name(schedule->kind), "beta_start", schedule->beta_start, "beta_end",
                                    schedule->beta_end, "prediction_type",
                                    schedule->prediction == LT_PREDICT_V ? "v_prediction" : "epsilon"));
    json = merged(json, json_pack("{s:o, s:b, s:b, s:b, s:i, s:s}", "trained_betas", trained_betas(schedule),
                                  "set_alpha_to_one", (int)schedule->to_one, "skip_prk_steps", 1, "clip_sample", 0,
                                  "steps_offset", schedule->offset, "timestep_spacing", schedule->spacing));
    const bool rescaled = schedule->zero_snr && !schedule->given; /* betas that are given are rescaled already */
    return rescaled ? merged(json, json_pack("{s:b}", "rescale_betas_zero_snr", 1)) : json;
}
