/* Names in a job become paths on the shelf. */
#ifndef LT_DRAW_FILES_H
#define LT_DRAW_FILES_H

#include "models.h"
#include "request.h"

/* Paths of what a job names; NULL where it names none. */
typedef struct lt_draw_files {
    char *model, *vae, *preview_vae, *image_encoder, *classifier, *clip, *refiner, *upscaler, *hires_upscaler;
    char *loras[LT_JOB_LORAS], *embeddings[LT_JOB_EMBEDDINGS];
    char *controls[LT_MAX_CONTROLS], *adapters[LT_MOST_IMAGE_PROMPTS];
} lt_draw_files;

/* LT_ERROR_FILE names what isn't there. Where it is, the request's loras, embeddings and hires_upscaler are paths of
 * *files, which must stay. */
lt_status lt_draw_files_find(lt_models *models, lt_job_request *request, lt_draw_files *files);
void lt_draw_files_free(lt_draw_files *files);

#endif
