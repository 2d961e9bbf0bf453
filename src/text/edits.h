/* A prompt that says other things at other steps, as A1111's web UI 1.10 reads it (prompt_parser.py):
 *
 *   [from:to:when]  [to:when]  [from::when]   from until the step `when`, to behind it
 *   [a|b|c]                                   one after the other, a step each; a choice may be empty
 *
 * Both nest. A `when` with a dot is a share of the steps, another is a step: [cat:dog:0.5], [cat:dog:12]. Where there
 * was another pass before, a number counts on from its steps and a share from 1.
 *
 * There the text is parsed by a grammar with every way open and Earley's algorithm, which takes the first that covers
 * all of it:
 *
 *   start:      (prompt | one of [ ] ( ) :)*
 *   prompt:     (emphasised | scheduled | alternate | text)*
 *   emphasised: "(" prompt ")"  |  "(" prompt ":" prompt ")"  |  "[" prompt "]"
 *   scheduled:  "[" (prompt ":")? prompt ":" space? NUMBER space? "]"
 *   alternate:  "[" prompt ("|" prompt)+ "]"
 *   text:       anything but \ [ ] ( ) : |, or \ and what is behind it, but no end of a line
 *
 * So what is a bracket of the prompt's is what its brackets and all between them make it: one that fits nothing is a
 * character, and those around it are characters, too. A | outside of [a|b], or a \ at the end of a line, fits nothing
 * at all, and then the whole of the text stands for itself. Here this is one pass with a stack. Where that UI's parser
 * has a choice (what stands before a ] or ) or : that is a character, as in "[cat:dog:0.5]: a picture"), it takes one
 * or the other from run to run; here the brackets are always read. */
#ifndef LT_EDITS_H
#define LT_EDITS_H

#include "base/base.h"

/* Steps that a prompt's numbers are of: those of a pass, and of the pass before it, 0 where there was none. For
 * samplers that ask the network twice a step the web UI counts two. */
typedef struct lt_timeline {
    int steps, before;
} lt_timeline;

/* A stretch of the text, up to the next one's begin. */
typedef struct lt_edit_piece {
    uint32_t begin;
    uint32_t group : 30, kind : 2; /* kind: edits.c */
} lt_edit_piece;

/* A bracket whose choices are read one at a time. */
typedef struct lt_edit_group {
    uint32_t behind;                /* the piece that goes on behind it */
    uint32_t first_choice, choices; /* of lt_edits.choices */
    bool scheduled, share;          /* with two choices, from and to; share: of `when` */
    double when;
} lt_edit_group;

typedef struct lt_edits {
    const char *text; /* the caller's */
    size_t size;
    lt_edit_piece *pieces;
    lt_edit_group *groups;
    uint32_t *choices; /* the piece that each begins with */
    size_t piece_count, group_count, choice_count;
    size_t piece_capacity, group_capacity, choice_capacity;
} lt_edits;

/* text outlives edits. lt_edits_free is due even after a failure. Time and memory are linear in the text, whose size is
 * under 1 GiB (LT_ERROR_ARGUMENT). */
lt_status lt_edits_read(const char *text, lt_edits *edits);
void lt_edits_free(lt_edits *edits); /* a zeroed one is fine */

/* The steps, counted from 1, with which a text of it ends: rising, the last is t.steps. Allocated, [*count]. */
lt_status lt_edits_ends(const lt_edits *edits, lt_timeline t, int **ends, size_t *count);
/* Appends what it says at a step, counted from 1. */
lt_status lt_edits_say(const lt_edits *edits, lt_timeline t, int step, lt_buffer *text);

#endif
