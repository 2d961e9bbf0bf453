#!/usr/bin/env python3
"""The same work in Latent, PyTorch and OpenVINO, in each precision and instruction set, in turn on one machine.

    python3 -m venv venv && venv/bin/pip install torch==2.13.0 diffusers==0.42.1 transformers==5.24.0 openvino==2026.4.1 nncf==3.4.0
    venv/bin/python bench/peers.py convert CACHE                     # OpenVINO's models, once: 5 minutes, 5 GB, 14 GB of memory
    venv/bin/python bench/peers.py measure CACHE LATENT CHECKPOINT RESULTS [ROW...] [--rounds 5]
    venv/bin/python bench/peers.py how CACHE PROGRAM PRECISION ISA   # what a peer really runs: kernels, their precision and share
    python3 bench/peers_report.py RESULTS TABLES.md PICTURE.svg

LATENT is the program, CHECKPOINT a full-size one (`latent convert --synthetic sd15 FILE`). Modules are timed at 512x512: a U-Net step
with guidance (two samples in one batch), the decoding by the VAE; and a whole picture of 20 steps. A row's programs stay loaded and
run once each in every round, which adds a line to RESULTS (JSON); a round of pictures takes minutes, so five of them may be five calls
with --rounds 1. Peers have random weights: speed does not depend on them. Not held to an instruction set:
OpenVINO's f32 linear layers (MLAS, a sixth of its step at AVX2) and group norm take AVX-512; on AMD, MKL (PyTorch's f32 linear
layers) takes AVX2.
"""
import argparse, collections, contextlib, json, os, subprocess, sys, tempfile, time
from importlib import metadata
from pathlib import Path

SIDE, STEPS, GUIDANCE = 512, 20, 7.5
MODULES = ["U-Net", "VAE decoder"]

# Row: (program, precision, instruction set) of each that takes part. OpenVINO's int8+bf16 is its int8 model, the rest in bf16.
ROWS = {
    "f32": [("Latent", "f32", "best"), ("OpenVINO", "f32", "best"), ("PyTorch", "f32", "best")],
    "bf16": [("Latent", "bf16", "best"), ("OpenVINO", "bf16", "best"), ("PyTorch", "bf16", "best")],
    "int8": [("Latent", "int8", "best"), ("OpenVINO", "int8+bf16", "best"), ("OpenVINO", "int8", "best")],
    "int8 AVX512-VNNI": [("Latent", "int8", "avx512vnni"), ("OpenVINO", "int8", "avx512vnni")],
    "int8 AVX-VNNI": [("Latent", "int8", "avxvnni"), ("OpenVINO", "int8", "avxvnni")],
    "int8 AVX2": [("Latent", "int8", "avx2"), ("OpenVINO", "int8", "avx2")],
    "f32 AVX2": [("Latent", "f32", "avx2"), ("OpenVINO", "f32", "avx2"), ("PyTorch", "f32", "avx2")],
    "picture": [("Latent", "auto", "best"), ("Latent", "bf16", "best"), ("Latent", "int8", "best"),
                ("OpenVINO", "bf16", "best"), ("OpenVINO", "int8+bf16", "best")],
}

