/* HTTP by libmicrohttpd: connections, and requests from their first line to their answer. */
#include "http_own.h"
#include "tools.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    HEADERS = 32 << 10,  /* bytes of a request's head, at most */
    STACK = 1 << 20,     /* of a connection's thread */
    BODIES = 8,          /* of the largest allowed, that may be in memory at once */
    SLOWEST = 16 << 10,  /* bytes a second of a body */
    WAITING_TO_BE = 1024 /* connections that the system holds before they are taken */
};

/* ---- What is told of a request ---- */

lt_server *lt_http_server(const lt_http_request *r) { return r->http->server; }
const char *lt_http_method(const lt_http_request *r) { return r->method; }
const char *lt_http_path(const lt_http_request *r) { return r->path; }
const char *lt_http_part(const lt_http_request *r, int i) { return r->parts[i]; }
const char *lt_http_client(const lt_http_request *r) { return r->client; }
const char *lt_http_id(const lt_http_request *r) { return r->id; }

const char *lt_http_header(const lt_http_request *r, const char *name) {
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

const char *lt_http_query(const lt_http_request *r, const char *name) {
    return MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
}

const void *lt_http_body(const lt_http_request *r, size_t *size) {
    *size = r->size;
    return r->body ? r->body : "";
}

const char *lt_http_base(lt_http_request *r) {
    const char *host = lt_http_header(r, "Host"), *scheme = lt_http_header(r, "X-Forwarded-Proto");
    const bool tls = scheme && !strcmp(scheme, "https");
    snprintf(r->base, sizeof r->base, "%s://%s", tls ? "https" : "http", host ? host : r->http->options->host);
    return r->base;
}

bool lt_http_socket_gone(int socket) {
    char byte;
    const ssize_t size = recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return size == 0 || (size < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

bool lt_http_gone(const lt_http_request *r) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return r->http->closing || lt_http_socket_gone(info->connect_fd);
}

json_t *lt_http_json(lt_http_request *r) {
    json_error_t error;
    if (!r->size) return json_object();
    json_t *json = json_loadb(r->body, r->size, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        lt_http_fail(r, 400, "the body is no JSON: line %d, column %d: %s", error.line, error.column, error.text);
    return json;
}

/* ---- Connections ---- */

/* The turn is the caller's in both. */
static lt_http_link *add_link(lt_http *http, int socket) {
    lt_http_link *link = calloc(1, sizeof *link);
    if (!link) return NULL;
    *link = (lt_http_link){.socket = socket, .idle = tool_now(), .next = http->links};
    if (link->next) link->next->before = link;
    http->links = link;
    return link;
}

static void remove_link(lt_http *http, lt_http_link *link) {
    if (!link) return;
    if (link->next) link->next->before = link->before;
    *(link->before ? &link->before->next : &http->links) = link->next;
    free(link);
}

/* Called for each connection as it comes and goes. */
static void on_link(void *user, struct MHD_Connection *connection, void **context,
                    enum MHD_ConnectionNotificationCode what) {
    lt_http *http = user;
    const int socket = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    pthread_mutex_lock(&http->turn);
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = add_link(http, socket);
    } else {
        remove_link(http, *context);
        *context = NULL;
    }
    pthread_mutex_unlock(&http->turn);
}

static void set_idle(lt_http *http, struct MHD_Connection *connection, double since) {
    lt_http_link *link = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    pthread_mutex_lock(&http->turn);
    if (link) link->idle = since;
    pthread_mutex_unlock(&http->turn);
}

/* libmicrohttpd's own timeout begins anew with each byte; this one doesn't. */
void lt_http_tick(lt_http *http) {
    const double now = tool_now();
    pthread_mutex_lock(&http->turn);
    for (lt_http_link *link = http->links; link; link = link->next)
        if (link->idle > 0 && now - link->idle > http->options->patience) shutdown(link->socket, SHUT_RDWR);
    pthread_mutex_unlock(&http->turn);
}

/* ---- A request begins ---- */

static bool is_loopback(const struct sockaddr *address) {
    const struct sockaddr_in *four = (const void *)address;
    const struct sockaddr_in6 *six = (const void *)address;
    if (address->sa_family == AF_INET) return ntohl(four->sin_addr.s_addr) >> 24 == 127;
    return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

/* Of an address with a port, which is another one for each connection: "[::1]:80", "10.0.0.1:80". */
static size_t address_size(const char *address, size_t size) {
    const char *colon = memchr(address, ':', size), *end = memchr(address, ']', size);
    if (*address == '[' && end) return (size_t)(end + 1 - address);
    const bool six = colon && memchr(colon + 1, ':', size - (size_t)(colon + 1 - address));
    return colon && !six ? (size_t)(colon - address) : size;
}

/* The last of a list is what the proxy itself saw; what is before it anybody may have written. One that is empty says
 * nothing. */
static void copy_last(const char *list, char client[128]) {
    const char *comma = strrchr(list, ','), *last = comma ? comma + 1 : list;
    last += strspn(last, " ");
    const size_t size = address_size(last, strcspn(last, " "));
    if (size) snprintf(client, 128, "%.*s", size < 100 ? (int)size : 100, last);
}

/* Its address, and its key where there are several; programs of this machine may tell themselves apart, but for those
 * for whom a proxy speaks. */
static void name_client(lt_http_request *r) {
    const struct sockaddr *address =
        MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    const socklen_t size = address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    const char *own = lt_http_header(r, "Latent-Client");
    const char *through = r->http->options->forwarded ? lt_http_header(r, "X-Forwarded-For") : NULL;
    if (getnameinfo(address, size, r->client, sizeof r->client, NULL, 0, NI_NUMERICHOST)) strcpy(r->client, "?");
    if (through)
        copy_last(through, r->client);
    else if (own && is_loopback(address))
        snprintf(r->client, sizeof r->client, "%.100s", own);
    lt_guard_name(r->http->guard, lt_http_header(r, "Authorization"), r->client, sizeof r->client);
}

/* Given back in on_completed. */
static lt_http_request *begin_request(lt_http *http, struct MHD_Connection *connection, const char *path,
                                      const char *method) {
    lt_http_request *r = tool_calloc(1, sizeof *r);
    if (!r) return NULL;
    r->http = http;
    r->connection = connection;
    r->method = method;
    r->path = path;
    r->begun = tool_now();
    server_random_name(r->id, 4);
    name_client(r);
    set_idle(http, connection, 0);
    return r;
}

static void refuse(lt_http_request *r, int status, const char *why) {
    r->refused = status;
    snprintf(r->why, sizeof r->why, "%s", why);
}

static void check_route(lt_http_request *r) {
    char allowed[LT_HTTP_NAME];
    r->refused = lt_http_find_route(r, allowed);
    if (r->refused == 405) lt_http_add_header(r, "Allow", allowed);
}

/* The key is asked for first: who has none learns nothing of what is here. */
static void check_guard(lt_http_request *r) {
    const lt_guard_call call = {lt_http_header(r, "Host"), lt_http_header(r, "Origin"),
                                lt_http_header(r, "Authorization"),
                                !strcmp(r->method, "OPTIONS") || (r->route && r->route->flags & LT_HTTP_OPEN)};
    const char *why;
    const int status = lt_guard_check(r->http->guard, &call, &why);
    if (status) refuse(r, status, why);
    if (status == 401) lt_http_add_header(r, "WWW-Authenticate", "Basic realm=\"Latent\", charset=\"UTF-8\"");
}

/* What the head says of the body; 0: nothing. */
static unsigned long long promised(const lt_http_request *r) {
    const char *length = lt_http_header(r, "Content-Length");
    return length ? strtoull(length, NULL, 10) : 0;
}

static void refuse_size(lt_http_request *r) {
    refuse(r, 413, "the body is larger than this server takes");
    lt_http_add_header(r, "Connection", "close");
}

static void check_request(lt_http_request *r) {
    check_route(r);
    check_guard(r);
    if (promised(r) > r->http->options->most_body) refuse_size(r);
}

/* ---- Its body ---- */

static void drop_body(lt_http_request *r) {
    r->http->held -= r->room;
    free(r->body);
    r->body = NULL;
    r->size = r->room = 0;
}

static bool make_room(lt_http_request *r, size_t size) {
    const size_t wanted = r->size + size + 1, most = BODIES * r->http->options->most_body;
    if (wanted <= r->room) return true;
    const size_t room = wanted < 4096 ? 4096 : wanted + wanted / 2;
    if (r->http->held + room - r->room > most) return false;
    char *body = realloc(r->body, room);
    if (!body) return false;
    r->http->held += room - r->room;
    r->body = body;
    r->room = room;
    return true;
}

/* Of a refused request the body is read to nowhere, so that its client comes to read the answer. */
static void take_body(lt_http_request *r, const char *bytes, size_t size) {
    if (r->refused) return;
    if (r->size + size > r->http->options->most_body) {
        refuse_size(r);
    } else if (!make_room(r, size)) {
        refuse(r, 503, "too many requests are being read; try again soon");
    } else {
        memcpy(r->body + r->size, bytes, size);
        r->size += size;
        r->body[r->size] = 0;
        return;
    }
    drop_body(r);
}

static bool is_too_slow(const lt_http_request *r) {
    return tool_now() - r->begun > 2.0 * r->http->options->patience + (double)r->size / SLOWEST;
}

/* ---- Its answer ---- */

/* What a browser asks before a page from elsewhere calls. */
static void answer_options(lt_http_request *r) {
    const char *headers = lt_http_header(r, "Access-Control-Request-Headers");
    if (lt_guard_shares(r->http->guard, lt_http_header(r, "Origin"))) {
        lt_http_add_header(r, "Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS");
        lt_http_add_header(r, "Access-Control-Allow-Headers", headers ? headers : "Authorization, Content-Type");
        lt_http_add_header(r, "Access-Control-Max-Age", "600");
    }
    lt_http_answer(r, 204, NULL, NULL, 0);
}

static enum MHD_Result send_answer(lt_http_request *r) {
    if (!r->answer) lt_http_fail(r, 500, "the server has no answer to this");
    return r->answer ? MHD_queue_response(r->connection, (unsigned)r->status, r->answer) : MHD_NO;
}

static enum MHD_Result send_refusal(lt_http_request *r) {
    char why[LT_HTTP_NAME];
    snprintf(why, sizeof why, "%s", r->why);
    lt_http_fail(r, r->refused, "%s", why);
    return send_answer(r);
}

/* A handler may wait for long, which must not be taken for a client that is slow. */
static enum MHD_Result handle(lt_http_request *r) {
    const bool preflight = !strcmp(r->method, "OPTIONS") && r->refused != 403 && r->refused != 421;
    if (r->refused && !preflight) return send_refusal(r);
    MHD_set_connection_option(r->connection, MHD_CONNECTION_OPTION_TIMEOUT, 0U);
    if (preflight)
        answer_options(r);
    else
        r->route->handler(r);
    MHD_set_connection_option(r->connection, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)r->http->options->patience);
    drop_body(r);
    return send_answer(r);
}

/* libmicrohttpd calls this with the head alone, then with each piece of the body, then with size 0. */
static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *path, const char *method,
                                  const char *version, const char *bytes, size_t *size, void **context) {
    (void)version;
    lt_http *http = user;
    lt_http_request *r = *context;
    if (!r) {
        *context = r = begin_request(http, connection, path, method);
        if (!r) return MHD_NO;
        check_request(r);
        return r->refused == 413 ? send_refusal(r) : MHD_YES;
    }
    if (!*size) return handle(r);
    if (is_too_slow(r)) return MHD_NO;
    take_body(r, bytes, *size);
    *size = 0;
    return MHD_YES;
}

/* ---- A request ends ---- */

/* What is asked again and again, and well, is not told of. */
static void log_request(const lt_http_request *r) {
    const double seconds = tool_now() - r->begun;
    if (!strcmp(r->method, "GET") && r->status < 400) return;
    server_log(r->id, "%s %s %s %d %.3f s%s%s", r->client, r->method, r->path, r->status, seconds, *r->why ? ": " : "",
               r->why);
}

static void on_completed(void *user, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code) {
    (void)code;
    lt_http_request *r = *context;
    if (!r) return;
    log_request(r);
    set_idle(user, connection, tool_now());
    drop_body(r);
    if (r->answer) MHD_destroy_response(r->answer);
    for (int i = 0; i < r->header_count; i++) {
        free(r->headers[i].name);
        free(r->headers[i].value);
    }
    free(r);
    *context = NULL;
}

/* ---- Listening ---- */

static int open_socket(const struct addrinfo *address) {
    const int on = 1, s = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s < 0) return -1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (!bind(s, address->ai_addr, address->ai_addrlen) && !listen(s, WAITING_TO_BE)) return s;
    const int reason = errno;
    close(s);
    errno = reason;
    return -1;
}

