/* Training through the public interface: stopped anywhere and gone on with, every allocation failing in turn, and what
 * must not matter to the weights. */
#include "bad_fields.h"
#include "dataset_files.h"
#include "models/architecture.h"
#include "team.h"
#include "train/buckets.h"
#include "train/cache.h"
#include "train/parameters.h"
#include "train/task.h"

#include <math.h>

enum { PICTURES = 5, SIDE = 16 };

static const char metadata[] =
    "{\"file_name\": \"0.png\", \"text\": \"none\"}\n{\"file_name\": \"1.png\", \"text\": \"one\"}\n"
    "{\"file_name\": \"2.png\", \"text\": \"two\"}\n{\"file_name\": \"3.png\"}\n"
    "{\"file_name\": \"4.png\", \"text\": [\"four\", \"many\"]}\n";

static int make_data(void **state) {
    if (make_root(state)) return -1;
    for (int i = 0; i < PICTURES; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d.png", i);
        write_picture(name, 20 + i, 18, 50 * i);
    }
    write_text("metadata.jsonl", metadata);
    return 0;
}

/* The smallest training that does all there is; the model goes to NAME in the test's folder. */
static lt_train_options small(const char *name) {
    static char data[256], outputs[4][300];
    static int turn;
    char *output = outputs[turn++ % 4];
    snprintf(data, sizeof data, "%s", root);
    snprintf(output, sizeof outputs[0], "%s/%s", root, name);
    lt_train_options o = lt_train_options_defaults();
    o.files.data = data;
    o.files.output = output;
    o.pictures.size = SIDE;
    o.length.steps = 3;
    o.length.batch = 2;
    o.computing.threads = 2;
    o.adamw.rate = 1e-3;
    o.adamw.warmup = 0;
    o.length.save_minutes = 0;
    o.network.width = 8;
    o.network.levels = 2;
    o.network.mult[0] = o.network.mult[1] = 1;
    o.network.attention_levels = 2;
    o.network.groups = 2;
    o.network.heads = 2;
    o.network.latent_channels = 2;
    o.network.text_width = o.network.image_width = 64;
    o.network.text_layers = o.network.image_layers = 1;
    o.network.projection = 8;
    return o;
}

static lt_train_options pixels(const char *name) {
    lt_train_options o = small(name);
    o.losses.pixels = o.losses.unconditional = true;
    return o;
}

/* ---- What a training leaves ---- */

static void open_beside(const lt_train_options *o, const char *ending, lt_checkpoint *file) {
    char path[320];
    snprintf(path, sizeof path, "%s%s", o->files.output, ending);
    assert_ok(lt_checkpoint_open(path, file));
}

static void add_difference(const lt_tensor *a, const lt_tensor *b, double *between, double *norm) {
    const size_t count = lt_tensor_count(a);
    float *values = malloc(2 * count * sizeof *values);
    assert_non_null(values);
    lt_tensor_read_f32(a, values);
    lt_tensor_read_f32(b, values + count);
    for (size_t k = 0; k < count; k++) {
        const double p = (double)values[k], q = (double)values[count + k];
        *between += (p - q) * (p - q);
        *norm += q * q;
    }
    free(values);
}

/* ||a - b|| / ||b|| over all tensors whose names begin with prefix; both have the same ones. */
static double difference(const lt_train_options *a, const lt_train_options *b, const char *ending, const char *prefix) {
    lt_checkpoint files[2];
    open_beside(a, ending, &files[0]);
    open_beside(b, ending, &files[1]);
    assert_int_equal(files[0].count, files[1].count);
    double between = 0, norm = 0;
    for (size_t i = 0; i < files[0].count; i++) {
        const lt_tensor *x = &files[0].tensors[i], *y = &files[1].tensors[i];
        assert_string_equal(x->name, y->name);
        assert_int_equal(lt_tensor_count(x), lt_tensor_count(y));
        if (strncmp(x->name, prefix, strlen(prefix))) continue;
        add_difference(x, y, &between, &norm);
    }
    assert_true(norm > 0);
    lt_checkpoint_close(&files[0]);
    lt_checkpoint_close(&files[1]);
    return sqrt(between / norm);
}

static void assert_same(const lt_train_options *a, const lt_train_options *b) {
    assert_true(difference(a, b, "", "") == 0);
    assert_true(difference(a, b, ".state", "") == 0);
}

/* ---- Stopping ---- */

static bool stop_after_two(void *user, const lt_train_progress *p) {
    (void)user;
    assert_true(p->step <= 2 && p->steps == 3 && p->loss > 0 && p->rate > 0 && p->gradient_norm > 0);
    assert_true(p->samples_per_second > 0 && p->seconds_left >= 0);
    return p->step < 2;
}

