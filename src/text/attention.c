/* The weights that a prompt gives its words. */
#include "text/attention.h"

#include "text/number.h"
#include "text/unicode.h"

#include <string.h>

enum { MAX_DEPTH = 256, /* 1.1^256 is 4e10: far beyond what makes a picture */ BREAK_SIZE = 5 };

static const char BREAK[] = "BREAK";
static const double ROUND = 1.1, SQUARE = 1 / 1.1;

/* ---- Stretches ---- */

/* Where each open bracket of a kind stands: the number of stretches before it. */
typedef struct brackets {
    size_t open; /* may be over MAX_DEPTH */
    size_t at[MAX_DEPTH];
} brackets;

typedef struct parser {
    lt_attention *to;
    brackets round, square;
} parser;

static lt_status add_stretch(parser *p, const char *text, size_t size, double weight) {
    lt_attention *a = p->to;
    LT_TRY(LT_GROW(a->items, a->count, a->capacity));
    a->items[a->count++] = (lt_stretch){a->text.size, weight};
    return lt_buffer_append(&a->text, text, size);
}

static void multiply_from(parser *p, size_t first, double factor) {
    for (size_t i = first; i < p->to->count; i++) p->to->items[i].weight *= factor;
}

static void open_bracket(const parser *p, brackets *b) {
    if (b->open < MAX_DEPTH) b->at[b->open] = p->to->count;
    b->open++;
}

static void close_bracket(parser *p, brackets *b, double factor) {
    b->open--;
    if (b->open < MAX_DEPTH) multiply_from(p, b->at[b->open], factor);
}

/* Text without brackets, parted at each BREAK, which takes the white space around it along. */
static lt_status add_text(parser *p, const char *text, size_t size) {
    size_t begin = 0;
    for (size_t at; (at = lt_find_word(text, size, begin, BREAK)) < size;) {
        LT_TRY(add_stretch(p, text + begin, lt_skip_space_before(text, begin, at) - begin, 1));
        LT_TRY(add_stretch(p, BREAK, BREAK_SIZE, -1));
        begin = lt_skip_space(text, size, at + BREAK_SIZE);
    }
    return add_stretch(p, text + begin, size - begin, 1);
}

/* The length of ":1.3)" at s, or 0. */
static size_t weight_at(const char *s, size_t size, double *weight) {
    size_t at = lt_skip_space(s, size, 1);
    if (!lt_signed_read(s, size, &at, weight)) return 0;
    at = lt_skip_space(s, size, at);
    return at < size && s[at] == ')' ? at + 1 : 0;
}

/* Reads one piece of syntax or one run of text at s, and returns its length in *length. */
static lt_status parse_piece(parser *p, const char *s, size_t size, size_t *length) {
    double weight;
    *length = 1;
    switch (*s) {
    case '\\':
        if (size < 2 || !strchr("()[]\\", s[1])) return add_stretch(p, "", 0, 1);
        *length = 2;
        return add_stretch(p, s + 1, 1, 1);
    case '(': open_bracket(p, &p->round); return LT_OK;
    case '[': open_bracket(p, &p->square); return LT_OK;
    case ')':
        if (p->round.open == 0) return add_stretch(p, s, 1, 1);
        close_bracket(p, &p->round, ROUND);
        return LT_OK;
    case ']':
        if (p->square.open == 0) return add_stretch(p, s, 1, 1);
        close_bracket(p, &p->square, SQUARE);
        return LT_OK;
    case ':':
        *length = lt_max(weight_at(s, size, &weight), 1);
        if (*length == 1 || p->round.open == 0) return add_stretch(p, s, *length, 1);
        close_bracket(p, &p->round, weight);
        return LT_OK;
    default: *length = strcspn(s, "\\()[]:"); return add_text(p, s, *length);
    }
}

static void close_all(parser *p, brackets *b, double factor) {
    for (size_t i = 0; i < lt_min(b->open, MAX_DEPTH); i++) multiply_from(p, b->at[i], factor);
}

static lt_status parse(parser *p, const char *text) {
    const size_t size = strlen(text);
    for (size_t at = 0, length; at < size; at += length) LT_TRY(parse_piece(p, text + at, size - at, &length));
    close_all(p, &p->round, ROUND);
    close_all(p, &p->square, SQUARE);
    return LT_OK;
}

/* ---- All of it ---- */

/* Stretches of the same weight that follow one another become one. */
static void join_alike(lt_attention *a) {
    size_t kept = 0;
    for (size_t i = 0; i < a->count; i++)
        if (!kept || a->items[kept - 1].weight != a->items[i].weight) a->items[kept++] = a->items[i];
    a->count = kept;
}

lt_status lt_attention_read(const char *text, bool literal, lt_attention *attention) {
    *attention = (lt_attention){0};
    parser p = {.to = attention};
    if (literal) return add_stretch(&p, text, strlen(text), 1);
    LT_TRY(parse(&p, text));
    if (!attention->count) return add_stretch(&p, "", 0, 1);
    join_alike(attention);
    return LT_OK;
}

void lt_attention_free(lt_attention *attention) {
    lt_buffer_free(&attention->text);
    lt_free(attention->items);
    *attention = (lt_attention){0};
}

bool lt_stretch_breaks(const lt_attention *a, size_t i) {
    const lt_stretch *s = &a->items[i];
    return s->weight == -1 && lt_stretch_end(a, i) - s->begin == BREAK_SIZE &&
           !memcmp(a->text.data + s->begin, BREAK, BREAK_SIZE);
}
