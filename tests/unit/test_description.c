/* Descriptions of models: the published U-Nets and VAE are told from names and shapes alone, in both namings, and give
 * the list of tensors that diffusers' own model has (told by its FNV-1a hash); the forward pass asks for each of them.
 */
#include "exporting.h"
#include "formats/diffusers.h"
#include "kernels/layout.h"
#include "models/architecture.h"
#include "modules.h"
#include "pipeline/denoiser.h"

/* ---- Lists ---- */

static const lt_sd_architecture published[] = {
    {.name = "SD 1.5",
     .unet = {.in_channels = 4,
              .out_channels = 4,
              .channels = 320,
              .levels = 4,
              .level = {{320, 2, 1}, {640, 2, 1}, {1280, 2, 1}, {1280, 2, 0}},
              .middle_depth = 1,
              .context_dim = 768}},
    {.name = "SD 2.1",
     .unet = {.in_channels = 4,
              .out_channels = 4,
              .channels = 320,
              .levels = 4,
              .level = {{320, 2, 1}, {640, 2, 1}, {1280, 2, 1}, {1280, 2, 0}},
              .middle_depth = 1,
              .context_dim = 1024,
              .linear = true}},
    {.name = "SDXL",
     .unet = {.in_channels = 4,
              .out_channels = 4,
              .channels = 320,
              .levels = 3,
              .level = {{320, 2, 0}, {640, 2, 2}, {1280, 2, 10}},
              .middle_depth = 10,
              .context_dim = 2048,
              .vector_dim = 2816,
              .linear = true}},
    {.name = "SDXL's refiner",
     .unet = {.in_channels = 4,
              .out_channels = 4,
              .channels = 384,
              .levels = 4,
              .level = {{384, 2, 0}, {768, 2, 4}, {1536, 2, 4}, {1536, 2, 0}},
              .middle_depth = 4,
              .context_dim = 1280,
              .vector_dim = 2560,
              .linear = true}},
    {.name = "SSD-1B",
     .unet = {.in_channels = 4,
              .out_channels = 4,
              .channels = 320,
              .levels = 3,
              .level = {{320, 2, 0}, {640, 2, 2}, {1280, 2, 4}},
              .deeper = {[LT_WAY_UP] = {[1] = {0, -1, -1}, [2] = {0, 0, 6}}},
              .middle = LT_MIDDLE_ONE,
              .context_dim = 2048,
              .vector_dim = 2816,
              .linear = true}},
    {.name = "Vega",
     .unet = {.in_channels = 4,
              .out_channels = 4,
              .channels = 320,
              .levels = 3,
              .level = {{320, 2, 0}, {640, 2, 1}, {1280, 2, 2}},
              .middle = LT_MIDDLE_ONE,
              .context_dim = 2048,
              .vector_dim = 2816,
              .linear = true}},
    {.name = "KOALA-700M",
     .unet = {.in_channels = 4,
              .out_channels = 4,
              .channels = 320,
              .levels = 3,
              .level = {{320, 1, 0}, {640, 1, 2}, {1280, 1, 5}},
              .middle = LT_MIDDLE_NONE,
              .context_dim = 2048,
              .vector_dim = 2816,
              .linear = true}},
    {.name = "KOALA-1B",
     .unet = {.in_channels = 4,
              .out_channels = 4,
              .channels = 320,
              .levels = 3,
              .level = {{320, 1, 0}, {640, 1, 2}, {1280, 1, 6}},
              .middle_depth = 6,
              .context_dim = 2048,
              .vector_dim = 2816,
              .linear = true}},
    {.name = "BK-SDM base, Segmind small",
     .unet = {.in_channels = 4,
              .out_channels = 4,
              .channels = 320,
              .levels = 4,
              .level = {{320, 1, 1}, {640, 1, 1}, {1280, 1, 1}, {1280, 1, 0}},
              .middle_depth = 1,
              .context_dim = 768}},
    {.name = "BK-SDM small",
     .unet = {.in_channels = 4,
              .out_channels = 4,
              .channels = 320,
              .levels = 4,
              .level = {{320, 1, 1}, {640, 1, 1}, {1280, 1, 1}, {1280, 1, 0}},
              .middle = LT_MIDDLE_NONE,
              .context_dim = 768}},
    {.name = "BK-SDM tiny, Segmind tiny",
     .unet = {.in_channels = 4,
              .out_channels = 4,
              .channels = 320,
              .levels = 3,
              .level = {{320, 1, 1}, {640, 1, 1}, {1280, 1, 1}},
              .middle = LT_MIDDLE_NONE,
              .context_dim = 768}},
    {.name = "SDXS 0.9",
     .unet = {.in_channels = 4,
              .out_channels = 4,
              .channels = 320,
              .levels = 3,
              .level = {{320, 1, 1}, {640, 1, 1}, {1280, 1, 1}},
              .middle = LT_MIDDLE_NONE,
              .context_dim = 1024,
              .linear = true,
              .crossed = {true}}},
    {.name = "SDXS of DreamShaper",
     .unet = {.in_channels = 4,
              .out_channels = 4,
              .channels = 320,
              .levels = 3,
              .level = {{320, 1, 0}, {640, 1, 1}, {1280, 1, 1}},
              .middle = LT_MIDDLE_NONE,
              .context_dim = 768}},
    {.name = "LCM of DreamShaper",
     .unet = {.in_channels = 4,
              .out_channels = 4,
              .channels = 320,
              .levels = 4,
              .level = {{320, 2, 1}, {640, 2, 1}, {1280, 2, 1}, {1280, 2, 0}},
              .middle_depth = 1,
              .context_dim = 768,
              .scale_dim = 256}},
    {.name = "LCM of SSD-1B",
     .unet = {.in_channels = 4,
              .out_channels = 4,
              .channels = 320,
              .levels = 3,
              .level = {{320, 2, 0}, {640, 2, 2}, {1280, 2, 4}},
              .deeper = {[LT_WAY_UP] = {[1] = {0, -1, -1}, [2] = {0, 0, 6}}},
              .middle = LT_MIDDLE_ONE,
              .context_dim = 2048,
              .vector_dim = 2816,
              .scale_dim = 256,
              .linear = true}},
};

