/* Tests that share loops out, as plans do, by teams of so many threads. */
#ifndef LT_TEST_TEAM_H
#define LT_TEST_TEAM_H

#include "base/threads.h"

#include <stdlib.h>

enum { MOST_TEST_THREADS = 8 };

static lt_team *test_teams[MOST_TEST_THREADS + 1];

static inline void free_test_teams(void) {
    lt_team_enter(NULL);
    for (int i = 0; i <= MOST_TEST_THREADS; i++) lt_team_free(test_teams[i]);
}

/* The calling thread's loops are run by so many threads from now on. */
static inline void use_threads(int threads) {
    static bool registered;
    if (!registered) atexit(free_test_teams);
    registered = true;
    if (!test_teams[threads] && lt_team_create(threads, &test_teams[threads]) != LT_OK) abort();
    lt_team_enter(test_teams[threads]);
}

#endif
