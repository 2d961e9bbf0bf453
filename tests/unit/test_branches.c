/* The branches of what a U-Net is told: as one batch and in turn to the byte, and the sum that guidance is. */
#include "base/rng.h"
#include "golden.h"
#include "pipeline/denoiser.h"

enum { SIDE = 8, COUNT = 4 * SIDE * SIDE };

static const lt_pass one_call = {{20, 0}, 1, SIDE, SIDE};

static lt_session *open_tiny(bool low_memory) {
    lt_session_options options = lt_session_options_defaults();
    lt_session *session;
    options.low_memory = low_memory;
    assert_ok(open_session(synthetic_checkpoint("tiny"), &options, &session));
    return session;
}

/* Contexts of different lengths: the last prompt has two chunks. */
static void make_branches(lt_session *session, const float *weights, int count, lt_branches *branches) {
    static const char *const prompts[] = {"", "a red apple", "a pear BREAK on a table"};
    *branches = (lt_branches){.count = count};
    for (int i = 0; i < count; i++) {
        assert_ok(lt_context_make(session, prompts[i], (lt_encoding){.clip_skip = 1}, &branches->items[i].context));
        branches->items[i].weight = weights[i];
    }
}

/* Two predictions, so that what depends on prompts alone is there once and again. */
static void predict(lt_session *session, const lt_branches *branches, float out[COUNT]) {
    lt_denoiser denoiser;
    float x[COUNT];
    lt_rng rng;
    lt_rng_seed(&rng, LT_RNG_CPU, 1);
    lt_rng_normal(&rng, x, COUNT);
    assert_ok(lt_denoiser_init(&denoiser, session, branches, (lt_savings){0}, SIDE, SIDE, NULL, NULL));
    assert_ok(lt_denoiser_predict(&denoiser, 0, x, 900, out));
    assert_ok(lt_denoiser_predict(&denoiser, 0, x, 500, out));
    lt_denoiser_free(&denoiser);
}

static void test_in_turn_as_at_once(void **state) {
    (void)state;
    static const float weights[] = {1, 7.5f, -0.5f};
    for (int count = 1; count <= 3; count++) {
        float out[2][COUNT];
        for (int low = 0; low < 2; low++) {
            lt_session *session = open_tiny(low);
            lt_branches branches;
            make_branches(session, weights, count, &branches);
            predict(session, &branches, out[low]);
            lt_branches_free(&branches);
            lt_session_close(session);
        }
        assert_memory_equal(out[0], out[1], sizeof out[0]);
    }
}

/* first + sum of weight * (other - first), from each branch's prediction alone. */
static void test_the_sum(void **state) {
    (void)state;
    static const float weights[] = {1, 2, -0.5f};
    float alone[3][COUNT], expected[COUNT], out[COUNT];
    lt_session *session = open_tiny(false);
    lt_branches branches;
    make_branches(session, weights, 3, &branches);
    for (int i = 0; i < 3; i++) {
        lt_branches one = {.items = {branches.items[i]}, .count = 1};
        predict(session, &one, alone[i]);
    }
    for (int k = 0; k < COUNT; k++)
        expected[k] = alone[0][k] + 2 * (alone[1][k] - alone[0][k]) - 0.5f * (alone[2][k] - alone[0][k]);
    predict(session, &branches, out);
    assert_true(relative_error(out, expected, COUNT) < 1e-5);
    lt_branches_free(&branches);
    lt_session_close(session);
}

/* A mask is a weight for each pixel: 0 is the first branch alone, 1 as without one. */
static void test_a_mask(void **state) {
    (void)state;
    static const float weights[] = {1, 3};
    float alone[2][COUNT], expected[COUNT], out[COUNT], whole[COUNT];
    lt_session *session = open_tiny(false);
    lt_branches branches;
    make_branches(session, weights, 2, &branches);
    for (int i = 0; i < 2; i++) {
        const lt_branches one = {.items = {branches.items[i]}, .count = 1};
        predict(session, &one, alone[i]);
    }
    predict(session, &branches, whole);
    float *mask = branches.items[1].mask = lt_alloc(SIDE * SIDE * sizeof *mask);
    assert_non_null(mask);
    for (int i = 0; i < SIDE * SIDE; i++) mask[i] = (float)(i % 3) / 2;
    for (int k = 0; k < COUNT; k++) expected[k] = alone[0][k] + 3 * mask[k / 4] * (alone[1][k] - alone[0][k]);
    predict(session, &branches, out);
    assert_true(relative_error(out, expected, COUNT) < 1e-5);
    for (int i = 0; i < SIDE * SIDE; i++) mask[i] = 1;
    predict(session, &branches, out);
    assert_memory_equal(out, whole, sizeof out);
    lt_branches_free(&branches);
    lt_session_close(session);
}

/* predict ends at t = 500: a branch that is there from 600 on leaves the others alone, to the byte of an equal batch.
 */
