/* Which words of a request's prompts are embeddings. */
#include "pipeline/words.h"

#include "adapters/hashed.h"
#include "formats/picture_embedding.h"

#include <ctype.h>
#include <string.h>

static bool is_in(const lt_request *r, const char *name) {
    bool found = strcasestr(r->prompt, name) || strcasestr(r->negative_prompt, name);
    for (size_t i = 0; i < r->region_count && r->regions && !found; i++)
        found = r->regions[i].prompt && strcasestr(r->regions[i].prompt, name);
    return found;
}

bool lt_words_has(const lt_session *session, const lt_request *request, size_t i) {
    return is_in(request, session->embeddings.items[i].name);
}

static bool is_there(const lt_inversions *all, const char *name) {
    for (size_t i = 0; i < all->count; i++)
        if (!strcmp(all->items[i].name, name)) return true;
    return false;
}

/* name: NULL is the file's. */
static lt_status add(lt_session *session, const char *path, const char *name) {
    const lt_components *parts = session->parts;
    const size_t widths[LT_TEXT_TOWERS] = {(size_t)parts->text.width, (size_t)parts->text_2.width};
    return lt_inversions_add(&session->embeddings, path, name, widths, parts->tokenizer);
}

static lt_shelf shelf_of(const lt_session *session) { return (lt_shelf){session->models, session->parts->file}; }

/* ---- Those of the request ---- */

/* file: a path, or a name. */
static lt_status add_named(lt_session *session, const char *file) {
    const lt_shelf shelf = shelf_of(session);
    char *path;
    LT_TRY(lt_shelf_path(&shelf, LT_SHELF_EMBEDDING, file, &path));
    const lt_status status = add(session, path, NULL);
    lt_free(path);
    return status;
}

static lt_status add_all_named(lt_session *session, const lt_request *r) {
    if (r->embedding_count && !r->embeddings)
        return lt_fail(LT_ERROR_ARGUMENT, "embeddings is NULL: %zu are to be there", r->embedding_count);
    for (size_t i = 0; i < r->embedding_count; i++) {
        if (!r->embeddings[i] || !*r->embeddings[i])
            return lt_fail(LT_ERROR_ARGUMENT, "embeddings: number %zu names no file", i);
        LT_TRY(add_named(session, r->embeddings[i]));
        const size_t last = session->embeddings.count - 1;
        if (!lt_words_has(session, r, last))
            lt_notify(&session->listener, "the embedding %.200s does nothing: it is in no prompt",
                      session->embeddings.items[last].name);
    }
    return LT_OK;
}

/* ---- Those that the prompts name ---- */

typedef struct looking {
    lt_session *session;
    const lt_request *request;
    lt_buffer names; /* of those that were looked at, each with its NUL */
    lt_status status;
} looking;

static bool was_seen(const looking *l, const char *name) {
    for (const char *at = l->names.data, *end = at + l->names.size; at < end; at += strlen(at) + 1)
        if (lt_hashes_same_name(at, name)) return true;
    return false;
}

/* A file that a name stands for. */
typedef struct choice {
    char *path;               /* NULL: it is nowhere; owned */
    char hash[LT_SHORT_HASH]; /* that the picture's text has; "": none */
    bool exact;               /* the file has it, or it is not known */
} choice;

/* The one of which path, if not NULL, was found by that name; where a picture's text has another hash for it, the one
 * that has it. */
static lt_status choose(const lt_session *session, const lt_request *r, const char *name, const char *path, choice *c) {
    const lt_shelf shelf = shelf_of(session);
    *c = (choice){.exact = true};
    if (path && !(c->path = lt_strdup(path))) return LT_ERROR_MEMORY;
    if (!lt_hashes_find(r->embedding_hashes, name, 0, c->hash)) return LT_OK;
    const lt_hashed wanted = {LT_SHELF_EMBEDDING, name, c->hash};
    return lt_hashes_choose(session->hashes, &shelf, &wanted, &c->path, &c->exact);
}

static void tell_other(const lt_session *session, const char *name, const choice *c) {
    char own[LT_SHORT_HASH];
    lt_hashes_of(session->hashes, c->path, LT_SHELF_EMBEDDING, own);
    lt_notify(&session->listener,
              "%.200s: the picture was made with an embedding of the hash %s, which is nowhere here; %.500s (%s) is "
              "taken for it",
              name, c->hash, c->path, own);
}

/* Of a picture whose text has hashes, and none for that name. */
static void tell_new(const lt_session *session, const lt_request *r, const char *name, const choice *c) {
    size_t size;
    bool known = !r->embedding_hashes;
    for (const char *at = r->embedding_hashes, *entry; !known && (entry = lt_hashes_next(&at, &size));)
        known = size == strlen(name) && !memcmp(entry, name, size);
    if (!known)
        lt_notify(&session->listener,
                  "%.200s: the picture was made without an embedding of that name; here %.500s is taken", name,
                  c->path);
}

