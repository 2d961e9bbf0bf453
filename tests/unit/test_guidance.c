/* Classifiers of noisy latents and guidance by gradients: gradients against finite differences, a classifier that
 * learns colours, samples that follow it, and what does not fit together. */
#include "api/model.h"
#include "base/picture.h"
#include "base/rng.h"
#include "golden.h"
#include "kernels/layout.h"
#include "models/architecture.h"
#include "nn/nn.h"
#include "pipeline/generate.h"

#include <sys/stat.h>

/* ---- Weights and numbers ---- */

static float *random_numbers(size_t n, uint64_t seed) {
    float *x = malloc(n * sizeof *x);
    lt_rng rng;
    assert_non_null(x);
    lt_rng_seed(&rng, LT_RNG_CPU, seed);
    lt_rng_normal(&rng, x, n);
    return x;
}

static lt_status fill_values(void *user, const lt_tensor *tensor, float *values) {
    (void)user;
    lt_synthetic_fill(tensor, LT_F32, values);
    return LT_OK;
}

/* A file of list's tensors, which is freed, with synthetic values. */
static void write_synthetic(lt_tensor_list *list, const char *path, const lt_metadata *metadata, size_t count) {
    lt_tensor_list_sort(list);
    assert_ok(lt_safetensors_write(path, list->tensors, list->count, metadata, count, NULL, fill_values, NULL));
    lt_tensor_list_free(list);
}

/* The same as an open file: a store lets go of the pages that it has packed, so they must be a file's. */
static lt_weights *synthetic_weights(lt_tensor_list *list, lt_checkpoint *file) {
    lt_weights *weights;
    const char *path = scratch_path("weights.safetensors");
    write_synthetic(list, path, NULL, 0);
    assert_ok(lt_checkpoint_open(path, file));
    assert_ok(lt_weights_create(file->tensors, file->count, &weights));
    return weights;
}

static void close_weights(lt_weights *weights, lt_checkpoint *file) {
    lt_weights_free(weights);
    lt_checkpoint_close(file);
}

/* ---- Finite differences ---- */

static double dot(const float *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * b[i];
    return sum;
}

/* value at x + step * direction */
static double value_at(lt_plan *plan, const char *input, const char *value, const float *x, const float *direction,
                       double step) {
    const lt_port port = lt_plan_port(plan, input);
    const size_t n = lt_shape_count(lt_port_shape(port));
    for (size_t i = 0; i < n; i++)
        lt_port_write(port, i, &(float){(float)((double)x[i] + step * (double)direction[i])}, 1);
    assert_ok(lt_plan_run(plan, LT_RATE_PROMPT, NULL, NULL));
    return (double)lt_port_value(lt_plan_port(plan, value));
}

/* The slope of value along direction: Richardson's extrapolation of two central differences, exact to the fourth order.
 */
static double slope_at(lt_plan *plan, const char *input, const char *value, const float *x, const float *direction,
                       double step) {
    double difference[2];
    for (int k = 0; k < 2; k++) {
        const double h = step * (k + 1);
        difference[k] = value_at(plan, input, value, x, direction, h) - value_at(plan, input, value, x, direction, -h);
        difference[k] /= 2 * h;
    }
    return (4 * difference[0] - difference[1]) / 3;
}

/* The plan's "gradient" is that of sign * value by input: along itself and along random directions, where the
 * difference is measured in parts of the gradient's own length. */
static void assert_gradient(lt_plan *plan, const char *input, const char *value, double sign, double step,
                            double limit) {
    const size_t n = lt_shape_count(lt_port_shape(lt_plan_port(plan, input)));
    float *x = random_numbers(n, 1), *gradient = malloc(n * sizeof *gradient);
    assert_non_null(gradient);
    value_at(plan, input, value, x, x, 0);
    lt_port_read(lt_plan_port(plan, "gradient"), 0, gradient, n);
    const double length = sqrt(dot(gradient, gradient, n));
    assert_true(length > 0);
    for (uint64_t k = 0; k < 4; k++) {
        float *direction = random_numbers(n, 100 + k);
        if (!k) memcpy(direction, gradient, n * sizeof *direction);
        const double scale = 1 / sqrt(dot(direction, direction, n));
        for (size_t i = 0; i < n; i++) direction[i] *= (float)scale;
        const double expected = sign * slope_at(plan, input, value, x, direction, step);
        const double got = dot(gradient, direction, n);
        print_message("    along %d: %.6f, by differences %.6f\n", (int)k, got, expected);
        if (!(fabs(got - expected) <= limit * length)) fail_msg("%g is not %g", got, expected);
        free(direction);
    }
    free(gradient);
    free(x);
}

static lt_plan *make_plan(lt_graph *graph, lt_isa isa) {
    const lt_target target = {.isa = isa};
    lt_plan *plan;
    assert_ok(lt_plan_create(graph, &target, &plan));
    return plan;
}

/* The gradient of node by the graph's input x. */
static void watch(lt_graph *graph, lt_node *x, lt_node *node) {
    const lt_loss losses[] = {{node, 1}};
    lt_graph_output(graph, node, "value");
    assert_ok(graph->status);
    x->watched = true;
    assert_ok(lt_graph_backward(graph, losses, 1, false));
    lt_graph_output(graph, x->gradient, "gradient");
}

