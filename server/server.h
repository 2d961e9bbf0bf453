/* The server: HTTP, the APIs and the queue, over latent.h alone. `latent serve` calls lt_server_run; the files in here
 * see the server's parts through the functions below. */
#ifndef LT_SERVER_H
#define LT_SERVER_H

#include "latent.h"

#include <signal.h>

/* All sizes are bytes, all times seconds. Begin with lt_server_options_defaults. */
typedef struct lt_server_options {
    const char *host;      /* address to listen on: "127.0.0.1" */
    int port;              /* 7860; 0: any that is free, which is told */
    const char *models;    /* the shelf's folder, out of which no name leads; NULL: the default model alone */
    const char *data;      /* where queue and pictures are kept; made if it isn't there */
    const char *model;     /* drawn with where a job names none: a file; NULL: the one that comes with Latent */
    const char *key_file;  /* a key a line, or user:password; NULL: none is asked for */
    const char *train_log; /* a training's log, or a folder of such, that is shown as it grows; NULL: none */
    bool no_key;           /* let anybody in from other machines */
    const char *cors;      /* origins whose pages may call, with commas between, or "*"; NULL: none */
    const char *hosts;     /* names that this server goes by besides addresses and localhost, with commas between */
    bool forwarded;        /* a proxy is before it: clients are who X-Forwarded-For says */
    int queue;             /* jobs that may wait: 1000 */
    int workers;           /* jobs that are drawn at a time: 1 */
    int threads;           /* of all workers together; 0: one for each core */
    lt_precision precision;
    double memory;        /* GB that open models may hold; 0: two thirds of the machine's */
    size_t most_body;     /* of a request: 64 MiB */
    double most_pixels;   /* of a picture that is made or sent, in millions: 4.2 */
    int most_steps;       /* 150 */
    int most_count;       /* pictures of a job: 100 */
    double most_seconds;  /* that a job may be drawn; 0: any */
    int most_connections; /* 1000 */
    int patience;         /* seconds that a client may take for its next bytes: 30 */
    bool log_prompts;     /* also log what is drawn */
    /* Asked every tenth of a second: true ends the server. */
    bool (*stopped)(void *user);
    lt_notice_fn notice; /* once it listens: its address, "http://127.0.0.1:7860/" */
    void *user;
} lt_server_options;
lt_server_options lt_server_options_defaults(void);

/* Serves until options->stopped says so; then takes no new jobs, lets what is being drawn end for a few seconds (what
 * doesn't is drawn again at the next start), and returns LT_OK. */
lt_status lt_server_run(const lt_server_options *options);

/* ---- For the files of this room ---- */

typedef struct lt_server lt_server;
const lt_server_options *lt_server_options_of(const lt_server *server);
struct lt_queue *lt_server_queue(lt_server *server);   /* queue.h */
struct lt_models *lt_server_models(lt_server *server); /* models.h */
struct lt_store *lt_server_store(lt_server *server);   /* store.h */
const lt_tokenizer *lt_server_tokenizer(const lt_server *server);
struct lt_a1111 *lt_server_a1111(lt_server *server); /* a1111.h */

#endif
