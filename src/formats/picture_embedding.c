/* Embeddings in pictures: where their JSON is, and what it says. */
#include "formats/picture_embedding.h"

#include "formats/json.h"

#include <float.h>
#include <math.h>
#include <string.h>
#include <strings.h>

static const char keyword[] = "sd-ti-embedding";

enum { MOST_PIXELS = 1 << 25 /* that are looked through for what is hidden */ };

/* ---- JSON: {"string_to_param": {"*": {"TORCHTENSOR": [[0.1, ...], ...]}}, "name": "cat", ...} ---- */

static json_t *values_of(const json_t *item) { return json_object_get(item, "TORCHTENSOR"); }

static lt_status no_vectors(const char *name) {
    return lt_fail(LT_ERROR_FORMAT, "no embedding: %.200s is no list of vectors", name);
}

static lt_status uneven(const char *name) {
    return lt_fail(LT_ERROR_FORMAT, "no embedding: the vectors of %.200s are of different widths", name);
}

/* Python writes NaN and Infinity, which are read as objects (json.h). */
static lt_status read_number(const char *name, const json_t *item, float *to) {
    const double value = json_number_value(item);
    if (!json_is_number(item) && !json_is_object(item)) return no_vectors(name);
    if (json_is_object(item) || !(fabs(value) <= (double)FLT_MAX))
        return lt_fail(LT_ERROR_FORMAT, "%.200s holds a NaN or an infinity", name);
    *to = (float)value;
    return LT_OK;
}

static lt_status read_vector(const char *name, const json_t *items, size_t width, float *to) {
    if (json_array_size(items) != width) return uneven(name);
    for (size_t i = 0; i < width; i++) LT_TRY(read_number(name, json_array_get(items, i), to + i));
    return LT_OK;
}

/* Of a list of vectors, by the first of them, or of one vector. */
static lt_tensor shape_of(const json_t *values) {
    const json_t *first = json_array_get(values, 0);
    lt_tensor t = {.dtype = LT_F32,
                   .rank = json_is_array(first) ? 2 : 1,
                   .shape = {json_array_size(values), json_array_size(first)}};
    lt_tensor_set_contiguous(&t);
    return t;
}

static lt_status add_vectors(lt_checkpoint *checkpoint, const char *name, const json_t *values) {
    lt_tensor t = shape_of(values);
    const size_t count = lt_tensor_count(&t), width = t.shape[t.rank - 1];
    if (!count) return no_vectors(name);
    if (count > LT_JSON_MAX_SIGNS) return uneven(name); /* more than a text can have */
    float *data = lt_arena_alloc(&checkpoint->files->strings, count * sizeof *data);
    if (!data) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < count / width; i++)
        LT_TRY(read_vector(name, t.rank > 1 ? json_array_get(values, i) : values, width, data + i * width));
    t.data = data;
    return lt_checkpoint_add(checkpoint, name, strlen(name), &t);
}

/* Of {"*": tensor, ...} under key. */
static lt_status add_inner(lt_checkpoint *checkpoint, const char *key, json_t *items) {
    const char *inner;
    json_t *item;
    json_object_foreach(items, inner, item) {
        if (!values_of(item)) continue;
        char *name = lt_format("%s.%s", key, inner);
        const lt_status status = name ? add_vectors(checkpoint, name, values_of(item)) : LT_ERROR_MEMORY;
        lt_free(name);
        LT_TRY(status);
    }
    return LT_OK;
}

static lt_status add_item(lt_checkpoint *checkpoint, const char *key, json_t *item) {
    if (json_is_string(item)) return lt_checkpoint_add_metadata(checkpoint, key, json_string_value(item));
    if (values_of(item)) return add_vectors(checkpoint, key, values_of(item));
    return add_inner(checkpoint, key, item);
}

lt_status lt_embedding_json_read(const char *text, size_t size, lt_checkpoint *checkpoint) {
    json_t *root, *item;
    const char *key;
    LT_TRY(lt_json_read_lenient(text, size, 0, &root));
    lt_status status = LT_OK;
    json_object_foreach(root, key, item) {
        if (!status) status = add_item(checkpoint, key, item);
    }
    json_decref(root);
    if (!status && !checkpoint->count) status = lt_fail(LT_ERROR_FORMAT, "no embedding: its text holds no vectors");
    return status;
}

