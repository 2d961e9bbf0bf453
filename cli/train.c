/* train: the autoencoder, CLIP, the U-Net, a classifier, a LoRA, an embedding. */
#include "cli.h"
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the table fills in; the rest of o is set by hand. */
static lt_train_options o;
static const char *mult, *attention;
static bool quiet;

static const char *const spaces[] = {"latent", "pixel", NULL};
static const char *space;

/* clang-format off */
#define OF_TRAINING .fields = lt_train_fields
static const lt_option options[] = {
    {"data", 'd', LT_OPTION_FILE, "DATA", NULL, &o.files.data, OF_TRAINING, .also = "train-data-dir data-dir"},
    {"output", 'o', LT_OPTION_FILE, "MODEL", NULL, &o.files.output, OF_TRAINING},
    {"resume", 0, LT_OPTION_FLAG, NULL, NULL, &o.files.resume, OF_TRAINING},
    {"overwrite", 0, LT_OPTION_FLAG, NULL, NULL, &o.files.overwrite, OF_TRAINING},
    {"init", 0, LT_OPTION_FILE, "FILE", NULL, &o.files.init, OF_TRAINING, .also = "pretrained-model-name-or-path"},
    {"steps", 0, LT_OPTION_INT, "N", NULL, &o.length.steps, OF_TRAINING, .also = "max-train-steps"},
    {"batch", 'b', LT_OPTION_INT, "N", NULL, &o.length.batch, OF_TRAINING, .also = "batch-size train-batch-size"},
    {"size", 's', LT_OPTION_INT, "PX", NULL, &o.pictures.size, OF_TRAINING, .also = "resolution"},
    {"rate", 0, LT_OPTION_NUMBER, "X", NULL, &o.adamw.rate, OF_TRAINING, .also = "learning-rate lr"},
    {"seed", 0, LT_OPTION_SEED, "N", NULL, &o.computing.seed, OF_TRAINING},
    {"precision", 0, LT_OPTION_CHOICE, "P", NULL, &o.computing.precision, OF_TRAINING},
    {"threads", 't', LT_OPTION_INT, "N", NULL, &o.computing.threads, OF_TRAINING},
    {"vae", 0, LT_OPTION_FILE, "FILE", NULL, &o.files.vae, OF_TRAINING},
    {"text", 0, LT_OPTION_FILE, "FILE", NULL, &o.files.text, OF_TRAINING},
    {"prediction", 0, LT_OPTION_CHOICE, "KIND", NULL, &o.losses.prediction, OF_TRAINING},
    {"crop", 0, LT_OPTION_FLAG, NULL, NULL, &o.pictures.crop, OF_TRAINING},
    {"flip", 0, LT_OPTION_FLAG, NULL, NULL, &o.pictures.flip, OF_TRAINING, .also = "random-flip"},
    {"buckets", 0, LT_OPTION_FLAG, NULL, NULL, &o.pictures.buckets, OF_TRAINING, .rare = true, .also = "enable-bucket"},
    {"validation", 0, LT_OPTION_FILE, "DATA", NULL, &o.files.validation, OF_TRAINING},
    {"save-steps", 0, LT_OPTION_INT, "N", NULL, &o.length.save_steps, OF_TRAINING, .also = "checkpointing-steps"},
    {"save-minutes", 0, LT_OPTION_NUMBER, "M", NULL, &o.length.save_minutes, OF_TRAINING},
    {"sample-steps", 0, LT_OPTION_INT, "N", NULL, &o.length.sample_steps, OF_TRAINING},
    {"quiet", 'q', LT_OPTION_FLAG, NULL, "no progress", &quiet},
    {"width", 0, LT_OPTION_INT, "N", NULL, &o.network.width, OF_TRAINING, .rare = true},
    {"mult", 0, LT_OPTION_TEXT, "LIST", "all but clip: channels of each level, in widths; 1,2,4,4", &mult, .rare = true},
    {"attention", 0, LT_OPTION_TEXT, "LIST", "unet, classifier: 1 for each level with transformers; 1,1,1,0", &attention, .rare = true},
    {"blocks", 0, LT_OPTION_INT, "N", NULL, &o.network.blocks, OF_TRAINING, .rare = true},
    {"groups", 0, LT_OPTION_INT, "N", NULL, &o.network.groups, OF_TRAINING, .rare = true},
    {"heads", 0, LT_OPTION_INT, "N", NULL, &o.network.heads, OF_TRAINING, .rare = true},
    {"latent-channels", 0, LT_OPTION_INT, "N", NULL, &o.network.latent_channels, OF_TRAINING, .rare = true, .of = "vae"},
    {"text-width", 0, LT_OPTION_INT, "N", NULL, &o.network.text_width, OF_TRAINING, .rare = true, .of = "clip"},
    {"text-layers", 0, LT_OPTION_INT, "N", NULL, &o.network.text_layers, OF_TRAINING, .rare = true, .of = "clip"},
    {"image-width", 0, LT_OPTION_INT, "N", NULL, &o.network.image_width, OF_TRAINING, .rare = true, .of = "clip"},
    {"image-layers", 0, LT_OPTION_INT, "N", NULL, &o.network.image_layers, OF_TRAINING, .rare = true, .of = "clip"},
    {"patch", 0, LT_OPTION_INT, "PX", NULL, &o.network.patch, OF_TRAINING, .rare = true, .of = "clip"},
    {"projection", 0, LT_OPTION_INT, "N", NULL, &o.network.projection, OF_TRAINING, .rare = true, .of = "clip"},
    {"l1", 0, LT_OPTION_FLAG, NULL, NULL, &o.losses.absolute, OF_TRAINING, .member = "absolute", .rare = true, .of = "vae"},
    {"kl", 0, LT_OPTION_NUMBER, "X", NULL, &o.losses.kl, OF_TRAINING, .rare = true, .of = "vae"},
    {"drop-prompt", 0, LT_OPTION_NUMBER, "X", NULL, &o.losses.drop_prompt, OF_TRAINING, .rare = true},
    {"min-snr", 0, LT_OPTION_NUMBER, "X", NULL, &o.losses.min_snr, OF_TRAINING, .rare = true, .also = "snr-gamma"},
    {"prior", 0, LT_OPTION_FILE, "DATA", NULL, &o.files.prior, OF_TRAINING, .rare = true, .also = "reg-data-dir class-data-dir"},
    {"prior-weight", 0, LT_OPTION_NUMBER, "X", NULL, &o.losses.prior_weight, OF_TRAINING, .rare = true, .also = "prior-loss-weight", .needs = "prior"},
    {"masks", 0, LT_OPTION_FILE, "FOLDER", NULL, &o.files.masks, OF_TRAINING, .rare = true, .also = "conditioning-data-dir"},
    {"noise-offset", 0, LT_OPTION_NUMBER, "X", NULL, &o.losses.noise_offset, OF_TRAINING, .rare = true},
    {"only", 0, LT_OPTION_CHOICE, "PART", NULL, &o.losses.only, OF_TRAINING, .rare = true},
    {"clean", 0, LT_OPTION_FLAG, NULL, NULL, &o.losses.clean, OF_TRAINING, .rare = true, .of = "classifier"},
    {"unconditional", 0, LT_OPTION_FLAG, NULL, NULL, &o.losses.unconditional, OF_TRAINING, .rare = true},
    {"space", 0, LT_OPTION_CHOICE, "S", "unet, classifier: latent (default) or pixel", &space, .choices = spaces, .rare = true},
    {"rank", 0, LT_OPTION_INT, "N", NULL, &o.lora.rank, OF_TRAINING, .also = "network-dim", .of = "lora"},
    {"alpha", 0, LT_OPTION_NUMBER, "X", NULL, &o.lora.alpha, OF_TRAINING, .also = "network-alpha lora-alpha", .of = "lora"},
    {"conv-rank", 0, LT_OPTION_INT, "N", NULL, &o.lora.conv_rank, OF_TRAINING, .rare = true, .also = "conv-dim", .of = "lora"},
    {"conv-alpha", 0, LT_OPTION_NUMBER, "X", NULL, &o.lora.conv_alpha, OF_TRAINING, .rare = true, .needs = "conv-rank", .of = "lora"},
    {"layers", 0, LT_OPTION_CHOICE, "L", NULL, &o.lora.layers, OF_TRAINING, .rare = true, .of = "lora"},
    {"towers", 0, LT_OPTION_CHOICE, "T", NULL, &o.lora.towers, OF_TRAINING, .of = "lora"},
    {"vectors", 0, LT_OPTION_INT, "N", NULL, &o.embedding.vectors, OF_TRAINING, .also = "num-vectors num-vectors-per-token", .of = "embedding"},
    {"initial", 0, LT_OPTION_TEXT, "WORDS", NULL, &o.embedding.initial, OF_TRAINING, .also = "initializer-token init-word", .of = "embedding"},
    {"accumulate", 0, LT_OPTION_INT, "N", NULL, &o.length.accumulate, OF_TRAINING, .rare = true, .also = "gradient-accumulation-steps"},
    {"warmup", 0, LT_OPTION_INT, "N", NULL, &o.adamw.warmup, OF_TRAINING, .rare = true, .also = "lr-warmup-steps"},
    {"cosine", 0, LT_OPTION_FLAG, NULL, NULL, &o.adamw.cosine, OF_TRAINING, .rare = true},
    {"decay", 0, LT_OPTION_NUMBER, "X", NULL, &o.adamw.decay, OF_TRAINING, .rare = true, .also = "weight-decay"},
    {"clip", 0, LT_OPTION_NUMBER, "X", NULL, &o.adamw.clip, OF_TRAINING, .rare = true, .also = "max-grad-norm"},
    {"ema", 0, LT_OPTION_NUMBER, "X", NULL, &o.adamw.ema, OF_TRAINING, .rare = true},
    {"recompute", 0, LT_OPTION_FLAG, NULL, NULL, &o.computing.recompute, OF_TRAINING, .rare = true, .also = "gradient-checkpointing"},
    {"memory", 0, LT_OPTION_NUMBER, "GB", NULL, &o.computing.memory, OF_TRAINING, .rare = true},
    {"cache", 0, LT_OPTION_FILE, "FOLDER", NULL, &o.files.cache, OF_TRAINING, .rare = true},
    {"isa", 0, LT_OPTION_CHOICE, "ISA", NULL, &o.computing.isa, OF_TRAINING, .rare = true, LT_ISA_ENVIRONMENT},
    {0},
};
/* clang-format on */