static bool count_down(void *user) {
    long *left = user;
    return --*left <= 0;
}

static void test_progress_stops(void **state) {
    (void)state;
    const lt_train_options whole = small("whole");
    lt_train_options o = small("parts");
    assert_ok(lt_train(LT_TRAIN_VAE, &whole));
    o.progress = stop_after_two;
    assert_int_equal(lt_train(LT_TRAIN_VAE, &o), LT_ERROR_CANCELLED);
    assert_non_null(strstr(lt_error_message(), "stopped after step 2 of 3; `resume` goes on from "));
    o.progress = NULL;
    o.files.resume = true;
    assert_ok(lt_train(LT_TRAIN_VAE, &o));
    assert_same(&whole, &o);
}

/* In the middle of a step, with gradients half added up: that step is taken again from its beginning. */
static void stop_anywhere(lt_train_kind kind, lt_train_options whole, lt_train_options o) {
    static const long moments[] = {1, 2, 3, 20, 100, 150, 333, 500, 1000};
    whole.length.accumulate = o.length.accumulate = 2;
    assert_ok(lt_train(kind, &whole));
    o.cancelled = count_down;
    o.files.resume = true;
    size_t stopped = 0;
    for (size_t i = 0; i < LT_COUNT(moments); i++) {
        long left = moments[i];
        o.user = &left;
        const lt_status status = lt_train(kind, &o);
        assert_true(status == LT_OK || status == LT_ERROR_CANCELLED);
        stopped += status == LT_ERROR_CANCELLED;
    }
    assert_true(stopped >= 5);
    o.cancelled = NULL;
    assert_ok(lt_train(kind, &o));
    assert_same(&whole, &o);
}

static void test_stopped_anywhere(void **state) {
    (void)state;
    stop_anywhere(LT_TRAIN_VAE, small("vae"), small("vae-parts"));
    stop_anywhere(LT_TRAIN_UNET, pixels("unet"), pixels("unet-parts"));
}

/* The caller is asked within a batch too, which may take many seconds: before each of the three of pictures and the one
 * of texts alone would be four times. */
static void test_stopped_while_encoding(void **state) {
    (void)state;
    const lt_train_options vae = small("vae"), clip = small("clip");
    lt_train_options o = small("unet");
    assert_ok(lt_train(LT_TRAIN_VAE, &vae));
    assert_ok(lt_train(LT_TRAIN_CLIP, &clip));
    o.files.vae = vae.files.output;
    o.files.text = clip.files.output;
    o.cancelled = count_down;
    size_t pictures = 0, texts = 0;
    for (long moment = 1; moment <= 1000; moment++) {
        long left = moment;
        o.user = &left;
        assert_int_equal(lt_train(LT_TRAIN_UNET, &o), LT_ERROR_CANCELLED);
        if (strstr(lt_error_message(), "stopped after step")) break;
        pictures += strstr(lt_error_message(), "encoding pictures") != NULL;
        texts += strstr(lt_error_message(), "encoding texts") != NULL;
    }
    assert_true(pictures + texts > 8);
}

/* A caller that asks to stop when the last step is done, and counts how often it is asked from then on. */
typedef struct late_stop {
    bool on;
    size_t asked;
} late_stop;

static bool begin_stop(void *user, const lt_train_progress *p) {
    ((late_stop *)user)->on = p->step == p->steps;
    return true;
}

static bool asks_late(void *user) {
    late_stop *s = user;
    s->asked += s->on;
    return s->on;
}

/* A training that measures in the end what it is worth is stopped in that; --resume measures, and then all is done. */
static void stop_measuring(lt_train_kind kind, lt_train_options whole, lt_train_options o, size_t most_asked) {
    late_stop late = {0};
    assert_ok(lt_train(kind, &whole));
    o.progress = begin_stop;
    o.cancelled = asks_late;
    o.user = &late;
    assert_int_equal(lt_train(kind, &o), LT_ERROR_CANCELLED);
    assert_non_null(strstr(lt_error_message(), "stopped after step 3 of 3; `resume` goes on from "));
    assert_in_range(late.asked, 1, most_asked);
    assert_true(difference(&whole, &o, ".state", "") == 0);
    o.files.resume = true;
    assert_int_equal(lt_train(kind, &o), LT_ERROR_CANCELLED); /* it wasn't taken for done */
    o.cancelled = NULL;
    assert_ok(lt_train(kind, &o));
    assert_same(&whole, &o);
}

