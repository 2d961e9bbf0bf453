/* run: one module of a model alone, tensors in, tensors out. */
#include "api/run.h"
#include "api/run_loss.h"
#include "cli.h"
#include "signals.h"

#include <stdlib.h>
#include <string.h>

static struct {
    lt_model_options model;
    const char *in, *out;
} o;

static const lt_option options[] = {
    LT_MODEL_OPTIONS(o.model),
    {"in", 0, LT_OPTION_FILE, "A", "safetensors file with the module's inputs", &o.in},
    {"out", 0, LT_OPTION_FILE, "B", "safetensors file for its outputs, float32", &o.out},
    {0},
};

static lt_status run_module(lt_session *session, const char *module, const lt_checkpoint *in) {
    lt_run_output out[LT_MAX_OUTPUTS];
    lt_tensor tensors[LT_MAX_OUTPUTS];
    size_t count;
    LT_TRY(lt_run_module(session, module, in->tensors, in->count, out, &count));
    for (size_t i = 0; i < count; i++) tensors[i] = out[i].tensor;
    lt_stop_writing_on_signals();
    const lt_status status = lt_safetensors_write(o.out, tensors, count, NULL, 0, NULL, NULL, NULL);
    lt_run_free(out, count);
    return status;
}

/* The loss, and each parameter's gradient under the parameter's name. */
static lt_status write_gradients(const lt_parameters *p, const float *loss) {
    lt_tensor *tensors = cli_calloc(p->count + 1, sizeof *tensors);
    if (!tensors) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < p->count; i++) {
        tensors[i] = *lt_tensor_find(p->tensors.tensors, p->tensors.count, p->items[i].name);
        tensors[i].data = p->items[i].gradient;
    }
    tensors[p->count] = (lt_tensor){.name = "loss", .dtype = LT_F32, .rank = 1, .shape = {1}, .data = loss};
    lt_tensor_set_contiguous(&tensors[p->count]);
    lt_stop_writing_on_signals();
    const lt_status status = lt_safetensors_write(o.out, tensors, p->count + 1, NULL, 0, NULL, NULL, NULL);
    free(tensors);
    return status;
}

static lt_status run_loss(lt_session *session, const char *loss, const lt_checkpoint *in) {
    float value;
    lt_loss_run r;
    LT_TRY(lt_loss_open(session, loss, in->tensors, in->count, &r));
    lt_status status = lt_loss_run_once(&r, &value);
    if (!status) status = write_gradients(&r.parameters, &value);
    lt_loss_close(&r);
    return status;
}

static bool is_loss(const char *word) {
    for (const char *const *name = lt_loss_names(); *name; name++)
        if (!strcmp(*name, word)) return true;
    return false;
}

static int run(int count, char **words) {
    if (count != 1 || !o.in || !o.out)
        return lt_complain(LT_EXIT_USAGE, "a module, --in A and --out B; see `latent run --help`");
    int blocked = lt_check_safetensors("--out", o.out);
    if (!blocked) blocked = lt_check_apart("--out", o.out, o.model.model);
    if (!blocked) blocked = lt_check_apart("--out", o.out, o.in);
    if (blocked) return blocked;
    lt_checkpoint in = {0};
    lt_session *session = NULL;
    lt_status status = lt_checkpoint_open(o.in, &in);
    if (!status) status = lt_open(&o.model, &session);
    if (!status) status = (is_loss(words[0]) ? run_loss : run_module)(session, words[0], &in);
    if (status == LT_ERROR_ARGUMENT) lt_fail_in(status, "%s", o.in);
    lt_session_close(session);
    lt_checkpoint_close(&in);
    return status ? lt_complain_error() : LT_EXIT_OK;
}

const lt_command lt_command_run = {
    "run",
    "run one module of a model alone",
    "MODULE|LOSS -m MODEL --in A.safetensors --out B.safetensors",
    "Tensors are NCHW. Modules, what they read and what they write:\n"
    "  clip-text    ids [n,77] -> out, penultimate [n,77,width]\n"
    "  clip-image   pixels [n,3,size,size] -> image_embeds [n,projection]\n"
    "  vae-encoder  x [n,3,h,w] -> mean, logvar [n,c,h/8,w/8]\n"
    "  vae-decoder  z [n,c,h,w], divided by the scaling factor -> out [n,3,8h,8w]\n"
    "  unet         x [n,c,h,w], t [n], context [n,tokens,dim] -> out [n,c,h,w]\n"
    "  classifier   x [n,c,size,size], t [n] -> logits [n,classes]\n"
    "Losses of training, which write loss and the gradient of each parameter under its name:\n"
    "  unet-loss    x0, noise [n,c,h,w], t [n], context [n,tokens,dim]: squared error of the noise\n"
    "  vae-loss     x [n,3,h,w], posterior_noise [n,c,h/8,w/8]: squared error + 1e-6 KL\n"
    "  clip-loss    ids [n,77], pixels [n,3,size,size]: contrastive loss",
    "  latent run unet -m sd15.safetensors --in x_t_context.safetensors --out eps.safetensors\n",
    options,
    run,
};
