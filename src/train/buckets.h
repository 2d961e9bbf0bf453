/* Pictures of several shapes (aspect buckets): each goes to the rectangle of about size x size pixels that is most like
 * it, and a batch is of one rectangle. */
#ifndef LT_BUCKETS_H
#define LT_BUCKETS_H

#include "train/task.h"

typedef struct lt_bucket {
    int width, height; /* pixels */
    size_t *members;   /* [count]: pictures of the data set */
    size_t count;
} lt_bucket;

typedef struct lt_buckets {
    lt_bucket *items; /* [count], those that have members */
    size_t count;
    size_t batches; /* of an epoch */
} lt_buckets;

/* Looks at every picture; those that can't be read are left out, with a note. Sides are multiples of step. Without
 * options->pictures.buckets there is one bucket, the square, whose members are NULL: all pictures. */
lt_status lt_buckets_open(const lt_training *t, int step, lt_buckets *buckets);
void lt_buckets_close(lt_buckets *buckets); /* a zeroed one is fine */

/* Which bucket the batch at place is of, and which of its members [batch] come, with their draws [batch]: in an epoch
 * each bucket's members come once, but for its last batch, which is filled up from the beginning. Not for the square.
 */
size_t lt_buckets_draw(const lt_training *t, const lt_buckets *buckets, uint64_t place, size_t *rows, lt_draw *draws);

#endif
