/* The public interface's parts of the way: tokens, steps, noise, arrays in files, a module alone; and a session that
 * serves one call at a time. */
#include "base/fields.h"
#include "kernels/isa.h"
#include "micro.h"
#include "pipeline/precision.h"
#include "pipeline/session.h"

#include <limits.h>
#include <sys/stat.h>

/* ---- Tokens ---- */

/* As transformers' CLIPTokenizer of openai/clip-vit-large-patch14 has them. */
static void test_tokens(void **state) {
    (void)state;
    static const int32_t expected[] = {320, 1125, 539, 320, 2368};
    lt_tokens tokens;
    assert_ok(lt_tokenize("a photo of a cat", &tokens));
    assert_int_equal(tokens.count, LT_COUNT(expected));
    assert_memory_equal(tokens.ids, expected, sizeof expected);
    assert_int_equal(tokens.ends[1], strlen("a photo"));
    lt_tokens_free(&tokens);
    assert_null(tokens.ids);
}

/* One that is kept reads as one that is made for the text; to read makes none, which would ask for far more memory. */
static void test_kept_tokenizer(void **state) {
    (void)state;
    static const char *const texts[] = {"", "a photo of a cat", "\xc3\x84pfel, \xf0\x9f\x98\x80!"};
    lt_tokenizer *tokenizer;
    lt_tokens expected, tokens;
    assert_ok(lt_tokenizer_open(&tokenizer));
    for (size_t i = 0; i < LT_COUNT(texts); i++) {
        assert_ok(lt_tokenize(texts[i], &expected));
        assert_ok(lt_tokenize_by(tokenizer, texts[i], &tokens));
        assert_int_equal(tokens.count, expected.count);
        assert_memory_equal(tokens.ids, expected.ids, expected.count * sizeof *expected.ids);
        assert_memory_equal(tokens.ends, expected.ends, expected.count * sizeof *expected.ends);
        lt_tokens_free(&expected);
        lt_tokens_free(&tokens);
    }
    lt_tokenizer_close(tokenizer);
    lt_tokenizer_close(NULL);
}

/* ---- Steps ---- */

static void test_steps(void **state) {
    (void)state;
    lt_request r = lt_request_defaults();
    lt_steps steps;
    r.sampler = "DPM++ 2M Karras";
    r.steps = 10;
    assert_ok(lt_plan_steps(NULL, &r, &steps));
    assert_string_equal(steps.sampler, "dpmpp_2m");
    assert_string_equal(steps.schedule, "karras");
    assert_int_equal(steps.count, 10);
    assert_true(fabsf(steps.sigmas[0] - 14.6146f) < 1e-3f && steps.sigmas[10] == 0);
    lt_steps_free(&steps);
    const lt_image from = {1, 1, NULL};
    r.image = &from;
    r.strength = 0.5;
    assert_ok(lt_plan_steps(NULL, &r, &steps));
    assert_int_equal(steps.count, 5);
    lt_steps_free(&steps);
    r.steps = 0;
    assert_int_equal(lt_plan_steps(NULL, &r, &steps), LT_ERROR_ARGUMENT);
    assert_non_null(strstr(lt_error_message(), "steps: 0"));
}

/* ---- Noise ---- */

static lt_image make_picture(int width, int height) {
    lt_image image;
    assert_ok(lt_image_alloc(width, height, &image));
    for (int i = 0; i < width * height * 3; i++) image.pixels[i] = (uint8_t)(i * 7);
    return image;
}

static double difference(const lt_image *a, const lt_image *b) {
    double sum = 0;
    for (int i = 0; i < a->width * a->height * 3; i++) sum += fabs((double)a->pixels[i] - b->pixels[i]);
    return sum / (a->width * a->height * 3);
}

/* Of a byte's [-1, 1] sigma 0.0292 at t = 0 is about 3 of 255 in the mean; at 999 hardly anything is left. */
static void check_noise(lt_session *session, bool chain) {
    static const int timesteps[] = {0, 999, 0};
    lt_image picture = make_picture(24, 16), out[3];
    assert_ok(lt_noise(session, &picture, timesteps, 3, 5, chain, out));
    for (int i = 0; i < 3; i++) assert_int_equal(out[i].width, 24);
    assert_memory_equal(out[0].pixels, out[2].pixels, 24 * 16 * 3);
    assert_true(difference(&out[0], &out[1]) > 8);
    if (!session) assert_in_range((long)(10 * difference(&out[0], &picture)), 15, 45);
    for (int i = 0; i < 3; i++) lt_image_free(&out[i]);
    lt_image_free(&picture);
}

