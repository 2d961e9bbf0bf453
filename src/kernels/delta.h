/* What is added to a weight: LoRA and its kin, which say much with few numbers.
 *
 * A weight is a matrix W here, [rows, columns]: its output channels by (input channel, tap). A vector is one row.
 *
 *     factor  F = whole | up down | up core down                                    the last is Tucker's, of LyCORIS
 *     delta   D = scale * (F1 | F1 * F2 by elements | F1 (x) F2 | F1 + W F2)        LoRA, LoHa, LoKr, GLoRA
 *             D = c * R' W - W, R = (I + Q) (I - Q)^-1 in blocks of rows, Q = B - B'  OFT
 *             D = c * R_m ... R_1 W - W, R_i the same of rows 2^i half blocks apart   BOFT
 *     weight  W + strength * D, or, with a magnitude m,                             DoRA: norms of rows or of inputs
 *             W + strength * (m * (W + D) / |W + D| - W)
 *
 * Hu et al. 2021 (LoRA), Hyeon-Woo et al. 2021 (Hadamard), Yeh et al. 2023 (LyCORIS), Chavan et al. 2023
 * (GLoRA), Qiu et al. 2023 (OFT), Liu et al. 2024 (DoRA), another Liu et al. 2024 (BOFT). */
#ifndef LT_DELTA_H
#define LT_DELTA_H

#include "base/tensor.h"

/* A matrix [rows, columns] of a delta. A tensor whose data is NULL is left out. */
typedef struct lt_factor {
    lt_tensor up;   /* alone: the matrix itself; else [rows, rank] */
    lt_tensor core; /* [rank, inner rank, taps...] */
    lt_tensor down; /* [rank, columns...], or with a core [inner rank, input channels] */
} lt_factor;

typedef enum lt_delta_kind {
    LT_DELTA_SUM,       /* the first factor */
    LT_DELTA_HADAMARD,  /* both, of the weight's size, element by element */
    LT_DELTA_KRONECKER, /* the first [a, b], the second [rows / a, columns / b] */
    LT_DELTA_INPUT,     /* the first, and the weight as it stands times the second [columns, columns] */
    LT_DELTA_ROTATION,  /* the first is B [blocks, size, size], blocks * size being rows, or a butterfly's B [stages,
                           blocks, size, size]; the second c [rows, 1...], or left out */
} lt_delta_kind;

typedef struct lt_delta {
    lt_delta_kind kind;
    lt_factor factor[2];
    float scale; /* alpha / rank; of a rotation 1 */
    float bound; /* of a rotation: Q, of all blocks and stages, is scaled down to this norm where it is over it; 0: as
                    it is */
    lt_tensor magnitude; /* [rows] or [rows, 1...]: of each row; [1, input channels...]: of each input channel */
    uint64_t identity;   /* of all these numbers: made by lt_delta_check */
} lt_delta;

/* One of a weight's deltas, with the strength that a person gives it. */
typedef struct lt_applied {
    const lt_delta *delta;
    float strength;
} lt_applied;

/* All that are applied to a weight, one after the other. */
typedef struct lt_delta_list {
    const lt_applied *items;
    size_t count;
} lt_delta_list;

/* Lists of the same deltas with the same strengths in the same order have the same; an empty one has 0. */
uint64_t lt_delta_list_identity(lt_delta_list list);

/* Whether what its tensors, which can be read, make is of that weight's size; LT_ERROR_MODEL where they don't fit each
 * other. */
lt_status lt_delta_fits(const lt_delta *delta, const lt_tensor *weight, bool *fits);
/* Whether delta fits that weight; LT_ERROR_MODEL names what does not. Once, before it is used: its identity is made of
 * its tensors' bytes. */
lt_status lt_delta_check(lt_delta *delta, const lt_tensor *weight);
/* lt_map_check of all its tensors. */
lt_status lt_delta_check_maps(const lt_delta *delta, lt_status status);

/* Whether it is made of the weight as it stands, so that it matters what was added before. */
static inline bool lt_delta_reads_weight(const lt_delta *d) {
    return d->magnitude.data || d->kind == LT_DELTA_INPUT || d->kind == LT_DELTA_ROTATION;
}

/* Whether a magnitude is of the weight's rows; else it is of its input channels. */
static inline bool lt_magnitude_is_of_rows(const lt_tensor *m, size_t rows) {
    return m->rank && m->shape[0] == rows && lt_tensor_count(m) == rows;
}

/* A rotation by its B, of three dimensions or four. */
typedef struct lt_rotation {
    size_t stages, blocks, size;
    bool butterfly;
} lt_rotation;
static inline lt_rotation lt_rotation_of(const lt_tensor *b) {
    const bool butterfly = b->rank == 4;
    const size_t *s = b->shape + butterfly;
    return (lt_rotation){butterfly ? b->shape[0] : 1, s[0], s[1], butterfly};
}

/* Its tensors, those without data among them. */
enum { LT_DELTA_TENSORS = 7 };
void lt_delta_tensors(const lt_delta *delta, const lt_tensor *tensors[LT_DELTA_TENSORS]);

/* A tensor as a matrix: its first dimension by all others; a vector is one row. */
typedef struct lt_matrix {
    lt_tensor tensor; /* of at least two dimensions */
    size_t rows, columns;
} lt_matrix;
lt_matrix lt_matrix_of(const lt_tensor *t);

#endif
