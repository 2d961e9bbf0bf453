/* Upscalers: networks of convolutions that make a picture larger. ESRGAN's RRDBNet (Wang et al. 2018), with old and new
 * names, and Real-ESRGAN's SRVGGNetCompact (Wang et al. 2021). */
#ifndef LT_UPSCALER_H
#define LT_UPSCALER_H

#include "models/walk.h"

typedef enum lt_upscaler_kind { LT_UPSCALER_ESRGAN, LT_UPSCALER_SRVGG } lt_upscaler_kind;

/* Names and shapes tell all of it. */
typedef struct lt_upscaler {
    lt_weights *weights; /* NULL: a description alone */
    lt_upscaler_kind kind;
    int scale;   /* pixels of the output for each of the input, along each side: 1 to 16 */
    int width;   /* channels */
    int blocks;  /* ESRGAN: of three dense blocks each; SRVGG: convolutions between the first and the last */
    int grow;    /* ESRGAN: channels that a convolution of a dense block adds */
    int doubles; /* ESRGAN: how often the picture is doubled in the end */
    int squeeze; /* ESRGAN: pixels a side that the first convolution sees as one; sides of the input are multiples */
} lt_upscaler;

void lt_upscaler_walk(const lt_upscaler *upscaler, lt_walk *walk);
/* What names and shapes tell. LT_ERROR_UNSUPPORTED: what nobody has published, or of other than three colours. */
lt_status lt_upscaler_read(const lt_names *names, lt_naming naming, lt_upscaler *upscaler);
/* Reads the description from weights named "upscaler....". */
lt_status lt_upscaler_open(lt_weights *weights, lt_upscaler *upscaler);

/* Input: "x" [n,h,w,3] in [0, 1]. Output: "out" [n,scale*h,scale*w,3], about [0, 1]. */
lt_status lt_upscaler_build(const lt_upscaler *upscaler, int n, int h, int w, lt_graph *graph);

#endif
