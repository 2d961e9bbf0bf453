#!/usr/bin/env python3
"""Records what A1111's checkpoint merger (modules/extras.py) and its extension "merge block weighted" make of models.

    latent convert --synthetic tiny tiny.safetensors; latent convert --synthetic tiny-inpaint inpaint.safetensors
    make_merge.py tiny.safetensors inpaint.safetensors OUT.safetensors

B is `tiny` with each tensor's values moved on by one, C is `tiny` with each one's values in reverse and without a VAE.
Of every seventh tensor of the result, by name, CASE.heads holds the first eight values and CASE.norms the norm.
"""
import re
import sys

import torch
from safetensors.torch import load_file, save_file

BLOCKS = [round(0.05 * i - 0.2, 2) for i in range(26)]


def weighted_sum(theta0, theta1, alpha):
    return ((1 - alpha) * theta0) + (alpha * theta1)


def get_difference(theta1, theta2):
    return theta1 - theta2


def add_difference(theta0, theta1_2_diff, alpha):
    return theta0 + (alpha * theta1_2_diff)


def block_weight(key):
    """bbc-mc's rule, with its NUM_INPUT_BLOCKS of 12; BLOCKS[0] is its base_alpha."""
    index = -1
    if key.startswith("model.diffusion_model."):
        if "time_embed" in key:
            index = 0
        elif ".out." in key:
            index = 24
        elif found := re.search(r"\.input_blocks\.(\d+)\.", key):
            index = int(found[1])
        elif re.search(r"\.middle_block\.(\d+)\.", key):
            index = 12
        elif found := re.search(r"\.output_blocks\.(\d+)\.", key):
            index = 13 + int(found[1])
    return BLOCKS[index + 1]


def mix(a, b, c, how, weight):
    """run_modelmerger's two loops; "triple" is SuperMerger's sum of three."""
    theta_1 = dict(b)
    if how == "difference":
        for key in theta_1:
            theta_1[key] = get_difference(theta_1[key], c[key]) if key in c else torch.zeros_like(theta_1[key])
    out = {}
    for key, value in a.items():
        out[key] = value.clone()
        if key not in theta_1:
            continue
        alpha = weight(key) if callable(weight) else weight
        target = out[key][:, 0:4] if value.shape != theta_1[key].shape else out[key]
        if how == "triple":
            one, two = alpha
            third = c.get(key, target)
            target.copy_(target * (1 - one - two) + theta_1[key] * one + third * two)
        else:
            target.copy_((add_difference if how == "difference" else weighted_sum)(target, theta_1[key], alpha))
    return out


def record(name, out, into):
    keys = sorted(out)[::7]
    heads = [torch.nn.functional.pad(out[k].flatten()[:8].float(), (0, max(0, 8 - out[k].numel()))) for k in keys]
    into[name + ".heads"] = torch.stack(heads)
    into[name + ".norms"] = torch.tensor([out[k].double().norm().item() for k in keys], dtype=torch.float32)


tiny = {k: v.float() for k, v in load_file(sys.argv[1]).items()}
inpaint = {k: v.float() for k, v in load_file(sys.argv[2]).items()}
b = {k: v.flatten().roll(1).reshape(v.shape) for k, v in tiny.items()}
c = {k: v.flatten().flip(0).reshape(v.shape) for k, v in tiny.items() if not k.startswith("first_stage_model.")}
recorded = {}
record("sum", mix(tiny, b, None, "sum", 0.3), recorded)
record("difference", {k: v.half() for k, v in mix(tiny, b, c, "difference", 0.7).items()}, recorded)
record("triple", mix(tiny, b, c, "triple", (0.3, 0.45)), recorded)
record("blocks", mix(tiny, b, None, "sum", block_weight), recorded)
record("inpaint", mix(inpaint, b, c, "difference", 1.0), recorded)
save_file(recorded, sys.argv[3], {"blocks": ",".join(map(str, BLOCKS))})
