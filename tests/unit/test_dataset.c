/* Data sets: folders made here are read, drawn from and loaded; what comes in which order, again after a restart; and
 * what broken pictures, hostile lists and a lack of memory do. */
#include "data/dataset.h"
#include "data/readers.h"
#include "dataset_files.h"

/* 00.png, 01.png, ... of 4 x 4, blue as their number says; those whose bit is set in broken are no pictures. */
static void write_pictures(int count, unsigned broken) {
    for (int i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "%02d.png", i);
        if (broken >> i & 1)
            write_text(name, "no picture");
        else
            write_picture(name, 4, 4, i);
    }
}

static lt_dataset *open_dataset(const char *path) {
    lt_dataset *dataset;
    assert_ok(lt_dataset_open(path, &dataset));
    return dataset;
}

static void assert_refused(const char *path, lt_status expected, const char *message_part) {
    lt_dataset *dataset = (lt_dataset *)root; /* must be emptied */
    const lt_status status = lt_dataset_open(path, &dataset);
    if (status != expected || !strstr(lt_error_message(), message_part))
        fail_msg("%s: status %d, expected %d with \"%s\": %s", path, (int)status, (int)expected, message_part,
                 lt_error_message());
    assert_null(dataset);
}

/* ---- Folders ---- */

static void metadata_is_read(void **state) {
    (void)state;
    assert_int_equal(mkdir(in_root("deep"), 0777), 0);
    write_picture("b.png", 3, 2, 0);
    write_picture("deep/a.webp", 3, 2, 0);
    write_picture("unlisted.png", 3, 2, 0);
    write_picture("c..d.JPG", 3, 2, 0);
    write_text("metadata.jsonl", "{\"file_name\": \"b.png\", \"text\": \"a b\", \"label\": \"zebra\", \"more\": [1]}\n"
                                 "\r\n"
                                 "{\"file_name\": \"deep/a.webp\", \"text\": [\"one\", \"zw\\u00f6lf\", \"\"]}\r\n"
                                 "{\"label\": \"ant\", \"text\": null, \"file_name\": \"c..d.JPG\"}");
    lt_dataset *d = open_dataset(root);
    assert_int_equal(lt_dataset_count(d), 3);
    assert_string_equal(lt_dataset_name(d, 0), "b.png");
    assert_string_equal(lt_dataset_name(d, 1), "deep/a.webp");
    assert_int_equal(lt_dataset_text_count(d, 0), 1);
    assert_string_equal(lt_dataset_text(d, 0, 0), "a b");
    assert_int_equal(lt_dataset_text_count(d, 1), 3);
    assert_string_equal(lt_dataset_text(d, 1, 1), "zw\xc3\xb6lf");
    assert_int_equal(lt_dataset_text_count(d, 2), 0);
    assert_int_equal(lt_dataset_label_count(d), 2);
    assert_string_equal(lt_dataset_label_name(d, 0), "ant");
    assert_int_equal(lt_dataset_label(d, 0), 1);
    assert_int_equal(lt_dataset_label(d, 1), -1);
    assert_int_equal(lt_dataset_label(d, 2), 0);
    float pixels[2 * 2 * 3];
    for (size_t i = 0; i < 3; i++) assert_ok(lt_dataset_load(d, i, &(lt_picture_options){.size = 2}, 0, pixels));
    lt_dataset_close(d);
}

/* Fields that nobody reads hold what Python's json module writes; a BOM, empty lines and line ends of all kinds. */
static void what_nobody_reads_is_not_judged(void **state) {
    (void)state;
    static const char *const fields[] = {
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "-1e999",
        "18446744073709551616",
        "-18446744073709551616e0",
        "[NaN, {\"text\": NaN, \"a\": [-Infinity,1E+999,-9223372036854775809 ]}]",
        "\"\\ud800\"",
        "\"\\udc00\\ud83d\\ude00\"",
        "\"\\u0000\"",
        "[]",
        "\"NaN \\\" 1e999, \\\\\\\"text\\\": {\"",
    };
    lt_buffer text = {0};
    assert_ok(lt_buffer_printf(&text, "\xEF\xBB\xBF"));
    write_pictures(LT_COUNT(fields) + 1, 0);
    for (size_t i = 0; i < LT_COUNT(fields); i++)
        assert_ok(lt_buffer_printf(&text, "%s{\"file_name\": \"%02zu.png\", \"more\": %s, \"text\": \"t%zu\"}\r\n",
                                   i % 3 ? "" : "\n \r\n", i, fields[i], i));
    assert_ok(lt_buffer_printf(&text,
                               "{\"more\": -1%0400d, \"file_name\": \"%02zu.png\", \"text\": null, \"label\": null}", 0,
                               LT_COUNT(fields)));
    write_text("metadata.jsonl", text.data);
    lt_dataset *d = open_dataset(root);
    assert_int_equal(lt_dataset_count(d), LT_COUNT(fields) + 1);
    assert_int_equal(lt_dataset_captioned(d), LT_COUNT(fields));
    for (size_t i = 0; i < LT_COUNT(fields); i++) {
        char expected[8];
        snprintf(expected, sizeof expected, "t%zu", i);
        assert_string_equal(lt_dataset_text(d, i, 0), expected);
    }
    assert_int_equal(lt_dataset_label(d, LT_COUNT(fields)), -1);
    lt_dataset_close(d);
    lt_buffer_free(&text);
}

/* Captions under the names that others give them, and how many there are. */
static void captions_are_found(void **state) {
    (void)state;
    write_pictures(7, 0);
    write_text("metadata.jsonl", "{\"file_name\": \"00.png\", \"caption\": \"c\", \"prompt\": \"no\"}\n"
                                 "{\"file_name\": \"01.png\", \"prompt\": [\"p\", \"q\"], \"caption\": null}\n"
                                 "{\"file_name\": \"02.png\", \"text\": \"half \\ud800\", \"caption\": 5}\n"
                                 "{\"file_name\": \"03.png\", \"text\": \" \", \"title\": \"no\"}\n");
    lt_dataset *d = open_dataset(root);
    assert_string_equal(lt_dataset_text(d, 0, 0), "c");
    assert_string_equal(lt_dataset_text(d, 1, 1), "q");
    assert_string_equal(lt_dataset_text(d, 2, 0), "half \xef\xbf\xbd");
    assert_int_equal(lt_dataset_captioned(d), 3);
    assert_null(lt_dataset_unread_list(d));
    lt_dataset_close(d);

    assert_int_equal(unlink(in_root("metadata.jsonl")), 0);
    write_text("00.caption", "\xEF\xBB\xBFkohya\n"); /* as Windows begins a text */
    write_text("01.txt", "\n");
    write_text("01.caption", "after an empty one");
    write_text("02.txt", "text");
    write_text("02.caption", "not this");
    write_text("metadata.csv", "file_name,text\n03.png,three\n");
    d = open_dataset(root);
    assert_string_equal(lt_dataset_text(d, 0, 0), "kohya");
    assert_string_equal(lt_dataset_text(d, 1, 0), "after an empty one");
    assert_string_equal(lt_dataset_text(d, 2, 0), "text");
    assert_int_equal(lt_dataset_captioned(d), 3);
    assert_non_null(strstr(lt_dataset_unread_list(d), "/metadata.csv"));
    lt_dataset_close(d);
}

