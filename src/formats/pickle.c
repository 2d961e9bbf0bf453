/* Python pickles, as far as PyTorch's state dictionaries need them.
 *
 * A pickle is a program for a stack machine (CPython's Lib/pickletools.py describes each opcode). This one knows the
 * opcodes that protocols 2 to 5 write for dictionaries, tuples, lists, numbers, texts and objects. It calls nothing: an
 * object becomes the tensor that PyTorch would rebuild, a dictionary, or an opaque value. Names outside of the
 * libraries that checkpoints mention are refused, because a file that asks for os.system deserves a loud answer. */
#include "formats/pickle.h"

#include <string.h>

enum {
    MEMORY_LIMIT = 256 << 20,
    NAME_LIMIT = 200, /* bytes of a module's or a class's name */
    FIRST_CAPACITY = 16
};

typedef struct reader {
    const uint8_t *at, *begin, *end;
    lt_arena *arena;
    lt_pickle_value **stack;
    size_t depth, stack_capacity;
    lt_pickle_value **memo;
    size_t memo_count, memo_capacity;
    lt_pickle_value **storages;
    size_t storage_count, storage_capacity;
    lt_pickle_value *opaque, *mark; /* shared by all that need no more than their kind */
    bool stopped;
} reader;

static lt_status broken(const reader *r, const char *what) {
    return lt_fail(LT_ERROR_FORMAT, "the pickle is broken at byte %zu: %s", (size_t)(r->at - r->begin), what);
}

/* ---- Values ---- */

static lt_pickle_value *new_value(reader *r, lt_pickle_kind kind) {
    lt_pickle_value *value = lt_arena_alloc(r->arena, sizeof *value);
    if (value) *value = (lt_pickle_value){.kind = kind};
    return value;
}

/* Room for one more pointer; the array that is left behind stays in the arena, so at most half is waste. */
static lt_status reserve(reader *r, lt_pickle_value ***items, size_t count, size_t *capacity) {
    if (count < *capacity) return LT_OK;
    const size_t more = *capacity ? 2 * *capacity : FIRST_CAPACITY;
    lt_pickle_value **grown = lt_arena_alloc(r->arena, more * sizeof(lt_pickle_value *));
    if (!grown) return LT_ERROR_MEMORY;
    if (count) memcpy(grown, *items, count * sizeof(lt_pickle_value *));
    *items = grown;
    *capacity = more;
    return LT_OK;
}

static lt_status dict_add(reader *r, lt_pickle_value *dict, lt_pickle_value *key, lt_pickle_value *value) {
    LT_TRY(reserve(r, &dict->list.items, dict->list.count, &dict->list.capacity)); /* even: room for two */
    dict->list.items[dict->list.count++] = key;
    dict->list.items[dict->list.count++] = value;
    return LT_OK;
}

const lt_pickle_value *lt_pickle_get(const lt_pickle_value *dict, const char *key) {
    const size_t size = strlen(key);
    for (size_t i = 0; i < dict->list.count; i += 2) {
        const lt_pickle_value *k = dict->list.items[i];
        if (k->kind == LT_PICKLE_TEXT && k->text.size == size && memcmp(k->text.data, key, size) == 0)
            return dict->list.items[i + 1];
    }
    return NULL;
}

/* ---- The stack ---- */

static lt_status push(reader *r, lt_pickle_value *value) {
    if (!value) return LT_ERROR_MEMORY;
    LT_TRY(reserve(r, &r->stack, r->depth, &r->stack_capacity));
    r->stack[r->depth++] = value;
    return LT_OK;
}

/* The topmost count values, none of them a mark; they stay in the stack's memory when popped, until the next push. */
static lt_status pop(reader *r, size_t count, lt_pickle_value ***values) {
    if (count > r->depth) return broken(r, "too little is on the stack");
    for (size_t i = r->depth - count; i < r->depth; i++)
        if (r->stack[i]->kind == LT_PICKLE_MARK) return broken(r, "a mark is where a value should be");
    r->depth -= count;
    *values = r->stack + r->depth;
    return LT_OK;
}