static void test_stopped_while_measuring(void **state) {
    (void)state;
    lt_train_options clip = small("clip"), clip_parts = small("clip-parts");
    clip.files.validation = clip_parts.files.validation = clip.files.data;
    stop_measuring(LT_TRAIN_VAE, small("vae"), small("vae-parts"), 4); /* a batch is measured */
    stop_measuring(LT_TRAIN_CLIP, clip, clip_parts, 1);
    write_text("metadata.jsonl",
               "{\"file_name\": \"0.png\", \"label\": 0}\n{\"file_name\": \"1.png\", \"label\": 1}\n");
    lt_train_options classifier = pixels("classifier"), classifier_parts = pixels("classifier-parts");
    classifier.files.validation = classifier_parts.files.validation = classifier.files.data;
    stop_measuring(LT_TRAIN_CLASSIFIER, classifier, classifier_parts, 1);
}

/* ---- What is kept for others ---- */

/* A copy of CLIP's file that says of its text encoder what `key` and `value` do. */
static const char *say_of_text(const lt_train_options *clip, const char *name, const char *key, const char *value) {
    static char path[1024];
    const lt_metadata said = {key, value};
    lt_checkpoint file;
    open_beside(clip, "", &file);
    snprintf(path, sizeof path, "%s", in_root(name));
    assert_ok(lt_safetensors_write(path, file.tensors, file.count, &said, 1, NULL, NULL, NULL));
    lt_checkpoint_close(&file);
    return path;
}

/* Trainings of one --cache whose text encoders have the same weights and read them in another way: each learns what it
 * would with a cache of its own. */
static void test_contexts_are_told_apart(void **state) {
    (void)state;
    static const struct {
        const char *name, *key, *value;
    } cases[] = {
        {"whole", "latent.text_encoder.num_hidden_layers", "2"},
        {"layers", "latent.text_encoder.num_hidden_layers", "1"},
        {"activation", "latent.text_encoder.hidden_act", "\"gelu\""},
        {"heads", "latent.text_encoder.num_attention_heads", "2"},
    };
    const lt_train_options vae = small("vae");
    lt_train_options clip = small("clip");
    clip.network.text_layers = 2;
    clip.length.steps = 1;
    assert_ok(lt_train(LT_TRAIN_VAE, &vae));
    assert_ok(lt_train(LT_TRAIN_CLIP, &clip));
    lt_train_options shared = small("shared"), own = small("own");
    own.files.overwrite = true;
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        shared.files.vae = own.files.vae = vae.files.output;
        shared.files.text = own.files.text = say_of_text(&clip, cases[i].name, cases[i].key, cases[i].value);
        char folder[300];
        snprintf(folder, sizeof folder, "%s/%s.cache", root, cases[i].name);
        own.files.cache = folder;
        shared.files.cache = root;
        assert_ok(lt_train(LT_TRAIN_UNET, &own));
        shared.files.overwrite = false;
        shared.files.resume = i > 0; /* from one that read its texts in another way */
        if (i) assert_int_equal(lt_train(LT_TRAIN_UNET, &shared), LT_ERROR_ARGUMENT);
        shared.files.resume = false;
        shared.files.overwrite = true;
        assert_ok(lt_train(LT_TRAIN_UNET, &shared));
        assert_same(&own, &shared);
    }
}

/* ---- What is there already ---- */

/* The first `count` of a training's three files, as one string. */
static lt_buffer files_of(const lt_train_options *o, size_t count) {
    lt_buffer all = {0};
    static const char *const endings[] = {"", ".state", ".jsonl"};
    for (size_t i = 0; i < count; i++) {
        char path[320];
        lt_map map;
        snprintf(path, sizeof path, "%s%s", o->files.output, endings[i]);
        if (access(path, F_OK)) continue;
        assert_ok(lt_map_open(path, &map));
        assert_ok(lt_buffer_append(&all, map.data, map.size));
        lt_map_close(&map);
    }
    return all;
}

/* Fails with these words, and the first `count` files are untouched. */
static void assert_files_kept(lt_train_kind kind, const lt_train_options *o, size_t count, lt_status status,
                              const char *words) {
    lt_buffer before = files_of(o, count);
    assert_int_equal(lt_train(kind, o), status);
    assert_non_null(strstr(lt_error_message(), words));
    lt_buffer after = files_of(o, count);
    assert_int_equal(before.size, after.size);
    if (before.size) assert_memory_equal(before.data, after.data, before.size);
    lt_buffer_free(&before);
    lt_buffer_free(&after);
}

static void assert_kept(const lt_train_options *o, const char *words) {
    assert_files_kept(LT_TRAIN_VAE, o, 3, LT_ERROR_ARGUMENT, words);
}

