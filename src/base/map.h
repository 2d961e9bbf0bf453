/* Files as memory: mapped read-only, and guarded.
 *
 * A file that is cut short while it is mapped has no bytes behind its new end, and whoever reads there gets SIGBUS.
 * A handler, which each opening sees to be there, turns that fault into zeros and a mark on the map; whoever relies on
 * what was read asks lt_map_check. Faults elsewhere are passed on to the handler that was there before, or end the
 * process as they would have. */
#ifndef LT_MAP_H
#define LT_MAP_H

#include "base/base.h"

/* A file's bytes. size 0 has data NULL. */
typedef struct lt_map {
    const uint8_t *data;
    size_t size;
} lt_map;

lt_status lt_map_open(const char *path, lt_map *map); /* LT_ERROR_FILE for anything but a readable regular file */
void lt_map_close(lt_map *map);

/* What came of reading at data, anywhere in a map: status, or LT_ERROR_FILE with a message that begins with the file's
 * path if that was cut short since it was mapped, because then status may come of zeros. Memory that is no map's is
 * whole. */
lt_status lt_map_check(const void *data, lt_status status);
/* lt_map_check of all that was read from map, which is closed. */
lt_status lt_map_finish(lt_map *map, lt_status status);

/* Whether the file that is mapped at data has been written to since, or its name is another file's. One that is gone
 * has not changed. */
bool lt_map_changed(const void *data);

/* Lets the pages of [data, data + size) go: they come back from the file when read again. */
void lt_map_release(const void *data, size_t size);

#endif
