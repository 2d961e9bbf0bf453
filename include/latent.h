/* latent.h - Stable Diffusion in C: the whole public interface.
 *
 *     lt_model *model;
 *     lt_session *session;
 *     lt_request request = lt_request_defaults();
 *     lt_result result = {0};
 *     request.prompt = "a red apple";
 *     if (lt_model_open("sd15.safetensors", NULL, &model) != LT_OK) die(lt_error_message());
 *     if (lt_session_open(model, NULL, &session) != LT_OK) die(lt_error_message());
 *     if (lt_generate(session, &request, &result) != LT_OK) die(lt_error_message());
 *     lt_image_save("apple.png", &result.images[0], result.parameters[0]);
 *     lt_result_free(&result);
 *     lt_session_close(session);
 *     lt_model_close(model);
 *
 * Rules that hold everywhere:
 *   - A function that can fail returns lt_status; LT_OK is 0. On failure lt_error_message() says what went wrong,
 * where, and what to do, and every output argument is left empty: there is nothing to free.
 *   - A pointer may be NULL only where this file says so, and a number must be possible: anything else is refused with
 * LT_ERROR_ARGUMENT and a message that names it. What frees or closes takes NULL.
 *   - The library never prints, never exits and keeps no global state but the message of each thread's last error, and
 * the handler for SIGBUS that lt_model_open speaks of.
 *   - A model never changes once it is open: any number of threads may use one at once, and its weights are in memory
 * once. A session is a use of a model and serves one call at a time (a second one meanwhile, also from a callback, is
 * refused with LT_ERROR_ARGUMENT); different sessions, of one model or of several,
 * may be used from different threads at once, and draw the same bytes as alone. Callbacks come from the thread that
 * made the call.
 *   - A file that is written takes its place whole or not at all. A link in that place stays: the file goes where it
 * leads.
 *   - A struct that a program makes ends in room for what is to come: zeros, as the functions that give defaults have
 * it, and refused where it is not; so a program goes on with a newer library without being compiled again.
 *   - Strings are UTF-8. Sizes are in pixels, images are 8-bit RGB from the top left, tensors are float32 NCHW.
 */
#ifndef LATENT_H
#define LATENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define LT_API
#else
#define LT_API __attribute__((visibility("default")))
#endif
#if defined(__GNUC__)
#define LT_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define LT_PRINTF(text, first)
#endif

/* ---- Errors ---- */

typedef enum lt_status {
    LT_OK = 0,
    LT_ERROR_MEMORY,      /* an allocation failed */
    LT_ERROR_FILE,        /* a file can't be opened, read or written */
    LT_ERROR_FORMAT,      /* a file's content is broken, hostile, or of an unknown kind */
    LT_ERROR_MODEL,       /* a checkpoint lacks a tensor, or one has the wrong shape, or a part of it makes a NaN or an
                             infinity: the message names it, and nothing is drawn or written */
    LT_ERROR_ARGUMENT,    /* a request that makes no sense: the message says which value and what is allowed */
    LT_ERROR_UNSUPPORTED, /* understood, but not possible here: a precision that this processor lacks, for example */
    LT_ERROR_CANCELLED    /* the progress callback asked to stop */
} lt_status;

/* The message of the calling thread's last failing call of this file's functions; "" before the first. A call that
 * succeeds leaves it as it is. Valid until that thread's next call. */
LT_API const char *lt_error_message(void);

/* Makes that message (printf style) and returns status: for a callback that returns one, and for programs whose own
 * functions fail in this way. */
LT_API lt_status lt_fail(lt_status status, const char *format, ...) LT_PRINTF(2, 3);
/* Puts "context: " before the calling thread's message and returns status, for the caller who knows which file it was;
 * leaves a message that begins with it, or with a file of that folder. */
LT_API lt_status lt_fail_in(lt_status status, const char *format, ...) LT_PRINTF(2, 3);

/* ---- Choices ---- */

/* Whose random numbers a seed stands for. */
typedef enum lt_rng_kind {
    LT_RNG_CPU,   /* PyTorch's CPU generator, as diffusers on a CPU */
    LT_RNG_PHILOX /* PyTorch's CUDA generator, as the web UIs */
} lt_rng_kind;

/* A seed that nobody chose: from the operating system, under 2^32 as the web UIs have it. */
LT_API uint64_t lt_random_seed(void);

/* What the weights in a prompt do to what the U-Net reads of their words, as A1111's web UI has it. */
typedef enum lt_emphasis {
    LT_EMPHASIS_ORIGINAL, /* multiply it, then all of the chunk so that its mean is what it was */
    LT_EMPHASIS_NO_NORM,  /* multiply it */
    LT_EMPHASIS_IGNORE,   /* nothing */
    LT_EMPHASIS_NONE      /* brackets and BREAK are words like others */
} lt_emphasis;

/* What of a mask is repainted. */
typedef enum lt_mask_rule {
    LT_MASK_WHITE,      /* what is white and opaque: black and transparent are kept */
    LT_MASK_TRANSPARENT /* what is transparent, as OpenAI's API has it: colours do not count */
} lt_mask_rule;

/* What repainting begins with under a mask. */
typedef enum lt_masked_content {
    LT_CONTENT_ORIGINAL, /* the picture */
    LT_CONTENT_FILL,     /* colours from around the mask, blurred into it */
    LT_CONTENT_NOISE,    /* a latent of noise, the starting noise itself */
    LT_CONTENT_NOTHING   /* a latent of zeros */
} lt_masked_content;

/* Which sides of a picture fit together, so that it can be laid out as tiles: what lies beyond one is the other. */
typedef enum lt_seamless {
    LT_SEAMLESS_NONE,
    LT_SEAMLESS_X, /* left and right */
    LT_SEAMLESS_Y, /* top and bottom */
    LT_SEAMLESS_BOTH
} lt_seamless;

/* How weights and activations are held while computing. */
typedef enum lt_precision {
    LT_PRECISION_AUTO, /* drawing: the fastest that is near enough, by rule (docs/precision.md): int8 of a model that
                          lt_convert has quantised; else bf16 where the processor has AVX512-BF16 or AMX and the U-Net a
                          hundred million parameters; else f32. lt_run: f32. lt_train: bf16 with AMX, else f32 */
    LT_PRECISION_F32,
    LT_PRECISION_BF16, /* products of rounded numbers, everything else f32; where the processor has AVX512-BF16 or AMX,
                          else LT_ERROR_UNSUPPORTED */
    LT_PRECISION_INT8  /* drawing: the U-Net's products of 8-bit numbers, scaled for each output channel of a weight and
                          for each token or pixel; everything else bf16 where the processor has that, else f32 */
} lt_precision;

/* How far up the processor's instruction sets kernels may go, other libraries' too. What it lacks is never used,
 * whatever is asked. */
typedef enum lt_isa {
    LT_ISA_SCALAR,
    LT_ISA_AVX2,    /* with FMA and F16C */
    LT_ISA_AVXVNNI, /* products of 8-bit numbers, in AVX2's vectors */
    LT_ISA_AVX512,  /* F, BW, DQ, VL */
    LT_ISA_AVX512VNNI,
    LT_ISA_AVX512BF16,
    LT_ISA_AMX,     /* tiles and their bf16 products */
    LT_ISA_NEON,    /* these two are AArch64's, where none of those above is */
    LT_ISA_NEONDOT, /* products of 8-bit numbers */
    LT_ISA_BEST
} lt_isa;

/* Numbers at the end of structs, for what is to come. */
enum { LT_RESERVED = 8 };

/* Of this header: a program may ask, while it is compiled, whether it is new enough. */
#define LT_VERSION_MAJOR 0
#define LT_VERSION_MINOR 1
#define LT_VERSION_PATCH 0

/* Of the library that runs: "0.1.0" */
LT_API const char *lt_version(void);

/* ---- Options as data ---- */

/* What a field of a struct of options takes: for programs that offer its options, check them early and explain them. */
typedef enum lt_field_kind {
    LT_FIELD_BOOL,    /* bool: either */
    LT_FIELD_INT,     /* int within [low, high] */
    LT_FIELD_LONG,    /* long within [low, high] */
    LT_FIELD_LIST,    /* int [], each within [low, high]; count says how many */
    LT_FIELD_SEED,    /* uint64_t: any */
    LT_FIELD_SIZE,    /* size_t: any */
    LT_FIELD_FLOAT,   /* float within [low, high]; never NaN */
    LT_FIELD_DOUBLE,  /* double within [low, high]; never NaN */
    LT_FIELD_RANGE,   /* float [2], each within [low, high], the second above the first, or 0: without an end */
    LT_FIELD_ENUM,    /* an enumeration from 0, whose names are choices */
    LT_FIELD_TEXT,    /* const char *: anything but NULL */
    LT_FIELD_FILE,    /* const char *: a path; anything but NULL */
    LT_FIELD_CHOICE,  /* const char *: one of choices */
    LT_FIELD_RESERVED /* no option: zeros */
} lt_field_kind;

typedef struct lt_field {
    const char *name; /* as the struct has it: "save_steps" */
    size_t offset;    /* in the struct */
    lt_field_kind kind;
    double low, high;
    bool above;                               /* low itself is not possible */
    bool optional;                            /* TEXT, FILE and CHOICE may be NULL */
    const char *const *choices;               /* NULL-terminated */
    const char *const *(*list_choices)(void); /* or who knows them */
    size_t count;                             /* LIST: the offset of the int that says how many, checked before */
    const char *(*by_name)(const char *text); /* what other programs' names mean: a choice, or the text itself where
                                                 the library reads it; NULL: nothing. NULL: there are none */
    const char *help;                         /* one line, for a person */
    void *reserved[4];
} lt_field;

/* The fields of lt_open_options, lt_session_options, lt_request and lt_train_options; a name of NULL ends them. What
 * points to pictures, models, numbers and functions is not among them. */
LT_API const lt_field *lt_open_fields(void);
LT_API const lt_field *lt_session_fields(void);
LT_API const lt_field *lt_request_fields(void);
LT_API const lt_field *lt_train_fields(void);

/* The field of that name, or NULL, as of NULL; "save-steps" is save_steps. */
LT_API const lt_field *lt_fields_find(const lt_field *fields, const char *name);
/* What a field of kind LT_FIELD_ENUM or LT_FIELD_CHOICE takes, NULL-terminated; of a LT_FIELD_TEXT that goes by other
 * names too, the names of ours. NULL of any other, and of NULL. */
LT_API const char *const *lt_field_choices(const lt_field *field);

/* What somebody may have meant by a word that is no name: zero it and set word, then try every name. */
typedef struct lt_nearest {
    const char *word, *name; /* name: the nearest so far; NULL while none is near */
    size_t edits;            /* between them */
} lt_nearest;
/* A name is near if a third of the word's letters are wrong, or if it only goes on behind the word. If it is, and
 * nearer than those before, meant is what the user is told: name itself, or what it stands for. */
LT_API void lt_nearest_try(lt_nearest *nearest, const char *name, const char *meant);

/* ---- Pictures ---- */

/* 8-bit RGB, rows from the top, no gaps: pixels [height, width, 3]. A zeroed one is empty. */
typedef struct lt_image {
    int width, height;
    uint8_t *pixels;
    uint8_t *alpha; /* [height, width]: 0 where it is transparent, 255 where it is opaque; NULL: opaque everywhere. Only
                       a mask's counts; the pixels are laid over white as it says */
} lt_image;

