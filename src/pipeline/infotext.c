/* The text that the web UIs put beside a picture, so that it can be made again. */
#include "pipeline/infotext.h"

#include "adapters/hashed.h"
#include "base/fields.h"
#include "base/rng.h"
#include "pipeline/hires.h"
#include "pipeline/words.h"
#include "text/networks.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reading: what a setting's value is put into, and whom to tell. */
typedef struct reading {
    const lt_infotext *info;
    const lt_session *session; /* or NULL */
    lt_request *request;
} reading;

/* A key of the text. write appends its value (nothing: the key is left out); read takes a value over and returns false
 * where it makes no sense. NULL for one that is never written, or that changes nothing when read. */
typedef struct setting {
    const char *key;
    lt_status (*write)(const lt_made *made, lt_buffer *value);
    bool (*read)(const reading *to, const char *value);
} setting;

/* ---- Numbers ---- */

/* As %g, with as many more digits as it takes to get the same number back. */
static lt_status write_number(lt_buffer *out, double value, bool is_float) {
    char text[64];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        const double back = strtod(text, NULL);
        if (is_float ? (float)back == (float)value : back == value) break;
    }
    return lt_buffer_append(out, text, strlen(text));
}

static lt_status write_text(lt_buffer *out, const char *text) { return lt_buffer_append(out, text, strlen(text)); }
static lt_status write_float(lt_buffer *out, float value) { return write_number(out, (double)value, true); }
static lt_status write_int(lt_buffer *out, int value) { return lt_buffer_printf(out, "%d", value); }

static bool read_number(const char *text, double *value) {
    char *end;
    const double v = strtod(text, &end);
    if (end == text || *end || strspn(text, "+-.0123456789eE") < strlen(text) || !isfinite(v)) return false;
    *value = v;
    return true;
}

static bool read_float(const char *text, float *value) {
    double v;
    if (!read_number(text, &v) || !isfinite((float)v)) return false;
    *value = (float)v;
    return true;
}

static bool read_int(const char *text, int *value) {
    char *end;
    errno = 0;
    const long v = strtol(text, &end, 10);
    if (end == text || *end || errno || v < INT32_MIN || v > INT32_MAX) return false;
    *value = (int)v;
    return true;
}

/* ---- Sizes and words ---- */

/* "WxH", neither under least. */
static bool read_sides(const char *value, int least, int *to_width, int *to_height) {
    int width, height, used = 0;
    if (sscanf(value, "%5dx%5d%n", &width, &height, &used) != 2 || value[used]) return false;
    if (width < least || height < least) return false;
    *to_width = width;
    *to_height = height;
    return true;
}

/* Which of the words, that end with NULL, it is; -1: none. */
static int place_of(const char *const *words, const char *value) {
    for (int i = 0; words[i]; i++)
        if (!strcmp(words[i], value)) return i;
    return -1;
}

/* ---- Sampling ---- */

static lt_status write_steps(const lt_made *m, lt_buffer *out) { return write_int(out, m->request->steps); }
static bool read_steps(const reading *to, const char *value) { return read_int(value, &to->request->steps); }

static lt_status write_sampler(const lt_made *m, lt_buffer *out) {
    return write_text(out, lt_sampler_label(m->steps->sampler));
}

/* Without a schedule of its own a sampler has the one that the web UI takes for it. */
static bool read_sampler(const reading *to, const char *value) {
    const char *schedule, *sampler = lt_sampler_read(value, &schedule);
    if (!sampler) return false;
    to->request->sampler = sampler;
    to->request->schedule = schedule ? schedule : lt_schedule_automatic(sampler);
    return true;
}

static lt_status write_schedule(const lt_made *m, lt_buffer *out) {
    return write_text(out, lt_schedule_label(m->steps->schedule));
}

static bool read_schedule(const reading *to, const char *value) {
    if (lt_schedule_is_automatic(value)) return true; /* the sampler has said it */
    const char *schedule = lt_schedule_read(value);
    if (schedule) to->request->schedule = schedule;
    return schedule != NULL;
}

static lt_status write_guidance(const lt_made *m, lt_buffer *out) { return write_float(out, m->request->guidance); }
static bool read_guidance(const reading *to, const char *value) { return read_float(value, &to->request->guidance); }

/* "0.28:5.42", and "0.28:" without an end. */
static lt_status write_guidance_interval(const lt_made *m, lt_buffer *out) {
    const float *v = m->request->guidance_interval;
    if (!(v[0] > 0) && !(v[1] > 0)) return LT_OK;
    LT_TRY(write_float(out, v[0]));
    LT_TRY(write_text(out, ":"));
    return v[1] > 0 ? write_float(out, v[1]) : LT_OK;
}

static bool read_guidance_interval(const reading *to, const char *value) {
    float v[2] = {0};
    char low[64];
    const size_t length = strcspn(value, ":");
    if (value[length] != ':' || length >= sizeof low) return false;
    memcpy(low, value, length);
    low[length] = '\0';
    const char *high = value + length + 1;
    if (!read_float(low, &v[0]) || (*high && !read_float(high, &v[1]))) return false;
    memcpy(to->request->guidance_interval, v, sizeof v);
    return true;
}

