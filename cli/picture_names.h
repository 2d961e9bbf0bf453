/* Where pictures go: the names that -o asks for, those that pictures give themselves, and standard output. */
#ifndef LT_CLI_PICTURE_NAMES_H
#define LT_CLI_PICTURE_NAMES_H

#include "cli.h"

extern const char *const lt_picture_formats[]; /* for --format */

typedef struct lt_picture_names {
    const char *output; /* -o: a name, a pattern ("img-%03d.png"), a folder, "-"; NULL: the current folder */
    const char *format; /* of pictures that name themselves or go to standard output; NULL: png */
    const char *prompt; /* for names of their own; NULL: without */
    int count;          /* pictures in all */
} lt_picture_names;

/* Nobody should wait for an hour to learn that a picture has no place to go. */
int lt_picture_names_check(const lt_picture_names *names);
/* Whether pictures, and nothing else, go to standard output. */
bool lt_picture_names_standard(const lt_picture_names *names);
/* Writes picture i of a result. *path, allocated: where it is. A name of its own, of prompt and seed, is
 * never one that is there already. */
lt_status lt_picture_names_save(const lt_picture_names *names, int i, const lt_result *result, char **path);

/* "out.png" for one picture, "out-3.png" for the third of several; "out-%02d.png" is "out-03.png". Allocated. */
char *lt_numbered_name(const char *path, int i, int count);

#endif
