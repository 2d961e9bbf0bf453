/* What there is on a shelf. */
#ifndef LT_SHELF_LISTING_H
#define LT_SHELF_LISTING_H

#include "base/base.h"

/* lt_shelf_read of latent.h. On failure listing is emptied. */
lt_status lt_shelf_listing_read(const char *folder, const lt_shelf_options *options, lt_shelf_listing *listing);
void lt_shelf_listing_free(lt_shelf_listing *listing);

#endif
