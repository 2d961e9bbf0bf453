/* CLIP's merge list, which is part of the program: data/clip-merges.txt. */
#ifndef LT_MERGES_H
#define LT_MERGES_H

extern const char lt_clip_merges[], lt_clip_merges_end[];

#endif
