/* txt2img, img2img and inpainting: the story of a picture, from top to bottom of lt_paint. */
#include "pipeline/generate.h"

#include "base/picture.h"
#include "base/rng.h"
#include "kernels/layout.h"
#include "pipeline/adapting.h"
#include "pipeline/canvas.h"
#include "pipeline/control.h"
#include "pipeline/denoiser.h"
#include "pipeline/hires.h"
#include "pipeline/infotext.h"
#include "pipeline/latent.h"
#include "pipeline/noise.h"
#include "pipeline/notes.h"
#include "pipeline/refiner.h"
#include "pipeline/taps.h"
#include "pipeline/thrift.h"

#include <string.h>

/* Everything that one call of lt_generate works with. */
typedef struct lt_painting {
    lt_session *session;
    const lt_components *parts;        /* the session's */
    const lt_request *asked, *request; /* request: without the networks of asked's prompt */
    lt_adapted adapted;
    const lt_guides *guides;
    lt_result *result;
    lt_canvas canvas;
    lt_image_contexts images; /* of the first pass: both hear them */
    lt_branches branches;
    lt_noise_schedule schedule; /* the model's, or the request's */
    lt_controls controls;
    lt_steps steps;
    lt_sampling sampling;
    lt_denoiser denoiser;
    lt_refiner refiner; /* of the last pass */
    lt_guidance guidance;
    lt_shape latent;   /* n = 1; inside it is [h, w, channels], what comes and goes is [channels, h, w] */
    size_t count;      /* elements of a latent */
    float *x;          /* the latent of the picture at hand, [latent], as are: */
    float *noise;      /* its starting noise */
    float *x0;         /* the input picture's latent */
    float *masked;     /* that of the masked picture, which an inpainting model reads beside x */
    float *outside;    /* random numbers in the order in which they are drawn */
    lt_rng rng;        /* of the picture at hand */
    int picture, step; /* which one is made; how many of its steps are done */
    int before, all;   /* steps of the pass before this one, and of all */
    int asked_now;     /* how often the step at hand has asked the U-Net */
    bool enough;       /* no more steps: x is what has been drawn so far */
    lt_taps *taps;     /* who is shown what is made, shared by both passes; NULL: nobody */
    double started;    /* seconds: when the sampling of the picture at hand began */
    lt_hires hires;
    lt_request second_request;
    struct lt_painting *second; /* the pass that goes on from this one's latent, enlarged; NULL: there is none */
} lt_painting;

/* The pass whose picture is shown. */
static lt_painting *last_of(lt_painting *p) { return p->second ? p->second : p; }

/* ---- Asking ---- */

static lt_status check(const lt_components *parts, const lt_request *r) {
    LT_TRY(lt_module_needed(parts, LT_MODULE_UNET, ", so it can't draw"));
    if (!parts->pixels)
        LT_TRY(lt_module_needed(parts, LT_MODULE_VAE_DECODER, ", so it can't draw: `vae` takes one from another file"));
    if (parts->has[LT_MODULE_TEXT] && (r->clip_skip > parts->text.layers))
        return lt_fail(LT_ERROR_ARGUMENT, "`clip_skip` %d: 1 to %d, this text encoder's layers, is possible",
                       r->clip_skip, parts->text.layers);
    if (r->image && !parts->pixels)
        LT_TRY(lt_module_needed(parts, LT_MODULE_VAE_ENCODER, ", so it can't start from a picture"));
    if (r->image && lt_image_check(r->image)) return lt_fail_in(LT_ERROR_ARGUMENT, "image");
    if (r->mask && lt_image_check(r->mask)) return lt_fail_in(LT_ERROR_ARGUMENT, "mask");
    if (r->mask && !r->image) return lt_fail(LT_ERROR_ARGUMENT, "mask: a picture to repaint is needed with it");
    if (r->class_name && !r->classifier)
        return lt_fail(LT_ERROR_ARGUMENT, "class_name: %.100s; a classifier is needed with it", r->class_name);
    if (parts->unet.in_channels != parts->unet.out_channels && !r->image)
        return lt_fail(LT_ERROR_ARGUMENT, "this is an inpainting model: it needs a picture and a mask");
    return lt_parts_agree(parts);
}

