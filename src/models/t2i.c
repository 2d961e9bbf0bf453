/* T2I-Adapter: features of a picture for the U-Net's levels. */
#include "models/t2i.h"

#include "models/shapes.h"

#include <stdio.h>

#define ADAPTER "t2i_adapter."
enum { SHUFFLED = LT_T2I_FACTOR * LT_T2I_FACTOR, LEVELS = 4 };

/* ---- Its layers ---- */

static const lt_row block[] = {
    {{"block1", "block1"}, LT_KIND_CONV3, LT_OUT, LT_IN},
    {{"block2", "block2"}, LT_KIND_CONV1, LT_OUT, LT_IN},
};

static const lt_row light_block[] = {
    {{"block1", "block1"}, LT_KIND_CONV3, LT_OUT, LT_IN},
    {{"block2", "block2"}, LT_KIND_CONV3, LT_OUT, LT_IN},
};

/* TencentARC numbers the blocks through all levels, diffusers within each. first: the level's first block. */
static void walk_level(const lt_t2i *a, int i, int first, int in, lt_walk *walk) {
    const int c = a->level[i].channels;
    if (in != c)
        lt_walk_visit(walk, LT_STEP_NONE, in, c, LT_ROWS(lt_whole_conv1), "body.%d.in_conv body.%d.in_conv", first, i);
    for (int j = 0; j < a->level[i].blocks; j++)
        lt_walk_visit(walk, LT_STEP_NONE, c, c, LT_ROWS(block), "body.%d body.%d.resnets.%d", first + j, i, j);
}

static void walk_light_level(const lt_t2i *a, int i, int in, lt_walk *walk) {
    const int c = a->level[i].channels, inner = a->level[i].inner;
    lt_walk_visit(walk, LT_STEP_NONE, in, inner, LT_ROWS(lt_whole_conv1), "body.%d.in_conv", i);
    for (int j = 0; j < a->level[i].blocks; j++)
        lt_walk_visit(walk, LT_STEP_NONE, inner, inner, LT_ROWS(light_block), "body.%d.body.%d body.%d.resnets.%d", i,
                      j, i, j);
    lt_walk_visit(walk, LT_STEP_NONE, inner, c, LT_ROWS(lt_whole_conv1), "body.%d.out_conv", i);
}

void lt_t2i_walk(const lt_t2i *a, lt_walk *walk) {
    int first = 0, in = SHUFFLED * a->hint_channels;
    if (!a->light) {
        lt_walk_visit(walk, LT_STEP_NONE, in, a->level[0].channels, LT_ROWS(lt_whole_conv3), "conv_in");
        in = a->level[0].channels;
    }
    for (int i = 0; i < a->levels; i++) {
        if (a->light)
            walk_light_level(a, i, in, walk);
        else
            walk_level(a, i, first, in, walk);
        first += a->level[i].blocks;
        in = a->level[i].channels;
    }
}

/* ---- Reading ---- */

/* The width that dimension of the layer in that place has; 0: it is not there. */
static int width_of(const lt_names *names, lt_naming naming, lt_width width, const char *place) {
    int found[LT_WIDTHS];
    lt_place at = {.rows = lt_whole_conv3, .count = 1};
    snprintf(at.name[naming], LT_PLACE_SIZE, "%.*s", LT_PLACE_SIZE - 1, place);
    lt_names_measure(names, naming, &at, found);
    return found[width];
}

static void count(const lt_names *names, lt_naming naming, lt_t2i *a) {
    const bool grouped = a->light || naming == LT_NAMING_DIFFUSERS;
    const int bodies = lt_names_count(names, "body.");
    a->levels = grouped ? bodies : LEVELS;
    for (int i = 0; i < a->levels && i < LT_MAX_LEVELS; i++)
        a->level[i].blocks =
            !grouped ? bodies / LEVELS
                     : lt_names_count(names, "body.%d.%s.", i, naming == LT_NAMING_DIFFUSERS ? "resnets" : "body");
}

static void measure_level(const lt_names *names, lt_naming naming, lt_t2i *a, int i) {
    const bool diffusers = naming == LT_NAMING_DIFFUSERS;
    const int first = i * a->level[0].blocks; /* they have the same number all */
    const lt_name name = a->light    ? lt_name_of("body.%d.out_conv", i)
                         : diffusers ? lt_name_of("body.%d.resnets.0.block1", i)
                                     : lt_name_of("body.%d.block1", first);
    a->level[i].channels = width_of(names, naming, LT_OUT, name.text);
    a->level[i].inner = width_of(names, naming, LT_IN, name.text);
}

