/* The loop of every training: batches forth and back, a step of the optimiser, and now and then everything on disk. */
#include "train/signature.h"
#include "train/task.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Weight of the newest loss in the running mean that people see. */
static const double LOSS_SMOOTHING = 0.02;

const char lt_train_steps_key[] = "latent.train.steps";
/* What they say of one whose measuring in the end was stopped. */
static const char stopped_key[] = "latent.train.stopped";

/* Files and the clock of this session. */
typedef struct session {
    lt_training t;
    const lt_task *task;
    char *state_path, *log_path, *settings;
    lt_writer output; /* open all the while: its lock keeps others away */
    lt_log log;
    double started, saved; /* by lt_now */
    long first_step;       /* of this session */
    double seconds_before; /* of the sessions before */
    lt_team *team_before;  /* the caller's */
} session;

/* ---- On disk ---- */

static double seconds_so_far(const session *s) { return s->seconds_before + lt_now() - s->started; }

/* What is no number is not written over what was. */
static lt_status check_numbers(const session *s) {
    const lt_status status = lt_optimizer_check(&s->t.optimizer);
    return status ? lt_fail_in(status, "step %ld: nothing was written", s->t.run.step) : LT_OK;
}

static lt_status save_state(session *s) {
    const char *const pairs[] = {"settings", s->settings};
    LT_TRY(check_numbers(s));
    s->t.run.seconds = seconds_so_far(s);
    LT_TRY(lt_state_save(s->state_path, &s->t.optimizer, &s->t.run, pairs, 1));
    s->saved = lt_now();
    return LT_OK;
}

static bool time_to_save(const session *s) {
    const lt_train_options *o = s->t.options;
    if (o->length.save_steps && s->t.run.step % o->length.save_steps == 0) return true;
    return o->length.save_minutes > 0 && lt_now() - s->saved > 60 * o->length.save_minutes;
}

/* Exchanges the weights with their moving averages, if there are any. */
static void exchange_averages(lt_training *t) {
    for (size_t i = 0; i < t->optimizer.count; i++) {
        const lt_parameter *p = &t->optimizer.parameters[i];
        for (size_t k = 0; p->ema && k < p->count; k++) {
            const float value = p->value[k];
            p->value[k] = p->ema[k];
            p->ema[k] = value;
        }
    }
    lt_weights_changed(t->parameters.weights);
}

static lt_status write_tensors(lt_writer *file, lt_tensor_list *all, const lt_settings *settings) {
    lt_metadata metadata[LT_MAX_SETTINGS];
    for (size_t i = 0; i < settings->count; i++) metadata[i] = (lt_metadata){settings->keys[i], settings->values[i]};
    lt_tensor_list_sort(all);
    return lt_safetensors_write_into(file, all->tensors, all->count, metadata, settings->count, NULL, NULL, NULL);
}

/* What goes into the model's file: its tensors, and what it says beside them. */
static lt_status describe(session *s, bool cut_short, lt_settings *settings, lt_tensor_list *all) {
    lt_training *t = &s->t;
    LT_TRY(check_numbers(s));
    LT_TRY(lt_settings_set(settings, lt_train_steps_key, "%ld", t->run.step));
    if (cut_short) LT_TRY(lt_settings_set(settings, stopped_key, "true"));
    LT_TRY(s->task->describe(t, settings, all));
    for (size_t i = 0; i < t->parameters.tensors.count && !s->task->alone; i++)
        LT_TRY(lt_tensor_list_add(all, t->parameters.tensors.tensors[i].name, &t->parameters.tensors.tensors[i]));
    return LT_OK;
}

/* The model as others open it, with the averaged weights, into file, which is closed where this succeeds; finished:
 * with what the task measures in the end. LT_ERROR_CANCELLED: it is written, but measuring was cut short. */
static lt_status write_model(session *s, lt_writer *file, bool finished) {
    lt_settings settings = {0};
    lt_tensor_list all = {0};
    exchange_averages(&s->t);
    const lt_status measured = finished && s->task->finish ? s->task->finish(&s->t) : LT_OK;
    lt_status status = measured == LT_ERROR_CANCELLED ? LT_OK : measured;
    if (!status) status = describe(s, measured, &settings, &all);
    if (!status) status = write_tensors(file, &all, &settings);
    exchange_averages(&s->t);
    lt_settings_free(&settings);
    lt_tensor_list_free(&all);
    return status ? status : measured;
}

