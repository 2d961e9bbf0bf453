/* Pictures as judges see them: classifiers, each of one aspect, asked whether what a data set's list says is there. */
#include "base/door.h"
#include "base/fields.h"
#include "data/record.h"
#include "eval/parts.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

/* ---- What a line asks for ---- */

enum { THINGS = 2 };

typedef struct asked {
    const char *kind, *values[LT_MAX_JUDGES]; /* NULL: not said */
    const char *things[THINGS], *relation;    /* of a pair; else NULL */
} asked;

static lt_status read_things(lt_arena *arena, const json_t *object, asked *row) {
    const json_t *things = json_object_get(object, "things");
    LT_TRY(lt_record_name(arena, object, "relation", &row->relation));
    for (size_t i = 0; row->relation && json_array_size(things) == THINGS && i < THINGS; i++) {
        const char *name = json_string_value(json_array_get(things, i));
        if (name && !(row->things[i] = lt_arena_strndup(arena, name, strlen(name)))) return LT_ERROR_MEMORY;
    }
    return LT_OK;
}

/* One call. */
typedef struct judge_work {
    const lt_judging *call;
    lt_dataset *dataset;
    lt_arena *names; /* of kinds */
    lt_judgement *out;
} judge_work;

static lt_status read_row(const judge_work *w, lt_arena *arena, size_t i, lt_bytes line, asked *row) {
    json_t *object;
    LT_TRY(lt_record_parse(line, &object));
    const char *file = json_string_value(json_object_get(object, "file_name"));
    lt_status status = LT_OK;
    if (!file || strcmp(file, lt_dataset_name(w->dataset, i)))
        status = lt_fail(LT_ERROR_FORMAT, "it is not %s that stands there now", lt_dataset_name(w->dataset, i));
    if (!status) status = lt_record_name(arena, object, "kind", &row->kind);
    if (!status) status = read_things(arena, object, row);
    for (size_t k = 0; k < w->call->count && !status; k++)
        status = lt_record_name(arena, object, w->call->judges[k].aspect, &row->values[k]);
    json_decref(object);
    return status;
}

/* ---- Looking ---- */

/* Where each of two things is, as [left, top, side] in shares of the picture, by their relation. */
typedef struct lt_places {
    const char *relation;
    bool either; /* which of them is which is not said */
    double of[THINGS][3];
} lt_places;

static const lt_places places[] = {
    {"left", false, {{0, 0.25, 0.5}, {0.5, 0.25, 0.5}}},
    {"beside", true, {{0, 0.25, 0.5}, {0.5, 0.25, 0.5}}},
    {"above", false, {{0.25, 0, 0.5}, {0.25, 0.5, 0.5}}},
    {"on", false, {{0.25, 0.05, 0.5}, {0.17, 0.34, 0.66}}},
};
static const double whole[3] = {0, 0, 1};

static const lt_places *places_of(const char *relation) {
    for (size_t i = 0; relation && i < LT_COUNT(places); i++)
        if (!strcmp(places[i].relation, relation)) return &places[i];
    return NULL;
}

/* The class called name; -1: the judge knows none. */
static int class_of(const lt_session *judge, const char *name) {
    for (int i = 0; name && i < judge->parts->classifier.classes; i++)
        if (!strcmp(judge->parts->labels[i], name)) return i;
    return -1;
}

/* The square at place [left, top, side] of pixels [side, side, 3], to x [size, size, 3]. */
static void cut(const float *pixels, int side, const double *place, int size, lt_port x) {
    const int most = side - size;
    const int left = (int)lt_min((size_t)lround(place[0] * side), (size_t)most);
    const int top = (int)lt_min((size_t)lround(place[1] * side), (size_t)most);
    for (int y = 0; y < size; y++)
        lt_port_write(x, (size_t)y * (size_t)size * 3, pixels + ((size_t)(top + y) * (size_t)side + (size_t)left) * 3,
                      (size_t)size * 3);
}

