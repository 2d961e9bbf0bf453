/* Pictures that were drawn, compared with their prompts by CLIP and with the pictures of a data set by their pixels.
 * Of each picture there stays only what is counted. */
#include "base/picture.h"
#include "eval/parts.h"
#include "pipeline/latent.h"

#include <math.h>
#include <string.h>

enum { THUMBNAIL_BYTES = LT_THUMBNAIL * LT_THUMBNAIL * 3 };

struct lt_samples {
    const lt_prompt_list *prompts;
    double *scores; /* of whatever is searched: prompts, or pictures of the data set */

    lt_session *clip;
    lt_embeddings texts; /* of the prompts, equal ones being one group */
    double similarity, score, baseline;
    size_t baseline_count;
    lt_hits prompt_hits;

    size_t picture_count;
    uint8_t *thumbnails; /* [picture_count, LT_THUMBNAIL, LT_THUMBNAIL, 3] */
    size_t *keys;        /* [picture_count + prompts]: groups of the pictures' keys, then of the prompts' */
    double chance[LT_HIT_LIMITS];
    lt_hits picture_hits;
};

/* ---- Prompts, by CLIP ---- */

static lt_status embed_prompts(lt_samples *s, const lt_watch *watch) {
    const size_t count = s->prompts->count;
    const char **strings = lt_calloc(count, sizeof *strings);
    size_t *groups = lt_calloc(count, sizeof *groups);
    lt_status status = strings && groups ? LT_OK : LT_ERROR_MEMORY;
    for (size_t i = 0; i < count && !status; i++) strings[i] = s->prompts->rows[i].prompt;
    if (!status) status = lt_group(strings, count, groups, NULL);
    for (size_t i = 0; i < count && !status; i++) {
        float *row;
        size_t dim;
        status = lt_embed_text(s->clip, strings[i], &row, &dim);
        if (!status) status = lt_embeddings_keep(&s->texts, count, row, dim, groups[i]);
        if (!status) status = lt_eval_report(watch, i + 1, count);
    }
    lt_free(strings);
    lt_free(groups);
    return status;
}

/* embedding [texts.dim] is that of a picture of prompt. */
static void count_similarity(lt_samples *s, size_t prompt, const float *embedding) {
    const lt_embeddings *t = &s->texts;
    for (size_t i = 0; i < t->count; i++) {
        s->scores[i] = lt_similarity(embedding, t->rows + i * t->dim, t->dim);
        if (t->groups[i] == t->groups[prompt]) continue;
        s->baseline += s->scores[i];
        s->baseline_count++;
    }
    s->similarity += s->scores[prompt];
    s->score += fmax(100 * s->scores[prompt], 0);
    lt_hits_add(&s->prompt_hits, lt_rank(s->scores, t->groups, t->count, t->groups[prompt]));
}

static lt_status compare_with_prompts(lt_samples *s, size_t prompt, const lt_image *image) {
    float *embedding;
    size_t dim;
    LT_TRY(lt_embed_image(s->clip, image, &embedding, &dim));
    const bool fits = dim == s->texts.dim;
    if (fits) count_similarity(s, prompt, embedding);
    lt_free(embedding);
    return fits ? LT_OK
                : lt_fail(LT_ERROR_MODEL, "texts have %zu numbers, pictures %zu: not one CLIP", s->texts.dim, dim);
}

/* ---- Pictures of the data set, by their pixels ---- */

static lt_status load_thumbnails(lt_samples *s, const lt_dataset *dataset, const lt_watch *watch) {
    const lt_picture_options options = {.size = LT_THUMBNAIL};
    float pixels[THUMBNAIL_BYTES];
    size_t bytes;
    if (!lt_mul(s->picture_count, THUMBNAIL_BYTES, &bytes))
        return lt_fail(LT_ERROR_MEMORY, "out of memory: %zu pictures are too many", s->picture_count);
    s->thumbnails = lt_alloc(bytes);
    if (!s->thumbnails) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < s->picture_count; i++) {
        LT_TRY(lt_dataset_load(dataset, i, &options, 0, pixels));
        lt_pixels_to_bytes(pixels, s->thumbnails + i * THUMBNAIL_BYTES, THUMBNAIL_BYTES);
        LT_TRY(lt_eval_report(watch, i + 1, s->picture_count));
    }
    return LT_OK;
}

