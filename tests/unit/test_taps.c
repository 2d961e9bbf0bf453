/* Taps: what is shown of a drawing is what it is made of, and the picture is the same with and without. */
#include "api/model.h"
#include "kernels/layout.h"
#include "micro.h"
#include "pipeline/attention_map.h"
#include "pipeline/hires.h"

/* ---- Collecting ---- */

enum { MOST = 4096, LATENT = 4 * 5 * 10 };

typedef struct value {
    lt_tapped told;
    char name[128];
    int rank;
    size_t shape[LT_ARRAY_RANK], count;
    float *data;
} value;

typedef struct values {
    value items[MOST];
    size_t count;
    size_t stop_at; /* the value with which the callback says no; 0: none */
} values;

static bool collect(void *user, const lt_tapped *told) {
    values *all = user;
    const lt_array *a = told->array;
    assert_true(all->count < MOST);
    value *v = &all->items[all->count++];
    *v = (value){.told = *told, .rank = a->rank, .count = 1};
    snprintf(v->name, sizeof v->name, "%s", a->name);
    for (int i = 0; i < a->rank; i++) v->count *= v->shape[i] = a->shape[i];
    v->data = malloc(v->count * sizeof *v->data);
    memcpy(v->data, a->data, v->count * sizeof *v->data);
    return all->count != all->stop_at;
}

static void forget(values *all) {
    for (size_t i = 0; i < all->count; i++) free(all->items[i].data);
    all->count = 0;
}

static const value *find(const values *all, const char *name, int step, int branch) {
    for (size_t i = 0; i < all->count; i++) {
        const value *v = &all->items[i];
        if (!strcmp(v->name, name) && v->told.step == step && v->told.branch == branch) return v;
    }
    fail_msg("no %s of branch %d in step %d", name, branch, step);
    return NULL;
}

static size_t count_of(const values *all, const char *name) {
    size_t n = 0;
    for (size_t i = 0; i < all->count; i++) n += !strcmp(all->items[i].name, name);
    return n;
}

static lt_request usual(void) {
    lt_request r = lt_request_defaults();
    r.prompt = "a (red:1.2) apple";
    r.negative_prompt = "blue";
    r.width = 20; /* ten latents, five, ten */
    r.height = 10;
    r.steps = 3;
    r.guidance = 4;
    r.sampler = "ddim";
    r.random_seed = false;
    r.seed = 5;
    r.keep_steps = true;
    return r;
}

static lt_result draw_tapped(lt_session *session, lt_request r, const lt_tap *taps, size_t count, values *all) {
    lt_result result;
    r.taps = taps;
    r.tap_count = count;
    r.tapped = collect;
    r.user = all;
    assert_ok(lt_generate(session, &r, &result));
    return result;
}

/* Everything but heads apart. */
static const lt_tap all_taps[] = {
    {.kind = LT_TAP_STEP}, {.kind = LT_TAP_ACTIVATION}, {.kind = LT_TAP_ATTENTION}, {.kind = LT_TAP_HEAT}};
#define ALL_TAPS all_taps, LT_COUNT(all_taps)

static values seen, others;

/* ---- Of steps ---- */

/* ddim's state is x_t itself, and the next one follows from x_0 and eps (Song et al. 2021, equation 12). */
static void test_steps(void **state) {
    (void)state;
    lt_session *session = open_micro(1);
    lt_result r = draw_tapped(session, usual(), ALL_TAPS, &seen);
    for (int step = 1; step <= 3; step++) {
        const float *x = find(&seen, "x_t", step, -1)->data, *next = r.step_latents[0] + step * LATENT;
        const value *eps = find(&seen, "eps", step, -1), *x0 = find(&seen, "x_0", step, -1);
        assert_memory_equal(x, r.step_latents[0] + (step - 1) * LATENT, LATENT * sizeof *x);
        const double sigma = eps->told.sigma, alpha = 1 / sqrt(1 + sigma * sigma);
        float again[LATENT], made[LATENT];
        for (int i = 0; i < LATENT; i++) again[i] = (float)(alpha * x0->data[i] + sigma * alpha * eps->data[i]);
        assert_true(relative_error(again, x, LATENT) < 1e-6);
        if (step == 3) break;
        const double to = find(&seen, "eps", step + 1, -1)->told.sigma, a = 1 / sqrt(1 + to * to);
        for (int i = 0; i < LATENT; i++) made[i] = (float)(a * x0->data[i] + to * a * eps->data[i]);
        assert_true(relative_error(made, next, LATENT) < 1e-5);
    }
    assert_int_equal(count_of(&seen, "x_t"), 3);
    assert_int_equal(find(&seen, "x_t", 1, -1)->shape[0], 4);
    assert_int_equal(find(&seen, "x_t", 1, -1)->shape[1], 5);
    assert_int_equal(find(&seen, "x_t", 1, -1)->shape[2], 10);
    lt_result_free(&r);
    forget(&seen);
    lt_session_close(session);
}

/* eps = eps_uncond + w (eps_cond - eps_uncond), Ho & Salimans 2022. */
static void test_guidance(void **state) {
    (void)state;
    lt_session *session = open_micro(1);
    lt_result r = draw_tapped(session, usual(), ALL_TAPS, &seen);
    for (int step = 1; step <= 3; step++) {
        const value *without = find(&seen, "eps.branch", step, 0), *with = find(&seen, "eps.branch", step, 1);
        float guided[LATENT];
        assert_true(without->told.negative && !with->told.negative);
        assert_int_equal(with->told.branches, 2);
        for (int i = 0; i < LATENT; i++) guided[i] = without->data[i] + 4 * (with->data[i] - without->data[i]);
        assert_true(relative_error(guided, find(&seen, "eps", step, -1)->data, LATENT) < 1e-6);
        assert_true(relative_error(with->data, without->data, LATENT) > 1e-6);
    }
    lt_result_free(&r);
    forget(&seen);
    lt_session_close(session);
}

