#!/bin/sh
# txt2img, img2img, inpaint, encode and decode as their users run them, and as strangers do.
# usage: test_cli_pictures.sh LATENT GOLDEN COMPARE
set -u
. "$(dirname "$0")/checks.sh"
latent=$(realpath "$1") golden=$(realpath "$2") compare=$(realpath "$3")
enter

# ---- Helpers ----

# Runs latent; its words go to the files out and err. Of the empty prompt, if the options name none, and small pictures,
# unless they say otherwise.
draw() {
    command=$1
    shift
    case " $* " in *" -p "*) ;; *) set -- -p "" "$@" ;; esac
    "$latent" "$command" -m tiny.safetensors -q "$@" >out 2>err
}
small() {
    command=$1
    shift
    draw "$command" --steps 2 -W 64 -H 64 "$@"
}

bytes() { od -An -tx1 -j"$2" -N"$3" "$1" | tr -d ' \n'; }
is_png_of() { # FILE WIDTH HEIGHT
    [ "$(bytes "$1" 0 8)" = 89504e470d0a1a0a ] && [ "$(bytes "$1" 16 8)" = "$(printf '%08x%08x' "$2" "$3")" ]
}

is_empty() { [ ! -s "$1" ]; }
counts() { [ "$(grep -c -- "$2" "$3")" -eq "$1" ]; } # N PATTERN FILE

# ---- Recorded pictures ----

prompt="a photo of an astronaut riding a horse on mars"
mkdir none
check "a synthetic checkpoint" "$latent" convert --synthetic tiny tiny.safetensors
check "a synthetic inpainting checkpoint" "$latent" convert --synthetic tiny-inpaint tiny9.safetensors

# recorded FILE COMMAND OPTIONS...: the latents of every step and the last are those of the reference, from its noise.
recorded() {
    file=$golden/tiny/$1.safetensors command=$2
    shift 2
    draw "$command" -p "$prompt" -n "blurry, ugly" -W 128 -H 128 --steps 10 --cfg 7.5 --noise "$file" \
        --save-latents got.safetensors -o got.png "$@" &&
        "$compare" got.safetensors "$file" latents 2e-4 && "$compare" got.safetensors "$file" latent 2e-4 &&
        is_png_of got.png 128 128
}
# embedded OPTION...: likewise, with bad_hands in the negative prompt
embedded() {
    file=$golden/embeddings/txt2img_ddim.safetensors
    draw txt2img -p "$prompt" -n "bad_hands, ugly" -W 128 -H 128 --steps 10 --cfg 7.5 --noise "$file" --sampler ddim \
        --save-latents got.safetensors -o got.png "$@" && "$compare" got.safetensors "$file" latents 2e-4
}
input=$golden/tiny/input.png mask=$golden/tiny/mask.png
check "txt2img ddim as recorded" recorded txt2img_ddim txt2img --sampler ddim
check "txt2img plms as recorded" recorded txt2img_plms txt2img --sampler plms
check "txt2img euler as recorded" recorded txt2img_euler_normal txt2img --sampler euler --schedule normal
check "txt2img dpmpp_2m as recorded" recorded txt2img_dpmpp_2m_karras txt2img
check "img2img as recorded" recorded img2img_ddim img2img --sampler ddim -i "$input" --strength 0.6
check "inpaint as recorded" recorded inpaint_ddim inpaint --sampler ddim -i "$input" --mask "$mask" --strength 1
kohya=$golden/lora/kohya.safetensors
check "a LoRA as recorded" recorded ../lora/txt2img_ddim txt2img --sampler ddim --lora "$kohya:0.8"
mv got.safetensors by-option.safetensors && mv got.png by-option.png
check "the same named in the prompt" eval 'words=$prompt && prompt="<lora:kohya:0.8>$prompt" &&
    recorded ../lora/txt2img_ddim txt2img --sampler ddim --models "$golden/lora"; prompt=$words; cmp got.safetensors by-option.safetensors'
hash=$(tail -c +"$(($(od -An -tu8 -N8 "$kohya") + 9))" "$kohya" | sha256sum | cut -c-12)
check "the picture says which, and the web UIs' hash of it" eval 'has_text by-option.png "$prompt <lora:kohya:0.8> Negative prompt" &&
    has_text by-option.png "Lora hashes: \"kohya: $hash\""'
small txt2img -p "a cat" --seed 8 --lora "$kohya:0.5:0.25" -o by-option.png
check "it is made again from what it says" eval '"$latent" txt2img -m tiny.safetensors -q --from by-option.png --lora-model-dir "$golden/lora" -o again.png && cmp again.png by-option.png'
mkdir -p loras/deeper && cp "$kohya" loras/deeper/other.name.safetensors
check "what the prompt names is found around the checkpoint" eval 'small txt2img -p "a cat<lora:other.name:te=0.25:unet=0.5>" --seed 8 -o found.png --save-latents a.safetensors &&
    small txt2img -p "a cat" --seed 8 --lora "$kohya:0.5:0.25" -o found.png --save-latents b.safetensors && cmp a.safetensors b.safetensors'
small txt2img -p "a cat" --seed 8 -o plain.png --save-latents a.safetensors
check "a strength of 0 adds nothing" eval 'small txt2img -p "a cat" --seed 8 --lora "$kohya:0" -o zero.png --save-latents b.safetensors && cmp a.safetensors b.safetensors'
check "it changes the picture" eval '! cmp -s plain.png by-option.png'
refuse "a LoRA of another model" 1 "lora.safetensors: it was made for Stable Diffusion XL; this model is another one" latent txt2img -m tiny.safetensors -p "a cat" --lora "$golden/xl/lora.safetensors" -o none.png
refuse "a strength in the prompt that is no number" 2 "<lora:kohya:much>: \"much\" is no strength" latent txt2img -m tiny.safetensors -p "a <lora:kohya:much>" --models "$golden/lora" -o none.png
rm -r loras

