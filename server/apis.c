/* The APIs that are served. */
#include "http.h"
#include "jobs_api.h"
#include "metrics.h"

/* clang-format off */
const lt_http_api *const lt_http_apis[] = {
    &lt_jobs_api,
    &lt_models_api,
    &lt_health_api,
    NULL,
};
/* clang-format on */
