/* completion: scripts that complete commands and options in a shell. */
#include "completion.h"

#include <stdio.h>
#include <string.h>

static const lt_option options[] = {{0}};

static const char *const shells[] = {"bash", "zsh", "fish", NULL};
static void (*const scripts[])(void) = {lt_completion_bash, lt_completion_zsh, lt_completion_fish};

static const char *const *list_shells(void) { return shells; }

bool lt_completion_is_file(const lt_option *o) {
    switch (o->kind) {
    case LT_OPTION_FILE:
    case LT_OPTION_FILES:
    case LT_OPTION_LORA:
    case LT_OPTION_IMAGE_PROMPT:
    case LT_OPTION_CONTROL: return true;
    default: return false;
    }
}

void lt_completion_list(const char *const *words) {
    for (size_t i = 0; words && words[i]; i++) printf("%s%s", i ? " " : "", words[i]);
}

void lt_completion_quote(const char *text, const char *special, const char *escape, const char *quote) {
    for (; *text; text++) {
        if (strchr(special, *text)) printf("%s", escape);
        if (*text == '\'')
            printf("%s", quote);
        else
            putchar(*text);
    }
}

static int run(int count, char **words) {
    size_t i = 0;
    while (count == 1 && shells[i] && strcmp(shells[i], words[0])) i++;
    if (count != 1 || !shells[i])
        return lt_complain(LT_EXIT_USAGE, "for which shell? latent completion bash, zsh or fish");
    scripts[i]();
    return LT_EXIT_OK;
}

const lt_command lt_command_completion = {
    "completion",
    "print a script that completes commands and options in a shell",
    "bash|zsh|fish",
    "What is installed has them in their places. By hand:",
    "  latent completion bash >~/.local/share/bash-completion/completions/latent\n"
    "  latent completion zsh >/usr/local/share/zsh/site-functions/_latent\n"
    "  latent completion fish >~/.config/fish/completions/latent.fish\n",
    options,
    run,
    NULL,
    list_shells,
};
