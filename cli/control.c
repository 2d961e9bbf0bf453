/* --control: models that pictures are drawn by, and the pictures. */
#include "control.h"

#include "models.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Opening ---- */

static lt_status open_one(const lt_control_files *files, const char *models, const lt_model *base,
                          lt_control_inputs *c) {
    const size_t i = c->count++;
    const char *path;
    lt_open_options options = lt_open_options_defaults();
    options.notice = lt_print_notice;
    options.base = base;
    LT_TRY(lt_models_path(lt_models_folder(models), LT_SHELF_CONTROL, files->model, &path));
    LT_TRY(lt_model_open(path, &options, &c->models[i]));
    LT_TRY(lt_image_load(files->image, &c->images[i]));
    c->items[i] = files->control;
    c->items[i].model = c->models[i];
    c->items[i].image = &c->images[i];
    return LT_OK;
}

/* Cuts the next annotator off the list at *at, which becomes NULL behind the last one. "none" and nothing at all are
 * none: NULL. */
static const char *next_annotator(char **at) {
    char *word = *at + strspn(*at, " "), *comma = strchr(word, ',');
    if (comma) *comma = '\0';
    *at = comma ? comma + 1 : NULL;
    return *word && strcmp(word, "none") ? word : NULL;
}

int lt_control_check(const lt_control_list *list) {
    char *all = list->annotators ? tool_strdup(list->annotators) : NULL, *at = all;
    lt_status status = LT_OK;
    size_t count = 0;
    if (list->annotators && !all) return lt_complain_error();
    for (; at && !status; count++) {
        const char *annotator = next_annotator(&at);
        if (annotator) status = lt_annotator_check(annotator);
    }
    free(all);
    if (!status && count > list->count && list->count)
        lt_complain(LT_EXIT_OK, "note: --annotator %s: %zu for %zu --control%s: those behind do nothing",
                    list->annotators, count, list->count, list->count > 1 ? "s" : "");
    return status ? lt_complain_of(status) : LT_EXIT_OK;
}

/* One each; the last one is that of all further controls. */
static lt_status name_annotators(const char *list, lt_control_inputs *controls) {
    const char *annotator = NULL;
    if (!list) return LT_OK;
    if (!(controls->annotators = tool_strdup(list))) return LT_ERROR_MEMORY;
    char *at = controls->annotators;
    for (size_t i = 0; i < controls->count; i++) {
        if (at) annotator = next_annotator(&at);
        controls->items[i].annotator = annotator;
    }
    return LT_OK;
}

lt_status lt_control_inputs_open(const lt_control_list *list, const char *models, const lt_model *base,
                                 lt_control_inputs *controls) {
    for (size_t i = 0; i < list->count; i++) {
        LT_TRY(open_one(&list->items[i], models, base, controls));
        controls->items[i].mode = list->mode;
        controls->items[i].fit = list->fit;
    }
    return name_annotators(list->annotators, controls);
}

void lt_control_inputs_close(lt_control_inputs *controls) {
    for (size_t i = 0; i < controls->count; i++) {
        lt_model_close(controls->models[i]);
        lt_image_free(&controls->images[i]);
    }
    free(controls->annotators);
    *controls = (lt_control_inputs){0};
}

/* ---- Alone, for `latent run unet` ---- */

static size_t count_of(const lt_array *a) {
    size_t count = 1;
    for (int i = 0; i < a->rank; i++) count *= a->shape[i];
    return count;
}

/* The picture as the array "hint" [n, 3, height, width] in [0, 1]. */
static lt_status read_hint(const lt_image *image, size_t n, lt_array *hint) {
    const size_t pixels = (size_t)image->width * (size_t)image->height;
    float *values = tool_calloc(n, 3 * pixels * sizeof *values);
    if (!values) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < n * 3 * pixels; i++) values[i] = (float)image->pixels[i % pixels * 3 + i / pixels % 3] / 255;
    *hint = (lt_array){"hint", 4, {n, 3, (size_t)image->height, (size_t)image->width}, values};
    return LT_OK;
}