/* A sample that can't be drawn is no reason to lose a training. */
static lt_status show_sample(session *s) {
    lt_writer file = {0};
    char *path = lt_format("%s.sample", s->t.options->files.output);
    lt_status status = path ? lt_writer_open(path, &file) : LT_ERROR_MEMORY;
    if (!status) status = write_model(s, &file, false);
    if (!status) status = s->t.options->sample(s->t.options->user, s->t.run.step, path);
    lt_writer_abort(&file);
    if (path) unlink(path);
    lt_free(path);
    if (!status || status == LT_ERROR_CANCELLED) return status;
    lt_training_notify(&s->t, "no sample of step %ld: %s", s->t.run.step, lt_error_message());
    return LT_OK;
}

/* ---- One step ---- */

static lt_status stopped(const session *s) {
    return lt_fail(LT_ERROR_CANCELLED, "stopped after step %ld of %ld; `resume` goes on from %s", s->t.run.step,
                   s->t.options->length.steps, s->state_path);
}

static lt_status poll_caller(void *user) {
    const session *s = user;
    const lt_train_options *o = s->t.options;
    return o->cancelled && o->cancelled(o->user) ? stopped(s) : LT_OK;
}

/* The gradients of accumulate batches, added up, and the mean of their losses. */
static lt_status run_batches(session *s, lt_log_row *row) {
    lt_training *t = &s->t;
    const int count = t->options->length.accumulate;
    row->loss = 0;
    for (int i = 0; i < count; i++) {
        LT_TRY(s->task->next(t));
        LT_TRY(lt_plan_run(t->plan, LT_RATE_PROMPT, poll_caller, s));
        row->loss += s->task->loss(t, row) / count;
    }
    if (isfinite(row->loss)) return LT_OK;
    const bool saved = !access(s->state_path, F_OK);
    return lt_fail(LT_ERROR_ARGUMENT,
                   "step %ld: the loss of %s is not a number. %s with a lower `rate` or a stronger `clip`",
                   t->run.step + 1, s->task->module,
                   saved ? "What was saved before is untouched: go on from there" : "Begin anew");
}

static lt_status report(session *s, lt_log_row *row, double step_seconds) {
    lt_training *t = &s->t;
    const lt_train_options *o = t->options;
    const double smoothing = fmax(LOSS_SMOOTHING, 1.0 / (double)t->run.step);
    t->run.loss += smoothing * (row->loss - t->run.loss);
    row->step = t->run.step;
    row->seconds = seconds_so_far(s);
    row->samples_per_second = (double)o->length.batch * o->length.accumulate / step_seconds;
    LT_TRY(lt_log_write(&s->log, row));
    if (!o->progress) return LT_OK;
    const long done = t->run.step - s->first_step;
    const double pace = (lt_now() - s->started) / (double)done;
    lt_train_progress p = {.step = row->step, .steps = o->length.steps, .loss = t->run.loss, .rate = row->rate};
    p.gradient_norm = row->gradient_norm;
    p.samples_per_second = (double)o->length.batch * o->length.accumulate / pace;
    p.seconds_left = pace * (double)(o->length.steps - row->step);
    memcpy(p.name, row->name, sizeof p.name);
    memcpy(p.value, row->value, sizeof p.value);
    return o->progress(o->user, &p) ? LT_OK : stopped(s);
}

static lt_status one_step(session *s) {
    lt_training *t = &s->t;
    const double start = lt_now();
    lt_log_row row = {0};
    lt_optimizer_report done;
    const uint64_t place = t->run.place;
    lt_status status = run_batches(s, &row);
    if (!status)
        status = lt_optimizer_step(&t->optimizer, lt_kernels_get(t->target.isa), t->options->length.accumulate, &done);
    if (status) { /* the weights are those of the last whole step */
        t->run.place = place;
        return status;
    }
    lt_weights_changed(t->parameters.weights);
    t->run.step = t->optimizer.step;
    row.rate = done.rate;
    row.gradient_norm = done.gradient_norm;
    return report(s, &row, lt_now() - start);
}

