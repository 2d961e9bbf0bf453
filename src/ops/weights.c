/* The weight store of an open model, used by any number of threads at once. */
#include "ops/weights.h"

#include "base/map.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct lt_packed {
    struct lt_packed *next; /* of the same weight */
    lt_weight *weight;
    char *key;
    void *data;    /* NULL while it is being packed */
    bool is_files; /* that memory is the file's */
    size_t size;
    int users;
    struct lt_packed *older, *newer; /* among those without users, by their last use */
    atomic_uint generation;          /* of the weight that was packed */
} lt_packed;

struct lt_weights {
    lt_weight *items; /* sorted by name */
    size_t count;
    pthread_mutex_t lock; /* over all packed forms, but for what is in them */
    pthread_cond_t packed;
    lt_packed *oldest, *newest; /* without users */
    size_t unused, budget;      /* bytes of those, and how many may be kept */
};

lt_status lt_weights_create(const lt_tensor *tensors, size_t count, lt_weights **weights) {
    lt_weights *made = lt_calloc(1, sizeof *made);
    if (made) made->items = lt_calloc(count, sizeof *made->items);
    if (!made || !made->items) {
        lt_free(made);
        return LT_ERROR_MEMORY;
    }
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->packed, NULL);
    made->count = count;
    for (size_t i = 0; i < count; i++) made->items[i] = (lt_weight){.tensor = tensors[i], .store = made};
    *weights = made;
    return LT_OK;
}

static void free_packed(lt_packed *p) {
    if (!p) return;
    if (!p->is_files) lt_free(p->data);
    lt_free(p->key);
    lt_free(p);
}

