/* Curves from training logs. */
#include "plot_curve.h"

#include <math.h>
#include <stdlib.h>

/* The log10 of its values, where they have one; other rows go. */
static void take_logarithms(lt_curve *log) {
    size_t count = 0;
    for (size_t i = 0; i < log->count; i++) {
        if (log->values[i] <= 0) continue;
        log->steps[count] = log->steps[i];
        log->values[count++] = log10(log->values[i]);
    }
    log->count = count;
}

lt_status plot_curve_read(const char *path, const char *field, bool logarithmic, plot_curve *curve) {
    *curve = (plot_curve){0};
    LT_TRY(lt_curve_read(path, field, &curve->log));
    if (logarithmic) take_logarithms(&curve->log);
    if (curve->log.count) return LT_OK;
    plot_curve_free(curve);
    return lt_fail(LT_ERROR_FORMAT, "%s: no row has a step and a number \"%s\" above 0", path, field);
}

void plot_curve_free(plot_curve *curve) {
    lt_curve_free(&curve->log);
    free(curve->smooth);
    *curve = (plot_curve){0};
}

/* ---- Smoothing ---- */

/* out[i] is the mean of in from reach rows before i to reach rows behind it. Near the beginning, where losses fall
 * steeply, it looks ahead no further than back; at the end it looks back only. sums [count + 1]. */
static void average(const double *in, double *out, size_t count, size_t reach, double *sums) {
    sums[0] = 0;
    for (size_t i = 0; i < count; i++) sums[i + 1] = sums[i] + in[i];
    for (size_t i = 0; i < count; i++) {
        const size_t back = tool_least(reach, i), ahead = tool_least(back, count - 1 - i);
        out[i] = (sums[i + ahead + 1] - sums[i - back]) / (double)(back + ahead + 1);
    }
}

/* Twice a flat window: once would leave corners. */
lt_status plot_curve_smooth(plot_curve *curve, size_t window) {
    const size_t n = curve->log.count, few = tool_least(n / 10, 5);
    if (!window) window = n / 50 > few ? n / 50 : few;
    curve->smooth = tool_calloc(n, sizeof *curve->smooth);
    double *sums = tool_calloc(n + 1, sizeof *sums);
    if (curve->smooth && sums) {
        average(curve->log.values, curve->smooth, n, window / 2, sums);
        average(curve->smooth, curve->smooth, n, window / 2, sums);
    }
    const lt_status status = curve->smooth && sums ? LT_OK : LT_ERROR_MEMORY;
    free(sums);
    return status;
}
