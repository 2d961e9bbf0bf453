/* Tensor names, from one world to the other: the walk over a model gives both names of every place in it. */
#include "models/names.h"

#include "models/average.h"
#include "models/classifier.h"
#include "models/clip.h"
#include "models/controlnet.h"
#include "models/ip_adapter.h"
#include "models/openclip.h"
#include "models/scales.h"
#include "models/t2i.h"
#include "models/taesd.h"
#include "models/unet.h"
#include "models/upscaler.h"
#include "models/vae.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The places of a model ---- */

typedef struct places {
    lt_place *at; /* [count], sorted by their names in the naming that is read */
    size_t count, capacity;
    lt_status status;
} places;

static void add_place(void *user, const lt_place *place) {
    places *p = user;
    if (!p->status) p->status = LT_GROW(p->at, p->count, p->capacity);
    if (!p->status) p->at[p->count++] = *place;
}

/* The walk over a model whose description is read from its names. */
static lt_status walk_names(const lt_names *n, lt_role role, lt_naming naming, lt_walk *walk) {
    lt_unet unet = {0};
    lt_vae vae = {0};
    lt_clip_text text = {0};
    lt_clip_image image = {0};
    lt_taesd taesd = {0};
    lt_upscaler upscaler = {0};
    lt_ip_adapter image_prompt = {0};
    lt_controlnet control = {0};
    lt_t2i adapter = {0};
    switch (role) {
    case LT_ROLE_UNET: LT_TRY(lt_unet_read(n, naming, &unet)); return lt_unet_walk(&unet, walk), LT_OK;
    case LT_ROLE_VAE: LT_TRY(lt_vae_read(n, naming, &vae)); return lt_vae_walk(&vae, walk), LT_OK;
    case LT_ROLE_CLASSIFIER:
        LT_TRY(lt_unet_read(n, naming, &unet));
        return lt_classifier_walk(&(lt_classifier){.half = unet}, walk), LT_OK;
    case LT_ROLE_TEXT: lt_clip_text_read(n, "", &text); return lt_clip_text_walk(&text, "", walk), LT_OK;
    case LT_ROLE_OPEN_TEXT:
        lt_clip_text_read(n, "text_model.", &text);
        return lt_clip_projected_walk(&text, walk), LT_OK;
    case LT_ROLE_CLIP:
        lt_clip_text_read(n, "text_model.", &text);
        lt_clip_image_read(n, &image);
        return lt_clip_walk(&text, &image, walk), LT_OK;
    case LT_ROLE_TAESD_ENCODER:
        lt_taesd_read_encoder(n, naming, &taesd);
        return lt_taesd_walk_encoder(&taesd, walk), LT_OK;
    case LT_ROLE_TAESD_DECODER:
        lt_taesd_read_decoder(n, naming, &taesd);
        return lt_taesd_walk_decoder(&taesd, walk), LT_OK;
    case LT_ROLE_UPSCALER:
        LT_TRY(lt_upscaler_read(n, naming, &upscaler));
        return lt_upscaler_walk(&upscaler, walk), LT_OK;
    case LT_ROLE_IMAGE_PROMPT:
        lt_ip_adapter_read(n, &image_prompt);
        return lt_ip_adapter_walk(&image_prompt, walk), LT_OK;
    case LT_ROLE_CONTROL:
        LT_TRY(lt_controlnet_read(n, naming, &control));
        return lt_controlnet_walk(&control, walk), LT_OK;
    case LT_ROLE_ADAPTER: LT_TRY(lt_t2i_read(n, naming, &adapter)); return lt_t2i_walk(&adapter, walk), LT_OK;
    case LT_ROLE_COUNT: break;
    }
    return LT_OK;
}

static int compare_ldm(const void *a, const void *b) {
    return strcmp(((const lt_place *)a)->name[LT_NAMING_LDM], ((const lt_place *)b)->name[LT_NAMING_LDM]);
}

static int compare_diffusers(const void *a, const void *b) {
    return strcmp(((const lt_place *)a)->name[LT_NAMING_DIFFUSERS], ((const lt_place *)b)->name[LT_NAMING_DIFFUSERS]);
}