static lt_status run_steps(session *s) {
    const lt_train_options *o = s->t.options;
    while (s->t.run.step < o->length.steps) {
        LT_TRY(one_step(s));
        if (time_to_save(s)) LT_TRY(save_state(s));
        if (o->sample && o->length.sample_steps && s->t.run.step % o->length.sample_steps == 0) LT_TRY(show_sample(s));
    }
    return LT_OK;
}

/* ---- All of it ---- */

static lt_optimizer_options optimizer_options(const lt_train_options *o) {
    return (lt_optimizer_options){
        .rate = (float)o->adamw.rate,
        .beta1 = (float)o->adamw.beta1,
        .beta2 = (float)o->adamw.beta2,
        .eps = (float)o->adamw.eps,
        .decay = (float)o->adamw.decay,
        .clip = (float)o->adamw.clip,
        .ema = (float)o->adamw.ema,
        .warmup = o->adamw.warmup,
        .cosine =
            o->adamw.cosine
                ? (long)lt_max(1, (size_t)(o->length.steps > o->adamw.warmup ? o->length.steps - o->adamw.warmup : 1))
                : 0,
    };
}

/* The numbers that a training begins with, which are path's; NULL: fresh ones. */
static lt_status check_beginning(const session *s, const char *path) {
    const lt_status status = path ? lt_optimizer_check(&s->t.optimizer) : LT_OK;
    return status ? lt_fail_in(status, "%s", path) : LT_OK;
}

static lt_status resume(session *s) {
    char *before = NULL;
    if (!s->t.options->files.resume || access(s->state_path, F_OK)) return check_beginning(s, s->t.options->files.init);
    lt_status status = lt_state_load(s->state_path, &s->t.optimizer, &s->t.run, &before);
    if (!status || before) { /* an option says more than the first tensor that it changes */
        const lt_status compared = lt_signature_compare(s->state_path, before ? before : "", s->settings);
        if (compared) status = compared;
    }
    lt_free(before);
    lt_weights_changed(s->t.parameters.weights);
    return status ? status : check_beginning(s, s->state_path);
}

/* auto: products in bf16 where the processor has matrix tiles for it, several times as fast; else float32. */
static lt_target target_of(const lt_train_options *o) {
    const lt_precision best = lt_isa_has_amx(o->computing.isa) ? LT_PRECISION_BF16 : LT_PRECISION_F32;
    return (lt_target){
        .isa = lt_isa_choose(o->computing.isa),
        .precision = o->computing.precision == LT_PRECISION_AUTO ? best : o->computing.precision,
    };
}

/* Takes the output's place, where nothing may be lost unasked. */
static lt_status open_output(session *s) {
    const lt_train_options *o = s->t.options;
    s->state_path = lt_format("%s.state", o->files.output);
    s->log_path = lt_format("%s.jsonl", o->files.output);
    if (!s->state_path || !s->log_path) return LT_ERROR_MEMORY;
    LT_TRY(lt_writer_open(o->files.output, &s->output));
    return lt_training_check_place(o, s->state_path, s->log_path);
}

/* What a link leads to goes; the link stays, for the state to come. */
static lt_status remove_state(const char *path) {
    char *target;
    LT_TRY(lt_link_target(path, &target));
    const bool gone = !unlink(target) || errno == ENOENT;
    const int reason = errno;
    lt_free(target);
    return gone ? LT_OK : lt_fail(LT_ERROR_FILE, "%s: can't be removed: %s", path, strerror(reason));
}

/* A log that goes on where the state does. What a run from the beginning may lose goes now, so that no other's state
 * stands beside its log. */
static lt_status open_log(session *s) {
    const lt_train_options *o = s->t.options;
    LT_TRY(lt_log_open(s->log_path, s->t.run.step, &s->log));
    return o->files.resume ? LT_OK : remove_state(s->state_path);
}

