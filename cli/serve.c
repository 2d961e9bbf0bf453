/* serve: the server, over server/server.h. */
#include "models.h"
#include "signals.h"

#include "server/server.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    lt_server_options server;
    double body; /* MB */
    bool open;
} o;

static const lt_option options[] = {
    {"host", 0, LT_OPTION_TEXT, "ADDRESS", "where to listen; other machines reach 0.0.0.0 or ::", &o.server.host,
     .also = "listen-host server-name"},
    {"port", 0, LT_OPTION_INT, "N", "0: any that is free", &o.server.port, 0, 65535},
    {"model", 'm', LT_OPTION_FILE, "MODEL", "draws where a job names none; default: the one that comes along",
     &o.server.model, .also = "ckpt"},
    {"models", 0, LT_OPTION_FILE, "DIR", "what jobs may name; default: $XDG_DATA_HOME/latent/models", &o.server.models,
     .also = LT_ALSO_MODELS},
    {"data", 0, LT_OPTION_FILE, "DIR", "queue and pictures; default: $XDG_STATE_HOME/latent", &o.server.data},
    {"train-log", 0, LT_OPTION_FILE, "FILE|DIR", "show how a `latent train` goes on: MODEL.jsonl, or a folder of such",
     &o.server.train_log, .also = "logdir logging-dir"},
    {"key-file", 0, LT_OPTION_FILE, "FILE", "ask for a key: one a line, or user:password", &o.server.key_file},
    {"no-key", 0, LT_OPTION_FLAG, NULL, "let others in without one, from other machines too", &o.server.no_key},
    {"cors", 0, LT_OPTION_TEXT, "ORIGINS", "whose pages may call: https://a.example,https://b.example, or *",
     &o.server.cors, .also = "cors-allow-origins"},
    {"hosts", 0, LT_OPTION_TEXT, "NAMES", "names that this server goes by, with commas between", &o.server.hosts},
    {"forwarded", 0, LT_OPTION_FLAG, NULL, "a proxy is before it: clients are who X-Forwarded-For says",
     &o.server.forwarded, .rare = true},
    {"threads", 't', LT_OPTION_INT, "N", NULL, &o.server.threads, .fields = lt_session_fields},
    {"precision", 0, LT_OPTION_CHOICE, "P", NULL, &o.server.precision, .fields = lt_session_fields, .rare = true},
    {"workers", 0, LT_OPTION_INT, "N", "jobs that are drawn at a time, which share the threads", &o.server.workers, 1,
     64},
    {"queue", 0, LT_OPTION_INT, "N", "jobs that may wait", &o.server.queue, 1, 1000000},
    {"memory", 0, LT_OPTION_NUMBER, "GB", "that models and drawing may take; default: two thirds of the machine's",
     &o.server.memory, 0, 1e6},
    {"max-body", 0, LT_OPTION_NUMBER, "MB", "of a request", &o.body, 0.001, 4096},
    {"max-pixels", 0, LT_OPTION_NUMBER, "M", "millions, of a picture that is made or sent", &o.server.most_pixels,
     0.001, 268},
    {"max-steps", 0, LT_OPTION_INT, "N", "of a job", &o.server.most_steps, 1, 1000},
    {"max-count", 0, LT_OPTION_INT, "N", "pictures of a job", &o.server.most_count, 1, 10000},
    {"max-seconds", 0, LT_OPTION_NUMBER, "S", "that a job may be drawn; 0: any", &o.server.most_seconds, 0, 1e9},
    {"patience", 0, LT_OPTION_INT, "S", "seconds that a client may be silent", &o.server.patience, 1, 3600,
     .rare = true},
    {"max-connections", 0, LT_OPTION_INT, "N", "at once", &o.server.most_connections, 1, 100000, .rare = true},
    {"log-prompts", 0, LT_OPTION_FLAG, NULL, "log what is drawn, too", &o.server.log_prompts},
    {"open", 0, LT_OPTION_FLAG, NULL, "show the page in a browser", &o.open},
    {0},
};

static void begin(void) {
    o.server = lt_server_options_defaults();
    o.body = 1e-6 * (double)o.server.most_body;
}

extern char **environ;

/* Forgotten: it ends when it likes, and is waited for by the system after us. */
static void show_page(const char *address) {
    char *words[] = {"xdg-open", (char *)(uintptr_t)address, NULL};
    pid_t process;
    if (posix_spawnp(&process, words[0], NULL, NULL, words, environ))
        lt_complain(LT_EXIT_FAILED, "--open: there is no xdg-open here; the page is at %s", address);
}

static void on_listening(void *user, const char *address) {
    (void)user;
    printf("%s\n", address);
    fflush(stdout);
    if (o.open) show_page(address);
}

static int run(int count, char **words) {
    if (count) return lt_complain(LT_EXIT_USAGE, "what is \"%s\"? see `latent serve --help`", words[0]);
    if (lt_models_check(o.server.models)) return lt_complain_error();
    o.server.models = lt_models_folder(o.server.models);
    if (!o.server.data) o.server.data = lt_state_folder();
    if (lt_models_path(o.server.models, LT_SHELF_CHECKPOINT, o.server.model, &o.server.model))
        return lt_complain_error();
    if (!o.server.data)
        return lt_complain(LT_EXIT_FAILED, "which folder? name one for queue and pictures with --data DIR");
    o.server.most_body = (size_t)(1e6 * o.body);
    o.server.stopped = lt_stop_asked;
    o.server.notice = on_listening;
    lt_stop_on_signals();
    return lt_server_run(&o.server) ? lt_complain_error() : LT_EXIT_OK;
}

const lt_command lt_command_serve = {
    "serve",
    "serve drawing over HTTP: an API, a queue, a page",
    "[--port N] [--models DIR] [options]",
    "Jobs wait in a queue that outlives the server, and are drawn one after the other. Other machines\n"
    "reach it with --host 0.0.0.0, for which --key-file is wanted. docs/server.md has the API.",
    "  latent serve --open\n"
    "  latent serve --train-log trained\n"
    "  latent serve --host 0.0.0.0 --key-file key.txt --models ~/stable-diffusion-webui\n",
    options,
    run,
    begin,
};
