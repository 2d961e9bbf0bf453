/* Any settings and configurations of a model: refused, or the model is as good as any.
 *
 * The input is metadata of a single file (JSON), or behind a first byte of '/' what a diffusers folder's files hold, in
 * the order below, with a vertical tab between them. */
#include "fuzz_model.h"

#include <jansson.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Names, and what is in them where the input says nothing. */
static const struct {
    const char *name, *content;
} configurations[] = {
    {"model/model_index.json", "{\"unet\": [\"diffusers\", \"UNet2DConditionModel\"], \"scheduler\": [\"diffusers\", "
                               "\"PNDMScheduler\"], \"vae\": [\"diffusers\", \"AutoencoderKL\"], \"text_encoder\": "
                               "[\"transformers\", \"CLIPTextModel\"]}"},
    {"model/unet/config.json", "{}"},
    {"model/scheduler/scheduler_config.json", "{}"},
    {"model/vae/config.json", "{}"},
    {"model/text_encoder/config.json", "{}"},
};

/* ---- safetensors whose tensors are zeros, which take no place on the disk ---- */

static json_t *entry(const lt_tensor *t, size_t begin, size_t end) {
    json_t *shape = json_array();
    for (int i = 0; i < t->rank; i++) json_array_append_new(shape, json_integer((json_int_t)t->shape[i]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", lt_dtype_name(t->dtype), "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)end);
}

/* Writes tensors [count] and what takes the place of metadata, which is NULL or taken over, to path. */
static void write_tensors(const char *path, const lt_tensor *tensors, size_t count, json_t *metadata) {
    json_t *header = json_object();
    size_t at = 0;
    if (metadata) json_object_set_new(header, "__metadata__", metadata);
    for (size_t i = 0; i < count; i++) {
        const size_t end = at + fuzz_bytes(&tensors[i]);
        json_object_set_new(header, tensors[i].name, entry(&tensors[i], at, end));
        at = end;
    }
    char *text = json_dumps(header, JSON_COMPACT);
    json_decref(header);
    if (!text) abort();
    const uint64_t length = strlen(text);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(&length, sizeof length, 1, file) != 1 || fwrite(text, 1, length, file) != length) abort();
    if (fflush(file) || ftruncate(fileno(file), (off_t)(sizeof length + length + at)) || fclose(file)) abort();
    free(text);
}

/* ---- A folder whose tensors are always the same ---- */

static void write_component(lt_role role, const char *name, const char *file) {
    lt_tensor_list ldm = {0}, canonical = {0}, list = {0};
    char path[512];
    if (lt_sd_list(&fuzz_architecture, 1u << role, &ldm)) abort();
    lt_tensor_list_sort(&ldm);
    if (lt_names_add(&canonical, ldm.tensors, ldm.count, LT_ROLES_ALL, false, NULL)) abort();
    if (lt_names_to_diffusers(canonical.tensors, canonical.count, role, &list)) abort();
    if (mkdir(fuzz_path(name), 0777)) abort();
    snprintf(path, sizeof path, "%s/%s", fuzz_path(name), file);
    write_tensors(path, list.tensors, list.count, NULL);
    lt_tensor_list_free(&ldm);
    lt_tensor_list_free(&canonical);
    lt_tensor_list_free(&list);
}

static void write_folder(void) {
    if (mkdir(fuzz_path("model"), 0777) || mkdir(fuzz_path("model/scheduler"), 0777)) abort();
    write_component(LT_ROLE_UNET, "model/unet", "diffusion_pytorch_model.safetensors");
    write_component(LT_ROLE_VAE, "model/vae", "diffusion_pytorch_model.safetensors");
    write_component(LT_ROLE_TEXT, "model/text_encoder", "model.safetensors");
}

static void write_configurations(const uint8_t *data, size_t size) {
    for (size_t i = 0; i < LT_COUNT(configurations); i++) {
        const uint8_t *end = size ? memchr(data, '\v', size) : NULL;
        const size_t n = end ? (size_t)(end - data) : size;
        const char *content = configurations[i].content;
        fuzz_write(fuzz_path(configurations[i].name), n ? (const void *)data : content, n ? n : strlen(content));
        data += lt_min(size, n + 1);
        size -= lt_min(size, n + 1);
    }
}

static lt_session *open_folder(const uint8_t *data, size_t size) {
    static bool written;
    if (!written) write_folder();
    written = true;
    write_configurations(data, size);
    return fuzz_open(fuzz_path("model"));
}

/* ---- A file ---- */

static lt_session *open_file(const uint8_t *data, size_t size) {
    lt_tensor_list list;
    json_t *metadata = json_loadb((const char *)data, size, 0, NULL);
    if (!metadata) return NULL;
    if (lt_sd_list(&fuzz_architecture, LT_ROLES_ALL, &list)) abort();
    write_tensors(fuzz_path("file"), list.tensors, list.count, metadata);
    lt_tensor_list_free(&list);
    return fuzz_open(fuzz_path("file"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const bool folder = size && *data == '/';
    lt_session *session = folder ? open_folder(data + 1, size - 1) : open_file(data, size);
    if (session && !lt_parts_check(session->parts)) fuzz_draw(session);
    lt_session_close(session);
    return 0;
}