/* One that can't be used is told, and stays a word. */
static lt_status add_or_tell(lt_session *session, const lt_request *r, const char *name, const choice *c) {
    const lt_status status = add(session, c->path, name);
    if (status == LT_ERROR_MEMORY) return status;
    if (status)
        lt_notify(&session->listener, "%.200s stays a word: %.500s%s%s%s", name, lt_error_message(),
                  c->exact ? "" : " (the picture was made with an embedding of the hash ", c->exact ? "" : c->hash,
                  c->exact ? "" : ", which is nowhere here)");
    else if (!c->exact)
        tell_other(session, name, c);
    else if (!*c->hash)
        tell_new(session, r, name, c);
    return LT_OK;
}

static lt_status add_chosen(lt_session *session, const lt_request *r, const char *name, const char *path) {
    choice c;
    lt_status status = choose(session, r, name, path, &c);
    if (!status && c.path) status = add_or_tell(session, r, name, &c);
    if (!status && !c.path)
        lt_notify(
            &session->listener,
            "%.200s stays a word: the picture was made with an embedding of that name, which is nowhere here; name "
            "its file by `embeddings`",
            name);
    lt_free(c.path);
    return status;
}

static bool add_mentioned(void *user, const char *path, const char *name) {
    looking *l = user;
    bool preview;
    if (!is_in(l->request, name) || was_seen(l, name) || is_there(&l->session->embeddings, name)) return false;
    l->status = lt_is_preview(path, &preview);
    if (l->status || preview) return l->status != LT_OK;
    l->status = lt_buffer_append(&l->names, name, strlen(name) + 1);
    if (!l->status) l->status = add_chosen(l->session, l->request, name, path);
    return l->status != LT_OK;
}

/* Those that a picture's text names, and that were not found by their names. */
static lt_status add_told(looking *l) {
    size_t size;
    lt_status status = LT_OK;
    const char *at = l->request->embedding_hashes, *entry;
    while (at && !status && (entry = lt_hashes_next(&at, &size))) {
        char *name = lt_strndup(entry, size);
        if (!name) return LT_ERROR_MEMORY;
        if (is_in(l->request, name) && !was_seen(l, name) && !is_there(&l->session->embeddings, name)) {
            status = lt_buffer_append(&l->names, name, size + 1);
            if (!status) status = add_chosen(l->session, l->request, name, NULL);
        }
        lt_free(name);
    }
    return status;
}

enum { MOST_TOLD = 8 /* of a prompt */ };

/* Whether text begins with name, as a word. */
static bool begins_with(const char *text, const char *name) {
    const size_t size = strlen(name);
    return !strncasecmp(text, name, size) && !isalnum((unsigned char)text[size]);
}

/* The same of one that is there, or of which something was told. */
static bool begins_with_one(const looking *l, const char *text) {
    const lt_inversions *all = &l->session->embeddings;
    for (size_t i = 0; i < all->count; i++)
        if (begins_with(text, all->items[i].name)) return true;
    for (const char *at = l->names.data, *end = at + l->names.size; at < end; at += strlen(at) + 1)
        if (begins_with(text, at)) return true;
    return false;
}

/* What is written as ComfyUI has it, and is nowhere. */
static void tell_unknown(const looking *l, const char *prompt) {
    static const char mark[] = "embedding:";
    int told = 0;
    for (const char *at = prompt; told < MOST_TOLD && (at = strcasestr(at, mark));) {
        at += sizeof mark - 1;
        const size_t size = strcspn(at, " \t\r\n,:;()[]|<>");
        const bool unknown = size && !begins_with_one(l, at);
        told += unknown;
        if (unknown)
            lt_notify(&l->session->listener, "%s%.*s stays words: there is no embedding of that name", mark,
                      (int)lt_min(size, 200), at);
    }
}

static void tell_all_unknown(const looking *l) {
    const lt_request *r = l->request;
    tell_unknown(l, r->prompt);
    tell_unknown(l, r->negative_prompt);
    for (size_t i = 0; r->regions && i < r->region_count; i++)
        if (r->regions[i].prompt) tell_unknown(l, r->regions[i].prompt);
}

lt_status lt_words_read(lt_session *session, const lt_request *r) {
    const lt_shelf shelf = shelf_of(session);
    looking l = {.session = session, .request = r};
    const lt_components *parts = session->parts;
    if (r->plain_prompt || !(parts->has[LT_MODULE_TEXT] || parts->has[LT_MODULE_TEXT_2])) return LT_OK;
    LT_TRY(add_all_named(session, r));
    if (!*r->prompt && !*r->negative_prompt && !r->region_count) return LT_OK;
    lt_status status = lt_shelf_walk(&shelf, LT_SHELF_EMBEDDING, add_mentioned, &l);
    if (!status) status = l.status;
    if (!status) status = add_told(&l);
    if (!status) tell_all_unknown(&l);
    lt_buffer_free(&l.names);
    return status;
}

void lt_words_drop(lt_session *session) { lt_inversions_free(&session->embeddings); }
