/* What is no finite number never becomes a picture, a latent or an embedding: each module whose weights hold a NaN is
 * named, and the step where there is one. */
#include "api/run.h"
#include "micro.h"
#include "pipeline/guidance.h"

/* ---- Checkpoints with one weight that is no number ---- */

/* The values of a tensor as they are, but for the first of the tensor that user names. */
static lt_status poisoned_values(void *user, const lt_tensor *t, float *values) {
    lt_tensor_read_f32(t, values);
    if (!strcmp(t->name, user)) values[0] = NAN;
    return LT_OK;
}

/* Writes the checkpoint at `from` to `to`, which may be the same, with a NaN in the tensor called name. */
static void poison(const char *from, const char *to, const char *name) {
    lt_checkpoint c;
    char tensor[128];
    snprintf(tensor, sizeof tensor, "%s", name);
    assert_ok(lt_checkpoint_open(from, &c));
    assert_non_null(lt_checkpoint_find(&c, name));
    assert_ok(lt_safetensors_write(to, c.tensors, c.count, NULL, 0, NULL, poisoned_values, tensor));
    lt_checkpoint_close(&c);
}

static lt_session *open_poisoned(const char *name) {
    char from[256];
    lt_session *session;
    snprintf(from, sizeof from, "%s", micro_checkpoint());
    poison(from, scratch_path("poisoned.safetensors"), name);
    assert_ok(open_session(scratch_path("poisoned.safetensors"), NULL, &session));
    return session;
}

static void expect(lt_status status, lt_status expected, const char *words) {
    assert_int_equal(status, expected);
    if (!strstr(lt_error_message(), words)) fail_msg("\"%s\" does not say \"%s\"", lt_error_message(), words);
}

/* ---- Drawing ---- */

static uint8_t grey[16 * 16 * 3];
static const lt_image picture = {16, 16, grey};

static lt_request request_of(const lt_image *image) {
    lt_request r = lt_request_defaults();
    r.prompt = "a cat";
    r.width = r.height = 16;
    r.steps = 3;
    r.random_seed = false;
    r.image = image;
    return r;
}

static void refuse(lt_session *session, const lt_request *request, lt_status status, const char *words) {
    lt_result result;
    expect(lt_generate(session, request, &result), status, words);
    assert_null(result.images);
    assert_null(result.latents);
}

static void test_each_module_is_named(void **state) {
    (void)state;
    static const struct {
        const char *tensor, *words;
        bool from_picture;
    } cases[] = {
        {"cond_stage_model.transformer.text_model.final_layer_norm.weight", "the text encoder makes no finite", false},
        {"model.diffusion_model.out.2.bias", "step 1 of 3: the U-Net makes no finite", false},
        {"model.diffusion_model.input_blocks.0.0.weight", "step 1 of 3: the U-Net makes no finite", false},
        {"first_stage_model.decoder.conv_in.bias", "the VAE decoder makes no finite", false},
        {"first_stage_model.decoder.conv_out.bias", "the VAE decoder makes no finite", false},
        {"first_stage_model.encoder.conv_out.bias", "the VAE encoder makes no finite", true},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_session *session = open_poisoned(cases[i].tensor);
        const lt_request request = request_of(cases[i].from_picture ? &picture : NULL);
        refuse(session, &request, LT_ERROR_MODEL, cases[i].words);
        lt_session_close(session);
    }
}

/* A tile at the edge is enough. */
static void test_tiles(void **state) {
    (void)state;
    lt_session *session = open_poisoned("first_stage_model.decoder.conv_out.bias");
    lt_request request = request_of(NULL);
    request.width = 144;
    request.steps = 1;
    request.tiling = true;
    refuse(session, &request, LT_ERROR_MODEL, "the VAE decoder makes no finite");
    lt_session_close(session);
}

/* A model is whole, but what it is asked for leads beyond all numbers: the step is told. */
static void test_numbers_too_large(void **state) {
    (void)state;
    lt_session *session = open_micro(1);
    lt_request request = request_of(NULL);
    float noise[4 * 8 * 8];
    for (size_t i = 0; i < LT_COUNT(noise); i++) noise[i] = i % 2 ? 3e37f : -3e37f;
    request.noise = noise;
    refuse(session, &request, LT_ERROR_MODEL, "step 1 of 3: ");
    request.noise = NULL;
    lt_session_close(session);
}

/* ---- Noise and latents of the caller's ---- */

static void test_inputs(void **state) {
    (void)state;
    lt_session *session = open_micro(1);
    float noise[4 * 8 * 8] = {[37] = NAN};
    lt_request request = request_of(&picture);
    lt_image image;
    request.noise = noise;
    refuse(session, &request, LT_ERROR_ARGUMENT, "the starting noise: not all are finite");
    request.noise = NULL;
    request.posterior_noise = noise;
    refuse(session, &request, LT_ERROR_ARGUMENT, "the posterior's noise: not all are finite");
    noise[37] = INFINITY;
    expect(lt_decode(session, noise, (const int[]){4, 8, 8}, false, &image), LT_ERROR_ARGUMENT, "a NaN or an infinity");
    assert_null(image.pixels);
    lt_session_close(session);
}

