/* The U-Net over all branches of what it is told. */
#include "pipeline/denoiser.h"

#include <string.h>

/* Makes the next run that of the branches from `first` on, at a call. */
static void write_branches(lt_unet_batch *b, const lt_branches *branches, int first, int call) {
    int which[LT_MAX_BRANCHES];
    for (int i = 0; i < b->count; i++) which[i] = first + i;
    if (!lt_branches_tell(branches, which, call, &b->hearing) || !branches->images) return;
    for (int i = 0; i < b->count; i++)
        lt_image_contexts_write(branches->images, b->plan, (size_t)i, branches->items[first + i].negative);
}

/* Puts channels [k, k + c) of a sample's pixels. */
static void put_channels(lt_denoiser *d, const float *from, int k, int c) {
    const size_t pixels = (size_t)lt_shape_pixels(d->latent), width = (size_t)d->session->parts->unet.in_channels;
    for (size_t p = 0; p < pixels; p++)
        memcpy(d->input + p * width + k, from + p * (size_t)c, (size_t)c * sizeof *from);
}

static lt_status check_width(const lt_denoiser *d, const lt_context *context) {
    const lt_components *parts = d->session->parts;
    if (!context->tokens || context->width == parts->unet.context_dim) return LT_OK;
    return lt_module_fail(parts, LT_MODULE_UNET,
                          lt_fail(LT_ERROR_MODEL, "the text encoder makes %d channels, the U-Net reads %d",
                                  context->width, parts->unet.context_dim));
}

static lt_status count_tokens(lt_denoiser *d) {
    const lt_branches *b = d->branches;
    d->tokens = lt_branches_tokens(b);
    for (int i = 0; i < b->count; i++) LT_TRY(check_width(d, &b->items[i].context));
    for (size_t i = 0; i < b->text_count; i++) LT_TRY(check_width(d, &b->texts[i]->context));
    return LT_OK;
}

static lt_additions added_of(const lt_branches *branches) {
    lt_additions added = lt_controls_added(branches->controls);
    if (branches->images) added.images = branches->images->tokens;
    return added;
}

static void add_batch(lt_denoiser *d, int count, lt_deep deep) {
    lt_unet_batch *b = &d->batches[d->batch_count++];
    const int merged = (int)((float)lt_shape_pixels(d->latent) * d->savings.merge_tokens);
    b->count = count;
    b->size = (lt_module_size){.n = count,
                               .h = d->latent.h,
                               .w = d->latent.w,
                               .tokens = d->tokens,
                               .shortcuts = {deep, merged},
                               .added = added_of(d->branches)};
}

lt_savings lt_savings_of(const lt_request *r) {
    return (lt_savings){.merge_tokens = r->merge_tokens, .deep_cache = r->deep_cache};
}

/* How many branches each batch has, and what of the U-Net. */
static void choose_batches(lt_denoiser *d) {
    const int all = d->session->thrift.in_turn ? 1 : d->branches->count;
    const bool keeps = d->savings.deep_cache > 1;
    bool limited = false;
    for (int i = 0; i < d->branches->count; i++) limited |= d->branches->items[i].limited;
    d->kinds = limited && all > 1 ? 2 : 1;
    for (int k = 0; k < d->kinds; k++) add_batch(d, k ? 1 : all, keeps ? LT_DEEP_OUT : LT_DEEP_INSIDE);
    for (int k = 0; k < d->kinds && keeps; k++) add_batch(d, k ? 1 : all, LT_DEEP_IN);
}

static lt_status find_ports(const lt_denoiser *d, lt_unet_batch *b) {
    lt_shape out = d->latent;
    out.n = b->count;
    b->hearing = lt_hearing_of(b->plan);
    b->deep = lt_plan_port(b->plan, "deep");
    b->out = lt_plan_port(b->plan, "out");
    lt_shape deep = lt_port_shape(d->batches[0].deep); /* a hostile file's need not be what its names say */
    deep.n = b->count;
    if (b->size.shortcuts.deep) LT_TRY(lt_module_expect(LT_MODULE_UNET, b->deep, deep));
    return lt_module_expect(LT_MODULE_UNET, b->out, out);
}

static void list_sizes(const lt_denoiser *d, lt_module_size sizes[LT_MODULE_PLANS]) {
    for (int k = 0; k < d->batch_count; k++) sizes[k] = d->batches[k].size;
}

