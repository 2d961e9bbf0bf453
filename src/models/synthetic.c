/* Synthetic checkpoints. The rule of the values stands in synthetic.h; the shapes are those of LDM's and OpenAI's
 * models. */
#include "models/synthetic.h"

#include "formats/formats.h"
#include "models/openclip.h"
#include "models/shapes.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- Configurations ---- */

#define SD_VAE(vae_width)                                                                                              \
    {                                                                                                                  \
        .latent_channels = 4, .channels = (vae_width), .levels = 4, .attention = true, .quant_conv = true,             \
        .post_quant_conv = true, .level = {                                                                            \
            {(vae_width), 2},                                                                                          \
            {2 * (vae_width), 2},                                                                                      \
            {4 * (vae_width), 2},                                                                                      \
            {4 * (vae_width), 2}                                                                                       \
        }                                                                                                              \
    }

#define CLIP_TEXT(text_width, text_layers)                                                                             \
    { .width = (text_width), .hidden = 4 * (text_width), .layers = (text_layers), .vocabulary = 49408, .positions = 77 }

/* What every SD 1.x checkpoint has in common, whatever its width. */
#define SD1_UNET(width, text_width, inputs)                                                                            \
    {                                                                                                                  \
        .in_channels = (inputs), .out_channels = 4, .channels = (width), .context_dim = (text_width), .levels = 4,     \
        .middle_depth = 1, .level = {                                                                                  \
            {(width), 2, 1},                                                                                           \
            {2 * (width), 2, 1},                                                                                       \
            {4 * (width), 2, 1},                                                                                       \
            {4 * (width), 2, 0}                                                                                        \
        }                                                                                                              \
    }

#define SD1(title, unet_width, vae_width, text_width, text_layers, inputs)                                             \
    {                                                                                                                  \
        .name = (title), .unet = SD1_UNET(unet_width, text_width, inputs), .vae = SD_VAE(vae_width),                   \
        .text = CLIP_TEXT(text_width, text_layers),                                                                    \
    }

#define OPEN_TEXT(text_width, text_layers)                                                                             \
    {                                                                                                                  \
        .width = (text_width), .hidden = 4 * (text_width), .layers = (text_layers), .vocabulary = 49408,               \
        .positions = 77, .projection = (text_width)                                                                    \
    }

#define SD2(title, unet_width, vae_width, text_width, text_layers)                                                     \
    {                                                                                                                  \
        .name = (title),                                                                                               \
        .unet = {.in_channels = 4,                                                                                     \
                 .out_channels = 4,                                                                                    \
                 .channels = (unet_width),                                                                             \
                 .context_dim = (text_width),                                                                          \
                 .linear = true,                                                                                       \
                 .levels = 4,                                                                                          \
                 .middle_depth = 1,                                                                                    \
                 .level = {{(unet_width), 2, 1},                                                                       \
                           {2 * (unet_width), 2, 1},                                                                   \
                           {4 * (unet_width), 2, 1},                                                                   \
                           {4 * (unet_width), 2, 0}}},                                                                 \
        .vae = SD_VAE(vae_width), .open_text = OPEN_TEXT(text_width, text_layers)                                      \
    }

/* depth: of the transformers in the middle levels and in the middle. */
#define REFINER(title, unet_width, open_width, open_layers, depth)                                                     \
    {                                                                                                                  \
        .name = (title),                                                                                               \
        .unet = {.in_channels = 4,                                                                                     \
                 .out_channels = 4,                                                                                    \
                 .channels = (unet_width),                                                                             \
                 .context_dim = (open_width),                                                                          \
                 .vector_dim = (open_width) + 5 * 256,                                                                 \
                 .linear = true,                                                                                       \
                 .levels = 4,                                                                                          \
                 .middle_depth = (depth),                                                                              \
                 .level = {{(unet_width), 2, 0},                                                                       \
                           {2 * (unet_width), 2, (depth)},                                                             \
                           {4 * (unet_width), 2, (depth)},                                                             \
                           {4 * (unet_width), 2, 0}}},                                                                 \
        .vae = SD_VAE(64), .open_text = OPEN_TEXT(open_width, open_layers)                                             \
    }

