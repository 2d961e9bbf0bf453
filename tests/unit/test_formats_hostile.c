/* formats: broken and hostile files fail with one message and touch nothing that is not theirs. */
#include "formats/json.h"
#include "formats/pickle.h"
#include "formats/readers.h"
#include "formats/zip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GOLDEN(name) LT_GOLDEN_DIR "/formats/" name
#define BYTES(text)  text, sizeof text - 1

/* ---- Helpers ---- */

/* Opens a copy that ends where its memory ends, so that a sanitizer sees each byte read beyond; reads all tensors if it
 * opens. */
static lt_status open_copy(const void *data, size_t size) {
    uint8_t *copy = malloc(size ? size : 1);
    if (size) memcpy(copy, data, size);
    lt_checkpoint c;
    const lt_status status = lt_checkpoint_open_memory(copy, size, &c);
    for (size_t i = 0; i < c.count; i++) {
        if (lt_tensor_readable(&c.tensors[i])) continue;
        const size_t count = lt_tensor_count(&c.tensors[i]);
        float *values = malloc(count * sizeof *values + 1);
        assert_non_null(values);
        lt_tensor_read_f32(&c.tensors[i], values);
        free(values);
    }
    if (status == LT_OK) {
        lt_checkpoint_close(&c);
    } else {
        assert_null(c.tensors);
        assert_null(c.metadata);
        assert_null(c.files);
        assert_true(lt_error_message()[0] != '\0');
    }
    free(copy);
    return status;
}

static void assert_says(lt_status status, const char *expected) {
    assert_int_not_equal(status, LT_OK);
    if (!strstr(lt_error_message(), expected)) fail_msg("\"%s\" lacks \"%s\"", lt_error_message(), expected);
}

static void assert_refused(const void *data, size_t size, const char *expected) {
    assert_says(open_copy(data, size), expected);
}

/* A safetensors file of this header and so many bytes of tensors. */
static lt_status open_header(const char *header, size_t payload) {
    lt_buffer file = {0};
    const uint64_t length = strlen(header);
    static const char zeros[64];
    lt_buffer_append(&file, &length, 8);
    lt_buffer_append(&file, header, length);
    lt_buffer_append(&file, zeros, payload);
    const lt_status status = open_copy(file.data, file.size);
    lt_buffer_free(&file);
    return status;
}

/* ---- safetensors ---- */

#define TENSOR(name, type, shape, begin, end)                                                                          \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":[" shape "],\"data_offsets\":[" begin "," end "]}"

static void test_headers(void **state) {
    (void)state;
    static const struct {
        const char *header;
        size_t payload;
        const char *expected; /* NULL: it opens */
    } cases[] = {
        {"{" TENSOR("a", "F32", "2", "0", "8") "," TENSOR("b", "U8", "", "8", "9") "}   ", 9, NULL},
        {"{" TENSOR("b", "U8", "", "8", "9") "," TENSOR("a", "F32", "2", "0", "8") "}", 9, NULL},
        {"{" TENSOR("a", "F32", "0,18446744073709551", "0", "0") "}", 0, NULL},
        {"{}", 0, NULL},
        {"{\"__metadata__\":{}}", 0, NULL},
        {"{\"__metadata__\":null}", 0, NULL},
        {"{}", 1, "belongs to none"},
        {"{" TENSOR("a", "F32", "2", "0", "8") "}", 7, "cut off"},
        {"{" TENSOR("a", "F32", "2", "0", "8") "}", 9, "belongs to none"},
        {"{" TENSOR("a", "F32", "2", "0", "8") "," TENSOR("a", "F32", "2", "8", "16") "}", 16, "duplicate"},
        {"{" TENSOR("a", "F32", "2", "0", "8") "," TENSOR("b", "F32", "2", "0", "8") "}", 8, "begins at byte 0"},
        {"{" TENSOR("a", "F32", "2", "0", "8") "," TENSOR("b", "F32", "2", "4", "12") "}", 12, "begins at byte 4"},
        {"{" TENSOR("a", "F32", "2", "0", "8") "," TENSOR("b", "F32", "2", "9", "17") "}", 17, "begins at byte 9"},
        {"{" TENSOR("a", "F32", "2", "4", "12") "}", 12, "begins at byte 4"},
        {"{" TENSOR("a", "F32", "2", "8", "0") "}", 8, "data_offsets"},
        {"{" TENSOR("a", "F32", "2", "-8", "0") "}", 8, "data_offsets"},
        {"{" TENSOR("a", "F32", "2", "0", "8.0") "}", 8, "data_offsets"},
        {"{" TENSOR("a", "F32", "2", "0", "9223372036854775807") "}", 8, "cut off"},
        {"{" TENSOR("a", "F32", "2", "0", "9223372036854775808") "}", 8, "too big integer"},
        {"{" TENSOR("a", "F32", "3", "0", "8") "}", 8, "takes 12 bytes, not 8"},
        {"{" TENSOR("a", "F32", "4611686018427387904", "0", "0") "}", 0, "too large"},
        {"{" TENSOR("a", "F32", "4611686018427387905", "0", "4") "}", 4, "too large"},
        {"{" TENSOR("a", "U8", "4294967296,4294967296", "0", "0") "}", 0, "too large"},
        {"{" TENSOR("a", "U8", "-1", "0", "0") "}", 0, "shape"},
        {"{" TENSOR("a", "U8", "\\\"1\\\"", "0", "0") "}", 0, "JSON"},
        {"{" TENSOR("a", "U8", "true", "0", "0") "}", 0, "shape"},
        {"{" TENSOR("a", "U8", "1,1,1,1,1,1,1,1,2", "0", "2") "}", 2, NULL},
        {"{" TENSOR("a", "U8", "1,1,1,1,1,1,1,1,2", "0", "1") "}", 1, "U8 [1,1,1,1,1,1,1,1,2] takes 2 bytes, not 1"},
        {"{" TENSOR("a", "F8_E4M3", "1", "0", "1") "}", 1, NULL},
        {"{" TENSOR("a", "F4", "3,3", "0", "5") "," TENSOR("b", "U64", "1", "5", "13") "}", 13, NULL},
        {"{" TENSOR("a", "F4", "8,1", "0", "1") "}", 1, NULL},
        {"{" TENSOR("a", "F4", "16,1", "0", "1") "}", 1, "too large"},
        {"{" TENSOR("a", "F4", "16,1", "0", "1") "}", 0, "cut off"},
        {"{" TENSOR("a", "F4", "-1", "0", "1") "}", 1, "shape"},
        {"{" TENSOR("a", "", "1", "0", "1") "}", 1, NULL},
        {"{" TENSOR("a", "a name that goes on and on, more so than those of any type that was ever known", "", "0",
                    "1") "}",
         1, NULL},
        {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "dtype"},
        {"{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, "shape"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "data_offsets"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,2]}}", 1, "data_offsets"},
        {"{\"a\":7}", 0, "dtype"},
        {"{\"a\":[]}", 0, "dtype"},
        {"{\"a\\u0000b\":{}}", 0, "NUL"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "isn't a string"},
        {"{\"__metadata__\":[]}", 0, "__metadata__"},
        {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, "duplicate"},
        {"{", 0, "JSON"},
        {"{} {}", 0, "end of file"},
        {"[]", 0, "neither"},
        {" {}", 0, "neither"},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        const lt_status status = open_header(cases[i].header, cases[i].payload);
        if (!cases[i].expected)
            assert_int_equal(status, LT_OK);
        else if (strcmp(cases[i].expected, "JSON") == 0)
            assert_says(status, "the safetensors header: ");
        else
            assert_says(status, cases[i].expected);
    }
}

