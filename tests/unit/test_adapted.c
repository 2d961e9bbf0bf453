/* Modules of the tiny checkpoint with deltas of every kind, as recorded adapters have them, against diffusers on
 * weights that were merged before: what is merged, what comes out, and what of it sessions share. */
#include "api/model.h"
#include "modules.h"

static const double UNET_LIMIT = 1e-4, TEXT_LIMIT = 1e-5, WEIGHT_LIMIT = 1e-5;

/* ---- A recorded case: "kohya@0.8+locon@0.5" ---- */

static const char *const cases[] = {
    "none",
    "kohya@1",
    "kohya@0.6",
    "kohya@-0.5",
    "locon@1",
    "locon@0.6",
    "locon@-0.5",
    "loha@1",
    "loha@0.6",
    "loha@-0.5",
    "lokr@1",
    "lokr@0.6",
    "lokr@-0.5",
    "dora_in@1",
    "dora_in@0.6",
    "dora_in@-0.5",
    "dora_out@1",
    "dora_out@0.6",
    "dora_out@-0.5",
    "dora_peft@1",
    "dora_peft@0.6",
    "dora_peft@-0.5",
    "peft@1",
    "peft@0.6",
    "peft@-0.5",
    "diffusers_old@1",
    "diffusers_old@0.6",
    "diffusers_old@-0.5",
    "attn_processor@1",
    "attn_processor@0.6",
    "attn_processor@-0.5",
    "full@1",
    "full@0.6",
    "full@-0.5",
    "glora@1",
    "glora@0.6",
    "glora@-0.5",
    "oft@1",
    "oft@0.6",
    "oft@-0.5",
    "kohya@1+dora_in@1",
    "dora_in@1+kohya@1",
    "kohya@0.8+locon@0.5",
};
enum { CASES = LT_COUNT(cases), TWO = CASES - 1 };

static lt_checkpoint golden;

/* Parts a case's name at '+' and '@'; share: of the second's strength. */
static size_t parse_case(const char *name, float share, lt_lora loras[2]) {
    static char words[2][LT_NAME_SIZE];
    size_t count = 0;
    for (const char *at = strcmp(name, "none") ? name : NULL; at; count++) {
        const char *sign = strchr(at, '@'), *plus = strchr(at, '+');
        const float strength = (count ? share : 1) * strtof(sign + 1, NULL);
        snprintf(words[count], sizeof words[0], "%s/lora/%.*s.safetensors", LT_GOLDEN_DIR, (int)(sign - at), at);
        loras[count] = (lt_lora){words[count], strength, strength};
        at = plus ? plus + 1 : NULL;
    }
    return count;
}

static void fail_note(void *user, const char *message) {
    (void)user;
    fail_msg("%s", message);
}

/* All tensors of its files fit. */
static lt_lora_set *make_set(const lt_model *model, size_t number, float share) {
    static const lt_lora_set *const kept[2];
    const lt_listener listener = {fail_note, NULL};
    lt_lora loras[2];
    lt_lora_set *set;
    const size_t count = parse_case(cases[number], share, loras);
    assert_ok(lt_lora_set_make(loras, count, model->parts.weights, &listener, kept, &set));
    return set;
}

/* ---- Weights ---- */

static float *merged(const lt_weight *w, const lt_deltas *set, lt_isa isa) {
    lt_weight_source source;
    lt_tensor copy;
    assert_ok(lt_weight_source_open(&w->tensor, lt_deltas_of(set, w), isa, &source));
    assert_ok(lt_weight_source_copy(&source, &copy));
    lt_weight_source_close(&source);
    return (float *)(uintptr_t)copy.data;
}

static void check_numbers(const char *name, const float *values, size_t count) {
    size_t expected;
    float *recorded = golden_values(&golden, name, &expected);
    assert_int_equal(count, expected);
    const double error = relative_error(values, recorded, count);
    if (!(error <= WEIGHT_LIMIT)) fail_msg("%s: relative error %g is over %g", name, error, WEIGHT_LIMIT);
    free(recorded);
}

