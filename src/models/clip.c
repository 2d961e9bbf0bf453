/* CLIP's two towers. */
#include "models/clip.h"

#include "models/shapes.h"
#include "nn/nn.h"
#include "text/text.h"

#include <math.h>

const float lt_clip_mean[3] = {0.48145466f, 0.4578275f, 0.40821073f};
const float lt_clip_deviation[3] = {0.26862954f, 0.26130258f, 0.27577711f};

void lt_normalise(float *row, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)row[i] * row[i];
    const double scale = sum > 0 ? 1 / sqrt(sum) : 0;
    for (size_t i = 0; i < n; i++) row[i] = (float)(row[i] * scale);
}

/* OpenCLIP's towers whose heads are wider than the usual 64: ViT-H, ViT-g and ViT-bigG's image towers. */
static const struct { int width, head; } wide[] = {{1280, 80}, {1408, 88}, {1664, 104}};

static int heads_of(int width) { return width >= 64 ? width / 64 : 1; }

static int image_heads_of(int width) {
    for (size_t i = 0; i < LT_COUNT(wide); i++)
        if (wide[i].width == width) return width / wide[i].head;
    return heads_of(width);
}

/* OpenAI's image towers are 768 and 1024 wide. Where both towers are there and neither is OpenCLIP's by its size, they
 * are taken for OpenAI's; an image tower alone, as IP-Adapters read it, for OpenCLIP's. */
static lt_activation image_activation_of(const lt_weights *weights, int width) {
    bool open = !lt_weights_has_prefix(weights, "text_model.") && width != 768 && width != 1024;
    for (size_t i = 0; i < LT_COUNT(wide); i++) open |= wide[i].width == width;
    return open ? LT_ACT_GELU : LT_ACT_QUICK_GELU;
}

/* ---- Text ---- */

static lt_name text_name(const lt_clip_text *text, const char *rest) { return lt_name_of("%s%s", text->prefix, rest); }

int lt_clip_text_layers(const lt_clip_text *text) {
    const lt_names names = lt_names_of_weights(text->weights, text->prefix, "clip");
    return lt_names_count(&names, "encoder.layers.");
}

/* What weights hold under prefix, of OpenAI's kind. */
static lt_status open_text(lt_weights *weights, const char *prefix, const char *projected_by, lt_clip_text *text) {
    *text = (lt_clip_text){.weights = weights,
                           .prefix = prefix,
                           .activation = LT_ACT_QUICK_GELU,
                           .pad = LT_TOKEN_END,
                           .state = "out",
                           .projected_by = projected_by};
    const lt_name table = text_name(text, "embeddings.position_embedding.weight");
    const lt_name projection = lt_name_of("%s.weight", projected_by);
    const lt_names names = lt_names_of_weights(weights, "", "clip");
    LT_TRY(lt_weight_dim("clip", weights, table.text, 2, 0, &text->positions));
    LT_TRY(lt_weight_dim("clip", weights, table.text, 2, 1, &text->width));
    lt_clip_text_read(&names, prefix, text);
    text->heads = heads_of(text->width);
    if (!lt_weights_find(weights, projection.text)) return LT_OK;
    return lt_weight_dim("clip", weights, projection.text, 2, 0, &text->projection);
}

lt_status lt_clip_texts_open(lt_weights *weights, lt_clip_text *text, lt_clip_text *text_2) {
    static const char *const prefixes[] = {"cond_stage_model.transformer.text_model.", "text_model."};
    static const char second[] = "conditioner.embedders.1.transformer.text_model.";
    *text = *text_2 = (lt_clip_text){0};
    for (size_t i = 0; i < LT_COUNT(prefixes) && !text->prefix; i++)
        if (lt_weights_has_prefix(weights, prefixes[i]))
            LT_TRY(open_text(weights, prefixes[i], "text_projection", text));
    if (!lt_weights_has_prefix(weights, second)) return LT_OK;
    LT_TRY(open_text(weights, second, "conditioner.embedders.1.transformer.text_projection", text_2));
    text->state = text_2->state = "penultimate";
    text_2->activation = LT_ACT_GELU; /* OpenCLIP's */
    text_2->pad = 0;
    return LT_OK;
}

