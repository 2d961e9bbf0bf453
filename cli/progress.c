/* How far a picture is, and how far work is that is counted. */
#include "progress.h"

#include <stdio.h>
#include <string.h>

enum { LONGEST = 256, LEFT_SIZE = 32 }; /* of a line, with its NUL; of what is left */

/* "0:30 left", "1:00:00 left" */
static const char *time_left(double seconds, char text[LEFT_SIZE]) {
    const long left = (long)(seconds + 0.5);
    if (left >= 3600) snprintf(text, LEFT_SIZE, "%ld:%02ld:%02ld left", left / 3600, left / 60 % 60, left % 60);
    if (left < 3600) snprintf(text, LEFT_SIZE, "%ld:%02ld left", left / 60, left % 60);
    return text;
}

/* "step 7/20, 2.31 s a step, 0:30 left": of this picture and of those after it. Briefly: "7/20, 0:30 left". */
static void describe_step(const lt_progress *p, bool briefly, char text[LONGEST]) {
    char picture[48] = "", speed[48] = "", left[LEFT_SIZE];
    if (p->pictures > 1)
        snprintf(picture, sizeof picture, briefly ? "%d/%d: " : "picture %d/%d, ", p->picture + 1, p->pictures);
    if (!briefly) snprintf(speed, sizeof speed, ", %.2f s a step", p->step_seconds);
    snprintf(text, LONGEST, "%s%s%d/%d", picture, briefly ? "" : "step ", p->step, p->steps);
    if (p->step)
        snprintf(text + strlen(text), LONGEST - strlen(text), "%s, %s", speed, time_left(p->seconds_left, left));
}

/* A bar as long as there is room for, and the step in words. */
static void show_bar(lt_progress_line *line, const lt_progress *p) {
    enum { LEAST = 5, MOST = 20 };
    const size_t room = lt_line_room();
    char text[LONGEST], whole[LONGEST + MOST + 3] = "";
    describe_step(p, false, text);
    if (strlen(text) > room) describe_step(p, true, text);
    const size_t used = strlen(text) + strlen("[] "), left = used < room ? room - used : 0;
    const size_t width = left < MOST ? left : MOST;
    if (width >= LEAST) {
        whole[0] = '[';
        for (size_t i = 0; i < width; i++) whole[1 + i] = i * (size_t)p->steps < width * (size_t)p->step ? '#' : '.';
        strcat(whole, "] ");
    }
    lt_line_show(&line->line, strcat(whole, text));
    if (p->step == p->steps) lt_progress_end(line);
}

void lt_progress_end(lt_progress_line *line) { lt_line_end(&line->line); }

/* Where nobody watches: the first step, each tenth part of the way, and the last. */
static void show_line(lt_progress_line *line, const lt_progress *p) {
    char text[LONGEST];
    if (p->step == 0 || (p->step > 1 && p->step * 10 / p->steps == (p->step - 1) * 10 / p->steps)) return;
    describe_step(p, false, text);
    lt_line_show(&line->line, text);
}

/* A preview that can't be written is no reason to throw the picture away. */
static void save_preview(lt_progress_line *line, const lt_image *preview) {
    if (!lt_image_save(line->preview, preview, NULL)) return;
    lt_progress_end(line);
    lt_complain(LT_EXIT_OK, "note: no more previews: %s", lt_error_message());
    line->preview = NULL;
}

bool lt_progress_show(void *user, const lt_progress *progress) {
    lt_progress_line *line = user;
    if (line->preview && progress->preview) save_preview(line, progress->preview);
    if (!line->quiet) (lt_line_watched() ? show_bar : show_line)(line, progress);
    return !lt_stop_asked(NULL);
}

/* ---- Counting ---- */

void lt_count_begin(lt_count_line *line, const char *what) {
    lt_count_end(line);
    *line = (lt_count_line){.quiet = line->quiet, .what = what, .started = tool_now(), .shown = tool_now()};
}

bool lt_count_show(lt_count_line *line, double done, size_t count) {
    char text[LONGEST], left[LEFT_SIZE];
    const double now = tool_now();
    if (done <= line->done) line->started = now; /* the next thing is counted under the same name */
    line->done = done;
    if (line->quiet || now - line->shown < (lt_line_watched() ? 0.2 : 30)) return !lt_stop_asked(NULL);
    line->shown = now;
    const bool known = done > 0 && now > line->started;
    time_left(known ? (now - line->started) / done * ((double)count - done) : 0, left);
    snprintf(text, sizeof text, "%s %zu/%zu%s%s", line->what, (size_t)done, count, known ? ", " : "",
             known ? left : "");
    lt_line_show(&line->line, text);
    return !lt_stop_asked(NULL);
}

bool lt_count_show_whole(void *user, size_t done, size_t count) { return lt_count_show(user, (double)done, count); }

void lt_count_end(lt_count_line *line) { lt_line_clear(&line->line); } /* what was counted is told elsewhere */