latent convert --synthetic tiny-control tiny-control.safetensors
map=$golden/control/hint.png
check "a ControlNet as recorded" recorded ../control/txt2img_ddim txt2img --sampler ddim --control "tiny-control.safetensors:$map:0.8"
check "a map of its own, alone and on the way" eval '"$latent" annotate canny:40:90 -i "$map" -o edges.png &&
    small txt2img -p "a cat" --seed 8 --control "tiny-control.safetensors:edges.png" -o given.png --save-latents a.safetensors &&
    small txt2img -p "a cat" --seed 8 --control "tiny-control.safetensors:$map" --annotator canny:40:90 -o made.png --save-latents b.safetensors'
check "the picture says by what, as A1111 does" has_text made.png 'ControlNet 0: "Module: canny:40:90, Model: tiny-control, Weight: 1, Resize Mode: Crop and Resize, Guidance Start: 0, Guidance End: 1, Control Mode: Balanced"'
check "it is made again with the same control, and noted without" eval '"$latent" txt2img -m tiny.safetensors -q --from made.png --control "tiny-control.safetensors:$map" --annotator canny:40:90 -o again.png 2>err && cmp again.png made.png && ! grep -q ControlNet err &&
    "$latent" txt2img -m tiny.safetensors -q --from made.png -o again.png 2>err && grep -q "can.t be followed here: ControlNet 0" err'
for start in 0.3 0.25; do
    small txt2img -p "a cat" --seed 8 --steps 10 --control "tiny-control.safetensors:edges.png:1:$start:1" -o part.png --save-latents from$start.safetensors
done
check "three tenths of ten steps are three" cmp from0.3.safetensors from0.25.safetensors
small txt2img -p "a cat" --seed 8 --control "tiny-control.safetensors:edges.png:1:0.3:0.7" -o part.png
check "a control in whose part no step lies is noted" eval 'small txt2img -p "a cat" --seed 8 --steps 4 --control "tiny-control.safetensors:edges.png:1:0.9:0.95" -o other.png &&
    grep -q "note: control number 1 does nothing: of 4 steps none lies from 0.9 to 0.95 of the way as a whole" err'
check "so is an annotator too many" eval 'small txt2img -p "a cat" --seed 8 --control "tiny-control.safetensors:edges.png" --annotator "invert, canny" -o other.png &&
    grep -q "note: --annotator invert, canny: 2 for 1 --control: those behind do nothing" err'
check "the picture says the shares that were given" has_text part.png "Guidance Start: 0.3, Guidance End: 0.7,"
cp tiny-control.safetensors "a:b.safetensors" && cp edges.png "c:d.png"
check "a control and a picture whose names have colons" eval 'small txt2img -p "a cat" --seed 8 --control a:b.safetensors:c:d.png:1:0:1 -o other.png --save-latents b.safetensors && cmp a.safetensors b.safetensors &&
    has_text other.png "Model: a:b,"'
rm "a:b.safetensors"
refuse "an annotator that there is not" 2 "no annotator cany" latent annotate cany -i "$map" -o none.png
refuse "a control that is none" 1 "tiny.safetensors: this is no ControlNet and no T2I-Adapter, but a model" latent txt2img -m tiny.safetensors -p "a cat" --control "tiny.safetensors:$map" -o none.png
refuse "a LoRA as a control" 1 "kohya.safetensors: no model that is known, but what is added to one: LoRA" latent txt2img -m tiny.safetensors -p "a cat" --control "$kohya:$map" -o none.png
refuse "a control without a picture" 2 "FILE:IMAGE" latent txt2img -m tiny.safetensors -p "a cat" --control tiny-control.safetensors -o none.png
refuse "a control that ends before it begins" 2 "START 0.5 is not before END 0.5" latent txt2img -m tiny.safetensors -p "a cat" --control "tiny-control.safetensors:$map:1:0.5:0.5" -o none.png
check "an embedding as recorded" embedded --embedding "$golden/embeddings/bad_hands.safetensors"
check "the picture says the web UIs' hash of it" has_text got.png "TI hashes: \"bad_hands: $(sha256sum "$golden/embeddings/bad_hands.safetensors" | cut -c-12)\""
mkdir embeddings && cp "$golden/embeddings/bad_hands.safetensors" embeddings
check "the same found around the checkpoint" embedded
rm -r embeddings
check "one that no prompt names is noted" eval 'small txt2img -p "a cat" --seed 8 --embedding "$golden/embeddings/my-style.pt" -o my.png && grep -q "my-style does nothing" err'
refuse "a LoRA as an embedding" 1 "kohya.safetensors: no embedding: the file is a LoRA: LoRA, ranks 4 to 8, for Stable Diffusion 1" latent txt2img -m tiny.safetensors -p "a kohya" --embedding "$kohya" -o none.png
# Embeddings in pictures; of two names that are alike a preview is none.
said() { small txt2img -p "a said cat" --seed 8 -o "$@"; }
mkdir embeddings
cp "$golden/embeddings/preview.png" embeddings/said.png
check "a preview is no embedding" eval 'said word.png && ! grep -q said err && ! has_text word.png "TI hashes"'
check "an embedding in a PNG's text" eval 'said said.png --embedding "$golden/embeddings/said.png" && ! cmp -s said.png word.png && has_text said.png "TI hashes: \"said: "'
cp "$golden/embeddings/hidden.webp" embeddings/said.webp
check "one hidden in a WebP, by its name, beside a preview" eval 'said hidden.png && ! cmp -s hidden.png said.png && ! cmp -s hidden.png word.png'
check "the same by --embedding NAME" eval 'said named.png --embedding said && cmp hidden.png named.png'
cp "$golden/embeddings/said.png" embeddings/said.png
check "one in a PNG, by its name" eval 'said found.png && cmp found.png said.png'
mv embeddings/said.png embeddings/said.preview.png
rm embeddings/said.webp
check "NAME.preview.png never is one" eval 'said preview.png && cmp preview.png word.png'
check "inspect tells it" eval '"$latent" inspect "$golden/embeddings/both.png" >out && grep -q "embedding: 1 vector, 64 wide: string_to_param" out && grep -q "metadata name = both" out && grep -q "a photo of it" out'
check "in JSON, too" eval '"$latent" inspect --json "$golden/embeddings/hidden.webp" >out && grep -q "\"name\":\"string_to_param" out && grep -q "\"picture\"" out'
check "a picture without one has none" eval '"$latent" inspect "$golden/embeddings/preview.png" >out && ! grep -q embedding: out'
refuse "a picture as an embedding" 1 "preview.png: this is a picture, and no embedding is in it" latent txt2img -m tiny.safetensors -p "a cat" --embedding "$golden/embeddings/preview.png" -o none.png
rm -r embeddings