/* No side is longer, so no picture has more than 2^28 pixels. */
enum { LT_IMAGE_MAX_SIDE = 16384 };

/* Reads PNG, JPEG or WebP, told by content; of an animated WebP the first frame. Grey becomes RGB, 16 bits become 8,
 * what is transparent is laid over white (and alpha says where), EXIF orientation is applied. A PNG that ends behind
 * its pixels is read; one that ends earlier is not. A side over LT_IMAGE_MAX_SIDE is refused before
 * anything is allocated for it. */
LT_API lt_status lt_image_load(const char *path, lt_image *image);

/* Writes PNG, JPEG (quality 95) or WebP (lossless), told by path's ending (.png .jpg .jpeg .webp). parameters, if not
 * NULL, goes into a PNG's `parameters` text chunk, as the web UIs write it, and into a JPEG's or WebP's EXIF
 * UserComment. No half file is ever left behind. */
LT_API lt_status lt_image_save(const char *path, const lt_image *image, const char *parameters);

/* The bytes of such a file, allocated; format is "png", "jpg" or "webp". Free them with lt_bytes_free. */
LT_API lt_status lt_image_encode(const char *format, const lt_image *image, const char *parameters, uint8_t **bytes,
                                 size_t *size);

/* The same at a quality of 1 to 100, of JPEG and WebP: a WebP is lossless at 100. 0: as above. */
LT_API lt_status lt_image_encode_at(const char *format, int quality, const lt_image *image, const char *parameters,
                                    uint8_t **bytes, size_t *size);

/* The `parameters` text that a picture file carries, allocated; *parameters is NULL if it has none. Free it with
 * lt_string_free. */
LT_API lt_status lt_image_parameters(const char *path, char **parameters);

/* The same of a file that is in memory: bytes [size]. A picture of more than most_pixels (0: any number) is refused
 * before anything is allocated for it. */
LT_API lt_status lt_image_read(const void *bytes, size_t size, size_t most_pixels, lt_image *image);
LT_API lt_status lt_image_read_parameters(const void *bytes, size_t size, char **parameters);

/* The picture scaled to width x height, without its alpha: Lanczos 3, the same bytes as Pillow's resize(LANCZOS). Sides
 * from 1 to LT_IMAGE_MAX_SIDE. */
LT_API lt_status lt_image_scale(const lt_image *image, int width, int height, lt_image *out);

/* A picture of these sides, its pixels not yet written. */
LT_API lt_status lt_image_alloc(int width, int height, lt_image *image);
LT_API void lt_image_free(lt_image *image); /* and empties it */
LT_API void lt_string_free(char *string);
LT_API void lt_bytes_free(uint8_t *bytes);

/* ---- Files that are being written ---- */

/* Whether a file can be written at path, found out before long work: its folder is there and lets us, and nothing but a
 * file is in the way. */
LT_API lt_status lt_check_writable(const char *path);
/* From now on whatever this thread writes asks stopped, with NULL, before each piece: true gives the file up with
 * LT_ERROR_CANCELLED. NULL: nobody is asked. */
LT_API void lt_watch_writing(bool (*stopped)(void *user));
/* For a handler of signals that ends the process, and by system calls alone: removes what this process has begun to
 * write. What another process left when it was killed is removed by the next that writes there. */
LT_API void lt_remove_unfinished(void);

/* ---- Models ---- */

/* What was opened: weights, descriptions, tokenizer. */
typedef struct lt_model lt_model;
/* A use of a model: the memory that its modules run in, threads, callbacks. */
typedef struct lt_session lt_session;

/* Something that the caller's user should know, such as the part of a prompt that was cut. One line without its end. */
typedef void (*lt_notice_fn)(void *user, const char *message);

typedef struct lt_open_options {
    const char *vae;  /* a file or folder whose VAE, or TAESD, replaces the model's own; NULL: none. Of a TAESD in
                         two files that of the decoder, the encoder's being beside it */
    const char *text; /* a file or folder whose text encoders replace the model's own; NULL: none */
    const char *preview_vae; /* a TAESD that makes the previews of lt_request.preview; NULL: none */
    bool ema;                /* take the U-Net's averaged weights (model_ema.*) where a checkpoint has both */
    const char *prediction;  /* "epsilon" or "v"; NULL: what the checkpoint says (see lt_model_open), else epsilon */
    size_t memory;           /* bytes of packed weights that stay when no session uses them any more, the longest unused
                                going first, for the next one that does; 0: none */
    const lt_model *base; /* of a ControlNet that is kept as what it adds to a U-Net (a difference, a control-LoRA): the
                             model whose U-Net that is, without its LoRAs; it stays open as long. Otherwise not read */
    lt_notice_fn notice;  /* of what is found while opening and converting; NULL: nobody is told */
    void *notice_user;
    uint64_t reserved[LT_RESERVED];
} lt_open_options;

LT_API lt_open_options lt_open_options_defaults(void);

/* The file of the small model that comes with Latent, which draws emoji: beside the running program's bin in
 * share/latent, where it was installed, or in the source tree that was built. NULL: nowhere. Valid until this thread's
 * next call. */
LT_API const char *lt_default_model(void);

/* Opens a checkpoint: a single file (.safetensors, .ckpt) as published for SD 1.x, a diffusers folder, or a CLIP
 * checkpoint. What it says of its noise is taken: scheduler_config.json (betas of any kind, zero terminal SNR, the
 * prediction, spacing and offset of timesteps), the tensors v_pred and ztsnr and the metadata modelspec.* of other
 * programs, a file's own alphas_cumprod or betas. Settings with which nothing right can be drawn are
 * LT_ERROR_UNSUPPORTED; others that are not served are named by the notice function. options may be NULL. Weights are
 * mapped now and converted when they are first needed, so this is quick; the files must stay as they are while the
 * model is open. Whatever is found to have been cut short meanwhile is LT_ERROR_FILE: a handler for SIGBUS sees to
 * that, which is installed where a file is opened and passes faults that are not ours on to the one that was there. */
LT_API lt_status lt_model_open(const char *path, const lt_open_options *options, lt_model **model);
/* The caller's use of it ends; it goes with the last of its sessions. NULL is fine. */
LT_API void lt_model_close(lt_model *model);
/* Whether a file that it was opened from has been replaced or written to since: what is open goes on with what it has
 * read, and with what it reads from now on. One that is gone is no other file. */
LT_API bool lt_model_changed(const lt_model *model);

/* What a model is and can do. Zeros where a part is not in the checkpoint; all zeros of NULL. */
typedef struct lt_model_info {
    bool draws, has_text_encoder, has_vae_encoder, has_vae_decoder, has_unet, has_image_encoder, has_classifier;
    bool has_image_prompt; /* it is an IP-Adapter */
    int width, height;     /* the size that it was trained for */
    int factor;            /* pictures' sides are multiples of this */
    int latent_channels;
    int unet_channels; /* 9: an inpainting model */
    int context_dim, text_embedding_dim;
    const char *prediction;         /* "epsilon" or "v" */
    const char *betas;              /* of its noise: "scaled_linear", "linear", "squaredcos_cap_v2", or "its own" */
    bool zero_terminal_snr;         /* its last step of noise keeps nothing of the picture */
    int class_count;                /* of the classifier */
    int upscale;                    /* of an upscaler: by how much it makes pictures larger */
    const char *const *class_names; /* [class_count], valid while the model is open */
    const char *family;  /* of its U-Net: "Stable Diffusion 1", "... 2", "... XL", "... XL's refiner", "a model of its
                            own kind", or "a model without text"; NULL without one */
    const char *control; /* "ControlNet", "T2I-Adapter": it says of how another model draws; NULL: it doesn't */
    lt_precision automatic; /* in which it is drawn on this processor where nobody says (LT_PRECISION_AUTO) */
    uint64_t reserved[LT_RESERVED];
} lt_model_info;
LT_API lt_model_info lt_model_describe(const lt_model *model);

enum { LT_MOST_STRENGTH = 1000 }; /* of a LoRA, and of an image prompt's scale, and as far below 0 */

/* ---- LoRA ---- */

/* LoRA and its kin: a file that adds to the weights of the U-Net and the text encoders (docs/adapters.md has the kinds
 * and names that are read). Nothing is added to the model itself: other sessions on it draw as before. */
typedef struct lt_lora {
    const char *file; /* .safetensors, or what else lt_model_open reads; or a name without folder and ending, as in a
                         prompt */
    float strength, text_strength; /* what is added to the U-Net, and to the text encoders, is multiplied by: -1000 to
                                      1000; 1 is all of it, 0 nothing */
} lt_lora;

/* ---- Image prompts ---- */

enum { LT_MOST_IMAGE_PROMPTS = 8 };

/* A picture that says what to draw, beside the words: IP-Adapter, Ye et al. 2023 (docs/image-prompts.md). */
typedef struct lt_image_prompt {
    const lt_model *adapter; /* an IP-Adapter for this model, of the plain kind or Plus, the caller's, open meanwhile */
    const lt_image *image;   /* cut to a square, as CLIP sees pictures */
    float scale;             /* what it adds to each attention is multiplied by: -1000 to 1000; 1 is all of it */
    double start, end;       /* the share of the steps over which it is there: 0 and 1 are all of them */
    const lt_image *mask;    /* where in the picture, scaled to it: white and opaque all, black or transparent nothing;
                                NULL: everywhere */
    uint64_t reserved[LT_RESERVED];
} lt_image_prompt;
LT_API lt_image_prompt lt_image_prompt_defaults(void); /* scale 1, over all steps */

/* ---- Control: pictures that say of how to draw ---- */

/* What is more important where prompt and control disagree, as the web UI's control modes. */
typedef enum lt_control_mode {
    LT_CONTROL_BALANCED,
    LT_CONTROL_UNDER_PROMPT, /* "My prompt is more important": weaker the further outside it is added, 0.825^(12-i) of
                                the i-th of 13 residuals; of a T2I-Adapter's features 0.25, 0.62, 0.825, 1 */
    LT_CONTROL_OVER_PROMPT   /* "ControlNet is more important": the same, and not for the negative prompt, so that
                                guidance multiplies it too */
} lt_control_mode;

/* How the control's picture becomes as large as the one that is drawn, as the web UI's resize modes. */
typedef enum lt_control_fit {
    LT_CONTROL_CROP,    /* "Crop and Resize": the middle of it */
    LT_CONTROL_STRETCH, /* "Just Resize" */
    LT_CONTROL_FILL     /* "Resize and Fill": all of it, within the median colour of its border */
} lt_control_fit;

/* A ControlNet or a T2I-Adapter with what it sees. Begin with lt_control_defaults. */
typedef struct lt_control {
    const lt_model *model; /* of such a file (lt_model_open), the caller's, open while the picture is made; it
                              is for models of its own family: LT_ERROR_MODEL says for which */
    const lt_image
        *image; /* the map that it was trained to see: edges, depth, a pose, ...; or what it is made of by: */
    const char *annotator; /* what makes the map of image, behind its fitting (lt_annotate); "inpaint": image, and
                              nothing where the request's mask repaints it. NULL: image is the map */
    float strength;        /* -100 to 100: what it adds is multiplied by */
    double start, end;     /* shares of the steps, 0 to 1: it is there in steps that lie within as a whole */
    lt_control_mode mode;
    lt_control_fit fit;
    uint64_t reserved[LT_RESERVED];
} lt_control;
LT_API lt_control lt_control_defaults(void); /* no model, no image, strength 1, from 0 to 1, balanced, cropped */
LT_API const lt_field *lt_control_fields(void);

