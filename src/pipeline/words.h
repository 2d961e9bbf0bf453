/* Which words of a request's prompts are embeddings. */
#ifndef LT_WORDS_H
#define LT_WORDS_H

#include "pipeline/session.h"

/* Reads into session->embeddings those of the request, and those around the checkpoint or in the session's folder whose
 * names are in its prompts, until lt_words_drop. Of the latter one that can't be used is told, and stays a word. */
lt_status lt_words_read(lt_session *session, const lt_request *request);
void lt_words_drop(lt_session *session);

/* Whether the i-th is in a prompt of request. */
bool lt_words_has(const lt_session *session, const lt_request *request, size_t i);

#endif