static void test_noise(void **state) {
    (void)state;
    lt_session *session = open_micro(1);
    check_noise(NULL, false);
    check_noise(NULL, true);
    check_noise(session, false);
    lt_session_close(session);
}

static void test_no_timesteps(void **state) {
    (void)state;
    static const int bad[] = {-1, 1000, INT_MAX};
    lt_image picture = make_picture(2, 2), out;
    for (size_t i = 0; i < LT_COUNT(bad); i++) {
        assert_int_equal(lt_noise(NULL, &picture, &bad[i], 1, 0, false, &out), LT_ERROR_ARGUMENT);
        assert_non_null(strstr(lt_error_message(), "timesteps"));
        assert_null(out.pixels);
    }
    assert_int_equal(lt_noise(NULL, &picture, bad, 0, 0, false, &out), LT_ERROR_ARGUMENT);
    lt_image_free(&picture);
}

/* ---- Arrays ---- */

static void test_arrays_in_a_file(void **state) {
    (void)state;
    static const float values[] = {1, 2.5f, -3, 4, 5, 6, 7};
    static const lt_array saved[] = {{"b", 2, {2, 3}, values}, {"a", 0, {0}, values + 6}, {"c", 1, {0}, values}};
    char path[256];
    lt_arrays all, one;
    snprintf(path, sizeof path, "%s", scratch_path("some.safetensors"));
    assert_ok(lt_arrays_save(path, saved, 3));
    assert_ok(lt_arrays_load(path, NULL, &all));
    assert_int_equal(all.count, 3);
    const lt_array *b = lt_arrays_find(&all, "b");
    assert_true(b && b->rank == 2 && b->shape[0] == 2 && b->shape[1] == 3);
    assert_memory_equal(b->data, values, 6 * sizeof(float));
    assert_true(lt_arrays_find(&all, "a")->rank == 0 && *lt_arrays_find(&all, "a")->data == 7);
    assert_null(lt_arrays_find(&all, "d"));
    lt_arrays_free(&all);
    assert_ok(lt_arrays_load(path, "a", &one));
    assert_true(one.count == 1 && *one.items[0].data == 7);
    lt_arrays_free(&one);
    assert_ok(lt_arrays_load(path, "d", &one));
    assert_int_equal(one.count, 0);
    lt_arrays_free(&one);
}

static void test_no_arrays(void **state) {
    (void)state;
    static const float value = 1;
    static const lt_array bad[] = {{NULL, 0, {0}, &value},
                                   {"a", 0, {0}, NULL},
                                   {"a", 9, {0}, &value},
                                   {"a", -1, {0}, &value},
                                   {"a", 2, {SIZE_MAX, SIZE_MAX}, &value}, /* whose product is 1 */
                                   {"a", 3, {SIZE_MAX / 2, 4, 0}, &value}};
    lt_arrays out;
    for (size_t i = 0; i < LT_COUNT(bad); i++) {
        assert_int_equal(lt_arrays_save(scratch_path("bad.safetensors"), &bad[i], 1), LT_ERROR_ARGUMENT);
        assert_non_null(strstr(lt_error_message(), "array 0: "));
    }
    assert_int_equal(lt_arrays_load(scratch_path("nothing.safetensors"), NULL, &out), LT_ERROR_FILE);
    assert_null(out.items);
}

/* ---- A module alone ---- */

static void test_every_module_is_known(void **state) {
    (void)state;
    static const float x = 0;
    static const lt_array none = {"none", 1, {1}, &x};
    lt_session *session = open_micro(1);
    lt_arrays out;
    for (const char *const *name = lt_modules(); *name; name++) {
        assert_true(lt_run(session, *name, &none, 1, &out));
        assert_null(strstr(lt_error_message(), "no module"));
    }
    assert_int_equal(lt_run(session, "vae", &none, 1, &out), LT_ERROR_ARGUMENT);
    assert_non_null(strstr(lt_error_message(), "no module vae"));
    lt_session_close(session);
}

