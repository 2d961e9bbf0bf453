/* Memory for many small things that are freed together: what a reader makes while it reads a file. */
#ifndef LT_ARENA_H
#define LT_ARENA_H

#include "base/base.h"

typedef struct lt_arena {
    struct lt_arena_block *blocks; /* the newest first */
    size_t left;                   /* bytes free at the end of the newest */
    size_t total, limit;           /* bytes taken from lt_alloc; limit 0: no limit */
} lt_arena;

/* 8-byte aligned, not cleared; NULL (and the message) when memory or the limit is spent. Zero an arena to start it. */
void *lt_arena_alloc(lt_arena *arena, size_t size);
char *lt_arena_strndup(lt_arena *arena, const char *s, size_t n);
void lt_arena_free(lt_arena *arena);

#endif
