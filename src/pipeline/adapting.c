/* What a session's LoRAs are. */
#include "pipeline/adapting.h"

#include "adapters/hashed.h"
#include "base/map.h"
#include "pipeline/words.h"
#include "text/networks.h"

#include <string.h>

/* ---- What is worn ---- */

/* The set that is added to the weights from now on; one that was only a request's goes. */
static void wear(lt_session *session, lt_lora_set *set) {
    lt_lora_set *before = session->loras.worn;
    if (set == before) return;
    lt_session_apply(session, set ? set->deltas : NULL);
    session->loras.worn = set;
    if (before != session->loras.own) lt_lora_set_free(before);
}

static lt_status make(lt_session *session, const lt_lora *loras, size_t count, lt_lora_set **set) {
    const lt_lora_set *const kept[2] = {session->loras.own, session->loras.worn};
    return lt_lora_set_make(loras, count, session->parts->weights, &session->listener, kept, set);
}

static lt_status wear_list(lt_session *session, const lt_lora *loras, size_t count) {
    lt_lora_set *set;
    if (lt_lora_set_is(session->loras.worn, loras, count)) return LT_OK;
    LT_TRY(make(session, loras, count, &set));
    wear(session, set);
    return LT_OK;
}

void lt_adapt_settle(lt_session *session) {
    if (!session->loras.requested) wear(session, session->loras.own);
}

void lt_adapt_drop(lt_session *session) {
    lt_lora_set *own = session->loras.own;
    lt_session_apply(session, NULL);
    if (session->loras.worn != own) lt_lora_set_free(session->loras.worn);
    lt_lora_set_free(own);
    session->loras.own = session->loras.worn = NULL;
}

/* ---- Names ---- */

enum { MOST_NAMED = 64 }; /* by a prompt */

/* A list of LoRAs whose files are paths, owned. */
typedef struct lora_list {
    lt_lora *items;
    size_t count;
} lora_list;

static void free_list(lt_lora *items, size_t count) {
    for (size_t i = 0; items && i < count; i++) lt_free((char *)(uintptr_t)items[i].file);
    lt_free(items);
}

static lt_shelf shelf_of(const lt_session *session) { return (lt_shelf){session->models, session->parts->file}; }

/* file: a path, or a name. */
static lt_status add_file(const lt_session *session, const lt_lora *lora, lora_list *list) {
    const lt_shelf shelf = shelf_of(session);
    char *path;
    LT_TRY(lt_shelf_path(&shelf, LT_SHELF_LORA, lora->file, &path));
    list->items[list->count++] = (lt_lora){path, lora->strength, lora->text_strength};
    return LT_OK;
}

static lt_status add_files(const lt_session *session, const lt_lora *loras, size_t count, lora_list *list) {
    for (size_t i = 0; i < count; i++) LT_TRY(add_file(session, &loras[i], list));
    return LT_OK;
}

/* path: of what is called so, and is no file. */
static void tell_broken(const lt_session *session, const lt_network *n, const char *path) {
    lt_map map;
    if (!lt_map_open(path, &map))
        lt_map_close(&map);
    else
        lt_notify(&session->listener, "%.200s is left out: %.500s", n->tag, lt_error_message());
}

static lt_status tell_missing(const lt_session *session, const lt_network *n) {
    const lt_shelf shelf = shelf_of(session);
    char *broken = NULL;
    if (*n->arguments[0]) LT_TRY(lt_shelf_find_broken(&shelf, LT_SHELF_LORA, n->arguments[0], &broken));
    if (broken)
        tell_broken(session, n, broken);
    else if (!*n->arguments[0])
        lt_notify(&session->listener, "%.200s is left out: it names no file", n->tag);
    else
        lt_notify(&session->listener, "%.200s is left out: there is no such file %s%.200s%saround the checkpoint",
                  n->tag, session->models ? "in " : "", session->models ? session->models : "",
                  session->models ? " or " : "");
    lt_free(broken);
    return LT_OK;
}

