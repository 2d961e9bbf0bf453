/* /healthz and /metrics. */
#ifndef LT_METRICS_H
#define LT_METRICS_H

#include "http.h"

extern const lt_http_api lt_health_api;

#endif
