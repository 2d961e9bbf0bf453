/* Prompt syntax against any text: what is read must always be whole chunks with finite weights, and each step must say
 * something of the text. */
#include "fuzz_text.h"

#include "text/networks.h"
#include "text/script.h"

#include <math.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const lt_tokenizer *tokenizer, const char *text, bool syntax, int32_t pad) {
    lt_prompt prompt;
    if (lt_prompt_parse(tokenizer, text, syntax, pad, &prompt) != LT_OK) abort();
    if (prompt.chunks < 1 || (!syntax && prompt.chunks > 1) || (syntax && prompt.cut)) abort();
    float *context = lt_calloc(prompt.chunks * LT_CONTEXT_TOKENS, sizeof *context);
    for (size_t i = 0; i < prompt.chunks * LT_CONTEXT_TOKENS; i++) {
        const size_t place = i % LT_CONTEXT_TOKENS;
        if (prompt.ids[i] < 0 || prompt.ids[i] > LT_TOKEN_END || !isfinite(prompt.weights[i])) abort();
        if (place == 0 && (prompt.ids[i] != LT_TOKEN_START || prompt.weights[i] != 1)) abort();
        if (context) context[i] = (float)prompt.ids[i];
    }
    if (context) lt_prompt_weigh(&prompt, LT_EMPHASIS_ORIGINAL, context, 1);
    lt_free(context);
    lt_prompt_free(&prompt);
}

/* The entries of a part end one after the other, the last with the last step, and say no more than there is. */
static void check_part(const lt_script_part *part, lt_timeline t, size_t size) {
    int before = 0;
    if (part->count < 1 || part->count > (size_t)t.steps || part->entries[part->count - 1].end != t.steps) abort();
    for (size_t i = 0; i < part->count; i++) {
        if (part->entries[i].end <= before || strlen(part->entries[i].text) > size) abort();
        before = part->entries[i].end;
    }
    for (int call = 0; call < t.steps; call++)
        if (lt_script_entry_at(part, call) >= part->count) abort();
}

static void check_script(const char *text, lt_script_rules rules) {
    lt_script script;
    if (lt_script_read(text, rules, &script) != LT_OK || script.count < 1) abort();
    for (size_t i = 0; i < script.count; i++) check_part(&script.parts[i], rules.timeline, strlen(text));
    lt_script_free(&script);
}

/* Comments are gone after once, and networks take nothing but what is theirs. */
static void check_taken(const char *text) {
    lt_buffer once, twice, left;
    lt_networks networks;
    if (lt_comments_take(text, &once) || lt_comments_take(once.data, &twice) || strcmp(once.data, twice.data)) abort();
    lt_lora_tag lora;
    if (lt_networks_take(text, &left, &networks)) abort();
    size_t taken = left.size;
    for (size_t i = 0; i < networks.count; i++) {
        taken += strlen(networks.items[i].tag);
        if (!lt_network_weigh(&networks.items[i], &lora) && !(isfinite(lora.strength) && isfinite(lora.text_strength)))
            abort();
    }
    if (taken != strlen(text)) abort();
    lt_networks_free(&networks);
    lt_buffer_free(&left);
    lt_buffer_free(&once);
    lt_buffer_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static lt_tokenizer *tokenizer;
    if (!tokenizer) tokenizer = open_tokenizer();
    char *text = lt_strndup((const char *)data, size);
    if (!text) return 0;
    check(tokenizer, text, true, LT_TOKEN_END);
    check(tokenizer, text, true, 0);
    check(tokenizer, text, false, LT_TOKEN_END);
    check_script(text, (lt_script_rules){true, false, {7, 0}});
    check_script(text, (lt_script_rules){false, false, {3, 5}});
    check_script(text, (lt_script_rules){true, true, {1, 0}});
    check_taken(text);
    lt_free(text);
    return 0;
}