/* Of each merged weight of the U-Net, eight values and the norm. */
static int check_weights(const char *name, const lt_model *model, const lt_deltas *set, lt_isa isa) {
    int found = 0;
    for (size_t i = 0; i < lt_weights_count(model->parts.weights); i++) {
        const lt_weight *w = lt_weights_at(model->parts.weights, i);
        const lt_name head = lt_name_of("%s/%s:head", name, w->tensor.name),
                      norm = lt_name_of("%s/%s:norm", name, w->tensor.name);
        if (!lt_checkpoint_find(&golden, head.text)) continue;
        float *values = merged(w, set, isa), length = 0;
        double sum = 0;
        for (size_t k = 0; k < lt_tensor_count(&w->tensor); k++) sum += (double)values[k] * values[k];
        length = (float)sqrt(sum);
        check_numbers(head.text, values, 8);
        check_numbers(norm.text, &length, 1);
        lt_free(values);
        found++;
    }
    return found;
}

/* ---- Rotations: golden2 has none within a bound, and no butterfly ---- */

static void check_whole(const lt_model *model, const lt_tensor *expected, const lt_deltas *set, lt_isa isa) {
    const size_t count = lt_tensor_count(expected);
    const lt_weight *w = lt_weights_find(model->parts.weights, strchr(expected->name, '/') + 1);
    assert_int_equal(lt_tensor_count(&w->tensor), count);
    float *values = merged(w, set, isa), *recorded = lt_alloc(count * sizeof *recorded);
    lt_tensor_read_f32(expected, recorded);
    const double error = relative_error(values, recorded, count);
    if (!(error <= WEIGHT_LIMIT)) fail_msg("%s: relative error %g is over %g", expected->name, error, WEIGHT_LIMIT);
    lt_free(values);
    lt_free(recorded);
}

/* file: "boft@0.6". Every tensor of it is there, and fits. */
static int check_rotations_of(const lt_model *model, const lt_checkpoint *rotations, const char *name, lt_isa isa) {
    static const lt_lora_set *const kept[2];
    const lt_listener listener = {fail_note, NULL};
    const size_t size = strlen(name);
    lt_lora loras[2];
    lt_lora_set *set;
    int found = 0;
    assert_ok(lt_lora_set_make(loras, parse_case(name, 1, loras), model->parts.weights, &listener, kept, &set));
    for (size_t i = 0; i < rotations->count; i++) {
        const lt_tensor *t = &rotations->tensors[i];
        if (strncmp(t->name, name, size) || t->name[size] != '/') continue;
        check_whole(model, t, set->deltas, isa);
        found++;
    }
    lt_lora_set_free(set);
    return found;
}

static void test_rotations(void **state) {
    (void)state;
    static const char *const names[] = {"coft@1",       "coft@0.6",       "boft@1",        "boft@0.6",
                                        "boft_bound@1", "boft_bound@0.6", "boft_stages@1", "boft_stages@0.6"};
    lt_checkpoint rotations;
    lt_model *model;
    size_t found = 0;
    open_golden("lora/rotations.safetensors", &rotations);
    assert_ok(lt_model_open(synthetic_checkpoint("tiny"), NULL, &model));
    for (size_t i = 0; i < LT_COUNT(names); i++) {
        found += (size_t)check_rotations_of(model, &rotations, names[i], LT_ISA_SCALAR);
        check_rotations_of(model, &rotations, names[i], LT_ISA_BEST);
    }
    assert_int_equal(found, rotations.count);
    lt_model_close(model);
    lt_checkpoint_close(&rotations);
}

/* ---- Modules ---- */

static lt_session *open_tiny(lt_model *model, lt_isa isa) {
    lt_session_options options = lt_session_options_defaults();
    options.isa = isa;
    options.threads = 2;
    lt_session *session;
    assert_ok(lt_session_open(model, &options, &session));
    return session;
}

static lt_arrays run(lt_session *session, const char *module) {
    lt_arrays out;
    assert_ok(lt_run_module(session, module, golden.tensors, golden.count, &out));
    return out;
}

static size_t count_of(const lt_array *a) {
    size_t count = 1;
    for (int i = 0; i < a->rank; i++) count *= a->shape[i];
    return count;
}

static void check_output(lt_session *session, const char *module, const char *name, double limit) {
    if (!lt_checkpoint_find(&golden, name)) return;
    lt_arrays out = run(session, module);
    assert_golden(&golden, name, out.items[0].data, count_of(&out.items[0]), limit);
    lt_arrays_free(&out);
}

