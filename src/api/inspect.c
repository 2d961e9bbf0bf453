/* What a file is, as data. Models are mapped and listed, never converted; layers come from graphs that are built and
 * not planned. */
#include "adapters/few_steps.h"
#include "adapters/lora_info.h"
#include "adapters/shelf_kind.h"
#include "api/model.h"
#include "base/door.h"
#include "base/fields.h"
#include "formats/picture_embedding.h"
#include "models/names.h"
#include "nn/nn.h"
#include "train/state.h"

#include <stdio.h>
#include <string.h>

#define AT(member) LT_FIELD(lt_inspect_options, member)
static const lt_field fields[] = {
    {AT(width), LT_FIELD_INT, 0, LT_IMAGE_MAX_SIDE, .help = "list every layer, for pictures of this size"},
    {AT(height), LT_FIELD_INT, 0, LT_IMAGE_MAX_SIDE, .help = "the same"},
    {AT(layers), LT_FIELD_BOOL, .help = "list every layer, for the model's own size"},
    {AT(reserved), LT_FIELD_RESERVED},
    {0},
};
#undef AT

const lt_field *lt_inspect_fields(void) { return fields; }
lt_inspect_options lt_inspect_options_defaults(void) { return (lt_inspect_options){0}; }

/* A report and what it points into. */
typedef struct survey {
    lt_source source;
    lt_model *model;
    char layout[512];
    char *parameters, *fault;
} survey;

/* ---- Pictures ---- */

/* Sets *format if a picture is at path. */
static lt_status find_picture(const char *path, const char **format) {
    lt_map map;
    if (lt_is_folder(path)) return LT_OK;
    LT_TRY(lt_map_open(path, &map));
    const lt_image_codec *codec = lt_image_recognise((lt_bytes){map.data, map.size});
    if (codec) *format = codec->name;
    return lt_map_finish(&map, LT_OK);
}

static lt_status list_source(const lt_source *source, lt_report *r);

/* An embedding in it that is broken is told, and the picture all the same. */
static lt_status inspect_embedding(const char *path, survey *s, lt_report *r) {
    bool has;
    LT_TRY(lt_picture_has_embedding(path, &has));
    if (!has) return LT_OK;
    const lt_status status = lt_checkpoint_open(path, &s->source.file);
    if (!status) return list_source(&s->source, r);
    r->fault = s->fault = status == LT_ERROR_MEMORY ? NULL : lt_strdup(lt_error_message());
    return s->fault ? LT_OK : LT_ERROR_MEMORY;
}

static lt_status inspect_picture(const char *path, survey *s, lt_report *r) {
    lt_image image;
    LT_TRY(lt_image_load(path, &image));
    r->is_picture = true;
    r->width = image.width;
    r->height = image.height;
    lt_image_free(&image);
    LT_TRY(lt_image_parameters(path, &s->parameters));
    r->parameters = s->parameters;
    return inspect_embedding(path, s, r);
}

/* ---- Tensors ---- */

/* The i-th checkpoint of source, or NULL behind the last; *component is its folder's name or "". */
static const lt_checkpoint *checkpoint_at(const lt_source *source, size_t i, const char **component) {
    *component = "";
    if (!source->folder.count) return i ? NULL : &source->file;
    if (i >= source->folder.count) return NULL;
    *component = source->folder.components[i].name;
    return &source->folder.components[i].checkpoint;
}

static lt_tensor_info describe_tensor(const lt_tensor *t, const char *component) {
    lt_tensor_info info = {.component = component,
                           .name = t->name,
                           .type = lt_tensor_type(t),
                           .readable = t->dtype != LT_FOREIGN,
                           .rank = t->rank};
    memcpy(info.shape, t->shape, sizeof info.shape);
    return info;
}