static lt_status write_rescale(const lt_made *m, lt_buffer *out) {
    return m->request->guidance_rescale > 0 ? write_float(out, m->request->guidance_rescale) : LT_OK;
}

static bool read_rescale(const reading *to, const char *value) {
    return read_float(value, &to->request->guidance_rescale);
}

/* A1111's words for it. */
static const char ZERO_SNR[] = "Zero Terminal SNR";

static lt_status write_noise_schedule(const lt_made *m, lt_buffer *out) {
    return m->request->zero_snr ? write_text(out, ZERO_SNR) : LT_OK;
}

static bool read_noise_schedule(const reading *to, const char *value) {
    to->request->zero_snr = !strcmp(value, ZERO_SNR);
    return to->request->zero_snr;
}

static lt_status write_deep_cache(const lt_made *m, lt_buffer *out) {
    return m->request->deep_cache > 1 ? write_int(out, m->request->deep_cache) : LT_OK;
}

static bool read_deep_cache(const reading *to, const char *value) { return read_int(value, &to->request->deep_cache); }

static lt_status write_merging(const lt_made *m, lt_buffer *out) {
    return m->request->merge_tokens > 0 ? write_float(out, m->request->merge_tokens) : LT_OK;
}

static bool read_merging(const reading *to, const char *value) { return read_float(value, &to->request->merge_tokens); }

static lt_status write_seed(const lt_made *m, lt_buffer *out) {
    return lt_buffer_printf(out, "%llu", (unsigned long long)m->seed);
}

static bool read_seed_into(uint64_t *seed, const char *value) {
    char *end;
    errno = 0;
    const unsigned long long read = strtoull(value, &end, 10);
    if (end == value || *end || errno || strchr(value, '-')) return false;
    *seed = read;
    return true;
}

static bool read_seed(const reading *to, const char *value) {
    const bool possible = read_seed_into(&to->request->seed, value);
    if (possible) to->request->random_seed = false;
    return possible;
}

static lt_status write_variation(const lt_made *m, lt_buffer *out) {
    return m->request->variation_strength > 0 ? lt_buffer_printf(out, "%llu", (unsigned long long)m->variation) : LT_OK;
}

static bool read_variation(const reading *to, const char *value) {
    return read_seed_into(&to->request->variation_seed, value);
}

static lt_status write_variation_strength(const lt_made *m, lt_buffer *out) {
    return m->request->variation_strength > 0 ? write_float(out, m->request->variation_strength) : LT_OK;
}

static bool read_variation_strength(const reading *to, const char *value) {
    return read_float(value, &to->request->variation_strength);
}

static lt_status write_eta(const lt_made *m, lt_buffer *out) {
    const bool counts = m->request->eta > 0 && lt_sampler_takes_eta(m->steps->sampler);
    return counts ? write_float(out, m->request->eta) : LT_OK;
}

static bool read_eta(const reading *to, const char *value) { return read_float(value, &to->request->eta); }

/* The web UI's "Eta" is that of the ancestral samplers, which is 1 here; Latent 0.1 called ddim's so. */
static bool read_ancestral_eta(const reading *to, const char *value) {
    double eta;
    if (lt_sampler_takes_eta(to->request->sampler)) return read_eta(to, value);
    return read_number(value, &eta) && eta == 1;
}

static lt_status write_rng(const lt_made *m, lt_buffer *out) {
    return write_text(out, m->request->rng == LT_RNG_PHILOX ? "GPU" : "CPU");
}

static bool read_rng(const reading *to, const char *value) { return lt_rng_read(value, &to->request->rng); }

/* ---- The picture ---- */

static lt_status write_sides(int width, int height, lt_buffer *out) {
    return width || height ? lt_buffer_printf(out, "%dx%d", width, height) : LT_OK;
}

static lt_status write_size(const lt_made *m, lt_buffer *out) { return write_sides(m->width, m->height, out); }

static bool read_size(const reading *to, const char *value) {
    return read_sides(value, 1, &to->request->width, &to->request->height);
}

static lt_status write_seed_resize(const lt_made *m, lt_buffer *out) {
    const int width = m->request->seed_resize_width, height = m->request->seed_resize_height;
    return width && height ? write_sides(width, height, out) : LT_OK;
}

static bool read_seed_resize(const reading *to, const char *value) {
    return read_sides(value, 1, &to->request->seed_resize_width, &to->request->seed_resize_height);
}

static lt_status write_original(const lt_made *m, lt_buffer *out) {
    return write_sides(m->request->original_width, m->request->original_height, out);
}

static bool read_original(const reading *to, const char *value) {
    return read_sides(value, 0, &to->request->original_width, &to->request->original_height);
}

static lt_status write_target(const lt_made *m, lt_buffer *out) {
    return write_sides(m->request->target_width, m->request->target_height, out);
}

