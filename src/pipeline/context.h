/* From a prompt to what the U-Net's cross-attention reads. */
#ifndef LT_CONTEXT_H
#define LT_CONTEXT_H

#include "pipeline/session.h"

typedef struct lt_context {
    float *values; /* [tokens, width] */
    int tokens, width;
} lt_context;

/* How a text is read. */
typedef struct lt_encoding {
    bool plain;    /* no prompt syntax, cut at 77 tokens with a notice */
    int clip_skip; /* counts from 1 */
    lt_emphasis emphasis;
} lt_encoding;

/* lt_prompt_parse with a notice of what was cut. */
lt_status lt_prompt_prepare(const lt_session *session, const char *text, lt_encoding how, lt_prompt *prompt);

/* A model without cross-attention gets an empty context. */
lt_status lt_context_make(lt_session *session, const char *text, lt_encoding how, lt_context *context);
void lt_context_free(lt_context *context);

#endif
