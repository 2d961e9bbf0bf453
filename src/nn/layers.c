/* Layers: weights looked up by name and checked, operations appended. */
#include "nn/nn.h"

#include <stdio.h>
#include <string.h>

lt_name lt_name_of(const char *format, ...) {
    lt_name name;
    va_list args;
    va_start(args, format);
    vsnprintf(name.text, sizeof name.text, format, args);
    va_end(args);
    return name;
}

/* ---- Weights ---- */

static lt_weight *find(lt_nn *nn, const char *name) {
    if (nn->graph->status) return NULL;
    lt_weight *w = lt_weights_find(nn->weights, name);
    if (!w) lt_graph_fail(nn->graph, lt_fail(LT_ERROR_MODEL, "%s: the checkpoint has no tensor %s", nn->model, name));
    const lt_status status = w && !w->tensor.forms ? lt_tensor_readable(&w->tensor) : LT_OK;
    if (!status) return w;
    lt_graph_fail(nn->graph, lt_fail_in(status, "%s", nn->model));
    return NULL;
}

static lt_weight *refuse(lt_nn *nn, const lt_weight *w, const char *expected) {
    char found[128];
    lt_tensor_shape_text(&w->tensor, found, sizeof found);
    lt_graph_fail(nn->graph, lt_fail(LT_ERROR_MODEL, "%s: %s has shape %s, expected %s", nn->model, w->tensor.name,
                                     found, expected));
    return NULL;
}

/* The weight of that name and size; a convolution of 1x1 may stand without its last two dimensions, and a linear layer
 * with them. */
static lt_weight *find_shaped(lt_nn *nn, const char *name, int rank, const size_t shape[4]) {
    lt_weight *w = find(nn, name);
    if (!w || lt_tensor_has_shape(&w->tensor, rank, shape)) return w;
    const bool pointwise = rank == 4 && shape[2] == 1 && shape[3] == 1;
    if (pointwise && lt_tensor_has_shape(&w->tensor, 2, shape)) return w;
    lt_tensor wanted = {.rank = pointwise ? 2 : rank};
    memcpy(wanted.shape, shape, 4 * sizeof *shape);
    char expected[128];
    lt_tensor_shape_text(&wanted, expected, sizeof expected);
    return refuse(nn, w, expected);
}

static lt_weight *find_vector(lt_nn *nn, const char *name, const char *part, int channels) {
    const size_t shape[4] = {(size_t)channels};
    return find_shaped(nn, lt_name_of("%s.%s", name, part).text, 1, shape);
}

static lt_weight *find_matrix(lt_nn *nn, const char *name) {
    lt_weight *w = find(nn, name);
    return !w || w->tensor.rank == 2 ? w : refuse(nn, w, "two dimensions");
}

int lt_channels_of(lt_nn *nn, const char *name) {
    const lt_weight *w = find(nn, lt_name_of("%s.weight", name).text);
    if (!w) return 0;
    if (w->tensor.rank >= 1 && w->tensor.shape[0] >= 1 && w->tensor.shape[0] <= 1 << 20) return (int)w->tensor.shape[0];
    refuse(nn, w, "a layer's");
    return 0;
}

/* ---- Layers ---- */

static lt_node *scaled(lt_nn *nn, lt_node *x, float by) {
    if (nn->graph->status || by == 1) return x;
    const int channels = x->operation.out.c;
    float *numbers = lt_calloc(2 * (size_t)channels, sizeof *numbers);
    for (int i = 0; numbers && i < channels; i++) numbers[i] = by;
    if (!numbers) lt_graph_fail(nn->graph, LT_ERROR_MEMORY);
    lt_node *y = numbers ? lt_affine(nn, x, numbers, channels) : NULL;
    lt_free(numbers);
    return y;
}

/* y + alpha / rank * up(down([x, skip])), down being a layer like the one beside which it is. */
static lt_node *add_pair(lt_nn *nn, const char *name, lt_node *x, lt_conv_layer like, lt_node *y) {
    const lt_weight *alpha = find(nn, lt_name_of("%s.alpha", name).text);
    const lt_conv_layer up = {.no_bias = true, .residual = y, .channels = y ? y->operation.out.c : 0};
    like = (lt_conv_layer){.kernel = like.kernel,
                           .stride = like.stride,
                           .pad_begin = like.pad_begin,
                           .pad_end = like.pad_end,
                           .no_bias = true,
                           .skip = like.skip};
    float scale = 1;
    lt_node *h = lt_conv_of(nn, lt_name_of("%s.lora_down", name).text, x, like);
    if (!h || !alpha) return NULL;
    lt_tensor_read_f32(&alpha->tensor, &scale);
    return lt_conv_of(nn, lt_name_of("%s.lora_up", name).text, scaled(nn, h, scale / (float)h->operation.out.c), up);
}

