/* Any bytes as a shard: refused, or every picture lies within it and has its texts. */
#include "data/dataset.h"
#include "data/readers.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BLOCK = 512 };

/* Puts right checksums into whatever looks like a header, so that a changed one gets past them. */
static void mend_checksums(uint8_t *file, size_t size) {
    for (size_t at = 0; size - at >= BLOCK; at += BLOCK) {
        uint8_t *header = file + at;
        char digits[8];
        unsigned sum = 0;
        if (memcmp(header + 257, "ustar", 5)) continue;
        memset(header + 148, ' ', 8);
        for (size_t i = 0; i < BLOCK; i++) sum += header[i];
        snprintf(digits, sizeof digits, "%06o", sum);
        memcpy(header + 148, digits, 7);
    }
}

static size_t use(const lt_dataset *dataset, size_t size) {
    size_t bytes = 0;
    for (size_t i = 0; i < lt_dataset_count(dataset); i++) {
        const lt_sample *sample = &dataset->samples[i];
        if (sample->offset > size || sample->size > size - sample->offset) __builtin_trap();
        const int label = lt_dataset_label(dataset, i);
        if (label >= (int)lt_dataset_label_count(dataset)) __builtin_trap();
        if (label >= 0 && strcmp(lt_dataset_label_name(dataset, (size_t)label), sample->record.label)) __builtin_trap();
        for (size_t k = 0; k < lt_dataset_text_count(dataset, i); k++) bytes += strlen(lt_dataset_text(dataset, i, k));
        bytes += strlen(lt_dataset_name(dataset, i)) + lt_dataset_draw(dataset, 1, i).index;
    }
    return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *file = malloc(size ? size : 1);
    lt_dataset *dataset = lt_calloc(1, sizeof *dataset);
    if (!file || !dataset) abort();
    if (size) memcpy(file, data, size);
    mend_checksums(file, size);
    dataset->root = lt_strdup("folder");
    if (lt_dataset_index_shard(dataset, "a.tar", (lt_bytes){file, size}) == LT_OK &&
        lt_dataset_finish(dataset) == LT_OK && use(dataset, size) == SIZE_MAX)
        abort();
    lt_dataset_close(dataset);
    free(file);
    return 0;
}
