/* What memory this process holds. */
#ifndef LT_SERVER_MEMORY_H
#define LT_SERVER_MEMORY_H

double server_memory_held(void);     /* bytes besides those of mapped files, which the system takes back as it likes */
double server_memory_resident(void); /* with those */
double server_memory_machine(void);  /* of the machine, or of the control group that this process is in */
void server_memory_trim(void);       /* what was freed goes back to the system */

#endif
