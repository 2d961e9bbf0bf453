/* The program's frame: a command is one file with one lt_command, and one line in main.c's table. Its options are a
 * table, from which parsing, --help, shell completion and the manual page all come. */
#ifndef LT_CLI_H
#define LT_CLI_H

#include "tools/tools.h"

/* Exit statuses; a stop by a signal is 128 and its number (signals.h). */
enum { LT_EXIT_OK = 0, LT_EXIT_FAILED = 1, LT_EXIT_USAGE = 2 };

typedef enum lt_option_kind {
    LT_OPTION_FLAG,         /* bool: set to true */
    LT_OPTION_INT,          /* int, all of the word a number within [low, high] */
    LT_OPTION_NUMBER,       /* double within [low, high]; NaN and infinities are refused */
    LT_OPTION_SEED,         /* uint64_t; -1 draws one, which is told */
    LT_OPTION_TEXT,         /* const char *, as it is */
    LT_OPTION_FILE,         /* const char *, completed as a file name */
    LT_OPTION_MAYBE,        /* const char *: a file's name behind "=", or "" without one */
    LT_OPTION_CHOICE,       /* const char *, one of lt_option_choices; or the enumeration that is their field */
    LT_OPTION_LORA,         /* lt_lora_list: one more, "FILE", "FILE:0.8" or "FILE:0.8:0.5" */
    LT_OPTION_IMAGE_PROMPT, /* lt_image_prompt_list: one more, "ADAPTER:IMAGE[:S[:START:END]][:mask=FILE]" */
    LT_OPTION_CONTROL,      /* lt_control_list: one more, "FILE:IMAGE", "FILE:IMAGE:0.8" or "FILE:IMAGE:0.8:0:0.5" */
    LT_OPTION_RANGE,        /* float[2] within [low, high]: "0.3:5"; "0.3:" has no end, which is 0 */
    LT_OPTION_FILES,        /* lt_file_list: one more file */
    LT_OPTION_SIZE          /* int[2], width and height within [low, high]: "512x768", or "512" for both */
} lt_option_kind;

enum { LT_MOST_LORAS = 64 };
typedef struct lt_lora_list {
    lt_lora items[LT_MOST_LORAS];
    size_t count;
} lt_lora_list;

/* --control, and what holds of all of them. */
typedef struct lt_control_files {
    const char *model, *image;
    lt_control control; /* strength, start and end */
} lt_control_files;
typedef struct lt_control_list {
    lt_control_files items[LT_MAX_CONTROLS];
    size_t count;
    lt_control_mode mode;
    lt_control_fit fit;
    const char *annotators; /* one of each, with commas between; the last one is that of all further ones. NULL: none */
} lt_control_list;

typedef struct lt_file_list {
    const char *items[LT_MOST_LORAS];
    size_t count;
} lt_file_list;

/* Image prompts by their files; what these hold is read by image_prompts.h. */
typedef struct lt_image_prompt_list {
    struct {
        const char *adapter, *image, *mask; /* mask: NULL without */
        float scale;
        double start, end;
    } items[LT_MOST_IMAGE_PROMPTS];
    size_t count;
} lt_image_prompt_list;

typedef struct lt_option {
    const char *name; /* "steps" for --steps */
    char letter;      /* 'n' for -n, or 0 */
    lt_option_kind kind;
    const char *argument; /* for help: "N"; NULL for a flag */
    const char *help;     /* one line; NULL: what fields says */
    void *value;          /* where it goes */
    double low, high;
    const char *const *choices;               /* NULL-terminated */
    const char *const *(*list_choices)(void); /* or who knows them */
    bool told;                                /* of a seed: the command itself says which one it took */
    bool rare;                                /* help puts it behind those that everybody needs */
    const char *also;  /* what other programs call it, with spaces between: taken, and not shown; one letter is for -x.
                          Names with hyphens may be written with underscores, these and our own */
    const char *alone; /* of a choice: what it is where none of the choices follows */
    const char *idle; /* values by which other programs leave it as it is, with spaces between; and what is told then */
    const char *idle_note;
    const char *needs;       /* without one of these options, with spaces between, it does nothing, which is noted */
    const char *of;          /* or without one of these words, likewise, as the command's first */
    const char *environment; /* the variable that says it where no option does; what this processor can't is refused */
    bool (*usable)(lt_isa set); /* whether it can */
    /* The library's table of a struct of options: its field of that name (member, or else name) has value's type, which
     * may be its place in such a struct, its range (low over 0 narrows it) and choices, and the help too, where none
     * stands here. From the beginning value holds the default, which help adds. */
    const lt_field *(*fields)(void);
    const char *member;
} lt_option;

enum { LT_HELP_SIZE = 160 };

