/* Arrays as the bytes of a safetensors file: eight bytes that say how long the JSON behind them is (little-endian), the
 * JSON that says what each array is and where, and the numbers. Values that are no arrays are in its "__metadata__",
 * as JSON in texts. */
#ifndef LT_ARRAY_FILE_H
#define LT_ARRAY_FILE_H

#include "http.h"

/* A zeroed one is empty; whoever fails keeps its first failure in status. */
typedef struct lt_array_file {
    json_t *header, *metadata;
    uint8_t *bytes;
    size_t size, room;
    lt_status status;
} lt_array_file;

/* Adds what data is: of type "F32" or "U8", shape [rank]. */
void lt_array_file_add(lt_array_file *file, const char *name, const char *type, const size_t *shape, int rank,
                       const void *data);
/* Pixels, U8 [h, w, 3]. */
void lt_array_file_add_image(lt_array_file *file, const char *name, const lt_image *image);
/* Takes value, which may be NULL: there was no memory for it. */
void lt_array_file_tell(lt_array_file *file, const char *key, json_t *value);
/* As the answer to a request: 200, or 503 where there was no memory. */
void lt_array_file_answer(lt_http_request *request, const lt_array_file *file);
void lt_array_file_free(lt_array_file *file);

#endif
