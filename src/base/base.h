/* Errors, memory and the few helpers that every room uses. */
#ifndef LT_BASE_H
#define LT_BASE_H

#include "latent.h"

#include <stdarg.h>

/* ---- Errors: values, with a message for a person (lt_fail, lt_fail_in) ---- */

/* The calling thread's message, for whoever must put it back (base/door.h). */
typedef struct lt_message {
    char text[1024];
} lt_message;
void lt_message_keep(lt_message *kept);
void lt_message_restore(const lt_message *kept);

/* Leaves the function when expr fails. Use it only where there is nothing to clean up. */
#define LT_TRY(expr)                                                                                                   \
    do {                                                                                                               \
        const lt_status lt_try_status_ = (expr);                                                                       \
        if (lt_try_status_) return lt_try_status_;                                                                     \
    } while (0)

/* Joins a NULL-terminated list with ", " for a message; cut where text is full. */
void lt_join_names(const char *const *names, char *text, size_t size);

/* Who is told what a caller's user should know; nobody where tell is NULL. */
typedef struct lt_listener {
    lt_notice_fn tell;
    void *user;
} lt_listener;
void lt_notify(const lt_listener *listener, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- Memory: every allocation goes through here, so that tests can make each one fail ---- */

void *lt_alloc(size_t size);                /* 64-byte aligned, not cleared; NULL (and the message) on failure */
void *lt_calloc(size_t count, size_t size); /* cleared, the product checked */
void *lt_realloc(void *p, size_t old_size, size_t size); /* p stays valid on failure */
void lt_free(void *p);                                   /* NULL is fine */
/* Room for one more item in an array of count, whose capacity doubles: LT_TRY(LT_GROW(items, count, capacity)). On
 * failure all three stay as they are. */
#define LT_GROW(items, count, capacity) lt_grow(&(items), count, &(capacity), sizeof *(items))
lt_status lt_grow(void *items, size_t count, size_t *capacity, size_t size); /* items: the address of the pointer */
char *lt_strdup(const char *s);
char *lt_strndup(const char *s, size_t n);
char *lt_format(const char *format, ...) __attribute__((format(printf, 1, 2))); /* an allocated string, or NULL */

/* Test hook: the n-th allocation of this process from now (0 = the next) fails, once; SIZE_MAX switches it off. */
void lt_alloc_fail_at(size_t n);
/* Test hook: true when the allocation asked for by lt_alloc_fail_at was reached. */
bool lt_alloc_failed(void);

/* ---- Arithmetic on untrusted sizes ---- */

static inline bool lt_mul(size_t a, size_t b, size_t *product) { return !__builtin_mul_overflow(a, b, product); }
static inline bool lt_add(size_t a, size_t b, size_t *sum) { return !__builtin_add_overflow(a, b, sum); }

/* Neither an infinity nor a NaN among n floats. */
bool lt_all_finite(const float *values, size_t n);

/* The standard deviation of n floats. */
double lt_deviation(const float *values, size_t n);

/* A stretch of somebody else's bytes: a mapped file, or a part of one. */
typedef struct lt_bytes {
    const uint8_t *data;
    size_t size;
} lt_bytes;

#define LT_COUNT(array) (sizeof(array) / sizeof((array)[0]))
/* The end of a noun that n counts: "%d step%s". */
#define LT_S(n) ((n) == 1 ? "" : "s")
static inline size_t lt_min(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t lt_max(size_t a, size_t b) { return a > b ? a : b; }
static inline size_t lt_round_up(size_t n, size_t multiple) { return (n + multiple - 1) / multiple * multiple; }

/* FNV-1a, of what is no secret: begin with LT_HASH_START. */
#define LT_HASH_START UINT64_C(0xCBF29CE484222325)
uint64_t lt_hash_bytes(uint64_t hash, const void *bytes, size_t size);

/* A sum of bytes as fast as memory: what was flipped by accident is found. */
uint64_t lt_checksum(const void *bytes, size_t size);

/* Seconds on a clock that only goes forward. */
double lt_now(void);

/* ---- A growing string of bytes, for writers ---- */

typedef struct lt_buffer {
    char *data; /* always followed by a NUL that size does not count */
    size_t size, capacity;
} lt_buffer;

lt_status lt_buffer_append(lt_buffer *b, const void *data, size_t size);
lt_status lt_buffer_printf(lt_buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void lt_buffer_free(lt_buffer *b);

#endif
