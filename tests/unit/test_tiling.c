/* Encoding and decoding in tiles: the same as untiled where one tile is enough, and without seams where it is not. */
#include "golden.h"

enum { SIDE = 96, FACTOR = 8 }; /* latent pixels: two tiles of 64 a side, the second from 32 on */

static lt_session *open_tiny(void) {
    lt_session *session;
    assert_ok(open_session(synthetic_checkpoint("tiny"), NULL, &session));
    return session;
}

/* A smooth latent, as pictures have. */
static float *smooth_latent(int side) {
    float *z = malloc((size_t)(4 * side * side) * sizeof *z);
    assert_non_null(z);
    for (int c = 0; c < 4; c++)
        for (int y = 0; y < side; y++)
            for (int x = 0; x < side; x++)
                z[(c * side + y) * side + x] = sinf(0.11f * (float)x + (float)c) * cosf(0.07f * (float)y - (float)c);
    return z;
}

static lt_image decode(lt_session *session, const float *z, int side, bool tiling) {
    lt_image image;
    assert_ok(lt_decode(session, z, (int[3]){4, side, side}, tiling, &image));
    return image;
}

static void test_one_tile_is_exact(void **state) {
    (void)state;
    lt_session *session = open_tiny();
    float *z = smooth_latent(16);
    lt_image whole = decode(session, z, 16, false), tiled = decode(session, z, 16, true);
    assert_memory_equal(whole.pixels, tiled.pixels, (size_t)(16 * 16 * FACTOR * FACTOR * 3));
    lt_image_free(&whole);
    lt_image_free(&tiled);
    free(z);
    lt_session_close(session);
}

/* How far tiled - whole jumps from column x - 1 to column x, on average over rows of width * step values: a seam is a
 * jump that its neighbours don't have. */
static double jump(const float *whole, const float *tiled, size_t rows, size_t width, size_t step, size_t x) {
    double sum = 0;
    for (size_t row = 0; row < rows; row++)
        for (size_t c = 0; c < step; c++) {
            const size_t at = (row * width + x) * step + c;
            sum += fabs((double)(tiled[at] - whole[at]) - (double)(tiled[at - step] - whole[at - step]));
        }
    return sum / (double)(rows * step);
}

/* Tiles begin at 0 and 32 and end at 64 and 96; the shares of each fall over the 16 latent pixels towards its inner
 * edges. */
static void assert_no_seams(const float *whole, const float *tiled, size_t rows, size_t width, size_t step) {
    const size_t unit = width / SIDE, edges[] = {32 * unit, 48 * unit, 64 * unit};
    double all = 0, worst = 0;
    for (size_t x = 1; x < width; x++) all += jump(whole, tiled, rows, width, step, x) / (double)(width - 1);
    for (size_t i = 0; i < LT_COUNT(edges); i++) worst = fmax(worst, jump(whole, tiled, rows, width, step, edges[i]));
    print_message("    jump at a tile's edge %.4f, anywhere %.4f\n", worst, all);
    assert_true(all > 0); /* there were tiles */
    assert_true(worst < 2 * all);
}

static float *floats_of(const lt_image *image) {
    const size_t count = (size_t)image->width * (size_t)image->height * 3;
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++) values[i] = image->pixels[i];
    return values;
}

static void test_no_seams_in_pictures(void **state) {
    (void)state;
    lt_session *session = open_tiny();
    float *z = smooth_latent(SIDE);
    lt_image whole = decode(session, z, SIDE, false), tiled = decode(session, z, SIDE, true);
    float *a = floats_of(&whole), *b = floats_of(&tiled);
    assert_no_seams(a, b, SIDE * FACTOR, SIDE * FACTOR, 3);
    free(a);
    free(b);
    lt_image_free(&whole);
    lt_image_free(&tiled);
    free(z);
    lt_session_close(session);
}

static void test_no_seams_in_latents(void **state) {
    (void)state;
    lt_session *session = open_tiny();
    float *z = smooth_latent(SIDE), *whole, *tiled;
    lt_image image = decode(session, z, SIDE, false);
    int shape[3];
    assert_ok(lt_encode(session, &image, NULL, false, &whole, shape));
    assert_ok(lt_encode(session, &image, NULL, true, &tiled, shape));
    assert_int_equal(shape[1], SIDE);
    assert_no_seams(whole, tiled, 4 * SIDE, SIDE, 1);
    lt_floats_free(whole);
    lt_floats_free(tiled);
    lt_image_free(&image);
    free(z);
    lt_session_close(session);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_tile_is_exact),
        cmocka_unit_test(test_no_seams_in_pictures),
        cmocka_unit_test(test_no_seams_in_latents),
    };
    const int failed = cmocka_run_group_tests_name("tiling", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
