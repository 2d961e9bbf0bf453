/* Prompts that say other things at other steps. */
#include "text/edits.h"

#include "text/number.h"
#include "text/unicode.h"

#include <string.h>

/* What a piece is: text, the bracket that opens a group, or what ends one of its choices. */
enum { TEXT, OPENS, ENDS };
enum { LONGEST = 1 << 30 };

/* A bracket that is open: what it is once it closes depends on what is between. */
typedef struct open_bracket {
    uint32_t piece;
    uint32_t marks; /* how many of the reader's marks are before it */
} open_bracket;

typedef struct reader {
    lt_edits *edits;
    open_bracket *open;
    uint32_t *marks; /* pieces that are a : or | in an open bracket */
    size_t open_count, open_capacity, mark_count, mark_capacity;
    bool lost; /* something fits nothing */
} reader;

static lt_status add_piece(reader *r, size_t begin) {
    lt_edits *e = r->edits;
    LT_TRY(LT_GROW(e->pieces, e->piece_count, e->piece_capacity));
    e->pieces[e->piece_count++] = (lt_edit_piece){.begin = (uint32_t)begin, .kind = TEXT};
    return LT_OK;
}

static lt_status add_choice(reader *r, size_t piece) {
    lt_edits *e = r->edits;
    LT_TRY(LT_GROW(e->choices, e->choice_count, e->choice_capacity));
    e->choices[e->choice_count++] = (uint32_t)piece;
    return LT_OK;
}

static char character_of(const reader *r, uint32_t piece) { return r->edits->text[r->edits->pieces[piece].begin]; }

/* ---- Brackets ---- */

static lt_status open_at(reader *r, size_t at) {
    LT_TRY(LT_GROW(r->open, r->open_count, r->open_capacity));
    r->open[r->open_count++] = (open_bracket){(uint32_t)r->edits->piece_count, (uint32_t)r->mark_count};
    return add_piece(r, at);
}

/* A : or |, which a bracket's close will read. */
static lt_status mark(reader *r, size_t at) {
    if (r->open_count) {
        LT_TRY(LT_GROW(r->marks, r->mark_count, r->mark_capacity));
        r->marks[r->mark_count++] = (uint32_t)r->edits->piece_count;
    } else if (r->edits->text[at] == '|') {
        r->lost = true;
    }
    return add_piece(r, at);
}

/* What is open are characters, and so is all that would be around them. */
static void give_up(reader *r) {
    for (size_t i = 0; i < r->mark_count; i++) r->lost |= character_of(r, r->marks[i]) == '|';
    r->open_count = r->mark_count = 0;
}

static lt_status add_group(reader *r, lt_edit_group group) {
    lt_edits *e = r->edits;
    group.first_choice = (uint32_t)e->choice_count;
    LT_TRY(LT_GROW(e->groups, e->group_count, e->group_capacity));
    e->groups[e->group_count++] = group;
    return LT_OK;
}

static void set(reader *r, size_t piece, unsigned kind) {
    r->edits->pieces[piece].kind = kind & 3;
    r->edits->pieces[piece].group = (uint32_t)(r->edits->group_count - 1) & (LONGEST - 1);
}

/* Whether text [at, size) is a number and white space around it. A digit of another script is none here. */
static bool read_when(const char *text, size_t size, size_t at, lt_edit_group *group) {
    const size_t begin = lt_skip_space(text, size, at);
    at = begin;
    if (!lt_scientific_read(text, size, &at, &group->when)) return false;
    for (size_t i = begin; i < at; i++)
        if (text[i] & 0x80) return false;
    group->share = memchr(text + begin, '.', at - begin) != NULL;
    return lt_skip_space(text, size, at) == size;
}

/* [from:to:when] and [to:when], whose last : is the piece `last`: from is empty where there is no other. */
static lt_status add_scheduled(reader *r, const open_bracket *b, size_t colons, lt_edit_group group) {
    const uint32_t first = r->marks[b->marks], last = r->marks[r->mark_count - 1];
    r->edits->piece_count = last + 1; /* `when` is no text */
    group.behind = last + 1;
    LT_TRY(add_group(r, group));
    set(r, b->piece, OPENS);
    set(r, first, ENDS);
    set(r, last, ENDS);
    LT_TRY(add_choice(r, colons == 2 ? b->piece + 1 : last));
    return add_choice(r, colons == 2 ? first + 1 : b->piece + 1);
}

/* [a|b], whose ] is at byte `at`. */
static lt_status add_alternate(reader *r, const open_bracket *b, size_t at) {
    const size_t bars = r->mark_count - b->marks, end = r->edits->piece_count;
    LT_TRY(add_piece(r, at));
    LT_TRY(add_group(r, (lt_edit_group){.behind = (uint32_t)end + 1, .choices = (uint32_t)bars + 1}));
    set(r, b->piece, OPENS);
    set(r, end, ENDS);
    LT_TRY(add_choice(r, b->piece + 1));
    for (size_t i = b->marks; i < r->mark_count; i++) {
        set(r, r->marks[i], ENDS);
        LT_TRY(add_choice(r, r->marks[i] + 1));
    }
    return LT_OK;
}

/* What a bracket is that closes. */
typedef enum lt_bracket_kind { STRAY, EMPHASIS, SCHEDULED, ALTERNATE } lt_bracket_kind;

