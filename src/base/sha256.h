/* SHA-256 (FIPS 180-4): the name that the web UIs give to a file's content. */
#ifndef LT_SHA256_H
#define LT_SHA256_H

#include "base/base.h"

enum { LT_SHA256_TEXT = 65 }; /* 64 digits and a NUL */

/* Of size bytes, in hexadecimal digits. */
void lt_sha256(const void *bytes, size_t size, char text[LT_SHA256_TEXT]);

#endif
