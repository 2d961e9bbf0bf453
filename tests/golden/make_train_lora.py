#!/usr/bin/env python3
"""Records the gradients of a LoRA as PEFT, diffusers, transformers and PyTorch compute them, and AdamW's first losses.

    make_train_lora.py GOLDEN_DIR OUT.safetensors

GOLDEN_DIR holds synth.py and reference.py, which make the reference models of the checkpoint `tiny`. Everything is
computed in float64 from weights that are rounded to f16. Pairs stand beside all linear layers of the U-Net's transformers
(rank 4, alpha 1), its convolutions in residual blocks and resampling (rank 2, alpha 0.5; 1x1 ones and linear layers
there 4 and 1), and the text encoder's attention and network (rank 4, alpha 1). Their values follow synth.py's rule under
LDM's names: "model.diffusion_model.input_blocks.1.1.proj_in.lora_down.weight".

The file: ids [2,77], x [2,4,16,16] and target, both as the U-Net sees them, t [2]; loss; gradients [tensors, 17]: of each
down and up, in the order of names, the norm, the first 8 and the last 8 values; losses [10]: before each of AdamW's
first steps (1e-3, 0.9, 0.999, 1e-8, decay 1e-2) on that batch. Of the model without pairs, whose text encoder has two
more words: embedding.ids, in which -1 and -2 stand for them, embedding.vectors [2,64], and embedding.loss and
embedding.gradient, by those.
"""
import sys
import numpy as np, torch
sys.path.insert(0, sys.argv[1])
import synth, reference as R
from diffusers.loaders import single_file_utils as sf
from peft import LoraConfig, inject_adapter_in_model
from safetensors.torch import save_file

CFG = synth.CONFIGS["tiny"]
TEXT = "cond_stage_model.transformer."


def noise(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).double()


def rule(name, shape):
    base, scale = synth.rule(name, shape)
    return torch.from_numpy((base + scale * synth.uniform(name, int(np.prod(shape)))).astype(np.float32).reshape(shape))


def ldm_layers(unet):
    """diffusers' name of a layer -> LDM's, found by sending tagged tensors through the converter."""
    shapes = {n: s for n, s in synth.ldm_shapes(CFG).items() if n.startswith("model.")}
    names = list(shapes)
    tags = {n: torch.full(s, float(i)) for i, (n, s) in enumerate(shapes.items())}
    back = sf.convert_ldm_unet_checkpoint(tags, dict(unet.config))
    return {k[:-7]: names[int(v.flatten()[0])][:-7] for k, v in back.items() if k.endswith(".weight")}


def chosen(name, module):
    inside = "attentions." in name or "resnets." in name or "samplers." in name or "encoder.layers." in name
    return inside and isinstance(module, (torch.nn.Linear, torch.nn.Conv2d))


def add_pairs(model):
    targets = {n: m for n, m in model.named_modules() if chosen(n, m)}
    wide = [n for n, m in targets.items() if isinstance(m, torch.nn.Conv2d) and m.kernel_size[0] > 1]
    config = LoraConfig(r=4, lora_alpha=1, target_modules=list(targets), init_lora_weights=False,
                        rank_pattern={n: 2 for n in wide}, alpha_pattern={n: 0.5 for n in wide})
    inject_adapter_in_model(config, model)
    return list(targets)


def pairs_of(model, layers):
    """Canonical name of each down and up -> parameter, filled by the rule."""
    out, modules = {}, dict(model.named_modules())
    for name, canonical in layers.items():
        for part, peft in ("lora_down", "lora_A"), ("lora_up", "lora_B"):
            p = getattr(modules[name], peft)["default"].weight
            p.data = rule("%s.%s.weight" % (canonical, part), tuple(p.shape)).double()
            out["%s.%s.weight" % (canonical, part)] = p
    return out


unet, text = R.unet(CFG).double(), R.clip_text(CFG).double()
layers = ldm_layers(unet)
for m in unet, text: m.requires_grad_(False)
pairs = pairs_of(unet, {n: layers[n] for n in add_pairs(unet)})
prefix = TEXT if any(n.startswith("text_model.") for n, _ in text.named_modules()) else TEXT + "text_model."
pairs.update(pairs_of(text, {n: prefix + n for n in add_pairs(text)}))
names = sorted(pairs, key=lambda n: n.encode())

betas = torch.linspace(0.00085 ** 0.5, 0.012 ** 0.5, 1000, dtype=torch.float64) ** 2
abar = (1 - betas).cumprod(0)
x0, target, t = noise(1, 2, 4, 16, 16), noise(2, 2, 4, 16, 16), torch.tensor([100, 800])
a = abar[t].reshape(-1, 1, 1, 1)
x = (a.sqrt() * x0 + (1 - a).sqrt() * target).float().double()
target = target.float().double()
ids = torch.randint(1000, 40000, (2, 77), generator=torch.Generator().manual_seed(3))
ids[:, 0], ids[0, 9:], ids[1, 40:] = 49406, 49407, 49407


def loss():
    context = text(input_ids=ids).last_hidden_state
    return ((unet(x, t, encoder_hidden_states=context).sample - target) ** 2).mean()


first = loss()
first.backward()
rows = [torch.cat([pairs[n].grad.flatten().norm().reshape(1), pairs[n].grad.flatten()[:8], pairs[n].grad.flatten()[-8:]])
        for n in names]
optimizer, losses = torch.optim.AdamW([pairs[n] for n in names], lr=1e-3, weight_decay=1e-2), []
for _ in range(10):
    optimizer.zero_grad()
    l = loss()
    losses.append(l.item())
    l.backward()
    optimizer.step()

def embedding_part():
    unet, text = R.unet(CFG).double(), R.clip_text(CFG).double()
    for m in unet, text: m.requires_grad_(False)
    vectors = (0.3 * noise(4, 2, CFG["clip_width"])).float().double()
    table = text.get_input_embeddings()
    table.weight = torch.nn.Parameter(torch.cat([table.weight, vectors]))
    marked = ids.clone()
    marked[0, 3], marked[0, 4], marked[1, 20], marked[1, 21] = (CFG["clip_vocab"] + k for k in (0, 1, 0, 1))
    context = text(input_ids=marked).last_hidden_state
    loss = ((unet(x, t, encoder_hidden_states=context).sample - target) ** 2).mean()
    loss.backward()
    told = torch.where(marked >= CFG["clip_vocab"], CFG["clip_vocab"] - 1 - marked, marked)
    return {"embedding.ids": told.int(), "embedding.vectors": vectors.float(), "embedding.loss": loss.detach().float().reshape(1),
            "embedding.gradient": table.weight.grad[-2:].float()}


save_file({"ids": ids.int(), "x": x.float(), "target": target.float(), "t": t.float(), "loss": first.detach().float().reshape(1),
           "gradients": torch.stack(rows).float(), "losses": torch.tensor(losses).float(), **embedding_part()}, sys.argv[2],
          metadata={"first": names[0], "last": names[-1]})
print(len(names), first.item(), losses)
