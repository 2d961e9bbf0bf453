/* The encodings in which picture files hold text, to and from UTF-8. */
#include "formats/image_codec.h"

#include <string.h>
#include <utf8proc.h>

enum { REPLACEMENT = 0xFFFD };

static lt_status append_code_point(lt_buffer *b, uint32_t code) {
    utf8proc_uint8_t utf8[4];
    return lt_buffer_append(b, utf8, (size_t)utf8proc_encode_char((utf8proc_int32_t)code, utf8));
}

/* The code point at bytes, which hold one at least, and its length. */
static uint32_t next_utf8(lt_bytes bytes, size_t *length) {
    utf8proc_int32_t code;
    const utf8proc_ssize_t n = utf8proc_iterate(bytes.data, (utf8proc_ssize_t)bytes.size, &code);
    *length = n > 0 ? (size_t)n : 1;
    return n > 0 ? (uint32_t)code : REPLACEMENT;
}

uint32_t lt_text_next(const char **text) {
    if (!**text) return 0;
    size_t length;
    const uint32_t code = next_utf8((lt_bytes){(const uint8_t *)*text, strnlen(*text, 4)}, &length);
    *text += length;
    return code;
}

static uint32_t next_latin1(lt_bytes bytes, size_t *length) {
    *length = 1;
    return bytes.data[0];
}

static uint32_t utf16_unit(lt_bytes bytes, size_t offset, bool big_endian) {
    if (bytes.size < offset + 2) return 0;
    const uint32_t first = bytes.data[offset], second = bytes.data[offset + 1];
    return big_endian ? first << 8 | second : second << 8 | first;
}

static uint32_t next_utf16(lt_bytes bytes, bool big_endian, size_t *length) {
    const uint32_t unit = utf16_unit(bytes, 0, big_endian), low = utf16_unit(bytes, 2, big_endian);
    const bool leads = unit >= 0xD800 && unit < 0xDC00, follows = low >= 0xDC00 && low < 0xE000;
    *length = leads && follows ? 4 : 2;
    if (leads && follows) return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    return unit >= 0xD800 && unit < 0xE000 ? REPLACEMENT : unit;
}

static uint32_t next_utf16_big(lt_bytes bytes, size_t *length) { return next_utf16(bytes, true, length); }
static uint32_t next_utf16_little(lt_bytes bytes, size_t *length) { return next_utf16(bytes, false, length); }

static lt_status convert(lt_bytes bytes, uint32_t (*next)(lt_bytes, size_t *), char **text) {
    lt_buffer b = {0};
    lt_status status = lt_buffer_append(&b, NULL, 0); /* so that no text is an empty string, not NULL */
    for (size_t at = 0, length; !status && at < bytes.size; at += length) {
        const uint32_t code = next((lt_bytes){bytes.data + at, bytes.size - at}, &length);
        if (code == 0) break;
        status = append_code_point(&b, code);
    }
    if (status) lt_buffer_free(&b);
    *text = b.data;
    return status;
}

lt_status lt_text_from_latin1(lt_bytes bytes, char **text) { return convert(bytes, next_latin1, text); }
lt_status lt_text_from_utf8(lt_bytes bytes, char **text) { return convert(bytes, next_utf8, text); }
lt_status lt_text_from_utf16(lt_bytes bytes, bool big_endian, char **text) {
    return convert(bytes, big_endian ? next_utf16_big : next_utf16_little, text);
}
