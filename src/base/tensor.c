/* A tensor as a file holds it. */
#include "base/blocks_write.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} dtypes[LT_DTYPE_COUNT] = {
    [LT_F32] = {"F32", 4},   [LT_F16] = {"F16", 2},   [LT_BF16] = {"BF16", 2},       [LT_F64] = {"F64", 8},
    [LT_I64] = {"I64", 8},   [LT_I32] = {"I32", 4},   [LT_I16] = {"I16", 2},         [LT_I8] = {"I8", 1},
    [LT_U8] = {"U8", 1},     [LT_BOOL] = {"BOOL", 1}, [LT_F8_E4M3] = {"F8_E4M3", 1}, [LT_F8_E5M2] = {"F8_E5M2", 1},
    [LT_Q4_0] = {"Q4_0", 0}, [LT_Q4_1] = {"Q4_1", 0}, [LT_Q5_0] = {"Q5_0", 0},       [LT_Q5_1] = {"Q5_1", 0},
    [LT_Q8_0] = {"Q8_0", 0}, [LT_Q2_K] = {"Q2_K", 0}, [LT_Q3_K] = {"Q3_K", 0},       [LT_Q4_K] = {"Q4_K", 0},
    [LT_Q5_K] = {"Q5_K", 0}, [LT_Q6_K] = {"Q6_K", 0}, [LT_IQ4_NL] = {"IQ4_NL", 0},   [LT_FOREIGN] = {"foreign", 0},
};

const char *lt_dtype_name(lt_dtype t) { return dtypes[t].name; }
size_t lt_dtype_size(lt_dtype t) { return dtypes[t].size; }

const char *lt_tensor_type(const lt_tensor *t) { return t->dtype == LT_FOREIGN ? t->type : lt_dtype_name(t->dtype); }

size_t lt_tensor_bytes(const lt_tensor *t) {
    const lt_block_format *f = lt_block_format_of(t->dtype);
    if (f) return (t->first + lt_tensor_count(t) + f->values - 1) / f->values * f->bytes;
    return t->dtype == LT_FOREIGN ? t->bytes : lt_tensor_count(t) * lt_dtype_size(t->dtype);
}

lt_status lt_tensor_readable(const lt_tensor *t) {
    if (t->forms)
        return lt_fail(LT_ERROR_UNSUPPORTED, "tensor %s is packed: use the checkpoint that it was packed from",
                       t->name);
    if (t->dtype != LT_FOREIGN) return LT_OK;
    char known[256];
    size_t at = 0;
    for (int i = 0; i < LT_FOREIGN; i++)
        at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", dtypes[i].name);
    return lt_fail(LT_ERROR_UNSUPPORTED, "tensor %s has type %s, which can't be read (%s can): convert it first",
                   t->name, t->type, known);
}

size_t lt_tensor_count(const lt_tensor *t) {
    size_t count = 1;
    for (int i = 0; i < t->rank; i++) count *= t->shape[i];
    return count;
}

void lt_tensor_set_contiguous(lt_tensor *t) {
    size_t stride = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        t->stride[i] = stride;
        stride *= t->shape[i];
    }
}

bool lt_tensor_contiguous(const lt_tensor *t) {
    size_t stride = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        if (t->shape[i] != 1 && t->stride[i] != stride) return false;
        stride *= t->shape[i];
    }
    return true;
}

bool lt_tensor_has_shape(const lt_tensor *t, int rank, const size_t *shape) {
    if (t->rank != rank) return false;
    for (int i = 0; i < rank; i++)
        if (t->shape[i] != shape[i]) return false;
    return true;
}

lt_tensor lt_tensor_turned(const lt_tensor *t) {
    lt_tensor turned = *t;
    turned.shape[0] = t->shape[1];
    turned.shape[1] = t->shape[0];
    turned.stride[0] = t->stride[1];
    turned.stride[1] = t->stride[0];
    turned.scales = NULL;
    return turned;
}

void lt_tensor_skip(lt_tensor *t, size_t elements) {
    if (lt_in_blocks(t->dtype))
        t->first += elements;
    else
        t->data = (const char *)t->data + elements * lt_dtype_size(t->dtype);
}

lt_tensor lt_tensor_row(const lt_tensor *t, size_t i) {
    lt_tensor row = *t;
    row.shape[0] = 1;
    lt_tensor_skip(&row, i * t->stride[0]);
    if (t->scales) row.scales = (const char *)t->scales + i * sizeof(float);
    return row;
}

void lt_tensor_shape_text(const lt_tensor *t, char *text, size_t size) {
    size_t at = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < t->rank && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, i ? ",%zu" : "%zu", t->shape[i]);
    if (at < size) snprintf(text + at, size - at, "]");
}

/* ---- Number formats ---- */

