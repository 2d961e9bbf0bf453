/* The progress line, and the signals that end a run cleanly. */
#include "progress.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static volatile sig_atomic_t stop;

static void on_signal(int number) {
    stop = 1;
    signal(number, SIG_DFL);
}

void lt_stop_on_signals(void) {
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    if (signal(SIGHUP, on_signal) == SIG_IGN) signal(SIGHUP, SIG_IGN); /* under nohup */
}

bool lt_stop_asked(void *user) {
    (void)user;
    return stop;
}

/* "0:30 left" */
static void print_left(double seconds) {
    const long left = (long)(seconds + 0.5);
    if (left >= 3600) fprintf(stderr, "%ld:%02ld:%02ld left", left / 3600, left / 60 % 60, left % 60);
    if (left < 3600) fprintf(stderr, "%ld:%02ld left", left / 60, left % 60);
}

/* "step 7/20, 2.31 s a step, 0:30 left": of this picture and of those after it. */
static void print_step(const lt_progress_line *line, const lt_progress *p) {
    if (line->pictures > 1) fprintf(stderr, "picture %d/%d, ", line->picture + 1, line->pictures);
    fprintf(stderr, "step %d/%d", p->step, p->steps);
    if (!p->step) return;
    const double later = p->step_seconds * p->steps * (line->pictures - 1 - line->picture);
    fprintf(stderr, ", %.2f s a step, ", p->step_seconds);
    print_left(p->seconds_left + later);
}

/* Short enough for a terminal of 80 columns. */
static void show_bar(lt_progress_line *line, const lt_progress *p) {
    enum { WIDTH = 20 };
    char bar[WIDTH + 1] = "";
    for (int i = 0; i < WIDTH; i++) bar[i] = i * p->steps < WIDTH * p->step ? '#' : '.';
    fprintf(stderr, "\r[%s] ", bar);
    print_step(line, p);
    fprintf(stderr, "\033[K"); /* what is left of a longer line */
    line->open = true;
    if (p->step == p->steps) lt_progress_end(line);
}

void lt_progress_end(lt_progress_line *line) {
    if (line->open) fputc('\n', stderr);
    line->open = false;
}

/* Where nobody watches: the first step, each tenth part of the way, and the last. */
static void show_line(const lt_progress_line *line, const lt_progress *p) {
    if (p->step == 0 || (p->step > 1 && p->step * 10 / p->steps == (p->step - 1) * 10 / p->steps)) return;
    print_step(line, p);
    fputc('\n', stderr);
}

/* A preview that can't be written is no reason to throw the picture away. */
static void save_preview(lt_progress_line *line, const lt_image *preview) {
    if (lt_image_save(line->preview, preview, NULL) == LT_OK) return;
    lt_progress_end(line);
    lt_complain(LT_EXIT_OK, "note: no more previews: %s", lt_error_message());
    line->preview = NULL;
}

bool lt_progress_show(void *user, const lt_progress *progress) {
    lt_progress_line *line = user;
    if (line->preview && progress->preview) save_preview(line, progress->preview);
    if (!line->quiet && isatty(STDERR_FILENO)) show_bar(line, progress);
    if (!line->quiet && !isatty(STDERR_FILENO)) show_line(line, progress);
    return !stop;
}

/* ---- Counting ---- */

void lt_count_begin(lt_count_line *line, const char *what) {
    lt_count_end(line);
    *line = (lt_count_line){.quiet = line->quiet, .what = what, .started = lt_now(), .shown = lt_now()};
}

bool lt_count_show(lt_count_line *line, double done, size_t count) {
    const bool terminal = isatty(STDERR_FILENO);
    const double now = lt_now();
    if (done <= line->done) line->started = now; /* the next thing is counted under the same name */
    line->done = done;
    if (line->quiet || now - line->shown < (terminal ? 0.2 : 30)) return !stop;
    line->shown = now;
    fprintf(stderr, "%s%s %zu/%zu", terminal ? "\r" : "", line->what, (size_t)done, count);
    if (done > 0 && now > line->started) {
        fprintf(stderr, ", ");
        print_left((now - line->started) / done * ((double)count - done));
    }
    fprintf(stderr, "%s", terminal ? "\033[K" : "\n");
    line->open = terminal;
    return !stop;
}

bool lt_count_show_whole(void *user, size_t done, size_t count) { return lt_count_show(user, (double)done, count); }

void lt_count_end(lt_count_line *line) {
    if (line->open) fprintf(stderr, "\r\033[K"); /* what was counted is told elsewhere */
    line->open = false;
}
