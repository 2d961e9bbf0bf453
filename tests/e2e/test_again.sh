#!/bin/sh
# Few steps, and pictures again: variations, seamless ones, areas of a picture; all of it made again from what it says.
# usage: test_again.sh LATENT GOLDEN COMPARE
set -u
. "$(dirname "$0")/checks.sh"
latent=$(realpath "$1") golden=$(realpath "$2") compare=$(realpath "$3")
enter

small() {
    command=$1
    shift
    "$latent" "$command" -m tiny.safetensors -q -p "a cat" --steps 2 -W 64 -H 64 "$@" >out 2>err
}
# again FILE: made from what it says, it is the same
again() {
    file=$1
    shift
    command=txt2img
    case " $* " in *" --mask "*) command=inpaint ;; esac
    "$latent" "$command" -m tiny.safetensors -q --from "$file" -o again.png "$@" 2>err && cmp "$file" again.png
}
says() { "$latent" inspect "$1" | grep -q -- "$2"; }
note() { grep -q -- "$1" err; }

check "a checkpoint" "$latent" convert --synthetic tiny tiny.safetensors
input=$golden/tiny/input.png mask=$golden/tiny/mask.png
prompt="a photo of an astronaut riding a horse on mars"

# ---- Few steps ----

recorded() { # FILE OPTIONS...
    file=$golden/$1
    shift
    "$latent" txt2img -m tiny.safetensors -q -p "$prompt" -n "blurry, ugly" -W 128 -H 128 --seed 1042 --rng cpu \
        --precision f32 --save-latents got.safetensors -o got.png "$@" 2>err &&
        "$compare" got.safetensors "$file" latents 2e-4
}
check "lcm as recorded" recorded fewstep/lcm.safetensors --sampler lcm --steps 4 --cfg 1
check "tcd as recorded" recorded fewstep/tcd.safetensors --sampler tcd --steps 4 --cfg 1 --eta 0.3
check "made again" again got.png
check "its eta is noted without it" eval 'small txt2img --sampler euler --eta 0.3 -o x.png && note "it is ddim.s and tcd.s"'
check "a schedule that ends above 0" eval '"$latent" schedule --sampler euler --schedule kl_optimal_forge --steps 4 --json | grep -q "0.0291675"'
check "zero terminal SNR begins far out" eval '"$latent" schedule --sampler ddim --schedule trailing --steps 4 --zero-snr --json | grep -q "\"sigmas\": \[16777216"'
check "rescaled guidance" small txt2img --rescale 0.7 --prediction v --zero-snr --sampler ddim --schedule trailing --seed 1 -o rescaled.png
check "it says so" eval 'says rescaled.png "CFG rescale: 0.7" && says rescaled.png "Noise Schedule: Zero Terminal SNR"'
check "made again" again rescaled.png --prediction v
refuse "a share over 1" 2 "--rescale 2" latent txt2img -m tiny.safetensors -p x --rescale 2
cp "$golden/lora/kohya.safetensors" lcm-lora.safetensors
check "a LoRA for few steps is known by its name" eval '"$latent" inspect lcm-lora.safetensors | grep -q "made for few steps, LCM: --sampler lcm --steps 2 to 8 --cfg 1 to 2"'
check "and as JSON" eval '"$latent" inspect lcm-lora.safetensors --json | grep -q "\"few_steps\":{\"kind\":\"LCM\""'
check "a scale that makes no sense is noted" eval 'small txt2img --lora lcm-lora.safetensors --cfg 7 -o x.png &&
    note "made to draw in few steps (LCM): --sampler lcm, --steps 2 to 8 and a --cfg of 1 to 2 suit it"'
check "one that does is not" eval 'small txt2img --lora lcm-lora.safetensors --cfg 1 -o x.png && ! note "few steps"'

# ---- Variations ----

check "a variation as recorded" recorded webui/variation.safetensors --sampler ddim --steps 10 --variation-seed 1005 --variation-strength 0.35
check "it says so" says got.png "Variation seed: 1005, Variation seed strength: 0.35"
check "made again" again got.png
check "several" small txt2img --seed 5 --variation-seed 6 --variation-strength 0.5 -b 2 -o v-%d.png
check "of one seed and seeds that follow each other" eval 'says v-2.png "Seed: 5, Variation seed: 7" && ! cmp -s v-1.png v-2.png'
check "a strength of 0 is the seed's own" eval 'small txt2img --seed 5 -o a.png --save-latents a.safetensors &&
    small txt2img --seed 5 --variation-seed 6 --variation-strength 0 -o b.png --save-latents b.safetensors && cmp a.safetensors b.safetensors'
