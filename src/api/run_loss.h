/* The loss of a model on given tensors, and the gradient of each of its parameters: for comparison with other programs.
 */
#ifndef LT_RUN_LOSS_H
#define LT_RUN_LOSS_H

#include "api/model.h"
#include "train/parameters.h"

typedef struct lt_loss_run {
    lt_session *session;
    const struct lt_loss_kind *kind;
    const lt_tensor *in;
    size_t in_count;
    lt_parameters parameters; /* what the loss depends on; the gradients of all runs add up */
    lt_graph graph;
    lt_plan *plan;
} lt_loss_run;

/* loss: one of lt_loss_names. in: NCHW tensors, which are read now:
 *   unet-loss  x0, noise [n,c,h,w], t [n], context [n,tokens,dim]: mean squared error of the predicted noise
 *   vae-loss   x [n,3,h,w], posterior_noise [n,c,h/f,w/f]: mean squared error + 1e-6 KL
 *   clip-loss  ids [n,77], pixels [n,3,size,size]: symmetric contrastive loss
 * The session outlives the run. */
lt_status lt_loss_open(lt_session *session, const char *loss, const lt_tensor *in, size_t in_count, lt_loss_run *run);
lt_status lt_loss_run_once(lt_loss_run *run, float *value);
void lt_loss_close(lt_loss_run *run); /* a zeroed one is fine */

const char *const *lt_loss_names(void); /* NULL-terminated */

#endif
