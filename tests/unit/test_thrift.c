/* Drawing within a limit of memory: what a module would take is what it takes, and the ways to take less come one after
 * the other until nothing suffices. */
#include "golden.h"
#include "pipeline/thrift.h"

static void count_notes(void *user, const char *message) {
    assert_true(strncmp(message, "to stay within", 14) == 0);
    ++*(int *)user;
}

static lt_session *open_tiny(double max_memory, int *notes) {
    lt_session_options options = lt_session_options_defaults();
    lt_session *session;
    options.max_memory = max_memory;
    options.notice = notes ? count_notes : NULL;
    options.notice_user = notes;
    assert_ok(open_session(synthetic_checkpoint("tiny"), &options, &session));
    return session;
}

static void test_what_a_module_would_take(void **state) {
    (void)state;
    lt_session *session = open_tiny(0, NULL);
    const lt_module_size sizes[] = {{.n = 2, .h = 16, .w = 16, .tokens = 77}, {.n = 1, .h = 16, .w = 16, .tokens = 77}};
    lt_plan *plans[2];
    lt_need need;
    assert_ok(lt_module_need(session, LT_MODULE_UNET, sizes, 2, &need));
    assert_int_equal(lt_weights_packed_size(session->parts->weights), 0); /* asking packs nothing */
    assert_ok(lt_module_plans(session, LT_MODULE_UNET, sizes, 2, plans));
    assert_int_equal(need.weights, lt_weights_packed_size(session->parts->weights));
    assert_int_equal(need.values, lt_plan_arena_size(plans[0]) + lt_plan_arena_size(plans[1]));
    lt_session_close(session);
}

/* What is chosen for a picture of side x side within so many GB; refiner: NULL is none. */
static lt_status choose(lt_session *session, const lt_components *refiner, int side, double max_memory, int *notes) {
    const lt_request request = lt_request_defaults();
    const lt_canvas canvas = {.width = side, .height = side, .latent_w = side / 8, .latent_h = side / 8};
    const lt_guidance none = {0};
    lt_refiner second;
    const lt_pass pass = {{request.steps, 0}, request.steps, canvas.latent_h, canvas.latent_w};
    lt_branches branches;
    assert_ok(lt_branches_read(session, &request, &pass, &branches));
    assert_ok(lt_refiner_init(&second, session, refiner, &request, &pass, request.steps));
    session->max_memory = max_memory;
    *notes = 0;
    const lt_status status = lt_thrift_choose(session, &(lt_taking){&request, &canvas, &branches, &none, &second});
    lt_refiner_free(&second);
    lt_branches_free(&branches);
    return status;
}

/* Less and less: the ways taken cost more and more, until all of them do not suffice. */
static void test_less_and_less(void **state) {
    (void)state;
    static const int sides[] = {64, 512, 1024};
    int notes, seen = 0;
    lt_session *session = open_tiny(0, &notes);
    for (size_t i = 0; i < LT_COUNT(sides); i++) {
        int before = 0;
        for (double gb = 20; !choose(session, NULL, sides[i], gb, &notes); gb *= 0.98) {
            const lt_thrift t = session->thrift;
            const int cost = t.repack + 2 * t.in_turn + 4 * t.tiles;
            assert_true(cost >= before);
            assert_int_equal(notes, t.repack + t.in_turn + t.tiles);
            seen |= before = cost;
        }
        assert_non_null(strstr(lt_error_message(), "`max_memory` allows"));
    }
    assert_int_equal(seen, 7);
    lt_session_close(session);
}

static lt_status draw(double max_memory, lt_result *result) {
    lt_session *session = open_tiny(max_memory, NULL);
    lt_request request = lt_request_defaults();
    request.prompt = "a red apple";
    request.width = request.height = 64;
    request.steps = 2;
    request.random_seed = false;
    request.count = 2; /* so that weights are packed again */
    const lt_status status = lt_generate(session, &request, result);
    lt_session_close(session);
    return status;
}

static void test_the_same_picture(void **state) {
    (void)state;
    lt_result with, without;
    double least = 1;
    assert_ok(draw(0, &without));
    while (!draw(least, &with)) {
        for (int i = 0; i < 2; i++) assert_memory_equal(with.images[i].pixels, without.images[i].pixels, 64 * 64 * 3);
        lt_result_free(&with);
        least *= 0.7;
    }
    lt_result_free(&without);
}

/* The highest limit for which something is done. */
static double first_note(lt_session *session, const lt_components *refiner, int *notes) {
    double gb = 20;
    while (!choose(session, refiner, 64, gb, notes) && !*notes) gb *= 0.98;
    return gb;
}

static lt_status refine(lt_model *refiner, double max_memory, lt_result *result) {
    lt_session_options options = lt_session_options_defaults();
    lt_request request = lt_request_defaults();
    lt_session *session;
    options.max_memory = max_memory;
    request.prompt = "a red apple";
    request.width = request.height = 64;
    request.steps = 2;
    request.refiner = refiner;
    request.refiner_start = 0.5f;
    request.random_seed = false;
    request.count = 2;
    assert_ok(open_session(synthetic_checkpoint("tiny-xl"), &options, &session));
    const lt_status status = lt_generate(session, &request, result);
    lt_session_close(session);
    return status;
}

/* A refiner counts, and where memory is short the first model's weights make way for it, to the same pictures. */
static void test_a_refiner(void **state) {
    (void)state;
    lt_session_options options = lt_session_options_defaults();
    lt_model *refiner;
    lt_session *session, *other;
    lt_result with, without;
    int notes = 0;
    options.notice = count_notes;
    options.notice_user = &notes;
    assert_ok(open_session(synthetic_checkpoint("tiny-xl"), &options, &session));
    assert_ok(open_session(synthetic_checkpoint("tiny-refiner"), NULL, &other));
    assert_true(first_note(session, other->parts, &notes) > 1.3 * first_note(session, NULL, &notes));
    lt_session_close(session);
    refiner = lt_session_model(other);
    assert_ok(refine(refiner, 0, &without));
    for (double least = 1; !refine(refiner, least, &with); least *= 0.8) {
        for (int i = 0; i < 2; i++) assert_memory_equal(with.images[i].pixels, without.images[i].pixels, 64 * 64 * 3);
        lt_result_free(&with);
    }
    lt_result_free(&without);
    lt_session_close(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_module_would_take),
        cmocka_unit_test(test_less_and_less),
        cmocka_unit_test(test_the_same_picture),
        cmocka_unit_test(test_a_refiner),
    };
    const int failed = cmocka_run_group_tests_name("thrift", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
