/* Reading a file of LoRA or its kin. */
#include "adapters/lora_file.h"

#include "adapters/lora_about.h"
#include "adapters/lora_layers.h"
#include "adapters/stranger.h"
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

enum { TOLD = 3 }; /* names of what fits nothing */

/* A tensor of the file whose name is an adapter's. */
typedef struct entry {
    char *layer; /* owned */
    lt_role role;
    lt_lora_part part;
    const lt_tensor *tensor;
} entry;

typedef struct reading {
    lt_lora_file *lora;
    lt_lora_layers layers;
    entry *entries; /* [count], by layer */
    size_t count;
    size_t whole;                /* layers with all parts of a kind */
    size_t strangers, misshapen; /* tensors: of no layer here; of layers that have another size here */
    const char *told[TOLD];
    size_t capacity; /* of lora->uses */
} reading;

/* ---- What fits nothing ---- */

static void leave_out(reading *r, const lt_tensor *t, size_t *count) {
    const size_t before = r->strangers + r->misshapen;
    if (before < TOLD) r->told[before] = t->name;
    ++*count;
}

static void tell_left_out(const reading *r, const lt_listener *listener) {
    const size_t count = r->strangers + r->misshapen, told = lt_min(count, TOLD);
    char names[3 * 128] = "";
    for (size_t i = 0, at = 0; i < told && at < sizeof names; i++)
        at += (size_t)snprintf(names + at, sizeof names - at, "%s%.100s", i ? ", " : "", r->told[i]);
    if (count)
        lt_notify(listener, "%s: %zu of its %zu tensors fit nothing in this model and are left out: %s%s",
                  r->lora->path, count, r->lora->file.count, names, count > told ? ", ..." : "");
}

/* Some layers of two families have the same names and sizes: where others don't, what fits is chance. */
static lt_status check_family(const reading *r, const lt_weights *weights) {
    const char *family = lt_lora_made_for(&r->lora->file), *model = lt_lora_family_of(weights);
    const bool other = r->strangers + r->misshapen > 0 && lt_lora_is_for_another(family, model);
    bool stranger = false; /* an embedding for another family is no LoRA for it */
    if (!r->count) LT_TRY(lt_stranger_is(&r->lora->file, LT_SHELF_LORA, &stranger));
    if (!r->count && (stranger || !other))
        return lt_stranger_fail(&r->lora->file, LT_SHELF_LORA, "no LoRA, nor one of its kin",
                                "none of its tensors has such a name");
    if (!r->whole && !other)
        return lt_fail(LT_ERROR_MODEL,
                       "no layer of this LoRA is whole: of the parts of each some are missing (%s is there)",
                       r->entries[0].tensor->name);
    if (!r->lora->count && !other)
        return lt_fail(LT_ERROR_MODEL, "nothing of it fits this model: it was made for another one (%s)",
                       r->lora->file.tensors[0].name);
    return other
               ? lt_fail(LT_ERROR_MODEL, "it was made for %s; this model is %s", family, model ? model : "another one")
               : LT_OK;
}

/* ---- One layer ---- */

/* Not a NaN, nor an infinity: what is drawn would be none either. */
static lt_status check_finite(const lt_tensor *t) {
    enum { AT_ONCE = 1 << 12 };
    float values[AT_ONCE];
    lt_tensor flat = *t;
    if (!lt_tensor_contiguous(t)) return LT_OK; /* of an old pickle: what is drawn is looked at, too */
    for (size_t left = lt_tensor_count(t); left; left -= flat.shape[0]) {
        flat.rank = 1;
        flat.stride[0] = 1;
        flat.shape[0] = lt_min(left, AT_ONCE);
        lt_tensor_read_f32(&flat, values);
        if (!lt_all_finite(values, flat.shape[0]))
            return lt_fail(LT_ERROR_MODEL, "%s holds a NaN or an infinity", t->name);
        lt_tensor_skip(&flat, flat.shape[0]);
    }
    return lt_map_check(t->data, LT_OK);
}

static lt_status check_numbers(const lt_delta *delta) {
    const lt_tensor *all[LT_DELTA_TENSORS];
    lt_delta_tensors(delta, all);
    for (size_t i = 0; i < LT_DELTA_TENSORS; i++) {
        if (!all[i]->data) continue;
        LT_TRY(lt_tensor_readable(all[i]));
        LT_TRY(check_finite(all[i]));
    }
    return LT_OK;
}

static lt_status add_use(reading *r, const lt_lora_use *use) {
    lt_lora_file *lora = r->lora;
    LT_TRY(LT_GROW(lora->uses, lora->count, r->capacity));
    lora->uses[lora->count++] = *use;
    return LT_OK;
}

/* *fits: the change is of the weight's size. */
static lt_status add_change(reading *r, lt_role role, const lt_weight *weight, lt_lora_change *change, bool *fits) {
    LT_TRY(lt_delta_fits(&change->delta, &weight->tensor, fits));
    if (!*fits) return LT_OK;
    LT_TRY(check_numbers(&change->delta));
    LT_TRY(lt_delta_check(&change->delta, &weight->tensor));
    return add_use(r, &(lt_lora_use){weight, role != LT_ROLE_UNET, change->kind, change->delta});
}

