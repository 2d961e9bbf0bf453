/* A model's weights with LoRAs added for good. */
#ifndef LT_MERGE_H
#define LT_MERGE_H

#include "api/model.h"

typedef struct lt_merged {
    lt_tensor *tensors; /* [count], in the model's order; those that are touched hold new memory */
    void **owned;       /* [count]; NULL: untouched */
    size_t count;
} lt_merged;

/* All tensors of model with loras [count] added. Those that are touched have type, or if that is NULL the type that
 * they had, where that holds fractions in 16 bits, or float32. merged is the caller's to free, after a failure too. */
lt_status lt_model_merge(const lt_model *model, const lt_lora *loras, size_t count, const lt_dtype *type,
                         lt_merged *merged);
void lt_merged_free(lt_merged *merged);

#endif
