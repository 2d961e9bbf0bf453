/* What a LoRA's file tells a person. */
#include "adapters/lora_info.h"

#include "adapters/lora_about.h"
#include "adapters/lora_kind.h"
#include "formats/json.h"

#include <math.h>
#include <string.h>

enum { MOST_WORDS = 24 };

/* ---- Kinds, ranks, alphas ---- */

/* Which part tells a kind, and whose first dimension is the rank. */
static const struct {
    lt_lora_part part;
    const char *kind;
    bool ranked, apart; /* apart: another part of the layer tells that it is there */
    int dimensions;     /* that it has then; 0: any */
} marks[] = {
    {LT_PART_DOWN, "LoRA", true},
    {LT_PART_MID, "LoCon", false, true},
    {LT_PART_HADA_W1_B, "LoHa", true},
    {LT_PART_LOKR_W1, "LoKr", false},
    {LT_PART_LOKR_W1_B, "LoKr", true},
    {LT_PART_LOKR_W2_B, "LoKr", true, true},
    {LT_PART_GLORA_B1, "GLoRA", true},
    {LT_PART_OFT_BLOCKS, "OFT", .dimensions = 3},
    {LT_PART_OFT_BLOCKS, "BOFT", .dimensions = 4},
    {LT_PART_DIFF, "difference", false},
    {LT_PART_MAGNITUDE, "DoRA", false, true},
};

typedef struct survey {
    lt_lora_info *info;
    unsigned seen; /* marks */
} survey;

static void see_rank(lt_lora_info *info, size_t rank) {
    if (!info->most_rank || rank < info->least_rank) info->least_rank = rank;
    if (rank > info->most_rank) info->most_rank = rank;
}

static void see_alpha(lt_lora_info *info, const lt_tensor *t) {
    float alpha;
    if (t->dtype == LT_FOREIGN || lt_tensor_count(t) != 1) return;
    lt_tensor_read_f32(t, &alpha);
    if (!info->has_alpha || alpha < info->least_alpha) info->least_alpha = alpha;
    if (!info->has_alpha || alpha > info->most_alpha) info->most_alpha = alpha;
    info->has_alpha = true;
}

static void see_tensor(survey *s, const lt_tensor *t) {
    lt_lora_key key;
    if (!lt_lora_key_read(t->name, &key)) return;
    if (key.part == LT_PART_ALPHA) see_alpha(s->info, t);
    for (size_t i = 0; i < LT_COUNT(marks); i++) {
        if (marks[i].part != key.part || (marks[i].dimensions && marks[i].dimensions != t->rank)) continue;
        const bool spatial = key.part == LT_PART_DOWN && t->rank == 4 && t->shape[2] * t->shape[3] > 1;
        s->seen |= 1u << i | (spatial ? 2u : 0); /* LoCon */
        if (marks[i].ranked) see_rank(s->info, lt_matrix_of(t).rows);
        if (marks[i].apart) continue;
        if (key.role == LT_ROLE_UNET)
            s->info->unet_layers++;
        else
            s->info->text_layers++;
    }
}

static lt_status name_kinds(const survey *s) {
    lt_buffer text = {0};
    lt_status status = LT_OK;
    for (size_t i = 0; i < LT_COUNT(marks) && !status; i++) {
        if (!(s->seen >> i & 1) || (text.data && strstr(text.data, marks[i].kind))) continue;
        status = lt_buffer_printf(&text, "%s%s", text.size ? ", " : "", marks[i].kind);
    }
    s->info->kinds = text.data;
    return status;
}

/* ---- Words that it was trained with ---- */

typedef struct word {
    const char *text;
    double count;
} word;

static void keep_word(word best[MOST_WORDS], const char *text, double count) {
    int at = MOST_WORDS;
    for (int i = 0; i < MOST_WORDS && best[i].text; i++)
        if (!strcmp(best[i].text, text)) return;
    while (at > 0 && (!best[at - 1].text || best[at - 1].count < count)) at--;
    for (int i = MOST_WORDS - 1; i > at; i--) best[i] = best[i - 1];
    if (at < MOST_WORDS) best[at] = (word){text, count};
}

/* kohya's {"10_folder": {"a word": 12, ...}, ...}: the most frequent first. */
static lt_status read_tags(json_t *folders, lt_buffer *text) {
    word best[MOST_WORDS] = {{0}};
    const char *folder, *tag;
    json_t *tags, *count;
    json_object_foreach(folders, folder, tags) {
        json_object_foreach(tags, tag, count) keep_word(best, tag, json_number_value(count));
    }
    for (int i = 0; i < MOST_WORDS && best[i].text; i++)
        LT_TRY(lt_buffer_printf(text, "%s%.100s", i ? ", " : "", best[i].text));
    return LT_OK;
}

static lt_status read_words(const lt_checkpoint *file, lt_buffer *text) {
    const char *phrase = lt_checkpoint_metadata(file, "modelspec.trigger_phrase");
    const char *tags = lt_checkpoint_metadata(file, "ss_tag_frequency");
    json_t *folders = NULL;
    if (phrase) return lt_buffer_printf(text, "%.500s", phrase);
    if (!tags || lt_json_read_lenient(tags, strlen(tags), 0, &folders)) return LT_OK;
    const lt_status status = read_tags(folders, text);
    json_decref(folders);
    return status;
}

/* ---- All of it ---- */

static const char *first_metadata(const lt_checkpoint *file, const char *a, const char *b) {
    const char *value = lt_checkpoint_metadata(file, a);
    return value ? value : lt_checkpoint_metadata(file, b);
}

lt_status lt_lora_info_read(const lt_checkpoint *file, lt_lora_info *info) {
    survey s = {info};
    lt_buffer words = {0};
    *info = (lt_lora_info){0};
    for (size_t i = 0; i < file->count; i++) see_tensor(&s, &file->tensors[i]);
    if (!s.seen) return LT_OK;
    info->made_for = lt_lora_made_for(file);
    info->base = first_metadata(file, "ss_sd_model_name", "ss_base_model_version");
    lt_status status = name_kinds(&s);
    if (!status) status = read_words(file, &words);
    info->words = words.data;
    return status;
}

void lt_lora_info_free(lt_lora_info *info) {
    lt_free((char *)(uintptr_t)info->kinds);
    lt_free((char *)(uintptr_t)info->words);
    *info = (lt_lora_info){0};
}
