/* CLIP's tokenizer against transformers, and the prompt syntax against what A1111's web UI documents. */
#include "base/file.h"
#include "text/known.h"
#include "text/text.h"
#include "text/unicode.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static lt_map merges;
static lt_tokenizer *tokenizer;

static int open_tokenizer(void **state) {
    (void)state;
    if (lt_map_open(LT_DATA_DIR "/clip-merges.txt", &merges) != LT_OK) return -1;
    return lt_tokenizer_create((const char *)merges.data, merges.size, &tokenizer) == LT_OK ? 0 : -1;
}

static int close_tokenizer(void **state) {
    (void)state;
    lt_tokenizer_free(tokenizer);
    lt_map_close(&merges);
    return 0;
}

/* count times text, allocated. */
static char *repeat(const char *text, size_t count) {
    const size_t size = strlen(text);
    char *s = malloc(size * count + 1);
    assert_non_null(s);
    for (size_t i = 0; i < count; i++) memcpy(s + i * size, text, size);
    s[size * count] = '\0';
    return s;
}

/* ---- Tokens ---- */

static void test_golden(void **state) {
    (void)state;
    json_t *rows = json_load_file(LT_GOLDEN_DIR "/tokenizer.json", 0, NULL);
    assert_true(json_array_size(rows) >= 50);
    for (size_t r = 0; r < json_array_size(rows); r++) {
        const json_t *row = json_array_get(rows, r), *ids = json_object_get(row, "ids"),
                     *padded = json_object_get(row, "padded");
        const char *text = json_string_value(json_object_get(row, "text"));
        lt_tokens tokens;
        lt_prompt prompt;
        assert_int_equal(lt_tokenizer_read(tokenizer, text, &tokens), LT_OK);
        assert_int_equal(tokens.count + 2, json_array_size(ids)); /* the recorded ones have start and end */
        for (size_t i = 0; i < tokens.count; i++)
            assert_int_equal(tokens.ids[i], json_integer_value(json_array_get(ids, i + 1)));
        assert_int_equal(lt_prompt_parse(tokenizer, text, false, LT_TOKEN_END, &prompt), LT_OK);
        assert_int_equal(prompt.chunks, 1);
        for (size_t i = 0; i < LT_CONTEXT_TOKENS; i++) {
            assert_int_equal(prompt.ids[i], json_integer_value(json_array_get(padded, i)));
            assert_true(prompt.weights[i] == 1);
        }
        assert_true((prompt.cut != NULL) == (tokens.count > LT_CHUNK_TOKENS));
        lt_prompt_free(&prompt);
        lt_tokens_free(&tokens);
    }
    json_decref(rows);
}

/* Where Unicode's versions differ, as recorded from transformers 5: its NFC is of Unicode 9, its classes are of 16. */
static void test_unicode_versions(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t count;
        int32_t ids[8];
    } cases[] = {
        {"q\u0301\u0898\u0316", 8, {336, 136, 223, 156, 95, 246, 136, 500}},
        {"\U00011935\U00011930", 8, {172, 239, 97, 113, 172, 239, 97, 364}},
        {"\U00011938", 4, {172, 239, 97, 372}},
        {"\u1107\u1172\u11a7", 6, {167, 115, 108, 157, 228, 356}},
        {"\u1c89\u1c8a", 6, {157, 110, 232, 157, 110, 488}},
        {"\U00013460\U00010d40", 8, {172, 241, 239, 510, 172, 238, 113, 478}},
        {"\U0002ebf0a", 5, {172, 106, 107, 108, 320}},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_tokens tokens;
        assert_int_equal(lt_tokenizer_read(tokenizer, cases[i].text, &tokens), LT_OK);
        assert_int_equal(tokens.count, cases[i].count);
        assert_memory_equal(tokens.ids, cases[i].ids, tokens.count * sizeof *tokens.ids);
        lt_tokens_free(&tokens);
    }
}

