/* IP-Adapter (Ye et al. 2023): a picture as a prompt. What CLIP's image tower makes of it becomes tokens, and of these
 * each cross-attention of the U-Net has keys and values of its own. The plain kind projects the picture's embedding to
 * a few tokens; Plus has learned tokens that look at all of the tower's (a resampler: Alayrac et al. 2022, Flamingo).
 */
#ifndef LT_IP_ADAPTER_H
#define LT_IP_ADAPTER_H

#include "models/unet.h"

typedef struct lt_ip_adapter {
    lt_weights *weights;
    bool plus;
    int embed;       /* channels of what it reads: the embedding, or Plus the tower's states */
    int tokens;      /* that it makes */
    int context_dim; /* of each: as wide as the U-Net's context */
    int layers;      /* Plus: of the resampler */
    int attentions;  /* that have keys and values */
} lt_ip_adapter;

/* Walks over all of it. */
void lt_ip_adapter_walk(const lt_ip_adapter *adapter, lt_walk *walk);
void lt_ip_adapter_read(const lt_names *names, lt_ip_adapter *adapter);

/* Reads the description from weights named "image_proj..." and "ip_adapter...". LT_ERROR_UNSUPPORTED: of the kinds that
 * read faces' embeddings, or all of the tower's states at once. */
lt_status lt_ip_adapter_open(lt_weights *weights, lt_ip_adapter *adapter);

/* Input: "embeds" [n,1,states,embed], of the plain kind one embedding each, of Plus the tower's states before its last
 * layer. Outputs: "ip_tokens" [n,1,tokens,context_dim], and in the file's order (down, up, middle) of each attention
 * "image_keys" and "image_values" [n,1,tokens,c]. */
lt_status lt_ip_adapter_build(const lt_ip_adapter *adapter, int n, int states, lt_graph *graph);

/* LT_ERROR_MODEL unless the keys and values are of the U-Net's attentions: the message says for which model the adapter
 * was made, where its sizes tell. */
lt_status lt_ip_adapter_fits(const lt_ip_adapter *adapter, const lt_unet *unet);

#endif
