/* How a server stands a crowd: how long progress takes to be told, and what a drawing loses by it.
 *
 *     bench_serve_load LATENT [MODEL [STEPS [PICTURES [IDLE [POLLERS [PERIOD [ROUNDS]]]]]]]
 *
 * Starts `LATENT serve` in an empty folder, draws PICTURES (5) of STEPS (100) steps alone and again beside IDLE (500)
 * connections that ask for nothing and POLLERS (50) that ask for the progress each PERIOD (0.5) seconds, every second
 * one by A1111's API with the preview; ROUNDS (5) times in turn, so that a machine that grows slower does so for both.
 * MODEL "": the one that comes along. Ends with 1 where the 99th percentile of all answers is over 50 ms, or the median
 * of the crowd's drawings over 1.03 of that of those alone. */
#include "tools/tools.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { MOST_POLLERS = 1000, MOST_ROUNDS = 100, PATH = 128 };
static const double most_seconds = 0.050, most_slower = 1.03;

static struct {
    const char *latent, *model;
    int steps, pictures, idle, pollers, rounds;
    double period;
} o = {NULL, "", 100, 5, 500, 50, 5, 0.5};

static void fail(const char *what) {
    fprintf(stderr, "bench_serve_load: %s\n", what);
    exit(1);
}

/* ---- The server ---- */

static pid_t server;
static int port;
static char folder[] = "/tmp/bench-serve-XXXXXX";

static void stop(void) {
    char *words[] = {"rm", "-rf", folder, NULL};
    pid_t remover;
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);
    if (!posix_spawnp(&remover, words[0], NULL, NULL, words, environ)) waitpid(remover, NULL, 0);
}

/* Its address is its first line; its log goes to where this program's does. */
static void start(void) {
    char data[64], line[256] = "";
    int ends[2];
    posix_spawn_file_actions_t actions;
    if (!mkdtemp(folder) || pipe(ends)) fail("no folder for the server");
    snprintf(data, sizeof data, "%s/data", folder);
    char *words[] = {(char *)(uintptr_t)o.latent,
                     "serve",
                     "--port",
                     "0",
                     "--data",
                     data,
                     "--models",
                     folder,
                     "--patience",
                     "3600",
                     "-m",
                     (char *)(uintptr_t)o.model,
                     NULL};
    if (!*o.model) words[10] = NULL;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    if (posix_spawnp(&server, words[0], &actions, NULL, words, environ)) fail("the program can't be started");
    atexit(stop);
    close(ends[1]);
    FILE *told = fdopen(ends[0], "r");
    const char *colon = told && fgets(line, sizeof line, told) ? strrchr(line, ':') : NULL;
    port = colon ? atoi(colon + 1) : 0;
    if (port <= 0) fail("the server doesn't listen");
}

/* ---- A connection that asks, and asks again ---- */

typedef struct asker {
    int socket;
    char path[PATH], *text; /* [size], NUL behind: what has come of the answer */
    size_t size, room;
    double asked, next; /* asked: 0: nothing is on its way */
} asker;

static int dial(void) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s < 0 || connect(s, (struct sockaddr *)&to, sizeof to)) fail("no connection");
    return s;
}

/* body: NULL: a GET. */
static void ask(asker *a, const char *body) {
    char head[PATH + 128];
    const size_t size = body ? strlen(body) : 0;
    const int said = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %zu\r\n\r\n%s",
                              body ? "POST" : "GET", a->path, size, body ? body : "");
    a->size = 0;
    a->asked = tool_now();
    if (said >= (int)sizeof head || send(a->socket, head, (size_t)said, MSG_NOSIGNAL) != said) fail("can't be asked");
}

static bool is_whole(const asker *a) {
    const char *end = a->size ? strstr(a->text, "\r\n\r\n") : NULL;
    const char *length = end ? strcasestr(a->text, "\r\nContent-Length:") : NULL;
    if (end && strncmp(a->text, "HTTP/1.1 200", 12)) fail(a->text);
    if (end && !length) fail("an answer of no length");
    return end && a->size >= (size_t)(end + 4 - a->text) + strtoull(length + 17, NULL, 10);
}

/* Reads what there is; true: the answer is whole. */
static bool take(asker *a) {
    if (a->room < a->size + 65536) a->text = realloc(a->text, a->room = 2 * a->size + 65537);
    if (!a->text) fail("out of memory");
    const ssize_t size = recv(a->socket, a->text + a->size, a->room - a->size - 1, 0);
    if (size <= 0) fail("the server has hung up");
    a->size += (size_t)size;
    a->text[a->size] = 0;
    return is_whole(a);
}

static void leave(asker *a) {
    close(a->socket);
    free(a->text);
    *a = (asker){0};
}

/* ---- Drawing ---- */

static double *answers; /* [answer_count]: seconds that each took */
static size_t answer_count, answer_room;

static void note(double seconds) {
    if (answer_count == answer_room)
        answers = realloc(answers, (answer_room = 2 * answer_room + 1024) * sizeof *answers);
    if (!answers) fail("out of memory");
    answers[answer_count++] = seconds;
}

/* A drawing under way: its answer comes when it is done. */
static asker draw(void) {
    char body[256];
    asker a = {.socket = dial(), .path = "/sdapi/v1/txt2img"};
    snprintf(body, sizeof body, "{\"prompt\": \"a red apple\", \"seed\": 7, \"steps\": %d, \"batch_size\": %d}",
             o.steps, o.pictures);
    ask(&a, body);
    return a;
}

