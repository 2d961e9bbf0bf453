/* One module alone: tensors in, tensors out, as the recorded files of the reference implementations have them. */
#ifndef LT_RUN_H
#define LT_RUN_H

#include "api/model.h"

enum { LT_MAX_OUTPUTS = 2 };

typedef struct lt_run_output {
    const char *name; /* static */
    lt_tensor tensor; /* float32, NCHW; its data is allocated */
} lt_run_output;

/* module: one of lt_run_names. in: NCHW tensors under the names that the module takes:
 *   clip-text    ids [n,77]                  -> out, penultimate [n,77,width]
 *   clip-image   pixels [n,3,size,size]      -> image_embeds [n,projection], of length 1
 *   vae-encoder  x [n,3,h,w]                 -> mean, logvar [n,c,h/f,w/f]
 *   vae-decoder  z [n,c,h,w] (unscaled)      -> out [n,3,h*f,w*f]
 *   unet         x [n,c,h,w], t [n], context [n,tokens,dim] -> out [n,c,h,w]
 *   classifier   x [n,c,size,size], t [n]    -> logits [n,classes] */
lt_status lt_run_module(lt_session *session, const char *module, const lt_tensor *in, size_t in_count,
                        lt_run_output out[LT_MAX_OUTPUTS], size_t *out_count);
void lt_run_free(lt_run_output out[LT_MAX_OUTPUTS], size_t count);

const char *const *lt_run_names(void); /* NULL-terminated */

#endif
