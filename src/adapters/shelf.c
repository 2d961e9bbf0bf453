/* Files by names without a path. */
#include "adapters/shelf.h"

#include "base/file.h"
#include "formats/picture_embedding.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEEPEST = 4, UPWARDS = 3 }; /* folders within a kind's; around a checkpoint: "root/models/Stable-diffusion/x" */

/* The folders of a kind, within what holds them all. */
/* clang-format off */
static const char *const checkpoints[] = {"checkpoints", "Stable-diffusion", "models/checkpoints",
                                          "models/Stable-diffusion", "unet", "diffusion_models", "models/unet",
                                          "models/diffusion_models", NULL};
static const char *const vaes[] = {"vae", "VAE", "VAE-approx", "vae_approx", "models/vae", "models/VAE",
                                   "models/VAE-approx", "models/vae_approx", NULL};
static const char *const loras[] = {"loras", "Lora", "lora", "LyCORIS", "models/loras", "models/Lora", "models/LyCORIS",
                                    NULL};
static const char *const embeddings[] = {"embeddings", "models/embeddings", NULL};
static const char *const controls[] = {"controlnet", "ControlNet", "t2i_adapter", "models/controlnet",
                                       "models/ControlNet", "models/t2i_adapter",
                                       "extensions/sd-webui-controlnet/models", NULL};
static const char *const image_prompts[] = {"ipadapter", "ip_adapter", "models/ipadapter", "controlnet", "ControlNet",
                                            "models/ControlNet", "extensions/sd-webui-controlnet/models", NULL};
static const char *const image_encoders[] = {"clip_vision", "models/clip_vision", "clip", "models/clip", NULL};
static const char *const upscalers[] = {"upscale_models", "ESRGAN", "RealESRGAN", "upscalers", "models/upscale_models",
                                        "models/ESRGAN", "models/RealESRGAN", NULL};
static const char *const classifiers[] = {"classifiers", "models/classifiers", NULL};
static const char *const others[] = {"text_encoders", "clip", "models/text_encoders", "models/clip", NULL};
/* clang-format on */
static const char *const *const folders[] = {
    [LT_SHELF_CHECKPOINT] = checkpoints,
    [LT_SHELF_VAE] = vaes,
    [LT_SHELF_LORA] = loras,
    [LT_SHELF_EMBEDDING] = embeddings,
    [LT_SHELF_CONTROL] = controls,
    [LT_SHELF_IMAGE_PROMPT] = image_prompts,
    [LT_SHELF_IMAGE_ENCODER] = image_encoders,
    [LT_SHELF_UPSCALER] = upscalers,
    [LT_SHELF_CLASSIFIER] = classifiers,
    [LT_SHELF_OTHER] = others,
};
static const char *const endings[] = {".safetensors", ".pt", ".ckpt", ".bin", ".pth", ".gguf", ".png", ".webp"};
enum { TENSORS = 6 }; /* endings of files with tensors; embeddings also come in pictures */

typedef struct search {
    lt_shelf_kind kind;
    lt_shelf_fn *found;
    void *user;
    lt_status status;
    bool over;
    bool
        all; /* files of all kinds: no folder twice, and also links that lead nowhere, pipes, folders that are closed */
    bool broken; /* such links and pipes alone */
    struct seen {
        dev_t device;
        ino_t file;
    } * seen; /* folders that were visited, where one may have several names; owned */
    size_t seen_count;
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
    for (size_t i = 0; dot && i < (kind == LT_SHELF_EMBEDDING ? LT_COUNT(endings) : TENSORS); i++)
        if (!strcasecmp(dot, endings[i])) return (size_t)(dot - name);
    return 0;
}

/* stem: the length of its name without its ending. */
static void visit_file(search *s, const char *path, const char *name, size_t stem) {
    char *text = made(s, lt_strndup(name, stem));
    if (text) s->over = s->found(s->user, path, text);
    lt_free(text);
}

/* A model as diffusers and transformers write them: a folder that says so. */
static bool is_model_folder(search *s, const char *path) {
    static const char *const marks[] = {"model_index.json", "config.json"};
    bool is = false;
    for (size_t i = 0; i < LT_COUNT(marks) && !is && s->kind != LT_SHELF_LORA && s->kind != LT_SHELF_EMBEDDING; i++) {
        char *mark = made(s, lt_format("%s/%s", path, marks[i]));
        is = mark && !access(mark, F_OK);
        lt_free(mark);
    }
    return is;
}

/* Whether a folder is there for the first time: a disk that takes capitals for small letters has it under each name,
 * and links may lead back. */
static bool is_new(search *s, const char *path) {
    struct stat info;
    if (s->over || stat(path, &info) || !S_ISDIR(info.st_mode)) return false;
    for (size_t i = 0; i < s->seen_count; i++)
        if (s->seen[i].device == info.st_dev && s->seen[i].file == info.st_ino) return false;
    const size_t item = sizeof *s->seen;
    struct seen *seen = lt_realloc(s->seen, s->seen_count * item, (s->seen_count + 1) * item);
    if (!seen) s->status = LT_ERROR_MEMORY, s->over = true;
    if (!seen) return false;
    s->seen = seen;
    s->seen[s->seen_count++] = (struct seen){info.st_dev, info.st_ino};
    return true;
}

static void visit_folder(search *s, const char *folder, int deeper);

