#!/usr/bin/env python3
"""Maps of pictures as OpenCV and NumPy make them: what A1111's preprocessors of these names compute (sd-webui-controlnet,
scripts/preprocessor), on the picture as it is, without their scaling. Writes control/annotators.safetensors: pictures and
maps of 8 bits, [height, width, 3], or where all channels are the same [height, width].

    make_annotators.py        (opencv-python-headless 5.0.0, numpy, Pillow, safetensors)
"""
import os
import cv2
import numpy as np
from PIL import Image
from safetensors.numpy import save_file

HERE = os.path.dirname(os.path.abspath(__file__))


def drawn(h, w):
    """Soft and hard edges, lines of one pixel, text, noise; sides that are multiples of nothing."""
    y, x = np.mgrid[:h, :w].astype(np.float64)
    img = np.stack([127 + 90 * np.sin(x / 9 + y / 23), 255 * x / w, 127 + 100 * np.cos(y / 13)], axis=2)
    img = np.ascontiguousarray(np.clip(img, 0, 255).astype(np.uint8))
    cv2.circle(img, (w // 3, h // 2), h // 4, (200, 30, 60), -1)
    cv2.rectangle(img, (w // 2, h // 5), (w - 9, h // 2), (20, 20, 20), 1)
    cv2.line(img, (3, h - 4), (w - 5, 2), (250, 250, 240), 2)
    cv2.putText(img, "latent", (w // 8, h - 14), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (0, 0, 0), 2)
    noise = np.random.default_rng(7).integers(-6, 7, img.shape)
    return np.clip(img.astype(int) + noise, 0, 255).astype(np.uint8)


def scribble(img, threshold):
    fine = cv2.GaussianBlur(img.astype(np.float32), (0, 0), 0.5)
    coarse = cv2.GaussianBlur(img.astype(np.float32), (0, 0), 5.0)
    dog = (255 - np.min(coarse - fine, axis=2)).clip(0, 255).astype(np.uint8)
    out = np.zeros_like(dog)
    out[2 * (255 - dog.astype(int)) > threshold] = 255
    return out


def lineart(img):
    x = img.astype(np.float32)
    intensity = np.min(cv2.GaussianBlur(x, (0, 0), 6.0) - x, axis=2).clip(0, 255)
    intensity /= max(16, np.median(intensity[intensity > 8]))
    return (intensity * 127).clip(0, 255).astype(np.uint8)


def power(x, p):
    return ((x.astype(np.float32) / 255) ** p * 255).clip(0, 255).astype(np.uint8)


def color(img):
    h, w = img.shape[:2]
    cells = cv2.resize(img, (w // 64, h // 64), interpolation=cv2.INTER_CUBIC)
    return cv2.resize(cells, (w, h), interpolation=cv2.INTER_NEAREST)


def threshold(img, t):
    return np.where(np.min(img, axis=2) > t, 255, 0).astype(np.uint8)


MAPS = {
    "canny": lambda i: cv2.Canny(i, 100, 200),
    "canny:50:80": lambda i: cv2.Canny(i, 50, 80),
    "scribble": lambda i: scribble(i, 32),
    "scribble:12": lambda i: scribble(i, 12),
    "lineart": lineart,
    "luminance": lambda i: power(cv2.cvtColor(i, cv2.COLOR_RGB2LAB)[:, :, 0], 1.0),
    "luminance:0.7": lambda i: power(cv2.cvtColor(i, cv2.COLOR_RGB2LAB)[:, :, 0], 0.7),
    "intensity": lambda i: power(cv2.cvtColor(i, cv2.COLOR_RGB2HSV)[:, :, 2], 1.0),
    "invert": lambda i: 255 - i,
    "threshold": lambda i: threshold(i, 127),
    "threshold:60": lambda i: threshold(i, 60),
    "color": color,
    "blur": lambda i: cv2.GaussianBlur(i.astype(np.float32), (0, 0), 9.0).round().clip(0, 255).astype(np.uint8),
}


def main():
    pictures = {"drawn": drawn(97, 131), "input": np.array(Image.open(os.path.join(HERE, "tiny", "input.png")).convert("RGB"))}
    out = {}
    for name, image in pictures.items():
        out[name] = image
        for key, f in MAPS.items(): out["%s/%s" % (name, key)] = np.ascontiguousarray(f(image))
    save_file(out, os.path.join(HERE, "control", "annotators.safetensors"), {"opencv": cv2.__version__, "numpy": np.__version__})


if __name__ == "__main__": main()
