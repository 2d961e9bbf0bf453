/* The server's parts alone: whose turn it is, who comes in, which handler a path has, what is kept; and that all that
 * is served is described. test_serve.sh has the whole. */
#include "guard.h"
#include "http_own.h"
#include "job.h"
#include "jobs_api.h"
#include "metrics.h"
#include "openapi.h"
#include "request.h"
#include "store.h"
#include "tools.h"
#include "tools/base64.h"
#include "turn.h"

#include "golden.h"

/* ---- Turns ---- */

static void add(lt_jobs *jobs, const char *id, const char *client, int64_t number) {
    lt_jobs_add(jobs, lt_job_new(id, client, number, NULL));
}

static void begin_next(lt_jobs *jobs, const char *id) {
    lt_job *next = lt_jobs_next(jobs);
    assert_string_equal(next->is.id, id);
    jobs->round = next->round;
    next->begun = 1;
    next->is.state = LT_JOB_DONE;
}

/* A client with many jobs lets another one through after each; who comes later isn't put behind all of them. */
static void test_clients_take_turns(void **state) {
    (void)state;
    lt_jobs jobs = {.workers = 1};
    for (int i = 0; i < 4; i++) add(&jobs, (const char *[]){"a1", "a2", "a3", "a4"}[i], "a", i);
    add(&jobs, "b1", "b", 4);
    add(&jobs, "b2", "b", 5);
    begin_next(&jobs, "a1");
    begin_next(&jobs, "b1");
    begin_next(&jobs, "a2");
    add(&jobs, "c1", "c", 6);
    begin_next(&jobs, "b2");
    begin_next(&jobs, "c1");
    begin_next(&jobs, "a3");
    begin_next(&jobs, "a4");
    assert_null(lt_jobs_next(&jobs));
    lt_jobs_free(&jobs);
}

/* Nor does one who hands in the next as soon as the last is done, before every other's. */
static void test_a_client_who_comes_again(void **state) {
    (void)state;
    lt_jobs jobs = {.workers = 1};
    for (int i = 0; i < 3; i++) add(&jobs, (const char *[]){"a1", "a2", "a3"}[i], "a", i);
    add(&jobs, "b1", "b", 3);
    begin_next(&jobs, "a1");
    begin_next(&jobs, "b1");
    add(&jobs, "b2", "b", 4);
    begin_next(&jobs, "a2");
    begin_next(&jobs, "b2");
    add(&jobs, "b3", "b", 5);
    begin_next(&jobs, "a3");
    begin_next(&jobs, "b3");
    assert_false(lt_jobs_waiting_of(&jobs, "b"));
    add(&jobs, "b4", "b", 6);
    assert_true(lt_jobs_waiting_of(&jobs, "b"));
    assert_false(lt_jobs_waiting_of(&jobs, "a"));
    lt_jobs_free(&jobs);
}

static void go_in(lt_turns *turns, lt_turn *turn) {
    assert_ptr_equal(turns->first, turn);
    lt_turns_remove(turns, turn, true);
}

/* The same of visits, of which one may leave the line. */
static void test_visits_take_turns(void **state) {
    (void)state;
    lt_turns turns = {0};
    lt_turn a[4], b[2], c;
    for (int i = 0; i < 4; i++) lt_turns_add(&turns, &a[i], "a");
    for (int i = 0; i < 2; i++) lt_turns_add(&turns, &b[i], "b");
    assert_int_equal(lt_turns_count(&turns, "a"), 4);
    assert_int_equal(lt_turns_count(&turns, "c"), 0);
    go_in(&turns, &a[0]);
    go_in(&turns, &b[0]);
    lt_turns_remove(&turns, &b[1], false);
    lt_turns_add(&turns, &c, "c");
    go_in(&turns, &c);
    lt_turns_add(&turns, &b[0], "b");
    go_in(&turns, &a[1]);
    go_in(&turns, &b[0]);
    lt_turns_add(&turns, &b[0], "b");
    go_in(&turns, &a[2]);
    go_in(&turns, &b[0]);
    go_in(&turns, &a[3]);
    assert_null(turns.first);
}

