/* The layers of CLIP's towers, which have one name in all worlds, and the reading of their descriptions. */
#include "models/clip.h"

#define SAME(name)                                                                                                     \
    { name, name }

static const lt_row text_embeddings[] = {
    {SAME("token_embedding"), LT_KIND_MATRIX, LT_ENTRIES, LT_OUT},
    {SAME("position_embedding"), LT_KIND_MATRIX, LT_POSITIONS, LT_OUT},
};

static const lt_row image_embeddings[] = {
    {SAME("class_embedding"), LT_KIND_VECTOR, LT_OUT},
    {SAME("patch_embedding"), LT_KIND_PATCHES, LT_OUT},
    {SAME("position_embedding"), LT_KIND_MATRIX, LT_POSITIONS, LT_OUT},
};

static const lt_row layer[] = {
    {SAME("self_attn.q_proj"), LT_KIND_LINEAR, LT_OUT, LT_OUT},
    {SAME("self_attn.k_proj"), LT_KIND_LINEAR, LT_OUT, LT_OUT},
    {SAME("self_attn.v_proj"), LT_KIND_LINEAR, LT_OUT, LT_OUT},
    {SAME("self_attn.out_proj"), LT_KIND_LINEAR, LT_OUT, LT_OUT},
    {SAME("layer_norm1"), LT_KIND_NORM, LT_OUT},
    {SAME("mlp.fc1"), LT_KIND_LINEAR, LT_HIDDEN, LT_OUT},
    {SAME("mlp.fc2"), LT_KIND_LINEAR, LT_OUT, LT_HIDDEN},
    {SAME("layer_norm2"), LT_KIND_NORM, LT_OUT},
};

static const lt_row scale[] = {{SAME("logit_scale"), LT_KIND_SCALAR}};

/* ---- Walks ---- */

static void layers(lt_walk *w, const char *prefix, int count, int width, int hidden) {
    w->place.width[LT_HIDDEN] = hidden;
    for (int i = 0; i < count; i++)
        lt_walk_visit(w, LT_STEP_NONE, width, width, LT_ROWS(layer), "%sencoder.layers.%d", prefix, i);
}

void lt_clip_text_walk(const lt_clip_text *text, const char *prefix, lt_walk *w) {
    const int width = text->width;
    w->place.width[LT_ENTRIES] = text->vocabulary;
    w->place.width[LT_POSITIONS] = text->positions;
    lt_walk_visit(w, LT_STEP_NONE, width, width, LT_ROWS(text_embeddings), "%sembeddings", prefix);
    layers(w, prefix, text->layers, width, text->hidden);
    lt_walk_visit(w, LT_STEP_NONE, width, width, LT_ROWS(lt_whole_norm), "%sfinal_layer_norm", prefix);
}

void lt_clip_projected_walk(const lt_clip_text *text, lt_walk *w) {
    lt_clip_text_walk(text, "text_model.", w);
    lt_walk_visit(w, LT_STEP_NONE, text->width, text->projection, LT_ROWS(lt_whole_matrix), "text_projection");
}

void lt_clip_image_walk(const lt_clip_image *image, lt_walk *w) {
    const int side = image->patch ? image->size / image->patch : 0;
    const int width = image->width;
    w->place.width[LT_PATCH] = image->patch;
    w->place.width[LT_POSITIONS] = side * side + 1;
    lt_walk_visit(w, LT_STEP_NONE, width, width, LT_ROWS(image_embeddings), "vision_model.embeddings");
    /* spelled so in transformers */
    lt_walk_visit(w, LT_STEP_NONE, width, width, LT_ROWS(lt_whole_norm), "vision_model.pre_layrnorm");
    layers(w, "vision_model.", image->layers, width, image->hidden);
    lt_walk_visit(w, LT_STEP_NONE, width, width, LT_ROWS(lt_whole_norm), "vision_model.post_layernorm");
}

void lt_clip_walk(const lt_clip_text *text, const lt_clip_image *image, lt_walk *w) {
    lt_walk_visit(w, LT_STEP_NONE, 0, 0, LT_ROWS(scale), " ");
    lt_clip_projected_walk(text, w);
    lt_clip_image_walk(image, w);
    lt_walk_visit(w, LT_STEP_NONE, image->width, image->projection, LT_ROWS(lt_whole_matrix), "visual_projection");
}

/* ---- Reading ---- */

typedef struct reading {
    const lt_names *names;
    int *vocabulary, *hidden;
} reading;

static void measure(void *user, const lt_place *place) {
    const reading *r = user;
    int width[LT_WIDTHS];
    lt_names_measure(r->names, LT_NAMING_LDM, place, width);
    if (width[LT_ENTRIES]) *r->vocabulary = width[LT_ENTRIES];
    if (width[LT_HIDDEN]) *r->hidden = width[LT_HIDDEN];
}

void lt_clip_text_read(const lt_names *names, const char *prefix, lt_clip_text *text) {
    reading r = {names, &text->vocabulary, &text->hidden};
    text->layers = lt_names_count(names, "%sencoder.layers.", prefix);
    lt_clip_text_walk(text, prefix, &(lt_walk){.visit = measure, .user = &r});
}

void lt_clip_image_read(const lt_names *names, lt_clip_image *image) {
    int none;
    reading r = {names, &none, &image->hidden};
    image->layers = lt_names_count(names, "vision_model.encoder.layers.");
    lt_clip_image_walk(image, &(lt_walk){.visit = measure, .user = &r});
}
