/* Upscalers: their layers, the reading of their descriptions, and their forward passes. */
#include "models/upscaler.h"

#include "models/shapes.h"

#define UPSCALER "upscaler."

enum { DENSE = 3, CONVOLUTIONS = 5, MOST_SCALE = 16 }; /* dense blocks of a block, convolutions of each */

static const lt_row slopes[] = {{{"", ""}, LT_KIND_SLOPES, LT_OUT}};

/* ---- The walk: names of today, and those of the first ESRGAN ---- */

/* Dense blocks: each convolution reads all that those before it made. */
static void walk_block(const lt_upscaler *u, lt_walk *w, int block) {
    for (int r = 1; r <= DENSE; r++)
        for (int k = 1; k <= CONVOLUTIONS; k++) {
            w->place.level = r;
            w->place.depth = k;
            lt_walk_visit(w, LT_STEP_DENSE, u->width + (k - 1) * u->grow, k < CONVOLUTIONS ? u->grow : u->width,
                          LT_ROWS(lt_whole_conv3), "body.%d.rdb%d.conv%d model.1.sub.%d.RDB%d.conv%d.0", block, r, k,
                          block, r, k);
        }
}

static void walk_esrgan(const lt_upscaler *u, lt_walk *w) {
    const int c = u->width, end = 3 * u->doubles;
    lt_walk_visit(w, LT_STEP_BEGIN, 3 * u->squeeze * u->squeeze, c, LT_ROWS(lt_whole_conv3), "conv_first model.0");
    for (int i = 0; i < u->blocks; i++) walk_block(u, w, i);
    lt_walk_visit(w, LT_STEP_TRUNK, c, c, LT_ROWS(lt_whole_conv3), "conv_body model.1.sub.%d", u->blocks);
    for (int i = 1; i <= u->doubles; i++)
        lt_walk_visit(w, LT_STEP_UP, c, c, LT_ROWS(lt_whole_conv3), "conv_up%d model.%d", i, 3 * i);
    lt_walk_visit(w, LT_STEP_RESIDUAL, c, c, LT_ROWS(lt_whole_conv3), "conv_hr model.%d", end + 2);
    lt_walk_visit(w, LT_STEP_END, c, 3, LT_ROWS(lt_whole_conv3), "conv_last model.%d", end + 4);
}

static void walk_srvgg(const lt_upscaler *u, lt_walk *w) {
    for (int i = 0; i <= u->blocks; i++) {
        lt_walk_visit(w, LT_STEP_BEGIN, i ? u->width : 3, u->width, LT_ROWS(lt_whole_conv3), "body.%d", 2 * i);
        lt_walk_visit(w, LT_STEP_NONE, u->width, u->width, LT_ROWS(slopes), "body.%d", 2 * i + 1);
    }
    lt_walk_visit(w, LT_STEP_END, u->width, 3 * u->scale * u->scale, LT_ROWS(lt_whole_conv3), "body.%d",
                  2 * u->blocks + 2);
}

void lt_upscaler_walk(const lt_upscaler *u, lt_walk *w) {
    (u->kind == LT_UPSCALER_ESRGAN ? walk_esrgan : walk_srvgg)(u, w);
}

/* ---- Reading ---- */

/* The number whose square times three it is; 0: there is none. */
static int root_of_third(int channels) {
    int r = 1;
    while (r <= MOST_SCALE && 3 * r * r < channels) r++;
    return 3 * r * r == channels ? r : 0;
}

typedef struct reading {
    const lt_names *names;
    lt_naming naming;
    lt_upscaler *upscaler;
    int in, out, end; /* channels of the first layer's input, of the last one's output, and of its input */
} reading;

static void measure(void *user, const lt_place *place) {
    reading *r = user;
    int width[LT_WIDTHS];
    if (place->step == LT_STEP_NONE || (place->step == LT_STEP_DENSE && (place->depth != 1 || r->upscaler->grow)))
        return;
    lt_names_measure(r->names, r->naming, place, width);
    if (place->step == LT_STEP_DENSE) r->upscaler->grow = width[LT_OUT];
    if (place->step == LT_STEP_BEGIN && !r->in) r->in = width[LT_IN], r->upscaler->width = width[LT_OUT];
    if (place->step == LT_STEP_END) r->out = width[LT_OUT], r->end = width[LT_IN];
}

