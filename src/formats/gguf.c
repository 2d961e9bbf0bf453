/* GGUF: a head of typed metadata and descriptions of tensors, then their bytes (ggml, docs/gguf.md and gguf.cpp).
 *
 *     "GGUF", version, tensors, metadata | key, type, value ... | name, dimensions, type, offset ... | bytes
 *
 * Numbers are little-endian, counts and lengths of 8 bytes in versions 2 and 3. Dimensions come innermost first. The
 * bytes, and each tensor's, begin at multiples of `general.alignment`, 32 where nobody says. city96's writer lays a
 * tensor whose rows are no whole blocks out in rows of 256, and says its own shape under `comfy.gguf.orig_shape.NAME`.
 */
#include "formats/gguf.h"

#include "base/blocks.h"
#include "formats/readers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    VERSION_LEAST = 2,
    VERSION_MOST = 3,
    NESTING = 8,
    METADATA_MOST = 1 << 13, /* that are text or numbers: each is looked for among the others */
    TYPE_TEXT = 48,
    METADATUM_LEAST = 8 + 1 + 4 + 1, /* bytes: a key of one letter, its type, a value */
    TENSOR_LEAST = 8 + 1 + 4 + 4 + 8 /* a name of one letter, no dimensions, type and offset */
};

static const char SHAPE_OF[] = LT_GGUF_SHAPE_OF;

typedef enum value_kind { WHOLE, NEGATIVE, REAL, TRUTH, STRING, ARRAY } value_kind;

/* What a metadatum is, by its number. */
static const struct {
    value_kind kind;
    size_t size;
} kinds[] = {{WHOLE, 1}, {NEGATIVE, 1}, {WHOLE, 2}, {NEGATIVE, 2}, {WHOLE, 4},    {NEGATIVE, 4}, {REAL, 4},
             {TRUTH, 1}, {STRING, 0},   {ARRAY, 0}, {WHOLE, 8},    {NEGATIVE, 8}, {REAL, 8}};

/* ggml's types by their number, and what those take that we lack. */
static const struct {
    lt_dtype dtype;
    const char *name;
    size_t values, bytes;
} types[] = {
    [0] = {.dtype = LT_F32},
    [1] = {.dtype = LT_F16},
    [2] = {.dtype = LT_Q4_0},
    [3] = {.dtype = LT_Q4_1},
    [6] = {.dtype = LT_Q5_0},
    [7] = {.dtype = LT_Q5_1},
    [8] = {.dtype = LT_Q8_0},
    [9] = {LT_FOREIGN, "Q8_1", 32, 36},
    [10] = {.dtype = LT_Q2_K},
    [11] = {.dtype = LT_Q3_K},
    [12] = {.dtype = LT_Q4_K},
    [13] = {.dtype = LT_Q5_K},
    [14] = {.dtype = LT_Q6_K},
    [15] = {LT_FOREIGN, "Q8_K", 256, 292},
    [16] = {LT_FOREIGN, "IQ2_XXS", 256, 66},
    [17] = {LT_FOREIGN, "IQ2_XS", 256, 74},
    [18] = {LT_FOREIGN, "IQ3_XXS", 256, 98},
    [19] = {LT_FOREIGN, "IQ1_S", 256, 50},
    [20] = {.dtype = LT_IQ4_NL},
    [21] = {LT_FOREIGN, "IQ3_S", 256, 110},
    [22] = {LT_FOREIGN, "IQ2_S", 256, 82},
    [23] = {LT_FOREIGN, "IQ4_XS", 256, 136},
    [24] = {.dtype = LT_I8},
    [25] = {.dtype = LT_I16},
    [26] = {.dtype = LT_I32},
    [27] = {.dtype = LT_I64},
    [28] = {.dtype = LT_F64},
    [29] = {LT_FOREIGN, "IQ1_M", 256, 56},
    [30] = {.dtype = LT_BF16},
    [34] = {LT_FOREIGN, "TQ1_0", 256, 54},
    [35] = {LT_FOREIGN, "TQ2_0", 256, 66},
    [39] = {LT_FOREIGN, "MXFP4", 32, 17},
};