static void remove_beside(const lt_train_options *o, const char *ending) {
    char path[320];
    snprintf(path, sizeof path, "%s%s", o->files.output, ending);
    assert_int_equal(unlink(path), 0);
}

static void test_nothing_is_lost_unasked(void **state) {
    (void)state;
    lt_train_options o = small("kept"), once = small("once");
    assert_ok(lt_train(LT_TRAIN_VAE, &o));
    assert_ok(lt_train(LT_TRAIN_VAE, &once));
    o.computing.seed = 1;
    assert_kept(&o, "kept is there: go on with `resume`");
    remove_beside(&o, "");
    assert_kept(&o, "kept.state is there: go on with `resume`");
    remove_beside(&o, ".state");
    assert_kept(&o, "kept.jsonl is there: go on with `resume`");
    o.files.resume = true; /* a log without a state: killed before it was saved */
    assert_ok(lt_train(LT_TRAIN_VAE, &o));
    remove_beside(&o, ".state");
    assert_kept(&o, "kept is there, but no state to go on from");
    o.files.resume = false;
    o.files.overwrite = true;
    o.computing.seed = 0;
    assert_ok(lt_train(LT_TRAIN_VAE, &o));
    assert_same(&once, &o);
}

/* ---- What is no number ---- */

typedef struct spoiling {
    const char *tensor;
    float value;
} spoiling;

static lt_status spoilt_values(void *user, const lt_tensor *t, float *values) {
    const spoiling *s = user;
    lt_tensor_read_f32(t, values);
    if (!strcmp(t->name, s->tensor)) values[0] = s->value;
    return LT_OK;
}

/* Puts value into a tensor of the file beside o's output. */
static void spoil(const lt_train_options *o, const char *ending, const char *tensor, float value) {
    char path[320];
    lt_checkpoint c;
    spoiling s = {tensor, value};
    lt_metadata said[LT_MAX_SETTINGS];
    snprintf(path, sizeof path, "%s%s", o->files.output, ending);
    open_beside(o, ending, &c);
    assert_non_null(lt_checkpoint_find(&c, tensor));
    assert_true(c.metadata_count <= LT_COUNT(said));
    for (size_t i = 0; i < c.metadata_count; i++) said[i] = (lt_metadata){c.metadata[i].key, c.metadata[i].value};
    assert_ok(lt_safetensors_write(path, c.tensors, c.count, said, c.metadata_count, NULL, spoilt_values, &s));
    lt_checkpoint_close(&c);
}

#define BIAS "model.diffusion_model.out.2.bias"

/* Weights that are none are refused before anything is touched, those to go on from too. */
static void test_beginnings_that_are_no_numbers(void **state) {
    (void)state;
    static const struct {
        lt_train_kind kind;
        const char *tensor;
    } cases[] = {
        {LT_TRAIN_VAE, "first_stage_model.encoder.conv_in.weight"},
        {LT_TRAIN_CLIP, "logit_scale"},
        {LT_TRAIN_UNET, BIAS},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_train_options first = cases[i].kind == LT_TRAIN_UNET ? pixels("first") : small("first"), next = first;
        first.files.overwrite = next.files.overwrite = true;
        assert_ok(lt_train(cases[i].kind, &first));
        spoil(&first, "", cases[i].tensor, NAN);
        next.files.init = first.files.output;
        next.files.output = small("next").files.output;
        assert_files_kept(cases[i].kind, &next, 3, LT_ERROR_MODEL, cases[i].tensor);
        assert_int_equal(files_of(&next, 3).size, 0);
    }
    lt_train_options o = pixels("first");
    o.files.resume = true;
    o.length.steps = 4;
    spoil(&o, ".state", "adamw.v." BIAS, INFINITY);
    assert_files_kept(LT_TRAIN_UNET, &o, 3, LT_ERROR_MODEL, "first.state: AdamW's variance of " BIAS " holds a NaN");
}

/* A step that makes some is not saved. */
static void test_steps_that_make_no_numbers(void **state) {
    (void)state;
    lt_train_options o = pixels("model");
    assert_ok(lt_train(LT_TRAIN_UNET, &o));
    o.files.resume = true;
    o.length.steps = 4;
    o.adamw.rate = 10;
    spoil(&o, ".state", "adamw.m." BIAS, 3e38F);
    assert_files_kept(LT_TRAIN_UNET, &o, 2, LT_ERROR_MODEL, "step 4: nothing was written: " BIAS " holds a NaN");
    o.length.steps = 5;
    o.length.save_steps = 5;
    assert_files_kept(LT_TRAIN_UNET, &o, 2, LT_ERROR_ARGUMENT, "step 5: the loss of the U-Net is not a number");
}

