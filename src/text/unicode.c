/* Characters of a text as CLIP's tokenizer sees them.
 *
 * The tables are utf8proc's; the passes over a whole text are our own, because utf8proc sorts long runs of combining
 * marks in quadratic time, allocates by itself, and forgets where a character came from. Composition follows Unicode's
 * annex 15. */
#include "text/unicode.h"

#include <string.h>
#include <utf8proc.h>

enum {
    FIRST_COMPOSITE = 0xc0, /* what is below has no decomposition */
    CAPITAL_I_WITH_DOT = 0x130,
    FIRST_COMBINING = 0x300, /* what is below joins nothing before it */
    DOT_ABOVE = 0x307,
    BEFORE_TRAILING = 0x11a7,
    REPLACEMENT = 0xfffd
};

/* ---- Classes and lower case ---- */

/* utf8proc 2.8 knows Unicode 15.0; the reference's patterns know 16.0 and its lower case 17.0. What came in between: */
static const struct {
    int32_t first, last;
    lt_class class;
} later_classes[] = {
    {0x1c89, 0x1c8a, LT_CLASS_LETTER},   {0xa7cb, 0xa7cd, LT_CLASS_LETTER},   {0xa7da, 0xa7dc, LT_CLASS_LETTER},
    {0x105c0, 0x105f3, LT_CLASS_LETTER}, {0x10d40, 0x10d49, LT_CLASS_NUMBER}, {0x10d4a, 0x10d65, LT_CLASS_LETTER},
    {0x10d6f, 0x10d85, LT_CLASS_LETTER}, {0x10ec2, 0x10ec4, LT_CLASS_LETTER}, {0x11380, 0x11389, LT_CLASS_LETTER},
    {0x1138b, 0x1138b, LT_CLASS_LETTER}, {0x1138e, 0x1138e, LT_CLASS_LETTER}, {0x11390, 0x113b5, LT_CLASS_LETTER},
    {0x113b7, 0x113b7, LT_CLASS_LETTER}, {0x113d1, 0x113d1, LT_CLASS_LETTER}, {0x113d3, 0x113d3, LT_CLASS_LETTER},
    {0x116d0, 0x116e3, LT_CLASS_NUMBER}, {0x11bc0, 0x11be0, LT_CLASS_LETTER}, {0x11bf0, 0x11bf9, LT_CLASS_NUMBER},
    {0x13460, 0x143fa, LT_CLASS_LETTER}, {0x16100, 0x1611d, LT_CLASS_LETTER}, {0x16130, 0x16139, LT_CLASS_NUMBER},
    {0x16d40, 0x16d6c, LT_CLASS_LETTER}, {0x16d70, 0x16d79, LT_CLASS_NUMBER}, {0x18cff, 0x18cff, LT_CLASS_LETTER},
    {0x1ccf0, 0x1ccf9, LT_CLASS_NUMBER}, {0x1e5d0, 0x1e5ed, LT_CLASS_LETTER}, {0x1e5f0, 0x1e5f0, LT_CLASS_LETTER},
    {0x1e5f1, 0x1e5fa, LT_CLASS_NUMBER}, {0x2ebf0, 0x2ee5d, LT_CLASS_LETTER},
};

static const struct {
    int32_t first, last, lower; /* lower: of first; the others follow in order */
} later_capitals[] = {
    {0x1c89, 0x1c89, 0x1c8a},    {0xa7cb, 0xa7cb, 0x264},     {0xa7cc, 0xa7cc, 0xa7cd}, {0xa7ce, 0xa7ce, 0xa7cf},
    {0xa7d2, 0xa7d2, 0xa7d3},    {0xa7d4, 0xa7d4, 0xa7d5},    {0xa7da, 0xa7da, 0xa7db}, {0xa7dc, 0xa7dc, 0x19b},
    {0x10d50, 0x10d65, 0x10d70}, {0x16ea0, 0x16eb8, 0x16ebb},
};

