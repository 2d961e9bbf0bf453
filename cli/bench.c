/* bench: how long each module of a model takes on this machine, and where the time goes. */
#include "cli.h"

#include <jansson.h>
#include <stdio.h>
#include <sys/resource.h>

static struct {
    lt_model_options model;
    lt_timing_options options;
    bool json;
} o;

#define OF_TIMING .fields = lt_timing_fields
static const lt_option options[] = {
    LT_MODEL_OPTIONS(o.model),
    {"width", 'W', LT_OPTION_INT, "PX", NULL, &o.options.width, 8, OF_TIMING},
    {"height", 'H', LT_OPTION_INT, "PX", NULL, &o.options.height, 8, OF_TIMING},
    {"size", 0, LT_OPTION_SIZE, "WxH", "both: 512x768, or 512 for a square", &o.options.width, 8, OF_TIMING,
     .member = "width"},
    {"runs", 0, LT_OPTION_INT, "N", NULL, &o.options.runs, OF_TIMING},
    {"ops", 0, LT_OPTION_FLAG, NULL, NULL, &o.options.operations, OF_TIMING, .member = "operations"},
    {"json", 0, LT_OPTION_FLAG, NULL, "print as JSON", &o.json},
    {0},
};

static double peak_mb(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

/* ---- Tables ---- */

static void print_operations(const lt_timed_module *m) {
    printf("%s\n  %9s %9s  %-20s %-28s %s\n", m->name, "ms", "GFLOP/s", "output", "kernel", "operation");
    for (size_t i = 0; i < m->operation_count; i++) {
        const lt_timed_operation *r = &m->operations[i];
        char shape[64];
        snprintf(shape, sizeof shape, "%dx%dx%dx%d", r->output[0], r->output[1], r->output[2], r->output[3]);
        printf("  %9.3f %9.1f  %-20s %-28s %s %s\n", 1e3 * r->seconds, 1e-9 * r->flop / r->seconds, shape, r->kernel,
               r->operation, r->weight);
    }
}

static void print_table(const lt_timings *t, const char *precision) {
    for (size_t i = 0; i < t->module_count && o.options.operations; i++) print_operations(&t->modules[i]);
    printf("%dx%d, guided; %s, %s, %d thread%s; median of %d\n", t->width, t->height, precision, t->isa, t->threads,
           LT_S(t->threads), o.options.runs);
    printf("%-14s %12s %12s %10s %12s\n", "module", "prepare s", "run s", "GFLOP/s", "arena MiB");
    for (size_t i = 0; i < t->module_count; i++) {
        const lt_timed_module *m = &t->modules[i];
        printf("%-14s %12.3f %12.4f %10.1f %12.1f\n", m->name, m->prepare_seconds, m->run_seconds,
               1e-9 * m->flop / m->run_seconds, (double)m->arena_bytes / (1 << 20));
    }
    printf("peak memory %.0f MiB\n", peak_mb());
}

/* ---- JSON ---- */

static void print_json(const lt_timings *t, const char *precision) {
    json_t *modules = json_object();
    for (size_t i = 0; i < t->module_count; i++) {
        const lt_timed_module *m = &t->modules[i];
        json_object_set_new(modules, m->name,
                            json_pack("{s:f, s:f, s:f, s:f}", "prepare_seconds", m->prepare_seconds, "run_seconds",
                                      m->run_seconds, "gflop", 1e-9 * m->flop, "arena_mib",
                                      (double)m->arena_bytes / (1 << 20)));
    }
    json_t *all = json_pack("{s:i, s:i, s:s, s:s, s:i, s:o, s:f}", "width", t->width, "height", t->height, "precision",
                            precision, "isa", t->isa, "threads", t->threads, "modules", modules, "peak_mib", peak_mb());
    json_dumpf(all, stdout, JSON_COMPACT);
    printf("\n");
    json_decref(all);
}

static int run(int count, char **words) {
    if (count) return lt_complain(LT_EXIT_USAGE, "what is \"%s\"? see `latent bench --help`", words[0]);
    lt_session *session;
    lt_timings timings = {0};
    lt_status status = lt_open(&o.model, &session);
    if (!status) status = lt_time_modules(session, &o.options, &timings);
    if (!status) (o.json ? print_json : print_table)(&timings, lt_precision_name(lt_session_precision(session)));
    lt_timings_free(&timings);
    status = lt_close(&o.model, session, status);
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
