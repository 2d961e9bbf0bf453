/* The words that a PNG carries: text chunks, packed or not, and EXIF. */
#include "png_crc.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input is what follows a PNG's signature. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *file = malloc(8 + size);
    if (!file) return 0;
    memcpy(file, "\x89PNG\r\n\x1A\n", 8);
    if (size) memcpy(file + 8, data, size);
    mend_checksums(file, 8 + size);
    char *text;
    if (lt_image_decode_parameters((lt_bytes){file, 8 + size}, &text) == LT_OK) lt_string_free(text);
    free(file);
    return 0;
}