static bool read_target(const reading *to, const char *value) {
    return read_sides(value, 0, &to->request->target_width, &to->request->target_height);
}

static lt_status write_crop(const lt_made *m, lt_buffer *out) {
    return write_sides(m->request->crop_left, m->request->crop_top, out);
}

static bool read_crop(const reading *to, const char *value) {
    return read_sides(value, 0, &to->request->crop_left, &to->request->crop_top);
}

static lt_status write_empty_negative(const lt_made *m, lt_buffer *out) {
    const lt_empty_negative kind = m->request->empty_negative;
    return kind == LT_EMPTY_ZEROS ? LT_OK : write_text(out, lt_empty_negative_choices[kind]);
}

static bool read_empty_negative(const reading *to, const char *value) {
    const int kind = place_of(lt_empty_negative_choices, value);
    to->request->empty_negative = kind < 0 ? LT_EMPTY_ZEROS : (lt_empty_negative)kind;
    return kind >= 0;
}

/* Of the one pass that goes on from a picture. */
static lt_status write_strength(const lt_made *m, lt_buffer *out) {
    const lt_request *r = m->request;
    if (lt_hires_asked(r)) return write_number(out, r->hires_strength, false);
    return r->image ? write_number(out, r->strength, false) : LT_OK;
}

static bool read_strength(const reading *to, const char *value) {
    const bool hires = lt_infotext_find(to->info, "Hires upscale") || lt_infotext_find(to->info, "Hires resize");
    if (hires) return read_number(value, &to->request->hires_strength);
    return read_number(value, &to->request->strength) && to->request->image; /* that one is not in the text */
}

static lt_status write_hires_scale(const lt_made *m, lt_buffer *out) {
    const lt_request *r = m->request;
    const bool by_scale = r->hires_scale > 0 && !r->hires_width && !r->hires_height;
    return by_scale ? write_number(out, r->hires_scale, false) : LT_OK;
}

static bool read_hires_scale(const reading *to, const char *value) {
    return read_number(value, &to->request->hires_scale);
}

static lt_status write_hires_size(const lt_made *m, lt_buffer *out) {
    const lt_request *r = m->request;
    return r->hires_width || r->hires_height ? lt_buffer_printf(out, "%dx%d", r->hires_width, r->hires_height) : LT_OK;
}

static bool read_hires_size(const reading *to, const char *value) {
    return read_sides(value, 0, &to->request->hires_width, &to->request->hires_height);
}

static lt_status write_hires_steps(const lt_made *m, lt_buffer *out) {
    const lt_request *r = m->request;
    return lt_hires_asked(r) && r->hires_steps ? write_int(out, r->hires_steps) : LT_OK;
}

static bool read_hires_steps(const reading *to, const char *value) {
    return read_int(value, &to->request->hires_steps);
}

static lt_status write_hires_upscaler(const lt_made *m, lt_buffer *out) {
    if (!lt_hires_asked(m->request)) return LT_OK;
    char *label = lt_hires_label(m->request->hires_upscaler);
    const lt_status status = label ? write_text(out, label) : LT_ERROR_MEMORY;
    lt_free(label);
    return status;
}

static bool read_hires_upscaler(const reading *to, const char *value) {
    to->request->hires_upscaler = lt_hires_by_label(value);
    if (to->session && !lt_hires_is_here(to->session, to->request->hires_upscaler))
        lt_notify(&to->session->listener,
                  "the picture was made with the upscaler %.200s, which is nowhere here: `hires_upscaler` may name its "
                  "file, or another way",
                  value);
    return true;
}

static lt_status write_hires_sampler(const lt_made *m, lt_buffer *out) {
    const lt_request *r = m->request;
    const char *along, *name = r->hires_sampler ? lt_sampler_read(r->hires_sampler, &along) : NULL;
    return lt_hires_asked(r) && name ? write_text(out, lt_sampler_label(name)) : LT_OK;
}

static bool read_hires_sampler(const reading *to, const char *value) {
    const char *along;
    to->request->hires_sampler = lt_sampler_read(value, &along);
    return to->request->hires_sampler != NULL;
}

static lt_status write_hires_schedule(const lt_made *m, lt_buffer *out) {
    const lt_request *r = m->request;
    const char *name = r->hires_schedule ? lt_schedule_read(r->hires_schedule) : NULL;
    return lt_hires_asked(r) && name ? write_text(out, lt_schedule_label(name)) : LT_OK;
}

static bool read_hires_schedule(const reading *to, const char *value) {
    to->request->hires_schedule = lt_schedule_read(value);
    return to->request->hires_schedule || lt_schedule_is_automatic(value);
}

static lt_status write_mask_blur(const lt_made *m, lt_buffer *out) {
    return m->request->mask && m->request->mask_blur > 0 ? write_float(out, m->request->mask_blur) : LT_OK;
}

/* A1111's words for it; the first it leaves out. */
static const char *const content_words[] = {"original", "fill", "latent noise", "latent nothing", NULL};

