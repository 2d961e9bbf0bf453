/* What a LoRA's file tells a person. */
#ifndef LT_LORA_INFO_H
#define LT_LORA_INFO_H

#include "formats/formats.h"

/* Fills info, which owns its texts from then on, from the file's names, shapes and metadata; info->kinds is NULL where
 * it is no LoRA. */
lt_status lt_lora_info_read(const lt_checkpoint *file, lt_lora_info *info);
void lt_lora_info_free(lt_lora_info *info);

#endif
