/* Names of an adapter's tensors. */
#include "adapters/lora_key.h"

#include <stdio.h>
#include <string.h>

/* ---- Which part: the end of a name, but for a last ".weight" ---- */

static const struct ending {
    const char *text;
    lt_lora_part part;
    bool named; /* PEFT may have an adapter's name behind it: ".lora_A.default" */
} endings[] = {
    {".alpha", LT_PART_ALPHA},
    {".lora_up", LT_PART_UP},
    {".lora_mid", LT_PART_MID},
    {".lora_down", LT_PART_DOWN},
    {".lora_B", LT_PART_UP, true},
    {".lora_A", LT_PART_DOWN, true},
    {".lora.up", LT_PART_UP},
    {".lora.down", LT_PART_DOWN},
    {".lora_linear_layer.up", LT_PART_UP},
    {".lora_linear_layer.down", LT_PART_DOWN},
    {"_lora.up", LT_PART_UP},
    {"_lora.down", LT_PART_DOWN},
    {".hada_w1_a", LT_PART_HADA_W1_A},
    {".hada_w1_b", LT_PART_HADA_W1_B},
    {".hada_t1", LT_PART_HADA_T1},
    {".hada_w2_a", LT_PART_HADA_W2_A},
    {".hada_w2_b", LT_PART_HADA_W2_B},
    {".hada_t2", LT_PART_HADA_T2},
    {".lokr_w1", LT_PART_LOKR_W1},
    {".lokr_w1_a", LT_PART_LOKR_W1_A},
    {".lokr_w1_b", LT_PART_LOKR_W1_B},
    {".lokr_w2", LT_PART_LOKR_W2},
    {".lokr_w2_a", LT_PART_LOKR_W2_A},
    {".lokr_w2_b", LT_PART_LOKR_W2_B},
    {".lokr_t2", LT_PART_LOKR_T2},
    {".diff", LT_PART_DIFF},
    {".w_norm", LT_PART_DIFF},
    {".diff_b", LT_PART_DIFF_BIAS},
    {".b_norm", LT_PART_DIFF_BIAS},
    {".dora_scale", LT_PART_MAGNITUDE},
    {".lora_magnitude_vector", LT_PART_MAGNITUDE, true},
    {".a1", LT_PART_GLORA_A1},
    {".a2", LT_PART_GLORA_A2},
    {".b1", LT_PART_GLORA_B1},
    {".b2", LT_PART_GLORA_B2},
    {".oft_blocks", LT_PART_OFT_BLOCKS},
    {".oft_diag", LT_PART_OFT_BLOCKS},
    {".rescale", LT_PART_OFT_RESCALE},
};

/* The ending of text (size characters), which is then that much shorter; NULL: it has none. */
static const struct ending *take_ending(const char *text, size_t *size, bool named) {
    for (size_t i = 0; i < LT_COUNT(endings); i++) {
        const size_t n = strlen(endings[i].text);
        if (n >= *size || memcmp(text + *size - n, endings[i].text, n) || (named && !endings[i].named)) continue;
        *size -= n;
        return &endings[i];
    }
    return NULL;
}

static void take_word(const char *text, size_t *size, const char *word) {
    const size_t n = strlen(word);
    if (*size > n && !memcmp(text + *size - n, word, n)) *size -= n;
}

static const struct ending *find_ending(const char *text, size_t *size) {
    take_word(text, size, ".weight");
    const struct ending *ending = take_ending(text, size, false);
    if (ending) return ending;
    const char *dot = memrchr(text, '.', *size); /* ".default" */
    if (dot) *size = (size_t)(dot - text);
    return dot ? take_ending(text, size, true) : NULL;
}

/* ---- Which model: the beginning of a name ---- */

static const struct beginning {
    const char *text;
    lt_role role;
    bool stays; /* it is part of the layer's name */
} beginnings[] = {
    {"lora_unet_", LT_ROLE_UNET},
    {"oft_unet_", LT_ROLE_UNET},
    {"lycoris_", LT_ROLE_UNET},
    {"unet.", LT_ROLE_UNET},
    {"model.diffusion_model.", LT_ROLE_UNET},
    {"diffusion_model.", LT_ROLE_UNET},
    {"lora_te_", LT_ROLE_TEXT},
    {"lora_te1_", LT_ROLE_TEXT},
    {"text_encoder.", LT_ROLE_TEXT},
    {"cond_stage_model.transformer.", LT_ROLE_TEXT},
    {"text_model.", LT_ROLE_TEXT, true},
    {"lora_te2_", LT_ROLE_OPEN_TEXT},
    {"text_encoder_2.", LT_ROLE_OPEN_TEXT},
    {"down_blocks.", LT_ROLE_UNET, true}, /* of diffusers' first files, and of a U-Net that PEFT wrote alone */
    {"mid_block.", LT_ROLE_UNET, true},
    {"up_blocks.", LT_ROLE_UNET, true},
    {"conv_in.", LT_ROLE_UNET, true},
    {"conv_out.", LT_ROLE_UNET, true},
    {"time_embedding.", LT_ROLE_UNET, true},
};

/* The rest of name behind its beginning; NULL: it is nobody's. */
static const char *find_role(const char *name, lt_role *role) {
    const char *alone = lt_name_after(name, "base_model.model.");
    if (alone) name = alone;
    for (size_t i = 0; i < LT_COUNT(beginnings); i++) {
        const char *rest = lt_name_after(name, beginnings[i].text);
        if (!rest) continue;
        *role = beginnings[i].role;
        return beginnings[i].stays ? name : rest;
    }
    return NULL;
}

/* ---- Which layer ---- */

static void write_layer(lt_role role, const char *name, size_t size, char layer[LT_NAME_SIZE]) {
    const char *tower = role == LT_ROLE_UNET ? "" : "text_model"; /* some names begin with it, some behind it */
    const size_t n = strlen(tower);
    if (n && size > n + 1 && !memcmp(name, tower, n)) {
        name += n + 1;
        size -= n + 1;
    }
    snprintf(layer, LT_NAME_SIZE, "%.*s", (int)size, name);
    for (char *c = layer; *c; c++)
        if (*c == '.') *c = '_';
}

void lt_lora_layer(lt_role role, const char *name, char layer[LT_NAME_SIZE]) {
    write_layer(role, name, strlen(name), layer);
}

/* "attn1_processor_to_out" is "attn1_to_out_0": the first diffusers' processors had the layers of their own. */
static void leave_processor(char layer[LT_NAME_SIZE]) {
    static const char processor[] = "_processor_to_";
    char *at = strstr(layer, processor);
    if (!at) return;
    memmove(at, at + strlen("_processor"), strlen(at + strlen("_processor")) + 1);
    if (!strcmp(at, "_to_out") && strlen(layer) + 2 < LT_NAME_SIZE) strcat(layer, "_0");
}

bool lt_lora_key_read(const char *name, lt_lora_key *key) {
    size_t size;
    const char *rest = find_role(name, &key->role);
    if (!rest || (size = strlen(rest)) >= LT_NAME_SIZE) return false;
    const struct ending *ending = find_ending(rest, &size);
    if (!ending) return false;
    key->part = ending->part;
    write_layer(key->role, rest, size, key->layer);
    leave_processor(key->layer);
    return true;
}
