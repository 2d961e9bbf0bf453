/* What there is to be tapped of a model: the places of the U-Net's walk, with shapes and cost from a graph that is
 * built and not planned. */
#include "models/layout.h"
#include "pipeline/taps.h"
#include "pipeline/watch.h"

#include <string.h>

#define PREFIX "unet."

typedef struct list {
    const lt_components *parts;
    int h, w;
    lt_graph graph;
    lt_unet_spots spots;
    lt_tap_places *places;
} list;

/* ---- The graph ---- */

/* The node of a spot, or NULL: a hostile file's layers need not be what the walk says. */
static const lt_node *find(const list *l, const char *spot) {
    const lt_name name = lt_name_of("%s%s", lt_role_prefix(LT_ROLE_UNET), spot);
    for (size_t i = 0; i < l->graph.count; i++) {
        const char *place = l->graph.nodes[i]->place;
        if (place && !strcmp(place, name.text)) return l->graph.nodes[i];
    }
    return NULL;
}

static bool ends_block(const lt_node *node) { return node->place && node->operation.op != &lt_op_attention; }

static void add_cost(lt_tap_place *p, const lt_operation *o) {
    p->flop += o->op->flops ? o->op->flops(o) : 0;
    for (int k = 0; k < LT_MAX_WEIGHTS; k++)
        if (o->weight[k]) p->parameters += lt_tensor_count(&o->weight[k]->tensor);
}

/* From behind the block before up to this node. */
static void add_costs(const list *l, lt_tap_place *p, const lt_node *node) {
    add_cost(p, &node->operation);
    for (int i = node->id - 1; i >= 0 && !ends_block(l->graph.nodes[i]); i--)
        add_cost(p, &l->graph.nodes[i]->operation);
}

/* ---- Places ---- */

static const char *describe(lt_step step) {
    switch (step) {
    case LT_STEP_RESIDUAL:
    case LT_STEP_RESIDUAL_UP: return "residual block";
    case LT_STEP_TRANSFORMER: return "transformer";
    case LT_STEP_DOWN: return "downsampling";
    case LT_STEP_UP: return "upsampling";
    case LT_STEP_ATTENTION: return "attention";
    default: return "convolution";
    }
}

static lt_status name_place(lt_tap_place *p, const char *prefix, const char *name) {
    return (p->name = lt_strdup(lt_name_of("%s%s", prefix, name).text)) ? LT_OK : LT_ERROR_MEMORY;
}

/* [count] from the end of shape's four, [n, c, h, w]. */
static void set_shape(lt_tap_place *p, int rank, size_t n, size_t c, int h, int w) {
    const size_t shape[4] = {n, c, (size_t)h, (size_t)w};
    p->rank = rank;
    memcpy(p->shape, shape + 4 - rank, (size_t)rank * sizeof *shape);
}

static lt_status add_step(list *l, const char *name) {
    lt_tap_place *p = &l->places->items[l->places->count++];
    set_shape(p, 3, 0, (size_t)l->parts->unet.out_channels, l->h, l->w);
    return name_place(p, "", name);
}

static lt_status add_activation(list *l, const lt_unet_spot *spot, const lt_node *node) {
    lt_tap_place *p = &l->places->items[l->places->count++];
    const lt_shape s = node->operation.out;
    p->kind = LT_TAP_ACTIVATION;
    p->what = describe(spot->step);
    p->level = spot->level;
    set_shape(p, 3, 0, (size_t)s.c, s.h, s.w);
    add_costs(l, p, node);
    return name_place(p, PREFIX, spot->name.text);
}

static lt_status add_attention(list *l, const lt_unet_spot *spot, const lt_node *node) {
    lt_tap_place *p = &l->places->items[l->places->count++];
    const lt_shape s = node->operation.out;
    const lt_attention_options *options = node->operation.attributes;
    p->kind = LT_TAP_ATTENTION;
    p->level = spot->level;
    set_shape(p, 4, (size_t)options->heads, LT_CONTEXT_TOKENS, s.h, s.w);
    add_cost(p, &node->operation);
    return name_place(p, PREFIX, spot->name.text);
}

static lt_status add_heat(list *l) {
    lt_tap_place *p = &l->places->items[l->places->count++];
    p->kind = LT_TAP_HEAT;
    set_shape(p, 3, 0, LT_CONTEXT_TOKENS, l->h, l->w);
    return name_place(p, "", "heat");
}

static lt_status add_spots(list *l, bool attention) {
    for (int i = 0; i < l->spots.count; i++) {
        const lt_unet_spot *spot = &l->spots.items[i];
        const lt_node *node = find(l, spot->name.text);
        if (node && attention == (spot->step == LT_STEP_ATTENTION))
            LT_TRY((attention ? add_attention : add_activation)(l, spot, node));
    }
    return LT_OK;
}

static lt_tap_place *find_activation(const lt_tap_places *places, const char *spot) {
    for (size_t i = 0; i < places->count; i++) {
        lt_tap_place *p = &places->items[i];
        if (p->kind == LT_TAP_ACTIVATION && !strcmp(lt_name_after(p->name, PREFIX), spot)) return p;
    }
    return NULL;
}

