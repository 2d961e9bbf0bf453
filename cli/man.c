/* man: the manual page, made from the tables of commands and options. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

static const lt_option options[] = {{0}};

/* Text as roff takes it: no escapes, no line that begins like a request, hyphens that can be copied. */
static void print_text(const char *text) {
    bool line_begins = true;
    for (; *text; text++) {
        if (line_begins && (*text == '.' || *text == '\'')) printf("\\&");
        if (*text == '\\')
            printf("\\e");
        else if (*text == '-')
            printf("\\-");
        else
            putchar(*text);
        line_begins = *text == '\n';
    }
}

static void print_choices(const char *const *choices) {
    for (size_t i = 0; choices && choices[i]; i++) {
        printf("%s", i ? ", " : "\n.br\nPossible: ");
        print_text(choices[i]);
    }
    printf("\n");
}

static void print_option(const lt_option *o) {
    char help[LT_HELP_SIZE];
    printf(".TP\n\\fB");
    if (o->letter) printf("\\-%c\\fR, \\fB", o->letter);
    printf("\\-\\-");
    print_text(o->name);
    printf("\\fR");
    if (o->argument) printf(" \\fI%s\\fR", o->argument);
    printf("\n");
    lt_option_help(o, help);
    print_text(help);
    print_choices(lt_option_choices(o));
}

/* Whether a command before this one has the same option with the same words. */
static bool told_before(const lt_command *const *command, const lt_option *option) {
    char help[LT_HELP_SIZE], other[LT_HELP_SIZE];
    lt_option_help(option, help);
    for (const lt_command *const *c = lt_commands; c < command; c++)
        for (const lt_option *o = (*c)->options; o->name; o++) {
            lt_option_help(o, other);
            if (!strcmp(o->name, option->name) && !strcmp(other, help)) return true;
        }
    return false;
}

static void print_options(const lt_command *const *command) {
    size_t repeated = 0;
    for (const lt_option *o = (*command)->options; o->name; o++) {
        if (told_before(command, o))
            repeated++;
        else
            print_option(o);
    }
    if (repeated) printf(".PP\nAnd, as above:");
    for (const lt_option *o = (*command)->options; o->name; o++) {
        if (!told_before(command, o)) continue;
        printf(" \\fB\\-\\-");
        print_text(o->name);
        printf("\\fR%s", --repeated ? "," : ".\n");
    }
}

static void print_command(const lt_command *const *command) {
    const lt_command *c = *command;
    printf(".SS latent %s ", c->name);
    print_text(c->usage);
    printf("\n.PP\n%c", c->summary[0] - 'a' + 'A');
    print_text(c->summary + 1);
    printf(".\n");
    if (c->details) {
        printf(".PP\n");
        print_text(c->details);
        printf("\n");
    }
    print_options(command);
    printf(".PP\nExamples:\n.PP\n.nf\n");
    print_text(c->examples);
    printf(".fi\n");
}

static int run(int count, char **words) {
    if (count) return lt_complain(LT_EXIT_USAGE, "what is \"%s\"? `latent man` takes no words", words[0]);
    printf(".\\\" made by `latent man`\n.TH LATENT 1 \"\" \"latent %s\" \"User Commands\"\n", lt_version());
    printf(".SH NAME\nlatent \\- Stable Diffusion on ordinary processors\n"
           ".SH SYNOPSIS\n\\fBlatent\\fR \\fICOMMAND\\fR [\\fIoptions\\fR]\n"
           ".br\n\\fBlatent\\fR \\fIPROMPT\\fR [\\fIoptions\\fR]\n"
           ".SH DESCRIPTION\n"
           "Makes pictures from words and changes pictures, with the checkpoints of Stable Diffusion 1.x.\n"
           "Options and other words may come in any order. Of a number, flag or choice given twice the last\n"
           "counts; a text or file given twice is an error. All behind \\fB\\-\\-\\fR is no option.\n"
           "\\fB\\-\\-help\\fR behind a command shows its options, \\fBlatent \\-\\-version\\fR the version.\n"
           "Without a command, a prompt in quotation marks is drawn, as by \\fBtxt2img\\fR.\n"
           "The options of stable\\-diffusion.cpp and diffusers are understood where there is such a thing\n"
           "(\\-\\-cfg\\-scale, \\-\\-negative\\-prompt, \\-\\-num_inference_steps), and underscores for hyphens.\n"
           ".SH COMMANDS\n");
    for (const lt_command *const *c = lt_commands; *c; c++) print_command(c);
    printf(".SH ENVIRONMENT\n"
           "\\fBLATENT_ISA\\fR: what \\fB\\-\\-isa\\fR says, for every command that has it and is not given it. A set "
           "that the\n"
           "processor lacks, or that is none, ends the command with status 1.\n"
           ".SH EXIT STATUS\n"
           "0: done. 1: failed, with a message on standard error. 2: wrong usage. 130, 143: stopped by Ctrl\\-C or\n"
           "SIGTERM, after saving what a training had done; a second one ends at once. A reader of the output that\n"
           "leaves ends nothing, and makes the status 1 in the end.\n"
           "A failure leaves no half\\-written file.\n");
    return LT_EXIT_OK;
}

const lt_command lt_command_man = {
    "man", "print the manual page", "", NULL, "  latent man >latent.1\n  latent man | man -l -\n", options, run,
};
