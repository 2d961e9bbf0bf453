/* bench: how long each module of a model takes on this machine, and where the time goes. */
#include "api/model.h"
#include "base/rng.h"
#include "cli.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static struct {
    lt_model_options model;
    int size[2], runs; /* size: width and height, 0 where none is given */
    bool ops, json;
} o = {.runs = 3};

static const lt_option options[] = {
    LT_MODEL_OPTIONS(o.model),
    {"width", 'W', LT_OPTION_INT, "PX", "default: the model's own", &o.size[0], 8, 16384},
    {"height", 'H', LT_OPTION_INT, "PX", "likewise", &o.size[1], 8, 16384},
    {"size", 0, LT_OPTION_SIZE, "WxH", "both: 512x768, or 512 for a square", &o.size, 8, 16384},
    {"runs", 0, LT_OPTION_INT, "N", "timed runs of each module, after one that is not; default 3", &o.runs, 1, 1000},
    {"ops", 0, LT_OPTION_FLAG, NULL, "list each module's operations, slowest first", &o.ops},
    {"json", 0, LT_OPTION_FLAG, NULL, "print as JSON", &o.json},
    {0},
};

typedef struct lt_timing {
    const char *name;
    double prepare, run;    /* seconds: planning with packing; the median run */
    double gflop, arena_mb; /* of one run; memory of activations */
} lt_timing;

static double peak_mb(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* ---- Operations ---- */

static int slowest_first(const void *a, const void *b) {
    const double x = ((const lt_plan_row *)a)->seconds, y = ((const lt_plan_row *)b)->seconds;
    return x > y ? -1 : x < y;
}

static lt_status print_operations(const lt_plan *plan) {
    const size_t count = lt_plan_row_count(plan);
    lt_plan_row *rows = cli_alloc(count * sizeof *rows);
    if (!rows) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) rows[i] = lt_plan_row_at(plan, i);
    qsort(rows, count, sizeof *rows, slowest_first);
    printf("  %9s %9s  %-20s %-28s %s\n", "ms", "GFLOP/s", "output", "kernel", "operation");
    for (size_t i = 0; i < count && rows[i].seconds > 0; i++) {
        const lt_plan_row *r = &rows[i];
        char shape[64];
        snprintf(shape, sizeof shape, "%dx%dx%dx%d", r->shape.n, r->shape.h, r->shape.w, r->shape.c);
        printf("  %9.3f %9.1f  %-20s %-28s %s %s\n", 1e3 * r->seconds, 1e-9 * r->flops / r->seconds, shape, r->kernel,
               r->op, r->weight);
    }
    free(rows);
    return LT_OK;
}

/* ---- Modules ---- */

static void fill_inputs(const lt_session *session, lt_plan *plan) {
    static const char *const names[] = {"x", "z", "context", "pixels"};
    lt_rng rng;
    lt_rng_seed(&rng, LT_RNG_CPU, 0);
    for (size_t i = 0; i < LT_COUNT(names); i++) {
        float *input = lt_plan_tensor(plan, names[i]);
        if (input) lt_rng_normal(&rng, input, lt_shape_count(lt_plan_shape(plan, names[i])));
    }
    float *lengths = lt_plan_tensor(plan, "context_lengths"), *t = lt_plan_tensor(plan, "t"),
          *ids = lt_plan_tensor(plan, "ids");
    for (int i = 0; lengths && i < lt_plan_shape(plan, "context").n; i++) lengths[i] = LT_CONTEXT_TOKENS;
    for (int i = 0; t && i < lt_plan_shape(plan, "t").n; i++) t[i] = 500;
    for (int i = 0; ids && i < session->parts->text.positions; i++) ids[i] = (float)(i + 1);
}

static lt_status time_runs(const lt_session *session, lt_plan *plan, lt_rate rate, double *median) {
    double *seconds = cli_alloc((size_t)o.runs * sizeof *seconds);
    if (!seconds) return LT_ERROR_MEMORY;
    lt_status status = lt_module_run(session, plan, LT_RATE_PROMPT);
    for (int i = 0; i < o.runs && !status; i++) {
        const double start = cli_now();
        status = lt_module_run(session, plan, rate);
        seconds[i] = cli_now() - start;
    }
    if (!status) {
        qsort(seconds, (size_t)o.runs, sizeof *seconds, by_value);
        *median = seconds[o.runs / 2];
    }
    free(seconds);
    return status;
}

