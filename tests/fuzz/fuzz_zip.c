/* Any bytes as a checkpoint, told by content: a zip archive's directory, its pickle and its tensors together. */
#include "formats/readers.h"
#include "formats/zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A sum over all entries touches each byte that the archive says is there. */
static unsigned sum_entries(const lt_zip *zip) {
    unsigned sum = 0;
    for (size_t i = 0; i < zip->count; i++) {
        for (size_t k = 0; k < zip->entries[i].size; k++) sum += zip->entries[i].data[k];
        if (lt_zip_find(zip, zip->entries[i].name, zip->entries[i].name_size) != &zip->entries[i]) __builtin_trap();
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    lt_zip zip;
    volatile unsigned sum = 0;
    if (lt_zip_read(data, size, &zip) == LT_OK) sum = sum_entries(&zip);
    (void)sum;
    lt_zip_free(&zip);

    lt_checkpoint c;
    if (lt_checkpoint_open_memory(data, size, &c) != LT_OK) return 0;
    for (size_t i = 0; i < c.count; i++) {
        if (lt_tensor_readable(&c.tensors[i])) continue;
        float *values = lt_calloc(lt_tensor_count(&c.tensors[i]), sizeof *values);
        if (!values) __builtin_trap(); /* it is no larger than its file, but for 2^24 elements */
        lt_tensor_read_f32(&c.tensors[i], values);
        lt_free(values);
    }
    lt_checkpoint_close(&c);
    return 0;
}
