/* Kernels beside their plain C references: whether they give the same numbers, and how fast they are. The model is
 * dav1d's checkasm.
 *
 * A kernel is a row of one of check_tables: what it multiplies, reads and writes, how near it has to come, and three
 * functions: shape and data of a case (make), who runs it under a limit of instruction sets (prepare), running it. The
 * rest is the program's: data that is released, guards behind all that is written, the same bytes from one thread as
 * from two, in place, and each output alone, seeds, times. */
#ifndef LT_CHECK_H
#define LT_CHECK_H

#include "base/base.h"
#include "kernels/kernels.h"

enum { CHECK_MOST = 8 /* inputs, outputs */ };

typedef struct check_problem check_problem;
typedef struct check_run check_run;

typedef struct check_kernel {
    const char *name;             /* rows of one name follow each other and have the same shapes: they compete */
    lt_precision numbers;         /* that are multiplied */
    bool reads_bf16, writes_bf16; /* beside float32: then the same bytes as from float32, rounded */
    bool by_threads;              /* another number of threads may give other bytes */
    double tolerance;             /* ||ours - reference|| / ||reference||, of each output */
    double floor;     /* what an element of the reference counts for at least: gradients may be nothing but rounding */
    const void *with; /* which of several implementers; NULL: there is one */
    size_t edges, shapes; /* cases that are fixed: of the check, and of the bench, shapes of models */
    void (*make)(check_problem *p);
    /* Sets what r needs, or says false: nobody under r->limit, or not this shape. Of r->reference: the plain one. */
    bool (*prepare)(check_run *r);
    lt_status (*run)(check_run *r);
    void (*finish)(check_run *r); /* frees what prepare made; may be NULL */
} check_kernel;

typedef struct check_array {
    float *values;
    size_t count;
    bool factor;         /* may be handed over as bf16 */
    const float *before; /* of an output: what is there, and is added to or changed; NULL: nothing */
} check_array;

/* One case: arguments with their data, always the same for the same seed, kernel and number. */
struct check_problem {
    const check_kernel *kernel;
    bool speed; /* of the bench: number is one of shapes; else one of edges or, from there on, random */
    size_t number;
    uint64_t random; /* the state of its numbers */
    bool narrow;     /* its factors are numbers that bf16 has */
    void *arguments; /* by check_arguments */
    check_array in[CHECK_MOST], out[CHECK_MOST];
    size_t ins, outs;
    unsigned in_place;  /* bit i: the first output may be input i */
    bool optional;      /* an output may be NULL: not wanted */
    double flop, bytes; /* of a run; without flop the bytes are what counts */
    char shape[160];
};

int check_int(check_problem *p, int from, int to);
float check_float(check_problem *p, float from, float to);
void *check_arguments(check_problem *p, const void *arguments, size_t size); /* a copy, released with p */
/* Inputs and outputs, in the order of their numbers. */
float *check_input(check_problem *p, size_t count, float from, float to);
float *check_factor(check_problem *p, size_t count, float from, float to);
void check_output(check_problem *p, size_t count, const float *before);

/* One run of a problem by one kernel. */
struct check_run {
    const check_problem *problem;
    bool reference, narrow; /* narrow: factors come, and the first output goes, as bf16, where the kernel has that */
    lt_isa limit;
    int threads;
    const void *with; /* who runs it: prepare's */
    char name[64];
    size_t scratch_size, packed_size; /* bytes */
    void *scratch, *packed;
    void *state; /* prepare's own */
    const void *in[CHECK_MOST];
    void *out[CHECK_MOST];
};

lt_value_type_id check_reads(const check_run *r);  /* the type of factors */
lt_value_type_id check_writes(const check_run *r); /* of the first output */
/* The number at a place of a factor, whatever its type is; an output, or NULL where it has no numbers. */
const void *check_at(const check_run *r, size_t input, size_t place);
float *check_out(const check_run *r, size_t output);
/* prepare of what stands in a table of lt_kernels, which r->with is then. */
bool check_find_kernels(check_run *r);

/* Each is ended by a row without a name. */
extern const check_kernel check_norms[], check_attentions[], check_elementwise[], check_rows[], check_convolutions[],
    check_optimizers[], check_passes[];
extern const check_kernel *const check_tables[]; /* NULL-terminated */

/* ---- The two things that are done with a row ---- */

typedef struct check_options {
    uint64_t seed;
    int cases;   /* random ones of each kernel */
    bool random; /* they alone */
    int threads;
    lt_isa limit;
} check_options;

/* How many runs went wrong; each is told. */
size_t check_correct(const check_kernel *kernel, const check_options *o);
/* The rows from kernel on that have its name: how many they are. */
size_t check_speed(const check_kernel *kernel, const check_options *o);

/* ---- What both need (problem.c) ---- */

void check_make(check_problem *p, const check_kernel *kernel, bool speed, size_t number, uint64_t seed);
void check_free(check_problem *p);
/* Prepares r (limit, threads, ... are set), gives it memory full of no numbers, with guards. False: nobody. wanted: bit
 * i: output i; place: the input that the first output is, or -1. */
bool check_begin(check_run *r, unsigned wanted, int place);
lt_status check_repeat(check_run *r);
/* Frees all but the outputs; whether the guards are whole. */
bool check_end(check_run *r);
void check_free_outputs(check_run *r);
/* size bytes of no numbers behind which a guard stands. */
void *check_memory(size_t size);
void check_use_threads(int threads); /* from now on */

#endif
