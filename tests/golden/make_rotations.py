#!/usr/bin/env python3
"""Records what LyCORIS (lycoris-lora 4.1, PyTorch) makes of weights by rotations that golden2 lacks: OFT within a
constraint (COFT), and butterfly OFT (BOFT) with and without rescale, a constraint, or some of its stages.

    make_rotations.py GOLDEN_DIR OUT_FOLDER

GOLDEN_DIR holds synth.py, by whose rule the weights of the checkpoint `tiny` are made (rounded to f16), and those of
the adapters, which are written to OUT_FOLDER as LyCORIS names them: coft, boft, boft_bound, boft_stages. There, too:
rotations.safetensors, CASE@STRENGTH/WEIGHT, whole, in float32. At strength s that is W + s (W' - W), as the web UIs
have it (LyCORIS itself goes that part of the way in each stage of a butterfly).
"""
import sys
import numpy as np, torch
sys.path.insert(0, sys.argv[1])
import synth
from lycoris.functional import boft
from lycoris.modules.boft import ButterflyOFTModule
from lycoris.modules.diag_oft import DiagOFTModule
from safetensors.torch import save_file

SHAPES = synth.ldm_shapes(synth.CONFIGS["tiny"])
B = "down_blocks_0_attentions_0_transformer_blocks_0_"
NAMES = {  # an adapter's name of a layer -> the checkpoint's
    "lora_unet_" + B + "attn1_to_q": "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight",
    "lora_unet_" + B + "attn2_to_out_0": "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_out.0.weight",
    "lora_unet_conv_in": "model.diffusion_model.input_blocks.0.0.weight",
    "lora_te_text_model_encoder_layers_0_self_attn_out_proj":
        "cond_stage_model.transformer.text_model.encoder.layers.0.self_attn.out_proj.weight",
}
TO_Q, TO_OUT, CONV, TEXT = NAMES


def rule(name, shape, base, scale):
    values = base + scale * synth.uniform(name, int(np.prod(shape)))
    return torch.from_numpy(values.astype(np.float16).reshape(shape))


def weight_of(layer):
    name = NAMES[layer]
    return rule(name, SHAPES[name], *synth.rule(name, SHAPES[name])).float()


def module_around(weight):
    module = torch.nn.Linear(*weight.shape[::-1]) if weight.ndim == 2 else torch.nn.Conv2d(*weight.shape[1::-1], weight.shape[2], padding=1)
    module.weight.data = weight.clone()
    return module


def merge(weight, parts, whole):
    """whole: by LyCORIS' module, which has all stages that there may be; else by the function that it calls."""
    blocks, rescale, alpha = parts["oft_blocks"].float(), parts.get("rescale"), parts["alpha"]
    rescale = None if rescale is None else rescale.float()
    if not whole:
        return weight + boft.diff_weight(weight, blocks, rescale, constraint=float(alpha) * len(weight), backend="torch")
    kind = ButterflyOFTModule if blocks.ndim == 4 else DiagOFTModule
    with torch.no_grad():
        module = kind.make_module_from_state_dict("x", module_around(weight), blocks, rescale, alpha)
        assert module.oft_blocks.shape == blocks.shape
        return module.get_merged_weight()[0]


def norm_of_q(blocks):
    return float((blocks.float() - blocks.float().transpose(-1, -2)).norm())


def adapter(case, layers, whole=True):
    """layers: name -> (size, stages or None, share of Q's norm that the constraint leaves or None, rescale)."""
    file, merged = {}, {}
    for layer, (size, stages, share, rescale) in layers.items():
        weight = weight_of(layer)
        rows = len(weight)
        shape = ([] if stages is None else [stages]) + [rows // size, size, size]
        parts = {"oft_blocks": rule("%s.%s.oft_blocks" % (case, layer), shape, 0, 0.3)}
        if rescale:
            parts["rescale"] = rule("%s.%s.rescale" % (case, layer), [rows] + [1] * (weight.ndim - 1), 1, 0.25)
        parts["alpha"] = torch.tensor(0.0 if share is None else share * norm_of_q(parts["oft_blocks"]) / rows)
        new = merge(weight, parts, whole)
        file.update({layer + "." + k: v.contiguous() for k, v in parts.items()})
        for s in 1, 0.6:
            merged["%s@%g/%s" % (case, s, NAMES[layer])] = (weight + s * (new - weight)).contiguous()
        print(case, layer, shape, "moves by", float((new - weight).norm() / weight.norm()))
    save_file(file, "%s/%s.safetensors" % (sys.argv[2], case))
    return merged


out = adapter("coft", {TO_Q: (8, None, 0.5, False), CONV: (8, None, 0.25, True)})
out.update(adapter("boft", {TO_Q: (8, 4, None, False), TO_OUT: (16, 3, None, True), CONV: (4, 5, None, True),
                            TEXT: (32, 2, None, False)}))
out.update(adapter("boft_bound", {TO_Q: (8, 4, 0.5, True), CONV: (2, 6, 0.25, False), TEXT: (4, 5, 2, False)}))
out.update(adapter("boft_stages", {TO_Q: (4, 2, None, False), CONV: (8, 3, 0.5, True)}, whole=False))
save_file(out, sys.argv[2] + "/rotations.safetensors")
