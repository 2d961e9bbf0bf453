/* Writes the recorded IP-Adapters and their image encoder, small ones of made-up weights: ip.safetensors,
 * ip-plus.safetensors and vit.safetensors.
 * usage: image_prompts FOLDER */
#include "../unit/image_prompt_files.h"

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    for (int i = FILE_PLAIN; i <= FILE_ENCODER; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", argv[1], image_prompt_names[i]);
        write_image_prompt_file((image_prompt_file)i, path);
    }
    return 0;
}
