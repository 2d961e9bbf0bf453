"""openai (PyPI), unchanged: every call that its images and models have, with and without a stream, and asynchronously."""

import asyncio
import base64
import io
import urllib.error
import urllib.request

import openai
from PIL import Image, ImageDraw

from clients import check, part, refuses

SEED = {"seed": 7, "steps": 4}
WORDS = ("-p", "a red apple", "--seed", "7", "--steps", "4", "--size", "64x64")


def bytes_of(response, i=0):
    return base64.b64decode(response.data[i].b64_json)


def picture_of(data):
    return Image.open(io.BytesIO(data))


def sample(mode="RGB"):
    image = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(image).ellipse((8, 8, 48, 48), fill=(200, 30, 40))
    if mode == "RGBA":
        image.putalpha(Image.new("L", (64, 64), 255))
        image.paste((0, 0, 0, 0), (0, 0, 32, 64))
    return image


def file_of(image, name="in.png"):
    data = io.BytesIO()
    image.save(data, "PNG")
    return (name, data.getvalue(), "image/png")


def models(client):
    with part("openai: models"):
        names = [model.id for model in client.models.list()]
        check("list", "emoji" in names and "tiny" in names and len(names) == len(set(names)), names)
        check("retrieve", client.models.retrieve("tiny").owned_by == "latent")
        refuses("one that isn't there", openai.NotFoundError, lambda: client.models.retrieve("nosuch"), "does not exist")
        refuses("delete", openai.PermissionDeniedError, lambda: client.models.delete("tiny"), "not deleted")


def generations(client, server):
    with part("openai: generations"):
        response = client.images.generate(prompt="a red apple", size="64x64", response_format="b64_json", extra_body=SEED)
        check("the command line's bytes", bytes_of(response) == server.picture("txt2img", *WORDS))
        check("size, format and quality are told", (response.size, response.output_format, response.quality) == ("64x64", "png", "medium"))
        check("usage", response.usage.input_tokens == 3 and response.usage.total_tokens == 3, response.usage)
        response = client.images.generate(prompt="a red apple | people", model="tiny", size="64x64", n=2, extra_body={**SEED, "cfg_scale": 5})
        words = ("-m", "models/Stable-diffusion/tiny.safetensors", "-n", "people", "--cfg", "5")
        check("a model and a negative prompt: the command line's bytes", bytes_of(response) == server.picture("txt2img", *WORDS, *words))
        check("two", len(response.data) == 2)
        response = client.images.generate(prompt="a red apple <lora:blueprint:0.8>", size="64x64", extra_body=SEED)
        words = ("-p", "a red apple <lora:blueprint:0.8>", *WORDS[2:], "--models", "models")
        check("a LoRA: the command line's bytes", bytes_of(response) == server.picture("txt2img", *words))
        response = client.images.generate(prompt="a red apple", model="gpt-image-2.5-flare", size="auto", quality="low", user="somebody",
                                          background="opaque", moderation="low", extra_body={"seed": 7})
        check("a model of OpenAI's: the server's own", bytes_of(response) == server.picture("txt2img", *WORDS[:4], "--steps", "10"))
        check("quality is told", response.quality == "low")
        for name, kind in (("jpeg", "JPEG"), ("webp", "WEBP"), ("png", "PNG")):
            response = client.images.generate(prompt="a red apple", size="64x64", output_format=name, extra_body=SEED)
            check(f"as {name}", picture_of(bytes_of(response)).format == kind and response.output_format == name)

    with part("openai: addresses"):
        response = client.images.generate(prompt="a red apple", size="64x64", n=2, response_format="url", extra_body=SEED)
        with urllib.request.urlopen(response.data[0].url) as answer:
            check("the command line's bytes", answer.read() == server.picture("txt2img", *WORDS))
            check("their type", answer.headers["Content-Type"] == "image/png")
        check("  each its own", response.data[0].url != response.data[1].url)
        old = client.images.generate(prompt="a red apple", model="dall-e-3", size="64x64", style="vivid", extra_body=SEED)
        check("dall-e-3 answers with one where nothing is said", old.data[0].url and not old.data[0].b64_json)
        try:
            urllib.request.urlopen(response.data[0].url.replace("/0.png", "/9.png"))
            check("no such file: 404", False)
        except urllib.error.HTTPError as error:
            check("no such file: 404", error.code == 404)


