/* Which layers of a U-Net stand 8 bits, measured on the model itself. */
#ifndef LT_LAYERS_H
#define LT_LAYERS_H

#include "pipeline/session.h"

typedef struct lt_layer_search {
    /* Of one model, which nobody else uses: in float32; in int8, beside which all is float32; in int8 as it is drawn.
     */
    lt_session *exact, *single, *narrow;
    bool (*progress)(void *user, size_t done, size_t count); /* layers; false: LT_ERROR_CANCELLED. May be NULL */
    void *user;
} lt_layer_search;

/* What was chosen and what it makes: relative errors of the U-Net alone and the median PSNR of pictures, all beside
 * float32's. */
typedef struct lt_layer_choice {
    size_t layers, kept;       /* that might be multiplied in 8 bits; of these, that are not */
    double error, least_error; /* least: with all of them kept */
    double psnr;
    lt_weight **worst; /* [layers] the worst first, of which the first `kept` are kept; the caller's to free */
} lt_layer_choice;

/* What a choice keeps to (docs/precision.md). */
#define LT_INT8_MOST_ERROR 4e-2
#define LT_INT8_LEAST_PSNR 38.0

/* Draws a few small pictures in float32, runs the U-Net on states of those with one layer after the other in 8 bits,
 * and marks those as kept whose share in its error is greatest, until both limits hold with a margin. At most half of
 * the weights are kept, and none for an error that kept layers, of 16 bits or float32, make by themselves: a model that
 * is beyond the limits then magnifies every rounding. Every
 * weight of the model is marked as kept in the end, but for those of layers that stand it. */
lt_status lt_layers_choose(const lt_layer_search *search, lt_layer_choice *choice);

#endif
