/* Evaluation: ranks, recall and errors by hand; lists and what is wrong with them; small models measured over data sets
 * made here. */
#include "dataset_files.h"
#include "eval/eval.h"
#include "micro.h"

#include <limits.h>

/* ---- Ranks ---- */

static void test_ranks(void **state) {
    (void)state;
    static const double scores[] = {0.5, 0.9, 0.1, 0.9, 0.7, NAN};
    static const size_t groups[] = {0, 1, 2, 3, 0, 4};
    assert_int_equal(lt_rank(scores, groups, 5, 1), 1); /* as good as 3: a tie counts against it */
    assert_int_equal(lt_rank(scores, groups, 5, 0), 2); /* its best one counts */
    assert_int_equal(lt_rank(scores, groups, 5, 2), 4);
    assert_int_equal(lt_rank(scores, groups, 3, 1), 0);
    assert_true(lt_rank(scores, groups, 5, 7) == SIZE_MAX);
    assert_int_equal(lt_rank(scores, groups, 6, 1), 2); /* what is not a number never helps */
    assert_int_equal(lt_rank(scores, groups, 6, 4), 5);
    static const double same[] = {1, 1, 1, 1};
    assert_int_equal(lt_rank(same, groups, 4, 2), 3);
}

static void test_hits(void **state) {
    (void)state;
    static const size_t ranks[] = {0, 1, 4, 5, 9, 10, SIZE_MAX, 0};
    lt_hits hits = {0};
    assert_true(lt_hits_share(&hits, 0) == 0);
    for (size_t i = 0; i < LT_COUNT(ranks); i++) lt_hits_add(&hits, ranks[i]);
    assert_true(lt_hits_share(&hits, 0) == 2.0 / 8);
    assert_true(lt_hits_share(&hits, 1) == 4.0 / 8);
    assert_true(lt_hits_share(&hits, 2) == 6.0 / 8);
}

static void assert_near(double a, double b) {
    if (!(fabs(a - b) <= 1e-9)) fail_msg("%.12g is not %.12g", a, b);
}

static void test_chance(void **state) {
    (void)state;
    assert_near(lt_chance(10, 1, 1), 0.1);
    assert_near(lt_chance(10, 3, 1), 0.3);
    assert_near(lt_chance(10, 1, 10), 1);
    assert_near(lt_chance(10, 2, 3), 1 - 56.0 / 120); /* C(8,3) of C(10,3) */
    assert_near(lt_chance(1000, 1, 10), 0.01);
    assert_near(lt_chance(10, 0, 10), 0);
    assert_near(lt_chance(4, 0, 10), 0);
    assert_near(lt_chance(4, 1, 10), 1); /* fewer than ten are all looked at */
    assert_near(lt_chance(4, 4, 1), 1);
}

static void test_groups(void **state) {
    (void)state;
    static const char *const strings[] = {"b", "a", NULL, "b", "", "a", "b", NULL};
    size_t groups[8], count;
    assert_ok(lt_group(strings, 8, groups, &count));
    assert_int_equal(count, 3);
    assert_true(groups[0] == groups[3] && groups[0] == groups[6] && groups[1] == groups[5]);
    assert_true(groups[0] != groups[1] && groups[0] != groups[4] && groups[1] != groups[4]);
    assert_true(groups[2] == LT_NO_GROUP && groups[7] == LT_NO_GROUP);
    assert_ok(lt_group(strings, 0, groups, &count));
    assert_int_equal(count, 0);
}

/* ---- Embeddings and pictures ---- */

static void test_recall(void **state) {
    (void)state;
    float pool_rows[] = {1, 0, 0, 1, 0.6f, 0.8f, 0, 1}, query_rows[] = {1, 0, 0, 1, 0.8f, 0.6f};
    size_t pool_groups[] = {0, 1, 2, 1}, query_groups[] = {0, 1, 2};
    const lt_embeddings pool = {pool_rows, pool_groups, 4, 2}, queries = {query_rows, query_groups, 3, 2};
    lt_hits hits;
    assert_ok(lt_recall(&queries, &pool, NULL, NULL, &hits));
    assert_int_equal(hits.searches, 3);
    assert_int_equal(hits.hits[0], 3); /* 0.96 is more than 0.8 */
    query_groups[2] = 1;               /* either of the two pictures of text 1 would do: both come after 0.96 and 0.8 */
    assert_ok(lt_recall(&queries, &pool, NULL, NULL, &hits));
    assert_int_equal(hits.hits[0], 2);
    assert_int_equal(hits.hits[1], 3);
    for (size_t i = 0; i < LT_COUNT(pool_rows); i++) pool_rows[i] = 0.5f; /* for it all pictures are the same */
    assert_ok(lt_recall(&queries, &pool, NULL, NULL, &hits));
    assert_int_equal(hits.hits[0], 0);
    assert_int_equal(hits.hits[1], 3);
}

