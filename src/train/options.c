/* The options of a training: what each may be, and what makes no sense together. */
#include "base/threads.h"
#include "train/task.h"

#include <sys/stat.h>
#include <unistd.h>

#define AT(group, member) #member, offsetof(lt_train_options, group.member)
static const char *const parts[] = {"cross-attention", NULL};
static const char *const layers[] = {"transformer", "attention", "cross-attention", NULL};
static const char *const towers[] = {"unet", "text", "both", NULL};

/* clang-format off */
static const lt_field fields[] = {
    {AT(files, data), LT_FIELD_FILE, .help = "pictures: a folder with metadata.jsonl, or tar shards"},
    {AT(files, output), LT_FIELD_FILE, .help = "the model; MODEL.state and MODEL.jsonl go beside it"},
    {AT(files, resume), LT_FIELD_BOOL, .help = "go on from MODEL.state; without one, begin"},
    {AT(files, overwrite), LT_FIELD_BOOL, .help = "begin anew where a model, state or log is, and lose it"},
    {AT(files, init), LT_FIELD_FILE, .optional = true, .help = "go on from the weights of this checkpoint (fine-tuning)"},
    {AT(length, steps), LT_FIELD_LONG, 1, 1e9, .help = "steps in all"},
    {AT(length, batch), LT_FIELD_INT, 1, 65536, .help = "pictures of a batch"},
    {AT(pictures, size), LT_FIELD_INT, 8, 4096, .help = "pixels a side"},
    {AT(adamw, rate), LT_FIELD_DOUBLE, 1e-9, 10, .help = "learning rate"},
    {AT(computing, seed), LT_FIELD_SEED, .help = "of weights, order and noise"},
    {AT(computing, precision), LT_FIELD_ENUM, .choices = lt_training_precision_choices, .help = "f32, bf16, or auto: bf16 with AMX, else f32"},
    {AT(computing, threads), LT_FIELD_INT, 0, LT_MAX_THREADS, .help = "threads; default: one for each core"},
    {AT(files, vae), LT_FIELD_FILE, .optional = true, .help = "unet, classifier: the autoencoder whose latents are learned"},
    {AT(files, text), LT_FIELD_FILE, .optional = true, .help = "unet: the text encoder whose contexts are read"},
    {AT(losses, prediction), LT_FIELD_CHOICE, .optional = true, .choices = lt_prediction_choices, .help = "unet: predict epsilon (default) or v"},
    {AT(pictures, crop), LT_FIELD_BOOL, .help = "random squares in place of whole pictures"},
    {AT(pictures, flip), LT_FIELD_BOOL, .help = "exchange left and right at random"},
    {AT(pictures, buckets), LT_FIELD_BOOL, .help = "unet, lora, embedding: rectangles in place of squares, as the pictures are"},
    {AT(files, validation), LT_FIELD_FILE, .optional = true, .help = "clip, classifier: pictures to measure on"},
    {AT(length, save_steps), LT_FIELD_LONG, 0, 1e9, .help = "save every N steps"},
    {AT(length, save_minutes), LT_FIELD_DOUBLE, 0, 1e6, .help = "save every M minutes"},
    {AT(length, sample_steps), LT_FIELD_LONG, 0, 1e9, .help = "unet: draw a picture every N steps"},
    {AT(network, width), LT_FIELD_INT, 8, 4096, .help = "all but clip: channels of the first level"},
    {AT(network, levels), LT_FIELD_INT, 1, LT_TRAIN_MAX_LEVELS, .help = "all but clip: resolutions"},
    {AT(network, mult), LT_FIELD_LIST, 1, 64, .count = offsetof(lt_train_options, network.levels), .help = "all but clip: channels of each level, in widths"},
    {AT(network, attention_levels), LT_FIELD_INT, 0, (1 << LT_TRAIN_MAX_LEVELS) - 1, .help = "unet, classifier: a bit for each level with transformers"},
    {AT(network, blocks), LT_FIELD_INT, 1, 16, .help = "all but clip: residual blocks of a level"},
    {AT(network, groups), LT_FIELD_INT, 1, 256, .help = "all but clip: groups of the norms"},
    {AT(network, heads), LT_FIELD_INT, 1, 256, .help = "unet, classifier: heads of the attention"},
    {AT(network, latent_channels), LT_FIELD_INT, 1, 256, .help = "vae: channels of a latent"},
    {AT(network, text_width), LT_FIELD_INT, 64, 4096, .help = "clip: a multiple of 64"},
    {AT(network, text_layers), LT_FIELD_INT, 1, 64, .help = "clip: layers of the text tower"},
    {AT(network, image_width), LT_FIELD_INT, 64, 4096, .help = "clip: a multiple of 64"},
    {AT(network, image_layers), LT_FIELD_INT, 1, 64, .help = "clip: layers of the image tower"},
    {AT(network, patch), LT_FIELD_INT, 1, 256, .help = "clip: side of the image tower's patches"},
    {AT(network, projection), LT_FIELD_INT, 1, 4096, .help = "clip: numbers of an embedding"},
    {AT(losses, absolute), LT_FIELD_BOOL, .help = "vae: absolute error in place of its square"},
    {AT(losses, kl), LT_FIELD_DOUBLE, 0, 1, .help = "vae: weight of the KL term"},
    {AT(losses, drop_prompt), LT_FIELD_DOUBLE, 0, 1, .help = "unet: share of empty prompts"},
    {AT(losses, min_snr), LT_FIELD_DOUBLE, 0, 1e6, .help = "unet: gamma of the min-SNR weights, such as 5"},
    {AT(files, prior), LT_FIELD_FILE, .optional = true, .help = "unet, lora, embedding: pictures of what is not to be forgotten"},
    {AT(losses, prior_weight), LT_FIELD_DOUBLE, 0, 1e3, .help = "unet, lora, embedding: weight of those in the loss"},
    {AT(files, masks), LT_FIELD_FILE, .optional = true, .help = "unet, lora, embedding: a folder of masks, NAME.png of NAME: white is learned"},
    {AT(losses, noise_offset), LT_FIELD_DOUBLE, 0, 10, .help = "unet, lora, embedding: noise that is the same all over a channel, such as 0.05"},
    {AT(losses, only), LT_FIELD_CHOICE, .optional = true, .choices = parts, .help = "unet: train cross-attention and nothing else"},
    {AT(losses, unconditional), LT_FIELD_BOOL, .help = "unet: without text"},
    {AT(losses, pixels), LT_FIELD_BOOL, .help = "unet, classifier: without a VAE"},
    {AT(losses, clean), LT_FIELD_BOOL, .help = "classifier: of pictures without noise, to judge with"},
    {AT(lora, rank), LT_FIELD_INT, 1, 4096, .help = "lora: rank of what is added to a layer"},
    {AT(lora, alpha), LT_FIELD_DOUBLE, 0, 1e6, .help = "lora: alpha / rank is its scale; 0: a scale of 1"},
    {AT(lora, conv_rank), LT_FIELD_INT, 0, 4096, .help = "lora: rank for 3x3 convolutions, too; 0: leave them out"},
    {AT(lora, conv_alpha), LT_FIELD_DOUBLE, 0, 1e6, .help = "lora: alpha of convolutions"},
    {AT(lora, layers), LT_FIELD_CHOICE, .optional = true, .choices = layers, .help = "lora: of the transformers all layers, or those of attention"},
    {AT(lora, towers), LT_FIELD_CHOICE, .optional = true, .choices = towers, .help = "lora: unet (default), text, or both"},
    {AT(embedding, vectors), LT_FIELD_INT, 1, LT_CHUNK_TOKENS, .help = "embedding: vectors that the word stands for"},
    {AT(embedding, initial), LT_FIELD_TEXT, .optional = true, .help = "embedding: words that it begins as, such as cat"},
    {AT(length, accumulate), LT_FIELD_INT, 1, 65536, .help = "batches of a step"},
    {AT(adamw, warmup), LT_FIELD_LONG, 0, 1e9, .help = "steps in which the rate rises"},
    {AT(adamw, cosine), LT_FIELD_BOOL, .help = "let the rate fall to 0 at the last step"},
    {AT(adamw, beta1), LT_FIELD_DOUBLE, 0, 0.999999, .help = "AdamW: decay of the mean"},
    {AT(adamw, beta2), LT_FIELD_DOUBLE, 0, 0.999999, .help = "AdamW: decay of the mean square"},
    {AT(adamw, eps), LT_FIELD_DOUBLE, 1e-30, 1, .help = "AdamW: what is added to the root of the mean square"},
    {AT(adamw, decay), LT_FIELD_DOUBLE, 0, 10, .help = "weight decay"},
    {AT(adamw, clip), LT_FIELD_DOUBLE, 0, 1e9, .help = "the gradient's norm at most, 0: any"},
    {AT(adamw, ema), LT_FIELD_DOUBLE, 0, 0.999999, .help = "decay of the averaged weights, 0: none"},
    {AT(computing, recompute), LT_FIELD_BOOL, .help = "compute activations twice: less memory"},
    {AT(computing, memory), LT_FIELD_DOUBLE, 0, 1e6, .help = "do not start if more is needed; default: the machine's"},
    {AT(files, cache), LT_FIELD_FILE, .optional = true, .help = "latents and contexts, computed once; default: MODEL.cache"},
    {AT(computing, isa), LT_FIELD_ENUM, .choices = lt_isa_choices, .help = "use no instruction set above this"},
    {LT_FIELD(lt_train_options, reserved), LT_FIELD_RESERVED},
    {0},
};
/* clang-format on */