static void check_all(lt_isa isa) {
    if (lt_isa_choose(isa) != isa) skip();
    lt_model *model;
    assert_ok(lt_model_open(synthetic_checkpoint("tiny"), NULL, &model));
    lt_session *session = open_tiny(model, isa);
    int weights = 0;
    for (size_t i = 0; i < CASES; i++) {
        lt_lora loras[2];
        lt_lora_set *set = make_set(model, i, 1);
        weights += check_weights(cases[i], model, set->deltas, isa);
        lt_lora_set_free(set);
        assert_ok(lt_session_adapt(session, loras, parse_case(cases[i], 1, loras)));
        check_output(session, "unet", lt_name_of("%s.out", cases[i]).text, UNET_LIMIT);
        check_output(session, "clip-text", lt_name_of("%s.text", cases[i]).text, TEXT_LIMIT);
    }
    assert_true(weights > 80);
    lt_session_close(session);
    lt_model_close(model);
}

static void test_scalar(void **state) {
    (void)state;
    skip_under_sanitizers();
    check_all(LT_ISA_SCALAR);
}

static void test_avx2(void **state) {
    (void)state;
    check_all(LT_ISA_AVX2);
}

static void test_avx512(void **state) {
    (void)state;
    check_all(LT_ISA_AVX512);
}

/* ---- Against a file that was merged before ---- */

/* All of model's weights in float32, with set added. */
static const char *write_merged(const lt_model *model, const lt_deltas *set, const char *name, lt_isa isa) {
    static char path[256];
    const size_t count = lt_weights_count(model->parts.weights);
    lt_tensor *tensors = lt_calloc(count, sizeof *tensors);
    for (size_t i = 0; i < count; i++) {
        const lt_weight *w = lt_weights_at(model->parts.weights, i);
        tensors[i] = w->tensor;
        tensors[i].dtype = LT_F32;
        tensors[i].data = merged(w, set, isa);
        lt_tensor_set_contiguous(&tensors[i]);
    }
    snprintf(path, sizeof path, "%s", scratch_path(name));
    assert_ok(lt_safetensors_write(path, tensors, count, NULL, 0, NULL, NULL, NULL));
    for (size_t i = 0; i < count; i++) lt_free((void *)(uintptr_t)tensors[i].data);
    lt_free(tensors);
    return path;
}

static lt_arrays run_once(lt_model *model, lt_deltas *set, const char *module, lt_isa isa, lt_precision precision) {
    lt_session *session = open_tiny(model, isa);
    session->target.precision = precision;
    lt_session_apply(session, set);
    lt_arrays out = run(session, module);
    lt_session_close(session);
    return out;
}

static void expect_alike(const char *module, lt_model *model, lt_deltas *set, lt_model *before, lt_isa isa,
                         lt_precision precision, double limit) {
    lt_arrays ours = run_once(model, set, module, isa, precision),
              theirs = run_once(before, NULL, module, isa, precision);
    const double error = relative_error(ours.items[0].data, theirs.items[0].data, count_of(&ours.items[0]));
    print_message("    %s, %s: %.2e of the merged file's\n", module, lt_isa_name(isa), error);
    if (!(error <= limit))
        fail_msg("%s, %s: %g of the merged file's, at most %g", module, lt_isa_name(isa), error, limit);
    lt_arrays_free(&ours);
    lt_arrays_free(&theirs);
}

/* The same bytes where the file is of float32. Where it is of f16, sums over its untouched weights are cut elsewhere
 * than those over the merged file's float32, and the tiny U-Net magnifies what that rounds. */
