/* annotate: the map of a picture that a control sees. */
#include "cli.h"

static struct { const char *input, *output; } o;

static const lt_option options[] = {
    {"input", 'i', LT_OPTION_FILE, "IN", "the picture", &o.input, .also = "image"},
    {"output", 'o', LT_OPTION_FILE, "OUT", "where its map goes: .png, .jpg, .webp, or - (standard output)", &o.output},
    {0},
};

static lt_status annotate(const char *annotator) {
    lt_image image, map;
    LT_TRY(lt_image_load(o.input, &image));
    lt_status status = lt_annotate(annotator, &image, &map);
    if (!status) status = lt_write_drawing(o.output, &map);
    if (!status) lt_image_free(&map);
    lt_image_free(&image);
    return status;
}

static int run(int count, char **words) {
    if (count != 1 || !o.input || !o.output)
        return lt_complain(LT_EXIT_USAGE, "an annotator, -i IN and -o OUT; see `latent annotate --help`");
    const int blocked = lt_check_drawing(o.output);
    if (blocked) return blocked;
    const lt_status status = annotate(words[0]);
    return status ? lt_complain_of(status) : LT_EXIT_OK;
}

const lt_command lt_command_annotate = {
    "annotate",
    "make the map of a picture that a ControlNet sees",
    "ANNOTATOR -i IN -o OUT.png",
    "Annotators, with numbers that may be left out; --annotator of txt2img does the same:\n"
    "  canny:100:200  edges, by two thresholds           scribble:32     lines, by a threshold\n"
    "  lineart        how much darker than around it     luminance:1     CIE's L*, to a power\n"
    "  invert         white for black                    intensity:1     the greatest channel, to a power\n"
    "  threshold:127  white where all channels are over  color           squares of 64 pixels, one colour each\n"
    "  tile:1         smaller by that factor, and back   blur:9          a Gaussian",
    "  latent annotate canny -i house.png -o edges.png\n"
    "  latent annotate canny:50:120 -i house.png -o edges.png\n",
    options,
    run,
    .words = lt_annotators,
};
