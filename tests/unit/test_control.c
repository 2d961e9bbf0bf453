/* ControlNets of the tiny checkpoint, in both layouts of names, and T2I-Adapters against diffusers: alone, added to the
 * U-Net, and in whole pictures. */
#include "modules.h"

static const double UNET_LIMIT = 1e-4, LIMIT = 1e-4, PICTURE_LIMIT = 1e-3;

static const char *const names[] = {"control", "control_diffusers"};
static const char *const checkpoints[] = {"tiny-control", "tiny-control-diffusers"};

/* The synthetic ControlNet of that name, written on first use. */
static const char *control_checkpoint(const char *name) {
    const char *path = scratch_path(lt_name_of("%s.safetensors", name).text);
    if (access(path, R_OK)) assert_ok(lt_synthetic_part_write(lt_synthetic_part_find(name), path, LT_F16));
    return path;
}

static lt_model *open_control(const char *name) {
    lt_model *model;
    assert_ok(lt_model_open(control_checkpoint(name), NULL, &model));
    return model;
}

static lt_session *open_on(lt_model *model, const lt_session_options *options) {
    lt_session *session;
    assert_ok(lt_session_open(model, options, &session));
    return session;
}

static lt_session *open_adapter(const lt_session_options *options) {
    lt_model *model = open_control("tiny-t2i");
    lt_session *session = open_on(model, options);
    lt_model_close(model);
    return session;
}

/* ---- Modules ---- */

static void check_modules(lt_isa isa) {
    if (lt_isa_choose(isa) != isa) skip();
    lt_session_options options = lt_session_options_defaults();
    options.isa = isa;
    for (size_t i = 0; i < LT_COUNT(names); i++) {
        lt_model *model = open_control(checkpoints[i]);
        lt_session *session = open_on(model, &options);
        lt_model_close(model);
        check_module(session, "controlnet", lt_name_of("control/%s.safetensors", names[i]).text, LIMIT);
        lt_session_close(session);
    }
    lt_session *adapter = open_adapter(&options);
    check_module(adapter, "t2i-adapter", "control/t2i_adapter.safetensors", LIMIT);
    lt_session_close(adapter);
}

static void test_scalar(void **state) {
    (void)state;
    skip_under_sanitizers();
    check_modules(LT_ISA_SCALAR);
}

static void test_avx2(void **state) {
    (void)state;
    check_modules(LT_ISA_AVX2);
}

static void test_avx512(void **state) {
    (void)state;
    check_modules(LT_ISA_AVX512);
}

/* What was recorded as ports, times strength, as inputs of the U-Net; values, allocated, is what they lie in. */
static size_t add_recorded(const lt_checkpoint *golden, const char *const *ports, int most, float strength,
                           lt_tensor *in, float **values) {
    static lt_name called[LT_MOST_RESIDUALS];
    size_t count = golden->count, at = 0;
    memcpy(in, golden->tensors, count * sizeof *in);
    *values = malloc(sizeof(float) << 20);
    for (int i = 0; i < most; i++) {
        const lt_tensor *t = lt_checkpoint_find(golden, ports[i]);
        called[i] = lt_name_of("added.%s", ports[i]);
        in[count] = *t;
        in[count].name = called[i].text;
        in[count].data = *values + at;
        lt_tensor_read_f32(t, *values + at);
        for (size_t k = 0; k < lt_tensor_count(t); k++) (*values)[at + k] *= strength;
        at += lt_tensor_count(t);
        count++;
    }
    return count;
}

static void check_unet(lt_session *session, const lt_checkpoint *golden, const char *const *ports, int most,
                       float strength, const char *name) {
    lt_tensor in[64];
    lt_arrays out;
    float *values;
    const size_t count = add_recorded(golden, ports, most, strength, in, &values);
    assert_ok(lt_run_module(session, "unet", in, count, &out));
    assert_golden(golden, name, out.items[0].data, 4 * 16 * 16, UNET_LIMIT);
    lt_arrays_free(&out);
    assert_int_equal(lt_run_module(session, "unet", in, count - 1, &out), LT_ERROR_ARGUMENT);
    assert_non_null(strstr(lt_error_message(), lt_name_of("added.%s", ports[most - 1]).text));
    free(values);
}

