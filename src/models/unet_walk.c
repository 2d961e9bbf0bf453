/* The U-Net's layers, and the reading of its description from their names and shapes. */
#include "models/unet.h"
#include "nn/nn.h"

/* ---- Tables ---- */

static const lt_row beginning[] = {
    {{"time_embed.0", "time_embedding.linear_1"}, LT_KIND_LINEAR, LT_TIME, LT_OUT},
    {{"time_embed.2", "time_embedding.linear_2"}, LT_KIND_LINEAR, LT_TIME, LT_TIME},
    {{"label_emb.0.0", "add_embedding.linear_1"}, LT_KIND_LINEAR, LT_TIME, LT_VECTOR, LT_VECTOR},
    {{"label_emb.0.2", "add_embedding.linear_2"}, LT_KIND_LINEAR, LT_TIME, LT_TIME, LT_VECTOR},
    {{"time_embed.cond_proj", "time_embedding.cond_proj"}, LT_KIND_MATRIX, LT_OUT, LT_SCALE, LT_SCALE},
    {{"input_blocks.0.0", "conv_in"}, LT_KIND_CONV3, LT_OUT, LT_IN},
};

static const lt_row residual[] = {
    {{"in_layers.0", "norm1"}, LT_KIND_NORM, LT_IN},
    {{"in_layers.2", "conv1"}, LT_KIND_CONV3, LT_OUT, LT_IN},
    {{"emb_layers.1", "time_emb_proj"}, LT_KIND_LINEAR, LT_OUT, LT_TIME},
    {{"out_layers.0", "norm2"}, LT_KIND_NORM, LT_OUT},
    {{"out_layers.3", "conv2"}, LT_KIND_CONV3, LT_OUT, LT_OUT},
    {{"skip_connection", "conv_shortcut"}, LT_KIND_CONV1, LT_OUT, LT_IN, LT_SHORTCUT},
};

static const lt_row transformer_in[] = {
    {{"norm", "norm"}, LT_KIND_NORM, LT_OUT},
    {{"proj_in", "proj_in"}, LT_KIND_PROJECTION, LT_OUT, LT_OUT},
};

static const lt_row transformer_out[] = {{{"proj_out", "proj_out"}, LT_KIND_PROJECTION, LT_OUT, LT_OUT}};

static const lt_row transformer_block[] = {
    {{"attn1.to_q", "attn1.to_q"}, LT_KIND_MATRIX, LT_OUT, LT_OUT},
    {{"attn1.to_k", "attn1.to_k"}, LT_KIND_MATRIX, LT_OUT, LT_SEEN},
    {{"attn1.to_v", "attn1.to_v"}, LT_KIND_MATRIX, LT_OUT, LT_SEEN},
    {{"attn1.to_out.0", "attn1.to_out.0"}, LT_KIND_LINEAR, LT_OUT, LT_OUT},
    {{"attn2.to_q", "attn2.to_q"}, LT_KIND_MATRIX, LT_OUT, LT_OUT, LT_CONTEXT},
    {{"attn2.to_k", "attn2.to_k"}, LT_KIND_MATRIX, LT_OUT, LT_CONTEXT, LT_CONTEXT},
    {{"attn2.to_v", "attn2.to_v"}, LT_KIND_MATRIX, LT_OUT, LT_CONTEXT, LT_CONTEXT},
    {{"attn2.to_out.0", "attn2.to_out.0"}, LT_KIND_LINEAR, LT_OUT, LT_OUT, LT_CONTEXT},
    {{"ff.net.0.proj", "ff.net.0.proj"}, LT_KIND_LINEAR, LT_GATED, LT_OUT},
    {{"ff.net.2", "ff.net.2"}, LT_KIND_LINEAR, LT_OUT, LT_HIDDEN},
    {{"norm1", "norm1"}, LT_KIND_NORM, LT_OUT},
    {{"norm2", "norm2"}, LT_KIND_NORM, LT_OUT, .only = LT_CONTEXT},
    {{"norm3", "norm3"}, LT_KIND_NORM, LT_OUT},
};

static const lt_row ending[] = {
    {{"out.0", "conv_norm_out"}, LT_KIND_NORM, LT_IN},
    {{"out.2", "conv_out"}, LT_KIND_CONV3, LT_OUT, LT_IN},
};

