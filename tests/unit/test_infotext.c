/* The parameters text: read as the web UI's rules say (recorded with Python's re), and back to what was written. */
#include "golden.h"
#include "text/infotext.h"
#include "text/unicode.h"

#include <jansson.h>

static void check_row(const json_t *row) {
    const json_t *settings = json_object_get(row, "settings");
    lt_infotext info;
    assert_ok(lt_infotext_read(json_string_value(json_object_get(row, "text")), &info));
    assert_string_equal(info.prompt, json_string_value(json_object_get(row, "prompt")));
    assert_string_equal(info.negative_prompt, json_string_value(json_object_get(row, "negative")));
    if (!info.count) assert_true(json_array_size(settings) < 3);
    for (size_t i = 0; i < info.count; i++) {
        const json_t *pair = json_array_get(settings, i);
        assert_string_equal(info.settings[i].key, json_string_value(json_array_get(pair, 0)));
        assert_string_equal(info.settings[i].value, json_string_value(json_array_get(pair, 1)));
    }
    if (info.count) assert_int_equal(info.count, json_array_size(settings));
    lt_infotext_free(&info);
}

static void test_golden(void **state) {
    (void)state;
    json_t *rows = json_load_file(LT_GOLDEN_DIR "/infotext.json", 0, NULL);
    assert_true(json_array_size(rows) >= 25);
    for (size_t i = 0; i < json_array_size(rows); i++) check_row(json_array_get(rows, i));
    json_decref(rows);
}

/* Civitai's lists and objects are values here, which the web UI makes settings of. */
static void test_nested(void **state) {
    (void)state;
    lt_infotext info;
    assert_ok(lt_infotext_read("a\nSteps: 1, Seed: 2, Hashes: {\"model\": \"1, 2}\", \"x\": []}, Size: 8x8", &info));
    assert_int_equal(info.count, 4);
    assert_string_equal(lt_infotext_find(&info, "Hashes"), "{\"model\": \"1, 2}\", \"x\": []}");
    assert_string_equal(lt_infotext_find(&info, "Size"), "8x8");
    assert_null(lt_infotext_find(&info, "model"));
    lt_infotext_free(&info);
}

/* ---- What is written is read back ---- */

/* Pieces that a text may be made of, of which some end values, lines or prompts. */
static const char *const pieces[] = {"a",
                                     "cat",
                                     " ",
                                     ",",
                                     ":",
                                     "\"",
                                     "\\",
                                     "\n",
                                     "\r\n",
                                     "\t",
                                     "(",
                                     "1.2",
                                     "Steps: 1",
                                     "Seed: ",
                                     "{",
                                     "}",
                                     "[",
                                     "]",
                                     "é",
                                     "日本",
                                     "😀",
                                     "=",
                                     "\\n",
                                     "\x01",
                                     "-/_",
                                     ", Size:",
                                     "\xff",
                                     "\x7f\xc3",
                                     "\nNegative prompt:",
                                     "Negative prompt: ",
                                     "\xEF\xBB\xBF",
                                     "\xC2\xA0"};

static void random_text(unsigned *seed, char *text, size_t count) {
    *text = '\0';
    for (size_t n = (size_t)rand_r(seed) % (count + 1); n > 0; n--)
        strcat(text, pieces[(size_t)rand_r(seed) % LT_COUNT(pieces)]);
}

/* What is not UTF-8 is written as U+FFFD: text as it must come back. */
static void assert_same_text(const char *read, const char *text) {
    const size_t size = strlen(text);
    char mended[4096], *to = mended;
    for (size_t at = 0; at < size;) {
        int32_t code;
        at += lt_utf8_decode(text + at, size - at, &code);
        to += lt_utf8_encode(code, (uint8_t *)to);
    }
    *to = '\0';
    assert_string_equal(read, mended);
}

static void check_round_trip(unsigned seed) {
    char prompt[1024], negative[1024], values[3][512];
    lt_setting settings[3] = {{"Steps", values[0]}, {"Model", values[1]}, {"A long key-name/2", values[2]}};
    lt_buffer text = {0};
    lt_infotext info;
    random_text(&seed, prompt, 12);
    random_text(&seed, negative, 8);
    for (size_t i = 0; i < 3; i++) random_text(&seed, values[i], 6);
    assert_ok(lt_infotext_write(prompt, negative, settings, 3, &text));
    assert_ok(lt_infotext_read(text.data, &info));
    assert_same_text(info.prompt, prompt);
    assert_same_text(info.negative_prompt, negative);
    for (size_t i = 0; i < 3; i++) assert_same_text(lt_infotext_find(&info, settings[i].key), values[i]);
    lt_infotext_free(&info);
    lt_buffer_free(&text);
}

static void test_round_trip(void **state) {
    (void)state;
    for (unsigned seed = 1; seed <= 20000; seed++) check_round_trip(seed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
