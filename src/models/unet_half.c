/* The forward pass along a walk over a U-Net. */
#include "models/unet_half.h"

/* The name of a layer at the place. */
static lt_name name_of(const lt_unet_pass *p, const lt_place *place, size_t row) {
    const char *at = place->name[LT_NAMING_LDM];
    return lt_name_of("%s%s%s%s", p->prefix, at, *at ? "." : "", place->rows[row].name[LT_NAMING_LDM]);
}

/* Linear, SiLU, linear of the timestep's sinusoids, with what is told of the guidance scale, plus SDXL's of its vector,
 * and the SiLU that stands before each use. Then the first convolution. */
static void begin(lt_unet_pass *p, const lt_place *place) {
    enum { TIME_0, TIME_2, LABEL_0, LABEL_2, SCALE, CONV };
    lt_nn *nn = &p->nn;
    const lt_conv_layer silu = {.activation = LT_ACT_SILU};
    const int channels = lt_channels_of(nn, name_of(p, place, CONV).text);
    lt_node *h = lt_timestep(nn, p->t, channels);
    if (p->scale)
        h = lt_conv_of(nn, name_of(p, place, SCALE).text, p->scale, (lt_conv_layer){.residual = h, .no_bias = true});
    h = lt_conv_of(nn, name_of(p, place, TIME_0).text, h, silu);
    if (!p->vector) {
        p->emb = lt_conv_of(nn, name_of(p, place, TIME_2).text, h, silu);
    } else {
        lt_node *time = lt_linear(nn, name_of(p, place, TIME_2).text, h);
        h = lt_conv_of(nn, name_of(p, place, LABEL_0).text, p->vector, silu);
        h = lt_conv_of(nn, name_of(p, place, LABEL_2).text, h, (lt_conv_layer){.residual = time});
        p->emb = lt_activate(nn, h, LT_ACT_SILU);
    }
    p->h = lt_conv_of(nn, name_of(p, place, CONV).text, p->h,
                      (lt_conv_layer){.kernel = 3, .pad_begin = 1, .pad_end = 1, .residual = p->guide});
}

static lt_node *residual(lt_unet_pass *p, const lt_place *place, const char *name, lt_node *skip) {
    const lt_residual_names names = lt_residual_names_of(place);
    return lt_residual_block(&p->nn, name, &names, p->h, skip, p->emb, LT_UNET_EPS);
}

/* What comes up to the last block: it may be given, or wanted outside as well. */
static void pass_deep(lt_unet_pass *p, const lt_place *place) {
    if (p->nn.graph->status) return;
    lt_shape shape = p->skips[p->depth - 1]->operation.out;
    shape.c = place->width[LT_IN] - shape.c;
    if (p->shortcuts.deep == LT_DEEP_IN) p->h = lt_graph_input(p->nn.graph, (lt_input){"deep", shape, LT_RATE_STEP});
    if (p->shortcuts.deep == LT_DEEP_OUT) lt_graph_output(p->nn.graph, p->h, "deep");
}

/* Twice the size, or the size of the skip that comes next where a size was odd; then a 3x3 convolution. */
static lt_node *upsample(lt_unet_pass *p, const char *name) {
    if (p->nn.graph->status) return NULL;
    const lt_shape next = p->skips[p->depth - 1]->operation.out;
    return lt_conv3x3(&p->nn, name, lt_upsample(&p->nn, p->h, next.h, next.w));
}

static lt_node *transform(lt_unet_pass *p, const lt_place *place, const char *name) {
    if (p->nn.graph->status) return NULL;
    const lt_shape x = p->h->operation.out, rows = {x.n, x.h, x.w, 1};
    for (int i = 0; i < p->inputs.image_count; i++) {
        lt_node **weights = &p->image_weights[place->level][i];
        if (!*weights) *weights = lt_graph_input(p->nn.graph, (lt_input){"image_weights", rows, LT_RATE_STEP});
        p->inputs.images[i].weights = *weights;
    }
    p->inputs.crossed = place->crossed;
    p->inputs.merged = place->level ? 0 : p->shortcuts.merged;
    return lt_spatial_transformer(&p->nn, name, p->h, place->depth, &p->inputs);
}

static lt_node *end(lt_unet_pass *p, const lt_place *place) {
    const lt_group_norm_layer silu = {.eps = LT_UNET_EPS, .activation = LT_ACT_SILU};
    return lt_conv3x3(&p->nn, name_of(p, place, 1).text, lt_group_norm(&p->nn, name_of(p, place, 0).text, p->h, silu));
}

