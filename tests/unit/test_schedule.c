/* The noise schedule and the steps through it, against k-diffusion, ComfyUI and diffusers. */
#include "diffusion/diffusion.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "diffusion_golden.h"

static lt_noise_schedule sd15;

static int make_sd15(void **state) {
    (void)state;
    return lt_noise_schedule_init(&sd15, LT_BETA_SCALED_LINEAR, 0.00085, 0.012, LT_PREDICT_EPSILON);
}

/* ---- The schedule of training ---- */

static void test_tables(void **state) {
    (void)state;
    size_t n;
    lt_checkpoint file;
    open_golden("schedule.safetensors", &file);
    float *abar = golden(&file, "alphas_cumprod", &n);
    assert_int_equal(n, LT_TRAIN_STEPS);
    assert_memory_equal(sd15.alphas_cumprod, abar, sizeof sd15.alphas_cumprod); /* to the bit */
    float *sigmas = golden(&file, "sigmas", &n);
    assert_int_equal(n, LT_TRAIN_STEPS);
    for (size_t t = 0; t < n; t++) assert_close("sigmas, one by one", sd15.sigmas + t, sigmas + t, 1, 1e-6);
    lt_free(abar);
    lt_free(sigmas);
    lt_checkpoint_close(&file);
}

static void test_sigma_and_t(void **state) {
    (void)state;
    size_t n;
    lt_checkpoint file;
    open_golden("schedule.safetensors", &file);
    float *sigma = golden(&file, "sigma_to_t.sigma", &n), *t = golden(&file, "sigma_to_t.t", &n), ours[16];
    for (size_t i = 0; i < n; i++) ours[i] = lt_sigma_to_t(&sd15, sigma[i]);
    assert_close("sigma_to_t", ours, t, n, 1e-6);
    lt_free(sigma);
    lt_free(t);
    t = golden(&file, "t_to_sigma.t", &n);
    sigma = golden(&file, "t_to_sigma.sigma", &n);
    for (size_t i = 0; i < n; i++) ours[i] = lt_t_to_sigma(&sd15, t[i]);
    assert_close("t_to_sigma", ours, sigma, n, 1e-6);
    lt_free(sigma);
    lt_free(t);
    lt_checkpoint_close(&file);
    for (int k = 0; k < LT_TRAIN_STEPS; k++) assert_true(lt_sigma_to_t(&sd15, sd15.sigmas[k]) == (float)k);
}

static void test_outside(void **state) {
    (void)state;
    assert_true(lt_sigma_to_t(&sd15, 0) == 0);
    assert_true(lt_sigma_to_t(&sd15, -1) == 0);
    assert_true(lt_sigma_to_t(&sd15, NAN) == 0);
    assert_true(lt_sigma_to_t(&sd15, 1e9f) == 999);
    assert_true(lt_sigma_to_t(&sd15, INFINITY) == 999);
    assert_true(lt_t_to_sigma(&sd15, -5) == sd15.sigmas[0]);
    assert_true(lt_t_to_sigma(&sd15, NAN) == sd15.sigmas[0]);
    assert_true(lt_t_to_sigma(&sd15, 1e9f) == sd15.sigmas[999]);
}

static void test_forward_process(void **state) {
    (void)state;
    static const int ts[] = {0, 1, 100, 500, 999};
    size_t n;
    lt_checkpoint file;
    open_golden("schedule.safetensors", &file);
    float *x0 = golden(&file, "forward.x0", &n), *noise = golden(&file, "forward.noise", &n), ours[256];
    assert_int_equal(n, LT_COUNT(ours));
    for (size_t i = 0; i < LT_COUNT(ts); i++) {
        char name[32];
        snprintf(name, sizeof name, "forward.x_%d", ts[i]);
        float *reference = golden(&file, name, &n);
        lt_forward_process(&sd15, ts[i], x0, noise, ours, n);
        assert_close(name, ours, reference, n, 1e-6);
        memcpy(ours, x0, sizeof ours);
        lt_forward_process(&sd15, ts[i], ours, noise, ours, n);
        assert_close("in place", ours, reference, n, 1e-6);
        lt_free(reference);
    }
    lt_free(x0);
    lt_free(noise);
    lt_checkpoint_close(&file);
}

