/* Adapters' names taken apart, files of them that are right, odd or wrong, what a prompt names, and the web UIs'
 * hash. */
#include "adapters/few_steps.h"
#include "adapters/lora_file.h"
#include "adapters/lora_hash.h"
#include "adapters/lora_layers.h"
#include "api/model.h"
#include "base/sha256.h"
#include "golden.h"
#include "pipeline/adapting.h"
#include "text/networks.h"

/* ---- Names ---- */

static void test_names(void **state) {
    (void)state;
    static const struct {
        const char *name;
        lt_role role;
        const char *layer; /* NULL: no adapter's */
        lt_lora_part part;
    } names[] = {
        {"lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight", LT_ROLE_UNET,
         "down_blocks_0_attentions_0_proj_in", LT_PART_DOWN},
        {"lora_unet_mid_block_resnets_0_conv1.lora_mid.weight", LT_ROLE_UNET, "mid_block_resnets_0_conv1", LT_PART_MID},
        {"lora_te_text_model_encoder_layers_0_mlp_fc1.alpha", LT_ROLE_TEXT, "encoder_layers_0_mlp_fc1", LT_PART_ALPHA},
        {"lora_te2_text_model_encoder_layers_0_mlp_fc1.hada_t2", LT_ROLE_OPEN_TEXT, "encoder_layers_0_mlp_fc1",
         LT_PART_HADA_T2},
        {"oft_unet_conv_in.oft_blocks", LT_ROLE_UNET, "conv_in", LT_PART_OFT_BLOCKS},
        {"unet.conv_in.lora_A.weight", LT_ROLE_UNET, "conv_in", LT_PART_DOWN},
        {"unet.conv_in.lora_B.some_name.weight", LT_ROLE_UNET, "conv_in", LT_PART_UP},
        {"unet.conv_in.lora_magnitude_vector", LT_ROLE_UNET, "conv_in", LT_PART_MAGNITUDE},
        {"unet.conv_in.lora_magnitude_vector.default.weight", LT_ROLE_UNET, "conv_in", LT_PART_MAGNITUDE},
        {"base_model.model.conv_in.lora_A.weight", LT_ROLE_UNET, "conv_in", LT_PART_DOWN},
        {"base_model.model.text_model.encoder.layers.1.mlp.fc1.lora_A.weight", LT_ROLE_TEXT, "encoder_layers_1_mlp_fc1",
         LT_PART_DOWN},
        {"diffusion_model.input_blocks.1.1.proj_in.lora_B.weight", LT_ROLE_UNET, "input_blocks_1_1_proj_in",
         LT_PART_UP},
        {"text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.up.weight", LT_ROLE_TEXT,
         "encoder_layers_0_self_attn_q_proj", LT_PART_UP},
        {"down_blocks.0.x.attn1.processor.to_q_lora.down.weight", LT_ROLE_UNET, "down_blocks_0_x_attn1_to_q",
         LT_PART_DOWN},
        {"unet.up_blocks.0.x.attn2.processor.to_out_lora.up.weight", LT_ROLE_UNET, "up_blocks_0_x_attn2_to_out_0",
         LT_PART_UP},
        {"lora_unet_conv_in.w_norm", LT_ROLE_UNET, "conv_in", LT_PART_DIFF},
        {"lora_unet_conv_in.weight", 0, NULL, 0},
        {"lora_unet_.alpha", 0, NULL, 0},
        {"lora_unet_conv_in.lora_up.other.weight", 0, NULL, 0},
        {"model.diffusion_model.input_blocks.0.0.weight", 0, NULL, 0},
        {"conv_in", 0, NULL, 0},
        {"", 0, NULL, 0},
    };
    for (size_t i = 0; i < LT_COUNT(names); i++) {
        lt_lora_key key;
        const bool read = lt_lora_key_read(names[i].name, &key);
        if (read != (names[i].layer != NULL)) fail_msg("%s", names[i].name);
        if (!read) continue;
        assert_string_equal(key.layer, names[i].layer);
        assert_true(key.role == names[i].role && key.part == names[i].part);
    }
}

