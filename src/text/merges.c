/* CLIP's merge list, put into the program as it is. */
#include "text/merges.h"

__asm__(".section .rodata\n"
        ".global lt_clip_merges\n"
        ".hidden lt_clip_merges\n"
        ".global lt_clip_merges_end\n"
        ".hidden lt_clip_merges_end\n"
        "lt_clip_merges:\n"
        ".incbin \"" LT_MERGES_FILE "\"\n"
        "lt_clip_merges_end:\n"
        ".byte 0\n"
        ".previous\n");

lt_status lt_tokenizer_of_clip(lt_tokenizer **tokenizer) {
    return lt_tokenizer_create(lt_clip_merges, (size_t)(lt_clip_merges_end - lt_clip_merges), tokenizer);
}
