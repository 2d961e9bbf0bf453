/* A job with taps as JSON: what is to be seen of a drawing, and as what. Nothing is opened here. */
#ifndef LT_TAPS_REQUEST_H
#define LT_TAPS_REQUEST_H

#include "latent.h"

#include <jansson.h>

enum { LT_TAPS_MOST = 256, LT_TAPS_MOST_SIDE = 4096 };

/* As what a tap's values are told. */
typedef enum lt_taps_as {
    LT_TAPS_VALUES,     /* the numbers themselves */
    LT_TAPS_PICTURE,    /* of a latent: what the VAE decodes of it */
    LT_TAPS_COMPONENTS, /* of activations: their first three principal components, over all steps, as colours */
    LT_TAPS_MEAN        /* of activations and attention: the mean over all steps and calls */
} lt_taps_as;

typedef struct lt_taps_wanted {
    lt_tap tap;
    int as;        /* lt_taps_as */
    int side;      /* pixels that a picture has at most; 0: any */
    bool branches; /* of activations and attention: of all branches; else of the prompt's */
} lt_taps_wanted;

typedef struct lt_taps_request {
    json_t *job; /* as a job of the queue has it, without what follows */
    lt_taps_wanted wanted[LT_TAPS_MOST];
    lt_tap taps[LT_TAPS_MOST]; /* [count], of wanted */
    size_t count;
    float *noise; /* [noise_count] to begin with in place of the seed's; NULL: none */
    size_t noise_count;
} lt_taps_request;

/* {...job, "taps": [{"kind": "step", "name": "x_0", "first": 1, "last": 0, "every": 2, "as": "picture"}], "noise":
 * base64 of float32}. LT_ERROR_ARGUMENT: no such key, or such a value; then there is nothing to free. Texts are body's,
 * which must stay. */
lt_status lt_taps_request_read(const json_t *body, lt_taps_request *request);
void lt_taps_request_free(lt_taps_request *request);

/* float32 numbers in base64, little-endian: the caller's, free them. NULL: it is none. */
float *lt_floats_read(const json_t *text, size_t *count);

#endif
