/* The `parameters` text of A1111's web UI ("infotext"), which tells how a picture was made:
 *
 *   a red apple, oil painting
 *   Negative prompt: people
 *   Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, Model: "with, a comma"
 *
 * Prompts may have several lines; the last line is keys and values, a value as a JSON string where it holds what would
 * end it. Read as that UI's parse_generation_parameters (1.10) does. */
#ifndef LT_INFOTEXT_H
#define LT_INFOTEXT_H

#include "base/base.h"

/* What was read; everything points into memory, which is one allocation. */
typedef struct lt_infotext {
    char *memory;
    const char *prompt, *negative_prompt; /* never NULL */
    lt_setting *settings;                 /* in their order */
    size_t count;
} lt_infotext;

/* Any text is one: what has fewer than three settings on its last line is a prompt alone. */
lt_status lt_infotext_read(const char *text, lt_infotext *info);
void lt_infotext_free(lt_infotext *info); /* a zeroed one is fine */

/* The value of key, or NULL; of several, the last one counts. */
const char *lt_infotext_find(const lt_infotext *info, const char *key);

/* Appends the text of prompts and settings, of which there are three at least. Where the prompts would not be read back
 * as they are (they hold a line that begins with "Negative prompt:", or white space at a line's end), they are repeated
 * among the settings, as "Exact prompt" and "Exact negative prompt". What is not UTF-8 becomes U+FFFD, as the
 * tokenizer reads it. */
lt_status lt_infotext_write(const char *prompt, const char *negative_prompt, const lt_setting *settings, size_t count,
                            lt_buffer *text);

#endif