static void expect_same_tokens(const char *a, const char *b) {
    lt_tokens x, y;
    assert_int_equal(lt_tokenizer_read(tokenizer, a, &x), LT_OK);
    assert_int_equal(lt_tokenizer_read(tokenizer, b, &y), LT_OK);
    assert_int_equal(x.count, y.count);
    for (size_t i = 0; i < x.count; i++) assert_int_equal(x.ids[i], y.ids[i]);
    lt_tokens_free(&x);
    lt_tokens_free(&y);
}

static void test_normalization(void **state) {
    (void)state;
    expect_same_tokens("e\u0301", "\u00e9");
    expect_same_tokens("a\u0301\u0316", "\u00e1\u0316");                        /* a mark of another class between */
    expect_same_tokens("a\u0323\u0302", "\u1ead");                              /* two marks, one letter */
    expect_same_tokens("\u1112\u1161\u11ab", "\ud55c");                         /* Korean, from its parts */
    expect_same_tokens("\u1112\u1161\u11a7", "\ud558\u11a7");                   /* U+11A7 is not such a part */
    expect_same_tokens("\u0958", "\u0915\u093c");                               /* excluded from composition */
    expect_same_tokens("\u212b \u2126", "\u00e5 \u03c9");                       /* singletons */
    expect_same_tokens("\u0130", "i\u0307");                                    /* two characters in lower case */
    expect_same_tokens("\u03a3\u0399\u03a3", "\u03c3\u03b9\u03c3");             /* no final sigma */
    expect_same_tokens("\u1c89 \ua7dc \U00010d50", "\u1c8a \u019b \U00010d70"); /* newer than some utf8proc */
    expect_same_tokens("a\u2003b\u3000\xc2\x85\u00a0", "a b");
    expect_same_tokens("DON'T'S", "don't's");
}

static void test_not_utf8(void **state) {
    (void)state;
    expect_same_tokens("a\xff\xfe"
                       "b",
                       "a\ufffd\ufffd"
                       "b");
    expect_same_tokens("\xe5\x8c", "\ufffd"); /* cut off */
    expect_same_tokens("\xf0\x9f\x98z", "\ufffdz");
    expect_same_tokens("\xc0\xaf", "\ufffd\ufffd");           /* overlong */
    expect_same_tokens("\xed\xa0\x80", "\ufffd\ufffd\ufffd"); /* a surrogate */
    expect_same_tokens("\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd");
    expect_same_tokens("\x80", "\ufffd");
}

static void test_utf8_reading(void **state) {
    (void)state;
    static const int32_t codes[] = {1, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff};
    for (size_t i = 0; i < LT_COUNT(codes); i++) {
        uint8_t bytes[4];
        int32_t code;
        const size_t size = lt_utf8_encode(codes[i], bytes);
        assert_int_equal(size, lt_utf8_size(codes[i]));
        assert_int_equal(lt_utf8_decode((const char *)bytes, size, &code), size);
        assert_int_equal(code, codes[i]);
    }
    assert_int_equal(lt_unicode_digit('7'), 7);
    assert_int_equal(lt_unicode_digit(0x0663), 3);  /* Arabic */
    assert_int_equal(lt_unicode_digit(0x1d7ff), 9); /* the last of five sets in a row */
    assert_int_equal(lt_unicode_digit(0xb2), -1);   /* superscript two is no decimal digit */
    assert_int_equal(lt_unicode_digit('a'), -1);
}

static void test_special_tokens(void **state) {
    (void)state;
    lt_tokens tokens;
    assert_int_equal(lt_tokenizer_read(tokenizer, "a<|endoftext|>b<|startoftext|>", &tokens), LT_OK);
    static const int32_t ids[] = {320, LT_TOKEN_END, 321, LT_TOKEN_START};
    static const size_t ends[] = {1, 14, 15, 30};
    assert_int_equal(tokens.count, LT_COUNT(ids));
    for (size_t i = 0; i < tokens.count; i++) {
        assert_int_equal(tokens.ids[i], ids[i]);
        assert_int_equal(tokens.ends[i], ends[i]);
    }
    lt_tokens_free(&tokens);
    /* In capitals they are text, yet the pattern takes them apart from what follows, unless a word has begun before. */
    expect_same_tokens("<|STARTOFTEXT|>!", "<| startoftext |> !");
    expect_same_tokens("!<|STARTOFTEXT|>!", "!<| startoftext |>!");
    expect_same_tokens("<|endoftex|>", "<| endoftex |>");
}

