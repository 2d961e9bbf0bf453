/* LoRAs with their strengths: what they add up to. */
#ifndef LT_LORA_SET_H
#define LT_LORA_SET_H

#include "adapters/lora_file.h"

/* LT_ERROR_ARGUMENT says which of them names no file, or has no possible strength. loras may be NULL where count is 0.
 */
lt_status lt_loras_check(const lt_lora *loras, size_t count);

/* Immutable; of one thread. */
typedef struct lt_lora_set {
    lt_lora *loras;       /* [count]; each file's name is its open file's */
    lt_lora_file **files; /* [count] */
    size_t count;
    lt_deltas *deltas; /* NULL where count is 0 */
} lt_lora_set;

/* Makes a set for the model that weights hold. Files that are open in one of kept (NULLs are fine) are not opened
 * again, unless they have changed. */
lt_status lt_lora_set_make(const lt_lora *loras, size_t count, const lt_weights *weights, const lt_listener *listener,
                           const lt_lora_set *const kept[2], lt_lora_set **set);
void lt_lora_set_free(lt_lora_set *set); /* after the last use of its deltas; NULL is fine */
/* Whether one of its files has been written to or replaced since it was opened; set may be NULL, here and below. */
bool lt_lora_set_changed(const lt_lora_set *set);
/* Whether set is these LoRAs, as their files are now. */
bool lt_lora_set_is(const lt_lora_set *set, const lt_lora *loras, size_t count);

/* Behind status, which is that numbers are no longer finite, or another failure: LT_ERROR_MODEL names the file of
 * the set which, at its strength, makes a weight larger than any that is trained; else it is status, and its message
 * asks for the strengths. By the caller's team. */
lt_status lt_lora_set_blame(const lt_lora_set *set, lt_status status);

#endif
