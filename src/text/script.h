/* What a picture's steps read of a prompt: its parts, each with a text that may change with the steps.
 *
 *   a cat AND a dog :0.5     two parts, the second of half the weight, each predicted by itself (Liu et al. 2022)
 *
 * AND parts the text before its brackets are read: "[x AND y:1]" falls apart. A part's weight is what its end says, "
 * :" and a number, which is no text, nor is white space at its end. */
#ifndef LT_SCRIPT_H
#define LT_SCRIPT_H

#include "text/edits.h"

typedef struct lt_script_entry {
    int end; /* the last step, counted from 1, with which the text is read */
    char *text;
} lt_script_entry;

typedef struct lt_script_part {
    double weight;
    lt_script_entry *entries; /* [count], at least 1 */
    size_t count;
} lt_script_part;

typedef struct lt_script {
    lt_script_part *parts; /* [count], at least 1 */
    size_t count, capacity;
} lt_script;

/* composed: AND parts it and weighs; else there is one part, and AND is a word of it. plain: the text is all that there
 * is. LT_ERROR_ARGUMENT where the texts of all steps would be over 64 MiB. lt_script_free is due even after a failure.
 */
typedef struct lt_script_rules {
    bool composed, plain;
    lt_timeline timeline;
} lt_script_rules;
lt_status lt_script_read(const char *prompt, lt_script_rules rules, lt_script *script);
void lt_script_free(lt_script *script); /* a zeroed one is fine */

/* The entry of a part for the call-th of the network's calls, counted from 0: the web UI takes the first whose end is
 * not below that, so that the first text is read once more than its end says. */
size_t lt_script_entry_at(const lt_script_part *part, int call);

#endif
