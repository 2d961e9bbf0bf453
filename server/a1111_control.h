/* The web UI's ControlNet extension, as far as it is a part of a request: its units are a job's controls and image
 * prompts, its modules annotators. */
#ifndef LT_A1111_CONTROL_H
#define LT_A1111_CONTROL_H

#include "a1111_request.h"

/* alwayson_scripts of a request (NULL: none) into job. images: init_images, which a unit without a picture of its own
 * sees; NULL: none. Any script but ControlNet is refused. */
bool lt_a1111_read_scripts(const json_t *scripts, const json_t *images, const lt_a1111_host *host, json_t *job,
                           lt_a1111_fault *fault);

/* The name of the i-th module; NULL: there are no more. */
const char *lt_a1111_module(int i);
/* The annotator of a module with its thresholds (below 0: its own); text [64]. "": it makes no map. False: it is none
 * that is served. */
bool lt_a1111_annotator(const char *module, double a, double b, char *text, size_t size);

#endif