/* What a ControlNet makes of in and the hint, or an adapter of the hint alone. */
static lt_status run_module(lt_session *session, const lt_arrays *in, const lt_array *hint, lt_arrays *out) {
    lt_array *all = tool_calloc(in->count + 1, sizeof *all);
    if (!all) return LT_ERROR_MEMORY;
    memcpy(all, in->items, in->count * sizeof *all);
    all[in->count] = *hint;
    const char *control = lt_model_describe(lt_session_model(session)).control;
    const bool adapter = control && !strcmp(control, "T2I-Adapter");
    const lt_status status =
        adapter ? lt_run(session, "t2i-adapter", hint, 1, out) : lt_run(session, "controlnet", all, in->count + 1, out);
    free(all);
    return status;
}

static lt_status run_one(const lt_control *control, const lt_session_options *options, const lt_arrays *in,
                         lt_arrays *out) {
    const lt_array *x = lt_arrays_find(in, "x");
    lt_session *session;
    lt_array hint = {0};
    LT_TRY(lt_session_open((lt_model *)(uintptr_t)control->model, options, &session));
    lt_status status = read_hint(control->image, x && x->rank ? x->shape[0] : 1, &hint);
    if (!status) status = run_module(session, in, &hint, out);
    free((float *)(uintptr_t)hint.data);
    lt_session_close(session);
    return status;
}

/* The U-Net's input of what was made, among those that were added behind the first `own`; or a new one. */
static lt_array *input_of(lt_control_arrays *more, size_t own, const lt_array *made) {
    char *name = tool_format("added.%s", made->name);
    if (!name) return NULL;
    for (size_t i = own; i < more->count; i++)
        if (!strcmp(more->items[i].name, name)) return free(name), &more->items[i];
    float *sum = tool_calloc(count_of(made), sizeof *sum);
    if (!sum) return free(name), NULL;
    more->items[more->count] = *made;
    more->items[more->count].name = name;
    more->items[more->count].data = sum;
    return &more->items[more->count++];
}

/* Adds what a control has made, times its strength. */
static lt_status add_up(const lt_arrays *out, float strength, lt_control_arrays *more) {
    for (size_t i = 0; i < out->count; i++) {
        const lt_array *from = &out->items[i], *to = input_of(more, more->own, from);
        if (!to) return LT_ERROR_MEMORY;
        if (count_of(from) != count_of(to))
            return lt_fail(LT_ERROR_ARGUMENT, "--control: these are for U-Nets of two kinds");
        float *sum = (float *)(uintptr_t)to->data;
        for (size_t k = 0; k < count_of(to); k++) sum[k] += strength * from->data[k];
    }
    return LT_OK;
}

static lt_status run_all(const lt_control_inputs *controls, const lt_session_options *options, const lt_arrays *in,
                         lt_control_arrays *more) {
    for (size_t i = 0; i < controls->count; i++) {
        lt_arrays out;
        LT_TRY(run_one(&controls->items[i], options, in, &out));
        const lt_status status = add_up(&out, controls->items[i].strength, more);
        lt_arrays_free(&out);
        LT_TRY(status);
    }
    return LT_OK;
}

lt_status lt_control_inputs_run(const lt_control_inputs *controls, const lt_model_options *o, const lt_arrays *in,
                                lt_control_arrays *more) {
    enum { MOST = 64 }; /* that are added: residuals and features */
    lt_session_options options = lt_session_options_defaults();
    options.precision = o->precision;
    options.isa = o->isa;
    options.threads = o->threads;
    options.notice = lt_print_notice;
    more->items = tool_calloc(in->count + MOST, sizeof *more->items);
    if (!more->items) return LT_ERROR_MEMORY;
    for (; more->own < in->count; more->own++) more->items[more->own] = in->items[more->own];
    more->count = more->own;
    return run_all(controls, &options, in, more);
}

void lt_control_arrays_free(lt_control_arrays *arrays) {
    for (size_t i = arrays->own; i < arrays->count; i++) {
        free((char *)(uintptr_t)arrays->items[i].name);
        free((float *)(uintptr_t)arrays->items[i].data);
    }
    free(arrays->items);
    *arrays = (lt_control_arrays){0};
}