/* Who has enough after a step gets the estimate of that step, by every family of samplers. */
static bool has_enough(void *user) {
    const values *all = user;
    return all->items[all->count - 1].told.picture == 1 && all->items[all->count - 1].told.step == 2;
}

static void test_enough(void **state) {
    (void)state;
    static const lt_tap x0[] = {{.kind = LT_TAP_STEP, .name = "x_0"}};
    static const char *const samplers[] = {"ddim", "euler", "euler_a", "dpmpp_2m", "unipc", "lcm"};
    lt_session *session = open_micro(1);
    for (size_t i = 0; i < LT_COUNT(samplers); i++) {
        lt_request request = usual();
        request.sampler = samplers[i];
        request.schedule = "normal";
        request.keep_steps = false;
        request.count = 3;
        request.enough = has_enough;
        lt_result r = draw_tapped(session, request, x0, 1, &seen);
        const value *last = &seen.items[seen.count - 1];
        assert_int_equal(r.count, 2);
        assert_non_null(r.images[1].pixels);
        assert_true(relative_error(r.latents[1], last->data, LATENT) < 1e-5);
        lt_result_free(&r);
        forget(&seen);
    }
    lt_session_close(session);
}

/* A tapped x_t through the U-Net alone: `latent run`. */
static void test_the_unet_alone(void **state) {
    (void)state;
    lt_session *session = open_micro(1);
    lt_request request = usual();
    request.prompt = "apple";
    request.plain_prompt = true;
    lt_result r = draw_tapped(session, request, ALL_TAPS, &seen);
    float ids[77];
    lt_tokens tokens;
    assert_ok(lt_tokenize("apple", &tokens));
    assert_int_equal(tokens.count, 1);
    for (int i = 0; i < 77; i++) ids[i] = i ? i == 1 ? (float)tokens.ids[0] : LT_TOKEN_END : LT_TOKEN_START;
    lt_tokens_free(&tokens);
    const lt_array text = {"ids", 2, {1, 77}, ids};
    lt_arrays context, out;
    assert_ok(lt_run(session, "clip-text", &text, 1, &context));
    for (int step = 1; step <= 3; step++) {
        const value *x = find(&seen, "x_t", step, -1), *eps = find(&seen, "eps.branch", step, 1);
        lt_array in[] = {{"x", 4, {1, 4, 5, 10}, x->data}, {"t", 1, {1}, &x->told.t}, context.items[0]};
        in[2].name = "context";
        assert_ok(lt_run(session, "unet", in, 3, &out));
        assert_true(relative_error(eps->data, out.items[0].data, LATENT) < 1e-6);
        lt_arrays_free(&out);
    }
    lt_arrays_free(&context);
    lt_result_free(&r);
    forget(&seen);
    lt_session_close(session);
}

/* Of a model that predicts v, eps = sigma x_t + alpha v is what is shown. */
static void test_v_prediction(void **state) {
    (void)state;
    lt_open_options options = lt_open_options_defaults();
    lt_model *model;
    lt_session *session;
    options.prediction = "v";
    assert_ok(lt_model_open(micro_checkpoint(), &options, &model));
    assert_ok(lt_session_open(model, NULL, &session));
    lt_model_close(model);
    lt_result r = draw_tapped(session, usual(), ALL_TAPS, &seen);
    for (int step = 1; step <= 3; step++) {
        const value *x = find(&seen, "x_t", step, -1), *eps = find(&seen, "eps.branch", step, 1);
        const value *v = find(&seen, "unet.out.2", step, 1), *x0 = find(&seen, "x_0", step, -1);
        const double sigma = x->told.sigma, a = 1 / sqrt(1 + sigma * sigma);
        float made[LATENT], again[LATENT];
        for (int i = 0; i < LATENT; i++) {
            made[i] = (float)(sigma * a * x->data[i] + a * v->data[i]);
            again[i] = (float)(a * x0->data[i] + sigma * a * find(&seen, "eps", step, -1)->data[i]);
        }
        assert_true(relative_error(made, eps->data, LATENT) < 1e-6);
        assert_true(relative_error(again, x->data, LATENT) < 1e-5);
    }
    lt_result_free(&r);
    forget(&seen);
    lt_session_close(session);
}

/* ---- Of the U-Net ---- */

/* The plain convolution of x [4, 5, 10] with NAME.weight [oc, 4, 3, 3], padded with zeros: value (o, y, x). */
static double convolve(const lt_array *weight, float bias, const float *x, size_t o, int y, int at) {
    double sum = bias;
    for (int c = 0; c < 4; c++)
        for (int dy = -1; dy <= 1; dy++)
            for (int dx = -1; dx <= 1; dx++) {
                if (y + dy < 0 || y + dy >= 5 || at + dx < 0 || at + dx >= 10) continue;
                const float w = weight->data[((o * 4 + (size_t)c) * 3 + (size_t)(dy + 1)) * 3 + (size_t)(dx + 1)];
                sum += (double)w * x[c * 50 + (y + dy) * 10 + at + dx];
            }
    return sum;
}

