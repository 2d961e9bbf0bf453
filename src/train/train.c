/* The loop of every training: batches forth and back, a step of the optimiser, and now and then everything on disk. */
#include "train/cache.h"
#include "train/memory.h"
#include "train/task.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Weight of the newest loss in the running mean that people see. */
static const double LOSS_SMOOTHING = 0.02;

/* What a model's metadata say of the steps that made it. */
static const char steps_key[] = "latent.train.steps";

/* Files and the clock of this session. */
typedef struct session {
    lt_training t;
    const lt_task *task;
    char *state_path, *log_path, *settings;
    lt_log log;
    double started, saved; /* by lt_now */
    long first_step;       /* of this session */
    double seconds_before; /* of the sessions before */
    int threads_before;    /* the caller's, of OpenMP */
} session;

/* ---- What a training may not change when it goes on ---- */

static const char *text_or_none(const char *text) { return text ? text : "none"; }

/* Of one model's tensors. */
static unsigned long long hash(const lt_tensor *tensors, size_t count, lt_trains_fn part) {
    uint64_t sum = LT_HASH_START;
    for (size_t i = 0; i < count; i++)
        if (part(tensors[i].name)) sum = lt_hash_tensors(sum, &tensors[i], 1);
    return (unsigned long long)sum;
}

/* What of the models that are read, or gone on from, their tensors do not say. */
static unsigned long long hash_configurations(const lt_train_models *m) {
    const lt_noise_schedule *n = m->schedule;
    uint64_t sum = lt_hash_bytes(LT_HASH_START, n->alphas_cumprod, sizeof n->alphas_cumprod);
    const int numbers[] = {
        n->prediction,
        m->vae ? m->vae->groups : 0,
        m->text ? m->text->heads : 0,
        m->text ? (int)m->text->activation : 0,
        m->init_unet ? m->init_unet->groups : 0,
        m->init_unet ? m->init_unet->heads : 0,
        m->init_vae ? m->init_vae->groups : 0,
        m->init_text ? m->init_text->heads : 0,
        m->init_text ? (int)m->init_text->activation : 0,
        m->init_image ? m->init_image->heads : 0,
        m->init_image ? (int)m->init_image->activation : 0,
        m->init_classifier ? m->init_classifier->groups : 0,
        m->init_classifier ? m->init_classifier->heads : 0,
    };
    sum = lt_hash_bytes(sum, numbers, sizeof numbers);
    if (m->vae) sum = lt_hash_bytes(sum, &m->vae->scaling, sizeof m->vae->scaling);
    return (unsigned long long)sum;
}

/* What the numbers depend on, as "name=value" lines; but for the rate and the gradient's greatest norm, which may
 * change after trouble, and the machine's part: threads, instruction set, precision. The weights that init gives to a
 * training of everything are in the state itself. New lines go to the end. */
static char *settings_text(const session *s) {
    const lt_train_options *o = s->t.options;
    const lt_train_models *m = s->t.models;
    char mult[64] = "";
    for (int i = 0; i < o->levels && i < LT_TRAIN_MAX_LEVELS; i++)
        snprintf(mult + strlen(mult), sizeof mult - strlen(mult), "%s%d", i ? "," : "", o->mult[i]);
    return lt_format(
        "trainer=%s\ndata=%016llx\nsize=%d\ncrop=%d\nflip=%d\nbatch=%d\naccumulate=%d\nbeta1=%.9g\nbeta2=%.9g\n"
        "eps=%.9g\ndecay=%.9g\nema=%.9g\ncosine=%ld\nseed=%llu\nwidth=%d\nmult=%s\nattention=%d\nblocks=%d\n"
        "groups=%d\nheads=%d\nlatent-channels=%d\ntext-width=%d\ntext-layers=%d\nimage-width=%d\nimage-layers=%d\n"
        "patch=%d\nprojection=%d\nl1=%d\nkl=%.9g\ndrop-prompt=%.9g\nprediction=%s\nmin-snr=%.9g\nonly=%s\n"
        "unconditional=%d\npixels=%d\nvae=%016llx\ntext=%016llx\ninit=%016llx\nconfigurations=%016llx\n",
        s->task->name, (unsigned long long)lt_dataset_fingerprint(s->t.data), o->size, o->crop, o->flip, o->batch,
        o->accumulate, o->beta1, o->beta2, o->eps, o->decay, o->ema, o->cosine ? o->steps : 0,
        (unsigned long long)o->seed, o->width, mult, o->attention_levels, o->blocks, o->groups, o->heads,
        o->latent_channels, o->text_width, o->text_layers, o->image_width, o->image_layers, o->patch, o->projection,
        o->absolute, o->kl, o->drop_prompt, o->prediction ? o->prediction : "epsilon", o->min_snr,
        text_or_none(o->only), o->unconditional, o->pixels, hash(m->vae_tensors, m->vae_count, lt_is_vae),
        hash(m->text_tensors, m->text_count, lt_is_text), hash(m->init, o->only ? m->init_count : 0, lt_is_unet),
        hash_configurations(m));
}