static void test_psnr(void **state) {
    (void)state;
    const uint8_t black[4] = {0}, white[4] = {255, 255, 255, 255}, near[4] = {0, 0, 0, 51};
    assert_near(lt_mean_square(black, white, 4), 1);
    assert_near(lt_mean_square(near, black, 4), 0.2 * 0.2 / 4);
    assert_near(lt_psnr(1), 0);
    assert_near(lt_psnr(0.01), 20);
    assert_near(lt_psnr(lt_mean_square(black, black, 4)), LT_PSNR_MOST);
}

/* ---- Lists ---- */

static void refuse_prompts(const char *name, const char *key, lt_status expected, const char *part) {
    lt_prompt_list list;
    assert_int_equal(lt_prompts_read(in_root(name), key, 0, &list), expected);
    if (!strstr(lt_error_message(), part)) fail_msg("\"%s\" lacks \"%s\"", lt_error_message(), part);
    assert_true(!list.rows && !list.count);
}

static void test_prompts(void **state) {
    (void)state;
    lt_prompt_list list;
    write_text("a.jsonl", "{\"prompt\": \"an apple\", \"emoji\": \"apple\"}\n\n{\"prompt\": \"\", \"emoji\": 7}\r\n");
    assert_ok(lt_prompts_read(in_root("a.jsonl"), "emoji", 0, &list));
    assert_int_equal(list.count, 2);
    assert_string_equal(list.rows[0].prompt, "an apple");
    assert_string_equal(list.rows[0].key, "apple");
    assert_string_equal(list.rows[1].prompt, "");
    assert_string_equal(list.rows[1].key, "7");
    assert_int_equal(list.rows[1].line, 3);
    lt_prompts_free(&list);
    write_text("set.jsonl",
               "{\"file_name\": \"1.png\", \"text\": \"a circle\"}\n{\"text\": [\"a square\", \"square\"]}\n"
               "{\"text\": \"no\", \"prompt\": \"yes\"}\n");
    assert_ok(lt_prompts_read(in_root("set.jsonl"), NULL, 0, &list));
    assert_int_equal(list.count, 3);
    assert_string_equal(list.rows[0].prompt, "a circle");
    assert_string_equal(list.rows[1].prompt, "a square");
    assert_string_equal(list.rows[2].prompt, "yes");
    lt_prompts_free(&list);
    write_text("text.jsonl", "{\"text\": []}\n");
    refuse_prompts("text.jsonl", NULL, LT_ERROR_FORMAT, "\"text\" or \"caption\" would do as well");
    write_text("b.txt", "an apple\n\n  a pear \n{");
    assert_ok(lt_prompts_read(in_root("b.txt"), NULL, 0, &list));
    assert_int_equal(list.count, 3);
    assert_string_equal(list.rows[1].prompt, "a pear");
    assert_null(list.rows[1].key);
    lt_prompts_free(&list);
    assert_ok(lt_prompts_read(in_root("b.txt"), NULL, 2, &list));
    assert_int_equal(list.count, 2);
    lt_prompts_free(&list);
}

