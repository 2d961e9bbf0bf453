/* Boxes around masks, after the web UIs' get_crop_region and expand_crop_region. */
#include "pipeline/area.h"

#include <string.h>

static bool has_any(const uint8_t *from, int count, int step) {
    for (int i = 0; i < count; i++)
        if (from[(size_t)i * (size_t)step]) return true;
    return false;
}

lt_area lt_area_of_mask(const uint8_t *mask, int w, int h, int padding) {
    int top = 0, bottom = h, left = 0, right = w;
    while (top < h && !has_any(mask + (size_t)top * (size_t)w, w, 1)) top++;
    if (top == h) return (lt_area){0, 0, w, h};
    while (!has_any(mask + (size_t)(bottom - 1) * (size_t)w, w, 1)) bottom--;
    while (!has_any(mask + left, h, w)) left++;
    while (!has_any(mask + right - 1, h, w)) right--;
    left = left > padding ? left - padding : 0;
    top = top > padding ? top - padding : 0;
    right = w - right > padding ? right + padding : w;
    bottom = h - bottom > padding ? bottom + padding : h;
    return (lt_area){left, top, right - left, bottom - top};
}

/* Grows [*from, *from + *size) by `more`, half of it before, and moves it back into [0, most), or cuts it there. */
static void grow(int *from, int *size, int more, int most) {
    int begin = *from - more / 2, end = *from + *size + more - more / 2;
    if (end >= most) {
        begin -= end - most;
        end = most;
    }
    if (begin < 0) {
        end -= begin;
        begin = 0;
    }
    if (end > most) end = most;
    *from = begin;
    *size = end - begin;
}

lt_area lt_area_expand(lt_area a, int width, int height, int w, int h) {
    const double own = (double)a.w / a.h, wanted = (double)width / height;
    if (own > wanted)
        grow(&a.y, &a.h, (int)(a.w / wanted - a.h), h);
    else
        grow(&a.x, &a.w, (int)(a.h * wanted - a.w), w);
    return a;
}

lt_status lt_area_cut(lt_area a, const lt_image *image, lt_image *part) {
    const size_t row = (size_t)a.w * 3, width = (size_t)image->width;
    LT_TRY(lt_image_alloc(a.w, a.h, part));
    for (size_t y = 0; y < (size_t)a.h; y++)
        memcpy(part->pixels + y * row, image->pixels + (((size_t)a.y + y) * width + (size_t)a.x) * 3, row);
    return LT_OK;
}
