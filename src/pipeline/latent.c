/* Between pictures and latents, by the VAE, whole or in tiles. */
#include "pipeline/latent.h"

#include "base/picture.h"
#include "kernels/loss.h"

#include <math.h>
#include <string.h>

/* ---- Tiles ----
 *
 * A tile is run as if it were a whole picture. Neighbours overlap by a quarter of a tile, and where they do each one's
 * share falls linearly towards its edge, so that no seam shows. One tile as large as the picture is the untiled case,
 * exactly. */

enum { TILE = 64, OVERLAP = 16 }; /* latent pixels a side */

typedef struct lt_tiling {
    lt_module module;
    const char *input, *output;
    int in_unit, out_unit; /* pixels of input and of output for each latent pixel */
    int in_channels, out_channels;
    int h, w; /* of the whole, in latent pixels */
    int tile_h, tile_w;
    bool around_h, around_w; /* tiles go on over the picture's end, at its beginning */
} lt_tiling;

static int tile_count(int size, int tile, bool around) {
    if (around) return (size + TILE - OVERLAP - 1) / (TILE - OVERLAP);
    return size <= tile ? 1 : 1 + (size - tile + TILE - OVERLAP - 1) / (TILE - OVERLAP);
}

/* The last tile ends where the picture does. */
static int tile_start(int i, int size, int tile, bool around) {
    const int start = i * (TILE - OVERLAP);
    return around ? start : (int)lt_min((size_t)start, (size_t)(size - tile));
}

/* Share of a tile's value at place i of n: full inside, falling linearly over the overlap towards an edge that has a
 * neighbour. */
static float share(int i, int n, bool before, bool after, int ramp) {
    float s = 1;
    if (before) s = fminf(s, ((float)i + 0.5f) / (float)ramp);
    if (after) s = fminf(s, ((float)(n - i) - 0.5f) / (float)ramp);
    return s;
}

/* Numbers of a row of a tile. */
static size_t row_of(const lt_tiling *t, int unit, int channels) {
    return (size_t)t->tile_w * (size_t)unit * (size_t)channels;
}

static void write_tile(const lt_tiling *t, const float *whole, int y, int x, lt_port input) {
    const size_t unit = (size_t)t->in_unit, c = (size_t)t->in_channels, row = row_of(t, t->in_unit, t->in_channels);
    const size_t across = (size_t)t->w * unit * c, first = (size_t)x * unit * c, before = lt_min(row, across - first);
    for (size_t r = 0; r < (size_t)t->tile_h * unit; r++) {
        const float *from = whole + ((size_t)y * unit + r) % ((size_t)t->h * unit) * across;
        lt_port_write(input, r * row, from + first, before);
        if (before < row) lt_port_write(input, r * row + before, from, row - before);
    }
}

/* Adds a tile's values times their shares to sum, and the shares to total. row: room for one of the tile's. */
static void add_tile(const lt_tiling *t, lt_port output, int y, int x, float *row, float *sum, float *total) {
    const int unit = t->out_unit, c = t->out_channels, rows = t->tile_h * unit, columns = t->tile_w * unit;
    const size_t each = row_of(t, unit, c);
    for (int r = 0; r < rows; r++) {
        const bool above = y > 0 || t->around_h, below = y + t->tile_h < t->h || t->around_h;
        const float down = share(r, rows, above, below, OVERLAP * unit), *value = row;
        lt_port_read(output, (size_t)r * each, row, each);
        for (int k = 0; k < columns; k++) {
            const bool left = x > 0 || t->around_w, right = x + t->tile_w < t->w || t->around_w;
            const float s = down * share(k, columns, left, right, OVERLAP * unit);
            const int to_y = (y * unit + r) % (t->h * unit), to_x = (x * unit + k) % (t->w * unit);
            const size_t at = (size_t)to_y * (size_t)(t->w * unit) + (size_t)to_x;
            for (int i = 0; i < c; i++) sum[at * (size_t)c + (size_t)i] += s * *value++;
            total[at] += s;
        }
    }
}

