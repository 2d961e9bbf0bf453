/* Memory, as Linux tells it. */
#include "memory.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* "RssAnon:  1234 kB" in bytes; 0: it doesn't tell. */
static double status_line(const char *name) {
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    double kib = 0;
    while (file && kib <= 0 && fgets(line, sizeof line, file))
        if (!strncmp(line, name, strlen(name))) sscanf(line + strlen(name), "%lf", &kib);
    if (file) fclose(file);
    return 1024 * kib;
}

double server_memory_held(void) { return status_line("RssAnon:"); }
double server_memory_resident(void) { return status_line("VmRSS:"); }

/* Of version 2, as a container sees its own; "max" and a file that isn't there are no limit. */
static double group_limit(void) {
    FILE *file = fopen("/sys/fs/cgroup/memory.max", "re");
    double bytes = 0;
    if (file && fscanf(file, "%lf", &bytes) != 1) bytes = 0;
    if (file) fclose(file);
    return bytes;
}

double server_memory_machine(void) {
    const double all = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE), group = group_limit();
    return group > 0 && group < all ? group : all;
}

void server_memory_trim(void) { malloc_trim(0); }