static lt_status allocate(lt_painting *p) {
    p->latent = (lt_shape){1, p->canvas.latent_h, p->canvas.latent_w, p->parts->vae.latent_channels};
    p->count = lt_shape_count(p->latent);
    float **const all[] = {&p->x, &p->noise, &p->x0, &p->masked, &p->outside};
    for (size_t i = 0; i < LT_COUNT(all); i++)
        if (!(*all[i] = lt_alloc(p->count * sizeof(float)))) return LT_ERROR_MEMORY;
    return LT_OK;
}

static void from_outside(const lt_painting *p, const float *from, float *latent) {
    lt_nchw_to_nhwc(from, latent, 1, (size_t)lt_shape_pixels(p->latent), (size_t)p->latent.c);
}

static void to_outside(const lt_painting *p, const float *latent, float *to) {
    lt_nhwc_to_nchw(latent, to, 1, (size_t)lt_shape_pixels(p->latent), (size_t)p->latent.c);
}

/* ---- What the sampler calls ---- */

static lt_status predict(void *user, const float *x, float t, float *out) {
    lt_painting *p = user;
    lt_denoiser *denoiser;
    lt_status status = lt_refiner_choose(&p->refiner, &p->denoiser, p->step, &denoiser);
    denoiser->call = lt_sampler_call(p->request->sampler, p->step, p->asked_now);
    if (!status && p->taps) status = lt_taps_ask(p->taps, p->step, p->asked_now, t, x);
    if (!status) status = lt_denoiser_predict(denoiser, p->step, x, t, out);
    if (!status) status = lt_guidance_shift(&p->guidance, x, t, out);
    if (!status && p->taps && p->guidance.shift) status = lt_taps_gradient(p->taps, p->guidance.shift);
    if (!status && p->taps) status = lt_taps_answer(p->taps, out);
    p->asked_now++;
    return status == LT_ERROR_MODEL ? lt_fail_in(status, "step %d of %d", p->step + 1, p->steps.count) : status;
}

static lt_status draw_noise(void *user, float *out) {
    lt_painting *p = user;
    lt_rng_normal(&p->rng, p->outside, p->count);
    from_outside(p, p->outside, out);
    return LT_OK;
}

/* Inpainting with an ordinary model: what is to be kept goes back, noised to where the rest is now. */
static void put_back(const lt_painting *p, lt_noise_level level, float *x) {
    for (size_t i = 0; i < p->count; i++) {
        const float kept = level.alpha * p->x0[i] + level.sigma * p->noise[i],
                    m = p->canvas.latent_mask[i / (size_t)p->latent.c];
        x[i] = kept * (1 - m) + x[i] * m;
    }
}

static lt_status report(lt_painting *p, int step, const float *denoised) {
    const lt_request *r = p->request;
    if (!r->progress) return LT_OK;
    const int steps = p->all, done = p->before + step, left = steps * (r->count - p->picture) - done;
    lt_progress progress = {.picture = p->picture, .pictures = r->count, .step = done, .steps = steps};
    progress.step_seconds = step ? (lt_now() - p->started) / step : 0;
    progress.seconds_left = progress.step_seconds * left;
    lt_image preview = {0};
    if (r->preview && denoised) {
        LT_TRY(lt_latent_preview(p->session, denoised, p->canvas.latent_h, p->canvas.latent_w, &preview));
        progress.preview = &preview;
    }
    const bool go_on = r->progress(r->user, &progress);
    lt_image_free(&preview);
    return go_on ? LT_OK : lt_fail(LT_ERROR_CANCELLED, "stopped after step %d of %d", done, steps);
}

static void keep(lt_painting *p, int state, const float *x) {
    if (p->request->keep_steps) to_outside(p, x, p->result->step_latents[p->picture] + (size_t)state * p->count);
}

/* The estimate becomes the picture: its latent is what sampling would have gone to. */
static lt_status stop_here(lt_painting *p, const float *denoised) {
    p->enough = !p->second;
    if (denoised && denoised != p->x) memcpy(p->x, denoised, p->count * sizeof *p->x);
    if (p->canvas.latent_mask && !p->canvas.masked_pixels) put_back(p, (lt_noise_level){1, 0}, p->x);
    return lt_fail(LT_ERROR_CANCELLED, "stopped after step %d of %d", p->before + p->step, p->all);
}

