/* A model's weights in 8 bits: see quantise.h. */
#include "api/quantise.h"

#include "eval/layers.h"

static lt_status check(const lt_model *model) {
    const lt_components *p = &model->parts;
    if (!lt_parts_draw(p))
        return lt_fail(LT_ERROR_MODEL, "%s: to be quantised a model has to draw, and this one can't", p->file);
    if (p->unet.in_channels != p->unet.out_channels)
        return lt_fail(LT_ERROR_UNSUPPORTED, "%s: an inpainting model is not quantised yet", p->file);
    return p->quantised ? lt_fail(LT_ERROR_ARGUMENT, "%s: it is quantised already", p->file) : LT_OK;
}

/* ---- Measuring ---- */

static lt_status open_in(lt_model *model, lt_precision precision, lt_isa isa, lt_session **session) {
    lt_session_options o = lt_session_options_defaults();
    o.precision = precision;
    o.isa = isa;
    return lt_session_open(model, &o, session);
}

static lt_status choose(lt_model *model, const lt_convert_options *o, lt_layer_choice *choice) {
    lt_layer_search search = {.progress = o->progress, .user = o->user};
    lt_status status = open_in(model, LT_PRECISION_F32, LT_ISA_BEST, &search.exact);
    if (!status) status = open_in(model, LT_PRECISION_INT8, LT_ISA_AVX512VNNI, &search.single); /* no bf16 */
    if (!status) status = open_in(model, LT_PRECISION_INT8, LT_ISA_BEST, &search.narrow);
    if (!status) status = lt_layers_choose(&search, choice);
    lt_session_close(search.exact);
    lt_session_close(search.single);
    lt_session_close(search.narrow);
    return status;
}

/* ---- Telling ---- */

static void tell(const lt_model *model, const lt_layer_choice *c) {
    const lt_listener *to = &model->parts.listener;
    lt_notify(to, "int8 for %zu of %zu layers: the U-Net is %.3g from float32's, pictures are %.1f dB (median)",
              c->layers - c->kept, c->layers, c->error, c->psnr);
    if (c->error > LT_INT8_MOST_ERROR || c->psnr < LT_INT8_LEAST_PSNR)
        lt_notify(
            to,
            "that is more than %g, or less than %g dB: this model magnifies rounding, without int8, too, by which "
            "its U-Net is %.3g from float32's",
            LT_INT8_MOST_ERROR, LT_INT8_LEAST_PSNR, c->least_error);
}

/* Names of layers that were kept though they might have been in 8 bits, "a, b". */
static lt_status list_kept(const lt_layer_choice *c, lt_buffer *names) {
    for (size_t i = 0; i < c->kept; i++)
        LT_TRY(lt_buffer_printf(names, "%s%s", i ? ", " : "", c->worst[i]->tensor.name));
    return LT_OK;
}

static lt_status describe(const lt_layer_choice *c, lt_settings *more) {
    lt_buffer names = {0};
    LT_TRY(lt_settings_set(more, "latent.int8.layers", "%zu of %zu", c->layers - c->kept, c->layers));
    LT_TRY(lt_settings_set(more, "latent.int8.unet_error", "%.3g", c->error));
    LT_TRY(lt_settings_set(more, "latent.int8.picture_psnr", "%.1f", c->psnr));
    lt_status status = list_kept(c, &names);
    if (!status && names.size) status = lt_settings_set_text(more, "latent.int8.kept", names.data);
    lt_buffer_free(&names);
    return status;
}

lt_status lt_model_quantise(lt_model *model, const lt_convert_options *options, lt_quantised *q, lt_settings *more) {
    lt_layer_choice choice;
    LT_TRY(check(model));
    lt_status status = choose(model, options, &choice);
    if (!status) tell(model, &choice);
    if (!status) status = describe(&choice, more);
    if (!status) status = lt_quantise(model->parts.weights, q);
    lt_free(choice.worst);
    return status;
}
