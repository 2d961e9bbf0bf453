/* Teams of threads that share loops out: for every room that computes.
 *
 * A thread enters a team; from then on its loops (lt_parallel) are shared with the team's workers. Who waits sleeps: a
 * worker after some tens of microseconds without work, and so does the caller whose loop's last pieces are still
 * running. No more workers are woken than there are cores, and one that the system doesn't let run is not waited for:
 * pieces go to whoever asks for one, and the caller does them all if nobody else does. The pieces never depend on who
 * is there, so neither do the results.
 *
 * A team serves one caller at a time. Without one, or within a loop's body, loops run in the calling thread alone. */
#ifndef LT_THREADS_H
#define LT_THREADS_H

#include "base/base.h"

#include <limits.h>
#include <pthread.h>

typedef struct lt_team lt_team;

enum { LT_MAX_THREADS = 1024 };

/* A thread of the library's own: signals are the business of the threads that the program made itself, but for the
 * faults that a thread makes. stack: bytes, 0 for the usual. 0, or the reason as pthread_create gives it. */
int lt_thread_start(pthread_t *thread, size_t stack, void *(*body)(void *), void *user);

/* The cores that this process may use: what threads = 0 stands for. */
int lt_core_count(void);

/* A team of so many threads, the caller's own among them, so that 1 starts none; 0: one for each core.
 * LT_ERROR_ARGUMENT over LT_MAX_THREADS, LT_ERROR_UNSUPPORTED where the system doesn't give so many. */
lt_status lt_team_create(int threads, lt_team **team);
void lt_team_free(lt_team *team); /* NULL is fine */
/* From now on each of the team's workers keeps to a core of its own, of those that the calling thread may use, in their
 * order. The first is left to the callers, who run where they like, and workers beyond the cores do, too.
 * LT_ERROR_UNSUPPORTED where the system doesn't let them. */
lt_status lt_team_pin(lt_team *team);
int lt_team_size(const lt_team *team);

/* Shares the calling thread's loops with team (NULL: with nobody) and returns the team before, to be entered again. */
lt_team *lt_team_enter(lt_team *team);

/* The threads that the calling thread's loops are shared by now. */
int lt_thread_count(void);

/* For loops over memory: all of them, or one where so few elements are not worth waking anybody for. */
static inline int lt_threads_worth(size_t elements) { return elements >= 16384 ? INT_MAX : 1; }

/* Index i of a loop, run by thread number `thread` of its team (the caller's is 0). */
typedef void lt_body(const void *context, size_t i, int thread);

/* LT_EVENLY: each of the threads gets about as many indices as the others, all in a row. */
enum { LT_EVENLY = 0 };
#define LT_ALL_THREADS INT_MAX

/* Calls body for every i below count, by at most `threads` threads, whose numbers are below that; whoever is free takes
 * the next `piece` indices. Returns when all are done. */
void lt_parallel(int threads, size_t count, size_t piece, lt_body *body, const void *context);

/* From now on the caller asks stop between pieces, at most every few milliseconds; once it says true, what is left of
 * the loop, and every loop after it, is skipped, until the next watch is set. stop NULL: nobody is asked. */
void lt_team_watch(lt_team *team, bool (*stop)(void *user), void *user);

#endif
