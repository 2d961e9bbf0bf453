/* Any headers before the guard: three lines are Host, Origin and Authorization. Who comes in has said the key, in one
 * of its forms, and calls the server by a name of its own. */
#include "../../server/guard.h"

#include "base/base.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char key[] = "a key of 9";

static lt_guard *open_guard(void) {
    static lt_server_options options;
    static lt_guard *guard;
    char path[] = "/tmp/fuzz-key-XXXXXX";
    if (guard) return guard;
    const int file = mkstemp(path);
    if (file < 0 || write(file, key, sizeof key - 1) != sizeof key - 1) abort();
    options = (lt_server_options){.host = "127.0.0.1", .key_file = path, .cors = "https://a.example"};
    if (lt_guard_open(&options, &guard) != LT_OK) abort();
    close(file);
    unlink(path);
    options.key_file = NULL;
    return guard;
}

static void check(const lt_guard_call *call, int status) {
    if (status != 0 && status != 401 && status != 403 && status != 421) abort();
    if (status) return;
    const char *said = call->authorization;
    if (strncasecmp(said, "Basic ", 6) && (strncasecmp(said, "Bearer ", 7) || strcmp(said + 7, key))) abort();
    if (call->host && !strcasecmp(call->host, "evil.example")) abort();
    if (call->origin && strncasecmp(call->origin, "http", 4)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = lt_strndup((const char *)data, size), *rest = text;
    const char *why, *host = strsep(&rest, "\n"), *origin = strsep(&rest, "\n"), *authorization = strsep(&rest, "\n");
    const lt_guard_call call = {host, origin && *origin ? origin : NULL, authorization, false};
    check(&call, lt_guard_check(open_guard(), &call, &why));
    lt_free(text);
    return 0;
}
