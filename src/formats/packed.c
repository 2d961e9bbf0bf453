/* Packed files: see packed.h. */
#include "formats/packed.h"

#include "base/threads.h"
#include "formats/json.h"
#include "formats/listing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The library's, and of what forms of the same key hold. */
static void write_version(char *text, size_t size) { snprintf(text, size, "%s/%d", lt_version(), LT_PACKED_REVISION); }

/* ---- Sums ---- */

typedef struct summing {
    const lt_tensor *tensors;
    uint64_t *sums;
} summing;

static void sum_one(const void *context, size_t i, int thread) {
    (void)thread;
    const summing *s = context;
    s->sums[i] = lt_checksum(s->tensors[i].data, lt_tensor_bytes(&s->tensors[i]));
}

/* The sum of tensors [count], of their headers and data, by every core: they are as large as memory is fast. */
static lt_status sum_of(const lt_tensor *tensors, size_t count, uint64_t *sum) {
    lt_team *team;
    uint64_t *sums = lt_calloc(count, sizeof *sums);
    lt_status status = sums ? lt_team_create(0, &team) : LT_ERROR_MEMORY;
    *sum = LT_HASH_START;
    if (!status) {
        const summing all = {tensors, sums};
        lt_team *before = lt_team_enter(team);
        lt_parallel(LT_ALL_THREADS, count, 1, sum_one, &all);
        lt_team_enter(before);
        lt_team_free(team);
    }
    for (size_t i = 0; i < count && !status; i++) {
        const lt_tensor *t = &tensors[i];
        *sum = lt_hash_bytes(*sum, t->name, strlen(t->name) + 1);
        *sum = lt_hash_bytes(*sum, &t->dtype, sizeof t->dtype);
        *sum = lt_hash_bytes(*sum, t->shape, (size_t)t->rank * sizeof *t->shape);
        *sum = lt_hash_bytes(*sum, &sums[i], sizeof sums[i]);
    }
    lt_free(sums);
    return status;
}

/* One of the metadata; they come in any order. */
static uint64_t sum_of_text(const char *key, const char *value) {
    return lt_hash_bytes(lt_hash_bytes(LT_HASH_START, key, strlen(key) + 1), value, strlen(value));
}

/* tensors [count] sorted by name. */
static lt_status sum_file(const lt_tensor *tensors, size_t count, const lt_metadata *metadata, size_t metadata_count,
                          char text[24]) {
    uint64_t sum;
    LT_TRY(sum_of(tensors, count, &sum));
    for (size_t i = 0; i < metadata_count; i++)
        if (strcmp(metadata[i].key, LT_PACKED_SUM) != 0) sum += sum_of_text(metadata[i].key, metadata[i].value);
    snprintf(text, 24, "%016llx", (unsigned long long)sum);
    return LT_OK;
}

static lt_status check_sum(const lt_checkpoint *c) {
    char sum[24];
    const char *said = lt_checkpoint_metadata(c, LT_PACKED_SUM);
    lt_metadata *metadata = lt_calloc(c->metadata_count, sizeof *metadata);
    if (!metadata) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < c->metadata_count; i++)
        metadata[i] = (lt_metadata){c->metadata[i].key, c->metadata[i].value};
    const lt_status status = sum_file(c->tensors, c->count, metadata, c->metadata_count, sum);
    lt_free(metadata);
    if (status || (said && !strcmp(said, sum))) return status;
    return lt_fail(LT_ERROR_FORMAT, "its bytes are not those that were packed (sum %s, not %s): pack the model again",
                   sum, said ? said : "there");
}

/* ---- Reading ---- */

static bool is_form(const lt_tensor *t) { return !strncmp(t->name, LT_PACKED_FORM, strlen(LT_PACKED_FORM)); }

static const char *text_of(const lt_checkpoint *c, const char *key) {
    const char *text = lt_checkpoint_metadata(c, key);
    return text ? text : "?";
}

static lt_status check_version(const lt_checkpoint *c) {
    char ours[48];
    write_version(ours, sizeof ours);
    if (!strcmp(text_of(c, LT_PACKED_VERSION), ours)) return LT_OK;
    return lt_fail(LT_ERROR_UNSUPPORTED, "packed by Latent %s, and this is %s: pack the model again",
                   text_of(c, LT_PACKED_VERSION), ours);
}

static lt_status bad_index(const char *name) {
    return lt_fail(LT_ERROR_FORMAT, "the index of packed weights says nothing right of %s: pack the model again", name);
}

