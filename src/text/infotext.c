/* The `parameters` text of A1111's web UI. */
#include "text/infotext.h"

#include "text/unicode.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char NEGATIVE[] = "Negative prompt:", EXACT[] = "Exact prompt", EXACT_NEGATIVE[] = "Exact negative prompt";
enum { MIN_SETTINGS = 3 }; /* a last line with fewer of them is part of the prompt */

typedef struct span {
    const char *begin, *end;
} span;

/* ---- Lines ---- */

/* White space, a byte order mark included: a JPEG's text loses one at its beginning. */
static size_t space_at(const char *s, const char *end) {
    if (s < end && (strchr(" \t\n\r\v\f", *s) || (*s >= 0x1c && *s <= 0x1f)) && *s) return 1;
    return end - s >= 3 && !memcmp(s, "\xEF\xBB\xBF", 3) ? 3 : 0;
}

static span strip(span s) {
    for (size_t n; (n = space_at(s.begin, s.end)) > 0;) s.begin += n;
    for (;;) {
        if (s.end > s.begin && space_at(s.end - 1, s.end))
            s.end--;
        else if (s.end - s.begin >= 3 && space_at(s.end - 3, s.end) == 3)
            s.end -= 3;
        else
            return s;
    }
}

/* Takes the next line off rest. */
static span next_line(span *rest) {
    const char *end = memchr(rest->begin, '\n', (size_t)(rest->end - rest->begin));
    const span line = {rest->begin, end ? end : rest->end};
    rest->begin = end ? end + 1 : rest->end;
    return line;
}

/* ---- JSON strings ---- */

static int hex_digit(char c) {
    const char *digits = "0123456789abcdef", *found = c ? strchr(digits, tolower((unsigned char)c)) : NULL;
    return found ? (int)(found - digits) : -1;
}

/* The code unit of "\u1234" at s, or -1. */
static int32_t unit_at(const char *s, const char *end) {
    int32_t code = 0;
    if (end - s < 6 || s[0] != '\\' || s[1] != 'u') return -1;
    for (int i = 2; i < 6; i++) {
        const int digit = hex_digit(s[i]);
        if (digit < 0) return -1;
        code = code << 4 | digit;
    }
    return code;
}

/* The character of the escape at *s, which moves behind it; 0 where it is none. */
static int32_t unescape(const char **s, const char *end) {
    static const char names[] = "\"\\/bfnrt", characters[] = "\"\\/\b\f\n\r\t";
    const char *name = end - *s >= 2 && (*s)[1] ? strchr(names, (*s)[1]) : NULL;
    if (name) {
        *s += 2;
        return characters[name - names];
    }
    int32_t code = unit_at(*s, end);
    if (code <= 0) return 0;
    *s += 6;
    const int32_t low = code >= 0xD800 && code < 0xDC00 ? unit_at(*s, end) : -1;
    if (low < 0xDC00 || low > 0xDFFF) return code >= 0xD800 && code < 0xE000 ? 0xFFFD : code;
    *s += 6;
    return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
}

/* What stands between the quotation marks, to *out, which moves behind it; false where the escapes make no sense. */
static bool unquote(span quoted, char **out) {
    char *to = *out;
    for (const char *s = quoted.begin + 1; s < quoted.end - 1;) {
        if (*s == '"') return false;
        if (*s != '\\') {
            *to++ = *s++;
            continue;
        }
        const int32_t code = unescape(&s, quoted.end - 1);
        if (!code) return false;
        to += lt_utf8_encode(code, (uint8_t *)to);
    }
    *out = to;
    return true;
}

