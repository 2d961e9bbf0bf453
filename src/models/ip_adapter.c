/* A picture as a prompt. */
#include "models/ip_adapter.h"

#include "models/shapes.h"

enum { HEAD = 64 }; /* channels of the resampler's heads, which no file tells */

#define SAME(name)                                                                                                     \
    { name, name }

static const lt_row projection[] = {
    {SAME("proj"), LT_KIND_LINEAR, LT_OUT, LT_IN},
    {SAME("norm"), LT_KIND_NORM, LT_OUT},
    {SAME("perceiver_resampler"), LT_KIND_LINEAR, .old = true}, /* of a kind that is not served */
};

static const lt_row resampler[] = {
    {SAME("latents"), LT_KIND_VECTOR, LT_OUT},
    {SAME("proj_in"), LT_KIND_LINEAR, LT_OUT, LT_IN},
    {SAME("proj_out"), LT_KIND_LINEAR, LT_CONTEXT, LT_OUT},
    {SAME("norm_out"), LT_KIND_NORM, LT_CONTEXT},
};

static const lt_row resampler_layer[] = {
    {SAME("0.norm1"), LT_KIND_NORM, LT_OUT},
    {SAME("0.norm2"), LT_KIND_NORM, LT_OUT},
    {SAME("0.to_q"), LT_KIND_MATRIX, LT_HIDDEN, LT_OUT},
    {SAME("0.to_kv"), LT_KIND_MATRIX, LT_HIDDEN, LT_OUT},
    {SAME("0.to_out"), LT_KIND_MATRIX, LT_OUT, LT_HIDDEN},
    {SAME("1.0"), LT_KIND_NORM, LT_OUT},
    {SAME("1.1"), LT_KIND_MATRIX, LT_HIDDEN, LT_OUT},
    {SAME("1.3"), LT_KIND_MATRIX, LT_OUT, LT_HIDDEN},
};

static const lt_row of_attention[] = {
    {SAME("to_k_ip"), LT_KIND_MATRIX, LT_OUT, LT_CONTEXT},
    {SAME("to_v_ip"), LT_KIND_MATRIX, LT_OUT, LT_CONTEXT},
};

/* ---- The walk ---- */

/* diffusers counts all attentions, those of a picture to itself too: the text's are the odd ones. */
static int number_of(int attention) { return 2 * attention + 1; }

void lt_ip_adapter_walk(const lt_ip_adapter *a, lt_walk *w) {
    if (a->plus)
        lt_walk_visit(w, LT_STEP_NONE, a->embed, a->context_dim, LT_ROWS(resampler), "image_proj");
    else
        lt_walk_visit(w, LT_STEP_NONE, a->embed, a->context_dim, LT_ROWS(projection), "image_proj");
    for (int i = 0; i < a->layers; i++)
        lt_walk_visit(w, LT_STEP_NONE, a->embed, a->embed, LT_ROWS(resampler_layer), "image_proj.layers.%d", i);
    for (int i = 0; i < a->attentions; i++)
        lt_walk_visit(w, LT_STEP_NONE, a->context_dim, a->context_dim, LT_ROWS(of_attention), "ip_adapter.%d",
                      number_of(i));
}

void lt_ip_adapter_read(const lt_names *names, lt_ip_adapter *a) {
    a->plus = lt_names_have(names, "image_proj.latents");
    a->layers = a->plus ? lt_names_count(names, "image_proj.layers.") : 0;
    a->attentions = lt_names_count(names, "ip_adapter.") / 2;
}

/* ---- Opening ---- */

static const char MODEL[] = "image prompt";

/* What the other kinds have, and what they are. */
static const struct {
    const char *prefix, *kind;
} unserved[] = {
    {"image_proj.perceiver_resampler.",
     "FaceID Plus, which reads a face's embedding that another program (InsightFace) makes"},
    {"image_proj.proj.3.", "the full-face kind, which reads all of the tower's states through a network"},
    {"image_proj.proj.0.", "FaceID, which reads a face's embedding that another program (InsightFace) makes"},
};

