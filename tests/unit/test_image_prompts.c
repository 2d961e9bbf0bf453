/* IP-Adapters of both kinds: their tokens, what the U-Net makes with them, and a whole picture with two of them, a mask
 * and an interval, against diffusers (recorded); what does not fit. */
#include "api/model.h"
#include "image_prompt_files.h"
#include "modules.h"

static const double MODULE_LIMIT = 1e-5, UNET_LIMIT = 1e-4, RUN_LIMIT = 1e-3;

static const struct {
    image_prompt_file file;
    const char *recorded;
} adapters[] = {{FILE_PLAIN, "image_prompt/ip_adapter.safetensors"},
                {FILE_PLUS, "image_prompt/ip_plus_adapter.safetensors"}};

/* ---- What they are drawn with ---- */

typedef struct fixture {
    lt_model *encoder, *adapters[LT_COUNT(adapters)];
    lt_image image;
} fixture;

static fixture open_fixture(void) {
    fixture f;
    assert_ok(lt_model_open(image_prompt_path(FILE_ENCODER), NULL, &f.encoder));
    for (size_t i = 0; i < LT_COUNT(adapters); i++)
        assert_ok(lt_model_open(image_prompt_path(adapters[i].file), NULL, &f.adapters[i]));
    assert_ok(lt_image_load(LT_GOLDEN_DIR "/image_prompt/ip_image.png", &f.image));
    return f;
}

static void close_fixture(fixture *f) {
    lt_model_close(f->encoder);
    for (size_t i = 0; i < LT_COUNT(adapters); i++) lt_model_close(f->adapters[i]);
    lt_image_free(&f->image);
}

static lt_image_prompt prompt_of(const fixture *f, size_t i, float scale) {
    lt_image_prompt p = lt_image_prompt_defaults();
    p.adapter = f->adapters[i];
    p.image = &f->image;
    p.scale = scale;
    return p;
}

/* ---- Modules ---- */

static void tokens_are_those_of_diffusers(void **state) {
    (void)state;
    fixture f = open_fixture();
    const lt_run_options with = {.image_encoder = f.encoder};
    lt_checkpoint seen;
    open_golden("image_prompt/image_encoder.safetensors", &seen);
    for (size_t i = 0; i < LT_COUNT(adapters); i++) {
        lt_checkpoint golden;
        lt_session *session;
        lt_arrays out;
        open_golden(adapters[i].recorded, &golden);
        assert_ok(lt_session_open(f.adapters[i], NULL, &session));
        assert_ok(lt_run_module_with(session, "image-prompt", &with, seen.tensors, seen.count, &out));
        assert_int_equal(out.count, 2);
        for (size_t k = 0; k < out.count; k++) assert_golden_array(&golden, &out.items[k], MODULE_LIMIT);
        lt_arrays_free(&out);
        lt_session_close(session);
        lt_checkpoint_close(&golden);
    }
    lt_checkpoint_close(&seen);
    close_fixture(&f);
}

static void run_unet(lt_session *session, const lt_run_options *with, const lt_checkpoint *golden, const char *name) {
    lt_arrays out;
    assert_ok(lt_run_module_with(session, "unet", with, golden->tensors, golden->count, &out));
    out.items[0].name = name;
    assert_golden_array(golden, &out.items[0], UNET_LIMIT);
    lt_arrays_free(&out);
}

static void the_unet_reads_them(void **state) {
    (void)state;
    static const struct {
        float scale;
        const char *name;
    } cases[] = {{1, "out@1"}, {0.5f, "out@0.5"}, {0, "out@0"}};
    fixture f = open_fixture();
    lt_session *session;
    assert_ok(open_session(synthetic_checkpoint("tiny"), NULL, &session));
    for (size_t i = 0; i < LT_COUNT(adapters); i++) {
        lt_checkpoint golden;
        open_golden(adapters[i].recorded, &golden);
        for (size_t k = 0; k < LT_COUNT(cases); k++) {
            const lt_image_prompt p = prompt_of(&f, i, cases[k].scale);
            run_unet(session, &(lt_run_options){&p, 1, f.encoder}, &golden, cases[k].name);
        }
        run_unet(session, NULL, &golden, "out@0"); /* what was there is there no more */
        lt_checkpoint_close(&golden);
    }
    lt_session_close(session);
    close_fixture(&f);
}