/* depth: of the second and the third level's transformers. */
#define XL_UNET(width, text_width, open_width, depth_1, depth_2)                                                       \
    {                                                                                                                  \
        .in_channels = 4, .out_channels = 4, .channels = (width), .context_dim = (text_width) + (open_width),          \
        .vector_dim = (open_width) + 6 * 256, .linear = true, .levels = 3, .middle_depth = (depth_2), .level = {       \
            {(width), 2, 0},                                                                                           \
            {2 * (width), 2, (depth_1)},                                                                               \
            {4 * (width), 2, (depth_2)}                                                                                \
        }                                                                                                              \
    }

#define SDXL(title, unet_width, vae_width, text_width, text_layers, open_width, open_layers, depth_1, depth_2)         \
    {                                                                                                                  \
        .name = (title), .unet = XL_UNET(unet_width, text_width, open_width, depth_1, depth_2),                        \
        .vae = SD_VAE(vae_width), .text = CLIP_TEXT(text_width, text_layers),                                          \
        .open_text = OPEN_TEXT(open_width, open_layers)                                                                \
    }

enum { TINY = 1, TINY_XL = 6 }; /* of sd_configs: those whose adapters there are */

static const lt_sd_architecture sd_configs[] = {
    SD1("sd15", 320, 128, 768, 12, 4),
    [TINY] = SD1("tiny", 64, 64, 64, 3, 4),
    SD1("tiny-inpaint", 64, 64, 64, 3, 9), /* latent, mask, latent of the masked picture */
    SD2("sd21", 320, 128, 1024, 24),
    SD2("tiny-sd2", 64, 64, 128, 3),
    SDXL("sdxl", 320, 128, 768, 12, 1280, 32, 2, 10),
    [TINY_XL] = SDXL("tiny-xl", 64, 64, 64, 3, 128, 3, 2, 3),
    REFINER("tiny-refiner", 64, 128, 3, 1),
};

#define CLIP(title, text_width, text_layers, image_width, image_layers, picture, patch_size, joint)                    \
    {                                                                                                                  \
        .name = (title),                                                                                               \
        .text = {.width = (text_width),                                                                                \
                 .hidden = 4 * (text_width),                                                                           \
                 .layers = (text_layers),                                                                              \
                 .heads = (text_width) / 64,                                                                           \
                 .vocabulary = 49408,                                                                                  \
                 .positions = 77,                                                                                      \
                 .projection = (joint)},                                                                               \
        .image = {.width = (image_width),                                                                              \
                  .hidden = 4 * (image_width),                                                                         \
                  .layers = (image_layers),                                                                            \
                  .heads = (image_width) / 64,                                                                         \
                  .size = (picture),                                                                                   \
                  .patch = (patch_size),                                                                               \
                  .projection = (joint)},                                                                              \
    }

static const lt_clip_architecture clip_configs[] = {
    CLIP("vit-b-32", 512, 12, 768, 12, 224, 32, 512),
    CLIP("tiny", 64, 3, 128, 2, 64, 16, 64),
};

const lt_sd_architecture *lt_synthetic_sd_find(const char *name) {
    for (size_t i = 0; i < LT_COUNT(sd_configs); i++)
        if (strcmp(sd_configs[i].name, name) == 0) return &sd_configs[i];
    return NULL;
}

const lt_clip_architecture *lt_synthetic_clip_find(const char *name) {
    for (size_t i = 0; i < LT_COUNT(clip_configs); i++)
        if (strcmp(clip_configs[i].name, name) == 0) return &clip_configs[i];
    return NULL;
}

