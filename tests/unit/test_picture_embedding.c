/* Embeddings in pictures, as A1111's web UI recorded and read them, and what strangers may have put there instead. */
#include "formats/picture_embedding.h"

#include "golden.h"

#include <zlib.h>

static lt_name recorded_picture(const char *name) { return lt_name_of("%s/embeddings/%s", LT_GOLDEN_DIR, name); }

/* ---- Recorded ones ---- */

static void check_picture(const lt_tensor *expected) {
    lt_checkpoint c;
    assert_ok(lt_checkpoint_open(recorded_picture(expected->name).text, &c));
    assert_non_null(strstr(c.format, strstr(expected->name, "png") ? "PNG" : "WebP"));
    const lt_tensor *t = lt_checkpoint_find(&c, "string_to_param.*");
    assert_int_equal(c.count, 1);
    assert_true(t && lt_tensor_has_shape(t, 2, expected->shape) && t->dtype == LT_F32);
    assert_memory_equal(t->data, expected->data, lt_tensor_bytes(expected));
    const char *name = lt_checkpoint_metadata(&c, "name");
    assert_string_equal(name, strstr(expected->name, "said")   ? "said"
                              : strstr(expected->name, "both") ? "both"
                                                               : "hidden");
    lt_checkpoint_close(&c);
}

/* To the bit: the numbers are printed so that they can be read so. */
static void test_recorded(void **state) {
    (void)state;
    lt_checkpoint expected;
    open_golden("embeddings/pictures.safetensors", &expected);
    assert_int_equal(expected.count, 5);
    for (size_t i = 0; i < expected.count; i++) check_picture(&expected.tensors[i]);
    lt_checkpoint_close(&expected);
}

static void test_previews(void **state) {
    (void)state;
    const lt_name shown = lt_name_of("%s/shown.PREVIEW.png", scratch_folder());
    const struct {
        lt_name path;
        bool preview;
    } cases[] = {
        {recorded_picture("said.png"), false},         {recorded_picture("hidden.webp"), false},
        {recorded_picture("hidden.png"), false},       {recorded_picture("my-style.pt"), false},
        {recorded_picture("preview.png"), true},       {recorded_picture("missing.png"), true},
        {recorded_picture("../tiny/input.png"), true}, {shown, true},
    };
    char command[1024];
    snprintf(command, sizeof command, "cp '%s' '%s'", cases[0].path.text, shown.text);
    assert_int_equal(system(command), 0);
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        bool preview;
        assert_ok(lt_is_preview(cases[i].path.text, &preview));
        if (preview != cases[i].preview) fail_msg("%s", cases[i].path.text);
    }
    lt_checkpoint c;
    assert_int_equal(lt_checkpoint_open(recorded_picture("preview.png").text, &c), LT_ERROR_FORMAT);
    assert_non_null(strstr(lt_error_message(), "preview.png: this is a picture, not a model's weights"));
}

/* ---- JSON ---- */

static lt_status read_json(const char *text, lt_checkpoint *c) {
    lt_status status = lt_checkpoint_begin(c);
    if (!status) status = lt_embedding_json_read(text, strlen(text), c);
    if (!status) status = lt_checkpoint_finish(c);
    return status;
}

#define TENSOR(values) "{\"string_to_param\": {\"*\": {\"TORCHTENSOR\": " values "}}}"

static void test_texts(void **state) {
    (void)state;
    static const struct {
        const char *text, *name;
        int rank;
        size_t shape[2];
    } cases[] = {
        {TENSOR("[[1, -2.5e-3, 0], [1e-300, 4, 3]]"), "string_to_param.*", 2, {2, 3}},
        {"{\"clip_l\": {\"TORCHTENSOR\": [1, 2]}, \"x\": {\"y\": 1}, \"n\": null}", "clip_l", 1, {2}},
        {"{\"string_to_param\": {\"cat\": {\"TORCHTENSOR\": [[1]]}}, \"step\": NaN}", "string_to_param.cat", 2, {1, 1}},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_checkpoint c;
        assert_ok(read_json(cases[i].text, &c));
        const lt_tensor *t = lt_checkpoint_find(&c, cases[i].name);
        assert_true(t && lt_tensor_has_shape(t, cases[i].rank, cases[i].shape));
        assert_float_equal(*(const float *)t->data, 1, 0);
        lt_checkpoint_close(&c);
    }
}