check "the seed at another size" small txt2img --seed 5 --seed-resize 96x64 -o resized.png
check "it says so" eval 'says resized.png "Seed resize from: 96x64" && ! cmp -s resized.png a.png'
check "made again" again resized.png

# ---- Seamless ----

seamless() { # MODULE OUTPUT, as the file calls it
    "$latent" run "$1" -m tiny.safetensors --seamless --in "$golden/webui/tiling.safetensors" --out out.safetensors &&
        "$compare" out.safetensors "$golden/webui/tiling.safetensors" "out=$2" 1e-4
}
check "the U-Net as recorded" seamless unet out
check "the decoder as recorded" seamless vae-decoder image
small txt2img --seed 5 --seamless -o both.png
small txt2img --seed 5 --seamless x -o x.png
small txt2img --seed 5 --seamless=y -o y.png
check "sides of each axis, and both" eval 'says both.png "Tiling: True" && says x.png "Tiling: x" && says y.png "Tiling: y" &&
    ! cmp -s both.png x.png && ! cmp -s both.png y.png && ! cmp -s x.png y.png'
check "made again" again both.png
check "one axis, too" again x.png
check "the same bytes of two threads" eval 'small txt2img --seed 5 --seamless -t 2 -o two.png && cmp both.png two.png'
refuse "an axis that there is not" 2 "--seamless z: possible are none, x, y, both" latent txt2img -m tiny.safetensors -p x --seamless=z
refuse "what other programs call one axis" 2 "--circularx: --seamless x is that" latent txt2img -m tiny.safetensors -p x --circularx

# ---- Areas ----

area() {
    "$latent" inpaint -m tiny.safetensors -q -p "a cat" --steps 2 -W 64 -H 64 --seed 5 -i "$input" --mask "$mask" \
        --only-masked --mask-padding 4 "$@" 2>err
}
for content in original fill noise nothing; do
    check "only what is masked, beginning with $content" area --masked-content $content --mask-blur 2 -o $content.png
    check "made again" again $content.png -i "$input" --mask "$mask"
done
check "it says so" says fill.png "Mask blur: 2, Masked content: fill, Inpaint area: Only masked, Masked area padding: 4"
check "each begins otherwise" eval '! cmp -s original.png fill.png && ! cmp -s fill.png noise.png && ! cmp -s noise.png nothing.png'
check "the picture keeps its size" says fill.png "128x128"
check "a padding alone is noted" eval 'small inpaint -i "$input" --mask "$mask" --mask-padding 4 -o x.png && note "mask-padding does nothing without --only-masked"'

# ---- Image prompts ----

cat=$golden/image_prompt/ip_image.png
for kind in vit ip ip-plus; do check "a synthetic $kind" "$latent" convert --synthetic tiny-$kind $kind.safetensors; done
seen() { small txt2img --seed 5 --image-encoder vit.safetensors "$@"; }
check "a picture as a prompt" seen --image-prompt "ip.safetensors:$cat:0.6" -o seen.png
check "it says so" eval 'says seen.png "Image prompts: \"ip: 0.6\"" && ! cmp -s seen.png a.png'
check "made again" again seen.png --image-encoder vit.safetensors --image-prompt "ip.safetensors:$cat:0.6"
check "without it, it is told" eval '! again seen.png && note "can.t be followed here: Image prompts: ip: 0.6"'
check "Plus, in bf16 or not at all" eval 'seen --precision bf16 --image-prompt "ip-plus.safetensors:$cat:0.6" -o plus.png || note "bf16"'
for other in ip:"an IP-Adapter" vit:"an image encoder"; do
    refuse "${other#*:} as a control" 1 "${other%%:*}.safetensors: this is no ControlNet and no T2I-Adapter, but ${other#*:}" "$latent" txt2img -m tiny.safetensors -q -p x \
        --control "${other%%:*}.safetensors:$cat" -o never.png
done
check "its module as recorded" eval '"$latent" run image-prompt -m ip.safetensors --image-encoder vit.safetensors --in "$golden/image_prompt/image_encoder.safetensors" --out out.safetensors &&
    "$compare" out.safetensors "$golden/image_prompt/ip_adapter.safetensors" ip_tokens 1e-5'
check "a part in which no step lies is noted" eval 'seen --image-prompt "ip.safetensors:$cat:0.6:0.3:0.4" -o none.png && note "image prompt number 1 does nothing: of 2 steps none lies from 0.3 to 0.4"'
check "a picture and an adapter whose names have colons" eval 'cp ip.safetensors a:b.safetensors && cp "$cat" c:d.png && seen --image-prompt a:b.safetensors:c:d.png:0.6 -o colons.png &&
    says colons.png "Image prompts: \"a:b: 0.6\""'
rm a:b.safetensors

# ---- Files by their hashes ----

