/* Kinds of adapters: LoRA and LoCon (Hu et al. 2021), LoHa and LoKr (Yeh et al. 2023, LyCORIS), each also with DoRA's
 * magnitude (Liu et al. 2024), GLoRA (Chavan et al. 2023), OFT (Qiu et al. 2023) and BOFT (another Liu et al. 2024),
 * and differences as they are. Scales are alpha / rank, or 1 without an alpha. */
#include "adapters/lora_kind.h"

#include <math.h>

typedef struct reader {
    const lt_lora_parts *parts;
    lt_lora_change *change;
} reader;

/* A part that is used, or NULL. */
static const lt_tensor *take(reader *r, lt_lora_part part) {
    const lt_tensor *t = r->parts->of[part];
    if (t) r->change->used |= 1u << part;
    return t;
}

static bool has(const reader *r, lt_lora_part part) { return r->parts->of[part]; }

static lt_tensor optional(const lt_tensor *t) { return t ? *t : (lt_tensor){0}; }

/* Tucker's w_a lies [rank, out], the others' [out, rank]. */
static lt_factor lycoris_product(const lt_tensor *up, const lt_tensor *core, const lt_tensor *down) {
    const lt_tensor turned = lt_matrix_of(up).tensor;
    return (lt_factor){core ? lt_tensor_turned(&turned) : *up, optional(core), *down};
}

static void set_rank(reader *r, const lt_tensor *down) { r->change->rank = lt_matrix_of(down).rows; }

static bool read_low_rank(reader *r) {
    if (!has(r, LT_PART_UP) || !has(r, LT_PART_DOWN)) return false;
    const lt_tensor *up = take(r, LT_PART_UP), *mid = take(r, LT_PART_MID), *down = take(r, LT_PART_DOWN);
    r->change->delta.factor[0] = (lt_factor){*up, optional(mid), *down};
    set_rank(r, down);
    return true;
}

static bool read_hadamard(reader *r) {
    static const lt_lora_part parts[2][3] = {{LT_PART_HADA_W1_A, LT_PART_HADA_T1, LT_PART_HADA_W1_B},
                                             {LT_PART_HADA_W2_A, LT_PART_HADA_T2, LT_PART_HADA_W2_B}};
    for (int i = 0; i < 2; i++)
        if (!has(r, parts[i][0]) || !has(r, parts[i][2])) return false;
    r->change->delta.kind = LT_DELTA_HADAMARD;
    for (int i = 0; i < 2; i++)
        r->change->delta.factor[i] = lycoris_product(take(r, parts[i][0]), take(r, parts[i][1]), take(r, parts[i][2]));
    set_rank(r, r->parts->of[LT_PART_HADA_W1_B]);
    return true;
}

/* Each factor whole or in two; the rank, which alpha is divided by, is the second's if both are in two. */
static bool read_kronecker(reader *r) {
    static const lt_lora_part parts[2][3] = {{LT_PART_LOKR_W1, LT_PART_LOKR_W1_A, LT_PART_LOKR_W1_B},
                                             {LT_PART_LOKR_W2, LT_PART_LOKR_W2_A, LT_PART_LOKR_W2_B}};
    for (int i = 0; i < 2; i++)
        if (!has(r, parts[i][0]) && (!has(r, parts[i][1]) || !has(r, parts[i][2]))) return false;
    r->change->delta.kind = LT_DELTA_KRONECKER;
    for (int i = 0; i < 2; i++) {
        const lt_tensor *whole = take(r, parts[i][0]);
        if (whole) r->change->delta.factor[i] = (lt_factor){.up = *whole};
        if (whole) continue;
        const lt_tensor *core = i ? take(r, LT_PART_LOKR_T2) : NULL, *down = take(r, parts[i][2]);
        r->change->delta.factor[i] = lycoris_product(take(r, parts[i][1]), core, down);
        set_rank(r, down);
    }
    return true;
}

