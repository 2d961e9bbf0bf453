/* Any bytes as the pickle of a checkpoint whose one storage "0" has 64 bytes. */
#include "formats/pickle.h"
#include "formats/readers.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void append_number(lt_buffer *b, uint64_t number, size_t bytes) { lt_buffer_append(b, &number, bytes); }

static void append_name(lt_buffer *b, const char *name, size_t size, bool central, size_t offset) {
    append_number(b, central ? 0x02014B50 : 0x04034B50, 4);
    append_number(b, 0, 8);
    append_number(b, 0, central ? 8 : 6);
    append_number(b, size, 4);
    append_number(b, size, 4);
    append_number(b, strlen(name), 2);
    append_number(b, 0, 2);
    if (central) {
        append_number(b, 0, 8);
        append_number(b, 0, 2);
        append_number(b, offset, 4);
    }
    lt_buffer_append(b, name, strlen(name));
}

/* The archive that torch.save would put around the pickle. */
static lt_buffer wrap(const uint8_t *pickle, size_t size) {
    static const uint8_t storage[64] = {1};
    lt_buffer b = {0};
    append_name(&b, "a/data.pkl", size, false, 0);
    lt_buffer_append(&b, pickle, size);
    const size_t second = b.size;
    append_name(&b, "a/data/0", sizeof storage, false, 0);
    lt_buffer_append(&b, storage, sizeof storage);
    const size_t begin = b.size;
    append_name(&b, "a/data.pkl", size, true, 0);
    append_name(&b, "a/data/0", sizeof storage, true, second);
    const size_t directory = b.size - begin;
    append_number(&b, 0x06054B50, 8);
    append_number(&b, 2, 2);
    append_number(&b, 2, 2);
    append_number(&b, directory, 4);
    append_number(&b, begin, 4);
    append_number(&b, 0, 2);
    return b;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    lt_pickle pickle;
    if (lt_pickle_read(data, size, &pickle) != LT_OK) return 0;
    lt_pickle_free(&pickle);

    lt_buffer file = wrap(data, size);
    lt_checkpoint c;
    if (lt_checkpoint_open_memory((const uint8_t *)file.data, file.size, &c) == LT_OK) {
        for (size_t i = 0; i < c.count; i++) {
            if (lt_tensor_readable(&c.tensors[i])) continue;
            float *values = lt_calloc(lt_tensor_count(&c.tensors[i]), sizeof *values);
            if (!values) __builtin_trap(); /* the storage's 64 bytes, and 2^24 elements */
            lt_tensor_read_f32(&c.tensors[i], values);
            lt_free(values);
        }
        lt_checkpoint_close(&c);
    }
    lt_buffer_free(&file);
    return 0;
}
