/* A drawing with what is seen of it on the way: the values that `latent explain` shows. */
#ifndef LT_CLI_EXPLAIN_FILM_H
#define LT_CLI_EXPLAIN_FILM_H

#include "progress.h"
#include "tools/tapped.h"

enum { FILM_MOST_FRAMES = 60 };

/* The sum of a layer's maps over the steps, of each head: [heads, tokens, h, w]. */
typedef struct film_heads {
    char *name;
    size_t heads, tokens, h, w, count;
    float *sum;
} film_heads;

typedef struct film {
    lt_session *session;
    lt_tap_places places;
    lt_tap *taps; /* [tap_count] */
    size_t tap_count;
    int frames[FILM_MOST_FRAMES], frame_count; /* the steps that are shown, counted from 1 */
    int activations;                           /* each so many frames activations are kept */
    tool_values values;
    film_heads *heads; /* of each cross-attention */
    size_t heads_count;
    float *sigmas; /* [steps] */
    int steps;
    lt_result result;
    double seconds;
    lt_progress_line line;
    lt_status status; /* the first failure of what a callback does */
} film;

/* Draws request, which is completed here, and keeps what is to be shown of `frames` of its steps, at most (0: so many
 * that a page stays small). film_free is due even after a failure. */
lt_status film_draw(film *f, lt_session *session, lt_request *request, int frames, bool quiet);
void film_free(film *f);

/* The value of that name in a step, of the first branch that is not the negative prompt's, or with negative of that
 * one; of -1 ("x_t") any. NULL: there is none. */
const tool_value *film_find(const film *f, const char *name, int step, bool negative);
/* The heat of the i-th tap of its kind. */
const tool_value *film_heat(const film *f, size_t i);
/* Mean seconds of an activation over the steps in which it was seen. */
double film_seconds(const film *f, const char *name);

#endif
