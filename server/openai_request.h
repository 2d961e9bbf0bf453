/* OpenAI's requests for pictures as jobs: JSON to JSON, nothing is drawn or looked up here. */
#ifndef LT_OPENAI_REQUEST_H
#define LT_OPENAI_REQUEST_H

#include "latent.h"

#include <jansson.h>

typedef enum lt_openai_kind { LT_OPENAI_GENERATION, LT_OPENAI_EDIT, LT_OPENAI_VARIATION } lt_openai_kind;

/* What is wrong with a request, as that API tells it. */
typedef struct lt_openai_fault {
    int status;               /* 0: nothing */
    const char *param, *code; /* NULL: none */
    char message[512];
} lt_openai_fault;

/* What a translation asks of the server that it is for. */
typedef struct lt_openai_host {
    bool (*has_model)(void *user, const char *name);
    size_t most_pixels; /* of a picture that is sent; 0: any */
    void *user;
} lt_openai_host;

/* One request. Texts are static. */
typedef struct lt_openai_drawing {
    lt_openai_kind kind;
    json_t *job;
    bool url, stream;
    int partial_images;            /* that a stream has of each picture */
    const char *format;            /* "png", "jpeg", "webp" */
    const char *quality;           /* as the answer says it: "low", "medium", "high", "xhigh", "max" */
    const lt_tokenizer *tokenizer; /* of who answers: it counts the prompt's tokens */
    lt_openai_fault fault;
} lt_openai_drawing;

/* body: pictures in it are base64; a form is made such a body before. False: the fault says why, and nothing else is
 * left then. */
bool lt_openai_read(const json_t *body, lt_openai_kind kind, const lt_openai_host *host, lt_openai_drawing *drawing);
void lt_openai_drawing_free(lt_openai_drawing *drawing); /* and empties it */

#endif
