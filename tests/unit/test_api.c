/* The public interface: requests that make no sense, cancelling, the same bytes each time, and every allocation failing
 * in turn. */
#include "micro.h"

static lt_request micro_request(void) {
    lt_request r = lt_request_defaults();
    r.prompt = "a (red:1.2) apple";
    r.width = 20; /* ten latents, five, ten: a size that the second level does not halve evenly */
    r.height = 10;
    r.steps = 2;
    r.random_seed = false;
    r.seed = 5;
    return r;
}

/* ---- Requests ---- */

static void refuse(lt_session *session, lt_request request) {
    lt_result result;
    assert_int_equal(lt_generate(session, &request, &result), LT_ERROR_ARGUMENT);
    assert_true(strlen(lt_error_message()) > 10);
    assert_null(result.images);
}

static void test_bad_requests(void **state) {
    (void)state;
    lt_session *session = open_micro(1);
    const lt_request good = micro_request();
#define REFUSE(change)                                                                                                 \
    do {                                                                                                               \
        lt_request r = good;                                                                                           \
        r.change;                                                                                                      \
        refuse(session, r);                                                                                            \
    } while (0)
    REFUSE(steps = 0);
    REFUSE(steps = 1001);
    REFUSE(guidance = NAN);
    REFUSE(eta = -1);
    REFUSE(count = 0);
    REFUSE(width = -8);
    REFUSE(height = 100000);
    REFUSE(sampler = "fast");
    REFUSE(schedule = "none");
    REFUSE(clip_skip = 3);
    REFUSE(clip_skip = 0);
    REFUSE(prompt = NULL);
    REFUSE(sampler = NULL);
    REFUSE(rng = (lt_rng_kind)7);
    REFUSE(mask_blur = NAN);
    lt_image picture = {8, 8, calloc(8 * 8, 3)};
    REFUSE(mask = &picture);
    lt_request r = good;
    r.image = &picture;
    r.strength = NAN;
    refuse(session, r);
    r.strength = 1.5;
    refuse(session, r);
    free(picture.pixels);
    lt_session_close(session);
}

/* ---- The same bytes ---- */

static void assert_same_picture(const lt_image *a, const lt_image *b) {
    assert_int_equal(a->width, b->width);
    assert_int_equal(a->height, b->height);
    assert_memory_equal(a->pixels, b->pixels, (size_t)a->width * (size_t)a->height * 3);
}

static lt_result generate(lt_session *session, const lt_request *request) {
    lt_result result;
    assert_ok(lt_generate(session, request, &result));
    return result;
}

static void test_same_bytes(void **state) {
    (void)state;
    lt_session *one = open_micro(1), *two = open_micro(2);
    lt_request request = micro_request();
    request.count = 2;
    lt_result a = generate(one, &request), b = generate(two, &request);
    assert_same_picture(&a.images[0], &b.images[0]);
    assert_same_picture(&a.images[1], &b.images[1]);
    assert_int_equal(a.seeds[1], 6);
    request.count = 1;
    request.seed = 6;
    lt_result alone = generate(one, &request);
    assert_same_picture(&alone.images[0], &a.images[1]);
    lt_result_free(&a);
    lt_result_free(&b);
    lt_result_free(&alone);
    lt_session_close(one);
    lt_session_close(two);
}

static void test_every_sampler_draws(void **state) {
    (void)state;
    lt_session *session = open_micro(1);
    for (size_t i = 0; lt_samplers()[i]; i++) {
        lt_request request = micro_request();
        request.sampler = lt_samplers()[i];
        request.steps = 3;
        lt_result result = generate(session, &request);
        for (int k = 0; k < 4 * 5 * 10; k++) assert_true(isfinite(result.latents[0][k]));
        lt_result_free(&result);
    }
    lt_session_close(session);
}

/* Guidance 1 must be what guidance does with both passes at 1 + a hair, and 0 what the negative prompt alone does. */
static void test_guidance_of_one_and_none(void **state) {
    (void)state;
    lt_session *session = open_micro(1);
    lt_request request = micro_request();
    request.negative_prompt = "blue";
    const size_t count = 4 * 5 * 10;
    for (int s = 0; s < 2; s++) {
        request.guidance = (float)s;
        lt_result exact = generate(session, &request);
        request.guidance = (float)s + 1e-6f;
        lt_result near = generate(session, &request);
        assert_true(relative_error(near.latents[0], exact.latents[0], count) < 1e-4);
        lt_result_free(&exact);
        lt_result_free(&near);
    }
    lt_session_close(session);
}

/* A prompt without syntax gives the same picture both ways; a prompt of several chunks works beside a short negative
 * prompt. */
static void test_prompts(void **state) {
    (void)state;
    lt_session *session = open_micro(1);
    lt_request request = micro_request();
    request.prompt = "a red apple";
    lt_result a = generate(session, &request);
    request.plain_prompt = true;
    lt_result b = generate(session, &request);
    assert_same_picture(&a.images[0], &b.images[0]);
    lt_result_free(&a);
    lt_result_free(&b);
    request.plain_prompt = false;
    request.prompt = "one BREAK two BREAK three";
    a = generate(session, &request);
    assert_true(isfinite(a.latents[0][0]));
    lt_result_free(&a);
    lt_session_close(session);
}

