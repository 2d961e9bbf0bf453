/* Where each of a request's prompts counts. */
#include "pipeline/regions.h"

#include "base/picture.h"

#include <string.h>

static lt_status read_masks(const lt_session *session, const lt_request *r, int h, int w, float *masks) {
    const size_t pixels = (size_t)h * (size_t)w;
    for (size_t i = 0; i < r->region_count; i++) {
        float *mask = masks + (i + 1) * pixels, most = 0;
        LT_TRY(lt_image_read_mask(r->regions[i].mask, LT_MASK_WHITE, w, h, mask));
        for (size_t k = 0; k < pixels; k++) most = mask[k] > most ? mask[k] : most;
        if (!(most > 0))
            lt_notify(&session->listener, "region %zu is nowhere: its mask has nothing white and opaque", i + 1);
    }
    return LT_OK;
}

/* masks [1 + count, pixels]: what is over 1 in all is shared out. */
static void share_out(float *masks, size_t count, size_t pixels) {
    for (size_t k = 0; k < pixels; k++) {
        float sum = 0;
        for (size_t i = 1; i <= count; i++) sum += masks[i * pixels + k];
        for (size_t i = 1; i <= count && sum > 1; i++) masks[i * pixels + k] /= sum;
        masks[k] = sum < 1 ? 1 - sum : 0;
    }
}

static lt_status check(const lt_request *r) {
    if (!r->regions) return lt_fail(LT_ERROR_ARGUMENT, "regions is NULL: %zu are to be there", r->region_count);
    for (size_t i = 0; i < r->region_count; i++) {
        if (!r->regions[i].mask || !r->regions[i].prompt)
            return lt_fail(LT_ERROR_ARGUMENT, "regions: number %zu has no %s", i,
                           r->regions[i].mask ? "prompt" : "mask");
        if (lt_image_check(r->regions[i].mask))
            return lt_fail_in(LT_ERROR_ARGUMENT, "regions: the mask of number %zu", i);
    }
    return LT_OK;
}

lt_status lt_regions_read(const lt_session *session, const lt_request *r, int h, int w, float **masks) {
    const size_t pixels = (size_t)h * (size_t)w;
    size_t count;
    *masks = NULL;
    if (!r->region_count) return LT_OK;
    LT_TRY(check(r));
    if (!lt_mul(r->region_count + 1, pixels, &count)) return lt_fail(LT_ERROR_ARGUMENT, "regions: that many");
    float *read = lt_calloc(count, sizeof *read);
    if (!read) return LT_ERROR_MEMORY;
    const lt_status status = read_masks(session, r, h, w, read);
    if (status) {
        lt_free(read);
        return status;
    }
    share_out(read, r->region_count, pixels);
    *masks = read;
    return LT_OK;
}
