/* What a model's sources say beside its tensors' shapes: noise schedules, heads, layers; obeyed, refused or named, and
 * still there after a conversion. */
#include "exporting.h"
#include "micro.h"

#include <sys/stat.h>

/* ---- Models that say something ---- */

static char notes[2048]; /* what the notice function was told, line by line */

static void note(void *user, const char *message) {
    (void)user;
    const size_t used = strlen(notes);
    snprintf(notes + used, sizeof notes - used, "%s\n", message);
}

static lt_status open_noted(const char *path, lt_model **model) {
    lt_open_options options = lt_open_options_defaults();
    options.notice = note;
    notes[0] = '\0';
    return lt_model_open(path, &options, model);
}

/* The micro checkpoint with one more tensor, if it has a name, and one metadata text, if key is not NULL. */
static const char *marked_file(const lt_tensor *tensor, const char *key, const char *value) {
    static char path[300];
    lt_checkpoint file;
    assert_ok(lt_checkpoint_open(micro_checkpoint(), &file));
    lt_tensor *all = calloc(file.count + 1, sizeof *all);
    assert_non_null(all);
    memcpy(all, file.tensors, file.count * sizeof *all);
    if (tensor) all[file.count] = *tensor;
    const lt_metadata metadata = {key, value};
    snprintf(path, sizeof path, "%s", scratch_path("marked.safetensors"));
    assert_ok(lt_safetensors_write(path, all, file.count + (tensor ? 1 : 0), &metadata, key ? 1 : 0, NULL, NULL, NULL));
    free(all);
    lt_checkpoint_close(&file);
    return path;
}

static lt_tensor vector(const char *name, lt_dtype type, size_t n, const void *data) {
    lt_tensor t = {.name = name, .dtype = type, .rank = 1, .shape = {n}, .data = data};
    lt_tensor_set_contiguous(&t);
    return t;
}