/* The values above the topmost mark, and the mark itself. */
static lt_status pop_mark(reader *r, lt_pickle_value ***values, size_t *count) {
    size_t at = r->depth;
    while (at > 0 && r->stack[at - 1]->kind != LT_PICKLE_MARK) at--;
    if (at == 0) return broken(r, "a mark is missing");
    *values = r->stack + at;
    *count = r->depth - at;
    r->depth = at - 1;
    return LT_OK;
}

static lt_status top(reader *r, lt_pickle_value **value) {
    if (r->depth == 0 || r->stack[r->depth - 1]->kind == LT_PICKLE_MARK) return broken(r, "too little is on the stack");
    *value = r->stack[r->depth - 1];
    return LT_OK;
}

/* ---- What follows an opcode ---- */

static lt_status take(reader *r, uint64_t size, const uint8_t **bytes) {
    if (size > (uint64_t)(r->end - r->at)) return broken(r, "it is cut off");
    *bytes = r->at;
    r->at += size;
    return LT_OK;
}

static lt_status take_number(reader *r, int bytes, uint64_t *number) {
    const uint8_t *p = NULL;
    LT_TRY(take(r, (uint64_t)bytes, &p));
    *number = 0;
    for (int i = bytes - 1; i >= 0; i--) *number = *number << 8 | p[i];
    return LT_OK;
}

/* A length of so many bytes, then as many bytes as it says. */
static lt_status take_counted(reader *r, int length_bytes, const uint8_t **bytes, size_t *size) {
    uint64_t length = 0;
    LT_TRY(take_number(r, length_bytes, &length));
    LT_TRY(take(r, length, bytes));
    *size = (size_t)length;
    return LT_OK;
}

static lt_status take_line(reader *r, const uint8_t **line, size_t *size) {
    const uint8_t *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
    if (!newline) return broken(r, "it is cut off");
    *line = r->at;
    *size = (size_t)(newline - r->at);
    r->at = newline + 1;
    return LT_OK;
}

/* ---- Opcodes: simple values. Each function serves those opcodes whose row in the table below names it, with that
 * row's number ---- */

static lt_status op_protocol(reader *r, int bytes) {
    uint64_t version = 0;
    LT_TRY(take_number(r, bytes, &version));
    return version >= 2 && version <= 5 ? LT_OK : broken(r, "its protocol isn't 2 to 5");
}

static lt_status op_frame(reader *r, int bytes) {
    uint64_t size = 0;
    LT_TRY(take_number(r, bytes, &size));
    return size <= (uint64_t)(r->end - r->at) ? LT_OK : broken(r, "it is cut off");
}

/* None, booleans, floats (bytes long), empty sets. */
static lt_status op_opaque(reader *r, int bytes) {
    const uint8_t *skipped = NULL;
    LT_TRY(take(r, (uint64_t)bytes, &skipped));
    return push(r, r->opaque);
}

/* Byte strings, whose length takes length_bytes. */
static lt_status op_bytes(reader *r, int length_bytes) {
    const uint8_t *bytes = NULL;
    size_t size = 0;
    LT_TRY(take_counted(r, length_bytes, &bytes, &size));
    return push(r, r->opaque);
}

static lt_status push_integer(reader *r, int64_t integer) {
    lt_pickle_value *value = new_value(r, LT_PICKLE_INTEGER);
    if (value) value->integer = integer;
    return push(r, value);
}

/* Four bytes are signed, fewer are not. */
static lt_status op_integer(reader *r, int bytes) {
    uint64_t number = 0;
    LT_TRY(take_number(r, bytes, &number));
    return push_integer(r, bytes == 4 ? (int32_t)(uint32_t)number : (int64_t)number);
}

/* Two's complement of any length; what 64 bits can't hold is no size of anything. */
static lt_status op_long(reader *r, int length_bytes) {
    const uint8_t *bytes = NULL;
    size_t size = 0;
    LT_TRY(take_counted(r, length_bytes, &bytes, &size));
    if (size > 8) return push(r, r->opaque);
    uint64_t number = size && bytes[size - 1] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = size; i > 0; i--) number = number << 8 | bytes[i - 1];
    return push_integer(r, (int64_t)number);
}

static lt_status op_text(reader *r, int length_bytes) {
    const uint8_t *bytes = NULL;
    size_t size = 0;
    LT_TRY(take_counted(r, length_bytes, &bytes, &size));
    lt_pickle_value *value = new_value(r, LT_PICKLE_TEXT);
    if (value) {
        value->text.data = (const char *)bytes;
        value->text.size = size;
    }
    return push(r, value);
}

