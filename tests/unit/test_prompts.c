/* What the steps of a picture read of a prompt, against the web UI's own code (tests/golden/make_prompts.py). */
#include "golden.h"
#include "pipeline/context.h"
#include "text/edits.h"
#include "text/networks.h"
#include "text/script.h"

#include <jansson.h>

static json_t *load_rows(const char *name) {
    char path[256];
    snprintf(path, sizeof path, LT_GOLDEN_DIR "/prompts/%s.json", name);
    json_t *rows = json_load_file(path, 0, NULL);
    assert_true(json_array_size(rows) > 0);
    return rows;
}

static const char *string_at(const json_t *list, size_t i) { return json_string_value(json_array_get(list, i)); }

/* ---- Rows ---- */

static void expect_attention(const lt_said *said, const json_t *attention) {
    assert_int_equal(said->attention_count, json_array_size(attention));
    for (size_t i = 0; i < said->attention_count; i++) {
        const json_t *stretch = json_array_get(attention, i);
        const lt_weighed *w = &said->attention[i];
        assert_int_equal(w->size, strlen(string_at(stretch, 0)));
        assert_memory_equal(w->text, string_at(stretch, 0), w->size);
        assert_true(w->weight == json_number_value(json_array_get(stretch, 1)));
    }
}

static void expect_part(const char *text, const lt_prompt_part *part, const json_t *row, const json_t *attention,
                        const char *pass) {
    const json_t *schedule = json_object_get(json_object_get(row, "schedule"), pass);
    const json_t *used = json_object_get(json_object_get(row, "used"), pass);
    if (json_is_object(row)) assert_true(part->weight == json_number_value(json_object_get(row, "weight")));
    if (part->said_count != json_array_size(schedule))
        fail_msg("'%s': %zu texts, not %zu", text, part->said_count, json_array_size(schedule));
    for (size_t i = 0; i < part->said_count; i++) {
        const json_t *entry = json_array_get(schedule, i);
        const lt_said *said = &part->said[i];
        assert_int_equal(said->end, json_integer_value(json_array_get(entry, 0)));
        assert_string_equal(said->text, string_at(entry, 1));
        if (attention) expect_attention(said, json_object_get(attention, said->text));
    }
    for (size_t i = 0; i < json_array_size(used); i++)
        assert_int_equal(part->used[i], json_integer_value(json_array_get(used, i)));
}

/* What has one = is named, and those of a kind stand together. */
static void expect_networks(const lt_reading *reading, const json_t *rows) {
    size_t taken = 0;
    assert_int_equal(reading->network_count, json_array_size(rows));
    for (size_t i = 0; i < reading->network_count; i++) {
        const json_t *row = json_array_get(rows, i);
        for (size_t k = 0; k < reading->network_count; k++) {
            const lt_prompt_network *n = &reading->networks[k];
            const size_t count = json_array_size(json_array_get(row, 1)) + json_object_size(json_array_get(row, 2));
            if (strcmp(n->kind, string_at(row, 0)) || n->argument_count < count) continue;
            if (json_array_size(json_array_get(row, 1)) &&
                strcmp(n->arguments[0], string_at(json_array_get(row, 1), 0)))
                continue;
            taken++;
            break;
        }
    }
    assert_int_equal(taken, reading->network_count);
}

static void read_row(const json_t *row, bool negative, int steps, int before, lt_reading *reading) {
    lt_request r = lt_request_defaults();
    const char *text = json_string_value(json_object_get(row, "text"));
    r.steps = steps;
    *(negative ? &r.negative_prompt : &r.prompt) = text;
    assert_ok(lt_read_prompt(&r, negative, before, reading));
    assert_int_equal(reading->calls, steps);
}

static void expect_row(const json_t *row, int steps, int before, const char *pass) {
    const char *text = json_string_value(json_object_get(row, "text"));
    const json_t *parts = json_object_get(row, "parts"), *attention = json_object_get(row, "attention");
    lt_reading reading;
    read_row(row, false, steps, before, &reading);
    assert_string_equal(reading.text, json_string_value(json_object_get(row, "clean")));
    expect_networks(&reading, json_object_get(row, "networks"));
    if (reading.part_count != json_array_size(parts)) fail_msg("'%s': %zu parts", text, reading.part_count);
    for (size_t i = 0; i < reading.part_count; i++)
        expect_part(text, &reading.parts[i], json_array_get(parts, i), attention, pass);
    lt_reading_free(&reading);
}

