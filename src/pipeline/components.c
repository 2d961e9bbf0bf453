/* The parts of an open model. */
#include "pipeline/components.h"

#include <string.h>

void lt_components_free(lt_components *parts) {
    lt_weights_free(parts->weights);
    lt_tokenizer_free(parts->tokenizer);
    lt_free(parts->name);
    lt_free(parts->file);
    lt_free(parts->vae_file);
    lt_free(parts->text_file);
    lt_free(parts->preview_file);
    for (int i = 0; parts->labels && i < parts->classifier.classes; i++) lt_free(parts->labels[i]);
    lt_free(parts->labels);
    lt_known_free(&parts->known);
    *parts = (lt_components){0};
}

/* ---- Modules ---- */

static lt_status build_text(const lt_components *p, const lt_module_size *s, lt_graph *g) {
    return lt_clip_text_build_with(&p->text, s->n, s->skip, s->embed, s->vectors, g);
}

static lt_status build_text_2(const lt_components *p, const lt_module_size *s, lt_graph *g) {
    const lt_status status = lt_clip_text_build_with(&p->text_2, s->n, s->skip, s->embed, s->vectors, g);
    g->maker = lt_module_name(LT_MODULE_TEXT_2);
    return status;
}

static lt_status build_image(const lt_components *p, const lt_module_size *s, lt_graph *g) {
    return s->states ? lt_clip_image_build_states(&p->image, s->n, g) : lt_clip_image_build(&p->image, s->n, g);
}

static lt_status build_unet(const lt_components *p, const lt_module_size *s, lt_graph *g) {
    return lt_unet_build(&p->unet, s->n, s->h, s->w, s->tokens, s->shortcuts, s->added, g);
}

static lt_status build_encoder(const lt_components *p, const lt_module_size *s, lt_graph *g) {
    return lt_vae_build_encoder(&p->vae, s->n, s->h, s->w, g);
}

static lt_status build_decoder(const lt_components *p, const lt_module_size *s, lt_graph *g) {
    return lt_vae_build_decoder(&p->vae, s->n, s->h, s->w, g);
}

/* It reads squares of its own size, whatever size says. */
static lt_status build_classifier(const lt_components *p, const lt_module_size *s, lt_graph *g) {
    return s->gradient ? lt_classifier_build_gradient(&p->classifier, s->n, g)
                       : lt_classifier_build(&p->classifier, s->n, g);
}

static lt_status build_taesd_encoder(const lt_components *p, const lt_module_size *s, lt_graph *g) {
    return lt_taesd_build_encoder(&p->taesd, s->n, s->h, s->w, g);
}

static lt_status build_taesd_decoder(const lt_components *p, const lt_module_size *s, lt_graph *g) {
    return lt_taesd_build_decoder(&p->taesd, s->n, s->h, s->w, g);
}

static lt_status build_upscaler(const lt_components *p, const lt_module_size *s, lt_graph *g) {
    return lt_upscaler_build(&p->upscaler, s->n, s->h, s->w, g);
}

static lt_status build_image_prompt(const lt_components *p, const lt_module_size *s, lt_graph *g) {
    return lt_ip_adapter_build(&p->image_prompt, s->n, s->tokens, g);
}

static lt_status build_hint(const lt_components *p, const lt_module_size *s, lt_graph *g) {
    return lt_controlnet_build_hint(&p->control, s->n, s->h, s->w, g);
}

static lt_status build_control(const lt_components *p, const lt_module_size *s, lt_graph *g) {
    return lt_controlnet_build(&p->control, s->n, s->h, s->w, s->tokens, g);
}

static lt_status build_adapter(const lt_components *p, const lt_module_size *s, lt_graph *g) {
    return lt_t2i_build(&p->adapter, s->n, s->h, s->w, g);
}

