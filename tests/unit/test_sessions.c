/* Sessions in threads of their own, all at once, on one model and on several: each draws, encodes, reads prompts, is
 * stopped and closed as alone, to the byte; and what they share of the model's memory. */
#include "api/model.h"
#include "golden.h"
#include "micro.h"
#include "text/text.h"

#include <pthread.h>

enum { MOST = 8, ROUNDS = 2 };

/* What one thread does with a model, and what comes of it. Threads assert nothing: cmocka is the main thread's. */
typedef struct use {
    lt_model *model;
    const char *prompt;
    int threads;
    int stop_at; /* the call that asks whether to stop is answered yes at this one; 0: never */
    int asked;
    lt_status status;
    char message[256];
    lt_result drawn;
    float *latent; /* of the picture, encoded again */
    int shape[3];
    lt_tokens tokens;
} use;

static bool stops(void *user) {
    use *u = user;
    return u->stop_at && ++u->asked >= u->stop_at;
}

static lt_status draw_and_encode(use *u, lt_session *session) {
    const uint64_t seed = 7;
    lt_request request = lt_request_defaults();
    request.prompt = u->prompt;
    request.width = request.height = 64;
    request.steps = 2;
    request.random_seed = false;
    request.seed = seed;
    request.cancelled = stops;
    request.user = u;
    lt_status status = lt_generate(session, &request, &u->drawn);
    if (!status) status = lt_encode(session, &u->drawn.images[0], &seed, false, &u->latent, u->shape);
    return status;
}

static void *work(void *data) {
    use *u = data;
    lt_session *session = NULL;
    lt_session_options options = lt_session_options_defaults();
    options.threads = u->threads;
    u->status = lt_session_open(u->model, &options, &session);
    if (!u->status) u->status = draw_and_encode(u, session);
    if (!u->status) u->status = lt_tokenizer_read(session->parts->tokenizer, u->prompt, &u->tokens);
    if (u->status) snprintf(u->message, sizeof u->message, "%s", lt_error_message());
    lt_session_close(session);
    return NULL;
}

static void forget(use *u) {
    lt_result_free(&u->drawn);
    lt_floats_free(u->latent);
    lt_tokens_free(&u->tokens);
}

static void assert_same(const use *a, const use *b) {
    if (b->status) fail_msg("%s", b->message);
    const lt_image *x = &a->drawn.images[0], *y = &b->drawn.images[0];
    assert_int_equal(x->width, y->width);
    assert_int_equal(x->height, y->height);
    assert_memory_equal(x->pixels, y->pixels, (size_t)x->width * (size_t)x->height * 3);
    assert_memory_equal(a->shape, b->shape, sizeof a->shape);
    assert_memory_equal(a->latent, b->latent, (size_t)a->shape[0] * a->shape[1] * a->shape[2] * sizeof *a->latent);
    assert_int_equal(a->tokens.count, b->tokens.count);
    assert_memory_equal(a->tokens.ids, b->tokens.ids, a->tokens.count * sizeof *a->tokens.ids);
}

/* All uses in threads at once; what was to be stopped is, and the rest is as alone. */
static void use_at_once(const use *wanted, const use *alone, int count) {
    pthread_t thread[MOST];
    use at_once[MOST];
    for (int i = 0; i < count; i++) at_once[i] = wanted[i];
    for (int i = 0; i < count; i++) assert_int_equal(pthread_create(&thread[i], NULL, work, &at_once[i]), 0);
    for (int i = 0; i < count; i++) assert_int_equal(pthread_join(thread[i], NULL), 0);
    for (int i = 0; i < count; i++) {
        if (wanted[i].stop_at)
            assert_int_equal(at_once[i].status, LT_ERROR_CANCELLED);
        else
            assert_same(&alone[i], &at_once[i]);
        forget(&at_once[i]);
    }
}

