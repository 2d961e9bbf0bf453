/* What is counted of pictures: their errors. Plain functions. */
#include "eval/eval.h"

#include <math.h>

double lt_mean_square(const uint8_t *a, const uint8_t *b, size_t n) {
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        const int difference = a[i] - b[i];
        sum += (uint64_t)(difference * difference);
    }
    return n ? (double)sum / (255.0 * 255.0) / (double)n : 0;
}

double lt_psnr(double mean_square) { return fmin(-10 * log10(mean_square), LT_PSNR_MOST); }
