/* Options from tables: what each field may hold. */
#include "base/fields.h"

#include <stdio.h>
#include <string.h>

const char *const lt_precision_choices[] = {"auto", "f32", "bf16", "int8", NULL};
const char *const lt_training_precision_choices[] = {"auto", "f32", "bf16", NULL};
const char *const lt_isa_choices[] = {"scalar", "avx2", "avxvnni", "avx512", "avx512vnni", "avx512bf16",
                                      "amx",    "neon", "neondot", "best",   NULL};
const char *const lt_prediction_choices[] = {"epsilon", "v", NULL};
const char *const lt_rng_choices[] = {"cpu", "philox", NULL};
const char *const lt_seamless_choices[] = {"none", "x", "y", "both", NULL};
const char *const lt_content_choices[] = {"original", "fill", "noise", "nothing", NULL};
const char *const lt_emphasis_choices[] = {"original", "no-norm", "ignore", "none", NULL};
const char *const lt_empty_negative_choices[] = {"zeros", "encode", NULL};
const char *const lt_mask_choices[] = {"white", "transparent", NULL};
const char *const lt_control_mode_choices[] = {"balanced", "prompt", "control", NULL};
const char *const lt_control_fit_choices[] = {"crop", "stretch", "fill", NULL};

const char *const *lt_field_choices(const lt_field *f) {
    if (!f) return NULL;
    return f->list_choices ? f->list_choices() : f->choices;
}

/* ---- Finding ---- */

static bool same_name(const char *a, const char *b) {
    while (*a && (*a == *b || (*a == '_' && *b == '-'))) a++, b++;
    return *a == *b;
}

const lt_field *lt_fields_find(const lt_field *fields, const char *name) {
    for (const lt_field *f = fields; f && name && f->name; f++)
        if (same_name(f->name, name)) return f;
    return NULL;
}

/* ---- Checking ---- */

/* The number at a field; read by copying, for an enumeration may hold what is none of its own. */
static double number_at(const lt_field *f, const void *at) {
    union {
        int i;
        long l;
        float f;
        double d;
    } v;
    switch (f->kind) {
    case LT_FIELD_LONG: memcpy(&v.l, at, sizeof v.l); return (double)v.l;
    case LT_FIELD_FLOAT: memcpy(&v.f, at, sizeof v.f); return (double)v.f;
    case LT_FIELD_DOUBLE: memcpy(&v.d, at, sizeof v.d); return v.d;
    default: memcpy(&v.i, at, sizeof v.i); return v.i;
    }
}

static lt_status check_range(const lt_field *f, double v) {
    if (v >= f->low && v <= f->high && !(f->above && v == f->low)) return LT_OK;
    if (f->above)
        return lt_fail(LT_ERROR_ARGUMENT, "%s: %.10g; above %.10g, up to %.10g is possible", f->name, v, f->low,
                       f->high);
    return lt_fail(LT_ERROR_ARGUMENT, "%s: %.10g; %.10g to %.10g is possible", f->name, v, f->low, f->high);
}

static lt_status check_number(const lt_field *f, const void *at) { return check_range(f, number_at(f, at)); }

static lt_status check_ends(const lt_field *f, const void *at) {
    float v[2];
    memcpy(v, at, sizeof v);
    for (int i = 0; i < 2; i++) LT_TRY(check_range(f, (double)v[i]));
    if (v[0] < v[1] || !(v[1] > 0)) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT, "%s: %.10g to %.10g holds nothing", f->name, (double)v[0], (double)v[1]);
}

static lt_status check_list(const lt_field *f, const void *at, const void *options) {
    const int *values = at;
    int count;
    memcpy(&count, (const char *)options + f->count, sizeof count);
    for (int i = 0; i < count; i++)
        if (values[i] < f->low || values[i] > f->high)
            return lt_fail(LT_ERROR_ARGUMENT, "%s: %d in place %d; %.10g to %.10g is possible", f->name, values[i], i,
                           f->low, f->high);
    return LT_OK;
}

/* value: what is there, in words. */
static lt_status refuse_choice(const lt_field *f, const char *value) {
    char all[512];
    lt_join_names(lt_field_choices(f), all, sizeof all);
    return lt_fail(LT_ERROR_ARGUMENT, "%s: %s; possible are %s", f->name, value, all);
}