static void test_header_length(void **state) {
    (void)state;
    uint8_t file[] = {3, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
    assert_refused(file, sizeof file, "cut off");
    file[3] = 0x7F;
    assert_refused(file, sizeof file, "100000000");
    memset(file, 255, 8);
    assert_refused(file, sizeof file, "neither");
    assert_says(lt_safetensors_read(file, sizeof file, NULL), "100000000");
    memset(file, 0, 8);
    assert_refused(file, sizeof file, "begin with '{'");
}

static void test_deep_json(void **state) {
    (void)state;
    enum { DEPTH = 1 << 20 };
    char *header = malloc(DEPTH + 1);
    memset(header, '[', DEPTH);
    header[DEPTH] = '\0';
    memcpy(header, "{\"a\":", 5);
    assert_says(open_header(header, 0), "over 64 deep");
    free(header);
}

/* {"a":[[],[],...]}: each value takes two signs here and over a hundred bytes of memory. What stands in a string is no
 * value. */
static void test_many_values(void **state) {
    (void)state;
    static const char *const parts[] = {"[],", "{},", "1,"};
    for (size_t i = 0; i < LT_COUNT(parts); i++) {
        lt_buffer header = {0};
        lt_buffer_printf(&header, "{\"a\":[");
        for (int n = 0; n <= LT_JSON_MAX_SIGNS; n++) lt_buffer_append(&header, parts[i], strlen(parts[i]));
        lt_buffer_printf(&header, "0]}");
        assert_says(open_header(header.data, 0), "over 2097152 values");
        lt_buffer_free(&header);
    }
    lt_buffer quoted = {0};
    lt_buffer_printf(&quoted, "{\"__metadata__\":{\"a\":\"\\\"");
    for (int n = 0; n <= LT_JSON_MAX_SIGNS; n++) lt_buffer_append(&quoted, "{[,", 3);
    lt_buffer_printf(&quoted, "\"}}");
    assert_int_equal(open_header(quoted.data, 0), LT_OK);
    lt_buffer_free(&quoted);
}

/* jansson allocates by itself: each of its allocations fails in turn, and it takes no more than it is said to. */
static size_t json_allocations_left, json_bytes;

static void *failing_malloc(size_t size) {
    json_bytes += size;
    return json_allocations_left-- == 0 ? NULL : malloc(size);
}

static void test_json_out_of_memory(void **state) {
    (void)state;
    static const char text[] = "{\"a\": [1, 2.5, \"text\", {\"b\": null}], \"c\": {\"d\": true}}";
    lt_status status = LT_ERROR_MEMORY;
    json_t *root;
    json_set_alloc_funcs(failing_malloc, free);
    for (size_t n = 0; status; n++) {
        json_allocations_left = n;
        status = lt_json_read(text, sizeof text - 1, 0, &root);
        if (status) assert_null(root);
        json_decref(root);
    }
    json_set_alloc_funcs(malloc, free);
}

static void test_json_memory(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t signs;
    } parts[] = {{"[],", 2}, {"{},", 2}, {"1,", 1}, {"\"a\",", 1}, {"[[[[]]]],", 5}, {"{\"a\":{\"b\":2}},", 5}};
    json_set_alloc_funcs(failing_malloc, free);
    for (size_t i = 0; i < LT_COUNT(parts); i++) {
        lt_buffer text = {0};
        json_t *root;
        lt_buffer_printf(&text, "[");
        for (int n = 0; n < 100000; n++) lt_buffer_append(&text, parts[i].text, strlen(parts[i].text));
        lt_buffer_printf(&text, "0]");
        json_bytes = 0;
        json_allocations_left = SIZE_MAX;
        assert_int_equal(lt_json_read(text.data, text.size, 0, &root), LT_OK);
        assert_true(json_bytes <= 2 * text.size + 100000 * parts[i].signs * LT_JSON_SIGN_BYTES);
        json_decref(root);
        lt_buffer_free(&text);
    }
    json_set_alloc_funcs(malloc, free);
}

