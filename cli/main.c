/* latent: Stable Diffusion from the command line. */
#include "cli.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern const lt_command lt_command_txt2img, lt_command_img2img, lt_command_inpaint, lt_command_encode,
    lt_command_decode, lt_command_run, lt_command_tokenize, lt_command_schedule, lt_command_noise,
    lt_command_similarity, lt_command_inspect, lt_command_convert, lt_command_train, lt_command_plot, lt_command_eval,
    lt_command_bench, lt_command_completion, lt_command_man;

const lt_command *const lt_commands[] = {
    &lt_command_txt2img,
    &lt_command_img2img,
    &lt_command_inpaint,
    &lt_command_encode,
    &lt_command_decode,
    &lt_command_run,
    &lt_command_tokenize,
    &lt_command_schedule,
    &lt_command_noise,
    &lt_command_similarity,
    &lt_command_inspect,
    &lt_command_convert,
    &lt_command_train,
    &lt_command_plot,
    &lt_command_eval,
    &lt_command_bench,
    &lt_command_completion,
    &lt_command_man,
    NULL,
};

static void help(void) {
    printf("latent %s: Stable Diffusion on ordinary processors\n\nusage: latent COMMAND [options]\n\n", lt_version());
    for (size_t i = 0; lt_commands[i]; i++) printf("  %-12s %s\n", lt_commands[i]->name, lt_commands[i]->summary);
    printf("\n`latent COMMAND --help` says more, with examples.\n");
}

static const lt_command *find(const char *name) {
    for (size_t i = 0; lt_commands[i]; i++)
        if (!strcmp(lt_commands[i]->name, name)) return lt_commands[i];
    return NULL;
}

/* The command that shares the longest beginning with name, or NULL if none shares any. */
static const lt_command *nearest(const char *name) {
    const lt_command *best = NULL;
    size_t longest = 0;
    for (size_t i = 0; lt_commands[i]; i++) {
        size_t n = 0;
        while (name[n] && name[n] == lt_commands[i]->name[n]) n++;
        if (n > longest) {
            longest = n;
            best = lt_commands[i];
        }
    }
    return best;
}

static bool asks_for_help(int count, char **words) {
    for (int i = 0; i < count && strcmp(words[i], "--"); i++)
        if (!strcmp(words[i], "--help") || !strcmp(words[i], "-h")) return true;
    return false;
}

static int run(const lt_command *command, int count, char **words) {
    if (asks_for_help(count, words)) {
        lt_command_help(command);
        return LT_EXIT_OK;
    }
    if (command->begin) command->begin();
    const int status = lt_options_parse(command, &count, words);
    return status ? status : command->run(count, words);
}

/* What was printed must have arrived: a full disk behind standard output is a failure. */
static int finish(int status) {
    if (fflush(stdout) == 0 && !ferror(stdout)) return status;
    return status ? status : lt_complain(LT_EXIT_FAILED, "standard output can't be written");
}

/* A closed standard stream must not become the first file that is opened, or what is printed would land in it. */
static void hold_standard_streams(void) {
    int fd;
    do fd = open("/dev/null", O_RDONLY); /* writing to it fails, as it should */
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) close(fd);
}

int main(int argc, char **argv) {
    hold_standard_streams();
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error with a message, like a full disk */
    if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        help();
        return finish(argc < 2 ? LT_EXIT_USAGE : LT_EXIT_OK);
    }
    if (!strcmp(argv[1], "--version")) {
        printf("latent %s\n", lt_version());
        return finish(LT_EXIT_OK);
    }
    const lt_command *command = find(argv[1]);
    if (!command && !nearest(argv[1]))
        return lt_complain(LT_EXIT_USAGE, "no command %s; `latent --help` lists all", argv[1]);
    if (!command)
        return lt_complain(LT_EXIT_USAGE, "no command %s; did you mean %s? `latent --help` lists all", argv[1],
                           nearest(argv[1])->name);
    return finish(run(command, argc - 2, argv + 2));
}
