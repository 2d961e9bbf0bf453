/* A file that is given for what it isn't: what it is, for a message. */
#ifndef LT_STRANGER_H
#define LT_STRANGER_H

#include "formats/formats.h"

/* LT_ERROR_MODEL: "no LoRA: the file is an embedding: 2 vectors, for Stable Diffusion 1", wanted being "no LoRA" and
 * kind what it is to be; or where nothing tells, or it seems to be that, "no LoRA: " and why. */
lt_status lt_stranger_fail(const lt_checkpoint *file, lt_shelf_kind kind, const char *wanted, const char *why);

#endif
