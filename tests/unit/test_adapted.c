/* Modules of the tiny checkpoint with deltas of every kind, as recorded adapters have them, against diffusers on
 * weights that were merged before: what is merged, what comes out, and what of it sessions share. */
#include "api/model.h"
#include "modules.h"

static const double UNET_LIMIT = 1e-4, TEXT_LIMIT = 1e-5, WEIGHT_LIMIT = 1e-5;

enum { MOST_USES = 256 };

/* ---- Adapters, by the names that recorded files have ---- */

typedef struct adapter {
    const char *name;
    lt_checkpoint file;
    size_t used; /* of its tensors */
} adapter;

/* What one or two adapters add to a model. */
typedef struct adapted {
    lt_delta deltas[MOST_USES];
    lt_delta_use uses[MOST_USES];
    size_t count;
} adapted;

static const lt_tensor *part(adapter *a, const char *layer, const char *suffix) {
    const lt_tensor *t = lt_checkpoint_find(&a->file, lt_name_of("%s.%s", layer, suffix).text);
    a->used += t != NULL;
    return t;
}

static lt_tensor optional(const lt_tensor *t) { return t ? *t : (lt_tensor){0}; }

static float alpha_over(adapter *a, const char *layer, size_t rank) {
    const lt_tensor *t = part(a, layer, "alpha");
    float alpha = (float)rank;
    if (t) lt_tensor_read_f32(t, &alpha);
    return alpha / (float)rank;
}

static lt_factor product(const lt_tensor *up, const lt_tensor *core, const lt_tensor *down) {
    return (lt_factor){core ? lt_tensor_turned(up) : *up, optional(core), optional(down)};
}

static bool low_rank(adapter *a, const char *layer, lt_delta *d) {
    const lt_tensor *up = part(a, layer, "lora_up.weight"), *down = part(a, layer, "lora_down.weight");
    if (!up) up = part(a, layer, "lora_B.weight"), down = part(a, layer, "lora_A.weight");
    if (!up) return false;
    const lt_tensor *magnitude = part(a, layer, "dora_scale");
    if (!magnitude) magnitude = part(a, layer, "lora_magnitude_vector");
    *d = (lt_delta){.factor = {{*up, optional(part(a, layer, "lora_mid.weight")), *down}}};
    d->magnitude = optional(magnitude);
    d->scale = alpha_over(a, layer, down->shape[0]);
    return true;
}

static bool hadamard(adapter *a, const char *layer, lt_delta *d) {
    const lt_tensor *down = part(a, layer, "hada_w1_b");
    if (!down) return false;
    *d = (lt_delta){.kind = LT_DELTA_HADAMARD, .scale = alpha_over(a, layer, down->shape[0])};
    d->factor[0] = product(part(a, layer, "hada_w1_a"), part(a, layer, "hada_t1"), down);
    d->factor[1] = product(part(a, layer, "hada_w2_a"), part(a, layer, "hada_t2"), part(a, layer, "hada_w2_b"));
    return true;
}

static bool kronecker(adapter *a, const char *layer, lt_delta *d) {
    const lt_tensor *whole[] = {part(a, layer, "lokr_w1"), part(a, layer, "lokr_w2")};
    const lt_tensor *up[] = {part(a, layer, "lokr_w1_a"), part(a, layer, "lokr_w2_a")};
    const lt_tensor *down[] = {part(a, layer, "lokr_w1_b"), part(a, layer, "lokr_w2_b")};
    if (!whole[0] && !up[0]) return false;
    *d = (lt_delta){.kind = LT_DELTA_KRONECKER, .scale = 1};
    const lt_tensor *core = part(a, layer, "lokr_t2"), *ranked = down[1] ? down[1] : down[0];
    for (int i = 0; i < 2; i++)
        d->factor[i] = whole[i] ? (lt_factor){.up = *whole[i]} : product(up[i], i ? core : NULL, down[i]);
    const float scale = alpha_over(a, layer, ranked ? ranked->shape[0] : 1);
    if (ranked) d->scale = scale; /* with both whole alpha does not count */
    return true;
}

static bool difference(adapter *a, const char *layer, bool bias, lt_delta *d) {
    const lt_tensor *t = part(a, layer, bias ? "diff_b" : "diff");
    if (!t) t = part(a, layer, bias ? "b_norm" : "w_norm");
    if (t) *d = (lt_delta){.scale = 1, .factor = {{.up = *t}}};
    return t;
}

static bool read_delta(adapter *a, const char *layer, bool bias, lt_delta *d) {
    return difference(a, layer, bias, d) ||
           (!bias && (low_rank(a, layer, d) || hadamard(a, layer, d) || kronecker(a, layer, d)));
}

/* "down_blocks.0.attn1.weight" is a weight of "lora_unet_down_blocks_0_attn1", of "unet.down_blocks.0.attn1" for PEFT.
 */
