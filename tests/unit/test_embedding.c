/* Embeddings against recorded texts: tokens, chunks, what the text encoder makes of them; wrong files. */
#include "adapters/embedding.h"
#include "adapters/shelf.h"
#include "api/model.h"
#include "golden.h"
#include "pipeline/context.h"
#include "pipeline/words.h"

static const char *const files[] = {"my-style.pt", "bad_hands.safetensors", "cat-toy.bin", "midjourney.pt"};
static const char *const texts[] = {
    "a photo of my-style, sunny",
    "bad_hands, blurry",
    "(my-style:1.3) and cat-toy on a table",
    "midjourney midjourney my-style",
    "a my-stylefish and MY-STYLE",
    "word, word, word, word, word, word, word, word, word, word, word, word, word, word, word, word, word, word, word, "
    "word, word, word, word, word, word, word, word, word, word, word, word, word, word, word, word, word, word, "
    "midjourney, end",
    "cat-toy",
};

static lt_checkpoint golden;

static lt_session *open_tiny(void) {
    lt_session *session;
    assert_ok(open_session(synthetic_checkpoint("tiny"), NULL, &session));
    return session;
}

static lt_status add(lt_session *session, const char *path) {
    static const size_t widths[LT_TEXT_TOWERS] = {64};
    return lt_inversions_add(&session->embeddings, path, NULL, widths, session->parts->tokenizer);
}

static void add_all(lt_session *session) {
    for (size_t i = 0; i < LT_COUNT(files); i++)
        assert_ok(add(session, lt_name_of("%s/embeddings/%s", LT_GOLDEN_DIR, files[i]).text));
}

/* Where a vector goes, the recorded token is 0. */
static void check_tokens(const lt_session *session, size_t i) {
    lt_prompt prompt;
    size_t count;
    float *ids = golden_values(&golden, lt_name_of("%zu.tokens", i).text, &count),
          *weights = golden_values(&golden, lt_name_of("%zu.multipliers", i).text, &count);
    assert_ok(lt_prompt_prepare(session, texts[i], (lt_encoding){0}, &prompt));
    assert_int_equal(count, prompt.chunks * LT_CONTEXT_TOKENS);
    for (size_t k = 0; k < count; k++) {
        assert_int_equal(prompt.ids[k] < 0 ? 0 : prompt.ids[k], (int)ids[k]);
        assert_true(fabsf(prompt.weights[k] - weights[k]) < 1e-6f);
    }
    free(ids);
    free(weights);
    lt_prompt_free(&prompt);
}

static void test_texts(void **state) {
    (void)state;
    lt_session *session = open_tiny();
    add_all(session);
    for (size_t i = 0; i < LT_COUNT(texts); i++) {
        lt_context context;
        check_tokens(session, i);
        assert_ok(lt_context_make(session, texts[i], (lt_encoding){.clip_skip = 1}, &context));
        assert_golden(&golden, lt_name_of("%zu.out", i).text, context.values, (size_t)context.tokens * 64, 1e-5);
        lt_context_free(&context);
    }
    lt_words_drop(session);
    lt_session_close(session);
}

/* ComfyUI's name is the same; without them a name is words. */
static void test_names(void **state) {
    (void)state;
    lt_session *session = open_tiny();
    lt_context context;
    size_t count;
    add_all(session);
    assert_ok(lt_context_make(session, "embedding:cat-toy", (lt_encoding){.clip_skip = 1}, &context));
    assert_golden(&golden, "6.out", context.values, 77 * 64, 1e-5);
    lt_context_free(&context);
    lt_words_drop(session);
    assert_ok(lt_context_make(session, "cat-toy", (lt_encoding){.clip_skip = 1}, &context));
    float *recorded = golden_values(&golden, "6.out", &count);
    assert_true(relative_error(context.values, recorded, count) > 1e-3);
    free(recorded);
    lt_context_free(&context);
    lt_session_close(session);
}

/* A file with vectors for both text encoders, each of which makes what transformers' does; one for another model isn't
 * for XL. */
static void test_xl(void **state) {
    (void)state;
    static const char *const of_xl[] = {"a photo of xl-look at night", "a (red:1.4) xl-look"};
    static const size_t widths[LT_TEXT_TOWERS] = {64, 128};
    lt_session *session;
    lt_checkpoint recorded;
    open_golden("xl/embeddings.safetensors", &recorded);
    assert_ok(open_session(synthetic_checkpoint("tiny-xl"), NULL, &session));
    assert_ok(lt_inversions_add(&session->embeddings, LT_GOLDEN_DIR "/xl/xl-look.safetensors", NULL, widths,
                                session->parts->tokenizer));
    for (size_t i = 0; i < LT_COUNT(of_xl); i++) {
        lt_context context;
        float l[77 * 64], g[77 * 128];
        assert_ok(lt_context_make(session, of_xl[i], (lt_encoding){.clip_skip = 1}, &context));
        assert_true(context.tokens == 77 && context.width == 64 + 128);
        for (size_t k = 0; k < 77; k++) {
            memcpy(l + 64 * k, context.values + 192 * k, sizeof l / 77);
            memcpy(g + 128 * k, context.values + 192 * k + 64, sizeof g / 77);
        }
        assert_golden(&recorded, lt_name_of("%zu.out_l", i).text, l, 77 * 64, 1e-5);
        assert_golden(&recorded, lt_name_of("%zu.out_g", i).text, g, 77 * 128, 1e-5);
        lt_context_free(&context);
    }
    assert_int_equal(lt_inversions_add(&session->embeddings, LT_GOLDEN_DIR "/embeddings/bad_hands.safetensors", NULL,
                                       widths, session->parts->tokenizer),
                     LT_ERROR_MODEL);
    assert_non_null(strstr(lt_error_message(), "it is not for Stable Diffusion XL"));
    lt_words_drop(session);
    lt_session_close(session);
    lt_checkpoint_close(&recorded);
}

