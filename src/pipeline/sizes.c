/* What XL is told beside a text. */
#include "pipeline/sizes.h"

#include "kernels/pixels.h"

/* diffusers' and A1111's defaults. */
static const float beauty = 6, ugliness = 2.5f;

static float or_else(int said, int usual) { return (float)(said ? said : usual); }

lt_sizes lt_sizes_of(const lt_components *parts, const lt_request *r, int width, int height, bool negative) {
    lt_sizes s = {{or_else(r->original_height, height), or_else(r->original_width, width), (float)r->crop_top,
                   (float)r->crop_left, or_else(r->target_height, height), or_else(r->target_width, width)}};
    if (lt_size_count(parts) == LT_REFINER_SIZES) s.at[LT_REFINER_SIZES - 1] = negative ? ugliness : beauty;
    return s;
}

lt_sizes lt_sizes_of_whole(const lt_components *parts, int width, int height) {
    const lt_request plain = lt_request_defaults();
    return lt_sizes_of(parts, &plain, width, height, false);
}

void lt_sizes_embed(const lt_components *parts, const lt_sizes *sizes, float *out) {
    lt_pixels.timestep(sizes->at, out, (size_t)lt_size_count(parts), LT_SIZE_CHANNELS);
}