int lt_gguf_type_of(lt_dtype type) {
    for (size_t i = 0; i < LT_COUNT(types); i++)
        if (types[i].dtype == type && (i == 0) == (type == LT_F32)) return (int)i;
    return -1;
}

/* ---- Bytes in turn ---- */

typedef struct reader {
    const uint8_t *data;
    size_t size, at;
    lt_arena texts; /* with an end, while the head is read */
} reader;

static lt_status is_short(void) {
    lt_fail(LT_ERROR_FORMAT, "the GGUF head is cut off: fetch the file again");
    return LT_ERROR_FORMAT; /* as compilers see, too */
}

static size_t left(const reader *r) { return r->size - r->at; }

static lt_status take(reader *r, size_t n, const uint8_t **bytes) {
    if (n > left(r)) return is_short();
    *bytes = r->data + r->at;
    r->at += n;
    return LT_OK;
}

static uint64_t whole(const uint8_t *bytes, size_t n) {
    uint64_t value = 0;
    for (size_t i = n; i--;) value = value << 8 | bytes[i];
    return value;
}

static lt_status take_u32(reader *r, uint32_t *value) {
    const uint8_t *bytes;
    LT_TRY(take(r, 4, &bytes));
    *value = (uint32_t)whole(bytes, 4);
    return LT_OK;
}

static lt_status take_size(reader *r, size_t *value) {
    const uint8_t *bytes;
    LT_TRY(take(r, 8, &bytes));
    const uint64_t n = whole(bytes, 8);
    *value = (size_t)n;
    return n <= PTRDIFF_MAX ? LT_OK
                            : lt_fail(LT_ERROR_FORMAT, "a GGUF head with a size of %llu", (unsigned long long)n);
}

/* Text where it lies, without an end. */
typedef struct text {
    const char *at;
    size_t size;
} text;

static lt_status take_text(reader *r, text *t) {
    const uint8_t *bytes;
    LT_TRY(take_size(r, &t->size));
    LT_TRY(take(r, t->size, &bytes));
    t->at = (const char *)bytes;
    return LT_OK;
}

/* A key or a tensor's name: text that is some, with an end. */
static lt_status take_name(reader *r, const char **name) {
    text t;
    *name = NULL;
    LT_TRY(take_text(r, &t));
    if (!t.size || memchr(t.at, '\0', t.size))
        return lt_fail(LT_ERROR_FORMAT, "a GGUF head in which a name is empty, or holds a zero byte");
    *name = lt_arena_strndup(&r->texts, t.at, t.size);
    return *name ? LT_OK : LT_ERROR_MEMORY;
}

/* ---- Metadata ---- */

/* What a tensor's shape is where its rows are not its own. */
typedef struct own_shape {
    const char *name;
    int rank;
    size_t shape[LT_MAX_RANK];
} own_shape;

typedef struct head {
    reader r;
    size_t alignment;
    own_shape *shapes; /* by name, once all are read */
    size_t shape_count, shape_capacity, metadata_count;
    lt_checkpoint *checkpoint;
    bool first; /* of several files opened together the first one's metadata count */
} head;

static lt_status take_kind(reader *r, uint32_t *type) {
    LT_TRY(take_u32(r, type));
    return *type < LT_COUNT(kinds) ? LT_OK
                                   : lt_fail(LT_ERROR_FORMAT, "GGUF metadata of type %u, which there is not", *type);
}

static lt_status skip_array(reader *r, int depth);

static lt_status skip_items(reader *r, value_kind kind, size_t count, int depth) {
    text t;
    for (size_t i = 0; i < count; i++) LT_TRY(kind == ARRAY ? skip_array(r, depth + 1) : take_text(r, &t));
    return LT_OK;
}

/* Each item takes a byte at least. */
static lt_status skip_array(reader *r, int depth) {
    uint32_t type;
    size_t count;
    const uint8_t *bytes;
    if (depth > NESTING) return lt_fail(LT_ERROR_FORMAT, "GGUF metadata of arrays in more than %d arrays", NESTING);
    LT_TRY(take_kind(r, &type));
    LT_TRY(take_size(r, &count));
    if (count > left(r) / lt_max(kinds[type].size, 1)) return is_short();
    return kinds[type].size ? take(r, count * kinds[type].size, &bytes) : skip_items(r, kinds[type].kind, count, depth);
}

