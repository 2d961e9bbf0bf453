/* A model's weights in 8 bits, by what it draws. */
#ifndef LT_QUANTISE_H
#define LT_QUANTISE_H

#include "api/model.h"
#include "export/int8.h"

/* Measures which layers stand it and makes the tensors of a file; more gets the choice as metadata. model is marked by
 * it and good for nothing else from then on. Both results are the caller's to free, even after a failure. */
lt_status lt_model_quantise(lt_model *model, const lt_convert_options *options, lt_quantised *q, lt_settings *more);

#endif