static const struct {
    size_t tensors, parameters;
    uint64_t hash; /* of the sorted lines "name [shape]" */
    int heads, head_size;
} expected[] = {
    {686, 859520964, 0x321be721eb6e95a6, 8, 0},    {686, 865910724, 0x7e3d6441326d730e, 0, 64},
    {1680, 2567463684, 0xeb0c53c1e39508f0, 0, 64}, {1220, 2259526660, 0x872d2b08327c4062, 0, 64},
    {944, 1331334404, 0xf43d8be542b30539, 0, 64},  {564, 745225604, 0x63d3108452e71c68, 0, 64},
    {584, 782822724, 0xba2309fd1d8b1c7d, 0, 64},   {790, 1161184324, 0xd420272e22972a5d, 0, 64},
    {442, 579384964, 0x751161844a5c20a1, 8, 0},    {396, 482346884, 0x58cb5d0c3cd48a19, 8, 0},
    {358, 323384964, 0xe84f59b3d18900a7, 8, 0},    {358, 328177284, 0x36f4abbe86fc7813, 0, 64},
    {280, 315746244, 0x4e597ad4ab53f722, 8, 0},    {687, 859602884, 0xa4fc294eaf995243, 8, 0},
    {945, 1331416324, 0xf59152d27ecc07b2, 0, 64},
};

static const lt_sd_architecture sd_vae = {.vae = {.latent_channels = 4,
                                                  .channels = 128,
                                                  .levels = 4,
                                                  .level = {{128, 2}, {256, 2}, {512, 2}, {512, 2}},
                                                  .attention = true,
                                                  .quant_conv = true,
                                                  .post_quant_conv = true,
                                                  .has_encoder = true}};

/* The canonical tensors and diffusers', both sorted. */
static void list_both(const lt_sd_architecture *config, lt_role role, lt_tensor_list *ldm, lt_tensor_list *diffusers) {
    assert_ok(lt_sd_list(config, 1u << role, ldm));
    lt_tensor_list_sort(ldm);
    assert_ok(lt_names_to_diffusers(ldm->tensors, ldm->count, role, diffusers));
}