/* ---- Opcodes: the stack and the memo ---- */

static lt_status op_mark(reader *r, int unused) {
    (void)unused;
    return push(r, r->mark);
}

static lt_status op_pop(reader *r, int unused) {
    (void)unused;
    if (r->depth == 0) return broken(r, "too little is on the stack");
    r->depth--;
    return LT_OK;
}

static lt_status op_pop_mark(reader *r, int unused) {
    (void)unused;
    lt_pickle_value **values;
    size_t count;
    return pop_mark(r, &values, &count);
}

static lt_status op_duplicate(reader *r, int unused) {
    (void)unused;
    lt_pickle_value *value = NULL;
    LT_TRY(top(r, &value));
    return push(r, value);
}

/* Picklers number what they remember from 0 on, so no index reaches the number of bytes read. */
static lt_status remember(reader *r, uint64_t index) {
    lt_pickle_value *value = NULL;
    LT_TRY(top(r, &value));
    if (index >= (uint64_t)(r->at - r->begin)) return broken(r, "a memo index is too large");
    while (r->memo_count <= index) {
        LT_TRY(reserve(r, &r->memo, r->memo_count, &r->memo_capacity));
        r->memo[r->memo_count++] = NULL;
    }
    r->memo[index] = value;
    return LT_OK;
}

static lt_status op_put(reader *r, int bytes) {
    uint64_t index = 0;
    LT_TRY(take_number(r, bytes, &index));
    return remember(r, index);
}

static lt_status op_memoize(reader *r, int unused) {
    (void)unused;
    return remember(r, r->memo_count);
}

static lt_status op_get(reader *r, int bytes) {
    uint64_t index = 0;
    LT_TRY(take_number(r, bytes, &index));
    if (index >= r->memo_count || !r->memo[index]) return broken(r, "a memo entry is missing");
    return push(r, r->memo[index]);
}

/* ---- Opcodes: collections ---- */

static lt_status push_tuple(reader *r, lt_pickle_value **items, size_t count) {
    lt_pickle_value *tuple = new_value(r, LT_PICKLE_TUPLE);
    lt_pickle_value **copy = lt_arena_alloc(r->arena, count * sizeof *copy);
    if (!tuple || !copy) return LT_ERROR_MEMORY;
    if (count) memcpy(copy, items, count * sizeof *copy);
    tuple->list.items = copy;
    tuple->list.count = tuple->list.capacity = count;
    return push(r, tuple);
}

/* Of so many items. */
static lt_status op_tuple(reader *r, int count) {
    lt_pickle_value **items = NULL;
    LT_TRY(pop(r, (size_t)count, &items));
    return push_tuple(r, items, (size_t)count);
}

static lt_status op_tuple_from_mark(reader *r, int unused) {
    (void)unused;
    lt_pickle_value **items = NULL;
    size_t count = 0;
    LT_TRY(pop_mark(r, &items, &count));
    return push_tuple(r, items, count);
}

static lt_status op_dict(reader *r, int unused) {
    (void)unused;
    return push(r, new_value(r, LT_PICKLE_DICT));
}

static lt_status op_list(reader *r, int unused) {
    (void)unused;
    return push(r, new_value(r, LT_PICKLE_LIST));
}

static lt_status op_list_from_mark(reader *r, int unused) {
    LT_TRY(op_tuple_from_mark(r, unused));
    r->stack[r->depth - 1]->kind = LT_PICKLE_LIST;
    return LT_OK;
}

/* A frozen set: nothing of it is kept. */
static lt_status op_opaque_from_mark(reader *r, int unused) {
    LT_TRY(op_pop_mark(r, unused));
    return push(r, r->opaque);
}

/* So many items for the list below them, or (0) those above the mark. What else takes items is opaque and keeps none.
 */
static lt_status op_append(reader *r, int count) {
    lt_pickle_value **items = NULL, *list = NULL;
    size_t marked = 0;
    LT_TRY(count ? pop(r, (size_t)count, &items) : pop_mark(r, &items, &marked));
    LT_TRY(top(r, &list));
    const size_t added = list->kind == LT_PICKLE_LIST ? lt_max((size_t)count, marked) : 0;
    for (size_t i = 0; i < added; i++) {
        LT_TRY(reserve(r, &list->list.items, list->list.count, &list->list.capacity));
        list->list.items[list->list.count++] = items[i];
    }
    return LT_OK;
}

