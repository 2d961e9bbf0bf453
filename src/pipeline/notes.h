/* What a caller's user should know before a picture is drawn. */
#ifndef LT_NOTES_H
#define LT_NOTES_H

#include "diffusion/diffusion.h"
#include "pipeline/canvas.h"

/* Notes a size that is far from the model's own, once for each model, and what the request gives in vain, and
 * the words of the prompt that a small model has never met. */
lt_status lt_notes_give(lt_session *session, const lt_request *request, const lt_canvas *canvas);

/* Notes what is there for a part of the way in which no step lies, of a request that was found possible. second: the
 * steps of the second pass; NULL: there is none. */
void lt_notes_of_steps(const lt_session *session, const lt_request *request, const lt_steps *first,
                       const lt_steps *second);

#endif
