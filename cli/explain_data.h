/* What a page of `latent explain` shows, as JSON. */
#ifndef LT_CLI_EXPLAIN_DATA_H
#define LT_CLI_EXPLAIN_DATA_H

#include "explain_film.h"
#include "tools/words.h"

/* Allocated. */
lt_status explain_data(const film *f, const lt_request *request, const tool_words *words, const char *model,
                       char **json);

#endif