/* What does not fit is told in the words of the file: its own shape, and the one that is needed. */
static void test_inputs_that_do_not_fit(void **state) {
    (void)state;
    static const float zeros[400], half[77] = {[3] = 0.5f}, large[77] = {[3] = 0x1p40f};
    static const struct {
        const char *module, *says;
        lt_array in;
    } cases[] = {
        {"vae-decoder", "tensor z has shape [4,2,3]; one of 4 is needed", {"z", 3, {4, 2, 3}, zeros}},
        {"vae-decoder", "tensor z has shape [1,5,2,3]; [1,4,2,3] is needed", {"z", 4, {1, 5, 2, 3}, zeros}},
        {"vae-decoder", "tensor z has a dimension of 0", {"z", 4, {1, 4, 0, 3}, zeros}},
        {"clip-text", "tensor ids has shape [1,5]; [1,77] is needed", {"ids", 2, {1, 5}, zeros}},
        {"clip-text", "tensor ids has shape [77]; one of 2 is needed", {"ids", 1, {77}, zeros}},
        {"clip-text", "tensor ids holds 0.5: whole numbers", {"ids", 2, {1, 77}, half}},
        {"clip-text", "tensor ids holds 1.09951e+12: whole numbers", {"ids", 2, {1, 77}, large}},
    };
    lt_session *session = open_micro(1);
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_arrays out;
        assert_int_equal(lt_run(session, cases[i].module, &cases[i].in, 1, &out), LT_ERROR_ARGUMENT);
        if (!strstr(lt_error_message(), cases[i].says)) fail_msg("\"%s\": %s", cases[i].says, lt_error_message());
    }
    lt_session_close(session);
}

static const char *unconditional_unet(void) {
    static char folder[256], path[300];
    lt_image picture = make_picture(8, 8);
    snprintf(folder, sizeof folder, "%s", scratch_path("pixels"));
    assert_int_equal(mkdir(folder, 0777), 0);
    snprintf(path, sizeof path, "%s/1.png", folder);
    assert_ok(lt_image_save(path, &picture, NULL));
    lt_image_free(&picture);
    snprintf(path, sizeof path, "%s.safetensors", folder);
    lt_train_options o = lt_train_options_defaults();
    o.files.data = folder;
    o.files.output = path;
    o.pictures.size = 8;
    o.length.steps = o.length.batch = o.network.levels = o.network.blocks = 1;
    o.computing.threads = 1;
    o.network.width = o.network.groups = 8;
    o.network.attention_levels = 0;
    o.losses.pixels = o.losses.unconditional = true;
    assert_ok(lt_train(LT_TRAIN_UNET, &o));
    return path;
}

/* It reads no context, and none has to be made up for it. */
static void test_unet_without_text(void **state) {
    (void)state;
    static const float x[3 * 8 * 8], t = 500;
    static const lt_array in[] = {{"x", 4, {1, 3, 8, 8}, x}, {"t", 1, {1}, &t}};
    lt_session *session;
    lt_arrays out;
    assert_ok(open_session(unconditional_unet(), NULL, &session));
    assert_ok(lt_run(session, "unet", in, 2, &out));
    assert_true(out.count == 1 && out.items[0].rank == 4 && out.items[0].shape[1] == 3);
    lt_arrays_free(&out);
    lt_session_close(session);
}

/* The loss of nothing but zeros, and a gradient for each parameter of the VAE and nothing else. */
static void test_loss_alone(void **state) {
    (void)state;
    static const float zeros[3 * 8 * 8];
    static const lt_array in[] = {{"x", 4, {1, 3, 8, 8}, zeros}, {"posterior_noise", 4, {1, 4, 4, 4}, zeros}};
    lt_session *session = open_micro(2);
    lt_arrays out;
    assert_ok(lt_run(session, "vae-loss", in, 2, &out));
    const lt_array *loss = lt_arrays_find(&out, "loss");
    assert_true(loss && loss->rank == 1 && *loss->data > 0);
    const lt_array *bias = lt_arrays_find(&out, "first_stage_model.decoder.conv_out.bias");
    assert_true(bias && bias->shape[0] == 3 && bias->data[0] != 0);
    for (size_t i = 0; i < out.count; i++)
        assert_true(&out.items[i] == loss || !strncmp(out.items[i].name, "first_stage_model.", 18));
    lt_arrays_free(&out);
    lt_session_close(session);
}

