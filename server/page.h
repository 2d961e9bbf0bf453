/* The page: web/, under / and /page/. */
#ifndef LT_PAGE_H
#define LT_PAGE_H

#include "http.h"

extern const lt_http_api lt_page_api;

#endif