/* The same thing under the names of stable-diffusion.cpp, diffusers and the web UIs, wherever there is such an option.
 */
#define LT_ALSO_MODELS   "lora-model-dir lora-dir embd-dir embeddings-dir data-dir models-dir"
#define LT_ALSO_TEXT     "clip-l text-encoder"
#define LT_ALSO_STEPS    "num-inference-steps ddim-steps"
#define LT_ALSO_CFG      "cfg-scale guidance-scale"
#define LT_ALSO_SAMPLER  "sampling-method"
#define LT_ALSO_SCHEDULE "scheduler schedule-type"

/* Sides that fit together. */
#define LT_SEAMLESS_OPTION(value, ...)                                                                                 \
    {                                                                                                                  \
        "seamless", 0, LT_OPTION_CHOICE, "[x|y]", NULL, &(value), .fields = lt_request_fields, .alone = "both",        \
                                                                  .also = "circular", __VA_ARGS__                      \
    }

/* Of each --isa. The library reads no environment: this program does. */
#define LT_ISA_ENVIRONMENT .environment = "LATENT_ISA", .usable = lt_isa_usable

typedef struct lt_command {
    const char *name;
    const char *summary;      /* for `latent --help`: one line, no full stop */
    const char *usage;        /* behind "latent NAME ": "[options] -o OUT.png" */
    const char *details;      /* a paragraph or two for --help, or NULL */
    const char *examples;     /* whole lines */
    const lt_option *options; /* ended by an entry with name NULL; values point to the command's own variables */
    int (*run)(int count, char **words); /* what is left behind the options; returns an exit status */
    void (*begin)(void);                 /* sets what else the options are without a word; may be NULL */
    const char *const *(*words)(void);   /* what the first word may be, for completion, NULL-terminated; or NULL */
} lt_command;

extern const lt_command *const lt_commands[];        /* NULL-terminated, in the order of help */
const lt_command *lt_command_find(const char *name); /* NULL if there is none */
int lt_command_unknown(const char *name);            /* says so, and what may have been meant; returns LT_EXIT_USAGE */

/* First of all: options with a field become what the library's defaults are. */
void lt_options_begin(const lt_command *command);
/* What the words ask for in place of the command's work, as an option of their own: "--help" behind --prompt is a
 * prompt. */
typedef enum lt_asked { LT_ASKED_NOTHING, LT_ASKED_HELP, LT_ASKED_VERSION } lt_asked;
lt_asked lt_options_asked(const lt_command *command, int count, char **words);
/* Fills the values of a command's options from the words of the command line, in any order with the others, up to "--";
 * *words is what is left. What they leave out the environment may say. Returns LT_EXIT_OK, or after a
 * message on standard error LT_EXIT_USAGE, or LT_EXIT_FAILED of the environment. */
int lt_options_parse(const lt_command *command, int *count, char **words);
/* What the words give command's option called name, or another program's: "" where it has no value, NULL where it is
 * not there. */
const char *lt_options_peek(const lt_command *command, const char *name, int count, char **words);
/* Whether an option of the last command line sets *value. */
bool lt_option_given(const void *value);
/* What a struct of options from says, where no option has set to's own: field by field. */
void lt_options_follow(const lt_field *(*fields)(void), void *to, const void *from);
void lt_command_explain(const lt_command *command); /* its help */
/* What an option of kind LT_OPTION_CHOICE takes, NULL-terminated; NULL for other kinds. */
const char *const *lt_option_choices(const lt_option *option);
void lt_option_help(const lt_option *option, char text[LT_HELP_SIZE]);

/* "latent: message" on standard error, control characters as '?': messages quote strangers' files. The command's
 * options are named where the library says `field`. Returns status. */
int lt_complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The library's last error, the same way. */
int lt_complain_error(void);
/* The same of one that a call returned, to which options were given: LT_EXIT_USAGE where one of them is the reason. */
int lt_complain_of(lt_status status);

/* ---- What several commands share (shared.c) ---- */

