/* Memory for many small things that are freed together. */
#include "formats/arena.h"

#include <string.h>

struct lt_arena_block {
    struct lt_arena_block *next;
    size_t size; /* of the bytes that follow */
    _Alignas(8) uint8_t bytes[];
};

enum { BLOCK_SIZE = 64 * 1024 - sizeof(struct lt_arena_block) };

static bool grow(lt_arena *arena, size_t size) {
    const size_t bytes = lt_max(size, BLOCK_SIZE);
    size_t taken, total;
    if (!lt_add(bytes, sizeof(struct lt_arena_block), &taken) || !lt_add(arena->total, taken, &total) ||
        (arena->limit && total > arena->limit)) {
        lt_fail(LT_ERROR_MEMORY, "over %zu bytes are needed only to list what is in it: no checkpoint does that",
                arena->limit);
        return false;
    }
    struct lt_arena_block *block = lt_alloc(taken);
    if (!block) return false;
    *block = (struct lt_arena_block){.next = arena->blocks, .size = bytes};
    arena->blocks = block;
    arena->left = bytes;
    arena->total = total;
    return true;
}

void *lt_arena_alloc(lt_arena *arena, size_t size) {
    size_t rounded;
    if (!lt_add(size, 7, &rounded)) {
        lt_fail(LT_ERROR_MEMORY, "out of memory: %zu bytes can't be had", size);
        return NULL;
    }
    rounded = lt_max(rounded & ~(size_t)7, 8);
    if (rounded > arena->left && !grow(arena, rounded)) return NULL;
    void *p = arena->blocks->bytes + (arena->blocks->size - arena->left);
    arena->left -= rounded;
    return p;
}

char *lt_arena_strndup(lt_arena *arena, const char *s, size_t n) {
    char *copy = lt_arena_alloc(arena, n + 1);
    if (!copy) return NULL;
    memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

void lt_arena_free(lt_arena *arena) {
    for (struct lt_arena_block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        lt_free(block);
    }
    *arena = (lt_arena){.limit = arena->limit};
}