static bool is_whole(const lt_lora_parts *parts) {
    lt_lora_kind kind = 0;
    lt_lora_change change;
    lt_status status;
    return lt_lora_next_change(parts, &kind, &change, &status);
}

/* Entries [first, first + count) are a layer's. */
static lt_status read_layer(reading *r, size_t first, size_t count) {
    const entry *e = r->entries + first;
    lt_lora_key key = {.role = e->role};
    lt_lora_parts parts = {{NULL}};
    memcpy(key.layer, e->layer, strlen(e->layer) + 1);
    const lt_lora_layer_entry *layer = lt_lora_layers_find(&r->layers, &key);
    for (size_t i = 0; i < count; i++) parts.of[e[i].part] = e[i].tensor;
    r->whole += is_whole(&parts);
    unsigned used = 0, misshapen = 0;
    lt_lora_kind kind = 0;
    lt_lora_change change;
    lt_status status = LT_OK;
    while (layer && !status && lt_lora_next_change(&parts, &kind, &change, &status)) {
        const lt_weight *weight = change.kind == LT_LORA_BIAS ? layer->bias : layer->weight;
        bool fits = true;
        if (!status && weight) status = add_change(r, e->role, weight, &change, &fits);
        if (weight) used |= change.used;
        if (weight && !fits) misshapen |= change.used;
    }
    for (size_t i = 0; i < count && !status; i++) {
        if (!(used >> e[i].part & 1)) leave_out(r, e[i].tensor, &r->strangers);
        if (misshapen >> e[i].part & 1) leave_out(r, e[i].tensor, &r->misshapen);
    }
    return status;
}

/* ---- All layers ---- */

static int compare(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->role != y->role) return (x->role > y->role) - (x->role < y->role);
    const int order = strcmp(x->layer, y->layer);
    return order ? order : (x->part > y->part) - (x->part < y->part);
}

static bool same_layer(const entry *a, const entry *b) { return a->role == b->role && !strcmp(a->layer, b->layer); }

static lt_status collect(reading *r) {
    const lt_checkpoint *file = &r->lora->file;
    lt_lora_key key;
    r->entries = lt_calloc(file->count, sizeof *r->entries);
    if (!r->entries) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < file->count; i++) {
        const lt_tensor *t = &file->tensors[i];
        if (!lt_lora_key_read(t->name, &key)) {
            leave_out(r, t, &r->strangers);
            continue;
        }
        r->entries[r->count] = (entry){lt_strdup(key.layer), key.role, key.part, t};
        if (!r->entries[r->count].layer) return LT_ERROR_MEMORY;
        r->count++;
    }
    qsort(r->entries, r->count, sizeof *r->entries, compare);
    return LT_OK;
}

/* Two names of one part would leave it to chance which is taken. */
static lt_status check_twice(const entry *a, const entry *b) {
    if (!same_layer(a, b) || a->part != b->part) return LT_OK;
    return lt_fail(LT_ERROR_MODEL, "%s and %s are the same", a->tensor->name, b->tensor->name);
}

static lt_status read_layers(reading *r) {
    for (size_t i = 0, n; i < r->count; i += n) {
        for (n = 1; i + n < r->count && same_layer(&r->entries[i], &r->entries[i + n]); n++)
            LT_TRY(check_twice(&r->entries[i + n - 1], &r->entries[i + n]));
        LT_TRY(read_layer(r, i, n));
    }
    return LT_OK;
}

lt_status lt_lora_read(lt_lora_file *lora, const lt_weights *weights, const lt_listener *listener) {
    reading r = {.lora = lora};
    lt_status status = lt_lora_layers_make(weights, &r.layers);
    if (!status) status = collect(&r);
    if (!status) status = read_layers(&r);
    if (!status) status = check_family(&r, weights);
    if (!status) tell_left_out(&r, listener);
    for (size_t i = 0; i < r.count; i++) lt_free(r.entries[i].layer);
    lt_free(r.entries);
    lt_lora_layers_free(&r.layers);
    return status;
}

/* ---- Files ---- */

static lt_status open_file(lt_lora_file *lora, const char *path, const lt_weights *weights,
                           const lt_listener *listener) {
    lora->users = 1;
    lora->path = lt_strdup(path);
    if (!lora->path) return LT_ERROR_MEMORY;
    LT_TRY(lt_stranger_open(path, LT_SHELF_LORA, &lora->file));
    const lt_status status = lt_lora_read(lora, weights, listener);
    return status ? lt_fail_in(status, "%s", path) : LT_OK;
}

lt_status lt_lora_open(const char *path, const lt_weights *weights, const lt_listener *listener, lt_lora_file **lora) {
    lt_lora_file *l = lt_calloc(1, sizeof *l);
    if (!l) return LT_ERROR_MEMORY;
    const lt_status status = open_file(l, path, weights, listener);
    if (status)
        lt_lora_close(l);
    else
        *lora = l;
    return status;
}

void lt_lora_close(lt_lora_file *lora) {
    if (!lora || --lora->users > 0) return;
    lt_checkpoint_close(&lora->file);
    lt_free(lora->uses);
    lt_free(lora->path);
    lt_free(lora);
}
