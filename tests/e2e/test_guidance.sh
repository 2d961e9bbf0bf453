#!/bin/sh
# A classifier trained and used, and CLIP's guidance, as their users run them.
# usage: test_guidance.sh LATENT GOLDEN
set -u
. "$(dirname "$0")/checks.sh"
latent=$(realpath "$1") golden=$(realpath "$2")
enter

# ---- A classifier ----

mkdir data
cp "$golden"/images/way1_png.png data/a.png
cp "$golden"/images/way2_jpg.jpg data/b.jpg
cp "$golden"/images/rgb.png data/c.png
cat >data/metadata.jsonl <<'END'
{"file_name": "a.png", "label": "first"}
{"file_name": "b.jpg", "label": "second"}
{"file_name": "c.png", "label": "first"}
END
train() {
    "$latent" train classifier -d data --vae tiny.safetensors --size 64 --batch 2 --width 32 --mult 1,2 \
        --attention 0,1 --save-steps 2 -q -t 2 "$@" 2>err
}
check "a synthetic checkpoint" "$latent" convert --synthetic tiny tiny.safetensors
check "train classifier" train --steps 4 -o kinds.safetensors --validation data
check "accuracy by noise level is told" grep -q "accuracy on 3 validation pictures: .* at t = 0, .* at t = 999" err
judge() {
    "$latent" train classifier -d data --space pixel --clean --size 16 --batch 3 --width 8 --groups 2 --mult 1,2 --attention 0,1 --rate 3e-3 \
        --warmup 0 -q -t 2 -o judge.safetensors "$@" 2>err
}
check "a judge of clean pictures knows those that it was shown" eval '
    judge --steps 60 --validation data && grep -q "accuracy on 3 validation pictures: 1.0000$" err'
refuse "a judge does not go on with noise" 1 "clean=1" latent train classifier -d data --space pixel --size 16 --batch 3 --width 8 \
    --groups 2 --mult 1,2 --attention 0,1 --steps 61 --resume -o judge.safetensors
check "accuracy is logged" grep -q '"step":4,.*"accuracy":' kinds.safetensors.jsonl
check "a stopped training goes on to the same bytes" eval '
    train --steps 2 -o again.safetensors && train --steps 4 -o again.safetensors --resume &&
    cmp kinds.safetensors again.safetensors'
check "inspect knows a classifier" eval '
    "$latent" inspect kinds.safetensors | grep -q "classifier of noisy latents, 2 classes: first, second"'
check "inspect lists its layers" eval '"$latent" inspect kinds.safetensors -W 64 -H 64 | grep -q "pool.k"'
check "convert keeps the classes" eval '
    "$latent" convert kinds.safetensors half.safetensors --type f16 &&
    "$latent" inspect half.safetensors | grep -q "2 classes: first, second"'
cp data/b.jpg data/d.jpg
echo '{"file_name": "d.jpg"}' >>data/metadata.jsonl
refuse "a picture without a label" 1 "d.jpg has no label" latent train classifier -d data --vae tiny.safetensors --size 64 \
    -o none.safetensors

# ---- Guidance ----

draw() { "$latent" txt2img -m tiny.safetensors -q -p "a cat" --steps 2 -W 64 -H 64 --seed 5 "$@" >out 2>err; }
check "a picture without guidance" draw -o plain.png
check "a picture of a class" draw --classifier kinds.safetensors --class second -o second.png
check "the class leads to another picture" eval '! cmp -s plain.png second.png'
check "a class by its number is the same" eval '
    draw --classifier kinds.safetensors --class 1 --classifier-scale 1 -o number.png -t 1 &&
    tail -c 3000 second.png >a && tail -c 3000 number.png >b && cmp a b'
check "the parameters say so" \
    has_text second.png "Classifier: kinds, Class: second, Classifier scale: 1, RNG: CPU"
check "scale 0 is no guidance" eval '
    draw --classifier kinds.safetensors --class 1 --classifier-scale 0 --save-latents zero.safetensors -o zero.png &&
    draw --save-latents none.safetensors -o none.png && cmp zero.safetensors none.safetensors'
check "img2img takes a classifier" "$latent" img2img -m tiny.safetensors -q -i plain.png --steps 2 --strength 0.5 \
    --classifier kinds.safetensors --class first --cfg 1 -o image.png
refuse "an unknown class" 2 "no class third: there are first, second" latent txt2img -m tiny.safetensors -q --steps 1 \
    -W 64 -H 64 --classifier kinds.safetensors --class third -o third.png
refuse "another size" 2 "trained on pictures of 64x64" latent txt2img -m tiny.safetensors -q --steps 1 -W 72 -H 64 \
    --classifier kinds.safetensors --class first -o third.png
refuse "a classifier without a class" 2 "which class" latent txt2img -m tiny.safetensors --classifier kinds.safetensors \
    -o third.png
refuse "a scale without a classifier" 2 "of what" latent txt2img -m tiny.safetensors --classifier-scale 3 -o third.png
refuse "a scale without CLIP" 2 "by what" latent txt2img -m tiny.safetensors --clip-guidance 3 -o third.png
refuse "a class without a classifier" 2 "whose" latent txt2img -m tiny.safetensors --class first -o third.png
refuse "a checkpoint as a classifier" 1 "holds no classifier" latent txt2img -m tiny.safetensors -q \
    --classifier tiny.safetensors --class first -o third.png

# ---- CLIP ----

check "a synthetic CLIP" "$latent" convert --synthetic tiny-clip clip
check "a picture by CLIP's guidance" draw --clip clip --clip-guidance 300 -o like.png
check "the parameters name CLIP" has_text like.png "CLIP: clip, CLIP guidance: 300, RNG: CPU"
check "CLIP finds it more like the prompt" eval '
    "$latent" similarity "text:a cat" plain.png like.png --clip clip >out && awk "NR == 1 { exit !(\$3 > \$2) }" out'
check "a model of pixels by CLIP's guidance" eval '
    "$latent" train unet -d data -o pixels.safetensors -q --steps 1 -b 2 --size 32 --width 16 --mult 1,2 --attention 0,1 \
        --groups 4 --heads 2 --space pixel --unconditional &&
    "$latent" txt2img -m pixels.safetensors -q -p "a cat" --steps 2 --seed 1 -o free.png &&
    "$latent" txt2img -m pixels.safetensors -q -p "a cat" --steps 2 --seed 1 --clip clip --clip-guidance 300 -o led.png &&
    ! cmp -s free.png led.png'
check "both together" draw --clip clip --classifier kinds.safetensors --class first -o both.png
refuse "a checkpoint as CLIP" 1 "needs a CLIP model of both towers" latent txt2img -m tiny.safetensors -q -p "" --steps 1 \
    -W 64 -H 64 --clip tiny.safetensors -o third.png

exit $failed
