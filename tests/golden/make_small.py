#!/usr/bin/env python3
"""Records small/NAME.safetensors: U-Nets of distilled models' kinds, narrow, by diffusers.

    make_small.py SHARED_GOLDEN2

Weights are synth2.py's rule over diffusers' own names (queries and keys as loud as the rest), stored as f16: x, t, context, of some y and
timestep_cond (get_guidance_scale_embedding of 7.5 - 1) -> out."""
import os, sys
import numpy as np
import torch
from diffusers import LatentConsistencyModelPipeline, UNet2DConditionModel
from safetensors.torch import save_file

SHARED = sys.argv[1]
sys.path[:0] = [SHARED, os.path.join(SHARED, "..", "golden")]
import synth2

HERE = os.path.dirname(os.path.abspath(__file__))


def unet(ch, down, up, layers, heads, depth, ctx, mid="UNetMidBlock2DCrossAttn", **k):
    t = {"x": "CrossAttnDownBlock2D", ".": "DownBlock2D"}; v = {"x": "CrossAttnUpBlock2D", ".": "UpBlock2D"}
    return dict(sample_size=16, block_out_channels=ch, down_block_types=[t[c] for c in down], up_block_types=[v[c] for c in up], layers_per_block=layers,
                attention_head_dim=heads, transformer_layers_per_block=depth, cross_attention_dim=ctx, mid_block_type=mid, **k)


XL = dict(use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=256, projection_class_embeddings_input_dim=1664)
W = [64, 128, 256]
MODELS = {
    "ssd": unet(W, ".xx", "xx.", 2, [1, 2, 4], [1, [2, 2], [3, 3]], 192, "UNetMidBlock2D", reverse_transformer_layers_per_block=[[3, 3, 5], [2, 1, 1], 1], **XL),
    "koala": unet(W, ".xx", "xx.", 1, [1, 2, 4], [0, 2, 3], 192, None, **XL),
    "bk_base": unet(W + [256], "xxx.", ".xxx", 1, 8, 1, 64),
    "bk_tiny": unet(W, "xxx", "xxx", 1, 8, 1, 64, None),
    "sdxs": unet(W, "xxx", "xxx", 1, [1, 2, 4], 1, 128, None, use_linear_projection=True, only_cross_attention=[True, False, False]),
    "lcm": unet(W + [256], "xxx.", ".xxx", 2, 8, 1, 64, time_cond_proj_dim=256),
}


def noise(seed, *shape): return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def main():
    torch.set_grad_enabled(False)
    for name, config in MODELS.items():
        m = UNet2DConditionModel(**config).eval()
        m.load_state_dict({n: torch.from_numpy(np.ascontiguousarray(synth2.value2(n, tuple(w.shape), "sdxl"))).half().float() for n, w in m.state_dict().items()}, strict=True)
        io = {"x": noise(1, 1, 4, 16, 16), "t": torch.tensor([51.0]), "context": noise(2, 1, 77, config["cross_attention_dim"])}
        added = {}
        if "addition_embed_type" in config:
            pooled, sizes = noise(3, 1, 128), torch.tensor([[128.0, 128, 0, 0, 128, 128]])
            added = {"text_embeds": pooled, "time_ids": sizes}
            io["y"] = torch.cat([pooled, m.add_time_proj(sizes.flatten()).reshape(1, -1)], 1)
        if "time_cond_proj_dim" in config: io["timestep_cond"] = LatentConsistencyModelPipeline.get_guidance_scale_embedding(None, torch.tensor([6.5]), 256)
        io["out"] = m(io["x"], io["t"], encoder_hidden_states=io["context"], timestep_cond=io.get("timestep_cond"), added_cond_kwargs=added).sample
        save_file({k: v.contiguous() for k, v in io.items()}, os.path.join(HERE, "small", name + ".safetensors"))
        print(name, float(io["out"].std()))


if __name__ == "__main__": main()