/* ---- Every small damage to a small file ---- */

static void damage(const char *name, bool every_bit_matters) {
    lt_map map;
    assert_int_equal(lt_map_open(name, &map), LT_OK);
    assert_int_equal(open_copy(map.data, map.size), LT_OK);
    for (size_t size = 0; size < map.size; size++) assert_int_not_equal(open_copy(map.data, size), LT_OK);
    uint8_t *copy = malloc(map.size);
    memcpy(copy, map.data, map.size);
    size_t refused = 0;
    for (size_t bit = 0; bit < 8 * map.size; bit++) {
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        refused += open_copy(copy, map.size) != LT_OK;
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(refused > (every_bit_matters ? map.size : map.size / 4));
    free(copy);
    lt_map_close(&map);
}

static void test_damaged_safetensors(void **state) {
    (void)state;
    damage(GOLDEN("small.safetensors"), true);
}

static void test_damaged_torch(void **state) {
    (void)state;
    damage(GOLDEN("small.ckpt"), false);
    damage(GOLDEN("protocol5.ckpt"), false);
    damage(GOLDEN("old_small.ckpt"), false);
    damage(GOLDEN("old_protocol5.ckpt"), false);
}

/* ---- Files of other kinds ---- */

static void test_strangers(void **state) {
    (void)state;
    char tar[512] = "archive/";
    memcpy(tar + 257, "ustar", 5);
    assert_refused(tar, sizeof tar, "tar archive");
    static const struct {
        const char *data;
        size_t size;
        const char *expected;
    } cases[] = {
        {BYTES(""), "empty"},
        {BYTES("x"), "neither"},
        {BYTES("GGUF\3\0\0\0{\0\0\0\0\0\0\0"), "GGUF"},
        {BYTES("version https://git-lfs.github.com/spec/v1\noid sha256:"), "git-lfs"},
        {BYTES("<!DOCTYPE html>"), "web page"},
        {BYTES("\r\n  <html>"), "web page"},
        {BYTES("\xEF\xBB\xBF<?xml version"), "web page"},
        {BYTES("{\"error\":\"not found\"}"), "JSON"},
        {BYTES("\x80\x04\x95"), "bare Python pickle"},
        {BYTES("\x1F\x8B\x08\x00"), "gzip"},
        {BYTES("7z\xBC\xAF\x27\x1C"), "7z"},
        {BYTES("Rar!\x1A"), "RAR"},
        {BYTES("\x89HDF\r\n"), "HDF5"},
        {BYTES("PK\x03\x04 and no more of it, whatever"), "cut off"},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) assert_refused(cases[i].data, cases[i].size, cases[i].expected);
}

static void test_unsupported_torch_files(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {GOLDEN("attack.ckpt"), "posix.system"},  {GOLDEN("module.ckpt"), "torch.nn.modules.linear.Linear"},
        {GOLDEN("lone.ckpt"), "no dictionary"},   {GOLDEN("no_tensors.ckpt"), "no tensors"},
        {GOLDEN("nowhere.ckpt"), "nowhere.ckpt"}, {LT_GOLDEN_DIR, "not a regular file"},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_checkpoint c;
        assert_says(lt_checkpoint_open(cases[i][0], &c), cases[i][1]);
        assert_non_null(strstr(lt_error_message(), cases[i][0])); /* the message says which file */
        assert_null(c.files);
    }
}

/* ---- zip ---- */

typedef struct part {
    const char *name;
    const void *data;
    size_t size;
} part;

static void append_number(lt_buffer *b, uint64_t number, size_t bytes) { lt_buffer_append(b, &number, bytes); }

static void append_header(lt_buffer *b, const part *p, bool central, size_t offset) {
    append_number(b, central ? 0x02014B50 : 0x04034B50, 4);
    append_number(b, 20, central ? 4 : 2); /* versions */
    append_number(b, 0, 8);                /* flags, method, time, date */
    append_number(b, 0, 4);                /* checksum */
    append_number(b, p->size, 4);
    append_number(b, p->size, 4);
    append_number(b, strlen(p->name), 2);
    append_number(b, 0, 2); /* extra field */
    if (central) {
        append_number(b, 0, 8); /* comment, disk, attributes */
        append_number(b, 0, 2);
        append_number(b, offset, 4);
    }
    lt_buffer_append(b, p->name, strlen(p->name));
}

