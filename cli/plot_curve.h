/* Curves from training logs: one number of the rows over their steps. */
#ifndef PLOT_CURVE_H
#define PLOT_CURVE_H

#include "base/base.h"

typedef struct plot_curve {
    double *x, *y, *smooth; /* [count]: steps, values (their log10 if asked for), moving means */
    size_t count;
} plot_curve;

/* The rows of the log at path that have that number; at least one has, or it is an error that says which numbers there
 * are. A torn last line is left out. */
lt_status plot_curve_read(const char *path, const char *field, bool logarithmic, plot_curve *curve);
void plot_curve_free(plot_curve *curve); /* a zeroed one is fine */

/* Fills smooth with means over about window rows; 0: what suits the number of rows. */
lt_status plot_curve_smooth(plot_curve *curve, size_t window);

#endif
