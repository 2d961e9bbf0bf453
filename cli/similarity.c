/* similarity: how close pictures and texts are to each other in CLIP's eyes. */
#include "cli.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    lt_model_options model;
    bool json;
} o;

static const lt_option options[] = {
    {"clip", 0, LT_OPTION_FILE, "MODEL", "a CLIP checkpoint of both towers; default: the small model's",
     &o.model.model},
    {"isa", 0, LT_OPTION_CHOICE, "ISA", NULL, &o.model.isa, .fields = lt_session_fields, LT_ISA_ENVIRONMENT},
    {"threads", 't', LT_OPTION_INT, "N", NULL, &o.model.threads, .fields = lt_session_fields},
    {"json", 0, LT_OPTION_FLAG, NULL, "print the matrix as JSON", &o.json},
    {0},
};

/* "text:..." is a text whatever files there are; else the name of a file is a picture, and anything else a text. */
static lt_status embed(lt_session *session, const char *word, float **embedding, size_t *dim) {
    if (!strncmp(word, "text:", 5)) return lt_embed_text(session, word + 5, embedding, dim);
    if (access(word, F_OK)) return lt_embed_text(session, word, embedding, dim);
    lt_image image;
    LT_TRY(lt_image_load(word, &image));
    const lt_status status = lt_embed_image(session, &image, embedding, dim);
    lt_image_free(&image);
    return status;
}

static double dot(const float *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * b[i];
    return sum;
}

static void print_table(int count, char **words, float **rows, size_t dim) {
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < count; k++) printf("%7.4f ", dot(rows[i], rows[k], dim));
        printf(" %s\n", words[i]);
    }
}

static void print_json(int count, char **words, float **rows, size_t dim) {
    json_t *names = json_array(), *matrix = json_array();
    for (int i = 0; i < count; i++) {
        json_t *line = json_array();
        for (int k = 0; k < count; k++) json_array_append_new(line, json_real(dot(rows[i], rows[k], dim)));
        json_array_append_new(matrix, line);
        json_array_append_new(names, json_string(words[i]));
    }
    json_t *all = json_pack("{s:o, s:o}", "names", names, "similarity", matrix);
    json_dumpf(all, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
    printf("\n");
    json_decref(all);
}

static lt_status compare(lt_session *session, int count, char **words, float **rows) {
    size_t dim = 0;
    for (int i = 0; i < count; i++) {
        size_t d;
        LT_TRY(embed(session, words[i], &rows[i], &d));
        if (i && d != dim) return lt_fail(LT_ERROR_MODEL, "texts have %zu numbers, pictures %zu: not one CLIP", dim, d);
        dim = d;
    }
    (o.json ? print_json : print_table)(count, words, rows, dim);
    return LT_OK;
}

static int run(int count, char **words) {
    if (count < 2) return lt_complain(LT_EXIT_USAGE, "two or more pictures or texts; see `latent similarity --help`");
    lt_session *session = NULL;
    float **rows = tool_calloc((size_t)count, sizeof *rows);
    lt_status status = rows ? lt_open(&o.model, &session) : LT_ERROR_MEMORY;
    if (!status) status = compare(session, count, words, rows);
    for (int i = 0; rows && i < count; i++) lt_floats_free(rows[i]);
    free(rows);
    status = lt_close(&o.model, session, status);
    return status ? lt_complain_error() : LT_EXIT_OK;
}

const lt_command lt_command_similarity = {
    "similarity",
    "compare pictures and texts with CLIP",
    "A B... [--clip MODEL]",
    "Each of A, B, ... is a picture if there is such a file, else a text (text:WORDS always is). The matrix holds the "
    "cosine of each pair.",
    "  latent similarity apple.png \"a red apple\" \"a green apple\"\n"
    "  latent similarity cat.png \"a cat\" \"a dog\" --clip clip-vit-large-patch14\n",
    options,
    run,
};
