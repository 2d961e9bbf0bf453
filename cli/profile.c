/* --profile. Operations are counted by kind and kernel as they are told of; for a trace each is kept as well. */
#include "profile.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_KINDS = 64, NAME = 64 };

typedef struct kind {
    char operation[NAME], kernel[NAME];
    lt_precision numbers;
    size_t runs;
    double seconds, flop, bytes;
} kind;

typedef struct event {
    const char *module, *operation; /* the library's own */
    char kernel[NAME], weight[2 * NAME];
    int output[4];
    double flop, bytes, start, seconds;
} event;

static struct {
    kind kinds[MOST_KINDS]; /* the last one takes what has no place */
    size_t kind_count;
    bool keeps_events;
    event *events;
    size_t event_count, event_capacity;
    lt_status status; /* of keeping them */
} heard;

/* ---- Hearing ---- */

static kind *kind_of(const lt_profiled *p) {
    for (size_t i = 0; i < heard.kind_count; i++) {
        kind *k = &heard.kinds[i];
        if (k->numbers == p->numbers && !strcmp(k->operation, p->operation) && !strncmp(k->kernel, p->kernel, NAME - 1))
            return k;
    }
    if (heard.kind_count == MOST_KINDS) return &heard.kinds[MOST_KINDS - 1];
    kind *k = &heard.kinds[heard.kind_count++];
    snprintf(k->operation, NAME, "%s", p->operation);
    snprintf(k->kernel, NAME, "%s", p->kernel);
    k->numbers = p->numbers;
    return k;
}

static lt_status make_room(void) {
    if (heard.event_count < heard.event_capacity) return LT_OK;
    const size_t capacity = heard.event_capacity ? 2 * heard.event_capacity : 4096;
    event *more = realloc(heard.events, capacity * sizeof *more);
    if (!more) return lt_fail(LT_ERROR_MEMORY, "--profile: no memory for a trace of so many operations");
    heard.events = more;
    heard.event_capacity = capacity;
    return LT_OK;
}

static void keep(const lt_profiled *p) {
    if (!heard.status) heard.status = make_room();
    if (heard.status) return;
    event *e = &heard.events[heard.event_count++];
    *e = (event){.module = p->module,
                 .operation = p->operation,
                 .output = {p->output[0], p->output[1], p->output[2], p->output[3]},
                 .flop = p->flop,
                 .bytes = p->bytes,
                 .start = p->start,
                 .seconds = p->seconds};
    snprintf(e->kernel, sizeof e->kernel, "%s", p->kernel);
    snprintf(e->weight, sizeof e->weight, "%s", p->weight);
}

static void hear(void *user, const lt_profiled *p) {
    (void)user;
    kind *k = kind_of(p);
    k->runs++;
    k->seconds += p->seconds;
    k->flop += p->flop;
    k->bytes += p->bytes;
    if (heard.keeps_events) keep(p);
}

lt_status lt_profile_listen(lt_session *session, bool events) {
    heard.keeps_events |= events;
    return lt_session_profile(session, hear, NULL);
}

void lt_profile_forget(void) {
    free(heard.events);
    memset(&heard, 0, sizeof heard);
}

/* ---- The table ---- */

static const char *name_of(lt_precision numbers) {
    static const char *const names[] = {"f32", "f32", "bf16", "int8"};
    return names[numbers];
}

/* The limits of the numbers that were multiplied; 0 of others. */
static lt_status measure(lt_session *session, double limits[LT_PRECISION_INT8 + 1]) {
    for (lt_precision p = LT_PRECISION_F32; p <= LT_PRECISION_INT8; p++) {
        bool any = false;
        limits[p] = 0;
        for (size_t i = 0; i < heard.kind_count; i++)
            any |= heard.kinds[i].flop > 0 && !strcmp(name_of(heard.kinds[i].numbers), name_of(p));
        if (any) LT_TRY(lt_session_peak(session, p, &limits[p]));
    }
    limits[LT_PRECISION_AUTO] = limits[LT_PRECISION_F32];
    return LT_OK;
}

