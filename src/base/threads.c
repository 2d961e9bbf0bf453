/* Teams of threads. A loop is published as a ticket: its number, and how many of its pieces are left to take. Whoever
 * lowers the ticket by one owns a piece; the loop has ended when as many pieces are done as there were. */
#include "base/threads.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

enum {
    SPIN_ROUNDS = 32, /* looks at the ticket between two looks at the clock */
    LEFT_BITS = 32,   /* of a ticket: the pieces left; the loop's number is above them */
    STACK = 4 << 20
};
static const double spin_seconds = 80e-6, watch_seconds = 4e-3;

typedef struct worker {
    struct lt_team *team;
    pthread_t thread;
    int number;
} worker;

struct lt_team {
    int threads;
    int helpers; /* workers that are woken: no more than there are cores for */
    worker *workers;

    /* The loop; it changes only while no piece is left. */
    _Atomic(lt_body *) body;
    _Atomic(const void *) context;
    atomic_size_t count, piece, pieces;
    atomic_int limit; /* thread numbers below this may take part */
    atomic_uint_fast64_t ticket;
    atomic_size_t undone; /* pieces */

    pthread_mutex_t lock;
    pthread_cond_t published, finished;
    atomic_int sleepers;         /* workers that wait for `published` */
    atomic_bool caller_sleeps;   /* waits for `finished` */
    atomic_bool ending, stopped; /* the team's end; a watch said stop */

    bool (*stop)(void *user);
    void *user;
    double asked; /* when stop was */
};

static _Thread_local lt_team *current;

/* ---- Pieces ---- */

static size_t left_of(uint_fast64_t ticket) { return (size_t)(ticket & ((UINT64_C(1) << LEFT_BITS) - 1)); }

static void run_piece(lt_team *t, size_t number, int thread, bool skip) {
    const size_t piece = atomic_load_explicit(&t->piece, memory_order_relaxed), first = number * piece;
    const size_t end = lt_min(first + piece, atomic_load_explicit(&t->count, memory_order_relaxed));
    lt_body *body = atomic_load_explicit(&t->body, memory_order_relaxed);
    const void *context = atomic_load_explicit(&t->context, memory_order_relaxed);
    for (size_t i = first; i < end && !skip; i++) body(context, i, thread);
}

/* The last piece wakes the caller; it looks at `undone` again, under the lock, before it sleeps. */
static void finish_piece(lt_team *t) {
    if (atomic_fetch_sub(&t->undone, 1) != 1 || !atomic_load(&t->caller_sleeps)) return;
    pthread_mutex_lock(&t->lock);
    pthread_cond_signal(&t->finished);
    pthread_mutex_unlock(&t->lock);
}

/* Takes a piece and runs it. False: none is left for this thread. */
static bool take_piece(lt_team *t, int thread) {
    uint_fast64_t ticket = atomic_load(&t->ticket);
    do {
        if (!left_of(ticket) || thread >= atomic_load_explicit(&t->limit, memory_order_relaxed)) return false;
    } while (!atomic_compare_exchange_weak(&t->ticket, &ticket, ticket - 1));
    /* the piece is this loop's: its fields stay until the piece is done */
    const size_t pieces = atomic_load_explicit(&t->pieces, memory_order_relaxed);
    run_piece(t, pieces - left_of(ticket), thread, atomic_load_explicit(&t->stopped, memory_order_relaxed));
    finish_piece(t);
    return true;
}

/* ---- Waiting ---- */

static void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static bool has_work(lt_team *t, int thread) {
    return (left_of(atomic_load(&t->ticket)) && thread < atomic_load(&t->limit)) || atomic_load(&t->ending);
}

static bool is_done(lt_team *t, int thread) {
    (void)thread;
    return !atomic_load(&t->undone);
}

/* Looks for a while whether what is waited for has come; whoever else wants the core has it in between. */
static bool spin_until(lt_team *t, bool (*come)(lt_team *, int), int thread) {
    const double end = lt_now() + spin_seconds;
    do {
        for (int i = 0; i < SPIN_ROUNDS; i++) {
            if (come(t, thread)) return true;
            relax();
        }
        sched_yield();
    } while (lt_now() < end);
    return false;
}

static void wait_for_work(lt_team *t, int thread) {
    if (spin_until(t, has_work, thread)) return;
    pthread_mutex_lock(&t->lock);
    atomic_fetch_add(&t->sleepers, 1);
    while (!has_work(t, thread)) pthread_cond_wait(&t->published, &t->lock);
    atomic_fetch_sub(&t->sleepers, 1);
    pthread_mutex_unlock(&t->lock);
}