/* Ends of the other schedules, from diffusers' DDPMScheduler: linear 1e-4 .. 0.02, squaredcos_cap_v2. */
static void test_other_betas(void **state) {
    (void)state;
    static const float linear[] = {0.999899983f, 0.0777966529f, 4.03583035e-05f};
    static const float cosine[] = {0.999958694f, 0.492285043f, 2.42873499e-09f};
    static const int at[] = {0, 500, 999};
    lt_noise_schedule s;
    assert_int_equal(lt_noise_schedule_init(&s, LT_BETA_LINEAR, 1e-4, 0.02, LT_PREDICT_V), LT_OK);
    assert_int_equal(s.prediction, LT_PREDICT_V);
    for (int i = 0; i < 3; i++) assert_close("linear", s.alphas_cumprod + at[i], linear + i, 1, 1e-6);
    assert_int_equal(lt_noise_schedule_init(&s, LT_BETA_COSINE, 0, 0, LT_PREDICT_EPSILON), LT_OK);
    for (int i = 0; i < 3; i++) assert_close("cosine", s.alphas_cumprod + at[i], cosine + i, 1, 1e-6);
}

static void test_bad_betas(void **state) {
    (void)state;
    static const double bad[][2] = {{0, 0.1}, {-1, 0.1}, {0.1, 0.01}, {0.1, 1}, {NAN, 0.1}, {0.1, NAN}, {0.5, 0.9}};
    for (size_t i = 0; i < LT_COUNT(bad); i++) {
        lt_noise_schedule s;
        assert_int_equal(lt_noise_schedule_init(&s, LT_BETA_LINEAR, bad[i][0], bad[i][1], LT_PREDICT_EPSILON),
                         LT_ERROR_ARGUMENT);
        assert_non_null(strstr(lt_error_message(), "noise schedule"));
    }
}

/* Rescaled to zero terminal SNR and betas of one's own: values of diffusers' DDIMScheduler. */
static void test_zero_terminal_snr(void **state) {
    (void)state;
    static const float rescaled[] = {0.9991499781608582f, 0.9982334971427917f, 0.2410186380147934f,
                                     1.9679633567193378e-07f};
    static const float own[] = {0.9998000860214233f, 0.2196427434682846f, 1.673776921506942e-07f};
    static const int at[] = {0, 1, 500, 998}, at_own[] = {0, 500, 998};
    lt_noise_schedule s = sd15;
    assert_false(lt_ends_in_noise(&s));
    assert_int_equal(lt_noise_schedule_rescale(&s), LT_OK);
    for (int i = 0; i < 4; i++) assert_close("rescaled", s.alphas_cumprod + at[i], rescaled + i, 1, 1e-5);
    assert_true(lt_ends_in_noise(&s) && s.zero_snr && !s.given);
    assert_true(fabsf(s.sigmas[LT_TRAIN_STEPS - 1] - 4096) < 1e-3f);
    float betas[LT_TRAIN_STEPS];
    for (int t = 0; t < LT_TRAIN_STEPS; t++) betas[t] = (float)(0.0002 + t * 1e-5);
    s = sd15;
    assert_int_equal(lt_noise_schedule_set_betas(&s, betas), LT_OK);
    assert_true(s.given && fabsf(s.alphas_cumprod[999] - 0.00544666638597846f) < 1e-7f);
    assert_int_equal(lt_noise_schedule_rescale(&s), LT_OK);
    for (int i = 0; i < 3; i++) assert_close("own", s.alphas_cumprod + at_own[i], own + i, 1, 1e-5);
}

/* alphas_cumprod are taken to the bit, and the betas made of them give them back. */
static void test_own_alphas(void **state) {
    (void)state;
    lt_noise_schedule s = sd15, again = sd15;
    float table[LT_TRAIN_STEPS];
    for (int t = 0; t < LT_TRAIN_STEPS; t++) table[t] = powf(sd15.alphas_cumprod[t], 1.3f);
    assert_int_equal(lt_noise_schedule_set_alphas(&s, table), LT_OK);
    assert_memory_equal(s.alphas_cumprod, table, sizeof table);
    assert_int_equal(lt_noise_schedule_set_betas(&again, s.betas), LT_OK);
    for (int t = 0; t < LT_TRAIN_STEPS; t++)
        assert_true(fabsf(again.alphas_cumprod[t] - table[t]) <= 1.2e-7f * table[t] + 1e-10f);
}

