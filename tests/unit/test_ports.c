/* A plan's inputs and outputs: every type of values, both orders, and what an operation does not take. */
#include "golden.h"
#include "graph/graph.h"
#include "kernels/layout.h"
#include "nn/nn.h"

static const lt_target target = {.isa = LT_ISA_BEST};
static const lt_shape shape = {2, 3, 5, 7};
enum { COUNT = 2 * 3 * 5 * 7, PIXELS = 3 * 5 };

/* A plan of inputs alone, one of each type, which are its outputs too. */
static lt_plan *plan_of_inputs(void) {
    lt_graph graph = {0};
    lt_plan *plan;
    for (lt_value_type_id type = 0; type < LT_VALUE_TYPES; type++) {
        lt_node *x = lt_graph_input(&graph, (lt_input){lt_value_types[type].name, shape, LT_RATE_STEP, type});
        lt_graph_output(&graph, x, lt_value_types[type].name);
    }
    assert_ok(lt_plan_create(&graph, &target, &plan));
    return plan;
}

/* 1/3, -2/3, 1, ...: whole numbers, and some that only float32 keeps. */
static float value_at(int i) { return (float)(i % 2 ? -i : i) / 3; }

static float expected(lt_value_type_id type, float value) {
    if (type == LT_VALUE_I32) return truncf(value);
    return type == LT_VALUE_BF16 ? lt_bf16_to_f32(lt_f32_to_bf16(value)) : value;
}

static void test_every_type(void **state) {
    (void)state;
    lt_plan *plan = plan_of_inputs();
    float values[COUNT], read[COUNT];
    for (int i = 0; i < COUNT; i++) values[i] = value_at(i);
    for (lt_value_type_id type = 0; type < LT_VALUE_TYPES; type++) {
        const lt_port port = lt_plan_port(plan, lt_value_types[type].name);
        assert_true(lt_shape_equal(lt_port_shape(port), shape));
        lt_port_read(port, 0, read, COUNT);
        for (int i = 0; i < COUNT; i++) assert_true(read[i] == 0); /* at first */
        lt_port_write(port, 0, values, COUNT);
    }
    for (lt_value_type_id type = 0; type < LT_VALUE_TYPES; type++) {
        lt_port_read(lt_plan_port(plan, lt_value_types[type].name), 0, read, COUNT);
        for (int i = 0; i < COUNT; i++) assert_true(read[i] == expected(type, values[i]));
    }
    lt_plan_free(plan);
}

/* What lies beside what is written stays. */
static void test_parts(void **state) {
    (void)state;
    lt_plan *plan = plan_of_inputs();
    float read[COUNT];
    for (lt_value_type_id type = 0; type < LT_VALUE_TYPES; type++) {
        const lt_port port = lt_plan_port(plan, lt_value_types[type].name);
        lt_port_fill(port, 3);
        lt_port_write(port, 11, (const float[]){1, 2}, 2);
        lt_port_read(port, 0, read, COUNT);
        for (int i = 0; i < COUNT; i++) assert_true(read[i] == (float)(i == 11 ? 1 : i == 12 ? 2 : 3));
        assert_true(lt_port_value(port) == 3);
        lt_port_read(port, 12, read, 1);
        assert_true(read[0] == 2);
    }
    lt_plan_free(plan);
}

static void test_integers(void **state) {
    (void)state;
    lt_plan *plan = plan_of_inputs();
    const lt_port port = lt_plan_port(plan, "i32");
    const int32_t written[] = {INT32_MAX, INT32_MIN, 16777217};
    const float floats[] = {1e30f, -1e30f, NAN, -0.5f, 49407};
    int32_t read[LT_COUNT(floats)];
    lt_port_write_i32(port, 1, written, LT_COUNT(written));
    lt_port_read_i32(port, 1, read, LT_COUNT(written));
    assert_memory_equal(read, written, sizeof written);
    lt_port_write(port, 1, floats, LT_COUNT(floats));
    lt_port_read_i32(port, 1, read, LT_COUNT(floats));
    assert_true(read[0] == INT32_MAX && read[1] == INT32_MIN && read[2] == INT32_MIN && !read[3] && read[4] == 49407);
    lt_plan_free(plan);
}

