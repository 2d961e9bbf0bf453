/* Synthetic checkpoints. The rule of the values stands in synthetic.h; the shapes are those of LDM's and OpenAI's
 * models. */
#include "models/synthetic.h"

#include "formats/formats.h"
#include "models/shapes.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- Configurations ---- */

/* What every SD 1.x checkpoint has in common, whatever its width. */
#define SD1(title, width, vae_width, text_width, layers, inputs)                                                       \
    {                                                                                                                  \
        .name = (title), .model_channels = (width), .in_channels = (inputs), .latent_channels = 4,                     \
        .context_dim = (text_width), .levels = 4, .num_res_blocks = 2, .channel_mult = {1, 2, 4, 4},                   \
        .attention = {true, true, true, false}, .vae_channels = (vae_width), .vae_levels = 4, .vae_res_blocks = 2,     \
        .vae_mult = {1, 2, 4, 4}, .clip_width = (text_width), .clip_vocab = 49408, .clip_positions = 77,               \
        .clip_layers = (layers)                                                                                        \
    }

static const lt_synthetic_sd sd_configs[] = {
    SD1("sd15", 320, 128, 768, 12, 4), SD1("tiny", 64, 64, 64, 3, 4),
    SD1("tiny-inpaint", 64, 64, 64, 3, 9), /* latent, mask, latent of the masked picture */
};

static const lt_synthetic_clip clip_configs[] = {
    {.name = "vit-b-32",
     .text_width = 512,
     .text_layers = 12,
     .vocab = 49408,
     .positions = 77,
     .image_width = 768,
     .image_layers = 12,
     .image_size = 224,
     .patch_size = 32,
     .projection = 512},
    {.name = "tiny",
     .text_width = 64,
     .text_layers = 3,
     .vocab = 49408,
     .positions = 77,
     .image_width = 128,
     .image_layers = 2,
     .image_size = 64,
     .patch_size = 16,
     .projection = 64},
};

const lt_synthetic_sd *lt_synthetic_sd_find(const char *name) {
    for (size_t i = 0; i < LT_COUNT(sd_configs); i++)
        if (strcmp(sd_configs[i].name, name) == 0) return &sd_configs[i];
    return NULL;
}

const lt_synthetic_clip *lt_synthetic_clip_find(const char *name) {
    for (size_t i = 0; i < LT_COUNT(clip_configs); i++)
        if (strcmp(clip_configs[i].name, name) == 0) return &clip_configs[i];
    return NULL;
}

/* ---- Lists: the modules of a model in order, each adding its tensors under the path that leads to it ---- */

typedef struct builder {
    lt_tensor_list *list;
    lt_buffer path;   /* "model.diffusion_model.input_blocks.1.0" */
    lt_status status; /* of the first failure; what follows it does nothing */
} builder;

/* Appends a name to the path, with a dot between; returns what leave needs to take it off again. */
__attribute__((format(printf, 2, 3))) static size_t enter(builder *b, const char *format, ...) {
    const size_t before = b->path.size;
    va_list args;
    va_start(args, format);
    char name[128];
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    if (b->status == LT_OK) b->status = lt_buffer_printf(&b->path, "%s%s", before ? "." : "", name);
    return before;
}

static void leave(builder *b, size_t before) {
    b->path.size = lt_min(b->path.size, before);
    if (b->path.data) b->path.data[b->path.size] = '\0';
}

/* A tensor of the given shape, rank at most 4: dimensions of 0 are left out. */
static void tensor(builder *b, const char *name, size_t d0, size_t d1, size_t d2, size_t d3) {
    const size_t before = enter(b, "%s", name), shape[4] = {d0, d1, d2, d3};
    lt_tensor t = {.dtype = LT_F32};
    for (; t.rank < 4 && shape[t.rank]; t.rank++) t.shape[t.rank] = shape[t.rank];
    lt_tensor_set_contiguous(&t);
    if (b->status == LT_OK) b->status = lt_tensor_list_add(b->list, b->path.data, &t);
    leave(b, before);
}

static void norm(builder *b, const char *name, size_t channels) {
    const size_t before = enter(b, "%s", name);
    tensor(b, "weight", channels, 0, 0, 0);
    tensor(b, "bias", channels, 0, 0, 0);
    leave(b, before);
}

