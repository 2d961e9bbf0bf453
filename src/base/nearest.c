/* What somebody may have meant. */
#include "base/base.h"

#include <string.h>

enum { MAX_LETTERS = 63 };

static size_t least(size_t a, size_t b, size_t c) { return lt_min(a, lt_min(b, c)); }

/* The letters left out, put in, changed, or exchanged with a neighbour that make b [m] of a [n]: the optimal string
 * alignment distance, a row for each letter of a. */
static size_t count_edits(const char *a, size_t n, const char *b, size_t m) {
    size_t rows[3][MAX_LETTERS + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t k = 0; k <= m; k++) last[k] = k;
    for (size_t i = 1; i <= n; i++) {
        row[0] = i;
        for (size_t k = 1; k <= m; k++) {
            row[k] = least(last[k] + 1, row[k - 1] + 1, last[k - 1] + (a[i - 1] != b[k - 1]));
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
                row[k] = lt_min(row[k], before[k - 2] + 1);
        }
        size_t *const free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[m];
}

void lt_nearest_try(lt_nearest *n, const char *name, const char *meant) {
    const size_t length = strlen(n->word), name_length = strlen(name), most = (length + 1) / 3;
    if (!length || length > MAX_LETTERS || name_length > MAX_LETTERS) return;
    const bool goes_on = length > 1 && !strncmp(n->word, name, length);
    const size_t edits = goes_on ? 1 : count_edits(n->word, length, name, name_length);
    if (edits > most || (n->name && edits >= n->edits)) return;
    n->name = meant;
    n->edits = edits;
}