static void tell_other(const lt_session *session, const lt_network *n, const char *path, const char *hash) {
    char own[LT_SHORT_HASH];
    lt_hashes_of(session->hashes, path, LT_SHELF_LORA, own);
    lt_notify(&session->listener,
              "%.200s: the picture was made with a file of the hash %s, which is nowhere here; %.500s (%s) is "
              "taken for it",
              n->tag, hash, path, own);
}

/* How many networks before the i-th have its name. */
static size_t uses_before(const lt_networks *networks, size_t i) {
    size_t uses = 0;
    for (size_t k = 0; k < i; k++)
        uses += lt_network_is_lora(&networks->items[k]) &&
                lt_hashes_same_name(networks->items[k].arguments[0], networks->items[i].arguments[0]);
    return uses;
}

/* By its name, and by the hash that a picture's text had for it, or NULL. */
static lt_status find_file(const lt_session *session, const lt_network *n, const char *hash, char **path) {
    const lt_shelf shelf = shelf_of(session);
    const lt_hashed wanted = {LT_SHELF_LORA, n->arguments[0], hash};
    bool exact = true;
    LT_TRY(lt_shelf_find(&shelf, LT_SHELF_LORA, wanted.name, path));
    if (hash) LT_TRY(lt_hashes_choose(session->hashes, &shelf, &wanted, path, &exact));
    if (*path && !exact) tell_other(session, n, *path, hash);
    return LT_OK;
}

/* Whether file, a path or a name, is the one that has the hash, or, where that is NULL, that is called name. */
static lt_status is_meant(const lt_session *session, const char *file, const char *name, const char *hash, bool *is) {
    const lt_shelf shelf = shelf_of(session);
    char *path, *own = NULL;
    LT_TRY(lt_shelf_path(&shelf, LT_SHELF_LORA, file, &path));
    const lt_status status = (own = lt_shelf_name(path)) ? LT_OK : LT_ERROR_MEMORY;
    if (own) *is = hash ? lt_hashes_has(session->hashes, path, LT_SHELF_LORA, hash) : lt_hashes_same_name(own, name);
    lt_free(path);
    lt_free(own);
    return status;
}

/* The request's own that is what a network names: whoever follows a picture gives what is not found, or gives another
 * strength. NULL: there is none. */
static lt_status find_given(const lt_session *session, const lt_request *r, const char *name, const char *hash,
                            const lt_lora **given) {
    bool is = false;
    size_t i = 0;
    for (; i < r->lora_count && !is; i += !is) LT_TRY(is_meant(session, r->loras[i].file, name, hash, &is));
    *given = is ? &r->loras[i] : NULL;
    return LT_OK;
}

/* *path, allocated, or the request's own that it is; neither: it is nowhere. */
static lt_status find_network(const lt_session *session, const lt_request *r, const lt_networks *networks, size_t i,
                              char **path, const lt_lora **given) {
    const lt_network *n = &networks->items[i];
    const char *name = n->arguments[0];
    char hash[LT_SHORT_HASH];
    const bool told = lt_hashes_find(r->lora_hashes, name, uses_before(networks, i), hash);
    if (told) LT_TRY(find_given(session, r, name, hash, given));
    if (!*given) LT_TRY(find_file(session, n, told ? hash : NULL, path));
    if (*given || *path) return LT_OK;
    LT_TRY(find_given(session, r, name, NULL, given));
    if (*given && told) tell_other(session, n, (*given)->file, hash);
    return LT_OK;
}

/* What of it does nothing, or otherwise than it says. */
static void tell_odd(const lt_session *session, const lt_network *n, const lt_lora_tag *lora, const lt_lora *given) {
    if (lora->dynamic) lt_notify(&session->listener, "%.200s: all of its rank is taken", n->tag);
    if (lora->unknown)
        lt_notify(&session->listener, "%.200s: \"%.100s\" does nothing: te= and unet= are known", n->tag,
                  lora->unknown);
    if (given && (given->strength != lora->strength || given->text_strength != lora->text_strength))
        lt_notify(&session->listener, "%.200s is left out: `loras` has that file, at %g", n->tag,
                  (double)given->strength);
}