static void test_ends(void **state) {
    (void)state;
    const char *text = " Une  cafe\u0301, \U0001f469\u200d\U0001f680 \u5317\u4eac 12\u0301\u0316x\u0130 ";
    lt_tokens tokens;
    assert_int_equal(lt_tokenizer_read(tokenizer, text, &tokens), LT_OK);
    assert_int_equal(tokens.ends[0], 4); /* " Une" */
    for (size_t i = 1; i < tokens.count; i++) {
        assert_true(tokens.ends[i] >= tokens.ends[i - 1]);
        assert_int_not_equal((uint8_t)text[tokens.ends[i]] & 0xc0, 0x80); /* never inside a character */
    }
    assert_int_equal(tokens.ends[tokens.count - 1], strlen(text) - 1);
    lt_tokens_free(&tokens);
}

static void test_large(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t count, tokens;
    } cases[] = {
        {"a", 1000000, 125001},      {"<|", 300000, 600000}, {"a\u0301\u0316", 200000, 0},
        {"\u0316\u0301", 300000, 0}, {" ", 1000000, 0},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        char *text = repeat(cases[i].text, cases[i].count);
        lt_tokens tokens;
        assert_int_equal(lt_tokenizer_read(tokenizer, text, &tokens), LT_OK);
        if (cases[i].tokens) assert_int_equal(tokens.count, cases[i].tokens);
        lt_tokens_free(&tokens);
        free(text);
    }
}

static void expect_bad_merges(const char *list, size_t size, const char *message) {
    lt_tokenizer *t;
    assert_int_equal(lt_tokenizer_create(list, size, &t), LT_ERROR_FORMAT);
    assert_null(t);
    if (!strstr(lt_error_message(), message)) fail_msg("'%s' lacks '%s'", lt_error_message(), message);
}

static void test_bad_merges(void **state) {
    (void)state;
    expect_bad_merges("", 0, "0 lines");
    expect_bad_merges("i n\n", 4, "1 line,");
    expect_bad_merges("i n\nin\n", 7, "line 2");
    expect_bad_merges("i n\n\nt h\n", 9, "line 2");
    expect_bad_merges("i n\nin x y\n", 11, "line 2");
    expect_bad_merges("i n\nan d\n", 9, "line 2");
    expect_bad_merges("i n\nt h\ni n\n", 12, "line 3");
    char *longer = malloc(merges.size + 8);
    assert_non_null(longer);
    memcpy(longer, merges.data, merges.size);
    memcpy(longer + merges.size, "q q\n", 4);
    expect_bad_merges(longer, merges.size + 4, "over");
    lt_tokenizer *t; /* the last line's end may be missing */
    assert_int_equal(lt_tokenizer_create(longer, merges.size - 1, &t), LT_OK);
    lt_tokenizer_free(t);
    free(longer);
}

/* ---- Syntax ---- */

typedef struct part {
    const char *text;
    double weight;
} part;

enum { MAX_PARTS = 12 };