static void count_esrgan(const lt_names *n, lt_naming naming, lt_upscaler *u) {
    const bool old = naming != LT_NAMING_LDM;
    const int numbered = lt_names_count(n, old ? "model.1.sub." : "body.");
    u->blocks = old && numbered ? numbered - 1 : numbered; /* the trunk's end is one, in the old names */
    while (u->doubles < 4 && (old ? lt_names_have(n, "model.%d.weight", 3 * (u->doubles + 1))
                                  : lt_names_have(n, "conv_up%d.", u->doubles + 1)))
        u->doubles++;
}

static lt_status not_served(const lt_names *n, const reading *r) {
    return lt_fail(LT_ERROR_UNSUPPORTED,
                   "%s: it takes %d channels and makes %d: pictures of three colours, whole or squeezed by 2 or 4, are "
                   "served",
                   n->model, r->in, r->out);
}

static lt_status settle_esrgan(const lt_names *n, const reading *r) {
    lt_upscaler *u = r->upscaler;
    u->squeeze = root_of_third(r->in);
    if (lt_names_have(n, "body.0.rdb1.conv1x1.") || lt_names_have(n, "model.1.sub.0.RDB1.conv1x1."))
        return lt_fail(LT_ERROR_UNSUPPORTED, "%s: ESRGAN+, with its further convolutions, is not served", n->model);
    if (r->out != 3 || (u->squeeze != 1 && u->squeeze != 2 && u->squeeze != 4)) return not_served(n, r);
    u->scale = (1 << u->doubles) / u->squeeze;
    return u->scale ? LT_OK : lt_fail(LT_ERROR_UNSUPPORTED, "%s: it makes pictures smaller", n->model);
}

static lt_status settle_srvgg(const lt_names *n, const reading *r) {
    r->upscaler->scale = root_of_third(r->out);
    if (r->in != 3 || !r->upscaler->scale) return not_served(n, r);
    return LT_OK;
}

lt_status lt_upscaler_read(const lt_names *n, lt_naming naming, lt_upscaler *u) {
    reading r = {n, naming, u, 0, 0, 0};
    u->kind = lt_names_have(n, "body.1.weight") ? LT_UPSCALER_SRVGG : LT_UPSCALER_ESRGAN;
    if (u->kind == LT_UPSCALER_SRVGG)
        u->blocks = (lt_names_count(n, "body.") - 3) / 2;
    else
        count_esrgan(n, naming, u);
    if (u->blocks < 0) u->blocks = 0;
    const lt_upscaler counted = *u;
    lt_upscaler_walk(&counted, &(lt_walk){.visit = measure, .user = &r});
    return u->kind == LT_UPSCALER_SRVGG ? settle_srvgg(n, &r) : settle_esrgan(n, &r);
}

lt_status lt_upscaler_open(lt_weights *weights, lt_upscaler *u) {
    const lt_names names = lt_names_of_weights(weights, UPSCALER, "upscaler");
    *u = (lt_upscaler){.weights = weights};
    return lt_upscaler_read(&names, LT_NAMING_LDM, u);
}

/* ---- The forward pass ---- */

typedef struct pass {
    lt_nn nn;
    const lt_upscaler *upscaler;
    lt_node *x, *h;
    lt_node *trunk, *block; /* that is added to what comes behind the blocks; behind the three of one */
} pass;

static lt_node *convolve(pass *p, const lt_place *place, lt_node *x, lt_conv_layer layer) {
    const lt_name name = lt_name_of(UPSCALER "%s", place->name[LT_NAMING_LDM]);
    layer.kernel = 3;
    layer.pad_begin = layer.pad_end = 1;
    return lt_conv_of(&p->nn, name.text, x, layer);
}

/* A dense block's channels lie side by side in one value, in which each convolution but the last finds what it reads
 * and leaves what it makes: x + 0.2 conv5([x, conv1, ..., conv4]). What is begun with, h, has room for them. */
