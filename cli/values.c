/* The values of options. */
#include "values.h"

#include "colons.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Their types ---- */

static const lt_field *field_of(const lt_option *o) {
    return o->fields ? lt_fields_find(o->fields(), o->member ? o->member : o->name) : NULL;
}

/* The type of an option's value, in the words of fields. */
static lt_field_kind type_of(const lt_option *o) {
    const lt_field *f = field_of(o);
    static const lt_field_kind own[] = {
        [LT_OPTION_FLAG] = LT_FIELD_BOOL,         [LT_OPTION_INT] = LT_FIELD_INT,
        [LT_OPTION_NUMBER] = LT_FIELD_DOUBLE,     [LT_OPTION_SEED] = LT_FIELD_SEED,
        [LT_OPTION_TEXT] = LT_FIELD_TEXT,         [LT_OPTION_FILE] = LT_FIELD_FILE,
        [LT_OPTION_CHOICE] = LT_FIELD_TEXT,       [LT_OPTION_SIZE] = LT_FIELD_INT,
        [LT_OPTION_LORA] = LT_FIELD_TEXT,         [LT_OPTION_MAYBE] = LT_FIELD_FILE,
        [LT_OPTION_RANGE] = LT_FIELD_RANGE,       [LT_OPTION_FILES] = LT_FIELD_TEXT,
        [LT_OPTION_IMAGE_PROMPT] = LT_FIELD_TEXT,
    };
    return f ? f->kind : own[o->kind];
}

static void put_number(const lt_option *o, double v) {
    switch (type_of(o)) {
    case LT_FIELD_LONG: *(long *)o->value = (long)v; break;
    case LT_FIELD_FLOAT: *(float *)o->value = (float)v; break;
    case LT_FIELD_DOUBLE: *(double *)o->value = v; break;
    default: *(int *)o->value = (int)v;
    }
}

static double get_number(const lt_option *o) {
    switch (type_of(o)) {
    case LT_FIELD_LONG: return (double)*(long *)o->value;
    case LT_FIELD_FLOAT: return (double)*(float *)o->value;
    case LT_FIELD_DOUBLE: return *(double *)o->value;
    default: return *(int *)o->value;
    }
}

static void put_choice(const lt_option *o, const char *name) {
    if (type_of(o) != LT_FIELD_ENUM) *(const char **)o->value = name;
    const char *const *choices = lt_option_choices(o);
    for (int i = 0; type_of(o) == LT_FIELD_ENUM && choices[i]; i++)
        if (!strcmp(choices[i], name)) *(int *)o->value = i;
}

static const char *get_choice(const lt_option *o) {
    return type_of(o) == LT_FIELD_ENUM ? lt_option_choices(o)[*(int *)o->value] : *(const char **)o->value;
}

/* ---- What they are without a word ---- */

static size_t size_of(lt_field_kind type) {
    static const size_t sizes[] = {
        [LT_FIELD_BOOL] = sizeof(bool),
        [LT_FIELD_INT] = sizeof(int),
        [LT_FIELD_LONG] = sizeof(long),
        [LT_FIELD_SEED] = sizeof(uint64_t),
        [LT_FIELD_SIZE] = sizeof(size_t),
        [LT_FIELD_FLOAT] = sizeof(float),
        [LT_FIELD_DOUBLE] = sizeof(double),
        [LT_FIELD_ENUM] = sizeof(int),
        [LT_FIELD_TEXT] = sizeof(char *),
        [LT_FIELD_FILE] = sizeof(char *),
        [LT_FIELD_RANGE] = 2 * sizeof(float),
        [LT_FIELD_CHOICE] = sizeof(char *),
        [LT_FIELD_RESERVED] = LT_RESERVED * sizeof(uint64_t),
    };
    return sizes[type];
}

