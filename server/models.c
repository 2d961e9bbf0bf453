/* Models that are open. */
#include "memory.h"
#include "models_own.h"
#include "tools.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What is open: a session and its model, or a model alone. */
struct lt_models_entry {
    char *path, *vae, *preview_vae;
    lt_models_entry *base; /* of a model alone: used by it */
    lt_model *model;       /* of a model alone */
    lt_session *session;
    lt_notice_fn notice;
    void *notice_user;
    int users;
    int dependents; /* open models whose base it is */
    bool changed;   /* its files are other ones now: nobody else gets it */
    double used;
    lt_models_entry *next;
};

lt_session *lt_models_session(const lt_models_entry *entry) { return entry->session; }
const lt_model *lt_models_model(const lt_models_entry *entry) {
    return entry->session ? lt_session_model(entry->session) : entry->model;
}
void lt_models_listen(lt_models_entry *entry, lt_notice_fn notice, void *user) {
    entry->notice = notice;
    entry->notice_user = user;
}

static void pass_notice(void *user, const char *message) {
    const lt_models_entry *entry = user;
    if (entry->notice) entry->notice(entry->notice_user, message);
}

/* ---- Closing: the longest unused first ---- */

static void entry_free(lt_models_entry *e) {
    lt_session_close(e->session);
    lt_model_close(e->model);
    free(e->path);
    free(e->vae);
    free(e->preview_vae);
    free(e);
}

/* Takes it out of the list; the turn is the caller's. */
static void entry_close(lt_models *models, lt_models_entry *entry) {
    lt_models_entry **link = &models->entries;
    while (*link != entry) link = &(*link)->next;
    *link = entry->next;
    models->open--;
    if (entry->base) entry->base->dependents--;
    server_log(NULL, "closed %s", entry->path);
    entry_free(entry);
}

static bool close_oldest(lt_models *models) {
    lt_models_entry *oldest = NULL;
    for (lt_models_entry *e = models->entries; e; e = e->next)
        if (!e->users && !e->dependents && (!oldest || e->used < oldest->used)) oldest = e;
    if (oldest) entry_close(models, oldest);
    if (oldest) server_memory_trim();
    return oldest;
}

/* The turn is the caller's. */
static void make_room(lt_models *models, double bytes) {
    while (server_memory_held() + bytes > models->limit && close_oldest(models)) continue;
}

/* Looks at their files; who still draws with what was in them goes on. The turn is the caller's. */
static void close_changed(lt_models *models) {
    lt_models_entry *unused;
    do {
        unused = NULL;
        for (lt_models_entry *e = models->entries; e; e = e->next) {
            e->changed = lt_model_changed(lt_models_model(e));
            if (e->changed && !e->users && !e->dependents) unused = e;
        }
        if (unused) entry_close(models, unused);
    } while (unused);
}

int lt_models_unload(lt_models *models) {
    int closed = 0;
    pthread_mutex_lock(&models->turn);
    while (close_oldest(models)) closed++;
    pthread_mutex_unlock(&models->turn);
    return closed;
}

/* ---- Opening ---- */

static double file_size(const char *path) {
    struct stat info;
    return path && !stat(path, &info) ? (double)info.st_size : 0;
}

static bool same(const char *a, const char *b) { return a && b ? !strcmp(a, b) : a == b; }

static bool is_of(const lt_models_entry *e, const char *model, const char *vae, const char *preview_vae) {
    return e->session && !e->changed && same(e->path, model) && same(e->vae, vae) && same(e->preview_vae, preview_vae);
}

static lt_models_entry *entry_new(const char *path, const char *vae, const char *preview_vae) {
    lt_models_entry *e = tool_calloc(1, sizeof *e);
    if (!e) return NULL;
    e->path = tool_strdup(path);
    e->vae = tool_strdup(vae);
    e->preview_vae = tool_strdup(preview_vae);
    e->users = 1;
    if (e->path && !e->vae == !vae && !e->preview_vae == !preview_vae) return e;
    entry_free(e);
    return NULL;
}

static lt_status open_model(lt_models_entry *e, const lt_model *base, lt_model **model) {
    lt_open_options o = lt_open_options_defaults();
    o.vae = e->vae;
    o.preview_vae = e->preview_vae;
    o.base = base;
    const double start = tool_now();
    const lt_status status = lt_model_open(e->path, &o, model);
    if (!status) server_log(NULL, "opened %s in %.2f s", e->path, tool_now() - start);
    return status;
}

