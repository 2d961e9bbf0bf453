/* The U-Net over all branches of what it is told. */
#include "pipeline/denoiser.h"

#include <string.h>

/* Writes what one sample is told. */
static void write_branch(const lt_denoiser *d, size_t sample, const lt_branch *branch) {
    const size_t whole = lt_shape_count(lt_port_shape(d->context)) / (size_t)d->at_once;
    const size_t count = (size_t)branch->context.tokens * (size_t)branch->context.width;
    const size_t dim = (size_t)lt_port_shape(d->y).c;
    lt_port_write(d->context, sample * whole, branch->context.values, count);
    lt_port_write_i32(d->context_lengths, sample, &(int32_t){branch->context.tokens}, 1);
    lt_port_write(d->y, sample * dim, branch->vector, dim);
}

/* Makes the next run that of the branches from `first` on; the prompts' part is computed anew where they are others. */
static void write_branches(lt_denoiser *d, int first) {
    lt_port_fill(d->context, 0); /* behind the ends of the shorter ones */
    for (int i = 0; i < d->at_once; i++) write_branch(d, (size_t)i, &d->branches->items[first + i]);
    d->changed = LT_RATE_PROMPT;
}

/* Puts channels [k, k + c) of a sample's pixels. */
static void put_channels(lt_denoiser *d, const float *from, int k, int c) {
    const size_t pixels = (size_t)lt_shape_pixels(d->latent), width = (size_t)lt_port_shape(d->x).c;
    for (size_t p = 0; p < pixels; p++)
        memcpy(d->input + p * width + k, from + p * (size_t)c, (size_t)c * sizeof *from);
}

/* The tokens of the longest context. */
static lt_status count_tokens(const lt_denoiser *d, int *tokens) {
    const lt_components *parts = d->session->parts;
    *tokens = 0;
    for (int i = 0; i < d->branches->count; i++) {
        const lt_context *context = &d->branches->items[i].context;
        if (context->tokens && context->width != parts->unet.context_dim)
            return lt_module_fail(parts, LT_MODULE_UNET,
                                  lt_fail(LT_ERROR_MODEL, "the text encoder makes %d channels, the U-Net reads %d",
                                          context->width, parts->unet.context_dim));
        *tokens = context->tokens > *tokens ? context->tokens : *tokens;
    }
    return LT_OK;
}

static lt_status make_plan(lt_denoiser *d) {
    lt_module_size size = {.n = d->at_once, .h = d->latent.h, .w = d->latent.w};
    lt_shape out = d->latent;
    out.n = d->at_once;
    LT_TRY(count_tokens(d, &size.tokens));
    LT_TRY(lt_module_plan(d->session, LT_MODULE_UNET, &size, &d->plan));
    d->x = lt_plan_port(d->plan, "x");
    d->t = lt_plan_port(d->plan, "t");
    d->context = lt_plan_port(d->plan, "context");
    d->context_lengths = lt_plan_port(d->plan, "context_lengths");
    d->y = lt_plan_port(d->plan, "y");
    d->out = lt_plan_port(d->plan, "out");
    return lt_module_expect(LT_MODULE_UNET, d->out, out);
}

static lt_status allocate(lt_denoiser *d) {
    const size_t bytes = lt_shape_count(d->latent) * sizeof(float);
    d->input = lt_alloc(lt_shape_count(lt_port_shape(d->x)) / (size_t)d->at_once * sizeof(float));
    d->first = lt_alloc(bytes);
    d->branch = lt_alloc(bytes);
    return d->input && d->first && d->branch ? LT_OK : LT_ERROR_MEMORY;
}

lt_status lt_denoiser_init(lt_denoiser *d, lt_session *session, const lt_branches *branches, int h, int w,
                           const float *mask, const float *masked) {
    const lt_unet *unet = &session->parts->unet;
    const int c = unet->out_channels;
    *d = (lt_denoiser){.session = session, .branches = branches, .latent = {1, h, w, c}};
    for (int i = 0; i < branches->count; i++)
        if (!branches->items[i].vector) LT_TRY(lt_module_fail(session->parts, LT_MODULE_UNET, lt_unet_served(unet)));
    d->at_once = session->low_memory ? 1 : branches->count;
    LT_TRY(make_plan(d));
    LT_TRY(allocate(d));
    write_branches(d, 0);
    if (!mask) return LT_OK;
    put_channels(d, mask, c, 1);
    put_channels(d, masked, c + 1, c);
    return LT_OK;
}

void lt_denoiser_free(lt_denoiser *d) {
    lt_free(d->input);
    lt_free(d->first);
    lt_free(d->branch);
    *d = (lt_denoiser){0};
}

/* Takes in what sample `sample` of the batch predicts, which is branch number i; `is_first` of those that are there. */
static void add_branch(lt_denoiser *d, int i, int sample, bool is_first, float *sum) {
    const size_t count = lt_shape_count(d->latent), c = (size_t)d->latent.c;
    const lt_branch *branch = &d->branches->items[i];
    lt_port_read(d->out, (size_t)sample * count, is_first ? d->first : d->branch, count);
    if (is_first) memcpy(sum, d->first, count * sizeof *sum);
    for (size_t k = 0; k < count && !is_first; k++) {
        const float weight = branch->mask ? branch->weight * branch->mask[k / c] : branch->weight;
        sum[k] += weight * (d->branch[k] - d->first[k]);
    }
}

/* Runs the branches from `first` on and takes in those that are there at t; *taken: how many were, before and now. */
static lt_status run_branches(lt_denoiser *d, int first, float t, int *taken, float *sum) {
    bool any = false;
    for (int k = 0; k < d->at_once; k++) any |= lt_branch_is_there(&d->branches->items[first + k], t);
    if (!any) return LT_OK;
    if (d->at_once < d->branches->count) write_branches(d, first);
    LT_TRY(lt_module_run(d->session, d->plan, d->changed));
    d->changed = LT_RATE_STEP;
    for (int k = 0; k < d->at_once; k++)
        if (lt_branch_is_there(&d->branches->items[first + k], t)) add_branch(d, first + k, k, !(*taken)++, sum);
    return LT_OK;
}

lt_status lt_denoiser_predict(lt_denoiser *d, const float *x, float t, float *out) {
    const size_t each = lt_shape_count(lt_port_shape(d->x)) / (size_t)d->at_once;
    int taken = 0;
    put_channels(d, x, 0, d->latent.c);
    for (int i = 0; i < d->at_once; i++) lt_port_write(d->x, (size_t)i * each, d->input, each);
    lt_port_fill(d->t, t);
    for (int i = 0; i < d->branches->count; i += d->at_once) LT_TRY(run_branches(d, i, t, &taken, out));
    return taken ? LT_OK : lt_fail(LT_ERROR_ARGUMENT, "nothing says what to draw at timestep %g", (double)t);
}
