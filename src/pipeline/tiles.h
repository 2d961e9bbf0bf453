/* A module run over a picture in tiles, each as if it were a whole picture. Neighbours overlap, and where they do each
 * one's share falls linearly towards its edge, so that no seam shows. One tile as large as the picture is the untiled
 * case, exactly. */
#ifndef LT_TILES_H
#define LT_TILES_H

#include "pipeline/session.h"

typedef struct lt_tiles {
    lt_module module;
    const char *input, *output;
    int in_unit, out_unit; /* pixels of input and of output for each unit that tiles are counted in, along each side */
    int in_channels, out_channels;
    int h, w;    /* of the whole, in units */
    int side;    /* of a tile, at most, in units; 0: of any size */
    int overlap; /* units that neighbours share, under half of side */
    int margin;  /* of them, those at a tile's edge that are left out: what its end has spoilt */
    bool (*progress)(void *user, size_t done, size_t count); /* of tiles, before the first and after each; false:
                                                                LT_ERROR_CANCELLED. NULL: nobody is told */
    void *user;
} lt_tiles;

/* in [h*in_unit, w*in_unit, in_channels] -> out [h*out_unit, w*out_unit, out_channels]. */
lt_status lt_tiles_run(lt_session *session, const lt_tiles *tiles, const float *in, float *out);

#endif
