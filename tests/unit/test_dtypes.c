/* Weights of every type that a file may have, from the file to the picture: F8 draws as the same values in F16 do, and
 * a type that is not known refuses a file only where its tensor is needed. */
#include "exporting.h"
#include "micro.h"

enum { SIDE = 16, PIXELS = SIDE * SIDE * 3 };

static void draw(lt_session *session, uint8_t pixels[PIXELS]) {
    lt_request r = lt_request_defaults();
    r.prompt = "a cat";
    r.width = r.height = SIDE;
    r.steps = 2;
    r.random_seed = false;
    lt_result result;
    assert_ok(lt_generate(session, &r, &result));
    memcpy(pixels, result.images[0].pixels, PIXELS);
    lt_result_free(&result);
}

static void draw_file(const char *path, uint8_t pixels[PIXELS]) {
    lt_session *session;
    assert_ok(open_session(path, NULL, &session));
    draw(session, pixels);
    lt_session_close(session);
}

/* The F8 that a half is cut to; both are read back, so what is lost is lost in both. */
static uint8_t cut(uint16_t half, lt_dtype type) {
    if (type == LT_F8_E5M2) return (uint8_t)(half >> 8);
    const uint16_t scaled = lt_f32_to_f16(lt_f16_to_f32(half) / 256); /* E4M3's exponent is 8 less */
    return (uint8_t)(scaled >> 8 & 0x80) | (uint8_t)(scaled >> 7 & 0x7F);
}

/* The micro model with all but its vectors as F8 of type, or as the F16 that they widen to. */
static void write_f8(lt_dtype type, bool widened, const char *path) {
    lt_checkpoint c;
    lt_dtype types[1024];
    uint8_t *data[1024] = {0};
    assert_ok(lt_checkpoint_open(micro_checkpoint(), &c));
    assert_in_range(c.count, 1, 1024);
    for (size_t i = 0; i < c.count; i++) {
        lt_tensor *t = &c.tensors[i];
        const size_t count = lt_tensor_count(t);
        types[i] = t->dtype;
        if (t->rank < 2) continue;
        data[i] = malloc(count);
        for (size_t k = 0; k < count; k++) data[i][k] = cut(((const uint16_t *)t->data)[k], type);
        t->dtype = type;
        t->data = data[i];
        types[i] = widened ? LT_F16 : type;
    }
    assert_ok(lt_safetensors_write(path, c.tensors, c.count, NULL, 0, types, NULL, NULL));
    for (size_t i = 0; i < c.count; i++) free(data[i]);
    lt_checkpoint_close(&c);
}

static void test_f8_draws_as_f16(void **state) {
    (void)state;
    static const lt_dtype types[] = {LT_F8_E4M3, LT_F8_E5M2};
    for (size_t i = 0; i < LT_COUNT(types); i++) {
        uint8_t pixels[2][PIXELS];
        for (int widened = 0; widened < 2; widened++) {
            char path[256];
            snprintf(path, sizeof path, "%s", scratch_path("f8.safetensors"));
            write_f8(types[i], widened, path);
            draw_file(path, pixels[widened]);
        }
        assert_memory_equal(pixels[0], pixels[1], PIXELS);
    }
}

/* A copy of the checkpoint at from in which the type of one tensor, F16, is called X16. */
static const char *retype(const char *from, const char *name) {
    static char path[256];
    char wanted[256];
    lt_map map;
    lt_writer writer;
    assert_ok(lt_map_open(from, &map));
    uint8_t *copy = malloc(map.size);
    memcpy(copy, map.data, map.size);
    snprintf(wanted, sizeof wanted, "\"%s\":{\"dtype\":\"F16\"", name);
    uint8_t *at = memmem(copy, map.size, wanted, strlen(wanted));
    assert_non_null(at);
    memcpy(at + strlen(wanted) - 4, "X16", 3);
    snprintf(path, sizeof path, "%s", scratch_path("retyped.safetensors"));
    assert_ok(lt_writer_open(path, &writer));
    assert_ok(lt_writer_write(&writer, copy, map.size));
    assert_ok(lt_writer_commit(&writer));
    free(copy);
    lt_map_close(&map);
    return path;
}