/* What is there in the first step of one that begins in the place of another: no state that is not its own. */
static bool fail_at_once(void *user, const lt_train_progress *progress) {
    (void)progress;
    char path[320];
    const lt_train_options *o = user;
    snprintf(path, sizeof path, "%s.state", o->files.output);
    assert_int_equal(access(path, F_OK), -1);
    lt_train_options second = *o;
    second.progress = NULL;
    assert_int_equal(lt_train(LT_TRAIN_VAE, &second), LT_ERROR_FILE);
    assert_non_null(strstr(lt_error_message(), "another program or thread is writing it"));
    second.files.resume = true;
    assert_int_equal(lt_train(LT_TRAIN_VAE, &second), LT_ERROR_FILE);
    return false;
}

static void test_two_at_once(void **state) {
    (void)state;
    lt_train_options o = small("one");
    assert_ok(lt_train(LT_TRAIN_VAE, &o));
    o.files.overwrite = true;
    o.progress = fail_at_once;
    o.user = &o;
    assert_int_equal(lt_train(LT_TRAIN_VAE, &o), LT_ERROR_CANCELLED);
    assert_non_null(strstr(lt_error_message(), "stopped after step 1 of 3; `resume` goes on from "));
}

/* ---- What must not matter ---- */

static void expect_same_for_threads(lt_train_kind kind, lt_precision precision, int threads) {
    const bool in_pixels = kind == LT_TRAIN_UNET || kind == LT_TRAIN_CLASSIFIER;
    lt_train_options alone = in_pixels ? pixels("alone") : small("alone"), shared = alone;
    char output[300];
    snprintf(output, sizeof output, "%s/shared", root);
    shared.files.output = output;
    alone.pictures.size = shared.pictures.size = 2 * SIDE;
    alone.computing.precision = shared.computing.precision = precision;
    alone.files.overwrite = shared.files.overwrite = true;
    alone.computing.threads = 1;
    shared.computing.threads = threads;
    assert_ok(lt_train(kind, &alone));
    assert_ok(lt_train(kind, &shared));
    assert_same(&alone, &shared);
}

/* Pictures with more pixels than a piece of a sum has rows, so that sums over them are shared out. */
static void test_threads_make_the_same_weights(void **state) {
    (void)state;
    write_text("metadata.jsonl", "{\"file_name\": \"0.png\", \"text\": \"one\", \"label\": 0}\n"
                                 "{\"file_name\": \"1.png\", \"text\": \"two\", \"label\": 1}\n");
    for (int kind = LT_TRAIN_VAE; kind <= LT_TRAIN_CLASSIFIER; kind++)
        for (int threads = 2; threads <= 3; threads++) {
            expect_same_for_threads((lt_train_kind)kind, LT_PRECISION_F32, threads);
            if (lt_isa_has(LT_ISA_AVX512BF16, LT_ISA_BEST))
                expect_same_for_threads((lt_train_kind)kind, LT_PRECISION_BF16, threads);
        }
}

static void test_recomputing(void **state) {
    (void)state;
    lt_train_options a = small("a"), b = small("b");
    b.computing.recompute = true;
    assert_ok(lt_train(LT_TRAIN_VAE, &a));
    assert_ok(lt_train(LT_TRAIN_VAE, &b));
    assert_same(&a, &b);
    lt_train_options c = pixels("c"), d = pixels("d");
    d.computing.recompute = true;
    assert_ok(lt_train(LT_TRAIN_UNET, &c));
    assert_ok(lt_train(LT_TRAIN_UNET, &d));
    assert_same(&c, &d);
}

/* Moments after one step are the gradient's tenth. */
static void test_accumulating(void **state) {
    (void)state;
    lt_train_options a = pixels("a"), b = pixels("b");
    a.length.steps = b.length.steps = 1;
    a.length.batch = 4;
    b.length.batch = 2;
    b.length.accumulate = 2;
    assert_ok(lt_train(LT_TRAIN_UNET, &a));
    assert_ok(lt_train(LT_TRAIN_UNET, &b));
    const double error = difference(&b, &a, ".state", "adamw.m.");
    print_message("    two batches of 2 and one of 4: gradients differ by %.1e\n", error);
    assert_true(error < 1e-5);
    b.files.overwrite = true;
    b.length.batch = 1; /* half as many samples: another gradient */
    assert_ok(lt_train(LT_TRAIN_UNET, &b));
    assert_true(difference(&b, &a, ".state", "adamw.m.") > 1e-2);
}

static bool takes_all(const char *name) { return name != NULL; }

