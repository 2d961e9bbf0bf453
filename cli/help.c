/* help: the commands, or what one of them does. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

static const lt_option options[] = {{0}};

const lt_command *lt_command_find(const char *name) {
    for (size_t i = 0; lt_commands[i]; i++)
        if (!strcmp(lt_commands[i]->name, name)) return lt_commands[i];
    return NULL;
}

int lt_command_unknown(const char *name) {
    lt_nearest nearest = {.word = name};
    if (!*name)
        return lt_complain(LT_EXIT_USAGE, "an empty word is no command; `latent --help` lists all, `latent -p \"\"` "
                                          "draws the empty prompt");
    for (size_t i = 0; lt_commands[i]; i++) lt_nearest_try(&nearest, lt_commands[i]->name, lt_commands[i]->name);
    if (nearest.name)
        return lt_complain(LT_EXIT_USAGE, "no command %s; did you mean %s? `latent --help` lists all", name,
                           nearest.name);
    return lt_complain(LT_EXIT_USAGE, "no command %s; `latent --help` lists all, `latent -p PROMPT` draws", name);
}

static void list_commands(void) {
    printf("latent %s: Stable Diffusion on ordinary processors\n\n", lt_version());
    printf("usage: latent COMMAND [options]\n       latent \"PROMPT\" [options], as txt2img\n\n");
    for (size_t i = 0; lt_commands[i]; i++) printf("  %-12s %s\n", lt_commands[i]->name, lt_commands[i]->summary);
    printf("\n`latent help COMMAND` says more, with examples. To begin with: latent \"a red apple\"\n");
}

static const char *const *list_names(void) {
    static const char *names[64];
    for (size_t i = 0; lt_commands[i] && i + 1 < LT_COUNT(names); i++) names[i] = lt_commands[i]->name;
    return names;
}

static int run(int count, char **words) {
    const lt_command *command = count ? lt_command_find(words[0]) : NULL;
    if (count && !command) return lt_command_unknown(words[0]);
    if (command) lt_command_explain(command);
    if (!command) list_commands();
    return LT_EXIT_OK;
}

const lt_command lt_command_help = {
    "help",     "list the commands, or explain one", "[COMMAND]", NULL, "  latent help txt2img\n", options, run, NULL,
    list_names,
};
