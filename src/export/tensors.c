/* One safetensors file of tensors: their types, their order, and whether their values can be told in them. */
#include "export/export.h"

#include "base/file.h"
#include "models/scales.h"

#include <math.h>

bool lt_is_floating(lt_dtype type) {
    return type == LT_F32 || type == LT_F16 || type == LT_BF16 || type == LT_F64 || type == LT_F8_E4M3 ||
           type == LT_F8_E5M2 || lt_in_blocks(type);
}

lt_dtype lt_export_type(const lt_tensor *tensor, const lt_dtype *type) {
    const bool whole = tensor->rank == 0 || lt_is_scales(tensor->name);
    if (type && lt_is_floating(tensor->dtype) && !whole) return *type;
    return lt_in_blocks(tensor->dtype) ? LT_F16 : tensor->dtype;
}

/* Types that hold less than float32: what rounds to infinity, and what to say of it. */
static const struct {
    float limit;
    double most;
    const char *name, *instead;
} narrow_types[LT_DTYPE_COUNT] = {
    [LT_F16] = {65520, 65504, "f16", "bf16 or f32"}, [LT_BF16] = {0x1.FFp127f, 0x1.FEp127, "bf16", "f32"}};

/* values [count] of a tensor are numbers: the largest, without its sign. */
static lt_status find_largest(const char *name, const float *values, size_t count, float *largest) {
    if (!lt_all_finite(values, count))
        return lt_fail(LT_ERROR_MODEL,
                       "tensor %s holds a NaN, an infinity or what float32 can't hold: nothing can be "
                       "drawn with it; fetch the file again, or ask who trained it",
                       name);
    for (size_t i = 0; i < count; i++) *largest = fmaxf(*largest, fabsf(values[i]));
    return LT_OK;
}

static lt_status read_values(const lt_tensor *tensor, const lt_filling *filling, float *values) {
    if (filling) return filling->fill(filling->user, tensor, values);
    lt_tensor_read_f32(tensor, values);
    return LT_OK;
}

lt_status lt_export_largest(const lt_tensor *tensor, const lt_filling *filling, float *largest) {
    const size_t count = lt_tensor_count(tensor);
    *largest = 0;
    LT_TRY(lt_writer_ask());
    if (!lt_is_floating(tensor->dtype)) return LT_OK;
    float *values = lt_calloc(count, sizeof *values);
    if (!values) return LT_ERROR_MEMORY;
    lt_status status = read_values(tensor, filling, values);
    if (!status) status = find_largest(tensor->name, values, count, largest);
    lt_free(values);
    return status;
}

lt_status lt_export_check(const lt_tensor *tensor, lt_dtype type, const lt_filling *filling) {
    float largest;
    LT_TRY(lt_export_largest(tensor, filling, &largest));
    const float limit = narrow_types[type].limit;
    if (!(limit > 0) || largest < limit) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT, "tensor %s holds %g, but %s goes up to %g: use %s", tensor->name, (double)largest,
                   narrow_types[type].name, narrow_types[type].most, narrow_types[type].instead);
}

/* Puts tensors [count], which are sorted by name, in the order of the file: wider types first. Foreign ones, which no
 * part of the model needs, are left out; returns how many the others are. */
static size_t arrange(const lt_tensor *tensors, size_t count, const lt_dtype *type, lt_tensor *out, lt_dtype *types) {
    size_t n = 0;
    for (size_t size = 8; size; size /= 2)
        for (size_t i = 0; i < count; i++) {
            if (lt_dtype_size(lt_export_type(&tensors[i], type)) != size) continue;
            types[n] = lt_export_type(&tensors[i], type);
            out[n++] = tensors[i];
        }
    return n;
}

lt_status lt_export_tensors(const char *path, const lt_tensor *tensors, size_t count, const lt_metadata *metadata,
                            size_t metadata_count, const lt_dtype *type, const lt_filling *filling) {
    static const lt_filling none;
    const lt_filling *f = filling ? filling : &none;
    lt_tensor *arranged = lt_calloc(count, sizeof *arranged);
    lt_dtype *types = lt_calloc(count, sizeof *types);
    lt_status status = arranged && types ? LT_OK : LT_ERROR_MEMORY;
    if (!status) count = arrange(tensors, count, type, arranged, types);
    for (size_t i = 0; i < count && !status; i++) status = lt_export_check(&arranged[i], types[i], filling);
    if (!status)
        status = lt_safetensors_write(path, arranged, count, metadata, metadata_count, types, f->fill, f->user);
    lt_free(types);
    lt_free(arranged);
    return status;
}
