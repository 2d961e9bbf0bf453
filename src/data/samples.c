/* The samples of a data set: added, checked as a whole, and numbered by label. */
#include "data/samples.h"

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
    LT_TRY(LT_GROW(dataset->samples, dataset->count, dataset->capacity));
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
    for (size_t i = 1; i < dataset->count && !status; i++) {
        if (compare_keys(sorted[i - 1], sorted[i]) == 0) status = listed_twice(dataset, sorted[i - 1], sorted[i]);
    }
    lt_free(sorted);
    return status;
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
