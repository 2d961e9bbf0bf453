/* The tokenizer that the text fuzz targets share. */
#ifndef LT_FUZZ_TEXT_H
#define LT_FUZZ_TEXT_H

#include "base/file.h"
#include "text/text.h"

#include <stdlib.h>

static inline lt_tokenizer *open_tokenizer(void) {
    lt_map merges;
    lt_tokenizer *tokenizer;
    if (lt_map_open(LT_DATA_DIR "/clip-merges.txt", &merges) != LT_OK) abort();
    if (lt_tokenizer_create((const char *)merges.data, merges.size, &tokenizer) != LT_OK) abort();
    lt_map_close(&merges);
    return tokenizer;
}

#endif