/* Keys and values for the dict below them; what else takes items is opaque and keeps none. */
static lt_status set_items(reader *r, lt_pickle_value **items, size_t count) {
    lt_pickle_value *dict = NULL;
    LT_TRY(top(r, &dict));
    if (count % 2) return broken(r, "a key has no value");
    for (size_t i = 0; i < count && dict->kind == LT_PICKLE_DICT; i += 2)
        LT_TRY(dict_add(r, dict, items[i], items[i + 1]));
    return LT_OK;
}

static lt_status op_set_item(reader *r, int count) {
    lt_pickle_value **items = NULL;
    LT_TRY(pop(r, (size_t)count, &items));
    return set_items(r, items, (size_t)count);
}

static lt_status op_set_items(reader *r, int unused) {
    (void)unused;
    lt_pickle_value **items = NULL;
    size_t count = 0;
    LT_TRY(pop_mark(r, &items, &count));
    return set_items(r, items, count);
}

/* ---- Opcodes: names and objects ---- */

/* What checkpoints of Stable Diffusion, of Lightning and of Hugging Face's libraries mention. A name that ends with a
 * dot stands for everything below it. */
static const char *const known_names[] = {
    "torch.",
    "numpy.",
    "collections.",
    "pytorch_lightning.",
    "lightning.",
    "lightning_fabric.",
    "transformers.",
    "diffusers.",
    "ldm.",
    "omegaconf.",
    "typing.",
    "datetime.",
    "pathlib.",
    "enum.",
    "argparse.Namespace",
    "_codecs.encode",
    "copyreg._reconstructor",
    "copy_reg._reconstructor",
};
static const char *const known_builtins[] = {"set",     "frozenset", "list",  "dict",  "tuple",     "int",
                                             "float",   "bool",      "str",   "bytes", "bytearray", "object",
                                             "complex", "slice",     "range", "long",  "unicode",   "Ellipsis"};

static bool is_known(const char *name) {
    static const char *const modules[] = {"builtins.", "__builtin__."};
    for (size_t m = 0; m < LT_COUNT(modules); m++) {
        const size_t size = strlen(modules[m]);
        for (size_t i = 0; strncmp(name, modules[m], size) == 0 && i < LT_COUNT(known_builtins); i++)
            if (strcmp(name + size, known_builtins[i]) == 0) return true;
    }
    if (strcmp(name, "torch.storage._load_from_bytes") == 0) return false; /* a pickle within a byte string */
    for (size_t i = 0; i < LT_COUNT(known_names); i++) {
        const size_t size = strlen(known_names[i]);
        const bool prefix = known_names[i][size - 1] == '.';
        if (prefix ? strncmp(name, known_names[i], size) == 0 : strcmp(name, known_names[i]) == 0) return true;
    }
    return false;
}

static lt_status push_global(reader *r, const char *module, size_t module_size, const char *name, size_t name_size) {
    if (module_size > NAME_LIMIT || name_size > NAME_LIMIT || memchr(module, 0, module_size) ||
        memchr(name, 0, name_size))
        return broken(r, "a class has no proper name");
    lt_pickle_value *value = new_value(r, LT_PICKLE_GLOBAL);
    char *joined = lt_arena_alloc(r->arena, module_size + name_size + 2);
    if (!value || !joined) return LT_ERROR_MEMORY;
    memcpy(joined, module, module_size);
    joined[module_size] = '.';
    memcpy(joined + module_size + 1, name, name_size);
    joined[module_size + 1 + name_size] = '\0';
    if (!is_known(joined))
        return lt_fail(LT_ERROR_FORMAT,
                       "it asks Python to run %s, which no state dictionary needs: the file may be an attack. "
                       "Nothing was run; use a .safetensors of the same model",
                       joined);
    value->text.data = joined;
    value->text.size = module_size + 1 + name_size;
    return push(r, value);
}

