/* Lists: prompts of a file, and the key that names what a data set's pictures show. */
#include "base/door.h"
#include "data/record.h"
#include "eval/eval.h"

#include <jansson.h>
#include <string.h>

/* ---- Prompts ---- */

/* A list that grows. */
typedef struct growing_list {
    lt_prompt_row *rows;
    size_t count, capacity;
    lt_arena *arena; /* of their texts */
} growing_list;

static lt_status add_row(growing_list *list, const lt_prompt_row *row) {
    LT_TRY(LT_GROW(list->rows, list->count, list->capacity));
    list->rows[list->count++] = *row;
    return LT_OK;
}

/* "prompt", or what data sets have: the first, if it is a list. */
static lt_status read_object(lt_arena *arena, const json_t *object, const char *key, lt_prompt_row *row) {
    static const char *const prompts[] = {"prompt", "text", "caption", NULL};
    lt_record record = {0};
    LT_TRY(lt_record_texts_of(arena, object, prompts, &record));
    if (!record.text_count)
        return lt_fail(LT_ERROR_FORMAT, "\"prompt\" is missing; \"text\" or \"caption\" would do as well");
    row->prompt = record.texts[0];
    if (!key) return LT_OK;
    LT_TRY(lt_record_name(arena, object, key, &row->key));
    return row->key ? LT_OK : lt_fail(LT_ERROR_FORMAT, "\"%s\" is missing: it says which pictures are right", key);
}

static lt_status read_json_lines(lt_bytes text, const char *key, size_t limit, growing_list *list) {
    lt_bytes line;
    for (size_t number = 0; (!limit || list->count < limit) && lt_next_line(&text, &line, &number);) {
        lt_prompt_row row = {.line = number};
        json_t *object;
        lt_status status = lt_record_parse(line, &object);
        if (!status) {
            status = read_object(list->arena, object, key, &row);
            json_decref(object);
        }
        if (!status) status = add_row(list, &row);
        if (status) return lt_fail_in(status, "line %zu", number);
    }
    return LT_OK;
}

static lt_status read_text_lines(lt_bytes text, const char *key, size_t limit, growing_list *list) {
    lt_record record;
    if (key)
        return lt_fail(LT_ERROR_ARGUMENT,
                       "a list of bare prompts does not say which pictures are right: make it a .jsonl of lines "
                       "{\"prompt\": ..., \"%s\": ...}",
                       key);
    LT_TRY(lt_record_texts(list->arena, text, &record));
    for (size_t i = 0; i < record.text_count && (!limit || i < limit); i++)
        LT_TRY(add_row(list, &(lt_prompt_row){.prompt = record.texts[i]}));
    return LT_OK;
}

static lt_status read_file(const char *path, const char *key, size_t limit, growing_list *list) {
    lt_map map;
    LT_TRY(lt_map_open(path, &map));
    const char *dot = strrchr(path, '.');
    const bool bare = dot && !strcmp(dot, ".txt");
    lt_status status = (bare ? read_text_lines : read_json_lines)((lt_bytes){map.data, map.size}, key, limit, list);
    if (!status && !list->count) status = lt_fail(LT_ERROR_FORMAT, "there is no prompt in it");
    status = lt_map_finish(&map, status);
    return status ? lt_fail_in(status, "%s", path) : LT_OK;
}

static lt_status read_prompts(const char *path, const char *key, size_t limit, lt_prompt_list *out) {
    growing_list list = {.arena = lt_calloc(1, sizeof *list.arena)};
    if (!list.arena) return LT_ERROR_MEMORY;
    const lt_status status = read_file(path, key, limit, &list);
    *out = (lt_prompt_list){list.rows, list.count, list.arena};
    return status;
}

lt_status lt_prompts_read(const char *path, const char *key, size_t limit, lt_prompt_list *list) {
    const lt_argument arguments[] = {LT_PATH_ARGUMENT(path), {"list", .out = list, .size = sizeof *list}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = read_prompts(path, key, limit, list);
    if (status) lt_prompts_free(list);
    return lt_leave(&door, status);
}

void lt_prompts_free(lt_prompt_list *list) {
    if (!list) return;
    if (list->owner) lt_arena_free(list->owner);
    lt_free(list->owner);
    lt_free(list->rows);
    *list = (lt_prompt_list){0};
}

/* ---- Keys ---- */

/* The data set was read from the same lines in the same order; a file that has changed since is noticed. */
static lt_status read_key(const lt_dataset *dataset, size_t i, lt_bytes line, const char *key, lt_arena *arena,
                          const char **name) {
    json_t *object;
    LT_TRY(lt_record_parse(line, &object));
    const char *file = json_string_value(json_object_get(object, "file_name"));
    lt_status status =
        file && !strcmp(file, lt_dataset_name(dataset, i))
            ? lt_record_name(arena, object, key, name)
            : lt_fail(LT_ERROR_FORMAT, "it is not %s that stands there now", lt_dataset_name(dataset, i));
    json_decref(object);
    return status;
}

static lt_status read_keys(const lt_dataset *dataset, lt_bytes text, const char *key, lt_arena *arena,
                           const char **keys) {
    lt_bytes line;
    size_t number = 0, known = 0;
    for (size_t i = 0; i < lt_dataset_count(dataset); i++) {
        if (!lt_next_line(&text, &line, &number))
            return lt_fail(LT_ERROR_FORMAT, "it has fewer lines than the data set has pictures");
        const lt_status status = read_key(dataset, i, line, key, arena, &keys[i]);
        if (status) return lt_fail_in(status, "line %zu", number);
        known += keys[i] != NULL;
    }
    return known ? LT_OK : lt_fail(LT_ERROR_FORMAT, "no line has \"%s\"; `key` names another", key);
}

lt_status lt_dataset_keys(const lt_dataset *dataset, const char *folder, const char *key, lt_arena *arena,
                          const char **keys) {
    lt_map map;
    char *path = lt_format("%s/metadata.jsonl", folder);
    lt_status status = path ? lt_map_open(path, &map) : LT_ERROR_MEMORY;
    if (!status) {
        status = lt_map_finish(&map, read_keys(dataset, (lt_bytes){map.data, map.size}, key, arena, keys));
        if (status) lt_fail_in(status, "%s", path);
    }
    lt_free(path);
    return status;
}
