/* zip archives, as far as PyTorch's checkpoints need them: stored entries, found by name, read in place. */
#ifndef LT_ZIP_H
#define LT_ZIP_H

#include "base/base.h"

typedef struct lt_zip_entry {
    const char *name; /* in the archive's bytes: no NUL follows, none is inside */
    size_t name_size;
    const uint8_t *data;
    size_t size;
} lt_zip_entry;

typedef struct lt_zip {
    lt_zip_entry *entries; /* sorted by name (bytes, then length), names unique */
    size_t count;
} lt_zip;

/* Lists an archive's bytes, which must outlive zip. Every entry has been checked to lie within them and to be neither
 * compressed nor encrypted: PyTorch writes none that is, and so nothing here can grow. Checksums are not computed. */
lt_status lt_zip_read(const uint8_t *data, size_t size, lt_zip *zip);
void lt_zip_free(lt_zip *zip);

const lt_zip_entry *lt_zip_find(const lt_zip *zip, const char *name, size_t name_size); /* NULL if it is not there */

#endif
