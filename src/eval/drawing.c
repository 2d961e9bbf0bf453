/* A list of prompts drawn, and what is drawn compared with them and with the pictures of a data set. */
#include "base/door.h"
#include "base/fields.h"
#include "eval/eval.h"

typedef struct draw_work {
    const lt_drawing *asked;
    lt_dataset *dataset; /* NULL without data */
    const char **keys;   /* [pictures of dataset] */
    lt_arena arena;      /* their strings */
    lt_samples *samples;
    size_t pictures; /* drawn so far */
} draw_work;

static lt_status check_prompts(const lt_prompt_list *prompts) {
    for (size_t i = 0; i < prompts->count; i++)
        if (!prompts->rows || !prompts->rows[i].prompt)
            return lt_fail(LT_ERROR_ARGUMENT, "prompts: number %zu is NULL: one is needed", i);
    return LT_OK;
}

static lt_status check(const lt_drawing *d) {
    LT_TRY(lt_reserved_check(d->reserved));
    if (!d->session || !d->prompts || !d->prompts->count || !d->request || !d->data != !d->key)
        return lt_fail(LT_ERROR_ARGUMENT,
                       "drawing: it needs a session, prompts, a request, and data with a key or neither");
    return check_prompts(d->prompts);
}

static lt_status read_data(draw_work *w) {
    const lt_drawing *d = w->asked;
    if (!d->data) return LT_OK;
    LT_TRY(lt_dataset_open(d->data, &w->dataset));
    w->keys = lt_calloc(lt_dataset_count(w->dataset), sizeof *w->keys);
    if (!w->keys) return LT_ERROR_MEMORY;
    return lt_dataset_keys(w->dataset, d->data, d->key, &w->arena, w->keys);
}

static lt_status take(draw_work *w, size_t prompt, int i, const lt_result *result) {
    const lt_drawing *d = w->asked;
    LT_TRY(lt_samples_add(w->samples, prompt, &result->images[i]));
    w->pictures++;
    if (!d->drawn || d->drawn(d->user, prompt, i, result)) return LT_OK;
    return lt_fail(LT_ERROR_CANCELLED, "stopped after %zu pictures", w->pictures);
}

/* All seeds of a prompt at once: its text is read once. */
static lt_status draw_prompt(draw_work *w, size_t prompt) {
    lt_request request = *w->asked->request;
    lt_result result;
    request.prompt = w->asked->prompts->rows[prompt].prompt;
    LT_TRY(lt_generate(w->asked->session, &request, &result));
    lt_status status = LT_OK;
    for (int i = 0; !status && i < result.count; i++) status = take(w, prompt, i, &result);
    lt_result_free(&result);
    return status;
}

static lt_status draw_all(draw_work *w, lt_drawn *out) {
    const lt_drawing *d = w->asked;
    LT_TRY(read_data(w));
    LT_TRY(lt_samples_open(d->prompts, d->clip, w->dataset, w->keys, &d->watch, &w->samples));
    const double started = lt_now();
    for (size_t i = 0; i < d->prompts->count; i++) LT_TRY(draw_prompt(w, i));
    out->seconds = lt_now() - started;
    out->prompts = d->prompts->count;
    out->pictures = w->pictures;
    lt_samples_result(w->samples, &out->clip, &out->retrieval);
    return LT_OK;
}

static lt_status draw(const lt_drawing *asked, lt_drawn *out) {
    LT_TRY(check(asked));
    draw_work w = {.asked = asked};
    const lt_status status = draw_all(&w, out);
    lt_samples_close(w.samples);
    lt_dataset_close(w.dataset);
    lt_free(w.keys);
    lt_arena_free(&w.arena);
    return status;
}

lt_status lt_eval_drawing(const lt_drawing *drawing, lt_drawn *out) {
    const lt_argument arguments[] = {{"drawing", drawing}, {"out", .out = out, .size = sizeof *out}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = draw(drawing, out);
    return lt_leave(&door, status);
}
