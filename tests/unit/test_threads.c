/* Teams of threads: every index once, whoever is there; sleeping, stopping, and counts that can't be had. */
#include "golden.h"
#include "team.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>

enum { COUNT = 10007 };

typedef struct counting {
    atomic_int times[COUNT];
    atomic_int most; /* the highest thread number */
    lt_body *inner;
} counting;

static void count_index(const void *context, size_t i, int thread) {
    counting *c = (counting *)(uintptr_t)context;
    atomic_fetch_add(&c->times[i], 1);
    int most = atomic_load(&c->most);
    while (thread > most && !atomic_compare_exchange_weak(&c->most, &most, thread)) {
    }
    if (c->inner) lt_parallel(LT_ALL_THREADS, 3, 1, c->inner, c);
}

static void assert_counted(counting *c, size_t count, int times) {
    for (size_t i = 0; i < COUNT; i++) assert_int_equal(c->times[i], i < count ? times : 0);
}

static void every_index_once(void **state) {
    (void)state;
    static const size_t counts[] = {0, 1, 2, 3, 7, 100, COUNT}, pieces[] = {LT_EVENLY, 1, 3, 64, COUNT + 1};
    for (int threads = 1; threads <= 5; threads++) {
        use_threads(threads);
        assert_int_equal(lt_thread_count(), threads);
        for (size_t i = 0; i < LT_COUNT(counts); i++)
            for (size_t p = 0; p < LT_COUNT(pieces); p++) {
                counting c = {0};
                for (int k = 0; k < 20; k++) lt_parallel(LT_ALL_THREADS, counts[i], pieces[p], count_index, &c);
                assert_counted(&c, counts[i], 20);
                assert_true(c.most < threads);
            }
    }
}

/* Scratch memory is laid out for so many. */
static void numbers_stay_below_the_limit(void **state) {
    (void)state;
    use_threads(5);
    for (int limit = 1; limit <= 5; limit++) {
        counting c = {0};
        for (int k = 0; k < 50; k++) lt_parallel(limit, COUNT, 1, count_index, &c);
        assert_counted(&c, COUNT, 50);
        assert_true(c.most < limit);
    }
}

static void nothing(const void *context, size_t i, int thread) {
    (void)i;
    (void)thread;
    atomic_fetch_add(&((counting *)(uintptr_t)context)->times[COUNT - 1], 1);
}

static void loops_within_loops(void **state) {
    (void)state;
    use_threads(3);
    counting c = {.inner = nothing};
    lt_parallel(LT_ALL_THREADS, 100, 1, count_index, &c);
    assert_int_equal(c.times[COUNT - 1], 300);
}

/* ---- Waiting ---- */

static double processor_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Of processor time, not of the clock on the wall: who waits takes none. */
static void waiting_threads_sleep(void **state) {
    (void)state;
    use_threads(4);
    counting c = {0};
    lt_parallel(LT_ALL_THREADS, COUNT, 1, count_index, &c);
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL); /* to fall asleep */
    const double before = processor_seconds();
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    assert_true(processor_seconds() - before < 0.02);
}

static void sleep_long(const void *context, size_t i, int thread) {
    (void)context;
    (void)thread;
    nanosleep(&(struct timespec){.tv_nsec = i ? 200000000 : 0}, NULL);
}

static void a_caller_who_waits_sleeps(void **state) {
    (void)state;
    use_threads(2);
    const double before = processor_seconds();
    for (int i = 0; i < 5; i++) lt_parallel(LT_ALL_THREADS, 2, 1, sleep_long, NULL);
    assert_true(processor_seconds() - before < 0.1);
}

/* ---- Stopping ---- */

static bool says_stop(void *user) { return ++*(int *)user > 2; }

static void linger(const void *context, size_t i, int thread) {
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    count_index(context, i, thread);
}

static void a_watch_stops_a_loop(void **state) {
    (void)state;
    for (int threads = 1; threads <= 3; threads++) {
        int asked = 0;
        counting c = {0};
        use_threads(threads);
        lt_team_watch(test_teams[threads], says_stop, &asked);
        lt_parallel(LT_ALL_THREADS, COUNT, 1, linger, &c);
        assert_int_equal(asked, 3);
        assert_int_equal(c.times[COUNT - 1], 0);
        lt_parallel(LT_ALL_THREADS, 10, 1, nothing, &c); /* nor does the next one run */
        assert_int_equal(c.times[COUNT - 1], 0);
        lt_team_watch(test_teams[threads], NULL, NULL);
        lt_parallel(LT_ALL_THREADS, 10, 1, nothing, &c);
        assert_int_equal(c.times[COUNT - 1], 10);
    }
}

