/* inspect: what a file is. Models are mapped and listed, never converted; the layers come from a graph that is built
 * and not planned. */
#include "api/model.h"
#include "cli.h"
#include "formats/image_codec.h"
#include "nn/nn.h"
#include "train/state.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    int size[2]; /* width and height, 0 where none is given */
    bool layers, tensors, json;
} o;

static const lt_option options[] = {
    {"width", 'W', LT_OPTION_INT, "PX", "list every layer, for pictures of this size", &o.size[0], 8, 16384},
    {"height", 'H', LT_OPTION_INT, "PX", "the same", &o.size[1], 8, 16384},
    {"size", 0, LT_OPTION_SIZE, "WxH", "both: 512x768, or 512 for a square", &o.size, 8, 16384},
    {"layers", 0, LT_OPTION_FLAG, NULL, "list every layer, for the model's own size", &o.layers},
    {"tensors", 0, LT_OPTION_FLAG, NULL, "list every tensor of the file", &o.tensors},
    {"json", 0, LT_OPTION_FLAG, NULL, "print as JSON", &o.json},
    {0},
};

/* ---- Printing what strangers wrote ---- */

/* No more than limit bytes of text, without characters that a terminal would obey; lines as they are where asked. */
static void print_foreign(const char *text, size_t limit, bool lines) {
    const size_t size = strlen(text);
    for (const char *s = text; *s && (size_t)(s - text) < limit;) {
        const char *before = s;
        const uint32_t code = lt_text_next(&s);
        const bool control = code < 0x20 || (code >= 0x7F && code < 0xA0);
        if (!control || (lines && code == '\n'))
            fwrite(before, 1, (size_t)(s - before), stdout);
        else
            putchar('?');
    }
    if (size > limit) printf("... (%zu bytes; --json has them all)", size);
}

/* A string, or what stands for one that is not UTF-8, which JSON can't hold. */
static json_t *json_text(const char *text) {
    json_t *json = json_string(text);
    return json ? json : json_string("(not UTF-8)");
}

