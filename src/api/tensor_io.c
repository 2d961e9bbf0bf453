/* Tensors of files as the inputs of plans. */
#include "api/tensor_io.h"

#include "base/map.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const lt_tensor *lt_tensor_named(const lt_tensor *in, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (!strcmp(in[i].name, name)) return &in[i];
    return NULL;
}

/* The dimensions of an input of that name, as the graph calls them; a picture's are NCHW. */
static const char *order_of(const char *name) {
    static const char *const others[][2] = {
        {"t", "n"}, {"ids", "nw"}, {"y", "nc"}, {"timestep_cond", "nc"}, {"context", "nwc"}};
    for (size_t i = 0; i < LT_COUNT(others); i++)
        if (!strcmp(others[i][0], name)) return others[i][1];
    return "nchw";
}

static int *dimension(lt_shape *shape, char which) {
    return which == 'n' ? &shape->n : which == 'h' ? &shape->h : which == 'w' ? &shape->w : &shape->c;
}

static lt_status refuse_shape(const lt_tensor *t, const char *needed) {
    char shape[LT_MAX_RANK * 24];
    lt_tensor_shape_text(t, shape, sizeof shape);
    return lt_fail(LT_ERROR_ARGUMENT, "tensor %s has shape %s; %s is needed", t->name, shape, needed);
}

lt_status lt_shape_of_tensor(const lt_tensor *t, lt_shape *shape) {
    const char *order = order_of(t->name);
    char needed[32];
    snprintf(needed, sizeof needed, "one of %zu", strlen(order));
    if (t->rank != (int)strlen(order)) return refuse_shape(t, needed);
    *shape = (lt_shape){1, 1, 1, 1};
    for (int i = 0; order[i]; i++) {
        if (t->shape[i] < 1 || t->shape[i] > 1 << 20)
            return lt_fail(LT_ERROR_ARGUMENT, "tensor %s has a dimension of %zu", t->name, t->shape[i]);
        *dimension(shape, order[i]) = (int)t->shape[i];
    }
    return LT_OK;
}

static lt_status check_shape(const lt_tensor *t, lt_shape shape, lt_shape wanted) {
    const char *order = order_of(t->name);
    lt_tensor like = {.rank = t->rank};
    char needed[LT_MAX_RANK * 24];
    if (lt_shape_equal(shape, wanted)) return LT_OK;
    for (int i = 0; order[i]; i++) like.shape[i] = (size_t)*dimension(&wanted, order[i]);
    lt_tensor_shape_text(&like, needed, sizeof needed);
    return refuse_shape(t, needed);
}

lt_status lt_tensor_read_finite(const lt_tensor *t, float *values) {
    LT_TRY(lt_tensor_readable(t));
    lt_tensor_read_f32(t, values);
    LT_TRY(lt_map_check(t->data, LT_OK));
    if (lt_all_finite(values, lt_tensor_count(t))) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT, "tensor %s holds a NaN or an infinity", t->name);
}

/* Tokens are whole numbers. */
static lt_status check_whole(const lt_tensor *t, lt_port port, const float *values, size_t count) {
    for (size_t i = 0; i < count && port.node->operation.type == LT_VALUE_I32; i++)
        if (values[i] != rintf(values[i]) || fabsf(values[i]) >= 0x1p31f)
            return lt_fail(LT_ERROR_ARGUMENT, "tensor %s holds %g: whole numbers are needed", t->name,
                           (double)values[i]);
    return LT_OK;
}

lt_status lt_write_input(lt_plan *plan, const lt_tensor *t) {
    lt_shape shape;
    LT_TRY(lt_shape_of_tensor(t, &shape));
    const lt_port port = lt_plan_port(plan, t->name);
    LT_TRY(check_shape(t, shape, lt_port_shape(port)));
    const size_t count = lt_shape_count(shape);
    float *values = lt_alloc(count * sizeof *values);
    lt_status status = values ? lt_tensor_read_finite(t, values) : LT_ERROR_MEMORY;
    if (!status) status = check_whole(t, port, values, count);
    if (!status && t->rank == 4)
        lt_port_write_nchw(port, values);
    else if (!status)
        lt_port_write(port, 0, values, count);
    lt_free(values);
    return status;
}
