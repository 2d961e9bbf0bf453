#!/usr/bin/env python3
"""Records image_prompt/txt2img_ddim beside it: a picture of the tiny checkpoint with two IP-Adapters, by diffusers.

    make_image_prompts.py SHARED_GOLDEN SHARED_GOLDEN2

SHARED_GOLDEN has synth.py and reference.py (make_golden.py's), SHARED_GOLDEN2 synth2.py and control/ (make_golden2.py's), whose
adapters, encoder and picture are these. Needs torch, diffusers 0.42, transformers. Drawn as make_golden.py's txt2img_ddim: DDIM,
10 steps, guidance 7.5, 16x16 latents; the plain adapter at 0.6 over the steps from 0.2 to 0.8 of them, Plus at 0.4 in the left
half. The unconditional half gets what each adapter makes of no picture."""
import os, sys
import torch
import diffusers as D
from safetensors.torch import load_file, save_file

sys.path[:0] = sys.argv[1:3]
import synth, synth2, reference as R
torch.set_grad_enabled(False)

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "image_prompt")
CFG = synth.CONFIGS["tiny"]
SIDE, STEPS = 16, 10
# transformers' CLIPTokenizer, with start and end: "blurry, ugly" and "a photo of an astronaut riding a horse on mars"
NEGATIVE = [49406, 21977, 267, 8159, 49407]
PROMPT = [49406, 320, 1125, 539, 550, 18376, 6765, 320, 4558, 525, 7496, 49407]


def adapter(name):
    t = {k: torch.from_numpy(v.astype("float16").astype("float32")) for k, v in synth2.values(synth2.CONFIGS[name]).items()}
    return {part: {k[len(part) + 1:]: v for k, v in t.items() if k.startswith(part + ".")} for part in ("image_proj", "ip_adapter")}


def contexts():
    ids = torch.tensor([i + [49407] * (77 - len(i)) for i in (NEGATIVE, PROMPT)])
    return R.clip_text(CFG)(ids).last_hidden_state


unet = R.unet(CFG, sample=SIDE)
unet._load_ip_adapter_weights([adapter("tiny-ip"), adapter("tiny-ip-plus")], low_cpu_mem_usage=False)
seen = load_file(os.path.join(sys.argv[2], "control", "image_encoder.safetensors"))
embeds = [torch.cat([torch.zeros_like(seen["image_embeds"]), seen["image_embeds"]])[:, None],
          torch.cat([seen["zero.penultimate"], seen["penultimate"]])[:, None]]
left = torch.zeros(1, 1, 8 * SIDE, 8 * SIDE)
left[..., :4 * SIDE] = 1
masks = [torch.ones_like(left), left]

steps = D.DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000, steps_offset=1,
                        timestep_spacing="leading", clip_sample=False, set_alpha_to_one=False)
steps.set_timesteps(STEPS)
context, x = contexts(), torch.randn((1, CFG["latent_channels"], SIDE, SIDE), generator=torch.Generator().manual_seed(42))
noise, each = x.clone(), [x.clone()]
for i, t in enumerate(steps.timesteps):
    there = i / STEPS >= 0.2 and (i + 1) / STEPS <= 0.8
    for p in unet.attn_processors.values():
        if hasattr(p, "scale"):
            p.scale = [0.6 if there else 0.0, 0.4]
    uncond, cond = unet(torch.cat([x] * 2), t, encoder_hidden_states=context, added_cond_kwargs={"image_embeds": embeds},
                        cross_attention_kwargs={"ip_adapter_masks": masks}).sample.chunk(2)
    x = steps.step(uncond + 7.5 * (cond - uncond), t, x).prev_sample
    each.append(x.clone())
path = os.path.join(OUT, "txt2img_ddim.safetensors")
save_file({"noise": noise, "latents": torch.stack(each), "latent": x}, path)
print(path, os.path.getsize(path))
