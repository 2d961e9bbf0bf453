/* Tensor names: against those that diffusers' own converter and models give (tests/golden/names), and what files of
 * strangers may hold. Tensors here have no data: their data pointer is a number that tells which one it was. */
#include "golden.h"
#include "models/average.h"
#include "models/names.h"

#include <jansson.h>

/* ---- Recorded names ---- */

static json_t *recorded;

static int open_recorded(void **state) {
    (void)state;
    char path[512];
    snprintf(path, sizeof path, "%s/names/names.json", LT_GOLDEN_DIR);
    recorded = json_load_file(path, 0, NULL);
    return recorded ? 0 : -1;
}

static int close_recorded(void **state) {
    (void)state;
    json_decref(recorded);
    return 0;
}

/* Adds a tensor of a shape that suits kind: w a convolution, W a 1x1 one or, where linear, its matrix, b a vector. */
static void add(lt_tensor_list *list, const char *name, char kind, bool linear, size_t number) {
    lt_tensor t = {.dtype = LT_F16, .data = (const void *)(uintptr_t)number};
    const size_t kernel = kind == 'W' ? 1 : 3;
    t.rank = kind == 'b' ? 1 : kind == 'W' && linear ? 2 : 4;
    for (int i = 0; i < t.rank; i++) t.shape[i] = i < 2 ? 8 : kernel;
    lt_tensor_set_contiguous(&t);
    assert_ok(lt_tensor_list_add(list, name, &t));
}

/* One model of one configuration, as both worlds have it; equal numbers for equal tensors. Both lists are sorted. */
static void recorded_pairs(const char *config, const char *model, const char *prefix, lt_tensor_list *ldm,
                           lt_tensor_list *diffusers) {
    const json_t *rows = json_object_get(json_object_get(recorded, config), model);
    assert_true(json_array_size(rows) > 0);
    *ldm = *diffusers = (lt_tensor_list){0};
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        for (const char *kind = json_string_value(json_array_get(row, 2)); *kind; kind++) {
            const char *end = *kind == 'b' ? "bias" : "weight";
            char name[256];
            snprintf(name, sizeof name, "%s%s.%s", prefix, json_string_value(json_array_get(row, 0)), end);
            add(ldm, name, *kind, false, ldm->count + 1);
            snprintf(name, sizeof name, "%s.%s", json_string_value(json_array_get(row, 1)), end);
            add(diffusers, name, *kind, true, diffusers->count + 1);
        }
    }
    lt_tensor_list_sort(ldm);
    lt_tensor_list_sort(diffusers);
}

static void assert_same(const lt_tensor_list *got, const lt_tensor_list *expected) {
    assert_int_equal(got->count, expected->count);
    for (size_t i = 0; i < got->count; i++) {
        const lt_tensor *a = &got->tensors[i], *b = &expected->tensors[i];
        assert_string_equal(a->name, b->name);
        assert_ptr_equal(a->data, b->data);
        assert_true(lt_tensor_has_shape(a, b->rank, b->shape));
        assert_true(lt_tensor_contiguous(a));
    }
}

static const struct {
    const char *config, *model;
    lt_role role;
} cases[] = {
    {"sd15", "unet", LT_ROLE_UNET}, {"sd15", "vae", LT_ROLE_VAE}, {"sd15", "text", LT_ROLE_TEXT},
    {"odd", "unet", LT_ROLE_UNET},  {"odd", "vae", LT_ROLE_VAE},  {"odd", "text", LT_ROLE_TEXT},
    {"xl", "unet", LT_ROLE_UNET},
};

static void diffusers_names_become_canonical(void **state) {
    (void)state;
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_tensor_list ldm, diffusers, got = {0};
        size_t ignored = 0;
        recorded_pairs(cases[i].config, cases[i].model, lt_role_prefix(cases[i].role), &ldm, &diffusers);
        assert_ok(lt_names_add(&got, diffusers.tensors, diffusers.count, LT_ROLES_ALL, false, &ignored));
        assert_same(&got, &ldm);
        assert_int_equal(ignored, 0);
        lt_tensor_list_free(&got);
        lt_tensor_list_free(&ldm);
        lt_tensor_list_free(&diffusers);
    }
}

