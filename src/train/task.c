/* What every trainer does to begin: parameters, the plan, the memory that they take, a loader. */
#include "train/task.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- Memory ---- */

static const double GB = 1e9;

/* For `count` trained numbers: values, gradients, AdamW's two moments, and averages if there are any. */
static double parameter_bytes(const lt_training *t, size_t count) {
    const int copies = t->options->adamw.ema > 0 ? 5 : 4;
    return (double)copies * (double)count * sizeof(float);
}

/* A machine that swaps is no use to anybody: what is needed must be there before a training starts. parameters:
 * parameter_bytes; others: activations and packed weights, 0 while they are not known. */
static lt_status check_memory(const lt_training *t, double parameters, double others) {
    const double machine = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    const double limit = t->options->computing.memory > 0 ? t->options->computing.memory * GB : machine;
    if (parameters + others <= limit) return LT_OK;
    const char *advice = "A smaller `batch`, `recompute`, `ema` 0 or `only` cross-attention need less";
    if (others <= 0)
        return lt_fail(LT_ERROR_MEMORY,
                       "this training needs %.3g GB for weights, gradients and moments alone; there are %.3g. %s",
                       parameters / GB, limit / GB, advice);
    return lt_fail(LT_ERROR_MEMORY,
                   "this training needs %.3g GB, of which %.3g are weights, gradients and moments; there are %.3g. %s",
                   (parameters + others) / GB, parameters / GB, limit / GB, advice);
}

/* ---- Parameters and plan ---- */

/* list becomes the tensors of options->init that part picks, if there is an init. */
static lt_status take_part(const lt_train_models *m, lt_trains_fn part, lt_tensor_list *list) {
    if (!m->init) return LT_OK;
    lt_tensor_list_free(list);
    for (size_t i = 0; i < m->init_count; i++)
        if (part(m->init[i].name)) LT_TRY(lt_tensor_list_add(list, m->init[i].name, &m->init[i]));
    return LT_OK;
}

static lt_status create(lt_training *t, const lt_tensor_list *list, lt_trains_fn trains) {
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++)
        if (trains(list->tensors[i].name)) count += lt_tensor_count(&list->tensors[i]);
    if (!count) return lt_fail(LT_ERROR_MODEL, "%s has nothing of what is to be trained", t->options->files.init);
    LT_TRY(check_memory(t, parameter_bytes(t, count), 0));
    return lt_parameters_create(list->tensors, list->count, trains, t->options->computing.seed, &t->parameters);
}

lt_status lt_training_own_parameters(lt_training *t, lt_tensor_list *list, lt_trains_fn trains) {
    const lt_status status = create(t, list, trains);
    lt_tensor_list_free(list);
    return status;
}

lt_status lt_training_make_parameters(lt_training *t, lt_tensor_list *list, lt_trains_fn part, lt_trains_fn trains) {
    const lt_status status = take_part(t->models, part, list);
    if (!status) return lt_training_own_parameters(t, list, trains);
    lt_tensor_list_free(list);
    return status;
}

lt_status lt_training_make_plan(lt_training *t, lt_graph *graph, lt_status built) {
    graph->maker = NULL; /* a loss that is no number ends the training with other words (train.c) */
    LT_TRY(lt_plan_built(graph, built, &t->target, &t->plan));
    size_t count = 0;
    for (size_t i = 0; i < t->parameters.count; i++) count += t->parameters.items[i].count;
    const size_t others = lt_plan_arena_size(t->plan) + lt_weights_packed_size(t->parameters.weights);
    return check_memory(t, parameter_bytes(t, count), (double)others);
}

lt_status lt_training_start_loader(const lt_training *t, lt_loader **loader) {
    const lt_train_options *o = t->options;
    const lt_picture_options picture = {.size = o->pictures.size, .crop = o->pictures.crop, .flip = o->pictures.flip};
    return lt_loader_start(t->data, &picture, o->length.batch, o->computing.seed, t->run.place, o->notice, o->user,
                           loader);
}

lt_unet lt_training_unet(const lt_training *t, int channels) {
    const lt_train_options *o = t->options;
    lt_unet unet = {.in_channels = channels,
                    .out_channels = channels,
                    .channels = o->network.width,
                    .levels = o->network.levels,
                    .middle_depth = 1};
    for (int i = 0; i < o->network.levels; i++)
        unet.level[i] = (lt_resolution){o->network.mult[i] * o->network.width, o->network.blocks,
                                        o->network.attention_levels >> i & 1};
    return unet;
}

lt_status lt_training_check_captions(const lt_training *t, const lt_dataset *data, const char *path) {
    const size_t count = lt_dataset_count(data), without = count - lt_dataset_captioned(data);
    const char *list = lt_dataset_unread_list(data);
    char unread[512] = "";
    if (list) snprintf(unread, sizeof unread, "; %s is not read: only a metadata.jsonl in %s itself is", list, path);
    if (without == count)
        return lt_fail(LT_ERROR_FORMAT,
                       "%s: no picture has a caption: \"text\" in metadata.jsonl, NAME.txt or NAME.caption%s", path,
                       unread);
    if (without)
        lt_training_notify(t, "%s: %zu of %zu pictures %s no caption%s", path, without, count,
                           without == 1 ? "has" : "have", unread);
    return LT_OK;
}

lt_status lt_training_poll(const lt_training *t, const char *doing) {
    const lt_train_options *o = t->options;
    if (!t->stopped && (!o->cancelled || !o->cancelled(o->user))) return LT_OK;
    return lt_fail(LT_ERROR_CANCELLED, "stopped while %s", doing);
}

lt_status lt_training_poll_measuring(void *training) { return lt_training_poll(training, "measuring"); }

void lt_training_notify(const lt_training *t, const char *format, ...) {
    if (!t->options->notice) return;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    t->options->notice(t->options->user, text);
}