const lt_field *lt_train_fields(void) { return fields; }

static lt_status check_meaning(const lt_task *task, const lt_train_options *o) {
    if (o->losses.only && task != &lt_task_unet)
        return lt_fail(LT_ERROR_ARGUMENT, "`only` %s: only of a U-Net can a part be trained", o->losses.only);
    if (o->losses.only && !o->files.init)
        return lt_fail(LT_ERROR_ARGUMENT, "`only` %s: a part is trained of a model that is there; name it with `init`",
                       o->losses.only);
    const bool added = task == &lt_task_lora || task == &lt_task_embedding;
    if (added && !o->files.init)
        return lt_fail(LT_ERROR_ARGUMENT, "%s is for a model: name it with `init`",
                       task == &lt_task_lora ? "a LoRA" : "an embedding");
    const bool denoises = added || task == &lt_task_unet;
    if ((o->files.prior || o->files.masks) && !denoises)
        return lt_fail(LT_ERROR_ARGUMENT, "`%s`: only of those that learn the noise: unet, lora and embedding",
                       o->files.prior ? "prior" : "masks");
    if (o->pictures.buckets && (!denoises || o->pictures.crop || o->pictures.flip || o->losses.pixels))
        return lt_fail(LT_ERROR_ARGUMENT, "`buckets`: of latents that are encoded once, for unet, lora and embedding, "
                                          "without `crop` and `flip`");
    if (o->files.masks && o->pictures.crop)
        return lt_fail(LT_ERROR_ARGUMENT, "`masks` and `crop`: where a random square lies in a mask is not known");
    if (o->files.validation && task != &lt_task_clip && task != &lt_task_classifier)
        return lt_fail(LT_ERROR_ARGUMENT, "`validation`: of %s nothing is measured while it is trained", task->name);
    if (o->length.sample_steps && task != &lt_task_unet)
        return lt_fail(LT_ERROR_ARGUMENT, "`sample_steps`: only a U-Net can draw while it is trained");
    return LT_OK;
}

