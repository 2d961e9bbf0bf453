#include "train/signature.h"

#include "train/cache.h"

#include <stdio.h>
#include <string.h>

/* The default has no name of its own in states: naming it changes nothing. */
static const char *prediction_or_none(const char *name) { return name && strcmp(name, "epsilon") ? name : "none"; }
static const char *text_or_none(const char *text) { return text ? text : "none"; }

static unsigned long long hash(const lt_tensor *tensors, size_t count, lt_trains_fn part) {
    return (unsigned long long)lt_hash_part(LT_HASH_START, tensors, count, part);
}

/* What of the models that are read, or gone on from, their tensors do not say. */
static unsigned long long hash_configurations(const lt_train_models *m) {
    const lt_noise_schedule *n = m->schedule;
    uint64_t sum = lt_hash_bytes(LT_HASH_START, n->alphas_cumprod, sizeof n->alphas_cumprod);
    const int numbers[] = {
        n->prediction,
        m->vae ? m->vae->groups : 0,
        m->text ? m->text->heads : 0,
        m->text ? (int)m->text->activation : 0,
        m->init_unet ? m->init_unet->groups : 0,
        m->init_unet ? m->init_unet->heads : 0,
        m->init_vae ? m->init_vae->groups : 0,
        m->init_text ? m->init_text->heads : 0,
        m->init_text ? (int)m->init_text->activation : 0,
        m->init_image ? m->init_image->heads : 0,
        m->init_image ? (int)m->init_image->activation : 0,
        m->init_classifier ? m->init_classifier->half.groups : 0,
        m->init_classifier ? m->init_classifier->half.heads : 0,
    };
    sum = lt_hash_bytes(sum, numbers, sizeof numbers);
    if (m->vae) sum = lt_hash_bytes(sum, &m->vae->scaling, sizeof m->vae->scaling);
    if (m->text && m->text->layers < lt_clip_text_layers(m->text))
        sum = lt_hash_bytes(sum, &m->text->layers, sizeof m->text->layers);
    return (unsigned long long)sum;
}

/* What the numbers depend on, as "name=value" lines; but for the rate and the gradient's greatest norm, which may
 * change after trouble, and the machine's part: threads, instruction set, precision. The weights that init gives to a
 * training of everything are in the state itself. New lines go to the end. */
char *lt_signature(const lt_task *task, const lt_training *t) {
    const lt_train_options *o = t->options;
    const lt_train_models *m = t->models;
    char mult[64] = "";
    for (int i = 0; i < o->network.levels && i < LT_TRAIN_MAX_LEVELS; i++)
        snprintf(mult + strlen(mult), sizeof mult - strlen(mult), "%s%d", i ? "," : "", o->network.mult[i]);
    return lt_format(
        "trainer=%s\ndata=%016llx\nsize=%d\ncrop=%d\nflip=%d\nbatch=%d\naccumulate=%d\nbeta1=%.9g\nbeta2=%.9g\n"
        "eps=%.9g\ndecay=%.9g\nema=%.9g\ncosine=%ld\nseed=%llu\nwidth=%d\nmult=%s\nattention=%d\nblocks=%d\n"
        "groups=%d\nheads=%d\nlatent-channels=%d\ntext-width=%d\ntext-layers=%d\nimage-width=%d\nimage-layers=%d\n"
        "patch=%d\nprojection=%d\nl1=%d\nkl=%.9g\ndrop-prompt=%.9g\nprediction=%s\nmin-snr=%.9g\nonly=%s\n"
        "unconditional=%d\npixels=%d\nvae=%016llx\ntext=%016llx\ninit=%016llx\nconfigurations=%016llx\n"
        "clean=%d\nrank=%d\nalpha=%.9g\nconv-rank=%d\nconv-alpha=%.9g\nlayers=%s\ntowers=%s\nprior-weight=%.9g\nnoise-"
        "offset=%.9g\n"
        "masks=%s\nvectors=%d\ninitial=%s\nbuckets=%d\n",
        task->name, (unsigned long long)lt_dataset_fingerprint(t->data), o->pictures.size, o->pictures.crop,
        o->pictures.flip, o->length.batch, o->length.accumulate, o->adamw.beta1, o->adamw.beta2, o->adamw.eps,
        o->adamw.decay, o->adamw.ema, o->adamw.cosine ? o->length.steps : 0, (unsigned long long)o->computing.seed,
        o->network.width, mult, o->network.attention_levels, o->network.blocks, o->network.groups, o->network.heads,
        o->network.latent_channels, o->network.text_width, o->network.text_layers, o->network.image_width,
        o->network.image_layers, o->network.patch, o->network.projection, o->losses.absolute, o->losses.kl,
        o->losses.drop_prompt, prediction_or_none(o->losses.prediction), o->losses.min_snr,
        text_or_none(o->losses.only), o->losses.unconditional, o->losses.pixels,
        hash(m->vae_tensors, m->vae_count, lt_is_vae), hash(m->text_tensors, m->text_count, lt_is_text),
        hash(m->init, o->losses.only || task->alone ? m->init_count : 0, lt_is_unet), hash_configurations(m),
        o->losses.clean, o->lora.rank, o->lora.alpha, o->lora.conv_rank, o->lora.conv_alpha,
        text_or_none(o->lora.layers), text_or_none(o->lora.towers), o->losses.prior_weight, o->losses.noise_offset,
        text_or_none(o->files.masks), o->embedding.vectors, text_or_none(o->embedding.initial), o->pictures.buckets);
}

/* What stands behind a line that is a hash: "", or " (...)". */
static const char *meaning_of(const char *line) {
    static const struct {
        const char *name, *meaning;
    } hashes[] = {
        {"data=", " (the data set: its names, texts, labels and sizes)"},
        {"vae=", " (the weights of the autoencoder)"},
        {"text=", " (the weights of the text encoder)"},
        {"init=", " (the weights that are not trained)"},
        {"configurations=", " (heads, groups, scaling, activation or schedule of the models that are read)"},
    };
    for (size_t i = 0; i < LT_COUNT(hashes); i++)
        if (!strncmp(line, hashes[i].name, strlen(hashes[i].name))) return hashes[i].meaning;
    return "";
}

lt_status lt_signature_compare(const char *path, const char *before, const char *now) {
    const char *a = before, *b = now;
    while (*a && *b) {
        const size_t n = strcspn(a, "\n"), m = strcspn(b, "\n");
        if (n != m || strncmp(a, b, n))
            return lt_fail(LT_ERROR_ARGUMENT,
                           "%s was made with %.*s, and now it is %.*s%s: go on with the same options, "
                           "or begin anew with another -o",
                           path, (int)n, a, (int)m, b, meaning_of(b));
        a += n + (a[n] == '\n');
        b += m + (b[m] == '\n');
    }
    if (!*a && *before) return LT_OK; /* what the version that made it did not know yet is not compared */
    return lt_fail(LT_ERROR_FORMAT, "%s was made by another version: begin anew with another -o", path);
}