static void assert_list(const lt_tensor_list *list, size_t tensors, size_t parameters, uint64_t expected_hash) {
    uint64_t hash = 0xCBF29CE484222325;
    size_t sum = 0;
    for (size_t i = 0; i < list->count; i++) {
        char shape[128], line[512];
        lt_tensor_shape_text(&list->tensors[i], shape, sizeof shape);
        snprintf(line, sizeof line, "%s %s\n", list->tensors[i].name, shape);
        for (const char *c = line; *c; c++) hash = (hash ^ (uint8_t)*c) * 0x100000001B3;
        sum += lt_tensor_count(&list->tensors[i]);
    }
    assert_int_equal(list->count, tensors);
    assert_int_equal(sum, parameters);
    assert_true(hash == expected_hash);
}

/* ---- U-Nets ---- */

static void lists_are_those_of_diffusers(void **state) {
    (void)state;
    for (size_t i = 0; i < LT_COUNT(published); i++) {
        lt_tensor_list ldm, diffusers;
        list_both(&published[i], LT_ROLE_UNET, &ldm, &diffusers);
        assert_list(&diffusers, expected[i].tensors, expected[i].parameters, expected[i].hash);
        lt_tensor_list_free(&ldm);
        lt_tensor_list_free(&diffusers);
    }
}

static void u_nets_are_told_from_names_and_shapes(void **state) {
    (void)state;
    for (size_t i = 0; i < LT_COUNT(published); i++) {
        lt_tensor_list list[LT_NAMINGS];
        list_both(&published[i], LT_ROLE_UNET, &list[LT_NAMING_LDM], &list[LT_NAMING_DIFFUSERS]);
        for (int naming = 0; naming < LT_NAMINGS; naming++) {
            const char *prefix = lt_role_prefix_in(LT_ROLE_UNET, (lt_naming)naming);
            const lt_names names =
                lt_names_of_tensors(list[naming].tensors, list[naming].count, prefix, published[i].name);
            lt_unet unet;
            memset(&unet, 0, sizeof unet);
            assert_ok(lt_unet_read(&names, (lt_naming)naming, &unet));
            assert_memory_equal(&unet, &published[i].unet, sizeof unet);
        }
        lt_tensor_list_free(&list[LT_NAMING_LDM]);
        lt_tensor_list_free(&list[LT_NAMING_DIFFUSERS]);
    }
}

/* A published U-Net of one block a level whose LDM names count two, as scripts that convert Stable Diffusion 1's write
 * them. */
static void blocks_that_were_left_out_stay_numbered(void **state) {
    (void)state;
    for (size_t i = 0; i < LT_COUNT(published); i++) {
        lt_sd_architecture spaced = published[i];
        lt_tensor_list ldm, diffusers;
        lt_unet unet;
        if (spaced.unet.level[0].blocks > 1) continue;
        spaced.unet.slots = 2;
        list_both(&spaced, LT_ROLE_UNET, &ldm, &diffusers);
        assert_list(&diffusers, expected[i].tensors, expected[i].parameters, expected[i].hash);
        assert_non_null(lt_tensor_find(ldm.tensors, ldm.count, "model.diffusion_model.output_blocks.2.1.conv.weight"));
        assert_non_null(lt_tensor_find(ldm.tensors, ldm.count, "model.diffusion_model.input_blocks.4.1.norm.weight"));
        memset(&unet, 0, sizeof unet);
        const lt_names names = lt_names_of_tensors(ldm.tensors, ldm.count, lt_role_prefix(LT_ROLE_UNET), "unet");
        assert_ok(lt_unet_read(&names, LT_NAMING_LDM, &unet));
        assert_memory_equal(&unet, &spaced.unet, sizeof unet);
        lt_tensor_list_free(&ldm);
        lt_tensor_list_free(&diffusers);
    }
}

static size_t count_used(const lt_graph *graph, const lt_weights *weights) {
    size_t used = 0;
    for (size_t i = 0; i < lt_weights_count(weights); i++) {
        const lt_weight *w = lt_weights_at(weights, i);
        bool found = false;
        for (size_t k = 0; k < graph->count && !found; k++)
            for (int j = 0; j < LT_MAX_WEIGHTS; j++) found = found || graph->nodes[k]->operation.weight[j] == w;
        used += found;
    }
    return used;
}