static void refused(lt_status status, const char *says) {
    assert_int_equal(status, LT_ERROR_FORMAT);
    if (!strstr(lt_error_message(), says)) fail_msg("%s", lt_error_message());
}

static void test_wrong_texts(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "broken JSON"},
        {"[1, 2]", "its text holds no vectors"},
        {"{\"string_to_param\": {\"*\": 7}, \"TORCHTENSOR\": [1]}", "its text holds no vectors"},
        {TENSOR("7"), "string_to_param.* is no list of vectors"},
        {TENSOR("[]"), "is no list of vectors"},
        {TENSOR("[[]]"), "is no list of vectors"},
        {TENSOR("[[[1]]]"), "is no list of vectors"},
        {TENSOR("[[\"1\"]]"), "is no list of vectors"},
        {TENSOR("[[1, 2], 3]"), "are of different widths"},
        {TENSOR("[[1, 2], [3]]"), "are of different widths"},
        {TENSOR("[1, [2]]"), "is no list of vectors"},
        {TENSOR("[[1, NaN]]"), "string_to_param.* holds a NaN or an infinity"},
        {TENSOR("[[-Infinity]]"), "holds a NaN or an infinity"},
        {TENSOR("[[1e39]]"), "holds a NaN or an infinity"},
        {TENSOR("[[1e999]]"), "holds a NaN or an infinity"},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_checkpoint c;
        refused(read_json(cases[i].text, &c), cases[i].says);
        lt_checkpoint_close(&c);
    }
}

/* Lists within lists, and of more values than a checkpoint has. */
static void test_large_texts(void **state) {
    (void)state;
    enum { VALUES = LT_IMAGE_MAX_TEXT / 4 };
    char *text = malloc(2 * VALUES + 64);
    lt_checkpoint c;
    memset(text, '[', 1000);
    text[1000] = '\0';
    refused(read_json(text, &c), "values within values");
    lt_checkpoint_close(&c);
    strcpy(text, "{\"a\": {\"TORCHTENSOR\": [");
    for (size_t i = 0, at = strlen(text); i < VALUES; i++, at += 2) memcpy(text + at, "1,", 3);
    refused(read_json(text, &c), "JSON of over");
    lt_checkpoint_close(&c);
    free(text);
}

/* ---- PNG's text ---- */

/* A PNG of one text chunk alone, whose content [size] is behind the keyword. */
static lt_status read_said(const char *type, const void *content, size_t size) {
    enum { KEYWORD = sizeof "sd-ti-embedding" };
    uint8_t file[1024] = "\x89PNG\r\n\x1A\n";
    const uint32_t length = (uint32_t)(KEYWORD + size);
    lt_checkpoint c;
    for (int i = 0; i < 4; i++) file[8 + i] = (uint8_t)(length >> (24 - 8 * i));
    memcpy(file + 12, type, 4);
    memcpy(file + 16, "sd-ti-embedding", KEYWORD);
    memcpy(file + 16 + KEYWORD, content, size);
    const uint32_t crc = (uint32_t)crc32(0, file + 12, length + 4);
    for (int i = 0; i < 4; i++) file[16 + length + (uint32_t)i] = (uint8_t)(crc >> (24 - 8 * i));
    const lt_status status = lt_checkpoint_open_memory(file, 20 + length, &c);
    if (!status) lt_checkpoint_close(&c);
    return status;
}

static lt_status read_tEXt(const char *text) { return read_said("tEXt", text, strlen(text)); }

static void test_wrong_chunks(void **state) {
    (void)state;
    assert_ok(read_tEXt("eyJh\nIjogeyJUT1JDSFRFTlNPUiI6IFsxXX19")); /* {"a": {"TORCHTENSOR": [1]}} */
    assert_ok(read_tEXt("eyJhIjogeyJUT1JDSFRFTlNPUiI6IFsxXX19IA==trailing"));
    refused(read_tEXt(""), "its sd-ti-embedding is empty");
    refused(read_tEXt("===="), "its sd-ti-embedding is empty");
    refused(read_tEXt("eyJhI"), "its sd-ti-embedding is no base64, or cut off");
    refused(read_tEXt("eyJhIjog"), "broken JSON");
    refused(read_tEXt("e30="), "its text holds no vectors");
    refused(read_said("zTXt", "\0abc", 4), "can't be unpacked");
    refused(read_said("iTXt", "\1", 1), "makes no sense");
}

