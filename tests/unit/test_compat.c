/* What real clients send (recorded by tests/golden/make_clients.py) as jobs: each means what stands beside it, and what
 * makes no sense is told as A1111 and OpenAI tell it. */
#include "server/a1111_control.h"
#include "server/a1111_picture.h"
#include "server/a1111_request.h"
#include "server/json_lax.h"
#include "server/openai_request.h"
#include "tools/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- A server whose shelf has few models ---- */

static bool is_image_prompt(void *user, const char *model) {
    (void)user;
    return !strcmp(model, "face");
}

static const char *image_encoder(void *user, const char *module) {
    (void)user, (void)module;
    return "vit-h";
}

static bool has_model(void *user, const char *name) {
    (void)user;
    return !strcmp(name, "emoji");
}

static json_t *options(void) {
    return json_pack("{s:s, s:s, s:i, s:s}", "sd_model_checkpoint", "emoji", "sd_vae", "Automatic",
                     "CLIP_stop_at_last_layers", 0, "randn_source", "CPU");
}

/* ---- Recorded bodies ---- */

/* The same values; "@" stands for any picture. */
static bool same(const json_t *a, const json_t *b) {
    const char *key;
    json_t *value;
    size_t i;
    if (json_is_string(a) && !strcmp(json_string_value(a), "@")) return json_is_string(b);
    if (json_is_array(a)) {
        json_array_foreach((json_t *)a, i, value) if (!same(value, json_array_get(b, i))) return false;
        return json_array_size(a) == json_array_size(b);
    }
    if (!json_is_object(a)) return json_equal(a, b);
    json_object_foreach((json_t *)a, key, value) if (!same(value, json_object_get(b, key))) return false;
    return json_object_size(a) == json_object_size(b);
}

static void assert_jobs(const char *what, const json_t *expected, const json_t *got) {
    if (same(expected, got)) return;
    char *wanted = json_dumps(expected, JSON_SORT_KEYS), *made = json_dumps(got, JSON_SORT_KEYS);
    print_error("%s:\nexpected %s\ngot      %s\n", what, wanted, made ? made : "nothing");
    free(wanted);
    free(made);
    fail();
}

static void check_a1111(const char *what, const json_t *row, bool img2img) {
    json_t *set = options();
    const lt_a1111_host host = {set, 0, 0, is_image_prompt, image_encoder, NULL};
    lt_a1111_drawing drawing;
    if (!lt_a1111_read(json_object_get(row, "body"), img2img, &host, &drawing))
        fail_msg("%s: %s", what, drawing.fault.detail);
    assert_jobs(what, json_object_get(row, "jobs"), drawing.jobs);
    lt_a1111_drawing_free(&drawing);
    json_decref(set);
}

static void check_openai(const char *what, const json_t *row) {
    const lt_openai_host host = {has_model, 0, NULL};
    lt_openai_drawing drawing;
    if (!lt_openai_read(json_object_get(row, "body"), LT_OPENAI_GENERATION, &host, &drawing))
        fail_msg("%s: %s", what, drawing.fault.message);
    json_t *jobs = json_pack("[O]", drawing.job);
    assert_jobs(what, json_object_get(row, "jobs"), jobs);
    json_decref(jobs);
    lt_openai_drawing_free(&drawing);
}

static void test_recorded(void **state) {
    (void)state;
    json_t *rows = json_load_file(LT_GOLDEN_DIR "/clients/bodies.json", 0, NULL), *row;
    size_t i;
    assert_true(json_array_size(rows) > 15);
    json_array_foreach(rows, i, row) {
        const char *what = lt_lax_text(row, "what"), *kind = lt_lax_text(row, "kind");
        if (strcmp(kind, "openai"))
            check_a1111(what, row, !strcmp(kind, "img2img"));
        else
            check_openai(what, row);
    }
    json_decref(rows);
}

/* ---- A picture's text in place of fields: the jobs of either are the same ---- */

