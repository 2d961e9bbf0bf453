/* Latent's own API, below /latent/v1: docs/server.md, and openapi.json beside this. */
#ifndef LT_JOBS_API_H
#define LT_JOBS_API_H

#include "http.h"
#include "queue.h"

extern const lt_http_api lt_jobs_api;   /* jobs_api.c */
extern const lt_http_api lt_models_api; /* models_api.c */
extern const lt_http_api lt_words_api;  /* words_api.c */
extern const lt_http_api lt_taps_api;   /* taps_api.c */
extern const lt_http_api lt_parts_api;  /* parts_api.c */
extern const lt_http_api lt_train_api;  /* train_api.c */
extern const lt_http_api lt_logs_api;   /* logs_api.c */

/* A text; null where it is NULL, or no UTF-8, which JSON can't hold. */
json_t *lt_text_json(const char *text);
/* {id, state, place, step, ...} */
json_t *lt_job_json(const lt_job_snapshot *job);

#endif