static void dense(pass *p, const lt_place *place) {
    const lt_upscaler *u = p->upscaler;
    const int wide = u->width + (CONVOLUTIONS - 1) * u->grow, reads = place->width[LT_IN];
    const bool last = place->depth == CONVOLUTIONS;
    if (!last) {
        p->h =
            convolve(p, place, p->h, (lt_conv_layer){.reads = reads, .append = true, .activation = LT_ACT_LEAKY_RELU});
        return;
    }
    if (place->level == 1) p->block = p->h; /* of which the first channels are the block's input */
    p->h = convolve(p, place, p->h, (lt_conv_layer){.residual = p->h, .alpha = 0.2f, .width = wide, .reads = reads});
    if (place->level == DENSE) p->h = lt_blend(&p->nn, p->block, p->h, (lt_blend_options){u->width, wide, 0.2f});
}

static void begin_esrgan(pass *p, const lt_place *place) {
    const lt_upscaler *u = p->upscaler;
    const int wide = u->width + (CONVOLUTIONS - 1) * u->grow;
    if (u->squeeze > 1) p->h = lt_shuffle(&p->nn, p->h, u->squeeze, false);
    p->h = p->trunk = convolve(p, place, p->h, (lt_conv_layer){0});
    p->h = lt_blend(&p->nn, p->trunk, NULL, (lt_blend_options){u->width, wide, 0});
}

static lt_node *doubled(pass *p, const lt_place *place, lt_node *h) {
    if (p->nn.graph->status) return NULL;
    const lt_shape s = h->operation.out;
    return convolve(p, place, lt_upsample(&p->nn, h, 2 * s.h, 2 * s.w),
                    (lt_conv_layer){.activation = LT_ACT_LEAKY_RELU});
}

static void step_of_esrgan(void *user, const lt_place *place) {
    pass *p = user;
    const lt_conv_layer active = {.activation = LT_ACT_LEAKY_RELU};
    const lt_conv_layer end_of_trunk = {.reads = p->upscaler->width, .residual = p->trunk};
    switch (place->step) {
    case LT_STEP_BEGIN: begin_esrgan(p, place); break;
    case LT_STEP_DENSE: dense(p, place); break;
    case LT_STEP_TRUNK: p->h = convolve(p, place, p->h, end_of_trunk); break;
    case LT_STEP_UP: p->h = doubled(p, place, p->h); break;
    case LT_STEP_RESIDUAL: p->h = convolve(p, place, p->h, active); break;
    default: p->h = convolve(p, place, p->h, (lt_conv_layer){0}); break;
    }
}

/* The picture, pixel by pixel repeated, plus what the network makes of it. */
static void end_srvgg(pass *p) {
    const lt_upscaler *u = p->upscaler;
    if (p->nn.graph->status) return;
    const lt_shape s = p->x->operation.out;
    lt_node *large = lt_upsample(&p->nn, p->x, u->scale * s.h, u->scale * s.w);
    p->h = lt_graph_append(p->nn.graph, (lt_call){&lt_op_add, {lt_shuffle(&p->nn, p->h, u->scale, true), large}});
}

static void step_of_srvgg(void *user, const lt_place *place) {
    pass *p = user;
    if (place->step == LT_STEP_NONE)
        p->h = lt_prelu(&p->nn, lt_name_of(UPSCALER "%s", place->name[LT_NAMING_LDM]).text, p->h);
    else
        p->h = convolve(p, place, p->h, (lt_conv_layer){0});
    if (place->step == LT_STEP_END) end_srvgg(p);
}

lt_status lt_upscaler_build(const lt_upscaler *u, int n, int h, int w, lt_graph *graph) {
    graph->maker = "upscaler";
    lt_node *x = lt_graph_input(graph, (lt_input){"x", {n, h, w, 3}, LT_RATE_STEP});
    pass p = {.nn = {graph, u->weights, "upscaler", 0}, .upscaler = u, .x = x, .h = x};
    void (*step)(void *user, const lt_place *place) = u->kind == LT_UPSCALER_SRVGG ? step_of_srvgg : step_of_esrgan;
    lt_upscaler_walk(u, &(lt_walk){.visit = step, .user = &p});
    lt_graph_output(graph, p.h, "out");
    return graph->status;
}
