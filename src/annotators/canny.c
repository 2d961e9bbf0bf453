/* Edges: Canny 1986, the same pixels as OpenCV's Canny of three channels. */
#include "annotators/annotators.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NONE, WEAK, STRONG };

typedef struct edges {
    int w, h;
    int16_t *dx, *dy;   /* [h, w]: of the channel where the magnitude is the most */
    int32_t *magnitude; /* [h + 2, w + 2]: with zeros around it */
    uint8_t *kind;      /* [h, w] */
    int32_t *stack;     /* [h * w]: strong pixels whose neighbours were not looked at */
    size_t waiting;
} edges;

static lt_status allocate(edges *e) {
    const size_t count = (size_t)e->w * (size_t)e->h;
    e->dx = lt_alloc(count * sizeof *e->dx);
    e->dy = lt_alloc(count * sizeof *e->dy);
    e->magnitude = lt_calloc((size_t)(e->h + 2), (size_t)(e->w + 2) * sizeof *e->magnitude);
    e->kind = lt_calloc(count, 1);
    e->stack = lt_alloc(count * sizeof *e->stack);
    return e->dx && e->dy && e->magnitude && e->kind && e->stack ? LT_OK : LT_ERROR_MEMORY;
}

static void release(edges *e) {
    lt_free(e->dx);
    lt_free(e->dy);
    lt_free(e->magnitude);
    lt_free(e->kind);
    lt_free(e->stack);
}

/* ---- Gradients ---- */

static int inside(int at, int size) { return at < 0 ? 0 : at >= size ? size - 1 : at; }

/* Channel c of a pixel; beyond the border the nearest one is repeated. */
static int value(const lt_image *image, int x, int y, int c) {
    const size_t row = (size_t)inside(y, image->height), column = (size_t)inside(x, image->width);
    return image->pixels[3 * (row * (size_t)image->width + column) + (size_t)c];
}

/* Sobel's, of channel c. */
static void sobel(const lt_image *image, int x, int y, int c, int *dx, int *dy) {
    int v[3][3];
    for (int i = 0; i < 9; i++) v[i / 3][i % 3] = value(image, x + i % 3 - 1, y + i / 3 - 1, c);
    *dx = v[0][2] + 2 * v[1][2] + v[2][2] - v[0][0] - 2 * v[1][0] - v[2][0];
    *dy = v[2][0] + 2 * v[2][1] + v[2][2] - v[0][0] - 2 * v[0][1] - v[0][2];
}

static int32_t *magnitude_at(const edges *e, int x, int y) {
    return &e->magnitude[(size_t)(y + 1) * (size_t)(e->w + 2) + (size_t)(x + 1)];
}

static void measure(edges *e, const lt_image *image, int x, int y) {
    const size_t at = (size_t)y * (size_t)e->w + (size_t)x;
    int most = -1;
    for (int c = 0; c < 3; c++) {
        int dx, dy;
        sobel(image, x, y, c, &dx, &dy);
        if (abs(dx) + abs(dy) <= most) continue;
        most = abs(dx) + abs(dy);
        e->dx[at] = (int16_t)dx;
        e->dy[at] = (int16_t)dy;
    }
    *magnitude_at(e, x, y) = most;
}

/* ---- Thin lines ---- */

/* Is the pixel the most along its gradient, whose direction is one of four? tan(22.5 degrees) in fixed point, as OpenCV
 * has it. */
static bool is_ridge(const edges *e, int x, int y) {
    enum { SHIFT = 15, TAN = 13573 };
    const size_t at = (size_t)y * (size_t)e->w + (size_t)x;
    const int32_t m = *magnitude_at(e, x, y);
    const int dx = e->dx[at], dy = e->dy[at];
    const int64_t across = (int64_t)abs(dx) * TAN, down = (int64_t)abs(dy) << SHIFT,
                  steep = across + ((int64_t)abs(dx) << (SHIFT + 1));
    if (down < across) return m > *magnitude_at(e, x - 1, y) && m >= *magnitude_at(e, x + 1, y);
    if (down > steep) return m > *magnitude_at(e, x, y - 1) && m >= *magnitude_at(e, x, y + 1);
    const int s = (dx ^ dy) < 0 ? -1 : 1;
    return m > *magnitude_at(e, x - s, y - 1) && m > *magnitude_at(e, x + s, y + 1);
}

static void mark(edges *e, int x, int y) {
    e->kind[(size_t)y * (size_t)e->w + (size_t)x] = STRONG;
    e->stack[e->waiting++] = y * e->w + x;
}

static void choose(edges *e, int x, int y, int low, int high) {
    const int32_t m = *magnitude_at(e, x, y);
    if (m <= low || !is_ridge(e, x, y)) return;
    if (m > high)
        mark(e, x, y);
    else
        e->kind[(size_t)y * (size_t)e->w + (size_t)x] = WEAK;
}

/* Weak pixels beside strong ones are edges as well. */
static void grow(edges *e) {
    while (e->waiting) {
        const int at = e->stack[--e->waiting], x = at % e->w, y = at / e->w;
        for (int i = 0; i < 9; i++) {
            const int nx = x + i % 3 - 1, ny = y + i / 3 - 1;
            if (nx < 0 || ny < 0 || nx >= e->w || ny >= e->h) continue;
            if (e->kind[(size_t)ny * (size_t)e->w + (size_t)nx] == WEAK) mark(e, nx, ny);
        }
    }
}

static void find(edges *e, const lt_image *image, int low, int high) {
    for (int y = 0; y < e->h; y++)
        for (int x = 0; x < e->w; x++) measure(e, image, x, y);
    for (int y = 0; y < e->h; y++)
        for (int x = 0; x < e->w; x++) choose(e, x, y, low, high);
    grow(e);
}

lt_status lt_annotate_canny(const lt_image *image, const double *p, lt_image *map) {
    edges e = {.w = image->width, .h = image->height};
    const int low = (int)floor(fmin(p[0], p[1])), high = (int)floor(fmax(p[0], p[1]));
    const lt_status status = allocate(&e);
    if (!status) find(&e, image, low, high);
    for (size_t i = 0; !status && i < (size_t)e.w * (size_t)e.h; i++)
        memset(map->pixels + 3 * i, e.kind[i] == STRONG ? 255 : 0, 3);
    release(&e);
    return status;
}