/* Every layer of the model that has a weight is found by both namings. */
static void test_layers(void **state) {
    (void)state;
    lt_model *model;
    lt_lora_layers layers;
    static const char *const names[] = {"unet.down_blocks.0.attentions.0.proj_in.lora_A.weight",
                                        "lora_unet_input_blocks_1_1_proj_in.lora_down.weight",
                                        "diffusion_model.input_blocks.1.1.proj_in.diff"};
    const lt_weight *weight = NULL;
    assert_ok(lt_model_open(synthetic_checkpoint("tiny"), NULL, &model));
    assert_ok(lt_lora_layers_make(model->parts.weights, &layers));
    for (size_t i = 0; i < LT_COUNT(names); i++) {
        lt_lora_key key;
        assert_true(lt_lora_key_read(names[i], &key));
        const lt_lora_layer_entry *found = lt_lora_layers_find(&layers, &key);
        assert_non_null(found);
        assert_true(!weight || found->weight == weight);
        weight = found->weight;
    }
    assert_string_equal(weight->tensor.name, "model.diffusion_model.input_blocks.1.1.proj_in.weight");
    lt_lora_layers_free(&layers);
    lt_model_close(model);
}

/* ---- Files ---- */

/* For proj_in of the first transformer, [64, 64, 1, 1] in the tiny model, and its attention. */
#define PROJ  "lora_unet_down_blocks_0_attentions_0_proj_in"
#define QUERY "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"

static char note[512];

static void keep_note(void *user, const char *message) {
    (void)user;
    snprintf(note, sizeof note, "%s", message);
}

typedef struct part {
    const char *name;
    size_t rows, columns; /* columns 0: a number */
    float value;
    size_t stages; /* of a butterfly [stages, rows, columns, columns]; 0: it is none */
} part;

static const char *write_parts(const part *parts, size_t count) {
    static float values[16][64 * 128];
    const char *path = scratch_path("parts.safetensors");
    lt_tensor tensors[16];
    for (size_t i = 0; i < count; i++) {
        const part *p = &parts[i];
        tensors[i] = (lt_tensor){p->name, LT_F32, p->columns ? 2 : 0, {p->rows, p->columns}, .data = values[i]};
        if (p->stages)
            tensors[i] =
                (lt_tensor){p->name, LT_F32, 4, {p->stages, p->rows, p->columns, p->columns}, .data = values[i]};
        lt_tensor_set_contiguous(&tensors[i]);
        for (size_t k = 0; k < lt_tensor_count(&tensors[i]); k++) values[i][k] = p->value;
    }
    assert_ok(lt_safetensors_write(path, tensors, count, NULL, 0, NULL, NULL, NULL));
    return path;
}

static lt_model *model;

static lt_status read_parts(const part *parts, size_t count, size_t *changes) {
    const lt_listener listener = {keep_note, NULL};
    lt_lora_file *lora;
    note[0] = '\0';
    LT_TRY(lt_lora_open(write_parts(parts, count), model->parts.weights, &listener, &lora));
    *changes = lora->count;
    lt_lora_close(lora);
    return LT_OK;
}

#define READ(changes, ...)                                                                                             \
    read_parts((const part[]){__VA_ARGS__}, sizeof((const part[]){__VA_ARGS__}) / sizeof(part), changes)

static void test_files(void **state) {
    (void)state;
    size_t changes;
    assert_ok(READ(&changes, {PROJ ".lora_up.weight", 64, 4, 1}, {PROJ ".lora_down.weight", 4, 64, 1}));
    assert_int_equal(changes, 1);
    assert_string_equal(note, "");
    /* of rank 320, over its own size */
    assert_ok(READ(&changes, {PROJ ".lora_up.weight", 64, 128, 1}, {PROJ ".lora_down.weight", 128, 64, 1}));
    /* a butterfly; one that turns nothing is one, too */
    assert_ok(READ(&changes, {PROJ ".oft_blocks", 8, 8, 1, 4}, {PROJ ".rescale", 64, 1, 1}, {PROJ ".alpha", 0, 0, 0}));
    assert_ok(READ(&changes, {PROJ ".oft_blocks", 32, 2, 0, 6}));
    assert_int_equal(changes, 1);
    /* strangers, halves and what is of another size are counted and named */
    assert_ok(READ(&changes, {PROJ ".lora_up.weight", 64, 4, 1}, {PROJ ".lora_down.weight", 4, 64, 1}, {"abc", 1, 1, 1},
                   {"lora_unet_no_such.alpha", 0, 0, 1}, {QUERY ".lora_up.weight", 64, 4, 1},
                   {PROJ ".hada_w1_a", 64, 4, 1}));
    assert_int_equal(changes, 1);
    assert_non_null(strstr(note, ": 4 of its 6 tensors fit nothing in this model and are left out: abc, "));
    assert_non_null(strstr(note, ", ..."));
    assert_ok(READ(&changes, {PROJ ".lora_up.weight", 64, 4, 1}, {PROJ ".lora_down.weight", 4, 64, 1},
                   {QUERY ".diff", 64, 65, 1}));
    assert_non_null(strstr(note, ": 1 of its 3 tensors"));
}

