/* base: errors, memory, growing strings, files. */
#include "base/file.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* A folder for one test's files, removed by leave(), which expects it empty. */
static char folder[64];
static char path[96];

static int enter(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/latent-test-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int leave(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void test_errors(void **state) {
    (void)state;
    assert_int_equal(lt_fail(LT_ERROR_FILE, "%s is %d", "x", 7), LT_ERROR_FILE);
    assert_string_equal(lt_error_message(), "x is 7");
    assert_int_equal(lt_fail_in(LT_ERROR_FORMAT, "%s", "a.png"), LT_ERROR_FORMAT);
    assert_string_equal(lt_error_message(), "a.png: x is 7");
    lt_fail_in(LT_ERROR_FORMAT, "%s", "a.png"); /* a name is said once */
    assert_string_equal(lt_error_message(), "a.png: x is 7");
    lt_fail_in(LT_ERROR_FORMAT, "%s", "a");
    assert_string_equal(lt_error_message(), "a: a.png: x is 7");
    lt_fail(LT_ERROR_FORMAT, "model/unet: broken");
    lt_fail_in(LT_ERROR_FORMAT, "%s", "model");
    lt_fail_in(LT_ERROR_FORMAT, "%s", "model/");
    assert_string_equal(lt_error_message(), "model/unet: broken");
    lt_fail(LT_ERROR_FILE, "a.png: x is 7");
    lt_fail(LT_ERROR_FILE, "again: %s", lt_error_message());
    assert_string_equal(lt_error_message(), "again: a.png: x is 7");
    char longest[3000];
    memset(longest, 'y', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    lt_fail(LT_ERROR_FILE, "%s", longest);
    lt_fail_in(LT_ERROR_FILE, "%s", longest);
    assert_int_equal(strspn(lt_error_message(), "y"), strlen(lt_error_message()));
}

static void test_memory(void **state) {
    (void)state;
    for (size_t size = 0; size < 300; size += 7) {
        char *p = lt_alloc(size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        memset(p, 1, size);
        char *q = lt_realloc(p, size, 2 * size);
        assert_non_null(q);
        for (size_t i = 0; i < size; i++) assert_int_equal(q[i], 1);
        lt_free(q);
    }
    assert_null(lt_calloc(SIZE_MAX / 2, 3));
    assert_null(lt_alloc(SIZE_MAX - 3));
    assert_non_null(strstr(lt_error_message(), "out of memory"));
    char *text = lt_format("%d-%s", 5, "b");
    assert_string_equal(text, "5-b");
    lt_free(text);
    lt_free(NULL);
}

static void test_growing(void **state) {
    (void)state;
    int *items = NULL;
    size_t count = 0, capacity = 0;
    while (count < 1000) {
        assert_int_equal(LT_GROW(items, count, capacity), LT_OK);
        items[count] = (int)count;
        count++;
    }
    for (size_t i = 0; i < count; i++) assert_int_equal(items[i], i);
    assert_in_range(capacity, count, 2 * count);
    lt_free(items);
}

static void test_growing_fails(void **state) {
    (void)state;
    int *items = NULL;
    size_t capacity = 0;
    assert_int_equal(LT_GROW(items, 0, capacity), LT_OK);
    int *const before = items;
    size_t full = capacity;
    lt_alloc_fail_at(0);
    assert_int_equal(LT_GROW(items, full, full), LT_ERROR_MEMORY);
    assert_ptr_equal(items, before);
    assert_int_equal(full, capacity);
    full = SIZE_MAX / sizeof *items;
    assert_int_equal(LT_GROW(items, full, full), LT_ERROR_MEMORY); /* before anything is allocated */
    assert_ptr_equal(items, before);
    lt_free(items);
}

static void test_failing_allocations(void **state) {
    (void)state;
    lt_alloc_fail_at(1);
    void *a = lt_alloc(1), *b = lt_alloc(1), *c = lt_alloc(1);
    assert_true(lt_alloc_failed());
    assert_non_null(a);
    assert_null(b);
    assert_non_null(c);
    lt_alloc_fail_at(0);
    assert_null(lt_realloc(a, 1, 2)); /* a is still ours */
    lt_alloc_fail_at(5);
    assert_false(lt_alloc_failed());
    lt_alloc_fail_at(SIZE_MAX);
    lt_free(a);
    lt_free(c);
}

static void test_buffer(void **state) {
    (void)state;
    lt_buffer b = {0};
    for (int i = 0; i < 1000; i++) assert_int_equal(lt_buffer_printf(&b, "%d,", i % 10), LT_OK);
    assert_int_equal(b.size, 2000);
    assert_int_equal(strlen(b.data), 2000);
    assert_memory_equal(b.data + 1990, "5,6,7,8,9,", 10);
    assert_int_equal(lt_buffer_append(&b, NULL, 0), LT_OK);
    assert_int_equal(lt_buffer_append(&b, "x", SIZE_MAX - 5), LT_ERROR_MEMORY);
    assert_int_equal(b.size, 2000);
    assert_int_equal(lt_buffer_printf(&b, "%60000d", 1), LT_OK);
    assert_int_equal(b.size, 62000);
    assert_memory_equal(b.data + 61998, " 1", 3);
    lt_buffer_free(&b);
    assert_null(b.data);
}

static void write_file(const char *text) {
    lt_writer w;
    assert_int_equal(lt_writer_open(path, &w), LT_OK);
    assert_int_equal(lt_writer_write(&w, text, strlen(text)), LT_OK);
    assert_int_equal(lt_writer_commit(&w), LT_OK);
}

static void assert_file_holds(const char *text) {
    lt_map map;
    assert_int_equal(lt_map_open(path, &map), LT_OK);
    assert_int_equal(map.size, strlen(text));
    if (map.size) assert_memory_equal(map.data, text, map.size);
    lt_map_close(&map);
    assert_null(map.data);
}

static void test_writer(void **state) {
    (void)state;
    write_file("first");
    assert_file_holds("first");
    lt_writer w;
    assert_int_equal(lt_writer_open(path, &w), LT_OK);
    assert_int_equal(lt_writer_write(&w, "second", 6), LT_OK);
    assert_file_holds("first"); /* until commit */
    lt_writer_abort(&w);
    assert_file_holds("first");
    lt_writer_abort(&w);
    write_file("");
    assert_file_holds("");
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0600, 0600);
}

/* The second of two writers is told of the first, and finds nothing of it once it is done. */
static void test_two_writers(void **state) {
    (void)state;
    lt_writer a, b;
    assert_int_equal(lt_writer_open(path, &a), LT_OK);
    assert_int_equal(lt_writer_open(path, &b), LT_ERROR_FILE);
    assert_non_null(strstr(lt_error_message(), "another program or thread is writing it"));
    assert_null(b.file);
    lt_writer_write(&a, "a", 1);
    assert_int_equal(lt_writer_commit(&a), LT_OK);
    assert_file_holds("a");
    write_file("b");
    assert_file_holds("b");
}

static void *commit_soon(void *writer) {
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    lt_writer_commit(writer);
    return NULL;
}

/* One that is soon done is waited for. */
static void test_waiting(void **state) {
    (void)state;
    lt_writer a, b;
    pthread_t thread;
    assert_int_equal(lt_writer_open(path, &a), LT_OK);
    assert_int_equal(pthread_create(&thread, NULL, commit_soon, &a), 0);
    assert_int_equal(lt_writer_open(path, &b), LT_OK);
    pthread_join(thread, NULL);
    assert_file_holds("");
    lt_writer_write(&b, "b", 1);
    assert_int_equal(lt_writer_commit(&b), LT_OK);
    assert_file_holds("b");
}

static lt_status ask(void *asked) { return ++*(int *)asked < 3 ? LT_OK : lt_fail(LT_ERROR_CANCELLED, "enough"); }

static void test_waiting_as_long_as_asked(void **state) {
    (void)state;
    lt_writer a, b;
    int asked = 0;
    assert_int_equal(lt_writer_open(path, &a), LT_OK);
    assert_int_equal(lt_writer_wait(path, ask, &asked, &b), LT_ERROR_CANCELLED);
    assert_int_equal(asked, 3);
    lt_writer_abort(&a);
    assert_int_equal(lt_writer_wait(path, ask, &asked, &b), LT_OK);
    lt_writer_abort(&b);
    assert_int_equal(asked, 3);
}

/* A process that begins to write path, says so, and sleeps; its number. */
static pid_t start_writer(void) {
    int ends[2];
    char ready;
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    if (!child) {
        lt_writer w;
        if (lt_writer_open(path, &w) || lt_writer_write(&w, "half", 4) || fflush(w.file)) _exit(1);
        if (write(ends[1], "x", 1) != 1) _exit(1);
        pause();
        _exit(0);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &ready, 1), 1);
    close(ends[0]);
    return child;
}

/* Whose a part is is told by its lock: what a killed process left goes, what a living one writes stays. */
static void test_killed_writer(void **state) {
    (void)state;
    char part[128];
    snprintf(part, sizeof part, "%s.latent.part", path);
    const pid_t child = start_writer();
    lt_writer w;
    assert_int_equal(lt_writer_open(path, &w), LT_ERROR_FILE);
    assert_int_equal(access(part, F_OK), 0);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_int_equal(access(part, F_OK), 0);
    write_file("whole");
    assert_file_holds("whole");
    assert_int_equal(access(part, F_OK), -1);
}

/* A link in the part's place is not followed, and not removed: it is not ours. */
static void test_part_is_a_link(void **state) {
    (void)state;
    char part[128];
    lt_writer w;
    snprintf(part, sizeof part, "%s.latent.part", path);
    assert_int_equal(symlink("/etc/passwd", part), 0);
    assert_int_equal(lt_writer_open(path, &w), LT_ERROR_FILE);
    assert_non_null(strstr(lt_error_message(), ".latent.part is in the way"));
    assert_int_equal(unlink(part), 0);
}

static const char *in_folder(const char *name) {
    static char paths[2][128]; /* so that two can be asked for at once */
    static int next;
    next = !next;
    snprintf(paths[next], sizeof paths[next], "%s/%s", folder, name);
    return paths[next];
}

static void assert_link(const char *name, const char *to) {
    char named[128] = "";
    assert_true(readlink(in_folder(name), named, sizeof named - 1) > 0);
    assert_string_equal(named, to);
}

static void link_to(const char *to, const char *name) { assert_int_equal(symlink(to, in_folder(name)), 0); }

/* A link at the file's own path stays one; the file stands where it leads, by way of another link and of a folder that
 * is one, whether it was there before or not. */
static void test_link_stays(void **state) {
    (void)state;
    char to[160];
    snprintf(to, sizeof to, "%s/there/file", folder);
    assert_int_equal(mkdir(in_folder("real"), 0700), 0);
    link_to("real", "there");
    link_to(to, "second");
    link_to("second", strrchr(path, '/') + 1);
    for (int round = 0; round < 2; round++) {
        write_file(round ? "after" : "before");
        assert_file_holds(round ? "after" : "before");
        assert_int_equal(access(in_folder("real/file"), F_OK), 0);
        assert_link(strrchr(path, '/') + 1, "second");
        assert_link("second", to);
        assert_link("there", "real");
    }
    unlink(in_folder("real/file"));
    rmdir(in_folder("real"));
    unlink(in_folder("there"));
    unlink(in_folder("second"));
    unlink(path);
}

/* Two names of one file are one to its lock. */
static void test_link_is_locked(void **state) {
    (void)state;
    lt_writer first, second;
    link_to("one", "other");
    assert_int_equal(lt_writer_open(in_folder("one"), &first), LT_OK);
    assert_int_equal(lt_writer_open(in_folder("other"), &second), LT_ERROR_FILE);
    assert_non_null(strstr(lt_error_message(), "another program or thread"));
    lt_writer_abort(&first);
    unlink(in_folder("other"));
}

static void test_link_in_a_circle(void **state) {
    (void)state;
    lt_writer w;
    link_to("b", "a");
    link_to("a", "b");
    assert_int_equal(lt_writer_open(in_folder("a"), &w), LT_ERROR_FILE);
    assert_non_null(strstr(lt_error_message(), "a: can't be written: links in a circle"));
    unlink(in_folder("a"));
    unlink(in_folder("b"));
    link_to("nowhere/file", "a");
    assert_int_equal(lt_writer_open(in_folder("a"), &w), LT_ERROR_FILE);
    assert_non_null(strstr(lt_error_message(), "No such file"));
    unlink(in_folder("a"));
}

static void test_leftover_folder(void **state) {
    (void)state;
    char inside[160];
    lt_part part, other;
    struct stat info;
    snprintf(inside, sizeof inside, "%s.latent.part/a", path);
    assert_int_equal(lt_part_open(path, LT_PART_FOLDER, NULL, NULL, &part), LT_OK);
    assert_int_equal(mkdir(inside, 0700), 0);
    assert_int_equal(lt_part_open(path, LT_PART_FOLDER, NULL, NULL, &other), LT_ERROR_FILE);
    close(part.descriptor); /* as if it were killed */
    lt_begun_end(part.path);
    lt_free(part.path);
    lt_free(part.target);
    assert_int_equal(lt_part_open(path, LT_PART_FOLDER, NULL, NULL, &part), LT_OK);
    assert_int_equal(stat(inside, &info), -1);
    assert_int_equal(lt_part_commit(&part, path), LT_OK);
    assert_int_equal(rmdir(path), 0);
}

static int answers; /* no, so many times */
static bool stop_in_the_end(void *user) {
    (void)user;
    return answers-- <= 0;
}

/* A stop between pieces of what is brought to the disk, 16 MiB each. */
static void test_stopped_while_synchronizing(void **state) {
    (void)state;
    enum { PIECES = 3 };
    static const char piece[1 << 24];
    struct stat info;
    for (int asked = 0; asked <= PIECES + 1; asked++) {
        lt_writer w;
        assert_int_equal(lt_writer_open(path, &w), LT_OK);
        for (int i = 0; i < PIECES; i++) assert_int_equal(lt_writer_write(&w, piece, sizeof piece), LT_OK);
        answers = asked;
        lt_watch_writing(stop_in_the_end);
        const lt_status status = lt_writer_commit(&w);
        lt_watch_writing(NULL);
        assert_int_equal(status, asked > PIECES ? LT_OK : LT_ERROR_CANCELLED);
        assert_int_equal(stat(path, &info), status ? -1 : 0);
        if (!status) unlink(path);
    }
}

/* What a process has begun goes when a signal ends it: files, folders with folders in them; and nothing else. */
static void test_removing_what_is_begun(void **state) {
    (void)state;
    char file[128], inside[200];
    struct stat info;
    lt_part parts[2];
    lt_writer w;
    snprintf(file, sizeof file, "%s/other", folder);
    assert_int_equal(lt_part_open(path, LT_PART_FOLDER, NULL, NULL, &parts[0]), LT_OK);
    assert_int_equal(lt_part_open(file, LT_PART_FILE, NULL, NULL, &parts[1]), LT_OK);
    snprintf(inside, sizeof inside, "%s/inner", parts[0].path);
    assert_int_equal(mkdir(inside, 0700), 0);
    snprintf(inside, sizeof inside, "%s/inner/config.json", parts[0].path);
    assert_int_equal(lt_writer_open(inside, &w), LT_OK);
    assert_int_equal(lt_writer_commit(&w), LT_OK);
    assert_int_equal(stat(inside, &info), 0);
    lt_remove_unfinished();
    for (size_t i = 0; i < 2; i++) assert_int_equal(stat(parts[i].path, &info), -1);
    assert_int_equal(stat(folder, &info), 0);
    for (size_t i = 0; i < 2; i++) lt_part_abort(&parts[i]);
    write_file("whole");
    lt_remove_unfinished();
    assert_file_holds("whole");
}

static void test_writer_refuses(void **state) {
    (void)state;
    lt_writer w;
    assert_int_equal(lt_writer_open("/nowhere/at/all", &w), LT_ERROR_FILE);
    assert_null(w.file);
    assert_int_equal(lt_writer_open("/dev/null", &w), LT_ERROR_FILE);
    assert_int_equal(lt_writer_open(folder, &w), LT_ERROR_FILE);
    for (size_t n = 0; n < 3; n++) {
        lt_alloc_fail_at(n);
        assert_int_equal(lt_writer_open(path, &w), LT_ERROR_MEMORY);
        assert_true(lt_alloc_failed());
    }
    lt_alloc_fail_at(SIZE_MAX);
}

static void test_map(void **state) {
    (void)state;
    lt_map map;
    assert_int_equal(lt_map_open(path, &map), LT_ERROR_FILE);
    assert_non_null(strstr(lt_error_message(), path));
    assert_null(map.data);
    assert_int_equal(lt_map_open(folder, &map), LT_ERROR_FILE);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(lt_map_open(path, &map), LT_ERROR_FILE); /* and does not wait for a writer */
    unlink(path);
    write_file("");
    assert_int_equal(lt_map_open(path, &map), LT_OK);
    assert_null(map.data);
    lt_map_close(&map);
}

static void test_release(void **state) {
    (void)state;
    char text[20001];
    for (int i = 0; i < 20000; i++) text[i] = (char)('a' + i % 26);
    text[20000] = '\0';
    write_file(text);
    lt_map map;
    assert_int_equal(lt_map_open(path, &map), LT_OK);
    lt_map_release(map.data + 5, 12000);
    lt_map_release(map.data + 5, 1);
    lt_map_release(map.data, map.size);
    assert_memory_equal(map.data, text, map.size);
    lt_map_close(&map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_growing),
        cmocka_unit_test(test_growing_fails),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_buffer),
        cmocka_unit_test_setup_teardown(test_writer, enter, leave),
        cmocka_unit_test_setup_teardown(test_two_writers, enter, leave),
        cmocka_unit_test_setup_teardown(test_waiting, enter, leave),
        cmocka_unit_test_setup_teardown(test_waiting_as_long_as_asked, enter, leave),
        cmocka_unit_test_setup_teardown(test_killed_writer, enter, leave),
        cmocka_unit_test_setup_teardown(test_part_is_a_link, enter, leave),
        cmocka_unit_test_setup_teardown(test_link_stays, enter, leave),
        cmocka_unit_test_setup_teardown(test_link_is_locked, enter, leave),
        cmocka_unit_test_setup_teardown(test_link_in_a_circle, enter, leave),
        cmocka_unit_test_setup_teardown(test_leftover_folder, enter, leave),
        cmocka_unit_test_setup_teardown(test_stopped_while_synchronizing, enter, leave),
        cmocka_unit_test_setup_teardown(test_removing_what_is_begun, enter, leave),
        cmocka_unit_test_setup_teardown(test_writer_refuses, enter, leave),
        cmocka_unit_test_setup_teardown(test_map, enter, leave),
        cmocka_unit_test_setup_teardown(test_release, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
