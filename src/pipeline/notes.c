/* What a caller's user should know before a picture is drawn. */
#include "pipeline/notes.h"

#include "adapters/few_steps.h"
#include "pipeline/hires.h"
#include "text/script.h"

#include <string.h>

/* Up to twice and down to half of what a model was trained for it draws well enough. */
static bool is_far(int side, int own) { return side > 2 * own || 2 * side < own; }

static void note_size(lt_session *session, const lt_canvas *c) {
    const lt_components *parts = session->parts;
    const int own = parts->sample_size * parts->vae.factor;
    if (session->size_noted || (!is_far(c->width, own) && !is_far(c->height, own))) return;
    session->size_noted = true;
    lt_notify(&session->listener,
              "%dx%d is far from %dx%d, for which this model was trained: over twice or under half of it, pictures "
              "hardly show what is asked for",
              c->width, c->height, own, own);
}

/* A field that is not as lt_request_defaults has it was given; it does nothing where what it works on is not there. */
static void note_vain(const lt_session *session, const lt_request *r) {
    const lt_components *parts = session->parts;
    const lt_request usual = lt_request_defaults();
    const bool reads = parts->unet.context_dim > 0, asked = *r->prompt || *r->negative_prompt;
    const bool limited = r->guidance_interval[0] > 0 || r->guidance_interval[1] > 0;
    const bool hires = lt_hires_asked(r);
    const char *sizes = "here: this model is told no sizes";
    const bool guided = reads && r->guidance != 0 && r->guidance != 1;
    const struct {
        bool given, used;
        const char *name, *why;
    } fields[] = {
        {r->strength != usual.strength, r->image, "`strength`", "without an image"},
        {r->posterior_noise, r->image, "`posterior_noise`", "without an image"},
        {r->mask_rule != usual.mask_rule, r->mask, "`mask_rule`", "without a mask"},
        {r->mask_blur > 0, r->mask, "`mask_blur`", "without a mask"},
        {r->masked_content, r->mask, "`masked_content`", "without a mask"},
        {r->only_masked, r->mask, "`only_masked`", "without a mask"},
        {r->mask_padding != usual.mask_padding, r->mask && r->only_masked, "`mask_padding`", "without `only_masked`"},
        {r->classifier_scale != usual.classifier_scale, r->classifier, "`classifier_scale`", "without a classifier"},
        {r->refiner_start < usual.refiner_start || r->refiner_start > usual.refiner_start, r->refiner,
         "`refiner_start`", "without a refiner"},
        {r->image_encoder, r->image_prompt_count, "`image_encoder`", "without image prompts"},
        {r->clip_guidance != usual.clip_guidance, r->clip, "`clip_guidance`", "without a clip"},
        {r->hires_scale > 0, !r->hires_width && !r->hires_height, "`hires_scale`", "beside a size of the second pass"},
        {r->hires_steps > 0, hires, "`hires_steps`", "without a second pass"},
        {r->hires_strength != usual.hires_strength, hires, "`hires_strength`", "without a second pass"},
        {strcmp(r->hires_upscaler, usual.hires_upscaler) != 0, hires, "`hires_upscaler`", "without a second pass"},
        {r->hires_sampler, hires, "`hires_sampler`", "without a second pass"},
        {r->hires_schedule, hires, "`hires_schedule`", "without a second pass"},
        {r->eta > 0, lt_sampler_takes_eta(r->sampler), "`eta`", "with this sampler: it is ddim's and tcd's"},
        {limited, guided, "`guidance_interval`", "without guidance by a prompt"},
        {r->guidance_rescale > 0, guided, "`guidance_rescale`", "without guidance by a prompt"},
        {r->variation_strength > 0, !r->noise, "`variation_strength`", "with starting noise that is given"},
        {r->variation_seed, r->variation_strength > 0, "`variation_seed`", "at a `variation_strength` of 0"},
        {r->seed_resize_width || r->seed_resize_height, r->seed_resize_width && r->seed_resize_height && !r->noise,
         "`seed_resize_width`", "without a height, or with starting noise that is given"},
        {r->merge_tokens > 0, parts->unet.level[0].depth > 0, "`merge_tokens`",
         "here: no attention at the finest level"},
        {r->embedding_count, !r->plain_prompt, "`embeddings`", "with `plain_prompt`: all words are words"},
        {r->emphasis != usual.emphasis, !r->plain_prompt, "`emphasis`", "with `plain_prompt`: nothing weighs"},
        {r->literal_hash, !r->plain_prompt, "`literal_hash`", "with `plain_prompt`: all characters are literal"},
        {r->original_width || r->original_height, parts->unet.vector_dim, "`original_width`", sizes},
        {r->target_width || r->target_height, parts->unet.vector_dim, "`target_width`", sizes},
        {r->crop_left || r->crop_top, parts->unet.vector_dim, "`crop_left`", sizes},
        {r->empty_negative != usual.empty_negative, parts->unet.vector_dim && !*r->negative_prompt, "`empty_negative`",
         "here: the negative prompt is none, or this model encodes every text"},
        {r->clip_skip != usual.clip_skip, reads || r->clip, "`clip_skip`", "here: this model reads no text"},
        {asked, reads || r->clip, "a prompt", "here: this model reads no text"},
    };
    for (size_t i = 0; i < LT_COUNT(fields); i++)
        if (fields[i].given && !fields[i].used)
            lt_notify(&session->listener, "%s does nothing %s", fields[i].name, fields[i].why);
}

