/* check: every kernel against its plain C reference over odd shapes, with each instruction set that this machine has;
 * or, with --bench, how fast each is. Ends with 1 where one is wrong.
 *
 *     check [--bench] [--seed N] [--cases N] [--random] [--threads N] [--isa LIMIT] [NAME...]
 *
 * --random leaves out the fixed shapes, some of which take long where processors are emulated. NAME is the beginning of
 * a kernel's name; without one, all. Without --seed one is drawn, and told. */
#include "base/threads.h"
#include "check.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const check_kernel *const check_tables[] = {check_norms,      check_attentions,   check_elementwise, check_rows,
                                            check_optimizers, check_convolutions, check_passes,      NULL};

static bool is_meant(const check_kernel *k, int count, char **names) {
    for (int i = 0; i < count; i++)
        if (strncmp(k->name, names[i], strlen(names[i])) == 0) return true;
    return !count;
}

static lt_isa isa_of(const char *name) {
    for (lt_isa isa = LT_ISA_SCALAR; isa < LT_ISA_BEST; isa++)
        if (strcmp(lt_isa_name(isa), name) == 0) return isa;
    return LT_ISA_BEST;
}

static size_t check_all(const check_options *o, int count, char **names) {
    size_t wrong = 0;
    for (const check_kernel *const *table = check_tables; *table; table++)
        for (const check_kernel *k = *table; k->name; k++)
            if (is_meant(k, count, names)) wrong += check_correct(k, o);
    return wrong;
}

static void time_all(const check_options *o, int count, char **names) {
    for (const check_kernel *const *table = check_tables; *table; table++)
        for (const check_kernel *k = *table; k->name;) k += is_meant(k, count, names) ? check_speed(k, o) : 1;
}

/* False after a message. */
static bool parse(int argc, char **argv, check_options *o, bool *bench) {
    static const struct option longs[] = {{"bench", 0, NULL, 'b'},
                                          {"seed", 1, NULL, 's'},
                                          {"random", 0, NULL, 'r'},
                                          {"cases", 1, NULL, 'c'},
                                          {"threads", 1, NULL, 't'},
                                          {"isa", 1, NULL, 'i'},
                                          {0}};
    for (int found; (found = getopt_long(argc, argv, "", longs, NULL)) != -1;) switch (found) {
        case 'b': *bench = true; break;
        case 'r': o->random = true; break;
        case 's': o->seed = strtoull(optarg, NULL, 10); break;
        case 'c': o->cases = atoi(optarg); break;
        case 't': o->threads = atoi(optarg); break;
        case 'i': o->limit = isa_of(optarg); break;
        default: return false;
        }
    if (o->threads < 1) o->threads = *bench ? lt_core_count() : 2;
    return true;
}

int main(int argc, char **argv) {
    check_options o = {.seed = lt_random_seed() % 1000000, .cases = 60, .limit = LT_ISA_BEST};
    bool bench = false;
    if (!parse(argc, argv, &o, &bench)) return 2;
    if (bench) return time_all(&o, argc - optind, argv + optind), 0;
    printf("seed %llu, up to %s\n", (unsigned long long)o.seed, lt_isa_name(lt_isa_choose(o.limit)));
    const size_t wrong = check_all(&o, argc - optind, argv + optind);
    printf("%zu wrong\n", wrong);
    check_use_threads(1);
    return wrong > 0;
}
