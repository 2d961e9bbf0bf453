/* Folders, written beside and renamed as base/file.h does it for files. */
#ifndef LT_FOLDER_H
#define LT_FOLDER_H

#include "base/part.h"

struct json_t;

/* A folder being written: its files go into a temporary folder beside path, which takes path's place only on commit. */
typedef struct lt_folder_writer {
    char *path;
    lt_part part;
} lt_folder_writer;

/* LT_ERROR_FILE if anything but an empty folder is at path. */
lt_status lt_folder_open(const char *path, lt_folder_writer *w);
/* Makes a folder within it. */
lt_status lt_folder_add(const lt_folder_writer *w, const char *name);
/* Writes a file in it; name may lead into a folder that was added: "unet/config.json". */
lt_status lt_folder_write(const lt_folder_writer *w, const char *name, const char *text, size_t size);
/* The same from JSON, which is taken over; NULL stands for an allocation that failed. flags: jansson's. */
lt_status lt_folder_write_json(const lt_folder_writer *w, const char *name, struct json_t *json, size_t flags);
lt_status lt_folder_commit(lt_folder_writer *w); /* on failure the temporary folder is gone */
void lt_folder_abort(lt_folder_writer *w);       /* after a commit, or on a zeroed writer, it does nothing */

#endif