/* The first block is a convolution of x_t, the last one's value is the prediction. */
static void test_first_and_last_block(void **state) {
    (void)state;
    lt_session *session = open_micro(1);
    lt_arrays weight, bias;
    lt_result r = draw_tapped(session, usual(), ALL_TAPS, &seen);
    const value *x = find(&seen, "x_t", 2, -1), *first = find(&seen, "unet.input_blocks.0.0", 2, 1);
    const char *name = "model.diffusion_model.input_blocks.0.0";
    assert_ok(lt_arrays_load(micro_checkpoint(), lt_name_of("%s.weight", name).text, &weight));
    assert_ok(lt_arrays_load(micro_checkpoint(), lt_name_of("%s.bias", name).text, &bias));
    assert_int_equal(first->shape[0], 32);
    for (size_t o = 0; o < 32; o++)
        for (int y = 0; y < 5; y++)
            for (int k = 0; k < 10; k++) {
                const double expected = convolve(&weight.items[0], bias.items[0].data[o], x->data, o, y, k);
                assert_true(fabs(expected - (double)first->data[o * 50 + (size_t)y * 10 + (size_t)k]) < 1e-4);
            }
    for (int branch = 0; branch < 2; branch++)
        assert_memory_equal(find(&seen, "unet.out.2", 2, branch)->data, find(&seen, "eps.branch", 2, branch)->data,
                            LATENT * sizeof(float));
    lt_arrays_free(&weight);
    lt_arrays_free(&bias);
    lt_result_free(&r);
    forget(&seen);
    lt_session_close(session);
}

/* Of every place the value that a plan makes which was asked for that output. */
typedef struct glance {
    lt_plan *plan;
    size_t places, attentions;
    double limit;
} glance;

static float *read_port(lt_port port) {
    const size_t n = lt_shape_count(lt_port_shape(port));
    float *data = malloc(n * sizeof *data);
    lt_port_read(port, 0, data, n);
    return data;
}

/* softmax(q k^T / sqrt(d)) of a row, in doubles: returns its sum. */
static void attend(const float *q, const float *k, size_t d, size_t c, size_t tokens, double *row) {
    double sum = 0, most = -INFINITY;
    for (size_t t = 0; t < tokens; t++) {
        row[t] = 0;
        for (size_t i = 0; i < d; i++) row[t] += (double)q[i] * k[t * c + i];
        row[t] /= sqrt((double)d);
        most = fmax(most, row[t]);
    }
    for (size_t t = 0; t < tokens; t++) sum += row[t] = exp(row[t] - most);
    for (size_t t = 0; t < tokens; t++) row[t] /= sum;
}

/* The map against the plain formula, and map V against what the drawing's own attention made. */
static lt_status look(void *user, const lt_sight *sight) {
    enum { V = 2, TOKENS = 5 };
    glance *g = user;
    g->places++;
    if (!sight->heads) return LT_OK;
    g->attentions++;
    const lt_shape s = lt_port_shape(sight->q);
    const size_t pixels = (size_t)lt_shape_pixels(s), heads = (size_t)sight->heads, c = (size_t)s.c, d = c / heads;
    float *q = read_port(sight->q), *k = read_port(sight->k), *out = read_port(sight->value);
    float *v = read_port((lt_port){g->plan, sight->value.node->input[V]}), *made = calloc(pixels * c, sizeof *made);
    float *map = malloc(heads * pixels * TOKENS * sizeof *map);
    lt_attention_map_make(&(lt_attention_map){q, k, pixels, TOKENS, heads, d, map});
    for (size_t i = 0; i < heads * pixels; i++) {
        const size_t head = i / pixels, p = i % pixels;
        double row[TOKENS], sum = 0;
        attend(q + p * c + head * d, k + head * d, d, c, TOKENS, row);
        for (size_t t = 0; t < TOKENS; t++) {
            const float m = map[i * TOKENS + t];
            assert_true(fabs((double)m - row[t]) < 1e-6);
            sum += (double)m;
            for (size_t e = 0; e < d; e++) made[p * c + head * d + e] += m * v[t * c + head * d + e];
        }
        assert_true(fabs(sum - 1) < 1e-6);
    }
    const double error = relative_error(out, made, pixels * c);
    if (!(error < g->limit)) fail_msg("%s: attention is %g off its map's", sight->place, error);
    float *const all[] = {q, k, v, out, made, map};
    for (size_t i = 0; i < LT_COUNT(all); i++) free(all[i]);
    return LT_OK;
}

static void fill_port(lt_plan *plan, const char *name, float scale) {
    const lt_port port = lt_plan_port(plan, name);
    for (size_t i = 0; i < lt_shape_count(lt_port_shape(port)); i++) {
        const float v = scale * ((float)(i * 2654435761u >> 8 & 0xffff) / 32768 - 1);
        lt_port_write(port, i, &v, 1);
    }
}

/* A tiny U-Net of one sample, with five of six tokens that count. */
static lt_plan *plan_unet(lt_session *session, const char *output) {
    const lt_module_size size = {.n = 1, .h = 8, .w = 6, .tokens = 6};
    lt_graph graph = {0};
    lt_plan *plan;
    assert_ok(lt_module_build(session->parts, LT_MODULE_UNET, &size, &graph));
    for (size_t i = 0; i < graph.count && output; i++)
        if (graph.nodes[i]->place && !strcmp(graph.nodes[i]->place, output))
            lt_graph_output(&graph, graph.nodes[i], "place");
    assert_ok(lt_plan_create(&graph, &session->target, &plan));
    fill_port(plan, "x", 1.7f);
    fill_port(plan, "context", 1.5f);
    lt_port_fill(lt_plan_port(plan, "t"), 300);
    lt_port_write_i32(lt_plan_port(plan, "context_lengths"), 0, &(int32_t){5}, 1);
    return plan;
}