static int64_t signed_of(const uint8_t *bytes, size_t n) {
    const int unused = 64 - 8 * (int)n;
    return (int64_t)(whole(bytes, n) << unused) >> unused;
}

static double real_of(const uint8_t *bytes, size_t n) {
    float narrow;
    double wide;
    if (n == sizeof wide) return memcpy(&wide, bytes, sizeof wide), wide;
    memcpy(&narrow, bytes, sizeof narrow);
    return (double)narrow;
}

/* A number as text. */
static void print_value(uint32_t type, const uint8_t *bytes, char *out, size_t size) {
    const size_t n = kinds[type].size;
    switch (kinds[type].kind) {
    case WHOLE: snprintf(out, size, "%llu", (unsigned long long)whole(bytes, n)); break;
    case NEGATIVE: snprintf(out, size, "%lld", (long long)signed_of(bytes, n)); break;
    case REAL: snprintf(out, size, "%.9g", real_of(bytes, n)); break;
    default: snprintf(out, size, "%s", *bytes ? "true" : "false"); break;
    }
}

static lt_status add_metadatum(head *h, const char *key, const char *value, size_t size) {
    if (!h->first) return LT_OK;
    if (++h->metadata_count > METADATA_MOST)
        return lt_fail(LT_ERROR_FORMAT, "over %d GGUF metadata: broken", METADATA_MOST);
    if (lt_checkpoint_metadata(h->checkpoint, key)) return lt_fail(LT_ERROR_FORMAT, "GGUF metadata with %s twice", key);
    char *copy = lt_arena_strndup(&h->r.texts, value, size);
    return copy ? lt_checkpoint_add_metadata(h->checkpoint, key, copy) : LT_ERROR_MEMORY;
}

static lt_status take_alignment(head *h, uint32_t type, const uint8_t *bytes) {
    const uint64_t n = kinds[type].kind == WHOLE ? whole(bytes, kinds[type].size) : 0;
    if (!n || n & (n - 1) || n > UINT32_MAX)
        return lt_fail(LT_ERROR_FORMAT, "GGUF metadata with a general.alignment that is no power of two");
    h->alignment = (size_t)n;
    return LT_OK;
}

/* Sizes, outermost first; the key ends in the tensor's name. */
static lt_status take_shape(head *h, const char *key) {
    uint32_t type;
    size_t count;
    own_shape own = {.name = key + sizeof SHAPE_OF - 1};
    LT_TRY(take_kind(&h->r, &type));
    LT_TRY(take_size(&h->r, &count));
    if (kinds[type].kind > NEGATIVE || count > LT_MAX_RANK)
        return lt_fail(LT_ERROR_FORMAT, "GGUF metadata: %s is no list of sizes", key);
    own.rank = (int)count;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *bytes;
        LT_TRY(take(&h->r, kinds[type].size, &bytes));
        own.shape[i] = (size_t)whole(bytes, kinds[type].size); /* one below 0 is too large */
    }
    LT_TRY(LT_GROW(h->shapes, h->shape_count, h->shape_capacity));
    h->shapes[h->shape_count++] = own;
    return LT_OK;
}

static lt_status take_string(head *h, const char *key) {
    text value;
    LT_TRY(take_text(&h->r, &value));
    return add_metadatum(h, key, value.at, value.size);
}

static lt_status take_number(head *h, const char *key, uint32_t type) {
    const uint8_t *bytes;
    char number[48];
    LT_TRY(take(&h->r, kinds[type].size, &bytes));
    if (!strcmp(key, "general.alignment")) return take_alignment(h, type, bytes);
    print_value(type, bytes, number, sizeof number);
    return add_metadatum(h, key, number, strlen(number));
}

/* Arrays other than shapes, lists of words mostly, are passed over. */
static lt_status take_metadatum(head *h) {
    const char *key;
    uint32_t type;
    LT_TRY(take_name(&h->r, &key));
    LT_TRY(take_kind(&h->r, &type));
    if (kinds[type].kind == STRING) return take_string(h, key);
    if (kinds[type].kind != ARRAY) return take_number(h, key, type);
    return strncmp(key, SHAPE_OF, sizeof SHAPE_OF - 1) ? skip_array(&h->r, 1) : take_shape(h, key);
}

