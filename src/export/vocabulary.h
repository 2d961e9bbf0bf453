/* The files that transformers' CLIPTokenizer reads, made from the merge list that is part of the program. */
#ifndef LT_VOCABULARY_H
#define LT_VOCABULARY_H

#include "formats/folder.h"

/* Adds the folder name with vocab.json, merges.txt, tokenizer_config.json and special_tokens_map.json. pad: the token
 * that fills a context, the end or 0. */
lt_status lt_vocabulary_write(const lt_folder_writer *folder, const char *name, int32_t pad);

#endif
