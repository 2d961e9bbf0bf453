/* Pictures: every kind that strangers send against Pillow's reading of it, scaling against Pillow's and transformers',
 * texts both ways, and what hostile files and a lack of memory do. tests/golden/images/make_images.py made the files.
 */
#include "formats/image_codec.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define ZLIB_CONST
#include <zlib.h>

#include <cmocka.h>

static const char *golden(const char *name, const char *ending) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/images/%s%s", LT_GOLDEN_DIR, name, ending);
    return path;
}

/* A folder of our own for what a test writes. */
static char folder[] = "/tmp/latent-test-image-XXXXXX";

static const char *scratch(const char *name) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

/* Nothing but what tests have removed may be left: no temporary file either. */
static int remove_folder(void **state) {
    (void)state;
    return rmdir(folder);
}

/* A file's bytes in a block of exactly their size, so that a sanitizer sees a read beyond it. */
static lt_bytes read_file(const char *path) {
    lt_map map;
    assert_int_equal(lt_map_open(path, &map), LT_OK);
    uint8_t *data = malloc(map.size);
    memcpy(data, map.data, map.size);
    const lt_bytes bytes = {data, map.size};
    lt_map_close(&map);
    return bytes;
}

static lt_bytes cut(lt_bytes file, size_t size) {
    uint8_t *data = malloc(size ? size : 1);
    memcpy(data, file.data, size);
    return (lt_bytes){data, size};
}

static void drop(lt_bytes bytes) { free((void *)(uintptr_t)bytes.data); }

/* Our own .ppm: "P6 W H 255\n" and pixels. */
static lt_image read_ppm(const char *name) {
    const lt_bytes file = read_file(golden(name, ".ppm"));
    lt_image image;
    int width, height, head;
    assert_int_equal(sscanf((const char *)file.data, "P6 %d %d 255%n", &width, &height, &head), 2);
    assert_int_equal(lt_image_alloc(width, height, &image), LT_OK);
    memcpy(image.pixels, file.data + head + 1, 3 * (size_t)width * (size_t)height);
    drop(file);
    return image;
}

static void assert_same(const char *what, const lt_image *found, const lt_image *expected, int tolerance) {
    if (found->width != expected->width || found->height != expected->height)
        fail_msg("%s: %dx%d, expected %dx%d", what, found->width, found->height, expected->width, expected->height);
    for (size_t i = 0; i < 3 * (size_t)found->width * (size_t)found->height; i++) {
        if (abs(found->pixels[i] - expected->pixels[i]) > tolerance)
            fail_msg("%s: value %zu is %d, expected %d", what, i, found->pixels[i], expected->pixels[i]);
    }
}

static void assert_failed(lt_status status, lt_status expected, const lt_image *image, const char *message_part) {
    assert_int_equal(status, expected);
    assert_null(image->pixels);
    assert_int_equal(image->width, 0);
    if (!strstr(lt_error_message(), message_part))
        fail_msg("message without \"%s\": %s", message_part, lt_error_message());
}

/* ---- Reading ---- */

static const struct {
    const char *name, *ending;
    int tolerance; /* of 255: lossy formats may round otherwise in another version of their library */
} pictures[] = {
    {"rgb", ".png", 0},
    {"rgba", ".png", 0},
    {"grey", ".png", 0},
    {"grey_alpha", ".png", 0},
    {"palette", ".png", 0},
    {"palette_trns", ".png", 0},
    {"bit", ".png", 0},
    {"interlaced", ".png", 0},
    {"grey2", ".png", 0},
    {"grey4", ".png", 0},
    {"rgb16", ".png", 0},
    {"rgba16", ".png", 0},
    {"grey16", ".png", 0},
    {"grey_alpha16", ".png", 0},
    {"rgb_trns", ".png", 0},
    {"grey_trns", ".png", 0},
    {"bomb", ".png", 0},
    {"baseline", ".jpg", 1},
    {"progressive", ".jpg", 1},
    {"sharp", ".jpg", 1},
    {"greyscale", ".jpg", 1},
    {"cmyk", ".jpg", 1},
    {"ycck", ".jpg", 1},
    {"lossy", ".webp", 1},
    {"lossless", ".webp", 0},
    {"lossy_alpha", ".webp", 1},
    {"lossless_alpha", ".webp", 0},
    {"way1_png", ".png", 0},
    {"way6_png", ".png", 0},
    {"way8_png", ".png", 0},
    {"way1_jpg", ".jpg", 1},
    {"way2_jpg", ".jpg", 1},
    {"way3_jpg", ".jpg", 1},
    {"way4_jpg", ".jpg", 1},
    {"way5_jpg", ".jpg", 1},
    {"way6_jpg", ".jpg", 1},
    {"way7_jpg", ".jpg", 1},
    {"way8_jpg", ".jpg", 1},
    {"way1_webp", ".webp", 0},
    {"way6_webp", ".webp", 0},
    {"way8_webp", ".webp", 0},
    {"animated", ".webp", 1},
    {"animated_part", ".webp", 0},
};

static void test_load(void **state) {
    (void)state;
    for (size_t i = 0; i < LT_COUNT(pictures); i++) {
        lt_image image, expected = read_ppm(pictures[i].name);
        if (lt_image_load(golden(pictures[i].name, pictures[i].ending), &image) != LT_OK)
            fail_msg("%s", lt_error_message());
        assert_same(pictures[i].name, &image, &expected, pictures[i].tolerance);
        lt_image_free(&image);
        lt_image_free(&expected);
    }
}

