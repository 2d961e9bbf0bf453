/* A shelf as a web UI lays it out, and one without folders: what each file is, whatever it is called; hashes that are
 * kept; names. */
#include "adapters/hash_cache.h"
#include "adapters/hashed.h"
#include "base/sha256.h"
#include "image_prompt_files.h"
#include "micro.h"

#include <sys/stat.h>

/* ---- Files ---- */

static lt_name place(const char *rest) { return lt_name_of("%s/%s", scratch_folder(), rest); }

static void run_shell(const char *format, const char *a, const char *b) {
    char command[1024];
    snprintf(command, sizeof command, format, a, b);
    if (system(command)) fail_msg("%s failed", command);
}

static void copy(const char *from, const char *to) {
    run_shell("mkdir -p \"$(dirname '%s')\"", place(to).text, "");
    run_shell("cp -r '%s' '%s'", from, place(to).text);
}

static void write_bytes(const char *to, const char *bytes) {
    run_shell("mkdir -p \"$(dirname '%s')\"", place(to).text, "");
    FILE *file = fopen(place(to).text, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, strlen(bytes), file), strlen(bytes));
    fclose(file);
}

/* A file of one layer, which says what it is, and of another that says nothing. */
static void write_layer(const char *to, const char *layer, size_t rows, size_t columns) {
    lt_tensor_list list = {0};
    run_shell("mkdir -p \"$(dirname '%s')\"", place(to).text, "");
    add_layer(&list, layer, rows, columns, false);
    add_layer(&list, "more", 4, 4, false);
    write_list_at(place(to).text, &list);
}

#define GOLDEN(file) LT_GOLDEN_DIR "/" file

/* Kinds lie where they belong, and two where they don't. */
static void make_web_ui(void) {
    copy(micro_checkpoint(), "ui/models/Stable-diffusion/deep/Micro.safetensors");
    copy(GOLDEN("tiny/input.png"), "ui/models/Stable-diffusion/deep/Micro.preview.png");
    copy(GOLDEN("lora/kohya.safetensors"), "ui/models/Lora/ink.safetensors");
    copy(GOLDEN("tiny/mask.png"), "ui/models/Lora/ink.png");
    copy(GOLDEN("embeddings/my-style.pt"), "ui/embeddings/my-style.pt");
    copy(GOLDEN("embeddings/cat-toy.bin"), "ui/embeddings/cat-toy.bin");
    copy(GOLDEN("embeddings/said.png"), "ui/embeddings/said.png");
    copy(GOLDEN("embeddings/said.png"), "ui/embeddings/shown.preview.png");
    copy(GOLDEN("embeddings/hidden.webp"), "ui/embeddings/deep/hidden.webp");
    copy(GOLDEN("embeddings/preview.png"), "ui/embeddings/my-style.png");
    write_bytes("ui/embeddings/cut.png", "\x89PNG\r\n\x1A\n");
    write_bytes("ui/embeddings/torn.png", "\x89PNG\r\n\x1A\n sd-ti-embedding");
    copy(image_prompt_path(FILE_PLAIN), "ui/models/ControlNet/ip.safetensors");
    copy(image_prompt_path(FILE_ENCODER), "ui/clip_vision/vit.safetensors");
    write_layer("ui/models/ControlNet/canny.safetensors", "control_model.input_hint_block.0", 4, 4);
    write_layer("ui/models/ControlNet/sketch.safetensors", "body.0.block1", 4, 4);
    write_layer("ui/models/ESRGAN/x4.safetensors", "conv_first", 64, 3);
    write_layer("ui/classifiers/colours.safetensors", "classifier.input_blocks.0.0", 4, 4);
    write_layer("ui/models/Lora/misplaced.safetensors", "first_stage_model.decoder.up.0.block.0.norm1", 4, 0);
    write_layer("ui/models/VAE/stranger.safetensors", "something.else", 4, 4);
    write_layer("ui/models/Stable-diffusion/xl.safetensors", "x.attn2.to_k", 4, 2048);
    write_bytes("ui/models/Stable-diffusion/page.ckpt", "<html>log in</html>");
    write_bytes("ui/models/Stable-diffusion/notes.txt", "no model");
    write_bytes("ui/venv/lib/hidden.bin", "not looked at");
    write_bytes("ui/config.json", "{}");
}