/* That job's address, once it is in the queue. */
static void find_job(char path[PATH]) {
    asker a = {.socket = dial(), .path = "/latent/v1/queue"};
    const char *id;
    do {
        ask(&a, NULL);
        while (!take(&a)) continue;
        id = strstr(a.text, "\"id\":\"");
    } while (!id);
    snprintf(path, PATH, "/latent/v1/jobs/%.32s", id + strlen("\"id\":\""));
    leave(&a);
}

/* ---- The crowd ---- */

static void ask_the_due(asker *all, int count) {
    const double now = tool_now();
    for (int i = 0; i < count; i++)
        if (all[i].asked == 0 && now >= all[i].next) ask(&all[i], NULL);
}

static int milliseconds_to_next(const asker *all, int count) {
    double first = tool_now() + 1;
    for (int i = 0; i < count; i++)
        if (all[i].asked == 0 && all[i].next < first) first = all[i].next;
    const double left = first - tool_now();
    return left > 0 ? (int)(1000 * left) + 1 : 0;
}

static void take_answer(asker *a) {
    if (!take(a)) return;
    note(tool_now() - a->asked);
    a->next = a->asked + o.period;
    a->asked = 0;
}

/* Until the drawing is done. */
static void poll_beside(asker *drawing, asker *all, int count) {
    struct pollfd waits[MOST_POLLERS + 1];
    for (bool done = false; !done;) {
        ask_the_due(all, count);
        for (int i = 0; i < count; i++) waits[i] = (struct pollfd){all[i].socket, POLLIN, 0};
        waits[count] = (struct pollfd){drawing->socket, POLLIN, 0};
        poll(waits, (nfds_t)count + 1, milliseconds_to_next(all, count));
        for (int i = 0; i < count; i++)
            if (waits[i].revents) take_answer(&all[i]);
        done = waits[count].revents && take(drawing);
    }
}

static void join(asker *all, int count) {
    for (int i = 0; i < count; i++) all[i] = (asker){.socket = dial(), .path = "/sdapi/v1/progress"};
}

/* Seconds of a step of a drawing, beside so many pollers. */
static double draw_beside(asker *all, int pollers) {
    asker drawing = draw();
    if (pollers) find_job(all[0].path);
    for (int i = 0; i < pollers; i++) {
        all[i].next = drawing.asked + o.period * i / pollers;
        if (i % 2 == 0) memmove(all[i].path, all[0].path, PATH);
    }
    poll_beside(&drawing, all, pollers);
    const double seconds = tool_now() - drawing.asked;
    leave(&drawing);
    return seconds / o.steps / o.pictures;
}

/* All are there before it begins. */
static double draw_in_crowd(void) {
    static asker all[MOST_POLLERS];
    int *idle = tool_calloc((size_t)o.idle + 1, sizeof *idle);
    if (!idle) fail("out of memory");
    for (int i = 0; i < o.idle; i++) idle[i] = dial();
    join(all, o.pollers);
    sleep(1);
    const double seconds = draw_beside(all, o.pollers);
    for (int i = 0; i < o.pollers; i++) leave(&all[i]);
    for (int i = 0; i < o.idle; i++) close(idle[i]);
    sleep(1);
    free(idle);
    return seconds;
}

/* ---- What comes out ---- */

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double part_of(double *values, size_t count, double part) {
    if (!count) fail("nothing was asked: more steps are wanted");
    qsort(values, count, sizeof *values, compare);
    return values[(size_t)(part * (double)(count - 1) + 0.5)];
}

static int report(double *alone, double *crowd) {
    const size_t rounds = (size_t)o.rounds;
    const double a = part_of(alone, rounds, 0.5), c = part_of(crowd, rounds, 0.5);
    const double last = part_of(answers, answer_count, 0.99);
    printf("step: %.3f ms alone (%.3f to %.3f), %.3f ms in the crowd (%.3f to %.3f): %.3f of it, at most %.2f\n",
           1e3 * a, 1e3 * alone[0], 1e3 * alone[rounds - 1], 1e3 * c, 1e3 * crowd[0], 1e3 * crowd[rounds - 1], c / a,
           most_slower);
    printf("progress: %zu answers, median %.2f ms, 99th percentile %.2f ms (at most %.0f), longest %.2f ms\n",
           answer_count, 1e3 * part_of(answers, answer_count, 0.5), 1e3 * last, 1e3 * most_seconds,
           1e3 * answers[answer_count - 1]);
    return last > most_seconds || c / a > most_slower;
}

static int run(void) {
    double alone[MOST_ROUNDS], crowd[MOST_ROUNDS];
    start();
    draw_beside(NULL, 0); /* opens the model */
    for (int i = 0; i < o.rounds; i++) {
        alone[i] = draw_beside(NULL, 0);
        crowd[i] = draw_in_crowd();
    }
    return report(alone, crowd);
}

int main(int argc, char **argv) {
    int *const numbers[] = {&o.steps, &o.pictures, &o.idle, &o.pollers};
    o.latent = argc > 1 ? argv[1] : NULL;
    if (argc > 2) o.model = argv[2];
    for (int i = 0; i < 4 && argc > 3 + i; i++) *numbers[i] = atoi(argv[3 + i]);
    if (argc > 7) o.period = atof(argv[7]);
    if (argc > 8) o.rounds = atoi(argv[8]);
    const bool possible = o.steps > 0 && o.pictures > 0 && o.idle >= 0 && o.pollers > 0 && o.pollers <= MOST_POLLERS &&
                          o.period > 0 && o.rounds > 0 && o.rounds <= MOST_ROUNDS;
    if (o.latent && possible) return run();
    fprintf(stderr, "usage: bench_serve_load LATENT [MODEL [STEPS [PICTURES [IDLE [POLLERS [PERIOD [ROUNDS]]]]]]]\n");
    return 2;
}