static lt_status check_enum(const lt_field *f, const void *at) {
    const int v = (int)number_at(f, at);
    int count = 0;
    for (const char *const *choices = lt_field_choices(f); choices[count];) count++;
    char number[16];
    snprintf(number, sizeof number, "%d", v);
    return v >= 0 && v < count ? LT_OK : refuse_choice(f, number);
}

lt_status lt_path_check(const char *name, const char *path) {
    return *path ? LT_OK : lt_fail(LT_ERROR_ARGUMENT, "%s: an empty text names no file", name);
}

static lt_status check_string(const lt_field *f, const void *at) {
    const char *v;
    memcpy(&v, at, sizeof v);
    if (!v) return f->optional ? LT_OK : lt_fail(LT_ERROR_ARGUMENT, "%s is needed", f->name);
    if (f->kind == LT_FIELD_FILE) return lt_path_check(f->name, v);
    if (f->kind != LT_FIELD_CHOICE) return LT_OK;
    for (const char *const *choices = lt_field_choices(f); *choices; choices++)
        if (!strcmp(*choices, v)) return LT_OK;
    return refuse_choice(f, v);
}

lt_status lt_reserved_check(const uint64_t reserved[LT_RESERVED]) {
    static const uint64_t zeros[LT_RESERVED];
    if (!memcmp(reserved, zeros, sizeof zeros)) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT,
                   "reserved: not zeros; begin with the defaults, or use the library that this program was made for");
}

lt_status lt_field_check(const lt_field *f, const void *options) {
    const void *at = (const char *)options + f->offset;
    switch (f->kind) {
    case LT_FIELD_BOOL:
    case LT_FIELD_SEED:
    case LT_FIELD_SIZE: return LT_OK;
    case LT_FIELD_INT:
    case LT_FIELD_LONG:
    case LT_FIELD_FLOAT:
    case LT_FIELD_DOUBLE: return check_number(f, at);
    case LT_FIELD_RANGE: return check_ends(f, at);
    case LT_FIELD_LIST: return check_list(f, at, options);
    case LT_FIELD_ENUM: return check_enum(f, at);
    case LT_FIELD_TEXT:
    case LT_FIELD_FILE:
    case LT_FIELD_CHOICE: return check_string(f, at);
    case LT_FIELD_RESERVED: return lt_reserved_check(at);
    }
    return lt_fail(LT_ERROR_ARGUMENT, "%s is of no known kind", f->name);
}

/* ---- Mending ---- */

static bool is_number(const lt_field *f) {
    return f->kind == LT_FIELD_INT || f->kind == LT_FIELD_LONG || f->kind == LT_FIELD_FLOAT ||
           f->kind == LT_FIELD_DOUBLE;
}

static void set_number(const lt_field *f, double value, void *at) {
    const int i = (int)value;
    const long l = (long)value;
    const float single = (float)value;
    switch (f->kind) {
    case LT_FIELD_INT: memcpy(at, &i, sizeof i); break;
    case LT_FIELD_LONG: memcpy(at, &l, sizeof l); break;
    case LT_FIELD_FLOAT: memcpy(at, &single, sizeof single); break;
    default: memcpy(at, &value, sizeof value);
    }
}

static size_t size_of(const lt_field *f) {
    switch (f->kind) {
    case LT_FIELD_RANGE: return 2 * sizeof(float);
    case LT_FIELD_ENUM: return sizeof(int);
    case LT_FIELD_TEXT:
    case LT_FIELD_FILE:
    case LT_FIELD_CHOICE: return sizeof(char *);
    default: return 0;
    }
}

void lt_field_mend(const lt_field *f, const void *usual, void *options) {
    const void *before = (const char *)usual + f->offset;
    void *at = (char *)options + f->offset;
    if (!lt_field_check(f, options)) return;
    const double value = is_number(f) ? number_at(f, at) : 0;
    const double nearest = value > f->high ? f->high : value < f->low ? f->low : number_at(f, before);
    if (!is_number(f))
        memcpy(at, before, size_of(f));
    else
        set_number(f, f->above && nearest <= f->low ? number_at(f, before) : nearest, at);
}

lt_status lt_fields_check(const lt_field *fields, const void *options) {
    for (const lt_field *f = fields; f->name; f++) LT_TRY(lt_field_check(f, options));
    return LT_OK;
}
