/* Rows of numbers to int8 (kernels/narrow.h): the same bytes from every instruction set. */
#include "check.h"
#include "kernels/narrow.h"

#include <stdio.h>

typedef struct rows {
    size_t rows, c;
} rows;

static const rows models[] = {{8192, 320}, {512, 1280}};

static void make_rows(check_problem *p) {
    rows s = {(size_t)check_int(p, 1, 40), (size_t)check_int(p, 1, 300)};
    if (p->speed) s = models[p->number];
    check_factor(p, s.rows * s.c, -3, 3);
    check_output(p, s.rows, NULL);
    check_output(p, s.rows * 4 * lt_narrow_words(LT_PRECISION_INT8, s.c), NULL);
    snprintf(p->shape, sizeof p->shape, "%zux%zu", s.rows, s.c);
    p->bytes = 5.0 * (double)(s.rows * s.c);
    check_arguments(p, &s, sizeof s);
}

static bool prepare_rows(check_run *r) {
    const lt_isa set = r->reference ? LT_ISA_SCALAR : lt_isa_vectors(r->limit);
    const rows *s = r->problem->arguments;
    r->scratch_size = s->rows * 4 * lt_narrow_words(LT_PRECISION_INT8, s->c);
    snprintf(r->name, sizeof r->name, "%s", lt_isa_name(set));
    return r->reference || set != LT_ISA_SCALAR;
}

/* Bytes are widened, so that they can be compared as others are; not where time counts. */
static lt_status run_rows(check_run *r) {
    const rows *s = r->problem->arguments;
    const uint8_t *bytes = r->scratch;
    float *wide = r->out[1];
    lt_narrow_rows(LT_PRECISION_INT8, r->reference ? LT_ISA_SCALAR : r->limit, check_reads(r), r->in[0], s->rows, s->c,
                   r->scratch, r->out[0], r->threads);
    for (size_t i = 0; !r->problem->speed && i < r->problem->out[1].count; i++) wide[i] = bytes[i];
    return LT_OK;
}

const check_kernel check_rows[] = {
    {.name = "rows to int8",
     .numbers = LT_PRECISION_INT8,
     .reads_bf16 = true,
     .shapes = LT_COUNT(models),
     .make = make_rows,
     .prepare = prepare_rows,
     .run = run_rows},
    {0},
};
