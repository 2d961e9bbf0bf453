/* The variational autoencoder. */
#include "models/vae.h"

#include "models/shapes.h"
#include "nn/nn.h"

#define VAE "first_stage_model."

static const float EPS = 1e-6f;

lt_status lt_vae_open(lt_weights *weights, lt_vae *vae) {
    const lt_names names = lt_names_of_weights(weights, VAE, "vae");
    *vae = (lt_vae){.weights = weights, .groups = 32, .scaling = 0.18215f};
    LT_TRY(lt_weight_dim("vae", weights, VAE "decoder.conv_in.weight", 4, 1, &vae->latent_channels));
    LT_TRY(lt_vae_read(&names, LT_NAMING_LDM, vae));
    vae->factor = 1 << (vae->levels - 1);
    return LT_OK;
}

/* One head as wide as the channels. */
static lt_node *attention_block(lt_nn *nn, const char *name, lt_node *x) {
    const bool entered = lt_graph_enter_segment(nn->graph);
    lt_node *h = lt_group_norm(nn, lt_name_of("%s.norm", name).text, x, (lt_group_norm_layer){.eps = EPS});
    lt_node *q = lt_linear(nn, lt_name_of("%s.q", name).text, h);
    lt_node *k = lt_linear(nn, lt_name_of("%s.k", name).text, h);
    lt_node *v = lt_linear(nn, lt_name_of("%s.v", name).text, h);
    h = lt_conv_of(nn, lt_name_of("%s.proj_out", name).text, lt_attention(nn, q, k, v, NULL, 1, false),
                   (lt_conv_layer){.residual = x});
    lt_graph_leave_segment(nn->graph, entered);
    return h;
}

static lt_node *ending(lt_nn *nn, const lt_place *place, lt_node *h) {
    const char *half = place->name[LT_NAMING_LDM];
    h = lt_group_norm(nn, lt_name_of(VAE "%s.norm_out", half).text, h,
                      (lt_group_norm_layer){.eps = EPS, .activation = LT_ACT_SILU});
    return lt_conv3x3(nn, lt_name_of(VAE "%s.conv_out", half).text, h);
}

static lt_node *upsample(lt_nn *nn, const char *name, lt_node *h) {
    if (nn->graph->status) return NULL;
    const lt_shape s = h->operation.out;
    return lt_conv3x3(nn, name, lt_upsample(nn, h, 2 * s.h, 2 * s.w));
}

typedef struct pass {
    lt_nn nn;
    lt_node *h;
} pass;

static lt_node *residual(pass *p, const lt_place *place, const char *name) {
    const lt_residual_names names = lt_residual_names_of(place);
    return lt_residual_block(&p->nn, name, &names, p->h, NULL, NULL, EPS);
}

static void step(void *user, const lt_place *place) {
    pass *p = user;
    const lt_name name = lt_name_of(VAE "%s", place->name[LT_NAMING_LDM]);
    const lt_conv_layer half = {.kernel = 3, .stride = 2, .pad_end = 1}; /* zeros to the right and below only */
    switch (place->step) {
    case LT_STEP_BEGIN: p->h = lt_conv3x3(&p->nn, name.text, p->h); break;
    case LT_STEP_RESIDUAL: p->h = residual(p, place, name.text); break;
    case LT_STEP_ATTENTION: p->h = attention_block(&p->nn, name.text, p->h); break;
    case LT_STEP_DOWN: p->h = lt_conv_of(&p->nn, name.text, p->h, half); break;
    case LT_STEP_UP: p->h = upsample(&p->nn, name.text, p->h); break;
    case LT_STEP_END: p->h = ending(&p->nn, place, p->h); break;
    default: break;
    }
    const char *end = place->step == LT_STEP_END ? ".conv_out" : ""; /* its last layer's name */
    if (place->step != LT_STEP_NONE) lt_graph_place(p->nn.graph, p->h, lt_name_of("%s%s", name.text, end).text);
}

/* ---- A TAESD, whose pixels are in [0, 1] ---- */

lt_vae lt_vae_of_taesd(const lt_taesd *t) {
    return (lt_vae){.weights = t->weights,
                    .tiny = true,
                    .latent_channels = t->latent_channels,
                    .channels = t->width,
                    .has_encoder = t->has_encoder,
                    .factor = LT_TAESD_FACTOR,
                    .scaling = 1};
}

static lt_taesd taesd_of(const lt_vae *vae) {
    return (lt_taesd){.weights = vae->weights, .latent_channels = vae->latent_channels, .width = vae->channels};
}

static lt_node *encode_tiny(const lt_vae *vae, lt_nn *nn, lt_node *x) {
    static const float to_unit[] = {0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f};
    const lt_taesd taesd = taesd_of(vae);
    return lt_taesd_encode(&taesd, lt_affine(nn, x, to_unit, 3), nn->graph);
}

static lt_node *decode_tiny(const lt_vae *vae, lt_nn *nn, lt_node *z) {
    static const float from_unit[] = {2, 2, 2, -1, -1, -1};
    const lt_taesd taesd = taesd_of(vae);
    return lt_affine(nn, lt_taesd_decode(&taesd, z, nn->graph), from_unit, 3);
}

/* ---- Both halves ---- */

lt_status lt_vae_build_encoder(const lt_vae *vae, int n, int h, int w, lt_graph *graph) {
    pass p = {{graph, vae->weights, "vae", vae->groups}};
    graph->maker = "VAE encoder";
    p.h = lt_graph_input(graph, (lt_input){"x", {n, h, w, 3}, LT_RATE_STEP});
    if (vae->tiny) p.h = encode_tiny(vae, &p.nn, p.h);
    if (!vae->tiny) lt_vae_walk_encoder(vae, &(lt_walk){.visit = step, .user = &p});
    if (vae->quant_conv) p.h = lt_linear(&p.nn, VAE "quant_conv", p.h);
    lt_graph_output(graph, p.h, "moments");
    return graph->status;
}

lt_status lt_vae_build_decoder(const lt_vae *vae, int n, int h, int w, lt_graph *graph) {
    const lt_shape shape = {n, h, w, vae->latent_channels};
    graph->maker = "VAE decoder";
    return lt_vae_append_decoder(vae, lt_graph_input(graph, (lt_input){"z", shape, LT_RATE_STEP}), graph);
}

lt_status lt_vae_append_decoder(const lt_vae *vae, lt_node *x, lt_graph *graph) {
    pass p = {{graph, vae->weights, "vae", vae->groups}, x};
    if (vae->post_quant_conv) p.h = lt_linear(&p.nn, VAE "post_quant_conv", p.h);
    if (vae->tiny) p.h = decode_tiny(vae, &p.nn, p.h);
    if (!vae->tiny) lt_vae_walk_decoder(vae, &(lt_walk){.visit = step, .user = &p});
    lt_graph_output(graph, p.h, "out");
    return graph->status;
}