static void test_bad_prompts(void **state) {
    (void)state;
    write_text("broken.jsonl", "{\"prompt\": \"a\"}\n\n{\"prompt\": \n{\"prompt\": \"b\"}\n");
    write_text("number.jsonl", "{\"prompt\": 1}\n");
    write_text("list.jsonl", "[\"a\"]\n");
    write_text("key.jsonl", "{\"prompt\": \"a\", \"emoji\": [1]}\n");
    write_text("empty.jsonl", "\n \n");
    write_text("bare.txt", "a\n");
    lt_prompt_list list;
    assert_ok(lt_prompts_read(in_root("broken.jsonl"), NULL, 1, &list)); /* what is not wanted is not read */
    lt_prompts_free(&list);
    refuse_prompts("broken.jsonl", NULL, LT_ERROR_FORMAT, "broken.jsonl: line 3: broken JSON");
    refuse_prompts("broken.jsonl", "emoji", LT_ERROR_FORMAT, "line 1: \"emoji\" is missing");
    refuse_prompts("number.jsonl", NULL, LT_ERROR_FORMAT, "line 1: prompt is neither a string nor a list");
    refuse_prompts("list.jsonl", NULL, LT_ERROR_FORMAT, "line 1: not a JSON object");
    refuse_prompts("key.jsonl", "emoji", LT_ERROR_FORMAT, "line 1: emoji is neither a string nor a whole number");
    refuse_prompts("empty.jsonl", NULL, LT_ERROR_FORMAT, "no prompt");
    refuse_prompts("bare.txt", "emoji", LT_ERROR_ARGUMENT, "\"emoji\"");
    refuse_prompts("nowhere.txt", NULL, LT_ERROR_FILE, "nowhere.txt");
}

/* Three pictures, two of them apples. */
static void write_dataset(const char *third) {
    char text[512];
    write_picture("0.png", 16, 16, 0);
    write_picture("1.png", 16, 16, 120);
    write_picture("2.png", 16, 16, 250);
    snprintf(text, sizeof text,
             "{\"file_name\": \"1.png\", \"emoji\": \"apple\", \"text\": [\"an apple\", \"fruit\"]}\n\n"
             "{\"file_name\": \"0.png\", \"emoji\": \"pear\", \"text\": \"a pear\"}\n%s\n",
             third);
    write_text("metadata.jsonl", text);
}

static const char apple[] = "{\"file_name\": \"2.png\", \"emoji\": \"apple\", \"text\": \"an apple\"}";
static const char nameless[] = "{\"file_name\": \"2.png\"}";

static lt_dataset *open_dataset(void) {
    lt_dataset *dataset;
    assert_ok(lt_dataset_open(root, &dataset));
    return dataset;
}

static void test_keys(void **state) {
    (void)state;
    lt_arena arena = {0};
    const char *keys[3];
    write_dataset(nameless);
    lt_dataset *dataset = open_dataset();
    assert_ok(lt_dataset_keys(dataset, root, "emoji", &arena, keys));
    assert_string_equal(keys[0], "apple");
    assert_string_equal(keys[1], "pear");
    assert_null(keys[2]);
    assert_int_equal(lt_dataset_keys(dataset, root, "colour", &arena, keys), LT_ERROR_FORMAT);
    assert_non_null(strstr(lt_error_message(), "metadata.jsonl: no line has \"colour\""));
    write_text("metadata.jsonl", "{\"file_name\": \"1.png\", \"emoji\": \"apple\"}\n{\"file_name\": \"2.png\"}\n");
    assert_int_equal(lt_dataset_keys(dataset, root, "emoji", &arena, keys), LT_ERROR_FORMAT);
    assert_non_null(strstr(lt_error_message(), "line 2: it is not 0.png that stands there now"));
    write_text("metadata.jsonl", "{\"file_name\": \"1.png\", \"emoji\": \"apple\"}\n");
    assert_int_equal(lt_dataset_keys(dataset, root, "emoji", &arena, keys), LT_ERROR_FORMAT);
    assert_int_equal(unlink(in_root("metadata.jsonl")), 0);
    assert_int_equal(lt_dataset_keys(dataset, root, "emoji", &arena, keys), LT_ERROR_FILE);
    lt_dataset_close(dataset);
    lt_arena_free(&arena);
}

/* ---- Samples ---- */

static const lt_watch nobody = {0};
static lt_prompt_row rows[] = {{"an apple", "apple", 1}, {"a pear", "pear", 2}};
static const lt_prompt_list prompts = {.rows = rows, .count = 2};
static const char *const keys[] = {"apple", "pear", "apple"};

static lt_image load(const char *name) {
    lt_image image;
    assert_ok(lt_image_load(in_root(name), &image));
    return image;
}