static lt_status check_kind(const lt_weights *weights) {
    const lt_names names = lt_names_of_weights(weights, "", MODEL);
    if (lt_names_have(&names, "image_proj.latents") || lt_names_have(&names, "image_proj.proj.weight")) return LT_OK;
    for (size_t i = 0; i < LT_COUNT(unserved); i++)
        if (lt_names_have(&names, "%s", unserved[i].prefix))
            return lt_fail(LT_ERROR_UNSUPPORTED, "an IP-Adapter of %s; served are the plain kind and Plus",
                           unserved[i].kind);
    return lt_fail(LT_ERROR_MODEL, "an IP-Adapter without image_proj: its projection is missing");
}

static lt_status open_plain(lt_weights *w, lt_ip_adapter *a) {
    int channels;
    LT_TRY(lt_weight_dim(MODEL, w, "image_proj.proj.weight", 2, 1, &a->embed));
    LT_TRY(lt_weight_dim(MODEL, w, "image_proj.proj.weight", 2, 0, &channels));
    if (channels % a->context_dim)
        return lt_fail(LT_ERROR_MODEL, "%s: image_proj.proj.weight makes %d numbers, which are no tokens of %d", MODEL,
                       channels, a->context_dim);
    a->tokens = channels / a->context_dim;
    return LT_OK;
}

lt_status lt_ip_adapter_open(lt_weights *weights, lt_ip_adapter *a) {
    const lt_names names = lt_names_of_weights(weights, "", MODEL);
    *a = (lt_ip_adapter){.weights = weights};
    LT_TRY(check_kind(weights));
    lt_ip_adapter_read(&names, a);
    LT_TRY(lt_weight_dim(MODEL, weights, "ip_adapter.1.to_k_ip.weight", 2, 1, &a->context_dim));
    if (a->attentions > LT_MAX_ATTENTIONS)
        return lt_fail(LT_ERROR_MODEL, "%s: %d attentions; up to %d are possible", MODEL, a->attentions,
                       LT_MAX_ATTENTIONS);
    if (!a->plus) return open_plain(weights, a);
    LT_TRY(lt_weight_dim(MODEL, weights, "image_proj.proj_in.weight", 2, 1, &a->embed));
    return lt_weight_dim(MODEL, weights, "image_proj.latents", 3, 1, &a->tokens);
}

/* ---- The forward pass ---- */

static const lt_conv_layer no_bias = {.no_bias = true};

/* Queries are the tokens; keys and values the picture's states and the tokens behind them. */
static lt_node *look(lt_nn *nn, const char *name, lt_node *tokens, lt_node *states) {
    lt_node *x = lt_layer_norm(nn, lt_name_of("%s.norm1", name).text, states);
    lt_node *h = lt_layer_norm(nn, lt_name_of("%s.norm2", name).text, tokens);
    lt_node *q = lt_conv_of(nn, lt_name_of("%s.to_q", name).text, h, no_bias);
    lt_node *kv = lt_conv_of(nn, lt_name_of("%s.to_kv", name).text, lt_join_tokens(nn, x, h), no_bias);
    if (nn->graph->status) return NULL;
    const int inner = q->operation.out.c, heads = inner > HEAD ? inner / HEAD : 1;
    h = lt_attention(nn, q, lt_channels(nn, kv, 0, inner), lt_channels(nn, kv, inner, inner), NULL, heads, false);
    return lt_conv_of(nn, lt_name_of("%s.to_out", name).text, h, (lt_conv_layer){.no_bias = true, .residual = tokens});
}

static lt_node *feed(lt_nn *nn, const char *name, lt_node *tokens) {
    lt_node *h = lt_layer_norm(nn, lt_name_of("%s.0", name).text, tokens);
    h = lt_conv_of(nn, lt_name_of("%s.1", name).text, h, (lt_conv_layer){.no_bias = true, .activation = LT_ACT_GELU});
    return lt_conv_of(nn, lt_name_of("%s.3", name).text, h, (lt_conv_layer){.no_bias = true, .residual = tokens});
}

