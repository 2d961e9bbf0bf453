/* Which handler a path has. */
#include "http_own.h"

#include <stdio.h>
#include <string.h>

/* One part of the path up to the next slash; false: it is empty or too long. */
static bool take_part(const char **path, char part[LT_HTTP_NAME]) {
    const size_t size = strcspn(*path, "/");
    if (!size || size >= LT_HTTP_NAME) return false;
    memcpy(part, *path, size);
    part[size] = 0;
    *path += size;
    return true;
}

static bool take_rest(const char *path, char part[LT_HTTP_NAME]) {
    const size_t size = strlen(path);
    if (size < LT_HTTP_NAME) memcpy(part, path, size + 1);
    return size < LT_HTTP_NAME;
}

static bool fits(const char *pattern, const char *path, char parts[LT_HTTP_PARTS][LT_HTTP_NAME]) {
    for (int i = 0; *pattern; i++) {
        const size_t plain = strcspn(pattern, "{");
        if (strncmp(pattern, path, plain)) return false;
        pattern += plain;
        path += plain;
        if (!*pattern) break;
        if (!strcmp(pattern, "{*}")) return take_rest(path, parts[i]);
        if (!take_part(&path, parts[i])) return false;
        pattern += strlen("{}");
    }
    return !*path;
}

static bool is_method(const char *method, const char *asked) {
    return !strcmp(method, asked) || (!strcmp(method, "GET") && !strcmp(asked, "HEAD"));
}

static bool is_below(const char *path, const char *prefix) {
    const size_t size = strlen(prefix);
    return !strncmp(path, prefix, size) && (!size || !path[size] || path[size] == '/');
}

static void allow(char allowed[LT_HTTP_NAME], const char *method) {
    const size_t size = strlen(allowed);
    snprintf(allowed + size, LT_HTTP_NAME - size, "%s%s", size ? ", " : "", method);
}

static bool find_in(lt_http_request *r, char allowed[LT_HTTP_NAME]) {
    for (const lt_http_route *route = r->api->routes; route->method; route++) {
        if (!fits(route->pattern, r->path, r->parts)) continue;
        r->route = route;
        if (is_method(route->method, r->method)) return true;
        allow(allowed, route->method);
    }
    r->route = NULL;
    return false;
}

/* Several APIs may have the same prefix; errors are told as the first of them does. */
int lt_http_find_route(lt_http_request *r, char allowed[LT_HTTP_NAME]) {
    const lt_http_api *first = NULL;
    allowed[0] = 0;
    for (size_t i = 0; lt_http_apis[i]; i++) {
        if (!is_below(r->path, lt_http_apis[i]->prefix)) continue;
        r->api = lt_http_apis[i];
        if (!first) first = r->api;
        if (find_in(r, allowed)) return 0;
    }
    r->api = first;
    snprintf(r->why, sizeof r->why, *allowed ? "%.200s: not by this method" : "%.200s: there is nothing of that name",
             r->path);
    return *allowed ? 405 : 404;
}
