/* openapi.json, as it stands beside this file, in the program. */
#include "openapi.h"

extern const char lt_openapi_end[];

__asm__(".section .rodata\n"
        ".global lt_openapi\n"
        ".hidden lt_openapi\n"
        ".global lt_openapi_end\n"
        ".hidden lt_openapi_end\n"
        "lt_openapi:\n"
        ".incbin \"" LT_OPENAPI_FILE "\"\n"
        "lt_openapi_end:\n"
        ".byte 0\n"
        ".previous\n");

size_t lt_openapi_size(void) { return (size_t)(lt_openapi_end - lt_openapi); }
