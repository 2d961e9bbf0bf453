/* Merging models: sums and differences of their weights, as A1111's checkpoint merger has them, one tensor at a time.
 */
#include "api/mix_weights.h"
#include "api/model.h"
#include "api/write.h"
#include "base/door.h"
#include "base/fields.h"
#include "base/map.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { A, B, C, MOST_MODELS };

static const char *const methods[] = {"sum", "difference", NULL};

/* clang-format off */
#define AT(member) LT_FIELD(lt_merge_options, member)
static const lt_field fields[] = {
    {AT(method), LT_FIELD_CHOICE, .optional = true, .choices = methods, .help = "sum: A(1-W) + B W; difference: A + (B-C) W; default: as there is C or not"},
    {AT(weight), LT_FIELD_FLOAT, -10, 10, .help = "W, how much of B there is"},
    {AT(weight_c), LT_FIELD_FLOAT, -10, 10, .help = "V, of a sum of three: A(1-W-V) + B W + C V"},
    {AT(blocks), LT_FIELD_TEXT, .optional = true, .help = "W of each block: 26 numbers, BASE to OUT11, or IN04=0.3,text=0"},
    {AT(vae), LT_FIELD_FILE, .optional = true, .help = "take the VAE, as it is, from this file or folder"},
    {AT(type), LT_FIELD_CHOICE, .optional = true, .choices = lt_type_choices, .help = "f32, f16 or bf16; default: as in A"},
    {AT(layout), LT_FIELD_CHOICE, .optional = true, .choices = lt_layout_choices, .help = "ldm (one file) or diffusers (a folder)"},
    {AT(reserved), LT_FIELD_RESERVED},
    {0},
};
#undef AT
/* clang-format on */

const lt_field *lt_merge_fields(void) { return fields; }
lt_merge_options lt_merge_options_defaults(void) { return (lt_merge_options){.weight = 0.3f}; }

/* What a tensor of A's becomes: the sum of the models' tensors of its name, each times a number; NULL: it has no share.
 */
typedef struct mixed {
    const lt_tensor *of[MOST_MODELS];
    double by[MOST_MODELS];
} mixed;

typedef struct mixture {
    const lt_merge_options *options;
    const char *files[MOST_MODELS]; /* C's: NULL without */
    lt_model *models[MOST_MODELS];
    bool difference;
    lt_mix_weights weights;
    lt_tensor *tensors; /* [count], as they are written; their data is their mixed */
    mixed *mixed;       /* [count] */
    size_t count;
} mixture;

/* ---- Values ---- */

/* Row i of a model's tensor, as wide as there; of what is no row by row, all of it. */
static lt_status read_row(const mixture *m, int model, const lt_tensor *t, size_t i, float *row) {
    const lt_tensor view = t->rank ? lt_tensor_row(t, i) : *t;
    lt_tensor_read_f32(&view, row);
    LT_TRY(lt_map_check(t->data, LT_OK));
    if (lt_all_finite(row, lt_tensor_count(&view))) return LT_OK;
    return lt_fail(LT_ERROR_MODEL, "%s: tensor %s holds a NaN, an infinity or what float32 can't hold", m->files[model],
                   t->name);
}

static size_t row_size(const lt_tensor *t) { return t->rank && t->shape[0] ? lt_tensor_count(t) / t->shape[0] : 1; }

/* Row i into values: A's, and to its first numbers, as many as the others have, the sum. work [2 * row_size]. */
static lt_status mix_row(const mixture *m, const mixed *mix, size_t i, float *work, float *values) {
    float *const rows[MOST_MODELS] = {values, work, work + row_size(mix->of[A])};
    size_t n = row_size(mix->of[A]);
    for (int k = A; k < MOST_MODELS; k++) {
        if (!mix->of[k]) continue;
        LT_TRY(read_row(m, k, mix->of[k], i, rows[k]));
        n = lt_min(n, row_size(mix->of[k]));
    }
    for (size_t j = 0; j < n; j++) {
        double sum = 0;
        for (int k = A; k < MOST_MODELS; k++)
            if (mix->of[k]) sum += mix->by[k] * (double)rows[k][j];
        values[j] = (float)sum;
    }
    return LT_OK;
}

/* lt_fill_fn: the tensor's data is its mixed, user the mixture. */
static lt_status fill(void *user, const lt_tensor *tensor, float *values) {
    const mixture *m = user;
    const mixed *mix = tensor->data;
    const lt_tensor *a = mix->of[A];
    const size_t row = row_size(a), rows = lt_tensor_count(a) / row;
    lt_status status = LT_OK;
    if (!mix->of[B] && !mix->of[C]) return lt_tensor_read_f32(a, values), lt_map_check(a->data, LT_OK);
    float *work = lt_calloc(2 * row, sizeof *work);
    if (!work) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < rows && !status; i++) status = mix_row(m, mix, i, work, values + i * row);
    lt_free(work);
    return status;
}

/* ---- What is mixed with what ---- */

/* A's first convolution of an inpainting or an editing model, the other's of an ordinary one: A1111 mixes what both
 * have. */
