/* Synthetic checkpoints: real names, real shapes, made-up but reproducible weights, for tests, benchmarks and the demo.
 *
 * Every value is a pure function of its tensor's name and its index, so that any program makes the same file:
 *     state = FNV-1a-64(name)
 *     x_i   = splitmix64's i-th output (i = 0, 1, ...) from that state
 *     v_i   = 2 * ((x_i >> 40) / 2^24) - 1                  exact, in [-1, 1)
 *     w_i   = base + scale * v_i, in double, rounded once to f32 and then to the file's type
 * and the name and shape alone give base and scale:
 *     *embedding.weight   0, 0.5
 *     *.bias              0, 0.1
 *     other vectors       1, 0.2
 *     other weights       0, sqrt(3 / fan-in), twice that for queries and keys (but in SD 2's and XL's U-Nets)
 *     OpenCLIP's *positional_embedding 0, 0.5; *in_proj_bias 0, 0.1; *in_proj_weight 0, 1.5 sqrt(3 / fan-in)
 *     logit_scale         ln(1 / 0.07), as CLIP starts with; always stored as f32
 * and of models beside a checkpoint
 *     a ControlNet's convolutions that begin as zeros     0, 0.3 sqrt(3 / fan-in)
 *     a T2I-Adapter's second convolutions of a block      0, 0.5 sqrt(3 / fan-in)
 *     a TAESD's matrices  0, 1.1 sqrt(3 / fan-in), of three outputs 0.25 sqrt(3 / fan-in)
 *     an IP-Adapter's latents, an image encoder's class   0, 0.5; its keys as others 0, 2 sqrt(3 / fan-in)
 *     an upscaler's       0, 1.3 sqrt(3 / fan-in), the last one's 0.5 sqrt(3 / fan-in); PReLU's slopes 0.2, 0.1
 * Queries and keys are loud, norms are not 1 and 0, biases are not 0: a graph that skips, swaps or transposes anything
 * misses the recorded outputs. The files equal those of the reference generators, synth.py byte for
 * byte and synth2.py value for value.
 */
#ifndef LT_SYNTHETIC_H
#define LT_SYNTHETIC_H

#include "models/architecture.h"

/* "sd15" (1.07 G parameters), "tiny", "tiny-inpaint", "sd21", "tiny-sd2", "sdxl" (3.5 G), "tiny-xl", "tiny-refiner";
 * NULL for an unknown name. */
const lt_sd_architecture *lt_synthetic_sd_find(const char *name);
/* "vit-b-32", "tiny"; NULL for an unknown name. */
const lt_clip_architecture *lt_synthetic_clip_find(const char *name);

/* "tiny-taesd-encoder", "tiny-taesd-decoder", "tiny-taesd-diffusers", "taesd", "tiny-esrgan-x4", "tiny-esrgan-x4-old",
 * "tiny-esrgan-x2", "tiny-srvgg-x4", "esrgan-x4" (RealESRGAN_x4plus's size), "sd15-control" (361 M parameters),
 * "tiny-control", "tiny-control-diffusers", "tiny-xl-control", "sd15-t2i", "tiny-t2i", "tiny-ip", "tiny-ip-plus",
 * "tiny-xl-ip", "tiny-vit" (their image encoder); NULL for an unknown name. */
const lt_part_architecture *lt_synthetic_part_find(const char *name);

/* A tensor's values start .. start + n - 1 in float32, before any rounding to a file's type, into out [n]. */
void lt_synthetic_values(const char *name, int rank, const size_t *shape, size_t start, size_t n, float *out);

/* Every value of tensor, rounded as a file of that type (f32, f16, bf16) holds it, as float32, into out. */
void lt_synthetic_fill(const lt_tensor *tensor, lt_dtype type, float *out);

/* Writes the checkpoint as one safetensors file of that type. */
lt_status lt_synthetic_sd_write(const lt_sd_architecture *config, const char *path, lt_dtype type);
lt_status lt_synthetic_part_write(const lt_part_architecture *config, const char *path, lt_dtype type);
/* Writes model.safetensors and config.json, as transformers names them, into folder, which is made if it isn't there.
 */
lt_status lt_synthetic_clip_write(const lt_clip_architecture *config, const char *folder, lt_dtype type);

#endif
