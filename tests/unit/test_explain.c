/* Numbers as pictures, and where a prompt's tokens stand: what pages show of a drawing. */
#include "../../tools/picture.h"
#include "golden.h"
#include "text/merges.h"
#include "text/text.h"
#include "tools/words.h"

/* Points on two lines through a mean: the first component is along the longer one, and the same in both planes. */
static void test_components(void **state) {
    (void)state;
    enum { C = 5, PIXELS = 6 };
    static const float longer[C] = {2, 0, 0, 2, 1}, shorter[C] = {0, 1, -1, 0, 0}, mean[C] = {7, -3, 1, 0, 9};
    static const float along[2 * PIXELS] = {-6, -4, -2, 0, 1, 3, 5, 3, 2, 0, -1, -1},
                                 across[2 * PIXELS] = {1, -1, -1, 1, -1, -1, 1, -1, 1, 1, 1, -1};
    float data[2][C * PIXELS];
    for (size_t i = 0; i < 2 * PIXELS; i++)
        for (size_t k = 0; k < C; k++)
            data[i / PIXELS][k * PIXELS + i % PIXELS] = mean[k] + along[i] * longer[k] + 0.5f * across[i] * shorter[k];
    const lt_array planes[] = {{"a", 3, {C, 2, 3}, data[0]}, {"b", 3, {C, 2, 3}, data[1]}};
    lt_image images[2];
    assert_ok(picture_components((const lt_array *const[]){&planes[0], &planes[1]}, 2, images));
    double sign = 0, error[2] = {0};
    for (size_t i = 0; i < 2 * PIXELS; i++) sign += along[i] * (images[i / PIXELS].pixels[3 * (i % PIXELS)] - 127.5);
    double deviation = 0;
    for (size_t i = 0; i < 2 * PIXELS; i++) deviation += along[i] * along[i] / (2.0 * PIXELS);
    for (size_t i = 0; i < 2 * PIXELS; i++) {
        const uint8_t *rgb = images[i / PIXELS].pixels + 3 * (i % PIXELS);
        const double first = 127.5 + (sign < 0 ? -58 : 58) * along[i] / sqrt(deviation);
        error[0] = fmax(error[0], fabs(fmin(fmax(first, 0), 255) - rgb[0]));
        error[1] = fmax(error[1], fabs(fabs(rgb[1] - 127.5) - 58)); /* all one deviation away, to either side */
    }
    assert_true(error[0] <= 1.5);
    assert_true(error[1] <= 1.5);
    assert_int_equal(images[1].width, 3);
    assert_int_equal(images[1].height, 2);
    for (int i = 0; i < 2; i++) lt_image_free(&images[i]);
}

static void test_planes_of_one_value(void **state) {
    (void)state;
    const float data[2 * 4] = {3, 3, 3, 3, -1, -1, -1, -1};
    const lt_array plane = {"flat", 3, {2, 2, 2}, data};
    lt_image image;
    assert_ok(picture_components((const lt_array *const[]){&plane}, 1, &image));
    for (int i = 0; i < 12; i++) assert_int_equal(image.pixels[i], 127);
    lt_image_free(&image);
}

static void test_scale(void **state) {
    (void)state;
    const float values[] = {0, 0.5f, 1, 0.25f, -1, 0, 0, 0};
    uint8_t bytes[8];
    float most[2];
    picture_scale(values, 2, 4, bytes, most);
    assert_memory_equal(bytes, ((uint8_t[]){0, 128, 255, 64, 0, 0, 0, 0}), 8);
    assert_true(most[0] == 1 && most[1] == 0);
}

/* A picture over the limit is the mean of what its pixels stand for. */
static void test_smaller(void **state) {
    (void)state;
    lt_image image;
    char *whole, *small, *expected;
    assert_ok(lt_image_alloc(4, 2, &image));
    for (int i = 0; i < 24; i++) image.pixels[i] = (uint8_t)(10 * (i / 6 % 2) + 40 * (i / 12));
    assert_ok(picture_url(&image, "png", 4, &whole));
    assert_ok(picture_url(&image, "png", 2, &small));
    assert_true(!strncmp(whole, "data:image/png;base64,iVBOR", 27));
    lt_image half;
    assert_ok(lt_image_alloc(2, 1, &half));
    for (int i = 0; i < 6; i++) half.pixels[i] = (uint8_t)(i < 3 ? 20 : 30);
    assert_ok(picture_url(&half, "png", 2, &expected));
    assert_string_equal(small, expected);
    free(whole);
    free(small);
    free(expected);
    lt_image_free(&image);
    lt_image_free(&half);
}

