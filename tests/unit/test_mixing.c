/* Merging models, against A1111's formulas over the same weights (tests/golden/make_merge.py). */
#include "bad_fields.h"
#include "micro.h"
#include "models/layout.h"

#include <sys/stat.h>

static bool exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

/* ---- The models that are merged ---- */

typedef enum change { MOVED_ON, REVERSED } change;

static lt_status fill_changed(void *user, const lt_tensor *t, float *values) {
    const size_t n = lt_tensor_count(t);
    float *own = malloc((n + 1) * sizeof *own);
    assert_non_null(own);
    lt_tensor_read_f32(t, own);
    for (size_t i = 0; i < n; i++) values[i] = own[*(change *)user == REVERSED ? n - 1 - i : (i + n - 1) % n];
    free(own);
    return LT_OK;
}

/* `from` with the values of each tensor changed; C is one without a VAE. */
static const char *write_changed(const char *from, const char *name, change how) {
    static char paths[2][300];
    lt_checkpoint file;
    char *path = paths[how];
    size_t n = 0;
    assert_ok(lt_checkpoint_open(from, &file));
    lt_tensor *tensors = calloc(file.count, sizeof *tensors);
    assert_non_null(tensors);
    for (size_t i = 0; i < file.count; i++)
        if (how == MOVED_ON || !lt_is_vae(file.tensors[i].name)) tensors[n++] = file.tensors[i];
    snprintf(path, sizeof paths[how], "%s", scratch_path(name));
    assert_ok(lt_safetensors_write(path, tensors, n, NULL, 0, NULL, fill_changed, &how));
    free(tensors);
    lt_checkpoint_close(&file);
    return path;
}

static const char *tiny, *inpaint, *b, *c;

static int write_models(void **state) {
    static char paths[2][300];
    (void)state;
    snprintf(paths[0], sizeof paths[0], "%s", synthetic_checkpoint("tiny"));
    snprintf(paths[1], sizeof paths[1], "%s", synthetic_checkpoint("tiny-inpaint"));
    tiny = paths[0];
    inpaint = paths[1];
    b = write_changed(tiny, "b.safetensors", MOVED_ON);
    c = write_changed(tiny, "c.safetensors", REVERSED);
    return 0;
}

static int remove_models(void **state) {
    (void)state;
    remove_scratch();
    return 0;
}

/* ---- Against the reference ---- */

static void compare(const char *path, const char *name, double limit) {
    enum { EVERY = 7, HEAD = 8 };
    char heads_name[64], norms_name[64];
    lt_checkpoint golden, made;
    size_t n, count;
    open_golden("merge/merge.safetensors", &golden);
    snprintf(heads_name, sizeof heads_name, "%s.heads", name);
    snprintf(norms_name, sizeof norms_name, "%s.norms", name);
    float *heads = golden_values(&golden, heads_name, &n), *norms = golden_values(&golden, norms_name, &count);
    float *ours = calloc(n, sizeof *ours), *our_norms = calloc(count, sizeof *our_norms);
    assert_true(ours && our_norms);
    assert_ok(lt_checkpoint_open(path, &made));
    assert_int_equal((made.count + EVERY - 1) / EVERY, count);
    for (size_t i = 0; i < count; i++) {
        size_t size;
        float *values = golden_values(&made, made.tensors[i * EVERY].name, &size);
        double square = 0;
        for (size_t k = 0; k < size; k++) square += (double)values[k] * values[k];
        our_norms[i] = (float)sqrt(square);
        for (size_t k = 0; k < HEAD && k < size; k++) ours[i * HEAD + k] = values[k];
        free(values);
    }
    assert_golden(&golden, heads_name, ours, n, limit);
    assert_golden(&golden, norms_name, our_norms, count, limit);
    free(heads);
    free(norms);
    free(ours);
    free(our_norms);
    lt_checkpoint_close(&made);
    lt_checkpoint_close(&golden);
}

static const char *merged(const char *first, const char *third, const lt_merge_options *o) {
    const char *path = scratch_path("merged.safetensors");
    assert_ok(lt_merge(first, b, third, path, o));
    return path;
}

static void a_weighted_sum(void **state) {
    (void)state;
    lt_merge_options o = lt_merge_options_defaults();
    o.type = "f32";
    compare(merged(tiny, NULL, &o), "sum", 1e-6);
}