/* The first line in which two settings differ, for a message. */
static lt_status compare_settings(const session *s, const char *before) {
    const char *a = before, *b = s->settings;
    while (*a && *b) {
        const size_t n = strcspn(a, "\n"), m = strcspn(b, "\n");
        if (n != m || strncmp(a, b, n))
            return lt_fail(LT_ERROR_ARGUMENT,
                           "%s was made with %.*s, and now it is %.*s: go on with the same options, "
                           "or begin anew with another -o",
                           s->state_path, (int)n, a, (int)m, b);
        a += n + (a[n] == '\n');
        b += m + (b[m] == '\n');
    }
    if (!*a && *before) return LT_OK; /* what the version that made it did not know yet is not compared */
    return lt_fail(LT_ERROR_FORMAT, "%s was made by another version: begin anew with another -o", s->state_path);
}

/* ---- On disk ---- */

static double seconds_so_far(const session *s) { return s->seconds_before + lt_now() - s->started; }

static lt_status save_state(session *s) {
    const char *const pairs[] = {"settings", s->settings};
    s->t.run.seconds = seconds_so_far(s);
    LT_TRY(lt_state_save(s->state_path, &s->t.optimizer, &s->t.run, pairs, 1));
    s->saved = lt_now();
    return LT_OK;
}

static bool time_to_save(const session *s) {
    const lt_train_options *o = s->t.options;
    if (o->save_steps && s->t.run.step % o->save_steps == 0) return true;
    return o->save_minutes > 0 && lt_now() - s->saved > 60 * o->save_minutes;
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

static lt_status write_tensors(const char *path, lt_tensor_list *all, const lt_settings *settings) {
    lt_metadata metadata[LT_MAX_SETTINGS];
    for (size_t i = 0; i < settings->count; i++) metadata[i] = (lt_metadata){settings->keys[i], settings->values[i]};
    lt_tensor_list_sort(all);
    return lt_safetensors_write(path, all->tensors, all->count, metadata, settings->count, NULL, NULL, NULL);
}

/* The model as others open it, with the averaged weights; finished: with what the task measures in the end. */
static lt_status write_model(session *s, const char *path, bool finished) {
    lt_training *t = &s->t;
    lt_settings settings = {0};
    lt_tensor_list all = {0};
    LT_TRY(lt_writer_remove_leftovers(path));
    exchange_averages(t);
    lt_status status = finished && s->task->finish ? s->task->finish(t) : LT_OK;
    if (!status) status = lt_settings_set(&settings, steps_key, "%ld", t->run.step);
    if (!status) status = s->task->describe(t, &settings, &all);
    for (size_t i = 0; i < t->parameters.tensors.count && !status; i++) {
        const lt_tensor *tensor = &t->parameters.tensors.tensors[i];
        status = lt_tensor_list_add(&all, tensor->name, tensor);
    }
    if (!status) status = write_tensors(path, &all, &settings);
    exchange_averages(t);
    lt_settings_free(&settings);
    lt_tensor_list_free(&all);
    return status;
}

/* A sample that can't be drawn is no reason to lose a training. */
static lt_status show_sample(session *s) {
    char *path = lt_format("%s.sample", s->t.options->output);
    lt_status status = path ? write_model(s, path, false) : LT_ERROR_MEMORY;
    if (!status) status = s->t.options->sample(s->t.options->user, s->t.run.step, path);
    if (path) unlink(path);
    lt_free(path);
    if (!status || status == LT_ERROR_CANCELLED) return status;
    lt_training_notify(&s->t, "no sample of step %ld: %s", s->t.run.step, lt_error_message());
    return LT_OK;
}

/* ---- One step ---- */

static lt_status stopped(const session *s) {
    return lt_fail(LT_ERROR_CANCELLED, "stopped after step %ld of %ld; --resume goes on from %s", s->t.run.step,
                   s->t.options->steps, s->state_path);
}

static lt_status poll_caller(void *user) {
    const session *s = user;
    const lt_train_options *o = s->t.options;
    return o->cancelled && o->cancelled(o->user) ? stopped(s) : LT_OK;
}

/* The gradients of accumulate batches, added up, and the mean of their losses. */
static lt_status run_batches(session *s, lt_log_row *row) {
    lt_training *t = &s->t;
    const int count = t->options->accumulate;
    row->loss = 0;
    for (int i = 0; i < count; i++) {
        LT_TRY(s->task->next(t));
        LT_TRY(lt_plan_run(t->plan, LT_RATE_PROMPT, poll_caller, s));
        row->loss += s->task->loss(t, row) / count;
    }
    if (isfinite(row->loss)) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT,
                   "step %ld: the loss is not a number. What was saved before is untouched: go on from there with a "
                   "lower --rate or a stronger --clip",
                   t->run.step + 1);
}

