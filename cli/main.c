/* latent: Stable Diffusion from the command line. */
#include "signals.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern const lt_command lt_command_txt2img, lt_command_img2img, lt_command_inpaint, lt_command_encode,
    lt_command_decode, lt_command_upscale, lt_command_run, lt_command_tokenize, lt_command_prompt, lt_command_schedule,
    lt_command_noise, lt_command_similarity, lt_command_inspect, lt_command_models, lt_command_convert,
    lt_command_merge, lt_command_train, lt_command_plot, lt_command_eval, lt_command_explain_drawing,
    lt_command_annotate, lt_command_serve, lt_command_bench, lt_command_help, lt_command_completion, lt_command_man;

const lt_command *const lt_commands[] = {
    &lt_command_txt2img,
    &lt_command_img2img,
    &lt_command_inpaint,
    &lt_command_encode,
    &lt_command_decode,
    &lt_command_upscale,
    &lt_command_run,
    &lt_command_tokenize,
    &lt_command_prompt,
    &lt_command_schedule,
    &lt_command_noise,
    &lt_command_similarity,
    &lt_command_explain_drawing,
    &lt_command_inspect,
    &lt_command_models,
    &lt_command_convert,
    &lt_command_merge,
    &lt_command_train,
    &lt_command_plot,
    &lt_command_eval,
    &lt_command_annotate,
    &lt_command_serve,
    &lt_command_bench,
    &lt_command_help,
    &lt_command_completion,
    &lt_command_man,
    NULL,
};

static int print_version(void) {
    printf("latent %s\n", lt_version());
    return LT_EXIT_OK;
}

static int run(const lt_command *command, int count, char **words) {
    switch (lt_options_asked(command, count, words)) {
    case LT_ASKED_HELP: lt_command_explain(command); return LT_EXIT_OK;
    case LT_ASKED_VERSION: return print_version();
    case LT_ASKED_NOTHING: break;
    }
    const int status = lt_options_parse(command, &count, words);
    return status ? status : command->run(count, words);
}

/* Without a command: options, and what no name of a command or file looks like, are a picture to be drawn. */
static bool is_prompt(const char *word) {
    static const char of_names[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./";
    return word[0] == '-' || word[strspn(word, of_names)];
}

/* Which command draws it: the one that -M names, as stable-diffusion.cpp has it, or the one that has what is given. */
static const lt_command *find_meant(int count, char **words) {
    const lt_command *all = &lt_command_inpaint;
    const char *mode = lt_options_peek(all, "mode", count, words);
    const lt_command *named = mode ? lt_command_find(mode) : NULL;
    if (named) return named;
    if (lt_options_peek(all, "mask", count, words)) return &lt_command_inpaint;
    return lt_options_peek(all, "input", count, words) ? &lt_command_img2img : &lt_command_txt2img;
}

static bool is_any(const char *word, const char *const *all) {
    while (*all && strcmp(word, *all)) all++;
    return *all;
}

static int run_words(int count, char **words) {
    static const char *const help[] = {"--help", "-h", NULL}, *const version[] = {"--version", "-V", "version", NULL};
    const bool alone = count == 1 && !strcmp(words[0], "-v"); /* before others it asks stable-diffusion.cpp for words */
    if (alone || is_any(words[0], version)) return print_version();
    if (is_any(words[0], help)) return lt_command_help.run(count - 1, words + 1);
    const lt_command *command = lt_command_find(words[0]);
    if (command) return run(command, count - 1, words + 1);
    return is_prompt(words[0]) ? run(find_meant(count, words), count, words) : lt_command_unknown(words[0]);
}

/* Standard output is a pipe that nobody reads any more. */
static bool is_left_unread(void) {
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

/* What was printed must have arrived: a full disk behind standard output is a failure. So is a reader that left, but
 * that one needs not be told. */
static int finish(int status) {
    if ((fflush(stdout) == 0 && !ferror(stdout)) || status) return lt_stop_status(status);
    return is_left_unread() ? LT_EXIT_FAILED : lt_complain(LT_EXIT_FAILED, "standard output can't be written");
}

/* A closed standard stream must not become the first file that is opened, or what is printed would land in it. What
 * takes its place fails as it should: to be read, or to be written. */
static void hold_standard_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) return;
}

static void begin_all(void) {
    for (size_t i = 0; lt_commands[i]; i++) lt_options_begin(lt_commands[i]);
    for (size_t i = 0; lt_commands[i]; i++)
        if (lt_commands[i]->begin) lt_commands[i]->begin();
}

int main(int argc, char **argv) {
    hold_standard_streams();
    begin_all();
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error with a message, like a full disk */
    signal(SIGPIPE, SIG_IGN); /* a reader of progress or results that left is no reason to throw the work away */
    if (argc < 2) {
        lt_command_help.run(0, NULL);
        return finish(LT_EXIT_USAGE);
    }
    return finish(run_words(argc - 1, argv + 1));
}
