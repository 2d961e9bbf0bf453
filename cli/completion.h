/* Scripts that complete commands and options, one file a shell; all of them made from the tables. */
#ifndef LT_CLI_COMPLETION_H
#define LT_CLI_COMPLETION_H

#include "cli.h"

void lt_completion_bash(void);
void lt_completion_zsh(void);
void lt_completion_fish(void);

/* Whether an option's value begins with a file's name. */
bool lt_completion_is_file(const lt_option *option);
/* Words with spaces between; NULL: none. */
void lt_completion_list(const char *const *words);
/* text within single quotation marks; every one of special, and a quotation mark, as the shell wants it there. */
void lt_completion_quote(const char *text, const char *special, const char *escape, const char *quote);

#endif
