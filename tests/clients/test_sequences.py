"""Call sequences of programs that can't be installed for a test: Open WebUI (backend/open_webui/routers/images.py) and
SillyTavern (src/endpoints/stable-diffusion.js), with their headers and bodies."""

import base64
import io
import json
import threading
import time

import requests
from PIL import Image

from clients import check, part, wait_until

EMPTY = {"authorization": ""}  # Open WebUI sends it without a key, too


def open_webui_automatic(server):
    url = server.url
    with part("Open WebUI, its engine being AUTOMATIC1111"):
        session = requests.Session()
        session.headers.update(EMPTY)
        check("the address is tried", session.get(f"{url}/sdapi/v1/options").ok)
        models = session.get(f"{url}/sdapi/v1/sd-models").json()
        check("models: title and name", all(model["title"] and model["model_name"] for model in models))
        title = next(model["title"] for model in models if model["model_name"] == "tiny")
        options = session.get(f"{url}/sdapi/v1/options").json()
        options["sd_model_checkpoint"] = title
        check("the whole object is posted back", session.post(f"{url}/sdapi/v1/options", json=options).ok)
        body = {"prompt": "a red apple", "batch_size": 2, "width": 64, "height": 64, "steps": 3, "negative_prompt": "people"}
        answer = session.post(f"{url}/sdapi/v1/txt2img", json=body).json()
        check("pictures", [Image.open(io.BytesIO(base64.b64decode(image))).size for image in answer["images"]] == [(64, 64)] * 2)
        info = json.loads(answer["info"])
        seed = str(info["seed"])
        words = ("-m", "models/Stable-diffusion/tiny.safetensors", "-p", "a red apple", "-n", "people", "--size", "64x64", "--steps", "3",
                 "--cfg", "7", "--sampler", "euler", "--schedule", "normal", "--seed", seed)
        check("the command line's bytes", base64.b64decode(answer["images"][0]) == server.picture("txt2img", *words))
        answer = session.post(f"{url}/sdapi/v1/txt2img", json={"prompt": "a cat", "batch_size": 1, "width": 64, "height": 64}).json()
        check("without steps: 50", json.loads(answer["info"])["steps"] == 50)
        options["sd_model_checkpoint"] = "emoji"
        session.post(f"{url}/sdapi/v1/options", json=options)


def open_webui_openai(server):
    url = f"{server.url}/v1"
    headers = {"Authorization": "Bearer "}
    with part("Open WebUI, its engine being OpenAI's"):
        body = {"model": "dall-e-2", "prompt": "a red apple", "n": 1, "size": "64x64", "response_format": "b64_json"}
        answer = requests.post(f"{url}/images/generations?api-version=2026-01-01", json=body, headers=headers).json()
        image = base64.b64decode(answer["data"][0]["b64_json"])
        check("a picture", Image.open(io.BytesIO(image)).size == (64, 64))
        form = {"model": "emoji", "prompt": "a green apple", "n": "1", "size": "64x64", "response_format": "b64_json"}
        for field in ("image", "image[]"):
            answer = requests.post(f"{url}/images/edits", data=form, files={field: ("image.png", image, "image/png")}, headers=headers).json()
            check(f"an edit, by the field {field}", "b64_json" in answer["data"][0])
        form["model"] = "gpt-image-1"
        del form["response_format"]
        answer = requests.post(f"{url}/images/edits", data=form, files={"image": ("image.png", image, "image/png")}, headers=headers).json()
        check("gpt-image-1 has no response_format", "b64_json" in answer["data"][0])


