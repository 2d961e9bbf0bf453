/* Any bytes as what somebody wrote of a picture: a line of metadata.jsonl, lines of text, a label. */
#include "data/dataset.h"
#include "data/readers.h"
#include "formats/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const lt_record *record) {
    size_t bytes = 0;
    for (size_t i = 0; i < record->text_count; i++) bytes += strlen(record->texts[i]);
    if (record->label) bytes += strlen(record->label);
    if (bytes == SIZE_MAX) __builtin_trap();
}

/* What is JSON reads the same leniently; what is read so can be written as JSON. */
static void check_lenient(const char *text, size_t size) {
    json_t *strict, *lenient;
    const lt_status status = lt_json_read(text, size, 0, &strict);
    if (lt_json_read_lenient(text, size, 0, &lenient) == LT_OK) {
        char *written = json_dumps(lenient, 0);
        if (!written) __builtin_trap();
        free(written);
    }
    if (status == LT_OK && !json_equal(strict, lenient)) __builtin_trap();
    json_decref(strict);
    json_decref(lenient);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    check_lenient((const char *)data, size);
    const lt_bytes file = {data, size};
    lt_arena arena = {0};
    lt_record record = {0};
    const char *name;
    if (lt_record_from_json(&arena, file, &name, &record) == LT_OK) {
        check(&record);
        if (lt_check_relative_name(name) == LT_OK && (!*name || *name == '/')) __builtin_trap();
    }
    record = (lt_record){0};
    if (lt_record_texts(&arena, file, &record) == LT_OK && lt_record_label(&arena, file, &record) == LT_OK) {
        check(&record);
        for (size_t i = 0; i < record.text_count; i++)
            if (!*record.texts[i] || strchr(record.texts[i], '\n')) __builtin_trap();
    }
    lt_arena_free(&arena);
    return 0;
}