/* ---- Notes ---- */

static void collect(void *user, const char *message) {
    char *told = user;
    strncat(strncat(told, message, 400), "\n", 2);
}

static lt_session *open_told(char told[4096]) {
    lt_session_options options = lt_session_options_defaults();
    options.threads = 1;
    options.notice = collect;
    options.notice_user = told;
    lt_session *session;
    assert_ok(open_session(micro_checkpoint(), &options, &session));
    return session;
}

/* What was told while it was drawn. */
static void draw_told(lt_session *session, lt_request request, char told[4096], const char *expected) {
    told[0] = '\0';
    lt_result result = generate(session, &request);
    lt_result_free(&result);
    if (*expected ? !strstr(told, expected) : *told != '\0') fail_msg("\"%s\", expected \"%s\"", told, expected);
}

/* The model's own sides are 128: up to twice and down to half of that goes without a word, and the rest with one. */
static void test_far_sizes(void **state) {
    (void)state;
    static const struct {
        int width, height;
        bool far;
    } cases[] = {{64, 64, false}, {256, 64, false}, {64, 62, true}, {62, 64, true}, {258, 64, true}, {64, 258, true}};
    static char told[4096];
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_session *session = open_told(told);
        assert_int_equal(lt_model_describe(lt_session_model(session)).width, 128);
        lt_request r = micro_request();
        r.steps = 1;
        r.width = cases[i].width;
        r.height = cases[i].height;
        draw_told(session, r, told, cases[i].far ? "is far from 128x128" : "");
        draw_told(session, r, told, ""); /* once */
        lt_session_close(session);
    }
}

#define TOLD(expected, change)                                                                                         \
    do {                                                                                                               \
        lt_request r = usual;                                                                                          \
        r.change;                                                                                                      \
        draw_told(session, r, told, expected);                                                                         \
    } while (0)

static void test_given_in_vain(void **state) {
    (void)state;
    static char told[4096];
    const float noise[4 * 32 * 32] = {0};
    lt_image picture = {64, 64, calloc(64 * 64, 3), NULL};
    lt_session *session = open_told(told);
    lt_request usual = micro_request();
    usual.width = usual.height = 64;
    usual.steps = 1;
    TOLD("`strength` does nothing without an image", strength = 0.5);
    TOLD("", strength = 0.5; r.image = &picture);
    TOLD("`posterior_noise` does nothing without an image", posterior_noise = noise);
    TOLD("`mask_rule` does nothing without a mask", mask_rule = LT_MASK_TRANSPARENT);
    TOLD("`mask_blur` does nothing without a mask", mask_blur = 2; r.image = &picture);
    TOLD("the mask keeps everything: nothing of it is white", mask = &picture; r.image = &picture);
    TOLD("the mask keeps everything: nothing of it is transparent", mask = &picture; r.image = &picture;
         r.mask_rule = LT_MASK_TRANSPARENT);
    TOLD("`classifier_scale` does nothing without a classifier", classifier_scale = 2);
    TOLD("`clip_guidance` does nothing without a clip", clip_guidance = 50);
    TOLD("`eta` does nothing with this sampler: it is ddim's", eta = 0.5f);
    TOLD("", eta = 0.5f; r.sampler = "ddim");
    TOLD("`negative_prompt` does nothing at a guidance of 1", negative_prompt = "blue"; r.guidance = 1);
    TOLD("", negative_prompt = "blue");
    TOLD("`guidance_interval` does nothing without guidance by a prompt", guidance_interval[0] = 1; r.guidance = 1);
    TOLD("`guidance` does nothing: no noise level of these steps lies in `guidance_interval`",
         guidance_interval[1] = 5);
    TOLD("", guidance_interval[1] = 20);
    TOLD("`emphasis` does nothing with `plain_prompt`", emphasis = LT_EMPHASIS_IGNORE; r.plain_prompt = true);
    TOLD("`hires_scale` does nothing beside a size", hires_scale = 2; r.hires_width = r.hires_height = 128);
    lt_session_close(session);
    free(picture.pixels);
}

/* ---- Stopping ---- */

static bool stop_at_first_step(void *user, const lt_progress *progress) {
    (void)user;
    return progress->step < 1;
}

static bool stop_now(void *user) {
    int *left = user;
    return --*left < 0;
}

static void test_cancel(void **state) {
    (void)state;
    lt_session *session = open_micro(1);
    lt_request request = micro_request();
    lt_result result;
    request.progress = stop_at_first_step;
    assert_int_equal(lt_generate(session, &request, &result), LT_ERROR_CANCELLED);
    request.progress = NULL;
    request.cancelled = stop_now;
    request.user = &(int){0};
    assert_int_equal(lt_generate(session, &request, &result), LT_ERROR_CANCELLED);
    assert_non_null(strstr(lt_error_message(), "before anything was computed")); /* asked while weights are packed */
    for (int operations = 0; operations < 300; operations += 37) {
        int left = operations;
        request.user = &left;
        assert_int_equal(lt_generate(session, &request, &result), LT_ERROR_CANCELLED);
        assert_null(result.images);
    }
    lt_session_close(session);
}

