/* models: what there is on the shelf; and where it is. */
#include "models.h"
#include "signals.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    const char *models, *kind;
    bool hash, json;
} o;

static const char *const *kinds(void) {
    static const char *names[LT_SHELF_KINDS + 1];
    for (int i = 0; i < LT_SHELF_KINDS; i++) names[i] = lt_shelf_kind_name((lt_shelf_kind)i);
    return names;
}

static const lt_option options[] = {
    {"models", 0, LT_OPTION_FILE, "DIR", "the folder; default: $XDG_DATA_HOME/latent/models", &o.models,
     .also = LT_ALSO_MODELS},
    {"kind", 0, LT_OPTION_CHOICE, "KIND", "of one kind alone", &o.kind, .list_choices = kinds},
    {"hash", 0, LT_OPTION_FLAG, NULL, "compute the hashes that are not known yet: reads every file once", &o.hash},
    {"json", 0, LT_OPTION_FLAG, NULL, "print all that is known as JSON", &o.json},
    {0},
};

/* ---- Folders of this user ---- */

/* "$variable/rest", or "$HOME/usual/rest" where that is not set; stays until the program ends. NULL: neither is. */
static char *user_folder(const char *variable, const char *usual, const char *rest) {
    const char *base = getenv(variable), *home = getenv("HOME");
    if (base && base[0] == '/') return tool_kept(tool_format("%s/%s", base, rest));
    return home && *home ? tool_kept(tool_format("%s/%s/%s", home, usual, rest)) : NULL;
}

const char *lt_models_folder(const char *asked) {
    char *own = asked ? NULL : user_folder("XDG_DATA_HOME", ".local/share", "latent/models");
    if (!own || !access(own, R_OK | X_OK)) return asked ? asked : own;
    free(own);
    return NULL;
}

lt_status lt_models_check(const char *asked) {
    struct stat info;
    if (!asked || (!stat(asked, &info) && S_ISDIR(info.st_mode) && !access(asked, R_OK | X_OK))) return LT_OK;
    return lt_fail(LT_ERROR_FILE, "--models %s: no folder that can be read", asked);
}

const char *lt_state_folder(void) { return user_folder("XDG_STATE_HOME", ".local/state", "latent"); }

const char *lt_cache_folder(void) { return user_folder("XDG_CACHE_HOME", ".cache", "latent"); }

/* ---- Names ---- */

lt_status lt_models_path(const char *folder, lt_shelf_kind kind, const char *name, const char **path) {
    char *found;
    *path = name;
    if (!name || !*name) return LT_OK;
    LT_TRY(lt_shelf_path_of(folder, kind, name, &found));
    if (found) {
        *path = tool_kept(tool_strdup(found));
        lt_string_free(found);
        return *path ? LT_OK : LT_ERROR_MEMORY;
    }
    if (!folder && strpbrk(name, "/.")) return LT_OK; /* who opens a path that is nowhere says so */
    if (!folder)
        return lt_fail(LT_ERROR_FILE,
                       "%s: no such file, and no folder of models in which that name could be (--models)", name);
    return lt_fail(LT_ERROR_FILE, "%s: no such file, and none of that name in %s (`latent models` lists what is there)",
                   name, folder);
}

/* ---- The list ---- */

static bool is_wanted(const lt_shelf_item *item) { return !o.kind || !strcmp(lt_shelf_kind_name(item->kind), o.kind); }

/* Texts are strangers': no control characters. */
static void print_text(const char *text) {
    for (; *text; text++) putchar((unsigned char)*text < ' ' || *text == 127 ? '?' : *text);
}

static void print_size(uint64_t bytes) {
    static const char *const units[] = {"B  ", "KiB", "MiB", "GiB"};
    double size = (double)bytes;
    size_t unit = 0;
    for (; size >= 1000 && unit + 1 < LT_COUNT(units); unit++) size /= 1024;
    printf("%8.*f %s  ", unit ? 1 : 0, size, units[unit]);
}

/* "AutoV2", as the web UIs have it. */
enum { SHORT_HASH = 10 };

