/* OpenAI's images API: /v1/images and /v1/models. */
#ifndef LT_OPENAI_H
#define LT_OPENAI_H

#include "http.h"

extern const lt_http_api lt_openai_api;

#endif
