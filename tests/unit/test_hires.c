/* The second pass: sizes and steps as A1111 counts them, latents as PyTorch resamples them, pictures, parameters texts.
 */
#include "golden.h"
#include "pipeline/hires.h"

#include <jansson.h>

static json_t *load(const char *name) {
    json_t *rows = json_load_file(lt_name_of("%s/upscale/%s", LT_GOLDEN_DIR, name).text, 0, NULL);
    assert_non_null(rows);
    return rows;
}

static int number_of(const json_t *row, const char *key) { return (int)json_integer_value(json_object_get(row, key)); }

static int item_of(const json_t *row, const char *key, size_t i) {
    return (int)json_integer_value(json_array_get(json_object_get(row, key), i));
}

/* ---- As recorded ---- */

static void test_sizes(void **state) {
    (void)state;
    json_t *rows = load("hires_sizes.json"), *row;
    size_t i;
    json_array_foreach(rows, i, row) {
        const lt_hires_size s = lt_hires_size_of(number_of(row, "width"), number_of(row, "height"),
                                                 json_number_value(json_object_get(row, "scale")),
                                                 number_of(row, "resize_x"), number_of(row, "resize_y"), 8);
        assert_int_equal(s.width, item_of(row, "upscale_to", 0));
        assert_int_equal(s.height, item_of(row, "upscale_to", 1));
        assert_int_equal(s.cut_x, item_of(row, "truncate_latent", 0));
        assert_int_equal(s.cut_y, item_of(row, "truncate_latent", 1));
    }
    assert_true(i > 5);
    json_decref(rows);
}

/* The last `run` of a way of `schedule` steps. */
static void check_steps(const lt_noise_schedule *s, int asked, double strength, int schedule, int run) {
    lt_steps second, whole;
    assert_int_equal(lt_steps_make_second(s, "euler", "karras", asked, strength, &second), LT_OK);
    assert_int_equal(lt_steps_make(s, "euler", "karras", schedule, 1, &whole), LT_OK);
    assert_int_equal(second.count, run);
    for (int i = 0; i <= run; i++) assert_true(second.sigmas[i] == whole.sigmas[schedule - run + i]);
    lt_steps_free(&second);
    lt_steps_free(&whole);
}

static void test_steps(void **state) {
    (void)state;
    json_t *rows = load("steps.json"), *row;
    lt_noise_schedule schedule;
    size_t i;
    assert_int_equal(lt_noise_schedule_sd(&schedule, LT_PREDICT_EPSILON), LT_OK);
    json_array_foreach(rows, i, row) {
        const json_t *hires = json_object_get(row, "hires");
        const double strength = json_number_value(json_object_get(row, "strength"));
        if (strength > 0)
            check_steps(&schedule, number_of(row, "steps"), strength, number_of(hires, "schedule"),
                        number_of(hires, "run"));
    }
    assert_true(i > 40);
    lt_steps steps;
    assert_int_equal(lt_steps_make_second(&schedule, "euler", NULL, 20, 0.01, &steps), LT_ERROR_ARGUMENT);
    json_decref(rows);
}

static const char *const modes[] = {"latent",         "latent-antialiased",         "latent-bicubic",
                                    "latent-nearest", "latent-bicubic-antialiased", "latent-nearest-exact"};

static void check_latent(const lt_checkpoint *golden, const char *mode, int h, int w) {
    size_t count;
    float *z = golden_values(golden, "z", &count), from[7 * 10 * 4], *to = malloc((size_t)(4 * h * w) * sizeof *to),
          *planes = malloc((size_t)(4 * h * w) * sizeof *planes);
    assert_true(to && planes);
    for (size_t i = 0; i < 4 * 70; i++) from[i % 70 * 4 + i / 70] = z[i];
    assert_int_equal(lt_latent_resample(lt_hires_mode(mode), from, 7, 10, 4, to, h, w), LT_OK);
    for (int i = 0; i < 4 * h * w; i++) planes[i % 4 * h * w + i / 4] = to[i];
    assert_golden(golden, lt_name_of("%s.%dx%d", mode, h, w).text, planes, (size_t)(4 * h * w), 1e-6);
    free(z);
    free(to);
    free(planes);
}