/* ---- Parts of the way ---- */

static void test_encoding_and_decoding(void **state) {
    (void)state;
    lt_session *session = open_poisoned("first_stage_model.quant_conv.weight");
    float *latent, z[4 * 8 * 8] = {0};
    int shape[3];
    lt_image image;
    expect(lt_encode(session, &picture, NULL, false, &latent, shape), LT_ERROR_MODEL,
           "the VAE encoder makes no finite");
    assert_null(latent);
    lt_session_close(session);
    session = open_poisoned("first_stage_model.post_quant_conv.weight");
    expect(lt_decode(session, z, (const int[]){4, 8, 8}, false, &image), LT_ERROR_MODEL,
           "the VAE decoder makes no finite");
    assert_null(image.pixels);
    lt_session_close(session);
}

static lt_session *open_poisoned_clip(const char *name) {
    lt_session *session;
    const char *folder = scratch_path("bad-clip");
    char weights[300];
    assert_ok(lt_synthetic_clip_write(lt_synthetic_clip_find("tiny"), folder, LT_F16));
    snprintf(weights, sizeof weights, "%s/model.safetensors", folder);
    poison(weights, weights, name);
    assert_ok(open_session(scratch_path("bad-clip"), NULL, &session));
    return session;
}

static void test_clip(void **state) {
    (void)state;
    float *embedding;
    size_t dim;
    lt_session *session = open_poisoned_clip("visual_projection.weight");
    expect(lt_embed_image(session, &picture, &embedding, &dim), LT_ERROR_MODEL, "the image encoder makes no finite");
    assert_null(embedding);
    assert_ok(lt_embed_text(session, "a cat", &embedding, &dim)); /* that tower is whole */
    lt_floats_free(embedding);
    lt_session_close(session);
    session = open_poisoned_clip("text_projection.weight");
    expect(lt_embed_text(session, "a cat", &embedding, &dim), LT_ERROR_MODEL, "the text encoder makes no finite");
    assert_null(embedding);
    lt_session_close(session);
}

static lt_status synthetic_values(void *user, const lt_tensor *t, float *values) {
    (void)user;
    lt_synthetic_fill(t, LT_F32, values);
    return LT_OK;
}

static lt_session *open_poisoned_classifier(void) {
    static const lt_unet down = {
        .in_channels = 4, .channels = 32, .levels = 2, .level = {{32, 1, 0}, {32, 1, 1}}, .middle_depth = 1};
    lt_tensor_list list;
    lt_session *session;
    const char *path = scratch_path("classifier.safetensors");
    assert_ok(lt_classifier_list(&down, 8, 3, &list));
    lt_tensor_list_sort(&list);
    assert_ok(lt_safetensors_write(path, list.tensors, list.count, NULL, 0, NULL, synthetic_values, NULL));
    lt_tensor_list_free(&list);
    poison(path, path, "classifier.out.bias");
    assert_ok(open_session(path, NULL, &session));
    return session;
}

static void test_guides(void **state) {
    (void)state;
    lt_session *session = open_micro(1), *classifier = open_poisoned_classifier();
    lt_request request = request_of(NULL);
    request.classifier = lt_session_model(classifier);
    request.class_name = "1";
    refuse(session, &request, LT_ERROR_MODEL, "step 1 of 3: the classifier makes no finite");
    lt_session_close(classifier);
    request = request_of(NULL);
    lt_session *clip = open_poisoned_clip("visual_projection.weight");
    request.clip = lt_session_model(clip);
    refuse(session, &request, LT_ERROR_MODEL, "step 1 of 3: the gradient of CLIP makes no finite");
    lt_session_close(clip);
    lt_session_close(session);
}

/* One module alone names what it was given, and itself. */
static void test_modules_alone(void **state) {
    (void)state;
    lt_session *session = open_poisoned("first_stage_model.decoder.conv_out.bias");
    float z[4 * 8 * 8] = {0};
    const lt_array in = {.name = "z", .rank = 4, .shape = {1, 4, 8, 8}, .data = z};
    lt_arrays out;
    expect(lt_run(session, "vae-decoder", &in, 1, &out), LT_ERROR_MODEL, "the VAE decoder makes no finite");
    z[0] = NAN;
    expect(lt_run(session, "vae-decoder", &in, 1, &out), LT_ERROR_ARGUMENT, "tensor z holds a NaN");
    lt_session_close(session);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_module_is_named),
        cmocka_unit_test(test_tiles),
        cmocka_unit_test(test_numbers_too_large),
        cmocka_unit_test(test_inputs),
        cmocka_unit_test(test_encoding_and_decoding),
        cmocka_unit_test(test_clip),
        cmocka_unit_test(test_guides),
        cmocka_unit_test(test_modules_alone),
    };
    const int failed = cmocka_run_group_tests_name("not finite", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
