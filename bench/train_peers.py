#!/usr/bin/env python3
"""Training steps a second of the default model's VAE, CLIP and U-Net in Latent and in PyTorch, in turn on one machine, as ratios
in a Markdown table; both float32, the same shapes, batch and number of threads, AdamW, gradients clipped, with peak memory.

    python3 -m venv venv && venv/bin/pip install torch==2.13.0 diffusers transformers numpy
    venv/bin/python bench/train_peers.py LATENT DATA VAE CLIP [--rounds 3] [--steps 12] [--threads 2] [--precision f32]

DATA is a folder of pictures with captions (script/fetch-emoji makes one); VAE and CLIP are trained models, whose latents and
contexts the U-Net reads. PyTorch gets random tensors that lie ready: what Latent spends on pictures and noise counts against it.
"""
import argparse, json, os, resource, statistics, subprocess, sys, tempfile, time

BATCH = {"vae": 32, "clip": 128, "unet": 128}
SHAPE = {"vae": "--width 32 --mult 1,2,4,4 --latent-channels 12 --flip", "clip": "",
         "unet": "--width 96 --mult 1,2 --attention 1,1 --prediction v"}


def torch_step(kind):
    """A function that makes one training step."""
    import torch
    n = BATCH[kind]
    torch.manual_seed(0)
    if kind == "vae":
        from diffusers import AutoencoderKL
        model = AutoencoderKL(block_out_channels=[32, 64, 128, 128], layers_per_block=1, latent_channels=12, norm_num_groups=8,
                              down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4)
        x, noise = torch.randn(n, 3, 64, 64), torch.randn(n, 12, 8, 8)

        def loss():
            q = model.encode(x).latent_dist
            kl = 0.5 * (q.mean ** 2 + q.var - 1 - q.logvar).sum() / n
            return ((model.decode(q.mean + q.std * noise).sample - x) ** 2).mean() + 1e-6 * kl
    elif kind == "clip":
        from transformers import CLIPConfig, CLIPModel
        model = CLIPModel(CLIPConfig(
            text_config=dict(vocab_size=49408, hidden_size=128, intermediate_size=512, num_hidden_layers=4, num_attention_heads=2),
            vision_config=dict(hidden_size=192, intermediate_size=768, num_hidden_layers=4, num_attention_heads=3, image_size=64,
                               patch_size=8), projection_dim=128))
        ids, pixels = torch.randint(0, 49000, (n, 77)), torch.randn(n, 3, 64, 64)
        ids[:, 20:] = 49407

        def loss():
            return model(input_ids=ids, pixel_values=pixels, return_loss=True).loss
    else:
        from diffusers import UNet2DConditionModel
        model = UNet2DConditionModel(
            sample_size=8, in_channels=12, out_channels=12, block_out_channels=[96, 192], layers_per_block=1, norm_num_groups=8,
            down_block_types=["CrossAttnDownBlock2D"] * 2, up_block_types=["CrossAttnUpBlock2D"] * 2, cross_attention_dim=128,
            attention_head_dim=4)
        x, target, context = torch.randn(n, 12, 8, 8), torch.randn(n, 12, 8, 8), torch.randn(n, 77, 128)
        t = torch.randint(0, 1000, (n,))

        def loss():
            return ((model(x, t, encoder_hidden_states=context).sample - target) ** 2).mean()
    model = model.train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=1e-2)

    def step():
        optimizer.zero_grad()
        loss().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return step


def peer(kind, steps, threads):
    """In a process of its own: seconds a step and peak memory, as JSON."""
    import torch
    torch.set_num_threads(threads)
    step, times = torch_step(kind), []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"step": statistics.median(times[2:]), "peak": peak}))


def run_peer(kind, o):
    out = subprocess.run([sys.executable, __file__, "--peer", kind, "--steps", str(o.steps), "--threads", str(o.threads), "", "", "", ""],
                         check=True, capture_output=True, text=True).stdout
    return json.loads(out.splitlines()[-1])


def run_latent(kind, o, folder):
    model = os.path.join(folder, kind + ".safetensors")
    words = [o.latent, "train", kind, "-d", o.data, "-o", model, "-q", "--size", "64", "-b", str(BATCH[kind]), "--steps", str(o.steps),
             "-t", str(o.threads), "--precision", o.precision, "--ema", "0", *SHAPE[kind].split()]
    if kind == "unet":
        words += ["--vae", o.vae, "--text", o.clip, "--cache", os.path.join(folder, "cache")]
    pid = os.spawnv(os.P_NOWAIT, words[0], words)
    _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit(f"{' '.join(words)}: failed")
    rows = [json.loads(line) for line in open(model + ".jsonl")]
    return {"step": statistics.median(BATCH[kind] / row["samples_per_second"] for row in rows[2:]), "peak": usage.ru_maxrss / 1024}


def main():
    p = argparse.ArgumentParser()
    for name in "latent", "data", "vae", "clip":
        p.add_argument(name)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--steps", type=int, default=12)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--precision", default="f32")
    p.add_argument("--peer")
    o = p.parse_args()
    if o.peer:
        return peer(o.peer, o.steps, o.threads)
    print("| model | Latent, ms a step | PyTorch, ms a step | steps/s, Latent / PyTorch | Latent, MiB | PyTorch, MiB | memory |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for kind in "unet", "vae", "clip":
            ours, theirs = [], []
            for _ in range(o.rounds):
                ours.append(run_latent(kind, o, folder))
                theirs.append(run_peer(kind, o))
            a, b = (statistics.median(r["step"] for r in side) * 1000 for side in (ours, theirs))
            m, n = (statistics.median(r["peak"] for r in side) for side in (ours, theirs))
            print(f"| {kind} | {a:.0f} | {b:.0f} | {b / a:.2f} | {m:.0f} | {n:.0f} | {m / n:.2f} |", flush=True)


main()