static lt_status after_step(void *user, int index, int count, lt_noise_level level, float *x, const float *denoised) {
    lt_painting *p = user;
    p->step = index + 1;
    p->asked_now = 0;
    if (!lt_all_finite(x, p->count))
        return lt_fail(LT_ERROR_MODEL,
                       "step %d of %d: what is drawn is no finite number: are guidance and scales "
                       "reasonable?",
                       p->step, count);
    if (p->canvas.latent_mask && !p->canvas.masked_pixels) put_back(p, level, x);
    keep(p, p->step, x);
    LT_TRY(report(p, p->step, denoised));
    const bool enough = p->step < count && p->request->enough && p->request->enough(p->request->user);
    return enough ? stop_here(p, denoised) : LT_OK;
}

/* ---- One picture ---- */

/* The latent of pixels, drawn from the encoder's posterior with noise that every latent of this picture shares. */
static lt_status encode(lt_painting *p, const float *pixels, const float *posterior, float *latent) {
    const lt_canvas *c = &p->canvas;
    return lt_latent_encode(p->session, pixels, c->height, c->width, p->session->thrift.tiles, posterior, latent);
}

/* The caller's random numbers, or else those in p->outside, into p->noise. */
static lt_status take_noise(lt_painting *p, const float *given, const char *name) {
    from_outside(p, given ? given : p->outside, p->noise);
    return !given || lt_all_finite(given, p->count)
               ? LT_OK
               : lt_fail(LT_ERROR_ARGUMENT, "%s: not all are finite numbers", name);
}

static lt_status take_posterior(lt_painting *p) {
    if (!p->request->posterior_noise) lt_rng_normal(&p->rng, p->outside, p->count);
    return take_noise(p, p->request->posterior_noise, "the posterior's noise");
}

static lt_status take_start(lt_painting *p) {
    const lt_request *r = p->request;
    const int factor = p->parts->vae.factor;
    const lt_noise_plan plan = {.kind = r->rng,
                                .seed = p->result->seeds[p->picture],
                                .variation = r->variation_seed + (uint64_t)p->picture,
                                .strength = r->variation_strength,
                                .c = (size_t)p->latent.c,
                                .h = (size_t)p->latent.h,
                                .w = (size_t)p->latent.w,
                                .from_h = (size_t)(r->seed_resize_height / factor),
                                .from_w = (size_t)(r->seed_resize_width / factor)};
    if (!r->noise) LT_TRY(lt_noise_make(&plan, &p->rng, p->outside));
    return take_noise(p, r->noise, "the starting noise");
}

/* What of the input's latent is under the mask becomes noise, or nothing, where that is asked for. */
static void begin_masked(const lt_painting *p) {
    const lt_masked_content content = p->request->masked_content;
    if (content != LT_CONTENT_NOISE && content != LT_CONTENT_NOTHING) return;
    for (size_t i = 0; i < p->count; i++)
        if (p->canvas.latent_mask[i / (size_t)p->latent.c] > 0)
            p->x0[i] = content == LT_CONTENT_NOISE ? p->noise[i] : 0;
}

/* Draws the random numbers in their order (posterior, start, and later each step's) and makes of them what sampling
 * starts from. */
static lt_status start(lt_painting *p) {
    const lt_request *r = p->request;
    if (p->canvas.pixels) { /* the starting noise is drawn after the posterior's was used */
        LT_TRY(take_posterior(p));
        LT_TRY(encode(p, p->canvas.filled ? p->canvas.filled : p->canvas.pixels, p->noise, p->x0));
        if (p->canvas.masked_pixels) LT_TRY(encode(p, p->canvas.masked_pixels, p->noise, p->masked));
    }
    LT_TRY(take_start(p));
    if (p->canvas.mask) begin_masked(p);
    const bool from_noise = !p->canvas.pixels || (p->canvas.latent_mask && r->strength == 1);
    lt_noise_level level = {0, 0};
    LT_TRY(from_noise ? lt_sampler_noise_scale(&p->sampling, r->sampler, &level.sigma)
                      : lt_sampler_start(&p->sampling, r->sampler, &level));
    for (size_t i = 0; i < p->count; i++)
        p->x[i] = (from_noise ? 0 : level.alpha * p->x0[i]) + level.sigma * p->noise[i];
    return LT_OK;
}

static void begin_taps(lt_painting *p) {
    const lt_tap_pass pass = {&p->branches, &p->schedule, p->latent, p->picture, p->before, p->all};
    if (p->taps) lt_taps_begin(p->taps, pass);
    p->denoiser.taps = p->taps;
}