/* ---- Hidden in pixels ---- */

enum { ROWS = 32 };

/* bytes in the lower halves of two blocks, with two black columns between. */
static lt_pixels hide(const uint8_t *bytes, size_t size) {
    const size_t columns = (size + 3 * ROWS - 1) / (3 * ROWS), width = 2 * columns + 2;
    lt_pixels p = {(int)width, ROWS, 3, calloc(width * ROWS, 3)};
    uint32_t seed = 0;
    for (size_t i = 0; i < columns * 3 * ROWS; i++) {
        const size_t y = i / (3 * columns), x = i % (3 * columns);
        const uint8_t byte = bytes[i % size];
        seed = 1664525 * seed + 1013904223;
        p.data[y * width * 3 + x] = (uint8_t)(0x10 | ((byte ^ seed % 255) & 0xF));
        p.data[(y * width + columns + 2) * 3 + x] = (uint8_t)(0x10 | ((byte >> 4 ^ seed % 255) & 0xF));
    }
    return p;
}

static lt_status read_hidden(const uint8_t *bytes, size_t size, lt_buffer *text) {
    lt_pixels p = hide(bytes, size);
    *text = (lt_buffer){0};
    const lt_status status = lt_hidden_text(&p, text);
    free(p.data);
    return status;
}

static void test_hidden(void **state) {
    (void)state;
    enum { UNPACKED = 1 << 25 };
    uint8_t *plain = calloc(UNPACKED, 1), *packed = malloc(UNPACKED / 100);
    lt_buffer text;
    for (size_t i = 0; i < 600; i++) plain[i] = (uint8_t)(i * i % 251);
    uLongf size = UNPACKED / 100;
    assert_int_equal(compress2(packed, &size, plain, 600, 9), Z_OK);
    assert_ok(read_hidden(packed, size, &text));
    assert_int_equal(text.size, 600);
    assert_memory_equal(text.data, plain, 600);
    lt_buffer_free(&text);
    memset(packed + 20, 0xFF, 40);
    refused(read_hidden(packed, size, &text), "can't be unpacked");
    lt_buffer_free(&text);
    packed[0] = 0x79; /* no zlib stream: two blocks as a picture has them */
    assert_ok(read_hidden(packed, size, &text));
    assert_null(text.data);
    size = UNPACKED / 100;
    assert_int_equal(compress2(packed, &size, plain, UNPACKED, 9), Z_OK);
    refused(read_hidden(packed, size, &text), "unpacks to over 16 MiB");
    lt_buffer_free(&text);
    free(plain);
    free(packed);
}

/* Pictures of one colour, and of a pixel. */
static void test_nothing_hidden(void **state) {
    (void)state;
    uint8_t data[16 * 16 * 4];
    for (int colour = 0; colour < 256; colour += 51)
        for (int side = 1; side <= 16; side += 5)
            for (int channels = 3; channels <= 4; channels++) {
                const lt_pixels p = {side, side, channels, memset(data, colour, sizeof data)};
                lt_buffer text = {0};
                assert_ok(lt_hidden_text(&p, &text));
                assert_null(text.data);
            }
}

/* ---- Without memory ---- */

static void fail_each_allocation(const char *name) {
    const lt_name path = recorded_picture(name);
    lt_checkpoint c;
    size_t n = 0;
    for (bool reached = true; reached; n++) {
        lt_alloc_fail_at(n);
        const lt_status status = lt_checkpoint_open(path.text, &c);
        reached = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        assert_int_equal(status, reached ? LT_ERROR_MEMORY : LT_OK);
        if (!status) lt_checkpoint_close(&c);
    }
    assert_true(n > 5);
}

static void test_no_memory(void **state) {
    (void)state;
    fail_each_allocation("said.png");
    fail_each_allocation("hidden.png");
    fail_each_allocation("hidden.webp");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded),    cmocka_unit_test(test_previews),       cmocka_unit_test(test_texts),
        cmocka_unit_test(test_wrong_texts), cmocka_unit_test(test_large_texts),    cmocka_unit_test(test_wrong_chunks),
        cmocka_unit_test(test_hidden),      cmocka_unit_test(test_nothing_hidden), cmocka_unit_test(test_no_memory),
    };
    const int failed = cmocka_run_group_tests_name("picture embeddings", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