static int compare_shapes(const void *a, const void *b) {
    return strcmp(((const own_shape *)a)->name, ((const own_shape *)b)->name);
}

static lt_status take_metadata(head *h, size_t count) {
    for (size_t i = 0; i < count; i++) LT_TRY(take_metadatum(h));
    if (h->shape_count) qsort(h->shapes, h->shape_count, sizeof *h->shapes, compare_shapes);
    for (size_t i = 1; i < h->shape_count; i++)
        if (!compare_shapes(&h->shapes[i - 1], &h->shapes[i]))
            return lt_fail(LT_ERROR_FORMAT, "GGUF metadata with %s%s twice", SHAPE_OF, h->shapes[i].name);
    return LT_OK;
}

/* ---- Tensors ---- */

/* One as the head describes it, and where its bytes begin, from the first behind the head. */
typedef struct entry {
    lt_tensor tensor;
    char type[TYPE_TEXT]; /* of what is foreign */
    size_t count, row, offset;
} entry;

/* Dimensions, innermost first. More than we can hold make it foreign. */
static lt_status take_dimensions(reader *r, entry *e) {
    uint32_t rank;
    LT_TRY(take_u32(r, &rank));
    e->count = e->row = 1;
    if (rank > LT_MAX_RANK) snprintf(e->type, TYPE_TEXT, "of %u dimensions", rank);
    e->tensor.rank = *e->type ? 0 : (int)rank;
    for (uint32_t i = 0; i < rank; i++) {
        size_t n;
        LT_TRY(take_size(r, &n));
        if (!lt_mul(e->count, n, &e->count) || e->count > PTRDIFF_MAX / 8)
            return lt_fail(LT_ERROR_FORMAT, "tensor %s: its shape is too large", e->tensor.name);
        if (i == 0) e->row = n;
        if (e->tensor.rank) e->tensor.shape[rank - 1 - i] = n;
    }
    return LT_OK;
}

/* What it takes in blocks of so many values and bytes. */
static lt_status measure(entry *e, size_t values, size_t bytes) {
    e->tensor.bytes = e->count / values * bytes;
    if (e->row % values == 0) return LT_OK;
    return lt_fail(LT_ERROR_FORMAT, "tensor %s: its rows of %zu are no whole blocks of %zu", e->tensor.name, e->row,
                   values);
}

/* Of a type that there isn't by now nobody knows what it takes. */
static lt_status take_type(reader *r, entry *e) {
    uint32_t type;
    LT_TRY(take_u32(r, &type));
    const bool known = type < LT_COUNT(types) && (type == 0 || types[type].dtype != LT_F32);
    const lt_dtype dtype = known ? types[type].dtype : LT_FOREIGN;
    const lt_block_format *f = lt_block_format_of(dtype);
    e->tensor.dtype = *e->type ? LT_FOREIGN : dtype;
    if (!known) snprintf(e->type, TYPE_TEXT, "of ggml's number %u", type);
    if (!known) return LT_OK;
    if (dtype != LT_FOREIGN) return measure(e, f ? f->values : 1, f ? f->bytes : lt_dtype_size(dtype));
    snprintf(e->type, TYPE_TEXT, "%s", types[type].name);
    return measure(e, types[type].values, types[type].bytes);
}

static lt_status take_entry(reader *r, entry *e) {
    LT_TRY(take_name(r, &e->tensor.name));
    LT_TRY(take_dimensions(r, e));
    LT_TRY(take_type(r, e));
    return take_size(r, &e->offset);
}

/* The shape that the tensor has for everybody but its blocks. */
static lt_status find_own_shape(const head *h, lt_tensor *t) {
    const own_shape key = {.name = t->name};
    const own_shape *own = h->shape_count ? bsearch(&key, h->shapes, h->shape_count, sizeof key, compare_shapes) : NULL;
    size_t count = 1;
    if (!own || t->dtype == LT_FOREIGN) return LT_OK;
    for (int d = 0; d < own->rank; d++)
        if (!lt_mul(count, own->shape[d], &count)) count = SIZE_MAX;
    if (count != lt_tensor_count(t))
        return lt_fail(LT_ERROR_FORMAT, "%s%s holds another number of values than the tensor", SHAPE_OF, t->name);
    t->rank = own->rank;
    memcpy(t->shape, own->shape, sizeof own->shape);
    return LT_OK;
}

