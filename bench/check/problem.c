/* A case's numbers, and the memory of a run. */
#include "base/threads.h"
#include "check.h"
#include "kernels/bf16.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 64, GUARD_BYTE = 0xA5, FRESH_BYTE = 0xFF /* four of them are a NaN */ };

static void *need(void *memory) {
    if (memory) return memory;
    fprintf(stderr, "check: %s\n", lt_error_message());
    exit(2);
}

/* ---- Numbers: a linear congruential generator, Knuth's MMIX ---- */

static uint32_t next(check_problem *p) {
    p->random = p->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(p->random >> 32);
}

int check_int(check_problem *p, int from, int to) { return from + (int)(next(p) % (uint32_t)(to - from + 1)); }

float check_float(check_problem *p, float from, float to) {
    return from + (to - from) * (float)(next(p) >> 8) * 0x1p-24f;
}

/* ---- A case ---- */

void check_make(check_problem *p, const check_kernel *kernel, bool speed, size_t number, uint64_t seed) {
    const uint64_t hash = lt_hash_bytes(LT_HASH_START ^ seed, kernel->name, strlen(kernel->name));
    *p = (check_problem){.kernel = kernel, .speed = speed, .number = number};
    p->random = lt_hash_bytes(hash, &number, sizeof number);
    p->narrow = number % 2;
    kernel->make(p);
}

void *check_arguments(check_problem *p, const void *arguments, size_t size) {
    return p->arguments = memcpy(need(lt_alloc(size)), arguments, size);
}

float *check_input(check_problem *p, size_t count, float from, float to) {
    check_array *a = &p->in[p->ins++];
    *a = (check_array){.values = need(lt_alloc(count * sizeof(float))), .count = count};
    for (size_t i = 0; i < count; i++) a->values[i] = check_float(p, from, to);
    return a->values;
}

float *check_factor(check_problem *p, size_t count, float from, float to) {
    float *values = check_input(p, count, from, to);
    p->in[p->ins - 1].factor = true;
    if (p->narrow) lt_round_to_bf16(values, values, count, 1);
    return values;
}

void check_output(check_problem *p, size_t count, const float *before) {
    p->out[p->outs++] = (check_array){.count = count, .before = before};
}

void check_free(check_problem *p) {
    for (size_t i = 0; i < p->ins; i++) lt_free(p->in[i].values);
    lt_free(p->arguments);
}

/* ---- A run's memory ---- */

void *check_memory(size_t size) {
    char *memory = need(lt_alloc(size + GUARD));
    memset(memory, FRESH_BYTE, size);
    memset(memory + size, GUARD_BYTE, GUARD);
    return memory;
}

static bool is_whole(const void *memory, size_t size) {
    const unsigned char *guard = (const unsigned char *)memory + size;
    for (size_t i = 0; memory && i < GUARD; i++)
        if (guard[i] != GUARD_BYTE) return false;
    return true;
}

lt_value_type_id check_reads(const check_run *r) {
    return r->narrow && r->problem->kernel->reads_bf16 ? LT_VALUE_BF16 : LT_VALUE_F32;
}

lt_value_type_id check_writes(const check_run *r) {
    return r->narrow && r->problem->kernel->writes_bf16 ? LT_VALUE_BF16 : LT_VALUE_F32;
}

const void *check_at(const check_run *r, size_t input, size_t place) {
    return (const char *)r->in[input] + place * lt_value_types[check_reads(r)].bytes;
}

float *check_out(const check_run *r, size_t output) { return r->problem->out[output].count ? r->out[output] : NULL; }

bool check_find_kernels(check_run *r) {
    const lt_kernels *k = lt_kernels_get(r->reference ? LT_ISA_SCALAR : r->limit);
    r->with = k;
    snprintf(r->name, sizeof r->name, "%s", lt_isa_name(k->isa));
    return r->reference || k->isa != LT_ISA_SCALAR;
}

static size_t output_size(const check_run *r, size_t i) {
    return r->problem->out[i].count * lt_value_types[i ? LT_VALUE_F32 : check_writes(r)].bytes;
}

static bool is_narrowed(const check_run *r, size_t input) {
    return r->problem->in[input].factor && check_reads(r) == LT_VALUE_BF16;
}

static const void *give_input(const check_run *r, size_t i) {
    const check_array *a = &r->problem->in[i];
    if (!is_narrowed(r, i)) return a->values;
    uint16_t *narrow = need(lt_alloc(a->count * sizeof *narrow));
    lt_bf16_write(a->values, narrow, a->count);
    return narrow;
}

static void *give_output(const check_run *r, size_t i) {
    const check_array *a = &r->problem->out[i];
    void *memory = check_memory(output_size(r, i));
    if (a->before) memcpy(memory, a->before, output_size(r, i));
    return memory;
}

bool check_begin(check_run *r, unsigned wanted, int place) {
    const check_problem *p = r->problem;
    check_use_threads(r->threads);
    if (!p->kernel->prepare(r)) return false;
    r->scratch = check_memory(r->scratch_size);
    for (size_t i = 0; i < p->ins; i++) r->in[i] = give_input(r, i);
    for (size_t i = 0; i < p->outs; i++) r->out[i] = wanted >> i & 1 ? give_output(r, i) : NULL;
    if (place < 0) return true;
    memcpy(r->out[0], r->in[place], output_size(r, 0));
    r->in[place] = r->out[0];
    return true;
}

lt_status check_repeat(check_run *r) { return r->problem->kernel->run(r); }

bool check_end(check_run *r) {
    const check_problem *p = r->problem;
    bool whole = is_whole(r->scratch, r->scratch_size) && is_whole(r->packed, r->packed_size);
    for (size_t i = 0; i < p->outs; i++) whole &= is_whole(r->out[i], r->out[i] ? output_size(r, i) : 0);
    for (size_t i = 0; i < p->ins; i++)
        if (is_narrowed(r, i)) lt_free((void *)(uintptr_t)r->in[i]);
    if (p->kernel->finish) p->kernel->finish(r);
    lt_free(r->scratch);
    return whole;
}

void check_free_outputs(check_run *r) {
    for (size_t i = 0; i < r->problem->outs; i++) lt_free(r->out[i]);
}

/* ---- Threads ---- */

static lt_team *team;

void check_use_threads(int threads) {
    if (lt_team_size(team) == threads && team) return;
    lt_team_enter(NULL);
    lt_team_free(team);
    if (lt_team_create(threads, &team) != LT_OK) need(NULL);
    lt_team_enter(team);
}
