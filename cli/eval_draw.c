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
    lt_findings *out;
    lt_prompt_list prompts;
    lt_sheet sheet;
    size_t drawn, picture_count; /* pictures, and in all */
    lt_status kept;              /* of writing them */
    char *why;                   /* that failed; allocated */
} draw_work;

/* ---- What is needed first ---- */

static lt_status choose_size(const lt_eval_options *o, const lt_session *session, lt_findings *out) {
    const lt_model_info info = lt_model_describe(lt_session_model(session));
    if (!info.draws)
        return lt_fail(LT_ERROR_MODEL, "this checkpoint can't draw: it lacks a text encoder, U-Net or VAE");
    if (o->size % info.factor)
        return lt_fail(LT_ERROR_ARGUMENT, "--size %d: this model needs multiples of %d", o->size, info.factor);
    out->width = o->size ? o->size : info.width;
    out->height = o->size ? o->size : info.height;
    return LT_OK;
}

static lt_status open_sheet(draw_work *w) {
    if (!w->o->sheet) return LT_OK;
    int lines = 0;
    for (size_t i = 0; i < w->prompts.count; i++) {
        const int needed = lt_sheet_lines(w->prompts.rows[i].prompt, w->out->width);
        lines = needed > lines ? needed : lines;
    }
    return lt_sheet_open(&w->sheet, w->picture_count, w->o->columns, w->out->width, w->out->height, lines);
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
    if (!w->drawn && !p->picture && !p->step) lt_count_begin(w->line, "drawing");
    return lt_count_show(w->line, (double)w->drawn + p->picture + (double)p->step / p->steps, w->picture_count);
}

/* "FOLDER/003-7.png": the third prompt, seed 7 */
static lt_status save_picture(const draw_work *w, size_t prompt, const lt_result *r, int i) {
    char *path = tool_format("%s/%03zu-%llu.png", w->o->pictures, prompt + 1, (unsigned long long)r->seeds[i]);
    const lt_status status = path ? lt_image_save(path, &r->images[i], r->parameters[i]) : LT_ERROR_MEMORY;
    free(path);
    return status;
}

static bool keep_picture(void *user, size_t prompt, int i, const lt_result *result) {
    draw_work *w = user;
    if (w->o->pictures) w->kept = save_picture(w, prompt, result, i);
    if (w->kept) w->why = strdup(lt_error_message());
    if (w->o->sheet) lt_sheet_put(&w->sheet, w->drawn, &result->images[i], w->prompts.rows[prompt].prompt);
    w->drawn++;
    return !w->kept;
}

static lt_request make_request(draw_work *w) {
    const lt_eval_options *o = w->o;
    lt_request r = lt_request_defaults();
    r.plain_prompt = true; /* CLIP reads it letter by letter, too */
    r.width = w->out->width;
    r.height = w->out->height;
    r.steps = o->steps;
    r.guidance = o->cfg;
    r.sampler = o->sampler;
    r.random_seed = false;
    r.seed = o->seed;
    r.count = o->seeds;
    r.progress = show_step;
    r.cancelled = lt_stop_asked;
    r.user = w;
    return r;
}

static lt_status draw_all(draw_work *w, lt_session *session, lt_session *clip) {
    const lt_eval_options *o = w->o;
    lt_count_begin(w->line, "reading");
    LT_TRY(lt_prompts_read(o->prompts, o->data ? o->key : NULL, (size_t)o->count, &w->prompts));
    w->picture_count = w->prompts.count * (size_t)o->seeds;
    LT_TRY(choose_size(o, session, w->out));
    LT_TRY(open_sheet(w));
    LT_TRY(make_folder(o->pictures));
    const lt_request request = make_request(w);
    const lt_drawing drawing = {.session = session,
                                .prompts = &w->prompts,
                                .request = &request,
                                .clip = clip,
                                .data = o->data,
                                .key = o->data ? o->key : NULL,
                                .watch = {lt_count_show_whole, lt_stop_asked, w->line},
                                .drawn = keep_picture,
                                .user = w};
    w->out->by_clip = clip != NULL;
    LT_TRY(lt_eval_drawing(&drawing, &w->out->drawn));
    return o->sheet ? lt_sheet_save(&w->sheet, o->sheet) : LT_OK;
}

lt_status lt_eval_draw(const lt_eval_options *o, lt_session *session, lt_session *clip, lt_count_line *line,
                       lt_findings *out) {
    draw_work w = {.o = o, .line = line, .out = out};
    lt_status status = draw_all(&w, session, clip);
    if (w.kept) status = lt_fail(w.kept, "%s", w.why);
    free(w.why);
    lt_sheet_close(&w.sheet);
    lt_prompts_free(&w.prompts);
    return status;
}
