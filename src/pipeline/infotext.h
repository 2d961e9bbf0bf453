/* The text that the web UIs put beside a picture, so that it can be made again: written and read by one table. */
#ifndef LT_PIPELINE_INFOTEXT_H
#define LT_PIPELINE_INFOTEXT_H

#include "pipeline/guidance.h"
#include "text/infotext.h"

/* What a picture was made with. */
typedef struct lt_made {
    const lt_components *parts;
    const lt_request *request;
    const lt_guides *guides;
    const lt_steps *steps; /* they know the schedule that was chosen */
    uint64_t seed, variation;
    int width, height;
    lt_precision precision;
    const lt_lora_set *loras; /* NULL: none */
    const char *const *names; /* [named]: what the request's prompt calls the first ones */
    size_t named;
    const bool *left_out;      /* of the networks in that prompt, in their order: what was not drawn is not told */
    const lt_session *session; /* that has the embeddings */
} lt_made;

/* Allocated, NULL when out of memory. */
char *lt_infotext_make(const lt_made *made);

/* Sets in request what info says; request's texts point into info from then on. What can't be followed is told to the
 * session (NULL: to nobody), and so is a model of another name. */
void lt_infotext_apply(const lt_infotext *info, const lt_session *session, lt_request *request);
/* In which the picture was drawn; LT_PRECISION_AUTO where nothing tells. */
lt_precision lt_infotext_precision(const lt_infotext *info);

#endif
