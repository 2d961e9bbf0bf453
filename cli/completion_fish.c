/* completion for fish */
#include "completion.h"

#include <stdio.h>

static void quote(const char *text) {
    printf("'");
    lt_completion_quote(text, "\\", "\\", "\\'");
    printf("'");
}

/* -x: takes a value, and no file; -rF: a file. */
static void print_option(const lt_command *command, const lt_option *o) {
    char help[LT_HELP_SIZE];
    printf("complete -c latent -n '__latent_is %s' -l %s", command->name, o->name);
    if (o->letter) printf(" -s %c", o->letter);
    if (o->argument) printf(lt_completion_is_file(o) ? " -r -F" : " -x");
    if (lt_option_choices(o)) {
        printf(" -a '");
        lt_completion_list(lt_option_choices(o));
        printf("'");
    }
    printf(" -d ");
    lt_option_help(o, help);
    quote(help);
    printf("\n");
}

static void print_command(const lt_command *command) {
    printf("complete -c latent -n '__latent_is' -a %s -d ", command->name);
    quote(command->summary);
    printf("\n");
    if (!command->words) printf("complete -c latent -n '__latent_is %s' -F\n", command->name);
    printf("complete -c latent -n '__latent_is %s' -s h -l help -d 'explain the command'\n", command->name);
    if (command->words) {
        printf("complete -c latent -n '__latent_is %s 2' -f -a '", command->name);
        lt_completion_list(command->words());
        printf("'\n");
    }
    for (const lt_option *o = command->options; o->name; o++) print_option(command, o);
}

void lt_completion_fish(void) {
    printf("# fish completion for latent; made by `latent completion fish`\n"
           "# whether the words so far are those of a command: of none yet, of that one, of that one alone\n"
           "function __latent_is\n"
           "    set -l words (commandline -opc)\n"
           "    test \"$words[2]\" = \"$argv[1]\"; or return 1\n"
           "    set -q argv[2]; or return 0\n"
           "    test (count $words) -eq $argv[2]\n"
           "end\n"
           "complete -c latent -f\n"
           "complete -c latent -n '__latent_is' -l help -d 'list the commands'\n"
           "complete -c latent -n '__latent_is' -l version -d 'print the version'\n");
    for (size_t i = 0; lt_commands[i]; i++) print_command(lt_commands[i]);
}
