#!/usr/bin/env python3
"""Whether a LoRA and an embedding that Latent trained are to diffusers what they are to Latent: the same picture of `tiny`.

    check_trained_lora.py LATENT GOLDEN_DIR MERGES FOLDER

GOLDEN_DIR holds synth.py and reference.py, MERGES is data/clip-merges.txt; FOLDER (made) gets pictures, the trained files and latents.
Trains a LoRA for both towers with convolutions and an embedding on 8 pictures, loads them by load_lora_weights and
load_textual_inversion, and compares latents of 10 steps (DDIM, guidance 7.5). A third way is kohya's merge script's: W + alpha /
rank * up * down, added here to the weights. Prints the relative differences, which are to be at most 1e-3.
"""
import json, os, subprocess, sys
LATENT, GOLDEN, MERGES, FOLDER = sys.argv[1:5]
sys.path.insert(0, GOLDEN)
import torch, diffusers
import synth, reference as R
from diffusers import DDIMScheduler, StableDiffusionPipeline
from safetensors.torch import load_file, save_file
from transformers import CLIPTokenizer

CFG, SIDE = synth.CONFIGS["tiny"], 16
os.makedirs(FOLDER, exist_ok=True)
path = lambda name: os.path.join(FOLDER, name)


def latent(*words):
    subprocess.run([LATENT, *words], check=True)


def tokenizer():
    merges = [line for line in open(MERGES, encoding="utf-8").read().split("\n") if line and not line.startswith("#version")]
    bs = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    cs, n = bs[:], 0
    for b in range(256):
        if b not in bs:
            bs.append(b)
            cs.append(256 + n)
            n += 1
    chars = [chr(c) for c in cs]
    vocabulary = chars + [c + "</w>" for c in chars] + ["".join(m.split()) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    json.dump({v: i for i, v in enumerate(vocabulary)}, open(path("vocab.json"), "w"))
    open(path("merges.txt"), "w", encoding="utf-8").write("#version: 0.2\n" + "\n".join(merges))
    t = CLIPTokenizer.from_pretrained(FOLDER)
    t.model_max_length = 77
    return t


def pipeline():
    scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
                              steps_offset=1)
    return StableDiffusionPipeline(R.vae(CFG), R.clip_text(CFG), tokenizer(), R.unet(CFG, sample=SIDE), scheduler, None, None,
                                   requires_safety_checker=False)


def theirs(pipe, prompt, noise):
    return pipe(prompt, negative_prompt="blurry", num_inference_steps=10, guidance_scale=7.5, latents=noise.clone(), output_type="latent").images


def ours(prompt, *words):
    latent("txt2img", "-q", "-m", path("tiny.safetensors"), "-p", prompt, "-n", "blurry", "--sampler", "ddim", "--steps", "10", "--cfg", "7.5",
           "-W", str(8 * SIDE), "-H", str(8 * SIDE), "--noise", path("noise.safetensors"), "--save-latents", path("latents.safetensors"),
           "-o", path("out.png"), *words)
    return load_file(path("latents.safetensors"))["latent"]


def merge(pipe):
    """kohya's networks/merge_lora.py: each pair into the weight that its name means."""
    file = load_file(path("ink.safetensors"))
    modules = {("lora_unet_" + n).replace(".", "_"): m for n, m in pipe.unet.named_modules()}
    for n, m in pipe.text_encoder.named_modules():
        modules[("lora_te_" + (n if n.startswith("text_model.") else "text_model." + n)).replace(".", "_")] = m
    for key in file:
        if not key.endswith(".lora_down.weight"):
            continue
        name = key[:-len(".lora_down.weight")]
        down, up, weight = file[key].float(), file[name + ".lora_up.weight"].float(), modules[name].weight
        scale = file[name + ".alpha"].float() / down.shape[0]
        weight.data += scale * (up.flatten(1) @ down.flatten(1)).reshape(weight.shape)


def compare(what, a, b):
    error = ((a - b).norm() / b.norm()).item()
    print("%-40s %.2e" % (what, error))
    return error <= 1e-3


if not os.path.exists(path("tiny.safetensors")):
    latent("convert", "--synthetic", "tiny", path("tiny.safetensors"))
    os.makedirs(path("pictures"), exist_ok=True)
    latent("txt2img", "-q", "-p", "a red apple", "--steps", "4", "--seed", "1", "-b", "8", "-o", path("pictures/p.png"))
    for i in range(1, 9):
        open(path("pictures/p-%d.txt" % i), "w").write("an apple, number %d" % i)
train = ["-d", path("pictures"), "--init", path("tiny.safetensors"), "-q", "--size", str(8 * SIDE), "-b", "1", "--ema", "0", "--warmup", "0",
         "--overwrite"]
latent("train", "lora", *train, "-o", path("ink.safetensors"), "--rank", "4", "--alpha", "2", "--conv-rank", "2", "--towers", "both", "--steps",
       "60", "--rate", "2e-3")
latent("train", "embedding", *train, "-o", path("sks.safetensors"), "--vectors", "3", "--initial", "an apple", "--steps", "20", "--rate", "1e-2")
noise = torch.randn(1, 4, SIDE, SIDE, generator=torch.Generator().manual_seed(5))
save_file({"noise": noise}, path("noise.safetensors"))
pipe, prompt = pipeline(), "an apple, number 3"
plain, with_lora = ours(prompt), ours(prompt, "--lora", path("ink.safetensors"))
print("what the LoRA changes: %.2f" % ((with_lora - plain).norm() / plain.norm()).item())
good = compare("without anything", plain, theirs(pipe, prompt, noise))
merged = pipeline()
merge(merged)
good &= compare("a LoRA, merged as kohya's script does", with_lora, theirs(merged, prompt, noise))
pipe.load_textual_inversion(path("sks.safetensors"), token="sks")
good &= compare("an embedding in diffusers", ours("sks, number 3", "--embedding", path("sks.safetensors")),
                theirs(pipe, "sks, number 3", noise))
pipe = pipeline()
pipe.load_lora_weights(path("ink.safetensors"))
good &= compare("a LoRA in diffusers", with_lora, theirs(pipe, prompt, noise))
sys.exit(not good)
