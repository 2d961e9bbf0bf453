/* The metadata of a file that is written. */
#include "export/metadata.h"

#include <string.h>

static const lt_checkpoint *metadata_source(const lt_source *source) {
    for (size_t i = 0; i < source->folder.count; i++)
        if (source->folder.components[i].checkpoint.metadata_count) return &source->folder.components[i].checkpoint;
    return &source->file;
}

static bool is_told(const char *key) {
    static const char *const told[] = {"format",
                                       "latent.unet.",
                                       "latent.vae.",
                                       "latent.text_encoder.",
                                       "latent.text_encoder_2.",
                                       "latent.clip.",
                                       "latent.scheduler.",
                                       "modelspec.prediction_type",
                                       "modelspec.predict_key"};
    for (size_t i = 0; i < LT_COUNT(told); i++)
        if (!strncmp(key, told[i], strlen(told[i]))) return true;
    return false;
}

lt_status lt_metadata_read(const lt_source *source, lt_metadata_list *m) {
    const lt_checkpoint *from = metadata_source(source);
    *m = (lt_metadata_list){.items = lt_calloc(from->metadata_count + LT_MORE_METADATA, sizeof *m->items)};
    if (!m->items) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < from->metadata_count; i++)
        if (!is_told(from->metadata[i].key))
            m->items[m->count++] = (lt_metadata){from->metadata[i].key, from->metadata[i].value};
    return LT_OK;
}

void lt_metadata_set(lt_metadata_list *m, const char *key, const char *value) {
    size_t i = 0;
    while (i < m->count && strcmp(m->items[i].key, key)) i++;
    m->items[i] = (lt_metadata){key, value};
    if (i == m->count) m->count++;
}