/* ---- Operations ---- */

static lt_node *error_of(lt_graph *graph, lt_node *x) {
    const lt_error_options options = {false};
    lt_node *target = lt_graph_input(graph, (lt_input){"target", x->operation.out, LT_RATE_STEP});
    return lt_graph_append(graph, (lt_call){&lt_op_error, {x, target}, LT_OPTIONS(options)});
}

static void check_crop(lt_shape shape, int size) {
    lt_graph graph = {0};
    lt_nn nn = {&graph, NULL, "test", 0};
    lt_node *x = lt_graph_input(&graph, (lt_input){"x", shape, LT_RATE_STEP});
    watch(&graph, x, error_of(&graph, lt_clip_crop(&nn, x, size)));
    lt_plan *plan = make_plan(&graph, LT_ISA_BEST);
    const size_t n = lt_shape_count(lt_port_shape(lt_plan_port(plan, "target")));
    float *target = random_numbers(n, 7);
    lt_port_write(lt_plan_port(plan, "target"), 0, target, n);
    assert_gradient(plan, "x", "value", 1, 0.5, 1e-5);
    free(target);
    lt_plan_free(plan);
}

static void test_crop_gradient(void **state) {
    (void)state;
    check_crop((lt_shape){2, 20, 31, 3}, 7);
    check_crop((lt_shape){1, 5, 4, 2}, 13);
    check_crop((lt_shape){1, 6, 6, 3}, 6);
}

/* The same pixels as lt_image_clip_crop, but for its rounding. */
static void test_crop_is_clips(void **state) {
    (void)state;
    const int width = 45, height = 61, size = 16;
    lt_image image, expected;
    lt_graph graph = {0};
    lt_nn nn = {&graph, NULL, "test", 0};
    lt_node *x = lt_graph_input(&graph, (lt_input){"x", {1, height, width, 3}, LT_RATE_STEP});
    lt_graph_output(&graph, lt_clip_crop(&nn, x, size), "out");
    lt_plan *plan = make_plan(&graph, LT_ISA_BEST);
    assert_ok(lt_image_alloc(width, height, &image));
    for (int i = 0; i < width * height * 3; i++) {
        image.pixels[i] = (uint8_t)(128 + 90 * sin(0.05 * i) * cos(0.01 * i));
        lt_port_write(lt_plan_port(plan, "x"), (size_t)i, &(float){image.pixels[i]}, 1);
    }
    assert_ok(lt_image_clip_crop(&image, size, &expected));
    assert_ok(lt_plan_run(plan, LT_RATE_PROMPT, NULL, NULL));
    float out[16 * 16 * 3];
    lt_port_read(lt_plan_port(plan, "out"), 0, out, LT_COUNT(out));
    for (int i = 0; i < size * size * 3; i++) assert_true(fabsf(out[i] - (float)expected.pixels[i]) <= 1.01f);
    lt_image_free(&image);
    lt_image_free(&expected);
    lt_plan_free(plan);
}

static void test_affine_gradient(void **state) {
    (void)state;
    const float numbers[] = {2, -0.5f, 3, 1, 0.25f, -4};
    lt_graph graph = {0};
    lt_nn nn = {&graph, NULL, "test", 0};
    lt_node *x = lt_graph_input(&graph, (lt_input){"x", {2, 3, 4, 3}, LT_RATE_STEP});
    watch(&graph, x, error_of(&graph, lt_affine(&nn, x, numbers, 3)));
    lt_plan *plan = make_plan(&graph, LT_ISA_BEST);
    lt_port_fill(lt_plan_port(plan, "target"), 0);
    assert_gradient(plan, "x", "value", 1, 0.5, 1e-5);
    lt_plan_free(plan);
    assert_null(lt_affine(&nn, lt_graph_input(&graph, (lt_input){"x", {1, 1, 1, 4}, LT_RATE_STEP}), numbers, 3));
    assert_int_equal(graph.status, LT_ERROR_MODEL);
    lt_graph_free(&graph);
}

static void test_cosine_gradient(void **state) {
    (void)state;
    const lt_shape shape = {3, 1, 1, 20};
    lt_graph graph = {0};
    lt_nn nn = {&graph, NULL, "test", 0};
    lt_node *x = lt_graph_input(&graph, (lt_input){"x", shape, LT_RATE_STEP});
    watch(&graph, x, lt_cosine(&nn, x, lt_graph_input(&graph, (lt_input){"y", shape, LT_RATE_STEP})));
    lt_plan *plan = make_plan(&graph, LT_ISA_BEST);
    float *y = random_numbers(60, 5);
    lt_port_write(lt_plan_port(plan, "y"), 0, y, 60);
    assert_gradient(plan, "x", "value", 1, 0.05, 1e-4);
    assert_true(fabs(value_at(plan, "x", "value", y, y, 2) - 1) < 1e-6);
    memset(y, 0, 60 * sizeof *y); /* nothing is like nothing, and has no direction to it */
    assert_true(value_at(plan, "x", "value", y, y, 0) == 0);
    lt_port_read(lt_plan_port(plan, "gradient"), 0, y, 60);
    for (int i = 0; i < 60; i++) assert_true(isfinite(y[i]));
    free(y);
    lt_plan_free(plan);
}

