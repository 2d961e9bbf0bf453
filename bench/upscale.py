#!/usr/bin/env python3
"""An upscaler in Latent beside PyTorch and ncnn, f32, and the memory that each takes:

    venv/bin/pip install torch ncnn spandrel safetensors numpy
    venv/bin/python bench/upscale.py LATENT UPSCALER.safetensors [--size 256] [--runs 3] [--threads 2]

Weights don't matter for speed: `latent convert --synthetic esrgan-x4 FILE` makes RealESRGAN_x4plus's shapes. Each program runs alone in a process of its own, once unmeasured; the
median counts. Peak memory is that of the process, with its libraries. ncnn runs the same layers in the same order (its Winograd on, f32 arithmetic and storage), PyTorch
spandrel's network in inference mode, Latent what `latent bench` times.
"""
import argparse, json, os, re, resource, statistics, subprocess, sys, tempfile, time


def timed(run, runs):
    run()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter(); run(); seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def run_torch(a):
    import torch
    from safetensors.torch import load_file
    from spandrel import ModelLoader
    torch.set_num_threads(a.threads)
    model = ModelLoader().load_from_state_dict({k: v.float() for k, v in load_file(a.upscaler).items()}).model.eval()
    x = torch.rand(1, 3, a.size, a.size)
    with torch.inference_mode(): return timed(lambda: model(x), a.runs)


class Net:
    """An RRDBNet as ncnn's two files."""
    def __init__(self): self.lines, self.blobs, self.data, self.uses = [], 0, [], {}

    def add(self, kind, inputs, *settings, data=()):
        name = "b%d" % self.blobs; self.blobs += 1
        self.lines.append([kind, "l%d" % len(self.lines), inputs, name, settings]); self.data += data
        return name

    def conv(self, weights, name, x, leaky):
        import numpy as np
        w, b = (weights["%s.%s" % (name, p)].astype(np.float32) for p in ("weight", "bias"))
        more = ["9=2", "-23310=1,0.2"] if leaky else []
        return self.add("Convolution", [x], "0=%d" % len(b), "1=3", "4=1", "5=1", "6=%d" % w.size, *more, data=[b"\0\0\0\0", w.tobytes(), b.tobytes()])

    def write(self, stem):
        """Blobs that are read several times are split, as ncnn wants them."""
        uses = {}
        for _, _, inputs, _, _ in self.lines:
            for i in inputs: uses[i] = uses.get(i, 0) + 1
        seen, text, blobs = {}, [], 0
        for kind, label, inputs, out, settings in self.lines:
            read = []
            for i in inputs:
                seen[i] = seen.get(i, -1) + 1
                read.append("%s_%d" % (i, seen[i]) if uses[i] > 1 else i)
            text.append(" ".join([kind, label, str(len(read)), "1", *read, out, *settings])); blobs += 1
            if uses.get(out, 0) > 1:
                parts = ["%s_%d" % (out, k) for k in range(uses[out])]
                text.append(" ".join(["Split", "s" + out, "1", str(len(parts)), out, *parts])); blobs += len(parts)
        with open(stem + ".param", "w") as f: f.write("7767517\n%d %d\n" % (len(text), blobs) + "\n".join(text) + "\n")
        with open(stem + ".bin", "wb") as f: f.write(b"".join(self.data))


def ncnn_files(weights, stem):
    net = Net(); x = net.add("Input", [])
    blocks = 1 + max(int(m[1]) for m in (re.match(r"body\.(\d+)\.", n) for n in weights) if m)
    trunk = h = net.conv(weights, "conv_first", x, False)
    for b in range(blocks):
        begin = h
        for r in (1, 2, 3):
            parts = [h]
            for k in range(1, 6):
                all_of = parts[0] if len(parts) == 1 else net.add("Concat", list(parts))
                parts.append(net.conv(weights, "body.%d.rdb%d.conv%d" % (b, r, k), all_of, k < 5))
            h = net.add("Eltwise", [parts[5], h], "0=1", "-23301=2,0.2,1.0")
        h = net.add("Eltwise", [h, begin], "0=1", "-23301=2,0.2,1.0")
    h = net.add("BinaryOp", [trunk, net.conv(weights, "conv_body", h, False)])
    for name in "conv_up1", "conv_up2": h = net.conv(weights, name, net.add("Interp", [h], "0=1", "1=2.0", "2=2.0"), True)
    out = net.conv(weights, "conv_last", net.conv(weights, "conv_hr", h, True), False)
    net.write(stem); return x, out


def run_ncnn(a):
    import ncnn, numpy as np
    from safetensors.numpy import load_file
    with tempfile.TemporaryDirectory() as folder:
        x, out = ncnn_files(load_file(a.upscaler), folder + "/net")
        net = ncnn.Net()
        net.opt.num_threads = a.threads
        for option in "use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage", "use_vulkan_compute": setattr(net.opt, option, False)
        net.load_param(folder + "/net.param"); net.load_model(folder + "/net.bin")
        picture = np.random.rand(3, a.size, a.size).astype(np.float32)
        def run():
            e = net.create_extractor(); e.input(x, ncnn.Mat(picture)); status, y = e.extract(out)
            if status or y.w != 4 * a.size: raise SystemExit("ncnn: %s, %s" % (status, y.w))
        return timed(run, a.runs)


def run_latent(a):
    text = subprocess.run([a.latent, "bench", "-m", a.upscaler, "--size", str(a.size), "--runs", str(a.runs), "-t", str(a.threads), "--precision", "f32", "--json"],
                          check=True, capture_output=True, text=True).stdout
    return json.loads(text)["modules"]["upscaler"]["run_seconds"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("latent"); p.add_argument("upscaler"); p.add_argument("--size", type=int, default=256); p.add_argument("--runs", type=int, default=3)
    p.add_argument("--threads", type=int, default=os.cpu_count()); p.add_argument("--only", choices=["latent", "torch", "ncnn"])
    a = p.parse_args()
    if a.only:
        seconds = dict(latent=run_latent, torch=run_torch, ncnn=run_ncnn)[a.only](a)
        who = resource.RUSAGE_CHILDREN if a.only == "latent" else resource.RUSAGE_SELF
        print(json.dumps(dict(program=a.only, seconds=seconds, peak_mb=resource.getrusage(who).ru_maxrss // 1024))); return
    rows = []
    for program in "latent", "torch", "ncnn":
        made = subprocess.run([sys.executable, __file__, *sys.argv[1:], "--only", program], capture_output=True, text=True)
        if made.returncode: print("%s: %s" % (program, made.stderr.strip().splitlines()[-1] if made.stderr else "failed")); continue
        rows.append(json.loads(made.stdout.splitlines()[-1]))
    for r in rows: print("%-7s %7.2f s  %6d MB  Latent takes %.2f of its time" % (r["program"], r["seconds"], r["peak_mb"], rows[0]["seconds"] / r["seconds"]))


if __name__ == "__main__": main()