static void expect(lt_status status, const char *words) {
    assert_int_equal(status, LT_ERROR_UNSUPPORTED);
    if (!strstr(lt_error_message(), words)) fail_msg("\"%s\" does not say \"%s\"", lt_error_message(), words);
}

/* In opening where a shape tells the model's, in drawing and in writing elsewhere. */
static void test_needed_foreign_tensors(void **state) {
    (void)state;
    static const char *const names[] = {
        "model.diffusion_model.out.2.bias",
        "model.diffusion_model.input_blocks.0.0.weight",
        "first_stage_model.decoder.conv_in.weight",
        "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight",
    };
    for (size_t i = 0; i < LT_COUNT(names); i++) {
        char words[256];
        lt_session *session;
        snprintf(words, sizeof words, "tensor %s has type X16, which can't be read", names[i]);
        lt_status status = open_session(retype(micro_checkpoint(), names[i]), NULL, &session);
        if (!status) {
            lt_request r = lt_request_defaults();
            lt_result result;
            r.width = r.height = SIDE;
            expect(lt_generate(session, &r, &result), words);
            expect(export_ldm(lt_session_model(session), scratch_path("out.safetensors"), NULL), words);
            expect(export_diffusers(lt_session_model(session), scratch_path("out"), NULL), words);
            lt_session_close(session);
        } else {
            expect(status, words);
        }
    }
}

/* The micro model with one tensor more. */
static const char *extended(const char *name) {
    static const uint16_t values[3] = {0};
    const lt_tensor extra = {.name = name, .dtype = LT_F16, .rank = 1, .shape = {3}, .stride = {1}, .data = values};
    static char path[256];
    lt_checkpoint c;
    assert_ok(lt_checkpoint_open(micro_checkpoint(), &c));
    lt_tensor *tensors = malloc((c.count + 1) * sizeof *tensors);
    memcpy(tensors, c.tensors, c.count * sizeof *tensors);
    tensors[c.count] = extra;
    snprintf(path, sizeof path, "%s", scratch_path("extended.safetensors"));
    assert_ok(lt_safetensors_write(path, tensors, c.count + 1, NULL, 0, NULL, NULL, NULL));
    free(tensors);
    lt_checkpoint_close(&c);
    return path;
}

/* A tensor that belongs to no part, and one of a part whose layers do not read it: drawn without, and not written. */
static void test_unneeded_foreign_tensors(void **state) {
    (void)state;
    static const char *const names[] = {"an.extra",
                                        "cond_stage_model.transformer.text_model.encoder.layers.0.self_attn.extra"};
    uint8_t expected[PIXELS], pixels[PIXELS];
    draw_file(micro_checkpoint(), expected);
    for (size_t i = 0; i < LT_COUNT(names); i++) {
        lt_session *session;
        lt_checkpoint written;
        assert_ok(open_session(retype(extended(names[i]), names[i]), NULL, &session));
        draw(session, pixels);
        assert_memory_equal(pixels, expected, PIXELS);
        assert_ok(export_ldm(lt_session_model(session), scratch_path("out.safetensors"), NULL));
        lt_session_close(session);
        assert_ok(lt_checkpoint_open(scratch_path("out.safetensors"), &written));
        assert_null(lt_checkpoint_find(&written, names[i]));
        lt_checkpoint_close(&written);
        draw_file(scratch_path("out.safetensors"), pixels);
        assert_memory_equal(pixels, expected, PIXELS);
    }
}

/* The same numbers without their scales would draw something else. */
static void test_scaled_weights(void **state) {
    (void)state;
    static const char *const names[] = {"model.diffusion_model.input_blocks.1.0.in_layers.2.scale_weight",
                                        "first_stage_model.decoder.conv_in.weight_scale"};
    for (size_t i = 0; i < LT_COUNT(names); i++) {
        lt_session *session;
        expect(open_session(extended(names[i]), NULL, &session), "scales its layer's weights");
    }
}

static int clean(void **state) {
    (void)state;
    remove_scratch();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f8_draws_as_f16),
        cmocka_unit_test(test_needed_foreign_tensors),
        cmocka_unit_test(test_unneeded_foreign_tensors),
        cmocka_unit_test(test_scaled_weights),
    };
    return cmocka_run_group_tests(tests, NULL, clean);
}
