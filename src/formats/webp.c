/* WebP, through libwebp; its RIFF container, which is a list of chunks, is read and written here.
 * https://developers.google.com/speed/webp/docs/riff_container */
#include "formats/image_codec.h"

#include <string.h>
#include <webp/decode.h>
#include <webp/encode.h>

/* libwebp's scale from 0 (fast) to 9 (small). */
enum { EFFORT = 3 };

static uint32_t read32(const uint8_t *p) {
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t read24(const uint8_t *p) { return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16; }

static void put(uint8_t *p, uint32_t value, int width) {
    for (int i = 0; i < width; i++) p[i] = (uint8_t)(value >> (8 * i));
}

/* ---- Reading ---- */

static bool recognise(lt_bytes file) {
    return file.size >= 12 && memcmp(file.data, "RIFF", 4) == 0 && memcmp(file.data + 8, "WEBP", 4) == 0;
}

/* The first chunk of a type; size 0 if there is none. Chunks: a type, a size, content, padded to an even length. */
static lt_bytes find_chunk(lt_bytes file, const char *type) {
    for (size_t at = 12; at + 8 <= file.size;) {
        const size_t size = read32(file.data + at + 4);
        if (size > file.size - at - 8) break;
        if (memcmp(file.data + at, type, 4) == 0) return (lt_bytes){file.data + at + 8, size};
        at += 8 + size + size % 2;
    }
    return (lt_bytes){0};
}

static lt_bytes find_exif(lt_bytes file) { return find_chunk(file, "EXIF"); }

static lt_status explain(VP8StatusCode code) {
    switch (code) {
    case VP8_STATUS_OK: return LT_OK;
    case VP8_STATUS_OUT_OF_MEMORY: return lt_fail(LT_ERROR_MEMORY, "out of memory for a WebP");
    case VP8_STATUS_NOT_ENOUGH_DATA: return lt_fail(LT_ERROR_FORMAT, "this WebP ends early");
    default: return lt_fail(LT_ERROR_FORMAT, "this WebP is broken (libwebp's code %d)", (int)code);
    }
}

/* What is decoded: a still picture is all of its file; of an animation it is the first frame, whose place on the canvas
 * is (x, y). */
typedef struct frame {
    lt_bytes data;
    size_t x, y;
} frame;

/* ANMF: x/2, y/2, width-1, height-1, duration (3 bytes each), flags, then the frame's own chunks. */
static lt_status find_frame(lt_bytes file, frame *f, WebPBitstreamFeatures *features) {
    enum { HEAD = 16 };
    const int width = features->width, height = features->height;
    const lt_bytes chunk = find_chunk(file, "ANMF");
    if (chunk.size <= HEAD) return lt_fail(LT_ERROR_FORMAT, "this WebP is broken: an animation without a frame");
    *f = (frame){{chunk.data + HEAD, chunk.size - HEAD}, 2 * read24(chunk.data), 2 * read24(chunk.data + 3)};
    LT_TRY(explain(WebPGetFeatures(f->data.data, f->data.size, features)));
    if (f->x + (size_t)features->width > (size_t)width || f->y + (size_t)features->height > (size_t)height)
        return lt_fail(LT_ERROR_FORMAT, "this WebP is broken: its first frame is larger than the picture");
    features->has_alpha |= features->width < width || features->height < height;
    return LT_OK;
}

static lt_status decode_into(const frame *f, WebPDecoderConfig *config, const lt_pixels *pixels) {
    const size_t row = (size_t)pixels->width * (size_t)pixels->channels;
    const size_t at = f->y * row + f->x * (size_t)pixels->channels, size = row * (size_t)pixels->height;
    if (pixels->channels == 4) memset(pixels->data, 0, size); /* transparent, round a frame that is smaller */
    config->output.colorspace = pixels->channels == 4 ? MODE_RGBA : MODE_RGB;
    config->output.is_external_memory = 1;
    config->output.u.RGBA.rgba = pixels->data + at;
    config->output.u.RGBA.stride = (int)row;
    config->output.u.RGBA.size = size - at;
    return explain(WebPDecode(f->data.data, f->data.size, config));
}

static lt_status decode(lt_bytes file, lt_pixels *pixels) {
    *pixels = (lt_pixels){.most = pixels->most};
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return lt_fail(LT_ERROR_UNSUPPORTED, "the installed libwebp is not the one built with");
    if (read32(file.data + 4) > file.size - 8) return explain(VP8_STATUS_NOT_ENOUGH_DATA);
    LT_TRY(explain(WebPGetFeatures(file.data, file.size, &config.input)));
    const size_t width = (size_t)config.input.width, height = (size_t)config.input.height;
    LT_TRY(lt_image_check_size(width, height));
    frame whole = {.data = file};
    if (config.input.has_animation) LT_TRY(find_frame(file, &whole, &config.input));
    LT_TRY(lt_pixels_alloc(width, height, config.input.has_alpha ? 4 : 3, pixels));
    const lt_status status = decode_into(&whole, &config, pixels);
    WebPFreeDecBuffer(&config.output);
    if (status) {
        lt_free(pixels->data);
        *pixels = (lt_pixels){0};
    }
    return status;
}

/* ---- Writing ---- */

/* A simple file is RIFF header and one VP8L chunk. With EXIF it is RIFF header, VP8X (which says so), VP8L, EXIF. */
static lt_status write_extended(lt_writer *w, const lt_image *image, lt_bytes simple, const lt_buffer *exif) {
    enum { RIFF = 12, CHUNK = 8, VP8X = CHUNK + 10, HAS_EXIF = 1 << 3 };
    const size_t padding = exif->size % 2;
    uint8_t head[RIFF + VP8X] = "RIFF....WEBPVP8X", tail[CHUNK] = {'E', 'X', 'I', 'F'};
    put(head + 4, (uint32_t)(simple.size - 8 + VP8X + CHUNK + exif->size + padding), 4);
    put(head + RIFF + 4, VP8X - CHUNK, 4);
    put(head + RIFF + CHUNK, HAS_EXIF, 4);
    put(head + RIFF + CHUNK + 4, (uint32_t)image->width - 1, 3);
    put(head + RIFF + CHUNK + 7, (uint32_t)image->height - 1, 3);
    put(tail + 4, (uint32_t)exif->size, 4);
    LT_TRY(lt_writer_write(w, head, sizeof head));
    LT_TRY(lt_writer_write(w, simple.data + RIFF, simple.size - RIFF));
    LT_TRY(lt_writer_write(w, tail, sizeof tail));
    LT_TRY(lt_writer_write(w, exif->data, exif->size));
    return lt_writer_write(w, "", padding);
}

/* 0 and 100: nothing is lost. */
static bool configure(WebPConfig *config, int quality) {
    if (!WebPConfigInit(config)) return false;
    if (!quality || quality == 100) return WebPConfigLosslessPreset(config, EFFORT);
    config->quality = (float)quality;
    return true;
}

static lt_status compress(const lt_image *image, int quality, WebPMemoryWriter *memory) {
    WebPConfig config;
    WebPPicture picture;
    if (!configure(&config, quality) || !WebPPictureInit(&picture))
        return lt_fail(LT_ERROR_UNSUPPORTED, "the installed libwebp is not the one built with");
    picture.use_argb = config.lossless;
    picture.width = image->width;
    picture.height = image->height;
    picture.writer = WebPMemoryWrite;
    picture.custom_ptr = memory;
    const bool done = WebPPictureImportRGB(&picture, image->pixels, 3 * image->width) && WebPEncode(&config, &picture);
    const WebPEncodingError code = picture.error_code;
    WebPPictureFree(&picture);
    if (done) return LT_OK;
    if (code == VP8_ENC_ERROR_OUT_OF_MEMORY || code == VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY)
        return lt_fail(LT_ERROR_MEMORY, "out of memory for a WebP");
    return lt_fail(LT_ERROR_UNSUPPORTED, "libwebp can't write this picture (its code %d)", (int)code);
}

static lt_status encode(lt_writer *w, const lt_image *image, int quality, const char *parameters) {
    if (image->width > WEBP_MAX_DIMENSION || image->height > WEBP_MAX_DIMENSION)
        return lt_fail(LT_ERROR_ARGUMENT, "a WebP's side has %d pixels at most: save a PNG", WEBP_MAX_DIMENSION);
    WebPMemoryWriter memory;
    WebPMemoryWriterInit(&memory);
    lt_buffer exif = {0};
    lt_status status = parameters ? lt_exif_write(parameters, &exif) : LT_OK;
    if (!status) status = compress(image, quality, &memory);
    const lt_bytes simple = {memory.mem, memory.size};
    if (!status && parameters) status = write_extended(w, image, simple, &exif);
    if (!status && !parameters) status = lt_writer_write(w, simple.data, simple.size);
    WebPMemoryWriterClear(&memory);
    lt_buffer_free(&exif);
    return status;
}

const lt_image_codec lt_webp_codec = {.name = "WebP",
                                      .endings = {".webp"},
                                      .recognise = recognise,
                                      .decode = decode,
                                      .encode = encode,
                                      .exif = find_exif};
