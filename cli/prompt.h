/* Prompts that stand elsewhere than on the command line. */
#ifndef LT_CLI_PROMPT_H
#define LT_CLI_PROMPT_H

#include "cli.h"

/* What an option's word stands for, allocated: "-" is what standard input has, "@FILE" what the file has, both without
 * the line ends behind it; "@@cat" is "@cat"; all else is itself. */
lt_status lt_prompt_read(const char *option, const char *word, char **text);

#endif
