/* Pictures whose sides fit together: modules against PyTorch's circular padding, with each instruction set; and what a
 * seam is: a rolled latent makes a rolled picture. */
#include "golden.h"
#include "kernels/isa.h"

static lt_session *open_with(lt_isa isa, lt_precision precision, int threads, lt_seamless sides) {
    lt_session_options options = lt_session_options_defaults();
    lt_session *session;
    options.isa = isa;
    options.precision = precision;
    options.threads = threads;
    assert_ok(open_session(synthetic_checkpoint("tiny"), &options, &session));
    assert_ok(lt_session_wrap(session, sides));
    return session;
}

/* ---- Recorded ---- */

static void check_module(lt_session *session, const lt_arrays *in, const char *module, const char *input,
                         const char *output) {
    lt_checkpoint golden;
    lt_arrays out;
    lt_array given[8];
    size_t count = 0;
    for (size_t i = 0; i < in->count; i++)
        if (strstr(input, in->items[i].name)) given[count++] = in->items[i];
    open_golden("webui/tiling.safetensors", &golden);
    assert_ok(lt_run(session, module, given, count, &out));
    size_t n = 1;
    for (int i = 0; i < out.items[0].rank; i++) n *= out.items[0].shape[i];
    assert_golden(&golden, output, out.items[0].data, n, 1e-4);
    lt_arrays_free(&out);
    lt_checkpoint_close(&golden);
}

static void test_recorded(void **state) {
    (void)state;
    static const lt_isa sets[] = {LT_ISA_BEST, LT_ISA_AVX512, LT_ISA_AVX2, LT_ISA_NEON, LT_ISA_SCALAR};
    lt_arrays in;
    assert_ok(lt_arrays_load(LT_GOLDEN_DIR "/webui/tiling.safetensors", NULL, &in));
    for (size_t i = 0; i < LT_COUNT(sets); i++) {
        if (!lt_isa_usable(sets[i])) continue;
        lt_session *session = open_with(sets[i], LT_PRECISION_F32, 1, LT_SEAMLESS_BOTH);
        check_module(session, &in, "unet", "x t context", "out");
        check_module(session, &in, "vae-decoder", "z", "image");
        lt_session_close(session);
    }
    lt_arrays_free(&in);
}

/* ---- Seams ---- */

enum { C = 4, H = 8, W = 12, FACTOR = 8 };

static void roll(const float *x, int c, int h, int w, int dy, int dx, float *out) {
    for (int k = 0; k < c; k++)
        for (int y = 0; y < h; y++)
            for (int i = 0; i < w; i++) out[(k * h + (y + dy) % h) * w + (i + dx) % w] = x[(k * h + y) * w + i];
}

static void draw(float *x, size_t n) {
    uint32_t s = 1;
    for (size_t i = 0; i < n; i++) x[i] = (float)((s = s * 1664525 + 1013904223) >> 8) * 0x1p-23f - 1;
}

static float *decode(lt_session *session, const float *z) {
    const lt_array in = {"z", 4, {1, C, H, W}, z};
    const size_t n = (size_t)3 * H * W * FACTOR * FACTOR;
    float *pixels = malloc(n * sizeof *pixels);
    lt_arrays out;
    assert_ok(lt_run(session, "vae-decoder", &in, 1, &out));
    memcpy(pixels, out.items[0].data, n * sizeof *pixels);
    lt_arrays_free(&out);
    return pixels;
}

static double difference(const float *a, const float *b, size_t n) {
    double sum = 0, norm = 0;
    for (size_t i = 0; i < n; i++) sum += pow((double)a[i] - b[i], 2), norm += pow((double)b[i], 2);
    return sqrt(sum / norm);
}

/* By a pixel of the latent along both axes, of which `sides` fit together. */
static double seam(lt_session *session, int dy, int dx) {
    float z[C * H * W], moved[C * H * W];
    const size_t n = (size_t)3 * H * W * FACTOR * FACTOR;
    float *rolled = malloc(n * sizeof *rolled);
    draw(z, LT_COUNT(z));
    roll(z, C, H, W, dy, dx, moved);
    float *plain = decode(session, z), *again = decode(session, moved);
    roll(plain, 3, H * FACTOR, W * FACTOR, dy * FACTOR, dx * FACTOR, rolled);
    const double found = difference(again, rolled, n);
    free(plain);
    free(again);
    free(rolled);
    return found;
}

