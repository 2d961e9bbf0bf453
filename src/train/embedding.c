/* Training an embedding: vectors that a word stands for in a model that stays as it is (textual inversion, Gal et al.
 * 2022). The gradients come through the U-Net and the text encoder. */
#include "adapters/shelf.h"
#include "train/denoising.h"
#include "train/network_metadata.h"

#include <string.h>

typedef struct embedding_state {
    lt_denoising denoising;
    char *name; /* the word: the file's name, without its ending */
    lt_tokens tokens;
    float *first;  /* [vectors, width], what they begin as */
    char *learned; /* what they are called among the weights */
} embedding_state;

/* ---- Opening ---- */

static bool is_vectors(const char *name) { return strstr(name, LT_CLIP_VECTORS); }

/* The vectors of the tokens of options->embedding.initial, each in turn, as A1111 has them. */
static lt_status read_first(const lt_training *t, const lt_tensor *table, const lt_tokens *words, float *first) {
    const size_t vectors = (size_t)t->options->embedding.vectors, width = table->shape[1];
    for (size_t i = 0; i < vectors; i++) {
        const int32_t id = words->ids[i * words->count / vectors];
        if ((size_t)id >= table->shape[0])
            return lt_fail(LT_ERROR_MODEL, "token %d is not in the vocabulary of %zu", (int)id, table->shape[0]);
        const lt_tensor row = lt_tensor_row(table, (size_t)id);
        lt_tensor_read_f32(&row, first + i * width);
    }
    return LT_OK;
}

static lt_status make_first(const lt_training *t, const lt_tensor *table, embedding_state *s) {
    const char *initial = t->options->embedding.initial ? t->options->embedding.initial : "*";
    lt_tokens words;
    LT_TRY(lt_tokenizer_read(t->models->tokenizer, initial, &words));
    s->first = lt_alloc((size_t)t->options->embedding.vectors * table->shape[1] * sizeof *s->first);
    lt_status status = s->first ? LT_OK : LT_ERROR_MEMORY;
    if (!status && !words.count)
        status = lt_fail(LT_ERROR_ARGUMENT, "`initial` \"%s\": a word is needed to begin with", initial);
    if (!status) status = read_first(t, table, &words, s->first);
    lt_tokens_free(&words);
    return status;
}

static lt_status read_name(const lt_training *t, embedding_state *s) {
    s->name = lt_shelf_name(t->options->files.output);
    if (!s->name) return LT_ERROR_MEMORY;
    LT_TRY(lt_tokenizer_read(t->models->tokenizer, s->name, &s->tokens));
    s->denoising.word = (lt_vector_word){s->tokens.ids, s->tokens.count, 0, (size_t)t->options->embedding.vectors};
    if (s->tokens.count) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT, "`output` %s: the embedding is called as its file is, and that is no word",
                   t->options->files.output);
}

/* The U-Net, the text encoder, and the vectors. */
static lt_status list_tensors(const lt_training *t, const embedding_state *s, size_t width, lt_tensor_list *list) {
    const lt_train_models *m = t->models;
    lt_tensor vectors = {.rank = 2, .shape = {(size_t)t->options->embedding.vectors, width}, .data = s->first};
    lt_tensor_set_contiguous(&vectors);
    for (size_t i = 0; i < m->init_count; i++)
        if (lt_is_unet(m->init[i].name)) LT_TRY(lt_tensor_list_add(list, m->init[i].name, &m->init[i]));
    for (size_t i = 0; i < m->text_count; i++)
        if (lt_is_text(m->text_tensors[i].name))
            LT_TRY(lt_tensor_list_add(list, m->text_tensors[i].name, &m->text_tensors[i]));
    return lt_tensor_list_add(list, s->learned, &vectors);
}

static lt_status make_parameters(lt_training *t, embedding_state *s) {
    const lt_train_models *m = t->models;
    lt_tensor_list list = {0};
    char *name = lt_format("%sembeddings.token_embedding.weight", m->text->prefix);
    s->learned = lt_format("%s%s", m->text->prefix, LT_CLIP_VECTORS);
    const lt_tensor *table = name ? lt_tensor_find(m->text_tensors, m->text_count, name) : NULL;
    lt_free(name);
    if (!table || !s->learned) return LT_ERROR_MEMORY;
    LT_TRY(make_first(t, table, s));
    const lt_status status = list_tensors(t, s, table->shape[1], &list);
    if (!status) return lt_training_own_parameters(t, &list, is_vectors);
    lt_tensor_list_free(&list);
    return status;
}

static lt_status open(lt_training *t) {
    embedding_state *s = t->state;
    LT_TRY(lt_denoising_open(t, &s->denoising));
    if (!s->denoising.contexts.width) return lt_fail(LT_ERROR_MODEL, "%s reads no text", t->options->files.init);
    LT_TRY(read_name(t, s));
    LT_TRY(make_parameters(t, s));
    s->denoising.text = *t->models->text;
    s->denoising.text.weights = t->parameters.weights;
    return lt_denoising_build(t, &s->denoising);
}

/* ---- The file ---- */

static lt_status describe(lt_training *t, lt_settings *settings, lt_tensor_list *list) {
    const embedding_state *s = t->state;
    const lt_parameters *p = &t->parameters;
    LT_TRY(lt_settings_set(settings, "modelspec.trigger_phrase", "%s", s->name));
    LT_TRY(lt_describe_embedding(t, settings));
    return lt_tensor_list_add(list, "emb_params", lt_tensor_find(p->tensors.tensors, p->tensors.count, s->learned));
}

static void close(lt_training *t) {
    embedding_state *s = t->state;
    lt_denoising_close(t);
    lt_tokens_free(&s->tokens);
    lt_free(s->name);
    lt_free(s->first);
    lt_free(s->learned);
}

const lt_task lt_task_embedding = {
    .name = "embedding",
    .module = "the embedding",
    .state_size = sizeof(embedding_state),
    .alone = true,
    .open = open,
    .start = lt_denoising_start,
    .next = lt_denoising_next,
    .loss = lt_denoising_loss,
    .describe = describe,
    .close = close,
};
