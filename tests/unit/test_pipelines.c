/* Whole pictures of the tiny checkpoint against diffusers and k-diffusion: every latent on the way, the last one, and
 * the picture. */
#include "golden.h"

static const double LIMIT = 1e-3;

/* A recorded pipeline's settings, common to all: 10 steps at guidance 7.5. */
static lt_request recorded_request(const char *sampler, const char *schedule, const float *noise) {
    lt_request r = lt_request_defaults();
    r.prompt = "a photo of an astronaut riding a horse on mars";
    r.negative_prompt = "blurry, ugly";
    r.width = r.height = 128;
    r.steps = 10;
    r.sampler = sampler;
    r.schedule = schedule;
    r.noise = noise;
    r.keep_steps = true;
    return r;
}

/* In the place of recorded starting noise, which is its first draw. */
static void draw_from(uint64_t seed, lt_request *r) {
    r->noise = NULL;
    r->random_seed = false;
    r->seed = seed;
    r->rng = LT_RNG_CPU;
}

/* Every byte within one of the recorded picture's. */
static void assert_picture(const lt_checkpoint *golden, const char *name, const lt_image *image) {
    size_t count;
    float *reference = golden_values(golden, name, &count);
    const size_t pixels = (size_t)image->width * (size_t)image->height;
    assert_int_equal(count, 3 * pixels);
    int worst = 0;
    for (size_t i = 0; i < count; i++) {
        const int expected = (int)lrintf(fminf(fmaxf(reference[i], 0), 1) * 255);
        const int difference = abs(expected - image->pixels[i % pixels * 3 + i / pixels]);
        if (difference > worst) worst = difference;
    }
    free(reference);
    print_message("    %s: at most %d of 255 away\n", name, worst);
    assert_true(worst <= 1);
}

static void check_result(const lt_checkpoint *golden, const lt_result *result, const char *picture, int steps,
                         bool last) {
    const size_t count =
        (size_t)result->latent_shape[0] * (size_t)result->latent_shape[1] * (size_t)result->latent_shape[2];
    const int states = steps ? steps + 1 : result->kept_steps;
    if (!last) assert_golden(golden, "latents", result->step_latents[0], count * (size_t)states, LIMIT);
    if (!steps) assert_golden(golden, "latent", result->latents[0], count, LIMIT);
    if (picture) assert_picture(golden, picture, &result->images[0]);
}

typedef struct lt_pipeline_case {
    const char *checkpoint, *file, *sampler, *schedule, *picture;
    bool image, mask;
    double strength;
    float interval[2]; /* of guidance */
    int deep_cache;
    float merge_tokens;
    int steps; /* that are recorded; 0: all */
    int of;    /* steps; 0: 10 */
    float guidance, eta;
    uint64_t variation; /* seed */
    const char *prediction;
    float rescale;
    bool zero_snr, wordless; /* wordless: no negative prompt */
    lt_empty_negative empty;
    const char *refiner, *control; /* a synthetic ControlNet, of the recorded hint, at 0.8 */
    bool seeded,
        last; /* drawn from a seed of PyTorch's CPU generator, after the starting noise; the last latent alone */
} lt_pipeline_case;

static lt_session *open_predicting(const char *path, const char *prediction) {
    lt_open_options options = lt_open_options_defaults();
    lt_model *model;
    lt_session *session;
    options.prediction = prediction;
    assert_ok(lt_model_open(path, &options, &model));
    assert_ok(lt_session_open(model, NULL, &session));
    lt_model_close(model);
    return session;
}

/* A synthetic model that is drawn with beside another; NULL: none. */
static lt_model *open_beside(const char *name) {
    lt_model *model = NULL;
    if (name) assert_ok(lt_model_open(synthetic_checkpoint(name), NULL, &model));
    return model;
}

