/* What a picture's steps read of a prompt. */
#include "text/script.h"

#include "text/number.h"
#include "text/unicode.h"

#include <string.h>

enum { MOST_TEXT = 64 << 20 };

static const char AND[] = "AND";

/* ---- A part's texts ---- */

typedef struct reader {
    lt_script_rules rules;
    lt_script *script;
    size_t said; /* bytes of all texts */
} reader;

static lt_status add_entry(reader *r, const lt_edits *edits, int end, lt_script_part *part) {
    lt_buffer text = {0};
    const lt_status status = lt_edits_say(edits, r->rules.timeline, end, &text);
    r->said += text.size;
    part->entries[part->count++] = (lt_script_entry){end, text.data};
    if (!status && r->said > MOST_TEXT && part->count > 1)
        return lt_fail(LT_ERROR_ARGUMENT, "the prompt says over %d MiB at its different steps", MOST_TEXT >> 20);
    return status;
}

static lt_status add_entries(reader *r, const lt_edits *edits, lt_script_part *part) {
    int *ends;
    size_t count;
    LT_TRY(lt_edits_ends(edits, r->rules.timeline, &ends, &count));
    part->entries = lt_calloc(count, sizeof *part->entries);
    lt_status status = part->entries ? LT_OK : LT_ERROR_MEMORY;
    for (size_t i = 0; i < count && !status; i++) status = add_entry(r, edits, ends[i], part);
    lt_free(ends);
    return status;
}

static lt_status read_edits(reader *r, const char *text, lt_script_part *part) {
    lt_edits edits;
    lt_status status = lt_edits_read(text, &edits);
    if (!status) status = add_entries(r, &edits, part);
    lt_edits_free(&edits);
    return status;
}

static lt_status take_plain(reader *r, const char *text, lt_script_part *part) {
    part->entries = lt_calloc(1, sizeof *part->entries);
    if (!part->entries) return LT_ERROR_MEMORY;
    part->entries[part->count++] = (lt_script_entry){r->rules.timeline.steps, lt_strdup(text)};
    return part->entries[0].text ? LT_OK : LT_ERROR_MEMORY;
}

/* ---- Parts ---- */

/* The size of the text before its weight, as "a cat :1.2" ends in one, and before the white space at its end. */
static size_t read_weight(const char *text, size_t size, double *weight) {
    const char *colon = memrchr(text, ':', size);
    double number;
    *weight = 1;
    if (!colon) return lt_skip_space_before(text, 0, size);
    const size_t begin = (size_t)(colon - text);
    size_t at = lt_skip_space(text, size, begin + 1);
    if (!lt_signed_read(text, size, &at, &number) || lt_skip_space(text, size, at) < size)
        return lt_skip_space_before(text, 0, size);
    *weight = number;
    return lt_skip_space_before(text, 0, begin);
}

static lt_status new_part(lt_script *s, lt_script_part **part) {
    LT_TRY(LT_GROW(s->parts, s->count, s->capacity));
    *part = &s->parts[s->count++];
    **part = (lt_script_part){.weight = 1};
    return LT_OK;
}

static lt_status add_part(reader *r, const char *text, size_t size) {
    lt_script_part *part;
    LT_TRY(new_part(r->script, &part));
    char *own = lt_strndup(text, r->rules.composed ? read_weight(text, size, &part->weight) : size);
    if (!own) return LT_ERROR_MEMORY;
    const lt_status status = r->rules.plain ? take_plain(r, own, part) : read_edits(r, own, part);
    lt_free(own);
    return status;
}

lt_status lt_script_read(const char *prompt, lt_script_rules rules, lt_script *script) {
    const size_t size = strlen(prompt);
    reader r = {rules, script, 0};
    *script = (lt_script){0};
    r.rules.composed &= !rules.plain;
    for (size_t begin = 0, end; begin <= size; begin = end + sizeof AND - 1) {
        end = r.rules.composed ? lt_find_word(prompt, size, begin, AND) : size;
        LT_TRY(add_part(&r, prompt + begin, end - begin));
    }
    return LT_OK;
}

void lt_script_free(lt_script *s) {
    for (size_t i = 0; i < s->count; i++) {
        for (size_t k = 0; k < s->parts[i].count; k++) lt_free(s->parts[i].entries[k].text);
        lt_free(s->parts[i].entries);
    }
    lt_free(s->parts);
    *s = (lt_script){0};
}

size_t lt_script_entry_at(const lt_script_part *part, int call) {
    for (size_t i = 0; i < part->count; i++)
        if (call <= part->entries[i].end) return i;
    return 0;
}
