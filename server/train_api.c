/* A small LoRA, learned while somebody looks on: pictures come with the request, and the answer is a stream of the
 * loss, of samples, and at last of the LoRA itself. It has its turn among the jobs (visit.h), ends with the client, and
 * nothing of it is kept. From post_training at the bottom upwards. */
#include "jobs_api.h"
#include "tools.h"
#include "tools/base64.h"
#include "visit.h"

#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    MOST_PICTURES = 32,
    MOST_STEPS = 1000,
    MOST_RANK = 64,
    MOST_SIDE = 256,
    MOST_TEXT = 4096,
    BATCH = 4,
    SAMPLE_STEPS = 10
};
static const double LEAST_RATE = 1e-6, MOST_RATE = 1e-1;

typedef struct learning {
    lt_visit visit;
    lt_train_options options;
    char *folder, *data, *output, *model; /* folder: of all that is written */
    lt_request sample;                    /* what is drawn on the way */
    long steps, every;                    /* in all; between samples */
    double begun;
    char *prompt;
    pthread_t thread;
    pthread_mutex_t turn; /* of events and over */
    pthread_cond_t come;
    json_t *events; /* [[name, data], ...] that are to be sent */
    bool over;
} learning;

/* ---- Files ---- */

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at) {
    (void)info, (void)kind, (void)at;
    return remove(path);
}

static lt_status make_folder(const char *path) {
    return mkdir(path, 0700) ? lt_fail(LT_ERROR_FILE, "%s: the folder can't be made", path) : LT_OK;
}

static lt_status make_names(learning *l, const char *data) {
    char name[33];
    server_random_name(name, 16);
    l->folder = tool_format("%s/training-%s", data, name);
    l->data = l->folder ? tool_format("%s/pictures", l->folder) : NULL;
    l->output = l->folder ? tool_format("%s/lora.safetensors", l->folder) : NULL;
    if (!l->output || !l->data) return LT_ERROR_MEMORY;
    LT_TRY(make_folder(l->folder));
    return make_folder(l->data);
}

/* ---- What is asked ---- */

static lt_status wanted(const char *key, const char *what) {
    return lt_fail(LT_ERROR_ARGUMENT, "%s: %s is wanted", key, what);
}

static lt_status write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    const bool written = file && fputs(text, file) >= 0;
    if (file && !fclose(file) && written) return LT_OK;
    return lt_fail(LT_ERROR_FILE, "%s: can't be written", path);
}

/* N.png and the text beside it, N.txt. */
static lt_status write_pair(const learning *l, size_t i, const lt_image *image, const char *text) {
    char *path = tool_format("%s/%zu.png", l->data, i), *beside = tool_format("%s/%zu.txt", l->data, i);
    lt_status status = path && beside ? lt_image_save(path, image, NULL) : LT_ERROR_MEMORY;
    if (!status) status = write_text(beside, text);
    free(path);
    free(beside);
    return status;
}

static lt_status write_picture(const learning *l, size_t i, const json_t *item, double most_pixels) {
    size_t size;
    lt_image image;
    const char *text = json_string_value(json_object_get(item, "text"));
    const char *base64 = json_string_value(json_object_get(item, "image"));
    void *bytes = base64 ? lt_base64_read(base64, &size) : NULL;
    if (!bytes || !text || strlen(text) > MOST_TEXT) return free(bytes), wanted("pictures", "a list of {image, text}");
    lt_status status = lt_image_read(bytes, size, (size_t)most_pixels, &image);
    free(bytes);
    if (status) return lt_fail_in(status, "pictures[%zu]", i);
    status = write_pair(l, i, &image, text);
    lt_image_free(&image);
    return status;
}

static lt_status write_pictures(const learning *l, const json_t *list, double most_pixels) {
    const size_t count = json_array_size(list);
    if (!count || count > MOST_PICTURES) return wanted("pictures", "a list of 1 to 32 {image, text}");
    for (size_t i = 0; i < count; i++) LT_TRY(write_picture(l, i, json_array_get(list, i), most_pixels));
    return LT_OK;
}

/* A number of the body from low up to high, or the usual one. */
static lt_status read_number(const json_t *body, const char *key, double low, double high, double usual, double *out) {
    const json_t *value = json_object_get(body, key);
    *out = value ? json_number_value(value) : usual;
    if ((!value || json_is_number(value)) && *out >= low && *out <= high) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT, "%s: a number from %g up to %g is wanted", key, low, high);
}

static lt_status read_numbers(learning *l, const json_t *body) {
    double steps, rank, rate, every, seed;
    LT_TRY(read_number(body, "steps", 1, MOST_STEPS, 100, &steps));
    LT_TRY(read_number(body, "rank", 1, MOST_RANK, 8, &rank));
    LT_TRY(read_number(body, "rate", LEAST_RATE, MOST_RATE, 1e-3, &rate));
    LT_TRY(read_number(body, "sample_steps", 0, MOST_STEPS, 0, &every));
    LT_TRY(read_number(body, "seed", 0, 1e15, 0, &seed));
    l->steps = (long)steps;
    l->every = every >= 1 ? (long)every : l->steps;
    l->options.lora.rank = (int)rank;
    l->options.adamw.rate = rate;
    l->options.computing.seed = l->sample.seed = (uint64_t)seed;
    return LT_OK;
}

