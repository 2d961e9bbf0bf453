/* Prompts that stand elsewhere than on the command line. */
#include "prompt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 1 << 20 }; /* bytes: far over what a person writes */

static lt_status read_all(FILE *file, const char *name, lt_buffer *text) {
    char piece[4096];
    for (size_t n; (n = fread(piece, 1, sizeof piece, file)) > 0;) {
        if (text->size + n > LONGEST) return lt_fail(LT_ERROR_FORMAT, "%s: that is no prompt: over 1 MB", name);
        if (memchr(piece, '\0', n)) return lt_fail(LT_ERROR_FORMAT, "%s: that is no text: it has a NUL", name);
        LT_TRY(lt_buffer_append(text, piece, n));
    }
    return ferror(file) ? lt_fail(LT_ERROR_FILE, "%s: can't be read: %s", name, strerror(errno)) : LT_OK;
}

/* Without what editors put around a text: line ends behind it, the mark of UTF-8 before it. */
static char *trimmed(const lt_buffer *text) {
    const char *start = text->size ? text->data : "";
    size_t size = text->size;
    while (size && strchr("\r\n", start[size - 1])) size--;
    const size_t mark = size >= 3 && !memcmp(start, "\357\273\277", 3) ? 3 : 0;
    return cli_strndup(start + mark, size - mark);
}

static lt_status read_file(FILE *file, const char *name, char **text) {
    lt_buffer all = {0};
    const lt_status status = read_all(file, name, &all);
    if (!status) *text = trimmed(&all);
    lt_buffer_free(&all);
    return status ? status : *text ? LT_OK : LT_ERROR_MEMORY;
}

lt_status lt_prompt_read(const char *option, const char *word, char **text) {
    *text = NULL;
    if (!strcmp(word, "-")) return read_file(stdin, "standard input", text);
    if (word[0] != '@' || word[1] == '@') {
        *text = cli_strdup(word + (word[0] == '@'));
        return *text ? LT_OK : LT_ERROR_MEMORY;
    }
    FILE *file = fopen(word + 1, "rb");
    if (!file)
        return lt_fail(LT_ERROR_FILE, "%s %s: the file can't be opened: %s (a prompt that begins with @ is @@...)",
                       option, word, strerror(errno));
    const lt_status status = read_file(file, word + 1, text);
    fclose(file);
    return status;
}
