/* stable-diffusion.cpp's options, as far as no command has one of the same meaning. */
#include "foreign.h"

#include <stddef.h>

/* clang-format off */
const lt_foreign lt_foreign_options[] = {
    /* What is here otherwise, or always so. */
    {"mode= M=", "here a command says it: latent txt2img, img2img, inpaint or convert; `latent inspect` shows metadata"},
    {"type", "weights are taken as the file has them; `latent convert IN OUT --type` makes another file"},
    {"tensor-type-rules convert-name", "`latent convert --type` takes one type for all tensors, and --to names them as LDM or diffusers do"},
    {"imat-in imat-out", "no quantized weights are served: f32, f16, bf16, f64 and f8 are"},
    {"prompt-file", "here -p @FILE reads the prompt"},
    {"negative-prompt-file", "here -n @FILE reads the negative prompt"},
    {"output-begin-idx", "pictures are counted from 1; -o with a pattern, as img-%03d.png, or a folder names them"},
    {"sampler-rng", "all random numbers are drawn as --rng says"},
    {"guidance", "--cfg says how closely the prompt is followed; distilled guidance is for models of another kind"},
    {"sigmas", "--schedule chooses the noise levels; no list of one's own is served"},
    {"disable-image-metadata", "a picture always says how it was made"},
    {"metadata-format metadata-raw metadata-brief metadata-all", "`latent inspect PICTURE` shows what a picture says of itself"},
    {"list-devices", "there is one device, the processor: `latent bench` says what it can do"},
    {"high-noise-diffusion-model uncond-diffusion-model clip-g t5xxl llm llm-vision qwen2vl qwen2vl-vision "
     "embeddings-connectors audio-vae vae-format model-args",
     "a model's parts come together: -m takes a checkpoint of Stable Diffusion 1.x or a diffusers folder, --vae another VAE, --text another text encoder"},

    /* What is not here. */
    {"lora-apply-mode", "a LoRA is always added while weights are packed, and the checkpoint stays as it is", true},
    {"control-net control-image control-strength", "here --control FILE:IMAGE:STRENGTH names all three"},
    {"canny", "here --annotator canny makes edges of the control's picture"},
    {"control-video", "--control takes one picture"},
    {"taesd-preview-only", "a TAESD makes previews alone where --preview-vae names it, and pictures where --vae does"},
    {"upscale-model upscale-repeats upscale-tile-size", "`latent upscale -m UPSCALER` makes a picture larger; --hires-upscaler draws on from that"},
    {"hires-upscalers-dir", "--models DIR says where upscalers are found"},
    {"hires-width hires-height", "--hires-size WxH says both"},
    {"hires-sigmas hires-upscale-tile-size", "the second pass has its own steps, and tiles of 256 pixels"},
    {"ip-adapter ip-adapter-image ip-adapter-strength", "--image-prompt ADAPTER:IMAGE:SCALE says all three, with --image-encoder FILE"},
    {"photo-maker pm-id-images-dir pm-id-embed-path pm-style-strength pulid-weights "
     "pulid-id-embedding pulid-id-weight ref-image r ref-image-args increase-ref-index disable-auto-resize-ref-image img-cfg-scale",
     "no picture is served as a model for another; `latent img2img -i IN` changes one"},
    {"ad-model ad-prompt ad-negative-prompt extra-ad-args", "nothing is detected in pictures; `latent inpaint --mask MASK` repaints a part of one"},
    {"circularx", "--seamless x is that"},
    {"circulary", "--seamless y is that"},
    {"cache-mode cache-option cache-preset scm-mask scm-policy", "--deep-cache N is what is kept from step to step, and fewer --steps take less time"},
    {"extra-sample-args timestep-shift", "a sampler has --eta and --schedule, and no other settings"},
    {"slg-scale skip-layers skip-layer-start skip-layer-end flow-shift chroma-disable-dit-mask chroma-enable-t5-mask chroma-t5-mask-pad "
     "qwen-image-layers high-noise-steps high-noise-cfg-scale high-noise-img-cfg-scale high-noise-guidance high-noise-slg-scale "
     "high-noise-skip-layers high-noise-skip-layer-start high-noise-skip-layer-end high-noise-eta high-noise-sampling-method "
     "motion-module video-frames fps end-img moe-boundary vace-strength ref-video ref-video-audio ref-audio temporal-tiling",
     "that is for models of another kind: Stable Diffusion 1.x is served"},

    /* What no picture depends on. */
    {"verbose v color", "what is to be told is told", true},
    {"diffusion-fa flash-attn fa", "attention is always computed in pieces", true},
    {"backend= params-backend= split-mode= rpc-servers= max-vram= main-gpu= clip-on-cpu vae-on-cpu control-net-cpu offload-to-cpu auto-fit "
     "stream-layers eager-load",
     "everything runs on the processor", true},
    {"mmap diffusion-conv-direct vae-conv-direct force-sdxl-vae-conv-scale", "weights are always mapped, and convolutions chosen for the processor", true},
    {"vae-tile-size= vae-relative-tile-size= vae-tile-overlap= extra-tiling-args=", "the tiles of --tiling have a size of their own", true},
    {"preview-interval= preview-noisy", "--preview shows the picture after each step", true},
    {0},
};
/* clang-format on */
