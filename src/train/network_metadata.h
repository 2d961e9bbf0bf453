/* What a LoRA's or an embedding's file says of itself, in the words of kohya's scripts and of modelspec. */
#ifndef LT_NETWORK_METADATA_H
#define LT_NETWORK_METADATA_H

#include "train/task.h"

lt_status lt_describe_lora(const lt_training *t, lt_settings *settings);
lt_status lt_describe_embedding(const lt_training *t, lt_settings *settings);

#endif