/* Values of all tensors of the roles, fresh. */
static void make_fresh(unsigned roles, uint64_t seed, int threads, lt_parameters *p) {
    const lt_sd_architecture a = {
        .unet = {.in_channels = 4,
                 .out_channels = 4,
                 .channels = 8,
                 .context_dim = 8,
                 .levels = 2,
                 .level = {{8, 1, 1}, {16, 1, 0}},
                 .middle_depth = 1},
        .vae = {.latent_channels = 4,
                .channels = 8,
                .levels = 2,
                .level = {{8, 1}, {8, 1}},
                .attention = true,
                .quant_conv = true,
                .post_quant_conv = true},
    };
    lt_tensor_list list = {0};
    use_threads(threads);
    assert_ok(lt_sd_list(&a, roles, &list));
    assert_ok(lt_parameters_create(list.tensors, list.count, takes_all, seed, p));
    lt_tensor_list_free(&list);
}

static bool is_constant(const lt_parameter *p) {
    for (size_t i = 1; i < p->count; i++)
        if (p->value[i] != p->value[0]) return false;
    return true;
}

/* How many parameters of a differ from those of b of the same name; constant ones, such as biases, aside. */
static size_t count_different(const lt_parameters *a, const lt_parameters *b, size_t *compared) {
    size_t different = 0;
    *compared = 0;
    for (size_t i = 0; i < a->count; i++)
        for (size_t k = 0; k < b->count; k++) {
            const lt_parameter *x = &a->items[i], *y = &b->items[k];
            if (strcmp(x->name, y->name) || is_constant(x)) continue;
            ++*compared;
            different += memcmp(x->value, y->value, x->count * sizeof *x->value) != 0;
        }
    return different;
}

static void test_fresh_weights(void **state) {
    (void)state;
    const unsigned vae = 1u << LT_ROLE_VAE, unet = 1u << LT_ROLE_UNET;
    lt_parameters p[3];
    size_t compared;
    make_fresh(vae, 7, 1, &p[0]);
    make_fresh(vae | unet, 7, 2, &p[1]);
    make_fresh(vae, 8, 2, &p[2]);
    assert_int_equal(count_different(&p[0], &p[1], &compared), 0); /* nor on threads, nor on what else there is */
    assert_true(compared > 20);
    assert_int_equal(count_different(&p[0], &p[2], &compared), compared);
    assert_true(compared > 20);
    for (int i = 0; i < 3; i++) lt_parameters_free(&p[i]);
}

/* ---- Caches, and hashes that name them ---- */

/* Values from two rows of a cache in float16: exact ones, and such as must be rounded to the nearest. */
static lt_status fill_thirds(void *user, size_t first, size_t n, float *rows) {
    (void)user;
    for (size_t i = 0; i < n; i++) {
        rows[2 * i] = (float)(first + i) - 0.5f;
        rows[2 * i + 1] = 1.0f / 3;
    }
    return LT_OK;
}

static void test_caches_of_halves(void **state) {
    (void)state;
    const lt_cache_maker maker = {.fill = fill_thirds, .step = 2};
    const lt_tensor shape = {.dtype = LT_F16, .rank = 2, .shape = {3, 2}};
    for (int again = 0; again < 2; again++) {
        lt_cache cache;
        assert_ok(lt_cache_open(root, "halves", 1, &shape, &maker, &cache));
        for (size_t i = 0; i < 3; i++) {
            const uint16_t *row = lt_cache_row(&cache, i);
            assert_float_equal(lt_f16_to_f32(row[0]), (float)i - 0.5f, 0);
            assert_float_equal(lt_f16_to_f32(row[1]), 1365.0f / 4096, 0);
        }
        assert_ok(lt_cache_release(&cache));
        lt_cache_close(&cache);
    }
}

/* A view has the hash of the values that it shows, in their order. */
static void test_hashes_of_views(void **state) {
    (void)state;
    float rows[] = {1, 2, 3, 4, 5, 6}, columns[] = {1, 4, 2, 5, 3, 6};
    lt_tensor a = {.name = "x", .dtype = LT_F32, .rank = 2, .shape = {2, 3}, .data = rows}, b = a;
    lt_tensor_set_contiguous(&a);
    b.data = columns;
    b.stride[0] = 1;
    b.stride[1] = 2;
    assert_true(lt_hash_tensors(LT_HASH_START, &a, 1) == lt_hash_tensors(LT_HASH_START, &b, 1));
    columns[5] = 7;
    assert_true(lt_hash_tensors(LT_HASH_START, &a, 1) != lt_hash_tensors(LT_HASH_START, &b, 1));
}

/* ---- Out of memory ---- */