/* Every tensor and all metadata of the source. */
static lt_status list_source(const lt_source *source, lt_report *r) {
    const lt_checkpoint *c;
    const char *component;
    size_t tensors = 0, metadata = 0;
    for (size_t i = 0; (c = checkpoint_at(source, i, &component)); i++) {
        tensors += c->count;
        metadata += c->metadata_count;
    }
    r->tensors = lt_calloc(tensors, sizeof *r->tensors);
    r->metadata = lt_calloc(metadata, sizeof *r->metadata);
    if (!r->tensors || !r->metadata) return LT_ERROR_MEMORY;
    for (size_t i = 0; (c = checkpoint_at(source, i, &component)); i++) {
        for (size_t k = 0; k < c->count; k++)
            r->tensors[r->tensor_count++] = describe_tensor(&c->tensors[k], component);
        for (size_t k = 0; k < c->metadata_count; k++)
            r->metadata[r->metadata_count++] = (lt_metadata_info){component, c->metadata[k].key, c->metadata[k].value};
    }
    return LT_OK;
}

/* ---- Groups: tensors by what they are for ---- */

enum { AVERAGED = LT_ROLE_COUNT, REST, GROUPS };

/* tensors: 1, or 0 for a further part of one that has been counted. */
static void count(lt_tensor_group *g, const lt_tensor *tensor, size_t tensors) {
    _Static_assert(LT_DTYPE_COUNT <= LT_COUNT(((lt_tensor_group *)0)->types), "each type has its place");
    const char *type = lt_dtype_name(tensor->dtype);
    size_t t = 0;
    g->tensors += tensors;
    g->parameters += lt_tensor_count(tensor);
    g->bytes += lt_tensor_bytes(tensor);
    while (t < g->type_count && g->types[t].name != type) t++;
    if (t == g->type_count) g->types[g->type_count++].name = type;
    g->types[t].tensors += tensors;
    g->types[t].parameters += lt_tensor_count(tensor);
}

static bool begins_one(const lt_checkpoint *c, const lt_tensor *view) {
    for (size_t i = 0; i < c->count; i++)
        if (c->tensors[i].data == view->data && c->tensors[i].first == view->first) return true;
    return false;
}

static lt_status count_role(const lt_checkpoint *c, lt_role role, lt_tensor_group *g) {
    lt_tensor_list list = {0};
    LT_TRY(lt_names_add(&list, c->tensors, c->count, 1u << role, false, NULL));
    for (size_t i = 0; i < list.count; i++) count(g, &list.tensors[i], begins_one(c, &list.tensors[i]));
    lt_tensor_list_free(&list);
    return LT_OK;
}

/* roles: that it can play. *known: as a model; what is none is listed all the same. */
static lt_status count_checkpoint(const lt_checkpoint *c, unsigned roles, lt_tensor_group groups[GROUPS],
                                  lt_tensor_group *all, bool *known) {
    for (size_t i = 0; i < c->count; i++) {
        count(all, &c->tensors[i], 1);
        if (!strncmp(c->tensors[i].name, "model_ema.", 10)) count(&groups[AVERAGED], &c->tensors[i], 1);
    }
    lt_layout layout;
    if (lt_state_recognise(c) || lt_layout_of(c->tensors, c->count, roles, &layout)) return LT_OK;
    *known = true;
    for (int role = 0; role < LT_ROLE_COUNT; role++)
        if (layout.parts[role].present) LT_TRY(count_role(c, (lt_role)role, &groups[role]));
    return LT_OK;
}

static void subtract(lt_tensor_group *from, const lt_tensor_group *g) {
    from->tensors -= g->tensors;
    from->parameters -= g->parameters;
    from->bytes -= g->bytes;
    for (size_t i = 0; i < from->type_count; i++)
        for (size_t k = 0; k < g->type_count; k++)
            if (from->types[i].name == g->types[k].name) {
                from->types[i].tensors -= g->types[k].tensors;
                from->types[i].parameters -= g->types[k].parameters;
            }
}

/* Those that there are, in their order, without the types that no tensor has. */
static lt_status keep_groups(const lt_tensor_group groups[GROUPS], lt_report *r) {
    r->groups = lt_calloc(GROUPS, sizeof *r->groups);
    if (!r->groups) return LT_ERROR_MEMORY;
    for (int i = 0; i < GROUPS; i++) {
        if (!groups[i].tensors) continue;
        lt_tensor_group *g = &r->groups[r->group_count++];
        *g = groups[i];
        g->type_count = 0;
        for (size_t t = 0; t < groups[i].type_count; t++)
            if (groups[i].types[t].tensors) g->types[g->type_count++] = groups[i].types[t];
    }
    return LT_OK;
}