static void print_item(const lt_shelf_item *item) {
    printf("%-14s ", lt_shelf_kind_name(item->kind));
    print_size(item->size);
    printf("%-*.*s  ", SHORT_HASH, SHORT_HASH, item->sha256 ? item->sha256 : "");
    print_text(item->name);
    if (item->family) printf(" (%s)", item->family);
    if (item->details) printf(": "), print_text(item->details);
    if (item->fault) printf(": "), print_text(item->fault);
    printf("\n");
    if (item->words) printf("%*swords: ", 43, ""), print_text(item->words), printf("\n");
    if (item->preview) printf("%*spicture: ", 43, ""), print_text(item->preview), printf("\n");
}

/* JSON can't hold a name that is not UTF-8: null. */
static json_t *row_of(const lt_shelf_item *item) {
    char hash[SHORT_HASH + 1] = "";
    if (item->sha256) snprintf(hash, sizeof hash, "%.10s", item->sha256);
    return json_pack("{s:o, s:o, s:s, s:s?, s:o, s:I, s:s?, s:s?, s:o, s:o, s:o}", "name",
                     item->name ? json_string(item->name) : json_null(), "path", json_string(item->path), "kind",
                     lt_shelf_kind_name(item->kind), "family", item->family, "details",
                     item->details ? json_string(item->details) : json_null(), "size", (json_int_t)item->size, "sha256",
                     item->sha256, "autov2", item->sha256 ? hash : NULL, "words",
                     item->words ? json_string(item->words) : json_null(), "preview",
                     item->preview ? json_string(item->preview) : json_null(), "fault",
                     item->fault ? json_string(item->fault) : json_null());
}

static lt_status print_json(const lt_shelf_listing *listing) {
    json_t *rows = json_array();
    for (size_t i = 0; i < listing->count; i++)
        if (is_wanted(&listing->items[i])) json_array_append_new(rows, row_of(&listing->items[i]));
    const int failed = json_dumpf(rows, stdout, JSON_INDENT(1));
    printf("\n");
    json_decref(rows);
    return failed ? lt_fail(LT_ERROR_FILE, "standard output can't be written") : LT_OK;
}

static lt_status print(const lt_shelf_listing *listing) {
    if (o.json) return print_json(listing);
    for (size_t i = 0; i < listing->count; i++)
        if (is_wanted(&listing->items[i])) print_item(&listing->items[i]);
    return LT_OK;
}

/* ---- The command ---- */

static bool go_on(void *user, size_t done, size_t count) {
    (void)done, (void)count;
    return !lt_stop_asked(user);
}

static lt_status list(const char *folder) {
    const lt_shelf_options with = {.cache = lt_cache_folder(), .hashes = o.hash, .progress = go_on};
    lt_shelf_listing listing;
    LT_TRY(lt_shelf_read(folder, &with, &listing));
    const lt_status status = print(&listing);
    lt_shelf_free(&listing);
    return status;
}

static int run(int count, char **words) {
    if (count > 1 || (count && o.models)) return lt_complain(LT_EXIT_USAGE, "one folder; see `latent models --help`");
    const char *folder = lt_models_folder(count ? words[0] : o.models);
    if (!folder)
        return lt_complain(LT_EXIT_FAILED, "which folder? name it with --models DIR (there is none at "
                                           "$XDG_DATA_HOME/latent/models, where it is looked for otherwise)");
    lt_stop_on_signals();
    return list(folder) ? lt_complain_error() : LT_EXIT_OK;
}

const lt_command lt_command_models = {
    "models",
    "list the models in a folder, and what is added to them",
    "[DIR] [--kind KIND] [--hash] [--json]",
    "What each file is follows from what is in it. A name without folder and ending stands for a file\n"
    "wherever one is wanted: -m sd15, --vae anything, --lora ink, --control canny:edges.png,\n"
    "--image-prompt ip-adapter_sd15:cat.png.",
    "  latent models ~/stable-diffusion-webui\n"
    "  latent models --models ~/ComfyUI --kind LoRA --json\n",
    options,
    run,
};
