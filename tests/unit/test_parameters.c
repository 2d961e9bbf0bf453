/* How a picture was made, written beside it and followed again: the same bytes; and texts of the web UIs. */
#include "micro.h"

#include <latent.h>

static char notices[2048];

static void hear(void *user, const char *message) {
    (void)user;
    strncat(notices, message, sizeof notices - strlen(notices) - 2);
    strcat(notices, "\n");
}

static lt_session *open_in(lt_precision precision) {
    lt_session_options options = lt_session_options_defaults();
    options.threads = 1;
    options.precision = precision;
    options.notice = hear;
    lt_session *session;
    assert_ok(open_session(micro_checkpoint(), &options, &session));
    *notices = '\0';
    return session;
}

static lt_session *open_heard(void) { return open_in(LT_PRECISION_AUTO); }

static lt_request small(const char *prompt) {
    lt_request r = lt_request_defaults();
    r.prompt = prompt;
    r.width = r.height = 64;
    r.steps = 2;
    r.seed = 5;
    r.random_seed = false;
    return r;
}

/* ---- Our own ---- */

static void assert_same_picture(const lt_image *a, const lt_image *b) {
    assert_int_equal(a->width, b->width);
    assert_int_equal(a->height, b->height);
    assert_memory_equal(a->pixels, b->pixels, (size_t)a->width * (size_t)a->height * 3);
}

/* Draws, reads the picture's text, and draws what it says with the pictures that it does not hold. */
static void redraw(lt_session *session, const lt_request *request) {
    lt_result first, again;
    lt_request r = lt_request_defaults();
    char *texts;
    assert_ok(lt_generate(session, request, &first));
    r.image = request->image;
    r.mask = request->mask;
    *notices = '\0';
    assert_ok(lt_request_from_parameters(first.parameters[0], session, &r, &texts));
    assert_string_equal(notices, "");
    assert_string_equal(r.prompt, request->prompt);
    assert_string_equal(r.negative_prompt, request->negative_prompt);
    assert_ok(lt_generate(session, &r, &again));
    assert_string_equal(again.parameters[0], first.parameters[0]);
    assert_same_picture(&again.images[0], &first.images[0]);
    lt_string_free(texts);
    lt_result_free(&first);
    lt_result_free(&again);
}

static void test_samplers(void **state) {
    (void)state;
    lt_session *session = open_heard();
    for (const char *const *name = lt_samplers(); *name; name++) {
        lt_request r = small("a cat");
        r.sampler = *name;
        redraw(session, &r);
    }
    for (const char *const *name = lt_schedules(); *name; name++) {
        lt_request r = small("a cat");
        r.sampler = "euler";
        r.schedule = *name;
        redraw(session, &r);
    }
    lt_session_close(session);
}

static void test_settings(void **state) {
    (void)state;
    lt_session *session = open_heard();
    lt_request r = small("a (cat:1.2), with \"quotes\"\nNegative prompt: in it \nSteps: 3, Seed: 4, Size: 8x8");
    r.negative_prompt = "blurry,\n Negative prompt:";
    r.guidance = 3.14159274f;
    r.seed = 18446744073709551615u;
    r.rng = LT_RNG_PHILOX;
    r.clip_skip = 2;
    redraw(session, &r);
    r.guidance_interval[0] = 0.28f;
    redraw(session, &r);
    r.guidance_interval[1] = 5.42f;
    r.deep_cache = 2;
    r.guidance_rescale = 0.7f;
    r.variation_seed = 18446744073709551614u;
    r.variation_strength = 0.35f;
    r.seed_resize_width = r.seed_resize_height = 128;
    r.merge_tokens = 0.4f;
    redraw(session, &r);
    r.plain_prompt = r.tiling = true;
    r.sampler = "ddim";
    r.eta = 0.3f;
    redraw(session, &r);
    lt_session_close(session);
}