static lt_status read_prompt(learning *l, const json_t *body) {
    const json_t *prompt = json_object_get(body, "prompt");
    if (prompt && (!json_is_string(prompt) || json_string_length(prompt) > MOST_TEXT))
        return wanted("prompt", "a text");
    l->prompt = tool_strdup(prompt ? json_string_value(prompt) : "");
    l->sample.prompt = l->prompt;
    l->sample.steps = SAMPLE_STEPS;
    l->sample.random_seed = false;
    return l->prompt ? LT_OK : LT_ERROR_MEMORY;
}

/* ---- Events ---- */

static void tell(learning *l, const char *name, json_t *data) {
    pthread_mutex_lock(&l->turn);
    json_array_append_new(l->events, json_pack("[s, o]", name, data ? data : json_null()));
    pthread_cond_signal(&l->come);
    pthread_mutex_unlock(&l->turn);
}

static bool on_progress(void *user, const lt_train_progress *p) {
    learning *l = user;
    const double pace = (tool_now() - l->begun) / (double)p->step;
    tell(l, "step",
         json_pack("{s:I, s:I, s:f, s:f}", "step", (json_int_t)p->step, "steps", (json_int_t)l->steps, "loss", p->loss,
                   "seconds_left", pace * (double)(l->steps - p->step)));
    return !lt_visit_over(&l->visit);
}

static bool on_cancelled(void *user) { return lt_visit_over(&((learning *)user)->visit); }

static char *picture_text(const lt_image *image) {
    uint8_t *bytes;
    size_t size;
    if (lt_image_encode("png", image, NULL, &bytes, &size)) return NULL;
    char *text = lt_base64_write(bytes, size);
    lt_bytes_free(bytes);
    return text;
}

static lt_status draw_sample(learning *l, long step) {
    lt_result result = {0};
    l->sample.cancelled = on_cancelled;
    l->sample.user = l;
    LT_TRY(lt_generate(lt_visit_session(&l->visit), &l->sample, &result));
    char *picture = picture_text(&result.images[0]);
    if (picture) tell(l, "sample", json_pack("{s:I, s:s}", "step", (json_int_t)step, "picture", picture));
    free(picture);
    lt_result_free(&result);
    return LT_OK;
}

/* The same seed each time, with what has been learned so far, by a name of its own: a LoRA's file must stay as it is
 * while a session has it. Of step 0 with nothing. */
static lt_status show_sample(learning *l, long step) {
    char *path = tool_format("%s/%ld.safetensors", l->folder, step);
    if (!path) return LT_ERROR_MEMORY;
    const lt_lora lora = {path, 1, 1};
    const bool there = step > 0 && !link(l->output, path);
    l->sample.loras = there ? &lora : NULL;
    l->sample.lora_count = there;
    const lt_status status =
        step > 0 && !there ? lt_fail(LT_ERROR_FILE, "%s: can't be linked", l->output) : draw_sample(l, step);
    free(path);
    return status;
}

static char *file_text(const char *path) {
    struct stat info;
    FILE *file = fopen(path, "rb");
    char *bytes = file && !fstat(fileno(file), &info) ? malloc((size_t)info.st_size + 1) : NULL;
    const bool read = bytes && fread(bytes, 1, (size_t)info.st_size, file) == (size_t)info.st_size;
    char *text = read ? lt_base64_write(bytes, (size_t)info.st_size) : NULL;
    free(bytes);
    if (file) fclose(file);
    return text;
}

/* ---- The training, in a thread of its own ---- */

static void tell_end(learning *l, lt_status status) {
    char *lora = status ? NULL : file_text(l->output);
    if (lora)
        tell(l, "end", json_pack("{s:s}", "lora", lora));
    else
        tell(l, "failed", json_pack("{s:o}", "message", lt_text_json(lt_error_message())));
    free(lora);
}

/* From sample to sample: each stretch goes on where the one before was saved, to the same bytes as all at once. */
static lt_status train(learning *l) {
    long done = 0;
    LT_TRY(show_sample(l, 0));
    while (done < l->steps) {
        done = done + l->every < l->steps ? done + l->every : l->steps;
        l->options.length.steps = done;
        LT_TRY(lt_train(LT_TRAIN_LORA, &l->options));
        LT_TRY(show_sample(l, done));
    }
    return LT_OK;
}

static void *learn(void *user) {
    learning *l = user;
    l->begun = tool_now();
    tell_end(l, train(l));
    pthread_mutex_lock(&l->turn);
    l->over = true;
    pthread_cond_signal(&l->come);
    pthread_mutex_unlock(&l->turn);
    return NULL;
}

