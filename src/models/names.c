/* Tensor names: one table for each model relates LDM's names and diffusers', and is read in both directions.
 *
 * A model is a list of places ("input_blocks.4.0" is "down_blocks.1.resnets.0"), each with a table of the modules in it
 * ("in_layers.2" is "conv1"). Which places there are follows from the levels, which follow from the names themselves.
 */
#include "models/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 256, PLACE_SIZE = 48, NAMINGS = 2 };

/* ---- The tables: what a module is called in both worlds ---- */

typedef const char *const module[NAMINGS]; /* [lt_naming] */

static module unet_ends[] = {
    {"time_embed.0", "time_embedding.linear_1"},
    {"time_embed.2", "time_embedding.linear_2"},
    {"label_emb.0.0", "add_embedding.linear_1"}, /* SDXL's sizes and pooled text */
    {"label_emb.0.2", "add_embedding.linear_2"},
    {"input_blocks.0.0", "conv_in"},
    {"out.0", "conv_norm_out"},
    {"out.2", "conv_out"},
};

static module unet_residual[] = {
    {"in_layers.0", "norm1"},  {"in_layers.2", "conv1"},  {"emb_layers.1", "time_emb_proj"},
    {"out_layers.0", "norm2"}, {"out_layers.3", "conv2"}, {"skip_connection", "conv_shortcut"},
};

static module unet_transformer[] = {
    {"norm", "norm"},
    {"proj_in", "proj_in"},
    {"transformer_blocks", "transformer_blocks"},
    {"proj_out", "proj_out"},
};

static module vae_ends[] = {
    {"encoder.conv_in", "encoder.conv_in"},
    {"encoder.norm_out", "encoder.conv_norm_out"},
    {"encoder.conv_out", "encoder.conv_out"},
    {"decoder.conv_in", "decoder.conv_in"},
    {"decoder.norm_out", "decoder.conv_norm_out"},
    {"decoder.conv_out", "decoder.conv_out"},
    {"quant_conv", "quant_conv"},
    {"post_quant_conv", "post_quant_conv"},
};

static module vae_residual[] = {
    {"norm1", "norm1"}, {"conv1", "conv1"}, {"norm2", "norm2"}, {"conv2", "conv2"}, {"nin_shortcut", "conv_shortcut"},
};

/* Where LDM has 1x1 convolutions [c, c, 1, 1], diffusers has linear layers [c, c], also where its scripts leave its
 * names in files of LDM's layout. The second four are what it called them before 0.15; the first row that fits is
 * taken, so these are read, not written. */
static module vae_attention[] = {
    {"norm", "group_norm"},    {"q", "to_q"},  {"k", "to_k"}, {"v", "to_v"},
    {"proj_out", "to_out.0"},  {"q", "query"}, {"k", "key"},  {"v", "value"},
    {"proj_out", "proj_attn"},
};

/* A single convolution in a place of its own: the place's name is the module's. */
static module whole[] = {{"", ""}};

static module text_modules[] = {
    {"embeddings.token_embedding", "embeddings.token_embedding"},
    {"embeddings.position_embedding", "embeddings.position_embedding"},
    {"encoder.layers", "encoder.layers"},
    {"final_layer_norm", "final_layer_norm"},
};

static module image_modules[] = {
    {"embeddings.class_embedding", "embeddings.class_embedding"},
    {"embeddings.patch_embedding", "embeddings.patch_embedding"},
    {"embeddings.position_embedding", "embeddings.position_embedding"},
    {"pre_layrnorm", "pre_layrnorm"}, /* spelled so in transformers */
    {"encoder.layers", "encoder.layers"},
    {"post_layernorm", "post_layernorm"},
};

static module clip_ends[] = {
    {"visual_projection", "visual_projection"},
    {"text_projection", "text_projection"},
    {"logit_scale", "logit_scale"},
};

static module classifier_modules[] = {
    {"time_embed", "time_embed"},
    {"input_blocks", "input_blocks"},
    {"middle_block", "middle_block"},
    {"pool", "pool"},
    {"out", "out"},
};