/* ---- The walk ---- */

enum { MAX_SKIPS = 1 + LT_MAX_LEVELS * (LT_MAX_BLOCKS + 1) };

int lt_unet_depth(const lt_unet *u, lt_unet_way way, int level, int block) {
    return u->level[level].depth + u->deeper[way][level][block];
}

static int blocks_of(const lt_unet *u, lt_unet_way way, int level) {
    return u->level[level].blocks + (way == LT_WAY_UP);
}

bool lt_unet_attends(const lt_unet *u, lt_unet_way way, int level) {
    for (int j = 0; j < blocks_of(u, way, level); j++)
        if (lt_unet_depth(u, way, level, j)) return true;
    return false;
}

/* A transformer in the place ldm, in diffusers' files at. */
static void transformer(lt_walk *w, int c, int depth, bool kept, lt_name ldm, lt_name at) {
    w->place.depth = depth;
    w->place.kept = kept;
    w->place.width[LT_SEEN] = w->place.crossed ? w->place.width[LT_CONTEXT] : c;
    w->place.width[LT_HIDDEN] = 4 * c;
    w->place.width[LT_GATED] = 8 * c;
    lt_walk_visit(w, LT_STEP_TRANSFORMER, c, c, LT_ROWS(transformer_in), "%s %s", ldm.text, at.text);
    w->place.kept = false;
    for (int i = 0; i < depth; i++)
        lt_walk_visit(w, LT_STEP_NONE, c, c, LT_ROWS(transformer_block),
                      "%s.transformer_blocks.%d %s.transformer_blocks.%d", ldm.text, i, at.text, i);
    lt_walk_visit(w, LT_STEP_NONE, c, c, LT_ROWS(transformer_out), "%s %s", ldm.text, at.text);
}

/* Where LDM's names count the j-th block of the i-th level on a way, or behind the last what resamples. */
static int number_of(const lt_unet *u, lt_unet_way way, int i, int j) {
    const bool up = way == LT_WAY_UP;
    int k = up ? 0 : 1;
    if (u->slots) return k + (up ? u->levels - 1 - i : i) * (u->slots + 1) + j;
    for (int l = 0; l < u->levels; l++)
        if (up ? l > i : l < i) k += u->level[l].blocks + 1;
    return k + j;
}

int lt_unet_outputs(const lt_unet *u) { return number_of(u, LT_WAY_UP, 0, u->level[0].blocks + 1); }

/* The j-th block of the walk's level on a way: a residual block of c channels and, where it has depth, a transformer.
 */
static void block(const lt_unet *u, lt_walk *w, lt_unet_way way, int j, int in, int c) {
    const int i = w->place.level, depth = lt_unet_depth(u, way, i, j);
    const bool down = way == LT_WAY_DOWN;
    const lt_name ldm = lt_name_of("%s_blocks.%d", down ? "input" : "output", number_of(u, way, i, j)),
                  level = lt_name_of("%s_blocks.%d", down ? "down" : "up", down ? i : u->levels - 1 - i);
    w->place.kept = down && !depth;
    lt_walk_visit(w, down ? LT_STEP_RESIDUAL : LT_STEP_RESIDUAL_UP, in, c, LT_ROWS(residual), "%s.0 %s.resnets.%d",
                  ldm.text, level.text, j);
    if (depth)
        transformer(w, c, depth, down, lt_name_of("%s.1", ldm.text), lt_name_of("%s.attentions.%d", level.text, j));
    w->place.kept = false;
}

static void enter(const lt_unet *u, lt_walk *w, int level) {
    w->place.level = level;
    w->place.crossed = u->crossed[level];
}

