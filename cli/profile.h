/* --profile: which operations a command's sessions ran, and what they took. */
#ifndef LT_CLI_PROFILE_H
#define LT_CLI_PROFILE_H

#include "tools/tools.h"

/* Hears from now on what session runs, beside others that were handed over. events: whether each run is kept, for
 * lt_profile_write. */
lt_status lt_profile_listen(lt_session *session, bool events);

/* Prints a table by kind of operation on standard error, beside the limit, which is measured in session. Nothing where
 * nothing ran. */
lt_status lt_profile_print(lt_session *session);

/* Writes what was heard as trace events (https://ui.perfetto.dev, chrome://tracing): one row, of the thread that runs
 * the graph. */
lt_status lt_profile_write(const char *path);

/* Frees what was heard. */
void lt_profile_forget(void);

#endif
