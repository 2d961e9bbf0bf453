/* Colours without shapes: a grid of them, and a smaller picture. */
#include "annotators/annotators.h"

#include <math.h>
#include <string.h>

static const uint8_t *pixel_at(const lt_image *image, int x, int y) {
    return image->pixels + 3 * ((size_t)y * (size_t)image->width + (size_t)x);
}

static int inside(int at, int size) { return at < 0 ? 0 : at >= size ? size - 1 : at; }

/* ---- The grid: OpenCV's INTER_CUBIC, which takes the pixels around a cell's middle alone, then INTER_NEAREST ---- */

enum { CELL = 64 };

/* Keys 1981 with a = -0.75 at distance 1 + x, x, 1 - x, 2 - x. */
static void cubic(double x, double weights[4]) {
    const double a = -0.75, y = 1 - x;
    weights[0] = ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a;
    weights[1] = ((a + 2) * x - (a + 3)) * x * x + 1;
    weights[2] = ((a + 2) * y - (a + 3)) * y * y + 1;
    weights[3] = 1 - weights[0] - weights[1] - weights[2];
}

/* Where cell i of `cells` over `size` pixels is read: the first of four pixels, and their weights. */
static int place(int i, int cells, int size, double weights[4]) {
    const double at = (i + 0.5) * size / cells - 0.5;
    cubic(at - floor(at), weights);
    return (int)floor(at) - 1;
}

static void read_cell(const lt_image *image, int x, int y, int columns, int rows, uint8_t colour[3]) {
    double across[4], down[4];
    const int left = place(x, columns, image->width, across), top = place(y, rows, image->height, down);
    for (int c = 0; c < 3; c++) {
        double sum = 0;
        for (int i = 0; i < 16; i++)
            sum += across[i % 4] * down[i / 4] *
                   pixel_at(image, inside(left + i % 4, image->width), inside(top + i / 4, image->height))[c];
        colour[c] = (uint8_t)fmin(fmax(rint(sum), 0), 255);
    }
}

lt_status lt_annotate_color(const lt_image *image, const double *p, lt_image *map) {
    const int columns = image->width < CELL ? 1 : image->width / CELL,
              rows = image->height < CELL ? 1 : image->height / CELL;
    lt_image cells;
    (void)p;
    LT_TRY(lt_image_alloc(columns, rows, &cells));
    for (int i = 0; i < columns * rows; i++)
        read_cell(image, i % columns, i / columns, columns, rows, cells.pixels + 3 * i);
    for (int y = 0; y < map->height; y++)
        for (int x = 0; x < map->width; x++)
            memcpy((uint8_t *)(uintptr_t)pixel_at(map, x, y),
                   pixel_at(&cells, (int)((int64_t)x * columns / map->width), (int)((int64_t)y * rows / map->height)),
                   3);
    lt_image_free(&cells);
    return LT_OK;
}

/* ---- The smaller picture ---- */

lt_status lt_annotate_tile(const lt_image *image, const double *p, lt_image *map) {
    const int w = (int)fmax(image->width / p[0], 1), h = (int)fmax(image->height / p[0], 1);
    lt_image small, back;
    LT_TRY(lt_image_resize(image, w, h, &small));
    const lt_status status = lt_image_resize(&small, image->width, image->height, &back);
    lt_image_free(&small);
    if (status) return status;
    memcpy(map->pixels, back.pixels, (size_t)map->width * (size_t)map->height * 3);
    lt_image_free(&back);
    return LT_OK;
}