static void refused(lt_status status, const char *says) {
    assert_int_equal(status, LT_ERROR_MODEL);
    if (!strstr(lt_error_message(), says)) fail_msg("%s", lt_error_message());
}

static void test_wrong_files(void **state) {
    (void)state;
    size_t n;
    refused(READ(&n, {"abc", 1, 1, 1}), "no LoRA, nor one of its kin");
    refused(READ(&n, {PROJ ".lora_up.weight", 65, 4, 1}, {PROJ ".lora_down.weight", 4, 64, 1}),
            "nothing of it fits this model: it was made for another one");
    refused(READ(&n, {"lora_te2_x.diff", 2, 2, 1}), "it was made for Stable Diffusion XL; this model is another one");
    /* some of it would fit */
    refused(READ(&n, {PROJ ".diff", 64, 64, 1}, {"lora_te2_x.diff", 2, 2, 1}), "it was made for Stable Diffusion XL");
    refused(READ(&n, {"transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight", 4, 8, 1}),
            "it was made for FLUX");
    refused(READ(&n, {"lora_unet_x_attn2_to_k.lora_down.weight", 4, 1024, 1}),
            "it was made for Stable Diffusion 2; this model is another one");
    refused(READ(&n, {PROJ ".lora_up.weight", 64, 4, 1}, {PROJ ".lora_down.weight", 5, 64, 1}),
            "does not fit the rank of its other half");
    refused(READ(&n, {PROJ ".lora_up.weight", 64, 4, NAN}, {PROJ ".lora_down.weight", 4, 64, 1}),
            "lora_up.weight holds a NaN or an infinity");
    refused(READ(&n, {PROJ ".lora_up.weight", 64, 4, 1}, {PROJ ".lora_down.weight", 4, 64, 1},
                 {PROJ ".alpha", 0, 0, INFINITY}),
            "alpha is no number");
    refused(
        READ(&n, {PROJ ".lora_up.weight", 64, 4, 1}, {PROJ ".lora_down.weight", 4, 64, 1}, {PROJ ".alpha", 1, 2, 1}),
        "alpha is no number");
    refused(READ(&n, {PROJ ".diff", 64, 64, 1}, {"unet.down_blocks.0.attentions.0.proj_in.diff", 64, 64, 1}),
            "are the same");
    refused(READ(&n, {PROJ ".oft_blocks", 64, 64, 1}), "does not fit a rotation");
    refused(READ(&n, {PROJ ".oft_blocks", 64, 1, 1, 1}),
            "oft_blocks has shape [1,64,1,1], which does not fit a butterfly");
    refused(READ(&n, {PROJ ".oft_blocks", 3, 4, 1, 1}), "does not fit a butterfly: it has a power of two of blocks");
    refused(READ(&n, {PROJ ".oft_blocks", 8, 8, 1, 5}), "so many blocks have not that many stages");
    refused(READ(&n, {PROJ ".oft_blocks", 8, 8, NAN, 4}), "oft_blocks holds a NaN or an infinity");
    refused(READ(&n, {PROJ ".oft_blocks", 8, 16, 1, 2}), "nothing of it fits this model");
    refused(READ(&n, {PROJ ".oft_blocks", 8, 8, 1, 4}, {PROJ ".rescale", 63, 1, 1}),
            "rescale has shape [63,1], which does not fit the rotation that it scales");
    refused(READ(&n, {PROJ ".oft_blocks", 8, 8, 1, 4}, {PROJ ".alpha", 0, 0, NAN}), "alpha is no number");
    refused(READ(&n, {PROJ ".a1", 4, 64, 1}, {PROJ ".a2", 64, 4, 1}, {PROJ ".b1", 4, 64, 1}, {PROJ ".b2", 64, 5, 1}),
            "does not fit");
}

