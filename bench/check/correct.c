/* Whether a kernel gives what its plain C reference gives. */
#include "base/tensor.h"
#include "check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { EVERYTHING = ~0u, NOWHERE = -1, TWO = 2 };

/* Of one row: runs and those that went wrong, and who ran. */
typedef struct tally {
    size_t runs, wrong;
    char names[200];
} tally;

/* A case's problem, the reference's results, and how many runs of it went wrong. */
typedef struct trial {
    const check_options *options;
    check_problem problem;
    check_run expected;
    tally *tally;
} trial;

static void complain(trial *t, const check_run *r, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void complain(trial *t, const check_run *r, const char *format, ...) {
    va_list args;
    printf("%s, %s, %s: ", t->problem.kernel->name, r->name, t->problem.shape);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("; case %zu of --seed %llu\n", t->problem.number, (unsigned long long)t->options->seed);
    t->tally->wrong++;
}

/* ---- Runs ---- */

/* False: nobody. Results are r's. */
static bool run(trial *t, check_run *r, unsigned wanted, int place) {
    r->problem = &t->problem;
    if (!check_begin(r, wanted, place)) return false;
    const lt_status status = check_repeat(r);
    t->tally->runs++;
    if (!check_end(r)) complain(t, r, "writes behind its memory");
    if (status) complain(t, r, "%s", lt_error_message());
    return true;
}

/* Another way to run what `one` did. */
static check_run again(const check_run *one) { return (check_run){.limit = one->limit, .threads = one->threads}; }

/* ---- Comparisons ---- */

static bool is_fresh(const float *x) {
    uint32_t bits;
    memcpy(&bits, x, sizeof bits);
    return bits == UINT32_MAX;
}

/* What the reference left alone ours must, too: infinity, if it did not. */
static double relative_error(const check_kernel *k, const float *ours, const float *reference, size_t n) {
    double difference = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        if (is_fresh(&reference[i]) && is_fresh(&ours[i])) continue;
        difference += pow((double)ours[i] - (double)reference[i], 2);
        norm += pow((double)reference[i], 2);
    }
    norm = fmax(norm, k->floor * k->floor * (double)n);
    return norm > 0 ? sqrt(difference / norm) : sqrt(difference);
}

static void expect_close(trial *t, const check_run *r) {
    const check_kernel *k = t->problem.kernel;
    for (size_t i = 0; i < t->problem.outs; i++) {
        const double error = relative_error(k, r->out[i], t->expected.out[i], t->problem.out[i].count);
        if (!(error <= k->tolerance))
            complain(t, r, "output %zu: relative error %.2e, allowed %.2e", i, error, k->tolerance);
    }
}

static void expect_same(trial *t, const check_run *r, const check_run *one, const char *how) {
    for (size_t i = 0; i < t->problem.outs; i++)
        if (r->out[i] && memcmp(r->out[i], one->out[i], t->problem.out[i].count * sizeof(float)) != 0)
            complain(t, r, "output %zu: other bytes %s", i, how);
}

/* That r's first output is one's, rounded. */
static void expect_rounded(trial *t, const check_run *r, const check_run *one) {
    const uint16_t *ours = r->out[0];
    const float *exact = one->out[0];
    for (size_t i = 0; i < t->problem.out[0].count; i++)
        if (ours[i] != lt_f32_to_bf16(exact[i])) {
            complain(t, r, "in bf16: %a at %zu, not %a rounded", (double)lt_bf16_to_f32(ours[i]), i, (double)exact[i]);
            return;
        }
}

/* ---- Ways to run it ---- */

static void try_threads(trial *t, const check_run *one) {
    check_run r = again(one), second = again(one);
    r.threads = second.threads = t->options->threads;
    if (!run(t, &r, EVERYTHING, NOWHERE)) return;
    if (!t->problem.kernel->by_threads) {
        expect_same(t, &r, one, "with more threads");
    } else if (run(t, &second, EVERYTHING, NOWHERE)) {
        expect_close(t, &r);
        expect_same(t, &second, &r, "the second time");
        check_free_outputs(&second);
    }
    check_free_outputs(&r);
}

static void try_in_place(trial *t, const check_run *one) {
    for (int place = 0; place < CHECK_MOST; place++) {
        check_run r = again(one);
        if (!(t->problem.in_place >> place & 1) || !run(t, &r, EVERYTHING, place)) continue;
        expect_same(t, &r, one, "in place");
        check_free_outputs(&r);
    }
}

static void try_alone(trial *t, const check_run *one) {
    for (size_t i = 0; t->problem.optional && i < t->problem.outs; i++) {
        check_run r = again(one);
        if (!run(t, &r, 1u << i, NOWHERE)) continue;
        expect_same(t, &r, one, "alone");
        check_free_outputs(&r);
    }
}

static void try_narrow(trial *t, const check_run *one) {
    const check_kernel *k = t->problem.kernel;
    check_run r = again(one);
    r.narrow = true;
    if (!(k->writes_bf16 || k->reads_bf16) || (k->reads_bf16 && !t->problem.narrow)) return;
    if (!run(t, &r, EVERYTHING, NOWHERE)) return;
    if (k->writes_bf16)
        expect_rounded(t, &r, one);
    else
        expect_same(t, &r, one, "from bf16");
    check_free_outputs(&r);
}

static void note_name(tally *t, const char *name) {
    char entry[72];
    snprintf(entry, sizeof entry, ", %s", name);
    if (!strstr(t->names, entry) && strlen(t->names) + strlen(entry) < sizeof t->names) strcat(t->names, entry);
}

/* Who runs it under limit, unless that is whose name last is, who is known already. */
static void try_limit(trial *t, lt_isa limit, char last[64]) {
    check_run one = {.limit = limit, .threads = 1};
    if (!run(t, &one, EVERYTHING, NOWHERE)) return;
    if (strcmp(one.name, last) != 0) {
        note_name(t->tally, one.name);
        expect_close(t, &one);
        try_threads(t, &one);
        try_in_place(t, &one);
        try_alone(t, &one);
        try_narrow(t, &one);
    }
    memcpy(last, one.name, sizeof one.name);
    check_free_outputs(&one);
}

static void check_case(const check_kernel *kernel, size_t number, const check_options *o, tally *sums) {
    trial t = {.options = o, .tally = sums};
    char last[64] = "";
    check_make(&t.problem, kernel, false, number, o->seed);
    t.expected = (check_run){.reference = true, .limit = LT_ISA_SCALAR, .threads = 1};
    const bool told = run(&t, &t.expected, EVERYTHING, NOWHERE); /* false: this processor has not such numbers */
    for (lt_isa limit = LT_ISA_SCALAR + 1; told && limit < LT_ISA_BEST && limit <= o->limit; limit++)
        if (lt_isa_has(limit, o->limit)) try_limit(&t, limit, last);
    check_free_outputs(&t.expected);
    check_free(&t.problem);
}

static const char *numbers_of(const check_kernel *k) {
    static const char *const names[] = {"", "f32", "bf16", "int8"};
    return names[k->numbers];
}

size_t check_correct(const check_kernel *kernel, const check_options *o) {
    tally t = {0};
    for (size_t i = o->random ? kernel->edges : 0; i < kernel->edges + (size_t)o->cases; i++)
        check_case(kernel, i, o, &t);
    printf("%s%s%s: %zu runs%s\n", kernel->name, *numbers_of(kernel) ? ", " : "", numbers_of(kernel), t.runs,
           *t.names ? t.names : ", nobody but the reference");
    return t.wrong;
}