/* A folder of the micro model, new for each name, with `text` written over one of its files. */
static const char *folder_with(const char *name, const char *file, const char *text) {
    static char path[300];
    snprintf(path, sizeof path, "%s", scratch_path(name));
    lt_session *session = open_micro(1);
    assert_ok(export_diffusers(lt_session_model(session), path, NULL));
    lt_session_close(session);
    char inside[400];
    snprintf(inside, sizeof inside, "%s/%s", path, file);
    FILE *f = fopen(inside, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    return path;
}

#define SCHEDULER "scheduler/scheduler_config.json"
#define BETAS     "\"beta_schedule\": \"scaled_linear\", \"beta_start\": 0.00085, \"beta_end\": 0.012"

/* ---- Marks in single files ---- */

static void marks_are_obeyed(void **state) {
    (void)state;
    static const struct {
        const char *tensor, *key, *value;
        bool v, zero;
    } cases[] = {
        {NULL, NULL, NULL, false, false},
        {"v_pred", NULL, NULL, true, false},
        {"ztsnr", NULL, NULL, false, true},
        {NULL, "modelspec.predict_key", "v", true, false},
        {NULL, "modelspec.predict_key", "epsilon", false, false},
        {NULL, "modelspec.prediction_type", "v", true, false},
        {NULL, "latent.scheduler.prediction_type", "\"v_prediction\"", true, false},
        {NULL, "latent.scheduler.rescale_betas_zero_snr", "true", false, true},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        const lt_tensor mark = vector(cases[i].tensor, LT_F32, 0, NULL);
        lt_model *model;
        assert_ok(open_noted(marked_file(cases[i].tensor ? &mark : NULL, cases[i].key, cases[i].value), &model));
        const lt_model_info info = lt_model_describe(model);
        assert_string_equal(info.prediction, cases[i].v ? "v" : "epsilon");
        assert_int_equal(info.zero_terminal_snr, cases[i].zero);
        assert_string_equal(info.betas, "scaled_linear");
        lt_model_close(model);
    }
}

static void an_option_wins_over_marks(void **state) {
    (void)state;
    const lt_tensor mark = vector("v_pred", LT_F32, 0, NULL);
    lt_open_options options = lt_open_options_defaults();
    options.prediction = "epsilon";
    lt_model *model;
    assert_ok(lt_model_open(marked_file(&mark, "modelspec.predict_key", "v"), &options, &model));
    assert_string_equal(lt_model_describe(model).prediction, "epsilon");
    lt_model_close(model);
}

/* user: by how much a bias is larger than the rule has it, which is 0.058 in deviation. */
static lt_status fill_biased(void *user, const lt_tensor *t, float *values) {
    const size_t count = lt_tensor_count(t);
    lt_synthetic_values(t->name, t->rank, t->shape, 0, count, values);
    for (size_t i = 0; i < count && strstr(t->name, "output_blocks.11.1.transformer_blocks.0.norm1.bias"); i++)
        values[i] *= *(float *)user;
    return LT_OK;
}

/* Of a single file with Stable Diffusion 2's contexts a bias tells what it predicts, as ComfyUI has it. */
static const char *prediction_of_bias(int context, float by) {
    const lt_sd_architecture two = {.unet = {.in_channels = 4,
                                             .out_channels = 4,
                                             .channels = 32,
                                             .levels = 4,
                                             .level = {{32, 2, 1}, {32, 2, 1}, {32, 2, 1}, {32, 2, 0}},
                                             .middle_depth = 1,
                                             .context_dim = context,
                                             .linear = true}};
    const char *path = scratch_path("biased.safetensors");
    lt_tensor_list list;
    lt_model *model;
    assert_ok(lt_sd_list(&two, 1u << LT_ROLE_UNET, &list));
    assert_ok(lt_safetensors_write(path, list.tensors, list.count, NULL, 0, NULL, fill_biased, &by));
    lt_tensor_list_free(&list);
    assert_ok(open_noted(path, &model));
    const char *prediction = lt_model_describe(model).prediction;
    lt_model_close(model);
    return prediction;
}

static void a_bias_tells_the_second_ones_apart(void **state) {
    (void)state;
    assert_string_equal(prediction_of_bias(1024, 1), "epsilon");
    assert_string_equal(prediction_of_bias(1024, 2), "v");
    assert_string_equal(prediction_of_bias(768, 2), "epsilon");
}

static void marks_that_are_not_served_are_refused(void **state) {
    (void)state;
    static const float sigma[1] = {80};
    const lt_tensor edm = vector("edm_vpred.sigma_max", LT_F32, 1, sigma),
                    few = vector("alphas_cumprod", LT_F32, 1, sigma);
    static const struct {
        const char *key, *value, *says;
    } cases[] = {{"modelspec.predict_key", "x0", "\"x0\""},
                 {"latent.scheduler.num_train_timesteps", "500", "num_train_timesteps"},
                 {"latent.scheduler.beta_end", "\"0.02\"", "beta_end"},
                 {"latent.scheduler.trained_betas", "[0.1, 0.2]", "trained_betas"}};
    lt_model *model;
    assert_int_equal(open_noted(marked_file(&edm, NULL, NULL), &model), LT_ERROR_UNSUPPORTED);
    assert_non_null(strstr(lt_error_message(), "edm_vpred.sigma_max"));
    assert_int_equal(open_noted(marked_file(&few, NULL, NULL), &model), LT_ERROR_UNSUPPORTED);
    assert_non_null(strstr(lt_error_message(), "alphas_cumprod have shape [1]"));
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        assert_true(open_noted(marked_file(NULL, cases[i].key, cases[i].value), &model) != LT_OK);
        assert_non_null(strstr(lt_error_message(), cases[i].says));
    }
}

/* ---- A file's own table ---- */

static void fill_table(float *table, double power) {
    lt_noise_schedule s;
    assert_ok(lt_noise_schedule_init(&s, LT_BETA_SCALED_LINEAR, 0.00085, 0.012, LT_PREDICT_EPSILON));
    for (int t = 0; t < LT_TRAIN_STEPS; t++) table[t] = (float)pow((double)s.alphas_cumprod[t], power);
}

