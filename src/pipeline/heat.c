/* Where words act, over a whole drawing. */
#include "pipeline/heat.h"

#include "pipeline/hires.h"

#include <string.h>

static bool same(lt_heat_key a, lt_heat_key b) {
    return a.tap == b.tap && a.branch == b.branch && a.tokens == b.tokens;
}

static size_t map_size(const lt_heat_layer *l) { return (size_t)l->h * (size_t)l->w * l->key.tokens; }

/* ---- Adding ---- */

static lt_heat_layer *find(const lt_heat *heat, lt_heat_key key, const char *name) {
    for (size_t i = 0; i < heat->count; i++)
        if (same(heat->layers[i].key, key) && !strcmp(heat->layers[i].name, name)) return &heat->layers[i];
    return NULL;
}

static lt_status begin_layer(lt_heat *heat, lt_heat_layer layer, const char *name, lt_heat_layer **begun) {
    const size_t item = sizeof *heat->layers;
    lt_heat_layer *grown = lt_realloc(heat->layers, heat->count * item, (heat->count + 1) * item);
    if (!grown) return LT_ERROR_MEMORY;
    heat->layers = grown;
    layer.name = lt_strdup(name);
    layer.sum = lt_calloc(layer.heads * map_size(&layer), sizeof *layer.sum);
    *begun = &grown[heat->count++];
    **begun = layer;
    return layer.name && layer.sum ? LT_OK : LT_ERROR_MEMORY;
}

lt_status lt_heat_add(lt_heat *heat, lt_heat_key key, const char *name, size_t heads, int h, int w, const float *map) {
    lt_heat_layer *l = find(heat, key, name);
    if (!l) LT_TRY(begin_layer(heat, (lt_heat_layer){.key = key, .heads = heads, .h = h, .w = w}, name, &l));
    for (size_t i = 0; i < heads * map_size(l); i++) l->sum[i] += map[i];
    l->count++;
    return LT_OK;
}

/* ---- The mean ---- */

/* Adds the layer's maps, enlarged; room [h, w, tokens] */
static lt_status add_layer(const lt_heat_layer *l, int h, int w, float *room, float *sum) {
    const size_t n = (size_t)h * (size_t)w * l->key.tokens;
    for (size_t head = 0; head < l->heads; head++) {
        LT_TRY(lt_latent_resample(LT_LATENT_BICUBIC, l->sum + head * map_size(l), l->h, l->w, (int)l->key.tokens, room,
                                  h, w));
        for (size_t i = 0; i < n; i++) sum[i] += room[i] > 0 ? room[i] / (float)l->count : 0;
    }
    return LT_OK;
}

lt_status lt_heat_mean(const lt_heat *heat, size_t i, int h, int w, float *mean) {
    const lt_heat_key key = heat->layers[i].key;
    const size_t n = (size_t)h * (size_t)w * key.tokens;
    float *room = lt_alloc(n * sizeof *room);
    lt_status status = room ? LT_OK : LT_ERROR_MEMORY;
    size_t maps = 0;
    memset(mean, 0, n * sizeof *mean);
    for (size_t k = i; k < heat->count && !status; k++) {
        if (!same(heat->layers[k].key, key)) continue;
        status = add_layer(&heat->layers[k], h, w, room, mean);
        maps += heat->layers[k].heads;
    }
    for (size_t k = 0; k < n && maps; k++) mean[k] /= (float)maps;
    lt_free(room);
    return status;
}

bool lt_heat_is_first(const lt_heat *heat, size_t i) {
    for (size_t k = 0; k < i; k++)
        if (same(heat->layers[k].key, heat->layers[i].key)) return false;
    return true;
}

void lt_heat_free(lt_heat *heat) {
    for (size_t i = 0; i < heat->count; i++) {
        lt_free(heat->layers[i].name);
        lt_free(heat->layers[i].sum);
    }
    lt_free(heat->layers);
    *heat = (lt_heat){0};
}
