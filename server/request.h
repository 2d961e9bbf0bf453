/* A job's JSON as a request of latent.h. Keys are lt_request's own names, values the words of the command line; what is
 * not known is an error that names it. Nothing is opened or looked up here: models are names (models.h finds them). */
#ifndef LT_SERVER_REQUEST_H
#define LT_SERVER_REQUEST_H

#include "latent.h"

#include <jansson.h>

enum { LT_JOB_LORAS = 64 };

/* What a job may ask for; 0: any. */
typedef struct lt_job_limits {
    double pixels; /* of a picture that is made, or sent */
    int steps, count;
} lt_job_limits;

typedef struct lt_job_control {
    const char *model;
    lt_image image;
} lt_job_control;
typedef struct lt_job_image_prompt {
    const char *adapter;
    lt_image image, mask;
} lt_job_image_prompt;

/* A job that was read. Texts are the JSON's, which must stay; models are names. */
typedef struct lt_job_request {
    enum { LT_JOB_GENERATE, LT_JOB_UPSCALE } kind;
    const char *model, *vae, *preview_vae, *image_encoder; /* NULL: the usual one, or none */
    const char *upscaler;                                  /* upscale */
    double scale;                                          /* upscale; 0: the upscaler's own */
    const char *format;                                    /* "png", "jpg", "webp" */
    lt_request request;                                    /* its models are still to be set: complete with draw.c */
    lt_image image, mask;
    lt_lora loras[LT_JOB_LORAS]; /* their files are names */
    lt_control controls[LT_MAX_CONTROLS];
    lt_job_control control_inputs[LT_MAX_CONTROLS];
    lt_image_prompt image_prompts[LT_MOST_IMAGE_PROMPTS];
    lt_job_image_prompt image_prompt_inputs[LT_MOST_IMAGE_PROMPTS];
} lt_job_request;

/* LT_ERROR_ARGUMENT: no such key, or such a value; LT_ERROR_UNSUPPORTED: over a limit; LT_ERROR_FORMAT: a picture that
 * can't be read. The request points into *out, which must not move. */
lt_status lt_job_request_read(const json_t *job, const lt_job_limits *limits, lt_job_request *out);
void lt_job_request_free(lt_job_request *request); /* and empties it */

/* The bytes of base64 text, or of a data URL; the caller's: free it. NULL: it is neither. */
void *lt_base64_read(const char *text, size_t *size);
/* The text, the caller's; NULL: no memory. */
char *lt_base64_write(const void *bytes, size_t size);

#endif