/* Allocations fail in turn, ever fewer of them: after the nth the n/each next ones are left out. A failure may go
 * unnoticed where it is of a batch that is read ahead and not asked for, or of a cache that is then made again. */
static void fail_each(lt_train_kind kind, const lt_train_options *o, size_t each) {
    size_t n = 0, tried = 0, unnoticed = 0;
    for (bool failed = true; failed; n += 1 + n / each, tried++) {
        lt_alloc_fail_at(n);
        const lt_status status = lt_train(kind, o);
        failed = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        if (status != LT_OK && !(failed && status == LT_ERROR_MEMORY))
            fail_msg("allocation %zu: status %d, \"%s\"", n, status, lt_error_message());
        unnoticed += failed && !status;
    }
    print_message("    %zu trainings, the last with %zu allocations; %zu failures mattered not\n", tried, n, unnoticed);
    assert_true(unnoticed <= tried / 8);
}

/* lt_train with options of which one is changed: refused by that field's name, and nothing is made. */
static lt_status train_senselessly(const void *options) {
    struct stat info;
    const lt_status status = lt_train(LT_TRAIN_VAE, options);
    assert_int_equal(stat(small("senseless").files.output, &info), -1);
    return status;
}

static void test_senseless_options(void **state) {
    (void)state;
    static const lt_field others[] = {
        {LT_FIELD(lt_train_options, progress), LT_FIELD_TEXT}, {LT_FIELD(lt_train_options, cancelled), LT_FIELD_TEXT},
        {LT_FIELD(lt_train_options, sample), LT_FIELD_TEXT},   {LT_FIELD(lt_train_options, notice), LT_FIELD_TEXT},
        {LT_FIELD(lt_train_options, user), LT_FIELD_TEXT},     {0}};
    const lt_train_options good = small("senseless");
    assert_all_members(lt_train_fields(), others, sizeof good);
    assert_true(refuse_bad_fields(lt_train_fields(), &good, sizeof good, train_senselessly) > 150);
}

static void test_senseless_trainings(void **state) {
    (void)state;
    const lt_train_options o = small("senseless");
    assert_int_equal(lt_train(LT_TRAIN_VAE, NULL), LT_ERROR_ARGUMENT);
    assert_int_equal(lt_train((lt_train_kind)6, &o), LT_ERROR_ARGUMENT);
    assert_int_equal(lt_train((lt_train_kind)-1, &o), LT_ERROR_ARGUMENT);
}

static void test_allocations_fail(void **state) {
    (void)state;
    lt_train_options vae = small("vae"), clip = small("clip"), unet = small("unet"), pixel = pixels("pixels");
    vae.length.steps = clip.length.steps = unet.length.steps = pixel.length.steps = 1;
    vae.files.overwrite = clip.files.overwrite = unet.files.overwrite = pixel.files.overwrite = true;
    clip.files.validation = clip.files.data;
    fail_each(LT_TRAIN_VAE, &vae, 16);
    fail_each(LT_TRAIN_CLIP, &clip, 4);
    fail_each(LT_TRAIN_UNET, &pixel, 16);
    unet.files.vae = vae.files.output;
    unet.files.text = clip.files.output;
    fail_each(LT_TRAIN_UNET, &unet, 8);
    pixel.files.resume = true;
    fail_each(LT_TRAIN_UNET, &pixel, 16);
}

/* ---- What is added to a model ---- */

/* A model with everything in it. */
static const char *whole_model(void) {
    lt_train_options vae = small("vae"), clip = small("clip"), unet = small("unet");
    vae.length.steps = clip.length.steps = unet.length.steps = 1;
    unet.files.vae = vae.files.output;
    unet.files.text = clip.files.output;
    assert_ok(lt_train(LT_TRAIN_VAE, &vae));
    assert_ok(lt_train(LT_TRAIN_CLIP, &clip));
    assert_ok(lt_train(LT_TRAIN_UNET, &unet));
    return unet.files.output;
}

static lt_train_options added(const char *name, const char *model) {
    lt_train_options o = small(name);
    o.files.init = model;
    o.lora.rank = 2;
    o.lora.conv_rank = 1;
    o.embedding.vectors = 2;
    return o;
}

static void test_added(void **state) {
    (void)state;
    const char *model = whole_model();
    stop_anywhere(LT_TRAIN_LORA, added("lora", model), added("lora-parts", model));
    lt_train_options all = added("all", model);
    all.files.prior = all.files.masks = all.files.data;
    all.losses.noise_offset = 0.1;
    all.losses.min_snr = 5;
    assert_ok(lt_train(LT_TRAIN_LORA, &all));
}