/* Says of each block on the way up which one's value is put beside it. */
static void join_skips(list *l) {
    for (int i = 0; i < l->spots.count; i++) {
        const lt_unet_spot *spot = &l->spots.items[i];
        lt_tap_place *place = spot->beside < 0 ? NULL : find_activation(l->places, spot->name.text);
        const lt_tap_place *skip = place ? find_activation(l->places, l->spots.items[spot->beside].name.text) : NULL;
        if (skip) place->beside = skip->name;
    }
}

static lt_status fill(list *l) {
    const bool reads = l->parts->unet.context_dim > 0;
    l->places->items = lt_calloc((size_t)l->spots.count + LT_STEP_TAPS + 1, sizeof *l->places->items);
    if (!l->places->items) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < LT_STEP_TAPS_OF_ALL; i++) LT_TRY(add_step(l, lt_step_taps[i]));
    LT_TRY(add_spots(l, false));
    join_skips(l);
    LT_TRY(add_spots(l, true));
    return reads ? add_heat(l) : LT_OK;
}

lt_status lt_taps_list(const lt_components *parts, int h, int w, lt_tap_places *places) {
    lt_module_size sizes[LT_MODULE_COUNT];
    list *l = lt_calloc(1, sizeof *l);
    *places = (lt_tap_places){0};
    if (!l) return LT_ERROR_MEMORY;
    *l = (list){.parts = parts, .h = h, .w = w, .places = places};
    lt_status status = lt_module_needed(parts, LT_MODULE_UNET, "");
    lt_module_sizes(parts, h, w, sizes);
    if (!status) status = lt_module_build(parts, LT_MODULE_UNET, &sizes[LT_MODULE_UNET], &l->graph);
    if (!status) lt_unet_list_spots(&parts->unet, &l->spots);
    if (!status) status = fill(l);
    if (status) lt_tap_places_free(places);
    lt_graph_free(&l->graph);
    lt_free(l);
    return status;
}

/* ---- A module alone ---- */

/* What a walk says of the place that is called so. */
typedef struct spot {
    const char *name;
    lt_step step;
    int level;
} spot;

static void find_step(void *user, const lt_place *place) {
    spot *s = user;
    const char *rest = lt_name_after(s->name, place->name[LT_NAMING_LDM]);
    if (!rest || *rest) return;
    s->step = place->step;
    s->level = place->level;
}

/* Layers of CLIP are one behind the other; the VAE's ends are convolutions. */
static void describe_place(const list *l, const char *name, lt_tap_place *p) {
    spot s = {.name = lt_name_after(name, "vae.")};
    if (!s.name) {
        p->what = strstr(name, "embeddings") ? "embedding" : "transformer";
        return;
    }
    lt_vae_walk_encoder(&l->parts->vae, &(lt_walk){.visit = find_step, .user = &s});
    lt_vae_walk_decoder(&l->parts->vae, &(lt_walk){.visit = find_step, .user = &s});
    p->what = describe(s.step);
    p->level = s.level;
}

static lt_status add_node(list *l, const lt_node *node) {
    lt_tap_place *p = &l->places->items[l->places->count++];
    const lt_shape s = node->operation.out;
    const lt_name name = lt_watch_name(node->place);
    p->kind = LT_TAP_ACTIVATION;
    set_shape(p, 3, 0, (size_t)s.c, s.h, s.w);
    describe_place(l, name.text, p);
    add_costs(l, p, node);
    return name_place(p, "", name.text);
}

/* What comes behind the last place, such as a projection, belongs to that. */
static void add_rest(const list *l) {
    lt_tap_places *places = l->places;
    for (size_t i = l->graph.count; places->count && i > 0 && !ends_block(l->graph.nodes[i - 1]); i--)
        add_cost(&places->items[places->count - 1], &l->graph.nodes[i - 1]->operation);
}

static lt_status fill_module(list *l) {
    l->places->items = lt_calloc(l->graph.count + 1, sizeof *l->places->items);
    if (!l->places->items) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < l->graph.count; i++)
        if (ends_block(l->graph.nodes[i])) LT_TRY(add_node(l, l->graph.nodes[i]));
    add_rest(l);
    return LT_OK;
}

lt_status lt_taps_list_module(const lt_components *parts, lt_module module, int h, int w, lt_tap_places *places) {
    lt_module_size sizes[LT_MODULE_COUNT];
    list *l = lt_calloc(1, sizeof *l);
    *places = (lt_tap_places){0};
    if (!l) return LT_ERROR_MEMORY;
    *l = (list){.parts = parts, .h = h, .w = w, .places = places};
    lt_module_sizes(parts, h, w, sizes);
    lt_status status = lt_module_needed(parts, module, "");
    if (!status) status = lt_module_build(parts, module, &sizes[module], &l->graph);
    if (!status) status = fill_module(l);
    if (status) lt_tap_places_free(places);
    lt_graph_free(&l->graph);
    lt_free(l);
    return status;
}

void lt_tap_places_free(lt_tap_places *places) {
    if (!places) return;
    for (size_t i = 0; i < places->count; i++) lt_free((void *)(uintptr_t)places->items[i].name);
    lt_free(places->items);
    *places = (lt_tap_places){0};
}