/* The prompt has one chunk with the tokens of the parts, each with its part's weight. */
static void expect_parts(const char *text, const part *parts) {
    lt_prompt prompt;
    size_t place = 1;
    assert_int_equal(lt_prompt_parse(tokenizer, text, true, LT_TOKEN_END, &prompt), LT_OK);
    assert_int_equal(prompt.chunks, 1);
    assert_null(prompt.cut);
    assert_int_equal(prompt.ids[0], LT_TOKEN_START);
    assert_true(prompt.weights[0] == 1);
    for (size_t i = 0; i < MAX_PARTS && parts[i].text; i++) {
        lt_tokens tokens;
        assert_int_equal(lt_tokenizer_read(tokenizer, parts[i].text, &tokens), LT_OK);
        for (size_t k = 0; k < tokens.count; k++, place++)
            if (prompt.ids[place] != tokens.ids[k] || prompt.weights[place] != (float)parts[i].weight)
                fail_msg("'%s': token %zu is %d with weight %.9g, not %d with %.9g ('%s')", text, place,
                         prompt.ids[place], prompt.weights[place], tokens.ids[k], parts[i].weight, parts[i].text);
        lt_tokens_free(&tokens);
    }
    for (; place < LT_CONTEXT_TOKENS; place++) {
        assert_int_equal(prompt.ids[place], LT_TOKEN_END);
        assert_true(prompt.weights[place] == 1);
    }
    lt_prompt_free(&prompt);
}

/* The examples that the web UI documents. */
static void test_documented_syntax(void **state) {
    (void)state;
    static const struct {
        const char *text;
        part parts[MAX_PARTS];
    } cases[] = {
        {"normal text", {{"normal text", 1}}},
        {"an (important) word", {{"an", 1}, {"important", 1.1}, {"word", 1}}},
        {"(unbalanced", {{"unbalanced", 1.1}}},
        {"\\(literal\\]", {{"(literal]", 1}}},
        {"(unnecessary)(parens)", {{"unnecessaryparens", 1.1}}},
        {"a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
         {{"a", 1},
          {"house", 1.5730000000000004},
          {"on", 1},
          {"a", 1.1},
          {"hill", 0.55},
          {", sun,", 1.1},
          {"sky", 1.4641000000000006},
          {".", 1.1}}},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) expect_parts(cases[i].text, cases[i].parts);
}

static void test_syntax(void **state) {
    (void)state;
    static const struct {
        const char *text;
        part parts[MAX_PARTS];
    } cases[] = {
        {"", {{NULL, 0}}},
        {"()[]", {{NULL, 0}}},
        {"[cat] dog", {{"cat", 1 / 1.1}, {"dog", 1}}},
        {"([cat])", {{"cat", 1 / 1.1 * 1.1}}},
        {"a) b] c", {{"a) b] c", 1}}},
        {"[cat:red]", {{"cat:red", 1 / 1.1}}},
        {"cat:1.3) dog", {{"cat:1.3) dog", 1}}},
        {"(cat: 1.3 ) (dog:+.5) (cow:-2.)", {{"cat", 1.3}, {"dog", 0.5}, {"cow", -2}}},
        {"(cat:\u0661.\uff15)", {{"cat", 1.5}}},
        {"(a [b (c:2)] d)", {{"a", 1.1}, {"b", 1 / 1.1 * 1.1}, {"c", 2 * (1 / 1.1) * 1.1}, {"d", 1.1}}},
        {"(a [b) c]", {{"a", 1.1}, {"b", 1.1 * (1 / 1.1)}, {"c", 1 / 1.1}}},
        {"[a (b", {{"a", 1 / 1.1}, {"b", 1.1 * (1 / 1.1)}}},
        {"\\\\ \\[x\\] \\y\\", {{"\\ [x] y", 1}}},
        {"(a\\:1.3)", {{"a", 1.3}}},
        {"(a:b:1.3)", {{"a:b", 1.3}}},
        {"(a:0)", {{"a", 0}}},
        /* what isn't a number there is text here */
        {"(a:1.2.3)", {{"a:1.2.3", 1.1}}},
        {"(a:.)(b:+)", {{"a:.b:+", 1.1}}},
        {"(a:nan)", {{"a:nan", 1.1}}},
        {"(a:inf)", {{"a:inf", 1.1}}},
        {"(a:1e999)", {{"a:1e999", 1.1}}},
        {"(a:0x10)", {{"a:0x10", 1.1}}},
        {"(a:1,5)", {{"a:1,5", 1.1}}},
        /* BREAK is no break inside a word, in small letters, or where brackets change its weight of -1 */
        {"BREAKFAST xBREAK BREAK_ break", {{"breakfast xbreak break_ break", 1}}},
        {"(a BREAK b)", {{"a", 1.1}, {"break", -1.1}, {"b", 1.1}}},
        {"BREAK", {{NULL, 0}}},
        {"a BREAK", {{"a", 1}}},
        {"a BREAK ( )", {{"a", 1}}},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) expect_parts(cases[i].text, cases[i].parts);
}

