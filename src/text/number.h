/* White space and numbers in prompts, as Python reads them. */
#ifndef LT_NUMBER_H
#define LT_NUMBER_H

#include "base/base.h"

/* The first byte of text [at, size) that begins no white space. */
size_t lt_skip_space(const char *text, size_t size, size_t at);
/* Where the white space begins that text [begin, end) ends in, or else end. */
size_t lt_skip_space_before(const char *text, size_t begin, size_t end);

/* Reads digits of any script with at most one dot among them from byte *at on: exact up to 15 digits, as near as
 * doubles get beyond. Not strtod: that follows the locale. */
bool lt_number_read(const char *text, size_t size, size_t *at, double *number);
/* The same with a sign before it or without; and with "e5" or "E-12" behind it or without. */
bool lt_signed_read(const char *text, size_t size, size_t *at, double *number);
bool lt_scientific_read(const char *text, size_t size, size_t *at, double *number);

#endif
