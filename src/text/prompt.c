/* Prompts: from text to the chunks of 77 tokens, each with a weight, that the text encoder takes.
 *
 * The syntax is that of A1111's web UI 1.10, as its parse_prompt_attention and tokenize_line have it:
 *
 *   (text)       multiplies the weight of text by 1.1; brackets nest
 *   [text]       divides it by 1.1
 *   (text:1.3)   multiplies it by 1.3: a sign or none, digits and a dot, with white space around them or none
 *   \( \) \[ \] \\  stand for the character; any other \ vanishes
 *   BREAK        as a word, in capitals, ends the chunk. In brackets that change its weight it is an ordinary word
 *
 * A number belongs to the innermost open "(", so that [text:1.3] is [text] with those characters.
 * A closing bracket with none open is text; an open one that is never closed reaches to the end. Stretches of the same
 * weight that follow one another are tokenized as one text. A chunk has 75 tokens of the prompt. Where it is full and a
 * comma was among its last 20 (that UI's default), the tokens after the last comma move to the next chunk. Where
 * padding is another token than the end (SD 2.x), all that follows a chunk's first end token is padding.
 *
 * Here, and not there: what has two dots or no digit is not a number, so that (a:1.2.3) is (text) where that UI stops
 * with an error. Brackets nested over MAX_DEPTH deep must match but weigh nothing, so that time stays linear. Weights
 * are kept finite. What makes several prompts out of one, and <…>, is taken out before (unserved_syntax.c). */
#include "text/text.h"
#include "text/unicode.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum {
    MAX_DEPTH = 256,      /* 1.1^256 is 4e10: far beyond what makes a picture */
    COMMA = 267,          /* the token of a comma that is a word: ",</w>" */
    COMMA_BACKTRACK = 20, /* how many tokens before a chunk's end a comma is looked for */
    START_PLACE = 1,      /* where a chunk's own tokens start */
    BREAK_SIZE = 5
};

static const char BREAK[] = "BREAK";
static const double ROUND = 1.1, SQUARE = 1 / 1.1;

/* ---- Weighted stretches of text ---- */

typedef struct stretch {
    size_t begin; /* its text reaches to the next one's begin */
    double weight;
} stretch;

/* Where each open bracket of a kind stands: the number of stretches before it. */
typedef struct brackets {
    size_t open; /* may be over MAX_DEPTH */
    size_t at[MAX_DEPTH];
} brackets;

typedef struct parser {
    lt_buffer text; /* what is left of the prompt without its syntax */
    stretch *stretches;
    size_t count, capacity;
    brackets round, square;
} parser;

static lt_status add_stretch(parser *p, const char *text, size_t size, double weight) {
    if (p->count == p->capacity) {
        const size_t capacity = lt_max(2 * p->capacity, 16);
        stretch *grown = lt_realloc(p->stretches, p->count * sizeof *grown, capacity * sizeof *grown);
        if (!grown) return LT_ERROR_MEMORY;
        p->stretches = grown;
        p->capacity = capacity;
    }
    p->stretches[p->count++] = (stretch){p->text.size, weight};
    return lt_buffer_append(&p->text, text, size);
}

static void multiply_from(parser *p, size_t first, double factor) {
    for (size_t i = first; i < p->count; i++) p->stretches[i].weight *= factor;
}

static void open_bracket(const parser *p, brackets *b) {
    if (b->open < MAX_DEPTH) b->at[b->open] = p->count;
    b->open++;
}

static void close_bracket(parser *p, brackets *b, double factor) {
    b->open--;
    if (b->open < MAX_DEPTH) multiply_from(p, b->at[b->open], factor);
}

/* What Python calls white space: the tokenizer's, and the four information separators. */
static bool is_space(int32_t code) {
    return lt_unicode_class(code) == LT_CLASS_SPACE || (code >= 0x1c && code <= 0x1f);
}

/* The first byte from `at` on that begins no white space. */
static size_t skip_space(const char *text, size_t size, size_t at) {
    while (at < size) {
        int32_t code;
        const size_t length = lt_utf8_decode(text + at, size - at, &code);
        if (!is_space(code)) break;
        at += length;
    }
    return at;
}

/* The first BREAK of text [at, size) that is a word, or size. */
static size_t find_break(const char *text, size_t size, size_t at) {
    for (const char *found; (found = memmem(text + at, size - at, BREAK, BREAK_SIZE)) != NULL; at++) {
        at = (size_t)(found - text);
        if (lt_is_whole_word(text, size, at, BREAK)) return at;
    }
    return size;
}