/* ["panels48:f16", "latent.form.7"] */
static lt_status read_form(const lt_checkpoint *c, const char *name, const json_t *entry, lt_ready_form *form) {
    const char *key = json_string_value(json_array_get(entry, 0)), *place = json_string_value(json_array_get(entry, 1));
    const lt_tensor *data = place ? lt_checkpoint_find(c, place) : NULL;
    if (!key || !data || data->dtype != LT_U8 || (uintptr_t)data->data % LT_PACKED_ALIGNMENT) return bad_index(name);
    *form = (lt_ready_form){lt_arena_strndup(&c->files->strings, key, strlen(key)), data->data, lt_tensor_count(data)};
    return form->key ? LT_OK : LT_ERROR_MEMORY;
}

static lt_status read_forms(const lt_checkpoint *c, const char *name, const json_t *list, lt_ready_forms **forms) {
    const size_t count = json_array_size(list);
    *forms = lt_arena_alloc(&c->files->strings, sizeof **forms + count * sizeof *(*forms)->items);
    if (!*forms) return LT_ERROR_MEMORY;
    **forms = (lt_ready_forms){
        .count = count, .precision = text_of(c, LT_PACKED_PRECISION), .isa = text_of(c, LT_PACKED_ISA)};
    for (size_t i = 0; i < count; i++) LT_TRY(read_form(c, name, json_array_get(list, i), &(*forms)->items[i]));
    return count ? LT_OK : bad_index(name);
}

static lt_status read_shape(const char *name, const json_t *shape, lt_tensor *t) {
    size_t count = 1;
    t->rank = (int)json_array_size(shape);
    if (json_array_size(shape) > LT_MAX_RANK) return bad_index(name);
    for (int i = 0; i < t->rank; i++) {
        const json_int_t n = json_integer_value(json_array_get(shape, (size_t)i));
        if (n < 1 || !lt_mul(count, (size_t)n, &count) || count > PTRDIFF_MAX / 8) return bad_index(name);
        t->shape[i] = (size_t)n;
    }
    lt_tensor_set_contiguous(t);
    return LT_OK;
}

/* {"type": "F16", "shape": [320, 4, 3, 3], "forms": [...]} */
static lt_status read_packed(const lt_checkpoint *c, const char *name, const json_t *entry, lt_tensor *t) {
    const char *type = json_string_value(json_object_get(entry, "type"));
    lt_ready_forms *forms;
    *t = (lt_tensor){.name = name, .dtype = LT_FOREIGN};
    for (int k = 0; type && k < LT_FOREIGN; k++)
        if (!strcmp(type, lt_dtype_name((lt_dtype)k))) t->dtype = (lt_dtype)k;
    if (t->dtype == LT_FOREIGN || is_form(t)) return bad_index(name);
    LT_TRY(read_shape(name, json_object_get(entry, "shape"), t));
    LT_TRY(read_forms(c, name, json_object_get(entry, "forms"), &forms));
    t->forms = forms;
    return LT_OK;
}

/* made [of index's size]. */
static lt_status read_all(const lt_checkpoint *c, json_t *index, lt_tensor *made) {
    const char *name;
    json_t *entry;
    json_object_foreach(index, name, entry) LT_TRY(read_packed(c, name, entry, made++));
    return LT_OK;
}

/* The model's tensors in the place of forms. */
static lt_status unfold(lt_checkpoint *c, json_t *index) {
    const size_t count = json_object_size(index);
    size_t kept = 0;
    lt_tensor *made = lt_calloc(count, sizeof *made);
    if (!made) return LT_ERROR_MEMORY;
    lt_status status = read_all(c, index, made);
    for (size_t i = 0; i < c->count && !status; i++)
        if (!is_form(&c->tensors[i])) c->tensors[kept++] = c->tensors[i];
    if (!status) c->count = kept;
    for (size_t i = 0; i < count && !status; i++)
        status = lt_checkpoint_add(c, made[i].name, strlen(made[i].name), &made[i]);
    lt_free(made);
    return status ? status : lt_checkpoint_finish(c);
}

lt_status lt_packed_unfold(lt_checkpoint *c) {
    const char *text = lt_checkpoint_metadata(c, LT_PACKED_INDEX);
    json_t *index;
    if (!text) return LT_OK;
    LT_TRY(check_version(c));
    LT_TRY(check_sum(c));
    LT_TRY(lt_json_read(text, strlen(text), JSON_REJECT_DUPLICATES, &index));
    const lt_status status = unfold(c, index);
    json_decref(index);
    return status;
}

/* ---- Writing ---- */

