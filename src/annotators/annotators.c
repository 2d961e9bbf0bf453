/* Maps of pictures for controls: which there are. */
#include "annotators/annotators.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_NUMBERS = 2 };

static const char inpaint[] = "inpaint"; /* what a control makes of the mask */

static const struct annotator {
    const char *name;
    int numbers; /* that may be said */
    struct {
        double usual, least, most;
    } number[MOST_NUMBERS];
    bool rising; /* the first is not over the second */
    lt_status (*run)(const lt_image *image, const double *p, lt_image *map);
} annotators[] = {
    {"canny", 2, {{100, 0, 10000}, {200, 0, 10000}}, true, lt_annotate_canny},
    {"scribble", 1, {{32, 1, 510}}, false, lt_annotate_scribble},
    {"lineart", 0, {{0}}, false, lt_annotate_lineart},
    {"luminance", 1, {{1, 0.01, 100}}, false, lt_annotate_luminance},
    {"intensity", 1, {{1, 0.01, 100}}, false, lt_annotate_intensity},
    {"invert", 0, {{0}}, false, lt_annotate_invert},
    {"threshold", 1, {{127, 0, 255}}, false, lt_annotate_threshold},
    {"color", 0, {{0}}, false, lt_annotate_color},
    {"tile", 1, {{1, 1, 64}}, false, lt_annotate_tile},
    {"blur", 1, {{9, 0.1, 1000}}, false, lt_annotate_blur},
};

const char *const *lt_annotator_names(void) {
    static const char *const names[] = {"canny",     "scribble", "lineart", "luminance", "intensity", "invert",
                                        "threshold", "color",    "tile",    "blur",      NULL};
    return names;
}

static const struct annotator *find(const char *text) {
    const size_t length = strcspn(text, ":");
    for (size_t i = 0; i < LT_COUNT(annotators); i++)
        if (!strncmp(annotators[i].name, text, length) && !annotators[i].name[length]) return &annotators[i];
    return NULL;
}

/* The i-th number of a, which all of word [size] is. */
static lt_status read_number(const struct annotator *a, int i, const char *word, size_t size, double *p) {
    char *end;
    *p = strtod(word, &end);
    if (!size || end != word + size || strspn(word, "+-.0123456789eE") < size)
        return lt_fail(LT_ERROR_ARGUMENT, "\"%.*s\" is no number", (int)lt_min(size, 60), word);
    if (*p >= a->number[i].least && *p <= a->number[i].most) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT, "number %d of %s is from %g to %g", i + 1, a->name, a->number[i].least,
                   a->number[i].most);
}

/* The numbers behind the name, or the usual ones. */
static lt_status read_numbers(const struct annotator *a, const char *text, double p[MOST_NUMBERS]) {
    const char *at = text + strcspn(text, ":");
    for (int i = 0; i < a->numbers; i++) p[i] = a->number[i].usual;
    for (int i = 0; *at && i < a->numbers; i++) {
        const size_t size = strcspn(at + 1, ":");
        LT_TRY(read_number(a, i, at + 1, size, &p[i]));
        at += 1 + size;
    }
    if (*at) return lt_fail(LT_ERROR_ARGUMENT, "%s takes %d number%s", a->name, a->numbers, LT_S(a->numbers));
    if (!a->rising || p[0] <= p[1]) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT, "%g is over %g: the lower threshold comes first", p[0], p[1]);
}

static lt_status read(const char *text, const struct annotator **a, double p[MOST_NUMBERS]) {
    char names[160];
    *a = find(text);
    if (*a) return read_numbers(*a, text, p) ? lt_fail_in(LT_ERROR_ARGUMENT, "annotator %.60s", text) : LT_OK;
    lt_join_names(lt_annotator_names(), names, sizeof names);
    if (!strcmp(text, inpaint))
        return lt_fail(LT_ERROR_ARGUMENT, "annotator %s: a control's alone, of a picture with a mask; there are %s",
                       inpaint, names);
    return lt_fail(LT_ERROR_ARGUMENT, "no annotator %.60s: there are %s, and with a mask %s", text, names, inpaint);
}

lt_status lt_annotator_known(const char *text) {
    const struct annotator *a;
    double p[MOST_NUMBERS];
    return strcmp(text, inpaint) ? read(text, &a, p) : LT_OK;
}

lt_status lt_annotate_picture(const char *text, const lt_image *image, lt_image *map) {
    const struct annotator *a;
    double p[MOST_NUMBERS];
    *map = (lt_image){0};
    LT_TRY(lt_image_check(image));
    LT_TRY(read(text, &a, p));
    LT_TRY(lt_image_alloc(image->width, image->height, map));
    const lt_status status = a->run(image, p, map);
    if (status) lt_image_free(map);
    return status;
}