static void test_bad_tables(void **state) {
    (void)state;
    static const struct {
        int t;
        float value;
    } bad[] = {{0, 1},     {0, 1.5f},  {500, 0},     {500, -1},      {500, 0.9f},
               {500, NAN}, {999, NAN}, {999, -0.5f}, {999, INFINITY}};
    for (size_t i = 0; i < LT_COUNT(bad); i++) {
        lt_noise_schedule s = sd15;
        float table[LT_TRAIN_STEPS];
        memcpy(table, sd15.alphas_cumprod, sizeof table);
        table[bad[i].t] = bad[i].value;
        assert_int_equal(lt_noise_schedule_set_alphas(&s, table), LT_ERROR_ARGUMENT);
        assert_non_null(strstr(lt_error_message(), "alphas_cumprod"));
    }
    static const float betas[LT_TRAIN_STEPS] = {0};
    lt_noise_schedule s = sd15;
    assert_int_equal(lt_noise_schedule_set_betas(&s, betas), LT_ERROR_ARGUMENT);
}

/* ---- Steps ---- */

/* Where nothing of the picture is left an epsilon says nothing: refused, unless the steps begin below. */
static void test_start_from_noise(void **state) {
    (void)state;
    static const struct {
        const char *sampler, *schedule;
        double strength;
        bool refused;
    } cases[] = {{"ddim", "trailing", 1, true},   {"ddim", "leading", 1, false}, {"euler", NULL, 1, true},
                 {"euler", "normal", 0.5, false}, {"plms", "linspace", 1, true}, {"lcm", NULL, 1, true}};
    lt_noise_schedule eps = sd15;
    assert_int_equal(lt_noise_schedule_rescale(&eps), LT_OK);
    lt_noise_schedule v = eps;
    v.prediction = LT_PREDICT_V;
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_steps steps;
        const lt_status status =
            lt_steps_make(&eps, cases[i].sampler, cases[i].schedule, 10, cases[i].strength, &steps);
        assert_int_equal(status, cases[i].refused ? LT_ERROR_ARGUMENT : LT_OK);
        if (status) assert_non_null(strstr(lt_error_message(), "zero terminal SNR"));
        lt_steps_free(&steps);
        assert_int_equal(lt_steps_make(&v, cases[i].sampler, cases[i].schedule, 10, cases[i].strength, &steps), LT_OK);
        lt_steps_free(&steps);
    }
}

/* What a model's scheduler says of spacing and offset holds where nobody asks for something else. */
static void test_own_spacing(void **state) {
    (void)state;
    static const float trailing[] = {999, 749, 499, 249}, leading[] = {753, 503, 253, 3};
    lt_noise_schedule s = sd15;
    s.spacing = LT_TRAILING;
    s.offset = 3;
    lt_steps steps;
    assert_int_equal(lt_steps_make(&s, "ddim", NULL, 4, 1, &steps), LT_OK);
    assert_memory_equal(steps.timesteps, trailing, sizeof trailing);
    lt_steps_free(&steps);
    assert_int_equal(lt_steps_make(&s, "ddim", "leading", 4, 1, &steps), LT_OK);
    assert_memory_equal(steps.timesteps, leading, sizeof leading);
    lt_steps_free(&steps);
    assert_int_equal(lt_steps_make(&s, "euler", NULL, 4, 1, &steps), LT_OK);
    assert_string_equal(steps.schedule, "karras");
    lt_steps_free(&steps);
    assert_int_equal(lt_spacing_find("karras", &s.spacing), LT_ERROR_UNSUPPORTED);
    for (lt_spacing spacing = LT_LEADING; spacing <= LT_LINSPACE; spacing++) {
        assert_int_equal(lt_spacing_find(lt_spacing_name(spacing), &s.spacing), LT_OK);
        assert_int_equal(s.spacing, spacing);
    }
}

static void make(const char *sampler, const char *schedule, int steps, double strength, lt_steps *out) {
    if (lt_steps_make(&sd15, sampler, schedule, steps, strength, out) != LT_OK) fail_msg("%s", lt_error_message());
}

static void test_recorded_sigmas(void **state) {
    (void)state;
    int compared = 0;
    lt_checkpoint file;
    open_golden("schedule.safetensors", &file);
    for (size_t i = 0; i < file.count; i++) {
        char kind[32], rest;
        int n;
        if (sscanf(file.tensors[i].name, "%31[a-z].%d%c", kind, &n, &rest) != 2) continue;
        size_t count;
        lt_steps steps;
        float *reference = golden(&file, file.tensors[i].name, &count);
        make("euler", kind, n, 1, &steps);
        assert_int_equal(steps.count, n);
        assert_int_equal(count, n + 1);
        assert_close(file.tensors[i].name, steps.sigmas, reference, count, 1e-6);
        assert_true(steps.sigmas[n] == 0);
        lt_steps_free(&steps);
        lt_free(reference);
        compared++;
    }
    assert_int_equal(compared, 14);
    lt_checkpoint_close(&file);
}

