/* Gradients and first steps of what is added to a model, against PEFT and PyTorch (tests/golden/make_train_lora.py). */
#include "api/model.h"
#include "golden.h"
#include "train/objectives.h"
#include "train/pairs.h"
#include "train/parameters.h"

enum { ENDS = 8, ROW = 1 + 2 * ENDS };

static const double LOSS_LIMIT = 1e-5, GRADIENT_LIMIT = 1e-4, STEPS_LIMIT = 1e-4;

typedef struct run {
    lt_model *model;
    lt_pairs pairs;
    lt_parameters parameters;
    lt_plan *plan;
    lt_checkpoint golden;
} run;

static lt_train_options recorded_options(void) {
    lt_train_options o = lt_train_options_defaults();
    o.lora.rank = 4;
    o.lora.alpha = 1;
    o.lora.conv_rank = 2;
    o.lora.conv_alpha = 0.5;
    o.lora.towers = "both";
    return o;
}

static void fill_parameters(const lt_parameters *p) {
    for (size_t i = 0; i < p->count; i++) {
        const lt_tensor *t = lt_tensor_find(p->tensors.tensors, p->tensors.count, p->items[i].name);
        lt_synthetic_values(t->name, t->rank, t->shape, 0, p->items[i].count, p->items[i].value);
    }
}

static void make_plan(run *r, lt_isa isa, bool recompute) {
    lt_unet unet = r->model->parts.unet;
    lt_clip_text text = r->model->parts.text;
    unet.weights = text.weights = r->parameters.weights;
    const lt_unet_objective_options options = {
        .shape = {2, 16, 16, 4}, .tokens = 77, .text = &text, .recompute = recompute};
    const lt_target target = {.isa = lt_isa_choose(isa)};
    lt_graph graph = {0};
    const lt_status built = lt_unet_objective(&unet, &options, &graph);
    assert_ok(lt_plan_built(&graph, built, &target, &r->plan));
}

/* ids: the name of the recorded ones. */
static void fill_inputs(const run *r, const char *ids) {
    size_t count;
    static const char *const pictures[] = {"x", "target"};
    for (size_t i = 0; i < LT_COUNT(pictures); i++) {
        float *values = golden_values(&r->golden, pictures[i], &count);
        lt_port_write_nchw(lt_plan_port(r->plan, pictures[i]), values);
        free(values);
    }
    float *t = golden_values(&r->golden, "t", &count), *tokens = golden_values(&r->golden, ids, &count);
    lt_port_write(lt_plan_port(r->plan, "t"), 0, t, 2);
    for (size_t i = 0; i < count; i++)
        lt_port_write_i32(lt_plan_port(r->plan, "ids"), i, &(int32_t){(int32_t)tokens[i]}, 1);
    lt_port_fill(lt_plan_port(r->plan, "weight"), 1);
    lt_port_fill(lt_plan_port(r->plan, "context_lengths"), 77);
    free(t);
    free(tokens);
}

static void open_run(run *r, lt_isa isa, bool recompute) {
    const lt_train_options o = recorded_options();
    lt_tensor_list list = {0};
    assert_ok(lt_model_open(synthetic_checkpoint("tiny"), NULL, &r->model));
    const lt_tensor_list *all = &r->model->tensors;
    assert_ok(lt_pairs_choose(all->tensors, all->count, &o, &r->pairs));
    assert_ok(lt_pairs_list(&r->pairs, all->tensors, all->count, &list));
    assert_ok(lt_parameters_create(list.tensors, list.count, lt_is_pairs, 0, &r->parameters));
    lt_tensor_list_free(&list);
    fill_parameters(&r->parameters);
    open_golden("lora/training.safetensors", &r->golden);
    make_plan(r, isa, recompute);
    fill_inputs(r, "ids");
}

static void close_run(run *r) {
    lt_plan_free(r->plan);
    lt_parameters_free(&r->parameters);
    lt_pairs_free(&r->pairs);
    lt_model_close(r->model);
    lt_checkpoint_close(&r->golden);
}

static float loss_of(const run *r) {
    assert_ok(lt_plan_run(r->plan, LT_RATE_PROMPT, NULL, NULL));
    return lt_port_value(lt_plan_port(r->plan, "loss"));
}

/* Of one gradient, in parts of its norm: of the norm itself, or of any of the recorded values. */
static double gradient_error(const lt_parameter *p, const float *row) {
    double norm = 0, error;
    for (size_t i = 0; i < p->count; i++) norm += (double)p->gradient[i] * p->gradient[i];
    error = fabs(sqrt(norm) - (double)row[0]);
    for (size_t i = 0; i < ENDS; i++) {
        error = fmax(error, fabs((double)p->gradient[i] - row[1 + i]));
        error = fmax(error, fabs((double)p->gradient[p->count - ENDS + i] - row[1 + ENDS + i]));
    }
    return error / (double)row[0];
}

