/* The blocks that the models are built of. */
#include "nn/nn.h"

/* name.part */
#define SUB(part) lt_name_of("%s.%s", name, part).text

static bool has_weight(const lt_nn *nn, const char *name) {
    return lt_weights_has_prefix(nn->weights, lt_name_of("%s.", name).text);
}

lt_node *lt_residual_block(lt_nn *nn, const char *name, const lt_residual_names *names, lt_node *x, lt_node *skip,
                           lt_node *emb, float eps) {
    const bool entered = lt_graph_enter_segment(nn->graph);
    lt_node *shortcut = x; /* first, so that the norm behind it may take x's memory */
    if (skip || has_weight(nn, SUB(names->shortcut)))
        shortcut = lt_conv_of(nn, SUB(names->shortcut), x, (lt_conv_layer){.skip = skip});
    lt_node *h = lt_group_norm(nn, SUB(names->norm1), x, (lt_group_norm_layer){eps, LT_ACT_SILU, .skip = skip});
    h = lt_conv3x3(nn, SUB(names->conv1), h);
    lt_node *vector = emb ? lt_linear(nn, SUB(names->time), emb) : NULL;
    h = lt_group_norm(nn, SUB(names->norm2), h, (lt_group_norm_layer){eps, LT_ACT_SILU, .vector = vector});
    h = lt_conv_of(nn, SUB(names->conv2), h,
                   (lt_conv_layer){.kernel = 3, .pad_begin = 1, .pad_end = 1, .residual = shortcut});
    lt_graph_leave_segment(nn->graph, entered);
    return h;
}

/* ---- The U-Net's transformer ---- */

/* out + weights * attention(q, keys, values) of each image prompt. */
static lt_node *attend_images(lt_nn *nn, lt_node *out, lt_node *q, int heads, const lt_transformer_inputs *inputs) {
    for (int i = 0; i < inputs->image_count && !nn->graph->status; i++) {
        const lt_shape shape = {q->operation.out.n, 1, inputs->images[i].tokens, q->operation.out.c};
        lt_node *k = lt_graph_input(nn->graph, (lt_input){"image_keys", shape, LT_RATE_PROMPT});
        lt_node *v = lt_graph_input(nn->graph, (lt_input){"image_values", shape, LT_RATE_PROMPT});
        lt_node *more = lt_attention(nn, q, k, v, NULL, heads, false);
        out = lt_add_weighed(nn, out, more, inputs->images[i].weights);
    }
    return out;
}

/* x (NULL: nothing) + to_out(attention(to_q(h), to_k(context), to_v(context))); of the prompt's context also what
 * image prompts add. */
static lt_node *attend(lt_nn *nn, const char *name, lt_node *x, lt_node *h, lt_node *context, lt_node *lengths,
                       const lt_transformer_inputs *inputs) {
    const lt_conv_layer no_bias = {.no_bias = true};
    if (nn->graph->status) return NULL;
    if (!context) {
        lt_graph_fail(nn->graph, lt_fail(LT_ERROR_MODEL, "%s: %s has nothing to attend to", nn->model, name));
        return NULL;
    }
    lt_node *q = lt_conv_of(nn, SUB("to_q"), h, no_bias);
    lt_node *k = lt_conv_of(nn, SUB("to_k"), context, no_bias);
    lt_node *v = lt_conv_of(nn, SUB("to_v"), context, no_bias);
    if (nn->graph->status) return NULL;
    if (!inputs->heads && q->operation.out.c < inputs->head_size) {
        lt_graph_fail(nn->graph, lt_fail(LT_ERROR_MODEL, "%s: %s has %d channels, less than a head of %d", nn->model,
                                         name, q->operation.out.c, inputs->head_size));
        return NULL;
    }
    const int heads = inputs->heads ? inputs->heads : q->operation.out.c / inputs->head_size;
    lt_node *out = lt_attention(nn, q, k, v, lengths, heads, false);
    if (context == inputs->context) lt_graph_place(nn->graph, out, name);
    if (context == inputs->context) out = attend_images(nn, out, q, heads, inputs);
    return lt_conv_of(nn, SUB("to_out.0"), out, (lt_conv_layer){.residual = x});
}