/* LDM's own numbers, in double precision, and the same in 16 bits are Stable Diffusion's: nothing changes by a bit. */
static void the_usual_table_changes_nothing(void **state) {
    (void)state;
    double root = sqrt(0.00085), step = (sqrt(0.012) - root) / (LT_TRAIN_STEPS - 1), product = 1;
    float usual[LT_TRAIN_STEPS], betas[LT_TRAIN_STEPS];
    uint16_t half[LT_TRAIN_STEPS], brain[LT_TRAIN_STEPS];
    for (int t = 0; t < LT_TRAIN_STEPS; t++) {
        const double beta = (root + t * step) * (root + t * step);
        product *= 1 - beta;
        betas[t] = (float)beta;
        usual[t] = (float)product;
        half[t] = lt_f32_to_f16(usual[t]);
        brain[t] = lt_f32_to_bf16(usual[t]);
    }
    const lt_tensor tables[] = {
        vector("alphas_cumprod", LT_F32, LT_TRAIN_STEPS, usual), vector("alphas_cumprod", LT_F16, LT_TRAIN_STEPS, half),
        vector("alphas_cumprod", LT_BF16, LT_TRAIN_STEPS, brain), vector("betas", LT_F32, LT_TRAIN_STEPS, betas)};
    lt_session *plain = open_micro(1);
    for (size_t i = 0; i < LT_COUNT(tables); i++) {
        lt_model *model;
        assert_ok(open_noted(marked_file(&tables[i], NULL, NULL), &model));
        assert_memory_equal(&model->parts.schedule, &plain->parts->schedule, sizeof plain->parts->schedule);
        lt_model_close(model);
    }
    lt_session_close(plain);
}

static void another_table_is_taken(void **state) {
    (void)state;
    float table[LT_TRAIN_STEPS];
    fill_table(table, 1.3);
    const lt_tensor t = vector("alphas_cumprod", LT_F32, LT_TRAIN_STEPS, table);
    lt_model *model;
    assert_ok(open_noted(marked_file(&t, NULL, NULL), &model));
    assert_memory_equal(model->parts.schedule.alphas_cumprod, table, sizeof table);
    assert_string_equal(lt_model_describe(model).betas, "its own");
    lt_model_close(model);
}

/* One of zero terminal SNR, however it was rounded, is computed anew; another one in 16 bits is refused. */
static void short_tables_are_told_or_refused(void **state) {
    (void)state;
    lt_noise_schedule rescaled;
    uint16_t half[LT_TRAIN_STEPS];
    float table[LT_TRAIN_STEPS];
    lt_model *model;
    assert_ok(lt_noise_schedule_init(&rescaled, LT_BETA_SCALED_LINEAR, 0.00085, 0.012, LT_PREDICT_EPSILON));
    assert_ok(lt_noise_schedule_rescale(&rescaled));
    const lt_tensor t = vector("alphas_cumprod", LT_F16, LT_TRAIN_STEPS, half);
    for (int i = 0; i < LT_TRAIN_STEPS; i++) half[i] = lt_f32_to_f16(rescaled.alphas_cumprod[i]);
    assert_ok(open_noted(marked_file(&t, NULL, NULL), &model));
    assert_memory_equal(model->parts.schedule.alphas_cumprod, rescaled.alphas_cumprod, sizeof rescaled.alphas_cumprod);
    lt_model_close(model);
    fill_table(table, 1.3);
    for (int i = 0; i < LT_TRAIN_STEPS; i++) half[i] = lt_f32_to_f16(table[i]);
    assert_int_equal(open_noted(marked_file(&t, NULL, NULL), &model), LT_ERROR_UNSUPPORTED);
    assert_non_null(strstr(lt_error_message(), ": the file's alphas_cumprod: they are not Stable Diffusion's"));
}

/* ---- Folders ---- */

static void scheduler_files_are_obeyed(void **state) {
    (void)state;
    lt_model *model;
    assert_ok(open_noted(
        folder_with("own", SCHEDULER,
                    "{" BETAS ", \"prediction_type\": \"v_prediction\", \"rescale_betas_zero_snr\": true,\n"
                    "\"timestep_spacing\": \"trailing\", \"steps_offset\": 0, \"set_alpha_to_one\": true,\n"
                    "\"lambda_min_clipped\": -Infinity, \"clip_sample\": false, \"_class_name\": \"DDIMScheduler\"}"),
        &model));
    assert_string_equal(notes, "");
    const lt_noise_schedule *s = &model->parts.schedule;
    assert_true(s->prediction == LT_PREDICT_V && lt_ends_in_noise(s) && s->offset == 0 && s->to_one);
    assert_int_equal(s->spacing, LT_TRAILING);
    lt_model_close(model);
}