static int print_json(json_t *json) {
    if (!json) return lt_complain(LT_EXIT_FAILED, "out of memory");
    json_dumpf(json, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
    printf("\n");
    json_decref(json);
    return LT_EXIT_OK;
}

/* ---- Pictures ---- */

static int show_picture(const char *path, const char *format, const lt_image *image, const char *parameters) {
    if (o.json)
        return print_json(json_pack("{s:o, s:s, s:s, s:i, s:i, s:o}", "file", json_text(path), "kind", "picture",
                                    "format", format, "width", image->width, "height", image->height, "parameters",
                                    parameters ? json_text(parameters) : json_null()));
    printf("%s: %s picture, %dx%d\n", path, format, image->width, image->height);
    if (parameters) {
        printf("parameters:\n");
        print_foreign(parameters, SIZE_MAX, true);
        printf("\n");
    }
    return LT_EXIT_OK;
}

static int inspect_picture(const char *path, const char *format) {
    lt_image image = {0};
    char *parameters = NULL;
    lt_status status = lt_image_load(path, &image);
    if (!status) status = lt_image_parameters(path, &parameters);
    const int exit_status = status ? lt_complain_error() : show_picture(path, format, &image, parameters);
    lt_image_free(&image);
    lt_string_free(parameters);
    return exit_status;
}

/* Sets *format if a picture is at path. */
static lt_status find_picture(const char *path, const char **format) {
    lt_map map;
    *format = NULL;
    if (lt_is_folder(path)) return LT_OK;
    LT_TRY(lt_map_open(path, &map));
    const lt_image_codec *codec = lt_image_recognise((lt_bytes){map.data, map.size});
    if (codec) *format = codec->name;
    return lt_map_finish(&map, LT_OK);
}

/* ---- Tensors, by what they are for ---- */

typedef struct tally {
    size_t tensors, parameters, bytes, of_type[LT_DTYPE_COUNT];
} tally;

enum { AVERAGED = LT_ROLE_COUNT, REST, GROUPS };

typedef struct survey {
    tally groups[GROUPS]; /* of each role, then of what belongs to none */
    tally all;
    bool known; /* as a model */
} survey;

static const char *group_name(const survey *s, int group) {
    if (group < LT_ROLE_COUNT) return lt_role_name((lt_role)group);
    if (group == AVERAGED) return "averaged (EMA)";
    return s->known ? "not needed" : "unknown";
}

static void count(tally *t, const lt_tensor *tensor) {
    const size_t n = lt_tensor_count(tensor);
    t->tensors++;
    t->parameters += n;
    t->bytes += lt_tensor_bytes(tensor);
    t->of_type[tensor->dtype]++;
}

static void subtract(tally *from, const tally *t) {
    from->tensors -= t->tensors;
    from->parameters -= t->parameters;
    from->bytes -= t->bytes;
    for (int i = 0; i < LT_DTYPE_COUNT; i++) from->of_type[i] -= t->of_type[i];
}

static lt_status count_role(const lt_checkpoint *c, lt_role role, tally *t) {
    lt_tensor_list list = {0};
    LT_TRY(lt_names_add(&list, c->tensors, c->count, 1u << role, false, NULL));
    for (size_t i = 0; i < list.count; i++) count(t, &list.tensors[i]);
    lt_tensor_list_free(&list);
    return LT_OK;
}

static lt_status survey_checkpoint(const lt_checkpoint *c, survey *s) {
    for (size_t i = 0; i < c->count; i++) {
        count(&s->all, &c->tensors[i]);
        if (!strncmp(c->tensors[i].name, "model_ema.", 10)) count(&s->groups[AVERAGED], &c->tensors[i]);
    }
    lt_layout layout;
    if (lt_state_recognise(c) || lt_layout_of(c->tensors, c->count, &layout))
        return LT_OK; /* no model that we know: it is listed all the same */
    s->known = true;
    for (int role = 0; role < LT_ROLE_COUNT; role++)
        if (layout.parts[role].present) LT_TRY(count_role(c, (lt_role)role, &s->groups[role]));
    return LT_OK;
}

/* The i-th checkpoint of source, or NULL behind the last; *component is its folder's name or "". */
static const lt_checkpoint *checkpoint_at(const lt_source *source, size_t i, const char **component) {
    *component = "";
    if (!source->folder.count) return i ? NULL : &source->file;
    if (i >= source->folder.count) return NULL;
    *component = source->folder.components[i].name;
    return &source->folder.components[i].checkpoint;
}

static lt_status make_survey(const lt_source *source, survey *s) {
    const char *component;
    *s = (survey){0};
    for (size_t i = 0; checkpoint_at(source, i, &component); i++)
        LT_TRY(survey_checkpoint(checkpoint_at(source, i, &component), s));
    s->groups[REST] = s->all;
    for (int i = 0; i < REST; i++) subtract(&s->groups[REST], &s->groups[i]);
    return LT_OK;
}

/* "LDM checkpoint: U-Net", or of a folder "vae: diffusers: VAE; ..." */
static void layout_text(const lt_source *source, char *text, size_t size) {
    const lt_checkpoint *c;
    const char *component;
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; (c = checkpoint_at(source, i, &component)) && at < size; i++) {
        char own[256] = "no model that is known here";
        lt_layout layout;
        if (!c->count) continue;
        if (lt_state_recognise(c))
            snprintf(own, sizeof own, "state of a training: latent train --resume goes on from it");
        else if (!lt_layout_of(c->tensors, c->count, &layout))
            lt_layout_text(&layout, own, sizeof own);
        at += (size_t)snprintf(text + at, size - at, "%s%s%s%s", at ? "; " : "", component, *component ? " is " : "",
                               own);
    }
}

/* The first tensor that can't be read, or NULL, and how many there are. */
static const lt_tensor *find_foreign(const lt_source *source, size_t *count) {
    const lt_tensor *first = NULL;
    const lt_checkpoint *c;
    const char *component;
    *count = 0;
    for (size_t i = 0; (c = checkpoint_at(source, i, &component)); i++)
        for (size_t k = 0; k < c->count; k++) {
            if (c->tensors[k].dtype != LT_FOREIGN) continue;
            if (!(*count)++) first = &c->tensors[k];
        }
    return first;
}