/* ---- Base64 (RFC 4648); what is no digit is stepped over, as Python does ---- */

static int digit_of(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c ? strchr(digits, c) : NULL;
    return found ? (int)(found - digits) : -1;
}

static lt_status decode_base64(const char *text, lt_buffer *out) {
    uint32_t bits = 0;
    int count = 0; /* bits that are not written yet */
    for (; *text && *text != '='; text++) {
        const int digit = digit_of(*text);
        if (digit < 0) continue;
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count < 8) continue;
        count -= 8;
        LT_TRY(lt_buffer_append(out, &(uint8_t){(uint8_t)(bits >> count)}, 1));
    }
    return count < 6 ? LT_OK : lt_fail(LT_ERROR_FORMAT, "its %s is no base64, or cut off", keyword);
}

/* ---- Pictures ---- */

const lt_image_codec *lt_picture_holder(lt_bytes file) {
    static const lt_image_codec *const holders[] = {&lt_png_codec, &lt_webp_codec};
    for (size_t i = 0; i < LT_COUNT(holders); i++)
        if (holders[i]->recognise(file)) return holders[i];
    return NULL;
}

static lt_status find_said(lt_bytes file, lt_buffer *json) {
    char *text;
    LT_TRY(lt_png_text_find(file, keyword, &text));
    lt_status status = text ? decode_base64(text, json) : LT_OK;
    if (!status && text && !json->size) status = lt_fail(LT_ERROR_FORMAT, "its %s is empty", keyword);
    lt_free(text);
    return status;
}

static lt_status find_hidden(const lt_image_codec *codec, lt_bytes file, lt_buffer *json) {
    lt_pixels pixels = {.most = MOST_PIXELS};
    LT_TRY(codec->decode(file, &pixels));
    const lt_status status = lt_hidden_text(&pixels, json);
    lt_free(pixels.data);
    return status;
}

/* Into json, which stays empty where there is none. */
static lt_status find_text(const lt_image_codec *codec, lt_bytes file, lt_buffer *json) {
    if (codec == &lt_png_codec) LT_TRY(find_said(file, json));
    return json->size ? LT_OK : find_hidden(codec, file, json);
}

lt_status lt_picture_embedding_read(const uint8_t *data, size_t size, lt_checkpoint *checkpoint) {
    const lt_bytes file = {data, size};
    const lt_image_codec *codec = lt_picture_holder(file);
    lt_buffer json = {0};
    lt_status status = find_text(codec, file, &json);
    if (!status && !json.size) status = lt_fail(LT_ERROR_FORMAT, "this is a picture, not a model's weights");
    if (!status) status = lt_embedding_json_read(json.data, json.size, checkpoint);
    lt_buffer_free(&json);
    checkpoint->format = codec == &lt_png_codec ? "embedding in a PNG" : "embedding in a WebP";
    return status;
}

/* ---- Which pictures have one ---- */

/* One whose text can't be read has one all the same. */
static lt_status look_for(lt_bytes file, bool *has) {
    const lt_image_codec *codec = lt_picture_holder(file);
    lt_buffer json = {0};
    const lt_status status = codec ? find_text(codec, file, &json) : LT_OK;
    const bool said = codec == &lt_png_codec && memmem(file.data, file.size, keyword, sizeof keyword - 1);
    *has = status ? said : json.size > 0;
    lt_buffer_free(&json);
    return status == LT_ERROR_MEMORY ? status : LT_OK;
}

lt_status lt_picture_has_embedding(const char *path, bool *has) {
    lt_map map;
    *has = false;
    LT_TRY(lt_map_open(path, &map));
    return lt_map_finish(&map, look_for((lt_bytes){map.data, map.size}, has));
}

static bool ends_with(const char *path, size_t size, const char *ending) {
    const size_t n = strlen(ending);
    return size > n && !strncasecmp(path + size - n, ending, n);
}

lt_status lt_is_preview(const char *path, bool *is) {
    const size_t size = strlen(path), ending = ends_with(path, size, ".png")    ? 4
                                               : ends_with(path, size, ".webp") ? 5
                                                                                : 0;
    bool has = false;
    *is = ending > 0;
    if (!ending || ends_with(path, size - ending, ".preview")) return LT_OK;
    const lt_status status = lt_picture_has_embedding(path, &has);
    *is = !has;
    return status == LT_ERROR_MEMORY ? status : LT_OK;
}