static void files_that_are_not_served_are_refused_or_named(void **state) {
    (void)state;
    static const struct {
        const char *name, *file, *text, *refusal, *note;
    } cases[] = {
        {"clip", SCHEDULER, "{" BETAS ", \"clip_sample\": true}", "clip_sample", NULL},
        {"threshold", SCHEDULER, "{" BETAS ", \"thresholding\": true}", "thresholding", NULL},
        {"sample", SCHEDULER, "{" BETAS ", \"prediction_type\": \"sample\"}", "\"sample\"", NULL},
        {"steps", SCHEDULER, "{" BETAS ", \"num_train_timesteps\": 500}", "num_train_timesteps is 500", NULL},
        {"offset", SCHEDULER, "{" BETAS ", \"steps_offset\": -1}", "steps_offset", NULL},
        {"spacing", SCHEDULER, "{" BETAS ", \"timestep_spacing\": \"odd\"}", "\"odd\"", NULL},
        {"kind", SCHEDULER, "{\"beta_schedule\": \"sigmoid\"}", "\"sigmoid\"", NULL},
        {"list", SCHEDULER, "{\"beta_end\": [0.1, 0.2]}", "beta_end", NULL},
        {"short", SCHEDULER, "{" BETAS ", \"trained_betas\": [0.1]}", "trained_betas", NULL},
        {"final", SCHEDULER, "{" BETAS ", \"final_sigmas_type\": \"sigma_min\", \"new_key\": 3}", NULL,
         "scheduler_config.json asks for what is not served here, so that pictures may differ: final_sigmas_type, "
         "new_key\n"},
        {"nothing", SCHEDULER, "{\"_class_name\": \"PNDMScheduler\"}", NULL,
         "scheduler_config.json says nothing of betas: Stable Diffusion's are taken\n"},
        {"lcm", "unet/config.json", "{\"attention_head_dim\": 8, \"time_cond_proj_dim\": 256}", NULL, ""},
        {"class", "unet/config.json", "{\"attention_head_dim\": 8, \"class_embed_type\": \"timestep\"}", NULL,
         "unet/config.json asks for what is not served here, so that pictures may differ: class_embed_type\n"},
        {"shift", "vae/config.json", "{\"shift_factor\": 0.1, \"latents_mean\": null}", NULL,
         "vae/config.json asks for what is not served here, so that pictures may differ: shift_factor\n"},
        {"eps", "text_encoder/config.json", "{\"layer_norm_eps\": 1e-6, \"top_k\": 50}", NULL,
         "text_encoder/config.json asks for what is not served here, so that pictures may differ: layer_norm_eps\n"},
        {"heads", "unet/config.json", "{\"attention_head_dim\": [4, 4], \"block_out_channels\": [32, 64]}", NULL, ""},
        {"uneven", "unet/config.json", "{\"attention_head_dim\": [4, 5], \"block_out_channels\": [32, 64]}",
         "attention_head_dim", NULL},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_model *model;
        const lt_status status = open_noted(folder_with(cases[i].name, cases[i].file, cases[i].text), &model);
        if ((status != LT_OK) != (cases[i].refusal != NULL)) fail_msg("%s: %s", cases[i].name, lt_error_message());
        if (status)
            assert_non_null(strstr(lt_error_message(), cases[i].refusal));
        else
            assert_string_equal(notes, cases[i].note);
        lt_model_close(model);
    }
}

static void heads_and_layers_are_read(void **state) {
    (void)state;
    lt_model *model;
    assert_ok(open_noted(
        folder_with("wide", "unet/config.json", "{\"attention_head_dim\": [2, 4], \"block_out_channels\": [32, 64]}"),
        &model));
    assert_true(model->parts.unet.heads == 0 && model->parts.unet.head_size == 16);
    lt_model_close(model);
    assert_ok(open_noted(folder_with("fewer", "text_encoder/config.json", "{\"num_hidden_layers\": 1}"), &model));
    assert_int_equal(model->parts.text.layers, 1);
    lt_model_close(model);
}

