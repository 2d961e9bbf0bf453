/* What a session adds to its models' weights. */
#include "ops/deltas.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct lt_deltas {
    atomic_int users;
    size_t count;
    const lt_weight **weights; /* [count], sorted */
    lt_applied *applied;       /* [count], of each */
};

/* ---- Creation ---- */

static int compare(uint64_t a, uint64_t b) { return a < b ? -1 : a > b; }

/* By weight, and the same weight's in the order given. */
static int by_weight(const void *a, const void *b) {
    const lt_delta_use *x = *(const lt_delta_use *const *)a, *y = *(const lt_delta_use *const *)b;
    const int order = compare((uintptr_t)x->weight, (uintptr_t)y->weight);
    return order ? order : compare((uintptr_t)x, (uintptr_t)y);
}

static int by_identity(const void *a, const void *b) {
    const lt_applied *x = a, *y = b;
    const int order = compare(x->delta->identity, y->delta->identity);
    return order ? order : (x->strength > y->strength) - (x->strength < y->strength);
}

/* Sums of floats depend on their order: it is made one that does not depend on whose adapter came first. */
static void order_one(lt_delta_list list) {
    for (size_t i = 0; i < list.count; i++)
        if (lt_delta_reads_weight(list.items[i].delta)) return;
    qsort((void *)(uintptr_t)list.items, list.count, sizeof *list.items, by_identity);
}

static void fill(lt_deltas *set, const lt_delta_use *const *sorted) {
    for (size_t i = 0; i < set->count; i++) {
        set->weights[i] = sorted[i]->weight;
        set->applied[i] = (lt_applied){sorted[i]->delta, sorted[i]->strength};
    }
    for (size_t i = 0; i < set->count; i += lt_deltas_of(set, set->weights[i]).count)
        order_one(lt_deltas_of(set, set->weights[i]));
}

lt_status lt_deltas_create(const lt_delta_use *uses, size_t count, lt_deltas **deltas) {
    lt_deltas *set = lt_calloc(1, sizeof *set);
    const lt_delta_use **sorted = lt_calloc(count, sizeof *sorted);
    if (set) set->weights = lt_calloc(count, sizeof *set->weights);
    if (set) set->applied = lt_calloc(count, sizeof *set->applied);
    const bool made = sorted && set && set->weights && set->applied;
    if (made) {
        set->users = 1;
        for (size_t i = 0; i < count; i++)
            if (uses[i].strength != 0) sorted[set->count++] = &uses[i];
        qsort(sorted, set->count, sizeof *sorted, by_weight);
        fill(set, sorted);
        *deltas = set;
    } else {
        lt_deltas_free(set);
    }
    lt_free(sorted);
    return made ? LT_OK : LT_ERROR_MEMORY;
}

lt_deltas *lt_deltas_share(lt_deltas *deltas) {
    if (deltas) atomic_fetch_add(&deltas->users, 1);
    return deltas;
}

void lt_deltas_free(lt_deltas *deltas) {
    if (!deltas || atomic_fetch_sub(&deltas->users, 1) > 1) return;
    lt_free(deltas->weights);
    lt_free(deltas->applied);
    lt_free(deltas);
}

/* ---- Looking up ---- */

/* The first place that is not before weight. */
static size_t lower_bound(const lt_deltas *set, const lt_weight *weight) {
    size_t low = 0, high = set->count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if ((uintptr_t)set->weights[middle] < (uintptr_t)weight)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

lt_delta_list lt_deltas_of(const lt_deltas *set, const lt_weight *weight) {
    if (!set) return (lt_delta_list){0};
    const size_t first = lower_bound(set, weight);
    lt_delta_list list = {set->applied + first, 0};
    while (first + list.count < set->count && set->weights[first + list.count] == weight) list.count++;
    return list;
}

/* Rounded to f16 again, a changed weight is off by 1e-4 and more of itself, which the recorded merged modules tell from
 * theirs: 1e-2 of the tiny U-Net's output, where float32 is 8e-5. What is not touched stays as small as it was. */
lt_dtype lt_deltas_type(const lt_deltas *deltas, const lt_weight *weight, lt_precision precision) {
    const lt_tensor *t = &weight->tensor;
    const bool exact = precision == LT_PRECISION_F32 && lt_deltas_of(deltas, weight).count;
    const bool parted = lt_in_blocks(t->dtype) && !lt_tensor_contiguous(t); /* groups of a matrix that is turned */
    return exact || parted ? LT_F32 : t->dtype;
}
