/* A file that is given for what it isn't. */
#include "adapters/stranger.h"

#include "adapters/shelf_kind.h"

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
