/* A1111's answer to txt2img and img2img; info is what its Processed.js() says (modules/processing.py). */
#include "a1111_result.h"

#include "json_lax.h"
#include "tools/base64.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* All pictures of all jobs, in turn. */
typedef struct pictures {
    const lt_job_result *results;
    int count;
} pictures;

/* f of each picture, in a list. */
static json_t *list_of(const pictures *p, json_t *(*f)(const lt_job_picture *picture)) {
    json_t *list = json_array();
    for (int i = 0; i < p->count; i++)
        for (int k = 0; k < p->results[i].count; k++) json_array_append_new(list, f(&p->results[i].pictures[k]));
    return list;
}

static json_t *bytes_of(const lt_job_picture *p) {
    char *text = lt_base64_write(p->bytes, p->size);
    json_t *json = text ? json_string(text) : NULL;
    free(text);
    return json;
}

static json_t *seed_of(const lt_job_picture *p) { return json_integer((json_int_t)p->seed); }

static json_t *infotext_of(const lt_job_picture *p) { return json_string(p->parameters ? p->parameters : ""); }

static const lt_job_picture *first_of(const pictures *p) {
    for (int i = 0; i < p->count; i++)
        if (p->results[i].count) return &p->results[i].pictures[0];
    return NULL;
}

static int number_of_pictures(const pictures *p) {
    int count = 0;
    for (int i = 0; i < p->count; i++) count += p->results[i].count;
    return count;
}

/* ---- info ---- */

static json_t *repeated(const char *text, int count) {
    json_t *list = json_array();
    for (int i = 0; i < count; i++) json_array_append_new(list, json_string(text));
    return list;
}

/* Subseeds follow each other where they vary the noise; elsewhere they do nothing. */
static json_t *subseeds_of(const json_t *job, int count) {
    const json_t *first = json_object_get(job, "variation_seed");
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(
            list, json_integer(first ? (json_int_t)((uint64_t)json_integer_value(first) + (uint64_t)i) : -1));
    return list;
}

static void put(json_t *info, const char *key, json_t *value) { json_object_set_new(info, key, value); }

static void put_texts(json_t *info, const json_t *job, int count) {
    const char *prompt = lt_lax_text(job, "prompt"), *negative = lt_lax_text(job, "negative_prompt");
    put(info, "prompt", json_string(prompt));
    put(info, "all_prompts", repeated(prompt, count));
    put(info, "negative_prompt", json_string(negative));
    put(info, "all_negative_prompts", repeated(negative, count));
}

static void put_seeds(json_t *info, const json_t *job, const pictures *p, int count) {
    json_t *seeds = list_of(p, seed_of), *subseeds = subseeds_of(job, count);
    const json_t *strength = json_object_get(job, "variation_strength"), *asked = json_object_get(job, "seed");
    json_t *first = json_array_get(seeds, 0), *subseed = json_array_get(subseeds, 0);
    put(info, "seed", first ? json_incref(first) : json_incref((json_t *)asked));
    put(info, "all_seeds", seeds);
    put(info, "subseed", subseed ? json_incref(subseed) : json_integer(-1));
    put(info, "all_subseeds", subseeds);
    put(info, "subseed_strength", json_real(json_number_value(strength)));
}

static void put_size(json_t *info, const json_t *job, const pictures *p) {
    const lt_job_picture *first = first_of(p);
    put(info, "width", json_integer(first ? first->width : json_integer_value(json_object_get(job, "width"))));
    put(info, "height", json_integer(first ? first->height : json_integer_value(json_object_get(job, "height"))));
}

/* As it was asked for; null in A1111 where nothing is drawn over. */
static json_t *strength_of(const json_t *job) {
    const json_t *strength = json_object_get(job, "strength");
    if (!strength) strength = json_object_get(job, "hires_strength");
    return strength ? json_incref((json_t *)strength) : json_null();
}

