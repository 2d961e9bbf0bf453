/* The noise schedule that a model's sources tell: see schedule_config.h. */
#include "api/schedule_config.h"

#include <math.h>
#include <string.h>

/* ---- What is said ---- */

typedef struct settings {
    const char *prediction, *betas, *spacing;
    double start, end, steps, offset, rescale, to_one;
    float trained[LT_TRAIN_STEPS]; /* if it has any */
    bool has_trained;
} settings;

static const settings stable_diffusion = {.prediction = "epsilon",
                                          .betas = "scaled_linear",
                                          .spacing = "leading",
                                          .start = 0.00085,
                                          .end = 0.012,
                                          .steps = LT_TRAIN_STEPS,
                                          .offset = 1};

static const struct {
    const char *key;
    size_t at;
} texts[] = {{"prediction_type", offsetof(settings, prediction)},
             {"beta_schedule", offsetof(settings, betas)},
             {"timestep_spacing", offsetof(settings, spacing)}},
  numbers[] = {{"beta_start", offsetof(settings, start)},
               {"beta_end", offsetof(settings, end)},
               {"num_train_timesteps", offsetof(settings, steps)},
               {"steps_offset", offsetof(settings, offset)},
               {"rescale_betas_zero_snr", offsetof(settings, rescale)},
               {"set_alpha_to_one", offsetof(settings, to_one)}};

static lt_status read_trained(const lt_config *config, settings *s) {
    double betas[LT_TRAIN_STEPS];
    if (!lt_config_has(config, "trained_betas")) return LT_OK;
    const size_t count = lt_config_numbers(config, "trained_betas", betas, LT_TRAIN_STEPS);
    if (count != LT_TRAIN_STEPS)
        return lt_fail(LT_ERROR_UNSUPPORTED, "scheduler: trained_betas has %zu numbers, and %d are served", count,
                       LT_TRAIN_STEPS);
    for (size_t t = 0; t < count; t++) s->trained[t] = (float)betas[t];
    s->has_trained = true;
    return LT_OK;
}

/* What config says of the keys above; a value of another kind is refused, not passed over. */
static lt_status read_config(const lt_config *config, settings *s) {
    for (size_t i = 0; i < LT_COUNT(texts); i++) {
        const char *text = lt_config_string(config, texts[i].key);
        if (text) memcpy((char *)s + texts[i].at, &text, sizeof text);
        if (!text && lt_config_has(config, texts[i].key))
            return lt_fail(LT_ERROR_FORMAT, "scheduler: %s is no text", texts[i].key);
    }
    for (size_t i = 0; i < LT_COUNT(numbers); i++) {
        double *number = (double *)(void *)((char *)s + numbers[i].at);
        const size_t count = lt_config_numbers(config, numbers[i].key, number, 1);
        if (count != 1 && lt_config_has(config, numbers[i].key))
            return lt_fail(LT_ERROR_FORMAT, "scheduler: %s is no number", numbers[i].key);
    }
    return read_trained(config, s);
}

/* ---- What other programs mark in a single file ---- */

/* Tensors whose being there says something; refusal: what can't be drawn with, and why. */
static const struct {
    const char *tensor, *prediction;
    bool rescale;
    const char *refusal;
} marks[] = {{"v_pred", "v", false, NULL},
             {"ztsnr", NULL, true, NULL},
             {"edm_vpred.sigma_max", NULL, false, "EDM's continuous noise"},
             {"edm_mean", NULL, false, "EDM's continuous noise"}};

static lt_status read_marks(const lt_checkpoint *file, settings *s) {
    for (size_t i = 0; i < LT_COUNT(marks); i++) {
        if (!lt_checkpoint_find(file, marks[i].tensor)) continue;
        if (marks[i].refusal)
            return lt_fail(LT_ERROR_UNSUPPORTED,
                           "the tensor %s says that the model was trained on %s, which is not served", marks[i].tensor,
                           marks[i].refusal);
        if (marks[i].prediction) s->prediction = marks[i].prediction;
        if (marks[i].rescale) s->rescale = 1;
    }
    return LT_OK;
}

