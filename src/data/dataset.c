/* Data sets: opened and checked as a whole, drawn from by place, and their pictures loaded. */
#include "data/dataset.h"
#include "base/door.h"
#include "data/readers.h"
#include "formats/source.h"

#include <string.h>
#include <unistd.h>

/* ---- Opening ---- */

static lt_status read_samples(lt_dataset *dataset, const char *path) {
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/') size--;
    dataset->root = lt_strndup(path, size);
    if (!dataset->root) return LT_ERROR_MEMORY;
    LT_TRY(lt_is_folder(dataset->root) ? lt_dataset_read_folder(dataset) : lt_dataset_read_shard(dataset));
    return lt_dataset_finish(dataset);
}

static lt_status make_dataset(const char *path, lt_dataset **dataset) {
    lt_dataset *opened = lt_calloc(1, sizeof *opened);
    if (!opened) return LT_ERROR_MEMORY;
    const lt_status status = read_samples(opened, path);
    if (status)
        lt_dataset_close(opened);
    else
        *dataset = opened;
    return status;
}

lt_status lt_dataset_open(const char *path, lt_dataset **dataset) {
    const lt_argument arguments[] = {LT_PATH_ARGUMENT(path), {"dataset", .out = dataset, .size = sizeof *dataset}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = make_dataset(path, dataset);
    return lt_leave(&door, status);
}

void lt_dataset_close(lt_dataset *dataset) {
    if (!dataset) return;
    lt_dataset_close(dataset->prior);
    for (size_t i = 0; i < dataset->shard_count; i++) lt_map_close(&dataset->shards[i]);
    lt_free(dataset->shards);
    lt_free(dataset->samples);
    lt_free(dataset->labels);
    lt_free(dataset->root);
    lt_arena_free(&dataset->arena);
    lt_free(dataset);
}

/* ---- Looking at it ---- */

lt_status lt_dataset_add_prior(lt_dataset *dataset, const char *path) { return make_dataset(path, &dataset->prior); }

/* The data set that picture *i is of, and its number there. */
static const lt_dataset *holder(const lt_dataset *dataset, size_t *i) {
    if (*i < dataset->count) return dataset;
    *i -= dataset->count;
    return dataset->prior;
}

static const lt_sample *sample_at(const lt_dataset *dataset, size_t i) {
    const lt_dataset *of = holder(dataset, &i);
    return &of->samples[i];
}

bool lt_dataset_is_prior(const lt_dataset *dataset, size_t i) { return i >= dataset->count; }

size_t lt_dataset_count(const lt_dataset *dataset) {
    return dataset ? dataset->count + lt_dataset_count(dataset->prior) : 0;
}

const char *lt_dataset_name(const lt_dataset *dataset, size_t i) { return sample_at(dataset, i)->name; }
size_t lt_dataset_text_count(const lt_dataset *dataset, size_t i) { return sample_at(dataset, i)->record.text_count; }
const char *lt_dataset_text(const lt_dataset *dataset, size_t i, size_t k) {
    return sample_at(dataset, i)->record.texts[k];
}

static bool has_caption(const lt_record *record) {
    for (size_t k = 0; k < record->text_count; k++)
        if (record->texts[k][strspn(record->texts[k], " \t\r\n")]) return true;
    return false;
}

size_t lt_dataset_captioned(const lt_dataset *dataset) {
    size_t count = 0;
    for (size_t i = 0; i < lt_dataset_count(dataset); i++) count += has_caption(&sample_at(dataset, i)->record);
    return count;
}

const char *lt_dataset_unread_list(const lt_dataset *dataset) { return dataset->unread_list; }
int lt_dataset_label(const lt_dataset *dataset, size_t i) { return dataset->samples[i].label; }
size_t lt_dataset_label_count(const lt_dataset *dataset) { return dataset->label_count; }
const char *lt_dataset_label_name(const lt_dataset *dataset, size_t label) { return dataset->labels[label]; }

uint64_t lt_dataset_fingerprint(const lt_dataset *dataset) {
    const lt_dataset *prior = dataset->prior;
    return prior ? lt_hash_bytes(dataset->fingerprint, &prior->fingerprint, sizeof prior->fingerprint)
                 : dataset->fingerprint;
}

/* ---- The stream ---- */

/* SplitMix64's output function (Steele, Lea & Flood 2014): a bijection that leaves no pattern of its input. */
static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* One number of those that key stands for: what tells them apart. */
static uint64_t derive(uint64_t key, uint64_t what) { return mix(mix(key) ^ what); }

/* What lt_draw.random and a place are asked for. */
enum { FOR_ORDER = 1, FOR_SAMPLE, FOR_TEXT, FOR_FLIP, FOR_X, FOR_Y };

/* Where position goes in the permutation of [0, count) that key names: the swap-or-not shuffle (Hoang, Morris & Rogaway
 * 2012). Each round pairs x with pivot - x and exchanges the pair or not, so that nothing is stored and any count will
 * do. 128 rounds leave no trace of the order up to billions. */
static size_t permute(uint64_t key, size_t count, size_t position) {
    enum { ROUNDS = 128 };
    size_t x = position;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        const uint64_t round_key = derive(key, round);
        const size_t pivot = (size_t)(round_key % count), partner = pivot >= x ? pivot - x : pivot + (count - x);
        if (derive(round_key, lt_max(x, partner)) & 1) x = partner;
    }
    return x;
}

