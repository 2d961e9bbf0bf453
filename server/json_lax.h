/* JSON as other programs' clients send it: a number may stand in a text, a flag may be a number, and null is nothing.
 */
#ifndef LT_JSON_LAX_H
#define LT_JSON_LAX_H

#include <jansson.h>
#include <stdbool.h>

/* The value of that key; NULL where it isn't there, or null. */
json_t *lt_lax_get(const json_t *object, const char *key);

/* What a value says; false: it is nothing of that kind. */
bool lt_lax_int(const json_t *value, json_int_t *out); /* 20, 20.0, "20" */
bool lt_lax_number(const json_t *value, double *out);
bool lt_lax_flag(const json_t *value, bool *out); /* true, 1, "true", "on", "yes", "1", and their opposites */

/* The text of that key; "" where it isn't there or is no text. */
const char *lt_lax_text(const json_t *object, const char *key);

/* The value as FORM has it (multipart knows texts alone): a number where it reads as one, else the text. */
json_t *lt_lax_of_text(const char *text);

#endif