/* Nothing of a file is left unread, and nothing is asked for that a file lacks. */
static void the_forward_pass_reads_every_tensor(void **state) {
    (void)state;
    for (size_t i = 0; i < LT_COUNT(published); i++) {
        lt_tensor_list list;
        lt_weights *weights;
        lt_unet unet;
        lt_graph graph = {0};
        assert_ok(lt_sd_list(&published[i], 1u << LT_ROLE_UNET, &list));
        lt_tensor_list_sort(&list);
        assert_ok(lt_weights_create(list.tensors, list.count, &weights));
        assert_ok(lt_unet_open(weights, &unet));
        assert_int_equal(unet.heads, expected[i].heads);
        assert_int_equal(unet.head_size, expected[i].head_size);
        assert_ok(lt_unet_build(&unet, 1, 8, 8, 77, (lt_shortcuts){0}, (lt_additions){0}, &graph));
        assert_int_equal(count_used(&graph, weights), list.count);
        assert_int_equal(lt_graph_find(&graph, "y") != NULL, unet.vector_dim > 0);
        assert_int_equal(lt_graph_find(&graph, "timestep_cond") != NULL, unet.scale_dim > 0);
        lt_graph_free(&graph);
        lt_weights_free(weights);
        lt_tensor_list_free(&list);
    }
}

static void blocks_that_do_not_match_are_refused(void **state) {
    (void)state;
    lt_tensor_list list;
    lt_weights *weights;
    lt_unet unet;
    assert_ok(lt_sd_list(&published[0], 1u << LT_ROLE_UNET, &list));
    lt_tensor_list_sort(&list);
    lt_tensor_list more = {0};
    for (size_t i = 0; i < list.count; i++)
        if (!strstr(list.tensors[i].name, "output_blocks.11."))
            assert_ok(lt_tensor_list_add(&more, list.tensors[i].name, &list.tensors[i]));
    assert_ok(lt_weights_create(more.tensors, more.count, &weights));
    assert_int_equal(lt_unet_open(weights, &unet), LT_ERROR_MODEL);
    assert_string_equal(lt_error_message(), "unet: 11 output blocks do not match 12 input blocks");
    lt_weights_free(weights);
    lt_tensor_list_free(&list);
    lt_tensor_list_free(&more);
}

/* ---- Small ones of the same kinds, against diffusers ---- */

static void small_ones_are_those_of_diffusers(void **state) {
    (void)state;
    static const char *const families[][2] = {{"sd2", "tiny-sd2"}, {"xl", "tiny-xl"}};
    for (size_t i = 0; i < LT_COUNT(families); i++) {
        lt_session *session;
        assert_ok(open_session(synthetic_checkpoint(families[i][1]), NULL, &session));
        check_module(session, "unet", lt_name_of("%s/unet_t51.safetensors", families[i][0]).text, 1e-5);
        check_module(session, "unet", lt_name_of("%s/unet_t801.safetensors", families[i][0]).text, 1e-5);
        lt_session_close(session);
    }
}

/* ---- Distilled ones, in diffusers' names ---- */

#define DISTILLED_XL .context_dim = 192, .vector_dim = 1664, .linear = true
static const lt_sd_architecture distilled[] = {
    {.name = "ssd",
     .unet = {.levels = 3,
              .level = {{64, 2, 0}, {128, 2, 2}, {256, 2, 3}},
              .deeper = {[LT_WAY_UP] = {[1] = {0, -1, -1}, [2] = {0, 0, 2}}},
              .middle = LT_MIDDLE_ONE,
              DISTILLED_XL}},
    {.name = "koala",
     .unet = {.levels = 3, .level = {{64, 1, 0}, {128, 1, 2}, {256, 1, 3}}, .middle = LT_MIDDLE_NONE, DISTILLED_XL}},
    {.name = "bk_base",
     .unet = {.levels = 4,
              .level = {{64, 1, 1}, {128, 1, 1}, {256, 1, 1}, {256, 1, 0}},
              .middle_depth = 1,
              .context_dim = 64}},
    {.name = "bk_tiny",
     .unet =
         {.levels = 3, .level = {{64, 1, 1}, {128, 1, 1}, {256, 1, 1}}, .middle = LT_MIDDLE_NONE, .context_dim = 64}},
    {.name = "sdxs",
     .unet = {.levels = 3,
              .level = {{64, 1, 1}, {128, 1, 1}, {256, 1, 1}},
              .middle = LT_MIDDLE_NONE,
              .context_dim = 128,
              .linear = true,
              .crossed = {true}}},
    {.name = "lcm",
     .unet = {.levels = 4,
              .level = {{64, 2, 1}, {128, 2, 1}, {256, 2, 1}, {256, 2, 0}},
              .middle_depth = 1,
              .context_dim = 64,
              .scale_dim = 256}},
};

