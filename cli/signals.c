/* Stops. */
#include "signals.h"

#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t stop; /* the signal's number */
static const char *volatile claim; /* a file that is nothing yet */
static sigset_t unheld;

static void on_signal(int number) {
    if (stop) {
        lt_remove_unfinished();
        if (claim) unlink(claim);
        signal(number, SIG_DFL);
        raise(number);
    }
    stop = number;
}

void lt_claim_hold(void) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &unheld);
}

void lt_claim_release(const char *path) {
    claim = path;
    sigprocmask(SIG_SETMASK, &unheld, NULL);
}

void lt_claim_end(void) { claim = NULL; }

void lt_stop_on_signals(void) {
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    if (signal(SIGHUP, on_signal) == SIG_IGN) signal(SIGHUP, SIG_IGN); /* under nohup */
}

void lt_stop_writing_on_signals(void) {
    lt_watch_writing(lt_stop_asked);
    lt_stop_on_signals();
}

bool lt_stop_asked(void *user) {
    (void)user;
    return stop;
}

int lt_stop_status(int status) { return status == LT_EXIT_FAILED && stop ? 128 + stop : status; }
