/* The second pass of a picture, as the web UIs' hires fix: what was drawn is enlarged, and drawn on from there. */
#ifndef LT_HIRES_H
#define LT_HIRES_H

#include "formats/source.h"
#include "pipeline/canvas.h"

/* To how many pixels a picture is enlarged; where both sides were asked for it covers them, and what is over, in
 * latents, is cut away evenly. */
typedef struct lt_hires_size {
    int width, height, cut_x, cut_y;
} lt_hires_size;

/* As A1111's calculate_target_resolution: scale, or sides that are not 0 in its place. factor: pixels of a latent. */
lt_hires_size lt_hires_size_of(int width, int height, double scale, int to_width, int to_height, int factor);

/* How latents are resampled: torch.nn.functional.interpolate's modes, by the web UIs' names. */
typedef enum lt_latent_mode {
    LT_LATENT_BILINEAR,
    LT_LATENT_BILINEAR_ANTIALIASED,
    LT_LATENT_BICUBIC,
    LT_LATENT_BICUBIC_ANTIALIASED,
    LT_LATENT_NEAREST,
    LT_LATENT_NEAREST_EXACT,
    LT_LATENT_MODES
} lt_latent_mode;

/* from [h, w, c] -> to [to_h, to_w, c] */
lt_status lt_latent_resample(lt_latent_mode mode, const float *from, int h, int w, int c, float *to, int to_h,
                             int to_w);

/* What request->hires_upscaler is: a mode's number, or LT_LATENT_MODES where it is one of pixels. */
lt_latent_mode lt_hires_mode(const char *upscaler);
/* Its name in parameters texts: "Latent (bicubic)", or the file's; allocated. And what such a name is here: static, or
 * the name itself. */
char *lt_hires_label(const char *upscaler);
const char *lt_hires_by_label(const char *label);

bool lt_hires_asked(const lt_request *request);
/* Whether it is a way of ours, or a file that is found. */
bool lt_hires_is_here(const lt_session *session, const char *upscaler);

/* What one call of drawing enlarges by. Zeroed: there is no second pass. */
typedef struct lt_hires {
    bool asked;
    lt_hires_size size;
    int latent_w, latent_h; /* of the second pass */
    lt_latent_mode mode;    /* LT_LATENT_MODES: by pixels, of a network if there is a source, else by Lanczos' filter */
    lt_source source;
    lt_tensor_list tensors;
    lt_components network; /* the upscaler alone */
} lt_hires;

/* first: of the first pass. LT_ERROR_ARGUMENT: it doesn't go with what else is asked for. */
lt_status lt_hires_prepare(lt_hires *hires, const lt_session *session, const lt_request *request,
                           const lt_canvas *first);
void lt_hires_free(lt_hires *hires);

/* The first pass's latent [canvas] enlarged: out [latent_h, latent_w, latent_channels]. */
lt_status lt_hires_enlarge(const lt_hires *hires, lt_session *session, const float *latent, const lt_canvas *first,
                           bool tiling, float *out);

#endif