static void test_recorded(void **state) {
    (void)state;
    json_t *rows = load_rows("recorded");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        expect_row(json_array_get(rows, i), 10, 0, "10");
        expect_row(json_array_get(rows, i), 20, 0, "20");
        expect_row(json_array_get(rows, i), 10, 20, "hires10of20");
    }
    json_decref(rows);
}

static void test_random(void **state) {
    (void)state;
    json_t *rows = load_rows("random");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        expect_row(json_array_get(rows, i), 10, 0, "10");
        expect_row(json_array_get(rows, i), 10, 20, "hires10of20");
    }
    json_decref(rows);
}

static void test_negative(void **state) {
    (void)state;
    json_t *rows = load_rows("negative");
    for (size_t i = 0; i < json_array_size(rows); i++)
        for (int steps = 10; steps <= 20; steps += 10) {
            const json_t *row = json_array_get(rows, i), *schedule = json_object_get(row, "schedule");
            const json_t *entries = json_object_get(schedule, steps == 10 ? "10" : "20");
            lt_reading reading;
            read_row(row, true, steps, 0, &reading);
            assert_int_equal(reading.part_count, 1);
            assert_int_equal(reading.parts[0].said_count, json_array_size(entries));
            for (size_t k = 0; k < json_array_size(entries); k++)
                assert_string_equal(reading.parts[0].said[k].text, string_at(json_array_get(entries, k), 1));
            lt_reading_free(&reading);
        }
    json_decref(rows);
}

/* ---- What is asked for ---- */

static void expect_first(const lt_request *r, const char *text) {
    lt_reading reading;
    assert_ok(lt_read_prompt(r, false, 0, &reading));
    assert_string_equal(reading.parts[0].said[0].text, text);
    lt_reading_free(&reading);
}

/* A sampler that asks twice a step has twice the steps. */
static void test_calls(void **state) {
    (void)state;
    static const struct {
        const char *sampler;
        int calls;
        size_t second; /* the first call that reads the second text */
    } cases[] = {{"euler", 10, 6}, {"plms", 10, 6}, {"heun", 20, 11}, {"dpm2_a", 20, 11}, {"DPM++ SDE Karras", 20, 11}};
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_request r = lt_request_defaults();
        lt_reading reading;
        r.prompt = "[a:b:0.5]";
        r.steps = 10;
        r.sampler = cases[i].sampler;
        assert_ok(lt_read_prompt(&r, false, 0, &reading));
        assert_int_equal(reading.calls, cases[i].calls);
        for (int k = 0; k < reading.calls; k++)
            assert_int_equal(reading.parts[0].used[k], (size_t)k >= cases[i].second);
        lt_reading_free(&reading);
    }
}

static void test_options(void **state) {
    (void)state;
    lt_request r = lt_request_defaults();
    lt_reading reading;
    r.prompt = "a [b:c:3]# d\n<lora:x> AND e :2";
    expect_first(&r, "a b");
    r.literal_hash = true;
    expect_first(&r, "a b# d");
    r.plain_prompt = true;
    expect_first(&r, r.prompt);
    r.plain_prompt = false;
    r.prompt = "(a:1.2) BREAK b";
    r.emphasis = LT_EMPHASIS_NONE;
    assert_ok(lt_read_prompt(&r, false, 0, &reading));
    assert_int_equal(reading.parts[0].said[0].attention_count, 1);
    assert_int_equal(reading.parts[0].said[0].attention[0].size, strlen(r.prompt));
    lt_reading_free(&reading);
    assert_int_equal(lt_read_prompt(&r, false, -1, &reading), LT_ERROR_ARGUMENT);
}

/* As strip_comments has it: whole lines first, and an end of a line that one took is none for the next. But a network's
 * name may have a mark in it. */
