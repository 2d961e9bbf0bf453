/* A picture from words, in as few lines as it takes.
 *
 *     cc txt2img.c -o txt2img $(pkg-config --cflags --libs latent)
 *     ./txt2img sd15.safetensors "a red apple" apple.png
 */
#include <latent.h>
#include <stdio.h>

int main(int argc, char **argv) {
    if (argc != 4) return fprintf(stderr, "usage: txt2img MODEL PROMPT OUT.png\n"), 2;
    lt_model *model = NULL;
    lt_session *session = NULL;
    lt_result result = {0};
    lt_request request = lt_request_defaults();
    request.prompt = argv[2];
    lt_status status = lt_model_open(argv[1], NULL, &model);
    if (!status) status = lt_session_open(model, NULL, &session);
    if (!status) status = lt_generate(session, &request, &result);
    if (!status) status = lt_image_save(argv[3], &result.images[0], result.parameters[0]);
    if (status) fprintf(stderr, "txt2img: %s\n", lt_error_message());
    lt_result_free(&result);
    lt_session_close(session);
    lt_model_close(model);
    return status != LT_OK;
}
