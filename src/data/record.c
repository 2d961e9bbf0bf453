/* What strangers write of their pictures: JSON objects, lines of text, labels. */
#include "data/record.h"
#include "formats/json.h"

#include <string.h>

static lt_status check_size(lt_bytes text) {
    if (text.size <= LT_IMAGE_MAX_TEXT) return LT_OK;
    return lt_fail(LT_ERROR_FORMAT, "%zu bytes of text are too many for a picture: at most %d are read", text.size,
                   LT_IMAGE_MAX_TEXT);
}

/* ---- JSON ---- */

static bool is_blank(lt_bytes text) {
    for (size_t i = 0; i < text.size; i++)
        if (!text.data[i] || !strchr(" \t\r", text.data[i])) return false;
    return true;
}

/* text behind the byte order mark that it may begin with. */
static lt_bytes skip_mark(lt_bytes text) {
    const bool marked = text.size >= 3 && !memcmp(text.data, "\xEF\xBB\xBF", 3);
    return marked ? (lt_bytes){text.data + 3, text.size - 3} : text;
}

bool lt_next_line(lt_bytes *text, lt_bytes *line, size_t *number) {
    if (!*number) *text = skip_mark(*text);
    while (text->size) {
        const uint8_t *end = memchr(text->data, '\n', text->size);
        *line = (lt_bytes){text->data, end ? (size_t)(end - text->data) : text->size};
        const size_t used = line->size + (end ? 1 : 0);
        *text = (lt_bytes){text->data + used, text->size - used};
        ++*number;
        if (!is_blank(*line)) return true;
    }
    return false;
}

lt_status lt_record_parse(lt_bytes text, json_t **root) {
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL;
    *root = NULL;
    LT_TRY(check_size(text));
    text = skip_mark(text);
    LT_TRY(lt_json_read_lenient((const char *)text.data, text.size, flags, root));
    if (json_is_object(*root)) return LT_OK;
    json_decref(*root);
    *root = NULL;
    return lt_fail(LT_ERROR_FORMAT, "not a JSON object");
}

static lt_status copy_string(lt_arena *arena, const char *key, const json_t *value, const char **copy) {
    if (strlen(json_string_value(value)) != json_string_length(value))
        return lt_fail(LT_ERROR_FORMAT, "%s holds a zero character", key);
    *copy = lt_arena_strndup(arena, json_string_value(value), json_string_length(value));
    return *copy ? LT_OK : LT_ERROR_MEMORY;
}

/* The first of keys, which NULL ends, that says something. */
static const char *find_key(const json_t *object, const char *const *keys) {
    for (; *keys; keys++) {
        const json_t *value = json_object_get(object, *keys);
        if (value && !json_is_null(value)) return *keys;
    }
    return NULL;
}

lt_status lt_record_texts_of(lt_arena *arena, const json_t *object, const char *const *keys, lt_record *record) {
    const char *key = find_key(object, keys);
    if (!key) return LT_OK;
    const json_t *value = json_object_get(object, key);
    const bool is_list = json_is_array(value);
    const size_t count = is_list ? json_array_size(value) : 1;
    const char **texts = lt_arena_alloc(arena, count * sizeof *texts); /* a list lies in memory: no overflow */
    if (!texts) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const json_t *text = is_list ? json_array_get(value, i) : value;
        if (!json_is_string(text)) return lt_fail(LT_ERROR_FORMAT, "%s is neither a string nor a list of strings", key);
        LT_TRY(copy_string(arena, key, text, &texts[i]));
    }
    record->texts = texts;
    record->text_count = count;
    return LT_OK;
}

lt_status lt_record_name(lt_arena *arena, const json_t *object, const char *key, const char **name) {
    const json_t *value = json_object_get(object, key);
    *name = NULL;
    if (!value || json_is_null(value)) return LT_OK;
    if (json_is_string(value)) return copy_string(arena, key, value, name);
    if (!json_is_integer(value))
        return lt_fail(LT_ERROR_FORMAT, "%s is neither a string nor a whole number of 64 bits", key);
    char digits[32];
    const int n = snprintf(digits, sizeof digits, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    *name = lt_arena_strndup(arena, digits, (size_t)n);
    return *name ? LT_OK : LT_ERROR_MEMORY;
}

lt_status lt_record_from_json(lt_arena *arena, lt_bytes json, const char **file_name, lt_record *record) {
    /* Hugging Face's name, img2dataset's, DiffusionDB's */
    static const char *const captions[] = {"text", "caption", "prompt", NULL};
    *record = (lt_record){0};
    if (file_name) *file_name = NULL;
    json_t *root;
    LT_TRY(lt_record_parse(json, &root));
    const json_t *name = json_object_get(root, "file_name");
    lt_status status = LT_OK;
    if (file_name)
        status = json_is_string(name) ? copy_string(arena, "file_name", name, file_name)
                                      : lt_fail(LT_ERROR_FORMAT, "file_name is missing, or not a string");
    if (!status) status = lt_record_texts_of(arena, root, captions, record);
    if (!status) status = lt_record_name(arena, root, "label", &record->label);
    json_decref(root);
    return status;
}

/* ---- Plain text ---- */

static const char blanks[] = " \t\r\n\v\f";

/* The next line of *text that isn't blank, trimmed; *text moves past it. False at the end. */
static bool next_line(const char **text, const char **line, size_t *size) {
    *line = *text + strspn(*text, blanks);
    const char *end = *line + strcspn(*line, "\n");
    *text = end;
    while (end > *line && strchr(blanks, end[-1])) end--;
    *size = (size_t)(end - *line);
    return *size > 0;
}

static lt_status split_lines(lt_arena *arena, const char *text, lt_record *record) {
    const char *rest = text, *line;
    size_t count = 0, size;
    while (next_line(&rest, &line, &size)) count++;
    if (!count) return LT_OK; /* what is said elsewhere stays */
    const char **texts = lt_arena_alloc(arena, count * sizeof *texts);
    if (!texts) return LT_ERROR_MEMORY;
    rest = text;
    for (size_t i = 0; next_line(&rest, &line, &size); i++) {
        texts[i] = lt_arena_strndup(arena, line, size);
        if (!texts[i]) return LT_ERROR_MEMORY;
    }
    record->texts = texts;
    record->text_count = count;
    return LT_OK;
}

/* The text that a whole file is; what reading would have to change is none. */
static lt_status read_text(lt_bytes file, char **text) {
    LT_TRY(check_size(file));
    file = skip_mark(file);
    LT_TRY(lt_text_from_utf8(file, text));
    if (strlen(*text) == file.size && (!file.size || !memcmp(*text, file.data, file.size))) return LT_OK;
    lt_string_free(*text);
    return lt_fail(LT_ERROR_FORMAT, "not a text in UTF-8");
}

lt_status lt_record_texts(lt_arena *arena, lt_bytes file, lt_record *record) {
    char *text;
    LT_TRY(read_text(file, &text));
    const lt_status status = split_lines(arena, text, record);
    lt_string_free(text);
    return status;
}

lt_status lt_record_label(lt_arena *arena, lt_bytes file, lt_record *record) {
    char *text;
    LT_TRY(read_text(file, &text));
    const char *rest = text, *line;
    size_t size;
    lt_status status = LT_OK;
    if (next_line(&rest, &line, &size)) {
        record->label = lt_arena_strndup(arena, line, size);
        if (!record->label) status = LT_ERROR_MEMORY;
    }
    lt_string_free(text);
    return status;
}
