/* A file that is given for what it isn't: what it is, for a message. */
#ifndef LT_STRANGER_H
#define LT_STRANGER_H

#include "formats/formats.h"

/* LT_ERROR_MODEL: "no LoRA: the file is an embedding: 2 vectors, for Stable Diffusion 1", wanted being "no LoRA" and
 * kind what it is to be; or where nothing tells, or it seems to be that, "no LoRA: " and why. */
lt_status lt_stranger_fail(const lt_checkpoint *file, lt_shelf_kind kind, const char *wanted, const char *why);
/* Whether by its tensors' names file is of another kind that is known. */
lt_status lt_stranger_is(const lt_checkpoint *file, lt_shelf_kind kind, bool *is);
/* lt_checkpoint_open of what is to be of that kind: a picture that was given for it is told. */
lt_status lt_stranger_open(const char *path, lt_shelf_kind kind, lt_checkpoint *file);

#endif