static lt_class later_class(int32_t code) {
    for (size_t i = 0; i < LT_COUNT(later_classes); i++)
        if (code >= later_classes[i].first && code <= later_classes[i].last) return later_classes[i].class;
    return LT_CLASS_OTHER;
}

lt_class lt_unicode_class(int32_t code) {
    if ((code >= '\t' && code <= '\r') || code == 0x85) return LT_CLASS_SPACE;
    switch (utf8proc_category(code)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return LT_CLASS_LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return LT_CLASS_NUMBER;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return LT_CLASS_SPACE;
    case UTF8PROC_CATEGORY_CN: return later_class(code);
    default: return LT_CLASS_OTHER;
    }
}

int lt_unicode_digit(int32_t code) {
    if (code < 0x80) return code >= '0' && code <= '9' ? code - '0' : -1;
    if (utf8proc_category(code) != UTF8PROC_CATEGORY_ND) return -1;
    /* Unicode keeps each script's ten digits together, 0 first, and no two sets touch but where the one is whole. */
    int before = 0;
    while (utf8proc_category(code - 1 - before) == UTF8PROC_CATEGORY_ND) before++;
    return before % 10;
}

/* The lower case of a character for which it is one character: of all but U+0130. */
static int32_t lower(int32_t code) {
    const int32_t known = utf8proc_tolower(code);
    if (known != code || code < later_capitals[0].first) return known;
    for (size_t i = 0; i < LT_COUNT(later_capitals); i++)
        if (code >= later_capitals[i].first && code <= later_capitals[i].last)
            return later_capitals[i].lower + (code - later_capitals[i].first);
    return code;
}

/* ---- UTF-8 ---- */

size_t lt_utf8_decode(const char *s, size_t size, int32_t *code) {
    const uint8_t *b = (const uint8_t *)s;
    *code = b[0];
    if (b[0] < 0x80) return 1;
    *code = REPLACEMENT;
    if (b[0] < 0xc2 || b[0] > 0xf4) return 1;
    const size_t length = b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;
    /* The second byte is bounded more tightly after some first bytes: no overlong forms, surrogates, or codes over
     * U+10FFFF. */
    uint8_t least = b[0] == 0xe0 ? 0xa0 : b[0] == 0xf0 ? 0x90 : 0x80;
    uint8_t most = b[0] == 0xed ? 0x9f : b[0] == 0xf4 ? 0x8f : 0xbf;
    int32_t value = b[0] & (0x7f >> length);
    for (size_t i = 1; i < length; i++) {
        if (i == size || b[i] < least || b[i] > most) return i;
        value = value << 6 | (b[i] & 0x3f);
        least = 0x80;
        most = 0xbf;
    }
    *code = value;
    return length;
}

int32_t lt_utf8_decode_before(const char *text, size_t at, size_t *begin) {
    int32_t code;
    *begin = at - 1;
    while (*begin > 0 && at - *begin < 4 && ((uint8_t)text[*begin] & 0xc0) == 0x80) --*begin;
    if (lt_utf8_decode(text + *begin, at - *begin, &code) == at - *begin) return code;
    *begin = at - 1; /* not UTF-8 */
    return (uint8_t)text[*begin] < 0x80 ? text[*begin] : 0xfffd;
}

bool lt_unicode_is_word(int32_t code) {
    const lt_class class = lt_unicode_class(code);
    return code == '_' || class == LT_CLASS_LETTER || class == LT_CLASS_NUMBER;
}

bool lt_is_whole_word(const char *text, size_t size, size_t at, const char *word) {
    const size_t length = strlen(word), end = at + length;
    if (length > size - at || memcmp(text + at, word, length) != 0) return false;
    size_t begin;
    int32_t after = ' ';
    if (end < size) lt_utf8_decode(text + end, size - end, &after);
    return !lt_unicode_is_word(after) && !(at > 0 && lt_unicode_is_word(lt_utf8_decode_before(text, at, &begin)));
}

