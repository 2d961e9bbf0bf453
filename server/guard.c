/* Keys, Host and Origin. */
#include "guard.h"

#include "tools.h"
#include "tools/base64.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { MOST_KEYS = 64 };

struct lt_guard {
    const lt_server_options *options;
    char *keys[MOST_KEYS]; /* [count]: "key", or "user:password" */
    size_t count;
    char machine[256]; /* its own name */
};

/* ---- Keys ---- */

static lt_status read_lines(lt_guard *g, FILE *file) {
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, file) >= 0 && g->count < MOST_KEYS) {
        line[strcspn(line, "\r\n")] = 0;
        if (!*line || *line == '#') continue;
        g->keys[g->count] = tool_strdup(line);
        if (g->keys[g->count]) g->count++;
    }
    free(line);
    return g->count ? LT_OK : lt_fail(LT_ERROR_FILE, "%s: no key is in it", g->options->key_file);
}

static lt_status read_keys(lt_guard *g) {
    FILE *file = fopen(g->options->key_file, "re");
    if (!file) return lt_fail(LT_ERROR_FILE, "%s: %s", g->options->key_file, strerror(errno));
    const lt_status status = read_lines(g, file);
    fclose(file);
    return status;
}

/* How long it takes tells how long the given text is, and nothing of the key. */
static bool equal(const char *key, const char *given, size_t size) {
    const size_t own = strlen(key);
    unsigned char differs = own != size;
    for (size_t i = 0; i < size; i++) differs |= (unsigned char)(key[own ? i % own : 0] ^ given[i]);
    return !differs;
}

/* Which of the keys it is, from 1; 0: none. All are compared, whichever it is. */
static int find_key(const lt_guard *g, const char *given, size_t size) {
    int found = 0;
    for (size_t i = 0; i < g->count; i++) found |= equal(g->keys[i], given, size) * (int)(i + 1);
    return found;
}

/* A user with a password, or anybody with a key as password. */
static int find_basic(const lt_guard *g, const char *text) {
    size_t size;
    char *pair = lt_base64_read(text, &size);
    const char *colon = pair ? memchr(pair, ':', size) : NULL;
    int found = pair ? find_key(g, pair, size) : 0;
    if (colon && !found) found = find_key(g, colon + 1, size - (size_t)(colon + 1 - pair));
    free(pair);
    return found;
}

static int key_of(const lt_guard *g, const char *authorization) {
    if (!authorization) return 0;
    if (!strncasecmp(authorization, "Basic ", 6)) return find_basic(g, authorization + 6);
    if (strncasecmp(authorization, "Bearer ", 7)) return 0;
    return find_key(g, authorization + 7, strlen(authorization + 7));
}

void lt_guard_name(const lt_guard *g, const char *authorization, char *client, size_t room) {
    const int key = g->count > 1 ? key_of(g, authorization) : 0;
    const size_t size = strlen(client);
    if (key) snprintf(client + size, room - size, "/%d", key);
}

/* ---- Names ---- */

/* Whether a list with commas has the word. */
static bool lists(const char *list, const char *word) {
    const size_t size = strlen(word);
    while (list && *list) {
        list += strspn(list, ", ");
        const size_t item = strcspn(list, ", ");
        if (item == size && !strncasecmp(list, word, size)) return true;
        list += item;
    }
    return false;
}

/* "[::1]:7860", "127.0.0.1:7860", "localhost" without port and brackets. */
static void cut_port(const char *host, char name[256]) {
    const char *begin = *host == '[' ? host + 1 : host;
    const char *end = *host == '[' ? strchr(begin, ']') : strrchr(begin, ':');
    const size_t size = end ? (size_t)(end - begin) : strlen(begin);
    snprintf(name, 256, "%.*s", (int)(size < 255 ? size : 255), begin);
}

static bool is_address(const char *name) {
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

/* An address can't be made to point elsewhere; a name can, by whoever owns it, which is how a page that was loaded from
 * it would come to be of this server's origin. */
static bool is_own_name(const lt_guard *g, const char *host) {
    char name[256];
    cut_port(host, name);
    const size_t size = strlen(name), ending = strlen(".localhost");
    if (is_address(name) || !strcasecmp(name, "localhost") || !strcasecmp(name, g->machine)) return true;
    if (size > ending && !strcasecmp(name + size - ending, ".localhost")) return true;
    return !strcasecmp(name, g->options->host) || lists(g->options->hosts, name);
}

bool lt_guard_shares(const lt_guard *g, const char *origin) {
    return origin && g->options->cors && (!strcmp(g->options->cors, "*") || lists(g->options->cors, origin));
}

/* A page of this server itself, also behind a proxy that adds TLS. */
static bool is_own_origin(const char *origin, const char *host) {
    const size_t scheme = !strncasecmp(origin, "https://", 8) ? 8 : !strncasecmp(origin, "http://", 7) ? 7 : 0;
    return host && scheme && !strcasecmp(origin + scheme, host);
}

int lt_guard_check(const lt_guard *g, const lt_guard_call *call, const char **why) {
    *why = NULL;
    if (call->host && !is_own_name(g, call->host)) {
        *why = "this server isn't called so (Host); --hosts names it";
        return 421;
    }
    if (call->origin && !is_own_origin(call->origin, call->host) && !lt_guard_shares(g, call->origin)) {
        *why = "a page from elsewhere calls (Origin); --cors lets it";
        return 403;
    }
    if (call->open || !g->count || key_of(g, call->authorization)) return 0;
    *why = call->authorization ? "the key is wrong" : "a key is wanted (Authorization: Bearer KEY, or Basic)";
    return 401;
}

/* ---- Its life ---- */

static bool is_loopback(const char *host) {
    return !strncmp(host, "127.", 4) || !strcmp(host, "::1") || !strcmp(host, "localhost");
}

static lt_status check_options(const lt_guard *g) {
    const lt_server_options *o = g->options;
    if (g->count || o->no_key || is_loopback(o->host)) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT, "host %s: others can reach it, so a key is wanted: key_file; or no_key", o->host);
}

lt_status lt_guard_open(const lt_server_options *options, lt_guard **out) {
    lt_guard *g = tool_calloc(1, sizeof *g);
    *out = g;
    if (!g) return LT_ERROR_MEMORY;
    g->options = options;
    gethostname(g->machine, sizeof g->machine - 1);
    lt_status status = options->key_file ? read_keys(g) : LT_OK;
    if (!status) status = check_options(g);
    if (status) lt_guard_close(g), *out = NULL;
    return status;
}

void lt_guard_close(lt_guard *g) {
    for (size_t i = 0; g && i < g->count; i++) free(g->keys[i]);
    free(g);
}