/* ---- The gradients that guide ---- */

static const lt_sd_architecture small = {
    .unet = {.in_channels = 4,
             .out_channels = 4,
             .channels = 16,
             .levels = 2,
             .level = {{16, 1, 0}, {32, 1, 1}},
             .middle_depth = 1},
    .vae = {.latent_channels = 4,
            .channels = 16,
            .levels = 2,
            .level = {{16, 1}, {32, 1}},
            .attention = true,
            .quant_conv = true,
            .post_quant_conv = true},
};

static void check_classifier(lt_isa isa, double limit) {
    lt_tensor_list list;
    lt_classifier classifier;
    lt_graph graph = {0};
    assert_ok(lt_classifier_list(&small.unet, 7, 5, &list));
    lt_checkpoint file;
    lt_weights *weights = synthetic_weights(&list, &file);
    assert_ok(lt_classifier_open(weights, &classifier));
    assert_int_equal(classifier.half.in_channels, 4);
    assert_int_equal(classifier.classes, 5);
    assert_int_equal(classifier.half.heads, 8);
    assert_int_equal(classifier.size, 8); /* 7 and 8 lead to 4 x 4 */
    classifier.size = 7;
    classifier.half.groups = 8;
    assert_ok(lt_classifier_build_gradient(&classifier, 2, &graph));
    lt_plan *plan = make_plan(&graph, isa);
    lt_port_write(lt_plan_port(plan, "t"), 0, (const float[]){30, 801.5f}, 2);
    lt_port_write_i32(lt_plan_port(plan, "label"), 0, (const int32_t[]){4, 0}, 2);
    assert_gradient(plan, "x", "loss", -2, 0.02, limit);
    lt_plan_free(plan);
    close_weights(weights, &file);
}

static void test_classifier_gradient(void **state) {
    (void)state;
    check_classifier(LT_ISA_SCALAR, 2e-4);
    check_classifier(LT_ISA_BEST, 1e-3);
}

static void check_clip(lt_isa isa, double limit) {
    static const lt_clip_architecture tower = {
        .text = {.width = 64, .hidden = 256, .layers = 1, .vocabulary = 10, .positions = 5, .projection = 24},
        .image = {.width = 64, .hidden = 256, .layers = 2, .size = 16, .patch = 8, .projection = 24},
    };
    lt_tensor_list vae_list, clip_list;
    lt_vae vae;
    lt_clip_image image;
    lt_graph graph = {0};
    assert_ok(lt_sd_list(&small, 1u << LT_ROLE_VAE, &vae_list));
    assert_ok(lt_clip_list(&tower, &clip_list));
    lt_checkpoint vae_file, clip_file;
    lt_weights *vae_weights = synthetic_weights(&vae_list, &vae_file);
    lt_weights *clip_weights = synthetic_weights(&clip_list, &clip_file);
    assert_ok(lt_vae_open(vae_weights, &vae));
    assert_ok(lt_clip_image_open(clip_weights, &image));
    vae.groups = 8;
    assert_ok(lt_guidance_build_clip(&vae, &image, 5, 7, &graph));
    lt_plan *plan = make_plan(&graph, isa);
    float *text = random_numbers(24, 3);
    lt_port_write(lt_plan_port(plan, "text"), 0, text, 24);
    assert_gradient(plan, "z", "similarity", 1, 0.02, limit);
    free(text);
    lt_plan_free(plan);
    close_weights(vae_weights, &vae_file);
    close_weights(clip_weights, &clip_file);
}

static void test_clip_gradient(void **state) {
    (void)state;
    check_clip(LT_ISA_SCALAR, 2e-4);
    check_clip(LT_ISA_BEST, 1e-3);
}

/* ---- A classifier that learns ---- */

enum { SIDE = 8, COLOURS = 3, PER_COLOUR = 8, PIXELS = SIDE * SIDE };

static const char *const colour_names[COLOURS] = {"red", "green", "blue"};

static float channel_of(int colour, int channel) { return colour == channel ? 0.8f : -0.6f; }

