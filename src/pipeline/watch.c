/* What modules make, shown as they run. */
#include "pipeline/watch.h"

#include "base/fields.h"
#include "kernels/layout.h"
#include "pipeline/taps.h"

/* Of tensors in a file, and of what is shown; the first that fits counts. */
static const struct {
    const char *place, *name;
} prefixes[] = {
    {"model.diffusion_model.", "unet."},
    {"first_stage_model.", "vae."},
    {"cond_stage_model.transformer.text_model.", "text."},
    {"conditioner.embedders.1.transformer.text_model.", "text-2."},
    {"text_model.", "text."},
    {"vision_model.", "image."},
};

lt_name lt_watch_name(const char *place) {
    for (size_t i = 0; i < LT_COUNT(prefixes); i++) {
        const char *rest = lt_name_after(place, prefixes[i].place);
        if (rest) return lt_name_of("%s%s", prefixes[i].name, rest);
    }
    return lt_name_of("%s", place);
}

/* Sample k of a value [n, h, w, c], as [c, h, w]. */
static lt_status show(const lt_watching *w, const lt_sight *sight, size_t tap, const char *name, size_t k) {
    const lt_shape s = lt_port_shape(sight->value);
    const size_t each = lt_shape_count(s) / (size_t)s.n;
    float *values = lt_alloc(2 * each * sizeof *values), *planes = values + each;
    if (!values) return LT_ERROR_MEMORY;
    lt_port_read(sight->value, k * each, values, each);
    lt_nhwc_to_nchw(values, planes, 1, (size_t)lt_shape_pixels(s), (size_t)s.c);
    const lt_array array = {name, 3, {(size_t)s.c, (size_t)s.h, (size_t)s.w}, planes};
    const lt_tapped told = {.tap = tap,
                            .kind = LT_TAP_ACTIVATION,
                            .branch = (int)k,
                            .branches = s.n,
                            .seconds = sight->seconds,
                            .array = &array};
    const bool on = w->tapped(w->user, &told);
    lt_free(values);
    return on ? LT_OK : lt_fail(LT_ERROR_CANCELLED, "stopped at %s", name);
}

lt_status lt_watch_look(void *user, const lt_sight *sight) {
    const lt_watching *w = user;
    const lt_name name = lt_watch_name(sight->place);
    for (size_t i = 0; i < w->count && !sight->heads; i++)
        for (size_t k = 0; k < (size_t)lt_port_shape(sight->value).n && lt_tap_names(&w->taps[i], name.text); k++)
            LT_TRY(show(w, sight, i, name.text, k));
    return LT_OK;
}