# ---- Prompts that change, and parts of a picture ----

check "editing, alternation and AND as recorded" eval 'words=$prompt && prompt="a (red:1.3) [cat:dog:0.5] in [rain|snow] AND a tree :0.4" &&
    recorded ../prompts/prompt_edit txt2img --sampler ddim; prompt=$words'
scene="a [cat:dog:0.5] # a pet
AND a tree :0.4"
check "regions, by the masks that inpainting takes" small txt2img -p "$scene" -n "[bad|ugly]" --seed 8 --emphasis no-norm --region "$mask:a (red:1.2) barn" -o regions.png
check "they are told, and how words were weighed" eval 'has_text regions.png "Regions: \"a (red:1.2) barn\"" &&
    has_text regions.png "Emphasis: No norm" && has_text regions.png "AND a tree :0.4" && ! has_text regions.png "a pet"'
check "the picture is made again with its masks, by any number of threads" eval '"$latent" txt2img -m tiny.safetensors -q -t 1 --from regions.png --region "$mask:a (red:1.2) barn" -o again.png && cmp again.png regions.png'
check "without them that can not be followed" eval '"$latent" txt2img -m tiny.safetensors -q --from regions.png -o again.png 2>err && grep -q "can.t be followed here: Regions" err && ! cmp -s again.png regions.png'
check "they change the picture" eval 'small txt2img -p "$scene" -n "[bad|ugly]" --seed 8 --emphasis no-norm -o none.png && ! cmp -s none.png regions.png'
check "a region's prompt in a file, in img2img and inpainting" eval 'echo "a barn" >barn && small img2img -i "$input" --seed 8 --region "$mask:@barn" -o a.png &&
    small img2img -i "$input" --seed 8 --region "$mask:a barn" -o b.png && cmp a.png b.png &&
    small inpaint -i "$input" --mask "$mask" --seed 8 --region "$mask:a barn" -o c.png && ! cmp -s b.png c.png'
rm -f none.png
refuse "a region without a prompt" 2 "region nothing: MASK:PROMPT" latent txt2img -m tiny.safetensors -p "a cat" --region nothing -o none.png
refuse "a region without a mask" 1 "nobody.png" latent txt2img -m tiny.safetensors -p "a cat" --region "nobody.png:a barn" -o none.png
check "a hash that is a character is told" eval 'small txt2img -p "a #1 cat" --seed 8 --literal-hash -o a.png && has_text a.png "Prompt comments: off" &&
    "$latent" txt2img -m tiny.safetensors -q --from a.png -o b.png && cmp a.png b.png'
mv tiny.safetensors tiny4.safetensors
mv tiny9.safetensors tiny.safetensors
check "inpaint with an inpainting model as recorded" \
    recorded inpaint9_ddim inpaint --sampler ddim -i "$input" --mask "$mask" --strength 1
mv tiny.safetensors tiny9.safetensors
mv tiny4.safetensors tiny.safetensors

# ---- Seeds and batches ----

small txt2img -p "a cat" --seed 8 -o alone.png -t 1
small txt2img -p "a cat" --seed 8 -o again.png -t 2
check "the same seed gives the same bytes with 1 and 2 threads" cmp alone.png again.png
check "a batch" small txt2img -p "a cat" --seed 7 -b 3 -o batch.png --save-latents batch.safetensors
check "a batch gives the same bytes as its pictures alone" cmp alone.png batch-2.png
check "a batch names its pictures" eval '[ "$(echo batch*.png)" = "batch-1.png batch-2.png batch-3.png" ]'
check "a batch keeps each picture's latents" eval '[ "$(echo batch*.safetensors | wc -w)" -eq 3 ]'
check "a batch prints its seeds" eval 'grep -q "batch-1.png: seed 7," out && grep -q "batch-3.png: seed 9," out'
check "other seeds give other pictures" eval '! cmp -s batch-1.png batch-2.png'
small txt2img -p "a cat" -o random.png
check "a random seed is printed and makes the picture again" eval '
    small txt2img -p "a cat" -o random2.png --seed "$(sed "s/.*seed \([0-9]*\),.*/\1/" out)" &&
    cmp random.png random2.png'
