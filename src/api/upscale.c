/* The public interface: pictures made larger. */
#include "api/model.h"
#include "base/door.h"
#include "base/fields.h"
#include "base/picture.h"
#include "pipeline/upscaling.h"

#define AT(member) LT_FIELD(lt_upscale_options, member)
static const lt_field fields[] = {
    {AT(scale), LT_FIELD_DOUBLE, 0, 64, .help = "sides of the result, in the input's; default: what the upscaler does"},
    {AT(tile), LT_FIELD_INT, 0, LT_IMAGE_MAX_SIDE, .help = "pixels a side that are done at once; 0: all"},
    {AT(overlap), LT_FIELD_INT, 0, LT_IMAGE_MAX_SIDE, .help = "pixels that neighbouring tiles share"},
    {AT(reserved), LT_FIELD_RESERVED},
    {0},
};
#undef AT

const lt_field *lt_upscale_fields(void) { return fields; }

lt_upscale_options lt_upscale_options_defaults(void) { return (lt_upscale_options){.tile = 256, .overlap = 32}; }

static lt_status check(const lt_upscale_options *o) {
    LT_TRY(lt_fields_check(fields, o));
    if (o->tile && o->tile < 16)
        return lt_fail(LT_ERROR_ARGUMENT, "`tile` %d: 16 at least, or 0, is possible", o->tile);
    if (!o->tile || 2 * o->overlap < o->tile) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT, "`overlap` %d: under half of `tile`, %d, is possible", o->overlap, o->tile);
}

static lt_status upscale(lt_session *session, const lt_image *image, const lt_upscale_options *o, lt_image *out) {
    LT_TRY(lt_image_check(image));
    const double width = image->width * o->scale, height = image->height * o->scale;
    if (width > LT_IMAGE_MAX_SIDE || height > LT_IMAGE_MAX_SIDE)
        return lt_fail(LT_ERROR_ARGUMENT, "`scale` %g: a picture of %dx%d would be larger than %d a side", o->scale,
                       image->width, image->height, LT_IMAGE_MAX_SIDE);
    if (!(o->scale > 0)) return lt_upscale_once(session, image, o, out);
    return lt_upscale_to(session, image, width < 1 ? 1 : (int)width, height < 1 ? 1 : (int)height, o, out);
}

/* Stopped by whoever watches, also within a tile. */
static lt_status watched(lt_session *session, const lt_image *image, const lt_upscale_options *o, lt_image *out) {
    LT_TRY(check(o));
    session->target.cancelled = o->cancelled;
    session->target.cancelled_user = o->user;
    const lt_status status = upscale(session, image, o, out);
    session->target.cancelled = NULL;
    return status;
}

lt_status lt_upscale(lt_session *session, const lt_image *image, const lt_upscale_options *options, lt_image *out) {
    const lt_upscale_options defaults = lt_upscale_options_defaults();
    const lt_argument arguments[] = {LT_SESSION_ARGUMENT, {"image", image}, {"out", .out = out, .size = sizeof *out}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = watched(session, image, options ? options : &defaults, out);
    return lt_leave(&door, status);
}

lt_status lt_image_scale(const lt_image *image, int width, int height, lt_image *out) {
    const lt_argument arguments[] = {{"image", image}, {"out", .out = out, .size = sizeof *out}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = lt_image_resize(image, width, height, out);
    return lt_leave(&door, status);
}
