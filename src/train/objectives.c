/* The losses of the models, and the gradients behind them. */
#include "train/objectives.h"

#include "nn/nn.h"

static lt_node *error_of(lt_graph *g, lt_node *x, lt_node *target, lt_node *weight, bool absolute) {
    const lt_error_options options = {absolute};
    return lt_graph_append(g, (lt_call){&lt_op_error, {x, target, weight}, LT_OPTIONS(options)});
}

static lt_status finish(lt_graph *g, lt_node *loss, bool recompute) {
    lt_graph_output(g, loss, "loss");
    const lt_loss losses[] = {{loss, 1}};
    return g->status ? g->status : lt_graph_backward(g, losses, 1, recompute);
}

/* What the text encoder makes becomes the U-Net's context. */
static lt_status append_text(const lt_clip_text *text, int n, lt_graph *graph) {
    LT_TRY(lt_clip_text_build(text, n, 0, false, graph));
    lt_graph_output(graph, lt_graph_find(graph, "out"), "context");
    return graph->status;
}

lt_status lt_unet_objective(const lt_unet *unet, const lt_unet_objective_options *options, lt_graph *graph) {
    const lt_shape s = options->shape, weights = {s.n, options->masked ? s.h : 1, options->masked ? s.w : 1, 1};
    graph->training = true;
    if (options->text) LT_TRY(append_text(options->text, s.n, graph));
    LT_TRY(lt_unet_build(unet, s.n, s.h, s.w, options->tokens, (lt_shortcuts){0}, (lt_additions){0}, graph));
    lt_node *out = lt_graph_find(graph, "out");
    lt_node *target = lt_graph_input(graph, (lt_input){"target", out->operation.out, LT_RATE_STEP});
    lt_node *weight = lt_graph_input(graph, (lt_input){"weight", weights, LT_RATE_STEP});
    return finish(graph, error_of(graph, out, target, weight, false), options->recompute);
}

lt_status lt_vae_objective(const lt_vae *vae, int n, int h, int w, const lt_vae_objective_options *options,
                           lt_graph *graph) {
    graph->training = true;
    LT_TRY(lt_vae_build_encoder(vae, n, h, w, graph));
    lt_node *x = lt_graph_find(graph, "x"), *moments = lt_graph_find(graph, "moments");
    lt_shape latent = moments->operation.out;
    latent.c /= 2;
    lt_node *noise = lt_graph_input(graph, (lt_input){"posterior_noise", latent, LT_RATE_STEP});
    lt_node *z = lt_graph_append(graph, (lt_call){&lt_op_posterior, {moments, noise}});
    LT_TRY(lt_vae_append_decoder(vae, z, graph));
    graph->maker = "VAE";
    lt_node *error = error_of(graph, lt_graph_find(graph, "out"), x, NULL, options->absolute);
    lt_node *kl = lt_graph_append(graph, (lt_call){&lt_op_kl, {moments}});
    lt_graph_output(graph, error, "reconstruction");
    lt_graph_output(graph, kl, "kl");
    const lt_loss losses[] = {{error, 1}, {kl, options->kl}};
    return graph->status ? graph->status : lt_graph_backward(graph, losses, 2, options->recompute);
}

lt_status lt_clip_objective(const lt_clip_text *text, const lt_clip_image *image, int n, bool recompute,
                            lt_graph *graph) {
    graph->training = true;
    LT_TRY(lt_clip_text_build(text, n, 0, true, graph));
    LT_TRY(lt_clip_image_build(image, n, graph));
    graph->maker = "CLIP";
    lt_weight *scale = lt_weights_find(text->weights, "logit_scale");
    if (!scale || lt_tensor_count(&scale->tensor) != 1)
        return lt_fail(LT_ERROR_MODEL, "clip: the checkpoint has no single value logit_scale");
    lt_node *images = lt_graph_find(graph, "image_embeds"), *texts = lt_graph_find(graph, "text_embeds");
    return finish(graph, lt_graph_append(graph, (lt_call){&lt_op_contrastive, {images, texts}, {scale}}), recompute);
}

lt_status lt_classifier_objective(const lt_classifier *classifier, int n, bool recompute, lt_graph *graph) {
    LT_TRY(lt_classifier_build_loss(classifier, n, graph));
    return finish(graph, lt_graph_find(graph, "loss"), recompute);
}