def tavern_body(prompt, **more):
    """public/scripts/extensions/stable-diffusion/index.js, generateAutoImage; the server adds url and auth."""
    return {
        "url": "http://localhost", "auth": "", "prompt": prompt, "negative_prompt": "people", "sampler_name": "DPM++ 2M", "scheduler": "karras",
        "steps": 4, "cfg_scale": 7, "width": 64, "height": 64, "restore_faces": False, "enable_hr": False, "hr_upscaler": "Latent",
        "hr_scale": 2, "hr_additional_modules": [], "denoising_strength": 0.7, "hr_second_pass_steps": 0, "seed": 7,
        "override_settings": {"CLIP_stop_at_last_layers": 1, "sd_vae": "Automatic"}, "override_settings_restore_afterwards": True,
        "clip_skip": 1, "save_images": True, "send_images": True, "do_not_save_grid": False, "do_not_save_samples": False, **more,
    }


def silly_tavern(server):
    api = f"{server.url}/sdapi/v1"
    headers = {"Authorization": "Basic " + base64.b64encode(b":").decode()}  # getBasicAuthHeader("")

    def get(name):
        return requests.get(f"{api}/{name}", headers=headers)

    with part("SillyTavern"):
        check("ping", get("options").ok)
        upscalers = [row["name"] for row in get("upscalers").json()]
        upscalers[1:1] = [row["name"] for row in get("latent-upscale-modes").json()]
        check("upscalers", upscalers[:2] == ["None", "Latent"], upscalers)
        check("VAEs", isinstance(get("sd-vae").json(), list) and isinstance(get("sd-modules").json(), list))
        check("samplers", "DPM++ 2M" in [row["name"] for row in get("samplers").json()])
        check("schedulers", "karras" in [row["name"] for row in get("schedulers").json()])
        title = next(row["title"] for row in get("sd-models").json() if row["model_name"] == "tiny")
        check("set the model", requests.post(f"{api}/options", json={"sd_model_checkpoint": title}, headers=headers).ok)
        state = get("progress").json()
        check("  polled until it is idle", state["progress"] == 0.0 and state["state"]["job_count"] == 0)
        check("  and get it", get("options").json()["sd_model_checkpoint"] == title)
        check("  that is no Forge", "forge_preset" not in get("options").json())
        answer = requests.post(f"{api}/txt2img", json=tavern_body("a red apple"), headers=headers).json()
        words = ("-m", "models/Stable-diffusion/tiny.safetensors", "-p", "a red apple", "-n", "people", "--size", "64x64", "--steps", "4",
                 "--cfg", "7", "--sampler", "dpmpp_2m", "--schedule", "karras", "--seed", "7")
        check("the command line's bytes", base64.b64decode(answer["images"][0]) == server.picture("txt2img", *words))
        answer = requests.post(f"{api}/txt2img", json=tavern_body("a cat", enable_hr=True), headers=headers).json()
        check("hires", Image.open(io.BytesIO(base64.b64decode(answer["images"][0]))).size == (128, 128))
        requests.post(f"{api}/options", json={"sd_model_checkpoint": "emoji"}, headers=headers)

    with part("SillyTavern: a user who leaves"):
        answers = []
        body = tavern_body("a red apple", steps=150, batch_size=100)
        drawing = threading.Thread(target=lambda: answers.append(requests.post(f"{api}/txt2img", json=body, headers=headers)))
        drawing.start()
        wait_until(lambda: get("progress").json()["state"]["sampling_step"] > 1)
        start = time.time()
        check("interrupt", requests.post(f"{api}/interrupt", headers=headers).ok)
        drawing.join(30)
        check("  the drawing ends", answers and answers[0].ok and time.time() - start < 2)
        try:
            requests.post(f"{api}/txt2img", json=body, headers=headers, timeout=1)
        except requests.Timeout:
            pass
        idle = wait_until(lambda: not requests.get(f"{server.url}/latent/v1/queue").json()["jobs"], 5)
        check("a client that hangs up ends its job", idle)


def run(server):
    with part("/internal/ping"):
        check("pong", requests.get(f"{server.url}/internal/ping").json() == {})
    open_webui_automatic(server)
    open_webui_openai(server)
    silly_tavern(server)
