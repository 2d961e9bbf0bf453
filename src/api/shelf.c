/* The public interface: a shelf of models. */
#include "adapters/shelf.h"
#include "adapters/shelf_listing.h"
#include "base/door.h"
#include "base/fields.h"

#include <string.h>
#include <unistd.h>

const char *lt_shelf_kind_name(lt_shelf_kind kind) {
    static const char *const names[LT_SHELF_KINDS] = {"checkpoint", "VAE",        "LoRA",          "embedding",
                                                      "control",    "IP-Adapter", "image encoder", "upscaler",
                                                      "classifier", "other",      "broken"};
    return kind >= 0 && kind < LT_SHELF_KINDS ? names[kind] : NULL;
}

static lt_status read_listing(const char *folder, const lt_shelf_options *options, lt_shelf_listing *listing) {
    static const lt_shelf_options none;
    if (options) LT_TRY(lt_reserved_check(options->reserved));
    if (options && options->cache) LT_TRY(lt_path_check("cache", options->cache));
    return lt_shelf_listing_read(folder, options ? options : &none, listing);
}

lt_status lt_shelf_read(const char *folder, const lt_shelf_options *options, lt_shelf_listing *listing) {
    const lt_argument arguments[] = {LT_PATH_ARGUMENT(folder), {"listing", .out = listing, .size = sizeof *listing}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = read_listing(folder, options, listing);
    return lt_leave(&door, status);
}

void lt_shelf_free(lt_shelf_listing *listing) {
    if (listing) lt_shelf_listing_free(listing);
}

static lt_status find_path(const char *folder, lt_shelf_kind kind, const char *name, char **path) {
    const lt_shelf shelf = {.folder = folder};
    if (kind < 0 || kind > LT_SHELF_OTHER)
        return lt_fail(LT_ERROR_ARGUMENT, "kind: %d is none that files have", (int)kind);
    if (strchr(name, '/') || !access(name, F_OK)) {
        *path = lt_strdup(name);
        return *path ? LT_OK : LT_ERROR_MEMORY;
    }
    LT_TRY(lt_shelf_find(&shelf, kind, name, path));
    for (int k = 0; k <= LT_SHELF_OTHER && !*path; k++) LT_TRY(lt_shelf_find(&shelf, (lt_shelf_kind)k, name, path));
    for (int k = 0; k <= LT_SHELF_OTHER && !*path; k++)
        LT_TRY(lt_shelf_find_broken(&shelf, (lt_shelf_kind)k, name, path));
    return LT_OK;
}

lt_status lt_shelf_path_of(const char *folder, lt_shelf_kind kind, const char *name, char **path) {
    const lt_argument arguments[] = {LT_PATH_ARGUMENT(name), {"path", .out = path, .size = sizeof *path}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = find_path(folder, kind, name, path);
    return lt_leave(&door, status);
}