static void check_infotext(const json_t *pair) {
    json_t *set = options();
    const lt_a1111_host host = {set, 0, 0, is_image_prompt, image_encoder, NULL};
    lt_a1111_drawing by_text, by_fields;
    if (!lt_a1111_read(json_array_get(pair, 0), false, &host, &by_text)) fail_msg("%s", by_text.fault.detail);
    if (!lt_a1111_read(json_array_get(pair, 1), false, &host, &by_fields)) fail_msg("%s", by_fields.fault.detail);
    assert_jobs("infotext", by_fields.jobs, by_text.jobs);
    lt_a1111_drawing_free(&by_text);
    lt_a1111_drawing_free(&by_fields);
    json_decref(set);
}

static json_t *parse(const char *body);

static void test_infotext(void **state) {
    (void)state;
    static const char *const pairs[] = {
        "[{'infotext': 'a cat\\nNegative prompt: a dog\\nSteps: 7, Sampler: DPM++ 2M, Schedule type: Karras, CFG "
        "scale: 5,"
        " Seed: 3, Size: 64x96, Model: emoji, Clip skip: 2, RNG: CPU'},"
        " {'prompt': 'a cat', 'negative_prompt': 'a dog', 'steps': 7, 'sampler_name': 'DPM++ 2M', 'scheduler': "
        "'karras',"
        " 'cfg_scale': 5, 'seed': 3, 'width': 64, 'height': 96,"
        " 'override_settings': {'sd_model_checkpoint': 'emoji', 'CLIP_stop_at_last_layers': 2}}]",
        /* what the request has itself counts, and so do its settings; A1111's noise is a GPU's */
        "[{'infotext': 'a cat\\nSteps: 7, Seed: 3, Clip skip: 2', 'steps': 9, 'prompt': 'a pear', 'override_settings':"
        " {'CLIP_stop_at_last_layers': 3}}, {'prompt': 'a pear', 'steps': 9, 'seed': 3, 'override_settings':"
        " {'CLIP_stop_at_last_layers': 3, 'randn_source': 'GPU'}}]",
        "[{'infotext': 'a cat\\nSteps: 7, Seed: 3, Denoising strength: 0.5, Hires upscale: 2, Hires upscaler: Latent, "
        "Hires"
        " steps: 4, RNG: CPU'}, {'prompt': 'a cat', 'steps': 7, 'seed': 3, 'enable_hr': true, 'denoising_strength': "
        "0.5,"
        " 'hr_scale': 2, 'hr_upscaler': 'Latent', 'hr_second_pass_steps': 4,"
        " 'override_settings': {'CLIP_stop_at_last_layers': 1}}]",
        /* of a picture that was made from another, a strength does nothing; what can't be is the nearest that can */
        "[{'infotext': 'a cat\\nSteps: 7, Seed: 3, Denoising strength: 1.5, RNG: CPU'},"
        " {'prompt': 'a cat', 'steps': 7, 'seed': 3, 'override_settings': {'CLIP_stop_at_last_layers': 1}}]",
        "[{'infotext': 'a cat\\nSteps: 7000, CFG scale: 1e9, Seed: 3, Denoising strength: 1.5, Hires upscale: 99, Clip "
        "skip: 0, Token merging ratio: 2, Variation seed: 1, Variation seed strength: -4, RNG: CPU'},"
        " {'prompt': 'a cat', 'steps': 1000, 'cfg_scale': 1000, 'seed': 3, 'enable_hr': true, 'denoising_strength': 1,"
        " 'hr_scale': 8, 'subseed': 1, 'subseed_strength': 0, 'override_settings': {'CLIP_stop_at_last_layers': 1,"
        " 'token_merging_ratio': 1}}]",
        "[{'prompt': 'a', 'seed': 3, 'enable_hr': true, 'denoising_strength': 1.5},"
        " {'prompt': 'a', 'seed': 3, 'enable_hr': true, 'denoising_strength': 1}]",
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        json_t *pair = parse(pairs[i]);
        check_infotext(pair);
        json_decref(pair);
    }
}

/* ---- What makes no sense ---- */

