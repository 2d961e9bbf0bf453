/* ControlNet: the U-Net's first half once more. */
#include "models/controlnet.h"

#include "models/shapes.h"
#include "models/unet_half.h"

#include <string.h>

#define CONTROL "control_model."

/* ---- Its layers ---- */

/* The convolutions over the hint, with SiLU between them, and the stride by which each goes. */
static const struct {
    const char *name[LT_NAMINGS];
    int stride;
} hints[LT_HINT_CONVS] = {
    {{"input_hint_block.0", "controlnet_cond_embedding.conv_in"}, 1},
    {{"input_hint_block.2", "controlnet_cond_embedding.blocks.0"}, 1},
    {{"input_hint_block.4", "controlnet_cond_embedding.blocks.1"}, 2},
    {{"input_hint_block.6", "controlnet_cond_embedding.blocks.2"}, 1},
    {{"input_hint_block.8", "controlnet_cond_embedding.blocks.3"}, 2},
    {{"input_hint_block.10", "controlnet_cond_embedding.blocks.4"}, 1},
    {{"input_hint_block.12", "controlnet_cond_embedding.blocks.5"}, 2},
    {{"input_hint_block.14", "controlnet_cond_embedding.conv_out"}, 1},
};

static void walk_hint(const lt_controlnet *net, lt_walk *walk) {
    int in = net->hint_channels;
    for (int i = 0; i < LT_HINT_CONVS; in = net->hint[i++])
        lt_walk_visit(walk, LT_STEP_NONE, in, net->hint[i], LT_ROWS(lt_whole_conv3), "%s %s",
                      hints[i].name[LT_NAMING_LDM], hints[i].name[LT_NAMING_DIFFUSERS]);
}

static void walk_zero(int k, int c, lt_walk *walk) {
    lt_walk_visit(walk, LT_STEP_NONE, c, c, LT_ROWS(lt_whole_conv1), "zero_convs.%d.0 controlnet_down_blocks.%d", k, k);
}

/* The convolutions that began as zeros: of what each level begins with, then of its blocks. */
static void walk_zeros(const lt_controlnet *net, lt_walk *walk) {
    int k = 0, c = net->half.channels;
    for (int i = 0; i < net->half.levels; i++) {
        walk_zero(k++, c, walk);
        c = net->half.level[i].channels;
        for (int j = 0; j < net->half.level[i].blocks; j++) walk_zero(k++, c, walk);
    }
    lt_walk_visit(walk, LT_STEP_NONE, c, c, LT_ROWS(lt_whole_conv1), "middle_block_out.0 controlnet_mid_block");
}

void lt_controlnet_walk(const lt_controlnet *net, lt_walk *walk) {
    lt_unet_walk_down(&net->half, walk);
    walk_hint(net, walk);
    walk_zeros(net, walk);
}

int lt_controlnet_residuals(const lt_controlnet *net) {
    int count = net->half.levels + 1;
    for (int i = 0; i < net->half.levels; i++) count += net->half.level[i].blocks;
    return count;
}

/* ---- Reading ---- */

typedef struct reading {
    const lt_names *names;
    lt_naming naming;
    lt_controlnet *net;
    int convs;
} reading;

static void measure_hint(void *user, const lt_place *place) {
    reading *r = user;
    int width[LT_WIDTHS];
    lt_names_measure(r->names, r->naming, place, width);
    if (!r->convs) r->net->hint_channels = width[LT_IN];
    r->net->hint[r->convs++] = width[LT_OUT];
}

lt_status lt_controlnet_read(const lt_names *names, lt_naming naming, lt_controlnet *net) {
    const lt_controlnet none = {0};
    reading r = {names, naming, net, 0};
    LT_TRY(lt_unet_read(names, naming, &net->half));
    walk_hint(&none, &(lt_walk){.visit = measure_hint, .user = &r});
    if (lt_controlnet_residuals(net) <= LT_MOST_RESIDUALS) return LT_OK;
    return lt_fail(LT_ERROR_UNSUPPORTED, "%s: its names speak of %d places; %d are possible", names->model,
                   lt_controlnet_residuals(net), LT_MOST_RESIDUALS);
}

