/* Errors, memory and the few helpers that every room uses. */
#include "base/base.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

/* ---- Errors ---- */

static _Thread_local lt_message message;

const char *lt_error_message(void) { return message.text; }
void lt_message_keep(lt_message *kept) { strcpy(kept->text, message.text); }
void lt_message_restore(const lt_message *kept) { strcpy(message.text, kept->text); }
const char *lt_version(void) { return LT_VERSION; }

/* Both make the text apart, because an argument may be the old message itself. */
lt_status lt_fail(lt_status code, const char *format, ...) {
    char text[sizeof message];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(message.text, text, strlen(text) + 1);
    return code;
}

/* True of "a.png: broken" and of "model/unet.json: broken" in "a.png" and "model": a file is named once. */
static bool names(const char *said, const char *context, size_t n) {
    return n && !strncmp(said, context, n) && (said[n] == ':' || said[n] == '/' || context[n - 1] == '/');
}

lt_status lt_fail_in(lt_status code, const char *format, ...) {
    char text[2 * sizeof message + 2]; /* room for both, and what is between them */
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(text, sizeof message, format, args);
    va_end(args);
    if (n < 0) return code;
    const size_t used = lt_min((size_t)n, sizeof message - 1);
    if (names(message.text, text, used)) return code;
    snprintf(text + used, sizeof text - used, ": %s", message.text);
    text[sizeof message - 1] = '\0';
    memcpy(message.text, text, strlen(text) + 1);
    return code;
}

void lt_join_names(const char *const *names, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; names[i] && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", names[i]);
}

void lt_notify(const lt_listener *listener, const char *format, ...) {
    if (!listener->tell) return;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    listener->tell(listener->user, text);
}

/* ---- Memory ---- */

static atomic_size_t allocations_left = SIZE_MAX;
static atomic_bool allocation_failed = false;

void lt_alloc_fail_at(size_t n) {
    atomic_store(&allocation_failed, false);
    atomic_store(&allocations_left, n);
}

bool lt_alloc_failed(void) { return atomic_load(&allocation_failed); }

static bool should_fail(void) {
    if (atomic_load_explicit(&allocations_left, memory_order_relaxed) == SIZE_MAX) return false;
    if (atomic_fetch_sub(&allocations_left, 1) != 0) return false;
    atomic_store(&allocations_left, SIZE_MAX);
    atomic_store(&allocation_failed, true);
    return true;
}

enum { LINE = 64, LARGE_PAGE = 2 << 20 };

/* Much memory lies in large pages where the system has them: when it is first written it costs a tenth of the faults,
 * and later fewer searches for where it is. What is no whole large page stays as it is, so that no memory is lost. */
static void *allocate(size_t size) {
    if (size < LARGE_PAGE) return aligned_alloc(LINE, size);
    void *p;
    if (posix_memalign(&p, LARGE_PAGE, size)) return NULL;
    madvise(p, size / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE); /* else they are small */
    return p;
}

void *lt_alloc(size_t size) {
    size_t rounded;
    void *p = NULL;
    if (lt_add(size, LINE - 1, &rounded) && !should_fail()) p = allocate(lt_max(rounded / LINE * LINE, LINE));
    if (!p) lt_fail(LT_ERROR_MEMORY, "out of memory: %zu bytes can't be had", size);
    return p;
}

void *lt_calloc(size_t count, size_t size) {
    size_t total;
    if (!lt_mul(count, size, &total)) {
        lt_fail(LT_ERROR_MEMORY, "out of memory: %zu times %zu bytes can't be had", count, size);
        return NULL;
    }
    void *p = lt_alloc(total);
    return p ? memset(p, 0, total) : NULL;
}

void *lt_realloc(void *p, size_t old_size, size_t size) {
    void *q = lt_alloc(size);
    if (!q) return NULL;
    if (p) memcpy(q, p, lt_min(old_size, size));
    lt_free(p);
    return q;
}

