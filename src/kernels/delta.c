/* What a delta is: whether it fits its weight, and which numbers it is made of. */
#include "kernels/delta.h"

#include "base/map.h"

#include <string.h>

enum { MOST_RANK = 1 << 14, MOST_TURNED = 1 << 11 }; /* rows that one block turns: to invert it takes their cube */

void lt_delta_tensors(const lt_delta *d, const lt_tensor *tensors[LT_DELTA_TENSORS]) {
    const lt_factor *f = d->factor;
    const lt_tensor *all[] = {&f[0].up, &f[0].core, &f[0].down, &f[1].up, &f[1].core, &f[1].down, &d->magnitude};
    memcpy(tensors, all, sizeof all);
}

lt_status lt_delta_check_maps(const lt_delta *delta, lt_status status) {
    const lt_tensor *all[LT_DELTA_TENSORS];
    lt_delta_tensors(delta, all);
    for (int i = 0; i < LT_DELTA_TENSORS && !status; i++)
        if (all[i]->data) status = lt_map_check(all[i]->data, status);
    return status;
}

lt_matrix lt_matrix_of(const lt_tensor *t) {
    lt_matrix m = {.tensor = *t};
    const size_t count = lt_tensor_count(t);
    if (t->rank < 2) {
        m.tensor.rank = 2;
        m.tensor.shape[0] = 1;
        m.tensor.shape[1] = count;
        m.tensor.stride[0] = count;
        m.tensor.stride[1] = t->rank ? t->stride[0] : 1;
    }
    while (m.tensor.rank > 2 && m.tensor.shape[m.tensor.rank - 1] == 1) m.tensor.rank--;
    m.rows = m.tensor.shape[0];
    m.columns = m.rows ? count / m.rows : 0;
    return m;
}

/* ---- Fitting ---- */

static const char *name_of(const lt_tensor *weight) { return weight->name ? weight->name : "its weight"; }

static lt_status refuse(const lt_tensor *t, const char *fits_not) {
    char shape[128];
    lt_tensor_shape_text(t, shape, sizeof shape);
    return lt_fail(LT_ERROR_MODEL, "%s has shape %s, which does not fit %s", t->name ? t->name : "a delta's tensor",
                   shape, fits_not);
}

/* The size of what f's tensors are multiplied to. */
static lt_status size_of(const lt_factor *f, size_t *rows, size_t *columns) {
    const lt_matrix up = lt_matrix_of(&f->up), core = lt_matrix_of(&f->core), down = lt_matrix_of(&f->down);
    *rows = up.rows;
    *columns = f->down.data ? down.columns : up.columns;
    if (!f->down.data) return f->core.data ? refuse(&f->core, "a factor without its other half") : LT_OK;
    if (up.tensor.rank > 2 || up.columns < 1 || up.columns > MOST_RANK) return refuse(&f->up, "a product");
    if (!f->core.data) return up.columns == down.rows ? LT_OK : refuse(&f->down, "the rank of its other half");
    const size_t inner = core.tensor.shape[1];
    if (core.rows != up.columns || inner != down.rows || inner < 1 || inner > MOST_RANK || down.tensor.rank > 2)
        return refuse(&f->core, "the ranks of what it stands between");
    return lt_mul(down.columns, core.columns / inner, columns) ? LT_OK : refuse(&f->core, "memory");
}

/* Of both factors. */
typedef struct sizes {
    size_t rows[2], columns[2];
} sizes;

static lt_status kronecker_size(const lt_delta *d, const sizes *s, size_t *rows, size_t *columns) {
    const bool possible = lt_mul(s->rows[0], s->rows[1], rows) && lt_mul(s->columns[0], s->columns[1], columns);
    return possible ? LT_OK : refuse(&d->factor[0].up, "memory");
}

/* F1 + W F2 is of plain products. */
static lt_status check_plain(const lt_delta *d) {
    for (int i = 0; i < 2; i++) {
        const lt_factor *f = &d->factor[i];
        if (f->core.data || !f->down.data) return refuse(&f->up, "a sum of two products");
    }
    return LT_OK;
}

static lt_status check_pair(const lt_delta *d, const sizes *s) {
    const bool alike = s->rows[0] == s->rows[1] && s->columns[0] == s->columns[1];
    const bool square = s->rows[1] == s->columns[0] && s->columns[1] == s->columns[0];
    if (d->kind == LT_DELTA_HADAMARD && !alike) return refuse(&d->factor[1].up, "the other half of its product");
    if (d->kind == LT_DELTA_INPUT && !square) return refuse(&d->factor[1].up, "the inputs of its other half");
    return d->kind == LT_DELTA_INPUT ? check_plain(d) : LT_OK;
}

static lt_status product_size(const lt_delta *d, size_t *rows, size_t *columns) {
    sizes s;
    for (int i = 0; i < (d->kind == LT_DELTA_SUM ? 1 : 2); i++)
        LT_TRY(size_of(&d->factor[i], &s.rows[i], &s.columns[i]));
    LT_TRY(check_pair(d, &s));
    if (d->kind == LT_DELTA_KRONECKER) return kronecker_size(d, &s, rows, columns);
    *rows = s.rows[0];
    *columns = s.columns[0];
    return LT_OK;
}

