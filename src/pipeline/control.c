/* What pictures say of how to draw. */
#include "pipeline/control.h"

#include "annotators/annotators.h"
#include "pipeline/hint.h"

#include <math.h>
#include <string.h>

/* ---- Whom it is for, when, and how strongly ---- */

/* The prompt alone hears of one that is more important than it, and of one whose residuals are the same everywhere, as
 * in the web UI and diffusers. */
static bool is_told(const lt_controller *c, const lt_branch *branch) {
    const bool prompt_alone = c->asked->mode == LT_CONTROL_OVER_PROMPT || c->parts->control.pooled;
    return !(prompt_alone && branch->negative);
}

static bool is_active(const lt_control *c, int step, int steps) {
    return c->strength != 0 && lt_step_within(step, steps, c->start, c->end);
}

/* The web UI's soft weights: weaker the further outside something is added. */
static float strength_at(const lt_controller *c, int place, int count) {
    static const float features[] = {0.25f, 0.62f, 0.825f, 1};
    const float s = c->asked->strength;
    if (c->asked->mode == LT_CONTROL_BALANCED) return s;
    if (c->parts->has[LT_MODULE_ADAPTER]) return s * features[lt_min((size_t)place, LT_COUNT(features) - 1)];
    return s * powf(0.825f, (float)(count - 1 - place));
}

/* ---- Beginning: what fits, and the hint ---- */

static lt_status refuse(const lt_components *parts) {
    const char *file = parts->file ? parts->file : "control";
    const char *is = parts->has[LT_MODULE_UNET]           ? ", but a model that draws"
                     : parts->has[LT_MODULE_IMAGE_PROMPT] ? ", but an IP-Adapter"
                     : parts->has[LT_MODULE_UPSCALER]     ? ", but an upscaler"
                     : parts->has[LT_MODULE_IMAGE]        ? ", but an image encoder"
                                                          : "";
    return lt_fail(LT_ERROR_MODEL, "%s: this is no ControlNet and no T2I-Adapter%s", file, is);
}

static lt_status check_net(const lt_controls *all, const lt_components *parts) {
    const int channels = parts->control.hint_channels;
    LT_TRY(lt_controlnet_fits(&parts->control, &all->session->parts->unet));
    if (channels == 3) return LT_OK;
    return lt_fail(LT_ERROR_UNSUPPORTED, "this ControlNet's hint has %d channels; 3 are served", channels);
}

static bool is_inpainting(const lt_control *c) { return c->annotator && !strcmp(c->annotator, "inpaint"); }

static lt_status check_annotator(const lt_controls *all, const lt_control *c) {
    if (!c->annotator) return LT_OK;
    if (!is_inpainting(c)) return lt_annotator_known(c->annotator);
    return all->canvas->mask
               ? LT_OK
               : lt_fail(LT_ERROR_ARGUMENT, "annotator inpaint: a mask says what it leaves out; there is none");
}

static lt_status check(const lt_controls *all, const lt_controller *c) {
    const lt_components *parts = c->parts;
    LT_TRY(check_annotator(all, c->asked));
    if (c->asked->start >= c->asked->end)
        return lt_fail(LT_ERROR_ARGUMENT, "controls: `start` %g is not before `end` %g", c->asked->start,
                       c->asked->end);
    if (parts->has[LT_MODULE_CONTROL]) return lt_module_fail(parts, LT_MODULE_CONTROL, check_net(all, parts));
    if (!parts->has[LT_MODULE_ADAPTER]) return refuse(parts);
    return lt_module_fail(parts, LT_MODULE_ADAPTER, lt_t2i_fits(&parts->adapter, &all->session->parts->unet));
}

