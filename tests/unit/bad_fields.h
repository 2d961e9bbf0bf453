/* Everything that a table of fields says is not possible, tried on a struct of options: refused by the field's name.
 * And whether the table has all of the struct. */
#ifndef LT_BAD_FIELDS_H
#define LT_BAD_FIELDS_H

#include "base/fields.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* value 0: "zz"; 1: NULL; 2: "". */
static void put_text(char *at, double value) {
    const char *const all[] = {"zz", NULL, ""}, *text = all[(int)value];
    memcpy(at, &text, sizeof text);
}

static void put_bad(const lt_field *f, double value, void *options) {
    char *at = (char *)options + f->offset;
    switch (f->kind) {
    case LT_FIELD_LONG: memcpy(at, &(long){(long)value}, sizeof(long)); return;
    case LT_FIELD_RANGE:
    case LT_FIELD_FLOAT: memcpy(at, &(float){(float)value}, sizeof(float)); return;
    case LT_FIELD_DOUBLE: memcpy(at, &value, sizeof value); return;
    case LT_FIELD_INT:
    case LT_FIELD_LIST:
    case LT_FIELD_RESERVED:
    case LT_FIELD_ENUM: memcpy(at, &(int){(int)value}, sizeof(int)); return;
    default: put_text(at, value);
    }
}

static int enum_count(const lt_field *f) {
    int count = 0;
    while (lt_field_choices(f)[count]) count++;
    return count;
}

/* The values that f may not have; returns how many. */
static size_t bad_values(const lt_field *f, double values[8]) {
    const bool real = f->kind == LT_FIELD_FLOAT || f->kind == LT_FIELD_DOUBLE || f->kind == LT_FIELD_RANGE;
    const double step = f->kind != LT_FIELD_DOUBLE && real ? fmax(1, f->high / 1e6) : 1;
    size_t n = 0;
    if (f->kind == LT_FIELD_CHOICE) values[n++] = 0;
    if (f->kind == LT_FIELD_RESERVED) values[n++] = 1;
    if (f->kind == LT_FIELD_RESERVED) return n;
    if (f->kind == LT_FIELD_TEXT || f->kind == LT_FIELD_FILE || f->kind == LT_FIELD_CHOICE) {
        if (!f->optional) values[n++] = 1;
        if (f->kind == LT_FIELD_FILE) values[n++] = 2;
        return n;
    }
    if (f->kind == LT_FIELD_BOOL || f->kind == LT_FIELD_SEED || f->kind == LT_FIELD_SIZE) return 0;
    const bool named = f->kind == LT_FIELD_ENUM;
    const double all[] = {
        named ? -1 : f->low - step, named ? enum_count(f) : f->high + step, INT32_MIN, INT32_MAX, NAN, (double)INFINITY,
        (double)-INFINITY};
    for (size_t i = 0; i < (real ? LT_COUNT(all) : 4); i++) values[n++] = all[i];
    if (f->above) values[n++] = f->low;
    return n;
}

static void assert_names(const char *name, const char *message) {
    if (strncmp(message, name, strlen(name)) || !strchr(":; ", message[strlen(name)]))
        fail_msg("%s: the message is \"%s\"", name, message);
}

/* call with good [size], of which one field is bad, for each field and each bad value; returns how many there were. */
static int refuse_bad_fields(const lt_field *fields, const void *good, size_t size, lt_status (*call)(const void *)) {
    int refused = 0;
    for (const lt_field *f = fields; f->name; f++) {
        double values[8];
        const size_t count = bad_values(f, values);
        for (size_t i = 0; i < count; i++, refused++) {
            char *options = malloc(size);
            memcpy(options, good, size);
            put_bad(f, values[i], options);
            const lt_status status = call(options);
            free(options);
            if (status != LT_ERROR_ARGUMENT) fail_msg("%s of %g: status %d", f->name, values[i], status);
            assert_names(f->name, lt_error_message());
        }
    }
    return refused;
}

/* Where a member that begins at offset ends. */
static size_t end_of(const lt_field *f) {
    static const size_t sizes[] = {
        [LT_FIELD_BOOL] = sizeof(bool),           [LT_FIELD_INT] = sizeof(int),
        [LT_FIELD_LONG] = sizeof(long),           [LT_FIELD_LIST] = LT_TRAIN_MAX_LEVELS * sizeof(int),
        [LT_FIELD_SEED] = sizeof(uint64_t),       [LT_FIELD_SIZE] = sizeof(size_t),
        [LT_FIELD_FLOAT] = sizeof(float),         [LT_FIELD_DOUBLE] = sizeof(double),
        [LT_FIELD_RANGE] = 2 * sizeof(float),     [LT_FIELD_ENUM] = sizeof(lt_isa),
        [LT_FIELD_TEXT] = sizeof(const char *),   [LT_FIELD_FILE] = sizeof(const char *),
        [LT_FIELD_CHOICE] = sizeof(const char *), [LT_FIELD_RESERVED] = LT_RESERVED * sizeof(uint64_t),
    };
    return f->offset + sizes[f->kind];
}

static size_t aligned(size_t at, size_t align) { return (at + align - 1) / align * align; }

static size_t align_of(const lt_field *f) {
    if (f->kind == LT_FIELD_LIST || f->kind == LT_FIELD_RANGE) return sizeof(int);
    return f->kind == LT_FIELD_RESERVED ? sizeof(uint64_t) : end_of(f) - f->offset;
}

/* The first member of fields or others (pointers) from at on, behind no more padding than it needs, or than a struct
 * needs that begins with it; NULL: there is none. */
static const lt_field *member_at(const lt_field *fields, const lt_field *others, size_t at) {
    const lt_field *const tables[] = {fields, others}, *first = NULL;
    for (size_t t = 0; t < 2; t++)
        for (const lt_field *f = tables[t]; f->name; f++)
            if (f->offset >= at && (!first || f->offset < first->offset)) first = f;
    if (!first) return NULL;
    const bool next = first->offset == aligned(at, align_of(first)) || first->offset == aligned(at, sizeof(void *));
    return next ? first : NULL;
}

/* Every member of a struct of size bytes is in fields, or in others: what no table can check. */
static void assert_all_members(const lt_field *fields, const lt_field *others, size_t size) {
    size_t at = 0, members = 0, listed = 0;
    for (const lt_field *f; (f = member_at(fields, others, at)); members++) at = end_of(f);
    if (size - at >= 8) fail_msg("behind %zu bytes of %zu something is in no table", at, size);
    while (fields[listed].name) listed++;
    for (size_t i = 0; others[i].name; i++) listed++;
    assert_int_equal(members, listed);
}

#endif