static void test_comments(void **state) {
    (void)state;
    static const struct {
        const char *text, *left;
    } cases[] = {
        {"a # b", "a \n"},
        {"a # b\nc", "a \nc"},
        {"# a\nb", "\nb"},
        {"a\n# b\nc", "a\nc"},
        {"a\n#b\n#c\nd", "a\n\nd"},
        {"#", "\n"},
        {"a\n#", "a\n"},
        {"a##b\n\n#c", "a\n\n"},
        {"", ""},
        {"a\nb", "a\nb"},
        {"#1\n#2\n#3", "\n\n"},
        {"x #1\n#2\ny", "x \ny"},
        {"<lora:a#b:1> #c", "<lora:a#b:1> \n"},
        {"# <lora:a>\nb", "\nb"},
        {"a # <lora:b#c>", "a \n"},
        {"<lora:a#b\n:1>", "<lora:a\n:1>"},
        {"<lora:a #b <lora:c>", "<lora:a \n"},
        {"<3 #b>", "<3 \n"},
        {"<<lora:#>#>", "<<lora:#>\n"},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_buffer left;
        assert_ok(lt_comments_take(cases[i].text, &left));
        assert_string_equal(left.data, cases[i].left);
        lt_buffer_free(&left);
    }
}

/* ---- Hostile ones ---- */

/* begin, then count times text, then end: allocated. */
static char *make_long(const char *begin, const char *text, size_t count, const char *end) {
    const size_t size = strlen(text);
    char *all = malloc(strlen(begin) + size * count + strlen(end) + 1), *to = all;
    assert_non_null(all);
    to = stpcpy(to, begin);
    for (size_t i = 0; i < count; i++, to += size) memcpy(to, text, size);
    strcpy(to, end);
    return all;
}

static void test_hostile(void **state) {
    (void)state;
    static const struct {
        const char *begin, *text;
        size_t count;
        const char *end;
        lt_status status;
    } cases[] = {
        {"", "[", 10000000, "", LT_OK},
        {"", "]", 10000000, "", LT_OK},
        {"", "(", 5000000, ")", LT_OK},
        {"", "[a:", 100000, "b:1]", LT_OK},
        {"", "[(", 100000, "a|b)]", LT_OK},
        {"[", "|a", 1000000, "]", LT_OK},
        {"", "[a|b]", 200000, "", LT_OK},
        {"", "[a:b:3]", 300000, "", LT_OK},
        {"[a|b]", "long ", 2000000, "", LT_ERROR_ARGUMENT}, /* ten times 10 MB */
        {"", " AND a", 200000, "", LT_OK},
        {"", "<lora:a>", 200000, "", LT_OK},
        {"", "<a:", 1000000, "", LT_OK},
        {"", "#\n", 1000000, "", LT_OK},
        {"", ":", 3000000, "1", LT_OK},
        {"", "\\", 1000000, "\n", LT_OK},
        {"[a:b:1", "0", 400, "]", LT_OK},
        {"[a:b:.0", "0", 400, "1e999]", LT_OK},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_request r = lt_request_defaults();
        lt_reading reading;
        char *text = make_long(cases[i].begin, cases[i].text, cases[i].count, cases[i].end);
        r.prompt = text;
        r.steps = 20;
        if (lt_read_prompt(&r, false, 0, &reading) != cases[i].status) fail_msg("%zu: %s", i, lt_error_message());
        lt_reading_free(&reading);
        free(text);
    }
}

/* As deep as it goes: each level's end is found. */
static void test_depth(void **state) {
    (void)state;
    enum { DEPTH = 100000 };
    char *open = make_long("", "[", DEPTH, "a"), *text = make_long(open, ":b:3]", DEPTH, "");
    lt_edits edits;
    lt_buffer said = {0};
    assert_ok(lt_edits_read(text, &edits));
    assert_int_equal(edits.group_count, DEPTH);
    assert_ok(lt_edits_say(&edits, (lt_timeline){10, 0}, 1, &said));
    assert_string_equal(said.data, "a");
    assert_ok(lt_edits_say(&edits, (lt_timeline){10, 0}, 4, &said));
    assert_string_equal(said.data, "ab");
    lt_edits_free(&edits);
    lt_buffer_free(&said);
    free(open);
    free(text);
}

/* ---- Memory ---- */

