/* Any bytes as the state that a training goes on from: refused with nothing changed, or the same again once saved. */
#include "fuzz_file.h"
#include "train/signature.h"
#include "train/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NUMBERS = 3, ARRAYS = 5 };

/* Two tensors, of which only the second has an average. */
typedef struct training {
    float numbers[2][ARRAYS][NUMBERS];
    lt_parameter parameters[2];
    lt_optimizer optimizer;
} training;

static void begin(training *t) {
    static const char *const names[] = {"a", "b.weight"};
    *t = (training){.optimizer = {.parameters = t->parameters, .count = 2, .step = 7}};
    for (size_t i = 0; i < 2; i++) {
        float(*n)[NUMBERS] = t->numbers[i];
        t->parameters[i] = (lt_parameter){names[i], 1 + 2 * i, n[0], n[1], n[2], n[3], i ? n[4] : NULL};
    }
}

static void check_again(const training *t, const lt_run_state *run) {
    training again;
    lt_run_state same;
    char path[512], *settings;
    snprintf(path, sizeof path, "%s", fuzz_path("again"));
    begin(&again);
    if (lt_state_save(path, &t->optimizer, run, NULL, 0) || lt_state_load(path, &again.optimizer, &same, &settings))
        __builtin_trap();
    if (settings || memcmp(t->numbers, again.numbers, sizeof t->numbers)) __builtin_trap();
    if (same.step != run->step || same.place != run->place || again.optimizer.step != run->step) __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char now[] = "trainer=vae\ndata=0123456789abcdef\nsize=64\n";
    training t, before;
    lt_run_state run = {0};
    char *settings;
    begin(&t);
    begin(&before);
    const char *path = fuzz_path("state");
    fuzz_write(path, data, size);
    const lt_status status = lt_state_load(path, &t.optimizer, &run, &settings);
    if (status && (t.optimizer.step != 7 || memcmp(t.numbers, before.numbers, sizeof t.numbers))) __builtin_trap();
    if (!status) check_again(&t, &run);
    if (settings) (void)lt_signature_compare("state", settings, now);
    lt_free(settings);
    return 0;
}