static lt_shelf_listing read_shelf(const char *folder, const lt_shelf_options *options) {
    lt_shelf_listing listing;
    assert_ok(lt_shelf_read(place(folder).text, options, &listing));
    return listing;
}

static const lt_shelf_item *find_item(const lt_shelf_listing *listing, const char *name) {
    for (size_t i = 0; i < listing->count; i++)
        if (!strcmp(listing->items[i].name, name)) return &listing->items[i];
    fail_msg("no %s", name);
    return NULL;
}

/* ---- What each is ---- */

static void kinds_are_told_by_content(void **state) {
    (void)state;
    static const struct {
        const char *name;
        lt_shelf_kind kind;
        const char *family, *details;
    } cases[] = {
        {"Micro", LT_SHELF_CHECKPOINT, NULL, "LDM checkpoint: text encoder, VAE, U-Net"},
        {"misplaced", LT_SHELF_VAE, NULL, "LDM checkpoint: VAE"},
        {"ink", LT_SHELF_LORA, NULL, "LoRA, ranks 4 to 8"},
        {"my-style", LT_SHELF_EMBEDDING, NULL, "3 vectors"},
        {"cat-toy", LT_SHELF_OTHER, NULL, NULL},         /* a token's vector is as wide as a published text encoder's */
        {"said", LT_SHELF_EMBEDDING, NULL, "3 vectors"}, /* in pictures, of which most are previews */
        {"hidden", LT_SHELF_EMBEDDING, NULL, "2 vectors"},
        {"torn", LT_SHELF_BROKEN, NULL, NULL},
        {"canny", LT_SHELF_CONTROL, NULL, "ControlNet"},
        {"sketch", LT_SHELF_CONTROL, NULL, "T2I-Adapter"},
        {"ip", LT_SHELF_IMAGE_PROMPT, NULL, "IP-Adapter"},
        {"vit", LT_SHELF_IMAGE_ENCODER, NULL, "transformers: CLIP"},
        {"x4", LT_SHELF_UPSCALER, NULL, "ESRGAN"},
        {"colours", LT_SHELF_CLASSIFIER, NULL, NULL},
        {"stranger", LT_SHELF_OTHER, NULL, NULL},
        {"xl", LT_SHELF_OTHER, "Stable Diffusion XL", NULL},
        {"page", LT_SHELF_BROKEN, NULL, NULL},
    };
    lt_shelf_listing listing = read_shelf("ui", NULL);
    assert_int_equal(listing.count, LT_COUNT(cases));
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        const lt_shelf_item *item = find_item(&listing, cases[i].name);
        if (item->kind != cases[i].kind) fail_msg("%s is %s", item->name, lt_shelf_kind_name(item->kind));
        if (cases[i].family) assert_string_equal(item->family, cases[i].family);
        if (cases[i].details) assert_string_equal(item->details, cases[i].details);
        assert_true(item->size > 0 && !item->sha256);
        assert_true(!item->fault == (item->kind != LT_SHELF_BROKEN));
    }
    assert_non_null(strstr(find_item(&listing, "page")->fault, "a web page"));
    assert_non_null(strstr(find_item(&listing, "Micro")->preview, "deep/Micro.preview.png"));
    assert_non_null(strstr(find_item(&listing, "ink")->preview, "Lora/ink.png"));
    assert_non_null(strstr(find_item(&listing, "my-style")->preview, "embeddings/my-style.png"));
    assert_non_null(strstr(find_item(&listing, "said")->preview, "embeddings/said.png"));
    assert_null(find_item(&listing, "x4")->preview);
    for (size_t i = 1; i < listing.count; i++) assert_true(listing.items[i - 1].kind <= listing.items[i].kind);
    lt_shelf_free(&listing);
}

