/* The chunks of a PNG that carry words: `parameters` in tEXt, zTXt or iTXt, and eXIf. libpng could read them, but only
 * together with the picture; here they are found without decoding a pixel. PNG specification, third edition,
 * section 11.3.3. */
#include "formats/image_codec.h"

#include <string.h>
#define ZLIB_CONST /* what zlib only reads is const */
#include <zlib.h>

static const char parameters_keyword[] = "parameters"; /* as the web UIs name it */

/* ---- Chunks: length, type, content, CRC of type and content ---- */

typedef struct chunk {
    const uint8_t *type;
    lt_bytes content;
    uint32_t crc;
} chunk;

/* The chunk at *at, which moves behind it; false where the file ends first. */
static bool next_chunk(lt_bytes file, size_t *at, chunk *c) {
    if (file.size < 12 || *at > file.size - 12) return false;
    const size_t length = lt_png_read32(file.data + *at);
    if (length > file.size - 12 - *at) return false;
    c->type = file.data + *at + 4;
    c->content = (lt_bytes){file.data + *at + 8, length};
    c->crc = lt_png_read32(file.data + *at + 8 + length);
    *at += 12 + length;
    return true;
}

static bool is_type(const chunk *c, const char *type) { return memcmp(c->type, type, 4) == 0; }
static bool is_intact(const chunk *c) { return crc32_z(0, c->type, c->content.size + 4) == c->crc; }

lt_bytes lt_png_exif(lt_bytes file) {
    chunk c;
    for (size_t at = 8; next_chunk(file, &at, &c) && !is_type(&c, "IEND");) {
        if (is_type(&c, "eXIf") && is_intact(&c)) return c.content;
    }
    return (lt_bytes){0};
}

/* ---- Reading ---- */

static void *allocate(void *unused, unsigned count, unsigned size) {
    (void)unused;
    return lt_calloc(count, size);
}

static void release(void *unused, void *p) {
    (void)unused;
    lt_free(p);
}

/* Inflates to the stream's end, to LT_IMAGE_MAX_TEXT bytes at most. */
static lt_status run_inflate(z_stream *z, lt_buffer *out) {
    uint8_t part[4096];
    for (int result = Z_OK; result != Z_STREAM_END;) {
        z->next_out = part;
        z->avail_out = sizeof part;
        result = inflate(z, Z_NO_FLUSH);
        if (result == Z_MEM_ERROR) return LT_ERROR_MEMORY;
        if (result != Z_OK && result != Z_STREAM_END)
            return lt_fail(LT_ERROR_FORMAT, "this picture is broken: its compressed text can't be unpacked");
        LT_TRY(lt_buffer_append(out, part, sizeof part - z->avail_out));
        if (out->size > LT_IMAGE_MAX_TEXT)
            return lt_fail(LT_ERROR_FORMAT, "its compressed text unpacks to over 16 MiB");
    }
    return LT_OK;
}

lt_status lt_text_unpack(lt_bytes packed, lt_buffer *out) {
    z_stream z = {.zalloc = allocate, .zfree = release, .next_in = packed.data, .avail_in = (uInt)packed.size};
    if (inflateInit(&z) != Z_OK) return LT_ERROR_MEMORY;
    const lt_status status = run_inflate(&z, out);
    inflateEnd(&z);
    return status;
}

static lt_status convert(lt_bytes text, bool packed, bool is_utf8, char **out) {
    lt_buffer unpacked = {0};
    lt_status status = packed ? lt_text_unpack(text, &unpacked) : LT_OK;
    if (packed) text = (lt_bytes){(const uint8_t *)unpacked.data, unpacked.size};
    if (!status) status = is_utf8 ? lt_text_from_utf8(text, out) : lt_text_from_latin1(text, out);
    lt_buffer_free(&unpacked);
    return status;
}

/* Takes a NUL-terminated string off the front of bytes. */
static bool skip_string(lt_bytes *bytes) {
    const size_t length = bytes->size ? strnlen((const char *)bytes->data, bytes->size) : 0;
    if (length == bytes->size) return false;
    *bytes = (lt_bytes){bytes->data + length + 1, bytes->size - length - 1};
    return true;
}