/* Each token stands where the library puts it, with its weight, and all of them are told. */
static void check_words(const char *text) {
    lt_request request = lt_request_defaults();
    lt_tokenizer *tokenizer;
    tool_words words;
    lt_prompt prompt;
    size_t count = 0;
    request.prompt = text;
    assert_ok(lt_tokenizer_of_clip(&tokenizer));
    assert_ok(tool_words_read(tokenizer, &request, false, &words));
    assert_ok(lt_prompt_parse(tokenizer, text, true, LT_TOKEN_END, &prompt));
    assert_int_equal(words.chunks, prompt.chunks);
    for (size_t i = 0; i < words.count; i++) {
        const tool_word *w = &words.items[i];
        assert_int_equal(prompt.ids[w->place], w->id);
        assert_true(prompt.weights[w->place] == (float)w->weight);
        assert_int_equal(w->chunk, w->place / TOOL_WORDS_CONTEXT);
    }
    for (size_t i = 0; i < prompt.chunks * TOOL_WORDS_CONTEXT; i++)
        count += prompt.ids[i] != LT_TOKEN_START && prompt.ids[i] != LT_TOKEN_END;
    assert_int_equal(words.count, count);
    lt_prompt_free(&prompt);
    lt_tokenizer_free(tokenizer);
    tool_words_free(&words);
}

/* CLIP's, but for the first two merges, "i n" and "t h", which have changed places. */
static lt_tokenizer *open_other(void) {
    const size_t size = (size_t)(lt_clip_merges_end - lt_clip_merges);
    lt_tokenizer *tokenizer;
    char *merges = malloc(size);
    memcpy(merges, lt_clip_merges, size);
    assert_memory_equal(merges, "i n\nt h\n", 8);
    memcpy(merges, "t h\ni n\n", 8);
    assert_ok(lt_tokenizer_create(merges, size, &tokenizer));
    free(merges);
    return tokenizer;
}

/* Texts are read by the tokenizer that is given, and none is made for each. */
static void test_given_tokenizer(void **state) {
    (void)state;
    lt_request request = lt_request_defaults();
    lt_tokenizer *clips, *other = open_other();
    tool_words words, others;
    request.prompt = "inzth (inzth:1.5)";
    assert_ok(lt_tokenizer_of_clip(&clips));
    assert_ok(tool_words_read(clips, &request, false, &words));
    assert_ok(tool_words_read(other, &request, false, &others));
    assert_int_equal(words.count, others.count);
    assert_int_equal(words.items[0].id + 1, others.items[0].id);
    assert_int_equal(words.items[words.count / 2].id + 1, others.items[words.count / 2].id);
    tool_words_free(&words);
    tool_words_free(&others);
    lt_tokenizer_free(clips);
    lt_tokenizer_free(other);
}

/* `apples` apples, a comma, and as many pears. */
static void check_comma(int apples, int pears) {
    char text[2048] = "";
    for (int i = 0; i < apples; i++) strcat(text, "apple ");
    strcat(text, ", ");
    for (int i = 0; i < pears; i++) strcat(text, "pear ");
    check_words(text);
}

static void test_words(void **state) {
    (void)state;
    check_words("");
    check_words("a (red:1.5) apple, [blue] tree");
    check_words("a cat BREAK a dog BREAK BREAK a bird");
    for (int apples = 50; apples < 80; apples++) check_comma(apples, 30);
    check_comma(150, 80);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_components), cmocka_unit_test(test_planes_of_one_value),
        cmocka_unit_test(test_scale),      cmocka_unit_test(test_smaller),
        cmocka_unit_test(test_words),      cmocka_unit_test(test_given_tokenizer),
    };
    return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
