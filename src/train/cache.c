/* Rows of numbers that are computed once and kept on disk. */
#include "train/cache.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Keys ---- */

/* A tensor whose values do not lie side by side, as PyTorch's files may hold them; in row-major order. */
static uint64_t hash_strided(uint64_t hash, const lt_tensor *t) {
    const size_t size = lt_dtype_size(t->dtype);
    for (size_t i = 0; i < lt_tensor_count(t); i++) {
        size_t at = 0, rest = i;
        for (int d = t->rank - 1; d >= 0; rest /= t->shape[d--]) at += rest % t->shape[d] * t->stride[d];
        hash = lt_hash_bytes(hash, (const char *)t->data + at * size, size);
    }
    return hash;
}

uint64_t lt_hash_tensors(uint64_t hash, const lt_tensor *tensors, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const lt_tensor *t = &tensors[i];
        hash = lt_hash_bytes(hash, t->name, strlen(t->name));
        hash = lt_hash_bytes(hash, &t->dtype, sizeof t->dtype);
        if (t->first) hash = lt_hash_bytes(hash, &t->first, sizeof t->first);
        hash = lt_tensor_contiguous(t) || lt_in_blocks(t->dtype) ? lt_hash_bytes(hash, t->data, lt_tensor_bytes(t))
                                                                 : hash_strided(hash, t);
    }
    return hash;
}

uint64_t lt_hash_part(uint64_t hash, const lt_tensor *tensors, size_t count, bool (*part)(const char *name)) {
    for (size_t i = 0; i < count; i++)
        if (part(tensors[i].name)) hash = lt_hash_tensors(hash, &tensors[i], 1);
    return hash;
}

/* ---- Writing ---- */

/* The head of a safetensors file of one tensor, padded to a multiple of 64 bytes. */
static lt_status write_head(lt_writer *w, const char *kind, const lt_tensor *shape) {
    char json[512];
    size_t at =
        (size_t)snprintf(json, sizeof json, "{\"%s\":{\"dtype\":\"%s\",\"shape\":[", kind, lt_dtype_name(shape->dtype));
    for (int i = 0; i < shape->rank; i++)
        at += (size_t)snprintf(json + at, sizeof json - at, "%s%zu", i ? "," : "", shape->shape[i]);
    at += (size_t)snprintf(json + at, sizeof json - at, "],\"data_offsets\":[0,%zu]}}",
                           lt_tensor_count(shape) * lt_dtype_size(shape->dtype));
    while ((at + 8) % 64) json[at++] = ' ';
    uint8_t size[8];
    for (int i = 0; i < 8; i++) size[i] = (uint8_t)(at >> 8 * i);
    LT_TRY(lt_writer_write(w, size, sizeof size));
    return lt_writer_write(w, json, at);
}

/* values [n], which are lost. */
static lt_status write_values(lt_writer *w, lt_dtype dtype, float *values, size_t n) {
    uint16_t *halves = (uint16_t *)(void *)values;
    for (size_t i = 0; dtype == LT_F16 && i < n; i++) {
        const uint16_t half = lt_f32_to_f16(values[i]);
        memcpy(halves + i, &half, sizeof half);
    }
    return lt_writer_write(w, values, n * lt_dtype_size(dtype));
}

static lt_status write_rows(lt_writer *w, const lt_tensor *shape, const lt_cache_maker *maker) {
    const size_t rows = shape->shape[0], row = lt_tensor_count(shape) / rows, step = maker->step;
    float *values = lt_alloc(step * row * sizeof *values);
    lt_status status = values ? LT_OK : LT_ERROR_MEMORY;
    for (size_t first = 0; first < rows && !status; first += step) {
        const size_t n = lt_min(step, rows - first);
        status = maker->fill(maker->user, first, n, values);
        if (!status) status = write_values(w, shape->dtype, values, n * row);
    }
    lt_free(values);
    return status;
}

/* ---- Opening ---- */

/* Where no file holds what is expected, cache->values stays NULL: it is made again. */
static lt_status try_open(const char *path, const char *kind, const lt_tensor *shape, lt_cache *cache) {
    if (access(path, R_OK)) return LT_OK;
    const lt_status status = lt_checkpoint_open(path, &cache->file);
    if (status) return status == LT_ERROR_MEMORY ? status : LT_OK;
    const lt_tensor *t = lt_checkpoint_find(&cache->file, kind);
    if (t && t->dtype == shape->dtype && lt_tensor_has_shape(t, shape->rank, shape->shape) && lt_tensor_contiguous(t) &&
        (uintptr_t)t->data % sizeof(float) == 0) {
        cache->values = t->data;
        cache->dtype = t->dtype;
        cache->rows = t->shape[0];
        cache->row = lt_tensor_count(t) / cache->rows;
    } else
        lt_cache_close(cache);
    return LT_OK;
}

/* ---- Making it ---- */

/* Two trainings may want the same at once: the second waits, and then finds it there. */
static lt_status make(const char *path, const char *kind, const lt_tensor *shape, const lt_cache_maker *maker,
                      lt_cache *cache) {
    lt_writer writer;
    LT_TRY(lt_writer_wait(path, maker->wait, maker->user, &writer));
    lt_status status = try_open(path, kind, shape, cache);
    const bool made = cache->values != NULL;
    if (!status && !made) status = write_head(&writer, kind, shape);
    if (!status && !made) status = write_rows(&writer, shape, maker);
    if (!status && !made) return lt_writer_commit(&writer);
    lt_writer_abort(&writer);
    return status;
}

lt_status lt_cache_open(const char *folder, const char *kind, uint64_t key, const lt_tensor *shape,
                        const lt_cache_maker *maker, lt_cache *cache) {
    *cache = (lt_cache){0};
    if (mkdir(folder, 0777) && errno != EEXIST)
        return lt_fail(LT_ERROR_FILE, "%s: the folder can't be made: %s", folder, strerror(errno));
    char *path = lt_format("%s/%s-%016llx.safetensors", folder, kind, (unsigned long long)key);
    if (!path) return LT_ERROR_MEMORY;
    lt_status status = try_open(path, kind, shape, cache);
    if (!status && !cache->values) status = make(path, kind, shape, maker, cache);
    if (!status && !cache->values) status = try_open(path, kind, shape, cache);
    if (!status && !cache->values) status = lt_fail(LT_ERROR_FILE, "%s: it was written, but can't be read", path);
    lt_free(path);
    return status;
}

void lt_cache_close(lt_cache *cache) {
    lt_checkpoint_close(&cache->file);
    *cache = (lt_cache){0};
}

const void *lt_cache_row(const lt_cache *cache, size_t i) {
    return (const char *)cache->values + i * cache->row * lt_dtype_size(cache->dtype);
}

lt_status lt_cache_release(const lt_cache *cache) {
    LT_TRY(lt_map_check(cache->values, LT_OK));
    lt_map_release(cache->values, cache->rows * cache->row * lt_dtype_size(cache->dtype));
    return LT_OK;
}