/* What is called like a part of a data set and can't be one is told, not passed over, and nobody waits for a writer. */
static void what_is_no_file_is_told(void **state) {
    (void)state;
    static const struct {
        const char *name, *link; /* NULL: a pipe */
        const char *message;
    } cases[] = {
        {"metadata.jsonl", "nowhere", "metadata.jsonl: can't be opened"},
        {"metadata.jsonl", "/dev/zero", "metadata.jsonl: not a regular file"},
        {"metadata.jsonl", ".", "metadata.jsonl: not a regular file"},
        {"metadata.jsonl", NULL, "metadata.jsonl: not a regular file"},
        {"00.txt", "nowhere", "00.txt: can't be opened"},
        {"00.caption", "00.caption", "00.caption: can't be opened"},
        {"00.txt", NULL, "00.txt: not a regular file"},
        {"00.txt", ".", "00.txt: not a regular file"},
        {"00.caption", NULL, "00.caption: not a regular file"},
        {"01.png", "nowhere", ": 01.png can't be found in the folder"},
        {"01.png", "01.png", ": 01.png can't be found in the folder"},
        {"01.png", "/dev/zero", ": 01.png is not a regular file"},
        {"01.png", ".", ": 01.png is not a regular file"},
        {"01.png", NULL, ": 01.png is not a regular file"},
        {"a.tar", "nowhere", "a.tar: can't be opened"},
        {"a.tar", NULL, "a.tar: not a regular file"},
    };
    static const char *const folders[] = {"folder.png", "00.txt"};
    write_pictures(1, 0);
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        const char *path = in_root(cases[i].name);
        assert_int_equal(cases[i].link ? symlink(cases[i].link, path) : mkfifo(path, 0666), 0);
        assert_refused(root, LT_ERROR_FILE, cases[i].message);
        assert_int_equal(unlink(in_root(cases[i].name)), 0);
    }
    for (size_t i = 0; i < LT_COUNT(folders); i++) /* a folder is one, however it is called */
        assert_int_equal(mkdir(in_root(folders[i]), 0777), 0);
    write_text("00.caption", "words");
    lt_dataset *d = open_dataset(root);
    assert_int_equal(lt_dataset_count(d), 1);
    assert_string_equal(lt_dataset_text(d, 0, 0), "words");
    lt_dataset_close(d);
}

static const struct {
    const char *bytes;
    size_t size;
} no_texts[] = {{"caf\xe9", 4}, {"a\0b", 3}, {"words\0", 6}, {"\xff\xfeh\0i\0", 6}, {"\x89PNG\r\n\x1a\n\0\0", 10}};

/* Bytes under a text's name that aren't UTF-8 would be learned as other words. */
static void what_is_no_text_is_told(void **state) {
    (void)state;
    static const char *const names[] = {"00.txt", "00.caption"};
    write_pictures(1, 0);
    for (size_t i = 0; i < LT_COUNT(no_texts) * LT_COUNT(names); i++) {
        const char *name = names[i / LT_COUNT(no_texts)];
        const size_t k = i % LT_COUNT(no_texts);
        char words[64];
        write_bytes(name, no_texts[k].bytes, no_texts[k].size);
        snprintf(words, sizeof words, "/%s: not a text in UTF-8", name);
        assert_refused(root, LT_ERROR_FORMAT, words);
        assert_int_equal(unlink(in_root(name)), 0);
    }
}

static void labels_are_numbered(void **state) {
    (void)state;
    static const struct {
        const char *labels[4], *order;
    } cases[] = {
        {{"10", "9", "-3", "9"}, "-3 9 10 "},
        {{"\"b\"", "\"B\"", "\"a\"", "\"b\""}, "B a b "},
        {{"\"ten\"", "10", "\"2\"", "2"}, "2 10 ten "},
        {{"\"010\"", "\"9\"", "\"-0\"", "null"}, "9 -0 010 "}, /* not how numbers are written: names */
    };
    write_pictures(4, 0);
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_buffer text = {0}, order = {0};
        for (int k = 0; k < 4; k++)
            assert_ok(lt_buffer_printf(&text, "{\"file_name\": \"%02d.png\", \"label\": %s}\n", k, cases[i].labels[k]));
        write_text("metadata.jsonl", text.data);
        lt_dataset *d = open_dataset(root);
        for (size_t k = 0; k < lt_dataset_label_count(d); k++)
            assert_ok(lt_buffer_printf(&order, "%s ", lt_dataset_label_name(d, k)));
        assert_string_equal(order.data, cases[i].order);
        lt_dataset_close(d);
        lt_buffer_free(&text);
        lt_buffer_free(&order);
    }
}

static void folders_without_metadata_are_walked(void **state) {
    (void)state;
    assert_int_equal(mkdir(in_root("z"), 0777), 0);
    assert_int_equal(mkdir(in_root("z/more"), 0777), 0);
    write_picture("z/more/b.png", 3, 2, 0);
    write_picture("c.jpeg", 3, 2, 0);
    write_text("c.txt", "  two words \r\n\n second line\n");
    write_text("z/more/b.txt", "\xEF\xBF\xBD?"); /* U+FFFD itself */
    write_text("z/more/notes.txt", "nothing");
    write_text(".hidden.png", "");
    write_text(".png", "");
    assert_int_equal(symlink("../c.jpeg", in_root("z/a.PNG")), 0);
    assert_int_equal(symlink("..", in_root("z/circle")), 0);
    char path[300];
    snprintf(path, sizeof path, "%s//", root);
    lt_dataset *d = open_dataset(path);
    assert_int_equal(lt_dataset_count(d), 3);
    assert_string_equal(lt_dataset_name(d, 0), "c.jpeg");
    assert_string_equal(lt_dataset_name(d, 1), "z/a.PNG");
    assert_string_equal(lt_dataset_name(d, 2), "z/more/b.png");
    assert_int_equal(lt_dataset_text_count(d, 0), 2);
    assert_string_equal(lt_dataset_text(d, 0, 0), "two words");
    assert_string_equal(lt_dataset_text(d, 0, 1), "second line");
    assert_int_equal(lt_dataset_text_count(d, 1), 0);
    assert_string_equal(lt_dataset_text(d, 2, 0), "\xef\xbf\xbd?");
    assert_int_equal(lt_dataset_label_count(d), 0);
    lt_dataset_close(d);
}

