/* What a small model has learned, and what of a prompt is beyond it. */
#include "text/known.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_SIZE = 64, MOST_TOLD = 3 /* things, and unknown words */, MOST_ASKED = 1000 /* of a prompt's words */ };

/* ---- Words ---- */

/* "\u2019", as telephones write it. */
static const char APOSTROPHE[] = "\xe2\x80\x99";

static bool is_letter(unsigned char c) { return (c | 32) >= 'a' && (c | 32) <= 'z'; }

/* Of U+2000 to U+206F. */
static bool is_punctuation(const char *at) { return !strncmp(at, "\xe2\x80", 2) || !strncmp(at, "\xe2\x81", 2); }

/* The bytes of a word's next character; 0: it ends here. */
static size_t character_at(const char *at) {
    const unsigned char c = (unsigned char)*at;
    if (!strncmp(at, APOSTROPHE, 3)) return 3;
    return !is_punctuation(at) && (is_letter(c) || (c >= '0' && c <= '9') || c == '\'' || c >= 0x80);
}

/* The bytes of what parts words. */
static size_t gap_at(const char *at) { return is_punctuation(at) && at[2] ? 3 : is_punctuation(at) ? 2 : 1; }

/* Takes the next run of such characters from *text, lower-case; what is over WORD_SIZE is left out. False at the end.
 */
static bool next_run(const char **text, char word[WORD_SIZE]) {
    size_t n = 0, length;
    while (**text && !character_at(*text)) *text += gap_at(*text);
    if (!**text) return false;
    for (; **text && (length = character_at(*text)) > 0; *text += length) {
        const char c = length == 3 ? '\'' : **text;
        if (n + 1 < WORD_SIZE && (n || c != '\'')) word[n++] = (char)(is_letter((unsigned char)c) ? c | 32 : c);
    }
    while (n && word[n - 1] == '\'') n--;
    word[n] = '\0';
    return true;
}

static bool has_letter(const char *word) {
    for (; *word; word++)
        if (is_letter((unsigned char)*word) || (unsigned char)*word >= 0x80) return true;
    return false;
}

static bool next_word(const char **text, char word[WORD_SIZE]) {
    while (next_run(text, word))
        if (has_letter(word)) return true;
    return false;
}