#define TAESD_ROLES (1u << LT_ROLE_TAESD_ENCODER | 1u << LT_ROLE_TAESD_DECODER)
#define TAESD(title, part_roles, part_naming, part_width)                                                              \
    {                                                                                                                  \
        .name = (title), .roles = (part_roles), .naming = (part_naming), .taesd = {                                    \
            .latent_channels = 4,                                                                                      \
            .width = (part_width)                                                                                      \
        }                                                                                                              \
    }

#define ESRGAN(title, part_naming, part_width, part_blocks, part_squeeze)                                              \
    {                                                                                                                  \
        .name = (title), .roles = 1u << LT_ROLE_UPSCALER, .naming = (part_naming), .upscaler = {                       \
            .width = (part_width),                                                                                     \
            .grow = 32,                                                                                                \
            .blocks = (part_blocks),                                                                                   \
            .doubles = 2,                                                                                              \
            .squeeze = (part_squeeze)                                                                                  \
        }                                                                                                              \
    }

#define CONTROL(title, part_naming, unet_width, ...)                                                                   \
    {                                                                                                                  \
        .name = (title), .roles = 1u << LT_ROLE_CONTROL, .naming = (part_naming), .prefixed = true, .control = {       \
            .half = __VA_ARGS__,                                                                                       \
            .hint_channels = 3,                                                                                        \
            .hint = {16, 16, 32, 32, 96, 96, 256, (unet_width)}                                                        \
        }                                                                                                              \
    }

#define ADAPTER(title, width)                                                                                          \
    {                                                                                                                  \
        .name = (title), .roles = 1u << LT_ROLE_ADAPTER, .adapter = {                                                  \
            .hint_channels = 3,                                                                                        \
            .levels = 4,                                                                                               \
            .level = {{(width), 0, 2}, {2 * (width), 0, 2}, {4 * (width), 0, 2}, {4 * (width), 0, 2}}                  \
        }                                                                                                              \
    }

/* For the U-Net of a checkpoint, whose text is text_width wide, of the encoder below. */
#define IP_ADAPTER(title, of, text_width, is_plus, channels, count)                                                    \
    {                                                                                                                  \
        .name = (title), .roles = 1u << LT_ROLE_IMAGE_PROMPT,                                                          \
        .image_prompt = {.plus = (is_plus),                                                                            \
                         .embed = (channels),                                                                          \
                         .tokens = (count),                                                                            \
                         .context_dim = (text_width),                                                                  \
                         .layers = (is_plus) ? 4 : 0},                                                                 \
        .image_prompt_shape = {&(of).unet, (text_width)},                                                              \
    }

static const lt_part_architecture part_configs[] = {
    TAESD("tiny-taesd-encoder", 1u << LT_ROLE_TAESD_ENCODER, LT_NAMING_LDM, 32),
    TAESD("tiny-taesd-decoder", 1u << LT_ROLE_TAESD_DECODER, LT_NAMING_LDM, 32),
    TAESD("tiny-taesd-diffusers", TAESD_ROLES, LT_NAMING_DIFFUSERS, 32),
    TAESD("taesd", TAESD_ROLES, LT_NAMING_DIFFUSERS, 64),
    ESRGAN("tiny-esrgan-x4", LT_NAMING_LDM, 32, 2, 1),
    ESRGAN("tiny-esrgan-x4-old", LT_NAMING_DIFFUSERS, 32, 2, 1),
    ESRGAN("tiny-esrgan-x2", LT_NAMING_LDM, 32, 2, 2),
    {.name = "tiny-srvgg-x4",
     .roles = 1u << LT_ROLE_UPSCALER,
     .upscaler = {.kind = LT_UPSCALER_SRVGG, .width = 32, .blocks = 4, .scale = 4}},
    ESRGAN("esrgan-x4", LT_NAMING_LDM, 64, 23, 1),
    CONTROL("sd15-control", LT_NAMING_LDM, 320, SD1_UNET(320, 768, 4)),
    CONTROL("tiny-control", LT_NAMING_LDM, 64, SD1_UNET(64, 64, 4)),
    CONTROL("tiny-control-diffusers", LT_NAMING_DIFFUSERS, 64, SD1_UNET(64, 64, 4)),
    CONTROL("tiny-xl-control", LT_NAMING_LDM, 64, XL_UNET(64, 64, 128, 2, 3)),
    ADAPTER("sd15-t2i", 320),
    ADAPTER("tiny-t2i", 64),
    IP_ADAPTER("tiny-ip", sd_configs[TINY], 64, false, 96, 4),
    IP_ADAPTER("tiny-ip-plus", sd_configs[TINY], 64, true, 128, 16),
    IP_ADAPTER("tiny-xl-ip", sd_configs[TINY_XL], 64 + 128, false, 96, 4),
    {.name = "tiny-vit",
     .roles = 1u << LT_ROLE_CLIP,
     .image = {.width = 128, .hidden = 512, .layers = 3, .patch = 14, .size = 56, .projection = 96}},
};

