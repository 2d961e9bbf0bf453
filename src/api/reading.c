/* The public interface: what a prompt says at each step. */
#include "base/door.h"
#include "base/fields.h"
#include "diffusion/diffusion.h"
#include "text/attention.h"
#include "text/networks.h"
#include "text/script.h"

#include <string.h>

/* Where all that a reading points to is. */
typedef struct owner {
    lt_buffer uncommented, text;
    lt_networks networks;
    lt_script script;
    lt_attention *attention; /* [said_count], of all parts' texts in turn, likewise: */
    lt_said *said;
    size_t said_count;
    lt_weighed **weighed;
    lt_prompt_part *parts;  /* [script.count] */
    size_t *used;           /* [script.count, calls] */
    lt_prompt_network *all; /* [networks.count] */
} owner;

static void free_owner(owner *o) {
    for (size_t i = 0; i < o->said_count; i++) {
        if (o->attention) lt_attention_free(&o->attention[i]);
        if (o->weighed) lt_free(o->weighed[i]);
    }
    lt_free(o->attention);
    lt_free(o->said);
    lt_free(o->weighed);
    lt_free(o->parts);
    lt_free(o->used);
    lt_free(o->all);
    lt_script_free(&o->script);
    lt_networks_free(&o->networks);
    lt_buffer_free(&o->uncommented);
    lt_buffer_free(&o->text);
    lt_free(o);
}

/* ---- Reading ---- */

static lt_status take_text(owner *o, const lt_request *r, const char *prompt) {
    if (r->plain_prompt) return lt_buffer_append(&o->text, prompt, strlen(prompt));
    if (!r->literal_hash) LT_TRY(lt_comments_take(prompt, &o->uncommented));
    return lt_networks_take(r->literal_hash ? prompt : o->uncommented.data, &o->text, &o->networks);
}

static lt_status allocate(owner *o, int calls) {
    for (size_t i = 0; i < o->script.count; i++) o->said_count += o->script.parts[i].count;
    o->attention = lt_calloc(o->said_count, sizeof *o->attention);
    o->said = lt_calloc(o->said_count, sizeof *o->said);
    o->weighed = lt_calloc(o->said_count, sizeof *o->weighed);
    o->parts = lt_calloc(o->script.count, sizeof *o->parts);
    o->used = lt_calloc(o->script.count, (size_t)calls * sizeof *o->used);
    o->all = lt_calloc(o->networks.count + 1, sizeof *o->all);
    return o->attention && o->said && o->weighed && o->parts && o->used && o->all ? LT_OK : LT_ERROR_MEMORY;
}

/* The i-th text of all. */
static lt_status weigh(owner *o, size_t i, const lt_script_entry *entry, bool literal) {
    lt_attention *a = &o->attention[i];
    LT_TRY(lt_attention_read(entry->text, literal, a));
    lt_weighed *w = o->weighed[i] = lt_calloc(a->count, sizeof *w);
    if (!w) return LT_ERROR_MEMORY;
    for (size_t k = 0; k < a->count; k++) {
        const size_t begin = a->items[k].begin;
        w[k] = (lt_weighed){a->text.data + begin, lt_stretch_end(a, k) - begin, a->items[k].weight};
    }
    o->said[i] = (lt_said){entry->end, entry->text, w, a->count};
    return LT_OK;
}

static lt_status weigh_all(owner *o, int calls, bool literal) {
    size_t said = 0;
    for (size_t i = 0; i < o->script.count; i++) {
        const lt_script_part *part = &o->script.parts[i];
        size_t *used = o->used + i * (size_t)calls;
        o->parts[i] = (lt_prompt_part){part->weight, o->said + said, part->count, used};
        for (size_t k = 0; k < part->count; k++) LT_TRY(weigh(o, said++, &part->entries[k], literal));
        for (int call = 0; call < calls; call++) used[call] = lt_script_entry_at(part, call);
    }
    return LT_OK;
}

static lt_status read_prompt(owner *o, const lt_request *r, bool negative, int before, lt_reading *reading) {
    const int twice = lt_sampler_calls(r->sampler), calls = r->steps * twice;
    const lt_script_rules rules = {!negative, r->plain_prompt, {calls, before * twice}};
    LT_TRY(take_text(o, r, negative ? r->negative_prompt : r->prompt));
    LT_TRY(lt_script_read(o->text.data, rules, &o->script));
    LT_TRY(allocate(o, calls));
    LT_TRY(weigh_all(o, calls, r->plain_prompt || r->emphasis == LT_EMPHASIS_NONE));
    for (size_t i = 0; i < o->networks.count; i++) {
        const lt_network *n = &o->networks.items[i];
        o->all[i] = (lt_prompt_network){n->kind, (const char *const *)n->arguments, n->argument_count};
    }
    *reading = (lt_reading){o->text.data, o->all, o->networks.count, o->parts, o->script.count, calls, o};
    return LT_OK;
}

static lt_status check(const lt_request *r, int before) {
    LT_TRY(lt_fields_check(lt_request_fields(), r));
    if (before >= 0 && before <= LT_TRAIN_STEPS) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT, "steps_before: %d; 0 to %d is possible", before, LT_TRAIN_STEPS);
}

static lt_status read_owned(const lt_request *r, bool negative, int before, lt_reading *reading) {
    LT_TRY(check(r, before));
    owner *o = lt_calloc(1, sizeof *o);
    if (!o) return LT_ERROR_MEMORY;
    const lt_status status = read_prompt(o, r, negative, before, reading);
    if (status) free_owner(o);
    return status;
}

lt_status lt_read_prompt(const lt_request *request, bool negative, int steps_before, lt_reading *reading) {
    const lt_argument arguments[] = {{"request", request}, {"reading", .out = reading, .size = sizeof *reading}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = read_owned(request, negative, steps_before, reading);
    return lt_leave(&door, status);
}

void lt_reading_free(lt_reading *reading) {
    if (!reading) return;
    if (reading->owner) free_owner(reading->owner);
    *reading = (lt_reading){0};
}
