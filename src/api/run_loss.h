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

/* Their names, which are modules' for lt_run. */
#define LT_UNET_LOSS "unet-loss"
#define LT_VAE_LOSS  "vae-loss"
#define LT_CLIP_LOSS "clip-loss"
#define LT_LOSSES    LT_UNET_LOSS, LT_VAE_LOSS, LT_CLIP_LOSS
bool lt_is_loss(const char *name);
/* lt_run of a loss. */
lt_status lt_run_loss(lt_session *session, const char *loss, const lt_tensor *in, size_t in_count, lt_arrays *out);

/* The same in parts, for more than one run. in is read now; the session outlives the run. */
lt_status lt_loss_open(lt_session *session, const char *loss, const lt_tensor *in, size_t in_count, lt_loss_run *run);
lt_status lt_loss_run_once(lt_loss_run *run, float *value);
void lt_loss_close(lt_loss_run *run); /* a zeroed one is fine */

#endif
