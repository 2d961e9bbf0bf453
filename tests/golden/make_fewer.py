#!/usr/bin/env python3
"""Records fewer/ beside it: what a picture of the tiny checkpoint becomes where operations are left out, by the papers' own code.

    make_fewer.py SHARED_GOLDEN [part ...]

SHARED_GOLDEN has synth.py and reference.py (make_golden.py's); parts: interval deep_cache merge. Needs torch, diffusers 0.42,
transformers, and for the last two the packages DeepCache 0.1.1 and tomesd 0.1.3 of PyPI. All draw as make_golden.py's
txt2img_ddim: DDIM, 10 steps, guidance 7.5, 16x16 latents.

interval    guidance where sigma is in (1, 5.42], else the prompt alone (Kynkäänniemi et al. 2024, equation 5)
deep_cache  DeepCacheSDHelper with cache_interval 3, cache_branch_id 0 (Ma et al. 2023)
merge       tomesd.apply_patch with ratio 0.5 and its other defaults, but use_rand=False (Bolya & Hoffman 2023); and one
            matching alone, of random tokens. Three steps of the picture: behind them similarities that differ by rounding alone
            choose otherwise, here and there"""
import os, sys, types
import torch
import diffusers as D
from safetensors.torch import save_file

SHARED = sys.argv[1]
PARTS = sys.argv[2:] or ["interval", "deep_cache", "merge"]
sys.path.insert(0, SHARED)
import synth, reference as R

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fewer")
CFG = synth.CONFIGS["tiny"]
SIDE = 16
# transformers' CLIPTokenizer, with start and end: "blurry, ugly" and "a photo of an astronaut riding a horse on mars"
NEGATIVE = [49406, 21977, 267, 8159, 49407]
PROMPT = [49406, 320, 1125, 539, 550, 18376, 6765, 320, 4558, 525, 7496, 49407]


def save(name, tensors):
    os.makedirs(OUT, exist_ok=True)
    path = os.path.join(OUT, name + ".safetensors")
    save_file({k: v.detach().contiguous().clone() for k, v in tensors.items()}, path)
    print(path, os.path.getsize(path))


def noise(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def contexts():
    ids = torch.tensor([i + [49407] * (77 - len(i)) for i in (NEGATIVE, PROMPT)])
    return R.clip_text(CFG)(ids).last_hidden_state


def scheduler():
    s = D.DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000, steps_offset=1,
                        timestep_spacing="leading", clip_sample=False, set_alpha_to_one=False)
    s.set_timesteps(10)
    return s


def draw(name, unet, steps, guided=lambda sigma: True, count=10):
    """Guided steps, the first `count` of ten, of which each latent is kept."""
    context, x = contexts(), noise(42, 1, CFG["latent_channels"], SIDE, SIDE)
    each = [x.clone()]
    for t in steps.timesteps[:count]:
        a = steps.alphas_cumprod[t]
        w = 7.5 if guided(((1 - a) / a).item() ** 0.5) else 1
        negative, positive = unet(torch.cat([x, x]), t, encoder_hidden_states=context).sample.chunk(2)
        x = steps.step(negative + w * (positive - negative), t, x).prev_sample
        each.append(x.clone())
    save(name, {"noise": each[0], "latents": torch.stack(each), "latent": x})


def interval():
    draw("txt2img_interval", R.unet(CFG, sample=SIDE), scheduler(), lambda sigma: 1 < sigma <= 5.42)


def deep_cache():
    from DeepCache import DeepCacheSDHelper
    pipe = types.SimpleNamespace(unet=R.unet(CFG, sample=SIDE), scheduler=scheduler())
    helper = DeepCacheSDHelper(pipe=pipe)
    helper.set_params(cache_interval=3, cache_branch_id=0)
    helper.enable()
    draw("txt2img_deep_cache", lambda *a, **k: pipe.unet.forward(*a, **k), pipe.scheduler)


def merge():
    import tomesd
    from tomesd.merge import bipartite_soft_matching_random2d
    unet = R.unet(CFG, sample=SIDE)
    tomesd.apply_patch(unet, ratio=0.5, use_rand=False)
    draw("txt2img_merge", unet, scheduler(), count=3)
    for h, w, ratio in (8, 8, 0.5), (7, 9, 0.3), (6, 5, 0.99):
        x, y = noise(1, 2, h * w, 24), noise(2, 2, h * w, 24)
        m, u = bipartite_soft_matching_random2d(x, w, h, 2, 2, int(h * w * ratio), no_rand=True)
        save("merge_%dx%d" % (h, w), {"x": x, "y": y, "merged": m(y), "unmerged": u(m(y)), "ratio": torch.tensor([ratio])})


with torch.no_grad():
    torch.set_num_threads(1)
    for part in PARTS: globals()[part]()
