/* A file of tensors that a model may have, and changes of them: names, shapes, types. What they hold are zeros. */
#ifndef LT_FUZZ_CHANGES_H
#define LT_FUZZ_CHANGES_H

#include "formats/readers.h"
#include "fuzz_model.h"

#include <sys/mman.h>

enum {
    MOST = 1024 /* tensors */,
    NAME = 128,
    CHANGE = 4, /* bytes: which tensor (two), how, and to what */
    LARGEST_FILE = 1 << 26,
};

typedef struct shapes {
    lt_tensor tensors[MOST];
    char names[MOST][NAME];
    size_t count;
} shapes;

static inline void begin_with(const lt_tensor_list *list, shapes *s) {
    if (list->count > MOST) abort();
    for (s->count = 0; s->count < list->count; s->count++) {
        s->tensors[s->count] = list->tensors[s->count];
        s->tensors[s->count].dtype = LT_F16;
        snprintf(s->names[s->count], NAME, "%s", list->tensors[s->count].name);
    }
}

static const size_t sizes[] = {0,   1,   2,   3,   4,   5,   6,    7,    8,     9,       10,      12,     15,
                               16,  17,  20,  31,  32,  33,  48,   63,   64,    65,      77,      96,     100,
                               128, 192, 255, 256, 320, 512, 640,  768,  10,    77,      24,      960,    100,
                               128, 130, 257, 300, 400, 500, 1024, 4096, 65536, 1 << 20, 1048577, 1 << 30};

/* Another number in a name: "input_blocks.1.0" becomes "input_blocks.7.0". */
static inline void change_digit(char *name, uint8_t value) {
    size_t digits = 0, which;
    for (const char *c = name; *c; c++) digits += *c >= '0' && *c <= '9';
    if (!digits) return;
    which = value / 10 % digits;
    for (char *c = name; *c; c++)
        if (*c >= '0' && *c <= '9' && !which--) *c = (char)('0' + value % 10);
}

static inline void swap_sizes(lt_tensor *t) {
    const size_t first = t->shape[0];
    t->shape[0] = t->shape[1];
    t->shape[1] = first;
}

static inline void change(shapes *s, const uint8_t *c) {
    enum { REMOVE, RANK, TYPE, LIKE, RENAME, DIGIT, SWAP, SIZE /* of dimension how - SIZE */, WAYS = SIZE + 4 };
    const size_t i = (size_t)(c[0] << 8 | c[1]) % s->count, other = c[3] % s->count;
    lt_tensor *t = &s->tensors[i];
    const int how = c[2] % WAYS;
    switch (how) {
    case REMOVE: s->names[i][0] = '\0'; break; /* as no model calls one */
    case RANK: t->rank = c[3] % (LT_MAX_RANK + 1); break;
    case TYPE: t->dtype = (lt_dtype)(c[3] % LT_DTYPE_COUNT); break;
    case LIKE: *t = s->tensors[other]; break;
    case RENAME: memcpy(s->names[i], s->names[other], NAME); break;
    case DIGIT: change_digit(s->names[i], c[3]); break;
    case SWAP: swap_sizes(t); break;
    default: t->shape[how - SIZE] = sizes[c[3] % LT_COUNT(sizes)];
    }
}

/* So many zeros, and nothing that could be read behind them. */
static inline const void *zeros(size_t bytes) {
    static const char *room;
    if (!room) room = mmap(NULL, LARGEST_FILE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return room + LARGEST_FILE - bytes;
}

static inline lt_status add_tensors(const shapes *s, lt_checkpoint *file) {
    for (size_t i = 0; i < s->count; i++) {
        lt_tensor t = s->tensors[i];
        t.data = zeros(fuzz_bytes(&t));
        t.type = "F6"; /* which only a foreign one has */
        lt_tensor_set_contiguous(&t);
        if (*s->names[i]) LT_TRY(lt_checkpoint_add(file, s->names[i], strlen(s->names[i]), &t));
    }
    return lt_checkpoint_finish(file);
}

static inline size_t total(const shapes *s) {
    size_t sum = 0;
    for (size_t i = 0; i < s->count; i++)
        if (!lt_add(sum, fuzz_bytes(&s->tensors[i]), &sum)) return SIZE_MAX;
    return sum;
}

#endif
