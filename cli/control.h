/* --control: models that pictures are drawn by, and the pictures. */
#ifndef LT_CLI_CONTROL_H
#define LT_CLI_CONTROL_H

#include "cli.h"

/* What --control's words name, open. */
typedef struct lt_control_inputs {
    lt_control items[LT_MAX_CONTROLS];
    lt_model *models[LT_MAX_CONTROLS];
    lt_image images[LT_MAX_CONTROLS];
    char *annotators; /* all of them */
    size_t count;
} lt_control_inputs;

/* Whether the annotators are ones: an exit status, after a message. */
int lt_control_check(const lt_control_list *list);
/* models: where names are looked for, as --models says it; base: whose U-Net differences are added to. */
lt_status lt_control_inputs_open(const lt_control_list *list, const char *models, const lt_model *base,
                                 lt_control_inputs *controls);
void lt_control_inputs_close(
    lt_control_inputs *controls); /* a zeroed one is fine, and what lt_control_inputs_open has left */

/* Inputs of a U-Net with what controls add. */
typedef struct lt_control_arrays {
    lt_array *items;   /* [count] */
    size_t count, own; /* the first `own` are the U-Net's */
} lt_control_arrays;

/* Makes *more, which is zeroed, of a U-Net's inputs in (x, t, context), in the precision and with the threads of
 * options. lt_control_arrays_free is due even after a failure; in outlives it. */
lt_status lt_control_inputs_run(const lt_control_inputs *controls, const lt_model_options *options, const lt_arrays *in,
                                lt_control_arrays *more);
void lt_control_arrays_free(lt_control_arrays *arrays);

#endif
