/* Data sets: opened and checked as a whole, drawn from by place, and their pictures loaded. */
#include "base/door.h"
#include "data/parts.h"
#include "formats/source.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- Names ---- */

bool lt_is_picture_name(const char *name) {
    static const char *const endings[] = {".png", ".jpg", ".jpeg", ".webp"};
    const size_t size = strlen(name);
    for (size_t i = 0; i < LT_COUNT(endings); i++) {
        const size_t ending = strlen(endings[i]);
        if (size > ending && strcasecmp(name + size - ending, endings[i]) == 0) return true;
    }
    return false;
}

lt_status lt_check_relative_name(const char *name) {
    bool leaves = name[0] == '/';
    for (const char *part = name; part && !leaves; part = strchr(part, '/')) {
        part += strspn(part, "/");
        leaves = strncmp(part, "..", 2) == 0 && (part[2] == '/' || !part[2]);
    }
    if (leaves) return lt_fail(LT_ERROR_FORMAT, "%s leads out of the data set: only names below it are read", name);
    return *name ? LT_OK : lt_fail(LT_ERROR_FORMAT, "a picture's name is empty");
}

/* ---- Samples ---- */

lt_status lt_dataset_add(lt_dataset *dataset, const lt_sample *sample) {
    if (dataset->count == dataset->capacity) {
        size_t old_size, size;
        const size_t capacity = lt_max(64, dataset->capacity);
        if (!lt_mul(dataset->capacity, sizeof *sample, &old_size) || !lt_mul(2 * capacity, sizeof *sample, &size))
            return lt_fail(LT_ERROR_MEMORY, "out of memory: %zu pictures are too many", dataset->count);
        lt_sample *grown = lt_realloc(dataset->samples, old_size, size);
        if (!grown) return LT_ERROR_MEMORY;
        dataset->samples = grown;
        dataset->capacity = 2 * capacity;
    }
    dataset->samples[dataset->count++] = *sample;
    return LT_OK;
}

static int compare_keys(const lt_sample *a, const lt_sample *b) {
    const int order = memcmp(a->name, b->name, lt_min(a->key_size, b->key_size));
    return order ? order : (a->key_size > b->key_size) - (a->key_size < b->key_size);
}

static int compare_samples(const void *a, const void *b) {
    return compare_keys(*(const lt_sample *const *)a, *(const lt_sample *const *)b);
}

static lt_status listed_twice(const lt_dataset *dataset, const lt_sample *a, const lt_sample *b) {
    if (a->line)
        return lt_fail(LT_ERROR_FORMAT, "%s/metadata.jsonl: line %zu: %s is in line %zu already", dataset->root,
                       lt_max(a->line, b->line), a->name, lt_min(a->line, b->line));
    return lt_fail(LT_ERROR_FORMAT,
                   "%s: the key %.*s comes twice: members of one key must stand together, as tar --sort=name puts them",
                   dataset->root, (int)lt_min(a->key_size, 512), a->name);
}

/* A picture that is listed twice has two texts or labels, and nobody knows which was meant; a key that comes back in a
 * shard would lose the texts that stand apart from their picture. */
static lt_status check_unique(const lt_dataset *dataset) {
    const lt_sample **sorted = lt_calloc(dataset->count, sizeof *sorted);
    if (!sorted) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < dataset->count; i++) sorted[i] = &dataset->samples[i];
    qsort(sorted, dataset->count, sizeof *sorted, compare_samples);
    lt_status status = LT_OK;
    for (size_t i = 1; i < dataset->count && status == LT_OK; i++) {
        if (compare_keys(sorted[i - 1], sorted[i]) == 0) status = listed_twice(dataset, sorted[i - 1], sorted[i]);
    }
    lt_free(sorted);
    return status;
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

/* ---- Labels ---- */

