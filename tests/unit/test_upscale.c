/* Upscalers against the recorded numbers of spandrel's: modules, pictures in tiles, sizes, wrong files. */
#include "modules.h"
#include "pipeline/upscaling.h"

static const double LIMIT = 1e-5;

static const struct {
    const char *model, *file;
    int scale;
} recorded[] = {{"tiny-esrgan-x4", "upscale/esrgan_x4.safetensors", 4},
                {"tiny-esrgan-x4-old", "upscale/esrgan_x4_old.safetensors", 4},
                {"tiny-esrgan-x2", "upscale/esrgan_x2.safetensors", 2},
                {"tiny-srvgg-x4", "upscale/srvgg.safetensors", 4}};

static lt_session *open_upscaler(const char *name) {
    lt_session *session;
    assert_ok(open_session(synthetic_checkpoint(name), NULL, &session));
    return session;
}

/* ---- Modules ---- */

static void test_modules(void **state) {
    (void)state;
    for (size_t i = 0; i < LT_COUNT(recorded); i++)
        for (lt_isa isa = LT_ISA_SCALAR; isa <= LT_ISA_AVX512; isa++) {
            lt_session_options options = lt_session_options_defaults();
            lt_session *session;
            options.isa = isa;
            if (lt_isa_choose(isa) != isa) continue;
            assert_ok(open_session(synthetic_checkpoint(recorded[i].model), &options, &session));
            assert_int_equal(lt_model_describe(lt_session_model(session)).upscale, recorded[i].scale);
            check_module(session, "upscaler", recorded[i].file, LIMIT);
            lt_session_close(session);
        }
}

/* In narrow numbers, where the processor has them. */
static void test_rounded(void **state) {
    (void)state;
    for (size_t i = 0; i < LT_COUNT(recorded); i++) {
        lt_session_options options = lt_session_options_defaults();
        lt_session *session;
        options.precision = LT_PRECISION_BF16;
        const lt_status status = open_session(synthetic_checkpoint(recorded[i].model), &options, &session);
        if (status == LT_ERROR_UNSUPPORTED) skip();
        assert_ok(status);
        check_module(session, "upscaler", recorded[i].file, 1e-2);
        lt_session_close(session);
    }
}

/* ---- Pictures ---- */

/* Smooth, with an edge. */
static lt_image make_picture(int width, int height) {
    lt_image image;
    assert_ok(lt_image_alloc(width, height, &image));
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++)
                image.pixels[3 * (y * width + x) + c] =
                    (uint8_t)(127 + 60 * sin(0.13 * x + c) * cos(0.09 * y - c) + (x > y + 7 ? 50 : 0));
    return image;
}

static lt_image enlarge(lt_session *session, const lt_image *image, lt_upscale_options options) {
    lt_image out;
    assert_ok(lt_upscale(session, image, &options, &out));
    return out;
}

/* The recorded picture, as a file. */
static void test_picture(void **state) {
    (void)state;
    for (size_t i = 0; i < LT_COUNT(recorded); i++) {
        lt_session *session = open_upscaler(recorded[i].model);
        lt_checkpoint golden;
        lt_image small, large;
        size_t count;
        open_golden(recorded[i].file, &golden);
        float *expected = golden_values(&golden, "out", &count);
        assert_ok(lt_image_load(LT_GOLDEN_DIR "/upscale/small.png", &small));
        assert_ok(lt_upscale(session, &small, NULL, &large));
        const size_t pixels = (size_t)large.width * (size_t)large.height;
        assert_int_equal(count, 3 * pixels);
        for (size_t k = 0; k < 3 * pixels; k++) {
            const float v = fminf(fmaxf(expected[k % 3 * pixels + k / 3], 0), 1) * 255;
            assert_true(fabsf(v - large.pixels[k]) < 0.51f);
        }
        lt_image_free(&small);
        lt_image_free(&large);
        free(expected);
        lt_checkpoint_close(&golden);
        lt_session_close(session);
    }
}

static int worst_difference(const lt_image *a, const lt_image *b, double *mean) {
    int worst = 0;
    const size_t count = (size_t)a->width * (size_t)a->height * 3;
    *mean = 0;
    assert_int_equal(a->width, b->width);
    assert_int_equal(a->height, b->height);
    for (size_t i = 0; i < count; i++) {
        const int d = abs(a->pixels[i] - b->pixels[i]);
        worst = d > worst ? d : worst;
        *mean += (double)d / (double)count;
    }
    return worst;
}

