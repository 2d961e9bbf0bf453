/* The shelf: files by name. A name is compared with those of a listing of the folder and never used as a path, so it
 * leads nowhere else. */
#include "models_own.h"

#include "tools.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FRESH = 30, RETRY = 2 }; /* seconds: a listing is read again after; where a name wasn't found */

/* A listing, and the models that are there without a folder before it. */
typedef struct lt_models_shelf {
    lt_shelf_listing listing;
    lt_shelf_item *items; /* [count] */
    size_t count;
    char *texts[4]; /* of those before */
    double read;
    int users; /* with the models' own */
} lt_models_shelf;

/* ---- Reading ---- */

static void shelf_free(lt_models_shelf *s) {
    if (!s || --s->users) return;
    lt_shelf_free(&s->listing);
    for (size_t i = 0; i < LT_COUNT(s->texts); i++) free(s->texts[i]);
    free(s->items);
    free(s);
}

/* Name without folder and ending. */
static char *name_of(const char *path) {
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    char *name = tool_strdup(base), *dot = name ? strrchr(name, '.') : NULL;
    if (dot && dot != name) *dot = 0;
    return name;
}

static lt_status add_file(lt_models_shelf *s, const char *path) {
    char **texts = s->texts + 2 * s->count;
    struct stat info;
    texts[0] = tool_strdup(path);
    texts[1] = name_of(path);
    if (!texts[0] || !texts[1]) return LT_ERROR_MEMORY;
    s->items[s->count++] = (lt_shelf_item){.path = texts[0],
                                           .name = texts[1],
                                           .kind = LT_SHELF_CHECKPOINT,
                                           .size = stat(path, &info) ? 0 : (uint64_t)info.st_size};
    return LT_OK;
}

/* The model that the options name, and the one that comes with Latent. */
static lt_status add_own(lt_models *models, lt_models_shelf *s) {
    const char *ours = lt_default_model(), *asked = models->options->model;
    char *kept = tool_strdup(ours); /* what it returns stays until the next call */
    lt_status status = asked ? add_file(s, asked) : LT_OK;
    if (!status && kept && (!asked || strcmp(asked, kept))) status = add_file(s, kept);
    free(kept);
    return status;
}

static lt_status fill(lt_models *models, lt_models_shelf *s) {
    const lt_server_options *o = models->options;
    const lt_shelf_options with = {.cache = o->data};
    if (o->models) LT_TRY(lt_shelf_read(o->models, &with, &s->listing));
    s->items = tool_calloc(s->listing.count + 2, sizeof *s->items);
    if (!s->items) return LT_ERROR_MEMORY;
    LT_TRY(add_own(models, s));
    for (size_t i = 0; i < s->listing.count; i++) s->items[s->count++] = s->listing.items[i];
    s->read = tool_now();
    return LT_OK;
}

/* The turn is the caller's. A folder that can't be read any more leaves what was known. */
static lt_status read_shelf(lt_models *models) {
    lt_models_shelf *s = tool_calloc(1, sizeof *s);
    if (!s) return LT_ERROR_MEMORY;
    s->users = 1;
    const lt_status status = fill(models, s);
    shelf_free(status ? s : models->shelf);
    if (!status) models->shelf = s;
    return status;
}

/* The shelf, no older than some seconds; another user of it. */
static lt_status look(lt_models *models, double age, lt_models_shelf **shelf) {
    lt_status status = LT_OK;
    pthread_mutex_lock(&models->shelf_turn);
    if (!models->shelf || tool_now() - models->shelf->read > age) status = read_shelf(models);
    *shelf = status ? NULL : models->shelf;
    if (*shelf) (*shelf)->users++;
    pthread_mutex_unlock(&models->shelf_turn);
    return status;
}

static void leave(lt_models *models, lt_models_shelf *shelf) {
    pthread_mutex_lock(&models->shelf_turn);
    shelf_free(shelf);
    pthread_mutex_unlock(&models->shelf_turn);
}

lt_status lt_models_list(lt_models *models, lt_models_listing *listing) {
    lt_models_shelf *s;
    *listing = (lt_models_listing){0};
    LT_TRY(look(models, FRESH, &s));
    *listing = (lt_models_listing){s->items, s->count, s};
    return LT_OK;
}