static lt_status make_plans(lt_denoiser *d) {
    lt_module_size sizes[LT_MODULE_PLANS];
    lt_plan *plans[LT_MODULE_PLANS];
    list_sizes(d, sizes);
    LT_TRY(lt_module_plans(d->session, LT_MODULE_UNET, sizes, d->batch_count, plans));
    for (int k = 0; k < d->batch_count; k++) {
        d->batches[k].plan = plans[k];
        LT_TRY(find_ports(d, &d->batches[k]));
    }
    return LT_OK;
}

static size_t count_deep(const lt_unet_batch *b) {
    return lt_shape_count(lt_port_shape(b->deep)) / (size_t)b->count; /* of a sample */
}

static lt_status allocate(lt_denoiser *d) {
    const size_t bytes = lt_shape_count(d->latent) * sizeof(float), pixels = (size_t)lt_shape_pixels(d->latent);
    d->input = lt_alloc(pixels * (size_t)d->session->parts->unet.in_channels * sizeof(float));
    d->first = lt_alloc(bytes);
    d->branch = lt_alloc(bytes);
    d->deep = lt_alloc((size_t)d->branches->count * count_deep(&d->batches[0]) * sizeof(float));
    return d->input && d->first && d->branch && d->deep ? LT_OK : LT_ERROR_MEMORY;
}

/* Up to where plans are made. */
static lt_status begin(lt_denoiser *d, lt_session *session, const lt_branches *branches, lt_savings savings, int h,
                       int w) {
    const lt_unet *unet = &session->parts->unet;
    *d = (lt_denoiser){
        .session = session, .branches = branches, .savings = savings, .latent = {1, h, w, unet->out_channels}};
    for (int i = 0; i < LT_MAX_BRANCHES; i++) d->deep_of[i] = -1;
    LT_TRY(count_tokens(d));
    choose_batches(d);
    return LT_OK;
}

lt_status lt_denoiser_need(lt_session *session, const lt_branches *branches, lt_savings savings, int h, int w,
                           lt_need *need) {
    lt_denoiser d;
    lt_module_size sizes[LT_MODULE_PLANS];
    LT_TRY(begin(&d, session, branches, savings, h, w));
    list_sizes(&d, sizes);
    return lt_module_need(session, LT_MODULE_UNET, sizes, d.batch_count, need);
}

lt_status lt_denoiser_init(lt_denoiser *d, lt_session *session, const lt_branches *branches, lt_savings savings, int h,
                           int w, const float *mask, const float *masked) {
    const int c = session->parts->unet.out_channels;
    LT_TRY(begin(d, session, branches, savings, h, w));
    LT_TRY(make_plans(d));
    LT_TRY(allocate(d));
    if (!mask) return LT_OK;
    put_channels(d, mask, c, 1);
    put_channels(d, masked, c + 1, c);
    return LT_OK;
}

void lt_denoiser_free(lt_denoiser *d) {
    lt_free(d->input);
    lt_free(d->first);
    lt_free(d->branch);
    lt_free(d->deep);
    *d = (lt_denoiser){0};
}

/* What a branch weighs at a pixel. */
static float weight_at(const lt_branch *branch, bool all, size_t pixel) {
    if (!all && branch->share) return branch->share[pixel];
    return lt_branch_weight(branch, pixel);
}

/* Takes in what sample `sample` of the batch predicts, which is branch number i; `is_first` of those that are there;
 * all: the first of all is. */
static void add_branch(lt_denoiser *d, const lt_unet_batch *b, int i, int sample, bool is_first, bool all, float *sum) {
    const size_t count = lt_shape_count(d->latent), c = (size_t)d->latent.c;
    const lt_branch *branch = &d->branches->items[i];
    lt_port_read(b->out, (size_t)sample * count, is_first ? d->first : d->branch, count);
    if (is_first) memcpy(sum, d->first, count * sizeof *sum);
    for (size_t k = 0; k < count && !is_first; k++)
        sum[k] += weight_at(branch, all, k / c) * (d->branch[k] - d->first[k]);
}

/* Shows what branch number i predicts, which was taken in. */
static lt_status show_branch(const lt_denoiser *d, int i, bool is_first) {
    return d->taps ? lt_taps_branch(d->taps, i, is_first ? d->first : d->branch) : LT_OK;
}

