/* zip archives, as far as PyTorch's checkpoints need them. The layout is PKWARE's APPNOTE.TXT 6.3.10, whose section
 * numbers are given. */
#include "formats/zip.h"

#include <stdlib.h>
#include <string.h>

enum {
    LOCAL_SIZE = 30,     /* 4.3.7, without name and extra field */
    CENTRAL_SIZE = 46,   /* 4.3.12, without name, extra field and comment */
    END64_SIZE = 56,     /* 4.3.14 */
    LOCATOR64_SIZE = 20, /* 4.3.15 */
    END_SIZE = 22,       /* 4.3.16, without the comment */
    COMMENT_LIMIT = 65535
};

#define LOCAL_MAGIC     0x04034B50u
#define CENTRAL_MAGIC   0x02014B50u
#define END64_MAGIC     0x06064B50u
#define LOCATOR64_MAGIC 0x07064B50u
#define END_MAGIC       0x06054B50u

static uint64_t little_endian(const uint8_t *p, int bytes) {
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--) value = value << 8 | p[i];
    return value;
}
static uint16_t u16(const uint8_t *p) { return (uint16_t)little_endian(p, 2); }
static uint32_t u32(const uint8_t *p) { return (uint32_t)little_endian(p, 4); }
static uint64_t u64(const uint8_t *p) { return little_endian(p, 8); }

/* size bytes at offset lie within the first limit bytes. */
static bool within(uint64_t offset, uint64_t size, uint64_t limit) { return offset <= limit && size <= limit - offset; }

typedef struct directory {
    uint64_t offset, size, count;
} directory;

/* The end record is the file's last part, but for a comment of up to 64 KiB. */
static const uint8_t *find_end(const uint8_t *data, size_t size) {
    if (size < END_SIZE) return NULL;
    const size_t last = size - END_SIZE, reach = lt_min(last, COMMENT_LIMIT);
    for (size_t comment = 0; comment <= reach; comment++) {
        const uint8_t *end = data + last - comment;
        if (u32(end) == END_MAGIC && u16(end + 20) == comment) return end;
    }
    return NULL;
}

/* Where the central directory lies: from the end record, or from the zip64 one that a locator before it names. */
static lt_status find_directory(const uint8_t *data, size_t size, directory *found) {
    const uint8_t *end = find_end(data, size);
    if (!end) return lt_fail(LT_ERROR_FORMAT, "the zip archive has no end record: the file is cut off; fetch it again");
    *found = (directory){.offset = u32(end + 16), .size = u32(end + 12), .count = u16(end + 10)};
    uint64_t limit = (uint64_t)(end - data);
    if (limit >= LOCATOR64_SIZE && u32(end - LOCATOR64_SIZE) == LOCATOR64_MAGIC) {
        const uint64_t offset = u64(end - LOCATOR64_SIZE + 8);
        limit -= LOCATOR64_SIZE;
        if (!within(offset, END64_SIZE, limit) || u32(data + offset) != END64_MAGIC)
            return lt_fail(LT_ERROR_FORMAT, "the zip archive's zip64 end record is not where it should be");
        const uint8_t *end64 = data + offset;
        *found = (directory){.offset = u64(end64 + 48), .size = u64(end64 + 40), .count = u64(end64 + 32)};
        limit = offset;
    }
    if (!within(found->offset, found->size, limit) || found->count > found->size / CENTRAL_SIZE)
        return lt_fail(LT_ERROR_FORMAT, "the zip archive's directory lies outside of the file");
    return LT_OK;
}

/* Sizes and offset that do not fit 32 bits are all ones in the header and stand, in this order, in extra field 1
 * (4.5.3). */
static bool read_zip64_extra(const uint8_t *extra, size_t size, uint64_t *const values[3]) {
    bool missing = false;
    for (int i = 0; i < 3; i++) missing = missing || *values[i] == UINT32_MAX;
    while (missing && size >= 4) {
        const size_t field = u16(extra + 2);
        if (field > size - 4) return false;
        if (u16(extra) == 1) {
            size_t at = 0;
            for (int i = 0; i < 3; i++) {
                if (*values[i] != UINT32_MAX) continue;
                if (field - at < 8) return false;
                *values[i] = u64(extra + 4 + at);
                at += 8;
            }
            return true;
        }
        extra += 4 + field;
        size -= 4 + field;
    }
    return !missing;
}

