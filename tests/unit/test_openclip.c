/* OpenCLIP's text tower in Stable Diffusion 2's names, and beside OpenAI's in XL's: their outputs are transformers'
 * (recorded, tests/golden/sd2 and xl). */
#include "formats/diffusers.h"
#include "models/architecture.h"
#include "models/openclip.h"
#include "models/shapes.h"
#include "modules.h"
#include "train/contexts.h"

static const char sd2[] = LT_SD2_OPEN_TEXT, xl[] = LT_XL_OPEN_TEXT;

enum { WIDTH = 128, LAYERS = 3, POSITIONS = 77, VOCABULARY = 49408 };

/* ---- Files by the rule of the recorded ones ---- */

/* in_proj: rows of queries, keys and values together. */
static void add_tower(lt_tensor_list *list, const char *prefix, size_t in_proj) {
    static const lt_clip_text text = {.width = WIDTH,
                                      .hidden = 4 * WIDTH,
                                      .layers = LAYERS,
                                      .vocabulary = VOCABULARY,
                                      .positions = POSITIONS,
                                      .projection = WIDTH};
    assert_ok(lt_openclip_list(&text, prefix, list));
    for (size_t i = 0; i < list->count; i++) {
        if (strstr(list->tensors[i].name, ".in_proj_")) list->tensors[i].shape[0] = in_proj;
        lt_tensor_set_contiguous(&list->tensors[i]);
    }
}

/* What XL has beside it: the first text encoder as it was recorded, and a U-Net and a VAE as small as they go. */
static void add_others(lt_tensor_list *list) {
    static const lt_sd_architecture others = {
        .unet = {.in_channels = 4,
                 .out_channels = 4,
                 .channels = 32,
                 .context_dim = 64 + WIDTH,
                 .vector_dim = WIDTH + 6 * 256,
                 .levels = 2,
                 .level = {{32, 1, 1}, {64, 1, 0}},
                 .middle_depth = 1},
        .vae = {.latent_channels = 4, .channels = 32, .levels = 2, .level = {{32, 1}, {32, 1}}},
        .text = {.width = 64, .hidden = 256, .layers = LAYERS, .vocabulary = VOCABULARY, .positions = POSITIONS},
    };
    lt_tensor_list models;
    lt_lister lister = {.list = list, .prefix = LT_XL_TEXT};
    lt_walk walk = lt_walk_listing(&lister);
    lt_clip_text_walk(&others.text, "", &walk);
    assert_ok(lister.status);
    assert_ok(lt_sd_list(&others, 1u << LT_ROLE_UNET | 1u << LT_ROLE_VAE, &models));
    for (size_t i = 0; i < models.count; i++)
        assert_ok(lt_tensor_list_add(list, models.tensors[i].name, &models.tensors[i]));
    lt_tensor_list_free(&models);
}

static lt_status fill(void *user, const lt_tensor *t, float *values) {
    (void)user;
    lt_synthetic_values(t->name, t->rank, t->shape, 0, lt_tensor_count(t), values);
    return LT_OK;
}

static const char *write_model(const char *prefix, size_t in_proj) {
    const char *path = scratch_path("openclip.safetensors");
    lt_tensor_list list = {0};
    add_tower(&list, prefix, in_proj);
    if (prefix == xl) add_others(&list);
    for (size_t i = 0; i < list.count; i++) list.tensors[i].dtype = LT_F16;
    assert_ok(lt_safetensors_write(path, list.tensors, list.count, NULL, 0, NULL, fill, NULL));
    lt_tensor_list_free(&list);
    return path;
}

/* ---- Tests ---- */

static void outputs_are_those_of_transformers(void **state) {
    (void)state;
    lt_session *session;
    assert_ok(open_session(write_model(sd2, 3 * WIDTH), NULL, &session));
    check_module(session, "clip-text", "sd2/clip_text.safetensors", 1e-5);
    const lt_clip_text *text = &session->parts->text;
    assert_true(text->width == WIDTH && text->heads == 2 && text->activation == LT_ACT_GELU);
    assert_int_equal(text->pad, 0);
    assert_int_equal(text->layers, LAYERS - 1); /* of which the last one is not run */
    lt_session_close(session);
}

/* One tensor of the file is three of the model: each is counted once. */
static void tensors_are_counted_as_the_file_has_them(void **state) {
    (void)state;
    lt_report r;
    assert_ok(lt_inspect(write_model(sd2, 3 * WIDTH), NULL, &r));
    assert_int_equal(r.group_count, 2);
    assert_string_equal(r.groups[0].name, "text encoder");
    assert_int_equal(r.groups[1].tensors, 1); /* the projection, which drawing does not need */
    assert_int_equal(r.groups[0].tensors + r.groups[1].tensors, r.all.tensors);
    assert_int_equal(r.groups[0].parameters + r.groups[1].parameters, r.all.parameters);
    lt_report_free(&r);
}

