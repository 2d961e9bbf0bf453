"""webuiapi (PyPI), unchanged, drives every call that it has. What A1111 serves and Latent can't is at the end: each must
be told as an error, in that API's shape."""

import asyncio
import base64
import io
import threading
import time

import webuiapi
from PIL import Image, ImageDraw

from clients import check, part, refuses, wait_until

SETTINGS = dict(prompt="a red apple", negative_prompt="people", seed=7, steps=4, cfg_scale=6, width=64, height=64)
WORDS = ("-p", "a red apple", "-n", "people", "--seed", "7", "--steps", "4", "--cfg", "6", "--size", "64x64")
EULER_A = ("--sampler", "euler_a", "--schedule", "normal")


def fresh():
    """webuiapi writes units and scripts into its own default argument, where the next call finds them."""
    return {**SETTINGS, "alwayson_scripts": {}}


def bytes_of(result, i=0):
    return base64.b64decode(result.json["images"][i])


def sample(size=64):
    image = Image.new("RGB", (size, size), "white")
    ImageDraw.Draw(image).ellipse((size // 8, size // 8, size * 3 // 4, size * 3 // 4), fill=(200, 30, 40))
    return image


def half_mask(size=64):
    mask = Image.new("L", (size, size), 0)
    mask.paste(255, (0, 0, size // 2, size))
    return mask


def lists(api, server):
    with part("webuiapi: what there is"):
        check("controlnet is among the scripts", api.get_scripts()["txt2img"] == ["controlnet"])
        names = api.util_get_sampler_names()
        check("samplers", {"Euler a", "DPM++ 2M", "DDIM", "UniPC", "LCM"} <= set(names), names)
        check("schedulers", {"automatic", "karras", "sgm_uniform"} <= set(api.util_get_scheduler_names()))
        check("upscalers begin with None", [u["name"] for u in api.get_upscalers()][:2] == ["None", "Lanczos"])
        check("and have the shelf's", "tiny-esrgan-x2" in [u["name"] for u in api.get_upscalers()])
        check("latent upscale modes", [m["name"] for m in api.get_latent_upscale_modes()][0] == "Latent")
        check("models", {"emoji", "tiny"} <= {m["model_name"] for m in api.get_sd_models()})
        check("  without a path", all("/" not in m["filename"] for m in api.get_sd_models()))
        check("VAEs", isinstance(api.get_sd_vae(), list))
        check("LoRAs", [l["name"] for l in api.get_loras()] == ["blueprint"], api.get_loras())
        check("embeddings", "noto-word" in api.get_embeddings()["loaded"])
        for what in (api.get_hypernetworks, api.get_face_restorers, api.get_prompt_styles):
            check(f"{what.__name__}: none", what() == [])
        check("ESRGANs", [m["name"] for m in api.get_realesrgan_models()] == ["tiny-esrgan-x2"])
        check("memory", api.get_memory()["ram"]["used"] > 0)
        check("flags", api.get_cmd_flags()["api"] is True)
        check("refreshed", api.refresh_checkpoints() is None)
        check("ControlNet's version", api.controlnet_version() == 2)
        check("ControlNets", {"tiny-control", "tiny-t2i"} <= set(api.controlnet_model_list()))
        check("  by the old interface", webuiapi.ControlNetInterface(api).model_list() == api.controlnet_model_list())
        check("modules", {"none", "canny", "lineart_standard"} <= set(api.controlnet_module_list()))


def options(api):
    with part("webuiapi: options"):
        before = api.get_options()
        check("the model", before["sd_model_checkpoint"] == "emoji.safetensors", before["sd_model_checkpoint"])
        check("  as told by the client", api.util_get_current_model() == "emoji.safetensors")
        check("the whole object is taken back", api.set_options(before) is None)
        check("  and nothing changed", api.get_options() == before)
        api.util_set_model("tiny")
        check("another model", api.util_get_current_model() == "tiny.safetensors")
        api.util_wait_for_ready(0.1)
        api.set_options({"sd_model_checkpoint": "emoji", "CLIP_stop_at_last_layers": 2})
        check("clip skip", api.get_options()["CLIP_stop_at_last_layers"] == 2)
        api.set_options({"CLIP_stop_at_last_layers": 1})
        check("an unknown model", "not found" in str(api.set_options({"sd_model_checkpoint": "nosuch"})))
        check("  changes nothing", api.util_get_current_model() == "emoji.safetensors")


def txt2img(api, server):
    with part("webuiapi: txt2img"):
        result = api.txt2img(**SETTINGS)
        check("the command line's bytes", bytes_of(result) == server.picture("txt2img", *WORDS, *EULER_A))
        check("size", result.image.size == (64, 64))
        check("infotext", result.info["infotexts"][0] == result.image.info["parameters"])
        keys = ("seed", 7), ("steps", 4), ("sampler_name", "Euler a"), ("sd_model_name", "emoji"), ("width", 64), ("cfg_scale", 6)
        for key, value in keys:
            check(f"info: {key}", result.info[key] == value, result.info[key])
        check("parameters repeat the request", result.parameters["prompt"] == "a red apple")
        for sampler, scheduler, words in (
            ("DPM++ 2M", "karras", ("--sampler", "dpmpp_2m", "--schedule", "karras")),
            ("DPM++ 2M Karras", None, ("--sampler", "dpmpp_2m", "--schedule", "karras")),
            ("DPM++ 2M SDE", None, ("--sampler", "dpmpp_2m_sde", "--schedule", "exponential")),
            ("Euler", "SGM Uniform", ("--sampler", "euler", "--schedule", "sgm_uniform")),
            ("DDIM", None, ("--sampler", "ddim", "--eta", "1")),
            ("UniPC", None, ("--sampler", "unipc")),
        ):
            result = api.txt2img(**SETTINGS, sampler_name=sampler, scheduler=scheduler)
            check(f"{sampler}, {scheduler}: the command line's bytes", bytes_of(result) == server.picture("txt2img", *WORDS, *words))
        result = api.txt2img(**{**SETTINGS, "seed": 100}, batch_size=2, n_iter=2)
        check("two of two: seeds follow each other", result.info["all_seeds"] == [100, 101, 102, 103])
        words = (*WORDS[:4], "--seed", "103", *WORDS[6:])
        check("  the last one's bytes", bytes_of(result, 3) == server.picture("txt2img", *words, *EULER_A))
        result = api.txt2img(**SETTINGS, subseed=9, subseed_strength=0.3, n_iter=2)
        words = ("--variation-seed", "10", "--variation-strength", "0.3")
        check("  a variation's bytes", bytes_of(result, 1) == server.picture("txt2img", *WORDS, *EULER_A, *words))
        check("  its subseeds", result.info["all_subseeds"] == [9, 10])
        result = api.txt2img(**SETTINGS, tiling=True)
        check("tiling: the command line's bytes", bytes_of(result) == server.picture("txt2img", *WORDS, *EULER_A, "--seamless", "both"))
        result = api.txt2img(**{**SETTINGS, "prompt": "a red apple <lora:blueprint:0.8>"})
        words = ("-p", "a red apple <lora:blueprint:0.8>", *WORDS[2:], *EULER_A, "--models", "models")
        check("a LoRA: the command line's bytes", bytes_of(result) == server.picture("txt2img", *words))
        check("a random seed is told", api.txt2img(**{**SETTINGS, "seed": -1}).info["seed"] >= 0)
        check("no pictures where none are wanted", api.txt2img(**SETTINGS, send_images=False).images == [])

    with part("webuiapi: override_settings"):
        result = api.txt2img(**SETTINGS, override_settings={"sd_model_checkpoint": "tiny", "CLIP_stop_at_last_layers": 2})
        words = ("-m", "models/Stable-diffusion/tiny.safetensors", "--clip-skip", "2")
        check("another model: the command line's bytes", bytes_of(result) == server.picture("txt2img", *WORDS, *EULER_A, *words))
        check("  its name", result.info["sd_model_name"] == "tiny")
        check("  the option stays", api.util_get_current_model() == "emoji.safetensors")
        result = api.txt2img(**SETTINGS, override_settings={"randn_source": "NV"})
        check("a GPU's noise", bytes_of(result) == server.picture("txt2img", *WORDS, *EULER_A, "--rng", "philox"))
        result = api.txt2img(**SETTINGS, override_settings={"samples_format": "webp"})
        check("WebP", result.image.format == "WEBP")
        api.txt2img(**SETTINGS, override_settings={"CLIP_stop_at_last_layers": 2}, override_settings_restore_afterwards=False)
        check("what is not restored stays", api.get_options()["CLIP_stop_at_last_layers"] == 2)
        api.set_options({"CLIP_stop_at_last_layers": 1})

    with part("webuiapi: hires"):
        result = api.txt2img(**SETTINGS, enable_hr=True, hr_scale=1.5, hr_upscaler="Latent (bicubic)", hr_second_pass_steps=3, denoising_strength=0.6)
        words = ("--hires", "1.5", "--hires-upscaler", "latent-bicubic", "--hires-steps", "3", "--hires-strength", "0.6")
        check("latent: the command line's bytes", bytes_of(result) == server.picture("txt2img", *WORDS, *EULER_A, *words))
        result = api.txt2img(**SETTINGS, enable_hr=True, hr_resize_x=96, hr_resize_y=128, hr_upscaler="tiny-esrgan-x2", hr_sampler_name="DDIM")
        check("by an upscaler, to a size", result.image.size == (96, 128))

    with part("webuiapi: asynchronous"):
        async def both():
            return await asyncio.gather(*[api.txt2img(**{**SETTINGS, "seed": seed}, use_async=True) for seed in (7, 8)])
        first, second = asyncio.run(both())
        check("two at once", first.info["seed"] == 7 and second.info["seed"] == 8)
        check("  the command line's bytes", bytes_of(first) == server.picture("txt2img", *WORDS, *EULER_A))


def img2img(api, server):
    sample().save(server.work / "in.png")
    sample(96).save(server.work / "large.png")
    half_mask().save(server.work / "mask.png")
    with part("webuiapi: img2img"):
        result = api.img2img(images=[sample()], **SETTINGS, denoising_strength=0.6)
        words = ("-i", "in.png", *WORDS, *EULER_A, "--strength", "0.6")
        check("the command line's bytes", bytes_of(result) == server.picture("img2img", *words))
        check("strength is told", result.info["denoising_strength"] == 0.6)
        result = api.img2img(images=[sample(), sample(96)], **SETTINGS, n_iter=2)
        check("two pictures, twice", len(result.images) == 4 and result.info["all_seeds"] == [7, 8, 9, 10], result.info["all_seeds"])
        for mode in (1, 2):
            wide = Image.new("RGB", (96, 64), "green")
            check(f"resize mode {mode}", api.img2img(images=[wide], **SETTINGS, resize_mode=mode).image.size == (64, 64))
        result = api.img2img(images=[sample()], mask_image=half_mask(), **SETTINGS, mask_blur=2, inpainting_fill=1, inpaint_full_res=False)
        words = ("-i", "in.png", "--mask", "mask.png", *WORDS, *EULER_A, "--mask-blur", "2")
        check("inpainting: the command line's bytes", bytes_of(result) == server.picture("inpaint", *words))
        result = api.img2img(images=[sample(96)], mask_image=half_mask(96), **SETTINGS, inpainting_fill=0, inpaint_full_res=True, inpaint_full_res_padding=8, mask_blur=1)
        half_mask(96).save(server.work / "mask96.png")
        words = ("-i", "large.png", "--mask", "mask96.png", *WORDS, *EULER_A, "--mask-blur", "1", "--masked-content", "fill", "--only-masked", "--mask-padding", "8")
        check("only masked: the command line's bytes", bytes_of(result) == server.picture("inpaint", *words))
        inverted = Image.new("L", (64, 64), 255)
        inverted.paste(0, (0, 0, 32, 64))
        plain = api.img2img(images=[sample()], mask_image=half_mask(), **SETTINGS, inpaint_full_res=False)
        same = api.img2img(images=[sample()], mask_image=inverted, inpainting_mask_invert=1, **SETTINGS, inpaint_full_res=False)
        check("an inverted mask", bytes_of(plain) == bytes_of(same))
        strokes = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
        strokes.paste((10, 20, 30, 255), (0, 0, 32, 64))
        same = api.img2img(images=[sample()], mask_image=strokes, **SETTINGS, inpaint_full_res=False)
        check("a mask of strokes on nothing", bytes_of(plain) == bytes_of(same))
        check("pictures aren't sent back", plain.parameters["init_images"] is None)
        refuses("no picture", RuntimeError, lambda: api.img2img(images=[], **SETTINGS), "404", "Init image not found")


def controlnet(api, server):
    edges = sample().convert("RGB")
    edges.save(server.work / "edges.png")
    tiny = {"sd_model_checkpoint": "tiny"}
    words = ("txt2img", "-m", "models/Stable-diffusion/tiny.safetensors", *WORDS, *EULER_A)
    with part("webuiapi: ControlNet"):
        unit = webuiapi.ControlNetUnit(image=edges, model="tiny-control", module="canny", threshold_a=90, threshold_b=180, weight=0.7,
                                       resize_mode="Crop and Resize", guidance_end=0.8, control_mode=2)
        result = api.txt2img(**fresh(), controlnet_units=[unit], override_settings=tiny)
        more = ("--control", "models/ControlNet/tiny-control.safetensors:edges.png:0.7:0:0.8", "--annotator", "canny:90:180", "--control-mode", "control")
        check("a ControlNet: the command line's bytes", bytes_of(result) == server.picture(*words, *more))
        unit = webuiapi.ControlNetUnit(image=edges, model="tiny-t2i", resize_mode="Just Resize")
        result = api.txt2img(**fresh(), controlnet_units=[unit], override_settings=tiny)
        more = ("--control", "models/ControlNet/tiny-t2i.safetensors:edges.png", "--control-fit", "stretch")
        check("a T2I-Adapter: the command line's bytes", bytes_of(result) == server.picture(*words, *more))
        off = webuiapi.ControlNetUnit(image=edges, model="tiny-control", enabled=False)
        check("one that is off", bytes_of(api.txt2img(**fresh(), controlnet_units=[off], override_settings=tiny)) == server.picture(*words))
        own = webuiapi.ControlNetUnit(model="tiny-control", resize_mode="Crop and Resize")
        check("of img2img's own picture", len(api.img2img(images=[edges], **fresh(), controlnet_units=[own], override_settings=tiny).images) == 1)
        server.run("annotate", "canny:90:180", "-i", "edges.png", "-o", "map.png")
        found = api.controlnet_detect([edges], module="canny", threshold_a=90, threshold_b=180)
        check("detect: the command line's map", found.image.convert("RGB").tobytes() == Image.open(server.work / "map.png").convert("RGB").tobytes())
        refuses("a module that takes a network", RuntimeError, lambda: api.controlnet_detect([edges], module="openpose_full"), "422")
        unit = webuiapi.ControlNetUnit(image=edges, model="nosuch", resize_mode=1)
        refuses("an unknown ControlNet", RuntimeError, lambda: api.txt2img(**fresh(), controlnet_units=[unit]), "404")


def extras(api, server):
    sample(32).save(server.work / "small.png")
    with part("webuiapi: extras"):
        result = api.extra_single_image(sample(32), upscaler_1="tiny-esrgan-x2", upscaling_resize=2)
        expected = server.picture("upscale", "-m", "models/ESRGAN/tiny-esrgan-x2.safetensors", "-i", "small.png", "--scale", "2")
        check("the command line's bytes", base64.b64decode(result.json["image"]) == expected)
        result = api.extra_single_image(sample(32), upscaler_1="Lanczos", upscaling_resize=3)
        check("Lanczos: Pillow's pixels", result.image.convert("RGB").tobytes() == sample(32).resize((96, 96), Image.LANCZOS).tobytes())
        result = api.extra_single_image(sample(32), upscaler_1="tiny-esrgan-x2", resize_mode=1, upscaling_resize_w=80, upscaling_resize_h=50)
        check("to a size", result.image.size == (80, 50))
        result = api.extra_single_image(sample(32), upscaler_1="tiny-esrgan-x2", upscaler_2="Lanczos", extras_upscaler_2_visibility=0.5)
        check("two upscalers", result.image.size == (64, 64))
        check("none", api.extra_single_image(sample(32)).image.convert("RGB").tobytes() == sample(32).tobytes())
        result = api.extra_batch_images([sample(32), sample(40)], upscaler_1="Lanczos", upscaling_resize=2)
        check("a batch", [i.size for i in result.images] == [(64, 64), (80, 80)])
        refuses("faces", RuntimeError, lambda: api.extra_single_image(sample(32), gfpgan_visibility=1), "422")
        refuses("an unknown upscaler", RuntimeError, lambda: api.extra_single_image(sample(32), upscaler_1="nosuch"), "404")

    with part("webuiapi: png-info"):
        drawn = api.txt2img(**SETTINGS).image
        result = api.png_info(drawn)
        check("the text", result.info == drawn.info["parameters"])
        for key, value in (("Prompt", "a red apple"), ("Negative prompt", "people"), ("Seed", "7"), ("Size-1", "64"), ("Sampler", "Euler a"), ("Clip skip", "1")):
            check(f"  {key}", result.parameters[key] == value, result.parameters.get(key))
        check("a picture that says nothing", api.png_info(sample()).info == "")


def progress(api):
    with part("webuiapi: progress, skip and interrupt"):
        idle = api.get_progress()
        check("idle", idle["progress"] == 0 and idle["state"]["job_count"] == 0)
        results = []
        long = {**SETTINGS, "steps": 150}
        drawing = threading.Thread(target=lambda: results.append(api.txt2img(**long, n_iter=2, batch_size=40)))
        drawing.start()
        seen = wait_until(lambda: (p := api.get_progress())["state"]["sampling_step"] > 1 and p["current_image"] and p)
        check("progress", seen and 0 < seen["progress"] < 1 and seen["state"]["job_count"] == 2, seen and seen["progress"])
        check("  a preview", seen and Image.open(io.BytesIO(base64.b64decode(seen["current_image"]))).format == "PNG")
        check("skip", api.skip() is None)
        check("  goes to the next", wait_until(lambda: api.get_progress()["state"]["job_no"] == 1))
        wait_until(lambda: api.get_progress()["state"]["sampling_step"] > 1)
        start = time.time()
        check("interrupt", api.interrupt() == {})
        drawing.join(30)
        check("  ends at once", time.time() - start < 2, time.time() - start)
        check("  with what there is", len(results) == 1 and len(results[0].images) < 80)
        check("idle again", api.get_progress()["state"]["job_count"] == 0)
        api.util_wait_for_ready(0.1)


def refused(api):
    with part("webuiapi: what A1111 serves and Latent can't"):
        refuses("interrogate", RuntimeError, lambda: api.interrogate(sample()), "404", "Model not found")
        refuses("a bad sampler", RuntimeError, lambda: api.txt2img(**fresh(), sampler_name="nosuch"), "400", "Sampler not found")
        refuses("a script", RuntimeError, lambda: api.txt2img(**fresh(), script_name="X/Y/Z plot"), "422", "X/Y/Z plot", "not found")
        refuses("ADetailer", RuntimeError, lambda: api.txt2img(**fresh(), adetailer=[webuiapi.ADetailer()]), "422", "not found")
        refuses("AnimateDiff", RuntimeError, lambda: api.txt2img(**fresh(), animatediff=webuiapi.AnimateDiff()), "422", "not found")
        refuses("Roop", RuntimeError, lambda: api.txt2img(**fresh(), roop=webuiapi.Roop(sample())), "422", "not found")
        refuses("ReActor", RuntimeError, lambda: api.txt2img(**fresh(), reactor=webuiapi.ReActor(sample())), "422", "not found")
        refuses("SAG", RuntimeError, lambda: api.txt2img(**fresh(), sag=webuiapi.Sag()), "422", "not found")
        refuses("a checkpoint of its own for hires", RuntimeError, lambda: api.txt2img(**fresh(), hr_checkpoint_name="tiny"), "422")
        unit = [webuiapi.ControlNetUnit(image=sample(), model="tiny-control")]
        refuses("the deprecated ControlNet routes", RuntimeError, lambda: api.txt2img(**fresh(), controlnet_units=unit, use_deprecated_controlnet=True), "404")
        refuses("  of img2img", RuntimeError, lambda: api.img2img(images=[sample()], **fresh(), controlnet_units=unit, use_deprecated_controlnet=True), "404")
        old = webuiapi.ControlNetInterface(api)
        refuses("  by the old interface", RuntimeError, lambda: old.txt2img(prompt="x"), "404")
        refuses("  by the old interface", RuntimeError, lambda: old.img2img(init_images=[sample()]), "404")
        refuses("prompt generation", RuntimeError, lambda: api.prompt_gen(text="x"), "404")
        for call in (api.get_artists, api.get_artist_categories, lambda: api.custom_get("promptgen/list_models"),
                     lambda: webuiapi.TaggerInterface(api).tagger_interrogators()):
            check("an address that isn't here", "error" in call())
        refuses("pix2pix", RuntimeError, lambda: webuiapi.InstructPix2PixInterface(api).img2img(images=[sample()]), "404")
        refuses("rembg", RuntimeError, lambda: webuiapi.RemBGInterface(api).rembg(sample()), "404")
        refuses("the tagger", RuntimeError, lambda: webuiapi.TaggerInterface(api).tagger_interrogate(sample()), "404")
        check("model keywords", "error" in api.custom_get("model_keyword/get_keywords"))
        sam = webuiapi.SegmentAnythingInterface(api)
        for call in (sam.heartbeat, sam.get_sam_models):
            check("segment anything", "error" in call())


def shapes(api):
    with part("the shape of errors"):
        answer = api.session.post(f"{api.baseurl}/txt2img", json={"steps": "many"})
        check("a value of a wrong kind: 422", answer.status_code == 422, answer.status_code)
        check("  where it is", answer.json()["detail"][0]["loc"] == ["body", "steps"])
        answer = api.session.post(f"{api.baseurl}/txt2img", data="{", headers={"Content-Type": "application/json"})
        check("no JSON", answer.status_code in (400, 422) and set(answer.json()) == {"error", "detail", "body", "errors"})
        answer = api.session.post(f"{api.baseurl}/img2img", json={"init_images": ["nonsense"]})
        check("no picture", answer.status_code == 422 and "Invalid encoded image" in answer.json()["detail"])
        answer = api.session.post(f"{api.baseurl}/txt2img", json={"prompt": "x", "steps": 9999})
        check("over a limit", answer.status_code == 422 and "steps" in answer.text)
        check("unknown fields are ignored", "images" in api.session.post(f"{api.baseurl}/txt2img", json={**SETTINGS, "no_such_field": 1}).json())


def basic_auth(server):
    (server.work / "keys").write_text("user:secret\n")
    (server.work / "keys").chmod(0o600)
    server.stop()
    server.start("--key-file", "keys")
    with part("webuiapi: HTTP basic authentication"):
        api = webuiapi.WebUIApi(port=server.port, username="user", password="secret")
        check("with the password", api.get_options()["sd_model_checkpoint"] == "emoji.safetensors")
        check("  has_controlnet and others are asked for", api.has_controlnet is False)
        check("drawn", len(api.txt2img(**SETTINGS).images) == 1)
        wrong = webuiapi.WebUIApi(port=server.port, username="user", password="wrong")
        refuses("with another", RuntimeError, lambda: wrong.txt2img(**SETTINGS), "401")
    server.stop()
    server.start()


def run(server):
    api = webuiapi.WebUIApi(host="127.0.0.1", port=server.port)
    lists(api, server)
    options(api)
    txt2img(api, server)
    img2img(api, server)
    controlnet(api, server)
    extras(api, server)
    progress(api)
    refused(api)
    shapes(api)
    basic_auth(server)
