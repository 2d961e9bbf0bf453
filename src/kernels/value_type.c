/* The table of values' types. */
#include "kernels/value_type.h"

#include "kernels/bf16.h"

#include <string.h>

static void read_f32(const void *from, float *to, size_t n) { memcpy(to, from, n * sizeof *to); }
static void write_f32(const float *from, void *to, size_t n) { memcpy(to, from, n * sizeof *from); }

static void read_i32(const void *from, float *to, size_t n) {
    for (size_t i = 0; i < n; i++) to[i] = (float)((const int32_t *)from)[i];
}

/* What is no number becomes the least. */
static int32_t whole(float x) { return x >= 0x1p31f ? INT32_MAX : x >= -0x1p31f ? (int32_t)x : INT32_MIN; }

static void write_i32(const float *from, void *to, size_t n) {
    for (size_t i = 0; i < n; i++) ((int32_t *)to)[i] = whole(from[i]);
}

const lt_value_type lt_value_types[] = {
    [LT_VALUE_F32] = {"f32", sizeof(float), read_f32, write_f32},
    [LT_VALUE_I32] = {"i32", sizeof(int32_t), read_i32, write_i32},
    [LT_VALUE_BF16] = {"bf16", sizeof(uint16_t), lt_bf16_read, lt_bf16_write},
};