static const char *const kinds[] = {[LT_TRAIN_VAE] = "vae",
                                    [LT_TRAIN_CLIP] = "clip",
                                    [LT_TRAIN_UNET] = "unet",
                                    [LT_TRAIN_CLASSIFIER] = "classifier",
                                    [LT_TRAIN_LORA] = "lora",
                                    [LT_TRAIN_EMBEDDING] = "embedding",
                                    NULL};

static const char *const *list_kinds(void) { return kinds; }

/* ---- Progress ---- */

static double last_shown;
static lt_line line;

/* "step 12/300, loss 0.12345, psnr 21.3, 120.5 samples/s, 0:02:41 left", as much of it as there is room for. */
static void describe(const lt_train_progress *p, size_t room, char text[256]) {
    char measures[128] = "", loss[32], speed[48], left[32];
    for (size_t i = 0; i < LT_COUNT(p->name) && p->name[i]; i++)
        snprintf(measures + strlen(measures), sizeof measures - strlen(measures), ", %s %.4g", p->name[i], p->value[i]);
    snprintf(loss, sizeof loss, ", loss %.5f", p->loss);
    snprintf(speed, sizeof speed, ", %.1f samples/s", p->samples_per_second);
    const long seconds = (long)p->seconds_left;
    snprintf(left, sizeof left, "%ld:%02ld:%02ld left", seconds / 3600, seconds / 60 % 60, seconds % 60);
    char *const dear[] = {measures, speed, loss};
    for (size_t i = 0; i <= LT_COUNT(dear); i++) {
        snprintf(text, 256, "step %ld/%ld%s%s%s, %s", p->step, p->steps, loss, measures, speed, left);
        if (strlen(text) <= room) return;
        if (i < LT_COUNT(dear)) dear[i][0] = '\0';
    }
}

