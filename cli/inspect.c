/* inspect: what a file is. */
#include "inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static struct {
    lt_inspect_options options;
    bool tensors, json;
} o;

#define OF_INSPECTING .fields = lt_inspect_fields
static const lt_option options[] = {
    {"width", 'W', LT_OPTION_INT, "PX", NULL, &o.options.width, 8, OF_INSPECTING},
    {"height", 'H', LT_OPTION_INT, "PX", NULL, &o.options.height, 8, OF_INSPECTING},
    {"size", 0, LT_OPTION_SIZE, "WxH", "both: 512x768, or 512 for a square", &o.options.width, 8, OF_INSPECTING,
     .member = "width"},
    {"layers", 0, LT_OPTION_FLAG, NULL, NULL, &o.options.layers, OF_INSPECTING},
    {"tensors", 0, LT_OPTION_FLAG, NULL, "list every tensor of the file", &o.tensors},
    {"json", 0, LT_OPTION_FLAG, NULL, "print as JSON", &o.json},
    {0},
};

/* ---- Printing what strangers wrote ---- */

/* The character at *text, which moves behind it; of what is not UTF-8 a byte. */
static uint32_t next_character(const char **text) {
    utf8proc_int32_t code;
    const utf8proc_ssize_t size = utf8proc_iterate((const uint8_t *)*text, -1, &code);
    *text += size > 0 ? size : 1;
    return size > 0 ? (uint32_t)code : 0xFFFD;
}

/* No more than limit bytes of text, without characters that a terminal would obey; lines as they are where asked. */
static void print_foreign(const char *text, size_t limit, bool lines) {
    const size_t size = strlen(text);
    for (const char *s = text; *s && (size_t)(s - text) < limit;) {
        const char *before = s;
        const uint32_t code = next_character(&s);
        const bool control = code < 0x20 || (code >= 0x7F && code < 0xA0);
        if (!control || (lines && code == '\n'))
            fwrite(before, 1, (size_t)(s - before), stdout);
        else
            putchar('?');
    }
    if (size > limit) printf("... (%zu bytes; --json has them all)", size);
}

static void print_metadata(const lt_metadata_info *m) {
    printf("  metadata %s%s", m->component, *m->component ? ": " : "");
    print_foreign(m->key, 100, false);
    printf(" = ");
    print_foreign(m->value, 200, false);
    printf("\n");
}

/* ---- Pictures ---- */

/* The vectors that a picture holds, and what it calls them. */
static void print_embedding(const lt_report *r) {
    for (size_t i = 0; i < r->tensor_count; i++) {
        const lt_tensor_info *t = &r->tensors[i];
        const size_t vectors = t->rank > 1 ? t->shape[0] : 1;
        printf("  embedding: %zu vector%s, %zu wide: ", vectors, vectors == 1 ? "" : "s", t->shape[t->rank - 1]);
        print_foreign(t->name, 100, false);
        printf("\n");
    }
    for (size_t i = 0; i < r->metadata_count; i++) print_metadata(&r->metadata[i]);
}

static void print_picture(const char *path, const lt_report *r) {
    printf("%s: %s picture, %dx%d\n", path, r->format, r->width, r->height);
    print_embedding(r);
    if (!r->parameters) return;
    printf("parameters:\n");
    print_foreign(r->parameters, SIZE_MAX, true);
    printf("\n");
}

/* ---- Tensors ---- */

static void print_group(const lt_tensor_group *g) {
    printf("  %-16s %8zu %14zu %12.1f  ", g->name, g->tensors, g->parameters, (double)g->bytes / (1 << 20));
    for (size_t i = 0; i < g->type_count; i++) printf(" %s", g->types[i].name);
    printf("\n");
}

static int by_parameters(const void *a, const void *b) {
    const size_t x = ((const lt_type_count *)a)->parameters, y = ((const lt_type_count *)b)->parameters;
    return x == y ? 0 : x < y ? 1 : -1;
}

/* What part of the parameters each type holds. */
static void print_shares(const lt_tensor_group *all) {
    lt_tensor_group g = *all;
    if (g.type_count < 2 || !g.parameters) return;
    qsort(g.types, g.type_count, sizeof *g.types, by_parameters);
    printf("  %-16s", "");
    for (size_t i = 0; i < g.type_count; i++)
        printf("%s %.3g%% %s", i ? "," : "", 100 * (double)g.types[i].parameters / (double)g.parameters,
               g.types[i].name);
    printf("\n");
}

