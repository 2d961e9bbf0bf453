/* completion for bash */
#include "completion.h"

#include <stdio.h>

static void print_names(const lt_command *command) {
    for (const lt_option *o = command->options; o->name; o++) printf(" --%s", o->name);
    printf(" --help");
}

/* case arms for the options whose values can be listed; those of files are left to bash */
static void print_choices(const lt_command *command) {
    for (const lt_option *o = command->options; o->name; o++) {
        if (!lt_option_choices(o)) continue;
        printf("        %s:--%s", command->name, o->name);
        if (o->letter) printf("|%s:-%c", command->name, o->letter);
        printf(") words=\"");
        lt_completion_list(lt_option_choices(o));
        printf("\" ;;\n");
    }
}

static void print_first_words(const lt_command *command) {
    if (!command->words) return;
    printf("        %s:%s) words=\"", command->name, command->name);
    lt_completion_list(command->words());
    printf("\" ;;\n");
}

void lt_completion_bash(void) {
    printf("# bash completion for latent; made by `latent completion bash`\n"
           "_latent() {\n"
           "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=\"\"\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
           "        words=\"");
    for (size_t i = 0; lt_commands[i]; i++) printf("%s ", lt_commands[i]->name);
    printf("--help --version\"\n"
           "    else case \"${COMP_WORDS[1]}:$before\" in\n");
    for (size_t i = 0; lt_commands[i]; i++) print_choices(lt_commands[i]);
    for (size_t i = 0; lt_commands[i]; i++) print_first_words(lt_commands[i]);
    printf("        esac\n"
           "    if [ -z \"$words\" ] && [ \"${word#-}\" != \"$word\" ]; then case \"${COMP_WORDS[1]}\" in\n");
    for (size_t i = 0; lt_commands[i]; i++) {
        printf("        %s) words=\"", lt_commands[i]->name);
        print_names(lt_commands[i]);
        printf("\" ;;\n");
    }
    printf("    esac; fi; fi\n"
           "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
           "    [ -n \"$words\" ] || compopt -o default\n"
           "}\n"
           "complete -F _latent latent\n");
}
