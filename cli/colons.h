/* Words of several parts with colons between them, where a file's name may hold colons, too. */
#ifndef LT_CLI_COLONS_H
#define LT_CLI_COLONS_H

#include "cli.h"

/* As strtod, but of decimal digits alone: of "0x10", "inf" and "nan" *end is text, as of what is no number. */
double lt_decimal(const char *text, char **end);
/* Cuts numbers off the end of text, ":0.8:0:0.5": how many of at most `most`, the last one first. */
int lt_numbers_take(char *text, int most, double *numbers);
/* Whether what stands behind text's last colon can't be (the end of) a file's name, and so was meant as a number: it
 * has no ending, no folder, and there is no such file. That text; NULL: it can be. */
const char *lt_number_meant(const char *text);

/* The colon of text between two files: the first one with files on both sides; or one with a file behind it, for what
 * is before may be a name on the shelf; or the last. NULL: there is none with something on both sides. */
char *lt_colon_between(char *text);
/* The colon behind the file that text begins with: the first one with a file before it, or else the first. NULL: there
 * is none with something before it. */
const char *lt_colon_behind(const char *text);

#endif
