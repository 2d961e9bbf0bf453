/* What a LoRA's or an embedding's file says of itself. */
#include "train/network_metadata.h"

#include "base/file.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* ---- Tags: what stands between the commas of captions, and how often ---- */

static int count_tag(json_t *tags, const char *text, size_t size) {
    while (size && strchr(" \t\r\n", *text)) text++, size--;
    while (size && strchr(" \t\r\n", text[size - 1])) size--;
    char *tag = lt_strndup(text, size);
    if (!tag) return -1;
    const int failed =
        size ? json_object_set_new(tags, tag, json_integer(1 + json_integer_value(json_object_get(tags, tag)))) : 0;
    lt_free(tag);
    return failed;
}

static int count_tags(json_t *tags, const char *text) {
    for (;; text++) {
        const size_t size = strcspn(text, ",");
        if (count_tag(tags, text, size)) return -1;
        text += size;
        if (!*text) return 0;
    }
}

static lt_status describe_tags(const lt_training *t, lt_settings *settings) {
    json_t *tags = json_object(), *folders = json_pack("{s:o*}", lt_base_name(t->options->files.data), tags);
    int failed = !folders;
    for (size_t i = 0; i < lt_dataset_count(t->data) && !failed; i++)
        for (size_t k = 0; k < lt_dataset_text_count(t->data, i) && !failed; k++)
            failed = count_tags(tags, lt_dataset_text(t->data, i, k));
    char *text = failed ? NULL : json_dumps(folders, JSON_COMPACT);
    const lt_status status = text ? lt_settings_set_text(settings, "ss_tag_frequency", text) : LT_ERROR_MEMORY;
    free(text);
    json_decref(folders);
    return status;
}

/* ---- All of it ---- */

static lt_status describe_network(const lt_train_options *o, lt_settings *s) {
    const double alpha = o->lora.alpha > 0 ? o->lora.alpha : o->lora.rank,
                 conv_alpha = o->lora.conv_alpha > 0 ? o->lora.conv_alpha : o->lora.conv_rank;
    LT_TRY(lt_settings_set(s, "ss_network_module", "networks.lora"));
    LT_TRY(lt_settings_set(s, "ss_network_dim", "%d", o->lora.rank));
    LT_TRY(lt_settings_set(s, "ss_network_alpha", "%.9g", alpha));
    if (!o->lora.conv_rank) return LT_OK;
    return lt_settings_set(s, "ss_network_args", "{\"conv_dim\": \"%d\", \"conv_alpha\": \"%.9g\"}", o->lora.conv_rank,
                           conv_alpha);
}

static lt_status describe_training(const lt_training *t, lt_settings *s) {
    const lt_train_options *o = t->options;
    LT_TRY(lt_settings_set(s, "ss_steps", "%ld", t->run.step));
    LT_TRY(lt_settings_set(s, "ss_max_train_steps", "%ld", o->length.steps));
    LT_TRY(lt_settings_set(s, "ss_num_train_images", "%zu", lt_dataset_count(t->data)));
    LT_TRY(lt_settings_set(s, "ss_total_batch_size", "%d", o->length.batch));
    LT_TRY(lt_settings_set(s, "ss_gradient_accumulation_steps", "%d", o->length.accumulate));
    LT_TRY(lt_settings_set(s, "ss_learning_rate", "%.9g", o->adamw.rate));
    LT_TRY(lt_settings_set(s, "ss_optimizer", "AdamW"));
    LT_TRY(lt_settings_set(s, "ss_lr_scheduler", "%s", o->adamw.cosine ? "cosine" : "constant_with_warmup"));
    LT_TRY(lt_settings_set(s, "ss_lr_warmup_steps", "%ld", o->adamw.warmup));
    LT_TRY(lt_settings_set(s, "ss_resolution", "(%d, %d)", o->pictures.size, o->pictures.size));
    LT_TRY(lt_settings_set(s, "ss_seed", "%llu", (unsigned long long)o->computing.seed));
    LT_TRY(lt_settings_set(s, "ss_enable_bucket", "%s", o->pictures.buckets ? "True" : "False"));
    if (o->losses.noise_offset > 0) LT_TRY(lt_settings_set(s, "ss_noise_offset", "%.9g", o->losses.noise_offset));
    if (o->files.prior) LT_TRY(lt_settings_set(s, "ss_prior_loss_weight", "%.9g", o->losses.prior_weight));
    if (o->losses.min_snr > 0) LT_TRY(lt_settings_set(s, "ss_min_snr_gamma", "%.9g", o->losses.min_snr));
    return LT_OK;
}

/* modelspec's name of the family of the model that is added to, which its contexts' width tells. */
static const char *architecture_of(bool second, bool v) {
    if (!second) return "stable-diffusion-v1";
    return v ? "stable-diffusion-v2-768-v" : "stable-diffusion-v2-512";
}

/* What both say; kind: behind the family, as in "stable-diffusion-v1/lora". */
static lt_status describe_model(const lt_training *t, const char *kind, lt_settings *s) {
    const lt_train_options *o = t->options;
    const bool v = t->models->schedule->prediction == LT_PREDICT_V, second = t->models->init_unet->context_dim == 1024;
    LT_TRY(lt_settings_set(s, "ss_v2", "%s", second ? "True" : "False"));
    LT_TRY(lt_settings_set(s, "ss_base_model_version", "%s", second ? "sd_v2" : "sd_v1"));
    LT_TRY(lt_settings_set(s, "ss_sd_model_name", "%s", lt_base_name(o->files.init)));
    LT_TRY(lt_settings_set(s, "ss_output_name", "%s", lt_base_name(o->files.output)));
    LT_TRY(lt_settings_set(s, "modelspec.sai_model_spec", "1.0.0"));
    LT_TRY(lt_settings_set(s, "modelspec.architecture", "%s/%s", architecture_of(second, v), kind));
    LT_TRY(lt_settings_set(s, "modelspec.resolution", "%dx%d", o->pictures.size, o->pictures.size));
    LT_TRY(lt_settings_set(s, "modelspec.prediction_type", "%s", v ? "v" : "epsilon"));
    return describe_training(t, s);
}

lt_status lt_describe_lora(const lt_training *t, lt_settings *s) {
    LT_TRY(describe_network(t->options, s));
    LT_TRY(describe_tags(t, s));
    return describe_model(t, "lora", s);
}

lt_status lt_describe_embedding(const lt_training *t, lt_settings *s) {
    LT_TRY(lt_settings_set(s, "ss_num_vectors_per_token", "%d", t->options->embedding.vectors));
    if (t->options->embedding.initial) LT_TRY(lt_settings_set(s, "ss_init_word", "%s", t->options->embedding.initial));
    return describe_model(t, "textual-inversion", s);
}
