/* safetensors: 8 bytes that give the header's length, a JSON header, and the tensors' bytes.
 *
 * The rules are those of the reference implementation (huggingface/safetensors, README "Format" and lib.rs "validate"):
 * the header is at most 100 MB and starts with '{', names are unique, tensors lie one after another from the first byte
 * behind the header to the file's end without a hole or an overlap, and each takes exactly the bytes that its shape and
 * type ask for. */
#include "formats/json.h"
#include "formats/readers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_LIMIT = 100000000, LENGTH_SIZE = 8, WORD = 8, LINE = 64, BLOCK = 1 << 16, TYPE_SIZE = 64 };

static const char METADATA[] = "__metadata__";

/* ---- Reading ---- */

typedef struct extent {
    size_t begin, end; /* from the first byte behind the header */
    const char *name;
} extent;

static bool find_dtype(const char *name, lt_dtype *type) {
    for (int t = 0; t < LT_FOREIGN; t++) {
        if (lt_dtype_size((lt_dtype)t) && strcmp(name, lt_dtype_name((lt_dtype)t)) == 0) {
            *type = (lt_dtype)t;
            return true;
        }
    }
    return false;
}

static bool read_size(const json_t *value, size_t *size) {
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    const unsigned long long n = (unsigned long long)json_integer_value(value);
    *size = (size_t)n;
    return n <= SIZE_MAX;
}

/* The sizes that shape lists, all of them elements of item bytes: how many bytes they ask for, and tensor's shape if it
 * has room for them. */
static lt_status read_shape(const char *name, const json_t *shape, size_t item, lt_tensor *tensor, size_t *bytes) {
    const size_t rank = json_array_size(shape);
    *bytes = item;
    tensor->rank = rank <= LT_MAX_RANK ? (int)rank : 0;
    for (size_t i = 0; i < rank; i++) {
        size_t n;
        if (!read_size(json_array_get(shape, i), &n))
            return lt_fail(LT_ERROR_FORMAT, "tensor %s: its shape holds something else than sizes", name);
        if (!lt_mul(*bytes, n, bytes)) return lt_fail(LT_ERROR_FORMAT, "tensor %s: its shape is too large", name);
        if (tensor->rank) tensor->shape[i] = n;
    }
    lt_tensor_set_contiguous(tensor);
    return LT_OK;
}

static lt_status read_extent(const char *name, const json_t *offsets, size_t size, extent *where) {
    if (json_array_size(offsets) != 2 || !read_size(json_array_get(offsets, 0), &where->begin) ||
        !read_size(json_array_get(offsets, 1), &where->end) || where->begin > where->end)
        return lt_fail(LT_ERROR_FORMAT, "tensor %s: its data_offsets aren't a beginning and an end", name);
    if (where->end > size)
        return lt_fail(LT_ERROR_FORMAT, "tensor %s ends at byte %zu of %zu: the file is cut off; fetch it again", name,
                       where->end, size);
    where->name = name;
    return LT_OK;
}

/* Does a tensor of shape, whose elements are of type, take given bytes? */
static lt_status check_bytes(const char *name, const char *type, const json_t *shape, size_t bytes, size_t given) {
    if (bytes == given) return LT_OK;
    char *text = json_dumps(shape, JSON_COMPACT);
    lt_fail(LT_ERROR_FORMAT, "tensor %s: %s %s takes %zu bytes, not %zu", name, type, text ? text : "", bytes, given);
    free(text);
    return LT_ERROR_FORMAT;
}

/* The type of one header entry, its shape and strides, from the given bytes that it takes. What we lack the type or the
 * dimensions for becomes foreign; type [TYPE_SIZE] is where it is called so. No type is known to have elements of less
 * than one bit. */
static lt_status read_layout(const char *name, const json_t *entry, size_t given, lt_tensor *tensor, char *type) {
    const json_t *dtype = json_object_get(entry, "dtype"), *shape = json_object_get(entry, "shape");
    size_t bytes = 0;
    snprintf(type, TYPE_SIZE, "%s", json_string_value(dtype));
    const bool known = find_dtype(type, &tensor->dtype);
    LT_TRY(read_shape(name, shape, known ? lt_dtype_size(tensor->dtype) : 1, tensor, &bytes));
    if (known) LT_TRY(check_bytes(name, type, shape, bytes, given));
    if (!known && bytes / 8 > given) return lt_fail(LT_ERROR_FORMAT, "tensor %s: its shape is too large", name);
    if (known && json_array_size(shape) <= LT_MAX_RANK) return LT_OK;
    if (known) snprintf(type, TYPE_SIZE, "%s of %zu dimensions", lt_dtype_name(tensor->dtype), json_array_size(shape));
    tensor->dtype = LT_FOREIGN;
    tensor->type = type;
    tensor->bytes = given;
    return LT_OK;
}