static lt_status op_global(reader *r, int unused) {
    (void)unused;
    const uint8_t *module = NULL, *name = NULL;
    size_t module_size = 0, name_size = 0;
    LT_TRY(take_line(r, &module, &module_size));
    LT_TRY(take_line(r, &name, &name_size));
    return push_global(r, (const char *)module, module_size, (const char *)name, name_size);
}

static lt_status op_stack_global(reader *r, int unused) {
    (void)unused;
    lt_pickle_value **names = NULL;
    LT_TRY(pop(r, 2, &names));
    if (names[0]->kind != LT_PICKLE_TEXT || names[1]->kind != LT_PICKLE_TEXT)
        return broken(r, "a class has no proper name");
    return push_global(r, names[0]->text.data, names[0]->text.size, names[1]->text.data, names[1]->text.size);
}

/* The part of a storage that a view of it shows: (key, first element, number of elements), or None: all of it. */
static lt_status read_storage_view(const reader *r, const lt_pickle_value *view, lt_pickle_value *storage) {
    if (view->kind == LT_PICKLE_OPAQUE) return LT_OK;
    lt_pickle_value *const *part = view->list.items;
    if (view->kind != LT_PICKLE_TUPLE || view->list.count != 3 || part[1]->kind != LT_PICKLE_INTEGER ||
        part[2]->kind != LT_PICKLE_INTEGER)
        return broken(r, "a view of a storage has no proper beginning and size");
    storage->storage.begin = part[1]->integer;
    storage->storage.count = part[2]->integer;
    return LT_OK;
}

/* torch.save's persistent id: ('storage', type, key, device, number of elements), and before 1.6 the view. */
static lt_status op_persistent_id(reader *r, int unused) {
    (void)unused;
    lt_pickle_value **popped = NULL;
    LT_TRY(pop(r, 1, &popped));
    lt_pickle_value *const *id = popped[0]->list.items;
    if (popped[0]->kind != LT_PICKLE_TUPLE || popped[0]->list.count < 5 || popped[0]->list.count > 6 ||
        id[0]->kind != LT_PICKLE_TEXT || id[0]->text.size != 7 || memcmp(id[0]->text.data, "storage", 7) != 0 ||
        id[1]->kind != LT_PICKLE_GLOBAL || id[2]->kind != LT_PICKLE_TEXT || id[4]->kind != LT_PICKLE_INTEGER)
        return broken(r, "a persistent id isn't that of a tensor's storage");
    lt_pickle_value *value = new_value(r, LT_PICKLE_STORAGE);
    if (!value) return LT_ERROR_MEMORY;
    value->storage.type = id[1];
    value->storage.key = id[2];
    value->storage.whole = value->storage.count = id[4]->integer;
    if (popped[0]->list.count == 6) LT_TRY(read_storage_view(r, id[5], value));
    LT_TRY(reserve(r, &r->storages, r->storage_count, &r->storage_capacity));
    r->storages[r->storage_count++] = value;
    return push(r, value);
}

static bool holds_integers(const lt_pickle_value *tuple) {
    for (size_t i = 0; i < tuple->list.count; i++)
        if (tuple->list.items[i]->kind != LT_PICKLE_INTEGER) return false;
    return true;
}

/* torch._utils._rebuild_tensor_v2(storage, offset, shape, stride, requires_grad, hooks), and _v3(..., dtype), which is
 * written for types that have no storage of their own. */
static lt_status push_tensor(reader *r, const lt_pickle_value *arguments) {
    lt_pickle_value *const *a = arguments->list.items;
    if (arguments->list.count < 4 || a[0]->kind != LT_PICKLE_STORAGE || a[1]->kind != LT_PICKLE_INTEGER ||
        a[2]->kind != LT_PICKLE_TUPLE || a[3]->kind != LT_PICKLE_TUPLE || a[2]->list.count != a[3]->list.count ||
        !holds_integers(a[2]) || !holds_integers(a[3]))
        return broken(r, "a tensor has no proper storage, shape and strides");
    lt_pickle_value *value = new_value(r, LT_PICKLE_TENSOR);
    if (!value) return LT_ERROR_MEMORY;
    value->tensor.storage = a[0];
    value->tensor.offset = a[1]->integer;
    value->tensor.shape = a[2];
    value->tensor.stride = a[3];
    if (arguments->list.count > 6 && a[6]->kind == LT_PICKLE_GLOBAL) value->tensor.dtype = a[6];
    return push(r, value);
}