/* Stage i takes rows 2^i half blocks apart: the last spans all rows, or a whole part of them. */
static lt_status check_butterfly(const lt_tensor *b, const lt_rotation *r) {
    if (r->size % 2 || !r->blocks || r->blocks & (r->blocks - 1))
        return refuse(b, "a butterfly: it has a power of two of blocks, and they an even number of rows");
    size_t most = 1;
    while (r->blocks >> most) most++;
    if (r->stages < 1 || r->stages > most) return refuse(b, "a butterfly: so many blocks have not that many stages");
    return LT_OK;
}

/* Of any width. */
static lt_status rotation_size(const lt_delta *d, size_t *rows) {
    const lt_tensor *b = &d->factor[0].up, *c = &d->factor[1].up;
    const bool of_blocks = b->rank == 3 || b->rank == 4;
    const lt_rotation r = of_blocks ? lt_rotation_of(b) : (lt_rotation){0};
    if (r.size < 1 || r.size > MOST_TURNED || r.size != b->shape[b->rank - 1])
        return refuse(b, "a rotation: it has three or four dimensions, the last two of one size");
    if (r.butterfly) LT_TRY(check_butterfly(b, &r));
    if (!lt_mul(r.blocks, r.size, rows)) return refuse(b, "memory");
    return c->data && lt_tensor_count(c) != *rows ? refuse(c, "the rotation that it scales") : LT_OK;
}

lt_status lt_delta_fits(const lt_delta *d, const lt_tensor *weight, bool *fits) {
    const lt_matrix w = lt_matrix_of(weight);
    size_t rows = 0, columns = w.columns;
    LT_TRY(d->kind == LT_DELTA_ROTATION ? rotation_size(d, &rows) : product_size(d, &rows, &columns));
    *fits = rows == w.rows && columns == w.columns;
    return LT_OK;
}

static lt_status check_factors(const lt_delta *d, const lt_matrix *w) {
    bool fits;
    LT_TRY(lt_delta_fits(d, &w->tensor, &fits));
    return fits ? LT_OK : refuse(&d->factor[0].up, name_of(&w->tensor));
}

static lt_status check_magnitude(const lt_tensor *m, const lt_matrix *w) {
    if (!m->data) return LT_OK;
    const bool of_inputs = m->rank > 1 && m->shape[0] == 1 && lt_tensor_count(m) == w->tensor.shape[1];
    return of_inputs || lt_magnitude_is_of_rows(m, w->rows) ? LT_OK : refuse(m, name_of(&w->tensor));
}

/* ---- Identity ---- */

/* FNV-1a, eight bytes at a time, with what it pushes upwards brought down again. */
static uint64_t hash_words(uint64_t hash, const void *bytes, size_t size) {
    const char *at = bytes;
    for (; size >= 8; size -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        hash = (hash ^ word) * 0x100000001B3u;
        hash ^= hash >> 32;
    }
    return lt_hash_bytes(hash, at, size);
}

static uint64_t hash_tensor(uint64_t hash, const lt_tensor *t) {
    const uint64_t type[2] = {t->data ? 1 : 0, (uint64_t)t->dtype << 8 | (uint64_t)t->rank};
    hash = hash_words(hash, type, sizeof type);
    if (!t->data) return hash;
    lt_tensor reach = *t; /* elements from the first to the last */
    reach.rank = 1;
    reach.shape[0] = 1;
    for (int i = 0; i < t->rank; i++) {
        const uint64_t side[2] = {t->shape[i], t->stride[i]};
        hash = hash_words(hash, side, sizeof side);
        reach.shape[0] += (t->shape[i] - 1) * t->stride[i];
    }
    hash = hash_words(hash, &t->first, sizeof t->first);
    return hash_words(hash, t->data, lt_tensor_bytes(&reach));
}

static uint64_t identify(const lt_delta *d, const lt_tensor *const all[LT_DELTA_TENSORS]) {
    uint64_t hash = lt_hash_bytes(LT_HASH_START, &d->kind, sizeof d->kind);
    hash = lt_hash_bytes(hash, &d->scale, sizeof d->scale);
    hash = lt_hash_bytes(hash, &d->bound, sizeof d->bound);
    for (int i = 0; i < LT_DELTA_TENSORS; i++) hash = hash_tensor(hash, all[i]);
    return hash;
}

lt_status lt_delta_check(lt_delta *delta, const lt_tensor *weight) {
    const lt_tensor *all[LT_DELTA_TENSORS];
    const lt_matrix w = lt_matrix_of(weight);
    lt_delta_tensors(delta, all);
    for (int i = 0; i < LT_DELTA_TENSORS; i++)
        if (all[i]->data) LT_TRY(lt_tensor_readable(all[i]));
    LT_TRY(check_factors(delta, &w));
    LT_TRY(check_magnitude(&delta->magnitude, &w));
    delta->identity = identify(delta, all);
    return lt_delta_check_maps(delta, LT_OK);
}

uint64_t lt_delta_list_identity(lt_delta_list list) {
    uint64_t hash = list.count ? LT_HASH_START : 0;
    for (size_t i = 0; i < list.count; i++) {
        hash = lt_hash_bytes(hash, &list.items[i].delta->identity, sizeof list.items[i].delta->identity);
        hash = lt_hash_bytes(hash, &list.items[i].strength, sizeof list.items[i].strength);
    }
    return hash;
}