lt_clip_inputs lt_clip_inputs_of(lt_plan *plan) {
    return (lt_clip_inputs){lt_plan_port(plan, "ids"), lt_plan_port(plan, "end")};
}

static void find_end(const lt_clip_inputs *inputs, int row) {
    const size_t positions = (size_t)lt_port_shape(inputs->ids).w, first = (size_t)row * positions;
    int32_t id = 0, at = 0;
    for (; (size_t)at < positions - 1; at++) {
        lt_port_read_i32(inputs->ids, first + (size_t)at, &id, 1);
        if (id == LT_TOKEN_END) break;
    }
    lt_port_write_i32(inputs->end, (size_t)row, &at, 1);
}

void lt_clip_write_ids(const lt_clip_inputs *inputs, int row, const int32_t *ids) {
    const size_t positions = (size_t)lt_port_shape(inputs->ids).w;
    lt_port_write_i32(inputs->ids, (size_t)row * positions, ids, positions);
    find_end(inputs, row);
}

void lt_clip_find_ends(const lt_clip_inputs *inputs) {
    for (int row = 0; row < lt_port_shape(inputs->ids).n; row++) find_end(inputs, row);
}

lt_status lt_clip_text_build(const lt_clip_text *text, int n, int skip, bool embed, lt_graph *graph) {
    return lt_clip_text_build_with(text, n, skip, embed, 0, graph);
}

/* The vectors that ids under 0 stand for: an input, or weights that learn. */
static lt_node *further_vectors(const lt_clip_text *text, int vectors, lt_nn *nn) {
    const lt_name learned = text_name(text, LT_CLIP_VECTORS);
    if (vectors) return lt_graph_input(nn->graph, (lt_input){"vectors", {1, 1, vectors, text->width}, LT_RATE_PROMPT});
    return lt_weights_find(text->weights, learned.text) ? lt_learned_tokens(nn, learned.text, 1) : NULL;
}

static lt_node *embed_tokens(const lt_clip_text *text, int n, int vectors, lt_nn *nn) {
    const lt_shape shape = {n, 1, text->positions, 1};
    lt_node *ids = lt_graph_input(nn->graph, (lt_input){"ids", shape, LT_RATE_PROMPT, LT_VALUE_I32});
    return lt_token_embedding(nn, text_name(text, "embeddings.token_embedding.weight").text,
                              text_name(text, "embeddings.position_embedding.weight").text, ids,
                              further_vectors(text, vectors, nn));
}

/* h, what feeds layer number first, behind all before `end`. */
static lt_node *run_text_layers(const lt_clip_text *text, lt_nn *nn, lt_node *h, int first, int end) {
    for (int i = first; i < end; i++) {
        const lt_name layer = lt_name_of("%sencoder.layers.%d", text->prefix, i);
        h = lt_clip_layer(nn, layer.text, h, text->heads, true, text->activation);
        lt_graph_place(nn->graph, h, layer.text);
    }
    return h;
}

/* out: after the final norm. */
static void embed_text(const lt_clip_text *text, int n, lt_nn *nn, lt_node *out) {
    lt_node *end = lt_graph_input(nn->graph, (lt_input){"end", {n, 1, 1, 1}, LT_RATE_PROMPT, LT_VALUE_I32});
    lt_node *pooled = lt_pick_row(nn, out, end);
    lt_graph_output(nn->graph, lt_conv_of(nn, text->projected_by, pooled, (lt_conv_layer){.no_bias = true}),
                    "text_embeds");
}