static lt_status write_content(const lt_made *m, lt_buffer *out) {
    const lt_masked_content content = m->request->masked_content;
    return m->request->mask && content ? write_text(out, content_words[content]) : LT_OK;
}

static bool read_content(const reading *to, const char *value) {
    const int content = place_of(content_words, value);
    if (content >= 0) to->request->masked_content = (lt_masked_content)content;
    return content >= 0;
}

static lt_status write_area(const lt_made *m, lt_buffer *out) {
    return m->request->mask && m->request->only_masked ? write_text(out, "Only masked") : LT_OK;
}

static bool read_area(const reading *to, const char *value) {
    to->request->only_masked = !strcmp(value, "Only masked");
    return to->request->only_masked || !strcmp(value, "Whole picture");
}

static lt_status write_padding(const lt_made *m, lt_buffer *out) {
    return m->request->mask && m->request->only_masked ? write_int(out, m->request->mask_padding) : LT_OK;
}

static bool read_padding(const reading *to, const char *value) { return read_int(value, &to->request->mask_padding); }

static bool read_mask_blur(const reading *to, const char *value) { return read_float(value, &to->request->mask_blur); }

/* A1111's word, which knows both axes alone; the first it leaves out. */
static const char *const seams[] = {"False", "x", "y", "True", NULL};

static lt_status write_seamless(const lt_made *m, lt_buffer *out) {
    return m->session->wraps ? write_text(out, seams[m->session->wraps]) : LT_OK;
}

static bool read_seamless(const reading *to, const char *value) {
    const int seam = place_of(seams, value);
    to->request->seamless = (lt_seamless)(seam < 0 ? LT_SEAMLESS_NONE : seam);
    return seam >= 0;
}

/* Not "Tiling", which is another thing. */
static lt_status write_tiles(const lt_made *m, lt_buffer *out) {
    return m->session->thrift.tiles ? write_text(out, "on") : LT_OK;
}

static bool read_tiles(const reading *to, const char *value) {
    to->request->tiling = true;
    return !strcmp(value, "on");
}

static lt_status write_noise(const lt_made *m, lt_buffer *out) {
    return m->request->noise || m->request->posterior_noise ? write_text(out, "given") : LT_OK;
}

static bool read_noise(const reading *to, const char *value) {
    (void)to;
    (void)value;
    return false; /* it is not in the text */
}

/* ---- Prompts ---- */

/* What the web UI calls them. */
static const char *const emphases[] = {"Original", "No norm", "Ignore", "None", NULL};

static lt_status write_syntax(const lt_made *m, lt_buffer *out) {
    return m->request->plain_prompt ? write_text(out, "off") : LT_OK;
}

static bool read_syntax(const reading *to, const char *value) {
    to->request->plain_prompt = !strcmp(value, "off");
    return to->request->plain_prompt;
}

/* Where brackets would weigh, as the web UI has it. */
static lt_status write_emphasis(const lt_made *m, lt_buffer *out) {
    const lt_request *r = m->request;
    const bool weighs = strpbrk(r->prompt, "([") || strpbrk(r->negative_prompt, "([");
    if (r->emphasis == LT_EMPHASIS_ORIGINAL || r->plain_prompt || !weighs) return LT_OK;
    return write_text(out, emphases[r->emphasis]);
}

static bool read_emphasis(const reading *to, const char *value) {
    const int emphasis = place_of(emphases, value);
    if (emphasis >= 0) to->request->emphasis = (lt_emphasis)emphasis;
    return emphasis >= 0;
}

static lt_status write_comments(const lt_made *m, lt_buffer *out) {
    const lt_request *r = m->request;
    const bool counts = strchr(r->prompt, '#') || strchr(r->negative_prompt, '#');
    return r->literal_hash && !r->plain_prompt && counts ? write_text(out, "off") : LT_OK;
}

static bool read_comments(const reading *to, const char *value) {
    to->request->literal_hash = !strcmp(value, "off");
    return to->request->literal_hash;
}

static lt_status write_regions(const lt_made *m, lt_buffer *out) {
    for (size_t i = 0; i < m->request->region_count; i++)
        LT_TRY(lt_buffer_printf(out, "%s%s", i ? " | " : "", m->request->regions[i].prompt));
    return LT_OK;
}

/* Their masks are not in the text. */
static bool read_regions(const reading *to, const char *value) {
    (void)value;
    return to->request->region_count > 0;
}

static lt_status write_clip_skip(const lt_made *m, lt_buffer *out) {
    return m->request->clip_skip > 1 ? write_int(out, m->request->clip_skip) : LT_OK;
}

static bool read_clip_skip(const reading *to, const char *value) { return read_int(value, &to->request->clip_skip); }

/* ---- Models ---- */

static lt_status write_model(const lt_made *m, lt_buffer *out) {
    return m->parts->name ? write_text(out, m->parts->name) : LT_OK;
}

static bool read_model(const reading *to, const char *value) {
    const char *name = to->session ? to->session->parts->name : NULL;
    if (name && strcmp(name, value) != 0)
        lt_notify(&to->session->listener, "the picture was made with the model %.200s; this is %.200s", value, name);
    return true;
}

