/* Who waits in a line in which clients take turns (start-time fair queueing): each has one place in a round, and within
 * a round who came first is first. The caller locks. */
#ifndef LT_TURN_H
#define LT_TURN_H

#include <stdbool.h>
#include <stdint.h>

typedef struct lt_turn {
    const char *client; /* the caller's, as long as it waits */
    uint64_t round;
    struct lt_turn *next;
} lt_turn;

enum { LT_TURN_CLIENTS = 256 }; /* that are told apart by a number made of their names: two may have the same */

typedef struct lt_turns {
    lt_turn *first;                   /* whose turn is next; NULL: nobody waits */
    uint64_t round;                   /* of the last one that went in, from 1 */
    uint64_t served[LT_TURN_CLIENTS]; /* the round in which a client went in last; 0: in none */
} lt_turns;

void lt_turns_add(lt_turns *turns, lt_turn *turn, const char *client);
/* Out of the line: inside, or gone. */
void lt_turns_remove(lt_turns *turns, lt_turn *turn, bool inside);
int lt_turns_count(const lt_turns *turns, const char *client);

#endif
