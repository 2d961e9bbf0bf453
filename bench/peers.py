#!/usr/bin/env python3
"""The same work in Latent, PyTorch and OpenVINO, in turn on one machine, as ratios in a Markdown table.

    python3 -m venv venv && venv/bin/pip install torch==2.13.0 diffusers transformers accelerate openvino
    venv/bin/python bench/peers.py LATENT CHECKPOINT [--rounds 3] [--size 512] [--threads 2]

LATENT is the program, CHECKPOINT a full-size one (`latent convert --synthetic sd15 FILE`). Everything is float32: a U-Net step
with guidance (two samples in one batch), decoding and encoding by the VAE, the text encoder. Peers have random weights: speed does
not depend on them. Each peer runs in a process of its own, so that its peak memory is its own.
"""
import argparse, json, os, resource, statistics, subprocess, sys, time

MODULES = ["text encoder", "VAE encoder", "U-Net", "VAE decoder"]
RUNS = 3  # of each module in each round, after one that is not counted; the median is taken


def models(size):
    """Name -> (module, example inputs)."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    latent = size // 8
    text = CLIPTextModel(CLIPTextConfig(vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=12,
                                        num_attention_heads=12, max_position_embeddings=77, hidden_act="quick_gelu"))
    unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
    vae = AutoencoderKL(block_out_channels=[128, 256, 512, 512], layers_per_block=2, latent_channels=4,
                        down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4)

    class Text(torch.nn.Module):
        def __init__(self): super().__init__(); self.m = text
        def forward(self, ids): return self.m(ids).last_hidden_state

    class UNet(torch.nn.Module):
        def __init__(self): super().__init__(); self.m = unet
        def forward(self, x, t, context): return self.m(x, t, encoder_hidden_states=context).sample

    class Encoder(torch.nn.Module):
        def __init__(self): super().__init__(); self.m = vae
        def forward(self, x): return self.m.encode(x).latent_dist.mean

    class Decoder(torch.nn.Module):
        def __init__(self): super().__init__(); self.m = vae
        def forward(self, z): return self.m.decode(z).sample

    return {
        "text encoder": (Text(), (torch.randint(0, 49000, (1, 77)),)),
        "VAE encoder": (Encoder(), (torch.randn(1, 3, size, size),)),
        "U-Net": (UNet(), (torch.randn(2, 4, latent, latent), torch.tensor([500, 500]), torch.randn(2, 77, 768))),
        "VAE decoder": (Decoder(), (torch.randn(1, 4, latent, latent),)),
    }


def median_time(call):
    call()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def pytorch(size, threads, name):
    import torch
    torch.set_num_threads(threads)
    module, inputs = models(size)[name]
    module = module.eval().to(memory_format=torch.channels_last)  # its faster layout on a CPU
    with torch.no_grad():
        return median_time(lambda: module(*inputs))


def openvino(size, threads, name):
    import openvino as ov
    import torch
    module, inputs = models(size)[name]
    with torch.no_grad():
        model = ov.convert_model(module.eval(), example_input=inputs)
    shapes = [list(i.shape) for i in inputs]
    model.reshape({port: shape for port, shape in zip(model.inputs, shapes)})
    del module
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads,
                                                      "PERFORMANCE_HINT": "LATENCY"})
    request = compiled.create_infer_request()
    arrays = [i.numpy() for i in inputs]
    return median_time(lambda: request.infer(arrays))


def one(peer, size, threads, name):
    """Runs in a process of its own."""
    seconds = {"pytorch": pytorch, "openvino": openvino}[peer](size, threads, name)
    print(json.dumps({"seconds": seconds, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def run_peer(peer, args, name):
    command = [sys.executable, __file__, "--one", peer, name, "--size", str(args.size), "--threads", str(args.threads)]
    out = subprocess.run(command, capture_output=True, text=True)
    if out.returncode: sys.exit(out.stderr)
    return json.loads(out.stdout.strip().splitlines()[-1])


def run_latent(args):
    command = [args.latent, "bench", "-m", args.checkpoint, "-W", str(args.size), "-H", str(args.size), "--runs", str(RUNS),
               "-t", str(args.threads), "--json"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("latent", nargs="?")
    parser.add_argument("checkpoint", nargs="?")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--peers", nargs="+", default=["pytorch", "openvino"])
    parser.add_argument("--modules", nargs="+", default=MODULES)
    parser.add_argument("--one", nargs=2)
    args = parser.parse_args()
    if args.one: return one(args.one[0], args.size, args.threads, args.one[1])

    seconds, peak, isa = {}, {}, ""
    for _ in range(args.rounds):
        result = run_latent(args)
        isa = result["isa"]
        peak.setdefault(("latent", "all"), []).append(result["peak_mib"])
        for name in args.modules: seconds.setdefault(("latent", name), []).append(result["modules"][name]["run_seconds"])
        for peer in args.peers:
            for name in args.modules:
                r = run_peer(peer, args, name)
                seconds.setdefault((peer, name), []).append(r["seconds"])
                peak.setdefault((peer, name), []).append(r["peak_mib"])

    middle = lambda v: statistics.median(v)
    print(f"{args.size}x{args.size}, float32, {isa}, {args.threads} threads; medians of {args.rounds} rounds")
    print("| module | Latent, s | " + " | ".join(f"{p}, s | Latent / {p}" for p in args.peers) + " |")
    print("|---" * (2 + 2 * len(args.peers)) + "|")
    for name in args.modules:
        ours = middle(seconds["latent", name])
        row = [name, f"{ours:.3f}"]
        for peer in args.peers:
            ratios = [a / b for a, b in zip(seconds["latent", name], seconds[peer, name])]
            row += [f"{middle(seconds[peer, name]):.3f}", f"{middle(ratios):.2f}"]
        print("| " + " | ".join(row) + " |")
    print(f"\nPeak memory, MiB: latent, all modules in turn {middle(peak['latent', 'all']):.0f}; " + "; ".join(
        f"{peer}, {name} alone {middle(peak[peer, name]):.0f}" for peer in args.peers for name in args.modules))


if __name__ == "__main__":
    main()