enum { LT_MAX_CONTROLS = 8 }; /* at once */

/* The map of a picture, as large, that annotator makes by a formula alone, as A1111's preprocessor of that name:
 *   canny:LOW:HIGH  edges, by the thresholds 100 and 200         scribble:T   lines that are darker than what is
 *   lineart         how much darker than its surroundings                     around them, by the threshold 32
 *   luminance:P     CIE's L*, to the power 1                     intensity:P  the greatest channel, likewise
 *   invert          255 less each value                          threshold:T  white where all channels are over 127
 *   color           squares of 64 pixels, of one colour each     tile:N       at 1/N (1) of its size and back
 *   blur:S          a Gaussian of deviation 9
 * The numbers may be left out; HIGH is not under LOW. LT_ERROR_ARGUMENT for another name or number. */
LT_API lt_status lt_annotate(const char *annotator, const lt_image *image, lt_image *map);
/* Whether lt_control.annotator may be that, before there is a picture; likewise. */
LT_API lt_status lt_annotator_check(const char *annotator);
LT_API const char *const *lt_annotators(void); /* their names, NULL-terminated */

/* ---- Looking at files ---- */

enum { LT_ARRAY_RANK = 8 }; /* dimensions of a tensor, at most */

typedef struct lt_inspect_options {
    int width, height; /* list every layer, for pictures of this size; 0: the model's own */
    bool layers;       /* list every layer, whatever these are */
    uint64_t reserved[LT_RESERVED];
} lt_inspect_options;
LT_API lt_inspect_options lt_inspect_options_defaults(void);
LT_API const lt_field *lt_inspect_fields(void);

/* Texts are as the file has them: they may hold what a terminal obeys, and need not be UTF-8. */
typedef struct lt_tensor_info {
    const char *component; /* the folder of a model's folder that it is in, or "" */
    const char *name, *type;
    bool readable; /* Latent knows the type */
    int rank;
    size_t shape[LT_ARRAY_RANK];
} lt_tensor_info;

typedef struct lt_metadata_info {
    const char *component, *key, *value;
} lt_metadata_info;

/* What is stored in one type. */
typedef struct lt_type_count {
    const char *name; /* "F16", "Q4_K" */
    size_t tensors, parameters;
} lt_type_count;

/* Tensors by what they are for. */
typedef struct lt_tensor_group {
    const char *name; /* "U-Net", "not needed" */
    size_t tensors, parameters, bytes;
    size_t type_count;
    lt_type_count types[32]; /* [type_count] */
} lt_tensor_group;

typedef struct lt_layer_info {
    const char *module;
    char name[192], operation[32];
    int output[4]; /* n, height, width, channels; of tokens the height is 1 */
    size_t parameters;
    double flop; /* one multiplication and one addition are two */
} lt_layer_info;

typedef struct lt_module_info {
    const char *name;
    size_t layers, parameters;
    double flop;
} lt_module_info;

/* What a model or a LoRA that was distilled to draw in few steps is drawn with (docs/sampling.md). */
typedef struct lt_few_steps {
    const char *kind;               /* "LCM"; NULL: it is none, or nothing tells */
    const char *sampler, *schedule; /* schedule: NULL: the sampler's own */
    int least_steps, most_steps;
    float most_guidance; /* more makes no sense */
} lt_few_steps;

/* A LoRA, or one of its kin. */
typedef struct lt_lora_info {
    const char *kinds; /* "LoRA, LoCon, DoRA"; NULL: it is none */
    size_t unet_layers, text_layers;
    size_t least_rank, most_rank; /* 0: it has none */
    bool has_alpha;               /* else each layer's is its rank */
    float least_alpha, most_alpha;
    const char *made_for, *base, *words; /* family of models, the checkpoint that it was trained on, trained words, the
                                            most frequent first; NULL: the file doesn't tell */
} lt_lora_info;

typedef struct lt_report {
    const char *format; /* "png", "safetensors", "folder", ... */
    bool is_picture, is_model;
    int width, height;      /* of the picture; of the one that layers are for */
    const char *parameters; /* a picture's text, or NULL; of an embedding in a picture, metadata and tensors */

    const char *layout; /* "LDM checkpoint: text encoder, VAE, U-Net" */
    lt_metadata_info *metadata;
    size_t metadata_count;
    lt_tensor_info *tensors;
    size_t tensor_count;
    lt_tensor_group *groups, all;
    size_t group_count;
    lt_lora_info lora;
    lt_few_steps few_steps;  /* by the file's name, metadata or tensors */
    const lt_model *model;   /* of whose settings lt_model_describe tells; NULL: it can't be opened as one */
    const char *fault;       /* why not, or why there are no layers; NULL: none */
    lt_module_info *modules; /* where layers are listed */
    size_t module_count;
    lt_layer_info *layers; /* module by module */
    size_t layer_count;
    void *owner; /* of what these point to */
    uint64_t reserved[LT_RESERVED];
} lt_report;

/* What a file is: a picture, or a checkpoint of any kind, also one that is no model of ours. options may be NULL. */
LT_API lt_status lt_inspect(const char *path, const lt_inspect_options *options, lt_report *report);
LT_API void lt_report_free(lt_report *report); /* and empties it */

/* ---- Converting ---- */

typedef struct lt_convert_options {
    const char *type;       /* "f32", "f16" or "bf16", for floating-point numbers; NULL: as they are */
    const char *layout;     /* "ldm", one file, or "diffusers", a folder; NULL: as it is */
    bool ema;               /* as lt_open_options */
    const char *prediction; /* likewise */
    const lt_lora *loras;   /* [lora_count]: added to the weights for good; NULL: none */
    size_t lora_count;
    const char *vae;        /* as lt_open_options: takes its place in what is written */
    const char *quantize;   /* "int8": the U-Net's weights in 8 bits, but for layers that do not stand it; or a type of
                               GGUF's, in which a .gguf holds matrices: "q8_0", "q5_0", "q5_1", "q4_0", "q4_1", "q6_k",
                               "q5_k", "q4_k", "q3_k", "q2_k"; NULL: none */
    bool pack;              /* a file for this processor alone, which draws sooner; without type, layout, quantize */
    lt_precision precision; /* for which it is packed; auto: in which the model is drawn */
    lt_notice_fn notice;    /* of what is left out, or can't be told in a single file, and of what quantising makes;
                               NULL: nobody is told */
    void *notice_user;
    bool (*progress)(void *user, size_t done, size_t count); /* quantising; false: LT_ERROR_CANCELLED. May be NULL */
    void *user;
    uint64_t reserved[LT_RESERVED];
} lt_convert_options;
LT_API lt_convert_options lt_convert_options_defaults(void);
LT_API const lt_field *lt_convert_fields(void);

/* Writes what lt_model_open opens as safetensors at out, or where that ends in ".gguf" as GGUF, which is always a
 * model's conversion. Without layout, ema, prediction, vae and loras a file keeps its
 * tensors, whatever they are called, and its metadata; a diffusers folder becomes one file. With one of them it is a
 * model's conversion: what drawing does not need is left out, and a model that lacks a tensor, or has one of another
 * shape, is refused before anything is written. A value that is no number is LT_ERROR_MODEL, one that type can't hold
 * LT_ERROR_ARGUMENT. options may be NULL.
 *
 * To quantise, the model draws a few small pictures in f32 and in int8, and the share of each layer in the U-Net's
 * error is measured: minutes for Stable Diffusion. Weights are stored as X.weight, I8, with X.weight_scale, F32, one
 * for each output channel; those of layers that do not stand it stay as they are. What was chosen and what it makes is
 * among the metadata (latent.int8.*). A model that can't draw is refused. *
 * A packed file has no weights but their forms for the kernels of this processor, for one precision, the model's own
 * size and those that read the same; it is opened as a model, for drawing, without LoRAs. Opening checks every byte of
 * it: LT_ERROR_FORMAT where one was flipped, LT_ERROR_UNSUPPORTED where another version of Latent packed it; and a call
 * that needs other forms is LT_ERROR_UNSUPPORTED. */
LT_API lt_status lt_convert(const char *in, const char *out, const lt_convert_options *options);

/* ---- Merging ---- */

typedef struct lt_merge_options {
    const char *method;  /* "sum": A(1-W) + B W, or of three A(1-W-V) + B W + C V; "difference": A + (B-C) W; NULL: a
                            difference where there is a C and no V, else a sum */
    float weight;        /* W, -10 to 10 */
    float weight_c;      /* V, likewise */
    const char *blocks;  /* W of each block in place of weight, as "merge block weighted" has it: so many numbers with
                            commas between as BASE (all but the U-Net), IN00, ..., M00, OUT00, ... are, 26 of SD 1; or
                            NAME=NUMBER of some of these, or of IN, OUT, unet, text, vae. NULL: weight everywhere */
    const char *vae;     /* a file or folder whose VAE is written, as it is; NULL: it is merged, too */
    const char *type;    /* "f32", "f16" or "bf16"; NULL: as in A */
    const char *layout;  /* "ldm", one file, or "diffusers", a folder; NULL: one file */
    lt_notice_fn notice; /* of what stays as it is in A; NULL: nobody is told */
    void *notice_user;
    uint64_t reserved[LT_RESERVED];
} lt_merge_options;
LT_API lt_merge_options lt_merge_options_defaults(void); /* weight 0.3, as A1111 */
LT_API const lt_field *lt_merge_fields(void);

/* Writes sums of models' weights, as the checkpoint merger of A1111's web UI, at out: A with what drawing needs of it,
 * and of B and C (NULL: there is none) the tensors of the same names, whatever these are called in their files. What
 * one of them lacks stays A's share. Of an inpainting A and ordinary others what both have of the first convolution is
 * merged. Numbers are summed in double precision and rounded once. Memory is that of one tensor in float32, a row of
 * each of the others, and what the system keeps of mapped files. Before anything is written U-Nets of different kinds,
 * other shapes, and quantised or packed models are refused; a value that is no number is LT_ERROR_MODEL, one that type
 * can't hold LT_ERROR_ARGUMENT. How it was made is among the metadata (sd_merge_recipe). options may be NULL. */
LT_API lt_status lt_merge(const char *a, const char *b, const char *c, const char *out,
                          const lt_merge_options *options);

/* Makes a checkpoint of made-up weights with real names and shapes, always the same: "sd15" (2.1 GB in f16), "tiny" or
 * "tiny-inpaint", files, or "vit-b-32" or "tiny-clip", folders; and models beside a checkpoint, files, as
 * lt_synthetic_names has them. type as above; NULL is "f16". */
LT_API lt_status lt_synthesize(const char *name, const char *out, const char *type);
LT_API const char *const *lt_synthetic_names(void); /* NULL-terminated */

/* ---- Sessions ---- */

