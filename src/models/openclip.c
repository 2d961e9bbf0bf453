/* OpenCLIP's names of text and image towers. */
#include "models/openclip.h"

#include "models/walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct renaming {
    const char *from, *to;
} renaming;

/* What stands alone in a tower, the first of which tells that it is there, and what each of its layers has. */
static const renaming of_text[] = {{"token_embedding.weight", "text_model.embeddings.token_embedding.weight"},
                                   {"positional_embedding", "text_model.embeddings.position_embedding.weight"},
                                   {"ln_final.weight", "text_model.final_layer_norm.weight"},
                                   {"ln_final.bias", "text_model.final_layer_norm.bias"}};
static const renaming of_image[] = {{"class_embedding", "vision_model.embeddings.class_embedding"},
                                    {"positional_embedding", "vision_model.embeddings.position_embedding.weight"},
                                    {"conv1.weight", "vision_model.embeddings.patch_embedding.weight"},
                                    {"ln_pre.weight", "vision_model.pre_layrnorm.weight"},
                                    {"ln_pre.bias", "vision_model.pre_layrnorm.bias"},
                                    {"ln_post.weight", "vision_model.post_layernorm.weight"},
                                    {"ln_post.bias", "vision_model.post_layernorm.bias"}};

static const struct tower {
    renaming prefix;
    const renaming *whole;
    size_t count;
    const char *layers;  /* where its layers go */
    renaming projection; /* P of x P, where a linear layer has the W of x W' */
} towers[] = {
    {{LT_SD2_OPEN_TEXT, "cond_stage_model.transformer."},
     of_text,
     LT_COUNT(of_text),
     "text_model.",
     {"text_projection", "text_projection.weight"}},
    {{LT_XL_OPEN_TEXT, "conditioner.embedders.1.transformer."},
     of_text,
     LT_COUNT(of_text),
     "text_model.",
     {"text_projection", "text_projection.weight"}},
    {{LT_REFINER_TEXT, "conditioner.embedders.1.transformer."}, /* the only one of XL's refiner */
     of_text,
     LT_COUNT(of_text),
     "text_model.",
     {"text_projection", "text_projection.weight"}},
    {{"visual.", ""}, of_image, LT_COUNT(of_image), "vision_model.", {"proj", "visual_projection.weight"}},
    {{"embedder.model.visual.", ""},
     of_image,
     LT_COUNT(of_image),
     "vision_model.",
     {"proj", "visual_projection.weight"}},
};

static const renaming of_layer[] = {{"ln_1.", "layer_norm1."},
                                    {"ln_2.", "layer_norm2."},
                                    {"attn.out_proj.", "self_attn.out_proj."},
                                    {"mlp.c_fc.", "mlp.fc1."},
                                    {"mlp.c_proj.", "mlp.fc2."}};
static const char *const projections[] = {"q_proj", "k_proj", "v_proj"};

bool lt_openclip_is_here(const lt_tensor *tensors, size_t count) {
    bool here = false;
    for (size_t i = 0; i < LT_COUNT(towers) && !here; i++) {
        char name[LT_NAME_SIZE];
        snprintf(name, sizeof name, "%s%s", towers[i].prefix.from, towers[i].whole[0].from);
        here = lt_tensor_find(tensors, count, name);
    }
    return here;
}

/* Where the tensors of one tower go. */
typedef struct expansion {
    lt_tensor_list *out;
    const struct tower *tower;
} expansion;