size_t lt_dataset_shuffle(uint64_t seed, uint64_t which, size_t count, size_t position) {
    return permute(derive(derive(seed, FOR_ORDER), which), count, position);
}

/* A picture of one of both halves of the stream. */
static size_t draw_index(const lt_dataset *dataset, uint64_t seed, uint64_t place) {
    return lt_dataset_shuffle(seed, place / dataset->count, dataset->count, (size_t)(place % dataset->count));
}

lt_draw lt_dataset_draw_of(const lt_dataset *dataset, uint64_t seed, uint64_t place, size_t index) {
    const uint64_t random = derive(derive(seed, FOR_SAMPLE), place);
    const size_t texts = lt_dataset_text_count(dataset, index);
    return (lt_draw){index, texts ? (size_t)(derive(random, FOR_TEXT) % texts) : 0, random};
}

lt_draw lt_dataset_draw(const lt_dataset *dataset, uint64_t seed, uint64_t place) {
    const lt_dataset *prior = dataset->prior;
    size_t index;
    if (prior && place % 2)
        index = dataset->count + draw_index(prior, seed, place / 2);
    else
        index = draw_index(dataset, seed, prior ? place / 2 : place);
    return lt_dataset_draw_of(dataset, seed, place, index);
}

bool lt_dataset_flips(uint64_t random) { return derive(random, FOR_FLIP) & 1; }

/* ---- Pictures ---- */

static lt_status decode(const lt_dataset *dataset, const lt_sample *sample, lt_image *image) {
    *image = (lt_image){0};
    if (dataset->shards) {
        const lt_bytes file = {dataset->shards[sample->shard].data + sample->offset, sample->size};
        const lt_status status = lt_map_check(file.data, lt_image_decode(file, image));
        lt_map_release(file.data, file.size);
        if (!status) return LT_OK;
        lt_image_free(image);
        return lt_fail_in(status, "%s", sample->name);
    }
    char *path = lt_format("%s/%s", dataset->root, sample->name);
    if (!path) return LT_ERROR_MEMORY;
    const lt_status status = lt_image_load(path, image);
    lt_free(path);
    return status;
}

/* A random square of at most size pixels from image, in place. */
static void cut_square(lt_image *image, int size, uint64_t draw) {
    const size_t width = (size_t)image->width, height = (size_t)image->height;
    const size_t side = lt_min((size_t)size, lt_min(width, height));
    const size_t x = (size_t)(derive(draw, FOR_X) % (width - side + 1));
    const size_t y = (size_t)(derive(draw, FOR_Y) % (height - side + 1));
    for (size_t row = 0; row < side; row++)
        memmove(image->pixels + 3 * row * side, image->pixels + 3 * ((y + row) * width + x), 3 * side);
    image->width = image->height = (int)side;
}

/* image as floats in [-1, 1], mirrored where asked. */
static void to_floats(const lt_image *image, bool mirrored, float *pixels) {
    const size_t width = (size_t)image->width, height = (size_t)image->height;
    for (size_t y = 0; y < height; y++) {
        for (size_t x = 0; x < width; x++, pixels += 3) {
            const uint8_t *from = image->pixels + 3 * (y * width + (mirrored ? width - 1 - x : x));
            for (size_t c = 0; c < 3; c++) pixels[c] = (float)from[c] / 127.5f - 1.0f;
        }
    }
}

