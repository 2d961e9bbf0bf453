/* Text in pixels, as A1111's web UI hides it. Left of the picture stands a block of columns, right of it another, with
 * one black column between each and it. Their bytes' lower halves, by rows, are the lower and upper halves of the bytes
 * of a zlib stream, changed by a fixed sequence; their upper halves draw a pattern for the eye. */
#include "formats/picture_embedding.h"

enum { CHANNELS = 3, HALF = 0x0F };

typedef struct block {
    size_t left, right; /* columns [left, right) */
} block;

typedef struct area {
    size_t left, right, top, bottom;
} area;

static const uint8_t *pixel_at(const lt_pixels *p, size_t x, size_t y) {
    return p->data + (y * (size_t)p->width + x) * (size_t)p->channels;
}

/* What black bars around it leave: from the first column and row to the last that have a pixel without a channel of 0.
 */
static area crop_black(const lt_pixels *p) {
    const size_t width = (size_t)p->width, height = (size_t)p->height;
    area a = {width, 0, height, 0};
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++) {
            const uint8_t *pixel = pixel_at(p, x, y);
            if (!pixel[0] || !pixel[1] || !pixel[2]) continue;
            a = (area){lt_min(a.left, x), lt_max(a.right, x + 1), lt_min(a.top, y), lt_max(a.bottom, y + 1)};
        }
    return a.right ? a : (area){0, width, 0, height};
}

/* By column, what any of its lower halves has. */
static void read_columns(const lt_pixels *p, const area *a, uint8_t *columns) {
    for (size_t y = a->top; y < a->bottom; y++)
        for (size_t x = a->left; x < a->right; x++) {
            const uint8_t *pixel = pixel_at(p, x, y);
            columns[x] |= (pixel[0] | pixel[1] | pixel[2]) & HALF;
        }
}

/* What is left of the first black column and right of the last. False: there are no two such, or they are not alike. */
static bool find_blocks(const uint8_t *columns, const area *a, block blocks[2]) {
    size_t first = a->left, last = a->right;
    while (first < a->right && columns[first]) first++;
    while (last > a->left && columns[last - 1]) last--;
    blocks[0] = (block){a->left, first};
    blocks[1] = (block){last, a->right};
    return last > first + 1 && first > a->left && first - a->left == a->right - last;
}

/* To data [rows, columns, 3]. */
static void read_blocks(const lt_pixels *p, const area *a, const block blocks[2], uint8_t *data) {
    uint32_t seed = 0;
    for (size_t y = a->top; y < a->bottom; y++)
        for (size_t x = 0; x < blocks[0].right - blocks[0].left; x++)
            for (size_t c = 0; c < CHANNELS; c++) {
                seed = 1664525 * seed + 1013904223;
                const unsigned change = seed % 255 & HALF;
                const unsigned low = (pixel_at(p, blocks[0].left + x, y)[c] & HALF) ^ change;
                const unsigned high = (pixel_at(p, blocks[1].left + x, y)[c] & HALF) ^ change;
                *data++ = (uint8_t)(high << 4 | low);
            }
}

/* RFC 1950: the method is deflate, without a dictionary, and the two bytes are a multiple of 31. Two blocks that a
 * picture has by chance begin so once in some thousand. */
static bool is_zlib(lt_bytes data) {
    if (data.size < 2) return false;
    const unsigned first = data.data[0], second = data.data[1];
    return (first & HALF) == 8 && first >> 4 <= 7 && !(second & 0x20) && (first << 8 | second) % 31 == 0;
}

static lt_status unpack_blocks(const lt_pixels *p, const area *a, const block blocks[2], lt_buffer *json) {
    const size_t size = (a->bottom - a->top) * (blocks[0].right - blocks[0].left) * CHANNELS;
    uint8_t *data = lt_alloc(size);
    if (!data) return LT_ERROR_MEMORY;
    read_blocks(p, a, blocks, data);
    const lt_bytes packed = {data, size};
    const lt_status status = is_zlib(packed) ? lt_text_unpack(packed, json) : LT_OK;
    lt_free(data);
    return status;
}

lt_status lt_hidden_text(const lt_pixels *p, lt_buffer *json) {
    const area a = crop_black(p);
    block blocks[2];
    uint8_t *columns = lt_calloc((size_t)p->width, 1);
    if (!columns) return LT_ERROR_MEMORY;
    read_columns(p, &a, columns);
    const bool found = find_blocks(columns, &a, blocks);
    lt_free(columns);
    return found ? unpack_blocks(p, &a, blocks, json) : LT_OK;
}
