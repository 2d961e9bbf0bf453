/* As much of EXIF as pictures here need: which way up they are, and the comment in which the web UIs keep their
 * parameters. The block is a TIFF file: a header, then directories of 12-byte entries {tag, type, count, value or its
 * offset}. */
#include "formats/image_codec.h"

#include <string.h>

enum { TAG_ORIENTATION = 0x0112, TAG_EXIF_DIRECTORY = 0x8769, TAG_USER_COMMENT = 0x9286 };
enum { TYPE_SHORT = 3, TYPE_LONG = 4, TYPE_UNDEFINED = 7 };

typedef struct tiff {
    lt_bytes bytes;
    bool big_endian;
} tiff;

/* An unsigned number of 2 or 4 bytes; false where the block ends before it. */
static bool read_number(const tiff *t, size_t offset, size_t width, uint32_t *value) {
    if (offset > t->bytes.size || t->bytes.size - offset < width) return false;
    *value = 0;
    for (size_t i = 0; i < width; i++) {
        *value = *value << 8 | t->bytes.data[offset + (t->big_endian ? i : width - 1 - i)];
    }
    return true;
}

static bool open_tiff(lt_bytes block, tiff *t, uint32_t *directory) {
    if (block.size >= 6 && memcmp(block.data, "Exif\0", 6) == 0) block = (lt_bytes){block.data + 6, block.size - 6};
    uint32_t magic;
    *t = (tiff){block, block.size >= 2 && block.data[0] == 'M'};
    if (block.size < 8 || (memcmp(block.data, "MM", 2) != 0 && memcmp(block.data, "II", 2) != 0)) return false;
    return read_number(t, 2, 2, &magic) && magic == 42 && read_number(t, 4, 4, directory);
}

/* Where in the directory the entry with this tag lies. */
static bool find_entry(const tiff *t, uint32_t directory, uint32_t tag, size_t *entry) {
    uint32_t count, found;
    if (!read_number(t, directory, 2, &count)) return false;
    for (uint32_t i = 0; i < count; i++) {
        *entry = (size_t)directory + 2 + 12 * (size_t)i;
        if (!read_number(t, *entry, 2, &found)) return false;
        if (found == tag) return true;
    }
    return false;
}

/* The single number that an entry holds, as SHORT or LONG. */
static bool read_entry_number(const tiff *t, size_t entry, uint32_t *value) {
    uint32_t type;
    if (!read_number(t, entry + 2, 2, &type)) return false;
    if (type == TYPE_SHORT) return read_number(t, entry + 8, 2, value);
    return type == TYPE_LONG && read_number(t, entry + 8, 4, value);
}

int lt_exif_orientation(lt_bytes block) {
    tiff t;
    uint32_t directory, value;
    size_t entry;
    if (!open_tiff(block, &t, &directory)) return 1;
    if (!find_entry(&t, directory, TAG_ORIENTATION, &entry) || !read_entry_number(&t, entry, &value)) return 1;
    return value >= 1 && value <= 8 ? (int)value : 1;
}

/* The bytes of UserComment, its 8-byte character code included. */
static bool find_comment(const tiff *t, uint32_t directory, lt_bytes *comment) {
    size_t entry;
    uint32_t exif, count, offset;
    if (!find_entry(t, directory, TAG_EXIF_DIRECTORY, &entry) || !read_entry_number(t, entry, &exif)) return false;
    if (!find_entry(t, exif, TAG_USER_COMMENT, &entry)) return false;
    if (!read_number(t, entry + 4, 4, &count) || !read_number(t, entry + 8, 4, &offset)) return false;
    if (count < 8 || offset > t->bytes.size || t->bytes.size - offset < count) return false;
    *comment = (lt_bytes){t->bytes.data + offset, count};
    return true;
}

/* EXIF says that UTF-16 follows the TIFF's byte order; piexif, and so the web UIs, always writes it big-endian. Most
 * text has more zeros among its high bytes, which tells; where it doesn't, the TIFF's order stands. */
