/* Where pictures go. */
#include "picture_names.h"

#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utf8proc.h>

const char *const lt_picture_formats[] = {"png", "jpg", "webp", NULL};

static const char *format_of(const lt_picture_names *n) { return n->format ? n->format : lt_picture_formats[0]; }

bool lt_picture_names_standard(const lt_picture_names *n) { return n->output && lt_is_standard(n->output); }

/* ---- Names that were asked for ---- */

/* Where the file's own name has a number, "%d" or "%03d", and where that ends; NULL if it has none. */
static const char *find_number(const char *path, const char **end) {
    const char *slash = strrchr(path, '/');
    for (const char *at = slash ? slash : path; (at = strchr(at, '%')); at++) {
        const size_t digits = strspn(at + 1, "0123456789");
        *end = at + 1 + digits + 1;
        if (digits <= 2 && at[1 + digits] == 'd') return at;
    }
    return NULL;
}

char *lt_numbered_name(const char *path, int i, int count) {
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.'), *end;
    const char *number = find_number(path, &end);
    int digits = 0;
    if (number) {
        sscanf(number + 1, "%d", &digits);
        return tool_format("%.*s%0*d%s", (int)(number - path), path, digits, i + 1, end);
    }
    if (count == 1 || !dot || (slash && dot < slash)) return tool_strdup(path);
    return tool_format("%.*s-%d%s", (int)(dot - path), path, i + 1, dot);
}

static int check_named(const lt_picture_names *n) {
    const char *dot = strrchr(n->output, '.');
    const bool jpeg = dot && !strcasecmp(dot, ".jpeg") && !strcmp(format_of(n), "jpg");
    int status = LT_EXIT_OK;
    for (int i = 0; i < n->count && !status; i++) {
        char *path = lt_numbered_name(n->output, i, n->count);
        status = path ? lt_check_picture("-o", path) : lt_complain_error();
        free(path);
    }
    if (status || !n->format || jpeg || !strcasecmp(dot + 1, n->format)) return status;
    return lt_complain(LT_EXIT_USAGE, "-o %s is no name of --format %s", n->output, n->format);
}

/* ---- Names of their own, in a folder ---- */

/* The folder that -o names, by a slash at its end or because it is there, without that slash; "." without -o.
 * Allocated; *is_folder: whether there is one. */
static char *find_folder(const lt_picture_names *n, bool *is_folder) {
    struct stat info;
    const char *path = n->output ? n->output : ".";
    size_t size = strlen(path);
    *is_folder = (size && path[size - 1] == '/') || (stat(path, &info) == 0 && S_ISDIR(info.st_mode));
    while (size > 1 && path[size - 1] == '/') size--;
    return tool_strndup(path, size);
}

/* A folder that is not there is made later, in one that is. */
static int check_folder(const char *folder) {
    struct stat info;
    const bool there = stat(folder, &info) == 0;
    if (there && !S_ISDIR(info.st_mode))
        return lt_complain(LT_EXIT_FAILED, "-o %s/: that is a file, no folder", folder);
    return there ? lt_check_folder("-o", folder) : lt_check_output("-o", folder);
}

/* Letters, marks and digits of any script, made small; all else is a hyphen, never two of them and none at the ends. A
 * long prompt ends behind a word. "picture" if nothing is left. */
static void make_slug(const char *prompt, char slug[64]) {
    enum { LONGEST = 48 };
    size_t size = 0, words = 0; /* bytes; those before the last word */
    bool gap = false;
    utf8proc_int32_t code;
    for (utf8proc_ssize_t n; prompt && *prompt; prompt += n > 0 ? n : 1) {
        uint8_t letter[4];
        n = utf8proc_iterate((const uint8_t *)prompt, -1, &code);
        const utf8proc_category_t c = n > 0 ? utf8proc_category(code) : UTF8PROC_CATEGORY_CN; /* not UTF-8 */
        if (c < UTF8PROC_CATEGORY_LU || c > UTF8PROC_CATEGORY_NO) {
            gap = size > 0;
            continue;
        }
        const size_t length = (size_t)utf8proc_encode_char(utf8proc_tolower(code), letter);
        if (gap) words = size;
        if (size + gap + length > LONGEST) {
            size = words ? words : size;
            break;
        }
        if (gap) slug[size++] = '-';
        gap = false;
        memcpy(slug + size, letter, length);
        size += length;
    }
    snprintf(slug + size, 64 - size, "%s", size ? "" : "picture");
}