lt_node *lt_conv_of(lt_nn *nn, const char *name, lt_node *x, lt_conv_layer layer) {
    const bool pair = lt_weights_find(nn->weights, lt_name_of("%s.lora_down.weight", name).text);
    const int kernel = layer.kernel ? layer.kernel : 1;
    const int channels = layer.channels ? layer.channels : lt_channels_of(nn, name);
    if (nn->graph->status) return NULL;
    const int c = (layer.reads ? layer.reads : x->operation.out.c) + (layer.skip ? layer.skip->operation.out.c : 0);
    const size_t shape[4] = {(size_t)channels, (size_t)c, (size_t)kernel, (size_t)kernel};
    lt_weight *weight = find_shaped(nn, lt_name_of("%s.weight", name).text, 4, shape);
    lt_weight *bias = layer.no_bias ? NULL : find_vector(nn, name, "bias", channels);
    const lt_activation apart = nn->graph->training || pair ? layer.activation : LT_ACT_NONE;
    if (apart) layer.activation = LT_ACT_NONE;
    const lt_conv_options options = {
        .channels = layer.activation == LT_ACT_GEGLU ? channels / 2 : channels,
        .kernel = kernel,
        .stride = layer.stride ? layer.stride : 1,
        .pad_begin = layer.pad_begin,
        .pad_end = layer.pad_end,
        .wraps = layer.pad_begin > 0 && layer.pad_end > 0 ? nn->graph->wraps : LT_SEAMLESS_NONE,
        .activation = layer.activation,
        .alpha = layer.alpha,
        .reads = layer.reads,
        .width = layer.width,
        .append = layer.append,
    };
    lt_node *y = lt_graph_append(
        nn->graph, (lt_call){&lt_op_conv, {x, layer.skip, layer.residual}, {weight, bias}, LT_OPTIONS(options)});
    if (pair) y = add_pair(nn, name, x, layer, y);
    return lt_activate(nn, y, apart);
}

lt_node *lt_sum(lt_nn *nn, lt_node *a, lt_node *b) { return lt_graph_append(nn->graph, (lt_call){&lt_op_add, {a, b}}); }

lt_node *lt_activate(lt_nn *nn, lt_node *x, lt_activation activation) {
    const lt_activate_options options = {activation};
    return activation ? lt_graph_append(nn->graph, (lt_call){&lt_op_activate, {x}, LT_OPTIONS(options)}) : x;
}

lt_node *lt_group_norm(lt_nn *nn, const char *name, lt_node *x, lt_group_norm_layer layer) {
    if (nn->graph->status) return NULL;
    const int c = x->operation.out.c + (layer.skip ? layer.skip->operation.out.c : 0);
    const lt_group_norm_options options = {nn->groups, layer.eps, layer.activation};
    return lt_graph_append(nn->graph, (lt_call){&lt_op_group_norm,
                                                {x, layer.skip, layer.vector},
                                                {find_vector(nn, name, "weight", c), find_vector(nn, name, "bias", c)},
                                                LT_OPTIONS(options)});
}

lt_node *lt_layer_norm(lt_nn *nn, const char *name, lt_node *x) {
    if (nn->graph->status) return NULL;
    const int c = x->operation.out.c;
    const lt_layer_norm_options options = {1e-5f};
    return lt_graph_append(nn->graph, (lt_call){&lt_op_layer_norm,
                                                {x},
                                                {find_vector(nn, name, "weight", c), find_vector(nn, name, "bias", c)},
                                                LT_OPTIONS(options)});
}

lt_node *lt_attention(lt_nn *nn, lt_node *q, lt_node *k, lt_node *v, lt_node *lengths, int heads, bool causal) {
    const lt_attention_options options = {heads, causal};
    return lt_graph_append(nn->graph, (lt_call){&lt_op_attention, {q, k, v, lengths}, LT_OPTIONS(options)});
}

lt_node *lt_match_tokens(lt_nn *nn, lt_node *x, int merged) {
    const lt_token_merge options = {merged};
    return lt_graph_append(nn->graph, (lt_call){&lt_op_match_tokens, {x}, LT_OPTIONS(options)});
}

lt_node *lt_merge_tokens(lt_nn *nn, lt_node *x, lt_node *places, int merged) {
    const lt_token_merge options = {merged};
    return lt_graph_append(nn->graph, (lt_call){&lt_op_merge_tokens, {x, places}, LT_OPTIONS(options)});
}

lt_node *lt_unmerge_tokens(lt_nn *nn, lt_node *x, lt_node *places, lt_node *residual, int merged) {
    const lt_token_merge options = {merged};
    return lt_graph_append(nn->graph, (lt_call){&lt_op_unmerge_tokens, {x, places, residual}, LT_OPTIONS(options)});
}

lt_node *lt_upsample(lt_nn *nn, lt_node *x, int h, int w) {
    const lt_upsample_options options = {h, w};
    return lt_graph_append(nn->graph, (lt_call){&lt_op_upsample, {x}, LT_OPTIONS(options)});
}

lt_node *lt_shuffle(lt_nn *nn, lt_node *x, int factor, bool fine) {
    const lt_shuffle_options options = {factor, fine};
    return lt_graph_append(nn->graph, (lt_call){&lt_op_shuffle, {x}, LT_OPTIONS(options)});
}

