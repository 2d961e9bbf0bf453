/* A model of any shapes: refused, or what it can do ends in numbers or in an error.
 *
 * The first byte says what it is and what it is asked for; four more each change a tensor: which (two bytes), how, and
 * to what. */
#include "fuzz_changes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIDE = 16 /* pixels */, LARGEST_RUN = 1 << 24 };

/* ---- The model before its changes ---- */

enum { KINDS = 9 };

static lt_status list_model(uint8_t kind, lt_tensor_list *list) {
    static const lt_clip_architecture clip = {
        .text = {.width = 64, .hidden = 256, .layers = 1, .vocabulary = 49408, .positions = 77, .projection = 32},
        .image = {.width = 64, .hidden = 256, .layers = 1, .size = 16, .patch = 8, .projection = 32}};
    static const lt_part_architecture taesd = {.roles = 1u << LT_ROLE_TAESD_ENCODER | 1u << LT_ROLE_TAESD_DECODER,
                                               .prefixed = true,
                                               .taesd = {.latent_channels = 4, .width = 16}};
    static const lt_part_architecture esrgan = {
        .roles = 1u << LT_ROLE_UPSCALER,
        .upscaler = {.width = 16, .grow = 16, .blocks = 1, .doubles = 1, .squeeze = 1}};
    static const lt_part_architecture srvgg = {
        .roles = 1u << LT_ROLE_UPSCALER, .upscaler = {.kind = LT_UPSCALER_SRVGG, .width = 16, .blocks = 1, .scale = 2}};
    switch (kind % KINDS) {
    case 0: return lt_sd_list(&fuzz_architecture, LT_ROLES_ALL, list);
    case 1: return lt_clip_list(&clip, list);
    case 2: return lt_classifier_list(&fuzz_architecture.unet, 8, 3, list);
    case 3: return lt_sd_list(&fuzz_architecture, 1u << LT_ROLE_UNET, list);
    case 4: return lt_sd_list(&fuzz_architecture, 1u << LT_ROLE_VAE, list);
    case 5: return lt_part_list(&taesd, list);
    case 6: return lt_part_list(&esrgan, list);
    case 7: return lt_part_list(&srvgg, list);
    default: return lt_sd_list(&fuzz_architecture, 1u << LT_ROLE_TEXT, list);
    }
}

static void begin(uint8_t kind, shapes *s) {
    lt_tensor_list list;
    if (list_model(kind, &list)) abort();
    begin_with(&list, s);
    lt_tensor_list_free(&list);
}

/* ---- Opening: as from a file of zeros, which has fuzz_safetensors to itself ---- */

lt_status __wrap_lt_source_open(const char *path, lt_source *source);

static shapes current;

lt_status __wrap_lt_source_open(const char *path, lt_source *source) {
    (void)path;
    *source = (lt_source){0};
    LT_TRY(lt_checkpoint_begin(&source->file));
    const lt_status status = add_tensors(&current, &source->file);
    if (status) lt_checkpoint_close(&source->file);
    return status;
}

/* ---- What comes of it ---- */

static uint8_t pixels[SIDE * SIDE * 3];
static const lt_image image = {SIDE, SIDE, pixels};

static void encode(lt_session *session) {
    float *latent;
    int shape[3];
    if (!lt_encode(session, &image, NULL, false, &latent, shape)) lt_floats_free(latent);
}

static void embed_text(lt_session *session) {
    float *embedding;
    size_t dim;
    if (!lt_embed_text(session, "a", &embedding, &dim)) lt_floats_free(embedding);
}

static void embed_image(lt_session *session) {
    float *embedding;
    size_t dim;
    if (!lt_embed_image(session, &image, &embedding, &dim)) lt_floats_free(embedding);
}

static void enlarge(lt_session *session) {
    lt_image large;
    if (!lt_upscale(session, &image, NULL, &large)) lt_image_free(&large);
}

static void check(lt_session *session) { (void)lt_parts_check(session->parts); }

static void (*const uses[])(lt_session *session) = {fuzz_draw, encode, embed_text, embed_image,
                                                    enlarge,   check,  enlarge,    check};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) return 0;
    begin(*data, &current);
    for (size_t at = 1; at + CHANGE <= size; at += CHANGE) change(&current, data + at);
    const size_t bytes = total(&current);
    if (bytes > LARGEST_FILE) return -1;
    lt_session *session = fuzz_open("model");
    if (session && bytes < LARGEST_RUN) uses[*data / KINDS % LT_COUNT(uses)](session);
    lt_session_close(session);
    return 0;
}