# Latent's name of an instruction set: oneDNN's (OpenVINO's too), ATen's, MKL's
ISAS = {
    "best": {},
    "avx512vnni": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI", "ATEN_CPU_CAPABILITY": "avx512", "MKL_ENABLE_INSTRUCTIONS": "AVX512"},
    "avxvnni": {"ONEDNN_MAX_CPU_ISA": "AVX2_VNNI", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
}


# ---- the peers' models ----

def torch_model(name):
    """The module and example inputs."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel
    torch.manual_seed(0)
    latent = SIDE // 8

    class Only(torch.nn.Module):  # one tensor comes out
        def __init__(self, model, forward): super().__init__(); self.model, self.call = model, forward
        def forward(self, *inputs): return self.call(self.model, *inputs)

    if name == "text encoder":
        model = CLIPTextModel(CLIPTextConfig(vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=12,
                                             num_attention_heads=12, max_position_embeddings=77, hidden_act="quick_gelu"))
        return Only(model, lambda m, ids: m(ids).last_hidden_state), [torch.randint(0, 49000, (1, 77))]
    if name == "U-Net":
        model = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
        return (Only(model, lambda m, x, t, context: m(x, t, encoder_hidden_states=context).sample),
                [torch.randn(2, 4, latent, latent), torch.tensor([500, 500]), torch.randn(2, 77, 768)])
    model = AutoencoderKL(block_out_channels=[128, 256, 512, 512], layers_per_block=2, latent_channels=4,
                          down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4)
    return Only(model, lambda m, z: m.decode(z).sample), [torch.randn(1, 4, latent, latent)]


def converted(cache, name, precision):
    kind = "int8" if precision.startswith("int8") and name != "text encoder" else "f32"
    return cache / f"{name.replace(' ', '-')}-{kind}.xml"


def convert(cache):
    """Writes OpenVINO's models: float32, and int8 by NNCF's post-training quantisation with random calibration data."""
    import nncf, openvino, torch
    cache.mkdir(parents=True, exist_ok=True)
    for name in ["text encoder", *MODULES]:
        path = converted(cache, name, "f32")
        if not path.exists():
            module, inputs = torch_model(name)
            with torch.no_grad(): model = openvino.convert_model(module.eval(), example_input=tuple(inputs))
            model.reshape({port: list(i.shape) for port, i in zip(model.inputs, inputs)})
            openvino.save_model(model, path, compress_to_fp16=False)
            del module, model
        quantised = converted(cache, name, "int8")
        if not quantised.exists():
            model = openvino.Core().read_model(path)
            samples = [random_inputs(model.inputs) for _ in range(2)]
            model = nncf.quantize(model, nncf.Dataset(samples), subset_size=len(samples), model_type=nncf.ModelType.TRANSFORMER)
            openvino.save_model(model, quantised, compress_to_fp16=False)


def random_inputs(ports):
    import numpy
    whole = lambda port: numpy.issubdtype(port.element_type.to_dtype(), numpy.integer)
    return [numpy.random.randint(0, 1000, list(p.shape)) if whole(p) else numpy.random.randn(*p.shape).astype("f") for p in ports]


# ---- the peers, each in a process of its own: functions that run once, of which the first run is over ----

def warm(call, *inputs):
    call(*inputs)
    return call


def openvino_compiled(cache, name, precision, timed=False):
    import openvino
    rest = precision.split("+")[-1].replace("int8", "f32")
    return openvino.Core().compile_model(converted(cache, name, precision), "CPU", {
        "INFERENCE_PRECISION_HINT": rest, "INFERENCE_NUM_THREADS": os.cpu_count(), "PERFORMANCE_HINT": "LATENCY", "PERF_COUNT": timed})


def openvino_module(cache, name, precision):
    request = openvino_compiled(cache, name, precision).create_infer_request()
    inputs = random_inputs(request.model_inputs)
    return warm(lambda: request.infer(inputs))


def openvino_picture(cache, precision):
    """diffusers' own pipeline with OpenVINO's modules in it."""
    import numpy, torch
    from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, StableDiffusionPipeline, UNet2DConditionModel
    text, unet, decoder = (openvino_compiled(cache, name, precision) for name in ["text encoder", *MODULES])
    run = lambda model, *inputs: torch.from_numpy(model([numpy.asarray(i) for i in inputs])[0])
    shell = UNet2DConditionModel(sample_size=64, block_out_channels=[32] * 4, cross_attention_dim=768)  # narrow: never run
    shell.forward = lambda x, t, encoder_hidden_states, **_: (run(unet, x, t.expand(len(x)), encoder_hidden_states),)
    vae = AutoencoderKL(block_out_channels=[8] * 4, norm_num_groups=8, down_block_types=["DownEncoderBlock2D"] * 4,
                        up_block_types=["UpDecoderBlock2D"] * 4)
    vae.decode = lambda z, **_: (run(decoder, z),)
    scheduler = DPMSolverMultistepScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                                            steps_offset=1, use_karras_sigmas=True)
    pipeline = StableDiffusionPipeline(vae, None, None, shell, scheduler, None, None, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)

    def draw(steps=STEPS):
        prompt, negative = (run(text, numpy.random.randint(0, 49000, (1, 77))) for _ in range(2))
        return pipeline(prompt_embeds=prompt, negative_prompt_embeds=negative, num_inference_steps=steps, guidance_scale=GUIDANCE)
    return warm(draw, 2)


def pytorch_module(name, precision):
    import torch
    torch.set_num_threads(os.cpu_count())
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[precision]
    module, inputs = torch_model(name)
    module = module.eval().to(dtype=dtype, memory_format=torch.channels_last)  # its faster layout on a CPU
    inputs = [i.to(dtype) if i.is_floating_point() else i for i in inputs]
    return warm(torch.no_grad()(lambda: module(*inputs)))


def calls(cache, program, precision, picture):
    """Function by module."""
    if picture: return {"picture": openvino_picture(cache, precision)}
    if program == "PyTorch": return {name: pytorch_module(name, precision) for name in MODULES}
    return {name: openvino_module(cache, name, precision) for name in MODULES}


def seconds_of(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def serve(args):
    """A run and a line of seconds for each line of standard input."""
    work = calls(args.cache, args.program, args.precision, args.picture)
    print("{}", flush=True)
    for _ in sys.stdin: print(json.dumps({name: seconds_of(call) for name, call in work.items()}), flush=True)


def how(args):
    """What really ran. OpenVINO: share of time by operation, kernel and precision; PyTorch: oneDNN's and MKL's own lines."""
    if args.program == "PyTorch":
        for name in MODULES: pytorch_module(name, args.precision)
    for name in MODULES if args.program == "OpenVINO" else []:
        model = openvino_compiled(args.cache, name, args.precision, timed=True)
        for _ in range(2): model(random_inputs(model.inputs))
        share = collections.Counter()
        for node in model.get_runtime_model().get_ops():
            of = {key: node.rt_info[key].value for key in ["layerType", "primitiveType", "runtimePrecision", "execTimeMcs"]}
            if of["execTimeMcs"].isdigit(): share[of["layerType"], of["primitiveType"], of["runtimePrecision"]] += int(of["execTimeMcs"])
        for kind, time_taken in share.most_common(12):
            print(f"{name}: {time_taken / share.total():6.1%}  {'  '.join(kind)}")


# ---- measuring ----

def start_peer(args, stack, program, precision, isa, picture):
    """A function that runs once and gives seconds by module."""
    command = [sys.executable, __file__, "serve", str(args.cache), program, precision, isa] + ["--picture"] * picture
    process = stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))

    def answer():
        for line in process.stdout:
            if line.startswith("{"): return json.loads(line)  # libraries print too
        sys.exit(f"peers.py: {program} {precision} {isa} ended")

    def run():
        print(file=process.stdin, flush=True)
        return answer()
    answer()
    return run


def start_latent(args, precision, isa, picture):
    of = ["-m", args.checkpoint, "--size", str(SIDE), "--precision", precision, "--isa", isa, "--json"]

    def modules():
        out = subprocess.run([args.latent, "bench", "--runs", "1", *of], stdout=subprocess.PIPE, text=True, check=True).stdout
        return {name: json.loads(out)["modules"][name]["run_seconds"] for name in MODULES}

    def draw():  # from the start of the program to the written file
        with tempfile.TemporaryDirectory() as folder:
            words = ["-p", "a red apple", "--steps", str(STEPS), "--cfg", str(GUIDANCE), "-q", "-o", folder + "/apple.png"]
            subprocess.run([args.latent, "txt2img", *of, *words], stdout=subprocess.DEVNULL, check=True)
    return (lambda: {"picture": seconds_of(draw)}) if picture else modules


def start(args, stack, program, precision, isa, picture):
    if program == "Latent": return start_latent(args, precision, isa, picture)
    return start_peer(args, stack, program, precision, isa, picture)


def measure(args):
    about = {"threads": os.cpu_count(), "side": SIDE, "steps": STEPS}
    about["versions"] = {name: metadata.version(name) for name in ["torch", "diffusers", "openvino", "nncf"]}
    about["processor"] = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    for row in args.rows or ROWS:
        with contextlib.ExitStack() as stack:  # ends the peers
            runs = {who: start(args, stack, *who, row == "picture") for who in ROWS[row]}
            for _ in range(args.rounds):
                took = [[*who, run()] for who, run in runs.items()]
                with open(args.results, "a") as out: print(json.dumps({"row": row, "took": took, **about}), file=out)
                print(row, *took, sep="\n  ", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    named = {"convert": [], "measure": ["latent", "checkpoint", "results"]}
    named["serve"] = named["how"] = ["program", "precision", "isa"]
    for command, words in named.items():
        sub = commands.add_parser(command)
        for word in ["cache", *words]: sub.add_argument(word, type=Path if word == "cache" else str)
        if command == "measure": sub.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}")
        if command == "measure": sub.add_argument("--rounds", type=int, default=5)
        if command == "serve": sub.add_argument("--picture", action="store_true")
    args = parser.parse_args()
    if unknown := set(getattr(args, "rows", [])) - set(ROWS): parser.error(f"no row {unknown}; rows are {', '.join(ROWS)}")
    if "isa" in args: os.environ.update(ISAS[args.isa])
    {"convert": lambda a: convert(a.cache), "measure": measure, "how": how, "serve": serve}[args.command](args)


if __name__ == "__main__":
    main()
