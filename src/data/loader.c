/* Batches, read ahead: a thread fills one of two slots while the trainer works on the other.
 *
 * What is in a batch follows from the place where it begins and from which pictures can be read, never from when the
 * thread ran: so that a training that starts again at a batch's place sees the same batches. Failures and notices wait
 * in the slot until the trainer comes for it. */
#include "data/dataset.h"
#include "data/readers.h"

#include "base/threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

typedef struct slot {
    lt_batch batch;
    bool full; /* guarded by the loader's lock; everything else is its holder's: the thread's while it is empty */
    lt_status status;
    char message[1024]; /* of a failure */
    lt_buffer notices;  /* strings, each with its NUL */
    size_t skipped;     /* pictures that this batch was the first to find broken */
} slot;

struct lt_loader {
    const lt_dataset *dataset;
    lt_picture_options options;
    uint64_t seed;
    lt_notice_fn notice;
    void *notice_user;

    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a slot became full or empty, or the loader is stopping */
    atomic_bool stopping;
    slot slots[2];

    uint64_t place; /* the thread's: where it reads next */
    bool *broken;   /* the thread's: pictures [count] that can't be read */
    size_t broken_count;

    size_t turn; /* the trainer's: the slot that comes next */
    bool taken;  /* the trainer's: that slot is in its hands */
    size_t skipped;
};

/* ---- The thread ---- */

/* A picture that can't be read: remembered, and a notice left for the trainer. */
static lt_status leave_out(lt_loader *loader, slot *s, size_t index) {
    char end[96];
    loader->broken[index] = true;
    s->skipped++;
    const int size = snprintf(end, sizeof end, "; this picture is left out (%zu of %zu)", ++loader->broken_count,
                              lt_dataset_count(loader->dataset));
    LT_TRY(lt_buffer_append(&s->notices, lt_error_message(), strlen(lt_error_message())));
    return lt_buffer_append(&s->notices, end, (size_t)size + 1);
}

/* Reads the draw's picture as number k of the batch; *read is false if the picture is broken. */
static lt_status read_picture(lt_loader *loader, slot *s, size_t k, const lt_draw *draw, bool *read) {
    *read = false;
    if (loader->broken[draw->index]) return LT_OK;
    const size_t size = (size_t)loader->options.size;
    const lt_status status = lt_dataset_load(loader->dataset, draw->index, &loader->options, draw->random,
                                             s->batch.pixels + k * size * size * 3);
    if (!status) {
        s->batch.draws[k] = *draw;
        *read = true;
        return LT_OK;
    }
    const bool its_fault = status == LT_ERROR_FILE || status == LT_ERROR_FORMAT || status == LT_ERROR_UNSUPPORTED;
    return its_fault ? leave_out(loader, s, draw->index) : status;
}

/* The pictures from loader->place on, broken ones left out, until the batch is full. */
static lt_status fill(lt_loader *loader, slot *s) {
    const size_t count = lt_dataset_count(loader->dataset);
    size_t in_vain = 0; /* places since the last picture that could be read */
    for (size_t k = 0; k < (size_t)s->batch.n;) {
        if (atomic_load(&loader->stopping)) return lt_fail(LT_ERROR_CANCELLED, "the loader is stopping");
        bool read;
        const lt_draw draw = lt_dataset_draw(loader->dataset, loader->seed, loader->place++);
        LT_TRY(read_picture(loader, s, k, &draw, &read));
        in_vain = read ? 0 : in_vain + 1;
        k += read;
        if (in_vain >= count && loader->place % count == 0)
            return lt_fail(LT_ERROR_FORMAT, "no picture of the data set's %zu can be read", count);
    }
    s->batch.place = loader->place;
    return LT_OK;
}

/* Waits until the slot is as wanted; false if the loader is stopping. */
static bool await(lt_loader *loader, const slot *s, bool full) {
    pthread_mutex_lock(&loader->lock);
    while (s->full != full && !atomic_load(&loader->stopping)) pthread_cond_wait(&loader->changed, &loader->lock);
    pthread_mutex_unlock(&loader->lock);
    return !atomic_load(&loader->stopping);
}

static void hand_over(lt_loader *loader, slot *s, bool full) {
    pthread_mutex_lock(&loader->lock);
    s->full = full;
    pthread_cond_broadcast(&loader->changed);
    pthread_mutex_unlock(&loader->lock);
}

static void *read_ahead(void *user) {
    lt_loader *loader = user;
    for (size_t turn = 0; await(loader, &loader->slots[turn], false); turn = !turn) {
        slot *s = &loader->slots[turn];
        s->notices.size = s->skipped = 0;
        s->status = fill(loader, s);
        const bool failed = s->status;
        if (failed) {
            const size_t size = lt_min(strlen(lt_error_message()), sizeof s->message - 1);
            memcpy(s->message, lt_error_message(), size);
            s->message[size] = '\0';
        }
        hand_over(loader, s, true);
        if (failed) break; /* the slot is the trainer's now, for good */
    }
    return NULL;
}