/* Where it is not the checkpoint's own. */
static lt_status write_vae(const lt_made *m, lt_buffer *out) {
    char *name = m->parts->vae_file ? lt_shelf_name(m->parts->vae_file) : NULL;
    const lt_status status = name ? write_text(out, name) : m->parts->vae_file ? LT_ERROR_MEMORY : LT_OK;
    lt_free(name);
    return status;
}

/* With or without its ending, as A1111 has it. */
static bool read_vae(const reading *to, const char *value) {
    const char *file = to->session ? to->session->parts->vae_file : NULL;
    char *own = file ? lt_shelf_name(file) : NULL, *made = lt_shelf_name(value);
    const bool same = own && made && !strcmp(own, made);
    if (to->session && !same)
        lt_notify(&to->session->listener, "the picture was made with the VAE %.200s; this is %.200s", value,
                  own ? own : "the model's own");
    lt_free(own);
    lt_free(made);
    return true;
}

/* The hash is of the file, of some gigabytes: with a name nobody asks. */
static bool read_model_hash(const reading *to, const char *value) {
    if (to->session && !lt_infotext_find(to->info, "Model"))
        lt_notify(&to->session->listener, "the picture was made with a model of the hash %.100s, which is not compared",
                  value);
    return true;
}

/* What the text calls the i-th LoRA, allocated: as the prompt does; or as its file is called, without what would end a
 * network or begin a comment, for its hash finds it by any name. */
static char *call_lora(const lt_made *m, size_t i) {
    if (i < m->named) return lt_strdup(m->names[i]);
    char *name = lt_shelf_name(m->loras->files[i]->path);
    for (char *c = name; c && *c; c++)
        if (strchr("#>:", *c) || (unsigned char)*c < ' ') *c = '_';
    return name;
}

/* Whether the i-th has to be told: the first of its name, and all of a name that several files have. */
static bool is_told(const lt_lora_set *set, char *const *names, size_t i) {
    bool first = true, several = false;
    for (size_t k = 0; k < set->count; k++) {
        if (k == i || !lt_hashes_same_name(names[k], names[i])) continue;
        first &= k > i;
        several |= set->files[k] != set->files[i];
    }
    return first || several;
}

static lt_status add_lora_hashes(const lt_made *m, char *const *names, lt_buffer *out) {
    const lt_lora_set *set = m->loras;
    for (size_t i = 0; i < set->count; i++) {
        lt_lora_file *file = set->files[i];
        if (!is_told(set, names, i)) continue;
        if (!*file->hash) lt_lora_hash(m->session->hashes, file->path, &file->file, file->hash);
        LT_TRY(lt_hashes_add(out, names[i], file->hash));
    }
    return LT_OK;
}

static lt_status write_lora_hashes(const lt_made *m, lt_buffer *out) {
    const size_t count = m->loras ? m->loras->count : 0;
    char **names = lt_calloc(count, sizeof *names);
    lt_status status = names ? LT_OK : LT_ERROR_MEMORY;
    for (size_t i = 0; i < count && !status; i++)
        if (!(names[i] = call_lora(m, i))) status = LT_ERROR_MEMORY;
    if (!status && count) status = add_lora_hashes(m, names, out);
    for (size_t i = 0; names && i < count; i++) lt_free(names[i]);
    lt_free(names);
    return status;
}

/* The prompt names them, with their strengths, unless it is plain: then whoever follows it gives them. */
static bool read_lora_hashes(const reading *to, const char *value) {
    const char *syntax = lt_infotext_find(to->info, "Prompt syntax");
    to->request->lora_hashes = value;
    if (syntax && !strcmp(syntax, "off") && !to->request->lora_count && to->session)
        lt_notify(&to->session->listener,
                  "the picture was made with LoRAs that its plain prompt can't name, and is drawn without: give them, "
                  "with their strengths, by `loras` (%.200s)",
                  value);
    return true;
}

static lt_status write_embedding_hashes(const lt_made *m, lt_buffer *out) {
    const lt_inversions *all = &m->session->embeddings;
    for (size_t i = 0; i < all->count; i++) {
        char hash[LT_SHORT_HASH];
        if (!lt_words_has(m->session, m->request, i)) continue;
        lt_file_hash(m->session->hashes, all->items[i].path, hash);
        LT_TRY(lt_hashes_add(out, all->items[i].name, hash));
    }
    return LT_OK;
}

static bool read_embedding_hashes(const reading *to, const char *value) {
    to->request->embedding_hashes = value;
    return true;
}

static lt_status write_classifier(const lt_made *m, lt_buffer *out) {
    return m->guides->classifier ? write_text(out, m->guides->classifier->name) : LT_OK;
}

static lt_status write_class(const lt_made *m, lt_buffer *out) {
    return m->guides->classifier ? write_text(out, m->request->class_name) : LT_OK;
}