static void test_places(void **state) {
    (void)state;
    lt_jobs jobs = {.workers = 2, .rate = 0.5};
    lt_job_snapshot s;
    add(&jobs, "a1", "a", 0);
    add(&jobs, "a2", "a", 1);
    add(&jobs, "b1", "b", 2);
    lt_jobs_snapshot(&jobs, lt_jobs_find(&jobs, "a2"), &s);
    assert_int_equal(s.place, 2);
    assert_true(s.wait_seconds > 9.9 && s.wait_seconds < 10.1); /* two jobs of 20 steps, by two workers */
    lt_jobs_free(&jobs);
}

/* Each of the list is as it is alone. */
static void test_places_of_all(void **state) {
    (void)state;
    lt_jobs jobs = {.workers = 2, .rate = 0.5};
    lt_job_snapshot alone;
    size_t count;
    for (int i = 0; i < 5; i++)
        add(&jobs, (const char *[]){"a1", "a2", "b1", "a3", "b2"}[i], (const char *[]){"a", "a", "b", "a", "b"}[i], i);
    lt_jobs_find(&jobs, "a1")->is.state = LT_JOB_DONE;
    lt_jobs_find(&jobs, "b1")->is.state = LT_JOB_RUNNING;
    lt_job_snapshot *all = lt_jobs_snapshots(&jobs, &count);
    assert_int_equal(count, 4);
    assert_string_equal(all[0].id, "b1");
    assert_int_equal(all[3].place, 2);
    for (size_t i = 0; i < count; i++) {
        lt_jobs_snapshot(&jobs, lt_jobs_find(&jobs, all[i].id), &alone);
        assert_int_equal(all[i].place, alone.place);
        assert_float_equal(all[i].wait_seconds, alone.wait_seconds, 1e-9);
        assert_int_equal(all[i].change, alone.change);
    }
    free(all);
    lt_jobs_free(&jobs);
}

/* ---- Who comes in ---- */

static int ask(const lt_guard *guard, const char *host, const char *origin, const char *authorization) {
    const char *why;
    const lt_guard_call call = {host, origin, authorization, false};
    return lt_guard_check(guard, &call, &why);
}

static void test_names(void **state) {
    (void)state;
    lt_server_options o = lt_server_options_defaults();
    lt_guard *guard;
    o.hosts = "draw.example, other.example";
    o.cors = "https://page.example";
    assert_ok(lt_guard_open(&o, &guard));
    static const char *const own[] = {"localhost",        "127.0.0.1:7860", "[::1]:7860",
                                      "LOCALHOST:1",      "192.168.1.7",    "x.localhost:80",
                                      "draw.example:443", "other.example",  NULL};
    for (size_t i = 0; own[i]; i++) assert_int_equal(ask(guard, own[i], NULL, NULL), 0);
    static const char *const foreign[] = {"evil.example",
                                          "localhost.evil.example",
                                          "draw.example.evil.example",
                                          "127.0.0.1.evil.example",
                                          "",
                                          "xlocalhost",
                                          NULL};
    for (size_t i = 0; foreign[i]; i++) assert_int_equal(ask(guard, foreign[i], NULL, NULL), 421);
    assert_int_equal(ask(guard, "localhost:7860", "http://localhost:7860", NULL), 0);
    assert_int_equal(ask(guard, "localhost:7860", "https://localhost:7860", NULL), 0);
    assert_int_equal(ask(guard, "localhost:7860", "http://localhost:7861", NULL), 403);
    assert_int_equal(ask(guard, "localhost:7860", "null", NULL), 403);
    assert_int_equal(ask(guard, "localhost:7860", "file://localhost:7860", NULL), 403);
    assert_int_equal(ask(guard, "localhost:7860", "https://page.example", NULL), 0);
    assert_int_equal(ask(guard, "localhost:7860", "https://page.example.evil", NULL), 403);
    lt_guard_close(guard);
}

static void assert_named(const lt_guard *guard, const char *authorization, const char *name) {
    char client[16] = "10.0.0.7";
    lt_guard_name(guard, authorization, client, sizeof client);
    assert_string_equal(client, name);
}