def edits(client, server):
    sample().save(server.work / "in.png")
    sample("RGBA").save(server.work / "mask.png")
    with part("openai: edits"):
        plain = ("-p", "a red apple", "--seed", "7", "--steps", "4")
        response = client.images.edit(image=file_of(sample()), prompt="a red apple", extra_body=SEED)
        check("without a mask: the command line's bytes", bytes_of(response) == server.picture("img2img", "-i", "in.png", *plain))
        response = client.images.edit(image=file_of(sample()), mask=file_of(sample("RGBA"), "mask.png"), prompt="a red apple", size="64x64",
                                      n=2, input_fidelity="high", extra_body=SEED)
        words = ("-i", "in.png", "--mask", "mask.png", "--mask-rule", "transparent", "--strength", "1", *plain)
        check("with a mask: the command line's bytes", bytes_of(response) == server.picture("inpaint", *words))
        check("  two", len(response.data) == 2)
        response = client.images.edit(image=[file_of(sample("RGBA"))], prompt="a red apple", extra_body=SEED)
        words = ("-i", "mask.png", "--mask", "mask.png", "--mask-rule", "transparent", "--strength", "1", *plain)
        check("a list of one, its own transparency a mask", bytes_of(response) == server.picture("inpaint", *words))
        refuses("two pictures", openai.BadRequestError, lambda: client.images.edit(image=[file_of(sample())] * 2, prompt="x"), "One image")
        refuses("no picture", openai.BadRequestError, lambda: client.images.edit(image=("a.png", b"nonsense", "image/png"), prompt="x"), "Invalid image")

    with part("openai: variations"):
        response = client.images.create_variation(image=file_of(sample()), n=2, size="64x64", response_format="b64_json", extra_body=SEED)
        words = ("-i", "in.png", "-p", "", "--cfg", "1", "--seed", "7", "--steps", "4", "--size", "64x64")
        check("the command line's bytes", bytes_of(response) == server.picture("img2img", *words))
        check("two", len(response.data) == 2)


def streams(client, server):
    with part("openai: streams"):
        events = list(client.images.generate(prompt="a red apple", size="64x64", stream=True, partial_images=2, extra_body={"seed": 7, "steps": 40}))
        kinds = [event.type for event in events]
        check("previews, then the picture", kinds == ["image_generation.partial_image"] * 2 + ["image_generation.completed"], kinds)
        check("  their indices", [event.partial_image_index for event in events[:-1]] == [0, 1])
        check("  are pictures", all(picture_of(base64.b64decode(event.b64_json)) for event in events))
        words = (*WORDS[:4], "--steps", "40", *WORDS[6:])
        check("the command line's bytes", base64.b64decode(events[-1].b64_json) == server.picture("txt2img", *words))
        check("  usage", events[-1].usage.input_tokens == 3)
        events = list(client.images.edit(image=file_of(sample()), prompt="a red apple", stream=True, partial_images=1, n=2, extra_body={"seed": 7, "steps": 30}))
        check("an edit", [event.type for event in events].count("image_edit.completed") == 2, [event.type for event in events])
        events = list(client.images.generate(prompt="x", size="64x64", stream=True, partial_images=0, extra_body=SEED))
        check("without previews", [event.type for event in events] == ["image_generation.completed"])


def asynchronous(url, server):
    async def draw():
        client = openai.AsyncOpenAI(base_url=url, api_key="none")
        calls = [client.images.generate(prompt="a red apple", size="64x64", extra_body={"seed": seed, "steps": 4}) for seed in (7, 8)]
        responses = await asyncio.gather(*calls, client.images.edit(image=file_of(sample()), prompt="x", extra_body=SEED),
                                         client.images.create_variation(image=file_of(sample()), extra_body=SEED))
        stream = await client.images.generate(prompt="x", size="64x64", stream=True, extra_body=SEED)
        kinds = [event.type async for event in stream]
        names = [model.id async for model in client.models.list()]
        return responses, kinds, names, await client.models.retrieve("tiny")

    with part("openai: asynchronous"):
        responses, kinds, names, model = asyncio.run(draw())
        check("the command line's bytes", bytes_of(responses[0]) == server.picture("txt2img", *WORDS))
        check("all calls", len(responses) == 4 and kinds == ["image_generation.completed"] and model.id in names)


def refused(client):
    wrong = (
        ("a size", {"size": "large"}, "size"),
        ("eleven", {"n": 11}, "n"),
        ("a transparent background", {"background": "transparent"}, "background"),
        ("a quality", {"quality": "best"}, "quality"),
        ("a format", {"output_format": "gif"}, "output_format"),
        ("a compression of more than all", {"output_format": "webp", "output_compression": 101}, "output_compression"),
    )
    with part("openai: what makes no sense"):
        for what, arguments, param in wrong:
            try:
                client.images.generate(prompt="x", **arguments)
                check(f"refused: {what}", False)
            except openai.BadRequestError as error:
                check(f"refused: {what}", error.param == param and error.type == "invalid_request_error", error.body)
        refuses("no such model", openai.NotFoundError, lambda: client.images.generate(prompt="x", model="nosuch"), "does not exist")
        refuses("too large", openai.BadRequestError, lambda: client.images.generate(prompt="x", size="9000x9000"))
        refuses("no such address", openai.NotFoundError, lambda: client.chat.completions.create(model="x", messages=[]))


def keys(server):
    (server.work / "keys").write_text("sk-secret\n")
    (server.work / "keys").chmod(0o600)
    server.stop()
    server.start("--key-file", "keys")
    with part("openai: keys"):
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="sk-secret")
        response = client.images.generate(prompt="a red apple", size="64x64", response_format="url", extra_body=SEED)
        check("drawn with a key", urllib.request.urlopen(response.data[0].url).status == 200)
        wrong = openai.OpenAI(base_url=f"{server.url}/v1", api_key="sk-wrong")
        refuses("a wrong one", openai.AuthenticationError, lambda: wrong.models.list(), "401")
    server.stop()
    server.start()


def run(server):
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
    models(client)
    generations(client, server)
    edits(client, server)
    streams(client, server)
    asynchronous(f"{server.url}/v1", server)
    refused(client)
    keys(server)