static lt_status add_network(const lt_session *session, const lt_request *r, const lt_networks *networks, size_t i,
                             lora_list *list) {
    const lt_network *n = &networks->items[i];
    const lt_lora *given = NULL;
    lt_lora_tag lora;
    char *path = NULL;
    LT_TRY(lt_network_weigh(n, &lora));
    const lt_status status = find_network(session, r, networks, i, &path, &given);
    if (path) list->items[list->count++] = (lt_lora){path, lora.strength, lora.text_strength};
    LT_TRY(status);
    tell_odd(session, n, &lora, given);
    return path || given ? LT_OK : tell_missing(session, n);
}

static lt_status add_networks(const lt_session *session, const lt_request *r, lt_adapted *a, lora_list *list) {
    size_t loras = 0;
    for (size_t i = 0; i < a->networks.count; i++) {
        const lt_network *n = &a->networks.items[i];
        const size_t before = list->count;
        if (!lt_network_is_lora(n))
            lt_notify(&session->listener, "%.200s is left out: LoRAs alone are served, as <lora:NAME:0.8>", n->tag);
        else if (++loras > MOST_NAMED)
            return lt_fail(LT_ERROR_ARGUMENT, "the prompt names over %d LoRAs", MOST_NAMED);
        else
            LT_TRY(add_network(session, r, &a->networks, i, list));
        a->left_out[i] = list->count == before;
        if (!a->left_out[i]) a->names[before] = n->arguments[0];
    }
    return LT_OK;
}

/* ---- A session ---- */

static lt_status wear_own(lt_session *session, const lora_list *list) {
    lt_lora_set *set = NULL, *before = session->loras.own;
    if (list->count) LT_TRY(make(session, list->items, list->count, &set));
    wear(session, before);
    wear(session, set);
    session->loras.own = set;
    lt_lora_set_free(before);
    return LT_OK;
}

lt_status lt_adapt_session(lt_session *session, const lt_lora *loras, size_t count) {
    LT_TRY(lt_loras_check(loras, count));
    lora_list list = {.items = lt_calloc(count, sizeof *list.items)};
    lt_status status = list.items ? add_files(session, loras, count, &list) : LT_ERROR_MEMORY;
    if (!status) status = wear_own(session, &list);
    free_list(list.items, list.count);
    return status;
}

/* Its own files may be other ones by now. */
static lt_status renew_own(lt_session *session) {
    const lt_lora_set *own = session->loras.own;
    return lt_lora_set_changed(own) ? wear_own(session, &(lora_list){own->loras, own->count}) : LT_OK;
}

/* ---- A request ---- */

/* Those of the prompt first, as they stand in the text beside the picture. */
static lt_status wear_all(lt_session *session, const lt_request *r, lt_adapted *a) {
    const lt_lora_set *own = session->loras.own;
    const size_t before = own ? own->count : 0;
    lora_list list = {.items = lt_calloc(before + r->lora_count + a->networks.count, sizeof *list.items)};
    a->names = lt_calloc(a->networks.count, sizeof *a->names);
    a->left_out = lt_calloc(a->networks.count, sizeof *a->left_out);
    lt_status status = list.items && a->names && a->left_out ? LT_OK : LT_ERROR_MEMORY;
    if (!status) status = add_networks(session, r, a, &list);
    a->named = list.count;
    if (!status && before) status = add_files(session, own->loras, before, &list);
    if (!status) status = add_files(session, r->loras, r->lora_count, &list);
    if (!status && list.count > before) status = wear_list(session, list.items, list.count);
    if (!status && list.count == before) wear(session, session->loras.own);
    free_list(list.items, list.count);
    return status;
}

/* One without a name, or without an end, is none, and stays words. */
static void tell_unread(const lt_session *session, const char *left) {
    static const char *const begins[] = {"<lora:", "<lyco:"};
    for (size_t i = 0; i < LT_COUNT(begins); i++)
        if (strstr(left, begins[i]))
            lt_notify(&session->listener, "%s in a prompt is no LoRA and stays a word: <lora:NAME:0.8> is one",
                      begins[i]);
}

