/* Both towers of the tiny CLIP against transformers: embeddings and their similarity. */
#include "api/run.h"
#include "golden.h"

static const char *const words[] = {"a red apple", "a green tree on a hill", "a blue car",
                                    "two dogs playing, in the snow"};

static void test_image_embeds(void **state) {
    (void)state;
    lt_session *session = open_clip();
    lt_checkpoint golden;
    open_golden("tiny/clip_contrastive.safetensors", &golden);
    lt_arrays out;
    assert_ok(lt_run_module(session, "clip-image", golden.tensors, golden.count, &out));
    assert_string_equal(out.items[0].name, "image_embeds");
    assert_golden_array(&golden, &out.items[0], 1e-5);
    lt_arrays_free(&out);
    lt_checkpoint_close(&golden);
    lt_session_close(session);
}

static void test_text_embeds(void **state) {
    (void)state;
    lt_session *session = open_clip();
    lt_checkpoint golden;
    open_golden("tiny/clip_contrastive.safetensors", &golden);
    float *all = NULL;
    size_t dim = 0;
    for (size_t i = 0; i < LT_COUNT(words); i++) {
        float *embedding;
        assert_ok(lt_embed_text(session, words[i], &embedding, &dim));
        if (!all) all = malloc(LT_COUNT(words) * dim * sizeof *all);
        memcpy(all + i * dim, embedding, dim * sizeof *all);
        lt_floats_free(embedding);
    }
    assert_golden(&golden, "text_embeds", all, LT_COUNT(words) * dim, 1e-5);
    free(all);
    lt_checkpoint_close(&golden);
    lt_session_close(session);
}

static void test_picture_has_length_one(void **state) {
    (void)state;
    lt_session *session = open_clip();
    lt_image image;
    assert_ok(lt_image_load(LT_GOLDEN_DIR "/tiny/input.png", &image));
    float *embedding;
    size_t dim;
    assert_ok(lt_embed_image(session, &image, &embedding, &dim));
    double sum = 0;
    for (size_t i = 0; i < dim; i++) sum += (double)embedding[i] * embedding[i];
    assert_true(fabs(sum - 1) < 1e-5);
    lt_floats_free(embedding);
    lt_image_free(&image);
    lt_session_close(session);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_image_embeds),
        cmocka_unit_test(test_text_embeds),
        cmocka_unit_test(test_picture_has_length_one),
    };
    const int failed = cmocka_run_group_tests_name("clip", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