typedef struct lt_session_options {
    lt_precision precision;
    int threads;         /* up to 1024; 0: one for each core this process may use */
    lt_isa isa;          /* LT_ISA_BEST */
    bool low_memory;     /* prompt and negative prompt go through the U-Net one after the other, and what it runs in is
                            given back while a picture is decoded: the same bytes in less memory, a little slower */
    double max_memory;   /* GB (10^9 bytes) that drawing a picture may take; 0: any. Counted are the program, the U-Net
                            with what controls and guides it, and the VAE with the picture, at the worst moment: not what
                            text and image encoders take before, nor previews, taps, and an upscaler between two passes.
                            Where it must be, the U-Net's weights are given back while a picture is decoded, prompts go
                            one after the other, and pictures go through the VAE in tiles, in this order; notice is told.
                            LT_ERROR_MEMORY, and nothing is drawn, where that does not suffice */
    bool pin;            /* each thread but the caller's keeps to a core of its own; the first core is left to that */
    const char *models;  /* a folder in which what a prompt names is found (LoRAs), itself or as programs lay them out
                            (loras, models/Lora, ...); NULL: around the checkpoint's file alone, where it is always
                            looked for */
    const char *cache;   /* a folder in which hashes of such files are kept, as lt_shelf_options has it, so that each is
                            read for its hash once, where a picture's text asks for it; NULL: once a session */
    lt_notice_fn notice; /* of what is asked for and can't be had; NULL: nobody is told */
    void *notice_user;
    uint64_t reserved[LT_RESERVED];
} lt_session_options;

LT_API lt_session_options lt_session_options_defaults(void);

/* Whether this processor has the set; LT_ISA_SCALAR and LT_ISA_BEST always. A session takes any lt_isa: it is a limit.
 */
LT_API bool lt_isa_usable(lt_isa set);

/* Begins a use of a model, which stays open for it whatever happens to the caller's own. Cheap: memory is taken and
 * weights are packed when a call first needs them. Weights in the form that a session wants are made once for all that
 * want the same; who comes meanwhile waits. options may be NULL. */
LT_API lt_status lt_session_open(lt_model *model, const lt_session_options *options, lt_session **session);
LT_API void lt_session_close(lt_session *session); /* NULL is fine */
/* Whose use it is, for as long as it is open; NULL of NULL. */
LT_API lt_model *lt_session_model(const lt_session *session);
/* In which it draws: what was asked for, or chosen; LT_PRECISION_AUTO of NULL. */
LT_API lt_precision lt_session_precision(const lt_session *session);
/* Its name: "bf16"; NULL of what is none. */
LT_API const char *lt_precision_name(lt_precision precision);

/* ---- A session's LoRAs ---- */

/* From now on the session's modules run with these, in the place of those of the call before; count 0: with none. What
 * several add up to does not depend on their order, unless one reads the weight as it stands (DoRA, GLoRA, OFT).
 * Changing a strength packs again what it touches, when that is needed next; the files must stay as they are meanwhile.
 * The notice function is told of tensors that fit nothing in the model. A file of which nothing fits is LT_ERROR_MODEL,
 * and the message says for which model it was made; the session then keeps what it had. */
LT_API lt_status lt_session_adapt(lt_session *session, const lt_lora *loras, size_t count);

/* From now on the session's U-Net and VAE take these sides for one: every convolution that pads with zeros on both
 * sides reads, in their place, the other side (which the VAE encoder's halvings, that pad on one, do not). */
LT_API lt_status lt_session_wrap(lt_session *session, lt_seamless sides);

/* ---- Making pictures ---- */

/* How far a generation is. */
typedef struct lt_progress {
    int picture, pictures; /* picture counts from 0 */
    int step, steps;       /* steps done and to do, of both passes; step 0 comes once, before the first of a pass */
    double step_seconds, seconds_left;
    const lt_image *preview; /* the estimate of the picture if the request asked for it, small, or by preview_vae as
                                large as the picture; else NULL */
} lt_progress;

/* A prompt of its own for a part of the picture. */
typedef struct lt_region {
    const lt_image *mask; /* scaled: white and opaque is in it, black and transparent is not, grey is partly */
    const char *prompt;   /* as lt_request's, but for networks, which are left out */
} lt_region;

/* Taps: named values of a drawing, copied out while it is made, to see how it works (docs/understand.md). Latents are
 * scaled as the U-Net sees them, [channels, h, w]: x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps for every sampler. */
typedef enum lt_tap_kind {
    LT_TAP_STEP,       /* of each call of the U-Net, [channels, h, w]: "x_t", what it sees; "eps", the noise that it
                          predicts, guided as the sampler takes it; "x_0", the estimate of the picture that this stands
                          for; "eps.branch", what each branch predicts by itself; and with a classifier or CLIP
                          "gradient", by x_t, what they prefer, times their scales: eps is the branches' sum less
                          sqrt(1 - abar_t) of it */
    LT_TAP_ACTIVATION, /* what a block of the U-Net makes of a branch, [c, h, w]: "unet.input_blocks.1.0", named as the
                          tensors of an LDM file. A skip is the value of the block that it comes from */
    LT_TAP_ATTENTION, /* softmax(q k^T / sqrt(d)) of a cross-attention: where each token acts, [tokens, h, w], which for
                         each place sum to 1: "unet.input_blocks.1.1.transformer_blocks.0.attn2". Computed anew from its
                         q and k, in float32: drawing itself keeps none */
    LT_TAP_HEAT       /* "heat", once behind the last step of a pass, for each branch that a prompt has, but the
                         negative one: the maps of the cross-attentions that name says, averaged over steps, layers and
                         heads, each enlarged to the latent's size (bicubic) and not below 0: [tokens, h, w]; DAAM,
                         Tang et al. 2022 */
} lt_tap_kind;

typedef struct lt_tap {
    lt_tap_kind kind;
    const char *name;       /* in which * stands for any characters; NULL: all of the kind */
    int first, last, every; /* steps, counted from 1 as lt_progress does: from first to last, each every-th; 0: from the
                               start, to the end, each */
    bool heads;             /* attention: [heads, tokens, h, w]; else their mean */
    uint64_t reserved[LT_RESERVED];
} lt_tap;

typedef struct lt_array lt_array;
typedef struct lt_tapped {
    size_t tap; /* which one of the request's wanted it */
    lt_tap_kind kind;
    int picture;           /* from 0 */
    int step, steps;       /* which one is made, from 1; of both passes */
    int call;              /* the U-Net's in this step, from 0; some samplers ask twice */
    float t, sigma;        /* the timestep, and sqrt((1 - abar_t) / abar_t); 0 of heat */
    int branch, branches;  /* from 0; -1: of all */
    bool negative;         /* it is the negative prompt's */
    double seconds;        /* activation, attention: that its operations took, all branches of the run together */
    const lt_array *array; /* with its name; valid until the callback returns */
    uint64_t reserved[LT_RESERVED];
} lt_tapped;

typedef struct lt_result lt_result;

/* What XL's negative half reads of an empty text. */
typedef enum lt_empty_negative {
    LT_EMPTY_ZEROS, /* zeros, as it was trained: A1111, Forge, diffusers */
    LT_EMPTY_ENCODE /* what its text encoders make of it: ComfyUI */
} lt_empty_negative;