/* ---- Intervals in which nothing lies ---- */

typedef struct passes {
    const lt_steps *of[2]; /* the second may be NULL */
} passes;

static bool has_step(const passes *p, double start, double end) {
    bool has = false;
    for (int k = 0; k < 2 && p->of[k]; k++)
        for (int i = 0; i < p->of[k]->count; i++) has |= lt_step_within(i, p->of[k]->count, start, end);
    return has;
}

/* As guidance has it: above low, and up to high, of which 0 is no end. */
static bool has_level(const passes *p, const float *interval) {
    bool has = false;
    for (int k = 0; k < 2 && p->of[k]; k++)
        for (int i = 0; i < p->of[k]->count; i++) {
            const float sigma = p->of[k]->sigmas[i];
            has |= sigma > interval[0] && (!(interval[1] > 0) || sigma <= interval[1]);
        }
    return has;
}

static void note_interval(const lt_session *session, const passes *p, const char *what, size_t i, double start,
                          double end) {
    if (!has_step(p, start, end))
        lt_notify(&session->listener,
                  "%s number %zu does nothing: of %d step%s none lies from %g to %g of the way as a whole", what, i + 1,
                  p->of[0]->count, LT_S(p->of[0]->count), start, end);
}

void lt_notes_of_steps(const lt_session *session, const lt_request *r, const lt_steps *first, const lt_steps *second) {
    const passes both = {{first, second}}, *p = &both;
    for (size_t i = 0; i < r->control_count; i++)
        note_interval(session, p, "control", i, r->controls[i].start, r->controls[i].end);
    for (size_t i = 0; i < r->image_prompt_count; i++)
        note_interval(session, p, "image prompt", i, r->image_prompts[i].start, r->image_prompts[i].end);
    if (r->guidance != 1 && !has_level(p, r->guidance_interval))
        lt_notify(&session->listener,
                  "`guidance` does nothing: no noise level of these steps lies in `guidance_interval`; they go from %g "
                  "to %g",
                  (double)p->of[0]->sigmas[0], (double)p->of[0]->sigmas[p->of[0]->count - 1]);
}

/* ---- Few steps ---- */

/* Of what was distilled to draw in few steps: where steps or scale make no sense for it. */
static void note_few_steps(const lt_session *session, const lt_request *r, const char *name, const lt_few_steps *f) {
    if (!f || (r->steps <= 2 * f->most_steps && r->guidance <= f->most_guidance)) return;
    lt_notify(&session->listener,
              "%.200s was made to draw in few steps (%s): `sampler` %s%s%s, `steps` %d to %d and a `guidance` of %s%g "
              "suit it",
              name, f->kind, f->sampler, f->schedule ? ", `schedule` " : "", f->schedule ? f->schedule : "",
              f->least_steps, f->most_steps, f->most_guidance > 1 ? "1 to " : "", (double)f->most_guidance);
}

static void note_distilled(const lt_session *session, const lt_request *r) {
    const lt_lora_set *worn = session->loras.worn;
    note_few_steps(session, r, session->parts->name, session->parts->few_steps);
    for (size_t i = 0; worn && i < worn->count; i++)
        if (worn->loras[i].strength != 0)
            note_few_steps(session, r, worn->files[i]->path,
                           lt_few_steps_of(worn->files[i]->path, &worn->files[i]->file));
}

/* ---- Words ---- */

static void tell_unknown(const lt_session *session, const char *unknown, const char *near) {
    lt_notify(&session->listener,
              "this small model has learned nothing of: %s%s%s (it knows what its training's captions named; what is "
              "beyond takes a Stable Diffusion checkpoint: -m FILE)",
              unknown, near ? "; near that it knows: " : "", near ? near : "");
}

static lt_status say_part(const lt_script_part *part, lt_buffer *said) {
    for (size_t i = 0; i < part->count; i++) LT_TRY(lt_buffer_printf(said, "%s\n", part->entries[i].text));
    return LT_OK;
}

/* All that the prompt says at any step. */
static lt_status say_all(const lt_request *r, lt_buffer *said) {
    const lt_script_rules rules = {true, r->plain_prompt, {r->steps, 0}};
    lt_script script;
    lt_status status = lt_script_read(r->prompt, rules, &script);
    for (size_t i = 0; i < script.count && !status; i++) status = say_part(&script.parts[i], said);
    lt_script_free(&script);
    return status;
}

/* Words that no caption of a small model's training held. */
static lt_status note_unknown(const lt_session *session, const lt_request *r) {
    const lt_components *parts = session->parts;
    lt_buffer said = {0}, unknown = {0}, near = {0};
    if (!parts->known.words || parts->unet.context_dim == 0) return LT_OK;
    lt_status status = say_all(r, &said);
    if (!status) status = lt_known_ask(&parts->known, said.data, &unknown, &near);
    if (!status && unknown.size) tell_unknown(session, unknown.data, near.data);
    lt_buffer_free(&said);
    lt_buffer_free(&unknown);
    lt_buffer_free(&near);
    return status;
}

lt_status lt_notes_give(lt_session *session, const lt_request *request, const lt_canvas *canvas) {
    note_size(session, canvas);
    note_vain(session, request);
    note_distilled(session, request);
    return note_unknown(session, request);
}