static const struct {
    const char *name;
    lt_status (*build)(const lt_components *parts, const lt_module_size *size, lt_graph *graph);
} modules[LT_MODULE_COUNT] = {
    [LT_MODULE_TEXT] = {"text encoder", build_text},
    [LT_MODULE_TEXT_2] = {"text encoder 2", build_text_2},
    [LT_MODULE_IMAGE] = {"image encoder", build_image},
    [LT_MODULE_UNET] = {"U-Net", build_unet},
    [LT_MODULE_VAE_ENCODER] = {"VAE encoder", build_encoder},
    [LT_MODULE_VAE_DECODER] = {"VAE decoder", build_decoder},
    [LT_MODULE_CLASSIFIER] = {"classifier", build_classifier},
    [LT_MODULE_TAESD_ENCODER] = {"TAESD encoder", build_taesd_encoder},
    [LT_MODULE_TAESD_DECODER] = {"TAESD decoder", build_taesd_decoder},
    [LT_MODULE_UPSCALER] = {"upscaler", build_upscaler},
    [LT_MODULE_IMAGE_PROMPT] = {"IP-Adapter", build_image_prompt},
    [LT_MODULE_HINT] = {"ControlNet's hint", build_hint},
    [LT_MODULE_CONTROL] = {"ControlNet", build_control},
    [LT_MODULE_ADAPTER] = {"T2I-Adapter", build_adapter},
};

const char *lt_module_name(lt_module module) { return modules[module].name; }

lt_status lt_module_fail(const lt_components *parts, lt_module module, lt_status status) {
    const bool vae = module == LT_MODULE_VAE_ENCODER || module == LT_MODULE_VAE_DECODER;
    const bool text = module == LT_MODULE_TEXT || module == LT_MODULE_TEXT_2;
    const char *own = vae ? parts->vae_file : text ? parts->text_file : NULL, *file = own ? own : parts->file;
    const bool its = status == LT_ERROR_MODEL || status == LT_ERROR_FORMAT || status == LT_ERROR_UNSUPPORTED;
    return its && file ? lt_fail_in(status, "%s", file) : status;
}

lt_status lt_module_needed(const lt_components *parts, lt_module module, const char *then) {
    if (parts->has[module]) return LT_OK;
    const lt_status status = lt_fail(LT_ERROR_MODEL, "this checkpoint has no %s%s", modules[module].name, then);
    return lt_module_fail(parts, module, status);
}

lt_status lt_module_build(const lt_components *parts, lt_module module, const lt_module_size *size, lt_graph *graph) {
    LT_TRY(lt_module_needed(parts, module, ""));
    graph->wraps = size->wraps;
    return lt_module_fail(parts, module, modules[module].build(parts, size, graph));
}

void lt_module_sizes(const lt_components *parts, int h, int w, lt_module_size sizes[LT_MODULE_COUNT]) {
    const int factor = parts->vae.factor ? parts->vae.factor : 8, tokens = LT_CONTEXT_TOKENS;
    const lt_module_size all[LT_MODULE_COUNT] = {
        [LT_MODULE_TEXT] = {.n = 1, .embed = parts->text.projection > 0},
        [LT_MODULE_TEXT_2] = {.n = 1, .embed = parts->text_2.projection > 0},
        [LT_MODULE_IMAGE] = {.n = 1},
        [LT_MODULE_VAE_ENCODER] = {.n = 1, .h = h * factor, .w = w * factor},
        [LT_MODULE_UNET] = {.n = 1, .h = h, .w = w, .tokens = parts->unet.context_dim ? tokens : 0},
        [LT_MODULE_VAE_DECODER] = {.n = 1, .h = h, .w = w},
        [LT_MODULE_CLASSIFIER] = {.n = 1},
        [LT_MODULE_TAESD_ENCODER] = {.n = 1, .h = h * factor, .w = w * factor},
        [LT_MODULE_TAESD_DECODER] = {.n = 1, .h = h, .w = w},
        [LT_MODULE_UPSCALER] = {.n = 1, .h = h * factor, .w = w * factor},
        [LT_MODULE_IMAGE_PROMPT] = {.n = 2, .tokens = 1},
        [LT_MODULE_HINT] = {.n = 1, .h = h, .w = w},
        [LT_MODULE_ADAPTER] = {.n = 1, .h = h, .w = w},
        [LT_MODULE_CONTROL] = {.n = 1, .h = h, .w = w, .tokens = parts->control.half.context_dim ? tokens : 0},
    };
    memcpy(sizes, all, sizeof all);
}

int lt_size_count(const lt_components *parts) {
    const int left = parts->unet.vector_dim - parts->text_2.projection, count = left / LT_SIZE_CHANNELS;
    const bool known = count == LT_MOST_SIZES || count == LT_REFINER_SIZES;
    return parts->unet.vector_dim && known && left % LT_SIZE_CHANNELS == 0 ? count : 0;
}