/* body is JSON with ' for ". */
static json_t *parse(const char *body) {
    char *text = strdup(body);
    for (char *c = text; *c; c++)
        if (*c == '\'') *c = '"';
    json_t *json = json_loads(text, 0, NULL);
    free(text);
    assert_non_null(json);
    return json;
}

static void test_a1111_refuses(void **state) {
    (void)state;
    static const struct {
        const char *body;
        bool img2img;
        int status;
        const char *field, *detail;
    } rows[] = {
        {"{'steps': 'many'}", false, 422, "steps", "integer"},
        {"{'cfg_scale': []}", false, 422, "cfg_scale", "number"},
        {"{'prompt': 5}", false, 422, "prompt", "string"},
        {"{'enable_hr': 'perhaps'}", false, 422, "enable_hr", "boolean"},
        {"{'override_settings': 5}", false, 422, "override_settings", "dictionary"},
        {"{'alwayson_scripts': []}", false, 422, "alwayson_scripts", "dictionary"},
        {"{'sampler_name': 'nosuch'}", false, 400, NULL, "Sampler not found"},
        {"{'scheduler': 'nosuch'}", false, 400, NULL, "Scheduler not found"},
        {"{'script_name': 'X/Y/Z plot'}", false, 422, NULL, "Script 'X/Y/Z plot' not found"},
        {"{'alwayson_scripts': {'ADetailer': {'args': []}}}", false, 422, NULL, "Script 'ADetailer' not found"},
        {"{'alwayson_scripts': {'ControlNet': {'args': [{'module': 'canny'}]}}}", false, 422, NULL, "no model"},
        {"{'alwayson_scripts': {'ControlNet': {'args': [{'model': 'm'}]}}}", false, 422, NULL, "no image"},
        {"{'s_churn': 2}", false, 422, NULL, "s_churn"},
        {"{'enable_hr': true, 'hr_prompt': 'a dog', 'prompt': 'a cat'}", false, 422, NULL, "hr_prompt"},
        {"{'hr_checkpoint_name': 'xl'}", false, 422, NULL, "hr_checkpoint_name"},
        {"{'disable_extra_networks': true}", false, 422, NULL, "disable_extra_networks"},
        {"{'init_images': ['AAAA'], 'width': 4000, 'height': 4000, 'resize_mode': 1}", true, 422, NULL, "larger"},
        {"{'n_iter': 11, 'batch_size': 10}", false, 422, NULL, "100 at most"},
        {"{'batch_size': 0}", false, 422, NULL, "batch_size"},
        {"{'override_settings': {'samples_format': 'gif'}}", false, 500, NULL, "Invalid image format"},
        {"{}", true, 404, NULL, "Init image not found"},
        {"{'init_images': []}", true, 404, NULL, "Init image not found"},
        {"{'init_images': 5}", true, 422, "init_images", "list"},
        {"{'init_images': ['http://example.com/a.png']}", true, 422, NULL, "Requests not allowed"},
        {"{'init_images': ['AAAA'], 'mask': 'http://example.com/a.png'}", true, 422, NULL, "Requests not allowed"},
        {"{'init_images': ['AAAA'], 'mask': '####'}", true, 422, NULL, "Invalid encoded image"},
        {"{'init_images': ['AAAA'], 'resize_mode': 3}", true, 422, NULL, "resize_mode"},
        {"{'init_images': ['AAAA'], 'width': 8, 'height': 8, 'resize_mode': 1}", true, 422, NULL,
         "Invalid encoded image"},
    };
    json_t *set = options();
    const lt_a1111_host host = {set, 1 << 20, 100, is_image_prompt, image_encoder, NULL};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        lt_a1111_drawing drawing;
        json_t *body = parse(rows[i].body);
        const bool read = lt_a1111_read(body, rows[i].img2img, &host, &drawing);
        const lt_a1111_fault *fault = &drawing.fault;
        const bool right = !read && (fault->status == rows[i].status && strstr(fault->detail, rows[i].detail) &&
                                     !strcmp(fault->field ? fault->field : "", rows[i].field ? rows[i].field : ""));
        if (!right) fail_msg("%s: %d %s", rows[i].body, fault->status, fault->detail);
        lt_a1111_drawing_free(&drawing);
        json_decref(body);
    }
    json_decref(set);
}