static lt_node *resample(lt_nn *nn, const lt_ip_adapter *a, int n, lt_node *embeds) {
    lt_node *states = lt_linear(nn, "image_proj.proj_in", embeds);
    lt_node *tokens = lt_learned_tokens(nn, "image_proj.latents", n);
    for (int i = 0; i < a->layers; i++) {
        tokens = look(nn, lt_name_of("image_proj.layers.%d.0", i).text, tokens, states);
        tokens = feed(nn, lt_name_of("image_proj.layers.%d.1", i).text, tokens);
    }
    return lt_layer_norm(nn, "image_proj.norm_out", lt_linear(nn, "image_proj.proj_out", tokens));
}

static lt_node *project(lt_nn *nn, const lt_ip_adapter *a, lt_node *embeds) {
    lt_node *tokens = lt_reshape(nn, lt_linear(nn, "image_proj.proj", embeds), a->tokens);
    return lt_layer_norm(nn, "image_proj.norm", tokens);
}

lt_status lt_ip_adapter_build(const lt_ip_adapter *a, int n, int states, lt_graph *graph) {
    lt_nn nn = {graph, a->weights, MODEL, 0};
    graph->maker = MODEL;
    lt_node *embeds = lt_graph_input(graph, (lt_input){"embeds", {n, 1, states, a->embed}, LT_RATE_PROMPT});
    lt_node *tokens = a->plus ? resample(&nn, a, n, embeds) : project(&nn, a, embeds);
    lt_graph_output(graph, tokens, "ip_tokens");
    for (int i = 0; i < a->attentions; i++) {
        const int number = number_of(i);
        lt_graph_output(graph, lt_conv_of(&nn, lt_name_of("ip_adapter.%d.to_k_ip", number).text, tokens, no_bias),
                        "image_keys");
        lt_graph_output(graph, lt_conv_of(&nn, lt_name_of("ip_adapter.%d.to_v_ip", number).text, tokens, no_bias),
                        "image_values");
    }
    return graph->status;
}

/* ---- Whose it is ---- */

static const char *made_for(const lt_ip_adapter *a) {
    return a->context_dim == 2048   ? ", as Stable Diffusion XL has them"
           : a->context_dim == 1024 ? ", as Stable Diffusion 2 has them"
           : a->context_dim == 768  ? ", as Stable Diffusion 1 has them"
                                    : "";
}

static lt_status check_channels(const lt_ip_adapter *a, const lt_attentions *all) {
    static const char *const parts[] = {"to_k_ip", "to_v_ip"};
    for (int i = 0; i < 2 * a->attentions; i++) {
        const lt_name name = lt_name_of("ip_adapter.%d.%s.weight", number_of(i / 2), parts[i % 2]);
        const int wanted = all->channels[lt_attention_running(all, i / 2)];
        int channels;
        LT_TRY(lt_weight_dim(MODEL, a->weights, name.text, 2, 0, &channels));
        if (channels != wanted)
            return lt_fail(LT_ERROR_MODEL, "%s: %s has %d channels, the model's attention %d", MODEL, name.text,
                           channels, wanted);
    }
    return LT_OK;
}

lt_status lt_ip_adapter_fits(const lt_ip_adapter *a, const lt_unet *unet) {
    lt_attentions all;
    lt_unet_attentions(unet, &all);
    if (a->context_dim != unet->context_dim)
        return lt_fail(LT_ERROR_MODEL,
                       "an IP-Adapter for another model: it is for contexts of %d channels%s; this model's have %d",
                       a->context_dim, made_for(a), unet->context_dim);
    if (a->attentions != all.count)
        return lt_fail(LT_ERROR_MODEL,
                       "an IP-Adapter for another model: it has keys and values for %d attentions; this model has %d",
                       a->attentions, all.count);
    return check_channels(a, &all);
}