static void what_is_no_three_projections_is_refused(void **state) {
    (void)state;
    lt_session *session;
    assert_int_equal(open_session(write_model(sd2, 3 * WIDTH + 1), NULL, &session), LT_ERROR_MODEL);
    assert_non_null(strstr(lt_error_message(), "in_proj_"));
}

/* Converted, it says in metadata what its names said, and gives the same numbers. */
static void a_conversion_is_the_same_model(void **state) {
    (void)state;
    char converted[300];
    lt_session *session;
    const lt_convert_options ldm = {.layout = "ldm"};
    snprintf(converted, sizeof converted, "%s", scratch_path("converted.safetensors"));
    assert_ok(lt_convert(write_model(sd2, 3 * WIDTH), converted, &ldm));
    assert_ok(open_session(converted, NULL, &session));
    check_module(session, "clip-text", "sd2/clip_text.safetensors", 1e-5);
    assert_int_equal(session->parts->text.pad, 0);
    lt_session_close(session);
}

/* ---- Stable Diffusion XL ---- */

static void check_both(const char *path) {
    lt_session *session;
    assert_ok(open_session(path, NULL, &session));
    check_module(session, "clip-text", "xl/clip_text.safetensors", 1e-5);
    check_module(session, "clip-text-2", "xl/clip_text_2.safetensors", 1e-5);
    const lt_clip_text *text = &session->parts->text, *text_2 = &session->parts->text_2;
    assert_true(text->activation == LT_ACT_QUICK_GELU && text_2->activation == LT_ACT_GELU);
    assert_true(text->pad == 49407 && text_2->pad == 0);
    assert_true(text->layers == LAYERS && text_2->layers == LAYERS && text_2->projection == WIDTH);
    assert_string_equal(text->state, "penultimate");
    assert_string_equal(text_2->state, "penultimate");
    lt_session_close(session);
}

static void both_towers_of_xl_are_those_of_transformers(void **state) {
    (void)state;
    check_both(write_model(xl, 3 * WIDTH));
}

static lt_array recorded_ids(const lt_checkpoint *golden, const char *name, float ids[77]) {
    lt_tensor_read_f32(lt_checkpoint_find(golden, name), ids);
    return (lt_array){"ids", 2, {1, 77}, ids};
}

/* kohya's LoRA for both towers; of the U-Net's layers this file has none, which is noted. */
static void a_lora_is_for_both_towers_of_xl(void **state) {
    (void)state;
    lt_session *session;
    lt_checkpoint golden;
    lt_arrays out;
    float ids[77];
    const char *file = LT_GOLDEN_DIR "/xl/lora.safetensors";
    open_golden("xl/lora_expected.safetensors", &golden);
    assert_ok(open_session(write_model(xl, 3 * WIDTH), NULL, &session));
    assert_ok(lt_session_adapt(session, &(lt_lora){file, 1, 0.6f}, 1));
    lt_array in = recorded_ids(&golden, "ids", ids);
    assert_ok(lt_run(session, "clip-text", &in, 1, &out));
    assert_golden(&golden, "lora@0.6.penultimate", lt_arrays_find(&out, "penultimate")->data, 77 * 64, 1e-5);
    lt_arrays_free(&out);
    in = recorded_ids(&golden, "ids_2", ids);
    assert_ok(lt_run(session, "clip-text-2", &in, 1, &out));
    assert_golden(&golden, "lora@0.6.penultimate_2", lt_arrays_find(&out, "penultimate")->data, 77 * 128, 1e-5);
    assert_golden(&golden, "lora@0.6.pooled", lt_arrays_find(&out, "pooled")->data, 128, 1e-5);
    lt_arrays_free(&out);
    lt_session_close(session);
    lt_checkpoint_close(&golden);
}

static void xl_is_the_same_after_conversions(void **state) {
    (void)state;
    static const char *const layouts[] = {"ldm", "diffusers", "ldm"};
    char from[300], to[300];
    snprintf(from, sizeof from, "%s", write_model(xl, 3 * WIDTH));
    for (size_t i = 0; i < LT_COUNT(layouts); i++) {
        const lt_convert_options options = {.layout = layouts[i]};
        snprintf(to, sizeof to, "%s/xl-%zu%s", scratch_folder(), i, i == 1 ? "" : ".safetensors");
        assert_ok(lt_convert(from, to, &options));
        check_both(to);
        memcpy(from, to, sizeof to);
    }
}

