/* Embeddings in pictures: whole PNG and WebP files, or behind a byte of 0 the JSON that they hold, or behind a byte of
 * 1 the pixels [16, width, 3] that may hide it. */
#include "formats/picture_embedding.h"
#include "large_webp.h"
#include "png_crc.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS = 16 };

static void read_json(const uint8_t *text, size_t size) {
    lt_checkpoint c;
    if (lt_checkpoint_begin(&c) == LT_OK) (void)lt_embedding_json_read((const char *)text, size, &c);
    lt_checkpoint_close(&c);
}

static void read_pixels(const uint8_t *data, size_t size) {
    const size_t width = size / (3 * ROWS);
    lt_pixels p = {(int)width, ROWS, 3, malloc(size + 1)};
    lt_buffer json = {0};
    if (!width || !p.data) {
        free(p.data);
        return;
    }
    memcpy(p.data, data, size);
    if (lt_hidden_text(&p, &json) == LT_OK && json.size) read_json((const uint8_t *)json.data, json.size);
    lt_buffer_free(&json);
    free(p.data);
}

static void read_picture(const uint8_t *data, size_t size) {
    uint8_t *file = malloc(size + 1);
    if (!file) return;
    memcpy(file, data, size);
    lt_checkpoint c;
    const lt_image_codec *codec = lt_picture_holder((lt_bytes){file, size});
    if (codec == &lt_png_codec) mend_checksums(file, size);
    if (codec && !is_large_webp(file, size) && lt_checkpoint_open_memory(file, size, &c) == LT_OK)
        lt_checkpoint_close(&c);
    free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size && data[0] == 0) read_json(data + 1, size - 1);
    if (size && data[0] == 1) read_pixels(data + 1, size - 1);
    if (size && data[0] > 1) read_picture(data, size);
    return 0;
}