static void test_no_memory(void **state) {
    (void)state;
    const char *path = LT_GOLDEN_DIR "/lora/lokr.safetensors";
    lt_lora_file *lora;
    for (size_t n = 0;; n += 1 + n / 16) {
        const lt_listener nobody = {0};
        lt_alloc_fail_at(n);
        const lt_status status = lt_lora_open(path, model->parts.weights, &nobody, &lora);
        const bool reached = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        assert_int_equal(status, reached ? LT_ERROR_MEMORY : LT_OK);
        if (!reached) break;
    }
    lt_lora_close(lora);
}

/* ---- Sessions ---- */

static void test_sessions(void **state) {
    (void)state;
    const lt_lora loras[] = {{LT_GOLDEN_DIR "/lora/kohya.safetensors", 1, 1}, {"no such", 1, 1}};
    lt_session *session;
    assert_ok(lt_session_open(model, NULL, &session));
    assert_ok(lt_session_adapt(session, loras, 1));
    assert_int_equal(lt_session_adapt(session, loras, 2), LT_ERROR_FILE);
    assert_int_equal(session->loras.own->count, 1); /* it keeps what it had */
    assert_int_equal(lt_session_adapt(session, NULL, 1), LT_ERROR_ARGUMENT);
    assert_int_equal(lt_session_adapt(session, &(lt_lora){"", 1, 1}, 1), LT_ERROR_ARGUMENT);
    assert_int_equal(lt_session_adapt(session, &(lt_lora){loras[0].file, 1001, 1}, 1), LT_ERROR_ARGUMENT);
    assert_int_equal(lt_session_adapt(session, &(lt_lora){loras[0].file, 1, NAN}, 1), LT_ERROR_ARGUMENT);
    assert_int_equal(lt_session_adapt(NULL, loras, 1), LT_ERROR_ARGUMENT);
    assert_ok(lt_session_adapt(session, NULL, 0));
    assert_null(session->loras.own);
    lt_session_close(session);
}