static void check_attention(lt_precision precision, double limit) {
    lt_session_options options = lt_session_options_defaults();
    lt_session *session;
    options.precision = precision;
    options.threads = 2;
    if (open_session(synthetic_checkpoint("tiny"), &options, &session)) return; /* this processor lacks it */
    glance g = {.plan = plan_unet(session, NULL), .limit = limit};
    lt_plan_watch(g.plan, look, &g);
    assert_ok(lt_plan_run(g.plan, LT_RATE_PROMPT, NULL, NULL));
    lt_tap_places places;
    size_t attentions = 0, activations = 0;
    assert_ok(lt_tap_places_read(lt_session_model(session), 64, 48, &places));
    for (size_t i = 0; i < places.count; i++) {
        attentions += places.items[i].kind == LT_TAP_ATTENTION;
        activations += places.items[i].kind == LT_TAP_ACTIVATION;
    }
    assert_int_equal(g.attentions, attentions);
    assert_int_equal(g.places, attentions + activations);
    lt_plan_watch(g.plan, NULL, NULL);
    assert_ok(lt_plan_run(g.plan, LT_RATE_PROMPT, NULL, NULL));
    assert_int_equal(g.attentions, attentions);
    lt_tap_places_free(&places);
    lt_plan_free(g.plan);
    lt_session_close(session);
}

static void test_attention_is_its_map(void **state) {
    (void)state;
    check_attention(LT_PRECISION_F32, 1e-5);
    check_attention(LT_PRECISION_BF16, 1e-2);
    check_attention(LT_PRECISION_INT8, 4e-2);
}

/* The value of a place, as a plan has it that keeps it as an output. */
static lt_status take_place(void *user, const lt_sight *sight) {
    value *v = user;
    if (strcmp(sight->place, v->name)) return LT_OK;
    v->count = lt_shape_count(lt_port_shape(sight->value));
    v->data = read_port(sight->value);
    return LT_OK;
}

static void test_activations_are_the_values(void **state) {
    (void)state;
    lt_session *session = open_micro(1);
    lt_tap_places places;
    assert_ok(lt_tap_places_read(lt_session_model(session), 12, 16, &places));
    for (size_t i = 0; i < places.count; i++) {
        if (places.items[i].kind != LT_TAP_ACTIVATION) continue;
        value v = {0};
        snprintf(v.name, sizeof v.name, "model.diffusion_model.%s", places.items[i].name + strlen("unet."));
        lt_plan *watched = plan_unet(session, NULL), *kept = plan_unet(session, v.name);
        lt_plan_watch(watched, take_place, &v);
        assert_ok(lt_plan_run(watched, LT_RATE_PROMPT, NULL, NULL));
        assert_ok(lt_plan_run(kept, LT_RATE_PROMPT, NULL, NULL));
        const char *port = strcmp(places.items[i].name, "unet.out.2") ? "place" : "out";
        float *expected = read_port(lt_plan_port(kept, lt_plan_port(kept, port).node ? port : "place"));
        assert_non_null(v.data);
        assert_int_equal(v.count, places.items[i].shape[0] * places.items[i].shape[1] * places.items[i].shape[2]);
        assert_memory_equal(v.data, expected, v.count * sizeof(float));
        free(v.data);
        free(expected);
        lt_plan_free(watched);
        lt_plan_free(kept);
    }
    lt_tap_places_free(&places);
    lt_session_close(session);
}

/* ---- Maps of a drawing ---- */

static void assert_sums_to_one(const value *v, size_t first, double limit) {
    const size_t tokens = v->shape[v->rank - 3], pixels = v->shape[v->rank - 2] * v->shape[v->rank - 1];
    for (size_t p = 0; p < pixels; p++) {
        double sum = 0;
        for (size_t t = 0; t < tokens; t++) sum += (double)v->data[first + t * pixels + p];
        assert_true(fabs(sum - 1) < limit);
    }
}

static void test_maps(void **state) {
    (void)state;
    static const lt_tap taps[] = {{.kind = LT_TAP_ATTENTION, .heads = true}, {.kind = LT_TAP_ATTENTION}};
    lt_session *session = open_micro(1);
    lt_result r = draw_tapped(session, usual(), taps, 2, &seen);
    const size_t places = 4; /* a transformer on the way down, in the middle, and two on the way up */
    assert_int_equal(seen.count, 2 * 3 * 2 * places);
    for (size_t i = 0; i < seen.count; i++) {
        const value *v = &seen.items[i];
        if (v->told.tap) {
            assert_int_equal(v->rank, 3);
            assert_sums_to_one(v, 0, 1e-5);
            continue;
        }
        assert_int_equal(v->rank, 4);
        assert_int_equal(v->shape[0], 8);
        assert_int_equal(v->shape[1], 77);
        const size_t each = v->count / 8;
        float *mean = calloc(each, sizeof *mean);
        for (size_t head = 0; head < 8; head++) assert_sums_to_one(v, head * each, 1e-5);
        for (size_t k = 0; k < v->count; k++) mean[k % each] += v->data[k] / 8;
        for (size_t k = 0; k < seen.count; k++) {
            const value *other = &seen.items[k];
            const bool same = other->told.tap && !strcmp(other->name, v->name) && other->told.step == v->told.step &&
                              other->told.branch == v->told.branch;
            if (same) assert_true(relative_error(other->data, mean, each) < 1e-6);
        }
        free(mean);
    }
    lt_result_free(&r);
    forget(&seen);
    lt_session_close(session);
}

