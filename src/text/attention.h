/* The weights that a prompt gives its words, as A1111's web UI 1.10 reads them (parse_prompt_attention):
 *
 *   (text)       multiplies the weight of text by 1.1; brackets nest
 *   [text]       divides it by 1.1
 *   (text:1.3)   multiplies it by 1.3: a sign or none, digits and a dot, with white space around them or none
 *   \( \) \[ \] \\  stand for the character; any other \ vanishes
 *   BREAK        as a word, in capitals, ends the chunk. In brackets that change its weight it is an ordinary word
 *
 * A number belongs to the innermost open "(", so that [text:1.3] is [text] with those characters.
 * A closing bracket with none open is text; an open one that is never closed reaches to the end. Stretches of the same
 * weight that follow one another are one.
 *
 * Here, and not there: what has two dots or no digit is not a number, so that (a:1.2.3) is (text) where that UI stops
 * with an error. Brackets nested over 256 deep must match but weigh nothing, so that time stays linear. */
#ifndef LT_ATTENTION_H
#define LT_ATTENTION_H

#include "base/base.h"

typedef struct lt_stretch {
    size_t begin; /* its text reaches to the next one's begin */
    double weight;
} lt_stretch;

typedef struct lt_attention {
    lt_buffer text; /* without the syntax */
    lt_stretch *items;
    size_t count, capacity; /* at least 1; a stretch may be empty */
} lt_attention;

/* literal: the whole text is one stretch of weight 1. lt_attention_free is due even after a failure. */
lt_status lt_attention_read(const char *text, bool literal, lt_attention *attention);
void lt_attention_free(lt_attention *attention); /* a zeroed one is fine */

/* Where the i-th stretch ends. */
static inline size_t lt_stretch_end(const lt_attention *a, size_t i) {
    return i + 1 < a->count ? a->items[i + 1].begin : a->text.size;
}
/* Whether it is a BREAK: one by itself, of weight -1. */
bool lt_stretch_breaks(const lt_attention *attention, size_t i);

#endif
