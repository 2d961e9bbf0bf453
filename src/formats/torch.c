/* The tensors of PyTorch's state dictionaries (torch/serialization.py, torch/_utils.py "_rebuild_tensor_v2"): views, by
 * offset, shape and strides, over storages, which several may share. */
#include "formats/torch.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    NAME_LIMIT = 512, /* bytes of a tensor's name */
    TYPE_SIZE = 128,
    DEPTH_LIMIT = 16,      /* dictionaries within dictionaries */
    VISIT_LIMIT = 1 << 18, /* dictionary entries looked at: a dictionary can be reached along many ways */
    SHOWN_LIMIT = 1 << 24  /* elements that all tensors of a file may show beyond those that it holds */
};

typedef struct reader {
    lt_torch_find_fn find;
    const void *container;
    lt_checkpoint *checkpoint;
    char name[NAME_LIMIT + 1]; /* of the entry being looked at: its keys, joined by dots */
    char type[TYPE_SIZE];      /* of it, if it is foreign */
    size_t visits, shown;
} reader;

/* ---- Types ---- */

/* What a type is called as a storage's class, and by itself. */
static const struct {
    const char *storage, *name;
    lt_dtype dtype;
    size_t foreign_size; /* bytes an element of what we can't read */
} types[] = {
    {"torch.FloatStorage", "torch.float32", LT_F32, 0},
    {"torch.HalfStorage", "torch.float16", LT_F16, 0},
    {"torch.BFloat16Storage", "torch.bfloat16", LT_BF16, 0},
    {"torch.DoubleStorage", "torch.float64", LT_F64, 0},
    {"torch.LongStorage", "torch.int64", LT_I64, 0},
    {"torch.IntStorage", "torch.int32", LT_I32, 0},
    {"torch.ShortStorage", "torch.int16", LT_I16, 0},
    {"torch.CharStorage", "torch.int8", LT_I8, 0},
    {"torch.ByteStorage", "torch.uint8", LT_U8, 0},
    {"torch.BoolStorage", "torch.bool", LT_BOOL, 0},
    {"torch.storage.UntypedStorage", NULL, LT_U8, 0}, /* bytes; the tensor says of what */
    {"torch.ComplexFloatStorage", NULL, LT_FOREIGN, 8},
    {"torch.ComplexDoubleStorage", NULL, LT_FOREIGN, 16},
    {"torch.QInt8Storage", NULL, LT_FOREIGN, 1},
    {"torch.QUInt8Storage", NULL, LT_FOREIGN, 1},
    {"torch.QUInt4x2Storage", NULL, LT_FOREIGN, 1},
    {"torch.QUInt2x4Storage", NULL, LT_FOREIGN, 1},
    {"torch.QInt32Storage", NULL, LT_FOREIGN, 4},
    {NULL, "torch.float8_e4m3fn", LT_F8_E4M3, 0},
    {NULL, "torch.float8_e5m2", LT_F8_E5M2, 0},
};

static bool is_called(const char *name, const char *text) { return name && strcmp(name, text) == 0; }

/* The row of types of a global, or as many as there are. */
static size_t find_type(const lt_pickle_value *type) {
    static const char cuda[] = "torch.cuda.";
    char name[TYPE_SIZE];
    const bool on_gpu = strncmp(type->text.data, cuda, sizeof cuda - 1) == 0;
    snprintf(name, sizeof name, "%s%s", on_gpu ? "torch." : "", type->text.data + (on_gpu ? sizeof cuda - 1 : 0));
    size_t i = 0;
    while (i < LT_COUNT(types) && !is_called(types[i].storage, name) && !is_called(types[i].name, name)) i++;
    return i;
}

static lt_dtype find_dtype(const lt_pickle_value *type) {
    const size_t i = find_type(type);
    return i < LT_COUNT(types) ? types[i].dtype : LT_FOREIGN;
}

size_t lt_torch_item_size(const lt_pickle_value *type) {
    const size_t i = find_type(type);
    if (i == LT_COUNT(types)) return 0;
    return types[i].dtype == LT_FOREIGN ? types[i].foreign_size : lt_dtype_size(types[i].dtype);
}

/* ---- Tensors ---- */

