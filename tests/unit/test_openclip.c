/* OpenCLIP's text tower in Stable Diffusion 2's names: its outputs are transformers' (recorded, tests/golden/sd2). */
#include "modules.h"

enum { WIDTH = 128, LAYERS = 3, POSITIONS = 77, VOCABULARY = 49408 };

/* ---- A tower by the rule of the recorded one ---- */

typedef struct tower {
    lt_tensor tensors[64];
    char names[64][128];
    size_t count;
} tower;

static void add(tower *t, size_t rows, size_t columns, const char *format, ...) __attribute__((format(printf, 4, 5)));
static void add(tower *t, size_t rows, size_t columns, const char *format, ...) {
    char rest[96];
    va_list args;
    va_start(args, format);
    vsnprintf(rest, sizeof rest, format, args);
    va_end(args);
    char *name = t->names[t->count];
    snprintf(name, sizeof t->names[0], "cond_stage_model.model.%s", rest);
    lt_tensor *tensor = &t->tensors[t->count++];
    *tensor = (lt_tensor){.name = name, .dtype = LT_F16, .rank = columns ? 2 : 1, .shape = {rows, columns}};
    lt_tensor_set_contiguous(tensor);
}

static void add_linear(tower *t, size_t out, size_t in, int layer, const char *name) {
    add(t, out, in, "transformer.resblocks.%d.%s.weight", layer, name);
    add(t, out, 0, "transformer.resblocks.%d.%s.bias", layer, name);
}

/* in_proj: rows of queries, keys and values together. */
static void make_tower(tower *t, size_t in_proj) {
    *t = (tower){.count = 0};
    add(t, VOCABULARY, WIDTH, "token_embedding.weight");
    add(t, POSITIONS, WIDTH, "positional_embedding");
    add(t, WIDTH, WIDTH, "text_projection");
    for (int i = 0; i < LAYERS; i++) {
        add_linear(t, WIDTH, 0, i, "ln_1");
        add(t, in_proj, WIDTH, "transformer.resblocks.%d.attn.in_proj_weight", i);
        add(t, in_proj, 0, "transformer.resblocks.%d.attn.in_proj_bias", i);
        add_linear(t, WIDTH, WIDTH, i, "attn.out_proj");
        add_linear(t, WIDTH, 0, i, "ln_2");
        add_linear(t, 4 * WIDTH, WIDTH, i, "mlp.c_fc");
        add_linear(t, WIDTH, 4 * WIDTH, i, "mlp.c_proj");
    }
    add(t, WIDTH, 0, "ln_final.weight");
    add(t, WIDTH, 0, "ln_final.bias");
}

static bool ends_with(const char *name, const char *end) {
    const size_t n = strlen(name), m = strlen(end);
    return n >= m && !strcmp(name + n - m, end);
}

/* base + scale * v from from + by * v, where v has 24 bits. */
static void rescale(float *values, size_t n, double from, double by, double scale) {
    for (size_t i = 0; i < n; i++)
        values[i] = (float)(scale * (rint(((double)values[i] - from) / by * 0x1p23) / 0x1p23));
}

/* The rule of synthetic checkpoints, but for what it does not know: synth2.py of the recorded files. */
static lt_status fill(void *user, const lt_tensor *t, float *values) {
    (void)user;
    const size_t n = lt_tensor_count(t);
    const double usual = sqrt(3.0 / WIDTH);
    lt_synthetic_values(t->name, t->rank, t->shape, 0, n, values);
    if (ends_with(t->name, "positional_embedding")) rescale(values, n, 0, usual, 0.5);
    if (ends_with(t->name, "in_proj_weight")) rescale(values, n, 0, usual, 1.5 * usual);
    if (ends_with(t->name, "in_proj_bias")) rescale(values, n, 1, 0.2, 0.1);
    return LT_OK;
}

static const char *write_tower(size_t in_proj) {
    static tower t;
    const char *path = scratch_path("openclip.safetensors");
    make_tower(&t, in_proj);
    assert_ok(lt_safetensors_write(path, t.tensors, t.count, NULL, 0, NULL, fill, NULL));
    return path;
}

/* ---- Tests ---- */

static void outputs_are_those_of_transformers(void **state) {
    (void)state;
    lt_session *session;
    assert_ok(open_session(write_tower(3 * WIDTH), NULL, &session));
    check_module(session, "clip-text", "sd2/clip_text.safetensors", 1e-5);
    const lt_clip_text *text = &session->parts->text;
    assert_true(text->width == WIDTH && text->heads == 2 && text->activation == LT_ACT_GELU);
    assert_int_equal(text->pad, 0);
    assert_int_equal(text->layers, LAYERS - 1); /* of which the last one is not run */
    lt_session_close(session);
}

/* One tensor of the file is three of the model: each is counted once. */
static void tensors_are_counted_as_the_file_has_them(void **state) {
    (void)state;
    lt_report r;
    assert_ok(lt_inspect(write_tower(3 * WIDTH), NULL, &r));
    assert_int_equal(r.group_count, 2);
    assert_string_equal(r.groups[0].name, "text encoder");
    assert_int_equal(r.groups[1].tensors, 1); /* the projection, which drawing does not need */
    assert_int_equal(r.groups[0].tensors + r.groups[1].tensors, r.all.tensors);
    assert_int_equal(r.groups[0].parameters + r.groups[1].parameters, r.all.parameters);
    lt_report_free(&r);
}

static void what_is_no_three_projections_is_refused(void **state) {
    (void)state;
    lt_session *session;
    assert_int_equal(open_session(write_tower(3 * WIDTH + 1), NULL, &session), LT_ERROR_MODEL);
    assert_non_null(strstr(lt_error_message(), "in_proj_"));
}

/* Converted, it says in metadata what its names said, and gives the same numbers. */
static void a_conversion_is_the_same_model(void **state) {
    (void)state;
    char converted[300];
    lt_session *session;
    const lt_convert_options ldm = {.layout = "ldm"};
    snprintf(converted, sizeof converted, "%s", scratch_path("converted.safetensors"));
    assert_ok(lt_convert(write_tower(3 * WIDTH), converted, &ldm));
    assert_ok(open_session(converted, NULL, &session));
    check_module(session, "clip-text", "sd2/clip_text.safetensors", 1e-5);
    assert_int_equal(session->parts->text.pad, 0);
    lt_session_close(session);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_are_those_of_transformers),
        cmocka_unit_test(tensors_are_counted_as_the_file_has_them),
        cmocka_unit_test(what_is_no_three_projections_is_refused),
        cmocka_unit_test(a_conversion_is_the_same_model),
    };
    const int failed = cmocka_run_group_tests_name("openclip", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