/* How many can't be read, and the first of them. */
static void print_unreadable(const lt_report *r) {
    const lt_tensor_info *first = NULL;
    size_t count = 0;
    for (size_t i = 0; i < r->tensor_count; i++)
        if (!r->tensors[i].readable && !count++) first = &r->tensors[i];
    if (!first) return;
    printf("\n  %zu of a type that can't be read%s ", count, count > 1 ? ", the first:" : ":");
    print_foreign(first->name, 500, false);
    printf(" (");
    print_foreign(first->type, 100, false);
    printf(")\n");
}

static void print_summary(const char *path, const lt_report *r) {
    printf("%s: %s, %.1f MiB\n  %s\n", path, r->format, (double)r->all.bytes / (1 << 20), r->layout);
    for (size_t i = 0; i < r->metadata_count; i++) print_metadata(&r->metadata[i]);
    printf("\n  %-16s %8s %14s %12s   %s\n", "", "tensors", "parameters", "MiB", "types");
    for (size_t i = 0; i < r->group_count; i++) print_group(&r->groups[i]);
    print_group(&r->all);
    print_shares(&r->all);
    print_unreadable(r);
}

static void print_type(const char *type) {
    const size_t width = 7, size = strlen(type);
    printf("  ");
    print_foreign(type, 100, false);
    printf("%*s", (int)(size < width ? width - size : 0), "");
}

/* "[4,320,3,3]" */
static void print_shape(const lt_tensor_info *t) {
    char text[LT_ARRAY_RANK * 24] = "[";
    for (int i = 0; i < t->rank; i++) sprintf(text + strlen(text), "%s%zu", i ? "," : "", t->shape[i]);
    printf(" %-20s ", strcat(text, "]"));
}

static void print_tensors(const lt_report *r) {
    printf("\n");
    for (size_t i = 0; i < r->tensor_count; i++) {
        const lt_tensor_info *t = &r->tensors[i];
        print_type(t->type);
        print_shape(t);
        printf("%s%s", t->component, *t->component ? ": " : "");
        print_foreign(t->name, 500, false);
        printf("\n");
    }
}

/* ---- LoRA ---- */

static void print_line(const char *name, const char *text) {
    if (!text || !*text) return;
    printf("  %s: ", name);
    print_foreign(text, 400, false);
    printf("\n");
}

static void print_range(const char *name, double least, double most) {
    if (least < most)
        printf("  %s: %g to %g\n", name, least, most);
    else
        printf("  %s: %g\n", name, least);
}

static void print_lora(const lt_lora_info *l) {
    printf("\n  %s: of %zu layers of the U-Net, %zu of text encoders\n", l->kinds, l->unet_layers, l->text_layers);
    if (l->most_rank) print_range("rank", (double)l->least_rank, (double)l->most_rank);
    if (l->has_alpha) print_range("alpha", (double)l->least_alpha, (double)l->most_alpha);
    print_line("made for", l->made_for);
    print_line("trained on", l->base);
    print_line("trained words", l->words);
}

static void print_few_steps(const lt_few_steps *f) {
    printf("\n  made for few steps, %s: --sampler %s%s%s --steps %d", f->kind, f->sampler,
           f->schedule ? " --schedule " : "", f->schedule ? f->schedule : "", f->least_steps);
    if (f->most_steps > f->least_steps) printf(" to %d", f->most_steps);
    printf(" --cfg %s%g\n", f->most_guidance > 1 ? "1 to " : "", (double)f->most_guidance);
}

/* ---- The model ---- */

/* What other files have to bring. */
static void print_missing(const lt_model_info *info) {
    const bool vae = !info->has_vae_decoder && info->unet_channels != 3,
               text = info->context_dim && !info->has_text_encoder;
    if (info->has_unet && (vae || text))
        printf("  to draw it takes %s%s%s\n", vae ? "a VAE (--vae FILE)" : "", vae && text ? " and " : "",
               text ? "a text encoder (--text FILE)" : "");
}