static void test_huge_numbers(void **state) {
    (void)state;
    char *digits = repeat("9", 400), *text = NULL;
    lt_prompt prompt;
    static const struct {
        const char *format;
        float least, most;
    } cases[] = {
        {"(a:%s)", 3e38f, INFINITY},
        {"(a:-%s)", -INFINITY, -3e38f},
        {"(a:0.%s)", 1, 1},
        {"((a:%s):0)", 1, 1}, /* infinity times 0 */
        {"(a:0.0000000000000000000000000000000000000000000000000000000001%s)", 0, 1e-30f},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        text = malloc(1000);
        assert_non_null(text);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, 1000, cases[i].format, digits);
#pragma GCC diagnostic pop
        assert_int_equal(lt_prompt_parse(tokenizer, text, true, LT_TOKEN_END, &prompt), LT_OK);
        assert_int_equal(prompt.ids[1], 320);
        assert_true(isfinite(prompt.weights[1]));
        assert_true(prompt.weights[1] >= cases[i].least && prompt.weights[1] <= cases[i].most);
        lt_prompt_free(&prompt);
        free(text);
    }
    free(digits);
}

/* ---- Chunks ---- */

/* The text of each chunk: chunk i's tokens are those of chunks[i]. */
static void expect_chunks(const char *text, size_t count, const char *const *chunks) {
    lt_prompt prompt;
    assert_int_equal(lt_prompt_parse(tokenizer, text, true, LT_TOKEN_END, &prompt), LT_OK);
    assert_int_equal(prompt.chunks, count);
    for (size_t c = 0; c < count; c++) {
        const int32_t *ids = prompt.ids + c * LT_CONTEXT_TOKENS;
        lt_tokens tokens;
        assert_int_equal(lt_tokenizer_read(tokenizer, chunks[c], &tokens), LT_OK);
        assert_true(tokens.count <= LT_CHUNK_TOKENS);
        assert_int_equal(ids[0], LT_TOKEN_START);
        for (size_t i = 1; i < LT_CONTEXT_TOKENS; i++)
            assert_int_equal(ids[i], i <= tokens.count ? tokens.ids[i - 1] : LT_TOKEN_END);
        lt_tokens_free(&tokens);
    }
    lt_prompt_free(&prompt);
}

static void test_break(void **state) {
    (void)state;
    expect_chunks("a BREAK b", 2, (const char *const[]){"a", "b"});
    expect_chunks("a BREAK\nBREAK b", 3, (const char *const[]){"a", "", "b"});
    expect_chunks("BREAK b", 2, (const char *const[]){"", "b"});
    expect_chunks("a,BREAK,b", 2, (const char *const[]){"a,", ",b"});
    expect_chunks("(a) BREAK [b", 2, (const char *const[]){"a", "b"});
    char *full = repeat("a ", LT_CHUNK_TOKENS), text[400];
    snprintf(text, sizeof text, "%s BREAK b", full); /* a full chunk is ended, not followed by an empty one */
    expect_chunks(text, 2, (const char *const[]){full, "b"});
    free(full);
}

/* before words "a", a comma, after words "b", and one word "c" more. */
static void expect_comma(size_t before, size_t after, bool moves) {
    char *a = repeat("a ", before), *b = repeat("b ", after), text[600], first[600], second[600];
    snprintf(text, sizeof text, "%s, %s c", a, b);
    snprintf(first, sizeof first, "%s, %s", a, moves ? "" : b);
    snprintf(second, sizeof second, "%s c", moves ? b : "");
    expect_chunks(text, 2, (const char *const[]){first, second});
    free(a);
    free(b);
}

