/* The half of a U-Net that goes down. */
#include "models/unet_half.h"

#include "models/shapes.h"

#include <string.h>

static const lt_residual_names names = {"in_layers.0",  "in_layers.2",  "emb_layers.1",
                                        "out_layers.0", "out_layers.3", "skip_connection"};

lt_name lt_unet_name(const lt_unet_pass *p, const char *name) { return lt_name_of("%s%s", p->prefix, name); }

static bool exists(const lt_unet_pass *p, const char *name) { return lt_weights_has_prefix(p->nn.weights, name); }

void lt_unet_guess_heads(lt_weights *weights, const char *prefix, int *heads, int *head_size) {
    const lt_weight *proj_in = NULL;
    for (size_t i = 0; i < lt_weights_count(weights); i++) {
        const lt_weight *w = lt_weights_at(weights, i);
        if (!strncmp(w->tensor.name, prefix, strlen(prefix)) && lt_name_ends(w->tensor.name, ".1.proj_in.weight"))
            proj_in = w;
    }
    const bool convolutions = !proj_in || proj_in->tensor.rank == 4;
    *heads = convolutions ? 8 : 0;
    *head_size = convolutions ? 0 : 64;
}

/* Linear, SiLU, linear of the timestep's sinusoids, and the SiLU that stands before each use. */
static lt_node *time_embedding(lt_unet_pass *p, lt_node *t) {
    lt_nn *nn = &p->nn;
    const int channels = lt_channels_of(nn, lt_unet_name(p, "input_blocks.0.0").text);
    const lt_conv_layer silu = {.activation = LT_ACT_SILU};
    lt_node *h = lt_conv_of(nn, lt_unet_name(p, "time_embed.0").text, lt_timestep(nn, t, channels), silu);
    return lt_conv_of(nn, lt_unet_name(p, "time_embed.2").text, h, silu);
}

static lt_node *residual(lt_unet_pass *p, const char *name, lt_node *h, lt_node *skip) {
    return lt_residual_block(&p->nn, name, &names, h, skip, p->emb, LT_UNET_EPS);
}

static lt_node *transformer(lt_unet_pass *p, const char *name, lt_node *h) {
    return exists(p, lt_name_of("%s.norm.", name).text) ? lt_spatial_transformer(&p->nn, name, h, &p->inputs) : h;
}

lt_node *lt_unet_step(lt_unet_pass *p, const char *name, lt_node *h, lt_node *skip) {
    h = residual(p, lt_name_of("%s.0", name).text, h, skip);
    return transformer(p, lt_name_of("%s.1", name).text, h);
}

static lt_node *middle(lt_unet_pass *p, lt_node *h) {
    h = residual(p, lt_unet_name(p, "middle_block.0").text, h, NULL);
    h = transformer(p, lt_unet_name(p, "middle_block.1").text, h);
    return residual(p, lt_unet_name(p, "middle_block.2").text, h, NULL);
}

lt_node *lt_unet_go_down(lt_unet_pass *p, lt_node *x, lt_node *t) {
    const int blocks = lt_weights_count_indexed(p->nn.weights, lt_unet_name(p, "input_blocks.").text);
    lt_node *h = x;
    p->emb = time_embedding(p, t);
    for (int k = 0; k < blocks && k < LT_UNET_MAX_SKIPS; k++) {
        const lt_name name = lt_name_of("%sinput_blocks.%d", p->prefix, k), down = lt_name_of("%s.0.op", name.text);
        if (k == 0)
            h = lt_conv3x3(&p->nn, lt_name_of("%s.0", name.text).text, h);
        else if (exists(p, down.text))
            h = lt_conv_of(&p->nn, down.text, h,
                           (lt_conv_layer){.kernel = 3, .stride = 2, .pad_begin = 1, .pad_end = 1});
        else
            h = lt_unet_step(p, name.text, h, NULL);
        p->skips[p->depth++] = h;
    }
    return middle(p, h);
}
