/* Halfway between two pictures, in latent space: encode both, mix, decode.
 *
 *     ./latent_space MODEL A.png B.png OUT.png
 */
#include <latent.h>
#include <stdio.h>

static lt_status encode(lt_session *session, const char *path, float **latent, int shape[3]) {
    lt_image image;
    lt_status status = lt_image_load(path, &image);
    if (status) return status;
    status = lt_encode(session, &image, NULL, false, latent, shape);
    lt_image_free(&image);
    return status;
}

int main(int argc, char **argv) {
    if (argc != 5) return fprintf(stderr, "usage: latent_space MODEL A B OUT\n"), 2;
    lt_model *model = NULL;
    lt_session *session = NULL;
    lt_image image = {0};
    float *a = NULL, *b = NULL;
    int shape[3], other[3];
    lt_status status = lt_model_open(argv[1], NULL, &model);
    if (!status) status = lt_session_open(model, NULL, &session);
    if (!status) status = encode(session, argv[2], &a, shape);
    if (!status) status = encode(session, argv[3], &b, other);
    if (!status && (shape[1] != other[1] || shape[2] != other[2])) {
        fprintf(stderr, "latent_space: the pictures have different sizes\n");
    } else if (!status) {
        for (int i = 0; i < shape[0] * shape[1] * shape[2]; i++) a[i] = 0.5f * (a[i] + b[i]);
        status = lt_decode(session, a, shape, false, &image);
        if (!status) status = lt_image_save(argv[4], &image, NULL);
    }
    if (status) fprintf(stderr, "latent_space: %s\n", lt_error_message());
    lt_floats_free(a);
    lt_floats_free(b);
    lt_image_free(&image);
    lt_session_close(session);
    lt_model_close(model);
    return status != LT_OK;
}