static void test_retrieval(void **state) {
    (void)state;
    write_dataset(apple);
    lt_dataset *dataset = open_dataset();
    lt_samples *samples;
    lt_clip_score score;
    lt_retrieval found;
    assert_ok(lt_samples_open(&prompts, NULL, dataset, keys, &nobody, &samples));
    lt_image image = load("2.png"), other = load("0.png");
    assert_ok(lt_samples_add(samples, 0, &image)); /* a copy: the nearest there is */
    assert_ok(lt_samples_add(samples, 1, &image)); /* both apples are nearer than the pear */
    assert_ok(lt_samples_add(samples, 1, &other));
    lt_samples_result(samples, &score, &found);
    assert_int_equal(score.count, 0);
    assert_int_equal(found.pictures, 3);
    assert_int_equal(found.hits.searches, 3);
    assert_int_equal(found.hits.hits[0], 2);
    assert_int_equal(found.hits.hits[1], 3);
    assert_near(found.chance[0], (2.0 / 3 + 1.0 / 3) / 2);
    assert_near(found.chance[1], 1);
    lt_image_free(&image);
    lt_image_free(&other);
    lt_samples_close(samples);
    lt_prompt_row unknown = {"a kiwi", "kiwi", 5};
    const lt_prompt_list unknown_list = {.rows = &unknown, .count = 1};
    assert_int_equal(lt_samples_open(&unknown_list, NULL, dataset, keys, &nobody, &samples), LT_ERROR_ARGUMENT);
    assert_non_null(strstr(lt_error_message(), "line 5"));
    assert_non_null(strstr(lt_error_message(), "kiwi"));
    assert_null(samples);
    lt_dataset_close(dataset);
}

/* The score is what lt_embed_text and lt_embed_image say. */
static void test_clip_score(void **state) {
    (void)state;
    write_picture("a.png", 40, 40, 90);
    lt_image image = load("a.png");
    lt_session *clip = open_clip();
    lt_samples *samples;
    lt_clip_score score;
    lt_retrieval found;
    float *picture, *texts[2];
    size_t dim;
    assert_ok(lt_samples_open(&prompts, clip, NULL, NULL, &nobody, &samples));
    assert_ok(lt_samples_add(samples, 1, &image));
    lt_samples_result(samples, &score, &found);
    assert_ok(lt_embed_image(clip, &image, &picture, &dim));
    for (int i = 0; i < 2; i++) assert_ok(lt_embed_text(clip, rows[i].prompt, &texts[i], &dim));
    const double right = lt_similarity(picture, texts[1], dim), wrong = lt_similarity(picture, texts[0], dim);
    assert_int_equal(score.count, 1);
    assert_near(score.similarity, right);
    assert_near(score.score, fmax(100 * right, 0));
    assert_near(score.baseline, wrong);
    assert_int_equal(score.hits.hits[0], right > wrong);
    assert_int_equal(score.hits.hits[1], 1);
    assert_int_equal(found.hits.searches, 0);
    for (int i = 0; i < 2; i++) lt_floats_free(texts[i]);
    lt_floats_free(picture);
    lt_samples_close(samples);
    lt_session_close(clip);
    lt_image_free(&image);
}

/* ---- Over a data set ---- */

static void test_reconstruction(void **state) {
    (void)state;
    write_dataset(nameless);
    lt_dataset *dataset = open_dataset();
    lt_session *session = open_micro(1);
    lt_eval_data data = {.session = session, .dataset = dataset, .size = 16};
    lt_reconstruction r, again;
    assert_ok(lt_eval_reconstruction(&data, &r));
    assert_int_equal(r.count, 3);
    assert_true(r.worst_psnr <= r.psnr_of_mean && r.psnr_of_mean <= r.mean_psnr && r.mean_psnr <= r.best_psnr);
    assert_non_null(strstr(r.worst, ".png"));
    data.count = 1;
    assert_ok(lt_eval_reconstruction(&data, &again));
    assert_int_equal(again.count, 1);
    assert_true(again.worst_psnr == again.best_psnr && again.worst == again.best);
    static const int no_sizes[] = {15, -8, INT_MIN, 16392};
    for (size_t i = 0; i < LT_COUNT(no_sizes); i++) {
        data.size = no_sizes[i];
        assert_int_equal(lt_eval_reconstruction(&data, &r), LT_ERROR_ARGUMENT);
        assert_non_null(strstr(lt_error_message(), "multiples of"));
    }
    lt_session_close(session);
    lt_dataset_close(dataset);
}

