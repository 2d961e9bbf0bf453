/* A prompt's tokens, and where each stands in what the U-Net reads. */
#ifndef LT_CLI_EXPLAIN_WORDS_H
#define LT_CLI_EXPLAIN_WORDS_H

#include "cli.h"

enum { WORDS_MOST = 75 };

typedef struct explain_word {
    char *text; /* what of the prompt the token is */
    int32_t id;
    int place; /* among the 77, of which the first is the start */
    double weight;
} explain_word;

typedef struct explain_words {
    explain_word items[WORDS_MOST];
    size_t count;
} explain_words;

/* LT_ERROR_ARGUMENT: the prompt is more than one text of 75 tokens. words_free is due even after a failure. */
lt_status words_read(const lt_request *request, explain_words *words);
void words_free(explain_words *words);

#endif