/* The place of the largest of n logits, the first of those that are equal. */
static int largest(lt_port logits, int n) {
    float most = -INFINITY, value;
    int best = 0;
    for (int i = 0; i < n; i++) {
        lt_port_read(logits, (size_t)i, &value, 1);
        if (!(value > most)) continue;
        most = value;
        best = i;
    }
    return best;
}

static lt_status see(const judge_work *w, lt_session *judge, size_t i, const double *place, int *class) {
    const lt_module_size module = {.n = 1};
    const int size = judge->parts->classifier.size, side = (int)lround(size / place[2]);
    const lt_picture_options options = {.size = side};
    lt_plan *plan;
    LT_TRY(lt_module_plan(judge, LT_MODULE_CLASSIFIER, &module, &plan));
    float *pixels = lt_alloc((size_t)side * (size_t)side * 3 * sizeof *pixels);
    lt_status status = pixels ? lt_dataset_load(w->dataset, i, &options, 0, pixels) : LT_ERROR_MEMORY;
    if (!status) {
        cut(pixels, side, place, size, lt_plan_port(plan, "x"));
        lt_port_fill(lt_plan_port(plan, "t"), 0);
        status = lt_module_run(judge, plan, LT_RATE_PROMPT);
    }
    if (!status) *class = largest(lt_plan_port(plan, "logits"), judge->parts->classifier.classes);
    lt_free(pixels);
    return status;
}

/* What the judge, which does nothing else meanwhile, takes a place of picture i for. */
static lt_status look(const judge_work *w, lt_session *judge, size_t i, const double *place, int *class) {
    const lt_argument arguments[] = {{"session", judge, .busy = &judge->busy}};
    lt_door door;
    lt_status status = lt_enter(&door, "lt_eval_judges", arguments, LT_COUNT(arguments));
    if (!status) {
        judge->target.cancelled = w->call->watch.cancelled;
        judge->target.cancelled_user = w->call->watch.user;
        status = see(w, judge, i, place, class);
        judge->target.cancelled = NULL;
    }
    return lt_leave(&door, status);
}

/* Both things of a pair, each where its relation has it. */
static lt_status look_for_pair(const judge_work *w, lt_session *judge, size_t i, const asked *row, bool *right) {
    const lt_places *p = places_of(row->relation);
    const int first = class_of(judge, row->things[0]), second = class_of(judge, row->things[1]);
    int seen[THINGS] = {-1, -1};
    for (int k = 0; k < THINGS; k++) LT_TRY(look(w, judge, i, p->of[k], &seen[k]));
    *right = (seen[0] == first && seen[1] == second) || (p->either && seen[0] == second && seen[1] == first);
    return LT_OK;
}

/* *known: whether the judge has what is asked for among its classes. */
static lt_status ask(const judge_work *w, size_t k, size_t i, const asked *row, bool *known, bool *right) {
    lt_session *judge = w->call->judges[k].session;
    const bool pair =
        !strcmp(w->call->judges[k].aspect, "thing") && row->things[0] && row->things[1] && places_of(row->relation);
    const int wanted = class_of(judge, row->values[k]);
    int seen = -1;
    *known = pair ? class_of(judge, row->things[0]) >= 0 && class_of(judge, row->things[1]) >= 0 : wanted >= 0;
    if (!*known) return LT_OK;
    if (pair) return look_for_pair(w, judge, i, row, right);
    LT_TRY(look(w, judge, i, whole, &seen));
    *right = seen == wanted;
    return LT_OK;
}

/* ---- Counting ---- */

static lt_status kind_of(judge_work *w, const char *name, lt_judged **kind) {
    lt_judgement *out = w->out;
    if (!name) name = "all";
    for (size_t i = 0; i < out->count; i++)
        if (!strcmp((*kind = &out->kinds[i])->kind, name)) return LT_OK;
    if (out->count == LT_MAX_KINDS)
        return lt_fail(LT_ERROR_UNSUPPORTED, "there are more than %d kinds of pictures", LT_MAX_KINDS);
    *kind = &out->kinds[out->count];
    **kind = (lt_judged){.kind = lt_arena_strndup(w->names, name, strlen(name))};
    if (!(*kind)->kind) return LT_ERROR_MEMORY;
    out->count++;
    return LT_OK;
}