void lt_options_begin(const lt_command *command) {
    const lt_open_options open = lt_open_options_defaults();
    const lt_session_options session = lt_session_options_defaults();
    const lt_request request = lt_request_defaults();
    const lt_convert_options conversion = lt_convert_options_defaults();
    const lt_inspect_options looking = lt_inspect_options_defaults();
    const lt_timing_options timing = lt_timing_options_defaults();
    const lt_train_options training = lt_train_options_defaults();
    const lt_merge_options merging = lt_merge_options_defaults();
    const struct {
        const lt_field *(*fields)(void);
        const void *defaults;
    } all[] = {{lt_open_fields, &open},          {lt_session_fields, &session}, {lt_request_fields, &request},
               {lt_convert_fields, &conversion}, {lt_inspect_fields, &looking}, {lt_timing_fields, &timing},
               {lt_train_fields, &training},     {lt_merge_fields, &merging}};
    for (const lt_option *o = command->options; o->name; o++)
        for (size_t i = 0; i < LT_COUNT(all); i++)
            if (all[i].fields == o->fields)
                memcpy(o->value, (const char *)all[i].defaults + field_of(o)->offset, size_of(type_of(o)));
}

/* ---- What may be given ---- */

/* Whether v is possible; range says what is, for a person. */
static bool allows(const lt_option *o, double v, char range[80]) {
    const lt_field *f = field_of(o);
    const double low = f && o->low <= 0 ? f->low : o->low, high = f ? f->high : o->high;
    const bool above = f && f->above;
    snprintf(range, 80, above ? "above %.10g, up to %.10g" : "from %.10g to %.10g", low, high);
    return v >= low && v <= high && !(above && v <= low);
}

const char *const *lt_option_choices(const lt_option *o) {
    const lt_field *f = field_of(o);
    if (o->kind != LT_OPTION_CHOICE) return NULL;
    return f ? lt_field_choices(f) : o->list_choices ? o->list_choices() : o->choices;
}

void lt_option_help(const lt_option *o, char text[LT_HELP_SIZE]) {
    const lt_field *f = field_of(o);
    const char *help = o->help || !f ? o->help : f->help;
    const int end = snprintf(text, LT_HELP_SIZE, "%s", help);
    const size_t room = LT_HELP_SIZE - (size_t)end;
    if (!f) return;
    const bool number = o->kind == LT_OPTION_INT || o->kind == LT_OPTION_NUMBER;
    if (number && fabs(get_number(o)) > 0)
        snprintf(text + end, room, "; default %g", get_number(o));
    else if (o->kind == LT_OPTION_CHOICE && get_choice(o))
        snprintf(text + end, room, "; default %s%s%s", o->environment ? o->environment : "",
                 o->environment ? " or " : "", get_choice(o));
}

/* ---- Reading them ---- */

static int parse_int(const lt_option *o, const char *text) {
    char *end, range[80];
    errno = 0;
    const long v = strtol(text, &end, 10);
    const bool possible = allows(o, (double)v, range);
    if (end == text || *end || errno || !possible)
        return lt_complain(LT_EXIT_USAGE, "--%s %s: a whole number %s is possible", o->name, text, range);
    put_number(o, (double)v);
    return LT_EXIT_OK;
}

static int parse_number(const lt_option *o, const char *text) {
    char *end, range[80];
    const double v = lt_decimal(text, &end);
    const bool possible = allows(o, v, range);
    if (end == text || *end || !possible)
        return lt_complain(LT_EXIT_USAGE, "--%s %s: a number %s is possible", o->name, text, range);
    put_number(o, v);
    return LT_EXIT_OK;
}

/* -1 draws one, as the web UIs have it. */
static int parse_seed(const lt_option *o, const char *text) {
    char *end;
    errno = 0;
    if (!strcmp(text, "-1")) {
        const uint64_t drawn = *(uint64_t *)o->value = lt_random_seed();
        return o->told ? LT_EXIT_OK : lt_complain(LT_EXIT_OK, "note: --%s %llu", o->name, (unsigned long long)drawn);
    }
    const unsigned long long v = strtoull(text, &end, 10);
    if (end == text || *end || errno || strchr(text, '-'))
        return lt_complain(LT_EXIT_USAGE, "--%s %s: a whole number from 0 to 18446744073709551615 is possible, or -1",
                           o->name, text);
    *(uint64_t *)o->value = v;
    return LT_EXIT_OK;
}