const lt_part_architecture *lt_synthetic_part_find(const char *name) {
    for (size_t i = 0; i < LT_COUNT(part_configs); i++)
        if (strcmp(part_configs[i].name, name) == 0) return &part_configs[i];
    return NULL;
}

/* ---- Values ---- */

typedef struct rule {
    double base, scale;
} rule;

static bool ends_in_any(const char *name, const char *const *endings) {
    while (*endings && !lt_name_ends(name, *endings)) endings++;
    return *endings;
}

static bool has_any(const char *name, const char *const *words) {
    while (*words && !strstr(name, *words)) words++;
    return *words;
}

/* The last layer is the one with another number of outputs than inputs that doesn't read the picture. */
static bool is_last(const lt_part_architecture *part, const char *name, const size_t *shape) {
    if (part->upscaler.kind == LT_UPSCALER_SRVGG) return shape[0] != shape[1] && shape[1] != 3;
    return !strcmp(name, "conv_last.weight") || !strcmp(name, "model.10.weight");
}

/* What a tensor is of. */
typedef struct origin {
    const lt_part_architecture *part; /* NULL: a checkpoint */
    bool calm;                        /* the queries and keys of its U-Net are as loud as all else */
} origin;

enum { SEEN_ROLES = 1u << LT_ROLE_IMAGE_PROMPT | 1u << LT_ROLE_CLIP };

static bool plays(const lt_part_architecture *part, unsigned roles) { return part && part->roles & roles; }

/* How loud a matrix is. */
static double gain_of(const origin *of, const char *name, const size_t *shape) {
    const lt_part_architecture *part = of->part;
    static const char *const queries_and_keys[] = {
        ".to_q.weight",     ".to_k.weight",     ".q_proj.weight",  ".k_proj.weight",
        ".attn_1.q.weight", ".attn_1.k.weight", ".to_k_ip.weight", NULL};
    static const char *const zeros[] = {"zero_convs.", "middle_block_out.", "controlnet_down_blocks.",
                                        "controlnet_mid_block", NULL};
    if (plays(part, TAESD_ROLES)) return shape[0] != 3 ? 1.1 : 0.25;
    if (plays(part, 1u << LT_ROLE_UPSCALER)) return is_last(part, name, shape) ? 0.5 : 1.3;
    if (plays(part, 1u << LT_ROLE_ADAPTER)) return lt_name_ends(name, "block2.weight") ? 0.5 : 1;
    if (has_any(name, zeros)) return 0.3;
    if (lt_name_ends(name, "in_proj_weight")) return 1.5;
    if (of->calm && (lt_name_ends(name, ".to_q.weight") || lt_name_ends(name, ".to_k.weight"))) return 1;
    return ends_in_any(name, queries_and_keys) ? 2 : 1;
}