/* A zip archive of stored parts. */
static lt_buffer make_zip(const part *parts, size_t count) {
    lt_buffer b = {0};
    size_t offsets[8];
    for (size_t i = 0; i < count; i++) {
        offsets[i] = b.size;
        append_header(&b, &parts[i], false, 0);
        lt_buffer_append(&b, parts[i].data, parts[i].size);
    }
    const size_t begin = b.size;
    for (size_t i = 0; i < count; i++) append_header(&b, &parts[i], true, offsets[i]);
    const size_t end = b.size;
    append_number(&b, 0x06054B50, 4);
    append_number(&b, 0, 4);
    append_number(&b, count, 2);
    append_number(&b, count, 2);
    append_number(&b, end - begin, 4);
    append_number(&b, begin, 4);
    append_number(&b, 0, 2);
    return b;
}

static void test_zip(void **state) {
    (void)state;
    const part parts[] = {{"b/two", "22", 2}, {"a", "1", 1}, {"b/", "", 0}};
    lt_buffer file = make_zip(parts, 3);
    lt_zip zip;
    assert_int_equal(lt_zip_read((uint8_t *)file.data, file.size, &zip), LT_OK);
    assert_int_equal(zip.count, 3);
    const lt_zip_entry *entry = lt_zip_find(&zip, "b/two", 5);
    assert_non_null(entry);
    assert_int_equal(entry->size, 2);
    assert_memory_equal(entry->data, "22", 2);
    assert_null(lt_zip_find(&zip, "b/tw", 4));
    assert_null(lt_zip_find(&zip, "b/two2", 6));
    lt_zip_free(&zip);
    lt_buffer_append(&file, BYTES("trailing")); /* no comment that the end record knows of */
    assert_says(lt_zip_read((uint8_t *)file.data, file.size, &zip), "end record");
    lt_buffer_free(&file);
}

/* The byte at a place, from the end, of the directory of a zip of one part "a" of one byte becomes value. */
static lt_status read_patched(size_t from_end, uint8_t value) {
    const part one = {"a", "1", 1};
    lt_buffer file = make_zip(&one, 1);
    file.data[file.size - from_end] = (char)value;
    uint8_t *copy = malloc(file.size);
    memcpy(copy, file.data, file.size);
    lt_zip zip;
    const lt_status status = lt_zip_read(copy, file.size, &zip);
    lt_zip_free(&zip);
    free(copy);
    lt_buffer_free(&file);
    return status;
}

static void test_broken_zips(void **state) {
    (void)state;
    enum { RECORD = 22 + 47 }; /* the directory's record begins so far from the end */
    assert_int_equal(read_patched(22, 'P'), LT_OK);
    assert_says(read_patched(RECORD - 8, 1), "encrypted");
    assert_says(read_patched(RECORD - 10, 8), "compressed");
    assert_says(read_patched(RECORD - 24, 7), "compressed");
    assert_says(read_patched(RECORD - 28, 200), "cut off");
    assert_says(read_patched(RECORD - 30, 9), "cut off");
    assert_says(read_patched(RECORD - 42, 1), "not where it should be");
    assert_says(read_patched(RECORD - 45, 200), "not where it should be");
    assert_says(read_patched(RECORD, 'Q'), "broken");
    assert_says(read_patched(RECORD - 46, 0), "NUL");
    assert_says(read_patched(12, 2), "outside"); /* more records than fit */
    assert_says(read_patched(10, 255), "outside");
    assert_says(read_patched(6, 255), "outside");
    const part twice[] = {{"a", "1", 1}, {"a", "2", 1}};
    lt_buffer file = make_zip(twice, 2);
    lt_zip zip;
    assert_says(lt_zip_read((uint8_t *)file.data, file.size, &zip), "twice");
    assert_null(zip.entries);
    lt_buffer_free(&file);
}

/* A directory of one entry whose sizes and offset stand in the zip64 extra field, of extra_size bytes, as in files over
 * 4 GB. */
static lt_status read_zip64(const void *extra, size_t extra_size, uint64_t *entry_size) {
    const part one = {"a", "123", 3};
    lt_buffer b = {0}, record = {0};
    append_header(&b, &one, false, 0);
    lt_buffer_append(&b, one.data, one.size);
    append_header(&record, &one, true, 0);
    memset(record.data + 20, 255, 8); /* sizes */
    memset(record.data + 42, 255, 4); /* offset */
    record.data[30] = (char)extra_size;
    lt_buffer_append(&record, extra, extra_size);
    const size_t begin = b.size;
    lt_buffer_append(&b, record.data, record.size);
    append_number(&b, 0x06054B50, 8);
    append_number(&b, 1, 2);
    append_number(&b, 1, 2);
    append_number(&b, record.size, 4);
    append_number(&b, begin, 4);
    append_number(&b, 0, 2);
    lt_zip zip;
    const lt_status status = lt_zip_read((const uint8_t *)b.data, b.size, &zip);
    if (status == LT_OK) *entry_size = zip.entries[0].size;
    lt_zip_free(&zip);
    lt_buffer_free(&record);
    lt_buffer_free(&b);
    return status;
}