static int compare(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* All words of texts, with their NULs. */
static lt_status list_words(const char *const *texts, size_t count, lt_buffer *list, size_t *words) {
    char word[WORD_SIZE];
    *words = 0;
    for (size_t i = 0; i < count; i++)
        for (const char *at = texts[i]; next_word(&at, word); ++*words)
            LT_TRY(lt_buffer_append(list, word, strlen(word) + 1));
    return LT_OK;
}

/* Leaves each of the sorted words once, and returns how many there are. */
static size_t keep_different(const char **words, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (!kept || strcmp(words[kept - 1], words[i])) words[kept++] = words[i];
    return kept;
}

static lt_status append_different(const lt_buffer *list, size_t count, size_t most, lt_buffer *out) {
    const char **words = lt_calloc(count + 1, sizeof *words);
    if (!words) return LT_ERROR_MEMORY;
    const char *at = list->data;
    for (size_t i = 0; i < count; i++, at += strlen(at) + 1) words[i] = at;
    qsort(words, count, sizeof *words, compare);
    const size_t kept = keep_different(words, count);
    lt_status status = LT_OK;
    for (size_t i = 0; i < kept && kept <= most && !status; i++)
        status = lt_buffer_printf(out, "%s%s", i ? " " : "", words[i]);
    lt_free(words);
    return status;
}

lt_status lt_known_gather(const char *const *texts, size_t count, size_t most, lt_buffer *words) {
    lt_buffer list = {0};
    size_t n;
    lt_status status = list_words(texts, count, &list, &n);
    if (!status) status = append_different(&list, n, most, words);
    lt_buffer_free(&list);
    return status;
}

/* ---- What is known ---- */

lt_status lt_known_set(lt_known *known, const char *words, const char *things) {
    *known = (lt_known){.words = lt_format(" %s ", words), .things = lt_format("%s\n", things)};
    if (!known->words || !known->things) return LT_ERROR_MEMORY;
    known->things_size = strlen(known->things);
    for (size_t i = 0; i < known->things_size; i++)
        if (known->things[i] == '\n') known->things[i] = '\0';
    return LT_OK;
}

void lt_known_free(lt_known *known) {
    lt_free(known->words);
    lt_free(known->things);
    *known = (lt_known){0};
}

/* The first n bytes of word, and what follows. */
static bool holds(const lt_known *known, const char *word, size_t n, const char *ending) {
    char spaced[WORD_SIZE + 8];
    snprintf(spaced, sizeof spaced, " %.*s%s ", (int)n, word, ending);
    return strstr(known->words, spaced) != NULL;
}

static bool ends_in(const char *word, const char *ending) {
    const size_t n = strlen(word), m = strlen(ending);
    return n > m && !strcmp(word + n - m, ending);
}

/* In one number or the other, or as an owner. */
static bool is_known(const lt_known *known, const char *word) {
    static const char *const endings[] = {"", "s", "es", "'s"};
    const size_t n = strlen(word);
    for (size_t i = 0; i < LT_COUNT(endings); i++) {
        if (holds(known, word, n, endings[i])) return true;
        if (ends_in(word, endings[i]) && holds(known, word, n - strlen(endings[i]), "")) return true;
    }
    return false;
}

/* ---- What is not ---- */

/* Names without end are not told, and none of them twice. */
typedef struct told {
    lt_buffer *text;
    int count;
} told;

static lt_status tell(told *t, const char *name) {
    const char *found = t->text->data;
    const size_t n = strlen(name);
    while (found && (found = strstr(found, name)) && found[n] && found[n] != ',') found += n;
    if (found || t->count == MOST_TOLD) return LT_OK;
    return lt_buffer_printf(t->text, "%s%s", t->count++ ? ", " : "", name);
}

/* The thing with a word that is spelt most like this one. */
static lt_status tell_alike(const lt_known *known, const char *word, told *near) {
    lt_nearest nearest = {.word = word};
    char part[WORD_SIZE];
    for (const char *thing = known->things; thing < known->things + known->things_size; thing += strlen(thing) + 1)
        for (const char *at = thing; next_word(&at, part);) lt_nearest_try(&nearest, part, thing);
    return nearest.name ? tell(near, nearest.name) : LT_OK;
}

static const char *last_word(const char *thing, char word[WORD_SIZE]) {
    word[0] = '\0';
    for (const char *at = thing; next_word(&at, word);) {
    }
    return word;
}

/* Things that are called so at the end: of a bottle, "baby bottle". */
static lt_status tell_called(const lt_known *known, const char *word, told *near) {
    char last[WORD_SIZE];
    for (const char *thing = known->things; thing < known->things + known->things_size; thing += strlen(thing) + 1)
        if (!strcmp(last_word(thing, last), word)) LT_TRY(tell(near, thing));
    return LT_OK;
}

lt_status lt_known_ask(const lt_known *known, const char *prompt, lt_buffer *unknown, lt_buffer *near) {
    told beyond = {unknown, 0}, things = {near, 0};
    char word[WORD_SIZE];
    if (!known->words) return LT_OK;
    const char *at = prompt;
    for (int i = 0; i < MOST_ASKED && beyond.count < MOST_TOLD && next_word(&at, word); i++) {
        if (is_known(known, word)) continue;
        LT_TRY(tell(&beyond, word));
        LT_TRY(tell_alike(known, word, &things));
    }
    at = prompt;
    for (int i = 0; i < MOST_ASKED && beyond.count && things.count < MOST_TOLD && next_word(&at, word); i++)
        if (is_known(known, word)) LT_TRY(tell_called(known, word, &things));
    return LT_OK;
}
