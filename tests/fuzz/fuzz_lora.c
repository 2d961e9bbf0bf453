/* Fuzzes adapters (fuzz_lines.h): what fits the small model is added to it. */
#include "adapters/lora_info.h"
#include "adapters/lora_set.h"
#include "fuzz_lines.h"
#include "fuzz_model.h"
#include "models/synthetic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static lt_model *small_model(void) {
    static lt_model *model;
    const char *path = fuzz_path("model.safetensors");
    if (model) return model;
    if (lt_synthetic_sd_write(&fuzz_architecture, path, LT_F16) || lt_model_open(path, NULL, &model)) abort();
    return model;
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
    fuzz_read_lines(data, size, &list);
    lt_lora_file lora = {.path = (char *)(uintptr_t) "x",
                         .file = {.tensors = list.tensors, .count = list.count, .format = ""}};
    if (lt_lora_read(&lora, small_model()->parts.weights, &nobody) == LT_OK) read_sums(&lora);
    if (lt_lora_info_read(&lora.file, &info) == LT_OK) lt_lora_info_free(&info);
    lt_free(lora.uses);
    lt_tensor_list_free(&list);
    return 0;
}