static void test_no_memory(void **state) {
    (void)state;
    lt_request r = lt_request_defaults();
    r.prompt = "a [b:c:3] (x:1.2) [d|e] <lora:x:1> # f\n AND g AND h AND i AND [[j]:k:0.4] :2";
    for (size_t n = 0;; n++) {
        lt_reading reading;
        lt_alloc_fail_at(n);
        const lt_status status = lt_read_prompt(&r, false, 0, &reading);
        lt_alloc_fail_at(SIZE_MAX);
        if (status == LT_OK) {
            assert_true(n > 40);
            lt_reading_free(&reading);
            break;
        }
        assert_int_equal(status, LT_ERROR_MEMORY);
        assert_null(reading.owner);
    }
}

/* ---- What the text encoder makes of them ---- */

static lt_session *open_tiny(bool low_memory, int threads) {
    lt_session_options options = lt_session_options_defaults();
    lt_session *session;
    options.low_memory = low_memory;
    options.threads = threads;
    options.precision = LT_PRECISION_F32;
    assert_ok(open_session(synthetic_checkpoint("tiny"), &options, &session));
    return session;
}

static void expect_context(lt_session *session, const lt_checkpoint *golden, const char *text, lt_encoding how,
                           const char *name) {
    lt_context context;
    assert_ok(lt_context_make(session, text, how, &context));
    assert_golden(golden, name, context.values, (size_t)context.tokens * (size_t)context.width, 1e-5);
    lt_context_free(&context);
}

/* The recorded file's list of texts. */
static json_t *load_texts(const char *file) {
    char path[256];
    snprintf(path, sizeof path, LT_GOLDEN_DIR "/prompts/%s", file);
    FILE *f = fopen(path, "rb");
    uint64_t size = 0;
    assert_non_null(f);
    assert_int_equal(fread(&size, sizeof size, 1, f), 1);
    char *header = malloc(size);
    assert_non_null(header);
    assert_int_equal(fread(header, 1, size, f), size);
    fclose(f);
    json_t *all = json_loadb(header, size, 0, NULL), *metadata = json_object_get(all, "__metadata__");
    json_t *texts = json_loads(json_string_value(json_object_get(metadata, "texts")), 0, NULL);
    json_decref(all);
    free(header);
    return texts;
}

static void test_emphasis(void **state) {
    (void)state;
    lt_session *session = open_tiny(false, 2);
    lt_checkpoint golden;
    json_t *texts = load_texts("emphasis.safetensors");
    open_golden("prompts/emphasis.safetensors", &golden);
    assert_int_equal(json_array_size(texts), 8);
    for (size_t i = 0; i < json_array_size(texts); i++) {
        char name[32];
        snprintf(name, sizeof name, "%zu.out", i);
        expect_context(session, &golden, string_at(texts, i), (lt_encoding){.clip_skip = 1}, name);
    }
    const lt_encoding no_norm = {.clip_skip = 1, .emphasis = LT_EMPHASIS_NO_NORM}, skip = {.clip_skip = 2};
    expect_context(session, &golden, string_at(texts, 0), no_norm, "0.out_no_norm");
    expect_context(session, &golden, string_at(texts, 0), skip, "0.out_clip_skip_2");
    json_decref(texts);
    lt_checkpoint_close(&golden);
    lt_session_close(session);
}

/* ---- Pictures ---- */

static lt_request small_request(const char *prompt) {
    lt_request r = lt_request_defaults();
    r.prompt = prompt;
    r.width = r.height = 64;
    r.steps = 4;
    r.sampler = "euler";
    r.random_seed = false;
    r.seed = 1;
    return r;
}

static lt_result draw(lt_session *session, const lt_request *r) {
    lt_result result;
    assert_ok(lt_generate(session, r, &result));
    return result;
}

static void expect_same(lt_session *session, const lt_request *a, const lt_request *b, bool same) {
    lt_result one = draw(session, a), other = draw(session, b);
    const size_t count = (size_t)(4 * one.latent_shape[1] * one.latent_shape[2]);
    assert_int_equal(!memcmp(one.latents[0], other.latents[0], count * sizeof(float)), same);
    lt_result_free(&one);
    lt_result_free(&other);
}

