/* WebDataset: shards are tar files in which the members of one key, "KEY.png" and "KEY.txt", stand together. As in
 * webdataset itself, a key ends at the first dot behind the last slash. */
#include "data/readers.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- Keys ---- */

typedef enum kind { PICTURE, TEXT, CAPTION, LABEL, JSON, KIND_COUNT, OTHER = KIND_COUNT } kind;

static kind kind_of(const char *ending) {
    static const struct {
        const char *ending;
        kind kind;
    } kinds[] = {{"png", PICTURE}, {"jpg", PICTURE},     {"jpeg", PICTURE}, {"webp", PICTURE},
                 {"txt", TEXT},    {"caption", CAPTION}, {"cls", LABEL},    {"json", JSON}};
    for (size_t i = 0; i < LT_COUNT(kinds); i++)
        if (strcasecmp(ending, kinds[i].ending) == 0) return kinds[i].kind;
    return OTHER;
}

/* The length of the key in a member's name; 0 for a name without one, such as macOS's "._x.png". */
static size_t key_of(const char *name) {
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name, *dot = strchr(base, '.');
    return dot && dot > base ? (size_t)(dot - name) : 0;
}

/* The members of one key so far. */
typedef struct group {
    lt_buffer key;
    bool has[KIND_COUNT];
    lt_bytes data[KIND_COUNT];
    char ending[8]; /* the picture's, with the dot */
} group;

static lt_status read_json(lt_arena *arena, lt_bytes file, lt_record *record) {
    return lt_record_from_json(arena, file, NULL, record);
}

/* What members say of a picture: the later ones have the last word, if they have one. */
static const struct {
    kind kind;
    const char *ending;
    lt_status (*read)(lt_arena *arena, lt_bytes file, lt_record *record);
} readers[] = {{JSON, "json", read_json},
               {CAPTION, "caption", lt_record_texts},
               {TEXT, "txt", lt_record_texts},
               {LABEL, "cls", lt_record_label}};

static lt_status read_record(lt_arena *arena, const group *g, lt_record *record) {
    for (size_t i = 0; i < LT_COUNT(readers); i++) {
        if (!g->has[readers[i].kind]) continue;
        const lt_status status = readers[i].read(arena, g->data[readers[i].kind], record);
        if (status) return lt_fail_in(status, "%s.%s", g->key.data, readers[i].ending);
    }
    return LT_OK;
}

/* Adds the group, which may be empty, as a sample, and empties it. */
static lt_status finish_group(lt_dataset *dataset, const char *shard, lt_bytes file, group *g) {
    if (g->key.size) {
        lt_sample sample = {.shard = dataset->shard_count, .orphan = !g->has[PICTURE]};
        char *name = lt_format("%s:%s%s", shard, g->key.data, g->ending);
        if (!name) return LT_ERROR_MEMORY;
        const size_t size = strlen(name);
        sample.name = lt_arena_strndup(&dataset->arena, name, size);
        lt_free(name);
        if (!sample.name) return LT_ERROR_MEMORY;
        sample.key_size = size - strlen(g->ending);
        if (g->has[PICTURE]) {
            sample.size = g->data[PICTURE].size;
            sample.offset = (size_t)(g->data[PICTURE].data - file.data);
            LT_TRY(read_record(&dataset->arena, g, &sample.record));
        }
        LT_TRY(lt_dataset_add(dataset, &sample));
    }
    *g = (group){.key = {g->key.data, 0, g->key.capacity}};
    return LT_OK;
}

static lt_status add_member(lt_dataset *dataset, const char *shard, lt_bytes file, const lt_tar_member *member,
                            group *g) {
    const char *name = member->name;
    while (strncmp(name, "./", 2) == 0) name += 2;
    const size_t key = key_of(name);
    if (!member->regular || !key) return LT_OK;
    const kind what = kind_of(name + key + 1);
    if (what == OTHER) return LT_OK;
    LT_TRY(lt_check_relative_name(name));
    if (key != g->key.size || memcmp(name, g->key.data, key)) {
        LT_TRY(finish_group(dataset, shard, file, g));
        LT_TRY(lt_buffer_append(&g->key, name, key));
    }
    if (g->has[what]) return lt_fail(LT_ERROR_FORMAT, "%s: another member of that key is of the same kind", name);
    g->has[what] = true;
    g->data[what] = member->data;
    if (what == PICTURE) memcpy(g->ending, name + key, strlen(name + key) + 1); /* ".jpeg" is the longest */
    return LT_OK;
}

static lt_status read_members(lt_dataset *dataset, const char *shard, lt_bytes file, lt_tar *tar, group *g) {
    for (bool found = true; found;) {
        lt_tar_member member;
        LT_TRY(lt_tar_next(tar, &member, &found));
        if (found) LT_TRY(add_member(dataset, shard, file, &member, g));
    }
    return finish_group(dataset, shard, file, g);
}

lt_status lt_dataset_index_shard(lt_dataset *dataset, const char *shard, lt_bytes file) {
    lt_tar tar = {.file = file};
    group g = {0};
    const lt_status status = read_members(dataset, shard, file, &tar, &g);
    lt_buffer_free(&g.key);
    lt_tar_free(&tar);
    return status;
}

/* ---- Shards ---- */

/* Opens the shard at path as number shard_count, for which there is room. */
static lt_status open_shard(lt_dataset *dataset, const char *path) {
    lt_map *map = &dataset->shards[dataset->shard_count];
    LT_TRY(lt_map_open(path, map));
    const lt_status status =
        lt_map_check(map->data, lt_dataset_index_shard(dataset, lt_base_name(path), (lt_bytes){map->data, map->size}));
    dataset->shard_count++; /* to be closed, read or not */
    lt_map_release(map->data, map->size);
    return status ? lt_fail_in(status, "%s", path) : LT_OK;
}

lt_status lt_dataset_read_shard(lt_dataset *dataset) {
    dataset->shards = lt_calloc(1, sizeof *dataset->shards);
    return dataset->shards ? open_shard(dataset, dataset->root) : LT_ERROR_MEMORY;
}

static int is_shard(const struct dirent *entry) {
    const size_t size = strlen(entry->d_name);
    return entry->d_name[0] != '.' && size > 4 && strcasecmp(entry->d_name + size - 4, ".tar") == 0;
}

static int compare_entries(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static lt_status open_shards(lt_dataset *dataset, struct dirent **entries, size_t count) {
    if (!count) return LT_OK;
    dataset->shards = lt_calloc(count, sizeof *dataset->shards);
    if (!dataset->shards) return LT_ERROR_MEMORY;
    lt_status status = LT_OK;
    for (size_t i = 0; i < count && !status; i++) {
        char *path = lt_format("%s/%s", dataset->root, entries[i]->d_name);
        status = path ? open_shard(dataset, path) : LT_ERROR_MEMORY;
        lt_free(path);
    }
    return status;
}

lt_status lt_dataset_read_shards(lt_dataset *dataset, bool *found) {
    struct dirent **entries;
    const int count = scandir(dataset->root, &entries, is_shard, compare_entries);
    *found = count > 0;
    if (count < 0)
        return lt_fail(errno == ENOMEM ? LT_ERROR_MEMORY : LT_ERROR_FILE, "%s: can't be read: %s", dataset->root,
                       strerror(errno));
    const lt_status status = open_shards(dataset, entries, (size_t)count);
    for (int i = 0; i < count; i++) free(entries[i]);
    free(entries);
    return status;
}