static lt_module text_of_unet(const lt_components *p) { return p->unet.vector_dim ? LT_MODULE_TEXT_2 : LT_MODULE_TEXT; }

bool lt_parts_draw(const lt_components *p) {
    const bool pictures = p->pixels || p->has[LT_MODULE_VAE_DECODER],
               texts = p->has[text_of_unet(p)] || !p->unet.context_dim;
    return p->has[LT_MODULE_UNET] && pictures && texts && (!p->unet.vector_dim || lt_size_count(p));
}

static lt_status check_vector(const lt_components *parts) {
    if (!parts->unet.vector_dim || !parts->has[LT_MODULE_TEXT_2] || lt_size_count(parts)) return LT_OK;
    return lt_fail(LT_ERROR_UNSUPPORTED,
                   "this U-Net adds a vector of %d to its time embedding (label_emb), and the text's is %d: what is "
                   "beside that are %d or %d sizes of %d channels in XL and its refiner, which alone are served",
                   parts->unet.vector_dim, parts->text_2.projection, LT_MOST_SIZES, LT_REFINER_SIZES, LT_SIZE_CHANNELS);
}

lt_status lt_texts_check(const lt_components *parts) {
    LT_TRY(
        lt_module_needed(parts, text_of_unet(parts), ", which this U-Net needs: `text` takes one from another file"));
    return lt_module_fail(parts, LT_MODULE_UNET, check_vector(parts));
}

/* of: that doesn't fit the others. */
static lt_status disagree(const char *of, lt_status status) { return of ? lt_fail_in(status, "%s", of) : status; }

lt_status lt_parts_agree(const lt_components *parts) {
    const lt_unet *unet = &parts->unet;
    if (!parts->has[LT_MODULE_UNET]) return LT_OK;
    const bool plain = unet->in_channels == unet->out_channels,
               paints = unet->in_channels == 2 * unet->out_channels + 1;
    const bool latents = parts->pixels || parts->has[LT_MODULE_VAE_DECODER];
    if (latents && (unet->out_channels != parts->vae.latent_channels || !(plain || paints)))
        return disagree(parts->vae_file ? parts->vae_file : parts->file,
                        lt_fail(LT_ERROR_MODEL, "the U-Net takes %d channels and makes %d; the VAE's latents have %d",
                                unet->in_channels, unet->out_channels, parts->vae.latent_channels));
    if (parts->previews && parts->taesd.latent_channels != parts->vae.latent_channels)
        return disagree(parts->preview_file,
                        lt_fail(LT_ERROR_MODEL, "this TAESD takes latents of %d channels; the model's have %d",
                                parts->taesd.latent_channels, parts->vae.latent_channels));
    LT_TRY(lt_module_fail(parts, LT_MODULE_UNET, check_vector(parts)));
    const int width = parts->text.width + parts->text_2.width; /* one beside the other */
    if (width && unet->context_dim && unet->context_dim != width)
        return disagree(parts->text_file ? parts->text_file : parts->file,
                        lt_fail(LT_ERROR_MODEL, "the text encoder makes contexts of %d, the U-Net takes %d", width,
                                unet->context_dim));
    return LT_OK;
}

lt_status lt_parts_check(const lt_components *parts) {
    enum { SIDE = 8 }; /* latents: names and weights' shapes are the same at any size */
    lt_module_size sizes[LT_MODULE_COUNT];
    LT_TRY(lt_parts_agree(parts));
    lt_module_sizes(parts, SIDE, SIDE, sizes);
    for (int m = 0; m < LT_MODULE_COUNT; m++) {
        lt_graph graph = {0};
        const lt_status status = parts->has[m] ? lt_module_build(parts, (lt_module)m, &sizes[m], &graph) : LT_OK;
        lt_graph_free(&graph);
        LT_TRY(status);
    }
    return LT_OK;
}

lt_status lt_module_expect(lt_module module, lt_port output, lt_shape shape) {
    const lt_shape s = lt_port_shape(output);
    if (lt_shape_equal(s, shape)) return LT_OK;
    return lt_fail(LT_ERROR_MODEL, "the %s makes %dx%dx%dx%d (n, h, w, channels), expected %dx%dx%dx%d",
                   modules[module].name, s.n, s.h, s.w, s.c, shape.n, shape.h, shape.w, shape.c);
}
