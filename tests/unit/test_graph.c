/* Graphs and plans: what depends on the prompt is computed once, memory is shared by lifetime, failures stick. */
#include "golden.h"
#include "graph/graph.h"
#include "nn/nn.h"

static const lt_target target = {.isa = LT_ISA_BEST};

static lt_node *add(lt_graph *g, lt_node *a, lt_node *b) { return lt_graph_append(g, (lt_call){&lt_op_add, {a, b}}); }

static void fill(lt_plan *plan, const char *input, float value) { lt_port_fill(lt_plan_port(plan, input), value); }

static float value_of(lt_plan *plan, const char *output, size_t at) {
    float value;
    lt_port_read(lt_plan_port(plan, output), at, &value, 1);
    return value;
}

static void test_runs(void **state) {
    (void)state;
    const lt_shape shape = {1, 2, 3, 5};
    lt_graph g = {0};
    lt_node *a = lt_graph_input(&g, (lt_input){"a", shape, LT_RATE_PROMPT}),
            *b = lt_graph_input(&g, (lt_input){"b", shape, LT_RATE_STEP});
    lt_graph_output(&g, add(&g, add(&g, a, a), b), "out");
    lt_plan *plan;
    assert_ok(lt_plan_create(&g, &target, &plan));
    fill(plan, "a", 1);
    fill(plan, "b", 10);
    assert_ok(lt_plan_run(plan, LT_RATE_PROMPT, NULL, NULL));
    assert_true(value_of(plan, "out", 29) == 12);
    fill(plan, "a", 100); /* not looked at again until the prompt is said to have changed */
    fill(plan, "b", 20);
    assert_ok(lt_plan_run(plan, LT_RATE_STEP, NULL, NULL));
    assert_true(value_of(plan, "out", 0) == 22);
    assert_ok(lt_plan_run(plan, LT_RATE_PROMPT, NULL, NULL));
    assert_true(value_of(plan, "out", 0) == 220);
    assert_null(lt_plan_port(plan, "nothing").node);
    lt_plan_free(plan);
}

/* A long chain needs room for its input, its output and what is at hand, not for every node. */
static void test_memory_is_shared(void **state) {
    (void)state;
    const lt_shape shape = {1, 16, 16, 16};
    const size_t size = lt_shape_count(shape) * sizeof(float);
    lt_graph g = {0};
    lt_node *x = lt_graph_input(&g, (lt_input){"x", shape, LT_RATE_STEP}), *first = x, *second = x;
    for (int i = 0; i < 50; i++) {
        lt_node *next = add(&g, first, second);
        first = second;
        second = next;
    }
    lt_graph_output(&g, second, "out");
    lt_plan *plan;
    assert_ok(lt_plan_create(&g, &target, &plan));
    assert_true(lt_plan_arena_size(plan) <= 5 * size);
    fill(plan, "x", 1);
    assert_ok(lt_plan_run(plan, LT_RATE_STEP, NULL, NULL));
    double a = 1, b = 1;
    for (int i = 0; i < 50; i++) {
        const double c = a + b;
        a = b;
        b = c;
    }
    assert_true(fabs((double)value_of(plan, "out", 7) / b - 1) < 1e-5);
    lt_plan_free(plan);
}

/* The kernel that attention over an input runs on in bf16, where something flows back through it or not. */
static const char *attention_kernel(bool backward) {
    const lt_attention_options heads = {.heads = 2};
    const lt_error_options error = {false};
    const lt_target bf16 = {.isa = LT_ISA_BEST, .precision = LT_PRECISION_BF16};
    const lt_shape shape = {1, 1, 8, 16};
    lt_graph g = {0};
    lt_node *x = lt_graph_input(&g, (lt_input){"x", shape, LT_RATE_STEP});
    lt_node *y = lt_graph_append(&g, (lt_call){&lt_op_attention, {x, x, x}, LT_OPTIONS(heads)});
    lt_node *wanted = lt_graph_input(&g, (lt_input){"wanted", shape, LT_RATE_STEP});
    const lt_loss loss = {lt_graph_append(&g, (lt_call){&lt_op_error, {y, wanted}, LT_OPTIONS(error)}), 1};
    lt_graph_output(&g, loss.node, "loss");
    x->watched = backward;
    if (backward) assert_ok(lt_graph_backward(&g, &loss, 1, false));
    lt_plan *plan;
    const char *kernel = NULL;
    assert_ok(lt_plan_create(&g, &bf16, &plan));
    for (size_t i = 0; i < lt_plan_row_count(plan); i++)
        if (!strcmp(lt_plan_row_at(plan, i).op, "attention")) kernel = lt_plan_row_at(plan, i).kernel;
    lt_plan_free(plan);
    return kernel;
}

