/* The files of transformers' CLIPTokenizer. */
#include "export/vocabulary.h"

#include "nn/nn.h"
#include "text/merges.h"
#include "text/text.h"
#include "text/unicode.h"

#include <jansson.h>
#include <string.h>

enum { BYTES = 256, MAX_TOKEN = 256 };

static const char start[] = "<|startoftext|>", end[] = "<|endoftext|>", word_end[] = "</w>";

/* The character that stands for the byte of token i: those that can be printed first, as themselves, then the others
 * from U+0100 on (OpenAI's bytes_to_unicode). */
static int32_t byte_character(int i) {
    if (i < 94) return '!' + i;
    if (i < 106) return 0xA1 + (i - 94);
    if (i < 188) return 0xAE + (i - 106);
    return 0x100 + (i - 188);
}

static bool add(json_t *vocabulary, const char *token) {
    const json_int_t id = (json_int_t)json_object_size(vocabulary);
    return json_object_set_new(vocabulary, token, json_integer(id)) == 0;
}

static bool add_bytes(json_t *vocabulary, const char *ending) {
    bool ok = true;
    for (int i = 0; i < BYTES; i++) {
        char token[16] = "";
        const size_t size = lt_utf8_encode(byte_character(i), (uint8_t *)token);
        memcpy(token + size, ending, strlen(ending) + 1);
        ok = ok && add(vocabulary, token);
    }
    return ok;
}

/* Every line "left right" makes the token "leftright". */
static bool add_merges(json_t *vocabulary) {
    for (const char *line = lt_clip_merges; line < lt_clip_merges_end;) {
        const char *next = memchr(line, '\n', (size_t)(lt_clip_merges_end - line));
        const char *stop = next ? next : lt_clip_merges_end;
        char token[MAX_TOKEN];
        size_t size = 0;
        for (const char *c = line; c < stop && size + 1 < sizeof token; c++)
            if (*c != ' ') token[size++] = *c;
        token[size] = '\0';
        if (!add(vocabulary, token)) return false;
        line = stop + 1;
    }
    return true;
}

/* Token -> id, in order of ids; NULL without memory. */
static json_t *make_vocabulary(void) {
    json_t *v = json_object();
    if (v && add_bytes(v, "") && add_bytes(v, word_end) && add_merges(v) && add(v, start) && add(v, end)) return v;
    json_decref(v);
    return NULL;
}

static lt_status write_merges(const lt_folder_writer *folder, const char *name) {
    lt_buffer text = {0};
    lt_status status = lt_buffer_printf(&text, "#version: 0.2\n");
    if (!status) status = lt_buffer_append(&text, lt_clip_merges, (size_t)(lt_clip_merges_end - lt_clip_merges));
    if (!status) status = lt_folder_write(folder, lt_name_of("%s/merges.txt", name).text, text.data, text.size);
    lt_buffer_free(&text);
    return status;
}

lt_status lt_vocabulary_write(const lt_folder_writer *folder, const char *name, int32_t pad_id) {
    const char *pad = pad_id == LT_TOKEN_END ? end : "!"; /* the first byte's */
    LT_TRY(lt_folder_add(folder, name));
    LT_TRY(lt_folder_write_json(folder, lt_name_of("%s/vocab.json", name).text, make_vocabulary(), JSON_COMPACT));
    LT_TRY(write_merges(folder, name));
    json_t *special =
        json_pack("{s:s, s:s, s:s, s:s}", "bos_token", start, "eos_token", end, "pad_token", pad, "unk_token", end);
    LT_TRY(lt_folder_write_json(folder, lt_name_of("%s/special_tokens_map.json", name).text, special, JSON_INDENT(2)));
    json_t *settings =
        json_pack("{s:s, s:i, s:b, s:s, s:b, s:s, s:s, s:s, s:s}", "tokenizer_class", "CLIPTokenizer",
                  "model_max_length", LT_CONTEXT_TOKENS, "do_lower_case", 1, "errors", "replace", "add_prefix_space", 0,
                  "bos_token", start, "eos_token", end, "pad_token", pad, "unk_token", end);
    return lt_folder_write_json(folder, lt_name_of("%s/tokenizer_config.json", name).text, settings, JSON_INDENT(2));
}