static bool show_progress(void *user, const lt_train_progress *p) {
    (void)user;
    const bool watched = lt_line_watched();
    char text[256];
    if (quiet || (p->step < p->steps && tool_now() - last_shown < (watched ? 0.2 : 30))) return true;
    last_shown = tool_now();
    describe(p, watched ? lt_line_room() : sizeof text, text);
    lt_line_show(&line, text);
    return true;
}

static void print_notice(void *user, const char *message) {
    (void)user;
    lt_line_end(&line);
    lt_complain(LT_EXIT_OK, "note: %s", message);
}

/* emoji.safetensors at step 500: emoji.safetensors-500.png, of the empty prompt and the same noise each time */
static lt_status draw_sample(void *user, long step, const char *path) {
    (void)user;
    lt_model *model;
    lt_session *session = NULL;
    lt_result result;
    LT_TRY(lt_model_open(path, NULL, &model));
    lt_request request = lt_request_defaults();
    request.random_seed = false;
    request.cancelled = lt_stop_asked;
    char *name = tool_format("%s-%ld.png", o.files.output, step);
    lt_status status = name ? lt_session_open(model, NULL, &session) : LT_ERROR_MEMORY;
    if (!status) status = lt_generate(session, &request, &result);
    if (!status) {
        status = lt_image_save(name, &result.images[0], result.parameters[0]);
        lt_result_free(&result);
    }
    free(name);
    lt_session_close(session);
    lt_model_close(model);
    return status;
}