lt_status lt_t2i_read(const lt_names *names, lt_naming naming, lt_t2i *a) {
    a->light = !lt_names_have(names, "conv_in.");
    count(names, naming, a);
    if (a->levels < 1 || a->levels > LT_MAX_LEVELS)
        return lt_fail(LT_ERROR_MODEL, "%s: the tensors' names speak of %d levels; 1 to %d are possible", names->model,
                       a->levels, LT_MAX_LEVELS);
    for (int i = 0; i < a->levels; i++) measure_level(names, naming, a, i);
    a->hint_channels = width_of(names, naming, LT_IN, a->light ? "body.0.in_conv" : "conv_in") / SHUFFLED;
    return LT_OK;
}

lt_status lt_t2i_open(lt_weights *weights, lt_t2i *a) {
    const lt_names names = lt_names_of_weights(weights, ADAPTER, "t2i-adapter");
    *a = (lt_t2i){.weights = weights};
    return lt_t2i_read(&names, LT_NAMING_LDM, a);
}

/* ---- For which U-Net ---- */

lt_status lt_t2i_fits(const lt_t2i *a, const lt_unet *unet) {
    bool same = a->levels == unet->levels && (a->hint_channels == 1 || a->hint_channels == 3);
    for (int i = 0; i < a->levels && same; i++) same = a->level[i].channels == unet->level[i].channels;
    if (same) return LT_OK;
    const bool xl = a->hint_channels == 12 || a->hint_channels == 4;
    if (xl && unet->vector_dim)
        return lt_fail(LT_ERROR_UNSUPPORTED, "T2I-Adapters of Stable Diffusion XL are not served; its ControlNets are");
    if (xl)
        return lt_fail(LT_ERROR_MODEL,
                       "this T2I-Adapter is for Stable Diffusion XL, and what is to be drawn with is %s",
                       lt_unet_family(unet));
    return lt_fail(
        LT_ERROR_MODEL,
        "this T2I-Adapter is for a U-Net of other sizes: %d levels, the first of %d channels; the model's has "
        "%d and %d",
        a->levels, a->level[0].channels, unet->levels, unet->level[0].channels);
}

/* ---- The forward pass ---- */

/* x + block2(relu(block1(x))) */
static lt_node *residual(const lt_t2i *a, lt_nn *nn, const char *name, lt_node *x) {
    const lt_conv_layer relu = {.kernel = 3, .pad_begin = 1, .pad_end = 1, .activation = LT_ACT_RELU};
    lt_conv_layer last = {.residual = x};
    if (a->light) last = (lt_conv_layer){.kernel = 3, .pad_begin = 1, .pad_end = 1, .residual = x};
    lt_node *h = lt_conv_of(nn, lt_name_of("%s.block1", name).text, x, relu);
    return lt_conv_of(nn, lt_name_of("%s.block2", name).text, h, last);
}

static lt_node *level(const lt_t2i *a, lt_nn *nn, int i, int first, lt_node *x) {
    if (i) x = lt_halve(nn, x);
    const lt_name in = lt_name_of(ADAPTER "body.%d.in_conv", a->light ? i : first);
    if (lt_weights_find(nn->weights, lt_name_of("%s.weight", in.text).text)) x = lt_linear(nn, in.text, x);
    for (int j = 0; j < a->level[i].blocks; j++) {
        const lt_name name =
            a->light ? lt_name_of(ADAPTER "body.%d.body.%d", i, j) : lt_name_of(ADAPTER "body.%d", first + j);
        x = residual(a, nn, name.text, x);
    }
    return a->light ? lt_linear(nn, lt_name_of(ADAPTER "body.%d.out_conv", i).text, x) : x;
}

lt_status lt_t2i_build(const lt_t2i *a, int n, int h, int w, lt_graph *graph) {
    lt_nn nn = {graph, a->weights, "t2i-adapter", 0};
    int first = 0;
    graph->maker = "T2I-Adapter";
    lt_node *x = lt_graph_input(graph, (lt_input){"hint", {n, h, w, SHUFFLED * a->hint_channels}, LT_RATE_PROMPT});
    if (!a->light) x = lt_conv3x3(&nn, ADAPTER "conv_in", x);
    for (int i = 0; i < a->levels; i++) {
        x = level(a, &nn, i, first, x);
        lt_graph_output(graph, x, lt_feature_ports[i]);
        first += a->level[i].blocks;
    }
    return graph->status;
}

/* ---- The hint ---- */

/* Of channel c, or with channels 1 of all. */
static float read_pixel(const float *pixel, int channels, int c) {
    return channels == 1 ? (pixel[0] + pixel[1] + pixel[2]) / 3 : pixel[c];
}

void lt_t2i_unshuffle(const float *pixels, int h, int w, int channels, float *hint) {
    const size_t row = (size_t)w * LT_T2I_FACTOR * 3;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < channels; c++)
                for (int k = 0; k < SHUFFLED; k++) {
                    const size_t from_y = (size_t)(y * LT_T2I_FACTOR + k / LT_T2I_FACTOR),
                                 from_x = (size_t)(x * LT_T2I_FACTOR + k % LT_T2I_FACTOR);
                    *hint++ = read_pixel(pixels + from_y * row + from_x * 3, channels, c);
                }
}