static void test_as_merged(void **state) {
    (void)state;
    lt_model *halves, *floats, *before;
    assert_ok(lt_model_open(synthetic_checkpoint("tiny"), NULL, &halves));
    assert_ok(lt_model_open(write_merged(halves, NULL, "floats.safetensors", LT_ISA_BEST), NULL, &floats));
    for (lt_isa isa = LT_ISA_SCALAR; isa <= LT_ISA_AVX512; isa++) {
        if (lt_isa_vectors(isa) != isa) continue;
        lt_lora_set *set = make_set(halves, TWO, 1);
        assert_ok(lt_model_open(write_merged(halves, set->deltas, "merged.safetensors", isa), NULL, &before));
        expect_alike("unet", halves, set->deltas, before, isa, LT_PRECISION_F32, 2e-5);
        lt_lora_set_free(set);
        set = make_set(floats, TWO, 1);
        expect_alike("unet", floats, set->deltas, before, isa, LT_PRECISION_F32, 0);
        expect_alike("clip-text", floats, set->deltas, before, isa, LT_PRECISION_F32, 0);
        expect_alike("unet", floats, set->deltas, before, isa, LT_PRECISION_INT8, 0);
        if (isa == LT_ISA_AVX512 && lt_isa_has(LT_ISA_AVX512BF16, LT_ISA_BEST))
            expect_alike("unet", floats, set->deltas, before, LT_ISA_BEST, LT_PRECISION_BF16, 0);
        lt_lora_set_free(set);
        lt_model_close(before);
    }
    lt_model_close(halves);
    lt_model_close(floats);
}

/* ---- What is shared ---- */

static size_t packed(const lt_model *model) { return lt_weights_packed_size(model->parts.weights); }

static void keep_plan(lt_session *session) {
    lt_arrays out = run(session, "unet");
    lt_arrays_free(&out);
}

/* A second session with deltas packs what they touch; another strength of one of them packs no more, and what the other
 * touches alone stays; without them all is as it was. */
static void test_sharing(void **state) {
    (void)state;
    lt_model *model;
    assert_ok(lt_model_open(synthetic_checkpoint("tiny"), NULL, &model));
    lt_session *plain = open_tiny(model, LT_ISA_BEST), *session = open_tiny(model, LT_ISA_BEST);
    keep_plan(plain);
    const size_t alone = packed(model);
    keep_plan(session);
    assert_int_equal(packed(model), alone);
    lt_lora_set *first = make_set(model, TWO, 1), *second = make_set(model, TWO, 0.5f);
    lt_session_apply(session, first->deltas);
    keep_plan(session);
    const size_t both = packed(model);
    assert_in_range(both, alone + 1, alone + alone / 2); /* some weights, in float32 where the file has f16 */
    lt_session_apply(session, second->deltas);
    const size_t left = packed(model);
    assert_in_range(left, alone + 1, both - 1); /* kohya's stay, locon's go */
    keep_plan(session);
    assert_int_equal(packed(model), both);
    lt_session_apply(session, NULL);
    assert_int_equal(packed(model), alone);
    keep_plan(session);
    assert_int_equal(packed(model), alone);
    lt_lora_set_free(first);
    lt_lora_set_free(second);
    lt_session_close(session);
    lt_session_close(plain);
    lt_model_close(model);
}

/* Each allocation of a run with deltas fails in turn, and the session goes on. */
static void test_no_memory(void **state) {
    (void)state;
    lt_model *model;
    assert_ok(lt_model_open(synthetic_checkpoint("tiny"), NULL, &model));
    lt_session *session = open_tiny(model, LT_ISA_BEST);
    lt_lora_set *set = make_set(model, TWO, 1);
    lt_session_apply(session, set->deltas);
    size_t n = 0;
    for (bool reached = true; reached; n += 1 + n / 8) {
        lt_arrays out;
        lt_alloc_fail_at(n);
        const lt_status status = lt_run_module(session, "unet", golden.tensors, golden.count, &out);
        reached = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        assert_int_equal(status, reached ? LT_ERROR_MEMORY : LT_OK);
        if (!reached)
            assert_golden(&golden, "kohya@0.8+locon@0.5.out", out.items[0].data, count_of(&out.items[0]), UNET_LIMIT);
        if (!status) lt_arrays_free(&out);
    }
    lt_session_apply(session, NULL);
    lt_lora_set_free(set);
    lt_session_close(session);
    lt_model_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalar),    cmocka_unit_test(test_avx2),    cmocka_unit_test(test_avx512),
        cmocka_unit_test(test_as_merged), cmocka_unit_test(test_sharing), cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_rotations),
    };
    open_golden("lora/expected.safetensors", &golden);
    const int failed = cmocka_run_group_tests_name("adapted", tests, NULL, NULL);
    lt_checkpoint_close(&golden);
    remove_scratch();
    return failed;
}