typedef struct lt_request {
    /* Begin with lt_request_defaults: each field must make sense, whether this picture needs it or not. A mask without
     * an image and a class without a classifier are refused; other fields that were changed and do nothing (strength
     * without an image, eta without ddim, a negative prompt at guidance 1) are named by the notice function. */
    const char *prompt, *negative_prompt; /* never NULL; "" is the empty prompt */
    bool plain_prompt; /* no (weights), no [from:to:when], no AND: every character stands for itself; cut at 75 tokens
                          (77 with start and end) with a notice */
    lt_emphasis emphasis;
    bool literal_hash;    /* # is a character like others; else what is behind it in its line is a comment */
    const lt_lora *loras; /* [lora_count], besides the session's own (lt_session_adapt) and those that the prompt names:
                             <lora:NAME:0.8>, <lora:NAME:te=0.5:unet=0.8>. NULL: none */
    size_t lora_count;
    /* Which files the names in the prompts stand for, as a picture's parameters text has it ("Lora hashes", "TI
     * hashes"): "ink: 0123456789ab, wash: ba9876543210", a name that is there twice being that of two files, in their
     * order. Another file that has the hash is taken for the one that is called so; where none has it that one, with a
     * notice. A LoRA whose hash is that of one of loras gives way to that, which has a strength of its own. An
     * embedding that is found, and not told, has a notice. NULL: the names alone count. */
    const char *lora_hashes, *embedding_hashes;
    const char *const
        *embeddings; /* [embedding_count]: files of textual inversion, or names of such, besides those that
                        are found as LoRAs are (in folders called embeddings). In the prompts the file's
                        name, without its ending, or embedding:NAME, stands for its vectors. NULL: none */
    size_t embedding_count;
    const lt_image_prompt *image_prompts; /* [image_prompt_count], up to LT_MOST_IMAGE_PROMPTS. The negative prompt is
                                             told what each adapter makes of no picture. NULL: none */
    size_t image_prompt_count;
    const lt_model *image_encoder; /* the image tower of CLIP whose embeddings the adapters were trained for, open
                                      meanwhile; NULL without image prompts */
    const lt_region *regions;      /* [region_count]: there their prompts take prompt's place. NULL: none */
    size_t region_count;
    const lt_control *controls; /* [control_count], up to LT_MAX_CONTROLS: what they add is summed. NULL: none */
    size_t control_count;
    int clip_skip; /* 1: the text encoder's last layer; 2: the one before, ... XL reads the one before by itself, so
                      that 1 and 2 are the same */
    /* What XL is told beside the prompts, in pixels; of other models they do nothing. 0: the size that is drawn. */
    int original_width, original_height; /* of the picture as it was before it was scaled: small ones look so */
    int crop_left, crop_top;             /* of what was cut out of it: 0 and 0 are a picture that shows all */
    int target_width, target_height;     /* of what is drawn */
    lt_empty_negative empty_negative;    /* what XL is told where there is no negative prompt */
    int width, height; /* 0: the input picture's, or the model's own. Rounded to multiples of the model's factor, with a
                          notice; a side over twice or under half of the model's own gets one too */
    int steps;         /* 1 to 1000 */
    float guidance;    /* classifier-free guidance's s, -1000 to 1000; 1: the prompt alone; 0: no prompt */
    /* Guidance at noise levels sigma above the first and up to the second (0: all) alone, as Kynkäänniemi et al. 2024:
     * at others the prompt predicts by itself, in half the time. lt_plan_steps says which levels a sampler has. */
    float guidance_interval[2];
    /* 0 to 1: the share phi of a guided prediction that is scaled to the deviation of the prompt's own, for models
     * whose noise has zero terminal SNR (Lin et al. 2023, section 3.4). 0: none. */
    float guidance_rescale;
    bool zero_snr; /* draw by the model's noise schedule rescaled to zero terminal SNR (likewise, algorithm 1), whatever
                      the model says: for those that predict v and were trained so */
    /* 1 to 1000: the U-Net's deep features are computed at each N-th step, and between them its first convolution and
     * last block run alone on the features of the step before (DeepCache, Ma et al. 2023, whose default is 3). 1: at
     * every step. */
    int deep_cache;
    /* 0 to 1: the share of the tokens at the U-Net's first level that are merged into others before each self-attention
     * and parted behind it (Bolya & Hoffman 2023, whose default is 0.5). Into the first of each tile of 2x2, so that no
     * random numbers are drawn and more than 0.75 is 0.75. 0: none. */
    float merge_tokens;
    const char *sampler;      /* one of lt_samplers(), or as other programs call it: "Euler a", "DPM++ 2M Karras",
                                 "EulerDiscreteScheduler" */
    const char *schedule;     /* one of lt_schedules(), or NULL or "automatic": what sampler says along, or its own */
    float eta;                /* ddim and tcd, 0 to 1: how much of the noise is drawn afresh */
    bool random_seed;         /* take a new seed; the result says which */
    uint64_t seed;            /* picture i has seed + i; with variations all have seed */
    uint64_t variation_seed;  /* the starting noise goes, along an arc, towards this seed's; picture i's is that + i */
    float variation_strength; /* 0 to 1: how far; 0: variation_seed does nothing */
    int seed_resize_width, seed_resize_height; /* pixels, 0: as they are. The starting noise is that of the seed at this
                                                  size, in the middle of, or cut to, the picture's own */
    lt_rng_kind rng;
    int count;             /* pictures, 1 to 10000, with consecutive seeds, or variations */
    const lt_image *image; /* img2img, inpainting: what to start from; NULL: txt2img */
    double strength; /* above 0, up to 1: how far to go from it; the last floor(strength * steps) steps, at least one,
                        are run */
    const lt_image *mask; /* inpainting: what is repainted, as mask_rule says; it is scaled. NULL: everything */
    lt_mask_rule mask_rule;
    float mask_blur; /* pixels, 0 to 1000: the deviation of a Gaussian over the mask */
    lt_masked_content masked_content;
    /* Only the part of the picture around the mask is drawn, scaled to width x height (0: the model's own), and put
     * back into the whole, whose size the result has. */
    bool only_masked;
    int mask_padding;     /* pixels of the picture around the mask that are drawn with it, 0 to LT_IMAGE_MAX_SIDE */
    lt_seamless seamless; /* draw, encode and decode so; besides the session's own (lt_session_wrap) */
    bool tiling;          /* decode and encode in overlapping tiles: less memory for large pictures */
    bool preview;         /* make progress carry a preview */
    bool last;            /* no other request follows on this session: with a count of 1 the U-Net's weights are given
                             back before the picture is decoded, which takes less memory */
    bool keep_steps;      /* keep the latents of every step in the result */
    /* A second pass, as the web UIs' hires fix, without an image: what was drawn is enlarged, and drawn on from there.
     * docs/upscaling.md says what is the same as there. */
    double hires_scale;            /* sides of the enlarged picture to the first one's, up to 8; 0: no second pass */
    int hires_width, hires_height; /* pixels in place of the scale: one of them, the other following, or both, which are
                                     then covered, and what is over is cut away evenly; 0: not said */
    const char *hires_upscaler;    /* "latent", "latent-bicubic", "latent-nearest", "latent-nearest-exact",
                                      "latent-antialiased", "latent-bicubic-antialiased": of latents; "lanczos"; else an
                                      upscaler's file, or its name, as LoRAs are found (in folders called ESRGAN,
                                      upscale_models, ...): of pixels, by way of the VAE */
    int hires_steps;               /* 0: as many as the first pass has */
    double hires_strength; /* above 0, up to 1: how far to go from what was enlarged, in hires_steps steps, the last
                              of a way of int(hires_steps / min(hires_strength, 0.999)) */
    const char *hires_sampler, *hires_schedule; /* NULL: the first pass's */
    /* Guidance by the gradient of a second model, beside guidance by the prompt (docs/training.md). Each of these
     * models is the caller's, open while the picture is made; NULL: without. */
    const lt_model *classifier; /* of noisy latents, as lt_train makes it, for this model's latents and this size */
    const char *class_name;  /* the class to draw: one of lt_model_describe(classifier).class_names, or else its number;
                                with a classifier, and only then */
    float classifier_scale;  /* s of Dhariwal & Nichol 2021, -1e6 to 1e6; 1 is the classifier's own gradient */
    const lt_model *clip;    /* a CLIP of two towers, which compares the prompt with the estimate of the picture */
    float clip_guidance;     /* the scale of its gradient, some tens to thousands */
    const lt_model *refiner; /* another model, XL's refiner or any of the same latents, the caller's, open meanwhile,
                                that draws the last steps of the last pass; NULL: none */
    float refiner_start;     /* 0 to 1: the share of the steps after which it goes on; 0.8 (A1111's "switch at") */
    /* Random numbers to use in place of the seed's, for comparison with other programs; NCHW, or NULL. */
    const float *noise, *posterior_noise; /* [1, latent_channels, height/factor, width/factor] */
    /* Called before the first step and after each; returning false ends the generation with LT_ERROR_CANCELLED. May be
     * NULL. */
    bool (*progress)(void *user, const lt_progress *progress);
    /* Asked many times within a step, so that a stop need not wait for its end: true ends the generation. May be NULL.
     */
    bool (*cancelled)(void *user);
    /* Asked after each step: true makes no more. What has been drawn so far, the estimate of the picture, is decoded,
     * is the last picture, and lt_generate succeeds with those that there are; a note says so. In the first pass of two
     * there is no such picture yet: it ends the generation with LT_ERROR_CANCELLED. May be NULL. */
    bool (*enough)(void *user);
    /* Called when a picture is whole, with the result so far: pictures up to that one, of which the caller may take or
     * free what it has used (and leave it empty: lt_image_free does), but not the result itself. Returning false ends
     * the generation. May be NULL. */
    bool (*ready)(void *user, int picture, lt_result *result);
    /* Called with each value that one of taps [tap_count] names, as often as it is made: with deep_cache, steps without
     * the deep features don't make them. The picture has the same bytes with and without. A name that nothing has is
     * LT_ERROR_ARGUMENT. Returning false ends the generation. NULL without taps alone. */
    bool (*tapped)(void *user, const lt_tapped *value);
    const lt_tap *taps; /* NULL: none */
    size_t tap_count;
    void *user;
    uint64_t reserved[LT_RESERVED];
} lt_request;

/* An empty prompt, dpmpp_2m on karras, 20 steps, guidance 7.5, nothing left out (deep_cache 1, merge_tokens 0),
 * strength 0.75, mask_padding 32, one picture of the model's own size, a random seed, no second pass (of "latent",
 * strength 0.7); no classifier (scale 1), no CLIP (guidance 100).
 */
LT_API lt_request lt_request_defaults(void);

/* Everything is [count] long and owned by the result. */
struct lt_result {
    int count;
    lt_image *images;
    uint64_t *seeds;
    char **parameters;    /* what the web UIs write into a PNG: prompt, negative prompt, settings */
    int latent_shape[3];  /* channels, height, width */
    float **latents;      /* the last latent of each picture, [channels, height, width] */
    int kept_steps;       /* with keep_steps: states kept for each picture (the start, then after every step) */
    float **step_latents; /* [kept_steps, channels, height, width] for each picture, else NULL */
    uint64_t reserved[LT_RESERVED];
};

/* What *result held before is not freed. */
LT_API lt_status lt_generate(lt_session *session, const lt_request *request, lt_result *result);
LT_API void lt_result_free(lt_result *result); /* and empties it; a zeroed one is fine */

/* What can be tapped of a model. */
typedef struct lt_tap_place {
    lt_tap_kind kind;
    const char *name;
    const char
        *what; /* of an activation: "convolution", "residual block", "transformer", "downsampling", "upsampling" */
    int level; /* of the U-Net, 0 the finest, by the blocks' own counting: a downsampling still belongs to the level
                  that it leaves */
    int rank;
    size_t shape[LT_ARRAY_RANK]; /* of one value; of attention and heat [heads, tokens, h, w], [tokens, h, w] for 77 */
    size_t parameters;           /* of an activation: of the layers between the one before and this, as is: */
    double flop;                 /* for one branch; one multiplication and one addition are two. Of attention its own */
    const char *beside; /* of an activation on the way up: the place of the skip that is put beside it; NULL: none */
} lt_tap_place;
typedef struct lt_tap_places {
    lt_tap_place *items; /* [count], each kind in the order in which it is computed */
    size_t count;
    int width, height; /* of the picture */
    void *owner;       /* of what they point to */
} lt_tap_places;

/* For pictures of that size, rounded to the model's factor; 0: the model's own. */
LT_API lt_status lt_tap_places_read(const lt_model *model, int width, int height, lt_tap_places *places);
/* Of one of its modules alone, as lt_run calls them: "vae-encoder", "vae-decoder", "clip-text", "clip-image", "unet".
 * What comes behind the last place, such as a projection, is counted with it. */
LT_API lt_status lt_module_places_read(const lt_model *model, const char *module, int width, int height,
                                       lt_tap_places *places);
LT_API void lt_tap_places_free(lt_tap_places *places); /* and empties it */

/* From now on tapped is shown what the blocks of the session's other modules make while lt_encode, lt_decode,
 * lt_embed_text or lt_embed_image runs them, of those that taps [count] name: "vae.decoder.mid.block_1",
 * "text.encoder.layers.0", "image.encoder.layers.0" (LT_TAP_ACTIVATION; step and t are 0, branch counts samples). taps
 * must stay; false ends the call with LT_ERROR_CANCELLED. tapped NULL: nobody any more. */
LT_API lt_status lt_session_watch(lt_session *session, bool (*tapped)(void *user, const lt_tapped *value),
                                  const lt_tap *taps, size_t count, void *user);

/* Sets in request what a `parameters` text (of lt_image_parameters; ours or a web UI's) says: prompts, sampler, steps,
 * seed, size and the rest. Begin with lt_request_defaults, and set first what the text does not hold: image, mask and
 * the models that guide. With nothing else changed, and the same model, a picture's own text gives the same bytes.
 * session, which may be NULL, has its notice function told of another model's name, of settings that are not known and
 * of values that can't be followed. request's texts point into *texts: free it with lt_string_free after request's last
 * use. */
LT_API lt_status lt_request_from_parameters(const char *parameters, const lt_session *session, lt_request *request,
                                            char **texts);
/* In which the picture of such a text was made, for the session that is to make it again, whose bytes depend on it;
 * LT_PRECISION_AUTO where it doesn't say. */
LT_API lt_status lt_precision_from_parameters(const char *parameters, lt_precision *precision);

/* What such a text says, as it is written: "Steps" is "20". */
typedef struct lt_setting {
    const char *key, *value;
} lt_setting;
typedef struct lt_parameter_list {
    const char *prompt, *negative_prompt; /* "" where it has none */
    lt_setting *items;                    /* [count], in their order; a key may come twice, the last one counts */
    size_t count;
    void *owner; /* of what these point to */
} lt_parameter_list;
/* Any text is one: what has no settings behind it is a prompt. */
LT_API lt_status lt_parameter_list_read(const char *text, lt_parameter_list *list);
LT_API void lt_parameter_list_free(lt_parameter_list *list); /* and empties it */

/* Names for requests, NULL-terminated. */
LT_API const char *const *lt_samplers(void);
LT_API const char *const *lt_schedules(void);
/* Names as other programs write them are taken wherever a sampler or a schedule is: "Euler a", "DPM++ 2M Karras",
 * "k_dpm_2", "EulerDiscreteScheduler", "SGM Uniform". Here they become our own. NULL: no such one; so of NULL.
 * *schedule: the one that a sampler's name says along, or NULL; schedule may be NULL. */