/* Shape, strides and offset, so that every element lies among the storage's [count] ones. */
static lt_status read_view(const lt_pickle_value *value, size_t count, lt_tensor *tensor, size_t *offset) {
    const lt_pickle_value *shape = value->tensor.shape, *stride = value->tensor.stride;
    size_t elements = 1, last = 0;
    bool fits = value->tensor.offset >= 0;
    for (size_t i = 0; i < shape->list.count; i++) {
        const int64_t n = shape->list.items[i]->integer, step = stride->list.items[i]->integer;
        if (n < 0 || step < 0) return lt_fail(LT_ERROR_FORMAT, "a negative size or stride");
        if (i < LT_MAX_RANK) tensor->shape[i] = (size_t)n;
        if (i < LT_MAX_RANK) tensor->stride[i] = (size_t)step;
        size_t reach;
        fits = fits && lt_mul(elements, (size_t)n, &elements);
        fits = fits && lt_mul(n ? (size_t)n - 1 : 0, (size_t)step, &reach) && lt_add(last, reach, &last);
    }
    tensor->rank = shape->list.count <= LT_MAX_RANK ? (int)shape->list.count : 0;
    *offset = 0;
    if (fits && elements == 0) return LT_OK;
    *offset = (size_t)value->tensor.offset;
    if (!fits || !lt_add(last, *offset, &last) || last >= count)
        return lt_fail(LT_ERROR_FORMAT, "it reaches beyond its storage of %zu element%s", count, LT_S(count));
    return LT_OK;
}

/* Makes it one that is listed and can't be read. */
__attribute__((format(printf, 4, 5))) static void make_foreign(reader *r, lt_tensor *tensor, size_t bytes,
                                                               const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(r->type, sizeof r->type, format, args);
    va_end(args);
    tensor->dtype = LT_FOREIGN;
    tensor->type = r->type;
    tensor->bytes = bytes;
    tensor->data = NULL;
    lt_tensor_set_contiguous(tensor);
}

/* The storage's bytes from where the view of it begins that the pickle speaks of; *count is how many elements follow.
 */
static lt_status find_storage(const reader *r, const lt_pickle_value *storage, lt_bytes *bytes, size_t *count) {
    const int64_t begin = storage->storage.begin, shown = storage->storage.count, all = storage->storage.whole;
    LT_TRY(r->find(r->container, storage->storage.key, bytes));
    const size_t item = lt_max(lt_torch_item_size(storage->storage.type), 1);
    if (all < 0 || (uint64_t)all > bytes->size / item)
        return lt_fail(LT_ERROR_FORMAT, "its storage is shorter than it says");
    if (begin < 0 || shown < 0 || begin > all || shown > all - begin)
        return lt_fail(LT_ERROR_FORMAT, "it reaches beyond its storage of %lld elements", (long long)all);
    bytes->data += (size_t)begin * item;
    bytes->size -= (size_t)begin * item;
    *count = (size_t)shown;
    return LT_OK;
}

/* Elements of the tensor's own type in a storage of count ones of its own. */
static size_t count_as(lt_dtype type, const lt_pickle_value *storage, size_t count) {
    return count * lt_max(lt_torch_item_size(storage->storage.type), 1) / lt_max(lt_dtype_size(type), 1);
}

/* A tensor may show elements more than once (torch's expand), but within limits: else a file of a few bytes could ask
 * for any amount of memory. */
static bool is_affordable(reader *r, size_t shown, size_t held) {
    if (shown <= held) return true;
    if (shown - held > SHOWN_LIMIT - r->shown) return false;
    r->shown += shown - held;
    return true;
}

static lt_status read_tensor(reader *r, const lt_pickle_value *value, lt_tensor *tensor) {
    const lt_pickle_value *storage = value->tensor.storage, *dtype = value->tensor.dtype;
    const lt_pickle_value *type = dtype ? dtype : storage->storage.type;
    const size_t rank = value->tensor.shape->list.count;
    lt_bytes bytes = {0};
    size_t count = 0, offset = 0;
    LT_TRY(find_storage(r, storage, &bytes, &count));
    tensor->dtype = find_dtype(type);
    if (dtype) count = count_as(tensor->dtype, storage, count);
    LT_TRY(read_view(value, count, tensor, &offset));
    tensor->data = bytes.data + offset * lt_dtype_size(tensor->dtype);
    if (tensor->dtype == LT_FOREIGN)
        make_foreign(r, tensor, bytes.size, "%s", type->text.data);
    else if (rank > LT_MAX_RANK)
        make_foreign(r, tensor, bytes.size, "%s of %zu dimensions", lt_dtype_name(tensor->dtype), rank);
    else if (!is_affordable(r, lt_tensor_count(tensor), count))
        make_foreign(r, tensor, bytes.size, "%s expanded from %zu values to %zu", lt_dtype_name(tensor->dtype), count,
                     lt_tensor_count(tensor));
    return LT_OK;
}

