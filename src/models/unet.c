/* The U-Net: down, middle, up; what went down is put beside what comes up. */
#include "models/unet.h"

#include "models/shapes.h"
#include "nn/nn.h"

#define UNET "model.diffusion_model."

enum { MAX_SKIPS = 64 };

static const float EPS = 1e-5f; /* of the residual blocks and the output; attention blocks have 1e-6 */

static const lt_residual_names names = {"in_layers.0",  "in_layers.2",  "emb_layers.1",
                                        "out_layers.0", "out_layers.3", "skip_connection"};

lt_status lt_unet_open(lt_weights *weights, lt_unet *unet) {
    *unet = (lt_unet){.weights = weights, .groups = 32};
    LT_TRY(lt_weight_dim("unet", weights, UNET "input_blocks.0.0.weight", 4, 1, &unet->in_channels));
    LT_TRY(lt_weight_dim("unet", weights, UNET "out.2.weight", 4, 0, &unet->out_channels));
    const lt_weight *proj_in = NULL;
    for (size_t i = 0; i < lt_weights_count(weights); i++) {
        const lt_weight *w = lt_weights_at(weights, i);
        if (lt_name_ends(w->tensor.name, ".1.proj_in.weight")) proj_in = w;
        if (lt_name_ends(w->tensor.name, ".attn2.to_k.weight"))
            LT_TRY(lt_weight_dim("unet", weights, w->tensor.name, 2, 1, &unet->context_dim));
    }
    /* SD 1.x projects with convolutions and has 8 heads; SD 2.x projects with linear layers and has heads of 64. */
    if (!proj_in || proj_in->tensor.rank == 4)
        unet->heads = 8;
    else
        unet->head_size = 64;
    return LT_OK;
}

/* ---- The forward pass ---- */

typedef struct lt_unet_pass {
    lt_nn nn;
    lt_node *emb; /* the time embedding behind its SiLU, which every residual block would do again */
    lt_transformer_inputs inputs;
    lt_node *skips[MAX_SKIPS];
    int depth;
} lt_unet_pass;

static bool exists(const lt_unet_pass *p, const char *name) { return lt_weights_has_prefix(p->nn.weights, name); }

/* Linear, SiLU, linear of the timestep's sinusoids, and the SiLU that stands before each use. */
static lt_node *time_embedding(lt_nn *nn, lt_node *t, int channels) {
    lt_node *h =
        lt_conv_of(nn, UNET "time_embed.0", lt_timestep(nn, t, channels), (lt_conv_layer){.activation = LT_ACT_SILU});
    return lt_conv_of(nn, UNET "time_embed.2", h, (lt_conv_layer){.activation = LT_ACT_SILU});
}

/* A residual block and, if the checkpoint has one behind it, a transformer. */
static lt_node *block(lt_unet_pass *p, const char *name, lt_node *h, lt_node *skip) {
    h = lt_residual_block(&p->nn, lt_name_of("%s.0", name).text, &names, h, skip, p->emb, EPS);
    if (exists(p, lt_name_of("%s.1.norm.", name).text))
        h = lt_spatial_transformer(&p->nn, lt_name_of("%s.1", name).text, h, &p->inputs);
    return h;
}

static lt_node *go_down(lt_unet_pass *p, lt_node *h) {
    const int blocks = lt_weights_count_indexed(p->nn.weights, UNET "input_blocks.");
    for (int k = 0; k < blocks && k < MAX_SKIPS; k++) {
        const lt_name name = lt_name_of(UNET "input_blocks.%d", k), down = lt_name_of("%s.0.op", name.text);
        if (k == 0)
            h = lt_conv3x3(&p->nn, lt_name_of("%s.0", name.text).text, h);
        else if (exists(p, down.text))
            h = lt_conv_of(&p->nn, down.text, h,
                           (lt_conv_layer){.kernel = 3, .stride = 2, .pad_begin = 1, .pad_end = 1});
        else
            h = block(p, name.text, h, NULL);
        p->skips[p->depth++] = h;
    }
    return h;
}

static lt_node *middle(lt_unet_pass *p, lt_node *h) {
    h = lt_residual_block(&p->nn, UNET "middle_block.0", &names, h, NULL, p->emb, EPS);
    if (exists(p, UNET "middle_block.1.norm."))
        h = lt_spatial_transformer(&p->nn, UNET "middle_block.1", h, &p->inputs);
    return lt_residual_block(&p->nn, UNET "middle_block.2", &names, h, NULL, p->emb, EPS);
}

/* Twice the size, or the size of the skip that comes next where a size was odd; then a 3x3 convolution. */
static lt_node *upsample(lt_unet_pass *p, const char *block_name, lt_node *h) {
    for (int slot = 1; slot <= 2; slot++) {
        const lt_name conv = lt_name_of("%s.%d.conv", block_name, slot);
        if (p->nn.graph->status || !p->depth || !exists(p, lt_name_of("%s.", conv.text).text)) continue;
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
        h = block(p, name.text, h, p->skips[--p->depth]);
        h = upsample(p, name.text, h);
    }
    return h;
}

lt_status lt_unet_build(const lt_unet *unet, int n, int h, int w, int tokens, lt_graph *graph) {
    lt_unet_pass p = {.nn = {graph, unet->weights, "unet", unet->groups}};
    p.inputs.heads = unet->heads;
    p.inputs.head_size = unet->head_size;
    lt_node *x = lt_graph_input(graph, "x", (lt_shape){n, h, w, unet->in_channels}, LT_RATE_STEP);
    lt_node *t = lt_graph_input(graph, "t", (lt_shape){n, 1, 1, 1}, LT_RATE_STEP);
    if (unet->context_dim) {
        p.inputs.context =
            lt_graph_input(graph, "context", (lt_shape){n, 1, tokens, unet->context_dim}, LT_RATE_PROMPT);
        p.inputs.context_lengths = lt_graph_input(graph, "context_lengths", (lt_shape){n, 1, 1, 1}, LT_RATE_PROMPT);
    }
    p.emb = time_embedding(&p.nn, t, lt_channels_of(&p.nn, UNET "input_blocks.0.0"));
    lt_node *y = go_up(&p, middle(&p, go_down(&p, x)));
    y = lt_group_norm(&p.nn, UNET "out.0", y, (lt_group_norm_layer){.eps = EPS, .activation = LT_ACT_SILU});
    lt_graph_output(graph, lt_conv3x3(&p.nn, UNET "out.2", y), "out");
    return graph->status;
}
