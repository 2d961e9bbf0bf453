/* A model of any shapes: refused, or what it can do ends in numbers or in an error.
 *
 * The first byte says what it is and what it is asked for; four more each change a tensor: which (two bytes), how, and
 * to what. */
#include "formats/readers.h"
#include "fuzz_model.h"

#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    MOST = 1024 /* tensors */,
    NAME = 128,
    CHANGE = 4,
    SIDE = 16 /* pixels */,
    LARGEST_FILE = 1 << 26,
    LARGEST_RUN = 1 << 24
};

typedef struct shapes {
    lt_tensor tensors[MOST];
    char names[MOST][NAME];
    size_t count;
} shapes;

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
    if (list_model(kind, &list) || list.count > MOST) abort();
    for (s->count = 0; s->count < list.count; s->count++) {
        s->tensors[s->count] = list.tensors[s->count];
        s->tensors[s->count].dtype = LT_F16;
        snprintf(s->names[s->count], NAME, "%s", list.tensors[s->count].name);
    }
    lt_tensor_list_free(&list);
}

/* ---- Changes ---- */

static const size_t sizes[] = {0,   1,   2,   3,   4,   5,   6,    7,    8,     9,       10,      12,     15,
                               16,  17,  20,  31,  32,  33,  48,   63,   64,    65,      77,      96,     100,
                               128, 192, 255, 256, 320, 512, 640,  768,  10,    77,      24,      960,    100,
                               128, 130, 257, 300, 400, 500, 1024, 4096, 65536, 1 << 20, 1048577, 1 << 30};

/* Another number in a name: "input_blocks.1.0" becomes "input_blocks.7.0". */
static void change_digit(char *name, uint8_t value) {
    size_t digits = 0, which;
    for (const char *c = name; *c; c++) digits += *c >= '0' && *c <= '9';
    if (!digits) return;
    which = value / 10 % digits;
    for (char *c = name; *c; c++)
        if (*c >= '0' && *c <= '9' && !which--) *c = (char)('0' + value % 10);
}

static void swap_sizes(lt_tensor *t) {
    const size_t first = t->shape[0];
    t->shape[0] = t->shape[1];
    t->shape[1] = first;
}

static void change(shapes *s, const uint8_t *c) {
    enum { REMOVE, RANK, TYPE, LIKE, RENAME, DIGIT, SWAP, SIZE /* of dimension how - SIZE */, WAYS = SIZE + 4 };
    const size_t i = (size_t)(c[0] << 8 | c[1]) % s->count, other = c[3] % s->count;
    lt_tensor *t = &s->tensors[i];
    const int how = c[2] % WAYS;
    switch (how) {
    case REMOVE: s->names[i][0] = '\0'; break; /* as no model calls one */
    case RANK: t->rank = c[3] % (LT_MAX_RANK + 1); break;
    case TYPE: t->dtype = (lt_dtype)(c[3] % LT_DTYPE_COUNT); break;
    case LIKE: *t = s->tensors[other]; break;
    case RENAME: memcpy(s->names[i], s->names[other], NAME); break;
    case DIGIT: change_digit(s->names[i], c[3]); break;
    case SWAP: swap_sizes(t); break;
    default: t->shape[how - SIZE] = sizes[c[3] % LT_COUNT(sizes)];
    }
}

/* ---- Opening: as from a file of zeros, which has fuzz_safetensors to itself ---- */

lt_status __wrap_lt_source_open(const char *path, lt_source *source);

static shapes current;

/* So many zeros, and nothing that could be read behind them. */
static const void *zeros(size_t bytes) {
    static const char *room;
    if (!room) room = mmap(NULL, LARGEST_FILE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return room + LARGEST_FILE - bytes;
}

static lt_status add_tensors(lt_checkpoint *file) {
    for (size_t i = 0; i < current.count; i++) {
        lt_tensor t = current.tensors[i];
        t.data = zeros(fuzz_bytes(&t));
        t.type = "F6"; /* which only a foreign one has */
        lt_tensor_set_contiguous(&t);
        if (*current.names[i]) LT_TRY(lt_checkpoint_add(file, current.names[i], strlen(current.names[i]), &t));
    }
    return lt_checkpoint_finish(file);
}

lt_status __wrap_lt_source_open(const char *path, lt_source *source) {
    (void)path;
    *source = (lt_source){0};
    LT_TRY(lt_checkpoint_begin(&source->file));
    const lt_status status = add_tensors(&source->file);
    if (status) lt_checkpoint_close(&source->file);
    return status;
}

/* ---- What comes of it ---- */

static size_t total(const shapes *s) {
    size_t sum = 0;
    for (size_t i = 0; i < s->count; i++)
        if (!lt_add(sum, fuzz_bytes(&s->tensors[i]), &sum)) return SIZE_MAX;
    return sum;
}

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