/* ---- The trainer ---- */

/* Tells what the slot's batch found broken, once. */
static void tell(lt_loader *loader, slot *s) {
    const char *text = s->notices.data, *end = text ? text + s->notices.size : NULL;
    for (; loader->notice && text < end; text += strlen(text) + 1) loader->notice(loader->notice_user, text);
    loader->skipped += s->skipped;
    s->notices.size = s->skipped = 0;
}

lt_status lt_loader_next(lt_loader *loader, const lt_batch **batch) {
    *batch = NULL;
    if (loader->taken) {
        hand_over(loader, &loader->slots[loader->turn], false);
        loader->turn = !loader->turn;
        loader->taken = false;
    }
    slot *s = &loader->slots[loader->turn];
    await(loader, s, true);
    tell(loader, s);
    if (s->status) return lt_fail(s->status, "%s", s->message);
    loader->taken = true;
    *batch = &s->batch;
    return LT_OK;
}

size_t lt_loader_skipped(const lt_loader *loader) { return loader->skipped; }

/* ---- Beginning and end ---- */

static void free_memory(lt_loader *loader) {
    for (size_t i = 0; i < LT_COUNT(loader->slots); i++) {
        lt_free(loader->slots[i].batch.pixels);
        lt_free(loader->slots[i].batch.draws);
        lt_buffer_free(&loader->slots[i].notices);
    }
    lt_free(loader->broken);
    lt_free(loader);
}

static lt_status make_slots(lt_loader *loader, int n) {
    const size_t side = (size_t)loader->options.size; /* at most 2^14, so that a picture's size is no overflow */
    size_t bytes;
    if (!lt_mul(side * side * 3 * sizeof(float), (size_t)n, &bytes))
        return lt_fail(LT_ERROR_MEMORY, "out of memory: a batch of %d picture%s of %zu pixels a side is too large", n,
                       LT_S(n), side);
    for (size_t i = 0; i < LT_COUNT(loader->slots); i++) {
        lt_batch *batch = &loader->slots[i].batch;
        *batch = (lt_batch){.n = n, .pixels = lt_alloc(bytes), .draws = lt_calloc((size_t)n, sizeof *batch->draws)};
        if (!batch->pixels || !batch->draws) return LT_ERROR_MEMORY;
    }
    loader->broken = lt_calloc(lt_dataset_count(loader->dataset), sizeof *loader->broken);
    return loader->broken ? LT_OK : LT_ERROR_MEMORY;
}

static lt_status start_thread(lt_loader *loader) {
    pthread_mutex_init(&loader->lock, NULL); /* neither can fail on Linux */
    pthread_cond_init(&loader->changed, NULL);
    const int reason = lt_thread_start(&loader->thread, 0, read_ahead, loader);
    if (!reason) return LT_OK;
    pthread_cond_destroy(&loader->changed);
    pthread_mutex_destroy(&loader->lock);
    return lt_fail(LT_ERROR_MEMORY, "the thread that reads pictures can't be started: %s", strerror(reason));
}

lt_status lt_loader_start(const lt_dataset *dataset, const lt_picture_options *options, int n, uint64_t seed,
                          uint64_t place, lt_notice_fn notice, void *notice_user, lt_loader **loader) {
    *loader = NULL;
    if (n < 1) return lt_fail(LT_ERROR_ARGUMENT, "a batch of %d pictures can't be made: 1 or more are possible", n);
    LT_TRY(lt_picture_options_check(options));
    lt_loader *started = lt_calloc(1, sizeof *started);
    if (!started) return LT_ERROR_MEMORY;
    started->dataset = dataset;
    started->options = *options;
    started->seed = seed;
    started->place = place;
    started->notice = notice;
    started->notice_user = notice_user;
    lt_status status = make_slots(started, n);
    if (!status) status = start_thread(started);
    if (status) {
        free_memory(started);
        return status;
    }
    *loader = started;
    return LT_OK;
}

void lt_loader_stop(lt_loader *loader) {
    if (!loader) return;
    pthread_mutex_lock(&loader->lock);
    atomic_store(&loader->stopping, true);
    pthread_cond_broadcast(&loader->changed);
    pthread_mutex_unlock(&loader->lock);
    pthread_join(loader->thread, NULL);
    pthread_cond_destroy(&loader->changed);
    pthread_mutex_destroy(&loader->lock);
    free_memory(loader);
}