void lt_models_release(lt_models *models, lt_models_listing *listing) {
    if (listing->owner) leave(models, listing->owner);
    *listing = (lt_models_listing){0};
}

void lt_models_refresh(lt_models *models) {
    pthread_mutex_lock(&models->shelf_turn);
    if (models->shelf) models->shelf->read = -FRESH - RETRY;
    pthread_mutex_unlock(&models->shelf_turn);
}

/* ---- Names ---- */

/* Whether name is the end of path, from one of its parts on: "x.safetensors", "Lora/x.safetensors". */
static bool is_end_of(const char *name, const char *path, int (*compare)(const char *, const char *)) {
    const size_t size = strlen(name), whole = strlen(path);
    return size < whole && path[whole - size - 1] == '/' && !compare(path + whole - size, name);
}

static const lt_shelf_item *search(const lt_models_shelf *s, lt_shelf_kind kind, const char *name,
                                   int (*compare)(const char *, const char *)) {
    for (size_t i = 0; i < s->count; i++) {
        const lt_shelf_item *item = &s->items[i];
        if (item->kind == kind && (!compare(item->name, name) || is_end_of(name, item->path, compare))) return item;
    }
    return NULL;
}

/* "x.safetensors [6ce0161689]" becomes "x.safetensors". */
static void cut_hash(char *name) {
    char *bracket = strrchr(name, '[');
    if (bracket && bracket > name + 1 && bracket[-1] == ' ' && name[strlen(name) - 1] == ']') bracket[-1] = 0;
}

static char *find_in(lt_models_shelf *s, lt_shelf_kind kind, const char *asked) {
    char *name = tool_strdup(asked);
    if (!name) return NULL;
    const lt_shelf_item *item = search(s, kind, name, strcmp);
    if (!item) cut_hash(name);
    if (!item) item = search(s, kind, name, strcmp);
    if (!item) item = search(s, kind, name, strcasecmp);
    char *path = item ? tool_strdup(item->path) : NULL;
    free(name);
    return path;
}

char *lt_models_find(lt_models *models, lt_shelf_kind kind, const char *name) {
    static const double ages[] = {FRESH, RETRY};
    char *path = NULL;
    for (size_t i = 0; i < LT_COUNT(ages) && !path; i++) {
        lt_models_shelf *s;
        if (look(models, ages[i], &s)) return NULL;
        path = find_in(s, kind, name);
        leave(models, s);
    }
    if (!path) lt_fail(LT_ERROR_FILE, "%.200s: no %s of that name is here", name, lt_shelf_kind_name(kind));
    return path;
}

/* ---- The model where a job names none ---- */

char *lt_models_default(lt_models *models) {
    pthread_mutex_lock(&models->shelf_turn);
    char *name = models->default_path ? name_of(models->default_path) : NULL;
    pthread_mutex_unlock(&models->shelf_turn);
    return name;
}

char *lt_models_checkpoint(lt_models *models, const char *name) {
    char *usual = name && *name ? NULL : lt_models_default(models);
    const char *wanted = usual ? usual : name;
    if (!wanted) lt_fail(LT_ERROR_FILE, "model: there is none here, so one must be named");
    char *path = wanted ? lt_models_find(models, LT_SHELF_CHECKPOINT, wanted) : NULL;
    free(usual);
    return path;
}

bool lt_models_set_default(lt_models *models, const char *name) {
    char *path = lt_models_find(models, LT_SHELF_CHECKPOINT, name);
    if (!path) return false;
    pthread_mutex_lock(&models->shelf_turn);
    free(models->default_path);
    models->default_path = path;
    pthread_mutex_unlock(&models->shelf_turn);
    return true;
}

lt_status lt_models_shelf_begin(lt_models *models) {
    const char *path = models->options->model ? models->options->model : lt_default_model();
    pthread_mutex_init(&models->shelf_turn, NULL);
    models->default_path = tool_strdup(path);
    return models->default_path || !path ? LT_OK : LT_ERROR_MEMORY;
}

void lt_models_shelf_end(lt_models *models) {
    shelf_free(models->shelf);
    free(models->default_path);
    pthread_mutex_destroy(&models->shelf_turn);
}