/* Synthetic weights, but for queries and keys, which are as loud as the rest: heads are 64 wide here. */
static lt_status fill_calmly(void *user, const lt_tensor *t, float *values) {
    (void)user;
    const size_t count = lt_tensor_count(t);
    lt_synthetic_values(t->name, t->rank, t->shape, 0, count, values);
    for (size_t i = 0; i < count && (strstr(t->name, ".to_q.") || strstr(t->name, ".to_k.")); i++) values[i] /= 2;
    return LT_OK;
}

static const char *write_distilled(lt_sd_architecture config) {
    const char *path = scratch_path("distilled.safetensors");
    lt_tensor_list own, list = {0};
    config.unet.in_channels = config.unet.out_channels = 4;
    config.unet.channels = 64;
    assert_ok(lt_sd_list(&config, 1u << LT_ROLE_UNET, &own));
    lt_tensor_list_sort(&own);
    assert_ok(lt_names_to_diffusers(own.tensors, own.count, LT_ROLE_UNET, &list));
    for (size_t i = 0; i < list.count; i++) list.tensors[i].dtype = LT_F16;
    assert_ok(lt_safetensors_write(path, list.tensors, list.count, NULL, 0, NULL, fill_calmly, NULL));
    lt_tensor_list_free(&own);
    lt_tensor_list_free(&list);
    return path;
}

static void distilled_ones_are_those_of_diffusers(void **state) {
    (void)state;
    for (size_t i = 0; i < LT_COUNT(distilled); i++) {
        lt_session *session;
        assert_ok(open_session(write_distilled(distilled[i]), NULL, &session));
        check_module(session, "unet", lt_name_of("small/%s.safetensors", distilled[i].name).text, 1e-5);
        lt_session_close(session);
    }
}

/* Its angles go up to 6500, of which float32 has three digits behind the point: 4e-5 off. */
static void a_scale_is_told_as_diffusers_tells_it(void **state) {
    (void)state;
    lt_checkpoint golden;
    float told[256];
    open_golden("small/lcm.safetensors", &golden);
    lt_embed_scale(7.5f, 256, told);
    assert_golden(&golden, "timestep_cond", told, 256, 1e-4);
    lt_checkpoint_close(&golden);
}

/* Sample i of a recorded run as a branch of its own: its context and its vector. */
static void record_branch(const lt_checkpoint *golden, size_t i, lt_branch *branch) {
    size_t contexts, vectors;
    float *context = golden_values(golden, "context", &contexts), *y = golden_values(golden, "y", &vectors);
    *branch = (lt_branch){
        .context = {lt_alloc(contexts / 2 * sizeof(float)), 77, 192, lt_alloc(vectors / 2 * sizeof(float))}};
    assert_non_null(branch->context.values);
    assert_non_null(branch->context.vector);
    memcpy(branch->context.values, context + i * contexts / 2, contexts / 2 * sizeof(float));
    memcpy(branch->context.vector, y + i * vectors / 2, vectors / 2 * sizeof(float));
    free(context);
    free(y);
}

/* A context's vector, against diffusers'. */
static void a_context_has_a_vector(void **state) {
    (void)state;
    enum { COUNT = 4 * 16 * 16, PIXELS = 16 * 16 };
    lt_checkpoint golden;
    lt_session *session;
    size_t count, two;
    open_golden("xl/unet_t51.safetensors", &golden);
    assert_ok(open_session(synthetic_checkpoint("tiny-xl"), NULL, &session));
    float *x = golden_values(&golden, "x", &count), *out = golden_values(&golden, "out", &count),
          *t = golden_values(&golden, "t", &two), inside[COUNT], predicted[COUNT], outside[COUNT];
    for (size_t i = 0; i < two; i++) {
        lt_branches branches = {.count = 1};
        lt_denoiser d;
        record_branch(&golden, i, &branches.items[0]);
        lt_nchw_to_nhwc(x + i * COUNT, inside, 1, PIXELS, 4);
        assert_ok(lt_denoiser_init(&d, session, &branches, (lt_savings){0}, 16, 16, NULL, NULL));
        assert_ok(lt_denoiser_predict(&d, 0, inside, t[i], predicted));
        lt_nhwc_to_nchw(predicted, outside, 1, PIXELS, 4);
        assert_true(relative_error(outside, out + i * COUNT, COUNT) < 1e-5);
        lt_denoiser_free(&d);
        lt_branches_free(&branches);
    }
    free(x);
    free(out);
    free(t);
    lt_session_close(session);
    lt_checkpoint_close(&golden);
}

