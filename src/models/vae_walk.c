/* The VAE's layers, and the reading of its description from their names and shapes. */
#include "models/vae.h"

static const lt_row residual[] = {
    {{"norm1", "norm1"}, LT_KIND_NORM, LT_IN},
    {{"conv1", "conv1"}, LT_KIND_CONV3, LT_OUT, LT_IN},
    {{"norm2", "norm2"}, LT_KIND_NORM, LT_OUT},
    {{"conv2", "conv2"}, LT_KIND_CONV3, LT_OUT, LT_OUT},
    {{"nin_shortcut", "conv_shortcut"}, LT_KIND_CONV1, LT_OUT, LT_IN, LT_SHORTCUT},
};

/* Where LDM has 1x1 convolutions [c, c, 1, 1], diffusers has linear layers [c, c], also where its scripts leave its
 * names in files of LDM's layout. The second four are what it called them before 0.15. */
static const lt_row attention[] = {
    {{"norm", "group_norm"}, LT_KIND_NORM, LT_OUT},
    {{"q", "to_q"}, LT_KIND_POINTWISE, LT_OUT, LT_OUT},
    {{"k", "to_k"}, LT_KIND_POINTWISE, LT_OUT, LT_OUT},
    {{"v", "to_v"}, LT_KIND_POINTWISE, LT_OUT, LT_OUT},
    {{"proj_out", "to_out.0"}, LT_KIND_POINTWISE, LT_OUT, LT_OUT},
    {{"q", "query"}, LT_KIND_POINTWISE, .old = true},
    {{"k", "key"}, LT_KIND_POINTWISE, .old = true},
    {{"v", "value"}, LT_KIND_POINTWISE, .old = true},
    {{"proj_out", "proj_attn"}, LT_KIND_POINTWISE, .old = true},
};

static const lt_row ending[] = {
    {{"norm_out", "conv_norm_out"}, LT_KIND_NORM, LT_IN},
    {{"conv_out", "conv_out"}, LT_KIND_CONV3, LT_OUT, LT_IN},
};

/* ---- The walk ---- */

static void first(lt_walk *w, const char *half, int in, int out) {
    lt_walk_visit(w, LT_STEP_BEGIN, in, out, LT_ROWS(lt_whole_conv3), "%s.conv_in", half);
}

static void last(lt_walk *w, const char *half, int in, int out) {
    lt_walk_visit(w, LT_STEP_END, in, out, LT_ROWS(ending), "%s", half);
}

static void middle(const lt_vae *vae, lt_walk *w, const char *half, int channels) {
    lt_walk_visit(w, LT_STEP_RESIDUAL, channels, channels, LT_ROWS(residual), "%s.mid.block_1 %s.mid_block.resnets.0",
                  half, half);
    if (vae->attention)
        lt_walk_visit(w, LT_STEP_ATTENTION, channels, channels, LT_ROWS(attention),
                      "%s.mid.attn_1 %s.mid_block.attentions.0", half, half);
    lt_walk_visit(w, LT_STEP_RESIDUAL, channels, channels, LT_ROWS(residual), "%s.mid.block_2 %s.mid_block.resnets.1",
                  half, half);
}

void lt_vae_walk_encoder(const lt_vae *vae, lt_walk *w) {
    int channels = vae->channels;
    first(w, "encoder", 3, channels);
    for (int i = 0; i < vae->levels; i++) {
        w->place.level = i;
        for (int j = 0; j < vae->level[i].blocks; j++) {
            lt_walk_visit(w, LT_STEP_RESIDUAL, channels, vae->level[i].channels, LT_ROWS(residual),
                          "encoder.down.%d.block.%d encoder.down_blocks.%d.resnets.%d", i, j, i, j);
            channels = vae->level[i].channels;
        }
        if (i + 1 == vae->levels) break;
        lt_walk_visit(w, LT_STEP_DOWN, channels, channels, LT_ROWS(lt_whole_conv3),
                      "encoder.down.%d.downsample.conv encoder.down_blocks.%d.downsamplers.0.conv", i, i);
    }
    middle(vae, w, "encoder", channels);
    last(w, "encoder", channels, 2 * vae->latent_channels);
}

