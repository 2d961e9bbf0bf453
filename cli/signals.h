/* Stops: the signals that end a run cleanly. The library changes none of these: its one handler is for
 * SIGBUS (base/map.h). */
#ifndef LT_CLI_SIGNALS_H
#define LT_CLI_SIGNALS_H

#include "cli.h"

/* From now on SIGINT, SIGTERM and SIGHUP make lt_stop_asked true; a second one of any kind ends the program
 * at once, and what it was writing goes. */
void lt_stop_on_signals(void);
/* The same where nothing is left to do but to write a file: it is given up, and leaves nothing behind. */
void lt_stop_writing_on_signals(void);
/* Around making an empty file that keeps a name until something is in it: no signal comes between, and the one that
 * ends the program removes the file at path, this string, until the end of the claim. */
void lt_claim_hold(void);
void lt_claim_release(const char *path);
void lt_claim_end(void);
/* For lt_request.cancelled. */
bool lt_stop_asked(void *user);
/* What a shell calls it: 130 of a run that failed because of Ctrl-C, 143 of SIGTERM; any other status is itself. */
int lt_stop_status(int status);

#endif
