/* How long each module of a model takes on this machine, and where the time goes. */
#include "api/model.h"
#include "base/door.h"
#include "base/fields.h"
#include "base/picture.h"
#include "base/rng.h"

#include <stdio.h>
#include <stdlib.h>

#define AT(member) LT_FIELD(lt_timing_options, member)
static const lt_field fields[] = {
    {AT(width), LT_FIELD_INT, 0, LT_IMAGE_MAX_SIDE, .help = "default: the model's own"},
    {AT(height), LT_FIELD_INT, 0, LT_IMAGE_MAX_SIDE, .help = "likewise"},
    {AT(runs), LT_FIELD_INT, 1, 1000, .help = "timed runs of each module, after one that is not"},
    {AT(operations), LT_FIELD_BOOL, .help = "list each module's operations, slowest first"},
    {AT(reserved), LT_FIELD_RESERVED},
    {0},
};
#undef AT

const lt_field *lt_timing_fields(void) { return fields; }
lt_timing_options lt_timing_options_defaults(void) { return (lt_timing_options){.runs = 3}; }

/* ---- One module ---- */

static void fill_inputs(lt_plan *plan) {
    static const char *const names[] = {"x", "z", "context", "pixels"};
    lt_rng rng;
    lt_rng_seed(&rng, LT_RNG_CPU, 0);
    for (size_t i = 0; i < LT_COUNT(names); i++) {
        const lt_port input = lt_plan_port(plan, names[i]);
        const size_t count = lt_shape_count(lt_port_shape(input));
        for (size_t k = 0; k < count; k++) {
            float value;
            lt_rng_normal(&rng, &value, 1);
            lt_port_write(input, k, &value, 1);
        }
    }
    lt_port_fill(lt_plan_port(plan, "context_lengths"), LT_CONTEXT_TOKENS);
    lt_port_fill(lt_plan_port(plan, "t"), 500);
    lt_port_fill(lt_plan_port(plan, "ids"), 1);
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static lt_status time_runs(const lt_session *session, lt_plan *plan, lt_rate rate, int runs, double *median) {
    double *seconds = lt_alloc((size_t)runs * sizeof *seconds);
    if (!seconds) return LT_ERROR_MEMORY;
    lt_status status = lt_module_run(session, plan, LT_RATE_PROMPT);
    for (int i = 0; i < runs && !status; i++) {
        const double start = lt_now();
        status = lt_module_run(session, plan, rate);
        seconds[i] = lt_now() - start;
    }
    if (!status) {
        qsort(seconds, (size_t)runs, sizeof *seconds, by_value);
        *median = seconds[runs / 2];
    }
    lt_free(seconds);
    return status;
}

static int slowest_first(const void *a, const void *b) {
    const double x = ((const lt_timed_operation *)a)->seconds, y = ((const lt_timed_operation *)b)->seconds;
    return x > y ? -1 : x < y;
}

/* Those of the last run that took time. */
static lt_status list_operations(const lt_plan *plan, lt_timed_module *m) {
    const size_t count = lt_plan_row_count(plan);
    m->operations = lt_calloc(count, sizeof *m->operations);
    if (!m->operations) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const lt_plan_row r = lt_plan_row_at(plan, i);
        if (!(r.seconds > 0)) continue;
        lt_timed_operation *t = &m->operations[m->operation_count++];
        *t = (lt_timed_operation){.operation = r.op,
                                  .weight = r.weight,
                                  .output = {r.shape.n, r.shape.h, r.shape.w, r.shape.c},
                                  .flop = r.flops,
                                  .seconds = r.seconds};
        snprintf(t->kernel, sizeof t->kernel, "%s", r.kernel);
    }
    qsort(m->operations, m->operation_count, sizeof *m->operations, slowest_first);
    return LT_OK;
}

static lt_status time_module(lt_session *session, lt_module module, const lt_module_size *size,
                             const lt_timing_options *o, lt_timed_module *m) {
    lt_plan *plan;
    const double start = lt_now();
    LT_TRY(lt_module_plan(session, module, size, &plan));
    *m = (lt_timed_module){
        .name = lt_module_name(module), .prepare_seconds = lt_now() - start, .arena_bytes = lt_plan_arena_size(plan)};
    fill_inputs(plan);
    lt_plan_trace(plan, o->operations);
    const bool stepwise = module == LT_MODULE_UNET || module == LT_MODULE_CONTROL;
    LT_TRY(time_runs(session, plan, stepwise ? LT_RATE_STEP : LT_RATE_PROMPT, o->runs, &m->run_seconds));
    for (size_t i = 0; i < lt_plan_row_count(plan); i++) m->flop += lt_plan_row_at(plan, i).flops;
    if (o->operations) LT_TRY(list_operations(plan, m));
    lt_module_drop(session, module);
    return LT_OK;
}

/* ---- All of them ---- */

/* As drawing needs them, the U-Net and a ControlNet with both guided halves in one batch. */
static lt_status time_modules(lt_session *session, const lt_timing_options *o, lt_timings *out) {
    static const lt_module order[] = {
        LT_MODULE_TEXT,        LT_MODULE_TEXT_2,   LT_MODULE_IMAGE, LT_MODULE_VAE_ENCODER, LT_MODULE_UNET,
        LT_MODULE_VAE_DECODER, LT_MODULE_UPSCALER, LT_MODULE_HINT,  LT_MODULE_CONTROL,     LT_MODULE_ADAPTER};
    const lt_components *parts = session->parts;
    const int factor = parts->vae.factor ? parts->vae.factor : 8, own = parts->sample_size * factor;
    const int w = (int)lt_max((size_t)((o->width ? o->width : own) / factor), 1);
    const int h = (int)lt_max((size_t)((o->height ? o->height : own) / factor), 1);
    lt_module_size sizes[LT_MODULE_COUNT];
    lt_module_sizes(parts, h, w, sizes);
    sizes[LT_MODULE_UNET].n = sizes[LT_MODULE_CONTROL].n = 2;
    sizes[LT_MODULE_TEXT].embed = 0;
    *out = (lt_timings){.width = w * factor,
                        .height = h * factor,
                        .isa = lt_isa_name(session->target.isa),
                        .threads = lt_team_size(session->target.team),
                        .modules = lt_calloc(LT_COUNT(order), sizeof *out->modules)};
    if (!out->modules) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < LT_COUNT(order); i++)
        if (parts->has[order[i]])
            LT_TRY(time_module(session, order[i], &sizes[order[i]], o, &out->modules[out->module_count++]));
    return LT_OK;
}

lt_status lt_time_modules(lt_session *session, const lt_timing_options *options, lt_timings *timings) {
    const lt_timing_options defaults = lt_timing_options_defaults(), *o = options ? options : &defaults;
    const lt_argument arguments[] = {LT_SESSION_ARGUMENT, {"timings", .out = timings, .size = sizeof *timings}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = lt_fields_check(fields, o);
    if (!status) status = time_modules(session, o, timings);
    if (status) lt_timings_free(timings);
    return lt_leave(&door, status);
}

void lt_timings_free(lt_timings *timings) {
    if (!timings) return;
    for (size_t i = 0; i < timings->module_count; i++) lt_free(timings->modules[i].operations);
    lt_free(timings->modules);
    *timings = (lt_timings){0};
}