static void learning_free(learning *l) {
    if (l->folder) nftw(l->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    json_decref(l->events);
    free(l->folder);
    free(l->data);
    free(l->output);
    free(l->model);
    free(l->prompt);
    pthread_mutex_destroy(&l->turn);
    pthread_cond_destroy(&l->come);
    free(l);
}

/* ---- The stream ---- */

/* What has come, or nothing after a while; the turn is the caller's. */
static json_t *take_events(learning *l) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    if (!json_array_size(l->events) && !l->over) pthread_cond_clockwait(&l->come, &l->turn, CLOCK_MONOTONIC, &until);
    json_t *taken = l->events;
    l->events = json_array();
    return taken;
}

static bool next_events(void *user, lt_http_stream *stream) {
    learning *l = user;
    size_t i;
    json_t *event;
    pthread_mutex_lock(&l->turn);
    json_t *taken = take_events(l);
    const bool over = l->over;
    pthread_mutex_unlock(&l->turn);
    json_array_foreach(taken, i, event) {
        json_t *data = json_incref(json_array_get(event, 1));
        lt_http_event_json(stream, json_string_value(json_array_get(event, 0)), data);
    }
    json_decref(taken);
    return !over;
}

static void stop_learning(void *user, bool gone) {
    learning *l = user;
    l->visit.gone = gone;
    pthread_join(l->thread, NULL);
    lt_visit_end(&l->visit);
    learning_free(l);
}

/* ---- Beginning ---- */

/* What a person looks on at is over in a minute. */
static lt_status check_model(const lt_model_info *info) {
    if (info->width <= MOST_SIDE && info->height <= MOST_SIDE) return LT_OK;
    return lt_fail(LT_ERROR_UNSUPPORTED,
                   "model: a LoRA of a model for %dx%d takes too long to look on; `latent train lora` learns it",
                   info->width, info->height);
}

static lt_status prepare_options(learning *l) {
    const lt_model_info info = lt_model_describe(lt_session_model(lt_visit_session(&l->visit)));
    lt_train_options *o = &l->options;
    o->files.data = l->data;
    o->files.output = l->output;
    o->files.init = l->model;
    o->files.resume = true;
    o->pictures.size = info.width;
    o->length.batch = BATCH;
    o->length.save_minutes = 0;
    o->computing.threads = lt_server_options_of(l->visit.server)->threads;
    o->progress = on_progress;
    o->cancelled = on_cancelled;
    o->user = l;
    return check_model(&info);
}

/* The session draws samples; training opens the file anew. */
static lt_status open_model(learning *l, const json_t *body) {
    const char *name = json_string_value(json_object_get(body, "model"));
    l->model = lt_models_checkpoint(lt_server_models(l->visit.server), name);
    if (!l->model) return LT_ERROR_FILE;
    return lt_visit_open(&l->visit, name);
}

static lt_status prepare(learning *l, const json_t *body) {
    const lt_server_options *server = lt_server_options_of(l->visit.server);
    LT_TRY(read_numbers(l, body));
    LT_TRY(read_prompt(l, body));
    LT_TRY(open_model(l, body));
    LT_TRY(make_names(l, server->data));
    LT_TRY(write_pictures(l, json_object_get(body, "pictures"), 1e6 * server->most_pixels));
    LT_TRY(prepare_options(l));
    if (pthread_create(&l->thread, NULL, learn, l)) return lt_fail(LT_ERROR_MEMORY, "a thread can't be had");
    return LT_OK;
}

static learning *learning_new(void) {
    learning *l = tool_calloc(1, sizeof *l);
    if (!l) return NULL;
    l->options = lt_train_options_defaults();
    l->sample = lt_request_defaults();
    l->events = json_array();
    pthread_mutex_init(&l->turn, NULL);
    pthread_cond_init(&l->come, NULL);
    return l;
}

static void begin(lt_http_request *r, learning *l, const json_t *body) {
    if (!lt_visit_begin(&l->visit, r)) {
        learning_free(l);
        return;
    }
    const lt_status status = prepare(l, body);
    if (!status) {
        l->visit.request = NULL;
        lt_http_answer_events(r, (lt_http_source){next_events, stop_learning, l});
        return;
    }
    lt_visit_fail(&l->visit, status);
    lt_visit_end(&l->visit);
    learning_free(l);
}

/* {"pictures": [{"image", "text"}], "steps", "rank", "rate", "prompt", "seed", "sample_steps", "model"}: events "step"
 * {step, steps, loss, seconds_left}, "sample" {step, picture}, and "end" {lora} or "failed" {message} */
static void post_training(lt_http_request *r) {
    json_t *body = lt_http_json(r);
    learning *l = body ? learning_new() : NULL;
    if (l)
        begin(r, l, body);
    else if (body)
        lt_http_fail(r, 503, "out of memory");
    json_decref(body);
}

static const lt_http_route routes[] = {
    {"POST", "/latent/v1/training", post_training, 0},
    {0},
};
const lt_http_api lt_train_api = {"/latent/v1", routes, NULL};