/* The pointer is copied as bytes: what it points to may be of any type. */
lt_status lt_grow(void *items, size_t count, size_t *capacity, size_t size) {
    if (count < *capacity) return LT_OK;
    const size_t larger = *capacity ? 2 * *capacity : 16;
    void *all;
    size_t bytes;
    if (*capacity > SIZE_MAX / 2 || !lt_mul(larger, size, &bytes))
        return lt_fail(LT_ERROR_MEMORY, "out of memory: more than %zu items of %zu bytes can't be had", count, size);
    memcpy(&all, items, sizeof all);
    all = lt_realloc(all, count * size, bytes);
    if (!all) return LT_ERROR_MEMORY;
    memcpy(items, &all, sizeof all);
    *capacity = larger;
    return LT_OK;
}

void lt_free(void *p) { free(p); }

char *lt_strdup(const char *s) { return lt_strndup(s, strlen(s)); }

char *lt_strndup(const char *s, size_t n) {
    char *copy = lt_alloc(n + 1);
    if (!copy) return NULL;
    memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

static __attribute__((format(printf, 1, 0))) char *format_list(const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    const int n = vsnprintf(NULL, 0, format, args);
    char *s = n < 0 ? NULL : lt_alloc((size_t)n + 1);
    if (s) vsnprintf(s, (size_t)n + 1, format, again);
    va_end(again);
    return s;
}

char *lt_format(const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *s = format_list(format, args);
    va_end(args);
    return s;
}

/* ---- Numbers ---- */

/* All bits of the exponent are set in what is no number. Without a branch for each, so that it becomes vectors. */
static bool are_finite(const float *values, size_t n) {
    enum { EXPONENT = 0x7F800000 };
    uint32_t others = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        others |= (bits & EXPONENT) == EXPONENT;
    }
    return !others;
}

bool lt_all_finite(const float *values, size_t n) {
    enum { AT_ONCE = 4096 };
    for (size_t i = 0; i < n; i += AT_ONCE)
        if (!are_finite(values + i, lt_min(n - i, AT_ONCE))) return false;
    return true;
}

double lt_deviation(const float *values, size_t n) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += (double)values[i];
    for (size_t i = 0; i < n; i++)
        squares += ((double)values[i] - sum / (double)n) * ((double)values[i] - sum / (double)n);
    return sqrt(squares / (double)n);
}

/* ---- Hashes ---- */

uint64_t lt_hash_bytes(uint64_t hash, const void *bytes, size_t size) {
    const uint8_t *b = bytes;
    for (size_t i = 0; i < size; i++) hash = (hash ^ b[i]) * UINT64_C(0x100000001B3);
    return hash;
}

uint64_t lt_checksum(const void *bytes, size_t size) {
    enum { LANES = 8 }; /* multiplications that don't wait for each other */
    uint64_t sums[LANES] = {0}, word;
    const char *b = bytes;
    size_t i = 0;
    for (; i + sizeof sums <= size; i += sizeof sums)
        for (size_t k = 0; k < LANES; k++) {
            memcpy(&word, b + i + k * sizeof word, sizeof word);
            sums[k] = (sums[k] ^ word) * UINT64_C(0x9E3779B97F4A7C15);
            sums[k] ^= sums[k] >> 32;
        }
    return lt_hash_bytes(lt_hash_bytes(LT_HASH_START, sums, sizeof sums), b ? b + i : NULL, size - i);
}

/* ---- Time ---- */

double lt_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- Growing string ---- */

lt_status lt_buffer_append(lt_buffer *b, const void *data, size_t size) {
    size_t needed;
    if (!lt_add(b->size, size, &needed) || !lt_add(needed, 1, &needed))
        return lt_fail(LT_ERROR_MEMORY, "out of memory: %zu more bytes can't be had", size);
    if (needed > b->capacity) {
        const size_t capacity = b->capacity > SIZE_MAX / 2 ? needed : lt_max(2 * b->capacity, needed);
        char *grown = lt_realloc(b->data, b->size, capacity);
        if (!grown) return LT_ERROR_MEMORY;
        b->data = grown;
        b->capacity = capacity;
    }
    if (size) memcpy(b->data + b->size, data, size);
    b->size += size;
    b->data[b->size] = '\0';
    return LT_OK;
}

lt_status lt_buffer_printf(lt_buffer *b, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *text = format_list(format, args);
    va_end(args);
    const lt_status status = text ? lt_buffer_append(b, text, strlen(text)) : LT_ERROR_MEMORY;
    lt_free(text);
    return status;
}

void lt_buffer_free(lt_buffer *b) {
    lt_free(b->data);
    *b = (lt_buffer){0};
}