/* One header entry: adds the tensor and says where it lies. payload [size] is what follows the header. */
static lt_status read_entry(const char *name, const json_t *entry, const uint8_t *payload, size_t size,
                            lt_checkpoint *checkpoint, extent *where) {
    lt_tensor tensor = {0};
    char type[TYPE_SIZE];
    if (!json_is_string(json_object_get(entry, "dtype")) || !json_is_array(json_object_get(entry, "shape")))
        return lt_fail(LT_ERROR_FORMAT, "tensor %s: its dtype or shape is missing", name);
    LT_TRY(read_extent(name, json_object_get(entry, "data_offsets"), size, where));
    LT_TRY(read_layout(name, entry, where->end - where->begin, &tensor, type));
    tensor.data = payload + where->begin;
    return lt_checkpoint_add(checkpoint, name, strlen(name), &tensor);
}

/* Of several files opened together, the first one's metadata counts. */
static lt_status read_metadata(const json_t *metadata, lt_checkpoint *checkpoint) {
    const bool first = checkpoint->metadata_count == 0;
    if (json_is_null(metadata)) return LT_OK;
    if (!json_is_object(metadata)) return lt_fail(LT_ERROR_FORMAT, "__metadata__ isn't a JSON object");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)metadata, key, value) {
        if (!json_is_string(value)) return lt_fail(LT_ERROR_FORMAT, "__metadata__: %s isn't a string", key);
        if (first) LT_TRY(lt_checkpoint_add_metadata(checkpoint, key, json_string_value(value)));
    }
    return LT_OK;
}

static int compare_extents(const void *a, const void *b) {
    const extent *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* Tensors follow one another from 0 to size. */
static lt_status check_extents(extent *extents, size_t count, size_t size) {
    qsort(extents, count, sizeof *extents, compare_extents);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (extents[i].begin != at)
            return lt_fail(LT_ERROR_FORMAT, "tensor %s begins at byte %zu, but the one before it ends at %zu",
                           extents[i].name, extents[i].begin, at);
        at = extents[i].end;
    }
    if (at != size)
        return lt_fail(LT_ERROR_FORMAT, "the tensors end at byte %zu of %zu: the rest belongs to none", at, size);
    return LT_OK;
}

static lt_status read_header(json_t *header, const uint8_t *payload, size_t size, lt_checkpoint *checkpoint) {
    extent *extents = lt_calloc(json_object_size(header), sizeof *extents);
    if (!extents) return LT_ERROR_MEMORY;
    lt_status status = LT_OK;
    size_t count = 0;
    const char *name;
    json_t *entry;
    json_object_foreach(header, name, entry) {
        if (strcmp(name, METADATA) == 0)
            status = read_metadata(entry, checkpoint);
        else
            status = read_entry(name, entry, payload, size, checkpoint, &extents[count++]);
        if (status) break;
    }
    if (!status) status = check_extents(extents, count, size);
    lt_free(extents);
    return status;
}

lt_status lt_safetensors_read(const uint8_t *data, size_t size, lt_checkpoint *checkpoint) {
    if (size < LENGTH_SIZE)
        return lt_fail(LT_ERROR_FORMAT, "too short for a safetensors file: %zu byte%s", size, LT_S(size));
    uint64_t length = 0;
    for (int i = LENGTH_SIZE - 1; i >= 0; i--) length = length << 8 | data[i];
    if (length > HEADER_LIMIT)
        return lt_fail(LT_ERROR_FORMAT, "a safetensors header of %llu bytes, over the format's limit of %d",
                       (unsigned long long)length, HEADER_LIMIT);
    if (length > size - LENGTH_SIZE)
        return lt_fail(LT_ERROR_FORMAT,
                       "the safetensors header takes %llu bytes but only %zu are there: the file is cut "
                       "off; fetch it again",
                       (unsigned long long)length, size - LENGTH_SIZE);
    const char *text = (const char *)data + LENGTH_SIZE;
    if (length == 0 || text[0] != '{') return lt_fail(LT_ERROR_FORMAT, "the safetensors header doesn't begin with '{'");

    json_t *header;
    lt_status status = lt_json_read(text, (size_t)length, JSON_REJECT_DUPLICATES, &header);
    if (status) return lt_fail_in(status, "the safetensors header");
    const size_t before = LENGTH_SIZE + (size_t)length;
    status = read_header(header, data + before, size - before, checkpoint);
    json_decref(header);
    if (!checkpoint->format) checkpoint->format = "safetensors";
    return status;
}