/* ---- Layers ---- */

typedef struct layer {
    lt_module module;
    char name[192], op[32];
    lt_shape out;
    size_t parameters;
    double gflop;
} layer;

typedef struct layers {
    layer *items;
    size_t count;
    int width, height;
} layers;

/* The layer that a weight belongs to, without the names that all of its model have in common. */
static void name_layer(const lt_operation *op, const lt_node *input, char *text, size_t size) {
    const lt_weight *own = op->weight[0], *fed = input ? input->operation.weight[0] : NULL;
    const char *name = own ? own->tensor.name : op->op == &lt_op_attention && fed ? fed->tensor.name : "";
    for (int role = 0; role < LT_ROLE_COUNT; role++) {
        const char *prefix = lt_role_prefix((lt_role)role);
        if (!strncmp(name, prefix, strlen(prefix))) name += strlen(prefix);
    }
    snprintf(text, size, "%s", name);
    for (int parts = own ? 1 : 2; parts; parts--) { /* ".weight", and of the queries that attention reads, ".to_q" */
        char *dot = strrchr(text, '.');
        if (dot) *dot = '\0';
    }
}

static void name_op(const lt_operation *op, char *text, size_t size) {
    const lt_conv_options *conv = op->op == &lt_op_conv ? op->attributes : NULL;
    if (!conv)
        snprintf(text, size, "%s", op->op->name);
    else if (conv->kernel == 1)
        snprintf(text, size, "linear");
    else if (conv->stride == 1)
        snprintf(text, size, "conv %dx%d", conv->kernel, conv->kernel);
    else
        snprintf(text, size, "conv %dx%d by %d", conv->kernel, conv->kernel, conv->stride);
}

static lt_status add_layers(const lt_components *parts, lt_module module, const lt_module_size *size, layers *all) {
    lt_graph graph = {0};
    lt_status status = lt_module_build(parts, module, size, &graph);
    layer *grown =
        status ? NULL : lt_realloc(all->items, all->count * sizeof *grown, (all->count + graph.count) * sizeof *grown);
    if (!status && !grown) status = LT_ERROR_MEMORY;
    if (grown) all->items = grown;
    for (size_t i = 0; i < graph.count && !status; i++) {
        const lt_operation *op = &graph.nodes[i]->operation;
        if (op->op == &lt_op_input) continue;
        layer *l = &all->items[all->count++];
        *l = (layer){.module = module, .out = op->out, .gflop = op->op->flops ? 1e-9 * op->op->flops(op) : 0};
        for (int k = 0; k < LT_MAX_WEIGHTS; k++)
            if (op->weight[k]) l->parameters += lt_tensor_count(&op->weight[k]->tensor);
        name_layer(op, graph.nodes[i]->input[0], l->name, sizeof l->name);
        name_op(op, l->op, sizeof l->op);
    }
    lt_graph_free(&graph);
    return status;
}

/* Every module for one picture: guided steps run the U-Net twice. */
static lt_status make_layers(const lt_components *parts, layers *all) {
    const int factor = parts->vae.factor ? parts->vae.factor : 8, own = parts->sample_size;
    const int w = o.size[0] ? (int)lt_max((size_t)(o.size[0] / factor), 1) : own;
    const int h = o.size[1] ? (int)lt_max((size_t)(o.size[1] / factor), 1) : own;
    lt_module_size sizes[LT_MODULE_COUNT];
    lt_module_sizes(parts, h, w, sizes);
    *all = (layers){.width = w * factor, .height = h * factor};
    if ((o.size[0] && o.size[0] != all->width) || (o.size[1] && o.size[1] != all->height))
        fprintf(stderr, "latent: note: sides are multiples of %d: %dx%d\n", factor, all->width, all->height);
    for (int m = 0; m < LT_MODULE_COUNT; m++)
        if (parts->has[m]) LT_TRY(add_layers(parts, (lt_module)m, &sizes[m], all));
    return LT_OK;
}

