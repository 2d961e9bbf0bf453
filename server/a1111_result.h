/* A1111's answer to txt2img and img2img: {images, parameters, info}. */
#ifndef LT_A1111_RESULT_H
#define LT_A1111_RESULT_H

#include "a1111_request.h"
#include "queue.h"

/* What info says of the model: NULL where it isn't known. */
typedef struct lt_a1111_model {
    const char *name, *hash; /* without ending; ten digits */
    const char *vae;
} lt_a1111_model;

/* results [count]: of the drawing's jobs, as far as they were drawn. comments: lines of what the drawing told. NULL: no
 * memory. */
json_t *lt_a1111_result(const lt_a1111_drawing *drawing, const lt_job_result *results, int count,
                        const lt_a1111_model *model, const char *comments);

#endif
