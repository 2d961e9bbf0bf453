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
        {r->image_encoder, r->image_prompt_count, "`image_encoder`", "without image prompts"},
        {r->clip_guidance != usual.clip_guidance, r->clip, "`clip_guidance`", "without a clip"},
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
        {asked, reads || r->clip, "a prompt", "here: this model reads no text"},
    };
    for (size_t i = 0; i < LT_COUNT(fields); i++)
        if (fields[i].given && !fields[i].used)
            lt_notify(&session->listener, "%s does nothing %s", fields[i].name, fields[i].why);
}

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
