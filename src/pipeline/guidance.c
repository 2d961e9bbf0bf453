/* Guidance by gradients of a classifier or of CLIP. */
#include "pipeline/guidance.h"

#include "nn/nn.h"
#include "pipeline/embedding.h"
#include "text/script.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The classifier ---- */

/* "red, green, blue", cut where text is full. */
static void list_classes(const lt_components *parts, char *text, size_t size) {
    size_t at = 0;
    text[0] = '\0';
    for (int i = 0; i < parts->classifier.classes && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%s", i ? ", " : "", parts->labels[i]);
    if (at >= size) memcpy(text + size - 4, "...", 4);
}

lt_status lt_guidance_class(const lt_components *parts, const char *name, int *number) {
    const int classes = parts->classifier.classes;
    char all[512], *end;
    for (int i = 0; name && i < classes; i++)
        if (!strcmp(parts->labels[i], name)) {
            *number = i;
            return LT_OK;
        }
    const long value = name ? strtol(name, &end, 10) : 0;
    if (name && end != name && !*end && value >= 0 && value < classes) {
        *number = (int)value;
        return LT_OK;
    }
    list_classes(parts, all, sizeof all);
    if (!name) return lt_fail(LT_ERROR_ARGUMENT, "a classifier needs a class to guide to: one of %s", all);
    return lt_fail(LT_ERROR_ARGUMENT, "no class %.100s: there are %s (or 0 to %d)", name, all, classes - 1);
}

static lt_status check_classifier(const lt_components *parts, const lt_components *guide, int h, int w) {
    const lt_classifier *c = &guide->classifier;
    const int channels = parts->unet.out_channels;
    const long factor = parts->vae.factor, own = c->size * factor; /* pixels; a stranger's file may say anything */
    if (!guide->has[LT_MODULE_CLASSIFIER])
        return lt_fail(LT_ERROR_MODEL,
                       "the classifier's file holds no classifier; `latent train classifier` makes one");
    if (c->half.in_channels != channels)
        return lt_fail(LT_ERROR_MODEL,
                       "the classifier reads latents of %d channels, this model's have %d: train one with this model's "
                       "VAE",
                       c->half.in_channels, channels);
    if (c->size != h || c->size != w)
        return lt_fail(LT_ERROR_ARGUMENT,
                       "the classifier was trained on pictures of %ldx%ld with this model's VAE, and this one is "
                       "%ldx%ld",
                       own, own, w * factor, h * factor);
    return LT_OK;
}

static lt_status open_classifier(lt_guidance *g, const lt_components *guide, const lt_request *r) {
    const lt_module_size size = {.n = 1, .gradient = 1};
    int label = 0;
    LT_TRY(check_classifier(g->session->parts, guide, g->latent.h, g->latent.w));
    LT_TRY(lt_guidance_class(guide, r->class_name, &label));
    g->guide = lt_session_beside(g->session, guide);
    LT_TRY(lt_module_plan(&g->guide, LT_MODULE_CLASSIFIER, &size, &g->classifier));
    lt_port_fill(lt_plan_port(g->classifier, "label"), (float)label);
    g->on_classifier.x = lt_plan_port(g->classifier, "x");
    g->on_classifier.t = lt_plan_port(g->classifier, "t");
    g->on_classifier.gradient = lt_plan_port(g->classifier, "gradient");
    g->classifier_scale = r->classifier_scale;
    return LT_OK;
}

/* ---- CLIP ---- */

/* Pixels in [-1, 1] as the image tower reads them: cut to its size, (x/2 + 1/2 - mean) / deviation. */
static lt_node *preprocess(lt_nn *nn, lt_node *x, int size) {
    float numbers[6];
    for (int k = 0; k < 3; k++) {
        numbers[k] = 0.5f / lt_clip_deviation[k];
        numbers[3 + k] = (0.5f - lt_clip_mean[k]) / lt_clip_deviation[k];
    }
    return lt_affine(nn, lt_clip_crop(nn, x, size), numbers, 3);
}

/* Appends what makes pixels "out" of latents "z"; a model of pixels has no decoder, and its latents are the pixels. */
static lt_node *append_decoder(const lt_vae *vae, int h, int w, lt_graph *graph) {
    if (!vae->weights) return lt_graph_input(graph, (lt_input){"z", {1, h, w, 3}, LT_RATE_STEP});
    return lt_vae_build_decoder(vae, 1, h, w, graph) ? NULL : lt_graph_find(graph, "out");
}

lt_status lt_guidance_build_clip(const lt_vae *vae, const lt_clip_image *image, int h, int w, lt_graph *graph) {
    lt_nn nn = {graph, image->weights, "clip", 0};
    graph->training = true;
    lt_node *text = lt_graph_input(graph, (lt_input){"text", {1, 1, 1, image->projection}, LT_RATE_PROMPT});
    lt_node *pixels = append_decoder(vae, h, w, graph);
    LT_TRY(graph->status);
    LT_TRY(lt_clip_image_append(image, preprocess(&nn, pixels, image->size), graph));
    lt_node *similarity = lt_cosine(&nn, lt_graph_find(graph, "image_embeds"), text), *z = lt_graph_find(graph, "z");
    lt_graph_output(graph, similarity, "similarity");
    if (graph->status) return graph->status;
    z->watched = true;
    /* the decoder's activations at the picture's full size would be most of all memory: they are computed twice */
    const lt_loss losses[] = {{similarity, 1}};
    LT_TRY(lt_graph_backward(graph, losses, 1, true));
    lt_graph_output(graph, z->gradient, "gradient");
    graph->maker = "gradient of CLIP";
    return LT_OK;
}

static lt_status check_clip(const lt_components *guide) {
    const bool text = guide->has[LT_MODULE_TEXT] && guide->text.projection;
    if (!text || !guide->has[LT_MODULE_IMAGE])
        return lt_fail(LT_ERROR_MODEL, "CLIP guidance needs a CLIP model of both towers; this one has no %s",
                       text ? "image encoder" : "text projection");
    if (guide->text.projection != guide->image.projection)
        return lt_fail(LT_ERROR_MODEL, "CLIP's towers make %d and %d numbers: they can't be compared",
                       guide->text.projection, guide->image.projection);
    return LT_OK;
}

static lt_status embed_prompt(lt_guidance *g, const lt_components *guide, const char *prompt, bool plain) {
    lt_session session = lt_session_beside(g->session, guide);
    float *text = NULL;
    size_t dim;
    const lt_status status = lt_text_embedding(&session, prompt, plain, &text, &dim);
    if (!status) lt_port_write(lt_plan_port(g->clip, "text"), 0, text, dim);
    lt_free(text);
    lt_session_drop(&session);
    return status;
}

/* What the pictures are compared with: what the prompt's first part says at the end. */
static lt_status read_prompt(lt_guidance *g, const lt_components *guide, const lt_request *r) {
    const lt_script_rules rules = {true, r->plain_prompt, {r->steps, 0}};
    lt_script script;
    lt_status status = lt_script_read(r->prompt, rules, &script);
    const lt_script_part *part = script.parts;
    if (!status) status = embed_prompt(g, guide, part->entries[part->count - 1].text, r->plain_prompt);
    lt_script_free(&script);
    return status;
}

static lt_status open_clip(lt_guidance *g, const lt_components *guide, const lt_request *r) {
    lt_graph graph = {0};
    LT_TRY(check_clip(guide));
    const lt_status built =
        lt_guidance_build_clip(&g->session->parts->vae, &guide->image, g->latent.h, g->latent.w, &graph);
    LT_TRY(lt_plan_built(&graph, built, &g->session->target, &g->clip));
    g->on_clip.z = lt_plan_port(g->clip, "z");
    g->on_clip.gradient = lt_plan_port(g->clip, "gradient");
    LT_TRY(read_prompt(g, guide, r));
    g->clip_scale = r->clip_guidance;
    return LT_OK;
}

/* ---- Both ---- */

lt_status lt_guidance_init(lt_guidance *g, const lt_session *session, const lt_guides *guides,
                           const lt_request *request, int h, int w) {
    *g = (lt_guidance){.session = session, .latent = {1, h, w, session->parts->unet.out_channels}};
    lt_status status = LT_OK;
    if (!guides->classifier && !guides->clip) return LT_OK;
    LT_TRY(lt_noise_schedule_for(&session->parts->schedule, request->zero_snr, &g->schedule));
    g->shift = lt_alloc(lt_shape_count(g->latent) * sizeof *g->shift);
    g->work = lt_alloc(lt_shape_count(g->latent) * sizeof *g->work);
    if (!g->shift || !g->work) status = LT_ERROR_MEMORY;
    if (!status && guides->classifier)
        status =
            lt_module_fail(guides->classifier, LT_MODULE_CLASSIFIER, open_classifier(g, guides->classifier, request));
    if (!status && guides->clip)
        status = lt_module_fail(guides->clip, LT_MODULE_IMAGE, open_clip(g, guides->clip, request));
    if (status) lt_guidance_free(g);
    return status;
}

static double plan_bytes(const lt_plan *plan) {
    return plan ? (double)lt_plan_weights_size(plan) + (double)lt_plan_arena_size(plan) : 0;
}

double lt_guidance_bytes(const lt_guidance *g) { return plan_bytes(g->classifier) + plan_bytes(g->clip); }

void lt_guidance_free(lt_guidance *g) {
    lt_plan_free(g->clip);
    lt_session_drop(&g->guide);
    lt_free(g->shift);
    lt_free(g->work);
    *g = (lt_guidance){0};
}

/* Adds scale times a gradient to shift. */
static void add_gradient(lt_guidance *g, lt_port gradient, float scale) {
    lt_port_read(gradient, 0, g->work, lt_shape_count(g->latent));
    for (size_t i = 0; i < lt_shape_count(g->latent); i++) g->shift[i] += scale * g->work[i];
}

static lt_status add_classifier(lt_guidance *g, const float *x, float t) {
    lt_port_write(g->on_classifier.x, 0, x, lt_shape_count(g->latent));
    lt_port_fill(g->on_classifier.t, t);
    LT_TRY(lt_module_run(g->session, g->classifier, LT_RATE_PROMPT));
    add_gradient(g, g->on_classifier.gradient, g->classifier_scale);
    return LT_OK;
}

/* alpha = sqrt(abar_t), sigma = sqrt(1 - abar_t). z = x_0 / scaling, and with eps fixed d x_0 / d x_t = 1 / alpha. */
static lt_status add_clip(lt_guidance *g, const float *x, lt_noise_level at, const float *out) {
    const bool v = g->schedule.prediction == LT_PREDICT_V;
    const float scaling = g->session->parts->vae.scaling;
    for (size_t i = 0; i < lt_shape_count(g->latent); i++) {
        const float x0 = v ? at.alpha * x[i] - at.sigma * out[i] : (x[i] - at.sigma * out[i]) / at.alpha;
        g->work[i] = x0 / scaling;
    }
    lt_port_write(g->on_clip.z, 0, g->work, lt_shape_count(g->latent));
    LT_TRY(lt_module_run(g->session, g->clip, LT_RATE_PROMPT));
    add_gradient(g, g->on_clip.gradient, g->clip_scale / (scaling * at.alpha));
    return LT_OK;
}

/* The level of timestep t, between the schedule's own steps as the samplers have it. */
static lt_noise_level level_of(const lt_noise_schedule *schedule, float t) {
    const float sigma = lt_t_to_sigma(schedule, t), alpha = 1 / sqrtf(1 + sigma * sigma);
    return (lt_noise_level){alpha, sigma * alpha};
}

/* eps' = eps - sigma * shift; and as v = alpha eps - sigma x_0 = (eps - sigma x_t) / alpha, v' = v - sigma / alpha *
 * shift. */
lt_status lt_guidance_shift(lt_guidance *g, const float *x, float t, float *out) {
    if (!g->classifier && !g->clip) return LT_OK;
    const size_t count = lt_shape_count(g->latent);
    const lt_noise_level at = level_of(&g->schedule, t);
    memset(g->shift, 0, count * sizeof *g->shift);
    if (g->classifier && g->classifier_scale != 0) LT_TRY(add_classifier(g, x, t));
    if (g->clip && g->clip_scale != 0) LT_TRY(add_clip(g, x, at, out));
    const float scale = g->schedule.prediction == LT_PREDICT_V ? at.sigma / at.alpha : at.sigma;
    for (size_t i = 0; i < count; i++) out[i] -= scale * g->shift[i];
    return LT_OK;
}
