/* eval: how good a model is, in numbers. */
#include "eval.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static lt_eval_options o = {.key = "emoji", .seeds = 4, .columns = 8, .timesteps = 50};

enum { BOUND_PICTURES = 64 }; /* without --count: each is as dear as one that is drawn, or more */

/* clang-format off */
static const lt_option options[] = {
    {"prompts", 0, LT_OPTION_FILE, "FILE", "draw these: .txt of lines, or .jsonl with \"prompt\" or a data set's \"text\"", &o.prompts},
    {"seeds", 0, LT_OPTION_INT, "N", "pictures of each prompt; default 4", &o.seeds, 1, 10000, .needs = "prompts"},
    {"seed", 0, LT_OPTION_SEED, "N", "the first; also what --bound draws with; default 0; -1: any", &o.seed},
    {"steps", 0, LT_OPTION_INT, "N", NULL, &o.steps, .fields = lt_request_fields, .also = LT_ALSO_STEPS, .needs = "prompts"},
    {"cfg", 0, LT_OPTION_NUMBER, "S", NULL, &o.cfg, .fields = lt_request_fields, .member = "guidance",
     .also = LT_ALSO_CFG, .needs = "prompts"},
    {"sampler", 0, LT_OPTION_CHOICE, "NAME", "`latent schedule` lists all", &o.sampler, .fields = lt_request_fields,  .also = LT_ALSO_SAMPLER, .needs = "prompts"},
    {"count", 0, LT_OPTION_INT, "N", "the first N prompts; N pictures of a data set (--bound: 64)", &o.count, 1, 1e9},
    {"size", 's', LT_OPTION_INT, "PX", "pixels a side; default: the model's own", &o.size, 1, 16384},
    {"sheet", 0, LT_OPTION_FILE, "OUT", "all pictures drawn, on one, with their prompts", &o.sheet},
    {"columns", 0, LT_OPTION_INT, "N", "of the sheet; default 8", &o.columns, 1, 1000, .needs = "sheet"},
    {"pictures", 0, LT_OPTION_FILE, "FOLDER", "write each picture drawn there", &o.pictures},
    {"clip", 0, LT_OPTION_FILE, "CLIP", "compare pictures with texts by it; default: the model, if it is one", &o.clip.model, .needs = "prompts recall"},
    {"data", 0, LT_OPTION_FILE, "DATA", "find pictures like those drawn here: a folder with metadata.jsonl", &o.data},
    {"key", 0, LT_OPTION_TEXT, "KEY", "what names the thing in prompts and in DATA; default emoji", &o.key, .needs = "data"},
    {"reconstruct", 0, LT_OPTION_FILE, "DATA", "PSNR of the VAE over a data set", &o.reconstruct},
    {"recall", 0, LT_OPTION_FILE, "DATA", "how CLIP matches texts and pictures of a data set", &o.recall},
    {"bound", 0, LT_OPTION_FILE, "DATA", "variational bound of the U-Net over a data set's latents", &o.bound},
    {"judge", 0, LT_OPTION_FILE, "DATA", "have classifiers say whether a data set's pictures are what its list says", &o.judge},
    {"judges", 0, LT_OPTION_TEXT, "LIST", "those: KEY=FILE,..., where KEY is the list's: thing=a.safetensors", &o.judges},
    {"timesteps", 0, LT_OPTION_INT, "N", "of the bound, for each picture; default 50", &o.timesteps, 1, 10000, .needs = "bound"},
    {"quiet", 'q', LT_OPTION_FLAG, NULL, "no progress", &o.quiet},
    {"json", 0, LT_OPTION_FLAG, NULL, "print everything as one JSON object", &o.json},
    LT_MODEL_OPTIONS(o.model),
    {0},
};
/* clang-format on */

/* Everything that one run opens and finds. */
typedef struct eval_run {
    lt_session *session, *clip; /* NULL where it is not needed */
    lt_count_line line;
    lt_dataset *datasets[4]; /* open to the end: findings hold names of their pictures */
    size_t dataset_count;
    lt_reconstruction reconstruction;
    lt_clip_recall recall;
    lt_bound bound;
    lt_judge judges[LT_MAX_JUDGES];
    size_t judge_count;
    char *names; /* what the judges' aspects point into */
    lt_judgement judgement;
    lt_findings findings;
} eval_run;

