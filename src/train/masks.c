/* Masks of what of a picture is to be learned. */
#include "train/masks.h"

/* from [h * factor, w * factor]: what is denoised has a number for each factor x factor pixels, their mean. */
static void shrink(const float *from, const lt_masks *m, size_t factor, float *to) {
    const size_t w = (size_t)m->w, h = (size_t)m->h;
    for (size_t y = 0; y < h; y++)
        for (size_t x = 0; x < w; x++) {
            double sum = 0;
            for (size_t k = 0; k < factor * factor; k++)
                sum += (double)from[((y * factor + k / factor) * w + x) * factor + k % factor];
            to[y * w + x] = (float)(sum / (double)(factor * factor));
        }
}

static lt_status read_all(const lt_training *t, const lt_bucket *b, lt_masks *masks, float *pixels) {
    const size_t each = (size_t)masks->h * (size_t)masks->w, factor = (size_t)(b->height / masks->h);
    for (size_t i = 0; i < masks->count; i++) {
        bool there;
        LT_TRY(lt_training_poll(t, "reading masks"));
        LT_TRY(lt_dataset_load_mask(t->data, b->members ? b->members[i] : i, t->options->files.masks, b->width,
                                    b->height, pixels, &there));
        shrink(pixels, masks, factor, masks->values + i * each);
        masks->without += !there;
    }
    return LT_OK;
}

lt_status lt_masks_open(const lt_training *t, const lt_bucket *b, lt_shape shape, lt_masks *masks) {
    if (!t->options->files.masks) return LT_OK;
    *masks = (lt_masks){.h = shape.h, .w = shape.w, .count = b->members ? b->count : lt_dataset_count(t->data)};
    masks->values = lt_calloc(masks->count * (size_t)shape.h, (size_t)shape.w * sizeof *masks->values);
    float *pixels = lt_alloc((size_t)b->width * (size_t)b->height * sizeof *pixels);
    const lt_status status = masks->values && pixels ? read_all(t, b, masks, pixels) : LT_ERROR_MEMORY;
    lt_free(pixels);
    return status;
}

void lt_masks_close(lt_masks *masks) {
    lt_free(masks->values);
    *masks = (lt_masks){0};
}

void lt_masks_write(const lt_training *t, const lt_masks *masks, size_t row, uint64_t random, float weight,
                    lt_port port, size_t i) {
    const size_t w = (size_t)masks->w, each = (size_t)masks->h * w;
    const bool mirrored = t->options->pictures.flip && lt_dataset_flips(random);
    if (!masks->values) lt_port_write(port, i, &weight, 1);
    for (size_t k = 0; masks->values && k < each; k++) {
        const size_t x = mirrored ? w - 1 - k % w : k % w;
        const float value = weight * masks->values[row * each + k / w * w + x];
        lt_port_write(port, i * each + k, &value, 1);
    }
}
