/* run: one module of a model alone, tensors in, tensors out. */
#include "control.h"
#include "image_prompts.h"
#include "signals.h"

#include <string.h>

static struct {
    lt_model_options model;
    lt_lora_list loras;
    lt_image_prompt_options image_prompts;
    lt_control_list controls;
    const char *in, *out;
} o;

static const lt_option options[] = {
    LT_MODEL_OPTIONS(o.model),
    LT_SEAMLESS_OPTION(o.model.seamless),
    {"in", 0, LT_OPTION_FILE, "A", "safetensors file with the module's inputs", &o.in},
    {"out", 0, LT_OPTION_FILE, "B", "safetensors file for its outputs, float32", &o.out},
    LT_LORA_OPTION(o.loras, .of = "unet clip-text clip-text-2 unet-loss clip-loss"),
    LT_IMAGE_PROMPT_OPTIONS(o.image_prompts, .of = "unet"),
    LT_CONTROL_OPTIONS(o.controls),
    {0},
};

/* With what controls add to a U-Net's inputs. */
static lt_status run_controlled(lt_session *session, const char *module, const lt_run_options *with,
                                const lt_arrays *in, lt_arrays *out) {
    lt_control_inputs controls = {0};
    lt_control_arrays more = {0};
    lt_status status = lt_control_inputs_open(&o.controls, o.model.models, lt_session_model(session), &controls);
    if (!status) status = lt_control_inputs_run(&controls, &o.model, in, &more);
    if (!status) status = lt_run_with(session, module, with, more.items, more.count, out);
    lt_control_arrays_free(&more);
    lt_control_inputs_close(&controls);
    return status;
}

static lt_status run_module(lt_session *session, const char *module, const lt_image_prompts *prompts,
                            const lt_arrays *in) {
    const lt_run_options with = {
        .image_prompts = prompts->items, .image_prompt_count = prompts->count, .image_encoder = prompts->encoder};
    lt_arrays out;
    const lt_status ran = o.controls.count ? run_controlled(session, module, &with, in, &out)
                                           : lt_run_with(session, module, &with, in->items, in->count, &out);
    if (ran) return ran == LT_ERROR_ARGUMENT ? lt_fail_in(ran, "%s", o.in) : ran;
    lt_stop_writing_on_signals();
    const lt_status status = lt_arrays_save(o.out, out.items, out.count);
    lt_arrays_free(&out);
    return status;
}

static int check_module(const char *name) {
    lt_nearest nearest = {.word = name};
    for (const char *const *module = lt_modules(); *module; module++) {
        if (!strcmp(*module, name)) return LT_EXIT_OK;
        lt_nearest_try(&nearest, *module, *module);
    }
    if (nearest.name) return lt_complain(LT_EXIT_USAGE, "no module %s; did you mean %s?", name, nearest.name);
    return lt_complain(LT_EXIT_USAGE, "no module %s; `latent run --help` lists all", name);
}

static int run(int count, char **words) {
    if (count != 1 || !o.in || !o.out)
        return lt_complain(LT_EXIT_USAGE, "a module, --in A and --out B; see `latent run --help`");
    int blocked = check_module(words[0]);
    if (!blocked) blocked = lt_image_prompts_check(&o.image_prompts);
    if (!blocked && o.controls.count && strcmp(words[0], "unet"))
        blocked = lt_complain(LT_EXIT_USAGE, "--control: of what? a U-Net is what is controlled: latent run unet");
    if (!blocked) blocked = lt_check_safetensors("--out", o.out);
    if (!blocked) blocked = lt_check_apart("--out", o.out, o.model.model);
    if (!blocked) blocked = lt_check_apart("--out", o.out, o.in);
    if (blocked) return blocked;
    lt_arrays in = {0};
    lt_image_prompts prompts = {0};
    lt_session *session = NULL;
    lt_status status = lt_arrays_load(o.in, NULL, &in);
    if (!status) status = lt_open(&o.model, &session);
    if (!status) status = lt_session_adapt(session, o.loras.items, o.loras.count);
    if (!status) status = lt_image_prompts_open(&o.image_prompts, o.model.models, &prompts);
    if (!status) status = run_module(session, words[0], &prompts, &in);
    status = lt_close(&o.model, session, status);
    lt_arrays_free(&in);
    lt_image_prompts_close(&prompts);
    return status ? lt_complain_error() : LT_EXIT_OK;
}

const lt_command lt_command_run = {
    "run",
    "run one module of a model alone",
    "MODULE|LOSS -m MODEL [--lora FILE:S] [--control FILE:IMAGE:S] --in A.safetensors --out B.safetensors",
    "Tensors are NCHW. Modules, what they read and what they write:\n"
    "  clip-text    ids [n,77] -> out, penultimate [n,77,width]\n"
    "  clip-text-2  ids [n,77] -> out, penultimate [n,77,width], pooled [n,projection]: SDXL's second\n"
    "  clip-image   pixels [n,3,size,size] -> image_embeds [n,projection]\n"
    "  vae-encoder  x [n,3,h,w] -> mean, logvar [n,c,h/f,w/f], f being 8 in Stable Diffusion\n"
    "  vae-decoder  z [n,c,h,w], divided by the scaling factor -> out [n,3,h*f,w*f]\n"
    "  unet         x [n,c,h,w], t [n], context [n,tokens,dim], where it reads a vector y [n,dim] -> out [n,c,h,w]\n"
    "  classifier   x [n,c,size,size], t [n] -> logits [n,classes]\n"
    "  taesd-encoder  x [n,3,h,w] in [0, 1] -> latent [n,c,h/8,w/8], as the U-Net has it\n"
    "  taesd-decoder  z [n,c,h,w] -> image [n,3,8h,8w] in [0, 1], not clamped\n"
    "  upscaler     x [n,3,h,w] in [0, 1] -> out [n,3,s*h,s*w], not clamped\n"
    "  image-prompt pixels [1,3,size,size] -> ip_tokens, zero_tokens [1,tokens,dim]: an IP-Adapter's\n"
    "  controlnet   x [n,c,h,w], t [n], context [n,tokens,dim], hint [n,3,8h,8w] in [0,1] -> residual.I; unet takes\n"
    "               them as added.residual.I, or --control makes them\n"
    "  t2i-adapter  hint [n,3,8h,8w] in [0,1] -> feature.I, which unet takes as added.feature.I\n"
    "Losses of training, which write loss and the gradient of each parameter under its name:\n"
    "  unet-loss    x0, noise [n,c,h,w], t [n], context [n,tokens,dim]: squared error of the noise\n"
    "  vae-loss     x [n,3,h,w], posterior_noise [n,c,h/f,w/f]: squared error + 1e-6 KL\n"
    "  clip-loss    ids [n,77], pixels [n,3,size,size]: contrastive loss",
    "  latent run unet -m sd15.safetensors --in x_t_context.safetensors --out eps.safetensors\n",
    options,
    run,
};
