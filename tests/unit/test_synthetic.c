/* Synthetic checkpoints: the same bytes as those of synth.py, told by their FNV-1a hashes, which were taken of its
 * files; single values, which it gave; shapes of transformers' own models. */
#include "formats/diffusers.h"
#include "golden.h"

static uint64_t fnv1a(uint64_t h, const void *data, size_t size) {
    for (const uint8_t *p = data, *end = p + size; p < end; p++) h = (h ^ *p) * 0x100000001B3;
    return h;
}
#define FNV_START 0xCBF29CE484222325u

/* Another number of everything than SD 1.x has: attention at the second of three levels, 9 inputs. */
static const lt_sd_architecture odd = {
    .unet = {.in_channels = 9,
             .out_channels = 4,
             .channels = 32,
             .context_dim = 48,
             .levels = 3,
             .level = {{32, 3, 0}, {64, 3, 1}, {96, 3, 0}},
             .middle_depth = 1},
    .vae = {.latent_channels = 4,
            .channels = 32,
            .levels = 2,
            .level = {{32, 1}, {64, 1}},
            .attention = true,
            .quant_conv = true,
            .post_quant_conv = true},
    .text = {.width = 64, .hidden = 256, .layers = 1, .vocabulary = 100, .positions = 7},
};

/* ---- Whole files ---- */

static void assert_file(const lt_sd_architecture *config, lt_dtype type, size_t size, uint64_t hash) {
    const char *path = scratch_path("synthetic.safetensors");
    lt_map map;
    assert_ok(lt_synthetic_sd_write(config, path, type));
    assert_ok(lt_map_open(path, &map));
    assert_int_equal(map.size, size);
    assert_true(fnv1a(FNV_START, map.data, map.size) == hash);
    lt_map_close(&map);
    unlink(path);
}

static void files_are_those_of_the_reference(void **state) {
    (void)state;
    assert_file(lt_synthetic_sd_find("tiny"), LT_F16, 116671310, 0xD9C1BFA6DB30E32A);
    assert_file(lt_synthetic_sd_find("tiny-inpaint"), LT_F16, 116677070, 0x0CAFD68D24B90A48);
    assert_file(&odd, LT_F16, 9374886, 0xED7DC0BE260943B1);
    assert_file(&odd, LT_BF16, 9375510, 0xBB6B2C3A6598C871);
    assert_file(&odd, LT_F32, 18671132, 0x976CACB00B246F66);
}

/* ---- Lists ---- */

/* Of the lines "name [shape]", in the list's order. */
static uint64_t list_hash(const lt_tensor_list *list, size_t *parameters) {
    uint64_t hash = FNV_START;
    *parameters = 0;
    for (size_t i = 0; i < list->count; i++) {
        char shape[128], line[512];
        lt_tensor_shape_text(&list->tensors[i], shape, sizeof shape);
        const int n = snprintf(line, sizeof line, "%s %s\n", list->tensors[i].name, shape);
        hash = fnv1a(hash, line, (size_t)n);
        *parameters += lt_tensor_count(&list->tensors[i]);
    }
    return hash;
}

static void lists_are_those_of_the_reference(void **state) {
    (void)state;
    const struct {
        const lt_sd_architecture *config;
        size_t tensors, parameters;
        uint64_t hash;
    } expected[] = {
        {lt_synthetic_sd_find("sd15"), 1130, 1066235307, 0xd429ebac9380a97c},
        {&odd, 628, 4647691, 0xa4888edb4cc892e8},
    };
    for (size_t i = 0; i < LT_COUNT(expected); i++) {
        lt_tensor_list list;
        size_t parameters;
        assert_ok(lt_sd_list(expected[i].config, LT_ROLES_ALL, &list));
        assert_true(list_hash(&list, &parameters) == expected[i].hash);
        assert_int_equal(list.count, expected[i].tensors);
        assert_int_equal(parameters, expected[i].parameters);
        lt_tensor_list_free(&list);
    }
}

/* transformers' CLIPModel with its default configuration (ViT-B/32) and with that of tiny/clip_model.json, names
 * sorted. */
static void clip_lists_are_those_of_transformers(void **state) {
    (void)state;
    const struct {
        const char *name;
        size_t tensors, parameters;
        uint64_t hash;
    } expected[] = {
        {"vit-b-32", 398, 151277313, 0xb15615fae4e14d59},
        {"tiny", 94, 3827073, 0x790fa2062d7433b5},
    };
    for (size_t i = 0; i < LT_COUNT(expected); i++) {
        lt_tensor_list list;
        size_t parameters;
        assert_ok(lt_clip_list(lt_synthetic_clip_find(expected[i].name), &list));
        lt_tensor_list_sort(&list);
        assert_true(list_hash(&list, &parameters) == expected[i].hash);
        assert_int_equal(list.count, expected[i].tensors);
        assert_int_equal(parameters, expected[i].parameters);
        lt_tensor_list_free(&list);
    }
}