static const struct {
    const char *name;
    const char *prefix[NAMINGS]; /* [LDM]: the canonical one; [diffusers]: the one to write in a diffusers folder */
} roles_table[LT_ROLE_COUNT] = {
    [LT_ROLE_TEXT] = {"text encoder", {"cond_stage_model.transformer.text_model.", "text_model."}},
    [LT_ROLE_VAE] = {"VAE", {"first_stage_model.", ""}},
    [LT_ROLE_UNET] = {"U-Net", {"model.diffusion_model.", ""}},
    [LT_ROLE_CLIP] = {"CLIP", {"", ""}},
    [LT_ROLE_CLASSIFIER] = {"classifier", {"classifier.", "classifier."}},
};

/* Names that tell what a file is: prefix and name together. For each role the first that is there decides. */
static const struct landmark {
    const char *prefix, *name;
    lt_role role;
    lt_naming naming;
} landmarks[] = {
    {"model.diffusion_model.", "input_blocks.0.0.weight", LT_ROLE_UNET, LT_NAMING_LDM},
    {"diffusion_model.", "input_blocks.0.0.weight", LT_ROLE_UNET, LT_NAMING_LDM},
    {"", "input_blocks.0.0.weight", LT_ROLE_UNET, LT_NAMING_LDM},
    {"", "down_blocks.0.resnets.0.norm1.weight", LT_ROLE_UNET, LT_NAMING_DIFFUSERS},
    {"unet.", "down_blocks.0.resnets.0.norm1.weight", LT_ROLE_UNET, LT_NAMING_DIFFUSERS},
    {"first_stage_model.", "encoder.down.0.block.0.norm1.weight", LT_ROLE_VAE, LT_NAMING_LDM},
    {"first_stage_model.", "decoder.up.0.block.0.norm1.weight", LT_ROLE_VAE, LT_NAMING_LDM},
    {"", "encoder.down.0.block.0.norm1.weight", LT_ROLE_VAE, LT_NAMING_LDM},
    {"", "decoder.up.0.block.0.norm1.weight", LT_ROLE_VAE, LT_NAMING_LDM},
    {"", "encoder.down_blocks.0.resnets.0.norm1.weight", LT_ROLE_VAE, LT_NAMING_DIFFUSERS},
    {"", "decoder.up_blocks.0.resnets.0.norm1.weight", LT_ROLE_VAE, LT_NAMING_DIFFUSERS},
    {"vae.", "encoder.down_blocks.0.resnets.0.norm1.weight", LT_ROLE_VAE, LT_NAMING_DIFFUSERS},
    {"vae.", "decoder.up_blocks.0.resnets.0.norm1.weight", LT_ROLE_VAE, LT_NAMING_DIFFUSERS},
    {"first_stage_model.", "encoder.down_blocks.0.resnets.0.norm1.weight", LT_ROLE_VAE, LT_NAMING_DIFFUSERS},
    {"first_stage_model.", "decoder.up_blocks.0.resnets.0.norm1.weight", LT_ROLE_VAE, LT_NAMING_DIFFUSERS},
    {"", "vision_model.embeddings.class_embedding", LT_ROLE_CLIP, LT_NAMING_DIFFUSERS},
    {"cond_stage_model.transformer.text_model.", "embeddings.token_embedding.weight", LT_ROLE_TEXT, LT_NAMING_LDM},
    {"cond_stage_model.transformer.", "embeddings.token_embedding.weight", LT_ROLE_TEXT, LT_NAMING_LDM},
    {"classifier.", "input_blocks.0.0.weight", LT_ROLE_CLASSIFIER, LT_NAMING_LDM},
    {"text_model.", "embeddings.token_embedding.weight", LT_ROLE_TEXT, LT_NAMING_DIFFUSERS},
    {"", "embeddings.token_embedding.weight", LT_ROLE_TEXT, LT_NAMING_DIFFUSERS},
    {"text_encoder.text_model.", "embeddings.token_embedding.weight", LT_ROLE_TEXT, LT_NAMING_DIFFUSERS},
    {"text_encoder.", "embeddings.token_embedding.weight", LT_ROLE_TEXT, LT_NAMING_DIFFUSERS},
};

/* ---- Lists ---- */

lt_status lt_tensor_list_add(lt_tensor_list *list, const char *name, const lt_tensor *tensor) {
    if (list->count == list->capacity) {
        const size_t capacity = lt_max(256, 2 * list->capacity), item = sizeof *list->tensors;
        lt_tensor *grown = lt_realloc(list->tensors, list->count * item, capacity * item);
        if (!grown) return LT_ERROR_MEMORY;
        list->tensors = grown;
        list->capacity = capacity;
    }
    char *copy = lt_strdup(name);
    if (!copy) return LT_ERROR_MEMORY;
    list->tensors[list->count] = *tensor;
    list->tensors[list->count++].name = copy;
    return LT_OK;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const lt_tensor *)a)->name, ((const lt_tensor *)b)->name);
}