/* LyCORIS' b2 b1 + W a2 a1; where the shapes say so, the other way round, as ComfyUI has it: b1 b2 + W a1 a2. */
static bool read_input(reader *r) {
    const lt_tensor *a1 = r->parts->of[LT_PART_GLORA_A1], *a2 = r->parts->of[LT_PART_GLORA_A2];
    const lt_tensor *b1 = r->parts->of[LT_PART_GLORA_B1], *b2 = r->parts->of[LT_PART_GLORA_B2];
    if (!a1 || !a2 || !b1 || !b2) return false;
    for (lt_lora_part part = LT_PART_GLORA_A1; part <= LT_PART_GLORA_B2; part++) (void)take(r, part);
    const size_t rank = lt_matrix_of(b1).rows;
    const bool lycoris = lt_matrix_of(b2).columns == rank && lt_matrix_of(a1).rows == rank;
    r->change->delta.kind = LT_DELTA_INPUT;
    r->change->delta.factor[0] = (lt_factor){.up = lycoris ? *b2 : *b1, .down = lycoris ? *b1 : *b2};
    r->change->delta.factor[1] = (lt_factor){.up = lycoris ? *a2 : *a1, .down = lycoris ? *a1 : *a2};
    set_rank(r, lycoris ? b1 : b2);
    return true;
}

/* alpha bounds the norm of Q, for each output channel of the weight (LyCORIS, kohya). */
static bool read_rotation(reader *r) {
    const lt_tensor *blocks = take(r, LT_PART_OFT_BLOCKS);
    if (!blocks) return false;
    r->change->delta.kind = LT_DELTA_ROTATION;
    r->change->delta.factor[0].up = *blocks;
    r->change->delta.factor[1].up = optional(take(r, LT_PART_OFT_RESCALE));
    return true;
}

static bool read_difference(reader *r) {
    const lt_tensor *t = take(r, LT_PART_DIFF);
    if (t) r->change->delta.factor[0].up = *t;
    return t;
}

static bool read_bias(reader *r) {
    const lt_tensor *t = take(r, LT_PART_DIFF_BIAS);
    if (t) r->change->delta.factor[0].up = *t;
    return t;
}

static const struct {
    const char *name;
    bool (*read)(reader *r);
} kinds[LT_LORA_KINDS] = {
    [LT_LORA_LOW_RANK] = {"LoRA", read_low_rank},       [LT_LORA_HADAMARD] = {"LoHa", read_hadamard},
    [LT_LORA_KRONECKER] = {"LoKr", read_kronecker},     [LT_LORA_INPUT] = {"GLoRA", read_input},
    [LT_LORA_ROTATION] = {"OFT", read_rotation},        [LT_LORA_DIFFERENCE] = {"difference", read_difference},
    [LT_LORA_BIAS] = {"difference of bias", read_bias},
};

const char *lt_lora_kind_name(lt_lora_kind kind) { return kinds[kind].name; }

static lt_status read_alpha(reader *r, float *alpha) {
    const lt_tensor *t = take(r, LT_PART_ALPHA);
    if (!t) return LT_OK;
    LT_TRY(lt_tensor_readable(t));
    const bool one = lt_tensor_count(t) == 1;
    if (one) lt_tensor_read_f32(t, alpha);
    return one && isfinite(*alpha) ? LT_OK : lt_fail(LT_ERROR_MODEL, "%s is no number", t->name);
}

static float rotated_rows(const lt_tensor *b) {
    const lt_rotation r = b->rank > 2 ? lt_rotation_of(b) : (lt_rotation){0};
    return (float)r.blocks * (float)r.size;
}

/* alpha / rank. What has no rank is taken as it is, whatever alpha says, but for a rotation's bound. */
static lt_status set_scale(reader *r) {
    lt_lora_change *c = r->change;
    float alpha = (float)c->rank;
    LT_TRY(read_alpha(r, &alpha));
    c->delta.scale = c->rank ? alpha / (float)c->rank : 1;
    if (c->kind == LT_LORA_ROTATION) c->delta.bound = alpha * rotated_rows(&c->delta.factor[0].up);
    return LT_OK;
}

bool lt_lora_next_change(const lt_lora_parts *parts, lt_lora_kind *kind, lt_lora_change *change, lt_status *status) {
    for (; *kind < LT_LORA_KINDS; ++*kind) {
        *change = (lt_lora_change){.kind = *kind};
        reader r = {parts, change};
        if (!kinds[*kind].read(&r)) continue;
        const lt_tensor *magnitude = *kind < LT_LORA_ROTATION ? take(&r, LT_PART_MAGNITUDE) : NULL;
        change->delta.magnitude = optional(magnitude);
        *status = set_scale(&r);
        ++*kind;
        return true;
    }
    return false;
}