/* The sum of a module's layers; returns how many they are. */
static size_t sum_layers(const layers *all, lt_module module, layer *sum) {
    size_t n = 0;
    *sum = (layer){.module = module};
    for (size_t i = 0; i < all->count; i++) {
        if (all->items[i].module != module) continue;
        n++;
        sum->parameters += all->items[i].parameters;
        sum->gflop += all->items[i].gflop;
    }
    return n;
}

/* ---- Printing: a table ---- */

static void print_tally(const char *name, const tally *t) {
    printf("  %-16s %8zu %14zu %12.1f  ", name, t->tensors, t->parameters, (double)t->bytes / (1 << 20));
    for (int i = 0; i < LT_DTYPE_COUNT; i++)
        if (t->of_type[i]) printf(" %s", lt_dtype_name((lt_dtype)i));
    printf("\n");
}

static void print_metadata(const lt_source *source) {
    const lt_checkpoint *c;
    const char *component;
    for (size_t i = 0; (c = checkpoint_at(source, i, &component)); i++)
        for (size_t k = 0; k < c->metadata_count; k++) {
            printf("  metadata %s%s", component, *component ? ": " : "");
            print_foreign(c->metadata[k].key, 100, false);
            printf(" = ");
            print_foreign(c->metadata[k].value, 200, false);
            printf("\n");
        }
}

static void print_foreign_tensors(const lt_source *source) {
    size_t count;
    const lt_tensor *first = find_foreign(source, &count);
    if (!first) return;
    printf("\n  %zu of a type that can't be read%s ", count, count > 1 ? ", the first:" : ":");
    print_foreign(first->name, 500, false);
    printf(" (");
    print_foreign(lt_tensor_type(first), 100, false);
    printf(")\n");
}

static void print_survey(const char *path, const lt_source *source, const survey *s) {
    char layout[512];
    layout_text(source, layout, sizeof layout);
    printf("%s: %s, %.1f MiB\n  %s\n", path, source->folder.count ? "folder" : source->file.format,
           (double)s->all.bytes / (1 << 20), layout);
    print_metadata(source);
    printf("\n  %-16s %8s %14s %12s   %s\n", "", "tensors", "parameters", "MiB", "types");
    for (int i = 0; i < GROUPS; i++)
        if (s->groups[i].tensors) print_tally(group_name(s, i), &s->groups[i]);
    print_tally("all", &s->all);
    print_foreign_tensors(source);
}

static void print_type(const lt_tensor *t) {
    const size_t width = 7, size = strlen(lt_tensor_type(t));
    printf("  ");
    print_foreign(lt_tensor_type(t), 100, false);
    printf("%*s", (int)(size < width ? width - size : 0), "");
}

static void print_tensors(const lt_source *source) {
    const lt_checkpoint *c;
    const char *component;
    printf("\n");
    for (size_t i = 0; (c = checkpoint_at(source, i, &component)); i++)
        for (size_t k = 0; k < c->count; k++) {
            char shape[LT_MAX_RANK * 24];
            lt_tensor_shape_text(&c->tensors[k], shape, sizeof shape);
            print_type(&c->tensors[k]);
            printf(" %-20s %s%s", shape, component, *component ? ": " : "");
            print_foreign(c->tensors[k].name, 500, false);
            printf("\n");
        }
}

static void print_model(const lt_model *model) {
    const lt_model_info info = lt_model_describe(model);
    if (info.has_unet)
        printf("\n  U-Net: %d channels in%s, context of %d, predicts %s; betas: %s%s\n", info.unet_channels,
               info.unet_channels == 9 ? " (inpainting)" : "", info.context_dim, info.prediction, info.betas,
               info.zero_terminal_snr ? ", zero terminal SNR" : "");
    if (info.draws)
        printf("  draws pictures; trained for %dx%d; sides are multiples of %d\n", info.width, info.height,
               info.factor);
    if (info.has_classifier) {
        printf("\n  classifier of noisy latents, %d class%s:", info.class_count, info.class_count == 1 ? "" : "es");
        for (int i = 0; i < info.class_count; i++) {
            printf("%s ", i ? "," : "");
            print_foreign(info.class_names[i], 100, false);
        }
        printf("\n");
    }
}