/* Its picture, fitted to what is drawn: all of the canvas, or the area of it that is. */
static lt_status fit(const lt_controls *all, const lt_control *c, int w, int h, lt_image *fitted) {
    const lt_surroundings *around = &all->canvas->around;
    lt_image whole, part;
    if (!around->image) return lt_hint_fit(c->image, c->fit, w, h, fitted);
    LT_TRY(lt_hint_fit(c->image, c->fit, around->image->width, around->image->height, &whole));
    lt_status status = lt_area_cut(around->area, &whole, &part);
    lt_image_free(&whole);
    if (status) return status;
    status = lt_hint_fit(&part, LT_CONTROL_STRETCH, w, h, fitted);
    lt_image_free(&part);
    return status;
}

/* The picture that it sees, 8 times as large as the latent. */
static lt_status make_hint(const lt_controls *all, const lt_control *c, lt_image *hint) {
    lt_image fitted;
    LT_TRY(fit(all, c, all->latent.w * LT_HINT_FACTOR, all->latent.h * LT_HINT_FACTOR, &fitted));
    *hint = fitted;
    if (!c->annotator || is_inpainting(c)) return LT_OK;
    const lt_status status = lt_annotate_picture(c->annotator, &fitted, hint);
    lt_image_free(&fitted);
    return status;
}

/* -1 where the mask repaints, as a ControlNet for inpainting was trained to see it. */
static void cut_out(const lt_canvas *canvas, const lt_image *hint, float *pixels) {
    for (int y = 0; y < hint->height; y++)
        for (int x = 0; x < hint->width; x++) {
            const size_t from_y = (size_t)y * (size_t)canvas->height / (size_t)hint->height,
                         from_x = (size_t)x * (size_t)canvas->width / (size_t)hint->width;
            float *pixel = pixels + 3 * ((size_t)y * (size_t)hint->width + (size_t)x);
            if (canvas->mask[from_y * (size_t)canvas->width + from_x] > 0.5f) pixel[0] = pixel[1] = pixel[2] = -1;
        }
}

/* The hint's pixels [8h, 8w, 3] in [0, 1], allocated. */
static lt_status make_pixels(const lt_controls *all, const lt_controller *c, float **pixels) {
    lt_image hint;
    const lt_status status = make_hint(all, c->asked, &hint);
    if (status) return status == LT_ERROR_MEMORY ? status : lt_fail_in(status, "controls: image");
    const size_t count = (size_t)hint.height * (size_t)hint.width * 3;
    *pixels = lt_alloc(count * sizeof **pixels);
    for (size_t i = 0; *pixels && i < count; i++) (*pixels)[i] = (float)hint.pixels[i] / 255;
    if (*pixels && is_inpainting(c->asked)) cut_out(all->canvas, &hint, *pixels);
    lt_image_free(&hint);
    return *pixels ? LT_OK : LT_ERROR_MEMORY;
}

/* As the plan reads it: a ControlNet pixels, an adapter 8 by 8 of them as channels. */
static lt_status write_hint(const lt_controls *all, const lt_controller *c, lt_port port) {
    const size_t count = lt_shape_count(lt_port_shape(port));
    float *pixels = NULL, *hint = NULL;
    LT_TRY(make_pixels(all, c, &pixels));
    const bool adapter = c->parts->has[LT_MODULE_ADAPTER];
    if (adapter && (hint = lt_alloc(count * sizeof *hint)))
        lt_t2i_unshuffle(pixels, all->latent.h, all->latent.w, c->parts->adapter.hint_channels, hint);
    if (hint || !adapter) lt_port_write(port, 0, hint ? hint : pixels, count);
    const lt_status status = hint || !adapter ? LT_OK : LT_ERROR_MEMORY;
    lt_free(pixels);
    lt_free(hint);
    return status;
}

/* Keeps what the plan of a module makes of the hint at these ports. */
static lt_status keep_seen(lt_controller *c, lt_module module, lt_plan *plan, const char *const *ports,
                           const lt_shape *shapes, int count) {
    size_t numbers = 0, at = 0;
    for (int i = 0; i < count; i++) {
        LT_TRY(lt_module_fail(c->parts, module, lt_module_expect(module, lt_plan_port(plan, ports[i]), shapes[i])));
        numbers += lt_shape_count(shapes[i]);
    }
    c->seen = lt_alloc(numbers * sizeof *c->seen);
    if (!c->seen) return LT_ERROR_MEMORY;
    for (int i = 0; i < count; at += lt_shape_count(shapes[i++]))
        lt_port_read(lt_plan_port(plan, ports[i]), 0, c->seen + at, lt_shape_count(shapes[i]));
    return LT_OK;
}

