/* Characters of a text as CLIP's tokenizer sees them: decoded, composed (NFC), lower-case, and of four classes. */
#ifndef LT_UNICODE_H
#define LT_UNICODE_H

#include "base/base.h"

/* The classes that the tokenizer's pattern tells apart: \p{L}, \p{N}, \s, and all else. */
typedef enum lt_class { LT_CLASS_OTHER, LT_CLASS_LETTER, LT_CLASS_NUMBER, LT_CLASS_SPACE } lt_class;

lt_class lt_unicode_class(int32_t code);

/* A letter, a number or '_': Python's \w. */
bool lt_unicode_is_word(int32_t code);

/* The value 0 to 9 of a decimal digit of any script, or -1. */
int lt_unicode_digit(int32_t code);

/* Reads one character of s (size bytes, at least 1) and returns its length. What is not UTF-8 is read as U+FFFD, one
 * for each longest prefix of a character (Unicode 15, section 3.9), as Python's errors="replace" does. */
size_t lt_utf8_decode(const char *s, size_t size, int32_t *code);

/* The character of text that ends at byte `at` (at least 1); *begin is where it begins. */
int32_t lt_utf8_decode_before(const char *text, size_t at, size_t *begin);

/* Whether word stands at byte `at` of text (size bytes) with no character of words at either side: Python's \b. */
bool lt_is_whole_word(const char *text, size_t size, size_t at, const char *word);
/* The first byte from `at` on where it so stands, or size. */
size_t lt_find_word(const char *text, size_t size, size_t at, const char *word);

/* The bytes that a character takes. */
static inline size_t lt_utf8_size(int32_t code) { return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4; }

/* Writes a character's 1 to 4 bytes and returns their number. */
size_t lt_utf8_encode(int32_t code, uint8_t bytes[4]);

typedef struct lt_character {
    int32_t code;
    uint32_t end; /* the byte of the source text at which the character ends */
} lt_character;

typedef struct lt_characters {
    lt_character *items;
    size_t count, capacity;
} lt_characters;

/* Puts text[begin, end) into c in NFC and then lower case, in place of what c held. Time and memory are linear in the
 * text. */
lt_status lt_characters_read(lt_characters *c, const char *text, size_t begin, size_t end);
void lt_characters_free(lt_characters *c);

#endif
