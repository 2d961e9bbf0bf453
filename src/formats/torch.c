/* PyTorch checkpoints (.ckpt, .pt, .pth, .bin) as torch.save writes them since 1.6: a zip archive of
 *     NAME/data.pkl     a pickle, in which every tensor names the storage it looks at
 *     NAME/data/KEY     the storages' bytes
 *     NAME/byteorder    "little" or "big" (since 2.1)
 * (torch/serialization.py, "_save" and "_load"). Tensors are views: offset, shape and strides over a storage, which
 * several may share. */
#include "formats/checkpoint.h"
#include "formats/pickle.h"
#include "formats/zip.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    NAME_LIMIT = 512, /* bytes of a tensor's name */
    TYPE_SIZE = 128,
    DEPTH_LIMIT = 16,     /* dictionaries within dictionaries */
    VISIT_LIMIT = 1 << 18 /* dictionary entries looked at: a dictionary can be reached along many ways */
};

typedef struct torch_file {
    lt_zip zip;
    lt_pickle pickle;
    const char *folder; /* NAME, without the slash */
    size_t folder_size;
    lt_checkpoint *checkpoint;
    char name[NAME_LIMIT + 1]; /* of the entry being looked at: its keys, joined by dots */
    char type[TYPE_SIZE];      /* of it, if it is foreign */
    size_t visits;
} torch_file;

/* ---- The archive ---- */

static const lt_zip_entry *find_entry(const torch_file *file, const char *name, size_t name_size) {
    char path[NAME_LIMIT];
    if (file->folder_size >= sizeof path || name_size >= sizeof path - file->folder_size) return NULL;
    memcpy(path, file->folder, file->folder_size);
    path[file->folder_size] = '/';
    memcpy(path + file->folder_size + 1, name, name_size);
    return lt_zip_find(&file->zip, path, file->folder_size + 1 + name_size);
}

/* The folder is that of the one data.pkl. */
static lt_status find_folder(torch_file *file) {
    static const char wanted[] = "/data.pkl";
    const size_t size = sizeof wanted - 1;
    for (size_t i = 0; i < file->zip.count; i++) {
        const lt_zip_entry *entry = &file->zip.entries[i];
        if (entry->name_size <= size || memcmp(entry->name + entry->name_size - size, wanted, size) != 0) continue;
        file->folder = entry->name;
        file->folder_size = entry->name_size - size;
        if (find_entry(file, "constants.pkl", 13))
            return lt_fail(LT_ERROR_UNSUPPORTED,
                           "a TorchScript program, not a checkpoint: use the model's weights instead");
        return LT_OK;
    }
    return lt_fail(LT_ERROR_FORMAT, "a zip archive without a PyTorch checkpoint (no data.pkl): unpack it first");
}

static lt_status check_byte_order(const torch_file *file) {
    const lt_zip_entry *entry = find_entry(file, "byteorder", 9);
    if (!entry || (entry->size == 6 && memcmp(entry->data, "little", 6) == 0)) return LT_OK;
    if (entry->size == 3 && memcmp(entry->data, "big", 3) == 0)
        return lt_fail(LT_ERROR_UNSUPPORTED,
                       "its numbers are big-endian: load and save it with PyTorch on a little-endian machine");
    return lt_fail(LT_ERROR_FORMAT, "its byteorder is neither little nor big");
}

/* ---- Tensors ---- */

/* What a type is called as a storage's class, and by itself. */
static const struct {
    const char *storage, *name;
    lt_dtype dtype;
} types[] = {
    {"torch.FloatStorage", "torch.float32", LT_F32},
    {"torch.HalfStorage", "torch.float16", LT_F16},
    {"torch.BFloat16Storage", "torch.bfloat16", LT_BF16},
    {"torch.DoubleStorage", "torch.float64", LT_F64},
    {"torch.LongStorage", "torch.int64", LT_I64},
    {"torch.IntStorage", "torch.int32", LT_I32},
    {"torch.ShortStorage", "torch.int16", LT_I16},
    {"torch.CharStorage", "torch.int8", LT_I8},
    {"torch.ByteStorage", "torch.uint8", LT_U8},
    {"torch.BoolStorage", "torch.bool", LT_BOOL},
    {"torch.storage.UntypedStorage", NULL, LT_U8}, /* bytes; the tensor says of what */
    {NULL, "torch.float8_e4m3fn", LT_F8_E4M3},
    {NULL, "torch.float8_e5m2", LT_F8_E5M2},
};

