/* TAESD: its layers, the reading of its description, and its forward pass. */
#include "models/taesd.h"

#include "models/shapes.h"

#define ENCODER "taesd_encoder."
#define DECODER "taesd_decoder."

enum { LEVELS = 3, BLOCKS = 3 }; /* halvings, or doublings, each with so many blocks */

/* ---- The walk: taesd.py numbers the layers of each half as they run, those without weights too ---- */

static const lt_row block_rows[] = {
    {{"conv.0", "conv.0"}, LT_KIND_CONV3, LT_OUT, LT_IN},
    {{"conv.2", "conv.2"}, LT_KIND_CONV3, LT_OUT, LT_OUT},
    {{"conv.4", "conv.4"}, LT_KIND_CONV3, LT_OUT, LT_OUT},
};
static const lt_row resampling[] = {{{"", ""}, LT_KIND_BARE_CONV3, LT_OUT, LT_IN}};

/* Visits number i of the half; diffusers counts the decoder without its first layer, the clamp. */
static int visit(lt_walk *w, lt_step step, int in, int out, const lt_row *rows, size_t count, int i, int before) {
    lt_walk_visit(w, step, in, out, rows, count, "%d %d", i, i - before);
    return i + 1;
}

void lt_taesd_walk_encoder(const lt_taesd *t, lt_walk *w) {
    const int c = t->width;
    int i = visit(w, LT_STEP_BEGIN, 3, c, LT_ROWS(lt_whole_conv3), 0, 0);
    i = visit(w, LT_STEP_RESIDUAL, c, c, LT_ROWS(block_rows), i, 0);
    for (int level = 0; level < LEVELS; level++) {
        i = visit(w, LT_STEP_DOWN, c, c, LT_ROWS(resampling), i, 0);
        for (int k = 0; k < BLOCKS; k++) i = visit(w, LT_STEP_RESIDUAL, c, c, LT_ROWS(block_rows), i, 0);
    }
    visit(w, LT_STEP_END, c, t->latent_channels, LT_ROWS(lt_whole_conv3), i, 0);
}

void lt_taesd_walk_decoder(const lt_taesd *t, lt_walk *w) {
    const int c = t->width;
    int i = 1 + visit(w, LT_STEP_BEGIN, t->latent_channels, c, LT_ROWS(lt_whole_conv3), 1, 1); /* and a ReLU */
    for (int level = 0; level < LEVELS; level++) {
        for (int k = 0; k < BLOCKS; k++) i = visit(w, LT_STEP_RESIDUAL, c, c, LT_ROWS(block_rows), i, 1);
        i = visit(w, LT_STEP_UP, c, c, LT_ROWS(resampling), i + 1, 1); /* behind an upsampling */
    }
    i = visit(w, LT_STEP_RESIDUAL, c, c, LT_ROWS(block_rows), i, 1);
    visit(w, LT_STEP_END, c, 3, LT_ROWS(lt_whole_conv3), i, 1);
}

/* ---- Reading ---- */

typedef struct reading {
    const lt_names *names;
    lt_naming naming;
    lt_taesd *taesd;
} reading;

static void measure_encoder(void *user, const lt_place *place) {
    const reading *r = user;
    int width[LT_WIDTHS];
    lt_names_measure(r->names, r->naming, place, width);
    if (place->step == LT_STEP_BEGIN) r->taesd->width = width[LT_OUT];
    if (place->step == LT_STEP_END) r->taesd->latent_channels = width[LT_OUT];
}

static void measure_decoder(void *user, const lt_place *place) {
    const reading *r = user;
    int width[LT_WIDTHS];
    lt_names_measure(r->names, r->naming, place, width);
    if (place->step != LT_STEP_BEGIN) return;
    r->taesd->width = width[LT_OUT];
    r->taesd->latent_channels = width[LT_IN];
}

void lt_taesd_read_encoder(const lt_names *names, lt_naming naming, lt_taesd *taesd) {
    reading r = {names, naming, taesd};
    lt_taesd_walk_encoder(&(lt_taesd){0}, &(lt_walk){.visit = measure_encoder, .user = &r});
}

void lt_taesd_read_decoder(const lt_names *names, lt_naming naming, lt_taesd *taesd) {
    reading r = {names, naming, taesd};
    lt_taesd_walk_decoder(&(lt_taesd){0}, &(lt_walk){.visit = measure_decoder, .user = &r});
}

