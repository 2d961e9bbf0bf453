/* The U-Net: down, middle, up; what went down is put beside what comes up. */
#include "models/unet.h"

#include "models/shapes.h"
#include "models/unet_half.h"

#define UNET "model.diffusion_model."

lt_status lt_unet_open(lt_weights *weights, lt_unet *unet) {
    const lt_names names = lt_names_of_weights(weights, UNET, "unet");
    *unet = (lt_unet){.weights = weights, .groups = 32};
    LT_TRY(lt_weight_dim("unet", weights, UNET "input_blocks.0.0.weight", 4, 1, &unet->in_channels));
    LT_TRY(lt_weight_dim("unet", weights, UNET "out.2.weight", 4, 0, &unet->out_channels));
    LT_TRY(lt_unet_read(&names, LT_NAMING_LDM, unet));
    int blocks = unet->levels;
    for (int i = 0; i < unet->levels; i++) blocks += unet->level[i].blocks;
    const int up = lt_names_count(&names, "output_blocks.");
    if (up != blocks) return lt_fail(LT_ERROR_MODEL, "unet: %d output blocks do not match %d input blocks", up, blocks);
    lt_unet_guess_heads(unet);
    /* whoever writes a file may take a linear layer for a 1x1 convolution or the other way round; contexts tell */
    if (unet->context_dim == 768) unet->heads = 8, unet->head_size = 0;
    if (unet->context_dim == 1024) unet->heads = 0, unet->head_size = 64;
    return LT_OK;
}

lt_status lt_unet_served(const lt_unet *unet) {
    if (!unet->vector_dim) return LT_OK;
    return lt_fail(LT_ERROR_UNSUPPORTED,
                   "this U-Net adds a vector of %d, a pooled text and sizes (label_emb, as SDXL does), to its time "
                   "embedding: this version can convert it, not draw with it",
                   unet->vector_dim);
}

lt_status lt_unet_build(const lt_unet *unet, int n, int h, int w, int tokens, lt_shortcuts shortcuts,
                        lt_additions added, lt_graph *graph) {
    lt_unet_pass p = lt_unet_pass_of(unet, graph, "unet", UNET);
    p.shortcuts = shortcuts;
    p.inputs.image_count = unet->context_dim ? added.images.count : 0;
    for (int i = 0; i < added.images.count; i++) p.inputs.images[i].tokens = added.images.tokens[i];
    lt_walk walk = lt_unet_pass_walk(&p);
    const lt_shape one = {n, 1, 1, 1};
    graph->maker = "U-Net";
    p.h = lt_graph_input(graph, (lt_input){"x", {n, h, w, unet->in_channels}, LT_RATE_STEP});
    p.t = lt_graph_input(graph, (lt_input){"t", one, LT_RATE_STEP});
    if (unet->context_dim) {
        p.inputs.context = lt_graph_find(graph, "context");
        if (!p.inputs.context)
            p.inputs.context =
                lt_graph_input(graph, (lt_input){"context", {n, 1, tokens, unet->context_dim}, LT_RATE_PROMPT});
        p.inputs.context_lengths =
            lt_graph_input(graph, (lt_input){"context_lengths", one, LT_RATE_PROMPT, LT_VALUE_I32});
    }
    if (unet->vector_dim)
        p.vector = lt_graph_input(graph, (lt_input){"y", {n, 1, 1, unet->vector_dim}, LT_RATE_PROMPT});
    lt_unet_walk(unet, &walk);
    lt_graph_output(graph, p.h, "out");
    return graph->status;
}
