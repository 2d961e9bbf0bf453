/* What controls a model, of any shapes: refused, or what it says is drawn by.
 *
 * The first byte says what it is; four more each change a tensor (fuzz_changes.h). */
#include "fuzz_changes.h"
#include "models/synthetic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LARGEST_RUN = 1 << 23 };

/* ---- The file before its changes ---- */

enum { NET, ADAPTER, DIFFERENCE, LOW_RANK, KINDS };

static const lt_part_architecture net = {.roles = 1u << LT_ROLE_CONTROL,
                                         .prefixed = true,
                                         .control = {.half = {.in_channels = 4,
                                                              .channels = 32,
                                                              .context_dim = 64,
                                                              .levels = 2,
                                                              .level = {{32, 1, 1}, {32, 1, 0}},
                                                              .middle_depth = 1},
                                                     .hint_channels = 3,
                                                     .hint = {8, 8, 8, 8, 8, 8, 8, 32}}};
static const lt_part_architecture adapter = {
    .roles = 1u << LT_ROLE_ADAPTER,
    .naming = LT_NAMING_DIFFUSERS,
    .adapter = {.hint_channels = 3, .levels = 2, .level = {{32, 0, 1}, {32, 0, 1}}}};

static void add(shapes *s, const lt_tensor *like, const char *format, const char *name, size_t rows, size_t columns) {
    lt_tensor *t = &s->tensors[s->count];
    *t = *like;
    if (t->rank > 0) t->shape[0] = rows;
    if (t->rank > 1) t->shape[1] = columns;
    snprintf(s->names[s->count++], NAME, format, name);
}

/* X.weight becomes X.up and X.down. */
static void lower_rank(shapes *s) {
    const lt_tensor mark = {.dtype = LT_F16, .rank = 1};
    add(s, &mark, "%s", "lora_controlnet", 1, 1);
    for (size_t i = 0; i < s->count && s->count + 1 < MOST; i++) {
        char *ending = strstr(s->names[i], ".weight");
        if (!ending || s->tensors[i].rank < 2 || strstr(s->names[i], "zero") || strstr(s->names[i], "hint")) continue;
        *ending = '\0';
        char layer[NAME];
        snprintf(layer, sizeof layer, "%s", s->names[i]);
        lt_tensor up = s->tensors[i];
        up.rank = 2;
        add(s, &s->tensors[i], "%.100s.down", layer, 4, s->tensors[i].shape[1]);
        s->tensors[i] = up;
        s->tensors[i].shape[1] = 4;
        snprintf(s->names[i], NAME, "%.100s.up", layer);
    }
}

static void begin(int kind, shapes *s) {
    const lt_tensor mark = {.dtype = LT_F16, .rank = 1};
    lt_tensor_list list;
    if (lt_part_list(kind == ADAPTER ? &adapter : &net, &list)) abort();
    begin_with(&list, s);
    lt_tensor_list_free(&list);
    if (kind == DIFFERENCE) add(s, &mark, "%s", "difference", 1, 1);
    if (kind == LOW_RANK) lower_rank(s);
}

/* ---- Opening: the model as it is written, and the file as it was changed ---- */

lt_status __real_lt_source_open(const char *path, lt_source *source);
lt_status __wrap_lt_source_open(const char *path, lt_source *source);

static shapes current;

lt_status __wrap_lt_source_open(const char *path, lt_source *source) {
    if (strcmp(path, "control")) return __real_lt_source_open(path, source);
    *source = (lt_source){0};
    LT_TRY(lt_checkpoint_begin(&source->file));
    const lt_status status = add_tensors(&current, &source->file);
    if (status) lt_checkpoint_close(&source->file);
    return status;
}

static lt_session *small_session(void) {
    static lt_session *session;
    const char *path = fuzz_path("model.safetensors");
    if (session) return session;
    if (lt_synthetic_sd_write(&fuzz_architecture, path, LT_F16)) abort();
    return session = fuzz_open(path);
}

/* ---- Use ---- */

static void draw_by(const lt_model *model) {
    static uint8_t pixels[16 * 16 * 3];
    const lt_image image = {16, 16, pixels};
    lt_request request = lt_request_defaults();
    lt_control control = lt_control_defaults();
    lt_result result;
    control.model = model;
    control.image = &image;
    request.prompt = "a";
    request.width = request.height = 16;
    request.steps = 1;
    request.controls = &control;
    request.control_count = 1;
    (void)lt_generate(small_session(), &request, &result);
    lt_result_free(&result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    lt_open_options options = lt_open_options_defaults();
    lt_model *model;
    if (!size) return 0;
    begin(*data % KINDS, &current);
    for (size_t at = 1; at + CHANGE <= size; at += CHANGE) change(&current, data + at);
    const size_t bytes = total(&current);
    if (bytes > LARGEST_FILE) return -1;
    options.base = lt_session_model(small_session());
    if (lt_model_open("control", &options, &model)) return 0;
    (void)lt_model_describe(model);
    if (bytes < LARGEST_RUN) draw_by(model);
    lt_model_close(model);
    return 0;
}