/* total: a number for each pixel of out; row: for add_tile. */
static lt_status run_tiles(lt_session *session, const lt_tiling *t, const float *in, float *out, float *total,
                           float *row) {
    const lt_module_size size = {.n = 1, .h = t->tile_h * t->in_unit, .w = t->tile_w * t->in_unit};
    const size_t pixels = (size_t)t->h * (size_t)t->w * (size_t)t->out_unit * (size_t)t->out_unit;
    const size_t c = (size_t)t->out_channels;
    memset(out, 0, pixels * c * sizeof(float));
    memset(total, 0, pixels * sizeof(float));
    lt_plan *plan;
    LT_TRY(lt_module_plan(session, t->module, &size, &plan));
    const lt_port input = lt_plan_port(plan, t->input), output = lt_plan_port(plan, t->output);
    const lt_shape made = {1, t->tile_h * t->out_unit, t->tile_w * t->out_unit, t->out_channels};
    LT_TRY(lt_module_expect(t->module, output, made));
    const int down = tile_count(t->h, t->tile_h, t->around_h), across = tile_count(t->w, t->tile_w, t->around_w);
    for (int i = 0; i < down * across; i++) {
        const int y = tile_start(i / across, t->h, t->tile_h, t->around_h);
        const int x = tile_start(i % across, t->w, t->tile_w, t->around_w);
        write_tile(t, in, y, x, input);
        LT_TRY(lt_module_run(session, plan, LT_RATE_PROMPT));
        add_tile(t, output, y, x, row, out, total);
    }
    for (size_t p = 0; p < pixels; p++)
        for (size_t k = 0; k < c; k++) out[p * c + k] /= total[p];
    return LT_OK;
}

/* Of a tile, of a side. */
static int tile_side(int side, bool tiling) { return tiling && side > TILE ? TILE : side; }

static lt_status run(lt_session *session, lt_tiling *t, bool tiling, const float *in, float *out) {
    t->tile_h = tile_side(t->h, tiling);
    t->tile_w = tile_side(t->w, tiling);
    float *total = lt_alloc((size_t)t->h * (size_t)t->w * (size_t)t->out_unit * (size_t)t->out_unit * sizeof(float));
    float *row = lt_alloc(row_of(t, t->out_unit, t->out_channels) * sizeof(float));
    const lt_seamless wraps = session->wraps;
    t->around_h = t->tile_h < t->h && (wraps & LT_SEAMLESS_Y);
    t->around_w = t->tile_w < t->w && (wraps & LT_SEAMLESS_X);
    /* a tile's sides are one only where they are the picture's */
    session->wraps &=
        (t->around_h ? LT_SEAMLESS_X : LT_SEAMLESS_BOTH) & (t->around_w ? LT_SEAMLESS_Y : LT_SEAMLESS_BOTH);
    const lt_status status = total && row ? run_tiles(session, t, in, out, total, row) : LT_ERROR_MEMORY;
    session->wraps = wraps;
    lt_free(total);
    lt_free(row);
    return status;
}

/* ---- Encoding and decoding ---- */

lt_status lt_latent_encode(lt_session *session, const float *pixels, int h, int w, bool tiling,
                           const float *posterior_noise, float *latent) {
    const lt_components *parts = session->parts;
    const lt_vae *vae = &parts->vae;
    const int c = vae->latent_channels, each = lt_vae_moments(vae);
    if (parts->pixels) {
        memcpy(latent, pixels, (size_t)h * (size_t)w * (size_t)c * sizeof(float));
        return LT_OK;
    }
    LT_TRY(lt_module_needed(parts, LT_MODULE_VAE_ENCODER, ""));
    lt_tiling t = {LT_MODULE_VAE_ENCODER, "x", "moments", vae->factor, 1, 3, each, h / vae->factor,
                   w / vae->factor,       0,   0};
    const size_t count = (size_t)t.h * (size_t)t.w * (size_t)c;
    float *moments = lt_alloc(2 * count * sizeof(float));
    lt_status status = moments ? run(session, &t, tiling, pixels, moments) : LT_ERROR_MEMORY;
    for (size_t i = 0; i < count && !status; i++) {
        const float *mean = moments + i / (size_t)c * (size_t)each + i % (size_t)c;
        const bool drawn = posterior_noise && each > c;
        const float deviation = drawn ? expf(0.5f * lt_clamp_logvar(mean[c])) : 0;
        latent[i] = (drawn ? *mean + deviation * posterior_noise[i] : *mean) * vae->scaling;
    }
    lt_free(moments);
    if (!status && !lt_all_finite(latent, count))
        return lt_fail(LT_ERROR_MODEL, "the latent is no finite number: is the VAE's scaling, %g, right?",
                       (double)vae->scaling);
    return status;
}

lt_status lt_latent_decode(lt_session *session, const float *latent, int h, int w, bool tiling, float *pixels) {
    const lt_components *parts = session->parts;
    const lt_vae *vae = &parts->vae;
    const lt_shape shape = {1, h, w, vae->latent_channels};
    if (!lt_all_finite(latent, lt_shape_count(shape)))
        return lt_fail(LT_ERROR_ARGUMENT, "a latent that holds a NaN or an infinity is no picture's");
    if (parts->pixels) {
        memcpy(pixels, latent, lt_shape_count(shape) * sizeof(float));
        return LT_OK;
    }
    LT_TRY(lt_module_needed(parts, LT_MODULE_VAE_DECODER, ""));
    lt_tiling t = {LT_MODULE_VAE_DECODER, "z", "out", 1, vae->factor, shape.c, 3, h, w, 0, 0};
    float *z = lt_alloc(lt_shape_count(shape) * sizeof(float));
    if (!z) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < lt_shape_count(shape); i++) z[i] = latent[i] / vae->scaling;
    const lt_status status = run(session, &t, tiling, z, pixels);
    lt_free(z);
    return status;
}

