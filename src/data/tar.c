/* Tar files, member by member, in place: POSIX ustar, its pax headers ("pax" in POSIX.1-2001), and what GNU tar adds
 * (long names, sizes in base 256). Nothing is unpacked, and names are only names here. */
#include "data/readers.h"

#include <string.h>

enum { BLOCK = 512, MAX_NAME = 1 << 16, MAX_PAX = 1 << 20 };

typedef struct header {
    uint8_t name[100], mode[8], owner[8], group[8], size[12], time[12], checksum[8], type;
    uint8_t link[100], magic[6], version[2], owner_name[32], group_name[32], major[8], minor[8], prefix[155], rest[12];
} header;
_Static_assert(sizeof(header) == BLOCK, "a header is one block");

/* ---- Fields ---- */

/* Octal digits between blanks, or, behind a first bit of 1, a number in base 256. */
static bool read_number(const uint8_t *field, size_t width, uint64_t *value) {
    uint64_t number = 0;
    if (field[0] & 0x80) {
        number = field[0] & 0x7f;
        for (size_t i = 1; i < width; i++) {
            if (number >> 56) return false; /* over 64 bits; a negative one has all its high bits set */
            number = number << 8 | field[i];
        }
    } else {
        size_t i = 0;
        while (i < width && field[i] == ' ') i++;
        for (; i < width && field[i] >= '0' && field[i] <= '7'; i++) number = number << 3 | (uint64_t)(field[i] - '0');
        for (; i < width; i++)
            if (field[i] && field[i] != ' ') return false;
    }
    *value = number;
    return true;
}

/* Decimal digits and nothing else. */
static bool read_decimal(lt_bytes text, uint64_t *value) {
    uint64_t number = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(text.data[i] - '0'), &number))
            return false;
    }
    *value = number;
    return text.size > 0;
}

/* The sum of a header's bytes, its own field taken as blanks. Some old programs summed them as signed. */
static bool sum_is_right(const header *h) {
    uint64_t sum = 0, expected;
    int64_t signed_sum = 0;
    header blanked = *h;
    memset(blanked.checksum, ' ', sizeof blanked.checksum);
    for (size_t i = 0; i < BLOCK; i++) {
        const uint8_t byte = ((const uint8_t *)&blanked)[i];
        sum += byte;
        signed_sum += (int8_t)byte;
    }
    return read_number(h->checksum, sizeof h->checksum, &expected) &&
           (sum == expected || signed_sum == (int64_t)expected);
}

static bool is_zero(const uint8_t *block) {
    for (size_t i = 0; i < BLOCK; i++)
        if (block[i]) return false;
    return true;
}

/* ---- Names ---- */

static lt_status set_name(lt_tar *tar, lt_bytes name) {
    const uint8_t *nul = name.size ? memchr(name.data, 0, name.size) : NULL;
    if (nul) name.size = (size_t)(nul - name.data);
    if (name.size > MAX_NAME)
        return lt_fail(LT_ERROR_FORMAT, "byte %zu: a name of %zu bytes is too long", tar->header, name.size);
    tar->name.size = 0;
    return lt_buffer_append(&tar->name, name.data, name.size);
}

/* The name in the header itself; GNU's magic ("ustar  ") has no prefix, POSIX's ("ustar" and a NUL) has. */
static lt_status set_header_name(lt_tar *tar, const header *h) {
    tar->name.size = 0;
    if (memcmp(h->magic, "ustar", 6) == 0 && h->prefix[0]) {
        LT_TRY(lt_buffer_append(&tar->name, h->prefix, strnlen((const char *)h->prefix, sizeof h->prefix)));
        LT_TRY(lt_buffer_append(&tar->name, "/", 1));
    }
    return lt_buffer_append(&tar->name, h->name, strnlen((const char *)h->name, sizeof h->name));
}

/* ---- Members ---- */

/* What headers before a member's own said of it. */
typedef struct override {
    bool named, sized;
    uint64_t size;
} override;