static void test_of_a_picture(void **state) {
    (void)state;
    lt_session *session = open_heard();
    uint8_t pixels[64 * 64 * 3], mask_pixels[64 * 64 * 3];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < sizeof pixels; i++) mask_pixels[i] = i % 192 < 96 ? 255 : 0;
    const lt_image image = {64, 64, pixels}, mask = {64, 64, mask_pixels};
    lt_request r = small("a cat");
    r.image = &image;
    r.strength = 0.9;
    redraw(session, &r);
    r.mask = &mask;
    r.mask_blur = 2.5f;
    redraw(session, &r);
    r.masked_content = LT_CONTENT_FILL;
    redraw(session, &r);
    r.masked_content = LT_CONTENT_NOISE;
    r.only_masked = true;
    r.mask_padding = 3;
    r.seamless = LT_SEAMLESS_Y;
    redraw(session, &r);
    lt_session_close(session);
}

static void expect_precision(const char *text, lt_precision expected) {
    lt_precision precision;
    assert_ok(lt_precision_from_parameters(text, &precision));
    assert_int_equal(precision, expected);
}

/* The text says it, but for float32, and whoever draws in another is told. */
static void test_precision(void **state) {
    (void)state;
    lt_session *rounded = open_in(LT_PRECISION_INT8), *exact = open_in(LT_PRECISION_F32);
    lt_request r = small("a cat");
    lt_result results[2];
    char *texts;
    redraw(rounded, &r);
    assert_ok(lt_generate(rounded, &r, &results[0]));
    assert_ok(lt_generate(exact, &r, &results[1]));
    expect_precision(results[0].parameters[0], LT_PRECISION_INT8);
    expect_precision(results[1].parameters[0], LT_PRECISION_F32);
    assert_null(strstr(results[1].parameters[0], "Precision"));
    for (int i = 0; i < 2; i++) {
        *notices = '\0';
        assert_ok(lt_request_from_parameters(results[i].parameters[0], i ? rounded : exact, &r, &texts));
        assert_non_null(
            strstr(notices, i ? "made in f32; here it is drawn in int8" : "made in int8; here it is drawn in f32"));
        lt_string_free(texts);
        lt_result_free(&results[i]);
    }
    expect_precision("a cat", LT_PRECISION_AUTO);
    expect_precision("a cat\nSteps: 7, Sampler: Euler a, Seed: 1, Version: v1.10.1", LT_PRECISION_AUTO);
    expect_precision("a cat\nSteps: 7, Sampler: Euler a, Seed: 1, Precision: auto, Version: latent 9",
                     LT_PRECISION_AUTO);
    lt_session_close(rounded);
    lt_session_close(exact);
}

/* ---- Others' ---- */

static void test_names_of_others(void **state) {
    (void)state;
    static const struct {
        const char *theirs, *sampler, *schedule;
    } cases[] = {
        {"Euler a", "euler_a", NULL},
        {"DPM++ 2M Karras", "dpmpp_2m", "karras"},
        {"DPM++ 2M SDE Exponential", "dpmpp_2m_sde", "exponential"},
        {"DPM++ 3M SDE", "dpmpp_3m_sde", NULL},
        {"DPM++ SDE Karras", "dpmpp_sde", "karras"},
        {"DPM2 a Karras", "dpm2_a", "karras"},
        {"k_euler_ancestral", "euler_a", NULL},
        {"dpm++2m", "dpmpp_2m", NULL},
        {"LMS Karras", "lms", "karras"},
        {"UniPC", "unipc", NULL},
        {"EulerAncestralDiscreteScheduler", "euler_a", NULL},
        {"KDPM2DiscreteScheduler", "dpm2", NULL},
        {"KDPM2AncestralDiscreteScheduler", "dpm2_a", NULL},
        {"DPMSolverMultistepScheduler", "dpmpp_2m", NULL},
        {"PNDMScheduler", "plms", NULL},
    };
    lt_session *session = open_heard();
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_request r = small("a"), own = small("a");
        lt_result theirs, ours;
        r.sampler = cases[i].theirs;
        own.sampler = cases[i].sampler;
        own.schedule = cases[i].schedule;
        assert_ok(lt_generate(session, &r, &theirs));
        assert_ok(lt_generate(session, &own, &ours));
        assert_string_equal(theirs.parameters[0], ours.parameters[0]);
        assert_same_picture(&theirs.images[0], &ours.images[0]);
        lt_result_free(&theirs);
        lt_result_free(&ours);
    }
    lt_session_close(session);
}