static int parse_choice(const lt_option *o, const char *text) {
    const char *const *choices = lt_option_choices(o);
    const lt_field *f = field_of(o);
    const char *named = f && f->by_name ? f->by_name(text) : NULL;
    char all[512] = "";
    if (named) put_choice(o, named);
    if (named) return LT_EXIT_OK;
    for (size_t i = 0; choices[i]; i++) {
        if (!strcmp(choices[i], text)) {
            put_choice(o, choices[i]);
            return LT_EXIT_OK;
        }
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? ", " : "", choices[i]);
    }
    return lt_complain(LT_EXIT_USAGE, "--%s %s: possible are %s", o->name, text, all);
}

/* The multiplication sign, or what stands for it. */
static const char *behind_times(const char *text) {
    static const char *const signs[] = {"x", "X", "\303\227"};
    for (size_t i = 0; i < LT_COUNT(signs); i++)
        if (!strncmp(text, signs[i], strlen(signs[i]))) return text + strlen(signs[i]);
    return NULL;
}

static int parse_size(const lt_option *o, const char *text) {
    int *size = o->value;
    const char *at = text;
    char range[80];
    for (int i = 0; i < 2 && at; i++) {
        char *end;
        const long v = strtol(at, &end, 10);
        if (end == at || !allows(o, (double)v, range)) break;
        size[i] = (int)v;
        if (!i) size[1] = (int)v;
        if (!*end) return LT_EXIT_OK;
        at = i ? NULL : behind_times(end);
    }
    allows(o, 1, range);
    return lt_complain(LT_EXIT_USAGE, "--%s %s: WIDTHxHEIGHT, as in 512x768, or one number for both, %s", o->name, text,
                       range);
}

/* Whether each of the numbers [count] that a person gives is possible; else it is told, word being what was typed. */
static bool are_possible(const lt_option *o, const char *word, const char *what, const double *numbers, int count,
                         double low, double high) {
    for (int i = 0; i < count; i++)
        if (!(numbers[i] >= low && numbers[i] <= high))
            return lt_complain(false, "--%s %s: %s from %g to %g is possible", o->name, word, what, low, high);
    return true;
}

/* Whether the numbers [count], of which the last one comes first, end in a share of the steps that is one. */
static bool is_interval(const lt_option *o, const char *word, const double *numbers, int count) {
    if (count < 3) return true;
    if (!are_possible(o, word, "a share of the steps", numbers, 2, 0, 1)) return false;
    return numbers[1] < numbers[0] ||
           lt_complain(false, "--%s %s: START %g is not before END %g", o->name, word, numbers[1], numbers[0]);
}

/* What has a form of several parts, and hasn't. number: what stands in a number's place, or is one too many; NULL: it
 * is something else. */
static int refuse_form(const lt_option *o, const char *word, const char *number, const char *form) {
    char *end;
    if (number && (lt_decimal(number, &end), end > number && !*end))
        return lt_complain(LT_EXIT_USAGE, "--%s %s: one number too many: %s", o->name, word, form);
    if (!number) return lt_complain(LT_EXIT_USAGE, "--%s %s: %s", o->name, word, form);
    return lt_complain(LT_EXIT_USAGE, "--%s %s: \"%s\" is no number (nor a file): %s", o->name, word, number, form);
}