static void print_layers(const layers *all) {
    printf("\nevery layer for one picture of %dx%d (height x width x channels, or tokens x channels)\n", all->width,
           all->height);
    for (size_t i = 0; i < all->count; i++) {
        const layer *l = &all->items[i];
        if (!i || l->module != l[-1].module)
            printf("\n%s\n  %-16s %12s %10s  %-16s %s\n", lt_module_name(l->module), "output", "parameters", "GFLOP",
                   "operation", "layer");
        char out[48];
        const lt_shape s = l->out;
        if (s.h == 1)
            snprintf(out, sizeof out, "%dx%d", s.w, s.c);
        else
            snprintf(out, sizeof out, "%dx%dx%d", s.h, s.w, s.c);
        printf("  %-16s %12zu %10.4f  %-16s %s\n", out, l->parameters, l->gflop, l->op, l->name);
    }
    printf("\n  %-16s %8s %14s %12s\n", "", "layers", "parameters", "GFLOP");
    for (int m = 0; m < LT_MODULE_COUNT; m++) {
        layer sum;
        const size_t n = sum_layers(all, (lt_module)m, &sum);
        if (n) printf("  %-16s %8zu %14zu %12.3f\n", lt_module_name((lt_module)m), n, sum.parameters, sum.gflop);
    }
}

static int print_table(const char *path, const lt_source *source, const survey *s, const lt_model *model,
                       const layers *all) {
    print_survey(path, source, s);
    if (model) print_model(model);
    if (o.tensors) print_tensors(source);
    if (all->count) print_layers(all);
    return LT_EXIT_OK;
}

/* ---- Printing: JSON ---- */

static json_t *tally_json(const tally *t) {
    json_t *types = json_object();
    for (int i = 0; i < LT_DTYPE_COUNT; i++)
        if (t->of_type[i])
            json_object_set_new(types, lt_dtype_name((lt_dtype)i), json_integer((json_int_t)t->of_type[i]));
    return json_pack("{s:I, s:I, s:I, s:o}", "tensors", (json_int_t)t->tensors, "parameters", (json_int_t)t->parameters,
                     "bytes", (json_int_t)t->bytes, "types", types);
}

static json_t *metadata_json(const lt_source *source) {
    const lt_checkpoint *c;
    const char *component;
    json_t *all = json_object();
    for (size_t i = 0; (c = checkpoint_at(source, i, &component)); i++)
        for (size_t k = 0; k < c->metadata_count; k++) {
            char *key = cli_format("%s%s%s", component, *component ? ": " : "", c->metadata[k].key);
            json_object_set_new(all, key, json_text(c->metadata[k].value));
            free(key);
        }
    return all;
}

static json_t *tensors_json(const lt_source *source) {
    const lt_checkpoint *c;
    const char *component;
    json_t *all = json_array();
    for (size_t i = 0; (c = checkpoint_at(source, i, &component)); i++)
        for (size_t k = 0; k < c->count; k++) {
            const lt_tensor *t = &c->tensors[k];
            json_t *shape = json_array();
            for (int d = 0; d < t->rank; d++) json_array_append_new(shape, json_integer((json_int_t)t->shape[d]));
            json_array_append_new(all,
                                  json_pack("{s:s, s:o, s:o, s:o}", "component", component, "name", json_text(t->name),
                                            "dtype", json_text(lt_tensor_type(t)), "shape", shape));
        }
    return all;
}

static json_t *model_json(const lt_model *model) {
    const lt_model_info i = lt_model_describe(model);
    json_t *classes = i.has_classifier ? json_array() : NULL;
    for (int k = 0; classes && k < i.class_count; k++) json_array_append_new(classes, json_text(i.class_names[k]));
    return json_pack("{s:b, s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:s, s:b, s:o*}", "draws", (int)i.draws, "width",
                     i.width, "height", i.height, "factor", i.factor, "latent_channels", i.latent_channels,
                     "unet_channels", i.unet_channels, "context_dim", i.context_dim, "prediction", i.prediction,
                     "betas", i.betas, "zero_terminal_snr", (int)i.zero_terminal_snr, "classes", classes);
}