static lt_status denoise(lt_painting *p) {
    const lt_canvas *c = &p->canvas;
    lt_denoiser_free(&p->denoiser); /* the last picture's */
    LT_TRY(lt_controls_begin(&p->controls));
    LT_TRY(lt_denoiser_init(&p->denoiser, p->session, &p->branches, lt_savings_of(p->request), c->latent_h, c->latent_w,
                            c->masked_pixels ? c->latent_mask : NULL, p->masked));
    keep(p, 0, p->x);
    p->started = lt_now();
    p->step = p->asked_now = 0;
    LT_TRY(report(p, 0, NULL));
    begin_taps(p);
    const lt_status status = lt_sample(&p->sampling, p->request->sampler, p->x);
    lt_refiner_end(&p->refiner);
    if (status && !p->enough) return status;
    if (p->enough) lt_notify(&p->session->listener, "%s: the picture is what it was then", lt_error_message());
    return p->taps ? lt_taps_end(p->taps) : LT_OK;
}

static lt_status decode(lt_painting *p, lt_image *image) {
    const lt_canvas *c = &p->canvas;
    float *pixels = lt_alloc((size_t)c->width * (size_t)c->height * 3 * sizeof(float));
    lt_status status = pixels ? LT_OK : LT_ERROR_MEMORY;
    if (!status)
        status = lt_latent_decode(p->session, p->x, c->latent_h, c->latent_w, p->session->thrift.tiles, pixels);
    if (!status) status = lt_canvas_finish(c, pixels, image);
    lt_free(pixels);
    return status;
}

/* ---- All of them ---- */

static lt_status make_result(lt_painting *p) {
    const lt_request *r = p->request;
    const lt_painting *last = last_of(p);
    lt_result *out = p->result;
    const size_t n = (size_t)r->count;
    out->count = r->count;
    out->latent_shape[0] = p->parts->vae.latent_channels;
    out->latent_shape[1] = last->canvas.latent_h;
    out->latent_shape[2] = last->canvas.latent_w;
    out->kept_steps = last->request->keep_steps ? last->steps.count + 1 : 0;
    out->images = lt_calloc(n, sizeof *out->images);
    out->seeds = lt_calloc(n, sizeof *out->seeds);
    out->parameters = lt_calloc(n, sizeof *out->parameters);
    out->latents = lt_calloc(n, sizeof *out->latents);
    out->step_latents = lt_calloc(n, sizeof *out->step_latents);
    if (!out->images || !out->seeds || !out->parameters || !out->latents || !out->step_latents) return LT_ERROR_MEMORY;
    const uint64_t seed = r->random_seed ? lt_random_seed() : r->seed;
    for (size_t i = 0; i < n; i++) out->seeds[i] = r->variation_strength > 0 ? seed : seed + i;
    return LT_OK;
}

/* Room for what belongs to the picture at hand. */
static lt_status make_room(lt_painting *p) {
    const int i = p->picture;
    const lt_request *r = p->request;
    lt_result *out = p->result;
    const size_t states = (size_t)out->kept_steps;
    const lt_made made = {p->parts,
                          p->asked,
                          p->guides,
                          &p->steps,
                          out->seeds[i],
                          r->variation_seed + (uint64_t)i,
                          p->canvas.width,
                          p->canvas.height,
                          p->session->target.precision,
                          p->session->loras.worn,
                          p->adapted.names,
                          p->adapted.named,
                          p->adapted.left_out,
                          p->session};
    out->parameters[i] = lt_infotext_make(&made);
    const size_t count = last_of(p)->count;
    out->latents[i] = lt_alloc(count * sizeof(float));
    if (states) out->step_latents[i] = lt_alloc(states * count * sizeof(float));
    return out->parameters[i] && out->latents[i] && (!states || out->step_latents[i]) ? LT_OK : LT_ERROR_MEMORY;
}

/* Gives back what is not needed until the next picture; after the last one, weights too. */
static void leave(lt_painting *p, lt_module module) {
    (p->picture + 1 < p->request->count ? lt_module_rest : lt_module_drop)(p->session, module);
}

/* Before a picture is decoded. */
static void make_way(lt_painting *p) {
    lt_module_spare(p->session, LT_MODULE_UNET, p->session->thrift);
    lt_controls_rest(&p->controls);
    lt_refiner_rest(&last_of(p)->refiner);
}

