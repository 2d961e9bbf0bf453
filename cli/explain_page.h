/* The page of `latent explain`, woven by weave.awk from explain.html, .css, .js and the source: {{data}} stands for
 * what it shows. */
#ifndef LT_CLI_EXPLAIN_PAGE_H
#define LT_CLI_EXPLAIN_PAGE_H

extern const char lt_explain_page[];

#endif
