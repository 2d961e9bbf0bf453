/* Guidance by gradients: a picture is drawn towards what a second model prefers.
 *
 *   eps' = eps - sqrt(1 - abar_t) * (s grad log p(y | x_t) + s' grad cos(text, image(decode(x_0))))
 *
 * both gradients by x_t. The first is a classifier's of noisy latents (Dhariwal & Nichol 2021, algorithm 2, which holds
 * for every sampler). The second is CLIP's (Nichol et al. 2021, section 3.3, with a CLIP that was trained on clean
 * pictures and so sees the estimate x_0 = (x_t - sqrt(1 - abar_t) eps) / sqrt(abar_t), in which eps is held fixed). */
#ifndef LT_GUIDANCE_H
#define LT_GUIDANCE_H

#include "pipeline/session.h"

/* The models that a request has beside the one that draws; NULL where there is none. */
typedef struct lt_guides {
    const lt_components *classifier, *clip, *refiner;
    const lt_components *image_encoder, *adapters[LT_MOST_IMAGE_PROMPTS]; /* adapters: of its image prompts */
    const lt_components *controls[LT_MAX_CONTROLS];                       /* [request.control_count] */
} lt_guides;

typedef struct lt_guidance {
    const lt_session *session;  /* that draws: its threads, and whom to ask whether to stop */
    lt_session guide;           /* on the classifier */
    lt_noise_schedule schedule; /* by which it is drawn */
    lt_shape latent;            /* n = 1 */
    lt_plan *classifier;        /* belongs to guide; NULL without */
    lt_plan *clip;              /* decoder, image tower, cosine, and back; NULL without */
    struct {
        lt_port x, t, gradient;
    } on_classifier;
    struct {
        lt_port z, gradient;
    } on_clip;
    float classifier_scale, clip_scale;
    float *shift; /* [latent]: the sum of the scaled gradients */
    float *work;  /* [latent] */
} lt_guidance;

/* For latents of h x w. LT_ERROR_MODEL or LT_ERROR_ARGUMENT where a guide does not fit the model, the size, or its
 * class.
 */
lt_status lt_guidance_init(lt_guidance *g, const lt_session *session, const lt_guides *guides,
                           const lt_request *request, int h, int w);
double lt_guidance_bytes(const lt_guidance *g); /* that its plans take */
void lt_guidance_free(lt_guidance *g);          /* a zeroed one is fine */

/* Shifts out [h, w, channels], the network's eps or v for x at timestep t, which may be fractional. */
lt_status lt_guidance_shift(lt_guidance *g, const float *x, float t, float *out);

/* The number of the class that name stands for: a name, or else a number from 0. LT_ERROR_ARGUMENT lists what is
 * possible. */
lt_status lt_guidance_class(const lt_components *classifier, const char *name, int *number);

/* The graph behind CLIP's guidance. Inputs: "z" [1,h,w,channels], already divided by the scaling factor, "text"
 * [1,1,1,projection]. Outputs: "similarity", the cosine, and "gradient" [as z]. */
lt_status lt_guidance_build_clip(const lt_vae *vae, const lt_clip_image *image, int h, int w, lt_graph *graph);

#endif