static void test_openai_refuses(void **state) {
    (void)state;
    static const struct {
        const char *body;
        lt_openai_kind kind;
        int status;
        const char *param, *code;
    } rows[] = {
        {"{}", LT_OPENAI_GENERATION, 400, "prompt", "missing_required_parameter"},
        {"{'prompt': 5}", LT_OPENAI_GENERATION, 400, "prompt", "invalid_type"},
        {"{'prompt': 'x', 'n': 11}", LT_OPENAI_GENERATION, 400, "n", "integer_out_of_range"},
        {"{'prompt': 'x', 'n': 'two'}", LT_OPENAI_GENERATION, 400, "n", "invalid_type"},
        {"{'prompt': 'x', 'size': '5x'}", LT_OPENAI_GENERATION, 400, "size", "invalid_value"},
        {"{'prompt': 'x', 'size': '64x64x64'}", LT_OPENAI_GENERATION, 400, "size", "invalid_value"},
        {"{'prompt': 'x', 'quality': 'best'}", LT_OPENAI_GENERATION, 400, "quality", "invalid_value"},
        {"{'prompt': 'x', 'background': 'transparent'}", LT_OPENAI_GENERATION, 400, "background", "invalid_value"},
        {"{'prompt': 'x', 'model': 'nosuch'}", LT_OPENAI_GENERATION, 404, "model", "model_not_found"},
        {"{'prompt': 'x', 'stream': 'perhaps'}", LT_OPENAI_GENERATION, 400, "stream", "invalid_type"},
        {"{'prompt': 'x', 'partial_images': 4}", LT_OPENAI_GENERATION, 400, "partial_images", "integer_out_of_range"},
        {"{'prompt': 'x'}", LT_OPENAI_EDIT, 400, "image", "missing_required_parameter"},
        {"{'prompt': 'x', 'image': ['AAAA', 'AAAA']}", LT_OPENAI_EDIT, 400, "image", "too_many_images"},
        {"{'prompt': 'x', 'image': 'AAAA'}", LT_OPENAI_EDIT, 400, "image", "invalid_image"},
        {"{'image': []}", LT_OPENAI_VARIATION, 400, "image", "missing_required_parameter"},
    };
    const lt_openai_host host = {has_model, 0, NULL};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        lt_openai_drawing drawing;
        json_t *body = parse(rows[i].body);
        assert_false(lt_openai_read(body, rows[i].kind, &host, &drawing));
        const lt_openai_fault *fault = &drawing.fault;
        if (fault->status != rows[i].status || strcmp(fault->param, rows[i].param) || strcmp(fault->code, rows[i].code))
            fail_msg("%s: %d %s %s", rows[i].body, fault->status, fault->param, fault->message);
        json_decref(body);
    }
}

/* ---- Parts ---- */

static void test_lax(void **state) {
    (void)state;
    json_t *all = parse("{'a': 20, 'b': 20.0, 'c': '20', 'd': 20.5, 'e': 'x', 'f': null, 'g': 'on', 'h': 0, 'i': 2}");
    json_int_t integer;
    double number;
    bool flag;
    for (const char *key = "abc"; *key; key++) {
        const char name[] = {*key, 0};
        assert_true(lt_lax_int(json_object_get(all, name), &integer));
        assert_int_equal(integer, 20);
    }
    assert_false(lt_lax_int(json_object_get(all, "d"), &integer));
    assert_true(lt_lax_number(json_object_get(all, "d"), &number) && number == 20.5);
    assert_false(lt_lax_number(json_object_get(all, "e"), &number));
    assert_null(lt_lax_get(all, "f"));
    assert_true(lt_lax_flag(json_object_get(all, "g"), &flag) && flag);
    assert_true(lt_lax_flag(json_object_get(all, "h"), &flag) && !flag);
    assert_false(lt_lax_flag(json_object_get(all, "i"), &flag));
    assert_string_equal(lt_lax_text(all, "a"), "");
    json_decref(all);
}