/* ---- Parts ---- */

static lt_watch watch(eval_run *r) { return (lt_watch){lt_count_show_whole, lt_stop_asked, &r->line}; }

static lt_status open_data(eval_run *r, const char *what, const char *path, lt_session *session, int count,
                           lt_eval_data *data) {
    lt_dataset **dataset = &r->datasets[r->dataset_count++];
    lt_count_begin(&r->line, what);
    LT_TRY(lt_dataset_open(path, dataset));
    *data = (lt_eval_data){.session = session,
                           .dataset = *dataset,
                           .count = (size_t)count,
                           .size = o.size,
                           .seed = o.seed,
                           .watch = watch(r)};
    return LT_OK;
}

/* People see each finding as soon as there is one. */
static void tell(eval_run *r, lt_findings found) {
    lt_count_end(&r->line);
    if (!o.json) lt_findings_print(&o, &found);
    fflush(stdout); /* whoever waits reads on; a failure is seen at the end */
}

static lt_status measure_reconstruction(eval_run *r) {
    lt_eval_data data;
    LT_TRY(open_data(r, "reconstructing", o.reconstruct, r->session, o.count, &data));
    LT_TRY(lt_eval_reconstruction(&data, &r->reconstruction));
    r->findings.reconstruction = &r->reconstruction;
    tell(r, (lt_findings){.reconstruction = &r->reconstruction});
    return LT_OK;
}

static lt_status measure_recall(eval_run *r) {
    lt_eval_data data;
    LT_TRY(open_data(r, "matching", o.recall, r->clip ? r->clip : r->session, o.count, &data));
    LT_TRY(lt_eval_recall(&data, &r->recall));
    r->findings.recall = &r->recall;
    tell(r, (lt_findings){.recall = &r->recall});
    return LT_OK;
}

static lt_status measure_bound(eval_run *r) {
    lt_eval_data data;
    LT_TRY(open_data(r, "bounding", o.bound, r->session, o.count ? o.count : BOUND_PICTURES, &data));
    LT_TRY(lt_eval_bound(&data, o.timesteps, &r->bound));
    r->findings.bound = &r->bound;
    tell(r, (lt_findings){.bound = &r->bound});
    return LT_OK;
}

/* "KEY=FILE" of names, which is cut there; the rest is returned. */
static char *next_judge(char *names, char **file) {
    char *end = strchr(names, ',');
    if (end) *end = '\0';
    *file = strchr(names, '=');
    if (*file) *(*file)++ = '\0';
    return end ? end + 1 : NULL;
}

static lt_status open_judges(eval_run *r) {
    r->names = tool_strdup(o.judges);
    if (!r->names) return LT_ERROR_MEMORY;
    for (char *at = r->names, *file; at; r->judge_count++) {
        if (r->judge_count == LT_MAX_JUDGES) return lt_fail(LT_ERROR_ARGUMENT, "--judges: more than %d", LT_MAX_JUDGES);
        lt_judge *judge = &r->judges[r->judge_count];
        judge->aspect = at;
        at = next_judge(at, &file);
        if (!file || !*file || !*judge->aspect)
            return lt_fail(LT_ERROR_ARGUMENT, "--judges: \"%s\" is not KEY=FILE", judge->aspect);
        lt_model_options model = {.model = file, .isa = o.model.isa, .threads = o.model.threads};
        LT_TRY(lt_open(&model, &judge->session));
    }
    return LT_OK;
}

static lt_status measure_judges(eval_run *r) {
    LT_TRY(open_judges(r));
    lt_count_begin(&r->line, "judging");
    const lt_judging judging = {.data = o.judge, .judges = r->judges, .count = r->judge_count, .watch = watch(r)};
    LT_TRY(lt_eval_judges(&judging, &r->judgement));
    const lt_findings found = {.judgement = &r->judgement, .judges = r->judges, .judge_count = r->judge_count};
    r->findings.judgement = found.judgement;
    r->findings.judges = found.judges;
    r->findings.judge_count = found.judge_count;
    tell(r, found);
    return LT_OK;
}