drawn_here() { "$latent" txt2img -m tiny.safetensors -q -p "a cat" --models shelf -o never.png "$@"; }
drawn() { "$latent" txt2img -m tiny.safetensors -q --steps 2 -W 64 -H 64 --seed 5 --models shelf "$@" 2>err; }
rm lcm-lora.safetensors # which is one of these, too
mkdir -p shelf/loras/one shelf/loras/two shelf/embeddings spare
ink=shelf/loras/one/ink.safetensors
cp "$golden/lora/kohya.safetensors" "$ink"
cp "$golden/lora/locon.safetensors" shelf/loras/two/ink.safetensors
check "two LoRAs of one name" drawn -p "a cat" --lora "$ink:0.5" --lora shelf/loras/two/ink.safetensors:0.7 -o two.png
check "it says both" says two.png '"ink: 96cd609b80d2, ink: f70cef08a431"'
check "made again" again two.png --models shelf
check "one of them twice, and the other named by the prompt" eval 'drawn -p "a <lora:ink:0.1> cat" --lora shelf/loras/two/ink.safetensors:0.7 --lora "$ink:0.5" -o mixed.png && again mixed.png --models shelf'
check "by its name alone the first one is taken" eval 'drawn -p "a cat <lora:ink:0.5>" -o one.png && says one.png "\"*ink: 96cd609b80d2" && again one.png --models shelf'
mv "$ink" spare/
check "another file of that name is told" eval '! again one.png --models shelf && [ "$(grep -c "made with" err)" -eq 1 ] &&
    note "<lora:ink:0.5>: the picture was made with a file of the hash 96cd609b80d2, which is nowhere here; .*/two/ink.safetensors (f70cef08a431) is taken"'
mv spare/ink.safetensors shelf/loras/one/renamed.safetensors
check "the same file of another name is taken" eval 'again one.png --models shelf && ! note "made with" && again two.png --models shelf'
rm shelf/loras/one/renamed.safetensors
# What was left out is not told; --lora of a file that the text names is that one, and not a second one.
drawn -p "a cat" --lora "$golden/lora/kohya.safetensors:0.5" -o named.png
check "without its file a LoRA is left out, and not told" eval '! again named.png && note "<lora:kohya:0.5> is left out: there is no such file" && ! has_text again.png "<lora:" && cp again.png without.png'
cp "$golden/lora/kohya.safetensors" shelf/loras/one/kohya.safetensors
check "made again elsewhere it is left out, too" again without.png --models shelf
check "given again it is there once" eval 'again named.png --lora "$golden/lora/kohya.safetensors:0.5" && ! note "left out"'
check "at the strength that is given, which is told" eval '! again named.png --models shelf --lora kohya:0.8 && note "<lora:kohya:0.5> is left out: --lora has that file, at 0.8" &&
    has_text again.png "a cat <lora:kohya:0.8> Steps" && cp again.png stronger.png && again stronger.png --models shelf'
check "another file of that name is told" eval 'cp "$golden/lora/locon.safetensors" kohya.safetensors && ! again named.png --lora kohya.safetensors && note "made with a file of the hash 96cd609b80d2, .*(f70cef08a431) is taken for it"'
rm shelf/loras/one/kohya.safetensors kohya.safetensors
check "behind a LoRA without an end comes none" eval 'drawn -p "a cat <lora:x" --lora "$golden/lora/kohya.safetensors:0.5" -o open.png && note "<lora: in a prompt is no LoRA" &&
    again open.png --lora "$golden/lora/kohya.safetensors:0.5"'
check "nor does one without a name go in silence" eval 'drawn -p "a cat <lora:>" -o x.png && note "<lora: in a prompt is no LoRA" && drawn -p "a cat <lora::1>" -o x.png && note "<lora::1> is left out: it names no file"'
check "an argument that nobody knows is told" eval 'drawn -p "a cat <lora:ink:te=1:foo=2>" -o x.png && note "<lora:ink:te=1:foo=2>: \"foo=2\" does nothing"'
cp "$golden/lora/kohya.safetensors" 'shelf/loras/one/we#ird.safetensors'
check "a # in a typed name" eval 'drawn -p "a cat <lora:we#ird:0.5> # a pet" -o odd.png && ! note "left out" && says odd.png "we#ird: 96cd609b80d2" && again odd.png --models shelf'
rm 'shelf/loras/one/we#ird.safetensors'
mkfifo shelf/loras/pipe.safetensors && ln -s nowhere shelf/loras/lost.safetensors
check "a pipe and a link that leads nowhere are told" eval 'drawn -p "a <lora:pipe:1> <lora:lost:1>" -o x.png && note "<lora:pipe:1> is left out: shelf/loras/pipe.safetensors: not a regular file" &&
    note "<lora:lost:1> is left out: shelf/loras/lost.safetensors: can.t be opened"'