/* ---- Hostile checkpoints: layers whose shapes agree with their biases, but not with each other ---- */

static lt_status synthetic_values(void *user, const lt_tensor *t, float *values) {
    (void)user;
    lt_synthetic_values(t->name, t->rank, t->shape, 0, lt_tensor_count(t), values);
    return LT_OK;
}

/* The micro checkpoint with every tensor that has part in its name given rows rows, or with rows 0 two dimensions of 1
 * more. */
static const char *twisted_checkpoint(const char *part, size_t rows) {
    const char *path = scratch_path("twisted.safetensors");
    lt_tensor_list list = {0};
    assert_ok(lt_sd_list(&micro, LT_ROLES_ALL, &list));
    lt_dtype *types = calloc(list.count, sizeof *types);
    for (size_t i = 0; i < list.count; i++) {
        lt_tensor *t = &list.tensors[i];
        types[i] = LT_F16;
        if (!strstr(t->name, part)) continue;
        if (rows)
            t->shape[0] = rows;
        else
            t->shape[t->rank] = t->shape[t->rank + 1] = 1, t->rank += 2;
        lt_tensor_set_contiguous(t);
    }
    assert_ok(lt_safetensors_write(path, list.tensors, list.count, NULL, 0, types, synthetic_values, NULL));
    free(types);
    lt_tensor_list_free(&list);
    return path;
}

static lt_status draw_twisted(const char *part, size_t rows, const lt_image *picture) {
    lt_session *session = NULL;
    lt_result result = {0};
    lt_request request = micro_request();
    request.image = picture;
    lt_status status = open_session(twisted_checkpoint(part, rows), NULL, &session);
    if (!status) status = lt_generate(session, &request, &result);
    lt_result_free(&result);
    lt_session_close(session);
    return status;
}

static void test_twisted_layers(void **state) {
    (void)state;
    static const struct {
        const char *part;
        size_t rows;
    } cases[] = {{"decoder.conv_out.", 1}, {".quant_conv.", 1},  {".quant_conv.", 9},           {"emb_layers.1.", 1},
                 {"attn2.to_k", 9},        {"attn1.to_v", 8},    {"diffusion_model.out.2.", 3}, {"time_embed.2.", 7},
                 {"to_q.weight", 7},       {"proj_out.", 1},     {"token_embedding", 10},       {"fc1.", 1},
                 {"downsample.conv.", 16}, {"upsample.conv.", 5}};
    lt_image picture = {20, 10, calloc(20 * 10, 3)};
    for (size_t i = 0; i < LT_COUNT(cases); i++)
        if (!draw_twisted(cases[i].part, cases[i].rows, &picture))
            fail_msg("%s with %zu rows was accepted", cases[i].part, cases[i].rows);
    assert_ok(draw_twisted("attn2.to_k", 0, &picture)); /* a matrix as a 1x1 convolution is the same matrix */
    free(picture.pixels);
}

/* ---- Out of memory ---- */

static lt_status open_and_draw(const char *path, const lt_image *picture) {
    lt_session *session;
    lt_session_options options = lt_session_options_defaults();
    options.threads = 1;
    LT_TRY(open_session(path, &options, &session));
    lt_request request = micro_request();
    request.image = request.mask = picture;
    request.mask_blur = 1;
    request.keep_steps = true;
    lt_result result;
    const lt_status status = lt_generate(session, &request, &result);
    lt_result_free(&result);
    lt_session_close(session);
    return status;
}

static void test_every_allocation_fails(void **state) {
    (void)state;
    const char *path = micro_checkpoint();
    lt_image picture = {20, 10, calloc(20 * 10, 3)};
    size_t n = 0;
    for (bool failed = true; failed; n++) {
        lt_alloc_fail_at(n);
        const lt_status status = open_and_draw(path, &picture);
        failed = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        assert_int_equal(status, failed ? LT_ERROR_MEMORY : LT_OK);
    }
    print_message("    %zu allocations\n", n - 1);
    free(picture.pixels);
}

static void test_version(void **state) {
    (void)state;
    char header[32];
    snprintf(header, sizeof header, "%d.%d.%d", LT_VERSION_MAJOR, LT_VERSION_MINOR, LT_VERSION_PATCH);
    assert_string_equal(header, lt_version());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_every_sampler_draws),
        cmocka_unit_test(test_guidance_of_one_and_none),
        cmocka_unit_test(test_prompts),
        cmocka_unit_test(test_far_sizes),
        cmocka_unit_test(test_given_in_vain),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_twisted_layers),
        cmocka_unit_test(test_every_allocation_fails),
    };
    const int failed = cmocka_run_group_tests_name("api", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
