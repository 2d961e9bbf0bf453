/* The values of options: what they may be, what they are without a word, and how they are read. */
#ifndef LT_CLI_VALUES_H
#define LT_CLI_VALUES_H

#include "cli.h"

/* Sets an option's value as text says: an exit status, after a message. */
int lt_option_take(const lt_option *option, const char *text);
/* The same from its variable in the environment, if that is there and not empty. */
int lt_option_take_environment(const lt_option *option);

#endif
