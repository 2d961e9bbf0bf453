/* Writing GGUF: see gguf.h and, for the format, gguf.c. */
#include "base/blocks.h"
#include "base/map.h"
#include "base/threads.h"
#include "formats/gguf.h"

#include <string.h>

enum { VERSION = 3, ROW = 256, MOST_RANK = 4, U32 = 4, I32 = 5, STRING = 8, ARRAY = 9, PIECE = 1 << 14 /* values */ };

/* ---- What tensors take ---- */

static size_t values_of_block(lt_dtype type) {
    const lt_block_format *f = lt_block_format_of(type);
    return f ? f->values : 1;
}

static size_t bytes_of(lt_dtype type, size_t n) {
    const lt_block_format *f = lt_block_format_of(type);
    return f ? n / f->values * f->bytes : n * lt_dtype_size(type);
}

static bool has_whole_rows(const lt_tensor *t, lt_dtype type) {
    return (t->rank ? t->shape[t->rank - 1] : 1) % values_of_block(type) == 0;
}

bool lt_gguf_can_hold(const lt_tensor *t, lt_dtype type) {
    if (lt_gguf_type_of(type) < 0 || t->rank > MOST_RANK) return false;
    return has_whole_rows(t, type) || lt_tensor_count(t) % ROW == 0;
}

/* ---- The head ---- */

static lt_status put_u32(lt_buffer *b, uint32_t n) { return lt_buffer_append(b, &n, sizeof n); }
static lt_status put_u64(lt_buffer *b, uint64_t n) { return lt_buffer_append(b, &n, sizeof n); }

static lt_status put_text(lt_buffer *b, const char *prefix, const char *text) {
    LT_TRY(put_u64(b, strlen(prefix) + strlen(text)));
    LT_TRY(lt_buffer_append(b, prefix, strlen(prefix)));
    return lt_buffer_append(b, text, strlen(text));
}

static lt_status put_metadata(lt_buffer *b, const lt_gguf_file *f) {
    for (size_t i = 0; i < f->metadata_count; i++) {
        LT_TRY(put_text(b, "", f->metadata[i].key));
        LT_TRY(put_u32(b, STRING));
        LT_TRY(put_text(b, "", f->metadata[i].value));
    }
    for (size_t i = 0; i < f->number_count; i++) {
        LT_TRY(put_text(b, "", f->numbers[i].key));
        LT_TRY(put_u32(b, U32));
        LT_TRY(put_u32(b, f->numbers[i].value));
    }
    return LT_OK;
}

static lt_status put_shape(lt_buffer *b, const lt_tensor *t) {
    LT_TRY(put_text(b, LT_GGUF_SHAPE_OF, t->name));
    LT_TRY(put_u32(b, ARRAY));
    LT_TRY(put_u32(b, I32));
    LT_TRY(put_u64(b, (uint64_t)t->rank));
    for (int i = 0; i < t->rank; i++) LT_TRY(put_u32(b, (uint32_t)t->shape[i]));
    return LT_OK;
}

static lt_status put_shapes(lt_buffer *b, const lt_gguf_file *f) {
    for (size_t i = 0; i < f->count; i++)
        if (!has_whole_rows(&f->tensors[i], f->types[i])) LT_TRY(put_shape(b, &f->tensors[i]));
    return LT_OK;
}

/* Innermost first. */
static lt_status put_dimensions(lt_buffer *b, const lt_tensor *t, lt_dtype type) {
    const bool own = has_whole_rows(t, type);
    LT_TRY(put_u32(b, own ? (uint32_t)t->rank : 2));
    if (!own) LT_TRY(put_u64(b, ROW));
    if (!own) return put_u64(b, lt_tensor_count(t) / ROW);
    for (int i = t->rank; i--;) LT_TRY(put_u64(b, t->shape[i]));
    return LT_OK;
}

static lt_status put_tensors(lt_buffer *b, const lt_gguf_file *f) {
    size_t at = 0;
    for (size_t i = 0; i < f->count; i++) {
        const lt_tensor *t = &f->tensors[i];
        LT_TRY(put_text(b, "", t->name));
        LT_TRY(put_dimensions(b, t, f->types[i]));
        LT_TRY(put_u32(b, (uint32_t)lt_gguf_type_of(f->types[i])));
        LT_TRY(put_u64(b, at));
        at += lt_round_up(bytes_of(f->types[i], lt_tensor_count(t)), LT_GGUF_ALIGNMENT);
    }
    return LT_OK;
}

