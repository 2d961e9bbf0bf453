/* Which words of a request's prompts are embeddings. */
#include "pipeline/words.h"

#include "adapters/hashed.h"
#include "formats/picture_embedding.h"

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
    lt_status status;
} looking;

/* One that can't be used is told, and stays a word. */
static lt_status add_or_tell(lt_session *session, const char *path, const char *name) {
    const lt_status status = add(session, path, name);
    if (status == LT_ERROR_MEMORY) return status;
    if (status) lt_notify(&session->listener, "%.200s stays a word: %.500s", name, lt_error_message());
    return LT_OK;
}

/* The file that name stands for, of which path, if not NULL, was found by that name: where a picture's text has another
 * hash for it, the one that has it. *own, allocated; NULL: it is nowhere. */
static lt_status choose(const lt_session *session, const lt_request *r, const char *name, const char *path,
                        char **own) {
    const lt_shelf shelf = shelf_of(session);
    char hash[LT_SHORT_HASH], found[LT_SHORT_HASH];
    bool exact = true;
    if (path && !(*own = lt_strdup(path))) return LT_ERROR_MEMORY;
    if (lt_hashes_find(r->embedding_hashes, name, 0, hash))
        LT_TRY(lt_hashes_choose(&shelf, LT_SHELF_EMBEDDING, name, hash, own, &exact));
    if (exact || !*own) return LT_OK;
    lt_hashes_of(*own, LT_SHELF_EMBEDDING, found);
    lt_notify(&session->listener,
              "%.200s: the picture was made with an embedding of the hash %s, which is nowhere here; %.500s (%s) is "
              "taken for it",
              name, hash, *own, found);
    return LT_OK;
}

static lt_status add_chosen(lt_session *session, const lt_request *r, const char *name, const char *path) {
    char *own = NULL;
    lt_status status = choose(session, r, name, path, &own);
    if (!status && own) status = add_or_tell(session, own, name);
    if (!status && !own)
        lt_notify(
            &session->listener,
            "%.200s stays a word: the picture was made with an embedding of that name, which is nowhere here; name "
            "its file by `embeddings`",
            name);
    lt_free(own);
    return status;
}

static bool add_mentioned(void *user, const char *path, const char *name) {
    looking *l = user;
    bool preview;
    if (!is_in(l->request, name) || is_there(&l->session->embeddings, name)) return false;
    l->status = lt_is_preview(path, &preview);
    if (!l->status && !preview) l->status = add_chosen(l->session, l->request, name, path);
    return l->status != LT_OK;
}

/* Those that a picture's text names, and that were not found by their names. */
static lt_status add_told(lt_session *session, const lt_request *r) {
    size_t size;
    lt_status status = LT_OK;
    const char *at = r->embedding_hashes, *entry;
    while (at && !status && (entry = lt_hashes_next(&at, &size))) {
        char *name = lt_strndup(entry, size);
        if (!name) return LT_ERROR_MEMORY;
        if (is_in(r, name) && !is_there(&session->embeddings, name)) status = add_chosen(session, r, name, NULL);
        lt_free(name);
    }
    return status;
}

lt_status lt_words_read(lt_session *session, const lt_request *r) {
    const lt_shelf shelf = shelf_of(session);
    looking l = {session, r, LT_OK};
    const lt_components *parts = session->parts;
    if (r->plain_prompt || !(parts->has[LT_MODULE_TEXT] || parts->has[LT_MODULE_TEXT_2])) return LT_OK;
    LT_TRY(add_all_named(session, r));
    if (!*r->prompt && !*r->negative_prompt && !r->region_count) return LT_OK;
    LT_TRY(lt_shelf_walk(&shelf, LT_SHELF_EMBEDDING, add_mentioned, &l));
    return l.status ? l.status : add_told(session, r);
}

void lt_words_drop(lt_session *session) { lt_inversions_free(&session->embeddings); }
