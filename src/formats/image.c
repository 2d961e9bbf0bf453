/* Pictures of any format: told by content when read and by name when written, turned upright, laid over white. */
#include "base/door.h"
#include "formats/image_codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A new format is a new file and a line here. */
static const lt_image_codec *const codecs[] = {&lt_png_codec, &lt_jpeg_codec, &lt_webp_codec};

/* ---- Sizes and memory ---- */

lt_status lt_pixels_alloc(size_t width, size_t height, int channels, lt_pixels *pixels) {
    const size_t most = pixels->most;
    *pixels = (lt_pixels){0};
    LT_TRY(lt_image_check_size(width, height));
    if (most && width * height > most)
        return lt_fail(LT_ERROR_FORMAT, "a picture of %zux%zu pixels is too large: %zu may be", width, height, most);
    uint8_t *data = lt_alloc(width * height * (size_t)channels);
    if (!data) return LT_ERROR_MEMORY;
    *pixels = (lt_pixels){(int)width, (int)height, channels, data};
    return LT_OK;
}

void lt_string_free(char *string) { lt_free(string); }
void lt_bytes_free(uint8_t *bytes) { lt_free(bytes); }

/* ---- Reading ---- */

const lt_image_codec *lt_image_recognise(lt_bytes file) {
    for (size_t i = 0; i < LT_COUNT(codecs); i++) {
        if (codecs[i]->recognise(file)) return codecs[i];
    }
    lt_fail(LT_ERROR_FORMAT, file.size ? "neither a PNG, a JPEG nor a WebP" : "this file is empty");
    return NULL;
}

