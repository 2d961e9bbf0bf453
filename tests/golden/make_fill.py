#!/usr/bin/env python3
"""Records what the web UIs' masked content "fill" makes of a picture: masking.fill, by Pillow.

    make_fill.py OUT.safetensors
"""
import sys

import numpy as np
from PIL import Image, ImageFilter, ImageOps
from safetensors.numpy import save_file

H, W = 40, 56


def fill(image, mask):
    """As modules/masking.py of A1111's web UI: ever less blurred pictures, one over the other."""
    filled = Image.new("RGBA", image.size)
    kept = Image.new("RGBa", image.size)
    kept.paste(image.convert("RGBA").convert("RGBa"), mask=ImageOps.invert(mask))
    for radius, times in [(256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1)]:
        blurred = kept.filter(ImageFilter.GaussianBlur(radius)).convert("RGBA")
        for _ in range(times):
            filled.alpha_composite(blurred)
    return filled.convert("RGB")


y, x = np.mgrid[0:H, 0:W]
image = np.stack([x * 255 / W, y * 255 / H, 128 + 100 * np.sin(x / 5) * np.cos(y / 7)], -1).astype(np.uint8)
mask = np.zeros((H, W), np.uint8)
mask[8:30, 12:40] = 255
mask[20:25, 40:50] = 128
out = np.asarray(fill(Image.fromarray(image), Image.fromarray(mask)))
save_file({"image": image.astype(np.float32), "mask": mask.astype(np.float32), "filled": out.astype(np.float32)}, sys.argv[1])
