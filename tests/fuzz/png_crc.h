/* Puts right checksums into a PNG that a fuzzer has changed, so that its chunks get past them. */
#ifndef LT_FUZZ_PNG_CRC_H
#define LT_FUZZ_PNG_CRC_H

#include "formats/image_codec.h"

#include <zlib.h>

static inline void mend_checksums(uint8_t *file, size_t size) {
    for (size_t at = 8; at <= size && size - at >= 12;) {
        const size_t length = lt_png_read32(file + at);
        if (length > size - at - 12) return;
        const uint32_t crc = (uint32_t)crc32_z(0, file + at + 4, length + 4);
        for (size_t i = 0; i < 4; i++) file[at + 8 + length + i] = (uint8_t)(crc >> (24 - 8 * i));
        at += 12 + length;
    }
}

#endif