static size_t count_shapes(const lt_gguf_file *f) {
    size_t n = 0;
    for (size_t i = 0; i < f->count; i++) n += !has_whole_rows(&f->tensors[i], f->types[i]);
    return n;
}

static lt_status put_head(lt_buffer *b, const lt_gguf_file *f) {
    LT_TRY(lt_buffer_append(b, LT_GGUF_MAGIC, strlen(LT_GGUF_MAGIC)));
    LT_TRY(put_u32(b, VERSION));
    LT_TRY(put_u64(b, f->count));
    LT_TRY(put_u64(b, f->metadata_count + f->number_count + count_shapes(f)));
    LT_TRY(put_metadata(b, f));
    LT_TRY(put_shapes(b, f));
    return put_tensors(b, f);
}

/* ---- The tensors' bytes ---- */

typedef struct encoding {
    const float *values;
    uint8_t *out;
    size_t count;
    lt_dtype type;
} encoding;

static void encode_piece(const void *context, size_t i, int thread) {
    (void)thread;
    const encoding *e = context;
    const size_t first = i * PIECE, n = lt_min(PIECE, e->count - first);
    lt_numbers_write(e->type, e->values + first, n, e->out + bytes_of(e->type, first));
}

static lt_status write_encoded(lt_writer *w, const lt_tensor *t, lt_dtype type) {
    const size_t count = lt_tensor_count(t), bytes = bytes_of(type, count);
    float *values = lt_alloc(count * sizeof *values);
    uint8_t *out = lt_alloc(bytes);
    lt_status status = values && out ? LT_OK : LT_ERROR_MEMORY;
    if (!status) {
        const encoding all = {values, out, count, type};
        lt_tensor_read_f32(t, values);
        lt_parallel(LT_ALL_THREADS, (count + PIECE - 1) / PIECE, 1, encode_piece, &all);
        status = lt_writer_write(w, out, bytes);
    }
    lt_free(values);
    lt_free(out);
    return status;
}

static bool is_stored_so(const lt_tensor *t, lt_dtype type) {
    return t->dtype == type && !t->scales && !t->first && lt_tensor_contiguous(t);
}

static lt_status pad(lt_writer *w, size_t written) {
    static const char zeros[LT_GGUF_ALIGNMENT];
    return lt_writer_write(w, zeros, lt_round_up(written, LT_GGUF_ALIGNMENT) - written);
}

static lt_status write_tensor(lt_writer *w, const lt_tensor *t, lt_dtype type) {
    const size_t bytes = bytes_of(type, lt_tensor_count(t));
    lt_status status = lt_writer_ask();
    if (!status) status = is_stored_so(t, type) ? lt_writer_write(w, t->data, bytes) : write_encoded(w, t, type);
    if (!status) status = pad(w, bytes);
    return lt_map_check(t->data, status);
}

static lt_status write_all(lt_writer *w, const lt_gguf_file *f) {
    lt_buffer head = {0};
    lt_status status = put_head(&head, f);
    if (!status) status = lt_writer_write(w, head.data, head.size);
    if (!status) status = pad(w, head.size);
    lt_buffer_free(&head);
    for (size_t i = 0; i < f->count && !status; i++) status = write_tensor(w, &f->tensors[i], f->types[i]);
    return status;
}

static lt_status write_by(lt_team *team, const char *path, const lt_gguf_file *f) {
    lt_writer w;
    LT_TRY(lt_writer_open(path, &w));
    lt_team *before = lt_team_enter(team);
    const lt_status status = write_all(&w, f);
    lt_team_enter(before);
    if (!status) return lt_writer_commit(&w);
    lt_writer_abort(&w);
    return status;
}

lt_status lt_gguf_write(const char *path, const lt_gguf_file *file) {
    lt_team *team;
    LT_TRY(lt_team_create(0, &team));
    const lt_status status = write_by(team, path, file);
    lt_team_free(team);
    return status;
}