static lt_status append_forms(lt_buffer *index, const lt_ready_forms *forms, size_t *number) {
    for (size_t i = 0; i < forms->count; i++)
        LT_TRY(lt_buffer_printf(index, "%s[\"%s\",\"%s%zu\"]", i ? "," : "", forms->items[i].key, LT_PACKED_FORM,
                                (*number)++));
    return LT_OK;
}

/* Names and keys are ours, of letters that JSON takes as they are. */
static lt_status make_index(const lt_packing *p, lt_buffer *index) {
    size_t number = 0;
    const char *comma = "{";
    for (size_t i = 0; i < p->count; i++) {
        const lt_tensor *t = &p->tensors[i];
        char shape[LT_MAX_RANK * 24];
        if (!t->forms) continue;
        lt_tensor_shape_text(t, shape, sizeof shape);
        LT_TRY(lt_buffer_printf(index, "%s\"%s\":{\"type\":\"%s\",\"shape\":%s,\"forms\":[", comma, t->name,
                                lt_dtype_name(t->dtype), shape));
        LT_TRY(append_forms(index, t->forms, &number));
        LT_TRY(lt_buffer_append(index, "]}", 2));
        comma = ",";
    }
    return lt_buffer_printf(index, "%s}", *comma == '{' ? "{" : "");
}

/* Forms first, each from a multiple of its alignment on, then what has none, wider types first. list: room for all. */
static lt_status list_tensors(const lt_packing *p, lt_tensor *list, size_t *count, lt_arena *names) {
    *count = 0;
    for (size_t i = 0; i < p->count; i++)
        for (size_t k = 0; p->tensors[i].forms && k < p->tensors[i].forms->count; k++) {
            const lt_ready_form *form = &p->tensors[i].forms->items[k];
            char name[48];
            const int n = snprintf(name, sizeof name, "%s%zu", LT_PACKED_FORM, *count);
            list[*count] = (lt_tensor){.name = lt_arena_strndup(names, name, (size_t)n),
                                       .dtype = LT_U8,
                                       .rank = 1,
                                       .shape = {form->size},
                                       .stride = {1},
                                       .data = form->data};
            if (!list[(*count)++].name) return LT_ERROR_MEMORY;
        }
    for (size_t size = 8; size; size /= 2)
        for (size_t i = 0; i < p->count; i++)
            if (!p->tensors[i].forms && lt_dtype_size(p->tensors[i].dtype) == size) list[(*count)++] = p->tensors[i];
    return LT_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const lt_tensor *)a)->name, ((const lt_tensor *)b)->name);
}

/* sum: as a reader will make it. */
static lt_status sum_list(const lt_tensor *list, size_t count, const lt_metadata *metadata, size_t metadata_count,
                          char sum[24]) {
    lt_tensor *sorted = lt_calloc(count, sizeof *sorted);
    if (!sorted) return LT_ERROR_MEMORY;
    memcpy(sorted, list, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_name);
    const lt_status status = sum_file(sorted, count, metadata, metadata_count, sum);
    lt_free(sorted);
    return status;
}

static lt_status write_list(const char *path, const lt_packing *p, const char *index, const lt_tensor *list,
                            size_t count) {
    char sum[24], version[48];
    write_version(version, sizeof version);
    const lt_metadata own[] = {{LT_PACKED_INDEX, index},
                               {LT_PACKED_PRECISION, p->precision},
                               {LT_PACKED_ISA, p->isa},
                               {LT_PACKED_VERSION, version},
                               {LT_PACKED_SUM, sum}};
    const size_t all = p->metadata_count + LT_COUNT(own);
    lt_metadata *metadata = lt_calloc(all, sizeof *metadata);
    if (!metadata) return LT_ERROR_MEMORY;
    if (p->metadata_count) memcpy(metadata, p->metadata, p->metadata_count * sizeof *metadata);
    memcpy(metadata + p->metadata_count, own, sizeof own);
    lt_status status = sum_list(list, count, metadata, all, sum);
    if (!status) status = lt_safetensors_write(path, list, count, metadata, all, NULL, NULL, NULL);
    lt_free(metadata);
    return status;
}

lt_status lt_packed_write(const char *path, const lt_packing *p) {
    size_t most = p->count, count;
    for (size_t i = 0; i < p->count; i++) most += p->tensors[i].forms ? p->tensors[i].forms->count : 0;
    lt_arena names = {0};
    lt_buffer index = {0};
    lt_tensor *list = lt_calloc(most, sizeof *list);
    lt_status status = list ? list_tensors(p, list, &count, &names) : LT_ERROR_MEMORY;
    if (!status) status = make_index(p, &index);
    if (!status) status = write_list(path, p, index.data, list, count);
    lt_buffer_free(&index);
    lt_arena_free(&names);
    lt_free(list);
    return status;
}