refuse "a pipe by its name" 1 "shelf/loras/pipe.safetensors: not a regular file" drawn_here --lora pipe
refuse "a link that leads nowhere" 1 "shelf/loras/lost.safetensors: can.t be opened" drawn_here --vae lost
refuse "a name that is nowhere" 1 "none: no such file, and none of that name in shelf or around the checkpoint (.latent models. lists" drawn_here --lora none
rm shelf/loras/pipe.safetensors shelf/loras/lost.safetensors

for name in 'a#b' 'a>b' 'a:b' 'a#:>b, c'; do
    cp "$golden/lora/kohya.safetensors" "shelf/loras/one/$name.safetensors"
    check "a LoRA called $name" eval 'drawn -p "a cat" --lora "shelf/loras/one/$name.safetensors:0.5" -o odd.png && again odd.png --models shelf && ! note "left out"'
    rm "shelf/loras/one/$name.safetensors"
done
check "a LoRA that a plain prompt can't name is told" eval 'drawn -p "a cat" --plain-prompt --lora "$golden/lora/kohya.safetensors" -o plain.png && ! again plain.png &&
    note "made with LoRAs that its plain prompt can.t name, and is drawn without: give them, with their strengths, by --lora (kohya: 96cd609b80d2)" && again plain.png --lora "$golden/lora/kohya.safetensors" && ! note "made with"'

word=shelf/embeddings/word.safetensors
cp "$golden/embeddings/bad_hands.safetensors" "$word"
check "an embedding by its name" eval 'drawn -p "a word cat" -o word.png && says word.png "TI hashes: " && again word.png --models shelf && ! note "word"'
check "one that is nowhere, as ComfyUI writes it" eval 'drawn -p "embedding:nobody, (embedding:word:1.1)" -n "embedding:none.pt" -o x.png && [ "$(grep -c "stays words" err)" -eq 2 ] &&
    note "embedding:nobody stays words: there is no embedding of that name" && note "embedding:none.pt stays words"'
mv "$word" spare/
check "without it, it is told" eval '! again word.png && note "word stays a word: the picture was made with an embedding of that name, which is nowhere here; name its file by --embedding"'
check "named by hand" eval 'again word.png --embedding spare/word.safetensors && ! note "stays a word"'
cp "$golden/embeddings/my-style.pt" shelf/embeddings/word.pt
check "another one of that name is told" eval '! again word.png --models shelf && note "word: the picture was made with an embedding of the hash .*, which is nowhere here; .*/word.pt (.*) is taken"'
cp spare/word.safetensors shelf/embeddings/renamed.safetensors
check "the same file of another name is taken" eval 'again word.png --models shelf && ! note "made with"'
rm shelf/embeddings/word.pt
check "also where none has the name" eval 'again word.png --models shelf && ! note "stays a word"'

rm shelf/embeddings/renamed.safetensors
{ printf '\104\000\000\000\000\000\000\000{"emb_params":{"dtype":"F32","shape":[1,64],"data_offsets":[0,256]}}'; head -c 256 /dev/zero | tr '\000' '\377'; } >"$word"
check "one that was replaced by what holds a NaN is told once" eval '! again word.png --models shelf && [ "$(grep -c "word" err)" -eq 1 ] &&
    note "word stays a word: .*holds a NaN or an infinity (the picture was made with an embedding of the hash [0-9a-f]*, which is nowhere here)" && cp again.png wordless.png'
cp spare/word.safetensors "$word"
check "one that was not there then is told" eval '! again wordless.png --models shelf && note "word: the picture was made without an embedding of that name; here .*word.safetensors is taken"'
"$latent" convert --synthetic tiny-srvgg-x4 up.safetensors
check "an upscaler that is gone" eval 'drawn -p "a cat" --hires 2 --hires-upscaler up.safetensors -o hires.png && again hires.png --hires-upscaler up.safetensors && mv up.safetensors spare/ &&
    ! again hires.png --models shelf && note "made with the upscaler up, which is nowhere here: --hires-upscaler may name its file" &&
    note "hires-upscaler: up: no such file, and none of that name in shelf" && again hires.png --hires-upscaler spare/up.safetensors'
check "another VAE is told" eval '"$latent" convert --synthetic tiny-taesd-diffusers little.safetensors && drawn -p "a cat" --vae little.safetensors -o vae.png && says vae.png "VAE: little," &&
    ! again vae.png && note "made with the VAE little; this is the model.s own" && again vae.png --vae little.safetensors && ! note "VAE"'
check "a region of many words" eval 'drawn -p "a cat" --region "$mask:$(printf "a dog, %.0s" $(seq 200))" -o region.png && says region.png "a dog, a dog"'

exit $failed
