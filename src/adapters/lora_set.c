/* LoRAs with their strengths. */
#include "adapters/lora_set.h"

#include "kernels/weight_source.h"

#include <math.h>
#include <string.h>

static bool is_possible(float strength) { return fabsf(strength) <= LT_MOST_STRENGTH; }

lt_status lt_loras_check(const lt_lora *loras, size_t count) {
    if (count && !loras) return lt_fail(LT_ERROR_ARGUMENT, "loras is NULL: %zu are to be there", count);
    for (size_t i = 0; i < count; i++) {
        const lt_lora *l = &loras[i];
        if (!l->file || !*l->file) return lt_fail(LT_ERROR_ARGUMENT, "loras: number %zu names no file", i);
        if (!is_possible(l->strength) || !is_possible(l->text_strength))
            return lt_fail(LT_ERROR_ARGUMENT, "loras: %s: strengths of %g and %g; -%d to %d is possible", l->file,
                           (double)l->strength, (double)l->text_strength, LT_MOST_STRENGTH, LT_MOST_STRENGTH);
    }
    return LT_OK;
}

static lt_lora_file *find_open(const lt_lora_set *set, const char *path) {
    for (size_t i = 0; set && i < set->count; i++)
        if (!strcmp(set->files[i]->path, path) && !lt_checkpoint_changed(&set->files[i]->file)) return set->files[i];
    return NULL;
}

static lt_status open_files(lt_lora_set *set, const lt_lora *loras, size_t count, const lt_weights *weights,
                            const lt_listener *listener, const lt_lora_set *const kept[2]) {
    for (; set->count < count; set->count++) {
        const lt_lora *wanted = &loras[set->count];
        const lt_lora_set *const among[] = {set, kept[0], kept[1]};
        lt_lora_file *file = NULL;
        for (size_t i = 0; i < LT_COUNT(among) && !file; i++) file = find_open(among[i], wanted->file);
        if (file)
            file->users++;
        else
            LT_TRY(lt_lora_open(wanted->file, weights, listener, &file));
        set->files[set->count] = file;
        set->loras[set->count] = (lt_lora){file->path, wanted->strength, wanted->text_strength};
    }
    return LT_OK;
}

static lt_status add_up(lt_lora_set *set) {
    size_t count = 0, at = 0;
    for (size_t i = 0; i < set->count; i++) count += set->files[i]->count;
    lt_delta_use *uses = lt_calloc(count, sizeof *uses);
    if (!uses) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < set->count; i++)
        for (size_t k = 0; k < set->files[i]->count; k++) {
            const lt_lora_use *u = &set->files[i]->uses[k];
            const lt_lora *l = &set->loras[i];
            uses[at++] = (lt_delta_use){u->weight, &u->delta, u->text ? l->text_strength : l->strength};
        }
    const lt_status status = lt_deltas_create(uses, count, &set->deltas);
    lt_free(uses);
    return status;
}

static lt_status fill(lt_lora_set *set, const lt_lora *loras, size_t count, const lt_weights *weights,
                      const lt_listener *listener, const lt_lora_set *const kept[2]) {
    set->loras = lt_calloc(count, sizeof *set->loras);
    set->files = lt_calloc(count, sizeof *set->files);
    if (!set->loras || !set->files) return LT_ERROR_MEMORY;
    LT_TRY(open_files(set, loras, count, weights, listener, kept));
    return count ? add_up(set) : LT_OK;
}

lt_status lt_lora_set_make(const lt_lora *loras, size_t count, const lt_weights *weights, const lt_listener *listener,
                           const lt_lora_set *const kept[2], lt_lora_set **set) {
    lt_lora_set *s = lt_calloc(1, sizeof *s);
    if (!s) return LT_ERROR_MEMORY;
    const lt_status status = fill(s, loras, count, weights, listener, kept);
    if (status)
        lt_lora_set_free(s);
    else
        *set = s;
    return status;
}

void lt_lora_set_free(lt_lora_set *set) {
    if (!set) return;
    lt_deltas_free(set->deltas);
    for (size_t i = 0; i < set->count; i++) lt_lora_close(set->files[i]);
    lt_free(set->files);
    lt_free(set->loras);
    lt_free(set);
}

bool lt_lora_set_changed(const lt_lora_set *set) {
    bool changed = false;
    for (size_t i = 0; set && i < set->count && !changed; i++) changed = lt_checkpoint_changed(&set->files[i]->file);
    return changed;
}

bool lt_lora_set_is(const lt_lora_set *set, const lt_lora *loras, size_t count) {
    if ((set ? set->count : 0) != count || lt_lora_set_changed(set)) return false;
    for (size_t i = 0; i < count; i++) {
        const lt_lora *a = &set->loras[i], *b = &loras[i];
        if (strcmp(a->file, b->file) || a->strength != b->strength || a->text_strength != b->text_strength)
            return false;
    }
    return true;
}

/* ---- Numbers that are no longer finite ---- */

enum { LOUD = 10000 }; /* no trained weight is so large */

/* The largest number of a weight with what is added, by its size; infinity where one is no number. What can't be found
 * out is 0. */
static float find_largest(const lt_weight *weight, lt_delta_list list) {
    lt_weight_source source;
    lt_tensor copy = {0};
    float largest = 0;
    lt_status status = lt_weight_source_open(&weight->tensor, list, LT_ISA_BEST, &source);
    if (!status) status = lt_weight_source_copy(&source, &copy);
    lt_weight_source_close(&source);
    const float *values = copy.data;
    for (size_t i = 0; !status && i < lt_tensor_count(&weight->tensor); i++)
        if (!(fabsf(values[i]) <= largest)) largest = isnan(values[i]) ? INFINITY : fabsf(values[i]);
    if (!status) lt_free((void *)(uintptr_t)copy.data);
    return largest;
}

/* The first of the i-th file's uses that makes a weight loud. */
static const lt_lora_use *find_loud(const lt_lora_set *set, size_t i, float *strength, float *largest) {
    const lt_lora_file *file = set->files[i];
    for (size_t k = 0; k < file->count; k++) {
        const lt_lora_use *use = &file->uses[k];
        *strength = use->text ? set->loras[i].text_strength : set->loras[i].strength;
        const lt_applied applied = {&use->delta, *strength};
        const lt_delta_list one = {&applied, 1}, none = {0};
        *largest = *strength != 0 ? find_largest(use->weight, one) : 0;
        if (*largest > LOUD && find_largest(use->weight, none) <= LOUD) return use;
    }
    return NULL;
}

lt_status lt_lora_set_blame(const lt_lora_set *set, lt_status status) {
    lt_message before;
    lt_message_keep(&before);
    for (size_t i = 0; i < set->count; i++) {
        float strength, largest;
        const lt_lora_use *use = find_loud(set, i, &strength, &largest);
        if (use)
            return lt_fail(LT_ERROR_MODEL, "%s: at a strength of %g it makes numbers of %s as large as %g",
                           set->files[i]->path, (double)strength, use->weight->tensor.name, (double)largest);
    }
    return lt_fail(status, "%s (LoRAs are added to it: are their strengths reasonable?)", before.text);
}