static void check_uses(const use *wanted, int count) {
    use alone[MOST];
    for (int i = 0; i < count; i++) {
        alone[i] = wanted[i];
        alone[i].stop_at = 0;
        work(&alone[i]);
        assert_same(&alone[i], &alone[i]);
    }
    for (int i = 0; i < ROUNDS; i++) use_at_once(wanted, alone, count);
    for (int i = 0; i < count; i++) forget(&alone[i]);
}

static lt_model *open_model(const char *path, size_t memory) {
    lt_open_options options = lt_open_options_defaults();
    lt_model *model;
    options.memory = memory;
    assert_ok(lt_model_open(path, &options, &model));
    return model;
}

static void test_two_models_at_once(void **state) {
    (void)state;
    lt_model *emoji = open_model(LT_DATA_DIR "/emoji.safetensors", 0),
             *tiny = open_model(synthetic_checkpoint("tiny"), 0);
    const use wanted[] = {{.model = emoji, .prompt = "a red apple, 3d style", .threads = 2},
                          {.model = tiny, .prompt = "a (green:1.2) pear", .threads = 2}};
    check_uses(wanted, 2);
    lt_model_close(emoji);
    lt_model_close(tiny);
}

/* Forms come and go among them: nothing is kept that nobody uses. */
static void test_sessions_of_one_model(void **state) {
    (void)state;
    static const char *const prompts[] = {"a red apple", "a (green:1.2) pear", "", "a dog"};
    for (int kept = 0; kept < 2; kept++) {
        lt_model *model = open_model(micro_checkpoint(), kept ? SIZE_MAX : 0);
        use wanted[MOST];
        for (int i = 0; i < MOST; i++)
            wanted[i] = (use){.model = model,
                              .prompt = prompts[i % LT_COUNT(prompts)],
                              .threads = 1 + i % 3,
                              .stop_at = i % 4 == 3 ? 3 * i : 0};
        check_uses(wanted, MOST);
        assert_int_equal(lt_weights_packed_size(model->parts.weights) > 0, kept);
        lt_model_close(model);
    }
}

/* ---- Memory ---- */

static lt_session *draw_in_session(lt_model *model) {
    lt_session *session;
    use u = {.model = model, .prompt = "a cat"};
    assert_ok(lt_session_open(model, NULL, &session));
    assert_ok(draw_and_encode(&u, session));
    forget(&u);
    return session;
}

static void test_weights_are_there_once(void **state) {
    (void)state;
    lt_model *model = open_model(micro_checkpoint(), 0);
    lt_session *sessions[3];
    size_t packed[LT_COUNT(sessions)];
    for (size_t i = 0; i < LT_COUNT(sessions); i++) {
        sessions[i] = draw_in_session(model);
        packed[i] = lt_weights_packed_size(model->parts.weights);
        assert_int_equal(packed[i], packed[0]);
    }
    lt_model_close(model); /* sessions keep it open */
    for (size_t i = 0; i < LT_COUNT(sessions); i++) {
        assert_int_equal(lt_weights_packed_size(sessions[i]->parts->weights), packed[0]);
        lt_session_close(sessions[i]);
    }
}

static void test_unused_weights_stay_within_the_budget(void **state) {
    (void)state;
    lt_model *all = open_model(micro_checkpoint(), SIZE_MAX);
    lt_session_close(draw_in_session(all));
    const size_t size = lt_weights_packed_size(all->parts.weights);
    lt_model *some = open_model(micro_checkpoint(), size / 2);
    lt_session_close(draw_in_session(some));
    const size_t kept = lt_weights_packed_size(some->parts.weights);
    assert_true(kept > size / 4 && kept <= size / 2);
    lt_model_close(all);
    lt_model_close(some);
}

typedef struct batch {
    const lt_session *session;
    lt_result alone;  /* pictures that were drawn one by one */
    int ready, stop;  /* how many are; at which one to stop */
    size_t packed[3]; /* bytes of weights behind each */
} batch;

static bool compare_picture(void *user, int picture, lt_result *result) {
    batch *b = user;
    if (picture != b->ready) return false;
    b->packed[b->ready++] = lt_weights_packed_size(b->session->parts->weights);
    const bool same = !memcmp(result->images[picture].pixels, b->alone.images[0].pixels, 64 * 64 * 3);
    lt_image_free(&result->images[picture]);
    return (picture || same) && b->ready != b->stop;
}

