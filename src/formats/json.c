/* JSON from strangers. jansson makes over 200 bytes of memory of three in a file ("{},"), so that a header of the 100
 * MB that safetensors allows would take 7 GB: what is in it is counted before. The bounds are far over what checkpoints
 * hold: a tensor of a header takes 15 signs. */
#include "formats/json.h"

static lt_status count_signs(const char *text, size_t size, size_t *signs) {
    size_t depth = 0;
    bool quoted = false;
    *signs = 0;
    for (size_t i = 0; i < size && *signs <= LT_JSON_MAX_SIGNS && depth <= LT_JSON_MAX_DEPTH; i++) {
        const char c = text[i];
        if (c == '"') quoted = !quoted;
        if (quoted && c == '\\') i++;
        if (quoted) continue;
        const bool opens = c == '{' || c == '[', closes = c == '}' || c == ']';
        *signs += opens || c == ',' || c == ':';
        depth = opens ? depth + 1 : closes && depth ? depth - 1 : depth;
    }
    if (*signs > LT_JSON_MAX_SIGNS) return lt_fail(LT_ERROR_FORMAT, "JSON of over %d values", LT_JSON_MAX_SIGNS);
    if (depth > LT_JSON_MAX_DEPTH)
        return lt_fail(LT_ERROR_FORMAT, "JSON of values within values, over %d deep", LT_JSON_MAX_DEPTH);
    return LT_OK;
}

/* jansson takes some allocations that fail for a broken text: the memory that it may need must be there before. */
static lt_status check_memory(size_t size, size_t signs) {
    void *all = lt_alloc(2 * size + (signs + 1) * LT_JSON_SIGN_BYTES);
    lt_free(all);
    return all ? LT_OK : LT_ERROR_MEMORY;
}

static lt_status explain(const json_error_t *error) {
    if (json_error_code(error) == json_error_out_of_memory) return lt_fail(LT_ERROR_MEMORY, "out of memory for JSON");
    if (error->line > 1) return lt_fail(LT_ERROR_FORMAT, "broken JSON in line %d: %s", error->line, error->text);
    return lt_fail(LT_ERROR_FORMAT, "broken JSON at byte %d: %s", error->position, error->text);
}

lt_status lt_json_read(const char *text, size_t size, size_t flags, json_t **root) {
    json_error_t error;
    size_t signs;
    *root = NULL;
    LT_TRY(count_signs(text, size, &signs));
    LT_TRY(check_memory(size, signs));
    *root = json_loadb(size ? text : "", size, flags, &error);
    return *root ? LT_OK : explain(&error);
}