/* The text encoder is written with "text_model.", as transformers did until version 5 and as everybody reads it. */
static void canonical_names_become_diffusers(void **state) {
    (void)state;
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_tensor_list ldm, diffusers, got, back = {0};
        recorded_pairs(cases[i].config, cases[i].model, lt_role_prefix(cases[i].role), &ldm, &diffusers);
        assert_ok(lt_names_to_diffusers(ldm.tensors, ldm.count, cases[i].role, &got));
        if (cases[i].role != LT_ROLE_TEXT) assert_same(&got, &diffusers);
        for (size_t k = 0; k < got.count && cases[i].role == LT_ROLE_TEXT; k++)
            assert_string_equal(got.tensors[k].name + strlen("text_model."), diffusers.tensors[k].name);
        assert_ok(lt_names_add(&back, got.tensors, got.count, LT_ROLES_ALL, false, NULL));
        assert_same(&back, &ldm);
        lt_tensor_list_free(&back);
        lt_tensor_list_free(&got);
        lt_tensor_list_free(&ldm);
        lt_tensor_list_free(&diffusers);
    }
}

/* Another number of blocks at each level: 1, 3, 2, with attention at the second. */
static void uneven_levels_are_counted(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {"down_blocks.0.resnets.0.conv1.weight", "input_blocks.1.0.in_layers.2.weight"},
        {"down_blocks.0.downsamplers.0.conv.bias", "input_blocks.2.0.op.bias"},
        {"down_blocks.1.attentions.2.proj_in.weight", "input_blocks.5.1.proj_in.weight"},
        {"down_blocks.2.resnets.1.norm2.bias", "input_blocks.8.0.out_layers.0.bias"},
        {"up_blocks.0.upsamplers.0.conv.weight", "output_blocks.2.1.conv.weight"},
        {"up_blocks.1.upsamplers.0.conv.weight", "output_blocks.6.2.conv.weight"},
        {"up_blocks.2.resnets.1.conv_shortcut.weight", "output_blocks.8.0.skip_connection.weight"},
    };
    const json_t *names = json_object_get(recorded, "uneven");
    lt_tensor_list diffusers = {0}, ldm = {0}, back;
    for (size_t i = 0; i < json_array_size(names); i++)
        add(&diffusers, json_string_value(json_array_get(names, i)), 'w', true, i + 1);
    lt_tensor_list_sort(&diffusers);
    assert_ok(lt_names_add(&ldm, diffusers.tensors, diffusers.count, LT_ROLES_ALL, false, NULL));
    assert_int_equal(ldm.count, json_array_size(names));
    for (size_t i = 0; i < LT_COUNT(pairs); i++) {
        char name[128];
        snprintf(name, sizeof name, "model.diffusion_model.%s", pairs[i][1]);
        const lt_tensor *from = lt_tensor_find(diffusers.tensors, diffusers.count, pairs[i][0]);
        const lt_tensor *to = lt_tensor_find(ldm.tensors, ldm.count, name);
        assert_non_null(from);
        assert_non_null(to);
        assert_ptr_equal(from->data, to->data);
    }
    assert_ok(lt_names_to_diffusers(ldm.tensors, ldm.count, LT_ROLE_UNET, &back));
    assert_same(&back, &diffusers);
    lt_tensor_list_free(&diffusers);
    lt_tensor_list_free(&ldm);
    lt_tensor_list_free(&back);
}

/* ---- Whole checkpoints ---- */