/* x + attention of h to itself, over fewer tokens: those of x that are alike are one (Bolya & Hoffman 2023). */
static lt_node *attend_merged(lt_nn *nn, const char *name, lt_node *x, lt_node *h,
                              const lt_transformer_inputs *inputs) {
    lt_node *places = lt_match_tokens(nn, x, inputs->merged);
    h = lt_merge_tokens(nn, h, places, inputs->merged);
    h = attend(nn, name, NULL, h, h, NULL, inputs);
    return lt_unmerge_tokens(nn, h, places, x, inputs->merged);
}

/* x + a block's first attention. */
static lt_node *attend_first(lt_nn *nn, const char *name, lt_node *x, lt_node *h, const lt_transformer_inputs *inputs) {
    lt_transformer_inputs text = *inputs;
    text.image_count = 0;
    if (inputs->crossed) return attend(nn, name, x, h, text.context, text.context_lengths, &text);
    return inputs->merged ? attend_merged(nn, name, x, h, inputs) : attend(nn, name, x, h, h, NULL, inputs);
}

static lt_node *transformer_block(lt_nn *nn, const char *name, lt_node *x, const lt_transformer_inputs *inputs) {
    lt_node *h = lt_layer_norm(nn, SUB("norm1"), x);
    x = attend_first(nn, SUB("attn1"), x, h, inputs);
    if (has_weight(nn, SUB("attn2"))) {
        h = lt_layer_norm(nn, SUB("norm2"), x);
        x = attend(nn, SUB("attn2"), x, h, inputs->context, inputs->context_lengths, inputs);
    }
    h = lt_layer_norm(nn, SUB("norm3"), x);
    h = lt_conv_of(nn, SUB("ff.net.0.proj"), h, (lt_conv_layer){.activation = LT_ACT_GEGLU});
    return lt_conv_of(nn, SUB("ff.net.2"), h, (lt_conv_layer){.residual = x});
}

lt_node *lt_spatial_transformer(lt_nn *nn, const char *name, lt_node *x, int depth,
                                const lt_transformer_inputs *inputs) {
    const bool entered = lt_graph_enter_segment(nn->graph);
    lt_node *h = lt_group_norm(nn, SUB("norm"), x, (lt_group_norm_layer){.eps = 1e-6f});
    h = lt_linear(nn, SUB("proj_in"), h);
    for (int i = 0; i < depth; i++)
        h = transformer_block(nn, lt_name_of("%s.transformer_blocks.%d", name, i).text, h, inputs);
    h = lt_conv_of(nn, SUB("proj_out"), h, (lt_conv_layer){.residual = x});
    lt_graph_leave_segment(nn->graph, entered);
    return h;
}

/* ---- CLIP ---- */

lt_node *lt_clip_layer(lt_nn *nn, const char *name, lt_node *x, int heads, bool causal, lt_activation activation) {
    const bool entered = lt_graph_enter_segment(nn->graph);
    lt_node *h = lt_layer_norm(nn, SUB("layer_norm1"), x);
    lt_node *q = lt_linear(nn, SUB("self_attn.q_proj"), h);
    lt_node *k = lt_linear(nn, SUB("self_attn.k_proj"), h);
    lt_node *v = lt_linear(nn, SUB("self_attn.v_proj"), h);
    h = lt_attention(nn, q, k, v, NULL, heads, causal);
    x = lt_conv_of(nn, SUB("self_attn.out_proj"), h, (lt_conv_layer){.residual = x});
    h = lt_layer_norm(nn, SUB("layer_norm2"), x);
    h = lt_conv_of(nn, SUB("mlp.fc1"), h, (lt_conv_layer){.activation = activation});
    x = lt_conv_of(nn, SUB("mlp.fc2"), h, (lt_conv_layer){.residual = x});
    lt_graph_leave_segment(nn->graph, entered);
    return x;
}