static void test_an_interval(void **state) {
    (void)state;
    static const float weights[] = {1, 7.5f, -0.5f};
    for (int low = 0; low < 2; low++) {
        lt_session *session = open_tiny(low);
        lt_branches branches;
        float with[COUNT], out[COUNT];
        make_branches(session, weights, 3, &branches);
        lt_branches others = {.items = {branches.items[1], branches.items[2]}, .count = 2};
        predict(session, &others, with);
        branches.items[0].limited = true;
        branches.items[0].interval.from = 600;
        branches.items[0].interval.to = 999;
        predict(session, &branches, out);
        assert_true(relative_error(out, with, COUNT) < 1e-6);
        branches.items[0].interval.from = 500; /* both ends are in it */
        predict(session, &branches, out);
        assert_true(relative_error(out, with, COUNT) > 1e-3);
        lt_branches_free(&branches);
        lt_session_close(session);
    }
}

/* Where one of two is there it is run alone, a batch of one, before and after a batch of both. */
static void test_both_and_alone(void **state) {
    (void)state;
    static const float weights[] = {1, 7.5f}, timesteps[] = {900, 600, 599, 500, 601};
    lt_session *session = open_tiny(false), *other = open_tiny(false);
    lt_branches both, limited;
    lt_denoiser denoiser;
    float x[COUNT] = {1}, out[COUNT], expected[COUNT];
    make_branches(session, weights, 2, &both);
    limited = both;
    limited.items[0].limited = true;
    limited.items[0].interval.from = 600;
    limited.items[0].interval.to = 1000;
    assert_ok(lt_denoiser_init(&denoiser, session, &limited, (lt_savings){0}, SIDE, SIDE, NULL, NULL));
    for (size_t i = 0; i < LT_COUNT(timesteps); i++) {
        const bool guided = timesteps[i] >= 600;
        const lt_branches alone = {.items = {both.items[1]}, .count = 1};
        lt_denoiser fresh;
        assert_ok(lt_denoiser_init(&fresh, other, guided ? &both : &alone, (lt_savings){0}, SIDE, SIDE, NULL, NULL));
        assert_ok(lt_denoiser_predict(&fresh, 0, x, timesteps[i], expected));
        assert_ok(lt_denoiser_predict(&denoiser, 0, x, timesteps[i], out));
        assert_memory_equal(out, expected, sizeof out);
        lt_denoiser_free(&fresh);
    }
    lt_denoiser_free(&denoiser);
    lt_branches_free(&both);
    lt_session_close(session);
    lt_session_close(other);
}

/* A prediction that leaves nothing out. */
static void predict_whole(lt_session *session, const lt_branches *branches, const float *x, float t, float out[COUNT]) {
    lt_denoiser denoiser;
    assert_ok(lt_denoiser_init(&denoiser, session, branches, (lt_savings){0}, SIDE, SIDE, NULL, NULL));
    assert_ok(lt_denoiser_predict(&denoiser, 0, x, t, out));
    lt_denoiser_free(&denoiser);
}

/* Deep features of each third step: what is predicted on those of another step is another prediction, and a branch that
 * has none is predicted whole, with those that are there beside it. The same bytes one by one. */
static void test_deep_features(void **state) {
    (void)state;
    static const float weights[] = {1, 7.5f};
    static const struct {
        float t;
        int branches; /* that are there: the prompt, or both */
        bool whole;
    } steps[] = {{900, 1, true}, {700, 1, false}, {600, 2, true}, {500, 2, true}, {400, 2, false}, {900, 1, false}};
    float x[COUNT], out[2][LT_COUNT(steps)][COUNT], whole[COUNT];
    for (int low = 0; low < 2; low++) {
        lt_session *session = open_tiny(low), *other = open_tiny(low);
        lt_branches branches;
        lt_denoiser denoiser;
        memset(x, 0, sizeof x);
        make_branches(session, weights, 2, &branches);
        branches.items[0].limited = true;
        branches.items[0].interval.to = 600;
        assert_ok(
            lt_denoiser_init(&denoiser, session, &branches, (lt_savings){.deep_cache = 3}, SIDE, SIDE, NULL, NULL));
        for (size_t i = 0; i < LT_COUNT(steps); i++) {
            assert_ok(lt_denoiser_predict(&denoiser, (int)i, x, steps[i].t, out[low][i]));
            predict_whole(other, &branches, x, steps[i].t, whole);
            if (steps[i].whole) assert_memory_equal(out[low][i], whole, sizeof whole);
            if (!steps[i].whole) assert_true(relative_error(out[low][i], whole, COUNT) > 1e-3);
            x[i] += 1;
        }
        lt_denoiser_free(&denoiser);
        lt_branches_free(&branches);
        lt_session_close(session);
        lt_session_close(other);
    }
    assert_memory_equal(out[0], out[1], sizeof out[0]);
}