static void matrix(builder *b, const char *name, size_t out, size_t in) {
    const size_t before = enter(b, "%s", name);
    tensor(b, "weight", out, in, 0, 0);
    leave(b, before);
}

static void linear(builder *b, const char *name, size_t out, size_t in) {
    matrix(b, name, out, in);
    const size_t before = enter(b, "%s", name);
    tensor(b, "bias", out, 0, 0, 0);
    leave(b, before);
}

static void conv(builder *b, const char *name, size_t out, size_t in, size_t kernel) {
    const size_t before = enter(b, "%s", name);
    tensor(b, "weight", out, in, kernel, kernel);
    tensor(b, "bias", out, 0, 0, 0);
    leave(b, before);
}

/* ---- The U-Net ---- */

static void unet_residual(builder *b, size_t in, size_t out, size_t time) {
    norm(b, "in_layers.0", in);
    conv(b, "in_layers.2", out, in, 3);
    linear(b, "emb_layers.1", out, time);
    norm(b, "out_layers.0", out);
    conv(b, "out_layers.3", out, out, 3);
    if (in != out) conv(b, "skip_connection", out, in, 1);
}

static void unet_attention(builder *b, const char *name, size_t channels, size_t context) {
    const size_t before = enter(b, "%s", name);
    matrix(b, "to_q", channels, channels);
    matrix(b, "to_k", channels, context);
    matrix(b, "to_v", channels, context);
    linear(b, "to_out.0", channels, channels);
    leave(b, before);
}

static void unet_transformer(builder *b, size_t channels, size_t context) {
    norm(b, "norm", channels);
    conv(b, "proj_in", channels, channels, 1);
    const size_t before = enter(b, "transformer_blocks.0");
    unet_attention(b, "attn1", channels, channels);
    unet_attention(b, "attn2", channels, context);
    linear(b, "ff.net.0.proj", 8 * channels, channels);
    linear(b, "ff.net.2", channels, 4 * channels);
    norm(b, "norm1", channels);
    norm(b, "norm2", channels);
    norm(b, "norm3", channels);
    leave(b, before);
    conv(b, "proj_out", channels, channels, 1);
}

/* A residual block and, at a level with attention, a transformer: names "0" and "1" under the path. */
static void unet_step(builder *b, const lt_synthetic_sd *c, int level, size_t in, size_t out) {
    size_t before = enter(b, "0");
    unet_residual(b, in, out, 4 * c->model_channels);
    leave(b, before);
    if (!c->attention[level]) return;
    before = enter(b, "1");
    unet_transformer(b, out, c->context_dim);
    leave(b, before);
}

/* The way down. skips [MAX_SKIPS] gets the channels of each step's output, which the way up takes from its end. */
enum { MAX_SKIPS = 1 + LT_MAX_LEVELS * (LT_MAX_BLOCKS + 1) };

static size_t unet_down(builder *b, const lt_synthetic_sd *c, size_t *skips) {
    size_t k = 0, channels = c->model_channels, before;
    conv(b, "input_blocks.0.0", channels, c->in_channels, 3);
    skips[k++] = channels;
    for (int level = 0; level < c->levels; level++) {
        for (int j = 0; j < c->num_res_blocks; j++) {
            const size_t out = c->channel_mult[level] * c->model_channels;
            before = enter(b, "input_blocks.%zu", k);
            unet_step(b, c, level, channels, out);
            leave(b, before);
            skips[k++] = channels = out;
        }
        if (level + 1 == c->levels) break;
        before = enter(b, "input_blocks.%zu.0", k);
        conv(b, "op", channels, channels, 3);
        leave(b, before);
        skips[k++] = channels;
    }
    return k;
}

static void unet_middle(builder *b, const lt_synthetic_sd *c, size_t channels) {
    size_t before = enter(b, "middle_block.0");
    unet_residual(b, channels, channels, 4 * c->model_channels);
    leave(b, before);
    before = enter(b, "middle_block.1");
    unet_transformer(b, channels, c->context_dim);
    leave(b, before);
    before = enter(b, "middle_block.2");
    unet_residual(b, channels, channels, 4 * c->model_channels);
    leave(b, before);
}