static json_t *layers_json(const layers *all) {
    json_t *list = json_array(), *sums = json_object();
    for (size_t i = 0; i < all->count; i++) {
        const layer *l = &all->items[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:[i, i, i, i], s:I, s:f}", "module",
                                              lt_module_name(l->module), "name", l->name, "operation", l->op,
                                              "output_nhwc", l->out.n, l->out.h, l->out.w, l->out.c, "parameters",
                                              (json_int_t)l->parameters, "gflop", l->gflop));
    }
    for (int m = 0; m < LT_MODULE_COUNT; m++) {
        layer sum;
        const size_t n = sum_layers(all, (lt_module)m, &sum);
        if (n)
            json_object_set_new(sums, lt_module_name((lt_module)m),
                                json_pack("{s:I, s:I, s:f}", "layers", (json_int_t)n, "parameters",
                                          (json_int_t)sum.parameters, "gflop", sum.gflop));
    }
    return json_pack("{s:i, s:i, s:o, s:o}", "width", all->width, "height", all->height, "modules", sums, "layers",
                     list);
}

static int print_all_json(const char *path, const lt_source *source, const survey *s, const lt_model *model,
                          const layers *all) {
    char layout[512];
    layout_text(source, layout, sizeof layout);
    json_t *groups = json_object();
    for (int i = 0; i < GROUPS; i++)
        if (s->groups[i].tensors) json_object_set_new(groups, group_name(s, i), tally_json(&s->groups[i]));
    json_t *json = json_pack("{s:o, s:s, s:s, s:s, s:o, s:o, s:o}", "file", json_text(path), "kind", "checkpoint",
                             "format", source->folder.count ? "folder" : source->file.format, "layout", layout,
                             "metadata", metadata_json(source), "groups", groups, "all", tally_json(&s->all));
    if (json && model) json_object_set_new(json, "model", model_json(model));
    if (json && o.tensors) json_object_set_new(json, "tensors", tensors_json(source));
    if (json && all->count) json_object_set_new(json, "graph", layers_json(all));
    return print_json(json);
}

/* ---- All of it ---- */

static int inspect_checkpoint(const char *path) {
    lt_source source;
    survey s = {0};
    layers all = {0};
    lt_model *model = NULL;
    if (lt_source_open(path, &source)) return lt_complain_error();
    const bool wants_layers = o.size[0] || o.size[1] || o.layers;
    lt_status status = make_survey(&source, &s);
    const bool surveyed = !status;
    if (!status && (s.known || wants_layers)) status = lt_model_open(path, NULL, &model);
    if (!status && wants_layers) status = make_layers(&model->parts, &all);
    /* What can't be opened as a model is shown all the same, below the reason why. */
    int exit_status = status ? lt_complain_error() : LT_EXIT_OK;
    if (surveyed && (o.json ? print_all_json : print_table)(path, &source, &s, model, &all))
        exit_status = LT_EXIT_FAILED;
    free(all.items);
    lt_model_close(model);
    lt_source_close(&source);
    return exit_status;
}

static int run(int words_count, char **words) {
    const char *format;
    if (words_count != 1) return lt_complain(LT_EXIT_USAGE, "one file or folder; see `latent inspect --help`");
    if (find_picture(words[0], &format)) return lt_complain_error();
    return format ? inspect_picture(words[0], format) : inspect_checkpoint(words[0]);
}

const lt_command lt_command_inspect = {
    "inspect",
    "show what a checkpoint or a picture is",
    "FILE [-W w -H h] [--tensors] [--json]",
    "Of a checkpoint (file, index of shards, folder): format, layout, metadata, what its tensors are for and their "
    "types;\n"
    "with -W, -H or --layers every layer with its output at that size, parameters and cost. One multiplication and "
    "one\n"
    "addition are two FLOP. Of a picture: its size and the parameters that it was made with.",
    "  latent inspect apple.png\n"
    "  latent inspect sd15.safetensors\n"
    "  latent inspect sd15.safetensors -W 512 -H 768 | less\n",
    options,
    run,
};