static void what_is_recorded_is_added_to_the_unet(void **state) {
    (void)state;
    lt_checkpoint net, adapter;
    lt_session *session;
    lt_arrays out;
    open_golden("control/control.safetensors", &net);
    open_golden("control/t2i_adapter.safetensors", &adapter);
    assert_ok(open_session(synthetic_checkpoint("tiny"), NULL, &session));
    check_unet(session, &net, lt_residual_ports, 13, 1, "out@1");
    check_unet(session, &net, lt_residual_ports, 13, 0.5f, "out@0.5");
    check_unet(session, &adapter, lt_feature_ports, 4, 1, "out@1");
    check_unet(session, &adapter, lt_feature_ports, 4, 0.5f, "out@0.5");
    assert_ok(lt_run_module(session, "unet", net.tensors, net.count, &out));
    assert_golden(&net, "out@0", out.items[0].data, 4 * 16 * 16, UNET_LIMIT);
    lt_arrays_free(&out);
    lt_session_close(session);
    lt_checkpoint_close(&net);
    lt_checkpoint_close(&adapter);
}

/* ---- What is kept as a difference ---- */

/* The tensors of one checkpoint, with those of another of the same layer. */
typedef struct pairs {
    lt_checkpoint control, unet;
    lt_tensor_list list;
} pairs;

static const lt_tensor *of_unet(const pairs *p, const lt_tensor *t) {
    const char *rest = t->name + strlen("control_model.");
    const lt_tensor *base = lt_checkpoint_find(&p->unet, lt_name_of("model.diffusion_model.%s", rest).text);
    return base && lt_tensor_has_shape(base, t->rank, t->shape) ? base : NULL;
}

static lt_status subtract(void *user, const lt_tensor *t, float *values) {
    const pairs *p = user;
    const lt_tensor *own = lt_checkpoint_find(&p->control, t->name), *base = own ? of_unet(p, own) : NULL;
    if (own)
        lt_tensor_read_f32(own, values);
    else
        memset(values, 0, lt_tensor_count(t) * sizeof *values);
    if (!base) return LT_OK;
    float *others = malloc(lt_tensor_count(t) * sizeof *others);
    lt_tensor_read_f32(base, others);
    for (size_t i = 0; i < lt_tensor_count(t); i++) values[i] -= others[i];
    free(others);
    return LT_OK;
}

/* Of low rank by the rule of synthetic checkpoints, the rest as it is. */
static lt_status factors(void *user, const lt_tensor *t, float *values) {
    const pairs *p = user;
    const lt_tensor *own = lt_checkpoint_find(&p->control, t->name);
    if (own)
        lt_tensor_read_f32(own, values);
    else if (t->rank > 1)
        lt_synthetic_values(t->name, t->rank, t->shape, 0, lt_tensor_count(t), values);
    else
        values[0] = 0;
    return LT_OK;
}

static void add(pairs *p, const char *name, int rank, const size_t shape[4]) {
    lt_tensor t = {.dtype = LT_F16, .rank = rank};
    memcpy(t.shape, shape, 4 * sizeof *shape);
    lt_tensor_set_contiguous(&t);
    assert_ok(lt_tensor_list_add(&p->list, name, &t));
}

static void list_file(pairs *p, bool low_rank) {
    add(p, low_rank ? "lora_controlnet" : "difference", 1, (const size_t[4]){1});
    for (size_t i = 0; i < p->control.count; i++) {
        const lt_tensor *t = &p->control.tensors[i];
        const int length = (int)strlen(t->name) - (int)strlen(".weight");
        if (!low_rank || t->rank < 2 || !of_unet(p, t)) {
            assert_ok(lt_tensor_list_add(&p->list, t->name, t));
            continue;
        }
        add(p, lt_name_of("%.*s.up", length, t->name).text, 2, (const size_t[4]){t->shape[0], 4});
        add(p, lt_name_of("%.*s.down", length, t->name).text, t->rank,
            (const size_t[4]){4, t->shape[1], t->shape[2], t->shape[3]});
    }
}