static bool is_wider(const lt_tensor *a, const lt_tensor *b) {
    static const char first[] = "model.diffusion_model.input_blocks.0.0.weight";
    return !strcmp(a->name, first) && a->rank == 4 && b->rank == 4 && b->shape[1] == 4 &&
           (a->shape[1] == 9 || a->shape[1] == 8) && a->shape[0] == b->shape[0] && a->shape[2] == b->shape[2] &&
           a->shape[3] == b->shape[3];
}

static lt_status check_shapes(const mixture *m, const lt_tensor *a, int other, const lt_tensor *b) {
    char of_a[128], of_b[128];
    LT_TRY(lt_tensor_readable(a));
    LT_TRY(lt_tensor_readable(b));
    if (lt_tensor_has_shape(a, b->rank, b->shape) || is_wider(a, b)) return LT_OK;
    lt_tensor_shape_text(a, of_a, sizeof of_a);
    lt_tensor_shape_text(b, of_b, sizeof of_b);
    const bool turned = is_wider(b, a);
    return lt_fail(LT_ERROR_MODEL, "%s has shape %s in %s and %s in %s: %s", a->name, of_a, m->files[A], of_b,
                   m->files[other], turned ? "the inpainting model goes first" : "these models are of different kinds");
}

static const lt_tensor *find(const mixture *m, int model, const char *name) {
    const lt_model *other = m->models[model];
    return other ? lt_tensor_find(other->tensors.tensors, other->tensors.count, name) : NULL;
}

/* The shares of a tensor of A's. What one of the others lacks stays A's, as A1111 has it: of a sum its share, of a
 * difference, all. */
static lt_status share(const mixture *m, const lt_tensor *a, mixed *mix) {
    const bool given = m->options->vae && lt_is_vae(a->name);
    *mix = (mixed){.of = {a}, .by = {1}};
    if (given || !a->rank || !lt_is_floating(a->dtype)) return LT_OK;
    const lt_tensor *b = find(m, B, a->name), *c = find(m, C, a->name);
    if (b) LT_TRY(check_shapes(m, a, B, b));
    if (c) LT_TRY(check_shapes(m, a, C, c));
    if (m->difference && (!b || !c)) return LT_OK;
    const double w = (double)lt_mix_weight_of(&m->weights, a->name),
                 v = m->difference ? -w : (double)m->options->weight_c;
    mix->of[B] = b;
    mix->of[C] = c;
    mix->by[B] = w;
    mix->by[C] = v;
    mix->by[A] = m->difference ? 1 : 1 - (b ? w : 0) - (c ? v : 0);
    return LT_OK;
}

/* Each tensor of one U-Net is in the other. */
static lt_status check_within(const mixture *m, int one, int other) {
    const lt_model *model = m->models[one];
    for (size_t i = 0; i < model->tensors.count; i++) {
        const char *name = model->tensors.tensors[i].name;
        if (lt_is_unet(name) && !find(m, other, name))
            return lt_fail(LT_ERROR_MODEL, "%s is in %s and not in %s: these models are of different kinds", name,
                           m->files[one], m->files[other]);
    }
    return LT_OK;
}

/* Where both have a U-Net it is the same one. */
static lt_status check_kind(const mixture *m, int other) {
    const lt_components *a = &m->models[A]->parts, *b = &m->models[other]->parts;
    if (!a->has[LT_MODULE_UNET] || !b->has[LT_MODULE_UNET]) return LT_OK;
    LT_TRY(check_within(m, A, other));
    LT_TRY(check_within(m, other, A));
    if (a->schedule.prediction != b->schedule.prediction)
        lt_notify(&a->listener, "%s predicts %s, %s %s: what is made of both may draw nothing right", m->files[A],
                  lt_prediction_name(a->schedule.prediction), m->files[other],
                  lt_prediction_name(b->schedule.prediction));
    return LT_OK;
}

static lt_status check_shared(const mixture *m, size_t shared) {
    const size_t kept = m->count - shared;
    if (!shared)
        return lt_fail(LT_ERROR_MODEL, "%s and %s have no tensor in common", m->files[A],
                       m->files[m->difference ? C : B]);
    if (kept && !m->options->vae)
        lt_notify(&m->models[A]->parts.listener, "%zu of %zu tensors stay as they are in %s: the others lack them",
                  kept, m->count, m->files[A]);
    return LT_OK;
}

/* As what it is written where no type is asked for: in 16 bits where it is fractions in these, or else float32. */
static lt_dtype type_of(const lt_tensor *t) {
    return lt_is_floating(t->dtype) && t->dtype != LT_F16 && t->dtype != LT_BF16 ? LT_F32 : t->dtype;
}