/* Every tensor of a checkpoint is known, and its names are those that were recorded. */
static void a_checkpoint_is_canonical(void **state) {
    (void)state;
    static const char *const models[] = {"unet", "vae", "text"};
    static const lt_role roles[] = {LT_ROLE_UNET, LT_ROLE_VAE, LT_ROLE_TEXT};
    lt_tensor_list file, got = {0};
    size_t ignored = 0, recorded_count = 0;
    assert_ok(lt_sd_list(lt_synthetic_sd_find("sd15"), LT_ROLES_ALL, &file));
    lt_tensor_list_sort(&file);
    assert_ok(lt_names_add(&got, file.tensors, file.count, LT_ROLES_ALL, false, &ignored));
    assert_int_equal(file.count, 1130);
    assert_same(&got, &file);
    assert_int_equal(ignored, 0);
    for (size_t i = 0; i < LT_COUNT(models); i++) {
        lt_tensor_list ldm, diffusers;
        recorded_pairs("sd15", models[i], lt_role_prefix(roles[i]), &ldm, &diffusers);
        for (size_t k = 0; k < ldm.count; k++)
            assert_non_null(lt_tensor_find(got.tensors, got.count, ldm.tensors[k].name));
        recorded_count += ldm.count;
        lt_tensor_list_free(&ldm);
        lt_tensor_list_free(&diffusers);
    }
    assert_int_equal(recorded_count, 1130);
    lt_tensor_list_free(&got);
    lt_tensor_list_free(&file);
}

static void roles_are_taken_one_by_one(void **state) {
    (void)state;
    lt_tensor_list file, all = {0}, parts = {0};
    size_t ignored = 0;
    assert_ok(lt_sd_list(lt_synthetic_sd_find("tiny"), LT_ROLES_ALL, &file));
    lt_tensor_list_sort(&file);
    assert_ok(lt_names_add(&parts, file.tensors, file.count, 1u << LT_ROLE_VAE, false, &ignored));
    assert_int_equal(parts.count, 248);
    assert_int_equal(ignored, file.count - 248);
    assert_ok(lt_names_add(&parts, file.tensors, file.count, 1u << LT_ROLE_UNET | 1u << LT_ROLE_TEXT, false, NULL));
    assert_ok(lt_names_add(&all, file.tensors, file.count, LT_ROLES_ALL, false, NULL));
    assert_same(&parts, &all);
    lt_tensor_list_free(&file);
    lt_tensor_list_free(&all);
    lt_tensor_list_free(&parts);
}

/* The tensors of file that begin with prefix, and that prefix replaced. */
static void part_of(const lt_tensor_list *file, const char *prefix, const char *by, lt_tensor_list *part) {
    *part = (lt_tensor_list){0};
    for (size_t i = 0; i < file->count; i++) {
        char name[256];
        if (strncmp(file->tensors[i].name, prefix, strlen(prefix)) != 0) continue;
        snprintf(name, sizeof name, "%s%s", by, file->tensors[i].name + strlen(prefix));
        assert_ok(lt_tensor_list_add(part, name, &file->tensors[i]));
    }
    lt_tensor_list_sort(part);
}

