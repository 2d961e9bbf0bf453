/* Which words of a request's prompts are embeddings. */
#include "pipeline/words.h"

#include "adapters/shelf.h"
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

static lt_status add(lt_session *session, const char *path) {
    const lt_components *parts = session->parts;
    return lt_inversions_add(&session->embeddings, path, (size_t)parts->text.width, parts->tokenizer);
}

/* ---- Those of the request ---- */

/* file: a path, or a name. */
static lt_status add_named(lt_session *session, const char *file) {
    const lt_shelf shelf = {session->models, session->parts->file};
    char *path;
    LT_TRY(lt_shelf_path(&shelf, LT_SHELF_EMBEDDING, file, &path));
    const lt_status status = add(session, path);
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

static bool add_mentioned(void *user, const char *path, const char *name) {
    looking *l = user;
    bool preview;
    if (!is_in(l->request, name) || is_there(&l->session->embeddings, name)) return false;
    l->status = lt_is_preview(path, &preview);
    if (l->status || preview) return l->status != LT_OK;
    const lt_status status = add(l->session, path);
    if (status == LT_ERROR_MEMORY) l->status = status;
    if (status && status != LT_ERROR_MEMORY)
        lt_notify(&l->session->listener, "%.200s stays a word: %.500s", name, lt_error_message());
    return l->status != LT_OK;
}

lt_status lt_words_read(lt_session *session, const lt_request *r) {
    const lt_shelf shelf = {session->models, session->parts->file};
    looking l = {session, r, LT_OK};
    if (r->plain_prompt || !session->parts->has[LT_MODULE_TEXT]) return LT_OK;
    LT_TRY(add_all_named(session, r));
    if (!*r->prompt && !*r->negative_prompt && !r->region_count) return LT_OK;
    LT_TRY(lt_shelf_walk(&shelf, LT_SHELF_EMBEDDING, add_mentioned, &l));
    return l.status;
}

void lt_words_drop(lt_session *session) { lt_inversions_free(&session->embeddings); }
