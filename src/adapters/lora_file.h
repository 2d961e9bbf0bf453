/* An open file of LoRA or its kin, read for a model: what it adds to which weights. */
#ifndef LT_LORA_FILE_H
#define LT_LORA_FILE_H

#include "adapters/lora_hash.h"
#include "adapters/lora_kind.h"

typedef struct lt_lora_use {
    const lt_weight *weight; /* which may be a bias */
    bool text;               /* it is a text encoder's */
    lt_lora_kind kind;
    lt_delta delta;
} lt_lora_use;

typedef struct lt_lora_file {
    char *path;
    lt_checkpoint file;
    lt_lora_use *uses; /* [count] */
    size_t count;
    int users;
    char hash[LT_SHORT_HASH]; /* "" until somebody asks, by lt_lora_hash */
} lt_lora_file;

/* Opens a file of any kind that lt_checkpoint_open reads, for the model that weights hold, for one user. listener is
 * told of tensors that fit nothing there, how many they are and the first of them. LT_ERROR_MODEL: nothing of it fits,
 * and the message says for which model it was made, if the file tells; or a part of it does not fit another, or is no
 * number. */
lt_status lt_lora_open(const char *path, const lt_weights *weights, const lt_listener *listener, lt_lora_file **lora);
/* The same of a file that is open already, in lora->file; for tests. */
lt_status lt_lora_read(lt_lora_file *lora, const lt_weights *weights, const lt_listener *listener);
void lt_lora_close(lt_lora_file *lora); /* one user less; NULL is fine */

#endif
