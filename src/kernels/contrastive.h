/* The contrastive loss (loss.h), whose rows are shared out over threads. */
#ifndef LT_CONTRASTIVE_H
#define LT_CONTRASTIVE_H

#include "kernels/loss.h"

double lt_contrastive(const lt_contrastive_args *a);
void lt_contrastive_backward(const lt_contrastive_args *a);

#endif
