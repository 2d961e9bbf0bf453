/* Mapped files that are cut short while they are open: an error that names the file, and never a signal. */
#include "base/map.h"
#include "base/threads.h"
#include "data/dataset.h"
#include "exporting.h"
#include "micro.h"
#include "train/cache.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { PAGES = 6, HOST = 42 };

static size_t page(void) { return (size_t)sysconf(_SC_PAGESIZE); }

/* A file of ones, a little over PAGES pages long. */
static const char *write_ones(const char *name) {
    const char *path = scratch_path(name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (size_t i = 0; i < PAGES * page() + 100; i++) putc(1, file);
    assert_int_equal(fclose(file), 0);
    return path;
}

static void cut(const char *path, size_t size) { assert_int_equal(truncate(path, (off_t)size), 0); }

static size_t count_ones(const lt_map *map) {
    size_t ones = 0;
    for (size_t i = map->size; i > 0; i--) ones += map->data[i - 1] == 1;
    return ones;
}

static void assert_cut(lt_status status, const char *name) {
    char said[300];
    snprintf(said, sizeof said, "%s: was cut short while it was open", scratch_path(name));
    assert_int_equal(status, LT_ERROR_FILE);
    assert_non_null(strstr(lt_error_message(), said));
}

/* ---- Others' faults; first, because the guard is installed once ---- */

/* Reads behind the end of a file that is mapped, but not by us. */
static void fault(void) {
    FILE *file = tmpfile();
    if (!file || ftruncate(fileno(file), (off_t)page())) _exit(1);
    const volatile char *data = mmap(NULL, page(), PROT_READ, MAP_SHARED, fileno(file), 0);
    if (data == MAP_FAILED || ftruncate(fileno(file), 0)) _exit(1);
    (void)*data;
}

static void send(void) { raise(SIGBUS); }

static void host_handler(int number) {
    (void)number;
    _exit(HOST);
}

/* How a process ends that uses us and then does what is no business of ours. */
static int end_of(void (*handler)(int), void (*deed)(void)) {
    const char *path = write_ones("ours");
    const pid_t child = fork();
    if (child == 0) {
        lt_map map;
        signal(SIGBUS, handler);
        if (lt_map_open(path, &map)) _exit(1);
        if (truncate(path, 0) || count_ones(&map)) _exit(1);
        deed();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void faults_of_others_are_passed_on(void **state) {
    (void)state;
    void (*const deeds[])(void) = {fault, send};
    for (size_t i = 0; i < LT_COUNT(deeds); i++) {
        const int handled = end_of(host_handler, deeds[i]), unhandled = end_of(SIG_DFL, deeds[i]);
        assert_true(WIFEXITED(handled) && WEXITSTATUS(handled) == HOST);
        assert_true(WIFSIGNALED(unhandled) && WTERMSIG(unhandled) == SIGBUS);
    }
    const int ignored = end_of(SIG_IGN, send), unignorable = end_of(SIG_IGN, fault);
    assert_true(WIFEXITED(ignored) && WEXITSTATUS(ignored) == 0);
    assert_true(WIFSIGNALED(unignorable) && WTERMSIG(unignorable) == SIGBUS);
}

/* ---- Maps ---- */

/* Whatever is left of a file, a page's part included, is read; the rest reads as zeros and is told. */
static void a_cut_is_told(void **state) {
    (void)state;
    const size_t sizes[] = {0, 1, page(), 3 * page() + 7, PAGES * page(), PAGES * page() + 99};
    for (size_t i = 0; i < LT_COUNT(sizes); i++) {
        lt_map map;
        const char *path = write_ones("file");
        assert_ok(lt_map_open(path, &map));
        cut(path, sizes[i]);
        assert_int_equal(count_ones(&map), sizes[i]);
        assert_cut(lt_map_check(map.data, LT_OK), "file");
        assert_cut(lt_map_check(map.data + map.size - 1, LT_ERROR_FORMAT), "file");
        assert_cut(lt_map_finish(&map, LT_OK), "file");
        assert_null(map.data);
    }
}

/* A file that is whole again does not make what was read right. */
static void a_file_that_grew_again_is_told(void **state) {
    (void)state;
    lt_map map;
    const char *path = write_ones("file");
    assert_ok(lt_map_open(path, &map));
    cut(path, 0);
    assert_int_equal(map.data[page()], 0);
    write_ones("file");
    assert_int_equal(lt_map_finish(&map, LT_OK), LT_ERROR_FILE);
    assert_non_null(strstr(lt_error_message(), "could not be read"));
    assert_ok(lt_map_open(path, &map));
    assert_int_equal(count_ones(&map), map.size);
    assert_ok(lt_map_finish(&map, LT_OK));
}

/* Written in its place, also to the same length, replaced, longer; but not one that is only read, or gone. */
static void a_change_is_told(void **state) {
    (void)state;
    const struct timespec then[2] = {{1000000000, 0}, {1000000000, 1}};
    lt_map map;
    char path[256];
    strcpy(path, write_ones("file"));
    assert_ok(lt_map_open(path, &map));
    assert_int_equal(count_ones(&map), map.size);
    assert_false(lt_map_changed(map.data));
    assert_int_equal(utimensat(AT_FDCWD, path, then, 0), 0);
    assert_true(lt_map_changed(map.data));
    lt_map_close(&map);
    assert_ok(lt_map_open(path, &map));
    assert_false(lt_map_changed(map.data + map.size - 1));
    assert_int_equal(rename(write_ones("other"), path), 0);
    assert_int_equal(utimensat(AT_FDCWD, path, then, 0), 0);
    assert_true(lt_map_changed(map.data));
    lt_map_close(&map);
    assert_ok(lt_map_open(path, &map));
    cut(path, map.size + 1);
    assert_int_equal(utimensat(AT_FDCWD, path, then, 0), 0);
    assert_true(lt_map_changed(map.data));
    assert_int_equal(unlink(path), 0);
    assert_false(lt_map_changed(map.data));
    lt_map_close(&map);
    assert_false(lt_map_changed(NULL));
    assert_false(lt_map_changed(path));
}

/* Another file in its place, none at all, and what is wrong with other maps, memory or the reading itself. */
static void whole_maps_are_left_alone(void **state) {
    (void)state;
    lt_map map, other;
    char before[256];
    strcpy(before, write_ones("file"));
    assert_ok(lt_map_open(before, &map));
    assert_ok(lt_map_open(write_ones("other"), &other));
    cut(scratch_path("other"), 5);
    assert_cut(lt_map_check(other.data, LT_OK), "other");
    assert_int_equal(rename(scratch_path("other"), before), 0);
    assert_int_equal(count_ones(&map), map.size);
    assert_ok(lt_map_check(map.data, LT_OK));
    assert_int_equal(unlink(before), 0);
    assert_ok(lt_map_check(map.data, LT_OK));
    assert_ok(lt_map_check(before, LT_OK));
    assert_ok(lt_map_check(NULL, LT_OK));
    assert_int_equal(lt_map_check(map.data, LT_ERROR_FORMAT), LT_ERROR_FORMAT);
    lt_map_close(&map);
    lt_map_close(&other);
}

typedef struct readers {
    lt_map shared;
    size_t ones[8];
    lt_status mine[8], common[8];
} readers;

/* Thread i opens, cuts and reads a file of its own, and reads the one that is cut for all. */
static void read_both(const void *context, size_t i, int thread) {
    (void)thread;
    readers *r = (readers *)(uintptr_t)context;
    char path[256];
    lt_map map;
    snprintf(path, sizeof path, "%s.%zu", scratch_folder(), i);
    for (int round = 0; round < 20; round++) {
        FILE *file = fopen(path, "wb");
        for (size_t k = 0; file && k < 3 * page(); k++) putc(1, file);
        r->mine[i] = !file || fclose(file) || lt_map_open(path, &map) || (i % 2 && truncate(path, 0))
                         ? LT_ERROR_ARGUMENT
                         : LT_OK;
        if (r->mine[i]) return;
        r->ones[i] = count_ones(&map);
        r->mine[i] = lt_map_finish(&map, LT_OK);
        count_ones(&r->shared);
        r->common[i] = lt_map_check(r->shared.data, LT_OK);
    }
    unlink(path);
}

static void threads_meet_no_others_cuts(void **state) {
    (void)state;
    readers r = {0};
    lt_team *team;
    assert_ok(lt_team_create(4, &team));
    assert_ok(lt_map_open(write_ones("shared"), &r.shared));
    cut(scratch_path("shared"), page());
    lt_team *before = lt_team_enter(team);
    lt_parallel(LT_ALL_THREADS, LT_COUNT(r.mine), 1, read_both, &r);
    lt_team_enter(before);
    lt_team_free(team);
    for (size_t i = 0; i < LT_COUNT(r.mine); i++) {
        assert_int_equal(r.mine[i], i % 2 ? LT_ERROR_FILE : LT_OK);
        assert_int_equal(r.ones[i], i % 2 ? 0 : 3 * page());
        assert_int_equal(r.common[i], LT_ERROR_FILE);
    }
    lt_map_close(&r.shared);
}

/* ---- Models ---- */

static void copy(const char *from, const char *to) {
    char command[600];
    snprintf(command, sizeof command, "cp '%s' '%s'", from, to);
    assert_int_equal(system(command), 0);
}

/* The micro model from a file of that name and its own, which is size bytes shorter than it was once it is open. */
static lt_session *open_shortened(const char *name, size_t less) {
    char from[256];
    struct stat info;
    lt_session *session;
    lt_session_options options = lt_session_options_defaults();
    options.threads = 2;
    strcpy(from, micro_checkpoint());
    const char *path = scratch_path(name);
    copy(from, path);
    assert_ok(open_session(path, &options, &session));
    assert_int_equal(stat(path, &info), 0);
    cut(path, less > (size_t)info.st_size ? 0 : (size_t)info.st_size - less);
    return session;
}

static lt_status draw(lt_session *session, lt_result *result) {
    lt_request request = lt_request_defaults();
    request.prompt = "a red apple";
    request.width = request.height = 64;
    request.steps = 1;
    return lt_generate(session, &request, result);
}

static void a_cut_model_draws_nothing(void **state) {
    (void)state;
    const size_t less[] = {1, 100000, SIZE_MAX};
    lt_result result;
    for (size_t i = 0; i < LT_COUNT(less); i++) {
        lt_session *session = open_shortened("cut.safetensors", less[i]);
        for (int again = 0; again < 2; again++) {
            assert_cut(draw(session, &result), "cut.safetensors");
            assert_int_equal(result.count, 0);
        }
        lt_session_close(session);
    }
}

static void a_model_that_has_drawn_notices(void **state) {
    (void)state;
    lt_result result;
    lt_session *session = open_shortened("cut.safetensors", 0);
    assert_ok(draw(session, &result));
    lt_result_free(&result);
    cut(scratch_path("cut.safetensors"), 0);
    assert_cut(draw(session, &result), "cut.safetensors");
    lt_session_close(session);
}

static void another_model_draws(void **state) {
    (void)state;
    lt_result result;
    lt_session *cut_one = open_shortened("cut.safetensors", SIZE_MAX), *whole = open_micro(2);
    assert_cut(draw(cut_one, &result), "cut.safetensors");
    assert_ok(draw(whole, &result));
    lt_result_free(&result);
    lt_session_close(cut_one);
    lt_session_close(whole);
}

static void a_cut_model_is_not_converted(void **state) {
    (void)state;
    const lt_dtype types[] = {LT_F16, LT_F32}; /* as they are, and converted */
    for (size_t i = 0; i < 2 * LT_COUNT(types); i++) {
        lt_session *session = open_shortened("cut.safetensors", i < 2 ? 1 : SIZE_MAX);
        assert_cut(export_ldm(lt_session_model(session), scratch_path("out"), &types[i % 2]), "cut.safetensors");
        assert_int_equal(access(scratch_path("out"), F_OK), -1);
        assert_cut(export_diffusers(lt_session_model(session), scratch_path("out"), &types[i % 2]), "cut.safetensors");
        assert_int_equal(access(scratch_path("out"), F_OK), -1);
        lt_session_close(session);
    }
}

/* ---- Training ---- */

static void a_cut_shard_gives_no_picture(void **state) {
    (void)state;
    char command[700];
    uint8_t pixels[4 * 4 * 3] = {0};
    const lt_image image = {4, 4, pixels};
    assert_ok(lt_image_save(scratch_path("a.png"), &image, NULL));
    snprintf(command, sizeof command, "cd '%s' && echo red > a.txt && tar cf a.tar a.png a.txt", scratch_folder());
    assert_int_equal(system(command), 0);
    lt_dataset *dataset;
    float values[4 * 4 * 3];
    const lt_picture_options options = {.size = 4};
    assert_ok(lt_dataset_open(scratch_path("a.tar"), &dataset));
    assert_ok(lt_dataset_load(dataset, 0, &options, 0, values));
    cut(scratch_path("a.tar"), 0);
    assert_cut(lt_dataset_load(dataset, 0, &options, 0, values), "a.tar");
    lt_dataset_close(dataset);
}

static lt_status fill_ones(void *user, size_t first, size_t n, float *rows) {
    (void)user;
    (void)first;
    for (size_t i = 0; i < n * page(); i++) rows[i] = 1;
    return LT_OK;
}

static void a_cut_cache_is_noticed_and_made_again(void **state) {
    (void)state;
    const lt_cache_maker maker = {.fill = fill_ones, .step = 1};
    const lt_tensor shape = {.dtype = LT_F32, .rank = 2, .shape = {2, page()}};
    lt_cache cache;
    for (int again = 0; again < 2; again++) {
        assert_ok(lt_cache_open(scratch_folder(), "ones", 7, &shape, &maker, &cache));
        assert_true(*(const float *)lt_cache_row(&cache, 1) > 0.5f);
        assert_ok(lt_cache_release(&cache));
        cut(scratch_path("ones-0000000000000007.safetensors"), 100);
        assert_true(*(const float *)lt_cache_row(&cache, 1) < 0.5f);
        assert_cut(lt_cache_release(&cache), "ones-0000000000000007.safetensors");
        lt_cache_close(&cache);
    }
}

static int leave(void **state) {
    (void)state;
    remove_scratch();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_of_others_are_passed_on),
        cmocka_unit_test(a_cut_is_told),
        cmocka_unit_test(a_file_that_grew_again_is_told),
        cmocka_unit_test(whole_maps_are_left_alone),
        cmocka_unit_test(a_change_is_told),
        cmocka_unit_test(threads_meet_no_others_cuts),
        cmocka_unit_test(a_cut_model_draws_nothing),
        cmocka_unit_test(a_model_that_has_drawn_notices),
        cmocka_unit_test(another_model_draws),
        cmocka_unit_test(a_cut_model_is_not_converted),
        cmocka_unit_test(a_cut_shard_gives_no_picture),
        cmocka_unit_test(a_cut_cache_is_noticed_and_made_again),
    };
    return cmocka_run_group_tests(tests, NULL, leave);
}
