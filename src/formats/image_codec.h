/* What image.c and the picture formats agree on: a format is one codec, reading memory and writing to an lt_writer. */
#ifndef LT_IMAGE_CODEC_H
#define LT_IMAGE_CODEC_H

#include "base/file.h"
#include "base/picture.h"

/* Bytes of `parameters` text, in whatever form a file has it: far over what a person writes, far under what hurts. */
enum { LT_IMAGE_MAX_TEXT = 1 << 24 };

/* What a decoder hands over: data [height, width, channels], channels 3 (RGB) or 4 (RGB and a straight alpha). */
typedef struct lt_pixels {
    int width, height, channels;
    uint8_t *data;
    size_t most; /* of width * height that may be; 0: any. Set before decoding */
} lt_pixels;

/* Checks the size against the limits, then allocates. Every decoder gets its pixels here, and so obeys the limits. */
lt_status lt_pixels_alloc(size_t width, size_t height, int channels, lt_pixels *pixels);

typedef struct lt_image_codec {
    const char *name;
    const char *endings[2]; /* of file names, in lower case, with the dot; the second may be NULL */
    bool (*recognise)(lt_bytes file);
    lt_status (*decode)(lt_bytes file, lt_pixels *pixels);
    lt_status (*encode)(lt_writer *w, const lt_image *image, int quality,
                        const char *parameters);         /* quality: 0: the usual */
    lt_bytes (*exif)(lt_bytes file);                     /* its EXIF block; size 0 if there is none */
    lt_status (*parameters)(lt_bytes file, char **text); /* from a chunk of its own; NULL if it has only EXIF */
} lt_image_codec;

extern const lt_image_codec lt_png_codec, lt_jpeg_codec, lt_webp_codec;

/* The codec of a file's content; NULL and LT_ERROR_FORMAT's message if there is none. */
const lt_image_codec *lt_image_recognise(lt_bytes file);
/* lt_image_load and lt_image_parameters of a file that is in memory. */
lt_status lt_image_decode(lt_bytes file, lt_image *image);
lt_status lt_image_decode_within(lt_bytes file, size_t most_pixels, lt_image *image); /* 0: any number */
lt_status lt_image_decode_parameters(lt_bytes file, char **parameters);

/* ---- PNG's text chunks (png_text.c) ---- */

/* The name and the content of the chunk that holds parameters: tEXt where Latin-1 can say it, otherwise iTXt, as Pillow
 * decides. */
lt_status lt_png_text_write(const char *parameters, const char **chunk, lt_buffer *content);
lt_status lt_png_text_read(lt_bytes file, char **parameters);
/* The text of any keyword, allocated; NULL: it has none. */
lt_status lt_png_text_find(lt_bytes file, const char *keyword, char **text);
/* Appends what zlib packed, up to its end, to out: at most LT_IMAGE_MAX_TEXT bytes. */
lt_status lt_text_unpack(lt_bytes packed, lt_buffer *out);
lt_bytes lt_png_exif(lt_bytes file);

static inline uint32_t lt_png_read32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* ---- EXIF (exif.c): block is TIFF, with or without "Exif\0\0" before it ---- */

/* 1 to 8 as EXIF counts them; 1 (upright) where the block is broken or silent. */
int lt_exif_orientation(lt_bytes block);
/* UserComment as UTF-8, allocated; NULL where there is none, or only blanks. */
lt_status lt_exif_comment(lt_bytes block, char **text);
/* Appends a TIFF block whose only content is this UserComment ("UNICODE\0" and UTF-16BE, as piexif and the web UIs
 * write it). */
lt_status lt_exif_write(const char *text, lt_buffer *block);

/* ---- Text (image_text.c): all stop at a NUL, and put U+FFFD for what makes no sense ---- */

lt_status lt_text_from_latin1(lt_bytes bytes, char **text);
lt_status lt_text_from_utf8(lt_bytes bytes, char **text);
lt_status lt_text_from_utf16(lt_bytes bytes, bool big_endian, char **text);
/* The next code point of a UTF-8 string, *text moved past it; 0 at its end. */
uint32_t lt_text_next(const char **text);

#endif