/* What is called a file with tensors, and can't be read as one. */
static bool is_told(const search *s, const char *name, bool there, mode_t mode) {
    const bool file = there && (S_ISREG(mode) || S_ISDIR(mode));
    return (s->all || s->broken) && !file && stem_of(name, LT_SHELF_OTHER);
}

/* A file, or in the second turn what is in a folder. */
static void visit_entry(search *s, const char *folder, const char *name, int turn, int deeper) {
    struct stat info = {0};
    char *path = name[0] == '.' ? NULL : made(s, lt_format("%s/%s", folder, name));
    const bool there = path && !stat(path, &info), folder_there = there && S_ISDIR(info.st_mode);
    const bool whole = folder_there && is_model_folder(s, path);
    const bool readable = !s->broken && there && S_ISREG(info.st_mode),
               told = path && is_told(s, name, there, info.st_mode);
    const size_t stem = readable || told ? stem_of(name, s->kind) : 0;
    if (turn == 0 && (stem || (whole && !s->broken))) visit_file(s, path, name, stem ? stem : strlen(name));
    if (turn == 1 && folder_there && !whole) visit_folder(s, path, deeper - 1);
    lt_free(path);
}

static void visit_folder(search *s, const char *folder, int deeper) {
    struct dirent **entries;
    if (s->all && !is_new(s, folder)) return;
    const int count = s->over ? -1 : scandir(folder, &entries, NULL, alphasort);
    if (!s->over && count < 0 && s->all && errno == EACCES)
        visit_file(s, folder, lt_base_name(folder), strlen(lt_base_name(folder)));
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

static lt_status walk(const lt_shelf *shelf, search *s) {
    if (shelf->folder) visit_itself(s, shelf->folder);
    if (shelf->folder) visit_kinds(s, shelf->folder);
    if (shelf->checkpoint && !s->over) visit_around(s, shelf->checkpoint);
    return s->status;
}

lt_status lt_shelf_walk(const lt_shelf *shelf, lt_shelf_kind kind, lt_shelf_fn *found, void *user) {
    search s = {.kind = kind, .found = found, .user = user};
    return walk(shelf, &s);
}

/* ---- All kinds ---- */

lt_status lt_shelf_walk_all(const char *folder, lt_shelf_fn *found, void *user) {
    search s = {.found = found, .user = user, .all = true};
    for (s.kind = 0; s.kind < LT_COUNT(folders) && !s.over; s.kind++) visit_kinds(&s, folder);
    s.kind = LT_SHELF_OTHER;
    visit_folder(&s, folder, s.seen_count ? 0 : DEEPEST);
    lt_free(s.seen);
    return s.status;
}

/* ---- One name ---- */

typedef struct wanted {
    const char *name;
    int (*compare)(const char *a, const char *b);
    char **path;
    lt_status status;
} wanted;

static bool is_wanted(void *user, const char *path, const char *name) {
    wanted *w = user;
    bool preview;
    if (w->compare(name, w->name) && w->compare(lt_base_name(path), w->name)) return false;
    w->status = lt_is_preview(path, &preview);
    if (!w->status && preview) return false;
    if (!w->status) *w->path = lt_strdup(path);
    if (!*w->path) w->status = LT_ERROR_MEMORY;
    return true;
}

lt_status lt_shelf_find(const lt_shelf *shelf, lt_shelf_kind kind, const char *name, char **path) {
    wanted w = {.name = name, .compare = strcmp, .path = path};
    *path = NULL;
    LT_TRY(lt_shelf_walk(shelf, kind, is_wanted, &w));
    w.compare = strcasecmp;
    if (!*path && !w.status) LT_TRY(lt_shelf_walk(shelf, kind, is_wanted, &w));
    return w.status;
}

lt_status lt_shelf_find_broken(const lt_shelf *shelf, lt_shelf_kind kind, const char *name, char **path) {
    wanted w = {.name = name, .compare = strcasecmp, .path = path};
    search s = {.kind = kind, .found = is_wanted, .user = &w, .broken = true};
    *path = NULL;
    LT_TRY(walk(shelf, &s));
    return w.status;
}

static lt_status fail_nowhere(const lt_shelf *shelf, const char *name) {
    return lt_fail(LT_ERROR_FILE,
                   "%s: no such file, and none of that name %s%s%saround the checkpoint (`latent models` lists what is "
                   "in a folder)",
                   name, shelf->folder ? "in " : "", shelf->folder ? shelf->folder : "", shelf->folder ? " or " : "");
}

lt_status lt_shelf_path(const lt_shelf *shelf, lt_shelf_kind kind, const char *file, char **path) {
    const bool name = !strchr(file, '/') && access(file, F_OK);
    *path = NULL;
    if (name) LT_TRY(lt_shelf_find(shelf, kind, file, path));
    if (name && !*path) LT_TRY(lt_shelf_find_broken(shelf, kind, file, path));
    if (name) return *path ? LT_OK : fail_nowhere(shelf, file);
    *path = lt_strdup(file); /* opening it says what is wrong */
    return *path ? LT_OK : LT_ERROR_MEMORY;
}

char *lt_shelf_name(const char *path) {
    const char *name = lt_base_name(path), *dot = strrchr(name, '.');
    return lt_strndup(name, dot && dot > name ? (size_t)(dot - name) : strlen(name));
}