static bool is_called(const char *name, const char *text) { return name && strcmp(name, text) == 0; }

/* type: a global. LT_FOREIGN if it is none of ours. */
static lt_dtype find_dtype(const lt_pickle_value *type) {
    static const char cuda[] = "torch.cuda.";
    char name[TYPE_SIZE];
    const bool on_gpu = strncmp(type->text.data, cuda, sizeof cuda - 1) == 0;
    snprintf(name, sizeof name, "%s%s", on_gpu ? "torch." : "", type->text.data + (on_gpu ? sizeof cuda - 1 : 0));
    for (size_t i = 0; i < LT_COUNT(types); i++)
        if (is_called(types[i].storage, name) || is_called(types[i].name, name)) return types[i].dtype;
    return LT_FOREIGN;
}

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
        return lt_fail(LT_ERROR_FORMAT, "it reaches beyond its storage of %zu elements", count);
    return LT_OK;
}

/* The bytes of a storage, in which its elements have been counted if we know their size. */
static lt_status find_storage(const torch_file *file, const lt_pickle_value *storage, const lt_zip_entry **entry) {
    const lt_pickle_value *key = storage->storage.key;
    char path[64] = "data/";
    if (key->text.size > sizeof path - 5) return lt_fail(LT_ERROR_FORMAT, "its storage has no proper name");
    memcpy(path + 5, key->text.data, key->text.size);
    *entry = find_entry(file, path, 5 + key->text.size);
    if (!*entry) return lt_fail(LT_ERROR_FORMAT, "its storage isn't in the archive");
    const size_t item = lt_max(lt_dtype_size(find_dtype(storage->storage.type)), 1);
    const int64_t count = storage->storage.count;
    if (count < 0 || (uint64_t)count > (*entry)->size / item)
        return lt_fail(LT_ERROR_FORMAT, "its storage is shorter than it says");
    return LT_OK;
}

/* Makes it one that is listed and can't be read. */
__attribute__((format(printf, 4, 5))) static void make_foreign(torch_file *file, lt_tensor *tensor, size_t bytes,
                                                               const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(file->type, sizeof file->type, format, args);
    va_end(args);
    tensor->dtype = LT_FOREIGN;
    tensor->type = file->type;
    tensor->bytes = bytes;
    tensor->data = NULL;
    lt_tensor_set_contiguous(tensor);
}

/* A tensor that shows elements more than once (torch's expand) can't be read: with it, a file of a few bytes could ask
 * for any amount of memory. */
static lt_status read_tensor(torch_file *file, const lt_pickle_value *value, lt_tensor *tensor) {
    const lt_pickle_value *storage = value->tensor.storage, *dtype = value->tensor.dtype;
    const lt_pickle_value *type = dtype ? dtype : storage->storage.type;
    const lt_zip_entry *entry = NULL;
    LT_TRY(find_storage(file, storage, &entry));
    tensor->dtype = find_dtype(type);
    size_t count = (size_t)storage->storage.count, offset = 0;
    if (dtype)
        count = count * lt_max(lt_dtype_size(find_dtype(storage->storage.type)), 1) /
                lt_max(lt_dtype_size(tensor->dtype), 1);
    LT_TRY(read_view(value, count, tensor, &offset));
    tensor->data = entry->data + offset * lt_dtype_size(tensor->dtype);
    if (tensor->dtype == LT_FOREIGN)
        make_foreign(file, tensor, entry->size, "%s", type->text.data);
    else if (value->tensor.shape->list.count > LT_MAX_RANK)
        make_foreign(file, tensor, entry->size, "%s of %zu dimensions", lt_dtype_name(tensor->dtype),
                     value->tensor.shape->list.count);
    else if (lt_tensor_count(tensor) > count)
        make_foreign(file, tensor, entry->size, "%s expanded from %zu values to %zu", lt_dtype_name(tensor->dtype),
                     count, lt_tensor_count(tensor));
    return LT_OK;
}

/* ---- The state dictionary ---- */

/* The functions that rebuild tensors of other kinds: sparse, quantised, subclasses. */
static bool rebuilds_a_tensor(const lt_pickle_value *value) {
    return value->kind == LT_PICKLE_OPAQUE && value->maker && strstr(value->maker->text.data, "._rebuild_") != NULL;
}

