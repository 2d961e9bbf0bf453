/* What the files of OpenAI's API share. */
#ifndef LT_OPENAI_OWN_H
#define LT_OPENAI_OWN_H

#include "openai.h"
#include "openai_request.h"
#include "order.h"

/* ---- Errors: {"error": {message, type, param, code}} (openai.c) ---- */

json_t *lt_openai_error(int status, const char *message);
/* The same with what the fault says besides. */
json_t *lt_openai_fault_json(const lt_openai_fault *fault);
void lt_openai_answer_fault(lt_http_request *request, const lt_openai_fault *fault);

/* ---- Answers (openai_answer.c) ---- */

/* result: pictures of the job of that id. NULL: no memory. */
json_t *lt_openai_response(const lt_openai_drawing *drawing, const char *id, const lt_job_result *result,
                           const char *base);
/* An event of a stream: a preview (index 0 and up), or picture (index -1) of bytes [size]. name: its type, static. */
json_t *lt_openai_event(const lt_openai_drawing *drawing, int index, const char *size_text, const void *bytes,
                        size_t size, const char **name);
/* "512x512" */
void lt_openai_size(const lt_job_picture *picture, char text[32]);
/* The type of a picture's file: "image/png". */
const char *lt_openai_type(const void *bytes, size_t size);

/* Answers with events; takes drawing and order. (openai_stream.c) */
void lt_openai_stream(lt_http_request *request, lt_openai_drawing *drawing, lt_order *order);

/* ---- Handlers (openai_draw.c) ---- */

lt_http_handler lt_openai_generate, lt_openai_edit, lt_openai_vary, lt_openai_file;

#endif
