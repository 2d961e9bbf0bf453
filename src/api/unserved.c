/* What a model's configuration files ask for and Latent does not do: one table for each kind of file. */
#include "api/unserved.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A key, and the value that is served: a text, or a number, or true and false as 1 and 0. What tensors' shapes tell, or
 * is read elsewhere, or changes no picture, may have ANY value; of NONE, only null. A key that is in no table is
 * unserved unless it is null or false. */
typedef struct served {
    const char *key;
    double number;
    const char *text;
    bool refused; /* with any other value */
} served;

#define ANY  .number = INFINITY
#define NONE .number = NAN

static const served unet_keys[] = {
    {"sample_size", ANY},
    {"in_channels", ANY},
    {"out_channels", ANY},
    {"center_input_sample", 0},
    {"flip_sin_to_cos", 1},
    {"freq_shift", 0},
    {"down_block_types", ANY},
    {"mid_block_type", ANY},
    {"up_block_types", ANY},
    {"only_cross_attention", ANY},
    {"block_out_channels", ANY},
    {"layers_per_block", ANY},
    {"downsample_padding", 1},
    {"mid_block_scale_factor", 1},
    {"dropout", ANY},
    {"act_fn", .text = "silu"},
    {"norm_num_groups", ANY},
    {"norm_eps", 1e-5},
    {"cross_attention_dim", ANY},
    {"transformer_layers_per_block", ANY},
    {"reverse_transformer_layers_per_block", ANY},
    {"time_cond_proj_dim", ANY},
    {"attention_head_dim", ANY},
    {"num_attention_heads", NONE},
    {"use_linear_projection", ANY},
    {"upcast_attention", ANY},
    {"resnet_time_scale_shift", .text = "default"},
    {"resnet_out_scale_factor", 1},
    {"time_embedding_type", .text = "positional"},
    {"conv_in_kernel", 3},
    {"conv_out_kernel", 3},
    {"attention_type", .text = "default"},
    {"addition_embed_type", .text = "text_time"},
    {"addition_embed_type_num_heads", ANY},
    {"addition_time_embed_dim", LT_SIZE_CHANNELS},
    {"projection_class_embeddings_input_dim", ANY},
};

static const served vae_keys[] = {
    {"in_channels", 3},           {"out_channels", 3},
    {"down_block_types", ANY},    {"up_block_types", ANY},
    {"block_out_channels", ANY},  {"layers_per_block", ANY},
    {"act_fn", .text = "silu"},   {"latent_channels", ANY},
    {"norm_num_groups", ANY},     {"sample_size", ANY},
    {"scaling_factor", ANY},      {"shift_factor", 0},
    {"force_upcast", ANY},        {"use_quant_conv", ANY},
    {"use_post_quant_conv", ANY}, {"mid_block_add_attention", ANY},
};

/* transformers writes scores of keys that no text encoder reads: those that matter are named. */
static const served text_keys[] = {
    {"layer_norm_eps", 1e-5},
    {"model_type", .text = "clip_text_model"},
};

/* Which sampler takes which steps is the request's choice, not the model's. */
static const served scheduler_keys[] = {
    {"num_train_timesteps", ANY},
    {"beta_start", ANY},
    {"beta_end", ANY},
    {"beta_schedule", ANY},
    {"trained_betas", ANY},
    {"prediction_type", ANY},
    {"timestep_spacing", ANY},
    {"steps_offset", ANY},
    {"set_alpha_to_one", ANY},
    {"rescale_betas_zero_snr", ANY},
    {"clip_sample", 0, .refused = true},
    {"clip_sample_range", ANY},
    {"thresholding", 0, .refused = true},
    {"dynamic_thresholding_ratio", ANY},
    {"sample_max_value", ANY},
    {"use_flow_sigmas", 0, .refused = true},
    {"flow_shift", ANY},
    {"skip_prk_steps", 1},
    {"variance_type", .text = "fixed_small"},
    {"final_sigmas_type", .text = "zero"},
    {"original_inference_steps", 50},
    {"timestep_scaling", 10},
    {"algorithm_type", ANY},
    {"solver_order", ANY},
    {"solver_type", ANY},
    {"solver_p", ANY},
    {"predict_x0", ANY},
    {"lower_order_final", ANY},
    {"euler_at_final", ANY},
    {"disable_corrector", ANY},
    {"interpolation_type", .text = "linear"},
    {"timestep_type", .text = "discrete"},
    {"use_karras_sigmas", ANY},
    {"use_exponential_sigmas", ANY},
    {"use_beta_sigmas", ANY},
    {"use_lu_lambdas", ANY},
};