/* An OrderedDict of a list of keys and values in lists of two, as Python 2 pickles it. */
static lt_status push_dict_of(reader *r, const lt_pickle_value *pairs) {
    lt_pickle_value *dict = new_value(r, LT_PICKLE_DICT);
    if (!dict) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < pairs->list.count; i++) {
        const lt_pickle_value *pair = pairs->list.items[i];
        const bool listed = pair->kind == LT_PICKLE_LIST || pair->kind == LT_PICKLE_TUPLE;
        if (!listed || pair->list.count != 2) return broken(r, "a key has no value");
        LT_TRY(dict_add(r, dict, pair->list.items[0], pair->list.items[1]));
    }
    return push(r, dict);
}

/* What torch._utils calls with these arguments [given], if it rebuilds a tensor; *made stays false if it does not. */
static lt_status rebuild(reader *r, const char *name, const lt_pickle_value *arguments, bool *made) {
    static const char *const tensors[] = {"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"};
    static const char *const parameters[] = {"_rebuild_parameter", "_rebuild_parameter_with_state"};
    static const char utils[] = "torch._utils.";
    if (strncmp(name, utils, sizeof utils - 1) != 0 || arguments->list.count == 0) return LT_OK;
    name += sizeof utils - 1;
    *made = true;
    for (size_t i = 0; i < LT_COUNT(tensors); i++)
        if (strcmp(name, tensors[i]) == 0) return push_tensor(r, arguments);
    for (size_t i = 0; i < LT_COUNT(parameters); i++)
        if (strcmp(name, parameters[i]) == 0) return push(r, arguments->list.items[0]);
    *made = false;
    return LT_OK;
}

/* The same behind torch._tensor._rebuild_from_type_v2(function, type, arguments, attributes): a tensor that somebody
 * gave attributes, or of a class of his own. */
static lt_status rebuild_typed(reader *r, const char *name, const lt_pickle_value *arguments, bool *made) {
    lt_pickle_value *const *a = arguments->list.items;
    if (strcmp(name, "torch._tensor._rebuild_from_type_v2") != 0 || arguments->list.count < 3 ||
        a[0]->kind != LT_PICKLE_GLOBAL || a[2]->kind != LT_PICKLE_TUPLE)
        return rebuild(r, name, arguments, made);
    return rebuild(r, a[0]->text.data, a[2], made);
}

/* An object: callable below its arguments (count values in all). Only tensors and dictionaries come to life. */
static lt_status op_object(reader *r, int count) {
    lt_pickle_value **popped = NULL;
    LT_TRY(pop(r, (size_t)count, &popped));
    lt_pickle_value *callable = popped[0], *arguments = popped[1];
    if (callable->kind != LT_PICKLE_GLOBAL) return push(r, r->opaque);
    const char *name = callable->text.data;
    const size_t given = arguments->kind == LT_PICKLE_TUPLE ? arguments->list.count : 0;
    bool made = false;
    if (given) LT_TRY(rebuild_typed(r, name, arguments, &made));
    if (made) return LT_OK;
    if (strcmp(name, "collections.defaultdict") == 0 || (strcmp(name, "collections.OrderedDict") == 0 && !given))
        return op_dict(r, 0);
    if (strcmp(name, "collections.OrderedDict") == 0 && arguments->list.items[0]->kind == LT_PICKLE_LIST)
        return push_dict_of(r, arguments->list.items[0]);
    lt_pickle_value *value = new_value(r, LT_PICKLE_OPAQUE);
    if (value) value->maker = callable;
    return push(r, value);
}

/* An object's attributes: state dictionaries keep version numbers there. Nothing of it is kept. */
static lt_status op_build(reader *r, int count) {
    lt_pickle_value **popped = NULL, *object = NULL;
    LT_TRY(pop(r, (size_t)count, &popped));
    return top(r, &object);
}

static lt_status op_stop(reader *r, int unused) {
    (void)unused;
    lt_pickle_value *root = NULL;
    LT_TRY(top(r, &root));
    r->stopped = true;
    return LT_OK;
}

/* ---- The machine ---- */