static void unet_up(builder *b, const lt_synthetic_sd *c, const size_t *skips, size_t count) {
    size_t channels = skips[count - 1];
    int k = 0;
    for (int level = c->levels - 1; level >= 0; level--) {
        for (int j = 0; j <= c->num_res_blocks; j++) {
            const size_t out = c->channel_mult[level] * c->model_channels, before = enter(b, "output_blocks.%d", k++);
            unet_step(b, c, level, channels + skips[--count], out);
            channels = out;
            if (level > 0 && j == c->num_res_blocks) conv(b, c->attention[level] ? "2.conv" : "1.conv", out, out, 3);
            leave(b, before);
        }
    }
    norm(b, "out.0", channels);
    conv(b, "out.2", c->latent_channels, channels, 3);
}

static void unet(builder *b, const lt_synthetic_sd *c) {
    const size_t width = c->model_channels, before = enter(b, "model.diffusion_model");
    size_t skips[MAX_SKIPS];
    linear(b, "time_embed.0", 4 * width, width);
    linear(b, "time_embed.2", 4 * width, 4 * width);
    const size_t count = unet_down(b, c, skips);
    unet_middle(b, c, skips[count - 1]);
    unet_up(b, c, skips, count);
    leave(b, before);
}

/* ---- The VAE ---- */

static void vae_residual(builder *b, const char *name, size_t in, size_t out) {
    const size_t before = enter(b, "%s", name);
    norm(b, "norm1", in);
    conv(b, "conv1", out, in, 3);
    norm(b, "norm2", out);
    conv(b, "conv2", out, out, 3);
    if (in != out) conv(b, "nin_shortcut", out, in, 1);
    leave(b, before);
}

/* One level's residual blocks; returns the channels that come out. */
static size_t vae_level(builder *b, int blocks, size_t in, size_t out) {
    for (int j = 0; j < blocks; j++, in = out) {
        const size_t before = enter(b, "block");
        char index[16];
        snprintf(index, sizeof index, "%d", j);
        vae_residual(b, index, in, out);
        leave(b, before);
    }
    return out;
}

static void vae_middle(builder *b, size_t channels) {
    const size_t before = enter(b, "mid");
    vae_residual(b, "block_1", channels, channels);
    const size_t inside = enter(b, "attn_1");
    norm(b, "norm", channels);
    conv(b, "q", channels, channels, 1);
    conv(b, "k", channels, channels, 1);
    conv(b, "v", channels, channels, 1);
    conv(b, "proj_out", channels, channels, 1);
    leave(b, inside);
    vae_residual(b, "block_2", channels, channels);
    leave(b, before);
}

static size_t vae_encoder(builder *b, const lt_synthetic_sd *c) {
    const size_t before = enter(b, "encoder");
    size_t channels = c->vae_channels;
    conv(b, "conv_in", channels, 3, 3);
    for (int level = 0; level < c->vae_levels; level++) {
        const size_t inside = enter(b, "down.%d", level);
        channels = vae_level(b, c->vae_res_blocks, channels, c->vae_mult[level] * c->vae_channels);
        if (level + 1 < c->vae_levels) conv(b, "downsample.conv", channels, channels, 3);
        leave(b, inside);
    }
    vae_middle(b, channels);
    norm(b, "norm_out", channels);
    conv(b, "conv_out", 2 * c->latent_channels, channels, 3);
    leave(b, before);
    return channels;
}

static void vae_decoder(builder *b, const lt_synthetic_sd *c, size_t channels) {
    const size_t before = enter(b, "decoder");
    conv(b, "conv_in", channels, c->latent_channels, 3);
    vae_middle(b, channels);
    for (int level = c->vae_levels - 1; level >= 0; level--) {
        const size_t inside = enter(b, "up.%d", level);
        channels = vae_level(b, c->vae_res_blocks + 1, channels, c->vae_mult[level] * c->vae_channels);
        if (level > 0) conv(b, "upsample.conv", channels, channels, 3);
        leave(b, inside);
    }
    norm(b, "norm_out", channels);
    conv(b, "conv_out", 3, channels, 3);
    leave(b, before);
}

