/* Where the model is that comes with the program. */
#include "api/model.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

/* PREFIX/bin/latent -> PREFIX/share/latent/emoji.safetensors: also where the whole tree was moved after its
 * installation. */
static const char *beside_program(void) {
    static _Thread_local char path[PATH_MAX + 64];
    const ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
    if (n <= 0) return NULL;
    path[n] = '\0';
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(path, '/');
        if (!slash) return NULL;
        *slash = '\0';
    }
    strcat(path, "/share/latent/" LT_DEFAULT_MODEL);
    return path;
}

const char *lt_default_model(void) {
    const char *const places[] = {beside_program(), LT_INSTALLED_DATA "/" LT_DEFAULT_MODEL,
                                  LT_SOURCE_DATA "/" LT_DEFAULT_MODEL};
    for (size_t i = 0; i < LT_COUNT(places); i++)
        if (places[i] && !access(places[i], R_OK)) return places[i];
    return NULL;
}