static void the_unet_of_xl_reads_them(void **state) {
    (void)state;
    fixture f = open_fixture();
    lt_session *session;
    lt_model *adapter;
    lt_checkpoint golden;
    open_golden("xl/ip_adapter.safetensors", &golden);
    assert_ok(lt_model_open(synthetic_checkpoint("tiny-xl-ip"), NULL, &adapter));
    assert_ok(open_session(synthetic_checkpoint("tiny-xl"), NULL, &session));
    lt_image_prompt p = prompt_of(&f, 0, 0.5f);
    p.adapter = adapter;
    run_unet(session, &(lt_run_options){&p, 1, f.encoder}, &golden, "out@0.5");
    lt_session_close(session);
    lt_model_close(adapter);
    lt_checkpoint_close(&golden);
    close_fixture(&f);
}

/* ---- In fewer bits ---- */

static void tokens_are_near(const fixture *f, size_t i, const lt_checkpoint *golden, const lt_session_options *options,
                            double limit) {
    const lt_run_options with = {.image_encoder = f->encoder};
    lt_checkpoint seen;
    lt_session *session;
    lt_arrays out;
    open_golden("image_prompt/image_encoder.safetensors", &seen);
    assert_ok(lt_session_open(f->adapters[i], options, &session));
    assert_ok(lt_run_module_with(session, "image-prompt", &with, seen.tensors, seen.count, &out));
    for (size_t k = 0; k < out.count; k++) assert_golden_array(golden, &out.items[k], limit);
    lt_arrays_free(&out);
    lt_session_close(session);
    lt_checkpoint_close(&seen);
}

static double unet_error(const lt_run_options *with, const lt_checkpoint *golden, const char *name,
                         const lt_session_options *options) {
    lt_session *session;
    lt_arrays out;
    size_t count;
    float *expected = golden_values(golden, name, &count);
    assert_ok(open_session(synthetic_checkpoint("tiny"), options, &session));
    assert_ok(lt_run_module_with(session, "unet", with, golden->tensors, golden->count, &out));
    const double error = relative_error(out.items[0].data, expected, count);
    print_message("    unet, %s: relative error %.2e\n", name, error);
    lt_arrays_free(&out);
    lt_session_close(session);
    free(expected);
    return error;
}

/* This U-Net magnifies each rounding some tenfold: an image prompt must not add to what it makes without one. Gives the
 * square of how many times as great the error is with one, which is up to chance for one of them. */
static double times_as_far(const fixture *f, size_t i, const lt_checkpoint *golden, const lt_session_options *options) {
    const lt_image_prompt p = prompt_of(f, i, 1);
    const double without = unet_error(NULL, golden, "out@0", options);
    const double with = unet_error(&(lt_run_options){&p, 1, f->encoder}, golden, "out@1", options);
    return with * with / (without * without);
}

static void rounded_they_are_near(void **state) {
    (void)state;
    static const lt_precision precisions[] = {LT_PRECISION_BF16, LT_PRECISION_INT8};
    fixture f = open_fixture();
    for (size_t c = 0; c < LT_COUNT(precisions); c++) {
        double squares = 0;
        for (size_t i = 0; i < LT_COUNT(adapters); i++) {
            lt_session_options options = lt_session_options_defaults();
            lt_session *session;
            lt_checkpoint golden;
            options.precision = precisions[c];
            if (lt_session_open(f.adapters[i], &options, &session) == LT_ERROR_UNSUPPORTED) continue;
            lt_session_close(session);
            open_golden(adapters[i].recorded, &golden);
            tokens_are_near(&f, i, &golden, &options, 1e-2); /* of what is bf16 itself, the image encoder's states */
            squares += times_as_far(&f, i, &golden, &options) / LT_COUNT(adapters);
            lt_checkpoint_close(&golden);
        }
        if (!(squares <= 1.2 * 1.2)) fail_msg("%g times as far with an image prompt as without", sqrt(squares));
    }
    close_fixture(&f);
}

/* ---- A picture ---- */

enum { SIDE = 128 };

static lt_image left_half(void) {
    lt_image mask;
    assert_ok(lt_image_alloc(SIDE, SIDE, &mask));
    for (int i = 0; i < 3 * SIDE * SIDE; i++) mask.pixels[i] = i / 3 % SIDE < SIDE / 2 ? 255 : 0;
    return mask;
}

