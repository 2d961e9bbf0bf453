/* Any bytes as a GGUF file: refused, or every tensor can be read. */
#include "formats/readers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    lt_checkpoint c;
    if (lt_checkpoint_begin(&c) == LT_OK && lt_gguf_read(data, size, &c) == LT_OK &&
        lt_checkpoint_finish(&c) == LT_OK) {
        for (size_t i = 0; i < c.count; i++) {
            if (lt_tensor_readable(&c.tensors[i])) continue;
            float *values = lt_calloc(lt_tensor_count(&c.tensors[i]), sizeof *values);
            if (!values) __builtin_trap(); /* a tensor that can be read is no larger than four times its file */
            lt_tensor_read_f32(&c.tensors[i], values);
            lt_free(values);
        }
    }
    lt_checkpoint_close(&c);
    return 0;
}
