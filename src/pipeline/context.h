/* From a prompt to what the U-Net's cross-attention reads. */
#ifndef LT_CONTEXT_H
#define LT_CONTEXT_H

#include "pipeline/session.h"

typedef struct lt_context {
    float *values; /* [tokens, width] */
    int tokens, width;
} lt_context;

/* lt_prompt_parse with a notice of what was cut and of syntax that is not served. */
lt_status lt_prompt_prepare(const lt_session *session, const char *text, bool plain, lt_prompt *prompt);

/* plain: no prompt syntax, cut at 77 tokens with a notice. clip_skip counts from 1. A model without cross-attention
 * gets an empty context. */
lt_status lt_context_make(lt_session *session, const char *prompt, bool plain, int clip_skip, lt_context *context);
void lt_context_free(lt_context *context);

#endif