static lt_status group_tensors(const lt_source *source, lt_report *r) {
    const lt_checkpoint *c;
    const char *component;
    lt_tensor_group groups[GROUPS] = {{0}};
    for (size_t i = 0; (c = checkpoint_at(source, i, &component)); i++)
        LT_TRY(count_checkpoint(c, lt_component_roles(component), groups, &r->all, &r->is_model));
    groups[REST] = r->all;
    for (int i = 0; i < REST; i++) subtract(&groups[REST], &groups[i]);
    for (int i = 0; i < LT_ROLE_COUNT; i++) groups[i].name = lt_role_name((lt_role)i);
    groups[AVERAGED].name = "averaged (EMA)";
    groups[REST].name = r->is_model ? "not needed" : "unknown";
    r->all.name = "all";
    return keep_groups(groups, r);
}

/* "LDM checkpoint: U-Net", or of a folder "vae: diffusers: VAE; ..." */
static void write_layout(const lt_source *source, char *text, size_t size) {
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
        else if (!lt_layout_of(c->tensors, c->count, lt_component_roles(component), &layout))
            lt_layout_text(&layout, own, sizeof own);
        at += (size_t)snprintf(text + at, size - at, "%s%s%s%s", at ? "; " : "", component, *component ? " is " : "",
                               own);
    }
}

/* ---- Layers ---- */

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

