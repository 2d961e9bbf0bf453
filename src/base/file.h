/* Files: read as memory (base/map.h), written beside and renamed. */
#ifndef LT_FILE_H
#define LT_FILE_H

#include "base/map.h"
#include "base/part.h"

#include <stdio.h>

/* A file being written: it takes path's place, or that of what a link there leads to, only on commit (base/part.h). */
typedef struct lt_writer {
    FILE *file;
    char *path;
    lt_part part;
} lt_writer;

/* Another writer of path is waited for, but for no longer than a second. */
lt_status lt_writer_open(const char *path, lt_writer *w);
/* The same, waiting as long as poll, which is asked now and then, returns LT_OK. */
lt_status lt_writer_wait(const char *path, lt_status (*poll)(void *user), void *user, lt_writer *w);
lt_status lt_writer_write(lt_writer *w, const void *data, size_t size);
lt_status lt_writer_commit(lt_writer *w); /* flush, sync, rename; on failure the temporary file is gone */
void lt_writer_abort(lt_writer *w);       /* after a commit, or on a zeroed writer, it does nothing */

/* What lt_watch_writing has asked before each piece, where much is read before one is written. */
lt_status lt_writer_ask(void);

/* A whole file at once. */
lt_status lt_file_write(const char *path, const void *data, size_t size);

/* The folder that path is in, allocated, or NULL. */
char *lt_folder_of(const char *path);
/* Where in path its last part begins: "b" of "a/b", "b/" of "a/b/". */
const char *lt_base_name(const char *path);

#endif