/* As transformers' two classes have them, so that a folder of theirs is read like one of ours. */
static void a_folder_has_both_text_encoders(void **state) {
    (void)state;
    const lt_convert_options options = {.layout = "diffusers"};
    char path[300];
    lt_diffusers folder;
    lt_report r;
    snprintf(path, sizeof path, "%s", scratch_path("folder"));
    assert_ok(lt_convert(write_model(xl, 3 * WIDTH), path, &options));
    assert_ok(lt_diffusers_open(path, &folder));
    assert_string_equal(lt_config_string(&folder.index, "_class_name"), "StableDiffusionXLPipeline");
    assert_string_equal(lt_config_item(&folder.index, "text_encoder_2", 1), "CLIPTextModelWithProjection");
    const lt_component *second = lt_diffusers_find(&folder, "text_encoder_2");
    assert_non_null(second);
    assert_non_null(lt_checkpoint_find(&second->checkpoint, "text_projection.weight"));
    assert_non_null(lt_checkpoint_find(&second->checkpoint, "text_model.encoder.layers.0.self_attn.q_proj.weight"));
    assert_true(lt_config_number(&second->config, "projection_dim", 0) == WIDTH);
    lt_diffusers_close(&folder);
    lt_config tokens;
    assert_ok(lt_config_open(scratch_path("folder/tokenizer_2/tokenizer_config.json"), &tokens));
    assert_string_equal(lt_config_string(&tokens, "pad_token"), "!");
    lt_config_close(&tokens);
    assert_ok(lt_inspect(path, NULL, &r));
    assert_non_null(strstr(r.layout, "text_encoder_2 is transformers: text encoder 2;"));
    assert_string_equal(r.groups[1].name, "text encoder 2");
    assert_int_equal(r.groups[1].tensors, 3 + 16 * LAYERS + 2);
    lt_report_free(&r);
}

/* It is told by name, draws, and is not trained with: in one sentence. */
static void xl_draws_and_does_not_train_yet(void **state) {
    (void)state;
    lt_report r;
    lt_session *session;
    const char *path = write_model(xl, 3 * WIDTH);
    assert_ok(lt_inspect(path, NULL, &r));
    assert_string_equal(r.layout, "LDM checkpoint: text encoder, text encoder 2, VAE, U-Net");
    assert_string_equal(r.groups[0].name, "text encoder");
    assert_string_equal(r.groups[1].name, "text encoder 2");
    assert_int_equal(r.groups[0].tensors, 4 + 16 * LAYERS);
    assert_int_equal(r.groups[1].tensors, 5 + 12 * LAYERS);
    assert_string_equal(r.groups[r.group_count - 1].name, "U-Net"); /* every tensor is needed */
    const lt_model_info info = lt_model_describe(r.model);
    assert_true(info.draws);
    assert_int_equal(info.width, 128 * 2); /* this VAE has two levels */
    lt_report_free(&r);
    assert_ok(open_session(path, NULL, &session));
    assert_true(fabsf(session->parts->vae.scaling - 0.13025f) < 1e-7f);
    const lt_train_options options = {0};
    const lt_train_models models = {.text = &session->parts->text};
    const lt_training training = {.options = &options, .models = &models};
    lt_contexts contexts;
    assert_int_equal(lt_contexts_open(&training, &contexts), LT_ERROR_UNSUPPORTED);
    lt_session_close(session);
}

static void a_tower_without_its_projection_is_refused(void **state) {
    (void)state;
    lt_checkpoint file, golden;
    lt_session *session;
    lt_arrays out;
    assert_ok(lt_checkpoint_open(write_model(xl, 3 * WIDTH), &file));
    lt_tensor kept[1024];
    size_t count = 0;
    assert_true(file.count <= LT_COUNT(kept));
    for (size_t i = 0; i < file.count; i++)
        if (!lt_name_ends(file.tensors[i].name, "text_projection")) kept[count++] = file.tensors[i];
    assert_int_equal(count, file.count - 1);
    assert_ok(lt_safetensors_write(scratch_path("unprojected.safetensors"), kept, count, NULL, 0, NULL, NULL, NULL));
    lt_checkpoint_close(&file);
    assert_ok(open_session(scratch_path("unprojected.safetensors"), NULL, &session));
    open_golden("xl/clip_text_2.safetensors", &golden);
    assert_int_equal(lt_run_module(session, "clip-text-2", golden.tensors, golden.count, &out), LT_ERROR_MODEL);
    assert_non_null(strstr(lt_error_message(), "text_projection.weight"));
    lt_checkpoint_close(&golden);
    lt_session_close(session);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_are_those_of_transformers),
        cmocka_unit_test(tensors_are_counted_as_the_file_has_them),
        cmocka_unit_test(what_is_no_three_projections_is_refused),
        cmocka_unit_test(a_conversion_is_the_same_model),
        cmocka_unit_test(both_towers_of_xl_are_those_of_transformers),
        cmocka_unit_test(a_lora_is_for_both_towers_of_xl),
        cmocka_unit_test(xl_is_the_same_after_conversions),
        cmocka_unit_test(a_folder_has_both_text_encoders),
        cmocka_unit_test(xl_draws_and_does_not_train_yet),
        cmocka_unit_test(a_tower_without_its_projection_is_refused),
    };
    const int failed = cmocka_run_group_tests_name("openclip", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
