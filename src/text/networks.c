/* What a prompt has that is none of its words. */
#include "text/networks.h"

#include "text/number.h"
#include "text/unicode.h"

#include <math.h>
#include <string.h>

/* ---- A LoRA's arguments ---- */

static const char *after(const char *text, const char *word) {
    const size_t n = strlen(word);
    return strncmp(text, word, n) ? NULL : text + n;
}

static bool read_strength(const char *text, float *strength) {
    const size_t size = strlen(text);
    size_t at = lt_skip_space(text, size, 0);
    double number;
    if (!lt_scientific_read(text, size, &at, &number) || lt_skip_space(text, size, at) < size) return false;
    *strength = (float)number;
    return fabs(number) <= LT_MOST_STRENGTH;
}

/* How much of its rank is asked for, or what nobody knows, which is left alone. */
static void pass_by(const char *word, lt_lora_tag *lora, size_t place) {
    const bool rank = after(word, "dyn=") || (place == 2 && !strchr(word, '='));
    if (rank) lora->dynamic = true;
    if (!rank && !lora->unknown) lora->unknown = word;
}

/* One of the arguments behind the name; place: how many without a name were before it. */
static lt_status read_argument(const char *word, lt_lora_tag *lora, size_t *place, bool *unet) {
    const char *text = after(word, "te="), *own = after(word, "unet="), *value = text ? text : own ? own : word;
    const bool named = text || own, is_unet = own || (!named && *place == 1);
    const bool strength = named || (*place < 2 && !strchr(word, '='));
    if (!strength) pass_by(word, lora, *place);
    if (strength && !read_strength(value, is_unet ? &lora->strength : &lora->text_strength))
        return lt_fail(LT_ERROR_ARGUMENT, "\"%.100s\" is no strength; -%d to %d is possible", word, LT_MOST_STRENGTH,
                       LT_MOST_STRENGTH);
    *unet |= strength && is_unet;
    *place += !named && !strchr(word, '=');
    return LT_OK;
}

bool lt_network_is_lora(const lt_network *n) { return !strcmp(n->kind, "lora") || !strcmp(n->kind, "lyco"); }

lt_status lt_network_weigh(const lt_network *n, lt_lora_tag *lora) {
    size_t place = 0;
    bool unet = false;
    *lora = (lt_lora_tag){.text_strength = 1};
    for (size_t i = 1; i < n->argument_count; i++)
        if (read_argument(n->arguments[i], lora, &place, &unet))
            return lt_fail_in(LT_ERROR_ARGUMENT, "the prompt's %.200s", n->tag);
    if (!unet) lora->strength = lora->text_strength;
    return LT_OK;
}

/* ---- A network ---- */

static lt_status copy(const char *text, size_t size, char **to) {
    *to = lt_strndup(text, size);
    return *to ? LT_OK : LT_ERROR_MEMORY;
}

/* "NAME:0.8:te=1", of size bytes. */
static lt_status read_arguments(lt_network *n, const char *text, size_t size) {
    size_t colons = 0;
    for (size_t i = 0; i < size; i++) colons += text[i] == ':';
    n->arguments = lt_calloc(colons + 1, sizeof *n->arguments);
    if (!n->arguments) return LT_ERROR_MEMORY;
    for (size_t begin = 0, end; begin <= size; begin = end + 1) {
        const char *colon = memchr(text + begin, ':', size - begin);
        end = colon ? (size_t)(colon - text) : size;
        LT_TRY(copy(text + begin, end - begin, &n->arguments[n->argument_count++]));
    }
    return LT_OK;
}

/* tag: "<kind:...>". */
static lt_status read_network(lt_network *n, const char *tag, size_t size) {
    const size_t kind = strcspn(tag, ":") - 1;
    LT_TRY(copy(tag, size, &n->tag));
    LT_TRY(copy(tag + 1, kind, &n->kind));
    return read_arguments(n, tag + kind + 2, size - kind - 3);
}

static lt_status add_network(lt_networks *all, const char *tag, size_t size) {
    LT_TRY(LT_GROW(all->items, all->count, all->capacity));
    lt_network *n = &all->items[all->count++];
    *n = (lt_network){0};
    return read_network(n, tag, size);
}

/* ---- All of them ---- */

typedef struct reader {
    const char *text;
    size_t size;
    bool closed; /* a '>' follows, as far as is known */
} reader;

/* Where the ':' is behind the kind of the network that the '<' at byte `at` may begin; 0: it begins none. */
static size_t colon_of(const char *text, size_t size, size_t at) {
    size_t end = at + 1, length = 1;
    for (int32_t code; end < size && length; end += length) {
        length = lt_utf8_decode(text + end, size - end, &code);
        if (!lt_unicode_is_word(code)) length = 0;
    }
    return end == at + 1 || end == size || text[end] != ':' ? 0 : end;
}