static lt_status make_mixture(mixture *m) {
    const lt_tensor_list *a = &m->models[A]->tensors;
    size_t shared = 0;
    m->count = a->count;
    m->tensors = lt_calloc(m->count, sizeof *m->tensors);
    m->mixed = lt_calloc(m->count, sizeof *m->mixed);
    if (!m->tensors || !m->mixed) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < m->count; i++) {
        m->tensors[i] = a->tensors[i];
        m->tensors[i].dtype = type_of(&a->tensors[i]);
        m->tensors[i].data = &m->mixed[i];
        LT_TRY(share(m, &a->tensors[i], &m->mixed[i]));
        shared += m->mixed[i].of[B] || m->mixed[i].of[C];
    }
    return check_shared(m, shared);
}

/* ---- Writing ---- */

/* What is said in the file of how it was made, in the words of A1111's merger; of names that are not UTF-8 nothing. */
static lt_status tell_recipe(const mixture *m, lt_settings *more) {
    const lt_merge_options *o = m->options;
    const char *names[MOST_MODELS] = {0};
    for (int i = A; i < MOST_MODELS; i++) names[i] = m->models[i] ? m->models[i]->parts.name : NULL;
    json_t *recipe =
        json_pack("{s:s, s:s, s:s, s:s?, s:s, s:f, s:f, s:s?, s:s?}", "type", "latent", "primary_model", names[A],
                  "secondary_model", names[B], "tertiary_model", names[C], "interp_method",
                  m->difference ? "Add difference" : "Weighted sum", "multiplier", (double)o->weight, "multiplier_c",
                  (double)o->weight_c, "blocks", o->blocks, "bake_in_vae", o->vae ? lt_base_name(o->vae) : NULL);
    char *text = recipe ? json_dumps(recipe, JSON_COMPACT | JSON_REAL_PRECISION(7)) : NULL;
    const lt_status status = text ? lt_settings_set_text(more, "sd_merge_recipe", text) : LT_OK;
    free(text);
    json_decref(recipe);
    return status;
}

static lt_status write_mixture(mixture *m, const char *out) {
    const lt_merge_options *o = m->options;
    const lt_filling filling = {fill, m};
    lt_exported exported = lt_model_exported(m->models[A]);
    lt_settings more = {0};
    exported.tensors = m->tensors;
    exported.filling = &filling;
    exported.more = &more;
    lt_status status = tell_recipe(m, &more);
    if (!status) status = lt_write_exported(&exported, out, o->layout, o->type);
    lt_settings_free(&more);
    return status;
}

/* ---- Models ---- */

static lt_status open_model(mixture *m, int i) {
    const lt_merge_options *o = m->options;
    const lt_open_options open = {.vae = i == A ? o->vae : NULL, .notice = o->notice, .notice_user = o->notice_user};
    if (!m->files[i]) return LT_OK;
    LT_TRY(lt_model_open(m->files[i], &open, &m->models[i]));
    const lt_components *parts = &m->models[i]->parts;
    if (!parts->packed && !parts->quantised) return LT_OK;
    return lt_fail(LT_ERROR_UNSUPPORTED, "%s: it is %s: merge the checkpoint that it was made from", m->files[i],
                   parts->packed ? "packed" : "quantised");
}

static lt_status merge(mixture *m, const char *out) {
    const lt_merge_options *o = m->options;
    const lt_tensor_list *a;
    for (int i = A; i < MOST_MODELS; i++) LT_TRY(open_model(m, i));
    a = &m->models[A]->tensors;
    LT_TRY(lt_mix_weights_read(o->blocks, o->weight, a->tensors, a->count, &m->weights));
    for (int i = B; i < MOST_MODELS; i++)
        if (m->models[i]) LT_TRY(check_kind(m, i));
    LT_TRY(make_mixture(m));
    return write_mixture(m, out);
}

static lt_status check_method(mixture *m) {
    const lt_merge_options *o = m->options;
    const bool has_c = m->files[C];
    m->difference = o->method ? !strcmp(o->method, "difference") : has_c && !(o->weight_c > 0) && !(o->weight_c < 0);
    if (m->difference && !has_c)
        return lt_fail(LT_ERROR_ARGUMENT, "method: a difference takes a third model: A + (B - C) W");
    if ((o->weight_c > 0 || o->weight_c < 0) && (m->difference || !has_c))
        return lt_fail(LT_ERROR_ARGUMENT, "weight_c: it is the third model's in a sum of three");
    return LT_OK;
}

static lt_status check_and_merge(mixture *m, const char *out) {
    LT_TRY(lt_fields_check(fields, m->options));
    if (m->files[C]) LT_TRY(lt_path_check("c", m->files[C]));
    LT_TRY(check_method(m));
    return merge(m, out);
}

lt_status lt_merge(const char *a, const char *b, const char *c, const char *out, const lt_merge_options *options) {
    const lt_merge_options defaults = lt_merge_options_defaults();
    const lt_argument arguments[] = {LT_PATH_ARGUMENT(a), LT_PATH_ARGUMENT(b), LT_PATH_ARGUMENT(out)};
    mixture m = {.options = options ? options : &defaults, .files = {a, b, c}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = check_and_merge(&m, out);
    lt_free(m.tensors);
    lt_free(m.mixed);
    for (int i = A; i < MOST_MODELS; i++) lt_model_close(m.models[i]);
    return lt_leave(&door, status);
}