/* Where no branch is there nothing can be predicted. */
static void test_nothing_is_there(void **state) {
    (void)state;
    static const float weights[] = {1, 2};
    lt_session *session = open_tiny(false);
    lt_branches branches;
    lt_denoiser denoiser;
    float x[COUNT] = {0}, out[COUNT];
    make_branches(session, weights, 2, &branches);
    for (int i = 0; i < 2; i++) {
        branches.items[i].limited = true;
        branches.items[i].interval.to = 100;
    }
    assert_ok(lt_denoiser_init(&denoiser, session, &branches, (lt_savings){0}, SIDE, SIDE, NULL, NULL));
    assert_ok(lt_denoiser_predict(&denoiser, 0, x, 100, out));
    assert_int_equal(lt_denoiser_predict(&denoiser, 0, x, 101, out), LT_ERROR_ARGUMENT);
    lt_denoiser_free(&denoiser);
    lt_branches_free(&branches);
    lt_session_close(session);
}

/* An interval of noise levels is one of timesteps for the negative prompt: above its low end, up to its high one. */
static void test_an_interval_of_noise(void **state) {
    (void)state;
    lt_session *session = open_tiny(false);
    const lt_noise_schedule *s = &session->parts->schedule;
    const struct {
        float low, high;
        int without, first, last, beyond; /* timesteps: not in it, in it, in it, not in it; -1: there is none */
    } cases[] = {
        {s->sigmas[200], s->sigmas[700], 200, 201, 700, 701},
        {0, s->sigmas[700], -1, 0, 700, 701},
        {s->sigmas[200], 0, 200, 201, 999, -1},
        {0, s->sigmas[0], -1, 0, 0, 1},
        {0, s->sigmas[0] / 2, 0, -1, -1, 999},
        {s->sigmas[999], 0, 999, -1, -1, 0},
        {0, 0, -1, 0, 999, -1},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_request request = lt_request_defaults();
        lt_branches branches;
        request.guidance_interval[0] = cases[i].low;
        request.guidance_interval[1] = cases[i].high;
        assert_ok(lt_branches_read(session, &request, &one_call, &branches));
        const lt_branch *negative = &branches.items[0];
        if (cases[i].without >= 0) assert_false(lt_branch_is_there(negative, (float)cases[i].without));
        if (cases[i].first >= 0) assert_true(lt_branch_is_there(negative, (float)cases[i].first));
        if (cases[i].last >= 0) assert_true(lt_branch_is_there(negative, (float)cases[i].last));
        if (cases[i].beyond >= 0) assert_false(lt_branch_is_there(negative, (float)cases[i].beyond));
        for (int t = 0; t < LT_TRAIN_STEPS; t++) assert_true(lt_branch_is_there(&branches.items[1], (float)t));
        lt_branches_free(&branches);
    }
    lt_session_close(session);
}

/* Guidance 1 is the prompt alone, 0 the negative one. */
static void test_of_a_request(void **state) {
    (void)state;
    static const struct {
        float guidance;
        int count;
    } cases[] = {{1, 1}, {0, 1}, {7.5f, 2}, {-2, 2}};
    lt_session *session = open_tiny(false);
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_request request = lt_request_defaults();
        lt_branches branches;
        request.prompt = "a BREAK b"; /* two chunks, unlike the negative one */
        request.guidance = cases[i].guidance;
        assert_ok(lt_branches_read(session, &request, &one_call, &branches));
        assert_int_equal(branches.count, cases[i].count);
        const lt_branch *last = &branches.items[branches.count - 1];
        assert_int_equal(lt_branch_context(last, 0)->tokens, (cases[i].guidance == 0 ? 1 : 2) * LT_CONTEXT_TOKENS);
        if (branches.count == 2) assert_true(last->weight == cases[i].guidance);
        lt_branches_free(&branches);
    }
    lt_session_close(session);
}

/* A guided prediction of each picture, rescaled by diffusers. */
static void test_rescaled(void **state) {
    (void)state;
    static const float shares[] = {0, 0.7f, 1};
    lt_checkpoint file;
    size_t n;
    open_golden("fewstep/fewstep.safetensors", &file);
    float *first = golden_values(&file, "rescale.uncond", &n), *prompt = golden_values(&file, "rescale.cond", &n);
    float *sum = malloc(n * sizeof *sum), *room = malloc(n * sizeof *room);
    for (size_t k = 0; k < LT_COUNT(shares); k++) {
        char name[32];
        const lt_branches branches = {.guidance = 7.5f, .rescale = shares[k]};
        for (size_t i = 0; i < n; i++) sum[i] = first[i] + 7.5f * (prompt[i] - first[i]);
        for (size_t i = 0; i < n; i += n / 2) lt_branches_rescale(&branches, n / 2, first + i, room, sum + i);
        snprintf(name, sizeof name, "rescale.out@%g", (double)shares[k]);
        assert_golden(&file, name, sum, n, 1e-5);
    }
    free(first);
    free(prompt);
    free(sum);
    free(room);
    lt_checkpoint_close(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_turn_as_at_once),
        cmocka_unit_test(test_the_sum),
        cmocka_unit_test(test_a_mask),
        cmocka_unit_test(test_an_interval),
        cmocka_unit_test(test_both_and_alone),
        cmocka_unit_test(test_deep_features),
        cmocka_unit_test(test_nothing_is_there),
        cmocka_unit_test(test_an_interval_of_noise),
        cmocka_unit_test(test_of_a_request),
        cmocka_unit_test(test_rescaled),
    };
    const int failed = cmocka_run_group_tests_name("branches", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
