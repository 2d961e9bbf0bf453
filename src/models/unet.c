/* The U-Net: down, middle, up; what went down is put beside what comes up. */
#include "models/unet.h"

#include "models/shapes.h"
#include "models/unet_half.h"

#define UNET "model.diffusion_model."

lt_status lt_unet_open(lt_weights *weights, lt_unet *unet) {
    *unet = (lt_unet){.weights = weights, .groups = 32};
    LT_TRY(lt_weight_dim("unet", weights, UNET "input_blocks.0.0.weight", 4, 1, &unet->in_channels));
    LT_TRY(lt_weight_dim("unet", weights, UNET "out.2.weight", 4, 0, &unet->out_channels));
    for (size_t i = 0; i < lt_weights_count(weights); i++) {
        const lt_weight *w = lt_weights_at(weights, i);
        if (lt_name_ends(w->tensor.name, ".attn2.to_k.weight"))
            LT_TRY(lt_weight_dim("unet", weights, w->tensor.name, 2, 1, &unet->context_dim));
    }
    lt_unet_guess_heads(weights, UNET, &unet->heads, &unet->head_size);
    /* whoever writes a file may take a linear layer for a 1x1 convolution or the other way round; contexts tell */
    if (unet->context_dim == 768) unet->heads = 8, unet->head_size = 0;
    if (unet->context_dim == 1024) unet->heads = 0, unet->head_size = 64;
    return LT_OK;
}

/* ---- The forward pass ---- */

/* Twice the size, or the size of the skip that comes next where a size was odd; then a 3x3 convolution. */
static lt_node *upsample(lt_unet_pass *p, const char *block_name, lt_node *h) {
    for (int slot = 1; slot <= 2; slot++) {
        const lt_name conv = lt_name_of("%s.%d.conv", block_name, slot);
        if (p->nn.graph->status || !p->depth ||
            !lt_weights_has_prefix(p->nn.weights, lt_name_of("%s.", conv.text).text))
            continue;
        const lt_shape next = p->skips[p->depth - 1]->operation.out;
        h = lt_conv3x3(&p->nn, conv.text, lt_upsample(&p->nn, h, next.h, next.w));
    }
    return h;
}

static lt_node *go_up(lt_unet_pass *p, lt_node *h) {
    const int blocks = lt_weights_count_indexed(p->nn.weights, UNET "output_blocks.");
    if (blocks != p->depth)
        lt_graph_fail(p->nn.graph,
                      lt_fail(LT_ERROR_MODEL, "unet: %d output blocks do not match %d input blocks", blocks, p->depth));
    for (int k = 0; k < blocks && p->depth; k++) {
        const lt_name name = lt_name_of(UNET "output_blocks.%d", k);
        h = lt_unet_step(p, name.text, h, p->skips[--p->depth]);
        h = upsample(p, name.text, h);
    }
    return h;
}

lt_status lt_unet_build(const lt_unet *unet, int n, int h, int w, int tokens, lt_graph *graph) {
    lt_unet_pass p = {.nn = {graph, unet->weights, "unet", unet->groups}, .prefix = UNET};
    graph->maker = "U-Net";
    p.inputs.heads = unet->heads;
    p.inputs.head_size = unet->head_size;
    lt_node *x = lt_graph_input(graph, "x", (lt_shape){n, h, w, unet->in_channels}, LT_RATE_STEP);
    lt_node *t = lt_graph_input(graph, "t", (lt_shape){n, 1, 1, 1}, LT_RATE_STEP);
    if (unet->context_dim) {
        p.inputs.context =
            lt_graph_input(graph, "context", (lt_shape){n, 1, tokens, unet->context_dim}, LT_RATE_PROMPT);
        p.inputs.context_lengths = lt_graph_input(graph, "context_lengths", (lt_shape){n, 1, 1, 1}, LT_RATE_PROMPT);
    }
    lt_node *y = go_up(&p, lt_unet_go_down(&p, x, t));
    y = lt_group_norm(&p.nn, UNET "out.0", y, (lt_group_norm_layer){.eps = LT_UNET_EPS, .activation = LT_ACT_SILU});
    lt_graph_output(graph, lt_conv3x3(&p.nn, UNET "out.2", y), "out");
    return graph->status;
}
