/* Data sets: pictures with their texts and labels, in a folder or in tar shards, and the order in which a seed draws
 * them.
 *
 *   - A folder (Hugging Face's "imagefolder"): pictures, and metadata.jsonl, one JSON object a line: `file_name`
 *     (relative to the folder), `text`, or else `caption` or `prompt` (a string, or a list of them to draw from; may be
 *     missing), `label` (a string or a whole number; may be missing); what else is there is not read, and may be
 *     anything that Python's json module writes. Without metadata.jsonl every picture below the folder counts, with a
 *     NAME.txt or NAME.caption (a line for each text) beside it.
 *   - WebDataset: one .tar, or a folder of them: members KEY.png|jpg|jpeg|webp, KEY.txt or KEY.caption (a line for each
 *     text), KEY.cls (label) or KEY.json (text and label as above), members of one key together. Shards are mapped and
 *     indexed once, not unpacked.
 *
 * Which picture, text, crop and flip come at place p of the stream is a pure function of (seed, p): the data's whole
 * state is one number, and a training goes on from it as if it had never stopped. */
#ifndef LT_DATASET_H
#define LT_DATASET_H

#include "base/base.h"

/* Opening is public (latent.h). Pictures are not opened yet. */

/* The data set at path behind this one, as prior pictures: of what a model draws already, so that it does not forget
 * (Ruiz et al. 2022). They are numbered on, and every other place of the stream is one of them. */
lt_status lt_dataset_add_prior(lt_dataset *dataset, const char *path);
bool lt_dataset_is_prior(const lt_dataset *dataset, size_t i);

const char *lt_dataset_name(const lt_dataset *dataset, size_t i); /* file or key, for messages */
size_t lt_dataset_text_count(const lt_dataset *dataset, size_t i);
const char *lt_dataset_text(const lt_dataset *dataset, size_t i, size_t k);
/* Pictures that have a text which is not blank. */
size_t lt_dataset_captioned(const lt_dataset *dataset);
/* A list of captions in the folder, or below it, of a kind or in a place that is not read; NULL: there is none. */
const char *lt_dataset_unread_list(const lt_dataset *dataset);
/* Labels are numbered in order of their names (whole numbers by value); -1 where a picture has none. */
int lt_dataset_label(const lt_dataset *dataset, size_t i);
size_t lt_dataset_label_count(const lt_dataset *dataset);
const char *lt_dataset_label_name(const lt_dataset *dataset, size_t label);
/* A hash of names, texts, labels and the pictures' sizes on disk: caches and checkpoints are kept by it. */
uint64_t lt_dataset_fingerprint(const lt_dataset *dataset);

/* How a picture becomes `size` x `size` pixels: its shorter side is scaled to size and the middle cut out, or with crop
 * a random square of size pixels is cut from the picture as it is (scaled up first if it is smaller). */
typedef struct lt_picture_options {
    int size;
    bool crop, flip; /* flip: left and right are exchanged for half of the draws */
    int height; /* where it is not a square: size is its width; it is covered, and the middle cut out. 0: a square */
} lt_picture_options;

lt_status lt_picture_options_check(const lt_picture_options *options); /* LT_ERROR_ARGUMENT for an impossible size */

/* The mask of picture i, [height, width] in [0, 1], from the file of the same name in folder: LT_ERROR_FORMAT where it
 * is not as large as the picture; *there is false where there is none, and everything is 1. */
lt_status lt_dataset_load_mask(const lt_dataset *dataset, size_t i, const char *folder, int width, int height,
                               float *mask, bool *there);

/* Picture i into pixels [size, size, 3] in [-1, 1], cropped and flipped as the random number draw says. */
lt_status lt_dataset_load(const lt_dataset *dataset, size_t i, const lt_picture_options *options, uint64_t draw,
                          float *pixels);

/* What stands at place p of the endless stream: each epoch (count places) is a permutation of its own. */
typedef struct lt_draw {
    size_t index, text; /* text: one of the picture's; 0 if it has none */
    uint64_t random;    /* for lt_dataset_load, and whatever else a trainer draws for this sample */
} lt_draw;
/* Whether the picture is mirrored for that random number, where flips are asked for. */
bool lt_dataset_flips(uint64_t random);
/* How large the picture is in its file. */
lt_status lt_dataset_measure(const lt_dataset *dataset, size_t i, int *width, int *height);
/* Where position goes in a permutation of [0, count) that seed and which name. */
size_t lt_dataset_shuffle(uint64_t seed, uint64_t which, size_t count, size_t position);
/* The draw of picture index at that place. */
lt_draw lt_dataset_draw_of(const lt_dataset *dataset, uint64_t seed, uint64_t place, size_t index);
lt_draw lt_dataset_draw(const lt_dataset *dataset, uint64_t seed, uint64_t place);

/* ---- Batches, read ahead by a thread of their own ---- */

typedef struct lt_batch {
    int n;
    uint64_t place; /* of the stream, where the next batch begins: what a checkpoint keeps */
    float *pixels;  /* [n, size, size, 3] */
    lt_draw *draws; /* [n] */
} lt_batch;

typedef struct lt_loader lt_loader;

/* A picture that cannot be read is named to notice (once each), counted and skipped: the next place of the stream is
 * taken. If a whole epoch holds none that can be read, the next call fails. */
lt_status lt_loader_start(const lt_dataset *dataset, const lt_picture_options *options, int n, uint64_t seed,
                          uint64_t place, lt_notice_fn notice, void *notice_user, lt_loader **loader);
/* The next batch; it stays valid until the call after this one. notice is called from here, never from the thread. */
lt_status lt_loader_next(lt_loader *loader, const lt_batch **batch);
/* Pictures left out so far: those that batches handed over, or the failure, came upon. */
size_t lt_loader_skipped(const lt_loader *loader);
void lt_loader_stop(lt_loader *loader);

#endif