static void print_kind(const char *operation, const char *numbers, const char *kernel, const kind *k, double all,
                       double limit) {
    char speed[16] = "-", share[16] = "-";
    if (k->flop > 0) snprintf(speed, sizeof speed, "%.1f", 1e-9 * k->flop / k->seconds);
    if (k->flop > 0 && limit > 0) snprintf(share, sizeof share, "%.0f", 100 * k->flop / k->seconds / limit);
    fprintf(stderr, "%-18s %-5s %-32s %7zu %9.3f %5.1f %9s %7.1f %6s\n", operation, numbers, kernel, k->runs,
            k->seconds, 100 * k->seconds / all, speed, 1e-9 * k->bytes / k->seconds, share);
}

static void print_limits(const double limits[]) {
    const char *before = "limit: the matrix product's inner loop on data in its cache, measured now:";
    for (lt_precision p = LT_PRECISION_F32; p <= LT_PRECISION_INT8; p++) {
        if (!(limits[p] > 0)) continue;
        fprintf(stderr, "%s %s %.0f GFLOP/s", before, name_of(p), 1e-9 * limits[p]);
        before = ",";
    }
    fprintf(stderr, "%s\n", *before == ',' ? "" : "limit: not to be told here");
}

static int slowest_first(const void *a, const void *b) {
    const double x = ((const kind *)a)->seconds, y = ((const kind *)b)->seconds;
    return x > y ? -1 : x < y;
}

lt_status lt_profile_print(lt_session *session) {
    double limits[LT_PRECISION_INT8 + 1];
    kind all = {.runs = 0};
    if (!heard.kind_count) return LT_OK;
    LT_TRY(measure(session, limits));
    fflush(stdout);
    qsort(heard.kinds, heard.kind_count, sizeof *heard.kinds, slowest_first);
    for (size_t i = 0; i < heard.kind_count; i++) {
        all.runs += heard.kinds[i].runs;
        all.seconds += heard.kinds[i].seconds;
        all.flop += heard.kinds[i].flop;
        all.bytes += heard.kinds[i].bytes;
    }
    fprintf(stderr, "%-18s %-5s %-32s %7s %9s %5s %9s %7s %6s\n", "operation", "", "kernel", "runs", "seconds", "%",
            "GFLOP/s", "GB/s", "limit%");
    for (size_t i = 0; i < heard.kind_count; i++) {
        const kind *k = &heard.kinds[i];
        print_kind(k->operation, k->flop > 0 ? name_of(k->numbers) : "", k->kernel, k, all.seconds, limits[k->numbers]);
    }
    print_kind("all", "", "", &all, all.seconds, 0);
    print_limits(limits);
    return LT_OK;
}

/* ---- The trace ---- */

static json_t *event_json(const event *e, double first) {
    char name[3 * NAME];
    snprintf(name, sizeof name, "%s%s%s", e->operation, *e->weight ? " " : "", e->weight);
    return json_pack("{s:s, s:s, s:s, s:f, s:f, s:i, s:i, s:{s:s, s:s, s:[i,i,i,i], s:f, s:f}}", "name", name, "cat",
                     e->module, "ph", "X", "ts", 1e6 * (e->start - first), "dur", 1e6 * e->seconds, "pid", 1, "tid", 1,
                     "args", "module", e->module, "kernel", e->kernel, "shape", e->output[0], e->output[1],
                     e->output[2], e->output[3], "gflop", 1e-9 * e->flop, "megabytes", 1e-6 * e->bytes);
}

/* False: it can't be made or written. */
static bool write_json(FILE *file, json_t *json, const char *before) {
    const bool written = json && fputs(before, file) >= 0 && json_dumpf(json, file, JSON_COMPACT) == 0;
    json_decref(json);
    return written;
}

static bool write_events(FILE *file) {
    json_t *thread = json_pack("{s:s, s:s, s:i, s:i, s:{s:s}}", "name", "thread_name", "ph", "M", "pid", 1, "tid", 1,
                               "args", "name", "graph");
    bool written = write_json(file, thread, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n");
    for (size_t i = 0; i < heard.event_count && written; i++)
        written = write_json(file, event_json(&heard.events[i], heard.events[0].start), ",\n");
    return written && fputs("\n]}\n", file) >= 0;
}

lt_status lt_profile_write(const char *path) {
    LT_TRY(heard.status);
    char *part = tool_format("%s.part", path);
    FILE *file = part ? fopen(part, "w") : NULL;
    bool written = file && write_events(file);
    if (file) written = !fclose(file) && written;
    written = written && !rename(part, path);
    if (file && !written) unlink(part);
    free(part);
    return written ? LT_OK : lt_fail(LT_ERROR_FILE, "%s: the trace can't be written", path);
}
