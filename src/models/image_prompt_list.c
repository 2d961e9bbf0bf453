/* Names and shapes of an IP-Adapter's tensors. */
#include "models/image_prompt_list.h"

#include "models/shapes.h"

static lt_status add(lt_tensor_list *list, const char *name, int rank, const size_t *shape) {
    lt_tensor t = {.dtype = LT_F32, .rank = rank};
    for (int i = 0; i < rank; i++) t.shape[i] = shape[i];
    lt_tensor_set_contiguous(&t);
    return lt_tensor_list_add(list, name, &t);
}

/* columns 0: a vector. */
static lt_status add_layer(lt_tensor_list *list, const char *name, int rows, int columns, bool bias) {
    const size_t shape[] = {(size_t)rows, (size_t)columns};
    LT_TRY(add(list, lt_name_of("%s.weight", name).text, columns ? 2 : 1, shape));
    return bias ? add(list, lt_name_of("%s.bias", name).text, 1, shape) : LT_OK;
}

/* A norm or a matrix of the resampler's layer. */
static lt_status add_resampler_layer(lt_tensor_list *list, int layer, int width) {
    const int inner = width > 64 ? width : 128;
    const struct {
        const char *name;
        int rows, columns;
    } all[] = {{"0.norm1", width, 0},         {"0.norm2", width, 0},      {"0.to_q", inner, width},
               {"0.to_kv", 2 * inner, width}, {"0.to_out", width, inner}, {"1.0", width, 0},
               {"1.1", 4 * width, width},     {"1.3", width, 4 * width}};
    for (size_t k = 0; k < LT_COUNT(all); k++)
        LT_TRY(add_layer(list, lt_name_of("image_proj.layers.%d.%s", layer, all[k].name).text, all[k].rows,
                         all[k].columns, !all[k].columns));
    return LT_OK;
}

static lt_status add_resampler(const lt_ip_adapter *a, int width, lt_tensor_list *list) {
    const size_t latents[] = {1, (size_t)a->tokens, (size_t)width};
    LT_TRY(add(list, "image_proj.latents", 3, latents));
    LT_TRY(add_layer(list, "image_proj.proj_in", width, a->embed, true));
    LT_TRY(add_layer(list, "image_proj.proj_out", a->context_dim, width, true));
    LT_TRY(add_layer(list, "image_proj.norm_out", a->context_dim, 0, true));
    for (int i = 0; i < a->layers; i++) LT_TRY(add_resampler_layer(list, i, width));
    return LT_OK;
}

static lt_status add_projection(const lt_ip_adapter *a, lt_tensor_list *list) {
    LT_TRY(add_layer(list, "image_proj.proj", a->tokens * a->context_dim, a->embed, true));
    return add_layer(list, "image_proj.norm", a->context_dim, 0, true);
}

/* In the file's order: down, up, middle. */
static lt_status add_keys(const lt_ip_adapter *a, const lt_unet *unet, lt_tensor_list *list) {
    lt_attentions attentions;
    lt_unet_attentions(unet, &attentions);
    for (int i = 0; i < attentions.count; i++) {
        const int channels = attentions.channels[lt_attention_running(&attentions, i)];
        LT_TRY(add_layer(list, lt_name_of("ip_adapter.%d.to_k_ip", 2 * i + 1).text, channels, a->context_dim, false));
        LT_TRY(add_layer(list, lt_name_of("ip_adapter.%d.to_v_ip", 2 * i + 1).text, channels, a->context_dim, false));
    }
    return LT_OK;
}

lt_status lt_ip_adapter_list(const lt_ip_adapter *adapter, const lt_ip_adapter_shape *shape, lt_tensor_list *list) {
    LT_TRY(adapter->plus ? add_resampler(adapter, shape->width, list) : add_projection(adapter, list));
    return add_keys(adapter, shape->unet, list);
}

lt_status lt_clip_image_list(const lt_clip_image *image, lt_tensor_list *list) {
    lt_lister lister = {.list = list, .prefix = ""};
    lt_walk walk = lt_walk_listing(&lister);
    lt_clip_image_walk(image, &walk);
    return lister.status ? lister.status : add_layer(list, "visual_projection", image->projection, image->width, false);
}
