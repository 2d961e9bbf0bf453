/* A job's JSON as a request of latent.h. Keys are lt_request's own names, values the words of the command line; what is
 * not known is an error that names it. Nothing is opened or looked up here: models are names (models.h finds them). */
#ifndef LT_SERVER_REQUEST_H
#define LT_SERVER_REQUEST_H

#include "latent.h"

#include <jansson.h>

enum { LT_JOB_LORAS = 64, LT_JOB_EMBEDDINGS = 64, LT_JOB_REGIONS = 16, LT_JOB_TEXT = 1 << 16 };

/* What a job may ask for; 0: any. */
typedef struct lt_job_limits {
    double pixels; /* of a picture that is made, or sent */
    int steps, count;
} lt_job_limits;

/* By its name, which stands in what the request points to when draw.c has opened it. */
typedef struct lt_job_control {
    const char *model;
    lt_image image;
} lt_job_control;
typedef struct lt_job_image_prompt {
    const char *adapter;
    lt_image image, mask;
} lt_job_image_prompt;

typedef enum lt_job_kind { LT_JOB_GENERATE = 1, LT_JOB_UPSCALE = 2 } lt_job_kind;

/* A job that was read. Texts are the JSON's, which must stay; models, and files of loras and embeddings, are names. */
typedef struct lt_job_request {
    lt_job_kind kind;
    const char *model, *vae, *preview_vae; /* NULL: the usual one, its own, none */
    const char *image_encoder, *classifier, *clip, *refiner;
    const char *upscaler; /* upscale */
    double scale;         /* upscale; 0: the upscaler's own */
    const char *format;   /* "png", "jpg", "webp" */
    int quality;          /* of the latter two, 1 to 100; 0: as the command line writes them */
    lt_request request;   /* all but models and callbacks */
    lt_image image, mask;
    char *image_parameters; /* upscale: how image was made, which goes on; NULL: it doesn't say */
    lt_lora loras[LT_JOB_LORAS];
    const char *embeddings[LT_JOB_EMBEDDINGS];
    lt_region regions[LT_JOB_REGIONS];
    lt_image region_masks[LT_JOB_REGIONS];
    lt_control controls[LT_MAX_CONTROLS];
    lt_job_control control_inputs[LT_MAX_CONTROLS];
    lt_image_prompt image_prompts[LT_MOST_IMAGE_PROMPTS];
    lt_job_image_prompt image_prompt_inputs[LT_MOST_IMAGE_PROMPTS];
} lt_job_request;

/* LT_ERROR_ARGUMENT: no such key, or such a value; LT_ERROR_UNSUPPORTED: over a limit; LT_ERROR_FORMAT: a picture that
 * can't be read. The request points into *out, which must not move. */
lt_status lt_job_request_read(const json_t *job, const lt_job_limits *limits, lt_job_request *out);
void lt_job_request_free(lt_job_request *request); /* and empties it */

/* Whether the picture would be larger than allowed, by a model whose own size is width x height: LT_ERROR_UNSUPPORTED.
 */
lt_status lt_job_request_fits(const lt_job_request *request, const lt_job_limits *limits, int width, int height);

/* A field of a struct from JSON, as its table says: "steps" 20, "sampler" "euler". LT_ERROR_ARGUMENT names it and what
 * is possible. */
lt_status lt_job_field_read(const lt_field *field, const json_t *value, void *options);

#endif