/* A file of the tiny ControlNet as what it adds to the tiny U-Net. */
static const char *write_kept(bool low_rank) {
    pairs p = {0};
    const char *path = scratch_path(low_rank ? "lora.safetensors" : "difference.safetensors");
    char copy[256];
    snprintf(copy, sizeof copy, "%s", path);
    assert_ok(lt_checkpoint_open(control_checkpoint("tiny-control"), &p.control));
    assert_ok(lt_checkpoint_open(synthetic_checkpoint("tiny"), &p.unet));
    list_file(&p, low_rank);
    assert_ok(
        lt_safetensors_write(copy, p.list.tensors, p.list.count, NULL, 0, NULL, low_rank ? factors : subtract, &p));
    lt_tensor_list_free(&p.list);
    lt_checkpoint_close(&p.control);
    lt_checkpoint_close(&p.unet);
    return scratch_path(low_rank ? "lora.safetensors" : "difference.safetensors");
}

static void check_kept(lt_model *base, bool low_rank) {
    static const int kept[] = {0, 5, 12};
    lt_open_options options = lt_open_options_defaults();
    lt_checkpoint golden, inputs;
    lt_arrays out;
    lt_model *model;
    const char *path = write_kept(low_rank);
    assert_int_equal(lt_model_open(path, &options, &model), LT_ERROR_MODEL);
    assert_non_null(strstr(lt_error_message(), "base"));
    options.base = base;
    assert_ok(lt_model_open(path, &options, &model));
    lt_session *session = open_on(model, NULL);
    lt_model_close(model);
    open_golden("control/deltas.safetensors", &golden);
    open_golden("control/control.safetensors", &inputs);
    assert_ok(lt_run_module(session, "controlnet", inputs.tensors, inputs.count, &out));
    for (size_t i = 0; i < LT_COUNT(kept); i++) {
        const lt_name name = lt_name_of("%s.residual.%d", low_rank ? "lora" : "difference", kept[i]);
        const lt_array *a = &out.items[kept[i]];
        assert_golden(&golden, name.text, a->data, a->shape[1] * a->shape[2] * a->shape[3], LIMIT);
    }
    lt_arrays_free(&out);
    lt_session_close(session);
    lt_checkpoint_close(&golden);
    lt_checkpoint_close(&inputs);
}

static void differences_are_added_to_the_unet_that_is_there(void **state) {
    (void)state;
    lt_model *base;
    assert_ok(lt_model_open(synthetic_checkpoint("tiny"), NULL, &base));
    check_kept(base, false);
    check_kept(base, true);
    lt_model_close(base);
}

/* ---- Pictures ---- */

typedef struct drawing {
    lt_checkpoint golden;
    lt_model *net;
    lt_image hint;
    lt_control control;
    lt_request request;
    float *noise;
} drawing;

/* The recorded picture: 10 steps of DDIM at guidance 7.5, with the ControlNet at 0.8. */
static void begin(drawing *d) {
    size_t count;
    open_golden("control/txt2img_ddim.safetensors", &d->golden);
    d->net = open_control("tiny-control");
    assert_ok(lt_image_load(LT_GOLDEN_DIR "/control/hint.png", &d->hint));
    d->noise = golden_values(&d->golden, "noise", &count);
    d->control = lt_control_defaults();
    d->control.model = d->net;
    d->control.image = &d->hint;
    d->control.strength = 0.8f;
    d->request = lt_request_defaults();
    d->request.prompt = "a photo of an astronaut riding a horse on mars";
    d->request.negative_prompt = "blurry, ugly";
    d->request.width = d->request.height = 128;
    d->request.steps = 10;
    d->request.sampler = "ddim";
    d->request.random_seed = false;
    d->request.noise = d->noise;
    d->request.keep_steps = true;
    d->request.controls = &d->control;
    d->request.control_count = 1;
}

