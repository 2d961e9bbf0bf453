/* What the files of HTTP share. */
#ifndef LT_HTTP_OWN_H
#define LT_HTTP_OWN_H

#include "guard.h"
#include "http.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

enum { LT_HTTP_PARTS = 4, LT_HTTP_NAME = 256, LT_HTTP_HEADERS = 8 };

/* An open connection, for who watches over the slow ones. */
typedef struct lt_http_link {
    int socket;
    double idle; /* since when nothing is asked; 0: something is */
    struct lt_http_link *before, *next;
} lt_http_link;

typedef struct lt_http {
    lt_server *server;
    const lt_server_options *options;
    lt_guard *guard;
    struct MHD_Daemon *daemon;
    pthread_mutex_t turn;
    lt_http_link *links;
    atomic_size_t held; /* bytes of bodies */
    atomic_bool closing;
    int port;
} lt_http;

struct lt_http_request {
    lt_http *http;
    struct MHD_Connection *connection;
    const char *method, *path;
    char id[17], client[128], base[LT_HTTP_NAME];
    const lt_http_api *api;
    const lt_http_route *route; /* NULL: there is none */
    char parts[LT_HTTP_PARTS][LT_HTTP_NAME];
    double begun;
    int refused; /* before it was read: with this status, and */
    char why[LT_HTTP_NAME];
    char *body; /* [size], with room for room */
    size_t size, room;
    struct {
        char *name, *value;
    } headers[LT_HTTP_HEADERS]; /* [header_count]: of the answer */
    int header_count;
    struct MHD_Response *answer;
    int status;
};

/* Finds api, route and parts; 404 or 405 and why where there is none, else 0. allowed: methods that are there. */
int lt_http_find_route(lt_http_request *request, char allowed[LT_HTTP_NAME]);
/* The answer, in the place of one that was given before; takes it. */
void lt_http_set_answer(lt_http_request *request, int status, struct MHD_Response *answer);
/* Whether the peer of a socket has closed it. */
bool lt_http_socket_gone(int socket);

#endif