/* What it points to stays until the program ends. */
static int parse_lora(const lt_option *o, const char *word) {
    lt_lora_list *list = o->value;
    double numbers[2];
    if (list->count == LT_MOST_LORAS)
        return lt_complain(LT_EXIT_USAGE, "--%s: no more than %d are possible", o->name, LT_MOST_LORAS);
    char *text = tool_kept(tool_strdup(word)); /* FILE ends where its strengths begin */
    if (!text) return lt_complain_error();
    list->items[list->count].file = text;
    const int count = lt_numbers_take(text, 2, numbers);
    const float strength = count ? (float)numbers[count - 1] : 1, of_text = count ? (float)numbers[0] : 1;
    if (!*text) return lt_complain(LT_EXIT_USAGE, "--%s: an empty text names no file", o->name);
    if (lt_number_meant(text))
        return refuse_form(o, word, lt_number_meant(text),
                           "FILE[:STRENGTH[:TEXT_STRENGTH]], as in ink.safetensors:0.8");
    if (!are_possible(o, word, "a strength", numbers, count, -LT_MOST_STRENGTH, LT_MOST_STRENGTH)) return LT_EXIT_USAGE;
    list->items[list->count++] = (lt_lora){text, strength, of_text};
    return LT_EXIT_OK;
}

/* Cuts what stands behind "...:mask=" off text. */
static const char *take_mask(char *text) {
    char *mask = strstr(text, ":mask=");
    if (!mask) return NULL;
    *mask = '\0';
    return mask + strlen(":mask=");
}

static int parse_image_prompt(const lt_option *o, const char *word) {
    lt_image_prompt_list *list = o->value;
    double numbers[3];
    if (list->count == LT_MOST_IMAGE_PROMPTS)
        return lt_complain(LT_EXIT_USAGE, "--%s: no more than %d are possible", o->name, LT_MOST_IMAGE_PROMPTS);
    char *text = tool_kept(tool_strdup(word));
    if (!text) return lt_complain_error();
    const char *mask = take_mask(text);
    const int count = lt_numbers_take(text, 3, numbers);
    char *colon = lt_colon_between(text);
    const char *number = strchr(text, ':') == strrchr(text, ':') ? NULL : lt_number_meant(text);
    if (!colon || number || count == 2 || (mask && !*mask))
        return refuse_form(
            o, word, number,
            "ADAPTER:IMAGE[:SCALE[:START:END]][:mask=FILE], as in ip-adapter_sd15.safetensors:cat.png:0.6");
    const double scale = count ? numbers[count - 1] : 1;
    if (!are_possible(o, word, "a scale", &scale, 1, -LT_MOST_STRENGTH, LT_MOST_STRENGTH) ||
        !is_interval(o, word, numbers, count))
        return LT_EXIT_USAGE;
    *colon = '\0';
    list->items[list->count].adapter = text;
    list->items[list->count].image = colon + 1;
    list->items[list->count].mask = mask;
    list->items[list->count].scale = (float)scale;
    list->items[list->count].start = count == 3 ? numbers[1] : 0;
    list->items[list->count].end = count == 3 ? numbers[0] : 1;
    list->count++;
    return LT_EXIT_OK;
}

static int parse_control(const lt_option *o, const char *word) {
    lt_control_list *list = o->value;
    double numbers[3];
    if (list->count == LT_MAX_CONTROLS)
        return lt_complain(LT_EXIT_USAGE, "--%s: no more than %d are possible", o->name, LT_MAX_CONTROLS);
    char *text = tool_kept(tool_strdup(word));
    if (!text) return lt_complain_error();
    const int count = lt_numbers_take(text, 3, numbers);
    char *colon = lt_colon_between(text);
    const char *number = strchr(text, ':') == strrchr(text, ':') ? NULL : lt_number_meant(text);
    if (!colon || number || count == 2)
        return refuse_form(o, word, number, "FILE:IMAGE[:STRENGTH[:START:END]], as in canny.safetensors:edges.png:0.8");
    const lt_field *strength = lt_fields_find(lt_control_fields(), "strength");
    const double given = count ? numbers[count - 1] : 1;
    if (!are_possible(o, word, "a strength", &given, 1, strength->low, strength->high) ||
        !is_interval(o, word, numbers, count))
        return LT_EXIT_USAGE;
    *colon = '\0';
    lt_control_files *files = &list->items[list->count++];
    *files = (lt_control_files){text, colon + 1, lt_control_defaults()};
    files->control.strength = (float)given;
    if (count == 3) files->control.start = numbers[1];
    if (count == 3) files->control.end = numbers[0];
    return LT_EXIT_OK;
}