static void find_delta(adapted *all, adapter *a, const char *name, const char *kohya, const char *peft, float strength,
                       lt_weight *w) {
    char layer[2][256];
    const size_t length = strlen(name), end = length > 7 && !strcmp(name + length - 7, ".weight") ? 7 : 5;
    const bool bias = length > 5 && !strcmp(name + length - 5, ".bias");
    if (!bias && end != 7) return;
    snprintf(layer[0], sizeof layer[0], "%s%.*s", kohya, (int)(length - end), name);
    for (char *c = layer[0]; *c; c++)
        if (*c == '.') *c = '_';
    snprintf(layer[1], sizeof layer[1], "%s%.*s", peft, (int)(length - end), name);
    lt_delta *d = &all->deltas[all->count];
    if (!read_delta(a, layer[0], bias, d) && !read_delta(a, layer[1], bias, d)) return;
    assert_ok(lt_delta_check(d, &w->tensor));
    assert_true(all->count < MOST_USES);
    all->uses[all->count++] = (lt_delta_use){w, d, strength};
}

/* Files have the U-Net's names from diffusers: the same numbers under both names are one tensor. */
static const lt_tensor *same_data(const lt_tensor_list *list, const void *data) {
    for (size_t i = 0; i < list->count; i++)
        if (list->tensors[i].data == data) return &list->tensors[i];
    return NULL;
}

static void add_adapter(adapted *all, adapter *a, float strength, const lt_model *model) {
    static const char text[] = "cond_stage_model.transformer.";
    lt_tensor_list unet = {0};
    assert_ok(lt_names_to_diffusers(model->tensors.tensors, model->tensors.count, LT_ROLE_UNET, &unet));
    a->used = 0;
    for (size_t i = 0; i < lt_weights_count(model->parts.weights); i++) {
        lt_weight *w = lt_weights_at(model->parts.weights, i);
        const lt_tensor *t = lt_is_unet(w->tensor.name) ? same_data(&unet, w->tensor.data) : NULL;
        if (t) find_delta(all, a, t->name, "lora_unet_", "unet.", strength, w);
        if (!strncmp(w->tensor.name, text, sizeof text - 1))
            find_delta(all, a, w->tensor.name + sizeof text - 1, "lora_te_", "text_encoder.", strength, w);
    }
    assert_int_equal(a->used, a->file.count);
    lt_tensor_list_free(&unet);
}

/* ---- A recorded case: "kohya@0.8+locon@0.5" ---- */

static const struct {
    const char *name;
    const char *file[2];
    float strength[2];
} cases[] = {
    {"none", {0}, {0}},
    {"kohya@1", {"kohya"}, {1}},
    {"kohya@0.6", {"kohya"}, {0.6f}},
    {"kohya@-0.5", {"kohya"}, {-0.5f}},
    {"locon@1", {"locon"}, {1}},
    {"locon@0.6", {"locon"}, {0.6f}},
    {"loha@1", {"loha"}, {1}},
    {"loha@-0.5", {"loha"}, {-0.5f}},
    {"lokr@1", {"lokr"}, {1}},
    {"lokr@0.6", {"lokr"}, {0.6f}},
    {"dora_in@1", {"dora_in"}, {1}},
    {"dora_in@0.6", {"dora_in"}, {0.6f}},
    {"dora_out@1", {"dora_out"}, {1}},
    {"dora_out@-0.5", {"dora_out"}, {-0.5f}},
    {"dora_peft@1", {"dora_peft"}, {1}},
    {"dora_peft@0.6", {"dora_peft"}, {0.6f}},
    {"full@1", {"full"}, {1}},
    {"full@0.6", {"full"}, {0.6f}},
    {"kohya@0.8+locon@0.5", {"kohya", "locon"}, {0.8f, 0.5f}},
    {"kohya@1+dora_in@1", {"kohya", "dora_in"}, {1, 1}},
    {"dora_in@1+kohya@1", {"dora_in", "kohya"}, {1, 1}},
};
enum { CASES = LT_COUNT(cases), NONE = 0, TWO = CASES - 3 };

static lt_checkpoint golden;
static adapter adapters[8];

static adapter *adapter_called(const char *name) {
    for (size_t i = 0; i < LT_COUNT(adapters); i++) {
        if (!adapters[i].name) {
            adapters[i].name = name;
            open_golden(lt_name_of("lora/%s.safetensors", name).text, &adapters[i].file);
        }
        if (!strcmp(adapters[i].name, name)) return &adapters[i];
    }
    fail_msg("too many adapters");
    return NULL;
}