/* ComfyUI writes the second, the specification has the first, as we do. */
static void read_modelspec(const lt_checkpoint *file, settings *s) {
    static const char *const keys[] = {"modelspec.predict_key", "modelspec.prediction_type"};
    for (size_t i = 0; i < LT_COUNT(keys); i++) {
        const char *said = lt_checkpoint_metadata(file, keys[i]);
        if (said) s->prediction = said;
    }
}

/* The v-predicting one of Stable Diffusion 2 by what its training has done to a bias, as ComfyUI tells it. */
static lt_status read_weights(const lt_components *parts, settings *s) {
    static const char name[] = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias";
    const lt_weight *bias = parts->unet.context_dim == 1024 ? lt_weights_find(parts->weights, name) : NULL;
    const size_t count = bias ? lt_tensor_count(&bias->tensor) : 0;
    if (!count || lt_tensor_readable(&bias->tensor)) return LT_OK;
    float *values = lt_alloc(count * sizeof *values);
    if (!values) return LT_ERROR_MEMORY;
    lt_tensor_read_f32(&bias->tensor, values);
    if (lt_deviation(values, count) > 0.09) s->prediction = "v";
    lt_free(values);
    return lt_map_check(bias->tensor.data, LT_OK);
}

/* ---- A single file's own table ---- */

/* How far a number may be off that went through a short type. */
static double rounding_of(const float *values) {
    bool f16 = true, bf16 = true;
    for (int t = 0; t < LT_TRAIN_STEPS; t++) {
        f16 = f16 && !(lt_f16_to_f32(lt_f32_to_f16(values[t])) < values[t]) &&
              !(lt_f16_to_f32(lt_f32_to_f16(values[t])) > values[t]);
        bf16 = bf16 && !(lt_bf16_to_f32(lt_f32_to_bf16(values[t])) < values[t]) &&
               !(lt_bf16_to_f32(lt_f32_to_bf16(values[t])) > values[t]);
    }
    return bf16 ? 0x1p-8 : f16 ? 0x1p-10 : 0;
}

/* LDM computes the same numbers in double precision, which differ from diffusers' by less than this. */
static bool is_near(const float *values, const float *known, double rounding) {
    for (int t = 0; t < LT_TRAIN_STEPS; t++)
        if (!(fabs((double)values[t] - (double)known[t]) <= 2e-6 + rounding * (double)known[t])) return false;
    return true;
}

typedef struct table {
    const char *name;
    lt_status (*set)(lt_noise_schedule *schedule, const float *values);
    size_t at; /* of the same numbers in a schedule */
} table;

static const float *numbers_of(const table *t, const lt_noise_schedule *schedule) {
    return (const float *)(const void *)((const char *)schedule + t->at);
}

/* values instead of what schedule has, unless they are the same, or the same after rescaling. */
static lt_status take_table(lt_noise_schedule *schedule, const table *t, const float *values) {
    const double rounding = rounding_of(values);
    if (is_near(values, numbers_of(t, schedule), rounding)) return LT_OK;
    lt_noise_schedule rescaled = *schedule;
    if (!lt_noise_schedule_rescale(&rescaled) && is_near(values, numbers_of(t, &rescaled), rounding)) {
        *schedule = rescaled;
        return LT_OK;
    }
    if (rounding > 0)
        return lt_fail(LT_ERROR_UNSUPPORTED,
                       "they are not Stable Diffusion's, and were rounded to 16 bits, which is too little to draw "
                       "with: convert the file from its source with these in F32");
    return t->set(schedule, values);
}

/* The first of these that file has; LDM's files have both. */
static lt_status read_table(const lt_checkpoint *file, lt_noise_schedule *schedule) {
    static const table tables[] = {
        {"alphas_cumprod", lt_noise_schedule_set_alphas, offsetof(lt_noise_schedule, alphas_cumprod)},
        {"betas", lt_noise_schedule_set_betas, offsetof(lt_noise_schedule, betas)}};
    for (size_t i = 0; i < LT_COUNT(tables); i++) {
        const lt_tensor *t = lt_checkpoint_find(file, tables[i].name);
        static const size_t shape[1] = {LT_TRAIN_STEPS};
        float values[LT_TRAIN_STEPS];
        if (!t) continue;
        LT_TRY(lt_tensor_readable(t));
        if (!lt_tensor_has_shape(t, 1, shape)) {
            char found[128];
            lt_tensor_shape_text(t, found, sizeof found);
            return lt_fail(LT_ERROR_UNSUPPORTED, "the file's %s have shape %s: %d training steps are served",
                           tables[i].name, found, LT_TRAIN_STEPS);
        }
        lt_tensor_read_f32(t, values);
        const lt_status status = lt_map_check(t->data, take_table(schedule, &tables[i], values));
        return status ? lt_fail_in(status, "the file's %s", tables[i].name) : LT_OK;
    }
    return LT_OK;
}

