#!/usr/bin/env python3
"""Records embeddings in pictures as A1111's web UI writes and reads them.

    make_picture_embeddings.py WEBUI OUT_FOLDER

WEBUI is a checkout of stable-diffusion-webui (modules/textual_inversion/image_embedding.py, which runs here as it is).
Vectors follow a rule, v[i, k] = 0.05 sin(7 i + 0.37 k + shift), 64 wide as in the checkpoint `tiny`; pictures are small
gradients. Written are said.png (the text sd-ti-embedding), hidden.png and hidden.webp (in the pixels), both.png (a text,
and other vectors in the pixels), barred.png (hidden.png between black bars), preview.png (two pictures side by side with
black columns between: no embedding), and pictures.safetensors: what the web UI reads of each, by name.
"""
import sys, types
import numpy as np, torch
from PIL import Image, PngImagePlugin
from safetensors.torch import save_file

shared = types.ModuleType("modules.shared")
shared.opts = None
sys.modules["modules"], sys.modules["modules.shared"] = types.ModuleType("modules"), shared
sys.path.insert(0, sys.argv[1] + "/modules/textual_inversion")
import image_embedding as I


def data(name, vectors, shift):
    i, k = np.mgrid[0:vectors, 0:64]
    values = (0.05 * np.sin(7 * i + 0.37 * k + shift)).astype(np.float32)
    return {"string_to_token": {"*": 265}, "string_to_param": {"*": torch.from_numpy(values)}, "name": name,
            "step": 500, "sd_checkpoint": None, "sd_checkpoint_name": None}


def gradient(width, height):
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([x + 40, y + 80, 255 - x - y], -1).astype(np.uint8))


def saved_text(embedding):
    info = PngImagePlugin.PngInfo()
    info.add_text("sd-ti-embedding", I.embedding_to_b64(embedding))
    info.add_text("parameters", "a photo of it\nSteps: 1")
    return info


def barred(image):
    wide = Image.new("RGB", (image.width + 9, image.height + 5))
    wide.paste(image, (4, 2))
    return wide


def read(path):
    """As modules/textual_inversion/textual_inversion.py opens a picture."""
    image = Image.open(path)
    if hasattr(image, "text") and "sd-ti-embedding" in image.text:
        return I.embedding_from_b64(image.text["sd-ti-embedding"])
    return I.extract_image_data_embed(image)


out, picture = sys.argv[2] + "/", gradient(48, 40)
hidden = I.insert_image_data_embed(picture, data("hidden", 2, 1))
picture.save(out + "said.png", pnginfo=saved_text(data("said", 3, 0)))
hidden.save(out + "hidden.png")
hidden.save(out + "hidden.webp", lossless=True, exact=True)
hidden.save(out + "both.png", pnginfo=saved_text(data("both", 1, 2)))
barred(hidden).save(out + "barred.png")
two = Image.new("RGB", (48 * 2 + 3, 40))
two.paste(picture, (0, 0)), two.paste(picture, (51, 0))
two.save(out + "preview.png")

expected = {name: read(out + name)["string_to_param"]["*"].float() for name in ("said.png", "hidden.png", "hidden.webp", "both.png", "barred.png")}
for name, values in expected.items(): print(name, tuple(values.shape), float(values.norm()))
save_file(expected, out + "pictures.safetensors")
try: print("preview.png:", read(out + "preview.png"))
except Exception as e: print("preview.png:", e)