/* A file in memory is read as one on the disk is, within a number of pixels: as many as it has, and not one less. */
static void test_read(void **state) {
    (void)state;
    for (size_t i = 0; i < LT_COUNT(pictures); i++) {
        const lt_bytes file = read_file(golden(pictures[i].name, pictures[i].ending));
        lt_image image, expected = read_ppm(pictures[i].name);
        const size_t count = (size_t)expected.width * (size_t)expected.height;
        assert_int_equal(lt_image_read(file.data, file.size, count, &image), LT_OK);
        assert_same(pictures[i].name, &image, &expected, pictures[i].tolerance);
        lt_image_free(&image);
        assert_failed(lt_image_read(file.data, file.size, count - 1, &image), LT_ERROR_FORMAT, &image, "is too large");
        lt_image_free(&expected);
        drop(file);
    }
}

static void test_load_refuses(void **state) {
    (void)state;
    lt_image image = {1, 1, NULL};
    assert_failed(lt_image_load(golden("rgb", ".ppm"), &image), LT_ERROR_FORMAT, &image, "neither a PNG");
    assert_failed(lt_image_load(golden("none", ".png"), &image), LT_ERROR_FILE, &image, "none.png");
    assert_failed(lt_image_decode((lt_bytes){0}, &image), LT_ERROR_FORMAT, &image, "empty");
    char *text;
    assert_int_equal(lt_image_parameters(golden("rgb", ".ppm"), &text), LT_ERROR_FORMAT);
    assert_null(text);
    lt_image_free(NULL);
    lt_string_free(NULL);
}

/* ---- Hostile files ---- */

static uint8_t *put32(uint8_t *p, uint32_t value) {
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(value >> (24 - 8 * i));
    return p + 4;
}

static size_t append_chunk(uint8_t *file, size_t size, const char *type, const void *content, size_t content_size) {
    uint8_t *p = put32(file + size, (uint32_t)content_size);
    memcpy(p, type, 4);
    memcpy(p + 4, content, content_size);
    put32(p + 4 + content_size, (uint32_t)crc32_z(0, p, content_size + 4));
    return size + 12 + content_size;
}

/* A PNG's first chunk, 8-bit RGB. */
static size_t append_header(uint8_t *file, uint32_t width, uint32_t height) {
    uint8_t header[13];
    memcpy(put32(put32(header, width), height), "\x08\x02\0\0\0", 5);
    memcpy(file, "\x89PNG\r\n\x1A\n", 8);
    return append_chunk(file, 8, "IHDR", header, sizeof header);
}

static void test_png_sizes(void **state) {
    (void)state;
    static const struct {
        uint32_t width, height;
        const char *message;
    } cases[] = {{100000, 100000, "too large"}, {0, 0, "empty"},         {16, 0, "empty"},
                 {16385, 1, "too large"},       {1, 16385, "too large"}, {0xFFFFFFFF, 0xFFFFFFFF, "too large"},
                 {16384, 16384, "ends early"}};
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        uint8_t file[128] = {0};
        lt_image image;
        size_t size = append_header(file, cases[i].width, cases[i].height);
        size = append_chunk(file, size, "IDAT", "\x78\x9C\x03\0\0\0\0\x01", 8);
        size = append_chunk(file, size, "IEND", "", 0);
        assert_failed(lt_image_decode((lt_bytes){file, size}, &image), LT_ERROR_FORMAT, &image, cases[i].message);
    }
}

/* The size is refused before anything is allocated for the picture: an allocation would fail, and say so. */
static void test_jpeg_sizes(void **state) {
    (void)state;
    lt_image image;
    lt_bytes file = read_file(golden("baseline", ".jpg"));
    uint8_t *frame = memmem(file.data, file.size, "\xFF\xC0\0\x11\x08", 5);
    assert_non_null(frame);
    memcpy(frame + 5, "\xFF\xDC\xFF\xDC", 4); /* 65500 x 65500, libjpeg's own limit */
    lt_alloc_fail_at(1);                      /* the first is the decoder's own state */
    assert_failed(lt_image_decode(file, &image), LT_ERROR_FORMAT, &image, "65500x65500 pixels is too large");
    assert_false(lt_alloc_failed());
    lt_alloc_fail_at(1);
    memcpy(frame + 5, "\x3F\xFF\x3F\xFF", 4); /* allowed, but not in so short a file */
    assert_failed(lt_image_decode(file, &image), LT_ERROR_FORMAT, &image, "ends early");
    assert_false(lt_alloc_failed());
    lt_alloc_fail_at(SIZE_MAX);
    frame[1] = 0xC9; /* a frame of arithmetic codes */
    assert_failed(lt_image_decode(file, &image), LT_ERROR_UNSUPPORTED, &image, "arithmetic");
    drop(file);
}

/* 64 MiB of zeros in a text chunk of 64 KiB. */
static void test_text_bomb(void **state) {
    (void)state;
    enum { UNPACKED = 1 << 26, ROOM = 1 << 18 };
    uint8_t *zeros = calloc(1, UNPACKED), *file = malloc(ROOM), *chunk = malloc(ROOM);
    for (int international = 0; international < 2; international++) {
        const size_t head = international ? 16 : 12;
        memset(chunk, 0, head);
        memcpy(chunk, "parameters", 10);
        chunk[11] = international ? 1 : 0; /* iTXt: packed; zTXt: the method */
        uLongf packed = ROOM / 2;
        memset(zeros, 'a', UNPACKED);
        assert_int_equal(compress2(chunk + head - (international ? 1 : 0), &packed, zeros, UNPACKED, 9), Z_OK);
        size_t size = append_header(file, 1, 1);
        size =
            append_chunk(file, size, international ? "iTXt" : "zTXt", chunk, head - (international ? 1 : 0) + packed);
        size = append_chunk(file, size, "IEND", "", 0);
        char *text;
        assert_int_equal(lt_image_decode_parameters((lt_bytes){file, size}, &text), LT_ERROR_FORMAT);
        assert_null(text);
        assert_non_null(strstr(lt_error_message(), "16 MiB"));
    }
    free(zeros);
    free(file);
    free(chunk);
}

