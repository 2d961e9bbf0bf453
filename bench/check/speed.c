/* How fast kernels are that do the same. */
#include "check.h"

#include <stdio.h>
#include <string.h>

enum { MOST_TIMES = 64 };

typedef struct timed {
    char name[64];
    lt_precision numbers;
    double seconds;
} timed;

/* The best of a few runs, after one that is not timed. */
static double best_of(check_run *r) {
    double best = 1e9, total = 0;
    for (int i = 0; i < 100 && (total < 0.2 || i < 4); i++) {
        const double start = lt_now();
        if (check_repeat(r) != LT_OK) return 0;
        const double time = lt_now() - start;
        total += time;
        if (i && time < best) best = time;
    }
    return best;
}

static bool is_there(const timed *times, size_t count, const timed *one) {
    for (size_t i = 0; i < count; i++)
        if (times[i].numbers == one->numbers && strcmp(times[i].name, one->name) == 0) return true;
    return false;
}

/* Those of one row, under each limit; count goes on. */
static size_t time_row(const check_problem *p, const check_options *o, timed *times, size_t count) {
    for (lt_isa limit = LT_ISA_SCALAR + 1; limit < LT_ISA_BEST && limit <= o->limit; limit++) {
        check_run r = {.problem = p, .limit = limit, .threads = o->threads};
        timed one = {.numbers = p->kernel->numbers};
        if (count == MOST_TIMES || !lt_isa_has(limit, o->limit) || !check_begin(&r, ~0u, -1)) continue;
        memcpy(one.name, r.name, sizeof one.name);
        const bool known = is_there(times, count, &one);
        if (!known) one.seconds = best_of(&r);
        check_end(&r);
        check_free_outputs(&r);
        if (!known && one.seconds > 0) times[count++] = one;
    }
    return count;
}

static void print_times(const check_problem *p, const timed *times, size_t count) {
    static const char *const numbers[] = {"", "f32", "bf16", "int8"};
    double best = 1e9;
    for (size_t i = 0; i < count; i++)
        if (times[i].seconds < best) best = times[i].seconds;
    printf("%s, %s\n", p->kernel->name, p->shape);
    for (size_t i = 0; i < count; i++) {
        const double work = p->flop > 0 ? p->flop : p->bytes;
        printf("  %-4s  %-32s %10.3f ms %9.1f %s %4.0f %%\n", numbers[times[i].numbers], times[i].name,
               1e3 * times[i].seconds, 1e-9 * work / times[i].seconds, p->flop > 0 ? "GFLOP/s" : "GB/s   ",
               100 * best / times[i].seconds);
    }
}

size_t check_speed(const check_kernel *kernel, const check_options *o) {
    size_t rows = 1;
    while (kernel[rows].name && strcmp(kernel[rows].name, kernel->name) == 0) rows++;
    for (size_t shape = 0; shape < kernel->shapes; shape++) {
        timed times[MOST_TIMES];
        size_t count = 0;
        check_problem p;
        for (size_t i = 0; i < rows; i++) {
            check_make(&p, &kernel[i], true, shape, o->seed);
            count = time_row(&p, o, times, count);
            if (i + 1 == rows) print_times(&p, times, count);
            check_free(&p);
        }
    }
    return rows;
}
