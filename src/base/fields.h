/* The fields of a public struct of options as a table, which checks them, and from which the program's parsing and help
 * come: what is possible stands in one place. */
#ifndef LT_FIELDS_H
#define LT_FIELDS_H

#include "base/base.h"

typedef enum lt_field_kind {
    LT_FIELD_BOOL,   /* bool: either */
    LT_FIELD_INT,    /* int within [low, high] */
    LT_FIELD_LONG,   /* long within [low, high] */
    LT_FIELD_LIST,   /* int [], each within [low, high]; count says how many */
    LT_FIELD_SEED,   /* uint64_t: any */
    LT_FIELD_SIZE,   /* size_t: any */
    LT_FIELD_FLOAT,  /* float within [low, high]; never NaN */
    LT_FIELD_DOUBLE, /* double within [low, high]; never NaN */
    LT_FIELD_ENUM,   /* an enumeration from 0, whose names are choices */
    LT_FIELD_TEXT,   /* const char *: anything but NULL */
    LT_FIELD_FILE,   /* const char *: a path; anything but NULL */
    LT_FIELD_CHOICE  /* const char *: one of choices */
} lt_field_kind;

typedef struct lt_field {
    const char *name; /* as the struct has it: "save_steps" */
    size_t offset;    /* in the struct; LT_FIELD gives both */
    lt_field_kind kind;
    double low, high;
    bool above;                               /* low itself is not possible */
    bool optional;                            /* TEXT, FILE and CHOICE may be NULL */
    const char *const *choices;               /* NULL-terminated */
    const char *const *(*list_choices)(void); /* or who knows them */
    size_t count;                             /* LIST: the offset of the int that says how many, checked before */
    const char *help;                         /* one line, for a person */
} lt_field;

/* The first two members of a field of a struct. */
#define LT_FIELD(type, member) #member, offsetof(type, member)

/* Names of latent.h's enumerations, in their order, and of what a U-Net predicts. */
extern const char *const lt_precision_choices[],
    *const lt_isa_choices[], *const lt_prediction_choices[], *const lt_rng_choices[], *const lt_mask_choices[];

/* What a field of kind LT_FIELD_ENUM or LT_FIELD_CHOICE takes, NULL-terminated. */
const char *const *lt_field_choices(const lt_field *field);

/* The field of that name in a table that ends with a name of NULL; "save-steps" is save_steps. NULL: there is none. */
const lt_field *lt_fields_find(const lt_field *fields, const char *name);

/* LT_ERROR_ARGUMENT names the first field of options that holds what is not possible, and what is. */
lt_status lt_field_check(const lt_field *field, const void *options);
lt_status lt_fields_check(const lt_field *fields, const void *options);

#endif
