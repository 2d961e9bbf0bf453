/* The weights of a model that learns. */
#include "train/parameters.h"

#include "base/map.h"

#include <string.h>

static size_t padded_count(const lt_tensor *t) { return lt_round_up(lt_tensor_count(t), 16); }

/* Floats of all trained tensors, each on a cache line of its own; *count is how many they are. */
static size_t measure(const lt_tensor_list *list, lt_trains_fn trains, size_t *count) {
    size_t floats = 0;
    *count = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (!trains(list->tensors[i].name)) continue;
        floats += padded_count(&list->tensors[i]);
        ++*count;
    }
    return floats;
}

/* Tensor i's new home; its values are still where they were. */
static void move_in(lt_parameters *p, size_t i, float *value, float *gradient) {
    lt_tensor *t = &p->tensors.tensors[i];
    t->dtype = LT_F32;
    t->data = value;
    t->first = 0;
    lt_tensor_set_contiguous(t);
    p->items[p->count++] =
        (lt_parameter){.name = t->name, .count = lt_tensor_count(t), .value = value, .gradient = gradient};
}

/* Gives every trained tensor of p->tensors memory. */
static lt_status make(lt_parameters *p, lt_trains_fn trains, uint64_t seed) {
    size_t count;
    const size_t floats = measure(&p->tensors, trains, &count);
    p->items = lt_calloc(count, sizeof *p->items);
    p->memory = lt_calloc(2 * floats, sizeof *p->memory);
    if (!p->items || !p->memory) return LT_ERROR_MEMORY;
    float *value = p->memory;
    for (size_t i = 0; i < p->tensors.count; i++) {
        const lt_tensor before = p->tensors.tensors[i];
        if (!trains(before.name)) continue;
        LT_TRY(lt_tensor_readable(&before));
        if (before.scales)
            return lt_fail(LT_ERROR_UNSUPPORTED,
                           "%s is in 8 bits, too few to learn: begin with the checkpoint that was quantised",
                           before.name);
        if (before.data)
            lt_tensor_read_f32(&before, value);
        else
            lt_initial_values(&p->tensors, &before, seed, value);
        LT_TRY(lt_map_check(before.data, LT_OK));
        move_in(p, i, value, value + floats);
        value += padded_count(&before);
    }
    LT_TRY(lt_weights_create(p->tensors.tensors, p->tensors.count, &p->weights));
    for (size_t i = 0; i < p->count; i++)
        lt_weights_find(p->weights, p->items[i].name)->gradient = p->items[i].gradient;
    return LT_OK;
}

static lt_status copy_list(const lt_tensor *tensors, size_t count, lt_tensor_list *list) {
    for (size_t i = 0; i < count; i++) LT_TRY(lt_tensor_list_add(list, tensors[i].name, &tensors[i]));
    lt_tensor_list_sort(list);
    return LT_OK;
}

lt_status lt_parameters_create(const lt_tensor *tensors, size_t count, lt_trains_fn trains, uint64_t seed,
                               lt_parameters *p) {
    *p = (lt_parameters){0};
    lt_status status = copy_list(tensors, count, &p->tensors);
    if (!status) status = make(p, trains, seed);
    if (status) lt_parameters_free(p);
    return status;
}

void lt_parameters_free(lt_parameters *p) {
    lt_weights_free(p->weights);
    lt_tensor_list_free(&p->tensors);
    lt_free(p->items);
    lt_free(p->memory);
    *p = (lt_parameters){0};
}