lt_status lt_latent_need(const lt_session *session, lt_module module, int h, int w, bool tiling, lt_need *need) {
    const int unit = module == LT_MODULE_VAE_ENCODER ? session->parts->vae.factor : 1;
    const lt_module_size size = {.n = 1, .h = tile_side(h, tiling) * unit, .w = tile_side(w, tiling) * unit};
    return lt_module_need(session, module, &size, 1, need);
}

void lt_pixels_from_bytes(const uint8_t *bytes, float *pixels, size_t count) {
    for (size_t i = 0; i < count; i++) pixels[i] = (float)bytes[i] / 127.5f - 1;
}

void lt_pixels_to_bytes(const float *pixels, uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const float v = (pixels[i] * 0.5f + 0.5f) * 255;
        bytes[i] = v >= 255 ? 255 : v > 0 ? (uint8_t)lrintf(v) : 0; /* NaN becomes 0, though none should come */
    }
}

/* ---- Preview ---- */

/* How much of each of the first channels, one a row, is in red, green and blue. */
typedef struct lt_look {
    int channels;
    float to_rgb[4][3];
} lt_look;

static const lt_look look_of_pixels = {3, {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
static const lt_look look_in_grey = {1, {{0.5f, 0.5f, 0.5f}}};
/* A linear fit of SD 1.x's decoder, as it is known in the field. */
static const lt_look look_of_sd = {4,
                                   {{0.3512f, 0.2297f, 0.3227f},
                                    {0.3250f, 0.4974f, 0.2350f},
                                    {-0.2829f, 0.1762f, 0.2721f},
                                    {-0.2120f, -0.2616f, -0.7177f}}};

/* SD 1.x's latents, and SD 2.x's, which are the same, are told by what they are scaled by; a TAESD doesn't tell. */
static const lt_look *look_of(const lt_components *parts) {
    const lt_vae *vae = &parts->vae;
    const bool is_sd =
        vae->latent_channels == 4 && vae->factor == 8 && (vae->tiny || fabsf(vae->scaling - 0.18215f) < 1e-5f);
    return parts->pixels ? &look_of_pixels : is_sd ? &look_of_sd : &look_in_grey;
}

void lt_latent_look(const lt_components *parts, const float *latent, int h, int w, uint8_t *rgb) {
    const lt_look *look = look_of(parts);
    const size_t pixels = (size_t)h * (size_t)w, c = (size_t)parts->vae.latent_channels;
    for (size_t p = 0; p < pixels; p++) {
        float v[3] = {0};
        for (int i = 0; i < 3; i++)
            for (int k = 0; k < look->channels; k++) v[i] += look->to_rgb[k][i] * latent[p * c + (size_t)k];
        lt_pixels_to_bytes(v, rgb + 3 * p, 3);
    }
}

/* pixels: room for those of preview. Between two previews nothing but the packed weights stays. */
static lt_status decode_preview(lt_session *session, const float *latent, int h, int w, float *pixels,
                                const lt_image *preview) {
    const lt_module_size size = {.n = 1, .h = h, .w = w};
    const size_t count = (size_t)preview->width * (size_t)preview->height * 3;
    lt_plan *plan;
    LT_TRY(lt_module_plan(session, LT_MODULE_TAESD_DECODER, &size, &plan));
    lt_port_write(lt_plan_port(plan, "z"), 0, latent,
                  (size_t)h * (size_t)w * (size_t)session->parts->taesd.latent_channels);
    LT_TRY(lt_module_run(session, plan, LT_RATE_PROMPT));
    lt_port_read(lt_plan_port(plan, "image"), 0, pixels, count);
    for (size_t i = 0; i < count; i++) pixels[i] = 2 * pixels[i] - 1;
    lt_pixels_to_bytes(pixels, preview->pixels, count);
    lt_module_rest(session, LT_MODULE_TAESD_DECODER);
    return LT_OK;
}

lt_status lt_latent_preview(lt_session *session, const float *latent, int h, int w, lt_image *preview) {
    const int unit = session->parts->previews ? LT_TAESD_FACTOR : 1;
    LT_TRY(lt_image_alloc(w * unit, h * unit, preview));
    if (unit == 1) return lt_latent_look(session->parts, latent, h, w, preview->pixels), LT_OK;
    float *pixels = lt_alloc((size_t)preview->width * (size_t)preview->height * 3 * sizeof(float));
    const lt_status status = pixels ? decode_preview(session, latent, h, w, pixels, preview) : LT_ERROR_MEMORY;
    lt_free(pixels);
    if (status) lt_image_free(preview);
    return status;
}