/* Whether name is a whole number as it is usually written (no +, no zeros before it), and which. */
static bool is_whole(const char *name, int64_t *value) {
    const char *digits = name + (*name == '-');
    const size_t count = strspn(digits, "0123456789");
    if (count < 1 || count > 18 || digits[count] || (*digits == '0' && (count > 1 || digits != name))) return false;
    *value = strtoll(name, NULL, 10);
    return true;
}

/* Whole numbers first, by value; then names. */
static int compare_labels(const void *a, const void *b) {
    const char *left = *(const char *const *)a, *right = *(const char *const *)b;
    int64_t x, y;
    const bool left_whole = is_whole(left, &x), right_whole = is_whole(right, &y);
    if (left_whole && right_whole) return x < y ? -1 : x > y;
    return left_whole != right_whole ? right_whole - left_whole : strcmp(left, right);
}

static lt_status number_labels(lt_dataset *dataset) {
    const char **labels = lt_calloc(dataset->count, sizeof *labels);
    if (!labels) return LT_ERROR_MEMORY;
    dataset->labels = labels;
    size_t count = 0, unique = 0;
    for (size_t i = 0; i < dataset->count; i++)
        if (dataset->samples[i].record.label) labels[count++] = dataset->samples[i].record.label;
    qsort(labels, count, sizeof *labels, compare_labels);
    for (size_t i = 0; i < count; i++)
        if (!unique || compare_labels(&labels[unique - 1], &labels[i])) labels[unique++] = labels[i];
    dataset->label_count = unique;
    for (size_t i = 0; i < dataset->count; i++) {
        lt_sample *sample = &dataset->samples[i];
        sample->label = -1;
        if (!sample->record.label) continue;
        const char **found = bsearch(&sample->record.label, labels, unique, sizeof *labels, compare_labels);
        sample->label = (int)(found - labels);
    }
    return LT_OK;
}

/* ---- The fingerprint ---- */

/* With the NUL, so that "ab", "c" is not "a", "bc"; NULL is not "". */
static uint64_t hash_string(uint64_t hash, const char *s) {
    return s ? lt_hash_bytes(hash, s, strlen(s) + 1) : lt_hash_bytes(hash, "\xff", 1);
}

static uint64_t hash_number(uint64_t hash, uint64_t number) { return lt_hash_bytes(hash, &number, sizeof number); }

static uint64_t take_fingerprint(const lt_dataset *dataset) {
    uint64_t hash = hash_number(LT_HASH_START, dataset->count);
    for (size_t i = 0; i < dataset->count; i++) {
        const lt_sample *sample = &dataset->samples[i];
        hash = hash_number(hash_string(hash, sample->name), sample->size);
        hash = hash_number(hash_string(hash, sample->record.label), sample->record.text_count);
        for (size_t k = 0; k < sample->record.text_count; k++) hash = hash_string(hash, sample->record.texts[k]);
    }
    return hash;
}

lt_status lt_dataset_finish(lt_dataset *dataset) {
    LT_TRY(check_unique(dataset));
    size_t kept = 0;
    for (size_t i = 0; i < dataset->count; i++)
        if (!dataset->samples[i].orphan) dataset->samples[kept++] = dataset->samples[i];
    dataset->count = kept;
    if (!kept)
        return lt_fail(LT_ERROR_FORMAT, "%s: no picture is in it; PNG, JPEG and WebP are looked for", dataset->root);
    LT_TRY(number_labels(dataset));
    dataset->fingerprint = take_fingerprint(dataset);
    return LT_OK;
}

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
    const lt_argument arguments[] = {{"path", path}, {"dataset", .out = dataset, .size = sizeof *dataset}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = make_dataset(path, dataset);
    return lt_leave(&door, status);
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
        if (status == LT_OK) return LT_OK;
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
        if (status != LT_OK) return status;
        image = scaled;
    }
    to_floats(&image, options->flip && (derive(draw, FOR_FLIP) & 1), pixels);
    lt_image_free(&image);
    return LT_OK;
}