/* What it makes of the hint, once. */
static lt_status see(const lt_controls *all, lt_controller *c) {
    static const char *const guide[] = {"guide"};
    const bool adapter = c->parts->has[LT_MODULE_ADAPTER];
    const lt_module module = adapter ? LT_MODULE_ADAPTER : LT_MODULE_HINT;
    const lt_module_size size = {.n = 1, .h = all->latent.h, .w = all->latent.w};
    const lt_shape one = {1, all->latent.h, all->latent.w, c->parts->control.half.channels};
    lt_plan *plan;
    LT_TRY(lt_module_plan(&c->session, module, &size, &plan));
    LT_TRY(write_hint(all, c, lt_plan_port(plan, "hint")));
    LT_TRY(lt_module_run(&c->session, plan, LT_RATE_PROMPT));
    LT_TRY(adapter ? keep_seen(c, module, plan, all->features.ports, all->features.shapes, all->features.count)
                   : keep_seen(c, module, plan, guide, &one, 1));
    lt_module_drop(&c->session, module);
    return LT_OK;
}

/* ---- Beginning: plans ---- */

static lt_status find_ports(const lt_controls *all, const lt_controller *c, lt_control_batch *b) {
    b->hearing = lt_hearing_of(b->plan);
    b->guide = lt_plan_port(b->plan, "guide");
    for (int i = 0; i < all->residuals.count; i++) { /* a hostile file's need not be what its names say */
        lt_shape expected = all->residuals.shapes[i];
        expected.n = b->count;
        LT_TRY(
            lt_module_fail(c->parts, LT_MODULE_CONTROL,
                           lt_module_expect(LT_MODULE_CONTROL, lt_plan_port(b->plan, lt_residual_ports[i]), expected)));
    }
    return LT_OK;
}

/* All branches that have it at once, unless they go in turn, and one, where not all are there. */
static int choose_batches(const lt_controls *all, lt_controller *c, lt_module_size sizes[2]) {
    const bool in_turn = all->session->thrift.in_turn;
    int told = 0, count = 0;
    bool limited = false;
    for (int i = 0; i < all->branches->count; i++) {
        told += c->told[i];
        limited |= all->branches->items[i].limited;
    }
    if (!told || !c->parts->has[LT_MODULE_CONTROL]) return 0;
    if (!in_turn) c->batches[count++].count = told;
    if ((in_turn || limited) && (told > 1 || !count)) c->batches[count++].count = 1;
    for (int k = 0; k < count; k++)
        sizes[k] =
            (lt_module_size){.n = c->batches[k].count, .h = all->latent.h, .w = all->latent.w, .tokens = all->tokens};
    return count;
}

static lt_status make_plans(const lt_controls *all, lt_controller *c) {
    lt_module_size sizes[2];
    lt_plan *plans[2];
    const int count = choose_batches(all, c, sizes);
    LT_TRY(lt_module_plans(&c->session, LT_MODULE_CONTROL, sizes, count, plans));
    for (int k = 0; k < count; k++) {
        c->batches[k].plan = plans[k];
        LT_TRY(find_ports(all, c, &c->batches[k]));
    }
    return LT_OK;
}

/* ---- Beginning: all of it ---- */

static lt_status take(lt_controls *all, const lt_control *asked, const lt_components *parts) {
    lt_controller *c = &all->items[all->count++];
    *c = (lt_controller){.asked = asked, .parts = parts, .session = lt_session_beside(all->session, parts)};
    for (int i = 0; i < all->branches->count; i++) c->told[i] = is_told(c, &all->branches->items[i]);
    return check(all, c);
}

