#!/usr/bin/env python3
"""Records the files of this folder with PyTorch and numpy: what test_formats.c and test_tensor.c read.

Every .ckpt is what torch.save writes; NAME.safetensors holds the values that a reader should find in NAME.ckpt.
"""
import argparse, collections, datetime, os, pathlib, sys, types
import numpy as np, torch
from safetensors.torch import save_file

here = pathlib.Path(__file__).parent
torch.manual_seed(1)


def state():
    base = torch.randn(6, 8)
    shared = torch.arange(12, dtype=torch.float32)
    return collections.OrderedDict([
        ("f32", torch.randn(2, 3, 4)), ("f16", torch.randn(5).half()), ("bf16", torch.randn(3, 2).bfloat16()),
        ("f64", torch.randn(3).double()), ("i64", torch.tensor([-5, 1 << 40])), ("i32", torch.tensor([-7, 70000]).int()),
        ("i16", torch.tensor([-300, 300]).short()), ("i8", torch.tensor([-128, 127]).char()),
        ("u8", torch.tensor([0, 255]).byte()), ("bool", torch.tensor([True, False, True])),
        ("transposed", base.t()), ("strided", base[1::2, 2:7:3]), ("permuted", torch.randn(2, 3, 4, 5).permute(0, 2, 3, 1)),
        ("shared.a", shared[:4]), ("shared.b", shared[3:].view(3, 3)), ("parameter", torch.nn.Parameter(torch.randn(4))),
        ("scalar", torch.tensor(2.5)), ("empty", torch.zeros(0, 3)), ("position_ids", torch.arange(7).expand(1, -1)),
    ])


def save(name, thing, values=None, **options):
    torch.save(thing, here / (name + ".ckpt"), **options)
    if values:
        save_file({k: v.detach().contiguous().clone() for k, v in values.items()}, here / (name + ".safetensors"))


# A training checkpoint of the Lightning kind: callbacks named by class, numpy scalars, optimiser state, odds and ends.
module = types.ModuleType("pytorch_lightning.callbacks.model_checkpoint")
ModelCheckpoint = type("ModelCheckpoint", (), {"__module__": module.__name__})
module.ModelCheckpoint = ModelCheckpoint
for part in ("pytorch_lightning", "pytorch_lightning.callbacks"): sys.modules[part] = types.ModuleType(part)
sys.modules[module.__name__] = module

values = state()
save("nested", {"epoch": 3, "global_step": 470000, "state_dict": values, "seed": 1 << 70}, values)
little = {"model.weight": torch.randn(2, 3).half(), "model.bias": torch.tensor([1.0, -2.0])}
save("small", little, little)
save("protocol5", little, pickle_protocol=5)
old = {"_use_new_zipfile_serialization": False}  # its storages are named by their addresses: other bytes each time
save("old_nested", {"epoch": 3, "global_step": 470000, "state_dict": values, "seed": 1 << 70}, **old)
save("old_small", little, **old)
save("old_protocol5", little, pickle_protocol=5, **old)
save("old_mixed", {**little, "odd": torch.zeros(2, dtype=torch.complex64), "odder": torch.zeros(3, dtype=torch.uint32)}, **old)
save("lightning", {
    "epoch": 6, "global_step": np.int64(470000), "pytorch-lightning_version": "1.4.2",
    "callbacks": {ModelCheckpoint: {"monitor": "val/loss", "best_model_score": torch.tensor(0.5), "current": np.float32(0.25),
                                    "best_k_models": {}, "dirpath": pathlib.PurePosixPath("logs")}},
    "lr_schedulers": [{"last_epoch": 1}], "hparams": argparse.Namespace(a=1), "tags": {"x"}, "when": datetime.date(2022, 8, 1),
    "array": np.arange(3), "object": ModelCheckpoint(), "counts": collections.defaultdict(int, a=1), "none": None,
    "optimizer_states": [{"state": {0: {"exp_avg": torch.randn(3)}}, "param_groups": [{"betas": (0.9, 0.999)}]}],
    "state_dict": collections.OrderedDict(little),
})


class Attack:
    def __reduce__(self):
        return os.system, ("true",)


save("attack", {"state_dict": little, "x": Attack()})
save("expanded", {"wide": torch.zeros(1).expand(1 << 40)})
save("sparse", {"odd": torch.eye(2).to_sparse()})
save("complex", {"odd": torch.zeros(2, dtype=torch.complex64)})
shown = {"expanded": torch.arange(3.0)[:, None].expand(3, 4), "constant": torch.tensor([0.5]).half().expand(2, 2, 2)}
shown["attributes"], shown["parameter"] = torch.arange(4.0), torch.nn.Parameter(torch.arange(5.0))
shown["attributes"].note = shown["parameter"].note = "somebody's"
save("shown", shown, shown)
eights = torch.arange(256, dtype=torch.uint8)
f8 = {"e4m3": eights.view(torch.float8_e4m3fn), "e5m2": eights.clone().view(torch.float8_e5m2)}
save("float8", {**f8, "even": f8["e4m3"][::2].view(64, 2).t()}, {**f8, "even": f8["e4m3"][::2].view(64, 2).t()})
save_file({**f8, **{name + ".f32": values.float() for name, values in f8.items()}}, here / "f8.safetensors")
save("quantized", {"odd": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)})
save("uint32", {"odd": torch.zeros(3, dtype=torch.uint32)})
save("rank9", {"odd": torch.zeros([1] * 9)})
save("module", torch.nn.Linear(1, 1))
save("lone", torch.zeros(2))
save("no_tensors", {"a": 1})

# Rounding: random bit patterns, and every boundary between two neighbours of f16, with the floats next to it.
bits = np.random.default_rng(1).integers(0, 1 << 32, 2048, dtype=np.uint64).astype(np.uint32)
halves = np.arange(0, 0x7C00, 37, dtype=np.uint16)
low, high = halves.view(np.float16).astype(np.float32), (halves + 1).view(np.float16).astype(np.float32)
high[np.isinf(high)] = 65536
middle = (low + high) / 2
edges = np.concatenate([middle, np.nextafter(middle, np.float32(0)), np.nextafter(middle, np.float32(1e9)),
                        np.float32([0, 65504, 65519.996, 65520, 1e-8, 2.0 ** -25, 2.0 ** -24, 2.0 ** -14, 3.4e38, np.inf])])
f32 = np.concatenate([bits.view(np.float32), edges, -edges])
f32 = f32[~np.isnan(f32)]
with np.errstate(over="ignore"): f16 = f32.astype(np.float16)
save_file({"f32": torch.from_numpy(f32), "f16": torch.from_numpy(f16), "bf16": torch.from_numpy(f32).bfloat16()},
          here / "rounding.safetensors")
