#!/usr/bin/env python3
"""Records comfy.json and comfy.safetensors beside it: samplers and schedules of ComfyUI that other files lack, by its own functions.

    make_comfy.py comfy/k_diffusion/sampling.py comfy/samplers.py

The model is make_diffusion.py's: denoised = 1.5 tanh(x / (1 + sigma)), the start sigma times torch.randn of seed 7, the k-th noise
drawn that of seed 100 + k, 64 numbers each. Everything is computed in double precision over float32 sigmas. Left out is what moves by over 2e-6
where the network is asked by timesteps in float32, as it is: order 4 on steps that grow tenfold at once magnifies rounding.
"""
import ast
import json
import os
import sys
import types

import torch
from safetensors.torch import save_file

FUNCTIONS = ["to_d", "get_ancestral_step", "sample_ipndm", "sample_ipndm_v", "res_multistep", "linear_quadratic_schedule"]
comfy = dict(torch=torch, trange=lambda n, disable=None: range(n))
for path in sys.argv[1:]:
    for node in ast.parse(open(path).read()).body:
        if isinstance(node, ast.FunctionDef) and node.name in FUNCTIONS:
            exec(compile(ast.Module([node], []), path, "exec"), comfy)

betas = torch.linspace(0.00085 ** 0.5, 0.012 ** 0.5, 1000) ** 2
ac = torch.cumprod(1 - betas, 0)
table = ((1 - ac) / ac) ** 0.5


def noise(seed):
    return torch.randn(64, generator=torch.Generator().manual_seed(seed)).double().reshape(1, 64)


def karras(n, rho=7):
    low, high = table[0].item() ** (1 / rho), table[-1].item() ** (1 / rho)
    return torch.cat([(high + torch.linspace(0, 1, n) * (low - high)) ** rho, torch.zeros(1)])


def linear_quadratic(n):
    return comfy["linear_quadratic_schedule"](types.SimpleNamespace(sigma_max=table[-1]), n)


def by_timestep(x, sigma):
    """k-diffusion's way: sigma to a timestep in float32, whose own sigma it is then."""
    log = sigma.float().log()
    low = int((log - table.log() >= 0).sum().clamp(1, 999)) - 1
    w = (table.log()[low] - log) / (table.log()[low] - table.log()[low + 1])
    t = low + w.clamp(0, 1)
    own = ((1 - t.frac()) * table.log()[t.long()] + t.frac() * table.log()[(t.long() + 1).clamp(max=999)]).exp().double()
    scaled = x * ((1 + own ** 2) / (1 + sigma ** 2)) ** 0.5
    return x - sigma * (scaled - torch.tanh(scaled / (1 + own)) * 1.5) / own


def exact(x, sigma):
    return torch.tanh(x / (1 + sigma)) * 1.5


def run(name, sigmas, network):
    states, drawn = [], [0]

    def model(x, sigma):
        states.append(x)
        return network(x, sigma)

    def draw(*_):
        drawn[0] += 1
        return noise(99 + drawn[0])

    start = noise(7) * sigmas[0]
    if name.startswith("res_multistep"):
        eta = 1.0 if name.endswith("ancestral") else 0.0
        end = comfy["res_multistep"](model, start, sigmas, noise_sampler=draw, eta=eta)
    else:
        end = comfy["sample_" + name](model, start, sigmas)
    return states + [end], drawn[0]


index, tensors = [], {}
for name in "ipndm", "ipndm_v", "res_multistep", "res_multistep_ancestral":
    for schedule, counts in (karras, (1, 4, 10, 20)), (linear_quadratic, (1, 2, 3, 7, 20)):
        for n in counts:
            sigmas = schedule(n).float()
            states, drawn = run(name, sigmas.double(), exact)
            rounded, _ = run(name, sigmas.double(), by_timestep)
            error = max(((a - b).norm() / a.norm()).item() for a, b in zip(states, rounded))
            print(f"{name} {schedule.__name__} {n}: by timesteps it is off by {error:.1e}")
            if error > 2e-6:
                continue
            key = f"{name}.{schedule.__name__}.{n}"
            index.append({"case": key, "noises_used": drawn if name.endswith("ancestral") else 0})
            tensors |= {key + ".sigmas": sigmas, key + ".x_init": states[0].float(), key + ".x_final": states[-1].float(),
                        key + ".x_each": torch.stack(states).float()}
folder = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(folder, "comfy.json"), "w") as f:
    json.dump(index, f, indent=0)
save_file(tensors, os.path.join(folder, "comfy.safetensors"))