static uint32_t bits_of(float f) {
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static float float_of(uint32_t u) {
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* Written without branches, so that compilers vectorise the loops around it. */
static inline float widen_half(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h & 0x7C00, fraction = h & 0x03FF;
    const uint32_t rebias = 112u << 23;                    /* 127 - 15 */
    const uint32_t is_special = 0u - (exponent == 0x7C00); /* infinity and NaN; all ones or zero, as is_tiny */
    const uint32_t is_tiny = 0u - (exponent == 0);         /* zero and the subnormals */
    const uint32_t normal = ((uint32_t)(h & 0x7FFF) << 13) + rebias + (rebias & is_special);
    const uint32_t tiny = bits_of((float)(int32_t)fraction * 0x1p-24f); /* exact */
    return float_of(sign | (normal & ~is_tiny) | (tiny & is_tiny));
}

float lt_f16_to_f32(uint16_t h) { return widen_half(h); }

uint16_t lt_f32_to_f16(float f) {
    const uint32_t u = bits_of(f), sign = u >> 16 & 0x8000, magnitude = u & 0x7FFFFFFF;
    if (magnitude > 0x7F800000) { /* NaN: keeps what fits of its payload, and stays one */
        const uint32_t payload = magnitude >> 13 & 0x3FF;
        return (uint16_t)(sign | 0x7C00 | (payload ? payload : 0x200));
    }
    if (magnitude >= 0x477FF000) return (uint16_t)(sign | 0x7C00); /* rounds to infinity */
    if (magnitude < 0x38800000) { /* subnormal: adding 0.5 lines the fraction up and rounds it to nearest even */
        const uint32_t shifted = bits_of(float_of(magnitude) + 0.5f);
        return (uint16_t)(sign | (shifted - 0x3F000000));
    }
    return (uint16_t)(sign | (magnitude + 0xFFF + (magnitude >> 13 & 1) - 0x38000000) >> 13);
}

/* As a half, its exponent is 8 too small. */
static inline float widen_e4m3(uint8_t v) {
    const uint32_t sign = v & 0x80, magnitude = v & 0x7F;
    const uint32_t is_nan = 0u - (magnitude == 0x7F);
    return float_of(bits_of(widen_half((uint16_t)(sign << 8 | magnitude << 7)) * 256) | (0x7FC00000 & is_nan));
}

static inline float widen_e5m2(uint8_t v) { return widen_half((uint16_t)(v << 8)); }

uint16_t lt_f32_to_bf16(float f) {
    const uint32_t u = bits_of(f);
    if ((u & 0x7FFFFFFF) > 0x7F800000) return (uint16_t)(u >> 16 | (u >> 16 & 0x7F ? 0 : 0x40)); /* stays a NaN */
    return (uint16_t)((u + 0x7FFF + (u >> 16 & 1)) >> 16);
}

/* ---- Reading ---- */

/* n elements of the tensor, from element `first` of its file on and step apart, to float32 or as they are. */
typedef void (*row_fn)(const lt_tensor *t, size_t first, size_t step, size_t n, void *out);

#define LT_WIDEN(ctype, expression)                                                                                    \
    for (size_t i = 0; i < n; i++) {                                                                                   \
        ctype v; /* which a file may leave unaligned */                                                                \
        memcpy(&v, from + i * (packed ? sizeof v : step), sizeof v);                                                   \
        values[i] = (expression);                                                                                      \
    }

/* Called with packed as a constant: where elements lie side by side, the loops below become vector code. */
static inline __attribute__((always_inline)) void widen(lt_dtype type, const char *from, bool packed, size_t step,
                                                        size_t n, float *restrict values) {
    switch (type) {
    case LT_F32: LT_WIDEN(float, v) break;
    case LT_F16: LT_WIDEN(uint16_t, widen_half(v)) break;
    case LT_BF16: LT_WIDEN(uint16_t, lt_bf16_to_f32(v)) break;
    case LT_F64: LT_WIDEN(double, (float)v) break;
    case LT_I64: LT_WIDEN(int64_t, (float)v) break;
    case LT_I32: LT_WIDEN(int32_t, (float)v) break;
    case LT_I16: LT_WIDEN(int16_t, (float)v) break;
    case LT_I8: LT_WIDEN(int8_t, (float)v) break;
    case LT_U8: LT_WIDEN(uint8_t, (float)v) break;
    case LT_BOOL: LT_WIDEN(uint8_t, v ? 1.0f : 0.0f) break;
    case LT_F8_E4M3: LT_WIDEN(uint8_t, widen_e4m3(v)) break;
    case LT_F8_E5M2: LT_WIDEN(uint8_t, widen_e5m2(v)) break;
    default: /* foreign */
        for (size_t i = 0; i < n; i++) values[i] = NAN;
        break;
    }
}

#undef LT_WIDEN

static void widen_row(const lt_tensor *t, size_t first, size_t step, size_t n, void *out) {
    const size_t item = dtypes[t->dtype].size;
    const char *from = (const char *)t->data + first * item;
    if (step == 1)
        widen(t->dtype, from, true, 0, n, out);
    else
        widen(t->dtype, from, false, step * item, n, out);
}

static void widen_blocks(const lt_tensor *t, size_t first, size_t step, size_t n, void *out) {
    const lt_block_format *f = lt_block_format_of(t->dtype);
    float *values = out;
    if (step == 1)
        lt_blocks_read_part(f, t->data, t->first + first, n, values);
    else
        for (size_t i = 0; i < n; i++) lt_blocks_read_part(f, t->data, t->first + first + i * step, 1, values + i);
}

static void copy_row(const lt_tensor *t, size_t first, size_t step, size_t n, void *out) {
    const size_t item = dtypes[t->dtype].size;
    const char *from = (const char *)t->data + first * item;
    char *to = out;
    if (step == 1) {
        memcpy(to, from, n * item);
        return;
    }
    for (size_t i = 0; i < n; i++) memcpy(to + i * item, from + i * step * item, item);
}

/* Every row of the innermost dimension in turn, to out, whose elements take out_item bytes. */
static void read_rows(const lt_tensor *t, row_fn row, char *out, size_t out_item) {
    const size_t count = lt_tensor_count(t);
    if (count == 0) return;
    if (lt_tensor_contiguous(t)) {
        row(t, 0, 1, count, out);
        return;
    }
    const int last = t->rank - 1;
    const size_t inner = t->shape[last];
    size_t index[LT_MAX_RANK] = {0};
    for (size_t i = 0; i < count / inner; i++) {
        size_t at = 0;
        for (int d = 0; d < last; d++) at += index[d] * t->stride[d];
        row(t, at, t->stride[last], inner, out + i * inner * out_item);
        for (int d = last - 1; d >= 0 && ++index[d] == t->shape[d]; d--) index[d] = 0;
    }
}

static void scale_rows(const lt_tensor *t, float *out) {
    const size_t rows = t->shape[0], n = rows ? lt_tensor_count(t) / rows : 0;
    for (size_t r = 0; r < rows; r++) {
        float scale;
        memcpy(&scale, (const char *)t->scales + r * sizeof scale, sizeof scale);
        for (size_t i = 0; i < n; i++) out[r * n + i] *= scale;
    }
}

void lt_tensor_read_f32(const lt_tensor *t, float *out) {
    for (size_t i = 0; t->forms && i < lt_tensor_count(t); i++) out[i] = NAN;
    if (t->forms) return;
    read_rows(t, lt_in_blocks(t->dtype) ? widen_blocks : widen_row, (char *)out, sizeof *out);
    if (t->scales) scale_rows(t, out);
}

void lt_tensor_read_raw(const lt_tensor *t, void *out) { read_rows(t, copy_row, out, dtypes[t->dtype].size); }

/* ---- Writing ---- */

/* The nearest whole number from low to high; 0 for a NaN. The bounds are exact as doubles, or one over. */
static int64_t to_integer(float value, double low, double high) {
    if (isnan(value)) return 0;
    if (value >= high) return high >= 0x1p63 ? INT64_MAX : (int64_t)high;
    return value <= low ? (int64_t)low : (int64_t)nearbyintf(value);
}

static int64_t to_type_integer(lt_dtype type, float value) {
    switch (type) {
    case LT_I64: return to_integer(value, -0x1p63, 0x1p63);
    case LT_I32: return to_integer(value, INT32_MIN, INT32_MAX);
    case LT_I16: return to_integer(value, INT16_MIN, INT16_MAX);
    case LT_I8: return to_integer(value, INT8_MIN, INT8_MAX);
    case LT_U8: return to_integer(value, 0, UINT8_MAX);
    default: return value != 0; /* BOOL */
    }
}

void lt_numbers_write(lt_dtype type, const float *values, size_t n, void *out) {
    const size_t item = lt_dtype_size(type);
    if (lt_in_blocks(type)) return lt_blocks_write(type, values, n / lt_block_format_of(type)->values, out);
    switch (type) {
    case LT_F32: memcpy(out, values, n * item); break;
    case LT_F16:
        for (size_t i = 0; i < n; i++) ((uint16_t *)out)[i] = lt_f32_to_f16(values[i]);
        break;
    case LT_BF16:
        for (size_t i = 0; i < n; i++) ((uint16_t *)out)[i] = lt_f32_to_bf16(values[i]);
        break;
    case LT_F64:
        for (size_t i = 0; i < n; i++) ((double *)out)[i] = values[i];
        break;
    default:
        for (size_t i = 0; i < n; i++) {
            const int64_t whole = to_type_integer(type, values[i]);
            memcpy((char *)out + i * item, &whole, item); /* the low bytes come first */
        }
    }
}