static void copy_golden(const char *name, const char *to) {
    char from[512], bytes[4096];
    snprintf(from, sizeof from, LT_GOLDEN_DIR "/lora/%s.safetensors", name);
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_non_null(in);
    assert_non_null(out);
    for (size_t size; (size = fread(bytes, 1, sizeof bytes, in));) assert_int_equal(fwrite(bytes, 1, size, out), size);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

/* Deltas of what the session wears. */
static size_t worn(const lt_session *session) { return session->loras.worn->files[0]->count; }

static void adapt(lt_session *session, const lt_request *request) {
    lt_adapted adapted;
    assert_ok(lt_adapt_request(session, request, &adapted));
    lt_adapt_end(session, &adapted);
}

/* A file that is another one at the next request, a session's own and a request's, is read again; and one that isn't
 * isn't. */
static void test_changed_files(void **state) {
    (void)state;
    char path[300];
    snprintf(path, sizeof path, "%s", scratch_path("changing.safetensors"));
    const lt_lora lora = {path, 1, 1};
    lt_request request = lt_request_defaults();
    lt_session *session;
    for (int own = 0; own < 2; own++) {
        copy_golden("kohya", path);
        assert_ok(lt_session_open(model, NULL, &session));
        if (own) assert_ok(lt_session_adapt(session, &lora, 1));
        request.loras = own ? NULL : &lora;
        request.lora_count = !own;
        adapt(session, &request);
        const size_t before = worn(session);
        const uint64_t identity = session->loras.worn->files[0]->uses[0].delta.identity;
        adapt(session, &request);
        assert_true(session->loras.worn->files[0]->uses[0].delta.identity == identity);
        copy_golden("full", path);
        adapt(session, &request);
        assert_int_not_equal(worn(session), before);
        assert_true(session->loras.worn->files[0]->uses[0].delta.identity != identity);
        lt_session_close(session);
    }
}

/* ---- Prompts ---- */

static void test_networks(void **state) {
    (void)state;
    static const struct {
        const char *prompt, *left, *name; /* NULL: none */
        float text, unet;
    } cases[] = {
        {"a cat <lora:a.b>, x", "a cat , x", "a.b", 1, 1},
        {"<lora:a:0.5>", "", "a", 0.5f, 0.5f},
        {"<lyco:a b:-.5: 2e1 >", "", "a b", -0.5f, 20},
        {"<lora:a:0.5:unet=3>b", "b", "a", 0.5f, 3},
        {"<lora:a:unet=0:te=0.25>", "", "a", 0.25f, 0},
        {"<lora:a:1:2:8:x=y>", "", "a", 1, 2},
        {"<lora:>, <lora>, <a b:c> <lora:a", "<lora:>, <lora>, <a b:c> <lora:a", NULL, 0, 0},
        {"<LORA:a:x>1<2 <:3>", "1<2 <:3>", "a", 0, 0},
        {"<hyper\u00e9_2:a:1:b=2>", "", "a", 0, 0},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_buffer left;
        lt_networks all;
        assert_ok(lt_networks_take(cases[i].prompt, &left, &all));
        assert_string_equal(left.data, cases[i].left);
        assert_int_equal(all.count, cases[i].name != NULL);
        if (all.count) assert_string_equal(all.items[0].arguments[0], cases[i].name);
        if (all.count && lt_network_is_lora(&all.items[0])) {
            lt_lora_tag lora;
            assert_ok(lt_network_weigh(&all.items[0], &lora));
            assert_true(lora.text_strength == cases[i].text && lora.strength == cases[i].unet);
        }
        lt_networks_free(&all);
        lt_buffer_free(&left);
    }
}

static void test_wrong_networks(void **state) {
    (void)state;
    static const char *const wrong[] = {"<lora:a:b>",   "<lora:a:>",      "<lora:a:1.2.3>",
                                        "<lora:a:te=>", "<lora:a:1:nan>", "<lora:a:1e99>",
                                        "<lora:a:0x1>", "<lora:a:1001>",  "<lora:a:te=-1e40>"};
    for (size_t i = 0; i < LT_COUNT(wrong); i++) {
        lt_buffer left;
        lt_networks all;
        lt_lora_tag lora;
        assert_ok(lt_networks_take(wrong[i], &left, &all));
        assert_int_equal(lt_network_weigh(&all.items[0], &lora), LT_ERROR_ARGUMENT);
        assert_non_null(strstr(lt_error_message(), wrong[i]));
        lt_networks_free(&all);
        lt_buffer_free(&left);
    }
}

/* What of a LoRA nobody knows. */
static void test_odd_networks(void **state) {
    (void)state;
    static const struct {
        const char *prompt, *unknown;
        bool dynamic;
    } cases[] = {{"<lora:a:1:te=1:foo=2>", "foo=2", false}, {"<lora:a:1:2:8>", NULL, true},
                 {"<lora:a:dyn=8:unet=1>", NULL, true},     {"<lora:a:1:2:8:9>", "9", true},
                 {"<lora:a:lbw=1,0:1>", "lbw=1,0", false},  {"<lora:a:1:1>", NULL, false}};
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_buffer left;
        lt_networks all;
        lt_lora_tag lora;
        assert_ok(lt_networks_take(cases[i].prompt, &left, &all));
        assert_ok(lt_network_weigh(&all.items[0], &lora));
        assert_int_equal(lora.dynamic, cases[i].dynamic);
        assert_true(!lora.unknown == !cases[i].unknown);
        if (lora.unknown) assert_string_equal(lora.unknown, cases[i].unknown);
        lt_networks_free(&all);
        lt_buffer_free(&left);
    }
}

