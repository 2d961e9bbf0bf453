/* Fuzzes adapters: the input's lines are the names of a file's tensors, with a shape behind a space: "NAME 64x4". All
 * hold the same numbers; what fits the small model is added to it. */
#include "adapters/lora_info.h"
#include "adapters/lora_set.h"
#include "fuzz_model.h"
#include "models/synthetic.h"

enum { MOST = 256, FLOATS = 1 << 14 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static lt_model *small_model(void) {
    static lt_model *model;
    const char *path = fuzz_path("model.safetensors");
    if (model) return model;
    if (lt_synthetic_sd_write(&fuzz_architecture, path, LT_F16) || lt_model_open(path, NULL, &model)) abort();
    return model;
}

/* "64x4", of no more numbers than there are; or else a number. */
static void read_shape(const char *text, lt_tensor *t) {
    size_t count = 1;
    for (char *end; t->rank < 4 && *text >= '0' && *text <= '9'; text = end + (*end == 'x')) {
        const size_t side = strtoul(text, &end, 10);
        if (side > FLOATS || side * count > FLOATS) break;
        t->shape[t->rank++] = side;
        count *= side;
        if (*end != 'x') break;
    }
    lt_tensor_set_contiguous(t);
}

static void add_line(lt_tensor_list *list, const uint8_t *line, size_t size) {
    static double numbers[FLOATS];
    lt_tensor t = {.dtype = (lt_dtype)(size % LT_I64), .data = numbers};
    char *name = lt_strndup((const char *)line, size), *space = name ? strrchr(name, ' ') : NULL;
    if (space) read_shape(space + 1, &t);
    if (space) *space = '\0';
    if (name && !lt_tensor_find(list->tensors, list->count, name)) lt_tensor_list_add(list, name, &t);
    lt_tensor_list_sort(list);
    lt_free(name);
}

/* Adds what fits to each weight that it touches. */
static void read_sums(const lt_lora_file *lora) {
    for (size_t i = 0; i < lora->count; i++) {
        const lt_applied applied = {&lora->uses[i].delta, 0.5f};
        lt_weight_source source;
        lt_tensor copy;
        lt_status status =
            lt_weight_source_open(&lora->uses[i].weight->tensor, (lt_delta_list){&applied, 1}, LT_ISA_BEST, &source);
        if (!status && !lt_weight_source_copy(&source, &copy)) lt_free((void *)(uintptr_t)copy.data);
        lt_weight_source_close(&source);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const lt_listener nobody = {0};
    lt_tensor_list list = {0};
    lt_lora_info info;
    for (size_t at = 0; at < size && list.count < MOST;) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        const size_t n = end ? (size_t)(end - data) - at : size - at;
        add_line(&list, data + at, n);
        at += n + 1;
    }
    lt_lora_file lora = {.path = (char *)(uintptr_t) "x",
                         .file = {.tensors = list.tensors, .count = list.count, .format = ""}};
    if (lt_lora_read(&lora, small_model()->parts.weights, &nobody) == LT_OK) read_sums(&lora);
    if (lt_lora_info_read(&lora.file, &info) == LT_OK) lt_lora_info_free(&info);
    lt_free(lora.uses);
    lt_tensor_list_free(&list);
    return 0;
}
