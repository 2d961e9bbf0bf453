/* What somebody may have meant: of names, the one nearest to a word that is none of them. */
#ifndef LT_NEAREST_H
#define LT_NEAREST_H

#include <stddef.h>

/* Zero it and set word; then put every name in. */
typedef struct lt_nearest {
    const char *word, *name; /* name: the nearest so far; NULL while none is near */
    size_t edits;            /* between them */
} lt_nearest;

/* A name is near if a third of the word's letters are wrong, or if it only goes on behind the word. If it is, and
 * nearer than those before, meant is what the user is told: name itself, or what it stands for. */
void lt_nearest_try(lt_nearest *n, const char *name, const char *meant);

#endif
