/* What an addition to a model costs: drawings with it, by turns with drawings without.
 *
 *     bench_added MODEL SIDE ROUNDS PRECISION KIND=FILE...     bench_added sd15.safetensors 512 5 auto
 * lora=ink.safetensors
 *
 * KIND is lora, control, or vae (a TAESD, which takes the VAE's place). One line for each: the time until the first
 * step of the first drawing, which reads and packs, and of later ones; then what a step takes and what the decoding
 * takes, as medians over the rounds, and what they are to those of the model alone. */
#include "api/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 8, MOST_ROUNDS = 64, STEPS = 3 };

/* Seconds: until the first step, of the steps' median, behind the last one. */
typedef struct times {
    double start, step, decoding;
} times;

typedef struct drawer {
    const char *name, *file;
    lt_session *session;
    lt_request request;
    lt_lora lora;
    lt_control control;
    times first, rounds[MOST_ROUNDS];
    double began, told, steps[STEPS]; /* of the drawing that is under way */
} drawer;

/* ---- One drawing ---- */

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, by_size);
    return values[count / 2];
}

static bool hear(void *user, const lt_progress *p) {
    drawer *d = user;
    const double now = lt_now();
    if (p->step)
        d->steps[p->step - 1] = now - d->told;
    else
        d->began = now - d->began;
    d->told = now;
    return true;
}

static lt_status draw(drawer *d, times *t) {
    lt_result result;
    d->began = lt_now();
    LT_TRY(lt_generate(d->session, &d->request, &result));
    *t = (times){.start = d->began, .step = median(d->steps, STEPS), .decoding = lt_now() - d->told};
    lt_result_free(&result);
    return LT_OK;
}

/* ---- Additions ---- */

static bool is(const drawer *d, const char *kind) { return !strncmp(d->name, kind, strlen(kind)); }

static void add_lora(drawer *d) {
    d->lora = (lt_lora){d->file, 1, 1};
    d->request.loras = &d->lora;
    d->request.lora_count = 1;
}

static lt_status add_control(drawer *d, const lt_model *base, const lt_image *map) {
    lt_open_options options = lt_open_options_defaults();
    lt_model *model; /* and map: until the program ends */
    options.base = base;
    d->control = lt_control_defaults();
    LT_TRY(lt_model_open(d->file, &options, &model));
    d->control.model = model;
    d->control.image = map;
    d->request.controls = &d->control;
    d->request.control_count = 1;
    return LT_OK;
}

static lt_status open(drawer *d, const char *path, const lt_image *map, lt_precision precision) {
    lt_open_options options = lt_open_options_defaults();
    lt_session_options session = lt_session_options_defaults();
    lt_model *model;
    if (is(d, "vae=")) options.vae = d->file;
    LT_TRY(lt_model_open(path, &options, &model));
    d->request = lt_request_defaults();
    d->request.prompt = "a red apple";
    d->request.steps = STEPS;
    d->request.width = d->request.height = map->width;
    d->request.progress = hear;
    d->request.user = d;
    if (is(d, "lora=")) add_lora(d);
    if (is(d, "control=")) LT_TRY(add_control(d, model, map));
    session.precision = precision;
    lt_status status = lt_session_open(model, &session, &d->session);
    lt_model_close(model);
    return status;
}

/* ---- All ---- */

static times medians(const drawer *d, int rounds) {
    double start[MOST_ROUNDS], step[MOST_ROUNDS], decoding[MOST_ROUNDS];
    for (int i = 0; i < rounds; i++) {
        start[i] = d->rounds[i].start;
        step[i] = d->rounds[i].step;
        decoding[i] = d->rounds[i].decoding;
    }
    return (times){median(start, rounds), median(step, rounds), median(decoding, rounds)};
}

static void print(const drawer *drawers, int count, int rounds) {
    const times alone = medians(&drawers[0], rounds);
    printf("%8s %8s  %8s %6s  %8s %6s\n", "first s", "later s", "step s", "ratio", "decode s", "ratio");
    for (int i = 0; i < count; i++) {
        const times t = medians(&drawers[i], rounds);
        printf("%8.2f %8.2f  %8.3f %6.3f  %8.3f %6.3f  %s\n", drawers[i].first.start, t.start, t.step,
               t.step / alone.step, t.decoding, t.decoding / alone.decoding, drawers[i].name);
    }
}

static lt_status draw_all(drawer *drawers, int count, int rounds) {
    for (int i = 0; i < count; i++) LT_TRY(draw(&drawers[i], &drawers[i].first));
    for (int r = 0; r < rounds; r++)
        for (int i = 0; i < count; i++) LT_TRY(draw(&drawers[i], &drawers[i].rounds[r]));
    return LT_OK;
}

static lt_precision precision_of(const char *name) {
    int i = LT_PRECISION_AUTO;
    while (i <= LT_PRECISION_INT8 && strcmp(lt_precision_name((lt_precision)i), name)) i++;
    return (lt_precision)i;
}

static bool understood(char **argv) {
    const int rounds = atoi(argv[3]);
    if (rounds < 1 || rounds > MOST_ROUNDS || precision_of(argv[4]) > LT_PRECISION_INT8) return false;
    for (char **word = argv + 5; *word; word++)
        if (!strchr(*word, '=')) return false;
    return true;
}

static lt_status run(int argc, char **argv) {
    static drawer drawers[MOST] = {{.name = "alone"}};
    const int side = atoi(argv[2]), rounds = atoi(argv[3]), count = argc - 4;
    lt_image map;
    LT_TRY(lt_image_alloc(side, side, &map));
    memset(map.pixels, 0, 3 * (size_t)side * (size_t)side);
    for (int i = 0; i < count; i++) {
        if (i) drawers[i].name = argv[4 + i];
        if (i) drawers[i].file = strchr(argv[4 + i], '=') + 1;
        LT_TRY(open(&drawers[i], argv[1], &map, precision_of(argv[4])));
    }
    LT_TRY(draw_all(drawers, count, rounds));
    print(drawers, count, rounds);
    return LT_OK;
}

int main(int argc, char **argv) {
    if (argc < 5 || argc > 4 + MOST || !understood(argv))
        return fprintf(stderr, "usage: bench_added MODEL SIDE ROUNDS PRECISION KIND=FILE...\n"), 2;
    if (run(argc, argv)) return fprintf(stderr, "%s\n", lt_error_message()), 1;
    return 0;
}