/* [n, c, h, w] outside is [n, h, w, c] inside. */
static void test_both_orders(void **state) {
    (void)state;
    lt_plan *plan = plan_of_inputs();
    float outside[COUNT], inside[COUNT], read[COUNT];
    for (int i = 0; i < COUNT; i++) outside[i] = (float)i;
    lt_nchw_to_nhwc(outside, inside, 2, PIXELS, 7);
    assert_true(inside[1] == PIXELS && inside[7] == 1 && inside[7 * PIXELS] == 7 * PIXELS);
    lt_nhwc_to_nchw(inside, read, 2, PIXELS, 7);
    assert_memory_equal(read, outside, sizeof read);
    for (lt_value_type_id type = 0; type < LT_VALUE_TYPES; type++) {
        const lt_port port = lt_plan_port(plan, lt_value_types[type].name);
        lt_port_write_nchw(port, outside);
        lt_port_read(port, 0, read, COUNT);
        assert_memory_equal(read, inside, sizeof read);
        lt_port_read_nchw(port, 0, 7, read);
        assert_memory_equal(read, outside, sizeof read);
        lt_port_read_nchw(port, 4, 2, read); /* two channels of each sample */
        assert_memory_equal(read, outside + 4 * PIXELS, 2 * PIXELS * sizeof *read);
        assert_memory_equal(read + 2 * PIXELS, outside + 11 * PIXELS, 2 * PIXELS * sizeof *read);
    }
    lt_plan_free(plan);
}

static void test_one_that_is_not_there(void **state) {
    (void)state;
    lt_plan *plan = plan_of_inputs();
    const lt_port none = lt_plan_port(plan, "nothing");
    float value = 5;
    int32_t whole = 6;
    assert_null(none.node);
    assert_true(lt_shape_count(lt_port_shape(none)) == 0);
    lt_port_write(none, 0, &value, 1);
    lt_port_write_i32(none, 0, &whole, 1);
    lt_port_fill(none, 1);
    lt_port_read(none, 0, &value, 1);
    lt_port_read_i32(none, 0, &whole, 1);
    assert_true(value == 5 && whole == 6);
    lt_plan_free(plan);
}

/* The arena is laid out in bytes: an input of bf16 takes half of what float32 takes. */
static void test_types_take_their_bytes(void **state) {
    (void)state;
    for (lt_value_type_id type = 0; type < LT_VALUE_TYPES; type++) {
        lt_graph graph = {0};
        lt_plan *plan;
        lt_graph_input(&graph, (lt_input){"x", {1, 8, 8, 4}, LT_RATE_STEP, type});
        assert_ok(lt_plan_create(&graph, &target, &plan));
        assert_int_equal(lt_plan_arena_size(plan), 256 * lt_value_types[type].bytes);
        lt_plan_free(plan);
    }
}

static void test_an_operation_takes_its_types_alone(void **state) {
    (void)state;
    for (lt_value_type_id type = 0; type < LT_VALUE_TYPES; type++) {
        lt_graph graph = {0};
        lt_nn nn = {&graph, NULL, "test", 0};
        lt_node *x = lt_graph_input(&graph, (lt_input){"x", {2, 1, 4, 3}, LT_RATE_STEP});
        lt_node *index = lt_graph_input(&graph, (lt_input){"i", {2, 1, 1, 1}, LT_RATE_STEP, type});
        lt_node *row = lt_pick_row(&nn, x, index);
        if (type == LT_VALUE_I32)
            assert_non_null(row);
        else
            assert_null(row);
        assert_int_equal(graph.status, type == LT_VALUE_I32 ? LT_OK : LT_ERROR_MODEL);
        if (type == LT_VALUE_BF16) assert_string_equal(lt_error_message(), "pick_row: input 1 is bf16, expected i32");
        lt_graph_free(&graph);
    }
}

/* An output that is no number fails the run, whatever its type. */
static void test_outputs_are_looked_at(void **state) {
    (void)state;
    lt_plan *plan;
    lt_graph graph = {.maker = "test"};
    lt_node *x = lt_graph_input(&graph, (lt_input){"x", {1, 40, 40, 3}, LT_RATE_STEP, LT_VALUE_BF16});
    lt_graph_output(&graph, x, "x");
    assert_ok(lt_plan_create(&graph, &target, &plan));
    assert_ok(lt_plan_run(plan, LT_RATE_STEP, NULL, NULL));
    lt_port_write(lt_plan_port(plan, "x"), 4799, (const float[]){INFINITY}, 1);
    assert_int_equal(lt_plan_run(plan, LT_RATE_STEP, NULL, NULL), LT_ERROR_MODEL);
    lt_plan_free(plan);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_both_orders),
        cmocka_unit_test(test_one_that_is_not_there),
        cmocka_unit_test(test_types_take_their_bytes),
        cmocka_unit_test(test_an_operation_takes_its_types_alone),
        cmocka_unit_test(test_outputs_are_looked_at),
    };
    return cmocka_run_group_tests_name("ports", tests, NULL, NULL);
}
