/* Names and shapes of every tensor of a model, from the numbers that LDM's and transformers' configurations give. */
#include "models/architecture.h"

#include <stdio.h>

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
    if (context) unet_attention(b, "attn2", channels, context);
    linear(b, "ff.net.0.proj", 8 * channels, channels);
    linear(b, "ff.net.2", channels, 4 * channels);
    norm(b, "norm1", channels);
    if (context) norm(b, "norm2", channels);
    norm(b, "norm3", channels);
    leave(b, before);
    conv(b, "proj_out", channels, channels, 1);
}

/* A residual block and, at a level with attention, a transformer: names "0" and "1" under the path. */
static void unet_step(builder *b, const lt_sd_architecture *c, int level, size_t in, size_t out) {
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

static size_t unet_down(builder *b, const lt_sd_architecture *c, size_t *skips) {
    size_t k = 0, channels = c->model_channels, before;
    linear(b, "time_embed.0", 4 * channels, channels);
    linear(b, "time_embed.2", 4 * channels, 4 * channels);
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

static void unet_middle(builder *b, const lt_sd_architecture *c, size_t channels) {
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

static void unet_up(builder *b, const lt_sd_architecture *c, const size_t *skips, size_t count) {
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

static void unet(builder *b, const lt_sd_architecture *c) {
    const size_t before = enter(b, "model.diffusion_model");
    size_t skips[MAX_SKIPS];
    const size_t count = unet_down(b, c, skips);
    unet_middle(b, c, skips[count - 1]);
    unet_up(b, c, skips, count);
    leave(b, before);
}

/* ---- The classifier ---- */

static void classifier_pool(builder *b, size_t channels, size_t pixels) {
    const size_t before = enter(b, "pool");
    norm(b, "norm", channels);
    tensor(b, "class_embedding", channels, 0, 0, 0);
    matrix(b, "position_embedding", pixels + 1, channels);
    linear(b, "q", channels, channels);
    linear(b, "k", channels, channels);
    linear(b, "v", channels, channels);
    linear(b, "out", channels, channels);
    leave(b, before);
}

static void classifier(builder *b, const lt_sd_architecture *c, size_t size, size_t classes) {
    const size_t before = enter(b, "classifier");
    size_t skips[MAX_SKIPS];
    const size_t channels = skips[unet_down(b, c, skips) - 1];
    unet_middle(b, c, channels);
    for (int level = 1; level < c->levels; level++) size = (size + 1) / 2;
    classifier_pool(b, channels, size * size);
    linear(b, "out", classes, channels);
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

static size_t vae_encoder(builder *b, const lt_sd_architecture *c) {
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

static void vae_decoder(builder *b, const lt_sd_architecture *c, size_t channels) {
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

static void vae(builder *b, const lt_sd_architecture *c) {
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

static void clip_image(builder *b, const lt_clip_architecture *c) {
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

lt_status lt_sd_list(const lt_sd_architecture *c, unsigned roles, lt_tensor_list *list) {
    *list = (lt_tensor_list){0};
    builder b = {.list = list};
    if (roles & 1u << LT_ROLE_UNET) unet(&b, c);
    if (roles & 1u << LT_ROLE_VAE) vae(&b, c);
    if (roles & 1u << LT_ROLE_TEXT)
        clip_text(&b, "cond_stage_model.transformer.text_model", c->clip_width, c->clip_layers, c->clip_vocab,
                  c->clip_positions);
    return finish(&b);
}

lt_status lt_classifier_list(const lt_sd_architecture *c, size_t size, size_t classes, lt_tensor_list *list) {
    *list = (lt_tensor_list){0};
    lt_sd_architecture alone = *c;
    alone.context_dim = 0;
    builder b = {.list = list};
    classifier(&b, &alone, size, classes);
    return finish(&b);
}

lt_status lt_clip_list(const lt_clip_architecture *c, lt_tensor_list *list) {
    *list = (lt_tensor_list){0};
    builder b = {.list = list};
    tensor(&b, "logit_scale", 0, 0, 0, 0);
    clip_text(&b, "text_model", c->text_width, c->text_layers, c->vocab, c->positions);
    clip_image(&b, c);
    matrix(&b, "visual_projection", c->projection, c->image_width);
    matrix(&b, "text_projection", c->projection, c->text_width);
    return finish(&b);
}
