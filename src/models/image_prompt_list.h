/* Names and shapes of an IP-Adapter's tensors, and of an image encoder alone, as their files have them. */
#ifndef LT_IMAGE_PROMPT_LIST_H
#define LT_IMAGE_PROMPT_LIST_H

#include "models/clip.h"
#include "models/ip_adapter.h"
#include "models/tensor_list.h"

/* What an lt_ip_adapter doesn't say. */
typedef struct lt_ip_adapter_shape {
    const lt_unet *unet; /* whose attentions have keys and values */
    int width;           /* Plus: channels of the resampler's tokens, which has heads of 64, at least two */
} lt_ip_adapter_shape;

lt_status lt_ip_adapter_list(const lt_ip_adapter *adapter, const lt_ip_adapter_shape *shape, lt_tensor_list *list);
/* In transformers' names (CLIPVisionModelWithProjection). */
lt_status lt_clip_image_list(const lt_clip_image *image, lt_tensor_list *list);

#endif