/* DAAM: each head's mean over the steps, enlarged, not below 0; the mean of these. */
static void test_heat(void **state) {
    (void)state;
    static const lt_tap taps[] = {{.kind = LT_TAP_HEAT, .name = "unet.output_blocks.*"},
                                  {.kind = LT_TAP_ATTENTION, .name = "unet.output_blocks.*", .heads = true}};
    enum { HEADS = 8, PIXELS = 50, TOKENS = 77 };
    static float expected[TOKENS * PIXELS], map[PIXELS * TOKENS], room[PIXELS * TOKENS];
    lt_session *session = open_micro(1);
    lt_result r = draw_tapped(session, usual(), taps, 2, &seen);
    const value *heat = find(&seen, "heat", 3, 1);
    assert_int_equal(count_of(&seen, "heat"), 1);
    size_t maps = 0;
    memset(expected, 0, sizeof expected);
    for (size_t i = 0; i < seen.count; i++) {
        const value *v = &seen.items[i];
        if (v->told.kind != LT_TAP_ATTENTION || v->told.branch != 1 || v->told.step != 1) continue;
        const size_t pixels = v->shape[2] * v->shape[3];
        for (size_t head = 0; head < HEADS; head++, maps++) {
            memset(map, 0, sizeof map);
            for (int step = 1; step <= 3; step++)
                for (size_t k = 0; k < TOKENS * pixels; k++)
                    map[k % pixels * TOKENS + k / pixels] +=
                        find(&seen, v->name, step, 1)->data[head * TOKENS * pixels + k] / 3;
            assert_ok(
                lt_latent_resample(LT_LATENT_BICUBIC, map, (int)v->shape[2], (int)v->shape[3], TOKENS, room, 5, 10));
            for (size_t k = 0; k < TOKENS * PIXELS; k++)
                expected[k % TOKENS * PIXELS + k / TOKENS] += fmaxf(room[k], 0);
        }
    }
    assert_int_equal(maps, 2 * HEADS);
    for (size_t k = 0; k < TOKENS * PIXELS; k++) expected[k] /= (float)maps;
    assert_true(relative_error(heat->data, expected, TOKENS * PIXELS) < 1e-5);
    assert_sums_to_one(heat, 0, 1e-4);
    lt_result_free(&r);
    forget(&seen);
    lt_session_close(session);
}

/* ---- The drawing stays what it was ---- */

static void assert_same_picture(const lt_result *a, const lt_result *b) {
    const lt_image *x = &a->images[0], *y = &b->images[0];
    assert_int_equal(x->width, y->width);
    assert_memory_equal(x->pixels, y->pixels, (size_t)x->width * (size_t)x->height * 3);
    assert_memory_equal(a->latents[0], b->latents[0], LATENT * sizeof(float));
}

static void assert_same_values(const values *a, const values *b) {
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_string_equal(a->items[i].name, b->items[i].name);
        assert_int_equal(a->items[i].count, b->items[i].count);
        assert_memory_equal(a->items[i].data, b->items[i].data, a->items[i].count * sizeof(float));
    }
}

static void check_bytes(lt_precision precision) {
    lt_session_options options = lt_session_options_defaults();
    lt_session *one, *two;
    options.precision = precision;
    options.threads = 1;
    if (open_session(micro_checkpoint(), &options, &one)) return; /* this processor lacks it */
    options.threads = 2;
    assert_ok(open_session(micro_checkpoint(), &options, &two));
    const lt_request request = usual();
    lt_result plain, a = draw_tapped(one, request, ALL_TAPS, &seen), b = draw_tapped(two, request, ALL_TAPS, &others);
    assert_ok(lt_generate(one, &request, &plain));
    assert_same_picture(&a, &plain);
    assert_same_picture(&b, &plain);
    assert_same_values(&seen, &others);
    lt_result_free(&plain);
    lt_result_free(&a);
    lt_result_free(&b);
    forget(&seen);
    forget(&others);
    lt_session_close(one);
    lt_session_close(two);
}

static void test_same_bytes(void **state) {
    (void)state;
    check_bytes(LT_PRECISION_F32);
    check_bytes(LT_PRECISION_BF16);
    check_bytes(LT_PRECISION_INT8);
}

/* No memory is kept for what may be looked at: names alone. */
static void test_an_untapped_plan_is_the_same(void **state) {
    (void)state;
    lt_session *session = open_micro(1);
    lt_plan *plan = plan_unet(session, NULL);
    const size_t size = lt_plan_arena_size(plan);
    glance g = {.plan = plan, .limit = 1e-5};
    lt_plan_watch(plan, look, &g);
    assert_ok(lt_plan_run(plan, LT_RATE_PROMPT, NULL, NULL));
    assert_int_equal(lt_plan_arena_size(plan), size);
    lt_plan_free(plan);
    lt_session_close(session);
}

/* One branch after the other: other batches, the same values, in another order. */
static void test_in_turn(void **state) {
    (void)state;
    lt_session_options options = lt_session_options_defaults();
    lt_session *session = open_micro(1), *thrifty;
    options.threads = 1;
    options.low_memory = true;
    assert_ok(open_session(micro_checkpoint(), &options, &thrifty));
    lt_result a = draw_tapped(session, usual(), ALL_TAPS, &seen), b = draw_tapped(thrifty, usual(), ALL_TAPS, &others);
    assert_int_equal(seen.count, others.count);
    for (size_t i = 0; i < seen.count; i++) {
        const value *v = &seen.items[i], *w = find(&others, v->name, v->told.step, v->told.branch);
        if (v->told.kind != LT_TAP_HEAT) assert_memory_equal(v->data, w->data, v->count * sizeof(float));
    }
    lt_result_free(&a);
    lt_result_free(&b);
    forget(&seen);
    forget(&others);
    lt_session_close(session);
    lt_session_close(thrifty);
}

/* ---- Which and when ---- */

