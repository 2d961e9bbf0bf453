/* completion for zsh: a function for compinit's fpath, each command a call of _arguments */
#include "completion.h"

#include <stdio.h>

/* A description: what ends one for _describe and _arguments is escaped. */
static void quote(const char *text) { lt_completion_quote(text, "\\[]:", "\\", "'\\''"); }

/* ":N: " has a value that can't be listed. */
static void print_value(const lt_option *o) {
    if (!o->argument) return;
    printf(":");
    quote(o->argument);
    printf(":");
    if (lt_completion_is_file(o)) printf("_files");
    if (lt_option_choices(o)) {
        printf("(");
        lt_completion_list(lt_option_choices(o));
        printf(")");
    }
}

/* One spelling of an option; the other one is not offered beside it. mark says where its value may stand. */
static void print_spelling(const lt_option *o, const char *dashes, const char *name, const char *mark) {
    char help[LT_HELP_SIZE];
    printf(" \\\n            '");
    if (o->letter) printf("(-%c --%s)", o->letter, o->name);
    printf("%s%s%s[", dashes, name, o->argument ? mark : "");
    lt_option_help(o, help);
    quote(help);
    printf("]");
    print_value(o);
    printf("'");
}

static void print_command(const lt_command *command) {
    printf("    %s)\n        _arguments -s -S '(- *)'{-h,--help}'[explain the command]'", command->name);
    for (const lt_option *o = command->options; o->name; o++) {
        const char letter[] = {o->letter, '\0'};
        if (o->letter) print_spelling(o, "-", letter, "+");
        print_spelling(o, "--", o->name, "=");
    }
    if (command->words) {
        printf(" \\\n            '1: :(");
        lt_completion_list(command->words());
        printf(")'");
    }
    printf(" \\\n            '*: :_files' ;;\n");
}

void lt_completion_zsh(void) {
    printf("#compdef latent\n"
           "# zsh completion for latent; made by `latent completion zsh`\n"
           "_latent() {\n"
           "    local -a commands=(\n");
    for (size_t i = 0; lt_commands[i]; i++) {
        printf("        '%s:", lt_commands[i]->name);
        quote(lt_commands[i]->summary);
        printf("'\n");
    }
    printf("    )\n"
           "    if (( CURRENT == 2 )); then\n"
           "        _describe command commands\n"
           "        return\n"
           "    fi\n"
           "    local command=$words[2]\n"
           "    shift words\n"
           "    (( CURRENT-- ))\n"
           "    case $command in\n");
    for (size_t i = 0; lt_commands[i]; i++) print_command(lt_commands[i]);
    printf("    *) _files ;;\n"
           "    esac\n"
           "}\n"
           "if [ \"$funcstack[1]\" = _latent ]; then _latent \"$@\"; else compdef _latent latent; fi\n");
}