static void test_keys(void **state) {
    (void)state;
    lt_server_options o = lt_server_options_defaults();
    lt_guard *guard;
    o.host = "0.0.0.0";
    assert_int_equal(lt_guard_open(&o, &guard), LT_ERROR_ARGUMENT);
    o.key_file = scratch_path("keys");
    assert_int_equal(lt_guard_open(&o, &guard), LT_ERROR_FILE);
    FILE *file = fopen(o.key_file, "w");
    fputs("# comment\n\nsecret\r\nann:word\n", file);
    fclose(file);
    assert_ok(lt_guard_open(&o, &guard));
    static const char *const right[] = {"Bearer secret", "bearer secret",
                                        "Basic YW5uOndvcmQ=", "Basic OnNlY3JldA==", NULL};
    for (size_t i = 0; right[i]; i++) assert_int_equal(ask(guard, NULL, NULL, right[i]), 0);
    static const char *const wrong[] = {"",
                                        "secret",
                                        "Bearer ",
                                        "Bearer secre",
                                        "Bearer secrets",
                                        "Bearer # comment",
                                        "Basic ann:word",
                                        "Basic YW5uOndvcmRz",
                                        "Bearer word",
                                        NULL};
    for (size_t i = 0; wrong[i]; i++) assert_int_equal(ask(guard, NULL, NULL, wrong[i]), 401);
    assert_int_equal(ask(guard, NULL, NULL, NULL), 401);
    assert_named(guard, NULL, "10.0.0.7");
    assert_named(guard, "Bearer wrong", "10.0.0.7");
    assert_named(guard, "Bearer secret", "10.0.0.7/1");
    assert_named(guard, "Basic YW5uOndvcmQ=", "10.0.0.7/2");
    lt_guard_close(guard);
}

/* ---- Base64: the examples of RFC 4648, section 10 ---- */