/* A folder without any program's folders in it is looked through; a model that is a folder is one item. */
static void plain_folders_are_looked_through(void **state) {
    (void)state;
    copy(GOLDEN("lora/kohya.safetensors"), "plain/some/where/ink.safetensors");
    lt_session *clip = open_clip();
    lt_session_close(clip);
    copy(place("clip").text, "plain/whole");
    lt_shelf_listing listing = read_shelf("plain", NULL);
    assert_int_equal(listing.count, 2);
    assert_int_equal(find_item(&listing, "ink")->kind, LT_SHELF_LORA);
    assert_int_equal(find_item(&listing, "whole")->kind, LT_SHELF_IMAGE_ENCODER);
    lt_shelf_free(&listing);
    assert_int_equal(lt_shelf_read(place("nowhere").text, NULL, &listing), LT_ERROR_FILE);
    lt_shelf_free(NULL);
}

/* ---- Hashes ---- */

static bool stop_at_once(void *user, size_t done, size_t count) {
    (void)user, (void)done, (void)count;
    return false;
}

static void hashes_are_kept(void **state) {
    (void)state;
    const lt_name cache = place("cache/of/ours");
    lt_shelf_options options = {.cache = cache.text, .hashes = true};
    char expected[LT_SHA256_TEXT];
    write_bytes("few/loras/page.pt", "<html>");
    lt_sha256("<html>", 6, expected);
    lt_shelf_listing listing = read_shelf("few", &options);
    assert_string_equal(listing.items[0].sha256, expected);
    lt_shelf_free(&listing);
    options.hashes = false;
    listing = read_shelf("few", &options);
    assert_string_equal(listing.items[0].sha256, expected);
    lt_shelf_free(&listing);
    run_shell("test \"$(find '%s' | wc -l)\" -eq 3", place("few").text, ""); /* nothing was written there */
    write_bytes("few/loras/page.pt", "<html");
    listing = read_shelf("few", &options);
    assert_null(listing.items[0].sha256);
    lt_shelf_free(&listing);
    write_bytes("cache/of/ours/hashes.json", "{broken");
    listing = read_shelf("few", &options);
    assert_int_equal(listing.count, 1);
    lt_shelf_free(&listing);
    options.progress = stop_at_once;
    assert_int_equal(lt_shelf_read(place("few").text, &options, &listing), LT_ERROR_CANCELLED);
    assert_null(listing.items);
}

/* ---- Names ---- */

static void check_name(lt_shelf_kind kind, const char *name, const char *end) {
    char *path;
    assert_ok(lt_shelf_path_of(place("ui").text, kind, name, &path));
    if (!path != !end) fail_msg("%s: %s", name, path ? path : "nowhere");
    if (end && !lt_name_ends(path, end)) fail_msg("%s: %s", name, path);
    lt_string_free(path);
}

static void names_stand_for_files(void **state) {
    (void)state;
    check_name(LT_SHELF_CHECKPOINT, "Micro", "deep/Micro.safetensors");
    check_name(LT_SHELF_CHECKPOINT, "micro", "deep/Micro.safetensors");
    check_name(LT_SHELF_CHECKPOINT, "Micro.safetensors", "deep/Micro.safetensors");
    check_name(LT_SHELF_LORA, "ink", "Lora/ink.safetensors");
    check_name(LT_SHELF_IMAGE_PROMPT, "ip", "ControlNet/ip.safetensors");
    check_name(LT_SHELF_IMAGE_ENCODER, "vit", "clip_vision/vit.safetensors");
    check_name(LT_SHELF_CONTROL, "canny", "ControlNet/canny.safetensors");
    check_name(LT_SHELF_UPSCALER, "x4", "ESRGAN/x4.safetensors");
    check_name(LT_SHELF_VAE, "ink", "Lora/ink.safetensors"); /* whoever opens it says what it is */
    check_name(LT_SHELF_VAE, "nobody", NULL);
    check_name(LT_SHELF_VAE, "./ink", "./ink"); /* a path, whether it is there or not */
    char *path;
    assert_ok(lt_shelf_path_of(NULL, LT_SHELF_LORA, "ink", &path));
    assert_null(path);
    assert_int_equal(lt_shelf_path_of(NULL, LT_SHELF_BROKEN, "ink", &path), LT_ERROR_ARGUMENT);
    assert_string_equal(lt_shelf_kind_name(LT_SHELF_IMAGE_PROMPT), "IP-Adapter");
    assert_null(lt_shelf_kind_name(LT_SHELF_KINDS));
}

