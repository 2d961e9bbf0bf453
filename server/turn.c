/* Turns of clients. */
#include "turn.h"

#include <stddef.h>
#include <string.h>

/* FNV-1a. */
static uint32_t number_of(const char *client) {
    uint32_t hash = 2166136261u;
    while (*client) hash = (hash ^ (unsigned char)*client++) * 16777619u;
    return (hash ^ hash >> 16) % LT_TURN_CLIENTS;
}

/* The line is in the order of rounds. Who was in it in this round has its next place in the next one, so that a client
 * who comes again and again isn't always before others' second places. */
void lt_turns_add(lt_turns *turns, lt_turn *turn, const char *client) {
    const uint64_t next = turns->served[number_of(client)] + 1;
    *turn = (lt_turn){.client = client, .round = next > turns->round ? next : turns->round};
    for (const lt_turn *other = turns->first; other; other = other->next)
        if (!strcmp(other->client, client)) turn->round = other->round + 1;
    lt_turn **link = &turns->first;
    while (*link && (*link)->round <= turn->round) link = &(*link)->next;
    turn->next = *link;
    *link = turn;
}

void lt_turns_remove(lt_turns *turns, lt_turn *turn, bool inside) {
    lt_turn **link = &turns->first;
    while (*link != turn) link = &(*link)->next;
    *link = turn->next;
    if (inside) turns->round = turns->served[number_of(turn->client)] = turn->round;
}

int lt_turns_count(const lt_turns *turns, const char *client) {
    int count = 0;
    for (const lt_turn *turn = turns->first; turn; turn = turn->next) count += !strcmp(turn->client, client);
    return count;
}