void lt_tensor_list_sort(lt_tensor_list *list) {
    if (list->count) qsort(list->tensors, list->count, sizeof *list->tensors, compare_names);
}

void lt_tensor_list_free(lt_tensor_list *list) {
    for (size_t i = 0; i < list->count; i++) lt_free((void *)(uintptr_t)list->tensors[i].name);
    lt_free(list->tensors);
    *list = (lt_tensor_list){0};
}

const lt_tensor *lt_tensor_find(const lt_tensor *tensors, size_t count, const char *name) {
    const lt_tensor key = {.name = name};
    return count ? bsearch(&key, tensors, count, sizeof *tensors, compare_names) : NULL;
}

/* ---- What a set of names is ---- */

const char *lt_role_name(lt_role role) { return roles_table[role].name; }

const char *lt_role_prefix(lt_role role) { return roles_table[role].prefix[LT_NAMING_LDM]; }

static bool is_of(const char *name, lt_role role) {
    const char *prefix = lt_role_prefix(role);
    return !strncmp(name, prefix, strlen(prefix));
}

bool lt_is_unet(const char *name) { return is_of(name, LT_ROLE_UNET); }
bool lt_is_vae(const char *name) { return is_of(name, LT_ROLE_VAE); }
bool lt_is_classifier(const char *name) { return is_of(name, LT_ROLE_CLASSIFIER); }
bool lt_is_text(const char *name) { return !lt_is_unet(name) && !lt_is_vae(name) && !lt_is_classifier(name); }

/* Is it the first with its name, whatever stands before it? */
static bool is_first(size_t i) {
    size_t k = 0;
    while (strcmp(landmarks[k].name, landmarks[i].name)) k++;
    return k == i;
}

static lt_status unknown_layout(void) {
    char list[900];
    size_t at = 0;
    list[0] = '\0';
    for (size_t i = 0; i < LT_COUNT(landmarks) && at < sizeof list; i++)
        if (is_first(i))
            at += (size_t)snprintf(list + at, sizeof list - at, "%s%s%s", i ? ", " : "", landmarks[i].prefix,
                                   landmarks[i].name);
    return lt_fail(
        LT_ERROR_MODEL,
        "no model that is known here: none of these tensors was found, nor one with another program's prefix: "
        "%s",
        list);
}

lt_status lt_layout_of(const lt_tensor *tensors, size_t count, lt_layout *layout) {
    *layout = (lt_layout){0};
    bool any = false;
    for (size_t i = 0; i < LT_COUNT(landmarks); i++) {
        const struct landmark *l = &landmarks[i];
        struct lt_layout_part *part = &layout->parts[l->role];
        char name[NAME_SIZE];
        snprintf(name, sizeof name, "%s%s", l->prefix, l->name);
        /* A CLIP's text tower is part of the CLIP, not a text encoder of its own. */
        const bool tower =
            l->role == LT_ROLE_TEXT && l->naming == LT_NAMING_DIFFUSERS && layout->parts[LT_ROLE_CLIP].present;
        if (part->present || tower || !lt_tensor_find(tensors, count, name)) continue;
        *part = (struct lt_layout_part){true, l->naming, l->prefix};
        any = true;
    }
    return any ? LT_OK : unknown_layout();
}

void lt_layout_text(const lt_layout *layout, char *text, size_t size) {
    size_t at = 0;
    text[0] = '\0';
    const char *last = "";
    for (int role = 0; role < LT_ROLE_COUNT && at < size; role++) {
        const struct lt_layout_part *part = &layout->parts[role];
        if (!part->present) continue;
        const bool transformers = role == LT_ROLE_TEXT || role == LT_ROLE_CLIP;
        const char *kind = role == LT_ROLE_CLASSIFIER      ? "latent"
                           : part->naming == LT_NAMING_LDM ? "LDM checkpoint"
                           : transformers                  ? "transformers"
                                                           : "diffusers";
        if (strcmp(kind, last) == 0)
            at += (size_t)snprintf(text + at, size - at, ", %s", lt_role_name((lt_role)role));
        else
            at += (size_t)snprintf(text + at, size - at, "%s%s: %s", at ? "; " : "", kind, lt_role_name((lt_role)role));
        last = kind;
    }
}