static lt_status measure_prompts(eval_run *r) {
    const lt_model_info info = lt_model_describe(lt_session_model(r->session));
    lt_session *own = info.has_image_encoder && info.text_embedding_dim ? r->session : NULL;
    lt_findings found = {0};
    LT_TRY(lt_eval_draw(&o, r->session, r->clip ? r->clip : own, &r->line, &found));
    r->findings.drawn = found.drawn;
    r->findings.width = found.width;
    r->findings.height = found.height;
    r->findings.by_clip = found.by_clip;
    tell(r, found);
    return LT_OK;
}

/* ---- All of them ---- */

static lt_status open_models(eval_run *r) {
    const bool draws = o.prompts || o.reconstruct || o.bound;
    if (draws || (o.recall && !o.clip.model)) LT_TRY(lt_open(&o.model, &r->session));
    if (!o.clip.model) return LT_OK;
    o.clip.isa = o.model.isa;
    o.clip.threads = o.model.threads;
    return lt_open(&o.clip, &r->clip);
}

static lt_status measure(eval_run *r) {
    r->line.quiet = o.quiet;
    LT_TRY(open_models(r));
    if (o.reconstruct) LT_TRY(measure_reconstruction(r));
    if (o.recall) LT_TRY(measure_recall(r));
    if (o.bound) LT_TRY(measure_bound(r));
    if (o.judge) LT_TRY(measure_judges(r));
    return o.prompts ? measure_prompts(r) : LT_OK;
}

static int check_usage(int count, char **words) {
    if (count) return lt_complain(LT_EXIT_USAGE, "what is \"%s\"? see `latent eval --help`", words[0]);
    if (!o.judge != !o.judges)
        return lt_complain(LT_EXIT_USAGE, "--judge DATA and --judges KEY=FILE,... need each other");
    if (!o.prompts && !o.reconstruct && !o.recall && !o.bound && !o.judge)
        return lt_complain(
            LT_EXIT_USAGE,
            "what is to be measured? --prompts, --reconstruct, --recall, --bound or --judge; see `latent eval "
            "--help`");
    const char *idle = o.data ? "--data" : o.sheet ? "--sheet" : o.pictures ? "--pictures" : NULL;
    if (idle && !o.prompts)
        return lt_complain(LT_EXIT_USAGE, "%s is about pictures that are drawn: name what with --prompts FILE", idle);
    return o.sheet ? lt_check_picture("--sheet", o.sheet) : LT_EXIT_OK;
}

static int run(int count, char **words) {
    const int status = check_usage(count, words);
    if (status) return status;
    lt_stop_on_signals();
    eval_run r = {0};
    const lt_status done = measure(&r);
    lt_count_end(&r.line);
    int result = done ? lt_complain_error() : LT_EXIT_OK;
    if (!done && o.json) result = lt_findings_print_json(&o, &r.findings);
    for (size_t i = 0; i < r.dataset_count; i++) lt_dataset_close(r.datasets[i]);
    for (size_t i = 0; i < r.judge_count; i++) lt_session_close(r.judges[i].session);
    lt_judgement_free(&r.judgement);
    free(r.names);
    lt_session_close(r.clip);
    if (lt_close(&o.model, r.session, done) && !done) result = lt_complain_error();
    return result;
}

const lt_command lt_command_eval = {
    "eval",
    "measure how good a model is",
    "[-m MODEL] --prompts FILE|--reconstruct DATA|--recall DATA|--bound DATA|--judge DATA [options]",
    "What is named is measured. Prompts are taken letter by letter, each with the same seeds; of a data\n"
    "set all pictures are taken, or --count of them, drawn by --seed. docs/evaluation.md says what the\n"
    "numbers mean.",
    "  latent eval --prompts pictures/metadata.jsonl --count 16 --sheet sheet.png\n"
    "  latent eval -m mine.safetensors --prompts prompts.jsonl --clip clip.safetensors --sheet sheet.png\n"
    "  latent eval -m mine.safetensors --prompts prompts.jsonl --data pictures --steps 20 --json\n"
    "  latent eval -m mine.safetensors --reconstruct held-out --bound held-out --count 100\n"
    "  latent eval --clip clip.safetensors --recall held-out\n"
    "  latent eval --judge drawn --judges thing=things.safetensors,colour=colours.safetensors\n",
    options,
    run,
};