/* An entry's bytes follow its local header, whose name and extra field may differ in length from the directory's. */
static lt_status locate(const uint8_t *data, uint64_t limit, uint64_t offset, uint64_t size, lt_zip_entry *entry) {
    if (!within(offset, LOCAL_SIZE, limit) || u32(data + offset) != LOCAL_MAGIC)
        return lt_fail(LT_ERROR_FORMAT, "zip entry %.*s: its header is not where it should be",
                       (int)lt_min(entry->name_size, 200), entry->name);
    const uint64_t begin = offset + LOCAL_SIZE + u16(data + offset + 26) + u16(data + offset + 28);
    if (!within(begin, size, limit))
        return lt_fail(LT_ERROR_FORMAT, "zip entry %.*s lies outside of the file", (int)lt_min(entry->name_size, 200),
                       entry->name);
    entry->data = data + begin;
    entry->size = (size_t)size;
    return LT_OK;
}

/* One record of the central directory, [left] bytes of which remain; *taken is its length. */
static lt_status read_record(const uint8_t *data, const directory *where, const uint8_t *record, size_t left,
                             lt_zip_entry *entry, size_t *taken) {
    if (left < CENTRAL_SIZE || u32(record) != CENTRAL_MAGIC)
        return lt_fail(LT_ERROR_FORMAT, "the zip archive's directory is broken");
    const size_t name = u16(record + 28), extra = u16(record + 30), comment = u16(record + 32);
    *taken = CENTRAL_SIZE + name + extra + comment;
    if (*taken > left) return lt_fail(LT_ERROR_FORMAT, "the zip archive's directory is cut off");
    *entry = (lt_zip_entry){.name = (const char *)record + CENTRAL_SIZE, .name_size = name};
    const int shown = (int)lt_min(name, 200);
    if (memchr(entry->name, 0, name)) return lt_fail(LT_ERROR_FORMAT, "a zip entry's name holds a NUL");
    uint64_t full = u32(record + 24), stored = u32(record + 20), offset = u32(record + 42);
    if (!read_zip64_extra(record + CENTRAL_SIZE + name, extra, (uint64_t *const[]){&full, &stored, &offset}))
        return lt_fail(LT_ERROR_FORMAT, "zip entry %.*s: its extra field is broken", shown, entry->name);
    if (u16(record + 8) & 1) return lt_fail(LT_ERROR_UNSUPPORTED, "zip entry %.*s is encrypted", shown, entry->name);
    if (u16(record + 10) != 0 || full != stored)
        return lt_fail(LT_ERROR_UNSUPPORTED,
                       "zip entry %.*s is compressed, which PyTorch never does: pack the archive again "
                       "without compression (zip -0)",
                       shown, entry->name);
    return locate(data, where->offset, offset, full, entry);
}

static int compare_name(const char *a, size_t a_size, const char *b, size_t b_size) {
    const int order = memcmp(a, b, lt_min(a_size, b_size));
    if (order) return order;
    return a_size < b_size ? -1 : a_size > b_size;
}

static int compare_entries(const void *a, const void *b) {
    const lt_zip_entry *x = a, *y = b;
    return compare_name(x->name, x->name_size, y->name, y->name_size);
}

static lt_status read_directory(const uint8_t *data, const directory *where, lt_zip *zip) {
    const uint8_t *record = data + where->offset;
    size_t left = (size_t)where->size;
    for (; zip->count < where->count; zip->count++) {
        size_t taken = 0;
        LT_TRY(read_record(data, where, record, left, &zip->entries[zip->count], &taken));
        record += taken;
        left -= taken;
    }
    if (zip->count) qsort(zip->entries, zip->count, sizeof *zip->entries, compare_entries);
    for (size_t i = 1; i < zip->count; i++) {
        const lt_zip_entry *entry = &zip->entries[i];
        if (compare_entries(entry - 1, entry) == 0)
            return lt_fail(LT_ERROR_FORMAT, "zip entry %.*s is there twice", (int)lt_min(entry->name_size, 200),
                           entry->name);
    }
    return LT_OK;
}

lt_status lt_zip_read(const uint8_t *data, size_t size, lt_zip *zip) {
    *zip = (lt_zip){0};
    directory where = {0};
    LT_TRY(find_directory(data, size, &where));
    zip->entries = lt_calloc((size_t)where.count, sizeof *zip->entries);
    if (!zip->entries) return LT_ERROR_MEMORY;
    const lt_status status = read_directory(data, &where, zip);
    if (status) lt_zip_free(zip);
    return status;
}

void lt_zip_free(lt_zip *zip) {
    lt_free(zip->entries);
    *zip = (lt_zip){0};
}

const lt_zip_entry *lt_zip_find(const lt_zip *zip, const char *name, size_t name_size) {
    const lt_zip_entry key = {.name = name, .name_size = name_size};
    return zip->count ? bsearch(&key, zip->entries, zip->count, sizeof key, compare_entries) : NULL;
}
