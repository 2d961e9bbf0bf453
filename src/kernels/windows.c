/* Copying windows: see windows.h. */
#include "kernels/windows.h"

#include <string.h>

lt_windows lt_windows_of(const lt_conv_desc *d) {
    return (lt_windows){.kernel = d->kernel,
                        .stride = d->stride,
                        .pad = d->pad_begin,
                        .h = d->h,
                        .w = d->w,
                        .wraps_x = d->wraps & LT_SEAMLESS_X,
                        .wraps_y = d->wraps & LT_SEAMLESS_Y,
                        .c = {(size_t)d->c[0], (size_t)d->c[1]},
                        .pitch = {lt_conv_src_pitch(d, 0), lt_conv_src_pitch(d, 1)},
                        .both = (size_t)d->c[0] + (size_t)d->c[1],
                        .oh = (size_t)lt_conv_out_size(d, d->h),
                        .ow = (size_t)lt_conv_out_size(d, d->w)};
}

static ptrdiff_t least(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

/* out[0..count) of a picture's row of `width` floats, from `first` on, with zeros outside. */
static void copy_part(const float *row, ptrdiff_t width, ptrdiff_t first, ptrdiff_t count, float *out) {
    if (first >= 0 && first + count <= width) {
        memcpy(out, row + first, (size_t)count * sizeof *out);
        return;
    }
    const ptrdiff_t before = first < 0 ? least(-first, count) : 0, end = least(first + count, width);
    const ptrdiff_t there = end > first + before ? end - first - before : 0;
    memset(out, 0, (size_t)before * sizeof *out);
    memcpy(out + before, row + first + before, (size_t)there * sizeof *out);
    memset(out + before + there, 0, (size_t)(count - before - there) * sizeof *out);
}

/* The same with what is on the other side. */
static void copy_around(const float *row, ptrdiff_t width, ptrdiff_t first, ptrdiff_t count, float *out) {
    for (ptrdiff_t part; count; first += part, count -= part, out += part) {
        const ptrdiff_t at = lt_conv_find(first, width, true);
        part = least(width - at, count);
        memcpy(out, row + at, (size_t)part * sizeof *out);
    }
}

/* Of one source: the pixels of a kernel's row lie side by side. */
static void copy_rows(const lt_windows *s, const float *sample, ptrdiff_t y0, ptrdiff_t x0, size_t k, size_t count,
                      float *out) {
    const size_t across = (size_t)s->kernel * s->c[0], width = (size_t)s->w * s->c[0];
    for (size_t part; count; k += part, count -= part, out += part) {
        const ptrdiff_t y = lt_conv_find(y0 + (ptrdiff_t)(k / across), s->h, s->wraps_y);
        const ptrdiff_t first = x0 * (ptrdiff_t)s->c[0] + (ptrdiff_t)(k % across);
        part = lt_min(across - k % across, count);
        if (y < 0)
            memset(out, 0, part * sizeof *out);
        else
            (s->wraps_x ? copy_around : copy_part)(sample + (size_t)y * width, (ptrdiff_t)width, first, (ptrdiff_t)part,
                                                   out);
    }
}

/* Of two, or where pixels lie apart: pieces of one tap and one source each. */
static void copy_taps(const lt_windows *s, const float *const sample[2], ptrdiff_t y0, ptrdiff_t x0, size_t k,
                      size_t count, float *out) {
    for (size_t part; count; k += part, count -= part, out += part) {
        const size_t tap = k / s->both, channel = k % s->both, which = channel >= s->c[0], c = s->c[which];
        const size_t from = which ? channel - s->c[0] : channel;
        const ptrdiff_t y = lt_conv_find(y0 + (ptrdiff_t)tap / s->kernel, s->h, s->wraps_y);
        const ptrdiff_t x = lt_conv_find(x0 + (ptrdiff_t)tap % s->kernel, s->w, s->wraps_x);
        part = lt_min(c - from, count);
        if (y >= 0 && x >= 0)
            memcpy(out, sample[which] + ((size_t)y * (size_t)s->w + (size_t)x) * s->pitch[which] + from,
                   part * sizeof *out);
        else
            memset(out, 0, part * sizeof *out);
    }
}

void lt_windows_copy(const lt_windows *s, const float *const src[2], size_t row, size_t k, size_t count, float *out) {
    const size_t sample = row / s->ow / s->oh * (size_t)s->h * (size_t)s->w;
    const ptrdiff_t y = (ptrdiff_t)(row / s->ow % s->oh) * s->stride - s->pad;
    const ptrdiff_t x = (ptrdiff_t)(row % s->ow) * s->stride - s->pad;
    const float *const of_sample[2] = {src[0] + sample * s->pitch[0], s->c[1] ? src[1] + sample * s->c[1] : NULL};
    if (s->c[1] || s->pitch[0] != s->c[0])
        copy_taps(s, of_sample, y, x, k, count, out);
    else
        copy_rows(s, of_sample[0], y, x, k, count, out);
}

lt_windows_block lt_windows_block_of(const lt_windows *s, size_t k, size_t count) {
    const size_t tap = k / s->both, within = k % s->both;
    const int source = within >= s->c[0];
    return (lt_windows_block){.source = source,
                              .ky = (int)tap / s->kernel,
                              .kx = (int)tap % s->kernel,
                              .first = within - (source ? s->c[0] : 0),
                              .count = count};
}

void lt_windows_copy_block(const lt_windows *s, const lt_windows_block *b, const float *src, const float *of_pixel,
                           size_t row, size_t rows, float *out, size_t stride, float *scale) {
    size_t ox = row % s->ow, oy = row / s->ow % s->oh, sample = row / s->ow / s->oh;
    for (size_t i = 0; i < rows; i++, out += stride) {
        const ptrdiff_t y = lt_conv_find((ptrdiff_t)oy * s->stride - s->pad + b->ky, s->h, s->wraps_y);
        const ptrdiff_t x = lt_conv_find((ptrdiff_t)ox * s->stride - s->pad + b->kx, s->w, s->wraps_x);
        const bool inside = y >= 0 && x >= 0;
        const size_t pixel = inside ? (sample * (size_t)s->h + (size_t)y) * (size_t)s->w + (size_t)x : 0;
        scale[i] = inside ? of_pixel[pixel] : 0;
        if (inside) memcpy(out, src + pixel * s->c[b->source] + b->first, b->count * sizeof *out);
        if (++ox < s->ow) continue;
        ox = 0;
        if (++oy < s->oh) continue;
        oy = 0;
        sample++;
    }
}
