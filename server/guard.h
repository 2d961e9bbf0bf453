/* Who may come in: keys, Host and Origin. Plain functions over texts of headers. */
#ifndef LT_GUARD_H
#define LT_GUARD_H

#include "server.h"

typedef struct lt_guard lt_guard;

/* Reads the key file. LT_ERROR_FILE: it can't be read, or has no key in it; LT_ERROR_ARGUMENT: an address that others
 * reach needs one. */
lt_status lt_guard_open(const lt_server_options *options, lt_guard **guard);
void lt_guard_close(lt_guard *guard); /* NULL is fine */

/* Headers of a call; NULL: it has none. */
typedef struct lt_guard_call {
    const char *host, *origin, *authorization;
    bool open; /* what it asks for needs no key */
} lt_guard_call;

/* 0: it may come in. 401: a key is missing or wrong; 403: a page from elsewhere calls; 421: the server has no such
 * name, as when a stranger's name was made to point here. why: a message. */
int lt_guard_check(const lt_guard *guard, const lt_guard_call *call, const char **why);
/* Where there are several keys, adds to the client's name [room] the number of its own: "10.0.0.7/2" has the second. */
void lt_guard_name(const lt_guard *guard, const char *authorization, char *client, size_t room);
/* Whether pages of that origin were let in by the options: what is answered says so then. */
bool lt_guard_shares(const lt_guard *guard, const char *origin);

#endif
