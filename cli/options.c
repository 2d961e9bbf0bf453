/* Options from tables: parsing, and help. The words are split by getopt_long. */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_OPTIONS = 64,
    FIRST_LONG = 256 /* getopt's values of long options begin above all letters */
};

int lt_complain(int status, const char *format, ...) {
    char text[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *c = text; *c; c++)
        if (iscntrl((unsigned char)*c)) *c = '?';
    fprintf(stderr, "latent: %s\n", text);
    return status;
}

int lt_complain_error(void) { return lt_complain(LT_EXIT_FAILED, "%s", lt_error_message()); }

/* ---- Values ---- */

static int parse_int(const lt_option *o, const char *text) {
    char *end;
    errno = 0;
    const long v = strtol(text, &end, 10);
    if (end == text || *end || errno || (double)v < o->low || (double)v > o->high)
        return lt_complain(LT_EXIT_USAGE, "--%s %s: a whole number from %g to %g is possible", o->name, text, o->low,
                           o->high);
    *(int *)o->value = (int)v;
    return LT_EXIT_OK;
}

static int parse_number(const lt_option *o, const char *text) {
    char *end;
    const double v = strtod(text, &end);
    if (end == text || *end || !(v >= o->low && v <= o->high))
        return lt_complain(LT_EXIT_USAGE, "--%s %s: a number from %g to %g is possible", o->name, text, o->low,
                           o->high);
    *(double *)o->value = v;
    return LT_EXIT_OK;
}

static int parse_seed(const lt_option *o, const char *text) {
    char *end;
    errno = 0;
    const unsigned long long v = strtoull(text, &end, 10);
    if (end == text || *end || errno || strchr(text, '-'))
        return lt_complain(LT_EXIT_USAGE, "--%s %s: a whole number from 0 to 18446744073709551615 is possible", o->name,
                           text);
    *(uint64_t *)o->value = v;
    return LT_EXIT_OK;
}

const char *const *lt_option_choices(const lt_option *o) {
    return o->kind != LT_OPTION_CHOICE ? NULL : o->list_choices ? o->list_choices() : o->choices;
}

static int parse_choice(const lt_option *o, const char *text) {
    const char *const *choices = lt_option_choices(o);
    char all[512] = "";
    for (size_t i = 0; choices[i]; i++) {
        if (!strcmp(choices[i], text)) {
            *(const char **)o->value = choices[i];
            return LT_EXIT_OK;
        }
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? ", " : "", choices[i]);
    }
    return lt_complain(LT_EXIT_USAGE, "--%s %s: possible are %s", o->name, text, all);
}

static int parse_value(const lt_option *o, const char *text) {
    if (o->given) *o->given = true;
    switch (o->kind) {
    case LT_OPTION_FLAG: *(bool *)o->value = true; return LT_EXIT_OK;
    case LT_OPTION_INT: return parse_int(o, text);
    case LT_OPTION_NUMBER: return parse_number(o, text);
    case LT_OPTION_SEED: return parse_seed(o, text);
    case LT_OPTION_CHOICE: return parse_choice(o, text);
    case LT_OPTION_TEXT:
    case LT_OPTION_FILE: *(const char **)o->value = text; return LT_EXIT_OK;
    }
    return LT_EXIT_USAGE;
}

/* ---- The command line ---- */

static const lt_option *by_letter(const lt_command *command, int letter) {
    for (const lt_option *o = command->options; o->name; o++)
        if (o->letter == letter) return o;
    return NULL;
}

/* getopt's tables; long option i of them is the command's option i. */
static void make_tables(const lt_command *command, struct option *longs, char *shorts) {
    *shorts++ = ':'; /* say what is missing ourselves */
    size_t i = 0;
    for (const lt_option *o = command->options; o->name && i < MAX_OPTIONS; o++, i++) {
        const int has = o->kind == LT_OPTION_FLAG ? no_argument : required_argument;
        longs[i] = (struct option){o->name, has, NULL, FIRST_LONG + (int)i};
        if (!o->letter) continue;
        *shorts++ = o->letter;
        if (has == required_argument) *shorts++ = ':';
    }
    longs[i] = (struct option){0};
    *shorts = '\0';
}

/* getopt stumbled: ':' a value is missing; '?' there is no such option, or it takes no value. A single letter is left
 * in optopt. */
static int explain(const lt_command *command, int result, char *word) {
    char letter[] = {'-', (char)optopt, '\0'};
    const char *what = result == ':' ? "needs a value" : optopt >= FIRST_LONG ? "takes no value" : "unknown option";
    return lt_complain(LT_EXIT_USAGE, "%s: %s; see `latent %s --help`", optopt && optopt < FIRST_LONG ? letter : word,
                       what, command->name);
}

int lt_options_parse(const lt_command *command, int *count, char **words) {
    bool seen[MAX_OPTIONS] = {false};
    struct option longs[MAX_OPTIONS + 1];
    char shorts[2 * MAX_OPTIONS + 2];
    make_tables(command, longs, shorts);
    /* words[-1] is the command's name: getopt takes it for the program's */
    const int argc = *count + 1;
    char **argv = words - 1;
    optind = 0;
    opterr = 0;
    for (int letter; (letter = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
        const lt_option *o = letter >= FIRST_LONG ? &command->options[letter - FIRST_LONG] : by_letter(command, letter);
        if (!o) return explain(command, letter, argv[optind - 1]);
        const bool once = o->kind == LT_OPTION_TEXT || o->kind == LT_OPTION_FILE;
        if (once && seen[o - command->options])
            return lt_complain(LT_EXIT_USAGE, "--%s is there twice: which one is meant?", o->name);
        seen[o - command->options] = true;
        const int status = parse_value(o, optarg);
        if (status) return status;
    }
    *count = argc - optind;
    memmove(words, argv + optind, (size_t)*count * sizeof *words);
    return LT_EXIT_OK;
}

/* ---- Help ---- */

static void print_options(const lt_command *command, bool rare, const char *title) {
    for (const lt_option *o = command->options; o->name; o++) {
        char left[64];
        if (o->rare != rare) continue;
        if (title) printf("\n%s\n", title);
        title = NULL;
        snprintf(left, sizeof left, "%c%c%s --%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
                 o->letter ? "," : " ", o->name, o->argument ? " " : "", o->argument ? o->argument : "");
        printf("  %-26s %s\n", left, o->help);
    }
}

void lt_command_help(const lt_command *command) {
    printf("latent %s: %s\n\nusage: latent %s %s\n", command->name, command->summary, command->name, command->usage);
    if (command->details) printf("\n%s\n", command->details);
    print_options(command, false, "options:");
    print_options(command, true, "less often needed:");
    printf("\nexamples:\n%s", command->examples);
}
