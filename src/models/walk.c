/* Walks over models: places and their tables, forwards to the list of tensors and backwards to the description. */
#include "models/walk.h"

#include <stdio.h>
#include <string.h>

const lt_row lt_whole_conv3[] = {{{"", ""}, LT_KIND_CONV3, LT_OUT, LT_IN}};
const lt_row lt_whole_conv1[] = {{{"", ""}, LT_KIND_CONV1, LT_OUT, LT_IN}};
const lt_row lt_whole_norm[] = {{{"", ""}, LT_KIND_NORM, LT_OUT}};
const lt_row lt_whole_linear[] = {{{"", ""}, LT_KIND_LINEAR, LT_OUT, LT_IN}};
const lt_row lt_whole_matrix[] = {{{"", ""}, LT_KIND_MATRIX, LT_OUT, LT_IN}};

void lt_walk_visit(lt_walk *walk, lt_step step, int in, int out, const lt_row *rows, size_t count, const char *format,
                   ...) {
    lt_place *p = &walk->place;
    char text[LT_NAMINGS * LT_PLACE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const size_t split = strcspn(text, " ");
    const char *other = text[split] ? text + split + 1 : text;
    snprintf(p->name[LT_NAMING_LDM], LT_PLACE_SIZE, "%.*s", (int)split, text);
    snprintf(p->name[LT_NAMING_DIFFUSERS], LT_PLACE_SIZE, "%.*s", LT_PLACE_SIZE - 1, other);
    p->width[LT_IN] = in;
    p->width[LT_OUT] = out;
    p->width[LT_SHORTCUT] = in != out ? in : 0;
    p->step = step;
    p->rows = rows;
    p->count = count;
    walk->visit(walk->user, p);
}

lt_residual_names lt_residual_names_of(const lt_place *place) {
    const char *name[6] = {NULL};
    const bool time = place->count == 6;
    for (size_t i = 0; i < place->count && i < 6; i++) name[i] = place->rows[i].name[LT_NAMING_LDM];
    return (lt_residual_names){name[0], name[1], time ? name[2] : NULL, name[2 + time], name[3 + time], name[4 + time]};
}

/* ---- The list of tensors ---- */

/* The rank of a layer's weight, and its shape. */
static int weight_shape(const lt_place *p, const lt_row *row, size_t shape[4]) {
    const int *w = p->width;
    const size_t out = (size_t)w[row->out], in = (size_t)w[row->in], patch = (size_t)w[LT_PATCH];
    const bool three = row->kind == LT_KIND_CONV3 || row->kind == LT_KIND_BARE_CONV3;
    const size_t kernel = three ? 3 : row->kind == LT_KIND_PATCHES ? patch : 1;
    const bool linear = row->kind == LT_KIND_LINEAR || row->kind == LT_KIND_MATRIX ||
                        (row->kind == LT_KIND_PROJECTION && w[LT_LINEARLY]);
    const size_t all[4] = {out, row->kind == LT_KIND_PATCHES ? 3 : in, kernel, kernel};
    memcpy(shape, all, sizeof all);
    if (row->kind == LT_KIND_SCALAR) return 0;
    return row->kind == LT_KIND_NORM || row->kind == LT_KIND_VECTOR || row->kind == LT_KIND_SLOPES ? 1 : linear ? 2 : 4;
}

static void add_tensor(lt_lister *l, const lt_place *p, const lt_row *row, const char *part, int rank,
                       const size_t *shape) {
    lt_tensor t = {.dtype = LT_F32, .rank = rank};
    char name[LT_NAME_SIZE];
    const char *place = p->name[LT_NAMING_LDM], *layer = row->name[LT_NAMING_LDM];
    snprintf(name, sizeof name, "%s%s%s%s%s%s", l->prefix, place, *place && *layer ? "." : "", layer, *part ? "." : "",
             part);
    memcpy(t.shape, shape, (size_t)rank * sizeof *shape);
    lt_tensor_set_contiguous(&t);
    if (!l->status) l->status = lt_tensor_list_add(l->list, name, &t);
}

static bool has_bias(lt_kind kind) {
    return kind != LT_KIND_MATRIX && kind != LT_KIND_PATCHES && kind != LT_KIND_BARE_CONV3 && kind != LT_KIND_SLOPES;
}

static void list_place(void *user, const lt_place *p) {
    for (size_t i = 0; i < p->count; i++) {
        const lt_row *row = &p->rows[i];
        size_t shape[4];
        if (row->old || (row->only && !p->width[row->only])) continue;
        const int rank = weight_shape(p, row, shape);
        const bool itself = row->kind == LT_KIND_VECTOR || row->kind == LT_KIND_SCALAR;
        add_tensor(user, p, row, itself ? "" : "weight", rank, shape);
        if (!itself && has_bias(row->kind)) add_tensor(user, p, row, "bias", 1, shape);
    }
}

lt_walk lt_walk_listing(lt_lister *lister) { return (lt_walk){.visit = list_place, .user = lister}; }

/* ---- Reading ---- */

static const lt_tensor *tensor_at(const void *of, size_t i) { return (const lt_tensor *)of + i; }

static const lt_tensor *weight_at(const void *of, size_t i) { return &lt_weights_at(of, i)->tensor; }

lt_names lt_names_of_tensors(const lt_tensor *tensors, size_t count, const char *prefix, const char *model) {
    return (lt_names){tensor_at, tensors, count, prefix, model};
}

lt_names lt_names_of_weights(const lt_weights *weights, const char *prefix, const char *model) {
    return (lt_names){weight_at, weights, lt_weights_count(weights), prefix, model};
}

const char *lt_name_after(const char *name, const char *prefix) {
    const size_t n = strlen(prefix);
    return strncmp(name, prefix, n) == 0 ? name + n : NULL;
}

/* The place of the first tensor whose name is not before name. */
static size_t lower_bound(const lt_names *n, const char *name) {
    size_t low = 0, high = n->count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (strcmp(n->at(n->of, middle)->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The prefix and what is printed behind it. */
static void make_stem(const lt_names *n, const char *format, va_list args, char text[LT_NAME_SIZE]) {
    const int used = snprintf(text, LT_NAME_SIZE, "%s", n->prefix);
    vsnprintf(text + used, (size_t)(LT_NAME_SIZE - used), format, args);
}

bool lt_names_have(const lt_names *n, const char *format, ...) {
    char stem[LT_NAME_SIZE];
    va_list args;
    va_start(args, format);
    make_stem(n, format, args, stem);
    va_end(args);
    const size_t i = lower_bound(n, stem);
    return i < n->count && lt_name_after(n->at(n->of, i)->name, stem);
}

int lt_names_count(const lt_names *n, const char *format, ...) {
    const int limit = LT_MAX_BLOCKS * LT_MAX_LEVELS;
    int highest = -1;
    char stem[LT_NAME_SIZE];
    const char *rest;
    va_list args;
    va_start(args, format);
    make_stem(n, format, args, stem);
    va_end(args);
    for (size_t i = lower_bound(n, stem); i < n->count && (rest = lt_name_after(n->at(n->of, i)->name, stem)); i++) {
        int value = -1;
        for (; *rest >= '0' && *rest <= '9' && value < limit; rest++)
            value = (value < 0 ? 0 : 10 * value) + (*rest - '0');
        if (*rest == '.' && value > highest) highest = value;
    }
    return highest < limit ? highest + 1 : limit;
}

static void measure(const lt_tensor *t, const lt_row *row, int width[LT_WIDTHS]) {
    const lt_width of[4] = {row->out, row->in, row->kind == LT_KIND_PATCHES ? LT_PATCH : LT_NO_WIDTH};
    for (int d = 0; d < t->rank && d < 3; d++)
        if (t->shape[d] >= 1 && t->shape[d] <= 1 << 20) width[of[d]] = (int)t->shape[d];
    if (row->kind == LT_KIND_PROJECTION) width[LT_LINEARLY] = t->rank == 2;
}

void lt_names_measure(const lt_names *n, lt_naming naming, const lt_place *p, int width[LT_WIDTHS]) {
    memset(width, 0, LT_WIDTHS * sizeof *width);
    for (size_t i = 0; i < p->count; i++) {
        const lt_row *row = &p->rows[i];
        const char *place = p->name[naming], *layer = row->name[naming];
        char name[LT_NAME_SIZE];
        snprintf(name, sizeof name, "%s%s%s%s.weight", n->prefix, place, *place && *layer ? "." : "", layer);
        const size_t k = lower_bound(n, name);
        if (k < n->count && !strcmp(n->at(n->of, k)->name, name)) measure(n->at(n->of, k), row, width);
    }
    width[LT_NO_WIDTH] = 0;
}

static lt_status refuse(const lt_names *n, int found, const char *what, int level, int most) {
    return lt_fail(LT_ERROR_MODEL, "%s: the tensors' names speak of %d %s at level %d; 1 to %d are possible", n->model,
                   found, what, level, most);
}

lt_status lt_names_check(const lt_names *n, const lt_resolution *level, int count) {
    if (count < 1 || count > LT_MAX_LEVELS)
        return lt_fail(LT_ERROR_MODEL, "%s: the tensors' names speak of %d levels; 1 to %d are possible", n->model,
                       count, LT_MAX_LEVELS);
    for (int i = 0; i < count; i++) {
        if (level[i].blocks < 1 || level[i].blocks > LT_MAX_BLOCKS)
            return refuse(n, level[i].blocks, "blocks", i, LT_MAX_BLOCKS);
        if (level[i].depth > LT_MAX_DEPTH)
            return refuse(n, level[i].depth, "transformer blocks in a row", i, LT_MAX_DEPTH);
    }
    return LT_OK;
}