/* Makes an empty file of a new name, which nobody else can then take. */
static lt_status claim_name(const lt_picture_names *n, const char *folder, uint64_t seed, char **path) {
    const char *in = strcmp(folder, ".") ? folder : "";
    char slug[64], again[16] = "";
    make_slug(n->prompt, slug);
    for (int attempt = 2;; attempt++) {
        *path =
            tool_format("%s%s%s-%llu%s.%s", in, *in ? "/" : "", slug, (unsigned long long)seed, again, format_of(n));
        if (!*path) return LT_ERROR_MEMORY;
        const int file = open(*path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file >= 0) return close(file) ? lt_fail(LT_ERROR_FILE, "%s: %s", *path, strerror(errno)) : LT_OK;
        if (errno != EEXIST) break;
        snprintf(again, sizeof again, "-%d", attempt);
        free(*path);
    }
    const lt_status status = lt_fail(LT_ERROR_FILE, "%s: can't be written: %s", *path, strerror(errno));
    free(*path);
    *path = NULL;
    return status;
}

static lt_status save_own(const lt_picture_names *n, const char *folder, int i, const lt_result *r, char **path) {
    if (mkdir(folder, 0777) && errno != EEXIST)
        return lt_fail(LT_ERROR_FILE, "-o %s/: the folder can't be made: %s", folder, strerror(errno));
    lt_claim_hold();
    lt_status status = claim_name(n, folder, r->seeds[i], path);
    lt_claim_release(*path);
    if (status) return status;
    status = lt_image_save(*path, &r->images[i], r->parameters[i]);
    if (status) unlink(*path);
    lt_claim_end();
    return status;
}

/* ---- Standard output ---- */

static int check_standard(const lt_picture_names *n) {
    if (n->count > 1)
        return lt_complain(LT_EXIT_USAGE, "-o - is for one picture: name a folder or OUT.png for %d", n->count);
    return lt_check_standard();
}

static lt_status write_standard(const lt_picture_names *n, int i, const lt_result *r, char **path) {
    LT_TRY(lt_write_standard(format_of(n), &r->images[i], r->parameters[i]));
    *path = tool_strdup("-");
    return *path ? LT_OK : LT_ERROR_MEMORY;
}

/* ---- All of them ---- */

int lt_picture_names_check(const lt_picture_names *n) {
    if (lt_picture_names_standard(n)) return check_standard(n);
    bool is_folder;
    char *folder = find_folder(n, &is_folder);
    const int status = !folder ? lt_complain_error() : is_folder ? check_folder(folder) : check_named(n);
    free(folder);
    return status;
}

static lt_status save_named(const lt_picture_names *n, int i, const lt_result *r, char **path) {
    *path = lt_numbered_name(n->output, i, n->count);
    return *path ? lt_image_save(*path, &r->images[i], r->parameters[i]) : LT_ERROR_MEMORY;
}

lt_status lt_picture_names_save(const lt_picture_names *n, int i, const lt_result *r, char **path) {
    *path = NULL;
    if (lt_picture_names_standard(n)) return write_standard(n, i, r, path);
    bool is_folder;
    char *folder = find_folder(n, &is_folder);
    if (!folder) return LT_ERROR_MEMORY;
    const lt_status status = is_folder ? save_own(n, folder, i, r, path) : save_named(n, i, r, path);
    free(folder);
    return status;
}
