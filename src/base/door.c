/* What the functions of latent.h have in common. */
#include "base/door.h"

#include "base/fields.h"

#include <string.h>

static lt_status refuse_null(const char *function, const lt_argument *a) {
    return lt_fail(LT_ERROR_ARGUMENT, "%s: %s is NULL: %s", function, a->name,
                   a->size ? "the result needs a place" : "one is needed");
}

static lt_status refuse_bad(const char *function, const lt_argument *a) {
    if (!a->in && !a->out) return refuse_null(function, a);
    return a->path ? lt_path_check(a->name, a->in) : LT_OK;
}

/* Before anybody else does. */
static lt_status take(lt_door *door, const char *function, const lt_argument *a) {
    if (atomic_flag_test_and_set(a->busy))
        return lt_fail(LT_ERROR_ARGUMENT, "%s: %s is in use: it serves one call at a time", function, a->name);
    door->busy = a->busy;
    return LT_OK;
}

static void empty_results(const lt_argument *arguments, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (arguments[i].out) memset(arguments[i].out, 0, arguments[i].size);
}

lt_status lt_enter(lt_door *door, const char *function, const lt_argument *arguments, size_t count) {
    lt_status status = LT_OK;
    lt_message_keep(&door->before);
    door->busy = NULL;
    door->arguments = arguments;
    door->count = count;
    empty_results(arguments, count);
    for (size_t i = 0; i < count && !status; i++) status = refuse_bad(function, &arguments[i]);
    for (size_t i = 0; i < count && !status; i++)
        if (arguments[i].busy) status = take(door, function, &arguments[i]);
    return status;
}

lt_status lt_leave(const lt_door *door, lt_status status) {
    if (door->busy) atomic_flag_clear(door->busy);
    if (status)
        empty_results(door->arguments, door->count);
    else
        lt_message_restore(&door->before);
    return status;
}