static void test_patterns_and_steps(void **state) {
    (void)state;
    static const lt_tap taps[] = {
        {.kind = LT_TAP_STEP, .name = "x_*", .first = 2, .every = 3},
        {.kind = LT_TAP_ACTIVATION, .name = "unet.*_block*.1*", .last = 1},
        {.kind = LT_TAP_STEP, .name = "eps", .first = 3, .last = 4},
    };
    lt_session *session = open_micro(1);
    lt_request request = usual();
    request.steps = 8;
    lt_result r = draw_tapped(session, request, taps, 3, &seen);
    assert_int_equal(count_of(&seen, "x_t"), 3);
    assert_int_equal(count_of(&seen, "x_0"), 3);
    assert_int_equal(count_of(&seen, "eps"), 2);
    find(&seen, "x_0", 8, -1);
    find(&seen, "eps", 4, -1);
    for (size_t i = 0; i < seen.count; i++) {
        assert_int_equal(seen.items[i].told.steps, 8);
        if (seen.items[i].told.tap == 1) assert_int_equal(seen.items[i].told.step, 1);
    }
    find(&seen, "unet.middle_block.1", 1, 0);
    find(&seen, "unet.input_blocks.1.1", 1, 1);
    assert_int_equal(count_of(&seen, "unet.middle_block.0"), 0);
    lt_result_free(&r);
    forget(&seen);
    lt_session_close(session);
}

/* A sampler that asks twice, a second pass, steps that leave the deep features out. */
static void test_calls_and_passes(void **state) {
    (void)state;
    static const lt_tap taps[] = {{.kind = LT_TAP_STEP, .name = "x_t"},
                                  {.kind = LT_TAP_ACTIVATION, .name = "unet.middle_block.1"}};
    lt_session *session = open_micro(1);
    lt_request request = usual();
    request.sampler = "heun";
    lt_result r = draw_tapped(session, request, taps, 1, &seen);
    assert_int_equal(seen.count, 5); /* once in the last step */
    assert_int_equal(seen.items[1].told.call, 1);
    assert_true(seen.items[1].told.sigma < seen.items[0].told.sigma);
    lt_result_free(&r);
    forget(&seen);
    request = usual();
    request.hires_scale = 2;
    request.hires_steps = 2;
    r = draw_tapped(session, request, taps, 1, &seen);
    assert_int_equal(seen.count, 5);
    assert_int_equal(find(&seen, "x_t", 3, -1)->shape[2], 10);
    assert_int_equal(find(&seen, "x_t", 4, -1)->shape[2], 20);
    assert_int_equal(seen.items[4].told.steps, 5);
    lt_result_free(&r);
    forget(&seen);
    request = usual();
    request.deep_cache = 2;
    r = draw_tapped(session, request, taps, 2, &seen);
    assert_int_equal(count_of(&seen, "unet.middle_block.1"), 2 * 2); /* steps 1 and 3 of two branches */
    lt_result_free(&r);
    forget(&seen);
    lt_session_close(session);
}

static void refuse(lt_session *session, lt_tap tap, lt_status expected, const char *message) {
    lt_request r = usual();
    lt_result result;
    r.taps = &tap;
    r.tap_count = 1;
    r.tapped = collect;
    r.user = &seen;
    assert_int_equal(lt_generate(session, &r, &result), expected);
    if (!strstr(lt_error_message(), message)) fail_msg("\"%s\", expected \"%s\"", lt_error_message(), message);
    forget(&seen);
}

static void test_refusals(void **state) {
    (void)state;
    lt_session *session = open_micro(1);
    refuse(session, (lt_tap){.kind = (lt_tap_kind)9}, LT_ERROR_ARGUMENT, "no kind");
    refuse(session, (lt_tap){.name = "x_1"}, LT_ERROR_ARGUMENT, "called x_1");
    refuse(session, (lt_tap){.kind = LT_TAP_ACTIVATION, .name = "unet.*.attn2"}, LT_ERROR_ARGUMENT, "attn2");
    refuse(session, (lt_tap){.kind = LT_TAP_ATTENTION, .name = "unet.middle_block.1"}, LT_ERROR_ARGUMENT, "middle");
    refuse(session, (lt_tap){.first = -1}, LT_ERROR_ARGUMENT, "under 0");
    refuse(session, (lt_tap){.reserved = {1}}, LT_ERROR_ARGUMENT, "reserved");
    seen.stop_at = 2;
    refuse(session, (lt_tap){0}, LT_ERROR_CANCELLED, "step 1 of 3");
    refuse(session, (lt_tap){.kind = LT_TAP_ACTIVATION}, LT_ERROR_CANCELLED, "step 1 of 3");
    seen.stop_at = 0;
    lt_request r = usual();
    lt_result result;
    r.taps = all_taps;
    r.tap_count = 1;
    assert_int_equal(lt_generate(session, &r, &result), LT_ERROR_ARGUMENT);
    r.taps = NULL;
    r.tapped = collect;
    assert_int_equal(lt_generate(session, &r, &result), LT_ERROR_ARGUMENT);
    lt_session_close(session);
}

static bool ignore(void *user, const lt_tapped *told) {
    ++*(size_t *)user;
    return told->array->data != NULL;
}

static lt_status open_and_draw(const char *path, size_t *told) {
    static const lt_tap taps[] = {{.kind = LT_TAP_STEP},
                                  {.kind = LT_TAP_ACTIVATION, .name = "unet.middle*"},
                                  {.kind = LT_TAP_ATTENTION, .name = "unet.middle*"},
                                  {.kind = LT_TAP_HEAT}};
    lt_session *session;
    lt_session_options options = lt_session_options_defaults();
    options.threads = 1;
    LT_TRY(open_session(path, &options, &session));
    lt_request r = usual();
    lt_result result;
    lt_tap_places places = {0};
    r.steps = 1;
    r.taps = taps;
    r.tap_count = LT_COUNT(taps);
    r.tapped = ignore;
    r.user = told;
    lt_status status = lt_generate(session, &r, &result);
    if (!status) status = lt_tap_places_read(lt_session_model(session), 0, 0, &places);
    lt_tap_places_free(&places);
    lt_result_free(&result);
    lt_session_close(session);
    return status;
}

