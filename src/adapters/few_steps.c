/* Models and LoRAs that were distilled to draw in few steps. */
#include "adapters/few_steps.h"

#include "base/file.h"
#include "models/shapes.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Words of a name, both if there are two; the first row that has them is the kind. */
static const struct {
    const char *word, *also;
    lt_few_steps kind;
} kinds[] = {
    {"lcm", NULL, {"LCM", "lcm", NULL, 2, 8, 2}},
    {"tcd", NULL, {"TCD", "tcd", NULL, 2, 8, 1}},
    {"hyper", "cfg", {"Hyper-SD with guidance", "ddim", "trailing", 8, 12, 8}},
    {"hyper", NULL, {"Hyper-SD", "ddim", "trailing", 1, 8, 1}},
    {"lightning", NULL, {"Lightning", "euler", "trailing", 1, 8, 2}},
    {"turbo", NULL, {"Turbo", "euler_a", "trailing", 1, 8, 2}},
};

/* ---- Words ---- */

/* Whether a word begins at text[at]: "XLTurbo" and "xl_turbo" have "turbo", "fanturbo" has not. */
static bool begins_at(const char *text, size_t at) {
    if (!at || !isalpha((unsigned char)text[at - 1])) return true;
    return isupper((unsigned char)text[at]) &&
           (islower((unsigned char)text[at - 1]) || islower((unsigned char)text[at + 1]));
}

/* Whether none goes on there: "hyperSD", not "hyperreal". */
static bool ends_at(const char *text, size_t at) {
    const bool camel = isupper((unsigned char)text[at]) && islower((unsigned char)text[at - 1]);
    return !isalpha((unsigned char)text[at]) || camel;
}

static bool has_word(const char *text, const char *word) {
    const size_t length = strlen(word);
    for (size_t i = 0; text[i]; i++)
        if (!strncasecmp(text + i, word, length) && begins_at(text, i) && ends_at(text, i + length)) return true;
    return false;
}

static const lt_few_steps *by_words(const char *text) {
    for (size_t i = 0; text && i < LT_COUNT(kinds); i++)
        if (has_word(text, kinds[i].word) && (!kinds[i].also || has_word(text, kinds[i].also))) return &kinds[i].kind;
    return NULL;
}

/* ---- Files ---- */

/* What folds the guidance scale into the time embedding is latent consistency models' alone. */
static const lt_few_steps *by_tensors(const lt_checkpoint *file) {
    for (size_t i = 0; i < file->count; i++) {
        const char *name = file->tensors[i].name;
        if (strstr(name, "time_embed") && lt_name_ends(name, ".cond_proj.weight")) return &kinds[0].kind;
    }
    return NULL;
}

const lt_few_steps *lt_few_steps_of(const char *path, const lt_checkpoint *file) {
    static const char *const keys[] = {"modelspec.title", "ss_output_name", "modelspec.usage_hint"};
    const lt_few_steps *found = by_words(lt_base_name(path));
    for (size_t i = 0; i < LT_COUNT(keys) && !found; i++) found = by_words(lt_checkpoint_metadata(file, keys[i]));
    return found ? found : by_tensors(file);
}