static lt_deltas *make_set(adapted *all, const lt_model *model, size_t number, float share) {
    lt_deltas *set;
    all->count = 0;
    for (int i = 0; i < 2 && cases[number].file[i]; i++)
        add_adapter(all, adapter_called(cases[number].file[i]), (i ? share : 1) * cases[number].strength[i], model);
    assert_ok(lt_deltas_create(all->uses, all->count, &set));
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
    static adapted all;
    if (lt_isa_choose(isa) != isa) skip();
    lt_model *model;
    assert_ok(lt_model_open(synthetic_checkpoint("tiny"), NULL, &model));
    lt_session *session = open_tiny(model, isa);
    int weights = 0;
    for (size_t i = 0; i < CASES; i++) {
        lt_deltas *set = make_set(&all, model, i, 1);
        weights += check_weights(cases[i].name, model, set, isa);
        lt_session_apply(session, set);
        lt_deltas_free(set);
        check_output(session, "unet", lt_name_of("%s.out", cases[i].name).text, UNET_LIMIT);
        check_output(session, "clip-text", lt_name_of("%s.text", cases[i].name).text, TEXT_LIMIT);
        lt_session_apply(session, NULL); /* all's deltas are filled anew */
    }
    assert_true(weights > 80);
    lt_session_close(session);
    lt_model_close(model);
}

static void test_scalar(void **state) {
    (void)state;
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
    static adapted all;
    lt_model *halves, *floats, *before;
    assert_ok(lt_model_open(synthetic_checkpoint("tiny"), NULL, &halves));
    assert_ok(lt_model_open(write_merged(halves, NULL, "floats.safetensors", LT_ISA_BEST), NULL, &floats));
    for (lt_isa isa = LT_ISA_SCALAR; isa <= LT_ISA_AVX512; isa++) {
        if (lt_isa_vectors(isa) != isa) continue;
        lt_deltas *set = make_set(&all, halves, TWO, 1);
        assert_ok(lt_model_open(write_merged(halves, set, "merged.safetensors", isa), NULL, &before));
        expect_alike("unet", halves, set, before, isa, LT_PRECISION_F32, 2e-5);
        lt_deltas_free(set);
        set = make_set(&all, floats, TWO, 1);
        expect_alike("unet", floats, set, before, isa, LT_PRECISION_F32, 0);
        expect_alike("clip-text", floats, set, before, isa, LT_PRECISION_F32, 0);
        expect_alike("unet", floats, set, before, isa, LT_PRECISION_INT8, 0);
        if (isa == LT_ISA_AVX512 && lt_isa_has(LT_ISA_AVX512BF16, LT_ISA_BEST))
            expect_alike("unet", floats, set, before, LT_ISA_BEST, LT_PRECISION_BF16, 0);
        lt_deltas_free(set);
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
    static adapted all, other;
    lt_model *model;
    assert_ok(lt_model_open(synthetic_checkpoint("tiny"), NULL, &model));
    lt_session *plain = open_tiny(model, LT_ISA_BEST), *session = open_tiny(model, LT_ISA_BEST);
    keep_plan(plain);
    const size_t alone = packed(model);
    keep_plan(session);
    assert_int_equal(packed(model), alone);
    lt_deltas *first = make_set(&all, model, TWO, 1), *second = make_set(&other, model, TWO, 0.5f);
    lt_session_apply(session, first);
    keep_plan(session);
    const size_t both = packed(model);
    assert_in_range(both, alone + 1, alone + alone / 2); /* some weights, in float32 where the file has f16 */
    lt_session_apply(session, second);
    const size_t left = packed(model);
    assert_in_range(left, alone + 1, both - 1); /* kohya's stay, locon's go */
    keep_plan(session);
    assert_int_equal(packed(model), both);
    lt_session_apply(session, NULL);
    assert_int_equal(packed(model), alone);
    keep_plan(session);
    assert_int_equal(packed(model), alone);
    lt_deltas_free(first);
    lt_deltas_free(second);
    lt_session_close(session);
    lt_session_close(plain);
    lt_model_close(model);
}

/* Each allocation of a run with deltas fails in turn, and the session goes on. */
static void test_no_memory(void **state) {
    (void)state;
    static adapted all;
    lt_model *model;
    assert_ok(lt_model_open(synthetic_checkpoint("tiny"), NULL, &model));
    lt_session *session = open_tiny(model, LT_ISA_BEST);
    lt_deltas *set = make_set(&all, model, TWO, 1);
    lt_session_apply(session, set);
    lt_deltas_free(set);
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
    lt_session_close(session);
    lt_model_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalar),    cmocka_unit_test(test_avx2),    cmocka_unit_test(test_avx512),
        cmocka_unit_test(test_as_merged), cmocka_unit_test(test_sharing), cmocka_unit_test(test_no_memory),
    };
    open_golden("lora/expected.safetensors", &golden);
    const int failed = cmocka_run_group_tests_name("adapted", tests, NULL, NULL);
    for (size_t i = 0; i < LT_COUNT(adapters); i++)
        if (adapters[i].name) lt_checkpoint_close(&adapters[i].file);
    lt_checkpoint_close(&golden);
    remove_scratch();
    return failed;
}
