/* Checkpoints as lists of tensors: added to by readers, looked up by name. */
#include "formats/listing.h"

#include <stdlib.h>
#include <string.h>

enum { TYPE_LIMIT = 100 /* bytes that are kept of the name of a type */ };

/* ---- Adding ---- */

lt_status lt_checkpoint_begin(lt_checkpoint *checkpoint) {
    *checkpoint = (lt_checkpoint){.files = lt_calloc(1, sizeof *checkpoint->files)};
    return checkpoint->files ? LT_OK : LT_ERROR_MEMORY;
}

static char *copy_type(struct lt_checkpoint_files *files, const char *type) {
    return lt_arena_strndup(&files->strings, type, strnlen(type, TYPE_LIMIT));
}

lt_status lt_checkpoint_add(lt_checkpoint *checkpoint, const char *name, size_t name_size, const lt_tensor *tensor) {
    struct lt_checkpoint_files *files = checkpoint->files;
    LT_TRY(LT_GROW(checkpoint->tensors, checkpoint->count, files->tensor_capacity));
    char *copy = lt_arena_strndup(&files->strings, name, name_size);
    char *type = tensor->dtype == LT_FOREIGN ? copy_type(files, tensor->type) : NULL;
    if (!copy || (tensor->dtype == LT_FOREIGN && !type)) return LT_ERROR_MEMORY;
    lt_tensor *added = &checkpoint->tensors[checkpoint->count++];
    *added = *tensor;
    added->name = copy;
    added->type = type;
    return LT_OK;
}

lt_status lt_checkpoint_add_metadata(lt_checkpoint *checkpoint, const char *key, const char *value) {
    struct lt_checkpoint_files *files = checkpoint->files;
    LT_TRY(LT_GROW(checkpoint->metadata, checkpoint->metadata_count, files->metadata_capacity));
    char *key_copy = lt_arena_strndup(&files->strings, key, strlen(key));
    char *value_copy = lt_arena_strndup(&files->strings, value, strlen(value));
    if (!key_copy || !value_copy) return LT_ERROR_MEMORY;
    checkpoint->metadata[checkpoint->metadata_count].key = key_copy;
    checkpoint->metadata[checkpoint->metadata_count++].value = value_copy;
    return LT_OK;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const lt_tensor *)a)->name, ((const lt_tensor *)b)->name);
}

lt_status lt_checkpoint_finish(lt_checkpoint *checkpoint) {
    if (checkpoint->count) qsort(checkpoint->tensors, checkpoint->count, sizeof(lt_tensor), compare_names);
    for (size_t i = 1; i < checkpoint->count; i++) {
        if (strcmp(checkpoint->tensors[i - 1].name, checkpoint->tensors[i].name) == 0)
            return lt_fail(LT_ERROR_FORMAT, "tensor %s is there twice", checkpoint->tensors[i].name);
    }
    return LT_OK;
}

/* ---- Looking up ---- */

const lt_tensor *lt_checkpoint_find(const lt_checkpoint *checkpoint, const char *name) {
    if (checkpoint->count == 0) return NULL;
    const lt_tensor key = {.name = name};
    return bsearch(&key, checkpoint->tensors, checkpoint->count, sizeof key, compare_names);
}

const char *lt_checkpoint_metadata(const lt_checkpoint *checkpoint, const char *key) {
    for (size_t i = 0; i < checkpoint->metadata_count; i++)
        if (strcmp(checkpoint->metadata[i].key, key) == 0) return checkpoint->metadata[i].value;
    return NULL;
}

bool lt_checkpoint_changed(const lt_checkpoint *checkpoint) {
    bool changed = false;
    for (size_t i = 0; checkpoint->files && i < checkpoint->files->count && !changed; i++)
        changed = lt_map_changed(checkpoint->files->maps[i].data);
    return changed;
}

void lt_checkpoint_close(lt_checkpoint *checkpoint) {
    if (checkpoint->files) {
        for (size_t i = 0; i < checkpoint->files->count; i++) lt_map_close(&checkpoint->files->maps[i]);
        lt_free(checkpoint->files->maps);
        lt_arena_free(&checkpoint->files->strings);
    }
    lt_free(checkpoint->files);
    lt_free(checkpoint->metadata);
    lt_free(checkpoint->tensors);
    *checkpoint = (lt_checkpoint){0};
}
