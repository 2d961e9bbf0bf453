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
    return isfinite(*strength);
}

/* One of the arguments behind the name; place: how many without a name were before it. */
static lt_status read_argument(const char *word, lt_lora_tag *lora, size_t *place, bool *unet) {
    const char *text = after(word, "te="), *own = after(word, "unet="), *value = text ? text : own ? own : word;
    const bool named = text || own;
    if (after(word, "dyn=") || (!named && *place == 2)) lora->dynamic = true;
    if (!named && (strchr(word, '=') || *place == 2)) return LT_OK;
    const bool is_unet = own || (!named && *place == 1);
    if (!read_strength(value, is_unet ? &lora->strength : &lora->text_strength))
        return lt_fail(LT_ERROR_ARGUMENT, "\"%.100s\" is no strength", word);
    *unet |= is_unet;
    *place += !named;
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

/* The length of the network that the '<' at byte `at` begins, or 0. */
static size_t network_at(reader *r, size_t at) {
    size_t end = at + 1, length = 1;
    for (int32_t code; end < r->size && length; end += length) {
        length = lt_utf8_decode(r->text + end, r->size - end, &code);
        if (!lt_unicode_is_word(code)) length = 0;
    }
    if (end == at + 1 || end == r->size || r->text[end] != ':' || !r->closed) return 0;
    const char *close = memchr(r->text + end, '>', r->size - end);
    r->closed = close != NULL;
    return close && close > r->text + end + 1 ? (size_t)(close - r->text) + 1 - at : 0;
}

lt_status lt_networks_take(const char *text, lt_buffer *left, lt_networks *networks) {
    reader r = {text, strlen(text), true};
    *left = (lt_buffer){0};
    *networks = (lt_networks){0};
    lt_status status = lt_buffer_append(left, "", 0);
    for (size_t at = 0, size; at < r.size && !status; at += size) {
        size = text[at] == '<' ? network_at(&r, at) : 0;
        if (size) {
            status = add_network(networks, text + at, size);
            continue;
        }
        size = 1 + strcspn(text + at + 1, "<");
        status = lt_buffer_append(left, text + at, size);
    }
    return status;
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

/* Takes out those that are whole lines, with the end of the line before them, or all. A line's end that one took is
 * none for the next. */
static lt_status take_comments(const char *text, bool lines, lt_buffer *left) {
    LT_TRY(lt_buffer_append(left, "", 0));
    for (const char *at = text, *mark; *at;) {
        for (mark = strchr(at, '#'); lines && mark && mark > text && (mark == at || mark[-1] != '\n');)
            mark = strchr(mark + 1, '#');
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
