/* Tables of fields: what each kind lets through, and what is said of the rest. */
#include "base/fields.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

typedef struct options {
    int number, count, list[3];
    long many;
    float small, interval[2];
    double rate, share;
    lt_isa isa;
    const char *name, *file, *kind;
} options;

#define AT(member) LT_FIELD(options, member)
static const char *const kinds[] = {"a", "b", NULL};
static const char *const *list_kinds(void) { return kinds; }

static const lt_field fields[] = {
    {AT(number), LT_FIELD_INT, -1, 5},
    {AT(count), LT_FIELD_INT, 0, 3},
    {AT(list), LT_FIELD_LIST, 1, 9, .count = offsetof(options, count)},
    {AT(many), LT_FIELD_LONG, 0, 1e9},
    {AT(small), LT_FIELD_FLOAT, -1, 1},
    {AT(interval), LT_FIELD_RANGE, 0, 9},
    {AT(rate), LT_FIELD_DOUBLE, 0, 2},
    {AT(share), LT_FIELD_DOUBLE, 0, 1, .above = true},
    {AT(isa), LT_FIELD_ENUM, .choices = lt_isa_choices},
    {AT(name), LT_FIELD_TEXT},
    {AT(file), LT_FIELD_FILE, .optional = true},
    {AT(kind), LT_FIELD_CHOICE, .optional = true, .list_choices = list_kinds},
    {0},
};

static options good(void) {
    return (options){.count = 2, .list = {1, 9, 99}, .share = 1, .isa = LT_ISA_BEST, .name = ""};
}

/* That o is refused with this message. */
static void refused(options o, const char *message) {
    assert_int_equal(lt_fields_check(fields, &o), LT_ERROR_ARGUMENT);
    assert_string_equal(lt_error_message(), message);
}

static void accepted(options o) { assert_int_equal(lt_fields_check(fields, &o), LT_OK); }

/* A good one but for one member. */
#define WITH(member, value)                                                                                            \
    ({                                                                                                                 \
        options o_ = good();                                                                                           \
        o_.member = (value);                                                                                           \
        o_;                                                                                                            \
    })

static void test_numbers(void **state) {
    (void)state;
    accepted(good());
    accepted(WITH(number, -1));
    accepted(WITH(number, 5));
    refused(WITH(number, 6), "number: 6; -1 to 5 is possible");
    refused(WITH(number, INT_MIN), "number: -2147483648; -1 to 5 is possible");
    refused(WITH(many, 1000000001), "many: 1000000001; 0 to 1000000000 is possible");
    refused(WITH(many, -1), "many: -1; 0 to 1000000000 is possible");
    refused(WITH(many, LONG_MAX), "many: 9.223372037e+18; 0 to 1000000000 is possible");
    accepted(WITH(small, -1));
    refused(WITH(small, 1.5f), "small: 1.5; -1 to 1 is possible");
    refused(WITH(small, (float)NAN), "small: nan; -1 to 1 is possible");
    refused(WITH(rate, (double)INFINITY), "rate: inf; 0 to 2 is possible");
    refused(WITH(rate, -1e-9), "rate: -1e-09; 0 to 2 is possible");
    refused(WITH(share, 0), "share: 0; above 0, up to 1 is possible");
    refused(WITH(share, (double)NAN), "share: nan; above 0, up to 1 is possible");
}

static void test_lists(void **state) {
    (void)state;
    accepted(WITH(count, 0));
    refused(WITH(count, 3), "list: 99 in place 2; 1 to 9 is possible");
    refused(WITH(count, 4), "count: 4; 0 to 3 is possible");
    refused(WITH(list[1], -3), "list: -3 in place 1; 1 to 9 is possible");
}

static options between(float low, float high) {
    options o = good();
    o.interval[0] = low;
    o.interval[1] = high;
    return o;
}

static void test_intervals(void **state) {
    (void)state;
    accepted(between(0, 0));
    accepted(between(2, 0));
    accepted(between(2, 9));
    refused(between(2, 2), "interval: 2 to 2 holds nothing");
    refused(between(3, 2), "interval: 3 to 2 holds nothing");
    refused(between(3, 9.5f), "interval: 9.5; 0 to 9 is possible");
    refused(between(-1, 2), "interval: -1; 0 to 9 is possible");
    refused(between(0, (float)NAN), "interval: nan; 0 to 9 is possible");
}

static void test_words(void **state) {
    (void)state;
    refused(WITH(name, NULL), "name is needed");
    accepted(WITH(file, NULL));
    accepted(WITH(kind, "b"));
    refused(WITH(kind, "c"), "kind: c; possible are a, b");
    refused(WITH(kind, ""), "kind: ; possible are a, b");
    accepted(WITH(isa, LT_ISA_SCALAR));
    refused(WITH(isa, (lt_isa)99),
            "isa: 99; possible are scalar, avx2, avxvnni, avx512, avx512vnni, avx512bf16, amx, neon, neondot, best");
    refused(WITH(isa, (lt_isa)-1),
            "isa: -1; possible are scalar, avx2, avxvnni, avx512, avx512vnni, avx512bf16, amx, neon, neondot, best");
}

static options mended(options o) {
    const options usual = good();
    for (const lt_field *f = fields; f->name; f++) lt_field_mend(f, &usual, &o);
    accepted(o);
    return o;
}

/* Numbers go to the nearest that is possible, and all else is as usual; what is good stays. */
static void test_mending(void **state) {
    (void)state;
    assert_int_equal(mended(WITH(number, 6)).number, 5);
    assert_int_equal(mended(WITH(number, INT_MIN)).number, -1);
    assert_int_equal(mended(WITH(number, 3)).number, 3);
    assert_true(mended(WITH(many, LONG_MAX)).many == 1000000000);
    assert_true(mended(WITH(small, -7)).small == -1);
    assert_true(mended(WITH(small, (float)NAN)).small == 0);
    assert_true(mended(WITH(rate, (double)INFINITY)).rate == 2);
    assert_true(mended(WITH(share, 1.5)).share == 1);
    assert_true(mended(WITH(share, 0)).share == 1);
    assert_true(mended(WITH(share, -3)).share == 1);
    assert_true(mended(WITH(interval[0], -1)).interval[0] == 0);
    assert_int_equal(mended(WITH(isa, (lt_isa)1000)).isa, LT_ISA_BEST);
    assert_string_equal(mended(WITH(name, NULL)).name, "");
    assert_null(mended(WITH(kind, "c")).kind);
}

static void test_finding(void **state) {
    (void)state;
    static const lt_field named[] = {{"save_steps"}, {"save"}, {0}};
    assert_ptr_equal(lt_fields_find(named, "save-steps"), &named[0]);
    assert_ptr_equal(lt_fields_find(named, "save_steps"), &named[0]);
    assert_ptr_equal(lt_fields_find(named, "save"), &named[1]);
    assert_null(lt_fields_find(named, "save-"));
    assert_null(lt_fields_find(named, ""));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers),   cmocka_unit_test(test_lists),
                                       cmocka_unit_test(test_intervals), cmocka_unit_test(test_words),
                                       cmocka_unit_test(test_mending),   cmocka_unit_test(test_finding)};
    return cmocka_run_group_tests_name("fields", tests, NULL, NULL);
}