/* Text without brackets, parted at each BREAK, which takes the white space around it along. */
static lt_status add_text(parser *p, const char *text, size_t size) {
    size_t begin = 0;
    for (size_t at; (at = find_break(text, size, begin)) < size;) {
        size_t end = at, before;
        while (end > begin && is_space(lt_utf8_decode_before(text, end, &before))) end = before;
        LT_TRY(add_stretch(p, text + begin, end - begin, 1));
        LT_TRY(add_stretch(p, BREAK, BREAK_SIZE, -1));
        begin = skip_space(text, size, at + BREAK_SIZE);
    }
    return add_stretch(p, text + begin, size - begin, 1);
}

/* Reads digits of any script with at most one dot among them from byte *at on: exact up to 15 digits, as near as
 * doubles get beyond. Not strtod: that follows the locale. */
static bool read_number(const char *s, size_t size, size_t *at, double *number) {
    double value = 0, times = 1, by = 1; /* the number is value · times / by */
    size_t digits = 0, dots = 0;
    while (*at < size) {
        int32_t code;
        const size_t length = lt_utf8_decode(s + *at, size - *at, &code);
        const int digit = lt_unicode_digit(code);
        if (code != '.' && digit < 0) break;
        *at += length;
        dots += code == '.';
        digits += digit >= 0;
        if (digit < 0) continue;
        const bool full = value >= 1e17; /* further digits don't show in a double */
        if (!full) value = value * 10 + digit;
        if (full && dots == 0) times *= 10;
        if (!full && dots > 0) by *= 10;
    }
    *number = value * times / by;
    return digits > 0 && dots <= 1;
}