size_t lt_find_word(const char *text, size_t size, size_t at, const char *word) {
    const size_t length = strlen(word);
    for (const char *found; (found = memmem(text + at, size - at, word, length)) != NULL; at++) {
        at = (size_t)(found - text);
        if (lt_is_whole_word(text, size, at, word)) return at;
    }
    return size;
}

size_t lt_utf8_encode(int32_t code, uint8_t bytes[4]) { return (size_t)utf8proc_encode_char(code, bytes); }

/* ---- Composition ---- */

static lt_status reserve(lt_characters *c, size_t capacity) {
    if (capacity <= c->capacity) return LT_OK;
    const size_t grown = lt_max(capacity, 2 * c->capacity);
    lt_character *items = lt_realloc(c->items, c->count * sizeof *items, grown * sizeof *items);
    if (!items) return LT_ERROR_MEMORY;
    c->items = items;
    c->capacity = grown;
    return LT_OK;
}

/* The reference composes by Unicode 9. What later versions added stays as it is there: composites whole, marks in their
 * place. */
typedef struct range {
    int32_t first, last;
} range;

static const range later_composites[] = {
    {0x105c9, 0x105e4},
    {0x11383, 0x113c8},
    {0x11938, 0x11938},
    {0x16121, 0x16d6a},
};

static const range later_marks[] = {
    {0x7fd, 0x7fd},     {0x897, 0x8d3},     {0x9fe, 0x9fe},     {0xc3c, 0xc3c},     {0xd3b, 0xd3c},
    {0xeba, 0xeba},     {0x1715, 0x1715},   {0x1abf, 0x1aff},   {0x1df6, 0x1dfa},   {0xa82c, 0xa82c},
    {0x10d24, 0x10f85}, {0x11070, 0x11070}, {0x1133b, 0x1133b}, {0x113ce, 0x113d0}, {0x1145e, 0x1145e},
    {0x11839, 0x11a99}, {0x11d42, 0x11f42}, {0x1612f, 0x1612f}, {0x16ff0, 0x16ff1}, {0x1e08f, 0x1e6f5},
};

static bool is_in(const range *ranges, size_t count, int32_t code) {
    size_t i = 0;
    while (i < count && code > ranges[i].last) i++;
    return i < count && code >= ranges[i].first;
}

static uint8_t combining_class(int32_t code) {
    const uint8_t class = (uint8_t)utf8proc_get_property(code)->combining_class;
    return class && is_in(later_marks, LT_COUNT(later_marks), code) ? 0 : class;
}

/* Writes the canonical decomposition of code, and returns its size, or a negative number. */
static utf8proc_ssize_t decompose_character(int32_t code, int32_t *parts, size_t capacity) {
    int boundary_class = UTF8PROC_BOUNDCLASS_START; /* asked for, not used */
    parts[0] = code;
    if (code < FIRST_COMPOSITE || is_in(later_composites, LT_COUNT(later_composites), code)) return 1;
    return utf8proc_decompose_char(code, parts, (utf8proc_ssize_t)capacity, UTF8PROC_DECOMPOSE | UTF8PROC_STABLE,
                                   &boundary_class);
}

static lt_status decompose(lt_characters *c, const char *text, size_t begin, size_t end) {
    c->count = 0;
    LT_TRY(reserve(c, end - begin)); /* nearly always enough: a character has at least a byte */
    for (size_t at = begin; at < end;) {
        int32_t code, parts[8]; /* canonical decompositions have at most 4 */
        at += lt_utf8_decode(text + at, end - at, &code);
        const utf8proc_ssize_t n = decompose_character(code, parts, LT_COUNT(parts));
        if (n < 0 || (size_t)n > LT_COUNT(parts))
            return lt_fail(LT_ERROR_FORMAT, "prompt: utf8proc can't decompose U+%04X", (unsigned)code);
        LT_TRY(reserve(c, c->count + (size_t)n));
        for (utf8proc_ssize_t i = 0; i < n; i++) c->items[c->count++] = (lt_character){parts[i], (uint32_t)at};
    }
    return LT_OK;
}

