/* What controls a U-Net, alone. */
#ifndef LT_RUN_CONTROL_H
#define LT_RUN_CONTROL_H

#include "api/model.h"

/* A ControlNet: x [n,c,h,w], t [n], context [n,tokens,dim], hint [n,3,8h,8w] in [0, 1] -> residual.I. */
lt_status lt_run_control(lt_session *session, const lt_run_options *options, const lt_tensor *in, size_t count,
                         lt_arrays *out);

/* A T2I-Adapter: hint [n,3,8h,8w] in [0, 1] -> feature.I. */
lt_status lt_run_adapter(lt_session *session, const lt_run_options *options, const lt_tensor *in, size_t count,
                         lt_arrays *out);

#endif