static void hostile_metadata_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *line;
        lt_status status;
        const char *message;
    } cases[] = {
        {"{", LT_ERROR_FORMAT, "broken JSON"},
        {"[1]", LT_ERROR_FORMAT, "not a JSON object"},
        {"7", LT_ERROR_FORMAT, "not a JSON object"},
        {"null", LT_ERROR_FORMAT, "not a JSON object"},
        {"{} {}", LT_ERROR_FORMAT, "broken JSON"},
        {"{}", LT_ERROR_FORMAT, "file_name is missing"},
        {"{\"file_name\": 3}", LT_ERROR_FORMAT, "file_name is missing"},
        {"{\"file_name\": \"\"}", LT_ERROR_FORMAT, "empty"},
        {"{\"file_name\": \"/etc/passwd\"}", LT_ERROR_FORMAT, "/etc/passwd leads out"},
        {"{\"file_name\": \"..\"}", LT_ERROR_FORMAT, "leads out"},
        {"{\"file_name\": \"a/../../b.png\"}", LT_ERROR_FORMAT, "leads out"},
        {"{\"file_name\": \"a//..\"}", LT_ERROR_FORMAT, "leads out"},
        {"{\"file_name\": \"00.png\\u0000\"}", LT_ERROR_FORMAT, "file_name holds a zero character"},
        {"{\"file_name\": \"\xff.png\"}", LT_ERROR_FORMAT, "broken JSON"},
        {"{\"file_name\": \"none.png\"}", LT_ERROR_FILE, "none.png can't be found"},
        {"{\"file_name\": \"folder\"}", LT_ERROR_FILE, "not a regular file"},
        {"{\"file_name\": \"01.png\", \"text\": 3}", LT_ERROR_FORMAT, "text is neither"},
        {"{\"file_name\": \"01.png\", \"text\": [\"a\", [\"b\"]]}", LT_ERROR_FORMAT, "text is neither"},
        {"{\"file_name\": \"01.png\", \"label\": 1.5}", LT_ERROR_FORMAT, "label is neither"},
        {"{\"file_name\": \"01.png\", \"label\": true}", LT_ERROR_FORMAT, "label is neither"},
        {"{\"file_name\": \"01.png\", \"label\": 99999999999999999999}", LT_ERROR_FORMAT, "label is neither"},
        {"{\"file_name\": \"01.png\", \"label\": 1e999}", LT_ERROR_FORMAT, "label is neither"},
        {"{\"file_name\": \"01.png\", \"label\": -Infinity}", LT_ERROR_FORMAT, "label is neither"},
        {"{\"file_name\": \"01.png\", \"text\": Infinity}", LT_ERROR_FORMAT, "text is neither"},
        {"{\"file_name\": \"01.png\", \"text\": [\"a\", NaN]}", LT_ERROR_FORMAT, "text is neither"},
        {"{\"file_name\": \"01.png\", \"label\": NaN}", LT_ERROR_FORMAT, "label is neither"},
        {"{\"file_name\": \"01.png\", \"a\": 1NaN}", LT_ERROR_FORMAT, "broken JSON"},
        {"{\"file_name\": \"01.png\", \"a\": 01e999}", LT_ERROR_FORMAT, "broken JSON"},
        {"{\"file_name\": \"01.png\", \"a\": 1.e999}", LT_ERROR_FORMAT, "broken JSON"},
        {"{\"file_name\": \"01.png\", \"caption\": 7}", LT_ERROR_FORMAT, "caption is neither"},
        {"{\"file_name\": \"01.png\", \"text\": \"\\u0000\"}", LT_ERROR_FORMAT, "text holds a zero character"},
        {"{\"file_name\": NaN}", LT_ERROR_FORMAT, "file_name is missing"},
        {"{\"file_name\": \"01.png\", \"a\": nan}", LT_ERROR_FORMAT, "broken JSON"},
        {"{\"file_name\": \"01.png\", \"a\": 0x1p9999}", LT_ERROR_FORMAT, "broken JSON"},
        {"{\"file_name\": \"01.png\", \"a\": \"\\ud8", LT_ERROR_FORMAT, "broken JSON"},
        {"{\"file_name\": \"01.png\", \"text\": \"a\", \"text\": \"b\"}", LT_ERROR_FORMAT, "broken JSON"},
        {"{\"file_name\": \"00.png\"}", LT_ERROR_FORMAT, "00.png is in line 1 already"},
    };
    write_pictures(2, 0);
    assert_int_equal(mkdir(in_root("folder"), 0777), 0);
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        char text[256];
        snprintf(text, sizeof text, "{\"file_name\": \"00.png\"}\n\n%s\n", cases[i].line);
        write_text("metadata.jsonl", text);
        assert_refused(root, cases[i].status, cases[i].message);
        assert_non_null(strstr(lt_error_message(), "/metadata.jsonl: line 3: "));
    }
    write_text("metadata.jsonl", "\n");
    assert_refused(root, LT_ERROR_FORMAT, "lists no picture");
    write_bytes("metadata.jsonl", "\0\n", 2);
    assert_refused(root, LT_ERROR_FORMAT, "line 1: broken JSON");
}

static void deep_and_long_metadata_is_refused(void **state) {
    (void)state;
    const size_t size = (size_t)LT_IMAGE_MAX_TEXT + 1;
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, '[', size);
    write_bytes("metadata.jsonl", text, size);
    assert_refused(root, LT_ERROR_FORMAT, "too many");
    write_bytes("metadata.jsonl", text, 1 << 20);
    assert_refused(root, LT_ERROR_FORMAT, "line 1: JSON of values within values");
    free(text);
}

static void empty_and_unreadable_folders_are_refused(void **state) {
    (void)state;
    assert_refused(root, LT_ERROR_FORMAT, "no picture is in it");
    assert_refused(in_root("none"), LT_ERROR_FILE, "none");
    assert_refused("", LT_ERROR_ARGUMENT, "an empty text");
    assert_int_equal(mkdir(in_root("locked"), 0), 0);
    if (geteuid() != 0) assert_refused(root, LT_ERROR_FILE, "locked: can't be read"); /* root reads anything */
    assert_int_equal(rmdir(in_root("locked")), 0);
    assert_int_equal(mkdir(in_root("metadata.jsonl"), 0777), 0);
    assert_refused(root, LT_ERROR_FILE, "metadata.jsonl: not a regular file");
}

