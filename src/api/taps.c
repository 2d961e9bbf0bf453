/* The public interface: what can be tapped. */
#include "pipeline/taps.h"

#include "api/model.h"
#include "api/run.h"
#include "base/door.h"

static lt_status check_side(const char *name, int side) {
    if (side >= 0 && side <= LT_IMAGE_MAX_SIDE) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT, "%s: %d; 0 to %d is possible", name, side, LT_IMAGE_MAX_SIDE);
}

/* A side in latents. */
static int latents(const lt_components *parts, int side) {
    const int factor = parts->vae.factor ? parts->vae.factor : 1;
    return side ? (int)lt_max((size_t)(side / factor), 1) : parts->sample_size;
}

/* module NULL: of a drawing. */
static lt_status list(const lt_components *parts, const char *module, int h, int w, lt_tap_places *places) {
    lt_module one;
    if (!module) return lt_taps_list(parts, h, w, places);
    LT_TRY(lt_module_named(module, &one));
    return lt_taps_list_module(parts, one, h, w, places);
}

static lt_status read_places(const lt_model *model, const char *module, int width, int height, lt_tap_places *places) {
    const lt_components *parts = &model->parts;
    const int factor = parts->vae.factor ? parts->vae.factor : 1;
    LT_TRY(check_side("width", width));
    LT_TRY(check_side("height", height));
    LT_TRY(list(parts, module, latents(parts, height), latents(parts, width), places));
    places->width = latents(parts, width) * factor;
    places->height = latents(parts, height) * factor;
    return LT_OK;
}

lt_status lt_tap_places_read(const lt_model *model, int width, int height, lt_tap_places *places) {
    const lt_argument arguments[] = {{"model", model}, {"places", .out = places, .size = sizeof *places}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = read_places(model, NULL, width, height, places);
    return lt_leave(&door, status);
}

lt_status lt_module_places_read(const lt_model *model, const char *module, int width, int height,
                                lt_tap_places *places) {
    const lt_argument arguments[] = {
        {"model", model}, {"module", module}, {"places", .out = places, .size = sizeof *places}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = read_places(model, module, width, height, places);
    return lt_leave(&door, status);
}