/* LDM counts the decoder's levels by resolution, diffusers as they run. */
void lt_vae_walk_decoder(const lt_vae *vae, lt_walk *w) {
    int channels = vae->level[vae->levels - 1].channels;
    first(w, "decoder", vae->latent_channels, channels);
    middle(vae, w, "decoder", channels);
    for (int i = vae->levels - 1; i >= 0; i--) {
        const int up = vae->levels - 1 - i;
        w->place.level = i;
        for (int j = 0; j <= vae->level[i].blocks; j++) {
            lt_walk_visit(w, LT_STEP_RESIDUAL, channels, vae->level[i].channels, LT_ROWS(residual),
                          "decoder.up.%d.block.%d decoder.up_blocks.%d.resnets.%d", i, j, up, j);
            channels = vae->level[i].channels;
        }
        if (i == 0) break;
        lt_walk_visit(w, LT_STEP_UP, channels, channels, LT_ROWS(lt_whole_conv3),
                      "decoder.up.%d.upsample.conv decoder.up_blocks.%d.upsamplers.0.conv", i, up);
    }
    last(w, "decoder", channels, 3);
}

void lt_vae_walk(const lt_vae *vae, lt_walk *w) {
    const int z = vae->latent_channels, moments = 2 * z;
    lt_vae_walk_encoder(vae, w);
    lt_vae_walk_decoder(vae, w);
    if (vae->quant_conv) lt_walk_visit(w, LT_STEP_NONE, moments, moments, LT_ROWS(lt_whole_conv1), "quant_conv");
    if (vae->post_quant_conv) lt_walk_visit(w, LT_STEP_NONE, z, z, LT_ROWS(lt_whole_conv1), "post_quant_conv");
}

/* ---- Reading ---- */

/* Where the encoder is left out, the decoder tells: it has one block more at each level. */
static void count(const lt_names *n, lt_naming naming, lt_vae *vae) {
    const bool ldm = naming == LT_NAMING_LDM, encoder = vae->has_encoder;
    const char *levels =
        encoder ? (ldm ? "encoder.down." : "encoder.down_blocks.") : (ldm ? "decoder.up." : "decoder.up_blocks.");
    vae->levels = lt_names_count(n, "%s", levels);
    for (int i = 0; i < vae->levels && i < LT_MAX_LEVELS; i++) {
        const int at = encoder || ldm ? i : vae->levels - 1 - i;
        const int blocks = lt_names_count(n, "%s%d.%s", levels, at, ldm ? "block." : "resnets.");
        vae->level[i].blocks = encoder ? blocks : blocks - 1;
    }
}

typedef struct reading {
    const lt_names *names;
    lt_naming naming;
    lt_vae *vae;
} reading;

static void measure(void *user, const lt_place *place) {
    const reading *r = user;
    int width[LT_WIDTHS];
    lt_names_measure(r->names, r->naming, place, width);
    const bool decodes = place->name[r->naming][0] == 'd';
    lt_resolution *level = &r->vae->level[place->level];
    if (place->step == LT_STEP_RESIDUAL && !level->channels) level->channels = width[LT_OUT];
    if (place->step == LT_STEP_BEGIN && decodes) r->vae->latent_channels = width[LT_IN];
    if (place->step == LT_STEP_BEGIN && !decodes) r->vae->channels = width[LT_OUT];
}

lt_status lt_vae_read(const lt_names *names, lt_naming naming, lt_vae *vae) {
    vae->has_encoder = lt_names_have(names, naming == LT_NAMING_LDM ? "encoder.down." : "encoder.down_blocks.");
    count(names, naming, vae);
    LT_TRY(lt_names_check(names, vae->level, vae->levels));
    for (int i = 0; i < 2; i++)
        if (lt_names_have(names, naming == LT_NAMING_LDM ? "%s.mid.attn_1." : "%s.mid_block.attentions.0.",
                          i ? "encoder" : "decoder"))
            vae->attention = true;
    vae->quant_conv = lt_names_have(names, "quant_conv.");
    vae->post_quant_conv = lt_names_have(names, "post_quant_conv.");
    const lt_vae counted = *vae;
    reading r = {names, naming, vae};
    lt_vae_walk(&counted, &(lt_walk){.visit = measure, .user = &r});
    return LT_OK;
}
