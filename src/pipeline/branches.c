/* From a request's prompts to the branches of its guidance. */
#include "pipeline/branches.h"

#include "pipeline/regions.h"
#include "text/script.h"

#include <math.h>
#include <string.h>

enum { MOST_TOKENS = 1 << 19 }; /* of all different texts: 1.5 GiB of SD 1.x's contexts */

typedef struct reader {
    lt_session *session;
    const lt_request *request;
    const lt_pass *pass;
    lt_branches *branches;
    size_t tokens;
} reader;

/* ---- Texts, each encoded once ---- */

/* negative: for the first branch. */
static lt_sizes sizes_of(const reader *r, bool negative) {
    const lt_components *parts = r->session->parts;
    return lt_sizes_of(parts, r->request, r->pass->w * parts->vae.factor, r->pass->h * parts->vae.factor, negative);
}

static lt_status encode(reader *r, const char *text, lt_told *told) {
    const lt_request *asked = r->request;
    const lt_encoding how = {asked->plain_prompt, asked->clip_skip, asked->emphasis, told->sizes};
    told->text = lt_strdup(text);
    if (!told->text) return LT_ERROR_MEMORY;
    LT_TRY(lt_context_make(r->session, text, how, &told->context));
    r->tokens += (size_t)told->context.tokens;
    return r->tokens <= MOST_TOKENS
               ? LT_OK
               : lt_fail(LT_ERROR_ARGUMENT, "the prompts have over %d tokens at their different steps", MOST_TOKENS);
}

static lt_status add_text(reader *r, const char *text, uint64_t hash, lt_sizes sizes, const lt_context **context) {
    lt_branches *b = r->branches;
    LT_TRY(LT_GROW(b->texts, b->text_count, b->text_capacity));
    lt_told *told = b->texts[b->text_count] = lt_calloc(1, sizeof *told);
    if (!told) return LT_ERROR_MEMORY;
    b->text_count++;
    told->hash = hash;
    told->sizes = sizes;
    *context = &told->context;
    return encode(r, text, told);
}

static lt_status find_context(reader *r, const char *text, lt_sizes sizes, const lt_context **context) {
    const uint64_t hash = lt_hash_bytes(LT_HASH_START, text, strlen(text));
    for (size_t i = 0; i < r->branches->text_count; i++) {
        const lt_told *told = r->branches->texts[i];
        const bool same_sizes = !memcmp(&told->sizes, &sizes, sizeof sizes);
        if (told->hash != hash || !same_sizes || strcmp(told->text, text)) continue;
        *context = &told->context;
        return LT_OK;
    }
    return add_text(r, text, hash, sizes, context);
}

/* ---- Branches ---- */

/* Has a branch read what a part says. */
static lt_status tell(reader *r, const lt_script_part *part, lt_branch *branch) {
    const lt_sizes sizes = sizes_of(r, branch->negative);
    size_t last = part->count;
    branch->calls = r->pass->calls;
    branch->told = lt_calloc((size_t)branch->calls, sizeof *branch->told);
    if (!branch->told) return LT_ERROR_MEMORY;
    for (int call = 0; call < branch->calls; call++) {
        const size_t entry = lt_script_entry_at(part, call);
        if (entry == last)
            branch->told[call] = branch->told[call - 1];
        else
            LT_TRY(find_context(r, part->entries[entry].text, sizes, &branch->told[call]));
        last = entry;
    }
    return LT_OK;
}

static lt_status add(reader *r, const lt_script_part *part, float weight) {
    lt_branches *b = r->branches;
    if (b->count == LT_MAX_BRANCHES)
        return lt_fail(LT_ERROR_ARGUMENT, "the prompts have too many parts: %d with the negative one are possible",
                       LT_MAX_BRANCHES);
    b->items[b->count] = (lt_branch){.weight = weight};
    return tell(r, part, &b->items[b->count++]);
}

static lt_status add_mask(lt_branch *branch, const float *mask, size_t pixels) {
    if (!mask) return LT_OK;
    branch->mask = lt_alloc(pixels * sizeof *mask);
    if (!branch->mask) return LT_ERROR_MEMORY;
    memcpy(branch->mask, mask, pixels * sizeof *mask);
    return LT_OK;
}

static bool is_empty(const float *mask, size_t pixels) {
    for (size_t i = 0; i < pixels; i++)
        if (mask[i] > 0) return false;
    return true;
}

/* What the prompt's prediction is scaled by: 1 where the model is told of guidance and was distilled with it. */
static float scale_of(const reader *r) { return r->session->parts->unet.scale_dim ? 1 : r->request->guidance; }

/* The parts of a prompt, or of a region's, where mask (NULL: everywhere) is. */
static lt_status add_parts(reader *r, const lt_script *script, const float *mask) {
    const size_t pixels = (size_t)r->pass->h * (size_t)r->pass->w;
    if (mask && is_empty(mask, pixels)) return LT_OK;
    for (size_t i = 0; i < script->count; i++) {
        const lt_script_part *part = &script->parts[i];
        LT_TRY(add(r, part, scale_of(r) * (float)part->weight));
        LT_TRY(add_mask(&r->branches->items[r->branches->count - 1], mask, pixels));
    }
    return LT_OK;
}