/* Parts of a checkpoint as they are published, with the prefixes that occur, and what each is said to be. */
static void prefixes_are_told(void **state) {
    (void)state;
    static const char *const text = "cond_stage_model.transformer.text_model.";
    const struct {
        const char *prefix, *by, *layout;
    } files[] = {
        {"model.diffusion_model.", "model.diffusion_model.", "LDM checkpoint: U-Net"},
        {"model.diffusion_model.", "diffusion_model.", "LDM checkpoint: U-Net"},
        {"model.diffusion_model.", "", "LDM checkpoint: U-Net"},
        {"first_stage_model.", "", "LDM checkpoint: VAE"},
        {"first_stage_model.", "first_stage_model.", "LDM checkpoint: VAE"},
        {text, text, "LDM checkpoint: text encoder"},
        {text, "cond_stage_model.transformer.", "LDM checkpoint: text encoder"},
        {text, "text_model.", "transformers: text encoder"},
        {text, "", "transformers: text encoder"},
    };
    lt_tensor_list file;
    assert_ok(lt_sd_list(lt_synthetic_sd_find("tiny"), LT_ROLES_ALL, &file));
    for (size_t i = 0; i < LT_COUNT(files); i++) {
        lt_tensor_list part, expected, got = {0};
        lt_layout layout;
        char description[128];
        part_of(&file, files[i].prefix, files[i].by, &part);
        part_of(&file, files[i].prefix, files[i].prefix, &expected);
        assert_ok(lt_layout_of(part.tensors, part.count, LT_ROLES_ALL, &layout));
        lt_layout_text(&layout, description, sizeof description);
        assert_string_equal(description, files[i].layout);
        assert_ok(lt_names_add(&got, part.tensors, part.count, LT_ROLES_ALL, false, NULL));
        assert_same(&got, &expected);
        lt_tensor_list_free(&got);
        lt_tensor_list_free(&part);
        lt_tensor_list_free(&expected);
    }
    lt_layout layout;
    char description[128];
    lt_tensor_list_sort(&file);
    assert_ok(lt_layout_of(file.tensors, file.count, LT_ROLES_ALL, &layout));
    lt_layout_text(&layout, description, sizeof description);
    assert_string_equal(description, "LDM checkpoint: text encoder, VAE, U-Net");
    lt_tensor_list_free(&file);
}

/* A VAE's decoder alone, in both worlds. */
static void a_decoder_is_enough(void **state) {
    (void)state;
    lt_tensor_list ldm, diffusers, half, got = {0}, back;
    recorded_pairs("odd", "vae", "first_stage_model.", &ldm, &diffusers);
    part_of(&ldm, "first_stage_model.decoder.", "first_stage_model.decoder.", &half);
    assert_ok(lt_names_to_diffusers(half.tensors, half.count, LT_ROLE_VAE, &back));
    assert_int_equal(back.count, half.count);
    for (size_t i = 0; i < back.count; i++)
        assert_ptr_equal(lt_tensor_find(diffusers.tensors, diffusers.count, back.tensors[i].name)->data,
                         back.tensors[i].data);
    assert_ok(lt_names_add(&got, back.tensors, back.count, LT_ROLES_ALL, false, NULL));
    assert_same(&got, &half);
    lt_tensor_list_free(&ldm);
    lt_tensor_list_free(&diffusers);
    lt_tensor_list_free(&half);
    lt_tensor_list_free(&got);
    lt_tensor_list_free(&back);
}

/* query, key, value, proj_attn, as diffusers called them at first, as matrices or as 1x1 convolutions. */
static void old_attention_names_are_read(void **state) {
    (void)state;
    static const char *const renamed[][2] = {
        {"to_q", "query"}, {"to_k", "key"}, {"to_v", "value"}, {"to_out.0", "proj_attn"}};
    for (int convolution = 0; convolution < 2; convolution++) {
        lt_tensor_list ldm, diffusers, old = {0}, got = {0};
        recorded_pairs("sd15", "vae", "first_stage_model.", &ldm, &diffusers);
        size_t changed = 0;
        for (size_t i = 0; i < diffusers.count; i++) {
            lt_tensor t = diffusers.tensors[i];
            char name[256];
            snprintf(name, sizeof name, "%s", t.name);
            for (size_t k = 0; k < LT_COUNT(renamed); k++) {
                char *at = strstr(name, renamed[k][0]), tail[16];
                if (!at) continue;
                snprintf(tail, sizeof tail, "%s", at + strlen(renamed[k][0]));
                snprintf(at, sizeof name - (size_t)(at - name), "%s%s", renamed[k][1], tail);
                changed++;
            }
            if (convolution && t.rank == 2) {
                t.rank = 4;
                t.shape[2] = t.shape[3] = t.stride[2] = t.stride[3] = 1;
            }
            assert_ok(lt_tensor_list_add(&old, name, &t));
        }
        assert_int_equal(changed, 16);
        lt_tensor_list_sort(&old);
        assert_ok(lt_names_add(&got, old.tensors, old.count, LT_ROLES_ALL, false, NULL));
        assert_same(&got, &ldm);
        lt_tensor_list_free(&ldm);
        lt_tensor_list_free(&diffusers);
        lt_tensor_list_free(&old);
        lt_tensor_list_free(&got);
    }
}