/* Deep features, to those samples of a batch that are given them, and from those whose were made at a step. */
static void give_deep(const lt_denoiser *d, const lt_unet_batch *b) {
    const size_t each = count_deep(b), count = (size_t)b->count * each;
    if (b->size.shortcuts.deep == LT_DEEP_IN)
        lt_port_write(b->deep, 0, d->deep + (size_t)b->hearing.first * each, count);
}

static void take_deep(lt_denoiser *d, const lt_unet_batch *b, int step) {
    const size_t each = count_deep(b), count = (size_t)b->count * each;
    if (b->size.shortcuts.deep != LT_DEEP_OUT) return;
    lt_port_read(b->deep, 0, d->deep + (size_t)b->hearing.first * each, count);
    for (int k = 0; k < b->count; k++) d->deep_of[b->hearing.first + k] = step;
}

/* What controls add; around given deep features, what they added when those were made. */
static lt_status control(lt_denoiser *d, const lt_unet_batch *b, int step, const float *x, float t) {
    lt_controls *controls = d->branches->controls;
    if (!controls) return LT_OK;
    const lt_moment at = {step, d->call};
    if (b->size.shortcuts.deep != LT_DEEP_IN) LT_TRY(lt_controls_run(controls, b->hearing.first, b->count, at, x, t));
    lt_controls_write(controls, b->hearing.first, b->count, b->plan);
    return LT_OK;
}

/* A call of the sampler, and what of it is done. */
typedef struct prediction {
    const float *x;
    float t;
    int step;
    int taken; /* branches */
    float *sum;
} prediction;

/* Runs the branches from `first` on, which are there, and takes them in. */
static lt_status run_branches(lt_denoiser *d, lt_unet_batch *b, int first, prediction *p) {
    write_branches(b, d->branches, first, d->call);
    lt_hearing_show(&b->hearing, d->input, p->t);
    give_deep(d, b);
    if (d->branches->images) lt_image_contexts_weigh(d->branches->images, b->plan, p->step, d->branches->steps);
    LT_TRY(control(d, b, p->step, p->x, p->t));
    if (d->taps) lt_taps_watch(d->taps, b->plan, first, b->count);
    const lt_status status = lt_module_run(d->session, b->plan, b->hearing.changed);
    lt_taps_leave(b->plan);
    LT_TRY(status);
    b->hearing.changed = LT_RATE_STEP;
    take_deep(d, b, p->step);
    const bool all = lt_branch_is_there(&d->branches->items[0], p->t);
    for (int k = 0; k < b->count; k++) {
        const bool is_first = !p->taken++;
        add_branch(d, b, first + k, k, is_first, all, p->sum);
        LT_TRY(show_branch(d, first + k, is_first));
    }
    return LT_OK;
}

/* The batch for a step: whether all branches are there, and whether each that is has deep features of a step whose they
 * may still be. */
static lt_unet_batch *batch_for(lt_denoiser *d, int step, float t) {
    const int interval = d->savings.deep_cache, since = interval > 1 ? step - step % interval : step;
    bool all = true, kept = since < step;
    for (int i = 0; i < d->branches->count; i++) {
        const bool there = lt_branch_is_there(&d->branches->items[i], t);
        all &= there;
        kept &= !there || d->deep_of[i] >= since;
    }
    return &d->batches[(kept ? d->kinds : 0) + (all ? 0 : d->kinds - 1)];
}

lt_status lt_denoiser_predict(lt_denoiser *d, int step, const float *x, float t, float *out) {
    lt_unet_batch *b = batch_for(d, step, t);
    prediction p = {x, t, step, 0, out};
    put_channels(d, x, 0, d->latent.c);
    for (int i = 0; i < d->branches->count; i += b->count)
        if (b->count > 1 || lt_branch_is_there(&d->branches->items[i], t)) LT_TRY(run_branches(d, b, i, &p));
    if (p.taken > 1 && lt_branch_is_there(&d->branches->items[0], t))
        lt_branches_rescale(d->branches, lt_shape_count(d->latent), d->first, d->branch, out);
    return p.taken ? LT_OK : lt_fail(LT_ERROR_ARGUMENT, "nothing says what to draw at timestep %g", (double)t);
}
