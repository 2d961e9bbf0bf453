/* Python pickles, as far as PyTorch's state dictionaries need them. Reading one builds the values below and calls
 * nothing. */
#ifndef LT_PICKLE_H
#define LT_PICKLE_H

#include "formats/arena.h"

typedef enum lt_pickle_kind {
    LT_PICKLE_OPAQUE, /* anything that tensors do not need: numbers with a fraction, sets, None, strange objects */
    LT_PICKLE_INTEGER,
    LT_PICKLE_TEXT,
    LT_PICKLE_TUPLE,
    LT_PICKLE_LIST,
    LT_PICKLE_DICT,
    LT_PICKLE_GLOBAL, /* a class or function by name: "collections.OrderedDict" */
    LT_PICKLE_STORAGE,
    LT_PICKLE_TENSOR,
    LT_PICKLE_MARK /* only on the reader's stack */
} lt_pickle_kind;

typedef struct lt_pickle_value {
    lt_pickle_kind kind;
    union {
        int64_t integer;
        struct { /* text: bytes of the pickle, no NUL follows; a global's name: NUL-terminated */
            const char *data;
            size_t size;
        } text;
        struct { /* a tuple's or a list's items; a dict's keys and values by turns */
            struct lt_pickle_value **items;
            size_t count, capacity;
        } list;
        struct { /* type: a global such as torch.HalfStorage; key: the text that names it; the count elements from
                    begin on, of the whole; all unchecked */
            const struct lt_pickle_value *type, *key;
            int64_t begin, count, whole;
        } storage;
        struct { /* shape, stride: tuples of integers, equally long; all values as the pickle has them, unchecked */
            const struct lt_pickle_value *storage, *shape, *stride;
            const struct lt_pickle_value *dtype; /* a global such as torch.float8_e4m3fn; NULL: that of the storage */
            int64_t offset;
        } tensor;
        const struct lt_pickle_value *maker; /* opaque: the global that made it, or NULL */
    };
} lt_pickle_value;

typedef struct lt_pickle {
    const lt_pickle_value *root;
    lt_pickle_value **storages; /* each time that one is mentioned */
    size_t storage_count;
    size_t size; /* bytes of the pickle: more may follow it */
    lt_arena arena;
} lt_pickle;

/* Reads a pickle of protocol 2 to 5; its bytes must outlive it. Values refer to each other as the pickle says, so that
 * a dict may be reached along many ways and may hold itself: whoever walks them sets bounds. Memory is bounded by the
 * pickle's size, and by 256 MB. */
lt_status lt_pickle_read(const uint8_t *data, size_t size, lt_pickle *pickle);
void lt_pickle_free(lt_pickle *pickle);

/* The value that dict has for a text key; NULL if there is none. */
const lt_pickle_value *lt_pickle_get(const lt_pickle_value *dict, const char *key);

#endif
