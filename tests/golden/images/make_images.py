"""Makes the pictures beside it, and for each NAME.png|jpg|webp the RGB pixels expected of it, NAME.ppm.

Pillow 13.0 writes and reads them and numpy does the rest; transformers 5.23 crops for CLIP. What Pillow can't write
(16 bits, 2 and 4 bits, interlace, colour keys) is written here, and its pixels follow from the rules in the comments.
ycck.jpg is made by ycck.c (libjpeg), before.    usage: python3 make_images.py
"""
import io, struct, zlib
import numpy as np
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

W, H = 19, 13
rng = np.random.default_rng(7)


def picture(w, h):
    """Smooth colours, a hard edge and some noise: no symmetry, so that every turn shows."""
    y, x = np.mgrid[0:h, 0:w]
    p = np.stack([255 * x / w, 255 * y / h, 127 + 127 * np.sin(x / 3 + y / 5)], -1) + rng.normal(size=(h, w, 3)) * 8
    p[: h // 3, : w // 4] = (250, 20, 60)
    return np.clip(p, 0, 255).astype(np.uint8)


def expect(name, rgb):
    rgb = np.asarray(rgb, np.uint8)
    open(name + ".ppm", "wb").write(b"P6 %d %d 255\n" % (rgb.shape[1], rgb.shape[0]) + rgb.tobytes())


def over_white(rgba):
    """c*a + 255*(1 - a), rounded, on 8 bits."""
    rgba = np.asarray(rgba, np.uint32)
    c, a = rgba[..., :3], rgba[..., 3:]
    return (c * a + 255 * (255 - a) + 127) // 255


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pack_rows(samples, depth):
    """samples [h, w*channels] as PNG rows of depth bits, filter 0."""
    rows = []
    for row in samples:
        if depth == 16:
            rows.append(row.astype(">u2").tobytes())
        elif depth == 8:
            rows.append(row.astype(np.uint8).tobytes())
        else:
            bits = ((row[:, None] >> np.arange(depth - 1, -1, -1)) & 1).astype(np.uint8).ravel()
            rows.append(np.packbits(bits).tobytes())
    return b"".join(b"\0" + r for r in rows)


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png(name, samples, depth, color, extra=b"", interlaced=False):
    """samples [h, w, channels]"""
    h, w, n = samples.shape
    if interlaced:
        raw = b"".join(pack_rows(samples[y::dy, x::dx].reshape(-1, len(range(x, w, dx)) * n), depth)
                       for x, y, dx, dy in ADAM7 if x < w and y < h)
    else:
        raw = pack_rows(samples.reshape(h, w * n), depth)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, color, 0, 0, int(interlaced)))
    open(name + ".png", "wb").write(data + extra + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def modes():
    p = picture(W, H)
    image = Image.fromarray(p)
    alpha = np.clip(rng.integers(-60, 320, size=(H, W, 1)), 0, 255).astype(np.uint8)
    rgba = np.concatenate([p, alpha], -1)
    grey = np.asarray(image.convert("L"))[..., None]

    image.save("rgb.png"); expect("rgb", p)
    Image.fromarray(rgba).save("rgba.png"); expect("rgba", over_white(rgba))
    image.convert("L").save("grey.png"); expect("grey", grey.repeat(3, -1))
    Image.fromarray(np.concatenate([grey, alpha], -1)).save("grey_alpha.png")
    expect("grey_alpha", over_white(np.concatenate([grey.repeat(3, -1), alpha], -1)))
    image.quantize(13).save("palette.png"); expect("palette", image.quantize(13).convert("RGB"))
    clear = image.quantize(13); clear.info["transparency"] = 4; clear.save("palette_trns.png", transparency=4)
    expect("palette_trns", over_white(Image.open("palette_trns.png").convert("RGBA")))
    image.convert("1").save("bit.png"); expect("bit", image.convert("1").convert("RGB"))
    png("interlaced", p, 8, 2, interlaced=True); expect("interlaced", p)
    for depth in (2, 4):
        level = grey.astype(np.uint32) >> (8 - depth)
        png(f"grey{depth}", level, depth, 0)
        expect(f"grey{depth}", (level * (255 // (2**depth - 1))).repeat(3, -1))
    deep = np.clip(rgba.astype(np.int64) * 257 + rng.integers(-128, 128, size=rgba.shape), 0, 65535)
    deep[0, 0] = (0, 65535, 128, 65535); deep[0, 1] = (127, 129, 65407, 65535)
    eight = (deep * 255 + 32767) // 65535  # 16 bits to 8: rounded
    png("rgb16", deep[..., :3], 16, 2); expect("rgb16", eight[..., :3])
    png("rgba16", deep, 16, 6); expect("rgba16", over_white(eight))
    png("grey16", deep[..., :1], 16, 0); expect("grey16", eight[..., :1].repeat(3, -1))
    png("grey_alpha16", deep[..., [0, 3]], 16, 4); expect("grey_alpha16", over_white(eight[..., [0, 0, 0, 3]]))
    key = p[5, 7]  # tRNS: the colour that is transparent
    png("rgb_trns", p, 8, 2, chunk(b"tRNS", struct.pack(">HHH", *map(int, key))))
    expect("rgb_trns", np.where((p == key).all(-1, keepdims=True), 255, p))
    png("grey_trns", grey, 8, 0, chunk(b"tRNS", struct.pack(">H", int(grey[3, 2, 0]))))
    expect("grey_trns", np.where(grey == grey[3, 2, 0], 255, grey).repeat(3, -1))
    # What a bomb may look like: a profile that unpacks to 32 MiB, text that does
    bomb = zlib.compress(bytes(1 << 25), 9)
    png("bomb", p, 8, 2, chunk(b"iCCP", b"icc\0\0" + bomb) + chunk(b"zTXt", b"parameters\0\0" + bomb)); expect("bomb", p)

    for name, source, options in (("baseline", image, {}), ("progressive", image, {"progressive": True}),
                                  ("sharp", image, {"quality": 95, "subsampling": 0}),
                                  ("greyscale", image.convert("L"), {}), ("cmyk", image.convert("CMYK"), {})):
        source.save(name + ".jpg", **options); expect(name, Image.open(name + ".jpg").convert("RGB"))
    for name, source, options in (("lossy", image, {}), ("lossless", image, {"lossless": True}),
                                  ("lossy_alpha", Image.fromarray(rgba), {}),
                                  ("lossless_alpha", Image.fromarray(rgba), {"lossless": True, "exact": True})):
        source.save(name + ".webp", **options)
        read = Image.open(name + ".webp"); expect(name, over_white(read) if read.mode == "RGBA" else read)
    image.save("animated.webp", save_all=True, append_images=[image.rotate(180)])
    expect("ycck", Image.open("ycck.jpg").convert("RGB"))


def masks():
    """One mask in many ways: the left half is to be repainted. What is transparent has any colour."""
    left = np.arange(16) < 8
    white = np.broadcast_to(np.where(left, 255, 0), (16, 16)).astype(np.uint8)
    colours = np.random.default_rng(8).integers(0, 256, size=(16, 16, 4)).astype(np.uint8)
    kept, hole = colours.copy(), colours.copy()
    kept[:, left] = 255; kept[:, ~left, 3] = 0
    hole[:, left, 3] = 0; hole[:, ~left, 3] = 255
    Image.fromarray(white).save("mask.png")
    Image.fromarray(kept).save("mask_rgba.png")
    Image.fromarray(kept[..., [0, 3]]).save("mask_grey_alpha.png")
    palette = Image.fromarray(np.where(left, 1, 0).repeat(16).reshape(16, 16).T.astype(np.uint8), "P")
    palette.putpalette([255, 255, 255, 255, 255, 255]); palette.save("mask_palette.png", transparency=0)
    Image.fromarray(kept).save("mask_lossless.webp", lossless=True, exact=True)
    Image.fromarray(hole).save("hole_rgba.png")
    Image.fromarray(hole[..., [0, 3]]).save("hole_grey_alpha.png")
    palette.save("hole_palette.png", transparency=1)
    Image.fromarray(hole).save("hole_lossless.webp", lossless=True, exact=True)
    exif = Image.Exif(); exif[0x0112] = 6  # stored so that it must be turned clockwise
    Image.fromarray(np.rot90(kept)).save("mask_turned.png", exif=exif)


def animations():
    """The first frame: of the whole canvas, and a part of it with nothing round it."""
    expect("animated", Image.open("animated.webp").convert("RGB"))
    part = Image.new("RGBA", (12, 10)); part.paste((200, 30, 90, 255), (4, 2, 9, 7))
    part.save("animated_part.webp", save_all=True, append_images=[part.rotate(180)], lossless=True, minimize_size=True)
    expect("animated_part", over_white(Image.open("animated_part.webp").convert("RGBA")))


def orientations():
    image = Image.fromarray(picture(7, 5))
    for way in range(1, 9):
        exif = Image.Exif(); exif[0x0112] = way
        for ending, options in (("png", {}), ("jpg", {"quality": 90}), ("webp", {"lossless": True})):
            if way not in (1, 6, 8) and ending != "jpg": continue
            name = f"way{way}_{ending}"
            image.save(f"{name}.{ending}", exif=exif, **options)
            expect(name, ImageOps.exif_transpose(Image.open(f"{name}.{ending}")).convert("RGB"))


def scaling():
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    p = picture(61, 47); expect("scale_from", p)
    for w, h in ((32, 20), (70, 66), (7, 90), (61, 9), (1, 1), (50, 5), (70, 30), (40, 3)):
        expect(f"scale_{w}x{h}", Image.fromarray(p).resize((w, h), Image.LANCZOS))
    for name, source in (("wide", p), ("tall", np.ascontiguousarray(p.transpose(1, 0, 2))),
                         ("thin", p[:, :3])):
        for size in (5, 16, 33):
            crop = CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size={"height": size, "width": size},
                                         do_rescale=False, do_normalize=False)(Image.fromarray(source))["pixel_values"][0]
            expect(f"clip_{name}_{size}", np.asarray(crop).transpose(1, 2, 0))
    open("luma.grey", "wb").write(np.asarray(Image.fromarray(p).convert("L")).tobytes())


PLAIN = "a café, 35 mm\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7.5, Seed: 1, Size: 512x512"
WORLD = "猫の絵, кошка, 😀 café\nSteps: 20, Seed: 4294967295"


def texts():
    image = Image.fromarray(picture(4, 3))
    for name, text, packed in (("text", PLAIN, False), ("ztxt", PLAIN, True), ("itxt", WORLD, False),
                               ("itxt_packed", WORLD, True)):
        info = PngInfo(); info.add_text("Comment", "not this"); info.add_text("parameters", text, zip=packed)
        image.save(name + ".png", pnginfo=info)
    for order, suffix in ((">", ""), ("<", "_little")):  # the web UIs' way, and EXIF's own with a little-endian TIFF
        exif = Image.Exif(); exif.endian = order
        text = b"UNICODE\0" + WORLD.encode("utf-16-be" if order == ">" else "utf-16-le")
        exif.get_ifd(0x8769)[0x9286] = text
        image.save(f"comment{suffix}.jpg", exif=exif); image.save(f"comment{suffix}.webp", exif=exif, lossless=True)
        image.save(f"comment{suffix}.png", exif=exif.tobytes())


modes(); orientations(); scaling(); texts(); masks(); animations()