static void test_zip64(void **state) {
    (void)state;
#define U64(low) low "\0\0\0\0\0\0\0"
    uint64_t size = 0;
    assert_int_equal(read_zip64(BYTES("\1\0\x18\0" U64("\3") U64("\3") U64("\0")), &size), LT_OK);
    assert_int_equal(size, 3);
    assert_int_equal(read_zip64(BYTES("\7\0\2\0xx\1\0\x18\0" U64("\2") U64("\2") U64("\0")), &size), LT_OK);
    assert_int_equal(size, 2);
    assert_says(read_zip64(BYTES("\1\0\x18\0" U64("\x7F") U64("\x7F") U64("\0")), &size), "outside");
    assert_says(read_zip64(BYTES("\1\0\x18\0" U64("\3") U64("\3") "\0\0\0\0\0\0\0\xFF"), &size), "not where");
    assert_says(read_zip64(BYTES("\1\0\x10\0" U64("\3") U64("\3")), &size), "extra field");
    assert_says(read_zip64(BYTES("\1\0\xFF\0" U64("\3") U64("\3") U64("\0")), &size), "extra field");
    assert_says(read_zip64(BYTES("\2\0\x18\0" U64("\3") U64("\3") U64("\0")), &size), "extra field");
    assert_says(read_zip64(BYTES(""), &size), "extra field");
}

static void test_odd_archives(void **state) {
    (void)state;
    static const struct {
        part parts[3];
        size_t count;
        const char *expected;
    } cases[] = {
        {{{"model.safetensors", "x", 1}}, 1, "no data.pkl"},
        {{{"a/data.pkl", "", 0}}, 1, "empty"},
        {{{"a/data.pkl", "x", 1}, {"a/byteorder", "big", 3}}, 2, "big-endian"},
        {{{"a/data.pkl", "x", 1}, {"a/byteorder", "BIG", 3}}, 2, "neither little nor big"},
        {{{"a/data.pkl", "x", 1}, {"a/constants.pkl", "x", 1}}, 2, "TorchScript"},
        {{{"a/data.pkl", "\x80\x02}.", 4}}, 1, "no tensors"},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_buffer file = make_zip(cases[i].parts, cases[i].count);
        assert_refused(file.data, file.size, cases[i].expected);
        lt_buffer_free(&file);
    }
}

/* ---- Pickles ---- */

static lt_status read_pickle(const void *data, size_t size) {
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    lt_pickle pickle;
    const lt_status status = lt_pickle_read(copy, size, &pickle);
    lt_pickle_free(&pickle);
    free(copy);
    return status;
}

static const struct {
    const char *data;
    size_t size;
    const char *expected; /* NULL: it is read */
} pickles[] = {
    {BYTES("\x80\x02N."), NULL},
    {BYTES("\x80\x02"
           "ccollections\nOrderedDict\n]]X\1\0\0\0zaK\1aa\x85R."),
     NULL}, /* Python 2's */
    {BYTES("\x80\x02"
           "ccollections\nOrderedDict\n]]X\1\0\0\0zaa\x85R."),
     "a key has no value"},
    {BYTES("\x80\x05\x95\x02\0\0\0\0\0\0\0N."), NULL},
    {BYTES("\x80\x02]q\0(K\1M\1\2J\xFF\xFF\xFF\xFFG\0\0\0\0\0\0\0\0\x88\x89\x8A\1\xFF\x8A\0\x8A\x09xxxxxxxxxe."), NULL},
    {BYTES("\x80\x02}q\0(h\0h\0u."), NULL},
    {BYTES("\x80\x02)\x85\x85\x86."), "too little"},
    {BYTES("\x80\x02N"), "cut off"},
    {BYTES("\x80\x02."), "too little"},
    {BYTES("\x80\x02(."), "too little"},
    {BYTES("\x80\x01N."), "protocol"},
    {BYTES("\x80\x06N."), "protocol"},
    {BYTES("\x80\x02\x95\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFFN."), "cut off"},
    {BYTES("\x80\x02X\xFF\xFF\xFF\xFFx."), "cut off"},
    {BYTES("\x80\x02\x8D\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFFx."), "cut off"},
    {BYTES("\x80\x02\x8E\0\0\0\0\0\0\0\x80x."), "cut off"},
    {BYTES("\x80\x02\x8B\xFF\xFF\xFF\xFF."), "cut off"},
    {BYTES("\x80\x02Nr\xFF\xFF\xFF\xFF."), "memo index"},
    {BYTES("\x80\x02Nq\xC8."), "memo index"},
    {BYTES("\x80\x02h\0."), "memo entry"},
    {BYTES("\x80\x02Nq\2h\1."), "memo entry"},
    {BYTES("\x80\x02j\xFF\xFF\xFF\xFF."), "memo entry"},
    {BYTES("\x80\x02(q\0."), "too little"},
    {BYTES("\x80\x02(2."), "too little"},
    {BYTES("\x80\x02"
           "0."),
     "too little"},
    {BYTES("\x80\x02"
           "1."),
     "mark is missing"},
    {BYTES("\x80\x02"
           "t."),
     "mark is missing"},
    {BYTES("\x80\x02(\x85."), "mark is where"},
    {BYTES("\x80\x02}(Nu."), "no value"},
    {BYTES("\x80\x02(NNu."), "too little"},
    {BYTES("\x80\x02NQ."), "persistent id"},
    {BYTES("\x80\x02(NNNNNtQ."), "persistent id"},
    {BYTES("\x80\x02"
           "cos\nsystem\n."),
     "os.system"},
    {BYTES("\x80\x02"
           "c__builtin__\neval\n."),
     "__builtin__.eval"},
    {BYTES("\x80\x02"
           "cbuiltins\nsetattr\n."),
     "builtins.setattr"},
    {BYTES("\x80\x04\x8C\2os\x8C\6system\x93."), "os.system"},
    {BYTES("\x80\x04\x8C\2os\x8C\6system\x93\x8C\4true\x85R."), "os.system"},
    {BYTES("\x80\x04\x8C\2o\0\x8C\1x\x93."), "proper name"},
    {BYTES("\x80\x04NN\x93."), "proper name"},
    {BYTES("\x80\x02"
           "ctorch.storage\n_load_from_bytes\n."),
     "_load_from_bytes"},
    {BYTES("\x80\x02"
           "ctorch"),
     "cut off"},
    {BYTES("\x80\x02"
           "ctorch._utils\n_rebuild_tensor_v2\n(NNNNtR."),
     "storage, shape and strides"},
    {BYTES("\x80\x02"
           "ctorch._utils\n_rebuild_tensor_v2\n)R."),
     NULL},
    {BYTES("\x80\x02"
           "ctorch._utils\n_rebuild_parameter\n)R."),
     NULL},
    {BYTES("\x80\x02"
           "cbuiltins\nset\n]\x85R}b."),
     NULL},
    {BYTES("\x80\x02"
           "I1\n."),
     "opcode 0x49"},
    {BYTES("\x80\x02"
           "(cos\nsystem\no."),
     "os.system"},
    {BYTES("\x80\x02"
           "(ios\nsystem\n."),
     "opcode 0x69"},
    {BYTES("\x80\x02\x82\1."), "opcode 0x82"},
};