/* An SRVGG's tiles overlap by what it sees: the same picture, but for what rounds otherwise. An ESRGAN sees further
 * than any overlap: its limits are about twice what was measured. */
static void check_tiles(const char *name, int most, double most_mean) {
    lt_session *session = open_upscaler(name);
    lt_image image = make_picture(90, 75);
    lt_upscale_options options = lt_upscale_options_defaults();
    options.tile = 0;
    lt_image whole = enlarge(session, &image, options);
    options.tile = 48;
    options.overlap = 20;
    lt_image tiled = enlarge(session, &image, options);
    double mean;
    const int worst = worst_difference(&whole, &tiled, &mean);
    print_message("    %s in tiles: off by %d of 255 at worst, %.4f on average\n", name, worst, mean);
    assert_true(worst <= most && mean <= most_mean);
    options.tile = 96; /* one tile */
    lt_image once = enlarge(session, &image, options);
    assert_int_equal(worst_difference(&whole, &once, &mean), 0);
    lt_image *const all[] = {&image, &whole, &tiled, &once};
    for (size_t i = 0; i < LT_COUNT(all); i++) lt_image_free(all[i]);
    lt_session_close(session);
}

static void test_tiles(void **state) {
    (void)state;
    check_tiles("tiny-srvgg-x4", 1, 1e-3);
    check_tiles("tiny-esrgan-x4", 2, 3e-3);
    check_tiles("tiny-esrgan-x2", 10, 0.33);
}

static void check_size(lt_session *session, const lt_image *image, double scale, int width, int height) {
    lt_upscale_options options = lt_upscale_options_defaults();
    options.scale = scale;
    lt_image out = enlarge(session, image, options);
    assert_int_equal(out.width, width);
    assert_int_equal(out.height, height);
    lt_image_free(&out);
}

static void test_sizes(void **state) {
    (void)state;
    lt_session *session = open_upscaler("tiny-esrgan-x2");
    lt_image odd = make_picture(13, 9), least = make_picture(1, 1);
    check_size(session, &odd, 0, 26, 18);
    check_size(session, &odd, 1.5, 19, 13);
    check_size(session, &odd, 3, 39, 27);
    check_size(session, &odd, 0.1, 1, 1);
    check_size(session, &least, 0, 2, 2);
    lt_image_free(&odd);
    lt_image_free(&least);
    lt_session_close(session);
}

/* ---- Stopping ---- */

static bool stop_at_second(void *user, size_t done, size_t count) {
    size_t *seen = user;
    assert_true(count > 2 && done < count);
    *seen = done;
    return done < 2;
}

static void test_stops(void **state) {
    (void)state;
    lt_session *session = open_upscaler("tiny-srvgg-x4");
    lt_image image = make_picture(60, 60), out;
    size_t seen = 0;
    lt_upscale_options options = {.tile = 32, .overlap = 8, .progress = stop_at_second, .user = &seen};
    assert_int_equal(lt_upscale(session, &image, &options, &out), LT_ERROR_CANCELLED);
    assert_int_equal(seen, 2);
    assert_null(out.pixels);
    lt_image_free(&image);
    lt_session_close(session);
}

/* ---- The same bytes for any number of threads; memory that isn't there ---- */

static void test_threads(void **state) {
    (void)state;
    lt_image image = make_picture(40, 33), out[2];
    for (int i = 0; i < 2; i++) {
        lt_session_options options = lt_session_options_defaults();
        lt_session *session;
        options.threads = 1 + i;
        assert_ok(open_session(synthetic_checkpoint("tiny-esrgan-x4"), &options, &session));
        assert_ok(lt_upscale(session, &image, NULL, &out[i]));
        lt_session_close(session);
    }
    assert_memory_equal(out[0].pixels, out[1].pixels, (size_t)(160 * 132 * 3));
    for (int i = 0; i < 2; i++) lt_image_free(&out[i]);
    lt_image_free(&image);
}

