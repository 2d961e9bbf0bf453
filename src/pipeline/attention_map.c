/* softmax(q k^T / sqrt(d)), plainly. */
#include "pipeline/attention_map.h"

#include "base/threads.h"

#include <math.h>

static float dot(const float *a, const float *b, size_t n) {
    float sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static void softmax(float *row, size_t n) {
    float most = row[0], sum = 0;
    for (size_t i = 1; i < n; i++) most = fmaxf(most, row[i]);
    for (size_t i = 0; i < n; i++) sum += row[i] = expf(row[i] - most);
    for (size_t i = 0; i < n; i++) row[i] /= sum;
}

/* Row i of all heads' rows. */
static void make_row(const void *context, size_t i, int thread) {
    (void)thread;
    const lt_attention_map *m = context;
    const size_t head = i / m->pixels, c = m->heads * m->d;
    const float *q = m->q + i % m->pixels * c + head * m->d;
    const float scale = 1 / sqrtf((float)m->d);
    float *row = m->map + i * m->tokens;
    for (size_t t = 0; t < m->tokens; t++) row[t] = scale * dot(q, m->k + t * c + head * m->d, m->d);
    softmax(row, m->tokens);
}

void lt_attention_map_make(const lt_attention_map *map) {
    lt_parallel(LT_ALL_THREADS, map->heads * map->pixels, 32, make_row, map);
}
