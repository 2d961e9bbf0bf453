/* LDM's average (EMA) of a U-Net's weights, which stands beside them under names of its own. */
#ifndef LT_AVERAGE_H
#define LT_AVERAGE_H

#include "models/layout.h"

/* Is the U-Net there as an average alone? Then out is the same tensors with these under their canonical names. */
bool lt_average_alone(const lt_tensor *tensors, size_t count);
lt_status lt_average_expand(const lt_tensor *tensors, size_t count, lt_tensor_list *out);

/* Puts the averaged tensor's data in the place of view's. name is canonical. */
lt_status lt_average_take(const lt_tensor *tensors, size_t count, const char *name, lt_tensor *view);

/* The name under which LDM keeps the average of a canonical U-Net tensor:
 * model.diffusion_model.out.2.weight -> model_ema.diffusion_modelout2weight. False if name is none or text is too
 * small. */
bool lt_ema_name(const char *name, char *text, size_t size);

#endif