/* A model that is read may not be written over by what it makes. */
static lt_status check_apart(const lt_train_options *o) {
    const char *const inputs[] = {o->files.init, o->files.vae, o->files.text};
    struct stat output, input;
    if (stat(o->files.output, &output)) return LT_OK;
    for (size_t i = 0; i < LT_COUNT(inputs); i++)
        if (inputs[i] && !stat(inputs[i], &input) && input.st_dev == output.st_dev && input.st_ino == output.st_ino)
            return lt_fail(LT_ERROR_ARGUMENT, "`output` %s: that is the model to begin with; name another file",
                           o->files.output);
    return LT_OK;
}

lt_status lt_training_check_options(const lt_task *task, const lt_train_options *o) {
    LT_TRY(lt_fields_check(fields, o));
    LT_TRY(check_meaning(task, o));
    return check_apart(o);
}

/* ---- The output's place ---- */

static lt_status check_kind(const lt_train_options *o) {
    lt_checkpoint file;
    if (access(o->files.output, F_OK)) return LT_OK;
    lt_status status = lt_checkpoint_open(o->files.output, &file);
    if (!status) {
        lt_layout layout;
        if (lt_state_recognise(&file))
            status = LT_ERROR_MODEL;
        else if (!lt_checkpoint_metadata(&file, lt_train_steps_key))
            status = lt_layout_of(file.tensors, file.count, LT_ROLES_ALL, &layout);
        lt_checkpoint_close(&file);
    }
    if (!status || status == LT_ERROR_MEMORY) return status;
    return lt_fail(LT_ERROR_ARGUMENT, "`output` %s is there and no model: name another file", o->files.output);
}

static lt_status refuse(const lt_train_options *o, const char *there) {
    if (o->files.resume)
        return lt_fail(
            LT_ERROR_ARGUMENT,
            "%s is there, but no state to go on from: name another `output`, or begin anew in its place with "
            "`overwrite`",
            there);
    return lt_fail(
        LT_ERROR_ARGUMENT,
        "%s is there: go on with `resume`, name another `output`, or begin anew in its place with `overwrite`", there);
}

/* An empty log is what a training that failed before its first step leaves. */
static bool is_there(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && info.st_size > 0;
}

lt_status lt_training_check_place(const lt_train_options *o, const char *state, const char *log) {
    LT_TRY(check_kind(o));
    if (o->files.overwrite || (o->files.resume && is_there(state))) return LT_OK;
    if (is_there(o->files.output)) return refuse(o, o->files.output);
    if (o->files.resume) return LT_OK; /* a log alone: the run before ended before anything was saved */
    if (is_there(state)) return refuse(o, state);
    return is_there(log) ? refuse(o, log) : LT_OK;
}