/* Those of the web UIs and of ComfyUI, from Forge's own code, with where they end. */
static void test_web_ui_sigmas(void **state) {
    (void)state;
    int compared = 0;
    lt_checkpoint file;
    open_golden("fewstep/schedules.safetensors", &file);
    for (size_t i = 0; i < file.count; i++) {
        char kind[32];
        int n;
        if (sscanf(file.tensors[i].name, "%31[a-z0-9_].%d", kind, &n) != 2) continue;
        size_t count;
        lt_steps steps;
        float *reference = golden(&file, file.tensors[i].name, &count);
        make("euler", kind, n, 1, &steps);
        assert_int_equal(count, steps.count + 1);
        assert_close(file.tensors[i].name, steps.sigmas, reference, count, 1e-6);
        lt_steps_free(&steps);
        lt_free(reference);
        compared++;
    }
    assert_int_equal(compared, 19 * 4);
    lt_checkpoint_close(&file);
}

/* diffusers' tables, each number. */
static void test_recorded_zero_snr(void **state) {
    (void)state;
    lt_noise_schedule s = sd15;
    lt_checkpoint file;
    size_t count;
    open_golden("fewstep/schedules.safetensors", &file);
    float *reference = golden(&file, "zero_snr.alphas_cumprod", &count);
    assert_int_equal(lt_noise_schedule_rescale(&s), LT_OK);
    for (int t = 0; t < LT_TRAIN_STEPS - 1; t++) assert_close("zero SNR", s.alphas_cumprod + t, reference + t, 1, 1e-4);
    assert_true(s.alphas_cumprod[LT_TRAIN_STEPS - 1] == reference[LT_TRAIN_STEPS - 1]);
    lt_free(reference);
    lt_checkpoint_close(&file);
}

static json_t *open_json(void) {
    json_error_t error;
    json_t *root = json_load_file(LT_GOLDEN_DIR "/diffusion.json", 0, &error);
    if (!root) fail_msg("diffusion.json: %s", error.text);
    return root;
}

static void test_comfy_sigmas(void **state) {
    (void)state;
    json_t *root = open_json(), *reference;
    const char *key;
    json_object_foreach(json_object_get(root, "sigmas"), key, reference) {
        char kind[32];
        int n;
        lt_steps steps;
        assert_int_equal(sscanf(key, "%31[a-z_].%d", kind, &n), 2);
        make("euler", kind, n, 1, &steps);
        assert_int_equal(steps.count, json_array_size(reference));
        for (int i = 0; i < steps.count; i++) {
            const float r = (float)json_number_value(json_array_get(reference, (size_t)i));
            assert_close(key, steps.sigmas + i, &r, 1, 1e-6);
        }
        lt_steps_free(&steps);
    }
    json_decref(root);
}

static void test_diffusers_timesteps(void **state) {
    (void)state;
    json_t *root = open_json(), *reference;
    const char *key;
    json_object_foreach(json_object_get(root, "timesteps"), key, reference) {
        char sampler[32], kind[32];
        int n;
        lt_steps steps;
        assert_int_equal(sscanf(key, "%31[a-z].%31[a-z].%d", sampler, kind, &n), 3);
        make(sampler, kind, n, 1, &steps);
        assert_int_equal(steps.count, json_array_size(reference));
        for (int i = 0; i < steps.count; i++) {
            assert_int_equal((int)steps.timesteps[i], json_integer_value(json_array_get(reference, (size_t)i)));
            assert_true(steps.sigmas[i] == sd15.sigmas[(int)steps.timesteps[i]]);
        }
        assert_true(steps.sigmas[steps.count] == 0);
        lt_steps_free(&steps);
    }
    json_decref(root);
}