/* ---- There and back ---- */

static void assert_same_settings(const lt_model *a, const lt_model *b, double tolerance) {
    const lt_noise_schedule *p = &a->parts.schedule, *q = &b->parts.schedule;
    assert_true(p->prediction == q->prediction && p->offset == q->offset && p->to_one == q->to_one);
    assert_int_equal(p->spacing, q->spacing);
    for (int t = 0; t < LT_TRAIN_STEPS; t++)
        if (!(fabs((double)p->alphas_cumprod[t] - (double)q->alphas_cumprod[t]) <= tolerance))
            fail_msg("alphas_cumprod differ at %d", t);
    assert_true(a->parts.unet.heads == b->parts.unet.heads && a->parts.unet.head_size == b->parts.unet.head_size);
    assert_int_equal(a->parts.text.layers, b->parts.text.layers);
}

/* To a single file and to a folder, and from each to the other. */
static void check_conversions(const char *from, double tolerance) {
    static int number;
    char paths[4][300];
    lt_model *first, *model;
    number++;
    for (int i = 0; i < 4; i++)
        snprintf(paths[i], sizeof paths[i], "%s/to-%d-%d%s", scratch_folder(), number, i, i % 2 ? "" : ".safetensors");
    assert_ok(open_noted(from, &first));
    assert_ok(export_ldm(first, paths[0], NULL));
    assert_ok(export_diffusers(first, paths[1], NULL));
    for (int i = 0; i < 2; i++) {
        assert_ok(open_noted(paths[i], &model));
        assert_same_settings(first, model, tolerance);
        assert_ok((i ? export_ldm : export_diffusers)(model, paths[i ? 2 : 3], NULL));
        lt_model_close(model);
    }
    for (int i = 2; i < 4; i++) {
        assert_ok(open_noted(paths[i], &model));
        assert_same_settings(first, model, tolerance);
        lt_model_close(model);
    }
    lt_model_close(first);
}

static void settings_survive_conversions(void **state) {
    (void)state;
    check_conversions(
        folder_with("conv-1", SCHEDULER,
                    "{" BETAS ", \"prediction_type\": \"v_prediction\", \"rescale_betas_zero_snr\": true,\n"
                    "\"timestep_spacing\": \"trailing\", \"steps_offset\": 0, \"set_alpha_to_one\": true}"),
        0);
    check_conversions(
        folder_with("conv-2", SCHEDULER, "{\"beta_schedule\": \"linear\", \"beta_start\": 0.0001, \"beta_end\": 0.02}"),
        0);
    check_conversions(
        folder_with("conv-3", "unet/config.json", "{\"attention_head_dim\": [2, 4], \"block_out_channels\": [32, 64]}"),
        0);
    check_conversions(folder_with("conv-4", "text_encoder/config.json", "{\"num_hidden_layers\": 1}"), 0);
    float table[LT_TRAIN_STEPS];
    fill_table(table, 1.3);
    const lt_tensor own = vector("alphas_cumprod", LT_F32, LT_TRAIN_STEPS, table),
                    mark = vector("v_pred", LT_F32, 0, NULL);
    check_conversions(marked_file(&own, "modelspec.predict_key", "v"), 1.2e-7); /* by way of betas, to the last bit */
    check_conversions(marked_file(&mark, NULL, NULL), 0);
}

static int clean(void **state) {
    (void)state;
    remove_scratch();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_are_obeyed),
        cmocka_unit_test(an_option_wins_over_marks),
        cmocka_unit_test(a_bias_tells_the_second_ones_apart),
        cmocka_unit_test(marks_that_are_not_served_are_refused),
        cmocka_unit_test(the_usual_table_changes_nothing),
        cmocka_unit_test(another_table_is_taken),
        cmocka_unit_test(short_tables_are_told_or_refused),
        cmocka_unit_test(scheduler_files_are_obeyed),
        cmocka_unit_test(files_that_are_not_served_are_refused_or_named),
        cmocka_unit_test(heads_and_layers_are_read),
        cmocka_unit_test(settings_survive_conversions),
    };
    return cmocka_run_group_tests(tests, NULL, clean);
}