static bool read_class(const reading *to, const char *value) {
    to->request->class_name = value;
    return true;
}

static lt_status write_classifier_scale(const lt_made *m, lt_buffer *out) {
    return m->guides->classifier ? write_float(out, m->request->classifier_scale) : LT_OK;
}

static bool read_classifier_scale(const reading *to, const char *value) {
    return read_float(value, &to->request->classifier_scale);
}

static lt_status write_refiner(const lt_made *m, lt_buffer *out) {
    return m->guides->refiner ? write_text(out, m->guides->refiner->name) : LT_OK;
}

static lt_status write_refiner_start(const lt_made *m, lt_buffer *out) {
    return m->guides->refiner ? write_float(out, m->request->refiner_start) : LT_OK;
}

static bool read_refiner_start(const reading *to, const char *value) {
    return read_float(value, &to->request->refiner_start);
}

static lt_status write_clip(const lt_made *m, lt_buffer *out) {
    return m->guides->clip ? write_text(out, m->guides->clip->name) : LT_OK;
}

static lt_status write_clip_guidance(const lt_made *m, lt_buffer *out) {
    return m->guides->clip ? write_float(out, m->request->clip_guidance) : LT_OK;
}

static bool read_clip_guidance(const reading *to, const char *value) {
    return read_float(value, &to->request->clip_guidance);
}

/* "ip-adapter_sd15: 0.6, ip-adapter-plus_sd15: 0.4:0.2:0.8 masked": scale, and a share of the steps. */
static lt_status write_image_prompts(const lt_made *m, lt_buffer *out) {
    for (size_t i = 0; i < m->request->image_prompt_count; i++) {
        const lt_image_prompt *p = &m->request->image_prompts[i];
        LT_TRY(lt_buffer_printf(out, "%s%s: ", out->size ? ", " : "", m->guides->adapters[i]->name));
        LT_TRY(write_float(out, p->scale));
        if (p->start > 0 || p->end < 1) {
            LT_TRY(write_text(out, ":"));
            LT_TRY(write_number(out, p->start, false));
            LT_TRY(write_text(out, ":"));
            LT_TRY(write_number(out, p->end, false));
        }
        if (p->mask) LT_TRY(write_text(out, " masked"));
    }
    return LT_OK;
}

/* The pictures are not in the text: whoever has them gives them again. */
static bool read_image_prompts(const reading *to, const char *value) {
    (void)value;
    return to->request->image_prompt_count > 0;
}

/* As the web UI's extension has it, for the i-th control. */
static lt_status write_control(const lt_made *m, size_t i, lt_buffer *out) {
    static const char *const fits[] = {"Crop and Resize", "Just Resize", "Resize and Fill"};
    static const char *const modes[] = {"Balanced", "My prompt is more important", "ControlNet is more important"};
    if (i >= m->request->control_count) return LT_OK;
    const lt_control *c = &m->request->controls[i];
    LT_TRY(lt_buffer_printf(out, "Module: %s, Model: %s, Weight: ", c->annotator ? c->annotator : "none",
                            m->guides->controls[i]->name));
    LT_TRY(write_float(out, c->strength));
    LT_TRY(lt_buffer_printf(out, ", Resize Mode: %s, Guidance Start: ", fits[c->fit]));
    LT_TRY(write_number(out, c->start, false));
    LT_TRY(write_text(out, ", Guidance End: "));
    LT_TRY(write_number(out, c->end, false));
    return lt_buffer_printf(out, ", Control Mode: %s", modes[c->mode]);
}

#define CONTROL_WRITER(i)                                                                                              \
    static lt_status write_control_##i(const lt_made *m, lt_buffer *out) { return write_control(m, i, out); }
CONTROL_WRITER(0)
CONTROL_WRITER(1)
CONTROL_WRITER(2)
CONTROL_WRITER(3)
CONTROL_WRITER(4)
CONTROL_WRITER(5)
CONTROL_WRITER(6)
CONTROL_WRITER(7)
_Static_assert(LT_MAX_CONTROLS == 8, "a writer for each");

/* File and picture are not in the text: whoever follows it gives them. */
static bool read_control(const reading *to, const char *value) {
    (void)value;
    return to->request->control_count > 0;
}

static lt_status write_precision(const lt_made *m, lt_buffer *out) {
    return m->precision == LT_PRECISION_F32 ? LT_OK : write_text(out, lt_precision_choices[m->precision]);
}

static lt_status write_version(const lt_made *m, lt_buffer *out) {
    (void)m;
    return lt_buffer_printf(out, "latent %s", lt_version());
}

/* ---- All of them, in the order of the text ---- */