static void end(drawing *d) {
    lt_model_close(d->net);
    lt_image_free(&d->hint);
    lt_checkpoint_close(&d->golden);
    free(d->noise);
}

enum { LATENT = 4 * 16 * 16, STATES = 11 };

/* All states of the latent, allocated. */
static float *draw(const lt_request *request, const lt_session_options *options) {
    lt_session *session;
    lt_result result;
    float *states = malloc(STATES * LATENT * sizeof *states);
    assert_ok(open_session(synthetic_checkpoint("tiny"), options, &session));
    assert_ok(lt_generate(session, request, &result));
    memcpy(states, result.step_latents[0], (size_t)result.kept_steps * LATENT * sizeof *states);
    lt_result_free(&result);
    lt_session_close(session);
    return states;
}

static void pictures_are_as_recorded(void **state) {
    (void)state;
    drawing d;
    begin(&d);
    float *states = draw(&d.request, NULL);
    assert_golden(&d.golden, "latents", states, STATES * LATENT, PICTURE_LIMIT);
    free(states);
    end(&d);
}

/* Two threads and little memory give the bytes of one thread. */
static void bytes_do_not_depend_on_threads_and_memory(void **state) {
    (void)state;
    drawing d;
    begin(&d);
    d.request.steps = 3;
    lt_session_options options = lt_session_options_defaults();
    options.threads = 1;
    float *one = draw(&d.request, &options);
    options.threads = 2;
    float *two = draw(&d.request, &options);
    options.low_memory = true;
    float *low = draw(&d.request, &options);
    assert_memory_equal(one, two, 4 * LATENT * sizeof *one);
    assert_memory_equal(one, low, 4 * LATENT * sizeof *one);
    free(one);
    free(two);
    free(low);
    end(&d);
}

/* Before its start and behind its end a control is not there: the first states and the last steps are as without it. */
static void a_control_is_there_between_start_and_end(void **state) {
    (void)state;
    drawing d;
    begin(&d);
    float *whole = draw(&d.request, NULL);
    d.control.end = 0.3;
    float *early = draw(&d.request, NULL);
    d.control.start = 0.3;
    d.control.end = 1;
    float *late = draw(&d.request, NULL);
    d.request.control_count = 0;
    float *without = draw(&d.request, NULL);
    assert_memory_equal(early, whole, 4 * LATENT * sizeof *whole);
    assert_true(relative_error(early + 4 * LATENT, whole + 4 * LATENT, LATENT) > 1e-3);
    assert_memory_equal(late, without, 4 * LATENT * sizeof *whole);
    assert_true(relative_error(late + 4 * LATENT, without + 4 * LATENT, LATENT) > 1e-3);
    free(whole);
    free(early);
    free(late);
    free(without);
    end(&d);
}

/* What a session's own ControlNet makes, in place of what was recorded. */
static void put_residuals(lt_tensor *in, size_t count, const lt_arrays *made) {
    for (size_t i = 0; i < made->count; i++)
        for (size_t k = 0; k < count; k++)
            if (!strcmp(in[k].name, lt_name_of("added.%s", made->items[i].name).text)) in[k].data = made->items[i].data;
}

static double error_of_unet(lt_session *unet, const lt_checkpoint *golden, const lt_tensor *in, size_t count) {
    size_t expected;
    lt_arrays out;
    float *reference = golden_values(golden, "out@1", &expected);
    assert_ok(lt_run_module(unet, "unet", in, count, &out));
    const double error = relative_error(out.items[0].data, reference, expected);
    lt_arrays_free(&out);
    free(reference);
    return error;
}

/* tiny's U-Net magnifies what is rounded before it, so that its own rounding is the measure: a ControlNet's adds
 * little. */