static void test_failing_allocations(void **state) {
    (void)state;
    lt_image image = make_picture(9, 8), out;
    bool failed = true;
    for (size_t at = 0; failed; at++) {
        lt_session *session = open_upscaler("tiny-srvgg-x4");
        lt_alloc_fail_at(at);
        const lt_status status = lt_upscale(session, &image, NULL, &out);
        failed = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        assert_int_equal(status, failed ? LT_ERROR_MEMORY : LT_OK);
        if (!status) lt_image_free(&out);
        lt_session_close(session);
    }
    lt_image_free(&image);
}

/* ---- Wrong files ---- */

/* Tensors of one value each, of so many channels. */
typedef struct fake {
    const char *name;
    int rank;
    size_t shape[4];
} fake;

static const char *write_fake(const fake *tensors, size_t count) {
    static const float zeros[1 << 16];
    const char *path = scratch_path("fake.safetensors");
    lt_array arrays[8];
    for (size_t i = 0; i < count; i++) {
        arrays[i] = (lt_array){tensors[i].name, tensors[i].rank, {0}, zeros};
        memcpy(arrays[i].shape, tensors[i].shape, sizeof tensors[i].shape);
    }
    assert_ok(lt_arrays_save(path, arrays, count));
    return path;
}

static void refuse(const fake *tensors, size_t count, lt_status expected, const char *said) {
    lt_session *session;
    lt_image image = make_picture(8, 8), out;
    lt_status status = open_session(write_fake(tensors, count), NULL, &session);
    if (!status) status = lt_upscale(session, &image, NULL, &out);
    if (status != expected || !strstr(lt_error_message(), said)) fail_msg("status %d: %s", status, lt_error_message());
    lt_image_free(&image);
    lt_session_close(session);
}

static void test_wrong_files(void **state) {
    (void)state;
    const fake grey[] = {{"conv_first.weight", 4, {16, 1, 3, 3}},
                         {"body.0.rdb1.conv1.weight", 4, {8, 16, 3, 3}},
                         {"conv_up1.weight", 4, {16, 16, 3, 3}},
                         {"conv_last.weight", 4, {1, 16, 3, 3}}};
    const fake plus[] = {{"conv_first.weight", 4, {16, 3, 3, 3}},
                         {"body.0.rdb1.conv1.weight", 4, {8, 16, 3, 3}},
                         {"body.0.rdb1.conv1x1.weight", 4, {8, 16, 1, 1}},
                         {"conv_last.weight", 4, {3, 16, 3, 3}}};
    const fake half[] = {{"conv_first.weight", 4, {16, 3, 3, 3}},
                         {"conv_first.bias", 1, {16}},
                         {"body.0.rdb1.conv1.weight", 4, {8, 16, 3, 3}},
                         {"conv_last.weight", 4, {3, 16, 3, 3}}};
    const fake swin[] = {{"conv_first.weight", 4, {16, 3, 3, 3}},
                         {"layers.0.residual_group.blocks.0.attn.relative_position_bias_table", 2, {225, 6}}};
    const fake dat[] = {{"before_RG.1.weight", 1, {16}}};
    const fake lora[] = {{"lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight", 2, {4, 8}}};
    refuse(grey, LT_COUNT(grey), LT_ERROR_UNSUPPORTED, "three colours");
    refuse(plus, LT_COUNT(plus), LT_ERROR_UNSUPPORTED, "ESRGAN+");
    refuse(half, LT_COUNT(half), LT_ERROR_MODEL, "body.0.rdb1.conv1.bias");
    refuse(swin, LT_COUNT(swin), LT_ERROR_MODEL, "SwinIR");
    refuse(dat, LT_COUNT(dat), LT_ERROR_MODEL, "DAT");
    refuse(lora, LT_COUNT(lora), LT_ERROR_MODEL, "LoRA");
}

static void test_no_upscaler(void **state) {
    (void)state;
    lt_session *session = open_upscaler("tiny-taesd-decoder");
    lt_image image = make_picture(8, 8), out;
    assert_int_equal(lt_upscale(session, &image, NULL, &out), LT_ERROR_MODEL);
    assert_non_null(strstr(lt_error_message(), "has no upscaler"));
    lt_image_free(&image);
    lt_session_close(session);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modules),
        cmocka_unit_test(test_rounded),
        cmocka_unit_test(test_picture),
        cmocka_unit_test(test_tiles),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_stops),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_wrong_files),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_no_upscaler),
    };
    const int failed = cmocka_run_group_tests_name("upscale", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