static void name_operation(const lt_operation *op, char *text, size_t size) {
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

static lt_layer_info describe_layer(const lt_node *node, const char *module) {
    const lt_operation *op = &node->operation;
    const lt_shape s = op->out;
    lt_layer_info layer = {
        .module = module, .output = {s.n, s.h, s.w, s.c}, .flop = op->op->flops ? op->op->flops(op) : 0};
    for (int k = 0; k < LT_MAX_WEIGHTS; k++)
        if (op->weight[k]) layer.parameters += lt_tensor_count(&op->weight[k]->tensor);
    name_layer(op, node->input[0], layer.name, sizeof layer.name);
    name_operation(op, layer.operation, sizeof layer.operation);
    return layer;
}

static lt_status add_graph(const lt_graph *graph, const char *module, lt_report *r) {
    const size_t size = sizeof *r->layers;
    lt_layer_info *grown = lt_realloc(r->layers, r->layer_count * size, (r->layer_count + graph->count) * size);
    if (!grown) return LT_ERROR_MEMORY;
    r->layers = grown;
    lt_module_info *sum = &r->modules[r->module_count++];
    *sum = (lt_module_info){.name = module};
    for (size_t i = 0; i < graph->count; i++) {
        if (graph->nodes[i]->operation.op == &lt_op_input) continue;
        const lt_layer_info layer = r->layers[r->layer_count++] = describe_layer(graph->nodes[i], module);
        sum->layers++;
        sum->parameters += layer.parameters;
        sum->flop += layer.flop;
    }
    return LT_OK;
}

static lt_status add_module(const lt_components *parts, lt_module module, const lt_module_size *size, lt_report *r) {
    lt_graph graph = {0};
    lt_status status = lt_module_build(parts, module, size, &graph);
    if (!status) status = add_graph(&graph, lt_module_name(module), r);
    lt_graph_free(&graph);
    return status;
}

/* Every module for one picture: guided steps run the U-Net twice. */
static lt_status list_layers(const lt_components *parts, const lt_inspect_options *o, lt_report *r) {
    const int factor = parts->vae.factor ? parts->vae.factor : 8, own = parts->sample_size;
    const int w = o->width ? (int)lt_max((size_t)(o->width / factor), 1) : own;
    const int h = o->height ? (int)lt_max((size_t)(o->height / factor), 1) : own;
    lt_module_size sizes[LT_MODULE_COUNT];
    lt_module_sizes(parts, h, w, sizes);
    r->width = w * factor;
    r->height = h * factor;
    r->modules = lt_calloc(LT_MODULE_COUNT, sizeof *r->modules);
    if (!r->modules) return LT_ERROR_MEMORY;
    for (int m = 0; m < LT_MODULE_COUNT; m++)
        if (parts->has[m]) LT_TRY(add_module(parts, (lt_module)m, &sizes[m], r));
    return LT_OK;
}

/* ---- Checkpoints ---- */

/* What can't be opened as a model is listed all the same, with the reason why. */
static lt_status open_model(const char *path, const lt_inspect_options *o, survey *s, lt_report *r) {
    const bool layers = o->width || o->height || o->layers;
    if (!r->is_model && !layers) return LT_OK;
    lt_status status = lt_model_open(path, NULL, &s->model);
    if (!status && layers) status = list_layers(&s->model->parts, o, r);
    r->model = s->model;
    if (!status || status == LT_ERROR_MEMORY) return status;
    r->fault = s->fault = lt_strdup(lt_error_message());
    return s->fault ? LT_OK : LT_ERROR_MEMORY;
}

/* A file that is no model may be what is added to one. */
static lt_status inspect_lora(survey *s, lt_report *r) {
    if (r->is_model || s->source.folder.count) return LT_OK;
    LT_TRY(lt_lora_info_read(&s->source.file, &r->lora));
    const char *family = r->lora.made_for;
    if (r->lora.kinds)
        snprintf(s->layout, sizeof s->layout, "adapter: %s%s%s", r->lora.kinds, family ? ", for " : "",
                 family ? family : "");
    return LT_OK;
}

/* Nor a LoRA: an embedding, say. */
static lt_status inspect_other(survey *s, const lt_report *r) {
    lt_shelf_about about;
    if (r->is_model || r->lora.kinds || s->source.folder.count || lt_state_recognise(&s->source.file)) return LT_OK;
    const lt_status status = lt_shelf_about_file(&s->source.file, &about);
    const char *family = about.family, *details = about.details;
    if (!status && about.kind < LT_SHELF_OTHER)
        snprintf(s->layout, sizeof s->layout, "%s%s%s%s%s", lt_shelf_kind_name(about.kind), details ? ": " : "",
                 details ? details : "", family ? ", for " : "", family ? family : "");
    lt_shelf_about_free(&about);
    return status;
}

static void find_few_steps(const char *path, const lt_source *source, lt_report *r) {
    const lt_checkpoint *c;
    const char *component;
    const lt_few_steps *found = NULL;
    for (size_t i = 0; !found && (c = checkpoint_at(source, i, &component)); i++) found = lt_few_steps_of(path, c);
    if (found && (r->is_model || r->lora.kinds)) r->few_steps = *found;
}

static lt_status inspect_checkpoint(const char *path, const lt_inspect_options *o, survey *s, lt_report *r) {
    LT_TRY(lt_source_open(path, &s->source));
    r->format = s->source.folder.count ? "folder" : s->source.file.format;
    r->layout = s->layout;
    write_layout(&s->source, s->layout, sizeof s->layout);
    LT_TRY(list_source(&s->source, r));
    LT_TRY(group_tensors(&s->source, r));
    LT_TRY(inspect_lora(s, r));
    LT_TRY(inspect_other(s, r));
    find_few_steps(path, &s->source, r);
    return open_model(path, o, s, r);
}

/* ---- The public interface ---- */

static lt_status inspect(const char *path, const lt_inspect_options *o, lt_report *r) {
    LT_TRY(lt_fields_check(fields, o));
    survey *s = lt_calloc(1, sizeof *s);
    if (!s) return LT_ERROR_MEMORY;
    r->owner = s;
    LT_TRY(find_picture(path, &r->format));
    return r->format ? inspect_picture(path, s, r) : inspect_checkpoint(path, o, s, r);
}

lt_status lt_inspect(const char *path, const lt_inspect_options *options, lt_report *report) {
    const lt_inspect_options defaults = {0};
    const lt_argument arguments[] = {LT_PATH_ARGUMENT(path), {"report", .out = report, .size = sizeof *report}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = inspect(path, options ? options : &defaults, report);
    if (status) lt_report_free(report);
    return lt_leave(&door, status);
}

void lt_report_free(lt_report *report) {
    if (!report) return;
    survey *s = report->owner;
    if (s) {
        lt_model_close(s->model);
        lt_source_close(&s->source);
        lt_free(s->parameters);
        lt_free(s->fault);
    }
    lt_free(s);
    lt_lora_info_free(&report->lora);
    lt_free(report->groups);
    lt_free(report->tensors);
    lt_free(report->metadata);
    lt_free(report->modules);
    lt_free(report->layers);
    *report = (lt_report){0};
}
