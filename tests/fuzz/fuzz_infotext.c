/* The parameters text against any text: what was read, and written again, is read as the same. */
#include "text/infotext.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const char *a, const char *b) {
    if (strcmp(a, b) != 0) abort();
}

/* Once written, a text has no bytes that are not UTF-8. */
static void rewrite(const lt_infotext *info, lt_infotext *again) {
    lt_buffer text = {0};
    if (lt_infotext_write(info->prompt, info->negative_prompt, info->settings, info->count, &text) != LT_OK) abort();
    if (lt_infotext_read(text.data, again) != LT_OK) abort();
    lt_buffer_free(&text);
}

static void check_round_trip(const lt_infotext *read) {
    lt_infotext first, second;
    rewrite(read, &first);
    rewrite(&first, &second);
    check_same(first.prompt, second.prompt);
    check_same(first.negative_prompt, second.negative_prompt);
    for (size_t i = 0; i < read->count; i++) {
        check_same(first.settings[i].key, second.settings[i].key);
        check_same(first.settings[i].value, second.settings[i].value);
    }
    lt_infotext_free(&first);
    lt_infotext_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    lt_infotext info;
    char *text = lt_strndup((const char *)data, size);
    if (!text) return 0;
    if (lt_infotext_read(text, &info) != LT_OK) abort();
    if (info.count) check_round_trip(&info);
    lt_infotext_free(&info);
    lt_free(text);
    return 0;
}