/* skips [MAX_SKIPS] gets the channels of what is kept; returns how many they are. */
static int down(const lt_unet *u, lt_walk *w, int *skips) {
    int k = 0, channels = u->channels;
    w->place.width[LT_TIME] = 4 * u->channels;
    w->place.width[LT_VECTOR] = u->vector_dim;
    w->place.width[LT_SCALE] = u->scale_dim;
    w->place.width[LT_CONTEXT] = u->context_dim;
    w->place.width[LT_LINEARLY] = u->linear;
    w->place.kept = w->place.outer = true;
    lt_walk_visit(w, LT_STEP_BEGIN, u->in_channels, channels, LT_ROWS(beginning), " ");
    w->place.outer = false;
    skips[k++] = channels;
    for (int i = 0; i < u->levels; i++) {
        const int blocks = u->level[i].blocks, slots = u->slots ? u->slots : blocks;
        enter(u, w, i);
        for (int j = 0; j < blocks; j++) {
            w->place.last = j + 1 == blocks;
            block(u, w, LT_WAY_DOWN, j, channels, u->level[i].channels);
            skips[k++] = channels = u->level[i].channels;
        }
        w->place.last = false;
        if (i + 1 == u->levels) break;
        w->place.kept = true;
        lt_walk_visit(w, LT_STEP_DOWN, channels, channels, LT_ROWS(lt_whole_conv3),
                      "input_blocks.%d.0.op down_blocks.%d.downsamplers.0.conv", number_of(u, LT_WAY_DOWN, i, slots),
                      i);
        skips[k++] = channels;
    }
    w->place.kept = false;
    return k;
}

static void middle(const lt_unet *u, lt_walk *w, int channels) {
    w->place.crossed = false;
    if (u->middle == LT_MIDDLE_NONE) return;
    lt_walk_visit(w, LT_STEP_RESIDUAL, channels, channels, LT_ROWS(residual), "middle_block.0 mid_block.resnets.0");
    if (u->middle == LT_MIDDLE_ONE) return;
    if (u->middle_depth)
        transformer(w, channels, u->middle_depth, false, lt_name_of("middle_block.1"),
                    lt_name_of("mid_block.attentions.0"));
    lt_walk_visit(w, LT_STEP_RESIDUAL, channels, channels, LT_ROWS(residual), "middle_block.2 mid_block.resnets.1");
}

/* Behind the level's last block, or in a place of its own, called as Stable Diffusion 1's, where blocks were left out.
 */
static void upsampler(const lt_unet *u, lt_walk *w, int c) {
    const int i = w->place.level, at = u->levels - 1 - i, last = u->level[i].blocks;
    const bool second = u->slots > last ? at > 0 : lt_unet_depth(u, LT_WAY_UP, i, last) > 0;
    lt_walk_visit(w, LT_STEP_UP, c, c, LT_ROWS(lt_whole_conv3),
                  "output_blocks.%d.%d.conv up_blocks.%d.upsamplers.0.conv",
                  number_of(u, LT_WAY_UP, i, u->slots ? u->slots : last), second ? 2 : 1, at);
}

static void up(const lt_unet *u, lt_walk *w, const int *skips, int count) {
    int channels = skips[count - 1];
    for (int i = u->levels - 1; i >= 0; i--) {
        const lt_resolution *l = &u->level[i];
        enter(u, w, i);
        for (int j = 0; j <= l->blocks; j++) {
            w->place.outer = i == 0 && j == l->blocks;
            block(u, w, LT_WAY_UP, j, channels + skips[--count], l->channels);
            channels = l->channels;
        }
        if (i > 0) upsampler(u, w, channels);
    }
    lt_walk_visit(w, LT_STEP_END, channels, u->out_channels, LT_ROWS(ending), " ");
}

void lt_unet_walk_down(const lt_unet *unet, lt_walk *walk) {
    int skips[MAX_SKIPS];
    middle(unet, walk, skips[down(unet, walk, skips) - 1]);
}

void lt_unet_walk(const lt_unet *unet, lt_walk *walk) {
    int skips[MAX_SKIPS];
    const int count = down(unet, walk, skips);
    middle(unet, walk, skips[count - 1]);
    up(unet, walk, skips, count);
}

/* ---- Cross-attentions ---- */

/* The walk goes down, through the middle and up; names tell which. */
static void count_attention(void *user, const lt_place *place) {
    lt_attentions *a = user;
    const char *at = place->name[LT_NAMING_LDM];
    if (place->step != LT_STEP_TRANSFORMER) return;
    for (int i = 0; i < place->depth && a->count < LT_MAX_ATTENTIONS; i++) {
        a->channels[a->count++] = place->width[LT_OUT];
        ++*(at[0] == 'i' ? &a->down : at[0] == 'm' ? &a->middle : &a->up);
    }
}

