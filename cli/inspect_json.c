/* inspect: a report as JSON. */
#include "inspect.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

/* A string, or what stands for one that is not UTF-8, which JSON can't hold. */
static json_t *text_json(const char *text) {
    json_t *json = json_string(text);
    return json ? json : json_string("(not UTF-8)");
}

static json_t *group_json(const lt_tensor_group *g) {
    json_t *types = json_object(), *parameters = json_object();
    for (size_t i = 0; i < g->type_count; i++) {
        json_object_set_new(types, g->types[i].name, json_integer((json_int_t)g->types[i].tensors));
        json_object_set_new(parameters, g->types[i].name, json_integer((json_int_t)g->types[i].parameters));
    }
    return json_pack("{s:I, s:I, s:I, s:o, s:o}", "tensors", (json_int_t)g->tensors, "parameters",
                     (json_int_t)g->parameters, "bytes", (json_int_t)g->bytes, "types", types, "type_parameters",
                     parameters);
}

static json_t *metadata_json(const lt_report *r) {
    json_t *all = json_object();
    for (size_t i = 0; i < r->metadata_count; i++) {
        const lt_metadata_info *m = &r->metadata[i];
        char *key = tool_format("%s%s%s", m->component, *m->component ? ": " : "", m->key);
        json_object_set_new(all, key, text_json(m->value));
        free(key);
    }
    return all;
}

static json_t *tensors_json(const lt_report *r) {
    json_t *all = json_array();
    for (size_t i = 0; i < r->tensor_count; i++) {
        const lt_tensor_info *t = &r->tensors[i];
        json_t *shape = json_array();
        for (int d = 0; d < t->rank; d++) json_array_append_new(shape, json_integer((json_int_t)t->shape[d]));
        json_array_append_new(all, json_pack("{s:s, s:o, s:o, s:o}", "component", t->component, "name",
                                             text_json(t->name), "dtype", text_json(t->type), "shape", shape));
    }
    return all;
}

static json_t *picture_json(const char *path, const lt_report *r) {
    return json_pack("{s:o, s:s, s:s, s:i, s:i, s:o, s:o, s:o}", "file", text_json(path), "kind", "picture", "format",
                     r->format, "width", r->width, "height", r->height, "parameters",
                     r->parameters ? text_json(r->parameters) : json_null(), "metadata", metadata_json(r), "tensors",
                     tensors_json(r));
}

static json_t *model_json(const lt_model *model) {
    const lt_model_info i = lt_model_describe(model);
    json_t *classes = i.has_classifier ? json_array() : NULL;
    for (int k = 0; classes && k < i.class_count; k++) json_array_append_new(classes, text_json(i.class_names[k]));
    return json_pack(
        "{s:b, s:s?, s:b, s:b, s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:s, s:b, s:s, s:o*}", "draws", (int)i.draws,
        "family", i.family, "text_encoder", (int)i.has_text_encoder, "vae", (int)i.has_vae_decoder, "width", i.width,
        "height", i.height, "factor", i.factor, "latent_channels", i.latent_channels, "unet_channels", i.unet_channels,
        "context_dim", i.context_dim, "prediction", i.prediction, "betas", i.betas, "zero_terminal_snr",
        (int)i.zero_terminal_snr, "automatic_precision", lt_precision_name(i.automatic), "classes", classes);
}

static json_t *optional_json(const char *text) { return text ? text_json(text) : json_null(); }

static json_t *lora_json(const lt_lora_info *l) {
    json_t *alpha = l->has_alpha ? json_pack("[f, f]", (double)l->least_alpha, (double)l->most_alpha) : json_null();
    return json_pack("{s:s, s:I, s:I, s:[I, I], s:o, s:o, s:o, s:o}", "kinds", l->kinds, "unet_layers",
                     (json_int_t)l->unet_layers, "text_layers", (json_int_t)l->text_layers, "rank",
                     (json_int_t)l->least_rank, (json_int_t)l->most_rank, "alpha", alpha, "made_for",
                     optional_json(l->made_for), "base", optional_json(l->base), "words", optional_json(l->words));
}

static json_t *few_steps_json(const lt_few_steps *f) {
    return json_pack("{s:s, s:s, s:s?, s:[i, i], s:f}", "kind", f->kind, "sampler", f->sampler, "schedule", f->schedule,
                     "steps", f->least_steps, f->most_steps, "most_guidance", (double)f->most_guidance);
}

static json_t *layer_json(const lt_layer_info *l) {
    const int *s = l->output;
    return json_pack("{s:s, s:s, s:s, s:[i, i, i, i], s:I, s:f}", "module", l->module, "name", l->name, "operation",
                     l->operation, "output_nhwc", s[0], s[1], s[2], s[3], "parameters", (json_int_t)l->parameters,
                     "gflop", 1e-9 * l->flop);
}

static json_t *layers_json(const lt_report *r) {
    json_t *list = json_array(), *sums = json_object();
    for (size_t i = 0; i < r->layer_count; i++) json_array_append_new(list, layer_json(&r->layers[i]));
    for (size_t i = 0; i < r->module_count; i++) {
        const lt_module_info *m = &r->modules[i];
        json_object_set_new(sums, m->name,
                            json_pack("{s:I, s:I, s:f}", "layers", (json_int_t)m->layers, "parameters",
                                      (json_int_t)m->parameters, "gflop", 1e-9 * m->flop));
    }
    return json_pack("{s:i, s:i, s:o, s:o}", "width", r->width, "height", r->height, "modules", sums, "layers", list);
}

static json_t *checkpoint_json(const char *path, const lt_report *r, bool tensors) {
    json_t *groups = json_object();
    for (size_t i = 0; i < r->group_count; i++)
        json_object_set_new(groups, r->groups[i].name, group_json(&r->groups[i]));
    json_t *json = json_pack("{s:o, s:s, s:s, s:s, s:o, s:o, s:o}", "file", text_json(path), "kind", "checkpoint",
                             "format", r->format, "layout", r->layout, "metadata", metadata_json(r), "groups", groups,
                             "all", group_json(&r->all));
    if (json && r->lora.kinds) json_object_set_new(json, "lora", lora_json(&r->lora));
    if (json && r->few_steps.kind) json_object_set_new(json, "few_steps", few_steps_json(&r->few_steps));
    if (json && r->model) json_object_set_new(json, "model", model_json(r->model));
    if (json && tensors) json_object_set_new(json, "tensors", tensors_json(r));
    if (json && r->layer_count) json_object_set_new(json, "graph", layers_json(r));
    return json;
}

int lt_inspect_json(const char *path, const lt_report *r, bool tensors) {
    json_t *json = r->is_picture ? picture_json(path, r) : checkpoint_json(path, r, tensors);
    if (!json) return lt_complain(LT_EXIT_FAILED, "out of memory");
    json_dumpf(json, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
    printf("\n");
    json_decref(json);
    return LT_EXIT_OK;
}