enum { SHAPES = 3, EACH = 5, BATCH = 2 };

/* Pictures of three shapes, without a list: EACH of each. */
static int make_shapes(void **state) {
    static const int sides[SHAPES][2] = {{64, 64}, {90, 40}, {30, 50}};
    if (make_root(state)) return -1;
    for (int i = 0; i < SHAPES * EACH; i++) {
        char name[16];
        snprintf(name, sizeof name, "%02d.png", i);
        write_picture(name, sides[i % SHAPES][0], sides[i % SHAPES][1], i);
    }
    return 0;
}

/* The pictures of an epoch, whose batches are of one shape each: how often each of them comes. */
static void count_draws(const lt_training *t, const lt_buckets *b, uint64_t epoch, int seen[SHAPES * EACH]) {
    memset(seen, 0, SHAPES * EACH * sizeof *seen);
    for (uint64_t i = 0; i < b->batches; i++) {
        size_t rows[BATCH];
        lt_draw draws[BATCH];
        const lt_bucket *bucket = &b->items[lt_buckets_draw(t, b, (epoch * b->batches + i) * BATCH, rows, draws)];
        for (int k = 0; k < BATCH; k++) {
            assert_int_equal(bucket->members[rows[k]], draws[k].index);
            seen[draws[k].index]++;
        }
    }
}

static void test_shapes(void **state) {
    (void)state;
    lt_train_options o = small("shapes");
    lt_training t = {.options = &o};
    lt_buckets b = {0};
    int seen[SHAPES * EACH];
    o.pictures.size = 64;
    o.pictures.buckets = true;
    assert_ok(lt_dataset_open(o.files.data, &t.data));
    assert_ok(lt_buckets_open(&t, 8, &b));
    assert_int_equal(b.count, SHAPES);
    assert_int_equal(b.batches, SHAPES * ((EACH + BATCH - 1) / BATCH));
    for (size_t i = 0; i < b.count; i++) {
        assert_int_equal(b.items[i].count, EACH);
        assert_true(b.items[i].width % 8 == 0 && b.items[i].height % 8 == 0);
        assert_true(b.items[i].width * b.items[i].height <= 64 * 64 && b.items[i].width * b.items[i].height > 48 * 64);
    }
    for (uint64_t epoch = 0; epoch < 3; epoch++) {
        count_draws(&t, &b, epoch, seen);
        for (int i = 0; i < SHAPES * EACH; i++)
            assert_true(seen[i] == 1 || seen[i] == 2); /* 2: what fills a batch up */
    }
    lt_buckets_close(&b);
    lt_dataset_close(t.data);
}

static void test_added_without_memory(void **state) {
    (void)state;
    const char *model = whole_model();
    lt_train_options lora = added("lora", model), word = added("word", model);
    lora.length.steps = word.length.steps = 1;
    lora.files.overwrite = word.files.overwrite = true;
    lora.pictures.buckets = true;
    fail_each(LT_TRAIN_LORA, &lora, 8);
    fail_each(LT_TRAIN_EMBEDDING, &word, 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_progress_stops, make_data),
        cmocka_unit_test_setup(test_stopped_anywhere, make_data),
        cmocka_unit_test_setup(test_stopped_while_encoding, make_data),
        cmocka_unit_test_setup(test_stopped_while_measuring, make_data),
        cmocka_unit_test_setup(test_contexts_are_told_apart, make_data),
        cmocka_unit_test_setup(test_nothing_is_lost_unasked, make_data),
        cmocka_unit_test_setup(test_beginnings_that_are_no_numbers, make_data),
        cmocka_unit_test_setup(test_steps_that_make_no_numbers, make_data),
        cmocka_unit_test_setup(test_two_at_once, make_data),
        cmocka_unit_test_setup(test_threads_make_the_same_weights, make_data),
        cmocka_unit_test_setup(test_recomputing, make_data),
        cmocka_unit_test_setup(test_accumulating, make_data),
        cmocka_unit_test_setup(test_fresh_weights, make_data),
        cmocka_unit_test_setup(test_caches_of_halves, make_data),
        cmocka_unit_test(test_hashes_of_views),
        cmocka_unit_test_setup(test_senseless_options, make_data),
        cmocka_unit_test_setup(test_senseless_trainings, make_data),
        cmocka_unit_test_setup(test_allocations_fail, make_data),
        cmocka_unit_test_setup(test_added, make_data),
        cmocka_unit_test_setup(test_added_without_memory, make_data),
        cmocka_unit_test_setup(test_shapes, make_shapes),
    };
    return cmocka_run_group_tests_name("train", tests, NULL, clean);
}
