/* PyTorch checkpoints (.ckpt, .pt, .pth, .bin) as torch.save writes them since 1.6: a zip archive of
 *     NAME/data.pkl     a pickle, in which every tensor names the storage it looks at
 *     NAME/data/KEY     the storages' bytes
 *     NAME/byteorder    "little" or "big" (since 2.1)
 * (torch/serialization.py, "_save" and "_load"). */
#include "formats/readers.h"
#include "formats/torch.h"
#include "formats/zip.h"

#include <string.h>

enum { PATH_LIMIT = 512 };

typedef struct torch_file {
    lt_zip zip;
    lt_pickle pickle;
    const char *folder; /* NAME, without the slash */
    size_t folder_size;
} torch_file;

static const lt_zip_entry *find_entry(const torch_file *file, const char *name, size_t name_size) {
    char path[PATH_LIMIT];
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

static lt_status find_storage(const void *container, const lt_pickle_value *key, lt_bytes *bytes) {
    char path[64] = "data/";
    if (key->text.size > sizeof path - 5) return lt_fail(LT_ERROR_FORMAT, "its storage has no proper name");
    memcpy(path + 5, key->text.data, key->text.size);
    const lt_zip_entry *entry = find_entry(container, path, 5 + key->text.size);
    if (!entry) return lt_fail(LT_ERROR_FORMAT, "its storage isn't in the archive");
    *bytes = (lt_bytes){entry->data, entry->size};
    return LT_OK;
}

static lt_status read_archive(torch_file *file, lt_checkpoint *checkpoint) {
    LT_TRY(find_folder(file));
    LT_TRY(check_byte_order(file));
    const lt_zip_entry *pickle = find_entry(file, "data.pkl", 8);
    if (!pickle) return lt_fail(LT_ERROR_FORMAT, "the archive's folder has too long a name");
    LT_TRY(lt_pickle_read(pickle->data, pickle->size, &file->pickle));
    return lt_torch_read_state(&file->pickle, find_storage, file, checkpoint);
}

lt_status lt_torch_zip_read(const uint8_t *data, size_t size, lt_checkpoint *checkpoint) {
    torch_file file = {0};
    lt_status status = lt_zip_read(data, size, &file.zip);
    if (!status) status = read_archive(&file, checkpoint);
    lt_pickle_free(&file.pickle);
    lt_zip_free(&file.zip);
    if (!checkpoint->format) checkpoint->format = "pytorch zip";
    return status;
}