void lt_weights_free(lt_weights *weights) {
    if (!weights) return;
    for (size_t i = 0; i < weights->count; i++)
        for (lt_packed *p = weights->items[i].packed, *next; p; p = next) {
            next = p->next;
            free_packed(p);
        }
    pthread_mutex_destroy(&weights->lock);
    pthread_cond_destroy(&weights->packed);
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

/* ---- Packed forms: all of these are called with the store locked ---- */

/* Takes p out of the list of its weight's forms. */
static void unlink_packed(lt_packed *p) {
    lt_packed **at = &p->weight->packed;
    while (*at != p) at = &(*at)->next;
    *at = p->next;
}

static lt_packed *find_packed(const lt_weight *weight, const char *key) {
    lt_packed *p = weight->packed;
    while (p && strcmp(p->key, key)) p = p->next;
    return p;
}

static void leave_unused(lt_weights *store, lt_packed *p) {
    *(p->older ? &p->older->newer : &store->oldest) = p->newer;
    *(p->newer ? &p->newer->older : &store->newest) = p->older;
    p->older = p->newer = NULL;
    store->unused -= p->size;
}

static void join_unused(lt_weights *store, lt_packed *p) {
    p->older = store->newest;
    *(store->newest ? &store->newest->newer : &store->oldest) = p;
    store->newest = p;
    store->unused += p->size;
}

static void trim(lt_weights *store) {
    while (store->unused > store->budget) {
        lt_packed *p = store->oldest;
        leave_unused(store, p);
        unlink_packed(p);
        free_packed(p);
    }
}

/* A form that is still to be packed, by its one user; NULL without memory. */
static lt_packed *add_packed(lt_weight *weight, const char *key, size_t size) {
    lt_packed *p = lt_calloc(1, sizeof *p);
    char *copy = lt_strdup(key);
    if (!p || !copy) {
        lt_free(p);
        lt_free(copy);
        return NULL;
    }
    *p = (lt_packed){.next = weight->packed, .weight = weight, .key = copy, .size = size, .users = 1};
    weight->packed = p;
    return p;
}

/* The form, if it is packed or somebody packs it, who is waited for; NULL: not there. */
static lt_packed *use_packed(lt_weight *weight, const char *key) {
    lt_weights *store = weight->store;
    lt_packed *p = find_packed(weight, key);
    while (p && !p->data) {
        pthread_cond_wait(&store->packed, &store->lock);
        p = find_packed(weight, key); /* where packing failed it is gone */
    }
    if (p && !p->users++) leave_unused(store, p);
    return p;
}

size_t lt_weight_forms(const lt_weight *weight, lt_ready_form *forms, size_t most) {
    size_t count = 0;
    for (const lt_packed *p = weight->packed; p && count < most; p = p->next)
        forms[count++] = (lt_ready_form){p->key, p->data, p->size};
    return count;
}

/* ---- Packing ---- */

size_t lt_weights_packed_size(lt_weights *weights) {
    size_t size = 0;
    pthread_mutex_lock(&weights->lock);
    for (size_t i = 0; i < weights->count; i++)
        for (const lt_packed *p = weights->items[i].packed; p; p = p->next) size += p->size;
    pthread_mutex_unlock(&weights->lock);
    return size;
}

void lt_weights_keep(lt_weights *weights, size_t bytes) {
    pthread_mutex_lock(&weights->lock);
    weights->budget = bytes;
    trim(weights);
    pthread_mutex_unlock(&weights->lock);
}

static lt_status pack_into(const lt_weight *weight, const lt_form *form, void *data) {
    lt_weight_source source;
    lt_status status = lt_weight_source_open(&weight->tensor, form->deltas, form->isa, &source);
    if (!status) status = form->pack(form->user, &source, data);
    lt_weight_source_close(&source);
    for (size_t i = 0; i < form->deltas.count; i++) status = lt_delta_check_maps(form->deltas.items[i].delta, status);
    return lt_map_check(weight->tensor.data, status);
}

/* A form that the file has ready. */
static lt_status find_ready(const lt_tensor *t, const lt_form *form, const char *key, void **data) {
    const lt_ready_forms *all = t->forms;
    for (size_t i = 0; i < all->count; i++)
        if (!strcmp(all->items[i].key, key) && all->items[i].size >= form->size) {
            *data = (void *)(uintptr_t)all->items[i].data; /* which nobody writes to */
            return LT_OK;
        }
    return lt_fail(
        LT_ERROR_UNSUPPORTED,
        "%s is packed for %s and %s, at the model's own size and without LoRAs, and here it would take \"%s\": "
        "use the checkpoint, or pack it anew",
        t->name, all->precision, all->isa, key);
}

static lt_status pack_data(const lt_weight *weight, const lt_form *form, void **data) {
    const lt_tensor *t = &weight->tensor;
    *data = lt_alloc(form->size);
    if (!*data) return LT_ERROR_MEMORY;
    const lt_status status = pack_into(weight, form, *data);
    if (!status && !weight->gradient && lt_tensor_contiguous(t)) lt_map_release(t->data, lt_tensor_bytes(t));
    return status;
}

/* Packs p, which is in the store already, so that nobody else does, while others go on. */
static lt_status fill_packed(lt_packed *p, const lt_form *form) {
    lt_weights *store = p->weight->store;
    void *data = NULL;
    p->generation = p->weight->generation;
    const lt_tensor *t = &p->weight->tensor;
    const lt_status status = t->forms ? find_ready(t, form, p->key, &data) : pack_data(p->weight, form, &data);
    pthread_mutex_lock(&store->lock);
    if (!status) {
        p->data = data;
        p->is_files = t->forms != NULL;
    } else {
        unlink_packed(p);
        free_packed(p);
        lt_free(data);
    }
    pthread_cond_broadcast(&store->packed);
    pthread_mutex_unlock(&store->lock);
    return status;
}

static lt_status pack_f32(const void *user, const lt_weight_source *weight, void *data) {
    (void)user;
    lt_weight_source_read_all(weight, data);
    return LT_OK;
}

lt_form lt_form_f32(const lt_weight *weight) {
    return (lt_form){"f32", lt_tensor_count(&weight->tensor) * sizeof(float), pack_f32};
}

enum { LT_KEY_SIZE = 384 };

/* What the store knows a form by: its layout, and what was added by whose loops, as they round in their own ways. */
static void write_key(const lt_form *form, char key[LT_KEY_SIZE]) {
    const unsigned long long identity = lt_delta_list_identity(form->deltas);
    if (form->deltas.count)
        snprintf(key, LT_KEY_SIZE, "%s+%016llx:%s", form->layout, identity, lt_isa_name(lt_isa_vectors(form->isa)));
    else
        snprintf(key, LT_KEY_SIZE, "%s", form->layout);
}

lt_status lt_weight_acquire(lt_weight *weight, const lt_form *form, const void **data) {
    if (weight->gradient && form->pack == pack_f32 && !form->deltas.count) {
        *data = weight->tensor.data;
        return LT_OK;
    }
    char key[LT_KEY_SIZE];
    write_key(form, key);
    pthread_mutex_lock(&weight->store->lock);
    lt_packed *p = use_packed(weight, key);
    const bool there = p;
    if (!there) p = add_packed(weight, key, form->size);
    pthread_mutex_unlock(&weight->store->lock);
    if (!p) return LT_ERROR_MEMORY;
    if (!there) LT_TRY(fill_packed(p, form));
    *data = p->data;
    return LT_OK;
}

void lt_weight_release(lt_weight *weight, const void *data) {
    if (!weight || !data) return;
    lt_weights *store = weight->store;
    pthread_mutex_lock(&store->lock);
    lt_packed *p = weight->packed;
    while (p && p->data != data) p = p->next;
    if (p && !--p->users) join_unused(store, p);
    trim(store);
    pthread_mutex_unlock(&store->lock);
}

lt_status lt_weight_refresh(lt_weight *weight, const lt_form *form, const void *data) {
    if (!weight->gradient) return LT_OK; /* it never changes, and others may be adding forms */
    for (lt_packed *p = weight->packed; p; p = p->next) {
        if (p->data != data) continue;
        const unsigned before = atomic_exchange(&p->generation, weight->generation);
        const lt_status status = before == weight->generation ? LT_OK : pack_into(weight, form, p->data);
        if (status) atomic_store(&p->generation, before);
        return status;
    }
    return LT_OK;
}