static void test_pickles(void **state) {
    (void)state;
    for (size_t i = 0; i < LT_COUNT(pickles); i++) {
        const lt_status status = read_pickle(pickles[i].data, pickles[i].size);
        if (pickles[i].expected)
            assert_says(status, pickles[i].expected);
        else if (status != LT_OK)
            fail_msg("case %zu: %s", i, lt_error_message());
    }
}

/* A pickle of many equal pieces, between a beginning and an end. */
static lt_buffer repeat(const char *begin, const char *piece, size_t piece_size, size_t times, const char *end) {
    lt_buffer b = {0};
    lt_buffer_append(&b, BYTES("\x80\x02"));
    lt_buffer_append(&b, begin, strlen(begin));
    for (size_t i = 0; i < times; i++) lt_buffer_append(&b, piece, piece_size);
    lt_buffer_append(&b, end, strlen(end) + 1);
    return b;
}

/* Neither depth nor repetition costs more than memory in proportion, and that only to a limit. */
static void test_pickle_bombs(void **state) {
    (void)state;
    lt_buffer deep = repeat("N", "\x85", 1, 1000000, ".");
    assert_int_equal(read_pickle(deep.data, deep.size), LT_OK);
    lt_buffer_free(&deep);

    lt_buffer lists = repeat("", "](", 2, 1000000, ".");
    assert_says(read_pickle(lists.data, lists.size), "too little");
    lt_buffer_free(&lists);

    lt_buffer doubling = repeat("Nq", "\0h\0h\0\x86q", 7, 1000, "\xFF.");
    assert_int_equal(read_pickle(doubling.data, doubling.size), LT_OK);
    lt_buffer_free(&doubling);

    lt_buffer dicts = repeat("", "}", 1, 10000000, ".");
    assert_int_equal(read_pickle(dicts.data, dicts.size), LT_ERROR_MEMORY);
    lt_buffer_free(&dicts);

    lt_buffer memo = repeat("", "K\1r\xFF\xFF\x0F\0", 7, 3, ".");
    assert_says(read_pickle(memo.data, memo.size), "memo index");
    lt_buffer_free(&memo);
}

static lt_status open_pickle(const void *pickle, size_t size) {
    const part parts[] = {{"a/data.pkl", pickle, size}, {"a/data/0", "01234567", 8}};
    lt_buffer file = make_zip(parts, 2);
    const lt_status status = open_copy(file.data, file.size);
    lt_buffer_free(&file);
    return status;
}

/* Dictionaries that hold one another ten times over, or themselves, are walked only so far. */
static void test_dictionary_bombs(void **state) {
    (void)state;
    static const char self[] = "\x80\x02}q\0X\1\0\0\0ah\0s.";
    assert_says(open_pickle(self, sizeof self - 1), "within one another");

    lt_buffer b = {0};
    lt_buffer_append(&b, BYTES("\x80\x02}q\0(K\1Nu0"));
    for (int level = 1; level < 14; level++) {
        lt_buffer_printf(&b, "}q%c(", level);
        for (int i = 0; i < 10; i++) {
            lt_buffer_printf(&b, "X%c", 1);
            lt_buffer_append(&b, BYTES("\0\0\0"));
            lt_buffer_printf(&b, "%dh", i);
            lt_buffer_append(&b, &(char){(char)(level - 1)}, 1);
        }
        lt_buffer_append(&b, "u0", level < 13 ? 2 : 1);
    }
    lt_buffer_append(&b, BYTES("."));
    assert_says(open_pickle(b.data, b.size), "entries");
    lt_buffer_free(&b);

    lt_buffer names = {0};
    lt_buffer_append(&names, BYTES("\x80\x02}X\xFF\x0F\0\0"));
    for (int i = 0; i < 4095; i++) lt_buffer_append(&names, BYTES("n"));
    lt_buffer_append(&names, BYTES("Ns."));
    assert_says(open_pickle(names.data, names.size), "name is over");
    lt_buffer_free(&names);
}

/* A state dictionary of one tensor "t" with these pickled arguments: offset, shape, strides; elements: of its storage,
 * which has 8 bytes. */