/* A CLIP of two towers keeps its names, and its text tower is not taken for a text encoder. */
/* diffusers' scripts leave its names of the VAE's attention in files of LDM's layout, as matrices. */
static void modules_may_have_the_other_name(void **state) {
    (void)state;
    static const char *const renamed[][3] = {{".q.", ".to_q.", ".query."},
                                             {".k.", ".to_k.", ".key."},
                                             {".v.", ".to_v.", ".value."},
                                             {".proj_out.", ".to_out.0.", ".proj_attn."},
                                             {"attn_1.norm.", "attn_1.group_norm.", "attn_1.group_norm."},
                                             {".nin_shortcut.", ".conv_shortcut.", ".conv_shortcut."}};
    for (int old = 0; old < 2; old++) {
        lt_tensor_list ldm, diffusers, file = {0}, got = {0};
        recorded_pairs("sd15", "vae", "first_stage_model.", &ldm, &diffusers);
        size_t changed = 0;
        for (size_t i = 0; i < ldm.count; i++) {
            lt_tensor t = ldm.tensors[i];
            char name[256];
            snprintf(name, sizeof name, "%s", t.name);
            for (size_t k = 0; k < LT_COUNT(renamed); k++) {
                char *at = strstr(name, renamed[k][0]), tail[128];
                if (!at) continue;
                snprintf(tail, sizeof tail, "%s", at + strlen(renamed[k][0]));
                snprintf(at, sizeof name - (size_t)(at - name), "%s%s", renamed[k][1 + old], tail);
                changed++;
            }
            if (strstr(name, ".attn_1.") && t.rank == 4 && t.shape[2] == 1) t.rank = 2;
            assert_ok(lt_tensor_list_add(&file, name, &t));
        }
        assert_int_equal(changed, 28); /* 20 in the attention blocks, 8 shortcuts */
        lt_tensor_list_sort(&file);
        assert_ok(lt_names_add(&got, file.tensors, file.count, LT_ROLES_ALL, false, NULL));
        assert_same(&got, &ldm);
        lt_tensor_list_free(&ldm);
        lt_tensor_list_free(&diffusers);
        lt_tensor_list_free(&file);
        lt_tensor_list_free(&got);
    }
}

/* A U-Net that is there as an average alone is the model, whether it is asked for or not. */
static void an_average_alone_is_the_model(void **state) {
    (void)state;
    static const char *const configs[] = {"sd15", "odd"};
    for (size_t k = 0; k < 2 * LT_COUNT(configs); k++) {
        lt_tensor_list ldm, diffusers, file = {0}, got = {0};
        recorded_pairs(configs[k / 2], "unet", "model.diffusion_model.", &ldm, &diffusers);
        for (size_t i = 0; i < ldm.count; i++) {
            char ema[256];
            assert_true(lt_ema_name(ldm.tensors[i].name, ema, sizeof ema));
            assert_ok(lt_tensor_list_add(&file, ema, &ldm.tensors[i]));
        }
        add(&file, "model_ema.decay", 'b', false, 1);
        lt_tensor_list_sort(&file);
        assert_ok(lt_names_add(&got, file.tensors, file.count, LT_ROLES_ALL, k % 2, NULL));
        assert_same(&got, &ldm);
        lt_tensor_list_free(&ldm);
        lt_tensor_list_free(&diffusers);
        lt_tensor_list_free(&file);
        lt_tensor_list_free(&got);
    }
}