lt_status lt_picture_options_check(const lt_picture_options *options) {
    if (options->size >= 1 && options->size <= LT_IMAGE_MAX_SIDE) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT, "pictures of %d pixels a side can't be made: 1 to %d are possible", options->size,
                   LT_IMAGE_MAX_SIDE);
}

lt_status lt_dataset_measure(const lt_dataset *dataset, size_t i, int *width, int *height) {
    lt_image image;
    const lt_dataset *of = holder(dataset, &i);
    LT_TRY(decode(of, &of->samples[i], &image));
    *width = image.width;
    *height = image.height;
    lt_image_free(&image);
    return LT_OK;
}

lt_status lt_dataset_load(const lt_dataset *dataset, size_t i, const lt_picture_options *options, uint64_t draw,
                          float *pixels) {
    LT_TRY(lt_picture_options_check(options));
    lt_image image;
    const lt_dataset *of = holder(dataset, &i);
    LT_TRY(decode(of, &of->samples[i], &image));
    if (options->crop) cut_square(&image, options->size, draw);
    const int height = options->height ? options->height : options->size;
    if (image.width != options->size || image.height != height) {
        lt_image scaled;
        const lt_status status = lt_image_cover(&image, options->size, height, &scaled);
        lt_image_free(&image);
        if (status) return status;
        image = scaled;
    }
    to_floats(&image, options->flip && lt_dataset_flips(draw), pixels);
    lt_image_free(&image);
    return LT_OK;
}

/* ---- Masks ---- */

/* FOLDER/NAME, or FOLDER/NAME with another ending that pictures have; NULL: without memory. "" where there is none. */
static char *find_mask(const char *folder, const char *name) {
    static const char *const endings[] = {"", ".png", ".webp", ".jpg", ".jpeg"};
    char *stem = lt_strdup(name), *dot = stem ? strrchr(stem, '.') : NULL, *path = stem ? lt_strdup("") : NULL;
    for (size_t i = 0; path && !*path && i < LT_COUNT(endings); i++) {
        if (i && dot) *dot = 0;
        lt_free(path);
        path = lt_format("%s/%s%s", folder, stem, endings[i]);
        if (path && access(path, R_OK)) *path = 0;
    }
    lt_free(stem);
    return path;
}

static lt_status check_mask_size(const lt_dataset *dataset, size_t i, const char *path, const lt_image *mask) {
    int width, height;
    LT_TRY(lt_dataset_measure(dataset, i, &width, &height));
    if (width == mask->width && height == mask->height) return LT_OK;
    return lt_fail(LT_ERROR_FORMAT, "%s: a mask of %dx%d for a picture of %dx%d", path, mask->width, mask->height,
                   width, height);
}

static lt_status read_mask(const lt_dataset *dataset, size_t i, const char *path, int width, int height,
                           float *values) {
    lt_image mask, scaled = {0};
    LT_TRY(lt_image_load(path, &mask));
    lt_status status = check_mask_size(dataset, i, path, &mask);
    if (!status) status = lt_image_cover(&mask, width, height, &scaled);
    lt_image_free(&mask);
    for (size_t k = 0; !status && k < (size_t)width * (size_t)height; k++)
        values[k] = (float)(scaled.pixels[3 * k] + scaled.pixels[3 * k + 1] + scaled.pixels[3 * k + 2]) / 765;
    lt_image_free(&scaled);
    return status;
}

lt_status lt_dataset_load_mask(const lt_dataset *dataset, size_t i, const char *folder, int width, int height,
                               float *mask, bool *there) {
    const lt_dataset *of = holder(dataset, &i);
    char *path = find_mask(folder, of->samples[i].name);
    if (!path) return LT_ERROR_MEMORY;
    *there = *path;
    for (size_t k = 0; k < (size_t)width * (size_t)height; k++) mask[k] = 1;
    const lt_status status = *there ? read_mask(of, i, path, width, height, mask) : LT_OK;
    lt_free(path);
    return status;
}