/* As Python's json.dumps(text, ensure_ascii=False). */
static lt_status append_quoted(lt_buffer *b, const char *text) {
    LT_TRY(lt_buffer_append(b, "\"", 1));
    for (; *text; text++) {
        static const char characters[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
        const char *found = strchr(characters, *text);
        if (found)
            LT_TRY(lt_buffer_printf(b, "\\%c", names[found - characters]));
        else if ((unsigned char)*text < 0x20)
            LT_TRY(lt_buffer_printf(b, "\\u%04x", (unsigned)*text));
        else
            LT_TRY(lt_buffer_append(b, text, 1));
    }
    return lt_buffer_append(b, "\"", 1);
}

/* ---- Reading settings: \s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$), again and again ---- */

/* Letters and digits of other scripts included, and with them all that is not ASCII but a byte order mark. */
static bool is_word(const char *s, const char *end) {
    return isalnum((unsigned char)*s) || *s == '_' || ((unsigned char)*s >= 0x80 && !space_at(s, end));
}

/* The end of the quoted string at s, or NULL. */
static const char *quoted_end(const char *s, const char *end) {
    for (const char *at = s + 1; at < end; at++) {
        if (*at == '"') return at > s + 1 ? at + 1 : NULL;
        if (*at == '\\') at++;
    }
    return NULL;
}

/* The end of the JSON list or object at s ("Hashes: {...}", as Civitai has them), or NULL. Here and not in the web UI,
 * which makes settings of what is inside. */
static const char *nested_end(const char *s, const char *end) {
    int depth = 0;
    for (const char *at = s; at < end; at++) {
        if (*at == '"') {
            const char *behind = quoted_end(at, end);
            at = behind ? behind - 1 : at + 1 < end && at[1] == '"' ? at + 1 : end - 1;
        }
        depth += *at == '{' || *at == '[';
        depth -= *at == '}' || *at == ']';
        if (depth == 0) return at + 1;
    }
    return NULL;
}

/* What is left of a line of settings. */
typedef struct settings_line {
    span rest;
    bool open; /* a list or an object had no end: none is looked for any more, so that time stays linear */
} settings_line;

/* The value at s: to the next comma, unless it is a JSON string, list or object. */
static span value_at(settings_line *line, const char *s) {
    const char *end = line->rest.end, *whole = NULL;
    while (space_at(s, end)) s += space_at(s, end);
    const bool nested = s < end && strchr("{[", *s) && !line->open;
    if (s < end && *s == '"') whole = quoted_end(s, end);
    if (nested) whole = nested_end(s, end);
    line->open = line->open || (nested && !whole);
    if (whole && (whole == end || *whole == ',')) return (span){s, whole};
    const char *comma = memchr(s, ',', (size_t)(end - s));
    return (span){s, comma ? comma : end};
}

/* Takes the next key and value off the line; false where there is none. */
static bool next_setting(settings_line *line, span *key, span *value) {
    const char *first = NULL, *end = line->rest.end; /* first: where a key may have begun */
    for (const char *s = line->rest.begin; s < end; s++) {
        if (*s == ':' && first && s - first >= 2) {
            *key = (span){first, s};
            *value = value_at(line, s + 1);
            line->rest.begin = value->end + (value->end < end);
            return true;
        }
        const bool word = is_word(s, end), inside = word || (*s && strchr(" -/", *s));
        if (!inside) {
            first = NULL;
            s += lt_max(space_at(s, end), 1) - 1; /* all of a byte order mark */
        } else if (!first && word)
            first = s;
    }
    return false;
}

static size_t count_settings(span text) {
    settings_line line = {.rest = text};
    size_t count = 0;
    for (span key, value; next_setting(&line, &key, &value);) count++;
    return count;
}

/* ---- Reading ---- */

/* Copies to *out, which moves behind the NUL. */
static const char *put(span s, char **out) {
    char *begin = *out;
    memcpy(begin, s.begin, (size_t)(s.end - s.begin));
    *out = begin + (s.end - s.begin);
    *(*out)++ = '\0';
    return begin;
}

static const char *put_value(span s, char **out) {
    char *begin = *out;
    const bool quoted = s.end - s.begin >= 2 && *s.begin == '"' && s.end[-1] == '"';
    if (!quoted || !unquote(s, out)) return put(s, out);
    *(*out)++ = '\0';
    return begin;
}

/* Adds a line to the prompt that *out is at the end of; lines follow one another with \n, unless nothing came before.
 */
static void put_line(span line, const char *begin, char **out) {
    if (*out > begin) *(*out)++ = '\n';
    memcpy(*out, line.begin, (size_t)(line.end - line.begin));
    *out += line.end - line.begin;
}

/* The prompts: all lines of text. */
static void read_prompts(span text, lt_infotext *info, char **out) {
    const size_t n = sizeof NEGATIVE - 1;
    char *begin = *out;
    info->prompt = begin;
    bool negative = false;
    while (text.begin < text.end) {
        span line = strip(next_line(&text));
        if ((size_t)(line.end - line.begin) >= n && !memcmp(line.begin, NEGATIVE, n)) {
            line = strip((span){line.begin + n, line.end});
            if (!negative) {
                *(*out)++ = '\0';
                begin = *out;
            }
            negative = true;
        }
        put_line(line, begin, out);
    }
    *(*out)++ = '\0';
    info->negative_prompt = negative ? begin : *out - 1;
}

static void read_settings(span text, lt_infotext *info, char **out) {
    settings_line line = {.rest = text};
    for (span key, value; next_setting(&line, &key, &value);) {
        lt_setting *s = &info->settings[info->count++];
        s->key = put(key, out);
        s->value = put_value(value, out);
        if (!strcmp(s->key, EXACT)) info->prompt = s->value;
        if (!strcmp(s->key, EXACT_NEGATIVE)) info->negative_prompt = s->value;
    }
}

lt_status lt_infotext_read(const char *source, lt_infotext *info) {
    *info = (lt_infotext){0};
    span text = strip((span){source, source + strlen(source)}), last = text;
    for (const char *s = text.end; s > text.begin && s[-1] != '\n';) last.begin = --s;
    const size_t count = count_settings(last);
    if (count >= MIN_SETTINGS)
        text.end = last.begin > text.begin ? last.begin - 1 : last.begin;
    else
        last.begin = last.end;
    /* no text is longer than where it stood, and its NUL takes the place of what stood behind it, but at the ends */
    const size_t settings = count >= MIN_SETTINGS ? count : 0, size = (size_t)(text.end - source) + strlen(last.begin);
    info->memory = lt_alloc(settings * sizeof *info->settings + size + 8);
    if (!info->memory) return LT_ERROR_MEMORY;
    info->settings = (lt_setting *)(void *)info->memory;
    char *out = info->memory + settings * sizeof *info->settings;
    read_prompts(text, info, &out);
    if (settings) read_settings(last, info, &out);
    return LT_OK;
}

void lt_infotext_free(lt_infotext *info) {
    lt_free(info->memory);
    *info = (lt_infotext){0};
}

const char *lt_infotext_find(const lt_infotext *info, const char *key) {
    const char *value = NULL;
    for (size_t i = 0; i < info->count; i++)
        if (!strcmp(info->settings[i].key, key)) value = info->settings[i].value;
    return value;
}

/* ---- Writing ---- */

/* text with what is not UTF-8 replaced. */
static lt_status mend(const char *text, lt_buffer *out) {
    const size_t size = strlen(text);
    LT_TRY(lt_buffer_append(out, NULL, 0)); /* so that no text is an empty string */
    for (size_t at = 0; at < size;) {
        uint8_t bytes[4];
        int32_t code;
        at += lt_utf8_decode(text + at, size - at, &code);
        LT_TRY(lt_buffer_append(out, bytes, lt_utf8_encode(code, bytes)));
    }
    return LT_OK;
}

/* That UI quotes what holds a comma, a colon or a line end. Nothing, and what begins or ends with a quotation mark, a
 * bracket or white space, would not come back either. */
static bool needs_quotes(const char *value) {
    const span whole = {value, value + strlen(value)}, bare = strip(whole);
    return !*value || strpbrk(value, ",:\n\"") || strchr("{[", *value) || bare.begin > whole.begin ||
           bare.end < whole.end;
}

static lt_status append_setting(lt_buffer *b, const char *separator, const char *key, const char *value) {
    lt_buffer sound = {0};
    lt_status status = mend(value, &sound);
    if (!status) status = lt_buffer_printf(b, "%s%s: ", separator, key);
    if (!status && needs_quotes(sound.data))
        status = append_quoted(b, sound.data);
    else if (!status)
        status = lt_buffer_append(b, sound.data, sound.size);
    lt_buffer_free(&sound);
    return status;
}

static lt_status append_prompts(lt_buffer *b, const char *prompt, const char *negative) {
    LT_TRY(mend(prompt, b));
    if (*negative) LT_TRY(lt_buffer_printf(b, "\n%s ", NEGATIVE));
    if (*negative) LT_TRY(mend(negative, b));
    return lt_buffer_append(b, "\n", 1);
}

/* Does the text read back as these prompts? */
static lt_status compare(const lt_buffer *text, const char *prompt, const char *negative, bool *same) {
    lt_infotext info;
    lt_buffer sound = {0};
    LT_TRY(lt_infotext_read(text->data, &info));
    lt_status status = mend(prompt, &sound);
    const size_t size = sound.size;
    if (!status) status = mend(negative, &sound);
    if (!status)
        *same = strlen(info.prompt) == size && !memcmp(info.prompt, sound.data, size) &&
                !strcmp(info.negative_prompt, sound.data + size);
    lt_buffer_free(&sound);
    lt_infotext_free(&info);
    return status;
}

lt_status lt_infotext_write(const char *prompt, const char *negative, const lt_setting *settings, size_t count,
                            lt_buffer *text) {
    bool same = true;
    LT_TRY(append_prompts(text, prompt, negative));
    for (size_t i = 0; i < count; i++) LT_TRY(append_setting(text, i ? ", " : "", settings[i].key, settings[i].value));
    LT_TRY(compare(text, prompt, negative, &same));
    if (same) return LT_OK;
    LT_TRY(append_setting(text, ", ", EXACT, prompt));
    return append_setting(text, ", ", EXACT_NEGATIVE, negative);
}