static void clip_keeps_its_names(void **state) {
    (void)state;
    lt_tensor_list file, got = {0}, back;
    lt_layout layout;
    char description[128];
    size_t ignored = 0;
    assert_ok(lt_clip_list(lt_synthetic_clip_find("tiny"), &file));
    const size_t count = file.count;
    add(&file, "text_model.embeddings.position_ids", 'b', false, 1);
    add(&file, "vision_model.embeddings.position_ids", 'b', false, 2);
    lt_tensor_list_sort(&file);
    assert_ok(lt_layout_of(file.tensors, file.count, LT_ROLES_ALL, &layout));
    lt_layout_text(&layout, description, sizeof description);
    assert_string_equal(description, "transformers: CLIP");
    assert_ok(lt_names_add(&got, file.tensors, file.count, LT_ROLES_ALL, false, &ignored));
    assert_int_equal(ignored, 2);
    assert_int_equal(got.count, count);
    for (size_t i = 0; i < got.count; i++)
        assert_non_null(lt_tensor_find(file.tensors, file.count, got.tensors[i].name));
    assert_ok(lt_names_to_diffusers(got.tensors, got.count, LT_ROLE_CLIP, &back));
    assert_same(&back, &got);
    lt_tensor_list_free(&back);
    lt_tensor_list_free(&got);
    lt_tensor_list_free(&file);
}

/* ---- What a real file holds besides ---- */

static void what_is_not_needed_is_counted(void **state) {
    (void)state;
    static const char *const extra[] = {"alphas_cumprod",
                                        "betas",
                                        "cond_stage_model.logit_scale",
                                        "cond_stage_model.transformer.text_model.embeddings.position_ids",
                                        "first_stage_model.loss.discriminator.main.0.weight",
                                        "model_ema.decay",
                                        "model_ema.diffusion_modelout2weight",
                                        "model.diffusion_model.input_blocks.99999999999999999999.0.weight",
                                        "model.diffusion_model.outside"};
    lt_tensor_list file, got = {0};
    size_t ignored = 0;
    assert_ok(lt_sd_list(lt_synthetic_sd_find("tiny"), LT_ROLES_ALL, &file));
    const size_t count = file.count;
    for (size_t i = 0; i < LT_COUNT(extra); i++) add(&file, extra[i], 'b', false, 1);
    lt_tensor_list_sort(&file);
    assert_ok(lt_names_add(&got, file.tensors, file.count, LT_ROLES_ALL, false, &ignored));
    assert_int_equal(got.count, count);
    assert_int_equal(ignored, LT_COUNT(extra));
    lt_tensor_list_free(&got);
    lt_tensor_list_free(&file);
}

static void averages_take_the_place_of_weights(void **state) {
    (void)state;
    lt_tensor_list ldm, diffusers, file = {0}, got = {0};
    recorded_pairs("odd", "unet", "model.diffusion_model.", &ldm, &diffusers);
    for (size_t i = 0; i < ldm.count; i++) {
        lt_tensor t = ldm.tensors[i];
        char ema[256];
        assert_true(lt_ema_name(t.name, ema, sizeof ema));
        assert_ok(lt_tensor_list_add(&file, t.name, &t));
        t.data = (const void *)((uintptr_t)t.data + 10000);
        assert_ok(lt_tensor_list_add(&file, ema, &t));
    }
    lt_tensor_list_sort(&file);
    assert_non_null(lt_tensor_find(file.tensors, file.count, "model_ema.diffusion_modelinput_blocks00weight"));
    assert_ok(lt_names_add(&got, file.tensors, file.count, LT_ROLES_ALL, true, NULL));
    for (size_t i = 0; i < ldm.count; i++) ldm.tensors[i].data = (const void *)((uintptr_t)ldm.tensors[i].data + 10000);
    assert_same(&got, &ldm);
    lt_tensor_list_free(&got);

    /* A misshapen average, one that is missing, and files that have none. */
    lt_tensor *one =
        (lt_tensor *)(uintptr_t)lt_tensor_find(file.tensors, file.count, "model_ema.diffusion_modelout2weight");
    one->shape[0]++;
    assert_int_equal(lt_names_add(&got, file.tensors, file.count, LT_ROLES_ALL, true, NULL), LT_ERROR_MODEL);
    assert_non_null(
        strstr(lt_error_message(), "model_ema.diffusion_modelout2weight has shape [9,8,3,3], expected [8,8,3,3]"));
    assert_int_equal(lt_names_add(&got, ldm.tensors, ldm.count, LT_ROLES_ALL, true, NULL), LT_ERROR_MODEL);
    assert_non_null(strstr(lt_error_message(), "model_ema.diffusion_modelinput_blocks00bias"));
    assert_int_equal(lt_names_add(&got, diffusers.tensors, diffusers.count, LT_ROLES_ALL, true, NULL), LT_ERROR_MODEL);
    assert_int_equal(got.count, 0);
    assert_null(got.tensors);
    lt_tensor_list_free(&file);
    lt_tensor_list_free(&ldm);
    lt_tensor_list_free(&diffusers);
}