static void vae(builder *b, const lt_synthetic_sd *c) {
    const size_t before = enter(b, "first_stage_model");
    vae_decoder(b, c, vae_encoder(b, c));
    conv(b, "quant_conv", 2 * c->latent_channels, 2 * c->latent_channels, 1);
    conv(b, "post_quant_conv", c->latent_channels, c->latent_channels, 1);
    leave(b, before);
}

/* ---- CLIP ---- */

static void clip_layers(builder *b, size_t width, int layers) {
    for (int i = 0; i < layers; i++) {
        const size_t before = enter(b, "encoder.layers.%d", i);
        linear(b, "self_attn.q_proj", width, width);
        linear(b, "self_attn.k_proj", width, width);
        linear(b, "self_attn.v_proj", width, width);
        linear(b, "self_attn.out_proj", width, width);
        norm(b, "layer_norm1", width);
        linear(b, "mlp.fc1", 4 * width, width);
        linear(b, "mlp.fc2", width, 4 * width);
        norm(b, "layer_norm2", width);
        leave(b, before);
    }
}

static void clip_text(builder *b, const char *path, size_t width, int layers, size_t vocab, size_t positions) {
    const size_t before = enter(b, "%s", path);
    matrix(b, "embeddings.token_embedding", vocab, width);
    matrix(b, "embeddings.position_embedding", positions, width);
    clip_layers(b, width, layers);
    norm(b, "final_layer_norm", width);
    leave(b, before);
}

static void clip_image(builder *b, const lt_synthetic_clip *c) {
    const size_t before = enter(b, "vision_model"), width = c->image_width, patches = c->image_size / c->patch_size;
    tensor(b, "embeddings.class_embedding", width, 0, 0, 0);
    tensor(b, "embeddings.patch_embedding.weight", width, 3, c->patch_size, c->patch_size);
    matrix(b, "embeddings.position_embedding", patches * patches + 1, width);
    norm(b, "pre_layrnorm", width); /* spelled so in transformers */
    clip_layers(b, width, c->image_layers);
    norm(b, "post_layernorm", width);
    leave(b, before);
}

/* ---- Whole lists ---- */

static lt_status finish(builder *b) {
    lt_buffer_free(&b->path);
    if (b->status != LT_OK) lt_tensor_list_free(b->list);
    return b->status;
}

lt_status lt_synthetic_sd_list(const lt_synthetic_sd *c, lt_tensor_list *list) {
    *list = (lt_tensor_list){0};
    builder b = {.list = list};
    unet(&b, c);
    vae(&b, c);
    clip_text(&b, "cond_stage_model.transformer.text_model", c->clip_width, c->clip_layers, c->clip_vocab,
              c->clip_positions);
    return finish(&b);
}

lt_status lt_synthetic_clip_list(const lt_synthetic_clip *c, lt_tensor_list *list) {
    *list = (lt_tensor_list){0};
    builder b = {.list = list};
    tensor(&b, "logit_scale", 0, 0, 0, 0);
    clip_text(&b, "text_model", c->text_width, c->text_layers, c->vocab, c->positions);
    clip_image(&b, c);
    matrix(&b, "visual_projection", c->projection, c->image_width);
    matrix(&b, "text_projection", c->projection, c->text_width);
    return finish(&b);
}

/* ---- Values ---- */

typedef struct rule {
    double base, scale;
} rule;

