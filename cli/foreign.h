/* Options that other programs have and no command here: what is said to those who type them. */
#ifndef LT_FOREIGN_H
#define LT_FOREIGN_H

#include <stdbool.h>

typedef struct lt_foreign {
    const char *names;  /* with spaces between; one letter is for -x; with '=' behind it takes a value */
    const char *advice; /* what to do here instead */
    bool idle;          /* no picture depends on it: taken, with a note */
} lt_foreign;

extern const lt_foreign lt_foreign_options[]; /* ended by an entry with names NULL */

#endif
