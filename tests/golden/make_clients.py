"""Records what real clients send: tests/golden/clients/bodies.json, and edit.multipart with its type in edit.type. To be
run in the environment that script/clients makes. The jobs beside the bodies are what A1111's and OpenAI's documents say
that they mean, written here by hand."""

import base64
import http.server
import io
import json
import pathlib
import threading

import openai
import webuiapi
from PIL import Image

OUT = pathlib.Path(__file__).parent / "clients"
sent = []


class Listener(http.server.BaseHTTPRequestHandler):
    """Takes anything, and answers with what no client minds."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer({"txt2img": [], "img2img": []})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        sent.append((self.path, self.headers["Content-Type"], body))
        self.answer({"images": [], "info": "{}", "data": [], "created": 0})

    def answer(self, value):
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def picture(colour):
    return Image.new("RGB", (8, 8), colour)


def png(image):
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def encoded(image):
    return "data:image/png;base64," + base64.b64encode(png(image)).decode()


COMMON = {"prompt": "a cat", "negative_prompt": "", "steps": 20, "guidance": 7.0, "width": 512, "height": 512, "variation_strength": 0.0,
          "sampler": "euler_a", "schedule": "normal", "model": "emoji", "preview": True, "seed": 5, "count": 1}
INPAINT = {"mask_padding": 0, "only_masked": True, "masked_content": "fill", "mask_blur": 4.0}


def calls(api, client):
    """(what, whose, call, the jobs that it means); pictures that are made anew stand as "@"."""
    red, control = picture("red"), webuiapi.ControlNetUnit(image=picture("blue"), module="canny", model="canny [12345678]", weight=0.5,
                                                           threshold_a=50, threshold_b=150, guidance_end=0.7, control_mode=1)
    prompt = webuiapi.ControlNetUnit(image=picture("blue"), module="ip-adapter_clip_sd15", model="face", weight=0.4)
    yield "txt2img", "txt2img", lambda: api.txt2img(prompt="a cat", seed=5), [COMMON]
    yield ("batches", "txt2img", lambda: api.txt2img(prompt="a cat", seed=5, batch_size=2, n_iter=2, steps=30, cfg_scale=4.5, width=640),
           [{**COMMON, "count": 2, "seed": seed, "steps": 30, "guidance": 4.5, "width": 640} for seed in (5, 7)])
    yield ("a variation", "txt2img", lambda: api.txt2img(prompt="a cat", seed=5, subseed=9, subseed_strength=0.25, n_iter=2),
           [{**COMMON, "variation_strength": 0.25, "variation_seed": seed} for seed in (9, 10)])
    yield ("ddim", "txt2img", lambda: api.txt2img(prompt="a cat", seed=5, sampler_name="DDIM", eta=0.5),
           [{**{k: v for k, v in COMMON.items() if k != "schedule"}, "sampler": "ddim", "eta": 0.5}])
    yield ("a sampler's old name", "txt2img", lambda: api.txt2img(prompt="a cat", seed=5, sampler_name="DPM++ 2M Karras", tiling=True),
           [{**COMMON, "sampler": "dpmpp_2m", "schedule": "karras", "seamless": "both"}])
    settings = {"sd_model_checkpoint": "other.safetensors [0123456789]", "sd_vae": "fine", "CLIP_stop_at_last_layers": 2, "randn_source": "NV",
                "samples_format": "jpg", "token_merging_ratio": 0.5, "sd_noise_schedule": "Zero Terminal SNR", "emphasis": "No norm"}
    yield ("settings", "txt2img", lambda: api.txt2img(prompt="a cat", seed=5, override_settings=settings),
           [{**COMMON, "model": "other.safetensors [0123456789]", "vae": "fine", "clip_skip": 2, "rng": "philox", "format": "jpg",
             "merge_tokens": 0.5, "zero_snr": True, "emphasis": "no-norm"}])
    hires = {"hires_scale": 1.5, "hires_upscaler": "latent-nearest-exact", "hires_steps": 9, "hires_strength": 0.4, "hires_sampler": "ddim"}
    yield ("hires", "txt2img", lambda: api.txt2img(prompt="a cat", seed=5, enable_hr=True, hr_scale=1.5, denoising_strength=0.4, hr_sampler_name="DDIM",
                                                   hr_upscaler="Latent (nearest-exact)", hr_second_pass_steps=9), [{**COMMON, **hires}])
    sized = {"hires_width": 768, "hires_height": 1024, "hires_upscaler": "4x", "hires_strength": 0.7}
    yield ("hires by size", "txt2img", lambda: api.txt2img(prompt="a cat", seed=5, enable_hr=True, hr_resize_x=768, hr_resize_y=1024, hr_upscaler="4x"),
           [{**COMMON, **sized}])
    unit = {"model": "canny [12345678]", "image": base64.b64encode(png(picture("blue"))).decode(), "strength": 0.5, "start": 0.0, "end": 0.7,
            "mode": "prompt", "fit": "fill", "annotator": "canny:50:150"}
    yield ("ControlNet", "txt2img", lambda: api.txt2img(prompt="a cat", seed=5, controlnet_units=[control], alwayson_scripts={}), [{**COMMON, "controls": [unit]}])
    adapter = {"adapter": "face", "image": unit["image"], "scale": 0.4, "start": 0.0, "end": 1.0}
    yield ("IP-Adapter", "txt2img", lambda: api.txt2img(prompt="a cat", seed=5, controlnet_units=[prompt], alwayson_scripts={}),
           [{**COMMON, "image_prompts": [adapter], "image_encoder": "vit-h"}])
    yield ("img2img", "img2img", lambda: api.img2img(images=[red], prompt="a cat", seed=5, denoising_strength=0.6),
           [{**COMMON, "image": encoded(red), "strength": 0.6}])
    yield ("two pictures", "img2img", lambda: api.img2img(images=[red, picture("blue")], prompt="a cat", seed=5),
           [{**COMMON, "image": encoded(red), "strength": 0.75}, {**COMMON, "image": encoded(picture("blue")), "strength": 0.75, "seed": 6}])
    yield ("resized", "img2img", lambda: api.img2img(images=[red], resize_mode=1, prompt="a cat", seed=5), [{**COMMON, "image": "@", "strength": 0.75}])
    yield ("inpainting", "img2img", lambda: api.img2img(images=[red], mask_image=picture("white"), prompt="a cat", seed=5),
           [{**COMMON, **INPAINT, "image": encoded(red), "strength": 0.75, "mask": "@"}])
    yield ("inpainting, otherwise", "img2img",
           lambda: api.img2img(images=[red], mask_image=picture("white"), prompt="a cat", seed=5, mask_blur=8, inpainting_fill=3, inpaint_full_res=False,
                               inpaint_full_res_padding=16),
           [{**COMMON, "mask_padding": 16, "only_masked": False, "masked_content": "nothing", "mask_blur": 8.0, "image": encoded(red), "strength": 0.75, "mask": "@"}])
    yield ("generations", "openai", lambda: client.images.generate(prompt="a cat"), [{"prompt": "a cat", "negative_prompt": ""}])
    yield ("generations, all said", "openai",
           lambda: client.images.generate(prompt="a [cat|dog] <lora:ink:0.5> | people, cars", model="emoji", n=3, size="640x480", quality="high",
                                          output_format="jpeg", response_format="b64_json", style="vivid", user="x", extra_body={"seed": 9, "cfg_scale": 4}),
           [{"prompt": "a [cat|dog] <lora:ink:0.5>", "negative_prompt": "people, cars", "model": "emoji", "count": 3, "width": 640, "height": 480,
             "steps": 30, "format": "jpg", "seed": 9, "guidance": 4.0}])
    yield ("a stream", "openai", lambda: list(client.images.generate(prompt="a cat", model="gpt-image-2", size="auto", quality="low", stream=True, partial_images=2)),
           [{"prompt": "a cat", "negative_prompt": "", "steps": 10, "preview": True}])


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    api = webuiapi.WebUIApi(port=server.server_port)
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="none")
    rows = []
    for what, kind, call, jobs in calls(api, client):
        sent.clear()
        call()
        rows.append({"what": what, "kind": kind, "body": json.loads(sent[0][2]), "jobs": jobs})
    OUT.mkdir(exist_ok=True)
    (OUT / "bodies.json").write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    sent.clear()
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    client.images.edit(image=[("in.png", png(picture("red")), "image/png")], mask=("mask.png", png(clear), "image/png"), prompt="a cat", size="64x64",
                       extra_body={"seed": 9, "steps": 2})
    (OUT / "edit.type").write_text(sent[0][1])
    (OUT / "edit.multipart").write_bytes(sent[0][2])


if __name__ == "__main__":
    main()