LT_API const char *lt_sampler_read(const char *text, const char **schedule);
LT_API const char *lt_schedule_read(const char *text);
/* What A1111's web UI calls ours, or the name itself, and the schedule that it takes for a sampler where "Automatic" is
 * asked for (NULL: the one that we take). NULL of NULL. */
LT_API const char *lt_sampler_label(const char *name);
LT_API const char *lt_schedule_label(const char *name);
LT_API const char *lt_schedule_automatic(const char *sampler);

/* ---- Parts of the way ---- */

/* The latent of a picture, scaled as the U-Net sees it: the posterior's mean, or with seed not NULL a draw from it. The
 * picture's sides are cut to multiples of the factor. latent is allocated, [shape[0], shape[1], shape[2]] = channels,
 * height, width; free it with lt_floats_free. */
LT_API lt_status lt_encode(lt_session *session, const lt_image *image, const uint64_t *seed, bool tiling,
                           float **latent, int shape[3]);
/* The picture of a latent scaled as the U-Net sees it. */
LT_API lt_status lt_decode(lt_session *session, const float *latent, const int shape[3], bool tiling, lt_image *image);

/* How a picture is made larger. */
typedef struct lt_upscale_options {
    double scale; /* of the result's sides to the input's, up to 64: the upscaler runs as often as that takes, three
                     times at most, and what it makes is resampled (Lanczos); 0: what the upscaler makes at once */
    int tile; /* pixels a side that are done at once, with memory for these alone (docs/upscaling.md), 16 at least; 0:
                 the whole picture. 256 */
    int overlap; /* pixels that neighbouring tiles share, under half of tile: the larger, the less is seen of them. 32
                  */
    bool (*progress)(void *user, size_t done, size_t count); /* of tiles; false: LT_ERROR_CANCELLED. May be NULL */
    bool (*cancelled)(void *user);                           /* asked within a tile; may be NULL */
    void *user;
    uint64_t reserved[LT_RESERVED];
} lt_upscale_options;
LT_API lt_upscale_options lt_upscale_options_defaults(void);
LT_API const lt_field *lt_upscale_fields(void);

/* The picture made larger by the upscaler that is the session's model (lt_model_describe: upscale). options may be
 * NULL. LT_ERROR_ARGUMENT where the result would have a side over LT_IMAGE_MAX_SIDE. */
LT_API lt_status lt_upscale(lt_session *session, const lt_image *image, const lt_upscale_options *options,
                            lt_image *out);

/* CLIP's embedding of a text or a picture, of length 1, dim = text_embedding_dim floats, allocated: their dot product
 * is the similarity. */
LT_API lt_status lt_embed_text(lt_session *session, const char *text, float **embedding, size_t *dim);
LT_API lt_status lt_embed_image(lt_session *session, const lt_image *image, float **embedding, size_t *dim);

LT_API void lt_floats_free(float *floats);

/* The forward process q(x_t | x_0) = N(sqrt(alphas_cumprod_t) x_0, 1 - alphas_cumprod_t), to look at: images [count] of
 * a picture at each of timesteps [count], 0 to 999, allocated one by one. All see the seed's same noise. session: in
 * its latents, by its model's noise; NULL: in pixels, by Stable Diffusion 1's. chain: by single steps q(x_t | x_t-1).
 */
LT_API lt_status lt_noise(lt_session *session, const lt_image *image, const int *timesteps, int count, uint64_t seed,
                          bool chain, lt_image *images);

/* The numbers that CLIP reads a text as, without start and end, as transformers' CLIPTokenizer has them. */
enum { LT_TOKEN_START = 49406, LT_TOKEN_END = 49407 };
typedef struct lt_tokens {
    int32_t *ids; /* [count] */
    size_t *ends; /* [count]: the byte of the text at which each token ends */
    size_t count;
} lt_tokens;
LT_API lt_status lt_tokenize(const char *text, lt_tokens *tokens);
/* What reads a text so, for who reads many: to make it takes as long as to read thousands. It never changes, and serves
 * any number of threads at once. */
typedef struct lt_tokenizer lt_tokenizer;
LT_API lt_status lt_tokenizer_open(lt_tokenizer **tokenizer);
LT_API void lt_tokenizer_close(lt_tokenizer *tokenizer); /* NULL is fine */
LT_API lt_status lt_tokenize_by(const lt_tokenizer *tokenizer, const char *text, lt_tokens *tokens);
LT_API void lt_tokens_free(lt_tokens *tokens); /* and empties it */

/* A stretch of a text and its weight. A BREAK, which ends a chunk, is one of its own, of weight -1. */
typedef struct lt_weighed {
    const char *text; /* [size], without a NUL */
    size_t size;
    double weight;
} lt_weighed;

/* What a part of a prompt says at some of the steps. */
typedef struct lt_said {
    int end; /* the last step, counted from 1; with a sampler that calls the U-Net twice a step each counts as one */
    const char *text;
    const lt_weighed *attention; /* [attention_count] */
    size_t attention_count;
} lt_said;

typedef struct lt_prompt_part {
    double weight;
    const lt_said *said; /* [said_count], their ends rising */
    size_t said_count;
    const size_t *used; /* [calls]: what of it each call of the U-Net reads */
} lt_prompt_part;

/* "<lora:NAME:0.8>": kind "lora", arguments "NAME" and "0.8". */
typedef struct lt_prompt_network {
    const char *kind;
    const char *const *arguments; /* [argument_count] */
    size_t argument_count;
} lt_prompt_network;

typedef struct lt_reading {
    const char *text;                  /* the prompt without comments and networks */
    const lt_prompt_network *networks; /* [network_count] */
    size_t network_count;
    const lt_prompt_part *parts; /* [part_count], at least 1 */
    size_t part_count;
    int calls;   /* of the U-Net in all steps */
    void *owner; /* of all that */
} lt_reading;

/* What request's prompt says as the web UIs read it (docs/prompts.md), with its steps, sampler, plain_prompt, emphasis
 * and literal_hash. negative: of its negative prompt, which AND doesn't part. steps_before: those of a first pass,
 * after which this one goes on; 0: there was none. */
LT_API lt_status lt_read_prompt(const lt_request *request, bool negative, int steps_before, lt_reading *reading);
LT_API void lt_reading_free(lt_reading *reading); /* and empties it */

/* The noise levels that a sampler goes through: sigma is sqrt((1 - alphas_cumprod) / alphas_cumprod). */
typedef struct lt_steps {
    const char *sampler, *schedule; /* our own names of the chosen ones, static */
    int count;                      /* calls of the sampler's step */
    float *timesteps;               /* [count], falling; plms has its second one twice */
    float *sigmas;                  /* [count + 1], falling likewise, the last 0, but for kl_optimal */
    int stride; /* schedules over t: 1000 / steps, by which diffusers' ddim and plms go down; else 0 */
} lt_steps;
/* As lt_generate would go, with sampler, schedule, steps of a request, and its strength where it has an image. model:
 * NULL for Stable Diffusion 1's noise. */
LT_API lt_status lt_plan_steps(const lt_model *model, const lt_request *request, lt_steps *steps);
LT_API void lt_steps_free(lt_steps *steps); /* and empties it */

/* ---- One module alone, and arrays in files ---- */

/* Float32 numbers of some shape, row-major. */
struct lt_array {
    const char *name;
    int rank; /* 0: a single number */
    size_t shape[LT_ARRAY_RANK];
    const float *data;
};

typedef struct lt_arrays {
    size_t count;
    lt_array *items;
    void *owner; /* of what data point to */
} lt_arrays;

/* The tensors of a checkpoint of any kind as float32; name, if not NULL, that one alone, if it is there. */
LT_API lt_status lt_arrays_load(const char *path, const char *name, lt_arrays *arrays);
/* Writes a safetensors file. */
LT_API lt_status lt_arrays_save(const char *path, const lt_array *items, size_t count);
/* NULL: there is none of that name; so of NULL. */
LT_API const lt_array *lt_arrays_find(const lt_arrays *arrays, const char *name);
LT_API void lt_arrays_free(lt_arrays *arrays); /* and empties it */

/* Runs one module of a model alone, as the recorded files of other implementations have it. Tensors are NCHW:
 *   clip-text    ids [n,77]                  -> out, penultimate [n,77,width]
 *   clip-text-2  ids [n,77]                  -> out, penultimate [n,77,width], pooled [n,projection]: SDXL's second
 *   clip-image   pixels [n,3,size,size]      -> image_embeds [n,projection], of length 1
 *   vae-encoder  x [n,3,h,w]                 -> mean, logvar [n,c,h/f,w/f]
 *   vae-decoder  z [n,c,h,w] (unscaled)      -> out [n,3,h*f,w*f]
 *   unet         x [n,c,h,w], t [n], context [n,tokens,dim], where it reads a vector y [n,dim] -> out [n,c,h,w];
 *                with added.residual.0 and the others of a ControlNet, or added.feature.0 and the others of a
 *                T2I-Adapter, these are added on the way
 *   controlnet   x [n,c,h,w], t [n], context [n,tokens,dim], hint [n,3,8h,8w] in [0,1] -> residual.I, that of the
 *                middle last
 *   t2i-adapter  hint [n,3,8h,8w] in [0,1]   -> feature.I of each level
 *   classifier   x [n,c,size,size], t [n]    -> logits [n,classes]
 *   taesd-encoder  x [n,3,h,w] in [0, 1]     -> latent [n,c,h/8,w/8], as the U-Net has it
 *   taesd-decoder  z [n,c,h,w]               -> image [n,3,8h,8w] in [0, 1], not clamped
 *   upscaler     x [n,3,h,w] in [0, 1]       -> out [n,3,s*h,s*w], not clamped
 *   image-prompt pixels [1,3,size,size]      -> ip_tokens, zero_tokens [1,tokens,dim]: of an IP-Adapter, the latter of
 *                                               no picture; with lt_run_options.image_encoder
 * or a loss of training, whose outputs are loss [1] and the gradient of each parameter under its name:
 *   unet-loss    x0, noise [n,c,h,w], t [n], context [n,tokens,dim]: mean squared error of the predicted noise
 *   vae-loss     x [n,3,h,w], posterior_noise [n,c,h/f,w/f]: mean squared error + 1e-6 KL
 *   clip-loss    ids [n,77], pixels [n,3,size,size]: symmetric contrastive loss */
LT_API lt_status lt_run(lt_session *session, const char *module, const lt_array *in, size_t in_count, lt_arrays *out);

/* What a module runs with, as lt_request has it. */
typedef struct lt_run_options {
    const lt_image_prompt *image_prompts; /* [image_prompt_count]: unet; over all steps, whatever they say */
    size_t image_prompt_count;
    const lt_model *image_encoder; /* unet with image prompts, image-prompt */
    uint64_t reserved[LT_RESERVED];
} lt_run_options;
/* options may be NULL. */
LT_API lt_status lt_run_with(lt_session *session, const char *module, const lt_run_options *options, const lt_array *in,
                             size_t in_count, lt_arrays *out);
/* Those names, NULL-terminated. */
LT_API const char *const *lt_modules(void);

