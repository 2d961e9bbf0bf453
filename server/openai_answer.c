/* OpenAI's answers: pictures as base64 or addresses, and events of a stream. */
#include "openai_own.h"

#include "json_lax.h"
#include "tools.h"
#include "tools/base64.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static json_t *base64_json(const void *bytes, size_t size) {
    char *text = lt_base64_write(bytes, size);
    json_t *json = text ? json_string(text) : NULL;
    free(text);
    return json;
}

void lt_openai_size(const lt_job_picture *picture, char text[32]) {
    snprintf(text, 32, "%dx%d", picture->width, picture->height);
}

const char *lt_openai_type(const void *bytes, size_t size) {
    if (size > 3 && !memcmp(bytes, "\xFF\xD8\xFF", 3)) return "image/jpeg";
    return size > 12 && !memcmp(bytes, "RIFF", 4) ? "image/webp" : "image/png";
}

/* Tokens of the prompts; no picture is tokens here. */
static json_t *usage_of(const lt_openai_drawing *drawing) {
    static const char *const keys[] = {"prompt", "negative_prompt"};
    size_t count = 0;
    lt_tokens tokens;
    for (int i = 0; i < 2; i++)
        if (!lt_tokenize_by(drawing->tokenizer, lt_lax_text(drawing->job, keys[i]), &tokens)) {
            count += tokens.count;
            lt_tokens_free(&tokens);
        }
    return json_pack("{s:I, s:{s:I, s:i}, s:i, s:I}", "input_tokens", (json_int_t)count, "input_tokens_details",
                     "text_tokens", (json_int_t)count, "image_tokens", 0, "output_tokens", 0, "total_tokens",
                     (json_int_t)count);
}

static json_t *picture_json(const lt_openai_drawing *drawing, const char *id, int i, const lt_job_picture *picture,
                            const char *base) {
    if (!drawing->url) return json_pack("{s:o}", "b64_json", base64_json(picture->bytes, picture->size));
    const char *type = lt_openai_type(picture->bytes, picture->size);
    return json_pack("{s:o}", "url", json_sprintf("%s/v1/images/files/%s/%d.%s", base, id, i, type + strlen("image/")));
}

json_t *lt_openai_response(const lt_openai_drawing *drawing, const char *id, const lt_job_result *result,
                           const char *base) {
    char size[32] = "";
    json_t *data = json_array();
    for (int i = 0; i < result->count; i++)
        json_array_append_new(data, picture_json(drawing, id, i, &result->pictures[i], base));
    if (result->count) lt_openai_size(&result->pictures[0], size);
    return json_pack("{s:I, s:o, s:s, s:s, s:s, s:s, s:o}", "created", (json_int_t)time(NULL), "data", data,
                     "background", "opaque", "output_format", drawing->format, "quality", drawing->quality, "size",
                     size, "usage", usage_of(drawing));
}

/* Previews are PNG whatever the pictures are. */
json_t *lt_openai_event(const lt_openai_drawing *drawing, int index, const char *size_text, const void *bytes,
                        size_t size, const char **name) {
    static const char *const names[2][2] = {{"image_generation.partial_image", "image_generation.completed"},
                                            {"image_edit.partial_image", "image_edit.completed"}};
    const bool whole = index < 0;
    *name = names[drawing->kind == LT_OPENAI_EDIT][whole];
    json_t *event =
        json_pack("{s:s, s:o, s:I, s:s, s:s, s:s, s:s}", "type", *name, "b64_json", base64_json(bytes, size),
                  "created_at", (json_int_t)time(NULL), "size", size_text, "quality", drawing->quality, "background",
                  "opaque", "output_format", whole ? drawing->format : "png");
    if (event && whole)
        json_object_set_new(event, "usage", usage_of(drawing));
    else if (event)
        json_object_set_new(event, "partial_image_index", json_integer(index));
    return event;
}