check "the largest seed" small txt2img --seed 18446744073709551615 -o seed.png
check "--rng philox gives another picture" eval '
    small txt2img -p "a cat" --seed 8 --rng philox -o philox.png && ! cmp -s philox.png alone.png'
every_sampler() {
    for sampler in $("$latent" schedule | sed -n "s/^samplers://p"); do
        small txt2img --sampler "$sampler" --steps 3 -o "$sampler.png" && is_png_of "$sampler.png" 64 64 || return 1
    done
    is_png_of lcm.png 64 64
}
check "every sampler draws" every_sampler

# ---- What is in the files, and on the screen ----

small txt2img -p "a cat" -n "a dog" --seed 5 --sampler euler_a --schedule karras --cfg 6.5 --clip-skip 2 -o text.png
settings="Steps: 2, Sampler: Euler a, Schedule type: Karras, CFG scale: 6.5, Seed: 5, Size: 64x64"
check "parameters as the web UIs write them" \
    has_text text.png "parameters a cat Negative prompt: a dog $settings, Model: tiny, Clip skip: 2"
small img2img -i "$input" --strength 0.5 -o text.png
check "parameters of img2img" has_text text.png ", Denoising strength: 0.5"
small txt2img -p "$(printf 'un \305\223uf, \347\214\253')" -o text.png
check "parameters of a prompt beyond Latin-1" has_text text.png "$(printf 'un \305\223uf, \347\214\253 Steps')"

# ---- Pictures made again ----

small txt2img -p '(a cat:1.2), "b"' -n "a: dog" --seed 5 --sampler "DPM++ 2M SDE Karras" --cfg 6.5 --clip-skip 2 --size 256 -o made.png
check "--from makes the same bytes" eval '
    "$latent" txt2img -m tiny.safetensors -q --from made.png -o again.png && cmp made.png again.png && is_empty err'
check "another precision than f32 is told, and followed" eval '
    "$latent" txt2img -m tiny.safetensors --size 256 --steps 1 --seed 5 -p "a cat" --precision int8 -o narrow.png >out 2>err &&
    grep -q "^narrow.png: seed 5, .* s, int8$" out && has_text narrow.png "Precision: int8, Version: latent" &&
    "$latent" txt2img -m tiny.safetensors -q --from narrow.png -o again.png >out 2>err &&
    cmp narrow.png again.png && is_empty err &&
    "$latent" txt2img -m tiny.safetensors -q --from narrow.png --precision f32 -o again.png 2>err &&
    counts 1 "note: the picture was made in int8; here it is drawn in f32, which makes other bytes" err'
check "options beside --from count" eval '
    "$latent" txt2img -m tiny.safetensors -q --from made.png --seed 6 --size 32 -o other.png &&
    is_png_of other.png 32 32 && has_text other.png "CFG scale: 6.5, Seed: 6, Size: 32x32"'
small img2img -i "$input" -p "a cat" --seed 9 --strength 0.5 -o changed.png
check "img2img --from" eval '
    "$latent" img2img -m tiny.safetensors -q -i "$input" --from changed.png -o again.png && cmp changed.png again.png'
check "without the picture that was changed there is a note" eval '
    "$latent" txt2img -m tiny.safetensors -q --from changed.png -o again.png 2>err &&
    counts 1 "latent: note: .*can.t be followed here: Denoising strength: 0.5" err'
refuse "a picture that does not say how it was made" 1 "$input: it does not say how it was made" \
    "$latent" txt2img -m tiny.safetensors -q --from "$input" -o none.png

for ending in jpg jpeg webp PNG; do
    check "a picture that ends in .$ending, read again" eval '
        small txt2img -p "a cat" --seed 5 -o "end.$ending" && has_text "end.$ending" "S" &&
        small img2img -i "end.$ending" -o again.png'
done
check "JPEG is JPEG, WebP is WebP" eval '[ "$(bytes end.jpg 0 3)" = ffd8ff ] && [ "$(bytes end.webp 8 4)" = 57454250 ]'

check "--json" small txt2img --seed 5 -b 2 --json --size 256 -o json.png
check "--json prints a line for each picture" counts 1 '^{"file":"json-2.png","seed":"6","seconds":[0-9.e-]*}$' out
check "--json and a name that is not UTF-8" eval '
    small txt2img --seed 5 --json --size 256 -o "$(printf "\377.png")" && grep -q "^{\"file\":null,\"seed\":\"5\"," out'
check "--quiet leaves standard error empty" is_empty err

check "--preview" small txt2img --preview preview.png -o full.png
check "a preview has the latent's size" is_png_of preview.png 8 8
for half in encoder decoder; do
    check "a synthetic TAESD $half" "$latent" convert --synthetic tiny-taesd-$half tiny_taesd_$half.safetensors
done
check "--preview-vae" small txt2img --preview preview.png --preview-vae tiny_taesd_decoder.safetensors -o full.png
check "such a preview is as large as the picture" is_png_of preview.png 64 64
check "--vae takes a TAESD, the encoder's file beside the decoder's" eval '
    small img2img -i "$input" --vae tiny_taesd_decoder.safetensors --tiling -o tae.png && is_png_of tae.png 64 64'
refuse "another model's file makes no previews" 1 "tiny.safetensors: not a model of the kind that is wanted here" \
    latent txt2img -m tiny.safetensors -p "" --preview p.png --preview-vae tiny.safetensors -o never.png