static lt_status listen_on(const lt_server_options *o, int *s) {
    char port[16];
    struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    snprintf(port, sizeof port, "%d", o->port);
    const int code = getaddrinfo(o->host, port, &hints, &found);
    if (code) return lt_fail(LT_ERROR_ARGUMENT, "host %s: %s", o->host, gai_strerror(code));
    *s = open_socket(found);
    freeaddrinfo(found);
    return *s >= 0 ? LT_OK
                   : lt_fail(LT_ERROR_FILE, "%s:%d can't be listened on: %s", o->host, o->port, strerror(errno));
}

static int port_of(int s) {
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (getsockname(s, (struct sockaddr *)&address, &size)) return 0;
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&address)->sin6_port
                                               : ((struct sockaddr_in *)(void *)&address)->sin_port);
}

static lt_status start(lt_http *http) {
    const lt_server_options *o = http->options;
    int s;
    LT_TRY(listen_on(o, &s));
    http->port = port_of(s);
    http->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | MHD_USE_ITC, 0, NULL, NULL,
        on_request, http, MHD_OPTION_LISTEN_SOCKET, s, MHD_OPTION_CONNECTION_LIMIT, (unsigned)o->most_connections,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)o->patience, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADERS,
        MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK, MHD_OPTION_NOTIFY_COMPLETED, on_completed, http,
        MHD_OPTION_NOTIFY_CONNECTION, on_link, http, MHD_OPTION_END);
    if (http->daemon) return LT_OK;
    close(s);
    return lt_fail(LT_ERROR_FILE, "the HTTP server doesn't start: %s", strerror(errno));
}

lt_status lt_http_open(lt_server *server, lt_guard *guard, lt_http **out) {
    lt_http *http = tool_calloc(1, sizeof *http);
    *out = http;
    if (!http) return LT_ERROR_MEMORY;
    http->server = server;
    http->options = lt_server_options_of(server);
    http->guard = guard;
    pthread_mutex_init(&http->turn, NULL);
    const lt_status status = start(http);
    if (status) lt_http_close(http), *out = NULL;
    return status;
}

int lt_http_port(const lt_http *http) { return http->port; }

void lt_http_close(lt_http *http) {
    if (!http) return;
    http->closing = true;
    if (http->daemon) MHD_stop_daemon(http->daemon);
    pthread_mutex_destroy(&http->turn);
    free(http);
}
