/* A safetensors file in memory (huggingface.co/docs/safetensors). */
#include "array_file.h"

#include "tools.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 8 }; /* the numbers begin at a multiple of so many bytes */

static void fail(lt_array_file *f) {
    if (!f->status) f->status = lt_fail(LT_ERROR_MEMORY, "out of memory");
}

/* Takes value. */
static void put(lt_array_file *f, json_t **object, const char *key, json_t *value) {
    if (!*object) *object = json_object();
    if (json_object_set_new(*object, key, value)) fail(f);
}

static bool make_room(lt_array_file *f, size_t more) {
    if (f->room - f->size >= more) return true;
    const size_t room = 2 * f->size + more;
    uint8_t *grown = realloc(f->bytes, room);
    if (!grown) return fail(f), false;
    f->bytes = grown;
    f->room = room;
    return true;
}

static size_t size_of(const char *type, const size_t *shape, int rank) {
    size_t size = strcmp(type, "F32") ? 1 : sizeof(float);
    for (int i = 0; i < rank; i++) size *= shape[i];
    return size;
}

static json_t *shape_json(const size_t *shape, int rank) {
    json_t *list = json_array();
    for (int i = 0; i < rank; i++) json_array_append_new(list, json_integer((json_int_t)shape[i]));
    return list;
}

void lt_array_file_add(lt_array_file *f, const char *name, const char *type, const size_t *shape, int rank,
                       const void *data) {
    const size_t size = size_of(type, shape, rank);
    if (!make_room(f, size)) return;
    memcpy(f->bytes + f->size, data, size);
    put(f, &f->header, name,
        json_pack("{s:s, s:o, s:[I, I]}", "dtype", type, "shape", shape_json(shape, rank), "data_offsets",
                  (json_int_t)f->size, (json_int_t)(f->size + size)));
    f->size += size;
}

void lt_array_file_add_image(lt_array_file *f, const char *name, const lt_image *image) {
    const size_t shape[] = {(size_t)image->height, (size_t)image->width, 3};
    lt_array_file_add(f, name, "U8", shape, 3, image->pixels);
}

void lt_array_file_tell(lt_array_file *f, const char *key, json_t *value) {
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(value);
    put(f, &f->metadata, key, text ? json_string(text) : NULL);
    free(text);
}

/* The header, with blanks up to a multiple of eight. */
static char *write_header(const lt_array_file *f, size_t *size) {
    json_t *all = f->header ? json_copy(f->header) : json_object();
    if (f->metadata) json_object_set(all, "__metadata__", f->metadata);
    char *text = json_dumps(all, JSON_COMPACT);
    json_decref(all);
    if (!text) return NULL;
    const size_t length = strlen(text);
    *size = (length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    char *padded = realloc(text, *size + 1);
    if (!padded) return free(text), NULL;
    memset(padded + length, ' ', *size - length);
    return padded;
}

static uint8_t *write_file(const lt_array_file *f, size_t *size) {
    size_t header_size = 0;
    char *header = write_header(f, &header_size);
    uint8_t *file = header ? malloc(8 + header_size + f->size) : NULL;
    if (file) {
        for (int i = 0; i < 8; i++) file[i] = (uint8_t)(header_size >> 8 * i);
        memcpy(file + 8, header, header_size);
        if (f->size) memcpy(file + 8 + header_size, f->bytes, f->size);
        *size = 8 + header_size + f->size;
    }
    free(header);
    return file;
}

void lt_array_file_answer(lt_http_request *request, const lt_array_file *f) {
    size_t size = 0;
    uint8_t *file = f->status ? NULL : write_file(f, &size);
    lt_http_add_header(request, "Cache-Control", "no-store");
    if (file)
        lt_http_answer(request, 200, "application/octet-stream", file, size);
    else
        lt_http_fail(request, 503, "out of memory");
    free(file);
}

void lt_array_file_free(lt_array_file *f) {
    json_decref(f->header);
    json_decref(f->metadata);
    free(f->bytes);
    *f = (lt_array_file){0};
}
