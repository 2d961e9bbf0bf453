/* What pictures say of how to draw: ControlNets, which make residuals of a hint at each step, for the U-Net's skips and
 * middle, and T2I-Adapters, which make features of one once, for the ends of its levels on the way down. */
#ifndef LT_PIPELINE_CONTROL_H
#define LT_PIPELINE_CONTROL_H

#include "pipeline/branches.h"
#include "pipeline/canvas.h"
#include "pipeline/guidance.h"

/* A plan of a ControlNet for some branches at once. */
typedef struct lt_control_batch {
    lt_plan *plan;
    int count; /* samples */
    lt_hearing hearing;
    lt_port guide;
} lt_control_batch;

/* A control at work. */
typedef struct lt_controller {
    const lt_control *asked;
    const lt_components *parts;
    lt_session session;          /* on parts, with the drawing session's threads */
    float *seen;                 /* what it makes of the hint: a ControlNet's guide [h, w, channels], or all features */
    bool told[LT_MAX_BRANCHES];  /* which branches have it */
    lt_control_batch batches[2]; /* of all those, and of one; an adapter has none */
} lt_controller;

/* What is added for each branch at some places of the U-Net, of all controls together. */
typedef struct lt_control_sums {
    const char *const *ports;           /* the places' names */
    lt_shape shapes[LT_MOST_RESIDUALS]; /* [count], n = 1 */
    int count;                          /* 0: nothing is added there */
    size_t numbers;                     /* of all places of a branch */
    float *values;                      /* [branches, numbers] */
} lt_control_sums;

typedef struct lt_controls {
    lt_session *session; /* that draws */
    const lt_branches *branches;
    lt_controller *items; /* [count] */
    int count, steps, tokens;
    int call;        /* the U-Net's, at hand */
    lt_shape latent; /* n = 1 */
    const lt_canvas *canvas;
    lt_control_sums residuals, features;
    float *work; /* [residuals.numbers] */
} lt_controls;

/* What the request asks for; branches and canvas outlive it. Nothing where it asks for no
 * control. lt_controls_free is due even after a failure. */
lt_status lt_controls_init(lt_controls *c, lt_session *session, const lt_request *request, const lt_guides *guides,
                           const lt_branches *branches, int steps, const lt_canvas *canvas);
void lt_controls_free(lt_controls *c); /* a zeroed one is fine */
/* What its plans would take while a picture is drawn. */
lt_status lt_controls_need(lt_controls *c, lt_need *need);
/* Before each picture: sees the hints, the first time, and makes the plans ready. */
lt_status lt_controls_begin(lt_controls *c);
/* Behind it: gives back what the session's thrift says. */
void lt_controls_rest(lt_controls *c);

/* What the U-Net's graph takes; nothing of NULL. */
lt_additions lt_controls_added(const lt_controls *c);

/* A step of the sampler, and the U-Net's call, by which prompts say what they say. */
typedef struct lt_moment {
    int step, call;
} lt_moment;

/* Makes the sums of branches [first, first + count) for x [h, w, channels] at timestep t. */
lt_status lt_controls_run(lt_controls *c, int first, int count, lt_moment at, const float *x, float t);
/* And writes them to the ports of a U-Net's plan, whose samples these branches are. */
void lt_controls_write(const lt_controls *c, int first, int count, lt_plan *unet);

#endif