static lt_status open_view(const char *type, char elements, const char *view, size_t view_size) {
    lt_buffer b = {0};
    lt_buffer_append(&b, BYTES("\x80\x02}X\1\0\0\0tctorch._utils\n_rebuild_tensor_v2\n(("));
    lt_buffer_append(&b, BYTES("X\7\0\0\0storagectorch\n"));
    lt_buffer_printf(&b, "%s\n", type);
    lt_buffer_append(&b,
                     "X\1\0\0\0"
                     "0NK",
                     8);
    lt_buffer_append(&b, &elements, 1);
    lt_buffer_append(&b, BYTES("tQ"));
    lt_buffer_append(&b, view, view_size);
    lt_buffer_append(&b, BYTES("\x89NtRs."));
    const lt_status status = open_pickle(b.data, b.size);
    lt_buffer_free(&b);
    return status;
}

/* ---- PyTorch before 1.6 ---- */

#define MAGIC     "\x80\2\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19."
#define PROTOCOL  "\x80\2M\xE9\3."
#define MACHINE   "\x80\2}."
#define KEYS(k)   "\x80\2]" k "."
#define KEY(text) "X\1\0\0\0" text
/* {"t": a tensor of two elements, from the first, of storage key, which has n elements and this view} */
#define TENSOR_OF(type, key, n, view)                                                                                  \
    "\x80\2}X\1\0\0\0tctorch._utils\n_rebuild_tensor\n((X\7\0\0\0storagectorch\n" type                                 \
    "\n" KEY(key) "NK" n view "tQK\0K\2\x85K\1\x85tRs."
#define COUNT(n) n "\0\0\0\0\0\0\0"

static void test_streams(void **state) {
    (void)state;
    static const struct {
        const char *data;
        size_t size;
        const char *expected; /* NULL: it opens */
    } cases[] = {
        {BYTES(MAGIC PROTOCOL MACHINE TENSOR_OF("ByteStorage", "a", "\2", "N") KEYS(KEY("a") "a") COUNT("\2") "12"),
         NULL},
        {BYTES(MAGIC PROTOCOL MACHINE TENSOR_OF("ByteStorage", "a", "\2", "") KEYS(KEY("a") "a") COUNT("\2") "12"),
         NULL},
        {BYTES(MAGIC PROTOCOL MACHINE TENSOR_OF("ByteStorage", "a", "\4", KEY("v") "K\2K\2\x87") KEYS(KEY("a") "a")
                   COUNT("\4") "1234"),
         NULL},
        {BYTES(MAGIC PROTOCOL MACHINE TENSOR_OF("ByteStorage", "a", "\4", KEY("v") "K\3K\2\x87") KEYS(KEY("a") "a")
                   COUNT("\4") "1234"),
         "beyond its storage of 4"},
        {BYTES(MAGIC PROTOCOL MACHINE TENSOR_OF("ByteStorage", "a", "\4", KEY("v") "K\2K\1\x87") KEYS(KEY("a") "a")
                   COUNT("\4") "1234"),
         "beyond its storage of 1"},
        {BYTES(MAGIC PROTOCOL MACHINE TENSOR_OF("ByteStorage", "a", "\4", KEY("v") "J\xFF\xFF\xFF\xFFK\2\x87")
                   KEYS(KEY("a") "a") COUNT("\4") "1234"),
         "beyond"},
        {BYTES(MAGIC PROTOCOL MACHINE TENSOR_OF("ByteStorage", "a", "\4", KEY("v") "K\0\x8A\x08\0\0\0\0\0\0\0\x40\x87")
                   KEYS(KEY("a") "a") COUNT("\4") "1234"),
         "beyond"},
        {BYTES(MAGIC PROTOCOL MACHINE TENSOR_OF("ByteStorage", "a", "\4", KEY("v") "K\3\x86") KEYS(KEY("a") "a")
                   COUNT("\4") "1234"),
         "view of a storage"},
        {BYTES(MAGIC PROTOCOL MACHINE TENSOR_OF("ByteStorage", "a", "\2", "NN") KEYS(KEY("a") "a") COUNT("\2") "12"),
         "persistent id"},
        {BYTES(MAGIC PROTOCOL MACHINE TENSOR_OF("ByteStorage", "a", "\2", "N") KEYS(KEY("a") "a") COUNT("\2") "1"),
         "cut off"},
        {BYTES(MAGIC PROTOCOL MACHINE TENSOR_OF("ByteStorage", "a", "\2", "N") KEYS(KEY("a") "a") "\2\0\0\0\0\0\0"),
         "cut off"},
        {BYTES(MAGIC PROTOCOL MACHINE TENSOR_OF("DoubleStorage", "a", "\2", "N") KEYS(KEY("a") "a") "\2\0\0\0\0\0\0\x20"
                                                                                                    "0123456789012345"),
         "cut off"},
        {BYTES(MAGIC PROTOCOL MACHINE TENSOR_OF("ByteStorage", "a", "\2", "N") KEYS(KEY("a") "a") COUNT("\1") "1"),
         "shorter than it says"},
        {BYTES(MAGIC PROTOCOL MACHINE TENSOR_OF("ByteStorage", "a", "\2", "N") KEYS("")), "isn't in the file"},
        {BYTES(MAGIC PROTOCOL MACHINE TENSOR_OF("ByteStorage", "a", "\2", "N") KEYS(KEY("b") "a") COUNT("\2") "12"),
         "that no tensor looks at"},
        {BYTES(MAGIC PROTOCOL MACHINE TENSOR_OF("ByteStorage", "a", "\2", "N") KEYS("K\1a") COUNT("\2") "12"),
         "that no tensor looks at"},
        {BYTES(MAGIC PROTOCOL MACHINE TENSOR_OF("OddStorage", "a", "\2", "N") KEYS(KEY("a") "a") COUNT("\2") "12"),
         "a torch.OddStorage, whose size is not known"},
        {BYTES(MAGIC PROTOCOL MACHINE TENSOR_OF("ByteStorage", "a", "\2", "N") "\x80\2}."), "list of storages"},
        {BYTES(MAGIC PROTOCOL MACHINE "\x80\2}." KEYS("")), "no tensors"},
        {BYTES(MAGIC "\x80\2M\xE8\3." MACHINE), "another protocol than 1001"},
        {BYTES(MAGIC "\x80\2}." MACHINE), "another protocol than 1001"},
        {BYTES(MAGIC), "the pickle is empty"},
        {BYTES(MAGIC PROTOCOL MACHINE TENSOR_OF("ByteStorage", "a", "\2", "N")), "the pickle is empty"},
        {BYTES("\x80\2}."), "bare Python pickle"},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        const lt_status status = open_copy(cases[i].data, cases[i].size);
        if (cases[i].expected)
            assert_says(status, cases[i].expected);
        else if (status != LT_OK)
            fail_msg("case %zu: %s", i, lt_error_message());
    }
}