static const struct {
    lt_status (*run)(reader *r, int number);
    int number;
} opcodes[256] = {
    [0x80] = {op_protocol, 1},
    [0x95] = {op_frame, 8},
    ['.'] = {op_stop, 0},
    /* values */
    ['N'] = {op_opaque, 0},
    [0x88] = {op_opaque, 0}, /* True */
    [0x89] = {op_opaque, 0}, /* False */
    ['G'] = {op_opaque, 8},  /* a double */
    [0x8F] = {op_opaque, 0}, /* an empty set */
    ['K'] = {op_integer, 1},
    ['M'] = {op_integer, 2},
    ['J'] = {op_integer, 4},
    [0x8A] = {op_long, 1},
    [0x8B] = {op_long, 4},
    [0x8C] = {op_text, 1},
    ['X'] = {op_text, 4},
    [0x8D] = {op_text, 8},
    ['U'] = {op_text, 1}, /* Python 2's str */
    ['T'] = {op_text, 4},
    ['C'] = {op_bytes, 1},
    ['B'] = {op_bytes, 4},
    [0x8E] = {op_bytes, 8},
    [0x96] = {op_bytes, 8},
    /* the stack and the memo */
    ['('] = {op_mark, 0},
    ['0'] = {op_pop, 0},
    ['1'] = {op_pop_mark, 0},
    ['2'] = {op_duplicate, 0},
    ['q'] = {op_put, 1},
    ['r'] = {op_put, 4},
    [0x94] = {op_memoize, 0},
    ['h'] = {op_get, 1},
    ['j'] = {op_get, 4},
    /* collections */
    [')'] = {op_tuple, 0},
    [0x85] = {op_tuple, 1},
    [0x86] = {op_tuple, 2},
    [0x87] = {op_tuple, 3},
    ['t'] = {op_tuple_from_mark, 0},
    ['}'] = {op_dict, 0},
    [']'] = {op_list, 0},
    ['s'] = {op_set_item, 2},
    ['u'] = {op_set_items, 0},
    ['a'] = {op_append, 1},
    ['e'] = {op_append, 0},
    [0x90] = {op_append, 0}, /* to a set */
    ['l'] = {op_list_from_mark, 0},
    [0x91] = {op_opaque_from_mark, 0}, /* a frozen set */
    /* names and objects */
    ['c'] = {op_global, 0},
    [0x93] = {op_stack_global, 0},
    ['Q'] = {op_persistent_id, 0},
    ['R'] = {op_object, 2},
    [0x81] = {op_object, 2},
    [0x92] = {op_object, 3}, /* with named arguments */
    ['b'] = {op_build, 1},
};

static lt_status run(reader *r) {
    r->opaque = new_value(r, LT_PICKLE_OPAQUE);
    r->mark = new_value(r, LT_PICKLE_MARK);
    if (!r->opaque || !r->mark) return LT_ERROR_MEMORY;
    LT_TRY(reserve(r, &r->stack, 0, &r->stack_capacity));
    while (!r->stopped) {
        if (r->at == r->end) return broken(r, "it is cut off");
        const uint8_t code = *r->at++;
        if (!opcodes[code].run)
            return lt_fail(LT_ERROR_FORMAT,
                           "the pickle is broken at byte %zu: state dictionaries have no opcode 0x%02X",
                           (size_t)(r->at - r->begin) - 1, code);
        LT_TRY(opcodes[code].run(r, opcodes[code].number));
    }
    return LT_OK;
}

static void finish(const reader *r, lt_pickle *pickle) {
    pickle->root = r->stack[r->depth - 1];
    pickle->storages = r->storages;
    pickle->storage_count = r->storage_count;
    pickle->size = (size_t)(r->at - r->begin);
}

lt_status lt_pickle_read(const uint8_t *data, size_t size, lt_pickle *pickle) {
    *pickle = (lt_pickle){.arena = {.limit = MEMORY_LIMIT}};
    if (size == 0) return lt_fail(LT_ERROR_FORMAT, "the pickle is empty");
    reader r = {.at = data, .begin = data, .end = data + size, .arena = &pickle->arena};
    const lt_status status = run(&r);
    if (!status)
        finish(&r, pickle);
    else
        lt_pickle_free(pickle);
    return status;
}

void lt_pickle_free(lt_pickle *pickle) {
    lt_arena_free(&pickle->arena);
    *pickle = (lt_pickle){0};
}