static void fingerprints_differ(void **state) {
    (void)state;
    static const char *const texts[] = {
        "{\"file_name\": \"00.png\"}",
        "{\"file_name\": \"00.png\", \"text\": \"\"}",
        "{\"file_name\": \"00.png\", \"text\": \"ab\"}",
        "{\"file_name\": \"00.png\", \"text\": [\"a\", \"b\"]}",
        "{\"file_name\": \"00.png\", \"label\": \"\"}",
        "{\"file_name\": \"00.png\", \"label\": 1}",
        "{\"file_name\": \"./00.png\"}",
        "{\"file_name\": \"00.png\"}\n{\"file_name\": \"01.png\"}",
        "{\"file_name\": \"01.png\"}\n{\"file_name\": \"00.png\"}",
        "{\"file_name\": \"00.png\", \"unknown\": 1}", /* as the first, but for the picture's size */
    };
    uint64_t prints[LT_COUNT(texts)];
    write_pictures(2, 0);
    for (size_t i = 0; i < LT_COUNT(texts); i++) {
        if (i + 1 == LT_COUNT(texts)) write_picture("00.png", 50, 50, 3);
        write_text("metadata.jsonl", texts[i]);
        lt_dataset *d = open_dataset(root), *again = open_dataset(root);
        prints[i] = lt_dataset_fingerprint(d);
        assert_true(prints[i] == lt_dataset_fingerprint(again));
        for (size_t k = 0; k < i; k++)
            if (prints[k] == prints[i]) fail_msg("%s and %s have one fingerprint", texts[k], texts[i]);
        lt_dataset_close(d);
        lt_dataset_close(again);
    }
}

/* ---- Shards ---- */

enum { BLOCK = 512 };

static void seal(uint8_t *header) {
    unsigned sum = 0;
    memset(header + 148, ' ', 8);
    for (int i = 0; i < BLOCK; i++) sum += header[i];
    snprintf((char *)header + 148, 8, "%06o", sum);
}

/* Appends a member; size_field, 12 bytes, takes the place of the size in octal. */
static void append_member(lt_buffer *tar, char type, const char *name, const void *data, size_t size,
                          const char *size_field) {
    uint8_t header[BLOCK] = {0};
    static const uint8_t zeros[BLOCK];
    memcpy(header, name, strnlen(name, 100));
    snprintf((char *)header + 124, 12, "%011zo", size);
    if (size_field) memcpy(header + 124, size_field, 12);
    header[156] = (uint8_t)type;
    memcpy(header + 257, "ustar", 6);
    seal(header);
    assert_ok(lt_buffer_append(tar, header, BLOCK));
    assert_ok(lt_buffer_append(tar, data, size));
    assert_ok(lt_buffer_append(tar, zeros, lt_round_up(size, BLOCK) - size));
}

static void append_text(lt_buffer *tar, const char *name, const char *text) {
    append_member(tar, '0', name, text, strlen(text), NULL);
}

static void append_picture(lt_buffer *tar, const char *name, int blue) {
    lt_map map;
    write_picture("picture.png", 4, 4, blue);
    assert_ok(lt_map_open(in_root("picture.png"), &map));
    append_member(tar, '0', name, map.data, map.size, NULL);
    lt_map_close(&map);
    assert_int_equal(unlink(in_root("picture.png")), 0);
}

static void write_tar(const char *name, lt_buffer *tar) {
    write_bytes(name, tar->data, tar->size);
    lt_buffer_free(tar);
}

static void assert_blue(const lt_dataset *d, size_t i, int blue) {
    float pixels[2 * 2 * 3];
    assert_ok(lt_dataset_load(d, i, &(lt_picture_options){.size = 2}, 0, pixels));
    assert_true(pixels[2] == (float)blue / 127.5f - 1);
}

static void what_is_no_text_in_a_shard_is_told(void **state) {
    (void)state;
    static const char *const names[] = {"a.txt", "a.caption", "a.cls"};
    for (size_t i = 0; i < LT_COUNT(no_texts) * LT_COUNT(names); i++) {
        const char *name = names[i / LT_COUNT(no_texts)];
        const size_t k = i % LT_COUNT(no_texts);
        char words[64];
        lt_buffer tar = {0};
        append_picture(&tar, "a.png", 1);
        append_member(&tar, '0', name, no_texts[k].bytes, no_texts[k].size, NULL);
        write_tar("a.tar", &tar);
        snprintf(words, sizeof words, "a.tar: %s: not a text in UTF-8", name);
        assert_refused(in_root("a.tar"), LT_ERROR_FORMAT, words);
    }
}

static void shards_are_read(void **state) {
    (void)state;
    lt_buffer a = {0}, b = {0};
    append_member(&a, '5', "./", "", 0, "00000777777");
    append_text(&a, "./x/one.txt", "first\nsecond\n");
    append_text(&a, "./x/one.cls", "12\n");
    append_text(&a, "./x/one.json", "{\"text\": \"not this\", \"label\": 3, \"key\": 1.5}");
    append_text(&a, "./x/one.mask.png", "not ours");
    append_text(&a, "./x/._one.png", "not ours");
    append_picture(&a, "./x/one.PNG", 5);
    append_text(&a, "orphan.txt", "no picture");
    append_picture(&a, "two.png", 6);
    append_text(&a, "two.json", "\xEF\xBB\xBF{\"similarity\": NaN, \"text\": [\"a\", \"b\", \"c\"], \"label\": 9}");
    append_member(&a, '2', "link.png", "", 0, NULL);
    append_picture(&b, "two.png", 7); /* the same key in another shard */
    append_text(&b, "two.caption", "of it");
    append_text(&b, "two.txt", "\n");
    write_tar("00.tar", &a);
    write_tar("01.TAR", &b);
    write_text("ignored.png", "");
    lt_dataset *d = open_dataset(root);
    assert_int_equal(lt_dataset_count(d), 3);
    assert_string_equal(lt_dataset_name(d, 0), "00.tar:x/one.PNG");
    assert_string_equal(lt_dataset_name(d, 1), "00.tar:two.png");
    assert_string_equal(lt_dataset_name(d, 2), "01.TAR:two.png");
    for (int i = 0; i < 3; i++) assert_blue(d, (size_t)i, 5 + i);
    assert_int_equal(lt_dataset_text_count(d, 0), 2);
    assert_string_equal(lt_dataset_text(d, 0, 1), "second");
    assert_int_equal(lt_dataset_text_count(d, 1), 3);
    assert_string_equal(lt_dataset_text(d, 1, 2), "c");
    assert_int_equal(lt_dataset_text_count(d, 2), 1);
    assert_string_equal(lt_dataset_text(d, 2, 0), "of it");
    assert_int_equal(lt_dataset_label(d, 0), 1);
    assert_int_equal(lt_dataset_label(d, 1), 0);
    assert_int_equal(lt_dataset_label(d, 2), -1);
    assert_string_equal(lt_dataset_label_name(d, 1), "12");
    lt_dataset_close(d);
    d = open_dataset(in_root("01.TAR"));
    assert_int_equal(lt_dataset_count(d), 1);
    assert_blue(d, 0, 7);
    lt_dataset_close(d);
}

