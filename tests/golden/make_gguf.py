"""Numbers rounded to GGUF's blocks by the gguf package (0.19), for tests/unit/test_gguf.c:
    python3 make_gguf.py gguf/rounded.safetensors
TYPE.bytes [blocks, bytes] of `values` [blocks, 32]: normal ones of many sizes, blocks of zeros, of one value, with ties
between two codes, with the extreme at either sign, and with one number far from the others. The other files of the
folder are golden2's (make_golden2.py): models and random blocks with the values that the package reads."""
import sys
import gguf
import numpy as np
from safetensors.numpy import save_file

g = np.random.default_rng(5)
values = [g.standard_normal((64, 32)) * 10.0 ** g.integers(-4, 3, (64, 1)), np.zeros((1, 32))]
values += [np.full((1, 32), v) for v in (1.0, -0.3, 6e-8, 1e4)]
values += [np.arange(-16, 16).reshape(1, 32) / 2.0, (np.arange(32).reshape(1, 32) - 3) / 8.0]
values += [np.r_[v, g.standard_normal(31)].reshape(1, 32) for v in (40.0, -40.0)]
values = np.concatenate(values).astype(np.float32)
out = {"values": values}
for name in ("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"):
    out[name + ".bytes"] = np.ascontiguousarray(gguf.quants.quantize(values, getattr(gguf.GGMLQuantizationType, name))).view(np.uint8).reshape(len(values), -1)
save_file(out, sys.argv[1], {"gguf": "0.19"})