static const setting settings[] = {
    {"Steps", write_steps, read_steps},
    {"Sampler", write_sampler, read_sampler},
    {"Schedule type", write_schedule, read_schedule},
    {"CFG scale", write_guidance, read_guidance},
    {"Guidance interval", write_guidance_interval, read_guidance_interval},
    {"CFG rescale", write_rescale, read_rescale},
    {"Noise Schedule", write_noise_schedule, read_noise_schedule},
    {"Deep cache", write_deep_cache, read_deep_cache},
    {"Token merging ratio", write_merging, read_merging},
    {"Seed", write_seed, read_seed},
    {"Variation seed", write_variation, read_variation},
    {"Variation seed strength", write_variation_strength, read_variation_strength},
    {"Size", write_size, read_size},
    {"Seed resize from", write_seed_resize, read_seed_resize},
    {"Original size", write_original, read_original},
    {"Target size", write_target, read_target},
    {"Crop", write_crop, read_crop},
    {"Empty negative", write_empty_negative, read_empty_negative},
    {"Model hash", NULL, read_model_hash},
    {"Model", write_model, read_model},
    {"VAE", write_vae, read_vae},
    {"Denoising strength", write_strength, read_strength},
    {"Hires upscale", write_hires_scale, read_hires_scale},
    {"Hires resize", write_hires_size, read_hires_size},
    {"Hires steps", write_hires_steps, read_hires_steps},
    {"Hires upscaler", write_hires_upscaler, read_hires_upscaler},
    {"Hires sampler", write_hires_sampler, read_hires_sampler},
    {"Hires schedule type", write_hires_schedule, read_hires_schedule},
    {"Mask blur", write_mask_blur, read_mask_blur},
    {"Masked content", write_content, read_content},
    {"Inpaint area", write_area, read_area},
    {"Masked area padding", write_padding, read_padding},
    {"Eta DDIM", write_eta, read_eta},
    {"Eta", NULL, read_ancestral_eta},
    {"Prompt syntax", write_syntax, read_syntax},
    {"Emphasis", write_emphasis, read_emphasis},
    {"Prompt comments", write_comments, read_comments},
    {"Regions", write_regions, read_regions},
    {"Clip skip", write_clip_skip, read_clip_skip},
    {"Image prompts", write_image_prompts, read_image_prompts},
    {"Classifier", write_classifier, NULL},
    {"Class", write_class, read_class},
    {"Classifier scale", write_classifier_scale, read_classifier_scale},
    {"Refiner", write_refiner, NULL},
    {"Refiner switch at", write_refiner_start, read_refiner_start},
    {"CLIP", write_clip, NULL},
    {"CLIP guidance", write_clip_guidance, read_clip_guidance},
    {"ControlNet 0", write_control_0, read_control},
    {"ControlNet 1", write_control_1, read_control},
    {"ControlNet 2", write_control_2, read_control},
    {"ControlNet 3", write_control_3, read_control},
    {"ControlNet 4", write_control_4, read_control},
    {"ControlNet 5", write_control_5, read_control},
    {"ControlNet 6", write_control_6, read_control},
    {"ControlNet 7", write_control_7, read_control},
    {"Tiling", write_seamless, read_seamless},
    {"Tiles", write_tiles, read_tiles},
    {"Noise", write_noise, read_noise},
    {"RNG", write_rng, read_rng},
    {"Precision", write_precision, NULL}, /* the session's, which has it already: told by note_precision */
    {"Version", write_version, NULL},
    {"Exact prompt", NULL, NULL}, /* read with the prompts (text/infotext.c) */
    {"Exact negative prompt", NULL, NULL},
    {"Hashes", NULL, NULL},
    {"VAE hash", NULL, NULL},
    {"Lora hashes", write_lora_hashes, read_lora_hashes},
    {"TI hashes", write_embedding_hashes, read_embedding_hashes},
    {"Civitai resources", NULL, NULL},
    {"Civitai metadata", NULL, NULL},
    {"Created Date", NULL, NULL},
};

/* ---- Writing ---- */

/* The values of all settings; one that is empty is left out. */
static lt_status write_values(const lt_made *made, lt_buffer values[LT_COUNT(settings)]) {
    for (size_t i = 0; i < LT_COUNT(settings); i++)
        if (settings[i].write) LT_TRY(settings[i].write(made, &values[i]));
    return LT_OK;
}

/* "<lora:NAME:0.8>", or "<lora:NAME:0.5:0.8>", the text encoder's strength first. */
static lt_status write_tag(const lt_made *made, size_t i, lt_buffer *prompt) {
    const lt_lora *lora = &made->loras->loras[i];
    char *name = call_lora(made, i);
    if (!name) return LT_ERROR_MEMORY;
    lt_status status = lt_buffer_printf(prompt, "%s<lora:%s:", prompt->size ? " " : "", name);
    if (!status) status = write_float(prompt, lora->text_strength);
    if (!status && lora->strength != lora->text_strength) {
        status = lt_buffer_append(prompt, ":", 1);
        if (!status) status = write_float(prompt, lora->strength);
    }
    lt_free(name);
    return status ? status : lt_buffer_append(prompt, ">", 1);
}

/* As the web UIs do, so that what is appended is no comment. */
static lt_status write_uncommented(const lt_request *r, const char *prompt, lt_buffer *out) {
    return r->plain_prompt || r->literal_hash ? write_text(out, prompt) : lt_comments_take(prompt, out);
}