/* Every pair that can be, at every number of steps: all within the table, falling, ending at 0 or the lowest. */
static void test_all_pairs_are_sane(void **state) {
    (void)state;
    for (const char *const *sampler = lt_sampler_names(); *sampler; sampler++)
        for (const char *const *schedule = lt_schedule_names(); *schedule; schedule++)
            for (int n = 1; n <= LT_TRAIN_STEPS; n += n < 20 || n > 990 ? 1 : 97) {
                lt_steps steps;
                if (lt_steps_make(&sd15, *sampler, *schedule, n, 1, &steps) != LT_OK) continue;
                const bool twice = strcmp(*sampler, "plms") == 0, low = strcmp(*schedule, "kl_optimal") == 0;
                if (strcmp(*schedule, "ddim_uniform") != 0 && strcmp(*schedule, "beta_comfy") != 0)
                    assert_int_equal(steps.count, n + (twice && n > 1));
                for (int i = 0; i < steps.count; i++) {
                    assert_true(steps.timesteps[i] >= 0 && steps.timesteps[i] <= LT_TRAIN_STEPS - 1);
                    assert_true(steps.sigmas[i] > steps.sigmas[i + 1] || (twice && i == 1));
                    assert_true(i == 0 || steps.timesteps[i] <= steps.timesteps[i - 1]);
                }
                if (low) assert_close("the end", steps.sigmas + steps.count, sd15.sigmas, 1, 1e-6);
                if (!low) assert_true(steps.sigmas[steps.count] == 0);
                lt_steps_free(&steps);
            }
}

/* int(strength * steps) of the reference's doubles, the tail of the full schedule. */
static void test_strength(void **state) {
    (void)state;
    static const struct {
        double strength;
        int steps, run;
    } cases[] = {{0.6, 10, 6},  {0.7, 10, 7}, {0.29, 100, 28}, {0.75, 20, 15},
                 {0.05, 10, 1}, {1, 10, 10},  {0.999, 1, 1}};
    static const char *const samplers[] = {"ddim", "dpmpp_2m", "unipc"};
    for (size_t k = 0; k < LT_COUNT(samplers); k++)
        for (size_t i = 0; i < LT_COUNT(cases); i++) {
            lt_steps all, some;
            make(samplers[k], NULL, cases[i].steps, 1, &all);
            make(samplers[k], NULL, cases[i].steps, cases[i].strength, &some);
            assert_int_equal(some.count, cases[i].run);
            const int skipped = all.count - some.count;
            assert_memory_equal(some.sigmas, all.sigmas + skipped, ((size_t)some.count + 1) * sizeof(float));
            assert_memory_equal(some.timesteps, all.timesteps + skipped, (size_t)some.count * sizeof(float));
            lt_steps_free(&all);
            lt_steps_free(&some);
        }
    /* plms doubles the second step of what is run */
    static const float plms[] = {301, 201, 201, 101, 1};
    lt_steps steps;
    make("plms", "leading", 10, 0.4, &steps);
    assert_int_equal(steps.count, 5);
    assert_memory_equal(steps.timesteps, plms, sizeof plms);
    lt_steps_free(&steps);
}

/* Which steps, counted from 0, lie within a share: of 3 in 10 those from 3 on, and up to 2. */
static void test_shares_of_steps(void **state) {
    (void)state;
    static const struct {
        int steps;
        double start, end;
        int first, last; /* the first over the last: none */
    } rows[] = {{10, 0, 1, 0, 9},        {10, 0.3, 1, 3, 9},          {10, 0, 0.3, 0, 2},     {10, 0.3, 0.7, 3, 6},
                {10, 0.25, 1, 3, 9},     {10, 0, 0.25, 0, 1},         {20, 0.35, 0.6, 7, 11}, {30, 0.1, 0.7, 3, 20},
                {25, 0.28, 0.56, 7, 13}, {3, 1.0 / 3, 2.0 / 3, 1, 1}, {4, 0.3, 0.4, 1, 0},    {1, 0, 1, 0, 0},
                {1, 0.5, 1, 1, 0},       {1000, 0.007, 0.57, 7, 569}};
    for (size_t i = 0; i < LT_COUNT(rows); i++)
        for (int step = 0; step < rows[i].steps; step++)
            assert_int_equal(lt_step_within(step, rows[i].steps, rows[i].start, rows[i].end),
                             step >= rows[i].first && step <= rows[i].last);
}