/* Records of a pax header: "LENGTH KEY=VALUE\n", where LENGTH counts all of the record. */
static lt_status read_pax(lt_tar *tar, lt_bytes records, override *o) {
    while (records.size) {
        uint64_t length;
        const uint8_t *blank = memchr(records.data, ' ', records.size);
        const size_t digits = blank ? (size_t)(blank - records.data) : 0;
        if (!blank || !read_decimal((lt_bytes){records.data, digits}, &length) || length > records.size ||
            length < digits + 2 || records.data[length - 1] != '\n')
            return lt_fail(LT_ERROR_FORMAT, "byte %zu: a broken pax header", tar->header);
        const lt_bytes record = {blank + 1, (size_t)length - digits - 2};
        const uint8_t *equals = record.size ? memchr(record.data, '=', record.size) : NULL;
        if (!equals) return lt_fail(LT_ERROR_FORMAT, "byte %zu: a broken pax header", tar->header);
        const size_t key = (size_t)(equals - record.data);
        const lt_bytes value = {equals + 1, record.size - key - 1};
        if (key == 4 && memcmp(record.data, "path", 4) == 0) {
            LT_TRY(set_name(tar, value));
            o->named = true;
        } else if (key == 4 && memcmp(record.data, "size", 4) == 0) {
            if (!read_decimal(value, &o->size))
                return lt_fail(LT_ERROR_FORMAT, "byte %zu: a pax header's size is no number", tar->header);
            o->sized = true;
        }
        records = (lt_bytes){records.data + length, records.size - (size_t)length};
    }
    return LT_OK;
}

/* The header at tar->at, or NULL at the end of the archive: a block of zeros, or the file's end. */
static lt_status read_header(lt_tar *tar, const header **h) {
    tar->header = tar->at;
    const size_t left = tar->file.size - tar->at;
    const uint8_t *block = left >= BLOCK ? tar->file.data + tar->at : NULL;
    *h = NULL;
    if (!left || (block && is_zero(block))) return LT_OK;
    if (block && sum_is_right((const header *)block)) {
        *h = (const header *)block;
        return LT_OK;
    }
    if (!tar->at)
        return lt_fail(LT_ERROR_FORMAT, "not a tar file; a compressed one must be unpacked once (gunzip, unzstd)");
    return lt_fail(LT_ERROR_FORMAT,
                   block ? "byte %zu: no tar header where one must be: the file is damaged"
                         : "byte %zu: the file ends within a header: it was cut off",
                   tar->header);
}

/* The size bytes after the header at tar->header; moves past them. */
static lt_status take_data(lt_tar *tar, uint64_t size, lt_bytes *data) {
    const size_t begin = tar->header + BLOCK, left = tar->file.size - begin;
    if (size > left)
        return lt_fail(LT_ERROR_FORMAT,
                       "byte %zu: a member of %llu bytes, but only %zu follow: the file is damaged or cut off",
                       tar->header, (unsigned long long)size, left);
    *data = (lt_bytes){tar->file.data + begin, (size_t)size};
    /* who writes to a full disk or pads nothing ends with the last member's last byte */
    tar->at = begin + lt_min(lt_round_up((size_t)size, BLOCK), left);
    return LT_OK;
}

/* Links, devices, folders and pipes have no bytes, whatever their size says. */
static bool has_data(uint8_t type) { return type < '1' || type > '6'; }

lt_status lt_tar_next(lt_tar *tar, lt_tar_member *member, bool *found) {
    override o = {0};
    *found = false;
    for (const header *h;;) {
        LT_TRY(read_header(tar, &h));
        if (!h) return LT_OK;
        const uint8_t type = h->type;
        const bool describes = type == 'x' || type == 'g' || type == 'L' || type == 'K';
        uint64_t size;
        if (!read_number(h->size, sizeof h->size, &size))
            return lt_fail(LT_ERROR_FORMAT, "byte %zu: a member whose size is no number", tar->header);
        if (type == 'S') return lt_fail(LT_ERROR_UNSUPPORTED, "byte %zu: sparse members can't be read", tar->header);
        if (describes && size > MAX_PAX)
            return lt_fail(LT_ERROR_FORMAT, "byte %zu: a name of %llu bytes is too long", tar->header,
                           (unsigned long long)size);
        if (!describes && o.sized) size = o.size;
        if (!has_data(type)) size = 0;
        if (!describes && !o.named) LT_TRY(set_header_name(tar, h));
        lt_bytes data;
        LT_TRY(take_data(tar, size, &data));
        if (!describes) {
            *member = (lt_tar_member){tar->name.data, type == '0' || type == 0 || type == '7', data};
            *found = true;
            return LT_OK;
        }
        if (type == 'x') LT_TRY(read_pax(tar, data, &o));
        if (type == 'L') LT_TRY(set_name(tar, data));
        o.named |= type == 'L';
    }
}

void lt_tar_free(lt_tar *tar) { lt_buffer_free(&tar->name); }