static lt_status walk(torch_file *file, const lt_pickle_value *dict, size_t prefix, int depth);

/* One entry, whose whole name [size] stands in file->name. */
static lt_status visit(torch_file *file, const lt_pickle_value *value, size_t size, int depth) {
    if (rebuilds_a_tensor(value) || value->kind == LT_PICKLE_TENSOR) {
        lt_tensor tensor = {0};
        lt_status status = LT_OK;
        if (value->kind == LT_PICKLE_TENSOR)
            status = read_tensor(file, value, &tensor);
        else
            make_foreign(file, &tensor, 0, "%s", value->maker->text.data);
        if (status != LT_OK) return lt_fail_in(status, "tensor %s", file->name);
        return lt_checkpoint_add(file->checkpoint, file->name, size, &tensor);
    }
    if (value->kind != LT_PICKLE_DICT || value->list.count == 0) return LT_OK;
    if (size == NAME_LIMIT) return lt_fail(LT_ERROR_FORMAT, "a tensor's name is over %d bytes long", NAME_LIMIT);
    file->name[size] = '.';
    return walk(file, value, size + 1, depth + 1);
}

/* Every tensor in dict and the dictionaries in it. The first prefix bytes of file->name stand before each name. */
static lt_status walk(torch_file *file, const lt_pickle_value *dict, size_t prefix, int depth) {
    if (depth > DEPTH_LIMIT)
        return lt_fail(LT_ERROR_FORMAT, "over %d dictionaries lie within one another", DEPTH_LIMIT);
    for (size_t i = 0; i < dict->list.count; i += 2) {
        const lt_pickle_value *key = dict->list.items[i];
        if (++file->visits > VISIT_LIMIT) return lt_fail(LT_ERROR_FORMAT, "it has over %d entries", VISIT_LIMIT);
        if (key->kind != LT_PICKLE_TEXT) continue;
        const size_t size = key->text.size;
        if (size > NAME_LIMIT - prefix)
            return lt_fail(LT_ERROR_FORMAT, "a tensor's name is over %d bytes long", NAME_LIMIT);
        if (memchr(key->text.data, 0, size)) return lt_fail(LT_ERROR_FORMAT, "a tensor's name holds a NUL");
        memcpy(file->name + prefix, key->text.data, size);
        file->name[prefix + size] = '\0';
        LT_TRY(visit(file, dict->list.items[i + 1], prefix + size, depth));
    }
    return LT_OK;
}

static lt_status read_state(torch_file *file) {
    const lt_pickle_value *root = file->pickle.root;
    if (root->kind == LT_PICKLE_OPAQUE && root->maker)
        return lt_fail(LT_ERROR_UNSUPPORTED,
                       "it holds an object of %s, not a state dictionary: save the model's state_dict()",
                       root->maker->text.data);
    if (root->kind != LT_PICKLE_DICT)
        return lt_fail(LT_ERROR_UNSUPPORTED, "it holds no dictionary of tensors: save the model's state_dict()");
    const lt_pickle_value *nested = lt_pickle_get(root, "state_dict");
    if (nested && nested->kind == LT_PICKLE_DICT) root = nested;
    const size_t before = file->checkpoint->count;
    LT_TRY(walk(file, root, 0, 1));
    if (file->checkpoint->count == before) return lt_fail(LT_ERROR_FORMAT, "it holds no tensors");
    return LT_OK;
}

static lt_status read_archive(torch_file *file) {
    LT_TRY(find_folder(file));
    LT_TRY(check_byte_order(file));
    const lt_zip_entry *pickle = find_entry(file, "data.pkl", 8);
    if (!pickle) return lt_fail(LT_ERROR_FORMAT, "the archive's folder has too long a name");
    LT_TRY(lt_pickle_read(pickle->data, pickle->size, &file->pickle));
    return read_state(file);
}

lt_status lt_torch_read(const uint8_t *data, size_t size, lt_checkpoint *checkpoint) {
    torch_file file = {.checkpoint = checkpoint};
    lt_status status = lt_zip_read(data, size, &file.zip);
    if (status == LT_OK) status = read_archive(&file);
    lt_pickle_free(&file.pickle);
    lt_zip_free(&file.zip);
    if (!checkpoint->format) checkpoint->format = "pytorch zip";
    return status;
}