static const char *in_folder(const char *folder, const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* Squares of three colours, each a little other than the next, with their names as labels; the unlabelled-th (if there
 * is one) without. */
static const char *make_squares(const char *name, int unlabelled, int colours) {
    static char folder[256];
    snprintf(folder, sizeof folder, "%s/%s", scratch_folder(), name);
    assert_int_equal(mkdir(folder, 0777), 0);
    FILE *list = fopen(in_folder(folder, "metadata.jsonl"), "w");
    assert_non_null(list);
    for (int i = 0; i < COLOURS * PER_COLOUR; i++) {
        lt_image image;
        char file[32];
        const int colour = i % colours;
        snprintf(file, sizeof file, "%02d.png", i);
        assert_ok(lt_image_alloc(SIDE, SIDE, &image));
        for (int k = 0; k < 3 * PIXELS; k++)
            image.pixels[k] = (uint8_t)(127.5f * (channel_of(colour, k % 3) + 1) + (float)(i - 12));
        assert_ok(lt_image_save(in_folder(folder, file), &image, NULL));
        lt_image_free(&image);
        if (i == unlabelled)
            fprintf(list, "{\"file_name\": \"%s\"}\n", file);
        else
            fprintf(list, "{\"file_name\": \"%s\", \"label\": \"%s\"}\n", file, colour_names[colour]);
    }
    assert_int_equal(fclose(list), 0);
    return folder;
}

static double last_accuracy;
static char last_notice[512];

static bool note_progress(void *user, const lt_train_progress *p) {
    (void)user;
    assert_string_equal(p->name[0], "accuracy");
    last_accuracy = p->value[0];
    return true;
}

static void note_notice(void *user, const char *message) {
    (void)user;
    snprintf(last_notice, sizeof last_notice, "%s", message);
}

static lt_train_options training_options(const char *data, const char *output) {
    lt_train_options o = lt_train_options_defaults();
    o.files.data = data;
    o.files.output = output;
    o.losses.pixels = true;
    o.pictures.size = SIDE;
    o.network.width = 16;
    o.network.levels = 1;
    o.network.attention_levels = 0;
    o.length.batch = 24;
    o.adamw.rate = 3e-3;
    o.adamw.warmup = 5;
    o.adamw.ema = 0.9;
    o.computing.threads = 2;
    o.progress = note_progress;
    o.notice = note_notice;
    return o;
}

/* The classifier of colours, trained on first use. */
static const char *trained_classifier(void) {
    static char path[256], data[256];
    if (*path) return path;
    snprintf(data, sizeof data, "%s", make_squares("squares", -1, COLOURS));
    snprintf(path, sizeof path, "%s/colours.safetensors", scratch_folder());
    lt_train_options o = training_options(data, path);
    o.files.validation = data;
    o.length.steps = 100;
    assert_ok(lt_train(LT_TRAIN_CLASSIFIER, &o));
    return path;
}

static void test_learns_colours(void **state) {
    (void)state;
    lt_session *session;
    assert_ok(open_session(trained_classifier(), NULL, &session));
    print_message("    accuracy of the last batch %.3f; %s\n", last_accuracy, last_notice);
    assert_true(last_accuracy > 0.7); /* at every noise level, the last included */
    assert_non_null(strstr(last_notice, "accuracy on 24 validation pictures: 1.000 at t = 0, 1.000 at t = 250"));
    const lt_model_info info = lt_model_describe(lt_session_model(session));
    assert_true(info.has_classifier && !info.draws);
    assert_int_equal(info.class_count, COLOURS);
    assert_string_equal(info.class_names[0], "blue"); /* labels are in order of their names */
    assert_string_equal(info.class_names[2], "red");
    assert_int_equal(session->parts->classifier.size, SIDE);
    assert_int_equal(session->parts->classifier.half.heads, 4);
    lt_session_close(session);
}

/* ---- A classifier that judges ---- */

/* While the judge looks nobody else may use it, and it may be told to stop. */
static bool use_judge_meanwhile(void *user) {
    static const float x[3 * PIXELS], t;
    static const lt_array in[] = {{"x", 4, {1, 3, SIDE, SIDE}, x}, {"t", 1, {1}, &t}};
    lt_arrays out;
    assert_int_equal(lt_run(user, "classifier", in, 2, &out), LT_ERROR_ARGUMENT);
    assert_non_null(strstr(lt_error_message(), "session is in use"));
    return true;
}

static void test_judges(void **state) {
    (void)state;
    lt_judge judge = {.aspect = "label"};
    assert_ok(open_session(trained_classifier(), NULL, &judge.session));
    const char *data = make_squares("judged", -1, COLOURS);
    lt_judging judging = {.data = data, .judges = &judge, .count = 1};
    lt_judgement out;
    assert_ok(lt_eval_judges(&judging, &out));
    assert_true(out.count == 1 && out.kinds[0].pictures == COLOURS * PER_COLOUR);
    assert_int_equal(out.kinds[0].all_right, COLOURS * PER_COLOUR);
    lt_judgement_free(&out);
    judging.watch = (lt_watch){.cancelled = use_judge_meanwhile, .user = judge.session};
    assert_int_equal(lt_eval_judges(&judging, &out), LT_ERROR_CANCELLED);
    assert_true(out.count == 0 && !out.owner);
    judging.watch = (lt_watch){0};
    assert_ok(lt_eval_judges(&judging, &out)); /* it is free again */
    lt_judgement_free(&out);
    lt_session_close(judge.session);
}

static void test_goes_on_from_a_classifier(void **state) {
    (void)state;
    const char *before = trained_classifier();
    char data[256], path[256];
    snprintf(data, sizeof data, "%s", make_squares("again", -1, COLOURS));
    snprintf(path, sizeof path, "%s/again.safetensors", scratch_folder());
    lt_train_options o = training_options(data, path);
    o.files.init = before;
    o.length.steps = 1;
    o.network.width = 8; /* the weights say what it is */
    assert_ok(lt_train(LT_TRAIN_CLASSIFIER, &o));
    assert_true(last_accuracy > 0.6);
}

/* ---- Sampling with it ---- */

/* A denoiser that knows the data, squares of three colours and a little noise: x_0 ~ 1/3 sum_k N(c_k, tau^2), so that
 * E[x_0 | x_t] is a weighted mean of sums of Gaussians. */
typedef struct world {
    lt_components parts;
    lt_session session; /* on these */
    lt_guidance guidance;
} world;

static const double TAU = 0.1;

static lt_status predict(void *user, const float *x, float t, float *out) {
    world *w = user;
    const double s = (double)lt_t_to_sigma(&w->parts.schedule, t), alpha = 1 / sqrt(1 + s * s), sigma = s * alpha;
    const double variance = alpha * alpha * TAU * TAU + sigma * sigma;
    double log_p[COLOURS], most = -INFINITY, total = 0;
    for (int c = 0; c < COLOURS; c++) {
        double distance = 0;
        for (int k = 0; k < 3 * PIXELS; k++) {
            const double d = (double)x[k] - alpha * (double)channel_of(c, k % 3);
            distance += d * d;
        }
        log_p[c] = -distance / (2 * variance);
        most = fmax(most, log_p[c]);
    }
    for (int c = 0; c < COLOURS; c++) total += exp(log_p[c] - most);
    for (int k = 0; k < 3 * PIXELS; k++) {
        double mean = 0;
        for (int c = 0; c < COLOURS; c++) {
            const double colour = (double)channel_of(c, k % 3);
            const double x0 = colour + alpha * TAU * TAU / variance * ((double)x[k] - alpha * colour);
            mean += exp(log_p[c] - most) / total * x0;
        }
        out[k] = (float)(((double)x[k] - alpha * mean) / sigma);
    }
    return lt_guidance_shift(&w->guidance, x, t, out);
}

static int nearest_colour(const float *x) {
    int best = 0;
    double least = INFINITY;
    for (int c = 0; c < COLOURS; c++) {
        double distance = 0;
        for (int k = 0; k < 3 * PIXELS; k++) distance += fabs((double)x[k] - (double)channel_of(c, k % 3));
        if (distance < least) best = c;
        least = fmin(least, distance);
    }
    return best;
}

/* The share of green among samples drawn with the classifier at that scale. */
static double share_of_green(lt_session *classifier, float scale, const char *sampler) {
    enum { SAMPLES = 24 };
    world w = {.parts = {.unet = {.out_channels = 3}, .vae = {.factor = 1}}, .session = {.parts = &w.parts}};
    const lt_guides guides = {.classifier = classifier->parts};
    lt_request request = lt_request_defaults();
    lt_steps steps;
    int green = 0;
    request.class_name = "green";
    request.classifier_scale = scale;
    assert_ok(lt_noise_schedule_init(&w.parts.schedule, LT_BETA_SCALED_LINEAR, 0.00085, 0.012, LT_PREDICT_EPSILON));
    assert_ok(lt_guidance_init(&w.guidance, &w.session, &guides, &request, SIDE, SIDE));
    assert_ok(lt_steps_make(&w.parts.schedule, sampler, NULL, 10, 1, &steps));
    const lt_sampling sampling = {&w.parts.schedule, &steps, 3 * PIXELS, 0, &w, predict, NULL, NULL};
    for (uint64_t i = 0; i < SAMPLES; i++) {
        float *drawn = random_numbers(3 * PIXELS, 1000 + i), x[3 * PIXELS], noise;
        lt_nchw_to_nhwc(drawn, x, 1, PIXELS, 3);
        assert_ok(lt_sampler_noise_scale(&sampling, sampler, &noise));
        for (int k = 0; k < 3 * PIXELS; k++) x[k] *= noise;
        assert_ok(lt_sample(&sampling, sampler, x));
        green += nearest_colour(x) == 1;
        free(drawn);
    }
    lt_steps_free(&steps);
    lt_guidance_free(&w.guidance);
    return (double)green / SAMPLES;
}

static void test_guides_to_a_class(void **state) {
    (void)state;
    static const char *const samplers[] = {"ddim", "dpmpp_2m"};
    lt_session *session;
    assert_ok(open_session(trained_classifier(), NULL, &session));
    for (size_t i = 0; i < LT_COUNT(samplers); i++) {
        double share[3];
        for (int s = 0; s < 3; s++) share[s] = share_of_green(session, (float)(s == 2 ? 3 : s), samplers[i]);
        print_message("    %s: share of green at scale 0, 1, 3: %.2f %.2f %.2f\n", samplers[i], share[0], share[1],
                      share[2]);
        assert_true(share[0] > 0.1 && share[0] < 0.6);
        assert_true(share[1] > share[0] + 0.2);
        assert_true(share[2] >= share[1] && share[2] > 0.75);
    }
    lt_session_close(session);
}

/* ---- Predictions of eps and of v are shifted alike ---- */

static const lt_unet tiny_down = {
    .in_channels = 4, .channels = 32, .levels = 2, .level = {{32, 1, 0}, {32, 1, 1}}, .middle_depth = 1};

/* A classifier with synthetic weights of the tiny model's latents, of 8 x 8, with the given metadata. */
static lt_session *open_synthetic_classifier(const char *labels) {
    lt_tensor_list list;
    lt_session *session;
    const lt_metadata metadata[] = {{"latent.classifier.labels", labels}};
    const char *path = scratch_path("synthetic-classifier.safetensors");
    assert_ok(lt_classifier_list(&tiny_down, 8, 3, &list));
    write_synthetic(&list, path, metadata, labels ? 1 : 0);
    assert_ok(open_session(path, NULL, &session));
    return session;
}

/* The shift of a prediction (of eps, or of the v that says the same) at t by both guides, into shift [n]. */
static void shift_of(const lt_guides *guides, const char *prediction, const float *x, const float *eps, float t,
                     float *shift, size_t n) {
    lt_open_options options = lt_open_options_defaults();
    options.prediction = prediction;
    lt_model *model;
    lt_session *session;
    lt_guidance guidance;
    lt_request request = lt_request_defaults();
    request.prompt = "a (red:1.2) square";
    request.class_name = "1";
    request.classifier_scale = 2;
    assert_ok(lt_model_open(synthetic_checkpoint("tiny"), &options, &model));
    assert_ok(lt_session_open(model, NULL, &session));
    lt_model_close(model);
    assert_ok(lt_guidance_init(&guidance, session, guides, &request, 8, 8));
    const double s = (double)lt_t_to_sigma(&session->parts->schedule, t), alpha = 1 / sqrt(1 + s * s),
                 sigma = s * alpha;
    const bool v = *prediction == 'v';
    float *out = malloc(n * sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < n; i++) out[i] = v ? (float)(((double)eps[i] - sigma * (double)x[i]) / alpha) : eps[i];
    memcpy(shift, out, n * sizeof *shift);
    assert_ok(lt_guidance_shift(&guidance, x, t, out));
    for (size_t i = 0; i < n; i++) shift[i] = (float)(((double)out[i] - (double)shift[i]) * (v ? alpha : 1));
    free(out);
    lt_guidance_free(&guidance);
    lt_session_close(session);
}

static void test_epsilon_and_v(void **state) {
    (void)state;
    enum { N = 4 * 8 * 8 };
    lt_session *classifier = open_synthetic_classifier("[\"a\", \"b\", \"c\"]"), *clip = open_clip();
    const lt_guides all[] = {{classifier->parts, NULL}, {NULL, clip->parts}, {classifier->parts, clip->parts}};
    float *x = random_numbers(N, 1), *eps = random_numbers(N, 2), shift[LT_COUNT(all)][N], v[N];
    for (size_t i = 0; i < LT_COUNT(all); i++) {
        shift_of(&all[i], "epsilon", x, eps, 432.25f, shift[i], N);
        shift_of(&all[i], "v", x, eps, 432.25f, v, N);
        const double error = relative_error(v, shift[i], N);
        print_message("    %s: length of the shift %.4f, error of v %.1e\n",
                      i == 0   ? "classifier"
                      : i == 1 ? "CLIP"
                               : "both",
                      sqrt(dot(shift[i], shift[i], N)), error);
        assert_true(error < 1e-3);
    }
    for (int k = 0; k < N; k++) v[k] = shift[0][k] + shift[1][k];
    assert_true(relative_error(v, shift[2], N) < 1e-5); /* they add up */
    free(x);
    free(eps);
    lt_session_close(classifier);
    lt_session_close(clip);
}

/* ---- Whole pictures ---- */

static lt_request small_request(void) {
    lt_request r = lt_request_defaults();
    r.prompt = "a cat";
    r.width = r.height = 64;
    r.steps = 2;
    r.random_seed = false;
    return r;
}

static double similarity(lt_session *clip, const char *text, const lt_image *image) {
    float *a, *b;
    size_t n, m;
    assert_ok(lt_embed_text(clip, text, &a, &n));
    assert_ok(lt_embed_image(clip, image, &b, &m));
    const double cosine = dot(a, b, n);
    lt_floats_free(a);
    lt_floats_free(b);
    return cosine;
}

static void test_pictures(void **state) {
    (void)state;
    lt_session *session, *classifier = open_synthetic_classifier("[\"one, two\", \"b\", \"c\"]"), *clip = open_clip();
    lt_request r = small_request();
    lt_result plain, guided, like;
    assert_ok(open_session(synthetic_checkpoint("tiny"), NULL, &session));
    assert_ok(lt_generate(session, &r, &plain));
    r.classifier = lt_session_model(classifier);
    r.class_name = "one, two";
    r.classifier_scale = 2.5f;
    assert_ok(lt_generate(session, &r, &guided));
    assert_true(memcmp(plain.images[0].pixels, guided.images[0].pixels, 64 * 64 * 3) != 0);
    assert_non_null(strstr(guided.parameters[0], ", Classifier: synthetic-classifier, Class: \"one, two\", "
                                                 "Classifier scale: 2.5, RNG"));
    r.classifier = NULL;
    r.class_name = NULL;
    r.clip = lt_session_model(clip);
    r.clip_guidance = 300;
    assert_ok(lt_generate(session, &r, &like));
    assert_non_null(strstr(like.parameters[0], ", CLIP: clip, CLIP guidance: 300, RNG"));
    const double before = similarity(clip, "a cat", &plain.images[0]),
                 after = similarity(clip, "a cat", &like.images[0]);
    print_message("    similarity %.4f, guided %.4f\n", before, after);
    assert_true(after > before);
    lt_result_free(&plain);
    lt_result_free(&guided);
    lt_result_free(&like);
    lt_session_close(session);
    lt_session_close(classifier);
    lt_session_close(clip);
}

/* ---- What does not fit ---- */

static void refuse(lt_session *session, const lt_request *r, lt_status expected, const char *message) {
    lt_result result;
    const lt_status status = lt_generate(session, r, &result);
    if (status != expected || !strstr(lt_error_message(), message))
        fail_msg("status %d, expected %d with \"%s\": %s", (int)status, (int)expected, message, lt_error_message());
    assert_null(result.images);
}

static void test_guides_that_do_not_fit(void **state) {
    (void)state;
    lt_session *session, *pixels, *classifier = open_synthetic_classifier("[\"cat\", \"dog\", \"owl\"]"),
                                  *clip = open_clip();
    assert_ok(open_session(synthetic_checkpoint("tiny"), NULL, &session));
    assert_ok(open_session(trained_classifier(), NULL, &pixels));
    lt_request r = small_request();
    r.classifier = lt_session_model(classifier);
    refuse(session, &r, LT_ERROR_ARGUMENT, "needs a class to guide to: one of cat, dog, owl");
    r.class_name = "cow";
    refuse(session, &r, LT_ERROR_ARGUMENT, "no class cow: there are cat, dog, owl (or 0 to 2)");
    r.class_name = "3";
    refuse(session, &r, LT_ERROR_ARGUMENT, "no class 3: there are cat, dog, owl (or 0 to 2)");
    r.class_name = "dog";
    r.classifier_scale = INFINITY;
    refuse(session, &r, LT_ERROR_ARGUMENT, "classifier_scale: inf; ");
    r.classifier_scale = 1;
    r.width = 96;
    refuse(session, &r, LT_ERROR_ARGUMENT, "trained on pictures of 64x64 with this model's VAE, and this one is 96x64");
    r.width = 64;
    r.classifier = lt_session_model(pixels);
    refuse(session, &r, LT_ERROR_MODEL, "reads latents of 3 channels, this model's have 4");
    r.classifier = lt_session_model(clip);
    refuse(session, &r, LT_ERROR_MODEL, "holds no classifier");
    r.classifier = NULL;
    refuse(session, &r, LT_ERROR_ARGUMENT, "class_name: dog; a classifier is needed with it");
    r.class_name = NULL;
    r.clip = lt_session_model(classifier);
    refuse(session, &r, LT_ERROR_MODEL, "needs a CLIP model of both towers; this one has no text projection");
    lt_session_close(session);
    lt_session_close(pixels);
    lt_session_close(classifier);
    lt_session_close(clip);
}

static void test_classes_without_names(void **state) {
    (void)state;
    int number = -1;
    lt_session *session = open_synthetic_classifier(NULL);
    assert_string_equal(lt_model_describe(lt_session_model(session)).class_names[2], "2");
    assert_ok(lt_guidance_class(session->parts, "2", &number));
    assert_int_equal(number, 2);
    lt_session_close(session);
    session = open_synthetic_classifier("[\"2\", \"x\", 5]"); /* a name goes before a number */
    assert_ok(lt_guidance_class(session->parts, "2", &number));
    assert_int_equal(number, 0);
    lt_session_close(session);
}

static void refuse_training(const lt_train_options *o, lt_status expected, const char *message) {
    const lt_status status = lt_train(LT_TRAIN_CLASSIFIER, o);
    if (status != expected || !strstr(lt_error_message(), message))
        fail_msg("status %d, expected %d with \"%s\": %s", (int)status, (int)expected, message, lt_error_message());
}

static void test_data_that_does_not_fit(void **state) {
    (void)state;
    const char *output = scratch_path("none.safetensors");
    char path[256], two[256];
    snprintf(path, sizeof path, "%s", output);
    lt_train_options o = training_options(make_squares("unlabelled", 5, COLOURS), path);
    o.length.steps = 1;
    refuse_training(&o, LT_ERROR_ARGUMENT, "05.png has no label; a classifier needs one for every picture");
    o.files.data = make_squares("alike", -1, 1);
    refuse_training(&o, LT_ERROR_ARGUMENT, "every picture has the label red");
    snprintf(two, sizeof two, "%s", make_squares("two", -1, 2));
    o.files.data = two;
    o.losses.pixels = false;
    refuse_training(&o, LT_ERROR_ARGUMENT, "an autoencoder is needed: name one with `vae`");
    o.files.vae = synthetic_checkpoint("tiny");
    o.pictures.size = 12;
    refuse_training(&o, LT_ERROR_ARGUMENT, "pictures of 12 pixels: this VAE needs a multiple of 8");
    o.losses.pixels = true;
    o.pictures.size = SIDE;
    o.files.validation = make_squares("three", -1, COLOURS);
    refuse_training(&o, LT_ERROR_ARGUMENT, "02.png has the label blue, which no picture of");
    o.files.validation = NULL;
    o.files.init = trained_classifier();
    refuse_training(&o, LT_ERROR_ARGUMENT, "tells other classes apart");
    o.files.init = synthetic_checkpoint("tiny");
    refuse_training(&o, LT_ERROR_MODEL, "holds no classifier to go on from");
}

/* Every allocation fails in turn while a classifier is opened and made ready to guide. */
static void test_out_of_memory(void **state) {
    (void)state;
    const char *path = trained_classifier();
    const lt_components parts = {.unet = {.out_channels = 3}, .vae = {.factor = 1}};
    const lt_session host = {.parts = &parts};
    lt_request request = lt_request_defaults();
    size_t n = 0;
    request.class_name = "red";
    for (bool failed = true; failed; n++) {
        lt_session *session = NULL;
        lt_guidance guidance = {0};
        lt_alloc_fail_at(n);
        lt_status status = open_session(path, NULL, &session);
        if (!status) {
            const lt_guides guides = {.classifier = session->parts};
            status = lt_guidance_init(&guidance, &host, &guides, &request, SIDE, SIDE);
        }
        failed = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        assert_int_equal(status, failed ? LT_ERROR_MEMORY : LT_OK);
        lt_guidance_free(&guidance);
        lt_session_close(session);
    }
    print_message("    %zu allocations\n", n - 1);
}

/* ---- What is tapped ---- */

enum { LATENT = 4 * 8 * 8 };
typedef struct terms {
    float sigma, without[LATENT], with[LATENT], eps[LATENT], gradient[LATENT];
    int seen, gradients;
} terms;

static bool take_term(void *user, const lt_tapped *v) {
    terms *w = user;
    const bool gradient = !strcmp(v->array->name, "gradient"), eps = !strcmp(v->array->name, "eps");
    assert_int_equal(v->array->shape[0] * v->array->shape[1] * v->array->shape[2], LATENT);
    memcpy(gradient ? w->gradient : eps ? w->eps : v->negative ? w->without : w->with, v->array->data, sizeof w->eps);
    w->sigma = v->sigma;
    w->seen++;
    w->gradients += gradient;
    return true;
}

static void draw_terms(const lt_model *guide, float scale, terms *w) {
    static const lt_tap taps[] = {{.kind = LT_TAP_STEP, .name = "eps*", .first = 2, .last = 2},
                                  {.kind = LT_TAP_STEP, .name = "gradient", .first = 2, .last = 2}};
    lt_session *session;
    lt_result result;
    lt_request r = lt_request_defaults();
    *w = (terms){0};
    r.steps = 3;
    r.width = r.height = 64;
    r.random_seed = false;
    r.classifier = guide;
    if (guide) r.class_name = "1";
    r.classifier_scale = scale;
    r.taps = taps;
    r.tap_count = LT_COUNT(taps);
    r.tapped = take_term;
    r.user = w;
    assert_ok(open_session(synthetic_checkpoint("tiny"), NULL, &session));
    assert_ok(lt_generate(session, &r, &result));
    lt_result_free(&result);
    lt_session_close(session);
}

/* eps = eps_0 + w (eps_1 - eps_0) - sqrt(1 - abar) gradient, and the gradient is the classifier's own, scaled. */
static void test_the_gradient_is_tapped(void **state) {
    (void)state;
    lt_session *classifier = open_synthetic_classifier("[\"a\", \"b\", \"c\"]");
    terms once, twice;
    draw_terms(lt_session_model(classifier), 1, &once);
    const float sigma = once.sigma / sqrtf(1 + once.sigma * once.sigma);
    float expected[LATENT];
    assert_int_equal(once.gradients, 1);
    for (int i = 0; i < LATENT; i++)
        expected[i] = once.without[i] + 7.5f * (once.with[i] - once.without[i]) - sigma * once.gradient[i];
    assert_true(relative_error(expected, once.eps, LATENT) < 1e-6);
    draw_terms(lt_session_model(classifier), 0, &twice);
    for (int i = 0; i < LATENT; i++) assert_true(twice.gradient[i] == 0 && once.gradient[i] != 0);
    draw_terms(NULL, 1, &twice);
    assert_int_equal(twice.gradients, 0);
    assert_int_equal(twice.seen, 3);
    lt_session_close(classifier);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crop_gradient),
        cmocka_unit_test(test_crop_is_clips),
        cmocka_unit_test(test_affine_gradient),
        cmocka_unit_test(test_cosine_gradient),
        cmocka_unit_test(test_classifier_gradient),
        cmocka_unit_test(test_clip_gradient),
        cmocka_unit_test(test_learns_colours),
        cmocka_unit_test(test_judges),
        cmocka_unit_test(test_goes_on_from_a_classifier),
        cmocka_unit_test(test_guides_to_a_class),
        cmocka_unit_test(test_epsilon_and_v),
        cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_guides_that_do_not_fit),
        cmocka_unit_test(test_classes_without_names),
        cmocka_unit_test(test_data_that_does_not_fit),
        cmocka_unit_test(test_the_gradient_is_tapped),
        cmocka_unit_test(test_out_of_memory),
    };
    const int failed = cmocka_run_group_tests_name("guidance", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