static void test_base64(void **state) {
    (void)state;
    static const char *const pairs[][2] = {{"f", "Zg=="},        {"fo", "Zm8="},        {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < LT_COUNT(pairs); i++) {
        size_t size;
        char *text = lt_base64_write(pairs[i][0], strlen(pairs[i][0])), *bytes = lt_base64_read(text, &size);
        assert_string_equal(text, pairs[i][1]);
        assert_int_equal(size, strlen(pairs[i][0]));
        assert_memory_equal(bytes, pairs[i][0], size);
        free(text);
        free(bytes);
    }
    size_t size;
    static const char *const wrong[] = {"", "=", "Zg==Zg==", "Zm9v!", "data:image/png,Zm9v", "data:", NULL};
    for (size_t i = 0; wrong[i]; i++) assert_null(lt_base64_read(wrong[i], &size));
}

/* ---- What is kept ---- */

static void store_job(lt_store *store, const char *id) {
    lt_stored_job job = {.pictures = 2, .created = 5, .client = "c", .job = "{\"prompt\":\"A Cat\"}"};
    snprintf(job.id, sizeof job.id, "%s", id);
    assert_ok(lt_store_add(store, &job));
}

static void test_store(void **state) {
    (void)state;
    const char *folder = scratch_path("deep/store");
    lt_store *store, *second;
    lt_stored_jobs jobs;
    assert_ok(lt_store_open(folder, &store));
    assert_int_equal(lt_store_open(folder, &second), LT_ERROR_FILE);
    store_job(store, "one");
    store_job(store, "two");
    const lt_stored_picture picture = {1, NULL, "Steps: 3, Model: x", UINT64_MAX, 4, 2};
    assert_ok(lt_store_picture(store, "one", "png", &picture, "bytes", 5));
    lt_stored_job end = {
        .id = "one", .state = LT_JOB_FAILED, .started = 6, .finished = 7, .status = LT_ERROR_FILE, .error = "why"};
    assert_ok(lt_store_ended(store, &end));
    lt_store_close(store);

    assert_ok(lt_store_open(folder, &store));
    assert_ok(lt_store_unfinished(store, &jobs));
    assert_int_equal(jobs.count, 1);
    assert_string_equal(jobs.items[0].id, "two");
    lt_stored_jobs_free(&jobs);
    assert_ok(lt_store_history(store, 0, 10, "cat", &jobs));
    assert_int_equal(jobs.count, 2);
    assert_string_equal(jobs.items[1].error, "why");
    assert_int_equal(jobs.items[1].finished_pictures, 2); /* as its number tells */
    lt_stored_jobs_free(&jobs);
    assert_ok(lt_store_history(store, 0, 10, "model: X", &jobs));
    assert_int_equal(jobs.count, 1);
    lt_stored_jobs_free(&jobs);
    lt_stored_pictures pictures;
    assert_ok(lt_store_pictures(store, "one", &pictures));
    assert_int_equal(pictures.count, 1);
    assert_true(pictures.items[0].seed == UINT64_MAX);
    assert_int_equal(access(pictures.items[0].path, R_OK), 0);
    bool found;
    assert_ok(lt_store_picture(store, "one", "png", &(lt_stored_picture){.number = 0}, "bytes", 5));
    assert_ok(lt_store_forget_picture(store, "two", 0, &found));
    assert_false(found);
    assert_ok(lt_store_forget_picture(store, "one", 0, &found));
    assert_true(found);
    assert_ok(lt_store_forget_picture(store, "one", 0, &found));
    assert_false(found);
    assert_int_equal(access(pictures.items[0].path, R_OK), 0);
    assert_ok(lt_store_forget(store, "one"));
    assert_int_equal(access(pictures.items[0].path, R_OK), -1);
    lt_stored_pictures_free(&pictures);
    lt_store_close(store);
}

/* ---- Paths ---- */

static int route(const char *method, const char *path, lt_http_request *r) {
    char allowed[LT_HTTP_NAME];
    *r = (lt_http_request){.method = method, .path = path};
    return lt_http_find_route(r, allowed);
}

static void test_routes(void **state) {
    (void)state;
    lt_http_request r;
    assert_int_equal(route("GET", "/latent/v1/jobs/12/pictures/3.png", &r), 0);
    assert_string_equal(r.parts[0], "12");
    assert_string_equal(r.parts[1], "3.png");
    assert_int_equal(route("HEAD", "/healthz", &r), 0);
    assert_int_equal(route("PUT", "/latent/v1/jobs", &r), 405);
    static const char *const nowhere[] = {"/latent/v1/jobs/",
                                          "/latent/v1/jobs//pictures/0",
                                          "/latent/v1",
                                          "/latent/v1/jobs/1/2",
                                          "latent/v1/jobs",
                                          "/latent/v1/jobsx",
                                          "",
                                          NULL};
    for (size_t i = 0; nowhere[i]; i++) assert_int_equal(route("GET", nowhere[i], &r), 404);
}

/* "/latent/v1/jobs/{id}" has the pattern "/latent/v1/jobs/{}". */
static bool is_of(const char *path, const char *pattern) {
    for (; *path && *pattern; path++, pattern++) {
        if (*path != *pattern) return false;
        if (*path == '{') path += strcspn(path, "}") - 1;
    }
    return !*path && !*pattern;
}

static bool is_described(const json_t *paths, const lt_http_route *route) {
    const char *path;
    json_t *operations;
    char method[16] = "";
    for (size_t i = 0; route->method[i]; i++) method[i] = (char)(route->method[i] - 'A' + 'a');
    json_object_foreach((json_t *)(uintptr_t)paths, path, operations) {
        if (is_of(path, route->pattern) && json_object_get(operations, method)) return true;
    }
    return false;
}

static void test_all_is_described(void **state) {
    (void)state;
    json_t *document = json_loadb(lt_openapi, lt_openapi_size(), 0, NULL);
    const lt_http_api *const own[] = {&lt_jobs_api,  &lt_models_api, &lt_words_api, &lt_taps_api,
                                      &lt_parts_api, &lt_train_api,  &lt_logs_api,  &lt_health_api};
    assert_non_null(document);
    for (size_t i = 0; i < LT_COUNT(own); i++)
        for (const lt_http_route *r = own[i]->routes; r->method; r++)
            if (!is_described(json_object_get(document, "paths"), r))
                fail_msg("%s %s isn't described", r->method, r->pattern);
    json_decref(document);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clients_take_turns),
        cmocka_unit_test(test_a_client_who_comes_again),
        cmocka_unit_test(test_visits_take_turns),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_places_of_all),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_store),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_all_is_described),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_scratch();
    return failed;
}