/* RGBA [count, 4] becomes RGB [count, 3] over white, in place: c*a + 255*(1 - a), rounded. */
static void lay_over_white(uint8_t *pixels, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const unsigned alpha = pixels[4 * i + 3];
        for (size_t c = 0; c < 3; c++)
            pixels[3 * i + c] = (uint8_t)((pixels[4 * i + c] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
}

/* The alpha of RGBA [count, 4], allocated; NULL where nothing is transparent. */
static lt_status take_alpha(const uint8_t *pixels, size_t count, uint8_t **alpha) {
    size_t opaque = 0;
    *alpha = NULL;
    while (opaque < count && pixels[4 * opaque + 3] == 255) opaque++;
    if (opaque == count) return LT_OK;
    *alpha = lt_alloc(count);
    for (size_t i = 0; *alpha && i < count; i++) (*alpha)[i] = pixels[4 * i + 3];
    return *alpha ? LT_OK : LT_ERROR_MEMORY;
}

/* A decoder's pixels, which become the image's or are freed. */
static lt_status make_image(const lt_pixels *pixels, lt_image *image) {
    const size_t count = (size_t)pixels->width * (size_t)pixels->height;
    *image = (lt_image){pixels->width, pixels->height, pixels->data, NULL};
    if (pixels->channels != 4) return LT_OK;
    const lt_status status = take_alpha(pixels->data, count, &image->alpha);
    if (status) lt_image_free(image);
    if (!status) lay_over_white(pixels->data, count);
    return status;
}

/* Room for image turned, with its sides exchanged or not, and with an alpha where it has one. */
static lt_status alloc_turned(const lt_image *image, bool exchanged, lt_image *out) {
    const int width = exchanged ? image->height : image->width, height = exchanged ? image->width : image->height;
    LT_TRY(lt_image_alloc(width, height, out));
    if (image->alpha) out->alpha = lt_alloc((size_t)width * (size_t)height);
    if (!image->alpha == !out->alpha) return LT_OK;
    lt_image_free(out);
    return LT_ERROR_MEMORY;
}

/* Writes image as EXIF's orientation 2 to 8 wants it seen. Pixel (x, y) of the result comes from start + x * right + y
 * * down. */
static lt_status turn(const lt_image *image, int orientation, lt_image *out) {
    const ptrdiff_t w = image->width, h = image->height, last = w * h - 1;
    const struct {
        ptrdiff_t start, right, down;
    } ways[9] = {
        [2] = {w - 1, -1, w},        /* mirrored */
        [3] = {last, -1, -w},        /* turned by 180 degrees */
        [4] = {last - w + 1, 1, -w}, /* upside down, mirrored */
        [5] = {0, w, 1},             /* rows for columns */
        [6] = {last - w + 1, -w, 1}, /* to be turned clockwise by 90 degrees */
        [7] = {last, -w, -1},        /* rows for columns, turned by 180 degrees */
        [8] = {w - 1, w, -1},        /* to be turned anticlockwise by 90 degrees */
    };
    const ptrdiff_t start = ways[orientation].start, right = ways[orientation].right, down = ways[orientation].down;
    LT_TRY(alloc_turned(image, orientation >= 5, out));
    for (ptrdiff_t y = 0, to = 0; y < out->height; y++)
        for (ptrdiff_t x = 0; x < out->width; x++, to++) {
            const ptrdiff_t from = start + x * right + y * down;
            memcpy(out->pixels + 3 * to, image->pixels + 3 * from, 3);
            if (image->alpha) out->alpha[to] = image->alpha[from];
        }
    return LT_OK;
}

lt_status lt_image_decode(lt_bytes file, lt_image *image) { return lt_image_decode_within(file, 0, image); }

lt_status lt_image_decode_within(lt_bytes file, size_t most_pixels, lt_image *image) {
    *image = (lt_image){0};
    lt_pixels pixels = {.most = most_pixels};
    const lt_image_codec *codec = lt_image_recognise(file);
    if (!codec) return LT_ERROR_FORMAT;
    LT_TRY(codec->decode(file, &pixels));
    LT_TRY(make_image(&pixels, image));
    const int orientation = lt_exif_orientation(codec->exif(file));
    if (orientation == 1) return LT_OK;
    lt_image as_stored = *image;
    *image = (lt_image){0};
    const lt_status status = turn(&as_stored, orientation, image);
    lt_image_free(&as_stored);
    return status;
}

lt_status lt_image_decode_parameters(lt_bytes file, char **parameters) {
    *parameters = NULL;
    const lt_image_codec *codec = lt_image_recognise(file);
    if (!codec) return LT_ERROR_FORMAT;
    if (codec->parameters) LT_TRY(codec->parameters(file, parameters));
    return *parameters ? LT_OK : lt_exif_comment(codec->exif(file), parameters);
}

static lt_status load(const char *path, lt_image *image) {
    lt_map map;
    LT_TRY(lt_map_open(path, &map));
    const lt_status status = lt_map_finish(&map, lt_image_decode((lt_bytes){map.data, map.size}, image));
    if (!status) return LT_OK;
    lt_image_free(image);
    return lt_fail_in(status, "%s", path);
}

lt_status lt_image_load(const char *path, lt_image *image) {
    const lt_argument arguments[] = {LT_PATH_ARGUMENT(path), {"image", .out = image, .size = sizeof *image}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = load(path, image);
    return lt_leave(&door, status);
}

lt_status lt_image_read(const void *bytes, size_t size, size_t most_pixels, lt_image *image) {
    const lt_argument arguments[] = {{"bytes", bytes}, {"image", .out = image, .size = sizeof *image}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = lt_image_decode_within((lt_bytes){bytes, size}, most_pixels, image);
    return lt_leave(&door, status);
}

lt_status lt_image_read_parameters(const void *bytes, size_t size, char **parameters) {
    const lt_argument arguments[] = {{"bytes", bytes}, {"parameters", .out = parameters, .size = sizeof *parameters}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = lt_image_decode_parameters((lt_bytes){bytes, size}, parameters);
    return lt_leave(&door, status);
}

static lt_status load_parameters(const char *path, char **parameters) {
    lt_map map;
    LT_TRY(lt_map_open(path, &map));
    const lt_status status =
        lt_map_finish(&map, lt_image_decode_parameters((lt_bytes){map.data, map.size}, parameters));
    if (!status) return LT_OK;
    lt_string_free(*parameters);
    *parameters = NULL;
    return lt_fail_in(status, "%s", path);
}

lt_status lt_image_parameters(const char *path, char **parameters) {
    const lt_argument arguments[] = {LT_PATH_ARGUMENT(path),
                                     {"parameters", .out = parameters, .size = sizeof *parameters}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = load_parameters(path, parameters);
    return lt_leave(&door, status);
}

/* ---- Writing ---- */

static bool has_ending(const char *path, const char *ending) {
    const size_t size = strlen(path), ending_size = strlen(ending);
    return size > ending_size && strcasecmp(path + size - ending_size, ending) == 0;
}

/* By an ending's letters, without the dot. */
static const lt_image_codec *codec_of(const char *format) {
    for (size_t i = 0; i < LT_COUNT(codecs); i++) {
        for (size_t k = 0; k < LT_COUNT(codecs[i]->endings); k++) {
            const char *ending = codecs[i]->endings[k];
            if (ending && !strcasecmp(ending + 1, format)) return codecs[i];
        }
    }
    return NULL;
}

static const lt_image_codec *codec_for(const char *path) {
    for (size_t i = 0; i < LT_COUNT(codecs); i++) {
        for (size_t k = 0; k < LT_COUNT(codecs[i]->endings); k++) {
            if (codecs[i]->endings[k] && has_ending(path, codecs[i]->endings[k])) return codecs[i];
        }
    }
    lt_fail(LT_ERROR_ARGUMENT, "%s: a picture's name must end in .png, .jpg, .jpeg or .webp", path);
    return NULL;
}

static lt_status save(const char *path, const lt_image *image, const char *parameters) {
    const lt_image_codec *codec = codec_for(path);
    if (!codec) return LT_ERROR_ARGUMENT;
    LT_TRY(lt_image_check(image));
    lt_writer w;
    LT_TRY(lt_writer_open(path, &w));
    lt_status status = codec->encode(&w, image, 0, parameters);
    if (status) {
        lt_writer_abort(&w);
        return lt_fail_in(status, "%s", path);
    }
    return lt_writer_commit(&w);
}

lt_status lt_image_save(const char *path, const lt_image *image, const char *parameters) {
    const lt_argument arguments[] = {LT_PATH_ARGUMENT(path), {"image", image}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = save(path, image, parameters);
    return lt_leave(&door, status);
}

static lt_status encode_into(const lt_image_codec *codec, int quality, const lt_image *image, const char *parameters,
                             FILE *file) {
    char name[] = "a picture in memory"; /* for messages */
    lt_writer w = {.file = file, .path = name};
    LT_TRY(codec->encode(&w, image, quality, parameters));
    return fflush(file) ? lt_fail(LT_ERROR_MEMORY, "%s can't be written: %s", name, strerror(errno)) : LT_OK;
}

static lt_status encode(const char *format, int quality, const lt_image *image, const char *parameters, uint8_t **bytes,
                        size_t *size) {
    const lt_image_codec *codec = codec_of(format);
    if (!codec) return lt_fail(LT_ERROR_ARGUMENT, "a picture's format is png, jpg or webp, and not \"%s\"", format);
    if (quality < 0 || quality > 100)
        return lt_fail(LT_ERROR_ARGUMENT, "quality: %d; 1 to 100, or 0 for the usual one", quality);
    LT_TRY(lt_image_check(image));
    char *data = NULL;
    size_t written = 0;
    FILE *file = open_memstream(&data, &written);
    if (!file) return lt_fail(LT_ERROR_MEMORY, "no memory for a picture: %s", strerror(errno));
    lt_status status = encode_into(codec, quality, image, parameters, file);
    fclose(file);
    if (!status) *bytes = lt_alloc(written);
    if (*bytes) *size = written;
    if (*bytes) memcpy(*bytes, data, written);
    free(data);
    return status ? status : *bytes ? LT_OK : LT_ERROR_MEMORY;
}

lt_status lt_image_encode_at(const char *format, int quality, const lt_image *image, const char *parameters,
                             uint8_t **bytes, size_t *size) {
    const lt_argument arguments[] = {{"format", format},
                                     {"image", image},
                                     {"bytes", .out = bytes, .size = sizeof *bytes},
                                     {"size", .out = size, .size = sizeof *size}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = encode(format, quality, image, parameters, bytes, size);
    return lt_leave(&door, status);
}

lt_status lt_image_encode(const char *format, const lt_image *image, const char *parameters, uint8_t **bytes,
                          size_t *size) {
    return lt_image_encode_at(format, 0, image, parameters, bytes, size);
}