/* ---- Writing ---- */

static int compare_names(const void *a, const void *b) {
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

/* names [count], which are put in order: each once, and none that the header has for itself. */
static lt_status check_sorted(const char **names, size_t count) {
    qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(names[i], METADATA))
            return lt_fail(LT_ERROR_ARGUMENT, "can't be written: no tensor may be called %s", METADATA);
        if (i && !strcmp(names[i], names[i - 1]))
            return lt_fail(LT_ERROR_ARGUMENT, "can't be written: two tensors are called %s", names[i]);
    }
    return LT_OK;
}

static lt_status check_names(const lt_tensor *tensors, size_t count) {
    const char **names = lt_calloc(count, sizeof *names);
    if (!names) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) names[i] = tensors[i].name;
    const lt_status status = check_sorted(names, count);
    lt_free(names);
    return status;
}

/* A string as JSON, quotes included; made by jansson, which refuses what is not UTF-8. */
static lt_status append_string(lt_buffer *header, const char *text) {
    json_t *value = json_string(text);
    char *dumped = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
    json_decref(value);
    if (!dumped) return lt_fail(LT_ERROR_ARGUMENT, "can't be written: a name or a metadata text isn't UTF-8");
    const lt_status status = lt_buffer_append(header, dumped, strlen(dumped));
    free(dumped);
    return status;
}

static lt_status append_metadata(lt_buffer *header, const lt_metadata *metadata, size_t count) {
    if (count == 0) return LT_OK;
    LT_TRY(lt_buffer_printf(header, "\"%s\":{", METADATA));
    for (size_t i = 0; i < count; i++) {
        if (i) LT_TRY(lt_buffer_append(header, ",", 1));
        LT_TRY(append_string(header, metadata[i].key));
        LT_TRY(lt_buffer_append(header, ":", 1));
        LT_TRY(append_string(header, metadata[i].value));
    }
    return lt_buffer_append(header, "}", 1);
}

/* One tensor's header entry; *at is where its bytes begin and becomes where they end. */
static lt_status append_entry(lt_buffer *header, const lt_tensor *tensor, lt_dtype type, size_t *at) {
    size_t bytes, end;
    if (!lt_dtype_size(type))
        return lt_fail(LT_ERROR_ARGUMENT, "tensor %s: safetensors has no type %s", tensor->name, lt_dtype_name(type));
    if (!lt_mul(lt_tensor_count(tensor), lt_dtype_size(type), &bytes) || !lt_add(*at, bytes, &end))
        return lt_fail(LT_ERROR_ARGUMENT, "tensor %s is too large", tensor->name);
    char shape[LT_MAX_RANK * 24];
    lt_tensor_shape_text(tensor, shape, sizeof shape);
    LT_TRY(append_string(header, tensor->name));
    LT_TRY(lt_buffer_printf(header, ":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}", lt_dtype_name(type),
                            shape, *at, end));
    *at = end;
    return LT_OK;
}

/* The length and the header, padded with spaces so that the tensors begin at a multiple of 8; where the first are plain
 * bytes, which may be anything, on a cache line. */