/* What a failure leaves of a result in which there was something before. */
#define assert_empty(out)                                                                                              \
    do {                                                                                                               \
        static const char zeros[sizeof(out)];                                                                          \
        assert_memory_equal(&(out), zeros, sizeof(out));                                                               \
    } while (0)

static bool stop_at_once_of_five(void *user, size_t done, size_t count) {
    (void)user;
    return done < 1 || count != 5; /* two texts, three pictures */
}

static void test_clip_recall(void **state) {
    (void)state;
    write_dataset(apple);
    lt_dataset *dataset = open_dataset();
    lt_session *clip = open_clip();
    lt_eval_data data = {.session = clip, .dataset = dataset};
    lt_clip_recall r;
    assert_ok(lt_eval_recall(&data, &r));
    assert_int_equal(r.pictures, 3);
    assert_int_equal(r.texts, 2); /* both apples have one first text */
    assert_int_equal(r.by_text.searches, 2);
    assert_int_equal(r.by_picture.searches, 3);
    assert_int_equal(r.by_text.hits[1], 2); /* in the first five of three */
    data.watch.progress = stop_at_once_of_five;
    assert_int_equal(lt_eval_recall(&data, &r), LT_ERROR_CANCELLED);
    assert_empty(r);
    data.count = 1;
    assert_int_equal(lt_eval_recall(&data, &r), LT_ERROR_ARGUMENT);
    lt_session_close(clip);
    lt_dataset_close(dataset);
}

static void test_bound(void **state) {
    (void)state;
    write_dataset(nameless);
    lt_dataset *dataset = open_dataset();
    lt_session *session = open_micro(1);
    lt_eval_data data = {.session = session, .dataset = dataset, .size = 16, .seed = 3};
    lt_bound b, again;
    assert_ok(lt_eval_bound(&data, 4, &b));
    assert_int_equal(b.count, 3);
    assert_int_equal(b.dimensions, 8 * 8 * 4);
    for (int v = 0; v < LT_VARIANCE_COUNT; v++) {
        const lt_bound_terms *t = &b.terms[v];
        assert_near(t->total, t->prior + t->steps + t->end);
        assert_true(t->prior > 0 && t->steps > 0 && t->error > 0 && isfinite(t->total));
    }
    assert_ok(lt_eval_bound(&data, 4, &again));
    assert_memory_equal(&b.terms, &again.terms, sizeof b.terms);
    data.seed = 4;
    assert_ok(lt_eval_bound(&data, 4, &again));
    assert_true(b.terms[0].steps != again.terms[0].steps && b.terms[0].prior == again.terms[0].prior);
    assert_int_equal(lt_eval_bound(&data, 0, &b), LT_ERROR_ARGUMENT);
    lt_session_close(session);
    session = open_clip();
    data.session = session;
    assert_int_equal(lt_eval_bound(&data, 4, &b), LT_ERROR_MODEL);
    lt_session_close(session);
    lt_dataset_close(dataset);
}

static bool stop_at_once(void *user, size_t done, size_t count) {
    (void)user;
    assert_int_equal(done, 1);
    assert_int_equal(count, 3);
    return false;
}

static void test_stops(void **state) {
    (void)state;
    write_dataset(apple);
    lt_dataset *dataset = open_dataset();
    lt_session *session = open_micro(1);
    const lt_watch watch = {.progress = stop_at_once};
    const lt_eval_data data = {.session = session, .dataset = dataset, .size = 16, .watch = watch};
    lt_reconstruction r;
    lt_bound b;
    lt_samples *samples;
    assert_int_equal(lt_eval_reconstruction(&data, &r), LT_ERROR_CANCELLED);
    assert_empty(r);
    assert_int_equal(lt_eval_bound(&data, 2, &b), LT_ERROR_CANCELLED);
    assert_empty(b);
    assert_int_equal(lt_samples_open(&prompts, NULL, dataset, keys, &watch, &samples), LT_ERROR_CANCELLED);
    assert_null(samples);
    lt_session_close(session);
    lt_dataset_close(dataset);
}

/* ---- Drawing ---- */

typedef struct seen {
    size_t pictures, prompts[4];
    uint64_t seeds[4];
    bool go_on;
} seen;