static void average_names_fit_or_are_refused(void **state) {
    (void)state;
    char text[64];
    assert_true(lt_ema_name("model.diffusion_model.out.2.weight", text, sizeof text));
    assert_string_equal(text, "model_ema.diffusion_modelout2weight");
    const size_t size = strlen(text) + 1;
    assert_true(lt_ema_name("model.diffusion_model.out.2.weight", text, size));
    for (size_t small = 0; small < size; small++)
        assert_false(lt_ema_name("model.diffusion_model.out.2.weight", text, small));
    assert_false(lt_ema_name("first_stage_model.encoder.conv_in.weight", text, sizeof text));
}

/* ---- Failures ---- */

static void unknown_files_are_refused_by_name(void **state) {
    (void)state;
    lt_tensor_list file = {0}, got = {0};
    lt_layout layout;
    assert_int_equal(lt_layout_of(NULL, 0, LT_ROLES_ALL, &layout), LT_ERROR_MODEL);
    add(&file, "transformer.wte.weight", 'w', false, 1);
    assert_int_equal(lt_names_add(&got, file.tensors, file.count, LT_ROLES_ALL, false, NULL), LT_ERROR_MODEL);
    assert_non_null(strstr(lt_error_message(), "names of none (the first of 1 is transformer.wte.weight)"));
    add(&file, "encoder.down.0.block.0.norm1.weight", 'b', false, 1);
    lt_tensor_list_sort(&file);
    assert_int_equal(lt_names_add(&got, file.tensors, file.count, 1u << LT_ROLE_UNET, false, NULL), LT_ERROR_MODEL);
    assert_non_null(strstr(lt_error_message(), "LDM checkpoint: VAE"));
    lt_tensor_list_free(&file);
}

static void two_names_for_one_tensor_are_refused(void **state) {
    (void)state;
    lt_tensor_list ldm, diffusers, got = {0};
    recorded_pairs("odd", "vae", "first_stage_model.", &ldm, &diffusers);
    add(&diffusers, "encoder.mid_block.attentions.0.query.weight", 'W', true, 1);
    lt_tensor_list_sort(&diffusers);
    assert_int_equal(lt_names_add(&got, diffusers.tensors, diffusers.count, LT_ROLES_ALL, false, NULL), LT_ERROR_MODEL);
    assert_non_null(strstr(lt_error_message(), "first_stage_model.encoder.mid.attn_1.q.weight is there twice"));
    lt_tensor_list_free(&ldm);
    lt_tensor_list_free(&diffusers);
}

