/* Forms: multipart/form-data and application/x-www-form-urlencoded, as libmicrohttpd reads them. */
#include "http_own.h"
#include "tools.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_FIELDS = 256 };

static bool is_same(const char *a, const char *b) { return a && b ? !strcmp(a, b) : a == b; }

static lt_http_field *add_field(lt_http_form *form, const char *name, const char *file, const char *type) {
    lt_http_field *fields =
        form->count < MOST_FIELDS ? realloc(form->fields, (form->count + 1) * sizeof *fields) : NULL;
    if (!fields) return NULL;
    form->fields = fields;
    lt_http_field *field = &fields[form->count];
    *field = (lt_http_field){tool_strdup(name), tool_strdup(file), tool_strdup(type), calloc(1, 1), 0};
    form->count++;
    return field->name && field->value ? field : NULL;
}

static bool extend(lt_http_field *field, const char *bytes, size_t size) {
    char *value = realloc(field->value, field->size + size + 1);
    if (!value) return false;
    memcpy(value + field->size, bytes, size);
    field->value = value;
    field->size += size;
    value[field->size] = 0;
    return true;
}

/* A value comes in pieces: what is not at its beginning goes on with the last field. */
static enum MHD_Result on_piece(void *user, enum MHD_ValueKind kind, const char *name, const char *file,
                                const char *type, const char *encoding, const char *bytes, uint64_t offset,
                                size_t size) {
    (void)kind, (void)encoding;
    lt_http_form *form = user;
    lt_http_field *last = form->count ? &form->fields[form->count - 1] : NULL;
    if (!name) return MHD_NO;
    const bool goes_on = offset && last && is_same(last->name, name) && is_same(last->file, file);
    lt_http_field *field = goes_on ? last : add_field(form, name, file, type);
    return field && extend(field, bytes, size) ? MHD_YES : MHD_NO;
}

bool lt_http_read_form(lt_http_request *r, lt_http_form *form) {
    *form = (lt_http_form){0};
    struct MHD_PostProcessor *reader = MHD_create_post_processor(r->connection, 65536, on_piece, form);
    bool read = reader && MHD_post_process(reader, r->body ? r->body : "", r->size) == MHD_YES;
    if (reader) read &= MHD_destroy_post_processor(reader) == MHD_YES;
    if (read) return true;
    lt_http_form_free(form);
    lt_http_fail(r, 400, "the body is no form (multipart/form-data), or it ends early");
    return false;
}

const lt_http_field *lt_http_form_find(const lt_http_form *form, const char *name, size_t i) {
    for (size_t k = 0; k < form->count; k++)
        if (!strcmp(form->fields[k].name, name) && !i--) return &form->fields[k];
    return NULL;
}

void lt_http_form_free(lt_http_form *form) {
    for (size_t i = 0; i < form->count; i++) {
        free(form->fields[i].name);
        free(form->fields[i].file);
        free(form->fields[i].type);
        free(form->fields[i].value);
    }
    free(form->fields);
    *form = (lt_http_form){0};
}