/* Numbers the keys of pictures and prompts together. */
static lt_status group_keys(lt_samples *s, const char *const *keys) {
    const size_t count = s->picture_count + s->prompts->count;
    const char **strings = lt_calloc(count, sizeof *strings);
    s->keys = lt_calloc(count, sizeof *s->keys);
    lt_status status = strings && s->keys ? LT_OK : LT_ERROR_MEMORY;
    if (!status) {
        memcpy(strings, keys, s->picture_count * sizeof *strings);
        for (size_t i = 0; i < s->prompts->count; i++) strings[s->picture_count + i] = s->prompts->rows[i].key;
        status = lt_group(strings, count, s->keys, NULL);
    }
    lt_free(strings);
    return status;
}

/* What a random order would find, mean over the prompts, each of which has the same number of samples. */
static lt_status find_chance(lt_samples *s) {
    for (size_t p = 0; p < s->prompts->count; p++) {
        const lt_prompt_row *row = &s->prompts->rows[p];
        size_t right = 0;
        for (size_t i = 0; i < s->picture_count; i++) right += s->keys[i] == s->keys[s->picture_count + p];
        if (!right || !row->key)
            return lt_fail(LT_ERROR_ARGUMENT, "line %zu of the prompts: no picture of the data set is called %s",
                           row->line, row->key ? row->key : "so");
        for (int k = 0; k < LT_HIT_LIMITS; k++)
            s->chance[k] += lt_chance(s->picture_count, right, lt_hit_limit(k)) / (double)s->prompts->count;
    }
    return LT_OK;
}

static lt_status compare_with_pictures(lt_samples *s, size_t prompt, const lt_image *image) {
    lt_image small;
    LT_TRY(lt_image_clip_crop(image, LT_THUMBNAIL, &small));
    for (size_t i = 0; i < s->picture_count; i++)
        s->scores[i] = -lt_mean_square(small.pixels, s->thumbnails + i * THUMBNAIL_BYTES, THUMBNAIL_BYTES);
    lt_image_free(&small);
    lt_hits_add(&s->picture_hits, lt_rank(s->scores, s->keys, s->picture_count, s->keys[s->picture_count + prompt]));
    return LT_OK;
}

/* ---- All of it ---- */

static lt_status fill(lt_samples *s, const lt_dataset *dataset, const char *const *keys, const lt_watch *watch) {
    s->picture_count = dataset ? lt_dataset_count(dataset) : 0;
    s->scores = lt_calloc(lt_max(s->prompts->count, s->picture_count), sizeof *s->scores);
    if (!s->scores) return LT_ERROR_MEMORY;
    if (dataset) {
        LT_TRY(group_keys(s, keys));
        LT_TRY(find_chance(s));
        LT_TRY(load_thumbnails(s, dataset, watch));
    }
    return s->clip ? embed_prompts(s, watch) : LT_OK;
}

lt_status lt_samples_open(const lt_prompt_list *prompts, lt_session *clip, const lt_dataset *dataset,
                          const char *const *keys, const lt_watch *watch, lt_samples **samples) {
    *samples = NULL;
    lt_samples *s = lt_calloc(1, sizeof *s);
    if (!s) return LT_ERROR_MEMORY;
    s->prompts = prompts;
    s->clip = clip;
    const lt_status status = fill(s, dataset, keys, watch);
    if (status)
        lt_samples_close(s);
    else
        *samples = s;
    return status;
}

lt_status lt_samples_add(lt_samples *s, size_t prompt, const lt_image *image) {
    if (s->clip) LT_TRY(compare_with_prompts(s, prompt, image));
    return s->picture_count ? compare_with_pictures(s, prompt, image) : LT_OK;
}

void lt_samples_result(const lt_samples *s, lt_clip_score *score, lt_retrieval *retrieval) {
    const double count = (double)s->prompt_hits.searches;
    *score = (lt_clip_score){.count = s->prompt_hits.searches, .hits = s->prompt_hits};
    if (score->count) {
        score->similarity = s->similarity / count;
        score->score = s->score / count;
        score->baseline = s->baseline_count ? s->baseline / (double)s->baseline_count : NAN;
    }
    *retrieval = (lt_retrieval){.pictures = s->picture_count, .hits = s->picture_hits};
    memcpy(retrieval->chance, s->chance, sizeof s->chance);
}

void lt_samples_close(lt_samples *s) {
    if (!s) return;
    lt_embeddings_free(&s->texts);
    lt_free(s->scores);
    lt_free(s->thumbnails);
    lt_free(s->keys);
    lt_free(s);
}