static rule rule_of(const char *name, int rank, const size_t *shape) {
    static const char *const queries_and_keys[] = {".to_q.weight",   ".to_k.weight",     ".q_proj.weight",
                                                   ".k_proj.weight", ".attn_1.q.weight", ".attn_1.k.weight"};
    if (strcmp(name, "logit_scale") == 0) return (rule){log(1 / 0.07), 0.0};
    if (lt_name_ends(name, "embedding.weight")) return (rule){0.0, 0.5};
    if (lt_name_ends(name, ".bias")) return (rule){0.0, 0.1};
    if (rank == 1) return (rule){1.0, 0.2};
    size_t fan_in = 1;
    for (int i = 1; i < rank; i++) fan_in *= shape[i];
    double gain = 1.0;
    for (size_t i = 0; i < LT_COUNT(queries_and_keys); i++)
        if (lt_name_ends(name, queries_and_keys[i])) gain = 2.0;
    return (rule){0.0, gain * sqrt(3.0 / (double)fan_in)};
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

void lt_synthetic_values(const char *name, int rank, const size_t *shape, size_t start, size_t n, float *out) {
    const rule r = rule_of(name, rank, shape);
    const uint64_t state = fnv1a(name);
    if (r.base == 0.0) {
#pragma omp parallel for schedule(static) if (n >= 1 << 16)
        for (size_t i = 0; i < n; i++) out[i] = (float)(r.scale * uniform(state, start + i));
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const volatile double product =
            r.scale * uniform(state, start + i); /* rounded: never fused with the addition */
        out[i] = (float)(r.base + product);
    }
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
    (void)user;
    lt_synthetic_values(tensor->name, tensor->rank, tensor->shape, 0, lt_tensor_count(tensor), values);
    return LT_OK;
}

/* Writes and frees list. */
static lt_status write_list(lt_tensor_list *list, const char *path, lt_dtype type) {
    lt_status status = LT_ERROR_MEMORY;
    lt_dtype *types = lt_calloc(list->count, sizeof *types);
    if (types) {
        for (size_t i = 0; i < list->count; i++)
            types[i] = list->tensors[i].rank == 0 ? LT_F32 : type; /* logit_scale */
        status = lt_safetensors_write(path, list->tensors, list->count, NULL, 0, types, fill_values, NULL);
    }
    lt_free(types);
    lt_tensor_list_free(list);
    return status;
}

lt_status lt_synthetic_sd_write(const lt_synthetic_sd *config, const char *path, lt_dtype type) {
    lt_tensor_list list;
    LT_TRY(lt_synthetic_sd_list(config, &list));
    return write_list(&list, path, type);
}

/* What transformers' CLIPConfig needs to know; the rest are its defaults, which are OpenAI's. */
static lt_status clip_config_text(const lt_synthetic_clip *c, lt_buffer *text) {
    LT_TRY(
        lt_buffer_printf(text,
                         "{\"architectures\": [\"CLIPModel\"], \"model_type\": \"clip\", \"projection_dim\": %zu,\n"
                         " \"text_config\": {\"vocab_size\": %zu, \"max_position_embeddings\": %zu, \"bos_token_id\": "
                         "49406, \"eos_token_id\": 49407, \"pad_token_id\": 49407,\n",
                         c->projection, c->vocab, c->positions));
    LT_TRY(lt_buffer_printf(text,
                            "  \"hidden_size\": %zu, \"intermediate_size\": %zu, \"num_hidden_layers\": %d, "
                            "\"num_attention_heads\": %zu, \"hidden_act\": \"quick_gelu\"},\n",
                            c->text_width, 4 * c->text_width, c->text_layers, c->text_width / 64));
    return lt_buffer_printf(text,
                            " \"vision_config\": {\"image_size\": %zu, \"patch_size\": %zu,\n"
                            "  \"hidden_size\": %zu, \"intermediate_size\": %zu, \"num_hidden_layers\": %d, "
                            "\"num_attention_heads\": %zu, \"hidden_act\": \"quick_gelu\"}}\n",
                            c->image_size, c->patch_size, c->image_width, 4 * c->image_width, c->image_layers,
                            c->image_width / 64);
}

static lt_status write_text(const char *path, const lt_buffer *text) {
    lt_writer writer;
    LT_TRY(lt_writer_open(path, &writer));
    lt_status status = lt_writer_write(&writer, text->data, text->size);
    if (status == LT_OK) return lt_writer_commit(&writer);
    lt_writer_abort(&writer);
    return status;
}

lt_status lt_synthetic_clip_write(const lt_synthetic_clip *config, const char *folder, lt_dtype type) {
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return lt_fail(LT_ERROR_FILE, "%s: the folder can't be made: %s", folder, strerror(errno));
    lt_buffer text = {0};
    lt_tensor_list list = {0};
    char *settings = lt_format("%s/config.json", folder), *weights = lt_format("%s/model.safetensors", folder);
    lt_status status = settings && weights ? clip_config_text(config, &text) : LT_ERROR_MEMORY;
    if (status == LT_OK) status = write_text(settings, &text);
    if (status == LT_OK) status = lt_synthetic_clip_list(config, &list);
    if (status == LT_OK) status = write_list(&list, weights, type);
    lt_free(settings);
    lt_free(weights);
    lt_buffer_free(&text);
    return status;
}