static lt_status open_session(session *s) {
    lt_training *t = &s->t;
    const lt_train_options *o = t->options;
    LT_TRY(open_output(s));
    t->cache = o->files.cache ? lt_strdup(o->files.cache) : lt_format("%s.cache", o->files.output);
    t->state = lt_calloc(1, s->task->state_size);
    if (!t->cache || !t->state) return LT_ERROR_MEMORY;
    t->target = target_of(o);
    LT_TRY(lt_team_create(o->computing.threads, &t->target.team));
    lt_team_enter(t->target.team);
    LT_TRY(lt_dataset_open(o->files.data, &t->data));
    if (o->files.prior) LT_TRY(lt_dataset_add_prior(t->data, o->files.prior));
    if (o->files.validation) LT_TRY(lt_dataset_open(o->files.validation, &t->validation));
    s->settings = lt_signature(s->task, t);
    if (!s->settings) return LT_ERROR_MEMORY;
    LT_TRY(s->task->open(t));
    const lt_optimizer_options options = optimizer_options(o);
    LT_TRY(lt_optimizer_create(&options, t->parameters.items, t->parameters.count, &t->optimizer));
    LT_TRY(resume(s));
    LT_TRY(open_log(s));
    s->first_step = t->run.step;
    s->seconds_before = t->run.seconds;
    return LT_OK;
}

static void close_session(session *s) {
    lt_training *t = &s->t;
    if (t->state) s->task->close(t);
    lt_log_close(&s->log);
    lt_writer_abort(&s->output);
    lt_plan_free(t->plan);
    lt_optimizer_free(&t->optimizer);
    lt_parameters_free(&t->parameters);
    lt_dataset_close(t->data);
    lt_dataset_close(t->validation);
    lt_free(t->state);
    lt_free(t->cache);
    lt_free(s->settings);
    lt_free(s->state_path);
    lt_free(s->log_path);
    lt_team_enter(s->team_before);
    lt_team_free(t->target.team);
}

/* The steps that made the model at path; 0 if there is none, it does not say, or it isn't finished. */
static long steps_of(const char *path) {
    lt_checkpoint file;
    if (access(path, F_OK) || lt_checkpoint_open(path, &file)) return 0;
    const char *text = lt_checkpoint_metadata(&file, lt_train_steps_key);
    const bool finished = text && !lt_checkpoint_metadata(&file, stopped_key);
    const long steps = finished ? strtol(text, NULL, 10) : 0;
    lt_checkpoint_close(&file);
    return steps;
}

/* An earlier session has made all steps and the model, which is left as it is: others may have been trained on it. */
static bool is_done(const session *s) {
    const lt_train_options *o = s->t.options;
    if (!o->files.resume || s->t.run.step < o->length.steps || steps_of(o->files.output) != s->t.run.step) return false;
    lt_training_notify(&s->t, "%s is trained: step %ld of %ld is done", o->files.output, s->t.run.step,
                       o->length.steps);
    return true;
}

static lt_status check_whole(const lt_tensor *tensors, size_t count) {
    for (size_t i = 0; i < count; i++) LT_TRY(lt_map_check(tensors[i].data, LT_OK));
    return LT_OK;
}

/* What was read of other models, also to tell them and what is cached apart, is of whole files. */
static lt_status check_models(const lt_train_models *m) {
    LT_TRY(check_whole(m->vae_tensors, m->vae_count));
    LT_TRY(check_whole(m->text_tensors, m->text_count));
    return check_whole(m->init, m->init_count);
}

static lt_status start(session *s) {
    if (s->task->start) LT_TRY(s->task->start(&s->t));
    LT_TRY(check_models(s->t.models));
    s->started = s->saved = lt_now();
    return LT_OK;
}

/* All steps, and what they made; also where the caller stops them, or what is measured in the end. */
static lt_status train(session *s) {
    const lt_status status = run_steps(s);
    if (status && status != LT_ERROR_CANCELLED) return status;
    s->t.stopped = status;
    LT_TRY(save_state(s));
    const lt_status written = write_model(s, &s->output, true);
    if (written && written != LT_ERROR_CANCELLED) return written;
    return status || written ? stopped(s) : LT_OK; /* again, as saving may have replaced the message */
}

lt_status lt_task_run(const lt_task *task, const lt_train_options *options, const lt_train_models *models) {
    session s = {.task = task, .team_before = lt_team_enter(NULL), .t = {.options = options, .models = models}};
    lt_status status = open_session(&s);
    if (!status && !is_done(&s)) {
        status = start(&s);
        if (!status) status = train(&s);
    }
    close_session(&s);
    return status;
}