static lt_bracket_kind kind_of(const reader *r, const open_bracket *b, size_t at, lt_edit_group *group,
                               size_t *colons) {
    const char *text = r->edits->text;
    const bool square = text[at] == ']';
    const size_t marks = b ? r->mark_count - b->marks : 0;
    if (!b || character_of(r, b->piece) != (square ? '[' : '(')) return STRAY;
    for (size_t i = b->marks; i < r->mark_count; i++) *colons += character_of(r, r->marks[i]) == ':';
    if (!marks) return EMPHASIS;
    if (!square) return marks == 1 && *colons ? EMPHASIS : STRAY;
    if (!*colons) return ALTERNATE;
    const size_t last = r->edits->pieces[r->marks[r->mark_count - 1]].begin;
    return *colons == marks && marks < 3 && read_when(text, at, last + 1, group) ? SCHEDULED : STRAY;
}

/* A bracket that only weighs is said as it stands, and so is what fits nothing. */
static lt_status close_at(reader *r, size_t at) {
    const open_bracket *b = r->open_count ? &r->open[r->open_count - 1] : NULL;
    lt_edit_group group = {.scheduled = true, .choices = 2};
    size_t colons = 0;
    lt_status status = LT_OK;
    switch (kind_of(r, b, at, &group, &colons)) {
    case STRAY: give_up(r); return add_piece(r, at);
    case EMPHASIS: status = add_piece(r, at); break;
    case SCHEDULED: status = add_scheduled(r, b, colons, group); break;
    case ALTERNATE: status = add_alternate(r, b, at); break;
    }
    r->mark_count = r->open[--r->open_count].marks;
    return status;
}

/* ---- All of it ---- */

/* The length of what a \ begins, or 0. */
static size_t escaped(const char *text, size_t size) {
    int32_t code;
    if (size < 2 || text[1] == '\n') return 0;
    return 1 + lt_utf8_decode(text + 1, size - 1, &code);
}

static size_t run_of_text(const char *text, size_t size) {
    size_t at = strcspn(text, "\\[]():|");
    for (size_t length; at < size && text[at] == '\\' && (length = escaped(text + at, size - at)) > 0;)
        at += length + strcspn(text + at + length, "\\[]():|");
    return at;
}

static lt_status read_piece(reader *r, size_t at, size_t *length) {
    const char *text = r->edits->text;
    *length = 1;
    switch (text[at]) {
    case '(':
    case '[': return open_at(r, at);
    case ')':
    case ']': return close_at(r, at);
    case ':':
    case '|': return mark(r, at);
    default: break;
    }
    *length = run_of_text(text + at, r->edits->size - at);
    r->lost |= !*length;
    return add_piece(r, at);
}

/* The whole of the text stands for itself. */
static lt_status take_whole(reader *r) {
    r->edits->piece_count = r->edits->group_count = r->edits->choice_count = 0;
    return add_piece(r, 0);
}

lt_status lt_edits_read(const char *text, lt_edits *edits) {
    *edits = (lt_edits){.text = text, .size = strlen(text)};
    if (edits->size >= LONGEST) return lt_fail(LT_ERROR_ARGUMENT, "a prompt of over 1 GiB");
    reader r = {.edits = edits};
    lt_status status = LT_OK;
    for (size_t at = 0, length; !status && !r.lost && at < edits->size; at += length)
        status = read_piece(&r, at, &length);
    give_up(&r);
    if (!status && r.lost) status = take_whole(&r);
    lt_free(r.open);
    lt_free(r.marks);
    return status;
}

void lt_edits_free(lt_edits *edits) {
    lt_free(edits->pieces);
    lt_free(edits->groups);
    lt_free(edits->choices);
    *edits = (lt_edits){0};
}

/* ---- Steps ---- */

/* The last step of `from`; 0: there is none. */
static int last_step(const lt_edit_group *group, lt_timeline t) {
    const double step = group->share ? (group->when - (t.before ? 1 : 0)) * t.steps : group->when - t.before;
    return !(step >= 1) ? 0 : step >= t.steps ? t.steps : (int)step; /* nor is 0 times infinity one */
}

lt_status lt_edits_ends(const lt_edits *e, lt_timeline t, int **ends, size_t *count) {
    bool each = false;
    *ends = lt_calloc((size_t)t.steps + 1, sizeof **ends);
    *count = 0;
    if (!*ends) return LT_ERROR_MEMORY;
    (*ends)[t.steps] = 1;
    for (size_t i = 0; i < e->group_count; i++) {
        each |= !e->groups[i].scheduled;
        if (e->groups[i].scheduled) (*ends)[last_step(&e->groups[i], t)] = 1;
    }
    for (int step = 1; step <= t.steps; step++)
        if (each || (*ends)[step]) (*ends)[(*count)++] = step;
    return LT_OK;
}

/* The piece with which a group's choice at a step begins. */
static size_t choose(const lt_edits *e, const lt_edit_group *group, lt_timeline t, int step) {
    const uint32_t choice = group->scheduled ? step > last_step(group, t) : (uint32_t)(step - 1) % group->choices;
    return e->choices[group->first_choice + choice];
}

lt_status lt_edits_say(const lt_edits *e, lt_timeline t, int step, lt_buffer *text) {
    LT_TRY(lt_buffer_append(text, "", 0));
    for (size_t i = 0; i < e->piece_count;) {
        const lt_edit_piece *piece = &e->pieces[i];
        const size_t end = i + 1 < e->piece_count ? e->pieces[i + 1].begin : e->size;
        if (piece->kind == TEXT) {
            LT_TRY(lt_buffer_append(text, e->text + piece->begin, end - piece->begin));
            i++;
        } else {
            const lt_edit_group *group = &e->groups[piece->group];
            i = piece->kind == OPENS ? choose(e, group, t, step) : group->behind;
        }
    }
    return LT_OK;
}
