/* The page's files, as web/embed.c puts them into the program. */
#ifndef LT_PAGE_FILES_H
#define LT_PAGE_FILES_H

typedef struct lt_page_file {
    const char *name, *etag; /* "make/make.js", "\"0123456789abcdef\"" */
    const char *bytes, *end;
} lt_page_file;
extern const lt_page_file lt_page_files[]; /* ended by a name of NULL */

#endif