/* Names over 100 bytes in every format that tar writes, and from there over 256. */
static void tars_of_tar_are_read(void **state) {
    (void)state;
    static const char *const formats[] = {"v7", "ustar", "oldgnu", "gnu", "pax"};
    char deep[200], name[500], command[1300];
    snprintf(deep, sizeof deep, "%090d/%070d", 1, 2);
    snprintf(command, sizeof command, "mkdir -p '%s/%s' '%s/short'", root, deep, root);
    assert_int_equal(system(command), 0);
    snprintf(name, sizeof name, "%s/a.png", deep);
    write_picture(name, 4, 4, 1);
    snprintf(name, sizeof name, "%s/a.txt", deep);
    write_text(name, "words");
    snprintf(name, sizeof name, "%s/%0200d.png", deep, 3);
    write_picture(name, 4, 4, 2);
    write_picture("short/b.png", 4, 4, 3);
    for (size_t i = 0; i < LT_COUNT(formats); i++) {
        const bool brief = i == 0, limited = i <= 1;
        snprintf(command, sizeof command,
                 "cd '%s' && tar --format=%s --sort=name -cf '%s.tar' %s short && tar -tf '%s.tar' >list", root,
                 formats[i], formats[i],
                 brief     ? ""
                 : limited ? "--exclude='*3.png' 0*0001"
                           : "0*0001",
                 formats[i]);
        assert_int_equal(system(command), 0);
        snprintf(name, sizeof name, "%s.tar", formats[i]);
        lt_dataset *d = open_dataset(in_root(name));
        const size_t count = lt_dataset_count(d);
        assert_int_equal(count, brief ? 1 : limited ? 2 : 3);
        assert_blue(d, count - 1, 3);
        if (!brief) {
            const size_t first = limited ? 0 : 1;
            assert_blue(d, first, 1);
            assert_string_equal(lt_dataset_text(d, first, 0), "words");
            snprintf(command, sizeof command, "%s.tar:%s/a.png", formats[i], deep);
            assert_string_equal(lt_dataset_name(d, first), command);
        }
        if (count == 3) assert_blue(d, 0, 2);
        lt_dataset_close(d);
    }
}

/* Sizes that octal can't say, and what a pax header says of the member that follows. */
static void sizes_are_read(void **state) {
    (void)state;
    lt_map map;
    write_picture("picture.png", 4, 4, 9);
    assert_ok(lt_map_open(in_root("picture.png"), &map));
    lt_buffer tar = {0};
    char size[12] = {(char)0x80}, pax[64];
    size[11] = (char)map.size;
    size[10] = (char)(map.size >> 8);
    append_member(&tar, '0', "256.png", map.data, map.size, size);
    append_text(&tar, "256.txt", "next");
    snprintf(pax, sizeof pax, "21 comment=path=size\n%zu size=%zu\n16 path=pax.png\n",
             (size_t)snprintf(NULL, 0, "00 size=%zu\n", map.size), map.size);
    append_member(&tar, 'g', "global", "14 path=wrong\n", 14, NULL);
    append_member(&tar, 'x', "header", pax, strlen(pax), NULL);
    append_member(&tar, 'K', "././@LongLink", "target", 7, NULL);
    append_member(&tar, '0', "wrong", map.data, map.size, "00000000000");
    append_member(&tar, 'L', "././@LongLink", "long.png", 9, NULL);
    append_member(&tar, '\0', "wrong", map.data, map.size,
                  "     "
                  "      ");                  /* blanks: 0 */
    tar.size -= lt_round_up(map.size, BLOCK); /* which is what follows */
    lt_map_close(&map);
    assert_int_equal(unlink(in_root("picture.png")), 0);
    write_tar("a.tar", &tar);
    lt_dataset *d = open_dataset(root);
    assert_int_equal(lt_dataset_count(d), 3);
    assert_blue(d, 0, 9);
    assert_string_equal(lt_dataset_text(d, 0, 0), "next");
    assert_string_equal(lt_dataset_name(d, 1), "a.tar:pax.png");
    assert_blue(d, 1, 9);
    float pixels[12];
    assert_string_equal(lt_dataset_name(d, 2), "a.tar:long.png");
    assert_int_equal(lt_dataset_load(d, 2, &(lt_picture_options){.size = 2}, 0, pixels), LT_ERROR_FORMAT);
    assert_string_equal(lt_error_message(), "a.tar:long.png: this file is empty");
    lt_dataset_close(d);
}

static void hostile_members_are_refused(void **state) {
    (void)state;
    static const struct {
        char type;
        const char *name, *size, *content, *message;
        lt_status status;
    } cases[] = {
        {'0', "a.png", "77777777777", "", "a member of 8589934591 bytes, but only 0 follow", LT_ERROR_FORMAT},
        {'0', "a.png", "\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", "", "18446744073709551615", LT_ERROR_FORMAT},
        {'0', "a.png", "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", "", "9223372036854775807", LT_ERROR_FORMAT},
        {'0', "a.png", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "", "no number", LT_ERROR_FORMAT},
        {'0', "a.png", "0000000009\0", "", "no number", LT_ERROR_FORMAT},
        {'0', "a.png", "-0000000001", "", "no number", LT_ERROR_FORMAT},
        {'0', "../a.png", NULL, "", "../a.png leads out", LT_ERROR_FORMAT},
        {'0', "b/../../a.png", NULL, "", "leads out", LT_ERROR_FORMAT},
        {'0', "/a.png", NULL, "", "leads out", LT_ERROR_FORMAT},
        {'0', "first.jpg", NULL, "", "first.jpg: another member", LT_ERROR_FORMAT},
        {'0', "first.png", NULL, "", "first.png: another member", LT_ERROR_FORMAT},
        {'0', "first.json", NULL, "[]", "first.json: not a JSON object", LT_ERROR_FORMAT},
        {'0', "first.json", NULL, "{\"label\": {}}", "first.json: label is neither", LT_ERROR_FORMAT},
        {'0', "zero.txt", NULL, "late", "zero comes twice", LT_ERROR_FORMAT},
        {'S', "a.png", NULL, "", "sparse", LT_ERROR_UNSUPPORTED},
        {'x', "x", NULL, "5 a=", "broken pax", LT_ERROR_FORMAT},
        {'x', "x", NULL, "5 a=\n6 a=bc\n", "broken pax", LT_ERROR_FORMAT},
        {'x', "x", NULL, "5 ab\n", "broken pax", LT_ERROR_FORMAT},
        {'x', "x", NULL, "2 \n", "broken pax", LT_ERROR_FORMAT},
        {'x', "x", NULL, "0 a=\n", "broken pax", LT_ERROR_FORMAT},
        {'x', "x", NULL, " a=\n", "broken pax", LT_ERROR_FORMAT},
        {'x', "x", NULL, "99999999999999999999999 a=\n", "broken pax", LT_ERROR_FORMAT},
        {'x', "x", NULL, "9 size=\n", "broken pax", LT_ERROR_FORMAT},
        {'x', "x", NULL, "8 size=\n", "size is no number", LT_ERROR_FORMAT},
        {'x', "x", NULL, "10 size=-1\n", "broken pax", LT_ERROR_FORMAT},
        {'x', "x", NULL, "11 size=-1\n", "size is no number", LT_ERROR_FORMAT},
        {'x', "x", NULL, "29 size=99999999999999999999\n", "size is no number", LT_ERROR_FORMAT},
        {'L', "x", "00004000001", "", "too long", LT_ERROR_FORMAT},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_buffer tar = {0};
        append_text(&tar, "zero.png", "");
        append_text(&tar, "first.png", "");
        append_member(&tar, cases[i].type, cases[i].name, cases[i].content, strlen(cases[i].content), cases[i].size);
        write_tar("a.tar", &tar);
        assert_refused(root, cases[i].status, cases[i].message);
        assert_non_null(strstr(lt_error_message(), root));
    }
}