static lt_status judge_picture(judge_work *w, size_t i, const asked *row) {
    lt_judged *kind;
    bool any = false, all = true;
    LT_TRY(kind_of(w, row->kind, &kind));
    for (size_t k = 0; k < w->call->count; k++) {
        bool known, right = false;
        LT_TRY(ask(w, k, i, row, &known, &right));
        if (!known) continue;
        kind->asked[k]++;
        kind->right[k] += right;
        any = true;
        all = all && right;
    }
    kind->pictures += any;
    kind->all_right += any && all;
    return LT_OK;
}

static lt_status judge_all(judge_work *w, lt_bytes text) {
    const size_t count = lt_dataset_count(w->dataset);
    lt_arena arena = {0};
    lt_bytes line;
    size_t number = 0;
    lt_status status = LT_OK;
    for (size_t i = 0; i < count && !status; i++) {
        asked row = {0};
        if (!lt_next_line(&text, &line, &number))
            status = lt_fail(LT_ERROR_FORMAT, "it has fewer lines than the data set has pictures");
        else
            status = read_row(w, &arena, i, line, &row);
        if (status) status = lt_fail_in(status, "line %zu", number);
        if (!status) status = judge_picture(w, i, &row);
        if (!status) status = lt_eval_report(&w->call->watch, i + 1, count);
        lt_arena_free(&arena);
    }
    return status;
}

static lt_status check_judge(const lt_judge *judge) {
    const lt_components *parts = judge->session->parts;
    LT_TRY(lt_module_needed(parts, LT_MODULE_CLASSIFIER, ", so it can't judge"));
    if (parts->classifier.half.in_channels == 3) return LT_OK;
    return lt_fail(LT_ERROR_MODEL,
                   "the judge of \"%s\" reads latents of %d channels: one of pictures is trained with --space pixel "
                   "--clean",
                   judge->aspect, parts->classifier.half.in_channels);
}

static lt_status check_judges(const lt_judging *j) {
    LT_TRY(lt_reserved_check(j->reserved));
    if (!j->data || !j->judges || j->count < 1 || j->count > LT_MAX_JUDGES)
        return lt_fail(LT_ERROR_ARGUMENT, "judging: it needs data and 1 to %d judges", LT_MAX_JUDGES);
    for (size_t k = 0; k < j->count; k++) {
        if (!j->judges[k].aspect || !j->judges[k].session)
            return lt_fail(LT_ERROR_ARGUMENT, "judge %zu: it needs an aspect and a session", k);
        LT_TRY(check_judge(&j->judges[k]));
    }
    return LT_OK;
}

/* The data set, and its list, which says what is to be seen. */
static lt_status judge_data(judge_work *w) {
    lt_map map;
    LT_TRY(lt_dataset_open(w->call->data, &w->dataset));
    char *path = lt_format("%s/metadata.jsonl", w->call->data);
    lt_status status = path ? lt_map_open(path, &map) : LT_ERROR_MEMORY;
    if (!status) {
        status = lt_map_finish(&map, judge_all(w, (lt_bytes){map.data, map.size}));
        if (status) lt_fail_in(status, "%s", path);
    }
    lt_free(path);
    return status;
}

static lt_status judge(const lt_judging *call, lt_judgement *out) {
    LT_TRY(check_judges(call));
    judge_work w = {.call = call, .out = out, .names = lt_calloc(1, sizeof *w.names)};
    out->owner = w.names;
    const lt_status status = w.names ? judge_data(&w) : LT_ERROR_MEMORY;
    lt_dataset_close(w.dataset);
    return status;
}

lt_status lt_eval_judges(const lt_judging *judging, lt_judgement *out) {
    const lt_argument arguments[] = {{"judging", judging}, {"out", .out = out, .size = sizeof *out}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = judge(judging, out);
    if (status) lt_judgement_free(out);
    return lt_leave(&door, status);
}

void lt_judgement_free(lt_judgement *judgement) {
    if (!judgement) return;
    if (judgement->owner) lt_arena_free(judgement->owner);
    lt_free(judgement->owner);
    *judgement = (lt_judgement){0};
}
