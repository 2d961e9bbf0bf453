/* Files of textual inversion. */
#include "adapters/embedding.h"

#include "adapters/shelf.h"
#include "adapters/stranger.h"
#include "base/map.h"
#include "formats/formats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Which tensor ---- */

/* The one that is called by a token, "<cat>", where a file has no other. */
static const lt_tensor *only_tensor(const lt_checkpoint *file) {
    const lt_tensor *t = file->count == 1 ? &file->tensors[0] : NULL;
    return t && t->rank >= 1 && t->rank <= 2 ? t : NULL;
}

/* Those for a text encoder; the second one's have one name alone. */
static const lt_tensor *find_vectors(const lt_checkpoint *file, int tower) {
    static const char *const names[] = {"string_to_param.*", "emb_params", "clip_l"};
    const lt_tensor *found = NULL;
    if (tower) return lt_checkpoint_find(file, "clip_g");
    for (size_t i = 0; i < LT_COUNT(names) && !found; i++) found = lt_checkpoint_find(file, names[i]);
    return found ? found : only_tensor(file);
}

static const char *family_of(size_t width) {
    return width == 768    ? " (Stable Diffusion 1)"
           : width == 1024 ? " (Stable Diffusion 2)"
           : width == 1280 ? " (Stable Diffusion XL)"
                           : "";
}

static lt_status fail_missing(const lt_checkpoint *file, int tower) {
    if (tower && find_vectors(file, 0))
        return lt_fail(LT_ERROR_MODEL, "it has no vectors for the second text encoder (clip_g), which this model has: "
                                       "it is not for Stable Diffusion XL");
    return lt_stranger_fail(file, LT_SHELF_EMBEDDING, "no embedding", "none of its tensors has such a name");
}

static lt_status check_vectors(const lt_checkpoint *file, int tower, const lt_tensor *t, size_t width) {
    if (!t) return fail_missing(file, tower);
    LT_TRY(lt_tensor_readable(t));
    const size_t own = t->rank ? t->shape[t->rank - 1] : 0, vectors = own ? lt_tensor_count(t) / own : 0;
    if (t->rank > 2 || !vectors) return lt_fail(LT_ERROR_MODEL, "no embedding: %s is no list of vectors", t->name);
    if (own != width)
        return lt_fail(LT_ERROR_MODEL, "its vectors are %zu wide%s, those of this model's text encoder %zu%s", own,
                       family_of(own), width, family_of(width));
    if (vectors > LT_CHUNK_TOKENS)
        return lt_fail(LT_ERROR_MODEL, "it has %zu vectors; a text has room for %d", vectors, LT_CHUNK_TOKENS);
    return LT_OK;
}

static lt_status add_vectors(lt_inversions *all, int tower, const lt_tensor *t, size_t vectors) {
    const size_t width = all->widths[tower], row = width * sizeof(float);
    float *table = lt_realloc(all->tables[tower], all->rows * row, (all->rows + vectors) * row);
    if (!table) return LT_ERROR_MEMORY;
    all->tables[tower] = table;
    lt_tensor_read_f32(t, table + all->rows * width);
    if (!lt_all_finite(table + all->rows * width, vectors * width))
        return lt_fail(LT_ERROR_MODEL, "%s holds a NaN or an infinity", t->name);
    return lt_map_check(t->data, LT_OK);
}

/* vectors: 0, or how many those for the text encoder before are. */
static lt_status read_tower(lt_inversions *all, const lt_checkpoint *file, int tower, size_t *vectors) {
    const size_t width = all->widths[tower];
    const lt_tensor *t = find_vectors(file, tower);
    LT_TRY(check_vectors(file, tower, t, width));
    const size_t own = lt_tensor_count(t) / width;
    if (*vectors && own != *vectors)
        return lt_fail(LT_ERROR_MODEL, "it has %zu vectors for one text encoder and %zu for the other", *vectors, own);
    *vectors = own;
    return add_vectors(all, tower, t, own);
}

