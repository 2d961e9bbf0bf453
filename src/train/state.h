/* The state of a training run on disk: one safetensors file that holds everything needed to go on bit for bit, written
 * beside and renamed, so that whoever is killed at any moment finds the last whole one. */
#ifndef LT_STATE_H
#define LT_STATE_H

#include "train/optimizer.h"

/* Numbers of a run that are not tensors. */
typedef struct lt_run_state {
    long step;      /* optimiser steps done */
    uint64_t place; /* of the data's stream */
    double seconds; /* spent training, all sessions together */
    double loss;    /* running mean of the loss, for people */
} lt_run_state;

/* Tensors: each parameter's value under its name, and its "adamw.m.NAME", "adamw.v.NAME", "ema.NAME". Metadata:
 * `latent.run` (a JSON object: step, place as a decimal string, seconds, loss with all 17 digits) and the strings
 * pairs [2 * pair_count] (key, value). `settings` is one of them, whatever the trainer keeps to refuse going on with
 * other options. */
lt_status lt_state_save(const char *path, const lt_optimizer *optimizer, const lt_run_state *state,
                        const char *const *pairs, size_t pair_count);

/* Reads it all back into an optimiser of the same parameters (names and sizes are checked, the message names the first
 * that differs). settings, allocated, is the value of that metadata, or NULL. */
lt_status lt_state_load(const char *path, lt_optimizer *optimizer, lt_run_state *state, char **settings);

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

/* Opens path for going on after `step`: rows of later steps, which a killed run left behind, and a torn last line, are
 * cut off. */
lt_status lt_log_open(const char *path, long step, lt_log *log);
lt_status lt_log_write(lt_log *log, const lt_log_row *row); /* flushed */
void lt_log_close(lt_log *log);

#endif