static void test_latents(void **state) {
    (void)state;
    lt_checkpoint golden;
    open_golden("upscale/latents.safetensors", &golden);
    for (size_t i = 0; i < LT_COUNT(modes); i++) {
        check_latent(&golden, modes[i], 14, 20);
        check_latent(&golden, modes[i], 11, 17);
        check_latent(&golden, modes[i], 7, 10);
        check_latent(&golden, modes[i], 28, 15);
    }
    lt_checkpoint_close(&golden);
}

/* ---- Names ---- */

static void check_label(const char *upscaler, const char *label, const char *back) {
    char *made = lt_hires_label(upscaler);
    assert_string_equal(made, label);
    assert_string_equal(lt_hires_by_label(made), back);
    lt_free(made);
}

static void test_names(void **state) {
    (void)state;
    check_label("latent", "Latent", "latent");
    check_label("latent-bicubic-antialiased", "Latent (bicubic antialiased)", "latent-bicubic-antialiased");
    check_label("lanczos", "Lanczos", "lanczos");
    check_label("models/ESRGAN/4x-UltraSharp.pth", "4x-UltraSharp", "4x-UltraSharp");
    assert_string_equal(lt_hires_by_label("R-ESRGAN 4x+"), "RealESRGAN_x4plus");
}

/* ---- Pictures ---- */

static lt_request small_request(void) {
    lt_request r = lt_request_defaults();
    r.width = r.height = 64;
    r.steps = 2;
    r.seed = 3;
    r.random_seed = false;
    r.sampler = "euler_a";
    return r;
}

static lt_result draw(lt_session *session, const lt_request *r, int width, int height) {
    lt_result result;
    assert_ok(lt_generate(session, r, &result));
    assert_int_equal(result.images[0].width, width);
    assert_int_equal(result.images[0].height, height);
    assert_int_equal(result.latent_shape[1], height / 8);
    return result;
}

typedef struct seen {
    int last, steps;
} seen;

static bool see(void *user, const lt_progress *p) {
    seen *s = user;
    assert_true(p->step == s->last || p->step == s->last + 1);
    *s = (seen){p->step, p->steps};
    return true;
}

static void check_upscaler(lt_session *session, const char *upscaler) {
    lt_request r = small_request();
    seen s = {0, 0};
    r.hires_scale = 1.5;
    r.hires_steps = 3;
    r.hires_upscaler = upscaler;
    r.progress = see;
    r.user = &s;
    r.keep_steps = true;
    lt_result result = draw(session, &r, 96, 96);
    assert_true(s.last == 5 && s.steps == 5);
    assert_int_equal(result.kept_steps, 4);
    assert_non_null(strstr(result.parameters[0], "Size: 64x64"));
    assert_non_null(strstr(result.parameters[0], "Denoising strength: 0.7, Hires upscale: 1.5, Hires steps: 3"));
    lt_result_free(&result);
}

static void test_pictures(void **state) {
    (void)state;
    lt_session *session;
    char model[256];
    snprintf(model, sizeof model, "%s", synthetic_checkpoint("tiny-srvgg-x4"));
    assert_ok(open_session(synthetic_checkpoint("tiny"), NULL, &session));
    check_upscaler(session, "latent");
    check_upscaler(session, "latent-nearest-exact");
    check_upscaler(session, "lanczos");
    check_upscaler(session, model);
    check_upscaler(session, "tiny-srvgg-x4"); /* beside the checkpoint */
    lt_session_close(session);
}

