/* Curves from training logs: one number of the rows over their steps. */
#ifndef PLOT_CURVE_H
#define PLOT_CURVE_H

#include "tools/tools.h"

typedef struct plot_curve {
    lt_curve log;   /* its values are their log10, if asked for */
    double *smooth; /* [log.count]: moving means */
} plot_curve;

/* As lt_curve_read. */
lt_status plot_curve_read(const char *path, const char *field, bool logarithmic, plot_curve *curve);
void plot_curve_free(plot_curve *curve); /* a zeroed one is fine */

/* Fills smooth with means over about window rows; 0: what suits the number of rows. */
lt_status plot_curve_smooth(plot_curve *curve, size_t window);

#endif