static lt_status hand_over(lt_painting *p) {
    const lt_request *r = p->request;
    if (r->ready && !r->ready(r->user, p->picture, p->result))
        return lt_fail(LT_ERROR_CANCELLED, "stopped after picture %d of %d", p->picture + 1, r->count);
    if (p->result->images) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT, "ready: it freed the result, to which pictures are still to come; what is in it "
                                      "it may free");
}

/* The second pass: from the first one's latent, enlarged, with the noise that the seed has for its size. */
static lt_status draw_on(lt_painting *first) {
    lt_painting *p = first->second;
    const lt_request *r = p->request;
    lt_noise_level level = {0, 0};
    p->picture = first->picture;
    if (first->hires.mode == LT_LATENT_MODES) make_way(first); /* the VAE runs in between */
    LT_TRY(lt_hires_enlarge(&first->hires, p->session, first->x, &first->canvas, p->session->thrift.tiles, p->x0));
    lt_rng_seed(&p->rng, r->rng, p->result->seeds[p->picture]);
    LT_TRY(take_start(p));
    LT_TRY(lt_sampler_start(&p->sampling, r->sampler, &level));
    for (size_t i = 0; i < p->count; i++) p->x[i] = level.alpha * p->x0[i] + level.sigma * p->noise[i];
    return denoise(p);
}

static lt_status paint_picture(lt_painting *p) {
    const lt_request *r = p->request;
    lt_painting *last = last_of(p);
    LT_TRY(make_room(p));
    lt_rng_seed(&p->rng, r->rng, p->result->seeds[p->picture]);
    LT_TRY(start(p));
    leave(p, LT_MODULE_VAE_ENCODER);
    LT_TRY(denoise(p));
    if (p->second) LT_TRY(draw_on(p));
    to_outside(last, last->x, p->result->latents[p->picture]);
    make_way(p);
    LT_TRY(decode(last, &p->result->images[p->picture]));
    leave(p, LT_MODULE_VAE_DECODER);
    return hand_over(p);
}

static lt_request second_request_of(const lt_request *r, const lt_hires *hires, int factor) {
    lt_request s = *r;
    s.width = hires->latent_w * factor;
    s.height = hires->latent_h * factor;
    s.steps = r->hires_steps ? r->hires_steps : r->steps;
    s.sampler = r->hires_sampler ? r->hires_sampler : r->sampler;
    s.schedule = r->hires_schedule ? r->hires_schedule : r->schedule;
    s.noise = s.posterior_noise = NULL;
    return s;
}

/* Which reads what the first pass reads. Steps are kept of the last pass alone. */
static lt_status prepare_second(lt_painting *p) {
    LT_TRY(lt_hires_prepare(&p->hires, p->session, p->request, &p->canvas));
    if (!p->hires.asked) return LT_OK;
    lt_painting *s = p->second = lt_calloc(1, sizeof *s);
    if (!s) return LT_ERROR_MEMORY;
    s->second_request = second_request_of(p->request, &p->hires, p->parts->vae.factor);
    const lt_request *r = &s->second_request;
    *s = (lt_painting){.session = p->session,
                       .parts = p->parts,
                       .asked = p->asked,
                       .guides = p->guides,
                       .result = p->result,
                       .schedule = p->schedule,
                       .taps = p->taps,
                       .second_request = s->second_request};
    s->request = r;
    p->adapted.request.keep_steps = false;
    LT_TRY(lt_canvas_prepare(&s->canvas, s->session, r));
    LT_TRY(lt_steps_make_second(&s->schedule, r->sampler, r->schedule, r->steps, r->hires_strength, &s->steps));
    s->before = p->steps.count;
    s->all = p->all = p->steps.count + s->steps.count;
    return LT_OK;
}

/* A pass whose canvas and steps are there: what guides it, its room, what the sampler calls. */
static lt_status make_ready(lt_painting *p) {
    const lt_request *r = p->request;
    LT_TRY(lt_guidance_init(&p->guidance, p->session, p->guides, r, p->canvas.latent_h, p->canvas.latent_w));
    LT_TRY(allocate(p));
    p->sampling = (lt_sampling){&p->schedule, &p->steps, p->count, r->eta, p, predict, draw_noise, after_step};
    return LT_OK;
}

/* What a pass is told: by prompts, by pictures, and what pictures say of it. As in the web UIs, the steps that a prompt
 * names are those of the whole way, and are counted from the first that is made: img2img's last ones, too. before: the
 * U-Net's calls of a first pass. */
