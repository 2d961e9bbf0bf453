/* The fields of a public struct of options as a table (lt_field), which checks them, and from which the program's
 * parsing and help come: what is possible stands in one place. */
#ifndef LT_FIELDS_H
#define LT_FIELDS_H

#include "base/base.h"

/* The first two members of a field of a struct. */
#define LT_FIELD(type, member) #member, offsetof(type, member)

/* Names of latent.h's enumerations, in their order, and of what a U-Net predicts. */
extern const char *const lt_precision_choices[],
    *const lt_training_precision_choices[], /* of which a training has no int8 */
        *const lt_isa_choices[], *const lt_prediction_choices[],
                                     *const lt_rng_choices[], *const lt_seamless_choices[],
                                                                  *const lt_content_choices[],
                                                                      *const lt_mask_choices[],
                                                                          *const lt_emphasis_choices[],
                                                                              *const lt_empty_negative_choices[],
                                                                                  *const lt_control_mode_choices[],
                                                                                      *const lt_control_fit_choices[];

/* LT_ERROR_ARGUMENT names the first field of options that holds what is not possible, and what is. */
lt_status lt_field_check(const lt_field *field, const void *options);
lt_status lt_fields_check(const lt_field *fields, const void *options);
/* In place of what lt_field_check refuses: of a number the nearest one that is possible; what has no nearest is as
 * usual, of the same struct, has it. */
void lt_field_mend(const lt_field *field, const void *usual, void *options);
/* lt_field_check of a field or an argument that names a file or a folder: it isn't empty. */
lt_status lt_path_check(const char *name, const char *path);
/* And of what a struct without a table ends in. */
lt_status lt_reserved_check(const uint64_t reserved[LT_RESERVED]);

#endif
