/* A job is drawn: its models opened, its pictures made and encoded. */
#ifndef LT_DRAW_H
#define LT_DRAW_H

#include "models.h"
#include "request.h"

/* A finished picture, while the call of lt_draw_watch.picture lasts. */
typedef struct lt_drawn_picture {
    int number;         /* from 0 */
    const char *format; /* "png", "jpg", "webp" */
    const void *bytes;
    size_t size;
    uint64_t seed;
    int width, height;
    const char *parameters; /* NULL: none */
} lt_drawn_picture;

/* Who looks into the drawing, from the thread that draws, with the watch's user. */
typedef struct lt_draw_look {
    lt_status (*begin)(void *user, lt_session *session, lt_request *request); /* sets taps and noise */
    bool (*tapped)(void *user, const lt_tapped *value);                       /* false ends it */
    /* When all is drawn, in place of lt_draw_watch.picture. */
    lt_status (*drawn)(void *user, lt_session *session, const lt_result *result);
} lt_draw_look;

/* Who watches; all are called from the thread that draws. */
typedef struct lt_draw_watch {
    bool (*cancelled)(void *user);
    void (*progress)(void *user, const lt_progress *progress);
    bool (*enough)(void *user); /* what is drawn so far is to be the last picture */
    lt_status (*picture)(void *user, const lt_drawn_picture *picture); /* another status than LT_OK ends the job */
    lt_notice_fn notice;
    void *user;
    const lt_draw_look *look; /* NULL: nobody */
} lt_draw_watch;

/* The limits of a server. */
lt_job_limits lt_draw_limits(const lt_server_options *options);
/* Whether all that the job names is on the shelf: LT_ERROR_FILE says what isn't. */
lt_status lt_draw_check(lt_models *models, const lt_job_request *request);
lt_status lt_draw(const lt_server_options *options, lt_models *models, const json_t *job, const lt_draw_watch *watch);

#endif