static bool utf16_is_big_endian(lt_bytes text, bool otherwise) {
    size_t zeros[2] = {0, 0};
    for (size_t i = 0; i < text.size / 2 * 2; i++) zeros[i % 2] += text.data[i] == 0;
    return zeros[0] == zeros[1] ? otherwise : zeros[0] > zeros[1];
}

static lt_status convert_utf16(lt_bytes text, bool big_endian, char **out) {
    const bool has_mark =
        text.size >= 2 && (memcmp(text.data, "\xFE\xFF", 2) == 0 || memcmp(text.data, "\xFF\xFE", 2) == 0);
    if (!has_mark) return lt_text_from_utf16(text, utf16_is_big_endian(text, big_endian), out);
    return lt_text_from_utf16((lt_bytes){text.data + 2, text.size - 2}, text.data[0] == 0xFE, out);
}

lt_status lt_exif_comment(lt_bytes block, char **text) {
    *text = NULL;
    tiff t;
    uint32_t directory;
    lt_bytes comment;
    if (!open_tiff(block, &t, &directory) || !find_comment(&t, directory, &comment)) return LT_OK;
    const lt_bytes content = {comment.data + 8, comment.size - 8};
    if (content.size > LT_IMAGE_MAX_TEXT) return lt_fail(LT_ERROR_FORMAT, "its EXIF comment is over 16 MiB");
    if (memcmp(comment.data, "UNICODE", 8) == 0) {
        LT_TRY(convert_utf16(content, t.big_endian, text));
    } else if (memcmp(comment.data, "ASCII\0\0", 8) == 0 || memcmp(comment.data, "\0\0\0\0\0\0\0", 8) == 0) {
        LT_TRY(lt_text_from_utf8(content, text));
    }
    if (*text && (*text)[strspn(*text, " ")] == '\0') { /* cameras leave room for a comment */
        lt_free(*text);
        *text = NULL;
    }
    return LT_OK;
}

static lt_status append_utf16(lt_buffer *b, uint32_t code) {
    const uint32_t lead = 0xD800 + ((code - 0x10000) >> 10), follow = 0xDC00 + ((code - 0x10000) & 0x3FF);
    const bool pair = code >= 0x10000;
    const uint32_t first = pair ? lead : code;
    const uint8_t bytes[4] = {(uint8_t)(first >> 8), (uint8_t)first, (uint8_t)(follow >> 8), (uint8_t)follow};
    return lt_buffer_append(b, bytes, pair ? 4 : 2);
}

lt_status lt_exif_write(const char *text, lt_buffer *block) {
    /* A header and two directories of one entry each: the first points to the second, the second to the comment. */
    enum { COMMENT_SIZE_AT = 32, COMMENT_AT = 44 };
    static const uint8_t head[COMMENT_AT + 8] = {'M', 'M',        0,    42,   0,   0,
                                                 0,   8, /* the first directory is at 8 */
                                                 0,   1,          0x87, 0x69, 0,   TYPE_LONG,
                                                 0,   0,          0,    1,    0,   0,
                                                 0,   26,         0,    0,    0,   0, /* the second is at 26 */
                                                 0,   1,          0x92, 0x86, 0,   TYPE_UNDEFINED,
                                                 0,   0,          0,    0,    0,   0,
                                                 0,   COMMENT_AT, 0,    0,    0,   0, /* size filled in below */
                                                 'U', 'N',        'I',  'C',  'O', 'D',
                                                 'E', 0};
    if (strlen(text) > LT_IMAGE_MAX_TEXT / 4)
        return lt_fail(LT_ERROR_ARGUMENT, "the parameters' text is over 4 MiB, more than a picture is given here");
    const size_t start = block->size;
    LT_TRY(lt_buffer_append(block, head, sizeof head));
    for (uint32_t code; (code = lt_text_next(&text)) != 0;) LT_TRY(append_utf16(block, code));
    const size_t size = block->size - start - COMMENT_AT;
    for (size_t i = 0; i < 4; i++) block->data[start + COMMENT_SIZE_AT + i] = (char)(size >> (24 - 8 * i) & 0xFF);
    return LT_OK;
}
