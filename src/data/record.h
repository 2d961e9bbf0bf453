/* What strangers write of their pictures: JSON objects, lines of text, labels. */
#ifndef LT_DATASET_RECORD_H
#define LT_DATASET_RECORD_H

#include "formats/arena.h"
#include "formats/image_codec.h"

/* What is said of a picture. Zeroed is nothing; strings live in an arena. */
typedef struct lt_record {
    const char *const *texts; /* [text_count] */
    size_t text_count;
    const char *label; /* NULL: none; a whole number in decimal */
} lt_record;

struct json_t;

/* The next line of *text that isn't blank, without its end; *text moves past it. number counts all lines: begin with 0.
 * False at the end. */
bool lt_next_line(lt_bytes *text, lt_bytes *line, size_t *number);
/* The JSON object that text is, as Python writes it (lt_json_read_lenient); json_decref it. */
lt_status lt_record_parse(lt_bytes text, struct json_t **object);
/* An object's value that names something: a string, or a whole number, which becomes one in decimal; NULL if there is
 * none or it is null. */
lt_status lt_record_name(lt_arena *arena, const struct json_t *object, const char *key, const char **name);
/* The string or list of strings under the first of keys (NULL ends them) that the object has; none: record stays. */
lt_status lt_record_texts_of(lt_arena *arena, const struct json_t *object, const char *const *keys, lt_record *record);
/* One object as metadata.jsonl and KEY.json have it, from its text; its texts are called text, caption or prompt.
 * file_name NULL: not asked for. */
lt_status lt_record_from_json(lt_arena *arena, lt_bytes json, const char **file_name, lt_record *record);
/* Texts as NAME.txt and KEY.txt have them: a line each, blank ones left out. LT_ERROR_FORMAT if file isn't UTF-8. */
lt_status lt_record_texts(lt_arena *arena, lt_bytes file, lt_record *record);
/* A label as KEY.cls has it. LT_ERROR_FORMAT if file isn't UTF-8. */
lt_status lt_record_label(lt_arena *arena, lt_bytes file, lt_record *record);

#endif