/* The text of a text chunk, behind its keyword. tEXt: the text. zTXt: a method, packed text. iTXt: a flag and a method,
 * a language, a translated keyword, text. The one method there is, 0, is zlib's. */
static lt_status read_text(const chunk *c, lt_bytes rest, char **text) {
    const bool international = is_type(c, "iTXt");
    const size_t flags = international ? 2 : is_type(c, "zTXt") ? 1 : 0;
    bool sound = rest.size >= flags;
    const bool packed = sound && flags > 0 && (!international || rest.data[0] != 0);
    if (packed) sound = rest.data[flags - 1] == 0;
    if (sound) rest = (lt_bytes){rest.data + flags, rest.size - flags};
    if (international) sound = sound && skip_string(&rest) && skip_string(&rest);
    if (!sound) return lt_fail(LT_ERROR_FORMAT, "this PNG is broken: its %.4s chunk makes no sense", c->type);
    return convert(rest, packed, international, text);
}

lt_status lt_png_text_find(lt_bytes file, const char *keyword, char **text) {
    const size_t keyword_size = strlen(keyword) + 1;
    *text = NULL;
    chunk c = {0};
    bool whole = false; /* as far as the pixels go */
    for (size_t at = 8; next_chunk(file, &at, &c);) {
        if (is_type(&c, "IEND")) return LT_OK;
        whole |= is_type(&c, "IDAT");
        if (!is_type(&c, "tEXt") && !is_type(&c, "zTXt") && !is_type(&c, "iTXt")) continue;
        const lt_bytes rest = c.content;
        if (rest.size < keyword_size || memcmp(rest.data, keyword, keyword_size) != 0) continue;
        if (rest.size > LT_IMAGE_MAX_TEXT) return lt_fail(LT_ERROR_FORMAT, "its text is over 16 MiB");
        if (!is_intact(&c)) return lt_fail(LT_ERROR_FORMAT, "this PNG is broken: its text fails its checksum");
        return read_text(&c, (lt_bytes){rest.data + keyword_size, rest.size - keyword_size}, text);
    }
    return whole ? LT_OK : lt_fail(LT_ERROR_FORMAT, "this PNG ends early");
}

lt_status lt_png_text_read(lt_bytes file, char **parameters) {
    return lt_png_text_find(file, parameters_keyword, parameters);
}

/* ---- Writing ---- */

static bool fits_latin1(const char *text) {
    for (uint32_t code; (code = lt_text_next(&text)) != 0;) {
        if (code > 0xFF) return false;
    }
    return true;
}

static lt_status append_latin1(lt_buffer *b, const char *text) {
    for (uint32_t code; (code = lt_text_next(&text)) != 0;) LT_TRY(lt_buffer_append(b, &(uint8_t){(uint8_t)code}, 1));
    return LT_OK;
}

/* With broken UTF-8 mended. */
static lt_status append_utf8(lt_buffer *b, const char *text) {
    char *sound;
    LT_TRY(lt_text_from_utf8((lt_bytes){(const uint8_t *)text, strlen(text)}, &sound));
    const lt_status status = lt_buffer_append(b, sound, strlen(sound));
    lt_free(sound);
    return status;
}

lt_status lt_png_text_write(const char *parameters, const char **type, lt_buffer *content) {
    static const char plain_utf8[4] = {0, 0, 0, 0}; /* not packed, method, no language, no translated keyword */
    if (strlen(parameters) > LT_IMAGE_MAX_TEXT / 4)
        return lt_fail(LT_ERROR_ARGUMENT, "the parameters' text is over 4 MiB, more than a picture is given here");
    const bool latin1 = fits_latin1(parameters);
    *type = latin1 ? "tEXt" : "iTXt";
    LT_TRY(lt_buffer_append(content, parameters_keyword, sizeof parameters_keyword));
    if (latin1) return append_latin1(content, parameters);
    LT_TRY(lt_buffer_append(content, plain_utf8, sizeof plain_utf8));
    return append_utf8(content, parameters);
}