static void a_difference_in_16_bits(void **state) {
    (void)state;
    lt_merge_options o = lt_merge_options_defaults();
    o.weight = 0.7f;
    compare(merged(tiny, c, &o), "difference", 1e-5); /* few values lie on the edge of two roundings */
}

static void a_sum_of_three(void **state) {
    (void)state;
    lt_merge_options o = lt_merge_options_defaults();
    o.type = "f32";
    o.weight_c = 0.45f;
    compare(merged(tiny, c, &o), "triple", 1e-6);
}

static void by_block(void **state) {
    (void)state;
    lt_checkpoint golden;
    lt_merge_options o = lt_merge_options_defaults();
    open_golden("merge/merge.safetensors", &golden);
    o.type = "f32";
    o.blocks = lt_checkpoint_metadata(&golden, "blocks");
    compare(merged(tiny, NULL, &o), "blocks", 1e-6);
    lt_checkpoint_close(&golden);
}

static void an_inpainting_model(void **state) {
    (void)state;
    lt_merge_options o = lt_merge_options_defaults();
    o.type = "f32";
    o.weight = 1;
    compare(merged(inpaint, c, &o), "inpaint", 1e-6);
    assert_int_equal(lt_merge(tiny, inpaint, NULL, scratch_path("no.safetensors"), NULL), LT_ERROR_MODEL);
    assert_non_null(strstr(lt_error_message(), "the inpainting model goes first"));
    assert_false(exists(scratch_path("no.safetensors")));
}

/* ---- Names of blocks, layouts, types ---- */

/* The value at `at` of a tensor of a file. */
static float value_of(const char *path, const char *name, size_t at) {
    lt_checkpoint file;
    size_t n;
    assert_ok(lt_checkpoint_open(path, &file));
    float *values = golden_values(&file, name, &n);
    const float value = values[at];
    free(values);
    lt_checkpoint_close(&file);
    return value;
}

/* How much of B there is in a tensor of what was merged with blocks, as B is the smallest model but moved on. */
static double share_of(const char *blocks, const char *name) {
    static char a[300], other[300];
    snprintf(a, sizeof a, "%s", micro_checkpoint());
    snprintf(other, sizeof other, "%s", write_changed(a, "moved.safetensors", MOVED_ON));
    lt_merge_options o = lt_merge_options_defaults();
    o.type = "f32";
    o.blocks = blocks;
    const char *out = scratch_path("shares.safetensors");
    assert_ok(lt_merge(a, other, NULL, out, &o));
    const double from = (double)value_of(a, name, 3), to = (double)value_of(other, name, 3);
    return ((double)value_of(scratch_path("shares.safetensors"), name, 3) - from) / (to - from);
}

#define UNET "model.diffusion_model."
static void blocks_by_name(void **state) {
    (void)state;
    static const struct {
        const char *blocks, *name;
        double share;
    } cases[] = {
        {"IN=0.5", UNET "input_blocks.1.0.in_layers.2.weight", 0.5},
        {"IN=0.5,in01:0.75", UNET "input_blocks.1.0.in_layers.2.weight", 0.75},
        {"IN01=0.75, IN=0.5", UNET "input_blocks.1.0.in_layers.2.weight", 0.5},
        {"IN=0.5", UNET "output_blocks.1.0.in_layers.2.weight", 0.3},
        {"IN00=0.5", UNET "time_embed.0.weight", 0.5},
        {"OUT03=0.5", UNET "out.2.weight", 0.5},
        {"M00=-1", UNET "middle_block.0.in_layers.2.weight", -1},
        {"unet=1,text=0", UNET "middle_block.0.in_layers.2.weight", 1},
        {"vae=1", "first_stage_model.decoder.conv_in.weight", 1},
        {"BASE=0.9", "first_stage_model.decoder.conv_in.weight", 0.9},
        {"text=0.25", "cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.weight", 0.25},
        {"", "cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.weight", 0.3},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        const double share = share_of(cases[i].blocks, cases[i].name);
        if (!(fabs(share - cases[i].share) < 1e-4)) fail_msg("%s: %g of %s", cases[i].blocks, share, cases[i].name);
    }
}