static void check_rounded(lt_precision precision) {
    lt_session_options options = lt_session_options_defaults();
    lt_checkpoint golden;
    lt_arrays made;
    lt_tensor in[64];
    float *values;
    options.precision = precision;
    lt_model *model = open_control("tiny-control");
    lt_session *net = open_on(model, &options), *unet;
    lt_model_close(model);
    assert_ok(open_session(synthetic_checkpoint("tiny"), &options, &unet));
    open_golden("control/control.safetensors", &golden);
    const size_t count = add_recorded(&golden, lt_residual_ports, 13, 1, in, &values);
    const double alone = error_of_unet(unet, &golden, in, count);
    assert_ok(lt_run_module(net, "controlnet", golden.tensors, golden.count, &made));
    put_residuals(in, count, &made);
    const double both = error_of_unet(unet, &golden, in, count);
    print_message("    of the U-Net alone %.3f, of both %.3f\n", alone, both);
    assert_true(alone > 0 && both < 1.25 * alone);
    lt_arrays_free(&made);
    free(values);
    lt_session_close(net);
    lt_session_close(unet);
    lt_checkpoint_close(&golden);
}

static void rounded_ones_are_near(void **state) {
    (void)state;
    if (lt_isa_wider(lt_isa_choose(LT_ISA_BEST)) == LT_PRECISION_BF16) check_rounded(LT_PRECISION_BF16);
    check_rounded(LT_PRECISION_INT8);
}

/* Two at halves of a strength are one at all of it, and one of strength 0 is none. */
static void several_add_up(void **state) {
    (void)state;
    drawing d;
    begin(&d);
    d.request.steps = 3;
    float *one = draw(&d.request, NULL);
    lt_control both[3] = {d.control, d.control, d.control};
    both[0].strength = both[1].strength = 0.4f;
    both[2].strength = 0;
    d.request.controls = both;
    d.request.control_count = 3;
    float *two = draw(&d.request, NULL);
    assert_true(relative_error(two, one, 4 * LATENT) < 1e-4);
    free(one);
    free(two);
    end(&d);
}

/* A ControlNet and an adapter at once, with few operations left out, in little memory or not; more important than the
 * prompt or less, both draw something else. */
static void kinds_and_modes_go_together(void **state) {
    (void)state;
    drawing d;
    begin(&d);
    lt_model *adapter = open_control("tiny-t2i");
    lt_control both[2] = {d.control, d.control};
    both[1].model = adapter;
    d.request.controls = both;
    d.request.control_count = 2;
    d.request.steps = 3;
    d.request.deep_cache = 2;
    lt_session_options options = lt_session_options_defaults();
    float *all = draw(&d.request, &options);
    options.low_memory = true;
    float *low = draw(&d.request, &options);
    assert_memory_equal(all, low, 4 * LATENT * sizeof *all);
    both[0].mode = both[1].mode = LT_CONTROL_UNDER_PROMPT;
    float *under = draw(&d.request, NULL);
    both[0].mode = both[1].mode = LT_CONTROL_OVER_PROMPT;
    float *over = draw(&d.request, NULL);
    assert_true(relative_error(all + 3 * LATENT, under + 3 * LATENT, LATENT) > 1e-3);
    assert_true(relative_error(over + 3 * LATENT, under + 3 * LATENT, LATENT) > 1e-3);
    free(all);
    free(low);
    free(under);
    free(over);
    lt_model_close(adapter);
    end(&d);
}

/* A map that is made on the way is the same as one that was made before; a mask cuts its part out of the hint. */
static void annotators_make_the_map(void **state) {
    (void)state;
    drawing d;
    lt_image map, mask;
    begin(&d);
    d.request.steps = 2;
    d.control.annotator = "canny:40:90";
    float *made = draw(&d.request, NULL);
    d.control.annotator = NULL;
    assert_ok(lt_annotate("canny:40:90", &d.hint, &map));
    d.control.image = &map;
    float *given = draw(&d.request, NULL);
    assert_memory_equal(made, given, 3 * LATENT * sizeof *made);
    assert_ok(lt_image_load(LT_GOLDEN_DIR "/tiny/mask.png", &mask));
    d.control.image = d.request.image = &d.hint;
    d.request.mask = &mask;
    float *plain = draw(&d.request, NULL);
    d.control.annotator = "inpaint";
    float *cut = draw(&d.request, NULL);
    assert_true(relative_error(cut, plain, LATENT) < 1e-6);
    assert_true(relative_error(cut + LATENT, plain + LATENT, LATENT) > 1e-4);
    free(made);
    free(given);
    free(plain);
    free(cut);
    lt_image_free(&map);
    lt_image_free(&mask);
    end(&d);
}