/* "LOW:HIGH"; an end that is left out is 0. */
static int parse_range(const lt_option *o, const char *text) {
    char *colon, *end = NULL, range[80];
    const double low = lt_decimal(text, &colon);
    const double high = *colon == ':' ? lt_decimal(colon + 1, &end) : 0;
    const bool possible = allows(o, low, range) && allows(o, high, range) && (high > low || !(high > 0));
    if (!end || *end || !strcmp(text, ":") || !possible)
        return lt_complain(LT_EXIT_USAGE, "--%s %s: LOW:HIGH, as in 0.3:5 (0.3: has no end), each %s, LOW below HIGH",
                           o->name, text, range);
    ((float *)o->value)[0] = (float)low;
    ((float *)o->value)[1] = (float)high;
    return LT_EXIT_OK;
}

static int parse_files(const lt_option *o, const char *text) {
    lt_file_list *list = o->value;
    if (!*text) return lt_complain(LT_EXIT_USAGE, "--%s: an empty text names no file", o->name);
    if (list->count == LT_MOST_LORAS)
        return lt_complain(LT_EXIT_USAGE, "--%s: no more than %d are possible", o->name, LT_MOST_LORAS);
    list->items[list->count++] = text;
    return LT_EXIT_OK;
}

static int parse_file(const lt_option *o, const char *text) {
    if (!*text) return lt_complain(LT_EXIT_USAGE, "--%s: an empty text names no file", o->name);
    *(const char **)o->value = text;
    return LT_EXIT_OK;
}

static int parse_file_or_none(const lt_option *o, const char *text) {
    if (text) return parse_file(o, text);
    *(const char **)o->value = "";
    return LT_EXIT_OK;
}

int lt_option_take(const lt_option *o, const char *text) {
    switch (o->kind) {
    case LT_OPTION_FLAG: *(bool *)o->value = true; return LT_EXIT_OK;
    case LT_OPTION_INT: return parse_int(o, text);
    case LT_OPTION_NUMBER: return parse_number(o, text);
    case LT_OPTION_SEED: return parse_seed(o, text);
    case LT_OPTION_CHOICE: return parse_choice(o, text);
    case LT_OPTION_RANGE: return parse_range(o, text);
    case LT_OPTION_SIZE: return parse_size(o, text);
    case LT_OPTION_TEXT: *(const char **)o->value = text; return LT_EXIT_OK;
    case LT_OPTION_FILE: return parse_file(o, text);
    case LT_OPTION_MAYBE: return parse_file_or_none(o, text);
    case LT_OPTION_LORA: return parse_lora(o, text);
    case LT_OPTION_CONTROL: return parse_control(o, text);
    case LT_OPTION_FILES: return parse_files(o, text);
    case LT_OPTION_IMAGE_PROMPT: return parse_image_prompt(o, text);
    }
    return LT_EXIT_USAGE;
}

/* ---- The environment ---- */

static int refuse_environment(const lt_option *o, const char *text) {
    const char *const *choices = lt_option_choices(o);
    char all[256] = "";
    for (size_t i = 0; choices[i]; i++)
        if (o->usable((lt_isa)i))
            snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? ", " : "", choices[i]);
    return lt_complain(LT_EXIT_FAILED, "%s=%s: this processor has %s", o->environment, text, all);
}

int lt_option_take_environment(const lt_option *o) {
    const char *text = o->environment ? getenv(o->environment) : NULL, *const *choices = lt_option_choices(o);
    if (!text || !*text) return LT_EXIT_OK;
    for (size_t i = 0; choices[i]; i++)
        if (!strcmp(choices[i], text) && o->usable((lt_isa)i)) return lt_option_take(o, text);
    return refuse_environment(o, text);
}

/* ---- From one struct to another ---- */

void lt_options_follow(const lt_field *(*fields)(void), void *to, const void *from) {
    for (const lt_field *f = fields(); f->name; f++) {
        char *at = (char *)to + f->offset;
        if (!lt_option_given(at)) memcpy(at, (const char *)from + f->offset, size_of(f->kind));
    }
}
