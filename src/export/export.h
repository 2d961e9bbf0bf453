/* Writing models: one safetensors file, or a diffusers folder. */
#ifndef LT_EXPORT_H
#define LT_EXPORT_H

#include "formats/source.h"
#include "models/settings.h"
#include "pipeline/components.h"

bool lt_is_floating(lt_dtype type); /* which `type` below converts */

/* Who makes the values of tensors while these are written, twice: to look at them, and to write them. A tensor's data
 * is then whatever fill wants it to be. */
typedef struct lt_filling {
    lt_fill_fn fill;
    void *user;
} lt_filling;

/* What is written: an open model's parts, its tensors [count] by their canonical names, and the files that those come
 * from. */
typedef struct lt_exported {
    const lt_components *parts;
    const lt_tensor *tensors;
    size_t count;
    const lt_source *source;
    const lt_settings *more;   /* further metadata of a single file; NULL: none */
    const lt_filling *filling; /* who makes the values; NULL: tensors hold them */
} lt_exported;

/* In all of these: type, if not NULL, is what tensors of floating-point numbers are converted to; whole numbers and
 * single values (CLIP's logit_scale) stay as they are. A NaN or an infinity is LT_ERROR_MODEL, a finite value that type
 * can't hold LT_ERROR_ARGUMENT; the message names the tensor. The file or folder takes its place only when it is
 * complete. */

/* What a file written as type (NULL: as it is) holds tensor in. Scales stay what they are, exact; blocks
 * (base/blocks.h), which only GGUF files hold, become f16. */
lt_dtype lt_export_type(const lt_tensor *tensor, const lt_dtype *type);
/* The largest of its numbers without its sign; LT_ERROR_MODEL where not all are numbers. */
lt_status lt_export_largest(const lt_tensor *tensor, const lt_filling *filling, float *largest);
/* Before it is written as type: LT_ERROR_MODEL, LT_ERROR_ARGUMENT as said above. */
lt_status lt_export_check(const lt_tensor *tensor, lt_dtype type, const lt_filling *filling);

/* One safetensors file of tensors as they are called. Wider types come first, so that every tensor lies on a multiple
 * of its elements' size, and names are in order. filling: NULL: tensors hold their values. */
lt_status lt_export_tensors(const char *path, const lt_tensor *tensors, size_t count, const lt_metadata *metadata,
                            size_t metadata_count, const lt_dtype *type, const lt_filling *filling);

/* What config.json files say that shapes and the family don't (heads, groups, activation, scaling, noise schedule), as
 * a single file's metadata say it; of an ordinary model nothing. That other programs can't tell goes to the model's
 * notice function. settings, zeroed, is the caller's to free. */
lt_status lt_export_settings(const lt_components *parts, lt_settings *settings);

/* Both of the following refuse a model that can't draw for want of a tensor or its shape (lt_parts_check), before
 * anything is written. */

/* One safetensors file with canonical names: a single-file SD 1.x checkpoint, a transformers CLIP, or a part of one.
 * The source's metadata go with it; prediction, size and lt_export_settings are added where they aren't SD 1.x's. */
lt_status lt_export_ldm(const lt_exported *model, const char *path, const lt_dtype *type);

/* One GGUF file with the names of lt_export_ldm: that stable-diffusion.cpp and, of the U-Net, ComfyUI-GGUF read.
 * quantised, if not NULL, is a type in blocks for the matrices of the U-Net and text encoders; what else there is of
 * two dimensions and more becomes f16 then, or is bf16 already, and the rest f32. */
lt_status lt_export_gguf(const lt_exported *model, const char *path, const lt_dtype *type, const lt_dtype *quantised);

/* A diffusers folder (StableDiffusionPipeline, or StableDiffusionXLPipeline) with the tokenizers and every
 * configuration file. LT_ERROR_FILE if something is at path already. */
lt_status lt_export_diffusers(const lt_exported *model, const char *path, const lt_dtype *type);

#endif