static lt_status add_prompt(reader *r, const char *prompt, const float *mask) {
    const lt_script_rules rules = {true, r->request->plain_prompt, r->pass->timeline};
    lt_script script;
    lt_status status = lt_script_read(prompt, rules, &script);
    if (!status) status = add_parts(r, &script, mask);
    lt_script_free(&script);
    return status;
}

/* Whether what the first branch is told of no text is nothing at all: XL was trained so. */
static bool is_nothing(const reader *r, const char *prompt) {
    const bool zeros = r->request->empty_negative == LT_EMPTY_ZEROS && r->session->parts->unet.vector_dim;
    return zeros && r->branches->items[0].negative && !*prompt;
}

/* A prompt that AND doesn't part, for the first branch. */
static lt_status tell_first(reader *r, const char *prompt) {
    const lt_script_rules rules = {false, r->request->plain_prompt, r->pass->timeline};
    lt_script script;
    lt_branch *first = &r->branches->items[0];
    const lt_sizes sizes = sizes_of(r, true);
    first->weight = 1;
    if (is_nothing(r, prompt)) return lt_context_make_zeros(r->session->parts, &sizes, &first->context);
    lt_status status = lt_script_read(prompt, rules, &script);
    if (!status) status = tell(r, &script.parts[0], first);
    lt_script_free(&script);
    return status;
}

/* Masks: [1 + region_count, pixels], the prompt's first; NULL without regions. */
static lt_status add_prompts(reader *r, const float *masks) {
    const size_t pixels = (size_t)r->pass->h * (size_t)r->pass->w;
    LT_TRY(add_prompt(r, r->request->prompt, masks));
    for (size_t i = 0; masks && i < r->request->region_count; i++)
        LT_TRY(add_prompt(r, r->request->regions[i].prompt, masks + (i + 1) * pixels));
    return LT_OK;
}

/* ---- Without the negative one ---- */

/* What those behind the first weigh. */
static double weight_of_all(const lt_branches *b) {
    double sum = 0;
    for (int i = 1; i < b->count; i++) sum += (double)b->items[i].weight;
    return sum;
}

/* Whether the first branch, the negative one, has no share in the sum. */
static bool is_idle(const lt_branches *b) { return b->count > 1 && !b->items[1].mask && weight_of_all(b) == 1; }

static void free_branch(lt_branch *branch) {
    lt_context_free(&branch->context);
    lt_free(branch->told);
    lt_free(branch->mask);
    lt_free(branch->share);
}

static void drop_first(lt_branches *b) { memmove(b->items, b->items + 1, (size_t)--b->count * sizeof *b->items); }

/* What each weighs where the first isn't there: of 1 in all, at each pixel. */
static lt_status share_out(const lt_pass *pass, lt_branches *b) {
    const size_t pixels = (size_t)pass->h * (size_t)pass->w;
    for (int i = 1; i < b->count; i++)
        if (!(b->items[i].share = lt_alloc(pixels * sizeof(float)))) return LT_ERROR_MEMORY;
    for (size_t k = 0; k < pixels; k++) {
        float sum = 0;
        for (int i = 1; i < b->count; i++) sum += lt_branch_weight(&b->items[i], k);
        for (int i = 1; i < b->count; i++)
            b->items[i].share[k] = fabsf(sum) > 1e-6f ? lt_branch_weight(&b->items[i], k) / sum : 0;
    }
    return LT_OK;
}

/* Limits the branch to noise levels sigma above `low` and up to `high`, or without an end at 0. */
static void limit(const lt_noise_schedule *s, float low, float high, lt_branch *branch) {
    const float least = s->sigmas[0]; /* of timestep 0 */
    branch->limited = low > 0 || high > 0;
    branch->interval.from = low < least ? 0 : nextafterf(lt_sigma_to_t(s, low), LT_TRAIN_STEPS);
    branch->interval.to = !(high > 0) ? LT_TRAIN_STEPS : high < least ? -1 : lt_sigma_to_t(s, high);
}

/* ---- All of them ---- */

static lt_status read_both(reader *r, const float *masks) {
    const lt_request *asked = r->request;
    const lt_components *parts = r->session->parts;
    lt_branches *b = r->branches;
    lt_noise_schedule schedule;
    b->count = 1; /* the negative one's place */
    LT_TRY(add_prompts(r, masks));
    if (is_idle(b)) {
        if (*asked->negative_prompt)
            lt_notify(&r->session->listener, "`negative_prompt` does nothing %s",
                      parts->unet.scale_dim ? "here: this model was distilled with guidance" : "at a guidance of 1");
        drop_first(b);
        return LT_OK;
    }
    if (!masks) b->guidance = (float)weight_of_all(b);
    b->items[0].negative = true;
    LT_TRY(tell_first(r, asked->negative_prompt));
    LT_TRY(lt_noise_schedule_for(&parts->schedule, asked->zero_snr, &schedule));
    limit(&schedule, asked->guidance_interval[0], asked->guidance_interval[1], &b->items[0]);
    return b->items[0].limited && b->count > 2 ? share_out(r->pass, b) : LT_OK;
}