/* ---- Precision ---- */

enum { LATENT = 12, WIDTH = 128 }; /* of the default model */

static void run_unet(lt_precision precision, lt_isa isa, lt_arrays *out) {
    static float x[LATENT * 8 * 8], context[77 * WIDTH];
    static const float t = 500;
    static const lt_array in[] = {
        {"x", 4, {1, LATENT, 8, 8}, x}, {"t", 1, {1}, &t}, {"context", 3, {1, 77, WIDTH}, context}};
    for (size_t i = 0; i < LT_COUNT(x); i++) x[i] = sinf((float)i);
    for (size_t i = 0; i < LT_COUNT(context); i++) context[i] = cosf((float)i);
    lt_session_options options = lt_session_options_defaults();
    options.threads = 2;
    options.precision = precision;
    options.isa = isa;
    lt_session *session;
    assert_ok(open_session(LT_DATA_DIR "/emoji.safetensors", &options, &session));
    assert_ok(lt_run(session, "unet", in, LT_COUNT(in), out));
    lt_session_close(session);
}

/* Rounded products give nearly the same, and not the same. */
static void expect_near(const lt_arrays *exact, lt_precision precision, lt_isa isa, double limit) {
    lt_arrays rounded;
    run_unet(precision, isa, &rounded);
    const double error = relative_error(rounded.items[0].data, exact->items[0].data, LATENT * 8 * 8);
    print_message("    relative error of the U-Net in %s, %s: %.2e\n", lt_precision_choices[precision],
                  lt_isa_name(isa), error);
    assert_true(error > 1e-5 && error < limit);
    lt_arrays_free(&rounded);
}

/* Whether somebody multiplies numbers of 16 bits, with no set above limit. */
static bool has_16_bits(lt_isa limit) {
    static const lt_isa sets[] = {LT_ISA_AVX512BF16, LT_ISA_AVX512VNNI, LT_ISA_AVXVNNI};
    for (size_t i = 0; i < LT_COUNT(sets); i++)
        if (lt_isa_has(sets[i], limit)) return true;
    return false;
}

static void test_precisions(void **state) {
    (void)state;
    lt_arrays exact;
    run_unet(LT_PRECISION_F32, LT_ISA_BEST, &exact);
    for (lt_isa isa = LT_ISA_SCALAR; isa < LT_ISA_BEST; isa++)
        if (lt_isa_has(isa, LT_ISA_BEST)) expect_near(&exact, LT_PRECISION_INT8, isa, 4e-2);
    for (lt_isa isa = LT_ISA_SCALAR; isa < LT_ISA_BEST; isa++)
        if (lt_isa_has(isa, LT_ISA_BEST) && has_16_bits(isa)) expect_near(&exact, LT_PRECISION_BF16, isa, 1e-2);
    lt_arrays_free(&exact);
}

/* auto of a U-Net with so many parameters, which are not there. */
static lt_precision automatic(size_t parameters, lt_isa isa) {
    const lt_tensor t = {.name = "model.diffusion_model.out.2.weight", LT_F16, 1, {parameters}};
    lt_components parts = {0};
    assert_ok(lt_weights_create(&t, 1, &parts.weights));
    const lt_precision precision = lt_precision_automatic(&parts, isa);
    lt_weights_free(parts.weights);
    return precision;
}

/* Small models are exact; large ones are drawn in bf16 where the processor multiplies it. */
static void test_automatic(void **state) {
    (void)state;
    for (lt_isa isa = LT_ISA_SCALAR; isa <= LT_ISA_BEST; isa++) {
        assert_int_equal(automatic(860000000, isa), has_16_bits(isa) ? LT_PRECISION_BF16 : LT_PRECISION_F32);
        assert_int_equal(automatic(34000000, isa), LT_PRECISION_F32);
    }
    lt_session *session = open_micro(1);
    assert_int_equal(lt_session_precision(session), LT_PRECISION_F32);
    assert_int_equal(lt_model_describe(lt_session_model(session)).automatic, LT_PRECISION_F32);
    lt_session_close(session);
    assert_int_equal(lt_session_precision(NULL), LT_PRECISION_AUTO);
    assert_string_equal(lt_precision_name(LT_PRECISION_INT8), "int8");
    assert_null(lt_precision_name((lt_precision)(LT_PRECISION_INT8 + 1)));
    assert_null(lt_precision_name((lt_precision)-1));
}

