/* The recorded IP-Adapters and their image encoder: weights by the rule of the recorded files (synth2.py). */
#ifndef LT_TEST_IMAGE_PROMPT_FILES_H
#define LT_TEST_IMAGE_PROMPT_FILES_H

#include "golden.h"
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

static inline lt_status fill_by_rule(void *user, const lt_tensor *t, float *values) {
    (void)user;
    lt_synthetic_values(t->name, t->rank, t->shape, 0, lt_tensor_count(t), values);
    return LT_OK;
}

static inline void write_list_at(const char *path, lt_tensor_list *list) {
    assert_ok(lt_safetensors_write(path, list->tensors, list->count, NULL, 0, NULL, fill_by_rule, NULL));
    lt_tensor_list_free(list);
}

typedef enum image_prompt_file { FILE_PLAIN, FILE_PLUS, FILE_ENCODER } image_prompt_file;

/* Its path, written on first use; as scratch_path. */
static inline const char *image_prompt_path(image_prompt_file which) {
    static const char *const names[] = {"tiny-ip", "tiny-ip-plus", "tiny-vit"};
    return synthetic_checkpoint(names[which]);
}

#endif
