/* Data sets: opened and checked as a whole, drawn from by place, and their pictures loaded. */
#include "data/dataset.h"
#include "base/door.h"
#include "data/readers.h"
#include "formats/source.h"

#include <string.h>

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
    for (size_t i = 0; i < dataset->shard_count; i++) lt_map_close(&dataset->shards[i]);
    lt_free(dataset->shards);
    lt_free(dataset->samples);
    lt_free(dataset->labels);
    lt_free(dataset->root);
    lt_arena_free(&dataset->arena);
    lt_free(dataset);
}

/* ---- Looking at it ---- */

size_t lt_dataset_count(const lt_dataset *dataset) { return dataset ? dataset->count : 0; }
const char *lt_dataset_name(const lt_dataset *dataset, size_t i) { return dataset->samples[i].name; }
size_t lt_dataset_text_count(const lt_dataset *dataset, size_t i) { return dataset->samples[i].record.text_count; }
const char *lt_dataset_text(const lt_dataset *dataset, size_t i, size_t k) {
    return dataset->samples[i].record.texts[k];
}

static bool has_caption(const lt_record *record) {
    for (size_t k = 0; k < record->text_count; k++)
        if (record->texts[k][strspn(record->texts[k], " \t\r\n")]) return true;
    return false;
}

size_t lt_dataset_captioned(const lt_dataset *dataset) {
    size_t count = 0;
    for (size_t i = 0; i < dataset->count; i++) count += has_caption(&dataset->samples[i].record);
    return count;
}

const char *lt_dataset_unread_list(const lt_dataset *dataset) { return dataset->unread_list; }
int lt_dataset_label(const lt_dataset *dataset, size_t i) { return dataset->samples[i].label; }
size_t lt_dataset_label_count(const lt_dataset *dataset) { return dataset->label_count; }
const char *lt_dataset_label_name(const lt_dataset *dataset, size_t label) { return dataset->labels[label]; }
uint64_t lt_dataset_fingerprint(const lt_dataset *dataset) { return dataset->fingerprint; }

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

lt_draw lt_dataset_draw(const lt_dataset *dataset, uint64_t seed, uint64_t place) {
    const uint64_t epoch = place / dataset->count, random = derive(derive(seed, FOR_SAMPLE), place);
    const size_t index =
        permute(derive(derive(seed, FOR_ORDER), epoch), dataset->count, (size_t)(place % dataset->count));
    const size_t texts = dataset->samples[index].record.text_count;
    return (lt_draw){index, texts ? (size_t)(derive(random, FOR_TEXT) % texts) : 0, random};
}

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

/* image [size, size] as floats in [-1, 1], mirrored where asked. */
static void to_floats(const lt_image *image, bool mirrored, float *pixels) {
    const size_t size = (size_t)image->width;
    for (size_t y = 0; y < size; y++) {
        for (size_t x = 0; x < size; x++, pixels += 3) {
            const uint8_t *from = image->pixels + 3 * (y * size + (mirrored ? size - 1 - x : x));
            for (size_t c = 0; c < 3; c++) pixels[c] = (float)from[c] / 127.5f - 1.0f;
        }
    }
}

lt_status lt_picture_options_check(const lt_picture_options *options) {
    if (options->size >= 1 && options->size <= LT_IMAGE_MAX_SIDE) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT, "pictures of %d pixels a side can't be made: 1 to %d are possible", options->size,
                   LT_IMAGE_MAX_SIDE);
}

lt_status lt_dataset_load(const lt_dataset *dataset, size_t i, const lt_picture_options *options, uint64_t draw,
                          float *pixels) {
    LT_TRY(lt_picture_options_check(options));
    lt_image image;
    LT_TRY(decode(dataset, &dataset->samples[i], &image));
    if (options->crop) cut_square(&image, options->size, draw);
    if (image.width != options->size || image.height != options->size) {
        lt_image scaled;
        const lt_status status = lt_image_clip_crop(&image, options->size, &scaled);
        lt_image_free(&image);
        if (status) return status;
        image = scaled;
    }
    to_floats(&image, options->flip && (derive(draw, FOR_FLIP) & 1), pixels);
    lt_image_free(&image);
    return LT_OK;
}
