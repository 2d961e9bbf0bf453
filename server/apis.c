/* The APIs that are served. */
#include "a1111.h"
#include "http.h"
#include "jobs_api.h"
#include "metrics.h"
#include "openai.h"
#include "page.h"

/* clang-format off */
const lt_http_api *const lt_http_apis[] = {
    &lt_jobs_api,
    &lt_models_api,
    &lt_a1111_api,
    &lt_a1111_control_api,
    &lt_a1111_internal_api,
    &lt_openai_api,
    &lt_words_api,
    &lt_taps_api,
    &lt_parts_api,
    &lt_train_api,
    &lt_logs_api,
    &lt_health_api,
    &lt_page_api,
    NULL,
};
/* clang-format on */
