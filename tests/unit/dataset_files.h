/* Folders of pictures and lists, made for a test. */
#ifndef LT_TEST_DATASET_FILES_H
#define LT_TEST_DATASET_FILES_H

#include "base/picture.h"
#include "golden.h"

#include <sys/stat.h>

static char root[256]; /* the folder of the running test */

static inline const char *in_root(const char *name) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static inline void write_bytes(const char *name, const void *data, size_t size) {
    FILE *file = fopen(in_root(name), "w");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static inline void write_text(const char *name, const char *text) { write_bytes(name, text, strlen(text)); }

/* A picture whose pixel (x, y) is (x, y, blue). */
static inline void write_picture(const char *name, int width, int height, int blue) {
    lt_image image;
    assert_ok(lt_image_alloc(width, height, &image));
    for (int i = 0; i < width * height; i++) {
        image.pixels[3 * i] = (uint8_t)(i % width);
        image.pixels[3 * i + 1] = (uint8_t)(i / width);
        image.pixels[3 * i + 2] = (uint8_t)blue;
    }
    assert_ok(lt_image_save(in_root(name), &image, NULL));
    lt_image_free(&image);
}

static inline int make_root(void **state) {
    (void)state;
    static int number;
    snprintf(root, sizeof root, "%s/%d", scratch_folder(), number++);
    return mkdir(root, 0777);
}

static inline int clean(void **state) {
    (void)state;
    remove_scratch();
    return 0;
}

#endif