static lt_status read_vectors(lt_inversions *all, const char *path, size_t *vectors) {
    lt_checkpoint file;
    LT_TRY(lt_stranger_open(path, LT_SHELF_EMBEDDING, &file));
    lt_status status = LT_OK;
    for (int tower = 0; tower < LT_TEXT_TOWERS && !status; tower++)
        if (all->widths[tower]) status = read_tower(all, &file, tower, vectors);
    lt_checkpoint_close(&file);
    return status;
}

/* ---- Names ---- */

static lt_status read_names(lt_inversion *e, const lt_tokenizer *tokenizer) {
    char *comfy = lt_format("embedding:%s", e->name);
    if (!comfy) return LT_ERROR_MEMORY;
    lt_status status = lt_tokenizer_read(tokenizer, e->name, &e->tokens[0]);
    if (!status) status = lt_tokenizer_read(tokenizer, comfy, &e->tokens[1]);
    lt_free(comfy);
    return status;
}

/* The longest first: "cat-toy" is not "cat" with "-toy". */
static int longer_first(const void *a, const void *b) {
    const lt_vector_word *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count) - (x->count > y->count) : (x->row > y->row) - (x->row < y->row);
}

static lt_status list_words(lt_inversions *all) {
    const size_t count = LT_EMBEDDING_NAMES * all->count;
    lt_vector_word *words = lt_calloc(count, sizeof *words);
    if (!words) return LT_ERROR_MEMORY;
    size_t row = 0;
    for (size_t i = 0; i < all->count; row += all->items[i++].vectors)
        for (size_t k = 0; k < LT_EMBEDDING_NAMES; k++) {
            const lt_tokens *t = &all->items[i].tokens[k];
            words[LT_EMBEDDING_NAMES * i + k] = (lt_vector_word){t->ids, t->count, row, all->items[i].vectors};
        }
    qsort(words, count, sizeof *words, longer_first);
    lt_free(all->words);
    all->words = words;
    return LT_OK;
}

/* ---- All of them ---- */

static void free_one(lt_inversion *e) {
    lt_free(e->path);
    lt_free(e->name);
    for (int k = 0; k < LT_EMBEDDING_NAMES; k++) lt_tokens_free(&e->tokens[k]);
}

static lt_status read_one(lt_inversions *all, const char *path, const char *name, const lt_tokenizer *tokenizer,
                          lt_inversion *e) {
    e->path = lt_strdup(path);
    e->name = name ? lt_strdup(name) : lt_shelf_name(path);
    if (!e->path || !e->name) return LT_ERROR_MEMORY;
    LT_TRY(read_names(e, tokenizer));
    const lt_status status = read_vectors(all, path, &e->vectors);
    return status ? lt_fail_in(status, "%s", path) : LT_OK;
}

lt_status lt_inversions_add(lt_inversions *all, const char *path, const char *name, const size_t widths[LT_TEXT_TOWERS],
                            const lt_tokenizer *tokenizer) {
    lt_inversion e = {0};
    memcpy(all->widths, widths, sizeof all->widths);
    lt_inversion *items = lt_realloc(all->items, all->count * sizeof e, (all->count + 1) * sizeof e);
    if (!items) return LT_ERROR_MEMORY;
    all->items = items;
    const lt_status status = read_one(all, path, name, tokenizer, &e);
    if (status) {
        free_one(&e);
        return status;
    }
    all->rows += e.vectors;
    items[all->count++] = e;
    return list_words(all);
}

void lt_inversions_free(lt_inversions *all) {
    for (size_t i = 0; i < all->count; i++) free_one(&all->items[i]);
    lt_free(all->items);
    for (int tower = 0; tower < LT_TEXT_TOWERS; tower++) lt_free(all->tables[tower]);
    lt_free(all->words);
    *all = (lt_inversions){0};
}

lt_vector_words lt_inversions_words(const lt_inversions *all) {
    return all ? (lt_vector_words){all->words, LT_EMBEDDING_NAMES * all->count} : (lt_vector_words){0};
}
