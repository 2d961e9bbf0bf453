/* How a product of rows by panels of output channels (gemm.h) is cut into jobs, which threads take whenever they are
 * free: some rows by some panels each, as large as caches hold but enough for all threads. */
#ifndef LT_JOBS_H
#define LT_JOBS_H

#include "kernels/gemm.h"

typedef struct lt_jobs {
    size_t rows, panels;         /* of everything */
    size_t job_rows, job_panels; /* of one; the last ones may be smaller */
} lt_jobs;

/* Of so many of desc's rows, for tiles of tile_rows; most_rows of a job, at most. whole: a tile costs the same if some
 * of its rows are missing, so jobs are of whole tiles. */
lt_jobs lt_jobs_plan(const lt_conv_desc *desc, const lt_gemm_simd *simd, size_t all_rows, size_t tile_rows,
                     size_t most_rows, bool whole);

static inline size_t lt_jobs_count(const lt_jobs *j) {
    return lt_count_parts(j->rows, j->job_rows) * lt_count_parts(j->panels, j->job_panels);
}

typedef struct lt_job {
    size_t row, row_end, panel, panels;
} lt_job;

static inline lt_job lt_job_at(const lt_jobs *j, size_t index) {
    const size_t down = lt_count_parts(j->rows, j->job_rows), row = index % down * j->job_rows;
    const size_t panel = index / down * j->job_panels;
    return (lt_job){row, lt_min(row + j->job_rows, j->rows), panel, lt_min(j->job_panels, j->panels - panel)};
}

/* What happens to the sums of some panels, from desc's row `row` on. */
lt_epilogue lt_job_epilogue(const lt_conv_desc *desc, const lt_gemm_simd *simd, const lt_conv_io *io, size_t row,
                            size_t panel, size_t panels);

#endif
