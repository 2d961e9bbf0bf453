/* Many sessions of one model: what memory each takes, and how long all take at once.
 *
 *     bench_sessions MODEL [SESSIONS [SIDE]]     8 sessions, the model's own size; one line for 1, 2, 4 ... of them
 *
 * Each draws two steps in a thread of its own, with one thread for its work. Memory is what the process has at its
 * most; packed weights are those of the store, which all sessions share. */
#include "api/model.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MOST = 64, STEPS = 2 };

typedef struct drawing {
    lt_session *session;
    int side;
    lt_status status;
} drawing;

static void *draw(void *data) {
    drawing *d = data;
    lt_request request = lt_request_defaults();
    lt_result result;
    request.prompt = "a red apple";
    request.width = request.height = d->side;
    request.steps = STEPS;
    d->status = lt_generate(d->session, &request, &result);
    if (d->status)
        fprintf(stderr, "%s\n", lt_error_message());
    else
        lt_result_free(&result);
    return NULL;
}

static double resident_mib(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
    if (file) fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

static double peak_mib(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

/* Opens the sessions from `there` to count, and has all of them draw at once. */
static int draw_all(lt_model *model, drawing *drawings, int there, int count, int side) {
    const lt_session_options options = {.threads = 1, .isa = LT_ISA_BEST};
    pthread_t threads[MOST];
    for (int i = 0; i < count; i++) {
        drawings[i].side = side;
        if (i >= there && lt_session_open(model, &options, &drawings[i].session)) return 1;
    }
    const double start = lt_now();
    for (int i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, draw, &drawings[i])) return 1;
    for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
    const double seconds = lt_now() - start;
    int failed = 0;
    for (int i = 0; i < count; i++) failed |= drawings[i].status != LT_OK;
    printf("%3d session%s  %8.2f s  packed weights %8.1f MiB  resident %8.1f MiB  peak %8.1f MiB\n", count,
           count == 1 ? " " : "s", seconds, (double)lt_weights_packed_size(model->parts.weights) / (1 << 20),
           resident_mib(), peak_mib());
    return failed;
}

int main(int argc, char **argv) {
    const int most = argc > 2 ? atoi(argv[2]) : 8, side = argc > 3 ? atoi(argv[3]) : 0;
    drawing drawings[MOST] = {{0}};
    lt_model *model;
    if (argc < 2 || most < 1 || most > MOST)
        return fprintf(stderr, "usage: bench_sessions MODEL [SESSIONS [SIDE]]\n"), 2;
    if (lt_model_open(argv[1], NULL, &model)) return fprintf(stderr, "%s\n", lt_error_message()), 1;
    int failed = 0, there = 0;
    for (int count = 1; count <= most && !failed; there = count, count *= 2)
        failed = draw_all(model, drawings, there, count, side);
    for (int i = 0; i < MOST; i++) lt_session_close(drawings[i].session);
    lt_model_close(model);
    return failed;
}
