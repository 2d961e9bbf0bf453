/* inspect: what its files share. */
#ifndef LT_CLI_INSPECT_H
#define LT_CLI_INSPECT_H

#include "cli.h"

/* The report of path as one JSON object, with every tensor if asked; an exit status. */
int lt_inspect_json(const char *path, const lt_report *r, bool tensors);

#endif