/* A module alone is exact where nobody has asked for another precision, whatever the session draws in. */
static void test_runs_are_exact(void **state) {
    (void)state;
    static float x[4 * 8 * 8], context[77 * 64];
    static const float t = 500;
    static const lt_array in[] = {{"x", 4, {1, 4, 8, 8}, x}, {"t", 1, {1}, &t}, {"context", 3, {1, 77, 64}, context}};
    for (size_t i = 0; i < LT_COUNT(x); i++) x[i] = sinf((float)i);
    lt_arrays exact, automatic;
    lt_session *session = open_micro(1);
    assert_ok(lt_run(session, "unet", in, LT_COUNT(in), &exact));
    session->target.precision = LT_PRECISION_INT8; /* as if it had been chosen */
    assert_true(session->automatic);
    assert_ok(lt_run(session, "unet", in, LT_COUNT(in), &automatic));
    assert_int_equal(session->target.precision, LT_PRECISION_INT8);
    assert_memory_equal(automatic.items[0].data, exact.items[0].data, sizeof x);
    lt_arrays_free(&exact);
    lt_arrays_free(&automatic);
    lt_session_close(session);
}

/* ---- Looking at files, and timing ---- */

static void test_report(void **state) {
    (void)state;
    const lt_inspect_options o = {.width = 24, .layers = true};
    lt_report r;
    size_t parameters = 0;
    assert_ok(lt_inspect(micro_checkpoint(), &o, &r));
    assert_true(r.is_model && !r.is_picture && r.model && !r.fault);
    assert_string_equal(r.format, "safetensors");
    assert_non_null(strstr(r.layout, "U-Net"));
    assert_int_equal(r.all.tensors, r.tensor_count);
    for (size_t i = 0; i < r.group_count; i++) parameters += r.groups[i].parameters;
    assert_int_equal(parameters, r.all.parameters);
    assert_int_equal(r.all.bytes, 2 * r.all.parameters); /* f16 */
    assert_true(r.width == 24 && r.module_count == 4 && r.layer_count > 20);
    for (size_t i = 0; i < r.module_count; i++) assert_true(r.modules[i].flop > 0);
    lt_report_free(&r);
    assert_null(r.tensors);
}

static void test_report_of_others(void **state) {
    (void)state;
    static const float one = 1;
    static const lt_array array = {"what", 1, {1}, &one};
    char path[256];
    lt_image picture = make_picture(3, 5);
    lt_report r;
    snprintf(path, sizeof path, "%s", scratch_path("what.png"));
    assert_ok(lt_image_save(path, &picture, "a cat"));
    assert_ok(lt_inspect(path, NULL, &r));
    assert_true(r.is_picture && r.width == 3 && r.height == 5);
    assert_string_equal(r.parameters, "a cat");
    lt_report_free(&r);
    lt_image_free(&picture);
    snprintf(path, sizeof path, "%s", scratch_path("what.safetensors"));
    assert_ok(lt_arrays_save(path, &array, 1));
    const lt_inspect_options layers = {.layers = true};
    assert_ok(lt_inspect(path, &layers, &r));
    assert_true(!r.is_model && !r.model && r.fault && r.tensor_count == 1 && r.groups[0].tensors == 1);
    assert_string_equal(r.groups[0].name, "unknown");
    lt_report_free(&r);
}

