/* A file that is given for what it isn't. */
#include "adapters/stranger.h"

#include "adapters/shelf_kind.h"
#include "base/map.h"
#include "formats/picture_embedding.h"

static const char *const kinds[] = {
    [LT_SHELF_CHECKPOINT] = "a checkpoint",
    [LT_SHELF_VAE] = "a VAE",
    [LT_SHELF_LORA] = "a LoRA",
    [LT_SHELF_EMBEDDING] = "an embedding",
    [LT_SHELF_CONTROL] = "a control",
    [LT_SHELF_IMAGE_PROMPT] = "an IP-Adapter",
    [LT_SHELF_IMAGE_ENCODER] = "an image encoder",
    [LT_SHELF_UPSCALER] = "an upscaler",
    [LT_SHELF_CLASSIFIER] = "a classifier",
};

lt_status lt_stranger_fail(const lt_checkpoint *file, lt_shelf_kind kind, const char *wanted, const char *why) {
    lt_shelf_about about;
    lt_status status = lt_shelf_about_file(file, &about);
    if (!status && (about.kind == kind || about.kind >= LT_SHELF_OTHER))
        status = lt_fail(LT_ERROR_MODEL, "%s: %s", wanted, why);
    else if (!status)
        status = lt_fail(LT_ERROR_MODEL, "%s: the file is %s%s%.200s%s%s", wanted, kinds[about.kind],
                         about.details ? ": " : "", about.details ? about.details : "", about.family ? ", for " : "",
                         about.family ? about.family : "");
    lt_shelf_about_free(&about);
    return status;
}

lt_status lt_stranger_is(const lt_checkpoint *file, lt_shelf_kind kind, bool *is) {
    lt_shelf_about about;
    const lt_status status = lt_shelf_about_file(file, &about);
    *is = !status && about.kind != kind && about.kind < LT_SHELF_OTHER;
    lt_shelf_about_free(&about);
    return status;
}

static bool is_picture(const char *path) {
    lt_map map;
    if (lt_map_open(path, &map)) return false;
    const bool is = lt_image_recognise((lt_bytes){map.data, map.size});
    lt_map_close(&map);
    return is;
}

lt_status lt_stranger_open(const char *path, lt_shelf_kind kind, lt_checkpoint *file) {
    lt_message why;
    bool has = false;
    const lt_status status = lt_checkpoint_open(path, file);
    if (!status) return LT_OK;
    lt_message_keep(&why);
    const bool picture = is_picture(path) && !lt_picture_has_embedding(path, &has) && !has;
    if (picture && kind == LT_SHELF_EMBEDDING)
        return lt_fail(status, "%s: this is a picture, and no embedding is in it", path);
    if (picture) return lt_fail(status, "%s: this is a picture, not %s", path, kinds[kind]);
    lt_message_restore(&why);
    return status;
}