/* Editing, alternation, AND with a weight, emphasis: every latent on the way. */
static void test_recorded_picture(void **state) {
    (void)state;
    lt_checkpoint golden;
    size_t count;
    open_golden("prompts/prompt_edit.safetensors", &golden);
    float *noise = golden_values(&golden, "noise", &count);
    lt_request r = lt_request_defaults();
    r.prompt = "a (red:1.3) [cat:dog:0.5] in [rain|snow] AND a tree :0.4";
    r.negative_prompt = "blurry, ugly";
    r.width = r.height = 128;
    r.steps = 10;
    r.sampler = "ddim";
    r.schedule = "leading";
    r.noise = noise;
    r.keep_steps = true;
    for (int low = 0; low < 2; low++) {
        lt_session *session = open_tiny(low, 1 + low);
        lt_result result = draw(session, &r);
        assert_golden(&golden, "latents", result.step_latents[0], 11 * count, 1e-3);
        lt_result_free(&result);
        lt_session_close(session);
    }
    free(noise);
    lt_checkpoint_close(&golden);
}

/* What comes out the same, and what doesn't. */
static void test_equal_pictures(void **state) {
    (void)state;
    static const struct {
        const char *one, *other;
        bool same;
    } cases[] = {
        {"a [cat:dog:4] b", "a cat b", true}, /* the last step is still before it */
        {"a [cat:dog:0] b", "a dog b", true},
        {"a [cat:dog:1] b", "a cat b", false},
        {"[a|a]", "a", true},
        {"[a|b]", "[a|a|b|b]", false},
        {"a # b", "a", true}, /* white space at a prompt's end is none of it */
        {"a <lora:nobody:1>", "a", true},
        {"a :1", "a", true},
        {"a :2", "a", false},
    };
    lt_session *session = open_tiny(false, 2);
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        const lt_request one = small_request(cases[i].one), other = small_request(cases[i].other);
        expect_same(session, &one, &other, cases[i].same);
    }
    lt_session_close(session);
}

/* A sampler that asks twice a step: the second text comes with the call behind the middle one. */
static void test_twice_a_step(void **state) {
    (void)state;
    lt_session *session = open_tiny(false, 2);
    lt_request edited = small_request("[a:b:7]"), plain = small_request("a");
    edited.sampler = plain.sampler = "heun"; /* 4 steps are 7 calls, and the 8th is not made */
    expect_same(session, &edited, &plain, true);
    edited.prompt = "[a:b:5]";
    expect_same(session, &edited, &plain, false);
    lt_session_close(session);
}

/* At guidance 1 the parts alone are drawn where their weights are 1 in all, with a negative prompt or not. */
static void test_guidance_of_parts(void **state) {
    (void)state;
    lt_session *session = open_tiny(false, 2);
    lt_request one = small_request("a :0.25 AND b :0.75"), other = one;
    one.guidance = other.guidance = 1;
    other.negative_prompt = "ugly";
    expect_same(session, &one, &other, true);
    one.prompt = other.prompt = "a AND b :0.75";
    expect_same(session, &one, &other, false);
    lt_session_close(session);
}

/* ---- Regions ---- */

static lt_image make_mask(int side, uint8_t left, uint8_t right) {
    lt_image mask;
    assert_ok(lt_image_alloc(side, side, &mask));
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) memset(mask.pixels + 3 * (y * side + x), 2 * x < side ? left : right, 3);
    return mask;
}

static lt_request region_request(const char *prompt, const lt_region *regions, size_t count) {
    lt_request r = small_request(prompt);
    r.regions = regions;
    r.region_count = count;
    return r;
}

/* What is everywhere takes the prompt's place, and what is nowhere is not there. */
static void test_whole_regions(void **state) {
    (void)state;
    lt_session *session = open_tiny(false, 2);
    lt_image white = make_mask(16, 255, 255), black = make_mask(16, 0, 0);
    const lt_region everywhere = {&white, "a [cat:dog:2]"}, nowhere = {&black, "a tree"};
    lt_request plain = small_request("a [cat:dog:2]"), r = region_request("an apple", &everywhere, 1);
    expect_same(session, &r, &plain, true);
    r = region_request("a [cat:dog:2]", &nowhere, 1);
    expect_same(session, &r, &plain, true);
    lt_image_free(&white);
    lt_image_free(&black);
    lt_session_close(session);
}