/* The length of ":1.3)" at s, or 0. */
static size_t weight_at(const char *s, size_t size, double *weight) {
    size_t at = skip_space(s, size, 1);
    const char sign = at < size ? s[at] : '\0';
    if (sign == '+' || sign == '-') at++;
    if (!read_number(s, size, &at, weight)) return 0;
    if (sign == '-') *weight = -*weight;
    at = skip_space(s, size, at);
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

/* ---- Chunks ---- */

typedef struct chunks {
    lt_prompt prompt;
    lt_vector_words words;
    size_t capacity;    /* in chunks */
    bool open;          /* the last chunk takes further tokens */
    size_t used;        /* tokens in the last chunk */
    size_t after_comma; /* the tokens of the last chunk up to and with its last comma; 0: it has none */
} chunks;

static lt_status add_chunk(chunks *c) {
    lt_prompt *p = &c->prompt;
    if (p->chunks == c->capacity) {
        const size_t row = LT_CONTEXT_TOKENS, capacity = lt_max(2 * c->capacity, 1);
        int32_t *ids = lt_realloc(p->ids, p->chunks * row * sizeof *ids, capacity * row * sizeof *ids);
        if (!ids) return LT_ERROR_MEMORY;
        p->ids = ids;
        float *weights = lt_realloc(p->weights, p->chunks * row * sizeof *weights, capacity * row * sizeof *weights);
        if (!weights) return LT_ERROR_MEMORY;
        p->weights = weights;
        c->capacity = capacity;
    }
    const size_t first = p->chunks++ * LT_CONTEXT_TOKENS;
    for (size_t i = first; i < first + LT_CONTEXT_TOKENS; i++) {
        p->ids[i] = i == first ? LT_TOKEN_START : LT_TOKEN_END;
        p->weights[i] = 1;
    }
    c->used = c->after_comma = 0;
    c->open = true;
    return LT_OK;
}

/* Starts a chunk with the tokens that follow the last chunk's last comma. */
static lt_status move_after_comma(chunks *c) {
    const size_t stays = c->after_comma, moves = c->used - stays;
    LT_TRY(add_chunk(c));
    int32_t *ids = c->prompt.ids + (c->prompt.chunks - 1) * LT_CONTEXT_TOKENS + START_PLACE;
    float *weights = c->prompt.weights + (c->prompt.chunks - 1) * LT_CONTEXT_TOKENS + START_PLACE;
    for (size_t to = 0; to < moves; to++) {
        int32_t *id = ids + to - LT_CONTEXT_TOKENS + stays;
        float *weight = weights + to - LT_CONTEXT_TOKENS + stays;
        ids[to] = *id;
        weights[to] = *weight;
        *id = LT_TOKEN_END;
        *weight = 1;
    }
    c->used = moves;
    return LT_OK;
}

/* Opens another chunk where the last one has no room for count tokens, of which the first may be a comma. */
static lt_status make_room(chunks *c, size_t count, bool comma) {
    const bool full = c->open && c->used == LT_CHUNK_TOKENS;
    const bool comma_near = c->after_comma > 0 && c->used - c->after_comma < COMMA_BACKTRACK;
    if (full && comma_near && !comma)
        LT_TRY(move_after_comma(c));
    else if (full || !c->open)
        LT_TRY(add_chunk(c));
    return c->used + count > LT_CHUNK_TOKENS ? add_chunk(c) : LT_OK;
}

static void put(chunks *c, int32_t id, float weight) {
    const size_t place = (c->prompt.chunks - 1) * LT_CONTEXT_TOKENS + START_PLACE + c->used++;
    c->prompt.ids[place] = id;
    c->prompt.weights[place] = weight;
    if (id == COMMA) c->after_comma = c->used;
}

static lt_status add_token(chunks *c, int32_t id, float weight) {
    LT_TRY(make_room(c, 1, id == COMMA));
    put(c, id, weight);
    return LT_OK;
}

static lt_status add_vectors(chunks *c, const lt_vector_word *word, float weight) {
    LT_TRY(make_room(c, word->vectors, false));
    for (size_t i = 0; i < word->vectors; i++) put(c, -1 - (int32_t)(word->row + i), weight);
    return LT_OK;
}

/* The word that begins at token i, or NULL. */
static const lt_vector_word *word_at(const chunks *c, const lt_tokens *tokens, size_t i) {
    for (size_t k = 0; k < c->words.count; k++) {
        const lt_vector_word *w = &c->words.items[k];
        if (w->count && w->count <= tokens->count - i && !memcmp(w->ids, tokens->ids + i, w->count * sizeof *w->ids))
            return w;
    }
    return NULL;
}

/* A weight that float32 holds: what is beyond its range stops there, and what is no number (0 times infinity) counts
 * as 1. */
static float as_float(double weight) {
    if (isnan(weight)) return 1;
    return weight > FLT_MAX ? FLT_MAX : weight < -FLT_MAX ? -FLT_MAX : (float)weight;
}

/* A BREAK ends the chunk that is open, or else an empty one. */
static lt_status end_chunk(chunks *c) {
    if (!c->open) LT_TRY(add_chunk(c));
    c->open = false;
    return LT_OK;
}

/* Adds the tokens of a text that is all of one weight. */
static lt_status add_weighted(chunks *c, const lt_tokenizer *tokenizer, const char *text, double weight) {
    if (weight == -1 && strcmp(text, BREAK) == 0) return end_chunk(c);
    lt_tokens tokens;
    LT_TRY(lt_tokenizer_read(tokenizer, text, &tokens));
    lt_status status = LT_OK;
    for (size_t i = 0; i < tokens.count && !status;) {
        const lt_vector_word *word = word_at(c, &tokens, i);
        status = word ? add_vectors(c, word, as_float(weight)) : add_token(c, tokens.ids[i], as_float(weight));
        i += word ? word->count : 1;
    }
    lt_tokens_free(&tokens);
    return status;
}

/* The parsed prompt's stretches, those of one weight joined, as chunks. */
static lt_status fill(chunks *c, const lt_tokenizer *tokenizer, parser *p) {
    for (size_t i = 0, next; i < p->count; i = next) {
        const double weight = p->stretches[i].weight;
        for (next = i + 1; next < p->count && p->stretches[next].weight == weight;) next++;
        const size_t begin = p->stretches[i].begin, end = next < p->count ? p->stretches[next].begin : p->text.size;
        if (begin == end) continue;
        const char after = p->text.data[end];
        p->text.data[end] = '\0';
        LT_TRY(add_weighted(c, tokenizer, p->text.data + begin, weight));
        p->text.data[end] = after;
    }
    return c->prompt.chunks ? LT_OK : add_chunk(c);
}

static void pad_after_end(lt_prompt *p, int32_t pad) {
    for (size_t chunk = 0; chunk < p->chunks; chunk++) {
        int32_t *ids = p->ids + chunk * LT_CONTEXT_TOKENS;
        size_t i = 0;
        while (ids[i] != LT_TOKEN_END) i++; /* each chunk's last token is an end */
        for (i++; i < LT_CONTEXT_TOKENS; i++) ids[i] = pad;
    }
}

static lt_status parse_served(const lt_tokenizer *tokenizer, const char *text, int32_t pad, chunks *c) {
    parser p = {0};
    lt_status status = parse(&p, text);
    if (!status) status = fill(c, tokenizer, &p);
    if (!status && pad != LT_TOKEN_END) pad_after_end(&c->prompt, pad);
    lt_buffer_free(&p.text);
    lt_free(p.stretches);
    return status;
}

static lt_status parse_syntax(const lt_tokenizer *tokenizer, const char *text, int32_t pad, chunks *c) {
    lt_buffer served, unserved;
    lt_status status = lt_prompt_serve(text, &served, &unserved);
    if (!status) status = parse_served(tokenizer, served.data, pad, c);
    lt_buffer_free(&served);
    c->prompt.unserved = unserved.data;
    return status;
}

/* ---- Plain prompts ---- */

static lt_status parse_plain(const lt_tokenizer *tokenizer, const char *text, int32_t pad, chunks *c) {
    lt_tokens tokens;
    LT_TRY(add_chunk(c));
    LT_TRY(lt_tokenizer_read(tokenizer, text, &tokens));
    const size_t kept = lt_min(tokens.count, LT_CHUNK_TOKENS);
    for (size_t i = 0; i < kept; i++) c->prompt.ids[START_PLACE + i] = tokens.ids[i];
    for (size_t i = START_PLACE + kept + 1; i < LT_CONTEXT_TOKENS; i++) c->prompt.ids[i] = pad;
    lt_status status = LT_OK;
    if (tokens.count > kept) {
        const char *rest = text + tokens.ends[kept - 1];
        c->prompt.cut = lt_strdup(rest + strspn(rest, " \t\r\n"));
        if (!c->prompt.cut) status = LT_ERROR_MEMORY;
    }
    lt_tokens_free(&tokens);
    return status;
}

static lt_status finish(lt_status status, chunks *c, lt_prompt *prompt) {
    *prompt = c->prompt;
    if (status) lt_prompt_free(prompt);
    return status;
}

lt_status lt_prompt_parse(const lt_tokenizer *tokenizer, const char *text, bool syntax, int32_t pad,
                          lt_prompt *prompt) {
    chunks c = {0};
    return finish(syntax ? parse_syntax(tokenizer, text, pad, &c) : parse_plain(tokenizer, text, pad, &c), &c, prompt);
}

lt_status lt_prompt_parse_words(const lt_tokenizer *tokenizer, lt_vector_words words, const char *text, int32_t pad,
                                lt_prompt *prompt) {
    chunks c = {.words = words};
    return finish(parse_syntax(tokenizer, text, pad, &c), &c, prompt);
}

void lt_prompt_free(lt_prompt *prompt) {
    lt_free(prompt->ids);
    lt_free(prompt->weights);
    lt_free(prompt->cut);
    lt_free(prompt->unserved);
    *prompt = (lt_prompt){0};
}

/* ---- Emphasis ---- */

static double mean(const float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    return sum / (double)n;
}

void lt_prompt_weigh(const lt_prompt *prompt, float *context, size_t width) {
    const size_t size = LT_CONTEXT_TOKENS * width;
    for (size_t chunk = 0; chunk < prompt->chunks; chunk++) {
        const float *weights = prompt->weights + chunk * LT_CONTEXT_TOKENS;
        float *z = context + chunk * size; /* [77, width] */
        bool weighed = false;
        for (size_t t = 0; t < LT_CONTEXT_TOKENS; t++) weighed = weighed || weights[t] != 1;
        if (!weighed) continue;
        double weighed_sum = 0;
        for (size_t t = 0; t < LT_CONTEXT_TOKENS; t++) weighed_sum += weights[t] * mean(z + t * width, width);
        /* Where the mean became 0 there is no way back to it, and where it nearly did, none that float32 holds. */
        const double ratio = mean(z, size) / (weighed_sum / LT_CONTEXT_TOKENS);
        const double restore = fabs(ratio) <= FLT_MAX ? ratio : 1;
        for (size_t t = 0; t < LT_CONTEXT_TOKENS; t++)
            for (size_t i = 0; i < width; i++) z[t * width + i] = (float)(z[t * width + i] * (weights[t] * restore));
    }
}