static rule rule_of(const origin *of, const char *name, int rank, const size_t *shape) {
    const lt_part_architecture *part = of->part;
    if (strcmp(name, "logit_scale") == 0) return (rule){log(1 / 0.07), 0.0};
    static const char *const learned[] = {"class_embedding", "image_proj.latents", NULL};
    if (lt_name_ends(name, "positional_embedding")) return (rule){0.0, 0.5};
    if (lt_name_ends(name, "in_proj_bias")) return (rule){0.0, 0.1};
    if (lt_name_ends(name, "embedding.weight")) return (rule){0.0, 0.5};
    if (plays(part, SEEN_ROLES) && ends_in_any(name, learned)) return (rule){0.0, 0.5};
    if (lt_name_ends(name, ".bias")) return (rule){0.0, 0.1};
    if (rank == 1) return plays(part, 1u << LT_ROLE_UPSCALER) ? (rule){0.2, 0.1} : (rule){1.0, 0.2};
    size_t fan_in = 1;
    for (int i = 1; i < rank; i++) fan_in *= shape[i];
    return (rule){0.0, gain_of(of, name, shape) * sqrt(3.0 / (double)fan_in)};
}

/* Fowler, Noll, Vo: FNV-1a, 64 bits. */
static uint64_t fnv1a(const char *text) {
    uint64_t h = 0xCBF29CE484222325;
    for (; *text; text++) h = (h ^ (uint8_t)*text) * 0x100000001B3;
    return h;
}

/* Steele, Lea, Flood 2014: the i-th output (from 0) of splitmix64 started at state, its upper 24 bits as a number in
 * [-1, 1). */
static inline double uniform(uint64_t state, uint64_t i) {
    uint64_t z = state + (i + 1) * 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    z ^= z >> 31;
    return (double)(int32_t)(z >> 40) * 0x1p-23 - 1.0;
}

static void make_values(const origin *of, const char *name, int rank, const size_t *shape, size_t start, size_t n,
                        float *out) {
    const rule r = rule_of(of, name, rank, shape);
    const uint64_t state = fnv1a(name);
    if (r.base == 0.0) {
        for (size_t i = 0; i < n; i++) out[i] = (float)(r.scale * uniform(state, start + i));
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const volatile double product =
            r.scale * uniform(state, start + i); /* rounded: never fused with the addition */
        out[i] = (float)(r.base + product);
    }
}

void lt_synthetic_values(const char *name, int rank, const size_t *shape, size_t start, size_t n, float *out) {
    make_values(&(origin){0}, name, rank, shape, start, n, out);
}

void lt_synthetic_fill(const lt_tensor *tensor, lt_dtype type, float *out) {
    const size_t n = lt_tensor_count(tensor);
    lt_synthetic_values(tensor->name, tensor->rank, tensor->shape, 0, n, out);
    if (strcmp(tensor->name, "logit_scale") == 0) return;
    if (type == LT_F16)
        for (size_t i = 0; i < n; i++) out[i] = lt_f16_to_f32(lt_f32_to_f16(out[i]));
    else if (type == LT_BF16)
        for (size_t i = 0; i < n; i++) out[i] = lt_bf16_to_f32(lt_f32_to_bf16(out[i]));
}

/* ---- Writers ---- */

static lt_status fill_values(void *user, const lt_tensor *tensor, float *values) {
    make_values(user, tensor->name, tensor->rank, tensor->shape, 0, lt_tensor_count(tensor), values);
    return LT_OK;
}

/* Writes and frees list. */
static lt_status write_list(lt_tensor_list *list, const origin *of, const char *path, lt_dtype type) {
    lt_status status = LT_ERROR_MEMORY;
    lt_dtype *types = lt_calloc(list->count, sizeof *types);
    if (types) {
        for (size_t i = 0; i < list->count; i++)
            types[i] = list->tensors[i].rank == 0 ? LT_F32 : type; /* logit_scale */
        status =
            lt_safetensors_write(path, list->tensors, list->count, NULL, 0, types, fill_values, (void *)(uintptr_t)of);
    }
    lt_free(types);
    lt_tensor_list_free(list);
    return status;
}