static bool free_all(void *user, int picture, lt_result *result) {
    (void)picture;
    ++*(int *)user;
    lt_result_free(result);
    return true;
}

/* What is in the result is the caller's to free, the result itself is not while pictures are to come into it. */
static void test_a_result_freed_too_early(void **state) {
    (void)state;
    int asked = 0;
    lt_session *session = open_micro(1);
    lt_request request = lt_request_defaults();
    request.width = request.height = 16;
    request.steps = 1;
    request.count = 3;
    request.keep_steps = true;
    request.ready = free_all;
    request.user = &asked;
    lt_result result;
    assert_int_equal(lt_generate(session, &request, &result), LT_ERROR_ARGUMENT);
    assert_non_null(strstr(lt_error_message(), "ready: it freed the result"));
    assert_int_equal(asked, 1);
    assert_true(!result.images && !result.count);
    lt_session_close(session);
}

static void test_a_batch_packs_once(void **state) {
    (void)state;
    lt_model *model = open_model(micro_checkpoint(), 0);
    lt_session *session;
    lt_result result;
    batch b = {0};
    assert_ok(lt_session_open(model, NULL, &session));
    b.session = session;
    lt_request request = lt_request_defaults();
    request.width = request.height = 64;
    request.steps = 2;
    request.random_seed = false;
    assert_ok(lt_generate(session, &request, &b.alone));
    const size_t between = lt_weights_packed_size(model->parts.weights);
    request.count = LT_COUNT(b.packed);
    request.ready = compare_picture;
    request.user = &b;
    assert_ok(lt_generate(session, &request, &result));
    assert_int_equal(b.ready, LT_COUNT(b.packed));
    assert_true(b.packed[0] > between && b.packed[1] == b.packed[0]); /* the decoder's stay for the next picture */
    assert_int_equal(b.packed[2], between);
    lt_result_free(&result);
    b.ready = 0;
    b.stop = 2;
    assert_int_equal(lt_generate(session, &request, &result), LT_ERROR_CANCELLED);
    assert_string_equal(lt_error_message(), "stopped after picture 2 of 3");
    assert_int_equal(b.ready, 2);
    assert_int_equal(lt_weights_packed_size(model->parts.weights), between);
    lt_result_free(&b.alone);
    lt_session_close(session);
    lt_model_close(model);
}

/* An allocation that fails in one session leaves the others, and what comes after in its own, as they are. */
static void test_out_of_memory_in_one(void **state) {
    (void)state;
    lt_model *model = open_model(micro_checkpoint(), 0);
    use wanted = {.model = model, .prompt = "a cat", .threads = 1}, alone = wanted;
    lt_session *other = draw_in_session(model);
    work(&alone);
    assert_ok(alone.status);
    size_t n = 0;
    for (bool failed = true; failed; n += 1 + n / 16) {
        use u = wanted;
        lt_alloc_fail_at(n);
        work(&u);
        failed = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        assert_int_equal(u.status, failed ? LT_ERROR_MEMORY : LT_OK);
        forget(&u);
        use same = wanted;
        if (draw_and_encode(&same, other)) fail_msg("%s", lt_error_message());
        assert_memory_equal(same.drawn.images[0].pixels, alone.drawn.images[0].pixels, 64 * 64 * 3);
        forget(&same);
    }
    print_message("    up to %zu allocations\n", n);
    forget(&alone);
    lt_session_close(other);
    lt_model_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_models_at_once),     cmocka_unit_test(test_sessions_of_one_model),
        cmocka_unit_test(test_weights_are_there_once), cmocka_unit_test(test_unused_weights_stay_within_the_budget),
        cmocka_unit_test(test_a_batch_packs_once),     cmocka_unit_test(test_a_result_freed_too_early),
        cmocka_unit_test(test_out_of_memory_in_one),
    };
    const int failed = cmocka_run_group_tests_name("sessions", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