static void broken_tars_are_refused(void **state) {
    (void)state;
    static const uint8_t zeros[2 * BLOCK];
    lt_buffer tar = {0};
    append_picture(&tar, "a.png", 1);
    const size_t text = tar.size; /* its header */
    append_text(&tar, "a.txt", "words");
    const size_t whole = tar.size, picture = strtoul(tar.data + 124, NULL, 8);
    for (size_t size = 0; size <= whole; size++) { /* cut off anywhere */
        lt_dataset *d = NULL;
        write_bytes("a.tar", tar.data, size);
        const lt_status status = lt_dataset_open(in_root("a.tar"), &d);
        /* what pads a member may be missing */
        const bool ends_picture = size >= BLOCK + picture && size <= text, ends_text = size >= text + BLOCK + 5;
        assert_int_equal(status, ends_picture || ends_text ? LT_OK : LT_ERROR_FORMAT);
        if (status != LT_OK) assert_non_null(strstr(lt_error_message(), "a.tar: "));
        lt_dataset_close(d);
    }
    assert_ok(lt_buffer_append(&tar, zeros, sizeof zeros));
    assert_ok(lt_buffer_append(&tar, "what follows the end is not read", 32));
    write_bytes("a.tar", tar.data, tar.size);
    lt_dataset_close(open_dataset(root));
    tar.data[whole - 2 * BLOCK] ^= 1; /* the second header */
    write_bytes("a.tar", tar.data, tar.size);
    assert_refused(root, LT_ERROR_FORMAT, "no tar header where one must be");
    tar.data[0] ^= 1;
    write_tar("a.tar", &tar);
    assert_refused(root, LT_ERROR_FORMAT, "a.tar: not a tar file; a compressed one");
    write_bytes("a.tar", zeros, sizeof zeros);
    assert_refused(root, LT_ERROR_FORMAT, "no picture is in it");
    write_bytes("a.tar", "", 0);
    assert_refused(root, LT_ERROR_FORMAT, "no picture is in it");
    assert_int_equal(mkdir(in_root("b.tar"), 0777), 0);
    assert_refused(root, LT_ERROR_FILE, "b.tar: not a regular file");
}

/* ---- The stream ---- */

static void every_epoch_is_a_permutation(void **state) {
    (void)state;
    static const size_t counts[] = {1, 2, 3, 7, 64, 1000};
    lt_sample samples[1000] = {0};
    bool seen[1000];
    for (size_t c = 0; c < LT_COUNT(counts); c++) {
        const lt_dataset d = {.samples = samples, .count = counts[c]};
        size_t moved = 0;
        for (uint64_t place = 0; place < 4 * d.count; place++) {
            if (place % d.count == 0) memset(seen, 0, sizeof seen);
            const lt_draw draw = lt_dataset_draw(&d, 5, place), again = lt_dataset_draw(&d, 5, place);
            assert_true(draw.index < d.count && !seen[draw.index]);
            assert_true(draw.index == again.index && draw.random == again.random);
            seen[draw.index] = true;
            moved += draw.index != lt_dataset_draw(&d, 5, place + d.count).index;
        }
        if (d.count >= 64) assert_in_range(moved, 3 * d.count, 4 * d.count); /* another order in each epoch */
    }
}

/* Over many seeds, each of 4 pictures comes at each place, and each of 24 orders, equally often. */
static void orders_are_fair(void **state) {
    (void)state;
    enum { SEEDS = 24000 };
    lt_sample samples[4] = {0};
    const char *const texts[3] = {"a", "b", "c"};
    for (size_t i = 0; i < 4; i++) samples[i].record = (lt_record){.texts = texts, .text_count = 3};
    const lt_dataset d = {.samples = samples, .count = 4};
    size_t orders[256] = {0}, chosen[3] = {0}, kinds = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        size_t order = 0;
        for (uint64_t place = 0; place < 4; place++) order = order << 2 | lt_dataset_draw(&d, seed, place).index;
        orders[order]++;
        chosen[lt_dataset_draw(&d, seed, 0).text]++;
    }
    for (size_t i = 0; i < 256; i++) {
        if (!orders[i]) continue;
        kinds++;
        assert_in_range(orders[i], 850, 1150); /* 1000, give or take 5 deviations */
    }
    assert_int_equal(kinds, 24);
    for (size_t i = 0; i < 3; i++) assert_in_range(chosen[i], 7600, 8400);
}

/* ---- Pictures ---- */

static void pictures_are_cut_and_mirrored(void **state) {
    (void)state;
    enum { SIZE = 8 };
    write_picture("a.png", 20, 12, 255);
    lt_dataset *d = open_dataset(root);
    float pixels[SIZE * SIZE * 3], mirrored[SIZE * SIZE * 3];
    size_t flips = 0;
    bool left[20 - SIZE + 1] = {0}, top[12 - SIZE + 1] = {0};
    for (uint64_t draw = 0; draw < 400; draw++) {
        assert_ok(lt_dataset_load(d, 0, &(lt_picture_options){SIZE, true, false}, draw, pixels));
        assert_ok(lt_dataset_load(d, 0, &(lt_picture_options){SIZE, true, true}, draw, mirrored));
        const int x0 = (int)lrintf((pixels[0] + 1) * 127.5f), y0 = (int)lrintf((pixels[1] + 1) * 127.5f);
        assert_in_range(x0, 0, 20 - SIZE);
        assert_in_range(y0, 0, 12 - SIZE);
        left[x0] = top[y0] = true;
        const bool flipped = memcmp(pixels, mirrored, sizeof pixels) != 0;
        flips += flipped;
        for (int i = 0; i < SIZE * SIZE; i++) {
            const int x = i % SIZE, y = i / SIZE;
            const float expected[3] = {(float)(x0 + x) / 127.5f - 1, (float)(y0 + y) / 127.5f - 1, 1};
            const float *other = mirrored + 3 * (y * SIZE + (flipped ? SIZE - 1 - x : x));
            assert_memory_equal(pixels + 3 * i, expected, sizeof expected);
            assert_memory_equal(other, expected, sizeof expected);
        }
    }
    assert_in_range(flips, 150, 250);
    for (size_t i = 0; i < LT_COUNT(left); i++) assert_true(left[i]);
    for (size_t i = 0; i < LT_COUNT(top); i++) assert_true(top[i]);
    lt_dataset_close(d);
}