/* Sorts count combining marks by their class, those of one class in the order they have: a counting sort. */
static lt_status sort_marks(lt_character *marks, size_t count) {
    lt_character *copy = lt_alloc(count * sizeof *copy);
    if (!copy) return LT_ERROR_MEMORY;
    memcpy(copy, marks, count * sizeof *copy);
    size_t place[257] = {0};
    for (size_t i = 0; i < count; i++) place[combining_class(copy[i].code) + 1]++;
    for (size_t k = 1; k < 256; k++) place[k] += place[k - 1];
    for (size_t i = 0; i < count; i++) marks[place[combining_class(copy[i].code)]++] = copy[i];
    lt_free(copy);
    return LT_OK;
}

static lt_status reorder(lt_characters *c) {
    for (size_t begin = 0, end; begin < c->count; begin = end) {
        uint8_t last = combining_class(c->items[begin].code);
        bool sorted = true;
        end = begin + 1;
        if (last == 0) continue;
        for (uint8_t k; end < c->count && (k = combining_class(c->items[end].code)) != 0; end++) {
            sorted = sorted && last <= k;
            last = k;
        }
        if (!sorted) LT_TRY(sort_marks(c->items + begin, end - begin));
    }
    return LT_OK;
}

/* The character that first and second compose to, or 0. */
static int32_t composite(int32_t first, int32_t second) {
    /* utf8proc takes U+11A7, one before Korean's first trailing consonant, for one of them, and loses it. */
    if (second < FIRST_COMBINING || second == BEFORE_TRAILING) return 0;
    int32_t pair[2] = {first, second};
    if (utf8proc_normalize_utf32(pair, 2, UTF8PROC_COMPOSE | UTF8PROC_STABLE) != 1) return 0;
    return is_in(later_composites, LT_COUNT(later_composites), pair[0]) ? 0 : pair[0];
}

/* A mark joins the last starter unless a mark of its own or a higher class stands between them. */
static void compose(lt_characters *c) {
    size_t out = 0;
    lt_character *starter = NULL;
    uint8_t last = 0; /* the class of the last mark kept since the starter; 0: none */
    for (size_t i = 0; i < c->count; i++) {
        const lt_character next = c->items[i];
        const uint8_t class = combining_class(next.code);
        const int32_t joined = starter && (last == 0 || last < class) ? composite(starter->code, next.code) : 0;
        if (joined) {
            starter->code = joined;
            starter->end = next.end > starter->end ? next.end : starter->end;
            continue;
        }
        last = class;
        if (class == 0) starter = &c->items[out];
        c->items[out++] = next;
    }
    c->count = out;
}

/* Lower case, character by character, as the reference: without the rule for a final sigma. U+0130 becomes two
 * characters, so it goes from the end. */
static lt_status lower_all(lt_characters *c) {
    size_t extra = 0;
    for (size_t i = 0; i < c->count; i++) extra += c->items[i].code == CAPITAL_I_WITH_DOT;
    LT_TRY(reserve(c, c->count + extra));
    const size_t count = c->count;
    c->count += extra;
    for (size_t i = count; i-- > 0;) {
        const lt_character from = c->items[i];
        if (from.code == CAPITAL_I_WITH_DOT) {
            c->items[i + extra] = (lt_character){DOT_ABOVE, from.end};
            extra--;
            c->items[i + extra] = (lt_character){'i', from.end};
        } else {
            c->items[i + extra] = (lt_character){lower(from.code), from.end};
        }
    }
    return LT_OK;
}

lt_status lt_characters_read(lt_characters *c, const char *text, size_t begin, size_t end) {
    LT_TRY(decompose(c, text, begin, end));
    LT_TRY(reorder(c));
    compose(c);
    return lower_all(c);
}

void lt_characters_free(lt_characters *c) {
    lt_free(c->items);
    *c = (lt_characters){0};
}
