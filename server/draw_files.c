/* Paths of what a job names. */
#include "draw_files.h"

#include "tools.h"

#include <stdlib.h>
#include <string.h>

/* NULL stays NULL. */
static lt_status find(lt_models *models, lt_shelf_kind kind, const char *name, char **path) {
    *path = name ? lt_models_find(models, kind, name) : NULL;
    return name && !*path ? LT_ERROR_FILE : LT_OK;
}

/* Or of a second kind. */
static lt_status find_either(lt_models *models, lt_shelf_kind kind, lt_shelf_kind other, const char *name,
                             char **path) {
    LT_TRY(find(models, kind, name, path) ? find(models, other, name, path) : LT_OK);
    return LT_OK;
}

/* What enlarges by a formula isn't on the shelf. All else must be, for the library would take it for a path, too. */
static bool is_formula(const char *upscaler) {
    static const char *const formulas[] = {"latent",
                                           "latent-bicubic",
                                           "latent-nearest",
                                           "latent-nearest-exact",
                                           "latent-antialiased",
                                           "latent-bicubic-antialiased",
                                           "lanczos"};
    for (size_t i = 0; i < LT_COUNT(formulas); i++)
        if (!strcmp(upscaler, formulas[i])) return true;
    return false;
}

static lt_status find_hires(lt_models *models, lt_request *r, lt_draw_files *files) {
    if (is_formula(r->hires_upscaler)) return LT_OK;
    LT_TRY(find(models, LT_SHELF_UPSCALER, r->hires_upscaler, &files->hires_upscaler));
    r->hires_upscaler = files->hires_upscaler;
    return LT_OK;
}

static lt_status find_added(lt_models *models, lt_job_request *job, lt_draw_files *files) {
    for (size_t i = 0; i < job->request.lora_count; i++) {
        LT_TRY(find(models, LT_SHELF_LORA, job->loras[i].file, &files->loras[i]));
        job->loras[i].file = files->loras[i];
    }
    for (size_t i = 0; i < job->request.embedding_count; i++) {
        LT_TRY(find(models, LT_SHELF_EMBEDDING, job->embeddings[i], &files->embeddings[i]));
        job->embeddings[i] = files->embeddings[i];
    }
    for (size_t i = 0; i < job->request.control_count; i++)
        LT_TRY(find(models, LT_SHELF_CONTROL, job->control_inputs[i].model, &files->controls[i]));
    for (size_t i = 0; i < job->request.image_prompt_count; i++)
        LT_TRY(find(models, LT_SHELF_IMAGE_PROMPT, job->image_prompt_inputs[i].adapter, &files->adapters[i]));
    return LT_OK;
}

static lt_status find_checkpoint(lt_models *models, const char *asked, char **path) {
    *path = lt_models_checkpoint(models, asked);
    return *path ? LT_OK : LT_ERROR_FILE;
}

static lt_status find_all(lt_models *models, lt_job_request *job, lt_draw_files *files) {
    if (job->kind == LT_JOB_UPSCALE) return find(models, LT_SHELF_UPSCALER, job->upscaler, &files->upscaler);
    LT_TRY(find_checkpoint(models, job->model, &files->model));
    LT_TRY(find(models, LT_SHELF_VAE, job->vae, &files->vae));
    LT_TRY(find(models, LT_SHELF_VAE, job->preview_vae, &files->preview_vae));
    LT_TRY(find(models, LT_SHELF_IMAGE_ENCODER, job->image_encoder, &files->image_encoder));
    LT_TRY(find(models, LT_SHELF_CLASSIFIER, job->classifier, &files->classifier));
    LT_TRY(find_either(models, LT_SHELF_IMAGE_ENCODER, LT_SHELF_OTHER, job->clip, &files->clip));
    LT_TRY(find(models, LT_SHELF_CHECKPOINT, job->refiner, &files->refiner));
    LT_TRY(find_hires(models, &job->request, files));
    return find_added(models, job, files);
}

lt_status lt_draw_files_find(lt_models *models, lt_job_request *request, lt_draw_files *files) {
    *files = (lt_draw_files){0};
    const lt_status status = find_all(models, request, files);
    if (status) lt_draw_files_free(files);
    return status;
}

void lt_draw_files_free(lt_draw_files *f) {
    char *const single[] = {f->model, f->vae,     f->preview_vae, f->image_encoder, f->classifier,
                            f->clip,  f->refiner, f->upscaler,    f->hires_upscaler};
    for (size_t i = 0; i < LT_COUNT(single); i++) free(single[i]);
    for (size_t i = 0; i < LT_COUNT(f->loras); i++) free(f->loras[i]);
    for (size_t i = 0; i < LT_COUNT(f->embeddings); i++) free(f->embeddings[i]);
    for (size_t i = 0; i < LT_COUNT(f->controls); i++) free(f->controls[i]);
    for (size_t i = 0; i < LT_COUNT(f->adapters); i++) free(f->adapters[i]);
    *f = (lt_draw_files){0};
}
