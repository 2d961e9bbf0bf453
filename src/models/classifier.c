/* A classifier of noisy latents. */
#include "models/classifier.h"

#include "models/shapes.h"
#include "models/unet_half.h"

#include <math.h>

#define CLASSIFIER "classifier."
#define POOL       CLASSIFIER "pool."

lt_status lt_classifier_open(lt_weights *weights, lt_classifier *c) {
    int positions, head_size;
    *c = (lt_classifier){.weights = weights, .groups = 32};
    LT_TRY(lt_weight_dim("classifier", weights, CLASSIFIER "input_blocks.0.0.weight", 4, 1, &c->in_channels));
    LT_TRY(lt_weight_dim("classifier", weights, CLASSIFIER "out.weight", 2, 0, &c->classes));
    LT_TRY(lt_weight_dim("classifier", weights, POOL "position_embedding.weight", 2, 0, &positions));
    lt_unet_guess_heads(weights, CLASSIFIER, &c->heads, &head_size);
    if (!c->heads) c->heads = 8;
    /* the largest square that leads to so many pixels; a file's metadata may name a smaller one */
    c->size = (int)lround(sqrt(positions - 1));
    const int blocks = lt_weights_count_indexed(weights, CLASSIFIER "input_blocks.");
    for (int k = 0; k < blocks && c->size <= 1 << 20; k++)
        if (lt_weights_has_prefix(weights, lt_name_of(CLASSIFIER "input_blocks.%d.0.op.", k).text)) c->size *= 2;
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
    lt_unet_pass p = {.nn = {graph, c->weights, "classifier", c->groups}, .prefix = CLASSIFIER};
    graph->maker = "classifier";
    p.inputs.heads = c->heads;
    lt_node *x = lt_graph_input(graph, "x", (lt_shape){n, c->size, c->size, c->in_channels}, LT_RATE_STEP);
    lt_node *t = lt_graph_input(graph, "t", (lt_shape){n, 1, 1, 1}, LT_RATE_STEP);
    lt_node *pooled = pool(&p.nn, lt_unet_go_down(&p, x, t), c->heads);
    lt_graph_output(graph, lt_linear(&p.nn, CLASSIFIER "out", pooled), "logits");
    return graph->status;
}

lt_status lt_classifier_build_loss(const lt_classifier *c, int n, lt_graph *graph) {
    lt_nn nn = {graph, c->weights, "classifier", c->groups};
    graph->training = true;
    LT_TRY(lt_classifier_build(c, n, graph));
    lt_node *label = lt_graph_input(graph, "label", (lt_shape){n, 1, 1, 1}, LT_RATE_STEP);
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
