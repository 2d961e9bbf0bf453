/* tokenize: the numbers that CLIP reads a text as. */
#include "cli.h"

#include <stdio.h>

static const lt_option options[] = {{0}};

static lt_status print_tokens(const lt_tokenizer *tokenizer, const char *text) {
    lt_tokens tokens;
    LT_TRY(lt_tokenize_by(tokenizer, text, &tokens));
    printf("[%d", LT_TOKEN_START);
    for (size_t i = 0; i < tokens.count; i++) printf(", %d", tokens.ids[i]);
    printf(", %d]\n", LT_TOKEN_END);
    lt_tokens_free(&tokens);
    return LT_OK;
}

static int run(int count, char **words) {
    if (count < 1) return lt_complain(LT_EXIT_USAGE, "which text? see `latent tokenize --help`");
    lt_tokenizer *tokenizer;
    lt_status status = lt_tokenizer_open(&tokenizer);
    for (int i = 0; i < count && !status; i++) status = print_tokens(tokenizer, words[i]);
    lt_tokenizer_close(tokenizer);
    return status ? lt_complain_error() : LT_EXIT_OK;
}

const lt_command lt_command_tokenize = {
    "tokenize",
    "show the tokens of a text",
    "TEXT...",
    "One JSON array for each text, start and end included; prompt syntax has no meaning here.",
    "  latent tokenize \"a photo of a cat\" \"a photo of a dog\"\n",
    options,
    run,
};
