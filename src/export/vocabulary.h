/* The files that transformers' CLIPTokenizer reads, made from the merge list that is part of the program. */
#ifndef LT_VOCABULARY_H
#define LT_VOCABULARY_H

#include "formats/folder.h"

/* Adds the folder "tokenizer" with vocab.json, merges.txt, tokenizer_config.json and special_tokens_map.json. */
lt_status lt_vocabulary_write(const lt_folder_writer *folder);

#endif