/* What the exported configuration says of a U-Net is what its description does. */
static void sdxl_is_exported_as_it_is(void **state) {
    (void)state;
    static const struct {
        const char *key;
        double value[3];
    } expected_numbers[] = {{"attention_head_dim", {1, 2, 4}},
                            {"transformer_layers_per_block", {1, 2, 3}},
                            {"block_out_channels", {64, 128, 256}},
                            {"projection_class_embeddings_input_dim", {1664}},
                            {"cross_attention_dim", {192}}};
    lt_model *model;
    lt_diffusers folder;
    assert_ok(lt_model_open(synthetic_checkpoint("tiny-xl"), NULL, &model));
    assert_ok(export_diffusers(model, scratch_path("folder"), NULL));
    lt_model_close(model);
    assert_ok(lt_diffusers_open(scratch_path("folder"), &folder));
    size_t unet = 0;
    while (strcmp(folder.components[unet].name, "unet")) unet++;
    const lt_config *config = &folder.components[unet].config;
    assert_string_equal(lt_config_string(config, "addition_embed_type"), "text_time");
    for (size_t i = 0; i < LT_COUNT(expected_numbers); i++) {
        double got[3] = {lt_config_number(config, expected_numbers[i].key, 0)};
        lt_config_numbers(config, expected_numbers[i].key, got, 3);
        for (int k = 0; k < 3; k++) assert_true(got[k] == expected_numbers[i].value[k]);
    }
    lt_diffusers_close(&folder);
}

/* ---- VAEs ---- */

static void check_vae(const lt_sd_architecture *config) {
    lt_tensor_list list[LT_NAMINGS];
    list_both(config, LT_ROLE_VAE, &list[LT_NAMING_LDM], &list[LT_NAMING_DIFFUSERS]);
    for (int naming = 0; naming < LT_NAMINGS; naming++) {
        const char *prefix = lt_role_prefix_in(LT_ROLE_VAE, (lt_naming)naming);
        const lt_names names = lt_names_of_tensors(list[naming].tensors, list[naming].count, prefix, "vae");
        lt_vae vae;
        memset(&vae, 0, sizeof vae);
        assert_ok(lt_vae_read(&names, (lt_naming)naming, &vae));
        assert_memory_equal(&vae, &config->vae, sizeof vae);
    }
    if (config->vae.attention) assert_list(&list[LT_NAMING_DIFFUSERS], 248, 83653863, 0xd387ef09945f5845);
    lt_tensor_list_free(&list[LT_NAMING_LDM]);
    lt_tensor_list_free(&list[LT_NAMING_DIFFUSERS]);
}

static void vaes_are_told_from_names_and_shapes(void **state) {
    (void)state;
    lt_sd_architecture plain = sd_vae;
    check_vae(&sd_vae);
    plain.vae.attention = plain.vae.quant_conv = plain.vae.post_quant_conv = false;
    check_vae(&plain);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_those_of_diffusers),
        cmocka_unit_test(u_nets_are_told_from_names_and_shapes),
        cmocka_unit_test(the_forward_pass_reads_every_tensor),
        cmocka_unit_test(blocks_that_do_not_match_are_refused),
        cmocka_unit_test(blocks_that_were_left_out_stay_numbered),
        cmocka_unit_test(small_ones_are_those_of_diffusers),
        cmocka_unit_test(distilled_ones_are_those_of_diffusers),
        cmocka_unit_test(a_scale_is_told_as_diffusers_tells_it),
        cmocka_unit_test(a_context_has_a_vector),
        cmocka_unit_test(sdxl_is_exported_as_it_is),
        cmocka_unit_test(vaes_are_told_from_names_and_shapes),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_scratch();
    return failed;
}
