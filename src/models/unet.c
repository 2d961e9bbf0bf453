/* The U-Net: down, middle, up; what went down is put beside what comes up. */
#include "models/unet.h"

#include "models/shapes.h"
#include "models/unet_half.h"

#include <math.h>

#define UNET "model.diffusion_model."

lt_status lt_unet_open(lt_weights *weights, lt_unet *unet) {
    const lt_names names = lt_names_of_weights(weights, UNET, "unet");
    *unet = (lt_unet){.weights = weights, .groups = 32};
    LT_TRY(lt_weight_dim("unet", weights, UNET "input_blocks.0.0.weight", 4, 1, &unet->in_channels));
    LT_TRY(lt_weight_dim("unet", weights, UNET "out.2.weight", 4, 0, &unet->out_channels));
    LT_TRY(lt_unet_read(&names, LT_NAMING_LDM, unet));
    const int up = lt_names_count(&names, "output_blocks."), blocks = lt_unet_outputs(unet);
    if (up != blocks) return lt_fail(LT_ERROR_MODEL, "unet: %d output blocks do not match %d input blocks", up, blocks);
    if (unet->scale_dim > LT_MOST_SCALE_DIM)
        return lt_fail(LT_ERROR_MODEL, "unet: the guidance scale is told in %d numbers; %d are possible",
                       unet->scale_dim, LT_MOST_SCALE_DIM);
    lt_unet_guess_heads(unet);
    return LT_OK;
}

#define PORTS(name)                                                                                                    \
    name ".0", name ".1", name ".2", name ".3", name ".4", name ".5", name ".6", name ".7", name ".8", name ".9",      \
        name ".10", name ".11", name ".12", name ".13", name ".14", name ".15", name ".16", name ".17", name ".18",    \
        name ".19", name ".20", name ".21", name ".22", name ".23"
const char *const lt_residual_ports[LT_MOST_RESIDUALS] = {PORTS("residual")};
const char *const lt_feature_ports[LT_MAX_LEVELS] = {"feature.0", "feature.1", "feature.2", "feature.3",
                                                     "feature.4", "feature.5", "feature.6", "feature.7"};

int lt_unet_residuals(const lt_unet *unet, int h, int w, lt_shape shapes[LT_MOST_RESIDUALS]) {
    int k = 0, c = unet->channels;
    for (int i = 0; i < unet->levels && k + unet->level[i].blocks + 2 <= LT_MOST_RESIDUALS; i++) {
        if (i) h = (h + 1) / 2, w = (w + 1) / 2;
        shapes[k++] = (lt_shape){1, h, w, c};
        c = unet->level[i].channels;
        for (int j = 0; j < unet->level[i].blocks; j++) shapes[k++] = (lt_shape){1, h, w, c};
    }
    shapes[k++] = (lt_shape){1, h, w, c};
    return k;
}

int lt_unet_features(const lt_unet *unet, int h, int w, lt_shape shapes[LT_MAX_LEVELS]) {
    for (int i = 0; i < unet->levels; i++) {
        shapes[i] = (lt_shape){1, h, w, unet->level[i].channels};
        h = (h + 1) / 2, w = (w + 1) / 2;
    }
    return unet->levels;
}

void lt_embed_scale(float guidance, int dim, float *out) {
    const int half = dim / 2;
    const float step = logf(10000.0f) / (float)(half - 1), w = (guidance - 1) * 1000.0f;
    for (int i = 0; i < half; i++) {
        const float angle = w * expf((float)i * -step);
        out[i] = sinf(angle);
        out[half + i] = cosf(angle);
    }
    if (dim % 2) out[dim - 1] = 0;
}

const char *lt_unet_family(const lt_unet *unet) {
    if (unet->vector_dim) return unet->context_dim == 1280 ? "Stable Diffusion XL's refiner" : "Stable Diffusion XL";
    if (unet->context_dim == 1024) return "Stable Diffusion 2";
    if (unet->context_dim == 768) return "Stable Diffusion 1";
    return unet->context_dim ? "a model of its own kind" : "a model without text";
}

lt_status lt_unet_build(const lt_unet *unet, int n, int h, int w, int tokens, lt_shortcuts shortcuts,
                        lt_additions added, lt_graph *graph) {
    lt_unet_pass p = lt_unet_pass_of(unet, graph, "unet", UNET);
    lt_walk walk = lt_unet_pass_walk(&p);
    p.shortcuts = shortcuts;
    p.added = added;
    p.inputs.image_count = unet->context_dim ? added.images.count : 0;
    for (int i = 0; i < added.images.count; i++) p.inputs.images[i].tokens = added.images.tokens[i];
    graph->maker = "U-Net";
    lt_unet_pass_begin(&p, unet, n, h, w, tokens);
    lt_unet_walk(unet, &walk);
    lt_graph_output(graph, p.h, "out");
    return graph->status;
}
