/* What a session adds to its models' weights: an immutable set of deltas (kernels/delta.h), for any number of threads.
 * The weights themselves and all forms of those that a set leaves alone are shared by sessions with other sets and with
 * none; a form that it touches is known in the store by what is added. */
#ifndef LT_DELTAS_H
#define LT_DELTAS_H

#include "ops/weights.h"

typedef struct lt_deltas lt_deltas;

typedef struct lt_delta_use {
    const lt_weight *weight;
    const lt_delta *delta; /* fits it: lt_delta_check */
    float strength;        /* 0: as if it were not there */
} lt_delta_use;

/* What several deltas of a weight add up to is the same in any order of uses, unless one of them reads the weight as it
 * stands (those that lt_delta_reads_weight names): then they are applied in the order given. The deltas stay with the
 * caller and outlive the set. Of one user. */
lt_status lt_deltas_create(const lt_delta_use *uses, size_t count, lt_deltas **deltas);
lt_deltas *lt_deltas_share(lt_deltas *deltas); /* one user more; NULL is fine here and below, and touches nothing */
void lt_deltas_free(lt_deltas *deltas);        /* one less */

lt_delta_list lt_deltas_of(const lt_deltas *deltas, const lt_weight *weight);
/* The type in which weight is kept where deltas are added: for products of float32 a touched one is that, whatever the
 * file has; where products are rounded, it is rounded once to the file's own type, and costs what it does untouched. */
lt_dtype lt_deltas_type(const lt_deltas *deltas, const lt_weight *weight, lt_precision precision);

#endif
