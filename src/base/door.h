/* The door of latent.h: what each of its functions that can fail does first and last, so that a caller's mistakes end
 * there with a message, and no message of an inner probe leaves.
 *
 *     const lt_argument arguments[] = {{"path", path}, {"image", .out = image, .size = sizeof *image}};
 *     lt_door door;
 *     lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
 *     if (!status) status = load(path, image);
 *     return lt_leave(&door, status);
 */
#ifndef LT_DOOR_H
#define LT_DOOR_H

#include "base/base.h"

#include <stdatomic.h>

/* A pointer that may not be NULL: to what is read (in), or to a result (out) of so many bytes. */
typedef struct lt_argument {
    const char *name;
    const void *in;
    void *out;
    size_t size;
    bool path;         /* in is a file's or a folder's name, so it isn't empty */
    atomic_flag *busy; /* of what serves one call at a time: set meanwhile; NULL: it serves any number */
} lt_argument;

typedef struct lt_door {
    lt_message before;            /* the calling thread's, of an earlier failure */
    atomic_flag *busy;            /* that this call has set */
    const lt_argument *arguments; /* [count] */
    size_t count;
} lt_door;

/* The argument of that name which is a path. */
#define LT_PATH_ARGUMENT(path_)                                                                                        \
    { #path_, path_, .path = true }

/* Empties the results, refuses a NULL and what another call uses. lt_leave must follow, whatever this returns, while
 * arguments are still there. */
lt_status lt_enter(lt_door *door, const char *function, const lt_argument *arguments, size_t count);
/* Returns status. Where it is LT_OK the thread's message is again what it was at lt_enter; else the results are empty
 * again, of which what was allocated is the callee's to free. */
lt_status lt_leave(const lt_door *door, lt_status status);

#endif
