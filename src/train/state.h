/* The state of a training run on disk: one safetensors file that holds everything needed to go on bit for bit, written
 * beside and renamed, so that whoever is killed at any moment finds the last whole one. */
#ifndef LT_STATE_H
#define LT_STATE_H

#include "formats/formats.h"
#include "train/optimizer.h"

/* Numbers of a run that are not tensors. */
typedef struct lt_run_state {
    long step;      /* optimiser steps done: the optimiser's own number */
    uint64_t place; /* of the data's stream */
    double seconds; /* spent training, all sessions together */
    double loss;    /* running mean of the loss, for people */
} lt_run_state;

/* Tensors, all F32 [count]: each parameter's value under its name, and its "adamw.m.NAME", "adamw.v.NAME", "ema.NAME".
 * Metadata: `latent.run` (a JSON object: step, place as a decimal string, seconds, loss with all 17 digits, null for
 * what is not finite) and the strings pairs [2 * pair_count] (key, value), keys unique. `settings` is one of them,
 * whatever the trainer keeps to refuse going on with other options.
 * The bytes go to a part beside path (base/part.h), are synchronised, and take path's place; so does the folder's
 * entry. After a failure (a full disk) that file is gone and the last state is untouched. A limit on file sizes is an
 * error only where the program ignores SIGXFSZ, as ours does. */
lt_status lt_state_save(const char *path, const lt_optimizer *optimizer, const lt_run_state *state,
                        const char *const *pairs, size_t pair_count);

/* Reads it all back into an optimiser of the same parameters: LT_ERROR_MODEL names the first tensor, in the order of
 * names, that only one of them has or that differs in type or size; the average (ema) is one of them. A failure leaves
 * the optimiser as it was. settings, allocated, is the value of that metadata, or NULL; where only the tensors are
 * wrong it is given all the same, so that the caller can say which option made them so. */
lt_status lt_state_load(const char *path, lt_optimizer *optimizer, lt_run_state *state, char **settings);

/* True of a file that is a training state by its metadata. */
bool lt_state_recognise(const lt_checkpoint *file);

/* ---- The log: one JSON object a line ---- */

typedef struct lt_log_row {
    long step;
    double seconds, loss, rate, gradient_norm, samples_per_second;
    const char *name[4]; /* further numbers: recall, kl, ... */
    double value[4];
} lt_log_row;

typedef struct lt_log {
    struct lt_log_file *file;
} lt_log;

/* Opens path for going on after `step`: the first row of a later step, which a killed run left behind, and all that
 * follows it, or a torn last line, are cut off. A new run, after step 0, begins an empty log. A file that is no log is
 * LT_ERROR_FORMAT and untouched. */
lt_status lt_log_open(const char *path, long step, lt_log *log);
/* In the file when this returns, as a whole line or not at all. What is not finite is null. */
lt_status lt_log_write(lt_log *log, const lt_log_row *row);
void lt_log_close(lt_log *log); /* a zeroed one is fine */

#endif