/* What is left of a prompt without comments and networks. */
static lt_status take(const lt_session *session, const lt_request *r, const char *prompt, lt_buffer *left,
                      lt_networks *networks) {
    lt_buffer uncommented = {0};
    lt_status status = r->literal_hash ? LT_OK : lt_comments_take(prompt, &uncommented);
    if (!status) status = lt_networks_take(r->literal_hash ? prompt : uncommented.data, left, networks);
    if (!status) tell_unread(session, left->data);
    lt_buffer_free(&uncommented);
    return status;
}

/* A prompt beside the first: a network of it would be one of all. */
static lt_status take_other(const lt_session *session, const lt_request *r, const char *prompt, lt_buffer *left) {
    lt_networks networks = {0};
    const lt_status status = take(session, r, prompt, left, &networks);
    if (!status && networks.count)
        lt_notify(&session->listener, "%.200s is left out: networks are the prompt's, no other one's",
                  networks.items[0].tag);
    lt_networks_free(&networks);
    return status;
}

static lt_status take_regions(const lt_session *session, const lt_request *r, lt_adapted *a) {
    if (!r->region_count || !r->regions) return LT_OK;
    a->regions = lt_calloc(r->region_count, sizeof *a->regions);
    if (!a->regions) return LT_ERROR_MEMORY;
    a->request.regions = a->regions;
    for (size_t i = 0; i < r->region_count; i++) {
        lt_buffer left = {0};
        const lt_status status = r->regions[i].prompt ? take_other(session, r, r->regions[i].prompt, &left) : LT_OK;
        a->regions[i] = (lt_region){r->regions[i].mask, left.data};
        LT_TRY(status);
    }
    return LT_OK;
}

static lt_status take_all(const lt_session *session, const lt_request *r, lt_adapted *a) {
    if (r->plain_prompt) return LT_OK;
    LT_TRY(take(session, r, r->prompt, &a->prompt, &a->networks));
    LT_TRY(take_other(session, r, r->negative_prompt, &a->negative_prompt));
    a->request.prompt = a->prompt.data;
    a->request.negative_prompt = a->negative_prompt.data;
    return take_regions(session, r, a);
}

static void tell_unsound(const lt_session *session, const char *field, const char *list) {
    size_t size;
    const char *entry = lt_hashes_unsound(list, &size);
    if (entry)
        lt_notify(&session->listener, "`%s`: \"%.*s\" has no hash of 8 digits or more: a file is found by its name",
                  field, (int)lt_min(size, 200), entry);
}

lt_status lt_adapt_request(lt_session *session, const lt_request *request, lt_adapted *adapted) {
    *adapted = (lt_adapted){.request = *request};
    session->loras.requested = true;
    LT_TRY(lt_loras_check(request->loras, request->lora_count));
    LT_TRY(renew_own(session));
    tell_unsound(session, "lora_hashes", request->lora_hashes);
    tell_unsound(session, "embedding_hashes", request->embedding_hashes);
    LT_TRY(take_all(session, request, adapted));
    LT_TRY(wear_all(session, request, adapted));
    return lt_words_read(session, &adapted->request);
}

/* One that can't be kept is computed again. */
static void keep_hashes(lt_session *session) {
    lt_message before;
    lt_message_keep(&before);
    lt_hash_cache_save(session->hashes);
    lt_message_restore(&before);
}

void lt_adapt_end(lt_session *session, lt_adapted *adapted) {
    keep_hashes(session);
    lt_words_drop(session);
    session->loras.requested = false;
    for (size_t i = 0; adapted->regions && i < adapted->request.region_count; i++)
        lt_free((char *)(uintptr_t)adapted->regions[i].prompt);
    lt_free(adapted->regions);
    lt_free(adapted->names);
    lt_free(adapted->left_out);
    lt_networks_free(&adapted->networks);
    lt_buffer_free(&adapted->prompt);
    lt_buffer_free(&adapted->negative_prompt);
    *adapted = (lt_adapted){0};
}
