/* A picture from a picture, with progress, and a stop after a number of steps if you ask for one.
 *
 *     ./progress MODEL IN.png PROMPT OUT.png [STOP_AFTER]
 */
#include <latent.h>
#include <stdio.h>
#include <stdlib.h>

static bool show(void *user, const lt_progress *p) {
    const int *stop_after = user;
    printf("step %d of %d, %.1f s left\n", p->step, p->steps, p->seconds_left);
    return p->step < *stop_after;
}

int main(int argc, char **argv) {
    if (argc != 5 && argc != 6) return fprintf(stderr, "usage: progress MODEL IN PROMPT OUT [STOP_AFTER]\n"), 2;
    int stop_after = argc == 6 ? atoi(argv[5]) : 1000000;
    lt_model *model = NULL;
    lt_session *session = NULL;
    lt_image image = {0};
    lt_result result = {0};
    lt_request request = lt_request_defaults();
    request.prompt = argv[3];
    request.image = &image;
    request.strength = 0.6;
    request.sampler = "ddim";
    request.progress = show;
    request.user = &stop_after;
    lt_status status = lt_image_load(argv[2], &image);
    if (!status) status = lt_model_open(argv[1], NULL, &model);
    if (!status) status = lt_session_open(model, NULL, &session);
    if (!status) status = lt_generate(session, &request, &result);
    if (!status) status = lt_image_save(argv[4], &result.images[0], result.parameters[0]);
    if (status == LT_ERROR_CANCELLED)
        printf("stopped\n");
    else if (status)
        fprintf(stderr, "progress: %s\n", lt_error_message());
    lt_result_free(&result);
    lt_image_free(&image);
    lt_session_close(session);
    lt_model_close(model);
    return status != LT_OK && status != LT_ERROR_CANCELLED;
}