static void test_comma(void **state) {
    (void)state;
    expect_comma(74, 0, true);
    expect_comma(73, 1, true);
    expect_comma(55, 19, true); /* the comma is the 20th from the end */
    expect_comma(54, 20, false);
    expect_comma(0, 74, false);
    char *a = repeat("a ", 75), text[400];
    snprintf(text, sizeof text, "%s, b", a); /* a comma that has no place itself moves on, and moves nothing */
    expect_chunks(text, 2, (const char *const[]){a, ", b"});
    free(a);
    /* Weights move along. */
    a = repeat("a ", 70);
    snprintf(text, sizeof text, "%s, (b:2) c c c c", a);
    lt_prompt prompt;
    assert_int_equal(lt_prompt_parse(tokenizer, text, true, LT_TOKEN_END, &prompt), LT_OK);
    assert_int_equal(prompt.chunks, 2);
    for (size_t i = 0; i < 2 * LT_CONTEXT_TOKENS; i++)
        assert_true(prompt.weights[i] == (i == LT_CONTEXT_TOKENS + 1 ? 2 : 1));
    assert_int_equal(prompt.ids[72], LT_TOKEN_END);
    lt_prompt_free(&prompt);
    free(a);
}

static void test_short_prompts_are_the_same_both_ways(void **state) {
    (void)state;
    static const char *const texts[] = {"", "a red apple", "caf\u00e9, 4k, \u5317\u4eac!", "a: b"};
    for (size_t i = 0; i < LT_COUNT(texts); i++)
        for (int32_t pad = 0; pad <= LT_TOKEN_END; pad += LT_TOKEN_END) {
            lt_prompt plain, syntax;
            assert_int_equal(lt_prompt_parse(tokenizer, texts[i], false, pad, &plain), LT_OK);
            assert_int_equal(lt_prompt_parse(tokenizer, texts[i], true, pad, &syntax), LT_OK);
            assert_int_equal(syntax.chunks, 1);
            assert_memory_equal(plain.ids, syntax.ids, LT_CONTEXT_TOKENS * sizeof *plain.ids);
            assert_memory_equal(plain.weights, syntax.weights, LT_CONTEXT_TOKENS * sizeof *plain.weights);
            lt_prompt_free(&plain);
            lt_prompt_free(&syntax);
        }
}

static void test_padding(void **state) {
    (void)state;
    lt_prompt prompt;
    assert_int_equal(lt_prompt_parse(tokenizer, "a", true, 0, &prompt), LT_OK);
    for (size_t i = 0; i < LT_CONTEXT_TOKENS; i++)
        assert_int_equal(prompt.ids[i], i == 0 ? LT_TOKEN_START : i == 1 ? 320 : i == 2 ? LT_TOKEN_END : 0);
    lt_prompt_free(&prompt);
    assert_int_equal(lt_prompt_parse(tokenizer, "a<|endoftext|>b BREAK c", true, 0, &prompt), LT_OK);
    assert_int_equal(prompt.ids[2], LT_TOKEN_END);
    assert_int_equal(prompt.ids[3], 0);
    assert_int_equal(prompt.ids[LT_CONTEXT_TOKENS + 3], 0);
    lt_prompt_free(&prompt);
}

static void test_cut(void **state) {
    (void)state;
    char *a = repeat("a ", LT_CHUNK_TOKENS), text[400];
    lt_prompt prompt;
    assert_int_equal(lt_prompt_parse(tokenizer, a, false, LT_TOKEN_END, &prompt), LT_OK);
    assert_null(prompt.cut);
    lt_prompt_free(&prompt);
    snprintf(text, sizeof text, "%s (that) is too much", a);
    assert_int_equal(lt_prompt_parse(tokenizer, text, false, LT_TOKEN_END, &prompt), LT_OK);
    assert_string_equal(prompt.cut, "(that) is too much");
    assert_int_equal(prompt.ids[76], LT_TOKEN_END);
    lt_prompt_free(&prompt);
    /* A character of which only some bytes fit is cut whole: U+1FAE8 is more tokens than the one that is left. */
    snprintf(text, sizeof text, "%.146s 1\U0001fae8 b", a);
    assert_int_equal(lt_prompt_parse(tokenizer, text, false, LT_TOKEN_END, &prompt), LT_OK);
    assert_string_equal(prompt.cut, "\U0001fae8 b");
    lt_prompt_free(&prompt);
    free(a);
}

