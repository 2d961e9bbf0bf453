/* The field infotext of A1111's requests. */
#ifndef LT_A1111_INFOTEXT_H
#define LT_A1111_INFOTEXT_H

#include <jansson.h>
#include <stdbool.h>

/* What a text of parameters says, as fields of a request, override_settings among them; none for "". NULL: no memory.
 */
json_t *lt_a1111_infotext(const char *text, bool img2img);

#endif