lt_status lt_controlnet_open(lt_weights *weights, lt_controlnet *net) {
    const lt_names names = lt_names_of_weights(weights, CONTROL, "controlnet");
    *net = (lt_controlnet){.half = {.weights = weights, .groups = 32}};
    LT_TRY(lt_weight_dim("controlnet", weights, CONTROL "input_blocks.0.0.weight", 4, 1, &net->half.in_channels));
    LT_TRY(lt_weight_dim("controlnet", weights, CONTROL "input_hint_block.0.weight", 4, 1, &net->hint_channels));
    LT_TRY(lt_controlnet_read(&names, LT_NAMING_LDM, net));
    lt_unet_guess_heads(&net->half);
    return LT_OK;
}

/* ---- For which U-Net ---- */

static bool same_levels(const lt_unet *a, const lt_unet *b) {
    const size_t deeper = sizeof a->deeper[LT_WAY_DOWN];
    bool same = a->levels == b->levels && a->channels == b->channels && a->middle_depth == b->middle_depth &&
                !memcmp(a->deeper[LT_WAY_DOWN], b->deeper[LT_WAY_DOWN], deeper);
    for (int i = 0; i < a->levels && same; i++)
        same = a->level[i].channels == b->level[i].channels && a->level[i].blocks == b->level[i].blocks &&
               a->level[i].depth == b->level[i].depth;
    return same;
}

lt_status lt_controlnet_fits(const lt_controlnet *net, const lt_unet *unet) {
    const lt_unet *half = &net->half;
    if (half->vector_dim != unet->vector_dim || half->context_dim != unet->context_dim)
        return lt_fail(
            LT_ERROR_MODEL,
            "this ControlNet is for %s (contexts of %d), and what is to be drawn with is %s (contexts of %d)",
            lt_unet_family(half), half->context_dim, lt_unet_family(unet), unet->context_dim);
    if (half->in_channels == unet->out_channels && same_levels(half, unet)) return LT_OK;
    return lt_fail(LT_ERROR_MODEL,
                   "this ControlNet is for a U-Net of other sizes: %d channels at first, %d levels, latents of %d; the "
                   "model's has %d, %d and %d",
                   half->channels, half->levels, half->in_channels, unet->channels, unet->levels, unet->out_channels);
}

/* ---- The forward passes ---- */

lt_status lt_controlnet_build_hint(const lt_controlnet *net, int n, int h, int w, lt_graph *graph) {
    lt_nn nn = {graph, net->half.weights, "controlnet", 0};
    const lt_shape pixels = {n, h * LT_HINT_FACTOR, w * LT_HINT_FACTOR, net->hint_channels};
    graph->maker = "ControlNet's hint";
    lt_node *x = lt_graph_input(graph, (lt_input){"hint", pixels, LT_RATE_PROMPT});
    for (int i = 0; i < LT_HINT_CONVS; i++) {
        const lt_activation silu = i + 1 < LT_HINT_CONVS ? LT_ACT_SILU : LT_ACT_NONE;
        x = lt_conv_of(
            &nn, lt_name_of(CONTROL "%s", hints[i].name[LT_NAMING_LDM]).text, x,
            (lt_conv_layer){.kernel = 3, .stride = hints[i].stride, .pad_begin = 1, .pad_end = 1, .activation = silu});
    }
    lt_graph_output(graph, x, "guide");
    return graph->status;
}

/* The U-Net's pass, whose skips go out. */
typedef struct control_pass {
    lt_unet_pass unet;
    lt_walk walk;
    int outputs;
} control_pass;

static void put_out(control_pass *p, const char *convolution) {
    lt_node *residual = lt_linear(&p->unet.nn, convolution, p->unet.h);
    lt_graph_output(p->unet.nn.graph, residual, lt_residual_ports[p->outputs++]);
}

static void step(void *user, const lt_place *place) {
    control_pass *p = user;
    p->walk.visit(p->walk.user, place);
    if (place->kept) put_out(p, lt_name_of(CONTROL "zero_convs.%d.0", p->outputs).text);
}

lt_status lt_controlnet_build(const lt_controlnet *net, int n, int h, int w, int tokens, lt_graph *graph) {
    control_pass p = {.unet = lt_unet_pass_of(&net->half, graph, "controlnet", CONTROL)};
    lt_walk walk = {.visit = step, .user = &p};
    p.walk = lt_unet_pass_walk(&p.unet);
    graph->maker = "ControlNet";
    lt_unet_pass_begin(&p.unet, &net->half, n, h, w, tokens);
    p.unet.guide = lt_graph_input(graph, (lt_input){"guide", {n, h, w, net->half.channels}, LT_RATE_PROMPT});
    lt_unet_walk_down(&net->half, &walk);
    put_out(&p, CONTROL "middle_block_out.0");
    return graph->status;
}