static void test_views(void **state) {
    (void)state;
#define HUGE_INTEGER "\x8A\x08\0\0\0\0\0\0\0\x40" /* 2^62 */
    static const struct {
        const char *type;
        char elements;
        const char *view;
        size_t size;
        const char *expected;
    } cases[] = {
        {"FloatStorage", 2, BYTES("K\0K\2\x85K\1\x85"), NULL},
        {"FloatStorage", 2, BYTES("K\1K\1\x85K\5\x85"), NULL},
        {"HalfStorage", 4, BYTES("K\0K\2K\2\x86K\1K\2\x86"), NULL},
        {"CharStorage", 8, BYTES("K\7))"), NULL},
        {"CharStorage", 8, BYTES("K\xC8K\0\x85K\1\x85"), NULL}, /* empty: its offset does not matter */
        {"CharStorage", 8, BYTES("K\0K\0" HUGE_INTEGER "\x86K\1K\1\x86"), NULL},
        {"CharStorage", 8, BYTES("K\x08))"), "beyond"},
        {"FloatStorage", 3, BYTES("K\0K\2\x85K\1\x85"), "shorter"},
        {"FloatStorage", 2, BYTES("K\0K\3\x85K\1\x85"), "beyond"},
        {"FloatStorage", 2, BYTES("K\1K\2\x85K\1\x85"), "beyond"},
        {"FloatStorage", 2, BYTES("K\0K\2\x85K\2\x85"), "beyond"},
        {"FloatStorage", 2, BYTES("J\xFF\xFF\xFF\xFFK\2\x85K\1\x85"), "beyond"},
        {"FloatStorage", 2, BYTES("K\0J\xFF\xFF\xFF\xFF\x85K\1\x85"), "negative"},
        {"FloatStorage", 2, BYTES("K\0K\2\x85J\xFF\xFF\xFF\xFF\x85"), "negative"},
        {"FloatStorage", 2, BYTES("K\0" HUGE_INTEGER "\x85K\0\x85"), NULL},
        {"FloatStorage", 2, BYTES("K\0" HUGE_INTEGER HUGE_INTEGER "\x86K\0K\0\x86"), "beyond"},
        {"FloatStorage", 2, BYTES("K\0K\5\x85" HUGE_INTEGER "\x85"), "beyond"},
        {"FloatStorage", 2, BYTES(HUGE_INTEGER "K\2\x85K\1\x85"), "beyond"},
        {"FloatStorage", 2, BYTES("K\0K\3\x85K\0\x85"), NULL},
        {"FloatStorage", 2, BYTES("K\0K\2\x85K\1K\1\x86"), "storage, shape and strides"},
        {"FloatStorage", 2, BYTES("K\0N\x85N\x85"), "storage, shape and strides"},
        {"QInt8Storage", 2, BYTES("K\0K\2\x85K\1\x85"), NULL}, /* listed, foreign; as those before that are expanded */
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        const lt_status status = open_view(cases[i].type, cases[i].elements, cases[i].view, cases[i].size);
        if (cases[i].expected)
            assert_says(status, cases[i].expected);
        else if (status != LT_OK)
            fail_msg("case %zu: %s", i, lt_error_message());
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_header_length),
        cmocka_unit_test(test_deep_json),
        cmocka_unit_test(test_many_values),
        cmocka_unit_test(test_json_out_of_memory),
        cmocka_unit_test(test_json_memory),
        cmocka_unit_test(test_damaged_safetensors),
        cmocka_unit_test(test_damaged_torch),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_unsupported_torch_files),
        cmocka_unit_test(test_zip),
        cmocka_unit_test(test_broken_zips),
        cmocka_unit_test(test_zip64),
        cmocka_unit_test(test_odd_archives),
        cmocka_unit_test(test_pickles),
        cmocka_unit_test(test_pickle_bombs),
        cmocka_unit_test(test_dictionary_bombs),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