static void put_sampling(json_t *info, const json_t *job, const json_t *parameters) {
    const char *sampler = lt_sampler_label(lt_lax_text(job, "sampler"));
    const json_t *clip_skip = json_object_get(job, "clip_skip");
    put(info, "sampler_name", json_string(sampler));
    put(info, "cfg_scale", json_real(json_number_value(json_object_get(job, "guidance"))));
    put(info, "steps", json_incref(json_object_get(job, "steps")));
    put(info, "batch_size", json_incref(json_object_get(parameters, "batch_size")));
    put(info, "denoising_strength", strength_of(job));
    put(info, "clip_skip", json_integer(clip_skip ? json_integer_value(clip_skip) : 1));
    put(info, "seed_resize_from_w", json_incref(json_object_get(parameters, "seed_resize_from_w")));
    put(info, "seed_resize_from_h", json_incref(json_object_get(parameters, "seed_resize_from_h")));
}

static void put_model(json_t *info, const lt_a1111_model *model) {
    put(info, "sd_model_name", model->name ? json_string(model->name) : json_null());
    put(info, "sd_model_hash", model->hash ? json_string(model->hash) : json_null());
    put(info, "sd_vae_name", model->vae ? json_string(model->vae) : json_null());
    put(info, "sd_vae_hash", json_null());
}

/* Of the first picture, what that web UI writes for itself alone: the text's other settings. */
static json_t *extra_parameters(const lt_job_picture *first) {
    static const char *const known[] = {"Steps", "Sampler", "CFG scale", "Seed", "Size", "Model", "Model hash", NULL};
    json_t *extra = json_object();
    lt_parameter_list list;
    if (!first || !first->parameters || lt_parameter_list_read(first->parameters, &list)) return extra;
    for (size_t i = 0; i < list.count; i++) {
        const char *const *key = known;
        while (*key && strcmp(*key, list.items[i].key)) key++;
        if (!*key) put(extra, list.items[i].key, json_string(list.items[i].value));
    }
    lt_parameter_list_free(&list);
    return extra;
}

static json_t *stamp(void) {
    const time_t now = time(NULL);
    struct tm local;
    char text[32] = "0";
    if (localtime_r(&now, &local)) strftime(text, sizeof text, "%Y%m%d%H%M%S", &local);
    return json_string(text);
}

static void put_rest(json_t *info, const pictures *p) {
    put(info, "restore_faces", json_false());
    put(info, "face_restoration_model", json_null());
    put(info, "extra_generation_params", extra_parameters(first_of(p)));
    put(info, "index_of_first_image", json_integer(0));
    put(info, "infotexts", list_of(p, infotext_of));
    put(info, "styles", json_array());
    put(info, "job_timestamp", stamp());
    put(info, "is_using_inpainting_conditioning", json_false());
    put(info, "version", json_sprintf("latent %s", lt_version()));
}

static json_t *info_of(const lt_a1111_drawing *drawing, const pictures *p, const lt_a1111_model *model) {
    const json_t *job = json_array_get(drawing->jobs, 0);
    const int count = number_of_pictures(p);
    json_t *info = json_object();
    put_texts(info, job, count);
    put_seeds(info, job, p, count);
    put_size(info, job, p);
    put_sampling(info, job, drawing->parameters);
    put_model(info, model);
    put_rest(info, p);
    return info;
}

json_t *lt_a1111_result(const lt_a1111_drawing *drawing, const lt_job_result *results, int count,
                        const lt_a1111_model *model, const char *comments) {
    const pictures p = {results, count};
    json_t *info = info_of(drawing, &p, model);
    put(info, "comments", json_string(comments));
    char *text = json_dumps(info, 0);
    json_t *answer = json_pack("{s:o, s:O, s:s}", "images", drawing->send_images ? list_of(&p, bytes_of) : json_array(),
                               "parameters", drawing->parameters, "info", text ? text : "");
    json_decref(info);
    free(text);
    return answer;
}