static lt_status hear(lt_painting *p, const lt_image_contexts *images, int before) {
    const lt_request *r = p->request;
    const int calls = lt_sampler_calls(r->sampler);
    const lt_pass pass = {{r->steps * calls, before}, p->steps.count * calls, p->canvas.latent_h, p->canvas.latent_w};
    LT_TRY(lt_branches_read(p->session, r, &pass, &p->branches));
    p->branches.images = images;
    p->branches.steps = p->steps.count;
    if (r->control_count) p->branches.controls = &p->controls;
    LT_TRY(lt_refiner_init(&p->refiner, p->session, p->second ? NULL : p->guides->refiner, r, &pass, p->steps.count));
    return lt_controls_init(&p->controls, p->session, r, p->guides, &p->branches, p->steps.count, &p->canvas);
}

static lt_status hear_all(lt_painting *p) {
    const lt_request *r = p->request;
    LT_TRY(
        lt_image_contexts_make(p->session, p->guides, r->image_prompts, r->image_prompt_count, p->latent, &p->images));
    LT_TRY(hear(p, &p->images, 0));
    return p->second ? hear(p->second, &p->images, r->steps * lt_sampler_calls(r->sampler)) : LT_OK;
}

static void free_pass(lt_painting *p) {
    lt_canvas_free(&p->canvas);
    lt_guidance_free(&p->guidance);
    lt_denoiser_free(&p->denoiser);
    lt_refiner_free(&p->refiner);
    lt_controls_free(&p->controls);
    lt_steps_free(&p->steps);
    float *const all[] = {p->x, p->noise, p->x0, p->masked, p->outside};
    for (size_t i = 0; i < LT_COUNT(all); i++) lt_free(all[i]);
    lt_branches_free(&p->branches);
}

static lt_status paint(lt_painting *p) {
    const lt_request *r = p->request;
    LT_TRY(check(p->parts, r));
    if (p->taps) LT_TRY(lt_taps_init(p->taps, p->parts, r));
    LT_TRY(lt_adapt_request(p->session, p->asked, &p->adapted));
    r = p->request = &p->adapted.request;
    LT_TRY(lt_canvas_prepare(&p->canvas, p->session, r));
    LT_TRY(lt_noise_schedule_for(&p->parts->schedule, r->zero_snr, &p->schedule));
    LT_TRY(lt_steps_make(&p->schedule, r->sampler, r->schedule, r->steps, r->image ? r->strength : 1, &p->steps));
    p->all = p->steps.count;
    LT_TRY(prepare_second(p));
    LT_TRY(make_ready(p));
    if (p->second) LT_TRY(make_ready(p->second));
    LT_TRY(lt_notes_give(p->session, r, &p->canvas));
    LT_TRY(make_result(p));
    LT_TRY(hear_all(p));
    lt_notes_of_steps(p->session, r, &p->steps, p->second ? &p->second->steps : NULL);
    lt_painting *last = last_of(p); /* the larger one decides how much memory there must be */
    LT_TRY(lt_thrift_choose(
        p->session, &(lt_taking){last->request, &last->canvas, &last->branches, &last->guidance, &last->refiner}));
    for (p->picture = 0; p->picture < r->count && !last->enough; p->picture++) LT_TRY(paint_picture(p));
    p->result->count = p->picture;
    return LT_OK;
}

lt_status lt_paint(lt_session *session, const lt_request *request, const lt_guides *guides, lt_result *result) {
    lt_taps taps = {0};
    lt_painting p = {.session = session,
                     .parts = session->parts,
                     .taps = request->tap_count ? &taps : NULL,
                     .asked = request,
                     .request = request,
                     .guides = guides,
                     .result = result};
    const lt_seamless own = session->wraps;
    *result = (lt_result){0};
    session->wraps |= request->seamless;
    session->target.cancelled = request->cancelled;
    session->target.cancelled_user = request->user;
    const lt_status status = paint(&p);
    session->target.cancelled = NULL;
    session->wraps = own;
    lt_adapt_end(session, &p.adapted);
    if (status) lt_result_free(result);
    lt_module_drop(session, LT_MODULE_VAE_ENCODER);
    lt_module_drop(session, LT_MODULE_VAE_DECODER);
    lt_module_drop(session, LT_MODULE_TAESD_DECODER);
    if (p.second) free_pass(p.second);
    lt_free(p.second);
    free_pass(&p);
    lt_image_contexts_free(&p.images);
    lt_hires_free(&p.hires);
    lt_taps_free(&taps);
    return status;
}