static void pictures_are_scaled(void **state) {
    (void)state;
    write_picture("a.png", 40, 20, 100);
    write_picture("thin.png", 1, 3000, 100);
    lt_dataset *d = open_dataset(root);
    float *pixels = malloc(64 * 64 * 3 * sizeof *pixels);
    lt_image image, expected;
    assert_ok(lt_image_load(in_root("a.png"), &image));
    assert_ok(lt_image_clip_crop(&image, 10, &expected));
    assert_ok(lt_dataset_load(d, 0, &(lt_picture_options){.size = 10}, 1, pixels));
    for (size_t i = 0; i < 300; i++) assert_true(pixels[i] == (float)expected.pixels[i] / 127.5f - 1);
    lt_image_free(&image);
    lt_image_free(&expected);
    for (int crop = 0; crop < 2; crop++) { /* up, from too small; of a thread too */
        for (size_t i = 0; i < 2; i++) {
            assert_ok(lt_dataset_load(d, i, &(lt_picture_options){.size = 64, .crop = crop}, 1, pixels));
            for (size_t k = 2; k < 64 * 64 * 3; k += 3) assert_true(pixels[k] == 100 / 127.5f - 1);
        }
    }
    static const int bad[] = {0, -1, LT_IMAGE_MAX_SIDE + 1};
    for (size_t i = 0; i < LT_COUNT(bad); i++)
        assert_int_equal(lt_dataset_load(d, 0, &(lt_picture_options){.size = bad[i]}, 0, pixels), LT_ERROR_ARGUMENT);
    free(pixels);
    lt_dataset_close(d);
}

static void alpha_is_laid_over_white(void **state) {
    (void)state;
    char source[600], command[1800];
    snprintf(source, sizeof source, "%s/images/rgba.png", LT_GOLDEN_DIR);
    snprintf(command, sizeof command, "cp '%s' '%s'", source, in_root("a.png"));
    assert_int_equal(system(command), 0);
    lt_image image;
    assert_ok(lt_image_load(source, &image)); /* over white: test_image.c */
    const int size = image.width < image.height ? image.width : image.height;
    lt_image cut;
    assert_ok(lt_image_clip_crop(&image, size, &cut));
    float *pixels = malloc(3 * (size_t)size * (size_t)size * sizeof *pixels);
    lt_dataset *d = open_dataset(root);
    assert_ok(lt_dataset_load(d, 0, &(lt_picture_options){.size = size}, 0, pixels));
    for (size_t i = 0; i < 3 * (size_t)size * (size_t)size; i++)
        assert_true(pixels[i] == (float)cut.pixels[i] / 127.5f - 1);
    lt_dataset_close(d);
    lt_image_free(&image);
    lt_image_free(&cut);
    free(pixels);
}

/* ---- Batches ---- */

enum { SIZE = 4, N = 3, FLOATS = N * SIZE * SIZE * 3 };
static const lt_picture_options options = {SIZE, true, true};

typedef struct heard {
    int count;
    char last[1024];
} heard;

static void hear(void *user, const char *message) {
    heard *h = user;
    h->count++;
    snprintf(h->last, sizeof h->last, "%s", message);
}

static lt_loader *start(const lt_dataset *d, uint64_t seed, uint64_t place, heard *h) {
    lt_loader *loader;
    assert_ok(lt_loader_start(d, &options, N, seed, place, h ? hear : NULL, h, &loader));
    return loader;
}

/* From the start and from every batch's place, with and without broken pictures: the same batches, byte for byte. */
static void batches_are_the_same_after_a_restart(void **state) {
    (void)state;
    enum { BATCHES = 9 };
    static float pixels[BATCHES][FLOATS];
    lt_draw draws[BATCHES][N];
    uint64_t places[BATCHES + 1] = {0};
    const unsigned broken = *(const unsigned *)*state;
    write_pictures(7, broken);
    lt_dataset *d = open_dataset(root);
    for (int first = 0; first < BATCHES; first++) {
        heard h = {0};
        lt_loader *loader = start(d, 11, places[first], &h);
        for (int k = first; k < BATCHES; k++) {
            const lt_batch *batch;
            assert_ok(lt_loader_next(loader, &batch));
            assert_int_equal(batch->n, N);
            if (first == 0) {
                memcpy(pixels[k], batch->pixels, sizeof pixels[k]);
                memcpy(draws[k], batch->draws, sizeof draws[k]);
                places[k + 1] = batch->place;
            }
            assert_memory_equal(pixels[k], batch->pixels, sizeof pixels[k]);
            assert_true(places[k + 1] == batch->place);
            for (int i = 0; i < N; i++) {
                assert_true(draws[k][i].index == batch->draws[i].index && draws[k][i].text == batch->draws[i].text &&
                            draws[k][i].random == batch->draws[i].random);
                assert_false(broken >> batch->draws[i].index & 1);
                const float blue = batch->pixels[i * SIZE * SIZE * 3 + 2]; /* the picture drawn is the one loaded */
                assert_true(blue == (float)batch->draws[i].index / 127.5f - 1);
            }
        }
        assert_int_equal(h.count, lt_loader_skipped(loader));
        lt_loader_stop(loader);
    }
    lt_dataset_close(d);
}

static void seeds_differ(void **state) {
    (void)state;
    write_pictures(7, 0);
    lt_dataset *d = open_dataset(root);
    size_t differ = 0;
    for (uint64_t place = 0; place < 70; place++)
        differ += lt_dataset_draw(d, 1, place).index != lt_dataset_draw(d, 2, place).index;
    assert_in_range(differ, 45, 70);
    lt_dataset_close(d);
}

static void broken_pictures_are_left_out(void **state) {
    (void)state;
    write_pictures(4, 1 << 2);
    lt_dataset *d = open_dataset(root);
    for (int told = 0; told < 2; told++) {
        heard h = {0};
        lt_loader *loader = start(d, 3, 0, told ? &h : NULL);
        assert_int_equal(lt_loader_skipped(loader), 0);
        for (int k = 0; k < 10; k++) {
            const lt_batch *batch;
            assert_ok(lt_loader_next(loader, &batch));
            assert_true(lt_loader_skipped(loader) <= 1); /* counted when its batch comes, not when it's read ahead */
            assert_int_equal(h.count, told ? lt_loader_skipped(loader) : 0);
        }
        assert_int_equal(lt_loader_skipped(loader), 1);
        if (told) assert_non_null(strstr(h.last, "/02.png: neither a PNG"));
        lt_loader_stop(loader);
    }
    lt_dataset_close(d);
}