static void test_rolled(void **state) {
    (void)state;
    lt_session *none = open_with(LT_ISA_BEST, LT_PRECISION_F32, 1, LT_SEAMLESS_NONE);
    lt_session *x = open_with(LT_ISA_BEST, LT_PRECISION_F32, 1, LT_SEAMLESS_X);
    lt_session *y = open_with(LT_ISA_BEST, LT_PRECISION_F32, 1, LT_SEAMLESS_Y);
    assert_true(seam(none, 0, 1) > 1e-2 && seam(none, 1, 0) > 1e-2);
    assert_true(seam(x, 0, 5) < 1e-4 && seam(x, 1, 0) > 1e-2);
    assert_true(seam(y, 3, 0) < 1e-4 && seam(y, 0, 1) > 1e-2);
    lt_session_close(none);
    lt_session_close(x);
    lt_session_close(y);
}

/* ---- Whole pictures ---- */

static lt_request small(lt_seamless sides) {
    lt_request r = lt_request_defaults();
    r.prompt = "a cat";
    r.steps = 2;
    r.width = r.height = 64;
    r.random_seed = false;
    r.seamless = sides;
    return r;
}

/* A request's sides are its own: the next one is drawn without. In 8 bits, with two threads and in tiles it works as
 * well. */
static void test_pictures(void **state) {
    (void)state;
    static const lt_precision precisions[] = {LT_PRECISION_F32, LT_PRECISION_INT8};
    for (size_t k = 0; k < LT_COUNT(precisions); k++) {
        lt_result results[4];
        lt_request r[] = {small(LT_SEAMLESS_NONE), small(LT_SEAMLESS_BOTH), small(LT_SEAMLESS_NONE),
                          small(LT_SEAMLESS_BOTH)};
        lt_session *one = open_with(LT_ISA_BEST, precisions[k], 1, LT_SEAMLESS_NONE);
        lt_session *two = open_with(LT_ISA_BEST, precisions[k], 2, LT_SEAMLESS_BOTH);
        for (int i = 0; i < 4; i++) assert_ok(lt_generate(i == 3 ? two : one, &r[i], &results[i]));
        const size_t bytes = 64 * 64 * 3;
        assert_memory_equal(results[0].images[0].pixels, results[2].images[0].pixels, bytes);
        assert_memory_equal(results[1].images[0].pixels, results[3].images[0].pixels, bytes);
        assert_int_not_equal(memcmp(results[0].images[0].pixels, results[1].images[0].pixels, bytes), 0);
        assert_null(strstr(results[0].parameters[0], "Tiling"));
        assert_non_null(strstr(results[3].parameters[0], "Tiling: True"));
        for (int i = 0; i < 4; i++) lt_result_free(&results[i]);
        lt_session_close(one);
        lt_session_close(two);
    }
}

/* Tiles of a picture that is larger than one: where they end and begin again there is no seam either. */
static void test_tiles(void **state) {
    (void)state;
    enum { LONG = 100 };
    const int shape[3] = {C, H, LONG};
    float z[C * H * LONG], moved[C * H * LONG];
    lt_session *session = open_with(LT_ISA_BEST, LT_PRECISION_F32, 1, LT_SEAMLESS_X);
    lt_image whole, tiles;
    draw(z, LT_COUNT(z));
    roll(z, C, H, LONG, 0, 50, moved);
    assert_ok(lt_decode(session, z, shape, false, &whole));
    assert_ok(lt_decode(session, moved, shape, true, &tiles));
    double sum = 0;
    for (size_t y = 0; y < H * FACTOR; y++)
        for (size_t x = 0; x < LONG * FACTOR; x++)
            for (size_t k = 0; k < 3; k++) {
                const size_t w = LONG * FACTOR, to = (x + 50 * FACTOR) % w;
                sum += abs(whole.pixels[(y * w + x) * 3 + k] - tiles.pixels[(y * w + to) * 3 + k]);
            }
    print_message("    in tiles: %g of 255 away\n", sum / (3.0 * H * FACTOR * LONG * FACTOR));
    assert_true(sum / (3.0 * H * FACTOR * LONG * FACTOR) < 8);
    lt_image_free(&whole);
    lt_image_free(&tiles);
    lt_session_close(session);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded),
        cmocka_unit_test(test_rolled),
        cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_tiles),
    };
    const int failed = cmocka_run_group_tests_name("seamless", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
