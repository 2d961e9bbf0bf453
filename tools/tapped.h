/* Values that were tapped from a drawing, copied, so that they stay. */
#ifndef TOOL_TAPPED_H
#define TOOL_TAPPED_H

#include "latent.h"

typedef struct tool_value {
    lt_tapped told; /* all but its array, which is: */
    lt_array array;
} tool_value;

typedef struct tool_values {
    tool_value *items; /* [count], as they came */
    size_t count, room;
} tool_values;

lt_status tool_values_add(tool_values *values, const lt_tapped *told);
void tool_values_free(tool_values *values);

/* How many numbers an array has. */
size_t tool_array_count(const lt_array *array);
/* It is of no branch but the prompt's first: of one prompt all that words act in. */
bool tool_is_prompts(const lt_tapped *told);

#endif