/* A text of that web UI, with what is not served here: it is told. */
static void test_a_web_ui(void **state) {
    (void)state;
    lt_session *session = open_heard();
    lt_request r = lt_request_defaults();
    char *texts;
    assert_ok(lt_request_from_parameters(
        "a cat\nNegative prompt: a dog\nSteps: 7, Sampler: Euler a, Schedule type: Automatic, CFG scale: 4.5, Seed: "
        "12, "
        "Size: 96x64, Model hash: cc6cb27103, Model: v1-5, Denoising strength: 0.4, Clip skip: 2, "
        "Hires upscale: 2, Hires upscaler: R-ESRGAN 4x+, ENSD: 31337, Version: v1.10.1",
        session, &r, &texts));
    assert_string_equal(r.prompt, "a cat");
    assert_string_equal(r.negative_prompt, "a dog");
    assert_int_equal(r.steps, 7);
    assert_string_equal(r.sampler, "euler_a");
    assert_string_equal(r.schedule, "normal");
    assert_true(fabsf(r.guidance - 4.5f) < 1e-6f);
    assert_false(r.random_seed);
    assert_int_equal(r.seed, 12);
    assert_int_equal(r.width, 96);
    assert_int_equal(r.height, 64);
    assert_int_equal(r.clip_skip, 2);
    assert_int_equal(r.rng, LT_RNG_PHILOX);
    assert_non_null(strstr(notices, "made with the model v1-5; this is micro"));
    assert_true(fabs(r.hires_scale - 2) < 1e-9 && fabs(r.hires_strength - 0.4) < 1e-9);
    assert_string_equal(r.hires_upscaler, "RealESRGAN_x4plus");
    assert_non_null(strstr(notices, "left out: ENSD"));
    lt_string_free(texts);
    lt_session_close(session);
}

static void test_texts_that_say_little(void **state) {
    (void)state;
    lt_request r = lt_request_defaults();
    char *texts;
    assert_int_equal(lt_request_from_parameters(NULL, NULL, &r, &texts), LT_ERROR_ARGUMENT);
    assert_int_equal(lt_request_from_parameters("a", NULL, NULL, &texts), LT_ERROR_ARGUMENT);
    assert_int_equal(lt_request_from_parameters("a", NULL, &r, NULL), LT_ERROR_ARGUMENT);
    assert_ok(lt_request_from_parameters("a cat", NULL, &r, &texts));
    assert_string_equal(r.prompt, "a cat");
    assert_true(r.random_seed);
    assert_int_equal(r.rng, LT_RNG_CPU);
    lt_string_free(texts);
    assert_ok(lt_request_from_parameters("\nSteps: x, Sampler: nosuch, Seed: -1, Size: 0x9", NULL, &r, &texts));
    assert_int_equal(r.steps, 20);
    assert_string_equal(r.sampler, "dpmpp_2m");
    assert_int_equal(r.width, 0);
    lt_string_free(texts);
}

/* Values that are not possible are brought to such as are, and told; what the caller has set stays his. */
static void test_impossible_values(void **state) {
    (void)state;
    static const char text[] =
        "a cat\nSteps: 70000, CFG scale: -1e9, Seed: 3, Size: 64x64, Clip skip: 0, Variation seed: 5, "
        "Variation seed strength: 2, Denoising strength: 1.5, Token merging ratio: -1";
    lt_session *session = open_heard();
    lt_request r = lt_request_defaults();
    char *texts;
    r.count = -5;
    assert_ok(lt_request_from_parameters(text, session, &r, &texts));
    assert_int_equal(r.steps, 1000);
    assert_true(r.guidance == -1000);
    assert_int_equal(r.clip_skip, 1);
    assert_true(r.variation_strength == 1);
    assert_true(r.strength == 1);
    assert_true(r.merge_tokens == 0);
    assert_int_equal(r.count, -5);
    assert_non_null(strstr(notices, "strength: 1.5; above 0, up to 1 is possible"));
    assert_null(strstr(notices, "count"));
    lt_string_free(texts);
    r = lt_request_defaults();
    assert_ok(lt_request_from_parameters("a\nSteps: 4, Denoising strength: 0, Hires upscale: 20", NULL, &r, &texts));
    assert_true(r.hires_strength == lt_request_defaults().hires_strength);
    assert_true(r.hires_scale == 8);
    lt_string_free(texts);
    lt_session_close(session);
}

