/* Any text as what is wanted of a drawing: refused with a word that names it, or taps that make sense, noise of
 * numbers, and a job without either. */
#include "../../server/taps_request.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_tap(const lt_taps_wanted *w, const lt_tap *tap) {
    const bool step = w->tap.kind == LT_TAP_STEP, heat = w->tap.kind == LT_TAP_HEAT;
    if (memcmp(tap, &w->tap, sizeof *tap) != 0) abort();
    if (tap->kind < LT_TAP_STEP || tap->kind > LT_TAP_HEAT) abort();
    if (tap->first < 0 || tap->last < 0 || tap->every < 0 || w->side < 0 || w->side > LT_TAPS_MOST_SIDE) abort();
    if (w->as == LT_TAPS_PICTURE && !step) abort();
    if (w->as == LT_TAPS_COMPONENTS && tap->kind != LT_TAP_ACTIVATION) abort();
    if (w->as == LT_TAPS_MEAN && (step || heat)) abort();
}

static void check(const lt_taps_request *r) {
    if (r->count > LT_TAPS_MOST || !json_is_object(r->job)) abort();
    if (json_object_get(r->job, "taps") || json_object_get(r->job, "noise")) abort();
    for (size_t i = 0; i < r->count; i++) check_tap(&r->wanted[i], &r->taps[i]);
    for (size_t i = 0; i < r->noise_count; i++)
        if (!isfinite(r->noise[i])) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static lt_taps_request read;
    json_t *body = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    if (body && lt_taps_request_read(body, &read) == LT_OK) {
        check(&read);
        lt_taps_request_free(&read);
    } else if (body && (!*lt_error_message() || read.job || read.noise)) {
        abort();
    }
    json_decref(body);
    return 0;
}
