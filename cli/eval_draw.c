/* eval: draws a list of prompts and has the pictures compared. */
#include "eval.h"
#include "sheet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct draw_work {
    const lt_eval_options *o;
    lt_count_line *line;
    lt_prompt_list prompts;
    lt_dataset *dataset; /* NULL without --data */
    const char **keys;   /* [pictures of dataset] */
    lt_arena arena;      /* their strings */
    lt_samples *samples;
    lt_sheet sheet;
    size_t prompt, picture_count; /* the prompt that is drawn; pictures in all */
} draw_work;

/* ---- What is needed first ---- */

static lt_status read_lists(draw_work *w) {
    const lt_eval_options *o = w->o;
    LT_TRY(lt_prompts_read(o->prompts, o->data ? o->key : NULL, (size_t)o->count, &w->prompts));
    w->picture_count = w->prompts.count * (size_t)o->seeds;
    if (!o->data) return LT_OK;
    LT_TRY(lt_dataset_open(o->data, &w->dataset));
    w->keys = lt_calloc(lt_dataset_count(w->dataset), sizeof *w->keys);
    if (!w->keys) return LT_ERROR_MEMORY;
    return lt_dataset_keys(w->dataset, o->data, o->key, &w->arena, w->keys);
}

static lt_status choose_size(const lt_eval_options *o, const lt_session *session, lt_drawn *out) {
    const lt_model_info info = lt_model_describe(lt_session_model(session));
    if (!info.draws)
        return lt_fail(LT_ERROR_MODEL, "this checkpoint can't draw: it lacks a text encoder, U-Net or VAE");
    if (o->size % info.factor)
        return lt_fail(LT_ERROR_ARGUMENT, "--size %d: this model needs multiples of %d", o->size, info.factor);
    out->width = o->size ? o->size : info.width;
    out->height = o->size ? o->size : info.height;
    return LT_OK;
}

static lt_status open_sheet(draw_work *w, const lt_drawn *out) {
    if (!w->o->sheet) return LT_OK;
    int lines = 0;
    for (size_t i = 0; i < w->prompts.count; i++) {
        const int needed = lt_sheet_lines(w->prompts.rows[i].prompt, out->width);
        lines = needed > lines ? needed : lines;
    }
    return lt_sheet_open(&w->sheet, w->picture_count, w->o->columns, out->width, out->height, lines);
}

static lt_status make_folder(const char *path) {
    struct stat info;
    if (!path || mkdir(path, 0777) == 0) return LT_OK;
    const int reason = errno;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) return LT_OK;
    return lt_fail(LT_ERROR_FILE, "--pictures %s: the folder can't be made: %s", path, strerror(reason));
}

/* ---- Drawing ---- */

static bool show_step(void *user, const lt_progress *p) {
    draw_work *w = user;
    const double done = (double)(w->prompt * (size_t)w->o->seeds) + p->picture + (double)p->step / p->steps;
    return lt_count_show(w->line, done, w->picture_count);
}

/* "FOLDER/003-7.png": the third prompt, seed 7 */
static lt_status save_picture(const draw_work *w, const lt_result *r, int i) {
    char *path = lt_format("%s/%03zu-%llu.png", w->o->pictures, w->prompt + 1, (unsigned long long)r->seeds[i]);
    const lt_status status = path ? lt_image_save(path, &r->images[i], r->parameters[i]) : LT_ERROR_MEMORY;
    lt_free(path);
    return status;
}

/* All seeds of a prompt at once: its text is read once. */
static lt_status draw_prompt(draw_work *w, lt_session *session, const lt_drawn *out) {
    const lt_eval_options *o = w->o;
    const char *prompt = w->prompts.rows[w->prompt].prompt;
    lt_request request = lt_request_defaults();
    request.prompt = prompt;
    request.plain_prompt = true; /* CLIP reads it letter by letter, too */
    request.width = out->width;
    request.height = out->height;
    request.steps = o->steps;
    request.guidance = (float)o->cfg;
    request.sampler = o->sampler;
    request.random_seed = false;
    request.seed = o->seed;
    request.count = o->seeds;
    request.progress = show_step;
    request.cancelled = lt_stop_asked;
    request.user = w;
    lt_result result;
    lt_status status = lt_generate(session, &request, &result);
    for (int i = 0; !status && i < result.count; i++) {
        status = lt_samples_add(w->samples, w->prompt, &result.images[i]);
        if (!status && o->pictures) status = save_picture(w, &result, i);
        if (!status && o->sheet)
            lt_sheet_put(&w->sheet, w->prompt * (size_t)o->seeds + (size_t)i, &result.images[i], prompt);
    }
    lt_result_free(&result);
    return status;
}

static lt_status draw_all(draw_work *w, lt_session *session, lt_session *clip, lt_drawn *out) {
    const lt_watch watch = {lt_count_show_whole, lt_stop_asked, w->line};
    lt_count_begin(w->line, "reading");
    LT_TRY(read_lists(w));
    LT_TRY(choose_size(w->o, session, out));
    LT_TRY(open_sheet(w, out));
    LT_TRY(make_folder(w->o->pictures));
    LT_TRY(lt_samples_open(&w->prompts, clip, w->dataset, w->keys, &watch, &w->samples));
    lt_count_begin(w->line, "drawing");
    const double started = lt_now();
    for (w->prompt = 0; w->prompt < w->prompts.count; w->prompt++) LT_TRY(draw_prompt(w, session, out));
    out->seconds = lt_now() - started;
    out->prompts = w->prompts.count;
    out->by_clip = clip != NULL;
    out->by_pictures = w->dataset != NULL;
    lt_samples_result(w->samples, &out->clip, &out->retrieval);
    return w->o->sheet ? lt_sheet_save(&w->sheet, w->o->sheet) : LT_OK;
}

lt_status lt_eval_draw(const lt_eval_options *o, lt_session *session, lt_session *clip, lt_count_line *line,
                       lt_drawn *out) {
    *out = (lt_drawn){0};
    draw_work w = {.o = o, .line = line};
    const lt_status status = draw_all(&w, session, clip, out);
    lt_samples_close(w.samples);
    lt_sheet_close(&w.sheet);
    lt_dataset_close(w.dataset);
    lt_free(w.keys);
    lt_arena_free(&w.arena);
    lt_prompts_free(&w.prompts);
    return status;
}