/* Both sides: covered, and cut. A second pass that goes all the way keeps nothing but the noise's last share. */
static void test_sides(void **state) {
    (void)state;
    lt_session *session;
    lt_request r = small_request();
    assert_ok(open_session(synthetic_checkpoint("tiny"), NULL, &session));
    r.hires_width = 128;
    r.hires_height = 88;
    lt_result result = draw(session, &r, 128, 88);
    assert_non_null(strstr(result.parameters[0], "Hires resize: 128x88"));
    lt_result_free(&result);
    r.hires_height = 0;
    r.hires_sampler = "ddim";
    r.hires_schedule = "normal";
    result = draw(session, &r, 128, 128);
    assert_non_null(strstr(result.parameters[0], "Hires sampler: DDIM, Hires schedule type: Normal"));
    lt_result_free(&result);
    lt_session_close(session);
}

/* The parameters text makes the same bytes again. */
static void check_again(lt_session *session, const lt_request *r) {
    lt_result first, again;
    lt_request read = lt_request_defaults();
    char *texts;
    assert_ok(lt_generate(session, r, &first));
    assert_ok(lt_request_from_parameters(first.parameters[0], session, &read, &texts));
    assert_ok(lt_generate(session, &read, &again));
    assert_string_equal(first.parameters[0], again.parameters[0]);
    assert_int_equal(first.images[0].width, again.images[0].width);
    assert_memory_equal(first.images[0].pixels, again.images[0].pixels,
                        (size_t)first.images[0].width * (size_t)first.images[0].height * 3);
    lt_result_free(&first);
    lt_result_free(&again);
    lt_string_free(texts);
}

static void test_again(void **state) {
    (void)state;
    lt_session *session;
    lt_request r = small_request();
    (void)synthetic_checkpoint("tiny-srvgg-x4");
    assert_ok(open_session(synthetic_checkpoint("tiny"), NULL, &session));
    r.hires_scale = 1.25;
    r.hires_strength = 0.55;
    r.hires_upscaler = "latent-bicubic";
    check_again(session, &r);
    r.hires_scale = 0;
    r.hires_height = 80;
    r.hires_steps = 4;
    r.hires_sampler = "dpmpp_2m";
    r.hires_upscaler = "tiny-srvgg-x4";
    check_again(session, &r);
    lt_session_close(session);
}

/* ---- What doesn't go ---- */

static void refuse(lt_session *session, const lt_request *r, lt_status expected, const char *said) {
    lt_result result;
    const lt_status status = lt_generate(session, r, &result);
    if (status != expected || !strstr(lt_error_message(), said)) fail_msg("status %d: %s", status, lt_error_message());
}

static void test_refusals(void **state) {
    (void)state;
    lt_session *session;
    lt_request r = small_request();
    lt_image image;
    assert_ok(open_session(synthetic_checkpoint("tiny"), NULL, &session));
    r.hires_scale = 2;
    assert_ok(lt_image_alloc(64, 64, &image));
    r.image = &image;
    refuse(session, &r, LT_ERROR_ARGUMENT, "without an image");
    r.image = NULL;
    r.hires_upscaler = "no-such-upscaler";
    refuse(session, &r, LT_ERROR_FILE, "no-such-upscaler");
    r.hires_upscaler = synthetic_checkpoint("tiny");
    refuse(session, &r, LT_ERROR_MODEL, "not a model of the kind that is wanted here");
    r.hires_upscaler = "latent";
    r.hires_scale = 0.01;
    refuse(session, &r, LT_ERROR_ARGUMENT, "sides from 8");
    r.hires_scale = 2;
    r.hires_strength = 0.001;
    refuse(session, &r, LT_ERROR_ARGUMENT, "1000 at most");
    lt_image_free(&image);
    lt_session_close(session);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes), cmocka_unit_test(test_steps),    cmocka_unit_test(test_latents),
        cmocka_unit_test(test_names), cmocka_unit_test(test_pictures), cmocka_unit_test(test_sides),
        cmocka_unit_test(test_again), cmocka_unit_test(test_refusals),
    };
    const int failed = cmocka_run_group_tests_name("hires", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