static lt_status report(session *s, lt_log_row *row, double step_seconds) {
    lt_training *t = &s->t;
    const lt_train_options *o = t->options;
    const double smoothing = fmax(LOSS_SMOOTHING, 1.0 / (double)t->run.step);
    t->run.loss += smoothing * (row->loss - t->run.loss);
    row->step = t->run.step;
    row->seconds = seconds_so_far(s);
    row->samples_per_second = (double)o->batch * o->accumulate / step_seconds;
    LT_TRY(lt_log_write(&s->log, row));
    if (!o->progress) return LT_OK;
    const long done = t->run.step - s->first_step;
    const double pace = (lt_now() - s->started) / (double)done;
    lt_train_progress p = {.step = row->step, .steps = o->steps, .loss = t->run.loss, .rate = row->rate};
    p.gradient_norm = row->gradient_norm;
    p.samples_per_second = (double)o->batch * o->accumulate / pace;
    p.seconds_left = pace * (double)(o->steps - row->step);
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
        status = lt_optimizer_step(&t->optimizer, lt_kernels_get(t->target.isa), t->options->accumulate, &done);
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
    while (s->t.run.step < o->steps) {
        LT_TRY(one_step(s));
        if (time_to_save(s)) LT_TRY(save_state(s));
        if (o->sample && o->sample_steps && s->t.run.step % o->sample_steps == 0) LT_TRY(show_sample(s));
    }
    return LT_OK;
}

/* ---- All of it ---- */

static lt_optimizer_options optimizer_options(const lt_train_options *o) {
    return (lt_optimizer_options){
        .rate = (float)o->rate,
        .beta1 = (float)o->beta1,
        .beta2 = (float)o->beta2,
        .eps = (float)o->eps,
        .decay = (float)o->decay,
        .clip = (float)o->clip,
        .ema = (float)o->ema,
        .warmup = o->warmup,
        .cosine = o->cosine ? (long)lt_max(1, (size_t)(o->steps > o->warmup ? o->steps - o->warmup : 1)) : 0,
    };
}

/* What the program's own options are held to as well; a caller of the library may ask for anything. */
static lt_status check_numbers(const lt_train_options *o) {
    const struct {
        const char *name;
        long value, most;
    } numbers[] = {
        {"steps", o->steps, 1000000000},
        {"batch", o->batch, 65536},
        {"accumulate", o->accumulate, 65536},
        {"size", o->size, 4096},
        {"width", o->width, 4096},
        {"levels", o->levels, LT_TRAIN_MAX_LEVELS},
        {"blocks", o->blocks, 16},
        {"groups", o->groups, 256},
        {"heads", o->heads, 256},
        {"latent channels", o->latent_channels, 256},
        {"text width", o->text_width, 4096},
        {"text layers", o->text_layers, 64},
        {"image width", o->image_width, 4096},
        {"image layers", o->image_layers, 64},
        {"patch", o->patch, 256},
        {"projection", o->projection, 4096},
    };
    for (size_t i = 0; i < LT_COUNT(numbers); i++)
        if (numbers[i].value < 1 || numbers[i].value > numbers[i].most)
            return lt_fail(LT_ERROR_ARGUMENT, "%s: %ld; 1 to %ld is possible", numbers[i].name, numbers[i].value,
                           numbers[i].most);
    for (int i = 0; i < o->levels; i++)
        if (o->mult[i] < 1 || o->mult[i] > 64)
            return lt_fail(LT_ERROR_ARGUMENT, "mult %d of level %d: 1 to 64 is possible", o->mult[i], i);
    return LT_OK;
}

