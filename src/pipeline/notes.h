/* What a caller's user should know before a picture is drawn. */
#ifndef LT_NOTES_H
#define LT_NOTES_H

#include "pipeline/canvas.h"

/* Notes a size that is far from the model's own, once for each model, and what the request gives in vain, and
 * the words of the prompt that a small model has never met. */
lt_status lt_notes_give(lt_session *session, const lt_request *request, const lt_canvas *canvas);

#endif