/* The length of the network that the '<' at byte `at` begins, or 0. */
static size_t network_at(reader *r, size_t at) {
    const size_t colon = colon_of(r->text, r->size, at);
    if (!colon || !r->closed) return 0;
    const char *close = memchr(r->text + colon, '>', r->size - colon);
    r->closed = close != NULL;
    return close && close > r->text + colon + 1 ? (size_t)(close - r->text) + 1 - at : 0;
}

/* The length of what begins at byte `at`: *network, or what is none. */
static size_t piece_at(reader *r, size_t at, bool *network) {
    const size_t size = r->text[at] == '<' ? network_at(r, at) : 0;
    *network = size > 0;
    return size ? size : 1 + strcspn(r->text + at + 1, "<");
}

lt_status lt_networks_take(const char *text, lt_buffer *left, lt_networks *networks) {
    reader r = {text, strlen(text), true};
    *left = (lt_buffer){0};
    *networks = (lt_networks){0};
    lt_status status = lt_buffer_append(left, "", 0);
    for (size_t at = 0, size; at < r.size && !status; at += size) {
        bool network;
        size = piece_at(&r, at, &network);
        status = network ? add_network(networks, text + at, size) : lt_buffer_append(left, text + at, size);
    }
    return status;
}

/* White space at its end, which stood before what was left out; none that a \\ makes a character. */
static void trim(lt_buffer *left) {
    const size_t size = lt_skip_space_before(left->data, 0, left->size);
    if (size && left->data[size - 1] == '\\') return;
    left->size = size;
    left->data[size] = '\0';
}

lt_status lt_networks_leave_out(const char *text, const bool *out, lt_buffer *left) {
    reader r = {text, strlen(text), true};
    bool network, cut = false;
    *left = (lt_buffer){0};
    LT_TRY(lt_buffer_append(left, "", 0));
    for (size_t at = 0, size; at < r.size; at += size) {
        size = piece_at(&r, at, &network);
        cut = network && *out;
        if (!cut) LT_TRY(lt_buffer_append(left, text + at, size));
        if (cut && !left->size) size = lt_skip_space(text, r.size, at + size) - at;
        out += network;
    }
    if (cut) trim(left);
    return LT_OK;
}

bool lt_networks_open(const char *text) {
    const char *close = strrchr(text, '>'), *rest = close ? close + 1 : text;
    const size_t size = strlen(rest);
    for (const char *at = rest; (at = strchr(at, '<')); at++)
        if (colon_of(rest, size, (size_t)(at - rest))) return true;
    return false;
}

void lt_networks_free(lt_networks *networks) {
    for (size_t i = 0; i < networks->count; i++) {
        lt_network *n = &networks->items[i];
        for (size_t k = 0; k < n->argument_count; k++) lt_free(n->arguments[k]);
        lt_free(n->arguments);
        lt_free(n->kind);
        lt_free(n->tag);
    }
    lt_free(networks->items);
    *networks = (lt_networks){0};
}

/* ---- Comments ---- */

/* The length of the network that the '<' at `at` begins, if it ends on its line, and before another one begins; or 0.
 */
static size_t whole_at(const char *at) {
    const size_t size = 1 + strcspn(at + 1, "<>\n");
    return at[size] == '>' && colon_of(at, size, 0) ? size + 1 : 0;
}

/* The next mark from `at` on, NULL: there is none. One within a network is a character of a file's name. */
static const char *next_mark(const char *at) {
    while (*(at += strcspn(at, "<#")) == '<') at += lt_max(whole_at(at), 1);
    return *at ? at : NULL;
}

/* Takes out those that are whole lines, with the end of the line before them, or all. A line's end that one took is
 * none for the next. */
static lt_status take_comments(const char *text, bool lines, lt_buffer *left) {
    LT_TRY(lt_buffer_append(left, "", 0));
    for (const char *at = text, *mark; *at;) {
        for (mark = next_mark(at); lines && mark && mark > text && (mark == at || mark[-1] != '\n');)
            mark = next_mark(mark + 1);
        if (!mark) return lt_buffer_append(left, at, strlen(at));
        const char *end = mark + strcspn(mark, "\n");
        LT_TRY(lt_buffer_append(left, at, (size_t)(mark - at) - (lines && mark > text)));
        LT_TRY(lt_buffer_append(left, "\n", 1));
        at = end + (*end == '\n');
    }
    return LT_OK;
}

lt_status lt_comments_take(const char *text, lt_buffer *left) {
    lt_buffer others = {0};
    *left = (lt_buffer){0};
    lt_status status = take_comments(text, true, &others);
    if (!status) status = take_comments(others.data, false, left);
    lt_buffer_free(&others);
    return status;
}