/* As its published file calls them. */
static lt_status list_file(const lt_sd_architecture *c, lt_tensor_list *list) {
    const bool two = c->text.layers && c->open_text.layers; /* XL */
    lt_lister lister = {.list = list, .prefix = two ? LT_XL_TEXT : lt_role_prefix(LT_ROLE_TEXT)};
    lt_walk walk = lt_walk_listing(&lister);
    LT_TRY(lt_sd_list(c, 1u << LT_ROLE_UNET | 1u << LT_ROLE_VAE, list));
    if (c->text.layers) lt_clip_text_walk(&c->text, "", &walk);
    LT_TRY(lister.status);
    if (!c->open_text.layers) return LT_OK;
    const char *alone = c->unet.vector_dim ? LT_REFINER_TEXT : LT_SD2_OPEN_TEXT;
    return lt_openclip_list(&c->open_text, two ? LT_XL_OPEN_TEXT : alone, list);
}

lt_status lt_synthetic_sd_write(const lt_sd_architecture *config, const char *path, lt_dtype type) {
    lt_tensor_list list = {0};
    const lt_status status = list_file(config, &list);
    if (!status) return write_list(&list, &(origin){.calm = config->open_text.layers > 0}, path, type);
    lt_tensor_list_free(&list);
    return status;
}

lt_status lt_synthetic_part_write(const lt_part_architecture *config, const char *path, lt_dtype type) {
    lt_tensor_list list;
    LT_TRY(lt_part_list(config, &list));
    return write_list(&list, &(origin){.part = config}, path, type);
}

/* What transformers' CLIPConfig needs to know; the rest are its defaults, which are OpenAI's. */
static lt_status clip_config_text(const lt_clip_architecture *c, lt_buffer *text) {
    LT_TRY(lt_buffer_printf(text,
                            "{\"architectures\": [\"CLIPModel\"], \"model_type\": \"clip\", \"projection_dim\": %d,\n"
                            " \"text_config\": {\"vocab_size\": %d, \"max_position_embeddings\": %d, \"bos_token_id\": "
                            "49406, \"eos_token_id\": 49407, \"pad_token_id\": 49407,\n",
                            c->text.projection, c->text.vocabulary, c->text.positions));
    LT_TRY(lt_buffer_printf(text,
                            "  \"hidden_size\": %d, \"intermediate_size\": %d, \"num_hidden_layers\": %d, "
                            "\"num_attention_heads\": %d, \"hidden_act\": \"quick_gelu\"},\n",
                            c->text.width, c->text.hidden, c->text.layers, c->text.heads));
    return lt_buffer_printf(text,
                            " \"vision_config\": {\"image_size\": %d, \"patch_size\": %d,\n"
                            "  \"hidden_size\": %d, \"intermediate_size\": %d, \"num_hidden_layers\": %d, "
                            "\"num_attention_heads\": %d, \"hidden_act\": \"quick_gelu\"}}\n",
                            c->image.size, c->image.patch, c->image.width, c->image.hidden, c->image.layers,
                            c->image.heads);
}

static lt_status write_text(const char *path, const lt_buffer *text) {
    lt_writer writer;
    LT_TRY(lt_writer_open(path, &writer));
    lt_status status = lt_writer_write(&writer, text->data, text->size);
    if (!status) return lt_writer_commit(&writer);
    lt_writer_abort(&writer);
    return status;
}

lt_status lt_synthetic_clip_write(const lt_clip_architecture *config, const char *folder, lt_dtype type) {
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return lt_fail(LT_ERROR_FILE, "%s: the folder can't be made: %s", folder, strerror(errno));
    lt_buffer text = {0};
    lt_tensor_list list = {0};
    char *settings = lt_format("%s/config.json", folder), *weights = lt_format("%s/model.safetensors", folder);
    lt_status status = settings && weights ? clip_config_text(config, &text) : LT_ERROR_MEMORY;
    if (!status) status = write_text(settings, &text);
    if (!status) status = lt_clip_list(config, &list);
    if (!status) status = write_list(&list, &(origin){0}, weights, type);
    lt_free(settings);
    lt_free(weights);
    lt_buffer_free(&text);
    return status;
}