/* Text chunks that say nothing sensible. */
static void test_text_chunks(void **state) {
    (void)state;
    static const struct {
        const char *type, *content;
        size_t size;
        const char *text; /* NULL: broken */
    } cases[] = {
        {"tEXt", "parameters\0", 11, ""},
        {"tEXt", "parameters\0caf\xE9\0more", 20, "café"},
        {"iTXt", "parameters\0\0\0en\0p\0caf\xC3\xA9", 23, "café"},
        {"iTXt", "parameters\0\0\0\0\0a\xFF\xC3", 18, "a\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"iTXt", "parameters\0\0\0en\0p", 17, NULL},
        {"iTXt", "parameters\0\0", 12, NULL},
        {"iTXt", "parameters\0", 11, NULL},
        {"iTXt", "parameters\0\1\2\0\0abc", 18, NULL},
        {"iTXt", "parameters\0\1\0\0\0abc", 18, NULL},
        {"zTXt", "parameters\0", 11, NULL},
        {"zTXt", "parameters\0\0", 12, NULL},
        {"zTXt", "parameters\0\1abc", 15, NULL},
        {"zTXt", "parameters\0\0abc", 15, NULL},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        uint8_t file[256];
        char *text;
        size_t size = append_header(file, 1, 1);
        size = append_chunk(file, size, "tEXt", "parameter\0no", 12);
        size = append_chunk(file, size, "tEXt", "parametersx\0no", 14);
        size = append_chunk(file, size, cases[i].type, cases[i].content, cases[i].size);
        const size_t end = size;
        size = append_chunk(file, size, "IEND", "", 0);
        const lt_bytes exact = cut((lt_bytes){file, size}, size);
        const lt_status status = lt_image_decode_parameters(exact, &text);
        drop(exact);
        if (!cases[i].text) {
            if (status != LT_ERROR_FORMAT || text) fail_msg("case %zu was read", i);
            continue;
        }
        if (status != LT_OK) fail_msg("case %zu: %s", i, lt_error_message());
        assert_string_equal(text, cases[i].text);
        lt_string_free(text);
        file[end - 1] ^= 1; /* its checksum */
        assert_int_equal(lt_image_decode_parameters((lt_bytes){file, size}, &text), LT_ERROR_FORMAT);
        assert_null(text);
    }
}

/* Where a PNG's last pixels end, or else the file. */
static size_t end_of_pixels(lt_bytes file) {
    const uint8_t *end = lt_png_codec.recognise(file) ? memmem(file.data, file.size, "\0\0\0\0IEND", 8) : NULL;
    return end ? (size_t)(end - file.data) : file.size;
}

/* A PNG without its end, or with half of it, is the picture that it was. */
static void test_no_end(void **state) {
    (void)state;
    for (size_t i = 0; i < LT_COUNT(pictures); i++) {
        const lt_bytes file = read_file(golden(pictures[i].name, pictures[i].ending));
        lt_image expected = read_ppm(pictures[i].name);
        for (size_t size = end_of_pixels(file); size < file.size; size++) {
            const lt_bytes part = cut(file, size);
            lt_image image;
            char *text;
            assert_int_equal(lt_image_decode(part, &image), LT_OK);
            assert_same(pictures[i].name, &image, &expected, pictures[i].tolerance);
            assert_int_equal(lt_image_decode_parameters(part, &text),
                             strcmp(pictures[i].name, "bomb") ? LT_OK : LT_ERROR_FORMAT);
            assert_null(text);
            lt_image_free(&image);
            drop(part);
        }
        lt_image_free(&expected);
        drop(file);
    }
}

/* Every file, cut at every length (the long ones at many) within its pixels: an error that says so, never a picture. */
static void test_truncation(void **state) {
    (void)state;
    for (size_t i = 0; i < LT_COUNT(pictures); i++) {
        const lt_bytes file = read_file(golden(pictures[i].name, pictures[i].ending));
        const size_t end = end_of_pixels(file);
        for (size_t size = 0; size < end; size += 1 + file.size / 2000) {
            const lt_bytes part = cut(file, size);
            lt_image image;
            char *text;
            const lt_status status = lt_image_decode(part, &image);
            if (status != LT_ERROR_FORMAT || image.pixels || !*lt_error_message())
                fail_msg("%s cut at %zu of %zu: %d", pictures[i].name, size, file.size, status);
            if (lt_image_decode_parameters(part, &text) == LT_OK) lt_string_free(text);
            drop(part);
        }
        drop(file);
    }
}

/* Bits turned here and there: a picture or an error, and nothing else. */
static void test_bit_flips(void **state) {
    (void)state;
    uint32_t random = 1;
    for (size_t i = 0; i < LT_COUNT(pictures); i++) {
        const lt_bytes file = read_file(golden(pictures[i].name, pictures[i].ending));
        for (int k = 0; k < 150; k++) {
            const lt_bytes copy = cut(file, file.size);
            for (int flips = k % 3; flips >= 0; flips--) {
                random = random * 1664525 + 1013904223;
                ((uint8_t *)(uintptr_t)copy.data)[(random >> 8) % file.size] ^= (uint8_t)(1 << (random >> 5) % 8);
            }
            lt_image image;
            char *text;
            const lt_status status = lt_image_decode(copy, &image);
            assert_true((status == LT_OK) == (image.pixels != NULL));
            if (image.pixels) assert_in_range(image.width, 1, LT_IMAGE_MAX_SIDE);
            lt_image_free(&image);
            if (lt_image_decode_parameters(copy, &text) == LT_OK) lt_string_free(text);
            drop(copy);
        }
        drop(file);
    }
}

/* ---- EXIF ---- */

/* Orientation as SHORT and LONG, both byte orders, and what must not be believed. */
static void test_orientation(void **state) {
    (void)state;
    static const struct {
        const char *block;
        size_t size;
        int way;
    } cases[] = {
        {"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0", 26, 6},
        {"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x08\0\0\0\0\0\0\0", 26, 8},
        {"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x05\0\0\0\0\0\0\0", 32, 5},
        {"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x04\0\0\0\x01\0\0\0\x03\0\0\0\0", 26, 3},
        {"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x09\0\0\0\0\0\0", 26, 1},   /* no such orientation */
        {"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x01\0\x06\0\0\0\0\0\0", 26, 1},   /* not a number */
        {"MM\0*\0\0\0\x08\xFF\xFF\x01\x13\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0", 26, 1}, /* more entries than bytes */
        {"MM\0*\xFF\xFF\xFF\xFE\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0", 26,
         1},                                                                        /* a directory beyond the end */
        {"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", 19, 1},                 /* cut */
        {"MM\0+\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0", 26, 1}, /* not a TIFF */
        {"MX\0*\0\0\0\x08", 8, 1},
        {"", 0, 1},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        const lt_bytes block = cut((lt_bytes){(const uint8_t *)cases[i].block, cases[i].size}, cases[i].size);
        if (lt_exif_orientation(block) != cases[i].way) fail_msg("case %zu: %d", i, lt_exif_orientation(block));
        drop(block);
    }
}

/* The comment that lt_exif_write would write, with another 8-byte character code and other bytes behind it. */
static void check_comment(const char *code, const char *content, size_t size, const char *expected) {
    lt_buffer block = {0};
    char *text;
    assert_int_equal(lt_exif_write("", &block), LT_OK);
    memcpy(block.data + block.size - 8, code, 8);
    block.data[35] = (char)(8 + size);
    assert_int_equal(lt_buffer_append(&block, content, size), LT_OK);
    const lt_bytes exact = cut((lt_bytes){(const uint8_t *)block.data, block.size}, block.size);
    assert_int_equal(lt_exif_comment(exact, &text), LT_OK);
    if (expected) {
        assert_non_null(text);
        assert_string_equal(text, expected);
    } else {
        assert_null(text);
    }
    lt_string_free(text);
    drop(exact);
    const lt_bytes part = cut((lt_bytes){(const uint8_t *)block.data, block.size}, block.size - 1);
    assert_int_equal(lt_exif_comment(part, &text), LT_OK);
    assert_null(text);
    drop(part);
    lt_buffer_free(&block);
}

static void test_comments(void **state) {
    (void)state;
    check_comment("UNICODE", "\0a\0b", 4, "ab");
    check_comment("UNICODE", "a\0b\0", 4, "ab");
    check_comment("UNICODE", "\xFF\xFE\x2B\x73", 4, "猫");
    check_comment("UNICODE", "\xFE\xFF\x73\x2B", 4, "猫");
    check_comment("UNICODE", "\x73\x2B", 2, "猫");
    check_comment("UNICODE", "\xD8\x3D\xDE\x00\0!", 6, "😀!");
    check_comment("UNICODE", "\xDE\x00\0a\xD8\x3D", 6,
                  "\xEF\xBF\xBD"
                  "a\xEF\xBF\xBD");
    check_comment("UNICODE", "\0a\0", 3, "a"); /* half a character at the end */
    check_comment("UNICODE", "", 0, NULL);
    check_comment("ASCII\0\0", "plain\0rest", 10, "plain");
    check_comment("ASCII\0\0", "    ", 4, NULL);
    check_comment("\0\0\0\0\0\0\0", "plain", 5, "plain");
    check_comment("JIS\0\0\0\0", "plain", 5, NULL);
}

/* ---- Writing ---- */

static const char plain[] = "a café, 35 mm\nNegative prompt: blurry\n"
                            "Steps: 20, Sampler: Euler a, CFG scale: 7.5, Seed: 1, Size: 512x512";
static const char world[] = "猫の絵, кошка, 😀 café\nSteps: 20, Seed: 4294967295";

static void test_parameters_of_pillow(void **state) {
    (void)state;
    static const struct {
        const char *name, *ending, *text;
    } cases[] = {
        {"text", ".png", plain},          {"ztxt", ".png", plain},           {"itxt", ".png", world},
        {"itxt_packed", ".png", world},   {"comment", ".jpg", world},        {"comment", ".webp", world},
        {"comment", ".png", world},       {"comment_little", ".jpg", world}, {"comment_little", ".webp", world},
        {"comment_little", ".png", world}};
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        char *text;
        assert_int_equal(lt_image_parameters(golden(cases[i].name, cases[i].ending), &text), LT_OK);
        if (!text) fail_msg("%s%s: no text", cases[i].name, cases[i].ending);
        assert_string_equal(text, cases[i].text);
        lt_string_free(text);
    }
    static const char *const without[][2] = {
        {"rgb", ".png"}, {"baseline", ".jpg"}, {"lossy", ".webp"}, {"way6_jpg", ".jpg"}};
    for (size_t i = 0; i < LT_COUNT(without); i++) {
        char *text = (char *)(uintptr_t)plain;
        assert_int_equal(lt_image_parameters(golden(without[i][0], without[i][1]), &text), LT_OK);
        assert_null(text);
    }
}

