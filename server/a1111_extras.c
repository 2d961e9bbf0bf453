/* A1111's API: pictures made larger (modules/postprocessing.py, scripts/postprocessing_upscale.py), and what a picture
 * says of itself. */
#include "a1111_own.h"
#include "a1111_picture.h"
#include "json_lax.h"
#include "tools.h"
#include "tools/base64.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- What is asked for ---- */

typedef struct extra {
    lt_http_request *request;
    const char *upscalers[2];
    double visibility; /* of the second one's picture over the first one's */
    double scale;      /* to_size: not that, but so many pixels, which are covered, and cut out where crop is set */
    bool to_size, crop;
    json_int_t width, height;
    lt_a1111_fault fault;
} extra;

static bool number_of(extra *e, const json_t *body, const char *key, double idle, double *out) {
    const json_t *value = lt_lax_get(body, key);
    *out = idle;
    return !value || lt_lax_number(value, out) || lt_a1111_fail_field(&e->fault, key, "Input should be a valid number");
}

static bool size_of(extra *e, const json_t *body, const char *key, json_int_t *out) {
    const json_t *value = lt_lax_get(body, key);
    *out = 512;
    if (value && !lt_lax_int(value, out)) return lt_a1111_fail_field(&e->fault, key, "Input should be a valid integer");
    return (*out >= 1 && *out <= LT_IMAGE_MAX_SIDE) ||
           lt_a1111_fail_field(&e->fault, key, "Input should be 1 to %d", LT_IMAGE_MAX_SIDE);
}

/* No faces are restored here. */
static bool refuse_faces(extra *e, const json_t *body) {
    static const char *const keys[] = {"gfpgan_visibility", "codeformer_visibility"};
    for (int i = 0; i < 2; i++) {
        double visibility;
        if (!number_of(e, body, keys[i], 0, &visibility)) return false;
        if (visibility != 0) return lt_a1111_fail(&e->fault, 422, "%s is not served here", keys[i]);
    }
    return true;
}

static const char *upscaler_of(const json_t *body, const char *key) {
    const char *name = lt_lax_text(body, key);
    return strcasecmp(name, "None") ? name : "";
}

static bool read_extra(extra *e, const json_t *body) {
    double mode;
    e->upscalers[0] = upscaler_of(body, "upscaler_1");
    e->upscalers[1] = upscaler_of(body, "upscaler_2");
    if (!number_of(e, body, "resize_mode", 0, &mode) || !number_of(e, body, "upscaling_resize", 2, &e->scale) ||
        !number_of(e, body, "extras_upscaler_2_visibility", 0, &e->visibility) ||
        !size_of(e, body, "upscaling_resize_w", &e->width) || !size_of(e, body, "upscaling_resize_h", &e->height))
        return false;
    e->to_size = mode == 1;
    e->crop = true;
    lt_lax_flag(lt_lax_get(body, "upscaling_crop"), &e->crop);
    if (!(e->scale > 0 && e->scale <= 64))
        return lt_a1111_fail_field(&e->fault, "upscaling_resize", "Input should be greater than 0 and at most 64");
    if (e->to_size && (double)e->width * (double)e->height > (double)lt_a1111_most_pixels(e->request))
        return lt_a1111_fail(&e->fault, 422, "a picture of %dx%d is larger than this server makes", (int)e->width,
                             (int)e->height);
    if (!(e->visibility >= 0 && e->visibility <= 1))
        return lt_a1111_fail_field(&e->fault, "extras_upscaler_2_visibility", "Input should be 0 to 1");
    return refuse_faces(e, body);
}

/* ---- One picture ---- */

static double scale_for(const extra *e, const lt_image *image) {
    if (!e->to_size) return e->scale;
    return fmax((double)e->width / image->width, (double)e->height / image->height);
}

/* By Lanczos' filter alone, as it makes pictures smaller in any case. */
static bool resample(extra *e, const lt_image *image, double scale, lt_image *out) {
    const double w = floor(image->width * scale + 1e-6), h = floor(image->height * scale + 1e-6);
    if (w > LT_IMAGE_MAX_SIDE || h > LT_IMAGE_MAX_SIDE || w * h > (double)lt_a1111_most_pixels(e->request))
        return lt_a1111_fail(&e->fault, 422, "a picture of %.0fx%.0f is larger than this server makes", w, h);
    return !lt_image_scale(image, w < 1 ? 1 : (int)w, h < 1 ? 1 : (int)h, out) ||
           lt_a1111_fail(&e->fault, 500, "%s", lt_error_message());
}