static void wait_for_end(lt_team *t) {
    if (spin_until(t, is_done, 0)) return;
    pthread_mutex_lock(&t->lock);
    atomic_store(&t->caller_sleeps, true);
    while (!is_done(t, 0)) pthread_cond_wait(&t->finished, &t->lock);
    atomic_store(&t->caller_sleeps, false);
    pthread_mutex_unlock(&t->lock);
}

/* ---- Loops ---- */

/* As many as there are pieces beside the caller's own, those included that are awake. */
static void wake(lt_team *t, size_t pieces) {
    const int asleep = atomic_load(&t->sleepers), awake = t->threads - 1 - asleep;
    const int wanted = pieces <= (size_t)t->helpers ? (int)pieces - 1 : t->helpers;
    if (wanted <= awake) return;
    pthread_mutex_lock(&t->lock);
    for (int i = awake; i < wanted; i++) pthread_cond_signal(&t->published);
    pthread_mutex_unlock(&t->lock);
}

static void publish(lt_team *t, size_t count, size_t piece, size_t pieces, int threads, lt_body *body,
                    const void *context) {
    const uint_fast64_t number = (atomic_load(&t->ticket) >> LEFT_BITS) + 1;
    atomic_store_explicit(&t->body, body, memory_order_relaxed);
    atomic_store_explicit(&t->context, context, memory_order_relaxed);
    atomic_store_explicit(&t->count, count, memory_order_relaxed);
    atomic_store_explicit(&t->piece, piece, memory_order_relaxed);
    atomic_store_explicit(&t->pieces, pieces, memory_order_relaxed);
    atomic_store_explicit(&t->limit, threads, memory_order_relaxed);
    atomic_store_explicit(&t->undone, pieces, memory_order_relaxed);
    atomic_store(&t->ticket, number << LEFT_BITS | pieces);
    wake(t, pieces);
}

static void ask_watch(lt_team *t) {
    if (!t->stop || atomic_load_explicit(&t->stopped, memory_order_relaxed)) return;
    const double now = lt_now();
    if (now - t->asked < watch_seconds) return;
    t->asked = now;
    if (t->stop(t->user)) atomic_store_explicit(&t->stopped, true, memory_order_relaxed);
}

static void share(lt_team *t, int threads, size_t count, size_t piece, lt_body *body, const void *context) {
    const size_t pieces = (count + piece - 1) / piece;
    current = NULL; /* loops within bodies are run by whoever is there */
    publish(t, count, piece, pieces, threads, body, context);
    while (take_piece(t, 0)) ask_watch(t);
    wait_for_end(t);
    current = t;
}

static void run_alone(lt_team *t, size_t count, size_t piece, lt_body *body, const void *context) {
    for (size_t i = 0; i < count; i++) {
        if (t && i % piece == 0) ask_watch(t);
        if (t && atomic_load_explicit(&t->stopped, memory_order_relaxed)) return;
        body(context, i, 0);
    }
}

void lt_parallel(int threads, size_t count, size_t piece, lt_body *body, const void *context) {
    enum { MOST_PIECES = INT_MAX };
    lt_team *t = current;
    threads = t && t->threads < threads ? t->threads : threads;
    if (piece == LT_EVENLY) piece = count / (size_t)threads + (count % (size_t)threads > 0);
    piece = lt_max(piece, count / MOST_PIECES + 1);
    if (t && threads > 1 && count > piece)
        share(t, threads, count, piece, body, context);
    else
        run_alone(t, count, piece, body, context);
}

/* ---- Teams ---- */

/* The cores that this process may use, asked for with a set of so many; 0: the system has more, or doesn't say. */
static int count_cores(size_t most) {
    cpu_set_t *set = CPU_ALLOC(most);
    if (!set) return 0;
    const size_t size = CPU_ALLOC_SIZE(most);
    const int count = sched_getaffinity(0, size, set) ? 0 : CPU_COUNT_S(size, set);
    CPU_FREE(set);
    return count;
}

int lt_core_count(void) {
    enum { MOST = 1 << 20 };
    int count = 0;
    for (size_t most = CPU_SETSIZE; !count && most <= MOST; most *= 2) count = count_cores(most);
    return count < 1 ? 1 : count > LT_MAX_THREADS ? LT_MAX_THREADS : count;
}

