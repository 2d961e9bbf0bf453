/* What the parts that a file has for a layer add to it: which kind of adapter they are. */
#ifndef LT_LORA_KIND_H
#define LT_LORA_KIND_H

#include "adapters/lora_key.h"
#include "ops/deltas.h"

typedef enum lt_lora_kind {
    LT_LORA_LOW_RANK,
    LT_LORA_HADAMARD,
    LT_LORA_KRONECKER,
    LT_LORA_INPUT,
    LT_LORA_ROTATION,
    LT_LORA_DIFFERENCE,
    LT_LORA_BIAS,
    LT_LORA_KINDS
} lt_lora_kind;
const char *lt_lora_kind_name(lt_lora_kind kind); /* "LoHa" */

/* What a file has of a layer; NULL: not that part. */
typedef struct lt_lora_parts {
    const lt_tensor *of[LT_LORA_PARTS];
} lt_lora_parts;

/* What is added to a layer's weight, or to its bias. */
typedef struct lt_lora_change {
    lt_lora_kind kind;
    lt_delta delta; /* not checked yet; its tensors are views of the parts */
    size_t rank;    /* 0: it has none */
    unsigned used;  /* parts, a set */
} lt_lora_change;

/* The first kind from *kind on that parts are whole of, into change; *kind is then one more. False: there is no further
 * one. LT_ERROR_MODEL is for an alpha that is no number, into *status. */
bool lt_lora_next_change(const lt_lora_parts *parts, lt_lora_kind *kind, lt_lora_change *change, lt_status *status);

#endif