static void test_every_allocation_fails(void **state) {
    (void)state;
    const char *path = micro_checkpoint();
    size_t n = 0, told = 0;
    for (; !told; n += 64) { /* up to the first value: test_api has these one by one */
        lt_alloc_fail_at(n);
        assert_int_equal(open_and_draw(path, &told), LT_ERROR_MEMORY);
    }
    n = n > 128 ? n - 128 : 0;
    for (bool failed = true; failed; n++) {
        lt_alloc_fail_at(n);
        const lt_status status = open_and_draw(path, &told);
        failed = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        assert_int_equal(status, failed ? LT_ERROR_MEMORY : LT_OK);
    }
    print_message("    %zu allocations, %zu values\n", n - 1, told);
    assert_true(told > 1000); /* those behind the first value, too, failed in turn */
}

/* ---- What there is ---- */

static const lt_tap_place *find_place(const lt_tap_places *places, const char *name) {
    for (size_t i = 0; i < places->count; i++)
        if (!strcmp(places->items[i].name, name)) return &places->items[i];
    fail_msg("no place %s", name);
    return NULL;
}

/* The places' parameters and operations are all of the U-Net's. */
static void test_places(void **state) {
    (void)state;
    lt_tap_places places;
    lt_session *session = open_micro(1);
    assert_ok(lt_tap_places_read(lt_session_model(session), 20, 10, &places));
    lt_result r = draw_tapped(session, usual(), ALL_TAPS, &seen);
    size_t parameters = 0;
    double flop = 0;
    for (size_t i = 0; i < places.count; i++) {
        const lt_tap_place *p = &places.items[i];
        const bool heat = p->kind == LT_TAP_HEAT, step = p->kind == LT_TAP_STEP && strcmp(p->name, "eps.branch");
        const value *v = find(&seen, p->name, heat ? 3 : 1, step ? -1 : 1);
        const int skip = p->kind == LT_TAP_ATTENTION; /* heads */
        assert_int_equal(v->rank, p->rank - skip);
        assert_memory_equal(v->shape, p->shape + skip, (size_t)v->rank * sizeof *v->shape);
        parameters += p->kind == LT_TAP_ACTIVATION ? p->parameters : 0;
        flop += p->kind == LT_TAP_ACTIVATION ? p->flop : 0;
    }
    lt_report report;
    assert_ok(lt_inspect(micro_checkpoint(), &(lt_inspect_options){.width = 20, .height = 10}, &report));
    for (size_t i = 0; i < report.module_count; i++) {
        if (strcmp(report.modules[i].name, "U-Net")) continue;
        assert_int_equal(parameters, report.modules[i].parameters);
        assert_true(fabs(flop / report.modules[i].flop - 1) < 1e-9);
    }
    assert_string_equal(find_place(&places, "unet.output_blocks.0.0")->beside, "unet.input_blocks.3.0");
    assert_string_equal(find_place(&places, "unet.output_blocks.1.0")->beside, "unet.input_blocks.2.0.op");
    assert_string_equal(find_place(&places, "unet.output_blocks.2.0")->beside, "unet.input_blocks.1.1");
    assert_string_equal(find_place(&places, "unet.output_blocks.3.0")->beside, "unet.input_blocks.0.0");
    assert_null(find_place(&places, "unet.middle_block.1")->beside);
    assert_string_equal(find_place(&places, "unet.middle_block.1")->what, "transformer");
    lt_report_free(&report);
    lt_result_free(&r);
    forget(&seen);
    lt_tap_places_free(&places);
    lt_session_close(session);
}

/* ---- Other modules than the U-Net ---- */

static const lt_tap everything[] = {{.kind = LT_TAP_ACTIVATION}};

static const int shape[3] = {4, 8, 8};
static const float z[4 * 8 * 8] = {1, -1, 2, 0.5f, [100] = 3, [200] = -2};

static lt_session *open_exact(void) {
    lt_session_options options = lt_session_options_defaults();
    lt_session *session;
    options.precision = LT_PRECISION_F32;
    assert_ok(open_session(synthetic_checkpoint("tiny"), &options, &session));
    return session;
}

/* The module's size as lt_inspect has it. */
static void check_size(const char *module, size_t parameters, double flop) {
    const lt_inspect_options options = {.width = 64, .height = 64};
    size_t found = 0;
    lt_report report;
    assert_ok(lt_inspect(synthetic_checkpoint("tiny"), &options, &report));
    for (size_t i = 0; i < report.module_count; i++) {
        if (strcmp(report.modules[i].name, module)) continue;
        assert_int_equal(parameters, report.modules[i].parameters);
        assert_true(fabs(flop / report.modules[i].flop - 1) < 1e-9);
        found++;
    }
    assert_int_equal(found, 1);
    lt_report_free(&report);
}

/* All blocks are shown that are listed, in their order and shapes, and together they are the whole module. */
static void check_module(const lt_session *session, const char *module, const char *inspected) {
    lt_tap_places places;
    size_t parameters = 0;
    double flop = 0;
    assert_ok(lt_module_places_read(lt_session_model(session), module, 64, 64, &places));
    assert_int_equal(places.count, seen.count);
    for (size_t i = 0; i < places.count; i++) {
        const lt_tap_place *p = &places.items[i];
        assert_string_equal(p->name, seen.items[i].name);
        assert_memory_equal(p->shape, seen.items[i].shape, 3 * sizeof *p->shape);
        assert_true(p->kind == LT_TAP_ACTIVATION && p->what && p->rank == 3);
        parameters += p->parameters;
        flop += p->flop;
    }
    check_size(inspected, parameters, flop);
    lt_tap_places_free(&places);
}

