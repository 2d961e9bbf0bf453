#!/usr/bin/env python3
"""Records what golden2 lacks of Stable Diffusion XL, by diffusers:

    make_xl.py SHARED_GOLDEN2

xl/refiner_unet       the U-Net of tiny-refiner: x, t, context, y -> out; y of pooled and five sizes
xl/txt2img_refiner    golden2's xl/txt2img_euler_normal, of which tiny-refiner makes the last two of ten steps: the prompts by its own text
                      encoder; an aesthetic score of 6, of the negative prompt 2.5
xl/ip_adapter         the U-Net of tiny-xl with the adapter tiny-xl-ip at scale 0.5
xl/control_txt2img    tiny-xl with the ControlNet tiny-xl-control at strength 0.8 on both halves, ten steps of Euler on leading

tiny-refiner, tiny-xl-control and tiny-xl-ip are configurations below, by synth2.py's rule; the first one's text encoder is conditioner.embedders.0.model."""
import os, sys
import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

SHARED = sys.argv[1]
sys.path.insert(0, SHARED)
sys.path.insert(0, os.path.join(SHARED, "..", "golden"))
import synth2, reference2 as R
from diffusers import ControlNetModel, EulerDiscreteScheduler
from diffusers.loaders import single_file_utils as sf

HERE = os.path.dirname(os.path.abspath(__file__))
XL = synth2.CONFIGS["tiny-xl"]
REFINER = dict(kind="sdxl", model_channels=64, channel_mult=[1, 2, 4, 4], num_res_blocks=2, depth=[0, 1, 1, 0], middle_depth=1, linear=True, head_dim=64,
               context_dim=128, adm=128 + 5 * 256, latent_channels=4, open_width=128, open_layers=3, clip_vocab=49408, clip_positions=77)
CONTROL = dict(XL, kind="control", names="ldm", hint=[16, 32, 96, 256])
IP = dict(XL, kind="ip", tokens=4, embed=96)
TEXT = "conditioner.embedders.0.model."
PROMPTS = ["blurry, ugly", "a photo of an astronaut riding a horse on mars"]
TOKENS = [[49406, 21977, 267, 8159, 49407], [49406, 320, 1125, 539, 550, 18376, 6765, 320, 4558, 525, 7496, 49407]]
synth2.SHAPES["refiner"] = lambda c: {**synth2.unet_shapes(c), **synth2.open_clip_shapes(c, TEXT)}


