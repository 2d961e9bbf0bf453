/* compare-pictures A B LIMIT: the pictures A and B have the same size and differ by at most LIMIT of 255 in each value;
 * prints the greatest difference. */
#include "latent.h"

#include <stdio.h>
#include <stdlib.h>

/* The greatest difference of two values at the same place; 256 for pictures of different sizes. */
static int greatest_difference(const lt_image *a, const lt_image *b) {
    int greatest = 0;
    if (a->width != b->width || a->height != b->height) return 256;
    for (size_t i = 0; i < (size_t)a->width * (size_t)a->height * 3; i++) {
        const int difference = abs(a->pixels[i] - b->pixels[i]);
        if (difference > greatest) greatest = difference;
    }
    return greatest;
}

int main(int argc, char **argv) {
    lt_image a = {0}, b = {0};
    if (argc != 4) {
        fprintf(stderr, "usage: compare-pictures A B LIMIT\n");
        return 2;
    }
    if (lt_image_load(argv[1], &a) || lt_image_load(argv[2], &b)) {
        fprintf(stderr, "%s\n", lt_error_message());
        lt_image_free(&a);
        return 1;
    }
    const int difference = greatest_difference(&a, &b);
    lt_image_free(&a);
    lt_image_free(&b);
    printf("the greatest difference is %d of 255\n", difference);
    return difference > atoi(argv[3]);
}