static void what_is_no_block_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "IN04=0.5", "OUT=",       "0.5",     "0.1,0.2",
        "IN=11",    "IN=nan",     "IN=0.5x", "ink=0.5",
        "INN=1",    "IN=0.5,0.5", "M01=1",   "a very long word that is no name of any block at all=1"};
    lt_merge_options o = lt_merge_options_defaults();
    char model[300];
    snprintf(model, sizeof model, "%s", micro_checkpoint());
    const char *out = scratch_path("no.safetensors");
    for (size_t i = 0; i < LT_COUNT(bad); i++) {
        o.blocks = bad[i];
        if (lt_merge(model, model, NULL, out, &o) != LT_ERROR_ARGUMENT) fail_msg("%s is taken", bad[i]);
        assert_non_null(strstr(lt_error_message(), "BASE, IN00 to IN03, M00, OUT00 to OUT03"));
        assert_false(exists(out));
    }
}

/* A diffusers folder is merged as the file that it was made from; and is written, with the same values. */
static void layouts_are_one(void **state) {
    (void)state;
    char a[300], folder[300], whole[300];
    const char *name = "first_stage_model.decoder.mid.attn_1.q.weight"; /* a matrix there */
    snprintf(a, sizeof a, "%s", micro_checkpoint());
    snprintf(folder, sizeof folder, "%s", scratch_path("folder"));
    snprintf(whole, sizeof whole, "%s", scratch_path("whole.safetensors"));
    const char *other = write_changed(a, "moved.safetensors", MOVED_ON);
    assert_ok(lt_merge(a, other, NULL, whole, NULL));
    lt_merge_options o = lt_merge_options_defaults();
    o.layout = "diffusers";
    assert_ok(lt_merge(a, other, NULL, folder, &o));
    const lt_convert_options back = {.layout = "ldm"};
    assert_ok(lt_convert(folder, scratch_path("back.safetensors"), &back));
    const float expected = value_of(whole, name, 5);
    assert_true(value_of(scratch_path("back.safetensors"), name, 5) == expected);
    o = lt_merge_options_defaults();
    o.weight = 0;
    assert_ok(lt_merge(folder, other, NULL, scratch_path("again.safetensors"), &o));
    assert_true(value_of(scratch_path("again.safetensors"), name, 5) == expected);
}

static void the_file_says_how_it_was_made(void **state) {
    (void)state;
    char a[300];
    lt_checkpoint file;
    snprintf(a, sizeof a, "%s", micro_checkpoint());
    assert_ok(lt_merge(a, a, a, scratch_path("told.safetensors"), NULL));
    assert_ok(lt_checkpoint_open(scratch_path("told.safetensors"), &file));
    const char *recipe = lt_checkpoint_metadata(&file, "sd_merge_recipe");
    assert_non_null(recipe);
    assert_non_null(strstr(recipe, "\"primary_model\":\"micro\""));
    assert_non_null(strstr(recipe, "\"interp_method\":\"Add difference\""));
    assert_non_null(strstr(recipe, "\"multiplier\":0.3"));
    lt_checkpoint_close(&file);
}

/* The VAE of another file stays as it is there. */
static void a_vae_is_put_in(void **state) {
    (void)state;
    const char *name = "first_stage_model.decoder.conv_in.weight";
    char a[300];
    lt_merge_options o = lt_merge_options_defaults();
    snprintf(a, sizeof a, "%s", micro_checkpoint());
    const char *other = write_changed(a, "moved.safetensors", MOVED_ON);
    o.vae = other;
    assert_ok(lt_merge(a, other, NULL, scratch_path("baked.safetensors"), &o));
    assert_true(value_of(scratch_path("baked.safetensors"), name, 7) == value_of(other, name, 7));
}

/* ---- What can't be merged ---- */

/* The smallest model with one value of a tensor that is no number. */
static lt_status fill_bad(void *user, const lt_tensor *t, float *values) {
    (void)user;
    lt_tensor_read_f32(t, values);
    if (strstr(t->name, "time_embed.0.bias")) values[1] = NAN;
    return LT_OK;
}

