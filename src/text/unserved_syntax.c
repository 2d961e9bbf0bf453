/* What the web UIs take out of a prompt before they weigh its words, as A1111's web UI 1.10 reads it:
 *
 *   <name:arguments>                         an extra network (extra_networks.py)
 *   [from:to:when]  [to:when]  [from::when]  editing (prompt_parser.py); when is a number
 *   [a|b]                                    alternation
 *   a :1.2 AND b :0.8                        several prompts at once
 *
 * None of it is served here. A network is left out; of the others the first text that isn't blank is kept, without its
 * weight, and AND ends the prompt. Brackets nested over MAX_DEPTH deep are left as they are: time stays linear. */
#include "text/text.h"
#include "text/unicode.h"

#include <string.h>

enum { MAX_DEPTH = 256, TOLD_SIZE = 200 }; /* bytes after which no more is told */

static const char AND[] = "AND", SPACES[] = " \t\n\v\f\r", DIGITS[] = "0123456789";

typedef struct span {
    size_t begin, end;
} span;

typedef struct bracket {
    bool square;
    size_t source;    /* where it opens in the prompt */
    size_t text;      /* where its text begins in what is kept */
    size_t part;      /* where that text's last part begins */
    span first;       /* the first of its parts that isn't blank */
    int colons, bars; /* what parts it */
} bracket;

typedef struct reader {
    const char *text;
    size_t size;
    bool closed; /* a '>' follows, as far as is known */
    lt_buffer kept, told;
    bracket open[MAX_DEPTH];
    size_t depth;
} reader;

static bool is_one_of(const char *set, char c) { return c && strchr(set, c); }

static bool is_blank(const char *text, span s) {
    while (s.begin < s.end && is_one_of(SPACES, text[s.begin])) s.begin++;
    return s.begin == s.end;
}

static lt_status keep(reader *r, size_t at, size_t length) { return lt_buffer_append(&r->kept, r->text + at, length); }

static void cut(reader *r, size_t size) {
    r->kept.size = size;
    if (r->kept.data) r->kept.data[size] = '\0';
}

static lt_status tell(reader *r, size_t begin, size_t end) {
    if (r->told.size >= TOLD_SIZE) return LT_OK;
    if (r->told.size > 0) LT_TRY(lt_buffer_append(&r->told, ", ", 2));
    return lt_buffer_append(&r->told, r->text + begin, lt_min(end - begin, TOLD_SIZE));
}

/* ---- Networks ---- */

static bool is_name(char c) {
    return (c & 0x80) || c == '_' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

/* The length of the network that a '<' begins, or 0. */
static size_t network_at(reader *r, size_t at) {
    size_t name = at + 1;
    while (name < r->size && is_name(r->text[name])) name++;
    if (name == at + 1 || name == r->size || r->text[name] != ':' || !r->closed) return 0;
    const char *close = memchr(r->text + name, '>', r->size - name);
    r->closed = close != NULL;
    return close && close > r->text + name + 1 ? (size_t)(close - r->text) + 1 - at : 0;
}

/* ---- Editing and alternation ---- */

/* Where the number begins that text [begin, end) ends in, white space around it with it; or else end. */
static size_t number_before(const char *text, size_t begin, size_t end) {
    size_t at = end, digits = 0;
    while (at > begin && is_one_of(SPACES, text[at - 1])) at--;
    for (; at > begin && (text[at - 1] == '.' || is_one_of(DIGITS, text[at - 1])); at--) digits += text[at - 1] != '.';
    if (digits == 0) return end;
    if (at > begin && is_one_of("+-", text[at - 1])) at--;
    while (at > begin && is_one_of(SPACES, text[at - 1])) at--;
    return at;
}

static void open_bracket(reader *r, size_t at) {
    const size_t text = r->kept.size + 1;
    if (r->depth < MAX_DEPTH)
        r->open[r->depth] = (bracket){.square = r->text[at] == '[', .source = at, .text = text, .part = text};
    r->depth++;
}

static void end_part(reader *r, bracket *b) {
    const span part = {b->part, r->kept.size};
    if (b->first.end == 0 && !is_blank(r->kept.data, part)) b->first = part;
    b->part = r->kept.size + 1;
}

static void part_bracket(reader *r, char separator) {
    if (r->depth == 0 || r->depth > MAX_DEPTH || !r->open[r->depth - 1].square) return;
    bracket *b = &r->open[r->depth - 1];
    end_part(r, b);
    b->colons += separator == ':';
    b->bars += separator == '|';
}

/* Puts the first part of a bracket in the place of all of it. */
static lt_status keep_first(reader *r, const bracket *b, size_t at) {
    const size_t length = b->first.end - b->first.begin, begin = b->text - 1;
    memmove(r->kept.data + begin, r->kept.data + b->first.begin, length);
    cut(r, begin + length);
    return tell(r, b->source, at + 1);
}

static lt_status close_square(reader *r, bracket *b, size_t at) {
    const bool number = r->kept.size > b->part && number_before(r->kept.data, b->part, r->kept.size) == b->part;
    if (b->bars > 0) end_part(r, b);
    if (b->bars > 0 || (number && (b->colons == 1 || b->colons == 2))) return keep_first(r, b, at);
    return keep(r, at, 1);
}

static lt_status close_bracket(reader *r, size_t at) {
    const bool square = r->text[at] == ']';
    if (r->depth > MAX_DEPTH)
        r->depth--;
    else if (r->depth > 0 && r->open[r->depth - 1].square == square) {
        bracket *b = &r->open[--r->depth];
        if (square) return close_square(r, b, at);
    }
    return keep(r, at, 1);
}

/* ---- Several prompts ---- */

/* What an AND ends loses the weight at its end; a blank text is none, and the prompt begins after it. */
static lt_status end_prompt(reader *r, size_t at, size_t *length) {
    if (is_blank(r->kept.data, (span){0, r->kept.size})) {
        cut(r, 0);
        *length = sizeof AND - 1;
        return tell(r, at, at + *length);
    }
    const size_t number = number_before(r->kept.data, 0, r->kept.size);
    if (number > 0 && number < r->kept.size && r->kept.data[number - 1] == ':') cut(r, number - 1);
    *length = r->size - at;
    return tell(r, at, r->size);
}

/* ---- All of it ---- */

static lt_status read_piece(reader *r, size_t at, size_t *length) {
    *length = 1;
    switch (r->text[at]) {
    case '\\':
        *length = at + 1 < r->size && is_one_of("\\()[]:|", r->text[at + 1]) ? 2 : 1;
        return keep(r, at, *length);
    case '<':
        *length = network_at(r, at);
        if (*length > 0) return tell(r, at, at + *length);
        *length = 1;
        return keep(r, at, 1);
    case '(':
    case '[': open_bracket(r, at); return keep(r, at, 1);
    case ')':
    case ']': return close_bracket(r, at);
    case ':':
    case '|': part_bracket(r, r->text[at]); return keep(r, at, 1);
    case 'A':
        if (lt_is_whole_word(r->text, r->size, at, AND)) return end_prompt(r, at, length);
        return keep(r, at, 1);
    default: *length = strcspn(r->text + at, "\\<()[]:|A"); return keep(r, at, *length);
    }
}

lt_status lt_prompt_serve(const char *text, lt_buffer *kept, lt_buffer *told) {
    reader r = {.text = text, .size = strlen(text), .closed = true};
    lt_status status = lt_buffer_append(&r.kept, "", 0);
    for (size_t at = 0, length; !status && at < r.size; at += length) status = read_piece(&r, at, &length);
    *kept = r.kept;
    *told = r.told;
    return status;
}