static lt_status check_options(const lt_task *task, const lt_train_options *o) {
    if (!o->data || !o->output) return lt_fail(LT_ERROR_ARGUMENT, "data and output are needed");
    LT_TRY(check_numbers(o));
    if (o->only && task != &lt_task_unet)
        return lt_fail(LT_ERROR_ARGUMENT, "--only %s: only of a U-Net can a part be trained", o->only);
    if (o->only && !o->init)
        return lt_fail(LT_ERROR_ARGUMENT, "--only %s: a part is trained of a model that is there; name it with --init",
                       o->only);
    if (o->validation && (task == &lt_task_vae || task == &lt_task_unet))
        return lt_fail(LT_ERROR_ARGUMENT, "--validation: of %s nothing is measured; `latent eval` does it", task->name);
    if (o->sample_steps && task != &lt_task_unet)
        return lt_fail(LT_ERROR_ARGUMENT, "--sample-steps: only a U-Net can draw while it is trained");
    return LT_OK;
}

/* The model may take the place of an earlier one, and of nothing else that is there. */
static lt_status check_output(const lt_train_options *o) {
    const char *const inputs[] = {o->init, o->vae, o->text};
    struct stat output, input;
    lt_checkpoint file;
    if (stat(o->output, &output)) return LT_OK;
    for (size_t i = 0; i < LT_COUNT(inputs); i++)
        if (inputs[i] && !stat(inputs[i], &input) && input.st_dev == output.st_dev && input.st_ino == output.st_ino)
            return lt_fail(LT_ERROR_ARGUMENT, "-o %s: that is the model to begin with; name another file", o->output);
    const lt_status status = lt_checkpoint_open(o->output, &file);
    if (status == LT_ERROR_MEMORY) return status;
    if (status) return lt_fail(LT_ERROR_ARGUMENT, "-o %s is there and no model: name another file", o->output);
    lt_checkpoint_close(&file);
    return LT_OK;
}

static lt_status resume(session *s) {
    char *before = NULL;
    if (!s->t.options->resume || access(s->state_path, F_OK)) return LT_OK;
    lt_status status = lt_state_load(s->state_path, &s->t.optimizer, &s->t.run, &before);
    if (!status || before) { /* an option says more than the first tensor that it changes */
        const lt_status compared = compare_settings(s, before ? before : "");
        if (compared) status = compared;
    }
    lt_free(before);
    lt_weights_changed(s->t.parameters.weights);
    return status;
}

/* auto: products in bf16 where the processor has matrix tiles for it, several times as fast; else float32. */
static lt_target target_of(const lt_train_options *o) {
    const lt_precision best = lt_isa_has_amx(o->isa) ? LT_PRECISION_BF16 : LT_PRECISION_F32;
    return (lt_target){
        .isa = lt_isa_choose(o->isa),
        .threads = o->threads > 0 ? o->threads : omp_get_num_procs(),
        .precision = o->precision == LT_PRECISION_AUTO ? best : o->precision,
    };
}

static lt_status open_session(session *s) {
    lt_training *t = &s->t;
    const lt_train_options *o = t->options;
    LT_TRY(check_options(s->task, o));
    LT_TRY(check_output(o));
    s->state_path = lt_format("%s.state", o->output);
    s->log_path = lt_format("%s.jsonl", o->output);
    t->cache = o->cache ? lt_strdup(o->cache) : lt_format("%s.cache", o->output);
    t->state = lt_calloc(1, s->task->state_size);
    if (!s->state_path || !s->log_path || !t->cache || !t->state) return LT_ERROR_MEMORY;
    t->target = target_of(o);
    omp_set_num_threads(t->target.threads);
    LT_TRY(lt_dataset_open(o->data, &t->data));
    if (o->validation) LT_TRY(lt_dataset_open(o->validation, &t->validation));
    s->settings = settings_text(s);
    if (!s->settings) return LT_ERROR_MEMORY;
    LT_TRY(s->task->open(t));
    const lt_optimizer_options options = optimizer_options(o);
    LT_TRY(lt_optimizer_create(&options, t->parameters.items, t->parameters.count, &t->optimizer));
    LT_TRY(resume(s));
    LT_TRY(lt_log_open(s->log_path, t->run.step, &s->log));
    s->first_step = t->run.step;
    s->seconds_before = t->run.seconds;
    s->started = s->saved = lt_now();
    return s->task->start ? s->task->start(t) : LT_OK;
}

static void close_session(session *s) {
    lt_training *t = &s->t;
    omp_set_num_threads(s->threads_before);
    if (t->state) s->task->close(t);
    lt_log_close(&s->log);
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
}

