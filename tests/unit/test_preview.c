/* Previews: a latent's colours where they are known, its first channel in grey where they are not. */
#include "golden.h"
#include "pipeline/latent.h"

static const lt_vae sd_vae = {.latent_channels = 4, .factor = 8, .scaling = 0.18215f};

/* Two latent pixels: the first is 1 in its first channel alone, the second 0. */
static void preview_is(lt_components parts, int r, int g, int b) {
    const float latent[2 * 12] = {1};
    uint8_t rgb[2 * 3];
    lt_latent_look(&parts, latent, 1, 2, rgb);
    const uint8_t expected[2 * 3] = {(uint8_t)r, (uint8_t)g, (uint8_t)b, 128, 128, 128};
    assert_memory_equal(rgb, expected, sizeof expected);
}

static void test_sd_is_in_colour(void **state) {
    (void)state;
    preview_is((lt_components){.vae = sd_vae}, 172, 157, 169);
}

static void test_every_channel_counts(void **state) {
    (void)state;
    const lt_components parts = {.vae = sd_vae};
    const float latent[4] = {1, 1, 1, 1};
    uint8_t rgb[3];
    lt_latent_look(&parts, latent, 1, 1, rgb);
    const uint8_t expected[3] = {151, 209, 142}; /* of the sums 0.1813, 0.6417 and 0.1121 */
    assert_memory_equal(rgb, expected, sizeof expected);
}

static void test_others_are_in_grey(void **state) {
    (void)state;
    lt_components sdxl = {.vae = sd_vae}, wide = sdxl, small = sdxl;
    sdxl.vae.scaling = 0.13025f;
    wide.vae.latent_channels = 12;
    small.vae.factor = 4;
    preview_is(sdxl, 191, 191, 191);
    preview_is(wide, 191, 191, 191);
    preview_is(small, 191, 191, 191);
}

static void test_pixels_are_themselves(void **state) {
    (void)state;
    preview_is((lt_components){.pixels = true, .vae = {.latent_channels = 3, .factor = 1, .scaling = 1}}, 255, 128,
               128);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sd_is_in_colour),
        cmocka_unit_test(test_every_channel_counts),
        cmocka_unit_test(test_others_are_in_grey),
        cmocka_unit_test(test_pixels_are_themselves),
    };
    return cmocka_run_group_tests_name("preview", tests, NULL, NULL);
}