static void unknown_names_have_no_configuration(void **state) {
    (void)state;
    assert_null(lt_synthetic_sd_find("sd16"));
    assert_null(lt_synthetic_clip_find(""));
}

/* ---- Values ---- */

static void values_are_those_of_the_reference(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int rank;
        size_t shape[4];
        float value[3]; /* the first, the one in the middle, the last */
    } expected[] = {
        {"model.diffusion_model.time_embed.0.weight", 2, {1280, 320}, {-0x1.797958p-4f, 0x1.29945cp-4f, 0x1.cfbcap-5f}},
        {"model.diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_k.weight",
         2,
         {1280, 768},
         {-0x1.289ap-10f, 0x1.d79588p-4f, 0x1.970fp-5f}},
        {"model.diffusion_model.output_blocks.11.0.skip_connection.weight",
         4,
         {320, 640, 1, 1},
         {-0x1.24f98p-5f, 0x1.5a41f2p-6f, 0x1.d8572cp-6f}},
        {"model.diffusion_model.out.0.weight", 1, {320}, {0x1.bb308p-1f, 0x1.2fb46ep+0f, 0x1.9ec072p-1f}},
        {"first_stage_model.encoder.mid.attn_1.q.weight",
         4,
         {512, 512, 1, 1},
         {0x1.1fc806p-3f, -0x1.5cf19p-4f, -0x1.922e14p-4f}},
        {"first_stage_model.decoder.up.0.block.2.norm2.bias",
         1,
         {128},
         {-0x1.b1b6p-6f, -0x1.14cd9ap-8f, -0x1.a6ea74p-5f}},
        {"cond_stage_model.transformer.text_model.embeddings.token_embedding.weight",
         2,
         {49408, 768},
         {0x1.3c26ap-3f, 0x1.2b785p-2f, 0x1.9c92c8p-2f}},
        {"cond_stage_model.transformer.text_model.encoder.layers.11.self_attn.q_proj.weight",
         2,
         {768, 768},
         {0x1.67def8p-4f, 0x1.beecc8p-5f, 0x1.9a58c8p-4f}},
        {"cond_stage_model.transformer.text_model.final_layer_norm.weight",
         1,
         {768},
         {0x1.d85a44p-1f, 0x1.0bd4bcp+0f, 0x1.2d02e2p+0f}},
        {"vision_model.embeddings.class_embedding", 1, {128}, {0x1.05ba04p+0f, 0x1.ff626p-1f, 0x1.ee2e12p-1f}},
        {"vision_model.embeddings.patch_embedding.weight",
         4,
         {128, 3, 16, 16},
         {-0x1.a4606p-2f, -0x1.f056cp-3f, -0x1.b6a8bcp-2f}},
        {"text_projection.weight", 2, {64, 64}, {-0x1.7377ap-4f, 0x1.8aa806p-3f, 0x1.99af92p-8f}},
        {"text_model.encoder.layers.2.self_attn.k_proj.weight",
         2,
         {64, 64},
         {0x1.9d4636p-3f, -0x1.64fad2p-2f, -0x1.ddeb4ep-4f}},
    };
    for (size_t i = 0; i < LT_COUNT(expected); i++) {
        size_t n = 1;
        for (int d = 0; d < expected[i].rank; d++) n *= expected[i].shape[d];
        const size_t at[3] = {0, n / 2, n - 1};
        for (int k = 0; k < 3; k++) {
            float value;
            lt_synthetic_values(expected[i].name, expected[i].rank, expected[i].shape, at[k], 1, &value);
            assert_true(value == expected[i].value[k]);
        }
    }
}

/* In memory as a file of that type has them, whole or piece by piece. */
static void filling_rounds_as_a_file_does(void **state) {
    (void)state;
    lt_tensor t = {.name = "a.weight", .rank = 2, .shape = {300, 301}};
    lt_tensor scale = {.name = "logit_scale"};
    enum { N = 300 * 301 };
    float *exact = lt_alloc(N * sizeof *exact), *pieces = lt_alloc(N * sizeof *pieces),
          *half = lt_alloc(N * sizeof *half);
    assert_true(exact && pieces && half);
    lt_synthetic_fill(&t, LT_F32, exact);
    for (size_t i = 0; i < N; i += 1000) lt_synthetic_values(t.name, 2, t.shape, i, lt_min(1000, N - i), pieces + i);
    assert_memory_equal(exact, pieces, N * sizeof *exact);
    lt_synthetic_fill(&t, LT_F16, half);
    for (size_t i = 0; i < N; i++) assert_true(half[i] == lt_f16_to_f32(lt_f32_to_f16(exact[i])));
    lt_synthetic_fill(&t, LT_BF16, half);
    for (size_t i = 0; i < N; i++) assert_true(half[i] == lt_bf16_to_f32(lt_f32_to_bf16(exact[i])));
    lt_synthetic_fill(&scale, LT_F16, half);
    assert_true(half[0] == 2.6592601f);
    lt_free(exact);
    lt_free(pieces);
    lt_free(half);
}