static bool see(void *user, size_t prompt, int i, const lt_result *result) {
    seen *s = user;
    assert_true(s->pictures < 4 && result->images[i].pixels);
    s->prompts[s->pictures] = prompt;
    s->seeds[s->pictures++] = result->seeds[i];
    return s->go_on;
}

static void test_drawing(void **state) {
    (void)state;
    write_dataset(apple);
    lt_session *session = open_micro(1), *clip = open_clip();
    lt_request request = lt_request_defaults();
    request.width = request.height = 16;
    request.steps = 1;
    request.count = 2;
    request.random_seed = false;
    request.seed = 7;
    seen s = {.go_on = true};
    lt_drawing drawing = {.session = session,
                          .prompts = &prompts,
                          .request = &request,
                          .clip = clip,
                          .data = root,
                          .key = "emoji",
                          .drawn = see,
                          .user = &s};
    lt_drawn out;
    assert_ok(lt_eval_drawing(&drawing, &out));
    assert_true(out.prompts == 2 && out.pictures == 4 && s.pictures == 4);
    for (size_t i = 0; i < 4; i++) assert_true(s.prompts[i] == i / 2 && s.seeds[i] == 7 + i % 2);
    assert_true(out.clip.count == 4 && out.retrieval.pictures == 3 && out.retrieval.hits.searches == 4);
    s = (seen){.go_on = false};
    assert_int_equal(lt_eval_drawing(&drawing, &out), LT_ERROR_CANCELLED);
    assert_int_equal(s.pictures, 1);
    const lt_prompt_row nothing[] = {{"a", "apple", 1}, {NULL, "apple", 2}};
    const lt_prompt_list no_lists[] = {{.count = 2}, {.rows = (lt_prompt_row *)(uintptr_t)nothing, .count = 2}};
    for (size_t i = 0; i < LT_COUNT(no_lists); i++) {
        drawing.prompts = &no_lists[i];
        assert_int_equal(lt_eval_drawing(&drawing, &out), LT_ERROR_ARGUMENT);
        assert_non_null(strstr(lt_error_message(), i ? "prompts: number 1" : "prompts: number 0"));
    }
    drawing.prompts = &prompts;
    drawing.key = NULL;
    assert_int_equal(lt_eval_drawing(&drawing, &out), LT_ERROR_ARGUMENT);
    drawing.key = "emoji";
    drawing.reserved[LT_RESERVED - 1] = 1;
    assert_int_equal(lt_eval_drawing(&drawing, &out), LT_ERROR_ARGUMENT);
    assert_non_null(strstr(lt_error_message(), "reserved"));
    lt_session_close(session);
    lt_session_close(clip);
}

/* ---- Logs ---- */

static void test_curves(void **state) {
    (void)state;
    lt_curve curve;
    write_text("log.jsonl", "{\"step\": 1, \"loss\": 0.5, \"rate\": NaN}\n{\"step\": 2, \"rate\": 3}\n"
                            "{\"step\": 4, \"loss\": -1}\n{\"step\": 5, \"lo");
    assert_ok(lt_curve_read(in_root("log.jsonl"), "loss", &curve));
    assert_true(curve.count == 2 && curve.steps[1] == 4 && curve.values[0] == 0.5 && curve.values[1] == -1);
    lt_curve_free(&curve);
    assert_int_equal(lt_curve_read(in_root("log.jsonl"), "psnr", &curve), LT_ERROR_FORMAT);
    assert_non_null(strstr(lt_error_message(), "log.jsonl: no row has a step and a number \"psnr\""));
    assert_non_null(strstr(lt_error_message(), "the last row: step, loss"));
    write_text("broken.jsonl", "{\"step\": 1, \"loss\": 1}\n[]\n");
    assert_int_equal(lt_curve_read(in_root("broken.jsonl"), "loss", &curve), LT_ERROR_FORMAT);
    assert_non_null(strstr(lt_error_message(), "line 2"));
    assert_null(curve.steps);
}

static void follow(uint64_t *at, size_t count, double last) {
    lt_curve curve;
    assert_ok(lt_curve_follow(in_root("log.jsonl"), "loss", at, &curve));
    assert_int_equal(curve.count, count);
    if (count) assert_true(curve.values[count - 1] == last);
    lt_curve_free(&curve);
}

