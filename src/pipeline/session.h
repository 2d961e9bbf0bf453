/* A use of an open model: the plans that run its modules, the threads they run in, who is told of what, and whether to
 * go on. One call at a time; any number of sessions on one model, each in its thread, share the packed weights. */
#ifndef LT_SESSION_H
#define LT_SESSION_H

#include "adapters/embedding.h"
#include "adapters/hash_cache.h"
#include "adapters/lora_set.h"
#include "pipeline/components.h"

#include <stdatomic.h>

/* Who is told of each operation; nobody where tell is NULL. */
typedef struct lt_profiler {
    lt_profile_fn tell;
    void *user;
} lt_profiler;

/* Who is shown what modules make (lt_session_watch); nobody where tapped is NULL. */
typedef struct lt_watching {
    bool (*tapped)(void *user, const lt_tapped *value);
    const lt_tap *taps; /* [count] */
    size_t count;
    void *user;
} lt_watching;

/* Sizes for which a module may be planned side by side: a U-Net for all branches and for one alone, each whole and
 * around given deep features. */
enum { LT_MODULE_PLANS = 4 };

typedef struct lt_slot {
    lt_plan *plan; /* NULL: free */
    lt_module_size size;
    lt_precision precision; /* the session's when it was made */
    bool retired;           /* for other weights than the session's now; replaced when it is asked for */
} lt_slot;

/* What is done, while a request is served, to take less memory. */
typedef struct lt_thrift {
    bool in_turn; /* branches go through the U-Net one by one, and its arena is given back while a picture is decoded */
    bool repack;  /* so are its weights, which the next picture packs again */
    bool tiles;   /* pictures are encoded and decoded in tiles */
} lt_thrift;

struct lt_session {
    const lt_components *parts;
    struct lt_model
        *model;       /* whose parts these are, which the public interface keeps open; NULL in a guide's session */
    lt_target target; /* with the callback of the request that is being served */
    lt_listener listener;
    lt_profiler profile;
    lt_watching watching;
    atomic_flag busy;      /* a call is using it */
    char *models;          /* where what prompts name is looked for, besides around the checkpoint; or NULL */
    lt_hash_cache *hashes; /* of such files; owned, or NULL */
    lt_seamless wraps;     /* sides that are one to U-Net and VAE: its own, or a request's too */
    bool low_memory;       /* what can be run in turn is */
    double max_memory;     /* GB (10^9 bytes); 0: any */
    lt_thrift thrift;
    bool automatic;  /* target.precision was not asked for, but chosen */
    bool size_noted; /* that a picture's size is far from the model's own */
    lt_slot plans[LT_MODULE_COUNT][LT_MODULE_PLANS];
    struct {
        lt_lora_set *own, *worn; /* worn: that is added to the weights, its own or a request's; NULL: none */
        bool requested;          /* a request is being served */
    } loras;                     /* pipeline/adapting.h */
    lt_inversions embeddings;    /* that the prompts of the request being served may name */
};

/* From now on deltas are added to the weights of the session's modules; NULL: nothing is. What they leave alone, and
 * what they and those before do alike, is not packed again. */
void lt_session_apply(lt_session *session, lt_deltas *deltas);

/* A session on other parts, a guide's, with the threads and the callbacks of host, during one call on that.
 * lt_session_drop is due. */
lt_session lt_session_beside(const lt_session *host, const lt_components *parts);
/* Gives all plans' memory back. */
void lt_session_drop(lt_session *session);

/* The plan of a module for a size: the one from before, or a new one in place of all. LT_ERROR_MODEL if the checkpoint
 * lacks it. */
lt_status lt_module_plan(lt_session *session, lt_module module, const lt_module_size *size, lt_plan **plan);
/* The same for several sizes, all of them other ones, at most LT_MODULE_PLANS: their plans share packed weights. */
lt_status lt_module_plans(lt_session *session, lt_module module, const lt_module_size *sizes, int count,
                          lt_plan *plans[]);
/* What a module's plans for these sizes would take beside each other: bytes of packed weights and of activations. */
typedef struct lt_need {
    size_t weights, values;
} lt_need;
lt_status lt_module_need(const lt_session *session, lt_module module, const lt_module_size *sizes, int count,
                         lt_need *need);
/* Has its plans, if there are any, made anew when they are next asked for: other weights are kept from 8 bits now. */
void lt_module_renew(lt_session *session, lt_module module);
/* Runs a plan, asking between operations whether the request was cancelled; then tells the profiler what was run. */
lt_status lt_module_run(const lt_session *session, lt_plan *plan, lt_rate changed);
/* Gives the memory back in which a module's plans run, if there are any, until lt_module_plan; packed weights stay. */
void lt_module_rest(lt_session *session, lt_module module);
/* Before something else takes memory: gives back what thrift says, all of its memory, that in which it runs, or none.
 */
void lt_module_spare(lt_session *session, lt_module module, lt_thrift thrift);
/* Gives all of its memory back, and packed weights that no other session uses. */
void lt_module_drop(lt_session *session, lt_module module);

#endif