static lt_status allocate_sums(const lt_controls *all, lt_control_sums *sums) {
    for (int i = 0; i < sums->count; i++) sums->numbers += lt_shape_count(sums->shapes[i]);
    sums->values = lt_calloc((size_t)all->branches->count, sums->numbers * sizeof *sums->values);
    return sums->values ? LT_OK : LT_ERROR_MEMORY;
}

/* The places where what is asked for adds something. */
static lt_status find_places(lt_controls *all, const lt_guides *guides, size_t controls) {
    const lt_unet *unet = &all->session->parts->unet;
    const int h = all->latent.h, w = all->latent.w;
    for (size_t i = 0; i < controls; i++)
        if (guides->controls[i]->has[LT_MODULE_ADAPTER])
            all->features.count = lt_unet_features(unet, h, w, all->features.shapes);
        else
            all->residuals.count = lt_unet_residuals(unet, h, w, all->residuals.shapes);
    LT_TRY(allocate_sums(all, &all->residuals));
    LT_TRY(allocate_sums(all, &all->features));
    all->items = lt_calloc(controls, sizeof *all->items);
    all->work = lt_alloc(all->residuals.numbers * sizeof *all->work);
    return all->items && all->work ? LT_OK : LT_ERROR_MEMORY;
}

lt_status lt_controls_init(lt_controls *all, lt_session *session, const lt_request *r, const lt_guides *guides,
                           const lt_branches *branches, int steps, const lt_canvas *canvas) {
    *all = (lt_controls){.session = session,
                         .branches = branches,
                         .steps = steps,
                         .canvas = canvas,
                         .latent = {1, canvas->latent_h, canvas->latent_w, session->parts->unet.out_channels},
                         .residuals.ports = lt_residual_ports,
                         .features.ports = lt_feature_ports};
    if (!r->control_count) return LT_OK;
    all->tokens = lt_branches_tokens(branches);
    LT_TRY(find_places(all, guides, r->control_count));
    for (size_t i = 0; i < r->control_count; i++) LT_TRY(take(all, &r->controls[i], guides->controls[i]));
    return LT_OK;
}

lt_status lt_controls_need(lt_controls *all, lt_need *need) {
    *need = (lt_need){0};
    for (int i = 0; i < all->count; i++) {
        lt_module_size sizes[2];
        lt_need own;
        const int count = choose_batches(all, &all->items[i], sizes);
        LT_TRY(lt_module_need(&all->items[i].session, LT_MODULE_CONTROL, sizes, count, &own));
        need->weights += own.weights;
        need->values += own.values;
    }
    return LT_OK;
}

lt_status lt_controls_begin(lt_controls *all) {
    for (int i = 0; i < all->count; i++) {
        if (!all->items[i].seen) LT_TRY(see(all, &all->items[i]));
        LT_TRY(make_plans(all, &all->items[i]));
    }
    return LT_OK;
}

void lt_controls_rest(lt_controls *all) {
    for (int i = 0; i < all->count; i++)
        lt_module_spare(&all->items[i].session, LT_MODULE_CONTROL, all->session->thrift);
}

void lt_controls_free(lt_controls *all) {
    for (int i = 0; i < all->count; i++) {
        lt_session_drop(&all->items[i].session);
        lt_free(all->items[i].seen);
    }
    lt_free(all->items);
    lt_free(all->residuals.values);
    lt_free(all->features.values);
    lt_free(all->work);
    *all = (lt_controls){0};
}

lt_additions lt_controls_added(const lt_controls *all) {
    if (!all) return (lt_additions){0};
    return (lt_additions){.residuals = all->residuals.count > 0, .features = all->features.count > 0};
}

/* ---- A step ---- */

static float *sum_of(const lt_control_sums *sums, int branch) { return sums->values + (size_t)branch * sums->numbers; }

/* Adds values [sums.numbers] to a branch's sums. */
static void add_up(const lt_controller *c, const lt_control_sums *sums, int branch, const float *values) {
    float *sum = sum_of(sums, branch);
    for (int i = 0; i < sums->count; i++) {
        const float strength = strength_at(c, i, sums->count);
        for (size_t left = lt_shape_count(sums->shapes[i]); left; left--) *sum++ += strength * *values++;
    }
}