static void test_defaults(void **state) {
    (void)state;
    static const struct {
        const char *sampler, *schedule;
    } defaults[] = {{"dpmpp_2m", "karras"}, {"euler", "karras"}, {"ddim", "leading"},
                    {"ddpm", "leading"},    {"plms", "leading"}, {"lcm", "leading"},
                    {"unipc", "leading"},   {"deis", "leading"}, {"tcd", "leading"}};
    for (size_t i = 0; i < LT_COUNT(defaults); i++) {
        lt_steps a, b;
        make(defaults[i].sampler, NULL, 8, 1, &a);
        make(defaults[i].sampler, defaults[i].schedule, 8, 1, &b);
        assert_int_equal(a.count, b.count);
        assert_memory_equal(a.sigmas, b.sigmas, ((size_t)a.count + 1) * sizeof(float));
        lt_steps_free(&a);
        lt_steps_free(&b);
    }
}

/* What makes no sense is refused, with what can be chosen, and leaves nothing behind. */
static void test_refusals(void **state) {
    (void)state;
    static const struct {
        const char *sampler, *schedule;
        int steps;
        double strength;
        const char *says;
    } cases[] = {
        {"nosuch", NULL, 10, 1,
         "ddpm, ddim, plms, euler, euler_a, heun, dpm2, dpm2_a, lms, dpmpp_2s_a, dpmpp_sde, "
         "dpmpp_2m, dpmpp_2m_sde, dpmpp_3m_sde, unipc, deis, ipndm, ipndm_v, res_multistep, res_multistep_ancestral, "
         "er_sde, lcm, tcd"},
        {"", NULL, 10, 1, "there is no sampler ''"},
        {"euler", "nosuch", 10, 1,
         "normal, uniform, karras, exponential, polyexponential, simple, sgm_uniform, ddim_uniform, beta, beta_comfy, "
         "kl_optimal, kl_optimal_comfy, linear_quadratic, turbo, align_your_steps, align_your_steps_xl, "
         "align_your_steps_32, "
         "align_your_steps_32_xl, align_your_steps_gits, align_your_steps_gits_xl, leading, trailing, linspace"},
        {"plms", "karras", 10, 1, "leading, trailing, linspace"},
        {"tcd", "normal", 4, 1, "leading, trailing, linspace"},
        {"tcd", NULL, 51, 1, "1 to 50"},
        {"lcm", NULL, 51, 1, "1 to 50"},
        {"euler", NULL, 0, 1, "1 to 1000"},
        {"euler", NULL, -3, 1, "1 to 1000"},
        {"ddim", NULL, 1001, 1, "1 to 1000"},
        {"ddim", NULL, 10, 0, "strength"},
        {"ddim", NULL, 10, -0.5, "strength"},
        {"ddim", NULL, 10, 1.0001, "strength"},
        {"ddim", NULL, 10, NAN, "strength"},
        {"ddim", NULL, 10, INFINITY, "strength"},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_steps steps;
        assert_int_equal(
            lt_steps_make(&sd15, cases[i].sampler, cases[i].schedule, cases[i].steps, cases[i].strength, &steps),
            LT_ERROR_ARGUMENT);
        if (!strstr(lt_error_message(), cases[i].says)) fail_msg("case %zu says: %s", i, lt_error_message());
        assert_null(steps.timesteps);
        assert_null(steps.sigmas);
    }
}

static void test_no_memory(void **state) {
    (void)state;
    for (size_t n = 0;; n++) {
        lt_steps steps;
        lt_alloc_fail_at(n);
        const lt_status status = lt_steps_make(&sd15, "euler", NULL, 10, 1, &steps);
        const bool failed = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        assert_int_equal(status, failed ? LT_ERROR_MEMORY : LT_OK);
        lt_steps_free(&steps);
        if (!failed) break;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_sigma_and_t),
        cmocka_unit_test(test_outside),
        cmocka_unit_test(test_forward_process),
        cmocka_unit_test(test_other_betas),
        cmocka_unit_test(test_bad_betas),
        cmocka_unit_test(test_zero_terminal_snr),
        cmocka_unit_test(test_own_alphas),
        cmocka_unit_test(test_bad_tables),
        cmocka_unit_test(test_start_from_noise),
        cmocka_unit_test(test_own_spacing),
        cmocka_unit_test(test_recorded_sigmas),
        cmocka_unit_test(test_web_ui_sigmas),
        cmocka_unit_test(test_recorded_zero_snr),
        cmocka_unit_test(test_comfy_sigmas),
        cmocka_unit_test(test_diffusers_timesteps),
        cmocka_unit_test(test_all_pairs_are_sane),
        cmocka_unit_test(test_strength),
        cmocka_unit_test(test_shares_of_steps),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, make_sd15, NULL);
}