static void check_round_trip(const char *name, const lt_image *image, const char *parameters, int tolerance) {
    lt_image back;
    char *text;
    if (lt_image_save(scratch(name), image, parameters) != LT_OK) fail_msg("%s", lt_error_message());
    assert_int_equal(lt_image_load(scratch(name), &back), LT_OK);
    assert_same(name, &back, image, tolerance);
    assert_int_equal(lt_image_parameters(scratch(name), &text), LT_OK);
    if (parameters) {
        assert_non_null(text);
        assert_string_equal(text, parameters);
    } else {
        assert_null(text);
    }
    lt_string_free(text);
    lt_image_free(&back);
    assert_int_equal(unlink(scratch(name)), 0);
}

static void test_round_trip(void **state) {
    (void)state;
    static const char *const texts[] = {NULL, plain, world, "x", "\x7F", "\xC3\xBF\xC4\x80"};
    lt_image image = read_ppm("scale_from"), smooth;
    assert_int_equal(lt_image_resize(&image, 200, 150, &smooth), LT_OK);
    for (size_t i = 0; i < LT_COUNT(texts); i++) {
        check_round_trip("a.png", &image, texts[i], 0);
        check_round_trip("b.WebP", &image, texts[i], 0);
        check_round_trip("c.jpg", &smooth, texts[i], 24);
        check_round_trip("d.JPEG", &smooth, texts[i], 24);
    }
    const lt_image dot = {1, 1, image.pixels};
    check_round_trip("e.PNG", &dot, "", 0);
    lt_image_free(&image);
    lt_image_free(&smooth);
}