/* ---- CLIP ---- */

static void clip_folder_has_weights_and_settings(void **state) {
    (void)state;
    const lt_clip_architecture *config = lt_synthetic_clip_find("tiny");
    lt_diffusers folder;
    assert_ok(lt_synthetic_clip_write(config, scratch_path("clip"), LT_F16));
    assert_ok(lt_synthetic_clip_write(config, scratch_path("clip"), LT_F16)); /* a folder that is there is fine */
    assert_ok(lt_diffusers_open(scratch_path("clip"), &folder));
    assert_int_equal(folder.count, 1);
    const lt_checkpoint *file = &folder.components[0].checkpoint;
    const lt_config *settings = &folder.components[0].config;
    assert_int_equal(file->count, 94);
    assert_int_equal(lt_config_number(settings, "projection_dim", 0), 64);
    assert_int_equal(lt_config_number(settings, "vision_config.patch_size", 0), 16);
    assert_int_equal(lt_config_number(settings, "vision_config.num_attention_heads", 0), 2);
    assert_string_equal(lt_config_string(settings, "text_config.hidden_act"), "quick_gelu");

    const lt_tensor *scale = lt_checkpoint_find(file, "logit_scale");
    const lt_tensor *weight = lt_checkpoint_find(file, "visual_projection.weight");
    assert_non_null(scale);
    assert_non_null(weight);
    assert_int_equal(scale->dtype, LT_F32); /* rounded to f16, every similarity would change by 1e-3 */
    assert_int_equal(weight->dtype, LT_F16);
    float value, expected[64 * 128], got[64 * 128];
    lt_tensor_read_f32(scale, &value);
    assert_true(value == 2.6592601f);
    lt_synthetic_fill(weight, LT_F16, expected);
    lt_tensor_read_f32(weight, got);
    assert_memory_equal(got, expected, sizeof got);
    lt_diffusers_close(&folder);
}

/* ---- Failures ---- */

static void a_place_that_cannot_be_written_is_an_error(void **state) {
    (void)state;
    assert_int_equal(lt_synthetic_sd_write(&odd, "/nowhere/at/all.safetensors", LT_F16), LT_ERROR_FILE);
    assert_int_equal(lt_synthetic_clip_write(lt_synthetic_clip_find("tiny"), "/nowhere/at/all", LT_F16), LT_ERROR_FILE);
    assert_non_null(strstr(lt_error_message(), "/nowhere/at/all"));
}

static lt_status list_odd(void) {
    lt_tensor_list list;
    const lt_status status = lt_sd_list(&odd, LT_ROLES_ALL, &list);
    if (status != LT_OK) assert_null(list.tensors);
    lt_tensor_list_free(&list);
    return status;
}

static lt_status write_clip(void) {
    static const lt_clip_architecture small = {
        .name = "small",
        .text = {.width = 64, .hidden = 256, .layers = 1, .vocabulary = 8, .positions = 4, .projection = 8},
        .image = {.width = 64, .hidden = 256, .layers = 1, .size = 8, .patch = 4, .projection = 8},
    };
    return lt_synthetic_clip_write(&small, scratch_path("small"), LT_F32);
}

static void each_allocation_may_fail(void **state) {
    (void)state;
    lt_status (*const actions[])(void) = {list_odd, write_clip};
    for (size_t i = 0; i < LT_COUNT(actions); i++) {
        size_t failed = 0;
        for (bool more = true; more; failed++) {
            lt_alloc_fail_at(failed);
            const lt_status status = actions[i]();
            more = lt_alloc_failed();
            lt_alloc_fail_at(SIZE_MAX);
            assert_int_equal(status, more ? LT_ERROR_MEMORY : LT_OK);
        }
        assert_true(failed > 50);
    }
}

static int clean(void **state) {
    (void)state;
    remove_scratch();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_those_of_the_reference),
        cmocka_unit_test(lists_are_those_of_the_reference),
        cmocka_unit_test(clip_lists_are_those_of_transformers),
        cmocka_unit_test(unknown_names_have_no_configuration),
        cmocka_unit_test(values_are_those_of_the_reference),
        cmocka_unit_test(filling_rounds_as_a_file_does),
        cmocka_unit_test(clip_folder_has_weights_and_settings),
        cmocka_unit_test(a_place_that_cannot_be_written_is_an_error),
        cmocka_unit_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, clean);
}