static void test_hostile(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t count;
    } cases[] = {
        {"(", 3000000},    {"[(", 1000000}, {"(a", 300000}, {")", 300000},  {"(a)[", 200000},     {"\\", 1000000},
        {"BREAK ", 50000}, {":", 300000},   {":1", 300000}, {": ", 300000}, {"((a:1.1)", 100000},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        char *text = repeat(cases[i].text, cases[i].count);
        lt_prompt prompt;
        assert_int_equal(lt_prompt_parse(tokenizer, text, true, LT_TOKEN_END, &prompt), LT_OK);
        bool sound = true;
        for (size_t k = 0; k < prompt.chunks * LT_CONTEXT_TOKENS; k++)
            sound = sound && prompt.ids[k] >= 0 && prompt.ids[k] <= LT_TOKEN_END && isfinite(prompt.weights[k]);
        assert_true(sound);
        lt_prompt_free(&prompt);
        free(text);
    }
}

/* ---- Emphasis ---- */

static void test_weigh(void **state) {
    (void)state;
    enum { WIDTH = 3, SIZE = LT_CONTEXT_TOKENS * WIDTH };
    lt_prompt prompt;
    float context[3 * SIZE], before[3 * SIZE];
    assert_int_equal(lt_prompt_parse(tokenizer, "(a:2) b BREAK c BREAK [d]", true, LT_TOKEN_END, &prompt), LT_OK);
    assert_int_equal(prompt.chunks, 3);
    for (size_t i = 0; i < 3 * SIZE; i++) before[i] = context[i] = sinf((float)i) + 0.3f;
    lt_prompt_weigh(&prompt, LT_EMPHASIS_ORIGINAL, context, WIDTH);
    assert_memory_equal(context + SIZE, before + SIZE, SIZE * sizeof *context); /* no weights: untouched */
    for (size_t c = 0; c < 3; c += 2) {
        double old_mean = 0, new_mean = 0, weighed_mean = 0;
        for (size_t i = c * SIZE; i < (c + 1) * SIZE; i++) {
            old_mean += before[i] / SIZE;
            new_mean += context[i] / SIZE;
            weighed_mean += before[i] * prompt.weights[i / WIDTH] / SIZE;
        }
        assert_true(fabs(new_mean - old_mean) < 1e-6);
        for (size_t i = c * SIZE; i < (c + 1) * SIZE; i++)
            assert_true(fabs(context[i] - before[i] * prompt.weights[i / WIDTH] * old_mean / weighed_mean) < 1e-6);
    }
    lt_prompt_free(&prompt);
}

static void test_weigh_without_a_mean(void **state) {
    (void)state;
    lt_prompt prompt;
    float context[LT_CONTEXT_TOKENS] = {0};
    assert_int_equal(lt_prompt_parse(tokenizer, "(a:2)", true, LT_TOKEN_END, &prompt), LT_OK);
    context[0] = -2;
    context[1] = 1; /* weighed, the mean is 0: it can't be restored */
    lt_prompt_weigh(&prompt, LT_EMPHASIS_ORIGINAL, context, 1);
    assert_true(context[0] == -2 && context[1] == 2);
    lt_prompt_free(&prompt);
}

/* ---- Memory ---- */