static void test_hashes_that_are_none(void **state) {
    (void)state;
    lt_session *session = open_heard();
    lt_request r = lt_request_defaults();
    lt_result result;
    char *texts;
    assert_ok(lt_request_from_parameters("a cat\nSteps: 1, CFG scale: 0x10, Size: 64x64, Hires upscaler: gone, Lora "
                                         "hashes: \"K: 1, ink: 0123456789ab\"",
                                         session, &r, &texts));
    assert_non_null(strstr(notices, "can't be followed here: CFG scale: 0x10"));
    assert_non_null(strstr(notices, "made with the upscaler gone, which is nowhere here"));
    assert_true(r.guidance < 16);
    assert_null(r.embedding_hashes);
    assert_ok(lt_generate(session, &r, &result));
    assert_non_null(strstr(notices, "`lora_hashes`: \"K: 1\" has no hash of 8 digits or more"));
    assert_null(strstr(notices, "embedding_hashes"));
    lt_result_free(&result);
    lt_string_free(texts);
    assert_ok(lt_request_from_parameters("a cat\nSteps: 1, Size: 64x64, Version: latent 0.1.0", NULL, &r, &texts));
    assert_string_equal(r.embedding_hashes, ""); /* it was made without any */
    lt_string_free(texts);
    lt_session_close(session);
}

/* ---- As they are written ---- */

static void test_what_a_text_says(void **state) {
    (void)state;
    lt_parameter_list p = {0};
    assert_ok(lt_parameter_list_read(
        "a cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler a, Model: \"with, a comma\"", &p));
    assert_string_equal(p.prompt, "a cat");
    assert_string_equal(p.negative_prompt, "dog");
    assert_int_equal(p.count, 3);
    assert_string_equal(p.items[1].key, "Sampler");
    assert_string_equal(p.items[1].value, "Euler a");
    assert_string_equal(p.items[2].value, "with, a comma");
    lt_parameter_list_free(&p);
    assert_null(p.owner);
    assert_ok(lt_parameter_list_read("Steps: 20", &p));
    assert_string_equal(p.prompt, "Steps: 20");
    assert_int_equal(p.count, 0);
    lt_parameter_list_free(&p);
    lt_parameter_list_free(NULL);
    assert_int_equal(lt_parameter_list_read(NULL, &p), LT_ERROR_ARGUMENT);
    assert_int_equal(lt_parameter_list_read("a", NULL), LT_ERROR_ARGUMENT);
}

static void test_names(void **state) {
    (void)state;
    const char *schedule;
    assert_string_equal(lt_sampler_read("DPM++ 2M Karras", &schedule), "dpmpp_2m");
    assert_string_equal(schedule, "karras");
    assert_string_equal(lt_sampler_read("Euler a", NULL), "euler_a");
    assert_string_equal(lt_schedule_read("SGM Uniform"), "sgm_uniform");
    assert_string_equal(lt_sampler_label("euler_a"), "Euler a");
    assert_string_equal(lt_schedule_label("karras"), "Karras");
    assert_string_equal(lt_schedule_automatic("euler_a"), "normal");
    assert_null(lt_schedule_automatic("ddim"));
    assert_null(lt_sampler_read(NULL, NULL));
    assert_null(lt_schedule_read(NULL));
    assert_null(lt_sampler_label(NULL));
    assert_null(lt_schedule_label(NULL));
    assert_null(lt_schedule_automatic(NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samplers),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_of_a_picture),
        cmocka_unit_test(test_names_of_others),
        cmocka_unit_test(test_a_web_ui),
        cmocka_unit_test(test_texts_that_say_little),
        cmocka_unit_test(test_hashes_that_are_none),
        cmocka_unit_test(test_impossible_values),
        cmocka_unit_test(test_precision),
        cmocka_unit_test(test_what_a_text_says),
        cmocka_unit_test(test_names),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_scratch();
    return failed;
}
