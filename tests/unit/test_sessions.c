/* Models in threads of their own, all at once: each draws, encodes and reads prompts as it does alone, to the byte. */
#include "api/merges.h"
#include "golden.h"
#include "latent.h"
#include "text/text.h"

#include <pthread.h>

enum { SESSIONS = 2, ROUNDS = 2 };

/* What one thread does, from opening to closing, and what comes of it. Threads assert nothing: cmocka is the main
 * thread's. */
typedef struct session {
    const char *model, *prompt;
    int threads;
    lt_status status;
    char message[256];
    lt_result drawn;
    float *latent; /* of the picture, encoded again */
    int shape[3];
    lt_tokens tokens;
} session;

static lt_status draw_and_encode(session *s, lt_model *model) {
    const uint64_t seed = 7;
    lt_request request = lt_request_defaults();
    request.prompt = s->prompt;
    request.width = request.height = 64;
    request.steps = 2;
    request.random_seed = false;
    request.seed = seed;
    lt_status status = lt_generate(model, &request, &s->drawn);
    if (!status) status = lt_encode(model, &s->drawn.images[0], &seed, false, &s->latent, s->shape);
    return status;
}

static lt_status read_prompt(session *s) {
    lt_tokenizer *tokenizer;
    lt_status status = lt_tokenizer_create(lt_clip_merges, (size_t)(lt_clip_merges_end - lt_clip_merges), &tokenizer);
    if (status) return status;
    status = lt_tokenize(tokenizer, s->prompt, &s->tokens);
    lt_tokenizer_free(tokenizer);
    return status;
}

static void *use(void *data) {
    session *s = data;
    lt_model *model = NULL;
    lt_open_options options = lt_open_options_defaults();
    options.threads = s->threads;
    s->status = lt_model_open(s->model, &options, &model);
    if (!s->status) s->status = draw_and_encode(s, model);
    if (!s->status) s->status = read_prompt(s);
    if (s->status) snprintf(s->message, sizeof s->message, "%s", lt_error_message());
    lt_model_close(model);
    return NULL;
}

static void forget(session *s) {
    lt_result_free(&s->drawn);
    lt_floats_free(s->latent);
    lt_tokens_free(&s->tokens);
}

static void assert_same(const session *a, const session *b) {
    if (b->status) fail_msg("%s: %s", b->model, b->message);
    const lt_image *x = &a->drawn.images[0], *y = &b->drawn.images[0];
    assert_int_equal(x->width, y->width);
    assert_int_equal(x->height, y->height);
    assert_memory_equal(x->pixels, y->pixels, (size_t)x->width * (size_t)x->height * 3);
    assert_memory_equal(a->shape, b->shape, sizeof a->shape);
    assert_memory_equal(a->latent, b->latent, (size_t)a->shape[0] * a->shape[1] * a->shape[2] * sizeof *a->latent);
    assert_int_equal(a->tokens.count, b->tokens.count);
    assert_memory_equal(a->tokens.ids, b->tokens.ids, a->tokens.count * sizeof *a->tokens.ids);
}

static void use_at_once(const session *wanted, const session *alone) {
    pthread_t thread[SESSIONS];
    session at_once[SESSIONS];
    for (int i = 0; i < SESSIONS; i++) at_once[i] = wanted[i];
    for (int i = 0; i < SESSIONS; i++) assert_int_equal(pthread_create(&thread[i], NULL, use, &at_once[i]), 0);
    for (int i = 0; i < SESSIONS; i++) assert_int_equal(pthread_join(thread[i], NULL), 0);
    for (int i = 0; i < SESSIONS; i++) {
        assert_same(&alone[i], &at_once[i]);
        forget(&at_once[i]);
    }
}

static void test_two_models_at_once(void **state) {
    (void)state;
    const session wanted[SESSIONS] = {
        {.model = LT_DATA_DIR "/emoji.safetensors", .prompt = "a red apple, 3d style", .threads = 2},
        {.model = synthetic_checkpoint("tiny"), .prompt = "a (green:1.2) pear", .threads = 2},
    };
    session alone[SESSIONS];
    for (int i = 0; i < SESSIONS; i++) {
        alone[i] = wanted[i];
        use(&alone[i]);
        assert_same(&alone[i], &alone[i]);
    }
    for (int i = 0; i < ROUNDS; i++) use_at_once(wanted, alone);
    for (int i = 0; i < SESSIONS; i++) forget(&alone[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_two_models_at_once)};
    const int failed = cmocka_run_group_tests_name("sessions", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