/* The steps that made the model at path; 0 if there is none, or it does not say. */
static long steps_of(const char *path) {
    lt_checkpoint file;
    if (access(path, F_OK) || lt_checkpoint_open(path, &file)) return 0;
    const char *text = lt_checkpoint_metadata(&file, steps_key);
    const long steps = text ? strtol(text, NULL, 10) : 0;
    lt_checkpoint_close(&file);
    return steps;
}

/* An earlier session has made all steps and the model, which is left as it is: others may have been trained on it. */
static bool is_done(const session *s) {
    const lt_train_options *o = s->t.options;
    if (!o->resume || s->t.run.step < o->steps || steps_of(o->output) != s->t.run.step) return false;
    lt_training_notify(&s->t, "%s is trained: %ld steps are done", o->output, s->t.run.step);
    return true;
}

lt_status lt_task_run(const lt_task *task, const lt_train_options *options, const lt_train_models *models) {
    session s = {.task = task, .threads_before = omp_get_max_threads(), .t = {.options = options, .models = models}};
    lt_status status = open_session(&s);
    if (!status && !is_done(&s)) {
        status = run_steps(&s);
        if (!status || status == LT_ERROR_CANCELLED) {
            lt_status saved = save_state(&s);
            if (!saved) saved = write_model(&s, options->output, true);
            if (saved)
                status = saved;
            else if (status)
                stopped(&s); /* the message, which saving may have replaced */
        }
    }
    close_session(&s);
    return status;
}

/* ---- For tasks ---- */

static lt_status copy_part(const lt_train_models *m, lt_trains_fn part, lt_trains_fn trains, lt_parameters *p) {
    lt_tensor *chosen = lt_calloc(m->init_count, sizeof *chosen);
    if (!chosen) return LT_ERROR_MEMORY;
    size_t count = 0;
    for (size_t i = 0; i < m->init_count; i++)
        if (part(m->init[i].name)) chosen[count++] = m->init[i];
    const lt_status status = lt_parameters_copy(chosen, count, trains, p);
    lt_free(chosen);
    return status;
}

static size_t count_trained(const lt_tensor *tensors, size_t count, lt_trains_fn part, lt_trains_fn trains) {
    size_t sum = 0;
    for (size_t i = 0; i < count; i++)
        if (part(tensors[i].name) && trains(tensors[i].name)) sum += lt_tensor_count(&tensors[i]);
    return sum;
}

lt_status lt_training_make_parameters(lt_training *t, lt_tensor_list *list, lt_trains_fn part, lt_trains_fn trains) {
    const lt_train_models *m = t->models;
    const size_t count = m->init ? count_trained(m->init, m->init_count, part, trains)
                                 : count_trained(list->tensors, list->count, part, trains);
    lt_status status = count ? lt_training_check_memory(t, lt_training_parameter_bytes(t, count), 0)
                             : lt_fail(LT_ERROR_MODEL, "%s has nothing of what is to be trained", t->options->init);
    if (!status)
        status = m->init ? copy_part(m, part, trains, &t->parameters)
                         : lt_parameters_fresh(list, t->options->seed, &t->parameters);
    lt_tensor_list_free(list);
    return status;
}

lt_status lt_training_make_plan(lt_training *t, lt_graph *graph, lt_status built) {
    LT_TRY(lt_plan_built(graph, built, &t->target, &t->plan));
    size_t count = 0;
    for (size_t i = 0; i < t->parameters.count; i++) count += t->parameters.items[i].count;
    const size_t others = lt_plan_arena_size(t->plan) + lt_weights_packed_size(t->parameters.weights);
    return lt_training_check_memory(t, lt_training_parameter_bytes(t, count), (double)others);
}

lt_status lt_training_start_loader(const lt_training *t, lt_loader **loader) {
    const lt_train_options *o = t->options;
    const lt_picture_options picture = {.size = o->size, .crop = o->crop, .flip = o->flip};
    return lt_loader_start(t->data, &picture, o->batch, o->seed, t->run.place, o->notice, o->user, loader);
}

lt_sd_architecture lt_training_unet_architecture(const lt_training *t, int channels) {
    const lt_train_options *o = t->options;
    lt_sd_architecture a = {.model_channels = (size_t)o->width,
                            .in_channels = (size_t)channels,
                            .levels = o->levels,
                            .num_res_blocks = o->blocks};
    for (int i = 0; i < o->levels; i++) {
        a.channel_mult[i] = (size_t)o->mult[i];
        a.attention[i] = o->attention_levels >> i & 1;
    }
    return a;
}

void lt_training_notify(const lt_training *t, const char *format, ...) {
    if (!t->options->notice) return;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    t->options->notice(t->options->user, text);
}
