/* Models by name: in which folder they are. */
#ifndef LT_CLI_MODELS_H
#define LT_CLI_MODELS_H

#include "cli.h"

/* The folder that --models names, or else the one for models of this user, $XDG_DATA_HOME/latent/models; NULL: there is
 * none. Valid until the program ends. */
const char *lt_models_folder(const char *asked);

/* LT_ERROR_FILE where asked, which --models names, is no folder that can be read; NULL is fine. */
lt_status lt_models_check(const char *asked);

/* The folder for what a server of this user keeps, $XDG_STATE_HOME/latent; NULL: there is no home. Likewise. */
const char *lt_state_folder(void);

/* And for what can be computed again, $XDG_CACHE_HOME/latent. */
const char *lt_cache_folder(void);

/* The path of a file that was given by path or name. It stays until the program ends; NULL stays NULL. LT_ERROR_FILE
 * where it is nowhere. */
lt_status lt_models_path(const char *folder, lt_shelf_kind kind, const char *name, const char **path);

#endif
