/* Pictures as files of the store: written beside and renamed, so that a name stands for a whole picture. */
#ifndef LT_PICTURE_FILE_H
#define LT_PICTURE_FILE_H

#include "latent.h"

/* The folder of pictures within the store's; what a killed server had begun to write in it is removed. */
lt_status lt_picture_folder_make(const char *store);
/* name: within the store's folder, the caller's. When this returns, file and name are on the disk. */
lt_status lt_picture_file_write(const char *store, const char *job, int number, const char *ending, const void *bytes,
                                size_t size, char **name);
/* All of a file: the caller's, free it; NULL with a message: it can't be read. */
void *lt_picture_file_read(const char *path, size_t *size);

#endif
