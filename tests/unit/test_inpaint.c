/* Repainting: boxes around masks against the web UIs' own, filling under a mask against Pillow's, and areas of pictures
 * that are drawn alone. */
#include "golden.h"
#include "pipeline/area.h"
#include "pipeline/fill.h"

#include <jansson.h>

/* ---- Boxes ---- */

static int at(const json_t *row, const char *key, size_t i) {
    return (int)json_integer_value(json_array_get(json_object_get(row, key), i));
}

static void assert_box(const json_t *row, const char *key, lt_area a) {
    assert_int_equal(a.x, at(row, key, 0));
    assert_int_equal(a.y, at(row, key, 1));
    assert_int_equal(a.x + a.w, at(row, key, 2));
    assert_int_equal(a.y + a.h, at(row, key, 3));
}

static void check_box(const json_t *row) {
    const int w = at(row, "image", 0), h = at(row, "image", 1), left = at(row, "mask_box", 0);
    uint8_t *mask = calloc((size_t)w * (size_t)h, 1);
    for (int y = at(row, "mask_box", 1); y < at(row, "mask_box", 3); y++)
        memset(mask + y * w + left, 255, (size_t)(at(row, "mask_box", 2) - left));
    const lt_area area = lt_area_of_mask(mask, w, h, (int)json_integer_value(json_object_get(row, "padding")));
    assert_box(row, "crop", area);
    assert_box(row, "expanded", lt_area_expand(area, at(row, "processing", 0), at(row, "processing", 1), w, h));
    free(mask);
}

static void test_boxes(void **state) {
    (void)state;
    json_error_t error;
    json_t *rows = json_load_file(LT_GOLDEN_DIR "/webui/crops.json", 0, &error), *row;
    if (!rows) fail_msg("crops.json: %s", error.text);
    size_t i;
    json_array_foreach(rows, i, row) check_box(row);
    assert_int_equal(json_array_size(rows), 24);
    json_decref(rows);
    const uint8_t empty[6] = {0};
    const lt_area all = lt_area_of_mask(empty, 3, 2, 1);
    assert_true(all.x == 0 && all.y == 0 && all.w == 3 && all.h == 2);
}

/* ---- Filling ---- */

/* Pillow rounds to bytes after each blur, and divides by small opacities. */
static void test_fill(void **state) {
    (void)state;
    enum { H = 40, W = 56 };
    lt_checkpoint file;
    size_t n;
    open_golden("webui/fill.safetensors", &file);
    float *image = golden_values(&file, "image", &n), *filled = golden_values(&file, "filled", &n);
    float *mask = golden_values(&file, "mask", &n);
    assert_int_equal(n, H * W);
    for (size_t i = 0; i < H * W; i++) mask[i] /= 255;
    for (size_t i = 0; i < 3 * H * W; i++) image[i] = image[i] / 127.5f - 1;
    assert_ok(lt_fill_masked(image, mask, H, W));
    double sum = 0, worst = 0;
    for (size_t i = 0; i < 3 * H * W; i++) {
        const double d = fabs((image[i] + 1) * 127.5 - filled[i]);
        sum += d;
        worst = fmax(worst, d);
    }
    print_message("    filled: %.2f of 255 away, at most %.1f\n", sum / (3 * H * W), worst);
    assert_true(sum / (3 * H * W) < 1 && worst < 6);
    free(image);
    free(filled);
    free(mask);
    lt_checkpoint_close(&file);
}

static void test_fill_no_memory(void **state) {
    (void)state;
    for (size_t n = 0;; n++) {
        float pixels[12 * 3] = {0}, mask[12] = {1};
        lt_alloc_fail_at(n);
        const lt_status status = lt_fill_masked(pixels, mask, 3, 4);
        const bool failed = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        assert_int_equal(status, failed ? LT_ERROR_MEMORY : LT_OK);
        if (!failed) break;
    }
}

/* ---- Areas ---- */

enum { W = 150, H = 100 };

static void paint(lt_request *r, lt_result *result) {
    lt_session *session;
    assert_ok(open_session(synthetic_checkpoint("tiny"), NULL, &session));
    assert_ok(lt_generate(session, r, result));
    lt_session_close(session);
}

/* White from x to x + w and y to y + h. */
static lt_image box_mask(int x, int y, int w, int h) {
    lt_image mask;
    assert_ok(lt_image_alloc(W, H, &mask));
    memset(mask.pixels, 0, W * H * 3);
    for (int i = 0; i < w * h; i++) memset(mask.pixels + ((y + i / w) * W + x + i % w) * 3, 255, 3);
    return mask;
}

static lt_image striped(void) {
    lt_image image;
    assert_ok(lt_image_alloc(W, H, &image));
    for (int i = 0; i < W * H * 3; i++) image.pixels[i] = (uint8_t)(i * 5 + i / W);
    return image;
}

/* The whole picture's size and bytes, but for what the mask shows; each content begins with another latent. */
static void test_only_masked(void **state) {
    (void)state;
    lt_image image = striped(), mask = box_mask(90, 20, 30, 25);
    uint8_t *before = NULL;
    for (int content = LT_CONTENT_ORIGINAL; content <= LT_CONTENT_NOTHING; content++) {
        lt_request r = lt_request_defaults();
        lt_result result;
        r.prompt = "a cat";
        r.steps = 3;
        r.width = r.height = 64;
        r.random_seed = false;
        r.image = &image;
        r.mask = &mask;
        r.only_masked = true;
        r.mask_padding = 8;
        r.masked_content = (lt_masked_content)content;
        paint(&r, &result);
        const lt_image *out = &result.images[0];
        assert_true(out->width == W && out->height == H);
        assert_int_equal(result.latent_shape[1], 8);
        assert_non_null(strstr(result.parameters[0], "Inpaint area: Only masked, Masked area padding: 8"));
        int changed = 0;
        for (int i = 0; i < W * H; i++) {
            const bool same = !memcmp(out->pixels + 3 * i, image.pixels + 3 * i, 3);
            changed += !same;
            assert_true(same || mask.pixels[3 * i]);
        }
        assert_true(changed > 100);
        if (before) assert_int_not_equal(memcmp(before, out->pixels, W * H * 3), 0);
        free(before);
        before = malloc(W * H * 3);
        memcpy(before, out->pixels, W * H * 3);
        lt_result_free(&result);
    }
    free(before);
    lt_image_free(&image);
    lt_image_free(&mask);
}

/* A mask that keeps everything leaves the picture as it is. */
static void test_empty_mask(void **state) {
    (void)state;
    lt_image image = striped(), mask = box_mask(0, 0, 0, 1);
    lt_request r = lt_request_defaults();
    lt_result result;
    r.steps = 1;
    r.width = r.height = 64;
    r.image = &image;
    r.mask = &mask;
    r.only_masked = true;
    paint(&r, &result);
    assert_memory_equal(result.images[0].pixels, image.pixels, W * H * 3);
    lt_result_free(&result);
    lt_image_free(&image);
    lt_image_free(&mask);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boxes),       cmocka_unit_test(test_fill),       cmocka_unit_test(test_fill_no_memory),
        cmocka_unit_test(test_only_masked), cmocka_unit_test(test_empty_mask),
    };
    const int failed = cmocka_run_group_tests_name("inpaint", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
