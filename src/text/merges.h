/* CLIP's merge list, which is part of the program: data/clip-merges.txt. */
#ifndef LT_MERGES_H
#define LT_MERGES_H

#include "text/text.h"

extern const char lt_clip_merges[], lt_clip_merges_end[];

/* The tokenizer of that list. */
lt_status lt_tokenizer_of_clip(lt_tokenizer **tokenizer);

#endif
