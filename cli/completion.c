/* completion: a script for bash, made from the tables of commands and options. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

static const lt_option options[] = {{0}};

static void print_words(const lt_command *command) {
    for (const lt_option *o = command->options; o->name; o++) printf(" --%s", o->name);
    printf(" --help");
}

/* case arms for the options whose values can be listed; those of files are left to bash */
static void print_choices(const lt_command *command) {
    for (const lt_option *o = command->options; o->name; o++) {
        const char *const *choices = lt_option_choices(o);
        if (!choices) continue;
        printf("        %s:--%s) words=\"", command->name, o->name);
        for (size_t i = 0; choices[i]; i++) printf("%s%s", i ? " " : "", choices[i]);
        printf("\" ;;\n");
    }
}

static int run(int count, char **words) {
    if (count != 1 || strcmp(words[0], "bash")) return lt_complain(LT_EXIT_USAGE, "for bash: latent completion bash");
    printf("# bash completion for latent; made by `latent completion bash`\n"
           "_latent() {\n"
           "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=\"\"\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
           "        words=\"");
    for (size_t i = 0; lt_commands[i]; i++) printf("%s ", lt_commands[i]->name);
    printf("--help --version\"\n"
           "    else case \"${COMP_WORDS[1]}:$before\" in\n");
    for (size_t i = 0; lt_commands[i]; i++) print_choices(lt_commands[i]);
    printf("        *) case \"${COMP_WORDS[1]}\" in\n");
    for (size_t i = 0; lt_commands[i]; i++) {
        printf("            %s) words=\"", lt_commands[i]->name);
        print_words(lt_commands[i]);
        printf("\" ;;\n");
    }
    printf("        esac ;;\n"
           "    esac; fi\n"
           "    if [ \"${word#-}\" = \"$word\" ] && [ \"$COMP_CWORD\" -gt 1 ] && [ \"${words# --}\" != \"$words\" ]; "
           "then words=\"\"; fi\n"
           "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
           "    [ -n \"$words\" ] || compopt -o default\n"
           "}\n"
           "complete -F _latent latent\n");
    return LT_EXIT_OK;
}

const lt_command lt_command_completion = {
    "completion",
    "print a script that completes commands and options in a shell",
    "bash",
    NULL,
    "  latent completion bash > ~/.local/share/bash-completion/completions/latent\n",
    options,
    run,
};
