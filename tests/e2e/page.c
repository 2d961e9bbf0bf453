/* Is a page of `latent explain` whole? Its data is JSON that nothing in it ends early; pictures are pictures, maps have
 * their bytes; x_t, the estimate and eps have the levels that the steps say; and the picture that it shows is PICTURE.
 * usage: page PAGE.html PICTURE.png FRAMES WORDS BLOCKS: how many of each there are to be. */
#include "latent.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf("page.c:%d: %s\n", __LINE__, #condition);                                                           \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static char *read_all(const char *path) {
    FILE *file = fopen(path, "rb");
    CHECK(file && !fseek(file, 0, SEEK_END));
    const long size = ftell(file);
    char *text = calloc((size_t)size + 1, 1);
    rewind(file);
    CHECK(fread(text, 1, (size_t)size, file) == (size_t)size);
    CHECK(strlen(text) == (size_t)size);
    fclose(file);
    return text;
}

/* The data, which ends at the first end of a script behind its beginning: where a browser ends it, too. */
static json_t *data_of(char *page) {
    static const char begin[] = "<script type=\"application/json\" id=\"data\">", end[] = "</script>";
    char *from = strstr(page, begin);
    CHECK(from);
    from += strlen(begin);
    char *to = strstr(from, end);
    CHECK(to && !memchr(from, '<', (size_t)(to - from)));
    json_t *data = json_loadb(from, (size_t)(to - from), 0, NULL);
    CHECK(data);
    return data;
}

static size_t decode(const char *text, unsigned char *bytes) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t size = 0, bits = 0, held = 0;
    CHECK(strlen(text) % 4 == 0);
    for (; *text && *text != '='; text++) {
        const char *digit = strchr(digits, *text);
        CHECK(digit);
        held = held << 6 | (size_t)(digit - digits);
        if ((bits += 6) >= 8) bytes[size++] = (unsigned char)(held >> (bits -= 8));
    }
    return size;
}

static lt_image picture_of(const json_t *url) {
    const char *text = json_string_value(url), *comma = text ? strchr(text, ',') : NULL;
    char path[] = "/tmp/latent-page-XXXXXX";
    lt_image image;
    CHECK(comma && !strncmp(text, "data:image/", 11));
    unsigned char *bytes = malloc(strlen(comma));
    const size_t size = decode(comma + 1, bytes);
    const int file = mkstemp(path);
    CHECK(file >= 0 && write(file, bytes, size) == (ssize_t)size && !close(file));
    CHECK(!lt_image_load(path, &image));
    unlink(path);
    free(bytes);
    return image;
}

static void check_picture(const json_t *url) {
    lt_image image = picture_of(url);
    lt_image_free(&image);
}

static void check_maps(const json_t *maps, size_t count) {
    const size_t pixels =
        (size_t)(json_integer_value(json_object_get(maps, "h")) * json_integer_value(json_object_get(maps, "w")));
    const char *text = json_string_value(json_object_get(maps, "data"));
    CHECK(text && pixels && json_array_size(json_object_get(maps, "most")) == count);
    unsigned char *bytes = malloc(strlen(text) + 1);
    CHECK(decode(text, bytes) == count * pixels);
    for (size_t i = 0; i < count; i++) {
        CHECK(json_number_value(json_array_get(json_object_get(maps, "most"), i)) > 0);
        CHECK(memchr(bytes + i * pixels, 255, pixels)); /* each is as bright as it can be */
    }
    free(bytes);
}

static void check_frame(const json_t *frame, const json_t *sigmas) {
    static const char *const always[] = {"x", "eps", "x0"}, *const guided[] = {"epsWithout", "epsWith", "x0Without",
                                                                               "x0With"};
    const double sigma = json_number_value(json_object_get(frame, "sigma"));
    const json_int_t step = json_integer_value(json_object_get(frame, "step"));
    CHECK(fabs(sigma - json_number_value(json_array_get(sigmas, (size_t)step - 1))) < 1e-9);
    CHECK(fabs(json_number_value(json_object_get(frame, "abar")) * (1 + sigma * sigma) - 1) < 1e-4);
    for (size_t i = 0; i < sizeof always / sizeof *always; i++) check_picture(json_object_get(frame, always[i]));
    if (!json_object_get(frame, "epsWith")) return;
    for (size_t i = 0; i < sizeof guided / sizeof *guided; i++) check_picture(json_object_get(frame, guided[i]));
    check_maps(json_object_get(frame, "difference"), 1);
}

static void check_words(const json_t *words, size_t count, size_t frames) {
    size_t i, k;
    json_t *layer, *head, *step;
    CHECK(json_array_size(json_object_get(words, "tokens")) == count);
    CHECK(json_array_size(json_object_get(words, "steps")) == frames);
    check_maps(json_object_get(words, "mean"), count + 1);
    json_array_foreach(json_object_get(words, "steps"), i, step) check_maps(step, count + 1);
    CHECK(json_array_size(json_object_get(words, "layers")));
    json_array_foreach(json_object_get(words, "layers"), i, layer) {
        check_maps(json_object_get(layer, "mean"), count + 1);
        json_array_foreach(json_object_get(layer, "heads"), k, head) check_maps(head, count + 1);
    }
}

static void check_same(const json_t *url, const char *path) {
    lt_image shown = picture_of(url), drawn;
    CHECK(!lt_image_load(path, &drawn));
    CHECK(shown.width == drawn.width && shown.height == drawn.height);
    CHECK(!memcmp(shown.pixels, drawn.pixels, (size_t)drawn.width * (size_t)drawn.height * 3));
    lt_image_free(&shown);
    lt_image_free(&drawn);
}

/* Nothing is asked of anybody: no address but data, and the page's own rule says so to browsers. */
static void check_alone(const char *page) {
    static const char *const never[] = {"src=\"http", "href=\"http",    "url(", "@import",
                                        "fetch(",     "XMLHttpRequest", "{{"};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) CHECK(!strstr(page, never[i]));
    CHECK(strstr(page, "default-src 'none'; img-src data:;"));
}

int main(int count, char **words) {
    size_t i;
    json_t *frame, *block, *picture;
    size_t k;
    if (count != 6) return 2;
    char *page = read_all(words[1]);
    const size_t frames = (size_t)atoi(words[3]);
    check_alone(page);
    json_t *data = data_of(page);
    check_same(json_object_get(data, "image"), words[2]);
    CHECK(json_array_size(json_object_get(data, "frames")) == frames);
    json_array_foreach(json_object_get(data, "frames"), i, frame) check_frame(frame, json_object_get(data, "sigmas"));
    check_words(json_object_get(data, "words"), (size_t)atoi(words[4]), frames);
    CHECK(json_array_size(json_object_get(data, "blocks")) == (size_t)atoi(words[5]));
    json_array_foreach(json_object_get(data, "blocks"), i, block) {
        CHECK(json_integer_value(json_object_get(block, "parameters")) > 0);
        CHECK(json_number_value(json_object_get(block, "seconds")) > 0);
        CHECK(json_array_size(json_object_get(block, "pictures")) > 0);
        json_array_foreach(json_object_get(block, "pictures"), k, picture) check_picture(picture);
    }
    json_decref(data);
    free(page);
    return 0;
}
