/* The weights of merged models' blocks: see mix_weights.h. */
#include "api/mix_weights.h"

#include "models/layout.h"
#include "text/number.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { WORD_SIZE = 32 };

static const double MOST = 10; /* as lt_merge_options.weight */

/* ---- Blocks by the names of their tensors ---- */

/* Where the tensor's weight is; NULL where there are more blocks than weights has room for. */
static float *place_of(lt_mix_weights *w, const char *name) {
    const char *rest = lt_name_after(name, lt_role_prefix(LT_ROLE_UNET));
    int i = 0;
    if (!rest) return lt_is_vae(name) ? &w->vae : &w->text;
    if (sscanf(rest, "input_blocks.%d.", &i) == 1) return i >= 0 && i < LT_MOST_BLOCKS ? &w->block[i] : NULL;
    if (sscanf(rest, "output_blocks.%d.", &i) == 1)
        return i >= 0 && i < LT_MOST_BLOCKS ? &w->block[w->inputs + 1 + i] : NULL;
    if (lt_name_after(rest, "middle_block.")) return &w->block[w->inputs];
    return lt_name_after(rest, "out.") ? &w->block[w->inputs + w->outputs] : &w->block[0];
}

static void count_block(lt_mix_weights *w, const char *name) {
    const char *rest = lt_name_after(name, lt_role_prefix(LT_ROLE_UNET));
    int i = 0;
    if (rest && sscanf(rest, "input_blocks.%d.", &i) == 1 && i >= w->inputs && i < LT_MOST_BLOCKS) w->inputs = i + 1;
    if (rest && sscanf(rest, "output_blocks.%d.", &i) == 1 && i >= w->outputs && i < LT_MOST_BLOCKS) w->outputs = i + 1;
}

float lt_mix_weight_of(const lt_mix_weights *weights, const char *name) {
    return *place_of((lt_mix_weights *)(uintptr_t)weights, name);
}

/* ---- Blocks as people name them ---- */

static void fill(float *weights, int count, float weight) {
    for (int i = 0; i < count; i++) weights[i] = weight;
}

/* "IN" of "IN04" and 4, or -1 of "IN" alone; false: name is none of kind's. */
static bool is_block(const char *name, const char *kind, int count, int *i) {
    const size_t n = strlen(kind);
    const bool digits = name[n] && strspn(name + n, "0123456789") == strlen(name + n) && strlen(name + n) < 3;
    if (strncasecmp(name, kind, n) || (name[n] && !digits)) return false;
    *i = -1;
    return !digits || (sscanf(name + n, "%d", i) == 1 && *i < count);
}

/* Of the blocks [count] of one way, of which name names one or, without a number, all; false: none. */
static bool set_blocks(const char *name, const char *kind, float *blocks, int count, float weight) {
    int i;
    if (!is_block(name, kind, count, &i)) return false;
    fill(i < 0 ? blocks : blocks + i, i < 0 ? count : 1, weight);
    return true;
}

static bool set_named(lt_mix_weights *w, const char *name, float weight) {
    const bool base = !strcasecmp(name, "BASE"), all = !strcasecmp(name, "unet");
    const bool text = base || !strcasecmp(name, "text"), vae = base || !strcasecmp(name, "vae");
    if (text) w->text = weight;
    if (vae) w->vae = weight;
    if (all) fill(w->block, w->inputs + 1 + w->outputs, weight);
    return text || vae || all || set_blocks(name, "IN", w->block, w->inputs, weight) ||
           set_blocks(name, "M", &w->block[w->inputs], 1, weight) ||
           set_blocks(name, "OUT", &w->block[w->inputs + 1], w->outputs, weight);
}

/* The i-th of the numbers without names; false: there are no more. */
static bool set_next(lt_mix_weights *w, int i, float weight) {
    if (!i) w->text = w->vae = weight;
    if (i) w->block[i - 1] = weight;
    return i < 2 + w->inputs + w->outputs;
}

/* ---- Reading ---- */

static lt_status refuse(const lt_mix_weights *w, const char *word) {
    return lt_fail(
        LT_ERROR_ARGUMENT,
        "blocks: \"%s\": it takes %d numbers from %g to %g, for BASE, IN00 to IN%02d, M00, OUT00 to OUT%02d, "
        "or NAME=NUMBER of some of these, IN, OUT, unet, text, vae",
        word, 2 + w->inputs + w->outputs, -MOST, MOST, w->inputs - 1, w->outputs - 1);
}

static bool read_number(const char *text, float *number) {
    double value = 0;
    const size_t size = strlen(text);
    size_t at = 0;
    if (!lt_signed_read(text, size, &at, &value) || at != size || !(fabs(value) <= MOST)) return false;
    *number = (float)value;
    return true;
}

/* One word: "0.5", of which it is the *next one, or "IN04=0.5". */
static bool read_word(lt_mix_weights *w, char *word, int *next) {
    char *equals = strpbrk(word, "=:");
    float weight = 0;
    if (!read_number(equals ? equals + 1 : word, &weight)) return false;
    if (!equals) return set_next(w, (*next)++, weight);
    *equals = '\0';
    return set_named(w, word, weight);
}

/* Numbers without names are all of them. */
static lt_status read_blocks(lt_mix_weights *w, const char *blocks) {
    int next = 0;
    for (const char *at = blocks; *at; at += strspn(at, ", \n\t")) {
        char word[WORD_SIZE], copy[WORD_SIZE];
        const size_t n = strcspn(at, ", \n\t");
        snprintf(word, sizeof word, "%.*s", (int)lt_min(n, sizeof word), at);
        memcpy(copy, word, sizeof copy);
        if (n >= sizeof word || !read_word(w, copy, &next)) return refuse(w, word);
        at += n;
    }
    return next && next != 2 + w->inputs + w->outputs ? refuse(w, blocks) : LT_OK;
}

lt_status lt_mix_weights_read(const char *blocks, float weight, const lt_tensor *tensors, size_t count,
                              lt_mix_weights *weights) {
    *weights = (lt_mix_weights){.text = weight, .vae = weight};
    fill(weights->block, LT_COUNT(weights->block), weight);
    for (size_t i = 0; i < count; i++) count_block(weights, tensors[i].name);
    for (size_t i = 0; i < count; i++)
        if (!place_of(weights, tensors[i].name))
            return lt_fail(LT_ERROR_MODEL, "%s: a U-Net of more than %d blocks", tensors[i].name, LT_MOST_BLOCKS);
    return blocks ? read_blocks(weights, blocks) : LT_OK;
}