static void what_cannot_control_is_refused(void **state) {
    (void)state;
    drawing d;
    lt_model *tiny, *sd;
    lt_session *session;
    lt_result result;
    begin(&d);
    assert_ok(lt_model_open(synthetic_checkpoint("tiny"), NULL, &tiny));
    assert_ok(lt_session_open(tiny, NULL, &session));
    d.control.model = tiny;
    assert_int_equal(lt_generate(session, &d.request, &result), LT_ERROR_MODEL);
    assert_non_null(strstr(lt_error_message(), "no ControlNet"));
    d.control.model = d.net;
    d.control.end = 0;
    assert_int_equal(lt_generate(session, &d.request, &result), LT_ERROR_ARGUMENT);
    d.control.end = 1;
    d.control.image = NULL;
    assert_int_equal(lt_generate(session, &d.request, &result), LT_ERROR_ARGUMENT);
    assert_non_null(strstr(lt_error_message(), "image"));
    d.control.image = &d.hint;
    d.control.annotator = "inpaint";
    assert_int_equal(lt_generate(session, &d.request, &result), LT_ERROR_ARGUMENT);
    assert_non_null(strstr(lt_error_message(), "mask"));
    d.control.annotator = "cany";
    assert_int_equal(lt_generate(session, &d.request, &result), LT_ERROR_ARGUMENT);
    d.control.annotator = NULL;
    lt_part_architecture other = *lt_synthetic_part_find("tiny-control");
    other.control.half.context_dim = 1024;
    assert_ok(lt_synthetic_part_write(&other, scratch_path("other.safetensors"), LT_F16));
    assert_ok(lt_model_open(scratch_path("other.safetensors"), NULL, &sd));
    d.control.model = sd;
    assert_int_equal(lt_generate(session, &d.request, &result), LT_ERROR_MODEL);
    assert_non_null(strstr(lt_error_message(), "Stable Diffusion 2"));
    lt_model_close(sd);
    lt_session_close(session);
    lt_model_close(tiny);
    end(&d);
}

/* Its U-Net halves at other places. */
static void adapters_of_xl_are_told(void **state) {
    (void)state;
    static const lt_t2i adapter = {.hint_channels = 12, .levels = 4, .level = {{320, 0, 2}}};
    static const lt_unet xl = {.levels = 3, .level = {{320, 2, 0}}, .context_dim = 2048, .vector_dim = 2816},
                         one = {.levels = 4, .level = {{64, 2, 1}}, .context_dim = 768};
    assert_int_equal(lt_t2i_fits(&adapter, &xl), LT_ERROR_UNSUPPORTED);
    assert_non_null(strstr(lt_error_message(), "T2I-Adapters of Stable Diffusion XL are not served"));
    assert_int_equal(lt_t2i_fits(&adapter, &one), LT_ERROR_MODEL);
    assert_non_null(strstr(lt_error_message(), "is for Stable Diffusion XL, and what is to be drawn with is"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalar),
        cmocka_unit_test(test_avx2),
        cmocka_unit_test(test_avx512),
        cmocka_unit_test(what_is_recorded_is_added_to_the_unet),
        cmocka_unit_test(differences_are_added_to_the_unet_that_is_there),
        cmocka_unit_test(pictures_are_as_recorded),
        cmocka_unit_test(bytes_do_not_depend_on_threads_and_memory),
        cmocka_unit_test(a_control_is_there_between_start_and_end),
        cmocka_unit_test(rounded_ones_are_near),
        cmocka_unit_test(several_add_up),
        cmocka_unit_test(kinds_and_modes_go_together),
        cmocka_unit_test(annotators_make_the_map),
        cmocka_unit_test(what_cannot_control_is_refused),
        cmocka_unit_test(adapters_of_xl_are_told),
    };
    const int failed = cmocka_run_group_tests_name("control", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