/* ---- The state dictionary ---- */

/* The functions that rebuild tensors of other kinds: sparse, quantised, subclasses. */
static bool rebuilds_a_tensor(const lt_pickle_value *value) {
    return value->kind == LT_PICKLE_OPAQUE && value->maker && strstr(value->maker->text.data, "._rebuild_") != NULL;
}

static lt_status walk(reader *r, const lt_pickle_value *dict, size_t prefix, int depth);

/* One entry, whose whole name [size] stands in r->name. */
static lt_status visit(reader *r, const lt_pickle_value *value, size_t size, int depth) {
    if (rebuilds_a_tensor(value) || value->kind == LT_PICKLE_TENSOR) {
        lt_tensor tensor = {0};
        lt_status status = LT_OK;
        if (value->kind == LT_PICKLE_TENSOR)
            status = read_tensor(r, value, &tensor);
        else
            make_foreign(r, &tensor, 0, "%s", value->maker->text.data);
        if (status) return lt_fail_in(status, "tensor %s", r->name);
        return lt_checkpoint_add(r->checkpoint, r->name, size, &tensor);
    }
    if (value->kind != LT_PICKLE_DICT || value->list.count == 0) return LT_OK;
    if (size == NAME_LIMIT) return lt_fail(LT_ERROR_FORMAT, "a tensor's name is over %d bytes long", NAME_LIMIT);
    r->name[size] = '.';
    return walk(r, value, size + 1, depth + 1);
}

/* Every tensor in dict and the dictionaries in it. The first prefix bytes of r->name stand before each name. */
static lt_status walk(reader *r, const lt_pickle_value *dict, size_t prefix, int depth) {
    if (depth > DEPTH_LIMIT)
        return lt_fail(LT_ERROR_FORMAT, "over %d dictionaries lie within one another", DEPTH_LIMIT);
    for (size_t i = 0; i < dict->list.count; i += 2) {
        const lt_pickle_value *key = dict->list.items[i];
        if (++r->visits > VISIT_LIMIT) return lt_fail(LT_ERROR_FORMAT, "it has over %d entries", VISIT_LIMIT);
        if (key->kind != LT_PICKLE_TEXT) continue;
        const size_t size = key->text.size;
        if (size > NAME_LIMIT - prefix)
            return lt_fail(LT_ERROR_FORMAT, "a tensor's name is over %d bytes long", NAME_LIMIT);
        if (memchr(key->text.data, 0, size)) return lt_fail(LT_ERROR_FORMAT, "a tensor's name holds a NUL");
        memcpy(r->name + prefix, key->text.data, size);
        r->name[prefix + size] = '\0';
        LT_TRY(visit(r, dict->list.items[i + 1], prefix + size, depth));
    }
    return LT_OK;
}

lt_status lt_torch_read_state(const lt_pickle *pickle, lt_torch_find_fn find, const void *container,
                              lt_checkpoint *checkpoint) {
    reader r = {.find = find, .container = container, .checkpoint = checkpoint};
    const lt_pickle_value *root = pickle->root;
    if (root->kind == LT_PICKLE_OPAQUE && root->maker)
        return lt_fail(LT_ERROR_UNSUPPORTED,
                       "it holds an object of %s, not a state dictionary: save the model's state_dict()",
                       root->maker->text.data);
    if (root->kind != LT_PICKLE_DICT)
        return lt_fail(LT_ERROR_UNSUPPORTED, "it holds no dictionary of tensors: save the model's state_dict()");
    const lt_pickle_value *nested = lt_pickle_get(root, "state_dict");
    if (nested && nested->kind == LT_PICKLE_DICT) root = nested;
    const size_t before = checkpoint->count;
    LT_TRY(walk(&r, root, 0, 1));
    if (checkpoint->count == before) return lt_fail(LT_ERROR_FORMAT, "it holds no tensors");
    return LT_OK;
}
