/* The layers of a model by the names that adapters have for them. */
#include "adapters/lora_layers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct collecting {
    const lt_weights *weights;
    lt_role role;
    lt_lora_layers *layers;
} collecting;

static const lt_weight *find(const collecting *c, const char *layer, const char *what) {
    char name[2 * LT_NAME_SIZE];
    snprintf(name, sizeof name, "%s%s.%s", lt_role_prefix(c->role), layer, what);
    return lt_weights_find(c->weights, name);
}

static lt_status add(lt_lora_layers *l, const lt_lora_layer_entry *entry) {
    LT_TRY(LT_GROW(l->items, l->count, l->capacity));
    l->items[l->count] = *entry;
    l->items[l->count].name = lt_strdup(entry->name);
    return l->items[l->count].name ? (l->count++, LT_OK) : LT_ERROR_MEMORY;
}

/* Once if both names are the same. */
static lt_status add_layer(void *user, const char *const name[LT_NAMINGS]) {
    const collecting *c = user;
    char text[LT_NAMINGS][LT_NAME_SIZE];
    lt_lora_layer_entry entry = {.role = c->role};
    entry.weight = find(c, name[LT_NAMING_LDM], "weight");
    entry.bias = find(c, name[LT_NAMING_LDM], "bias");
    if (!entry.weight && !entry.bias) return LT_OK;
    for (int n = 0; n < LT_NAMINGS; n++) {
        lt_lora_layer(c->role, name[n], text[n]);
        if (n && !strcmp(text[n], text[0])) break;
        entry.name = text[n];
        LT_TRY(add(c->layers, &entry));
    }
    return LT_OK;
}

static int compare(const void *a, const void *b) {
    const lt_lora_layer_entry *x = a, *y = b;
    return x->role != y->role ? (x->role > y->role) - (x->role < y->role) : strcmp(x->name, y->name);
}

lt_status lt_lora_layers_make(const lt_weights *weights, lt_lora_layers *layers) {
    static const lt_role roles[] = {LT_ROLE_UNET, LT_ROLE_TEXT, LT_ROLE_OPEN_TEXT};
    *layers = (lt_lora_layers){0};
    lt_status status = LT_OK;
    for (size_t i = 0; i < LT_COUNT(roles) && !status; i++) {
        collecting c = {weights, roles[i], layers};
        if (lt_weights_has_prefix(weights, lt_role_prefix(roles[i])))
            status = lt_names_visit(weights, roles[i], add_layer, &c);
    }
    if (layers->count) qsort(layers->items, layers->count, sizeof *layers->items, compare);
    if (status) lt_lora_layers_free(layers);
    return status;
}

void lt_lora_layers_free(lt_lora_layers *layers) {
    for (size_t i = 0; i < layers->count; i++) lt_free(layers->items[i].name);
    lt_free(layers->items);
    *layers = (lt_lora_layers){0};
}

const lt_lora_layer_entry *lt_lora_layers_find(const lt_lora_layers *layers, const lt_lora_key *key) {
    const lt_lora_layer_entry wanted = {.role = key->role, .name = (char *)(uintptr_t)key->layer};
    if (!layers->count) return NULL;
    return bsearch(&wanted, layers->items, layers->count, sizeof wanted, compare);
}
