/* A1111's API: maps of pictures, POST /controlnet/detect. */
#include "a1111_control.h"
#include "a1111_own.h"
#include "a1111_picture.h"
#include "json_lax.h"

#include <string.h>

/* The map of a picture, at its own size, as base64; NULL: the fault says why. */
static json_t *map_of(const json_t *value, const char *annotator, size_t most_pixels, lt_a1111_fault *fault) {
    lt_image image, map = {0};
    if (!lt_a1111_image(value, most_pixels, &image, fault)) return NULL;
    const lt_status status = *annotator ? lt_annotate(annotator, &image, &map) : LT_OK;
    if (status) lt_a1111_fail(fault, 422, "%s", lt_error_message());
    json_t *json = status ? NULL : lt_a1111_png(*annotator ? &map : &image);
    if (!json && !status) lt_a1111_fail(fault, 500, "out of memory");
    lt_image_free(&image);
    lt_image_free(&map);
    return json;
}

static json_t *maps_of(lt_http_request *r, const json_t *images, const char *annotator, lt_a1111_fault *fault) {
    json_t *maps = json_array();
    for (size_t i = 0; i < json_array_size(images) && !fault->status; i++) {
        json_t *map = map_of(json_array_get(images, i), annotator, lt_a1111_most_pixels(r), fault);
        if (map) json_array_append_new(maps, map);
    }
    if (!fault->status) return maps;
    json_decref(maps);
    return NULL;
}

/* webuiapi calls them controlnet_images. */
static const json_t *images_of(const json_t *body) {
    const json_t *images = lt_lax_get(body, "controlnet_input_images");
    return images ? images : lt_lax_get(body, "controlnet_images");
}

static json_t *detect(lt_http_request *r, const json_t *body, lt_a1111_fault *fault) {
    const char *module = lt_lax_text(body, "controlnet_module");
    char annotator[64];
    double a = -1, b = -1;
    lt_lax_number(lt_lax_get(body, "controlnet_threshold_a"), &a);
    lt_lax_number(lt_lax_get(body, "controlnet_threshold_b"), &b);
    const bool known = lt_a1111_annotator(module, a, b, annotator, sizeof annotator);
    if (!known || !strcmp(annotator, "inpaint"))
        lt_a1111_fail(fault, 422, "Module not available");
    else if (!json_array_size(images_of(body)))
        lt_a1111_fail(fault, 422, "No image selected");
    return fault->status ? NULL : maps_of(r, images_of(body), annotator, fault);
}

void lt_a1111_detect(lt_http_request *r) {
    lt_a1111_fault fault = {0};
    json_t *body = lt_http_json(r);
    if (!body) return;
    json_t *maps = detect(r, body, &fault);
    if (maps)
        lt_http_answer_json(r, 200, json_pack("{s:o, s:s}", "images", maps, "info", "Success"));
    else
        lt_a1111_answer_fault(r, &fault);
    json_decref(body);
}