lt_status lt_taesd_open(lt_weights *weights, lt_taesd *t) {
    *t = (lt_taesd){.weights = weights,
                    .has_encoder = lt_weights_has_prefix(weights, ENCODER),
                    .has_decoder = lt_weights_has_prefix(weights, DECODER)};
    const lt_names encoder = lt_names_of_weights(weights, ENCODER, "taesd"),
                   decoder = lt_names_of_weights(weights, DECODER, "taesd");
    if (t->has_encoder) lt_taesd_read_encoder(&encoder, LT_NAMING_LDM, t);
    const int channels = t->latent_channels;
    if (t->has_decoder) lt_taesd_read_decoder(&decoder, LT_NAMING_LDM, t);
    if (t->latent_channels < 1 || (channels && channels != t->latent_channels))
        return lt_fail(LT_ERROR_MODEL, "taesd: latents of %d channels are encoded, of %d decoded", channels,
                       t->latent_channels);
    return LT_OK;
}

/* ---- The forward pass ---- */

typedef struct pass {
    lt_nn nn;
    const char *prefix;
    lt_node *h;
} pass;

static lt_node *convolve(pass *p, const lt_place *place, const char *layer, lt_node *x, lt_conv_layer options) {
    const lt_name name = lt_name_of("%s%s%s", p->prefix, place->name[LT_NAMING_LDM], layer);
    options.kernel = 3;
    options.pad_begin = options.pad_end = 1;
    return lt_conv_of(&p->nn, name.text, x, options);
}

/* relu(conv(relu(conv(relu(conv(x))))) + x) */
static lt_node *block(pass *p, const lt_place *place, lt_node *x) {
    const lt_conv_layer inner = {.activation = LT_ACT_RELU};
    const bool entered = lt_graph_enter_segment(p->nn.graph);
    lt_node *h = convolve(p, place, ".conv.0", x, inner);
    h = convolve(p, place, ".conv.2", h, inner);
    h = lt_activate(&p->nn, convolve(p, place, ".conv.4", h, (lt_conv_layer){.residual = x}), LT_ACT_RELU);
    lt_graph_leave_segment(p->nn.graph, entered);
    return h;
}

static lt_node *upsample(pass *p, const lt_place *place, lt_node *h) {
    if (p->nn.graph->status) return NULL;
    const lt_shape s = h->operation.out;
    return convolve(p, place, "", lt_upsample(&p->nn, h, 2 * s.h, 2 * s.w), (lt_conv_layer){.no_bias = true});
}

static void step(void *user, const lt_place *place) {
    pass *p = user;
    switch (place->step) {
    case LT_STEP_RESIDUAL: p->h = block(p, place, p->h); break;
    case LT_STEP_DOWN: p->h = convolve(p, place, "", p->h, (lt_conv_layer){.stride = 2, .no_bias = true}); break;
    case LT_STEP_UP: p->h = upsample(p, place, p->h); break;
    default: p->h = convolve(p, place, "", p->h, (lt_conv_layer){0}); break;
    }
}

static void step_of_decoder(void *user, const lt_place *place) {
    pass *p = user;
    if (place->step == LT_STEP_BEGIN)
        p->h = convolve(p, place, "", lt_activate(&p->nn, p->h, LT_ACT_SOFT_CLAMP),
                        (lt_conv_layer){.activation = LT_ACT_RELU});
    else
        step(user, place);
}

lt_node *lt_taesd_encode(const lt_taesd *t, lt_node *x, lt_graph *graph) {
    pass p = {{graph, t->weights, "taesd", 0}, ENCODER, x};
    lt_taesd_walk_encoder(t, &(lt_walk){.visit = step, .user = &p});
    return p.h;
}

lt_node *lt_taesd_decode(const lt_taesd *t, lt_node *z, lt_graph *graph) {
    pass p = {{graph, t->weights, "taesd", 0}, DECODER, z};
    lt_taesd_walk_decoder(t, &(lt_walk){.visit = step_of_decoder, .user = &p});
    return p.h;
}

lt_status lt_taesd_build_encoder(const lt_taesd *t, int n, int h, int w, lt_graph *graph) {
    graph->maker = "TAESD encoder";
    lt_node *x = lt_graph_input(graph, (lt_input){"x", {n, h, w, 3}, LT_RATE_STEP});
    lt_graph_output(graph, lt_taesd_encode(t, x, graph), "latent");
    return graph->status;
}

lt_status lt_taesd_build_decoder(const lt_taesd *t, int n, int h, int w, lt_graph *graph) {
    graph->maker = "TAESD decoder";
    lt_node *z = lt_graph_input(graph, (lt_input){"z", {n, h, w, t->latent_channels}, LT_RATE_STEP});
    lt_graph_output(graph, lt_taesd_decode(t, z, graph), "image");
    return graph->status;
}
