/* What a small model has learned, for notes on prompts that go beyond it: the words of its captions, and the names of
 * the things on its pictures. */
#ifndef LT_KNOWN_H
#define LT_KNOWN_H

#include "base/base.h"

typedef struct lt_known {
    char *words;  /* each with a space before and behind it; NULL: nothing is said */
    char *things; /* each with its NUL */
    size_t things_size;
} lt_known;

/* words: lower-case, separated by spaces; things: names, a line each; they are copied. */
lt_status lt_known_set(lt_known *known, const char *words, const char *things);
void lt_known_free(lt_known *known); /* a zeroed one is fine */

/* The different words of texts in order, separated by spaces, appended to words; if there are more than most, nothing.
 * A word is letters and digits with a letter among them, lower-case where it is ASCII. */
lt_status lt_known_gather(const char *const *texts, size_t count, size_t most, lt_buffer *words);

/* Appends to unknown the words of the prompt that no caption held, in neither number, and to near the things that may
 * have been meant: spelt almost like such a word, or called by the prompt's other words; separated by ", ". */
lt_status lt_known_ask(const lt_known *known, const char *prompt, lt_buffer *unknown, lt_buffer *near);

#endif
