/* A short WebP may rightly be of 16383x16383 pixels of one colour, which would take a fuzzer's time and memory. */
#ifndef LT_LARGE_WEBP_H
#define LT_LARGE_WEBP_H

#include <stdbool.h>
#include <stdint.h>
#include <webp/decode.h>

static inline bool is_large_webp(const uint8_t *data, size_t size) {
    int width, height;
    return WebPGetInfo(data, size, &width, &height) && (int64_t)width * height > 1 << 20;
}

#endif