static void no_number_is_refused(void **state) {
    (void)state;
    char a[300], bad[300];
    lt_checkpoint file;
    snprintf(a, sizeof a, "%s", micro_checkpoint());
    snprintf(bad, sizeof bad, "%s", scratch_path("bad.safetensors"));
    assert_ok(lt_checkpoint_open(a, &file));
    assert_ok(lt_safetensors_write(bad, file.tensors, file.count, NULL, 0, NULL, fill_bad, NULL));
    lt_checkpoint_close(&file);
    assert_int_equal(lt_merge(a, bad, NULL, scratch_path("no.safetensors"), NULL), LT_ERROR_MODEL);
    assert_non_null(strstr(lt_error_message(), "bad.safetensors: tensor model.diffusion_model.time_embed.0.bias"));
    assert_false(exists(scratch_path("no.safetensors")));
    const lt_merge_options none = {0}; /* what has no share in the sum is looked at, too */
    assert_int_equal(lt_merge(a, bad, NULL, scratch_path("no.safetensors"), &none), LT_ERROR_MODEL);
}

static void other_kinds_are_refused(void **state) {
    (void)state;
    char a[300];
    lt_merge_options o = lt_merge_options_defaults();
    snprintf(a, sizeof a, "%s", micro_checkpoint());
    const char *out = scratch_path("no.safetensors");
    assert_int_equal(lt_merge(a, tiny, NULL, out, NULL), LT_ERROR_MODEL);
    assert_non_null(strstr(lt_error_message(), "these models are of different kinds"));
    o.method = "difference";
    assert_int_equal(lt_merge(a, a, NULL, out, &o), LT_ERROR_ARGUMENT);
    o.weight_c = 1;
    assert_int_equal(lt_merge(a, a, a, out, &o), LT_ERROR_ARGUMENT);
    o.method = "sum";
    assert_int_equal(lt_merge(a, a, NULL, out, &o), LT_ERROR_ARGUMENT);
    assert_int_equal(lt_merge(a, "", NULL, out, NULL), LT_ERROR_ARGUMENT);
    assert_int_equal(lt_merge(a, NULL, NULL, out, NULL), LT_ERROR_ARGUMENT);
    assert_int_equal(lt_merge(a, a, "", out, NULL), LT_ERROR_ARGUMENT);
    assert_false(exists(out));
}

static lt_status merge_with(const void *options) {
    return lt_merge(micro_checkpoint(), micro_checkpoint(), NULL, scratch_path("fields.safetensors"), options);
}

static void test_merge_options(void **state) {
    (void)state;
    static const lt_field others[] = {{LT_FIELD(lt_merge_options, notice), LT_FIELD_TEXT},
                                      {LT_FIELD(lt_merge_options, notice_user), LT_FIELD_TEXT},
                                      {0}};
    const lt_merge_options o = lt_merge_options_defaults();
    assert_all_members(lt_merge_fields(), others, sizeof o);
    assert_true(refuse_bad_fields(lt_merge_fields(), &o, sizeof o, merge_with) > 6);
}

static void survives_failing_allocations(void **state) {
    (void)state;
    enum { FIRST = 30, EVERY_NTH = 97 };
    char a[300];
    lt_status status = LT_ERROR_MEMORY;
    snprintf(a, sizeof a, "%s", micro_checkpoint());
    const char *out = scratch_path("failing.safetensors");
    for (size_t n = 0; status; n += n < FIRST ? 1 : EVERY_NTH) {
        lt_alloc_fail_at(n);
        status = lt_merge(a, a, a, out, NULL);
        const bool reached = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        assert_true(reached == (status != LT_OK));
        if (reached) assert_int_equal(status, LT_ERROR_MEMORY);
        assert_true(exists(out) == !reached);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_weighted_sum),
        cmocka_unit_test(a_difference_in_16_bits),
        cmocka_unit_test(a_sum_of_three),
        cmocka_unit_test(by_block),
        cmocka_unit_test(an_inpainting_model),
        cmocka_unit_test(blocks_by_name),
        cmocka_unit_test(what_is_no_block_is_refused),
        cmocka_unit_test(layouts_are_one),
        cmocka_unit_test(the_file_says_how_it_was_made),
        cmocka_unit_test(a_vae_is_put_in),
        cmocka_unit_test(no_number_is_refused),
        cmocka_unit_test(other_kinds_are_refused),
        cmocka_unit_test(test_merge_options),
        cmocka_unit_test(survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, write_models, remove_models);
}