static void test_timing(void **state) {
    (void)state;
    const lt_timing_options o = {.width = 16, .height = 16, .runs = 2, .operations = true};
    lt_session *session = open_micro(2);
    lt_timings t;
    assert_ok(lt_time_modules(session, &o, &t));
    assert_true(t.width == 16 && t.threads == 2 && t.module_count == 4);
    for (size_t i = 0; i < t.module_count; i++) {
        const lt_timed_module *m = &t.modules[i];
        assert_true(m->run_seconds > 0 && m->flop > 0 && m->arena_bytes > 0 && m->operation_count > 3);
        for (size_t k = 1; k < m->operation_count; k++)
            assert_true(m->operations[k].seconds <= m->operations[k - 1].seconds);
        assert_true(strlen(m->operations[0].kernel) > 0);
    }
    lt_timings_free(&t);
    lt_session_close(session);
}

/* ---- Profiles ---- */

typedef struct told {
    int operations, modules;
    double last, flop;
    char module[32];
} told;

/* What is told follows itself in time, module by module. */
static void hear(void *user, const lt_profiled *p) {
    told *t = user;
    assert_true(p->start >= t->last && p->seconds > 0 && p->bytes > 0 && p->flop >= 0);
    assert_true(*p->operation && *p->kernel && p->output[0] > 0);
    t->modules += strcmp(t->module, p->module) != 0;
    snprintf(t->module, sizeof t->module, "%s", p->module);
    t->operations++;
    t->flop += p->flop;
    t->last = p->start + p->seconds;
}

static void test_profile(void **state) {
    (void)state;
    const lt_timing_options o = {.width = 16, .height = 16, .runs = 2};
    lt_session *session = open_micro(2);
    lt_timings t;
    told all = {0}, none = {0};
    assert_ok(lt_session_profile(session, hear, &all));
    assert_ok(lt_time_modules(session, &o, &t));
    assert_true(all.modules == 4 && all.operations > 40);
    double flop =
        0; /* each module runs once, and twice where it is timed; of the U-Net then without the prompt's part */
    for (size_t i = 0; i < t.module_count; i++) flop += t.modules[i].flop;
    assert_true(all.flop > 2 * flop && all.flop <= 3 * flop);
    assert_ok(lt_session_profile(session, hear, &none));
    assert_ok(lt_session_profile(session, NULL, NULL));
    lt_timings_free(&t);
    assert_ok(lt_time_modules(session, &o, &t));
    assert_int_equal(none.operations, 0);
    lt_timings_free(&t);
    lt_session_close(session);
}

static void test_peak(void **state) {
    (void)state;
    lt_session *session = open_micro(1);
    double f32 = -1, int8 = -1;
    assert_ok(lt_session_peak(session, LT_PRECISION_F32, &f32));
    assert_ok(lt_session_peak(session, LT_PRECISION_INT8, &int8));
    assert_true((f32 > 1e8) == (int8 > 1e8)); /* both on processors with vectors, else neither */
    assert_true(f32 < 1e13 && (f32 > 0 || int8 == 0));
    lt_session_close(session);
}

/* ---- One call at a time ---- */

static lt_session *drawing, *other;

static bool encode_meanwhile(void *user, const lt_progress *progress) {
    (void)progress;
    lt_image picture = make_picture(24, 16);
    float *latent;
    int shape[3];
    assert_int_equal(lt_encode(drawing, &picture, NULL, false, &latent, shape), LT_ERROR_ARGUMENT);
    assert_non_null(strstr(lt_error_message(), "session is in use"));
    assert_ok(lt_encode(other, &picture, NULL, false, &latent, shape));
    lt_floats_free(latent);
    lt_image_free(&picture);
    ++*(int *)user;
    return true;
}

static void test_session_in_use(void **state) {
    (void)state;
    int asked = 0;
    drawing = open_micro(1);
    other = open_micro(1);
    lt_request r = lt_request_defaults();
    r.width = r.height = 16;
    r.steps = 1;
    r.progress = encode_meanwhile;
    r.user = &asked;
    lt_result result;
    assert_ok(lt_generate(drawing, &r, &result));
    lt_result_free(&result);
    assert_true(asked > 0);
    r.progress = NULL;
    assert_ok(lt_generate(drawing, &r, &result)); /* it is free again */
    lt_result_free(&result);
    lt_session_close(drawing);
    lt_session_close(other);
}

/* ---- Files ---- */

