/* PyTorch checkpoints as torch.save wrote them before 1.6, and writes them still where asked to
 * (_use_new_zipfile_serialization=False): pickles and numbers one after another,
 *     the magic number, the protocol (1001), facts of the machine that wrote it
 *     the state dictionary, in which every tensor names the storage it looks at
 *     a list of the storages' keys
 *     for each of them, in that order, how many elements it has (8 bytes), and these; little-endian on every machine
 * (torch/serialization.py, "_legacy_save" and "_legacy_load"). */
#include "formats/readers.h"
#include "formats/torch.h"

#include <stdlib.h>
#include <string.h>

enum { PROTOCOL = 1001, COUNT_SIZE = 8, FIRST = 32 };

typedef struct stored {
    const lt_pickle_value *key;
    lt_bytes bytes;
} stored;

typedef struct stream {
    lt_bytes rest;
    lt_pickle state, keys;
    stored *storages; /* sorted by key */
    size_t count;
} stream;

/* ---- Pickles ---- */

/* The pickle that comes next; the caller frees it. */
static lt_status next_pickle(stream *s, lt_pickle *pickle) {
    LT_TRY(lt_pickle_read(s->rest.data, s->rest.size, pickle));
    s->rest.data += pickle->size;
    s->rest.size -= pickle->size;
    return LT_OK;
}

static lt_status skip_pickle(stream *s) {
    lt_pickle pickle;
    LT_TRY(next_pickle(s, &pickle));
    lt_pickle_free(&pickle);
    return LT_OK;
}

static lt_status check_protocol(stream *s) {
    lt_pickle pickle;
    LT_TRY(next_pickle(s, &pickle));
    const bool known = pickle.root->kind == LT_PICKLE_INTEGER && pickle.root->integer == PROTOCOL;
    lt_pickle_free(&pickle);
    return known ? LT_OK : lt_fail(LT_ERROR_UNSUPPORTED, "a PyTorch file of another protocol than %d", PROTOCOL);
}

/* ---- Storages ---- */

static int compare_texts(const lt_pickle_value *a, const lt_pickle_value *b) {
    const int order = memcmp(a->text.data, b->text.data, lt_min(a->text.size, b->text.size));
    return order ? order : (a->text.size > b->text.size) - (a->text.size < b->text.size);
}

static int compare_stored(const void *a, const void *b) {
    return compare_texts(((const stored *)a)->key, ((const stored *)b)->key);
}

static int compare_mentions(const void *a, const void *b) {
    return compare_texts((*(lt_pickle_value *const *)a)->storage.key, (*(lt_pickle_value *const *)b)->storage.key);
}

/* The bytes of the storage that comes next, whose elements take item bytes. */
static lt_status next_storage(stream *s, size_t item, lt_bytes *bytes) {
    if (s->rest.size < COUNT_SIZE) return lt_fail(LT_ERROR_FORMAT, "the file is cut off; fetch it again");
    uint64_t count = 0;
    for (int i = COUNT_SIZE - 1; i >= 0; i--) count = count << 8 | s->rest.data[i];
    s->rest.data += COUNT_SIZE;
    s->rest.size -= COUNT_SIZE;
    if (count > s->rest.size / item) return lt_fail(LT_ERROR_FORMAT, "the file is cut off; fetch it again");
    *bytes = (lt_bytes){s->rest.data, (size_t)count * item};
    s->rest.data += bytes->size;
    s->rest.size -= bytes->size;
    return LT_OK;
}

/* Where every storage that keys lists lies. What tensors mention [count, sorted] tells how large their elements are. */
static lt_status list_storages(stream *s, lt_pickle_value *const *mentions, size_t count) {
    const lt_pickle_value *keys = s->keys.root;
    for (size_t i = 0; i < keys->list.count; i++) {
        const lt_pickle_value *key = keys->list.items[i], sought = {.kind = LT_PICKLE_STORAGE, .storage.key = key};
        const lt_pickle_value *wanted = &sought, *const *found = NULL;
        if (key->kind == LT_PICKLE_TEXT && count)
            found = bsearch(&wanted, mentions, count, sizeof(lt_pickle_value *), compare_mentions);
        if (!found) return lt_fail(LT_ERROR_FORMAT, "it lists a storage that no tensor looks at");
        const lt_pickle_value *type = (*found)->storage.type;
        const size_t item = lt_torch_item_size(type);
        if (!item)
            return lt_fail(LT_ERROR_UNSUPPORTED, "it holds a %s, whose size is not known: save it with a newer PyTorch",
                           type->text.data);
        s->storages[i].key = key;
        LT_TRY(next_storage(s, item, &s->storages[i].bytes));
        s->count++;
    }
    if (s->count) qsort(s->storages, s->count, sizeof *s->storages, compare_stored);
    return LT_OK;
}

static lt_status read_storages(stream *s) {
    const size_t count = s->state.storage_count;
    if (s->keys.root->kind != LT_PICKLE_LIST) return lt_fail(LT_ERROR_FORMAT, "its list of storages is missing");
    lt_pickle_value **mentions = lt_calloc(count, sizeof(lt_pickle_value *));
    s->storages = lt_calloc(s->keys.root->list.count, sizeof *s->storages);
    lt_status status = mentions && s->storages ? LT_OK : LT_ERROR_MEMORY;
    if (!status && count) {
        memcpy(mentions, s->state.storages, count * sizeof(lt_pickle_value *));
        qsort(mentions, count, sizeof(lt_pickle_value *), compare_mentions);
    }
    if (!status) status = list_storages(s, mentions, count);
    lt_free(mentions);
    return status;
}

static lt_status find_storage(const void *container, const lt_pickle_value *key, lt_bytes *bytes) {
    const stream *s = container;
    const stored sought = {.key = key};
    const stored *found =
        s->count ? bsearch(&sought, s->storages, s->count, sizeof *s->storages, compare_stored) : NULL;
    if (!found) return lt_fail(LT_ERROR_FORMAT, "its storage isn't in the file");
    *bytes = found->bytes;
    return LT_OK;
}

/* ---- All of it ---- */

bool lt_torch_is_stream(const uint8_t *data, size_t size) {
    static const char magic[] = "\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19"; /* 0x1950a86a20f9469cfc6c */
    return size && data[0] == 0x80 && memmem(data, lt_min(size, FIRST), magic, sizeof magic - 1);
}

static lt_status read_stream(stream *s, lt_checkpoint *checkpoint) {
    LT_TRY(skip_pickle(s)); /* the magic number */
    LT_TRY(check_protocol(s));
    LT_TRY(skip_pickle(s)); /* the machine */
    LT_TRY(next_pickle(s, &s->state));
    LT_TRY(next_pickle(s, &s->keys));
    LT_TRY(read_storages(s));
    return lt_torch_read_state(&s->state, find_storage, s, checkpoint);
}

lt_status lt_torch_stream_read(const uint8_t *data, size_t size, lt_checkpoint *checkpoint) {
    stream s = {.rest = {data, size}};
    const lt_status status = read_stream(&s, checkpoint);
    lt_free(s.storages);
    lt_pickle_free(&s.keys);
    lt_pickle_free(&s.state);
    if (!checkpoint->format) checkpoint->format = "pytorch before 1.6";
    return status;
}
