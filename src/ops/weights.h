/* The weight store of an open model: its tensors by canonical name, and each packed form of them that a plan has asked
 * for, made once and shared by every plan. Forms are acquired and given back from any number of threads at once: who
 * wants one that another thread is packing waits for it. Trained weights alone (those with a gradient) are one
 * thread's. */
#ifndef LT_WEIGHTS_H
#define LT_WEIGHTS_H

#include "kernels/weight_source.h"

typedef struct lt_weights lt_weights;

typedef struct lt_weight {
    lt_tensor tensor; /* as the file holds it; tensor.name is the canonical name */
    lt_weights *store;
    struct lt_packed *packed;
    /* Of a weight that is trained: the sum of its gradients, in the order of its tensor, which is then dense float32
     * memory that may change. NULL: it stays as it is. */
    float *gradient;
    unsigned generation; /* counts its changes */
    bool kept;           /* is not multiplied in 8 bits, whatever is asked: it was measured not to stand it */
} lt_weight;

/* tensors [count] are sorted by name (strcmp); their names and data stay with the caller and outlive the store. */
lt_status lt_weights_create(const lt_tensor *tensors, size_t count, lt_weights **weights);
void lt_weights_free(lt_weights *weights); /* after every plan that uses them; NULL is fine */

size_t lt_weights_count(const lt_weights *weights);
lt_weight *lt_weights_at(const lt_weights *weights, size_t i); /* in order of names */

/* NULL if it is not there. */
lt_weight *lt_weights_find(const lt_weights *weights, const char *name);
/* True if any tensor's name starts with prefix. */
bool lt_weights_has_prefix(const lt_weights *weights, const char *prefix);
/* One more than the largest number N for which a name starts with prefix followed by "N." ; 0 if there is none. */
int lt_weights_count_indexed(const lt_weights *weights, const char *prefix);

/* Trained weights have changed: plans pack them again before they run. */
void lt_weights_changed(lt_weights *weights);

/* The forms that weight has by now, at most `most` of them: how many. Nobody else uses the store. */
size_t lt_weight_forms(const lt_weight *weight, lt_ready_form *forms, size_t most);

/* Bytes of all packed forms. */
size_t lt_weights_packed_size(lt_weights *weights);
/* How many bytes of forms that nobody uses may stay, for those who want them again; at first none. The longest unused
 * goes first. */
void lt_weights_keep(lt_weights *weights, size_t bytes);

/* Fills data with a packed form of weight. */
typedef lt_status (*lt_pack_fn)(const void *user, const lt_weight_source *weight, void *data);

/* A packed form of a weight: forms of equal layout strings are the same bytes. */
typedef struct lt_form {
    const char *layout; /* NULL: none is wanted */
    size_t size;
    lt_pack_fn pack;
    const void *user;     /* pack's */
    lt_delta_list deltas; /* what is added to the weight before */
    lt_isa isa;           /* by the kernels of which set */
} lt_form;

/* As float32, row-major: biases, norms, embeddings. Of a trained weight its own memory, never out of date. */
lt_form lt_form_f32(const lt_weight *weight);

/* The form, packed on first use, or as its file has it ready: where that has forms and not this one, it is
 * LT_ERROR_UNSUPPORTED. Each acquire is given back by one release; behind the last one it stays while
 * lt_weights_keep allows. */
lt_status lt_weight_acquire(lt_weight *weight, const lt_form *form, const void **data);
void lt_weight_release(lt_weight *weight, const void *data);
/* Packs data, which came from lt_weight_acquire with the same form, again if the weight has changed since. */
lt_status lt_weight_refresh(lt_weight *weight, const lt_form *form, const void *data);

#endif
