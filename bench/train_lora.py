#!/usr/bin/env python3
"""Training a LoRA for Stable Diffusion 1.5 in Latent and in PyTorch with PEFT: seconds a step and peak memory, as a Markdown table.
float32, batch 1, rank 16 beside all linear layers of the U-Net's transformers, AdamW, gradients clipped.

    python3 -m venv venv && venv/bin/pip install torch==2.13.0 diffusers==0.42.1 peft==0.21.2
    latent convert --synthetic sd15 sd15.safetensors --type f16
    venv/bin/python bench/train_lora.py LATENT sd15.safetensors DATA [--size 512] [--steps 4] [--threads 2] [--no-peer]

DATA is a folder of some pictures with captions. PyTorch gets random weights of the same shapes, and random tensors that lie
ready: neither VAE nor text encoder are in its memory. Latent encodes both, reads the weights as float16, and is run twice, with
--recompute and without; so is PyTorch, with gradient checkpointing and without.
"""
import argparse, json, os, resource, statistics, subprocess, sys, tempfile, time


def peer(o):
    """In a process of its own: seconds a step and peak memory, as JSON."""
    import torch
    from diffusers import UNet2DConditionModel
    from peft import LoraConfig
    torch.set_num_threads(o.threads)
    torch.manual_seed(0)
    model = UNet2DConditionModel(sample_size=64, cross_attention_dim=768)  # the defaults are Stable Diffusion 1's
    model.requires_grad_(False)
    targets = [n for n, m in model.named_modules() if "attentions." in n and isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))]
    model.add_adapter(LoraConfig(r=16, lora_alpha=16, target_modules=targets))
    if o.checkpointing:
        model.enable_gradient_checkpointing()
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=1e-2)
    side, times = o.size // 8, []
    for _ in range(o.steps):
        x, target, context = torch.randn(1, 4, side, side), torch.randn(1, 4, side, side), torch.randn(1, 77, 768)
        start = time.perf_counter()
        optimizer.zero_grad()
        loss = ((model(x, torch.randint(0, 1000, (1,)), encoder_hidden_states=context).sample - target) ** 2).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        times.append(time.perf_counter() - start)
    report(times, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def report(times, peak):
    print(json.dumps({"step": statistics.median(times[1:]), "peak": peak / 1024}))


def run_peer(o, checkpointing):
    words = [sys.executable, __file__, o.latent, o.model, o.data, "--peer", "--size", str(o.size), "--steps", str(o.steps),
             "--threads", str(o.threads)] + ["--checkpointing"] * checkpointing
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def run_latent(o, recompute, folder):
    model = os.path.join(folder, "lora%d.safetensors" % recompute)
    words = [o.latent, "train", "lora", "-d", o.data, "--init", o.model, "-o", model, "-q", "--size", str(o.size), "-b", "1", "--ema",
             "0", "--steps", str(o.steps), "-t", str(o.threads), "--precision", o.precision, "--cache", os.path.join(folder, "cache")]
    pid = os.spawnv(os.P_NOWAIT, words[0], words + ["--recompute"] * recompute)
    _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit(f"{' '.join(words)}: failed")
    rows = [json.loads(line) for line in open(model + ".jsonl")]
    return {"step": statistics.median(1 / row["samples_per_second"] for row in rows[1:]), "peak": usage.ru_maxrss / 1024}


def main():
    p = argparse.ArgumentParser()
    for name in "latent", "model", "data":
        p.add_argument(name)
    p.add_argument("--size", type=int, default=512)
    p.add_argument("--steps", type=int, default=4)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--precision", default="f32")
    p.add_argument("--no-peer", action="store_true")
    p.add_argument("--peer", action="store_true")
    p.add_argument("--checkpointing", action="store_true")
    o = p.parse_args()
    if o.peer:
        return peer(o)
    print("| | s a step | MiB |\n|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        rows = [("Latent", lambda: run_latent(o, False, folder)), ("Latent, --recompute", lambda: run_latent(o, True, folder))]
        if not o.no_peer:
            rows += [("PyTorch", lambda: run_peer(o, False)), ("PyTorch, gradient checkpointing", lambda: run_peer(o, True))]
        for name, run in rows:
            r = run()
            print("| %s | %.2f | %.0f |" % (name, r["step"], r["peak"]), flush=True)


main()