/* ---- Timing ---- */

typedef struct lt_timing_options {
    int width, height; /* of the picture; 0: the model's own */
    int runs;          /* timed runs of each module, after one that is not */
    bool operations;   /* list each module's operations */
    uint64_t reserved[LT_RESERVED];
} lt_timing_options;
LT_API lt_timing_options lt_timing_options_defaults(void); /* 3 runs */
LT_API const lt_field *lt_timing_fields(void);

typedef struct lt_timed_operation {
    const char *operation, *weight; /* weight: the first one's name, or ""; it stays with the model */
    char kernel[64];
    int output[4];        /* n, height, width, channels */
    double flop, seconds; /* of the last run */
} lt_timed_operation;

typedef struct lt_timed_module {
    const char *name;
    double prepare_seconds, run_seconds; /* planning with packing; the median run */
    double flop;                         /* of one run */
    size_t arena_bytes;                  /* memory of activations */
    lt_timed_operation *operations;      /* slowest first */
    size_t operation_count;
} lt_timed_module;

typedef struct lt_timings {
    int width, height, threads;
    const char *isa;
    lt_timed_module *modules;
    size_t module_count;
    uint64_t reserved[LT_RESERVED];
} lt_timings;

/* How long each module of the session's model takes, the U-Net as a guided step: two samples in one batch. Nothing else
 * should run meanwhile. options may be NULL. */
LT_API lt_status lt_time_modules(lt_session *session, const lt_timing_options *options, lt_timings *timings);
LT_API void lt_timings_free(lt_timings *timings); /* and empties it */

/* One operation that a session has run. Its texts stay as long as the call that told of it. */
typedef struct lt_profiled {
    const char *module, *operation, *kernel; /* "U-Net", "conv", "avx512:gemm" */
    const char *weight;                      /* the first one's name, or "" */
    int output[4];                           /* n, height, width, channels */
    lt_precision numbers;                    /* that are multiplied; LT_PRECISION_AUTO: float32, if any */
    double flop;           /* as the operation's formula has it: Winograd's convolution does a quarter of that */
    double bytes;          /* of inputs, weights and results, each once */
    double start, seconds; /* on a clock that only goes forward */
    uint64_t reserved[LT_RESERVED];
} lt_profiled;
typedef void (*lt_profile_fn)(void *user, const lt_profiled *operation);

/* From now on tell hears of every operation that the session's modules run, in their order, after each run of a module
 * and in the thread of the call that runs it; NULL: nobody does. It may not use the session. */
LT_API lt_status lt_session_profile(lt_session *session, lt_profile_fn tell, void *user);

/* What operations can be held against: *flop is how many multiplications and additions a second the matrix product's
 * inner loop does of such numbers, in cache, with the session's threads and instruction set. It is measured by this
 * call, in some tens of milliseconds, while nothing else should run. 0: it can't be told (in AMX's tiles, of plain C).
 */
LT_API lt_status lt_session_peak(lt_session *session, lt_precision numbers, double *flop);

/* ---- Training ---- */

/* What is trained: the encoder and decoder of pictures, the pair of towers that compares texts with pictures, the U-Net
 * that predicts the noise, a classifier of noisy latents that can guide it, or, for a model that stays as it is, a LoRA
 * or an embedding. */
typedef enum lt_train_kind {
    LT_TRAIN_VAE,
    LT_TRAIN_CLIP,
    LT_TRAIN_UNET,
    LT_TRAIN_CLASSIFIER,
    LT_TRAIN_LORA,
    LT_TRAIN_EMBEDDING
} lt_train_kind;

enum { LT_TRAIN_MAX_LEVELS = 8 };

/* How far a training is; given after each step. */
typedef struct lt_train_progress {
    long step, steps; /* done, and to do */
    double loss;      /* a running mean */
    double rate, gradient_norm;
    double samples_per_second, seconds_left;
    const char *name[4]; /* what else the trainer measures: "psnr", "kl", "accuracy"; NULL behind the last */
    double value[4];
} lt_train_progress;

/* docs/training.md explains each with its mathematics. Begin with lt_train_options_defaults: the numbers named here are
 * its own. */
typedef struct lt_train_options {
    struct {
        const char *data; /* a folder of pictures, with metadata.jsonl or texts beside them, or WebDataset shards */
        const char *validation; /* clip, classifier: pictures to measure on in the end, never trained on; NULL: none */
        const char *output;     /* the model, safetensors; OUTPUT.state and OUTPUT.jsonl beside it are state and log */
        const char *init;       /* go on from the weights of this checkpoint; NULL: from random ones */
        const char *vae;        /* unet, classifier: whose latents are learned */
        const char *text;       /* unet: whose contexts are read */
        const char *prior;      /* unet, lora, embedding: pictures of what the model draws already, so that it does not
                                   forget: each      other sample is one (Ruiz et al. 2022); NULL: none */
        const char *masks; /* unet, lora, embedding: a folder with a mask for each picture, called as it is: white is
                              learned, black is not; NULL: everything is */
        const char *cache; /* folder for latents and contexts that are computed once; NULL: OUTPUT.cache */
        bool resume;       /* go on from OUTPUT.state, bit for bit as if nothing had happened; without one: begin */
        bool overwrite;    /* begin where a model, state or log is in output's place, and lose it; else that is
                              refused */
    } files;

    struct {
        int size;        /* pixels a side */
        bool crop, flip; /* random squares in place of whole pictures; left and right exchanged at random */
        bool buckets;    /* unet, lora, embedding: whole pictures as rectangles of about size x size, by their aspect */
    } pictures;

    struct {
        long steps;
        int batch, accumulate; /* samples of a batch; batches that make up a step */
        long save_steps;       /* the state is saved every so many steps (0: not by steps) */
        double save_minutes;   /* or minutes (0: not by time); state and model at the end, and when stopped */
        long sample_steps;     /* every so many steps sample is called (0: never) */
    } length;

    struct {                                   /* Loshchilov & Hutter 2017 */
        double rate, beta1, beta2, eps, decay; /* 1e-4, 0.9, 0.999, 1e-8, 1e-2 */
        double clip;                           /* the gradient's global norm at most; 0: not clipped. 1 */
        double ema;                            /* decay of the weights' moving average, which the model gets; 0: none */
        long warmup;                           /* steps of linear rise */
        bool cosine;                           /* falls to 0 by half a cosine at the last step; else constant */
    } adamw;

    struct {
        uint64_t seed;
        lt_precision precision; /* auto: bf16 with AMX, else f32 */
        int threads;            /* 0: one for each core */
        lt_isa isa;
        bool recompute; /* compute each block's activations twice: less memory, about a third more time */
        double memory;  /* GB (10^9 bytes); a training that would need more does not start. 0: what the machine has */
    } computing;

    struct {                                              /* what is built, without init */
        int width;                                        /* channels of the first level */
        int levels;                                       /* resolutions */
        int mult[LT_TRAIN_MAX_LEVELS];                    /* channels of each level, in widths */
        int attention_levels;                             /* unet, classifier: bit i: transformers at level i */
        int blocks;                                       /* residual blocks of a level */
        int groups, heads;                                /* of the group norms; of unet's and classifier's attention */
        int latent_channels;                              /* vae */
        int text_width, text_layers;                      /* clip: heads are 64 wide */
        int image_width, image_layers, patch, projection; /* clip */
    } network;

    struct {
        bool absolute;          /* vae: |x - out| in place of its square */
        double kl;              /* vae: 1e-6 */
        double drop_prompt;     /* unet: share of samples whose prompt is the empty one: 0.1 */
        const char *prediction; /* unet: "epsilon" or "v" */
        double min_snr;         /* unet: gamma of Hang et al. 2023; 0: every t weighs the same */
        double prior_weight;    /* of prior pictures in the loss: 1 */
        double noise_offset;    /* deviation of noise that is the same all over a channel, such as 0.05; 0: none */
        const char *only;       /* unet: "cross-attention" trains nothing else; NULL: everything */
        bool unconditional;     /* unet: without text */
        bool pixels;            /* unet, classifier: without a VAE */
        bool clean;             /* classifier: of pictures without noise, to judge with, not to guide */
    } losses;

    struct {                /* lora: what is learned beside init's weights (Hu et al. 2021) */
        int rank;           /* of what is added to a layer: 16 */
        double alpha;       /* alpha / rank is its scale; 0: rank, for a scale of 1 */
        int conv_rank;      /* of what is added to 3x3 convolutions, also outside transformers; 0: nothing is. 0 */
        double conv_alpha;  /* likewise */
        const char *layers; /* "transformer" (the default: all of the transformers), "attention", "cross-attention" */
        const char *towers; /* "unet" (the default), "text", or "both" */
    } lora;

    struct {                 /* embedding: a word of vectors of its own (Gal et al. 2022), called as output is */
        int vectors;         /* 1 to 75: 1 */
        const char *initial; /* the words whose vectors they begin as; NULL: "*" */
    } embedding;

    /* the caller */
    bool (*progress)(void *user, const lt_train_progress *progress); /* false stops, with everything saved */
    bool (*cancelled)(void *user);                                   /* asked within a step; true stops likewise */
    /* The model as it is now, at path, which is gone afterwards. A failure is a notice and no more. */
    lt_status (*sample)(void *user, long step, const char *path);
    lt_notice_fn notice;
    void *user;
    uint64_t reserved[LT_RESERVED];
} lt_train_options;

LT_API lt_train_options lt_train_options_defaults(void);

/* Trains until options->steps are done. LT_ERROR_CANCELLED: stopped by the caller; everything is saved, and resume goes
 * on. Any other failure (a full disk, a loss that is not a number) leaves the last state that was saved.
 * LT_ERROR_ARGUMENT names the option that makes no sense, before anything is touched; so is it told where output is
 * there and neither resume nor overwrite was asked for. OUTPUT.latent.part, where the model is written, is locked all
 * the while: a second training of the same output, or whatever else would write it, is LT_ERROR_FILE. */
LT_API lt_status lt_train(lt_train_kind kind, const lt_train_options *options);

/* ---- Measuring ---- */

/* How good a model is, in numbers: docs/evaluation.md says what they mean. */

/* Pictures with their texts: a folder with metadata.jsonl or texts beside them, or WebDataset tar shards, as lt_train
 * reads them. */
typedef struct lt_dataset lt_dataset;
LT_API lt_status lt_dataset_open(const char *path, lt_dataset **dataset);
LT_API void lt_dataset_close(lt_dataset *dataset);         /* NULL is fine */
LT_API size_t lt_dataset_count(const lt_dataset *dataset); /* pictures, at least 1; 0 of NULL */

/* Who watches. A zeroed one is nobody. */
typedef struct lt_watch {
    bool (*progress)(void *user, size_t done, size_t count); /* false ends it with LT_ERROR_CANCELLED; may be NULL */
    bool (*cancelled)(void *user);                           /* asked within a picture; may be NULL */
    void *user;
} lt_watch;

/* Searches: how many there were, and how many had something right among their first lt_hit_limit(i). */
enum { LT_HIT_LIMITS = 3 };
typedef struct lt_hits {
    size_t searches, hits[LT_HIT_LIMITS];
} lt_hits;
LT_API size_t lt_hit_limit(int i); /* 1, 5, 10; 0 for another i */