static lt_status time_module(lt_session *session, lt_module module, const lt_module_size *size, lt_timing *timing) {
    lt_plan *plan;
    const double start = cli_now();
    LT_TRY(lt_module_plan(session, module, size, &plan));
    timing->name = lt_module_name(module);
    timing->prepare = cli_now() - start;
    timing->arena_mb = (double)lt_plan_arena_size(plan) / (1 << 20);
    fill_inputs(session, plan);
    lt_plan_trace(plan, o.ops);
    LT_TRY(time_runs(session, plan, module == LT_MODULE_UNET ? LT_RATE_STEP : LT_RATE_PROMPT, &timing->run));
    for (size_t i = 0; i < lt_plan_row_count(plan); i++) timing->gflop += 1e-9 * lt_plan_row_at(plan, i).flops;
    if (o.ops && !o.json) {
        printf("%s\n", timing->name);
        LT_TRY(print_operations(plan));
    }
    lt_module_drop(session, module);
    return LT_OK;
}

/* ---- Printing ---- */

static void print_table(const lt_session *session, int width, int height, const lt_timing *t, int count) {
    const int threads = lt_team_size(session->target.team);
    printf("%dx%d, guided; %s, %d thread%s; median of %d\n", width, height, lt_isa_name(session->target.isa), threads,
           LT_S(threads), o.runs);
    printf("%-14s %12s %12s %10s %12s\n", "module", "prepare s", "run s", "GFLOP/s", "arena MiB");
    for (int i = 0; i < count; i++)
        printf("%-14s %12.3f %12.4f %10.1f %12.1f\n", t[i].name, t[i].prepare, t[i].run, t[i].gflop / t[i].run,
               t[i].arena_mb);
    printf("peak memory %.0f MiB\n", peak_mb());
}

static void print_json(const lt_session *session, int width, int height, const lt_timing *t, int count) {
    json_t *modules = json_object();
    for (int i = 0; i < count; i++)
        json_object_set_new(modules, t[i].name,
                            json_pack("{s:f, s:f, s:f, s:f}", "prepare_seconds", t[i].prepare, "run_seconds", t[i].run,
                                      "gflop", t[i].gflop, "arena_mib", t[i].arena_mb));
    json_t *all = json_pack("{s:i, s:i, s:s, s:i, s:o, s:f}", "width", width, "height", height, "isa",
                            lt_isa_name(session->target.isa), "threads", lt_team_size(session->target.team), "modules",
                            modules, "peak_mib", peak_mb());
    json_dumpf(all, stdout, JSON_COMPACT);
    printf("\n");
    json_decref(all);
}

static lt_status bench(lt_session *session) {
    const lt_components *parts = session->parts;
    const int factor = parts->vae.factor ? parts->vae.factor : 8, own = parts->sample_size * factor;
    const int w = (o.size[0] ? o.size[0] : own) / factor, h = (o.size[1] ? o.size[1] : own) / factor;
    const struct {
        lt_module module;
        lt_module_size size;
    } all[] = {
        {LT_MODULE_TEXT, {.n = 1}},
        {LT_MODULE_IMAGE, {.n = 1}},
        {LT_MODULE_VAE_ENCODER, {.n = 1, .h = h * factor, .w = w * factor}},
        {LT_MODULE_UNET, {.n = 2, .h = h, .w = w, .tokens = parts->unet.context_dim ? LT_CONTEXT_TOKENS : 0}},
        {LT_MODULE_VAE_DECODER, {.n = 1, .h = h, .w = w}},
    };
    lt_timing timings[LT_COUNT(all)] = {{0}};
    int count = 0;
    for (size_t i = 0; i < LT_COUNT(all); i++)
        if (parts->has[all[i].module]) LT_TRY(time_module(session, all[i].module, &all[i].size, &timings[count++]));
    (o.json ? print_json : print_table)(session, w * factor, h * factor, timings, count);
    return LT_OK;
}

static int run(int count, char **words) {
    if (count) return lt_complain(LT_EXIT_USAGE, "what is \"%s\"? see `latent bench --help`", words[0]);
    lt_session *session;
    lt_status status = lt_open(&o.model, &session);
    if (!status) status = bench(session);
    lt_session_close(session);
    return status ? lt_complain_error() : LT_EXIT_OK;
}

const lt_command lt_command_bench = {
    "bench",
    "time the modules of a model on this machine",
    "[-m MODEL] [-W w -H h] [--ops]",
    "The U-Net is timed as a guided step: two samples in one batch. Nothing else should run meanwhile.",
    "  latent bench\n"
    "  latent bench -m sd15.safetensors --ops | less\n",
    options,
    run,
};