/* ---- Levels ---- */

/* What the numbers in the names of a U-Net or VAE say. */
typedef struct levels {
    int count;                     /* resolutions */
    int blocks[LT_MAX_LEVELS];     /* residual blocks on the way down; on the way up there is one more */
    bool attention[LT_MAX_LEVELS]; /* U-Net: transformers at this level */
} levels;

/* The names of one model in a file: those that begin with prefix. */
typedef struct names {
    const lt_tensor *tensors;
    size_t count;
    const char *prefix;
} names;

/* The rest of name after prefix, or NULL. */
static const char *after(const char *name, const char *prefix) {
    const size_t n = strlen(prefix);
    return strncmp(name, prefix, n) == 0 ? name + n : NULL;
}

/* How many numbers follow stem ("down_blocks."): the highest and one, at most LT_MAX_BLOCKS * LT_MAX_LEVELS. */
static int count_numbered(const names *n, const char *stem) {
    int highest = -1;
    for (size_t i = 0; i < n->count; i++) {
        const char *rest = after(n->tensors[i].name, n->prefix);
        rest = rest ? after(rest, stem) : NULL;
        int value = -1;
        for (; rest && *rest >= '0' && *rest <= '9' && value < LT_MAX_BLOCKS * LT_MAX_LEVELS; rest++)
            value = (value < 0 ? 0 : 10 * value) + (*rest - '0');
        if (rest && *rest == '.' && value > highest) highest = value;
    }
    const int limit = LT_MAX_BLOCKS * LT_MAX_LEVELS;
    return highest < limit ? highest + 1 : limit;
}

static bool has_stem(const names *n, const char *stem) {
    for (size_t i = 0; i < n->count; i++) {
        const char *rest = after(n->tensors[i].name, n->prefix);
        if (rest && after(rest, stem)) return true;
    }
    return false;
}

/* LDM numbers the U-Net's blocks through all levels; a level ends where a downsampler ("op") stands. */
static void unet_levels_ldm(const names *n, levels *l) {
    const int blocks = count_numbered(n, "input_blocks.");
    l->count = 1;
    for (int k = 1; k < blocks && l->count <= LT_MAX_LEVELS; k++) {
        char stem[PLACE_SIZE];
        snprintf(stem, sizeof stem, "input_blocks.%d.0.op.", k);
        const int level = l->count - 1;
        if (has_stem(n, stem)) {
            l->count++;
            continue;
        }
        l->blocks[level]++;
        snprintf(stem, sizeof stem, "input_blocks.%d.1.", k);
        if (has_stem(n, stem)) l->attention[level] = true;
    }
}

static void unet_levels_diffusers(const names *n, levels *l) {
    l->count = count_numbered(n, "down_blocks.");
    for (int level = 0; level < l->count && level < LT_MAX_LEVELS; level++) {
        char stem[PLACE_SIZE];
        snprintf(stem, sizeof stem, "down_blocks.%d.resnets.", level);
        l->blocks[level] = count_numbered(n, stem);
        snprintf(stem, sizeof stem, "down_blocks.%d.attentions.", level);
        l->attention[level] = has_stem(n, stem);
    }
}

/* Where the encoder is left out, the decoder tells: it has one block more at each level, and diffusers counts its
 * levels from the other end. */
static void vae_levels(const names *n, lt_naming naming, levels *l) {
    const bool ldm = naming == LT_NAMING_LDM;
    const char *down = ldm ? "encoder.down." : "encoder.down_blocks.", *up = ldm ? "decoder.up." : "decoder.up_blocks.";
    const char *block = ldm ? "block." : "resnets.";
    const bool encoder = has_stem(n, down);
    l->count = count_numbered(n, encoder ? down : up);
    for (int level = 0; level < l->count && level < LT_MAX_LEVELS; level++) {
        char stem[PLACE_SIZE];
        snprintf(stem, sizeof stem, "%s%d.%s", encoder ? down : up, encoder || ldm ? level : l->count - 1 - level,
                 block);
        l->blocks[level] = count_numbered(n, stem) - (encoder ? 0 : 1);
    }
}

