#!/usr/bin/env python3
"""Records control/deltas.safetensors: residuals of ControlNets that are kept as what they add to a U-Net, by diffusers on weights that
were merged before as ComfyUI does it (comfy/controlnet.py: load_controlnet's "difference", ControlLoraOps).

    make_control.py SHARED_GOLDEN2

SHARED_GOLDEN2 has synth2.py and reference2.py. All on the checkpoints tiny and tiny-control, stored as f16, and the inputs of
control/control.safetensors:

difference   a file of f16(W_control - W_unet) for each tensor that both have; the rest as in tiny-control
lora         for each of these that is a matrix, X.weight, rank 4: X.up [out, 4] and X.down [4, in...], f16, by synth.py's rule for
             other weights of their names ("control_model.X.up"); for these that are vectors, and all others, tiny-control's"""
import os, sys, math
import numpy as np
import torch
from safetensors.torch import load_file, save_file

SHARED = sys.argv[1]
sys.path.insert(0, SHARED)
sys.path.insert(0, os.path.join(SHARED, "..", "golden"))
import synth, synth2, reference2 as R
from diffusers.loaders import single_file_utils as sf

HERE = os.path.dirname(os.path.abspath(__file__))
KEPT = (0, 5, 12)


def half(values): return torch.from_numpy(np.ascontiguousarray(values)).to(torch.float16).float()


def rule(name, shape): return half((math.sqrt(3 / math.prod(shape[1:])) * synth.uniform(name, math.prod(shape))).astype(np.float32).reshape(shape))


def main():
    control = R.tensors(synth2.CONFIGS["tiny-control"])
    unet = {n: half(synth.value(n, s) if hasattr(synth, "value") else synth2.value2(n, s)) for n, s in synth.ldm_shapes(synth.CONFIGS["tiny"]).items() if n.startswith("model.diffusion_model.")}
    merged = {"difference": dict(control), "lora": dict(control)}
    for name, w in control.items():
        rest = name[len("control_model."):]
        base = unet.get("model.diffusion_model." + rest)
        if base is None or base.shape != w.shape: continue
        merged["difference"][name] = base + (w - base).to(torch.float16).float()
        if w.dim() < 2: continue
        layer = name[:-len(".weight")]
        up, down = rule(layer + ".up", (w.shape[0], 4)), rule(layer + ".down", (4,) + tuple(w.shape[1:]))
        merged["lora"][name] = base + (up @ down.flatten(1)).reshape(w.shape)
    given = load_file(os.path.join(HERE, "control", "control.safetensors"))
    out = {}
    for kind, weights in merged.items():
        m = R.controlnet(synth2.CONFIGS["tiny-control"])
        m.load_state_dict(sf.convert_controlnet_checkpoint(dict(weights), dict(m.config)), strict=True)
        with torch.no_grad(): d, mid = m(given["x"], given["t"].long(), given["context"], given["hint"], return_dict=False)
        for i, r in enumerate([*d, mid]):
            if i in KEPT: out["%s.residual.%d" % (kind, i)] = r.contiguous(); print(kind, i, float(r.std()))
    save_file(out, os.path.join(HERE, "control", "deltas.safetensors"))


if __name__ == "__main__": main()