static bool run_job(extra *e, const json_t *job, lt_job_result *result) {
    lt_order order;
    lt_job_snapshot ended;
    const lt_refusal refusal = lt_order_place(&order, e->request, job);
    if (refusal)
        return lt_a1111_fail(&e->fault, refusal == LT_REFUSED_JOB ? 422 : (int)refusal, "%s", lt_error_message());
    lt_a1111_wait wait = {.order = &order, .task = "extras"};
    lt_a1111_begin(lt_a1111_of(e->request), &wait);
    const bool there = lt_order_wait(&order, 0, &ended);
    lt_a1111_end(lt_a1111_of(e->request), &wait);
    if (!there) {
        lt_order_cancel(&order);
        lt_a1111_fail(&e->fault, 503, "the client has gone, or the server ends");
    } else if (ended.state != LT_JOB_DONE)
        lt_a1111_fail(&e->fault, lt_order_failure(&ended), "%s", *ended.error ? ended.error : "it was interrupted");
    else if (!lt_queue_result(lt_server_queue(lt_http_server(e->request)), order.ids[0], 0, result))
        lt_a1111_fail(&e->fault, 500, "%s", lt_error_message());
    lt_order_free(&order);
    return !e->fault.status;
}

/* The upscaler's picture as a file, bytes [size]: the caller's. */
static void *run_upscaler(extra *e, int i, const json_t *value, double scale, size_t *size) {
    lt_job_result result = {0};
    json_t *job = json_pack("{s:s, s:s, s:f, s:O}", "kind", "upscale", "upscaler", e->upscalers[i], "scale", scale,
                            "image", value);
    const bool done = job && run_job(e, job, &result) && result.count == 1;
    void *bytes = done ? result.pictures[0].bytes : NULL;
    if (done) {
        *size = result.pictures[0].size;
        result.pictures[0].bytes = NULL; /* taken over */
    } else if (!e->fault.status)
        lt_a1111_fail(&e->fault, 500, "nothing was made");
    lt_job_result_free(&result);
    json_decref(job);
    return bytes;
}

/* By upscaler i; file [size]: as the job made it, where one did. */
static bool enlarge(extra *e, int i, const json_t *value, const lt_image *image, lt_image *out, void **file,
                    size_t *size) {
    const double scale = scale_for(e, image);
    if (!strcasecmp(e->upscalers[i], "Lanczos") || scale < 1) return resample(e, image, scale, out);
    *file = run_upscaler(e, i, value, scale, size);
    return *file && (!lt_image_read(*file, *size, 0, out) || lt_a1111_fail(&e->fault, 500, "%s", lt_error_message()));
}

/* Pillow's Image.blend. */
static void blend(lt_image *under, const lt_image *over, double visibility) {
    const size_t count = 3 * (size_t)under->width * (size_t)under->height;
    if (under->width != over->width || under->height != over->height) return;
    for (size_t i = 0; i < count; i++)
        under->pixels[i] = (uint8_t)(under->pixels[i] + visibility * (over->pixels[i] - under->pixels[i]));
}

static bool blend_second(extra *e, const json_t *value, const lt_image *image, lt_image *out) {
    lt_image second = {0};
    void *file = NULL;
    size_t size;
    const bool good = enlarge(e, 1, value, image, &second, &file, &size);
    if (good) blend(out, &second, e->visibility);
    lt_image_free(&second);
    free(file);
    return good;
}

/* The middle, of the size that was asked for. */
static bool cut(extra *e, lt_image *image) {
    lt_image part;
    const int w = (int)e->width, h = (int)e->height, x = image->width / 2 - w / 2, y = image->height / 2 - h / 2;
    if (lt_image_alloc(w, h, &part)) return lt_a1111_fail(&e->fault, 500, "%s", lt_error_message());
    for (int row = 0; row < h; row++)
        for (int column = 0; column < w; column++) {
            const int from_x = x + column, from_y = y + row;
            const bool inside = from_x >= 0 && from_y >= 0 && from_x < image->width && from_y < image->height;
            uint8_t *to = part.pixels + 3 * ((size_t)row * (size_t)w + (size_t)column);
            memset(to, 0, 3);
            if (inside) memcpy(to, image->pixels + 3 * ((size_t)from_y * (size_t)image->width + (size_t)from_x), 3);
        }
    lt_image_free(image);
    *image = part;
    return true;
}

static json_t *encoded(const void *bytes, size_t size) {
    char *text = lt_base64_write(bytes, size);
    json_t *json = text ? json_string(text) : NULL;
    free(text);
    return json;
}

/* Nothing is asked of an upscaler: the picture as it is. One that needs no more than the upscaler goes out as that made
 * it, with the text of the small one. */
static json_t *make(extra *e, const json_t *value, lt_image *image) {
    lt_image out = {0};
    void *file = NULL;
    size_t size = 0;
    if (!*e->upscalers[0]) return lt_a1111_png(image);
    const bool two = *e->upscalers[1] && e->visibility > 0, trimmed = e->to_size && e->crop;
    bool good = enlarge(e, 0, value, image, &out, &file, &size) && (!two || blend_second(e, value, image, &out)) &&
                (!trimmed || cut(e, &out));
    json_t *json = !good ? NULL : file && !two && !trimmed ? encoded(file, size) : lt_a1111_png(&out);
    lt_image_free(&out);
    free(file);
    return json;
}

/* NULL: the fault says why. */
static json_t *make_larger(extra *e, const json_t *value) {
    lt_image image;
    if (!value) {
        lt_a1111_fail_field(&e->fault, "image", "Field required");
        return NULL;
    }
    if (!lt_a1111_image(value, lt_a1111_most_pixels(e->request), &image, &e->fault)) return NULL;
    json_t *json = make(e, value, &image);
    lt_image_free(&image);
    if (!json && !e->fault.status) lt_a1111_fail(&e->fault, 500, "out of memory");
    return json;
}

