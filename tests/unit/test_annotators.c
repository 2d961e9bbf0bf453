/* Maps of pictures against OpenCV and NumPy (recorded): the same bytes. */
#include "annotators/annotators.h"
#include "golden.h"

/* The recorded picture of that name, whose bytes go with golden. */
static lt_image picture_of(const lt_checkpoint *golden, const char *name) {
    const lt_tensor *t = lt_checkpoint_find(golden, name);
    assert_non_null(t);
    return (lt_image){(int)t->shape[1], (int)t->shape[0], (uint8_t *)(uintptr_t)t->data};
}

/* name: "drawn/canny:50:80". */
static void check_map(const lt_checkpoint *golden, const lt_tensor *recorded) {
    char name[64];
    const char *slash = strchr(recorded->name, '/');
    snprintf(name, sizeof name, "%.*s", (int)(slash - recorded->name), recorded->name);
    const lt_image image = picture_of(golden, name);
    const uint8_t *bytes = recorded->data;
    const size_t channels = recorded->rank == 3 ? 3 : 1;
    lt_image map;
    assert_ok(lt_annotate(slash + 1, &image, &map));
    for (size_t i = 0; i < 3 * (size_t)image.width * (size_t)image.height; i++)
        if (map.pixels[i] != bytes[channels == 3 ? i : i / 3])
            fail_msg("%s: byte %zu is %d, recorded %d", recorded->name, i, map.pixels[i],
                     bytes[channels == 3 ? i : i / 3]);
    lt_image_free(&map);
}

static void maps_are_as_recorded(void **state) {
    (void)state;
    lt_checkpoint golden;
    int maps = 0;
    open_golden("control/annotators.safetensors", &golden);
    for (size_t i = 0; i < golden.count; i++)
        if (strchr(golden.tensors[i].name, '/')) check_map(&golden, &golden.tensors[i]), maps++;
    assert_int_equal(maps, 26);
    lt_checkpoint_close(&golden);
}

/* A picture of any size has its map: no side is too small. */
static void any_size_has_a_map(void **state) {
    (void)state;
    uint8_t pixels[3 * 5 * 7];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 37);
    for (const char *const *name = lt_annotators(); *name; name++)
        for (int i = 0; i < 4; i++) {
            const lt_image image = {i % 2 ? 5 : 1, i / 2 ? 7 : 1, pixels};
            lt_image map;
            assert_ok(lt_annotate(*name, &image, &map));
            assert_int_equal(map.width * map.height, image.width * image.height);
            lt_image_free(&map);
        }
}

static void names_and_numbers_are_checked(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",           "cany",      "canny:",        "canny:x",      "canny:1:2:3", "invert:1",      "canny:nan",
        "canny:-1",   "blur:0",    "threshold:256", "canny,invert", "tile:0.5",    "canny:200:100", "canny:300",
        "canny:0x10", "canny: :1", "inpaint"};
    uint8_t pixels[3] = {0};
    const lt_image image = {1, 1, pixels};
    lt_image map;
    for (size_t i = 0; i < LT_COUNT(bad); i++) {
        assert_int_equal(lt_annotate(bad[i], &image, &map), LT_ERROR_ARGUMENT);
        assert_null(map.pixels);
    }
    assert_non_null(strstr(lt_error_message(), "a control's alone"));
    assert_int_equal(lt_annotator_check("canny:200:100"), LT_ERROR_ARGUMENT);
    assert_string_equal(lt_error_message(),
                        "annotator canny:200:100: 200 is over 100: the lower threshold comes first");
    assert_int_equal(lt_annotator_check("nope"), LT_ERROR_ARGUMENT);
    assert_non_null(strstr(lt_error_message(), "no annotator nope: there are canny, "));
    assert_non_null(strstr(lt_error_message(), "inpaint"));
    assert_ok(lt_annotator_check("inpaint"));
    assert_ok(lt_annotator_check("canny:100:100"));
    assert_int_equal(lt_annotator_check(NULL), LT_ERROR_ARGUMENT);
    const lt_image none = {0};
    assert_int_equal(lt_annotate("canny", &none, &map), LT_ERROR_ARGUMENT);
}

static void each_allocation_may_fail(void **state) {
    (void)state;
    uint8_t pixels[3 * 4 * 4] = {1, 2, 3};
    const lt_image image = {4, 4, pixels};
    for (const char *const *name = lt_annotators(); *name; name++) {
        bool more = true;
        for (size_t n = 0; more; n++) {
            lt_image map;
            lt_alloc_fail_at(n);
            const lt_status status = lt_annotate(*name, &image, &map);
            more = lt_alloc_failed();
            lt_alloc_fail_at(SIZE_MAX);
            assert_int_equal(status, more ? LT_ERROR_MEMORY : LT_OK);
            lt_image_free(&map);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_are_as_recorded),
        cmocka_unit_test(any_size_has_a_map),
        cmocka_unit_test(names_and_numbers_are_checked),
        cmocka_unit_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("annotators", tests, NULL, NULL);
}
