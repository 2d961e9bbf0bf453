/* A classifier of noisy latents. */
#include "models/classifier.h"

#include "models/shapes.h"
#include "models/unet_half.h"

#include <math.h>

#define CLASSIFIER "classifier."
#define POOL       CLASSIFIER "pool."

static const lt_row pooling[] = {
    {{"norm", "norm"}, LT_KIND_NORM, LT_OUT},
    {{"class_embedding", "class_embedding"}, LT_KIND_VECTOR, LT_OUT},
    {{"position_embedding", "position_embedding"}, LT_KIND_MATRIX, LT_POSITIONS, LT_OUT},
    {{"q", "q"}, LT_KIND_LINEAR, LT_OUT, LT_OUT},
    {{"k", "k"}, LT_KIND_LINEAR, LT_OUT, LT_OUT},
    {{"v", "v"}, LT_KIND_LINEAR, LT_OUT, LT_OUT},
    {{"out", "out"}, LT_KIND_LINEAR, LT_OUT, LT_OUT},
};

void lt_classifier_walk(const lt_classifier *c, lt_walk *walk) {
    const int channels = c->half.level[c->half.levels - 1].channels;
    int side = c->size;
    for (int i = 1; i < c->half.levels; i++) side = (side + 1) / 2;
    lt_unet_walk_down(&c->half, walk);
    walk->place.width[LT_POSITIONS] = side * side + 1;
    lt_walk_visit(walk, LT_STEP_NONE, channels, channels, LT_ROWS(pooling), "pool");
    lt_walk_visit(walk, LT_STEP_NONE, channels, c->classes, LT_ROWS(lt_whole_linear), "out");
}

lt_status lt_classifier_open(lt_weights *weights, lt_classifier *c) {
    const lt_names names = lt_names_of_weights(weights, CLASSIFIER, "classifier");
    int positions;
    *c = (lt_classifier){.weights = weights, .half = {.weights = weights, .groups = 32}};
    LT_TRY(lt_weight_dim("classifier", weights, CLASSIFIER "input_blocks.0.0.weight", 4, 1, &c->half.in_channels));
    LT_TRY(lt_weight_dim("classifier", weights, CLASSIFIER "out.weight", 2, 0, &c->classes));
    LT_TRY(lt_weight_dim("classifier", weights, POOL "position_embedding.weight", 2, 0, &positions));
    LT_TRY(lt_unet_read(&names, LT_NAMING_LDM, &c->half));
    c->half.heads = 8;
    /* the largest square that leads to so many pixels; a file's metadata may name a smaller one */
    c->size = (int)lround(sqrt(positions - 1));
    for (int i = 1; i < c->half.levels && c->size <= 1 << 20; i++) c->size *= 2;
    return LT_OK;
}

/* One query, the class token's, over the class token and all pixels: CLIP's attention pooling (Radford et al. 2021)
 * with a token that is learned in place of the mean. x [n,h,w,c] -> [n,1,1,c] */
static lt_node *pool(lt_nn *nn, lt_node *x, int heads) {
    x = lt_group_norm(nn, POOL "norm", x, (lt_group_norm_layer){.eps = LT_UNET_EPS, .activation = LT_ACT_SILU});
    x = lt_class_token(nn, POOL "class_embedding", POOL "position_embedding.weight", x);
    lt_node *q = lt_linear(nn, POOL "q", lt_pick_row(nn, x, NULL));
    lt_node *k = lt_linear(nn, POOL "k", x), *v = lt_linear(nn, POOL "v", x);
    return lt_linear(nn, POOL "out", lt_attention(nn, q, k, v, NULL, heads, false));
}

lt_status lt_classifier_build(const lt_classifier *c, int n, lt_graph *graph) {
    lt_unet_pass p = lt_unet_pass_of(&c->half, graph, "classifier", CLASSIFIER);
    lt_walk walk = lt_unet_pass_walk(&p);
    graph->maker = "classifier";
    p.h = lt_graph_input(graph, (lt_input){"x", {n, c->size, c->size, c->half.in_channels}, LT_RATE_STEP});
    p.t = lt_graph_input(graph, (lt_input){"t", {n, 1, 1, 1}, LT_RATE_STEP});
    lt_unet_walk_down(&c->half, &walk);
    lt_graph_output(graph, lt_linear(&p.nn, CLASSIFIER "out", pool(&p.nn, p.h, c->half.heads)), "logits");
    return graph->status;
}

lt_status lt_classifier_build_loss(const lt_classifier *c, int n, lt_graph *graph) {
    lt_nn nn = {graph, c->weights, "classifier", c->half.groups};
    graph->training = true;
    LT_TRY(lt_classifier_build(c, n, graph));
    lt_node *label = lt_graph_input(graph, (lt_input){"label", {n, 1, 1, 1}, LT_RATE_STEP, LT_VALUE_I32});
    lt_graph_output(graph, lt_cross_entropy(&nn, lt_graph_find(graph, "logits"), label), "loss");
    return graph->status;
}

lt_status lt_classifier_build_gradient(const lt_classifier *c, int n, lt_graph *graph) {
    LT_TRY(lt_classifier_build_loss(c, n, graph));
    lt_node *x = lt_graph_find(graph, "x");
    x->watched = true;
    const lt_loss log_p[] = {{lt_graph_find(graph, "loss"), (float)-n}};
    LT_TRY(lt_graph_backward(graph, log_p, 1, false));
    lt_graph_output(graph, x->gradient, "gradient");
    return LT_OK;
}