static lt_request recorded_request(void) {
    lt_request r = lt_request_defaults();
    r.prompt = "a photo of an astronaut riding a horse on mars";
    r.negative_prompt = "blurry, ugly";
    r.width = r.height = SIDE;
    r.steps = 10;
    r.sampler = "ddim";
    r.random_seed = false;
    return r;
}

/* The recorded prompts: the plain adapter over a part of the steps, Plus in a part of the picture. */
static void make_prompts(const fixture *f, const lt_image *mask, lt_image_prompt prompts[2]) {
    prompts[0] = prompt_of(f, 0, 0.6f);
    prompts[0].start = 0.2;
    prompts[0].end = 0.8;
    prompts[1] = prompt_of(f, 1, 0.4f);
    prompts[1].mask = mask;
}

static void a_picture_is_that_of_diffusers(void **state) {
    (void)state;
    fixture f = open_fixture();
    lt_image mask = left_half();
    lt_image_prompt prompts[2];
    lt_checkpoint golden;
    size_t count;
    make_prompts(&f, &mask, prompts);
    open_golden("image_prompt/txt2img_ddim.safetensors", &golden);
    float *noise = golden_values(&golden, "noise", &count);
    lt_request r = recorded_request();
    r.image_prompts = prompts;
    r.image_prompt_count = 2;
    r.image_encoder = f.encoder;
    r.noise = noise;
    r.keep_steps = true;
    for (int low = 0; low < 2; low++) { /* all branches at once, and one by one */
        lt_session_options options = lt_session_options_defaults();
        lt_session *session;
        lt_result result;
        options.low_memory = low;
        options.threads = 1 + low;
        assert_ok(open_session(synthetic_checkpoint("tiny"), &options, &session));
        assert_ok(lt_generate(session, &r, &result));
        assert_golden(&golden, "latents", result.step_latents[0], count * 11, RUN_LIMIT);
        assert_golden(&golden, "latent", result.latents[0], count, RUN_LIMIT);
        lt_result_free(&result);
        lt_session_close(session);
    }
    free(noise);
    lt_checkpoint_close(&golden);
    lt_image_free(&mask);
    close_fixture(&f);
}

/* Each of what is left out of some predictions goes with them; a request without them draws as before. */
static void they_go_with_everything(void **state) {
    (void)state;
    fixture f = open_fixture();
    lt_image mask = left_half();
    lt_image_prompt prompts[2];
    lt_session *session;
    make_prompts(&f, &mask, prompts);
    assert_ok(open_session(synthetic_checkpoint("tiny"), NULL, &session));
    lt_request r = recorded_request();
    r.steps = 3;
    lt_result plain[2], with;
    assert_ok(lt_generate(session, &r, &plain[0]));
    for (int which = 0; which < 4; which++) {
        lt_request asked = r;
        asked.image_prompts = prompts;
        asked.image_prompt_count = 2;
        asked.image_encoder = f.encoder;
        asked.deep_cache = which == 1 ? 2 : 1;
        asked.merge_tokens = which == 2 ? 0.5f : 0;
        asked.guidance_interval[1] = which == 3 ? 5 : 0;
        assert_ok(lt_generate(session, &asked, &with));
        const size_t count = (size_t)with.latent_shape[0] * (size_t)with.latent_shape[1] * (size_t)with.latent_shape[2];
        assert_true(relative_error(with.latents[0], plain[0].latents[0], count) > 1e-3);
        lt_result_free(&with);
    }
    assert_ok(lt_generate(session, &r, &plain[1]));
    assert_memory_equal(plain[0].images[0].pixels, plain[1].images[0].pixels, 3 * SIDE * SIDE);
    lt_result_free(&plain[0]);
    lt_result_free(&plain[1]);
    lt_session_close(session);
    lt_image_free(&mask);
    close_fixture(&f);
}

/* ---- What does not fit ---- */

static void expect_refusal(lt_session *session, const lt_request *r, lt_status status, const char *part) {
    lt_result result;
    assert_int_equal(lt_generate(session, r, &result), status);
    if (!strstr(lt_error_message(), part)) fail_msg("%s has no \"%s\"", lt_error_message(), part);
}