/* Options of every command that opens a model. */
typedef struct lt_model_options {
    const char *model, *vae, *text, *preview_vae, *prediction, *models;
    lt_shelf_kind kind; /* of model: a checkpoint where nothing is said */
    bool ema;
    lt_seamless seamless;
    lt_precision precision;
    lt_isa isa;
    int threads;
    double max_memory; /* GB; pictures' alone */
    bool pin;
    const char *profile; /* where a trace goes, or "" for the table alone; NULL: no --profile */
} lt_model_options;
/* clang-format off */
#define LT_MODEL_OPTIONS(o)                                                                                            \
    {"model", 'm', LT_OPTION_FILE, "MODEL", "checkpoint: .safetensors, .ckpt, .gguf or diffusers folder", &(o).model,         \
     .also = "ckpt checkpoint diffusion-model"},                                                                                       \
    {"threads", 't', LT_OPTION_INT, "N", NULL, &(o).threads, .fields = lt_session_fields, .idle = "-1"},                  \
    {"models", 0, LT_OPTION_FILE, "DIR", NULL, &(o).models, .fields = lt_session_fields, .rare = true,                 \
     .also = LT_ALSO_MODELS},                                                                               \
    {"vae", 0, LT_OPTION_FILE, "FILE", NULL, &(o).vae, .fields = lt_open_fields, .rare = true, .also = "taesd tae"}, \
    {"text", 0, LT_OPTION_FILE, "FILE", NULL, &(o).text, .fields = lt_open_fields, .rare = true, .also = LT_ALSO_TEXT}, \
    {"ema", 0, LT_OPTION_FLAG, NULL, NULL, &(o).ema, .fields = lt_open_fields, .rare = true},                          \
    {"prediction", 0, LT_OPTION_CHOICE, "KIND", NULL, &(o).prediction, .fields = lt_open_fields,                       \
     .rare = true},                                                                                                    \
    {"precision", 0, LT_OPTION_CHOICE, "P", NULL, &(o).precision, .fields = lt_session_fields, .rare = true},             \
    {"isa", 0, LT_OPTION_CHOICE, "ISA", NULL, &(o).isa, .fields = lt_session_fields, .rare = true,                     \
     LT_ISA_ENVIRONMENT},                                                                                              \
    {"pin", 0, LT_OPTION_FLAG, NULL, NULL, &(o).pin, .fields = lt_session_fields, .rare = true},                       \
    {"profile", 0, LT_OPTION_MAYBE, NULL, "print what takes how long; --profile=FILE.json: a Chrome trace as well",  \
     &(o).profile, .rare = true}
/* clang-format on */

/* The option of every command that runs a U-Net or a text encoder. */
#define LT_LORA_OPTION(list, ...)                                                                                      \
    {                                                                                                                  \
        "lora", 0, LT_OPTION_LORA, "FILE[:S[:TEXT_S]]",                                                                \
            "add a LoRA at strength S (1), to the text encoder TEXT_S (S)", &(list), .member = "loras", __VA_ARGS__    \
    }

/* The options of every command that runs a U-Net. */
/* clang-format off */
#define LT_CONTROL_OPTIONS(list)                                                                                       \
    {"control", 0, LT_OPTION_CONTROL, "FILE:IMAGE[:S[:START:END]]",                                                    \
     "draw by a ControlNet that sees IMAGE, at strength S", &(list)}
/* clang-format on */

/* For lt_open_options.notice and its kin: "latent: note: ..." on standard error. */
void lt_print_notice(void *user, const char *message);
/* Opens the model that the options name; notices go to standard error. */
lt_status lt_open_model(lt_model_options *options, lt_model **model);
/* The same, and a session on it, which alone keeps it open. */
lt_status lt_open(lt_model_options *options, lt_session **session);
/* Behind lt_open and what came of it, status: where all went well and the options ask for it, prints and writes the
 * profile. Closes the session (NULL is fine). Returns status, or why the profile could not be told. */
lt_status lt_close(const lt_model_options *options, lt_session *session, lt_status status);

/* Whether a file can be written at path, found out before the long work: its folder is there and nothing but a file is
 * in the way. option is the one that named it. Returns LT_EXIT_OK, or another status after a message. */
int lt_check_output(const char *option, const char *path);
/* LT_EXIT_USAGE after a message if output is the file input: a checkpoint must not be written over by what it makes.
 * NULLs are fine. */
int lt_check_apart(const char *option, const char *output, const char *input);
/* Whether files can be made in folder, which is there. */
int lt_check_folder(const char *option, const char *folder);
/* Refuses a name that promises another format than safetensors, and "-": no tensors go to standard output. */
int lt_check_safetensors_name(const char *option, const char *path);
/* lt_check_output for a safetensors file of such a name. */
int lt_check_safetensors(const char *option, const char *path);
/* lt_check_output for a picture, whose ending must be known. */
int lt_check_picture(const char *option, const char *path);

/* Whether -o means standard output; and whether that can take a picture, or else a message. */
bool lt_is_standard(const char *path);
int lt_check_standard(void);
lt_status lt_write_standard(const char *format, const lt_image *image, const char *parameters);

/* -o of a command that makes one picture: lt_check_picture, or standard output, which gets a PNG. Writing it is the
 * last thing that such a command does: a stop leaves nothing behind. */
int lt_check_drawing(const char *path);
lt_status lt_write_drawing(const char *path, const lt_image *image);

#endif
