/* What controls a U-Net, alone. */
#include "api/run_control.h"

#include "api/arrays.h"
#include "api/tensor_io.h"

enum { MOST_OUTPUTS = LT_MOST_RESIDUALS };

/* ---- Out ---- */

/* The plan's ports of these names, as many as there are, as pictures. */
static lt_status read_ports(lt_plan *plan, const char *const *names, int most, lt_arrays *out) {
    lt_tensor tensors[MOST_OUTPUTS];
    size_t count = 0, floats = 0;
    for (; count < (size_t)most && lt_plan_port(plan, names[count]).node; count++) {
        const lt_shape s = lt_port_shape(lt_plan_port(plan, names[count]));
        tensors[count] = (lt_tensor){names[count], LT_F32, 4, {(size_t)s.n, (size_t)s.c, (size_t)s.h, (size_t)s.w}};
        floats += lt_shape_count(s);
    }
    float *values = lt_alloc(floats * sizeof *values), *at = values;
    if (!values) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < count; at += lt_tensor_count(&tensors[i++])) {
        lt_port_read_nchw(lt_plan_port(plan, names[i]), 0, tensors[i].shape[1], at);
        tensors[i].data = at;
    }
    return lt_arrays_take(tensors, count, values, out);
}

/* ---- In ---- */

/* Writes the inputs of these names, and the length of the context where one is read. */
static lt_status write_inputs(lt_plan *plan, const lt_tensor *in, size_t count, const char *const *names) {
    for (; *names; names++)
        if (lt_plan_port(plan, *names).node) {
            const lt_tensor *t = lt_tensor_named(in, count, *names);
            if (!t) return lt_fail(LT_ERROR_ARGUMENT, "this module needs a tensor called %s", *names);
            LT_TRY(lt_write_input(plan, t));
        }
    lt_port_fill(lt_plan_port(plan, "context_lengths"), (float)lt_port_shape(lt_plan_port(plan, "context")).w);
    return LT_OK;
}

static lt_status shape_of(const lt_tensor *in, size_t count, const char *name, lt_shape *shape) {
    const lt_tensor *t = lt_tensor_named(in, count, name);
    return t ? lt_shape_of_tensor(t, shape) : lt_fail(LT_ERROR_ARGUMENT, "this module needs a tensor called %s", name);
}

/* ---- A ControlNet ---- */

static lt_status copy_port(lt_port from, lt_port to) {
    const size_t count = lt_shape_count(lt_port_shape(from));
    float *values = lt_alloc(count * sizeof *values);
    if (!values) return LT_ERROR_MEMORY;
    lt_port_read(from, 0, values, count);
    lt_port_write(to, 0, values, count);
    lt_free(values);
    return LT_OK;
}

/* Runs what sees the picture, and gives what it makes of it to plan. */
static lt_status guide(lt_session *session, lt_module_size size, const lt_tensor *in, size_t count, lt_plan *plan) {
    static const char *const inputs[] = {"hint", NULL};
    lt_plan *hint;
    LT_TRY(lt_module_plan(session, LT_MODULE_HINT, &size, &hint));
    LT_TRY(write_inputs(hint, in, count, inputs));
    LT_TRY(lt_module_run(session, hint, LT_RATE_PROMPT));
    const lt_port from = lt_plan_port(hint, "guide"), to = lt_plan_port(plan, "guide");
    LT_TRY(lt_module_expect(LT_MODULE_HINT, from, lt_port_shape(to)));
    return copy_port(from, to);
}

