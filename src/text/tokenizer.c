/* CLIP's byte-pair tokenizer, as transformers' CLIPTokenizer (version 5, on the tokenizers library).
 *
 * A text goes through these steps:
 *   1. `<|startoftext|>` and `<|endoftext|>`, spelled exactly so, are tokens of their own and part the text.
 *   2. What is between them is composed (NFC) and put in lower case (unicode.c). The reference also makes each run of
 * white space one space; as white space only ever separates words, that changes no token.
 *   3. It is split into words: 's 't 're 've 'm 'll 'd, runs of letters, single digits, runs of anything else but white
 * space.
 *   4. Each byte of a word becomes a symbol, the last one marked as the end of a word ("</w>"), and neighbours are
 * merged, the pair that stands first in the merge list first, the leftmost of equals first, until no pair is in the
 * list (Sennrich et al. 2016).
 *
 * Ids: 0 to 255 a byte, 256 to 511 a byte that ends a word, from 512 the merges in the order of their list, then start
 * and end. So a merge's id is also its rank. */
#include "text/text.h"
#include "text/unicode.h"

#include <string.h>

enum {
    BYTES = 256,
    FIRST_MERGE = 2 * BYTES,
    MERGES = LT_TOKEN_START - FIRST_MERGE, /* 48,894 */
    TABLE_BITS = 17,                       /* both hash tables: under 40% full */
    TABLE_SIZE = 1 << TABLE_BITS,
    MAX_TEXT = 1 << 28 /* bytes of one text; NFC and lower case make at most 4 times that, which 32 bits hold */
};

static const uint32_t NONE = UINT32_MAX;

typedef struct merge {
    uint32_t pair; /* left id · 2^16 + right id */
    uint32_t id;   /* 0: an empty place */
} merge;

struct lt_tokenizer {
    uint16_t byte_id[BYTES];
    merge merges[TABLE_SIZE];
};

/* ---- The merge table ---- */

/* Where the search for a pair begins: the high bits of a multiplicative hash (Knuth, The Art of Computer
 * Programming 6.4). */
static size_t pair_place(uint32_t pair) { return (pair * UINT32_C(0x9e3779b1)) >> (32 - TABLE_BITS); }

/* The id that left and right merge to, or 0. */
static uint32_t merged(const lt_tokenizer *t, uint32_t left, uint32_t right) {
    const uint32_t pair = left << 16 | right;
    size_t place = pair_place(pair);
    while (t->merges[place].id && t->merges[place].pair != pair) place = (place + 1) % TABLE_SIZE;
    return t->merges[place].id;
}

/* ---- Creation: the merge list names tokens by their text, so texts are looked up once, here ---- */

typedef struct token_text {
    uint32_t offset, size; /* of names.text */
} token_text;

typedef struct names {
    char *text; /* every token's text, one after the other */
    size_t size;
    token_text tokens[LT_TOKEN_START]; /* by id */
    uint32_t count;
    uint32_t places[TABLE_SIZE]; /* by hash: id + 1, or 0 */
} names;

/* Where a token's text is, or the empty place where it would be; a token's text is first and then second. */
static uint32_t *name_place(names *n, const char *first, size_t first_size, const char *second, size_t second_size) {
    uint32_t hash = UINT32_C(0x811c9dc5); /* FNV-1a */
    for (size_t i = 0; i < first_size; i++) hash = (hash ^ (uint8_t)first[i]) * UINT32_C(0x01000193);
    for (size_t i = 0; i < second_size; i++) hash = (hash ^ (uint8_t)second[i]) * UINT32_C(0x01000193);
    for (size_t place = (hash ^ hash >> TABLE_BITS) % TABLE_SIZE;; place = (place + 1) % TABLE_SIZE) {
        if (n->places[place] == 0) return &n->places[place];
        const token_text found = n->tokens[n->places[place] - 1];
        if (found.size == first_size + second_size && memcmp(n->text + found.offset, first, first_size) == 0 &&
            memcmp(n->text + found.offset + first_size, second, second_size) == 0)
            return &n->places[place];
    }
}

/* Gives the next id to the text first + second. False if it has one. */
static bool name_add(names *n, const char *first, size_t first_size, const char *second, size_t second_size) {
    uint32_t *place = name_place(n, first, first_size, second, second_size);
    if (*place) return false;
    n->tokens[n->count] = (token_text){(uint32_t)n->size, (uint32_t)(first_size + second_size)};
    memcpy(n->text + n->size, first, first_size);
    memcpy(n->text + n->size + first_size, second, second_size);
    n->size += first_size + second_size;
    *place = ++n->count;
    return true;
}

/* The list shows each byte as a printable character: ! to ~, ¡ to ¬ and ® to ÿ as themselves, the other 68 from U+0100
 * on. Ids follow that order too. */