/* The hint is the same for all samples. */
static void write_guide(const lt_controller *c, const lt_control_batch *b) {
    const size_t each = lt_shape_count(lt_port_shape(b->guide)) / (size_t)b->count;
    for (int k = 0; k < b->count; k++) lt_port_write(b->guide, (size_t)k * each, c->seen, each);
}

/* The mean over all pixels in place of each. */
static void pool(float *values, lt_shape s) {
    const size_t pixels = (size_t)lt_shape_pixels(s), c = (size_t)s.c;
    for (size_t k = 0; k < c; k++) {
        double sum = 0;
        for (size_t p = 0; p < pixels; p++) sum += values[p * c + k];
        for (size_t p = 0; p < pixels; p++) values[p * c + k] = (float)(sum / (double)pixels);
    }
}

/* Adds what sample k of the batch makes, which is of that branch. */
static void add_residuals(lt_controls *all, const lt_controller *c, const lt_control_batch *b, int k, int branch) {
    float *at = all->work;
    for (int i = 0; i < all->residuals.count; i++) {
        const lt_shape shape = all->residuals.shapes[i];
        const size_t count = lt_shape_count(shape);
        lt_port_read(lt_plan_port(b->plan, lt_residual_ports[i]), (size_t)k * count, at, count);
        if (c->parts->control.pooled) pool(at, shape);
        at += count;
    }
    add_up(c, &all->residuals, branch, all->work);
}

static lt_status run_net(lt_controls *all, lt_controller *c, const int *branches, int count, const float *x, float t) {
    lt_control_batch *b = &c->batches[c->batches[0].count != count];
    if (lt_branches_tell(all->branches, branches, all->call, &b->hearing)) write_guide(c, b);
    lt_hearing_show(&b->hearing, x, t);
    LT_TRY(lt_module_run(&c->session, b->plan, b->hearing.changed));
    b->hearing.changed = LT_RATE_STEP;
    for (int k = 0; k < count; k++) add_residuals(all, c, b, k, branches[k]);
    return LT_OK;
}

/* Adds what a control says in this step. */
static lt_status run_control(lt_controls *all, lt_controller *c, int first, int count, const float *x, float t) {
    int told[LT_MAX_BRANCHES], n = 0;
    for (int k = first; k < first + count; k++)
        if (c->told[k]) told[n++] = k;
    if (n && c->parts->has[LT_MODULE_CONTROL]) return run_net(all, c, told, n, x, t);
    for (int k = 0; k < n; k++) add_up(c, &all->features, told[k], c->seen);
    return LT_OK;
}

static void clear(const lt_control_sums *sums, int first, int count) {
    memset(sum_of(sums, first), 0, (size_t)count * sums->numbers * sizeof *sums->values);
}

lt_status lt_controls_run(lt_controls *all, int first, int count, lt_moment at, const float *x, float t) {
    all->call = at.call;
    clear(&all->residuals, first, count);
    clear(&all->features, first, count);
    for (int i = 0; i < all->count; i++)
        if (is_active(all->items[i].asked, at.step, all->steps))
            LT_TRY(run_control(all, &all->items[i], first, count, x, t));
    return LT_OK;
}

static void write_sums(const lt_control_sums *sums, int first, int count, lt_plan *unet) {
    size_t at = 0;
    for (int i = 0; i < sums->count; i++) {
        const lt_port port = lt_plan_port(unet, sums->ports[i]);
        const size_t each = lt_shape_count(sums->shapes[i]);
        for (int k = 0; k < count; k++) lt_port_write(port, (size_t)k * each, sum_of(sums, first + k) + at, each);
        at += each;
    }
}

void lt_controls_write(const lt_controls *all, int first, int count, lt_plan *unet) {
    write_sums(&all->residuals, first, count, unet);
    write_sums(&all->features, first, count, unet);
}
