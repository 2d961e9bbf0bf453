/* Tensors of files as the inputs of plans. */
#include "api/tensor_io.h"

#include "base/map.h"

#include <string.h>

const lt_tensor *lt_tensor_named(const lt_tensor *in, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (!strcmp(in[i].name, name)) return &in[i];
    return NULL;
}

lt_status lt_shape_of_tensor(const lt_tensor *t, lt_shape *shape) {
    for (int i = 0; i < t->rank; i++)
        if (t->shape[i] < 1 || t->shape[i] > 1 << 20)
            return lt_fail(LT_ERROR_ARGUMENT, "tensor %s has a dimension of %zu", t->name, t->shape[i]);
    const int s[4] = {(int)t->shape[0], (int)t->shape[1], (int)t->shape[2], (int)t->shape[3]};
    switch (t->rank) {
    case 1: *shape = (lt_shape){s[0], 1, 1, 1}; return LT_OK;
    case 2: *shape = (lt_shape){s[0], 1, s[1], 1}; return LT_OK;
    case 3: *shape = (lt_shape){s[0], 1, s[1], s[2]}; return LT_OK;
    case 4: *shape = (lt_shape){s[0], s[2], s[3], s[1]}; return LT_OK;
    default: return lt_fail(LT_ERROR_ARGUMENT, "tensor %s has %d dimensions", t->name, t->rank);
    }
}

lt_status lt_write_input(lt_plan *plan, const lt_tensor *t) {
    lt_shape shape;
    LT_TRY(lt_tensor_readable(t));
    LT_TRY(lt_shape_of_tensor(t, &shape));
    const lt_port port = lt_plan_port(plan, t->name);
    const lt_shape wanted = lt_port_shape(port);
    if (t->rank == 2 && wanted.w == 1) shape = (lt_shape){shape.n, 1, 1, shape.w}; /* channels, not tokens */
    if (!lt_shape_equal(shape, wanted))
        return lt_fail(LT_ERROR_ARGUMENT, "tensor %s is n %d, h %d, w %d, c %d; this model takes %d, %d, %d, %d",
                       t->name, shape.n, shape.h, shape.w, shape.c, wanted.n, wanted.h, wanted.w, wanted.c);
    float *values = lt_alloc(lt_shape_count(shape) * sizeof(float));
    if (!values) return LT_ERROR_MEMORY;
    lt_tensor_read_f32(t, values);
    const bool finite = lt_all_finite(values, lt_shape_count(shape));
    if (t->rank == 4)
        lt_port_write_nchw(port, values);
    else
        lt_port_write(port, 0, values, lt_shape_count(shape));
    lt_free(values);
    return lt_map_check(t->data,
                        finite ? LT_OK : lt_fail(LT_ERROR_ARGUMENT, "tensor %s holds a NaN or an infinity", t->name));
}