static void test_writable(void **state) {
    (void)state;
    char path[300];
    assert_ok(lt_check_writable(scratch_path("new.png")));
    assert_int_equal(lt_check_writable("/nowhere/at/all.png"), LT_ERROR_FILE);
    assert_non_null(strstr(lt_error_message(), "/nowhere/at/all.png: can't write there"));
    snprintf(path, sizeof path, "%s", scratch_path("folder"));
    assert_int_equal(mkdir(path, 0777), 0);
    assert_int_equal(lt_check_writable(path), LT_ERROR_FILE);
}

/* ---- Memory ---- */

static lt_status try_tokens(void) {
    lt_tokens tokens;
    const lt_status status = lt_tokenize("a cat", &tokens);
    lt_tokens_free(&tokens);
    return status;
}

static lt_status try_kept_tokens(void) {
    lt_tokenizer *tokenizer;
    lt_tokens tokens = {0};
    LT_TRY(lt_tokenizer_open(&tokenizer));
    const lt_status status = lt_tokenize_by(tokenizer, "a cat", &tokens);
    lt_tokens_free(&tokens);
    lt_tokenizer_close(tokenizer);
    return status;
}

static lt_status try_arrays(void) {
    lt_arrays arrays;
    const lt_status status = lt_arrays_load(micro_checkpoint(), NULL, &arrays);
    lt_arrays_free(&arrays);
    return status;
}

static lt_status try_noise(void) {
    static const int timesteps[] = {1, 2};
    static uint8_t pixels[2 * 2 * 3];
    const lt_image picture = {2, 2, pixels};
    lt_image out[2];
    const lt_status status = lt_noise(NULL, &picture, timesteps, 2, 0, false, out);
    for (int i = 0; i < 2; i++) {
        if (status) assert_null(out[i].pixels);
        lt_image_free(&out[i]);
    }
    return status;
}

static lt_status try_report(void) {
    const lt_inspect_options o = {.width = 24, .layers = true};
    lt_report r;
    const lt_status status = lt_inspect(micro_checkpoint(), &o, &r);
    assert_true(status || !r.fault);
    lt_report_free(&r);
    return status;
}

static lt_status try_timing(void) {
    const lt_timing_options o = {.width = 8, .height = 8, .runs = 1, .operations = true};
    lt_timings t;
    const lt_status status = lt_time_modules(other, &o, &t);
    lt_timings_free(&t);
    return status;
}

static lt_status try_loss(void) {
    static const float zeros[3 * 8 * 8];
    static const lt_array in[] = {{"x", 4, {1, 3, 8, 8}, zeros}, {"posterior_noise", 4, {1, 4, 4, 4}, zeros}};
    lt_arrays out;
    const lt_status status = lt_run(other, "vae-loss", in, 2, &out);
    lt_arrays_free(&out);
    return status;
}

static void test_every_allocation_fails(void **state) {
    (void)state;
    lt_status (*const all[])(void) = {try_tokens, try_kept_tokens, try_arrays, try_noise,
                                      try_report, try_timing,      try_loss};
    other = open_micro(1);
    for (size_t i = 0; i < LT_COUNT(all); i++) {
        lt_status status = LT_ERROR_MEMORY;
        for (size_t n = 0; status; n++) {
            lt_alloc_fail_at(n);
            status = all[i]();
            const bool failed = lt_alloc_failed();
            lt_alloc_fail_at(SIZE_MAX);
            assert_int_equal(status, failed ? LT_ERROR_MEMORY : LT_OK);
        }
    }
    lt_session_close(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_kept_tokenizer),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_no_timesteps),
        cmocka_unit_test(test_arrays_in_a_file),
        cmocka_unit_test(test_no_arrays),
        cmocka_unit_test(test_every_module_is_known),
        cmocka_unit_test(test_inputs_that_do_not_fit),
        cmocka_unit_test(test_unet_without_text),
        cmocka_unit_test(test_loss_alone),
        cmocka_unit_test(test_precisions),
        cmocka_unit_test(test_automatic),
        cmocka_unit_test(test_runs_are_exact),
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_report_of_others),
        cmocka_unit_test(test_timing),
        cmocka_unit_test(test_profile),
        cmocka_unit_test(test_peak),
        cmocka_unit_test(test_session_in_use),
        cmocka_unit_test(test_writable),
        cmocka_unit_test(test_every_allocation_fails),
    };
    const int failed = cmocka_run_group_tests_name("parts", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
