/* Stops. */
#include "signals.h"

#include "base/file.h"

#include <signal.h>

static volatile sig_atomic_t stop; /* the signal's number */

static void on_signal(int number) {
    if (stop) {
        lt_begun_remove();
        signal(number, SIG_DFL);
        raise(number);
    }
    stop = number;
}

void lt_stop_on_signals(void) {
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    if (signal(SIGHUP, on_signal) == SIG_IGN) signal(SIGHUP, SIG_IGN); /* under nohup */
}

void lt_stop_writing_on_signals(void) {
    lt_writer_watch(lt_stop_asked);
    lt_stop_on_signals();
}

bool lt_stop_asked(void *user) {
    (void)user;
    return stop;
}

int lt_stop_status(int status) { return status == LT_EXIT_FAILED && stop ? 128 + stop : status; }
