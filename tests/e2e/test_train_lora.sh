#!/bin/sh
# latent train lora and embedding as their users run them: what it makes, how it goes on, what it refuses.
# usage: test_train_lora.sh LATENT COMPARE
set -u
. "$(dirname "$0")/checks.sh"
latent=$(realpath "$1") compare=$(realpath "$2")
enter
data=data

lora() {
    name=$1
    shift
    "$latent" train lora -d "$data" --init tiny.safetensors -o "$name.safetensors" -q -t 2 --size 32 -b 1 --rank 4 --rate 1e-3 \
        --warmup 2 --save-minutes 0 "$@" >out 2>err
}
draw() { "$latent" txt2img -q -m tiny.safetensors --steps 2 --seed 1 -W 64 -H 64 "$@" >out 2>err; }
inspects() { "$latent" inspect "$1.safetensors" | grep -q -- "$2"; }
# To the byte: the file, and a tensor of the state. Files have their names in them.
same() { cmp "$1/ink.safetensors" "$2/ink.safetensors" && "$compare" "$1/ink.safetensors.state" "$2/ink.safetensors.state" "$3" 0; }

"$latent" convert --synthetic tiny tiny.safetensors && mkdir data &&
    "$latent" txt2img -m tiny.safetensors -q -p "a cat" --steps 1 --cfg 1 -W 48 -H 32 --seed 1 -b 6 -o data/p.png >out 2>err || exit 1
for i in $(seq 6); do echo "{\"file_name\": \"p-$i.png\", \"text\": \"sks, number $i\"}"; done >data/metadata.jsonl
mkdir silent whole parts once && cp data/p-1.png silent

layer=model.diffusion_model.input_blocks.1.1.proj_in.lora_down.weight
check "train lora" lora whole/ink --steps 6 --towers both --conv-rank 2
check "it is a LoRA of both towers" inspects whole/ink 'LoCon: of 278 layers of the U-Net, 18 of text encoders'
check "it says what it was trained with" inspects whole/ink 'trained words: .*sks'
check "its metadata are kohya's" eval 'inspects whole/ink "ss_network_dim = 4" && inspects whole/ink "ss_network_module = networks.lora" &&
    inspects whole/ink "ss_base_model_version = sd_v1" && inspects whole/ink "modelspec.architecture = stable-diffusion-v1/lora"'
check "a picture with it" eval 'draw -p "number 3" -o plain.png && draw -p "number 3" --lora whole/ink.safetensors -o with.png && ! cmp -s plain.png with.png'
check "into a checkpoint" "$latent" convert tiny.safetensors merged.safetensors --lora whole/ink.safetensors

check "half of it, and the rest" eval 'lora parts/ink --steps 3 --towers both --conv-rank 2 && lora parts/ink --steps 6 --towers both --conv-rank 2 --resume'
check "is the same" same whole parts $layer
check "with one thread, activations computed twice" lora once/ink --steps 6 --towers both --conv-rank 2 -t 1 --recompute
check "is the same" same whole once $layer
check "attention alone" eval 'lora few --steps 1 --layers attention && inspects few "of 128 layers of the U-Net"'
check "the text encoder alone" eval 'lora text --steps 1 --towers text && inspects text "18 .*text encoder"'

mkdir prior masks wrong tmp-none && cp data/p-2.png prior && echo "an apple" >prior/p-2.txt && cp data/p-1.png data/p-3.png masks && cp with.png wrong/p-1.png
check "with prior pictures, masks, offset noise and weights by noise" lora all --steps 4 -b 2 --flip --prior prior --prior-weight 0.5 \
    --masks masks --noise-offset 0.05 --min-snr 5
check "which is said" eval 'inspects all "ss_prior_loss_weight = 0.5" && inspects all "ss_noise_offset = 0.05" && inspects all "ss_min_snr_gamma = 5"'
mkdir mixed && cp data/* mixed && "$latent" txt2img -m tiny.safetensors -q -p "a cat" --steps 1 --cfg 1 -W 32 -H 64 --seed 1 -b 3 -o mixed/t.png \
    >out 2>err && for i in 1 2 3; do echo "{\"file_name\": \"t-$i.png\", \"text\": \"tall $i\"}" >>mixed/metadata.jsonl; done
data=mixed
check "pictures of several shapes" lora whole/mixed --steps 6 --size 128 -b 2 --buckets --masks masks
check "half of them, and the rest" eval 'lora parts/mixed --steps 3 --size 128 -b 2 --buckets --masks masks &&
    lora parts/mixed --steps 6 --size 128 -b 2 --buckets --masks masks --resume && cmp whole/mixed.safetensors parts/mixed.safetensors'
refuse "squares for such" 1 'of latents that are encoded once' lora none --buckets --flip
refuse "sides that are too short for shapes" 1 '32 pixels are too few for sides of multiples of [0-9]*' lora none --buckets
data=data
refuse "a mask of another size" 1 'p-1.png: a mask of 64x64 for a picture of 48x32' lora none --masks wrong
refuse "no masks at all" 1 'tmp-none: no mask is in it' lora none --masks tmp-none
refuse "masks of random squares" 1 'where a random square lies in a mask is not known' lora none --masks masks --crop
refuse "masks of a VAE" 1 'only of those that learn the noise' "$latent" train vae -d data -o none.safetensors --masks masks
refuse "going on with another rank" 1 'made with rank=4, and now it is rank=2' lora parts/ink --steps 7 --towers both --conv-rank 2 --rank 2 --resume
refuse "going on with other layers" 1 'made with towers=both, and now it is towers=none' lora parts/ink --steps 7 --conv-rank 2 --resume
refuse "no rank" 2 'rank' lora none --rank 0
refuse "a rank that is more than a layer" 1 'a --rank of 65 is more than .* has, which makes 64 numbers of 64' lora none --rank 65
refuse "no model" 1 'a LoRA is for a model: name it with --init' "$latent" train lora -d data -o none.safetensors

embedding() {
    name=$1
    shift
    "$latent" train embedding -d "$data" --init tiny.safetensors -o "$name.safetensors" -q -t 2 --size 32 -b 1 --rate 1e-2 --warmup 0 \
        --save-minutes 0 "$@" >out 2>err
}
check "train embedding" embedding whole/sks --steps 4 --vectors 3 --initial "a cat"
check "it is one" eval '"$latent" inspect whole/sks.safetensors | grep -q "emb_params\|trigger_phrase = sks"'
check "a word of a prompt" eval 'draw -p "sks" -o word.png && draw -p "sks" --embedding whole/sks.safetensors -o vectors.png && ! cmp -s word.png vectors.png'
check "half of it, and the rest" eval 'embedding parts/sks --steps 2 --vectors 3 --initial "a cat" &&
    embedding parts/sks --steps 4 --vectors 3 --initial "a cat" --resume && cmp whole/sks.safetensors parts/sks.safetensors'
refuse "going on with more vectors" 1 'made with vectors=3, and now it is vectors=4' embedding parts/sks --steps 5 --vectors 4 --initial "a cat" --resume
refuse "no vectors" 2 'vectors' embedding none --vectors 0
refuse "more vectors than a text has room for" 2 'vectors' embedding none --vectors 76
refuse "nothing to begin with" 1 'a word is needed to begin with' embedding none --initial ""
refuse "an embedding of no model" 1 'an embedding is for a model: name it with --init' "$latent" train embedding -d data -o none.safetensors

data=silent
refuse "no captions" 1 'no picture has a caption' lora none
data=data
refuse "a LoRA as the model" 1 'no model that is known' "$latent" train lora -d data --init whole/ink.safetensors \
    -o none.safetensors
exit $failed