static void test_networks_left_out(void **state) {
    (void)state;
    static const bool out[] = {true, false, true};
    static const struct {
        const char *prompt, *left;
    } cases[] = {{"a <lora:x:1> b <lora:y> c <lora:z>", "a  b <lora:y> c"},
                 {"<lora:x>", ""},
                 {"a cat", "a cat"},
                 {"a\\ <lora:x>", "a\\ "},
                 {" a <lora:x>b <lora:y> ", " a b <lora:y> "},
                 {"<a:b>\n<lora:y><c:d>  <lora:", "<lora:y>  <lora:"}};
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_buffer left;
        assert_ok(lt_networks_leave_out(cases[i].prompt, out, &left));
        assert_string_equal(left.data, cases[i].left);
        lt_buffer_free(&left);
    }
    static const char *const open[] = {"<lora:x", "a <lora:", "<lora:x> <lora:y", "<<a:\n", "<lora:>x <b:"};
    static const char *const closed[] = {"", "<lora:x>", "<lora", "a < b: c", "<lora:x <lora:y>", "<lora:>"};
    for (size_t i = 0; i < LT_COUNT(open); i++) assert_true(lt_networks_open(open[i]));
    for (size_t i = 0; i < LT_COUNT(closed); i++) assert_false(lt_networks_open(closed[i]));
}

/* ---- Few steps ---- */

static void test_few_steps(void **state) {
    (void)state;
    static const struct {
        const char *path, *tensor, *kind; /* NULL: nothing tells */
    } cases[] = {
        {"loras/lcm-lora-sdv1-5.safetensors", "x", "LCM"},
        {"TCD-SD15-LoRA.safetensors", "x", "TCD"},
        {"Hyper-SD15-8steps-lora.safetensors", "x", "Hyper-SD"},
        {"Hyper-SD15-8steps-CFG-lora.safetensors", "x", "Hyper-SD with guidance"},
        {"HyperSD.safetensors", "x", "Hyper-SD"},
        {"models/sd_turbo/", "x", "Turbo"},
        {"dreamshaperXL_v21TurboDPMSDE.safetensors", "x", "Turbo"},
        {"sd15_lightning_4step.safetensors", "x", "Lightning"},
        {"turbo/plain.safetensors", "x", NULL},
        {"hyperrealism.safetensors", "x", NULL},
        {"hypernetwork.pt", "x", NULL},
        {"falcms.safetensors", "x", NULL},
        {"plain.safetensors", "model.diffusion_model.time_embed.cond_proj.weight", "LCM"},
        {"plain.safetensors", "time_embedding.cond_proj.weight", "LCM"},
        {"plain.safetensors", "cond_proj.weight", NULL},
        {"", "x", NULL},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_tensor tensor = {.name = cases[i].tensor};
        const lt_checkpoint file = {.tensors = &tensor, .count = 1};
        const lt_few_steps *found = lt_few_steps_of(cases[i].path, &file);
        if (!found != !cases[i].kind || (found && strcmp(found->kind, cases[i].kind)))
            fail_msg("%s is taken for %s", cases[i].path, found ? found->kind : "nothing");
    }
}

/* ---- Hashes ---- */

/* FIPS 180-4's own examples, and lengths about a block's end, as sha256sum has them. */
static void test_sha256(void **state) {
    (void)state;
    static const struct {
        size_t count; /* of 'a' */
        const char *hash;
    } cases[] = {
        {0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"},
        {56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"},
        {64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"},
        {1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
    };
    char *text = malloc(1000000), hash[LT_SHA256_TEXT];
    memset(text, 'a', 1000000);
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_sha256(text, cases[i].count, hash);
        assert_string_equal(hash, cases[i].hash);
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),         cmocka_unit_test(test_layers),
        cmocka_unit_test(test_files),         cmocka_unit_test(test_wrong_files),
        cmocka_unit_test(test_no_memory),     cmocka_unit_test(test_sessions),
        cmocka_unit_test(test_networks),      cmocka_unit_test(test_wrong_networks),
        cmocka_unit_test(test_odd_networks),  cmocka_unit_test(test_networks_left_out),
        cmocka_unit_test(test_changed_files), cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_few_steps),
    };
    assert_ok(lt_model_open(synthetic_checkpoint("tiny"), NULL, &model));
    const int failed = cmocka_run_group_tests_name("lora", tests, NULL, NULL);
    lt_model_close(model);
    remove_scratch();
    return failed;
}
