/* Options from tables: parsing, and help. The words are split by getopt_long. */
#include "foreign.h"
#include "values.h"

#include <ctype.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    MAX_OPTIONS = 128,
    MAX_NAMES = 512,  /* theirs, with other names and other spellings */
    MAX_NAME = 64,    /* bytes */
    MAX_LIST = 512,   /* likewise */
    FIRST_LONG = 256, /* getopt's values of long options begin above all letters */
    HELP = FIRST_LONG + MAX_OPTIONS,
    VERSION,
    FOREIGN /* and those behind it: foreign options */
};

/* Of the command line that was parsed last. */
static const lt_option *parsed;
static bool seen[MAX_OPTIONS], noted[MAX_OPTIONS]; /* noted: of foreign options, by their rows */

static void replace(char *text, const char *word, const char *by) {
    const size_t size = strlen(word), by_size = strlen(by);
    for (char *at = text; by_size <= size && (at = strstr(at, word)); at += by_size) {
        memcpy(at, by, by_size);
        memmove(at + by_size, at + size, strlen(at + size) + 1);
    }
}

/* The library names fields, `save_steps`, which are options here: --save-steps. */
static void name_options(char *text) {
    char field[MAX_NAME + 2], option[MAX_NAME + 2];
    for (const lt_option *o = parsed; o && o->name; o++) {
        snprintf(option, sizeof option, "--%s", o->name);
        snprintf(field, sizeof field, "`%s`", o->member ? o->member : o->name);
        for (char *c = field; *c; c++)
            if (*c == '-') *c = '_';
        replace(text, field, option);
    }
}

