/* Fuzzes IP-Adapters (fuzz_lines.h): what the file is, whether it fits a small U-Net, and what it makes of a picture.
 */
#include "adapters/shelf_kind.h"
#include "fuzz_lines.h"
#include "graph/graph.h"
#include "models/ip_adapter.h"
#include "models/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STATES = 3, MOST_TOKENS = 64 };

static const lt_unet unet = {.in_channels = 4,
                             .out_channels = 4,
                             .channels = 32,
                             .context_dim = 64,
                             .levels = 2,
                             .level = {{32, 1, 1}, {32, 1, 0}},
                             .middle_depth = 1};

static void run(const lt_ip_adapter *adapter) {
    lt_graph graph = {0};
    lt_plan *plan;
    const lt_target target = {.isa = LT_ISA_BEST};
    const lt_status built = lt_ip_adapter_build(adapter, 2, adapter->plus ? STATES : 1, &graph);
    if (lt_plan_built(&graph, built, &target, &plan)) return;
    (void)lt_plan_run(plan, LT_RATE_PROMPT, NULL, NULL);
    lt_plan_free(plan);
}

static void use(const lt_tensor_list *file) {
    lt_tensor_list canonical = {0};
    lt_weights *weights = NULL;
    lt_ip_adapter adapter;
    lt_status status = lt_names_add(&canonical, file->tensors, file->count, 1u << LT_ROLE_IMAGE_PROMPT, false, NULL);
    if (!status) status = lt_weights_create(canonical.tensors, canonical.count, &weights);
    if (!status) status = lt_ip_adapter_open(weights, &adapter);
    if (!status) (void)lt_ip_adapter_fits(&adapter, &unet);
    if (!status && adapter.tokens <= MOST_TOKENS) run(&adapter);
    lt_weights_free(weights);
    lt_tensor_list_free(&canonical);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    lt_tensor_list list = {0};
    lt_shelf_about about;
    fuzz_read_lines(data, size, &list);
    const lt_source source = {.file = {.tensors = list.tensors, .count = list.count, .format = ""}};
    (void)lt_shelf_about_read(&source, &about);
    lt_shelf_about_free(&about);
    use(&list);
    lt_tensor_list_free(&list);
    return 0;
}