/* Numbers that no model has, in names of strangers. */
static void absurd_numbers_are_refused(void **state) {
    (void)state;
    static const char *const names[][2] = {
        {"down_blocks.0.resnets.0.norm1.weight", "down_blocks.8.resnets.0.norm1.weight"},
        {"down_blocks.0.resnets.0.norm1.weight", "down_blocks.0.resnets.32.norm1.weight"},
        {"down_blocks.0.resnets.0.norm1.weight", "down_blocks.2.resnets.0.norm1.weight"}, /* 1 is empty */
        {"encoder.down.0.block.0.norm1.weight", "encoder.down.300.block.0.norm1.weight"},
        {"decoder.up.0.block.0.norm1.weight", "decoder.up.0.block.500.norm1.weight"},
        {"input_blocks.0.0.weight", "input_blocks.255.0.in_layers.0.weight"},
        {"input_blocks.0.0.weight", "input_blocks.1.0.op.weight"},
    };
    for (size_t i = 0; i < LT_COUNT(names); i++) {
        lt_tensor_list file = {0}, got = {0};
        add(&file, names[i][0], 'b', false, 1);
        add(&file, names[i][1], 'b', false, 1);
        lt_tensor_list_sort(&file);
        assert_int_equal(lt_names_add(&got, file.tensors, file.count, LT_ROLES_ALL, false, NULL), LT_ERROR_MODEL);
        assert_non_null(strstr(lt_error_message(), "are possible"));
        lt_tensor_list_free(&file);
    }
    /* The most that is possible: every level with every block. */
    lt_tensor_list file = {0}, got = {0};
    for (int level = 0; level < LT_MAX_LEVELS; level++) {
        for (int j = 0; j < LT_MAX_BLOCKS; j++) {
            char name[64];
            snprintf(name, sizeof name, "down_blocks.%d.resnets.%d.norm1.weight", level, j);
            add(&file, name, 'b', false, 1);
            snprintf(name, sizeof name, "down_blocks.%d.attentions.%d.norm.weight", level, j);
            add(&file, name, 'b', false, 1);
        }
    }
    lt_tensor_list_sort(&file);
    assert_ok(lt_names_add(&got, file.tensors, file.count, LT_ROLES_ALL, false, NULL));
    assert_int_equal(got.count, 2 * LT_MAX_LEVELS * LT_MAX_BLOCKS);
    lt_tensor_list_free(&got);
    lt_tensor_list_free(&file);
}

static void each_allocation_may_fail(void **state) {
    (void)state;
    lt_tensor_list ldm, diffusers, got = {0};
    recorded_pairs("odd", "vae", "first_stage_model.", &ldm, &diffusers);
    size_t failed = 0;
    for (bool more = true; more; failed++) {
        lt_alloc_fail_at(failed);
        const lt_status status = lt_names_add(&got, diffusers.tensors, diffusers.count, LT_ROLES_ALL, false, NULL);
        more = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        assert_int_equal(status, more ? LT_ERROR_MEMORY : LT_OK);
        lt_tensor_list_free(&got);
    }
    assert_true(failed > diffusers.count);
    failed = 0;
    for (bool more = true; more; failed++) {
        lt_alloc_fail_at(failed);
        const lt_status status = lt_names_to_diffusers(ldm.tensors, ldm.count, LT_ROLE_VAE, &got);
        more = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        assert_int_equal(status, more ? LT_ERROR_MEMORY : LT_OK);
        lt_tensor_list_free(&got);
    }
    lt_tensor_list_free(&ldm);
    lt_tensor_list_free(&diffusers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(diffusers_names_become_canonical),
        cmocka_unit_test(canonical_names_become_diffusers),
        cmocka_unit_test(uneven_levels_are_counted),
        cmocka_unit_test(a_checkpoint_is_canonical),
        cmocka_unit_test(roles_are_taken_one_by_one),
        cmocka_unit_test(prefixes_are_told),
        cmocka_unit_test(a_decoder_is_enough),
        cmocka_unit_test(old_attention_names_are_read),
        cmocka_unit_test(modules_may_have_the_other_name),
        cmocka_unit_test(an_average_alone_is_the_model),
        cmocka_unit_test(clip_keeps_its_names),
        cmocka_unit_test(what_is_not_needed_is_counted),
        cmocka_unit_test(averages_take_the_place_of_weights),
        cmocka_unit_test(average_names_fit_or_are_refused),
        cmocka_unit_test(unknown_files_are_refused_by_name),
        cmocka_unit_test(two_names_for_one_tensor_are_refused),
        cmocka_unit_test(absurd_numbers_are_refused),
        cmocka_unit_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, open_recorded, close_recorded);
}
