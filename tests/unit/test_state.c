/* The state of a training run on disk: bit for bit there and back, what is refused and how it is said, what survives a
 * failed write; and the log, reopened after every way of being killed. */
#include "train/state.h"

#include "formats/formats.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- A folder of our own ---- */

static char folder[] = "/tmp/latent-test-state-XXXXXX";
static char path[1024], log_path[1024];

static int make_folder(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/state.safetensors", folder);
    snprintf(log_path, sizeof log_path, "%s/log.jsonl", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(path);
    unlink(log_path);
    return rmdir(folder); /* fails if a temporary file was left */
}

static int count_files(void) {
    int count = 0;
    DIR *entries = opendir(folder);
    assert_non_null(entries);
    for (const struct dirent *e; (e = readdir(entries));) count += e->d_name[0] != '.';
    closedir(entries);
    return count;
}

static void write_text(const char *where, const char *text, size_t size) {
    FILE *file = fopen(where, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* ---- An optimiser with every kind of float ---- */

enum { MAX_TENSORS = 3, MAX_SIZE = 5000 };
static const size_t sizes[MAX_TENSORS] = {MAX_SIZE, 1, 77};
static const char *const names[MAX_TENSORS] = {"unet.out.weight", "unet.out.bias", "unet.in.weight"};

typedef struct model {
    float value[MAX_TENSORS][MAX_SIZE], gradient[MAX_TENSORS][MAX_SIZE];
    lt_parameter list[MAX_TENSORS];
    lt_optimizer optimizer;
} model;

static void fill(float *x, size_t n, uint32_t seed) {
    static const float special[] = {-0.0F, INFINITY, -INFINITY, NAN, 1e-45F, 3.4e38F};
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525 + 1013904223;
        memcpy(&x[i], &seed, sizeof seed); /* any bits */
        if (i < LT_COUNT(special)) x[i] = special[i];
    }
}

static void make(model *m, size_t tensors, float ema) {
    lt_optimizer_options o = lt_optimizer_defaults();
    o.ema = ema;
    for (size_t i = 0; i < tensors; i++) m->list[i] = (lt_parameter){names[i], sizes[i], m->value[i], m->gradient[i]};
    memset(m->value, 0, sizeof m->value);
    assert_int_equal(lt_optimizer_create(&o, m->list, tensors, &m->optimizer), LT_OK);
}

static void fill_model(model *m, uint32_t seed) {
    for (size_t i = 0; i < m->optimizer.count; i++) {
        lt_parameter *p = &m->optimizer.parameters[i];
        fill(p->value, p->count, seed++);
        fill(p->m, p->count, seed++);
        fill(p->v, p->count, seed++);
        if (p->ema) fill(p->ema, p->count, seed++);
    }
}

static bool same(const model *a, const model *b) {
    bool equal = a->optimizer.count == b->optimizer.count;
    for (size_t i = 0; i < a->optimizer.count && equal; i++) {
        const lt_parameter *p = &a->optimizer.parameters[i], *q = &b->optimizer.parameters[i];
        const size_t bytes = p->count * sizeof(float);
        equal = !memcmp(p->value, q->value, bytes) && !memcmp(p->m, q->m, bytes) && !memcmp(p->v, q->v, bytes) &&
                (!p->ema || !memcmp(p->ema, q->ema, bytes));
    }
    return equal;
}

static const char *const pairs[] = {"settings", "{\"rate\": \"1e-4 \\u00e9\"}", "format", "pt"};
static const lt_run_state numbers = {41, 18446744073709551615u, 12345.678901234567, 0.1};

static lt_status save(model *m) {
    m->optimizer.step = numbers.step;
    return lt_state_save(path, &m->optimizer, &numbers, pairs, 2);
}

static model saved, loaded;

/* Saves `saved` and gives `loaded` the same parameters. */
static void begin(float ema) {
    make(&saved, MAX_TENSORS, ema);
    fill_model(&saved, 1);
    make(&loaded, MAX_TENSORS, ema);
    assert_int_equal(save(&saved), LT_OK);
}

static void end(void) {
    lt_optimizer_free(&saved.optimizer);
    lt_optimizer_free(&loaded.optimizer);
}

/* The file is refused with that message, which begins with its name, and changes nothing. */
static void refuse(lt_status expected, const char *message) {
    static model before;
    lt_run_state run;
    char *settings = NULL;
    make(&before, loaded.optimizer.count, loaded.optimizer.options.ema);
    lt_optimizer_free(&before.optimizer);
    memcpy(before.value, loaded.value, sizeof before.value);
    const lt_status status = lt_state_load(path, &loaded.optimizer, &run, &settings);
    if (status != expected || strncmp(lt_error_message(), path, strlen(path)) || !strstr(lt_error_message(), message))
        fail_msg("status %d, \"%s\", expected %d and \"%s\"", status, lt_error_message(), expected, message);
    assert_true(!settings || expected == LT_ERROR_MODEL);
    lt_free(settings);
    assert_memory_equal(before.value, loaded.value, sizeof before.value);
    assert_int_equal(loaded.optimizer.step, 0);
}

/* ---- The state ---- */

static void test_round_trip(void **state) {
    (void)state;
    static const float averages[] = {0, 0.99F};
    for (size_t i = 0; i < LT_COUNT(averages); i++) {
        lt_run_state run;
        char *settings = NULL;
        begin(averages[i]);
        assert_false(same(&saved, &loaded));
        assert_int_equal(lt_state_load(path, &loaded.optimizer, &run, &settings), LT_OK);
        assert_true(same(&saved, &loaded));
        assert_int_equal(run.step, numbers.step);
        assert_int_equal(loaded.optimizer.step, numbers.step);
        assert_true(run.place == numbers.place);
        assert_memory_equal(&run.seconds, &numbers.seconds, sizeof run.seconds);
        assert_memory_equal(&run.loss, &numbers.loss, sizeof run.loss);
        assert_string_equal(settings, pairs[1]);
        lt_free(settings);
        end();
    }
    assert_int_equal(count_files(), 1);
}

/* A file by other programs' eyes: its tensors and metadata. */
static void test_layout(void **state) {
    (void)state;
    lt_checkpoint file;
    begin(0.99F);
    assert_int_equal(lt_checkpoint_open(path, &file), LT_OK);
    assert_int_equal(file.count, 4 * MAX_TENSORS);
    assert_non_null(lt_checkpoint_find(&file, "unet.out.bias"));
    assert_non_null(lt_checkpoint_find(&file, "adamw.m.unet.out.bias"));
    assert_non_null(lt_checkpoint_find(&file, "adamw.v.unet.out.bias"));
    assert_non_null(lt_checkpoint_find(&file, "ema.unet.out.bias"));
    assert_string_equal(lt_checkpoint_metadata(&file, "format"), "pt");
    assert_string_equal(lt_checkpoint_metadata(&file, "latent.run"),
                        "{\"step\":41,\"place\":\"18446744073709551615\",\"seconds\":12345.678901234567,"
                        "\"loss\":0.10000000000000001}");
    lt_checkpoint_close(&file);
    end();
}

static void test_no_settings(void **state) {
    (void)state;
    const lt_run_state run = {0, 0, 0, (double)NAN};
    lt_run_state back;
    char *settings = folder;
    begin(0);
    saved.optimizer.step = 0;
    assert_int_equal(lt_state_save(path, &saved.optimizer, &run, NULL, 0), LT_OK);
    assert_int_equal(lt_state_load(path, &loaded.optimizer, &back, &settings), LT_OK);
    assert_null(settings);
    assert_true(isnan(back.loss));
    end();
}

static void test_mismatches(void **state) {
    (void)state;
    begin(0.99F);
    lt_optimizer_free(&loaded.optimizer);
    make(&loaded, MAX_TENSORS, 0);
    refuse(LT_ERROR_MODEL, "tensor ema.unet.in.weight is none of this run");
    lt_optimizer_free(&loaded.optimizer);
    make(&loaded, 2, 0.99F);
    refuse(LT_ERROR_MODEL, "tensor adamw.m.unet.in.weight is none of this run");
    lt_optimizer_free(&saved.optimizer);
    make(&saved, 2, 0.99F);
    assert_int_equal(save(&saved), LT_OK);
    lt_optimizer_free(&loaded.optimizer);
    make(&loaded, MAX_TENSORS, 0.99F);
    refuse(LT_ERROR_MODEL, "the state has no tensor adamw.m.unet.in.weight");
    lt_optimizer_free(&loaded.optimizer);
    make(&loaded, 2, 0.99F);
    loaded.optimizer.parameters[0].count = 4999;
    refuse(LT_ERROR_MODEL, "tensor adamw.m.unet.out.weight is F32 [5000] in the state, but F32 [4999] in this run");
    end();
}

/* A file whose tensors are right, but not their type or its metadata. */
static void write_other(lt_dtype type, const char *run) {
    static float zeros[1];
    static const char *const all[] = {"adamw.m.w", "adamw.v.w", "w"};
    lt_tensor tensors[3] = {0};
    lt_dtype types[3];
    for (int i = 0; i < 3; i++) {
        tensors[i] = (lt_tensor){all[i], LT_F32, 1, {1}, {1}, zeros};
        types[i] = type;
    }
    const lt_metadata metadata = {"latent.run", run};
    assert_int_equal(lt_safetensors_write(path, tensors, 3, &metadata, run ? 1 : 0, types, NULL, NULL), LT_OK);
}

static void test_metadata(void **state) {
    (void)state;
    static const struct {
        const char *run, *message;
    } broken[] = {
        {NULL, "not a training state"},
        {"", "no valid step"},
        {"[1]", "no valid step"},
        {"{\"step\":-1,\"place\":\"1\",\"seconds\":1,\"loss\":1}", "no valid step"},
        {"{\"step\":1.5,\"place\":\"1\",\"seconds\":1,\"loss\":1}", "no valid step"},
        {"{\"step\":1,\"place\":1,\"seconds\":1,\"loss\":1}", "no valid place"},
        {"{\"step\":1,\"place\":\"-1\",\"seconds\":1,\"loss\":1}", "no valid place"},
        {"{\"step\":1,\"place\":\"1x\",\"seconds\":1,\"loss\":1}", "no valid place"},
        {"{\"step\":1,\"place\":\"18446744073709551616\",\"seconds\":1,\"loss\":1}", "no valid place"},
        {"{\"step\":1,\"place\":\"1\",\"seconds\":\"1\",\"loss\":1}", "no valid seconds"},
        {"{\"step\":1,\"place\":\"1\",\"seconds\":1}", "no valid loss"},
    };
    make(&loaded, 1, 0);
    loaded.optimizer.parameters[0].name = "w";
    loaded.optimizer.parameters[0].count = 1;
    for (size_t i = 0; i < LT_COUNT(broken); i++) {
        write_other(LT_F32, broken[i].run);
        refuse(LT_ERROR_FORMAT, broken[i].message);
    }
    write_other(LT_F16, "{\"step\":1,\"place\":\"1\",\"seconds\":1,\"loss\":1}");
    refuse(LT_ERROR_MODEL, "tensor adamw.m.w is F16 [1] in the state, but F32 [1] in this run");
    lt_optimizer_free(&loaded.optimizer);
}

static void test_arguments(void **state) {
    (void)state;
    static const char *const twice[] = {"a", "1", "a", "2"}, *const own[] = {"latent.run", "1"};
    begin(0);
    assert_int_equal(lt_state_save(path, &saved.optimizer, &numbers, twice, 2), LT_ERROR_ARGUMENT);
    assert_int_equal(lt_state_save(path, &saved.optimizer, &numbers, own, 1), LT_ERROR_ARGUMENT);
    saved.optimizer.step++;
    assert_int_equal(save(&saved), LT_OK); /* puts it right */
    saved.optimizer.step++;
    assert_int_equal(lt_state_save(path, &saved.optimizer, &numbers, NULL, 0), LT_ERROR_ARGUMENT);
    saved.optimizer.parameters[1].name = names[0];
    assert_int_equal(save(&saved), LT_ERROR_ARGUMENT);
    assert_non_null(strstr(lt_error_message(), "two tensors are called"));
    end();
}

/* Lengths that cut the header (its first 8 bytes alone could be a pickle's), and some that cut the tensors. */
static void test_truncated(void **state) {
    (void)state;
    lt_map map;
    begin(0.99F);
    assert_int_equal(lt_map_open(path, &map), LT_OK);
    char *bytes = malloc(map.size);
    memcpy(bytes, map.data, map.size);
    const size_t size = map.size;
    lt_map_close(&map);
    for (size_t n = 9; n < size; n += n < 2000 ? 7 : 9973) {
        write_text(path, bytes, n);
        refuse(LT_ERROR_FORMAT, "");
    }
    write_text(path, bytes, 0);
    refuse(LT_ERROR_FORMAT, "empty");
    write_text(path, bytes, size - 1);
    refuse(LT_ERROR_FORMAT, "cut off");
    unlink(path);
    refuse(LT_ERROR_FILE, "No such file");
    free(bytes);
    end();
}

static void test_out_of_memory(void **state) {
    (void)state;
    begin(0.99F);
    for (int loading = 0; loading < 2; loading++) {
        size_t n = 0;
        for (bool reached = true; reached; n++) {
            lt_run_state run;
            char *settings = NULL;
            lt_alloc_fail_at(n);
            const lt_status status = loading ? lt_state_load(path, &loaded.optimizer, &run, &settings) : save(&saved);
            reached = lt_alloc_failed();
            lt_alloc_fail_at(SIZE_MAX);
            assert_int_equal(status, reached ? LT_ERROR_MEMORY : LT_OK);
            lt_free(settings);
            assert_int_equal(count_files(), 1);
        }
        assert_true(n > 20);
    }
    assert_true(same(&saved, &loaded));
    end();
}

/* What a child whose files may have `limit` bytes gets from saving the loaded model. */
static void save_limited(rlim_t limit) {
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){limit, limit});
        const lt_status status = save(&loaded);
        const bool told = strstr(lt_error_message(), "step 41 was not saved; the last one that was is untouched") &&
                          strstr(lt_error_message(), "File too large");
        _exit(status == LT_ERROR_FILE && told ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* The disk is full at any point: the last good file is untouched, and nothing lies beside it. */
static void test_full_disk(void **state) {
    (void)state;
    static const rlim_t limits[] = {0, 5, 100, 4096, 5000, 70000, 81000};
    lt_run_state run;
    char *settings = NULL;
    begin(0.99F);
    fill_model(&loaded, 99);
    for (size_t i = 0; i < LT_COUNT(limits); i++) {
        save_limited(limits[i]);
        assert_int_equal(count_files(), 1);
    }
    assert_int_equal(lt_state_load(path, &loaded.optimizer, &run, &settings), LT_OK);
    assert_true(same(&saved, &loaded));
    lt_free(settings);
    end();
}

/* What a killed run left is removed, and nothing else is. */
static void test_leftovers(void **state) {
    (void)state;
    static const struct {
        const char *ending;
        bool leftover;
    } others[] = {
        {".latent.part", true},       {".part", false},     {".latent.part2", false},
        {".best.latent.part", false}, {".1-0.part", false},
    };
    char names_of[LT_COUNT(others)][1100];
    begin(0);
    for (size_t i = 0; i < LT_COUNT(others); i++) {
        snprintf(names_of[i], sizeof names_of[i], "%s%s", path, others[i].ending);
        write_text(names_of[i], "x", 1);
    }
    assert_int_equal(save(&saved), LT_OK);
    for (size_t i = 0; i < LT_COUNT(others); i++) {
        assert_int_equal(access(names_of[i], F_OK) != 0, others[i].leftover);
        unlink(names_of[i]);
    }
    assert_int_equal(lt_state_save("/nonexistent/state", &saved.optimizer, &numbers, NULL, 0), LT_ERROR_FILE);
    assert_int_equal(lt_state_save(folder, &saved.optimizer, &numbers, NULL, 0), LT_ERROR_FILE);
    end();
}

/* ---- The log ---- */

static void assert_log(const char *expected) {
    lt_map map;
    assert_int_equal(lt_map_open(log_path, &map), LT_OK);
    if (map.size != strlen(expected) || (map.size && memcmp(map.data, expected, map.size)))
        fail_msg("the log is \"%.*s\", expected \"%s\"", (int)map.size, (const char *)map.data, expected);
    lt_map_close(&map);
}

static lt_log_row row_of(long step) { return (lt_log_row){.step = step, .seconds = 0.5, .loss = 0.25, .rate = 1e-4}; }

#define ROW(step)                                                                                                      \
    "{\"step\":" #step                                                                                                 \
    ",\"seconds\":0.5,\"loss\":0.25,\"rate\":0.0001,\"gradient_norm\":0.0,\"samples_per_second\":0.0}\n"

/* Rows go on in one file over two sessions. */
static void test_log(void **state) {
    (void)state;
    lt_log log;
    lt_log_row row = row_of(1);
    unlink(log_path);
    assert_int_equal(lt_log_open(log_path, 0, &log), LT_OK);
    assert_int_equal(lt_log_write(&log, &row), LT_OK);
    assert_log(ROW(1)); /* before it is closed */
    lt_log_close(&log);
    lt_log_close(&log);
    assert_int_equal(lt_log_open(log_path, 1, &log), LT_OK);
    row = (lt_log_row){2, 1, (double)NAN, 1, (double)INFINITY, 1.0 / 3, {"kl", NULL, "recall"}, {2, 3, 4}};
    assert_int_equal(lt_log_write(&log, &row), LT_OK);
    lt_log_close(&log);
    assert_log(ROW(1) "{\"step\":2,\"seconds\":1.0,\"loss\":null,\"rate\":1.0,\"gradient_norm\":null,"
                      "\"samples_per_second\":0.333333333,\"kl\":2.0,\"recall\":4.0}\n");
}

/* A log that holds text, opened after step, then holds expected. */
static void reopen(const char *text, size_t size, long step, const char *expected) {
    lt_log log;
    write_text(log_path, text, size);
    assert_int_equal(lt_log_open(log_path, step, &log), LT_OK);
    assert_log(expected);
    const lt_log_row row = row_of(9);
    assert_int_equal(lt_log_write(&log, &row), LT_OK);
    lt_log_close(&log);
    char whole[1024];
    snprintf(whole, sizeof whole, "%s%s", expected, ROW(9));
    assert_log(whole);
}

static void test_log_reopened(void **state) {
    (void)state;
    static const char rows[] = ROW(1) ROW(2) ROW(3);
    const size_t one = strlen(ROW(1));
    reopen("", 0, 5, "");
    reopen(rows, 3 * one, 3, rows);
    reopen(rows, 3 * one, 100, rows);
    reopen(rows, 3 * one, 2, ROW(1) ROW(2));
    reopen(rows, 3 * one, 0, "");
    for (size_t torn = 1; torn < one; torn++) { /* the last line, at any byte, its end included */
        reopen(rows, 2 * one + torn, 3, ROW(1) ROW(2));
        reopen(rows, torn, 3, "");
    }
    static const char zeros[] = ROW(1) "\0\0\0";
    reopen(zeros, sizeof zeros, 3, ROW(1));
}

/* Somebody else's file is neither cut nor written to. */
static void test_log_strangers(void **state) {
    (void)state;
    static const char *const texts[] = {
        "hello\n",        "hello", "[1]\n", "{\"step\":\"1\"}\n", ROW(1) "\n", ROW(1) "rest", "{\"loss\":1}\n" ROW(1),
        "{\"step\":-4}\n"};
    lt_log log;
    for (size_t i = 0; i < LT_COUNT(texts); i++) {
        write_text(log_path, texts[i], strlen(texts[i]));
        assert_int_equal(lt_log_open(log_path, 9, &log), LT_ERROR_FORMAT);
        assert_null(log.file);
        assert_log(texts[i]);
    }
    assert_int_equal(lt_log_open(folder, 0, &log), LT_ERROR_FILE);
    assert_int_equal(lt_log_open("/nonexistent/log", 0, &log), LT_ERROR_FILE);
}

/* A disk that fills up in the middle of a row: what is there stays a log. */
static void test_log_full_disk(void **state) {
    (void)state;
    lt_log log;
    unlink(log_path);
    assert_int_equal(lt_log_open(log_path, 0, &log), LT_OK);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const lt_log_row first = row_of(1), second = row_of(2);
        const rlim_t limit = strlen(ROW(1)) + 10;
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){limit, limit});
        const bool ok = lt_log_write(&log, &first) == LT_OK && lt_log_write(&log, &second) == LT_ERROR_FILE;
        _exit(ok && strstr(lt_error_message(), "File too large") ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    lt_log_close(&log);
    assert_log(ROW(1));
}

static void test_log_out_of_memory(void **state) {
    (void)state;
    lt_log log;
    for (size_t n = 0;; n++) {
        lt_alloc_fail_at(n);
        const lt_status status = lt_log_open(log_path, 0, &log);
        const bool reached = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        assert_int_equal(status, reached ? LT_ERROR_MEMORY : LT_OK);
        assert_true((log.file == NULL) == reached);
        lt_log_close(&log);
        if (!reached) break;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_no_settings),
        cmocka_unit_test(test_mismatches),
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_leftovers),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_log_reopened),
        cmocka_unit_test(test_log_strangers),
        cmocka_unit_test(test_log_full_disk),
        cmocka_unit_test(test_log_out_of_memory),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
