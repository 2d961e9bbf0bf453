/* Checkpoint files of every kind: told by content, and read by the format's reader. */
#include "formats/gguf.h"
#include "formats/json.h"
#include "formats/packed.h"
#include "formats/picture_embedding.h"
#include "formats/readers.h"

#include <string.h>

enum { INDEX_LIMIT = 100000000 /* bytes of an index file: as much as a safetensors header may have */ };

/* ---- Opening ---- */

/* What people hand over in place of a checkpoint, and what to tell them. */
static const struct {
    size_t offset, size;
    const char *magic, *advice;
} strangers[] = {
    {0, 26, "version https://git-lfs.gi", "a git-lfs pointer, not the model: fetch it with \"git lfs pull\""},
    {257, 5, "ustar",
     "a tar archive: unpack it; if it is a PyTorch file from before 2017, load and save it with a newer PyTorch"},
    {0, 1, "\x80", "a bare Python pickle: load it with PyTorch and save its state_dict()"},
    {0, 2, "\x1F\x8B", "compressed with gzip: unpack it first"},
    {0, 6, "7z\xBC\xAF\x27\x1C", "a 7z archive: unpack it first"},
    {0, 4, "Rar!", "a RAR archive: unpack it first"},
    {0, 4, "\x89HDF", "an HDF5 file (Keras?): use a .safetensors of the same model"},
};

static bool begins_with(const uint8_t *data, size_t size, size_t offset, const char *magic, size_t magic_size) {
    return size >= offset && size - offset >= magic_size && memcmp(data + offset, magic, magic_size) == 0;
}

/* The first byte that is not white space. */
static uint8_t first_sign(const uint8_t *data, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (!strchr(" \t\r\n\xEF\xBB\xBF", data[i]) || data[i] == 0) return data[i];
    return 0;
}

/* The kind is told by content; what is neither safetensors, GGUF nor PyTorch's, nor a picture, which may hold an
 * embedding, gets a word about what it seems to be. */
static lt_status read_any(const uint8_t *data, size_t size, lt_checkpoint *checkpoint) {
    if (size == 0) return lt_fail(LT_ERROR_FORMAT, "the file is empty");
    if (begins_with(data, size, 0, "PK\x03\x04", 4)) return lt_torch_zip_read(data, size, checkpoint);
    if (begins_with(data, size, 0, LT_GGUF_MAGIC, 4)) return lt_gguf_read(data, size, checkpoint);
    if (lt_torch_is_stream(data, size)) return lt_torch_stream_read(data, size, checkpoint);
    if (lt_picture_holder((lt_bytes){data, size})) return lt_picture_embedding_read(data, size, checkpoint);
    if (lt_image_recognise((lt_bytes){data, size}))
        return lt_fail(LT_ERROR_FORMAT, "this is a picture, not a model's weights");
    const bool short_header = begins_with(data, size, 4, "\0\0\0\0", 4); /* the upper half of safetensors' length */
    if (short_header && begins_with(data, size, 8, "{", 1)) return lt_safetensors_read(data, size, checkpoint);
    for (size_t i = 0; i < LT_COUNT(strangers); i++)
        if (begins_with(data, size, strangers[i].offset, strangers[i].magic, strangers[i].size))
            return lt_fail(LT_ERROR_UNSUPPORTED, "%s", strangers[i].advice);
    const uint8_t sign = first_sign(data, size);
    if (sign == '<')
        return lt_fail(LT_ERROR_FORMAT, "a web page, not a model: the download met a log-in or an error page");
    if (sign == '{') return lt_fail(LT_ERROR_FORMAT, "JSON text, not a checkpoint: the tensors are in other files");
    return lt_fail(LT_ERROR_FORMAT, "neither a safetensors or GGUF file nor a PyTorch checkpoint, or cut off");
}

lt_status lt_checkpoint_open_memory(const uint8_t *data, size_t size, lt_checkpoint *checkpoint) {
    lt_status status = lt_checkpoint_begin(checkpoint);
    if (!status) status = read_any(data, size, checkpoint);
    if (!status) status = lt_checkpoint_finish(checkpoint);
    if (!status) status = lt_packed_unfold(checkpoint);
    if (status) lt_checkpoint_close(checkpoint);
    return status;
}

