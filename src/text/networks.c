/* The networks that a prompt names. */
#include "text/networks.h"

#include <string.h>

enum { MOST = 64, MOST_TAG = 1000 }; /* of a prompt; bytes */

/* Digits with or without a dot, and a sign; not strtod, which follows the locale. */
static bool read_number(const char *text, float *number) {
    double value = 0, by = 1;
    size_t digits = 0, dots = 0;
    const bool minus = *text == '-';
    for (text += *text == '-' || *text == '+'; *text; text++) {
        if (*text == '.') dots++;
        if (*text != '.' && (*text < '0' || *text > '9')) return false;
        if (*text == '.') continue;
        value = value * 10 + (*text - '0');
        if (dots) by *= 10;
        if (++digits > 100) return false;
    }
    *number = (float)((minus ? -value : value) / by);
    return digits && dots <= 1;
}

static const char *after(const char *text, const char *word) {
    const size_t n = strlen(word);
    return strncmp(text, word, n) ? NULL : text + n;
}

/* One of the arguments behind the name; place: how many without a name were before it. */
static lt_status read_argument(lt_network *n, const char *word, size_t *place, bool *unet) {
    const char *text = after(word, "te="), *own = after(word, "unet="), *value = text ? text : own ? own : word;
    const bool named = text || own;
    if (after(word, "dyn=") || (!named && *place == 2)) n->dynamic = true;
    if (!named && (strchr(word, '=') || *place == 2)) return LT_OK;
    const bool is_unet = own || (!named && *place == 1);
    if (!read_number(value, is_unet ? &n->strength : &n->text_strength))
        return lt_fail(LT_ERROR_ARGUMENT, "the prompt's %s: \"%s\" is no strength", n->tag, word);
    *unet |= is_unet;
    *place += !named;
    return LT_OK;
}

/* inner, which is cut: "NAME:0.5:unet=0.8". */
static lt_status read_network(lt_network *n, char *inner) {
    size_t place = 0;
    bool unet = false;
    char *rest = inner, *word = strsep(&rest, ":");
    n->text_strength = 1;
    n->name = lt_strdup(word);
    if (!n->name) return LT_ERROR_MEMORY;
    while ((word = strsep(&rest, ":"))) LT_TRY(read_argument(n, word, &place, &unet));
    if (!unet) n->strength = n->text_strength;
    return LT_OK;
}

static lt_status add_network(lt_networks *all, const char *tag, size_t size, size_t name) {
    if (all->count == all->capacity) {
        const size_t capacity = lt_max(4, 2 * all->capacity), item = sizeof *all->items;
        lt_network *grown = lt_realloc(all->items, all->count * item, capacity * item);
        if (!grown) return LT_ERROR_MEMORY;
        all->items = grown;
        all->capacity = capacity;
    }
    lt_network *n = &all->items[all->count++];
    *n = (lt_network){.tag = lt_strndup(tag, size)};
    char *inner = n->tag ? lt_strndup(tag + name, size - name - 1) : NULL;
    const lt_status status = inner ? read_network(n, inner) : LT_ERROR_MEMORY;
    lt_free(inner);
    return status;
}

/* The length of what a '<' begins, or 0; *name: where its name begins. */
static size_t network_at(const char *text, size_t *name) {
    static const char *const kinds[] = {"<lora:", "<lyco:"};
    for (size_t i = 0; i < LT_COUNT(kinds); i++) {
        const char *inner = after(text, kinds[i]);
        size_t length = 0;
        while (inner && length < MOST_TAG && inner[length] && inner[length] != '>') length++;
        if (!length || inner[length] != '>') continue;
        *name = (size_t)(inner - text);
        return *name + length + 1;
    }
    return 0;
}

lt_status lt_networks_take(const char *text, lt_buffer *left, lt_networks *networks) {
    *left = (lt_buffer){0};
    *networks = (lt_networks){0};
    lt_status status = lt_buffer_append(left, "", 0);
    for (size_t name, size; *text && !status; text += size) {
        size = *text == '<' && networks->count < MOST ? network_at(text, &name) : 0;
        if (size) {
            status = add_network(networks, text, size, name);
            continue;
        }
        size = lt_max(1, strcspn(text, "<"));
        status = lt_buffer_append(left, text, size);
    }
    return status;
}

void lt_networks_free(lt_networks *networks) {
    for (size_t i = 0; i < networks->count; i++) {
        lt_free(networks->items[i].tag);
        lt_free(networks->items[i].name);
    }
    lt_free(networks->items);
    *networks = (lt_networks){0};
}