static lt_status find_levels(const names *n, lt_role role, lt_naming naming, levels *l) {
    *l = (levels){0};
    if (role == LT_ROLE_VAE)
        vae_levels(n, naming, l);
    else if (naming == LT_NAMING_LDM)
        unet_levels_ldm(n, l);
    else
        unet_levels_diffusers(n, l);
    if (l->count < 1 || l->count > LT_MAX_LEVELS)
        return lt_fail(LT_ERROR_MODEL, "%s: the tensors' names speak of %d levels; 1 to %d are possible",
                       lt_role_name(role), l->count, LT_MAX_LEVELS);
    for (int level = 0; level < l->count; level++)
        if (l->blocks[level] < 1 || l->blocks[level] > LT_MAX_BLOCKS)
            return lt_fail(LT_ERROR_MODEL,
                           "%s: the tensors' names speak of %d blocks at level %d; 1 to %d are possible",
                           lt_role_name(role), l->blocks[level], level, LT_MAX_BLOCKS);
    return LT_OK;
}

/* ---- Places ---- */

typedef struct place {
    char name[NAMINGS][PLACE_SIZE];
    module *modules;
    size_t count;
} place;

/* Ends (3 for a CLIP), the middle (3, twice for a VAE), and up to two places for every block and a resampler for every
 * level, on the way down and, with one block more, up. */
enum { MAX_PLACES = 16 + 2 * LT_MAX_LEVELS * (2 * (LT_MAX_BLOCKS + 1) + 1) };

typedef struct places {
    place *at;
    size_t count;
} places;

#define MODULES(table) (table), LT_COUNT(table)