lt_status lt_clip_text_build_with(const lt_clip_text *text, int n, int skip, bool embed, int vectors, lt_graph *graph) {
    if (skip < 0 || skip >= text->layers)
        return lt_fail(LT_ERROR_ARGUMENT, "`clip_skip` %d: 1 to %d, this text encoder's layers, is possible", skip + 1,
                       text->layers);
    lt_nn nn = {graph, text->weights, "clip", 0};
    const lt_name norm = text_name(text, "final_layer_norm");
    const int end = text->layers - skip, last = lt_clip_text_layers(text) - 1, before = end < last ? end : last;
    graph->maker = "text encoder";
    lt_node *h = embed_tokens(text, n, vectors, &nn);
    lt_graph_place(graph, h, text_name(text, "embeddings").text);
    h = run_text_layers(text, &nn, h, 0, before);
    lt_graph_output(graph, h, "penultimate");
    h = run_text_layers(text, &nn, h, before, end);
    lt_node *out = lt_layer_norm(&nn, norm.text, h);
    lt_graph_output(graph, out, "out");
    if (!embed) return graph->status;
    h = run_text_layers(text, &nn, h, end, text->layers);
    embed_text(text, n, &nn, skip ? lt_layer_norm(&nn, norm.text, h) : out);
    return graph->status;
}

/* ---- Image ---- */

lt_status lt_clip_image_open(lt_weights *weights, lt_clip_image *image) {
    *image = (lt_clip_image){.weights = weights};
    const char *patches = "vision_model.embeddings.patch_embedding.weight";
    const char *table = "vision_model.embeddings.position_embedding.weight";
    const lt_names names = lt_names_of_weights(weights, "", "clip");
    int positions;
    LT_TRY(lt_weight_dim("clip", weights, patches, 4, 0, &image->width));
    LT_TRY(lt_weight_dim("clip", weights, patches, 4, 2, &image->patch));
    LT_TRY(lt_weight_dim("clip", weights, table, 2, 0, &positions));
    LT_TRY(lt_weight_dim("clip", weights, "visual_projection.weight", 2, 0, &image->projection));
    lt_clip_image_read(&names, image);
    image->heads = image_heads_of(image->width);
    image->activation = image_activation_of(weights, image->width);
    image->size = (int)lround(sqrt(positions - 1)) * image->patch;
    return LT_OK;
}

static lt_node *pixels_of(const lt_clip_image *image, int n, lt_graph *graph) {
    const lt_shape shape = {n, image->size, image->size, 3};
    graph->maker = "image encoder";
    return lt_graph_input(graph, (lt_input){"pixels", shape, LT_RATE_PROMPT});
}

/* What comes out of the first layers. */
static lt_node *run_layers(lt_nn *nn, const lt_clip_image *image, lt_node *x, int layers) {
    x = lt_conv_of(nn, "vision_model.embeddings.patch_embedding", x,
                   (lt_conv_layer){.kernel = image->patch, .stride = image->patch, .no_bias = true});
    x = lt_class_token(nn, "vision_model.embeddings.class_embedding",
                       "vision_model.embeddings.position_embedding.weight", x);
    x = lt_layer_norm(nn, "vision_model.pre_layrnorm", x); /* the checkpoints' own spelling */
    lt_graph_place(nn->graph, x, "vision_model.embeddings");
    for (int i = 0; i < layers; i++) {
        const lt_name layer = lt_name_of("vision_model.encoder.layers.%d", i);
        x = lt_clip_layer(nn, layer.text, x, image->heads, false, image->activation);
        lt_graph_place(nn->graph, x, layer.text);
    }
    return x;
}

lt_status lt_clip_image_build(const lt_clip_image *image, int n, lt_graph *graph) {
    return lt_clip_image_append(image, pixels_of(image, n, graph), graph);
}

lt_status lt_clip_image_append(const lt_clip_image *image, lt_node *x, lt_graph *graph) {
    lt_nn nn = {graph, image->weights, "clip", 0};
    x = run_layers(&nn, image, x, image->layers);
    x = lt_layer_norm(&nn, "vision_model.post_layernorm", lt_pick_row(&nn, x, NULL));
    lt_graph_output(graph, lt_conv_of(&nn, "visual_projection", x, (lt_conv_layer){.no_bias = true}), "image_embeds");
    return graph->status;
}

lt_status lt_clip_image_build_states(const lt_clip_image *image, int n, lt_graph *graph) {
    lt_nn nn = {graph, image->weights, "clip", 0};
    lt_graph_output(graph, run_layers(&nn, image, pixels_of(image, n, graph), image->layers - 1), "penultimate");
    return graph->status;
}