/* Pictures of a data set: all of them, or `count` that the seed draws. */
typedef struct lt_eval_data {
    lt_session *session;
    const lt_dataset *dataset;
    size_t count; /* 0: all */
    int size;     /* pixels a side; 0: the model's own */
    uint64_t seed;
    lt_watch watch;
    uint64_t reserved[LT_RESERVED];
} lt_eval_data;

/* What the VAE makes of pictures that go through it, by the posterior's mean, compared as bytes. */
typedef struct lt_reconstruction {
    size_t count;
    int size;
    double mean_psnr;    /* of each picture's, in dB; of equal pictures 100 */
    double psnr_of_mean; /* of the mean squared error over all */
    double worst_psnr, best_psnr;
    const char *worst, *best; /* names, of the data set */
    uint64_t reserved[LT_RESERVED];
} lt_reconstruction;
LT_API lt_status lt_eval_reconstruction(const lt_eval_data *data, lt_reconstruction *out);

/* CLIP over pairs of a picture and its first text; pictures without one are left out. Texts that are the same are one:
 * a text finds any of its pictures. */
typedef struct lt_clip_recall {
    size_t pictures, texts; /* in the two pools */
    lt_hits by_text, by_picture;
    uint64_t reserved[LT_RESERVED];
} lt_clip_recall;
LT_API lt_status lt_eval_recall(const lt_eval_data *data, lt_clip_recall *out);

/* sigma_t^2 of p(x_{t-1} | x_t) = N(mu, sigma_t^2 I), which is not learned (Ho et al. 2020, section 3.2). Both bounds
 * hold. */
typedef enum lt_variance {
    LT_VARIANCE_POSTERIOR, /* beta-tilde_t, that of q(x_{t-1} | x_t, x_0): the best for data of one point */
    LT_VARIANCE_BETA,      /* beta_t: the best for data from N(0, I) */
    LT_VARIANCE_COUNT
} lt_variance;

/* The variational bound of the U-Net over the latents (the posterior's mean) of pictures, given their first text; in
 * nats for each dimension of the latent. */
typedef struct lt_bound_terms {
    double prior, steps, end; /* L_T, the sum of L_{t-1}, L_0 */
    double total, error;      /* their sum, and its standard error over the pictures; 0 for one picture */
} lt_bound_terms;
typedef struct lt_bound {
    size_t count, dimensions;
    int size, timesteps;
    lt_bound_terms terms[LT_VARIANCE_COUNT];
    uint64_t reserved[LT_RESERVED];
} lt_bound;
/* timesteps: at how many places of the schedule each picture is noised for the sum of L_{t-1}, 1 .. 10000. */
LT_API lt_status lt_eval_bound(const lt_eval_data *data, int timesteps, lt_bound *out);

enum { LT_MAX_JUDGES = 16, LT_MAX_KINDS = 64 };

/* A classifier of clean pixels, and which key of a picture's line says the class that it should see. */
typedef struct lt_judge {
    const char *aspect; /* "thing", "colour" */
    lt_session *session;
} lt_judge;

typedef struct lt_judging {
    const char *data;       /* a folder with metadata.jsonl */
    const lt_judge *judges; /* [count], 1 to LT_MAX_JUDGES */
    size_t count;
    lt_watch watch;
    uint64_t reserved[LT_RESERVED];
} lt_judging;

/* Pictures whose lines have the same "kind" ("all": none). */
typedef struct lt_judged {
    const char *kind;
    size_t pictures, all_right; /* that some judge was asked about; that all who were asked found right */
    size_t asked[LT_MAX_JUDGES], right[LT_MAX_JUDGES];
} lt_judged;

typedef struct lt_judgement {
    size_t count;
    lt_judged kinds[LT_MAX_KINDS]; /* [count], in the order in which they come */
    void *owner;                   /* of their names */
} lt_judgement;

/* Every judge looks at each picture whose line has its aspect, and a class that it knows. Where a line has "things",
 * two of them, and a "relation" (left, beside, above, on), the judge of "thing" looks for each of both where the
 * relation has it. */
LT_API lt_status lt_eval_judges(const lt_judging *judging, lt_judgement *out);
LT_API void lt_judgement_free(lt_judgement *judgement); /* and empties it */

/* Prompts of a file. */
typedef struct lt_prompt_row {
    const char *prompt, *key; /* key: NULL where it is not asked for */
    size_t line;              /* of the file */
} lt_prompt_row;
typedef struct lt_prompt_list {
    lt_prompt_row *rows;
    size_t count;
    void *owner; /* of the texts */
} lt_prompt_list;
/* Of a .txt one prompt in each line that isn't blank, of any other file a JSON object in each line, whose "prompt"
 * ("text", "caption") is the prompt. key, if not NULL, is what each object must have besides: a string or a whole
 * number. Stops after limit of them, if that is not 0. Messages name file and line. */
LT_API lt_status lt_prompts_read(const char *path, const char *key, size_t limit, lt_prompt_list *list);
LT_API void lt_prompts_free(lt_prompt_list *list); /* and empties it */

/* Drawing a list of prompts, and comparing what is drawn. */
typedef struct lt_drawing {
    lt_session *session;
    const lt_prompt_list *prompts;
    const lt_request *request; /* all but the prompt; its count of pictures is drawn of each */
    lt_session *clip;          /* compares pictures with prompts; NULL: none */
    const char *data, *key;    /* a folder with metadata.jsonl, among whose pictures those with the prompt's key are
                                  searched by what was drawn; NULL: none */
    lt_watch watch;            /* of what is read before drawing; the request has its own */
    /* With each picture, [i] of result, drawn of prompt number `prompt`; false ends it. May be NULL. */
    bool (*drawn)(void *user, size_t prompt, int i, const lt_result *result);
    void *user;
    uint64_t reserved[LT_RESERVED];
} lt_drawing;

typedef struct lt_clip_score {
    size_t count;
    double similarity; /* mean cosine of a picture and its prompt */
    double score;      /* mean max(100 cosine, 0): Hessel et al. 2021 as it is usually scaled */
    double baseline;   /* mean cosine with the other prompts; NaN without others */
    lt_hits hits;      /* the prompt searched among all prompts by its picture */
} lt_clip_score;

typedef struct lt_retrieval {
    size_t pictures; /* of the data set */
    lt_hits hits;
    double chance[LT_HIT_LIMITS]; /* what hits would be in a random order */
} lt_retrieval;

typedef struct lt_drawn {
    size_t prompts, pictures;
    double seconds;         /* for drawing and comparing */
    lt_clip_score clip;     /* zeros without a CLIP */
    lt_retrieval retrieval; /* zeros without data */
    uint64_t reserved[LT_RESERVED];
} lt_drawn;
LT_API lt_status lt_eval_drawing(const lt_drawing *drawing, lt_drawn *out);

/* ---- A shelf: models and what is added to them, as files in folders ---- */

typedef enum lt_shelf_kind {
    LT_SHELF_CHECKPOINT,    /* has a U-Net */
    LT_SHELF_VAE,           /* alone, or a TAESD */
    LT_SHELF_LORA,          /* and its kin */
    LT_SHELF_EMBEDDING,     /* textual inversion */
    LT_SHELF_CONTROL,       /* ControlNet, control-LoRA, T2I-Adapter */
    LT_SHELF_IMAGE_PROMPT,  /* IP-Adapter */
    LT_SHELF_IMAGE_ENCODER, /* CLIP's image tower, alone or with the text's */
    LT_SHELF_UPSCALER,
    LT_SHELF_CLASSIFIER, /* of noisy latents, that can guide */
    LT_SHELF_OTHER,      /* a text encoder, or what is not known here */
    LT_SHELF_BROKEN,     /* it can't be read: fault says why */
    LT_SHELF_KINDS
} lt_shelf_kind;
/* Its name: "checkpoint", "IP-Adapter"; NULL of what is none. */
LT_API const char *lt_shelf_kind_name(lt_shelf_kind kind);

typedef struct lt_shelf_item {
    const char *path, *name; /* name: without folder and ending, as it may stand where a file is wanted */
    lt_shelf_kind kind;      /* by what is in it, wherever it lies */
    const char *family;      /* "Stable Diffusion 1"; NULL: it doesn't tell */
    const char *details;     /* "LDM checkpoint: text encoder, VAE, U-Net", "LoRA, rank 16"; NULL: none */
    const char *words;       /* that it was trained with; NULL: it doesn't tell */
    const char *preview;     /* a picture beside it: NAME.preview.png, NAME.png, or the like; NULL: none */
    const char *fault;       /* of a broken one */
    uint64_t size;           /* bytes; of a folder those of its files */
    const char *sha256;      /* of its content, 64 digits, of which the web UIs show the first ten ("AutoV2"); NULL: it
                                has not been computed, or it is a folder */
    uint64_t reserved[LT_RESERVED];
} lt_shelf_item;

typedef struct lt_shelf_listing {
    lt_shelf_item *items; /* [count], by kind and name */
    size_t count;
    void *owner; /* of what they point to */
} lt_shelf_listing;

typedef struct lt_shelf_options {
    const char
        *cache;  /* a folder in which hashes are kept, by path, size and time, so that each is computed once; it is
                    made where it isn't there. NULL: none are kept. In the models' folders nothing is written */
    bool hashes; /* compute those that are not kept: as long as it takes to read all files */
    bool (*progress)(void *user, size_t done, size_t count); /* false ends it with LT_ERROR_CANCELLED; may be NULL */
    void *user;
    uint64_t reserved[LT_RESERVED];
} lt_shelf_options;

/* What there is in folder: in the folders of a web UI or of ComfyUI (models/Stable-diffusion, models/Lora, embeddings,
 * checkpoints, loras, ...), where it has any, and in itself; else in all that it holds. Of each file only what says
 * what it is is read. One that can't be read is listed too. options may be NULL. */
LT_API lt_status lt_shelf_read(const char *folder, const lt_shelf_options *options, lt_shelf_listing *listing);
LT_API void lt_shelf_free(lt_shelf_listing *listing); /* and empties it */

/* The path of a file of that kind: name itself, if it is a path or a file of that name is there, or that of a file
 * called so, with or without its ending, in the kind's folders within folder, in folder itself, or else in the folders
 * of all kinds. *path is allocated, free it with lt_string_free; NULL: it is nowhere. folder may be NULL. */
LT_API lt_status lt_shelf_path_of(const char *folder, lt_shelf_kind kind, const char *name, char **path);

/* One number of a training's log, row by row: OUTPUT.jsonl of lt_train, or any file with a JSON object a line. */
typedef struct lt_curve {
    double *steps, *values; /* [count] */
    size_t count;
} lt_curve;
/* The rows that have a number "step" and a number called field; at least one has, or it is LT_ERROR_FORMAT that says
 * which numbers there are. A torn last line is left out. */
LT_API lt_status lt_curve_read(const char *path, const char *field, lt_curve *curve);
/* Likewise of a log that is being written: the rows from byte *at on, 0 at first, which becomes that behind the last
 * whole row. There may be none. A log that has no row's end there was cut, or begun anew: it is read from its
 * beginning. */
LT_API lt_status lt_curve_follow(const char *path, const char *field, uint64_t *at, lt_curve *curve);
LT_API void lt_curve_free(lt_curve *curve); /* and empties it */

#ifdef __cplusplus
}
#endif
#endif