/* ---- Options ---- */

/* "1,2,4" into values; returns how many, or -1. */
static int parse_list(const char *text, int *values, int most) {
    int count = 0;
    for (const char *at = text; count < most; at++) {
        char *end;
        const long v = strtol(at, &end, 10);
        if (end == at || v < 0 || v > 64) return -1;
        values[count++] = (int)v;
        if (!*end) return count;
        if (*end != ',') return -1;
        at = end;
    }
    return -1;
}

static int read_lists(void) {
    int levels[LT_TRAIN_MAX_LEVELS] = {0};
    if (mult) {
        o.network.levels = parse_list(mult, o.network.mult, LT_TRAIN_MAX_LEVELS);
        for (int i = 0; i < o.network.levels; i++)
            if (!o.network.mult[i]) o.network.levels = -1;
        if (o.network.levels < 1)
            return lt_complain(LT_EXIT_USAGE, "--mult %s: numbers from 1 on, as in 1,2,4,4", mult);
    }
    if (!attention) return LT_EXIT_OK;
    const int count = parse_list(attention, levels, LT_TRAIN_MAX_LEVELS);
    bool flags = count == o.network.levels;
    for (int i = 0; i < count; i++) flags &= levels[i] <= 1;
    if (!flags)
        return lt_complain(LT_EXIT_USAGE, "--attention %s: 0 or 1 for each of %d levels", attention, o.network.levels);
    o.network.attention_levels = 0;
    for (int i = 0; i < count; i++) o.network.attention_levels |= (levels[i] != 0) << i;
    return LT_EXIT_OK;
}

static int prepare(void) {
    if (!o.files.data || !o.files.output)
        return lt_complain(LT_EXIT_USAGE, "--data DATA and -o MODEL are needed; see `latent train --help`");
    const int status = read_lists();
    if (status) return status;
    o.losses.pixels = space && !strcmp(space, "pixel");
    o.sample = draw_sample;
    o.progress = show_progress;
    o.cancelled = lt_stop_asked;
    o.notice = print_notice;
    return lt_check_safetensors("-o", o.files.output);
}

static void begin(void) { o = lt_train_options_defaults(); }

static int run(int count, char **words) {
    if (count != 1)
        return lt_complain(LT_EXIT_USAGE,
                           "one of vae, clip, unet, classifier, lora and embedding; see `latent train --help`");
    lt_train_kind kind = LT_TRAIN_VAE;
    while (kinds[kind] && strcmp(kinds[kind], words[0])) kind++;
    if (!kinds[kind])
        return lt_complain(LT_EXIT_USAGE, "%s: vae, clip, unet, classifier, lora and embedding can be trained",
                           words[0]);
    const int status = prepare();
    if (status) return status;
    lt_stop_on_signals();
    const lt_status done = lt_train(kind, &o);
    lt_line_end(&line);
    return done ? lt_complain_error() : LT_EXIT_OK;
}

const lt_command lt_command_train = {
    "train",
    "train the autoencoder, CLIP, the U-Net, a classifier, a LoRA or an embedding",
    "vae|clip|unet|classifier|lora|embedding --data DATA -o MODEL [options]",
    "DATA is a folder of pictures with metadata.jsonl (file_name, text, label), a folder of pictures with NAME.txt or\n"
    "NAME.caption beside NAME.png, or WebDataset tar shards. A stop (Ctrl-C) saves everything; --resume goes on\n"
    "bit for bit. What each training computes is in docs/training.md.",
    "  latent train vae -d pictures -o vae.safetensors --size 128 --steps 20000\n"
    "  latent train clip -d pictures -o clip.safetensors --batch 128 --steps 5000\n"
    "  latent train unet -d pictures --vae vae.safetensors --text clip.safetensors -o model.safetensors --resume\n"
    "  latent train unet -d pictures --init sd15.safetensors --only cross-attention --rate 1e-5 -o mine.safetensors\n"
    "  latent train lora -d pictures --init sd15.safetensors --size 512 -b 1 --recompute -o ink.safetensors\n"
    "  latent train embedding -d pictures --init sd15.safetensors --size 512 -b 1 --initial cat -o "
    "my-cat.safetensors\n",
    options,
    run,
    begin,
    list_kinds,
};