lt_status lt_run_control(lt_session *session, const lt_run_options *options, const lt_tensor *in, size_t count,
                         lt_arrays *out) {
    (void)options;
    static const char *const inputs[] = {"x", "t", "context", NULL};
    lt_shape x, context = {0};
    lt_plan *plan;
    LT_TRY(lt_module_needed(session->parts, LT_MODULE_CONTROL, ""));
    LT_TRY(shape_of(in, count, "x", &x));
    if (session->parts->control.half.context_dim) LT_TRY(shape_of(in, count, "context", &context));
    lt_module_size size = {.n = x.n, .h = x.h, .w = x.w};
    const lt_module_size hint = size;
    size.tokens = context.w;
    LT_TRY(lt_module_plan(session, LT_MODULE_CONTROL, &size, &plan));
    LT_TRY(write_inputs(plan, in, count, inputs));
    LT_TRY(guide(session, hint, in, count, plan));
    LT_TRY(lt_module_run(session, plan, LT_RATE_PROMPT));
    return read_ports(plan, lt_residual_ports, LT_MOST_RESIDUALS, out);
}

/* ---- A T2I-Adapter ---- */

/* Of the hints [n,channels,8h,8w] of a file, the i-th as pixels [8h,8w,3]. */
static void take_pixels(const float *hints, const lt_tensor *t, size_t i, float *pixels) {
    const size_t channels = t->shape[1], count = t->shape[2] * t->shape[3];
    for (size_t p = 0; p < count; p++)
        for (size_t c = 0; c < 3; c++) pixels[3 * p + c] = hints[(i * channels + c % channels) * count + p];
}

static void shuffle_hints(const lt_t2i *adapter, const lt_tensor *t, const float *hints, float *pixels, float *work,
                          lt_port port) {
    const int h = (int)t->shape[2] / LT_T2I_FACTOR, w = (int)t->shape[3] / LT_T2I_FACTOR;
    const size_t each = lt_shape_count(lt_port_shape(port)) / t->shape[0];
    for (size_t i = 0; i < t->shape[0]; i++) {
        take_pixels(hints, t, i, pixels);
        lt_t2i_unshuffle(pixels, h, w, adapter->hint_channels, work);
        lt_port_write(port, i * each, work, each);
    }
}

static lt_status write_hints(const lt_t2i *adapter, const lt_tensor *t, lt_port port) {
    const size_t count = lt_tensor_count(t), pixel_count = t->shape[2] * t->shape[3] * 3;
    float *hints = lt_alloc(count * sizeof *hints), *pixels = lt_alloc(pixel_count * sizeof *pixels);
    float *work = lt_alloc(lt_shape_count(lt_port_shape(port)) * sizeof *work);
    const lt_status status = hints && pixels && work ? lt_tensor_read_finite(t, hints) : LT_ERROR_MEMORY;
    if (!status) shuffle_hints(adapter, t, hints, pixels, work, port);
    lt_free(hints);
    lt_free(pixels);
    lt_free(work);
    return status;
}

lt_status lt_run_adapter(lt_session *session, const lt_run_options *options, const lt_tensor *in, size_t count,
                         lt_arrays *out) {
    (void)options;
    const lt_t2i *adapter = &session->parts->adapter;
    lt_shape hint;
    lt_plan *plan;
    LT_TRY(lt_module_needed(session->parts, LT_MODULE_ADAPTER, ""));
    LT_TRY(shape_of(in, count, "hint", &hint));
    if ((hint.c != 3 && hint.c != 1) || hint.h % LT_T2I_FACTOR || hint.w % LT_T2I_FACTOR)
        return lt_fail(LT_ERROR_ARGUMENT,
                       "tensor hint: %d channels of %dx%d; 3, or 1, and multiples of %d are possible", hint.c, hint.h,
                       hint.w, LT_T2I_FACTOR);
    const lt_module_size size = {.n = hint.n, .h = hint.h / LT_T2I_FACTOR, .w = hint.w / LT_T2I_FACTOR};
    LT_TRY(lt_module_plan(session, LT_MODULE_ADAPTER, &size, &plan));
    LT_TRY(write_hints(adapter, lt_tensor_named(in, count, "hint"), lt_plan_port(plan, "hint")));
    LT_TRY(lt_module_run(session, plan, LT_RATE_PROMPT));
    return read_ports(plan, lt_feature_ports, LT_MAX_LEVELS, out);
}