/* ---- What a picture's text tells of files ---- */

static const char LISTED[] = "ink: 96CD609b80d2, wa sh : 0123456789abcdef ,ink:ba9876543210, odd: none, short: 0123";

static void check_hash(const char *name, size_t use, const char *expected) {
    char hash[LT_SHORT_HASH];
    const bool found = lt_hashes_find(LISTED, name, use, hash);
    if (found != (expected != NULL) || (found && expected && strcmp(hash, expected)))
        fail_msg("%s, %zu: %s", name, use, found ? hash : "none");
}

static void hashes_are_read(void **state) {
    (void)state;
    char hash[LT_SHORT_HASH];
    check_hash("ink", 0, "96cd609b80d2");
    check_hash("i:n,k", 0, "96cd609b80d2");
    check_hash("ink", 1, "ba9876543210");
    check_hash("ink", 7, "ba9876543210");
    check_hash("wa sh", 0, "0123456789ab");
    check_hash("odd", 0, NULL);
    check_hash("short", 0, NULL);
    check_hash("in", 0, NULL);
    check_hash("inky", 0, NULL);
    check_hash("", 0, NULL);
    assert_false(lt_hashes_find(NULL, "ink", 0, hash));
    assert_false(lt_hashes_find("", "ink", 0, hash));
    assert_false(lt_hashes_find("ink", "ink", 0, hash));
    size_t size;
    assert_null(lt_hashes_unsound(NULL, &size));
    assert_null(lt_hashes_unsound("ink: 96CD609b80d2, wash: 0123456789abcdef", &size));
    const char *unsound = lt_hashes_unsound(LISTED, &size);
    assert_int_equal(size, strlen("odd: none"));
    assert_memory_equal(unsound, "odd: none", size);
}

/* Which file of the shelf it is, for a name that finds `found`. */
static void check_choice(const char *found, const char *hash, const char *end, bool expected) {
    const lt_shelf shelf = {place("ui").text, NULL};
    char *path = found ? lt_strdup(place(found).text) : NULL;
    bool exact;
    const lt_hashed wanted = {LT_SHELF_LORA, "ink", hash};
    assert_ok(lt_hashes_choose(NULL, &shelf, &wanted, &path, &exact));
    assert_int_equal(exact, expected);
    if (!path != !end || (path && end && !lt_name_ends(path, end))) fail_msg("%s", path ? path : "none");
    lt_free(path);
}

static void files_are_found_by_hash(void **state) {
    (void)state;
    char other[LT_SHORT_HASH], none[LT_SHORT_HASH];
    make_web_ui();
    copy(GOLDEN("lora/locon.safetensors"), "ui/models/Lora/deep/other.safetensors");
    lt_hashes_of(NULL, place("ui/models/Lora/deep/other.safetensors").text, LT_SHELF_LORA, other);
    lt_hashes_of(NULL, place("ui/models/Lora/misplaced.safetensors").text, LT_SHELF_LORA, none);
    assert_string_equal(none, "");
    check_choice("ui/models/Lora/ink.safetensors", "96cd609b80d2", "ink.safetensors", true);
    check_choice("ui/models/Lora/ink.safetensors", "96cd609b", "ink.safetensors", true);
    check_choice("ui/models/Lora/ink.safetensors", other, "deep/other.safetensors", true);
    check_choice(NULL, other, "deep/other.safetensors", true);
    check_choice("ui/models/Lora/ink.safetensors", "0123456789ab", "ink.safetensors", false);
    check_choice(NULL, "0123456789ab", NULL, false);
}

