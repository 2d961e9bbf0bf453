/* What PyTorch's pickles mean, whatever file they are in: the tensors of a state dictionary, each of which looks at a
 * storage. Each container (torch_zip.c, torch_stream.c) says where it keeps the storages' bytes. */
#ifndef LT_TORCH_H
#define LT_TORCH_H

#include "formats/listing.h"
#include "formats/pickle.h"

/* The bytes of the storage of that key (a text), in *bytes; fails if the container has none. */
typedef lt_status (*lt_torch_find_fn)(const void *container, const lt_pickle_value *key, lt_bytes *bytes);

/* Adds every tensor of the pickle to checkpoint. */
lt_status lt_torch_read_state(const lt_pickle *pickle, lt_torch_find_fn find, const void *container,
                              lt_checkpoint *checkpoint);

/* Bytes an element of a storage of that class (a global), also where we can't read them; 0: the class is not known. */
size_t lt_torch_item_size(const lt_pickle_value *type);

#endif