static void predict_regions(lt_session *session, const lt_region *regions, size_t count, const char *prompt,
                            float interval, lt_result *result) {
    lt_request r = region_request(prompt, regions, count);
    r.steps = 1;
    r.guidance_interval[1] = interval;
    *result = draw(session, &r);
}

/* In a step each pixel is that of its region's prompt, and a grey one lies between. */
static void expect_halves(lt_session *session, float interval) {
    lt_image left = make_mask(64, 255, 0), grey = make_mask(64, 0, 51);
    const lt_region regions[] = {{&left, "a cat"}, {&grey, "a tree"}};
    lt_result mixed, cat, tree, base;
    predict_regions(session, regions, 2, "a house", interval, &mixed);
    predict_regions(session, NULL, 0, "a cat", interval, &cat);
    predict_regions(session, NULL, 0, "a tree", interval, &tree);
    predict_regions(session, NULL, 0, "a house", interval, &base);
    for (int k = 0; k < 4 * 8 * 8; k++) {
        const float expected = k % 8 ? 0.8f * base.latents[0][k] + 0.2f * tree.latents[0][k] : cat.latents[0][k];
        const bool at_side = k % 8 == 0 || k % 8 == 7; /* between, scaled masks overshoot */
        if (at_side && !(fabsf(mixed.latents[0][k] - expected) < 2e-3f * (1 + fabsf(expected))))
            fail_msg("%d: %g, not %g", k, (double)mixed.latents[0][k], (double)expected);
    }
    lt_result *const all[] = {&mixed, &cat, &tree, &base};
    for (size_t i = 0; i < LT_COUNT(all); i++) lt_result_free(all[i]);
    lt_image_free(&left);
    lt_image_free(&grey);
}

static void test_halves(void **state) {
    (void)state;
    for (int low = 0; low < 2; low++) {
        lt_session *session = open_tiny(low, 2);
        expect_halves(session, 0);
        expect_halves(session, 0.01f); /* the negative prompt is never there */
        lt_session_close(session);
    }
}

static void test_wrong_regions(void **state) {
    (void)state;
    lt_session *session = open_tiny(false, 2);
    lt_image empty = {0}, mask = make_mask(8, 255, 0);
    const lt_region wrong[] = {{NULL, "a"}, {&mask, NULL}, {&empty, "a"}};
    lt_result result;
    for (size_t i = 0; i < LT_COUNT(wrong); i++) {
        const lt_request r = region_request("a", &wrong[i], 1);
        assert_int_equal(lt_generate(session, &r, &result), LT_ERROR_ARGUMENT);
        assert_non_null(strstr(lt_error_message(), "regions"));
    }
    const lt_request r = region_request("a", NULL, 1);
    assert_int_equal(lt_generate(session, &r, &result), LT_ERROR_ARGUMENT);
    lt_image_free(&mask);
    lt_session_close(session);
}

static void test_too_many_parts(void **state) {
    (void)state;
    lt_session *session = open_tiny(false, 2);
    char *text = make_long("a", " AND a", 20, "");
    const lt_request r = small_request(text);
    lt_result result;
    assert_int_equal(lt_generate(session, &r, &result), LT_ERROR_ARGUMENT);
    assert_non_null(strstr(lt_error_message(), "parts"));
    free(text);
    lt_session_close(session);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded),         cmocka_unit_test(test_random),
        cmocka_unit_test(test_negative),         cmocka_unit_test(test_calls),
        cmocka_unit_test(test_options),          cmocka_unit_test(test_comments),
        cmocka_unit_test(test_hostile),          cmocka_unit_test(test_depth),
        cmocka_unit_test(test_no_memory),        cmocka_unit_test(test_emphasis),
        cmocka_unit_test(test_recorded_picture), cmocka_unit_test(test_equal_pictures),
        cmocka_unit_test(test_twice_a_step),     cmocka_unit_test(test_guidance_of_parts),
        cmocka_unit_test(test_whole_regions),    cmocka_unit_test(test_halves),
        cmocka_unit_test(test_wrong_regions),    cmocka_unit_test(test_too_many_parts),
    };
    const int failed = cmocka_run_group_tests_name("prompts", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
