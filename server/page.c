/* The page's files, each with its ETag: a browser asks whether one has changed, and is told no in few bytes. */
#include "page.h"

#include "page_files.h"
#include "tools.h"

#include <string.h>

/* Nothing from elsewhere, nothing inline: what somebody smuggles into a prompt or a name stays text. */
static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
                             "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static const char *type_of(const char *name) {
    static const struct {
        const char *ending, *type;
    } types[] = {{".html", "text/html; charset=utf-8"},
                 {".css", "text/css; charset=utf-8"},
                 {".svg", "image/svg+xml"},
                 {".js", "text/javascript; charset=utf-8"},
                 {".mjs", "text/javascript; charset=utf-8"}};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < LT_COUNT(types); i++)
        if (!strcmp(dot, types[i].ending)) return types[i].type;
    return "application/octet-stream";
}

static const lt_page_file *find(const char *name) {
    for (const lt_page_file *file = lt_page_files; file->name; file++)
        if (!strcmp(file->name, name)) return file;
    return NULL;
}

/* One or more ETags with commas between, or *. */
static bool is_known(const lt_http_request *r, const char *etag) {
    const char *known = lt_http_header(r, "If-None-Match");
    return known && (!strcmp(known, "*") || strstr(known, etag));
}

static void answer(lt_http_request *r, const lt_page_file *file) {
    lt_http_add_header(r, "ETag", file->etag);
    lt_http_add_header(r, "Cache-Control", "no-cache");
    lt_http_add_header(r, "Content-Security-Policy", policy);
    lt_http_add_header(r, "Referrer-Policy", "no-referrer");
    if (is_known(r, file->etag))
        lt_http_answer(r, 304, NULL, NULL, 0);
    else
        lt_http_answer(r, 200, type_of(file->name), file->bytes, (size_t)(file->end - file->bytes));
}

static void get_index(lt_http_request *r) { answer(r, find("index.html")); }

static void get_file(lt_http_request *r) {
    const lt_page_file *file = find(lt_http_part(r, 0));
    if (file)
        answer(r, file);
    else
        lt_http_fail(r, 404, "the page has no such file");
}

static const lt_http_route routes[] = {
    {"GET", "/", get_index, 0},
    {"GET", "/page/{*}", get_file, 0},
    {0},
};
const lt_http_api lt_page_api = {"", routes, NULL};