void lt_unet_attentions(const lt_unet *unet, lt_attentions *attentions) {
    *attentions = (lt_attentions){0};
    if (unet->context_dim) lt_unet_walk(unet, &(lt_walk){.visit = count_attention, .user = attentions});
}

int lt_attention_running(const lt_attentions *a, int i) {
    return i < a->down ? i : i < a->down + a->up ? i + a->middle : i - a->up;
}

/* ---- What can be looked at ---- */

const char *lt_unet_spot_name(const lt_place *place) {
    const char *at = place->name[LT_NAMING_LDM];
    return *at ? at : place->rows[place->count - 1].name[LT_NAMING_LDM];
}

static void add_spot(lt_unet_spots *s, lt_step step, int level, int beside, lt_name name) {
    if (s->count == LT_MAX_SPOTS) return;
    s->items[s->count++] = (lt_unet_spot){name, step, level, beside};
}

static void list_spot(void *user, const lt_place *place) {
    lt_unet_spots *s = user;
    const lt_name name = lt_name_of("%s", lt_unet_spot_name(place));
    const bool rises = place->step == LT_STEP_RESIDUAL_UP, attends = place->step == LT_STEP_TRANSFORMER;
    for (int i = 0; i < place->depth && attends && place->width[LT_CONTEXT]; i++)
        add_spot(s, LT_STEP_ATTENTION, place->level, -1, lt_name_of("%s.transformer_blocks.%d.attn2", name.text, i));
    if (place->step != LT_STEP_NONE) add_spot(s, place->step, place->level, rises ? s->kept[--s->depth] : -1, name);
    if (place->kept) s->kept[s->depth++] = s->count - 1;
}

void lt_unet_list_spots(const lt_unet *unet, lt_unet_spots *spots) {
    *spots = (lt_unet_spots){0};
    lt_unet_walk(unet, &(lt_walk){.visit = list_spot, .user = spots});
}

/* ---- Reading ---- */

/* The blocks of the transformer in the place that is printed; one that has none is one all the same. */
static int depth_of(const lt_names *n, lt_name place) {
    if (!lt_names_have(n, "%s.norm.", place.text) && !lt_names_have(n, "%s.proj_", place.text) &&
        !lt_names_have(n, "%s.transformer_blocks.", place.text))
        return 0;
    return (int)lt_max(1, (size_t)lt_names_count(n, "%s.transformer_blocks.", place.text));
}

/* What the names tell of a level's blocks on a way: how deep they are beside what the level says. */
static void set_depth(lt_unet *u, lt_unet_way way, int i, int j, int depth) {
    u->deeper[way][i][j] =
        (int8_t)(lt_min((size_t)depth, LT_MAX_DEPTH + 1) - lt_min((size_t)u->level[i].depth, LT_MAX_DEPTH + 1));
}

/* LDM numbers blocks through all levels; a level ends where a downsampler ("op") stands. */
static void count_ldm(const lt_names *n, lt_unet *u) {
    const int blocks = lt_names_count(n, "input_blocks.");
    u->levels = 1;
    for (int k = 1; k < blocks && u->levels <= LT_MAX_LEVELS; k++) {
        if (lt_names_have(n, "input_blocks.%d.0.op.", k))
            u->levels++;
        else if (lt_names_have(n, "input_blocks.%d.", k) || !lt_names_have(n, "input_blocks.%d.", k - 1))
            u->level[u->levels - 1].blocks++;
        else
            u->slots = 2; /* one was left out of Stable Diffusion's two */
    }
}

static void count_diffusers(const lt_names *n, lt_unet *u) {
    u->levels = lt_names_count(n, "down_blocks.");
    for (int i = 0; i < u->levels && i < LT_MAX_LEVELS; i++)
        u->level[i].blocks = lt_names_count(n, "down_blocks.%d.resnets.", i);
}

static int depth_at(const lt_names *n, lt_naming naming, const lt_unet *u, lt_unet_way way, int i, int j) {
    const bool down = way == LT_WAY_DOWN;
    if (naming == LT_NAMING_LDM)
        return depth_of(n, lt_name_of("%s_blocks.%d.1", down ? "input" : "output", number_of(u, way, i, j)));
    return depth_of(n, lt_name_of("%s_blocks.%d.attentions.%d", down ? "down" : "up", down ? i : u->levels - 1 - i, j));
}