static void print_model(const lt_model *model) {
    const lt_model_info info = lt_model_describe(model);
    if (info.has_unet) printf("\n  family: %s\n", info.family);
    if (info.has_unet)
        printf("  U-Net: %d channels in%s, context of %d, predicts %s; betas: %s%s\n", info.unet_channels,
               info.unet_channels == 9 ? " (inpainting)" : "", info.context_dim, info.prediction, info.betas,
               info.zero_terminal_snr ? ", zero terminal SNR" : "");
    print_missing(&info);
    if (info.draws)
        printf("  draws pictures; trained for %dx%d; sides are multiples of %d\n", info.width, info.height,
               info.factor);
    if (info.draws) printf("  --precision auto here: %s\n", lt_precision_name(info.automatic));
    if (info.has_classifier) {
        printf("\n  classifier of noisy latents, %d class%s:", info.class_count, info.class_count == 1 ? "" : "es");
        for (int i = 0; i < info.class_count; i++) {
            printf("%s ", i ? "," : "");
            print_foreign(info.class_names[i], 100, false);
        }
        printf("\n");
    }
}

/* ---- Layers ---- */

static void print_layer(const lt_layer_info *l) {
    char out[48];
    if (l->output[1] == 1)
        snprintf(out, sizeof out, "%dx%d", l->output[2], l->output[3]);
    else
        snprintf(out, sizeof out, "%dx%dx%d", l->output[1], l->output[2], l->output[3]);
    printf("  %-16s %12zu %10.4f  %-16s %s\n", out, l->parameters, 1e-9 * l->flop, l->operation, l->name);
}

static void print_layers(const lt_report *r) {
    printf("\nevery layer for one picture of %dx%d (height x width x channels, or tokens x channels)\n", r->width,
           r->height);
    for (size_t i = 0; i < r->layer_count; i++) {
        const lt_layer_info *l = &r->layers[i];
        if (!i || l->module != l[-1].module)
            printf("\n%s\n  %-16s %12s %10s  %-16s %s\n", l->module, "output", "parameters", "GFLOP", "operation",
                   "layer");
        print_layer(l);
    }
    printf("\n  %-16s %8s %14s %12s\n", "", "layers", "parameters", "GFLOP");
    for (size_t i = 0; i < r->module_count; i++) {
        const lt_module_info *m = &r->modules[i];
        printf("  %-16s %8zu %14zu %12.3f\n", m->name, m->layers, m->parameters, 1e-9 * m->flop);
    }
}

/* ---- All of it ---- */

static int print_report(const char *path, const lt_report *r) {
    if (r->is_picture) {
        print_picture(path, r);
        return LT_EXIT_OK;
    }
    print_summary(path, r);
    if (r->lora.kinds) print_lora(&r->lora);
    if (r->few_steps.kind) print_few_steps(&r->few_steps);
    if (r->model) print_model(r->model);
    if (o.tensors) print_tensors(r);
    if (r->layer_count) print_layers(r);
    return LT_EXIT_OK;
}

static void note_size(const lt_report *r) {
    const int factor = lt_model_describe(r->model).factor;
    const bool other =
        (o.options.width && o.options.width != r->width) || (o.options.height && o.options.height != r->height);
    if (r->layer_count && other)
        fprintf(stderr, "latent: note: sides are multiples of %d: %dx%d\n", factor ? factor : 8, r->width, r->height);
}

/* What can't be opened as a model is shown all the same, below the reason why. */
static int run(int words_count, char **words) {
    lt_report r;
    if (words_count != 1) return lt_complain(LT_EXIT_USAGE, "one file or folder; see `latent inspect --help`");
    if (lt_inspect(words[0], &o.options, &r)) return lt_complain_error();
    note_size(&r);
    int status = r.fault ? lt_complain(LT_EXIT_FAILED, "%s", r.fault) : LT_EXIT_OK;
    if (o.json ? lt_inspect_json(words[0], &r, o.tensors) : print_report(words[0], &r)) status = LT_EXIT_FAILED;
    lt_report_free(&r);
    return status;
}

const lt_command lt_command_inspect = {
    "inspect",
    "show what a checkpoint or a picture is",
    "FILE [-W w -H h] [--tensors] [--json]",
    "Of a checkpoint (file, index of shards, folder): format, layout, metadata, what its tensors are for and their "
    "types;\n"
    "with -W, -H or --layers every layer with its output at that size, parameters and cost. One multiplication and "
    "one\n"
    "addition are two FLOP. Of a LoRA: kind, rank, alpha, trained words. Of a picture: its size, the parameters "
    "that it was made with, and an embedding in it.",
    "  latent inspect apple.png\n"
    "  latent inspect sd15.safetensors\n"
    "  latent inspect sd15.safetensors -W 512 -H 768 | less\n",
    options,
    run,
};
