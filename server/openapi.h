/* The description of Latent's own API, openapi.json, within the program. */
#ifndef LT_OPENAPI_H
#define LT_OPENAPI_H

#include <stddef.h>

extern const char lt_openapi[]; /* [lt_openapi_size()], and a NUL */
size_t lt_openapi_size(void);

#endif
