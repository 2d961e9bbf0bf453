/* Server-sent events. */
#include "http_own.h"
#include "tools.h"

#include <stdlib.h>
#include <string.h>

enum { SILENCE = 10 }; /* seconds, after which a comment says that all is well */

struct lt_http_stream {
    lt_http *http;
    int socket;
    lt_http_source source;
    char *text; /* [size], of which `sent` are gone */
    size_t size, sent, room;
    double last; /* when something was sent */
    bool over, gone;
};

/* ---- Writing ---- */

static bool append(lt_http_stream *s, const char *text) {
    const size_t size = strlen(text), wanted = s->size + size;
    if (wanted > s->room) {
        const size_t room = 2 * wanted + 256;
        char *grown = realloc(s->text, room);
        if (!grown) return false;
        s->text = grown;
        s->room = room;
    }
    memcpy(s->text + s->size, text, size);
    s->size = wanted;
    return true;
}

bool lt_http_event(lt_http_stream *s, const char *name, const char *data) {
    const bool named = !name || (append(s, "event: ") && append(s, name) && append(s, "\n"));
    return named && append(s, "data: ") && append(s, data) && append(s, "\n\n");
}

bool lt_http_event_json(lt_http_stream *s, const char *name, json_t *data) {
    char *text = data ? json_dumps(data, JSON_COMPACT) : NULL;
    const bool sent = text && lt_http_event(s, name, text);
    json_decref(data);
    free(text);
    return sent;
}

bool lt_http_stream_gone(const lt_http_stream *s) {
    return s->gone || s->http->closing || lt_http_socket_gone(s->socket);
}

/* ---- Sending, in the connection's thread ---- */

static void fill(lt_http_stream *s) {
    s->size = s->sent = 0;
    if (lt_http_stream_gone(s))
        s->gone = s->over = true;
    else if (!s->source.next(s->source.user, s))
        s->over = true;
    if (!s->size && !s->over && tool_now() - s->last > SILENCE) append(s, ": \n\n");
}

static ssize_t on_read(void *user, uint64_t position, char *to, size_t most) {
    (void)position;
    lt_http_stream *s = user;
    while (s->sent == s->size && !s->over) fill(s);
    if (s->sent == s->size) return MHD_CONTENT_READER_END_OF_STREAM;
    const size_t left = s->size - s->sent, size = left < most ? left : most;
    memcpy(to, s->text + s->sent, size);
    s->sent += size;
    s->last = tool_now();
    return (ssize_t)size;
}

static void on_free(void *user) {
    lt_http_stream *s = user;
    if (s->source.close) s->source.close(s->source.user, s->gone || !s->over);
    free(s->text);
    free(s);
}

static int socket_of(const lt_http_request *r) {
    return MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

void lt_http_answer_events(lt_http_request *r, lt_http_source source) {
    lt_http_stream *s = tool_calloc(1, sizeof *s);
    struct MHD_Response *answer =
        s ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, on_read, s, on_free) : NULL;
    if (!answer) {
        free(s);
        if (source.close) source.close(source.user, true);
        lt_http_fail(r, 500, "out of memory");
        return;
    }
    *s = (lt_http_stream){.http = r->http, .socket = socket_of(r), .source = source, .last = tool_now()};
    MHD_add_response_header(answer, "Content-Type", "text/event-stream");
    MHD_add_response_header(answer, "Cache-Control", "no-store");
    MHD_add_response_header(answer, "X-Accel-Buffering", "no");
    lt_http_set_answer(r, 200, answer);
}