/* ---- Counts ---- */

static void counts_that_make_no_sense(void **state) {
    (void)state;
    lt_team *team;
    assert_int_equal(lt_team_create(-1, &team), LT_ERROR_ARGUMENT);
    assert_int_equal(lt_team_create(100000, &team), LT_ERROR_ARGUMENT);
    assert_null(team);
    assert_int_equal(lt_team_create(0, &team), LT_OK);
    assert_int_equal(lt_team_size(team), lt_core_count());
    lt_team_free(team);
}

static void cores_that_a_process_may_use_are_counted(void **state) {
    (void)state;
    cpu_set_t before, one;
    CPU_ZERO(&one);
    if (sched_getaffinity(0, sizeof before, &before)) skip(); /* over 1024 cores */
    assert_int_equal(lt_core_count(), CPU_COUNT(&before));
    size_t cpu = 0;
    while (!CPU_ISSET(cpu, &before)) cpu++;
    CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    const int count = lt_core_count();
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(count, 1);
}

/* Bytes of addresses that this process has. */
static size_t address_space(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &pages), 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Not under AddressSanitizer, which ends the process where memory for a new thread's signal stack is refused. */
static void threads_that_the_system_refuses(void **state) {
    (void)state;
    skip_under_sanitizers();
    struct rlimit before, limit;
    getrlimit(RLIMIT_AS, &before);
    limit = before;
    limit.rlim_cur = (rlim_t)(address_space() + ((size_t)1 << 30)); /* the stacks of a thousand threads are more */
    if (setrlimit(RLIMIT_AS, &limit)) skip();
    lt_team *team;
    const lt_status status = lt_team_create(LT_MAX_THREADS, &team);
    setrlimit(RLIMIT_AS, &before);
    assert_int_equal(status, LT_ERROR_UNSUPPORTED);
    assert_non_null(strstr(lt_error_message(), "1024 can't be had"));
}

enum { MOST_PINNED = 4 };

/* Where a worker may run; then it waits, so that every other one comes to a piece. */
static void look_at_cores(const void *context, size_t i, int thread) {
    cpu_set_t *sets = (cpu_set_t *)(uintptr_t)context;
    (void)i;
    assert_int_equal(sched_getaffinity(0, sizeof *sets, &sets[thread]), 0);
    const struct timespec time = {.tv_nsec = 1000000};
    nanosleep(&time, NULL);
}

static void pinned_workers_keep_to_a_core_each(void **state) {
    (void)state;
    cpu_set_t all, both, sets[MOST_PINNED] = {0};
    lt_team *team;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    const int cores = lt_core_count() < MOST_PINNED ? lt_core_count() : MOST_PINNED;
    assert_int_equal(lt_team_create(cores, &team), LT_OK);
    assert_int_equal(lt_team_pin(team), LT_OK);
    lt_team *outer = lt_team_enter(team);
    lt_parallel(LT_ALL_THREADS, 60, 1, look_at_cores, sets);
    lt_team_enter(outer);
    lt_team_free(team);
    assert_true(CPU_EQUAL(&sets[0], &all)); /* the caller's are as they were */
    for (int i = 1; i < cores; i++) {
        assert_int_equal(CPU_COUNT(&sets[i]), 1);
        for (int k = 1; k < i; k++) {
            CPU_AND(&both, &sets[i], &sets[k]);
            assert_int_equal(CPU_COUNT(&both), 0);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_index_once),
        cmocka_unit_test(numbers_stay_below_the_limit),
        cmocka_unit_test(loops_within_loops),
        cmocka_unit_test(waiting_threads_sleep),
        cmocka_unit_test(a_caller_who_waits_sleeps),
        cmocka_unit_test(a_watch_stops_a_loop),
        cmocka_unit_test(counts_that_make_no_sense),
        cmocka_unit_test(threads_that_the_system_refuses),
        cmocka_unit_test(cores_that_a_process_may_use_are_counted),
        cmocka_unit_test(pinned_workers_keep_to_a_core_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