static void test_annotators(void **state) {
    (void)state;
    char text[64];
    for (int i = 0; lt_a1111_module(i); i++)
        assert_true(lt_a1111_annotator(lt_a1111_module(i), 64, 64, text, sizeof text));
    assert_true(lt_a1111_annotator("Canny", 50, 99.5, text, sizeof text));
    assert_string_equal(text, "canny:50:99.5");
    assert_true(lt_a1111_annotator("canny", 99.5, 50, text, sizeof text));
    assert_string_equal(text, "canny:50:99.5");
    assert_true(lt_a1111_annotator("canny", -1, -1, text, sizeof text));
    assert_string_equal(text, "canny");
    assert_true(lt_a1111_annotator("tile_resample", 2, 64, text, sizeof text));
    assert_string_equal(text, "tile:2");
    assert_true(lt_a1111_annotator("", 2, 64, text, sizeof text));
    assert_string_equal(text, "");
    assert_false(lt_a1111_annotator("openpose_full", 0, 0, text, sizeof text));
}

/* A picture whose columns are 0, 1, 2, ... */
static lt_image columns(int width, int height) {
    lt_image image;
    assert_int_equal(lt_image_alloc(width, height, &image), LT_OK);
    for (int i = 0; i < width * height; i++) memset(image.pixels + 3 * (size_t)i, i % width, 3);
    return image;
}

/* As A1111's resize_image lays a picture out that needs no scaling. */
static void test_resize_modes(void **state) {
    (void)state;
    lt_image cropped = columns(8, 4), filled = columns(8, 4);
    assert_int_equal(lt_a1111_fit_image(&cropped, (lt_a1111_fit){1, 4, 4}), LT_OK);
    assert_int_equal(cropped.width, 4);
    for (int i = 0; i < 4; i++) assert_int_equal(cropped.pixels[3 * i], 2 + i);
    assert_int_equal(lt_a1111_fit_image(&filled, (lt_a1111_fit){2, 8, 8}), LT_OK);
    assert_int_equal(filled.height, 8);
    for (int i = 0; i < 64; i++) assert_int_equal(filled.pixels[3 * i], i % 8);
    lt_image_free(&cropped);
    lt_image_free(&filled);
}

/* The pixels [2, 1] of a mask that is made of a picture in base64. */
static void check_mask(const char *picture, bool invert, bool round, int left, int right) {
    lt_a1111_fault fault = {0};
    lt_image mask;
    json_t *value = json_string(picture);
    json_t *made = lt_a1111_mask(value, invert, round, (lt_a1111_fit){0}, 0, &fault);
    assert_true(made && lt_a1111_image(made, 0, &mask, &fault));
    assert_int_equal(mask.pixels[0], left);
    assert_int_equal(mask.pixels[3], right);
    lt_image_free(&mask);
    json_decref(value);
    json_decref(made);
}

static void test_masks(void **state) {
    (void)state;
    static const char half_transparent[] = "data:image/"
                                           "png;base64,iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAYAAAD0In+"
                                           "KAAAAEUlEQVR4nGPk5ORkYGBg+A8AAc4BHLsohQEAAAAASUVORK5CYII=";
    uint8_t pixels[] = {200, 200, 200, 0, 0, 0}, *bytes;
    const lt_image image = {2, 1, pixels};
    size_t size;
    assert_int_equal(lt_image_encode("png", &image, NULL, &bytes, &size), LT_OK);
    char *grey = lt_base64_write(bytes, size);
    check_mask(grey, false, true, 255, 0);
    check_mask(grey, true, true, 0, 255);
    check_mask(grey, false, false, 200, 0);
    check_mask(half_transparent, false, true, 0, 255);
    check_mask(half_transparent, true, true, 255, 0);
    lt_bytes_free(bytes);
    free(grey);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded),       cmocka_unit_test(test_infotext), cmocka_unit_test(test_a1111_refuses),
        cmocka_unit_test(test_openai_refuses), cmocka_unit_test(test_lax),      cmocka_unit_test(test_annotators),
        cmocka_unit_test(test_resize_modes),   cmocka_unit_test(test_masks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