/* Parts of a pipeline that are read, or that change no picture. */
static const served index_keys[] = {
    {"unet", ANY},
    {"vae", ANY},
    {"text_encoder", ANY},
    {"text_encoder_2", ANY},
    {"tokenizer", ANY},
    {"tokenizer_2", ANY},
    {"scheduler", ANY},
    {"feature_extractor", ANY},
    {"safety_checker", ANY},
    {"requires_safety_checker", ANY},
    {"image_encoder", ANY},
    {"force_zeros_for_empty_prompt", ANY},
    {"add_watermarker", ANY},
    {"requires_aesthetics_score", ANY},
};

typedef struct file_kind {
    const char *component, *file;
    const served *keys;
    size_t count;
    bool strict; /* keys that are not among them are unserved */
} file_kind;

static const file_kind kinds[] = {
    {"unet", "unet/config.json", unet_keys, LT_COUNT(unet_keys), true},
    {"vae", "vae/config.json", vae_keys, LT_COUNT(vae_keys), true},
    {"text_encoder", "text_encoder/config.json", text_keys, LT_COUNT(text_keys), false},
    {"text_encoder_2", "text_encoder_2/config.json", text_keys, LT_COUNT(text_keys), false},
    {"scheduler", "scheduler_config.json", scheduler_keys, LT_COUNT(scheduler_keys), true},
};

static const file_kind index_kind = {"", "model_index.json", index_keys, LT_COUNT(index_keys), true};

/* ---- Values ---- */

static bool is_number(const json_t *value, double wanted) {
    const bool boolean = json_is_boolean(value);
    if (!boolean && !json_is_number(value)) return false;
    const double number = boolean ? json_is_true(value) : json_number_value(value);
    return fabs(number - wanted) <= 1e-6 * fabs(wanted);
}

/* Null, false, [null, null], {} (as -Infinity is read, a bound that is none) and lists of what is served are as good as
 * what is served. */
static bool is_nothing(const json_t *value) {
    size_t i = 0;
    while (json_is_array(value) && i < json_array_size(value) && json_is_null(json_array_get(value, i))) i++;
    return json_is_null(value) || json_is_false(value) || (json_is_array(value) && i == json_array_size(value)) ||
           (json_is_object(value) && !json_object_size(value));
}

static bool is_served(const served *key, const json_t *value) {
    if (json_is_null(value) || (!key->text && isinf(key->number))) return true;
    if (key->text) return json_is_string(value) && !strcmp(json_string_value(value), key->text);
    size_t i = 0;
    while (json_is_array(value) && i < json_array_size(value) && is_number(json_array_get(value, i), key->number)) i++;
    return json_is_array(value) ? i == json_array_size(value) : is_number(value, key->number);
}

static const served *find(const file_kind *kind, const char *key) {
    for (size_t i = 0; i < kind->count; i++)
        if (!strcmp(kind->keys[i].key, key)) return &kind->keys[i];
    return NULL;
}

/* ---- Files ---- */

/* "clip_sample" = true, as the file has it, cut where it is long. */
static lt_status refuse(const file_kind *kind, const char *key, const json_t *value) {
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    const lt_status status =
        lt_fail(LT_ERROR_UNSUPPORTED,
                "%s: %s is %.40s, which is not served: Stable Diffusion's latents are made without "
                "it; set it to false",
                kind->file, key, text ? text : "set");
    free(text);
    return status;
}

static lt_status check_file(const lt_components *parts, const file_kind *kind, const lt_config *config) {
    lt_buffer list = {0};
    lt_status status = LT_OK;
    const char *key;
    json_t *value;
    json_object_foreach(config->root, key, value) {
        const served *row = find(kind, key);
        const bool fine = row ? is_served(row, value) : !kind->strict || *key == '_' || is_nothing(value);
        if (status || fine) continue;
        status = row && row->refused ? refuse(kind, key, value)
                                     : lt_buffer_printf(&list, "%s%.64s", list.size ? ", " : "", key);
    }
    if (!status && list.size)
        lt_notify(&parts->listener, "%s asks for what is not served here, so that pictures may differ: %.300s",
                  kind->file, list.data);
    lt_buffer_free(&list);
    return status;
}

/* A TAESD's configuration says nothing that its shapes don't. */
static bool is_tiny(const lt_component *c) {
    const char *class = lt_config_string(&c->config, "_class_name");
    return class && !strcmp(class, "AutoencoderTiny");
}

lt_status lt_configuration_check(const lt_components *parts, const lt_diffusers *folder) {
    LT_TRY(check_file(parts, &index_kind, &folder->index));
    for (size_t i = 0; i < LT_COUNT(kinds); i++) {
        const lt_component *c = lt_diffusers_find(folder, kinds[i].component);
        if (c && !is_tiny(c)) LT_TRY(check_file(parts, &kinds[i], &c->config));
    }
    return LT_OK;
}
