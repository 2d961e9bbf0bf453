/* Any text as a request of A1111's or OpenAI's API: refused with a status and words, or jobs that the server reads, or
 * refuses in its turn. The first byte says which API. */
#include "../../server/a1111_request.h"
#include "../../server/openai_request.h"
#include "../../server/request.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIXELS = 4096 };

static bool is_image_prompt(void *user, const char *model) {
    (void)user;
    return *model == 'i';
}

static const char *image_encoder(void *user, const char *module) {
    (void)user;
    return *module == 'x' ? NULL : "encoder";
}

static bool has_model(void *user, const char *name) {
    (void)user;
    return *name == 'm';
}

static void check_job(const json_t *job) {
    static lt_job_request read;
    const lt_job_limits limits = {PIXELS, 50, 4};
    if (!json_is_object(job)) abort();
    if (lt_job_request_read(job, &limits, &read) == LT_OK) lt_job_request_free(&read);
}

static void check_fault(int status, const char *words) {
    if (status < 400 || status > 599 || !*words) abort();
}

static void check_a1111(const json_t *body, bool img2img) {
    json_t *options = json_pack("{s:s}", "sd_model_checkpoint", "m");
    const lt_a1111_host host = {options, PIXELS, 100, is_image_prompt, image_encoder, NULL};
    lt_a1111_drawing drawing;
    if (lt_a1111_read(body, img2img, &host, &drawing)) {
        if (!json_array_size(drawing.jobs) || !json_is_object(drawing.parameters)) abort();
        check_job(json_array_get(drawing.jobs, 0));
    } else
        check_fault(drawing.fault.status, drawing.fault.detail);
    lt_a1111_drawing_free(&drawing);
    json_decref(options);
}

static void check_openai(const json_t *body, lt_openai_kind kind) {
    const lt_openai_host host = {has_model, PIXELS, NULL};
    lt_openai_drawing drawing;
    if (lt_openai_read(body, kind, &host, &drawing))
        check_job(drawing.job);
    else
        check_fault(drawing.fault.status, drawing.fault.message);
    lt_openai_drawing_free(&drawing);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) return 0;
    json_t *body = json_loadb((const char *)data + 1, size - 1, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    if (body && data[0] % 5 < 2) check_a1111(body, data[0] % 5);
    if (body && data[0] % 5 >= 2) check_openai(body, (lt_openai_kind)(data[0] % 5 - 2));
    json_decref(body);
    return 0;
}
