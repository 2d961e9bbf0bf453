/* What the modules of a session make, shown as they run (lt_session_watch). */
#ifndef LT_WATCH_H
#define LT_WATCH_H

#include "pipeline/session.h"

/* "first_stage_model.decoder.conv_in", a graph's place, is "vae.decoder.conv_in" to the outside. */
lt_name lt_watch_name(const char *place);

/* An lt_look_fn; user is an lt_watching. */
lt_status lt_watch_look(void *user, const lt_sight *sight);

#endif
