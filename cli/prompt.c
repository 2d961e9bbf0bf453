/* Prompts that stand elsewhere than on the command line. */
#include "prompt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 1 << 20 }; /* bytes: far over what a person writes */

/* Without what editors put around a text: line ends behind it, the mark of UTF-8 before it. */
static char *trimmed(const char *text, size_t size) {
    while (size && strchr("\r\n", text[size - 1])) size--;
    const size_t mark = size >= 3 && !memcmp(text, "\357\273\277", 3) ? 3 : 0;
    return tool_strndup(text + mark, size - mark);
}

static lt_status trim_text(const char *name, const char *all, size_t size, char **text) {
    if (size > LONGEST) return lt_fail(LT_ERROR_FORMAT, "%s: that is no prompt: over 1 MB", name);
    if (memchr(all, '\0', size)) return lt_fail(LT_ERROR_FORMAT, "%s: that is no text: it has a NUL", name);
    *text = trimmed(all, size);
    return *text ? LT_OK : LT_ERROR_MEMORY;
}

static lt_status read_file(FILE *file, const char *name, char **text) {
    char *all = tool_alloc(LONGEST + 1);
    if (!all) return LT_ERROR_MEMORY;
    const size_t size = fread(all, 1, LONGEST + 1, file);
    const lt_status status = ferror(file) ? lt_fail(LT_ERROR_FILE, "%s: can't be read: %s", name, strerror(errno))
                                          : trim_text(name, all, size, text);
    free(all);
    return status;
}

lt_status lt_prompt_read(const char *option, const char *word, char **text) {
    *text = NULL;
    if (!strcmp(word, "-")) return read_file(stdin, "standard input", text);
    if (word[0] != '@' || word[1] == '@') {
        *text = tool_strdup(word + (word[0] == '@'));
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
