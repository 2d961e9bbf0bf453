/* Whatever a path may name that holds tensors. */
#include "formats/source.h"

#include <string.h>
#include <sys/stat.h>

bool lt_is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool is_index(const char *path) {
    static const char ending[] = ".index.json";
    const size_t n = strlen(path), m = sizeof ending - 1;
    return n >= m && strcmp(path + n - m, ending) == 0;
}

/* ---- What other programs download ---- */

/* Names that are in many instructions, and where the models are today. */
static const struct {
    const char *name, *now;
} moved[] = {
    {"runwayml/stable-diffusion-v1-5", "stable-diffusion-v1-5/stable-diffusion-v1-5"},
    {"runwayml/stable-diffusion-inpainting", "stable-diffusion-v1-5/stable-diffusion-inpainting"},
};

static const char *name_today(const char *name) {
    for (size_t i = 0; i < LT_COUNT(moved); i++)
        if (!strcmp(name, moved[i].name)) return moved[i].now;
    return name;
}

static bool is_weights(const char *path) {
    static const char *const endings[] = {".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".json"};
    const char *ending = strrchr(path, '.');
    for (size_t i = 0; ending && i < LT_COUNT(endings); i++)
        if (!strcmp(ending, endings[i])) return true;
    return false;
}

/* ORGANISATION/NAME, as models are called at Hugging Face, of which no folder of that name is here. */
static bool is_hub_name(const char *path) {
    static const char signs[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    const char *slash = strchr(path, '/');
    if (!slash || path[0] == '.' || strspn(path, signs) != (size_t)(slash - path)) return false;
    if (!slash[1] || slash[1 + strspn(slash + 1, signs)] || is_weights(path)) return false;
    char folder[128] = "";
    memcpy(folder, path, lt_min((size_t)(slash - path), sizeof folder - 1));
    return !lt_is_folder(folder);
}

/* Refuses what isn't there and names a model elsewhere. */
static lt_status check_here(const char *path) {
    struct stat info;
    if (stat(path, &info) == 0) return LT_OK;
    if (strstr(path, "://"))
        return lt_fail(LT_ERROR_FILE,
                       "%s: nothing is downloaded: fetch the file, or the whole folder, and give the path of that",
                       path);
    if (!is_hub_name(path)) return LT_OK;
    return lt_fail(LT_ERROR_FILE,
                   "%s: no such file or folder, and nothing is downloaded: if it is a model of that name, fetch its "
                   ".safetensors file, or the whole folder, from https://huggingface.co/%s and give the path of that",
                   path, name_today(path));
}

lt_status lt_source_open(const char *path, lt_source *source) {
    *source = (lt_source){0};
    LT_TRY(check_here(path));
    if (lt_is_folder(path)) return lt_diffusers_open(path, &source->folder);
    if (is_index(path)) return lt_checkpoint_open_sharded(path, &source->file);
    return lt_checkpoint_open(path, &source->file);
}

void lt_source_close(lt_source *source) {
    lt_checkpoint_close(&source->file);
    lt_diffusers_close(&source->folder);
}

bool lt_source_changed(const lt_source *source) {
    bool changed = lt_checkpoint_changed(&source->file);
    for (size_t i = 0; i < source->folder.count && !changed; i++)
        changed = lt_checkpoint_changed(&source->folder.components[i].checkpoint);
    return changed;
}