/* Maps a file and adds its tensors. */
static lt_status add_file(const char *path, lt_checkpoint *checkpoint) {
    struct lt_checkpoint_files *files = checkpoint->files;
    lt_map *maps = lt_realloc(files->maps, files->count * sizeof *maps, (files->count + 1) * sizeof *maps);
    if (!maps) return LT_ERROR_MEMORY;
    files->maps = maps;
    lt_map *map = &maps[files->count];
    LT_TRY(lt_map_open(path, map));
    files->count++;
    const lt_status status = lt_map_check(map->data, read_any(map->data, map->size, checkpoint));
    return status ? lt_fail_in(status, "%s", path) : LT_OK;
}

lt_status lt_checkpoint_open(const char *path, lt_checkpoint *checkpoint) {
    lt_status status = lt_checkpoint_begin(checkpoint);
    if (!status) status = add_file(path, checkpoint);
    if (!status) {
        status = lt_checkpoint_finish(checkpoint);
        if (!status) status = lt_packed_unfold(checkpoint);
        if (checkpoint->count) status = lt_map_check(checkpoint->files->maps[0].data, status);
        if (status) lt_fail_in(status, "%s", path);
    }
    if (status) lt_checkpoint_close(checkpoint);
    return status;
}

/* ---- Sharded sets: {"weight_map": {"tensor": "file", ...}}, files beside the index ---- */

/* A file's own name: an index from a stranger must not reach out of its folder. */
static bool is_plain_name(const char *name) {
    return name[0] != '\0' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !strpbrk(name, "/\\:");
}

/* Opens each file that the map names, once. */
static lt_status add_shards(const char *folder, size_t folder_size, json_t *weight_map, lt_checkpoint *checkpoint) {
    json_t *done = json_object(); /* used as a set */
    lt_status status = done ? LT_OK : lt_fail(LT_ERROR_MEMORY, "out of memory");
    const char *tensor;
    json_t *file;
    json_object_foreach(weight_map, tensor, file) {
        const char *name = json_string_value(file);
        if (status) break;
        if (!name || !is_plain_name(name)) {
            status = lt_fail(LT_ERROR_FORMAT, "tensor %s is in no plain file beside the index", tensor);
        } else if (!json_object_get(done, name)) {
            char *path = lt_format("%.*s%s", (int)folder_size, folder, name);
            status = path ? add_file(path, checkpoint) : LT_ERROR_MEMORY;
            lt_free(path);
            if (json_object_set_new(done, name, json_true()) != 0) status = lt_fail(LT_ERROR_MEMORY, "out of memory");
        }
    }
    json_decref(done);
    return status;
}

static lt_status check_all_found(json_t *weight_map, const lt_checkpoint *checkpoint) {
    const char *tensor;
    json_t *file;
    json_object_foreach(weight_map, tensor, file) {
        if (!lt_checkpoint_find(checkpoint, tensor))
            return lt_fail(LT_ERROR_FORMAT, "tensor %s is in none of the files", tensor);
    }
    return LT_OK;
}

static lt_status read_index(const char *path, const lt_map *map, lt_checkpoint *checkpoint) {
    if (map->size > INDEX_LIMIT) return lt_fail(LT_ERROR_FORMAT, "%zu bytes are too many for an index", map->size);
    json_t *index;
    LT_TRY(lt_json_read((const char *)map->data, map->size, JSON_REJECT_DUPLICATES, &index));
    const char *slash = strrchr(path, '/');
    json_t *weight_map = json_object_get(index, "weight_map");
    lt_status status = LT_OK;
    if (json_object_size(weight_map) == 0)
        status = lt_fail(LT_ERROR_FORMAT, "no index of a sharded checkpoint: weight_map is missing");
    if (!status) status = add_shards(path, slash ? (size_t)(slash + 1 - path) : 0, weight_map, checkpoint);
    if (!status) status = lt_checkpoint_finish(checkpoint);
    if (!status) status = check_all_found(weight_map, checkpoint);
    json_decref(index);
    return status;
}

lt_status lt_checkpoint_open_sharded(const char *index_path, lt_checkpoint *checkpoint) {
    lt_map map = {0};
    lt_status status = lt_checkpoint_begin(checkpoint);
    if (!status) status = lt_map_open(index_path, &map);
    if (!status) status = lt_map_finish(&map, read_index(index_path, &map, checkpoint));
    if (!status) return LT_OK;
    lt_checkpoint_close(checkpoint);
    return lt_fail_in(status, "%s", index_path);
}