lt_node *lt_blend(lt_nn *nn, lt_node *a, lt_node *b, lt_blend_options options) {
    return lt_graph_append(nn->graph, (lt_call){&lt_op_blend, {a, b}, LT_OPTIONS(options)});
}

lt_node *lt_prelu(lt_nn *nn, const char *name, lt_node *x) {
    if (nn->graph->status) return NULL;
    lt_weight *slopes = find_vector(nn, name, "weight", x->operation.out.c);
    return lt_graph_append(nn->graph, (lt_call){&lt_op_prelu, {x}, {slopes}});
}

lt_node *lt_halve(lt_nn *nn, lt_node *x) { return lt_graph_append(nn->graph, (lt_call){&lt_op_halve, {x}}); }

lt_node *lt_timestep(lt_nn *nn, lt_node *t, int channels) {
    const lt_timestep_options options = {channels};
    return lt_graph_append(nn->graph, (lt_call){&lt_op_timestep, {t}, LT_OPTIONS(options)});
}

lt_node *lt_token_embedding(lt_nn *nn, const char *table, const char *positions, lt_node *ids, lt_node *more) {
    lt_weight *t = find_matrix(nn, table), *p = find_matrix(nn, positions);
    if (t && p && t->tensor.shape[1] != p->tensor.shape[1]) refuse(nn, p, "as wide as the token embedding");
    return lt_graph_append(
        nn->graph, (lt_call){more ? &lt_op_token_embedding_extended : &lt_op_token_embedding, {ids, more}, {t, p}});
}

lt_node *lt_class_token(lt_nn *nn, const char *token, const char *positions, lt_node *patches) {
    if (nn->graph->status) return NULL;
    const size_t shape[4] = {(size_t)patches->operation.out.c};
    lt_weight *t = find_shaped(nn, token, 1, shape), *p = find_matrix(nn, positions);
    if (t && p && p->tensor.shape[1] != shape[0]) refuse(nn, p, "as wide as the class embedding");
    return lt_graph_append(nn->graph, (lt_call){&lt_op_class_token, {patches}, {t, p}});
}

lt_node *lt_pick_row(lt_nn *nn, lt_node *x, lt_node *index) {
    return lt_graph_append(nn->graph, (lt_call){&lt_op_pick_row, {x, index}});
}

lt_node *lt_learned_tokens(lt_nn *nn, const char *name, int n) {
    enum { MOST = 4096 };
    const lt_learned_options options = {n};
    lt_weight *w = find(nn, name);
    const size_t c = w && w->tensor.rank > 1 ? w->tensor.shape[w->tensor.rank - 1] : 0;
    if (w && (c < 1 || c > 1 << 20 || lt_tensor_count(&w->tensor) / c > MOST)) w = refuse(nn, w, "a list of tokens");
    return lt_graph_append(nn->graph, (lt_call){&lt_op_learned, .weight = {w}, LT_OPTIONS(options)});
}

lt_node *lt_join_tokens(lt_nn *nn, lt_node *a, lt_node *b) {
    return lt_graph_append(nn->graph, (lt_call){&lt_op_join_tokens, {a, b}});
}

lt_node *lt_channels(lt_nn *nn, lt_node *x, int first, int count) {
    const lt_channels_options options = {first, count};
    return lt_graph_append(nn->graph, (lt_call){&lt_op_channels, {x}, LT_OPTIONS(options)});
}

lt_node *lt_reshape(lt_nn *nn, lt_node *x, int tokens) {
    const lt_reshape_options options = {tokens};
    return lt_graph_append(nn->graph, (lt_call){&lt_op_reshape, {x}, LT_OPTIONS(options)});
}

lt_node *lt_add_weighed(lt_nn *nn, lt_node *a, lt_node *b, lt_node *weights) {
    return lt_graph_append(nn->graph, (lt_call){&lt_op_add_weighed, {a, b, weights}});
}

lt_node *lt_clip_crop(lt_nn *nn, lt_node *x, int size) {
    const lt_clip_crop_options options = {size};
    return lt_graph_append(nn->graph, (lt_call){&lt_op_clip_crop, {x}, LT_OPTIONS(options)});
}

lt_node *lt_affine(lt_nn *nn, lt_node *x, const float *numbers, int channels) {
    return lt_graph_append(nn->graph, (lt_call){&lt_op_affine,
                                                {x},
                                                .attributes = numbers,
                                                .attributes_size = 2 * (size_t)channels * sizeof *numbers});
}

lt_node *lt_cosine(lt_nn *nn, lt_node *a, lt_node *b) {
    return lt_graph_append(nn->graph, (lt_call){&lt_op_cosine, {a, b}});
}

lt_node *lt_cross_entropy(lt_nn *nn, lt_node *logits, lt_node *labels) {
    return lt_graph_append(nn->graph, (lt_call){&lt_op_cross_entropy, {logits, labels}});
}