static void check_pipeline(void **state) {
    const lt_pipeline_case *c = *state;
    lt_checkpoint golden;
    open_golden(c->file, &golden);
    size_t count;
    float *noise = golden_values(&golden, "noise", &count), *posterior = NULL;
    lt_request request = recorded_request(c->sampler, c->schedule, noise);
    lt_image image = {0}, mask = {0};
    memcpy(request.guidance_interval, c->interval, sizeof c->interval);
    request.merge_tokens = c->merge_tokens;
    if (c->deep_cache) request.deep_cache = c->deep_cache;
    if (c->of) request.steps = c->of;
    if (c->guidance > 0) request.guidance = c->guidance;
    request.eta = c->eta;
    if (c->seeded) draw_from(1042, &request);
    request.variation_seed = c->variation;
    if (c->variation) request.variation_strength = 0.35f;
    if (c->image) {
        assert_ok(lt_image_load(LT_GOLDEN_DIR "/tiny/input.png", &image));
        request.posterior_noise = posterior = golden_values(&golden, "posterior_noise", &count);
        request.image = &image;
        request.strength = c->strength;
    }
    if (c->mask) {
        assert_ok(lt_image_load(LT_GOLDEN_DIR "/tiny/mask.png", &mask));
        request.mask = &mask;
    }
    request.guidance_rescale = c->rescale;
    request.zero_snr = c->zero_snr;
    if (c->wordless) request.negative_prompt = "";
    request.empty_negative = c->empty;
    lt_model *refiner = open_beside(c->refiner), *net = open_beside(c->control);
    lt_image hint = {0};
    lt_control control = lt_control_defaults();
    request.refiner = refiner;
    request.controls = &control;
    if (net) {
        assert_ok(lt_image_load(LT_GOLDEN_DIR "/control/hint.png", &hint));
        control.model = net;
        control.image = &hint;
        control.strength = 0.8f;
        request.control_count = 1;
    }
    lt_session *session = open_predicting(synthetic_checkpoint(c->checkpoint), c->prediction);
    lt_result result;
    assert_ok(lt_generate(session, &request, &result));
    check_result(&golden, &result, c->picture, c->steps, c->last);
    lt_result_free(&result);
    lt_session_close(session);
    lt_model_close(refiner);
    lt_model_close(net);
    lt_image_free(&hint);
    lt_image_free(&image);
    lt_image_free(&mask);
    free(noise);
    free(posterior);
    lt_checkpoint_close(&golden);
}