/* For programs: the same as inside, behind the door. */
static void test_scale(void **state) {
    (void)state;
    lt_image image = read_ppm("scale_from"), inside, ours;
    assert_int_equal(lt_image_resize(&image, 20, 15, &inside), LT_OK);
    assert_int_equal(lt_image_scale(&image, 20, 15, &ours), LT_OK);
    assert_memory_equal(inside.pixels, ours.pixels, 20 * 15 * 3);
    lt_image_free(&inside);
    lt_image_free(&ours);
    assert_failed(lt_image_scale(NULL, 20, 15, &ours), LT_ERROR_ARGUMENT, &ours, "image");
    assert_failed(lt_image_scale(&image, 0, 15, &ours), LT_ERROR_ARGUMENT, &ours, "width");
    assert_int_equal(lt_image_scale(&image, 20, 15, NULL), LT_ERROR_ARGUMENT);
    lt_image_free(&image);
}

/* The text chunk is, byte for byte, the one that Pillow wrote. */
static void test_text_as_pillow(void **state) {
    (void)state;
    static const char *const names[] = {"text", "itxt"}, *const texts[] = {plain, world};
    lt_image image = read_ppm("rgb");
    for (size_t i = 0; i < LT_COUNT(names); i++) {
        assert_int_equal(lt_image_save(scratch("text.png"), &image, texts[i]), LT_OK);
        const lt_bytes ours = read_file(scratch("text.png")), theirs = read_file(golden(names[i], ".png"));
        const uint8_t *found = memmem(theirs.data, theirs.size, "parameters", 10);
        assert_non_null(found);
        const size_t size = 12 + ((size_t)found[-6] << 8 | found[-5]);
        assert_non_null(memmem(ours.data, ours.size, found - 8, size));
        drop(ours);
        drop(theirs);
    }
    assert_int_equal(unlink(scratch("text.png")), 0);
    lt_image_free(&image);
}