static lt_status write_header(lt_writer *writer, const lt_tensor *tensors, size_t count, const lt_metadata *metadata,
                              size_t metadata_count, const lt_dtype *types) {
    const size_t begin = count && (types ? types[0] : tensors[0].dtype) == LT_U8 ? LINE : WORD;
    lt_buffer header = {0};
    size_t at = 0;
    lt_status status = lt_buffer_append(&header, "{", 1);
    if (!status) status = append_metadata(&header, metadata, metadata_count);
    for (size_t i = 0; i < count && !status; i++) {
        if (i || metadata_count) status = lt_buffer_append(&header, ",", 1);
        if (!status) status = append_entry(&header, &tensors[i], types ? types[i] : tensors[i].dtype, &at);
    }
    if (!status) status = lt_buffer_append(&header, "}", 1);
    while (!status && (LENGTH_SIZE + header.size) % begin) status = lt_buffer_append(&header, " ", 1);
    if (!status && header.size > HEADER_LIMIT)
        status = lt_fail(LT_ERROR_ARGUMENT, "a header of %zu bytes is over safetensors' limit of %d", header.size,
                         HEADER_LIMIT);
    uint8_t length[LENGTH_SIZE];
    for (int i = 0; i < LENGTH_SIZE; i++) length[i] = (uint8_t)((uint64_t)header.size >> 8 * i);
    if (!status) status = lt_writer_write(writer, length, sizeof length);
    if (!status) status = lt_writer_write(writer, header.data, header.size);
    lt_buffer_free(&header);
    return status;
}

/* values [count] as elements of type, through a block of BLOCK bytes. */
static lt_status write_values(lt_writer *writer, const float *values, size_t count, lt_dtype type, uint8_t *block) {
    const size_t step = BLOCK / lt_dtype_size(type);
    for (size_t i = 0; i < count; i += step) {
        const size_t n = lt_min(step, count - i);
        lt_numbers_write(type, values + i, n, block);
        LT_TRY(lt_writer_write(writer, block, n * lt_dtype_size(type)));
    }
    return LT_OK;
}

/* A tensor's bytes as they are. */
static lt_status write_raw(lt_writer *writer, const lt_tensor *tensor) {
    const size_t bytes = lt_tensor_count(tensor) * lt_dtype_size(tensor->dtype);
    if (lt_tensor_contiguous(tensor)) return lt_writer_write(writer, tensor->data, bytes);
    uint8_t *copy = lt_alloc(bytes);
    if (!copy) return LT_ERROR_MEMORY;
    lt_tensor_read_raw(tensor, copy);
    const lt_status status = lt_writer_write(writer, copy, bytes);
    lt_free(copy);
    return status;
}

/* A tensor's bytes as type, by way of float32: from fill, or from its own data. */
static lt_status write_converted(lt_writer *writer, const lt_tensor *tensor, lt_dtype type, lt_fill_fn fill,
                                 void *user) {
    const size_t count = lt_tensor_count(tensor);
    lt_status status = LT_OK;
    float *values = lt_calloc(count, sizeof *values);
    uint8_t *block = lt_alloc(BLOCK);
    if (!values || !block)
        status = LT_ERROR_MEMORY;
    else if (fill)
        status = fill(user, tensor, values);
    else
        lt_tensor_read_f32(tensor, values);
    if (!status) status = write_values(writer, values, count, type, block);
    lt_free(block);
    lt_free(values);
    return status;
}

lt_status lt_safetensors_write_into(lt_writer *writer, const lt_tensor *tensors, size_t count,
                                    const lt_metadata *metadata, size_t metadata_count, const lt_dtype *types,
                                    lt_fill_fn fill, void *user) {
    lt_status status = check_names(tensors, count);
    if (!status) status = write_header(writer, tensors, count, metadata, metadata_count, types);
    if (status == LT_ERROR_ARGUMENT) lt_fail_in(status, "%s", writer->path);
    for (size_t i = 0; i < count && !status; i++) {
        const lt_dtype type = types ? types[i] : tensors[i].dtype;
        const bool as_is = !fill && type == tensors[i].dtype;
        status = as_is ? write_raw(writer, &tensors[i]) : write_converted(writer, &tensors[i], type, fill, user);
        status = lt_map_check(tensors[i].data, status);
    }
    if (!status) return lt_writer_commit(writer);
    lt_writer_abort(writer);
    return status;
}

lt_status lt_safetensors_write(const char *path, const lt_tensor *tensors, size_t count, const lt_metadata *metadata,
                               size_t metadata_count, const lt_dtype *types, lt_fill_fn fill, void *user) {
    lt_writer writer;
    LT_TRY(lt_writer_open(path, &writer));
    return lt_safetensors_write_into(&writer, tensors, count, metadata, metadata_count, types, fill, user);
}