static void add_bytes(lt_tokenizer *t, names *n) {
    static const char *const endings[] = {"", "</w>"};
    uint8_t order[BYTES];
    size_t shown = 0, count = 0;
    for (int b = 0; b < BYTES; b++)
        if ((b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae) order[count++] = (uint8_t)b;
    shown = count;
    for (int b = 0; b < BYTES; b++)
        if (!((b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae)) order[count++] = (uint8_t)b;
    for (size_t i = 0; i < BYTES; i++) t->byte_id[order[i]] = (uint16_t)i;
    for (size_t e = 0; e < LT_COUNT(endings); e++)
        for (size_t i = 0; i < BYTES; i++) {
            uint8_t character[4];
            const size_t size = lt_utf8_encode(i < shown ? order[i] : (int32_t)(BYTES + i - shown), character);
            name_add(n, (const char *)character, size, endings[e], strlen(endings[e]));
        }
}

/* One line of the list: "left right". */
static lt_status add_merge(lt_tokenizer *t, names *n, const char *line, size_t size) {
    const size_t number = n->count - FIRST_MERGE + 1;
    const char *space = memchr(line, ' ', size);
    const char *right = space ? space + 1 : line;
    const size_t left_size = space ? (size_t)(space - line) : 0, right_size = (size_t)(line + size - right);
    const uint32_t left_id = *name_place(n, line, left_size, "", 0);
    const uint32_t right_id = *name_place(n, right, right_size, "", 0);
    if (!space || !left_id || !right_id)
        return lt_fail(LT_ERROR_FORMAT, "merge list: line %zu is not two known tokens with a space between them",
                       number);
    if (!name_add(n, line, left_size, right, right_size))
        return lt_fail(LT_ERROR_FORMAT, "merge list: line %zu makes a token that was there already", number);
    const uint32_t pair = (left_id - 1) << 16 | (right_id - 1);
    size_t place = pair_place(pair);
    while (t->merges[place].id) place = (place + 1) % TABLE_SIZE;
    t->merges[place] = (merge){pair, n->count - 1};
    return LT_OK;
}

static lt_status add_merges(lt_tokenizer *t, names *n, const char *merges, size_t size) {
    size_t lines = 0;
    for (size_t at = 0; at < size; lines++) {
        if (lines == MERGES)
            return lt_fail(LT_ERROR_FORMAT, "merge list: it has over %d lines, CLIP's has that many", MERGES);
        const char *end = memchr(merges + at, '\n', size - at);
        const size_t line_size = end ? (size_t)(end - (merges + at)) : size - at;
        LT_TRY(add_merge(t, n, merges + at, line_size));
        at += line_size + 1;
    }
    if (lines < MERGES)
        return lt_fail(LT_ERROR_FORMAT, "merge list: it has %zu line%s, CLIP's has %d", lines, LT_S(lines), MERGES);
    return LT_OK;
}

lt_status lt_tokenizer_create(const char *merges, size_t size, lt_tokenizer **tokenizer) {
    enum { BYTE_NAMES = 2 * BYTES * 6 }; /* at most 2 bytes and "</w>" each */
    *tokenizer = NULL;
    if (size > MAX_TEXT)
        return lt_fail(LT_ERROR_FORMAT, "merge list: %zu bytes are too many: CLIP's has half a million", size);
    lt_status status = LT_ERROR_MEMORY;
    lt_tokenizer *t = lt_calloc(1, sizeof *t);
    names *n = t ? lt_calloc(1, sizeof *n) : NULL;
    if (n) n->text = lt_alloc(BYTE_NAMES + size);
    if (n && n->text) {
        add_bytes(t, n);
        status = add_merges(t, n, merges, size);
    }
    if (n) lt_free(n->text);
    lt_free(n);
    if (!status)
        *tokenizer = t;
    else
        lt_tokenizer_free(t);
    return status;
}

void lt_tokenizer_free(lt_tokenizer *tokenizer) { lt_free(tokenizer); }

/* ---- Tokens, as they are found ---- */

/* A byte of a word, or the token that begins at it. */
typedef struct symbol {
    uint32_t id; /* NONE: swallowed by the symbol before */
    uint32_t previous, next;
    uint32_t end; /* where, in the source text, the last character ends that is complete with this byte */
} symbol;

typedef struct encoder {
    const lt_tokenizer *tokenizer;
    lt_characters characters;
    symbol *symbols; /* [bytes of the longest word so far] */
    uint64_t *heap;  /* [3 · bytes]: merges that may be made, id · 2^32 + position, the least on top */
    size_t capacity, heap_count;
    lt_tokens tokens;
    size_t tokens_capacity;
} encoder;

static lt_status add_token(encoder *e, uint32_t id, size_t end) {
    lt_tokens *tokens = &e->tokens;
    if (tokens->count == e->tokens_capacity) {
        const size_t capacity = lt_max(2 * e->tokens_capacity, 64);
        int32_t *ids = lt_realloc(tokens->ids, tokens->count * sizeof *ids, capacity * sizeof *ids);
        if (!ids) return LT_ERROR_MEMORY;
        tokens->ids = ids;
        size_t *ends = lt_realloc(tokens->ends, tokens->count * sizeof *ends, capacity * sizeof *ends);
        if (!ends) return LT_ERROR_MEMORY;
        tokens->ends = ends;
        e->tokens_capacity = capacity;
    }
    /* Marks that NFC put in another order may end before the one in front of them: ends never go back. */
    const size_t last = tokens->count ? tokens->ends[tokens->count - 1] : 0;
    tokens->ids[tokens->count] = (int32_t)id;
    tokens->ends[tokens->count++] = lt_max(end, last);
    return LT_OK;
}

/* ---- Merging one word ---- */

static void heap_push(encoder *e, uint64_t key) {
    size_t at = e->heap_count++;
    for (; at > 0 && e->heap[(at - 1) / 2] > key; at = (at - 1) / 2) e->heap[at] = e->heap[(at - 1) / 2];
    e->heap[at] = key;
}

static uint64_t heap_pop(encoder *e) {
    const uint64_t top = e->heap[0], key = e->heap[--e->heap_count];
    size_t at = 0;
    for (size_t child = 1; child < e->heap_count; child = 2 * at + 1) {
        if (child + 1 < e->heap_count && e->heap[child + 1] < e->heap[child]) child++;
        if (e->heap[child] >= key) break;
        e->heap[at] = e->heap[child];
        at = child;
    }
    e->heap[at] = key;
    return top;
}

/* The id that the symbol at position and the one after it merge to, or 0. */
static uint32_t merged_at(const encoder *e, uint32_t position) {
    const symbol *s = &e->symbols[position];
    if (s->id == NONE || s->next == NONE) return 0;
    return merged(e->tokenizer, s->id, e->symbols[s->next].id);
}

static void offer_merge(encoder *e, uint32_t position) {
    const uint32_t id = merged_at(e, position);
    if (id) heap_push(e, (uint64_t)id << 32 | position);
}

/* Merges the word in symbols [count] and adds its tokens: O(count · log count). A word of n bytes has n - 1 pairs, and
 * each of its at most n - 1 merges makes two more: 3n places in the heap are enough. */
static lt_status merge_word(encoder *e, size_t count) {
    symbol *symbols = e->symbols;
    e->heap_count = 0;
    for (uint32_t i = 0; i < count; i++) offer_merge(e, i);
    while (e->heap_count > 0) {
        const uint64_t top = heap_pop(e);
        const uint32_t position = (uint32_t)top, id = (uint32_t)(top >> 32);
        if (merged_at(e, position) != id) continue; /* one of the two has been merged otherwise since */
        symbol *s = &symbols[position];
        const uint32_t swallowed = s->next;
        s->id = id;
        s->next = symbols[swallowed].next;
        if (s->next != NONE) symbols[s->next].previous = position;
        symbols[swallowed].id = NONE;
        if (s->previous != NONE) offer_merge(e, s->previous);
        offer_merge(e, position);
    }
    for (uint32_t i = 0; i != NONE; i = symbols[i].next) {
        const size_t after = symbols[i].next == NONE ? count : symbols[i].next;
        LT_TRY(add_token(e, symbols[i].id, symbols[after - 1].end));
    }
    return LT_OK;
}

static lt_status reserve_word(encoder *e, size_t bytes) {
    if (bytes <= e->capacity) return LT_OK;
    const size_t capacity = lt_max(bytes, lt_max(2 * e->capacity, 256));
    lt_free(e->symbols);
    lt_free(e->heap);
    e->capacity = 0;
    e->symbols = lt_alloc(capacity * sizeof *e->symbols);
    e->heap = lt_alloc(3 * capacity * sizeof *e->heap);
    if (!e->symbols || !e->heap) return LT_ERROR_MEMORY;
    e->capacity = capacity;
    return LT_OK;
}

/* Adds the tokens of the word that characters [begin, end) are; it has at least one. */
static lt_status encode_word(encoder *e, size_t begin, size_t end) {
    size_t size_of_word = 0;
    for (size_t i = begin; i < end; i++) size_of_word += lt_utf8_size(e->characters.items[i].code);
    LT_TRY(reserve_word(e, size_of_word));
    /* Tokens that hold only a part of the first character end, so to say, where the word before did: add_token sees to
     * that. */
    uint32_t count = 0, complete = 0;
    for (size_t i = begin; i < end; i++) {
        uint8_t bytes[4];
        const size_t size = lt_utf8_encode(e->characters.items[i].code, bytes);
        for (size_t j = 0; j < size; j++, count++) {
            if (j + 1 == size) complete = e->characters.items[i].end;
            e->symbols[count] = (symbol){e->tokenizer->byte_id[bytes[j]], count - 1, count + 1, complete};
        }
    }
    e->symbols[0].previous = NONE;
    e->symbols[count - 1].next = NONE;
    e->symbols[count - 1].id += BYTES;
    return merge_word(e, count);
}

/* ---- Splitting into words ---- */

static const char *const specials[] = {"<|startoftext|>", "<|endoftext|>"}; /* LT_TOKEN_START, LT_TOKEN_END */

/* The length of literal (ASCII) if the characters from i on begin with it, else 0. */
static size_t literal_at(const lt_characters *c, size_t i, const char *literal) {
    const size_t size = strlen(literal);
    if (size > c->count - i) return 0;
    for (size_t k = 0; k < size; k++)
        if (c->items[i + k].code != literal[k]) return 0;
    return size;
}

/* The length of 's 't 're 've 'm 'll 'd at i, else 0. */
static size_t contraction_at(const lt_characters *c, size_t i) {
    static const char *const contractions[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    if (c->items[i].code != '\'') return 0;
    size_t size = 0;
    for (size_t k = 0; k < LT_COUNT(contractions) && size == 0; k++) size = literal_at(c, i, contractions[k]);
    return size;
}

/* The length of the word at i, which is not white space. */
static size_t word_at(const lt_characters *c, size_t i) {
    const size_t contraction = contraction_at(c, i);
    const lt_class class = lt_unicode_class(c->items[i].code);
    if (contraction) return contraction;
    size_t size = 1;
    if (class == LT_CLASS_NUMBER) return size;
    while (i + size < c->count && lt_unicode_class(c->items[i + size].code) == class) size++;
    return size;
}

/* Adds the tokens of text [begin, end), which holds no special token. */
static lt_status encode_stretch(encoder *e, const char *text, size_t begin, size_t end) {
    LT_TRY(lt_characters_read(&e->characters, text, begin, end));
    const lt_characters *c = &e->characters;
    for (size_t i = 0; i < c->count;) {
        if (lt_unicode_class(c->items[i].code) == LT_CLASS_SPACE) {
            i++;
            continue;
        }
        /* A special token that only lower case made is a word for the first pattern, and three for the byte-level one
         * after it: <| name |> */
        const size_t special = lt_max(literal_at(c, i, specials[0]), literal_at(c, i, specials[1]));
        const size_t word = special ? 2 : word_at(c, i);
        LT_TRY(encode_word(e, i, i + word));
        i += word;
        if (!special) continue;
        LT_TRY(encode_word(e, i, i + special - 4));
        LT_TRY(encode_word(e, i + special - 4, i + special - 2));
        i += special - 2;
    }
    return LT_OK;
}

static lt_status encode(encoder *e, const char *text, size_t size) {
    size_t begin = 0; /* of the stretch since the last special token */
    for (const char *at = text; (at = memchr(at, '<', size - (size_t)(at - text))) != NULL;) {
        const size_t place = (size_t)(at - text);
        int32_t special = -1;
        for (int32_t k = 0; k < (int32_t)LT_COUNT(specials); k++)
            if (strncmp(at, specials[k], strlen(specials[k])) == 0) special = k;
        at += special < 0 ? 1 : strlen(specials[special]);
        if (special < 0) continue;
        LT_TRY(encode_stretch(e, text, begin, place));
        begin = (size_t)(at - text);
        LT_TRY(add_token(e, (uint32_t)(LT_TOKEN_START + special), begin));
    }
    return encode_stretch(e, text, begin, size);
}

lt_status lt_tokenizer_read(const lt_tokenizer *tokenizer, const char *text, lt_tokens *tokens) {
    *tokens = (lt_tokens){0};
    const size_t size = strlen(text);
    if (size > MAX_TEXT)
        return lt_fail(LT_ERROR_ARGUMENT, "prompt: %zu bytes are too many, at most %d are read", size, MAX_TEXT);
    encoder e = {.tokenizer = tokenizer};
    const lt_status status = encode(&e, text, size);
    if (!status)
        *tokens = e.tokens;
    else
        lt_tokens_free(&e.tokens);
    lt_characters_free(&e.characters);
    lt_free(e.symbols);
    lt_free(e.heap);
    return status;
}

void lt_tokens_free(lt_tokens *tokens) {
    if (!tokens) return;
    lt_free(tokens->ids);
    lt_free(tokens->ends);
    *tokens = (lt_tokens){0};
}
