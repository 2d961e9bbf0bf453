/* An OpenAPI document against what a server says.
 * usage: openapi DOCUMENT paths                          "METHOD PATH" of each operation, a line each
 *        openapi DOCUMENT check METHOD PATH STATUS FILE  whether that status is described, and the body fits its schema
 * Of JSON Schema: type, required, properties, additionalProperties, items, enum, anyOf, $ref; another keyword is an
 * error, so that none is passed over. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *document;

static json_t *at(json_t *from, const char *key) {
    json_t *found = json_object_get(from, key);
    if (found) return found;
    fprintf(stderr, "the document has no \"%s\" where it is wanted\n", key);
    exit(1);
}

/* "#/components/schemas/job" */
static json_t *follow(json_t *schema) {
    const char *reference = json_string_value(json_object_get(schema, "$ref"));
    if (!reference) return schema;
    char *path = strdup(reference + 2), *rest = path;
    json_t *found = document;
    for (char *part; (part = strsep(&rest, "/"));) found = at(found, part);
    free(path);
    return follow(found);
}

static int is_type(const json_t *value, const char *type) {
    if (!strcmp(type, "number")) return json_is_number(value);
    if (!strcmp(type, "integer")) return json_is_integer(value);
    if (!strcmp(type, "string")) return json_is_string(value);
    if (!strcmp(type, "boolean")) return json_is_boolean(value);
    if (!strcmp(type, "array")) return json_is_array(value);
    if (!strcmp(type, "object")) return json_is_object(value);
    if (!strcmp(type, "null")) return json_is_null(value);
    fprintf(stderr, "type %s: unknown\n", type);
    exit(1);
}

static int fits_type(const json_t *types, const json_t *value) {
    size_t i;
    json_t *type;
    if (json_is_string(types)) return is_type(value, json_string_value(types));
    json_array_foreach((json_t *)types, i, type) {
        if (is_type(value, json_string_value(type))) return 1;
    }
    return 0;
}

static int complain(const char *where, const char *what) {
    fprintf(stderr, "%s: %s\n", where, what);
    return 0;
}

static int fits(json_t *schema, const json_t *value, const char *where);

static int fits_object(json_t *schema, const json_t *value, const char *where) {
    size_t i;
    json_t *name, *item, *properties = json_object_get(schema, "properties");
    const char *key;
    json_array_foreach(json_object_get(schema, "required"), i, name) {
        if (!json_object_get(value, json_string_value(name))) return complain(where, json_string_value(name));
    }
    json_object_foreach((json_t *)value, key, item) {
        json_t *known = json_object_get(properties, key);
        if (!known && json_is_false(json_object_get(schema, "additionalProperties"))) return complain(where, key);
        if (known && !fits(known, item, key)) return 0;
    }
    return 1;
}

static int fits_any(json_t *schemas, const json_t *value, const char *where) {
    size_t i;
    json_t *schema;
    json_array_foreach(schemas, i, schema) {
        if (fits(schema, value, where)) return 1;
    }
    return complain(where, "fits none");
}

static int is_listed(json_t *list, const json_t *value) {
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item) {
        if (json_equal(item, value)) return 1;
    }
    return 0;
}

static void check_keywords(json_t *schema) {
    static const char *const known[] = {
        "type",     "required",         "properties", "additionalProperties", "items", "enum",
        "anyOf",    "description",      "format",     "contentEncoding",      "title", "default",
        "examples", "contentMediaType", NULL};
    const char *key;
    json_t *value;
    json_object_foreach(schema, key, value) {
        size_t i = 0;
        while (known[i] && strcmp(known[i], key)) i++;
        if (known[i]) continue;
        fprintf(stderr, "keyword %s: unknown\n", key);
        exit(1);
    }
}

static int fits(json_t *schema, const json_t *value, const char *where) {
    schema = follow(schema);
    check_keywords(schema);
    json_t *types = json_object_get(schema, "type"), *words = json_object_get(schema, "enum");
    json_t *any = json_object_get(schema, "anyOf"), *items = json_object_get(schema, "items"), *item;
    size_t i;
    if (types && !fits_type(types, value)) return complain(where, "of another type");
    if (words && !is_listed(words, value)) return complain(where, "none of its words");
    if (any && !fits_any(any, value, where)) return 0;
    if (json_is_object(value) && !fits_object(schema, value, where)) return 0;
    json_array_foreach((json_t *)value, i, item) {
        if (items && !fits(items, item, where)) return 0;
    }
    return 1;
}

static void print_paths(void) {
    const char *path, *method;
    json_t *operations, *operation;
    json_object_foreach(at(document, "paths"), path, operations) {
        json_object_foreach(operations, method, operation) {
            if (strcmp(method, "parameters") == 0) continue;
            for (const char *c = method; *c; c++) putchar(*c - 'a' + 'A');
            printf(" %s\n", path);
        }
    }
}

static int check(const char *method, const char *path, const char *status, const char *file) {
    char lower[16] = "";
    for (size_t i = 0; method[i] && i + 1 < sizeof lower; i++) lower[i] = (char)(method[i] - 'A' + 'a');
    json_t *answer = follow(at(at(at(at(at(document, "paths"), path), lower), "responses"), status));
    json_t *content = json_object_get(answer, "content"), *json = json_object_get(content, "application/json");
    if (!json) return 0;
    json_t *value = json_load_file(file, JSON_DECODE_ANY, NULL);
    if (!value) return complain(file, "no JSON"), 1;
    const int right = fits(at(json, "schema"), value, path);
    json_decref(value);
    return !right;
}

int main(int argc, char **argv) {
    json_error_t error;
    document = argc > 2 ? json_load_file(argv[1], 0, &error) : NULL;
    if (!document) return fprintf(stderr, "no document\n"), 2;
    int status = 2;
    if (!strcmp(argv[2], "paths")) print_paths(), status = 0;
    if (argc == 7) status = check(argv[3], argv[4], argv[5], argv[6]);
    json_decref(document);
    return status;
}