static lt_status add(const expansion *e, const lt_tensor *view, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static lt_status add(const expansion *e, const lt_tensor *view, const char *format, ...) {
    char rest[LT_NAME_SIZE], name[2 * LT_NAME_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(rest, sizeof rest, format, args);
    va_end(args);
    snprintf(name, sizeof name, "%s%s", e->tower->prefix.to, rest);
    return lt_tensor_list_add(e->out, name, view);
}

/* in_proj_weight [3 * width, width] and in_proj_bias [3 * width]: q, k, v, one below the other. */
static lt_status add_thirds(const expansion *e, const lt_tensor *t, int layer, const char *what) {
    if (t->rank < 1 || t->shape[0] % 3)
        return lt_fail(LT_ERROR_MODEL, "%s has %zu rows: three projections of one height are expected", t->name,
                       t->rank ? t->shape[0] : 0);
    lt_tensor third = *t;
    third.shape[0] /= 3;
    for (size_t i = 0; i < LT_COUNT(projections); i++, lt_tensor_skip(&third, third.shape[0] * third.stride[0]))
        LT_TRY(add(e, &third, "%sencoder.layers.%d.self_attn.%s.%s", e->tower->layers, layer, projections[i], what));
    return LT_OK;
}

/* "3.mlp.c_fc.weight", behind "transformer.resblocks." */
static lt_status add_of_layer(const expansion *e, const lt_tensor *t, const char *rest) {
    char *inner;
    const long layer = strtol(rest, &inner, 10);
    if (inner == rest || *inner != '.' || layer < 0 || layer >= LT_MAX_BLOCKS * LT_MAX_LEVELS) return LT_OK;
    inner++;
    const char *what = lt_name_after(inner, "attn.in_proj_");
    if (what) return add_thirds(e, t, (int)layer, what);
    for (size_t i = 0; i < LT_COUNT(of_layer); i++)
        if ((what = lt_name_after(inner, of_layer[i].from)))
            return add(e, t, "%sencoder.layers.%ld.%s%s", e->tower->layers, layer, of_layer[i].to, what);
    return LT_OK;
}

static lt_status add_projection(const expansion *e, const lt_tensor *t) {
    const lt_tensor view = t->rank == 2 ? lt_tensor_turned(t) : *t;
    return add(e, &view, "%s", e->tower->projection.to);
}

static lt_status add_tower(const expansion *e, const lt_tensor *t, const char *rest) {
    const char *layer = lt_name_after(rest, "transformer.resblocks.");
    if (layer) return add_of_layer(e, t, layer);
    if (!strcmp(rest, e->tower->projection.from)) return add_projection(e, t);
    for (size_t i = 0; i < e->tower->count; i++)
        if (!strcmp(rest, e->tower->whole[i].from)) return add(e, t, "%s", e->tower->whole[i].to);
    return LT_OK; /* what drawing does not need */
}

static lt_status add_tensor(lt_tensor_list *out, const lt_tensor *t) {
    for (size_t i = 0; i < LT_COUNT(towers); i++) {
        const char *rest = lt_name_after(t->name, towers[i].prefix.from);
        if (rest) return add_tower(&(expansion){out, &towers[i]}, t, rest);
    }
    return lt_tensor_list_add(out, t->name, t);
}

lt_status lt_openclip_expand(const lt_tensor *tensors, size_t count, lt_tensor_list *out) {
    lt_status status = LT_OK;
    for (size_t i = 0; i < count && !status; i++) status = add_tensor(out, &tensors[i]);
    if (!status) lt_tensor_list_sort(out);
    return status;
}

/* ---- The other way ---- */

/* What stands behind `from` in a canonical name, in OpenCLIP's words; "" for what is part of another. */
static lt_name layer_tensor(const char *rest) {
    for (size_t i = 0; i < LT_COUNT(of_layer); i++) {
        const char *what = lt_name_after(rest, of_layer[i].to);
        if (what) return lt_name_of("%s%s", of_layer[i].from, what);
    }
    const char *first = lt_name_after(rest, "self_attn.q_proj.");
    return first ? lt_name_of("attn.in_proj_%s", first) : lt_name_of("%s", "");
}

static lt_name text_tensor(const char *name) {
    int layer, used = 0;
    for (size_t i = 0; i < LT_COUNT(of_text); i++)
        if (!strcmp(name, of_text[i].to)) return lt_name_of("%s", of_text[i].from);
    if (sscanf(name, "text_model.encoder.layers.%d.%n", &layer, &used) != 1 || !used)
        return lt_name_of("text_projection");
    const lt_name rest = layer_tensor(name + used);
    return *rest.text ? lt_name_of("transformer.resblocks.%d.%s", layer, rest.text) : rest;
}

lt_status lt_openclip_list(const lt_clip_text *text, const char *prefix, lt_tensor_list *list) {
    lt_tensor_list own = {0};
    lt_lister lister = {.list = &own, .prefix = ""};
    lt_walk walk = lt_walk_listing(&lister);
    lt_clip_projected_walk(text, &walk);
    lt_status status = lister.status;
    for (size_t i = 0; i < own.count && !status; i++) {
        lt_tensor t = own.tensors[i];
        const lt_name name = text_tensor(t.name);
        if (strstr(name.text, ".in_proj_")) t.shape[0] *= 3; /* queries, keys and values */
        lt_tensor_set_contiguous(&t);
        if (*name.text) status = lt_tensor_list_add(list, lt_name_of("%s%s", prefix, name.text).text, &t);
    }
    lt_tensor_list_free(&own);
    return status;
}