/* docs/training.md: of a graph with a backward half attention's products are float32. */
static void test_attention_rounds_where_nothing_flows_back(void **state) {
    (void)state;
    if (!lt_isa_has(LT_ISA_AVX512BF16, LT_ISA_BEST)) skip();
    assert_string_equal(attention_kernel(false), lt_isa_has_amx(LT_ISA_BEST) ? "amx" : "avx512bf16");
    assert_string_equal(attention_kernel(true), "avx512");
}

static void test_failures_stick(void **state) {
    (void)state;
    lt_graph g = {0};
    lt_node *a = lt_graph_input(&g, (lt_input){"a", {1, 1, 1, 4}, LT_RATE_STEP});
    lt_node *b = lt_graph_input(&g, (lt_input){"b", {1, 1, 1, 5}, LT_RATE_STEP});
    assert_null(add(&g, a, b));
    assert_int_equal(g.status, LT_ERROR_MODEL);
    assert_null(add(&g, a, a));
    lt_plan *plan;
    assert_int_equal(lt_plan_create(&g, &target, &plan), LT_ERROR_MODEL);
    assert_null(plan);
}

static void test_weights_are_checked(void **state) {
    (void)state;
    const float values[12] = {0};
    lt_tensor tensors[2] = {{"layer.bias", LT_F32, 1, {3}, {1}, values},
                            {"layer.weight", LT_F32, 2, {3, 4}, {4, 1}, values}};
    lt_weights *weights;
    assert_ok(lt_weights_create(tensors, 2, &weights));
    lt_graph g = {0};
    lt_nn nn = {&g, weights, "test", 1};
    assert_non_null(lt_linear(&nn, "layer", lt_graph_input(&g, (lt_input){"x", {1, 1, 2, 4}, LT_RATE_STEP})));
    assert_null(lt_linear(&nn, "layer", lt_graph_input(&g, (lt_input){"y", {1, 1, 2, 5}, LT_RATE_STEP})));
    assert_string_equal(lt_error_message(), "test: layer.weight has shape [3,4], expected [3,5]");
    lt_graph_free(&g);
    assert_null(lt_linear(&nn, "other", lt_graph_input(&g, (lt_input){"x", {1, 1, 2, 4}, LT_RATE_STEP})));
    assert_string_equal(lt_error_message(), "test: the checkpoint has no tensor other.weight");
    lt_graph_free(&g);
    lt_weights_free(weights);
}

static lt_status stop(void *user) {
    int *left = user;
    return --*left < 0 ? LT_ERROR_CANCELLED : LT_OK;
}

static void test_poll_ends_a_run(void **state) {
    (void)state;
    lt_graph g = {0};
    lt_node *x = lt_graph_input(&g, (lt_input){"x", {1, 1, 1, 4}, LT_RATE_STEP});
    lt_graph_output(&g, add(&g, add(&g, x, x), x), "out");
    lt_plan *plan;
    assert_ok(lt_plan_create(&g, &target, &plan));
    int left = 1;
    assert_int_equal(lt_plan_run(plan, LT_RATE_STEP, stop, &left), LT_ERROR_CANCELLED);
    lt_plan_free(plan);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_memory_is_shared),
        cmocka_unit_test(test_attention_rounds_where_nothing_flows_back),
        cmocka_unit_test(test_failures_stick),
        cmocka_unit_test(test_weights_are_checked),
        cmocka_unit_test(test_poll_ends_a_run),
    };
    return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