/* A place, both of whose names are printed by one format: LDM's, a space, diffusers'. */
__attribute__((format(printf, 4, 5))) static void add_place(places *p, module *modules, size_t count,
                                                            const char *format, ...) {
    char text[NAMINGS * PLACE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const size_t split = strcspn(text, " ");
    place *added = &p->at[p->count++];
    *added = (place){.modules = modules, .count = count};
    snprintf(added->name[LT_NAMING_LDM], PLACE_SIZE, "%.*s", (int)split, text);
    snprintf(added->name[LT_NAMING_DIFFUSERS], PLACE_SIZE, "%s", text + split + 1);
}

static void unet_places(const levels *l, places *p) {
    add_place(p, MODULES(unet_ends), " ");
    int k = 1; /* input_blocks.0 is the first convolution */
    for (int level = 0; level < l->count; level++) {
        for (int j = 0; j < l->blocks[level]; j++, k++) {
            add_place(p, MODULES(unet_residual), "input_blocks.%d.0 down_blocks.%d.resnets.%d", k, level, j);
            if (l->attention[level])
                add_place(p, MODULES(unet_transformer), "input_blocks.%d.1 down_blocks.%d.attentions.%d", k, level, j);
        }
        if (level + 1 < l->count)
            add_place(p, MODULES(whole), "input_blocks.%d.0.op down_blocks.%d.downsamplers.0.conv", k++, level);
    }
    add_place(p, MODULES(unet_residual), "middle_block.0 mid_block.resnets.0");
    add_place(p, MODULES(unet_transformer), "middle_block.1 mid_block.attentions.0");
    add_place(p, MODULES(unet_residual), "middle_block.2 mid_block.resnets.1");
    k = 0;
    for (int up = 0; up < l->count; up++) {
        const int level = l->count - 1 - up, last = l->blocks[level];
        for (int j = 0; j <= last; j++, k++) {
            add_place(p, MODULES(unet_residual), "output_blocks.%d.0 up_blocks.%d.resnets.%d", k, up, j);
            if (l->attention[level])
                add_place(p, MODULES(unet_transformer), "output_blocks.%d.1 up_blocks.%d.attentions.%d", k, up, j);
            if (level > 0 && j == last) /* the upsampler stands behind the attention, if there is one */
                add_place(p, MODULES(whole), "output_blocks.%d.%d.conv up_blocks.%d.upsamplers.0.conv", k,
                          l->attention[level] ? 2 : 1, up);
        }
    }
}

static void vae_middle_places(const char *half, places *p) {
    add_place(p, MODULES(vae_residual), "%s.mid.block_1 %s.mid_block.resnets.0", half, half);
    add_place(p, MODULES(vae_attention), "%s.mid.attn_1 %s.mid_block.attentions.0", half, half);
    add_place(p, MODULES(vae_residual), "%s.mid.block_2 %s.mid_block.resnets.1", half, half);
}

static void vae_places(const levels *l, places *p) {
    add_place(p, MODULES(vae_ends), " ");
    vae_middle_places("encoder", p);
    vae_middle_places("decoder", p);
    for (int level = 0; level < l->count; level++) {
        const int up = l->count - 1 - level; /* the decoder's levels: by resolution in LDM, as they run in diffusers */
        for (int j = 0; j < l->blocks[level]; j++)
            add_place(p, MODULES(vae_residual), "encoder.down.%d.block.%d encoder.down_blocks.%d.resnets.%d", level, j,
                      level, j);
        add_place(p, MODULES(whole), "encoder.down.%d.downsample.conv encoder.down_blocks.%d.downsamplers.0.conv",
                  level, level);
        for (int j = 0; j <= l->blocks[level]; j++)
            add_place(p, MODULES(vae_residual), "decoder.up.%d.block.%d decoder.up_blocks.%d.resnets.%d", level, j, up,
                      j);
        add_place(p, MODULES(whole), "decoder.up.%d.upsample.conv decoder.up_blocks.%d.upsamplers.0.conv", level, up);
    }
}

/* The places of a model whose names in n follow naming; p->at is the caller's to free. */
static lt_status make_places(const names *n, lt_role role, lt_naming naming, places *p) {
    levels l = {0};
    *p = (places){0};
    if (role == LT_ROLE_UNET || role == LT_ROLE_VAE) LT_TRY(find_levels(n, role, naming, &l));
    p->at = lt_alloc(MAX_PLACES * sizeof *p->at);
    if (!p->at) return LT_ERROR_MEMORY;
    switch (role) {
    case LT_ROLE_UNET: unet_places(&l, p); break;
    case LT_ROLE_VAE: vae_places(&l, p); break;
    case LT_ROLE_TEXT: add_place(p, MODULES(text_modules), " "); break;
    case LT_ROLE_CLIP:
        add_place(p, MODULES(clip_ends), " ");
        add_place(p, MODULES(text_modules), "text_model text_model");
        add_place(p, MODULES(image_modules), "vision_model vision_model");
        break;
    case LT_ROLE_CLASSIFIER: add_place(p, MODULES(classifier_modules), " "); break;
    case LT_ROLE_COUNT: break;
    }
    return LT_OK;
}

/* The rest of name after a whole component path and its dot: ("out.2.weight", "out.2") -> "weight"; NULL if it is not
 * that. */
static const char *after_path(const char *name, const char *path) {
    if (path[0] == '\0') return name;
    const char *rest = after(name, path);
    if (!rest || (*rest != '\0' && *rest != '.')) return NULL;
    return *rest ? rest + 1 : rest;
}

/* prefix and the names of a place, a module and what is in it, into text [NAME_SIZE]; false: too long. */
static bool join(const char *prefix, const char *a, const char *b, const char *tail, char *text) {
    const int n = snprintf(text, NAME_SIZE, "%s%s%s%s%s%s", prefix, a, *a && *b ? "." : "", b,
                           (*a || *b) && *tail ? "." : "", tail);
    return n > 0 && n < NAME_SIZE;
}

/* name (without prefix) from one naming to the other, into text [NAME_SIZE], begun with prefix. A module may be called
 * as in the other naming. Returns its place, or NULL if no place has it. */
static const place *translate(const places *p, lt_naming from, lt_naming to, const char *name, const char *prefix,
                              char *text) {
    const lt_naming calls[NAMINGS] = {from, from == LT_NAMING_LDM ? LT_NAMING_DIFFUSERS : LT_NAMING_LDM};
    for (size_t k = 0; k < NAMINGS; k++)
        for (size_t i = 0; i < p->count; i++) {
            const place *at = &p->at[i];
            const char *inner = after_path(name, at->name[from]);
            for (size_t j = 0; inner && j < at->count; j++) {
                const char *tail = after_path(inner, at->modules[j][calls[k]]);
                if (tail) return join(prefix, at->name[to], at->modules[j][to], tail, text) ? at : NULL;
            }
        }
    return NULL;
}

/* The shape that a tensor of this place has in the other naming; the elements are the same. */
static void adapt_shape(lt_tensor *t, const place *at, lt_naming to) {
    if (at->modules != vae_attention) return;
    if (to == LT_NAMING_LDM && t->rank == 2) {
        t->rank = 4;
        t->shape[2] = t->shape[3] = t->stride[2] = t->stride[3] = 1;
    } else if (to == LT_NAMING_DIFFUSERS && t->rank == 4 && t->shape[2] == 1 && t->shape[3] == 1) {
        t->rank = 2;
    }
}

/* ---- There and back ---- */

bool lt_ema_name(const char *name, char *text, size_t size) {
    /* LDM averages the parameters of the module "model", so that part of the name is not in it; dots can't be in it. */
    const char *rest = after(name, lt_role_prefix(LT_ROLE_UNET)) ? after(name, "model.") : NULL;
    if (!rest || size == 0) return false;
    size_t at = (size_t)snprintf(text, size, "model_ema.");
    for (; *rest && at < size; rest++)
        if (*rest != '.') text[at++] = *rest;
    if (at >= size) return false;
    text[at] = '\0';
    return true;
}

/* What the parts of an averaged U-Net tensor's name can be, a longer one before those that it begins with. */
static const char *const ema_words[] = {
    "time_embed",
    "label_emb",
    "input_blocks",
    "middle_block",
    "output_blocks",
    "in_layers",
    "emb_layers",
    "out_layers",
    "out",
    "transformer_blocks",
    "attn1",
    "attn2",
    "to_q",
    "to_k",
    "to_v",
    "to_out",
    "ff",
    "net",
    "norm1",
    "norm2",
    "norm3",
    "skip_connection",
    "norm",
    "proj_in",
    "proj_out",
    "proj",
    "conv",
    "op",
    "weight",
    "bias",
};

/* The length of the part that rest begins with, or 0. In a list of blocks the last digit is a number of its own. */
static size_t ema_part(const char *rest, bool in_blocks) {
    const size_t digits = strspn(rest, "0123456789");
    if (digits) return in_blocks && digits > 1 ? digits - 1 : digits;
    for (size_t i = 0; i < LT_COUNT(ema_words); i++)
        if (after(rest, ema_words[i])) return strlen(ema_words[i]);
    return 0;
}

/* The way back: the canonical name, into text [NAME_SIZE], of what LDM calls so in its average. */
static bool from_ema_name(const char *name, char *text) {
    const char *rest = after(name, "model_ema.diffusion_model");
    size_t at = (size_t)snprintf(text, NAME_SIZE, "model.diffusion_model");
    for (bool in_blocks = false; rest && *rest;) {
        const size_t n = ema_part(rest, in_blocks);
        if (!n || n + 2 > NAME_SIZE - at) return false;
        at += (size_t)snprintf(text + at, NAME_SIZE - at, ".%.*s", (int)n, rest);
        in_blocks = after(rest, "input_blocks") || after(rest, "output_blocks");
        rest += n;
    }
    return rest != NULL;
}

/* A file that has its U-Net as an average alone: out is the same tensors with these under their canonical names. */
static lt_status expand_average(const lt_tensor *tensors, size_t count, lt_tensor_list *out) {
    lt_status status = LT_OK;
    for (size_t i = 0; i < count && !status; i++) {
        char name[NAME_SIZE];
        status = lt_tensor_list_add(out, from_ema_name(tensors[i].name, name) ? name : tensors[i].name, &tensors[i]);
    }
    if (!status) lt_tensor_list_sort(out);
    return status;
}

static bool has_average_alone(const lt_tensor *tensors, size_t count) {
    return lt_tensor_find(tensors, count, "model_ema.diffusion_modelinput_blocks00weight") &&
           !lt_tensor_find(tensors, count, "model.diffusion_model.input_blocks.0.0.weight");
}

/* Puts the averaged tensor's data in the place of view's. name is canonical. */
static lt_status take_average(const lt_tensor *tensors, size_t count, const char *name, lt_tensor *view) {
    char ema[NAME_SIZE + 8] = "";
    const lt_tensor *average = lt_ema_name(name, ema, sizeof ema) ? lt_tensor_find(tensors, count, ema) : NULL;
    if (!average)
        return lt_fail(LT_ERROR_MODEL, "no averaged (EMA) weights: %s is not in the file; open it without them", ema);
    if (!lt_tensor_has_shape(average, view->rank, view->shape)) {
        char found[128], expected[128];
        lt_tensor_shape_text(average, found, sizeof found);
        lt_tensor_shape_text(view, expected, sizeof expected);
        return lt_fail(LT_ERROR_MODEL, "%s has shape %s, expected %s", ema, found, expected);
    }
    *view = *average;
    return LT_OK;
}

/* ComfyUI keeps F8 weights beside the number that multiplies them: drawing without it would be wrong. */
static lt_status check_unscaled(const char *name) {
    static const char *const scales[] = {".scale_weight", ".weight_scale"};
    for (size_t i = 0; i < LT_COUNT(scales); i++) {
        const size_t n = strlen(name), m = strlen(scales[i]);
        if (n > m && !strcmp(name + n - m, scales[i]))
            return lt_fail(LT_ERROR_UNSUPPORTED,
                           "tensor %s scales its layer's weights, which is not served: use this model in F16 or BF16",
                           name);
    }
    return LT_OK;
}

static lt_status add_part(lt_tensor_list *list, const lt_tensor *tensors, size_t count, lt_role role,
                          const struct lt_layout_part *part, bool ema) {
    const names n = {tensors, count, part->prefix};
    places p;
    LT_TRY(make_places(&n, role, part->naming, &p));
    lt_status status = LT_OK;
    for (size_t i = 0; i < count && status == LT_OK; i++) {
        char name[NAME_SIZE];
        const char *rest = after(tensors[i].name, part->prefix);
        const place *at = rest ? translate(&p, part->naming, LT_NAMING_LDM, rest, lt_role_prefix(role), name) : NULL;
        if (!at) continue;
        lt_tensor view = tensors[i];
        status = check_unscaled(tensors[i].name);
        if (!status && ema && role == LT_ROLE_UNET) status = take_average(tensors, count, name, &view);
        adapt_shape(&view, at, LT_NAMING_LDM);
        if (status == LT_OK) status = lt_tensor_list_add(list, name, &view);
    }
    lt_free(p.at);
    return status;
}

static lt_status add_parts(lt_tensor_list *list, const lt_tensor *tensors, size_t count, unsigned roles, bool ema) {
    lt_layout layout;
    LT_TRY(lt_layout_of(tensors, count, &layout));
    bool any = false;
    for (int role = 0; role < LT_ROLE_COUNT; role++) {
        if (!layout.parts[role].present || !(roles >> role & 1)) continue;
        LT_TRY(add_part(list, tensors, count, (lt_role)role, &layout.parts[role], ema));
        any = true;
    }
    if (!any) {
        char text[128];
        lt_layout_text(&layout, text, sizeof text);
        return lt_fail(LT_ERROR_MODEL, "not a model of the kind that is wanted here; the file is: %s", text);
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
    lt_tensor_list average = {0};
    const bool alone = has_average_alone(tensors, count);
    lt_status status = alone ? expand_average(tensors, count, &average) : LT_OK;
    if (!status)
        status = alone ? add_parts(list, average.tensors, average.count, roles, false)
                       : add_parts(list, tensors, count, roles, ema);
    lt_tensor_list_free(&average);
    if (status != LT_OK)
        lt_tensor_list_free(list);
    else if (ignored)
        *ignored += count - (list->count - before);
    return status;
}

lt_status lt_names_to_diffusers(const lt_tensor *tensors, size_t count, lt_role role, lt_tensor_list *out) {
    *out = (lt_tensor_list){0};
    const names n = {tensors, count, lt_role_prefix(role)};
    places p;
    LT_TRY(make_places(&n, role, LT_NAMING_LDM, &p));
    lt_status status = LT_OK;
    for (size_t i = 0; i < count && status == LT_OK; i++) {
        char name[NAME_SIZE];
        const char *rest = after(tensors[i].name, n.prefix), *prefix = roles_table[role].prefix[LT_NAMING_DIFFUSERS];
        const place *at = rest ? translate(&p, LT_NAMING_LDM, LT_NAMING_DIFFUSERS, rest, prefix, name) : NULL;
        if (!at) continue;
        lt_tensor view = tensors[i];
        adapt_shape(&view, at, LT_NAMING_DIFFUSERS);
        status = lt_tensor_list_add(out, name, &view);
    }
    lt_free(p.at);
    if (status == LT_OK)
        lt_tensor_list_sort(out);
    else
        lt_tensor_list_free(out);
    return status;
}