static void check_gradients(const run *r) {
    size_t count;
    float *rows = golden_values(&r->golden, "gradients", &count);
    double worst = 0;
    const char *name = "";
    assert_int_equal(count, r->parameters.count * ROW);
    for (size_t i = 0; i < r->parameters.count; i++) {
        const double error = gradient_error(&r->parameters.items[i], rows + i * ROW);
        if (error > worst) name = r->parameters.items[i].name;
        worst = fmax(worst, error);
    }
    print_message("    %zu gradients: worst error %.2e (at most %.0e), of %s\n", r->parameters.count, worst,
                  GRADIENT_LIMIT, name);
    if (!(worst <= GRADIENT_LIMIT)) fail_msg("gradient of %s: relative error %g", name, worst);
    free(rows);
}

static void check(lt_isa isa, bool recompute) {
    run r = {0};
    open_run(&r, isa, recompute);
    const float loss = loss_of(&r);
    assert_golden(&r.golden, "loss", &loss, 1, LOSS_LIMIT);
    check_gradients(&r);
    close_run(&r);
}

static void test_scalar(void **state) {
    (void)state;
    check(LT_ISA_SCALAR, false);
}

static void test_best(void **state) {
    (void)state;
    check(LT_ISA_BEST, false);
    check(LT_ISA_BEST, true);
}

/* The curve of a training: AdamW's first steps. */
static void test_steps(void **state) {
    (void)state;
    run r = {0};
    size_t count;
    lt_optimizer optimizer;
    lt_optimizer_options options = lt_optimizer_defaults();
    options.rate = 1e-3f;
    options.clip = options.ema = 0;
    options.warmup = 0;
    open_run(&r, LT_ISA_BEST, false);
    assert_ok(lt_optimizer_create(&options, r.parameters.items, r.parameters.count, &optimizer));
    float *losses = golden_values(&r.golden, "losses", &count);
    for (size_t i = 0; i < count; i++) {
        const double error = fabs((double)loss_of(&r) - losses[i]) / (double)losses[i];
        print_message("    loss before step %zu: relative error %.2e (at most %.0e)\n", i + 1, error, STEPS_LIMIT);
        assert_true(error <= STEPS_LIMIT);
        assert_ok(lt_optimizer_step(&optimizer, lt_kernels_get(lt_isa_choose(LT_ISA_BEST)), 1, NULL));
        lt_weights_changed(r.parameters.weights);
    }
    free(losses);
    lt_optimizer_free(&optimizer);
    close_run(&r);
}

/* ---- An embedding ---- */

static const char vectors_name[] = "cond_stage_model.transformer.text_model." LT_CLIP_VECTORS;

static bool is_vectors(const char *name) { return !strcmp(name, vectors_name); }

/* The whole model, and the recorded vectors. */
static void open_embedding(run *r, lt_isa isa) {
    lt_tensor_list list = {0};
    assert_ok(lt_model_open(synthetic_checkpoint("tiny"), NULL, &r->model));
    open_golden("lora/training.safetensors", &r->golden);
    for (size_t i = 0; i < r->model->tensors.count; i++) {
        const lt_tensor *t = &r->model->tensors.tensors[i];
        assert_ok(lt_tensor_list_add(&list, t->name, t));
    }
    assert_ok(lt_tensor_list_add(&list, vectors_name, lt_checkpoint_find(&r->golden, "embedding.vectors")));
    assert_ok(lt_parameters_create(list.tensors, list.count, is_vectors, 0, &r->parameters));
    lt_tensor_list_free(&list);
    make_plan(r, isa, false);
    fill_inputs(r, "embedding.ids");
}

static void check_embedding(lt_isa isa) {
    run r = {0};
    open_embedding(&r, isa);
    const float loss = loss_of(&r);
    assert_golden(&r.golden, "embedding.loss", &loss, 1, LOSS_LIMIT);
    assert_int_equal(r.parameters.count, 1);
    assert_golden(&r.golden, "embedding.gradient", r.parameters.items[0].gradient, r.parameters.items[0].count,
                  GRADIENT_LIMIT);
    close_run(&r);
}

static void test_embedding(void **state) {
    (void)state;
    check_embedding(LT_ISA_SCALAR);
    check_embedding(LT_ISA_BEST);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalar),
        cmocka_unit_test(test_best),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_embedding),
    };
    const int failed = cmocka_run_group_tests_name("training a LoRA", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
