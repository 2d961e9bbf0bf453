/* Cutting a product into jobs: see jobs.h. */
#include "kernels/jobs.h"

enum {
    JOB_COLUMNS = 320,    /* with 384 words of k: 480 KB of weights, half of a 1 MB second-level cache */
    MIN_JOB_COLUMNS = 96, /* jobs are not made narrower as long as they can be made shorter */
    JOBS_A_THREAD = 4
};

lt_jobs lt_jobs_plan(const lt_conv_desc *d, const lt_gemm_simd *simd, size_t all_rows, size_t tile_rows,
                     size_t most_rows, bool whole) {
    const size_t unit = d->act == LT_ACT_GEGLU ? 2 : 1, columns = simd->columns; /* values and gates stay together */
    lt_jobs j = {.rows = all_rows, .panels = lt_panels(d, simd)};
    size_t panels = lt_part(j.panels / unit, JOB_COLUMNS / columns / unit), rows = lt_part(j.rows, most_rows);
    if (whole) rows = lt_round_up(rows, tile_rows);
    const size_t wanted = (size_t)JOBS_A_THREAD * (size_t)d->threads;
    while (lt_count_parts(j.panels / unit, panels) * lt_count_parts(j.rows, rows) < wanted) {
        if (panels > 1 && (panels * unit * columns > MIN_JOB_COLUMNS || rows <= tile_rows))
            panels = (panels + 1) / 2;
        else if (rows > tile_rows)
            rows = lt_round_up((rows + 1) / 2, tile_rows);
        else
            break;
    }
    j.job_panels = panels * unit;
    j.job_rows = rows;
    return j;
}

lt_epilogue lt_job_epilogue(const lt_conv_desc *d, const lt_gemm_simd *simd, const lt_conv_io *io, size_t row,
                            size_t panel, size_t panels) {
    const bool geglu = d->act == LT_ACT_GEGLU;
    const size_t oc = (size_t)d->oc, first = panel * simd->columns / (geglu ? 2 : 1);
    const size_t columns = panels * simd->columns / (geglu ? 2 : 1);
    const size_t pitch = lt_conv_dst_pitch(d), residual_pitch = lt_conv_residual_pitch(d);
    return (lt_epilogue){.act = d->act,
                         .columns = lt_min(columns, oc - first),
                         .alpha = lt_conv_alpha(d),
                         .stride = pitch,
                         .residual_stride = residual_pitch,
                         .bias = io->bias ? io->bias + first : NULL,
                         .gate_bias = io->bias && geglu ? io->bias + oc + first : NULL,
                         .residual = io->residual ? io->residual + row * residual_pitch + first : NULL,
                         .dst = (char *)io->dst + (row * pitch + first) * lt_value_types[d->dst_type].bytes,
                         .type = d->dst_type};
}
