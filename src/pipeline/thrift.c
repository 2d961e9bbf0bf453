/* How a request is brought within the memory that its session may take. */
#include "pipeline/thrift.h"

#include "base/fields.h"
#include "pipeline/latent.h"

#include <math.h>

#define GB      1e9
#define PROGRAM 24e6 /* bytes: code, libraries, stacks, what belongs to no module */

/* ---- What it takes ---- */

static double bytes_of(lt_need need) { return (double)need.weights + (double)need.values; }

static lt_need sum_of(lt_need a, lt_need b) { return (lt_need){a.weights + b.weights, a.values + b.values}; }

/* Of a picture that is decoded or encoded: floats of it and of its tiles' shares, bytes. */
static double pixel_bytes(const lt_canvas *canvas) {
    return (double)canvas->width * canvas->height * (3 * sizeof(float) + sizeof(float) + 3);
}

/* Of the U-Net, while a picture is encoded or decoded. */
static double resting_bytes(lt_thrift thrift, lt_need unet) {
    if (thrift.repack) return 0;
    return thrift.in_turn ? (double)unet.weights : bytes_of(unet);
}

/* What is taken at the worst moment, of session->thrift; *unet: of the U-Net and what controls it. */
static lt_status count_bytes(lt_session *session, const lt_taking *t, lt_need *unet, double *bytes) {
    static const lt_module vae[] = {LT_MODULE_VAE_DECODER, LT_MODULE_VAE_ENCODER};
    const lt_canvas *c = t->canvas;
    const int used = session->parts->pixels ? 0 : t->request->image ? 2 : 1;
    lt_need controls = {0}, refiner;
    LT_TRY(lt_denoiser_need(session, t->branches, lt_savings_of(t->request), c->latent_h, c->latent_w, unet));
    if (t->branches->controls) LT_TRY(lt_controls_need(t->branches->controls, &controls));
    LT_TRY(lt_refiner_need(t->refiner, lt_savings_of(t->request), c->latent_h, c->latent_w, &refiner));
    *unet = sum_of(*unet, controls);
    double most = fmax(bytes_of(*unet), bytes_of(refiner)); /* one after the other, or one beside the other */
    if (!session->thrift.repack) *unet = sum_of(*unet, refiner);
    most = fmax(most, bytes_of(*unet));
    for (int i = 0; i < used; i++) {
        lt_need need;
        LT_TRY(lt_latent_need(session, vae[i], c->latent_h, c->latent_w, session->thrift.tiles, &need));
        most = fmax(most, resting_bytes(session->thrift, *unet) + bytes_of(need) + pixel_bytes(c));
    }
    *bytes = most + PROGRAM + lt_guidance_bytes(t->guidance);
    return LT_OK;
}

/* ---- What is done about it ---- */

/* The dearer, the later: of several sets of ways that suffice, read as binary numbers, the least is taken. */
typedef struct lt_way {
    size_t offset; /* of the bool in lt_thrift */
    const char *note;
} lt_way;

static const lt_way ways[] = {
    {offsetof(lt_thrift, repack),
     "the U-Net's weights are given back before a picture is decoded, and packed again for "
     "the next one"},
    {offsetof(lt_thrift, in_turn), "the prompts go through the U-Net one by one"},
    {offsetof(lt_thrift, tiles), "the picture goes through the VAE in tiles, which changes it a little"},
};
enum { SETS = 1 << LT_COUNT(ways) };

static bool in_set(unsigned set, size_t way) { return set >> way & 1; }

/* asked, and the ways of a set. */
static lt_thrift with_set(lt_thrift asked, unsigned set) {
    for (size_t i = 0; i < LT_COUNT(ways); i++)
        if (in_set(set, i)) *(bool *)((char *)&asked + ways[i].offset) = true;
    return asked;
}

static void tell(const lt_session *session, unsigned set) {
    for (size_t i = 0; i < LT_COUNT(ways); i++)
        if (in_set(set, i))
            lt_notify(&session->listener, "to stay within %.2f GB, %s", session->max_memory, ways[i].note);
}

static lt_status refuse(const lt_session *session, const lt_canvas *canvas, lt_need unet, double least) {
    return lt_fail(LT_ERROR_MEMORY,
                   "%dx%d takes %.2f GB at least, %.2f of it for the U-Net's weights in %s; `max_memory` allows %.2f",
                   canvas->width, canvas->height, least / GB, (double)unet.weights / GB,
                   lt_precision_choices[session->target.precision], session->max_memory);
}

lt_status lt_thrift_choose(lt_session *session, const lt_taking *taking) {
    const lt_request *r = taking->request;
    const lt_thrift asked = {session->low_memory, r->last && r->count == 1, r->tiling};
    lt_need unet;
    double bytes;
    session->thrift = asked;
    if (session->max_memory <= 0) return LT_OK;
    for (unsigned set = 0; set < SETS; set++) {
        session->thrift = with_set(asked, set);
        LT_TRY(count_bytes(session, taking, &unet, &bytes));
        if (bytes > session->max_memory * GB) continue;
        tell(session, set);
        return LT_OK;
    }
    return refuse(session, taking->canvas, unet, bytes);
}
