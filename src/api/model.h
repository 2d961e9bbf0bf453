/* An open model of the public interface: the parts, and the files that hold their tensors. */
#ifndef LT_MODEL_H
#define LT_MODEL_H

#include "adapters/control_delta.h"
#include "export/export.h"
#include "formats/source.h"
#include "models/names.h"
#include "pipeline/guidance.h"

#include <stdatomic.h>

struct lt_model {
    atomic_int users; /* the caller who opened it, and sessions */
    lt_components parts;
    lt_tensor_list tensors; /* canonical, views into the sources */
    lt_source main;
    lt_source vae, vae_encoder; /* that replace main's; vae_encoder: of a TAESD in two files */
    lt_source text;             /* whose text encoders replace main's */
    lt_source preview;          /* the TAESD that makes previews */
    size_t ignored;             /* tensors that were not needed */
    struct lt_model *base;      /* whose U-Net a ControlNet is a difference to; NULL: none */
    lt_control_delta delta;     /* that difference */
};

/* The model as src/export writes it; it points into model. */
lt_exported lt_model_exported(const lt_model *model);

/* The roles (models/layout.h) that other files than the model's own play. */
static inline unsigned lt_replaced_roles(const lt_open_options *o) {
    return (o->vae ? LT_ROLES_VAE : 0) | (o->text ? LT_ROLES_TEXT : 0);
}

/* Its parts; NULL of NULL. */
static inline const lt_components *lt_parts_of(const lt_model *model) { return model ? &model->parts : NULL; }
/* The models of image prompts, of which there may be too many or none. */
lt_guides lt_guides_of(const lt_model *image_encoder, const lt_image_prompt *prompts, size_t count);

/* The argument `session` of a public function (base/door.h). */
#define LT_SESSION_ARGUMENT                                                                                            \
    { "session", session, .busy = session ? &session->busy : NULL }

#endif