int lt_complain(int status, const char *format, ...) {
    char text[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    name_options(text);
    for (char *c = text; *c; c++)
        if (iscntrl((unsigned char)*c)) *c = '?';
    fprintf(stderr, "latent: %s\n", text);
    return status;
}

int lt_complain_error(void) { return lt_complain(LT_EXIT_FAILED, "%s", lt_error_message()); }

int lt_complain_of(lt_status status) {
    return lt_complain(status == LT_ERROR_ARGUMENT ? LT_EXIT_USAGE : LT_EXIT_FAILED, "%s", lt_error_message());
}

/* ---- What was given ---- */

/* The next of an option's other names; *at moves on. False behind the last. */
static bool next_also(const char **at, char name[MAX_NAME]) {
    if (!*at) return false;
    *at += strspn(*at, " ");
    const size_t length = strcspn(*at, " ");
    snprintf(name, MAX_NAME, "%.*s", (int)length, *at);
    *at += length;
    return length > 0;
}

bool lt_option_given(const void *value) {
    for (const lt_option *o = parsed; o && o->name; o++) {
        const bool second = o->kind == LT_OPTION_SIZE && value == (int *)o->value + 1;
        if (seen[o - parsed] && (o->value == value || second)) return true;
    }
    return false;
}

/* Whether text is one of o->idle. */
static bool leaves_as_is(const lt_option *o, const char *text) {
    char idle[MAX_NAME];
    for (const char *at = o->idle; next_also(&at, idle);)
        if (!strcmp(text, idle)) return true;
    return false;
}

/* ---- Names ---- */

/* name: a letter, or more. */
static bool is_called(const lt_option *o, const char *name) {
    char also[MAX_NAME];
    if (!strcmp(o->name, name) || (o->letter == name[0] && !name[1])) return true;
    for (const char *at = o->also; next_also(&at, also);)
        if (!strcmp(also, name)) return true;
    return false;
}

static const lt_option *find(const lt_command *command, const char *name) {
    for (const lt_option *o = command->options; o->name; o++)
        if (is_called(o, name)) return o;
    return NULL;
}

/* ---- getopt's tables: a long name's value tells which of the command's options it is ---- */

typedef struct tables {
    struct option longs[MAX_NAMES + 1];
    char shorts[2 * MAX_NAMES], names[MAX_NAMES * MAX_NAME];
    size_t count, used; /* of longs; of names */
} tables;

static void add_long(tables *t, const char *name, int has_value, int value) {
    const size_t size = strlen(name) + 1;
    if (t->count == MAX_NAMES || size > MAX_NAME) return;
    char *copy = memcpy(t->names + t->used, name, size);
    t->used += size;
    t->longs[t->count++] = (struct option){copy, has_value, NULL, value};
}

/* name as it is, and as Python's programs write it; or one letter. */
static void add_name(tables *t, const char *name, int has_value, int value) {
    char underscored[MAX_NAME];
    if (!name[1]) {
        snprintf(t->shorts + strlen(t->shorts), 3, "%c%s", name[0], has_value == required_argument ? ":" : "");
        return;
    }
    add_long(t, name, has_value, value);
    snprintf(underscored, sizeof underscored, "%s", name);
    for (char *c = underscored; *c; c++)
        if (*c == '-') *c = '_';
    if (strcmp(name, underscored)) add_long(t, underscored, has_value, value);
}

/* Whether one of the words is --name, or --name=VALUE. */
static bool is_typed(const char *name, int count, char **words) {
    for (int i = 0; i < count; i++) {
        const char *word = words[i] + 2 * !strncmp(words[i], "--", 2), *n = name;
        while (word > words[i] && *n && (*word == *n || (*word == '_' && *n == '-'))) word++, n++;
        if (word > words[i] && !*n && (!*word || *word == '=')) return true;
    }
    return false;
}

/* The next name of a foreign option; *has_value as getopt has it. */
static bool next_foreign(const char **at, char name[MAX_NAME], int *has_value) {
    if (!next_also(at, name)) return false;
    char *sign = strchr(name, '=');
    if (sign) *sign = '\0';
    *has_value = sign ? required_argument : optional_argument;
    return true;
}

/* Of the long ones those that are typed: nobody's --sam is short for --sampler-rng. */
static void add_foreign(const lt_command *command, int count, char **words, tables *t) {
    for (const lt_foreign *f = lt_foreign_options; f->names; f++) {
        char name[MAX_NAME];
        int has_value;
        for (const char *at = f->names; next_foreign(&at, name, &has_value);)
            if (!find(command, name) && (!name[1] || is_typed(name, count, words)))
                add_name(t, name, has_value, FOREIGN + (int)(f - lt_foreign_options));
    }
}

static void make_tables(const lt_command *command, int count, char **words, tables *t) {
    memset(t, 0, sizeof *t);
    strcpy(t->shorts, "-:"); /* '-': words stay where they are; ':': say what is missing ourselves */
    for (const lt_option *o = command->options; o->name; o++) {
        const int has_value = o->kind == LT_OPTION_FLAG                ? no_argument
                              : o->kind == LT_OPTION_MAYBE || o->alone ? optional_argument
                                                                       : required_argument;
        const int value = FIRST_LONG + (int)(o - command->options);
        const char letter[] = {o->letter, '\0'};
        char also[MAX_NAME];
        add_name(t, o->name, has_value, value);
        if (o->letter) add_name(t, letter, has_value, value);
        for (const char *at = o->also; next_also(&at, also);) add_name(t, also, has_value, value);
    }
    add_name(t, "help", no_argument, HELP);
    add_name(t, "h", no_argument, HELP);
    add_name(t, "version", no_argument, VERSION);
    add_foreign(command, count, words, t);
}

/* found: getopt's value. NULL if it is none of the command's options. */
static const lt_option *own_option(const lt_command *command, int found) {
    const char letter[] = {(char)found, '\0'};
    if (found < FIRST_LONG) return find(command, letter);
    return found < HELP ? &command->options[found - FIRST_LONG] : NULL;
}

static bool is_foreign(const lt_foreign *f, const char *name) {
    char other[MAX_NAME];
    int has_value;
    for (const char *at = f->names; next_foreign(&at, other, &has_value);)
        if (!strcmp(other, name)) return true;
    return false;
}

/* The same, of the foreign ones. */
static const lt_foreign *foreign_option(int found) {
    const char letter[] = {(char)found, '\0'};
    if (found >= FOREIGN) return &lt_foreign_options[found - FOREIGN];
    for (const lt_foreign *f = lt_foreign_options; f->names; f++)
        if (is_foreign(f, letter)) return f;
    return NULL;
}

/* ---- The command line ---- */

static void restart(void) {
    optind = 0;
    opterr = 0;
}

lt_asked lt_options_asked(const lt_command *command, int count, char **words) {
    tables t;
    make_tables(command, count, words, &t);
    restart();
    for (int found; (found = getopt_long(count + 1, words - 1, t.shorts, t.longs, NULL)) != -1;) {
        if (found == HELP || found == 'h') return LT_ASKED_HELP;
        if (found == VERSION) return LT_ASKED_VERSION;
    }
    return LT_ASKED_NOTHING;
}

const char *lt_options_peek(const lt_command *command, const char *name, int count, char **words) {
    tables t;
    make_tables(command, count, words, &t);
    restart();
    for (int found; (found = getopt_long(count + 1, words - 1, t.shorts, t.longs, NULL)) != -1;) {
        const lt_option *o = own_option(command, found);
        const lt_foreign *f = o ? NULL : foreign_option(found);
        if ((o && is_called(o, name)) || (f && is_foreign(f, name))) return optarg ? optarg : "";
    }
    return NULL;
}

static const char *nearest_option(const lt_command *command, const char *name) {
    lt_nearest nearest = {.word = name};
    char also[MAX_NAME];
    for (const lt_option *o = command->options; o->name; o++) {
        lt_nearest_try(&nearest, o->name, o->name);
        for (const char *at = o->also; next_also(&at, also);) lt_nearest_try(&nearest, also, o->name);
    }
    lt_nearest_try(&nearest, "help", "help");
    return nearest.name;
}

/* The command of the same kind, filling the same variables, that has an option called name; or NULL. */
static const lt_command *find_kin(const lt_command *command, const char *name) {
    const lt_option *own = command->options;
    for (size_t i = 0; own->name && lt_commands[i]; i++) {
        const lt_option *same = find(lt_commands[i], own->name);
        if (same && same->value == own->value && find(lt_commands[i], name)) return lt_commands[i];
    }
    return NULL;
}

/* Whether value names command as stable-diffusion.cpp's --mode does. */
static bool is_mode_of(const lt_command *command, const char *value) {
    return value && (!strcmp(value, command->name) || (!strcmp(value, "img_gen") && find(command, "prompt")));
}

/* Whether one of the option's choices is the word. */
static bool is_choice(const lt_option *o, const char *word) {
    const char *const *choices = lt_option_choices(o);
    for (size_t i = 0; word && choices && choices[i]; i++)
        if (!strcmp(choices[i], word)) return true;
    return false;
}

/* Of an option that may stand alone: the next word, where it is one of its choices. */
static void take_choice(const lt_option *o, char **argv) {
    if (!o->alone || optarg) return;
    optarg = is_choice(o, argv[optind]) ? argv[optind++] : (char *)(uintptr_t)o->alone;
}

/* An option of the command's own. */
static int take_own(const lt_option *o) {
    const bool once = o->kind == LT_OPTION_TEXT || o->kind == LT_OPTION_FILE;
    if (leaves_as_is(o, optarg))
        return o->idle_note ? lt_complain(LT_EXIT_OK, "note: --%s %s: %s", o->name, optarg, o->idle_note) : LT_EXIT_OK;
    if (once && seen[o - parsed])
        return lt_complain(LT_EXIT_USAGE, "--%s is there twice: which one is meant?", o->name);
    seen[o - parsed] = true;
    return lt_option_take(o, optarg);
}

/* An option of another program, found as name: taken with a note, once for each row, or refused. */
static int take_foreign(const lt_command *command, const lt_foreign *f, const char *name) {
    bool *told = &noted[f - lt_foreign_options];
    if (*told || (is_foreign(f, "mode") && is_mode_of(command, optarg))) return LT_EXIT_OK;
    *told = f->idle;
    return lt_complain(f->idle ? LT_EXIT_OK : LT_EXIT_USAGE, "%s%s%s: %s", f->idle ? "note: " : "",
                       name[1] ? "--" : "-", name, f->advice);
}

/* The names of o that begin with part: how many (0 or 1), with the first added to list. */
static int add_candidate(const lt_option *o, const char *part, char list[MAX_LIST]) {
    char name[MAX_NAME];
    snprintf(name, sizeof name, "%s", o->name);
    const char *at = o->also;
    do
        if (!strncmp(name, part, strlen(part))) {
            snprintf(list + strlen(list), MAX_LIST - strlen(list), "%s--%s", *list ? ", " : "", name);
            return 1;
        }
    while (next_also(&at, name));
    return 0;
}

/* Whether option, "--st", may be short for several, which are then the list. */
static bool is_ambiguous(const lt_command *command, const char *option, char list[MAX_LIST]) {
    int count = 0;
    list[0] = '\0';
    for (const lt_option *o = command->options; o->name && !strncmp(option, "--", 2); o++)
        count += add_candidate(o, option + 2, list);
    return count > 1;
}

/* option: "--strenght" or "-z". */
static int explain_unknown(const lt_command *command, const char *option) {
    char list[MAX_LIST];
    if (is_ambiguous(command, option, list))
        return lt_complain(LT_EXIT_USAGE, "%s: which one is meant? %s begin so", option, list);
    const char *name = option + strspn(option, "-"), *near = name[1] ? nearest_option(command, name) : NULL;
    if (near)
        return lt_complain(LT_EXIT_USAGE, "%s: unknown option; did you mean --%s? see `latent %s --help`", option, near,
                           command->name);
    const lt_command *kin = find_kin(command, name);
    return lt_complain(LT_EXIT_USAGE, "%s: unknown option; see `latent %s --help`%s%s%s", option, command->name,
                       kin ? "; `latent " : "", kin ? kin->name : "", kin ? "` has it" : "");
}

/* getopt stumbled over word: ':' a value is missing; '?' there is no such option, or it takes no value. A single letter
 * is left in optopt. */
static int explain(const lt_command *command, int result, const char *word) {
    char option[MAX_NAME];
    snprintf(option, sizeof option, "-%c", optopt);
    if (!optopt || optopt >= FIRST_LONG) snprintf(option, sizeof option, "%s", word);
    if (result == ':' || optopt >= FIRST_LONG)
        return lt_complain(LT_EXIT_USAGE, "%s: %s; see `latent %s --help`", option,
                           result == ':' ? "needs a value" : "takes no value", command->name);
    option[strcspn(option, "=")] = '\0';
    return explain_unknown(command, option);
}

/* ---- Options that do nothing ---- */

/* names: with spaces between; list: the same as a person reads them, each behind mark. */
static void list_names(const char *names, const char *mark, char list[MAX_LIST]) {
    char name[MAX_NAME];
    list[0] = '\0';
    for (const char *at = names; next_also(&at, name);)
        snprintf(list + strlen(list), MAX_LIST - strlen(list), "%s%s%s", *list ? " or " : "", mark, name);
}

static bool is_one_given(const lt_command *command, const char *names) {
    char name[MAX_NAME];
    for (const char *at = names; next_also(&at, name);) {
        const lt_option *o = find(command, name);
        if (o && seen[o - parsed]) return true;
    }
    return false;
}

static bool is_one_of(const char *names, const char *word) {
    char name[MAX_NAME];
    for (const char *at = names; next_also(&at, name);)
        if (!strcmp(name, word)) return true;
    return false;
}

/* word: the first that is none of an option; NULL: there is none. */
static void note_idle(const lt_command *command, const lt_option *o, const char *word) {
    char list[MAX_LIST];
    if (o->needs && !is_one_given(command, o->needs)) {
        list_names(o->needs, "--", list);
        lt_complain(LT_EXIT_OK, "note: --%s does nothing without %s", o->name, list);
    } else if (o->of && word && !is_one_of(o->of, word)) {
        list_names(o->of, "", list);
        lt_complain(LT_EXIT_OK, "note: --%s does nothing here: it is of `latent %s %s`", o->name, command->name, list);
    }
}

int lt_options_parse(const lt_command *command, int *count, char **words) {
    tables t;
    make_tables(command, *count, words, &t);
    parsed = command->options;
    memset(seen, 0, sizeof seen);
    memset(noted, 0, sizeof noted);
    /* words[-1] is the command's name: getopt takes it for the program's */
    const int argc = *count + 1;
    char **argv = words - 1;
    restart();
    for (int found, place; (found = getopt_long(argc, argv, t.shorts + 1, t.longs, &place)) != -1;) {
        if (found == '?' || found == ':') return explain(command, found, argv[optind - 1]);
        const char letter[] = {(char)found, '\0'};
        const lt_option *o = own_option(command, found);
        if (o) take_choice(o, argv);
        const int status =
            o ? take_own(o)
              : take_foreign(command, foreign_option(found), found < FOREIGN ? letter : t.longs[place].name);
        if (status) return status;
    }
    for (const lt_option *o = command->options; o->name; o++) {
        const int status = seen[o - parsed] ? LT_EXIT_OK : lt_option_take_environment(o);
        if (status) return status;
    }
    *count = argc - optind;
    memmove(words, argv + optind, (size_t)*count * sizeof *words);
    for (const lt_option *o = command->options; o->name; o++)
        if (seen[o - parsed]) note_idle(command, o, *count ? words[0] : NULL);
    return LT_EXIT_OK;
}

/* ---- Help ---- */

static void print_options(const lt_command *command, bool rare, const char *title) {
    for (const lt_option *o = command->options; o->name; o++) {
        char left[64], help[LT_HELP_SIZE];
        if (o->rare != rare) continue;
        if (title) printf("\n%s\n", title);
        title = NULL;
        snprintf(left, sizeof left, "%c%c%s --%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
                 o->letter ? "," : " ", o->name, o->argument ? " " : "", o->argument ? o->argument : "");
        lt_option_help(o, help);
        printf("  %-26s %s\n", left, help);
    }
}

void lt_command_explain(const lt_command *command) {
    printf("latent %s: %s\nusage: latent %s %s\n", command->name, command->summary, command->name, command->usage);
    if (command->details) printf("\n%s\n", command->details);
    print_options(command, false, "options:");
    print_options(command, true, "less often needed:");
    printf("\nexamples:\n%s", command->examples);
}
