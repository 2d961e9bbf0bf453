/* The recorded IP-Adapters and their image encoder: weights by the rule of the recorded files (synth2.py). */
#ifndef LT_TEST_IMAGE_PROMPT_FILES_H
#define LT_TEST_IMAGE_PROMPT_FILES_H

#include "golden.h"
#include "models/clip.h"
#include "models/ip_adapter.h"
#include "models/shapes.h"

/* Adds a layer: columns 0 is a vector; bias: it has one. */
static inline void add_layer(lt_tensor_list *list, const char *name, size_t rows, size_t columns, bool bias) {
    lt_tensor weight = {.dtype = LT_F16, .rank = columns ? 2 : 1, .shape = {rows, columns}};
    lt_tensor vector = {.dtype = LT_F16, .rank = 1, .shape = {rows}};
    lt_tensor_set_contiguous(&weight);
    lt_tensor_set_contiguous(&vector);
    assert_ok(lt_tensor_list_add(list, lt_name_of("%s.weight", name).text, &weight));
    if (bias) assert_ok(lt_tensor_list_add(list, lt_name_of("%s.bias", name).text, &vector));
}

static inline void add_resampler(lt_tensor_list *list) {
    enum { TOKENS = 16, DIM = 64, INNER = 128, EMBED = 128, CONTEXT = 64, LAYERS = 4 };
    lt_tensor latents = {.dtype = LT_F16, .rank = 3, .shape = {1, TOKENS, DIM}};
    lt_tensor_set_contiguous(&latents);
    assert_ok(lt_tensor_list_add(list, "image_proj.latents", &latents));
    add_layer(list, "image_proj.proj_in", DIM, EMBED, true);
    add_layer(list, "image_proj.proj_out", CONTEXT, DIM, true);
    add_layer(list, "image_proj.norm_out", CONTEXT, 0, true);
    for (int i = 0; i < LAYERS; i++) {
        const struct {
            const char *name;
            size_t rows, columns;
        } layers[] = {{"0.norm1", DIM},         {"0.norm2", DIM}, {"0.to_q", INNER, DIM}, {"0.to_kv", 2 * INNER, DIM},
                      {"0.to_out", DIM, INNER}, {"1.0", DIM},     {"1.1", 4 * DIM, DIM},  {"1.3", DIM, 4 * DIM}};
        for (size_t k = 0; k < LT_COUNT(layers); k++)
            add_layer(list, lt_name_of("image_proj.layers.%d.%s", i, layers[k].name).text, layers[k].rows,
                      layers[k].columns, !layers[k].columns);
    }
}

/* The tiny U-Net's attentions, down, up and in the middle. */
static inline void add_keys(lt_tensor_list *list) {
    static const size_t channels[] = {64, 64, 128, 128, 256, 256, 256, 256, 256, 128, 128, 128, 64, 64, 64, 256};
    for (size_t i = 0; i < LT_COUNT(channels); i++) {
        add_layer(list, lt_name_of("ip_adapter.%zu.to_k_ip", 2 * i + 1).text, channels[i], 64, false);
        add_layer(list, lt_name_of("ip_adapter.%zu.to_v_ip", 2 * i + 1).text, channels[i], 64, false);
    }
}

static inline void add_encoder(lt_tensor_list *list) {
    const lt_clip_image tower = {.width = 128, .hidden = 512, .layers = 3, .patch = 14, .size = 56, .projection = 96};
    lt_lister lister = {.list = list, .prefix = ""};
    lt_walk walk = lt_walk_listing(&lister);
    lt_clip_image_walk(&tower, &walk);
    assert_ok(lister.status);
    for (size_t i = 0; i < list->count; i++) list->tensors[i].dtype = LT_F16;
    add_layer(list, "visual_projection", 96, 128, false);
}

static inline lt_status fill_by_rule(void *user, const lt_tensor *t, float *values) {
    (void)user;
    const size_t n = lt_tensor_count(t);
    const double usual = t->rank > 1 ? sqrt(3.0 / ((double)n / (double)t->shape[0])) : 0;
    lt_synthetic_values(t->name, t->rank, t->shape, 0, n, values);
    if (lt_name_ends(t->name, "class_embedding")) rescale(values, n, 1, 0.2, 0.5);
    if (lt_name_ends(t->name, "image_proj.latents")) rescale(values, n, 0, usual, 0.5);
    if (lt_name_ends(t->name, "to_k_ip.weight")) rescale(values, n, 0, usual, 2 * usual);
    return LT_OK;
}

static inline void write_list_at(const char *path, lt_tensor_list *list) {
    assert_ok(lt_safetensors_write(path, list->tensors, list->count, NULL, 0, NULL, fill_by_rule, NULL));
    lt_tensor_list_free(list);
}

typedef enum image_prompt_file { FILE_PLAIN, FILE_PLUS, FILE_ENCODER } image_prompt_file;

static const char *const image_prompt_names[] = {"ip.safetensors", "ip-plus.safetensors", "vit.safetensors"};

static inline void write_image_prompt_file(image_prompt_file which, const char *path) {
    lt_tensor_list list = {0};
    if (which == FILE_PLAIN) add_layer(&list, "image_proj.proj", 4 * 64, 96, true);
    if (which == FILE_PLAIN) add_layer(&list, "image_proj.norm", 64, 0, true);
    if (which == FILE_PLUS) add_resampler(&list);
    if (which != FILE_ENCODER) add_keys(&list);
    if (which == FILE_ENCODER) add_encoder(&list);
    write_list_at(path, &list);
}

/* Its path, written on first use; as scratch_path. */
static inline const char *image_prompt_path(image_prompt_file which) {
    const char *path = scratch_path(image_prompt_names[which]);
    if (access(path, R_OK)) write_image_prompt_file(which, path);
    return path;
}

#endif
