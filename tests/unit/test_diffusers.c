/* diffusers folders: made here in a temporary folder, opened, and what may be missing or broken in them. */
#include "formats/diffusers.h"
#include "golden.h"
#include "models/names.h"

#include <sys/stat.h>

static char root[256]; /* the folder of the running test */

static const char *in_root(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static void write_text(const char *name, const char *text) {
    FILE *file = fopen(in_root(name), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* A checkpoint of one tensor [2], whose values are value and 1. */
static void write_weights(const char *name, const char *tensor, float value) {
    const float data[2] = {value, 1};
    lt_tensor t = {.name = tensor, .rank = 1, .shape = {2}, .data = data};
    lt_tensor_set_contiguous(&t);
    assert_ok(lt_safetensors_write(in_root(name), &t, 1, NULL, 0, NULL, NULL, NULL));
}

/* A whole pipeline of an empty shape: every component with one tensor of the kind. */
static void write_pipeline(void) {
    static const char *const folders[] = {"text_encoder", "vae", "unet", "scheduler", "tokenizer"};
    for (size_t i = 0; i < LT_COUNT(folders); i++) assert_int_equal(mkdir(in_root(folders[i]), 0777), 0);
    write_text("model_index.json",
               "{\"_class_name\": \"StableDiffusionPipeline\", \"_diffusers_version\": \"0.42.1\",\n"
               "\"feature_extractor\": [null, null], \"requires_safety_checker\": false,\n"
               "\"scheduler\": [\"diffusers\", \"PNDMScheduler\"],\n"
               "\"text_encoder\": [\"transformers\", \"CLIPTextModel\"],\n"
               "\"tokenizer\": [\"transformers\", \"CLIPTokenizer\"],\n"
               "\"unet\": [\"diffusers\", \"UNet2DConditionModel\"],\n"
               "\"vae\": [\"diffusers\", \"AutoencoderKL\"]}");
    write_text("text_encoder/config.json", "{\"hidden_act\": \"quick_gelu\", \"num_attention_heads\": 12}");
    write_text("vae/config.json", "{\"scaling_factor\": 0.18215, \"norm_num_groups\": 32}");
    write_text("unet/config.json", "{\"attention_head_dim\": [5, 10, 20], \"sample_size\": 64, \"upcast\": null}");
    write_text("scheduler/scheduler_config.json", "{\"prediction_type\": \"v_prediction\", \"clip_sample\": false}");
    write_weights("text_encoder/model.safetensors", "embeddings.token_embedding.weight", 1);
    write_weights("vae/diffusion_pytorch_model.safetensors", "encoder.down_blocks.0.resnets.0.norm1.weight", 2);
    write_weights("unet/diffusion_pytorch_model.safetensors", "down_blocks.0.resnets.0.norm1.weight", 3);
}

static int make_root(void **state) {
    (void)state;
    static int number;
    snprintf(root, sizeof root, "%s/%d", scratch_folder(), number++);
    return mkdir(root, 0777);
}

static int clean(void **state) {
    (void)state;
    remove_scratch();
    return 0;
}

/* ---- Configuration files ---- */

static void keys_are_looked_up(void **state) {
    (void)state;
    lt_config config;
    double heads[4] = {0};
    write_text("a.json",
               "{\"a\": {\"b\": {\"c\": 7.5}, \"x\": \"text\"}, \"list\": [5, 10, 20, 20], \"mixed\": [1, \"2\"],\n"
               "\"one\": 8, \"yes\": true, \"no\": false, \"nothing\": null, \"empty\": [],\n"
               "\"huge\": 1e999, \"bound\": -Infinity, \"some\": [1, NaN]}");
    assert_ok(lt_config_open(in_root("a.json"), &config));
    assert_true(lt_config_number(&config, "a.b.c", -1) == 7.5);
    assert_string_equal(lt_config_string(&config, "a.x"), "text");
    assert_true(lt_config_number(&config, "yes", -1) == 1 && lt_config_number(&config, "no", -1) == 0);
    assert_true(lt_config_number(&config, "list", -1) == 5);
    assert_int_equal(lt_config_numbers(&config, "list", heads, 4), 4);
    assert_true(heads[0] == 5 && heads[1] == 10 && heads[3] == 20);
    assert_int_equal(lt_config_numbers(&config, "list", heads + 1, 1), 4); /* what there is, not what fits */
    assert_true(heads[1] == 5 && heads[2] == 20);
    assert_int_equal(lt_config_numbers(&config, "one", heads, 4), 1);
    static const char *const not_numbers[] = {"",  ".",     "a",       "a.",    ".a",   "a.b",   "a.x", "a.x.y",
                                              "b", "mixed", "nothing", "empty", "huge", "bound", "some"};
    for (size_t i = 0; i < LT_COUNT(not_numbers); i++) {
        assert_true(lt_config_number(&config, not_numbers[i], -1) == -1);
        assert_int_equal(lt_config_numbers(&config, not_numbers[i], heads, 4), 0);
    }
    assert_null(lt_config_string(&config, "one"));
    assert_null(lt_config_string(&config, "a.b.c"));
    lt_config_close(&config);
    assert_true(lt_config_number(&config, "one", -1) == -1); /* closed: empty */
    assert_null(lt_config_string(&config, "a.x"));
}

static void broken_files_are_refused(void **state) {
    (void)state;
    static const char *const texts[] = {"", "{", "[1]", "null", "{\"a\": 1} x", "{\"a\": \"\xff\"}", "{\"a\": nan}"};
    lt_config config;
    for (size_t i = 0; i < LT_COUNT(texts); i++) {
        write_text("a.json", texts[i]);
        assert_int_equal(lt_config_open(in_root("a.json"), &config), LT_ERROR_FORMAT);
        assert_non_null(strstr(lt_error_message(), "a.json"));
        assert_null(config.root);
    }
    assert_int_equal(lt_config_open(in_root("b.json"), &config), LT_ERROR_FILE);
    assert_int_equal(lt_config_open(root, &config), LT_ERROR_FILE);
}

/* ---- Pipelines ---- */

static void a_pipeline_is_opened(void **state) {
    (void)state;
    lt_diffusers folder;
    write_pipeline();
    assert_ok(lt_diffusers_open(root, &folder));
    assert_int_equal(folder.count, 4);
    const lt_component *unet = lt_diffusers_find(&folder, "unet"), *scheduler = lt_diffusers_find(&folder, "scheduler");
    const lt_component *vae = lt_diffusers_find(&folder, "vae"), *text = lt_diffusers_find(&folder, "text_encoder");
    assert_true(unet && scheduler && vae && text);
    assert_null(lt_diffusers_find(&folder, "tokenizer"));
    assert_string_equal(lt_config_string(&scheduler->config, "prediction_type"), "v_prediction");
    assert_int_equal(scheduler->checkpoint.count, 0);
    assert_true(lt_config_number(&vae->config, "scaling_factor", 0) == 0.18215);
    assert_true(lt_config_number(&unet->config, "sample_size", 0) == 64);
    assert_string_equal(lt_config_string(&text->config, "hidden_act"), "quick_gelu");

    /* Its components add up to one model of canonical names. */
    lt_tensor_list list = {0};
    for (size_t i = 0; i < folder.count; i++) {
        const lt_checkpoint *file = &folder.components[i].checkpoint;
        if (file->count) assert_ok(lt_names_add(&list, file->tensors, file->count, LT_ROLES_ALL, false, NULL));
    }
    assert_int_equal(list.count, 3);
    static const char *const names[] = {"cond_stage_model.transformer.text_model.embeddings.token_embedding.weight",
                                        "first_stage_model.encoder.down.0.block.0.norm1.weight",
                                        "model.diffusion_model.input_blocks.1.0.in_layers.0.weight"};
    for (size_t i = 0; i < LT_COUNT(names); i++) {
        float values[2];
        assert_string_equal(list.tensors[i].name, names[i]);
        lt_tensor_read_f32(&list.tensors[i], values);
        assert_true(values[0] == (float)(i + 1));
    }
    lt_tensor_list_free(&list);
    lt_diffusers_close(&folder);
}

/* A single-file checkpoint, taken apart into a diffusers folder and put together again. */
static void a_converted_model_comes_back(void **state) {
    (void)state;
    static const lt_sd_architecture small = {
        .unet = {.in_channels = 4,
                 .out_channels = 4,
                 .channels = 32,
                 .context_dim = 16,
                 .levels = 2,
                 .level = {{32, 1, 1}, {64, 1, 0}},
                 .middle_depth = 1},
        .vae = {.latent_channels = 4,
                .channels = 32,
                .levels = 2,
                .level = {{32, 1}, {64, 1}},
                .attention = true,
                .quant_conv = true,
                .post_quant_conv = true},
        .text = {.width = 64, .hidden = 256, .layers = 1, .vocabulary = 10, .positions = 7},
    };
    static const struct {
        lt_role role;
        const char *file;
    } parts[] = {{LT_ROLE_TEXT, "text_encoder/model.safetensors"},
                 {LT_ROLE_VAE, "vae/diffusion_pytorch_model.safetensors"},
                 {LT_ROLE_UNET, "unet/diffusion_pytorch_model.safetensors"}};
    lt_checkpoint file;
    lt_diffusers folder;
    lt_tensor_list back = {0};
    write_pipeline();
    assert_ok(lt_synthetic_sd_write(&small, in_root("small.safetensors"), LT_F16));
    assert_ok(lt_checkpoint_open(in_root("small.safetensors"), &file));
    for (size_t i = 0; i < LT_COUNT(parts); i++) {
        lt_tensor_list part;
        assert_ok(lt_names_to_diffusers(file.tensors, file.count, parts[i].role, &part));
        assert_ok(lt_safetensors_write(in_root(parts[i].file), part.tensors, part.count, NULL, 0, NULL, NULL, NULL));
        lt_tensor_list_free(&part);
    }
    assert_ok(lt_diffusers_open(root, &folder));
    for (size_t i = 0; i < folder.count; i++) {
        const lt_checkpoint *c = &folder.components[i].checkpoint;
        if (c->count) assert_ok(lt_names_add(&back, c->tensors, c->count, LT_ROLES_ALL, false, NULL));
    }
    assert_int_equal(back.count, file.count);
    for (size_t i = 0; i < back.count; i++) {
        const lt_tensor *a = &back.tensors[i], *b = &file.tensors[i];
        assert_string_equal(a->name, b->name);
        assert_true(lt_tensor_has_shape(a, b->rank, b->shape));
        assert_memory_equal(a->data, b->data, lt_tensor_count(a) * lt_dtype_size(a->dtype));
    }
    lt_tensor_list_free(&back);
    lt_diffusers_close(&folder);
    lt_checkpoint_close(&file);
}

/* ---- Which file the weights come from ---- */

static float opened_value(void) {
    lt_diffusers folder;
    float values[2];
    assert_ok(lt_diffusers_open(root, &folder));
    assert_int_equal(folder.count, 1);
    assert_string_equal(folder.components[0].name, "");
    assert_int_equal(folder.components[0].checkpoint.count, 1);
    lt_tensor_read_f32(&folder.components[0].checkpoint.tensors[0], values);
    lt_diffusers_close(&folder);
    return values[0];
}

/* Least wanted first: each new file takes over. The kind of a file is told by its content, so .bin may be safetensors
 * here. */
static void full_precision_comes_first(void **state) {
    (void)state;
    static const char *const files[] = {"pytorch_model.non_ema.bin",
                                        "diffusion_pytorch_model.non_ema.safetensors",
                                        "diffusion_pytorch_model.bf16.bin",
                                        "diffusion_pytorch_model.bf16.safetensors",
                                        "pytorch_model.bin.fp16.index.json",
                                        "pytorch_model.fp16.bin.index.json",
                                        "pytorch_model.bin.index.fp16.json",
                                        "pytorch_model.fp16.bin",
                                        "diffusion_pytorch_model.bin.index.fp16.json",
                                        "diffusion_pytorch_model.fp16.bin",
                                        "model.safetensors.index.fp16.json",
                                        "model.fp16.safetensors",
                                        "diffusion_pytorch_model.safetensors.fp16.index.json",
                                        "diffusion_pytorch_model.fp16.safetensors.index.json",
                                        "diffusion_pytorch_model.safetensors.index.fp16.json",
                                        "diffusion_pytorch_model.fp16.safetensors",
                                        "pytorch_model.bin.index.json",
                                        "pytorch_model.bin",
                                        "diffusion_pytorch_model.bin.index.json",
                                        "diffusion_pytorch_model.bin",
                                        "model.safetensors.index.json",
                                        "model.safetensors",
                                        "diffusion_pytorch_model.safetensors.index.json",
                                        "diffusion_pytorch_model.safetensors"};
    write_text("config.json", "{}");
    for (size_t i = 0; i < LT_COUNT(files); i++) {
        if (strstr(files[i], ".index.")) {
            char shard[64], index[256];
            snprintf(shard, sizeof shard, "shard-%zu.safetensors", i);
            snprintf(index, sizeof index, "{\"metadata\": {}, \"weight_map\": {\"a\": \"%s\"}}", shard);
            write_weights(shard, "a", (float)i);
            write_text(files[i], index);
        } else {
            write_weights(files[i], "a", (float)i);
        }
        assert_true(opened_value() == (float)i);
    }
}

/* ---- What is missing or broken ---- */

static void assert_refused(lt_status expected, const char *part_of_message) {
    lt_diffusers folder;
    assert_int_equal(lt_diffusers_open(root, &folder), expected);
    if (!strstr(lt_error_message(), part_of_message)) fail_msg("no \"%s\" in: %s", part_of_message, lt_error_message());
    assert_int_equal(folder.count, 0);
}

static void missing_pieces_are_named(void **state) {
    (void)state;
    assert_refused(LT_ERROR_FILE, "model_index.json");
    write_pipeline();
    unlink(in_root("unet/diffusion_pytorch_model.safetensors"));
    assert_refused(LT_ERROR_FILE, "/unet: no weights here; looked for diffusion_pytorch_model.safetensors, ");
    assert_non_null(strstr(lt_error_message(), ".non_ema)")); /* the last: nothing is cut off */
    write_text("unet/diffusion_pytorch_model.bin", "no checkpoint");
    assert_refused(LT_ERROR_FORMAT, "unet/diffusion_pytorch_model.bin");
    unlink(in_root("unet/diffusion_pytorch_model.bin"));
    write_weights("unet/diffusion_pytorch_model.fp16.safetensors", "a", 1);
    unlink(in_root("scheduler/scheduler_config.json"));
    assert_refused(LT_ERROR_FILE, "scheduler/scheduler_config.json");
    write_text("model_index.json", "{\"tokenizer\": [\"transformers\", \"CLIPTokenizer\"], \"unet\": 7}");
    assert_refused(LT_ERROR_MODEL, "lists no text_encoder");
    write_text("model_index.json", "{\"vae\": ");
    assert_refused(LT_ERROR_FORMAT, "model_index.json");
}

/* Components that are listed as null, or not at all, are left out. */
static void components_may_be_left_out(void **state) {
    (void)state;
    lt_diffusers folder;
    write_pipeline();
    write_text("model_index.json", "{\"text_encoder\": [null, null], \"vae\": [\"diffusers\", \"AutoencoderKL\"]}");
    assert_ok(lt_diffusers_open(root, &folder));
    assert_int_equal(folder.count, 1);
    assert_non_null(lt_diffusers_find(&folder, "vae"));
    lt_diffusers_close(&folder);
}

static void each_allocation_may_fail(void **state) {
    (void)state;
    write_pipeline();
    size_t failed = 0;
    for (bool more = true; more; failed++) {
        lt_diffusers folder;
        lt_alloc_fail_at(failed);
        const lt_status status = lt_diffusers_open(root, &folder);
        more = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        assert_int_equal(status, more ? LT_ERROR_MEMORY : LT_OK);
        lt_diffusers_close(&folder);
    }
    assert_true(failed > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(keys_are_looked_up, make_root),
        cmocka_unit_test_setup(broken_files_are_refused, make_root),
        cmocka_unit_test_setup(a_pipeline_is_opened, make_root),
        cmocka_unit_test_setup(a_converted_model_comes_back, make_root),
        cmocka_unit_test_setup(full_precision_comes_first, make_root),
        cmocka_unit_test_setup(missing_pieces_are_named, make_root),
        cmocka_unit_test_setup(components_may_be_left_out, make_root),
        cmocka_unit_test_setup(each_allocation_may_fail, make_root),
    };
    return cmocka_run_group_tests(tests, NULL, clean);
}