#define FEW  .of = 4, .guidance = 1 /* the prompt alone */
#define XL   .guidance = 7
#define LAST NULL, false, false, 1, .last = true
static lt_pipeline_case cases[] = {
    {"tiny", "tiny/txt2img_ddim.safetensors", "ddim", NULL, "image", false, false, 1},
    {"tiny", "tiny/txt2img_plms.safetensors", "plms", NULL, "image", false, false, 1},
    {"tiny", "tiny/txt2img_euler_normal.safetensors", "euler", "normal", "image", false, false, 1},
    {"tiny", "tiny/txt2img_dpmpp_2m_karras.safetensors", "dpmpp_2m", "karras", "image", false, false, 1},
    {"tiny", "tiny/img2img_ddim.safetensors", "ddim", NULL, "image", true, false, 0.6},
    {"tiny", "tiny/inpaint_ddim.safetensors", "ddim", NULL, "image", true, true, 1},
    {"tiny", "fewer/txt2img_interval.safetensors", "ddim", NULL, NULL, false, false, 1, {1, 5.42f}},
    {"tiny", "fewer/txt2img_deep_cache.safetensors", "ddim", NULL, NULL, false, false, 1, .deep_cache = 3},
    {"tiny", "fewer/txt2img_merge.safetensors", "ddim", NULL, NULL, false, false, 1, .merge_tokens = 0.5f, .steps = 3},
    {"tiny", "fewstep/lcm.safetensors", "lcm", NULL, NULL, false, false, 1, FEW, .seeded = true},
    {"tiny", "fewstep/tcd.safetensors", "tcd", NULL, NULL, false, false, 1, FEW, .seeded = true, .eta = 0.3f},
    {"tiny", "fewstep/ddim_trailing.safetensors", "ddim", "trailing", NULL, false, false, 1, FEW},
    {"tiny", "fewstep/euler_trailing.safetensors", "euler", "trailing", NULL, false, false, 1, FEW},
    {"tiny", "fewstep/euler_a_trailing.safetensors", "euler_a", "trailing", NULL, false, false, 1, FEW, .seeded = true},
    {"tiny", "fewstep/deis.safetensors", "deis", NULL, NULL, false, false, 1},
    {"tiny", "fewstep/euler_align_your_steps.safetensors", "euler", "align_your_steps", LAST},
    {"tiny", "fewstep/euler_beta_comfy.safetensors", "euler", "beta_comfy", LAST},
    {"tiny", "fewstep/euler_beta_forge.safetensors", "euler", "beta_forge", LAST},
    {"tiny", "fewstep/euler_kl_optimal_comfy.safetensors", "euler", "kl_optimal_comfy", LAST},
    {"tiny", "fewstep/euler_sgm_uniform.safetensors", "euler", "sgm_uniform", LAST},
    {"tiny", "fewstep/euler_simple.safetensors", "euler", "simple", LAST},
    {"tiny", "webui/variation.safetensors", "ddim", NULL, NULL, false, false, 1, .seeded = true, .variation = 1005},
    {"tiny-sd2", "sd2/txt2img_ddim_eps.safetensors", "ddim", NULL, NULL, false, false, 1},
    {"tiny-sd2", "sd2/txt2img_ddim_v.safetensors", "ddim", NULL, "image", false, false, 1, .prediction = "v"},
    {"tiny-sd2", "sd2/txt2img_euler_normal_eps.safetensors", "euler", "normal", NULL, false, false, 1},
    {"tiny-sd2", "sd2/txt2img_euler_normal_v.safetensors", "euler", "normal", NULL, false, false, 1, .prediction = "v"},
    {"tiny-sd2", "sd2/txt2img_zero_snr.safetensors", "ddim", "trailing", NULL, false, false, 1, .prediction = "v",
     .zero_snr = true, .rescale = 0.7f},
    {"tiny-xl", "xl/txt2img_euler_normal.safetensors", "euler", "normal", "image", false, false, 1, XL},
    {"tiny-xl", "xl/txt2img_euler_normal_empty_zeros.safetensors", "euler", "normal", NULL, false, false, 1, XL,
     .wordless = true},
    {"tiny-xl", "xl/txt2img_euler_normal_empty_encoded.safetensors", "euler", "normal", NULL, false, false, 1, XL,
     .wordless = true, .empty = LT_EMPTY_ENCODE},
    {"tiny-xl", "xl/txt2img_euler_leading.safetensors", "euler", "leading", "image", false, false, 1, XL},
    {"tiny-xl", "xl/txt2img_euler_leading_empty.safetensors", "euler", "leading", NULL, false, false, 1, XL,
     .wordless = true},
    {"tiny-xl", "xl/txt2img_refiner.safetensors", "euler", "normal", NULL, false, false, 1, XL,
     .refiner = "tiny-refiner"},
    {"tiny-xl", "xl/control_txt2img.safetensors", "euler", "leading", NULL, false, false, 1, XL,
     .control = "tiny-xl-control"},
    {"tiny-inpaint", "tiny/inpaint9_ddim.safetensors", "ddim", NULL, NULL, true, true, 1},
};

/* What can't go on from another model's latents says why. */
static void test_no_refiner(void **state) {
    (void)state;
    static const struct {
        const char *name, *prediction, *says;
    } refused[] = {{"tiny-sd2", NULL, "its latents are scaled by 0.18215"},
                   {"tiny-refiner", "v", "it predicts v, the model that draws epsilon"},
                   {"tiny-inpaint", NULL, "its U-Net reads 9 channels"},
                   {"tiny-control", NULL, "no U-Net, so it can't refine"}};
    lt_session *session = open_predicting(synthetic_checkpoint("tiny-xl"), NULL);
    for (size_t i = 0; i < LT_COUNT(refused); i++) {
        lt_session *other = open_predicting(synthetic_checkpoint(refused[i].name), refused[i].prediction);
        lt_request request = recorded_request("euler", NULL, NULL);
        lt_result result;
        request.refiner = lt_session_model(other);
        assert_int_equal(lt_generate(session, &request, &result), LT_ERROR_MODEL);
        if (!strstr(lt_error_message(), refused[i].says)) fail_msg("%s", lt_error_message());
        lt_session_close(other);
    }
    lt_session_close(session);
}

int main(void) {
    struct CMUnitTest tests[LT_COUNT(cases) + 1];
    for (size_t i = 0; i < LT_COUNT(cases); i++)
        tests[i] = (struct CMUnitTest){cases[i].file, check_pipeline, NULL, NULL, &cases[i]};
    tests[LT_COUNT(cases)] = (struct CMUnitTest)cmocka_unit_test(test_no_refiner);
    const int failed = cmocka_run_group_tests_name("pipelines", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