check "a synthetic upscaler" "$latent" convert --synthetic tiny-srvgg-x4 tiny_srvgg.safetensors
enlarged() { "$latent" upscale -m tiny_srvgg.safetensors -q "$@" >out 2>err; }
check "upscale" eval 'enlarged -i full.png -o large.png && is_png_of large.png 256 256 && is_empty err'
check "an enlarged picture still says how the small one was made" eval '
    "$latent" inspect large.png >out && grep -q "Size: 64x64" out'
check "upscale by another scale, in tiles" eval '
    enlarged -i full.png --scale 2.5 --tile 48 --overlap 20 -o large.webp && "$latent" inspect large.webp | grep -q "160 *x *160"'
check "upscale to standard output" eval 'enlarged -i full.png -o - && mv out piped.png && is_png_of piped.png 256 256'
check "--hires" eval 'small txt2img --hires 1.5 --hires-steps 1 -o hires.png && is_png_of hires.png 96 96'
check "--hires by an upscaler" eval '
    small txt2img --hires-size 96x72 --hires-upscaler tiny_srvgg -o hires.png && is_png_of hires.png 96 72'
check "--from a picture of two passes" eval '
    "$latent" txt2img -m tiny.safetensors -q --from hires.png -o again.png 2>err && cmp hires.png again.png'
check "--hires-steps without a second pass" eval 'small txt2img --hires-steps 3 -o full.png && grep -q -- "--hires-steps does nothing without a second pass" err'
refuse "--hires from a picture" 2 "hires: a second pass goes without an image" latent img2img -m tiny.safetensors -i full.png -p "" --hires 2 -o never.png
refuse "--hires by what is nowhere" 1 "no-such" latent txt2img -m tiny.safetensors -p "" --hires 2 --hires-upscaler no-such -o never.png
refuse "a checkpoint as an upscaler" 1 "has no upscaler" latent upscale -m tiny.safetensors -i full.png -o never.png
refuse "an upscaler as a checkpoint" 1 "this checkpoint has no U-Net" latent txt2img -m tiny_srvgg.safetensors -p "" -o never.png
refuse "an upscaler as a LoRA" 1 "tiny_srvgg" latent txt2img -m tiny.safetensors -p "" --lora tiny_srvgg.safetensors -o never.png
refuse "tiles that are too small" 2 "[-]-tile 8: 16 at least" latent upscale -m tiny_srvgg.safetensors -i full.png --tile 8 -o never.png
refuse "tiles that overlap by half" 2 "overlap 32: under half of --tile" latent upscale -m tiny_srvgg.safetensors -i full.png --tile 64 --overlap 32 -o never.png
check "tiles overlap by a quarter where nobody says" eval 'for tile in 16 48 64; do enlarged -i full.png --tile $tile -o large.png || exit 1; done; is_png_of large.png 256 256'
check "an overlap of no tiles is noted" eval 'enlarged -i full.png --tile 0 --overlap 8 -o large.png && grep -q "note: --overlap does nothing at a --tile of 0" err'
refuse "an upscaler without a picture" 2 "-m UPSCALER, -i IN and -o OUT" latent upscale -m tiny_srvgg.safetensors -o never.png
check "odd sizes are rounded, with a note" eval '
    small txt2img -W 70 -H 61 -b 2 -o odd.png && is_png_of odd-2.png 64 56 &&
    counts 1 "latent: note: 70x61 is rounded to 64x56" err'
check "a size far from the model's own is noted" eval 'counts 1 "latent: note: 64x56 is far from 512x512, for which this model was trained" err'
check "half of it is not" eval 'small txt2img --size 256 -o half.png && is_empty err'
check "a size below the smallest" eval 'small txt2img -W 1 -H 3 -o least.png && is_png_of least.png 8 8'
check "img2img takes the input's size" eval '
    draw img2img --steps 2 -i "$input" -o size.png && is_png_of size.png 128 128'
check "--max-memory that can't hold: nothing is drawn" eval '! small txt2img --max-memory 0.01 --steps 1 -o never.png 2>err && [ ! -e never.png ] &&
    grep -q "GB at least, .* --max-memory allows 0.01" err'
check "--tiling" eval 'small txt2img -W 320 -H 264 --tiling --steps 1 -o tiled.png && is_png_of tiled.png 320 264'
masked() { small inpaint -i "$input" --seed 5 -p "a cat" "$@" -o masked.png; } # with --mask
masked --mask "$golden/images/mask.png" && mv masked.png expected.png
for file in rgba.png grey_alpha.png palette.png turned.png lossless.webp; do
    check "a mask's transparent parts are kept: $file" eval 'masked --mask "$golden/images/mask_$file" && cmp masked.png expected.png'
done
for file in rgba.png grey_alpha.png palette.png lossless.webp; do
    check "--mask-rule transparent repaints them: $file" eval '
        masked --mask "$golden/images/hole_$file" --mask-rule transparent && cmp masked.png expected.png'
done
check "a mask that keeps everything is noted" eval '
    masked --mask "$golden/images/mask.png" --mask-rule transparent &&
    counts 1 "^latent: note: the mask keeps everything: nothing of it is transparent" err'
head -c -12 "$golden/images/mask.png" >endless.png
check "a PNG without an end" eval 'masked --mask endless.png && cmp masked.png expected.png'
check "the first frame of an animation" eval '"$latent" inspect "$golden/images/animated.webp" | grep -q 19x13'
check "a soft mask" small inpaint -i "$input" --mask "$mask" --mask-blur 4 -o soft.png
check "an inpainting model without a mask repaints everything" \
    "$latent" img2img -m tiny9.safetensors -q --steps 2 -i "$input" -p "" -o all.png
