#!/usr/bin/env python3
"""Records diffusion.json beside it: schedules and samplers that shared/golden's samplers.safetensors lacks, as diffusers 0.42 and ComfyUI's
published formulas have them. Needs torch and diffusers. The model is make_golden.py's: denoised = 1.5 tanh(x / (1 + sigma)); the
start is torch.randn of seed 7, the k-th noise drawn that of seed 100 + k, 64 numbers each."""
import json, os, sys
import numpy as np, torch
import diffusers as D

BASE = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000, steps_offset=1)
KINDS = dict(ddim=(D.DDIMScheduler, dict(clip_sample=False, set_alpha_to_one=False)), ddpm=(D.DDPMScheduler, dict(clip_sample=False)),
             plms=(D.PNDMScheduler, dict(skip_prk_steps=True, set_alpha_to_one=False)), unipc=(D.UniPCMultistepScheduler, {}),
             lcm=(D.LCMScheduler, dict(clip_sample=False, set_alpha_to_one=False)))
betas = torch.linspace(0.00085 ** 0.5, 0.012 ** 0.5, 1000) ** 2
ac = torch.cumprod(1 - betas, 0)
sigmas = ((1 - ac) / ac) ** 0.5
log_sigmas = sigmas.log()


def noise(seed): return torch.randn(64, generator=torch.Generator().manual_seed(seed)).reshape(1, 4, 4, 4)


def make(name, spacing, steps, **extra):
    cls, kw = KINDS[name]
    sc = cls(**BASE, **kw, timestep_spacing=spacing, **extra)
    if name == "lcm" and spacing != "leading": sc.set_timesteps(timesteps=make("ddim", spacing, steps).timesteps.tolist())
    else: sc.set_timesteps(steps)
    return sc


def run(name, spacing, steps, prediction, eta, strength):
    sc = make(name, spacing, steps, prediction_type=prediction)
    ts = sc.timesteps[steps - min(int(steps * strength), steps):] if strength < 1 else sc.timesteps
    if strength < 1 and hasattr(sc, "set_begin_index"): sc.set_begin_index(steps - len(ts))
    cls, drawn, x = sys.modules[type(sc).__module__], [0], noise(7)
    if hasattr(cls, "randn_tensor"):
        def recorded(*a, **k): drawn[0] += 1; return noise(99 + drawn[0])
        cls.randn_tensor = recorded
    for t in ts:
        a = ac[int(t)]; sigma = sigmas[int(t)]; xs = x * (1 + sigma ** 2) ** 0.5
        x0 = torch.tanh(xs / (1 + sigma)) * 1.5; eps = (xs - x0) / sigma
        out = a.sqrt() * eps - (1 - a).sqrt() * x0 if prediction == "v_prediction" else eps
        x = sc.step(out, t, x, **(dict(eta=eta) if name == "ddim" else {})).prev_sample
    return [float("%.9g" % v) for v in x.flatten()], drawn[0]


def t_to_sigma(t):
    low, high, w = t.floor().long(), t.ceil().long(), t.frac()
    return ((1 - w) * log_sigmas[low] + w * log_sigmas[high]).exp()


def comfy(name, n):
    if name == "simple": return [float(sigmas[-(1 + int(x * (len(sigmas) / n)))]) for x in range(n)]
    if name == "ddim_uniform": return [float(sigmas[x]) for x in range(1, 1000, max(1000 // n, 1))][::-1]
    return t_to_sigma(torch.linspace(999, 0, n + 1)[:-1]).tolist()   # sgm_uniform


out = dict(sigmas={}, timesteps={}, finals=[])
for name in "simple", "sgm_uniform", "ddim_uniform":
    for n in 1, 7, 10, 30: out["sigmas"]["%s.%d" % (name, n)] = [float("%.9g" % v) for v in comfy(name, n)]
for name in KINDS:
    for spacing in "leading", "trailing", "linspace":
        for n in 1, 2, 7, 30, 48: out["timesteps"]["%s.%s.%d" % (name, spacing, n)] = make(name, spacing, n).timesteps.tolist()
cases = [(name, spacing, n, "epsilon", 0.0, 1.0) for name in KINDS for spacing in ("trailing", "linspace") for n in (7, 10)]
cases += [(name, "leading", 1, "epsilon", 0.0, 1.0) for name in KINDS] + [("ddim", "linspace", 7, "epsilon", 0.5, 1.0)]
cases += [(name, "leading", 10, "v_prediction", 0.0, 1.0) for name in KINDS if name != "plms"]
cases += [(name, "leading", 10, "epsilon", 0.0, 0.6) for name in ("ddim", "ddpm", "unipc")] + [("lcm", "leading", 8, "epsilon", 0.0, 0.5)]
for c in cases:
    final, drawn = run(*c)
    out["finals"].append(dict(sampler=c[0], schedule=c[1], steps=c[2], v=c[3] != "epsilon", eta=c[4], strength=c[5], drawn=drawn, final=final))
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "diffusion.json"), "w") as f: json.dump(out, f)