static void test_a_log_that_grows(void **state) {
    (void)state;
    uint64_t at = 0;
    write_text("log.jsonl", "");
    follow(&at, 0, 0);
    assert_int_equal(at, 0);
    write_text("log.jsonl", "{\"step\": 1, \"loss\": 2}\n{\"step\": 2, \"loss\": 4}\n{\"step\": 3, \"lo");
    follow(&at, 2, 4);
    follow(&at, 0, 0);
    write_text("log.jsonl", "{\"step\": 1, \"loss\": 2}\n{\"step\": 2, \"loss\": 4}\n{\"step\": 3, \"loss\": 6}\n");
    follow(&at, 1, 6);
    write_text("log.jsonl", "{\"step\": 1, \"loss\": 8}\n"); /* it was cut */
    follow(&at, 1, 8);
    at--; /* no row begins there */
    follow(&at, 1, 8);
    at = 1 << 20;
    follow(&at, 1, 8);
    assert_int_equal(at, strlen("{\"step\": 1, \"loss\": 8}\n"));
    write_text("log.jsonl", "{\"step\": 1, \"loss\": 8}\n[]\n");
    const uint64_t before = at;
    lt_curve curve;
    assert_int_equal(lt_curve_follow(in_root("log.jsonl"), "loss", &at, &curve), LT_ERROR_FORMAT);
    assert_int_equal(at, before);
}

/* ---- Memory ---- */

static lt_status use_lists(const lt_dataset *dataset, const lt_image *image) {
    lt_prompt_list list;
    LT_TRY(lt_prompts_read(in_root("a.jsonl"), "emoji", 0, &list));
    lt_arena arena = {0};
    const char *read[3];
    lt_samples *samples = NULL;
    lt_status status = lt_dataset_keys(dataset, root, "emoji", &arena, read);
    if (!status) status = lt_samples_open(&list, NULL, dataset, read, &nobody, &samples);
    if (!status) status = lt_samples_add(samples, 1, image);
    lt_samples_close(samples);
    lt_arena_free(&arena);
    lt_prompts_free(&list);
    return status;
}

static lt_status use_model(const lt_dataset *dataset, lt_session *session) {
    const lt_eval_data data = {.session = session, .dataset = dataset, .count = 1, .size = 4};
    lt_reconstruction r;
    lt_bound b;
    LT_TRY(lt_eval_reconstruction(&data, &r));
    return lt_eval_bound(&data, 1, &b);
}

static void test_every_allocation_may_fail(void **state) {
    (void)state;
    write_dataset(apple);
    write_text("a.jsonl", "{\"prompt\": \"a\", \"emoji\": \"apple\"}\n{\"prompt\": \"b\", \"emoji\": \"pear\"}\n");
    lt_dataset *dataset = open_dataset();
    lt_session *session = open_micro(1);
    lt_image image = load("0.png");
    assert_ok(use_model(dataset, session)); /* its plans are there from now on: what fails is what is tested here */
    for (int part = 0; part < 2; part++) {
        size_t n = 0;
        for (bool failed = true; failed; n++) {
            lt_alloc_fail_at(n);
            const lt_status status = part ? use_model(dataset, session) : use_lists(dataset, &image);
            failed = lt_alloc_failed();
            lt_alloc_fail_at(SIZE_MAX);
            assert_int_equal(status, failed ? LT_ERROR_MEMORY : LT_OK);
        }
        print_message("    %zu allocations\n", n - 1);
    }
    lt_image_free(&image);
    lt_session_close(session);
    lt_dataset_close(dataset);
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup(function, make_root)
    const struct CMUnitTest tests[] = {
        TEST(test_ranks),
        TEST(test_hits),
        TEST(test_chance),
        TEST(test_groups),
        TEST(test_recall),
        TEST(test_psnr),
        TEST(test_prompts),
        TEST(test_bad_prompts),
        TEST(test_keys),
        TEST(test_retrieval),
        TEST(test_clip_score),
        TEST(test_reconstruction),
        TEST(test_clip_recall),
        TEST(test_bound),
        TEST(test_stops),
        TEST(test_drawing),
        TEST(test_curves),
        TEST(test_a_log_that_grows),
        TEST(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("eval", tests, NULL, clean);
}