/* Sums are computed once, of files of the kind alone. */
static void sums_are_kept(void **state) {
    (void)state;
    const lt_shelf shelf = {place("ui").text, NULL};
    const lt_hashed wanted = {LT_SHELF_LORA, "ink", "0123456789ab"};
    const lt_name folder = place("cache/of/hashes");
    lt_hash_cache kept;
    char *path = NULL, sum[LT_SHA256_TEXT];
    bool exact;
    make_web_ui();
    assert_ok(lt_hash_cache_open(folder.text, &kept));
    assert_ok(lt_hashes_choose(&kept, &shelf, &wanted, &path, &exact));
    assert_ok(lt_hash_cache_save(&kept));
    lt_hash_cache_close(&kept);
    assert_ok(lt_hash_cache_open(folder.text, &kept));
    const lt_name ink = place("ui/models/Lora/ink.safetensors"), vae = place("ui/models/Lora/misplaced.safetensors");
    assert_ok(lt_hash_cache_ask(&kept, ink.text, LT_HASH_TENSORS, false, sum));
    assert_memory_equal(sum, "96cd609b80d2", 12);
    assert_ok(lt_hash_cache_ask(&kept, ink.text, LT_HASH_FILE, false, sum));
    assert_string_equal(sum, "");
    assert_ok(lt_hash_cache_ask(&kept, vae.text, LT_HASH_TENSORS, false, sum));
    assert_string_equal(sum, "");
    lt_hash_cache_close(&kept);
}

/* Two that keep at the same time, and one that computes both. */
static void sums_of_others_stay(void **state) {
    (void)state;
    const lt_name folder = place("cache/of/two"), a = place("two/a.pt"), b = place("two/b.pt");
    lt_hash_cache one, two;
    char sum[LT_SHA256_TEXT];
    write_bytes("two/a.pt", "a");
    write_bytes("two/b.pt", "b");
    assert_ok(lt_hash_cache_open(folder.text, &one));
    assert_ok(lt_hash_cache_open(folder.text, &two));
    assert_ok(lt_hash_cache_ask(&one, a.text, LT_HASH_FILE, true, sum));
    assert_ok(lt_hash_cache_ask(&two, b.text, LT_HASH_FILE, true, sum));
    assert_ok(lt_hash_cache_ask(&two, b.text, LT_HASH_TENSORS, true, sum));
    assert_ok(lt_hash_cache_save(&one));
    assert_ok(lt_hash_cache_save(&two));
    lt_hash_cache_close(&one);
    lt_hash_cache_close(&two);
    assert_ok(lt_hash_cache_open(folder.text, &one));
    assert_ok(lt_hash_cache_ask(&one, a.text, LT_HASH_FILE, false, sum));
    assert_string_not_equal(sum, "");
    assert_ok(lt_hash_cache_ask(&one, b.text, LT_HASH_FILE, false, sum));
    assert_string_not_equal(sum, "");
    assert_ok(lt_hash_cache_ask(&one, b.text, LT_HASH_TENSORS, false, sum));
    assert_string_not_equal(sum, "");
    lt_hash_cache_close(&one);
}

/* ---- Without memory ---- */

static void each_allocation_may_fail(void **state) {
    (void)state;
    write_layer("small/loras/canny.safetensors", "control_model.input_hint_block.0", 4, 4);
    write_bytes("small/loras/page.pt", "<html>");
    for (size_t n = 0;; n++) {
        lt_shelf_listing listing;
        lt_alloc_fail_at(n);
        const lt_status status = lt_shelf_read(place("small").text, NULL, &listing);
        const bool reached = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        assert_int_equal(status, reached ? LT_ERROR_MEMORY : LT_OK);
        lt_shelf_free(&listing);
        if (!reached) break;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_told_by_content),
        cmocka_unit_test(plain_folders_are_looked_through),
        cmocka_unit_test(hashes_are_kept),
        cmocka_unit_test(names_stand_for_files),
        cmocka_unit_test(hashes_are_read),
        cmocka_unit_test(files_are_found_by_hash),
        cmocka_unit_test(sums_are_kept),
        cmocka_unit_test(sums_of_others_stay),
        cmocka_unit_test(each_allocation_may_fail),
    };
    make_web_ui();
    const int failed = cmocka_run_group_tests_name("shelf", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
