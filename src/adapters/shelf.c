/* Files by names without a path. */
#include "adapters/shelf.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEEPEST = 4, UPWARDS = 3 }; /* folders within a kind's; around a checkpoint: "root/models/Stable-diffusion/x" */

/* The folders of a kind, within what holds them all. */
static const char *const loras[] = {"loras",        "Lora",        "lora",           "LyCORIS",
                                    "models/loras", "models/Lora", "models/LyCORIS", NULL};
static const char *const embeddings[] = {"embeddings", "models/embeddings", NULL};
static const char *const *const folders[] = {[LT_SHELF_LORA] = loras, [LT_SHELF_EMBEDDING] = embeddings};
static const char *const endings[] = {".safetensors", ".pt", ".ckpt", ".bin", ".png", ".webp"};
enum { TENSORS = 4 }; /* endings of files with tensors; embeddings also come in pictures */

typedef struct search {
    lt_shelf_kind kind;
    lt_shelf_fn *found;
    void *user;
    lt_status status;
    bool over;
} search;

/* p, or the end of the search where there is no memory for it. */
static char *made(search *s, char *p) {
    if (!p) s->status = LT_ERROR_MEMORY;
    s->over |= !p;
    return p;
}

/* The length of name without its ending; 0: it is no file of that kind. */
static size_t stem_of(const char *name, lt_shelf_kind kind) {
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < (kind == LT_SHELF_LORA ? TENSORS : LT_COUNT(endings)); i++)
        if (!strcasecmp(dot, endings[i])) return (size_t)(dot - name);
    return 0;
}

static void visit_file(search *s, const char *path, const char *name) {
    char *stem = made(s, lt_strndup(name, stem_of(name, s->kind)));
    if (stem) s->over = s->found(s->user, path, stem);
    lt_free(stem);
}

static void visit_folder(search *s, const char *folder, int deeper);

/* A file, or in the second turn what is in a folder. */
static void visit_entry(search *s, const char *folder, const char *name, int turn, int deeper) {
    struct stat info;
    char *path = name[0] == '.' ? NULL : made(s, lt_format("%s/%s", folder, name));
    const bool there = path && !stat(path, &info);
    if (there && turn == 0 && S_ISREG(info.st_mode) && stem_of(name, s->kind)) visit_file(s, path, name);
    if (there && turn == 1 && S_ISDIR(info.st_mode)) visit_folder(s, path, deeper - 1);
    lt_free(path);
}

static void visit_folder(search *s, const char *folder, int deeper) {
    struct dirent **entries;
    const int count = s->over ? -1 : scandir(folder, &entries, NULL, alphasort);
    for (int turn = 0; turn < (deeper > 0 ? 2 : 1); turn++)
        for (int i = 0; i < count && !s->over; i++) visit_entry(s, folder, entries[i]->d_name, turn, deeper);
    for (int i = 0; i < count; i++) free(entries[i]);
    if (count >= 0) free(entries);
}

/* The kind's folders in base. */
static void visit_kinds(search *s, const char *base) {
    for (const char *const *kind = folders[s->kind]; *kind && !s->over; kind++) {
        char *path = made(s, lt_format("%s/%s", base, *kind));
        if (path) visit_folder(s, path, DEEPEST);
        lt_free(path);
    }
}

/* path without its last part: "." of "x". */
static char *parent_of(const char *path) {
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') end--;
    while (end && path[end - 1] != '/') end--;
    while (end > 1 && path[end - 1] == '/') end--;
    return end ? lt_strndup(path, end) : lt_strdup(".");
}

/* What lies in the folder itself; embeddings, which words name, are looked for in their own folders alone. */
static void visit_itself(search *s, const char *folder) {
    if (s->kind != LT_SHELF_EMBEDDING) visit_folder(s, folder, 0);
}

/* Beside it, and in what its folder is in, as far as there is a name to go up by. */
static void visit_around(search *s, const char *checkpoint) {
    char *resolved = realpath(checkpoint, NULL), *base = resolved ? made(s, parent_of(resolved)) : NULL;
    free(resolved);
    if (base) visit_itself(s, base);
    for (int i = 0; base && i < UPWARDS && !s->over; i++) {
        visit_kinds(s, base);
        char *up = made(s, parent_of(base));
        lt_free(base);
        base = up;
    }
    lt_free(base);
}

lt_status lt_shelf_walk(const lt_shelf *shelf, lt_shelf_kind kind, lt_shelf_fn *found, void *user) {
    search s = {.kind = kind, .found = found, .user = user};
    if (shelf->folder) visit_itself(&s, shelf->folder);
    if (shelf->folder) visit_kinds(&s, shelf->folder);
    if (shelf->checkpoint && !s.over) visit_around(&s, shelf->checkpoint);
    return s.status;
}

/* ---- One name ---- */

typedef struct wanted {
    const char *name;
    char **path;
    lt_status status;
} wanted;

static bool is_wanted(void *user, const char *path, const char *name) {
    wanted *w = user;
    if (strcmp(name, w->name)) return false;
    *w->path = lt_strdup(path);
    if (!*w->path) w->status = LT_ERROR_MEMORY;
    return true;
}

lt_status lt_shelf_find(const lt_shelf *shelf, lt_shelf_kind kind, const char *name, char **path) {
    wanted w = {.name = name, .path = path};
    *path = NULL;
    LT_TRY(lt_shelf_walk(shelf, kind, is_wanted, &w));
    return w.status;
}

lt_status lt_shelf_path(const lt_shelf *shelf, lt_shelf_kind kind, const char *file, char **path) {
    *path = NULL;
    if (!strchr(file, '/') && access(file, F_OK)) LT_TRY(lt_shelf_find(shelf, kind, file, path));
    if (!*path) *path = lt_strdup(file); /* opening it says what is wrong */
    return *path ? LT_OK : LT_ERROR_MEMORY;
}

char *lt_shelf_name(const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    return lt_strndup(name, dot && dot > name ? (size_t)(dot - name) : strlen(name));
}