/* Broken UTF-8 is mended, not refused: a picture that took an hour must not be lost for it. */
static void test_broken_text(void **state) {
    (void)state;
    static const char *const names[] = {"broken.png", "broken.jpg", "broken.webp"};
    lt_image image = read_ppm("rgb");
    for (size_t i = 0; i < LT_COUNT(names); i++) {
        char *text;
        assert_int_equal(lt_image_save(scratch(names[i]), &image, "a\xFF\xE7\x8C"), LT_OK);
        assert_int_equal(lt_image_parameters(scratch(names[i]), &text), LT_OK);
        assert_string_equal(text, "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
        lt_string_free(text);
        assert_int_equal(unlink(scratch(names[i])), 0);
    }
    lt_image_free(&image);
}

static void test_same_bytes(void **state) {
    (void)state;
    static const char *const names[] = {"same.png", "same.jpg", "same.webp"};
    lt_image image = read_ppm("scale_from");
    for (size_t i = 0; i < LT_COUNT(names); i++) {
        assert_int_equal(lt_image_save(scratch(names[i]), &image, world), LT_OK);
        const lt_bytes first = read_file(scratch(names[i]));
        assert_int_equal(lt_image_save(scratch(names[i]), &image, world), LT_OK);
        const lt_bytes second = read_file(scratch(names[i]));
        assert_int_equal(first.size, second.size);
        assert_memory_equal(first.data, second.data, first.size);
        drop(first);
        drop(second);
        assert_int_equal(unlink(scratch(names[i])), 0);
    }
    lt_image_free(&image);
}

/* In memory a picture is what its file would be. */
static void test_encode(void **state) {
    (void)state;
    static const char *const names[] = {"memory.png", "memory.jpg", "memory.jpeg", "memory.webp"};
    lt_image image = read_ppm("scale_from"), empty = {0};
    uint8_t *bytes;
    size_t size;
    for (size_t i = 0; i < LT_COUNT(names); i++) {
        assert_int_equal(lt_image_save(scratch(names[i]), &image, world), LT_OK);
        const lt_bytes file = read_file(scratch(names[i]));
        assert_int_equal(lt_image_encode(names[i] + 7, &image, world, &bytes, &size), LT_OK);
        assert_int_equal(size, file.size);
        assert_memory_equal(bytes, file.data, size);
        lt_bytes_free(bytes);
        drop(file);
        assert_int_equal(unlink(scratch(names[i])), 0);
    }
    assert_int_equal(lt_image_encode("gif", &image, NULL, &bytes, &size), LT_ERROR_ARGUMENT);
    assert_int_equal(lt_image_encode("png", &empty, NULL, &bytes, &size), LT_ERROR_ARGUMENT);
    assert_true(bytes == NULL && size == 0);
    bool failed = true;
    for (size_t n = 0; failed; n++) {
        lt_alloc_fail_at(n);
        const lt_status status = lt_image_encode("png", &image, world, &bytes, &size);
        failed = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        assert_int_equal(status, failed ? LT_ERROR_MEMORY : LT_OK);
        assert_true(failed == (bytes == NULL));
        lt_bytes_free(bytes);
    }
    lt_image_free(&image);
}

/* Less quality is less size and further from the picture; the best WebP loses nothing. */
static void test_quality(void **state) {
    (void)state;
    static const char *const formats[] = {"jpg", "webp"};
    static const int qualities[] = {20, 60, 90, 100};
    lt_image image = read_ppm("scale_from"), again;
    const size_t count = 3 * (size_t)image.width * (size_t)image.height;
    uint8_t *bytes;
    size_t size;
    for (size_t f = 0; f < LT_COUNT(formats); f++) {
        size_t before = 0;
        double nearest = 1e30;
        for (size_t q = 0; q < LT_COUNT(qualities); q++) {
            double error = 0;
            assert_int_equal(lt_image_encode_at(formats[f], qualities[q], &image, world, &bytes, &size), LT_OK);
            assert_int_equal(lt_image_read(bytes, size, 0, &again), LT_OK);
            for (size_t i = 0; i < count; i++) error += abs(image.pixels[i] - again.pixels[i]);
            assert_true(size > before && error < nearest);
            if (f && q == 3) assert_true(error == 0);
            char *told;
            assert_int_equal(lt_image_read_parameters(bytes, size, &told), LT_OK);
            assert_string_equal(told, world);
            lt_string_free(told);
            before = size;
            nearest = error;
            lt_bytes_free(bytes);
            lt_image_free(&again);
        }
    }
    assert_int_equal(lt_image_encode_at("jpg", 101, &image, world, &bytes, &size), LT_ERROR_ARGUMENT);
    assert_int_equal(lt_image_encode_at("jpg", -1, &image, world, &bytes, &size), LT_ERROR_ARGUMENT);
    lt_image_free(&image);
}

static void test_save_refuses(void **state) {
    (void)state;
    lt_image image = read_ppm("rgb"), empty = {0}, wide = {16384, 1, NULL};
    static const char *const bad[] = {"a.gif", "a", "a.png.txt", "png"};
    for (size_t i = 0; i < LT_COUNT(bad); i++) {
        assert_int_equal(lt_image_save(scratch(bad[i]), &image, NULL), LT_ERROR_ARGUMENT);
        assert_non_null(strstr(lt_error_message(), ".png, .jpg, .jpeg or .webp"));
    }
    assert_int_equal(lt_image_save(scratch("a.png"), &empty, NULL), LT_ERROR_ARGUMENT);
    assert_int_equal(lt_image_save(scratch("none/a.png"), &image, NULL), LT_ERROR_FILE);
    wide.pixels = calloc(3, 16384);
    assert_int_equal(lt_image_save(scratch("a.webp"), &wide, NULL), LT_ERROR_ARGUMENT);
    free(wide.pixels);
    char *text = malloc((1 << 22) + 2);
    memset(text, 'a', (1 << 22) + 2);
    text[40000] = '\0';
    assert_int_equal(lt_image_save(scratch("a.jpg"), &image, text), LT_ERROR_ARGUMENT);
    assert_non_null(strstr(lt_error_message(), "too long for a JPEG"));
    text[40000] = 'a';
    text[(1 << 22) + 1] = '\0';
    assert_int_equal(lt_image_save(scratch("a.png"), &image, text), LT_ERROR_ARGUMENT);
    assert_int_equal(lt_image_save(scratch("a.webp"), &image, text), LT_ERROR_ARGUMENT);
    free(text);
    lt_image_free(&image);
}

/* A disk that is full: an error, and no file. */
static void test_full_disk(void **state) {
    (void)state;
    static const lt_image_codec *const codecs[] = {&lt_png_codec, &lt_jpeg_codec, &lt_webp_codec};
    lt_image image = read_ppm("scale_from"), large;
    assert_int_equal(lt_image_resize(&image, 400, 300, &large), LT_OK);
    for (size_t i = 0; i < LT_COUNT(codecs); i++) {
        lt_writer w = {.file = fopen("/dev/full", "wb"), .path = lt_strdup("full")};
        assert_non_null(w.file);
        setvbuf(w.file, NULL, _IONBF, 0);
        assert_int_equal(codecs[i]->encode(&w, &large, 0, NULL), LT_ERROR_FILE);
        assert_non_null(strstr(lt_error_message(), "full: can't be written"));
        lt_writer_abort(&w);
    }
    lt_image_free(&image);
    lt_image_free(&large);
}

/* ---- Memory ---- */

static void test_failing_allocations(void **state) {
    (void)state;
    static const char *const files[][2] = {
        {"rgba", ".png"},           {"interlaced", ".png"},  {"itxt_packed", ".png"},   {"way6_png", ".png"},
        {"cmyk", ".jpg"},           {"way6_jpg", ".jpg"},    {"comment", ".webp"},      {"way8_webp", ".webp"},
        {"comment_little", ".jpg"}, {"mask_turned", ".png"}, {"animated_part", ".webp"}};
    for (size_t i = 0; i < LT_COUNT(files); i++) {
        const lt_bytes file = read_file(golden(files[i][0], files[i][1]));
        bool failed = true;
        for (size_t n = 0; failed; n++) {
            lt_image image;
            char *text;
            lt_alloc_fail_at(n);
            const lt_status read = lt_image_decode(file, &image);
            const bool read_failed = lt_alloc_failed();
            if (read_failed && (read != LT_ERROR_MEMORY || image.pixels)) fail_msg("%s: %d", files[i][0], read);
            if (!read_failed) assert_int_equal(read, LT_OK);
            lt_image_free(&image);
            lt_alloc_fail_at(n);
            const lt_status worded = lt_image_decode_parameters(file, &text);
            failed = lt_alloc_failed() || read_failed;
            if (lt_alloc_failed() && (worded != LT_ERROR_MEMORY || text)) fail_msg("%s: text %d", files[i][0], worded);
            lt_string_free(text);
            lt_alloc_fail_at(SIZE_MAX);
        }
        drop(file);
    }
}

static void test_failing_allocations_of_writers(void **state) {
    (void)state;
    static const char *const names[] = {"m.png", "m.jpg", "m.webp"}, *const texts[] = {plain, world};
    lt_image image = read_ppm("rgb"), out;
    for (size_t i = 0; i < LT_COUNT(names) * LT_COUNT(texts); i++) {
        bool failed = true;
        for (size_t n = 0; failed; n++) {
            lt_alloc_fail_at(n);
            const lt_status status = lt_image_save(scratch(names[i / 2]), &image, texts[i % 2]);
            failed = lt_alloc_failed();
            lt_alloc_fail_at(SIZE_MAX);
            assert_int_equal(status, failed ? LT_ERROR_MEMORY : LT_OK);
            assert_int_equal(access(scratch(names[i / 2]), F_OK), failed ? -1 : 0);
        }
        assert_int_equal(unlink(scratch(names[i / 2])), 0);
    }
    for (int clip = 0; clip < 2; clip++) {
        bool failed = true;
        for (size_t n = 0; failed; n++) {
            lt_alloc_fail_at(n);
            const lt_status status = clip ? lt_image_clip_crop(&image, 8, &out) : lt_image_resize(&image, 8, 9, &out);
            failed = lt_alloc_failed();
            lt_alloc_fail_at(SIZE_MAX);
            assert_int_equal(status, failed ? LT_ERROR_MEMORY : LT_OK);
            assert_true(failed == (out.pixels == NULL));
            lt_image_free(&out);
        }
    }
    lt_image_free(&image);
}

/* ---- Scaling ---- */

static void test_resize(void **state) {
    (void)state;
    static const int sizes[][2] = {{32, 20}, {70, 66}, {7, 90}, {61, 9}, {1, 1}, {50, 5}, {70, 30}, {40, 3}};
    lt_image image = read_ppm("scale_from"), out;
    for (size_t i = 0; i < LT_COUNT(sizes); i++) {
        char name[64];
        snprintf(name, sizeof name, "scale_%dx%d", sizes[i][0], sizes[i][1]);
        lt_image expected = read_ppm(name);
        assert_int_equal(lt_image_resize(&image, sizes[i][0], sizes[i][1], &out), LT_OK);
        assert_same(name, &out, &expected, 0);
        lt_image_free(&out);
        lt_image_free(&expected);
    }
    assert_int_equal(lt_image_resize(&image, image.width, image.height, &out), LT_OK);
    assert_same("to its own size", &out, &image, 0);
    lt_image_free(&out);
    static const int bad[][2] = {{0, 5}, {5, 0}, {-1, 5}, {16385, 5}, {5, 16385}};
    for (size_t i = 0; i < LT_COUNT(bad); i++)
        assert_failed(lt_image_resize(&image, bad[i][0], bad[i][1], &out), LT_ERROR_ARGUMENT, &out, "can't be scaled");
    const lt_image empty = {0};
    assert_failed(lt_image_resize(&empty, 5, 5, &out), LT_ERROR_ARGUMENT, &out, "empty");
    lt_image_free(&image);
}

static void test_clip_crop(void **state) {
    (void)state;
    static const int sizes[] = {5, 16, 33};
    lt_image wide = read_ppm("scale_from"), tall, thin, out;
    assert_int_equal(lt_image_alloc(wide.height, wide.width, &tall), LT_OK);
    assert_int_equal(lt_image_alloc(3, wide.height, &thin), LT_OK);
    for (int y = 0; y < wide.height; y++) {
        memcpy(thin.pixels + 9 * y, wide.pixels + 3 * y * wide.width, 9);
        for (int x = 0; x < wide.width; x++)
            memcpy(tall.pixels + 3 * (x * tall.width + y), wide.pixels + 3 * (y * wide.width + x), 3);
    }
    const struct {
        const char *name;
        const lt_image *image;
    } cases[] = {{"wide", &wide}, {"tall", &tall}, {"thin", &thin}};
    for (size_t i = 0; i < LT_COUNT(cases) * LT_COUNT(sizes); i++) {
        char name[64];
        snprintf(name, sizeof name, "clip_%s_%d", cases[i / 3].name, sizes[i % 3]);
        lt_image expected = read_ppm(name);
        assert_int_equal(lt_image_clip_crop(cases[i / 3].image, sizes[i % 3], &out), LT_OK);
        assert_same(name, &out, &expected, 0);
        lt_image_free(&out);
        lt_image_free(&expected);
    }
    assert_failed(lt_image_clip_crop(&wide, 0, &out), LT_ERROR_ARGUMENT, &out, "can't be scaled");
    lt_image_free(&wide);
    lt_image_free(&tall);
    lt_image_free(&thin);
}

static void test_clip_crop_of_a_thread(void **state) {
    (void)state; /* 1 x 16384 to 224: the whole would be 224 x 3670016, but only the middle is computed */
    lt_image thread, out;
    assert_int_equal(lt_image_alloc(1, 16384, &thread), LT_OK);
    memset(thread.pixels, 77, 3 * 16384);
    assert_int_equal(lt_image_clip_crop(&thread, 224, &out), LT_OK);
    for (size_t i = 0; i < 3 * 224 * 224; i++) assert_int_equal(out.pixels[i], 77);
    lt_image_free(&thread);
    lt_image_free(&out);
}

static void test_grey(void **state) {
    (void)state;
    lt_image image = read_ppm("scale_from");
    const lt_bytes expected = read_file(golden("luma", ".grey"));
    uint8_t *grey = malloc(expected.size);
    assert_int_equal(lt_image_to_grey(&image, grey), LT_OK);
    assert_memory_equal(grey, expected.data, expected.size);
    assert_int_equal(lt_image_to_grey(&(lt_image){0}, grey), LT_ERROR_ARGUMENT);
    free(grey);
    drop(expected);
    lt_image_free(&image);
}

/* ---- Masks ---- */

/* Of every colour and alpha: what was laid over white is laid over black, to the rounding of 8 bits, and exactly where
 * nothing is mixed. */
static void test_flat_mask(void **state) {
    (void)state;
    lt_image mask, flat;
    assert_int_equal(lt_image_alloc(256, 256, &mask), LT_OK);
    mask.alpha = lt_alloc(256 * 256);
    for (int i = 0; i < 256 * 256; i++) {
        const int c = i % 256, a = i / 256;
        memset(mask.pixels + 3 * i, (c * a + 255 * (255 - a) + 127) / 255, 3);
        mask.alpha[i] = (uint8_t)a;
    }
    assert_int_equal(lt_image_flatten_mask(&mask, LT_MASK_WHITE, &flat), LT_OK);
    for (int i = 0; i < 256 * 256; i++) {
        const int c = i % 256, a = i / 256, mixed = c && c < 255 && a && a < 255;
        assert_in_range(flat.pixels[3 * i] + 1 - (c * a + 127) / 255, !mixed, mixed ? 2 : 1);
    }
    lt_image_free(&flat);
    assert_int_equal(lt_image_flatten_mask(&mask, LT_MASK_TRANSPARENT, &flat), LT_OK);
    for (int i = 0; i < 256 * 256; i++) assert_int_equal(flat.pixels[3 * i + i % 3], 255 - i / 256);
    lt_image_free(&flat);
    lt_image_free(&mask);
}

static const struct {
    const char *name, *ending;
    lt_mask_rule rule;
} masks[] = {
    {"mask_rgba", ".png", LT_MASK_WHITE},
    {"mask_grey_alpha", ".png", LT_MASK_WHITE},
    {"mask_palette", ".png", LT_MASK_WHITE},
    {"mask_lossless", ".webp", LT_MASK_WHITE},
    {"mask_turned", ".png", LT_MASK_WHITE},
    {"hole_rgba", ".png", LT_MASK_TRANSPARENT},
    {"hole_grey_alpha", ".png", LT_MASK_TRANSPARENT},
    {"hole_palette", ".png", LT_MASK_TRANSPARENT},
    {"hole_lossless", ".webp", LT_MASK_TRANSPARENT},
};

/* Each says the same as a black and white one. */
static void test_masks(void **state) {
    (void)state;
    lt_image mask, opaque, flat;
    assert_int_equal(lt_image_load(golden("mask", ".png"), &opaque), LT_OK);
    assert_null(opaque.alpha);
    for (size_t i = 0; i < LT_COUNT(masks); i++) {
        assert_int_equal(lt_image_load(golden(masks[i].name, masks[i].ending), &mask), LT_OK);
        assert_non_null(mask.alpha);
        assert_int_equal(lt_image_flatten_mask(&mask, masks[i].rule, &flat), LT_OK);
        assert_same(masks[i].name, &flat, &opaque, 0);
        lt_image_free(&mask);
        lt_image_free(&flat);
    }
    lt_image_free(&opaque);
}

/* Grey stays between, and a size of its own changes nothing; halves of black and white stay so at half the size. */
static void test_mask_shares(void **state) {
    (void)state;
    enum { W = 16, H = 8 };
    lt_image mask;
    float own[W * H], half[W * H / 4];
    assert_int_equal(lt_image_alloc(W, H, &mask), LT_OK);
    for (int i = 0; i < W * H; i++) memset(mask.pixels + 3 * i, i, 3);
    assert_int_equal(lt_image_read_mask(&mask, LT_MASK_WHITE, W, H, own), LT_OK);
    for (int i = 0; i < W * H; i++) assert_float_equal(own[i], i / 255.f, 0);
    for (int i = 0; i < W * H; i++) memset(mask.pixels + 3 * i, i % W < W / 2 ? 0 : 255, 3);
    assert_int_equal(lt_image_read_mask(&mask, LT_MASK_WHITE, W / 2, H / 2, half), LT_OK);
    for (int y = 0; y < H / 2; y++) {
        assert_float_equal(half[y * W / 2], 0, 0);
        assert_float_equal(half[y * W / 2 + W / 2 - 1], 1, 0);
    }
    assert_int_equal(lt_image_read_mask(&mask, LT_MASK_TRANSPARENT, W, H, own), LT_OK); /* nothing is */
    for (int i = 0; i < W * H; i++) assert_float_equal(own[i], 0, 0);
    lt_image_free(&mask);
    assert_int_equal(lt_image_read_mask(&mask, LT_MASK_WHITE, W, H, own), LT_ERROR_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_load_refuses),
        cmocka_unit_test(test_png_sizes),
        cmocka_unit_test(test_jpeg_sizes),
        cmocka_unit_test(test_text_bomb),
        cmocka_unit_test(test_text_chunks),
        cmocka_unit_test(test_no_end),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_bit_flips),
        cmocka_unit_test(test_orientation),
        cmocka_unit_test(test_comments),
        cmocka_unit_test(test_parameters_of_pillow),
        cmocka_unit_test(test_scale),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_text_as_pillow),
        cmocka_unit_test(test_broken_text),
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_quality),
        cmocka_unit_test(test_save_refuses),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_failing_allocations_of_writers),
        cmocka_unit_test(test_resize),
        cmocka_unit_test(test_clip_crop),
        cmocka_unit_test(test_clip_crop_of_a_thread),
        cmocka_unit_test(test_grey),
        cmocka_unit_test(test_flat_mask),
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_mask_shares),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