static void nothing_but_broken_pictures_fails(void **state) {
    (void)state;
    write_pictures(5, 0x1f);
    lt_dataset *d = open_dataset(root);
    for (uint64_t place = 0; place < 6; place++) {
        heard h = {0};
        const lt_batch *batch = (const lt_batch *)&h;
        lt_loader *loader = start(d, 3, place, &h);
        for (int k = 0; k < 3; k++) { /* and stays so */
            assert_int_equal(lt_loader_next(loader, &batch), LT_ERROR_FORMAT);
            assert_non_null(strstr(lt_error_message(), "no picture of the data set's 5"));
            assert_null(batch);
            assert_int_equal(lt_loader_skipped(loader), 5);
            assert_int_equal(h.count, 5);
        }
        lt_loader_stop(loader);
    }
    write_picture("03.png", 4, 4, 3); /* one that can be read is enough, wherever it stands in two epochs */
    for (uint64_t place = 0; place < 20; place++) {
        const lt_batch *batch;
        lt_loader *loader = start(d, 3, place, NULL);
        for (int k = 0; k < 4; k++) assert_ok(lt_loader_next(loader, &batch));
        lt_loader_stop(loader);
    }
    lt_dataset_close(d);
}

static void loaders_stop_at_any_time(void **state) {
    (void)state;
    const lt_batch *batch;
    lt_loader *loader;
    write_pictures(7, 0);
    lt_dataset *d = open_dataset(root);
    for (int taken = 0; taken < 4; taken++) {
        loader = start(d, 3, UINT64_MAX - 4, NULL); /* the stream has no end: places go round */
        for (int k = 0; k < taken; k++) assert_ok(lt_loader_next(loader, &batch));
        lt_loader_stop(loader);
    }
    lt_loader_stop(NULL);
    lt_dataset_close(NULL);
    assert_int_equal(lt_loader_start(d, &options, 0, 0, 0, NULL, NULL, &loader), LT_ERROR_ARGUMENT);
    assert_null(loader);
    assert_int_equal(lt_loader_start(d, &(lt_picture_options){0}, 1, 0, 0, NULL, NULL, &loader), LT_ERROR_ARGUMENT);
    assert_int_equal(
        lt_loader_start(d, &(lt_picture_options){.size = LT_IMAGE_MAX_SIDE}, INT32_MAX, 0, 0, NULL, NULL, &loader),
        LT_ERROR_MEMORY);
    lt_dataset_close(d);
}

/* ---- Memory ---- */

/* Opens the data set, loads a picture and reads batches; the first failure, or LT_OK. */
static lt_status use(const char *path) {
    static float pixels[8 * 8 * 3];
    lt_dataset *d;
    lt_loader *loader;
    LT_TRY(lt_dataset_open(path, &d));
    lt_status status = lt_dataset_load(d, 0, &(lt_picture_options){.size = 8, .crop = true}, 1, pixels);
    if (status == LT_OK) status = lt_loader_start(d, &options, N, 1, 0, NULL, NULL, &loader);
    if (status == LT_OK) {
        const lt_batch *batch;
        for (int k = 0; k < 2 && status == LT_OK; k++) status = lt_loader_next(loader, &batch);
        /* the thread may have failed while it read ahead: two slots further it shows */
        for (int k = 0; k < 2 && status == LT_OK && lt_alloc_failed(); k++) status = lt_loader_next(loader, &batch);
        /* from here on it may fail unseen */
        lt_alloc_fail_at(SIZE_MAX);
        lt_loader_stop(loader);
    }
    lt_dataset_close(d);
    return status;
}

static void failing_allocations(const char *path) {
    bool failed = true;
    for (size_t n = 0; failed; n++) {
        lt_alloc_fail_at(n);
        const lt_status status = use(path);
        failed = status != LT_OK;
        lt_alloc_fail_at(SIZE_MAX);
        if (failed && status != LT_ERROR_MEMORY) fail_msg("status %d: %s", (int)status, lt_error_message());
        assert_true(n < 1000);
    }
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    write_pictures(3, 1 << 1);
    write_text("00.txt", "one\ntwo");
    failing_allocations(root);
    write_text("metadata.jsonl", "{\"file_name\": \"00.png\", \"text\": [\"a\", \"b\"], \"label\": \"c\"}\n"
                                 "{\"file_name\": \"02.png\", \"text\": \"a\", \"label\": 3}\n");
    failing_allocations(root);
    lt_buffer tar = {0};
    append_picture(&tar, "a.png", 1);
    append_text(&tar, "a.txt", "one\ntwo");
    append_text(&tar, "a.cls", "3");
    append_text(&tar, "b.json", "{\"text\": [\"a\", \"b\"], \"label\": \"c\"}");
    append_member(&tar, 'x', "x", "14 path=b.png\n", 14, NULL);
    append_picture(&tar, "wrong", 2);
    append_member(&tar, 'L', "x", "c.png", 6, NULL);
    append_text(&tar, "wrong", "broken");
    write_tar("a.tar", &tar);
    failing_allocations(in_root("a.tar"));
}

static const unsigned none_broken = 0, some_broken = 1 << 1 | 1 << 4 | 1 << 5;

int main(void) {
#define TEST(function) cmocka_unit_test_setup(function, make_root)
#define TEST_WITH(function, value)                                                                                     \
    { #function " " #value, function, make_root, NULL, (void *)(uintptr_t) & (value) }
    const struct CMUnitTest tests[] = {
        TEST(metadata_is_read),
        TEST(what_nobody_reads_is_not_judged),
        TEST(captions_are_found),
        TEST(what_is_no_file_is_told),
        TEST(what_is_no_text_is_told),
        TEST(labels_are_numbered),
        TEST(folders_without_metadata_are_walked),
        TEST(hostile_metadata_is_refused),
        TEST(deep_and_long_metadata_is_refused),
        TEST(empty_and_unreadable_folders_are_refused),
        TEST(fingerprints_differ),
        TEST(what_is_no_text_in_a_shard_is_told),
        TEST(shards_are_read),
        TEST(tars_of_tar_are_read),
        TEST(sizes_are_read),
        TEST(hostile_members_are_refused),
        TEST(broken_tars_are_refused),
        TEST(every_epoch_is_a_permutation),
        TEST(orders_are_fair),
        TEST(pictures_are_cut_and_mirrored),
        TEST(pictures_are_scaled),
        TEST(alpha_is_laid_over_white),
        TEST_WITH(batches_are_the_same_after_a_restart, none_broken),
        TEST_WITH(batches_are_the_same_after_a_restart, some_broken),
        TEST(seeds_differ),
        TEST(broken_pictures_are_left_out),
        TEST(nothing_but_broken_pictures_fails),
        TEST(loaders_stop_at_any_time),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, clean);
}
