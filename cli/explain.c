/* explain: one drawing as a page that shows how it came about. */
#include "explain_data.h"
#include "explain_page.h"
#include "prompt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    lt_model_options model;
    lt_lora_list loras;
    lt_request request;
    const char *prompt, *output;
    int frames;
    bool quiet;
} o;

#define OF_REQUEST .fields = lt_request_fields
static const lt_option options[] = {
    {"prompt", 'p', LT_OPTION_TEXT, "TEXT", "what to draw; - or @FILE reads it", &o.prompt},
    {"negative", 'n', LT_OPTION_TEXT, "TEXT", NULL, &o.request.negative_prompt, OF_REQUEST, .member = "negative_prompt",
     .also = "negative-prompt"},
    LT_LORA_OPTION(o.loras),
    {"output", 'o', LT_OPTION_FILE, "PAGE", "PAGE.html; - is standard output", &o.output},
    {"width", 'W', LT_OPTION_INT, "PX", NULL, &o.request.width, 1, OF_REQUEST},
    {"height", 'H', LT_OPTION_INT, "PX", NULL, &o.request.height, 1, OF_REQUEST},
    {"size", 0, LT_OPTION_SIZE, "WxH", "both: 512x768, or 512 for a square", &o.request.width, 1, OF_REQUEST,
     .member = "width"},
    {"steps", 0, LT_OPTION_INT, "N", NULL, &o.request.steps, OF_REQUEST, .also = LT_ALSO_STEPS},
    {"frames", 0, LT_OPTION_INT, "N", "steps that are shown; default: so many that the page stays small", &o.frames, 1,
     FILM_MOST_FRAMES},
    {"cfg", 0, LT_OPTION_NUMBER, "S", NULL, &o.request.guidance, OF_REQUEST, .member = "guidance", .also = LT_ALSO_CFG},
    {"sampler", 0, LT_OPTION_CHOICE, "NAME", "`latent schedule` lists all", &o.request.sampler, OF_REQUEST,
     .also = LT_ALSO_SAMPLER},
    {"schedule", 0, LT_OPTION_CHOICE, "NAME", NULL, &o.request.schedule, OF_REQUEST, .also = LT_ALSO_SCHEDULE},
    {"seed", 0, LT_OPTION_SEED, "N", NULL, &o.request.seed, .told = true, .also = "s", OF_REQUEST},
    {"quiet", 'q', LT_OPTION_FLAG, NULL, "no progress", &o.quiet},
    LT_MODEL_OPTIONS(o.model),
    {0},
};

static void begin(void) { o.request = lt_request_defaults(); }

/* ---- Writing ---- */

/* Within the page's script element no text of others may be taken for a tag. */
static void write_json(FILE *file, const char *json) {
    for (; *json; json++)
        if (*json == '<')
            fputs("\\u003c", file);
        else
            fputc(*json, file);
}

static bool write_page(FILE *file, const char *json) {
    static const char mark[] = "{{data}}";
    const char *data = strstr(lt_explain_page, mark);
    fwrite(lt_explain_page, 1, (size_t)(data - lt_explain_page), file);
    write_json(file, json);
    fputs(data + strlen(mark), file);
    return !fflush(file) && !ferror(file);
}

static lt_status save_page(const char *path, const char *json) {
    char *part = tool_format("%s.part", path);
    if (!part) return LT_ERROR_MEMORY;
    FILE *file = fopen(part, "w");
    bool written = file && write_page(file, json);
    if (file) written = !fclose(file) && written;
    written = written && !rename(part, path);
    if (file && !written) unlink(part);
    free(part);
    return written ? LT_OK : lt_fail(LT_ERROR_FILE, "%s: the page can't be written", path);
}

static lt_status write_output(const char *json) {
    if (!lt_is_standard(o.output)) return save_page(o.output, json);
    return write_page(stdout, json) ? LT_OK : lt_fail(LT_ERROR_FILE, "standard output can't be written");
}

/* ---- Explaining ---- */

static lt_status read_words(tool_words *words) {
    lt_tokenizer *tokenizer;
    LT_TRY(lt_tokenizer_open(&tokenizer));
    const lt_status status = tool_words_read(tokenizer, &o.request, false, words);
    lt_tokenizer_close(tokenizer);
    LT_TRY(status);
    if (words->chunks == 1) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT, "the prompt is longer than %d tokens or has a BREAK: a page shows one chunk",
                   TOOL_WORDS_CHUNK);
}

static lt_status explain(lt_session *session) {
    film f = {0};
    tool_words words = {0};
    char *json = NULL;
    const bool reads = lt_model_describe(lt_session_model(session)).context_dim > 0;
    o.request.random_seed = !lt_option_given(&o.request.seed);
    o.request.loras = o.loras.items;
    o.request.lora_count = o.loras.count;
    o.request.last = true;
    lt_status status = reads ? read_words(&words) : LT_OK;
    if (!status) status = film_draw(&f, session, &o.request, o.frames, o.quiet);
    const char *model = o.model.model ? o.model.model : "the model that comes with Latent";
    const char *slash = strrchr(model, '/');
    if (!status) status = explain_data(&f, &o.request, &words, slash ? slash + 1 : model, &json);
    if (!status) status = write_output(json);
    if (!status)
        fprintf(stderr, "%s: seed %llu, %.1f s\n", lt_is_standard(o.output) ? "standard output" : o.output,
                (unsigned long long)f.result.seeds[0], f.seconds);
    free(json);
    tool_words_free(&words);
    film_free(&f);
    return status;
}

static int check(int count, char **words) {
    if (count == 1 && !o.prompt)
        o.prompt = words[0];
    else if (count)
        return lt_complain(LT_EXIT_USAGE, "what is \"%s\"? a prompt goes behind -p, in quotation marks", words[0]);
    if (!o.prompt || !o.output)
        return lt_complain(LT_EXIT_USAGE, "-p TEXT and -o PAGE.html are needed; see `latent explain --help`");
    if (lt_is_standard(o.output)) return lt_check_standard();
    const char *dot = strrchr(o.output, '.');
    if (!dot || (strcmp(dot, ".html") && strcmp(dot, ".htm")))
        return lt_complain(LT_EXIT_USAGE, "-o %s: a page's name ends in .html", o.output);
    return lt_check_output("-o", o.output);
}

static int run(int count, char **words) {
    char *prompt = NULL;
    lt_session *session = NULL;
    const int blocked = check(count, words);
    if (blocked) return blocked;
    lt_status status = lt_prompt_read("-p", o.prompt, &prompt);
    lt_stop_on_signals();
    if (!status) status = lt_open(&o.model, &session);
    o.request.prompt = prompt;
    if (!status) status = explain(session);
    status = lt_close(&o.model, session, status);
    free(prompt);
    return status ? lt_complain_error() : LT_EXIT_OK;
}

const lt_command lt_command_explain_drawing = {
    "explain",
    "show how a picture comes about, as a page of its own",
    "[-m MODEL] -p PROMPT [options] -o PAGE.html",
    "One file that needs nothing else, for any browser: the picture at each step with the noise that the U-Net\n"
    "predicts and its estimate of the picture, what guidance adds, where each word acts, and what the U-Net's blocks\n"
    "make, drawn to scale. What it shows was all computed for this drawing (docs/understand.md).",
    "  latent explain -p \"a red apple\" --seed 7 -o apple.html\n"
    "  latent explain -m sd15.safetensors -p \"a cat on a roof\" --steps 12 --frames 6 -o cat.html\n",
    options,
    run,
    begin,
};