def save(name, tensors, meta): save_file({k: v.contiguous().float() if v.dtype != torch.int32 else v for k, v in tensors.items()}, os.path.join(HERE, "xl", name + ".safetensors"), metadata=meta)
def weights(c, prefix): return {n: torch.from_numpy(np.ascontiguousarray(synth2.value2(n, s, "sdxl"))).half().float() for n, s in synth2.SHAPES["refiner"](c).items() if n.startswith(prefix)}
def embed(y, dim=256): f = torch.exp(-np.log(10000) * torch.arange(dim // 2, dtype=torch.float32) / (dim // 2)); a = y.flatten()[:, None] * f; return torch.cat([a.cos(), a.sin()], 1).reshape(y.shape[0], -1)


def refiner():
    from diffusers import UNet2DConditionModel
    conf = R.unet_config(REFINER)
    conf["transformer_layers_per_block"] = [1, 1, 1, 1]
    u = UNet2DConditionModel(**conf).eval()
    u.load_state_dict(sf.convert_ldm_unet_checkpoint(weights(REFINER, "model."), dict(u.config)), strict=True)
    R.tensors = lambda c, prefix="", store=torch.float16: weights(c, prefix)
    return u, R.open_clip(REFINER, TEXT)


def conditions(te, size):
    o = te(torch.tensor([t + [0] * (77 - len(t)) for t in TOKENS]), output_hidden_states=True)
    numbers = torch.tensor([[size, size, 0, 0, 2.5], [size, size, 0, 0, 6.0]])
    return o.hidden_states[-2], torch.cat([o.text_embeds, embed(numbers)], 1), o.text_embeds


def main():
    whole = R.tensors
    torch.set_grad_enabled(False)
    base = R.unet(XL)
    u, te = refiner()
    context, y, pooled = conditions(te, 128)
    x = torch.randn((2, 4, 16, 16), generator=torch.Generator().manual_seed(91))
    t = torch.tensor([51., 801.])
    save("refiner_unet", {"x": x, "t": t, "context": context, "y": y, "out": u(x, t, encoder_hidden_states=context, added_cond_kwargs={"text_embeds": y[:, :128], "time_ids": torch.tensor([[128., 128, 0, 0, 2.5], [128, 128, 0, 0, 6]])}).sample}, {})
    given = load_file(os.path.join(HERE, "xl", "txt2img_euler_normal.safetensors"))
    sig, z, each = given["sigmas"], given["noise"] * given["sigmas"][0], []
    ac = torch.cumprod(1 - torch.linspace(0.00085 ** 0.5, 0.012 ** 0.5, 1000, dtype=torch.float32) ** 2, 0)
    logs = ((1 - ac) / ac).sqrt().log()

    def timestep(s):  # k-diffusion's sigma_to_t
        d = s.log() - logs; low = d.ge(0).cumsum(0).argmax().clamp(max=998); w = ((logs[low] - s.log()) / (logs[low] - logs[low + 1])).clamp(0, 1)
        return (1 - w) * low + w * (low + 1)

    each = [z]
    for i in range(10):
        m, cx, yy = (u, context, y) if i >= 8 else (base, given["context"], given["y"])
        n = 5 if i >= 8 else 6; p = 128
        a = torch.cat([z / (sig[i] ** 2 + 1).sqrt()] * 2); tt = timestep(sig[i]).repeat(2)
        numbers = torch.tensor([[128., 128, 0, 0, 2.5], [128, 128, 0, 0, 6]]) if i >= 8 else torch.tensor([[128., 128, 0, 0, 128, 128]] * 2)
        e = m(a, tt, encoder_hidden_states=cx, added_cond_kwargs={"text_embeds": yy[:, :p], "time_ids": numbers}).sample
        e = e[:1] + 7 * (e[1:] - e[:1]); z = z + e * (sig[i + 1] - sig[i]); each.append(z)
    save("txt2img_refiner", {"noise": given["noise"], "latents": torch.stack(each), "latent": z, "sigmas": sig}, {"prompt": PROMPTS[1], "negative": PROMPTS[0], "cfg": "7", "steps": "10", "switch_at": "0.8"})
    R.tensors = whole
    image_prompt()
    check = load_file(os.path.join(HERE, "xl", "txt2img_euler_normal.safetensors"))["latents"]
    print("base's steps again:", float((torch.stack(each)[:9] - check[:9]).norm() / check[:9].norm()))
    control(base, given)


def control(base, given):
    ldm = {n: torch.from_numpy(np.ascontiguousarray(synth2.value2(n, s, "control"))).half().float() for n, s in synth2.control_shapes(CONTROL).items()}
    m = ControlNetModel(in_channels=4, conditioning_channels=3, down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"], block_out_channels=[64, 128, 256], layers_per_block=2, cross_attention_dim=192, attention_head_dim=[1, 2, 4],
                        transformer_layers_per_block=[1, 2, 3], use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=256, projection_class_embeddings_input_dim=1664, conditioning_embedding_out_channels=(16, 32, 96, 256)).eval()
    named = sf.convert_controlnet_checkpoint(dict(ldm), dict(m.config))  # which forgets the vector's layers
    for i, k in ((1, 0), (2, 2)):
        for w in ("weight", "bias"): named["add_embedding.linear_%d.%s" % (i, w)] = ldm["control_model.label_emb.0.%d.%s" % (k, w)]
    m.load_state_dict(named, strict=True)
    hint = torch.from_numpy(np.asarray(Image.open(os.path.join(HERE, "control", "hint.png")).convert("RGB")).astype(np.float32) / 255).permute(2, 0, 1)[None].repeat(2, 1, 1, 1)
    assert hint.shape[2:] == (128, 128), hint.shape
    s = EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="leading", steps_offset=1)
    s.set_timesteps(10); z = given["noise"] * s.init_noise_sigma; each = [z]
    numbers = torch.tensor([[128., 128, 0, 0, 128, 128]] * 2); added = {"text_embeds": given["y"][:, :128], "time_ids": numbers}
    for t in s.timesteps:
        x = s.scale_model_input(torch.cat([z] * 2), t)
        down, mid = m(x, t, encoder_hidden_states=given["context"], controlnet_cond=hint, conditioning_scale=0.8, added_cond_kwargs=added, return_dict=False)
        e = base(x, t, encoder_hidden_states=given["context"], added_cond_kwargs=added, down_block_additional_residuals=down, mid_block_additional_residual=mid).sample
        z = s.step(e[:1] + 7 * (e[1:] - e[:1]), t, z).prev_sample; each.append(z)
    save("control_txt2img", {"noise": given["noise"], "latents": torch.stack(each), "latent": z}, {"prompt": PROMPTS[1], "negative": PROMPTS[0], "cfg": "7", "steps": "10", "strength": "0.8"})


def image_prompt():
    """tiny-xl with tiny-xl-ip, a plain adapter, of golden2's image embedding."""
    u, w = R.unet(XL), {n: torch.from_numpy(np.ascontiguousarray(synth2.value2(n, s, "ip"))).half().float() for n, s in synth2.ip_shapes(IP).items()}
    part = lambda p: {n[len(p):]: v for n, v in w.items() if n.startswith(p)}
    given, seen = load_file(os.path.join(HERE, "xl", "unet_t51.safetensors")), load_file(os.path.join(HERE, "image_prompt", "image_encoder.safetensors"))
    u._load_ip_adapter_weights([{"image_proj": part("image_proj."), "ip_adapter": part("ip_adapter.")}], low_cpu_mem_usage=False)
    out = {k: given[k][:1] for k in ("x", "t", "context", "y")}
    for pr in u.attn_processors.values():
        if hasattr(pr, "scale"): pr.scale = [0.5]
    out["out@0.5"] = u(out["x"], out["t"], encoder_hidden_states=out["context"], added_cond_kwargs={"text_embeds": given["pooled"][:1], "time_ids": given["sizes"][:1], "image_embeds": [seen["image_embeds"][:, None]]}).sample
    save("ip_adapter", out, {"adapter": "tiny-xl-ip", "encoder": "tiny-vit", "image": "ip_image.png"})


if __name__ == "__main__": main()
