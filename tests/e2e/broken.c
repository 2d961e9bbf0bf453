/* Files that are broken in a way that can be told:
 *   broken drop NAME IN OUT     a checkpoint without its tensor NAME and without metadata
 *   broken reshape NAME IN OUT  with tensor NAME as one row
 *   broken fill NAME IN OUT     with tensor NAME of the largest numbers that its type has
 *                               NAME may be *END: all tensors whose names end so
 *   broken mutate SEED IN OUT   any file with a few bytes changed, cut short, or with two sizes of a shape exchanged:
 *                               the same ones for the same seed */
#include "base/file.h"
#include "formats/formats.h"
#include "models/shapes.h"

#include <ctype.h>
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int complain(void) {
    fprintf(stderr, "broken: %s\n", lt_error_message());
    return 1;
}

/* ---- Tensors ---- */

typedef enum lt_change { DROP, RESHAPE, FILL } lt_change;

static bool is_named(const char *name, const char *pattern) {
    return *pattern == '*' ? lt_name_ends(name, pattern + 1) : !strcmp(name, pattern);
}

/* What stays until the program ends. */
static void fill(lt_tensor *t) {
    const size_t count = lt_tensor_count(t);
    uint16_t *halves = malloc(count * sizeof(float));
    float *numbers = (float *)(void *)halves;
    if (!halves) exit(1);
    for (size_t i = 0; i < count && t->dtype == LT_F32; i++) numbers[i] = FLT_MAX;
    for (size_t i = 0; i < count && t->dtype == LT_F16; i++) halves[i] = 0x7bff; /* 65504 */
    t->data = halves;
}

static int change_tensors(const char *name, lt_change change, const char *from, const char *to) {
    lt_checkpoint file;
    size_t kept = 0;
    if (lt_checkpoint_open(from, &file)) return complain();
    for (size_t i = 0; i < file.count; i++) {
        lt_tensor *t = &file.tensors[i];
        const bool chosen = is_named(t->name, name);
        if (chosen && change == DROP) continue;
        if (chosen && change == FILL) fill(t);
        if (chosen && change == RESHAPE) {
            t->shape[0] = lt_tensor_count(t);
            t->rank = 1;
            lt_tensor_set_contiguous(t);
        }
        file.tensors[kept++] = *t;
    }
    const lt_status status = lt_safetensors_write(to, file.tensors, kept, NULL, 0, NULL, NULL, NULL);
    lt_checkpoint_close(&file);
    return status ? complain() : 0;
}

/* ---- Any bytes ---- */

typedef struct lt_mutant {
    uint8_t *data;
    size_t size;
    uint64_t random;
} lt_mutant;

/* From 0 to below n, which is not 0: Knuth's linear congruential generator. */
static size_t choose(lt_mutant *b, size_t n) {
    b->random = b->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(b->random >> 33) % n;
}

/* Half of them among the first 4096, where headers are. */
static size_t choose_place(lt_mutant *b) {
    return choose(b, 2) ? choose(b, b->size) : choose(b, lt_min(b->size, 4096));
}

static void change_byte(lt_mutant *b) {
    static const uint8_t favourites[] = {0, 1, 0x7F, 0x80, 0xFF, '0', '9', '-', '"', ',', '[', '}', '.'};
    uint8_t *at = &b->data[choose_place(b)];
    const unsigned flipped = *at ^ 1u << choose(b, 8);
    *at = choose(b, 2) ? favourites[choose(b, sizeof favourites)] : (uint8_t)flipped;
}

static void change_digit(lt_mutant *b) {
    size_t at = choose_place(b);
    for (size_t i = 0; i < 4096 && !isdigit(b->data[at]); i++) at = (at + 1) % b->size;
    b->data[at] = (uint8_t)('0' + choose(b, 10));
}

static void cut(lt_mutant *b) { b->size = choose_place(b) + 1; }

/* "[3,8" becomes "[8,3": as many bytes of tensors, of another shape. */
static void exchange_sizes(lt_mutant *b) {
    size_t at = choose_place(b), first = 0, second = 0;
    for (size_t i = 0; i < 4096 && b->data[at] != '['; i++) at = (at + 1) % b->size;
    uint8_t *text = b->data + at + 1, copy[64];
    const size_t left = b->size - at - 1;
    while (first < left && first < 20 && isdigit(text[first])) first++;
    while (first + 1 + second < left && second < 20 && isdigit(text[first + 1 + second])) second++;
    if (!first || !second || text[first] != ',') return;
    memcpy(copy, text, first);
    memmove(text, text + first + 1, second);
    text[second] = ',';
    memcpy(text + second + 1, copy, first);
}

static int mutate(const char *seed, const char *from, const char *to) {
    static void (*const ways[])(lt_mutant *) = {change_byte,    change_byte,    change_digit,
                                                exchange_sizes, exchange_sizes, cut};
    lt_map map;
    lt_writer writer;
    if (lt_map_open(from, &map)) return complain();
    lt_mutant b = {lt_alloc(map.size), map.size, strtoull(seed, NULL, 10)};
    if (!b.data || !b.size) return complain();
    memcpy(b.data, map.data, b.size);
    for (size_t i = 1 + choose(&b, 4); i; i--) ways[choose(&b, LT_COUNT(ways))](&b);
    lt_status status = lt_writer_open(to, &writer);
    if (!status) status = lt_writer_write(&writer, b.data, b.size);
    if (!status) status = lt_writer_commit(&writer);
    lt_free(b.data);
    lt_map_close(&map);
    return status ? complain() : 0;
}

int main(int argc, char **argv) {
    if (argc == 5 && !strcmp(argv[1], "drop")) return change_tensors(argv[2], DROP, argv[3], argv[4]);
    if (argc == 5 && !strcmp(argv[1], "reshape")) return change_tensors(argv[2], RESHAPE, argv[3], argv[4]);
    if (argc == 5 && !strcmp(argv[1], "fill")) return change_tensors(argv[2], FILL, argv[3], argv[4]);
    if (argc == 5 && !strcmp(argv[1], "mutate")) return mutate(argv[2], argv[3], argv[4]);
    fprintf(stderr, "usage: broken drop|reshape|fill NAME IN OUT, or broken mutate SEED IN OUT\n");
    return 2;
}
