/* OpenAI's API: pictures as events, and previews of them before. */
#include "openai_own.h"

#include "json_lax.h"
#include "tools.h"

#include <stdlib.h>
#include <string.h>

typedef struct streaming {
    lt_queue *queue;
    lt_openai_drawing drawing;
    char id[LT_JOB_ID];
    lt_job_snapshot job;
    int picture; /* that comes next */
    int sent;    /* previews of it */
} streaming;

static bool send_event(streaming *s, lt_http_stream *stream, int index, const char *size_text, const void *bytes,
                       size_t size) {
    const char *name;
    json_t *event = lt_openai_event(&s->drawing, index, size_text, bytes, size, &name);
    return event && lt_http_event_json(stream, name, event);
}

/* What the request says, before a picture tells. */
static void asked_size(const streaming *s, char text[32]) {
    const lt_job_picture asked = {.width = (int)json_integer_value(json_object_get(s->drawing.job, "width")),
                                  .height = (int)json_integer_value(json_object_get(s->drawing.job, "height"))};
    lt_openai_size(&asked, text);
}

/* Previews lie evenly between a picture's steps. */
static bool is_due(const streaming *s) {
    const int wanted = s->drawing.partial_images;
    return s->sent < wanted && s->job.picture == s->picture && s->job.step > 0 &&
           s->job.step * (wanted + 1) >= s->job.steps * (s->sent + 1) && s->job.step < s->job.steps;
}

static bool send_preview(streaming *s, lt_http_stream *stream) {
    size_t size;
    char size_text[32];
    void *bytes = lt_queue_preview(s->queue, s->id, &size, NULL);
    if (!bytes) return true;
    asked_size(s, size_text);
    const bool good =
        send_event(s, stream, s->sent++, json_object_get(s->drawing.job, "width") ? size_text : "auto", bytes, size);
    free(bytes);
    return good;
}

static bool send_pictures(streaming *s, lt_http_stream *stream) {
    lt_job_result result;
    char size[32];
    if (s->job.picture <= s->picture) return true;
    if (!lt_queue_result(s->queue, s->id, s->picture, &result)) return false;
    bool good = true;
    for (int i = 0; i < result.count && good; i++) {
        lt_openai_size(&result.pictures[i], size);
        good = send_event(s, stream, -1, size, result.pictures[i].bytes, result.pictures[i].size);
    }
    s->picture += result.count;
    s->sent = 0;
    lt_job_result_free(&result);
    return good;
}

static bool send_failure(streaming *s, lt_http_stream *stream) {
    const char *error = s->job.state == LT_JOB_FAILED ? s->job.error : "The drawing was cancelled.";
    lt_http_event_json(stream, "error", lt_openai_error(lt_order_failure(&s->job), error));
    return false;
}

static bool next(void *user, lt_http_stream *stream) {
    streaming *s = user;
    if (!lt_queue_wait(s->queue, s->id, 0.5, &s->job)) return false;
    if (!send_pictures(s, stream)) return false;
    if (s->job.state == LT_JOB_FAILED || s->job.state == LT_JOB_CANCELLED) return send_failure(s, stream);
    if (is_due(s) && !send_preview(s, stream)) return false;
    return !lt_job_ended(&s->job);
}

static void end(void *user, bool gone) {
    streaming *s = user;
    if (gone && !lt_queue_closing(s->queue)) lt_queue_cancel(s->queue, s->id);
    lt_openai_drawing_free(&s->drawing);
    free(s);
}

void lt_openai_stream(lt_http_request *r, lt_openai_drawing *drawing, lt_order *order) {
    streaming *s = tool_calloc(1, sizeof *s);
    if (s) {
        *s = (streaming){.queue = lt_server_queue(lt_http_server(r)), .drawing = *drawing};
        memcpy(s->id, order->ids[0], LT_JOB_ID);
        *drawing = (lt_openai_drawing){0};
        lt_http_answer_events(r, (lt_http_source){next, end, s});
    } else {
        lt_order_cancel(order);
        lt_http_fail(r, 500, "%s", lt_error_message());
    }
    lt_order_free(order);
}