/* What is added from outside, as large as node. */
static lt_node *add_port(lt_unet_pass *p, lt_node *node, const char *name) {
    if (p->nn.graph->status) return NULL;
    lt_node *more = lt_graph_input(p->nn.graph, (lt_input){name, node->operation.out, LT_RATE_STEP});
    return lt_sum(&p->nn, node, more);
}

/* Keeps what goes down for what comes up, a T2I-Adapter's feature included where a level ends. */
static void keep(lt_unet_pass *p, const lt_place *place) {
    if (p->added.features && place->last) p->h = add_port(p, p->h, lt_feature_ports[place->level]);
    p->skips[p->depth++] = p->h;
}

/* What was kept last, with a ControlNet's residual; before the first of these, the middle gets its own. */
static lt_node *take(lt_unet_pass *p) {
    const bool turns = !p->rises && p->shortcuts.deep != LT_DEEP_IN;
    p->rises = true;
    if (p->added.residuals && turns) p->h = add_port(p, p->h, lt_residual_ports[p->depth]);
    lt_node *skip = p->skips[--p->depth];
    return p->added.residuals ? add_port(p, skip, lt_residual_ports[p->depth]) : skip;
}

static void rise(lt_unet_pass *p, const lt_place *place, const char *name) {
    lt_node *skip = take(p);
    p->h = residual(p, place, name, skip);
}

/* What stands at a place, under its name. */
static void show(lt_unet_pass *p, const lt_place *place) {
    if (place->step == LT_STEP_NONE) return;
    lt_graph_place(p->nn.graph, p->h, lt_name_of("%s%s", p->prefix, lt_unet_spot_name(place)).text);
}

static void step(void *user, const lt_place *place) {
    lt_unet_pass *p = user;
    const lt_name name = lt_name_of("%s%s", p->prefix, place->name[LT_NAMING_LDM]);
    const lt_conv_layer half = {.kernel = 3, .stride = 2, .pad_begin = 1, .pad_end = 1};
    if (p->shortcuts.deep == LT_DEEP_IN && !place->outer) return;
    if (place->outer && place->step == LT_STEP_RESIDUAL_UP) pass_deep(p, place);
    switch (place->step) {
    case LT_STEP_BEGIN: begin(p, place); break;
    case LT_STEP_RESIDUAL: p->h = residual(p, place, name.text, NULL); break;
    case LT_STEP_RESIDUAL_UP: rise(p, place, name.text); break;
    case LT_STEP_TRANSFORMER: p->h = transform(p, place, name.text); break;
    case LT_STEP_DOWN: p->h = lt_conv_of(&p->nn, name.text, p->h, half); break;
    case LT_STEP_UP: p->h = upsample(p, name.text); break;
    case LT_STEP_END: p->h = end(p, place); break;
    default: break;
    }
    show(p, place);
    if (place->kept) keep(p, place);
}

lt_unet_pass lt_unet_pass_of(const lt_unet *unet, lt_graph *graph, const char *model, const char *prefix) {
    return (lt_unet_pass){.nn = {graph, unet->weights, model, unet->groups},
                          .prefix = prefix,
                          .inputs = {.heads = unet->heads, .head_size = unet->head_size}};
}

lt_walk lt_unet_pass_walk(lt_unet_pass *pass) { return (lt_walk){.visit = step, .user = pass}; }

void lt_unet_pass_begin(lt_unet_pass *p, const lt_unet *unet, int n, int h, int w, int tokens) {
    lt_graph *graph = p->nn.graph;
    const lt_shape one = {n, 1, 1, 1};
    p->h = lt_graph_input(graph, (lt_input){"x", {n, h, w, unet->in_channels}, LT_RATE_STEP});
    p->t = lt_graph_input(graph, (lt_input){"t", one, LT_RATE_STEP});
    if (unet->context_dim) {
        p->inputs.context = lt_graph_find(graph, "context");
        if (!p->inputs.context)
            p->inputs.context =
                lt_graph_input(graph, (lt_input){"context", {n, 1, tokens, unet->context_dim}, LT_RATE_PROMPT});
        p->inputs.context_lengths =
            lt_graph_input(graph, (lt_input){"context_lengths", one, LT_RATE_PROMPT, LT_VALUE_I32});
    }
    if (unet->vector_dim)
        p->vector = lt_graph_input(graph, (lt_input){"y", {n, 1, 1, unet->vector_dim}, LT_RATE_PROMPT});
    if (unet->scale_dim)
        p->scale = lt_graph_input(graph, (lt_input){"timestep_cond", {n, 1, 1, unet->scale_dim}, LT_RATE_PROMPT});
}