static void test_allocation_failures(void **state) {
    (void)state;
    for (size_t n = 0;; n++) {
        lt_tokenizer *t;
        lt_alloc_fail_at(n);
        const lt_status status = lt_tokenizer_create((const char *)merges.data, merges.size, &t);
        lt_alloc_fail_at(SIZE_MAX);
        if (status == LT_OK) {
            assert_true(n > 0);
            lt_tokenizer_free(t);
            break;
        }
        assert_int_equal(status, LT_ERROR_MEMORY);
        assert_null(t);
    }
    char *words = repeat("(a) b, ", 100), text[1000];
    snprintf(text, sizeof text, "%s\u0301\u0316\u0130<|endoftext|> BREAK (c:1.2)", words);
    for (int syntax = 0; syntax < 2; syntax++)
        for (size_t n = 0;; n++) {
            lt_prompt prompt;
            lt_alloc_fail_at(n);
            const lt_status status = lt_prompt_parse(tokenizer, text, syntax, LT_TOKEN_END, &prompt);
            lt_alloc_fail_at(SIZE_MAX);
            if (status == LT_OK) {
                assert_true(n > 5);
                lt_prompt_free(&prompt);
                break;
            }
            assert_int_equal(status, LT_ERROR_MEMORY);
            assert_null(prompt.ids);
            assert_null(prompt.weights);
            assert_null(prompt.cut);
        }
    free(words);
}

/* ---- What a small model has learned ---- */

static void test_gathered_words(void **state) {
    (void)state;
    static const char *const texts[] = {"a red Apple, 3d style",
                                        "can you draw a woman\xe2\x80\x99s hat?",
                                        "'a' \xe2\x80\x9cred\xe2\x80\x9d 12",
                                        "pi\303\261ata",
                                        "",
                                        "\xe2\x80"};
    lt_buffer words = {0}, none = {0};
    assert_int_equal(LT_OK, lt_known_gather(texts, LT_COUNT(texts), 12, &words));
    assert_string_equal(words.data, "3d a apple can draw hat pi\303\261ata red style woman's you");
    assert_int_equal(LT_OK, lt_known_gather(texts, LT_COUNT(texts), 10, &none));
    assert_int_equal(none.size, 0);
    lt_buffer_free(&words);
    lt_buffer_free(&none);
}

static void assert_asked(const char *prompt, const char *unknown, const char *near) {
    lt_known known;
    lt_buffer words = {0}, things = {0};
    assert_int_equal(LT_OK, lt_known_set(&known, "a apple baby bottle cats draw glasses of on red wizard",
                                         "baby bottle\nwizard\nred apple\nbottle with popping cork\ncat"));
    assert_int_equal(LT_OK, lt_known_ask(&known, prompt, &words, &things));
    assert_string_equal(words.data ? words.data : "", unknown);
    assert_string_equal(things.data ? things.data : "", near);
    lt_buffer_free(&words);
    lt_buffer_free(&things);
    lt_known_free(&known);
}

static void test_unknown_words(void **state) {
    (void)state;
    assert_asked("A red apple (on 3 bottles:1.2)!", "", "");
    assert_asked("a cat, a wizard's glass", "", "");
    assert_asked("a bottle of ketchup", "ketchup", "baby bottle");
    assert_asked("a wizzard, an aple; a Wizzard", "wizzard, an, aple", "wizard, red apple");
    assert_asked("q1 q2 q3 q4 q5", "q1, q2, q3", "");
    assert_asked("", "", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gathered_words),
        cmocka_unit_test(test_unknown_words),
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_unicode_versions),
        cmocka_unit_test(test_normalization),
        cmocka_unit_test(test_not_utf8),
        cmocka_unit_test(test_utf8_reading),
        cmocka_unit_test(test_special_tokens),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_bad_merges),
        cmocka_unit_test(test_documented_syntax),
        cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_huge_numbers),
        cmocka_unit_test(test_break),
        cmocka_unit_test(test_comma),
        cmocka_unit_test(test_short_prompts_are_the_same_both_ways),
        cmocka_unit_test(test_padding),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_weigh),
        cmocka_unit_test(test_weigh_without_a_mean),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, open_tokenizer, close_tokenizer);
}