/* p->at is the caller's to free, whatever is returned. */
static lt_status make_places(const lt_names *n, lt_role role, lt_naming naming, places *p) {
    *p = (places){0};
    LT_TRY(walk_names(n, role, naming, &(lt_walk){.visit = add_place, .user = p}));
    if (!p->status) qsort(p->at, p->count, sizeof *p->at, naming == LT_NAMING_LDM ? compare_ldm : compare_diffusers);
    return p->status;
}

/* The first place called so (n characters). */
static size_t find_place(const places *p, lt_naming naming, const char *name, size_t n) {
    size_t low = 0, high = p->count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        const char *at = p->at[middle].name[naming];
        const int order = strncmp(at, name, n);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- One name ---- */

/* The rest of name after a whole component path and its dot: ("out.2.weight", "out.2") -> "weight"; NULL if it is not
 * that. */
static const char *after_path(const char *name, const char *path) {
    if (path[0] == '\0') return name;
    const char *rest = lt_name_after(name, path);
    if (!rest || (*rest != '\0' && *rest != '.')) return NULL;
    return *rest ? rest + 1 : rest;
}

/* prefix and the names of a place, a module and what is in it, into text [LT_NAME_SIZE]; false: too long. */
static bool join(const char *prefix, const char *a, const char *b, const char *tail, char *text) {
    const int n = snprintf(text, LT_NAME_SIZE, "%s%s%s%s%s%s", prefix, a, *a && *b ? "." : "", b,
                           (*a || *b) && *tail ? "." : "", tail);
    return n > 0 && n < LT_NAME_SIZE;
}

/* The rest of name, which is inside a place, from one naming to the other; a layer may be called as in `called`. */
static const lt_row *translate_at(const lt_place *at, lt_naming called, lt_naming to, const char *inner,
                                  const char *prefix, char *text) {
    for (size_t j = 0; j < at->count; j++) {
        const char *tail = after_path(inner, at->rows[j].name[called]);
        if (tail) return join(prefix, at->name[to], at->rows[j].name[to], tail, text) ? &at->rows[j] : NULL;
    }
    return NULL;
}

/* name (without prefix) from one naming to the other, into text [LT_NAME_SIZE], begun with prefix. A layer may be
 * called as in the other naming. Returns its row, or NULL if no place has it. */
static const lt_row *translate(const places *p, lt_naming from, lt_naming to, const char *name, const char *prefix,
                               char *text) {
    const lt_naming calls[LT_NAMINGS] = {from, from == LT_NAMING_LDM ? LT_NAMING_DIFFUSERS : LT_NAMING_LDM};
    for (size_t k = 0; k < LT_NAMINGS; k++)
        for (size_t n = 0;; n += 1 + strcspn(name + n + 1, ".")) { /* each place that it may be in */
            for (size_t i = find_place(p, from, name, n); i < p->count; i++) {
                const lt_place *at = &p->at[i];
                if (strlen(at->name[from]) != n || strncmp(at->name[from], name, n)) break;
                const char *inner = name[n] && n ? name + n + 1 : name + n;
                const lt_row *row = translate_at(at, calls[k], to, inner, prefix, text);
                if (row) return row;
            }
            if (!name[n]) break;
        }
    return NULL;
}

/* ---- Layers ---- */

static lt_status visit_row(const lt_place *at, const lt_row *row, lt_layer_fn *visit, void *user) {
    char names[LT_NAMINGS][LT_NAME_SIZE];
    const char *const both[LT_NAMINGS] = {names[LT_NAMING_LDM], names[LT_NAMING_DIFFUSERS]};
    for (int n = 0; n < LT_NAMINGS; n++)
        if (!join("", at->name[n], row->name[n], "", names[n])) return LT_OK;
    return visit(user, both);
}

lt_status lt_names_visit(const lt_weights *weights, lt_role role, lt_layer_fn *visit, void *user) {
    const lt_names n = lt_names_of_weights(weights, lt_role_prefix(role), lt_role_name(role));
    places p;
    lt_status status = make_places(&n, role, LT_NAMING_LDM, &p);
    for (size_t i = 0; i < p.count && !status; i++)
        for (size_t j = 0; j < p.at[i].count && !status; j++)
            status = visit_row(&p.at[i], &p.at[i].rows[j], visit, user);
    lt_free(p.at);
    return status;
}

/* ---- There and back ---- */

/* The shape that a tensor of this row has in the other naming; the elements are the same. */
static void adapt_shape(lt_tensor *t, const lt_row *row, lt_naming to) {
    if (row->kind != LT_KIND_POINTWISE) return;
    if (to == LT_NAMING_LDM && t->rank == 2) {
        t->rank = 4;
        t->shape[2] = t->shape[3] = t->stride[2] = t->stride[3] = 1;
    } else if (to == LT_NAMING_DIFFUSERS && t->rank == 4 && t->shape[2] == 1 && t->shape[3] == 1) {
        t->rank = 2;
    }
}

/* Adds a model's tensors, which n has in one naming, in the other; ema: with averaged data. */
static lt_status add_translated(lt_tensor_list *list, const lt_names *n, lt_role role, lt_naming from, lt_naming to,
                                bool ema) {
    places p;
    lt_status status = make_places(n, role, from, &p);
    for (size_t i = 0; i < n->count && !status; i++) {
        char name[LT_NAME_SIZE];
        lt_tensor view = *n->at(n->of, i);
        const char *rest = lt_name_after(view.name, n->prefix), *prefix = lt_role_prefix_in(role, to);
        const lt_row *row = rest ? translate(&p, from, to, rest, prefix, name) : NULL;
        if (!row) continue;
        status = lt_scales_take(n->of, n->count, &view);
        if (!status && ema) status = lt_average_take(n->of, n->count, name, &view);
        adapt_shape(&view, row, to);
        if (!status) status = lt_tensor_list_add(list, name, &view);
    }
    lt_free(p.at);
    return status;
}

static lt_status none_of_roles(const lt_tensor *tensors, size_t count) {
    lt_layout layout;
    char text[128];
    LT_TRY(lt_layout_of(tensors, count, LT_ROLES_ALL, &layout));
    lt_layout_text(&layout, text, sizeof text);
    return lt_fail(LT_ERROR_MODEL, "not a model of the kind that is wanted here; the file is: %s", text);
}

static lt_status add_parts(lt_tensor_list *list, const lt_tensor *tensors, size_t count, unsigned roles, bool ema) {
    lt_layout layout;
    if (lt_layout_of(tensors, count, roles, &layout)) return none_of_roles(tensors, count);
    for (int role = 0; role < LT_ROLE_COUNT; role++) {
        if (!layout.parts[role].present) continue;
        const struct lt_layout_part *part = &layout.parts[role];
        const lt_names n = lt_names_of_tensors(tensors, count, part->prefix, lt_role_name((lt_role)role));
        LT_TRY(add_translated(list, &n, (lt_role)role, part->naming, LT_NAMING_LDM, ema && role == LT_ROLE_UNET));
    }
    lt_tensor_list_sort(list);
    for (size_t i = 1; i < list->count; i++)
        if (strcmp(list->tensors[i - 1].name, list->tensors[i].name) == 0)
            return lt_fail(LT_ERROR_MODEL, "%s is there twice, under two names", list->tensors[i].name);
    return LT_OK;
}

lt_status lt_names_add(lt_tensor_list *list, const lt_tensor *tensors, size_t count, unsigned roles, bool ema,
                       size_t *ignored) {
    const size_t before = list->count;
    lt_tensor_list known = {0}; /* names of other programs as those that the walks have */
    const bool alone = lt_average_alone(tensors, count);
    lt_status status = alone                                 ? lt_average_expand(tensors, count, &known)
                       : lt_openclip_is_here(tensors, count) ? lt_openclip_expand(tensors, count, &known)
                                                             : LT_OK;
    if (known.count) tensors = known.tensors;
    if (known.count) count = known.count;
    if (!status) status = add_parts(list, tensors, count, roles, ema && !alone);
    if (status)
        lt_tensor_list_free(list);
    else if (ignored)
        *ignored += count - (list->count - before);
    lt_tensor_list_free(&known);
    return status;
}

lt_status lt_names_to_diffusers(const lt_tensor *tensors, size_t count, lt_role role, lt_tensor_list *out) {
    *out = (lt_tensor_list){0};
    const lt_names n = lt_names_of_tensors(tensors, count, lt_role_prefix(role), lt_role_name(role));
    const lt_status status = add_translated(out, &n, role, LT_NAMING_LDM, LT_NAMING_DIFFUSERS, false);
    if (!status)
        lt_tensor_list_sort(out);
    else
        lt_tensor_list_free(out);
    return status;
}
