#!/usr/bin/env python3
"""Latents enlarged as the web UIs' hires fix does: torch.nn.functional.interpolate in each of its modes.

    make_hires.py OUT.safetensors
"""
import sys
import torch
from safetensors.torch import save_file

MODES = {"latent": ("bilinear", False), "latent-antialiased": ("bilinear", True), "latent-bicubic": ("bicubic", False),
         "latent-bicubic-antialiased": ("bicubic", True), "latent-nearest": ("nearest", False), "latent-nearest-exact": ("nearest-exact", False)}

z = torch.randn(1, 4, 7, 10, generator=torch.Generator().manual_seed(7))
out = {"z": z}
for name, (mode, antialias) in MODES.items():
    for h, w in ((14, 20), (11, 17), (7, 10), (28, 15)):
        out["%s.%dx%d" % (name, h, w)] = torch.nn.functional.interpolate(z, size=(h, w), mode=mode, antialias=antialias).contiguous()
save_file(out, sys.argv[1])