static const char *write_vectors(const char *name, int rank, size_t rows, size_t columns, float value) {
    static float values[100 * 64];
    const char *path = scratch_path("vectors.safetensors");
    lt_tensor t = {name, LT_F32, rank, {rows, columns, 1}, .data = values};
    for (size_t i = 0; i < rows * columns; i++) values[i] = value;
    lt_tensor_set_contiguous(&t);
    assert_ok(lt_safetensors_write(path, &t, 1, NULL, 0, NULL, NULL, NULL));
    return path;
}

static void refused(const char *path, const char *says) {
    char copy[256];
    snprintf(copy, sizeof copy, "%s", path);
    lt_session *session = open_tiny();
    assert_int_equal(add(session, copy), LT_ERROR_MODEL);
    if (!strstr(lt_error_message(), says)) fail_msg("%s", lt_error_message());
    assert_int_equal(session->embeddings.count, 0);
    lt_words_drop(session);
    lt_session_close(session);
}

static void test_wrong_files(void **state) {
    (void)state;
    refused(write_vectors("emb_params", 2, 4, 32, 1), "its vectors are 32 wide, those of this model's text encoder 64");
    refused(write_vectors("emb_params", 2, 2, 1024, 1), "its vectors are 1024 wide (Stable Diffusion 2)");
    refused(write_vectors("emb_params", 2, 76, 64, 1), "it has 76 vectors; a text has room for 75");
    refused(write_vectors("emb_params", 2, 1, 64, NAN), "emb_params holds a NaN or an infinity");
    refused(write_vectors("emb_params", 3, 1, 64, 1), "is no list of vectors");
    refused(synthetic_checkpoint("tiny"), "no embedding: the file is a checkpoint: LDM checkpoint");
}

static void test_no_memory(void **state) {
    (void)state;
    lt_session *session = open_tiny();
    const lt_name path = lt_name_of("%s/embeddings/my-style.pt", LT_GOLDEN_DIR);
    for (size_t n = 0;; n++) {
        lt_alloc_fail_at(n);
        const lt_status status = add(session, path.text);
        const bool reached = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        lt_words_drop(session);
        assert_int_equal(status, reached ? LT_ERROR_MEMORY : LT_OK);
        if (!reached) break;
    }
    lt_session_close(session);
}

/* A name that is not found and no memory to look are two things. */
static void test_shelf(void **state) {
    (void)state;
    const lt_shelf shelf = {LT_GOLDEN_DIR, NULL};
    char *path;
    size_t n = 0;
    for (bool failed = true; failed; n++) {
        lt_alloc_fail_at(n);
        const lt_status status = lt_shelf_path(&shelf, LT_SHELF_EMBEDDING, "midjourney", &path);
        failed = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        assert_int_equal(status, failed ? LT_ERROR_MEMORY : LT_OK);
        if (!failed) assert_string_equal(path, LT_GOLDEN_DIR "/embeddings/midjourney.pt");
        lt_free(path);
    }
    assert_true(n > 2);
    assert_ok(lt_shelf_find(&shelf, LT_SHELF_EMBEDDING, "nobody", &path));
    assert_null(path);
    assert_int_equal(lt_shelf_path(&shelf, LT_SHELF_EMBEDDING, "nobody", &path), LT_ERROR_FILE);
    assert_null(path);
    assert_non_null(strstr(lt_error_message(), "nobody: no such file, and none of that name in " LT_GOLDEN_DIR));
    assert_ok(lt_shelf_path(&shelf, LT_SHELF_EMBEDDING, "./nobody", &path)); /* a path: opening it says what is wrong */
    assert_string_equal(path, "./nobody");
    lt_free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),       cmocka_unit_test(test_names),     cmocka_unit_test(test_xl),
        cmocka_unit_test(test_wrong_files), cmocka_unit_test(test_no_memory), cmocka_unit_test(test_shelf),
    };
    open_golden("embeddings/expected.safetensors", &golden);
    const int failed = cmocka_run_group_tests_name("embedding", tests, NULL, NULL);
    lt_checkpoint_close(&golden);
    remove_scratch();
    return failed;
}
