/* What is being written stands beside its place, at PATH.latent.part, until it is whole, and then takes that place.
 *
 * That file or folder is locked as long as its writer lives (flock: the kernel lets go when a process ends, however it
 * does). So the second of two writers of one path is told of the first, wherever that runs: in another thread, in
 * another container, on another machine that shares the disk; and what a killed writer left, whose lock is free, is
 * removed by the next one.
 *
 * A link stays: its place is what it leads to, whether that is there yet or not. */
#ifndef LT_PART_H
#define LT_PART_H

#include "base/base.h"

typedef struct lt_part {
    char *path;     /* of what stands beside; NULL: nothing does */
    char *target;   /* the place that it takes */
    int descriptor; /* open on it, and holds the lock */
} lt_part;

typedef enum lt_part_kind { LT_PART_FILE, LT_PART_FOLDER } lt_part_kind;

/* Makes it, empty. Where another writer of path holds it, that one is waited for as long as poll(user), which is asked
 * now and then, returns LT_OK; poll NULL: for a second. LT_ERROR_FILE if it is still there then. */
lt_status lt_part_open(const char *path, lt_part_kind kind, lt_status (*poll)(void *user), void *user, lt_part *part);
/* Gives it its place; path, as it was opened with, is for messages. On failure it is gone. */
lt_status lt_part_commit(lt_part *part, const char *path);
/* Removes it; a zeroed one, or one that has been committed, is fine. */
void lt_part_abort(lt_part *part);

/* Where a file called path is written, allocated: path, or what the link of that name leads to in the end.
 * LT_ERROR_FILE for links in a circle. */
lt_status lt_link_target(const char *path, char **target);

/* This process no longer counts as the writer of path, this string: lt_remove_unfinished leaves it. */
void lt_begun_end(const char *path);

#endif