static void what_makes_no_sense_is_refused(void **state) {
    (void)state;
    fixture f = open_fixture();
    lt_session *session;
    assert_ok(open_session(synthetic_checkpoint("tiny"), NULL, &session));
    lt_image_prompt p = prompt_of(&f, 0, 1);
    const lt_image_prompt usual = p;
    lt_request r = recorded_request();
    r.image_prompts = &p;
    r.image_prompt_count = 1;
    expect_refusal(session, &r, LT_ERROR_ARGUMENT, "image_encoder");
    r.image_encoder = f.adapters[0];
    expect_refusal(session, &r, LT_ERROR_MODEL, "has no image encoder");
    r.image_encoder = f.encoder;
    p.adapter = f.encoder;
    expect_refusal(session, &r, LT_ERROR_MODEL, "has no IP-Adapter");
    p = usual;
    p.image = NULL;
    expect_refusal(session, &r, LT_ERROR_ARGUMENT, "no image");
    p = usual;
    p.scale = NAN;
    expect_refusal(session, &r, LT_ERROR_ARGUMENT, "scale");
    p = usual;
    p.start = 0.5, p.end = 0.4;
    expect_refusal(session, &r, LT_ERROR_ARGUMENT, "shares");
    p = usual;
    p.reserved[0] = 1;
    expect_refusal(session, &r, LT_ERROR_ARGUMENT, "reserved");
    r.image_prompts = NULL;
    expect_refusal(session, &r, LT_ERROR_ARGUMENT, "NULL");
    r.image_prompts = &usual;
    r.image_prompt_count = LT_MOST_IMAGE_PROMPTS + 1;
    expect_refusal(session, &r, LT_ERROR_ARGUMENT, "up to 8");
    lt_session_close(session);
    close_fixture(&f);
}

/* A file of one layer's names, with what else makes a kind of it. */
static const char *write_stranger(const char *layer, size_t rows, size_t columns, size_t context) {
    const char *path = scratch_path("stranger.safetensors");
    lt_tensor_list list = {0};
    add_layer(&list, layer, rows, columns, false);
    add_layer(&list, "ip_adapter.1.to_k_ip", 64, context, false);
    add_layer(&list, "ip_adapter.1.to_v_ip", 64, context, false);
    write_list_at(path, &list);
    return path;
}

static void expect_open_refusal(const char *path, lt_status status, const char *part) {
    lt_model *model;
    assert_int_equal(lt_model_open(path, NULL, &model), status);
    if (!strstr(lt_error_message(), part)) fail_msg("%s has no \"%s\"", lt_error_message(), part);
}

static void other_kinds_are_named(void **state) {
    (void)state;
    expect_open_refusal(write_stranger("image_proj.proj.0", 64, 64, 64), LT_ERROR_UNSUPPORTED, "of FaceID,");
    expect_open_refusal(write_stranger("image_proj.proj.3", 64, 0, 64), LT_ERROR_UNSUPPORTED, "full-face");
    expect_open_refusal(write_stranger("image_proj.perceiver_resampler.proj_in", 64, 64, 64), LT_ERROR_UNSUPPORTED,
                        "FaceID Plus");
    expect_open_refusal(write_stranger("image_proj.norm", 64, 0, 64), LT_ERROR_MODEL, "image_proj");
    fixture f = open_fixture();
    lt_session *session;
    lt_image_prompt p = prompt_of(&f, 0, 1);
    lt_model *other;
    assert_ok(open_session(synthetic_checkpoint("tiny"), NULL, &session));
    lt_request r = recorded_request();
    r.image_prompts = &p;
    r.image_prompt_count = 1;
    r.image_encoder = f.encoder;
    assert_ok(lt_model_open(write_stranger("image_proj.proj", 4 * 2048, 96, 2048), NULL, &other));
    p.adapter = other;
    expect_refusal(session, &r, LT_ERROR_MODEL, "Stable Diffusion XL");
    lt_model_close(other);
    assert_ok(lt_model_open(write_stranger("image_proj.proj", 4 * 64, 96, 64), NULL, &other));
    p.adapter = other;
    expect_refusal(session, &r, LT_ERROR_MODEL, "1 attentions; this model has 16");
    lt_model_close(other);
    lt_session_close(session);
    close_fixture(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_those_of_diffusers),  cmocka_unit_test(the_unet_reads_them),
        cmocka_unit_test(the_unet_of_xl_reads_them),      cmocka_unit_test(rounded_they_are_near),
        cmocka_unit_test(a_picture_is_that_of_diffusers), cmocka_unit_test(they_go_with_everything),
        cmocka_unit_test(what_makes_no_sense_is_refused), cmocka_unit_test(other_kinds_are_named),
    };
    const int failed = cmocka_run_group_tests_name("image prompts", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