/* ---- All of it ---- */

static lt_status parse_prediction(const char *name, lt_prediction *prediction) {
    static const struct {
        const char *name;
        lt_prediction prediction;
    } names[] = {{"epsilon", LT_PREDICT_EPSILON},
                 {"eps", LT_PREDICT_EPSILON},
                 {"v", LT_PREDICT_V},
                 {"v_prediction", LT_PREDICT_V},
                 {"v-prediction", LT_PREDICT_V}};
    for (size_t i = 0; i < LT_COUNT(names); i++)
        if (!strcmp(names[i].name, name)) {
            *prediction = names[i].prediction;
            return LT_OK;
        }
    return lt_fail(LT_ERROR_UNSUPPORTED, "prediction \"%s\": epsilon and v are possible", name);
}

static lt_status check(const settings *s) {
    if (!(s->steps >= LT_TRAIN_STEPS && s->steps <= LT_TRAIN_STEPS))
        return lt_fail(LT_ERROR_UNSUPPORTED, "scheduler: num_train_timesteps is %g: %d is served", s->steps,
                       LT_TRAIN_STEPS);
    if (!(s->offset >= 0 && s->offset < LT_TRAIN_STEPS))
        return lt_fail(LT_ERROR_UNSUPPORTED, "scheduler: steps_offset is %g: 0 to %d is possible", s->offset,
                       LT_TRAIN_STEPS - 1);
    return LT_OK;
}

static lt_status make(const settings *s, lt_noise_schedule *schedule) {
    lt_prediction prediction = LT_PREDICT_EPSILON;
    lt_beta_kind kind = LT_BETA_SCALED_LINEAR;
    lt_spacing spacing = LT_LEADING;
    LT_TRY(check(s));
    LT_TRY(lt_spacing_find(s->spacing, &spacing));
    LT_TRY(parse_prediction(s->prediction, &prediction));
    LT_TRY(lt_beta_find(s->betas, &kind));
    LT_TRY(lt_noise_schedule_init(schedule, kind, s->start, s->end, prediction));
    schedule->spacing = spacing;
    schedule->offset = (int)s->offset;
    schedule->to_one = s->to_one > 0;
    if (s->has_trained) LT_TRY(lt_noise_schedule_set_betas(schedule, s->trained));
    return s->rescale > 0 ? lt_noise_schedule_rescale(schedule) : LT_OK;
}

/* diffusers would take its own defaults, which no Stable Diffusion was trained with. */
static void note_missing(const lt_components *parts, const lt_component *scheduler) {
    if (!scheduler || lt_config_has(&scheduler->config, "beta_start") ||
        lt_config_has(&scheduler->config, "trained_betas"))
        return;
    lt_notify(&parts->listener, "scheduler_config.json says nothing of betas: Stable Diffusion's are taken");
}

lt_status lt_schedule_configure(lt_model *model, const char *prediction) {
    const lt_checkpoint *file = &model->main.file;
    const lt_component *scheduler = lt_diffusers_find(&model->main.folder, "scheduler");
    settings s = stable_diffusion;
    lt_config metadata;
    LT_TRY(lt_config_from_metadata(file, "latent.scheduler.", &metadata));
    note_missing(&model->parts, scheduler);
    lt_status status = scheduler ? read_config(&scheduler->config, &s) : read_weights(&model->parts, &s);
    if (!status) status = read_marks(file, &s);
    if (!status) status = read_config(&metadata, &s);
    read_modelspec(file, &s);
    if (prediction) s.prediction = prediction;
    if (!status) status = make(&s, &model->parts.schedule);
    if (!status) status = read_table(file, &model->parts.schedule);
    lt_config_close(&metadata);
    return status;
}