check "progress lines in a log" eval '
    "$latent" txt2img -m tiny.safetensors -p "" --steps 20 -W 8 -H 8 -o log.png 2>err && [ "$(wc -l <err)" -lt 15 ] &&
    grep -q "^step 20/20, [0-9.]* s a step, 0:00 left$" err'

check "encode and decode" eval '
    "$latent" encode -m tiny.safetensors "$input" -o z.safetensors &&
    "$latent" decode -m tiny.safetensors z.safetensors -o z.png &&
    is_png_of z.png 128 128'
check "decode what --save-latents kept" eval '
    "$latent" decode -m tiny.safetensors batch-2.safetensors -o z.png && is_png_of z.png 64 64'
check "encode draws from the posterior with a seed" eval '
    "$latent" encode -m tiny.safetensors "$input" --seed 1 -o z1.safetensors && ! cmp -s z.safetensors z1.safetensors'

# ---- Prompts ----

long=$(awk 'BEGIN { for (i = 0; i < 2000; i++) printf "word%d ", i }')
brackets=$(awk 'BEGIN { for (i = 0; i < 65000; i++) printf "((" }')
while read -r name text; do
    check "prompt: $name" small txt2img -p "$(printf "$text")" -o prompt.png
done <<'END'
empty
BREAK a cat BREAK on a mat BREAK
weights (a cat:1.3), [a dog], ((very) \\(good\\)):0.2
a\040weight\040beyond\040reason (cat:1e38)
brackets ((((((((((((([[[[[[[[[
closed\040brackets ())))]]]](:
not\040UTF-8 \377\376\300\200 cat \355\240\200
controls \001\033[31m cat \177
END
check "prompt: 15 kB" small txt2img --steps 1 -p "$long" -o prompt.png
check "prompt: 130,000 brackets" small txt2img --steps 1 -p "$brackets" -o prompt.png
check "a plain prompt takes brackets as they are" eval '
    small txt2img --seed 1 -p "(cat)" -o weighed.png && small txt2img --seed 1 -p "(cat)" --plain-prompt -o plain.png &&
    ! cmp -s weighed.png plain.png'
check "a plain prompt is cut, and the user sees where" eval '
    small txt2img --plain-prompt -p "$(awk "BEGIN { for (i = 0; i < 76; i++) printf \"cat \" }")dog" -b 2 -o cut.png &&
    counts 1 "^latent: note: the prompt was cut after 75 tokens; left out: cat dog" err'

# ---- Help ----

readable() { # at most 100 lines of at most 100 columns, with an example
    "$latent" "$1" --help >out 2>err && [ "$(wc -l <out)" -le 100 ] && ! grep "^.\{101\}" out &&
        grep -q "^  latent $1 " out
}
in_manual() { # every command and option of the help is in the manual page
    "$latent" man | tr -d '\\' >manual
    for word in $("$latent" --help | sed -n 's/^  \([a-z0-9]*\) .*/\1/p'); do
        grep -q "^.SS latent $word " manual || return 1
        for option in $("$latent" "$word" --help | sed -n 's/^  ...  *--\([a-z0-9-]*\).*/\1/p'); do
            grep -q -e "fB--${option}fR" manual || return 1
        done
    done
}
for command in txt2img img2img inpaint encode decode; do check "$command --help" readable $command; done
check "the manual page has every command and option" in_manual

# ---- Wrong usage ----

tiny="-m tiny.safetensors -W 64 -H 64 -q -o none/a.png"
refuse "no command" 2 "no command txtimg; did you mean txt2img" latent txtimg
refuse "steps of 0" 2 "steps 0: .* from 1 to 1000" latent txt2img $tiny --steps 0
refuse "steps of ten" 2 "steps ten: .* from 1 to 1000" latent txt2img $tiny --steps ten
refuse "steps beyond an int" 2 "from 1 to 1000" latent txt2img $tiny --steps 99999999999999999999
refuse "a NaN strength" 2 "strength nan: " latent img2img $tiny -i "$input" --strength nan
refuse "an infinite guidance" 2 "cfg inf: " latent txt2img $tiny --cfg inf
refuse "a strength of 0" 2 "strength 0: " latent img2img $tiny -i "$input" --strength 0
refuse "a negative seed" 2 "seed -2: .* or -1" latent txt2img $tiny --seed -2
refuse "a size of 0" 2 "width 0: " latent txt2img -W 0 -m tiny.safetensors -o none/a.png
refuse "100,000 pixels a side" 2 "height 100000: " latent txt2img -H 100000 -m tiny.safetensors -o none/a.png
refuse "an unknown sampler" 2 "sampler foo: possible are .*dpmpp_2m, .*lcm" latent txt2img $tiny --sampler foo
refuse "an unknown schedule" 2 "schedule foo: possible are normal, uniform, karras, " latent txt2img $tiny --schedule foo
refuse "a pair that can't be" 2 "sampler plms can't run on schedule karras: it takes leading" \
    latent txt2img $tiny -p "" --sampler plms --schedule karras
refuse "a precision that an instruction set lacks" 1 "bf16 takes a processor" latent txt2img $tiny -p "" --precision bf16 --isa avx2
refuse "an unknown instruction set in the environment" 1 "LATENT_ISA=avx3: this processor has scalar" \
    env LATENT_ISA=avx3 "$latent" txt2img $tiny -p ""
had=$(sed 's/.*has//; s/,//g' err)
uses() { # SET [ISA]: with SET in the environment, and --isa ISA
    LATENT_ISA=$1 "$latent" bench -m tiny.safetensors -W 64 -H 64 --runs 1 --json ${2:+--isa $2} >out 2>err
}
for set in scalar avx2 avxvnni avx512 avx512vnni avx512bf16 amx; do
    case " $had " in
    *" $set "*) check "LATENT_ISA=$set" eval "uses $set && grep -q '\"isa\":\"$set\"' out" ;;
    *)
        refuse "LATENT_ISA=$set, which this processor lacks" 1 "LATENT_ISA=$set: " uses $set
        lacked=$set
        ;;
    esac
done
# plain C is slow: once for those that it has, and once for those that it lacks
for set in "${had##* }" ${lacked:-}; do
    check "--isa wins over LATENT_ISA=$set" eval "uses $set scalar && grep -q '\"isa\":\"scalar\"' out"
done
check "an empty LATENT_ISA says nothing" uses ""
refuse "two prompts without -p" 2 "a prompt goes behind -p" latent txt2img $tiny "a cat" "a dog"
refuse "a prompt without quotation marks" 2 'what is "cat"' latent txt2img $tiny -p a cat
refuse "two prompts" 2 "prompt is there twice" latent txt2img $tiny -p "a cat" -p "a dog"
refuse "an unknown option" 2 "strength: unknown option; see .latent txt2img --help" latent txt2img $tiny --strength 1
refuse "an unknown letter" 2 "-z: unknown option" latent txt2img $tiny -qz
check "a number given twice counts the last time" small txt2img --cfg 1 --cfg 2 -o twice.png
refuse "an option without its value" 2 "seed: needs a value" latent txt2img $tiny --seed
refuse "a value too many" 2 "quiet=no: takes no value" latent txt2img -m tiny.safetensors -o none/a.png --quiet=no
refuse "an unknown ending" 2 "none/a.bmp: the name must end in .png, " latent txt2img -m tiny.safetensors -o none/a.bmp
refuse "no ending" 2 "must end in .png, " latent txt2img -m tiny.safetensors -o none/a
refuse "img2img without a picture" 2 "-i IN" latent img2img $tiny
refuse "a mask without a picture" 2 "-i IN" latent inpaint $tiny --mask "$mask"
refuse "inpaint without a mask" 2 "--mask MASK" latent inpaint $tiny -i "$input"
refuse "an output folder that is not there" 1 "nowhere/a.png: .*No such file" \
    latent txt2img -m tiny.safetensors -o nowhere/a.png
mkfifo pipe.png
refuse "a pipe named as a picture" 1 "pipe.png: not a file" latent txt2img -m tiny.safetensors -o pipe.png
refuse "latents with no place to go" 1 "nowhere/z" latent txt2img $tiny --save-latents nowhere/z
refuse "a preview with no place to go" 1 "nowhere/p.png" latent txt2img $tiny --preview nowhere/p.png
refuse "encode to nowhere" 1 "nowhere/z" latent encode -m tiny.safetensors "$input" -o nowhere/z
refuse "decode to an unknown ending" 2 "must end in" latent decode -m tiny.safetensors z.safetensors -o none/z.gif

# ---- The model that comes with the program ----

check "it draws" "$latent" txt2img -p "a red apple" --seed 1 -q -o default.png
check "64x64" is_png_of default.png 64 64
check "the same again" "$latent" txt2img -p "a red apple" --seed 1 -q -o again.png
check "the same bytes" cmp default.png again.png
check "it changes pictures" "$latent" img2img -i default.png -p "a green apple" --seed 1 -q -o green.png

# ---- Broken and hostile files ----

# broken NAME PATTERN FILE: a checkpoint that txt2img refuses with a message that names the file and matches PATTERN
broken() { refuse "$1" 1 "$3: .*$2" latent txt2img -m "$3" -W 64 -H 64 -o none/a.png; }
broken "a model that is not there" "can't be opened: No such file" nothing.safetensors
broken "a file in a folder that is not there" "can't be opened: No such file" nothing/nothing.safetensors
mkdir models
broken "a folder that is not there" "can't be opened: No such file" models/nothing
elsewhere="nothing is downloaded: if .* from https://huggingface.co"
broken "a model's name elsewhere" "$elsewhere/some-one/sd_v1.5 and give" some-one/sd_v1.5
broken "one that has moved" "$elsewhere/stable-diffusion-v1-5/stable-diffusion-v1-5 and" runwayml/stable-diffusion-v1-5
broken "an address" "nothing is downloaded: fetch the file" https://huggingface.co/a/b/resolve/main/c.safetensors
refuse "an address for a VAE" 1 "a/b: .*nothing is downloaded" latent txt2img -m tiny.safetensors --vae a/b -p a -o none/a.png
: >empty.safetensors
broken "an empty checkpoint" "" empty.safetensors
head -c 1000000 tiny.safetensors >short.safetensors
broken "a truncated checkpoint" "" short.safetensors
head -c 100 tiny.safetensors >shorter.safetensors
broken "a checkpoint cut in its header" "" shorter.safetensors
awk 'BEGIN { for (i = 0; i < 500; i++) printf "garbage %d", i }' >garbage.safetensors
broken "garbage" "" garbage.safetensors
printf '<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n' >page.safetensors
broken "a web page" "web page" page.safetensors
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 2132625894\n' >pointer.safetensors
broken "a git-lfs pointer" "git lfs pull" pointer.safetensors
broken "a picture as a checkpoint" "" "$input"
mkdir folder
broken "a folder that is no model" "" folder
broken "a pickle that calls os.system" "posix.system" "$golden/formats/attack.ckpt"
broken "a checkpoint of something else" "no model that is known" "$golden/formats/small.safetensors"

# patch FROM TO: bad.safetensors is the tiny checkpoint with TO in its header where FROM was, of the same length
patch() {
    cp tiny.safetensors bad.safetensors
    at=$(grep -abo -m 1 -F -- "$1" tiny.safetensors | head -n 1 | cut -d: -f1)
    printf '%s' "$2" | dd of=bad.safetensors bs=1 seek="$at" conv=notrunc 2>/dev/null
}
unet=model.diffusion_model
patch "$unet.out.2.weight" "$unet.out.2.weighs"
refuse "a missing tensor" 1 "has no tensor $unet.out.2.weight$" latent txt2img -m bad.safetensors -p "" -o none/a.png
patch "$unet.out.2.weight\":{\"dtype\":\"F16\",\"shape\":[4,64,3,3]" \
    "$unet.out.2.weight\":{\"dtype\":\"F16\",\"shape\":[4,64,9,1]"
refuse "a tensor of the wrong shape" 1 "$unet.out.2.weight has shape \[4,64,9,1\], expected \[4,64,3,3\]" \
    latent txt2img -m bad.safetensors -p "" -o none/a.png
patch "$unet.time_embed.0.weight\":{\"dtype\":\"F16\",\"shape\":[256,64],\"data_offsets\":[0," \
    "$unet.time_embed.0.weight\":{\"dtype\":\"F16\",\"shape\":[256,64],\"data_offsets\":[9,"
broken "offsets that don't fit" "" bad.safetensors
patch "$unet.time_embed.0.weight" "$(printf 'model.diffusion_mo\033]0;hi\007d.0.weight')"
refuse "control characters in a tensor's name don't reach the terminal" 1 "" \
    latent txt2img -m bad.safetensors -W 64 -H 64 -o none/a.png
check "no control character in the message" eval '! grep -q "[[:cntrl:]]" err'
rm bad.safetensors short.safetensors

picture() { refuse "$1" 1 "$3: .*$2" latent img2img $tiny -p "" -i "$3"; } # NAME PATTERN FILE
header='\211PNG\r\n\032\n\000\000\000\015IHDR'
printf "$header"'\000\001\206\240\000\001\206\240\010\002\000\000\000\047\060\234\237' >large.png
printf "$header"'\000\001\206\240\000\000\000\001\010\002\000\000\000\322\034\201\202' >wide.png
printf "$header"'\000\000\000\000\000\000\000\010\010\002\000\000\000\130\272\151\050' >flat.png
head -c 2000 "$input" >half.png
picture "a picture of 100,000 x 100,000 pixels" "100000" large.png
picture "a picture of 100,000 x 1 pixels" "100000" wide.png
picture "a picture of 0 pixels" "" flat.png
picture "a truncated picture" "" half.png
picture "a picture that is none" "neither a PNG" page.safetensors
picture "a picture that is not there" "No such file" nothing.png
picture "a folder as a picture" "" folder
refuse "a mask that is none" 1 "page.safetensors: " latent inpaint $tiny -i "$input" --mask page.safetensors
refuse "an inpainting model without a picture" 2 "needs a picture and a mask" latent txt2img -m tiny9.safetensors -p "" -o none/a.png
refuse "noise of another size" 1 "noise has 1024 values.* has 256" latent txt2img $tiny -p "" \
    --noise "$golden/tiny/txt2img_ddim.safetensors"
refuse "a noise file without noise" 1 "neither a tensor noise" latent txt2img $tiny -p "" --noise tiny.safetensors
refuse "noise for a model that can't draw" 1 "" latent txt2img -m "$golden/formats/small.safetensors" -o none/a.png \
    --noise "$golden/tiny/txt2img_ddim.safetensors"
refuse "decode what is no latent" 1 "no tensor called latent" latent decode -m tiny.safetensors tiny.safetensors -o none/a.png
refuse "decode garbage" 1 "garbage" latent decode -m tiny.safetensors garbage.safetensors -o none/a.png

# ---- Stops and full disks ----

# Many steps; the preview says when the first is done.
stopped() {
    rm -f preview.png
    "$latent" txt2img -m tiny.safetensors -q -p "" -W 256 -H 256 --sampler heun --steps 1000 \
        --preview preview.png -o none/a.png >out 2>err &
    child=$!
    while [ ! -e preview.png ] && kill -0 $child; do sleep 1; done
    kill -INT $child
    wait $child
    got=$?
    cat out err
    [ $got -eq 130 ] && [ ! -s out ] && grep -q "^latent: stopped" err && [ "$(wc -l <err)" -eq 1 ] && [ -z "$(ls -A none)" ]
}
check "Ctrl-C stops at once, with exit status 130 and nothing left behind" stopped
check "no temporary file is left anywhere" eval '[ -z "$(find . -name "*.part")" ]'

fails_to_print() {
    [ "$1" -eq 1 ] && grep -q "standard output can't be written" err && is_png_of full.png 8 8
}
rm -f full.png
"$latent" txt2img -m tiny.safetensors -q -p "" -W 8 -H 8 --steps 1 -o full.png 2>err >&-
check "a closed standard output is a failure" fails_to_print $?
"$latent" txt2img -m tiny.safetensors -q -p "" -W 8 -H 8 --steps 1 -o full.png 2>err >/dev/full
check "a full disk behind standard output is a failure" fails_to_print $?

check "nothing that was refused left a file" test -z "$(ls -A none)"

exit $failed
