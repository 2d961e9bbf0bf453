/* A1111's API: /sdapi/v1, /controlnet, /internal/ping. What is the server's own of it is options, and who waits for
 * what (progress, interrupt and skip name no request). */
#ifndef LT_A1111_H
#define LT_A1111_H

#include "http.h"
#include "queue.h"

extern const lt_http_api lt_a1111_api, lt_a1111_control_api, lt_a1111_internal_api;

typedef struct lt_a1111 lt_a1111;
lt_status lt_a1111_open(lt_server *server, lt_a1111 **a1111);
void lt_a1111_close(lt_a1111 *a1111); /* NULL is fine */

#endif
