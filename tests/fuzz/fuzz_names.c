/* Fuzzes the mapping of tensor names: the input's lines are the names of a file's tensors. Some are of 8 bits
 * and have scales. */
#include "models/names.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const float numbers[8 * 8 * 2 + 1] = {1, 1, 1, 1,
                                             1, 1, 1, 1}; /* from the second on eight that are not all above 0 */

/* What a model would read. */
static void read_all(const lt_tensor_list *list) {
    float values[8 * 8 * 2];
    for (size_t i = 0; i < list->count; i++) lt_tensor_read_f32(&list->tensors[i], values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    lt_tensor_list file = {0}, canonical = {0};
    for (size_t at = 0; at < size && file.count < 4096;) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        const size_t n = end ? (size_t)(end - data) - at : size - at;
        lt_tensor t = {.rank = (int)(n % 5), .shape = {8, 8, 1 + n / 5 % 2, 1}, .data = numbers + n % 2};
        if (n / 10 % 3 == 0) t.dtype = LT_I8; /* whose scales may be there, and be none */
        if (n > 6 && !memcmp(data + at + n - 6, "_scale", 6)) t.rank = 1;
        lt_tensor_set_contiguous(&t);
        char *name = lt_strndup((const char *)data + at, n);
        if (name) lt_tensor_list_add(&file, name, &t);
        lt_free(name);
        at += n + 1;
    }
    lt_tensor_list_sort(&file);
    const bool ema = size && data[size - 1] == '\n';
    if (lt_names_add(&canonical, file.tensors, file.count, LT_ROLES_ALL, ema, NULL) == LT_OK) {
        read_all(&canonical);
        for (int role = 0; role < LT_ROLE_COUNT; role++) {
            lt_tensor_list back;
            lt_names_to_diffusers(canonical.tensors, canonical.count, (lt_role)role, &back);
            lt_tensor_list_free(&back);
        }
    }
    lt_tensor_list_free(&canonical);
    lt_tensor_list_free(&file);
    return 0;
}
