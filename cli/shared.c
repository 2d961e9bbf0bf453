/* What several commands share. */
#include "models.h"
#include "profile.h"
#include "signals.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

void lt_print_notice(void *user, const char *message) {
    (void)user;
    lt_complain(LT_EXIT_OK, "note: %s", message);
}

lt_status lt_open_model(lt_model_options *options, lt_model **model) {
    *model = NULL;
    const char *folder = lt_models_folder(options->models), *path, *vae, *text, *preview;
    LT_TRY(lt_models_check(options->models));
    LT_TRY(lt_models_path(folder, options->kind, options->model, &path));
    LT_TRY(lt_models_path(folder, LT_SHELF_VAE, options->vae, &vae));
    LT_TRY(lt_models_path(folder, LT_SHELF_OTHER, options->text, &text));
    LT_TRY(lt_models_path(folder, LT_SHELF_VAE, options->preview_vae, &preview));
    if (!path) path = lt_default_model();
    if (!path)
        return lt_fail(LT_ERROR_FILE, "no model: the one that comes with this program is not where it was "
                                      "installed; name a checkpoint with -m");
    lt_open_options o = lt_open_options_defaults();
    o.vae = vae;
    o.text = text;
    o.preview_vae = preview;
    o.ema = options->ema;
    o.prediction = options->prediction;
    o.notice = lt_print_notice;
    return lt_model_open(path, &o, model);
}

/* Found out before the work: whether the trace can be written. */
static lt_status listen(lt_session *session, const char *trace) {
    if (*trace) LT_TRY(lt_check_writable(trace));
    return lt_profile_listen(session, *trace);
}

lt_status lt_open(lt_model_options *options, lt_session **session) {
    lt_model *model;
    *session = NULL;
    LT_TRY(lt_open_model(options, &model));
    lt_session_options o = lt_session_options_defaults();
    o.precision = options->precision;
    o.isa = options->isa;
    o.threads = options->threads;
    o.max_memory = options->max_memory;
    o.pin = options->pin;
    o.models = lt_models_folder(options->models);
    o.cache = lt_cache_folder();
    o.notice = lt_print_notice;
    lt_status status = lt_session_open(model, &o, session);
    lt_model_close(model);
    if (!status) status = lt_session_wrap(*session, options->seamless);
    if (!status && options->profile) status = listen(*session, options->profile);
    return status;
}

lt_status lt_close(const lt_model_options *options, lt_session *session, lt_status status) {
    if (!status && session && options->profile) status = lt_profile_print(session);
    if (!status && session && options->profile && *options->profile) status = lt_profile_write(options->profile);
    if (options->profile) lt_profile_forget();
    lt_session_close(session);
    return status;
}

int lt_check_folder(const char *option, const char *folder) {
    struct stat info;
    if (!stat(folder, &info) && S_ISDIR(info.st_mode) && !access(folder, W_OK | X_OK)) return LT_EXIT_OK;
    return lt_complain(LT_EXIT_FAILED, "%s %s: can't write there: %s", option, folder, strerror(errno));
}

int lt_check_output(const char *option, const char *path) {
    if (!lt_check_writable(path)) return LT_EXIT_OK;
    return lt_complain(LT_EXIT_FAILED, "%s %s", option, lt_error_message());
}

int lt_check_safetensors_name(const char *option, const char *path) {
    static const char *const others[] = {".ckpt", ".pt",   ".pth",  ".bin", ".gguf", ".png",
                                         ".jpg",  ".jpeg", ".webp", ".gif", ".bmp",  ".jsonl"};
    const char *dot = strrchr(path, '.');
    bool misnamed = !strcmp(path, "-");
    for (size_t i = 0; dot && i < LT_COUNT(others); i++) misnamed |= !strcasecmp(dot, others[i]);
    return misnamed ? lt_complain(LT_EXIT_USAGE, "%s %s: a safetensors file is what is written; name it .safetensors",
                                  option, path)
                    : LT_EXIT_OK;
}

int lt_check_safetensors(const char *option, const char *path) {
    const int misnamed = lt_check_safetensors_name(option, path);
    return misnamed ? misnamed : lt_check_output(option, path);
}

int lt_check_apart(const char *option, const char *output, const char *input) {
    struct stat a, b;
    if (!output || !input) return LT_EXIT_OK;
    const bool same = !strcmp(output, input) ||
                      (stat(output, &a) == 0 && stat(input, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino);
    return same ? lt_complain(LT_EXIT_USAGE, "%s %s: that file is already used here; name another", option, output)
                : LT_EXIT_OK;
}

int lt_check_picture(const char *option, const char *path) {
    static const char *const endings[] = {".png", ".jpg", ".jpeg", ".webp"};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; i < LT_COUNT(endings); i++)
        if (dot && dot != path && !strcasecmp(dot, endings[i])) return lt_check_output(option, path);
    return lt_complain(LT_EXIT_USAGE, "%s %s: the name must end in .png, .jpg, .jpeg or .webp", option, path);
}

/* ---- Standard output ---- */

bool lt_is_standard(const char *path) { return !strcmp(path, "-") || !strcmp(path, "/dev/stdout"); }

int lt_check_standard(void) {
    if (!isatty(STDOUT_FILENO)) return LT_EXIT_OK;
    return lt_complain(LT_EXIT_USAGE, "-o -: standard output is a terminal; send it on, as in -o - >apple.png");
}

lt_status lt_write_standard(const char *format, const lt_image *image, const char *parameters) {
    uint8_t *bytes;
    size_t size;
    LT_TRY(lt_image_encode(format, image, parameters, &bytes, &size));
    const bool written = fwrite(bytes, 1, size, stdout) == size && fflush(stdout) == 0;
    const int reason = errno;
    lt_bytes_free(bytes);
    return written ? LT_OK : lt_fail(LT_ERROR_FILE, "standard output can't be written: %s", strerror(reason));
}

/* ---- The picture that a command makes ---- */

int lt_check_drawing(const char *path) {
    return lt_is_standard(path) ? lt_check_standard() : lt_check_picture("-o", path);
}

lt_status lt_write_drawing(const char *path, const lt_image *image) {
    lt_stop_writing_on_signals();
    return lt_is_standard(path) ? lt_write_standard("png", image, NULL) : lt_image_save(path, image, NULL);
}