/* A model that reads no text, or no prompt. */
static lt_status read_one(reader *r) {
    r->branches->count = 1;
    r->branches->items[0].negative = r->request->guidance != 1;
    return tell_first(r, r->request->guidance != 1 ? r->request->negative_prompt : r->request->prompt);
}

lt_status lt_branches_read(lt_session *session, const lt_request *request, const lt_pass *pass, lt_branches *branches) {
    reader r = {session, request, pass, branches, 0};
    float *masks;
    *branches = (lt_branches){.guidance = request->guidance, .rescale = request->guidance_rescale};
    LT_TRY(lt_regions_read(session, request, pass->h, pass->w, &masks));
    const lt_status status =
        session->parts->unet.context_dim && request->guidance != 0 ? read_both(&r, masks) : read_one(&r);
    lt_free(masks);
    lt_module_drop(session, LT_MODULE_TEXT);
    lt_module_drop(session, LT_MODULE_TEXT_2);
    return status;
}

void lt_branches_free(lt_branches *b) {
    for (int i = 0; i < b->count; i++) free_branch(&b->items[i]);
    for (size_t i = 0; i < b->text_count; i++) {
        lt_context_free(&b->texts[i]->context);
        lt_free(b->texts[i]->text);
        lt_free(b->texts[i]);
    }
    lt_free(b->texts);
    *b = (lt_branches){0};
}

int lt_branches_tokens(const lt_branches *b) {
    size_t most = 0;
    for (int i = 0; i < b->count; i++) most = lt_max(most, (size_t)b->items[i].context.tokens);
    for (size_t i = 0; i < b->text_count; i++) most = lt_max(most, (size_t)b->texts[i]->context.tokens);
    return (int)most;
}

/* Lin et al. 2023, equations 15 and 16. The prompts' own prediction is first + (sum - first) / guidance. */
void lt_branches_rescale(const lt_branches *b, size_t n, const float *first, float *room, float *sum) {
    if (!(b->rescale > 0)) return;
    for (size_t i = 0; i < n; i++) room[i] = first[i] + (sum[i] - first[i]) / b->guidance;
    const double guided = lt_deviation(sum, n), ratio = guided > 0 ? lt_deviation(room, n) / guided : 1;
    const float by = 1 - b->rescale + b->rescale * (float)ratio;
    for (size_t i = 0; i < n; i++) sum[i] *= by;
}

bool lt_branch_is_there(const lt_branch *branch, float t) {
    return !branch->limited || (t >= branch->interval.from && t <= branch->interval.to);
}

/* ---- Who is told ---- */

lt_hearing lt_hearing_of(lt_plan *plan) {
    return (lt_hearing){.first = -1,
                        .x = lt_plan_port(plan, "x"),
                        .t = lt_plan_port(plan, "t"),
                        .context = lt_plan_port(plan, "context"),
                        .context_lengths = lt_plan_port(plan, "context_lengths"),
                        .y = lt_plan_port(plan, "y"),
                        .scale = lt_plan_port(plan, "timestep_cond")};
}

static int samples_of(const lt_hearing *h) { return lt_port_shape(h->x).n; }

static void write_context(const lt_hearing *h, size_t sample) {
    const lt_context *told = h->told[sample];
    const size_t whole = lt_shape_count(lt_port_shape(h->context)) / (size_t)samples_of(h);
    lt_port_write(h->context, sample * whole, told->values, (size_t)told->tokens * (size_t)told->width);
    lt_port_write_i32(h->context_lengths, sample, &(int32_t){told->tokens}, 1);
    const size_t dim = (size_t)lt_port_shape(h->y).c;
    lt_port_write(h->y, sample * dim, told->vector, dim);
}

void lt_tell_scale(lt_port port, float guidance) {
    float told[LT_MOST_SCALE_DIM];
    const lt_shape s = lt_port_shape(port);
    if (!port.node) return;
    lt_embed_scale(guidance, s.c, told);
    for (int k = 0; k < s.n; k++) lt_port_write(port, (size_t)k * (size_t)s.c, told, (size_t)s.c);
}

bool lt_branches_tell(const lt_branches *b, const int *which, int call, lt_hearing *h) {
    const int samples = samples_of(h);
    bool same = h->first == which[0];
    for (int k = 0; k < samples; k++) {
        const lt_context *told = lt_branch_context(&b->items[which[k]], call);
        same &= told == h->told[k];
        h->told[k] = told;
    }
    if (same) return false;
    h->first = which[0];
    h->changed = LT_RATE_PROMPT;
    lt_port_fill(h->context, 0); /* behind the ends of the shorter ones */
    for (int k = 0; k < samples; k++) write_context(h, (size_t)k);
    lt_tell_scale(h->scale, b->guidance);
    return true;
}

void lt_hearing_show(const lt_hearing *h, const float *x, float t) {
    const size_t samples = (size_t)samples_of(h), each = lt_shape_count(lt_port_shape(h->x)) / samples;
    for (size_t k = 0; k < samples; k++) lt_port_write(h->x, k * each, x, each);
    lt_port_fill(h->t, t);
}