/* ---- The doors ---- */

/* Answers with key: value and no remarks, or with the fault. */
static void answer(extra *e, const char *key, json_t *value) {
    if (value)
        lt_http_answer_json(e->request, 200, json_pack("{s:s, s:o}", "html_info", "", key, value));
    else
        lt_a1111_answer_fault(e->request, &e->fault);
}

void lt_a1111_extra_single(lt_http_request *r) {
    extra e = {r};
    json_t *body = lt_http_json(r);
    if (!body) return;
    answer(&e, "image", read_extra(&e, body) ? make_larger(&e, lt_lax_get(body, "image")) : NULL);
    json_decref(body);
}

static json_t *make_all_larger(extra *e, const json_t *list) {
    json_t *all = json_array();
    if (!json_is_array(list)) lt_a1111_fail_field(&e->fault, "imageList", "Input should be a valid list");
    for (size_t i = 0; i < json_array_size(list) && !e->fault.status; i++) {
        json_t *one = make_larger(e, lt_lax_get(json_array_get(list, i), "data"));
        if (one) json_array_append_new(all, one);
    }
    if (!e->fault.status) return all;
    json_decref(all);
    return NULL;
}

void lt_a1111_extra_batch(lt_http_request *r) {
    extra e = {r};
    json_t *body = lt_http_json(r);
    if (!body) return;
    answer(&e, "images", read_extra(&e, body) ? make_all_larger(&e, lt_lax_get(body, "imageList")) : NULL);
    json_decref(body);
}

/* ---- What a picture says of itself ---- */

/* What that web UI takes a text without them to say (infotext_utils.py). */
static const char idle_parameters[] =
    "{\"Clip skip\": \"1\", \"Hires resize-1\": 0, \"Hires resize-2\": 0, \"Hires sampler\": \"Use same sampler\","
    " \"Hires checkpoint\": \"Use same checkpoint\", \"Hires prompt\": \"\", \"Hires negative prompt\": \"\","
    " \"Mask mode\": \"Inpaint masked\", \"Masked content\": \"original\", \"Inpaint area\": \"Whole picture\","
    " \"Masked area padding\": 32, \"RNG\": \"GPU\", \"Schedule type\": \"Automatic\", \"Schedule max sigma\": 0,"
    " \"Schedule min sigma\": 0, \"Schedule rho\": 0, \"VAE Encoder\": \"Full\", \"VAE Decoder\": \"Full\","
    " \"FP8 weight\": \"Disable\"}";

/* "512x512" is two: "Size-1" and "Size-2". */
static bool put_size(json_t *all, const lt_setting *s) {
    const size_t width = strspn(s->value, "0123456789");
    const char *height = s->value + width + (s->value[width] == 'x');
    const size_t digits = strspn(height, "0123456789");
    if (!width || s->value[width] != 'x' || !digits || height[digits]) return false;
    char *first = tool_format("%s-1", s->key), *second = tool_format("%s-2", s->key);
    if (first) json_object_set_new(all, first, json_stringn(s->value, width));
    if (second) json_object_set_new(all, second, json_string(height));
    free(first);
    free(second);
    return true;
}

static json_t *parameters_json(const char *text) {
    json_t *all = json_object(), *idle = json_loads(idle_parameters, 0, NULL);
    lt_parameter_list list;
    if (!lt_parameter_list_read(text, &list)) {
        json_object_set_new(all, "Prompt", json_string(list.prompt));
        json_object_set_new(all, "Negative prompt", json_string(list.negative_prompt));
        for (size_t i = 0; i < list.count; i++)
            if (!put_size(all, &list.items[i]))
                json_object_set_new(all, list.items[i].key, json_string(list.items[i].value));
        lt_parameter_list_free(&list);
    }
    json_object_update_missing(all, idle);
    json_decref(idle);
    return all;
}

static json_t *info_json(const char *text) {
    json_t *items = *text ? json_pack("{s:s}", "parameters", text) : json_object();
    return json_pack("{s:s, s:o, s:o}", "info", text, "items", items, "parameters", parameters_json(text));
}

static void answer_info(lt_http_request *r, const json_t *value) {
    lt_a1111_fault fault = {0};
    size_t size;
    char *text = NULL;
    void *bytes = lt_a1111_bytes(value, &size, &fault);
    if (bytes && lt_image_read_parameters(bytes, size, &text))
        lt_a1111_fail(&fault, 422, "Invalid encoded image: %s", lt_error_message());
    free(bytes);
    if (fault.status)
        lt_a1111_answer_fault(r, &fault);
    else
        lt_http_answer_json(r, 200, info_json(text ? text : ""));
    lt_string_free(text);
}

void lt_a1111_png_info(lt_http_request *r) {
    json_t *body = lt_http_json(r);
    if (!body) return;
    answer_info(r, lt_lax_get(body, "image"));
    json_decref(body);
}
