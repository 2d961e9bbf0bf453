/* A1111's txt2img and img2img as jobs: JSON to JSON, nothing is drawn or looked up here. */
#ifndef LT_A1111_REQUEST_H
#define LT_A1111_REQUEST_H

#include "latent.h"

#include <jansson.h>

/* What is wrong with a request, as that API tells it. */
typedef struct lt_a1111_fault {
    int status;        /* 0: nothing */
    const char *field; /* of the body, whose value is of a wrong kind (pydantic's error); NULL: it is not that */
    char detail[512];
} lt_a1111_fault;
/* Returns false, for those who do. */
bool lt_a1111_fail(lt_a1111_fault *fault, int status, const char *format, ...) LT_PRINTF(3, 4);
bool lt_a1111_fail_field(lt_a1111_fault *fault, const char *field, const char *format, ...) LT_PRINTF(3, 4);

/* What a translation asks of the server that it is for. */
typedef struct lt_a1111_host {
    const json_t *options;                                        /* as GET options has them */
    size_t most_pixels;                                           /* of a picture that is sent; 0: any */
    int most_count;                                               /* pictures of a request; 0: any */
    bool (*is_image_prompt)(void *user, const char *model);       /* it is an IP-Adapter, which is no ControlNet */
    const char *(*image_encoder)(void *user, const char *module); /* for such a module; NULL: there is none */
    void *user;
} lt_a1111_host;

/* One request: its jobs, which are drawn one after the other, an iteration each (n_iter), or where there are several
 * init images a picture each. */
typedef struct lt_a1111_drawing {
    json_t *parameters; /* the request with what it leaves out, as the answer repeats it */
    json_t *jobs;       /* array, one at least */
    bool send_images;
    lt_a1111_fault fault;
} lt_a1111_drawing;

/* False: the fault says why; nothing else is left then. */
bool lt_a1111_read(const json_t *body, bool img2img, const lt_a1111_host *host, lt_a1111_drawing *drawing);
void lt_a1111_drawing_free(lt_a1111_drawing *drawing); /* and empties it */

/* A sampler and a schedule by the names that the API has for them, as keys of job ("sampler", "schedule"). */
bool lt_a1111_put_sampler(json_t *job, const char *prefix, const char *sampler, const char *schedule,
                          lt_a1111_fault *fault);

#endif
