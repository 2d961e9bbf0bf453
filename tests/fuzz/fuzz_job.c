/* Any text as a job of the server: refused, or a request that the library takes. */
#include "../../server/request.h"
#include "tools/base64.h"

#include "base/fields.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIXELS = 4096, STEPS = 50, COUNT = 4 };

static void check(const lt_job_request *job) {
    const lt_request *r = &job->request;
    if (lt_fields_check(lt_request_fields(), r) != LT_OK) abort();
    if (r->steps > STEPS || r->hires_steps > STEPS || r->count > COUNT) abort();
    if ((size_t)job->image.width * (size_t)job->image.height > PIXELS) abort();
    if (r->mask && !r->image) abort();
    for (size_t i = 0; i < r->lora_count; i++)
        if (!r->loras[i].file) abort();
    for (size_t i = 0; i < r->control_count; i++)
        if (!r->controls[i].image->pixels || lt_fields_check(lt_control_fields(), &r->controls[i]) != LT_OK) abort();
}

/* What was read from text is written as text that reads as the same. */
static void check_base64(const char *text) {
    size_t size, again_size;
    void *bytes = lt_base64_read(text, &size);
    if (!bytes) return;
    char *written = lt_base64_write(bytes, size);
    void *again = lt_base64_read(written, &again_size);
    if (!again || size != again_size || memcmp(bytes, again, size) != 0) abort();
    free(again);
    free(written);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static lt_job_request read;
    const lt_job_limits limits = {PIXELS, STEPS, COUNT};
    char *text = lt_strndup((const char *)data, size);
    json_t *job = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    if (text) check_base64(text);
    if (job && lt_job_request_read(job, &limits, &read) == LT_OK) {
        check(&read);
        lt_job_request_free(&read);
    }
    json_decref(job);
    lt_free(text);
    return 0;
}
