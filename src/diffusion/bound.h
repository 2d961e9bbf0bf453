/* The variational bound of a diffusion model (Ho et al. 2020, eq. 5), term by term, in nats:
 *
 *     -log p(x_0)  <=  L_T + sum over t of L_{t-1} + L_0
 *
 *     L_T      KL(q(x_T | x_0) || N(0, I))
 *     L_{t-1}  KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)), both of them Gaussians
 *     L_0      -log p(x_0 | x_1)
 *
 * The paper counts t from 1 to T, code from 0 to LT_TRAIN_STEPS - 1: its x_1 is code's t = 0, its x_0 has no t.
 *
 * Ho et al. draw pixels, which are whole numbers, and integrate L_0 over each one's bin; latents are real numbers, so
 * here L_0 is the density of a Gaussian of variance beta_1 about the estimate of x_0. A density depends on the scale of
 * what it is a density of: these nats compare models over the latents of one VAE, and say nothing next to bits per
 * pixel, nor between two VAEs. They can be negative. */
#ifndef LT_BOUND_H
#define LT_BOUND_H

#include "diffusion/diffusion.h"

/* The estimate of x_0 that a prediction of eps or v (as the schedule says) for x_t means; all [n], out may be either.
 */
void lt_bound_estimate(const lt_noise_schedule *s, int t, const float *x, const float *prediction, float *out,
                       size_t n);

/* L_T of x0 [n]. */
double lt_bound_prior(const lt_noise_schedule *s, const float *x0, size_t n);
/* L_{t-1} for 1 <= t < LT_TRAIN_STEPS, the network's estimate of x0 from x_t being given; both [n]. */
double lt_bound_step(const lt_noise_schedule *s, int t, lt_variance variance, const float *x0, const float *estimate,
                     size_t n);
/* L_0, the estimate being made from x at t = 0; both [n]. */
double lt_bound_end(const lt_noise_schedule *s, const float *x0, const float *estimate, size_t n);

/* The timestep in 1 .. LT_TRAIN_STEPS - 1 that a number u in [0, 1) stands for, and what to multiply its L_{t-1} with:
 * over uniform u the products' mean is the sum of all L_{t-1}. Timesteps come in proportion to the L_{t-1} of a network
 * whose error in eps is the same everywhere: the sum is dominated by its first few terms, and uniform timesteps would
 * hardly meet them (importance sampling: Nichol & Dhariwal 2021, section 3.3). */
int lt_bound_timestep(const lt_noise_schedule *s, double u, double *weight);

#endif
