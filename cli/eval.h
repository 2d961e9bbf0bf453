/* eval: what its files share. */
#ifndef LT_CLI_EVAL_H
#define LT_CLI_EVAL_H

#include "progress.h"

typedef struct lt_eval_options {
    lt_model_options model, clip; /* clip.model NULL: the model's own towers, if it has both */
    const char *prompts, *key, *sampler, *sheet, *pictures, *data, *reconstruct, *recall, *bound, *judge, *judges;
    int seeds, steps, count, size, columns, timesteps;
    float cfg;
    uint64_t seed;
    bool quiet, json;
} lt_eval_options;

/* What one command found; NULL for what was not asked for. */
typedef struct lt_findings {
    const lt_reconstruction *reconstruction;
    const lt_clip_recall *recall;
    const lt_bound *bound;
    const lt_judgement *judgement;
    const lt_judge *judges; /* [judge_count] */
    size_t judge_count;
    lt_drawn drawn;
    int width, height; /* of pictures drawn */
    bool by_clip;      /* they were compared with their prompts */
} lt_findings;

/* Draws every prompt with every seed; pictures go to the sheet and the folder that the options name. clip: NULL
 * without. */
lt_status lt_eval_draw(const lt_eval_options *o, lt_session *session, lt_session *clip, lt_count_line *line,
                       lt_findings *out);

/* Lines for people, or everything as one JSON object. */
void lt_findings_print(const lt_eval_options *o, const lt_findings *f);
int lt_findings_print_json(const lt_eval_options *o, const lt_findings *f); /* an exit status */

#endif