static void *work(void *argument) {
    const worker *w = argument;
    lt_team *t = w->team;
    while (!atomic_load(&t->ending)) {
        while (take_piece(t, w->number)) {
        }
        wait_for_work(t, w->number);
    }
    return NULL;
}

static void fill_with_others(sigset_t *all) {
    sigfillset(all);
    sigdelset(all, SIGBUS); /* base/map.h */
    sigdelset(all, SIGSEGV);
    sigdelset(all, SIGFPE);
    sigdelset(all, SIGILL);
}

int lt_thread_start(pthread_t *thread, size_t stack, void *(*body)(void *), void *user) {
    sigset_t all, before;
    pthread_attr_t attributes;
    fill_with_others(&all);
    int failed = pthread_attr_init(&attributes);
    if (failed) return failed;
    if (stack > 0) pthread_attr_setstacksize(&attributes, stack);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(thread, &attributes, body, user);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return failed;
}

/* Ends the first `started` workers. */
static void end(lt_team *t, int started) {
    pthread_mutex_lock(&t->lock);
    atomic_store(&t->ending, true);
    pthread_cond_broadcast(&t->published);
    pthread_mutex_unlock(&t->lock);
    for (int i = 0; i < started; i++) pthread_join(t->workers[i].thread, NULL);
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->published);
    pthread_cond_destroy(&t->finished);
    lt_free(t->workers);
    lt_free(t);
}

lt_status lt_team_create(int threads, lt_team **team) {
    *team = NULL;
    if (threads < 0 || threads > LT_MAX_THREADS)
        return lt_fail(LT_ERROR_ARGUMENT, "threads: %d; 1 to %d is possible, 0 is one for each core", threads,
                       LT_MAX_THREADS);
    lt_team *t = lt_calloc(1, sizeof *t);
    if (!t) return LT_ERROR_MEMORY;
    t->threads = threads ? threads : lt_core_count();
    t->helpers = (t->threads < lt_core_count() ? t->threads : lt_core_count()) - 1;
    t->workers = lt_calloc((size_t)t->threads, sizeof *t->workers);
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->published, NULL);
    pthread_cond_init(&t->finished, NULL);
    for (int i = 0; t->workers && i < t->threads - 1; i++) {
        t->workers[i] = (worker){.team = t, .number = i + 1};
        const int failed = lt_thread_start(&t->workers[i].thread, STACK, work, &t->workers[i]);
        if (!failed) continue;
        const lt_status status = lt_fail(LT_ERROR_UNSUPPORTED, "threads: %d can't be had, the system gives %d (%s)",
                                         t->threads, i + 1, strerror(failed));
        end(t, i);
        return status;
    }
    if (!t->workers) {
        end(t, 0);
        return LT_ERROR_MEMORY;
    }
    *team = t;
    return LT_OK;
}

/* ---- Cores ---- */

/* The one after `core` in set; -1: none. */
static int next_core(const cpu_set_t *set, int core) {
    for (core++; core < CPU_SETSIZE; core++)
        if (CPU_ISSET(core, set)) return core;
    return -1;
}

static int pin(pthread_t thread, int core) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    return pthread_setaffinity_np(thread, sizeof one, &one);
}

lt_status lt_team_pin(lt_team *t) {
    cpu_set_t all;
    int failed = pthread_getaffinity_np(pthread_self(), sizeof all, &all), core = failed ? -1 : next_core(&all, -1);
    for (int i = 0; i < t->threads - 1 && core >= 0 && !failed; i++)
        if ((core = next_core(&all, core)) >= 0) failed = pin(t->workers[i].thread, core);
    return failed ? lt_fail(LT_ERROR_UNSUPPORTED, "threads can't be pinned to cores here: %s", strerror(failed))
                  : LT_OK;
}

void lt_team_free(lt_team *team) {
    if (team) end(team, team->threads - 1);
}

int lt_team_size(const lt_team *team) { return team ? team->threads : 1; }

lt_team *lt_team_enter(lt_team *team) {
    lt_team *before = current;
    current = team;
    return before;
}

int lt_thread_count(void) { return lt_team_size(current); }

void lt_team_watch(lt_team *team, bool (*stop)(void *user), void *user) {
    if (!team) return;
    team->stop = stop;
    team->user = user;
    team->asked = lt_now();
    atomic_store(&team->stopped, false);
}
