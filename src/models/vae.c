/* The variational autoencoder. */
#include "models/vae.h"

#include "models/shapes.h"
#include "nn/nn.h"

#define VAE "first_stage_model."

static const float EPS = 1e-6f;

static const lt_residual_names names = {"norm1", "conv1", NULL, "norm2", "conv2", "nin_shortcut"};

lt_status lt_vae_open(lt_weights *weights, lt_vae *vae) {
    *vae = (lt_vae){.weights = weights, .groups = 32, .factor = 1, .scaling = 0.18215f};
    LT_TRY(lt_weight_dim("vae", weights, VAE "decoder.conv_in.weight", 4, 1, &vae->latent_channels));
    const int levels = lt_weights_count_indexed(weights, VAE "decoder.up.");
    if (levels > 16) return lt_fail(LT_ERROR_MODEL, "vae: %d levels are too many", levels);
    for (int i = 0; i < levels; i++)
        if (lt_weights_has_prefix(weights, lt_name_of(VAE "decoder.up.%d.upsample.", i).text)) vae->factor *= 2;
    vae->has_encoder = lt_weights_has_prefix(weights, VAE "encoder.");
    return LT_OK;
}

/* One head as wide as the channels. */
static lt_node *attention_block(lt_nn *nn, const char *name, lt_node *x) {
    const bool entered = lt_graph_enter_block(nn->graph);
    lt_node *h = lt_group_norm(nn, lt_name_of("%s.norm", name).text, x, (lt_group_norm_layer){.eps = EPS});
    lt_node *q = lt_linear(nn, lt_name_of("%s.q", name).text, h);
    lt_node *k = lt_linear(nn, lt_name_of("%s.k", name).text, h);
    lt_node *v = lt_linear(nn, lt_name_of("%s.v", name).text, h);
    h = lt_conv_of(nn, lt_name_of("%s.proj_out", name).text, lt_attention(nn, q, k, v, NULL, 1, false),
                   (lt_conv_layer){.residual = x});
    lt_graph_leave_block(nn->graph, entered);
    return h;
}

static lt_node *residual_block(lt_nn *nn, const char *name, lt_node *x) {
    return lt_residual_block(nn, name, &names, x, NULL, NULL, EPS);
}

static lt_node *middle(lt_nn *nn, const char *name, lt_node *h) {
    h = residual_block(nn, lt_name_of("%s.block_1", name).text, h);
    h = attention_block(nn, lt_name_of("%s.attn_1", name).text, h);
    return residual_block(nn, lt_name_of("%s.block_2", name).text, h);
}

/* All residual blocks of a level: "encoder.down.2" or "decoder.up.2". */
static lt_node *level_blocks(lt_nn *nn, const char *level, lt_node *h) {
    const int blocks = lt_weights_count_indexed(nn->weights, lt_name_of("%s.block.", level).text);
    for (int k = 0; k < blocks; k++) h = residual_block(nn, lt_name_of("%s.block.%d", level, k).text, h);
    return h;
}

static bool exists(const lt_nn *nn, const char *name) {
    return lt_weights_has_prefix(nn->weights, lt_name_of("%s.", name).text);
}

static lt_node *ending(lt_nn *nn, const char *half, lt_node *h) {
    h = lt_group_norm(nn, lt_name_of("%s.norm_out", half).text, h,
                      (lt_group_norm_layer){.eps = EPS, .activation = LT_ACT_SILU});
    return lt_conv3x3(nn, lt_name_of("%s.conv_out", half).text, h);
}

lt_status lt_vae_build_encoder(const lt_vae *vae, int n, int h, int w, lt_graph *graph) {
    lt_nn nn = {graph, vae->weights, "vae", vae->groups};
    graph->maker = "VAE encoder";
    lt_node *x = lt_graph_input(graph, "x", (lt_shape){n, h, w, 3}, LT_RATE_STEP);
    x = lt_conv3x3(&nn, VAE "encoder.conv_in", x);
    const int levels = lt_weights_count_indexed(nn.weights, VAE "encoder.down.");
    for (int i = 0; i < levels; i++) {
        const lt_name level = lt_name_of(VAE "encoder.down.%d", i), down = lt_name_of("%s.downsample.conv", level.text);
        x = level_blocks(&nn, level.text, x);
        /* zeros to the right and below only */
        if (exists(&nn, down.text))
            x = lt_conv_of(&nn, down.text, x, (lt_conv_layer){.kernel = 3, .stride = 2, .pad_end = 1});
    }
    x = ending(&nn, VAE "encoder", middle(&nn, VAE "encoder.mid", x));
    if (exists(&nn, VAE "quant_conv")) x = lt_linear(&nn, VAE "quant_conv", x);
    lt_graph_output(graph, x, "moments");
    return graph->status;
}

lt_status lt_vae_build_decoder(const lt_vae *vae, int n, int h, int w, lt_graph *graph) {
    const lt_shape shape = {n, h, w, vae->latent_channels};
    graph->maker = "VAE decoder";
    return lt_vae_append_decoder(vae, lt_graph_input(graph, "z", shape, LT_RATE_STEP), graph);
}

lt_status lt_vae_append_decoder(const lt_vae *vae, lt_node *x, lt_graph *graph) {
    lt_nn nn = {graph, vae->weights, "vae", vae->groups};
    if (exists(&nn, VAE "post_quant_conv")) x = lt_linear(&nn, VAE "post_quant_conv", x);
    x = middle(&nn, VAE "decoder.mid", lt_conv3x3(&nn, VAE "decoder.conv_in", x));
    for (int i = lt_weights_count_indexed(nn.weights, VAE "decoder.up.") - 1; i >= 0; i--) {
        const lt_name level = lt_name_of(VAE "decoder.up.%d", i), up = lt_name_of("%s.upsample.conv", level.text);
        x = level_blocks(&nn, level.text, x);
        if (graph->status || !exists(&nn, up.text)) continue;
        const lt_shape s = x->operation.out;
        x = lt_conv3x3(&nn, up.text, lt_upsample(&nn, x, 2 * s.h, 2 * s.w));
    }
    lt_graph_output(graph, ending(&nn, VAE "decoder", x), "out");
    return graph->status;
}
