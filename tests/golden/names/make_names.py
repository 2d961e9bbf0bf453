#!/usr/bin/env python3
"""Records how diffusers and transformers name the tensors of an LDM checkpoint, as names.json beside this file.

    make_names.py DIR_OF_SYNTH_PY

Pairs come from diffusers' own converter (tagged tensors are sent through it) and are checked against the names and shapes of
a model made on torch's meta device. A row is [LDM module, diffusers module, tensors]: "wb" has a weight and a bias, "w" a weight
alone, "Wb" a weight that is a 1x1 convolution in LDM and a linear layer in diffusers. Prefixes are left out.
"""
import json, os, sys
sys.path.insert(0, sys.argv[1])
import synth, torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders import single_file_utils as sf
from transformers import CLIPTextConfig, CLIPTextModel

ODD = dict(model_channels=32, channel_mult=[1, 2, 3], num_res_blocks=3, attention_ds=[2], num_heads=4, in_channels=9, context_dim=48,
           latent_channels=4, vae_channels=32, vae_mult=[1, 2], vae_res_blocks=1, clip_width=64, clip_layers=1, clip_vocab=100,
           clip_positions=7)


def unet_model(c, **more):
    attn = [(1 << i) in c["attention_ds"] for i in range(len(c["channel_mult"]))]
    conf = dict(in_channels=c.get("in_channels", c["latent_channels"]), out_channels=c["latent_channels"],
                block_out_channels=[c["model_channels"] * m for m in c["channel_mult"]], layers_per_block=c["num_res_blocks"],
                down_block_types=["CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attn],
                up_block_types=["CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attn)],
                cross_attention_dim=c["context_dim"], attention_head_dim=c["num_heads"])
    with torch.device("meta"):
        return UNet2DConditionModel(**dict(conf, **more))


def vae_model(c):
    ch = [c["vae_channels"] * m for m in c["vae_mult"]]
    with torch.device("meta"):
        return AutoencoderKL(latent_channels=c["latent_channels"], block_out_channels=ch, layers_per_block=c["vae_res_blocks"],
                             down_block_types=["DownEncoderBlock2D"] * len(ch), up_block_types=["UpDecoderBlock2D"] * len(ch))


def text_model(c):
    with torch.device("meta"):
        return CLIPTextModel(CLIPTextConfig(vocab_size=c["clip_vocab"], hidden_size=c["clip_width"], intermediate_size=4 * c["clip_width"],
                             num_hidden_layers=c["clip_layers"], num_attention_heads=1, max_position_embeddings=c["clip_positions"]))


def rows(shapes, prefix, model, convert):
    """Rows of the tensors in shapes (LDM name -> shape) that begin with prefix."""
    names = [n for n in shapes if n.startswith(prefix)]
    pairs = {k: names[int(v)] for k, v in convert({n: torch.tensor([i]) for i, n in enumerate(names)}, model.config).items()}
    own = {k: tuple(v.shape) for k, v in model.state_dict().items() if not k.endswith("position_ids")}
    assert sorted(pairs) == sorted(own) and sorted(pairs.values()) == sorted(names)
    out = {}
    for k, n in pairs.items():
        (lm, kind), (dm, kind2) = n[len(prefix):].rsplit(".", 1), k.rsplit(".", 1)
        assert kind == kind2
        same = own[k] == tuple(shapes[n])
        assert same or own[k] + (1, 1) == tuple(shapes[n]), (k, n)
        out.setdefault((lm, dm), set()).add(kind[0] if same else "W")
    return [[lm, dm, "".join(sorted(kinds, key="Wwb".index))] for (lm, dm), kinds in sorted(out.items())]


def text_convert(tags, config):
    pre = "cond_stage_model.transformer.text_model."
    return {k[len(pre):]: v for k, v in tags.items()}


def all_rows(c):
    s = synth.ldm_shapes(c)
    return dict(unet=rows(s, "model.diffusion_model.", unet_model(c), sf.convert_ldm_unet_checkpoint),
                vae=rows(s, "first_stage_model.", vae_model(c), sf.convert_ldm_vae_checkpoint),
                text=rows(s, "cond_stage_model.transformer.text_model.", text_model(c), text_convert))


def xl_rows():
    """SDXL's kind of U-Net: no attention at the first level, transformers of several blocks, linear projections, more embeddings."""
    c = dict(ODD, channel_mult=[1, 2, 4], num_res_blocks=2, attention_ds=[2, 4], in_channels=4)
    depth = {1: 2, 2: 3}                                     # transformer blocks by level; the middle has the last one's
    s = {}
    for n, shape in synth.ldm_shapes(c).items():
        if ".proj_in.weight" in n or ".proj_out.weight" in n: shape = shape[:2]
        s[n] = shape
        if ".transformer_blocks.0." in n:
            level = {64: 1, 128: 2}[next(v[0] for k, v in synth.ldm_shapes(c).items() if k == n.split(".transformer")[0] + ".norm.weight")]
            for d in range(1, depth[level]): s[n.replace(".transformer_blocks.0.", ".transformer_blocks.%d." % d)] = shape
    emb, u = 4 * c["model_channels"], "model.diffusion_model.label_emb.0."
    s.update({u + "0.weight": (emb, 256), u + "0.bias": (emb,), u + "2.weight": (emb, emb), u + "2.bias": (emb,)})
    m = unet_model(c, transformer_layers_per_block=[1, 2, 3], use_linear_projection=True, addition_embed_type="text_time",
                   addition_time_embed_dim=32, projection_class_embeddings_input_dim=256)
    return dict(unet=rows(s, "model.diffusion_model.", m, sf.convert_ldm_unet_checkpoint))


def uneven():
    """Names alone, as diffusers has them, of a U-Net with another number of blocks at each level (its converter can't do that)."""
    return sorted(unet_model(dict(ODD, num_res_blocks=[1, 3, 2])).state_dict())


here = os.path.dirname(os.path.abspath(__file__))
data = dict(sd15=all_rows(synth.CONFIGS["sd15"]), odd=all_rows(ODD), xl=xl_rows(), uneven=uneven())
text = json.dumps(data, separators=(",", ":")).replace("],[", "],\n[")
open(os.path.join(here, "names.json"), "w").write(text + "\n")