static void test_the_vae_is_watched(void **state) {
    (void)state;
    lt_session *session = open_exact();
    float *latent;
    const lt_array in = {"z", 4, {1, 4, 8, 8}, z};
    lt_arrays out;
    lt_image image;
    int s[3];
    assert_ok(lt_session_watch(session, collect, everything, 1, &seen));
    assert_ok(lt_run(session, "vae-decoder", &in, 1, &out));
    const value *last = &seen.items[seen.count - 1];
    assert_string_equal(last->name, "vae.decoder.conv_out");
    assert_memory_equal(last->data, out.items[0].data, last->count * sizeof(float)); /* NCHW both */
    check_module(session, "vae-decoder", "VAE decoder");
    lt_arrays_free(&out);
    forget(&seen);
    assert_ok(lt_decode(session, z, shape, false, &image));
    forget(&seen);
    assert_ok(lt_encode(session, &image, NULL, false, &latent, s));
    check_module(session, "vae-encoder", "VAE encoder");
    forget(&seen);
    lt_floats_free(latent);
    lt_image_free(&image);
    lt_session_close(session);
}

static void test_watching_ends(void **state) {
    (void)state;
    static const lt_tap middle[] = {{.kind = LT_TAP_ACTIVATION, .name = "vae.decoder.mid.*"}};
    lt_session *session = open_exact();
    lt_image watched, plain;
    assert_ok(lt_session_watch(session, collect, middle, 1, &seen));
    assert_ok(lt_decode(session, z, shape, false, &watched));
    assert_int_equal(seen.count, 3);
    forget(&seen);
    seen.stop_at = 2;
    assert_int_equal(lt_decode(session, z, shape, false, &plain), LT_ERROR_CANCELLED);
    assert_int_equal(seen.count, 2);
    seen.stop_at = 0;
    forget(&seen);
    assert_ok(lt_session_watch(session, NULL, NULL, 0, NULL));
    assert_ok(lt_decode(session, z, shape, false, &plain));
    assert_int_equal(seen.count, 0);
    assert_memory_equal(plain.pixels, watched.pixels, (size_t)plain.width * (size_t)plain.height * 3);
    assert_int_equal(lt_session_watch(session, collect, NULL, 1, &seen), LT_ERROR_ARGUMENT);
    lt_image_free(&plain);
    lt_image_free(&watched);
    lt_session_close(session);
}

static void test_the_text_encoder_is_watched(void **state) {
    (void)state;
    lt_session *session = open_exact();
    float ids[77];
    for (int i = 0; i < 77; i++) ids[i] = i == 0 ? LT_TOKEN_START : i < 5 ? (float)(300 + i) : LT_TOKEN_END;
    const lt_array in = {"ids", 2, {1, 77}, ids};
    lt_arrays out;
    lt_tap_places places;
    assert_ok(lt_session_watch(session, collect, everything, 1, &seen));
    assert_ok(lt_run(session, "clip-text", &in, 1, &out));
    check_module(session, "clip-text", "text encoder");
    const lt_array *penultimate = lt_arrays_find(&out, "penultimate"); /* what feeds the last layer */
    const value *before = &seen.items[seen.count - 2];
    const size_t width = before->shape[0];
    for (size_t i = 0; i < 77 * width; i++)
        assert_true(before->data[i % width * 77 + i / width] == penultimate->data[i]);
    assert_int_equal(lt_module_places_read(lt_session_model(session), "controlnet", 0, 0, &places), LT_ERROR_ARGUMENT);
    assert_int_equal(lt_module_places_read(lt_session_model(session), "clip-image", 0, 0, &places), LT_ERROR_MODEL);
    lt_arrays_free(&out);
    forget(&seen);
    lt_session_close(session);
}

/* A drawing's taps see its U-Net; who watches the session, the modules around it. */
static void test_both_at_once(void **state) {
    (void)state;
    static const lt_tap tap[] = {{.kind = LT_TAP_ACTIVATION, .name = "unet.out.2"}};
    static values tapped, watched;
    lt_session *session = open_exact();
    lt_request request = lt_request_defaults();
    lt_result result;
    request.steps = 2;
    request.width = request.height = 64;
    request.taps = tap;
    request.tap_count = 1;
    request.tapped = collect;
    request.user = &tapped;
    assert_ok(lt_session_watch(session, collect, everything, 1, &watched));
    assert_ok(lt_generate(session, &request, &result));
    assert_int_equal(count_of(&tapped, "unet.out.2"), 4);
    assert_int_equal(tapped.count, 4);
    assert_int_equal(count_of(&watched, "vae.decoder.conv_out"), 1);
    assert_int_equal(count_of(&watched, "unet.out.2"), 0);
    lt_result_free(&result);
    forget(&tapped);
    forget(&watched);
    lt_session_close(session);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_guidance),
        cmocka_unit_test(test_the_unet_alone),
        cmocka_unit_test(test_v_prediction),
        cmocka_unit_test(test_first_and_last_block),
        cmocka_unit_test(test_attention_is_its_map),
        cmocka_unit_test(test_activations_are_the_values),
        cmocka_unit_test(test_maps),
        cmocka_unit_test(test_heat),
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_an_untapped_plan_is_the_same),
        cmocka_unit_test(test_in_turn),
        cmocka_unit_test(test_patterns_and_steps),
        cmocka_unit_test(test_calls_and_passes),
        cmocka_unit_test(test_enough),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_every_allocation_fails),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_the_vae_is_watched),
        cmocka_unit_test(test_watching_ends),
        cmocka_unit_test(test_the_text_encoder_is_watched),
        cmocka_unit_test(test_both_at_once),
    };
    const int failed = cmocka_run_group_tests_name("taps", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