/* shared: an open model of the same files, or NULL. */
static lt_status open_session(const lt_models *models, lt_models_entry *e, lt_model *shared) {
    const lt_server_options *server = models->options;
    lt_session_options o = lt_session_options_defaults();
    lt_model *model = NULL;
    o.threads = server->threads;
    o.precision = server->precision;
    o.max_memory = 1e-9 * models->limit;
    o.models = server->models;
    o.cache = server->data;
    o.notice = pass_notice;
    o.notice_user = e;
    if (!shared) LT_TRY(open_model(e, NULL, &model));
    const lt_status status = lt_session_open(shared ? shared : model, &o, &e->session);
    lt_model_close(model);
    return status;
}

/* Into the list, or freed; the turn is the caller's. */
static lt_status keep(lt_models *models, lt_models_entry *e, lt_status status, lt_models_entry **entry) {
    *entry = status ? NULL : e;
    if (status) return entry_free(e), status;
    e->next = models->entries;
    models->entries = e;
    models->open++;
    return LT_OK;
}

static lt_status take_new(lt_models *models, const char *model, const char *vae, const char *preview_vae,
                          lt_model *shared, lt_models_entry **entry) {
    if (!shared) make_room(models, file_size(model));
    lt_models_entry *e = entry_new(model, vae, preview_vae);
    return e ? keep(models, e, open_session(models, e, shared), entry) : LT_ERROR_MEMORY;
}

lt_status lt_models_take(lt_models *models, const char *model, const char *vae, const char *preview_vae,
                         lt_models_entry **entry) {
    lt_model *shared = NULL;
    lt_status status = LT_OK;
    *entry = NULL;
    pthread_mutex_lock(&models->turn);
    close_changed(models);
    for (lt_models_entry *e = models->entries; e && !*entry; e = e->next) {
        if (!is_of(e, model, vae, preview_vae)) continue;
        shared = lt_session_model(e->session);
        if (!e->users) *entry = e;
    }
    if (*entry)
        (*entry)->users++;
    else
        status = take_new(models, model, vae, preview_vae, shared, entry);
    pthread_mutex_unlock(&models->turn);
    return status;
}

static lt_status borrow_new(lt_models *models, const char *path, lt_models_entry *base, lt_models_entry **entry) {
    make_room(models, file_size(path));
    lt_models_entry *e = entry_new(path, NULL, NULL);
    if (!e) return LT_ERROR_MEMORY;
    const lt_status status = open_model(e, base ? lt_models_model(base) : NULL, &e->model);
    if (!status && base) base->dependents++;
    e->base = status ? NULL : base;
    return keep(models, e, status, entry);
}

lt_status lt_models_borrow(lt_models *models, const char *path, lt_models_entry *base, lt_models_entry **entry) {
    lt_status status = LT_OK;
    *entry = NULL;
    pthread_mutex_lock(&models->turn);
    close_changed(models);
    for (lt_models_entry *e = models->entries; e && !*entry; e = e->next)
        if (e->model && !e->changed && e->base == base && same(e->path, path)) *entry = e;
    if (*entry)
        (*entry)->users++;
    else
        status = borrow_new(models, path, base, entry);
    pthread_mutex_unlock(&models->turn);
    return status;
}

lt_status lt_models_borrow_checkpoint(lt_models *models, const char *name, lt_models_entry **entry) {
    char *path = lt_models_checkpoint(models, name);
    *entry = NULL;
    const lt_status status = path ? lt_models_borrow(models, path, NULL, entry) : LT_ERROR_FILE;
    free(path);
    return status;
}

void lt_models_give_back(lt_models *models, lt_models_entry *entry) {
    if (!entry) return;
    pthread_mutex_lock(&models->turn);
    entry->notice = NULL;
    entry->used = tool_now();
    entry->users--;
    make_room(models, 0);
    pthread_mutex_unlock(&models->turn);
}

void lt_models_describe(lt_models *models, int *open, double *bytes) {
    *open = models->open;
    *bytes = server_memory_held();
}

/* ---- All of them ---- */

lt_status lt_models_open(const lt_server_options *options, lt_models **out) {
    lt_models *models = tool_calloc(1, sizeof *models);
    *out = models;
    if (!models) return LT_ERROR_MEMORY;
    models->options = options;
    models->limit = options->memory > 0 ? 1e9 * options->memory : server_memory_machine() * 2 / 3;
    pthread_mutex_init(&models->turn, NULL);
    const lt_status status = lt_models_shelf_begin(models);
    if (status) lt_models_close(models), *out = NULL;
    return status;
}

void lt_models_close(lt_models *models) {
    if (!models) return;
    for (lt_models_entry *e = models->entries, *next; e; e = next) {
        next = e->next;
        entry_free(e);
    }
    lt_models_shelf_end(models);
    pthread_mutex_destroy(&models->turn);
    free(models);
}
