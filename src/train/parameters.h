/* The weights of a model that learns: those that are trained are float32 in memory of their own, each with a gradient;
 * the others stay where they are. */
#ifndef LT_PARAMETERS_H
#define LT_PARAMETERS_H

#include "models/names.h"
#include "ops/weights.h"
#include "train/optimizer.h"

typedef struct lt_parameters {
    lt_tensor_list tensors; /* sorted by name */
    lt_weights *weights;    /* over them: what graphs are built from */
    lt_parameter *items;    /* [count], those that are trained, in order of names: what the optimiser takes */
    size_t count;
    float *memory; /* their values and gradients */
} lt_parameters;

/* Which tensors are trained, by name; or which of a checkpoint are taken. */
typedef bool (*lt_trains_fn)(const char *name);

/* From tensors [count]: those that trains picks are copied, or, where they have no data, get the values that a training
 * of that seed starts from (train/initial.c); the others are views, and their data must outlive the parameters. */
lt_status lt_parameters_create(const lt_tensor *tensors, size_t count, lt_trains_fn trains, uint64_t seed,
                               lt_parameters *p);

void lt_parameters_free(lt_parameters *p); /* after every plan that uses them; a zeroed one is fine */

/* The value of a fresh tensor [count] of list: LDM's and CLIP's rules, which PyTorch's layers follow where they say
 * nothing. */
void lt_initial_values(const lt_tensor_list *list, const lt_tensor *tensor, uint64_t seed, float *values);

#endif