/* payload [size] is what follows the head. */
static lt_status add_entry(const head *h, entry *e, const uint8_t *payload, size_t size) {
    size_t end;
    lt_tensor *t = &e->tensor;
    if (e->offset % h->alignment)
        return lt_fail(LT_ERROR_FORMAT, "tensor %s begins at byte %zu, no multiple of %zu", t->name, e->offset,
                       h->alignment);
    if (!lt_add(e->offset, t->bytes, &end) || end > size)
        return lt_fail(LT_ERROR_FORMAT, "tensor %s ends at byte %zu of %zu: the file is cut off; fetch it again",
                       t->name, end, size);
    LT_TRY(find_own_shape(h, t));
    lt_tensor_set_contiguous(t);
    t->data = payload + e->offset;
    t->type = e->type;
    return lt_checkpoint_add(h->checkpoint, t->name, strlen(t->name), t);
}

static int compare_entries(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return x->tensor.bytes < y->tensor.bytes ? -1 : x->tensor.bytes > y->tensor.bytes;
}

/* No byte is two tensors'. */
static lt_status check_apart(entry *entries, size_t count) {
    qsort(entries, count, sizeof *entries, compare_entries);
    for (size_t i = 1; i < count; i++)
        if (entries[i].offset < entries[i - 1].offset + entries[i - 1].tensor.bytes)
            return lt_fail(LT_ERROR_FORMAT, "tensor %s begins within %s", entries[i].tensor.name,
                           entries[i - 1].tensor.name);
    return LT_OK;
}

static lt_status take_entries(head *h, entry *entries, size_t count) {
    for (size_t i = 0; i < count; i++) LT_TRY(take_entry(&h->r, &entries[i]));
    const size_t from = lt_min(lt_round_up(h->r.at, h->alignment), h->r.size);
    for (size_t i = 0; i < count; i++) LT_TRY(add_entry(h, &entries[i], h->r.data + from, h->r.size - from));
    return check_apart(entries, count);
}

static lt_status take_tensors(head *h, size_t count) {
    entry *entries = lt_calloc(count, sizeof *entries);
    if (!entries) return LT_ERROR_MEMORY;
    const lt_status status = take_entries(h, entries, count);
    lt_free(entries);
    return status;
}

/* ---- The head ---- */

static lt_status check_version(uint32_t version) {
    if (version >= VERSION_LEAST && version <= VERSION_MOST) return LT_OK;
    if (version && !(version & 0xFFFF))
        return lt_fail(LT_ERROR_UNSUPPORTED, "a GGUF file for big-endian processors, which can't be read");
    return lt_fail(LT_ERROR_UNSUPPORTED, "a GGUF file of version %u, which can't be read (%d and %d can)", version,
                   VERSION_LEAST, VERSION_MOST);
}

static lt_status read_head(head *h) {
    uint32_t version;
    size_t tensors, metadata;
    LT_TRY(take_u32(&h->r, &version));
    LT_TRY(check_version(version));
    LT_TRY(take_size(&h->r, &tensors));
    LT_TRY(take_size(&h->r, &metadata));
    if (metadata > left(&h->r) / METADATUM_LEAST || tensors > left(&h->r) / TENSOR_LEAST) return is_short();
    LT_TRY(take_metadata(h, metadata));
    return take_tensors(h, tensors);
}

lt_status lt_gguf_read(const uint8_t *data, size_t size, lt_checkpoint *checkpoint) {
    head h = {.r = {.data = data, .size = size, .at = lt_min(size, sizeof LT_GGUF_MAGIC - 1)},
              .alignment = LT_GGUF_ALIGNMENT,
              .checkpoint = checkpoint,
              .first = !checkpoint->metadata_count};
    const lt_status status = read_head(&h);
    if (!checkpoint->format) checkpoint->format = "GGUF";
    lt_free(h.shapes);
    lt_arena_free(&h.r.texts);
    return status;
}
