/* Bytes as text: RFC 4648, section 4. */
#ifndef LT_BASE64_H
#define LT_BASE64_H

#include <stddef.h>

/* The bytes of base64 text, or of a data URL ("data:image/png;base64,..."), with blanks anywhere and with or without
 * the padding: the caller's, free it. NULL: it is neither, or there is no memory. */
void *lt_base64_read(const char *text, size_t *size);
/* The text: the caller's, free it. NULL: no memory, and the message. */
char *lt_base64_write(const void *bytes, size_t size);

#endif
