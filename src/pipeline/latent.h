/* Between pictures and latents, by the VAE, whole or in tiles. Latents are [h, w, channels], as all that is inside, and
 * scaled as the U-Net sees them; of a model that works on pixels they are the pixels. */
#ifndef LT_LATENT_H
#define LT_LATENT_H

#include "pipeline/session.h"

/* pixels [h, w, 3] in [-1, 1], h and w multiples of the factor. latent = (mean + exp(logvar / 2) * posterior_noise) *
 * scaling, without posterior_noise the mean alone; both [h/factor, w/factor, latent_channels]. */
lt_status lt_latent_encode(lt_session *session, const float *pixels, int h, int w, bool tiling,
                           const float *posterior_noise, float *latent);

/* pixels [factor*h, factor*w, 3], about [-1, 1], of latent [h, w, latent_channels]. */
lt_status lt_latent_decode(lt_session *session, const float *latent, int h, int w, bool tiling, float *pixels);

/* What encoder or decoder would take for a latent of h x w. */
lt_status lt_latent_need(const lt_session *session, lt_module module, int h, int w, bool tiling, lt_need *need);

/* Bytes to [-1, 1] and back, rounded and clamped, count values. */
void lt_pixels_from_bytes(const uint8_t *bytes, float *pixels, size_t count);
void lt_pixels_to_bytes(const float *pixels, uint8_t *bytes, size_t count);

/* A quick look at a latent [h, w, latent_channels], preview, which is empty: by the TAESD that the model has for that,
 * or else one pixel for each latent pixel, as lt_latent_look. */
lt_status lt_latent_preview(lt_session *session, const float *latent, int h, int w, lt_image *preview);
/* In colours where it is SD 1.x's or the pixels themselves, else its first channel in grey. rgb [h, w, 3] */
void lt_latent_look(const lt_components *parts, const float *latent, int h, int w, uint8_t *rgb);

#endif
