/* Any bytes as a folder of data: files, links, pipes and folders with any names, lists and texts; refused, or every
 * picture is a file below it, and the folder is the same when it is read again.
 *
 * A line is an entry: its kind (file, picture, link, folder, pipe), its name, a tab, and what is in it or where it
 * leads.
 * '|' stands for a line's end. */
#include "data/dataset.h"
#include "data/readers.h"
#include "fuzz_file.h"

#include <fcntl.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 24 /* entries */, SIDE = 4 };

/* Nothing is written, and no link leads, out of the folder. */
static bool stays_inside(const char *name) {
    return *name && *name != '/' && strlen(name) < 200 && !strstr(name, "..");
}

static void make_file(const char *path, char *content) {
    for (char *end = content; (end = strchr(end, '|'));) *end = '\n';
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
    if (fd < 0) return;
    if (write(fd, content, strlen(content)) < 0) abort();
    close(fd);
}

/* A picture that can be read. */
static void make_picture(const char *path) {
    static uint8_t pixels[2 * 2 * 3];
    static char original[512];
    if (!*original) {
        snprintf(original, sizeof original, "%s", fuzz_path("picture.png"));
        if (lt_image_save(original, &(lt_image){2, 2, pixels}, NULL)) abort();
    }
    if (link(original, path)) return; /* the name is taken, or can't be */
}

static void make_entry(const char *root, char *line) {
    char path[512], *content = strchr(line, '\t');
    if (!content || !stays_inside(line + 1) || content == line + 1) return;
    *content++ = '\0';
    snprintf(path, sizeof path, "%s/%s", root, line + 1);
    if (*line == 'f') make_file(path, content);
    if (*line == 'i') make_picture(path);
    if (*line == 'd') mkdir(path, 0777);
    if (*line == 'p') mkfifo(path, 0666);
    if (*line == 'l' && (stays_inside(content) || !strcmp(content, "/dev/zero")) && symlink(content, path)) return;
}

static void make_folder(const char *root, const uint8_t *data, size_t size) {
    char *text = lt_strndup((const char *)data, size), *rest = text, *line;
    if (!text || mkdir(root, 0777)) abort();
    for (int i = 0; i < MOST && (line = strsep(&rest, "\n")); i++)
        if (*line) make_entry(root, line);
    lt_free(text);
}

/* Every picture is tried, and found or refused. */
static size_t use(const lt_dataset *d) {
    float pixels[SIDE * SIDE * 3];
    size_t bytes = lt_dataset_captioned(d);
    if (!lt_dataset_count(d) || bytes > lt_dataset_count(d)) __builtin_trap();
    for (size_t i = 0; i < lt_dataset_count(d); i++) {
        const char *name = lt_dataset_name(d, i);
        if (*name == '/' || lt_dataset_label(d, i) >= (int)lt_dataset_label_count(d)) __builtin_trap();
        for (size_t k = 0; k < lt_dataset_text_count(d, i); k++) bytes += strlen(lt_dataset_text(d, i, k));
        (void)lt_dataset_load(d, i, &(lt_picture_options){.size = SIDE}, 1, pixels);
        if (lt_dataset_draw(d, 1, i).index >= lt_dataset_count(d)) __builtin_trap();
    }
    return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    lt_dataset *first, *again;
    char root[512];
    snprintf(root, sizeof root, "%s", fuzz_path("data"));
    make_folder(root, data, size);
    if (lt_dataset_open(root, &first) == LT_OK) {
        if (use(first) == SIZE_MAX || lt_dataset_open(root, &again)) __builtin_trap();
        if (lt_dataset_fingerprint(first) != lt_dataset_fingerprint(again)) __builtin_trap();
        lt_dataset_close(again);
        lt_dataset_close(first);
    }
    fuzz_remove(root);
    return 0;
}
