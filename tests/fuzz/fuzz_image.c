/* Whole picture files of every format: pixels, orientation and words. */
#include "large_webp.h"
#include "png_crc.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || is_large_webp(data, size)) return 0;
    uint8_t *file = malloc(size);
    if (!file) return 0;
    memcpy(file, data, size);
    if (lt_png_codec.recognise((lt_bytes){file, size})) mend_checksums(file, size);
    lt_image image;
    char *text;
    if (lt_image_decode((lt_bytes){file, size}, &image) == LT_OK) {
        if (!image.pixels) abort();
        lt_image_free(&image);
    } else if (image.pixels || !*lt_error_message()) {
        abort();
    }
    if (lt_image_decode_parameters((lt_bytes){file, size}, &text) == LT_OK) lt_string_free(text);
    free(file);
    return 0;
}
