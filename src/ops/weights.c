/* The weight store of an open model. */
#include "ops/weights.h"

#include "base/map.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct lt_packed {
    struct lt_packed *next;
    char *layout;
    void *data;
    size_t size;
    int users;
    atomic_uint generation; /* of the weight that was packed */
} lt_packed;

struct lt_weights {
    lt_weight *items; /* sorted by name */
    size_t count;
};

lt_status lt_weights_create(const lt_tensor *tensors, size_t count, lt_weights **weights) {
    lt_weights *made = lt_calloc(1, sizeof *made);
    if (made) made->items = lt_calloc(count, sizeof *made->items);
    if (!made || !made->items) {
        lt_free(made);
        return LT_ERROR_MEMORY;
    }
    made->count = count;
    for (size_t i = 0; i < count; i++) made->items[i].tensor = tensors[i];
    *weights = made;
    return LT_OK;
}

void lt_weights_free(lt_weights *weights) {
    if (!weights) return;
    for (size_t i = 0; i < weights->count; i++)
        for (lt_packed *p = weights->items[i].packed, *next; p; p = next) {
            next = p->next;
            lt_free(p->data);
            lt_free(p->layout);
            lt_free(p);
        }
    lt_free(weights->items);
    lt_free(weights);
}

size_t lt_weights_count(const lt_weights *weights) { return weights->count; }
lt_weight *lt_weights_at(const lt_weights *weights, size_t i) { return &weights->items[i]; }

/* The first weight whose name is not before name. */
static size_t lower_bound(const lt_weights *weights, const char *name) {
    size_t low = 0, high = weights->count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (strcmp(weights->items[middle].tensor.name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

lt_weight *lt_weights_find(const lt_weights *weights, const char *name) {
    const size_t i = lower_bound(weights, name);
    return i < weights->count && !strcmp(weights->items[i].tensor.name, name) ? &weights->items[i] : NULL;
}

static bool starts_with(const char *s, const char *prefix) { return !strncmp(s, prefix, strlen(prefix)); }

bool lt_weights_has_prefix(const lt_weights *weights, const char *prefix) {
    const size_t i = lower_bound(weights, prefix);
    return i < weights->count && starts_with(weights->items[i].tensor.name, prefix);
}

int lt_weights_count_indexed(const lt_weights *weights, const char *prefix) {
    int count = 0;
    for (size_t i = lower_bound(weights, prefix); i < weights->count; i++) {
        const char *name = weights->items[i].tensor.name;
        if (!starts_with(name, prefix)) break;
        char *end;
        const long n = strtol(name + strlen(prefix), &end, 10);
        if (*end == '.' && n >= count && n < 10000) count = (int)n + 1;
    }
    return count;
}

void lt_weights_changed(lt_weights *weights) {
    for (size_t i = 0; i < weights->count; i++)
        if (weights->items[i].gradient) weights->items[i].generation++;
}

/* ---- Packed forms ---- */

size_t lt_weights_packed_size(const lt_weights *weights) {
    size_t size = 0;
    for (size_t i = 0; i < weights->count; i++)
        for (const lt_packed *p = weights->items[i].packed; p; p = p->next) size += p->size;
    return size;
}

static lt_status make_packed(lt_weight *weight, const char *layout, size_t size, lt_pack_fn pack, const void *user,
                             lt_packed **made) {
    lt_packed *p = lt_calloc(1, sizeof *p);
    lt_status status = p ? LT_OK : LT_ERROR_MEMORY;
    if (!status && (!(p->layout = lt_strdup(layout)) || !(p->data = lt_alloc(size)))) status = LT_ERROR_MEMORY;
    if (!status) status = lt_map_check(weight->tensor.data, pack(user, &weight->tensor, p->data));
    if (status) {
        if (p) {
            lt_free(p->data);
            lt_free(p->layout);
        }
        lt_free(p);
        return status;
    }
    if (!weight->gradient && lt_tensor_contiguous(&weight->tensor))
        lt_map_release(weight->tensor.data, lt_tensor_count(&weight->tensor) * lt_dtype_size(weight->tensor.dtype));
    p->size = size;
    p->generation = weight->generation;
    p->next = weight->packed;
    weight->packed = p;
    *made = p;
    return LT_OK;
}

lt_status lt_weight_acquire(lt_weight *weight, const char *layout, size_t size, lt_pack_fn pack, const void *user,
                            const void **data) {
    lt_packed *p = weight->packed;
    while (p && strcmp(p->layout, layout)) p = p->next;
    if (!p) LT_TRY(make_packed(weight, layout, size, pack, user, &p));
    p->users++;
    *data = p->data;
    return LT_OK;
}

void lt_weight_release(lt_weight *weight, const void *data) {
    if (!weight || !data) return;
    for (lt_packed **at = &weight->packed; *at; at = &(*at)->next) {
        lt_packed *p = *at;
        if (p->data != data) continue;
        if (--p->users == 0) {
            *at = p->next;
            lt_free(p->data);
            lt_free(p->layout);
            lt_free(p);
        }
        return;
    }
}

lt_status lt_weight_refresh(lt_weight *weight, const void *data, lt_pack_fn pack, const void *user) {
    for (lt_packed *p = weight->packed; p; p = p->next) {
        if (p->data != data) continue;
        const unsigned before = atomic_exchange(&p->generation, weight->generation);
        const lt_status status = before == weight->generation ? LT_OK : pack(user, &weight->tensor, p->data);
        if (status) atomic_store(&p->generation, before);
        return status;
    }
    return LT_OK;
}

static lt_status pack_f32(const void *user, const lt_tensor *weight, void *data) {
    (void)user;
    lt_tensor_read_f32(weight, data);
    return LT_OK;
}

lt_status lt_weight_acquire_f32(lt_weight *weight, const float **data) {
    const void *packed;
    if (weight->gradient) {
        *data = weight->tensor.data;
        return LT_OK;
    }
    LT_TRY(lt_weight_acquire(weight, "f32", lt_tensor_count(&weight->tensor) * sizeof(float), pack_f32, NULL, &packed));
    *data = packed;
    return LT_OK;
}
