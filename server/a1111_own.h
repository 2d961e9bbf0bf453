/* What the files of A1111's API share. */
#ifndef LT_A1111_OWN_H
#define LT_A1111_OWN_H

#include "a1111.h"
#include "a1111_request.h"
#include "models.h"
#include "order.h"

/* ---- Who waits (a1111_waiting.c) ---- */

/* A request that is waiting for its jobs: on its handler's stack, listed as long. */
typedef struct lt_a1111_wait {
    const lt_order *order;
    int job;          /* which of its jobs is waited for */
    const char *task; /* "scripts_txt2img" */
    double begun;     /* Unix time */
    bool interrupted; /* no further jobs */
    struct lt_a1111_wait *next;
} lt_a1111_wait;
void lt_a1111_begin(lt_a1111 *a, lt_a1111_wait *wait);
void lt_a1111_end(lt_a1111 *a, lt_a1111_wait *wait);
/* The next of its jobs; false: there is none, or it was interrupted. */
bool lt_a1111_next(lt_a1111 *a, lt_a1111_wait *wait);
/* Ends what the client's first request is at, or all of that request. */
void lt_a1111_stop(lt_a1111 *a, const char *client, bool all);
/* The client's first request; false: it waits for none. task, order's job and others are copies. */
typedef struct lt_a1111_state {
    char id[LT_JOB_ID], task[32];
    int job, jobs;
    double begun;
    bool interrupted;
} lt_a1111_state;
bool lt_a1111_look(lt_a1111 *a, const char *client, lt_a1111_state *state);

/* ---- Options (a1111_options.c) ---- */

/* As GET /sdapi/v1/options has them: the caller's. NULL: no memory. */
json_t *lt_a1111_options(lt_server *server);
/* Takes over what is known of theirs. False: the fault says what is wrong, and nothing is changed. */
bool lt_a1111_set_options(lt_server *server, const json_t *options, lt_a1111_fault *fault);

/* ---- Handlers ---- */

lt_http_handler lt_a1111_txt2img, lt_a1111_img2img;                             /* a1111_draw.c */
lt_http_handler lt_a1111_extra_single, lt_a1111_extra_batch, lt_a1111_png_info; /* a1111_extras.c */
lt_http_handler lt_a1111_get_options, lt_a1111_post_options;                    /* a1111_options.c */
lt_http_handler lt_a1111_progress, lt_a1111_interrupt, lt_a1111_skip;           /* a1111_waiting.c */
lt_http_handler lt_a1111_detect;                                                /* a1111_detect.c */

/* Answers with null, as that API's functions that return nothing do. */
void lt_a1111_answer_nothing(lt_http_request *request);
/* Answers with the fault, in the API's shape. */
void lt_a1111_answer_fault(lt_http_request *request, const lt_a1111_fault *fault);
json_t *lt_a1111_error(int status, const char *message);
lt_a1111 *lt_a1111_of(const lt_http_request *request);
/* Of a picture that is sent; 0: any. */
size_t lt_a1111_most_pixels(const lt_http_request *request);

/* "name.safetensors [0123456789]", as the API calls a model; without a hash where none has been computed. The caller's:
 * free it. */
char *lt_a1111_title(const lt_shelf_item *item);
/* The name of the file, without its folder. */
const char *lt_a1111_file(const lt_shelf_item *item);

#endif