/* Of networks those that were drawn with alone: another day, or elsewhere, there may be a file for others. */
static lt_status write_own_prompt(const lt_made *made, lt_buffer *prompt) {
    lt_buffer uncommented = {0};
    lt_status status = write_uncommented(made->request, made->request->prompt, &uncommented);
    if (!status) status = lt_networks_leave_out(uncommented.data, made->left_out, prompt);
    lt_buffer_free(&uncommented);
    return status;
}

/* Those that the prompt does not name, as the web UIs say them. */
static lt_status write_tags(const lt_made *made, lt_buffer *prompt) {
    const lt_lora_set *set = made->loras;
    for (size_t i = made->named; set && i < set->count; i++) LT_TRY(write_tag(made, i, prompt));
    return LT_OK;
}

/* With them behind it, or, where they would end up within what it holds, before it. */
static lt_status write_prompt(const lt_made *made, lt_buffer *prompt) {
    lt_buffer own = {0};
    if (made->request->plain_prompt) return write_text(prompt, made->request->prompt);
    lt_status status = write_own_prompt(made, &own);
    const bool open = !status && lt_networks_open(own.data);
    if (!status && open) status = write_tags(made, prompt);
    if (!status) status = lt_buffer_printf(prompt, "%s%s", prompt->size ? " " : "", own.data);
    if (!status && !open) status = write_tags(made, prompt);
    lt_buffer_free(&own);
    return status;
}

char *lt_infotext_make(const lt_made *made) {
    lt_buffer values[LT_COUNT(settings)] = {0}, text = {0}, prompt = {0}, negative = {0};
    lt_setting written[LT_COUNT(settings)];
    size_t count = 0;
    lt_status status = write_values(made, values);
    for (size_t i = 0; i < LT_COUNT(settings); i++)
        if (values[i].size) written[count++] = (lt_setting){settings[i].key, values[i].data};
    if (!status) status = write_prompt(made, &prompt);
    if (!status) status = write_uncommented(made->request, made->request->negative_prompt, &negative);
    if (!status) status = lt_infotext_write(prompt.data, negative.data, written, count, &text);
    lt_buffer_free(&prompt);
    lt_buffer_free(&negative);
    for (size_t i = 0; i < LT_COUNT(settings); i++) lt_buffer_free(&values[i]);
    if (status) lt_buffer_free(&text);
    return text.data;
}

/* ---- Reading ---- */

static const setting *find(const char *key) {
    for (size_t i = 0; i < LT_COUNT(settings); i++)
        if (!strcmp(settings[i].key, key)) return &settings[i];
    return NULL;
}

/* Names with ", " between them, as far as they fit. */
static void add_name(char *list, size_t size, const char *name) {
    const size_t used = strlen(list);
    snprintf(list + used, size - used, "%s%.60s", used ? ", " : "", name);
}

static void apply_all(const reading *to) {
    char unknown[400] = "";
    for (size_t i = 0; i < to->info->count; i++) {
        const lt_setting *s = &to->info->settings[i];
        const setting *known = find(s->key);
        if (!known)
            add_name(unknown, sizeof unknown, s->key);
        else if (known->read && !known->read(to, s->value) && to->session)
            lt_notify(&to->session->listener, "what made the picture can't be followed here: %.60s: %.200s", s->key,
                      s->value);
    }
    if (*unknown && to->session)
        lt_notify(&to->session->listener, "these settings of the picture are not known here and left out: %s", unknown);
}

static bool is_ours(const lt_infotext *info) {
    const char *version = lt_infotext_find(info, "Version");
    return version && !strncmp(version, "latent ", strlen("latent "));
}

/* Ours says it, but for f32's. */
lt_precision lt_infotext_precision(const lt_infotext *info) {
    const char *name = lt_infotext_find(info, "Precision");
    const int precision = name ? place_of(lt_precision_choices, name) : -1;
    if (precision >= LT_PRECISION_F32) return (lt_precision)precision;
    return !name && is_ours(info) ? LT_PRECISION_F32 : LT_PRECISION_AUTO;
}

static void note_precision(const lt_infotext *info, const lt_session *session) {
    const lt_precision made = lt_infotext_precision(info), here = session ? session->target.precision : made;
    if (made != LT_PRECISION_AUTO && made != here)
        lt_notify(&session->listener, "the picture was made in %s; here it is drawn in %s, which makes other bytes",
                  lt_precision_choices[made], lt_precision_choices[here]);
}

void lt_infotext_apply(const lt_infotext *info, const lt_session *session, lt_request *request) {
    request->prompt = info->prompt;
    request->negative_prompt = info->negative_prompt;
    /* the web UI does not name what is its own default */
    if (info->count && !lt_infotext_find(info, "RNG")) request->rng = LT_RNG_PHILOX;
    if (is_ours(info)) request->embedding_hashes = ""; /* it says all that it was made with */
    const reading to = {info, session, request};
    apply_all(&to);
    note_precision(info, session);
}