/* A level is as deep as the deepest of its blocks on the way down. */
static void read_depths(const lt_names *n, lt_naming naming, lt_unet *u, int i) {
    const bool rises = lt_names_have(n, naming == LT_NAMING_LDM ? "output_blocks." : "up_blocks.");
    for (int j = 0; j < u->level[i].blocks; j++)
        u->level[i].depth = (int)lt_max((size_t)u->level[i].depth, (size_t)depth_at(n, naming, u, LT_WAY_DOWN, i, j));
    for (lt_unet_way way = LT_WAY_DOWN; way < (rises ? LT_WAYS : LT_WAY_UP); way++)
        for (int j = 0; j < blocks_of(u, way, i); j++) set_depth(u, way, i, j, depth_at(n, naming, u, way, i, j));
}

static void read_middle(const lt_names *n, lt_naming naming, lt_unet *u) {
    const bool ldm = naming == LT_NAMING_LDM;
    u->middle_depth = depth_of(n, lt_name_of(ldm ? "middle_block.1" : "mid_block.attentions.0"));
    const bool first = lt_names_have(n, ldm ? "middle_block.0." : "mid_block.resnets.0."),
               second = lt_names_have(n, ldm ? "middle_block.2." : "mid_block.resnets.1.");
    if (!u->middle_depth && !second) u->middle = first ? LT_MIDDLE_ONE : LT_MIDDLE_NONE;
}

typedef struct reading {
    const lt_names *names;
    lt_naming naming;
    lt_unet *unet;
} reading;

static void measure(void *user, const lt_place *place) {
    const reading *r = user;
    lt_unet *u = r->unet;
    int width[LT_WIDTHS];
    lt_names_measure(r->names, r->naming, place, width);
    if (width[LT_CONTEXT]) u->context_dim = width[LT_CONTEXT];
    if (place->step == LT_STEP_BEGIN) {
        u->in_channels = width[LT_IN];
        u->channels = width[LT_OUT];
        u->vector_dim = width[LT_VECTOR];
        u->scale_dim = width[LT_SCALE];
    }
    if (width[LT_SEEN] && width[LT_SEEN] != width[LT_OUT]) u->crossed[place->level] = true;
    lt_resolution *level = &u->level[place->level];
    if (place->step == LT_STEP_RESIDUAL && !level->channels) level->channels = width[LT_OUT];
    if (width[LT_LINEARLY]) u->linear = true;
    if (place->step == LT_STEP_END) u->out_channels = width[LT_OUT];
}

static lt_status check_depths(const lt_names *n, const lt_unet *u) {
    int most = u->middle_depth;
    for (int i = 0; i < u->levels; i++)
        for (int j = 0; j <= u->level[i].blocks; j++)
            most = (int)lt_max((size_t)most, (size_t)lt_unet_depth(u, LT_WAY_UP, i, j));
    if (most <= LT_MAX_DEPTH) return LT_OK;
    return lt_fail(LT_ERROR_MODEL, "%s: %d transformer blocks in the middle or on the way up; %d are possible",
                   n->model, most, LT_MAX_DEPTH);
}

lt_status lt_unet_read(const lt_names *names, lt_naming naming, lt_unet *unet) {
    (naming == LT_NAMING_LDM ? count_ldm : count_diffusers)(names, unet);
    LT_TRY(lt_names_check(names, unet->level, unet->levels));
    for (int i = 0; i < unet->levels; i++) read_depths(names, naming, unet, i);
    read_middle(names, naming, unet);
    LT_TRY(lt_names_check(names, unet->level, unet->levels));
    LT_TRY(check_depths(names, unet));
    const lt_unet counted = *unet;
    reading r = {names, naming, unet};
    lt_unet_walk(&counted, &(lt_walk){.visit = measure, .user = &r});
    return LT_OK;
}

void lt_unet_guess_heads(lt_unet *unet) {
    unet->heads = unet->linear ? 0 : 8;
    unet->head_size = unet->linear ? 64 : 0;
    /* whoever writes a file may take a linear layer for a 1x1 convolution or the other way round; contexts tell */
    if (unet->context_dim == 768) unet->heads = 8, unet->head_size = 0;
    if (unet->context_dim == 1024) unet->heads = 0, unet->head_size = 64;
}
